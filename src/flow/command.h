/* What a person asked for; answered after the commit that covers it. */
#ifndef FLOW_COMMAND_H
#define FLOW_COMMAND_H

#include "base/str.h"

enum command_kind { COMMAND_TRIGGER = 1, COMMAND_RUN, COMMAND_ABORT, COMMAND_RETRY,
	COMMAND_PAUSE, COMMAND_RESUME, COMMAND_PROMOTE,
	COMMAND_SETTLE, COMMAND_SILENCE, COMMAND_UNSILENCE,
	COMMAND_BACKFILL, COMMAND_MAX };
struct command {
	enum command_kind kind;
	uint64_t	 token;		/* the caller's own, comes back in the answer */
	struct str	 actor;		/* "uid 0", token name */
	struct str	 target;	/* rule, pipeline, run, model; "": the daemon */
	struct str	 key;		/* rule or run key */
	struct str	 params;	/* JSON object or empty, see below */
	struct str	 reason;
	bool		 force, all;
};
/* params by kind:
 *	TRIGGER, RUN	the parameters of the run
 *	RETRY	what the caller read from the tables of the run, which must have ended:
 *		{"pipeline": name, "pipeline_hash": 64 hex digits, "params": {..},
 *		 "events": [..], "trigger": {..}, "model": "..",
 *		 "adopt": [{"step": name, "outputs": {..}, "metrics": {..}} ..]}
 *		adopt: its completed steps; gates among them are decided again.  With
 *		force the pipeline may have changed since.  target: the old run's id,
 *		key: its key
 *	PROMOTE	{"version": .., "run": .., "metrics": {..}, "baseline": {..}}: all but
 *		version may be left out when it is the candidate's
 *	SETTLE	{"state", "outcome", "version", "metrics", "baseline"}: the running run
 *		`target` ends so, without its steps.  Virtual runs only: replay makes it
 *	SILENCE	{"match": ["rule=fraud-*", ..], "for": "2h" or "until": RFC 3339,
 *		"reason": why}
 *	UNSILENCE	none; target: "s-12"
 *	BACKFILL	{"due": [epoch ms, ascending], "as_of": seq}: due times of the
 *		rule `target` that did not fire as of that input; or, of an event rule,
 *		{"events": [{"event": CloudEvent as a text, "source": the instance's id,
 *		"part", "retained", "fired": [keys to be left out]}], "as_of": seq}
 * Answers (JSON): RUN, RETRY {"run"}; TRIGGER {"decision","outcome","run"}; ABORT
 * {"run","state"} or with all {"aborted": n}; PAUSE, RESUME {"paused"}; PROMOTE
 * {"model","version"}; SILENCE, UNSILENCE
 * {"silence","until"}; BACKFILL {"rule","fired","suppressed","decisions"};
 * a refusal is {"error"} with status 404, 409 or 422. */
const char *command_name(enum command_kind);
#endif
