/* From the start of main to the end of the last process that came out of it.
 *
 *	RUNNING ──main ends──► LEFTOVERS ──5 s──► KILLING ──► none left
 *	   │ SIGTERM               ▲                 ▲
 *	   ▼                       │ main ends       │ grace
 *	STOPPING ──────────────────┴─────────────────┘
 *
 * Entering LEFTOVERS and STOPPING sends TERM to the tree, KILLING sends KILL again and
 * again until nothing is left.  The log is read all the while, and after that only as
 * far as it goes without waiting: somebody may have passed the pipe on. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cmd/shim.h"

#define LEFTOVERS_MS 5000
#define INTERRUPT_MS 4000	/* a container gives little time */
#define KILL_AGAIN_MS 20	/* then twice as long each time, up to a second */
#define DRAIN_MAX 64		/* reads of 64 KiB: more than a pipe can hold */
#define FOREVER INT64_MAX

enum phase { RUNNING = 1, STOPPING, LEFTOVERS, KILLING };

struct watch {
	struct shim	*s;
	enum phase	 phase;
	int64_t		 due;		/* of the phase, monotonic ms */
	int64_t		 again;		/* KILLING: until the next KILL */
	int		 signals, out, err;
	char		 failure[500];	/* what the child said before exec */
	size_t		 failure_n;
	bool		 asked;		/* SIGTERM came while main lived */
	bool		 orphaned;	/* waitpid: no children left */
	char		 buf[1 << 16];
};

static int64_t mono_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static bool has_abort_file(const struct shim *s)
{
	return faccessat(s->dir, "abort", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The last child may go between two KILLs: reap() sees that by SIGCHLD. */
static void enter(struct watch *w, enum phase phase, int64_t after_ms)
{
	w->phase = phase;
	w->due = mono_ms() + after_ms;
	tree_signal(w->s, phase == KILLING ? SIGKILL : SIGTERM);
}

/* The abort file is written before the signal is sent, so it is seen here. */
static void on_term(struct watch *w)
{
	bool abort = has_abort_file(w->s);
	int64_t grace = spec_number(w->s, "grace_ms", 30000);

	if (w->phase == RUNNING) {
		w->asked = true;
		w->s->state = abort ? "aborted" : "interrupted";
		enter(w, STOPPING, abort ? grace : MIN(grace, INTERRUPT_MS));
	} else if (abort && w->asked && strcmp(w->s->state, "interrupted") == 0) {
		w->s->state = "aborted";	/* it was interrupted before */
	}
}

static void reap(struct watch *w)
{
	struct shim *s = w->s;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != s->main)
			continue;
		s->main = 0;
		s->status = status;
		enter(w, LEFTOVERS,
		      w->asked ? MIN(LEFTOVERS_MS, MAX(w->due - mono_ms(), 0))
			       : LEFTOVERS_MS);
	}
	w->orphaned = pid < 0 && errno == ECHILD;
}

static void on_signals(struct watch *w)
{
	struct signalfd_siginfo si;
	bool term = false;

	while (read(w->signals, &si, sizeof(si)) == sizeof(si))
		term |= si.ssi_signo != SIGCHLD;
	reap(w);		/* a main that ended before SIGTERM keeps its result */
	if (term)
		on_term(w);
}

/* True: there may be more. */
static bool on_output(struct watch *w)
{
	ssize_t n = read(w->out, w->buf, sizeof(w->buf));

	if (n > 0)
		log_add(&w->s->log, w->buf, (size_t)n);
	if (n == 0) {			/* nobody has it open any more */
		close(w->out);
		w->out = -1;
	}
	return n > 0;
}

/* EOF without a word: exec has happened. */
static void on_failure(struct watch *w)
{
	ssize_t n = read(w->err, w->failure + w->failure_n,
	    sizeof(w->failure) - 1 - w->failure_n);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		w->failure_n += (size_t)n;
		return;
	}
	close(w->err);
	w->err = -1;
}

static void on_due(struct watch *w)
{
	if (w->phase == RUNNING || w->due > mono_ms())
		return;
	w->again = w->phase == KILLING ? MIN(2 * w->again, 1000) : KILL_AGAIN_MS;
	enter(w, KILLING, w->again);
}

static void step(struct watch *w)
{
	struct pollfd p[] = { { w->signals, POLLIN, 0 }, { w->out, POLLIN, 0 },
			      { w->err, POLLIN, 0 } };
	int64_t wait = w->phase == RUNNING ? -1 : MAX(w->due - mono_ms(), 0);

	if (w->orphaned)		/* a cgroup is not empty yet */
		wait = KILL_AGAIN_MS;
	if (poll(p, 3, (int)MIN(wait, 1 << 30)) < 0)
		return;
	if (p[1].revents)
		on_output(w);
	if (p[2].revents)
		on_failure(w);
	if (p[0].revents)
		on_signals(w);
	on_due(w);
}

static void set_outcome(struct watch *w)
{
	struct shim *s = w->s;
	int status = s->status;

	w->failure[w->failure_n] = '\0';
	s->ran = w->failure_n == 0;
	if (WIFEXITED(status) && s->ran)
		s->exit_code = WEXITSTATUS(status);
	if (w->asked) {
		g_snprintf(s->reason, sizeof(s->reason), "%s",
		    strcmp(s->state, "aborted") == 0 ? "aborted" :
		    "interrupted: retraind was stopped together with its steps");
		return;
	}
	s->state = s->exit_code == 0 ? "completed" : "failed";
	if (!s->ran)
		g_snprintf(s->reason, sizeof(s->reason), "%s", w->failure);
	else if (WIFSIGNALED(status))
		g_snprintf(s->reason, sizeof(s->reason), "killed by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
}

static bool begin(struct watch *w)
{
	struct shim *s = w->s;
	int out[2] = { -1, -1 }, err[2] = { -1, -1 };

	json_object_set_new(s->spec, "shim_pid", json_integer(getpid()));
	if (pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0)
		s->main = fork();
	else
		s->main = -1;
	if (s->main == 0)
		child_exec(s, out[1], err[1]);
	if (s->main < 0)
		g_snprintf(s->reason, sizeof(s->reason), "can't start: %s",
		    g_strerror(errno));
	if (out[1] >= 0)
		close(out[1]);
	if (err[1] >= 0)
		close(err[1]);
	w->out = out[0];
	w->err = err[0];
	if (w->out >= 0)
		fcntl(w->out, F_SETFL, O_NONBLOCK);
	if (w->err >= 0)
		fcntl(w->err, F_SETFL, O_NONBLOCK);
	return s->main > 0;
}

static void finish(struct watch *w)
{
	for (int i = 0; i < DRAIN_MAX && w->out >= 0 && on_output(w); i++)
		;		/* bounded: who was passed the pipe may write for ever */
	while (w->err >= 0 && w->failure_n < sizeof(w->failure) - 1) {
		size_t before = w->failure_n;

		on_failure(w);
		if (w->failure_n == before)
			break;
	}
	if (w->out >= 0)
		close(w->out);
	if (w->err >= 0)
		close(w->err);
	close(w->signals);
	log_finish(&w->s->log);
}

void watch_step(struct shim *s)
{
	struct watch *w = g_new0(struct watch, 1);
	sigset_t set;
	int failed;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	w->s = s;
	w->phase = RUNNING;
	w->due = FOREVER;
	w->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	failed = errno;
	log_start(&s->log, s->dir, spec_number(s, "log_bytes", 64 << 20));
	if (has_abort_file(s)) {	/* as late as can be before exec */
		s->state = "aborted";
		g_snprintf(s->reason, sizeof(s->reason), "aborted before it started");
	} else if (w->signals < 0) {	/* nothing would tell us that main has ended */
		g_snprintf(s->reason, sizeof(s->reason), "can't start: signalfd: %s",
		    g_strerror(failed));
	} else if (begin(w)) {
		while (!w->orphaned || !cgroup_gone(s))
			step(w);
		finish(w);
		set_outcome(w);
	}
	cgroup_gone(s);			/* where nothing was begun */
	g_free(w);
}
