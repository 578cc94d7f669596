/* Special functions, each from its series, continued fraction or inverse by bisection:
 * short, and the same on every machine with IEEE-754 doubles and the same libm. */
#include "signal/special.h"

#include <float.h>
#include <math.h>

#define TERMS 100000
#define PI 3.14159265358979323846

static double log_gamma(double a)
{
	int sign;

	return lgamma_r(a, &sign);
}

/* x^a e^-x / Gamma(a + 1), DLMF 8.7.1 times x^a. */
static double gamma_front(double a, double x)
{
	return exp(a * log(x) - x - log_gamma(a + 1));
}

/* DLMF 8.11.4: gamma(a, x) = x^a e^-x sum x^k / (a)_{k+1}; for x < a + 1. */
static double gamma_series(double a, double x)
{
	double term = 1, sum = 1;

	for (int k = 1; k < TERMS && term > sum * DBL_EPSILON / 4; k++) {
		term *= x / (a + k);
		sum += term;
	}
	return sum * gamma_front(a, x);
}

/* DLMF 8.9.2 as an even part, by the method of Lentz (Thompson & Barnett 1986). */
static double gamma_fraction(double a, double x)
{
	double b = x + 1 - a, c = 1e300, d = 1 / b, f = d;

	for (int k = 1; k < TERMS; k++) {
		double an = -k * (k - a), step;

		b += 2;
		d = an * d + b;
		d = 1 / (fabs(d) < 1e-300 ? 1e-300 : d);
		c = b + an / c;
		c = fabs(c) < 1e-300 ? 1e-300 : c;
		step = d * c;
		f *= step;
		if (fabs(step - 1) < DBL_EPSILON)
			break;
	}
	return f * a * gamma_front(a, x);
}

double gamma_q(double a, double x)
{
	if (x <= 0)
		return 1;
	return x < a + 1 ? 1 - gamma_series(a, x) : gamma_fraction(a, x);
}

double gamma_p(double a, double x)
{
	if (x <= 0)
		return 0;
	return x < a + 1 ? gamma_series(a, x) : 1 - gamma_fraction(a, x);
}

double chi2_sf(double x, double df)
{
	return gamma_q(df / 2, x / 2);
}

static double middle(double lo, double hi)
{
	return lo + (hi - lo) / 2;
}

double chi2_isf(double alpha, double df)
{
	double lo = 0, hi = df + 10;

	while (chi2_sf(hi, df) > alpha)
		hi *= 2;
	for (double x = middle(lo, hi); x > lo && x < hi; x = middle(lo, hi)) {
		if (chi2_sf(x, df) > alpha)
			lo = x;
		else
			hi = x;
	}
	return hi;
}

double chi2_ppf(double p, double df)
{
	double lo = 0, hi = df + 10;

	if (p > .5)
		return chi2_isf(1 - p, df);
	while (gamma_p(df / 2, hi / 2) < p)
		hi *= 2;
	for (double x = middle(lo, hi); x > lo && x < hi; x = middle(lo, hi)) {
		if (gamma_p(df / 2, x / 2) < p)
			lo = x;
		else
			hi = x;
	}
	return hi;
}

double norm_cdf(double x)	/* DLMF 7.17 */
{
	return erfc(-x / sqrt(2)) / 2;
}

double norm_ppf(double p)
{
	double lo = -40, hi = 0;

	if (p > .5)
		return -norm_ppf(1 - p);
	for (double x = middle(lo, hi); x > lo && x < hi; x = middle(lo, hi)) {
		if (norm_cdf(x) < p)
			lo = x;
		else
			hi = x;
	}
	return hi;
}

/* Both series of Kolmogorov 1933 (and Smirnov 1948): the second for small x. */
double kolmogorov_sf(double x)
{
	double sum = 0;

	if (x <= 0)
		return 1;
	if (x < 1) {
		for (int k = 1; k <= 20; k++)
			sum += exp(-(2 * k - 1) * (2 * k - 1) * PI * PI / (8 * x * x));
		return 1 - sqrt(2 * PI) / x * sum;
	}
	for (int k = 1; k <= 20; k++)
		sum += (k % 2 ? 1 : -1) * exp(-2.0 * k * k * x * x);
	return 2 * sum;
}

double ks_p_stephens(double d, double n, double m)
{
	double en = sqrt(n * m / (n + m));

	return fmin(1, kolmogorov_sf((en + .12 + .11 / en) * d));
}

static double binom_term(uint32_t n, uint32_t k, double p)
{
	return exp(log_gamma(n + 1.0) - log_gamma(k + 1.0) - log_gamma(n - k + 1.0) +
	    k * log(p) + (n - k) * log1p(-p));
}

double binom_sf(uint32_t n, uint32_t k, double p)
{
	double term, sum;

	if (k == 0)
		return 1;
	if (k > n || p <= 0)
		return 0;
	if (p >= 1)
		return 1;
	if (k <= n * p) {	/* the other tail is the shorter one */
		sum = term = binom_term(n, k - 1, p);
		for (uint32_t i = k - 1; i > 0 && term > sum * DBL_EPSILON / 8; i--) {
			term *= i / (n - i + 1.0) * (1 - p) / p;
			sum += term;
		}
		return fmax(0, 1 - sum);
	}
	sum = term = binom_term(n, k, p);
	for (uint32_t i = k; i < n && term > sum * DBL_EPSILON / 8; i++) {
		term *= (n - i) / (i + 1.0) * p / (1 - p);
		sum += term;
	}
	return fmin(1, sum);
}
