/* Vectors of distances (1e-9), p-values (1e-6) and special functions.  Formulas that
 * no rule uses, of other libraries, are written out here. */
#include "signal/distance.h"

#include <glib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "signal/special.h"
#include "vectors.h"

#define VALUE 1e-9
#define P_VALUE 1e-6

struct pair {			/* two histograms of b cells */
	double	*ref, *cur;
	uint32_t b;
};

static double *list(const json_t *o, const char *key, uint32_t *n)
{
	const json_t *a = json_object_get(o, key);
	double *x;

	*n = (uint32_t)json_array_size(a);
	x = g_new0(double, *n + 1);
	for (uint32_t i = 0; i < *n; i++)
		(void)vec_number(json_array_get(a, i), &x[i]);
	return x;
}

static bool starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* ---- histograms ---- */

/* Zero cells become `zero`; shares are not normalised again. */
static double psi_zero(const struct pair *h, double zero)
{
	double m = counts_sum(h->ref, h->b), n = counts_sum(h->cur, h->b), s = 0;

	for (uint32_t i = 0; i < h->b; i++) {
		double p = h->ref[i] > 0 ? h->ref[i] / m : zero;
		double q = h->cur[i] > 0 ? h->cur[i] / n : zero;

		s += (q - p) * log(q / p);
	}
	return s;
}

static double kl_zero(const struct pair *h, double zero)
{
	double m = counts_sum(h->ref, h->b), n = counts_sum(h->cur, h->b), s = 0;
	double sp = 0, sq = 0;

	for (uint32_t i = 0; i < h->b; i++) {
		sp += h->ref[i] > 0 ? h->ref[i] / m : zero;
		sq += h->cur[i] > 0 ? h->cur[i] / n : zero;
	}
	for (uint32_t i = 0; i < h->b; i++) {
		double p = (h->ref[i] > 0 ? h->ref[i] / m : zero) / sp;
		double q = (h->cur[i] > 0 ? h->cur[i] / n : zero) / sq;

		s += p * log(p / q);
	}
	return s;
}

static double tvd(const struct pair *h)
{
	double m = counts_sum(h->ref, h->b), n = counts_sum(h->cur, h->b), s = 0;

	for (uint32_t i = 0; i < h->b; i++)
		s += fabs(h->ref[i] / m - h->cur[i] / n);
	return s / 2;
}

static double goodness(const struct pair *h)
{
	double m = counts_sum(h->ref, h->b), n = counts_sum(h->cur, h->b), s = 0;

	for (uint32_t i = 0; i < h->b; i++) {
		double e = h->ref[i] / m * n;

		s += (h->cur[i] - e) * (h->cur[i] - e) / e;
	}
	return s;
}

static void chi2_field(struct vec *v, const char *name, const json_t *want, double stat,
    uint32_t df)
{
	double x = 0;

	(void)vec_number(json_object_get(want, "stat"), &x);
	vec_near(v, x, stat, VALUE, "%s stat", name);
	(void)vec_number(json_object_get(want, "df"), &x);
	vec_check(v, x == df, "%s df: %u", name, df);
	(void)vec_number(json_object_get(want, "p"), &x);
	vec_near(v, x, chi2_sf(stat, df), P_VALUE, "%s p", name);
}

/* A field that is a number; NaN: unknown. */
static double histogram_value(const char *key, const struct pair *h)
{
	double w = 1 / counts_sum(h->ref, h->b) + 1 / counts_sum(h->cur, h->b);

	return starts(key, "psi_half_count") ? psi(h->ref, h->cur, h->b) :
	    starts(key, "psi_evidently") ? psi_zero(h, 1e-4) :
	    starts(key, "psi_frouros") ? psi_zero(h, 2.2250738585072014e-308) :
	    starts(key, "kl(ref||cur)") ? kl_zero(h, 1e-4) :
	    starts(key, "js_divergence_nat") ? js_divergence(h->ref, h->cur, h->b) :
	    starts(key, "js_divergence_bits") ?
		js_divergence(h->ref, h->cur, h->b) / log(2) :
	    starts(key, "js_distance_nat") ? sqrt(js_divergence(h->ref, h->cur, h->b)) :
	    starts(key, "js_distance_base2") ? js_distance(h->ref, h->cur, h->b) :
	    starts(key, "hellinger") ? hellinger(h->ref, h->cur, h->b) :
	    starts(key, "tvd") ? tvd(h) :
	    starts(key, "l_infinity") ? linf(h->ref, h->cur, h->b) :
	    starts(key, "psi_null_mean") ? (h->b - 1) * w :
	    starts(key, "psi_null_q95") ? chi2_ppf(.95, h->b - 1) * w :
	    starts(key, "psi_null_q999") ? chi2_ppf(.999, h->b - 1) * w : (double)NAN;
}

static void histogram(struct vec *v, const json_t *e, const struct pair *h,
    const char *name)
{
	const char *key;
	json_t *j;

	json_object_foreach((json_t *)(uintptr_t)e, key, j) {
		char at[200];
		uint32_t df;
		double x, got = histogram_value(key, h);

		if (strcmp(key, "name") == 0 || strstr(key, "_counts"))
			continue;
		g_snprintf(at, sizeof at, "histograms %s %s", name, key);
		if (starts(key, "chi2_goodness")) {
			chi2_field(v, at, j, goodness(h), h->b - 1);
		} else if (starts(key, "chi2_two_sample")) {
			double stat = chi2_two_sample(h->ref, h->cur, h->b, &df);

			chi2_field(v, at, j, stat, df);
		} else if (!isnan(got) && vec_number(j, &x)) {
			vec_near(v, x, got, VALUE, "%s", at);
		} else {
			vec_skip(v, "%s", at);
		}
	}
}

void vec_histograms(struct vec *v, const json_t *rows)
{
	size_t i;
	json_t *e;

	json_array_foreach((json_t *)(uintptr_t)rows, i, e) {
		const char *name = json_string_value(json_object_get(e, "name"));
		struct pair h = { 0 };
		uint32_t n;

		h.ref = list(e, "ref_counts", &h.b);
		h.cur = list(e, "cur_counts", &n);
		if (h.b > 1 && n == h.b)
			histogram(v, e, &h, name ? name : "");
		else
			vec_skip(v, "histograms[%zu]", i);
		g_free(h.ref);
		g_free(h.cur);
	}
}

/* ---- samples ---- */

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double mean(const double *x, uint32_t n)
{
	return counts_sum(x, n) / n;
}

static double sd0(const double *x, uint32_t n)
{
	double mu = mean(x, n), s = 0;

	for (uint32_t i = 0; i < n; i++)
		s += (x[i] - mu) * (x[i] - mu);
	return sqrt(s / n);
}

static double crit(double alpha, double m, double n)
{
	return sqrt(-log(alpha / 2) / 2) * sqrt((n + m) / (n * m));
}

/* P(D >= d) without ties: the share of lattice paths that leave the band. */
static double ks_exact(double d, uint32_t m, uint32_t n)
{
	double *stay = g_new0(double, n + 1), r;

	for (uint32_t i = 0; i <= m; i++)
		for (uint32_t j = 0; j <= n; j++) {
			double from = i == 0 && j == 0 ? 1 : 0;

			/* chances: steps to the right are i of i + j */
			if (i > 0)
				from += stay[j] * i / (i + j);
			if (j > 0)
				from += stay[j - 1] * j / (i + j);
			stay[j] = fabs((double)i / m - (double)j / n) > d - 1e-9 ?
			    0 : from;
		}
	r = 1 - stay[n];
	g_free(stay);
	return r;
}

static double sample_value(const char *key, const struct samples *s)
{
	double en = sqrt((double)s->m * s->n / (s->m + s->n));
	double d = ks_distance(s->ref, s->m, s->cur, s->n);

	return strcmp(key, "ks_D") == 0 ? d :
	    strcmp(key, "ks_p_exact") == 0 ? (d > 0 ? ks_exact(d, s->m, s->n) : 1) :
	    strcmp(key, "ks_p_kolmogorov_limit") == 0 ? kolmogorov_sf(en * d) :
	    strcmp(key, "ks_p_stephens") == 0 ? ks_p_stephens(d, s->n, s->m) :
	    strcmp(key, "ks_crit_alpha_0_05") == 0 ? crit(.05, s->m, s->n) :
	    strcmp(key, "ks_crit_alpha_1e_3") == 0 ? crit(1e-3, s->m, s->n) :
	    strcmp(key, "wasserstein1") == 0 ?
		wasserstein(s->ref, s->m, s->cur, s->n) :
	    strcmp(key, "wasserstein1_over_ref_sd_ddof0") == 0 ?
		wasserstein(s->ref, s->m, s->cur, s->n) /
		    fmax(sd0(s->ref, s->m), .001) :
	    strcmp(key, "mean_ref") == 0 ? mean(s->ref, s->m) :
	    strcmp(key, "mean_cur") == 0 ? mean(s->cur, s->n) : vec_other_value(key, s);
}

void vec_samples(struct vec *v, const json_t *rows)
{
	size_t i;
	json_t *e, *j;
	const char *key;

	json_array_foreach((json_t *)(uintptr_t)rows, i, e) {
		const char *name = json_string_value(json_object_get(e, "name"));
		struct samples s = { 0 };

		s.ref = list(e, "ref", &s.m);
		s.cur = list(e, "cur", &s.n);
		qsort(s.ref, s.m, sizeof *s.ref, ascending);
		qsort(s.cur, s.n, sizeof *s.cur, ascending);
		json_object_foreach(e, key, j) {
			bool data = !strcmp(key, "ref") || !strcmp(key, "cur") ||
			    !strcmp(key, "name");
			double x, got = s.m && s.n ? sample_value(key, &s) : (double)NAN;

			if (data)
				continue;
			if (isnan(got) || !vec_number(j, &x))
				vec_skip(v, "samples %s %s", name, key);
			else
				vec_near(v, x, got, strstr(key, "_p_") ? P_VALUE : VALUE,
				    "samples %s %s", name, key);
		}
		g_free(s.ref);
		g_free(s.cur);
	}
}

/* ---- special functions ---- */

static double get(const json_t *o, const char *key)
{
	double x = NAN;

	return vec_number(json_object_get(o, key), &x) ? x : (double)NAN;
}

static bool special(struct vec *v, const char *key, const json_t *e)
{
	double x = get(e, "x"), p = get(e, "p"), df = get(e, "df"), sf = get(e, "sf");

	if (starts(key, "kolmogorov_sf"))
		vec_near(v, sf, kolmogorov_sf(x), P_VALUE, "%s(%g)", key, x);
	else if (starts(key, "chi2_sf"))
		vec_near(v, sf, chi2_sf(x, df), P_VALUE, "%s(%g, %g)", key, x, df);
	else if (starts(key, "chi2_ppf"))
		vec_near(v, x, chi2_ppf(p, df), VALUE, "%s(%g, %g)", key, p, df);
	else if (starts(key, "norm_ppf"))
		vec_near(v, x, norm_ppf(p), VALUE, "%s(%g)", key, p);
	else if (starts(key, "binom_sf"))
		vec_near(v, sf, binom_sf((uint32_t)get(e, "n"), (uint32_t)get(e, "k"), p),
		    P_VALUE, "%s(%g, %g, %g)", key, get(e, "n"), get(e, "k"), p);
	else
		return vec_other_special(v, key, e);
	return true;
}

void vec_special(struct vec *v, const json_t *all)
{
	const char *key;
	json_t *rows, *e;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)all, key, rows)
		json_array_foreach(rows, i, e)
			if (!special(v, key, e)) {
				vec_skip(v, "%s", key);
				break;
			}
}

/* Rows of a simulation: the limit can be computed, the shares are another program's. */
void vec_psi(struct vec *v, const json_t *rows)
{
	size_t i;
	json_t *e, *j;
	const char *key;

	json_array_foreach((json_t *)(uintptr_t)rows, i, e) {
		double m = get(e, "n_ref"), n = get(e, "n_cur");

		if (isnan(m) || isnan(n)) {
			vec_skip(v, "[%zu]", i);
			continue;
		}
		json_object_foreach(e, key, j) {
			double got = chi2_isf(.001, 9) * (1 / n + 1 / m);

			if (strcmp(key, "threshold_a001") == 0)
				vec_check(v, fabs(json_number_value(j) - got) < 5.1e-5,
				    "[%zu] %s: %.17g", i, key, got);
			else if (strcmp(key, "n_ref") != 0 && strcmp(key, "n_cur") != 0)
				vec_skip(v, "[%zu] %s", i, key);
		}
	}
}
