/* Every process that came out of this step.
 *
 * The shim is a subreaper: whoever loses its parent becomes our child, setsid and
 * double forks included, so the descendants are the tree below us in /proc.  A process
 * is signalled through a pidfd that was opened while its start time was the one seen,
 * so a reused pid is never hit.  Where a cgroup is delegated, it is killed as well. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cmd/shim.h"

#define KILL_ROUNDS 8

struct proc {
	pid_t		 pid, parent;
	int64_t		 start;
	bool		 ours, zombie;
};

/* "PID (NAME) STATE PPID ...", start time is field 22. */
static bool proc_read(pid_t pid, struct proc *ret)
{
	char path[40], text[1024], *p;
	int fd;
	ssize_t n;

	g_snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	p = strrchr(text, ')');
	if (!p || strlen(p) < 4)
		return false;
	*ret = (struct proc){ .pid = pid, .zombie = p[2] == 'Z' };
	ret->parent = (pid_t)g_ascii_strtoll(p + 4, &p, 10);
	for (int field = 4; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	ret->start = p ? g_ascii_strtoll(p + 1, NULL, 10) : -1;
	return true;
}

static GArray *proc_list(void)
{
	GArray *all = g_array_new(FALSE, FALSE, sizeof(struct proc));
	DIR *d = opendir("/proc");
	const struct dirent *e;
	struct proc one;

	while (d && (e = readdir(d))) {
		if (g_ascii_isdigit(e->d_name[0]) &&
		    proc_read((pid_t)g_ascii_strtoll(e->d_name, NULL, 10), &one))
			g_array_append_val(all, one);
	}
	if (d)
		closedir(d);
	return all;
}

/* Marks children of ours until nothing is added. */
static void mark_ours(GArray *all, GHashTable *ours)
{
	bool more = true;

	g_hash_table_add(ours, GINT_TO_POINTER(getpid()));
	while (more) {
		more = false;
		for (unsigned i = 0; i < all->len; i++) {
			struct proc *p = &g_array_index(all, struct proc, i);

			if (p->ours ||
			    !g_hash_table_contains(ours, GINT_TO_POINTER(p->parent)))
				continue;
			p->ours = more = true;
			g_hash_table_add(ours, GINT_TO_POINTER(p->pid));
		}
	}
}

static void proc_signal(const struct proc *p, int signo)
{
	int fd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	struct proc now;

	if (fd < 0)
		return;
	if (proc_read(p->pid, &now) && now.start == p->start)
		syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0);
	close(fd);
}

static void cgroup_kill(const struct shim *s)
{
	char *path = s->cgroup ? g_build_filename(s->cgroup, "cgroup.kill", NULL) : NULL;
	int fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		if (write(fd, "1", 1) < 0)
			errno = 0;	/* a kernel before 5.14: the tree walk remains */
		close(fd);
	}
	g_free(path);
}

/* How many were signalled. */
static unsigned signal_once(int signo)
{
	GArray *all = proc_list();
	GHashTable *ours = g_hash_table_new(NULL, NULL);
	unsigned n = 0;

	mark_ours(all, ours);
	for (unsigned i = 0; i < all->len; i++) {
		const struct proc *p = &g_array_index(all, struct proc, i);

		if (p->ours && !p->zombie) {
			proc_signal(p, signo);
			n++;
		}
	}
	g_hash_table_destroy(ours);
	g_array_free(all, TRUE);
	return n;
}

/* KILL is sent in rounds, for what forks meanwhile is found by the next. */
void tree_signal(const struct shim *s, int signo)
{
	int rounds = signo == SIGKILL ? KILL_ROUNDS : 1;

	if (signo == SIGKILL)
		cgroup_kill(s);
	while (rounds-- > 0 && signal_once(signo) > 0)
		;
}

bool cgroup_make(struct shim *s)
{
	const char *path = spec_text(s, "cgroup");

	if (!*path)
		return true;
	if (mkdir(path, 0755) < 0 && errno != EEXIST) {
		g_snprintf(s->reason, sizeof(s->reason), "cgroup '%s': %s", path,
		    g_strerror(errno));
		return false;
	}
	s->cgroup = path;
	return true;
}

static bool cgroup_is_empty(const struct shim *s)
{
	char *path = g_build_filename(s->cgroup, "cgroup.events", NULL), *text = NULL;
	bool empty = !g_file_get_contents(path, &text, NULL, NULL) ||
	    strstr(text, "populated 0");

	g_free(text);
	g_free(path);
	return empty;
}

/* A step may have made cgroups below: then ours stays, empty. */
bool cgroup_gone(struct shim *s)
{
	if (!s->cgroup)
		return true;
	if (!cgroup_is_empty(s)) {
		cgroup_kill(s);
		return false;
	}
	rmdir(s->cgroup);
	s->cgroup = NULL;
	return true;
}
