/* Inside flow: the world's parts and what its files call of each other.  Not for
 * other floors, except that unit tests look in here.
 *
 *	world.c    one input after the other          command.c  what people ask for
 *	admit.c    may this run exist, may it start   report.c   what executors say
 *	dag.c      which step is next                 attempt.c  one try of one step
 *	finish.c   the end of a run, promote          models.c   champion, candidate
 *	live.c     runs in cells and in memory        vars.c     names in expressions
 *	rows.c     effects: rows, events, operations  start.c    what START carries
 *	blob.c     long text in cells
 *
 * An unfinished run is a cell (struct run_cell), a cell per step (struct step_cell)
 * and chains of text (blob.c).  What never changes is one text, the birth record.
 * struct run beside it is what can be rebuilt from them by run_load(). */
#ifndef FLOW_ENGINE_H
#define FLOW_ENGINE_H

#include "base/arena.h"
#include "base/check.h"
#include "flow/world.h"

enum flow_cell { CELL_RUN = 64, CELL_STEP, CELL_BLOB, CELL_WORLD = 96 };
#define NEVER INT64_MAX
#define STEPS_MAX 1000		/* of one pipeline: the run cell stays below CELL_MAX */
#define RESULT_MAX (1 << 20)	/* bytes of a step's outputs, metrics or artifacts */
#define ABSENT_MAX 3		/* so many ABSENTs in a row: the job is lost */
#define AGAIN_MS 1000		/* to ask again where the executor did not say when */

enum ending {			/* why no further step starts */
	END_NONE = 0, END_FAIL, END_ABORT,
};
enum phase {			/* of a running step's attempt */
	PHASE_NONE = 0,
	PHASE_BACKOFF,		/* the next attempt begins at due_at */
	PHASE_STARTING,		/* START is given, its answer not here yet */
	PHASE_BUSY,		/* surely not started: START again at due_at */
	PHASE_FINDING,		/* perhaps started: FIND is given, again at due_at */
	PHASE_RUNNING,		/* known to have started; POLL at due_at */
};
struct world_cell {
	uint64_t	 seq, last_run, last_outbox;
	uint32_t	 instance, epoch;	/* blobs */
	uint8_t		 paused;
};
struct run_cell {
	uint64_t	 id, seq;	/* seq: of the input that changed it last */
	int64_t		 created_ms, started_ms, finished_ms;	/* wall */
	int64_t		 pending_until, timeout_at;	/* tick; NEVER: none */
	uint8_t		 state, outcome, ending;
	uint8_t		 abort_requested, replacing, rejected, waits_promote;
	uint8_t		 gated;		/* a gate read the champion: gate_version */
	uint32_t	 birth, reason, gate_version;	/* blobs */
	uint32_t	 steps_n;
	uint32_t	 steps[];	/* their cells */
};
struct step_cell {
	uint8_t		 state, phase;
	uint8_t		 abort_sent, timed_out;
	uint8_t		 stopped;	/* never got to run: its run ended before */
	uint8_t		 unverified, absent, adopted;
	uint8_t		 said_no;	/* a gate */
	uint8_t		 after_gate;	/* started after the gate: holds the model */
	uint32_t	 attempt;	/* from 1; 0: none yet */
	int32_t		 exit_code;
	int64_t		 started_ms, finished_ms;	/* of the step, wall */
	int64_t		 from_ms, to_ms;		/* of the attempt, wall */
	int64_t		 due_at, timeout_at;		/* tick; NEVER: none */
	uint32_t	 reason, outputs, metrics, artifacts;	/* blobs */
	uint32_t	 native_id, native_state;
	uint32_t	 start;		/* what START needs, until the start is known */
	char		 key[24];	/* of the attempt */
};
struct birth {			/* what a run is born with; texts in run.bytes */
	struct str	 name, pipeline, rule, key, model, actor;
	struct str	 params, events, code;	/* JSON */
	struct str	 instance, epoch, ruleset_hash, pipeline_hash;
	uint64_t	 decision, episode, retry_of;
	uint32_t	 rule_id;
	uint8_t		 depth;
	struct str	*steps, *executors;
	uint32_t	 steps_n;
};
struct step {
	const struct step_cell *c;
	uint32_t	 cell;
	bool		 dirty, attempt_dirty;
};
struct run {
	const struct run_cell *c;
	uint32_t	 cell;
	struct birth	 b;
	GByteArray	*bytes;
	struct pipeline	*pipeline;	/* NULL: its text no longer compiles */
	struct step	*steps;
	GSequenceIter	*at;		/* in world.due; NULL: no deadline */
	int64_t		 due;
	bool		 dirty;
};
struct pipe_use {		/* a pipeline that unfinished runs name */
	struct pipeline	*pipeline;
	uint32_t	 runs;
};
struct step_ref {
	struct run	*run;
	uint32_t	 step;
};
struct adopt {			/* a step taken over from an older run */
	struct str	 step, outputs, metrics;
};
struct order {			/* a run that is asked for */
	struct pipeline	*pipeline;
	struct value	 params;	/* checked, with defaults */
	struct str	 rule, key, model, events, actor;
	uint64_t	 decision, episode, retry_of;
	uint32_t	 rule_id;
	uint8_t		 depth;		/* of the cause */
	bool		 force;		/* waits where others are turned away */
	const struct adopt *adopt;
	uint32_t	 adopt_n;
};
struct world {
	struct cells	*cells;
	struct decide	*decide;
	struct ruleset	*rules;
	const struct world_cell *c;
	uint32_t	 cell;
	GString		*instance, *epoch;
	GPtrArray	*runs;		/* unfinished (and ended in this input), by id */
	GHashTable	*by_name;	/* run name -> struct run */
	GHashTable	*by_key;	/* attempt key -> struct step_ref */
	GHashTable	*pipes;		/* 32 bytes -> struct pipe_use */
	GSequence	*due;		/* runs by (due, id) */
	GPtrArray	*dirty;		/* runs that this input changed */
	GPtrArray	*freed;		/* names of pipelines that may have a free slot */
	bool		 promote_again;	/* a run ended: promotes that waited may go */
	/* of the input being decided */
	struct effects	*fx;
	struct arena	*arena;
	int64_t		 wall, tick;
	uint64_t	 seq;
};

/* blob.c */
uint32_t blob_put(struct cells *, struct str);
void blob_drop(struct cells *, uint32_t id);
void blob_set(struct cells *, uint32_t *id, struct str);
uint32_t blob_len(const struct cells *, uint32_t id);
void blob_copy(const struct cells *, uint32_t id, char *to);
struct str blob_get(const struct cells *, uint32_t id, struct arena *);	/* a copy */

/* live.c */
struct run *run_create(struct world *, const struct order *);
bool run_load(struct world *, uint32_t cell, struct err *);
void run_free(void *run);			/* the memory only */
void run_remove(struct world *, struct run *);	/* cells, indexes, memory */
struct run_cell *run_touch(struct world *, struct run *);
struct step_cell *step_touch(struct world *, struct run *, uint32_t step);
void run_key_add(struct world *, struct run *, uint32_t step);
void run_due_update(struct world *, struct run *);
struct run *run_find(const struct world *, struct str name);
struct run *run_by_id(const struct world *, uint64_t id);
bool run_is_unverified(const struct run *);
void pipe_use(struct world *, struct pipeline *);
void pipe_unuse(struct world *, struct pipeline *);

/* admit.c */
struct verdict admit_emission(struct world *, const struct emission *);
/* Checks params and the model template; false: why in *err. */
bool order_check(struct world *, struct order *, struct value given, struct err *);
/* Creates the run, or says in *ret what stops it.  dry: only says. */
struct run *order_admit(struct world *, const struct order *, bool dry,
    struct verdict *ret);
void admit_waiting(struct world *);	/* starts what the freed slots allow */

/* dag.c */
void run_start(struct world *, struct run *);
void run_advance(struct world *, struct run *);
void run_stop(struct world *, struct run *, enum ending, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void step_change(struct world *, struct run *, uint32_t step, enum step_event,
    struct str reason);
void run_change(struct world *, struct run *, enum run_event);
void run_reason(struct world *, struct run *, struct str reason);
/* False: the champion is not the one that this run's gate compared with. */
bool run_champion_same(struct world *, const struct run *);
void run_due(struct world *, struct run *);	/* everything due at world.tick */
/* A step started after this run's gate is at work: others may not promote now. */
bool run_holds_model(const struct run *);

/* start.c */
bool start_put(struct world *, struct run *, uint32_t step, struct str *why);

/* attempt.c */
bool attempt_start(struct world *, struct run *, uint32_t step);
void attempt_abort(struct world *, struct run *, uint32_t step);
void attempt_due(struct world *, struct run *, uint32_t step);
struct attempt_end {
	enum report_state state;	/* COMPLETED, FAILED, ABORTED */
	bool		 last;		/* no retry */
	const struct report *report;	/* NULL: nobody reported it */
	struct str	 reason;	/* empty: out of the report */
};
void attempt_end(struct world *, struct run *, uint32_t step, const struct attempt_end *);
void attempt_ops(struct world *, struct run *, uint32_t step);	/* after a restart */

/* report.c */
void report_apply(struct world *, const struct report *);

/* finish.c */
void run_finish(struct world *, struct run *);	/* every step is terminal */
void finish_waiting(struct world *);		/* promotes that others held back */
void run_set_fact(struct world *, struct run *);

/* models.c */
struct model_new {
	struct str	 model, version, run, metrics, baseline;
	uint8_t		 depth;
};
void model_register(struct world *, const struct model_new *);	/* a candidate */
void model_promote(struct world *, const struct model_new *);	/* the champion */
/* Who the champion is, as text that differs whenever a promote came between. */
struct str model_stamp(struct world *, struct str model);
const struct run *model_holder(const struct world *, struct str model,
    const struct run *except);

/* command.c */
void command_apply(struct world *, const struct command *);
/* After the decisions of this input: decisions[from..] are what it led to. */
void command_trigger(struct world *, const struct command *, uint32_t from);
void answer_ok(struct world *, const struct command *, GString *json);
void answer_error(struct world *, const struct command *, int status, const char *fmt,
    ...) __attribute__((format(printf, 4, 5)));

/* vars.c */
void vars_run(struct world *, const struct run *, struct value vars[PVAR_MAX]);
void vars_order(struct world *, const struct order *, struct value vars[PVAR_MAX]);
void vars_eval(struct world *, const struct value vars[PVAR_MAX], struct eval *ret);
struct str vars_error(struct world *, const struct prog *, struct value error);
struct str vars_input_json(struct world *, const struct run *, uint32_t step);
struct str vars_trigger_json(struct world *, const struct run *);

/* rows.c */
struct str text_take(struct world *, GString *);	/* into the arena, frees it */
void row_run(struct world *, const struct run *);
void row_step(struct world *, const struct run *, uint32_t step);
void row_attempt(struct world *, const struct run *, uint32_t step, enum step_state);
void row_model(struct world *, struct str stage, const struct model_new *, int64_t since);
void row_pipeline(struct world *, const struct pipeline *, bool dropped);
void row_forget(struct world *, const char *key);
void row_op(struct world *, const struct run *, uint32_t step, enum exec_op_kind);
void event_run(struct world *, const struct run *, const char *what);
void event_step(struct world *, const struct run *, uint32_t step, const char *what);
void event_model(struct world *, const struct model_new *, const char *what);
void event_decision(struct world *, const struct decision_row *, uint8_t depth);
#endif
