/* What rules would have done with recorded events: a sim fed by an iterator, its firings
 * starting virtual runs, its decisions as rows.  diff.c compares two of them. */
#ifndef REPLAY_BACKTEST_H
#define REPLAY_BACKTEST_H

#include "replay/sim.h"

#define BACKTEST_ROWS_MAX 1000000	/* more are counted, not kept */

struct backtest_row {
	int64_t		 at_ms;
	int64_t		 end_ms;	/* of its run, known or foreseen; TIME_NONE */
	int64_t		 due_ms;	/* of a schedule; else 0 */
	uint64_t	 decision, run;
	struct str	 rule, uid, key, run_id, reason, event, params;
	enum outcome	 outcome;
	enum suppressor	 by;
	uint32_t	 count;		/* decisions that this row stands for */
	uint32_t	 events;	/* that its run was given; 0 without a run */
};
struct backtest_champion {
	struct str	 model, version, metrics, baseline;
};
struct backtest_options {
	struct ruleset	*rules;
	const struct catalog *catalog;
	/* Only these rules act and are shown; they act whatever their mode.  None named:
	 * all, in their own modes. */
	const struct rule *const *only;
	uint32_t	 only_n;
	int64_t		 from_ms, to_ms;	/* shown span; TIME_NONE: all */
	int64_t		 warm_ms;	/* before from; -1: the longest window */
	const struct backtest_champion *champions;	/* at the start */
	uint32_t	 champions_n;
	/* How long a run of the pipeline takes; -1: not known, and it ends at once. */
	int64_t		 (*run_time)(void *, struct str pipeline);
	enum run_state	 run_state;	/* how it ends; 0: COMPLETED */
	enum run_outcome run_outcome;	/* 0: NONE */
	/* May be NULL.  Every 65,536 items; false ends it. */
	bool		 (*progress)(void *, double done);
	void		 (*refused)(void *, uint64_t item, const char *why, struct str);
	/* May be NULL: at each of these instants, between two events. */
	void		 (*sample)(void *sample_ctx, struct sim *, int64_t wall_ms);
	int64_t		 sample_ms;
	void		 *sample_ctx;
	void		 *ctx;
};
struct backtest {
	struct arena	*arena;
	struct backtest_row *rows;	/* in order */
	uint32_t	 rows_n, rows_cap;
	uint64_t	 items, events, refused;
	uint64_t	 unseen;	/* rows that were not kept */
	uint64_t	 fired, suppressed, observed, errors, coalesced;
	uint32_t	 keys;		/* that fired at least once */
	double		 hours;		/* of the runs; negative: not known */
	int64_t		 from_ms, to_ms, first_ms, last_ms;	/* last two: of firings */
};
/* NULL: *err.  The result is freed by backtest_free(). */
struct backtest *backtest_run(const struct backtest_options *, struct sim_iter *,
    struct err *);
void backtest_free(struct backtest *);
/* The longest window that any of the rules looks at; 0: none. */
int64_t backtest_window(const struct ruleset *, const struct rule *const *only,
    uint32_t n);

/* ---- diff ---- */
enum diff_kind { DIFF_ONLY_OLD = 1, DIFF_ONLY_NEW, DIFF_CHANGED };
struct diff_row {
	enum diff_kind	 kind;
	const struct backtest_row *old, *new;	/* NULL where there is none */
};
/* Matched by (rule uid, key, origin): the event, the due time, or the instant.  In order
 * of time; the array is in the arena. */
uint32_t backtest_diff(const struct backtest *old, const struct backtest *new,
    struct arena *, struct diff_row **ret);
#endif
