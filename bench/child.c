/* The step of the latency rows: its first act is to look at the clock.
 *
 *	child FILE WORD		appends "WORD NOW\n", NOW in ns of CLOCK_MONOTONIC
 *
 * Static, so that what is measured is the way here and not a dynamic loader. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct timespec t;
	char line[128];
	int fd, n;

	clock_gettime(CLOCK_MONOTONIC, &t);
	if (argc != 3)
		return 2;
	n = snprintf(line, sizeof(line), "%.60s %lld\n", argv[2],
	    (long long)t.tv_sec * 1000000000 + t.tv_nsec);
	fd = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	return fd >= 0 && write(fd, line, (size_t)n) == n ? 0 : 1;
}
