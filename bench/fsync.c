/* How often a second this disk makes a small write durable: the limit of everything that
 * commits before it answers.
 *
 *	fsync FILE SECONDS		writes 4 KiB and fdatasyncs, over and over
 *
 * In place, in a file of 4 MiB that was written before, as a WAL mostly is.
 * Prints {"syncs", "wall_ns", "p50_us", "p99_us"}. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES 1024

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void put(int fd, int64_t i)
{
	static char page[PAGE];

	page[i % PAGE]++;
	if (pwrite(fd, page, PAGE, i % PAGES * PAGE) != PAGE)
		g_error("fsync: %s", g_strerror(errno));
}

static void sync_now(int fd)
{
	if (fdatasync(fd))
		g_error("fsync: %s", g_strerror(errno));
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	GArray *took = g_array_new(FALSE, FALSE, sizeof(int64_t));
	int fd = argc == 3 ? open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	int64_t began, last, now, end;

	if (fd < 0)
		return 2;
	for (int64_t i = 0; i < PAGES; i++)
		put(fd, i);
	sync_now(fd);
	began = last = now_ns();
	end = began + (int64_t)(strtod(argv[2], NULL) * 1e9);
	for (int64_t i = 0; last < end; i++) {
		put(fd, i);
		sync_now(fd);
		now = now_ns();
		last = now - last;
		g_array_append_val(took, last);
		last = now;
	}
	qsort(took->data, took->len, sizeof(int64_t), by_value);
	printf("{\"syncs\": %u, \"wall_ns\": %lld, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
	    took->len, (long long)(last - began),
	    (double)g_array_index(took, int64_t, took->len / 2) / 1e3,
	    (double)g_array_index(took, int64_t, took->len - 1 - took->len / 100) / 1e3);
	unlink(argv[1]);
	return 0;
}
