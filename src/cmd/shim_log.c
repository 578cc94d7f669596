/* The step's log: one file of bounded size that keeps its beginning and its end.
 *
 *	head (a quarter)  "[retraind: N bytes cut here]"  the newest
 *
 * When the file is full it is written anew, with the middle left out: each byte is
 * copied at most about once.  Bytes that a full disk refuses are counted the same way
 * and marked where they are missing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/shim.h"

#define MARK "\n[retraind: %lld bytes cut here]\n"

void log_start(struct shim_log *l, int dir, int64_t max)
{
	*l = (struct shim_log){ .dir = dir, .max = MAX(max, 1 << 12) };
	l->fd = openat(dir, "log", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
	    0600);
}

static size_t put(int fd, const char *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t k = write(fd, p + done, n - done);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			break;
		done += (size_t)k;
	}
	return done;
}

static bool mark(int fd, int64_t n, int64_t *size)
{
	char text[80];
	int len = g_snprintf(text, sizeof(text), MARK, (long long)n);
	size_t done = put(fd, text, (size_t)len);

	*size += (int64_t)done;
	return done == (size_t)len;
}

static bool copy(int from, int64_t at, int64_t n, int to)
{
	char *buf = g_malloc(1 << 16);

	while (n > 0) {
		ssize_t k = pread(from, buf, (size_t)MIN(n, 1 << 16), at);

		if (k <= 0 || put(to, buf, (size_t)k) != (size_t)k)
			break;
		at += k;
		n -= k;
	}
	g_free(buf);
	return n == 0;
}

/* Leaves out the middle.  False: the disk is full; all is as it was. */
static bool compact(struct shim_log *l)
{
	int64_t quarter = l->max / 4, head = l->head ? l->head : quarter;
	int64_t from = l->size - quarter, size = head + quarter;
	/* What is left out begins behind the old marker, if there is one. */
	int64_t old_mark = l->head ? (int64_t)g_snprintf(NULL, 0, MARK, (long long)l->cut)
				   : 0;
	int64_t cut = l->cut + from - head - old_mark;
	int fd = openat(l->dir, "log.new", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC |
	    O_NOFOLLOW, 0600);

	if (fd < 0)
		return false;
	if (!copy(l->fd, 0, head, fd) || !mark(fd, cut, &size) ||
	    !copy(l->fd, from, quarter, fd) ||
	    renameat(l->dir, "log.new", l->dir, "log") < 0) {
		unlinkat(l->dir, "log.new", 0);
		close(fd);
		return false;
	}
	close(l->fd);
	l->fd = fd;
	l->head = head;
	l->cut = cut;
	l->size = size;
	return true;
}

static void add_piece(struct shim_log *l, const char *p, size_t n)
{
	size_t done = 0;

	if (l->size + (int64_t)n > l->max && !compact(l)) {
		l->unsaid += (int64_t)n;
		return;
	}
	if (l->unsaid == 0 || mark(l->fd, l->unsaid, &l->size)) {
		l->unsaid = 0;
		done = put(l->fd, p, n);
	}
	l->size += (int64_t)done;
	l->unsaid += (int64_t)(n - done);
}

/* In pieces, so that a file that must be compacted is nearly full: its first and last
 * quarter do not overlap. */
void log_add(struct shim_log *l, const char *p, size_t n)
{
	size_t most = (size_t)l->max / 8;

	while (n > 0) {
		size_t piece = MIN(n, most);

		add_piece(l, p, piece);
		p += piece;
		n -= piece;
	}
}

void log_finish(struct shim_log *l)
{
	if (l->unsaid > 0)
		mark(l->fd, l->unsaid, &l->size);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}
