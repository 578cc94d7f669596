/* Starting a child: posix_spawn, never fork, and a pidfd on the loop instead of
 * SIGCHLD (waitid(P_PIDFD); no wait(-1) anywhere). */
#ifndef IO_SPAWN_H
#define IO_SPAWN_H

#include <sys/types.h>

#include "base/err.h"

struct loop;
struct child;

struct spawn_options {
	const char	*path;		/* program, or NULL with exec_fd */
	int		 exec_fd;	/* -1; else executed through /proc/self/fd/N */
	char *const	*argv, *const *envp;
	int		 in, out, err;	/* -1: /dev/null */
	const int	*keep;		/* further descriptors, given as 3, 4, ... */
	unsigned	 keep_n;
	bool		 own_group;	/* a process group of its own */
};
/* on_exit gets the wait status (as waitpid's) once; the child is then freed. */
struct child *spawn_child(struct loop *, const struct spawn_options *,
    void (*on_exit)(void *, struct child *, int status), void *, struct err *);
pid_t child_pid(const struct child *);
bool child_signal(struct child *, int signo);	/* by pidfd */
void child_forget(struct child *);		/* stop watching, leave it running */
#endif
