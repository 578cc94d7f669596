/* Several events: selectors by name, lists of keys, key: all, sequence and at_least. */
#include "fixture.h"

#define SEQ "rules:\n" \
	"  - name: pair\n" \
	"    on: {a: {type: a, key: data.k}, b: {type: b, key: data.k}}\n" \
	"    sequence: [a, b]\n" \
	"    within: 1h\n" \
	"    run: {pipeline: train, params: {model: \"${a.data.v + b.data.v}\"," \
	" n: \"${events.map(e, e.data.v)}\"}}\n"

static void at(struct fx *f, int64_t t, const char *type, const char *data)
{
	fx_event_at(f, "t/0", START + t, type, "s", data);
}

static void any_selector_fires_and_is_read_by_name(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: r\n"
	    "    on: {new: {type: x}, bad: {type: y}}\n"
	    "    when: event.type == \"y\" || new.data.n > 1\n"
	    "    run: {pipeline: train, params: {model: \"${event.type}\"}}\n");

	(void)state;
	fx_event(&f, "x", "{\"n\":1}");
	fx_expect(&f, "");
	fx_event(&f, "x", "{\"n\":2}");
	fx_expect(&f, "fired r\n");
	fx_event(&f, "y", "{}");
	fx_expect(&f, "fired r\n");
	assert_string_equal(f.params, "{\"model\":\"y\"}");
	fx_free(&f);
}

static void a_list_of_keys_is_one_delivery_each(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - {name: r, on: {type: x, key: data.m}, run: {pipeline: train,"
	    " params: {model: \"${key}\"}}}\n");

	(void)state;
	fx_event(&f, "x", "{\"m\":[\"b\",\"a\",\"b\",7]}");
	fx_expect(&f, "fired r/b\nfired r/a\nfired r/7\n");
	assert_string_equal(f.params, "{\"model\":\"7\"}");
	fx_event(&f, "x", "{\"m\":[]}");
	fx_expect(&f, "");
	fx_event(&f, "x", "{\"m\":[\"a\",{}]}");	/* no key: the event is invalid */
	fx_expect(&f, "");
	assert_int_equal(fx_count(&f, "r").fate[FATE_INVALID], 1);
	assert_int_equal(fx_count(&f, "r").fate[FATE_EVALUATED], 3);
	fx_free(&f);
}

static void key_all_feeds_every_live_key(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: r\n"
	    "    on: {score: {type: score, key: data.m}, ice: {type: ice, key: all}}\n"
	    "    signals: {s: {from: score, value: data.v, last: 1},"
	    " i: {from: ice, value: data.on, last: 1}}\n"
	    "    when: s.last > 1 && i.last < 1\n"
	    "    run: train\n");

	(void)state;
	fx_event(&f, "ice", "{\"on\":0}");		/* nobody is there */
	fx_event(&f, "score", "{\"m\":\"b\",\"v\":2}");
	fx_event(&f, "score", "{\"m\":\"a\",\"v\":2}");
	fx_event(&f, "score", "{\"m\":\"c\",\"v\":0}");
	fx_expect(&f, "");				/* ice has no sample yet */
	fx_event(&f, "ice", "{\"on\":0}");
	fx_expect(&f, "fired r/b\nfired r/a\n");
	fx_free(&f);
}

static void signals_of_several_selectors_and_of_silence(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: both\n"
	    "    on: {a: {type: a}, b: {type: b}}\n"
	    "    signals: {x: {from: a, over: 1h}, y: {from: b, over: 1h}}\n"
	    "    when: x.count >= 2 && y.count >= 1\n"
	    "    run: train\n");

	(void)state;
	fx_event(&f, "a", "{}");
	fx_event(&f, "a", "{}");
	fx_expect(&f, "");
	fx_event(&f, "b", "{}");
	fx_expect(&f, "fired both\n");
	fx_free(&f);
}

static void a_sequence_is_completed_in_time_only(void **state)
{
	struct fx f = fx_new(SEQ);

	(void)state;
	at(&f, 0, "b", "{\"k\":\"m\",\"v\":1}");		/* nothing waits */
	at(&f, MINUTE, "a", "{\"k\":\"m\",\"v\":2}");
	at(&f, MINUTE, "a", "{\"k\":\"other\",\"v\":9}");
	at(&f, 2 * MINUTE, "a", "{\"k\":\"m\",\"v\":3}");	/* replaces */
	at(&f, 90 * SECOND, "b", "{\"k\":\"m\",\"v\":4}");	/* before it */
	fx_expect(&f, "");
	at(&f, 62 * MINUTE, "b", "{\"k\":\"m\",\"v\":5}");	/* exactly within */
	fx_expect(&f, "fired pair/m\n");	/* the clock is at the last `a` */
	assert_string_equal(f.params, "{\"model\":8,\"n\":[3,5]}");
	at(&f, 62 * MINUTE, "b", "{\"k\":\"m\",\"v\":5}");	/* consumed */
	fx_expect(&f, "");
	fx_free(&f);
}

static void half_a_sequence_expires_by_the_rules_clock(void **state)
{
	struct fx f = fx_new(SEQ);

	(void)state;
	at(&f, 0, "a", "{\"k\":\"m\",\"v\":1}");
	at(&f, HOUR, "a", "{\"k\":\"n\",\"v\":1}");
	fx_expect(&f, "");
	fx_restart(&f);
	g_string_truncate(f.why, 0);
	at(&f, HOUR + 1, "a", "{\"k\":\"n\",\"v\":1}");
	fx_expect(&f, "suppressed pair/m by expired\n");
	assert_string_equal(f.why->str, "have a; missing b: within 1h is over\n");
	assert_string_equal(f.trace,
	    "{\"expired\":{\"have\":[\"a\"],\"missing\":[\"b\"]}}");
	fx_free(&f);
}

static void a_sequence_survives_a_restart(void **state)
{
	struct fx f = fx_new(SEQ);

	(void)state;
	at(&f, 0, "a", "{\"k\":\"m\",\"v\":1}");
	fx_restart(&f);
	at(&f, MINUTE, "b", "{\"k\":\"m\",\"v\":2}");
	fx_expect(&f, "fired pair/m\n");
	assert_string_equal(f.params, "{\"model\":3,\"n\":[1,2]}");
	fx_free(&f);
}

static void an_event_is_not_before_itself(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - {name: r, on: {a: {type: x}, b: {type: \"x*\"}}, sequence: [a, b],"
	    " within: 1h, run: train}\n");

	(void)state;
	fx_event(&f, "x", "{}");
	fx_expect(&f, "");
	fx_event(&f, "x", "{}");
	fx_expect(&f, "fired r\n");
	fx_free(&f);
}

static void some_of_several_in_any_order(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: r\n"
	    "    on: {a: {type: a}, b: {type: b}, c: {type: c}}\n"
	    "    at_least: {n: 2, of: [a, b, c], within: 10m}\n"
	    "    run: {pipeline: train, params: {n: \"${events.map(e, e.type)}\"}}\n");

	(void)state;
	at(&f, 0, "c", "{}");
	at(&f, 11 * MINUTE, "a", "{}");		/* too far apart */
	fx_expect(&f, "");
	at(&f, 12 * MINUTE, "a", "{}");
	at(&f, 3 * MINUTE, "b", "{}");		/* out of order, 9 minutes before */
	fx_expect(&f, "fired r\n");
	assert_string_equal(f.params, "{\"n\":[\"a\",\"b\"]}");
	at(&f, 13 * MINUTE, "c", "{}");		/* the others were consumed */
	fx_expect(&f, "");
	fx_free(&f);
}

/* Rules with one definition of `key: all` have other keys. */
static void key_all_keeps_the_event_for_each_rule_s_keys(void **state)
{
	struct input in = { .kind = INPUT_COMMAND };
	struct fx f = fx_new("rules:\n"
	    "  - {name: a, on: {ice: {type: ice, key: all}, x: {type: x, key: data.m}},"
	    " when: event.type != 'ice', run: train}\n"
	    "  - {name: b, on: {ice: {type: ice, key: all}, y: {type: y, key: data.m}},"
	    " when: event.type != 'ice', run: {pipeline: train,"
	    " params: {n: \"${size(events)}\"}}}\n");

	(void)state;
	fx_event(&f, "x", "{\"m\":\"p\",\"v\":1}");
	fx_event(&f, "y", "{\"m\":\"q\",\"v\":1}");
	fx_event(&f, "ice", "{\"v\":7}");
	fx_expect(&f, "fired a/p\nfired b/q\n");
	fx_begin(&f, &in);
	assert_true(decide_trigger(f.d, STR("b"), STR("q"), (struct value){ 0 }, true,
	    STR("me"), NULL));
	fx_end(&f);
	fx_expect(&f, "fired b/q\n");
	assert_string_equal(f.params, "{\"n\":1}");
	fx_free(&f);
}

static void an_edited_join_drops_what_waits(void **state)
{
	struct fx f = fx_new(SEQ);

	(void)state;
	at(&f, 0, "a", "{\"k\":\"m\",\"v\":1}");
	fx_use(&f, "rules:\n"
	    "  - {name: pair, on: {a: {type: a, key: data.k}, b: {type: b, key: data.k}},"
	    " sequence: [b, a], within: 1h, run: train}\n");
	fx_expect(&f, "suppressed pair/m by expired\n");
	fx_use(&f, SEQ);
	at(&f, 1, "a", "{\"k\":\"m\",\"v\":1}");
	fx_use(&f, "rules:\n"		/* what waits goes by number */
	    "  - {name: pair, on: {b: {type: b, key: data.k}, a: {type: a, key: data.k}},"
	    " sequence: [a, b], within: 1h, run: train}\n");
	fx_expect(&f, "suppressed pair/m by expired\n");
	fx_use(&f, "rules: []\n");
	fx_expect(&f, "");
	fx_free(&f);
}

#define STALE(policy) "rules:\n" \
	"  - name: r\n" \
	"    on: {type: x, key: data.m, stale_after: 10m}\n" \
	"    signals: {s: {value: data.v, last: 1}}\n" \
	"    when: s.last > 1\n" policy \
	"    run: train\n"

static void absence_counts_while_the_source_is_caught_up(void **state)
{
	struct fx f = fx_new(STALE("    on_nodata: \"true\"\n"));

	(void)state;
	fx_event(&f, "x", "{\"m\":\"a\",\"v\":0}");
	fx_advance(&f, HOUR);			/* nobody says it is caught up */
	fx_expect(&f, "");
	fx_source(&f, SOURCE_UP);
	fx_advance(&f, HOUR);
	fx_source(&f, SOURCE_CAUGHT_UP);
	fx_advance(&f, 9 * MINUTE);
	fx_event(&f, "x", "{\"m\":\"b\",\"v\":0}");	/* another key */
	fx_advance(&f, MINUTE - 1);
	fx_expect(&f, "");
	fx_restart(&f);
	fx_source(&f, SOURCE_DOWN);		/* not counted any more */
	fx_advance(&f, HOUR);
	fx_expect(&f, "");
	fx_source(&f, SOURCE_CAUGHT_UP);
	fx_advance(&f, 10 * MINUTE - 1);
	fx_expect(&f, "");
	fx_advance(&f, 1);
	fx_expect(&f, "fired r/a\nfired r/b\n");
	fx_event(&f, "x", "{\"m\":\"a\",\"v\":0}");	/* the episode ends */
	fx_advance(&f, 10 * MINUTE);
	fx_expect(&f, "fired r/a\n");
	fx_free(&f);
}

static void stale_keeps_or_ends_an_episode_by_policy(void **state)
{
	struct fx keep = fx_new(STALE(""));
	struct fx end = fx_new(STALE("    on_nodata: \"false\"\n"));
	struct fx *both[] = { &keep, &end };

	(void)state;
	for (int i = 0; i < 2; i++) {
		fx_source(both[i], SOURCE_CAUGHT_UP);
		fx_event(both[i], "x", "{\"m\":\"a\",\"v\":2}");
		fx_advance(both[i], 10 * MINUTE);
		fx_event(both[i], "x", "{\"m\":\"a\",\"v\":2}");
		fx_expect(both[i], i ? "fired r/a\nfired r/a\n" : "fired r/a\n");
		fx_free(both[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_selector_fires_and_is_read_by_name),
		cmocka_unit_test(a_list_of_keys_is_one_delivery_each),
		cmocka_unit_test(key_all_feeds_every_live_key),
		cmocka_unit_test(key_all_keeps_the_event_for_each_rule_s_keys),
		cmocka_unit_test(signals_of_several_selectors_and_of_silence),
		cmocka_unit_test(a_sequence_is_completed_in_time_only),
		cmocka_unit_test(half_a_sequence_expires_by_the_rules_clock),
		cmocka_unit_test(a_sequence_survives_a_restart),
		cmocka_unit_test(an_event_is_not_before_itself),
		cmocka_unit_test(some_of_several_in_any_order),
		cmocka_unit_test(an_edited_join_drops_what_waits),
		cmocka_unit_test(absence_counts_while_the_source_is_caught_up),
		cmocka_unit_test(stale_keeps_or_ends_an_episode_by_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
