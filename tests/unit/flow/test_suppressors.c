/* Every suppressor with every kind of rule, dropping and deferring, through the whole
 * world: what is stopped has one row, what is owed goes once, when it may and no sooner.
 *
 *	22:00	the rule fires; its run ends as the row says
 *	22:30	what begins by hand (silence, pause)
 *	23:00	it would fire: stopped
 *	24:00	nothing stops it any more
 */
#include "fixture.h"

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)

enum kind { EVENT_RULE, SIGNAL_RULE, SCHEDULE_RULE, KINDS };
enum end { COMPLETES, FAILS, LASTS };	/* LASTS: completes at 24:00 */
static const struct row {
	enum suppressor	 by;
	const char	*rule, *pipeline, *top;
	enum end	 end;
	unsigned	 kinds;		/* bit per kind that has it */
	bool		 never;		/* is not deferred */
	const char	*begin, *over;	/* "silence", "pause", "resume" */
} rows[] = {
	{ SUPP_DISABLED, "", "", "", COMPLETES, 7, true, "pause", "resume" },
	{ SUPP_CALENDAR, "    calendar: {not: c}\n", "",
	    "calendars: [{name: c, times: '22:30-24:00'}]\n", COMPLETES, 7, false, NULL,
	    NULL },
	{ SUPP_SILENCE, "", "", "", COMPLETES, 7, false, "silence", NULL },
	{ SUPP_DEDUPE, "    dedupe: {key: data.v, for: 2h}\n", "", "", COMPLETES,
	    1u << EVENT_RULE, true, NULL, NULL },
	{ SUPP_COOLDOWN, "    cooldown: 2h\n", "", "", COMPLETES, 7, false, NULL, NULL },
	{ SUPP_BACKOFF, "    backoff: {initial: 119m, max: 24h}\n", "", "", FAILS, 7,
	    false, NULL, NULL },
	{ SUPP_BREAKER, "    backoff: off\n    cooldown: 1m\n"
	    "    breaker: {after: 1, wait: 119m}\n", "", "", FAILS, 7, false, NULL,
	    NULL },
	{ SUPP_BUDGET, "    budget: b\n", "",
	    "budgets: [{name: b, resource: runs, limit: 1, per: day}]\n", COMPLETES, 7,
	    false, NULL, NULL },
	{ SUPP_CONCURRENCY, "", "    concurrency: {limit: 1, on_limit: skip}\n", "",
	    LASTS, 7, false, NULL, NULL },
};

struct seen { unsigned fired, stopped, other; enum suppressor by; };

static void take(struct fix *f, struct seen *s)
{
	for (uint32_t i = 0; i < f->fx.decided.decisions_n; i++) {
		const struct decision_row *r = &f->fx.decided.decisions[i];

		if (r->outcome == OUTCOME_FIRED) {
			s->fired++;
		} else if (r->outcome == OUTCOME_SUPPRESSED) {
			s->stopped += r->count;
			s->by = r->by;
		} else {
			s->other++;
		}
	}
}

/* Until this time of the day, deadlines of both clocks each at its own. */
static struct seen until(struct fix *f, int64_t ms)
{
	struct seen s = { 0 };
	int64_t end = ms + 1000, wall, tick, step;

	for (;;) {
		struct input in;

		while (world_take_due(f->w, f->wall, f->tick, &in)) {
			fix_input(f, &in);
			take(f, &s);
		}
		world_next_due(f->w, &wall, &tick);
		step = MIN(end - f->tick, MIN(tick == INT64_MAX ? end : tick - f->tick,
		    wall == INT64_MAX ? end : wall - f->wall));
		if (step <= 0)
			return s;
		f->wall += step;
		f->tick += step;
	}
}

static struct seen event(struct fix *f, const char *data)
{
	struct event_limits limits = { 0 };
	struct arena *a = arena_new(0);
	struct event e = { .id = STR("e"), .source = STR("/t"), .type = STR("x"),
		.has_id = true, .time_ms = f->wall, .data = str_of(data),
		.body = str_of(data) };
	struct input in = { .kind = INPUT_EVENT, .event = &e };
	struct seen s = { 0 };

	assert_true(event_fill(&e, &f->rules->plan, &limits, a));
	fix_input(f, &in);
	take(f, &s);
	arena_free(a);
	return s;
}

static char *rules_of(const struct row *row, enum kind kind, const char *policy)
{
	static const char *const kinds[KINDS] = {
		"    on: x\n",
		("    on: x\n    signals: {s: {value: data.v, last: 1}}\n"
		 "    when: s.last > 0\n"),
		"    schedule: {cron: '0 22,23 * * *'}\n",
	};

	return g_strdup_printf("%srules:\n  - name: r\n%s%s    on_suppressed: %s\n"
	    "    run: train\npipelines:\n  - name: train\n%s"
	    "    steps: [{name: a, command: [a]}]\n", row->top, kinds[kind], row->rule,
	    policy, row->pipeline);
}

/* What makes the rule fire, were it not stopped. */
static struct seen would_fire(struct fix *f, enum kind kind, int64_t at)
{
	struct seen s = until(f, kind == SCHEDULE_RULE ? at : at - 1), e;

	if (kind == SCHEDULE_RULE)
		return s;
	assert_int_equal(s.fired + s.stopped, 0);
	until(f, at);
	e = event(f, "{\"v\":1}");
	s = until(f, at);		/* what that made due */
	return (struct seen){ e.fired + s.fired, e.stopped + s.stopped,
		e.other + s.other, e.by ? e.by : s.by };
}

static void by_hand(struct fix *f, const char *what)
{
	struct command c = { .kind = COMMAND_PAUSE, .target = STR("r") };

	if (!what)
		return;
	if (strcmp(what, "resume") == 0)
		c.kind = COMMAND_RESUME;
	else if (strcmp(what, "silence") == 0)
		c = (struct command){ .kind = COMMAND_SILENCE,
			.params = STR("{\"match\":[\"rule=r\"],\"for\":\"90m\"}") };
	assert_true(fix_command(f, c)->ok);
}

static void end_run(struct fix *f, enum end how)
{
	fix_started(f, "train-1", "a", 1);
	if (how == FAILS)
		fix_failed(f, "train-1", "a", 1, 1);
	else
		fix_completed(f, "train-1", "a", 1, "{}", "{}");
}

static void one_case(const struct row *row, enum kind kind, bool defer)
{
	g_autofree char *yaml = rules_of(row, kind, defer ? "defer" : "drop");
	const char *name = suppressor_name(row->by);
	bool owed = defer && !row->never, minute = row->by == SUPP_DISABLED;
	struct seen s;
	struct fix *f;

	f = fix_new(yaml);
	s = would_fire(f, kind, 22 * HOUR);
	if (s.fired != 1)
		fail_msg("%s, kind %d: does not fire at 22:00", name, kind);
	if (kind == SIGNAL_RULE)
		event(f, "{\"v\":0}");		/* a new episode at 23:00 */
	until(f, 22 * HOUR + MINUTE);
	if (row->end != LASTS)
		end_run(f, row->end);
	until(f, 22 * HOUR + 30 * MINUTE);
	by_hand(f, row->begin);
	fix_restart(f);
	s = would_fire(f, kind, 23 * HOUR);
	if (!minute && (s.fired || s.stopped != 1 || s.by != row->by))
		fail_msg("%s, kind %d, defer %d: %u fired, %u stopped by %s", name, kind,
		    defer, s.fired, s.stopped, suppressor_name(s.by));
	fix_restart(f);
	s = until(f, 24 * HOUR - 1);
	assert_int_equal(s.fired, 0);
	if (minute)			/* one counting row; a due time has its own */
		assert_true(s.stopped <= 1);
	if (row->end == LASTS) {
		until(f, 24 * HOUR);
		end_run(f, COMPLETES);
	}
	by_hand(f, row->over);
	s = until(f, 24 * HOUR + 1);
	if (s.fired != owed)
		fail_msg("%s, kind %d, defer %d: %u fired at 24:00", name, kind, defer,
		    s.fired);
	s = until(f, 28 * HOUR);	/* once; and its run is let alone */
	assert_int_equal(s.fired, 0);
	assert_int_equal(s.other, 0);
	fix_free(f);
}

static void each_suppressor_with(enum kind kind, bool defer)
{
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		if (rows[i].kinds >> kind & 1)
			one_case(&rows[i], kind, defer);
}

static void an_event_rule_drops(void **state)
{
	(void)state;
	each_suppressor_with(EVENT_RULE, false);
}

static void an_event_rule_defers(void **state)
{
	(void)state;
	each_suppressor_with(EVENT_RULE, true);
}

static void a_schedule_drops(void **state)
{
	(void)state;
	each_suppressor_with(SCHEDULE_RULE, false);
}

static void a_schedule_defers(void **state)
{
	(void)state;
	each_suppressor_with(SCHEDULE_RULE, true);
}

static void a_signal_rule_drops(void **state)
{
	(void)state;
	each_suppressor_with(SIGNAL_RULE, false);
}

static void a_deferred_emission_released_when_its_suppressor_ends_once(void **state)
{
	(void)state;
	each_suppressor_with(SIGNAL_RULE, true);
}

#define SIGNAL(more) "rules:\n  - name: r\n    on: x\n" \
	"    signals: {s: {value: data.v, last: 1}}\n    when: s.last > 0\n" more \
	"    run: train\npipelines:\n" \
	"  - {name: train, steps: [{name: a, command: [a]}]}\n"

/* Doubling over episodes: 1 h after the first bad run, 2 h after the second. */
static void backoff_respected_by_new_episodes(void **state)
{
	struct fix *f = fix_new(SIGNAL("    backoff: {initial: 1h, max: 24h}\n"));
	struct seen s;

	(void)state;
	assert_int_equal(event(f, "{\"v\":1}").fired, 1);
	event(f, "{\"v\":0}");
	end_run(f, FAILS);
	s = event(f, "{\"v\":1}");
	assert_true(s.stopped == 1 && s.by == SUPP_BACKOFF);
	event(f, "{\"v\":0}");		/* gone before its time */
	assert_int_equal(until(f, HOUR + 1).fired, 0);
	assert_int_equal(event(f, "{\"v\":1}").fired, 1);
	event(f, "{\"v\":0}");
	fix_started(f, "train-2", "a", 1);
	fix_failed(f, "train-2", "a", 1, 1);
	event(f, "{\"v\":1}");
	assert_int_equal(until(f, 3 * HOUR).fired, 0);
	assert_int_equal(until(f, 3 * HOUR + 1).fired, 1);
	fix_free(f);
}

static void the_end_of_an_episode_aborts_its_runs(void **state)
{
	static const char *const more[] = { "    on_clear: abort\n", "" };

	(void)state;
	for (int keep = 0; keep < 2; keep++) {
		g_autofree char *yaml = g_strdup_printf(SIGNAL("%s"), more[keep]);
		struct fix *f = fix_new(yaml);

		assert_int_equal(event(f, "{\"v\":1}").fired, 1);
		fix_started(f, "train-1", "a", 1);
		assert_true(fix_run(f, "train", "", "")->ok);	/* somebody's own */
		fix_restart(f);
		event(f, "{\"v\":2}");
		ASSERT_RUN(f, "train-1", "running");
		assert_false(fix_row(f, "train-1")->abort_requested);
		event(f, "{\"v\":0}");
		assert_int_equal(fix_row(f, "train-1")->abort_requested, !keep);
		assert_string_equal(fix_ops(f), keep ? "" : "ABORT train-1/a#1");
		if (!keep) {
			fix_aborted(f, "train-1", "a", 1);
			ASSERT_RUN(f, "train-1", "aborted");
			ASSERT_REASON(f, "train-1",
			    "the episode that it was for has ended (on_clear: abort)");
		}
		ASSERT_RUN(f, "train-2", "running");
		fix_free(f);
	}
}

/* ---- observe ---- */

#define WATCHED(mode) "calendars: [{name: c, times: '22:00-06:00'}]\nrules:\n" \
	"  - {name: e, mode: " mode ", on: x, key: data.k, when: data.v > 1," \
	" dedupe: {key: data.v, for: 2h}, cooldown: 20m, run: train}\n" \
	"  - {name: c, mode: " mode ", on: x, calendar: {not: c}, cooldown: 7m," \
	" run: train}\n" \
	"  - name: s\n    mode: " mode "\n    on: {type: x, key: data.k}\n" \
	"    signals: {s: {value: data.v, over: 1h}}\n    when: s.avg > 2\n" \
	"    for: 5m\n    recover: s.avg < 1.5\n    refire: 40m\n    cooldown: 1h\n" \
	"    run: train\n" \
	"  - {name: n, mode: " mode ", schedule: {every: 3h}, cooldown: 4h," \
	" run: train}\n" \
	"pipelines:\n  - {name: train, steps: [{name: a, command: [a]}]}\n"

/* The rows of a turn, but for the word and the run. */
static void rows_text(struct fix *f, GString *out)
{
	for (uint32_t i = 0; i < f->fx.decided.decisions_n; i++) {
		const struct decision_row *r = &f->fx.decided.decisions[i];
		bool fired = r->outcome == OUTCOME_FIRED ||
		    r->outcome == OUTCOME_OBSERVED;

		g_string_append_printf(out, "%d %.*s/%.*s %s %s x%u at %d\n", (int)r->id,
		    STR_ARG(r->rule), STR_ARG(r->key), fired ? "fired" :
		    outcome_name(r->outcome), suppressor_name(r->by), r->count,
		    (int)((r->time_ms - 1772323200000) / 1000));
	}
}

static void drain(struct fix *f, GString *out)
{
	struct input in;

	while (world_take_due(f->w, f->wall, f->tick, &in)) {
		fix_input(f, &in);
		rows_text(f, out);
	}
}

static GString *life(const char *yaml)
{
	struct fix *f = fix_new(yaml);
	GString *out = g_string_new(NULL);
	GRand *rng = g_rand_new_with_seed(20260301);

	for (int i = 0; i < 3000; i++) {
		g_autofree char *data = g_strdup_printf("{\"k\":\"%c\",\"v\":%d}",
		    'a' + g_rand_int_range(rng, 0, 3), g_rand_int_range(rng, 0, 5));
		int64_t wall, tick, next = f->tick + g_rand_int_range(rng, 1, 240) * 1000;

		for (;;) {
			int64_t step = next - f->tick;

			drain(f, out);
			world_next_due(f->w, &wall, &tick);
			if (tick != INT64_MAX)
				step = MIN(step, tick - f->tick);
			if (wall != INT64_MAX)
				step = MIN(step, wall - f->wall);
			if (step <= 0)
				break;
			f->wall += step;
			f->tick += step;
		}
		event(f, data);
		rows_text(f, out);
		if (i % 500 == 250)
			fix_command(f, (struct command){ .kind = COMMAND_SILENCE,
			    .params = STR("{\"match\":[\"key=b\"],\"for\":\"3h\"}") });
	}
	g_rand_free(rng);
	fix_free(f);
	return out;
}

static void observe_equals_active_for_rules_that_read_no_fact_of_their_own_runs(
    void **state)
{
	GString *active = life(WATCHED("active")), *observed = life(WATCHED("observe"));

	(void)state;
	assert_string_equal(active->str, observed->str);
	for (int i = 0; i < 4; i++) {		/* each rule has fired, and was stopped */
		static const char *const names[] = { "e/a fired", "c/ fired", "s/b fired",
			"n/ fired" };

		assert_non_null(strstr(active->str, names[i]));
	}
	assert_non_null(strstr(active->str, "suppressed dedupe"));
	assert_non_null(strstr(active->str, "suppressed cooldown"));
	assert_non_null(strstr(active->str, "suppressed calendar"));
	assert_non_null(strstr(active->str, "suppressed silence"));
	g_string_free(active, TRUE);
	g_string_free(observed, TRUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_rule_drops),
		cmocka_unit_test(an_event_rule_defers),
		cmocka_unit_test(a_schedule_drops),
		cmocka_unit_test(a_schedule_defers),
		cmocka_unit_test(a_signal_rule_drops),
		cmocka_unit_test(
		    a_deferred_emission_released_when_its_suppressor_ends_once),
		cmocka_unit_test(backoff_respected_by_new_episodes),
		cmocka_unit_test(the_end_of_an_episode_aborts_its_runs),
		cmocka_unit_test(
		    observe_equals_active_for_rules_that_read_no_fact_of_their_own_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
