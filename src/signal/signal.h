/* A signal is a spec (immutable, in the rule set) and a state in cells.
 *
 * Windows are in event time.
 *	sliding   (t-W, t], in sparse panes of W/60 (W < 60 ms: 1 ms), or every sample
 *		  with `exact`
 *	tumbling  [k W + offset, ...), on the epoch's line or a zone's local time
 *	hopping   [k E + offset, k E + offset + W)
 *	session   samples no further apart than the gap
 *	count     the newest N in order of arrival
 *	since     everything since a run, by seq
 * Tumbling, hopping and session windows close when the clock reaches their end (of a
 * session: passes last + gap) and are held until the next one ends; a tumbling or
 * hopping window without a sample ends as well, and holds nothing.
 * Late samples (what only windows that have closed could take) are refused, non-finite
 * ones are invalid; a window that has closed never changes.  Aggregates over fewer than
 * min_count samples are NO_DATA, count too; age alone is told as soon as there was a
 * sample.  An aggregate that is read for the first time is NO_DATA until the panes from
 * before have left the window.  Texts are samples where `distinct` or `list` is read.
 * A signal with `by` is a map: sub-keys in byte order, each with a state of its own.
 * The state's cells belong to the caller through one root cell id; a window that
 * needs more than CELL_MAX bytes chains further cells itself. */
#ifndef SIGNAL_SIGNAL_H
#define SIGNAL_SIGNAL_H

#include <glib.h>

#include "base/cells.h"
#include "expr/value.h"

struct baseline;	/* of a detector or a test */
struct detect_spec;
struct test_spec;

enum signal_kind { SIGNAL_WINDOW = 0, SIGNAL_DETECT, SIGNAL_TEST };
enum signal_window { WINDOW_SLIDING = 1, WINDOW_TUMBLING, WINDOW_COUNT, WINDOW_SINCE,
	WINDOW_HOPPING, WINDOW_SESSION };
enum signal_aggregate {		/* bits */
	AGG_COUNT = 1, AGG_SUM = 2, AGG_AVG = 4, AGG_MIN = 8, AGG_MAX = 16, AGG_LAST = 32,
	AGG_AGE = 64, AGG_STDDEV = 128, AGG_FIRST = 256, AGG_RATE = 512, AGG_DELTA = 1024,
	AGG_DISTINCT = 2048, AGG_QUANTILE = 4096, AGG_RATIO = 8192, AGG_LIST = 16384,
};
struct signal_spec {
	struct str	 name;
	uint8_t		 hash[16];	/* of the definition: identity of the state */
	enum signal_kind kind;
	enum signal_window window;	/* of SIGNAL_WINDOW */
	int64_t		 over_ms;	/* W; the gap of sessions */
	int64_t		 every_ms;	/* hopping */
	int64_t		 offset_ms;	/* tumbling and hopping: alignment */
	const struct zone *zone;	/* tumbling: on its local time; NULL: UTC */
	int64_t		 lateness_ms;
	uint32_t	 last_n;	/* count windows */
	uint32_t	 min_count;	/* >= 1 */
	uint32_t	 max_samples;	/* exact; 0: 10,000 */
	bool		 exact;
	bool		 by;		/* a map: the root holds sub-keys */
	uint32_t	 max_by;
	uint32_t	 aggregates;	/* what the rules read */
	const struct detect_spec *detect;	/* SIGNAL_DETECT, its baseline given */
	const struct detect_spec *learns;	/* ... learned; NULL: never */
	const struct test_spec *test;	/* SIGNAL_TEST; window: tumbling or count */
	const struct baseline *baseline;	/* given in the rule; NULL: elsewhere */
};
#define SIGNAL_BY_MAX 4000
#define SIGNAL_TEXT_MAX 1024		/* bytes; a longer text is invalid */
#define SIGNAL_SUB_BYTES 256	/* a longer sub-key is refused */

/* One sample: a number (booleans are 0 and 1), or a category (text.p not NULL), or the
 * counts of a histogram (counts not NULL).  Borrowed. */
struct sample {
	double		 x;
	struct str	 text;
	const double	*counts;
	uint32_t	 counts_n;
	const struct baseline *baseline;	/* SIGNAL_DETECT, _TEST; NULL: none */
	uint32_t	 keys;		/* sub-keys of its map; 0: it is none */
};
enum signal_fate { SIGNAL_TAKEN = 1, SIGNAL_LATE, SIGNAL_INVALID, SIGNAL_FULL };

/* Kinds of cells used here: 16..31 (detectors and tests: 24..31).  Returns the root. */
uint32_t signal_new(const struct signal_spec *, struct cells *);
/* The same at the end of a cell that belongs to the caller, which then is the root:
 * its first `before` bytes (a multiple of 8) stay the caller's, but for the first two. */
void signal_begin(const struct signal_spec *, struct cells *, uint32_t cell,
    uint32_t before);
/* Drops the root too.  It says itself what hangs on it: also where no rule has the spec
 * any more. */
void signal_free(struct cells *, uint32_t root);

/* ---- maps (spec->by) ----
 * The state of a sub-key, a root as signal_new() without `by` makes it.  0: there is
 * none; with `make`: max_by sub-keys are there already (those go on), or `sub` is
 * longer than SIGNAL_SUB_BYTES.  The sub-key then counts as refused. */
uint32_t signal_sub(const struct signal_spec *, struct cells *, uint32_t root,
    struct str sub, bool make);
/* The next sub-key with data at that clock, in byte order of the sub-keys; *it starts
 * at 0.  False at the end. */
bool signal_sub_next(const struct signal_spec *, const struct cells *, uint32_t root,
    int64_t clock_ms, uint32_t *it, struct str *ret_sub, uint32_t *ret_state);
uint32_t signal_subs(const struct cells *, uint32_t root);	/* with or without data */
uint64_t signal_refused(const struct cells *, uint32_t root);	/* sub-keys */

/* ---- one state: of a signal without `by`, or of a sub-key ----
 * One sample with its event time.  `watermark` is the selector's before this event
 * (INT64_MIN: none yet). */
enum signal_fate signal_add(const struct signal_spec *, struct cells *, uint32_t root,
    int64_t t_ms, const struct sample *, int64_t watermark);
/* An aggregate by name ("avg"), evaluated at t = max(greatest sample time, clock_ms).
 * ABSENT for an unknown name; NO_DATA below min_count.  age: duration since the
 * newest sample, by clock_ms.  What is larger than a value lives in the arena. */
struct value signal_read(const struct signal_spec *, const struct cells *, uint32_t root,
    struct str what, int64_t clock_ms, struct arena *);
/* A method: quantile(q), 0 <= q <= 1.  ABSENT for an unknown name. */
struct value signal_call(const struct signal_spec *, const struct cells *, uint32_t root,
    struct str name, const struct value *arg, unsigned n, int64_t clock_ms,
    struct arena *);
/* Samples now in the window (also below min_count). */
uint64_t signal_count(const struct signal_spec *, const struct cells *, uint32_t root,
    int64_t clock_ms);
/* Whether an aggregate other than age can be told. */
bool signal_has_data(const struct signal_spec *, const struct cells *, uint32_t root,
    int64_t clock_ms);

/* ---- the signal as a whole: a map does it for every sub-key ----
 * The rule's clock moved: closes tumbling windows, drops panes out of reach. */
void signal_advance(const struct signal_spec *, struct cells *, uint32_t root,
    int64_t clock_ms);
/* Tests: judges the windows that have ended, each by the baseline of its sub-key (""
 * without `by`; NULL: none), which must be the one that its samples were given. */
void signal_judge(const struct signal_spec *, struct cells *, uint32_t root,
    int64_t clock_ms, const struct baseline *(*of)(void *, struct str sub), void *);
/* The next instant of the rule's clock at which an aggregate can change without a
 * sample (pane expiry, window end, a round age: see signal.c); INT64_MAX: never. */
int64_t signal_next_change(const struct signal_spec *, const struct cells *,
    uint32_t root, int64_t clock_ms);
/* since: samples so far become run `run`'s share and no longer count; when that run
 * ends, its share is dropped, or with merge_back added to what counts now. */
void signal_cut(const struct signal_spec *, struct cells *, uint32_t root, uint64_t run);
void signal_settle(const struct signal_spec *, struct cells *, uint32_t root,
    uint64_t run, bool merge_back);
/* Detectors: whether any has drifted; those that have begin anew, armed. */
bool signal_drifts(const struct signal_spec *, const struct cells *, uint32_t root);
void signal_rearm(const struct signal_spec *, struct cells *, uint32_t root);
/* {"count":..,"window":..,"from":..,"to":..}: the summary explain prints.  Of a map:
 * {"keys":..,"with_data":..,"refused":..,"window":..}. */
void signal_summary(const struct signal_spec *, const struct cells *, uint32_t root,
    int64_t clock_ms, GString *json);

/* Aggregate bit of a name; 0: unknown. */
uint32_t signal_aggregate_bit(struct str name);
#endif
