/* Callbacks of the journal, over what the database keeps.
 *
 * Rule sets are built once each and kept: a journal goes back and forth between few. */
#include "store/recall.h"

#include <string.h>

struct recall {
	struct recall_options opt;
	struct journal	*journal;
	GPtrArray	*sets;		/* struct ruleset *: few */
	GPtrArray	*hashes;	/* GBytes *: what they were asked by */
	struct arena	*arena;		/* of one block */
	uint64_t	 turn;
	int64_t		 wall_ms, tick_ms;
};

static void free_set(void *p)
{
	ruleset_unref(p);
}

static void free_bytes(void *p)
{
	g_bytes_unref(p);
}

static struct ruleset *known(const struct recall *r, const uint8_t hash[32])
{
	for (unsigned i = 0; i < r->sets->len; i++) {
		const void *h = g_bytes_get_data(r->hashes->pdata[i], NULL);

		if (memcmp(h, hash, 32) == 0)
			return r->sets->pdata[i];
	}
	return NULL;
}

static struct ruleset *build(const struct recall *r, struct str packed, struct arena *a,
    struct err *err)
{
	struct rule_text *texts;
	struct ruleset *rs;
	struct text *names;
	struct diags *d;
	uint32_t n;

	if (!ruleset_unpack(packed, &texts, &n, a)) {
		err_set(err, ERR_CORRUPT, "a stored rule set is malformed");
		return NULL;
	}
	names = ARENA_ARRAY(a, struct text, n);
	for (uint32_t i = 0; i < n; i++)
		names[i] = (struct text){ texts[i].name, texts[i].bytes };
	d = diags_new(names, n);
	rs = ruleset_build(texts, n, r->opt.catalog, d);
	if (!rs)
		err_set(err, ERR_CONFLICT, "a rule set of that time does not compile any"
		    " more (%u errors)", diags_errors(d));
	diags_free(d);
	return rs;
}

static struct ruleset *fetch_set(const struct recall *r, const uint8_t hash[32],
    struct err *err)
{
	struct ruleset *rs = ruleset_empty(r->opt.catalog);
	struct arena *a;
	struct str packed;

	if (memcmp(rs->hash, hash, 32) == 0)	/* a start without any rules */
		return rs;
	ruleset_unref(rs);
	a = arena_new(0);
	rs = past_ruleset(r->opt.past, hash, a, &packed, err) ?
	    build(r, packed, a, err) : NULL;
	arena_free(a);
	if (rs && !r->opt.any_formats && memcmp(rs->hash, hash, 32) != 0) {
		err_set(err, ERR_CONFLICT, "the sources in the configuration, or this"
		    " program, read rule sets and messages otherwise than at that time");
		ruleset_unref(rs);
		rs = NULL;
	}
	return rs;
}

static struct ruleset *ruleset_of(void *arg, const uint8_t hash[32], struct err *err)
{
	struct recall *r = arg;
	struct ruleset *rs = known(r, hash);

	if (rs)
		return ruleset_ref(rs);
	rs = fetch_set(r, hash, err);
	if (!rs)
		return NULL;
	g_ptr_array_add(r->sets, ruleset_ref(rs));
	g_ptr_array_add(r->hashes, g_bytes_new(hash, 32));
	return rs;
}

static bool pipelines(void *arg, struct arena *a, struct pipeline ***ret, uint32_t *ret_n,
    struct err *err)
{
	struct recall *r = arg;
	struct str *texts;
	uint32_t n;

	if (!past_pipelines(r->opt.past, a, &texts, &n, err))
		return false;
	*ret = ARENA_ARRAY(a, struct pipeline *, n);
	*ret_n = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct err why = { 0 };
		struct pipeline *p = pipeline_restore(texts[i], r->opt.catalog, &why);

		if (p)		/* else its runs fail, as they do in the daemon */
			(*ret)[(*ret_n)++] = p;
	}
	return true;
}

static struct str origin(void *arg, uint32_t source)
{
	const struct catalog *c = ((struct recall *)arg)->opt.catalog;

	for (uint32_t i = 0; i < c->instances_n; i++) {
		const struct catalog_instance *in = &c->instances[i];

		if (in->what == CATALOG_SOURCE && in->id == source)
			return in->name;
	}
	return STR(CATALOG_RUN);
}

/* The caller's callbacks get the caller's context. */
static bool before(void *arg, struct journal *j, const struct journal_input *in)
{
	struct recall *r = arg;

	return r->opt.host.before(r->opt.host.ctx, j, in);
}

static bool after(void *arg, struct journal *j, const struct journal_input *in,
    struct err *err)
{
	struct recall *r = arg;

	return r->opt.host.after(r->opt.host.ctx, j, in, err);
}

static bool fetch(void *arg, struct message *m, struct arena *a, struct err *err)
{
	struct recall *r = arg;

	return r->opt.host.fetch(r->opt.fetch_ctx, m, a, err);
}

struct recall *recall_new(const struct recall_options *o)
{
	struct recall *r = g_new0(struct recall, 1);
	const struct journal_host host = { .ctx = r, .ruleset = ruleset_of,
		.pipelines = pipelines, .origin = origin,
		.fetch = o->host.fetch ? fetch : NULL,
		.before = o->host.before ? before : NULL,
		.after = o->host.after ? after : NULL };

	r->opt = *o;
	r->sets = g_ptr_array_new_with_free_func(free_set);
	r->hashes = g_ptr_array_new_with_free_func(free_bytes);
	r->arena = arena_new(0);
	r->journal = journal_new(&host);
	return r;
}

void recall_free(struct recall *r)
{
	if (!r)
		return;
	journal_free(r->journal);
	g_ptr_array_free(r->sets, TRUE);
	g_ptr_array_free(r->hashes, TRUE);
	arena_free(r->arena);
	g_free(r);
}

bool recall_load(struct recall *r, const struct past_snap *s, struct err *err)
{
	struct cells *c = cells_new();
	bool ok = past_load(r->opt.past, s, c, err) &&
	    journal_load(r->journal, c, s->ruleset, err);

	cells_free(c);
	r->turn = s->turn;
	r->wall_ms = s->wall_ms;
	r->tick_ms = s->tick_ms;
	return ok;
}

enum journal_result recall_run(struct recall *r, uint64_t turn, struct err *err)
{
	enum journal_result rc = JOURNAL_DONE;
	struct past_block b;
	bool any;

	while (rc == JOURNAL_DONE && r->turn < turn) {
		arena_reset(r->arena);
		if (!past_block(r->opt.past, r->turn, r->arena, &b, &any, err))
			return JOURNAL_FAILED;
		if (!any || b.turn0 > turn)
			break;
		rc = journal_block(r->journal, b.turns, b.turns_n, b.frames, err);
		if (rc == JOURNAL_DONE && b.turns_n) {
			r->turn = b.turn1;
			r->wall_ms = b.turns[b.turns_n - 1].wall_ms;
			r->tick_ms = b.turns[b.turns_n - 1].tick_ms;
		}
	}
	return rc;
}

struct world *recall_world(struct recall *r)
{
	return journal_world(r->journal);
}

uint64_t recall_turn(const struct recall *r)
{
	return r->turn;
}

void recall_clocks(const struct recall *r, int64_t *wall_ms, int64_t *tick_ms)
{
	*wall_ms = r->wall_ms;
	*tick_ms = r->tick_ms;
}
