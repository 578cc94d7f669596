/* A world in virtual time: the other caller of world_input().
 *
 * Time moves by what is fed: before an event at t each earlier deadline is a turn of its
 * own at its own time.  (Recorded inputs, at their own clocks: journal.h.)
 *
 * Time.  `tick` never goes back and moves with every wait; `wall` is tick plus an
 * offset that only sim_wall_step() changes.  Both in milliseconds; wall since the epoch.
 *
 * Order at one instant: answers of executors and ends of virtual runs, our own events
 * (the run source), then the event, then what is due (tick before wall): a daemon that
 * has nothing else to do takes them so.
 *
 * Virtual runs.  What a firing starts is not executed.  When a run starts running,
 * `plan` says when and how it ends; without an answer it stays open until
 * sim_run_end().  Either it ends as told (a command of its own, settle), or its steps
 * are answered one by one by reports, and gates and promotes are decided for real.
 *
 * Pure: no file, no clock; everything that leaves is a callback.  Not thread safe. */
#ifndef REPLAY_SIM_H
#define REPLAY_SIM_H

#include "base/time.h"
#include "flow/world.h"

struct sim;

struct sim_step {		/* how a step of a virtual run ends */
	struct str	 name;
	int64_t		 after_ms;	/* from its start */
	enum report_state state;	/* COMPLETED, FAILED, ABORTED */
	struct str	 outputs, metrics, reason;	/* JSON or empty; text */
};
struct sim_plan {		/* how a virtual run ends; borrowed while the sim lives */
	int64_t		 after_ms;	/* from its start; -1: when told */
	enum run_state	 state;		/* COMPLETED, FAILED, ABORTED */
	enum run_outcome outcome;	/* of COMPLETED */
	struct str	 version, metrics, baseline;	/* of a promote; may be empty */
	struct str	 reason;
	/* Not NULL: each step is answered, and what is above is not read.  One that is
	 * not named completes. */
	const struct sim_step *steps;
	uint32_t	 steps_n;
};
struct sim_item {		/* a message, as it was recorded */
	/* time_ms: when it arrived, and so when it comes; 0: at its event's own time.
	 * source 0: the options'. */
	struct message	 message;
	const struct event_format *format;	/* NULL: the source's, else CloudEvents */
	const uint32_t	*skipped;	/* events of it that were no inputs, by index */
	uint32_t	 skipped_n;
};
struct sim_run {		/* an unfinished run */
	uint64_t	 id;
	struct str	 name, pipeline, key, rule;
	bool		 running;	/* false: pending */
	bool		 planned;	/* its end is known already */
	int64_t		 created_ms;	/* wall */
};
struct sim_options {
	struct ruleset	*rules;		/* takes a reference of its own */
	const struct catalog *catalog;	/* for pipelines of runs, after a restart */
	/* Where time begins.  wall TIME_NONE: at the first event that is fed. */
	int64_t		 wall_ms, tick_ms;
	/* Both 0: none.  Events before the first are not given, nor those after the
	 * second, with which sim_over() becomes true. */
	int64_t		 skip_before_ms, stop_after_ms;
	/* Id that events come through (0: 1); it and the run source are caught up. */
	uint32_t	 source;
	/* After each input that left something, and each event: borrowed for the call. */
	void (*on_turn)(void *, const struct input *, const struct effects *);
	/* A run starts running.  False: it stays open.  NULL: all stay open. */
	bool (*plan)(void *, const struct run_row *, struct sim_plan *ret);
	void		*ctx;
};
struct sim *sim_new(const struct sim_options *);
void sim_free(struct sim *);
/* Its world: before sim_begin() its cells may be filled, as from a snapshot. */
struct world *sim_world(struct sim *);
/* Builds the world from the cells.  `pipelines`: those of unfinished runs in them, as
 * for world_load().  fresh: the inputs `start` and the state of the sources follow. */
bool sim_begin(struct sim *, struct pipeline **, uint32_t n, bool fresh, struct err *);

int64_t sim_wall(const struct sim *);
int64_t sim_tick(const struct sim *);
uint64_t sim_inputs(const struct sim *);	/* how many the world had from us */
uint64_t sim_events(const struct sim *);	/* how many of them from outside */
int64_t sim_began(const struct sim *);		/* wall; TIME_NONE: not yet */
bool sim_over(const struct sim *);

/* Feeding.  False where something comes due without end at one instant (*err).
 *
 * The event comes at its time, or now where that has passed: it is late then. */
bool sim_event(struct sim *, struct event *, struct err *);
/* A message as it was recorded; `ret` gets the refusal, for which `why` (may be NULL)
 * has the sentence.  Without any time it comes now. */
bool sim_give_item(struct sim *, const struct sim_item *, enum event_refusal *ret,
    GString *why, struct err *);
/* The same of a message alone, at its event's own time. */
bool sim_message(struct sim *, const struct message *, const struct event_format *,
    enum event_refusal *ret, GString *why, struct err *);
bool sim_command(struct sim *, const struct command *, struct err *);
/* A promote by hand: what the model has at the start. */
bool sim_champion(struct sim *, struct str model, struct str version, struct str metrics,
    struct str baseline, struct err *);
bool sim_reload(struct sim *, struct ruleset *, struct err *);
bool sim_source(struct sim *, enum source_state, struct err *);	/* of `source` */
/* Time passes; what comes due on the way does so at its own time. */
bool sim_advance(struct sim *, int64_t ms, struct err *);
bool sim_until(struct sim *, int64_t wall_ms, struct err *);	/* not back */
/* The wall clock is set; tick goes on. */
bool sim_wall_step(struct sim *, int64_t by_ms, struct err *);
/* The state as bytes, the process gone for `down_ms`, and a new one made of the bytes. */
bool sim_restart(struct sim *, int64_t down_ms, struct err *);

/* Unfinished runs, oldest first; borrowed until the next input. */
uint32_t sim_runs(const struct sim *, const struct sim_run **ret);
/* The run ends so, plan.after_ms from now (after the start of one that is pending). */
bool sim_run_end(struct sim *, uint64_t run, const struct sim_plan *);
/* Why or why not, now; the same JSON as a decision's trace. */
bool sim_explain(struct sim *, struct str rule, struct str key, GString *json,
    struct err *);

/* Where events come from, for backtest and diff. */
struct sim_iter {
	/* 1: an item, lent until the next call; 0: the end; -1: failed, why in *err. */
	int (*next)(void *ctx, struct sim_item *ret, struct err *);
	/* Back to the first item, for another variant. */
	bool (*rewind)(void *ctx, struct err *);
	/* Part done, 0..1, for a progress bar; NULL: not known. */
	double (*done)(void *ctx);
	void		*ctx;
};
#endif
