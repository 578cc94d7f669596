/* A signal with `by`: sub-keys in byte order, their bound, their deadlines. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "signal/signal.h"

static const struct signal_spec spec = {.window = WINDOW_SLIDING, .over_ms = 6000,
	.min_count = 2, .by = true, .max_by = 4, .aggregates = AGG_AVG};

static void put(struct cells *c, uint32_t root, const char *sub, int64_t t, double x)
{
	uint32_t state = signal_sub(&spec, c, root, str_of(sub), true);

	assert_int_not_equal(state, 0);
	signal_add(&spec, c, state, t, &(struct sample){.x = x}, INT64_MIN);
}

/* "name=avg " of each member, in order. */
static char *members(struct cells *c, uint32_t root, int64_t clock)
{
	GString *s = g_string_new(NULL);
	uint32_t it = 0, state;
	struct str sub;

	while (signal_sub_next(&spec, c, root, clock, &it, &sub, &state))
		g_string_append_printf(s, "%.*s=%g ", STR_ARG(sub),
		    signal_read(&spec, c, state, STR("avg"), clock, NULL).d);
	return g_string_free(s, FALSE);
}

static void expect(struct cells *c, uint32_t root, int64_t clock, const char *want)
{
	char *s = members(c, root, clock);

	assert_string_equal(s, want);
	g_free(s);
}

static void sub_keys_come_in_byte_order_where_they_have_data(void **state)
{
	struct cells *c = cells_new();
	uint32_t root = signal_new(&spec, c);

	(void)state;
	expect(c, root, 0, "");
	put(c, root, "b", 1000, 1);
	put(c, root, "ab", 1000, 5);
	put(c, root, "B", 1000, 3);
	put(c, root, "a", 1000, 2);
	expect(c, root, 1000, "");	/* min_count */
	put(c, root, "ab", 2000, 7);
	put(c, root, "b", 3000, 2);
	put(c, root, "B", 2000, 4);
	expect(c, root, 3000, "B=3.5 ab=6 b=1.5 ");
	/* The first pane to leave is anyone's. */
	assert_int_equal(signal_next_change(&spec, c, root, 3000), 7100);
	signal_advance(&spec, c, root, 8099);
	expect(c, root, 8099, "");
	assert_int_equal(signal_subs(c, root), 4);
	signal_free(c, root);
	assert_int_equal(cells_count(c), 0);
	cells_free(c);
}

static void a_full_map_refuses_new_sub_keys_only(void **state)
{
	static const char *const subs[] = {"d", "c", "a", "b"};
	struct cells *c = cells_new();
	uint32_t root = signal_new(&spec, c);
	char *longest = g_strnfill(SIGNAL_SUB_BYTES + 1, 'x');

	(void)state;
	for (unsigned i = 0; i < G_N_ELEMENTS(subs); i++) {
		assert_int_equal(signal_sub(&spec, c, root, str_of(subs[i]), false), 0);
		put(c, root, subs[i], 10, i);
	}
	assert_int_equal(signal_refused(c, root), 0);
	assert_int_equal(signal_sub(&spec, c, root, STR("bb"), true), 0);
	assert_int_equal(signal_sub(&spec, c, root, STR("bb"), false), 0);
	assert_int_equal(signal_refused(c, root), 1);
	put(c, root, "a", 11, 4);
	expect(c, root, 11, "a=3 ");
	signal_free(c, root);

	root = signal_new(&spec, c);
	assert_int_equal(signal_sub(&spec, c, root, str_of(longest), true), 0);
	assert_int_equal(signal_refused(c, root), 1);
	longest[SIGNAL_SUB_BYTES] = 0;
	assert_int_not_equal(signal_sub(&spec, c, root, str_of(longest), true), 0);
	assert_int_not_equal(signal_sub(&spec, c, root, STR(""), true), 0);
	g_free(longest);
	cells_free(c);
}

static void a_run_cuts_every_sub_key(void **state)
{
	struct signal_spec since = {.window = WINDOW_SINCE, .min_count = 1, .by = true,
		.aggregates = AGG_SUM};
	struct cells *c = cells_new();
	uint32_t root = signal_new(&since, c), v[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		v[i] = signal_sub(&since, c, root, i ? STR("y") : STR("x"), true);
		signal_add(&since, c, v[i], 5, &(struct sample){.x = i + 1}, INT64_MIN);
	}
	signal_cut(&since, c, root, 71);
	for (int i = 0; i < 2; i++)
		assert_int_equal(signal_count(&since, c, v[i], 0), 0);
	signal_settle(&since, c, root, 71, true);
	for (int i = 0; i < 2; i++)
		assert_int_equal(signal_count(&since, c, v[i], 0), 1);
	cells_free(c);
}

static void summary_counts_sub_keys(void **state)
{
	struct cells *c = cells_new();
	uint32_t root = signal_new(&spec, c);
	GString *json = g_string_new(NULL);

	(void)state;
	put(c, root, "a", 1, 1);
	put(c, root, "a", 2, 1);
	put(c, root, "b", 2, 1);
	signal_summary(&spec, c, root, 2, json);
	assert_string_equal(json->str,
	    "{\"keys\":2,\"with_data\":1,\"refused\":0,\"window\":\"over 6s\"}");
	g_string_free(json, TRUE);
	cells_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sub_keys_come_in_byte_order_where_they_have_data),
		cmocka_unit_test(a_full_map_refuses_new_sub_keys_only),
		cmocka_unit_test(a_run_cuts_every_sub_key),
		cmocka_unit_test(summary_counts_sub_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
