/* Watermarks, idle partitions, the rule's clock, what waits for a source; and the
 * order of deadlines. */
#include "fixture.h"

#include "decide/heap.h"

/* The clock shows where `for` ends: with tumbling windows, where a window closes. */
#define HELD "rules:\n" \
	"  - name: r\n" \
	"    on: {type: m, key: data.k, lateness: 10s}\n" \
	"    signals: {s: {value: data.v, last: 1}}\n" \
	"    when: s.last > 0\n" \
	"    for: 1m\n" \
	"    run: train\n"

static void at(struct fx *f, const char *part, int64_t offset, const char *key, int v)
{
	g_autofree char *data = g_strdup_printf("{\"k\":\"%s\",\"v\":%d}", key, v);

	fx_event_at(f, part, START + offset, "m", "s", data);
}

static void the_watermark_is_behind_by_the_lateness(void **state)
{
	struct fx f = fx_new(HELD);

	(void)state;
	at(&f, "p", 0, "a", 1);		/* pending since -10 s */
	at(&f, "p", 59 * SECOND, "b", 0);
	fx_expect(&f, "");
	at(&f, "p", MINUTE, "b", 0);
	fx_expect(&f, "fired r/a\n");
	fx_free(&f);
}

static void the_slowest_partition_holds_the_clock(void **state)
{
	struct fx f = fx_new(HELD);

	(void)state;
	at(&f, "slow", 0, "a", 1);
	at(&f, "fast", 10 * MINUTE, "b", 0);
	fx_expect(&f, "");
	at(&f, "slow", MINUTE, "b", 0);
	fx_expect(&f, "fired r/a\n");
	fx_free(&f);
}

static void an_idle_partition_leaves_the_minimum(void **state)
{
	struct fx f = fx_new(HELD);

	(void)state;
	fx_source(&f, SOURCE_CAUGHT_UP);
	at(&f, "dead", 0, "a", 1);
	for (int i = 1; i < 12; i++) {
		f.tick += 5 * SECOND;	/* nobody looks for deadlines: events alone */
		at(&f, "live", i * 5 * SECOND + 30 * SECOND, "b", 0);
	}
	fx_expect(&f, "");		/* 55 s: not idle yet */
	f.tick += 5 * SECOND;
	at(&f, "live", 95 * SECOND, "b", 0);
	fx_expect(&f, "fired r/a\n");
	fx_free(&f);
}

static void a_source_may_say_that_a_partition_is_idle(void **state)
{
	struct fx f = fx_new(HELD);

	(void)state;
	fx_source(&f, SOURCE_CAUGHT_UP);
	at(&f, "dead", 0, "a", 1);
	at(&f, "live", 2 * MINUTE, "b", 0);
	fx_expect(&f, "");
	fx_input(&f, (struct input){ .kind = INPUT_SOURCE,
	    .source = { 1, STR("dead"), SOURCE_PART_IDLE } });
	fx_advance(&f, 0);
	fx_expect(&f, "fired r/a\n");
	fx_free(&f);
}

static void nothing_is_idle_while_its_source_is_down(void **state)
{
	struct fx f = fx_new(HELD);

	(void)state;
	fx_source(&f, SOURCE_CAUGHT_UP);
	at(&f, "p", 0, "a", 1);
	fx_advance(&f, 30 * SECOND);
	fx_source(&f, SOURCE_DOWN);
	fx_advance(&f, HOUR);
	fx_expect(&f, "");
	fx_source(&f, SOURCE_UP);
	fx_source(&f, SOURCE_CAUGHT_UP);
	fx_advance(&f, MINUTE - 1);	/* a minute of silence, counted from here */
	fx_expect(&f, "");
	fx_advance(&f, 1);
	fx_expect(&f, "fired r/a\n");
	fx_free(&f);
}

static void a_start_puts_every_source_down(void **state)
{
	struct fx f = fx_new(HELD);

	(void)state;
	fx_source(&f, SOURCE_CAUGHT_UP);
	at(&f, "p", 0, "a", 1);
	fx_restart(&f);
	fx_start(&f);
	fx_advance(&f, HOUR);
	fx_expect(&f, "");
	fx_free(&f);
}

/* A cooldown that ended during an outage waits for what the source still holds. */
static void tick_deadlines_wait_for_a_source_to_catch_up(void **state)
{
	const char *yaml = "rules:\n"
	    "  - name: r\n"
	    "    on: {source: plant, type: m}\n"
	    "    signals: {s: {value: data.v, last: 1}}\n"
	    "    when: s.last > 0\n"
	    "    cooldown: 5m\n"
	    "    run: train\n";
	struct fx f = fx_new(yaml);

	(void)state;
	fx_source(&f, SOURCE_CAUGHT_UP);
	at(&f, "p", 0, "a", 1);
	at(&f, "p", 0, "a", 0);
	at(&f, "p", 0, "a", 1);
	fx_expect(&f, "fired r\nsuppressed r by cooldown\n");
	f.tick += 10 * MINUTE;
	fx_restart(&f);
	fx_start(&f);
	fx_source(&f, SOURCE_UP);
	fx_advance(&f, 59 * SECOND);
	fx_expect(&f, "");
	at(&f, "p", 0, "a", 0);		/* it lay in the topic: the episode is over */
	fx_source(&f, SOURCE_CAUGHT_UP);
	fx_advance(&f, HOUR);
	fx_expect(&f, "");
	fx_free(&f);

	f = fx_new(yaml);
	fx_source(&f, SOURCE_CAUGHT_UP);
	at(&f, "p", 0, "a", 1);
	at(&f, "p", 0, "a", 0);
	at(&f, "p", 0, "a", 1);
	g_string_truncate(f.log, 0);
	f.tick += 10 * MINUTE;
	fx_start(&f);
	fx_advance(&f, MINUTE);		/* but not for ever */
	fx_expect(&f, "fired r\n");
	fx_free(&f);
}

static void a_tumbling_window_closes_with_the_watermark(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: r\n"
	    "    on: m\n"
	    "    signals: {s: {value: data.v, tumbling: 1m}}\n"
	    "    when: s.sum > 5\n"
	    "    run: train\n");

	(void)state;
	at(&f, "p", 10 * SECOND, "", 3);
	at(&f, "p", 50 * SECOND, "", 3);
	fx_expect(&f, "");
	at(&f, "p", 59 * SECOND, "", 0);
	fx_expect(&f, "");
	at(&f, "p", 60 * SECOND, "", 0);
	fx_expect(&f, "fired r\n");
	fx_free(&f);
}

/* ---- heap ---- */

static void the_heap_gives_time_then_id(void **state)
{
	struct due d[64] = { { 0 } };
	struct heap h = { 0 };
	struct due last = { .at = INT64_MIN };
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		d[i].id = i;
		heap_set(&h, &d[i], (int64_t)(i * 37 % 11));
	}
	for (unsigned i = 0; i < 64; i += 3)
		heap_set(&h, &d[i], (int64_t)(i * 17 % 5));
	for (unsigned i = 0; i < 64; i += 7)
		heap_set(&h, &d[i], INT64_MAX);
	for (struct due *t; (t = heap_top(&h)); n++) {
		assert_true(t->at > last.at || (t->at == last.at && t->id > last.id));
		last = *t;
		heap_set(&h, t, INT64_MAX);
	}
	assert_int_equal(n, 64 - 10);
	heap_fini(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_watermark_is_behind_by_the_lateness),
		cmocka_unit_test(the_slowest_partition_holds_the_clock),
		cmocka_unit_test(an_idle_partition_leaves_the_minimum),
		cmocka_unit_test(a_source_may_say_that_a_partition_is_idle),
		cmocka_unit_test(nothing_is_idle_while_its_source_is_down),
		cmocka_unit_test(a_start_puts_every_source_down),
		cmocka_unit_test(tick_deadlines_wait_for_a_source_to_catch_up),
		cmocka_unit_test(a_tumbling_window_closes_with_the_watermark),
		cmocka_unit_test(the_heap_gives_time_then_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
