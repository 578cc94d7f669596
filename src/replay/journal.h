/* The journal's frames as inputs again: the world as it was, one input after the
 * other, at the clocks of their turns.
 *
 *	journal_load(snapshot) ─► journal_block() … ─► journal_world()
 *
 * Recorded inputs are given verbatim: reports, deadlines and commands are not made
 * anew.  Events are decoded again by the formats of the rule set of that time.  A
 * `start` frees the world and loads it from its cells, as the process did. */
#ifndef REPLAY_JOURNAL_H
#define REPLAY_JOURNAL_H

#include "event/frame.h"
#include "flow/world.h"

struct journal;

struct journal_turn {
	uint64_t	 id, seq0;	/* its inputs are seq0 .. seq0 + n - 1 */
	uint32_t	 n;
	int64_t		 wall_ms, tick_ms;
	uint8_t		 ruleset[32];	/* in force when it began */
};
struct journal_input {		/* one, before and after it was decided */
	const struct input *in;
	const struct journal_turn *turn;
	uint64_t	 seq;
	const struct effects *fx;	/* of the turn; */
	uint32_t	 decisions;	/* those from this index on are this input's */
};
struct journal_host {		/* callbacks; false ends the replay, *err says why */
	void		*ctx;
	/* A new reference; *err where it is not known. */
	struct ruleset	*(*ruleset)(void *, const uint8_t hash[32], struct err *);
	/* Pipelines that unfinished runs may name, new references, in the arena. */
	bool		(*pipelines)(void *, struct arena *, struct pipeline ***ret,
			    uint32_t *ret_n, struct err *);
	/* Name of a source instance: what a message without one is said to be from. */
	struct str	(*origin)(void *, uint32_t source);
	/* The message at m.source, m.part, m.pos, of which the journal keeps only the
	 * position.  NULL: none can be fetched. */
	bool		(*fetch)(void *, struct message *, struct arena *, struct err *);
	/* May be NULL.  before: false stops the replay before this input; no error. */
	bool		(*before)(void *, struct journal *, const struct journal_input *);
	bool		(*after)(void *, struct journal *, const struct journal_input *,
			    struct err *);
};
enum journal_result { JOURNAL_DONE = 1, JOURNAL_STOPPED, JOURNAL_FAILED };

struct journal *journal_new(const struct journal_host *);	/* copied */
void journal_free(struct journal *);
/* A world out of a copy of these cells, with this rule set. */
bool journal_load(struct journal *, const struct cells *, const uint8_t ruleset[32],
    struct err *);
/* All frames of one block.  JOURNAL_FAILED: the journal does not fit the state, a
 * frame is malformed, or its payload is not there. */
enum journal_result journal_block(struct journal *, const struct journal_turn *,
    uint32_t n, struct str frames, struct err *);
struct world *journal_world(struct journal *);	/* until the next `start` */
#endif
