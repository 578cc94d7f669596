/* The breaker: opens after N bad runs in a row, lets one probe through, closes. */
#include "fixture.h"

#define EVENT_RULE "rules:\n" \
	"  - name: r\n" \
	"    on: x\n" \
	"    breaker: {after: 3, wait: 1h}\n" \
	"    run: train\n"
#define SIGNAL_RULE "rules:\n" \
	"  - name: r\n" \
	"    on: x\n" \
	"    signals: {s: {over: 10d}}\n" \
	"    when: s.count >= 1\n" \
	"    backoff: off\n" \
	"    cooldown: 1s\n" \
	"    breaker: {after: 1, wait: 1h}\n" \
	"    run: train\n"

enum end { FAILED, REJECTED, COMPLETED, ABORTED };

static void ended(struct fx *f, uint64_t run, enum end how)
{
	struct run_end e = { .run = run, .pipeline = STR("train"), .key = STR(""),
		.rule_id = decide_rule_id(f->d, ruleset_rule(f->rules, STR("r"))),
		.episode = 1, .failed = how == FAILED, .aborted = how == ABORTED,
		.completed = how == REJECTED || how == COMPLETED,
		.rejected = how == REJECTED };

	decide_run_ended(f->d, &e, f->tick);
}

static void fire_and_end(struct fx *f, enum end how)
{
	fx_event(f, "x", "{}");
	fx_expect(f, "fired r\n");
	ended(f, f->runs, how);
}

static void opened(struct fx *f)
{
	fire_and_end(f, FAILED);
	fire_and_end(f, REJECTED);
	fire_and_end(f, FAILED);
}

static void expect_numbers(const struct fx *f, const char *numbers)
{
	g_autofree char *want = g_strdup_printf("\"name\":\"breaker\",%s\"", numbers);

	if (!strstr(f->trace, want))
		fail_msg("expected %s in %s", want, f->trace);
}

static void it_opens_after_n_bad_runs_in_a_row(void **state)
{
	struct fx f = fx_new(EVENT_RULE);

	(void)state;
	fire_and_end(&f, FAILED);
	fire_and_end(&f, FAILED);
	fire_and_end(&f, COMPLETED);	/* not in a row */
	fire_and_end(&f, FAILED);
	fire_and_end(&f, ABORTED);	/* says nothing */
	fire_and_end(&f, REJECTED);
	expect_numbers(&f, "\"verdict\":\"passed\",\"numbers\":\"1/3");
	fire_and_end(&f, FAILED);
	fx_restart(&f);
	fx_advance(&f, HOUR - 1);
	fx_event(&f, "x", "{}");
	fx_expect(&f, "suppressed r by breaker\n");
	expect_numbers(&f, "\"verdict\":\"blocked\",\"numbers\":\"3/3, open, 1ms left");
	fx_advance(&f, 1);
	fx_event(&f, "x", "{}");
	fx_expect(&f, "fired r\n");
	expect_numbers(&f, "\"verdict\":\"passed\","
	    "\"numbers\":\"3/3, half-open: one probe");
	fx_free(&f);
}

static void the_half_open_breaker_lets_one_probe_through(void **state)
{
	struct fx f = fx_new(EVENT_RULE);
	uint64_t probe;

	(void)state;
	opened(&f);
	fx_advance(&f, HOUR);
	fx_event(&f, "x", "{}");
	probe = f.runs;
	fx_event(&f, "x", "{}");
	fx_restart(&f);
	fx_advance(&f, DAY);
	fx_event(&f, "x", "{}");
	fx_expect(&f, "fired r\nsuppressed r by breaker\nsuppressed r by breaker\n");
	ended(&f, probe, ABORTED);	/* still half-open: the next one is the probe */
	fx_event(&f, "x", "{}");
	fx_event(&f, "x", "{}");
	fx_expect(&f, "fired r\nsuppressed r by breaker\n");
	ended(&f, f.runs, REJECTED);	/* open again, for as long */
	fx_advance(&f, HOUR - 1);
	fx_event(&f, "x", "{}");
	fx_expect(&f, "suppressed r by breaker\n");
	fx_advance(&f, 1);
	fire_and_end(&f, COMPLETED);
	for (int i = 0; i < 2; i++)	/* closed, and counts from nought */
		fire_and_end(&f, FAILED);
	fx_event(&f, "x", "{}");
	fx_expect(&f, "fired r\n");
	expect_numbers(&f, "\"verdict\":\"passed\",\"numbers\":\"2/3");
	fx_free(&f);
}

static void an_owed_firing_is_the_probe_when_the_wait_is_over(void **state)
{
	struct fx f = fx_new(SIGNAL_RULE);

	(void)state;
	fx_event(&f, "x", "{}");
	fx_expect(&f, "fired r\n");
	fx_advance(&f, MINUTE);
	ended(&f, 1, FAILED);		/* the episode owes one more */
	fx_advance(&f, HOUR - 1);
	fx_expect(&f, "suppressed r by breaker\n");
	fx_restart(&f);
	fx_advance(&f, 1);
	fx_expect(&f, "fired r\n");
	fx_advance(&f, DAY);
	fx_expect(&f, "");
	ended(&f, 2, COMPLETED);
	fx_advance(&f, DAY);
	fx_expect(&f, "");
	fx_free(&f);
}

/* While the probe runs the breaker's end is unknown: the probe's end asks again. */
static void what_waits_for_a_probe_goes_after_it(void **state)
{
	struct fx f = fx_new(SIGNAL_RULE);
	struct input in = { .kind = INPUT_COMMAND };
	struct err err = { 0 };

	(void)state;
	fx_event(&f, "x", "{}");
	ended(&f, 1, FAILED);
	fx_advance(&f, MINUTE);
	fx_expect(&f, "fired r\nsuppressed r by cooldown\nsuppressed r by breaker\n");
	f.tick += HOUR;			/* the probe is somebody's, before the deadline */
	fx_begin(&f, &in);
	assert_true(decide_trigger(f.d, STR("r"), STR(""), (struct value){ 0 }, false,
	    STR("ann"), &err));
	fx_end(&f);
	fx_expect(&f, "fired r\n");
	fx_advance(&f, HOUR);
	fx_expect(&f, "");
	fx_free(&f);
}

static void a_run_that_is_no_probe_opens_nothing_for_longer(void **state)
{
	struct fx f = fx_new(EVENT_RULE);

	(void)state;
	fx_event(&f, "x", "{}");
	fx_expect(&f, "fired r\n");	/* run 1 goes on */
	opened(&f);
	fx_advance(&f, 30 * MINUTE);
	ended(&f, 1, FAILED);
	fx_advance(&f, 30 * MINUTE);
	fx_event(&f, "x", "{}");
	fx_expect(&f, "fired r\n");
	fx_free(&f);
}

static void a_rule_without_one_counts_nothing(void **state)
{
	struct fx f = fx_new("rules: [{name: r, on: x, run: train}]\n");

	(void)state;
	opened(&f);
	fx_use(&f, EVENT_RULE);
	fx_event(&f, "x", "{}");
	fx_expect(&f, "fired r\n");
	expect_numbers(&f, "\"verdict\":\"passed\",\"numbers\":\"0/3");
	fx_free(&f);
}

/* The rule was out of the set when its probe ended: the next firing is the probe. */
static void a_probe_that_ends_without_its_rule_is_over(void **state)
{
	struct fx f = fx_new(EVENT_RULE);
	struct run_end e = { .pipeline = STR("train"), .key = STR(""), .failed = true,
		.rule_id = decide_rule_id(f.d, ruleset_rule(f.rules, STR("r"))) };

	(void)state;
	opened(&f);
	fx_advance(&f, HOUR);
	fx_event(&f, "x", "{}");
	fx_expect(&f, "fired r\n");
	fx_use(&f, "rules: []\n");
	e.run = f.runs;
	decide_run_ended(f.d, &e, f.tick);
	fx_use(&f, EVENT_RULE);
	fx_event(&f, "x", "{}");
	fx_expect(&f, "fired r\n");
	fx_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_opens_after_n_bad_runs_in_a_row),
		cmocka_unit_test(the_half_open_breaker_lets_one_probe_through),
		cmocka_unit_test(an_owed_firing_is_the_probe_when_the_wait_is_over),
		cmocka_unit_test(what_waits_for_a_probe_goes_after_it),
		cmocka_unit_test(a_run_that_is_no_probe_opens_nothing_for_longer),
		cmocka_unit_test(a_probe_that_ends_without_its_rule_is_over),
		cmocka_unit_test(a_rule_without_one_counts_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
