/* Children by posix_spawn, watched by pidfd.
 *
 * posix_spawn's cost does not grow with our memory, as fork's does.  The pidfd is
 * opened right after the spawn: nobody reaps in between, because nothing here ever
 * calls wait(-1), so the pid can't have been given to another process. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "io/loop.h"
#include "io/spawn.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

struct child {
	pid_t		 pid;
	int		 pidfd;
	struct io_watch	*watch;
	void		(*on_exit)(void *, struct child *, int);
	void		*ctx;
};

static int status_of(const siginfo_t *si)
{
	if (si->si_code == CLD_EXITED)
		return (si->si_status & 0xff) << 8;
	return si->si_status & 0x7f;
}

static void child_free(struct child *c)
{
	io_watch_free(c->watch);
	if (c->pidfd >= 0)
		close(c->pidfd);
	g_free(c);
}

static void on_ready(void *arg, int events)
{
	struct child *c = arg;
	siginfo_t si = { 0 };

	(void)events;
	if (waitid((idtype_t)P_PIDFD, (id_t)c->pidfd, &si, WEXITED | WNOHANG) < 0 ||
	    !si.si_pid)
		return;
	c->on_exit(c->ctx, c, status_of(&si));
	child_free(c);
}

/* Where descriptors go: 0 1 2 from the options or /dev/null, then `keep` as 3, 4, ...
 * The sources are first lifted above the targets, so that none is overwritten. */
static void plan_fds(const struct spawn_options *o, posix_spawn_file_actions_t *fa)
{
	const int std[3] = { o->in, o->out, o->err };
	int lift = 3;		/* above every source, so that none is overwritten */

	for (unsigned i = 0; i < 3 + o->keep_n; i++)
		lift = MAX(lift, (i < 3 ? std[i] : o->keep[i - 3]) + 1);
	lift = MAX(lift, 3 + (int)o->keep_n);
	for (unsigned i = 0; i < 3 + o->keep_n; i++) {
		int from = i < 3 ? std[i] : o->keep[i - 3];
		if (from >= 0)
			posix_spawn_file_actions_adddup2(fa, from, lift + (int)i);
		else
			posix_spawn_file_actions_addopen(fa, lift + (int)i, "/dev/null",
							 O_RDWR, 0);
	}
	for (unsigned i = 0; i < 3 + o->keep_n; i++) {
		posix_spawn_file_actions_adddup2(fa, lift + (int)i, (int)i);
		posix_spawn_file_actions_addclose(fa, lift + (int)i);
	}
}

static void plan_attributes(const struct spawn_options *o, posix_spawnattr_t *at)
{
	sigset_t all, none;
	short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_setsigdefault(at, &all);
	posix_spawnattr_setsigmask(at, &none);
	if (o->own_group) {
		posix_spawnattr_setpgroup(at, 0);
		flags |= POSIX_SPAWN_SETPGROUP;
	}
	posix_spawnattr_setflags(at, flags);
}

struct child *spawn_child(struct loop *loop, const struct spawn_options *o,
    void (*on_exit)(void *, struct child *, int), void *ctx, struct err *err)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	char by_fd[64];
	const char *path = o->path;
	pid_t pid;
	int r;

	if (o->exec_fd >= 0) {
		g_snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d", o->exec_fd);
		path = by_fd;
	}
	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&at);
	plan_fds(o, &fa);
	plan_attributes(o, &at);
	r = posix_spawn(&pid, path, &fa, &at, o->argv, o->envp);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&at);
	if (r != 0) {
		err_set(err, ERR_IO, "can't start '%s': %s", o->argv[0], g_strerror(r));
		return NULL;
	}
	struct child *c = g_new0(struct child, 1);
	c->pid = pid;
	c->on_exit = on_exit;
	c->ctx = ctx;
	c->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (c->pidfd < 0) {
		err_set(err, ERR_IO, "pidfd_open: %s", g_strerror(errno));
		g_free(c);
		return NULL;
	}
	c->watch = loop_fd(loop, c->pidfd, IO_READ, on_ready, c);
	return c;
}

pid_t child_pid(const struct child *c)
{
	return c->pid;
}

bool child_signal(struct child *c, int signo)
{
	return syscall(SYS_pidfd_send_signal, c->pidfd, signo, NULL, 0) == 0;
}

void child_forget(struct child *c)
{
	if (c)
		child_free(c);
}
