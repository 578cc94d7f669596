/* What detectors and tests do over many runs, beside published numbers:
 *
 *	build/tests/statistics [RUNS]
 *
 * Each run is 2,000 samples in control (what a detector learns from is among them) and
 * 2,000 after a change, of generators with fixed seeds.  After every alarm the detector
 * begins anew.  A cell is: % of runs with an alarm in control / % of runs with one
 * after the change / median samples from the change to it.  It passes where no share
 * differs by more than 4 sqrt(2p(1-p)/300) + 1 point and the delay by no more than a
 * quarter (and where few runs detect at all, the delay is of too few runs to compare).
 * Then false alarms of the PSI test, and of every test with what it finds.  Exit 1 if
 * a cell fails. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "signal/detect.h"
#include "signal/test.h"

#define BEFORE 2000
#define AFTER 2000
#define RUNS 300
#define RUNS_LONG 2000		/* where shares are small, or delays far apart */
#define COLUMNS 6

/* ---- the generator: SplitMix64 (Steele et al. 2014), Box & Muller 1958 ---- */

static uint64_t rng;

static uint64_t bits64(void)
{
	uint64_t z = rng += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static double uniform(void)	/* (0, 1) */
{
	return ((double)(bits64() >> 11) + .5) * 0x1p-53;
}

static double normal(void)
{
	static double other;
	static bool have;
	double r, phi;

	if (have) {
		have = false;
		return other;
	}
	r = sqrt(-2 * log(uniform()));
	phi = 2 * 3.14159265358979323846 * uniform();
	other = r * sin(phi);
	have = true;
	return r * cos(phi);
}

/* ---- the table ---- */

static const struct column {
	const char *name;
	bool	 bern;
	double	 before, after, sd;
} columns[COLUMNS] = {
	{ "Bern .1->.2", true, .1, .2, .3 },
	{ "Bern .1->.15", true, .1, .15, .3 },
	{ "Bern .02->.06", true, .02, .06, .14 },
	{ "N +1 sd", false, 0, 1, 1 },
	{ "N +.5 sd", false, 0, .5, 1 },
	{ ".90->.88 sd .01", false, .9, .88, .01 },
};
struct cell { double alarm, found, delay; };	/* delay < 0: not compared */
struct setting { const char *name; double value; };
#define NONE { -1, 0, 0 }
static const struct line {
	const char *name, *detector;
	struct setting set[3];
	uint32_t learn, runs;
	struct cell cell[COLUMNS];
} lines[] = {
	{ "ADWIN .002", "adwin", { { "standardize", 0 } }, 0, RUNS, {
		{ 0, 100, 335 }, { 0, 55, 1071 }, { 0, 92, 815 }, { 0, 100, 47 },
		{ 0, 100, 111 }, { 0, 100, 463 } } },
	{ "ADWIN .002 clock 1", "adwin", { { "standardize", 0 }, { "clock", 1 } }, 0,
	  RUNS, {
		{ 0, 100, 306 }, { 0, 59, 1011 }, { 0, 92, 758 }, { 0, 100, 31 },
		{ 0, 100, 93 }, { 0, 100, 432 } } },
	{ "Page-Hinkley", "page_hinkley", { { "standardize", 0 } }, 0, RUNS, {
		{ 0, 100, 518 }, { 0, 83, 1206 }, { 0, 28, 1693 }, { 78, 100, 37 },
		{ 78, 100, 79 }, { 0, 0, -1 } } },
	{ "CUSUM .5/5 w30", "cusum", { { "h", 5 } }, 30, RUNS_LONG, {
		{ 93, 98, 79 }, { 93, 92, 137 }, { 95, 96, 54 }, { 92, 99, 9 },
		{ 92, 99, 41 }, { 92, 100, 3 } } },
	{ "CUSUM .5/8 w200", "cusum", { { "h", 8 } }, 200, RUNS, {
		{ 75, 98, 104 }, { 75, 92, 268 }, { 96, 99, 79 }, { 32, 99, 13 },
		{ 32, 98, 61 }, { 32, 98, 5 } } },
	{ "CUSUM .5/8.05 w1000", "cusum", { { "h", 8.05 } }, 1000, RUNS, {
		{ 61, 92, 220 }, { 61, 93, 390 }, { 90, 99, 265 }, { 13, 98, 13 },
		{ 13, 97, 65 }, { 13, 98, 5 } } },
	{ "CUSUM .5/8.05 given", "cusum", { { "h", 8.05 } }, 0, RUNS, {
		{ 86, 100, 57 }, { 86, 100, 157 }, { 99, 100, 39 }, { 20, 100, 13 },
		{ 20, 100, 60 }, { 20, 100, 5 } } },
	{ "EWMA .1/4 w200", "ewma", { { "L", 4 } }, 200, RUNS, {
		{ 58, 97, 120 }, { 58, 89, 307 }, { 90, 98, 87 }, { 13, 99, 15 },
		{ 13, 99, 88 }, { 13, 99, 5 } } },
	{ "DDM", "ddm", { { NULL, 0 } }, 0, RUNS, {
		{ 39, 93, 314 }, { 39, 72, 637 }, { 71, 97, 267 }, NONE, NONE, NONE } },
	{ "EDDM .95/.9", "eddm", { { NULL, 0 } }, 0, RUNS, {
		{ 96, 100, 84 }, { 96, 99, 122 }, { 79, 100, 342 }, NONE, NONE, NONE } },
	{ "HDDM_A .001", "hddm_a", { { NULL, 0 } }, 0, RUNS, {
		{ 1, 99, 406 }, { 1, 26, 1282 }, { 0, 0, -1 }, NONE, NONE, NONE } },
	{ "HDDM_W .001", "hddm_w", { { NULL, 0 } }, 0, RUNS, {
		{ 0, 32, 892 }, { 0, 1, -1 }, { 0, 0, -1 }, NONE, NONE, NONE } },
	{ "KS 200/50 1e-4", "ks", { { NULL, 0 } }, 0, RUNS, {
		{ 0, 0, -1 }, { 0, 0, -1 }, { 0, 0, -1 }, { 2, 97, 37 }, { 2, 23, 53 },
		{ 2, 100, 22 } } },
	{ "binomial 200/50 1e-4", "binomial", { { NULL, 0 } }, 0, RUNS_LONG, {
		{ .35, 100, 199 }, { .3, 78, 749 }, { .2, 99.8, 299 }, NONE, NONE,
		NONE } },
	{ "Bernoulli CUSUM 1e4", "bernoulli_cusum", { { NULL, 0 } }, 0, RUNS_LONG, {
		{ 15, 100, 89 }, { 17, 100, 229 }, { 17, 100, 122 }, NONE, NONE,
		NONE } },
};
#define LINES (sizeof lines / sizeof *lines)

struct tally { uint32_t runs, alarms, found; double *delay; };

static struct detect_spec specs[LINES][COLUMNS];

static bool applies(const struct line *l, unsigned c)
{
	return l->cell[c].alarm >= 0;
}

static void set(struct detect_spec *s, const char *name, double x)
{
	int i = detect_par(s->def, str_of(name));

	if (i < 0)
		abort();
	s->p[i] = x;
}

static void spec_of(struct detect_spec *s, const struct line *l, const struct column *c)
{
	char err[200];
	bool bernoulli = strcmp(l->detector, "bernoulli_cusum") == 0;

	detect_spec_init(s, detect_def(str_of(l->detector)));
	s->learn = l->learn;
	for (int i = 0; i < 3 && l->set[i].name; i++)
		set(s, l->set[i].name, l->set[i].value);
	if (bernoulli)
		set(s, "p1", c->after);
	if (!detect_finish(s, bernoulli ? 10000 : 0, err, sizeof err)) {
		printf("%s: %s\n", l->name, err);
		exit(2);
	}
}

static void stream(const struct column *c, double *x)
{
	for (int i = 0; i < BEFORE + AFTER; i++) {
		double mean = i < BEFORE ? c->before : c->after;

		x[i] = c->bern ? uniform() < mean : mean + c->sd * normal();
	}
}

static void run(const struct detect_spec *s, const struct baseline *b, const double *x,
    struct tally *t)
{
	static uint64_t state[DETECT_STATE_MAX / 8];
	const uint8_t *drift = (const uint8_t *)state;	/* first byte of every state */
	bool alarm = false;

	detect_repin(state, sizeof state);
	t->runs++;
	for (int i = 0; i < BEFORE + AFTER; i++) {
		(void)detect_feed(s, state, b, 0, x[i]);
		if (!*drift)
			continue;
		if (i >= BEFORE) {
			t->delay[t->found++] = i - BEFORE;
			break;
		}
		alarm = true;
		detect_repin(state, sizeof state);
	}
	t->alarms += alarm;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(struct tally *t)
{
	if (t->found == 0)
		return -1;
	qsort(t->delay, t->found, sizeof *t->delay, ascending);
	return (t->delay[(t->found - 1) / 2] + t->delay[t->found / 2]) / 2;
}

static bool near_share(double want, double got)
{
	double p = want / 100;

	return fabs(want - got) <= 100 * 4 * sqrt(2 * p * (1 - p) / RUNS) + 1;
}

static bool report(const struct line *l, unsigned c, struct tally *t)
{
	const struct cell *want = &l->cell[c];
	double alarm = 100.0 * t->alarms / t->runs, found = 100.0 * t->found / t->runs;
	double delay = median(t);
	bool ok = near_share(want->alarm, alarm) && near_share(want->found, found) &&
	    (want->delay < 0 || fabs(delay - want->delay) <= .25 * want->delay);

	printf("%-22s %-16s %5.1f/%5.1f/%6.0f   expected %g/%g/%g%s\n", l->name,
	    columns[c].name, alarm, found, delay, want->alarm, want->found, want->delay,
	    ok ? "" : "   FAILED");
	return ok;
}

/* Every detector sees the same streams. */
static unsigned column(unsigned c, uint32_t most)
{
	static double x[BEFORE + AFTER];
	const struct column *col = &columns[c];
	struct baseline b = { .n = 10000, .mean = col->before, .has_mean = true,
		.has_sd = true, .sd = col->bern ?
		    sqrt(col->before * (1 - col->before)) : col->sd };
	struct tally t[LINES] = { { 0, 0, 0, NULL } };
	unsigned failed = 0;

	for (unsigned i = 0; i < LINES; i++)
		t[i].delay = malloc(RUNS_LONG * sizeof(double));
	for (uint32_t r = 0; r < RUNS_LONG && r < most; r++) {
		rng = ((uint64_t)c << 32) + r * 7919 + 1;
		stream(col, x);
		for (unsigned i = 0; i < LINES; i++)
			if (applies(&lines[i], c) && r < lines[i].runs)
				run(&specs[i][c], &b, x, &t[i]);
	}
	for (unsigned i = 0; i < LINES; i++) {
		if (applies(&lines[i], c))
			failed += !report(&lines[i], c, &t[i]);
		free(t[i].delay);
	}
	return failed;
}

/* ---- PSI: ten cells of equal chance ---- */

#define CELLS 10
#define WINDOWS 20000

static void draw(double *counts, uint32_t n)
{
	uint32_t c[CELLS] = { 0 };

	for (uint32_t i = 0; i < n; i += 2) {
		uint64_t z = bits64();

		c[(z >> 32) * CELLS >> 32]++;
		if (i + 1 < n)
			c[(z & 0xffffffff) * CELLS >> 32]++;
	}
	for (unsigned i = 0; i < CELLS; i++)
		counts[i] = c[i];
}

static unsigned psi_windows(uint32_t m, uint32_t windows)
{
	static const uint32_t sizes[] = { 30, 50, 100, 200, 500, 1000, 2000, 5000 };
	enum { N = sizeof sizes / sizeof *sizes };
	uint32_t over[N] = { 0 };
	unsigned failed = 0;
	struct test_spec s;

	test_spec_init(&s, test_def(STR("psi")));
	for (uint32_t k = 0; k < windows; k++) {
		double ref[CELLS], cur[CELLS];
		struct baseline b = { .counts = ref, .counts_n = CELLS };

		rng = ((uint64_t)m << 32) + k * 104729 + 5;
		draw(ref, m);
		for (unsigned i = 0; i < N; i++) {
			struct test_view v;

			draw(cur, sizes[i]);
			test_counts(&s, &b, ref, cur, CELLS, s.alpha, &v);
			over[i] += v.drift;
		}
	}
	for (unsigned i = 0; i < N; i++) {
		bool ok = over[i] * 100.0 / windows <= .2;

		printf("PSI m %5u n %5u  false alarms %.3f %% of %u%s\n", m, sizes[i],
		    over[i] * 100.0 / windows, windows, ok ? "" : "   FAILED");
		failed += !ok;
	}
	return failed;
}

/* ---- every test, over raw values and a baseline of 1,000 ---- */

#define BASE_N 1000
#define TEST_WINDOWS 2000

struct reference { struct baseline b; double v[BASE_N], edges[9], counts[CELLS]; };

/* Deciles of the baseline's own samples; ks and wasserstein also have the samples. */
static void reference(struct reference *r, bool values)
{
	for (unsigned i = 0; i < BASE_N; i++)
		r->v[i] = normal();
	qsort(r->v, BASE_N, sizeof *r->v, ascending);
	for (unsigned i = 0; i < 9; i++)
		r->edges[i] = r->v[(i + 1) * BASE_N / CELLS];
	r->b = (struct baseline){ .n = BASE_N, .sd = 1, .has_mean = true, .has_sd = true,
		.edges = r->edges, .edges_n = 9, .counts = r->counts, .counts_n = CELLS,
		.values = r->v, .values_n = values ? BASE_N : 0 };
	for (unsigned i = 0; i < CELLS; i++)
		r->counts[i] = BASE_N / CELLS;
}

static double share(const struct test_spec *s, bool values, uint32_t n, double shift)
{
	static uint64_t state[TEST_STATE_MAX / 8];
	static struct reference r;
	uint32_t over = 0;

	for (uint32_t k = 0; k < TEST_WINDOWS; k++) {
		struct test_view v;

		if (k % 10 == 0)	/* a few windows to each baseline */
			reference(&r, values);
		for (uint32_t i = 0; i < n; i++)
			(void)test_add_number(s, state, &r.b, normal() + shift);
		test_close(s, state, &r.b, 0);
		test_read(s, state, &v);
		over += v.drift;
	}
	return over * 100.0 / TEST_WINDOWS;
}

/* False alarms at alpha .001 (up to 0.3 % by design; 4 sigma above it). */
static unsigned every_test(void)
{
	static const uint32_t sizes[] = { 100, 200, 500, 1000 };
	unsigned failed = 0;
	uint32_t kinds;
	const struct test_def *defs = test_defs(&kinds);

	for (uint32_t i = 0; i < kinds; i++)
		for (unsigned k = 0; k < 4; k++) {
			bool values = defs[i].kind == TEST_KS ||
			    defs[i].kind == TEST_WASSERSTEIN;
			struct test_spec s;
			double alarm, half, one;	/* drawn in this order */

			test_spec_init(&s, &defs[i]);
			rng = ((uint64_t)i << 40) + sizes[k];
			alarm = share(&s, values, sizes[k], 0);
			half = share(&s, values, sizes[k], .5);
			one = share(&s, values, sizes[k], 1);
			failed += alarm > .8;
			printf("%-12s n %4u  false alarms %.2f %%  found: half an sd "
			    "%5.1f %%, one sd %5.1f %%%s\n", defs[i].name, sizes[k],
			    alarm, half, one, alarm > .8 ? "   FAILED" : "");
		}
	return failed;
}

int main(int argc, char **argv)
{
	uint32_t most = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : RUNS_LONG;
	unsigned failed = 0;

	for (unsigned i = 0; i < LINES; i++)
		for (unsigned c = 0; c < COLUMNS; c++)
			if (applies(&lines[i], c))
				spec_of(&specs[i][c], &lines[i], &columns[c]);
	for (unsigned c = 0; c < COLUMNS; c++)
		failed += column(c, most);
	failed += psi_windows(1000, most * 10 < WINDOWS ? most * 10 : WINDOWS);
	failed += psi_windows(10000, most * 10 < WINDOWS ? most * 10 : WINDOWS);
	if (most == RUNS_LONG)
		failed += every_test();
	printf("%u cells failed\n", failed);
	return failed > 0;
}
