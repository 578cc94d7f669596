/* Detectors: what the vectors do not show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "signal/detect.h"

static uint64_t rng;

static double uniform(void)	/* SplitMix64, Steele et al. 2014 */
{
	uint64_t z = rng += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static double normal(void)	/* Irwin-Hall: twelve uniforms less six */
{
	double s = -6;

	for (int i = 0; i < 12; i++)
		s += uniform();
	return s;
}

static struct detect_spec spec_of(const char *name)
{
	struct detect_spec s;

	assert_non_null(detect_def(str_of(name)));
	detect_spec_init(&s, detect_def(str_of(name)));
	return s;
}

static void par(struct detect_spec *s, const char *name, double x)
{
	int i = detect_par(s->def, str_of(name));

	assert_true(i >= 0);
	s->p[i] = x;
}

static void finish(struct detect_spec *s, double run)
{
	char err[200] = "";

	if (!detect_finish(s, run, err, sizeof err))
		fail_msg("%s", err);
}

static struct detect_view look(const struct detect_spec *s, const void *state,
    const struct baseline *b)
{
	struct detect_view v;

	detect_read(s, state, b, 0, &v);
	return v;
}

/* ---- every kind ---- */

static struct detect_spec any(uint32_t i)
{
	uint32_t n;
	const struct detect_def *d = &detect_defs(&n)[i];
	struct detect_spec s;

	detect_spec_init(&s, d);
	if (d->kind == DETECT_THRESHOLD)
		par(&s, "fire", .5);
	if (d->kind == DETECT_CHANGE)
		par(&s, "delta", 3);
	finish(&s, 0);
	return s;
}

static uint32_t kinds(void)
{
	uint32_t n;

	(void)detect_defs(&n);
	return n;
}

static const struct baseline normal_baseline = { .n = 1000, .mean = .3, .sd = .5,
	.has_mean = true, .has_sd = true };

static double sample(const struct detect_spec *s)
{
	return s->def->bits ? uniform() < .3 : normal() * .5 + .3;
}

static void nan_and_infinity_change_nothing(void **unused)
{
	(void)unused;
	for (uint32_t i = 0; i < kinds(); i++) {
		struct detect_spec s = any(i);
		uint64_t a[DETECT_STATE_MAX / 8] = { 0 }, b[DETECT_STATE_MAX / 8];
		const double bad[] = { NAN, INFINITY, -INFINITY };

		rng = i;
		for (int k = 0; k < 100; k++)
			(void)detect_feed(&s, a, &normal_baseline, 0, sample(&s));
		memcpy(b, a, sizeof a);
		for (int k = 0; k < 3; k++)
			assert_int_equal(
			    detect_feed(&s, a, &normal_baseline, 0, bad[k]),
			    DETECT_INVALID);
		assert_memory_equal(a, b, sizeof a);
	}
}

/* A state is its bytes: copied in the middle, it goes on as if nothing had been, and a
 * new run writes the same. */
static void states_are_their_bytes(void **unused)
{
	(void)unused;
	for (uint32_t i = 0; i < kinds(); i++) {
		struct detect_spec s = any(i);
		uint64_t a[DETECT_STATE_MAX / 8] = { 0 };
		uint64_t b[DETECT_STATE_MAX / 8] = { 0 };

		for (int pass = 0; pass < 2; pass++) {
			uint64_t *p = pass ? b : a;
			uint64_t other[DETECT_STATE_MAX / 8] = { 0 };

			rng = 77 + i;
			for (int k = 0; k < 900; k++) {
				if (pass && k % 100 == 50) {
					uint32_t n = detect_room(&s, p);

					assert_true(n <= DETECT_STATE_MAX);
					memcpy(other, p, n);
					memset(p, 0, sizeof b);
					memcpy(p, other, n);
				}
				(void)detect_feed(&s, p, &normal_baseline, 0, sample(&s));
			}
		}
		assert_memory_equal(a, b, sizeof a);
	}
}

/* While drift is up nothing is fed; after the reset the state is as a new one's. */
static void drift_holds_until_the_reset(void **unused)
{
	(void)unused;
	for (uint32_t i = 0; i < kinds(); i++) {
		struct detect_spec s = any(i);
		uint64_t a[DETECT_STATE_MAX / 8] = { 0 };
		uint64_t new[DETECT_STATE_MAX / 8] = { 0 };
		struct detect_view v;
		uint64_t n;

		if (s.def->kind == DETECT_THRESHOLD || s.def->kind == DETECT_CHANGE)
			continue;
		rng = 5;
		for (int k = 0; k < 300; k++)
			(void)detect_feed(&s, a, &normal_baseline, 0, s.def->bits ?
			    (s.mode == DETECT_DOWN) != (k % 20 == 0) :
			    .3 + .01 * normal());
		assert_false(look(&s, a, &normal_baseline).drift);
		for (int k = 0; k < 5000 && !look(&s, a, &normal_baseline).drift; k++)
			(void)detect_feed(&s, a, &normal_baseline, 0, s.def->bits ?
			    s.mode != DETECT_DOWN : 2.5);
		v = look(&s, a, &normal_baseline);
		if (!v.drift)
			fail_msg("%s never fired", s.def->name);
		n = v.n;
		assert_int_equal(detect_feed(&s, a, &normal_baseline, 0, 0), DETECT_HELD);
		v = look(&s, a, &normal_baseline);
		assert_int_equal(v.n, n);
		assert_int_equal(v.held, 1);
		detect_reset(&s, a, sizeof a);
		assert_memory_equal(a, new, sizeof a);
	}
}

/* ---- baselines ---- */

static void a_learned_baseline_survives_the_reset_alone(void **unused)
{
	struct detect_spec s = spec_of("cusum");
	uint64_t a[16] = { 0 };
	struct detect_view v;
	double sum = 0, sq = 0, mean;

	(void)unused;
	s.learn = 200;
	finish(&s, 1000);
	assert_true(detect_state_bytes(&s) <= sizeof a);
	rng = 3;
	for (int i = 0; i < 200; i++) {
		double x = 40 + 2 * normal();

		assert_false(look(&s, a, NULL).known);
		assert_int_equal(detect_feed(&s, a, NULL, 0, x), DETECT_LEARNED);
		sum += x;
		sq += (x - 40) * (x - 40);
	}
	mean = sum / 200;
	for (int i = 0; i < 20; i++)
		(void)detect_feed(&s, a, NULL, 0, 46);
	v = look(&s, a, NULL);
	assert_true(v.drift && v.known);
	assert_true(fabs(v.mean - mean) < 1e-9);
	sq -= 200 * (mean - 40) * (mean - 40);
	assert_true(fabs(v.sd - sqrt(sq / 199)) < 1e-9);
	detect_reset(&s, a, sizeof a);
	v = look(&s, a, NULL);
	assert_true(!v.drift && fabs(v.mean - mean) < 1e-9);
	assert_int_equal(detect_feed(&s, a, NULL, 0, 40), DETECT_FED);
	detect_repin(a, sizeof a);
	assert_int_equal(detect_feed(&s, a, NULL, 0, 40), DETECT_LEARNED);
}

static void a_constant_warm_up_does_not_fire_on_rounding(void **unused)
{
	struct detect_spec s = spec_of("cusum");
	uint64_t a[16] = { 0 };

	(void)unused;
	s.learn = 200;
	finish(&s, 10000);
	for (int i = 0; i < 400; i++)
		(void)detect_feed(&s, a, NULL, 0, .1 * 3 + (i % 2) * 5e-17);
	assert_false(look(&s, a, NULL).drift);
	(void)detect_feed(&s, a, NULL, 0, .31);
	assert_true(look(&s, a, NULL).drift);
}

static void without_a_baseline_nothing_is_known(void **unused)
{
	(void)unused;
	for (uint32_t i = 0; i < kinds(); i++) {
		struct detect_spec s = any(i);
		uint64_t a[DETECT_STATE_MAX / 8] = { 0 };

		if (!detect_wants_baseline(&s))
			continue;
		assert_int_equal(detect_feed(&s, a, NULL, 0, 1), DETECT_NO_BASELINE);
		assert_false(look(&s, a, NULL).known);
		assert_int_equal(look(&s, a, NULL).n, 0);
	}
}

/* The same stream in other units fires at the same sample. */
static void scale_changes_no_firing(void **unused)
{
	static const char *const names[] = { "cusum", "ewma", "shewhart", "page_hinkley",
		"adwin" };

	(void)unused;
	for (size_t k = 0; k < 5; k++) {
		int fired[3];

		for (int j = 0; j < 3; j++) {
			const double by = j == 0 ? 1 : j == 1 ? .01 : 1000;
			struct baseline b = { .n = 500, .mean = 7 * by, .sd = 2 * by,
				.has_mean = true, .has_sd = true };
			struct detect_spec s = spec_of(names[k]);
			uint64_t a[DETECT_STATE_MAX / 8] = { 0 };

			finish(&s, 0);
			rng = 11;
			for (fired[j] = 0; fired[j] < 4000; fired[j]++) {
				double x = 7 + 2 * normal() + (fired[j] > 500 ? 3 : 0);

				(void)detect_feed(&s, a, &b, 0, x * by);
				if (look(&s, a, &b).drift)
					break;
			}
		}
		assert_true(fired[0] < 4000);
		assert_int_equal(fired[0], fired[1]);
		assert_int_equal(fired[0], fired[2]);
	}
}

/* ---- levels ---- */

static void change_counts_in_its_unit(void **unused)
{
	static const struct { int unit; double delta, quiet, loud; } rows[] = {
		{ 0, 5, 44.9, 45.1 }, { 1, 10, 43.9, 44.1 }, { 2, 3, 45.9, 46.1 } };
	const struct baseline b = { .n = 30, .mean = 40, .sd = 2, .has_mean = true,
		.has_sd = true }, few = { .n = 29, .mean = 40, .has_mean = true };

	(void)unused;
	for (int i = 0; i < 3; i++) {
		struct detect_spec s = spec_of("change");
		uint64_t a[8] = { 0 };

		par(&s, "unit", rows[i].unit);
		par(&s, "delta", rows[i].delta);
		finish(&s, 0);
		assert_int_equal(detect_feed(&s, a, &few, 0, 99), DETECT_NO_BASELINE);
		(void)detect_feed(&s, a, &b, 0, rows[i].quiet);
		assert_false(look(&s, a, &b).drift);
		(void)detect_feed(&s, a, &b, 0, rows[i].loud);
		assert_true(look(&s, a, &b).drift);
		(void)detect_feed(&s, a, &b, 0, 80 - rows[i].loud);	/* both ways */
		assert_true(look(&s, a, &b).drift);
		(void)detect_feed(&s, a, &b, 0, 40);
		assert_false(look(&s, a, &b).drift);
	}
}

/* ---- limits ---- */

static void expected_run_grows_with_the_sub_keys(void **unused)
{
	struct detect_spec s = spec_of("cusum");
	char err[200];

	(void)unused;
	finish(&s, 10000);
	assert_true(fabs(s.limit[0] - 8.053) <= .01);
	assert_true(fabs(s.limit[1] - limit_cusum(.5, 20000, true)) < 1e-9);
	assert_int_equal(detect_step(0), 0);
	assert_int_equal(detect_step(1), 0);
	assert_int_equal(detect_step(3), 2);
	assert_int_equal(detect_step(1024), 10);
	assert_int_equal(detect_step(5000), 10);
	s = spec_of("binomial");
	par(&s, "p0", .1);
	finish(&s, 50000);
	assert_true(s.limit[0] == 50.0 / 50000 && s.limit[2] == 50.0 / 200000);
	s = spec_of("adwin");
	assert_false(detect_finish(&s, 1000, err, sizeof err));
	assert_non_null(strstr(err, "`delta`"));
}

static void a_bernoulli_baseline_brings_its_limit(void **unused)
{
	struct detect_spec s = spec_of("bernoulli_cusum");
	const struct baseline b = { .n = 500, .mean = .1, .has_mean = true },
	    other = { .n = 500, .mean = .02, .has_mean = true };
	uint64_t a[8] = { 0 };

	(void)unused;
	par(&s, "p1", .2);
	finish(&s, 10000);
	(void)detect_feed(&s, a, &b, 0, 0);
	assert_true(look(&s, a, &b).limit == 51);
	detect_repin(a, sizeof a);
	par(&s, "p1", .06);
	(void)detect_feed(&s, a, &other, 0, 0);
	assert_true(look(&s, a, &other).limit == 115);
}

/* A baseline of 200 samples without an error: half an error in 200 is supposed. */
static void no_error_is_no_rate_of_zero(void **unused)
{
	const struct baseline b = { .n = 200, .mean = 0, .has_mean = true };
	struct detect_spec s = spec_of("binomial");
	uint64_t a[DETECT_STATE_MAX / 8] = { 0 };

	(void)unused;
	finish(&s, 0);
	for (int i = 0; i < 250; i++)	/* P(X >= 2) = .09 */
		(void)detect_feed(&s, a, &b, 0, i == 20 || i == 100);
	assert_true(look(&s, a, &b).known && !look(&s, a, &b).drift);
	assert_true(fabs(look(&s, a, &b).mean - .0025) < 1e-12);
	s = spec_of("bernoulli_cusum");
	finish(&s, 0);
	detect_repin(a, sizeof a);
	(void)detect_feed(&s, a, &b, 0, 1);
	assert_true(look(&s, a, &b).known && !look(&s, a, &b).drift);
}

/* Limits of many sub-keys are those of as many samples. */
static void a_map_of_charts_has_the_limits_of_longer_runs(void **unused)
{
	static const double lambdas[] = { .02, .1, .5, 1 };

	(void)unused;
	for (int k = 0; k < 4; k++) {
		struct detect_spec s = spec_of("ewma");

		par(&s, "lambda", lambdas[k]);
		finish(&s, 500);
		for (int i = 0; i < DETECT_STEPS; i++)
			assert_true(fabs(s.limit[i] - limit_ewma(lambdas[k],
			    500 * pow(2, i), true)) < 1e-5);
	}
}

static void what_does_not_fit_is_told(void **unused)
{
	struct detect_spec s = spec_of("threshold");
	char err[200];

	(void)unused;
	assert_false(detect_finish(&s, 0, err, sizeof err));
	par(&s, "fire", 1);
	par(&s, "clear", 2);
	assert_false(detect_finish(&s, 0, err, sizeof err));
	assert_true(detect_set_mode(&s, STR("down")));
	assert_true(detect_finish(&s, 0, err, sizeof err));
	assert_false(detect_set_mode(&s, STR("both")));
	assert_false(detect_set_mode(&s, STR("sideways")));
	s = spec_of("ks");
	par(&s, "window", 52);
	assert_false(detect_finish(&s, 0, err, sizeof err));
	s = spec_of("eddm");
	par(&s, "beta", .99);
	assert_false(detect_finish(&s, 0, err, sizeof err));
	s = spec_of("adwin");
	par(&s, "clock", 0);
	assert_false(detect_finish(&s, 0, err, sizeof err));
	assert_non_null(strstr(err, "`clock` must be between 1 and 1000000, not 0"));
	s = spec_of("cusum");
	assert_false(detect_finish(&s, 10, err, sizeof err));
	assert_int_equal(detect_par(s.def, STR("lambda")), -1);
}

/* A million keys with a window and a CUSUM have 512 MiB. */
static void a_cusum_is_small(void **unused)
{
	struct detect_spec s = spec_of("cusum");

	(void)unused;
	finish(&s, 10000);
	assert_true(detect_state_bytes(&s) <= 48);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nan_and_infinity_change_nothing),
		cmocka_unit_test(states_are_their_bytes),
		cmocka_unit_test(drift_holds_until_the_reset),
		cmocka_unit_test(a_learned_baseline_survives_the_reset_alone),
		cmocka_unit_test(a_constant_warm_up_does_not_fire_on_rounding),
		cmocka_unit_test(without_a_baseline_nothing_is_known),
		cmocka_unit_test(scale_changes_no_firing),
		cmocka_unit_test(change_counts_in_its_unit),
		cmocka_unit_test(expected_run_grows_with_the_sub_keys),
		cmocka_unit_test(a_bernoulli_baseline_brings_its_limit),
		cmocka_unit_test(no_error_is_no_rate_of_zero),
		cmocka_unit_test(a_map_of_charts_has_the_limits_of_longer_runs),
		cmocka_unit_test(what_does_not_fit_is_told),
		cmocka_unit_test(a_cusum_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
