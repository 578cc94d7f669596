/* A run in cells and in memory, and the world that holds them.
 *
 * An unfinished run is a cell (struct run_cell), a cell per step (struct step_cell)
 * and chains of text (blob.c).  What never changes is one text, the birth record.
 * struct run beside it is what can be rebuilt from them by run_load().  Layouts are
 * part of CELLS_CODEC. */
#ifndef FLOW_LIVE_H
#define FLOW_LIVE_H

#include <glib.h>

#include "base/cells.h"
#include "flow/world.h"

enum flow_cell { CELL_RUN = 64, CELL_STEP, CELL_BLOB, CELL_ACCOUNT = 90, CELL_PACE,
	CELL_WORLD = 96 };
#define NEVER INT64_MAX
#define STEPS_MAX 1000		/* of one pipeline: the run cell stays below CELL_MAX */
#define RESULT_MAX (1 << 20)	/* bytes of a step's outputs, metrics or artifacts */
#define ENVIRONMENT_MAX 65536	/* bytes of what is let through to a step */
#define CODE_MAX 4096		/* bytes of the repository's name, commit and state */
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
struct charge {			/* what a run has reserved of a budget */
	uint64_t	 account;	/* its hash; 0: nothing */
	int64_t		 period;	/* wall: when the account's period began */
	double		 amount;
	double		 factor;	/* per hour; 0: it counts runs */
};
enum { CHARGES_MAX = 2 };	/* the rule's budget and the pipeline's */
struct account_cell {		/* followed by the budget's name and whose it is */
	uint64_t	 hash;		/* of both */
	int64_t		 from, to;	/* wall: its period */
	double		 used;		/* reserved or settled in it */
	uint8_t		 resource, per;	/* as in the period: another begins anew */
	uint16_t	 name_len, who_len;
	uint8_t		 pad[2];
};
enum { PACE_MAX = 20 };
struct pace_cell {		/* followed by the pipeline's name */
	uint32_t	 n, at;		/* how many, where the next goes */
	int64_t		 ms[PACE_MAX];	/* its last completed runs took that long */
	uint32_t	 name_len, pad;
};
struct run_cell {
	uint64_t	 id, seq;	/* seq: of the input that changed it last */
	int64_t		 created_ms, started_ms, finished_ms;	/* wall */
	int64_t		 pending_until, timeout_at;	/* tick; NEVER: none */
	uint8_t		 state, outcome, ending;
	uint8_t		 abort_requested, replacing, rejected, waits_promote;
	uint8_t		 gated;		/* a gate read the champion: gate_version */
	uint32_t	 birth, reason, gate_version;	/* blobs */
	uint32_t	 code, environment;	/* blobs: of the first step that ended */
	struct charge	 charge[CHARGES_MAX];
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
	bool		 asks;		/* a rule fired it: a budget may stop it */
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
	GHashTable	*accounts;	/* of budgets: hash -> cell; lookups only */
	GArray		*account_cells, *pace_cells;	/* uint32_t */
	GPtrArray	*freed;		/* names of pipelines that may have a free slot */
	bool		 promote_again;	/* a run ended: promotes that waited may go */
	/* of the input being decided */
	struct effects	*fx;
	struct arena	*arena;
	int64_t		 wall, tick;
	uint64_t	 seq;
};
#endif
