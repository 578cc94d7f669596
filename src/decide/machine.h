/* The firing state machine, one per rule and key: a pure function over plain data.
 *
 * Two clocks: `for` and `keep` are measured on the rule's clock, cooldown and refire
 * on tick.  The machine says when an emission is wanted; whoever asked the
 * suppressors answers with machine_settle(). */
#ifndef DECIDE_MACHINE_H
#define DECIDE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

enum machine_state { MACHINE_INACTIVE = 0, MACHINE_PENDING, MACHINE_FIRING,
	MACHINE_HOLDING, MACHINE_STATE_MAX };
enum machine_input { MACHINE_FALSE = 1, MACHINE_TRUE, MACHINE_KEEP };
enum machine_answer { MACHINE_EMITTED = 1, MACHINE_DROPPED, MACHINE_DEFERRED };

struct machine_config {
	int64_t		 for_ms, keep_ms;	/* the rule's clock */
	int64_t		 refire_ms;		/* tick; 0: once per episode */
	int64_t		 cooldown_ms;		/* tick; 0: none */
};
struct machine {		/* lives in a cell: a zeroed one is inactive */
	uint8_t		 state;		/* enum machine_state */
	uint8_t		 asked;		/* this episode's emission was settled */
	uint8_t		 owed;		/* deferred: asked again while firing */
	uint8_t		 emitted;	/* ever: last_emit is valid */
	uint8_t		 keeping;	/* keep_since is valid */
	uint8_t		 pad[3];
	int64_t		 active_at, keep_since;	/* the rule's clock */
	int64_t		 asked_at;	/* tick of the last answer but a deferral */
	int64_t		 last_emit;	/* tick */
	uint64_t	 episode;
};

/* One evaluation.  True: the episode's emission is wanted now (also one that was
 * deferred, or a refire). */
bool machine_step(struct machine *, const struct machine_config *, enum machine_input,
    int64_t clock, int64_t tick);
/* The answer to a true machine_step(), or to an emission that a person asked for. */
void machine_settle(struct machine *, enum machine_answer, int64_t tick);
/* The episode is over, whatever its condition says; what it owed is forgotten. */
void machine_end(struct machine *);
/* Whether `recover` is asked instead of `when`. */
bool machine_latched(const struct machine *);
/* Milliseconds of tick until the cooldown ends; 0: it does not stop an emission. */
int64_t machine_cooldown_left(const struct machine *, const struct machine_config *,
    int64_t tick);
/* When the state changes by itself; INT64_MAX: never.  On the rule's clock: */
int64_t machine_clock_due(const struct machine *, const struct machine_config *);
/* ... and on tick (refire; the end of a deferral is the suppressors' matter). */
int64_t machine_tick_due(const struct machine *, const struct machine_config *);
const char *machine_state_name(enum machine_state);
#endif
