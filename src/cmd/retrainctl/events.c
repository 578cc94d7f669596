/* events: what comes in, as it comes, and one sent by hand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/retrainctl/history.h"

static char *type, *subject, *source, *data, *id, *state;
static gboolean explain;

static const GOptionEntry rows[] = {
	{ "type", 't', 0, G_OPTION_ARG_STRING, &type, "emit: CloudEvents type", "TYPE" },
	{ "subject", 's', 0, G_OPTION_ARG_STRING, &subject, "emit: subject", "SUBJECT" },
	{ "source", 0, 0, G_OPTION_ARG_STRING, &source, "emit: source (/retrainctl)",
	  "URI" },
	{ "data", 'd', 0, G_OPTION_ARG_STRING, &data, "emit: data", "JSON" },
	{ "id", 0, 0, G_OPTION_ARG_STRING, &id, "emit: id (made new)", "ID" },
	{ "explain", 0, 0, G_OPTION_ARG_NONE, &explain,
	  "emit: send nothing, say what each rule would do", NULL },
	{ "state", 0, 0, G_OPTION_ARG_FILENAME, &state,
	  "emit --explain: read this state directory, not the daemon", "DIR" },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};

struct tail { struct ctl *c; GString *line; };

static void show(struct ctl *c, const char *json)
{
	json_t *e;

	if (c->format != FORMAT_TABLE && c->format != FORMAT_WIDE) {
		puts(json);
		return;
	}
	e = json_loads(json, 0, NULL);
	if (!e)
		return;
	char *d = json_dumps(json_object_get(e, "data"), JSON_COMPACT | JSON_ENCODE_ANY);
	printf("%-24s  %-28s  %-16s  %s\n", member(e, "time"), member(e, "type"),
	    *member(e, "subject") ? member(e, "subject") : "-", d ? d : "-");
	free(d);
	json_decref(e);
}

/* "data: {...}" lines of the event stream. */
static bool on_piece(void *arg, struct str piece)
{
	struct tail *t = arg;
	char *nl;

	g_string_append_len(t->line, piece.p, piece.len);
	while ((nl = strchr(t->line->str, '\n'))) {
		*nl = '\0';
		if (g_str_has_prefix(t->line->str, "data: "))
			show(t->c, t->line->str + 6);
		g_string_erase(t->line, 0, nl - t->line->str + 1);
	}
	fflush(stdout);
	return !ferror(stdout);
}

static int tail(struct ctl *c)
{
	struct tail t = { c, g_string_new(NULL) };
	bool ok = client_stream(c, "/api/v1/events/tail", on_piece, &t);

	g_string_free(t.line, TRUE);
	return ok ? CTL_OK : CTL_USAGE;
}

/* Takes e. */
static int explain_it(struct ctl *c, json_t *e)
{
	char *text;
	json_t *j;
	int status;

	if (state) {
		text = json_dumps(e, JSON_COMPACT);
		status = explain_unsent(c, state, str_of(text));
		json_decref(e);
		free(text);
		return status;
	}
	j = client_json(c, "POST", "/api/v1/explain", e, &status);
	explain_print(c, j);
	json_decref(j);
	return status;
}

/* What the daemon's child does: a whole CloudEvent on the standard input. */
static int explain_stdin(struct ctl *c)
{
	GString *s = g_string_new(NULL);
	char piece[4096];
	size_t n;
	int status;

	while ((n = fread(piece, 1, sizeof(piece), stdin)) > 0)
		g_string_append_len(s, piece, (gssize)n);
	status = explain_unsent(c, state, (struct str){ s->str, (uint32_t)s->len });
	g_string_free(s, TRUE);
	return status;
}

static int emit(struct ctl *c)
{
	json_t *e = json_object(), *d = NULL;
	char *new_id = id ? g_strdup(id) : g_uuid_string_random();
	int status;

	if (!type || (data && !(d = json_loads(data, JSON_DECODE_ANY, NULL)))) {
		json_decref(e);
		g_free(new_id);
		return usage_error("events", type ? "--data: expected JSON" :
		    "emit: expected --type");
	}
	json_object_set_new(e, "specversion", json_string("1.0"));
	json_object_set_new(e, "id", json_string(new_id));
	json_object_set_new(e, "source", json_string(source ? source : "/retrainctl"));
	json_object_set_new(e, "type", json_string(type));
	if (subject)
		json_object_set_new(e, "subject", json_string(subject));
	if (d)
		json_object_set_new(e, "data", d);
	status = explain ? explain_it(c, e) :
	    client_show(c, "POST", "/api/v1/events", e, NULL);
	g_free(new_id);
	return status;
}

static int run(struct ctl *c, int argc, char **argv)
{
	if (argc == 1 && strcmp(argv[0], "tail") == 0)
		return tail(c);
	if (argc == 1 && strcmp(argv[0], "emit") == 0)
		return emit(c);
	if (argc == 2 && strcmp(argv[0], "emit") == 0 && strcmp(argv[1], "-") == 0 &&
	    explain && state)
		return explain_stdin(c);
	return usage_error("events", "expected tail or emit");
}

const struct verb verb_events = {
	.name = "events",
	.args = "tail | emit --type T [--data JSON] [--explain]",
	.help = "`emit - --explain --state DIR` reads a whole CloudEvent from the"
	    " standard input.",
	.summary = "show events as they come in, or send one by hand",
	.rows = rows,
	.run = run,
};
