/* The past as a world: a state snapshot, and the journal after it.
 *
 *	recall_new() ─► recall_load(snapshot) ─► recall_run(turn) ─► recall_world()
 *
 * Joins past.h (what was stored) and replay/journal.h (what it means): rule sets of
 * that time are built again from their texts with the catalog of now. */
#ifndef STORE_RECALL_H
#define STORE_RECALL_H

#include "store/past.h"

struct recall;

struct recall_options {
	struct past	*past;		/* borrowed */
	const struct catalog *catalog;	/* borrowed */
	/* before, after, fetch and ctx of these are used; all may be NULL */
	struct journal_host host;
	void		*fetch_ctx;	/* fetch's own */
	/* A rule set whose sources' formats have another configuration now is used all
	 * the same. */
	bool		 any_formats;
};
struct recall *recall_new(const struct recall_options *);
void recall_free(struct recall *);
bool recall_load(struct recall *, const struct past_snap *, struct err *);
/* Blocks that begin at or before `turn`; a caller that wants to stop within one says so
 * in `before`. */
enum journal_result recall_run(struct recall *, uint64_t turn, struct err *);
struct world *recall_world(struct recall *);
/* The newest turn whose inputs were all decided; 0: none yet, not even a snapshot. */
uint64_t recall_turn(const struct recall *);
/* Clocks of that turn. */
void recall_clocks(const struct recall *, int64_t *wall_ms, int64_t *tick_ms);
#endif
