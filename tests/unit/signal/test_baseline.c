/* Baselines out of documents: each refusal names the entry, the member and the reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "signal/baseline_read.h"

static struct arena *arena;

static int setup(void **state)
{
	(void)state;
	arena = arena_new(0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static void refused(const char *json, const char *why)
{
	struct baseline_set set;
	struct err err = { 0 };

	assert_false(baseline_set_read(value_from_json(str_of(json), arena), arena, &set,
	    &err));
	assert_string_equal(err.msg, why);
}

static void an_entry_is_found_by_its_name(void **state)
{
	struct baseline_set set;
	struct err err = { 0 };
	const struct baseline *b;

	(void)state;
	assert_true(baseline_set_read(value_from_json(STR(
	    "{\"psi/pay\":{\"n\":20,\"edges\":[1,2.5],\"counts\":[5,5,10]},"
	    "\"err\":{\"n\":1000,\"mean\":0.05,\"sd\":0.2},"
	    "\"cat\":{\"n\":3,\"categories\":[\"a\",\"b\"],\"counts\":[1,1,1]},"
	    "\"raw\":{\"n\":3,\"values\":[3,1,2]},"
	    "\"n\":{\"n\":2.0}}"), arena), arena, &set, &err));
	assert_int_equal(set.n, 5);
	b = baseline_set_find(&set, STR("err"));
	assert_true(b && b->n == 1000 && b->has_mean && b->mean == 0.05 && b->has_sd);
	assert_true(b->sd == 0.2 && b->counts_n == 0 && b->edges_n == 0);
	b = baseline_set_find(&set, STR("psi/pay"));
	assert_true(b && b->edges_n == 2 && b->edges[1] == 2.5 && b->counts_n == 3);
	assert_true(b->counts[2] == 10 && !b->has_mean && !b->has_sd);
	b = baseline_set_find(&set, STR("cat"));
	assert_true(b && b->categories_n == 2 && str_is(b->categories[1], STR("b")));
	b = baseline_set_find(&set, STR("raw"));
	assert_true(b && b->values_n == 3 && b->values[0] == 1 && b->values[2] == 3);
	assert_null(baseline_set_find(&set, STR("nope")));
	assert_null(baseline_set_find(&(struct baseline_set){ 0 }, STR("err")));
}

static void what_is_wrong_is_named(void **state)
{
	(void)state;
	refused("[1]", "expected a map of entries, found list");
	refused("{\"x\":3}", "x: expected a map with n and what is known of it ("
	    "n, mean, sd, edges, categories, counts, values), found int");
	refused("{\"x\":{\"mean\":1}}", "x: n: expected a number of samples");
	refused("{\"x\":{\"n\":1.5}}",
	    "x: n: expected a whole number of samples, at least 1");
	refused("{\"x\":{\"n\":9,\"sd\":-1}}",
	    "x: sd: expected a number not below 0, found int");
	refused("{\"x\":{\"n\":9,\"mean\":\"a\"}}",
	    "x: mean: expected a number, found string");
	refused("{\"x\":{\"n\":9,\"mean\":true}}",
	    "x: mean: expected a number, found bool");
	refused("{\"x\":{\"n\":9,\"edges\":[2,2],\"counts\":[1,1,1]}}",
	    "x: edges: element 2: edges must ascend");
	refused("{\"x\":{\"n\":9,\"edges\":[1]}}",
	    "x: counts: expected the counts of the edges");
	refused("{\"x\":{\"n\":9,\"categories\":[\"a\"],\"counts\":[1,1,1]}}",
	    "x: counts: expected 2 numbers, one more than categories, found 3");
	refused("{\"x\":{\"n\":9,\"categories\":[\"a\",\"a\"],\"counts\":[1,1,1]}}",
	    "x: categories: element 2: 'a' was given already");
	refused("{\"x\":{\"n\":9,\"counts\":[1]}}",
	    "x: counts: expected 2 to 256 numbers, found 1");
	refused("{\"x\":{\"n\":9,\"counts\":[1,-1]}}",
	    "x: counts: element 2: expected a number not below 0");
	refused("{\"x\":{\"n\":9,\"size\":1}}", "x: unknown member 'size': expected n,"
	    " mean, sd, edges, categories, counts, values");
}

static void bounds_are_those_of_the_schema(void **state)
{
	GString *s = g_string_new("{");
	struct baseline_set set;
	struct err err = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		g_string_append_printf(s, "%s\"e%d\":{\"n\":1}", i ? "," : "", i);
	g_string_append_c(s, '}');
	assert_true(baseline_set_read(value_from_json(str_of(s->str), arena), arena, &set,
	    &err));
	s->str[s->len - 1] = ',';
	g_string_append(s, "\"one\":{\"n\":1}}");
	refused(s->str, "1001 entries, at most 1000");
	g_string_free(s, TRUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_entry_is_found_by_its_name, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(what_is_wrong_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(bounds_are_those_of_the_schema, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
