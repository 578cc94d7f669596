/* Questions of readers: run on a reader thread with its own read-only connection,
 * answered as JSON text, cut at 2 s by a progress handler.  All field names are the
 * API's contract (docs/api.md). */
#ifndef STORE_QUERY_H
#define STORE_QUERY_H

#include <glib.h>

#include "base/err.h"
#include "base/str.h"

enum query_kind { QUERY_RUNS = 1, QUERY_RUN, QUERY_DECISIONS, QUERY_DECISION,
	QUERY_EVENTS, QUERY_QUARANTINE, QUERY_MODELS, QUERY_DUES, QUERY_AUDIT,
	QUERY_RETRY,
	QUERY_FIRED_DUES,	/* of a rule: [{"as_of": seq, "fired": [{due state}]}] */
	QUERY_ENDED };		/* attempts that ended at or after since_ms, oldest first,
				 * but for the champions' runs: {key finished} */
struct query {
	enum query_kind	 kind;
	char *id; /* RUN, DECISION, RETRY: run name or number, decision id */
	char *rule, *pipeline, *key, *state, *outcome, *event, *model; /* filters */
	int64_t		 since_ms, until_ms;	/* 0: open */
	uint64_t	 before;	/* ids below this (paging); 0: newest */
	uint32_t	 limit;		/* default 100, at most 1,000 */
};
struct reader_db;

struct reader_db *reader_open(const char *path, struct err *);
void reader_close(struct reader_db *);
/* Runs: array of {id pipeline rule key state outcome reason decision events created
 * started finished steps[…] …}; RUN: one object with attempts, params, artifacts;
 * decisions {id rule key time outcome suppressor event run reason …}; DECISION with
 * its trace; RETRY: what COMMAND_RETRY needs (flow/command.h). */
bool query_run(struct reader_db *, const struct query *, GString *json, struct err *);
void query_free(struct query *);	/* its strings, and itself */
#endif
