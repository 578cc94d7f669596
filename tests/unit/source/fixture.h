/* A source under test with a loop, a helper and a turn that does what it is told.
 *
 * A test body is a hook of the loop that is entered before each sleep and goes on
 * where it stood: WAIT(condition) leaves until the condition holds, DONE() ends the
 * run.  Locals do not live across a WAIT: keep values in the test's own struct. */
#ifndef TESTS_UNIT_SOURCE_FIXTURE_H
#define TESTS_UNIT_SOURCE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib.h>

#include "io/loop.h"
#include "io/pool.h"
#include "source/source.h"

#define BATCH_MAX 64

struct fixture {
	struct loop	*loop;
	struct pool	*helper;
	struct io_watch	*alarm;
	struct source_host host;
	struct source	*source;
	bool		 ready;
	GString		*states;	/* "up caught_up down " in order */
	struct message	 messages[BATCH_MAX];
	struct batch	 batch;
	GHashTable	*stored;	/* part -> GBytes, what the last commits stored */
	GString		*bodies;	/* all that was lent: "body;" */
	int		 at, rounds;
	void		(*body)(struct fixture *);
	void		*own;
};

#define BEGIN(fx) switch ((fx)->at) { case 0:
#define WAIT(fx, condition) WAIT_AT(fx, condition, __COUNTER__)
#define WAIT_AT(fx, condition, n) do { (fx)->at = (n) + 1; (fx)->rounds = 0; \
	__attribute__((fallthrough)); \
	case (n) + 1: if (!(condition)) return; } while (0)
/* Goes round the loop often enough for anything that is due now to happen. */
#define SETTLE(fx) WAIT(fx, (loop_stay_awake((fx)->loop), ++(fx)->rounds > 50))
#define DONE(fx) loop_stop((fx)->loop); (fx)->at = -1; break; default: break; }

static inline void fx_on_ready(void *ctx, struct source *source)
{
	struct fixture *fx = ctx;

	assert_true(!fx->source || source == fx->source);
	fx->ready = true;
	loop_stay_awake(fx->loop);
}

static inline void fx_on_state(void *ctx, struct source *source, struct str part,
    enum source_state state)
{
	static const char *const names[] = { "", "down", "up", "caught_up", "part_idle" };
	struct fixture *fx = ctx;

	(void)source;
	g_string_append_printf(fx->states, "%s%.*s ", names[state], STR_ARG(part));
	loop_stay_awake(fx->loop);
}

static inline void fx_hook(void *ctx)
{
	struct fixture *fx = ctx;

	fx->body(fx);
}

static inline void fx_alarm(void *ctx)
{
	(void)ctx;
	fail_msg("the test did not end within 30 s");
}

static inline void fx_init(struct fixture *fx, void (*body)(struct fixture *), void *own)
{
	*fx = (struct fixture){ .loop = loop_new(), .body = body, .own = own };
	fx->helper = pool_new(fx->loop, "helper", 1, 16);
	fx->states = g_string_new(NULL);
	fx->bodies = g_string_new(NULL);
	fx->stored = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
	    (GDestroyNotify)g_bytes_unref);
	fx->batch = (struct batch){ .v = fx->messages, .cap = BATCH_MAX };
	fx->host = (struct source_host){
		.loop = fx->loop, .helper = fx->helper, .config_dir = "/",
		.state_dir = "/",
		.instance = "0123", .on_ready = fx_on_ready, .on_state = fx_on_state,
		.ctx = fx,
	};
	fx->alarm = loop_timer(fx->loop, fx_alarm, fx);
	io_watch_after(fx->alarm, 30000);
}

static inline void fx_open(struct fixture *fx, const struct source_impl *impl,
    const void *options)
{
	struct err err = { 0 };

	fx->source = impl->open(&fx->host, STR("s"), options, &err);
	if (!fx->source)
		fail_msg("%s", err.msg);
	fx->source->id = 7;
}

/* Resumes from what an earlier fixture's commits stored, and starts. */
static inline void fx_start(struct fixture *fx, GHashTable *stored)
{
	GHashTableIter it;
	void *part, *value;

	if (stored) {
		g_hash_table_iter_init(&it, stored);
		while (g_hash_table_iter_next(&it, &part, &value)) {
			gsize n;
			const char *bytes = g_bytes_get_data(value, &n);

			fx->source->impl->resume(fx->source, str_of(part),
			    (struct str){ bytes, (uint32_t)n });
		}
	}
	fx->source->impl->start(fx->source);
}

static inline void fx_run(struct fixture *fx)
{
	loop_before_sleep(fx->loop, fx_hook, fx);
	loop_run(fx->loop);
}

/* The reading half of a turn; how many messages were new. */
static inline uint32_t fx_turn(struct fixture *fx)
{
	uint32_t n;

	fx->ready = false;
	fx->batch.n = 0;
	while (fx->source->impl->read(fx->source, &fx->batch, BATCH_MAX))
		;
	n = fx->batch.n;
	for (uint32_t i = 0; i < n; i++)
		g_string_append_printf(
		    fx->bodies, "%.*s;", STR_ARG(fx->messages[i].body));
	fx->source->impl->release(fx->source);
	return n;
}

static inline void fx_cut(void *ctx, struct str part, struct str position)
{
	struct fixture *fx = ctx;

	g_hash_table_replace(fx->stored, g_strndup(part.p, part.len),
	    g_bytes_new(position.p, position.len));
}

/* Position of a part as text, or "". */
static inline const char *fx_stored(struct fixture *fx, const char *part)
{
	static char text[64];
	GBytes *bytes = g_hash_table_lookup(fx->stored, part);
	gsize n = 0;
	const char *p = bytes ? g_bytes_get_data(bytes, &n) : "";

	g_snprintf(text, sizeof(text), "%.*s", (int)n, p ? p : "");
	return text;
}

static inline void fx_commit(struct fixture *fx)
{
	fx->source->impl->cut(fx->source, fx_cut, fx);
	fx->source->impl->ack(fx->source, (struct committed){ 1 });
}

/* Takes what is readable, if anything, and commits. */
static inline void fx_step(struct fixture *fx)
{
	if (fx->ready)
		fx_turn(fx);
	fx_commit(fx);
}

static inline void fx_fini(struct fixture *fx)
{
	fx->source->impl->close(fx->source);
	io_watch_free(fx->alarm);
	pool_free(fx->helper);
	loop_free(fx->loop);
	g_hash_table_destroy(fx->stored);
	g_string_free(fx->states, true);
	g_string_free(fx->bodies, true);
}
#endif
