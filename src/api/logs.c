/* What an attempt of a step wrote: its file, read as fast as the client takes it.
 *
 *	run row ─► attempt ─► file ─► chunks ─► (follow) wait 200 ms ─► chunks ... ─► end
 *	                                └─ once a second: has the attempt ended?
 *
 * Invariants
 *   (1) The path is the executor's own for a key of ours: nothing of the request is in
 *       it.
 *   (2) An attempt that ended is read to its end once more before the stream ends. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/priv.h"
#include "io/loop.h"

#define PIECE 32768
#define WAIT_MS 200
#define ASK_EVERY 5		/* waits */

struct logs {
	struct call	*call;
	char		*run, *path, *key;	/* key: of the attempt */
	struct io_watch	*timer;
	int		 fd;		/* -1: not there yet */
	unsigned	 waits;
	bool		 follow, asking, ended;
};

static bool is_true(const char *v)
{
	return v && (strcmp(v, "1") == 0 || strcmp(v, "true") == 0);
}

static void logs_free(void *own)
{
	struct logs *l = own;

	io_watch_free(l->timer);
	if (l->fd >= 0)
		close(l->fd);
	g_free(l->run);
	g_free(l->path);
	g_free(l->key);
	g_free(l);
}

/* A step may have put anything at that name: only a plain file is read. */
static int open_log(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	return fd;
}

static const char *member(const json_t *o, const char *name)
{
	const char *z = json_string_value(json_object_get(o, name));

	return z ? z : "";
}

/* The attempt that was asked for, else the one started last. */
static const json_t *pick(const json_t *run, const char *step, const char *attempt)
{
	const json_t *all = json_object_get(run, "attempts"), *a, *best = NULL;
	size_t i;

	json_array_foreach(all, i, a) {
		json_int_t n = json_integer_value(json_object_get(a, "attempt"));

		if (step && strcmp(step, member(a, "step")) != 0)
			continue;
		if (attempt && strtoll(attempt, NULL, 10) != n)
			continue;
		if (!best || strcmp(member(a, "started"), member(best, "started")) >= 0)
			best = a;
	}
	return best;
}

static const json_t *by_key(const json_t *run, const char *key)
{
	const json_t *all = json_object_get(run, "attempts"), *a;
	size_t i;

	json_array_foreach(all, i, a)
		if (strcmp(member(a, "key"), key) == 0)
			return a;
	return NULL;
}

static bool is_over(const json_t *run, const json_t *attempt)
{
	return *member(attempt, "finished") || *member(run, "finished");
}

static void on_drain(void *ctx, struct request *r)
{
	struct logs *l = ctx;
	char buf[PIECE];
	ssize_t n = 0;

	if (l->fd < 0)
		l->fd = open_log(l->path);
	if (l->fd >= 0)
		n = read(l->fd, buf, sizeof(buf));
	if (n > 0)
		request_chunk(r, (struct str){ buf, (uint32_t)n });
	else if (!l->follow || l->ended)
		call_end(l->call);	/* frees l */
	else
		io_watch_after(l->timer, WAIT_MS);
}

static void on_asked(struct call *c, const struct err *err, struct str json)
{
	struct logs *l = c->own;
	json_t *run;

	if (!c->req)
		return;
	run = err ? NULL : json_loadb(json.p, json.len, JSON_ALLOW_NUL, NULL);
	l->asking = false;
	l->ended = !run || is_over(run, by_key(run, l->key));
	json_decref(run);
}

static void ask(struct logs *l)
{
	struct query *q = g_new0(struct query, 1);

	q->kind = QUERY_RUN;
	q->id = g_strdup(l->run);
	l->asking = call_read_quiet(l->call, q, on_asked);
}

static void on_timer(void *ctx)
{
	struct logs *l = ctx;

	if (++l->waits % ASK_EVERY == 0 && !l->asking && !l->ended)
		ask(l);
	if (request_backlog(l->call->req) == 0)
		on_drain(l, l->call->req);
	else
		io_watch_after(l->timer, WAIT_MS);
}

static void begin(struct call *c, const json_t *run, const json_t *attempt,
    const char *path)
{
	struct logs *l = g_new0(struct logs, 1);

	l->call = c;
	l->fd = open_log(path);
	l->follow = is_true(call_arg(c, "follow"));
	l->ended = is_over(run, attempt);
	if (l->fd < 0 && (!l->follow || l->ended)) {
		call_error(c, 404, "no log of step '%s', attempt %lld: %s",
		    member(attempt, "step"),
		    (long long)json_integer_value(json_object_get(attempt, "attempt")),
		    g_strerror(errno));
		g_free(l);
		return;
	}
	l->run = g_strdup(c->vars[0]);
	l->path = g_strdup(path);
	l->key = g_strdup(member(attempt, "key"));
	l->timer = loop_timer(c->api->p.loop, on_timer, l);
	call_stream(c, "text/plain; charset=utf-8", l, logs_free);
	request_on_drain(c->req, on_drain, l);
}

static void on_found(struct call *c, const struct err *err, struct str json)
{
	struct exec_logs where;
	const json_t *attempt;
	json_t *run;

	if (err)
		call_err(c, err);
	if (!c->req)
		return;
	run = json_loadb(json.p, json.len, JSON_ALLOW_NUL, NULL);
	attempt = pick(run, call_arg(c, "step"), call_arg(c, "attempt"));
	if (!attempt)
		call_error(c, 404, "run '%s' has no such attempt: %zu were started",
		    member(run, "id"), json_array_size(json_object_get(run, "attempts")));
	else if (!c->api->p.exec ||
	    !exec_log_path(c->api->p.exec, str_of(member(attempt, "key")), &where))
		call_error(c, 404, "executor '%s' keeps no log here",
		    member(attempt, "executor"));
	else
		begin(c, run, attempt, where.path);
	json_decref(run);
}

void on_logs(struct call *c)
{
	struct query *q;

	if (!call_turn(c))
		return;
	q = g_new0(struct query, 1);
	q->kind = QUERY_RUN;
	q->id = g_strdup(c->vars[0]);
	call_read(c, q, NULL, on_found);
}
