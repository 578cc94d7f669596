/* A preloaded library that lets one call of a program fail, once.
 *
 * $FAULT_FILE is a `struct plan` (below), written by tests/torture/faults.py and mapped
 * by every process that has this library; only one whose name is `program` looks at
 * it.  Calls are counted over all such processes and their forks, per class.  The call
 * that fails is the n-th of its class, or the n-th of one call site: the hash of the
 * call's name and its callers, each as an offset in its object, the same in every run.
 *
 * Invariants
 *   (1) At most one call fails per plan: `delivered` is exchanged, not stored.
 *   (2) A call that fails is not made, but for sqlite3_open_v2(), whose handle must be
 *       closed by the caller all the same.
 *   (3) Descriptors without a name (eventfd, timerfd, signalfd, epoll, inotify) never
 *       fail to be read or written: they can't, so nobody has to care.
 *
 * A name that is not here is not tested: bind and column calls of SQLite allocate
 * nothing for UTF-8 that stays where it is, so that only a mistake of ours could make
 * them fail; close() and close-like calls give nothing back.  To add a call: a wrapper
 * in the section of its class. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <sqlite3.h>

enum class { SQLITE = 1, READ, WRITE, SYNC, NAME, SPAWN, OPEN, ALLOC, CLASSES };
#define ALL 0			/* count every class but ALLOC, let nothing fail */
#define SHORT (-1)		/* instead of an errno: half of the bytes are written */
#define DEPTH 10
#define MODULES 128

struct record {
	uint64_t	 site;
	uint32_t	 class, pad;
	char		 call[24];
};
struct plan {
	char		 program[32];
	uint32_t	 class;
	int32_t		 error;			/* an errno, a result of SQLite, SHORT */
	uint64_t	 site, n;		/* site 0: any */
	uint64_t	 records;		/* room behind this struct */
	_Atomic uint64_t calls, hits;
	_Atomic uint32_t delivered;
	uint32_t	 pid;
	char		 call[32];		/* what failed */
	char		 trace[2048];		/* and who had called it */
};

static struct { uintptr_t from, to, base; const char *name; } modules[MODULES];
static unsigned modules_n;
static struct plan *plan;
static _Thread_local __attribute__((tls_model("initial-exec"))) bool busy;
static _Thread_local __attribute__((tls_model("initial-exec"))) int sqlite_said;
static _Thread_local __attribute__((tls_model("initial-exec"))) int in_sqlite;

/* ---- where a call comes from ---- */

static int add_module(struct dl_phdr_info *i, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (unsigned k = 0; k < i->dlpi_phnum && modules_n < MODULES; k++) {
		const ElfW(Phdr) *h = &i->dlpi_phdr[k];

		if (h->p_type != PT_LOAD || !(h->p_flags & PF_X))
			continue;
		modules[modules_n].from = i->dlpi_addr + h->p_vaddr;
		modules[modules_n].to = i->dlpi_addr + h->p_vaddr + h->p_memsz;
		modules[modules_n].base = i->dlpi_addr;
		modules[modules_n++].name = i->dlpi_name;
	}
	return 0;
}

static unsigned module_of(uintptr_t at)
{
	unsigned i = 0;

	while (i < modules_n && (at < modules[i].from || at >= modules[i].to))
		i++;
	return i;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	return (h ^ v) * 0x100000001b3ull;
}

static uint64_t site_of(const char *call, void *const *frames, int n)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (const char *p = call; *p; p++)
		h = mix(h, (unsigned char)*p);
	for (int i = 2; i < n; i++) {
		uintptr_t at = (uintptr_t)frames[i];
		unsigned m = module_of(at);

		if (m < modules_n)
			h = mix(h, (at - modules[m].base) ^ (uint64_t)m << 48);
	}
	return h ? h : 1;
}

static void note(const char *call, void *const *frames, int n)
{
	size_t at = 0;

	plan->pid = (uint32_t)getpid();
	snprintf(plan->call, sizeof(plan->call), "%s", call);
	for (int i = 2; i < n && at < sizeof(plan->trace); i++) {
		unsigned m = module_of((uintptr_t)frames[i]);
		const char *name = m < modules_n ? modules[m].name : "";
		int k = snprintf(plan->trace + at, sizeof(plan->trace) - at, "%s+0x%lx\n",
		    *name ? name : plan->program, (unsigned long)((uintptr_t)frames[i] -
		    (m < modules_n ? modules[m].base : 0)));

		at += k > 0 ? (size_t)k : 0;
	}
}

/* ---- the one decision ---- */

static bool counts(enum class c)
{
	return plan && !busy && (plan->class == c || (plan->class == ALL && c != ALLOC));
}

/* 0: make the call; else what it fails with. */
static __attribute__((noinline)) int due(enum class c, const char *call)
{
	void *frames[DEPTH];
	uint64_t k, hit, site = 0;
	int n = 0, saved = errno, ret = 0;

	busy = true;
	if (c != ALLOC) {
		n = backtrace(frames, DEPTH);
		site = site_of(call, frames, n);
	}
	k = atomic_fetch_add(&plan->calls, 1) + 1;
	hit = plan->site == 0 ? k :
	    plan->site == site ? atomic_fetch_add(&plan->hits, 1) + 1 : 0;
	if (k <= plan->records) {
		struct record *r = (struct record *)(plan + 1) + (k - 1);

		r->site = site;
		r->class = c;
		snprintf(r->call, sizeof(r->call), "%s", call);
	}
	if (plan->class == c && hit == plan->n && !atomic_exchange(&plan->delivered, 1)) {
		n = n ? n : backtrace(frames, DEPTH);
		note(call, frames, n);
		ret = plan->error;
	}
	busy = false;
	errno = saved;
	return ret;
}

#define DUE(c) (counts(c) ? due(c, __func__) : 0)
#define REAL(type, ...) \
	static type (*real)(__VA_ARGS__); \
	if (!real) \
		real = (type (*)(__VA_ARGS__))next(__func__)
/* What fails as system calls do. */
#define FAIL(c, ret) \
	do { \
		int error_ = DUE(c); \
		if (error_) { \
			errno = error_ > 0 ? error_ : EIO; \
			return ret; \
		} \
	} while (0)

static void *next(const char *name)
{
	bool was = busy;
	void *f;

	busy = true;
	f = dlsym(RTLD_NEXT, name);
	busy = was;
	if (!f)
		_exit(99);
	return f;
}

static __attribute__((constructor)) void start(void)
{
	const char *path = getenv("FAULT_FILE");
	struct plan *p = MAP_FAILED;
	struct stat st;
	void *frames[2];
	int fd;

	busy = true;
	fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
	if (fd >= 0 && fstat(fd, &st) == 0)
		p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    0);
	if (fd >= 0)
		close(fd);
	if (p != MAP_FAILED && strcmp(p->program, program_invocation_short_name) == 0) {
		dl_iterate_phdr(add_module, NULL);
		backtrace(frames, 2);		/* it loads its unwinder at first use */
		plan = p;
	}
	busy = false;
}

/* ---- SQLite ---- */

/* After a call that failed here, what SQLite says of the connection is that.  SQLite's
 * calls of its own functions are not ours: sqlite3_exec() would take the result of a
 * step that was not made for a good one. */
#define SAY(rc) return sqlite_said = (rc)
#define SQL(type, ...) \
	REAL(type, __VA_ARGS__); \
	int rc = in_sqlite ? 0 : DUE(SQLITE); \
	sqlite_said = 0
#define CALL(...) \
	in_sqlite++; \
	int ret = real(__VA_ARGS__); \
	in_sqlite--

int sqlite3_open_v2(const char *name, sqlite3 **db, int flags, const char *vfs)
{
	SQL(int, const char *, sqlite3 **, int, const char *);
	CALL(name, db, flags, vfs);
	if (rc)
		SAY(rc);
	return ret;
}

int sqlite3_prepare_v2(sqlite3 *db, const char *sql, int n, sqlite3_stmt **st,
    const char **tail)
{
	SQL(int, sqlite3 *, const char *, int, sqlite3_stmt **, const char **);

	if (rc) {
		*st = NULL;
		SAY(rc);
	}
	CALL(db, sql, n, st, tail);
	return ret;
}

int sqlite3_prepare_v3(sqlite3 *db, const char *sql, int n, unsigned flags,
    sqlite3_stmt **st, const char **tail)
{
	SQL(int, sqlite3 *, const char *, int, unsigned, sqlite3_stmt **, const char **);

	if (rc) {
		*st = NULL;
		SAY(rc);
	}
	CALL(db, sql, n, flags, st, tail);
	return ret;
}

int sqlite3_step(sqlite3_stmt *st)
{
	SQL(int, sqlite3_stmt *);

	if (rc)
		SAY(rc);
	CALL(st);
	return ret;
}

int sqlite3_exec(sqlite3 *db, const char *sql, int (*f)(void *, int, char **, char **),
    void *arg, char **err)
{
	SQL(int, sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *,
	    char **);

	if (rc)
		SAY(rc);
	CALL(db, sql, f, arg, err);
	return ret;
}

int sqlite3_wal_checkpoint_v2(sqlite3 *db, const char *name, int mode, int *log, int *ck)
{
	SQL(int, sqlite3 *, const char *, int, int *, int *);

	if (rc)
		SAY(rc);
	CALL(db, name, mode, log, ck);
	return ret;
}

int sqlite3_errcode(sqlite3 *db)
{
	REAL(int, sqlite3 *);
	return sqlite_said ? sqlite_said : real(db);
}

const char *sqlite3_errmsg(sqlite3 *db)
{
	REAL(const char *, sqlite3 *);
	return sqlite_said ? sqlite3_errstr(sqlite_said) : real(db);
}

/* ---- bytes ---- */

static bool named(int fd)
{
	struct stat st;
	int saved = errno;
	bool ok = fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) != 0;

	errno = saved;
	return ok;
}

#define FAIL_FD(c, fd) \
	if (counts(c) && named(fd)) \
		FAIL(c, -1)

ssize_t read(int fd, void *p, size_t n)
{
	REAL(ssize_t, int, void *, size_t);
	FAIL_FD(READ, fd);
	return real(fd, p, n);
}

ssize_t __read_chk(int fd, void *p, size_t n, size_t room)
{
	REAL(ssize_t, int, void *, size_t, size_t);
	FAIL_FD(READ, fd);
	return real(fd, p, n, room);
}

ssize_t pread(int fd, void *p, size_t n, off_t at)
{
	REAL(ssize_t, int, void *, size_t, off_t);
	FAIL_FD(READ, fd);
	return real(fd, p, n, at);
}

ssize_t pread64(int fd, void *p, size_t n, off64_t at)
{
	REAL(ssize_t, int, void *, size_t, off64_t);
	FAIL_FD(READ, fd);
	return real(fd, p, n, at);
}

ssize_t recv(int fd, void *p, size_t n, int flags)
{
	REAL(ssize_t, int, void *, size_t, int);
	FAIL_FD(READ, fd);
	return real(fd, p, n, flags);
}

struct dirent *readdir(DIR *d)
{
	REAL(struct dirent *, DIR *);
	FAIL(READ, NULL);
	return real(d);
}

struct dirent64 *readdir64(DIR *d)
{
	REAL(struct dirent64 *, DIR *);
	FAIL(READ, NULL);
	return real(d);
}

/* Of bytes that are written one after the other, the first half may go. */
#define WRITE_FAIL(fd, half) \
	if (counts(WRITE) && named(fd)) { \
		int error_ = due(WRITE, __func__); \
		if (error_ == SHORT && n > 1) \
			return half; \
		if (error_) { \
			errno = error_ > 0 ? error_ : EIO; \
			return -1; \
		} \
	}

ssize_t write(int fd, const void *p, size_t n)
{
	REAL(ssize_t, int, const void *, size_t);
	WRITE_FAIL(fd, real(fd, p, n / 2))
	return real(fd, p, n);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	REAL(ssize_t, int, const void *, size_t, off_t);
	WRITE_FAIL(fd, real(fd, p, n / 2, at))
	return real(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	REAL(ssize_t, int, const void *, size_t, off64_t);
	WRITE_FAIL(fd, real(fd, p, n / 2, at))
	return real(fd, p, n, at);
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
	REAL(ssize_t, int, const void *, size_t, int);
	WRITE_FAIL(fd, real(fd, p, n / 2, flags))
	return real(fd, p, n, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	REAL(ssize_t, int, const struct msghdr *, int);
	FAIL_FD(WRITE, fd);
	return real(fd, m, flags);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
	REAL(ssize_t, int, const struct iovec *, int);
	FAIL_FD(WRITE, fd);
	return real(fd, v, n);
}

int ftruncate(int fd, off_t size)
{
	REAL(int, int, off_t);
	FAIL_FD(WRITE, fd);
	return real(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
	REAL(int, int, off64_t);
	FAIL_FD(WRITE, fd);
	return real(fd, size);
}

int posix_fallocate(int fd, off_t from, off_t n)
{
	REAL(int, int, off_t, off_t);
	int error = DUE(WRITE);

	return error ? (error > 0 ? error : EIO) : real(fd, from, n);
}

/* ---- onto the disk, and names there ---- */

int fsync(int fd)
{
	REAL(int, int);
	FAIL(SYNC, -1);
	return real(fd);
}

int fdatasync(int fd)
{
	REAL(int, int);
	FAIL(SYNC, -1);
	return real(fd);
}

int rename(const char *a, const char *b)
{
	REAL(int, const char *, const char *);
	FAIL(NAME, -1);
	return real(a, b);
}

int renameat(int da, const char *a, int db, const char *b)
{
	REAL(int, int, const char *, int, const char *);
	FAIL(NAME, -1);
	return real(da, a, db, b);
}

int linkat(int da, const char *a, int db, const char *b, int flags)
{
	REAL(int, int, const char *, int, const char *, int);
	FAIL(NAME, -1);
	return real(da, a, db, b, flags);
}

int unlink(const char *a)
{
	REAL(int, const char *);
	FAIL(NAME, -1);
	return real(a);
}

int unlinkat(int da, const char *a, int flags)
{
	REAL(int, int, const char *, int);
	FAIL(NAME, -1);
	return real(da, a, flags);
}

int mkdir(const char *a, mode_t mode)
{
	REAL(int, const char *, mode_t);
	FAIL(NAME, -1);
	return real(a, mode);
}

int mkdirat(int da, const char *a, mode_t mode)
{
	REAL(int, int, const char *, mode_t);
	FAIL(NAME, -1);
	return real(da, a, mode);
}

/* ---- processes ---- */

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *fa,
    const posix_spawnattr_t *at, char *const argv[], char *const envp[])
{
	REAL(int, pid_t *, const char *, const posix_spawn_file_actions_t *,
	    const posix_spawnattr_t *, char *const *, char *const *);
	int error = DUE(SPAWN);

	return error ? error : real(pid, path, fa, at, argv, envp);
}

pid_t fork(void)
{
	REAL(pid_t, void);
	FAIL(SPAWN, -1);
	return real();
}

int execve(const char *path, char *const argv[], char *const envp[])
{
	REAL(int, const char *, char *const *, char *const *);
	FAIL(SPAWN, -1);
	return real(path, argv, envp);
}

long syscall(long number, ...)
{
	REAL(long, long, ...);
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_pidfd_open || number == SYS_pidfd_send_signal)
		FAIL(SPAWN, -1);
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- descriptors ---- */

#define MODE(flags) \
	mode_t mode = 0; \
	if (flags & (O_CREAT | __O_TMPFILE)) { \
		va_list ap; \
		va_start(ap, flags); \
		mode = va_arg(ap, mode_t); \
		va_end(ap); \
	}

int open(const char *path, int flags, ...)
{
	REAL(int, const char *, int, ...);
	MODE(flags)
	FAIL(OPEN, -1);
	return real(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	REAL(int, const char *, int, ...);
	MODE(flags)
	FAIL(OPEN, -1);
	return real(path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
	REAL(int, int, const char *, int, ...);
	MODE(flags)
	FAIL(OPEN, -1);
	return real(dir, path, flags, mode);
}

DIR *opendir(const char *path)
{
	REAL(DIR *, const char *);
	FAIL(OPEN, NULL);
	return real(path);
}

int socket(int domain, int type, int protocol)
{
	REAL(int, int, int, int);
	FAIL(OPEN, -1);
	return real(domain, type, protocol);
}

int accept4(int fd, struct sockaddr *at, socklen_t *n, int flags)
{
	REAL(int, int, struct sockaddr *, socklen_t *, int);
	FAIL(OPEN, -1);
	return real(fd, at, n, flags);
}

int epoll_create1(int flags)
{
	REAL(int, int);
	FAIL(OPEN, -1);
	return real(flags);
}

int eventfd(unsigned n, int flags)
{
	REAL(int, unsigned, int);
	FAIL(OPEN, -1);
	return real(n, flags);
}

int signalfd(int fd, const sigset_t *set, int flags)
{
	REAL(int, int, const sigset_t *, int);
	FAIL(OPEN, -1);
	return real(fd, set, flags);
}

int inotify_init1(int flags)
{
	REAL(int, int);
	FAIL(OPEN, -1);
	return real(flags);
}

int pipe2(int fds[2], int flags)
{
	REAL(int, int *, int);
	FAIL(OPEN, -1);
	return real(fds, flags);
}

/* ---- memory ---- */

void *malloc(size_t n)
{
	REAL(void *, size_t);
	FAIL(ALLOC, NULL);
	return real(n);
}

void *calloc(size_t a, size_t b)
{
	REAL(void *, size_t, size_t);
	FAIL(ALLOC, NULL);
	return real(a, b);
}

void *realloc(void *p, size_t n)
{
	REAL(void *, void *, size_t);
	FAIL(ALLOC, NULL);
	return real(p, n);
}
