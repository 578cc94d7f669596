/* The last event of a key: attributes and the values that its rules read.
 *
 *	cell: last_cell, key, then id source type subject, then for each value
 *	      number of segments, segments, JSON text
 *
 * Invariants
 *   (1) At most CELL_MAX bytes: a value that does not fit is left out, which shows as
 *       missing (NO_DATA) and sets `cut`.
 *   (2) Values go by the text of their path, so a new rule set's slot plan finds them.
 *   (3) event.* attributes are taken from the head, typed; JSON would make the time a
 *       string.
 */
#include "base/codec.h"
#include "base/json.h"
#include "decide/priv.h"

#define ATTR_MAX 1024
#define PATHS_MAX 128
#define EXACT (INT64_C(1) << 53)	/* larger ones are texts in JSON */

static struct str clip(struct str s)
{
	return s.len > ATTR_MAX ? (struct str){ s.p, ATTR_MAX } : s;
}

static bool is_attr(const struct path *p)
{
	static const char *const names[] = { "id", "source", "type", "subject", "time" };

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		if (p->n == 2 && str_is(p->seg[0], STR("event")) &&
		    str_is(p->seg[1], str_of(names[i])))
			return true;
	return false;
}

/* Integers at every event: no printf. */
static void print_int(int64_t i, GString *out)
{
	uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
	char buf[24];
	size_t at = sizeof(buf);

	do
		buf[--at] = (char)('0' + u % 10);
	while (u /= 10);
	if (i < 0)
		buf[--at] = '-';
	g_string_append_len(out, buf + at, (gssize)(sizeof(buf) - at));
}

static void encode_values(struct decide *d, const struct event *ev, const uint32_t *reads,
    uint32_t n, uint32_t room, bool *ret_cut)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct path *p = &d->rules->plan.v[reads[i]];
		struct value v = ev->field[reads[i]];
		uint32_t start = d->bytes->len;

		if (v.tag == VALUE_ABSENT || v.tag == VALUE_ERROR || is_attr(p))
			continue;
		put_u64(d->bytes, p->n);
		for (uint32_t s = 0; s < p->n; s++)
			put_str(d->bytes, p->seg[s]);
		g_string_truncate(d->text, 0);
		if (v.tag == VALUE_INT && v.i > -EXACT && v.i < EXACT)
			print_int(v.i, d->text);
		else if (v.tag != VALUE_RAW || v.len < room)
			value_to_json(v, d->arena, d->text);
		put_str(d->bytes, (struct str){ d->text->str, (uint32_t)d->text->len });
		if (d->text->len && d->bytes->len <= room)
			continue;
		g_byte_array_set_size(d->bytes, start);
		*ret_cut = true;
	}
}

bool kept_encode(struct decide *d, const struct event *ev, const uint32_t *reads,
    uint32_t n, uint32_t room)
{
	bool cut = false;

	g_byte_array_set_size(d->bytes, 0);
	put_str(d->bytes, clip(ev->id));
	put_str(d->bytes, clip(ev->source));
	put_str(d->bytes, clip(ev->type));
	put_str(d->bytes, clip(ev->subject));
	encode_values(d, ev, reads, n, room, &cut);
	return cut;
}

void kept_encode_due(struct decide *d)
{
	g_byte_array_set_size(d->bytes, 0);
	put_str(d->bytes, STR(""));
	put_str(d->bytes, STR(""));
	put_str(d->bytes, STR("retraind.schedule"));
	put_str(d->bytes, STR(""));
}

void last_keep(struct decide *d, struct keyed *of, uint32_t selector,
    const struct event *ev, int64_t t_ms)
{
	const struct sel_state *s = of->rs->sel[selector];
	struct keyed *k = keyed_last(d, of, selector);
	uint32_t head = (uint32_t)sizeof(struct last_cell) + of->key.len;
	struct last_cell *c;
	bool cut = kept_encode(d, ev, s->reads, s->reads_n, CELL_MAX - head);

	if (!k)
		k = keyed_add(d, CELL_LAST, s->hash, of->key, sizeof(*c), d->bytes->len,
		    of->rs->rule->key_ttl_ms);
	else if (cells_bytes(d->cells, k->cell) < head + d->bytes->len ||
	    cells_bytes(d->cells, k->cell) > 4 * (head + d->bytes->len))
		keyed_resize(d, k, head + d->bytes->len);
	keyed_use(d, k);
	k->seq = d->seq;
	c = cells_touch(d->cells, k->cell);
	c->time_ms = t_ms;
	c->tick = d->now_tick;
	c->depth = ev->depth;
	c->cut = cut;
	c->bytes = d->bytes->len;
	memcpy((char *)c + head, d->bytes->data, d->bytes->len);
}

static struct reader reader_from(const struct last_cell *c)
{
	const char *p = (const char *)c + c->head.key_off + c->head.key_len;

	return reader_of((struct str){ p, c->bytes });
}

static struct last_view view_of(const struct last_cell *c, struct reader *r)
{
	struct last_view v = { .time_ms = c->time_ms };

	v.id = get_str(r);
	v.source = get_str(r);
	v.type = get_str(r);
	v.subject = get_str(r);
	return v;
}

struct last_view last_view(const struct last_cell *c)
{
	struct reader r = reader_from(c);

	return view_of(c, &r);
}

/* The next kept value; false at the end. */
static bool next_value(struct reader *r, struct path *p, struct str *seg,
		       struct str *json)
{
	uint64_t n;

	if (r->p == r->end || r->bad)
		return false;
	n = get_u64(r);
	if (n > PLAN_SEGMENTS_MAX)
		return false;
	for (uint64_t i = 0; i < n; i++)
		seg[i] = get_str(r);
	*json = get_str(r);
	*p = (struct path){ .seg = seg, .n = (uint32_t)n };
	return !r->bad;
}

static bool path_equal(const struct path *a, const struct path *b)
{
	for (uint32_t i = 0; a->n == b->n && i < a->n; i++)
		if (!str_is(a->seg[i], b->seg[i]))
			return false;
	return a->n == b->n;
}

static struct value attr_value(const struct last_view *v, struct str name)
{
	if (str_is(name, STR("id")))
		return value_str(v->id);
	if (str_is(name, STR("source")))
		return value_str(v->source);
	if (str_is(name, STR("type")))
		return value_str(v->type);
	if (str_is(name, STR("subject")))
		return value_str(v->subject);
	return value_time_ms(v->time_ms);
}

void last_fields(struct ctx *c, const struct last_cell *lc)
{
	struct reader r = reader_from(lc);
	struct last_view view = view_of(lc, &r);
	const struct plan *plan = &c->d->rules->plan;
	struct str seg[PLAN_SEGMENTS_MAX], json;
	struct path p;

	for (uint32_t i = 0; i < c->rs->reads_n; i++)
		if (is_attr(&plan->v[c->rs->reads[i]]))
			last_put(c, c->rs->reads[i],
			    attr_value(&view, plan->v[c->rs->reads[i]].seg[1]));
	while (next_value(&r, &p, seg, &json))
		for (uint32_t i = 0; i < c->rs->reads_n; i++)
			if (path_equal(&p, &plan->v[c->rs->reads[i]]))
				last_put(c, c->rs->reads[i],
				    value_from_json(json, c->d->arena));
}

struct kept {
	struct str	 seg[PLAN_SEGMENTS_MAX];
	uint32_t	 n;
	struct value	 v;
	bool		 done;
};

/* Values of paths that share their first `depth` segments, as a nested map. */
static struct value nest(struct kept *v, uint32_t n, uint32_t depth, struct arena *a)
{
	struct value *keys = ARENA_ARRAY(a, struct value, n);
	struct value *vals = ARENA_ARRAY(a, struct value, n);
	struct kept *sub = ARENA_ARRAY(a, struct kept, n);
	uint32_t out = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t m = 0;

		if (v[i].done)
			continue;
		for (uint32_t j = i; j < n; j++) {
			if (v[j].done || !str_is(v[j].seg[depth], v[i].seg[depth]))
				continue;
			if (j > i)
				v[j].done = true;
			sub[m++] = v[j];
			sub[m - 1].done = false;
			if (v[j].n == depth + 1)	/* the whole */
				sub[0] = sub[m - 1];
		}
		keys[out] = value_str(v[i].seg[depth]);
		vals[out++] =
		    sub[0].n == depth + 1 ? sub[0].v : nest(sub, m, depth + 1, a);
	}
	return value_map_of(keys, vals, out, a);
}

struct value last_value(const struct last_cell *c, struct arena *a)
{
	struct reader r = reader_from(c);
	struct last_view view = view_of(c, &r);
	struct kept *kept = ARENA_ARRAY(a, struct kept, PATHS_MAX);
	struct value *keys = ARENA_ARRAY(a, struct value, 6);
	struct value *vals = ARENA_ARRAY(a, struct value, 6);
	static const char *const names[] = { "id", "source", "type", "subject", "time" };
	struct value data;
	struct path p;
	struct str json;
	uint32_t n = 0;

	while (n < PATHS_MAX && next_value(&r, &p, kept[n].seg, &json)) {
		if (!p.n || !str_is(p.seg[0], STR("data")))
			continue;
		kept[n].n = p.n;
		kept[n].done = false;
		kept[n++].v = value_from_json(json, a);
	}
	for (uint32_t i = 0; i < 5; i++) {
		keys[i] = value_str(str_of(names[i]));
		vals[i] = attr_value(&view, str_of(names[i]));
	}
	data = nest(kept, n, 0, a);
	if (!n)
		return value_map_of(keys, vals, 5, a);
	keys[5] = value_str(STR("data"));
	vals[5] = value_member(data, STR("data"), a);
	return value_map_of(keys, vals, 6, a);
}
