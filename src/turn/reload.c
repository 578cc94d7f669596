/* Reload: read and compiled on the helper, swapped in by the turn as an input.
 *
 *	ask / HUP / settled change ──► helper: read + build ──► turn_reload() ──► answer
 *	                     └─ errors: that bundle's old texts, logged, answered 422
 *
 * Invariants
 *   (1) Files are read once, into memory; what is compiled is that buffer.
 *   (2) One build at a time; what is asked meanwhile is answered by the next one.
 *   (3) A bundle with an error changes nothing but what reload_status_json() says.
 *   (4) A build belongs to the helper until on_built(); freed meanwhile, we end there. */
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "io/log.h"
#include "io/loop.h"
#include "io/metrics.h"
#include "io/pool.h"
#include "turn/bundles.h"
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
	char		*hash;		/* of the last attempt */
	struct bundles	*bundles;	/* likewise; NULL: none yet */
	uint8_t		 current[32];	/* of the set that runs */
	char		*packed;	/* its texts; bundles fall back on them */
	uint32_t	 packed_n;
};
struct build {			/* owned by the helper, then by the loop */
	struct reload_options o;
	const struct catalog *catalog;
	struct str	 packed;	/* lent by the reload, which outlives it */
	struct ruleset	*rs;
	struct bundles	*bundles;
};

static void build_run(struct build *b)
{
	b->rs = bundles_build(&b->o, b->catalog, b->packed, &b->bundles);
}

static struct build *build_new(struct reload *r)
{
	struct build *b = g_new0(struct build, 1);

	b->o = r->o;
	b->catalog = r->catalog;
	b->packed = (struct str){ r->packed, r->packed_n };
	return b;
}

static void build_free(struct build *b)
{
	ruleset_unref(b->rs);
	bundles_free(b->bundles);
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

static const struct bundle *bundle_before(const struct reload *r, const char *name)
{
	for (uint32_t i = 0; r->bundles && i < r->bundles->n; i++)
		if (strcmp(r->bundles->v[i].name, name) == 0)
			return &r->bundles->v[i];
	return NULL;
}

static void log_bundle(const struct bundle *b)
{
	const char *name = bundle_shown(b);

	if (b->state == BUNDLE_KEPT)
		log_error("bundle '%s' not reloaded, its last good set goes on: %s", name,
		    b->text->str);
	else if (b->state == BUNDLE_FAILED)
		log_error("bundle '%s' does not run, it has no last good set: %s", name,
		    b->text->str);
	else if (b->state == BUNDLE_REMOVED)
		log_warn("bundle '%s' is removed: it has no rule files any more", name);
}

static void note_bundles(struct reload *r, struct build *b)
{
	for (uint32_t i = 0; i < b->bundles->n; i++) {
		struct bundle *x = &b->bundles->v[i];
		const struct bundle *old = bundle_before(r, x->name);

		x->since_ms = old && old->state == x->state ? old->since_ms : r->at_ms;
		metric_set("bundle_last_reload_successful",
		    x->state == BUNDLE_OK || x->state == BUNDLE_REMOVED, "bundle",
		    bundle_shown(x), NULL);
		log_bundle(x);
	}
	if (b->bundles->text->len)
		log_error("rules not reloaded, the old set goes on: %s",
		    b->bundles->text->str);
	bundles_free(r->bundles);
	r->bundles = b->bundles;
	b->bundles = NULL;
}

/* What the last attempt gave, for status and metrics; logged once. */
static void note(struct reload *r, struct build *b)
{
	char hex[65] = "";

	r->ok = b->rs && bundles_ok(b->bundles);
	r->at_ms = clock_read().wall_ms;
	note_bundles(r, b);
	if (b->rs) {
		for (int i = 0; i < 32; i++)
			g_snprintf(hex + 2 * i, 3, "%02x", b->rs->hash[i]);
		g_free(r->hash);
		r->hash = g_strdup(hex);
	}
	if (r->ok)
		metric_set("rules_last_reload_success_timestamp_seconds",
			   (double)r->at_ms / 1e3, NULL);
	metric_set("rules_last_reload_successful", r->ok, NULL);
}

static void set_packed(struct reload *r, struct str packed)
{
	g_free(r->packed);
	r->packed = g_memdup2(packed.p, packed.len);
	r->packed_n = packed.len;
}

static void put_status(const struct reload *r, struct str changed, GString *s)
{
	json_open(s, '{');
	json_key(s, "ok"), json_bool(s, r->ok);
	json_key(s, "time"), json_time(s, r->at_ms);
	if (changed.len)
		json_key(s, "changed"), json_raw(s, changed);
	json_key(s, "hash"), json_cstr(s, r->hash);
	json_key(s, "bundles"), reload_bundles_json(r, s);
	json_key(s, "diagnostics");
	if (r->bundles)
		bundles_diagnostics(r->bundles, s);
	else
		json_raw(s, STR("[]"));
	json_close(s, '}');
}

static void answer_status(struct reload *r, int status, struct str changed)
{
	GString *s = g_string_new(NULL);

	put_status(r, changed, s);
	answer_all(r->now, status / 100 == 2 && !r->ok ? 422 : status,
	    (struct str){ s->str, (uint32_t)s->len });
	g_string_free(s, TRUE);
}

/* Directories that are new are watched too, before they are read. */
static void watch_dirs(struct reload *r)
{
	GPtrArray *dirs;

	if (!r->watch)
		return;
	dirs = rules_dirs(r->dir);
	for (guint i = 0; i < dirs->len; i++)
		if (!io_watch_also(r->watch, dirs->pdata[i]))
			log_warn("rules directory '%s' can't be watched",
			    (const char *)dirs->pdata[i]);
	g_ptr_array_free(dirs, TRUE);
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

	answer_status(r, status, json);
	log_info("rules reloaded: %.*s", STR_ARG(json));
	finish(r);
}

static void on_built(void *arg, void *ret)
{
	struct reload *r = arg;
	struct build *b = r->build;

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
		set_packed(r, b->rs->packed);
		turn_reload(r->turn, b->rs, on_applied, r);
		b->rs = NULL;
		build_free(b);
		return;
	}
	answer_status(r, b->rs ? 200 : 422, STR(""));
	build_free(b);
	finish(r);
}

static void start(struct reload *r)
{
	GArray *v = r->now;

	r->now = r->next;
	r->next = v;
	r->again = false;
	watch_dirs(r);
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
	bundles_free(r->bundles);
	g_free(r->packed);
	g_free(r->hash);
	g_free(r->dir);
	g_free(r);
}

struct ruleset *reload_now(struct reload *r, struct str packed, GString *ret_diags)
{
	struct build *b;
	struct ruleset *rs;

	set_packed(r, packed);
	watch_dirs(r);
	b = build_new(r);
	build_run(b);
	note(r, b);
	bundles_text(r->bundles, ret_diags);
	rs = b->rs;
	b->rs = NULL;
	if (rs) {
		memcpy(r->current, rs->hash, 32);
		set_packed(r, rs->packed);
	}
	build_free(b);
	return rs;
}

bool reload_ok(const struct reload *r)
{
	return r->ok;
}

void reload_status_json(const struct reload *r, GString *s)
{
	put_status(r, STR(""), s);
}

void reload_bundles_json(const struct reload *r, GString *s)
{
	if (r->bundles)
		bundles_json(r->bundles, s);
	else
		json_raw(s, STR("[]"));
}
