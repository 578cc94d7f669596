/* Facts: what always exists, what changes wakes, and records larger than a cell. */
#include "fixture.h"

static struct value get(struct value m, const char *name, struct arena *a)
{
	return value_member(m, str_of(name), a);
}

static void before_the_first_everything_exists_and_is_empty(void **state)
{
	struct cells *c = cells_new();
	struct facts *f = facts_new(c);
	struct arena *a = arena_new(0);
	struct run_fact r = facts_last_run(f, STR("p"), STR("k"));
	struct model_fact m = facts_champion(f, STR("m"));
	struct value v = facts_run_value(&r, 77, a);

	(void)state;
	assert_int_equal(get(v, "state", a).tag, VALUE_STRING);
	assert_int_equal(get(v, "state", a).len, 0);
	assert_int_equal(value_ms(get(v, "created", a)), 0);
	assert_int_equal(value_ms(get(v, "finished", a)), 0);
	v = facts_model_value(&m, a);
	assert_int_equal(get(v, "version", a).len, 0);
	assert_int_equal(get(v, "metrics", a).tag, VALUE_MAP);
	arena_free(a);
	facts_free(f);
	cells_free(c);
}

static void an_unfinished_run_finishes_now(void **state)
{
	struct run_fact r = { .run = 3, .created_ms = 5 };
	struct arena *a = arena_new(0);

	(void)state;
	assert_int_equal(value_ms(get(facts_run_value(&r, 77, a), "finished", a)), 77);
	r.finished_ms = 9;
	assert_int_equal(value_ms(get(facts_run_value(&r, 77, a), "finished", a)), 9);
	arena_free(a);
}

static void numbers_under_metrics_are_double(void **state)
{
	struct model_fact m = { .metrics = STR("{\"a\":1,\"b\":[2,{\"c\":3}]}") };
	struct arena *a = arena_new(0);
	struct value v = get(facts_model_value(&m, a), "metrics", a), b;

	(void)state;
	assert_int_equal(get(v, "a", a).tag, VALUE_DOUBLE);
	b = get(v, "b", a);
	assert_int_equal(b.list->v[0].tag, VALUE_DOUBLE);
	assert_int_equal(get(b.list->v[1], "c", a).tag, VALUE_DOUBLE);
	arena_free(a);
}

static void only_a_completed_run_is_the_last_success(void **state)
{
	struct cells *c = cells_new();
	struct facts *f = facts_new(c);
	struct run_fact r = { .run = 1, .state = STR("completed"),
		.outcome = STR("rejected") };

	(void)state;
	facts_set_run(f, STR("p"), STR("k"), &r);
	r = (struct run_fact){ .run = 2, .state = STR("failed") };
	facts_set_run(f, STR("p"), STR("k"), &r);
	assert_int_equal(facts_last_run(f, STR("p"), STR("k")).run, 2);
	assert_int_equal(facts_last_success(f, STR("p"), STR("k")).run, 1);
	assert_int_equal(facts_last_run(f, STR("p"), STR("other")).run, 0);
	facts_free(f);
	cells_free(c);
}

static void large_records_survive_a_load_and_shrink_again(void **state)
{
	struct cells *c = cells_new(), *c2 = cells_new();
	struct facts *f = facts_new(c), *g;
	g_autofree char *big = g_strnfill(100000, '7');
	struct model_fact m = { .version = STR("v1"), .baseline = str_of(big) };
	GByteArray *b = g_byte_array_new();
	uint32_t many;

	(void)state;
	facts_set_champion(f, STR("m"), &m);
	many = cells_count(c);
	assert_in_range(many, 7, 9);	/* chunks of less than 16 KiB and a head */
	for (uint32_t i = 0; i < cells_shards(c); i++) {
		g_byte_array_set_size(b, 0);
		cells_encode_shard(c, i, b);
		assert_true(cells_load_shard(c2, i, 1,
		    (struct str){ (char *)b->data, b->len }));
	}
	cells_loaded(c2);
	g = facts_new(c2);
	assert_true(facts_load(g));
	assert_true(str_is(facts_champion(g, STR("m")).baseline, m.baseline));
	m.baseline = STR("{}");
	facts_set_champion(g, STR("m"), &m);
	assert_int_equal(cells_count(c2), 1);
	g_byte_array_free(b, TRUE);
	facts_free(f);
	facts_free(g);
	cells_free(c);
	cells_free(c2);
}

#define CHAMPION "rules:\n" \
	"  - name: worse\n" \
	"    on: {type: m, key: data.k}\n" \
	"    model: \"model-${key}\"\n" \
	"    signals: {auc: {value: data.v, last: 1}}\n" \
	"    when: has(champion.metrics.auc) && auc.last < champion.metrics.auc - 0.1\n" \
	"    run: train\n"

static void a_champion_that_changed_wakes_the_rules_that_read_it(void **state)
{
	struct fx f = fx_new(CHAMPION);
	struct model_fact m = { .version = STR("v1"), .metrics = STR("{\"auc\":1}") };

	(void)state;
	fx_event(&f, "m", "{\"k\":\"a\",\"v\":0.7}");
	fx_event(&f, "m", "{\"k\":\"b\",\"v\":0.7}");
	fx_expect(&f, "");
	facts_set_champion(decide_facts(f.d), STR("model-a"), &m);
	decide_model_changed(f.d, STR("model-a"));
	fx_expect(&f, "");		/* by a deadline, never inside the call */
	fx_restart(&f);
	fx_advance(&f, 0);
	fx_expect(&f, "fired worse/a\n");
	fx_free(&f);
}

static void the_key_and_model_come_before_where(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: r\n"
	    "    on: {type: m, where: data.version == champion.version && key != \"b\"}\n"
	    "    key: data.k\n"
	    "    model: \"model-${key}\"\n"
	    "    run: train\n");
	struct model_fact m = { .version = STR("v1") };

	(void)state;
	facts_set_champion(decide_facts(f.d), STR("model-a"), &m);
	facts_set_champion(decide_facts(f.d), STR("model-b"), &m);
	fx_event(&f, "m", "{\"k\":\"a\",\"version\":\"v1\"}");
	fx_event(&f, "m", "{\"k\":\"a\",\"version\":\"v2\"}");
	fx_event(&f, "m", "{\"k\":\"b\",\"version\":\"v1\"}");
	fx_expect(&f, "fired r/a\n");
	fx_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_the_first_everything_exists_and_is_empty),
		cmocka_unit_test(an_unfinished_run_finishes_now),
		cmocka_unit_test(numbers_under_metrics_are_double),
		cmocka_unit_test(only_a_completed_run_is_the_last_success),
		cmocka_unit_test(large_records_survive_a_load_and_shrink_again),
		cmocka_unit_test(a_champion_that_changed_wakes_the_rules_that_read_it),
		cmocka_unit_test(the_key_and_model_come_before_where),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
