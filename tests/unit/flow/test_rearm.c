/* A detector re-arms in each of the ways of design 8, with real runs through
 * world_input():
 *
 *	by deploy; at the end of a completed run that promoted nothing; after the backoff
 *	of a failed, rejected or aborted run; with no run (observed, dropped, error) at
 *	recover, else after rearm_after; rearm: on_deploy removes only the second.
 */
#include "fixture.h"

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)

#define RULE(more) "rules:\n" \
	"  - name: errors\n" \
	"    on: {type: o}\n" \
	"    signals:\n" \
	"      err: {value: data.e, detect: {bernoulli_cusum: {p0: 0.1, p1: 0.3," \
	" H: 9}}}\n" \
	"      on: {value: data.on, last: 1}\n" \
	"    when: err.drift && on.last == 1.0\n" \
	"    backoff: {initial: 5m, max: 1h}\n" more
#define PIPELINES "pipelines:\n" \
	"  - name: train\n" \
	"    params: {p: {type: int, default: 1}}\n" \
	"    model: fraud\n" \
	"    steps:\n" \
	"      - {name: t, command: [t]}\n" \
	"      - {name: g, needs: t, gate: \"steps.t.outputs.ok\"}\n" \
	"      - {name: d, needs: g, command: [d]}\n" \
	"    on_success: {promote: {version: \"${run.id}\"}}\n" \
	"  - name: look\n" \
	"    params: {p: {type: int, default: 1}}\n" \
	"    model: fraud\n" \
	"    steps:\n" \
	"      - {name: t, command: [t]}\n"

static struct fix *f;

static void begin(const char *rules)
{
	f = fix_new(rules);
}

static void event(const char *data)
{
	struct event_limits limits = { 0 };
	struct arena *a = arena_new(0);
	struct event e = { .id = STR("e"), .source = STR("/t"), .type = STR("o"),
		.has_id = true, .time_ms = f->wall, .data = str_of(data),
		.body = str_of(data) };
	struct input in = { .kind = INPUT_EVENT, .event = &e };

	assert_true(event_fill(&e, &f->rules->plan, &limits, a));
	fix_input(f, &in);
	arena_free(a);
}

/* Three errors in a row are a drift; the third one's decision, or "". */
static const char *drift(void)
{
	const struct decided *d = &f->fx.decided;

	for (int i = 0; i < 3; i++)
		event("{\"e\":1,\"on\":1}");
	if (!d->decisions_n)
		return "";
	return d->decisions[0].by ? suppressor_name(d->decisions[0].by) :
	    outcome_name(d->decisions[0].outcome);
}

static bool shows(const char *what)
{
	GString *s = g_string_new(NULL);
	bool yes;

	decide_keys_json(world_decide(f->w), ruleset_rule(f->rules, STR("errors")), 9,
	    f->arena, f->wall, f->tick, s);
	yes = strstr(s->str, what) != NULL;
	g_string_free(s, TRUE);
	return yes;
}

/* Armed: no drift, no episode, and the next drift is decided again. */
static void armed(void)
{
	assert_false(shows("\"drift\":true"));
	assert_true(shows("\"state\":\"inactive\""));
	assert_string_equal(drift(), "fired");
	fix_free(f);
}

static void waits(void)
{
	assert_true(shows("\"drift\":true"));
	assert_string_equal(drift(), "");	/* held, not fed */
	assert_true(shows("\"drift\":true"));
}

/* Not before `ms` have passed, and then by itself. */
static void armed_after(int64_t ms)
{
	fix_wait(f, ms - 1000);
	waits();
	fix_wait(f, 1000);
	assert_false(shows("\"drift\":true"));
	assert_true(shows("\"state\":\"inactive\""));
	assert_int_equal(f->fx.runs_n, 0);	/* nothing was owed */
}

static void by_deploy(void **state)
{
	(void)state;
	begin(RULE("    run: train\n") PIPELINES);
	assert_string_equal(drift(), "fired");
	fix_completed(f, "train-1", "t", 1, "{\"ok\":true}", "{}");
	waits();
	fix_completed(f, "train-1", "d", 1, "", "");
	assert_int_equal(fix_row(f, "train-1")->outcome, RUN_PROMOTED);
	armed();
}

/* ... also by a person's promote, while a run of the rule is at work. */
static void by_a_person_s_deploy(void **state)
{
	(void)state;
	begin(RULE("    run: train\n") PIPELINES);
	assert_string_equal(drift(), "fired");
	assert_true(fix_command(f, (struct command){ .kind = COMMAND_PROMOTE,
	    .target = STR("fraud"),
	    .params = STR("{\"version\":\"v7\",\"run\":\"r\"}") })->ok);
	armed();
}

/* ... which ends the episode, and with on_clear: abort what was begun for it. */
static void a_deploy_aborts_the_episode_s_run(void **state)
{
	(void)state;
	begin(RULE("    on_clear: abort\n    run: train\n") PIPELINES);
	assert_string_equal(drift(), "fired");
	assert_true(fix_command(f, (struct command){ .kind = COMMAND_PROMOTE,
	    .target = STR("fraud"),
	    .params = STR("{\"version\":\"v7\",\"run\":\"r\"}") })->ok);
	assert_int_equal(fix_row(f, "train-1")->abort_requested, 1);
	fix_free(f);
}

static void by_a_run_that_promoted_nothing(void **state)
{
	(void)state;
	begin(RULE("    run: look\n") PIPELINES);
	assert_string_equal(drift(), "fired");
	waits();
	fix_restart(f);
	waits();
	fix_completed(f, "look-1", "t", 1, "", "");
	fix_due(f);
	armed();
}

static void after_the_backoff_of_a_failed_run(void **state)
{
	(void)state;
	begin(RULE("    run: look\n") PIPELINES);
	assert_string_equal(drift(), "fired");
	fix_failed(f, "look-1", "t", 1, 1);
	armed_after(5 * MINUTE);
	assert_string_equal(drift(), "fired");
	fix_failed(f, "look-2", "t", 1, 1);
	fix_restart(f);
	armed_after(10 * MINUTE);		/* the backoff doubles */
	armed();
}

static void after_the_backoff_of_a_rejected_run(void **state)
{
	(void)state;
	begin(RULE("    run: train\n") PIPELINES);
	assert_string_equal(drift(), "fired");
	fix_completed(f, "train-1", "t", 1, "{\"ok\":false}", "{}");
	assert_int_equal(fix_row(f, "train-1")->outcome, RUN_REJECTED);
	armed_after(5 * MINUTE);
	armed();
}

static void after_the_backoff_of_an_aborted_run(void **state)
{
	(void)state;
	begin(RULE("    run: look\n") PIPELINES);
	assert_string_equal(drift(), "fired");
	fix_started(f, "look-1", "t", 1);
	fix_abort(f, "look-1");
	waits();
	fix_aborted(f, "look-1", "t", 1);
	ASSERT_RUN(f, "look-1", "aborted");
	armed_after(5 * MINUTE);
	armed();
}

#define NO_RUN(more) RULE("    rearm_after: 2h\n" more "    run: look\n") PIPELINES

static void observed_after_rearm_after(void **state)
{
	(void)state;
	begin(NO_RUN("    mode: observe\n"));
	assert_string_equal(drift(), "observed");
	armed_after(2 * HOUR);
	assert_string_equal(drift(), "observed");
	fix_free(f);
}

static void observed_at_recover(void **state)
{
	(void)state;
	begin(NO_RUN("    mode: observe\n    recover: on.last == 0.0\n"));
	assert_string_equal(drift(), "observed");
	waits();
	event("{\"e\":1,\"on\":0}");
	assert_false(shows("\"drift\":true"));
	assert_string_equal(drift(), "observed");
	fix_free(f);
}

/* Without `recover` the episode ends where `when` is no longer true. */
static void observed_at_the_end_of_the_episode(void **state)
{
	(void)state;
	begin(NO_RUN("    mode: observe\n"));
	assert_string_equal(drift(), "observed");
	event("{\"e\":1,\"on\":0}");
	assert_false(shows("\"drift\":true"));
	fix_free(f);
}

static void dropped_after_rearm_after(void **state)
{
	(void)state;
	begin(NO_RUN("    cooldown: 9h\n    on_suppressed: drop\n"));
	assert_string_equal(drift(), "fired");
	fix_completed(f, "look-1", "t", 1, "", "");
	fix_due(f);
	assert_string_equal(drift(), "cooldown");
	armed_after(2 * HOUR);
	assert_string_equal(drift(), "cooldown");
	fix_free(f);
}

static void an_error_after_rearm_after(void **state)
{
	(void)state;
	begin(RULE("    rearm_after: 2h\n    run: {pipeline: look, params: "
	    "{p: '${data.nope}'}}\n") PIPELINES);
	assert_string_equal(drift(), "error");
	armed_after(2 * HOUR);
	assert_string_equal(drift(), "error");
	fix_free(f);
}

static void rearm_after_is_a_day_by_default(void **state)
{
	(void)state;
	begin(RULE("    mode: observe\n    run: look\n") PIPELINES);
	assert_string_equal(drift(), "observed");
	armed_after(24 * HOUR);
	fix_free(f);
}

static void on_deploy_removes_only_the_second(void **state)
{
	(void)state;
	begin(RULE("    rearm: on_deploy\n    run: look\n") PIPELINES);
	assert_string_equal(drift(), "fired");
	fix_completed(f, "look-1", "t", 1, "", "");	/* promoted nothing */
	fix_wait(f, 48 * HOUR);
	waits();
	event("{\"e\":1,\"on\":0}");		/* the episode ends, the drift does not */
	event("{\"e\":1,\"on\":1}");		/* a new one begins */
	assert_int_equal(f->fx.decided.decisions_n, 1);
	assert_int_equal(f->fx.decided.decisions[0].by, SUPP_DISARMED);
	assert_true(fix_command(f, (struct command){ .kind = COMMAND_PROMOTE,
	    .target = STR("fraud"), .params = STR("{\"version\":\"look-1\"}") })->ok);
	assert_false(shows("\"drift\":true"));
	assert_string_equal(drift(), "fired");
	fix_failed(f, "look-2", "t", 1, 1);	/* a failed run still arms again */
	armed_after(5 * MINUTE);
	armed();
}

/* A drift that waits for another condition had no emission: the level stays. */
static void a_level_without_an_emission_stays(void **state)
{
	(void)state;
	begin(NO_RUN(""));
	for (int i = 0; i < 3; i++)
		event("{\"e\":1,\"on\":0}");
	fix_wait(f, 48 * HOUR);
	assert_true(shows("\"drift\":true"));
	event("{\"e\":0,\"on\":1}");
	assert_string_equal(outcome_name(f->fx.decided.decisions[0].outcome), "fired");
	fix_free(f);
}

int main(void)
{
	const struct CMUnitTest a_detector_re_arms_in_each_of_the_ways_of_design_8[] = {
		cmocka_unit_test(by_deploy),
		cmocka_unit_test(by_a_person_s_deploy),
		cmocka_unit_test(a_deploy_aborts_the_episode_s_run),
		cmocka_unit_test(by_a_run_that_promoted_nothing),
		cmocka_unit_test(after_the_backoff_of_a_failed_run),
		cmocka_unit_test(after_the_backoff_of_a_rejected_run),
		cmocka_unit_test(after_the_backoff_of_an_aborted_run),
		cmocka_unit_test(observed_after_rearm_after),
		cmocka_unit_test(observed_at_recover),
		cmocka_unit_test(observed_at_the_end_of_the_episode),
		cmocka_unit_test(dropped_after_rearm_after),
		cmocka_unit_test(an_error_after_rearm_after),
		cmocka_unit_test(rearm_after_is_a_day_by_default),
		cmocka_unit_test(on_deploy_removes_only_the_second),
		cmocka_unit_test(a_level_without_an_emission_stays),
	};

	return cmocka_run_group_tests_name(
	    "a detector re-arms in each of the ways of design 8",
	    a_detector_re_arms_in_each_of_the_ways_of_design_8, NULL, NULL);
}
