/* The keys of rule files as option tables.
 *
 * Rows marked OPT_LATER are known words of the language that this version does not
 * have: using one is an error, never ignored. */
#include "rules/keys.h"

#include "signal/signal.h"

#define SECOND INT64_C(1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define EVER (36500 * DAY)		/* upper bound of every duration */

/* NODE and below: struct, key, member, ..., doc. */
#define ROW(s, key, kind, field, text, ...) \
	{ .name = key, .type = kind, .offset = offsetof(struct s, field), .doc = text, \
	    __VA_ARGS__ }
#define LATER(s, key, doc) ROW(s, key, OPT_NODE, later, doc, .flags = OPT_LATER)
#define NODE(s, key, field, rows, doc) ROW(s, key, OPT_NODE, field, doc, .sub = rows)
#define EXPR(s, key, field, doc) ROW(s, key, OPT_NODE, field, doc, .flags = OPT_EXPR)
#define TEXT(s, key, field, doc) ROW(s, key, OPT_STR, field, doc, .flags = 0)
#define NEED(s, key, field, doc) ROW(s, key, OPT_STR, field, doc, .flags = OPT_REQUIRED)
#define SPAN(s, key, field, value, doc) \
	ROW(s, key, OPT_DURATION, field, doc, .fallback = value, .max = EVER)
#define TIME(s, key, field, least, doc) \
	ROW(s, key, OPT_DURATION, field, doc, .min = least, .max = EVER)
#define WORD(s, key, field, value, list, doc) \
	ROW(s, key, OPT_ENUM, field, doc, .fallback = value, .words = list)
#define COUNT(s, key, field, value, least, most, doc) \
	ROW(s, key, OPT_INT, field, doc, .fallback = value, .min = least, .max = most)
#define MAP(key, rows, text) { .name = key, .type = OPT_MAP, .sub = rows, .doc = text }
#define END { .name = NULL }

const struct option file_options[] = {
	NODE(file_keys, "rules", rules, rule_options, "the rules of this file"),
	NODE(file_keys, "pipelines", pipelines, pipeline_options,
	    "the pipelines that rules start"),
	NODE(file_keys, "defaults", defaults, defaults_options,
	    "keys that every rule, pipeline or step of this file takes unless it says"
	    " otherwise; those of a file named defaults.yaml hold for its directory"),
	NODE(file_keys, "vars", vars, NULL,
	    "constants that expressions of this file's rules read as vars.NAME"),
	LATER(file_keys, "components", "steps to be used by name"),
	NODE(file_keys, "calendars", calendars, calendar_options,
	    "windows of time under a name, in which rules fire or never do"),
	NODE(file_keys, "budgets", budgets, budget_options,
	    "limits under a name on what runs may use up in a day, week or month"),
	LATER(file_keys, "sinks", "where our own events go"),
	END
};

const struct option defaults_options[] = {
	NODE(defaults_keys, "rule", rule, rule_options, "defaults of rules"),
	NODE(defaults_keys, "pipeline", pipeline, pipeline_options,
	    "defaults of pipelines"),
	NODE(defaults_keys, "step", step, step_options, "defaults of steps"),
	END
};

const struct option rule_options[] = {
	NEED(rule_keys, "name", name, "name of the rule, unique in its directory"),
	TEXT(rule_keys, "uid", uid,
	    "identity of the rule's state, default its name: survives a rename"),
	TEXT(rule_keys, "description", description, "what the rule is for"),
	TEXT(rule_keys, "owner", owner, "who is responsible"),
	NODE(rule_keys, "labels", labels, NULL, "map of free text labels"),
	NODE(rule_keys, "on", on, selector_options,
	    "which events: a type, one selector, or selectors under names"),
	EXPR(rule_keys, "key", key,
	    "expression of the value that the rule keeps separate state for; a list: of"
	    " each of them; all: every key that the rule has"),
	EXPR(rule_keys, "model", model,
	    "template of the model's name; default the pipeline's model"),
	NODE(rule_keys, "signals", signals, signal_options,
	    "named measures over the events; with them a rule fires on the rising edge"),
	EXPR(rule_keys, "when", when, "the condition; a rule fires only on true"),
	SPAN(rule_keys, "for", for_ms, "0",
	    "how long the condition must hold (signal rules)"),
	SPAN(rule_keys, "keep_firing_for", keep_ms, "0",
	    "how long an episode outlives its condition (signal rules)"),
	EXPR(rule_keys, "recover", recover,
	    "the condition that ends an episode, default not 'when' (signal rules)"),
	SPAN(rule_keys, "refire", refire_ms, "0",
	    "fire again that often while the episode lasts; 0: once (signal rules)"),
	SPAN(rule_keys, "cooldown", cooldown_ms, "0",
	    "no second firing of a key within this"),
	NODE(rule_keys, "dedupe", dedupe, dedupe_options,
	    "one firing per value of an expression (event rules)"),
	NODE(rule_keys, "schedule", schedule, schedule_options,
	    "due times instead of events: a cron line, a map, or a list of these"),
	NODE(rule_keys, "run", run, run_options,
	    "the pipeline to start: its name, or a map with its parameters"),
	WORD(rule_keys, "mode", mode, "active", "active|observe|disabled",
	    "observe records what would have fired and starts nothing"),
	WORD(rule_keys, "on_nodata", on_nodata, "keep", "keep|false|true",
	    "what a condition without data counts as; keep: the state stays"),
	WORD(rule_keys, "on_error", on_error, "keep", "keep|false|true",
	    "what a condition that fails counts as; keep: the state stays"),
	WORD(rule_keys, "on_suppressed", on_suppressed, NULL, "drop|defer",
	    "defer: a suppressed firing is owed until the episode ends (default of signal"
	    " rules); drop: it is not (default of the others)"),
	COUNT(rule_keys, "max_keys", max_keys, "10000", 1, 1000000,
	    "keys with state at most; new ones are refused then"),
	SPAN(rule_keys, "key_ttl", key_ttl_ms, "30d",
	    "an idle key's state is kept that long"),
	SPAN(rule_keys, "every", every_ms, "0",
	    "evaluate again that often, for conditions that read now (signal rules)"),
	NODE(rule_keys, "backoff", backoff, backoff_options,
	    "off, or the wait after a failed or rejected run, doubling; default on for"
	    " signal rules, off for the others"),
	NODE(rule_keys, "coalesce", coalesce, coalesce_options,
	    "one run for a burst of events (event and schedule rules)"),
	NODE(rule_keys, "breaker", breaker, breaker_options,
	    "stop firing for a while after some failed or rejected runs in a row"),
	NODE(rule_keys, "budget", budget, NULL,
	    "name of the budget that the rule's runs are charged to"),
	NODE(rule_keys, "calendar", calendar, calendar_use_options,
	    "in which calendars' windows the rule may fire, and in which never"),
	WORD(rule_keys, "on_clear", on_clear, "keep", "keep|abort",
	    "abort: the end of an episode aborts its unfinished runs (signal rules)"),
	WORD(rule_keys, "rearm", rearm, NULL, "on_deploy",
	    "a detector that has drifted is not armed again by a run that promoted"
	    " nothing, only by a deploy (signal rules)"),
	TIME(rule_keys, "rearm_after", rearm_after_ms, SECOND,
	    "a detector whose drift no run followed is armed again after this, default"
	    " 24h (signal rules)"),
	NODE(rule_keys, "sequence", sequence, NULL,
	    "names of two selectors: an event of the first, then one of the second"),
	NODE(rule_keys, "at_least", at_least, at_least_options,
	    "events of some of several selectors, in any order"),
	TIME(rule_keys, "within", within_ms, 1,
	    "the time that the events of sequence and at_least may lie apart"),
	END
};

const struct option dedupe_options[] = {
	ROW(dedupe_keys, "key", OPT_NODE, key, "expression of the value",
	    .flags = OPT_REQUIRED | OPT_EXPR),
	ROW(dedupe_keys, "for", OPT_DURATION, for_ms, "how long a value is remembered",
	    .flags = OPT_REQUIRED, .min = 1, .max = EVER),
	END
};

const struct option coalesce_options[] = {
	ROW(coalesce_keys, "quiet", OPT_DURATION, quiet_ms,
	    "the run starts when no event came for that long", .flags = OPT_REQUIRED,
	    .min = 1, .max = EVER),
	SPAN(coalesce_keys, "max_delay", max_delay_ms, "0",
	    "... or that long after the first one; 0: whenever it is quiet"),
	COUNT(coalesce_keys, "max_events", max_events, "1000", 1, 1000,
	    "... or as soon as there are that many"),
	END
};

const struct option at_least_options[] = {
	ROW(at_least_keys, "n", OPT_INT, n, "how many of the selectors",
	    .flags = OPT_REQUIRED, .min = 2, .max = 32),
	ROW(at_least_keys, "of", OPT_NODE, of, "names of the selectors",
	    .flags = OPT_REQUIRED),
	TIME(at_least_keys, "within", within_ms, 1, "as the rule's within"),
	END
};

const struct option backoff_options[] = {
	ROW(backoff_keys, "initial", OPT_DURATION, initial_ms, "the first wait",
	    .fallback = "5m", .min = SECOND, .max = EVER),
	ROW(backoff_keys, "max", OPT_DURATION, max_ms, "the longest wait",
	    .fallback = "24h", .min = SECOND, .max = EVER),
	END
};

const struct option breaker_options[] = {
	ROW(breaker_keys, "after", OPT_INT, after,
	    "failed or rejected runs of a key in a row that open it",
	    .flags = OPT_REQUIRED, .min = 1, .max = 1000),
	ROW(breaker_keys, "wait", OPT_DURATION, wait_ms,
	    "how long nothing is fired then; after it one run is let through to see",
	    .flags = OPT_REQUIRED, .min = SECOND, .max = EVER),
	END
};

const struct option calendar_options[] = {
	NEED(calendar_keys, "name", name,
	    "name of the calendar, unique in its directory"),
	TEXT(calendar_keys, "description", description, "what it is for"),
	TEXT(calendar_keys, "timezone", timezone,
	    "IANA zone of its days and times, default UTC"),
	NODE(calendar_keys, "weekdays", weekdays, NULL,
	    "days of the week, as mon-fri or [sat, sun]; default every day"),
	NODE(calendar_keys, "times", times, NULL,
	    "times of the day, as 22:00-06:00 or a list; default the whole day"),
	NODE(calendar_keys, "dates", dates, NULL,
	    "days, as 2026-12-24, 12-24 (every year) or 2026-12-24..2027-01-02, or a"
	    " list; default any"),
	NODE(calendar_keys, "except", except, NULL,
	    "dates on which no window begins, in the same forms"),
	TEXT(calendar_keys, "file", file,
	    "an iCalendar file in the same directory, whose events are the windows"),
	END
};

const struct option calendar_use_options[] = {
	NODE(calendar_use_keys, "only", only, NULL,
	    "name or list of calendars: the rule fires inside any of them only"),
	NODE(calendar_use_keys, "not", not, NULL,
	    "name or list of calendars: it never fires inside one"),
	END
};

const struct option budget_options[] = {
	NEED(budget_keys, "name", name, "name of the budget, unique in its directory"),
	TEXT(budget_keys, "description", description, "what it is for"),
	TEXT(budget_keys, "owner", owner, "who is responsible"),
	ROW(budget_keys, "resource", OPT_ENUM, resource,
	    "what is counted: runs, or hours of a run times what it takes up",
	    .flags = OPT_REQUIRED,
	    .words = "runs|wall_hours|cpu_hours|gpu_hours|memory_hours"),
	ROW(budget_keys, "limit", OPT_DOUBLE, limit, "how much of it in a period",
	    .flags = OPT_REQUIRED),
	ROW(budget_keys, "per", OPT_ENUM, per, "the period; a week begins on Monday",
	    .flags = OPT_REQUIRED, .words = "day|week|month"),
	TEXT(budget_keys, "timezone", timezone, "IANA zone of the period, default UTC"),
	WORD(budget_keys, "scope", scope, "all", "all|owner|model|key",
	    "one account for all, or one for each owner, model or key"),
	WORD(budget_keys, "on_over", on_over, NULL, "defer|approve",
	    "defer: a firing over the limit waits for the period's end;"
	    " default what the rule's on_suppressed says"),
	END
};

const struct option run_options[] = {
	NEED(run_keys, "pipeline", pipeline, "name of the pipeline"),
	EXPR(run_keys, "params", params,
	    "its parameters; strings may hold ${expressions}"),
	END
};

const struct option selector_options[] = {
	TEXT(selector_keys, "source", source, "name of a configured source; default any"),
	TEXT(selector_keys, "type", type, "event type, exact or with a trailing '*'"),
	TEXT(selector_keys, "subject", subject, "event subject"),
	EXPR(selector_keys, "where", where, "condition on the event"),
	EXPR(selector_keys, "key", key, "as the rule's key"),
	EXPR(selector_keys, "time", time,
	    "timestamp to use as event time; default event.time"),
	SPAN(selector_keys, "lateness", lateness_ms, "0",
	    "how far events may be out of order"),
	ROW(selector_keys, "retained", OPT_BOOL, retained,
	    "retained MQTT messages count too", .fallback = "false"),
	TIME(selector_keys, "stale_after", stale_ms, 1,
	    "a key without an event for that long has no data, while its source is"
	    " connected and caught up (signal rules)"),
	END
};

const struct option signal_options[] = {
	TEXT(signal_keys, "from", from, "name of the selector"),
	EXPR(signal_keys, "value", value,
	    "expression of the sample's number; without it events are counted"),
	TIME(signal_keys, "over", over_ms, 1, "sliding window of this length"),
	TIME(signal_keys, "every", hop_ms, 1,
	    "with over: hopping windows, one of that length ending each time; held until"
	    " the next one ends"),
	TIME(signal_keys, "tumbling", tumbling_ms, 1,
	    "windows of this length one after another, aligned to the epoch"),
	TIME(signal_keys, "session", session_ms, 1,
	    "windows that end with a pause longer than this; the last one is held"),
	COUNT(signal_keys, "last", last, NULL, 1, 10000, "window of this many samples"),
	WORD(signal_keys, "since", since, NULL, "last_success",
	    "everything since the newest run that did not fail was created"),
	COUNT(signal_keys, "min_count", min_count, "1", 1, 1000000000,
	    "with fewer samples the signal has no data"),
	WORD(signal_keys, "resolution", resolution, NULL, "exact",
	    "keep every sample of a sliding window instead of 60 panes"),
	COUNT(signal_keys, "max_samples", max_samples, NULL, 1, 1000000,
	    "samples kept with resolution: exact, default 10,000"),
	TEXT(signal_keys, "timezone", timezone,
	    "IANA zone of tumbling windows: they follow its local time, days begin at"
	    " midnight"),
	SPAN(signal_keys, "offset", offset_ms, "0",
	    "shift of tumbling and hopping windows"),
	EXPR(signal_keys, "each", each,
	    "a list or map of the event: a sample per element, which 'value' and 'by'"
	    " read as item, its index or key as item_key"),
	EXPR(signal_keys, "by", by,
	    "expression of a sub-key: the signal is then a map from sub-keys to signals"),
	COUNT(signal_keys, "max_by", max_by, "1000", 1, SIGNAL_BY_MAX,
	    "sub-keys of a key at most; new ones are refused then"),
	NODE(signal_keys, "detect", detect, NULL,
	    "a change detector instead of a window: its name, or {NAME: {parameters}}"),
	NODE(signal_keys, "baseline", baseline, NULL,
	    "what a detector or a test compares with: {n, mean, sd, ...}, {learn: N}, or"
	    " the name of an entry of the champion's baseline, default the signal's own"
	    " name"),
	NODE(signal_keys, "test", test, NULL,
	    "judges each window (over, tumbling or last) against a baseline: the test's"
	    " name, or {NAME: {parameters}}"),
	END
};

const struct option schedule_options[] = {
	TEXT(schedule_keys, "cron", cron,
	    "five fields, with names, L, # and W; or @daily and its like"),
	TIME(schedule_keys, "every", every_ms, SECOND,
	    "interval, counted from the epoch"),
	TEXT(schedule_keys, "timezone", timezone,
	    "IANA zone of cron and times, default UTC"),
	SPAN(schedule_keys, "jitter", jitter_ms, "0",
	    "start up to this much later, stable per rule and due time"),
	WORD(schedule_keys, "catch_up", catch_up, "last", "none|last|all",
	    "which due times missed during an outage are made up for"),
	SPAN(schedule_keys, "deadline", deadline_ms, "0",
	    "a due time older than this is skipped; 0: never"),
	NODE(schedule_keys, "times", times, NULL,
	    "list of times, each once: 2026-12-24T18:00:00Z, or 2026-12-24 18:00 in"
	    " 'timezone'"),
	END
};

static const struct option code_options[] = {
	TEXT(pipeline_keys, "repo", code.repo, "path or address of the repository"),
	TEXT(pipeline_keys, "ref", code.ref, "branch, tag or commit"),
	END
};

static const struct option concurrency_options[] = {
	COUNT(pipeline_keys, "limit", concurrency.limit, "0", 0, 100000,
	    "runs of the pipeline at a time; 0: any number"),
	COUNT(pipeline_keys, "per_key", concurrency.per_key, "0", 0, 100000,
	    "runs of one key at a time; 0: any number"),
	WORD(pipeline_keys, "on_limit", concurrency.on_limit, "queue",
	    "queue|skip|replace", "what a run over the limit does"),
	COUNT(pipeline_keys, "queue", concurrency.queue, "100", 1, 100,
	    "runs that wait at most; more are skipped"),
	END
};

#define RESOURCES(keys) { \
	ROW(keys, "cpu", OPT_DOUBLE, resources.cpu, "processors; default 1", \
	    .flags = 0), \
	ROW(keys, "gpu", OPT_DOUBLE, resources.gpu, "graphics processors", \
	    .flags = 0), \
	ROW(keys, "memory", OPT_SIZE, resources.memory, "memory, as 4Gi", \
	    .flags = 0), \
	END \
}
static const struct option pipeline_resources[] = RESOURCES(pipeline_keys);
static const struct option step_resources[] = RESOURCES(step_keys);

const struct option pipeline_options[] = {
	NEED(pipeline_keys, "name", name,
	    "name of the pipeline, unique in its directory"),
	TEXT(pipeline_keys, "description", description, "what the pipeline does"),
	TEXT(pipeline_keys, "owner", owner, "who is responsible"),
	EXPR(pipeline_keys, "model", model,
	    "template of the name of the model that it trains"),
	TEXT(pipeline_keys, "dir", dir,
	    "working directory of its steps, default the rule file's directory"),
	MAP("code", code_options, "the repository whose commit each run records"),
	NODE(pipeline_keys, "params", params, param_options,
	    "parameters: NAME: default, or NAME: {type, default, ...}"),
	MAP("concurrency", concurrency_options, "how many runs at a time"),
	SPAN(pipeline_keys, "timeout", timeout_ms, "0", "longest run; 0: any"),
	SPAN(pipeline_keys, "pending_timeout", pending_ms, "0",
	    "a run that could not start within this fails; 0: it waits"),
	COUNT(pipeline_keys, "priority", priority, "0", -1000, 1000,
	    "higher leaves the queue first"),
	NODE(pipeline_keys, "env", env, NULL, "environment of every step"),
	NODE(pipeline_keys, "steps", steps, step_options, "the steps"),
	NODE(pipeline_keys, "on_success", on_success, success_options,
	    "what follows a run that completed and was not rejected"),
	LATER(pipeline_keys, "finally", "steps that always run at the end"),
	LATER(pipeline_keys, "notify", "who is told"),
	NODE(pipeline_keys, "budget", budget, NULL,
	    "name of the budget that its runs are charged to"),
	MAP("resources", pipeline_resources,
	    "what a run takes up while it runs; default the most that a step says"),
	END
};

const struct option param_options[] = {
	WORD(param_keys, "type", type, "any", "any|string|int|double|bool|list|map",
	    "type of the value"),
	NODE(param_keys, "default", fallback, NULL,
	    "value if none is given; without it the parameter must be given"),
	NODE(param_keys, "min", min, NULL, "least number, or length of a string or list"),
	NODE(param_keys, "max", max, NULL, "greatest number, or length"),
	NODE(param_keys, "words", words, NULL, "the allowed values"),
	TEXT(param_keys, "pattern", pattern,
	    "regular expression that a string must match; ^ and $ anchor it"),
	TEXT(param_keys, "description", description, "what it is for"),
	END
};

static const struct option retry_options[] = {
	COUNT(step_keys, "attempts", retry.attempts, "1", 1, 100, "attempts in all"),
	SPAN(step_keys, "backoff", retry.backoff_ms, "10s",
	    "wait before the second attempt, doubling"),
	SPAN(step_keys, "max", retry.max_ms, "10m", "the longest wait"),
	END
};

const struct option step_options[] = {
	NEED(step_keys, "name", name, "name of the step, unique in the pipeline"),
	NODE(step_keys, "needs", needs, NULL, "name or list of the steps to wait for"),
	EXPR(step_keys, "if", cond, "the step is skipped unless this is true"),
	NODE(step_keys, "command", command, NULL,
	    "program and arguments as a list; no shell; the program is constant"),
	TEXT(step_keys, "executor", executor,
	    "name of a configured executor; of a command: default local"),
	NODE(step_keys, "with", with, NULL, "what the executor is given"),
	NODE(step_keys, "env", env, NULL, "environment, over the pipeline's"),
	EXPR(step_keys, "gate", gate,
	    "condition instead of work: false ends the run with outcome rejected"),
	MAP("retry", retry_options, "more than one attempt"),
	SPAN(step_keys, "timeout", timeout_ms, "0", "longest attempt; 0: any"),
	WORD(step_keys, "on_failure", on_failure, "stop", "stop|continue",
	    "continue: the run goes on without it"),
	LATER(step_keys, "uses", "a component as the step"),
	LATER(step_keys, "wait", "wait for a time or an event"),
	LATER(step_keys, "approve", "wait for a person"),
	LATER(step_keys, "for_each", "once per element of a list"),
	MAP("resources", step_resources, "what the step takes up, for budgets"),
	LATER(step_keys, "finally", "run always"),
	LATER(step_keys, "notify", "who is told"),
	END
};

const struct option success_options[] = {
	NODE(success_keys, "promote", promote, promote_options,
	    "make this version the model's champion"),
	END
};

const struct option promote_options[] = {
	EXPR(promote_keys, "version", version, "template, default ${run.id}"),
	EXPR(promote_keys, "metrics", metrics, "template of the version's metrics"),
	EXPR(promote_keys, "baseline", baseline,
	    "template of its baseline; default the key baseline of metrics"),
	END
};
