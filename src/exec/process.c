/* The process kind: a shim per step, a directory per shim.
 *
 *	runs/<key>/  spec.json input.json     written here, before the shim starts
 *	             claim exit.json log      written by the shim
 *	             abort                    written here, read by the shim
 *	             outputs.json metrics.json artifacts/ tmp/    the step's
 *
 * Invariants
 *   (1) Only the shim that made `claim` may exec, and only one can make it: a second
 *       start under the same key runs nothing.  So start() may be repeated, also by
 *       the next daemon.
 *   (2) What is known of a step is read from its directory (record.c), never
 *       remembered: an entry here only says that its shim is being watched.
 *   (3) An abort of what never started is a start too: its shim claims the key, finds
 *       the abort file and writes the exit record.  No later start can then run.
 *   (4) Nothing here waits: the shim says on a pipe that it has claimed, and a pidfd
 *       says that it ended. */
#include "exec/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/json.h"
#include "exec/exec.h"
#include "exec/kind.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/spawn.h"

#define FD_FLOOR 200		/* as in process_open.c */
#define AGAIN_MS 1000
#define FULL_AGAIN_MS 5000

struct entry {
	struct process	*p;
	char		*key;
	struct retrain_op *op;	/* START or ABORT, answered when the claim is made */
	bool		 stop;		/* SIGTERM once the claim is made */
	bool		 claimed;	/* by this shim */
	bool		 existed;	/* by another one before */
	struct child	*child;	/* ours; NULL: attached */
	int		 pidfd, said_fd;
	struct retrain_watch *exited, *said;
};

/* ---- answers ---- */

static void answer(struct process *p, struct retrain_op *op, enum retrain_answer what,
    enum retrain_state state, int32_t again_ms, const char *reason)
{
	struct retrain_result a = { .size = sizeof(a), .answer = what, .state = state,
		.reason = reason, .exit_code = -1, .again_ms = again_ms };

	p->host->done(op, &a);
}

/* ---- watching shims ---- */

static void entry_free(void *arg)
{
	struct entry *e = arg;

	e->p->host->unwatch(e->exited);
	e->p->host->unwatch(e->said);
	child_forget(e->child);
	if (e->pidfd >= 0)
		close(e->pidfd);
	if (e->said_fd >= 0)
		close(e->said_fd);
	g_free(e->key);
	g_free(e);
}

static struct entry *entry_new(struct process *p, const char *key)
{
	struct entry *e = g_new0(struct entry, 1);

	e->p = p;
	e->key = g_strdup(key);
	e->pidfd = e->said_fd = -1;
	g_hash_table_replace(p->entries, e->key, e);
	return e;
}

static void on_attached_exit(void *);

/* Watches the shim of a step that an earlier daemon started. */
static void attach(struct process *p, const char *key, const struct record *r)
{
	struct entry *e;
	int fd;

	if (g_hash_table_contains(p->entries, key))
		return;
	fd = record_pidfd(p->runs_fd, key, r);
	if (fd < 0)
		return;
	e = entry_new(p, key);
	e->pidfd = fd;
	e->claimed = true;
	e->exited = p->host->watch(p->host, fd, POLLIN, 0, on_attached_exit, e);
}

/* A shim that has not claimed yet does not expect signals: it gets this one then. */
static void terminate(struct entry *e)
{
	if (e->said_fd >= 0)
		e->stop = true;
	else if (e->child)
		child_signal(e->child, SIGTERM);
	else
		syscall(SYS_pidfd_send_signal, e->pidfd, SIGTERM, NULL, 0);
}

/* The shim died: what it cannot kill any more, the cgroup can.  True: all are gone. */
static bool cgroup_kill(const struct process *p, const char *key)
{
	char *dir = g_build_filename(p->cgroup, key, NULL);
	char *kill_path = g_build_filename(dir, "cgroup.kill", NULL);
	int fd = open(kill_path, O_WRONLY | O_CLOEXEC);
	bool gone = fd < 0 || (write(fd, "1", 1) == 1 && rmdir(dir) == 0);

	if (fd >= 0)
		close(fd);
	g_free(kill_path);
	g_free(dir);
	return gone;
}

/* A shim that was turned away found one of an earlier daemon: that is watched now, and
 * told to stop if this one was started for that.  A shim that could not claim brings
 * no news: its start was answered, and nothing is there. */
static void entry_ended(struct entry *e)
{
	struct process *p = e->p;
	bool stop = e->stop && e->existed, news = e->claimed || e->existed;
	char *key = g_strdup(e->key);
	struct record r;

	g_hash_table_remove(p->entries, key);
	record_read(p->runs_fd, key, &r);
	if (r.look == LOOK_LIVE)
		attach(p, key, &r);
	record_fini(&r);
	e = g_hash_table_lookup(p->entries, key);
	if (e && stop)
		terminate(e);
	if (news)
		p->host->changed(p->host, key);
	g_free(key);
}

static void on_attached_exit(void *arg)
{
	entry_ended(arg);
}

static void answer_record(struct process *p, struct retrain_op *op, const char *key,
    enum retrain_answer what)
{
	struct retrain_result a = { .answer = what };
	const struct entry *e;
	struct record r;

	record_read(p->runs_fd, key, &r);
	if (r.look == LOOK_LIVE)
		attach(p, key, &r);
	if (r.look == LOOK_DEAD && p->cgroup && !cgroup_kill(p, key))
		r.look = LOOK_LIVE;
	e = g_hash_table_lookup(p->entries, key);
	if (r.look == LOOK_UNSURE || (r.look == LOOK_LIVE && !e))
		a.again_ms = AGAIN_MS;
	if (r.look == LOOK_NONE && e)
		answer(p, op, what, RETRAIN_PENDING, 0, NULL);
	else
		record_answer(&r, op, p->host, &a);
	record_fini(&r);
}

/* ---- the shim speaks, once ---- */

static void heard(struct entry *e, const char *word, const char *rest)
{
	struct process *p = e->p;
	struct retrain_op *op = e->op;

	e->op = NULL;
	e->claimed = strcmp(word, "claimed") == 0;
	e->existed = strcmp(word, "exists") == 0;
	if (e->claimed && e->stop)
		terminate(e);
	if (e->claimed || e->existed) {
		if (op)
			answer_record(p, op, e->key,
			    e->claimed ? RETRAIN_OK : RETRAIN_EXISTED);
	} else if (op && strcmp(word, "busy") == 0) {
		answer(p, op, RETRAIN_BUSY, 0, FULL_AGAIN_MS, rest);
	} else if (op) {
		answer(p, op, RETRAIN_REFUSED, 0, 0, rest);
	}
}

/* Its word is lost: what it would have said is in the directory, now or soon. */
static void misheard(struct entry *e)
{
	struct retrain_op *op = e->op;

	e->op = NULL;
	e->claimed = true;
	if (e->stop)
		terminate(e);
	if (op)
		answer_record(e->p, op, e->key, RETRAIN_OK);
}

static void listen_end(struct entry *e)
{
	e->p->host->unwatch(e->said);
	e->said = NULL;
	close(e->said_fd);
	e->said_fd = -1;
}

static void on_said(void *arg)
{
	struct entry *e = arg;
	char text[512];
	ssize_t n = read(e->said_fd, text, sizeof(text) - 1);
	char *rest;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	listen_end(e);
	if (n < 0)
		misheard(e);
	if (n <= 0)
		return;			/* on_child_exit() says why */
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	rest = text + strcspn(text, " ");
	if (*rest)
		*rest++ = '\0';
	heard(e, text, rest);
}

static void on_child_exit(void *arg, struct child *child, int status)
{
	struct entry *e = arg;
	char why[100];

	(void)child;
	e->child = NULL;		/* freed by our caller */
	if (e->said_fd >= 0)
		on_said(e);
	if (e->op) {
		g_snprintf(why, sizeof(why), "retrain-shim ended with status %d before "
		    "it claimed the step", status);
		heard(e, "error", why);
	}
	entry_ended(e);
}

/* ---- starting ---- */

static char **shim_env(const struct process *p)
{
	char **env = g_new0(char *, g_strv_length(p->env) + 1);
	unsigned n = 0;

	for (char **name = p->env; *name; name++) {
		const char *v = getenv(*name);

		if (v)
			env[n++] = g_strdup_printf("%s=%s", *name, v);
	}
	return env;
}

static bool spawn(struct process *p, const char *key, struct retrain_op *op, bool abort,
    struct err *err)
{
	char *dir = g_build_filename(p->runs, key, NULL);
	char *argv[] = { (char *)"retrain-shim", dir, (char *)"3", NULL };
	char **env = shim_env(p);
	struct entry *e = entry_new(p, key);
	int pipes[2] = { -1, -1 }, out = -1;

	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    (out = fcntl(pipes[1], F_DUPFD_CLOEXEC, FD_FLOOR)) < 0) {
		err_set(err, ERR_FULL, "pipe: %s", g_strerror(errno));
	} else {
		struct spawn_options o = { .exec_fd = p->shim_fd, .argv = argv,
			.envp = env, .in = -1, .out = -1, .err = -1, .keep = &out,
			.keep_n = 1 };
		e->child = spawn_child(exec_host_loop(p->host), &o, on_child_exit, e,
		    err);
	}
	if (out >= 0)
		close(out);
	if (pipes[1] >= 0)
		close(pipes[1]);
	g_free(dir);
	g_strfreev(env);
	e->said_fd = pipes[0];
	if (!e->child) {
		g_hash_table_remove(p->entries, key);
		return false;
	}
	e->op = op;
	e->stop = abort;
	e->said = p->host->watch(p->host, e->said_fd, POLLIN, 0, on_said, e);
	return true;
}

static void begin(struct process *p, struct retrain_op *op, const struct retrain_job *job,
    bool abort)
{
	struct err err = { 0 };

	if (process_prepare(p, job, abort, &err) && spawn(p, job->key, op, abort, &err))
		return;
	p->host->log(p->host, LOG_WARN, err.msg);
	answer(p, op, RETRAIN_BUSY, 0, FULL_AGAIN_MS, err.msg);
}

/* ---- limits ---- */

/* A bucket that holds one second's starts. */
static int32_t rate_wait(struct process *p)
{
	int64_t now = clock_read().boot_ms;
	double max = (double)p->starts_max;

	p->tokens = MIN(max, p->tokens + (double)(now - p->tokens_ms) * max / 1e3);
	p->tokens_ms = now;
	if (p->tokens < 1)
		return (int32_t)((1 - p->tokens) * 1e3 / max) + 1;
	return 0;
}

static bool is_full(const struct process *p)
{
	struct statvfs st;

	return p->min_free > 0 && fstatvfs(p->runs_fd, &st) == 0 &&
	    (double)st.f_bavail * (double)st.f_frsize < (double)p->min_free;
}

/* True: it was answered. */
static bool held_back(struct process *p, struct retrain_op *op)
{
	int32_t wait = rate_wait(p);

	if (p->stopping)
		answer(p, op, RETRAIN_BUSY, 0, AGAIN_MS, "retraind is stopping");
	else if (g_hash_table_size(p->entries) >= (guint)p->running_max)
		answer(p, op, RETRAIN_BUSY, 0, AGAIN_MS,
		    "as many steps as may are running");
	else if (is_full(p))
		answer(p, op, RETRAIN_BUSY, 0, FULL_AGAIN_MS,
		    "less than runs.min_free is "
		    "free on the disk");
	else if (wait > 0)
		answer(p, op, RETRAIN_BUSY, 0, wait, "starts_per_second is used up");
	else
		return false;
	return true;
}

/* ---- the interface ---- */

/* Who can't tell starts a shim: it finds the claim, if there is one.  To say that it is
 * there would make a step that never began one that is lost. */
static bool is_there(const struct process *p, const char *key)
{
	struct record r;

	record_read(p->runs_fd, key, &r);
	record_fini(&r);
	return (r.look != LOOK_NONE && r.look != LOOK_UNSURE) ||
	    g_hash_table_contains(p->entries, key);
}

static void process_start(void *self, struct retrain_op *op,
    const struct retrain_job *job)
{
	struct process *p = self;

	if (!exec_key_valid(job->key) || !job->argv) {
		answer(p, op, RETRAIN_REFUSED, 0, 0,
		    "a process needs a key and a command");
	} else if (is_there(p, job->key)) {
		answer_record(p, op, job->key, RETRAIN_EXISTED);
	} else if (!held_back(p, op)) {
		p->tokens--;
		begin(p, op, job, false);
	}
}

static void process_poll(void *self, struct retrain_op *op, const struct retrain_job *job)
{
	answer_record(self, op, job->key, RETRAIN_OK);
}

/* Invariant (3).  While a start of ours is under way, its shim finds the abort file
 * after the claim, or is told then. */
static void process_abort(void *self, struct retrain_op *op,
    const struct retrain_job *job)
{
	struct process *p = self;
	struct entry *e;
	struct record r;

	if (!exec_key_valid(job->key)) {
		answer(p, op, RETRAIN_REFUSED, 0, 0, "not a key");
		return;
	}
	record_read(p->runs_fd, job->key, &r);
	if (r.look == LOOK_LIVE)
		attach(p, job->key, &r);
	record_fini(&r);
	e = g_hash_table_lookup(p->entries, job->key);
	if (r.look == LOOK_NONE && !e) {
		begin(p, op, job, true);
		return;
	}
	if (r.look == LOOK_LIVE || r.look == LOOK_NONE || r.look == LOOK_UNSURE)
		process_put_abort(p, job);
	if (e)
		terminate(e);
	answer_record(p, op, job->key, RETRAIN_OK);
}

static void process_forget(void *self, const char *key)
{
	static const char *const names[] = { "exit.json", "abort", "spec.json", "claim" };
	const struct process *p = self;
	char path[64];

	if (!exec_key_valid(key))
		return;
	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
		g_snprintf(path, sizeof(path), "%s/%s", key, names[i]);
		unlinkat(p->runs_fd, path, 0);
	}
}

static void process_close(void *self)
{
	struct process *p = self;

	g_hash_table_destroy(p->entries);
	if (p->shim_fd >= 0)
		close(p->shim_fd);
	if (p->runs_fd >= 0)
		close(p->runs_fd);
	g_free(p->runs);
	g_free(p->cgroup);
	g_free(p->groups);
	g_free(p->user);
	g_free(p->home);
	g_free(p->shell);
	g_free(p->path);
	g_strfreev(p->env);
	g_free(p);
}

static void *process_open(const struct retrain_host *host, const char *options, char *err,
    size_t n)
{
	struct process *p = g_new0(struct process, 1);

	p->host = host;
	p->shim_fd = p->runs_fd = -1;
	p->entries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, entry_free);
	p->tokens_ms = clock_read().boot_ms;
	if (process_setup(p, options, err, n)) {
		p->tokens = (double)p->starts_max;
		return p;
	}
	process_close(p);
	return NULL;
}

void process_interrupt(void *self)
{
	struct process *p = self;
	GHashTableIter it;
	void *e;

	p->stopping = true;
	g_hash_table_iter_init(&it, p->entries);
	while (g_hash_table_iter_next(&it, NULL, &e))
		terminate(e);
}

unsigned process_running(const void *self)
{
	return g_hash_table_size(((const struct process *)self)->entries);
}

const struct retrain_executor exec_process = {
	.abi = RETRAIN_ABI, .size = sizeof(struct retrain_executor),
	.name = "process", .doc = "Steps as processes of this machine",
	.once = RETRAIN_ENFORCED,
	.open = process_open, .start = process_start, .find = process_poll,
	.poll = process_poll, .abort = process_abort, .forget = process_forget,
	.close = process_close,
};
