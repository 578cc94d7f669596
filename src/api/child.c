/* Questions about the recorded past, which would hold up the loop: a child answers them,
 * `retrainctl VERB … --state DIR -o json`, from the database read-only.
 *
 * At most two at once, 120 s each.  Input and output are files in memory, so that
 * nothing waits for a pipe.  Exit 0: its output is the answer; 1: 404 with what it said;
 * else 500. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/priv.h"
#include "io/loop.h"
#include "io/spawn.h"

#define CHILDREN 2
#define CHILD_MS 120000
#define ANSWER_MAX (64 * 1024 * 1024)

struct asking {
	struct call	*call;		/* referenced */
	struct api	*api;
	struct child	*child;
	struct io_watch	*timer;
	int		 in, out, err;
	bool		 late;
	void		(*then)(struct call *, struct str json);
};

static void asking_free(struct asking *a)
{
	const int fd[] = { a->in, a->out, a->err };

	g_ptr_array_remove_fast(a->api->children, a);
	io_watch_free(a->timer);
	for (unsigned i = 0; i < G_N_ELEMENTS(fd); i++)
		if (fd[i] >= 0)
			close(fd[i]);
	g_free(a);
}

void children_drop(struct api *api)
{
	while (api->children && api->children->len) {
		struct asking *a = g_ptr_array_index(api->children, 0);

		if (a->child) {
			child_signal(a->child, SIGKILL);
			child_forget(a->child);
		}
		asking_free(a);		/* its call is dropped with all others */
	}
}

/* What was written, with a NUL behind it; NULL: too much, or it can't be read. */
static char *content(int fd, size_t *ret_n)
{
	struct stat st;
	char *s;
	ssize_t n;

	if (fstat(fd, &st) < 0 || st.st_size > ANSWER_MAX)
		return NULL;
	s = g_malloc0((size_t)st.st_size + 1);
	n = pread(fd, s, (size_t)st.st_size, 0);
	if (n != st.st_size) {
		g_free(s);
		return NULL;
	}
	*ret_n = (size_t)n;
	return s;
}

/* "retrainctl explain: no rule 'x'\n" without the program. */
static char *reason(int fd)
{
	size_t n;
	char *s = content(fd, &n), *at;

	if (!s || !*g_strstrip(s)) {
		g_free(s);
		return g_strdup("the child that reads the journal said nothing");
	}
	at = g_str_has_prefix(s, "retrainctl ") ? strstr(s, ": ") : NULL;
	if (at)
		memmove(s, at + 2, strlen(at + 2) + 1);
	return s;
}

static void on_exit_(void *arg, struct child *child, int status)
{
	struct asking *a = arg;
	struct call *c = a->call;
	size_t n = 0;
	char *text;

	(void)child;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
	    (text = content(a->out, &n))) {
		a->then(c, (struct str){ text, (uint32_t)n });
		g_free(text);
	} else if (a->late) {
		call_error(c, 503, "the journal was not read within %d s: narrow the"
		    " question, or ask with --state on the daemon's machine",
		    CHILD_MS / 1000);
	} else {
		text = reason(a->err);
		call_error(c, WIFEXITED(status) && WEXITSTATUS(status) == 1 ? 404 : 500,
		    "%s", text);
		g_free(text);
	}
	asking_free(a);
	call_unref(c);
}

static void on_late(void *arg)
{
	struct asking *a = arg;

	a->late = true;
	child_signal(a->child, SIGKILL);
}

static int memory(struct str bytes)
{
	int fd = memfd_create("retrainctl", MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	for (uint32_t at = 0; at < bytes.len;) {
		ssize_t n = pwrite(fd, bytes.p + at, bytes.len - at, at);

		if (n <= 0) {
			close(fd);
			return -1;
		}
		at += (uint32_t)n;
	}
	return fd;
}

static bool start(struct asking *a, char *const *argv, struct str input, struct err *err)
{
	struct spawn_options o = { .path = argv[0], .exec_fd = -1, .argv = argv,
		.envp = environ };

	a->in = memory(input);
	a->out = memory((struct str){ 0 });
	a->err = memory((struct str){ 0 });
	if (a->in < 0 || a->out < 0 || a->err < 0)
		return err_set(err, ERR_IO, "memory for a child: %s", g_strerror(errno));
	o.in = a->in, o.out = a->out, o.err = a->err;
	a->child = spawn_child(a->api->p.loop, &o, on_exit_, a, err);
	return a->child != NULL;
}

static void answer(struct call *c, struct str json)
{
	call_json(c, 200, json);
}

void call_child(struct call *c, const char *const *args, struct str input)
{
	call_child_then(c, args, input, answer);
}

void call_child_then(struct call *c, const char *const *args, struct str input,
    void (*then)(struct call *, struct str json))
{
	struct api *api = c->api;
	struct asking *a;
	GPtrArray *argv;
	struct err err = { 0 };

	if (!api->past) {
		call_error(c, 503, "the journal is not read here");
		return;
	}
	if (api->children->len >= CHILDREN) {
		call_error(c, 503, "%d questions about the past are being answered: try"
		    " again", CHILDREN);
		return;
	}
	a = g_new0(struct asking, 1);
	*a = (struct asking){ .call = call_ref(c), .api = api, .in = -1, .out = -1,
		.err = -1, .then = then };
	g_ptr_array_add(api->children, a);
	argv = g_ptr_array_new();
	g_ptr_array_add(argv, api->past[0]);
	g_ptr_array_add(argv, (void *)(uintptr_t)*args++);
	for (char **p = api->past + 1; *p; p++)
		g_ptr_array_add(argv, *p);
	for (; *args; args++)
		g_ptr_array_add(argv, (void *)(uintptr_t)*args);
	g_ptr_array_add(argv, NULL);
	if (start(a, (char *const *)argv->pdata, input, &err)) {
		a->timer = loop_timer(api->p.loop, on_late, a);
		io_watch_after(a->timer, CHILD_MS);
	} else {
		call_err(c, &err);
		asking_free(a);
		call_unref(c);
	}
	g_ptr_array_free(argv, TRUE);
}

/* GET /api/v1/explain of what is no longer at hand. */
void explain_past(struct call *c)
{
	static const char *const names[] = { "key", "at", "event" };
	const char *args[12] = { "explain" }, *rule = call_arg(c, "rule");
	unsigned n = 1;
	char *v[G_N_ELEMENTS(names)] = { NULL };

	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
		if (call_arg(c, names[i]))
			args[n++] = v[i] = g_strdup_printf("--%s=%s", names[i],
			    call_arg(c, names[i]));
	args[n++] = "--";		/* a rule's name is no option */
	if (rule)
		args[n++] = rule;
	call_child(c, args, (struct str){ 0 });
	for (unsigned i = 0; i < G_N_ELEMENTS(v); i++)
		g_free(v[i]);
}

void on_explain_unsent(struct call *c)
{
	static const char *const args[] = { "events", "emit", "-", "--explain", NULL };

	call_child(c, args, request_body(c->req));
}
