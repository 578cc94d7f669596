/* ADWIN: Bifet & Gavalda, SDM 2007, over the exponential histogram of Babcock et al.,
 * PODS 2003.  The variant that is pinned here: every bucket but the newest one is a
 * cut, tested every `clock` samples; after a detection the window begins empty
 * (detect_reset; detect_clear keeps what remained, as the paper has it).
 *
 * Row i holds up to max_buckets + 1 buckets of 2^i samples, the oldest first; the last
 * row is the oldest.  The state grows by a row before the last one is full. */
#include <stddef.h>

#include "signal/detect_priv.h"

enum { A_DELTA = 0, A_CLOCK, A_BUCKETS, A_WINDOW, A_GRACE };
#define ROWS_MAX 40

struct row { uint32_t n, pad; struct adwin_bucket b[]; };
struct cut { double n0, n1, u0, u1; };

static uint32_t row_max(const struct detect_spec *s)
{
	return PAR_N(s, A_BUCKETS) + 1;
}

static uint32_t row_bytes(const struct detect_spec *s)
{
	return (uint32_t)(sizeof(struct row) + row_max(s) * sizeof(struct adwin_bucket));
}

static struct row *row(const struct detect_spec *s, struct adwin *a, uint32_t i)
{
	return (struct row *)((char *)(a + 1) + (size_t)i * row_bytes(s));
}

static uint32_t rows_max(const struct detect_spec *s)
{
	uint32_t room = (DETECT_STATE_MAX - 128) / row_bytes(s);

	return room < ROWS_MAX ? room : ROWS_MAX;
}

uint32_t adwin_bytes(const struct detect_spec *s, const void *body)
{
	uint32_t rows = body ? ((const struct adwin *)body)->rows + 1 : 1;

	return (uint32_t)sizeof(struct adwin) +
	    (rows < rows_max(s) ? rows : rows_max(s)) * row_bytes(s);
}

static double row_size(uint32_t i)
{
	return ldexp(1, (int)i);
}

static void row_drop(struct row *r, uint32_t n)
{
	memmove(r->b, r->b + n, (r->n - n) * sizeof *r->b);
	memset(r->b + r->n - n, 0, n * sizeof *r->b);
	r->n -= n;
}

/* Takes the oldest bucket out of the window. */
static double drop_oldest(const struct detect_spec *s, struct adwin *a)
{
	struct row *r = row(s, a, a->rows - 1);
	double n = row_size(a->rows - 1), u = r->b[0].total, v = r->b[0].m2, d, w;

	a->width -= (uint64_t)n;
	a->total -= u;
	w = (double)a->width;
	if (a->width > 0) {
		d = u / n - a->total / w;
		a->m2 -= v + n * w * d * d / (n + w);
	} else {
		a->m2 = 0;
	}
	row_drop(r, 1);
	a->buckets--;
	while (a->rows > 1 && row(s, a, a->rows - 1)->n == 0)
		a->rows--;
	return n;
}

static void merge(const struct detect_spec *s, struct adwin *a, uint32_t i)
{
	struct row *r = row(s, a, i), *up;
	double n = row_size(i), d = r->b[0].total / n - r->b[1].total / n;
	struct adwin_bucket b = { .total = r->b[0].total + r->b[1].total,
		.m2 = r->b[0].m2 + r->b[1].m2 + n * n * d * d / (n + n) };

	if (i + 1 == a->rows)
		a->rows++;
	up = row(s, a, i + 1);
	up->b[up->n++] = b;
	row_drop(r, 2);
	a->buckets--;
}

static void insert(const struct detect_spec *s, struct adwin *a, double x)
{
	double n, d;

	if (a->rows == 0)
		a->rows = 1;
	row(s, a, 0)->b[row(s, a, 0)->n++] = (struct adwin_bucket){ .total = x };
	a->buckets++;
	a->width++;
	n = (double)a->width;
	if (n > 1) {
		d = x - a->total / (n - 1);
		a->m2 += (n - 1) * d * d / n;
	}
	a->total += x;
	for (uint32_t i = 0; i < a->rows && row(s, a, i)->n == row_max(s); i++) {
		if (i + 1 < rows_max(s))
			merge(s, a, i);
		else
			(void)drop_oldest(s, a);	/* 2^40 samples */
	}
}

static double epsilon(const struct detect_spec *s, const struct adwin *a, double n0,
    double n1)
{
	double dp = log(2 * log((double)a->width) / PAR(s, A_DELTA));
	double less = PAR(s, A_WINDOW) - 1;
	double r = 1 / (n0 - less) + 1 / (n1 - less);

	return sqrt(2 * r * fmax(0, a->m2 / (double)a->width) * dp) + 2.0 / 3 * dp * r;
}

static bool cuts(const struct detect_spec *s, const struct adwin *a, const struct cut *c)
{
	double d = fabs(c->u0 / c->n0 - c->u1 / c->n1), least = PAR(s, A_WINDOW);

	return c->n0 >= least && c->n1 >= least && d > epsilon(s, a, c->n0, c->n1);
}

/* From the oldest cut to the newest: is one significant? */
static bool scan(const struct detect_spec *s, struct adwin *a)
{
	struct cut c = { .n1 = (double)a->width, .u1 = a->total };

	for (uint32_t i = a->rows; i-- > 0;) {
		struct row *r = row(s, a, i);

		for (uint32_t k = 0; k < r->n; k++) {
			c.n0 += row_size(i);
			c.n1 -= row_size(i);
			c.u0 += r->b[k].total;
			c.u1 -= r->b[k].total;
			if (c.n1 < 1)
				return false;
			if (cuts(s, a, &c))
				return true;
		}
	}
	return false;
}

void adwin_feed(struct feed *f, double x)
{
	struct adwin *a = f->body;

	insert(f->spec, a, x);
	if (f->head->n % PAR_N(f->spec, A_CLOCK) != 0 ||
	    (double)a->width <= PAR(f->spec, A_GRACE))
		return;
	f->head->ready = 1;
	while (a->width > 1 && scan(f->spec, a)) {
		f->head->drift = 1;
		(void)drop_oldest(f->spec, a);
	}
}

void adwin_view(const struct look *k, struct detect_view *v)
{
	const struct adwin *a = k->body;

	v->known = k->head->ready;
	v->limit = PAR(k->spec, A_DELTA);
	if (a->width == 0)
		return;
	v->mean = a->total / (double)a->width;
	v->sd = sqrt(fmax(0, a->m2 / (double)a->width));
	v->stat = (double)a->width;
}
