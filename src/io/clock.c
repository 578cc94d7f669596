/* Reading time: the wall clock for people, the boot-time clock for durations. */
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "io/clock.h"

static int64_t read_us(clockid_t id)
{
	struct timespec ts;

	CHECK(clock_gettime(id, &ts) == 0);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

struct clock_now clock_read(void)
{
	return (struct clock_now){
		.wall_ms = read_us(CLOCK_REALTIME) / 1000,
		.boot_ms = read_us(CLOCK_BOOTTIME) / 1000,
	};
}

int64_t clock_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

const char *clock_boot_id(void)
{
	static char id[64];
	int fd;
	ssize_t n;

	if (id[0])
		return id;
	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return id;
	n = read(fd, id, sizeof(id) - 1);
	close(fd);
	id[n > 0 ? n : 0] = '\0';
	id[strcspn(id, "\n")] = '\0';
	return id;
}
