/* explain: why a rule fired, or did not. */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/retrainctl/ctl.h"
#include "replay/replay.h"

static char *key, *event, *decision;

static const GOptionEntry rows[] = {
	{ "key", 'k', 0, G_OPTION_ARG_STRING, &key, "the rule's key", "KEY" },
	{ "event", 0, 0, G_OPTION_ARG_STRING, &event, "the decision on this event",
	  "ID" },
	{ "decision", 0, 0, G_OPTION_ARG_STRING, &decision, "this decision", "N" },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};

static void parameter(GString *s, const char *name, const char *value)
{
	char *e;

	if (!value)
		return;
	e = g_uri_escape_string(value, NULL, FALSE);
	g_string_append_printf(s, "&%s=%s", name, e);
	g_free(e);
}

static int run(struct ctl *c, int argc, char **argv)
{
	GString *path;
	char *base;
	json_t *j;
	int status;

	if (argc != 1)
		return usage_error("explain", "expected one rule");
	base = client_path("/api/v1/explain?rule=%s", argv[0]);
	path = g_string_new(base);
	parameter(path, "key", key), parameter(path, "event", event);
	parameter(path, "decision", decision);
	j = client_json(c, "GET", path->str, NULL, &status);
	if (j && (c->format == FORMAT_TABLE || c->format == FORMAT_WIDE)) {
		char *text = json_dumps(j, JSON_COMPACT);
		GString *out = g_string_new(NULL);
		struct err err = { 0 };
		if (replay_explain_text(str_of(text), out, &err))
			fputs(out->str, stdout);
		else
			output(c, j, NULL);
		g_string_free(out, TRUE);
		free(text);
	} else if (j)
		output(c, j, NULL);
	json_decref(j);
	g_string_free(path, TRUE);
	g_free(base);
	return status;
}

const struct verb verb_explain = {
	.name = "explain",
	.args = "RULE [--key K] [--event ID | --decision N]",
	.summary = "say why a rule fired or did not",
	.help = "Covers decisions (fired, suppressed, observed, error) and a key's "
	    "last event;\n"
	    "anything else exits 1 and says what is covered.",
	.rows = rows,
	.run = run,
};
