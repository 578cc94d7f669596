/* The two files that say that a step was begun and how it ended. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "cmd/shim.h"

#define RECORD_VERSION 1

static bool write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

/* Field 22 of /proc/self/stat, counted behind the name's last ')'. */
static int64_t own_start(void)
{
	char *text = NULL, *p;
	int64_t v = 0;

	if (!g_file_get_contents("/proc/self/stat", &text, NULL, NULL))
		return 0;
	p = strrchr(text, ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (p)
		v = g_ascii_strtoll(p + 1, NULL, 10);
	g_free(text);
	return v;
}

static GString *claim_text(void)
{
	GString *out = g_string_new(NULL);
	char *boot = NULL;

	g_file_get_contents("/proc/sys/kernel/random/boot_id", &boot, NULL, NULL);
	json_open(out, '{');
	json_key(out, "version");
	json_i64(out, RECORD_VERSION);
	json_key(out, "pid");
	json_i64(out, getpid());
	json_key(out, "start");
	json_i64(out, own_start());
	json_key(out, "boot");
	json_cstr(out, boot ? g_strstrip(boot) : "");
	json_close(out, '}');
	g_free(boot);
	return out;
}

/* The directory itself was made by the daemon, without waiting for the disk. */
static bool sync_dirs(int dir)
{
	int up = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fsync(dir) == 0 && up >= 0 && fsync(up) == 0;

	if (up >= 0)
		close(up);
	return ok;
}

/* A claim that may not survive is none; nothing was begun under it. */
static bool take_back(int dir)
{
	int saved = errno;

	unlinkat(dir, "claim", 0);
	errno = saved;
	return false;
}

/* A temporary file is locked and filled, then linked: link() makes it exclusive. */
bool claim_make(struct shim *s)
{
	struct flock lk = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	GString *text = claim_text();
	char temp[40];
	bool ok;
	int saved;

	g_snprintf(temp, sizeof(temp), "claim.%d", (int)getpid());
	unlinkat(s->dir, temp, 0);
	s->claim_fd = openat(s->dir, temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ok = s->claim_fd >= 0 && fcntl(s->claim_fd, F_OFD_SETLK, &lk) == 0 &&
	    write_all(s->claim_fd, text->str, text->len) && fsync(s->claim_fd) == 0 &&
	    linkat(s->dir, temp, s->dir, "claim", 0) == 0;
	saved = errno;
	unlinkat(s->dir, temp, 0);
	g_string_free(text, TRUE);
	errno = saved;
	return ok && (sync_dirs(s->dir) || take_back(s->dir));
}

/* As text within the record: numbers stay as the step wrote them. */
static void add_json(GString *out, const char *name, const char *text)
{
	if (!text)
		return;
	json_key(out, name);
	json_cstr(out, text);
}

static GString *record_text(const struct shim *s)
{
	GString *out = g_string_new(NULL);

	json_open(out, '{');
	json_key(out, "version");
	json_i64(out, RECORD_VERSION);
	json_key(out, "state");
	json_cstr(out, s->state);
	if (s->exit_code >= 0) {
		json_key(out, "exit_code");
		json_i64(out, s->exit_code);
	}
	if (s->reason[0]) {
		json_key(out, "reason");
		json_cstr(out, s->reason);
	}
	json_key(out, "started_ms");
	json_i64(out, s->started_ms);
	json_key(out, "finished_ms");
	json_i64(out, s->finished_ms);
	add_json(out, "outputs", s->outputs);
	add_json(out, "metrics", s->metrics);
	add_json(out, "artifacts", s->artifacts);
	add_json(out, "code", s->code);
	add_json(out, "environment", s->environment);
	json_close(out, '}');
	return out;
}

static bool record_try(const struct shim *s, const GString *text)
{
	int fd;
	bool ok;

	unlinkat(s->dir, "exit.json.new", 0);
	fd = openat(s->dir, "exit.json.new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return false;
	ok = write_all(fd, text->str, text->len) && fsync(fd) == 0;
	close(fd);
	return ok && renameat(s->dir, "exit.json.new", s->dir, "exit.json") == 0 &&
	    fsync(s->dir) == 0;
}

/* While the disk is full the claim stays locked, so the step is still running to
 * everyone who asks: better than a lost result.  A step that removed its directory has
 * thrown its result away. */
void record_write(const struct shim *s)
{
	const struct timespec second = { .tv_sec = 1 };
	GString *text = record_text(s);

	while (!record_try(s, text) && errno != ENOENT)
		nanosleep(&second, NULL);
	g_string_free(text, TRUE);
}
