/* Events that wait: coalesce, and on_suppressed: defer of event and schedule rules. */
#include "fixture.h"

#define BURST(more) "rules:\n" \
	"  - name: r\n" \
	"    on: {type: x, key: data.m}\n" \
	"    coalesce: {quiet: 10m, max_delay: 30m" more "}\n" \
	"    run: {pipeline: train, params: {model: \"${data.v}\"," \
	" n: \"${events.map(e, e.data.v)}\"}}\n"
#define DEFER(more) "rules:\n" \
	"  - name: r\n" \
	"    on: x\n" \
	"    cooldown: 1h\n" \
	"    on_suppressed: defer\n" more \
	"    run: {pipeline: train, params: {n: \"${events.map(e, e.data.v)}\"}}\n"

static bool active;

static bool is_active(const void *ctx, struct str pipeline, struct str key)
{
	(void)ctx;
	(void)key;
	return active && str_is(pipeline, STR("train"));
}

static void ended(struct fx *f, const char *key)
{
	struct run_end e = { .run = f->runs, .pipeline = STR("train"), .key = str_of(key),
		.completed = true };

	active = false;
	decide_run_ended(f->d, &e, f->tick);
	fx_advance(f, 0);
}

static void a_burst_is_one_emission_with_all_events(void **state)
{
	struct fx f = fx_new(BURST(""));

	(void)state;
	fx_event(&f, "x", "{\"m\":\"a\",\"v\":1}");
	fx_advance(&f, 9 * MINUTE);
	fx_event(&f, "x", "{\"m\":\"a\",\"v\":2}");
	fx_event(&f, "x", "{\"m\":\"b\",\"v\":3}");
	fx_advance(&f, 10 * MINUTE - 1);
	fx_expect(&f, "");
	fx_advance(&f, 1);
	fx_expect(&f, "fired r/a\nfired r/b\n");
	assert_string_equal(f.params, "{\"model\":3,\"n\":[3]}");
	fx_event(&f, "x", "{\"m\":\"a\",\"v\":4}");
	fx_advance(&f, 10 * MINUTE);
	fx_expect(&f, "fired r/a\n");
	assert_string_equal(f.params, "{\"model\":4,\"n\":[4]}");
	fx_free(&f);
}

static void max_delay_and_max_events_end_it(void **state)
{
	struct fx f = fx_new(BURST(", max_events: 3"));

	(void)state;
	fx_event(&f, "x", "{\"m\":\"a\",\"v\":1}");
	fx_event(&f, "x", "{\"m\":\"a\",\"v\":2}");
	fx_expect(&f, "");
	fx_event(&f, "x", "{\"m\":\"a\",\"v\":3}");
	fx_expect(&f, "fired r/a\n");
	assert_string_equal(f.params, "{\"model\":3,\"n\":[1,2,3]}");
	fx_free(&f);
	f = fx_new(BURST(""));
	for (int i = 0; i < 4; i++) {
		fx_event(&f, "x", "{\"m\":\"a\",\"v\":1}");
		fx_advance(&f, 9 * MINUTE);
		fx_expect(&f, i < 3 ? "" : "fired r/a\n");	/* at 30 minutes */
	}
	assert_string_equal(f.params, "{\"model\":1,\"n\":[1,1,1,1]}");
	fx_free(&f);
}

static void a_batch_survives_a_restart(void **state)
{
	struct fx f = fx_new(BURST(""));

	(void)state;
	fx_event(&f, "x", "{\"m\":\"a\",\"v\":1}");
	fx_event(&f, "x", "{\"m\":\"a\",\"v\":2}");
	fx_restart(&f);
	fx_advance(&f, MINUTE);
	fx_event(&f, "x", "{\"m\":\"a\",\"v\":3}");
	fx_restart(&f);
	fx_advance(&f, 10 * MINUTE - 1);
	fx_expect(&f, "");
	fx_advance(&f, MINUTE);		/* its source is down since: within a minute */
	fx_expect(&f, "fired r/a\n");
	assert_string_equal(f.params, "{\"model\":3,\"n\":[1,2,3]}");
	fx_advance(&f, HOUR);
	fx_expect(&f, "");
	fx_free(&f);
}

static void a_flush_waits_for_the_active_run(void **state)
{
	struct fx f = fx_new(BURST(""));

	(void)state;
	decide_active(f.d, is_active, NULL);
	active = true;
	fx_event(&f, "x", "{\"m\":\"a\",\"v\":1}");
	fx_advance(&f, 2 * HOUR);
	fx_event(&f, "x", "{\"m\":\"a\",\"v\":2}");
	fx_advance(&f, 2 * HOUR);
	fx_expect(&f, "");
	fx_restart(&f);
	decide_active(f.d, is_active, NULL);
	ended(&f, "b");
	active = true;
	fx_expect(&f, "");
	ended(&f, "a");
	fx_advance(&f, MINUTE);
	fx_expect(&f, "fired r/a\n");
	assert_string_equal(f.params, "{\"model\":2,\"n\":[1,2]}");
	fx_free(&f);
}

static void ten_closed_batches_wait_and_no_more(void **state)
{
	struct fx f = fx_new(BURST(", max_events: 2"));

	(void)state;
	decide_active(f.d, is_active, NULL);
	active = true;
	for (int i = 0; i < 20; i++)
		fx_event(&f, "x", "{\"m\":\"a\",\"v\":1}");
	fx_expect(&f, "");
	fx_event(&f, "x", "{\"m\":\"a\",\"v\":1}");
	fx_expect(&f, "suppressed r/a by coalesce_full\n");
	ended(&f, "a");
	fx_expect(&f, "fired r/a\nfired r/a\nfired r/a\nfired r/a\nfired r/a\n"
	    "fired r/a\nfired r/a\nfired r/a\nfired r/a\nfired r/a\n");
	fx_free(&f);
}

static void dedupe_keys_of_every_event_are_stored(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: r\n"
	    "    on: x\n"
	    "    dedupe: {key: data.v, for: 1d}\n"
	    "    coalesce: {quiet: 1m}\n"
	    "    run: {pipeline: train, params: {n: \"${events.size()}\"}}\n");

	(void)state;
	fx_event(&f, "x", "{\"v\":1}");
	fx_event(&f, "x", "{\"v\":1}");		/* not looked for in the open batch */
	fx_event(&f, "x", "{\"v\":2}");
	fx_expect(&f, "");
	fx_advance(&f, MINUTE);
	fx_expect(&f, "fired r\n");
	assert_string_equal(f.params, "{\"n\":3}");
	fx_event(&f, "x", "{\"v\":1}");
	fx_event(&f, "x", "{\"v\":2}");
	fx_expect(&f, "suppressed r by dedupe\nsuppressed r by dedupe\n");
	fx_free(&f);
}

static void a_removed_rule_says_what_waited(void **state)
{
	struct fx f = fx_new(BURST(""));

	(void)state;
	fx_event(&f, "x", "{\"m\":\"a\",\"v\":1}");
	fx_event(&f, "x", "{\"m\":\"a\",\"v\":2}");
	fx_use(&f, "rules: []\n");
	fx_expect(&f, "suppressed r/a by expired x2\n");
	fx_use(&f, BURST(""));
	fx_advance(&f, HOUR);
	fx_expect(&f, "");
	fx_free(&f);
}

static void a_flush_is_dropped_or_deferred(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - {name: r, on: x, cooldown: 1h, coalesce: {quiet: 1m}, run: train}\n"
	    "  - {name: d, on: x, cooldown: 1h, coalesce: {quiet: 1m},"
	    " on_suppressed: defer, run: train}\n");

	(void)state;
	fx_event(&f, "x", "{}");
	fx_advance(&f, MINUTE);
	fx_expect(&f, "fired r\nfired d\n");
	fx_event(&f, "x", "{}");
	fx_advance(&f, MINUTE);
	fx_expect(&f, "suppressed r by cooldown\nsuppressed d by cooldown\n");
	fx_advance(&f, 59 * MINUTE - 1);
	fx_expect(&f, "");
	fx_advance(&f, 1);
	fx_expect(&f, "fired d\n");
	fx_advance(&f, DAY);
	fx_expect(&f, "");
	fx_free(&f);
}

static void deferred_events_go_once_when_nothing_stops_them(void **state)
{
	struct fx f = fx_new(DEFER(""));

	(void)state;
	fx_event(&f, "x", "{\"v\":1}");
	fx_expect(&f, "fired r\n");
	fx_event(&f, "x", "{\"v\":2}");
	fx_event(&f, "x", "{\"v\":3}");
	fx_expect(&f, "suppressed r by cooldown\n");	/* once */
	fx_restart(&f);
	fx_advance(&f, HOUR - 1);
	fx_expect(&f, "");
	fx_advance(&f, 1);
	fx_expect(&f, "fired r\n");
	assert_string_equal(f.params, "{\"n\":[2,3]}");
	fx_advance(&f, DAY);
	fx_expect(&f, "");
	fx_free(&f);
}

static void what_a_full_pipeline_stopped_waits_for_a_slot(void **state)
{
	struct fx f = fx_new(DEFER(""));

	(void)state;
	f.refuse = SUPP_CONCURRENCY;
	fx_event(&f, "x", "{\"v\":1}");
	fx_event(&f, "x", "{\"v\":2}");
	fx_expect(&f, "suppressed r by concurrency\n");
	fx_advance(&f, DAY);
	fx_expect(&f, "");
	f.refuse = SUPP_NONE;
	decide_slot_free(f.d, STR("train"));
	fx_advance(&f, 0);
	fx_expect(&f, "fired r\n");
	assert_string_equal(f.params, "{\"n\":[1,2]}");
	fx_free(&f);
}

static void a_calendar_defers_an_event(void **state)
{
	struct fx f = fx_new("calendars:\n"
	    "  - {name: day, times: [\"08:00-18:00\"]}\n"
	    "rules:\n"
	    "  - {name: r, on: x, calendar: {only: day}, on_suppressed: defer,"
	    " run: train}\n"
	    "  - {name: c, on: x, calendar: {only: day}, coalesce: {quiet: 1m},"
	    " run: train}\n");

	(void)state;
	fx_event(&f, "x", "{}");
	fx_expect(&f, "suppressed r by calendar\nsuppressed c by calendar\n");
	fx_advance(&f, 8 * HOUR);
	fx_expect(&f, "fired r\n");
	fx_advance(&f, DAY);
	fx_expect(&f, "");
	fx_free(&f);
}

static void a_due_time_is_deferred(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - {name: r, schedule: {every: 1h}, cooldown: 90m, on_suppressed: defer,"
	    " run: train}\n");

	(void)state;
	fx_advance(&f, HOUR);
	fx_expect(&f, "fired r\n");
	fx_advance(&f, HOUR);
	fx_expect(&f, "suppressed r by cooldown\n");
	fx_advance(&f, 30 * MINUTE);
	fx_expect(&f, "fired r\n");
	assert_string_equal(f.dues->str, "3600 waiting\n3600 fired\n7200 waiting\n"
	    "7200 fired\n");
	fx_free(&f);
}

/* The hold ends before the batch, which grew meanwhile, is due. */
static void a_batch_that_grew_while_held_is_released(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - {name: r, on: x, cooldown: 1h, coalesce: {quiet: 10m},"
	    " on_suppressed: defer, run: train}\n");

	(void)state;
	fx_event(&f, "x", "{}");
	fx_advance(&f, 10 * MINUTE);
	fx_expect(&f, "fired r\n");
	fx_event(&f, "x", "{}");
	fx_advance(&f, 55 * MINUTE);
	fx_expect(&f, "suppressed r by cooldown\n");
	fx_event(&f, "x", "{}");	/* due at 75m, the cooldown ends at 70m */
	fx_advance(&f, 10 * MINUTE - 1);
	fx_expect(&f, "");
	fx_restart(&f);
	fx_advance(&f, MINUTE);
	fx_expect(&f, "fired r\n");
	fx_free(&f);
}

/* ... also when it waits for a run that ends before. */
static void a_batch_that_grew_during_a_run_is_released(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - {name: r, on: x, coalesce: {quiet: 10m}, run: train}\n");

	(void)state;
	decide_active(f.d, is_active, NULL);
	active = true;
	fx_event(&f, "x", "{}");
	fx_advance(&f, 15 * MINUTE);
	fx_event(&f, "x", "{}");	/* due at 25m */
	fx_advance(&f, MINUTE);
	ended(&f, "");
	fx_advance(&f, 9 * MINUTE - 1);
	fx_expect(&f, "");
	fx_advance(&f, 1);
	fx_expect(&f, "fired r\n");
	fx_free(&f);
}

/* A person's trigger is not the answer to what waits. */
static void a_trigger_leaves_what_holds_a_batch(void **state)
{
	struct input in = { .kind = INPUT_COMMAND };
	struct fx f = fx_new("calendars:\n  - {name: night, times: [\"00:00-06:00\"]}\n"
	    "rules:\n"
	    "  - {name: c, on: x, calendar: {not: night}, on_suppressed: defer,"
	    " run: train}\n");

	(void)state;
	fx_event(&f, "x", "{}");
	fx_expect(&f, "suppressed c by calendar\n");
	fx_begin(&f, &in);
	assert_true(decide_trigger(f.d, STR("c"), STR(""), (struct value){ 0 }, true,
	    STR("me"), NULL));
	fx_end(&f);
	fx_expect(&f, "fired c\n");
	fx_advance(&f, 6 * HOUR);
	fx_expect(&f, "fired c\n");
	fx_free(&f);
}

/* The limit may have been raised. */
static void another_rule_set_asks_again_what_a_budget_stopped(void **state)
{
	static const char yaml[] = "rules:\n"
	    "  - {name: r, on: x, on_suppressed: defer, run: train}\n";
	struct fx f = fx_new(yaml);

	(void)state;
	f.refuse = SUPP_BUDGET;
	fx_event(&f, "x", "{}");
	fx_expect(&f, "suppressed r by budget\n");
	fx_use(&f, yaml);
	fx_advance(&f, MINUTE);
	fx_expect(&f, "");		/* as before: no news */
	f.refuse = SUPP_NONE;
	fx_advance(&f, DAY);
	fx_expect(&f, "");
	fx_use(&f, yaml);
	fx_advance(&f, 0);
	fx_expect(&f, "fired r\n");
	fx_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_is_one_emission_with_all_events),
		cmocka_unit_test(max_delay_and_max_events_end_it),
		cmocka_unit_test(a_batch_survives_a_restart),
		cmocka_unit_test(a_flush_waits_for_the_active_run),
		cmocka_unit_test(ten_closed_batches_wait_and_no_more),
		cmocka_unit_test(dedupe_keys_of_every_event_are_stored),
		cmocka_unit_test(a_removed_rule_says_what_waited),
		cmocka_unit_test(a_flush_is_dropped_or_deferred),
		cmocka_unit_test(deferred_events_go_once_when_nothing_stops_them),
		cmocka_unit_test(what_a_full_pipeline_stopped_waits_for_a_slot),
		cmocka_unit_test(a_calendar_defers_an_event),
		cmocka_unit_test(a_batch_that_grew_while_held_is_released),
		cmocka_unit_test(a_batch_that_grew_during_a_run_is_released),
		cmocka_unit_test(a_trigger_leaves_what_holds_a_batch),
		cmocka_unit_test(another_rule_set_asks_again_what_a_budget_stopped),
		cmocka_unit_test(a_due_time_is_deferred),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
