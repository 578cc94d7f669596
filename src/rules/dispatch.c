/* The dispatch index: type, then one field that must equal a constant, then selectors.
 *
 *	type (exact or prefix) -> group
 *	group: (field, constant) -> selectors        one lookup per indexed field
 *	       rest              -> selectors        no usable conjunct: always candidates
 *
 * A selector stands in exactly one bucket, so no hit comes twice.  Of the equality
 * conjuncts of its `where` (and its subject) the one is taken whose field has the most
 * different constants in the group: that bucket is the smallest.  An event is looked
 * up once by its type, once per length of prefix that any rule uses, and once per
 * indexed field of each group found, whatever the number of rules.
 *
 * Hash tables are only looked up, never walked; hits are sorted by rule and selector. */
#include "rules/dispatch.h"

#include <stdlib.h>

#include "base/arena.h"
#include "rules/ladder.h"
#include "rules/load.h"

#define SUBJECT UINT32_MAX	/* as a field */
#define CONJUNCTS 8

struct key {
	uint32_t	 group, field;
	struct str	 text;
};
struct bucket {
	struct dispatch_hit *v;
	uint32_t	 n, cap;
};
struct group {
	uint32_t	 id;
	uint32_t	*fields;	/* that some selector is indexed by */
	uint32_t	 fields_n, fields_cap;
	struct bucket	 rest;
};
struct dispatch {
	struct arena	*arena;
	GHashTable	*groups;	/* key {prefix, 0, type} -> group */
	GHashTable	*buckets;	/* key -> bucket */
	uint32_t	*lens;		/* of prefixes, each once */
	uint32_t	 lens_n, lens_cap;
	uint32_t	 groups_n;
};

static guint key_hash(gconstpointer p)
{
	const struct key *k = p;

	return load_str_hash(&k->text) * 31 + k->group * 1000003 + k->field * 7919;
}

static gboolean key_equal(gconstpointer a, gconstpointer b)
{
	const struct key *x = a, *y = b;

	return x->group == y->group && x->field == y->field && str_is(x->text, y->text);
}

/* Finds or makes the zeroed value of a key; *fresh says which. */
static void *find_or_add(GHashTable *t, struct key key, size_t bytes, struct arena *arena,
    bool *fresh)
{
	void *v = g_hash_table_lookup(t, &key);
	struct key *k;

	*fresh = v == NULL;
	if (v)
		return v;
	k = ARENA_NEW(arena, struct key);
	*k = key;
	v = arena_alloc(arena, bytes);
	g_hash_table_insert(t, k, v);
	return v;
}

static void add_number(struct arena *arena, uint32_t **v, uint32_t *n, uint32_t *cap,
    uint32_t x)
{
	for (uint32_t i = 0; i < *n; i++)
		if ((*v)[i] == x)
			return;
	*v = arena_grow(arena, *v, *n, cap, sizeof **v);
	(*v)[(*n)++] = x;
}

static struct group *group_of(struct dispatch *d, const struct selector *s)
{
	struct key key = {s->type_prefix || !s->type.len, 0, s->type};
	bool fresh;
	struct group *g = find_or_add(d->groups, key, sizeof *g, d->arena, &fresh);

	if (fresh)
		g->id = d->groups_n++;
	if (key.group)
		add_number(d->arena, &d->lens, &d->lens_n, &d->lens_cap, s->type.len);
	return g;
}

/* What the selector demands to be equal; at most CONJUNCTS. */
static uint32_t demands(const struct selector *s, struct expr_equal *v)
{
	uint32_t n = 0;

	if (s->subject.len)
		v[n++] = (struct expr_equal){SUBJECT, s->subject};
	if (s->where)
		n += expr_conjuncts(s->where, v + n, CONJUNCTS - n);
	return n;
}

/* How many different constants each field of a group is compared with. */
struct counts {
	GHashTable	*seen, *n;
	struct arena	*arena;
};

static uint32_t *count_of(struct counts *c, uint32_t group, uint32_t field)
{
	bool fresh;

	return find_or_add(c->n, (struct key){group, field, {NULL, 0}}, sizeof(uint32_t),
	    c->arena, &fresh);
}

static void count(struct dispatch *d, struct counts *c, const struct selector *s)
{
	struct expr_equal v[CONJUNCTS];
	uint32_t n = demands(s, v), group = group_of(d, s)->id;
	bool fresh;

	for (uint32_t i = 0; i < n; i++) {
		find_or_add(c->seen, (struct key){group, v[i].field, v[i].text}, 1,
		    c->arena, &fresh);
		*count_of(c, group, v[i].field) += fresh;
	}
}

static void place(struct dispatch *d, struct counts *c, const struct selector *s,
    struct dispatch_hit hit)
{
	struct group *g = group_of(d, s);
	struct bucket *b = &g->rest;
	struct expr_equal v[CONJUNCTS];
	uint32_t n = demands(s, v), best = 0;
	bool fresh;

	for (uint32_t i = 1; i < n; i++)
		if (*count_of(c, g->id, v[i].field) > *count_of(c, g->id, v[best].field))
			best = i;
	if (n) {
		struct key key = {g->id, v[best].field, v[best].text};

		b = find_or_add(d->buckets, key, sizeof *b, d->arena, &fresh);
		add_number(d->arena, &g->fields, &g->fields_n, &g->fields_cap, key.field);
	}
	b->v = arena_grow(d->arena, b->v, b->n, &b->cap, sizeof *b->v);
	b->v[b->n++] = hit;
}

/* How many selectors of the rule stand in the index: the first rule of a ladder is
 * found for all. */
static uint32_t placed(const struct rule *r)
{
	return r->ladder && r->ladder->rules[0] != r->index ? 0 : r->selectors_n;
}

struct dispatch *dispatch_build(const struct rule *rules, uint32_t n, struct arena *arena)
{
	struct dispatch *d = ARENA_NEW(arena, struct dispatch);
	struct counts c = {
		.seen = g_hash_table_new(key_hash, key_equal),
		.n = g_hash_table_new(key_hash, key_equal), .arena = arena_new(0),
	};

	*d = (struct dispatch){
		.arena = arena, .groups = g_hash_table_new(key_hash, key_equal),
		.buckets = g_hash_table_new(key_hash, key_equal),
	};
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t j = 0; j < placed(&rules[i]); j++)
			count(d, &c, &rules[i].selectors[j]);
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t j = 0; j < placed(&rules[i]); j++)
			place(d, &c, &rules[i].selectors[j], (struct dispatch_hit){i, j});
	g_hash_table_unref(c.seen);
	g_hash_table_unref(c.n);
	arena_free(c.arena);
	return d;
}

void dispatch_free(struct dispatch *d)
{
	if (!d)
		return;
	g_hash_table_unref(d->groups);
	g_hash_table_unref(d->buckets);
}

struct hits {
	const struct rule *rules;
	const struct event *event;
	struct arena	*arena;
	struct dispatch_hit *v;
	uint32_t	 n, cap;
	uint32_t	 buckets;
};

/* Takes what the source allows; type and subject are checked by whoever calls. */
static void take(struct hits *h, const struct bucket *b)
{
	const struct event *e = h->event;

	h->buckets += b && b->n;
	for (uint32_t i = 0; b && i < b->n; i++) {
		const struct selector *s =
		    &h->rules[b->v[i].rule].selectors[b->v[i].selector];
		void *v;

		if ((s->source && s->source != e->via) || (e->retained && !s->retained) ||
		    (s->subject.len && !str_is(s->subject, e->subject)))
			continue;
		v = arena_grow(h->arena, h->v, h->n, &h->cap, sizeof *h->v);
		if (!v)
			return; /* past the turn's memory: the turn notices itself */
		h->v = v;
		h->v[h->n++] = b->v[i];
	}
}

static void take_group(const struct dispatch *d, struct hits *h, uint32_t prefix,
    struct str type)
{
	struct key key = {prefix, 0, type};
	const struct group *g = g_hash_table_lookup(d->groups, &key);

	if (!g)
		return;
	take(h, &g->rest);
	for (uint32_t i = 0; i < g->fields_n; i++) {
		uint32_t field = g->fields[i];
		struct value v = field == SUBJECT ? value_str(h->event->subject)
		    : h->event->field[field];

		if (v.tag != VALUE_STRING)
			continue;
		key = (struct key){g->id, field, value_as_str(v)};
		take(h, g_hash_table_lookup(d->buckets, &key));
	}
}

static int by_place(const void *pa, const void *pb)
{
	const struct dispatch_hit *a = pa, *b = pb;

	if (a->rule != b->rule)
		return a->rule < b->rule ? -1 : 1;
	return (a->selector > b->selector) - (a->selector < b->selector);
}

uint32_t dispatch_find(const struct dispatch *d, const struct rule *rules,
    const struct event *e, const struct dispatch_hit **ret, struct arena *arena)
{
	struct hits h = {.rules = rules, .event = e, .arena = arena};

	take_group(d, &h, 0, e->type);
	for (uint32_t i = 0; i < d->lens_n; i++)
		if (d->lens[i] <= e->type.len)
			take_group(d, &h, 1, (struct str){e->type.p, d->lens[i]});
	if (h.buckets > 1)	/* one bucket is in order already */
		qsort(h.v, h.n, sizeof *h.v, by_place);
	*ret = h.v;
	return h.n;
}
