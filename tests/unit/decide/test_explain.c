/* Traces and sentences: what a decision saw, and explaining without changing. */
#include "fixture.h"

#define DRIFT "rules:\n" \
	"  - name: drift\n" \
	"    on: {type: m, key: data.model}\n" \
	"    signals: {psi: {value: data.v, over: 6h, min_count: 3}}\n" \
	"    when: psi.avg > 0.2 && psi.count >= 3\n" \
	"    for: 30m\n" \
	"    cooldown: 12h\n" \
	"    run: {pipeline: train, params: {model: \"${key}\"}}\n"

static void sample(struct fx *f, double v)
{
	g_autofree char *data = g_strdup_printf("{\"model\":\"fraud\",\"v\":%g}", v);

	fx_event(f, "m", data);
	fx_advance(f, 10 * MINUTE);
}

static void expect_in(const char *json, const char *part)
{
	if (!strstr(json, part))
		fail_msg("no %s in %s", part, json);
}

static char *explain(struct fx *f, const char *rule, const char *key)
{
	GString *out = g_string_new(NULL);
	struct arena *a = arena_new(0);
	struct err err = { 0 };

	if (!decide_explain(f->d, str_of(rule), str_of(key), START + f->tick, f->tick, a,
	    out, &err))
		fail_msg("%s", err.msg);
	arena_free(a);
	return g_string_free(out, FALSE);
}

static void a_fired_decision_says_why(void **state)
{
	struct fx f = fx_new(DRIFT);

	(void)state;
	for (int i = 0; i < 6; i++)
		sample(&f, 0.25);
	fx_expect(&f, "fired drift/fraud\n");
	assert_string_equal(f.why->str,
	    "psi.avg 0.25 > 0.2 and psi.count 6 >= 3 held for 30m.\n");
	expect_in(f.trace, "\"rule\":\"drift\",\"key\":\"fraud\"");
	expect_in(f.trace, "\"outcome\":\"fired\",\"decision\":1,\"run\":\"train-1\"");
	expect_in(f.trace, "{\"text\":\"psi.avg > 0.2\",\"depth\":1,\"value\":\"true\","
			   "\"skipped\":false,\"leaf\":true,\"left\":\"0.25\",\"detail\":"
			   "\"n 6, min 3, over "
			   "6h\"}");
	expect_in(f.trace, "\"state\":{\"state\":\"firing\",\"episode\":1");
	expect_in(f.trace, "\"pending_since\":\"2026-03-01T00:20:00.000Z\"");
	expect_in(f.trace,
		  "{\"name\":\"cooldown\",\"verdict\":\"passed\",\"numbers\":\"12h "
		  "(never)\"}");
	expect_in(f.trace, "\"event\":{\"id\":");
	fx_free(&f);
}

static void a_suppressed_one_says_what_stopped_it_and_until_when(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: r\n"
	    "    on: m\n"
	    "    signals: {x: {value: data.v, last: 1}}\n"
	    "    when: x.last > 10\n"
	    "    cooldown: 12h\n"
	    "    run: train\n");

	(void)state;
	fx_event(&f, "m", "{\"v\":11}");
	fx_event(&f, "m", "{\"v\":1}");
	fx_advance(&f, 20 * MINUTE);
	g_string_truncate(f.why, 0);
	fx_event(&f, "m", "{\"v\":11}");
	assert_string_equal(f.why->str,
			    "the condition is true; last fired 20m ago, cooldown "
			    "12h ends 2026-03-01T12:00:00.000Z; owed until then.\n");
	expect_in(f.trace,
		  "{\"name\":\"cooldown\",\"verdict\":\"blocked\",\"numbers\":\"12h, "
		  "11h40m left\"},{\"name\":\"backoff\",\"verdict\":\"not asked\"");
	fx_free(&f);
}

static void explaining_a_key_changes_nothing(void **state)
{
	struct fx f = fx_new(DRIFT);
	g_autofree char *first = NULL, *second = NULL, *third = NULL;

	(void)state;
	fx_event(&f, "m", "{\"model\":\"fraud\",\"v\":0.5}");
	first = explain(&f, "drift", "fraud");
	expect_in(first, "\"evaluated_again\":true");
	expect_in(first,
		  "\"why\":\"no data: psi.avg > 0.2: fewer samples than min_count");
	assert_int_equal(f.out.decisions_n, 0);
	fx_event(&f, "m", "{\"model\":\"fraud\",\"v\":0.5}");
	fx_event(&f, "m", "{\"model\":\"fraud\",\"v\":0.5}");
	cells_clean(f.cells);
	second = explain(&f, "drift", "fraud");
	third = explain(&f, "drift", "fraud");
	assert_string_equal(second, third);
	expect_in(second,
		  "the condition is true since 2026-03-01T00:00:00.000Z, which is "
		  "less than 30m.");
	assert_int_equal(cells_dirty_bytes(f.cells), 0);
	fx_free(&f);
}

static void a_false_condition_names_the_part_that_is_false(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - {name: r, on: m, when: data.rows > 100 && data.ok, run: train}\n");
	g_autofree char *json = NULL;

	(void)state;
	fx_event(&f, "m", "{\"rows\":7,\"ok\":true}");
	fx_expect(&f, "");
	json = explain(&f, "r", "");
	expect_in(json, "\"why\":\"data.rows 7 > 100 is not true.\"");
	expect_in(json, "\"outcome\":\"not fired\"");
	expect_in(json,
		  "\"text\":\"data.ok\",\"depth\":1,\"value\":null,\"skipped\":true");
	fx_free(&f);
}

static void what_is_not_known_is_said(void **state)
{
	struct fx f = fx_new(DRIFT);
	struct arena *a = arena_new(0);
	GString *out = g_string_new(NULL);
	struct err err = { 0 };

	(void)state;
	assert_false(decide_explain(f.d, STR("nix"), STR(""), START, 0, a, out, &err));
	assert_string_equal(err.msg, "no rule 'nix'");
	assert_false(decide_explain(f.d, STR("drift"), STR("x"), START, 0, a, out, &err));
	assert_int_equal(err.code, ERR_NOT_FOUND);
	fx_event(&f, "m", "{\"model\":\"fraud\",\"v\":0.5}");
	assert_false(decide_explain(f.d, STR("drift"), STR(""), START, 0, a, out, &err));
	assert_string_equal(err.msg, "rule 'drift' has 1 keys: name one of them");
	assert_int_equal(out->len, 0);
	g_string_free(out, TRUE);
	arena_free(a);
	fx_free(&f);
}

static void rules_and_keys_are_listed(void **state)
{
	struct fx f = fx_new(DRIFT);
	GString *out = g_string_new(NULL);

	(void)state;
	for (int i = 0; i < 5; i++)
		sample(&f, 0.25);
	decide_rule_json(f.d, ruleset_rule(f.rules, STR("drift")), out);
	expect_in(out->str, "\"state\":\"pending\"");
	expect_in(out->str, "\"since\":\"2026-03-01T00:20:00.000Z\"");
	expect_in(out->str, "\"keys\":1");
	expect_in(out->str, "\"suppressed_by\":null");
	g_string_truncate(out, 0);
	decide_keys_json(f.d, ruleset_rule(f.rules, STR("drift")), 5, f.arena, START,
			 f.tick, out);
	expect_in(out->str, "[{\"key\":\"fraud\",\"state\":\"pending\"");
	expect_in(out->str, "\"signals\":{\"psi\":{\"count\":5");
	g_string_free(out, TRUE);
	fx_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fired_decision_says_why),
		cmocka_unit_test(a_suppressed_one_says_what_stopped_it_and_until_when),
		cmocka_unit_test(explaining_a_key_changes_nothing),
		cmocka_unit_test(a_false_condition_names_the_part_that_is_false),
		cmocka_unit_test(what_is_not_known_is_said),
		cmocka_unit_test(rules_and_keys_are_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
