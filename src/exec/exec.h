/* Registry of executor kinds and instances; operations out, reports back.
 *
 * exec_do() is called after the commit only.  A report comes back through on_report,
 * possibly inside exec_do().  Reports may repeat; flow ignores repeats. */
#ifndef EXEC_EXEC_H
#define EXEC_EXEC_H

#include <retrain/plugin.h>

#include "flow/world.h"
#include "rules/catalog.h"

struct exec;
struct loop;

struct exec_host {
	struct loop	*loop;
	const char	*state_dir;	/* runs/ is below it */
	const char	*instance;
	const char	*shim;		/* path of retrain-shim; NULL: search */
	int64_t		 min_free;	/* bytes; with less no step starts */
	void		(*on_report)(void *, const struct report *);
	void		*ctx;
};
struct exec_logs {		/* where a step's log is, for api */
	char		 path[4096];
};
struct exec *exec_new(const struct exec_host *);
void exec_free(struct exec *);		/* detaches: children go on */
/* An instance out of the config: kind by name, options as its table filled them. */
bool exec_open(struct exec *, struct str name, struct str kind, const void *options,
    struct err *);
void exec_do(struct exec *, const struct exec_op *);
/* The commit that recorded this attempt's end is done: its record may go. */
void exec_forget(struct exec *, struct str key);
/* In a container (PID 1): interrupt running shims and call on_idle when their records
 * are in, at most timeout_ms later. */
void exec_interrupt(struct exec *, int64_t timeout_ms, void (*on_idle)(void *), void *);
/* Path of the log of an attempt of the process kind; false: unknown kind. */
bool exec_log_path(struct exec *, struct str key, struct exec_logs *ret);
unsigned exec_active(const struct exec *);

extern const struct catalog_kind exec_process_kind;	/* exec/options.c */
#endif
