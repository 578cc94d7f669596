/* Budgets: what admission reserves, what the end of a run settles, who is stopped. */
#include "fixture.h"

#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)

#define PIPELINE(more) \
	"pipelines:\n" \
	"  - name: train\n" \
	"    owner: ann\n" \
	"    params: {m: {default: x}}\n" \
	"    model: \"${params.m}\"\n" more \
	"    steps: [{name: a, command: [a], resources: {cpu: 4, memory: 2Gi}}]\n"
#define EVENT_RULE \
	"rules:\n" \
	"  - {name: r, on: x, key: data.k, run: {pipeline: train," \
	    " params: {m: \"${data.k}\"}}}\n"
#define BUDGET(is) "budgets: [{name: b, " is "}]\n"

static void event(struct fix *f, const char *key)
{
	g_autofree char *data = g_strdup_printf("{\"k\":\"%s\"}", key);
	struct event_limits limits = { 0 };
	struct arena *a = arena_new(0);
	struct event e = { .id = STR("e"), .source = STR("/t"), .type = STR("x"),
		.has_id = true, .time_ms = f->wall, .data = str_of(data),
		.body = str_of(data) };
	struct input in = { .kind = INPUT_EVENT, .event = &e };

	assert_true(event_fill(&e, &f->rules->plan, &limits, a));
	fix_input(f, &in);
	arena_free(a);
}

/* What became of the last decision: "fired" or "budget: NUMBERS". */
static const char *last(struct fix *f)
{
	const struct decided *d = &f->fx.decided;
	const struct decision_row *r;

	if (!d->decisions_n)
		return "nothing";
	r = &d->decisions[d->decisions_n - 1];
	if (r->outcome != OUTCOME_SUPPRESSED)
		return outcome_name(r->outcome);
	return arena_printf(f->arena, "%s %.*s", suppressor_name(r->by),
	    STR_ARG(r->reason)).p;
}

static void expect_event(struct fix *f, const char *key, const char *what)
{
	event(f, key);
	if (!strstr(last(f), what))
		fail_msg("expected '%s', got '%s'", what, last(f));
}

static void sleep_for(struct fix *f, int64_t ms)
{
	f->wall += ms;
	f->tick += ms;
}

static void end_run(struct fix *f, const char *run)
{
	fix_started(f, run, "a", 1);
	fix_completed(f, run, "a", 1, "{}", "{}");
	ASSERT_RUN(f, run, "completed");
}

static double used(struct fix *f, unsigned i)
{
	GString *s = g_string_new(NULL);
	const char *p;
	double v;

	world_budgets_json(f->w, f->wall, s);
	p = s->str;
	for (unsigned n = 0; n <= i; n++) {
		p = strstr(p + 1, "\"used\":");
		assert_non_null(p);
	}
	v = g_ascii_strtod(p + 7, NULL);
	g_string_free(s, TRUE);
	return v;
}

#define ASSERT_USED(f, i, want) do { \
	double u_ = used(f, i); \
	if (u_ < (want) - 1e-9 || u_ > (want) + 1e-9) \
		fail_msg("used %.9f, expected %.9f", u_, (double)(want)); \
} while (0)

static void so_many_runs_a_day(void **state)
{
	struct fix *f = fix_new(BUDGET("resource: runs, limit: 2, per: day,"
	    " timezone: Asia/Tokyo") EVENT_RULE PIPELINE("    budget: b\n"));

	(void)state;
	expect_event(f, "a", "fired");
	fix_twin(f);
	expect_event(f, "b", "fired");
	expect_event(f, "c", "budget: b 2/2 runs per day");
	ASSERT_USED(f, 0, 2);
	fix_restart(f);
	sleep_for(f, 15 * HOUR - 1);	/* midnight in Tokyo */
	expect_event(f, "c", "budget");
	sleep_for(f, 1);
	expect_event(f, "c", "fired");
	ASSERT_USED(f, 0, 1);
	f->wall -= 2 * HOUR;		/* the day before is not open again */
	expect_event(f, "d", "fired");
	expect_event(f, "e", "budget: b 2/2 runs per day");
	fix_free(f);
}

static void weeks_begin_on_monday_and_months_on_the_first(void **state)
{
	struct fix *f = fix_new("budgets:\n"
	    "  - {name: w, resource: runs, limit: 1, per: week}\n"
	    "  - {name: m, resource: runs, limit: 5, per: month}\n"
	    EVENT_RULE PIPELINE("    budget: w\n"));
	GString *s = g_string_new(NULL);

	(void)state;		/* 2026-03-01 was a Sunday */
	expect_event(f, "a", "fired");
	expect_event(f, "a", "budget");
	world_budgets_json(f->w, f->wall, s);
	assert_non_null(strstr(s->str, "\"from\":\"2026-02-23T00:00:00.000Z\","
	    "\"to\":\"2026-03-02T00:00:00.000Z\""));
	assert_non_null(strstr(s->str, "\"from\":\"2026-03-01T00:00:00.000Z\","
	    "\"to\":\"2026-04-01T00:00:00.000Z\""));
	sleep_for(f, DAY);
	expect_event(f, "a", "fired");
	g_string_free(s, TRUE);
	fix_free(f);
}

static void hours_are_reserved_and_settled(void **state)
{
	struct fix *f = fix_new(BUDGET("resource: cpu_hours, limit: 20, per: week")
	    EVENT_RULE PIPELINE("    budget: b\n    timeout: 4h\n"));

	(void)state;
	expect_event(f, "a", "fired");		/* nothing known: the timeout, 4 cpus */
	ASSERT_USED(f, 0, 16);
	expect_event(f, "b", "budget: b 16 + 16/20 cpu_hours per week");
	sleep_for(f, HOUR / 2);
	fix_restart(f);
	end_run(f, "train-1");
	ASSERT_USED(f, 0, 2);
	expect_event(f, "b", "fired");		/* the median of one is half an hour */
	ASSERT_USED(f, 0, 4);
	sleep_for(f, 2 * HOUR);
	end_run(f, "train-2");
	ASSERT_USED(f, 0, 2 + 8);
	expect_event(f, "c", "fired");		/* of two: the middle */
	ASSERT_USED(f, 0, 10 + 5);
	fix_restart(f);
	ASSERT_USED(f, 0, 15);
	fix_free(f);
}

static void a_run_that_never_began_is_refunded(void **state)
{
	struct fix *f = fix_new("budgets:\n"
	    "  - {name: n, resource: runs, limit: 3, per: day}\n"
	    "  - {name: h, resource: memory_hours, limit: 100, per: day}\n"
	    "rules: [{name: r, on: x, key: data.k, budget: n, run: train}]\n"
	    PIPELINE("    budget: h\n    concurrency: {limit: 1}\n    timeout: 1h\n"));

	(void)state;
	expect_event(f, "a", "fired");
	expect_event(f, "b", "fired");
	ASSERT_RUN(f, "train-2", "pending");
	ASSERT_USED(f, 0, 2);
	ASSERT_USED(f, 1, 4);
	fix_abort(f, "train-2");
	ASSERT_RUN(f, "train-2", "aborted");
	ASSERT_USED(f, 0, 1);
	ASSERT_USED(f, 1, 2);
	fix_abort(f, "train-1");		/* it began: a run is a run */
	sleep_for(f, HOUR / 4);
	fix_aborted(f, "train-1", "a", 1);
	ASSERT_RUN(f, "train-1", "aborted");
	ASSERT_USED(f, 0, 1);
	ASSERT_USED(f, 1, 0.5);
	fix_free(f);
}

static void the_period_is_that_of_the_admission(void **state)
{
	struct fix *f = fix_new(BUDGET("resource: wall_hours, limit: 24, per: day")
	    EVENT_RULE PIPELINE("    budget: b\n    timeout: 12h\n"));

	(void)state;
	expect_event(f, "a", "fired");
	sleep_for(f, DAY);
	expect_event(f, "b", "fired");
	ASSERT_USED(f, 0, 12);
	end_run(f, "train-1");		/* yesterday's: 24 hours there, nothing here */
	ASSERT_USED(f, 0, 12);
	fix_free(f);
}

static void a_person_is_charged_and_never_stopped(void **state)
{
	struct fix *f = fix_new(BUDGET("resource: runs, limit: 1, per: day") EVENT_RULE
	    PIPELINE("    budget: b\n"));

	(void)state;
	assert_true(fix_run(f, "train", "", "")->ok);
	assert_true(fix_run(f, "train", "", "")->ok);
	ASSERT_USED(f, 0, 2);
	ASSERT_REFUSED(fix_command(f, (struct command){ .kind = COMMAND_TRIGGER,
	    .target = STR("r"), .key = STR("a"), .params = STR("{\"m\":\"y\"}") }), 409,
	    "budget: b 2/1 runs per day");
	assert_true(fix_command(f, (struct command){ .kind = COMMAND_TRIGGER,
	    .target = STR("r"), .key = STR("a"), .params = STR("{\"m\":\"y\"}"),
	    .force = true })->ok);
	ASSERT_USED(f, 0, 3);
	fix_free(f);
}

static void accounts_by_key_model_and_owner(void **state)
{
	static const char *const scopes[] = { "key", "model", "owner" };

	(void)state;
	for (int i = 0; i < 3; i++) {
		g_autofree char *yaml = g_strdup_printf("budgets: [{name: b, resource:"
		    " runs, limit: 1, per: day, scope: %s}]\n" EVENT_RULE
		    PIPELINE("    budget: b\n"), scopes[i]);
		struct fix *f = fix_new(yaml);
		GString *s = g_string_new(NULL);

		expect_event(f, "z", "fired");
		expect_event(f, "z", "budget: b of '");
		expect_event(f, "a", i < 2 ? "fired" : "budget: b of 'ann' 1/1");
		fix_restart(f);
		world_budgets_json(f->w, f->wall, s);
		if (i < 2)
			assert_true(strstr(s->str, "\"account\":\"a\"") <
			    strstr(s->str, "\"account\":\"z\""));
		else
			assert_non_null(strstr(s->str, "\"account\":\"ann\""));
		g_string_free(s, TRUE);
		fix_free(f);
	}
}

#define SIGNAL_RULE(more) \
	"rules:\n" \
	"  - name: r\n" \
	"    on: x\n" \
	"    signals: {s: {over: 30d}}\n" \
	"    when: s.count >= 1\n" more \
	"    run: train\n"

/* Deadlines of both clocks, each at its own time. */
static unsigned walk(struct fix *f, int64_t ms)
{
	int64_t end = f->tick + ms, wall, tick, step;
	unsigned fired = 0;

	for (;;) {
		struct input in;

		while (world_take_due(f->w, f->wall, f->tick, &in)) {
			fix_input(f, &in);
			for (uint32_t i = 0; i < f->fx.decided.decisions_n; i++)
				fired += f->fx.decided.decisions[i].outcome ==
				    OUTCOME_FIRED;
		}
		world_next_due(f->w, &wall, &tick);
		step = MIN(end - f->tick, MIN(tick == INT64_MAX ? end : tick - f->tick,
		    wall == INT64_MAX ? end : wall - f->wall));
		if (step <= 0)
			return fired;
		sleep_for(f, step);
	}
}

static void what_is_owed_goes_when_the_period_ends(void **state)
{
	static const char *const more[] = { "", "    on_suppressed: drop\n" };

	(void)state;
	for (int over = 0; over < 3; over++) {	/* defer, drop, on_over wins */
		g_autofree char *yaml = g_strdup_printf("budgets: [{name: b, resource:"
		    " runs, limit: 1, per: day%s}]\n" SIGNAL_RULE("%s")
		    PIPELINE("    budget: b\n"), over == 2 ? ", on_over: defer" : "",
		    more[over > 0]);
		struct fix *f = fix_new(yaml);

		assert_true(fix_run(f, "train", "", "")->ok);
		expect_event(f, "a", "budget: b 1/1 runs per day");
		fix_restart(f);
		assert_int_equal(walk(f, DAY - 1), 0);
		assert_int_equal(walk(f, 1), over == 1 ? 0 : 1);
		assert_int_equal(walk(f, 3 * DAY), 0);
		fix_free(f);
	}
}

/* on_over: defer of a rule that drops otherwise: its events wait, and go as one. */
static void events_over_the_limit_wait_for_the_period(void **state)
{
	struct fix *f = fix_new(BUDGET("resource: runs, limit: 1, per: day,"
	    " on_over: defer") "rules: [{name: r, on: x, run: train}]\n"
	    PIPELINE("    budget: b\n"));

	(void)state;
	assert_true(fix_run(f, "train", "", "")->ok);
	expect_event(f, "a", "budget: b 1/1 runs per day");
	event(f, "b");
	fix_restart(f);
	assert_int_equal(walk(f, DAY - 1), 0);
	assert_int_equal(walk(f, 1), 1);
	assert_int_equal(walk(f, 3 * DAY), 0);
	fix_free(f);
}

static void what_is_owed_goes_when_something_is_given_back(void **state)
{
	struct fix *f = fix_new(BUDGET("resource: wall_hours, limit: 3, per: month")
	    SIGNAL_RULE("") PIPELINE("    budget: b\n    timeout: 2h\n"));

	(void)state;
	assert_true(fix_run(f, "train", "", "")->ok);
	expect_event(f, "a", "budget: b 2 + 2/3");
	assert_int_equal(walk(f, HOUR), 0);
	end_run(f, "train-1");
	assert_int_equal(walk(f, 1), 1);
	ASSERT_USED(f, 0, 2);
	fix_free(f);
}

static void observe_asks_and_reserves_nothing(void **state)
{
	struct fix *f = fix_new(BUDGET("resource: runs, limit: 1, per: day")
	    "rules: [{name: r, on: x, key: data.k, mode: observe, run: train}]\n"
	    PIPELINE("    budget: b\n"));

	(void)state;
	expect_event(f, "a", "observed");
	expect_event(f, "a", "observed");
	ASSERT_USED(f, 0, 0);
	assert_true(fix_run(f, "train", "", "")->ok);
	expect_event(f, "a", "budget: b 1/1");
	fix_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_runs_a_day),
		cmocka_unit_test(weeks_begin_on_monday_and_months_on_the_first),
		cmocka_unit_test(hours_are_reserved_and_settled),
		cmocka_unit_test(a_run_that_never_began_is_refunded),
		cmocka_unit_test(the_period_is_that_of_the_admission),
		cmocka_unit_test(a_person_is_charged_and_never_stopped),
		cmocka_unit_test(accounts_by_key_model_and_owner),
		cmocka_unit_test(what_is_owed_goes_when_the_period_ends),
		cmocka_unit_test(events_over_the_limit_wait_for_the_period),
		cmocka_unit_test(what_is_owed_goes_when_something_is_given_back),
		cmocka_unit_test(observe_asks_and_reserves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
