/* Autocorrelation and season against their definitions, computed in two passes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "signal/correlation.h"

#define N 4000
#define HOUR INT64_C(3600000)

/* SplitMix64 and Box-Muller: a stream that is the same everywhere. */
static uint64_t seed;

static double uniform(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

static double normal(void)
{
	return sqrt(-2 * log(1 - uniform())) * cos(2 * 3.14159265358979 * uniform());
}

static double lag1_by_definition(const double *x, int n)
{
	double m = 0, a = 0, b = 0;

	for (int i = 0; i < n; i++)
		m += x[i] / n;
	for (int i = 0; i < n; i++)
		b += (x[i] - m) * (x[i] - m);
	for (int i = 0; i + 1 < n; i++)
		a += (x[i] - m) * (x[i + 1] - m);
	return a / b;
}

static void lag1_is_what_its_definition_says(void **state)
{
	static double x[N];
	struct correlation c = { 0 };
	double r;

	(void)state;
	seed = 1;
	for (int i = 0; i < N; i++) {
		x[i] = 1e6 + (i ? 0.9 * (x[i - 1] - 1e6) : 0) + normal();
		correlation_add(&c, i * 1000, x[i]);
	}
	assert_true(correlation_lag1(&c, &r));
	assert_true(fabs(r - lag1_by_definition(x, N)) < 1e-7);
	assert_true(r > 0.85 && r < 0.95);	/* phi, within its sampling error */
}

static void independent_samples_have_none(void **state)
{
	struct correlation c = { 0 };
	double r;

	(void)state;
	seed = 2;
	for (int i = 0; i < N; i++) {
		correlation_add(&c, i * HOUR, normal());
		correlation_add(&c, i * HOUR, (double)NAN);	/* passed over */
	}
	assert_true(c.n == N);
	assert_true(correlation_lag1(&c, &r) && fabs(r) < 4 / sqrt(N));
	assert_true(correlation_season(&c, &r) && fabs(r) < 0.05);
}

static void a_daily_wave_is_a_season(void **state)
{
	struct correlation c = { 0 };
	double r;

	(void)state;
	seed = 3;
	/* a wave of amplitude 1 has variance 1/2; noise of variance 1/2: half each */
	for (int i = 0; i < N; i++)
		correlation_add(&c, i * HOUR, sin(i % 24 * 3.14159265358979 / 12) +
		    normal() * sqrt(0.5));
	assert_true(correlation_season(&c, &r));
	assert_true(r > 0.45 && r < 0.55);
}

/* Few samples per hour of the week explain themselves: no season is made of that. */
static void too_little_is_not_told(void **state)
{
	struct correlation c = { 0 };
	double r;

	(void)state;
	seed = 4;
	assert_false(correlation_lag1(&c, &r) || correlation_season(&c, &r));
	for (int i = 0; i < 199; i++)
		correlation_add(&c, i * HOUR, normal());
	assert_false(correlation_lag1(&c, &r));		/* 200 are needed */
	assert_false(correlation_season(&c, &r));	/* 168 bins, 199 samples */
	for (int i = 0; i < 400; i++)
		correlation_add(&c, (int64_t)i * 60000, normal());
	assert_true(correlation_lag1(&c, &r));
	c = (struct correlation){ 0 };
	for (int i = 0; i < N; i++)
		correlation_add(&c, (int64_t)i * 60000, normal());	/* under 7 days */
	assert_false(correlation_season(&c, &r));
	c = (struct correlation){ 0 };
	for (int i = 0; i < N; i++)
		correlation_add(&c, i * HOUR, 5);	/* constant */
	assert_false(correlation_lag1(&c, &r) || correlation_season(&c, &r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lag1_is_what_its_definition_says),
		cmocka_unit_test(independent_samples_have_none),
		cmocka_unit_test(a_daily_wave_is_a_season),
		cmocka_unit_test(too_little_is_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
