/* Inside retrain-shim: its parts.  It links base alone. */
#ifndef CMD_SHIM_H
#define CMD_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>
#include <jansson.h>

struct shim_log {		/* shim_log.c */
	int		 dir, fd;
	int64_t		 max, size;
	int64_t		 head;		/* bytes before the cut; 0: none yet */
	int64_t		 cut, unsaid;	/* dropped in all; dropped since the marker */
};
struct shim {
	const char	*path;		/* the run directory, absolute */
	int		 dir, claim_fd, say_fd;
	json_t		*spec;
	const char	*cgroup;	/* made for this step; NULL: none */
	struct shim_log	 log;
	pid_t		 main;		/* 0: not started, or ended */
	int		 status;	/* wait status of main */
	bool		 ran;		/* main was exec'ed */
	/* how it ends */
	const char	*state;		/* completed, failed, aborted, interrupted */
	char		 reason[600];
	int		 exit_code;	/* -1: none */
	int64_t		 started_ms, finished_ms;
	char		*outputs, *metrics, *artifacts;	/* JSON; NULL: none */
	char		*code;		/* JSON {repo, ref, commit, dirty}; NULL: none */
	char		*environment;	/* JSON: the names that were let through,
	    with values */
};
/* The document in a file, which is closed.  jansson's own json_loadfd() makes a system
 * call for each byte: some 1,400 of them per start. */
json_t *shim_json(int fd, json_error_t *);
const char *spec_text(const struct shim *, const char *name);	/* "" where none */
int64_t spec_number(const struct shim *, const char *name, int64_t otherwise);

/* shim_claim.c: false: somebody else has it (errno EEXIST), or why in errno. */
bool claim_make(struct shim *);
/* Written whole and fsynced, then renamed: tries again while the disk is full. */
void record_write(const struct shim *);

/* shim_child.c: becomes the step's program; only returns as _exit(). */
void child_exec(const struct shim *, int out_fd, int err_fd) __attribute__((noreturn));

/* shim_tree.c */
void tree_signal(const struct shim *, int signo);	/* every descendant of ours */
bool cgroup_make(struct shim *);
bool cgroup_gone(struct shim *);	/* kills what is in it; true: removed, or none */

/* shim_log.c */
void log_start(struct shim_log *, int dir, int64_t max);
void log_add(struct shim_log *, const char *bytes, size_t);
void log_finish(struct shim_log *);

/* shim_watch.c: from the start of main to the last descendant's end. */
void watch_step(struct shim *);

/* shim_code.c: what the step starts from: the repository's state, the environment that
 * the executor lets through. */
void code_note(struct shim *);
void environment_note(struct shim *);

/* shim_collect.c: outputs, metrics, artifacts; a bad one fails the step. */
void collect(struct shim *);
#endif
