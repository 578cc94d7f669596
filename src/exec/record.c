/* What a run directory says of its step.
 *
 *	exit.json                       ended, whatever else is there
 *	claim, locked                   a shim is at it
 *	claim, not locked               the shim died, and its step with it (PDEATHSIG)
 *	neither                         nothing was ever started
 *
 * The exit record is written before the lock goes, so it is looked for again after the
 * lock was seen free.  The pid in the claim is never believed by itself: whoever uses
 * it opens a pidfd first and looks at the lock again after. */
#include "exec/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RECORD_MAX (8 << 20)	/* outputs, metrics and artifacts, 1 MiB each, escaped */

static int open_file(int runs_fd, const char *key, const char *name, int flags)
{
	char path[64];

	g_snprintf(path, sizeof(path), "%s/%s", key, name);
	return openat(runs_fd, path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

/* What was read is judged; what could not be read is not: NULL, errno says why. */
static json_t *read_object(int fd, size_t size)
{
	char *text = g_malloc(size + 1);
	ssize_t n = read(fd, text, size);
	int saved = errno;
	json_t *v = n < 0 ? NULL : json_loadb(text, (size_t)n, 0, NULL);

	g_free(text);
	if (n >= 0 && !json_is_object(v)) {
		json_decref(v);
		v = json_pack("{s:s, s:s}", "state", "failed", "reason",
		    "its record is damaged");
	}
	errno = saved;
	return v;
}

/* NULL: errno says why.  Ours alone counts: a step of another user can't forge one. */
static json_t *read_json(int runs_fd, const char *key, const char *name)
{
	int fd = open_file(runs_fd, key, name, O_RDONLY), saved;
	json_t *v = NULL;
	struct stat st;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	    st.st_size <= RECORD_MAX)
		v = read_object(fd, (size_t)st.st_size);
	else
		errno = ENOENT;
	saved = errno;
	close(fd);
	errno = saved;
	return v;
}

/* Nobody else locks the claim, so a conflicting lock is the shim's. */
static bool is_locked(int fd)
{
	struct flock lk = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_GETLK, &lk) == 0 && lk.l_type != F_UNLCK;
}

static enum record_look look_at_claim(int runs_fd, const char *key)
{
	int fd = open_file(runs_fd, key, "claim", O_RDWR);
	bool locked;

	if (fd < 0)
		return errno == ENOENT ? LOOK_NONE : LOOK_UNSURE;
	locked = is_locked(fd);
	close(fd);
	return locked ? LOOK_LIVE : LOOK_DEAD;
}

/* False: surely no exit record. */
static bool read_exit(int runs_fd, const char *key, struct record *ret)
{
	ret->exit = read_json(runs_fd, key, "exit.json");
	if (ret->exit)
		ret->look = LOOK_ENDED;
	else if (errno != ENOENT)
		ret->look = LOOK_UNSURE;
	return ret->exit || errno != ENOENT;
}

void record_read(int runs_fd, const char *key, struct record *ret)
{
	json_t *claim;

	*ret = (struct record){ 0 };
	if (read_exit(runs_fd, key, ret))
		return;		/* ended, or nobody knows */
	ret->look = look_at_claim(runs_fd, key);
	if (ret->look == LOOK_DEAD)
		read_exit(runs_fd, key, ret);
	if (ret->look != LOOK_LIVE)
		return;
	claim = read_json(runs_fd, key, "claim");
	ret->pid = (pid_t)json_integer_value(json_object_get(claim, "pid"));
	ret->start = json_integer_value(json_object_get(claim, "start"));
	json_decref(claim);
}

void record_fini(struct record *r)
{
	json_decref(r->exit);
	r->exit = NULL;
}

/* Field 22 of /proc/PID/stat; fields are counted behind the name's last ')'. */
static int64_t start_time(pid_t pid)
{
	char path[64], *text = NULL, *p;
	int64_t v = -1;

	g_snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (!g_file_get_contents(path, &text, NULL, NULL))
		return -1;
	p = strrchr(text, ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (p)
		v = g_ascii_strtoll(p + 1, NULL, 10);
	g_free(text);
	return v;
}

int record_pidfd(int runs_fd, const char *key, const struct record *r)
{
	int fd;

	if (r->look != LOOK_LIVE || r->pid <= 1)
		return -1;
	fd = (int)syscall(SYS_pidfd_open, r->pid, 0);
	if (fd < 0)
		return -1;
	if (start_time(r->pid) == r->start && look_at_claim(runs_fd, key) == LOOK_LIVE)
		return fd;
	close(fd);
	return -1;
}

static enum retrain_state state_of(const char *name)
{
	if (g_strcmp0(name, "completed") == 0)
		return RETRAIN_COMPLETED;
	return g_strcmp0(name, "aborted") == 0 ? RETRAIN_ABORTED : RETRAIN_FAILED;
}

static const char *text(const json_t *record, const char *name)
{
	return json_string_value(json_object_get(record, name));
}

static void answer_ended(const json_t *x, struct retrain_op *op,
    const struct retrain_host *host, struct retrain_result *a)
{
	const json_t *code = json_object_get(x, "exit_code");

	a->native_state = text(x, "state");
	a->state = state_of(a->native_state);
	a->reason = text(x, "reason");
	a->exit_code = json_is_integer(code) ? (int32_t)json_integer_value(code) : -1;
	a->started_ms = json_integer_value(json_object_get(x, "started_ms"));
	a->finished_ms = json_integer_value(json_object_get(x, "finished_ms"));
	a->outputs = text(x, "outputs");
	a->metrics = text(x, "metrics");
	a->artifacts = text(x, "artifacts");
	a->code = text(x, "code");
	a->environment = text(x, "environment");
	host->done(op, a);
}

/* `a` holds what is asked for beyond the state: the answer and when to ask again. */
void record_answer(const struct record *r, struct retrain_op *op,
    const struct retrain_host *host, struct retrain_result *a)
{
	a->size = sizeof(*a);
	a->exit_code = -1;
	switch (r->look) {
	case LOOK_ENDED:
		a->again_ms = 0;
		answer_ended(r->exit, op, host, a);
		return;
	case LOOK_LIVE: case LOOK_UNSURE:
		a->state = RETRAIN_RUNNING;
		break;
	case LOOK_DEAD:
		a->state = RETRAIN_FAILED;
		a->reason = "lost: the shim died";
		break;
	case LOOK_NONE:
		a->state = RETRAIN_ABSENT;
		break;
	}
	host->done(op, a);
}
