/* Inside flow: the world's parts and what its files call of each other.  Not for
 * other floors, except that unit tests look in here.
 *
 *	world.c    one input after the other          command.c  what people ask for
 *	admit.c    may this run exist, may it start   report.c   what executors say
 *	dag.c      which step is next                 attempt.c  one try of one step
 *	finish.c   the end of a run, promote          models.c   champion, candidate
 *	live.c     runs in cells and in memory        vars.c     names in expressions
 *	birth.c    what a run is born with            start.c    what START carries
 *	rows.c     effects: rows, events, operations  blob.c     long text in cells
 *	retry.c    an ended run begun again           key.c      keys of attempts
 *	settle.c   virtual runs end as told
 *	silences.c commands about silences
 *	baseline.c what a model was like
 *	run.c      the transition tables              codec.c    inputs in the journal */
#ifndef FLOW_ENGINE_H
#define FLOW_ENGINE_H

#include "base/arena.h"
#include "base/check.h"
#include "flow/live.h"

/* blob.c */
uint32_t blob_put(struct cells *, struct str);
void blob_drop(struct cells *, uint32_t id);
void blob_set(struct cells *, uint32_t *id, struct str);
uint32_t blob_len(const struct cells *, uint32_t id);
void blob_copy(const struct cells *, uint32_t id, char *to);
struct str blob_get(const struct cells *, uint32_t id, struct arena *);	/* a copy */

/* birth.c */
uint32_t birth_write(struct world *, const struct order *, uint64_t id); /* a blob */
/* Texts point into the bytes; steps and executors are the caller's to free. */
bool birth_read(struct str bytes, struct birth *);

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
void attempt_start(struct world *, struct run *, uint32_t step);
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

struct model_new;

/* finish.c */
void run_finish(struct world *, struct run *);	/* every step is terminal */
void finish_waiting(struct world *);		/* promotes that others held back */
void run_set_fact(struct world *, struct run *);
/* Ends it so, whatever its steps did; `m` as far as known, the run's name otherwise. */
void run_settle(struct world *, struct run *, enum run_state, enum run_outcome,
    const struct model_new *m, struct str reason);

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

/* baseline.c: false, and why not, where it does not hold what a baseline does */
bool baseline_ok(struct world *, struct value, struct str *why);
/* Checks the one it has, or takes the key `baseline` of its metrics. */
bool baseline_default(struct world *, struct model_new *, struct str *why);

/* command.c */
void command_apply(struct world *, const struct command *);
/* After the decisions of this input: decisions[from..] are what it led to. */
void command_trigger(struct world *, const struct command *, uint32_t from);
bool command_backfill(struct world *, const struct command *);	/* false: answered */
/* Decisions from `from` on are of it; suppressed[]: as the counts were before. */
void command_backfilled(struct world *, const struct command *, uint32_t from,
    const uint64_t *suppressed);
void command_order(struct world *, const struct command *, struct order *,
    struct value params);		/* admits, answers */
void command_silence(struct world *, const struct command *);	/* silences.c */
void command_unsilence(struct world *, const struct command *);
bool command_params(struct world *, const struct command *, struct value *ret);
struct str map_text(struct world *, struct value map, const char *name);
struct str map_json(struct world *, struct value map, const char *name);
void command_no_pipeline(struct world *, const struct command *, struct str name);
GString *answer_begin(const char *key, struct str value);
void answer_ok(struct world *, const struct command *, GString *json);
void answer_error(struct world *, const struct command *, int status, const char *fmt,
    ...) __attribute__((format(printf, 4, 5)));

/* settle.c */
void command_settle(struct world *, const struct command *);

/* retry.c */
uint64_t run_number(struct str name);	/* at the end of a run's name; 0: none */
void command_retry(struct world *, const struct command *);

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
