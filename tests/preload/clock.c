/* A preloaded library that moves the clocks of one process while it runs.
 *
 * $CLOCK_FILE is a `struct plan`, written by tests/scenario/harness/clock.py and mapped
 * here: what is added to the wall clock and to the boot-time clock.  Both at once is a
 * suspended machine; CLOCK_MONOTONIC, which stands still meanwhile, is never moved.
 *
 * The kernel tells of a step by a timerfd that was armed with TFD_TIMER_CANCEL_ON_SET.
 * Here such a descriptor is the fifo $CLOCK_FILE.set: a byte in it is a step, and is
 * read as the kernel has it, as ECANCELED. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define GIGA INT64_C(1000000000)

struct plan {
	_Atomic int64_t	 wall_ns, boot_ns;	/* added */
};
static const struct plan *plan;
static int set_fd = -1;

static void __attribute__((constructor)) begin(void)
{
	const char *path = getenv("CLOCK_FILE");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *at = fd < 0 ? MAP_FAILED :
	    mmap(NULL, sizeof(*plan), PROT_READ, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED) {
		perror("CLOCK_FILE");
		_exit(127);
	}
	close(fd);
	plan = at;
}

/* The system call, so that it does not matter who asks before begin(). */
int clock_gettime(clockid_t id, struct timespec *ts)
{
	int64_t ns = 0;

	if (syscall(SYS_clock_gettime, id, ts) < 0)
		return -1;
	if (plan && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ns = atomic_load(&plan->wall_ns);
	else if (plan && id == CLOCK_BOOTTIME)
		ns = atomic_load(&plan->boot_ns);
	ns += ts->tv_sec * GIGA + ts->tv_nsec;
	ts->tv_sec = ns / GIGA;
	ts->tv_nsec = ns % GIGA;
	return 0;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &ts) < 0)
		return -1;
	*tv = (struct timeval){ ts.tv_sec, ts.tv_nsec / 1000 };
	return 0;
}

time_t time(time_t *ret)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (ret)
		*ret = ts.tv_sec;
	return ts.tv_sec;
}

int timerfd_create(clockid_t id, int flags)
{
	char path[4096];

	if (id != CLOCK_REALTIME)
		return (int)syscall(SYS_timerfd_create, id, flags);
	snprintf(path, sizeof(path), "%s.set", getenv("CLOCK_FILE"));
	set_fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return set_fd;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *new,
    struct itimerspec *old)
{
	if (fd == set_fd)
		return 0;
	return (int)syscall(SYS_timerfd_settime, fd, flags, new, old);
}

ssize_t read(int fd, void *buf, size_t n)
{
	static ssize_t (*real)(int, void *, size_t);
	ssize_t got;

	if (!real)
		real = (ssize_t (*)(int, void *, size_t))(uintptr_t)dlsym(RTLD_NEXT,
		    "read");
	got = real(fd, buf, n);
	if (fd < 0 || fd != set_fd || got <= 0)
		return got;
	errno = ECANCELED;
	return -1;
}
