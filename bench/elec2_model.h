/* A small classifier and the streams that it serves, for bench/elec2.c alone.
 *
 * The model is a linear discriminant: least squares with a ridge on the label as -1 or
 * +1, solved in one pass over the rows, so that the same rows always give the same model
 * and a training takes a millisecond. */
#ifndef BENCH_ELEC2_MODEL_H
#define BENCH_ELEC2_MODEL_H

#include <glib.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { FEATURES = 10, DAY = 48, CHANGES = 6 };	/* a row each half hour */
#define RIDGE 1e-5		/* times the rows: Victoria's columns begin constant */

struct stream {
	uint32_t	 n;
	double		(*x)[FEATURES];
	bool		*up;
	uint32_t	 change[CHANGES];	/* rows at which the concept changes */
	uint32_t	 changes;
};
struct model {
	double		 w[FEATURES];
	uint32_t	 trained_to;	/* rows before this one were seen */
};

static inline void model_solve(double a[FEATURES][FEATURES + 1], double *w)
{
	for (int i = 0; i < FEATURES; i++) {
		int p = i;

		for (int k = i; k < FEATURES; k++)
			if (fabs(a[k][i]) > fabs(a[p][i]))
				p = k;
		for (int j = 0; j <= FEATURES; j++) {
			double t = a[i][j];

			a[i][j] = a[p][j];
			a[p][j] = t;
		}
		for (int k = i + 1; k < FEATURES; k++) {
			double f = a[k][i] / a[i][i];

			for (int j = i; j <= FEATURES; j++)
				a[k][j] -= f * a[i][j];
		}
	}
	for (int i = FEATURES - 1; i >= 0; i--) {
		double s = a[i][FEATURES];

		for (int j = i + 1; j < FEATURES; j++)
			s -= a[i][j] * w[j];
		w[i] = s / a[i][i];
	}
}

/* Rows begin..end-1. */
static inline struct model model_fit(const struct stream *s, uint32_t begin, uint32_t end)
{
	struct model m = { .trained_to = end };
	double a[FEATURES][FEATURES + 1];

	memset(a, 0, sizeof(a));
	for (uint32_t r = begin; r < end; r++)
		for (int i = 0; i < FEATURES; i++) {
			for (int j = 0; j < FEATURES; j++)
				a[i][j] += s->x[r][i] * s->x[r][j];
			a[i][FEATURES] += s->x[r][i] * (s->up[r] ? 1 : -1);
		}
	for (int i = 0; i < FEATURES; i++)
		a[i][i] += RIDGE * (end - begin);
	model_solve(a, m.w);
	return m;
}

static inline bool model_wrong(const struct model *m, const struct stream *s, uint32_t r)
{
	double y = 0;

	for (int i = 0; i < FEATURES; i++)
		y += m->w[i] * s->x[r][i];
	return (y > 0) != s->up[r];
}

static inline double model_error(const struct model *m, const struct stream *s,
    uint32_t begin, uint32_t end)
{
	uint32_t wrong = 0;

	for (uint32_t r = begin; r < end; r++)
		wrong += model_wrong(m, s, r);
	return (double)wrong / (end - begin);
}

static inline void stream_init(struct stream *s, uint32_t cap)
{
	*s = (struct stream){ 0 };
	s->x = g_malloc_n(cap, sizeof(*s->x));
	s->up = g_new(bool, cap);
}

static inline void stream_fini(struct stream *s)
{
	g_free(s->x);
	g_free(s->up);
}

/* Elec2 (Harries 1999) as CSV: period, NSW price and demand, Victoria's, transfer, up.
 * False: not such a file. */
static inline bool stream_elec2(struct stream *s, FILE *f)
{
	enum { ROWS = 60000 };
	char line[512];

	stream_init(s, ROWS);
	if (!fgets(line, sizeof(line), f))	/* the names */
		return false;
	while (s->n < ROWS && fgets(line, sizeof(line), f)) {
		double v[6], turn = 2 * G_PI * (s->n % DAY) / DAY;
		int up;

		if (sscanf(line, "%lf,%lf,%lf,%lf,%lf,%lf,%d", &v[0], &v[1], &v[2], &v[3],
			   &v[4], &v[5], &up) != 7)
			return false;
		/* Prices have spikes: their logarithm keeps one from bending it all. */
		memcpy(s->x[s->n], (double[FEATURES]){ 1, log(v[1] + 0.01), v[2],
		    log(v[3] + 0.001), v[4], v[5], sin(turn), cos(turn), sin(2 * turn),
		    cos(2 * turn) }, sizeof(s->x[0]));
		s->up[s->n++] = up != 0;
	}
	return s->n > 0;
}

/* SplitMix64 (Steele, Lea, Flood 2014); a sum of twelve uniforms is normal enough. */
static inline double rng_uniform(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static inline double rng_normal(uint64_t *state)
{
	double s = -6;

	for (int i = 0; i < 12; i++)
		s += rng_uniform(state);
	return s;
}

/* `rows` of a linear concept with noise; at six places in them, not near each other, it
 * becomes another one. */
static inline void stream_abrupt(struct stream *s, uint32_t rows, uint64_t seed)
{
	double w[FEATURES];

	stream_init(s, rows);
	s->n = rows;
	for (uint32_t i = 0; i < CHANGES; i++)	/* one in the middle of each part */
		s->change[s->changes++] = (uint32_t)((i + 0.3 +
		    0.6 * rng_uniform(&seed)) * rows / CHANGES);
	for (uint32_t r = 0, next = 0; r < rows; r++) {
		double y = 0.5 * rng_normal(&seed);

		if (r == 0 || (next < s->changes && r == s->change[next])) {
			next += r > 0;
			for (int i = 0; i < FEATURES; i++)
				w[i] = i ? rng_normal(&seed) : 0;
		}
		for (int i = 0; i < FEATURES; i++) {
			s->x[r][i] = i ? rng_normal(&seed) : 1;
			y += w[i] * s->x[r][i];
		}
		s->up[r] = y > 0;
	}
}
#endif
