/* get: lists of things. */
#include <string.h>

#include "cmd/retrainctl/ctl.h"

static char *rule, *pipeline, *key, *state, *outcome, *event, *model, *since;
static int limit;

static const GOptionEntry rows[] = {
	{ "rule", 0, 0, G_OPTION_ARG_STRING, &rule, "only of this rule", "RULE" },
	{ "pipeline", 0, 0, G_OPTION_ARG_STRING, &pipeline, "only of this pipeline",
	  "PIPELINE" },
	{ "key", 'k', 0, G_OPTION_ARG_STRING, &key, "only with this key", "KEY" },
	{ "state", 0, 0, G_OPTION_ARG_STRING, &state, "only runs in this state",
	  "STATE" },
	{ "outcome", 0, 0, G_OPTION_ARG_STRING, &outcome, "only with this outcome",
	  "OUTCOME" },
	{ "event", 0, 0, G_OPTION_ARG_STRING, &event, "only decisions on this event",
	  "ID" },
	{ "model", 0, 0, G_OPTION_ARG_STRING, &model, "only of this model", "MODEL" },
	{ "since", 0, 0, G_OPTION_ARG_STRING, &since, "only newer: 2h, or RFC 3339",
	  "TIME" },
	{ "limit", 'n', 0, G_OPTION_ARG_INT, &limit, "at most that many (100)", "N" },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};
static const struct column runs[] = {
	{ "RUN", "id", false, COL_TEXT },
	{ "PIPELINE", "pipeline", true, COL_TEXT },
	{ "RULE", "rule", false, COL_TEXT },
	{ "KEY", "key", false, COL_TEXT },
	{ "STATE", "state", false, COL_STATE },
	{ "OUTCOME", "outcome", false, COL_STATE },
	{ "CREATED", "created", false, COL_TIME },
	{ "FINISHED", "finished", false, COL_TIME },
	{ "DECISION", "decision", true, COL_TEXT },
	{ "REASON", "reason", false, COL_TEXT },
	{ NULL, NULL, false, COL_TEXT },
};
static const struct column decisions[] = {
	{ "DECISION", "id", false, COL_TEXT },
	{ "RULE", "rule", false, COL_TEXT },
	{ "KEY", "key", false, COL_TEXT },
	{ "TIME", "time", false, COL_TIME },
	{ "OUTCOME", "outcome", false, COL_STATE },
	{ "BY", "suppressor", false, COL_TEXT },
	{ "RUN", "run", false, COL_TEXT },
	{ "EVENT", "event", true, COL_TEXT },
	{ "COUNT", "count", true, COL_TEXT },
	{ "REASON", "reason", false, COL_TEXT },
	{ NULL, NULL, false, COL_TEXT },
};
static const struct column rules[] = {
	{ "RULE", "name", false, COL_TEXT }, { "KIND", "kind", false, COL_TEXT },
	{ "MODE", "mode", false, COL_TEXT }, { "STATE", "state", false, COL_STATE },
	{ "SINCE", "since", false, COL_TIME }, { "KEYS", "keys", false, COL_TEXT },
	{ "LAST DECISION", "last_decision", false, COL_TEXT },
	{ "SUPPRESSED BY", "suppressed_by", false, COL_TEXT },
	{ "NEXT", "next", false, COL_TIME }, { "PIPELINE", "pipeline", false, COL_TEXT },
	{ NULL, NULL, false, COL_TEXT },
};
static const struct column sources[] = {
	{ "SOURCE", "name", false, COL_TEXT },
	{ "KIND", "kind", false, COL_TEXT },
	{ "STATE", "state", false, COL_STATE },
	{ "LAG", "lag", false, COL_TEXT },
	{ "RECONNECTS", "reconnects", false, COL_TEXT },
	{ "GAPS", "gaps", false, COL_TEXT },
	{ "DETAIL", "detail", false, COL_TEXT },
	{ NULL, NULL, false, COL_TEXT },
};
static const struct column models[] = {
	{ "MODEL", "model", false, COL_TEXT }, { "VERSION", "version", false, COL_TEXT },
	{ "STAGE", "stage", false, COL_STATE }, { "RUN", "run", false, COL_TEXT },
	{ "SINCE", "since", false, COL_TIME }, { "METRICS", "metrics", false, COL_TEXT },
	{ NULL, NULL, false, COL_TEXT },
};
static const struct column pipelines[] = {
	{ "PIPELINE", "name", false, COL_TEXT },
	{ "STEPS", "steps", false, COL_TEXT },
	{ "DESCRIPTION", "description", false, COL_TEXT },
	{ NULL, NULL, false, COL_TEXT },
};
static const struct column dues[] = {
	{ "RULE", "rule", false, COL_TEXT }, { "DUE", "due", false, COL_TEXT },
	{ "OUTCOME", "outcome", false, COL_STATE },
	{ "SCHEDULE", "schedule", false, COL_TEXT }, { NULL, NULL, false, COL_TEXT },
};
static const struct column quarantine[] = {
	{ "ID", "id", false, COL_TEXT },
	{ "TIME", "time", false, COL_TIME },
	{ "SOURCE", "source", false, COL_TEXT },
	{ "PART", "part", false, COL_TEXT },
	{ "POSITION", "position", false, COL_TEXT },
	{ "REASON", "reason", false, COL_TEXT },
	{ "WHY", "why", false, COL_TEXT },
	{ NULL, NULL, false, COL_TEXT },
};
static const struct column silences[] = {
	{ "SILENCE", "id", false, COL_TEXT }, { "MATCH", "match", false, COL_TEXT },
	{ "UNTIL", "until", false, COL_TIME }, { "AUTHOR", "author", false, COL_TEXT },
	{ "REASON", "reason", false, COL_TEXT },
	{ "CREATED", "created", true, COL_TIME }, { NULL, NULL, false, COL_TEXT },
};
static const struct column budgets[] = {
	{ "BUDGET", "budget", false, COL_TEXT },
	{ "ACCOUNT", "account", false, COL_TEXT },
	{ "USED", "used", false, COL_TEXT }, { "LIMIT", "limit", false, COL_TEXT },
	{ "RESOURCE", "resource", false, COL_TEXT }, { "PER", "per", false, COL_TEXT },
	{ "UNTIL", "to", false, COL_TIME }, { "OWNER", "owner", true, COL_TEXT },
	{ "DESCRIPTION", "description", true, COL_TEXT },
	{ NULL, NULL, false, COL_TEXT },
};
static const struct column bundles[] = {
	{ "BUNDLE", "name", false, COL_TEXT }, { "STATE", "state", false, COL_STATE },
	{ "RULES", "rules", false, COL_TEXT }, { "ERRORS", "errors", false, COL_TEXT },
	{ "SINCE", "since", false, COL_TIME }, { NULL, NULL, false, COL_TEXT },
};
static const struct column audit[] = {
	{ "TIME", "time", false, COL_TIME }, { "ACTOR", "actor", false, COL_TEXT },
	{ "VERB", "verb", false, COL_TEXT }, { "TARGET", "target", false, COL_TEXT },
	{ "ANSWER", "answer", true, COL_TEXT }, { NULL, NULL, false, COL_TEXT },
};
static const struct { const char *name, *one; const struct column *columns; } kinds[] = {
	{ "runs", "run", runs }, { "decisions", "decision", decisions },
	{ "rules", "rule", rules }, { "sources", "source", sources },
	{ "models", "model", models }, { "pipelines", "pipeline", pipelines },
	{ "dues", "due", dues }, { "quarantine", "quarantine", quarantine },
	{ "audit", "audit", audit }, { "silences", "silence", silences },
	{ "budgets", "budget", budgets }, { "bundles", "bundle", bundles },
};

static void parameter(GString *s, const char *name, const char *value)
{
	char *e;

	if (!value || !*value)
		return;
	e = g_uri_escape_string(value, NULL, FALSE);
	g_string_append_printf(s, "%c%s=%s", strchr(s->str, '?') ? '&' : '?', name, e);
	g_free(e);
}

struct ask { const struct column *columns; GString *path; };

static int once(struct ctl *c, void *arg)
{
	struct ask *a = arg;

	return client_show(c, "GET", a->path->str, NULL, a->columns);
}

static int run(struct ctl *c, int argc, char **argv)
{
	struct ask a = { NULL, NULL };
	char n[16] = "";
	int status;

	if (argc != 1)
		return usage_error("get", "expected what to list");
	for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++)
		if (strcmp(argv[0], kinds[i].name) == 0 ||
		    strcmp(argv[0], kinds[i].one) == 0) {
			a.columns = kinds[i].columns;
			a.path = g_string_new("/api/v1/");
			g_string_append(a.path, kinds[i].name);
		}
	if (!a.path)
		return usage_error("get",
				   "'%s' is not one of runs, decisions, rules, sources,"
				   " models, pipelines, dues, quarantine, audit,"
				   " silences, budgets, bundles",
				   argv[0]);
	if (limit)
		g_snprintf(n, sizeof(n), "%d", limit);
	parameter(a.path, "rule", rule), parameter(a.path, "pipeline", pipeline);
	parameter(a.path, "key", key), parameter(a.path, "state", state);
	parameter(a.path, "outcome", outcome), parameter(a.path, "event", event);
	parameter(a.path, "model", model), parameter(a.path, "since", since);
	parameter(a.path, "limit", n);
	status = watch_loop(c, once, &a);
	g_string_free(a.path, TRUE);
	return status;
}

const struct verb verb_get = {
	.name = "get",
	.args = "runs|decisions|rules|sources|...",
	.summary = "list what there is",
	.help = "Kinds: runs decisions rules sources models pipelines dues "
	    "quarantine audit silences budgets bundles.",
	.rows = rows,
	.run = run,
};
