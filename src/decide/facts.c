/* Facts about runs and models, in cells.
 *
 * One record per (pipeline, key) for the last run, one for the last success, one per
 * model for the champion and one for the candidate.  A record is one head cell; what
 * does not fit there is chunked into cells of its own, because metrics and baselines
 * may be larger than a cell.
 *
 * Invariants
 *   (1) The structs handed out point into the record's own buffer, which is a copy of
 *       what its cells hold and is replaced as a whole.
 *   (2) A record is found by (kind, a, b) in a hash table that nobody iterates.
 *
 * To add a kind of fact: enum fact_kind and a pair of set and get functions.
 */
#include "decide/facts.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/codec.h"
#include "decide/cell.h"

enum fact_kind { FACT_RUN = 1, FACT_SUCCESS, FACT_CHAMPION, FACT_CANDIDATE };

#define HEAD_BYTES 8000		/* of a record kept in its head cell */
#define CHUNK_BYTES 16000

struct fact_cell {		/* CELL_FACT, followed by bytes or by chunk ids */
	uint32_t	 bytes;		/* of the whole record */
	uint32_t	 chunks;	/* 0: the bytes follow */
};
struct fact {
	enum fact_kind	 kind;
	struct str	 a, b;		/* pipeline and key, or model and "" */
	uint32_t	 cell;
	GByteArray	*buf;
	union {
		struct run_fact run;
		struct model_fact model;
	};
};
struct facts {
	struct cells	*cells;
	GHashTable	*index;		/* of struct fact, by itself */
};

static guint fact_hash(gconstpointer p)
{
	const struct fact *f = p;
	uint64_t h = hash64(hash64(HASH64, f->a.p, f->a.len), f->b.p, f->b.len);

	return (guint)h + (guint)f->kind;
}

static gboolean fact_equal(gconstpointer pa, gconstpointer pb)
{
	const struct fact *x = pa, *y = pb;

	return x->kind == y->kind && str_is(x->a, y->a) && str_is(x->b, y->b);
}

static void fact_free(gpointer p)
{
	struct fact *f = p;

	g_byte_array_free(f->buf, TRUE);
	g_free(f);
}

struct facts *facts_new(struct cells *cells)
{
	struct facts *f = g_new0(struct facts, 1);

	f->cells = cells;
	f->index = g_hash_table_new_full(fact_hash, fact_equal, NULL, fact_free);
	return f;
}

void facts_free(struct facts *f)
{
	if (!f)
		return;
	g_hash_table_destroy(f->index);
	g_free(f);
}

static void put_run(GByteArray *b, const struct run_fact *r)
{
	put_u64(b, r->run);
	put_str(b, r->id);
	put_str(b, r->state);
	put_str(b, r->outcome);
	put_str(b, r->params);
	put_i64(b, r->created_ms);
	put_i64(b, r->finished_ms);
}

static void put_model(GByteArray *b, const struct model_fact *m)
{
	put_str(b, m->version);
	put_str(b, m->run);
	put_str(b, m->metrics);
	put_str(b, m->baseline);
	put_i64(b, m->since_ms);
}

static bool fact_decode(struct fact *f)
{
	struct reader r = reader_of((struct str){ (char *)f->buf->data, f->buf->len });

	f->kind = get_u8(&r);
	f->a = get_str(&r);
	f->b = get_str(&r);
	if (f->kind == FACT_RUN || f->kind == FACT_SUCCESS) {
		f->run.run = get_u64(&r);
		f->run.id = get_str(&r);
		f->run.state = get_str(&r);
		f->run.outcome = get_str(&r);
		f->run.params = get_str(&r);
		f->run.created_ms = get_i64(&r);
		f->run.finished_ms = get_i64(&r);
	} else {
		f->model.version = get_str(&r);
		f->model.run = get_str(&r);
		f->model.metrics = get_str(&r);
		f->model.baseline = get_str(&r);
		f->model.since_ms = get_i64(&r);
	}
	return reader_done(&r);
}

static void drop_chunks(struct facts *f, uint32_t cell)
{
	const struct fact_cell *h = cells_get(f->cells, cell);
	const uint32_t *ids = (const uint32_t *)(h + 1);

	for (uint32_t i = 0; i < h->chunks; i++)
		cells_drop(f->cells, ids[i]);
}

static void fact_store(struct facts *f, struct fact *x)
{
	uint32_t bytes = x->buf->len;
	uint32_t chunks =
	    bytes <= HEAD_BYTES ? 0 : (bytes + CHUNK_BYTES - 1) / CHUNK_BYTES;
	size_t rest = chunks ? chunks * sizeof(uint32_t) : bytes;
	struct fact_cell *h;

	if (x->cell)
		drop_chunks(f, x->cell);
	else
		x->cell = cells_add(f->cells, CELL_FACT, sizeof(*h));
	cells_resize(f->cells, x->cell, (uint32_t)(sizeof(*h) + rest));
	h = cells_touch(f->cells, x->cell);
	*h = (struct fact_cell){ .bytes = bytes, .chunks = chunks };
	if (!chunks)
		memcpy(h + 1, x->buf->data, bytes);
	for (uint32_t i = 0; i < chunks; i++) {
		uint32_t off = i * CHUNK_BYTES;
		uint32_t n = MIN(CHUNK_BYTES, bytes - off);
		uint32_t id = cells_add(f->cells, CELL_CHUNK, n);

		memcpy(cells_touch(f->cells, id), x->buf->data + off, n);
		h = cells_touch(f->cells, x->cell);
		((uint32_t *)(h + 1))[i] = id;
	}
}

static bool fact_fetch(struct facts *f, uint32_t cell, GByteArray *buf)
{
	const struct fact_cell *h = cells_get(f->cells, cell);
	uint32_t have = cells_bytes(f->cells, cell);
	size_t rest = have < sizeof(*h) ? 0 : have - sizeof(*h);

	if (have < sizeof(*h))
		return false;
	if (!h->chunks && rest >= h->bytes)
		put_raw(buf, h + 1, h->bytes);
	if (h->chunks > rest / sizeof(uint32_t))
		return false;
	for (uint32_t i = 0; i < h->chunks; i++) {
		uint32_t id = ((const uint32_t *)(h + 1))[i];

		if (cells_kind(f->cells, id) != CELL_CHUNK)
			return false;
		put_raw(buf, cells_get(f->cells, id), cells_bytes(f->cells, id));
	}
	return buf->len == h->bytes;
}

bool facts_load(struct facts *f)
{
	g_hash_table_remove_all(f->index);
	for (uint32_t id = cells_next(f->cells, 0); id; id = cells_next(f->cells, id)) {
		struct fact *x;

		if (cells_kind(f->cells, id) != CELL_FACT)
			continue;
		x = g_new0(struct fact, 1);
		x->cell = id;
		x->buf = g_byte_array_new();
		if (!fact_fetch(f, id, x->buf) || !fact_decode(x)) {
			fact_free(x);
			return false;
		}
		g_hash_table_add(f->index, x);
	}
	return true;
}

static struct fact *find(const struct facts *f, enum fact_kind kind, struct str a,
    struct str b)
{
	struct fact probe = { .kind = kind, .a = a, .b = b };

	return g_hash_table_lookup(f->index, &probe);
}

/* `payload` is what follows (kind, a, b); the record replaces the old one. */
static void set(struct facts *f, enum fact_kind kind, struct str a, struct str b,
    const GByteArray *payload)
{
	struct fact *old = find(f, kind, a, b), *x = g_new0(struct fact, 1);

	x->buf = g_byte_array_new();
	put_u8(x->buf, (uint8_t)kind);
	put_str(x->buf, a);
	put_str(x->buf, b);
	put_raw(x->buf, payload->data, payload->len);
	if (old) {
		x->cell = old->cell;
		g_hash_table_remove(f->index, old);
	}
	CHECK(fact_decode(x));
	fact_store(f, x);
	g_hash_table_add(f->index, x);
}

void facts_set_run(struct facts *f, struct str pipeline, struct str key,
    const struct run_fact *r)
{
	GByteArray *b = g_byte_array_new();
	bool success = str_is(r->state, STR("completed"));

	put_run(b, r);
	set(f, FACT_RUN, pipeline, key, b);
	if (success)
		set(f, FACT_SUCCESS, pipeline, key, b);
	g_byte_array_free(b, TRUE);
}

static void set_model(struct facts *f, enum fact_kind kind, struct str model,
    const struct model_fact *m)
{
	GByteArray *b = g_byte_array_new();

	put_model(b, m);
	set(f, kind, model, (struct str){ 0 }, b);
	g_byte_array_free(b, TRUE);
}

void facts_set_champion(struct facts *f, struct str model, const struct model_fact *m)
{
	set_model(f, FACT_CHAMPION, model, m);
}

void facts_set_candidate(struct facts *f, struct str model, const struct model_fact *m)
{
	set_model(f, FACT_CANDIDATE, model, m);
}

struct run_fact facts_last_run(const struct facts *f, struct str pipeline, struct str key)
{
	const struct fact *x = find(f, FACT_RUN, pipeline, key);

	return x ? x->run : (struct run_fact){ 0 };
}

struct run_fact facts_last_success(const struct facts *f, struct str pipeline,
    struct str key)
{
	const struct fact *x = find(f, FACT_SUCCESS, pipeline, key);

	return x ? x->run : (struct run_fact){ 0 };
}

struct model_fact facts_champion(const struct facts *f, struct str model)
{
	const struct fact *x = find(f, FACT_CHAMPION, model, (struct str){ 0 });

	return x ? x->model : (struct model_fact){ 0 };
}

struct model_fact facts_candidate(const struct facts *f, struct str model)
{
	const struct fact *x = find(f, FACT_CANDIDATE, model, (struct str){ 0 });

	return x ? x->model : (struct model_fact){ 0 };
}

static struct value json_or_map(struct str json, struct arena *a)
{
	if (json.len)
		return value_from_json(json, a);
	return value_map_of(NULL, NULL, 0, a);
}

/* Every number under metrics is double, so that 1 and 1.0 compare alike. */
static struct value doubles(struct value v, struct arena *a)
{
	struct value *c;

	if (v.tag == VALUE_INT)
		return value_double((double)v.i);
	if (v.tag == VALUE_LIST) {
		c = ARENA_ARRAY(a, struct value, v.list->n);
		for (uint32_t i = 0; i < v.list->n; i++)
			c[i] = doubles(v.list->v[i], a);
		return value_list_of(c, v.list->n, a);
	}
	if (v.tag == VALUE_MAP) {
		c = ARENA_ARRAY(a, struct value, v.map->n);
		for (uint32_t i = 0; i < v.map->n; i++)
			c[i] = doubles(v.map->values[i], a);
		return value_map_of(v.map->keys, c, v.map->n, a);
	}
	return v;
}

struct value facts_run_value(const struct run_fact *r, int64_t now_ms, struct arena *a)
{
	struct value *k = ARENA_ARRAY(a, struct value, 6);
	struct value *v = ARENA_ARRAY(a, struct value, 6);
	int64_t finished = r->run && !r->finished_ms ? now_ms : r->finished_ms;

	k[0] = value_str(STR("id"));
	v[0] = value_str(arena_str(a, r->id));
	k[1] = value_str(STR("state"));
	v[1] = value_str(arena_str(a, r->state));
	k[2] = value_str(STR("outcome"));
	v[2] = value_str(arena_str(a, r->outcome));
	k[3] = value_str(STR("created"));
	v[3] = value_time_ms(r->created_ms);
	k[4] = value_str(STR("finished"));
	v[4] = value_time_ms(finished);
	k[5] = value_str(STR("params"));
	v[5] = json_or_map(arena_str(a, r->params), a);
	return value_map_of(k, v, 6, a);
}

struct value facts_model_value(const struct model_fact *m, struct arena *a)
{
	struct value *k = ARENA_ARRAY(a, struct value, 5);
	struct value *v = ARENA_ARRAY(a, struct value, 5);

	k[0] = value_str(STR("version"));
	v[0] = value_str(arena_str(a, m->version));
	k[1] = value_str(STR("run"));
	v[1] = value_str(arena_str(a, m->run));
	k[2] = value_str(STR("since"));
	v[2] = value_time_ms(m->since_ms);
	k[3] = value_str(STR("metrics"));
	v[3] = doubles(json_or_map(arena_str(a, m->metrics), a), a);
	k[4] = value_str(STR("baseline"));
	v[4] = json_or_map(arena_str(a, m->baseline), a);
	return value_map_of(k, v, 5, a);
}
