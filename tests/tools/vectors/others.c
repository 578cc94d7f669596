/* Statistics of other libraries that stand in vectors of distances and that no rule
 * uses: written out here, so that their vectors are compared too. */
#include <glib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "signal/special.h"
#include "vectors.h"

static double mean(const double *x, uint32_t n)
{
	double s = 0;

	for (uint32_t i = 0; i < n; i++)
		s += x[i];
	return s / n;
}

static double var(const double *x, uint32_t n)	/* ddof 1 */
{
	double mu = mean(x, n), s = 0;

	for (uint32_t i = 0; i < n; i++)
		s += (x[i] - mu) * (x[i] - mu);
	return n > 1 ? s / (n - 1) : 0;
}

static double welch(const struct samples *s)
{
	double d = mean(s->ref, s->m) - mean(s->cur, s->n);
	double v = var(s->ref, s->m) / s->m + var(s->cur, s->n) / s->n;

	return d == 0 ? 0 : d / sqrt(v);
}

/* Pairs of which the one from `ref` is greater; half of those that are equal. */
static double mann_whitney(const struct samples *s)
{
	double u = 0;

	for (uint32_t i = 0; i < s->m; i++)
		for (uint32_t j = 0; j < s->n; j++)
			u += s->ref[i] > s->cur[j] ? 1 : s->ref[i] == s->cur[j] ? .5 : 0;
	return u;
}

/* sqrt(2 * integral of (F - G)^2), Szekely & Rizzo 2013. */
static double energy(const struct samples *s)
{
	uint32_t i = 0, j = 0;
	double at = fmin(s->ref[0], s->cur[0]), sum = 0;

	while (i < s->m || j < s->n) {
		double x = i == s->m ? s->cur[j] : j == s->n ? s->ref[i] :
		    fmin(s->ref[i], s->cur[j]);
		double d = (double)i / s->m - (double)j / s->n;

		sum += (x - at) * d * d;
		at = x;
		while (i < s->m && s->ref[i] <= x)
			i++;
		while (j < s->n && s->cur[j] <= x)
			j++;
	}
	return sqrt(2 * sum);
}

/* The middle of the ranks that equal values share in both samples. */
static double midrank(const struct samples *s, double x)
{
	double below = 0, equal = 0;

	for (uint32_t i = 0; i < s->m; i++) {
		below += s->ref[i] < x;
		equal += s->ref[i] == x;
	}
	for (uint32_t j = 0; j < s->n; j++) {
		below += s->cur[j] < x;
		equal += s->cur[j] == x;
	}
	return below + (equal + 1) / 2;
}

/* Cramer-von Mises of two samples, Anderson 1962. */
static double cramer(const struct samples *s)
{
	double m = s->m, n = s->n, u = 0, a = 0, b = 0;

	for (uint32_t i = 0; i < s->m; i++)
		a += pow(midrank(s, s->ref[i]) - (i + 1.0), 2);
	for (uint32_t j = 0; j < s->n; j++)
		b += pow(midrank(s, s->cur[j]) - (j + 1.0), 2);
	u = m * a + n * b;
	return u / (m * n * (m + n)) - (4 * m * n - 1) / (6 * (m + n));
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double pooled(const struct samples *s, uint32_t i)
{
	return i < s->m ? s->ref[i] : s->cur[i - s->m];
}

/* Median of the distances of all pairs of both samples. */
static double mmd_sigma(const struct samples *s)
{
	uint32_t all = s->m + s->n, k = 0;
	double *d = g_new(double, all * (all - 1) / 2 + 1), r;

	for (uint32_t i = 0; i < all; i++)
		for (uint32_t j = i + 1; j < all; j++)
			d[k++] = fabs(pooled(s, i) - pooled(s, j));
	qsort(d, k, sizeof *d, ascending);
	r = k % 2 ? d[k / 2] : (d[k / 2 - 1] + d[k / 2]) / 2;
	g_free(d);
	return r;
}

/* Gretton et al. 2012, Gaussian kernel. */
static double mmd2(const struct samples *s, bool biased)
{
	double sigma = mmd_sigma(s), xx = 0, yy = 0, xy = 0, m = s->m, n = s->n;

	for (uint32_t i = 0; i < s->m + s->n; i++)
		for (uint32_t j = 0; j < s->m + s->n; j++) {
			double d = pooled(s, i) - pooled(s, j);
			double k = exp(-d * d / (2 * sigma * sigma));

			if (i == j && !biased)
				continue;
			if (i < s->m && j < s->m)
				xx += k;
			else if (i >= s->m && j >= s->m)
				yy += k;
			else
				xy += k;
		}
	return biased ? xx / (m * m) + yy / (n * n) - xy / (m * n) :
	    xx / (m * (m - 1)) + yy / (n * (n - 1)) - xy / (m * n);
}

double vec_other_value(const char *key, const struct samples *s)
{
	return strcmp(key, "welch_t") == 0 ? welch(s) :
	    strcmp(key, "mannwhitney_u") == 0 ? mann_whitney(s) :
	    strcmp(key, "energy_distance_scipy") == 0 ? energy(s) :
	    strcmp(key, "cvm_T") == 0 ? cramer(s) :
	    strcmp(key, "mmd_sigma_median") == 0 ? mmd_sigma(s) :
	    strcmp(key, "mmd2_biased") == 0 ? mmd2(s, true) :
	    strcmp(key, "mmd2_unbiased") == 0 ? mmd2(s, false) : (double)NAN;
}

static void wilson(struct vec *v, const char *key, const json_t *e)
{
	double k = json_number_value(json_object_get(e, "k"));
	double n = json_number_value(json_object_get(e, "n")), z = norm_ppf(.975);
	double p = k / n, mid = p + z * z / (2 * n), den = 1 + z * z / n;
	double half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n));

	vec_near(v, json_number_value(json_object_get(e, "lo")), (mid - half) / den, 1e-9,
	    "%s(%g, %g) lo", key, k, n);
	vec_near(v, json_number_value(json_object_get(e, "hi")), (mid + half) / den, 1e-9,
	    "%s(%g, %g) hi", key, k, n);
}

static double choose(double n, double k)	/* its logarithm */
{
	return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1);
}

/* Sum of the tables that are no more likely than the one given. */
static void fisher(struct vec *v, const char *key, const json_t *e)
{
	double t[4], r, c, all, p = 0, own;

	for (size_t i = 0; i < 4; i++)
		t[i] = json_number_value(json_array_get(
		    json_array_get(json_object_get(e, "table"), i / 2), i % 2));
	r = t[0] + t[1];
	c = t[0] + t[2];
	all = r + t[2] + t[3];
	own = choose(c, t[0]) + choose(all - c, r - t[0]) - choose(all, r);
	for (double k = fmax(0, r + c - all); k <= fmin(r, c); k++) {
		double l = choose(c, k) + choose(all - c, r - k) - choose(all, r);

		if (l <= own + 1e-7)
			p += exp(l);
	}
	vec_near(v, json_number_value(json_object_get(e, "p")), p, 1e-6, "%s", key);
}

bool vec_other_special(struct vec *v, const char *key, const json_t *e)
{
	if (strncmp(key, "wilson_interval_95", 18) == 0)
		wilson(v, key, e);
	else if (strncmp(key, "fisher_exact_2x2", 16) == 0)
		fisher(v, key, e);
	else
		return false;
	return true;
}
