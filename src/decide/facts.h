/* last_run and last_success per (pipeline, key); champion and candidate per model.
 *
 * Folded from inputs by flow, in the step that causes them; never read from tables.
 * Each fact always exists: before the first, texts are empty and times the epoch;
 * an unfinished run's `finished` is `now`.  Kept in cells. */
#ifndef DECIDE_FACTS_H
#define DECIDE_FACTS_H

#include "base/cells.h"
#include "expr/value.h"

struct facts;

struct run_fact {
	uint64_t	 run;		/* 0: none yet */
	struct str	 id;		/* "fraud-412" */
	struct str	 state, outcome;
	struct str	 params;	/* JSON */
	int64_t		 created_ms, finished_ms;	/* finished 0: not yet */
};
struct model_fact {
	struct str	 version, run;	/* version empty: none */
	struct str	 metrics, baseline;	/* JSON or empty */
	int64_t		 since_ms;
};
struct facts *facts_new(struct cells *);
void facts_free(struct facts *);
bool facts_load(struct facts *);		/* after the cells were loaded */
/* success: state completed whatever the outcome; updates last_success too. */
void facts_set_run(struct facts *, struct str pipeline, struct str key,
    const struct run_fact *);
void facts_set_champion(struct facts *, struct str model, const struct model_fact *);
void facts_set_candidate(struct facts *, struct str model, const struct model_fact *);
/* Borrowed until the fact changes; zeroed members when there is none. */
struct run_fact facts_last_run(const struct facts *, struct str pipeline, struct str key);
struct run_fact facts_last_success(const struct facts *, struct str pipeline,
    struct str key);
struct model_fact facts_champion(const struct facts *, struct str model);
struct model_fact facts_candidate(const struct facts *, struct str model);
/* The same as CEL values: maps in the arena.  Numbers under metrics are double. */
struct value facts_run_value(const struct run_fact *, int64_t now_ms, struct arena *);
struct value facts_model_value(const struct model_fact *, struct arena *);
#endif
