/* Events of the journal that an event rule takes and did not fire for.
 *
 *	the world of now (newest snapshot and the journal after it) ─► asked of each event
 *	firings of the tables, with the input they go up to ─► those are left out
 *
 * Messages are decoded by the sources' formats of now and matched by the rule of now.
 * What is found is all that the daemon needs to decide it; --state prints it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/time.h"
#include "cmd/retrainctl/history.h"

#define DEPTH_MAX 512
#define FOUND_BYTES (512 * 1024)	/* of one answer: it becomes one input */

struct finding {
	struct history	 h;
	struct recall	*recall;
	const struct backfill_ask *ask;
	GHashTable	*fired;		/* identity -> GPtrArray of its keys */
	uint64_t	 as_of, unread;
	struct arena	*block, *event;	/* of the block; of one message */
	const struct journal_turn *turn;	/* of the event at hand */
	const struct frame_message *frame;
	uint32_t	 index;		/* of the event in its message */
	json_t		*events;	/* for the command */
	json_t		*would;		/* for people */
	size_t		 bytes;
	int64_t		 already, next_ms;	/* next: INT64_MAX: all were found */
};

static GBytes *identity(struct str source, struct str id)
{
	GByteArray *b = g_byte_array_new();

	g_byte_array_append(b, (const guint8 *)&source.len, sizeof(source.len));
	g_byte_array_append(b, (const guint8 *)source.p, source.len);
	g_byte_array_append(b, (const guint8 *)id.p, id.len);
	return g_byte_array_free_to_bytes(b);
}

static void free_keys(void *p)
{
	g_ptr_array_free(p, TRUE);
}

static void add_fired(struct finding *f, struct str source, struct str id, struct str key)
{
	GBytes *at = identity(source, id);
	GPtrArray *keys = g_hash_table_lookup(f->fired, at);
	char *text = g_strndup(key.p, key.len);

	if (!keys) {
		keys = g_ptr_array_new_with_free_func(g_free);
		g_hash_table_insert(f->fired, g_bytes_ref(at), keys);
	}
	if (g_ptr_array_find_with_equal_func(keys, text, g_str_equal, NULL))
		g_free(text);
	else
		g_ptr_array_add(keys, text);
	g_bytes_unref(at);
}

/* Of a run that is gone only the last event's id is known, not its source. */
static void on_firing(void *arg, const struct past_firing *r)
{
	struct finding *f = arg;
	json_t *events, *e;
	size_t i;

	if (f->ask->reprocess == BACKFILL_FAILED &&
	    (str_is(r->state, STR("failed")) || str_is(r->state, STR("aborted"))))
		return;
	events = json_loadb(r->events.len ? r->events.p : "[]",
	    r->events.len ? r->events.len : 2, JSON_ALLOW_NUL, NULL);
	json_array_foreach(events, i, e) {
		json_t *s = json_object_get(e, "source"), *id = json_object_get(e, "id");

		if (s && id)
			add_fired(f, (struct str){ json_string_value(s),
			    (uint32_t)json_string_length(s) },
			    (struct str){ json_string_value(id),
			    (uint32_t)json_string_length(id) }, r->key);
	}
	if (!json_array_size(events))
		add_fired(f, STR(""), r->event, r->key);
	json_decref(events);
}

static const GPtrArray *fired_of(const struct finding *f, const struct event *e)
{
	GBytes *full = identity(e->source, e->id), *bare = identity(STR(""), e->id);
	const GPtrArray *keys = g_hash_table_lookup(f->fired, full);

	if (!keys)
		keys = g_hash_table_lookup(f->fired, bare);
	g_bytes_unref(full);
	g_bytes_unref(bare);
	return keys;
}

static bool has_key(const GPtrArray *keys, struct str key)
{
	for (guint i = 0; keys && i < keys->len; i++)
		if (str_is(str_of(keys->pdata[i]), key))
			return true;
	return false;
}

/* How the rule takes it; NULL: not at all. */
static const struct considered *takes(struct finding *f, const struct event *e)
{
	struct world *w = recall_world(f->recall);
	struct considered *v;
	int64_t wall, tick;
	uint32_t n;

	recall_clocks(f->recall, &wall, &tick);
	n = decide_consider(world_decide_mut(w), e, wall, tick, f->event, &v);
	for (uint32_t i = 0; i < n; i++)
		if (v[i].matched && str_is(v[i].rule->name, str_of(f->ask->rule)))
			return &v[i];
	return NULL;
}

static json_t *text(struct str s)
{
	return json_stringn(s.p ? s.p : "", s.len);
}

static void found(struct finding *f, const struct event *e, const struct considered *c,
    const GPtrArray *keys)
{
	GString *s = g_string_new(NULL);
	json_t *fired = json_array();
	char at[TIME_TEXT];

	event_to_json(e, s);
	for (guint i = 0; keys && i < keys->len; i++)
		json_array_append_new(fired, json_string(keys->pdata[i]));
	json_array_append_new(f->events, json_pack("{s:o s:I s:o s:b s:o}", "event",
	    json_stringn(s->str, s->len), "source", (json_int_t)e->via, "part",
	    text(e->part), "retained", e->retained, "fired", fired));
	json_array_append_new(f->would, json_pack("{s:o s:s s:o s:o}", "event",
	    text(e->id), "time", time_print(f->turn->wall_ms, at), "type", text(e->type),
	    "key", text(c->key)));
	f->bytes += s->len;
	g_string_free(s, TRUE);
}

static bool is_full(const struct finding *f)
{
	return (int64_t)json_array_size(f->events) >= f->ask->limit ||
	    f->bytes >= FOUND_BYTES;
}

static bool is_skipped(const struct frame_message *m, uint32_t index)
{
	for (uint32_t i = 0; i < m->skipped_n; i++)
		if (m->skipped[i] == index)
			return true;
	return false;
}

static void on_event(void *arg, struct event *e)
{
	struct finding *f = arg;
	const struct considered *c;
	const GPtrArray *keys;

	if (is_skipped(f->frame, f->index++) || f->turn->wall_ms < f->ask->from_ms ||
	    f->next_ms != INT64_MAX || !(c = takes(f, e)))
		return;
	keys = f->ask->reprocess == BACKFILL_ALL ? NULL : fired_of(f, e);
	if (keys && (c->keys > 1 ? keys->len >= c->keys : has_key(keys, c->key)))
		f->already++;
	else if (is_full(f))
		f->next_ms = f->turn->wall_ms;
	else
		found(f, e, c, keys);
}

/* ---- the journal ---- */

static struct str origin(const struct finding *f, uint32_t source)
{
	const struct catalog *c = &f->h.config->catalog;

	for (uint32_t i = 0; i < c->instances_n; i++)
		if (c->instances[i].what == CATALOG_SOURCE &&
		    c->instances[i].id == source)
			return c->instances[i].name;
	return STR(CATALOG_RUN);
}

/* How many inputs it was; *err: its bytes can't be had. */
static uint32_t one_message(struct finding *f, const struct frame_message *m,
    struct message msg, struct err *err)
{
	const struct event_limits limits = { .bytes = INT32_MAX, .depth = DEPTH_MAX };
	const struct ruleset *rs = world_ruleset(recall_world(f->recall));
	uint32_t at = 0;

	arena_reset(f->event);
	if (m->mode == JOURNAL_REF && f->turn->wall_ms >= f->ask->from_ms &&
	    !history_fetch(&f->h, &msg, f->event, err))
		return 0;
	if (m->mode == JOURNAL_OFF || !msg.body.len) {
		f->unread += f->turn->wall_ms >= f->ask->from_ms;
		return m->skipped_n ? 0 : 1;
	}
	msg.origin = origin(f, msg.source);
	f->frame = m;
	f->index = 0;
	if (event_decode(&msg, msg.source < rs->formats_n ? rs->formats[msg.source] :
	    NULL, &rs->plan, &limits, f->event, on_event, f, &at, NULL) != EVENT_OK)
		f->unread++;
	return f->index - MIN(f->index, m->skipped_n);
}

/* In a row by position; false: *err. */
static bool messages(struct finding *f, const struct frame_message *m, uint64_t *seq,
    struct err *err)
{
	for (uint32_t i = 0; i < m->n && !err->code; i++) {
		struct message msg = m->m;

		msg.pos += i;
		*seq += one_message(f, m, msg, err);
	}
	return err->code == 0;
}

/* False: the end of what is asked for, or *err. */
static bool one_block(struct finding *f, const struct past_block *b, struct err *err)
{
	struct reader r = reader_of(b->frames);
	uint64_t seq = b->turns_n ? b->turns[0].seq0 : 0;
	uint32_t t = 0;
	struct str body;
	char kind;

	while (f->next_ms == INT64_MAX && frame_next(&r, &kind, &body)) {
		struct frame_message m = { 0 };

		while (t + 1 < b->turns_n && seq >= b->turns[t].seq0 + b->turns[t].n)
			t++;
		f->turn = &b->turns[t];
		if (f->turn->wall_ms >= f->ask->to_ms ||
		    f->turn->seq0 + f->turn->n > f->as_of + 1)
			return false;
		if (kind == 'i') {
			seq++;
			continue;
		}
		if (!frame_get_message(kind, body, f->block, &m, err) ||
		    !messages(f, &m, &seq, err))
			return false;
	}
	return f->next_ms == INT64_MAX;
}

static bool search(struct finding *f, struct err *err)
{
	struct past_snap snap;
	struct past_block b;
	uint64_t turn;
	bool any = true;

	if (!past_snap(f->h.past, UINT64_MAX, f->ask->from_ms, &snap, err))
		return false;
	for (turn = snap.turn; any; turn = b.turn1) {
		arena_reset(f->block);
		if (!past_block(f->h.past, turn, f->block, &b, &any, err))
			return false;
		if (any && !one_block(f, &b, err))
			break;
	}
	return err->code == 0;
}

static bool is_there(struct finding *f, struct err *err)
{
	const struct rule *r = ruleset_rule(world_ruleset(recall_world(f->recall)),
	    str_of(f->ask->rule));

	if (!r)
		return err_set(err, ERR_NOT_FOUND, "no rule '%s'", f->ask->rule);
	if (r->kind != RULE_EVENT || r->join)
		return err_set(err, ERR_CONFLICT, "rule '%s' is not of single events",
		    f->ask->rule);
	return true;
}

static bool find(struct finding *f, struct err *err)
{
	const struct recall_options o = { .past = f->h.past,
		.catalog = &f->h.config->catalog, .host = { .fetch = history_fetch },
		.fetch_ctx = &f->h };
	struct past_snap snap;

	f->recall = recall_new(&o);
	return past_snap(f->h.past, UINT64_MAX, INT64_MAX, &snap, err) &&
	    recall_load(f->recall, &snap, err) &&
	    recall_run(f->recall, UINT64_MAX, err) != JOURNAL_FAILED &&
	    is_there(f, err) &&
	    past_firings(f->h.past, str_of(f->ask->rule), &f->as_of, on_firing, f, err) &&
	    search(f, err);
}

static json_t *answer(const struct finding *f)
{
	char at[TIME_TEXT];
	bool more = f->next_ms != INT64_MAX;

	return json_pack("{s:s s:O s:O s:I s:b s:o s:I s:I}", "rule", f->ask->rule,
	    "would", f->would, "events", f->events, "already_fired",
	    (json_int_t)f->already, "more", more, "next", more ?
	    json_string(time_print(f->next_ms, at)) : json_null(), "unread",
	    (json_int_t)f->unread, "as_of", (json_int_t)f->as_of);
}

json_t *backfill_past(struct ctl *c, const char *state, const struct backfill_ask *ask,
    int *ret_exit)
{
	struct finding f = { .ask = ask, .next_ms = INT64_MAX };
	struct past_snap snap;
	struct err err = { 0 };
	json_t *j = NULL;

	if (!history_open(c, "backfill", state, &f.h, ret_exit))
		return NULL;
	*ret_exit = CTL_NO;
	f.fired = g_hash_table_new_full(g_bytes_hash, g_bytes_equal,
	    (GDestroyNotify)g_bytes_unref, free_keys);
	f.block = arena_new(0);
	f.event = arena_new(0);
	f.events = json_array();
	f.would = json_array();
	if (history_snap(&f.h, "backfill", ask->from_ms, &snap)) {
		if (find(&f, &err)) {
			j = answer(&f);
			*ret_exit = CTL_OK;
		} else
			fprintf(stderr, "retrainctl backfill: %s\n", err.msg);
	}
	recall_free(f.recall);
	json_decref(f.events);
	json_decref(f.would);
	arena_free(f.block);
	arena_free(f.event);
	g_hash_table_destroy(f.fired);
	history_close(&f.h);
	return j;
}
