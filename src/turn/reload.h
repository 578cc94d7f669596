/* Rule files -> rule set, on the helper: read once, compiled, handed to the turn.
 *
 * Triggers: SIGHUP, a settled change in the directory (inotify, renames and ..data
 * swaps included), the API.  A bad edit leaves the old set of its bundle running; the
 * diagnostics are kept for the CLI, logged once, and shown in metrics. */
#ifndef TURN_RELOAD_H
#define TURN_RELOAD_H

#include "turn/turn.h"

struct reload;

struct reload_options {
	const char	*dir;		/* rules directory */
	struct option_strs owners;	/* names or uids beside root and the daemon's */
	struct str	 group;		/* may be writable for this group; empty: none */
	bool		 watch;
	int64_t		 settle_ms;
};
/* Reads and checks the files of all bundles; false: one can't be read, or all. */
bool rules_read(const struct reload_options *, struct arena *, struct rule_text **ret,
    uint32_t *ret_n, struct err *);
struct reload *reload_new(struct turn *, struct loop *, struct pool *helper,
    const struct catalog *, const struct reload_options *);
void reload_free(struct reload *);
/* Synchronous, for the start.  `packed`: of the set that ran last; may be empty.  A
 * bundle with errors has its texts out of that; *ret_diags: what is to be said, rendered.
 * NULL: nothing can run. */
struct ruleset *reload_now(struct reload *, struct str packed, GString *ret_diags);
bool reload_ok(const struct reload *);	/* the last time: all as their files say */
/* Asks for a reload; `answer` (may be NULL) gets the diagnostics object. */
void reload_ask(struct reload *, turn_answer_f, void *ctx);
/* {"ok":..,"time":..,"hash":..,"bundles":[..],"diagnostics":[..]} of the last attempt. */
void reload_status_json(const struct reload *, GString *out);
/* Array of {"name","state","rules","errors","since","diagnostics"}. */
void reload_bundles_json(const struct reload *, GString *out);
#endif
