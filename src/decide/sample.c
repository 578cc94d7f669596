/* From an event to the samples of a rule's signals.
 *
 *	value              one sample
 *	each: [..] | {..}  one per element, as item and item_key
 *	by                 the sub-key of the map that takes it
 *
 * All samples of one event are added before anything is evaluated.  The event has one
 * fate for its rule (promise G10); the samples of a signal have theirs, counted per rule,
 * because one event may bring a thousand of which three are no numbers.
 *
 * Invariant: a signal that rules share takes an event's samples once, through the first
 * of them.
 */
#include "decide/priv.h"
#include "signal/baseline.h"

struct sampling {		/* one event for one signal */
	struct ctx	*c;
	const struct rule_signal *s;
	const struct delivery *v;
	uint32_t	 root;
	uint64_t	 n[SIGNAL_FULL + 1];	/* by enum signal_fate */
};

uint32_t signal_root(const struct decide *d, struct keyed *of, uint32_t i)
{
	const struct keyed *k = keyed_signal(d, of, i);

	return k ? k->cell : 0;
}

static struct keyed *signal_make(struct decide *d, struct keyed *of, uint32_t i)
{
	const struct rule_state *rs = of->rs;
	const struct signal_spec *spec = &rs->rule->signals[i].spec;
	struct keyed *k = keyed_signal(d, of, i);
	uint32_t bytes = sizeof(struct keyed_cell), pad = -of->key.len & 7;

	if (k) {
		keyed_use(d, k);
		return k;
	}
	k = keyed_add(d, CELL_SIGNAL, rs->sig[i]->owner, of->key, bytes, pad,
	    rs->rule->key_ttl_ms);
	signal_begin(spec, d->cells, k->cell, bytes + of->key.len + pad);
	return k;
}

/* Counts by category in the order of the baseline's; of any other: its last count. */
static bool counts_by_name(const struct value_map *m, const struct baseline *b,
    double *counts, uint32_t n)
{
	for (uint32_t i = 0; i < m->n; i++) {
		double x;

		if (m->keys[i].tag != VALUE_STRING || m->values[i].tag == VALUE_BOOL ||
		    !value_number(m->values[i], &x) || !(x >= 0))
			return false;
		counts[MIN(baseline_category(b, value_as_str(m->keys[i])), n - 1)] += x;
	}
	return true;
}

/* A histogram: a list of counts, or a map from categories to counts.  What no baseline
 * tells the cells of is one count all the same: the signal says what comes of it. */
static bool histogram_of(struct decide *d, struct value v, struct sample *ret)
{
	const struct baseline *b = ret->baseline;
	bool map = v.tag == VALUE_MAP;
	uint32_t n = map ? (b && b->categories_n ? b->counts_n : 1) : v.list->n;
	double *counts;

	if (n == 0 || n > BASELINE_CELLS || (map && v.map->n > EACH_MAX) ||
	    (map && b && !b->categories_n))
		return false;
	counts = ARENA_ARRAY(d->arena, double, n);
	ret->counts = counts;
	ret->counts_n = n;
	if (map)
		return !b || counts_by_name(v.map, b, counts, n);
	for (uint32_t i = 0; i < n; i++)
		if (v.list->v[i].tag == VALUE_BOOL ||
		    !value_number(v.list->v[i], &counts[i]))
			return false;
	return true;
}

/* A number, a text or a histogram: the signal says whether it takes that. */
static bool sample_of(struct decide *d, const struct signal_spec *spec, struct value v,
    struct sample *ret)
{
	if (spec->kind == SIGNAL_TEST && (v.tag == VALUE_LIST || v.tag == VALUE_MAP))
		return histogram_of(d, v, ret);
	if (v.tag == VALUE_STRING)
		ret->text = value_as_str(v);
	return v.tag == VALUE_STRING || value_number(v, &ret->x);
}

static enum signal_fate add_one(struct sampling *g)
{
	struct ctx *c = g->c;
	struct decide *d = c->d;
	struct sample x = { .x = 1 };
	uint32_t root = g->root;
	struct str sub = STR("");

	if (g->s->by) {
		sub = value_key(ctx_eval(c, g->s->by), d->arena);
		if (!sub.p || !sub.len)
			return SIGNAL_INVALID;
	}
	if (g->s->spec.kind != SIGNAL_WINDOW)
		x.baseline = baseline_of(d, g->s, c->model, sub);
	if (g->s->value && !sample_of(d, &g->s->spec, ctx_eval(c, g->s->value), &x))
		return SIGNAL_INVALID;
	if (g->s->by) {
		root = signal_sub(&g->s->spec, d->cells, root, sub, true);
		if (!root)
			return SIGNAL_FULL;
		x.keys = signal_subs(d->cells, g->root);
	}
	return signal_add(&g->s->spec, d->cells, root, g->v->t_ms, &x, g->v->mark);
}

static void add_item(struct sampling *g, struct value key, struct value item)
{
	g->c->vars[RVAR_ITEM] = item;
	g->c->vars[RVAR_ITEM_KEY] = key;
	g->n[add_one(g)]++;
}

/* False: it is no list or map, or too long; then none of it is taken. */
static bool add_each(struct sampling *g)
{
	struct value v = ctx_eval(g->c, g->s->each);

	if (v.tag == VALUE_LIST && v.list->n <= EACH_MAX) {
		for (uint32_t i = 0; i < v.list->n; i++)
			add_item(g, value_int(i), v.list->v[i]);
		return true;
	}
	if (v.tag == VALUE_MAP && v.map->n <= EACH_MAX) {
		for (uint32_t i = 0; i < v.map->n; i++)
			add_item(g, v.map->keys[i], v.map->values[i]);
		return true;
	}
	return false;
}

static enum signal_fate add_samples(struct decide *d, struct rule_state *rs, uint32_t i,
    const struct delivery *v, struct ctx *c)
{
	struct keyed *k = signal_make(d, v->k, i);
	struct sampling g = { c, &rs->rule->signals[i], v, k->cell, { 0 } };
	enum signal_fate fate;

	if (k->seq == d->seq)		/* another rule added it */
		return (enum signal_fate)k->fate;
	k->seq = d->seq;
	if (!g.s->each)
		g.n[add_one(&g)]++;
	else if (!add_each(&g))
		g.n[SIGNAL_INVALID]++;
	for (unsigned f = SIGNAL_TAKEN; f <= SIGNAL_FULL; f++)
		rs->count.sample[f] += g.n[f];
	fate = g.n[SIGNAL_LATE] ? SIGNAL_LATE : g.n[SIGNAL_INVALID] ? SIGNAL_INVALID :
	    g.n[SIGNAL_FULL] ? SIGNAL_FULL : SIGNAL_TAKEN;
	if (g.n[SIGNAL_TAKEN])
		fate = SIGNAL_TAKEN;
	k->fate = fate & 7u;
	return fate;
}

/* One fate for the event: what any signal took counts as evaluated. */
static enum rule_fate worst_of(uint32_t taken, uint32_t late, uint32_t other)
{
	if (taken || (!late && !other))
		return FATE_EVALUATED;
	return late ? FATE_LATE : FATE_INVALID;
}

/* One event becomes samples of each signal that takes from its selector. */
enum rule_fate signal_sample(struct decide *d, const struct delivery *v, int64_t clock)
{
	struct rule_state *rs = v->k->rs;
	uint32_t taken = 0, late = 0, other = 0;
	struct ctx *c = &d->ctx;

	ctx_init(d, c, rs, v->key);
	ctx_event(c, d->in->event);
	ctx_vars(c, NULL, clock, rs->sample_needs);
	if (rs->pins) {
		rearm_due(d, v->k);
		ctx_find_model(c);
		rearm_model(d, v->k, c->model);
	}
	for (uint32_t i = 0; i < rs->rule->signals_n; i++) {
		enum signal_fate f;

		if (rs->rule->signals[i].from != v->selector)
			continue;
		f = add_samples(d, rs, i, v, c);
		taken += f == SIGNAL_TAKEN;
		late += f == SIGNAL_LATE;
		other += f == SIGNAL_INVALID || f == SIGNAL_FULL;
	}
	delivery_keep(d, v);
	return worst_of(taken, late, other);
}

void signal_samples(struct decide *d, struct job *j)
{
	for (uint32_t n = 0; n < j->n; n++)
		j->rs->count.fate[signal_sample(d, &j->v[n], j->clock)]++;
}
