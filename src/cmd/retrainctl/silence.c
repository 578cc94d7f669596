/* silence: nothing that matches fires for a while, and a person says why. */
#include <string.h>

#include "cmd/retrainctl/ctl.h"

extern const struct verb verb_get;

static char *span, *until, *reason, *end;

static const GOptionEntry rows[] = {
	{ "for", 0, 0, G_OPTION_ARG_STRING, &span, "how long, as 2h", "DURATION" },
	{ "until", 0, 0, G_OPTION_ARG_STRING, &until, "or until when (RFC 3339)",
	  "TIME" },
	{ "reason", 0, 0, G_OPTION_ARG_STRING, &reason, "why", "TEXT" },
	{ "end", 0, 0, G_OPTION_ARG_STRING, &end, "end this silence now", "ID" },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};

static int run_end(struct ctl *c)
{
	char *path = client_path("/api/v1/silences/%s/end", end);
	int status = client_show(c, "POST", path, json_object(), NULL);

	g_free(path);
	return status;
}

static int run(struct ctl *c, int argc, char **argv)
{
	char *list[] = { (char *)(uintptr_t)"silences" };
	json_t *body, *match;

	if (end)
		return argc || span || until ?
		    usage_error("silence", "--end takes nothing else") : run_end(c);
	if (!argc && !span && !until)
		return verb_get.run(c, 1, list);
	if (!argc)
		return usage_error("silence",
		    "expected what to silence, as 'rule=risk/*'");
	if (!span == !until)
		return usage_error("silence", "expected either --for or --until");
	body = json_object();
	match = json_array();
	for (int i = 0; i < argc; i++)
		json_array_append_new(match, json_string(argv[i]));
	json_object_set_new(body, "match", match);
	json_object_set_new(body, span ? "for" : "until", json_string(span ? span :
	    until));
	if (reason)
		json_object_set_new(body, "reason", json_string(reason));
	return client_show(c, "POST", "/api/v1/silences", body, NULL);
}

const struct verb verb_silence = {
	.name = "silence",
	.args = "[FIELD=GLOB|FIELD!=GLOB...] [--for D|--until T] [--reason TEXT]",
	.summary = "let nothing that matches fire for a while; list; --end",
	.help = "FIELD is rule, bundle, key, model, pipeline, owner or label.NAME; all"
	    " terms\nmust hold; '*' and '?' are wild.  Without arguments the silences"
	    " are listed.",
	.rows = rows,
	.run = run,
};
