/* Reload: read and compiled on the helper, swapped in by the turn as an input.
 *
 *	ask / HUP / settled change ──► helper: read + build ──► turn_reload() ──► answer
 *	                                        └─ errors: kept, logged, answered 422
 *
 * Invariants
 *   (1) Files are read once, into memory; what is compiled is that buffer.
 *   (2) One build at a time; what is asked meanwhile is answered by the next one.
 *   (3) A bad build changes nothing but what reload_status_json() says.
 *   (4) A build belongs to the helper until on_built(); freed meanwhile, we end there. */
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "io/log.h"
#include "io/loop.h"
#include "io/metrics.h"
#include "io/pool.h"
#include "turn/reload.h"

struct asker { turn_answer_f answer; void *ctx; };
struct reload {
	struct turn	*turn;
	struct loop	*loop;
	struct pool	*helper;
	const struct catalog *catalog;
	struct reload_options o;
	char		*dir;
	struct io_watch	*watch, *settle;
	GArray *now, *next; /* struct asker: of the running build, of the one after */
	struct build	*build;		/* at the helper, or NULL */
	bool		 running, again, gone;
	bool		 ok;
	int64_t		 at_ms;
	char		*hash, *diagnostics;	/* of the last attempt; JSON */
	uint8_t		 current[32];	/* of the set that runs */
};
struct build {			/* owned by the helper, then by the loop */
	struct reload_options o;
	const struct catalog *catalog;
	struct ruleset	*rs;
	GString		*text, *json;	/* diagnostics */
};

static void build_run(struct build *b)
{
	struct arena *a = arena_new(0);
	struct rule_text *texts = NULL;
	uint32_t n = 0;
	struct err err = { 0 };

	if (!rules_read(&b->o, a, &texts, &n, &err)) {
		g_string_append_printf(b->text, "%s\n", err.msg);
		json_open(b->json, '[');
		json_open(b->json, '{');
		json_key(b->json, "severity"), json_cstr(b->json, "error");
		json_key(b->json, "message"), json_cstr(b->json, err.msg);
		json_close(b->json, '}');
		json_close(b->json, ']');
	} else {
		struct text *names = ARENA_ARRAY(a, struct text, n);
		for (uint32_t i = 0; i < n; i++)
			names[i] = (struct text){ texts[i].name, texts[i].bytes };
		struct diags *d = diags_new(names, n);
		b->rs = ruleset_build(texts, n, b->catalog, d);
		diags_sort(d);
		diags_render(d, b->text);
		diags_json(d, b->json);
		diags_free(d);
	}
	arena_free(a);
}

static struct build *build_new(struct reload *r)
{
	struct build *b = g_new0(struct build, 1);

	b->o = r->o;
	b->catalog = r->catalog;
	b->text = g_string_new(NULL);
	b->json = g_string_new(NULL);
	return b;
}

static void build_free(struct build *b)
{
	ruleset_unref(b->rs);
	g_string_free(b->text, TRUE);
	g_string_free(b->json, TRUE);
	g_free(b);
}

static void *job(void *arg)
{
	build_run(arg);
	return arg;
}

static void answer_all(GArray *v, int status, struct str json)
{
	for (unsigned i = 0; i < v->len; i++) {
		struct asker *a = &g_array_index(v, struct asker, i);
		if (a->answer)
			a->answer(a->ctx, status, json);
	}
	g_array_set_size(v, 0);
}

/* What the last attempt gave, for status and metrics; logged once. */
static void note(struct reload *r, const struct build *b)
{
	char hex[65] = "";

	r->ok = b->rs != NULL;
	r->at_ms = clock_read().wall_ms;
	g_free(r->diagnostics);
	r->diagnostics = g_strdup(b->json->str);
	if (r->ok) {
		for (int i = 0; i < 32; i++)
			g_snprintf(hex + 2 * i, 3, "%02x", b->rs->hash[i]);
		g_free(r->hash);
		r->hash = g_strdup(hex);
		metric_set("rules_last_reload_success_timestamp_seconds",
			   (double)r->at_ms / 1e3, NULL);
	}
	metric_set("rules_last_reload_successful", r->ok, NULL);
	if (!r->ok)
		log_error("rules not reloaded, the old set goes on: %s", b->text->str);
}

static void start(struct reload *r);

static void finish(struct reload *r)
{
	r->running = false;
	if (r->again)
		start(r);
}

static void on_applied(void *arg, int status, struct str json)
{
	struct reload *r = arg;
	GString *s = g_string_new(NULL);

	json_open(s, '{');
	json_key(s, "ok"), json_bool(s, true);
	json_key(s, "changed"), json_raw(s, json);
	json_key(s, "hash"), json_cstr(s, r->hash);
	json_key(s, "diagnostics"), json_raw(s, str_of(r->diagnostics));
	json_close(s, '}');
	answer_all(r->now, status, (struct str){ s->str, (uint32_t)s->len });
	g_string_free(s, TRUE);
	log_info("rules reloaded: %.*s", STR_ARG(json));
	finish(r);
}

static void on_built(void *arg, void *ret)
{
	struct reload *r = arg;
	struct build *b = r->build;
	GString *s;

	r->build = NULL;
	if (!ret || r->gone) {		/* the helper is ending, or we are */
		build_free(b);
		if (r->gone)
			reload_free(r);
		return;
	}
	note(r, b);
	if (b->rs && memcmp(b->rs->hash, r->current, 32) != 0) {
		memcpy(r->current, b->rs->hash, 32);
		turn_reload(r->turn, b->rs, on_applied, r);
		b->rs = NULL;
		build_free(b);
		return;
	}
	s = g_string_new(NULL);
	reload_status_json(r, s);
	answer_all(r->now, b->rs ? 200 : 422, (struct str){ s->str, (uint32_t)s->len });
	g_string_free(s, TRUE);
	build_free(b);
	finish(r);
}

static void start(struct reload *r)
{
	GArray *v = r->now;

	r->now = r->next;
	r->next = v;
	r->again = false;
	struct build *b = build_new(r);
	r->build = b;
	r->running = pool_run(r->helper, job, on_built, b, r);
	if (!r->running) {
		r->build = NULL;
		build_free(b);
		answer_all(r->now, 503,
			   STR("{\"ok\":false,\"error\":\"the helper is busy\"}"));
	}
}

void reload_ask(struct reload *r, turn_answer_f answer, void *ctx)
{
	struct asker a = { answer, ctx };

	g_array_append_val(r->next, a);
	r->again = true;
	if (!r->running)
		start(r);
}

static void on_settled(void *arg)
{
	reload_ask(arg, NULL, NULL);
}

static void on_change(void *arg)
{
	struct reload *r = arg;

	io_watch_after(r->settle, r->o.settle_ms);	/* each change starts it anew */
}

struct reload *reload_new(struct turn *t, struct loop *loop, struct pool *helper,
    const struct catalog *catalog, const struct reload_options *o)
{
	struct reload *r = g_new0(struct reload, 1);

	r->turn = t;
	r->loop = loop;
	r->helper = helper;
	r->catalog = catalog;
	r->o = *o;
	r->dir = g_strdup(o->dir);
	r->o.dir = r->dir;
	r->now = g_array_new(FALSE, TRUE, sizeof(struct asker));
	r->next = g_array_new(FALSE, TRUE, sizeof(struct asker));
	r->diagnostics = g_strdup("[]");
	r->settle = loop_timer(loop, on_settled, r);
	if (o->watch && !(r->watch = loop_path(loop, r->dir, on_change, r)))
		log_warn("rules directory '%s' can't be watched: reload by SIGHUP or "
			 "retrainctl",
			 r->dir);
	return r;
}

void reload_free(struct reload *r)
{
	if (!r)
		return;
	io_watch_free(r->watch);
	io_watch_free(r->settle);
	r->watch = r->settle = NULL;
	r->gone = true;
	if (r->build)
		return;		/* invariant (4) */
	g_array_free(r->now, TRUE);
	g_array_free(r->next, TRUE);
	g_free(r->diagnostics);
	g_free(r->hash);
	g_free(r->dir);
	g_free(r);
}

struct ruleset *reload_now(struct reload *r, GString *ret_diags)
{
	struct build *b = build_new(r);
	struct ruleset *rs;

	build_run(b);
	note(r, b);
	g_string_append_len(ret_diags, b->text->str, (gssize)b->text->len);
	rs = b->rs;
	b->rs = NULL;
	if (rs)
		memcpy(r->current, rs->hash, 32);
	build_free(b);
	return rs;
}

void reload_status_json(const struct reload *r, GString *s)
{
	json_open(s, '{');
	json_key(s, "ok"), json_bool(s, r->ok);
	json_key(s, "time"), json_time(s, r->at_ms);
	json_key(s, "hash"), json_cstr(s, r->hash);
	json_key(s, "diagnostics"), json_raw(s, str_of(r->diagnostics));
	json_close(s, '}');
}
