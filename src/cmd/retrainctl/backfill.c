/* backfill: due times of the past that a rule did not fire at, made up for. */
#include <stdio.h>

#include "base/time.h"
#include "cmd/retrainctl/history.h"

static char *from, *to, *reprocess;
static int limit;
static gboolean dry_run;

static const GOptionEntry rows[] = {
	{ "from", 0, 0, G_OPTION_ARG_STRING, &from, "due times from then on", "TIME" },
	{ "to", 0, 0, G_OPTION_ARG_STRING, &to, "and before (now)", "TIME" },
	{ "limit", 'n', 0, G_OPTION_ARG_INT, &limit, "at most so many (100)", "N" },
	{ "reprocess", 0, 0, G_OPTION_ARG_STRING, &reprocess,
	  "fired ones again: none (default), failed, all", "WHICH" },
	{ "dry-run", 0, 0, G_OPTION_ARG_NONE, &dry_run, "only say which", NULL },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};
static const struct column columns[] = {
	{ "DUE", "due", false, COL_TEXT }, { "OUTCOME", "outcome", false, COL_STATE },
	{ "BY", "suppressor", false, COL_TEXT }, { "RUN", "run", false, COL_TEXT },
	{ NULL, NULL, false, COL_TEXT },
};

static json_t *body_of(int64_t from_ms, int64_t to_ms)
{
	json_t *b = json_object();
	char text[TIME_TEXT];

	json_object_set_new(b, "from", json_string(time_print(from_ms, text)));
	json_object_set_new(b, "to", json_string(time_print(to_ms, text)));
	if (limit)
		json_object_set_new(b, "limit", json_integer(limit));
	if (reprocess)
		json_object_set_new(b, "reprocess", json_string(reprocess));
	if (dry_run)
		json_object_set_new(b, "dry_run", json_true());
	return b;
}

static void show(struct ctl *c, const json_t *j)
{
	const json_t *due = json_object_get(j, "due");
	size_t i;
	json_t *v;

	if (c->format != FORMAT_TABLE && c->format != FORMAT_WIDE)
		output(c, j, NULL);
	else if (!due)
		output(c, json_object_get(j, "decisions"), columns);
	else {
		json_array_foreach(due, i, v)
			puts(json_string_value(v));
		printf("%zu due times would be decided, %lld fired already%s\n",
		    json_array_size(due),
		    (long long)json_integer_value(json_object_get(j, "already_fired")),
		    json_is_true(json_object_get(j, "more")) ?
		    "; there are more than the limit" : "");
	}
}

static int run(struct ctl *c, int argc, char **argv)
{
	int64_t from_ms, to_ms = history_now();
	json_t *j;
	char *path;
	int status;

	if (argc != 1 || !from)
		return usage_error("backfill", "expected one rule and --from");
	if (!history_time("backfill", "from", from, &from_ms) ||
	    (to && !history_time("backfill", "to", to, &to_ms)))
		return CTL_USAGE;
	path = client_path("/api/v1/rules/%s/backfill", argv[0]);
	j = client_json(c, "POST", path, body_of(from_ms, to_ms), &status);
	if (j)
		show(c, j);
	json_decref(j);
	g_free(path);
	return status;
}

const struct verb verb_backfill = {
	.name = "backfill",
	.args = "RULE --from TIME [--to TIME] [--dry-run] [--limit N]"
	    " [--reprocess none|failed|all]",
	.summary = "decide due times of the past that a rule did not fire at",
	.help = "Of schedule rules.  Due times that fired are left out, so a repeat does"
	    " nothing.\nTIME is RFC 3339, or how long ago (90m, 7d).",
	.rows = rows,
	.run = run,
};
