/* `by` and `each`: maps of signals, many samples from one event. */
#include "fixture.h"

#include "decide/machine.h"

/* One event carries the PSI of many features; any of them is enough. */
#define FEATURES(when) "rules:\n" \
	"  - name: features\n" \
	"    on: {type: psi, key: data.model}\n" \
	"    signals: {psi: {each: data.f, by: item_key, value: item, over: 1h," \
	" min_count: 2}}\n" \
	"    when: '" when "'\n" \
	"    run: {pipeline: train, params: {model: '${key}'}}\n"

static char *last_state(struct fx *f, const char *rule)
{
	GString *out = g_string_new(NULL);

	decide_keys_json(f->d, ruleset_rule(f->rules, str_of(rule)), 10, f->arena,
	    START + f->tick, f->tick, out);
	return g_string_free(out, FALSE);
}

static void any_of_many_features_starts_one_run(void **state)
{
	struct fx f = fx_new(FEATURES("psi.exists(f, s, s.avg > 0.2)"));

	(void)state;
	fx_event(&f, "psi", "{\"model\":\"m\",\"f\":{\"age\":0.1,\"pay\":0.3}}");
	fx_expect(&f, "");		/* one sample each, two are needed */
	fx_event(&f, "psi", "{\"model\":\"m\",\"f\":{\"age\":0.1,\"pay\":0.3}}");
	fx_expect(&f, "fired features/m\n");
	fx_event(&f, "psi", "{\"model\":\"m\",\"f\":{\"age\":0.9,\"pay\":0.3}}");
	fx_expect(&f, "");		/* the same episode */
	assert_int_equal(fx_count(&f, "features").sample[SIGNAL_TAKEN], 6);
	fx_free(&f);
}

/* Two hundred features, one run: the event is evaluated once, after its last sample. */
static void all_samples_are_added_before_the_evaluation(void **state)
{
	struct fx f = fx_new(FEATURES("size(psi) == 200 && psi.all(f, s, s.avg > 0.2)"));
	GString *data = g_string_new("{\"model\":\"m\",\"f\":{");

	(void)state;
	for (int i = 0; i < 200; i++)
		g_string_append_printf(data, "%s\"f%03d\":0.3", i ? "," : "", i);
	g_string_append(data, "}}");
	fx_event(&f, "psi", data->str);
	fx_event(&f, "psi", data->str);
	fx_expect(&f, "fired features/m\n");
	g_string_free(data, TRUE);
	fx_free(&f);
}

/* A sub-key without data is no member: one rare feature must not hold up the rest,
 * while nothing at all is unknown and not false. */
static void sub_keys_without_data_are_no_members(void **state)
{
	struct fx f = fx_new(FEATURES("psi.exists(f, s, s.avg > 0.2)")
	    "    recover: '!psi.exists(f, s, s.avg > 0.2)'\n");

	(void)state;
	fx_event(&f, "psi", "{\"model\":\"m\",\"f\":{\"pay\":0.3,\"rare\":0.9}}");
	fx_event(&f, "psi", "{\"model\":\"m\",\"f\":{\"pay\":0.3}}");
	fx_expect(&f, "fired features/m\n");	/* though `rare` has one sample */
	fx_advance(&f, 2 * HOUR);
	fx_event(&f, "psi", "{\"model\":\"other\",\"f\":{}}");	/* moves the clock */
	{
		g_autofree char *json = last_state(&f, "features");

		/* everything has left the window: unknown, and keep is the policy */
		assert_non_null(strstr(json, "\"key\":\"m\",\"state\":\"firing\""));
	}
	fx_event(&f, "psi", "{\"model\":\"m\",\"f\":{\"pay\":0.1}}");
	fx_event(&f, "psi", "{\"model\":\"m\",\"f\":{\"pay\":0.1}}");
	{
		g_autofree char *json = last_state(&f, "features");

		assert_non_null(strstr(json, "\"key\":\"m\",\"state\":\"inactive\""));
	}
	fx_free(&f);
}

#define ONE "rules:\n" \
	"  - name: one\n" \
	"    on: m\n" \
	"    signals: {psi: {by: data.f, value: data.v, last: 1, max_by: 2}}\n"

static void members_are_read_by_name(void **state)
{
	struct fx f = fx_new(ONE
	    "    when: '\"pay\" in psi && !(\"age\" in psi) && psi[\"pay\"].last > 1.0'\n"
	    "    run: {pipeline: train, params: {model: '${psi.transformList(f, s, f)}'"
	    "}}\n");

	(void)state;
	fx_event(&f, "m", "{\"f\":\"x\",\"v\":9}");
	fx_event(&f, "m", "{\"f\":\"pay\",\"v\":2}");
	fx_expect(&f, "fired one\n");
	assert_string_equal(f.params, "{\"model\":[\"pay\",\"x\"]}");	/* byte order */
	fx_free(&f);
}

/* A full map refuses new sub-keys only, and says how many samples that cost. */
static void a_full_map_refuses_new_sub_keys_only(void **state)
{
	struct fx f = fx_new(ONE "    when: 'psi.exists(k, s, s.last > 8.0)'\n"
	    "    run: train\n");

	(void)state;
	fx_event(&f, "m", "{\"f\":\"a\",\"v\":1}");
	fx_event(&f, "m", "{\"f\":\"b\",\"v\":1}");
	fx_event(&f, "m", "{\"f\":\"c\",\"v\":9}");
	fx_expect(&f, "");
	assert_int_equal(fx_count(&f, "one").sample[SIGNAL_FULL], 1);
	fx_event(&f, "m", "{\"f\":\"b\",\"v\":9}");
	fx_expect(&f, "fired one\n");
	fx_free(&f);
}

static void what_is_no_sample_is_counted(void **state)
{
	struct fx f = fx_new(FEATURES("psi.exists(f, s, s.avg > 0.2)"));
	struct rule_count n;
	GString *many = g_string_new("{\"model\":\"m\",\"f\":[0");

	(void)state;
	/* one good, two that are no numbers: the event was evaluated */
	fx_event(&f, "psi", "{\"model\":\"m\",\"f\":{\"a\":0.1,\"b\":null,\"c\":[1]}}");
	n = fx_count(&f, "features");
	assert_int_equal(n.sample[SIGNAL_TAKEN], 1);
	assert_int_equal(n.sample[SIGNAL_INVALID], 2);
	assert_int_equal(n.fate[FATE_EVALUATED], 1);
	assert_int_equal(n.fate[FATE_INVALID], 0);
	/* nothing to loop over, and too much */
	fx_event(&f, "psi", "{\"model\":\"m\",\"f\":3}");
	fx_event(&f, "psi", "{\"model\":\"m\"}");
	for (int i = 0; i < 1000; i++)
		g_string_append(many, ",0");
	g_string_append(many, "]}");
	fx_event(&f, "psi", many->str);		/* 1,001 elements */
	n = fx_count(&f, "features");
	assert_int_equal(n.fate[FATE_INVALID], 3);
	assert_int_equal(n.sample[SIGNAL_INVALID], 5);
	assert_int_equal(n.sample[SIGNAL_TAKEN], 1);
	g_string_free(many, TRUE);
	fx_free(&f);
}

static void a_list_s_elements_have_their_index_as_key(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: list\n"
	    "    on: m\n"
	    "    signals: {v: {each: data.l, by: item_key, value: item.x, last: 1}}\n"
	    "    when: 'v[\"1\"].last == 7.0'\n"
	    "    run: train\n");

	(void)state;
	fx_event(&f, "m", "{\"l\":[{\"x\":1},{\"x\":7}]}");
	fx_expect(&f, "fired list\n");
	fx_free(&f);
}

/* Without `by` the elements are samples of one window. */
static void each_without_by_fills_one_window(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: batch\n"
	    "    on: m\n"
	    "    signals: {v: {each: data.l, value: item, over: 1h}}\n"
	    "    when: v.count == 3 && v.sum == 6.0\n"
	    "    run: train\n");

	(void)state;
	fx_event(&f, "m", "{\"l\":[1,2,3]}");
	fx_expect(&f, "fired batch\n");
	fx_free(&f);
}

static void maps_survive_a_restart(void **state)
{
	struct fx f = fx_new(FEATURES("psi.exists(f, s, s.avg > 0.2)"));

	(void)state;
	fx_event(&f, "psi", "{\"model\":\"m\",\"f\":{\"age\":0.1,\"pay\":0.3}}");
	fx_restart(&f);
	fx_event(&f, "psi", "{\"model\":\"m\",\"f\":{\"age\":0.1,\"pay\":0.3}}");
	fx_expect(&f, "fired features/m\n");
	fx_free(&f);
}

/* value reads facts: the champion's numbers are known where samples are made. */
static void a_value_may_read_the_champion(void **state)
{
	static const struct model_fact m = { .version = { "v1", 2 },
		.metrics = { "{\"auc\":0.9}", 11 } };
	struct fx f = fx_new("rules:\n"
	    "  - name: loss\n"
	    "    on: m\n"
	    "    model: fraud\n"
	    "    signals: {lost: {value: champion.metrics.auc - data.auc, last: 1}}\n"
	    "    when: lost.last > 0.1\n"
	    "    run: train\n");

	(void)state;
	facts_set_champion(decide_facts(f.d), STR("fraud"), &m);
	fx_event(&f, "m", "{\"auc\":0.85}");
	fx_expect(&f, "");
	fx_event(&f, "m", "{\"auc\":0.75}");
	fx_expect(&f, "fired loss\n");
	fx_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_of_many_features_starts_one_run),
		cmocka_unit_test(all_samples_are_added_before_the_evaluation),
		cmocka_unit_test(sub_keys_without_data_are_no_members),
		cmocka_unit_test(members_are_read_by_name),
		cmocka_unit_test(a_full_map_refuses_new_sub_keys_only),
		cmocka_unit_test(what_is_no_sample_is_counted),
		cmocka_unit_test(a_list_s_elements_have_their_index_as_key),
		cmocka_unit_test(each_without_by_fills_one_window),
		cmocka_unit_test(maps_survive_a_restart),
		cmocka_unit_test(a_value_may_read_the_champion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
