/* backfill: due times or events of the past that a rule did not fire for, made up for. */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "cmd/retrainctl/history.h"

#define LIMIT 100
#define LIMIT_MAX 1000

static char *from, *to, *reprocess, *state;
static int limit;
static gboolean dry_run;

static const GOptionEntry rows[] = {
	{ "from", 0, 0, G_OPTION_ARG_STRING, &from,
	  "due times or events from then on", "TIME" },
	{ "to", 0, 0, G_OPTION_ARG_STRING, &to, "and before (now)", "TIME" },
	{ "limit", 'n', 0, G_OPTION_ARG_INT, &limit, "at most so many (100)", "N" },
	{ "reprocess", 0, 0, G_OPTION_ARG_STRING, &reprocess,
	  "fired ones again: none (default), failed, all", "WHICH" },
	{ "state", 0, 0, G_OPTION_ARG_FILENAME, &state,
	  "only say which events, out of this state directory", "DIR" },
	{ "dry-run", 0, 0, G_OPTION_ARG_NONE, &dry_run, "only say which", NULL },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};
static const struct column columns[] = {
	{ "DUE", "due", false, COL_TEXT }, { "OUTCOME", "outcome", false, COL_STATE },
	{ "BY", "suppressor", false, COL_TEXT }, { "RUN", "run", false, COL_TEXT },
	{ NULL, NULL, false, COL_TEXT },
};

static const struct column event_columns[] = {
	{ "EVENT", "event", false, COL_TEXT }, { "KEY", "key", false, COL_TEXT },
	{ "OUTCOME", "outcome", false, COL_STATE },
	{ "BY", "suppressor", false, COL_TEXT }, { "RUN", "run", false, COL_TEXT },
	{ NULL, NULL, false, COL_TEXT },
};
static const struct column would_columns[] = {
	{ "EVENT", "event", false, COL_TEXT }, { "TYPE", "type", false, COL_TEXT },
	{ "KEY", "key", false, COL_TEXT }, { "CAME", "time", false, COL_TEXT },
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

static long long number(const json_t *j, const char *name)
{
	return (long long)json_integer_value(json_object_get(j, name));
}

/* "3 fired, 2 fired already, 1 suppressed by cooldown" */
static void show_events(struct ctl *c, const json_t *j)
{
	json_t *would = json_object_get(j, "would"), *v;
	json_t *by = json_object_get(j, "suppressed");
	const char *name;

	if (would) {
		output(c, would, would_columns);
		printf("%zu events would be decided, %lld fired already",
		    json_array_size(would), number(j, "already_fired"));
	} else {
		output(c, json_object_get(j, "decisions"), event_columns);
		printf("%lld fired, %lld fired already", number(j, "fired"),
		    number(j, "already_fired"));
		json_object_foreach(by, name, v)
			printf(", %lld suppressed by %s",
			    (long long)json_integer_value(v), name);
	}
	if (json_is_true(json_object_get(j, "more")))
		printf("; there are more: go on with --from %s",
		    json_string_value(json_object_get(j, "next")));
	puts("");
	if (number(j, "unread"))
		fprintf(stderr, "retrainctl backfill: %lld messages were not tried: the"
		    " journal has not their bytes\n", number(j, "unread"));
}

static void show(struct ctl *c, const json_t *j)
{
	const json_t *due = json_object_get(j, "due");
	size_t i;
	json_t *v;

	if (c->format != FORMAT_TABLE && c->format != FORMAT_WIDE)
		output(c, j, NULL);
	else if (json_object_get(j, "already_fired") && !due)
		show_events(c, j);
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

/* What the daemon asks for, and a dry run without one. */
static int offline(struct ctl *c, const char *rule, int64_t from_ms, int64_t to_ms)
{
	struct backfill_ask ask = { .rule = rule, .from_ms = from_ms, .to_ms = to_ms,
		.limit = limit > 0 ? MIN(limit, LIMIT_MAX) : LIMIT,
		.reprocess = !reprocess || strcmp(reprocess, "none") == 0 ?
		    BACKFILL_NONE : strcmp(reprocess, "failed") == 0 ?
		    BACKFILL_FAILED : BACKFILL_ALL };
	int status;
	json_t *j = backfill_past(c, state, &ask, &status);

	if (j)
		show(c, j);
	json_decref(j);
	return status;
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
	if (reprocess && strcmp(reprocess, "none") != 0 &&
	    strcmp(reprocess, "failed") != 0 && strcmp(reprocess, "all") != 0)
		return usage_error("backfill", "--reprocess: expected none, failed or"
		    " all");
	if (state)
		return offline(c, argv[0], from_ms, to_ms);
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
	.summary = "decide due times or events of the past that a rule did not fire for",
	.help = "Due times of schedule rules; of event rules, events of the journal by"
	    " when they came.\nWhat fired is left out, so a repeat does nothing.  TIME is"
	    " RFC 3339, or how long ago (90m, 7d).",
	.rows = rows,
	.run = run,
};
