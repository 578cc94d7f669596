/* The life of a run and of a step, as data: next[state][event], 0 = refused.
 *
 *	            START                SUCCEED
 *	 pending ----------> running ---------------> completed
 *	    |  \                |  \
 *	    |   \ FAIL          |   \ FAIL
 *	    |    `--------------|----`--------------> failed
 *	    `-------------------`-------------------> aborted
 *	               ABORT
 *
 * A step has the same picture and one edge more: pending -> skipped.
 *
 * Invariants
 *   (1) run_step() and step_step() are the only writers of a state.
 *   (2) completed, aborted, failed and skipped are terminal: no edge leaves them.
 *   (3) Repeating the event that ended it is accepted and changes nothing, because
 *       executors report the end at least once.
 *
 * To add a state: the enum in run.h, a row and a name here, the CHECK in the store's
 * schema, and tests/unit/flow/test_run.c, which walks every state x event pair.
 */
#include "flow/run.h"

static const enum run_state run_next[RUN_STATE_MAX][RUN_EV_MAX] = {
	[RUN_PENDING] = {
		[RUN_EV_START]	 = RUN_RUNNING,
		[RUN_EV_FAIL]	 = RUN_FAILED,
		[RUN_EV_ABORT]	 = RUN_ABORTED,
	},
	[RUN_RUNNING] = {
		[RUN_EV_SUCCEED] = RUN_COMPLETED,
		[RUN_EV_FAIL]	 = RUN_FAILED,
		[RUN_EV_ABORT]	 = RUN_ABORTED,
	},
	[RUN_COMPLETED] = { [RUN_EV_SUCCEED] = RUN_COMPLETED },
	[RUN_ABORTED]	= { [RUN_EV_ABORT]   = RUN_ABORTED },
	[RUN_FAILED]	= { [RUN_EV_FAIL]    = RUN_FAILED },
};
static const enum step_state step_next[STEP_STATE_MAX][STEP_EV_MAX] = {
	[STEP_PENDING] = {
		[STEP_EV_START]	  = STEP_RUNNING,
		[STEP_EV_FAIL]	  = STEP_FAILED,
		[STEP_EV_ABORT]	  = STEP_ABORTED,
		[STEP_EV_SKIP]	  = STEP_SKIPPED,
	},
	[STEP_RUNNING] = {
		[STEP_EV_SUCCEED] = STEP_COMPLETED,
		[STEP_EV_FAIL]	  = STEP_FAILED,
		[STEP_EV_ABORT]	  = STEP_ABORTED,
	},
	[STEP_COMPLETED] = { [STEP_EV_SUCCEED] = STEP_COMPLETED },
	[STEP_ABORTED]	 = { [STEP_EV_ABORT]   = STEP_ABORTED },
	[STEP_FAILED]	 = { [STEP_EV_FAIL]    = STEP_FAILED },
	[STEP_SKIPPED]	 = { [STEP_EV_SKIP]    = STEP_SKIPPED },
};
static const char *const run_names[RUN_STATE_MAX] = {
	"", "pending", "running", "completed", "aborted", "failed",
};
static const char *const step_names[STEP_STATE_MAX] = {
	"", "pending", "running", "completed", "aborted", "failed", "skipped",
};
static const char *const run_event_names[RUN_EV_MAX] = {
	"", "start", "succeed", "fail", "abort",
};
static const char *const step_event_names[STEP_EV_MAX] = {
	"", "start", "succeed", "fail", "abort", "skip",
};

bool run_step(enum run_state *state, enum run_event ev, struct err *err)
{
	enum run_state next = 0;

	if (*state < RUN_STATE_MAX && ev > 0 && ev < RUN_EV_MAX)
		next = run_next[*state][ev];
	if (next == 0)
		return err_set(err, ERR_CONFLICT, "a %s run cannot %s",
		    run_state_name(*state),
		    ev > 0 && ev < RUN_EV_MAX ? run_event_names[ev] : "do that");
	*state = next;
	return true;
}

bool step_step(enum step_state *state, enum step_event ev, struct err *err)
{
	enum step_state next = 0;

	if (*state < STEP_STATE_MAX && ev > 0 && ev < STEP_EV_MAX)
		next = step_next[*state][ev];
	if (next == 0)
		return err_set(err, ERR_CONFLICT, "a %s step cannot %s",
		    step_state_name(*state),
		    ev > 0 && ev < STEP_EV_MAX ? step_event_names[ev] : "do that");
	*state = next;
	return true;
}

bool run_is_terminal(enum run_state s)
{
	return s == RUN_COMPLETED || s == RUN_ABORTED || s == RUN_FAILED;
}

bool step_is_terminal(enum step_state s)
{
	return s >= STEP_COMPLETED && s < STEP_STATE_MAX;
}

const char *run_state_name(enum run_state s)
{
	return s < RUN_STATE_MAX ? run_names[s] : "";
}

const char *step_state_name(enum step_state s)
{
	return s < STEP_STATE_MAX ? step_names[s] : "";
}

const char *run_outcome_name(enum run_outcome o)
{
	static const char *const names[] = { "", "promoted", "rejected", "none" };

	return o < sizeof(names) / sizeof(names[0]) ? names[o] : "";
}

enum run_state run_state_of(struct str name)
{
	for (unsigned i = 1; i < RUN_STATE_MAX; i++)
		if (str_is(name, str_of(run_names[i])))
			return (enum run_state)i;
	return 0;
}
