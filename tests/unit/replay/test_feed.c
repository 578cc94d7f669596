/* Generators of rule tests: what they mean, and that a seed means the same everywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <math.h>

#include "base/arena.h"
#include "replay/feed.h"

static struct arena *a;
static struct text text;

static const struct yaml *parse(const char *yaml, struct diags **ret)
{
	text = (struct text){ STR("t.yaml"), str_of(yaml) };
	*ret = diags_new(&text, 1);
	return yaml_parse(0, a, *ret);
}

static bool accepted(const char *yaml)
{
	struct diags *d;
	const struct yaml *y = parse(yaml, &d);
	bool ok = y && feed_check(y, d);

	diags_free(d);
	return ok;
}

static double mean_of(const char *yaml, uint32_t n, double *ret_sd)
{
	struct diags *d;
	const struct yaml *y = parse(yaml, &d);
	struct feed_rng rng;
	double sum = 0, squares = 0;

	assert_true(feed_check(y, d));
	feed_seed(&rng, 5);
	for (uint32_t i = 0; i < n; i++) {
		const struct feed_at at = { &rng, i, n };
		GString *s = g_string_new(NULL);
		double v;

		feed_json(y, &at, s);
		v = strtod(s->str, NULL);
		sum += v;
		squares += v * v;
		g_string_free(s, TRUE);
	}
	diags_free(d);
	*ret_sd = sqrt(squares / n - sum / n * (sum / n));
	return sum / n;
}

static int setup(void **state)
{
	(void)state;
	a = arena_new(0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(a);
	return 0;
}

/* Mean and deviation of 20,000 values within five standard errors. */
static void values_have_the_moments_that_they_are_named_for(void **state)
{
	static const struct { const char *yaml; double mean, sd; } rows[] = {
		{ "{normal: [10, 2]}", 10, 2 },
		{ "{uniform: [0, 12]}", 6, 3.4641 },
		{ "{poisson: 3}", 3, 1.7321 },
		{ "{poisson: 100}", 100, 10 },
		{ "{bernoulli: 0.2}", 0.2, 0.4 },
		{ "{choice: [1, 3]}", 2, 1 },
		{ "{ramp: [0, 10]}", 5, 2.8868 },
		{ "{step: [0, 10, 5000]}", 7.5, 4.3301 },
		{ "{sequence: [1, 2, 3, 4]}", 2.5, 1.1180 },
	};
	const double n = 20000;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		double sd, mean = mean_of(rows[i].yaml, (uint32_t)n, &sd);

		if (fabs(mean - rows[i].mean) > 5 * rows[i].sd / sqrt(n) ||
		    fabs(sd - rows[i].sd) > 0.05 * rows[i].sd)
			fail_msg("%s: mean %g, deviation %g", rows[i].yaml, mean, sd);
	}
}

/* xoshiro256** seeded by SplitMix64 with 1: the authors' C code gives these. */
static void a_seed_means_the_same_everywhere(void **state)
{
	struct diags *d;
	const struct yaml *y = parse("[{uniform: [0, 1]}, {uniform: [0, 1]}]", &d);
	struct feed_rng one, two;
	GString *x = g_string_new(NULL), *z = g_string_new(NULL);

	(void)state;
	feed_seed(&one, 1);
	feed_seed(&two, 1);
	assert_true(one.s[0] == 0x910a2dec89025cc1u);
	assert_true(one.s[1] == 0xbeeb8da1658eec67u);
	feed_json(y, &(struct feed_at){ &one, 0, 1 }, x);
	feed_json(y, &(struct feed_at){ &two, 0, 1 }, z);
	assert_string_equal(x->str, z->str);
	g_string_free(x, TRUE);
	g_string_free(z, TRUE);
	diags_free(d);
}

static void the_rest_of_the_template_is_kept(void **state)
{
	struct diags *d;
	const struct yaml *y = parse("{a: {b: [1, x, true, null]}, "
	    "v: {sequence: [7, y]}, normal: [1, 2]}", &d);
	struct feed_rng rng;
	GString *s = g_string_new(NULL);

	(void)state;
	feed_seed(&rng, 1);
	assert_true(feed_check(y, d));
	feed_json(y, &(struct feed_at){ &rng, 1, 4 }, s);
	assert_string_equal(s->str, "{\"a\":{\"b\":[1,\"x\",true,null]},\"v\":\"y\","
	    "\"normal\":[1,2]}");	/* a map of several keys is none */
	g_string_free(s, TRUE);
	diags_free(d);
}

static void wrong_arguments_are_refused(void **state)
{
	(void)state;
	assert_false(accepted("{normal: 3}"));
	assert_false(accepted("{normal: [1, x]}"));
	assert_false(accepted("{bernoulli: 1.5}"));
	assert_false(accepted("{poisson: -1}"));
	assert_false(accepted("{sequence: []}"));
	assert_false(accepted("{a: [{step: [1, 2]}]}"));
	assert_true(accepted("{a: [{step: [x, y, 3]}]}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    values_have_the_moments_that_they_are_named_for, setup, teardown),
		cmocka_unit_test_setup_teardown(a_seed_means_the_same_everywhere, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(the_rest_of_the_template_is_kept, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(wrong_arguments_are_refused, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
