/* An exec with the process kind, the real shim and a directory of its own.
 *
 * A test body is entered before each sleep of the loop and goes on where it stood:
 * WAIT(condition) leaves until the condition holds, DONE() ends the run.  Locals do not
 * live across a WAIT.  A timer wakes the loop now and then, so that a condition may
 * also look at files and processes. */
#ifndef TESTS_UNIT_EXEC_FIXTURE_H
#define TESTS_UNIT_EXEC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "exec/exec.h"
#include "exec/options.h"
#include "io/log.h"
#include "io/loop.h"

#define KEY "rt-aaaaaaaaaaaaaaaaaaaa"
#define KEY2 "rt-bbbbbbbbbbbbbbbbbbbb"

struct heard {			/* a report, copied */
	enum exec_op_kind op;
	enum report_answer answer;
	enum report_state state;
	char		*key, *reason, *outputs, *metrics, *artifacts, *native_state;
	int32_t		 exit_code;
	int64_t		 again_ms, started_ms, finished_ms;
};
struct fx {
	struct loop	*loop;
	struct io_watch	*alarm, *tick;
	struct exec	*exec;
	struct arena	*arena;
	struct process_options options;
	char		*dir, *shim;
	GPtrArray	*reports;
	unsigned	 seen;		/* reports that a test has looked at */
	bool		 idle;
	int64_t		 min_free;
	int		 at;
	void		(*body)(struct fx *);
	int		 round;
	char		 key[24];
};

#define BEGIN(f) switch ((f)->at) { case 0:
#define WAIT(f, condition) WAIT_AT(f, condition, __COUNTER__)
#define WAIT_AT(f, condition, n) do { (f)->at = (n) + 1; __attribute__((fallthrough)); \
	case (n) + 1: if (!(condition)) return; } while (0)
#define DONE(f) loop_stop((f)->loop); (f)->at = -1; break; default: break; }

static inline char *fx_copy(struct str s)
{
	return s.len ? g_strndup(s.p, s.len) : g_strdup("");
}

static inline void fx_on_report(void *ctx, const struct report *r)
{
	struct fx *f = ctx;
	struct heard *h = g_new0(struct heard, 1);

	*h = (struct heard){ r->op, r->answer, r->state, fx_copy(r->key),
		fx_copy(r->reason), fx_copy(r->outputs), fx_copy(r->metrics),
		fx_copy(r->artifacts), fx_copy(r->native_state), r->exit_code,
		    r->again_ms,
		r->started_ms, r->finished_ms };
	g_ptr_array_add(f->reports, h);
	loop_stay_awake(f->loop);
}

static inline void fx_heard_free(void *arg)
{
	struct heard *h = arg;

	g_free(h->key);
	g_free(h->reason);
	g_free(h->outputs);
	g_free(h->metrics);
	g_free(h->artifacts);
	g_free(h->native_state);
	g_free(h);
}

static inline void fx_hook(void *ctx)
{
	struct fx *f = ctx;

	f->body(f);
}

static inline void fx_tick(void *ctx)
{
	struct fx *f = ctx;

	io_watch_after(f->tick, 5);
}

static inline void fx_alarm(void *ctx)
{
	struct fx *f = ctx;

	for (unsigned i = 0; i < f->reports->len; i++) {
		const struct heard *h = g_ptr_array_index(f->reports, i);

		print_message("report: op %d answer %d state %d %s\n", h->op, h->answer,
		    h->state, h->reason);
	}
	fail_msg("the test did not end within 60 s");
}

static inline void fx_open(struct fx *f)
{
	struct exec_host h = { .loop = f->loop, .state_dir = f->dir, .instance = "0123",
		.shim = f->shim, .min_free = f->min_free,
		.on_report = fx_on_report, .ctx = f };
	struct err err = { 0 };

	f->exec = exec_new(&h);
	if (!exec_open(f->exec, STR("local"), STR("process"), &f->options, &err))
		fail_msg("%s", err.msg);
}

/* As a kill and a new start of the daemon: nothing is kept but the directory. */
static inline void fx_reopen(struct fx *f)
{
	exec_free(f->exec);
	fx_open(f);
}

static inline void fx_init(struct fx *f)
{
	char *exe = g_file_read_link("/proc/self/exe", NULL);
	char *dir = g_path_get_dirname(exe);

	*f = (struct fx){ .loop = loop_new(), .arena = arena_new(1 << 24),
		.key = KEY };
	f->reports = g_ptr_array_new_with_free_func(fx_heard_free);
	f->dir = g_dir_make_tmp("retraind-exec-XXXXXX", NULL);
	f->shim = getenv("RETRAIN_SHIM") ? g_strdup(getenv("RETRAIN_SHIM"))
		: g_canonicalize_filename("../../../retrain-shim", dir);
	g_free(exe);
	g_free(dir);
	log_open(LOG_ERROR, "logfmt");
	f->alarm = loop_timer(f->loop, fx_alarm, f);
	io_watch_after(f->alarm, 60000);
	f->tick = loop_timer(f->loop, fx_tick, f);
	io_watch_after(f->tick, 5);
	options_default(exec_process_kind.options, &f->options, f->arena);
	f->options.grace_ms = 300;
	fx_open(f);
}

static inline void fx_run(struct fx *f, void (*body)(struct fx *))
{
	f->body = body;
	loop_before_sleep(f->loop, fx_hook, f);
	loop_run(f->loop);
}

static inline void fx_remove(const char *path)
{
	GDir *d = g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL
							     : g_dir_open(path, 0, NULL);
	const char *name;

	while (d && (name = g_dir_read_name(d))) {
		char *below = g_build_filename(path, name, NULL);

		fx_remove(below);
		g_free(below);
	}
	if (d)
		g_dir_close(d);
	g_remove(path);
}

static inline void fx_fini(struct fx *f)
{
	exec_free(f->exec);
	io_watch_free(f->alarm);
	io_watch_free(f->tick);
	loop_free(f->loop);
	arena_free(f->arena);
	g_ptr_array_free(f->reports, TRUE);
	fx_remove(f->dir);
	g_free(f->dir);
	g_free(f->shim);
	log_close();
}

/* `script` is given to sh -c. */
static inline void fx_do(struct fx *f, enum exec_op_kind kind, const char *key,
    const char *script)
{
	char *argv = script ? g_strdup_printf("[\"sh\",\"-c\",\"%s\"]", script) : NULL;
	struct exec_op o = { .kind = kind, .key = str_of(key), .executor = STR("local"),
		.run_id = STR("r-1"), .step = STR("train"), .pipeline = STR("p"),
		.attempt = 1, .argv = str_of(argv), .input = STR("{\"params\":{}}"),
		.dir = str_of(f->dir), .reason = STR("wrong data") };

	exec_do(f->exec, &o);
	g_free(argv);
}

/* The next report, or NULL; it is then behind us. */
static inline const struct heard *fx_next(struct fx *f)
{
	return f->seen < f->reports->len ? g_ptr_array_index(f->reports,
	    f->seen++) : NULL;
}
static inline const struct heard *fx_last(const struct fx *f)
{
	assert_true(f->reports->len > 0);
	return g_ptr_array_index(f->reports, f->reports->len - 1);
}
static inline bool fx_ended(const struct fx *f)
{
	return f->reports->len > 0 && fx_last(f)->state >= REPORT_COMPLETED;
}
static inline bool fx_exists(const struct fx *f, const char *name)
{
	char *path = g_build_filename(f->dir, name, NULL);
	bool yes = g_file_test(path, G_FILE_TEST_EXISTS);

	g_free(path);
	return yes;
}
static inline void fx_touch(const struct fx *f, const char *name)
{
	char *path = g_build_filename(f->dir, name, NULL);

	assert_true(g_file_set_contents(path, "", 0, NULL));
	g_free(path);
}
/* The whole file, "" where there is none; in the arena. */
static inline const char *fx_read(const struct fx *f, const char *name)
{
	char *path = g_build_filename(f->dir, name, NULL), *text = NULL;
	const char *ret;

	g_file_get_contents(path, &text, NULL, NULL);
	ret = arena_printf(f->arena, "%s", text ? text : "").p;
	g_free(text);
	g_free(path);
	return ret;
}
/* A zombie is gone: who inherits it may take its time. */
static inline bool fx_is_gone(pid_t pid)
{
	char path[40], *text = NULL;
	const char *state;
	bool gone;

	assert_true(pid > 1);
	g_snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	g_file_get_contents(path, &text, NULL, NULL);
	state = text ? strrchr(text, ')') : NULL;
	gone = !state || state[2] == 'Z';
	g_free(text);
	return gone;
}
#endif
