/* Tests against a baseline: is a window of samples still distributed as the baseline?
 *
 * A spec (immutable) and a state: plain old data of test_room() bytes wherever the
 * caller keeps it, 8-aligned; zeroed is new.  The caller adds samples, and says when a
 * window closes; test_close() evaluates and empties it.  The result is held until the
 * next close.  Windows are separate: a test that is asked at every sample would raise
 * false alarms in proportion.
 *
 * What each needs of the baseline: `counts` with `edges` (numbers), `categories`
 * (words) or alone (histogram events); ks and wasserstein take `values` where there are
 * any (their own window then keeps up to 2,000 samples, beyond that a fair draw that
 * replays), else counts with edges or alone (wasserstein: with edges, and `sd`).
 * The limit grows as samples get fewer; it is never below `floor`. */
#ifndef SIGNAL_TEST_H
#define SIGNAL_TEST_H

#include "signal/baseline.h"

enum test_kind {
	TEST_PSI = 1,		/* limit chi2(1-alpha, B-1) * w, w = 1/n + 1/m */
	TEST_JS,		/* base-2 distance: sqrt(chi2 * w / (8 ln 2)) */
	TEST_CHI2,		/* two samples; p < alpha */
	TEST_LINF,		/* z(1 - alpha/2B) * sqrt(max p(1-p) * w); n >= 100 */
	TEST_HELLINGER,		/* sqrt(chi2 * w / 8) */
	TEST_KS,		/* Stephens 1970; p < alpha */
	TEST_WASSERSTEIN,	/* over sd: 4.2 sqrt(w) sqrt(ln(2/alpha) / ln 2000) */
};
#define TEST_STATE_MAX 16200

struct test_def {
	const char	*name, *doc;
	enum test_kind	 kind;
	double		 floor;		/* default; of chi2 and ks no such thing: 0 */
	uint32_t	 min_n;		/* samples of a window, below: NO_DATA */
};
struct test_spec {
	const struct test_def *def;
	double		 alpha;		/* .001; false alarms per window */
	double		 floor;
	uint32_t	 min_n;		/* as in the def, or more */
	double		 run;		/* expected_run N: alpha = samples / N; 0: none */
	uint64_t	 seed;		/* of the draw beyond 2,000 samples */
};
enum test_fate { TEST_TAKEN = 1, TEST_INVALID, TEST_NO_BASELINE };
struct test_view {
	bool		 known;		/* false: NO_DATA */
	bool		 drift;		/* stat is over limit (p < alpha) */
	double		 stat, limit, p;
	double		 n, m;		/* samples of the window, of the baseline */
	uint64_t	 waiting;	/* samples of the open window */
};

/* In order; by name; NULL: unknown. */
const struct test_def *test_defs(uint32_t *n);
const struct test_def *test_def(struct str name);
void test_spec_init(struct test_spec *, const struct test_def *);
/* Whether this baseline has what the test needs (else: NO_BASELINE). */
bool test_can(const struct test_spec *, const struct baseline *);
/* Bytes that the state must have before the next test_add_*. */
uint32_t test_room(const struct test_spec *, const struct baseline *, const void *state);
enum test_fate test_add_number(const struct test_spec *, void *state,
    const struct baseline *, double x);
enum test_fate test_add_category(const struct test_spec *, void *state,
    const struct baseline *, struct str);
enum test_fate test_add_counts(const struct test_spec *, void *state,
    const struct baseline *, const double *counts, uint32_t n);
/* Evaluates the window and begins another one.  `step`: of 2^step sub-keys, each with
 * a share of expected_run.  A window without a sample changes nothing. */
void test_close(const struct test_spec *, void *state, const struct baseline *,
    unsigned step);
void test_read(const struct test_spec *, const void *state, struct test_view *);

/* The formulas.  Counts are of the same cells. */
void test_counts(const struct test_spec *, const struct baseline *,
    const double *ref, const double *cur, uint32_t b, double alpha, struct test_view *);
/* Ascending samples; `sd` to divide by. */
void test_samples(const struct test_spec *, const double *ref, uint32_t m,
    const double *cur, uint32_t n, double sd, double alpha, struct test_view *);
#endif
