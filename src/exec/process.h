/* Inside the process kind: what process_open.c learns once, and what record.c reads
 * of a run directory. */
#ifndef EXEC_PROCESS_H
#define EXEC_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>
#include <jansson.h>

#include <retrain/plugin.h>

#include "base/err.h"

struct process {
	const struct retrain_host *host;
	int		 shim_fd;	/* the program, opened once: never two versions */
	int		 runs_fd;
	char		*runs;		/* absolute path of runs/ */
	char		*cgroup;	/* where steps' cgroups are made; NULL: none */
	/* who steps are */
	bool		 switch_user;
	uid_t		 uid;
	gid_t		 gid, *groups;
	int		 groups_n;
	char		*user, *home, *shell;
	/* options */
	char		*path, **env;
	long		 umask;
	int64_t		 running_max, starts_max, grace_ms, log_bytes, min_free;
	/* state */
	GHashTable	*entries;	/* key -> struct entry: shims that are watched */
	bool		 stopping;
	double		 tokens;	/* starts that may happen now */
	int64_t		 tokens_ms;
};
bool process_setup(struct process *, const char *options, char *err, size_t);
/* process_dir.c: the directory with all that the shim reads; ERR_FULL: try again. */
bool process_prepare(const struct process *, const struct retrain_job *, bool abort,
    struct err *);
void process_put_abort(const struct process *, const struct retrain_job *);

enum record_look {
	LOOK_NONE = 1,		/* nothing was started under this key */
	LOOK_LIVE,		/* its shim holds the claim */
	LOOK_DEAD,		/* claimed, no shim, no exit record */
	LOOK_ENDED,		/* the exit record is there */
	LOOK_UNSURE,		/* we can't tell now, without a descriptor, say */
};
struct record {
	enum record_look look;
	pid_t		 pid;		/* LIVE: of the shim */
	int64_t		 start;		/* LIVE: its start time in /proc/PID/stat */
	json_t		*exit;		/* ENDED */
};
void record_read(int runs_fd, const char *key, struct record *ret);
void record_fini(struct record *);
/* A pidfd of the shim that holds the claim now, or -1. */
int record_pidfd(int runs_fd, const char *key, const struct record *);
void record_answer(const struct record *, struct retrain_op *,
    const struct retrain_host *, struct retrain_result *);
#endif
