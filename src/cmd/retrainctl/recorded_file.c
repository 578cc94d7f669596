/* A file of CloudEvents, one per line, mapped into memory. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/retrainctl/recorded.h"

struct mapped {
	char		*p;
	size_t		 len, at;
};

static int next(void *ctx, struct sim_item *ret, struct err *err)
{
	struct mapped *m = ctx;
	const char *from, *end;
	size_t n;

	do {
		if (m->at >= m->len)
			return 0;
		from = m->p + m->at;
		end = memchr(from, '\n', m->len - m->at);
		n = end ? (size_t)(end - from) : m->len - m->at;
		m->at += n + (end != NULL);
	} while (n == 0 || (n == 1 && *from == '\r'));
	if (n > UINT32_MAX) {
		err_set(err, ERR_LIMIT, "a line is longer than 4 GiB");
		return -1;
	}
	*ret = (struct sim_item){ .message = { .pos = -1,
		.origin = { "file", 4 }, .body = { from, (uint32_t)n },
		.content_type = STR("application/cloudevents+json") } };
	return 1;
}

static bool rewind_file(void *ctx, struct err *err)
{
	struct mapped *m = ctx;

	(void)err;
	m->at = 0;
	return true;
}

static double done(void *ctx)
{
	const struct mapped *m = ctx;

	return m->len ? (double)m->at / (double)m->len : 1;
}

static void close_file(struct recorded *r)
{
	struct mapped *m = r->ctx;

	if (m->len)
		munmap(m->p, m->len);
	g_free(m);
}

bool recorded_file(struct recorded *r, const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct mapped *m;
	struct stat st;
	void *p = NULL;

	if (fd < 0)
		return err_set(err, ERR_IO, "'%s': %s", path, g_strerror(errno));
	if (fstat(fd, &st) == 0 && st.st_size > 0)
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return err_set(err, ERR_IO, "'%s': %s", path, g_strerror(errno));
	m = g_new0(struct mapped, 1);
	*m = (struct mapped){ .p = p, .len = p ? (size_t)st.st_size : 0 };
	if (p)
		(void)madvise(p, m->len, MADV_SEQUENTIAL);
	r->ctx = m;
	r->close = close_file;
	r->iter = (struct sim_iter){ .next = next, .rewind = rewind_file, .done = done,
		.ctx = m };
	return true;
}
