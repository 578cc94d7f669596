/* The recorded past, as the verbs that read it see it. */
#ifndef CMD_RETRAINCTL_HISTORY_H
#define CMD_RETRAINCTL_HISTORY_H

#include "cmd/config.h"
#include "cmd/retrainctl/ctl.h"
#include "store/recall.h"

struct history {
	struct config	*config;
	struct past	*past;
	struct past_span span;
	GHashTable	*fetch;		/* refetch.c: source id -> its reader; or NULL */
};
/* The database in `state` (NULL: of the configuration).  False: said, *ret_exit set: 1
 * where nothing is covered, else 2. */
bool history_open(struct ctl *, const char *verb, const char *state, struct history *,
    int *ret_exit);
void history_close(struct history *);
/* "2026-03-01T00:00:00Z to 2026-03-09T10:00:00Z" */
void history_span_text(const struct history *, GString *);
void history_span_json(const struct history *, GString *);
/* Nearest snapshot at or before that wall time.  False: outside, which is said with the
 * way on; exit 1. */
bool history_snap(const struct history *, const char *verb, int64_t ms,
    struct past_snap *);
/* RFC 3339, or so long ago ("90m", "7d").  False: said. */
bool history_time(const char *verb, const char *option, const char *text, int64_t *ms);
int64_t history_now(void);

/* recall_options.host.fetch over a struct history (fetch_ctx): from the source. */
bool history_may_fetch(const struct history *);	/* there is such a source */
bool history_fetch(void *history, struct message *, struct arena *, struct err *);

/* explain_past.c: from a state directory; printed, the exit status. */
int explain_past(struct ctl *, const char *state, const char *rule, const char *key,
    const char *event, int64_t at_ms);
/* What every rule would do with this CloudEvent, were it sent now. */
int explain_unsent(struct ctl *, const char *state, struct str cloudevent);
/* backfill_past.c: events of the journal that arrived in [from, to), that the rule takes
 * and that did not fire; at most so many.  NULL: said, *ret_exit is set. */
enum backfill_which { BACKFILL_NONE = 1, BACKFILL_FAILED, BACKFILL_ALL };
struct backfill_ask {
	const char	*rule;
	int64_t		 from_ms, to_ms, limit;
	enum backfill_which reprocess;
};
json_t *backfill_past(struct ctl *, const char *state, const struct backfill_ask *,
    int *ret_exit);
/* explain.c: a trace, or a list of rules beside an event, with its span. */
void explain_print(struct ctl *, const json_t *);
#endif
