/* drain -> step -> commit -> acknowledge -> dispatch.
 *
 * The one caller of world_input() in the daemon.  Runs from the loop's before-sleep
 * hook.  Order of inputs in a turn: commands, reports, run events, http, mqtt, kafka
 * by (source, partition, offset), then deadlines (world_take_due). */
#ifndef TURN_TURN_H
#define TURN_TURN_H

#include "base/err.h"
#include "exec/exec.h"
#include "io/clock.h"
#include "rules/ruleset.h"
#include "source/source.h"

struct turn;
struct loop;
struct pool;

struct turn_parts {
	struct loop	*loop;
	struct pool	*checkpointer;	/* a thread of its own, or NULL */
	struct store	*store;
	struct exec	*exec;
	const struct catalog *catalog;
	const char	*instance, *epoch;
	const char	*fingerprint;	/* of binary, libc, CPU, zone data */
	int64_t clock_wait_ms; /* schedules wait that long for a wall clock that is
				* behind the last turn's */
	struct event_limits limits;
	struct clock_now (*clock)(void);
	void (*on_broken)(void *, const struct err *); /* I/O error: exit 1 */
	void		(*on_ready)(void *);	/* recovered and verified: once */
	void		*ctx;
};
struct turn_status {
	bool		 ready, recovered, paused, full, stopping;
	const char	*reasons[8];	/* why not ready */
	unsigned	 reasons_n;
	uint64_t	 seq, turn, commit;
	int64_t		 wall_ms, tick_ms;
};
/* Answer to a command or a reload: after the commit; json is lent for the call. */
typedef void (*turn_answer_f)(void *ctx, int status, struct str json);

struct turn *turn_new(const struct turn_parts *);
void turn_free(struct turn *);
/* Sources are given before recovery; the turn calls resume and start on them. */
void turn_add_source(struct turn *, struct source *);
/* Callbacks for source_host and exec_host (ctx: the turn). */
void turn_on_ready(void *, struct source *);
void turn_on_state(void *, struct source *, struct str part, enum source_state);
void turn_on_report(void *, const struct report *);
/* Loads the world, restores pipelines, starts INPUT_START, asks executors, starts
 * sources.  `rules`: the set to run with (ownership moves), or NULL: the last good. */
bool turn_recover(struct turn *, struct ruleset *rules, struct err *);
/* A command of a person.  `key` (16 bytes, may be NULL) makes a repeat get the first
 * answer.  The command is copied. */
void turn_command(struct turn *, const struct command *, const uint8_t key[16],
    turn_answer_f, void *ctx);
/* A compiled rule set becomes an input (ownership moves); answered after its commit
 * with what changed. */
void turn_reload(struct turn *, struct ruleset *, turn_answer_f, void *ctx);
/* Finish the turn, commit, acknowledge; then on_idle.  Nothing is read any more. */
void turn_stop(struct turn *, void (*on_idle)(void *), void *);
/* Refreshes the gauges that are computed when someone looks (/metrics). */
void turn_metrics(struct turn *);
/* Every accepted event as CloudEvents JSON, after its commit; NULL ends it. */
void turn_listen(struct turn *, void (*on_event)(void *, struct str json), void *ctx);
struct world *turn_world(struct turn *);	/* to explain and list; never to change */
void turn_status(const struct turn *, struct turn_status *);
uint32_t turn_sources(struct turn *, struct source ***ret);
#endif
