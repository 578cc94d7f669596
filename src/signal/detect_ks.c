/* Two-window Kolmogorov-Smirnov: the newest `recent` samples of a ring against all the
 * older ones, D > sqrt(-ln(alpha/2)/2) * sqrt((n+m)/(nm)).  (KSWIN, Raab et al. 2020,
 * draws some of the older ones by chance; all of them replay, and see more.)
 *
 * Beside the ring is the order of its places by value, so that a test is one walk. */
#include <stddef.h>

#include "signal/detect_priv.h"

enum { K_WINDOW = 0, K_RECENT, K_STEP };

struct ring {
	uint32_t at, filled;
	double	 d;		/* of the last test */
	double	 v[];		/* window; behind it the order */
};

static uint16_t *order(struct ring *r, uint32_t window)
{
	return (uint16_t *)(r->v + window);
}

uint32_t ks_bytes(const struct detect_spec *s)
{
	return (uint32_t)(sizeof(struct ring) +
	    PAR_N(s, K_WINDOW) * (sizeof(double) + sizeof(uint16_t)));
}

/* The first rank whose value is >= x. */
static uint32_t rank(const struct ring *r, const uint16_t *o, double x)
{
	uint32_t lo = 0, hi = r->filled;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (r->v[o[mid]] < x)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void ring_add(struct ring *r, uint32_t window, double x)
{
	uint16_t *o = order(r, window);
	uint32_t i;

	if (r->filled == window) {
		i = rank(r, o, r->v[r->at]);
		while (o[i] != r->at)
			i++;
		memmove(o + i, o + i + 1, (r->filled - i - 1) * sizeof *o);
		r->filled--;
	}
	i = rank(r, o, x);
	memmove(o + i + 1, o + i, (r->filled - i) * sizeof *o);
	o[i] = (uint16_t)r->at;
	r->v[r->at] = x;
	r->filled++;
	r->at = r->at + 1 == window ? 0 : r->at + 1;
}

/* The greatest distance of the two empirical distributions; ties are taken whole. */
static double distance(struct ring *r, uint32_t window, uint32_t recent)
{
	const uint16_t *o = order(r, window);
	uint32_t old = window - recent, a = 0, b = 0;
	double d = 0;

	for (uint32_t i = 0; i < window; i++) {
		/* r->at is the oldest place */
		uint32_t age = (o[i] + window - r->at) % window;

		if (age < old)
			a++;
		else
			b++;
		if (i + 1 < window && r->v[o[i]] == r->v[o[i + 1]])
			continue;
		d = fmax(d, fabs((double)a / old - (double)b / recent));
	}
	return d;
}

static double bound(const struct detect_spec *s, double alpha)
{
	double n = PAR(s, K_WINDOW) - PAR(s, K_RECENT), m = PAR(s, K_RECENT);

	return sqrt(-log(alpha / 2) / 2) * sqrt((n + m) / (n * m));
}

void ks_feed(struct feed *f, double x)
{
	struct ring *r = f->body;
	uint32_t window = PAR_N(f->spec, K_WINDOW);

	ring_add(r, window, x);
	if (r->filled < window || f->head->n % PAR_N(f->spec, K_STEP) != 0)
		return;
	f->head->ready = 1;
	r->d = distance(r, window, PAR_N(f->spec, K_RECENT));
	f->head->drift = r->d > bound(f->spec, f->limit);
}

void ks_view(const struct look *k, struct detect_view *v)
{
	v->known = k->head->ready;
	v->limit = bound(k->spec, k->limit);
	if (v->known)
		v->stat = ((const struct ring *)k->body)->d;
}
