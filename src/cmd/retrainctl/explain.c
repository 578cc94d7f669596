/* explain: why a rule fired, or did not. */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/retrainctl/ctl.h"
#include "cmd/retrainctl/history.h"
#include "replay/consider.h"
#include "replay/replay.h"

static char *key, *event, *decision, *at, *state;

static const GOptionEntry rows[] = {
	{ "key", 'k', 0, G_OPTION_ARG_STRING, &key, "the rule's key", "KEY" },
	{ "event", 0, 0, G_OPTION_ARG_STRING, &event,
	  "what this event did; without RULE: with every rule", "ID" },
	{ "decision", 0, 0, G_OPTION_ARG_STRING, &decision, "this decision", "N" },
	{ "at", 0, 0, G_OPTION_ARG_STRING, &at, "as it was then", "TIME" },
	{ "state", 0, 0, G_OPTION_ARG_FILENAME, &state,
	  "read this state directory, not the daemon", "DIR" },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};

static void parameter(GString *s, const char *name, const char *value)
{
	char *e;

	if (!value)
		return;
	e = g_uri_escape_string(value, NULL, FALSE);
	g_string_append_printf(s, "%s%s=%s", g_str_has_suffix(s->str, "?") ? "" : "&",
	    name, e);
	g_free(e);
}

static int ask(struct ctl *c, const char *rule)
{
	GString *path = g_string_new("/api/v1/explain?");
	json_t *j;
	int status;

	parameter(path, "rule", rule), parameter(path, "key", key);
	parameter(path, "event", event), parameter(path, "decision", decision);
	parameter(path, "at", at);
	j = client_json(c, "GET", path->str, NULL, &status);
	explain_print(c, j);
	json_decref(j);
	g_string_free(path, TRUE);
	return status;
}

void explain_print(struct ctl *c, const json_t *j)
{
	GString *out;
	char *text;
	struct err err = { 0 };
	bool ok;

	if (!j)
		return;
	if (c->format != FORMAT_TABLE && c->format != FORMAT_WIDE) {
		output(c, j, NULL);
		return;
	}
	text = json_dumps(j, JSON_COMPACT);
	out = g_string_new(NULL);
	if (json_object_get(j, "span"))
		printf("covered: %s to %s\n", member(json_object_get(j, "span"), "from"),
		    member(json_object_get(j, "span"), "to"));
	ok = json_object_get(j, "rules") ? consider_text(str_of(text), out, &err) :
	    replay_explain_text(str_of(text), out, &err);
	if (ok)
		fputs(out->str, stdout);
	else
		output(c, j, NULL);
	g_string_free(out, TRUE);
	free(text);
}

static int run(struct ctl *c, int argc, char **argv)
{
	int64_t ms = INT64_MAX;

	if (argc > 1 || (!argc && !event && !decision))
		return usage_error("explain", "expected one rule, or --event");
	if (at && !history_time("explain", "at", at, &ms))
		return CTL_USAGE;
	if (!state)
		return ask(c, argc ? argv[0] : NULL);
	if (decision)
		return usage_error("explain", "--decision asks the daemon: a decision has"
		    " its trace with it");
	return explain_past(c, state, argc ? argv[0] : "", key, event, ms);
}

const struct verb verb_explain = {
	.name = "explain",
	.args = "[RULE] [--key K] [--at TIME | --event ID | --decision N]",
	.summary = "say why a rule fired or did not",
	.help = "TIME is RFC 3339, or how long ago (90m, 7d).  The past is covered as far"
	    " back as\nthe journal and its snapshots reach; outside it exits 1 and says"
	    " what is covered.",
	.rows = rows,
	.run = run,
};
