/* The world and the one function that changes it (rule zero).
 *
 *	world_input(world, input) -> effects
 *
 * reads no clock, no socket, no file, no random source.  Reports, run commands and
 * flow's deadlines go to flow first; what they change for rules becomes a deadline
 * due now.  All that must survive is in cells (decide: kinds 32..63, flow: 64..95,
 * world: 96..); effects are rows for readers, operations for executors, answers for
 * people and events for the outbox. */
#ifndef FLOW_WORLD_H
#define FLOW_WORLD_H

#include "decide/decide.h"
#include "flow/command.h"
#include "flow/report.h"
#include "flow/run.h"

struct world;

struct exec_op {		/* done after the commit; derivable from state */
	enum exec_op_kind kind;
	struct str	 key, executor, native_id;
	struct str	 run_id, step, pipeline;
	uint32_t	 attempt;
	struct str	 argv;		/* JSON array of strings, or empty */
	struct str	 with;		/* JSON object, or empty */
	struct str	 input;		/* JSON: what becomes input.json */
	struct str	 env;		/* JSON object of strings, or empty */
	struct str	 dir;		/* working directory */
	struct str	 reason;	/* of ABORT */
	int64_t		 timeout_ms;
};
struct run_row {		/* the whole row each time it changes */
	uint64_t	 id, decision, seq;
	struct str	 name;		/* "fraud-412" */
	struct str	 pipeline, rule, key, model;
	uint8_t		 pipeline_hash[32], ruleset_hash[32];
	enum run_state	 state;
	enum run_outcome outcome;
	struct str	 reason;	/* "step train: exit 3", "waiting: 1/1 running" */
	struct str	 params, events, trigger, code, environment;	/* JSON */
	struct str	 actor;
	bool		 abort_requested, unverified;
	int64_t		 created_ms, started_ms, finished_ms;	/* 0: not yet */
	uint64_t	 retry_of;	/* run id; 0: none */
};
struct step_row {
	uint64_t	 run;
	uint32_t	 index;
	struct str	 name;
	enum step_state	 state;
	struct str	 reason, outputs, metrics, artifacts;	/* JSON or empty */
	uint32_t	 attempts;
	int64_t		 started_ms, finished_ms;
};
struct attempt_row {
	uint64_t	 run;
	uint32_t	 step, attempt;	/* attempt from 1 */
	struct str	 key, executor, native_id, native_state, reason;
	enum step_state	 state;
	int32_t		 exit_code;
	int64_t		 started_ms, finished_ms;
};
struct model_row { struct str model, version, run, stage, metrics, baseline;
	int64_t since_ms; };		/* stage: candidate, champion, archived */
struct outbox_row {		/* a CloudEvent of ours */
	uint64_t	 id;
	struct str	 type, subject, json;
	uint8_t		 depth;
};
struct answer {			/* to a command */
	uint64_t	 token, seq;
	bool		 ok;
	struct str	 json;		/* {"run":"fraud-412"} or {"error":"..."} */
	int		 status;	/* HTTP: 200, 404, 409, 422 */
};
struct pipeline_row { uint8_t hash[32]; struct str text; bool dropped; };
struct effects {		/* of one turn: arrays only grow; all in `arena` */
	struct arena	*arena;
	struct decided	 decided;
	struct run_row	*runs;
	struct step_row	*steps;
	struct attempt_row *attempts;
	struct model_row *models;
	struct outbox_row *outbox;
	struct exec_op	*ops;
	struct answer	*answers;
	struct pipeline_row *pipelines;	/* texts to keep or to drop */
	struct str	*forget;	/* attempt keys whose end is now recorded */
	uint32_t	 runs_n, runs_cap, steps_n, steps_cap, attempts_n, attempts_cap;
	uint32_t	 models_n, models_cap, outbox_n, outbox_cap, ops_n, ops_cap;
	uint32_t	 answers_n, answers_cap, pipelines_n, pipelines_cap;
	uint32_t	 forget_n, forget_cap;
};
void effects_init(struct effects *, struct arena *);	/* empty; after arena_reset() */

struct world *world_new(void);
void world_free(struct world *);
struct cells *world_cells(struct world *);
/* Cells are filled: rebuild the rest.  Pipelines of unfinished runs were restored by
 * the caller (from their texts) and are given here; the world takes the references. */
bool world_load(struct world *, struct ruleset *, struct pipeline **, uint32_t n,
    struct err *);
void world_input(struct world *, const struct input *, struct effects *);
/* The first deadline that is due at these clocks, as an input; false: none. */
bool world_take_due(const struct world *, int64_t wall_ms, int64_t tick_ms,
    struct input *ret);
/* When to wake next: INT64_MAX where there is nothing. */
void world_next_due(const struct world *, int64_t *wall_ms, int64_t *tick_ms);
struct ruleset *world_ruleset(const struct world *);
const struct decide *world_decide(const struct world *);
struct decide *world_decide_mut(struct world *);	/* for explain */
uint64_t world_seq(const struct world *);	/* of the last input */
bool world_paused(const struct world *);	/* sources are not read */
struct world_counts { uint32_t pending, running, unverified; };
struct world_counts world_counts(const struct world *);
/* [{budget, account, resource, per, scope, limit, used, from, to, owner, description}]:
 * the accounts as they are at this time. */
void world_budgets_json(const struct world *, int64_t wall_ms, GString *out);
/* After a restart: what must be asked or done again (START where the start is not
 * known to have happened, POLL where it is, ABORT where one was asked for).  The
 * effects may hold operations of this turn already: those are not given twice. */
void world_ops(struct world *, struct effects *);

/* Journal frames of every input that is not a source's message. */
void input_encode(const struct input *, GByteArray *);
/* Points into the frame or the arena; a rule set is given by its hash only. */
bool input_decode(struct str frame, struct arena *, struct input *,
    struct str *ret_ruleset, struct err *);
/* "rt-" + 20 lowercase base32 characters: first 100 bits of
 * SHA-256(instance NUL epoch NUL run NUL step NUL attempt). */
void step_key(struct str instance, struct str epoch, struct str run, struct str step,
    uint32_t attempt, char ret[24]);
#endif
