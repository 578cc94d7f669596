/* Tests against a baseline: the window's state, and the limits. */
#include "signal/test.h"

#include <glib.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "signal/distance.h"
#include "signal/special.h"

struct window {
	uint64_t n;		/* samples of the open window */
	uint32_t cells;		/* of `x` in use: counts, or samples kept */
	uint8_t	 known, drift, pad[2];
	double	 stat, limit, p, rn, rm;	/* the held result */
	double	 x[];
};

static const struct test_def defs[] = {
	{ "psi", "population stability index", TEST_PSI, .1, 30 },
	{ "js", "Jensen-Shannon distance, base 2", TEST_JS, .1, 30 },
	{ "chi2", "chi-square of two samples", TEST_CHI2, 0, 30 },
	{ "linf", "greatest change of a share", TEST_LINF, .1, 100 },
	{ "hellinger", "Hellinger distance", TEST_HELLINGER, .1, 30 },
	{ "ks", "Kolmogorov-Smirnov of two samples", TEST_KS, 0, 30 },
	{ "wasserstein", "Wasserstein distance over the deviation", TEST_WASSERSTEIN, .1,
	  30 },
};

const struct test_def *test_defs(uint32_t *n)
{
	*n = G_N_ELEMENTS(defs);
	return defs;
}

const struct test_def *test_def(struct str name)
{
	for (uint32_t i = 0; i < G_N_ELEMENTS(defs); i++)
		if (str_is(name, str_of(defs[i].name)))
			return &defs[i];
	return NULL;
}

void test_spec_init(struct test_spec *s, const struct test_def *def)
{
	*s = (struct test_spec){ .def = def, .alpha = .001, .floor = def->floor,
		.min_n = def->min_n };
}

/* ---- limits ---- */

static double least(const struct test_spec *s, double limit)
{
	return fmax(limit, s->floor);
}

/* The distance at which Stephens' p is alpha. */
static double ks_limit(double n, double m, double alpha)
{
	double lo = 0, hi = 1;

	for (int i = 0; i < 60; i++) {
		double d = (lo + hi) / 2;

		if (ks_p_stephens(d, n, m) > alpha)
			lo = d;
		else
			hi = d;
	}
	return hi;
}

static double wasserstein_limit(double w, double alpha)
{
	return 4.2 * sqrt(w) * sqrt(log(2 / alpha) / log(2000));
}

static double wasserstein_p(double w, double stat)
{
	double u = stat / (4.2 * sqrt(w));

	return fmin(1, 2 * exp(-u * u * log(2000)));
}

/* Greatest p(1-p) of the shares of both together: an empty cell of one has its own. */
static double spread(const double *ref, const double *cur, uint32_t b, double all)
{
	double v = 0;

	for (uint32_t i = 0; i < b; i++) {
		double p = (ref[i] + cur[i]) / all;

		v = fmax(v, p * (1 - p));
	}
	return v;
}

static void linf_counts(const struct test_spec *s, const double *ref, const double *cur,
    uint32_t b, double alpha, struct test_view *v)
{
	double w = 1 / v->n + 1 / v->m, sd = sqrt(spread(ref, cur, b, v->n + v->m) * w);

	v->stat = linf(ref, cur, b);
	v->limit = least(s, norm_ppf(1 - alpha / (2 * b)) * sd);
	v->p = sd > 0 ? fmin(1, 2 * b * norm_cdf(-v->stat / sd)) : 1;
}

static void chi2_counts(const double *ref, const double *cur, uint32_t b, double alpha,
    struct test_view *v)
{
	uint32_t df;

	v->stat = chi2_two_sample(ref, cur, b, &df);
	v->limit = df ? chi2_isf(alpha, df) : (double)NAN;
	v->p = df ? chi2_sf(v->stat, df) : 1;
	v->drift = v->p < alpha;
}

static void ordered_counts(const struct test_spec *s, const struct baseline *base,
    const double *ref, const double *cur, uint32_t b, double alpha, struct test_view *v)
{
	double w = 1 / v->n + 1 / v->m;

	if (s->def->kind == TEST_KS) {
		v->stat = ks_binned(ref, cur, b);
		v->limit = ks_limit(v->n, v->m, alpha);
		v->p = ks_p_stephens(v->stat, v->n, v->m);
		v->drift = v->p < alpha;
		return;
	}
	v->stat = wasserstein_binned(ref, cur, b, base->edges) /
	    baseline_sd(base->mean, base->sd);
	v->limit = least(s, wasserstein_limit(w, alpha));
	v->p = wasserstein_p(w, v->stat);
}

void test_counts(const struct test_spec *s, const struct baseline *base,
    const double *ref, const double *cur, uint32_t b, double alpha, struct test_view *v)
{
	double w;

	v->m = counts_sum(ref, b);
	v->n = counts_sum(cur, b);
	v->known = v->n >= s->min_n && v->m > 0;
	v->drift = false;
	v->stat = v->limit = v->p = NAN;
	if (!v->known)
		return;
	w = 1 / v->n + 1 / v->m;
	switch (s->def->kind) {
	case TEST_PSI:
		v->stat = psi(ref, cur, b);
		v->limit = least(s, chi2_isf(alpha, b - 1) * w);
		v->p = chi2_sf(v->stat / w, b - 1);
		break;
	case TEST_JS:
		v->stat = js_distance(ref, cur, b);
		v->limit = least(s, sqrt(chi2_isf(alpha, b - 1) * w / (8 * log(2))));
		v->p = chi2_sf(v->stat * v->stat * 8 * log(2) / w, b - 1);
		break;
	case TEST_HELLINGER:
		v->stat = hellinger(ref, cur, b);
		v->limit = least(s, sqrt(chi2_isf(alpha, b - 1) * w / 8));
		v->p = chi2_sf(v->stat * v->stat * 8 / w, b - 1);
		break;
	case TEST_LINF:
		linf_counts(s, ref, cur, b, alpha, v);
		break;
	case TEST_CHI2:
		chi2_counts(ref, cur, b, alpha, v);
		return;
	default:
		ordered_counts(s, base, ref, cur, b, alpha, v);
		if (s->def->kind == TEST_KS)
			return;
	}
	v->drift = v->stat > v->limit;
}

void test_samples(const struct test_spec *s, const double *ref, uint32_t m,
    const double *cur, uint32_t n, double sd, double alpha, struct test_view *v)
{
	double w = 1.0 / n + 1.0 / m;

	v->known = true;
	if (s->def->kind == TEST_KS) {
		v->stat = ks_distance(ref, m, cur, n);
		v->limit = ks_limit(n, m, alpha);
		v->p = ks_p_stephens(v->stat, n, m);
		v->drift = v->p < alpha;
		return;
	}
	v->stat = wasserstein(ref, m, cur, n) / sd;
	v->limit = least(s, wasserstein_limit(w, alpha));
	v->p = wasserstein_p(w, v->stat);
	v->drift = v->stat > v->limit;
}

/* ---- the window ---- */

static bool ordered(const struct test_spec *s)
{
	return s->def->kind == TEST_KS || s->def->kind == TEST_WASSERSTEIN;
}

static bool takes_values(const struct test_spec *s, const struct baseline *b)
{
	return ordered(s) && b->values_n >= 2;
}

bool test_can(const struct test_spec *s, const struct baseline *b)
{
	if (!b)
		return false;
	if (takes_values(s, b))
		return true;
	if (b->counts_n < 2 || b->counts_n > BASELINE_CELLS ||
	    (ordered(s) && b->categories_n))
		return false;
	return s->def->kind != TEST_WASSERSTEIN || (b->edges_n && b->has_sd);
}

uint32_t test_room(const struct test_spec *s, const struct baseline *b, const void *state)
{
	const struct window *w = state;
	uint32_t n = 0;

	if (test_can(s, b) && takes_values(s, b)) {
		for (n = 16; w && n <= w->cells; n *= 2)	/* grows by doubling */
			;
		n = MIN(n, BASELINE_VALUES);
	} else if (test_can(s, b)) {
		n = b->counts_n;
	}
	return (uint32_t)(sizeof *w + MAX(n, w ? w->cells : 0) * sizeof(double));
}

static uint64_t mix(uint64_t z)		/* SplitMix64, Steele et al. 2014 */
{
	z += 0x9e3779b97f4a7c15;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* Algorithm R (Vitter 1985): each sample of the window is kept with equal chance. */
static void keep(const struct test_spec *s, struct window *w, double x)
{
	uint64_t at = w->n;

	if (w->cells < BASELINE_VALUES)
		at = w->cells++;
	else
		at = mix(s->seed ^ mix(w->n)) % (w->n + 1);
	if (at < BASELINE_VALUES)
		w->x[at] = x;
	w->n++;
}

static enum test_fate count(struct window *w, const struct baseline *b, uint32_t cell)
{
	if (cell >= b->counts_n)
		return TEST_INVALID;
	w->cells = b->counts_n;
	w->x[cell]++;
	w->n++;
	return TEST_TAKEN;
}

enum test_fate test_add_number(const struct test_spec *s, void *state,
    const struct baseline *b, double x)
{
	if (!isfinite(x))
		return TEST_INVALID;
	if (!test_can(s, b))
		return TEST_NO_BASELINE;
	if (!takes_values(s, b))
		return count(state, b, baseline_bin(b, x));
	keep(s, state, x);
	return TEST_TAKEN;
}

enum test_fate test_add_category(const struct test_spec *s, void *state,
    const struct baseline *b, struct str text)
{
	if (!test_can(s, b))
		return TEST_NO_BASELINE;
	return takes_values(s, b) ? TEST_INVALID :
	    count(state, b, baseline_category(b, text));
}

enum test_fate test_add_counts(const struct test_spec *s, void *state,
    const struct baseline *b, const double *counts, uint32_t n)
{
	struct window *w = state;
	double sum = 0;

	if (!test_can(s, b))
		return TEST_NO_BASELINE;
	if (takes_values(s, b) || n != b->counts_n)
		return TEST_INVALID;
	for (uint32_t i = 0; i < n; i++) {
		if (!isfinite(counts[i]) || counts[i] < 0)
			return TEST_INVALID;
		sum += counts[i];
	}
	if (!(sum > 0 && sum < 1e15))
		return TEST_INVALID;
	w->cells = n;
	for (uint32_t i = 0; i < n; i++)
		w->x[i] += counts[i];
	w->n += (uint64_t)(sum + .5);
	return TEST_TAKEN;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double sd_of(const double *x, uint32_t n)
{
	double mean = counts_sum(x, n) / n, m2 = 0;

	for (uint32_t i = 0; i < n; i++)
		m2 += (x[i] - mean) * (x[i] - mean);
	return baseline_sd(mean, sqrt(m2 / n));
}

static void close_values(const struct test_spec *s, struct window *w,
    const struct baseline *b, double alpha, struct test_view *v)
{
	double sd = b->has_sd ? baseline_sd(b->mean, b->sd) :
	    sd_of(b->values, b->values_n);

	v->n = w->cells;
	v->m = b->values_n;
	if (w->n < s->min_n)
		return;
	qsort(w->x, w->cells, sizeof *w->x, ascending);
	test_samples(s, b->values, b->values_n, w->x, w->cells, sd, alpha, v);
}

void test_close(const struct test_spec *s, void *state, const struct baseline *b,
    unsigned step)
{
	struct window *w = state;
	struct test_view v = { .stat = NAN, .limit = NAN, .p = NAN };
	double alpha = s->alpha;

	if (w->n == 0)
		return;
	if (s->run > 0)
		alpha = fmin(.5, (double)w->n / ldexp(s->run, (int)step));
	if (test_can(s, b)) {
		if (takes_values(s, b))
			close_values(s, w, b, alpha, &v);
		else if (w->cells == b->counts_n)
			test_counts(s, b, b->counts, w->x, b->counts_n, alpha, &v);
	}
	memset(w->x, 0, w->cells * sizeof *w->x);
	*w = (struct window){ .known = v.known, .drift = v.drift, .stat = v.stat,
		.limit = v.limit, .p = v.p, .rn = v.n, .rm = v.m };
}

void test_read(const struct test_spec *s, const void *state, struct test_view *v)
{
	const struct window *w = state;

	(void)s;
	*v = (struct test_view){ .known = w->known, .drift = w->drift, .waiting = w->n,
		.stat = NAN, .limit = NAN, .p = NAN };
	if (!w->known)
		return;
	v->stat = w->stat;
	v->limit = w->limit;
	v->p = w->p;
	v->n = w->rn;
	v->m = w->rm;
}
