/* Finding ladders among the rules, and the rungs between two values.
 *
 * Invariant: whatever is asked of the first rule of a ladder about an event (does the
 * selector take it, what are key, time and value) has the same answer for each other,
 * so that it is asked once. */
#include "rules/ladder.h"

#include <stdlib.h>

#include "base/arena.h"
#include "rules/load.h"

/* Reads the event alone: nothing that differs from rule to rule. */
static bool of_event(const struct prog *p)
{
	return !p || expr_fields_only(p);
}

static bool limit_of(const struct prog *p, struct expr_limit *ret)
{
	return p && expr_limit(p, ret) && ret->var == RVAR_SIGNALS &&
	    signal_aggregate_bit(ret->member) & ~(unsigned)AGG_AGE;
}

/* Where both can be true of one value, an episode's end begins the next one: that needs
 * an evaluation without a crossing. */
static bool apart(const struct expr_limit *w, const struct expr_limit *r)
{
	bool up = w->relation >= EXPR_ABOVE;
	bool both = (w->relation == EXPR_AT_MOST || w->relation == EXPR_AT_LEAST) &&
	    (r->relation == EXPR_AT_MOST || r->relation == EXPR_AT_LEAST);

	if (up == (r->relation >= EXPR_ABOVE))
		return false;
	return w->limit == r->limit ? !both : up == (r->limit < w->limit);
}

static bool fits(const struct rule *r, struct expr_limit *when,
    struct expr_limit *recover)
{
	const struct selector *s = r->selectors;

	return r->kind == RULE_SIGNAL && r->mode != MODE_DISABLED &&
	    r->selectors_n == 1 && r->signals_n == 1 &&
	    r->signals[0].spec.kind == SIGNAL_WINDOW && !r->signals[0].spec.by &&
	    !r->signals[0].each &&
	    r->signals[0].spec.window == WINDOW_COUNT && !r->refire_ms && !r->every_ms &&
	    !s->key_all && !s->stale_ms &&
	    of_event(s->where) && of_event(s->key) && of_event(s->time) &&
	    of_event(r->signals[0].value) && limit_of(r->when, when) &&
	    (!r->recover || (limit_of(r->recover, recover) &&
	        str_is(recover->member, when->member) && apart(when, recover)));
}

static struct str identity(const struct rule *r, struct str what, struct arena *a)
{
	struct str id = arena_printf(a, "%u %.*s", r->signals[0].spec.min_count,
	    STR_ARG(what));
	char *p = arena_alloc(a, 32 + id.len);

	memcpy(p, r->selectors[0].hash, 16);
	memcpy(p + 16, r->signals[0].spec.hash, 16);
	memcpy(p + 32, id.p, id.len);
	return (struct str){ p, 32 + id.len };
}

static void add_rung(struct ladder *l, uint32_t member, const struct expr_limit *e,
    struct arena *a)
{
	bool open = e->relation == EXPR_ABOVE || e->relation == EXPR_AT_MOST;
	struct rung **v = open ? &l->open : &l->closed;
	uint32_t *n = open ? &l->open_n : &l->closed_n;

	*v = arena_grow(a, *v, *n, open ? &l->open_cap : &l->closed_cap, sizeof **v);
	(*v)[(*n)++] = (struct rung){ e->limit, member };
}

static int by_limit(const void *pa, const void *pb)
{
	const struct rung *a = pa, *b = pb;

	if (a->limit != b->limit)
		return a->limit < b->limit ? -1 : 1;
	return (a->member > b->member) - (a->member < b->member);
}

struct place {			/* rules of one identity */
	struct str	 id;
	uint32_t	 n;
	struct ladder	*ladder;
};

static struct place *place_of(GHashTable *all, const struct rule *r, struct str what,
    struct arena *scratch)
{
	struct str id = identity(r, what, scratch);
	struct place *p = g_hash_table_lookup(all, &id);

	if (p)
		return p;
	p = ARENA_NEW(scratch, struct place);
	p->id = id;
	g_hash_table_insert(all, &p->id, p);
	return p;
}

static void join(struct ladder *l, struct rule *r, const struct expr_limit *when,
    const struct expr_limit *recover, struct arena *a)
{
	l->what = when->member;
	r->ladder = l;
	l->rules = arena_grow(a, l->rules, l->n, &l->cap, sizeof *l->rules);
	l->rules[l->n] = r->index;
	add_rung(l, l->n, when, a);
	if (r->recover)
		add_rung(l, l->n, recover, a);
	l->n++;
}

static void sort(struct ladder *l)
{
	if (l->open_n)
		qsort(l->open, l->open_n, sizeof *l->open, by_limit);
	if (l->closed_n)
		qsort(l->closed, l->closed_n, sizeof *l->closed, by_limit);
}

void ladders_build(struct ruleset *rs)
{
	GHashTable *all = g_hash_table_new(load_str_hash, load_str_equal);
	struct arena *scratch = arena_new(0);
	struct expr_limit when, recover;

	for (uint32_t i = 0; i < rs->rules_n; i++)
		if (fits(&rs->rules[i], &when, &recover))
			place_of(all, &rs->rules[i], when.member, scratch)->n++;
	for (uint32_t i = 0; i < rs->rules_n; i++) {
		struct rule *r = &rs->rules[i];
		struct place *p;

		if (!fits(r, &when, &recover))
			continue;
		p = place_of(all, r, when.member, scratch);
		if (p->n < LADDER_MIN)
			continue;
		if (!p->ladder)
			p->ladder = ARENA_NEW(rs->arena, struct ladder);
		join(p->ladder, r, &when, &recover, rs->arena);
		if (p->ladder->n == p->n)
			sort(p->ladder);
	}
	g_hash_table_unref(all);
	arena_free(scratch);
}

/* The first rung at `limit`, or past it. */
static uint32_t first(const struct rung *v, uint32_t n, double limit, bool past)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (past ? v[mid].limit <= limit : v[mid].limit < limit)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void ladder_crossed(const struct ladder *l, double from, double to,
    void (*f)(void *, uint32_t member), void *ctx)
{
	double low = MIN(from, to), high = MAX(from, to);

	for (uint32_t i = first(l->open, l->open_n, low, false);
	     i < l->open_n && l->open[i].limit < high; i++)
		f(ctx, l->open[i].member);
	for (uint32_t i = first(l->closed, l->closed_n, low, true);
	     i < l->closed_n && l->closed[i].limit <= high; i++)
		f(ctx, l->closed[i].member);
}
