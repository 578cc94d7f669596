/* What an executor said of one attempt.  Idempotent: a repeat changes nothing.
 * ORDER retrain_answer, retrain_state in include/retrain/plugin.h */
#ifndef FLOW_REPORT_H
#define FLOW_REPORT_H

#include "base/str.h"

enum report_answer { REPORT_OK = 1, REPORT_EXISTED, REPORT_REFUSED, REPORT_BUSY,
	REPORT_UNCERTAIN };
enum report_state { REPORT_ABSENT = 1, REPORT_PENDING, REPORT_RUNNING, REPORT_COMPLETED,
	REPORT_ABORTED, REPORT_FAILED };
enum exec_op_kind { EXEC_START = 1, EXEC_FIND, EXEC_POLL, EXEC_ABORT };

struct report {
	struct str	 key;		/* of the attempt: "rt-..." */
	enum exec_op_kind op;		/* what it answers; POLL also for news unasked */
	enum report_answer answer;
	enum report_state state;
	struct str	 native_id, native_state, reason;
	struct str	 outputs, metrics, artifacts;	/* JSON or empty */
	struct str	 code;		/* JSON {repo, ref, commit, dirty}, or empty */
	struct str	 environment;	/* JSON object: what was let through; or empty */
	int32_t		 exit_code;	/* of COMPLETED and FAILED processes; -1: none */
	int64_t		 started_ms, finished_ms;	/* wall; 0: unknown */
	int64_t		 again_ms;	/* when to poll next; 0: the host chooses */
};
#endif
