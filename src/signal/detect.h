/* Change detectors over a stream of numbers, one sample at a time.
 *
 * A spec (immutable, in the rule set) and a state: plain old data of
 * detect_state_bytes(), 8-aligned, wherever the caller keeps it.  A zeroed state is a
 * new one.  Some states grow: before each feed they need detect_room() bytes, with
 * zeroes behind the old end; never more than DETECT_STATE_MAX.
 *
 * Invariants
 *   (1) A sample that is not finite changes nothing.
 *   (2) `drift` is a level: while it is up samples are counted (held), not fed, until
 *       detect_reset().  threshold and change are followed always: theirs goes down by
 *       itself at `clear`.
 *   (3) The baseline is given at each call, or (spec.learn) the first N samples make
 *       it; then it is frozen and survives detect_reset(), not detect_repin().
 *   (4) The same samples give the same bytes on every build (-ffp-contract=off).
 * To extend: a row in detect.c's table, feed and view in a detect_*.c, vectors. */
#ifndef SIGNAL_DETECT_H
#define SIGNAL_DETECT_H

#include "signal/baseline.h"

enum detect_kind {
	DETECT_THRESHOLD = 1,	/* the last sample against `fire`, back at `clear` */
	DETECT_CHANGE,		/* the last sample against the baseline's mean */
	DETECT_CUSUM,		/* Page 1954 */
	DETECT_EWMA,		/* Roberts 1959, limits of Lucas & Saccucci 1990 */
	DETECT_SHEWHART,	/* Shewhart 1931 */
	DETECT_PAGE_HINKLEY,	/* Page 1954, with the fading of river */
	DETECT_ADWIN,		/* Bifet & Gavalda, SDM 2007 */
	DETECT_DDM,		/* Gama et al., SBIA 2004 */
	DETECT_EDDM,		/* Baena-Garcia et al. 2006 */
	DETECT_HDDM_A,		/* Frias-Blanco et al., TKDE 2014 */
	DETECT_HDDM_W,
	DETECT_FHDDM,		/* Pesaranghader & Viktor, ECML-PKDD 2016 */
	DETECT_BERNOULLI_CUSUM,	/* Reynolds & Stoumbos 1999, on the integer lattice */
	DETECT_BINOMIAL,	/* exact binomial window */
	DETECT_KS,		/* two windows, Kolmogorov-Smirnov */
	DETECT_EWMA_RIVER,	/* river's chart; for vectors, in no rule */
	DETECT_KIND_MAX,
};
enum detect_mode { DETECT_UP = 1, DETECT_DOWN = 2, DETECT_BOTH = 3 };	/* bits */
enum detect_needs { NEEDS_NOTHING = 0, NEEDS_MEAN, NEEDS_SD };	/* of a baseline */

#define DETECT_PARS 8
#define DETECT_STEPS 11		/* d = 1, 2, 4 .. 1024 sub-keys */
#define DETECT_STATE_MAX 16200

struct detect_par {
	const char	*name, *doc;
	double		 dflt, min, max;	/* both bounds allowed */
	const char	*words;	/* "abs|percent|sd": the value is the index */
	bool		 whole;	/* an integer; with max 1: a boolean */
};
struct detect_def {
	const char	*name, *doc;
	enum detect_kind kind;
	uint8_t		 modes;		/* that may be asked for */
	uint8_t		 mode;		/* default */
	uint8_t		 needs;		/* enum detect_needs */
	bool		 bits;		/* takes 0 and 1 only */
	bool		 hidden;	/* in no rule */
	const char	*own;		/* the parameter that bounds false alarms */
	bool		 run;		/* expected_run derives `own` */
	struct detect_par par[DETECT_PARS];
};
struct detect_spec {
	const struct detect_def *def;
	enum detect_mode mode;
	uint32_t	 learn;		/* N >= 200; 0: the baseline is given */
	double		 p[DETECT_PARS];	/* as def->par */
	double		 run;		/* expected_run; 0: own parameters */
	double		 limit[DETECT_STEPS];	/* of 2^i sub-keys; see detect_finish */
	/* As others have it, for comparisons alone: */
	bool		 no_floor;	/* sd may be 0 */
	bool		 learn_tests;	/* the sample that ends learning is tested too */
	bool		 keep_new;	/* adwin: detect_clear() keeps the newer part */
};
enum detect_fate { DETECT_FED = 1, DETECT_HELD, DETECT_LEARNED, DETECT_INVALID,
	DETECT_NO_BASELINE };
struct detect_view {
	bool		 known;		/* false: NO_DATA (no baseline, warm-up) */
	bool		 drift, warn;
	uint64_t	 n;		/* samples since the reset, learning included */
	uint64_t	 held;		/* while drift is up */
	/* NaN: this detector has none, or none yet. */
	double		 stat, limit;	/* drift where stat is beyond limit */
	double		 mean, sd;	/* what is compared with */
	double		 change;	/* newest estimate minus mean */
};

/* All that rules may name, in order; by name also hidden ones; NULL: unknown. */
const struct detect_def *detect_defs(uint32_t *n);
const struct detect_def *detect_def(struct str name);
/* Defaults of a kind. */
void detect_spec_init(struct detect_spec *, const struct detect_def *);
/* -1: the kind has no such parameter. */
int detect_par(const struct detect_def *, struct str name);
/* "up", "down" or "both", where the kind has it. */
bool detect_set_mode(struct detect_spec *, struct str);
/* Parameters are complete: what does not fit together is told in `err` (and false).
 * run > 0: derives the limits of N * 2^i samples per false alarm (conditions of the
 * formulas: detect_limits.c); an error for a kind that has no such formula. */
bool detect_finish(struct detect_spec *, double run, char *err, uint32_t size);
/* Whether a feed needs a baseline from outside. */
bool detect_wants_baseline(const struct detect_spec *);

uint32_t detect_state_bytes(const struct detect_spec *);	/* of a new state */
uint32_t detect_room(const struct detect_spec *, const void *state);
/* `step`: i of spec.limit. */
enum detect_fate detect_feed(const struct detect_spec *, void *state,
    const struct baseline *, unsigned step, double x);
void detect_read(const struct detect_spec *, const void *state,
    const struct baseline *, unsigned step, struct detect_view *);
/* Re-arms: warm-up begins anew, a learned baseline stays. */
void detect_reset(const struct detect_spec *, void *state, uint32_t bytes);
/* Another baseline: everything begins anew. */
void detect_repin(void *state, uint32_t bytes);
/* Lowers drift and changes nothing else. */
void detect_clear(void *state);
/* The step of a number of sub-keys: rounded up to a power of two. */
unsigned detect_step(uint32_t keys);

/* ---- the formulas behind expected_run (detect_limits.c) ---- */
/* h of a CUSUM in sd units: Siegmund's approximation, inverted. */
double limit_cusum(double slack, double run, bool two_sided);
/* L of an EWMA chart, and the chart's run length at a shift of 0: Brook & Evans 1972. */
double limit_ewma(double lambda, double run, bool two_sided);
double arl_ewma(double lambda, double l, double shift);
/* Exact run length of a two-sided CUSUM by a Markov chain. */
double arl_cusum(double slack, double h, double shift);
/* Steps of the integer lattice; exact run length at p; the least H that reaches run.
 * 0: out of reach (H above 20,000). */
uint32_t bernoulli_m(double p0, double p1);
double arl_bernoulli(uint32_t m, uint32_t h, double p);
uint32_t limit_bernoulli(uint32_t m, double p0, double run);
#endif
