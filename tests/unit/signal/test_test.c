/* Tests against a baseline: windows, limits, what each needs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "signal/distance.h"
#include "signal/special.h"
#include "signal/test.h"

static const double edges[] = { -1, 0, 1 };
static const double counts[] = { 160, 340, 340, 160 };
static const struct baseline binned = { .n = 1000, .mean = 0, .sd = 1, .has_mean = true,
	.has_sd = true, .edges = edges, .edges_n = 3, .counts = counts, .counts_n = 4 };

static uint64_t rng;

static double uniform(void)
{
	uint64_t z = rng += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static double normal(void)
{
	double s = -6;

	for (int i = 0; i < 12; i++)
		s += uniform();
	return s;
}

struct box { uint64_t state[TEST_STATE_MAX / 8]; };

static struct test_spec spec_of(const char *name)
{
	struct test_spec s;

	assert_non_null(test_def(str_of(name)));
	test_spec_init(&s, test_def(str_of(name)));
	return s;
}

static struct test_view window(const struct test_spec *s, struct box *box,
    const struct baseline *b, uint32_t n, double shift)
{
	struct test_view v;

	for (uint32_t i = 0; i < n; i++) {
		assert_true(test_room(s, b, box->state) <= TEST_STATE_MAX);
		assert_int_equal(test_add_number(s, box->state, b, normal() + shift),
		    TEST_TAKEN);
	}
	test_close(s, box->state, b, 0);
	test_read(s, box->state, &v);
	return v;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void a_shift_is_found_and_no_shift_is_not(void **unused)
{
	static double values[1000];
	struct baseline sampled = { .n = 1000, .values = values, .values_n = 1000 };
	uint32_t kinds;

	(void)unused;
	rng = 42;
	for (int i = 0; i < 1000; i++)
		values[i] = normal();
	qsort(values, 1000, sizeof *values, ascending);
	(void)test_defs(&kinds);
	for (uint32_t i = 0; i < kinds; i++) {
		struct test_spec s = spec_of(test_defs(&kinds)[i].name);
		struct box box = { { 0 } };
		const struct baseline *b = &binned;

		for (int pass = 0; pass < 2; pass++) {
			assert_false(window(&s, &box, b, 1000, 0).drift);
			assert_true(window(&s, &box, b, 1000, 1).drift);
			assert_false(window(&s, &box, b, 1000, 0).drift);
			if (s.def->kind != TEST_KS && s.def->kind != TEST_WASSERSTEIN)
				break;
			b = &sampled;
			memset(&box, 0, sizeof box);
		}
	}
}

/* The limits as they are written, with numbers of the published quantiles. */
static void limits_follow_the_sizes(void **unused)
{
	struct test_spec s = spec_of("psi");
	double cur[] = { 8, 17, 17, 8 }, w = 1 / 50.0 + 1 / 1000.0;
	struct test_view v;

	(void)unused;
	test_counts(&s, &binned, counts, cur, 4, .001, &v);
	assert_true(v.known && v.n == 50 && v.m == 1000);
	assert_true(fabs(v.limit - 16.26623619623813 * w) < 1e-9);	/* chi2_3 */
	s = spec_of("js");
	s.floor = 0;
	test_counts(&s, &binned, counts, cur, 4, .001, &v);
	assert_true(fabs(v.limit - sqrt(16.26623619623813 * w / (8 * log(2)))) < 1e-9);
	s = spec_of("hellinger");
	s.floor = .5;
	test_counts(&s, &binned, counts, cur, 4, .001, &v);
	assert_true(v.limit == .5);
	s = spec_of("linf");
	test_counts(&s, &binned, counts, cur, 4, .001, &v);
	assert_false(v.known);		/* n < 100 */
	s = spec_of("wasserstein");
	s.floor = 0;
	test_counts(&s, &binned, counts, cur, 4, .001, &v);
	assert_true(fabs(v.limit - 4.2 * sqrt(w)) < 1e-12);
}

static void a_result_is_held_until_the_next_window(void **unused)
{
	struct test_spec s = spec_of("psi");
	struct box box = { { 0 } };
	struct test_view v;

	(void)unused;
	rng = 7;
	assert_true(window(&s, &box, &binned, 500, 2).drift);
	for (int i = 0; i < 20; i++)
		(void)test_add_number(&s, box.state, &binned, 0);
	test_read(&s, box.state, &v);
	assert_true(v.drift && v.n == 500 && v.waiting == 20);
	test_close(&s, box.state, &binned, 0);	/* fewer than 30: not known */
	test_read(&s, box.state, &v);
	assert_false(v.known || v.drift);
	assert_true(window(&s, &box, &binned, 500, 2).drift);
	test_close(&s, box.state, &binned, 0);	/* an empty window */
	test_read(&s, box.state, &v);
	assert_true(v.drift);
}

static void outer_bins_are_open_and_other_is_a_category(void **unused)
{
	static const struct str words[] = { { "a", 1 }, { "b", 1 } };
	static const double of[] = { 50, 50, 0 };
	const struct baseline b = { .n = 100, .categories = words, .categories_n = 2,
		.counts = of, .counts_n = 3 };
	struct test_spec s = spec_of("chi2");
	struct box box = { { 0 } };
	struct test_view v;

	(void)unused;
	assert_int_equal(baseline_bin(&binned, -1e300), 0);
	assert_int_equal(baseline_bin(&binned, -1), 1);
	assert_int_equal(baseline_bin(&binned, .99), 2);
	assert_int_equal(baseline_bin(&binned, 1), 3);
	assert_int_equal(baseline_bin(&binned, 1e300), 3);
	for (int i = 0; i < 100; i++)
		assert_int_equal(test_add_category(&s, box.state, &b,
		    i < 40 ? STR("a") : i < 80 ? STR("b") : STR("zebra")), TEST_TAKEN);
	test_close(&s, box.state, &b, 0);
	test_read(&s, box.state, &v);	/* the vectors' `new_category` */
	assert_true(fabs(v.stat - 22.22222222222222) < 1e-9 && v.drift);
	assert_true(fabs(v.p / 1.4945338524781447e-05 - 1) < 1e-6);
}

static void what_cannot_be_taken_is_told(void **unused)
{
	const struct baseline bare = { .n = 10, .mean = 1, .has_mean = true };
	const double good[] = { 1, 2, 3, 4 }, bad[] = { 1, -2, 3, 4 }, zero[4] = { 0 };
	struct test_spec s = spec_of("psi");
	struct box box = { { 0 } }, empty = { { 0 } };

	(void)unused;
	assert_int_equal(test_add_number(&s, box.state, NULL, 1), TEST_NO_BASELINE);
	assert_int_equal(test_add_number(&s, box.state, &bare, 1), TEST_NO_BASELINE);
	assert_int_equal(test_add_number(&s, box.state, &binned, NAN), TEST_INVALID);
	assert_int_equal(test_add_category(&s, box.state, &binned, STR("a")),
	    TEST_INVALID);
	assert_int_equal(test_add_counts(&s, box.state, &binned, good, 3), TEST_INVALID);
	assert_int_equal(test_add_counts(&s, box.state, &binned, bad, 4), TEST_INVALID);
	assert_int_equal(test_add_counts(&s, box.state, &binned, zero, 4), TEST_INVALID);
	assert_memory_equal(&box, &empty, sizeof box);
	assert_int_equal(test_add_counts(&s, box.state, &binned, good, 4), TEST_TAKEN);
}

/* Beyond 2,000 samples a fair draw, the same one at every replay. */
static void the_draw_of_a_long_window_replays(void **unused)
{
	static double values[100];
	struct baseline b = { .n = 100, .values = values, .values_n = 100 };
	struct test_spec s = spec_of("ks");
	struct test_view v[2];

	(void)unused;
	for (int i = 0; i < 100; i++)
		values[i] = i;
	for (int pass = 0; pass < 2; pass++) {
		struct box box = { { 0 } };

		for (int i = 0; i < 50000; i++)
			(void)test_add_number(&s, box.state, &b, (double)(i / 500));
		test_close(&s, box.state, &b, 0);
		test_read(&s, box.state, &v[pass]);
	}
	assert_true(v[0].n == 2000 && v[0].stat < .05);	/* the last 2,000: 0.96 */
	assert_memory_equal(&v[0], &v[1], sizeof v[0]);
}

static void alpha_of_an_expected_run_is_the_share_of_new_samples(void **unused)
{
	struct test_spec s = spec_of("psi");
	struct box box = { { 0 } };
	struct test_view v;
	double w = 1 / 500.0 + 1 / 1000.0;

	(void)unused;
	s.run = 50000;
	s.floor = 0;
	rng = 1;
	v = window(&s, &box, &binned, 500, 0);
	assert_true(fabs(v.limit - chi2_isf(.01, 3) * w) < 1e-12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shift_is_found_and_no_shift_is_not),
		cmocka_unit_test(limits_follow_the_sizes),
		cmocka_unit_test(a_result_is_held_until_the_next_window),
		cmocka_unit_test(outer_bins_are_open_and_other_is_a_category),
		cmocka_unit_test(what_cannot_be_taken_is_told),
		cmocka_unit_test(the_draw_of_a_long_window_replays),
		cmocka_unit_test(alpha_of_an_expected_run_is_the_share_of_new_samples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
