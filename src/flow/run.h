/* The states of runs and steps, as tables.
 *
 *	            START                SUCCEED
 *	 pending ----------> running ---------------> completed
 *	    |  \                |  \
 *	    |   \ FAIL          |   \ FAIL
 *	    |    `--------------|----`--------------> failed
 *	    `-------------------`-------------------> aborted
 *	               ABORT
 */
#ifndef FLOW_RUN_H
#define FLOW_RUN_H

#include "base/err.h"
#include "base/str.h"

enum run_state { RUN_PENDING = 1, RUN_RUNNING, RUN_COMPLETED, RUN_ABORTED, RUN_FAILED,
	RUN_STATE_MAX };
enum run_event { RUN_EV_START = 1, RUN_EV_SUCCEED, RUN_EV_FAIL, RUN_EV_ABORT,
	RUN_EV_MAX };
enum step_state { STEP_PENDING = 1, STEP_RUNNING, STEP_COMPLETED, STEP_ABORTED,
	STEP_FAILED, STEP_SKIPPED, STEP_STATE_MAX };
enum step_event { STEP_EV_START = 1, STEP_EV_SUCCEED, STEP_EV_FAIL, STEP_EV_ABORT,
	STEP_EV_SKIP, STEP_EV_MAX };
enum run_outcome { RUN_NO_OUTCOME = 0, RUN_PROMOTED, RUN_REJECTED, RUN_NONE };

/* Apply one event.  A refused one leaves *state untouched and sets ERR_CONFLICT;
 * repeating the event that ended it is accepted silently, because executors report
 * completion at least once. */
bool run_step(enum run_state *, enum run_event, struct err *);
bool step_step(enum step_state *, enum step_event, struct err *);
bool run_is_terminal(enum run_state);
bool step_is_terminal(enum step_state);
const char *run_state_name(enum run_state);
const char *step_state_name(enum step_state);
const char *run_outcome_name(enum run_outcome);
enum run_state run_state_of(struct str name);	/* 0: no such state */
#endif
