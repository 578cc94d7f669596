/* Suppressors, observe and disabled modes, counting rows. */
#include "fixture.h"

#define ONCE(more) "rules:\n" \
	"  - name: r\n" \
	"    on: x\n" \
	"    when: data.n > 0\n" more \
	"    run: train\n"
#define SIGNAL "rules:\n" \
	"  - name: r\n" \
	"    on: x\n" \
	"    signals: {s: {over: 30d}}\n" \
	"    when: s.count >= 1\n" \
	"    calendar: {only: c}\n" \
	"    run: train\n"
#define DEDUPE "    dedupe: {key: data.v, for: 1h}\n"

static void dedupe_takes_each_value_once(void **state)
{
	struct fx f = fx_new(ONCE(DEDUPE));

	(void)state;
	fx_event(&f, "x", "{\"n\":1,\"v\":\"a\"}");
	fx_event(&f, "x", "{\"n\":1,\"v\":\"a\"}");
	fx_event(&f, "x", "{\"n\":1,\"v\":\"b\"}");
	fx_event(&f, "x", "{\"n\":0,\"v\":\"b\"}");
	fx_expect(&f, "fired r\nsuppressed r by dedupe\nfired r\n");
	fx_restart(&f);
	fx_advance(&f, HOUR - 1);
	fx_event(&f, "x", "{\"n\":1,\"v\":\"a\"}");
	fx_expect(&f, "suppressed r by dedupe\n");
	fx_advance(&f, 1); /* measured from the firing, not from the repeat */
	fx_event(&f, "x", "{\"n\":1,\"v\":\"a\"}");
	fx_expect(&f, "fired r\n");
	fx_free(&f);
}

static void a_value_stopped_by_flow_is_not_used_up(void **state)
{
	struct fx f = fx_new(ONCE(DEDUPE));

	(void)state;
	f.refuse = SUPP_CONCURRENCY;
	fx_event(&f, "x", "{\"n\":1,\"v\":\"a\"}");
	f.refuse = SUPP_NONE;
	fx_event(&f, "x", "{\"n\":1,\"v\":\"a\"}");
	fx_expect(&f, "suppressed r by concurrency\nfired r\n");
	fx_free(&f);
}

static void long_values_are_told_apart(void **state)
{
	struct fx f = fx_new(ONCE(DEDUPE));
	g_autofree char *a = g_strnfill(5000, 'a'), *j1 = NULL, *j2 = NULL;

	(void)state;
	j1 = g_strdup_printf("{\"n\":1,\"v\":\"%s1\"}", a);
	j2 = g_strdup_printf("{\"n\":1,\"v\":\"%s2\"}", a);
	fx_event(&f, "x", j1);
	fx_event(&f, "x", j2);
	fx_event(&f, "x", j1);
	fx_expect(&f, "fired r\nfired r\nsuppressed r by dedupe\n");
	fx_free(&f);
}

static void dedupe_comes_before_cooldown(void **state)
{
	struct fx f = fx_new(ONCE(DEDUPE "    cooldown: 1h\n"));

	(void)state;
	fx_event(&f, "x", "{\"n\":1,\"v\":1}");
	fx_event(&f, "x", "{\"n\":1,\"v\":1}");
	fx_event(&f, "x", "{\"n\":1,\"v\":2}");
	fx_expect(&f, "fired r\nsuppressed r by dedupe\nsuppressed r by cooldown\n");
	fx_advance(&f, HOUR);
	fx_event(&f, "x", "{\"n\":1,\"v\":2}");
	fx_expect(&f, "fired r\n");
	fx_free(&f);
}

static void a_failed_run_starts_a_backoff(void **state)
{
	struct fx f = fx_new(ONCE("    backoff: {initial: 5m, max: 1h}\n"));
	struct run_end e = { .run = 1, .pipeline = STR("train"), .key = STR(""),
		.rejected = true, .completed = true };

	(void)state;
	fx_event(&f, "x", "{\"n\":1}");
	e.rule_id = decide_rule_id(f.d, ruleset_rule(f.rules, STR("r")));
	decide_run_ended(f.d, &e, f.tick);
	fx_advance(&f, 5 * MINUTE - 1);
	fx_event(&f, "x", "{\"n\":1}");
	fx_advance(&f, 1);
	fx_event(&f, "x", "{\"n\":1}");
	fx_expect(&f, "fired r\nsuppressed r by backoff\nfired r\n");
	fx_free(&f);
}

static void a_deep_cascade_is_stopped(void **state)
{
	struct fx f = fx_new(ONCE(""));

	(void)state;
	fx_event(&f, "x", "{\"n\":1}\n,\"retraindepth\":8");
	fx_event(&f, "x", "{\"n\":1}\n,\"retraindepth\":9");
	fx_expect(&f, "fired r\nsuppressed r by depth\n");
	fx_free(&f);
}

static void observe_records_and_starts_nothing(void **state)
{
	struct fx f = fx_new(ONCE(DEDUPE "    cooldown: 1m\n    mode: observe\n"));

	(void)state;
	fx_event(&f, "x", "{\"n\":1,\"v\":1}");
	fx_event(&f, "x", "{\"n\":1,\"v\":2}");
	fx_expect(&f, "observed r\nsuppressed r by cooldown\n");
	assert_int_equal(f.runs, 0);
	fx_restart(&f);
	fx_use(&f, ONCE(DEDUPE "    cooldown: 1m\n"));
	fx_event(&f, "x", "{\"n\":1,\"v\":1}");	/* cooldown and value were forgotten */
	fx_expect(&f, "fired r\n");
	fx_free(&f);
}

static void a_disabled_rule_writes_one_row_per_minute(void **state)
{
	struct fx f = fx_new(ONCE("    mode: disabled\n"));

	(void)state;
	for (int i = 0; i < 7; i++)
		fx_event(&f, "x", "{\"n\":1}");
	fx_expect(&f, "");
	fx_advance(&f, MINUTE - 1);
	fx_expect(&f, "");
	fx_restart(&f);
	fx_advance(&f, 1);
	fx_expect(&f, "suppressed r by disabled x7\n");
	fx_advance(&f, HOUR);
	fx_expect(&f, "");
	fx_free(&f);
}

static void a_trigger_of_a_disabled_rule_is_answered(void **state)
{
	struct fx f = fx_new(ONCE("    mode: disabled\n"));
	struct input in = { .kind = INPUT_COMMAND };
	struct err err = { 0 };

	(void)state;
	for (int force = 0; force < 2; force++) {
		fx_begin(&f, &in);
		assert_true(decide_trigger(f.d, STR("r"), STR(""), (struct value){ 0 },
		    force, STR("ann"), &err));
		fx_end(&f);
	}
	fx_expect(&f, "suppressed r by disabled\nfired r\n");
	fx_free(&f);
}

static void a_paused_rule_is_as_a_disabled_one(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: r\n"
	    "    on: x\n"
	    "    signals: {s: {over: 1h}}\n"
	    "    when: s.count >= 2\n"
	    "    run: train\n");
	struct err err = { 0 };

	(void)state;
	fx_event(&f, "x", "{}");
	assert_true(decide_pause(f.d, STR("r"), true, &err));
	fx_event(&f, "x", "{}");
	fx_restart(&f);
	fx_event(&f, "x", "{}");
	assert_true(decide_pause(f.d, STR("r"), false, &err));
	fx_advance(&f, MINUTE);
	fx_expect(&f, "suppressed r by disabled x2\n");
	fx_event(&f, "x", "{}");	/* samples of the pause were not taken */
	fx_expect(&f, "fired r\n");
	assert_false(decide_pause(f.d, STR("nix"), true, &err));
	fx_free(&f);
}

static void past_a_hundred_rows_a_minute_they_are_counted(void **state)
{
	struct fx f = fx_new(ONCE("    cooldown: 1d\n"));
	unsigned rows = 0;

	(void)state;
	for (int i = 0; i < 151; i++)
		fx_event(&f, "x", "{\"n\":1}");
	for (const char *p = f.log->str; *p; p++)
		rows += *p == '\n';
	assert_int_equal(rows, 101);	/* the fired one and a hundred */
	g_string_truncate(f.log, 0);
	fx_advance(&f, MINUTE);
	fx_expect(&f, "suppressed r by cooldown x50\n");
	assert_int_equal(fx_count(&f, "r").suppressed, 150);
	fx_free(&f);
}

/* No decision id is lost to what was only counted. */
static void ids_of_rows_have_no_gaps(void **state)
{
	struct fx f = fx_new(ONCE("    cooldown: 1d\n"));
	GString *out = g_string_new(NULL);

	(void)state;
	f.refuse = SUPP_CONCURRENCY;
	for (int i = 0; i < 150; i++)
		fx_event(&f, "x", "{\"n\":1}");
	f.refuse = SUPP_NONE;
	fx_event(&f, "x", "{\"n\":1}");
	decide_rule_json(f.d, ruleset_rule(f.rules, STR("r")), out);
	assert_non_null(strstr(out->str, "\"last_decision\":101"));
	g_string_free(out, TRUE);
	fx_free(&f);
}

static void what_was_owed_expires_when_the_rule_goes(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: r\n"
	    "    on: x\n"
	    "    signals: {s: {over: 1h}}\n"
	    "    when: s.count >= 1\n"
	    "    run: train\n");

	(void)state;
	f.refuse = SUPP_CONCURRENCY;
	fx_event(&f, "x", "{}");
	fx_use(&f, "rules: []\n");
	fx_expect(&f, "suppressed r by concurrency\nsuppressed r by expired\n");
	fx_free(&f);
}

#define CALENDARS "calendars:\n" \
	"  - {name: night, times: '22:00-06:00'}\n" \
	"  - {name: freeze, dates: 2026-03-02}\n"

static void an_event_rule_fires_in_its_calendar_only(void **state)
{
	struct fx f = fx_new(CALENDARS
	    ONCE("    calendar: {only: night, not: freeze}\n"));

	(void)state;
	fx_advance(&f, 6 * HOUR - 1);
	fx_event(&f, "x", "{\"n\":1}");
	fx_advance(&f, 1);
	fx_event(&f, "x", "{\"n\":1}");
	fx_advance(&f, 16 * HOUR);
	fx_event(&f, "x", "{\"n\":1}");
	fx_advance(&f, 2 * HOUR);
	fx_event(&f, "x", "{\"n\":1}");
	fx_expect(&f, "fired r\nsuppressed r by calendar\nfired r\n"
	    "suppressed r by calendar\n");
	assert_non_null(strstr(f.why->str,
	    "calendar: outside night until 2026-03-01T22:00:00.000Z"));
	assert_non_null(strstr(f.why->str,
	    "calendar: inside freeze until 2026-03-03T00:00:00.000Z"));
	fx_free(&f);
}

/* By the wall clock, once, whatever restarts and however the clock goes. */
static void the_calendar_releases_what_is_owed(void **state)
{
	struct fx f = fx_new(CALENDARS "rules:\n"
	    "  - name: r\n"
	    "    on: {type: x, key: data.k}\n"
	    "    signals: {s: {over: 30d}}\n"
	    "    when: s.count >= 1\n"
	    "    calendar: {only: night, not: freeze}\n"
	    "    run: train\n");

	(void)state;
	fx_advance(&f, 12 * HOUR);
	fx_event(&f, "x", "{\"k\":\"a\"}");
	fx_event(&f, "x", "{\"k\":\"b\"}");
	fx_restart(&f);
	fx_event(&f, "x", "{\"k\":\"a\"}");
	fx_expect(&f, "suppressed r/a by calendar\nsuppressed r/b by calendar\n");
	fx_advance(&f, 10 * HOUR - 1);
	fx_expect(&f, "");
	f.wall_off -= HOUR;
	fx_advance(&f, HOUR);
	fx_expect(&f, "");
	fx_advance(&f, 1);
	fx_expect(&f, "fired r/a\nfired r/b\n");
	fx_event(&f, "x", "{\"k\":\"a\"}");
	fx_advance(&f, 5 * DAY);
	fx_expect(&f, "");
	fx_free(&f);
}

/* Another calendar under the same name: what is owed is asked again. */
static void an_edited_calendar_is_asked_at_once(void **state)
{
	struct fx f = fx_new("calendars: [{name: c, dates: 2026-04-01}]\n" SIGNAL);

	(void)state;
	fx_event(&f, "x", "{}");
	fx_expect(&f, "suppressed r by calendar\n");
	fx_use(&f, "calendars: [{name: c, dates: 2026-03-03}]\n" SIGNAL);
	fx_advance(&f, DAY);
	fx_expect(&f, "");
	fx_restart(&f);
	fx_advance(&f, DAY);
	fx_expect(&f, "fired r\n");
	fx_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dedupe_takes_each_value_once),
		cmocka_unit_test(a_value_stopped_by_flow_is_not_used_up),
		cmocka_unit_test(long_values_are_told_apart),
		cmocka_unit_test(dedupe_comes_before_cooldown),
		cmocka_unit_test(a_failed_run_starts_a_backoff),
		cmocka_unit_test(a_deep_cascade_is_stopped),
		cmocka_unit_test(observe_records_and_starts_nothing),
		cmocka_unit_test(a_disabled_rule_writes_one_row_per_minute),
		cmocka_unit_test(a_trigger_of_a_disabled_rule_is_answered),
		cmocka_unit_test(a_paused_rule_is_as_a_disabled_one),
		cmocka_unit_test(past_a_hundred_rows_a_minute_they_are_counted),
		cmocka_unit_test(ids_of_rows_have_no_gaps),
		cmocka_unit_test(what_was_owed_expires_when_the_rule_goes),
		cmocka_unit_test(an_event_rule_fires_in_its_calendar_only),
		cmocka_unit_test(the_calendar_releases_what_is_owed),
		cmocka_unit_test(an_edited_calendar_is_asked_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
