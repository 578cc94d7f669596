/* The YAML of a rule test -> its steps, every mistake with its place.
 *
 * To add a step: its kind in rtest.h, a row in kinds[] with its reader, its runner in
 * rtest_run.c.  To add a key: its member and a row in the table of the same ORDER.
 */
#include "base/arena.h"
#include "base/time.h"
#include "replay/feed.h"
#include "replay/rtest_priv.h"

#define DEFAULT_START "2026-01-01T00:00:00Z"
#define COUNT_MAX 10000000

struct rd {
	struct arena	*a;
	struct diags	*d;
	int64_t		 start;
};

#define AT(type, member) offsetof(struct type, member)

static const struct option feed_rows[] = {
	{ "file", OPT_STR, 0, NULL, 0, 0, NULL, AT(rfeed, file), NULL,
	  "a file of CloudEvents, one per line; they come at their own times" },
	{ "type", OPT_STR, 0, NULL, 0, 0, NULL, AT(rfeed, type), NULL, "event type" },
	{ "source", OPT_STR, 0, "/test", 0, 0, NULL, AT(rfeed, source), NULL,
	  "CloudEvents source" },
	{ "subject", OPT_STR, 0, NULL, 0, 0, NULL, AT(rfeed, subject), NULL, "subject" },
	{ "id", OPT_STR, 0, NULL, 0, 0, NULL, AT(rfeed, id), NULL,
	  "id; with count > 1, -N is added" },
	{ "time", OPT_STR, 0, NULL, 0, 0, NULL, AT(rfeed, time), NULL,
	  "when: RFC 3339, +2h after the start, or -5m before now (a late event)" },
	{ "every", OPT_DURATION, 0, "0", 0, 0, NULL, AT(rfeed, every_ms), NULL,
	  "time that passes before each event" },
	{ "count", OPT_INT, 0, "1", 1, COUNT_MAX, NULL, AT(rfeed, count), NULL,
	  "how many events" },
	{ "seed", OPT_INT, 0, "1", 0, INT64_MAX, NULL, AT(rfeed, seed), NULL,
	  "of the generators" },
	{ "data", OPT_NODE, 0, NULL, 0, 0, NULL, AT(rfeed, data), NULL,
	  "the payload; generators stand for values" },
	{ "attributes", OPT_NODE, 0, NULL, 0, 0, NULL, AT(rfeed, attributes), NULL,
	  "extension attributes of the event" },
	{ .name = NULL },
};
static const struct option run_rows[] = {
	{ "pipeline", OPT_STR, 0, NULL, 0, 0, NULL, AT(rrun, pipeline), NULL,
	  "whose oldest open run ends" },
	{ "key", OPT_STR, 0, NULL, 0, 0, NULL, AT(rrun, key), NULL, "of that key" },
	{ "after", OPT_DURATION, 0, "0", 0, 0, NULL, AT(rrun, after_ms), NULL,
	  "from now; under `runs`, from the start of each run" },
	{ "state", OPT_ENUM, 0, "completed", 0, 0, "completed|aborted|failed",
	  AT(rrun, state), NULL, "how it ends" },
	{ "outcome", OPT_ENUM, 0, "none", 0, 0, "promoted|rejected|none",
	  AT(rrun, outcome), NULL, "of a completed run" },
	{ "version", OPT_STR, 0, NULL, 0, 0, NULL, AT(rrun, version), NULL,
	  "the promoted version; the run's name by default" },
	{ "metrics", OPT_NODE, 0, NULL, 0, 0, NULL, AT(rrun, metrics), NULL,
	  "the version's metrics" },
	{ "baseline", OPT_NODE, 0, NULL, 0, 0, NULL, AT(rrun, baseline), NULL,
	  "the version's baseline" },
	{ "reason", OPT_STR, 0, NULL, 0, 0, NULL, AT(rrun, reason), NULL,
	  "what a failed run says" },
	{ "steps", OPT_NODE, 0, NULL, 0, 0, NULL, AT(rrun, steps), NULL,
	  "instead of the above: how each step ends; gates are asked" },
	{ .name = NULL },
};
struct ends_row {
	int64_t		 after_ms, state;
	struct str	 reason;
	const struct yaml *outputs, *metrics;
};
static const struct option step_rows[] = {
	{ "after", OPT_DURATION, 0, "0", 0, 0, NULL, AT(ends_row, after_ms), NULL,
	  "from the step's start" },
	{ "state", OPT_ENUM, 0, "completed", 0, 0, "completed|aborted|failed",
	  AT(ends_row, state), NULL, "how it ends" },
	{ "reason", OPT_STR, 0, NULL, 0, 0, NULL, AT(ends_row, reason), NULL,
	  "what it says" },
	{ "outputs", OPT_NODE, 0, NULL, 0, 0, NULL, AT(ends_row, outputs), NULL,
	  "outputs.json" },
	{ "metrics", OPT_NODE, 0, NULL, 0, 0, NULL, AT(ends_row, metrics), NULL,
	  "metrics.json" },
	{ .name = NULL },
};
static const struct option want_rows[] = {
	{ "rule", OPT_STR, 0, NULL, 0, 0, NULL, AT(rdecision_want, rule), NULL, "rule" },
	{ "key", OPT_STR, 0, NULL, 0, 0, NULL, AT(rdecision_want, key), NULL, "key" },
	{ "outcome", OPT_ENUM, 0, NULL, 0, 0, "fired|suppressed|observed|error",
	  AT(rdecision_want, outcome), NULL, "what was decided" },
	{ "by", OPT_STR, 0, NULL, 0, 0, NULL, AT(rdecision_want, by), NULL,
	  "the suppressor" },
	{ "at", OPT_STR, 0, NULL, 0, 0, NULL, AT(rdecision_want, time), NULL,
	  "exactly then: +3h30m from the start, or RFC 3339" },
	{ "between", OPT_STRS, 0, NULL, 0, 0, NULL, AT(rdecision_want, between), NULL,
	  "[from, to], both included" },
	{ "event", OPT_STR, 0, NULL, 0, 0, NULL, AT(rdecision_want, event), NULL,
	  "id of the event that caused it" },
	{ "params", OPT_NODE, 0, NULL, 0, 0, NULL, AT(rdecision_want, params), NULL,
	  "parameters of the run; those that are not named are free" },
	{ "contains", OPT_STRS, 0, NULL, 0, 0, NULL, AT(rdecision_want, contains), NULL,
	  "texts in its sentence" },
	{ "count", OPT_INT, 0, NULL, 0, 0, NULL, AT(rdecision_want, count), NULL,
	  "how many one counting row stands for" },
	{ .name = NULL },
};
static const struct option explain_rows[] = {
	{ "rule", OPT_STR, OPT_REQUIRED, NULL, 0, 0, NULL, AT(rexplain, rule), NULL,
	  "rule" },
	{ "key", OPT_STR, 0, NULL, 0, 0, NULL, AT(rexplain, key), NULL, "key" },
	{ "contains", OPT_STRS, OPT_REQUIRED, NULL, 0, 0, NULL, AT(rexplain, contains),
	  NULL, "texts in what explain says now" },
	{ .name = NULL },
};
static const struct option expect_rows[] = {
	{ "rule", OPT_STR, 0, NULL, 0, 0, NULL, AT(rexpect, rule), NULL,
	  "of `state`; with `decisions`: only this rule's" },
	{ "key", OPT_STR, 0, NULL, 0, 0, NULL, AT(rexpect, key), NULL, "key" },
	{ "state", OPT_STR, 0, NULL, 0, 0, NULL, AT(rexpect, state), NULL,
	  "inactive, pending, firing or holding, as `get rules` shows it" },
	{ "decisions", OPT_NODE, 0, NULL, 0, 0, NULL, AT(rexpect, decisions), NULL,
	  "all decisions since the previous list, in order" },
	{ "explain", OPT_NODE, 0, NULL, 0, 0, NULL, AT(rexpect, explain), NULL,
	  "{rule, key, contains}, or a list of them" },
	{ "champion", OPT_NODE, 0, NULL, 0, 0, NULL, AT(rexpect, champion), NULL,
	  "{MODEL: VERSION}" },
	{ .name = NULL },
};
struct clock_row { struct str wall; };
static const struct option clock_rows[] = {
	{ "wall", OPT_STR, OPT_REQUIRED, NULL, 0, 0, NULL, AT(clock_row, wall), NULL,
	  "by how much the wall clock steps: -1h or +1h; tick goes on" },
	{ .name = NULL },
};
struct restart_row { int64_t down_ms; };
static const struct option restart_rows[] = {
	{ "down", OPT_DURATION, 0, "0", 0, 0, NULL, AT(restart_row, down_ms), NULL,
	  "how long nobody was there" },
	{ .name = NULL },
};
struct model_row_ { struct str version; const struct yaml *metrics, *baseline; };
static const struct option model_rows[] = {
	{ "version", OPT_STR, OPT_REQUIRED, NULL, 0, 0, NULL, AT(model_row_, version),
	  NULL, "the champion at the start" },
	{ "metrics", OPT_NODE, 0, NULL, 0, 0, NULL, AT(model_row_, metrics), NULL,
	  "its metrics" },
	{ "baseline", OPT_NODE, 0, NULL, 0, 0, NULL, AT(model_row_, baseline), NULL,
	  "its baseline" },
	{ .name = NULL },
};
struct test_row {
	struct str	 name, start;
	struct option_strs rules;
	const struct yaml *models, *runs, *steps;
};
static const struct option test_rows[] = {
	{ "name", OPT_STR, OPT_REQUIRED, NULL, 0, 0, NULL, AT(test_row, name), NULL,
	  "what the test shows, one sentence" },
	{ "rules", OPT_STRS, OPT_REQUIRED, NULL, 0, 0, NULL, AT(test_row, rules), NULL,
	  "rule files or directories, relative to the test's file" },
	{ "start", OPT_STR, 0, DEFAULT_START, 0, 0, NULL, AT(test_row, start), NULL,
	  "where virtual time begins, RFC 3339" },
	{ "models", OPT_NODE, 0, NULL, 0, 0, NULL, AT(test_row, models), NULL,
	  "{MODEL: {version, metrics, baseline}}: champions at the start" },
	{ "runs", OPT_NODE, 0, NULL, 0, 0, NULL, AT(test_row, runs), NULL,
	  "{PIPELINE: {..}}: how every run of it ends" },
	{ "steps", OPT_NODE, OPT_REQUIRED, NULL, 0, 0, NULL, AT(test_row, steps), NULL,
	  "what happens and what is expected, in order" },
	{ .name = NULL },
};

#define BAD(rd, node, ...) (diag_add((rd)->d, SEV_ERROR, (node)->at, __VA_ARGS__), false)

/* ---- values ---- */

static struct str json_of(const struct rd *rd, const struct yaml *y)
{
	GString *s;
	struct str out;

	if (!y || yaml_is_null(y))
		return (struct str){ 0 };
	s = g_string_new(NULL);
	yaml_to_json(y, s);
	out = arena_str(rd->a, (struct str){ s->str, (uint32_t)s->len });
	g_string_free(s, TRUE);
	return out;
}

bool rtest_signed(struct str s, int64_t *ret)
{
	bool minus = s.len && s.p[0] == '-';

	if (!s.len || (s.p[0] != '-' && s.p[0] != '+'))
		return false;
	if (!duration_parse((struct str){ s.p + 1, s.len - 1 }, ret))
		return false;
	*ret = minus ? -*ret : *ret;
	return true;
}

/* "+3h29m" from the start, or RFC 3339. */
static bool read_time(const struct rd *rd, const struct yaml *at, struct str s,
    int64_t *ret)
{
	if (s.len && s.p[0] == '+' && rtest_signed(s, ret)) {
		*ret += rd->start;
		return true;
	}
	return time_parse(s, ret, NULL) || BAD(rd, at, "time '%.*s': expected +DURATION"
	    " from the start (+3h29m) or RFC 3339", STR_ARG(s));
}

static const struct yaml *child(const struct yaml *map, const char *name)
{
	const struct yaml *y = yaml_get(map, str_of(name));

	return y ? y : map;
}

static bool is_map(const struct rd *rd, const struct yaml *y, const char *what)
{
	return y->kind == YAML_MAP || BAD(rd, y, "%s: expected a map", what);
}

/* ---- steps ---- */

static bool read_feed(struct rd *rd, const struct yaml *y, struct rstep *s)
{
	struct rfeed *f = &s->feed;
	bool ok = options_read(feed_rows, y, f, rd->a, rd->d);

	if (ok && f->file.len && (f->type.len || f->data))
		return BAD(rd, y, "a feed of a file has nothing else");
	if (ok && !f->file.len && !f->type.len)
		return BAD(rd, y, "a feed needs `type` (or `file`)");
	if (ok && f->time.len && f->time.p[0] == '-' ?
	    !rtest_signed(f->time, &(int64_t){ 0 }) :
	    f->time.len && !read_time(rd, child(y, "time"), f->time, &(int64_t){ 0 }))
		return BAD(rd, child(y, "time"), "expected -DURATION before now,"
		    " +DURATION from the start, or RFC 3339");
	if (f->attributes && !is_map(rd, f->attributes, "attributes"))
		return false;
	return (!f->data || feed_check(f->data, rd->d)) && ok;
}

static bool read_scalar_ms(struct rd *rd, const struct yaml *y, struct rstep *s)
{
	return (y->kind == YAML_SCALAR && duration_parse(y->scalar, &s->ms)) ||
	    BAD(rd, y, "expected a duration, as 10m or 1h30m");
}

static bool read_restart(struct rd *rd, const struct yaml *y, struct rstep *s)
{
	struct restart_row row = { 0 };
	bool ok = yaml_is_null(y) || options_read(restart_rows, y, &row, rd->a, rd->d);

	s->ms = row.down_ms;
	return ok;
}

static bool read_clock(struct rd *rd, const struct yaml *y, struct rstep *s)
{
	struct clock_row row = { 0 };

	if (!options_read(clock_rows, y, &row, rd->a, rd->d))
		return false;
	return rtest_signed(row.wall, &s->ms) ||
	    BAD(rd, child(y, "wall"), "expected a step with its sign, as -1h or +1h");
}

static bool read_run_steps(struct rd *rd, struct rrun *r)
{
	static const enum report_state states[] = { 0, REPORT_COMPLETED, REPORT_ABORTED,
		REPORT_FAILED };
	struct sim_step *v;
	bool ok = is_map(rd, r->steps, "steps");

	if (!ok)
		return false;
	v = ARENA_ARRAY(rd->a, struct sim_step, r->steps->n + 1);
	for (uint32_t i = 0; i < r->steps->n; i++) {
		struct ends_row row = { 0 };

		ok = options_read(step_rows, r->steps->pairs[i].value, &row, rd->a,
		    rd->d) && ok;
		v[i] = (struct sim_step){ .name = r->steps->pairs[i].key->scalar,
			.after_ms = row.after_ms, .reason = row.reason,
			.state = states[row.state], .outputs = json_of(rd, row.outputs),
			.metrics = json_of(rd, row.metrics) };
	}
	r->plan.steps = v;
	r->plan.steps_n = r->steps->n;
	return ok;
}

static bool read_rrun(struct rd *rd, const struct yaml *y, struct rrun *r)
{
	static const enum run_state states[] = { 0, RUN_COMPLETED, RUN_ABORTED,
		RUN_FAILED };
	static const enum run_outcome outcomes[] = { 0, RUN_PROMOTED, RUN_REJECTED,
		RUN_NONE };

	if (!options_read(run_rows, y, r, rd->a, rd->d))
		return false;
	if (r->outcome != 3 && r->state != 1)
		return BAD(rd, child(y, "outcome"),
		    "only a completed run has an outcome");
	r->plan = (struct sim_plan){ .after_ms = r->after_ms, .state = states[r->state],
		.outcome = r->state == 1 ? outcomes[r->outcome] : RUN_NO_OUTCOME,
		.version = r->version, .reason = r->reason,
		.metrics = json_of(rd, r->metrics),
		.baseline = json_of(rd, r->baseline) };
	return !r->steps || read_run_steps(rd, r);
}

static bool read_run(struct rd *rd, const struct yaml *y, struct rstep *s)
{
	return read_rrun(rd, y, &s->run) && (s->run.pipeline.len ||
	    BAD(rd, y, "run: expected `pipeline`: whose run ends"));
}

static bool read_source(struct rd *rd, const struct yaml *y, struct rstep *s)
{
	static const struct { const char *name; enum source_state state; } words[] = {
		{ "down", SOURCE_DOWN }, { "up", SOURCE_UP },
		{ "caught_up", SOURCE_CAUGHT_UP } };

	for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
		if (y->kind == YAML_SCALAR && str_is(y->scalar, str_of(words[i].name))) {
			s->source = words[i].state;
			return true;
		}
	return BAD(rd, y, "source: expected down, up or caught_up");
}

/* ---- expect ---- */

static bool read_want(struct rd *rd, const struct yaml *y, struct rdecision_want *w)
{
	bool ok = options_read(want_rows, y, w, rd->a, rd->d);

	w->at = y;
	w->has_key = y->kind == YAML_MAP && yaml_get(y, STR("key"));
	w->from_ms = w->to_ms = TIME_NONE;
	if (!ok)
		return false;
	if (w->params && !is_map(rd, w->params, "params"))
		return false;
	if (w->time.len)
		ok = read_time(rd, child(y, "at"), w->time, &w->from_ms);
	w->to_ms = w->from_ms;
	if (w->between.n && w->between.n != 2)
		return BAD(rd, child(y, "between"), "expected [from, to]");
	if (w->between.n == 2)
		ok = read_time(rd, child(y, "between"), w->between.v[0], &w->from_ms) &&
		    read_time(rd, child(y, "between"), w->between.v[1], &w->to_ms) && ok;
	return ok;
}

static bool read_wants(struct rd *rd, struct rexpect *e)
{
	const struct yaml *y = e->decisions;
	bool ok = true;

	if (y->kind != YAML_SEQ)
		return BAD(rd, y, "decisions: expected a list ([] for none)");
	e->want = ARENA_ARRAY(rd->a, struct rdecision_want, y->n + 1);
	e->want_n = y->n;
	for (uint32_t i = 0; i < y->n; i++)
		ok = read_want(rd, y->items[i], &e->want[i]) && ok;
	return ok;
}

static bool read_explains(struct rd *rd, struct rexpect *e)
{
	const struct yaml *y = e->explain;
	bool ok = true;

	e->explains_n = y->kind == YAML_SEQ ? y->n : 1;
	e->explains = ARENA_ARRAY(rd->a, struct rexplain, e->explains_n + 1);
	for (uint32_t i = 0; i < e->explains_n; i++) {
		const struct yaml *one = y->kind == YAML_SEQ ? y->items[i] : y;

		ok = options_read(explain_rows, one, &e->explains[i], rd->a, rd->d) && ok;
		e->explains[i].at = one;
	}
	return ok;
}

static bool read_expect(struct rd *rd, const struct yaml *y, struct rstep *s)
{
	struct rexpect *e = &s->expect;
	bool ok = options_read(expect_rows, y, e, rd->a, rd->d);

	if (!ok)
		return false;
	e->has_key = yaml_get(y, STR("key")) != NULL;
	if (e->state.len && !e->rule.len)
		return BAD(rd, child(y, "state"), "`state` needs `rule`");
	if (!e->state.len && !e->decisions && !e->explain && !e->champion)
		return BAD(rd, y, "expect: expected decisions, state, explain or"
		    " champion");
	if (e->champion && !is_map(rd, e->champion, "champion"))
		return false;
	ok = (!e->decisions || read_wants(rd, e)) && ok;
	return (!e->explain || read_explains(rd, e)) && ok;
}

static const struct {
	const char	*name;
	enum rstep_kind	 kind;
	bool		 (*read)(struct rd *, const struct yaml *, struct rstep *);
	const struct option *rows;
	const char	*doc;
} kinds[] = {
	{ "feed", RSTEP_FEED, read_feed, feed_rows, "Events come" },
	{ "event", RSTEP_EVENT, read_feed, NULL, "One event; the keys of feed" },
	{ "advance", RSTEP_ADVANCE, read_scalar_ms, NULL, "Time passes: a duration" },
	{ "restart", RSTEP_RESTART, read_restart, restart_rows,
	  "The state is stored, freed and read again" },
	{ "clock", RSTEP_CLOCK, read_clock, clock_rows, "The wall clock is set" },
	{ "run", RSTEP_RUN, read_run, run_rows, "An open run ends" },
	{ "source", RSTEP_SOURCE, read_source, NULL,
	  "The source goes `down`, comes `up`, or is `caught_up`" },
	{ "expect", RSTEP_EXPECT, read_expect, expect_rows, "What must be so now" },
};

static bool read_step(struct rd *rd, const struct yaml *y, struct rstep *s)
{
	struct str words[G_N_ELEMENTS(kinds)], near;
	struct diag *bad;

	s->at = y;
	if (y->kind != YAML_MAP || y->n != 1)
		return BAD(rd, y, "a step is a map of one key: feed, event, advance,"
		    " restart, clock, run, source or expect");
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		words[i] = str_of(kinds[i].name);
		if (!str_is(y->pairs[0].key->scalar, words[i]))
			continue;
		s->kind = kinds[i].kind;
		s->at = y->pairs[0].key;
		return kinds[i].read(rd, y->pairs[0].value, s);
	}
	bad = diag_add(rd->d, SEV_ERROR, y->pairs[0].key->at, "unknown step '%.*s'",
	    STR_ARG(y->pairs[0].key->scalar));
	near = nearest_word(y->pairs[0].key->scalar, words, G_N_ELEMENTS(kinds));
	if (near.len)
		diag_hint(rd->d, bad, "did you mean '%.*s'?", STR_ARG(near));
	return false;
}

/* ---- a test ---- */

static bool read_models(struct rd *rd, const struct yaml *y, struct rtest *t)
{
	bool ok = is_map(rd, y, "models");

	if (!ok)
		return false;
	t->models = ARENA_ARRAY(rd->a, struct rmodel, y->n + 1);
	t->models_n = y->n;
	for (uint32_t i = 0; i < y->n; i++) {
		struct model_row_ row = { 0 };

		ok = options_read(model_rows, y->pairs[i].value, &row, rd->a, rd->d) &&
		    ok;
		t->models[i] = (struct rmodel){ .name = y->pairs[i].key->scalar,
			.version = row.version, .metrics = json_of(rd, row.metrics),
			.baseline = json_of(rd, row.baseline) };
	}
	return ok;
}

static bool read_runs(struct rd *rd, const struct yaml *y, struct rtest *t)
{
	bool ok = is_map(rd, y, "runs");

	if (!ok)
		return false;
	t->runs = ARENA_ARRAY(rd->a, struct rrun, y->n + 1);
	t->runs_n = y->n;
	for (uint32_t i = 0; i < y->n; i++) {
		ok = read_rrun(rd, y->pairs[i].value, &t->runs[i]) && ok;
		t->runs[i].pipeline = y->pairs[i].key->scalar;
	}
	return ok;
}

static bool read_steps(struct rd *rd, const struct yaml *y, struct rtest *t)
{
	bool ok = true;

	if (y->kind != YAML_SEQ)
		return BAD(rd, y, "steps: expected a list");
	t->steps = ARENA_ARRAY(rd->a, struct rstep, y->n + 1);
	t->steps_n = y->n;
	for (uint32_t i = 0; i < y->n; i++)
		ok = read_step(rd, y->items[i], &t->steps[i]) && ok;
	return ok;
}

static bool read_test(struct rd *rd, const struct yaml *y, struct rtest *t)
{
	struct test_row row = { 0 };
	bool ok = options_read(test_rows, y, &row, rd->a, rd->d);

	t->at = y;
	t->name = row.name;
	t->rules = row.rules;
	if (ok && !time_parse(row.start, &rd->start, NULL))
		ok = BAD(rd, child(y, "start"), "start: expected RFC 3339 with a zone,"
		    " as 2026-03-01T00:00:00Z");
	t->start_ms = rd->start;
	ok = (!row.models || read_models(rd, row.models, t)) && ok;
	ok = (!row.runs || read_runs(rd, row.runs, t)) && ok;
	return (!row.steps || read_steps(rd, row.steps, t)) && ok;
}

struct rtest *rtest_read(uint32_t i, struct arena *a, struct diags *d, uint32_t *ret_n)
{
	struct rd rd = { .a = a, .d = d };
	const struct yaml *y = yaml_parse(i, a, d);
	struct rtest *v;
	uint32_t n;
	bool ok = true;

	if (!y)
		return NULL;
	n = y->kind == YAML_SEQ ? y->n : 1;
	v = ARENA_ARRAY(a, struct rtest, n + 1);
	for (uint32_t k = 0; k < n; k++)
		ok = read_test(&rd, y->kind == YAML_SEQ ? y->items[k] : y, &v[k]) && ok;
	*ret_n = n;
	return ok ? v : NULL;
}

void rtest_markdown(GString *out)
{
	options_markdown(test_rows, "", out);
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		g_string_append_printf(out, "\n### %s\n\n%s.\n", kinds[i].name,
		    kinds[i].doc);
		if (!kinds[i].rows)
			continue;
		g_string_append_c(out, '\n');
		options_markdown(kinds[i].rows, "", out);
		if (kinds[i].kind == RSTEP_RUN)
			options_markdown(step_rows, "steps.NAME.", out);
		if (kinds[i].kind == RSTEP_EXPECT) {
			options_markdown(want_rows, "decisions[].", out);
			options_markdown(explain_rows, "explain.", out);
		}
	}
}
