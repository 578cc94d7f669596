/* Distances of two histograms or samples: one loop each. */
#include "signal/distance.h"

#include <math.h>

double counts_sum(const double *c, uint32_t b)
{
	double s = 0;

	for (uint32_t i = 0; i < b; i++)
		s += c[i];
	return s;
}

double psi(const double *ref, const double *cur, uint32_t b)
{
	double m = counts_sum(ref, b) + b / 2.0, n = counts_sum(cur, b) + b / 2.0, s = 0;

	for (uint32_t i = 0; i < b; i++) {
		double p = (ref[i] + .5) / m, q = (cur[i] + .5) / n;

		s += (q - p) * log(q / p);
	}
	return s;
}

double js_divergence(const double *ref, const double *cur, uint32_t b)
{
	double m = counts_sum(ref, b), n = counts_sum(cur, b), s = 0;

	for (uint32_t i = 0; i < b; i++) {
		double p = ref[i] / m, q = cur[i] / n, mid = (p + q) / 2;

		s += p > 0 ? p * log(p / mid) / 2 : 0;
		s += q > 0 ? q * log(q / mid) / 2 : 0;
	}
	return fmax(0, s);
}

double js_distance(const double *ref, const double *cur, uint32_t b)
{
	return sqrt(js_divergence(ref, cur, b) / log(2));
}

/* sqrt(1 - sum sqrt(pq)), written so that equal histograms give 0 exactly. */
double hellinger(const double *ref, const double *cur, uint32_t b)
{
	double m = counts_sum(ref, b), n = counts_sum(cur, b), s = 0;

	for (uint32_t i = 0; i < b; i++) {
		double d = sqrt(ref[i] / m) - sqrt(cur[i] / n);

		s += d * d;
	}
	return sqrt(s / 2);
}

double linf(const double *ref, const double *cur, uint32_t b)
{
	double m = counts_sum(ref, b), n = counts_sum(cur, b), d = 0;

	for (uint32_t i = 0; i < b; i++)
		d = fmax(d, fabs(ref[i] / m - cur[i] / n));
	return d;
}

double chi2_two_sample(const double *ref, const double *cur, uint32_t b, uint32_t *df)
{
	double m = counts_sum(ref, b), n = counts_sum(cur, b), s = 0;

	*df = 0;
	for (uint32_t i = 0; i < b; i++) {
		double both = ref[i] + cur[i], em = both * m / (m + n),
		    en = both * n / (m + n);

		if (both <= 0)
			continue;
		++*df;
		s += (ref[i] - em) * (ref[i] - em) / em;
		s += (cur[i] - en) * (cur[i] - en) / en;
	}
	*df -= *df > 0;
	return s;
}

double ks_distance(const double *ref, uint32_t m, const double *cur, uint32_t n)
{
	uint32_t i = 0, j = 0;
	double d = 0;

	while (i < m && j < n) {
		double x = fmin(ref[i], cur[j]);

		while (i < m && ref[i] <= x)
			i++;
		while (j < n && cur[j] <= x)
			j++;
		d = fmax(d, fabs((double)i / m - (double)j / n));
	}
	return d;
}

double ks_binned(const double *ref, const double *cur, uint32_t b)
{
	double m = counts_sum(ref, b), n = counts_sum(cur, b), f = 0, g = 0, d = 0;

	for (uint32_t i = 0; i < b; i++) {
		f += ref[i];
		g += cur[i];
		d = fmax(d, fabs(f / m - g / n));
	}
	return d;
}

double wasserstein(const double *ref, uint32_t m, const double *cur, uint32_t n)
{
	uint32_t i = 0, j = 0;
	double at = fmin(ref[0], cur[0]), s = 0;

	while (i < m || j < n) {
		double x = i == m ? cur[j] : j == n ? ref[i] : fmin(ref[i], cur[j]);

		s += (x - at) * fabs((double)i / m - (double)j / n);
		at = x;
		while (i < m && ref[i] <= x)
			i++;
		while (j < n && cur[j] <= x)
			j++;
	}
	return s;
}

/* Integral of |line| from a to b over a width of 1. */
static double under(double a, double b)
{
	if ((a < 0) == (b < 0))
		return fabs(a + b) / 2;
	return (a * a + b * b) / (2 * (fabs(a) + fabs(b)));
}

double wasserstein_binned(const double *ref, const double *cur, uint32_t b,
    const double *edges)
{
	double m = counts_sum(ref, b), n = counts_sum(cur, b), s = 0;
	double d = ref[0] / m - cur[0] / n;

	for (uint32_t i = 1; i + 1 < b; i++) {
		double next = d + ref[i] / m - cur[i] / n;

		if (d != 0 || next != 0)
			s += (edges[i] - edges[i - 1]) * under(d, next);
		d = next;
	}
	return s;
}
