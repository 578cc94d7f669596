/* From "one false alarm in N samples" to a detector's limit, and what its parameters
 * must fulfil together.
 *
 *	cusum	Siegmund 1985: ARL = (exp(b) - b - 1) / (2 k^2), b = 2k(h + 1.166),
 *		one-sided; two-sided half of it.  At most .009 low in h.
 *	ewma	Brook & Evans 1972: a Markov chain of 201 states between the steady
 *		limits.  It is symmetric, so that states -i and i are one here.
 *	bernoulli_cusum	the least H whose exact run length at p0 is >= N
 *	binomial, ks	alpha = step / N (true runs are 1.5 to 2.9 N long)
 * Samples are independent in all of them; CUSUM and EWMA suppose a normal distribution
 * with the baseline's mean and deviation. */
#include <glib.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "signal/detect.h"
#include "signal/special.h"

#define EWMA_HALF 101		/* states 0 .. 100 of 201 */
#define H_MAX 20000

static double siegmund(double k, double h)
{
	double b = k * 2 * (h + 1.166);

	if (k < 1e-6)		/* the limit of k towards 0 */
		return (h + 1.166) * (h + 1.166);
	return (exp(b) - b - 1) / (2 * k * k);
}

double limit_cusum(double slack, double run, bool two_sided)
{
	double want = two_sided ? 2 * run : run, lo = 0, hi = 1;

	while (siegmund(slack, hi) < want && hi < 1e6)
		hi *= 2;
	for (int i = 0; i < 100; i++) {
		double h = (lo + hi) / 2;

		if (siegmund(slack, h) < want)
			lo = h;
		else
			hi = h;
	}
	return hi;
}

/* Solves (I - P) x = 1 in place (Gauss, partial pivoting) and gives x[at]. */
static double run_length(double *a, uint32_t n, uint32_t at)
{
	double *x = g_new(double, n), r;

	for (uint32_t i = 0; i < n; i++)
		x[i] = 1;
	for (uint32_t c = 0; c < n; c++) {	/* diagonally dominant: no pivots */
		for (uint32_t i = c + 1; i < n; i++) {
			double f = a[i * n + c] / a[c * n + c];

			if (f == 0)
				continue;
			for (uint32_t j = c; j < n; j++)
				a[i * n + j] -= f * a[c * n + j];
			x[i] -= f * x[c];
		}
	}
	for (uint32_t i = n; i-- > 0;) {
		for (uint32_t j = i + 1; j < n; j++)
			x[i] -= a[i * n + j] * x[j];
		x[i] /= a[i * n + i];
	}
	r = x[at];
	g_free(x);
	return r;
}

/* The chances to step from z below each bound of the 201 cells, of width w. */
static void ewma_bounds(double lambda, double z, double w, double shift,
    double edge[2 * EWMA_HALF])
{
	for (int k = 0; k < 2 * EWMA_HALF; k++)
		edge[k] = norm_cdf(
		    ((k - EWMA_HALF + .5) * w - (1 - lambda) * z) / lambda - shift);
}

static double arl_ewma_zero(double lambda, double l)
{
	double limit = l * sqrt(lambda / (2 - lambda)), r;
	double w = 2 * limit / (2 * EWMA_HALF - 1);
	double *a = g_new(double, EWMA_HALF * EWMA_HALF);

	for (int i = 0; i < EWMA_HALF; i++) {
		double edge[2 * EWMA_HALF], *up = edge + EWMA_HALF - 1;

		ewma_bounds(lambda, i * w, w, 0, edge);
		for (int j = 0; j < EWMA_HALF; j++) {
			double p = up[j + 1] - up[j];

			if (j > 0)
				p += up[1 - j] - up[-j];
			a[i * EWMA_HALF + j] = (i == j) - p;
		}
	}
	r = run_length(a, EWMA_HALF, 0);
	g_free(a);
	return r;
}

double arl_ewma(double lambda, double l, double shift)
{
	double limit = l * sqrt(lambda / (2 - lambda)), r;
	enum { N = 2 * EWMA_HALF - 1 };
	double w = 2 * limit / N, *a;

	if (shift == 0)
		return arl_ewma_zero(lambda, l);
	a = g_new(double, N * N);
	for (int i = 0; i < N; i++) {
		double edge[2 * EWMA_HALF];

		ewma_bounds(lambda, (i - EWMA_HALF + 1) * w, w, shift, edge);
		for (int j = 0; j < N; j++)
			a[i * N + j] = (i == j) - (edge[j + 1] - edge[j]);
	}
	r = run_length(a, N, EWMA_HALF - 1);
	g_free(a);
	return r;
}

/* log ARL is nearly a parabola in L: regula falsi in the logarithm (Illinois), with L
 * between lo and hi. */
static double ewma_between(double lambda, double want, double lo, double hi)
{
	double flo, fhi, l = hi;

	flo = log(arl_ewma_zero(lambda, lo)) - want;
	fhi = log(arl_ewma_zero(lambda, hi)) - want;
	if (flo >= 0 || fhi <= 0)
		return flo >= 0 ? lo : hi;
	for (int i = 0, side = 0; i < 60 && hi - lo > 1e-6; i++) {
		double f;

		l = (lo * fhi - hi * flo) / (fhi - flo);
		f = log(arl_ewma_zero(lambda, l)) - want;
		if (fabs(f) < 1e-6)
			break;
		if (f < 0) {
			lo = l;
			flo = f;
			fhi = side == -1 ? fhi / 2 : fhi;
			side = -1;
		} else {
			hi = l;
			fhi = f;
			flo = side == 1 ? flo / 2 : flo;
			side = 1;
		}
	}
	return l;
}

/* A chart that looks to one side alarms half as often. */
static double ewma_want(double run, bool two_sided)
{
	return log(two_sided ? run : run / 2);
}

double limit_ewma(double lambda, double run, bool two_sided)
{
	return ewma_between(lambda, ewma_want(run, two_sided), .5, 8);
}

/* One side of a CUSUM by a chain of `n` states, Brook & Evans 1972: state 0 is the
 * sum at 0, the others are cells of width w. */
static double arl_cusum_side(double k, double h, double shift)
{
	enum { N = 200 };
	double w = 2 * h / (2 * N - 1), *a = g_new(double, N * N), r;

	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++) {
			double d = (j - i) * w + k - shift;
			double p = j == 0 ? norm_cdf(d + w / 2) :
			    norm_cdf(d + w / 2) - norm_cdf(d - w / 2);

			a[i * N + j] = (i == j) - p;
		}
	r = run_length(a, N, 0);
	g_free(a);
	return r;
}

double arl_cusum(double slack, double h, double shift)
{
	double up = arl_cusum_side(slack, h, shift);
	double down = arl_cusum_side(slack, h, -shift);

	return 1 / (1 / up + 1 / down);
}

uint32_t bernoulli_m(double p0, double p1)
{
	double gamma = log((1 - p0) / (1 - p1)) /
	    log(p1 * (1 - p0) / (p0 * (1 - p1)));
	double m = floor(1 / gamma + .5);

	return m < 2 ? 2 : m > 5000 ? 5000 : (uint32_t)m;
}

/* E(s) = 1 + p E(s+m-1) + q E(s-1), E(s) = 0 from h on.  Downwards the chain goes by
 * one: E(s) = a(s) + b(s) E(s-1), from the top; E(s+m-1) = A + B E(s) is the product
 * of the maps in between, held as two stacks (a queue), each step of constant cost on
 * average. */
struct map { double a, b; };

static struct map after(struct map outer, struct map inner)
{
	return (struct map){ outer.a + outer.b * inner.a, outer.b * inner.b };
}

double arl_bernoulli(uint32_t m, uint32_t h, double p)
{
	struct map *e = g_new(struct map, h + 1), *front = g_new(struct map, h + 1);
	double q = 1 - p;
	struct map back = { 0, 1 };	/* of the places below `split` */
	uint32_t split = h;		/* front[i] is the product of i .. split-1 */

	/* e[s] maps E(s-1) to E(s).  Wanted at s: e[s+m-1] o .. o e[s+1]; the first
	 * place of it falls by one with s, so the highest leaves the queue. */
	for (uint32_t s = h; s-- > 0;) {
		uint32_t top = s + m - 1;	/* s+1 .. top are in the product */
		struct map up = { 0, 0 };	/* beyond the top: E = 0 */

		if (top < h) {
			if (split > top) {
				/* anew: products of e[top] .. down to i */
				struct map x = { 0, 1 };

				for (uint32_t i = s + 1; i <= top; i++) {
					x = after(e[i], x);
					front[i] = x;	/* e[i] o .. o e[s+1] */
				}
				split = s + 1;
				back = (struct map){ 0, 1 };
			}
			up = front[top];
			up = after(up, back);
		}
		e[s].b = q / (1 - p * up.b);
		e[s].a = (1 + p * up.a) / (1 - p * up.b);
		back = after(back, e[s]);
		if (s == 0)
			break;
	}
	/* E(-1) is E(0): E(0) = a + b E(0). */
	double r = e[0].a / (1 - e[0].b);

	g_free(e);
	g_free(front);
	return r;
}

uint32_t limit_bernoulli(uint32_t m, double p0, double run)
{
	uint32_t lo = 1, hi = m;	/* exact(lo) may be enough too */

	while (hi < H_MAX && arl_bernoulli(m, hi, p0) < run) {
		lo = hi + 1;
		hi = MIN(2 * hi, H_MAX);
	}
	if (hi >= H_MAX && arl_bernoulli(m, H_MAX, p0) < run)
		return 0;
	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (arl_bernoulli(m, mid, p0) < run)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* ---- a spec ---- */

static double *own(struct detect_spec *s, const char *name)
{
	return &s->p[detect_par(s->def, str_of(name))];
}

static bool __attribute__((format(printf, 3, 4))) refuse(char *err, uint32_t size,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, size, fmt, ap);
	va_end(ap);
	return false;
}

static bool within(const struct detect_spec *s, char *err, uint32_t size)
{
	for (unsigned i = 0; i < DETECT_PARS && s->def->par[i].name; i++) {
		const struct detect_par *p = &s->def->par[i];

		if (s->p[i] < p->min || s->p[i] > p->max)	/* not for NaN */
			return refuse(err, size, "`%s` must be between %.15g and %.15g, "
			    "not %.15g", p->name, p->min, p->max, s->p[i]);
	}
	return true;
}

static bool fits(struct detect_spec *s, char *err, uint32_t size)
{
	double sign = s->mode == DETECT_DOWN ? -1 : 1;

	switch (s->def->kind) {
	case DETECT_THRESHOLD:
		if (isnan(s->p[0]))
			return refuse(err, size, "threshold needs `fire`");
		if (sign * s->p[1] > sign * s->p[0])
			return refuse(err, size, "`clear` lies beyond `fire`");
		return true;
	case DETECT_CHANGE:
		if (isnan(s->p[0]))
			return refuse(err, size, "change needs `delta`");
		if (s->p[2] > s->p[0])
			return refuse(err, size, "`clear` is more than `delta`");
		return true;
	case DETECT_EDDM:
		return s->p[1] >= s->p[2] ||
		    refuse(err, size, "`alpha` must be >= `beta`");
	case DETECT_KS:
		return s->p[0] - s->p[1] >= 5 ||
		    refuse(err, size, "`window` must be 5 more than `recent`, or more");
	case DETECT_BERNOULLI_CUSUM:
		if (s->p[1] > 0 && s->p[1] <= s->p[0])
			return refuse(err, size, "`p1` must be more than `p0`");
		if (s->p[0] > 0 && s->p[0] < .001 && s->p[3] <= 0)
			return refuse(err, size, "`p0` must be 0.001 or more");
		return s->p[3] <= 0 || s->p[2] > 0 ||
		    refuse(err, size, "with `m` the limit `H` is needed too");
	default:
		return true;
	}
}

/* `before`: the limit of half that run, or 0. */
static double limit_for(const struct detect_spec *s, double run, double before)
{
	bool two = s->mode == DETECT_BOTH;
	double p0, p1;

	switch (s->def->kind) {
	case DETECT_CUSUM:
		return limit_cusum(s->p[0], run, two);
	case DETECT_EWMA:
		if (before <= 0)
			return limit_ewma(s->p[0], run, two);
		return ewma_between(s->p[0], ewma_want(run, two), before, before + .4);
	case DETECT_BERNOULLI_CUSUM:
		p0 = s->p[0];
		if (p0 <= 0)
			return 0;	/* when the baseline is known */
		p1 = s->p[1] > p0 ? s->p[1] : fmin(2 * p0, (1 + p0) / 2);
		return limit_bernoulli(bernoulli_m(p0, p1), p0, run);
	default:			/* binomial, ks: their step is the third */
		return fmin(.5, s->p[2] / run);
	}
}

bool detect_finish(struct detect_spec *s, double run, char *err, uint32_t size)
{
	bool bernoulli = s->def->kind == DETECT_BERNOULLI_CUSUM;

	if (!within(s, err, size) || !fits(s, err, size))
		return false;
	if (run > 0 && !s->def->run)
		return refuse(err, size, "%s has no expected_run: its false alarms are "
		    "bounded by `%s`", s->def->name, s->def->own);
	if (run > 0 && (run < 50 || run > 1e9))
		return refuse(err, size, "expected_run must be 50 to 1000000000 samples");
	s->run = run;
	if (run <= 0 && bernoulli && s->p[2] <= 0)
		run = 10000;
	for (unsigned i = 0; i < DETECT_STEPS; i++) {
		s->limit[i] = run > 0 ?
		    limit_for(s, ldexp(run, (int)i), i ? s->limit[i - 1] : 0) :
		    s->def->own ? *own(s, s->def->own) : 0;
		if (run > 0 && bernoulli && s->p[0] > 0 && s->limit[i] <= 0)
			return refuse(err, size, "expected_run is out of reach: "
			    "its limit would be above %d", H_MAX);
	}
	return true;
}
