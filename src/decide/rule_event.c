/* Events: which rules take one, under which key, and what an event rule does with it.
 *
 * Every event that a selector matches has exactly one fate per rule (promise G10):
 * evaluated, late, refused key or invalid; a rule that is off counts it instead.
 *
 * The event path allocates from the turn's arena only; what it keeps goes to cells.
 */
#include "decide/priv.h"

#include <stdlib.h>

#define KEYS_PER_EVENT 1000

static guint str_hash(gconstpointer p)
{
	const struct str *s = p;

	return (guint)hash64(HASH64, s->p, s->len);
}

static gboolean str_equal(gconstpointer a, gconstpointer b)
{
	return str_is(*(const struct str *)a, *(const struct str *)b);
}

static bool selector_takes(const struct selector *s, const struct event *e)
{
	if ((s->source && s->source != e->via) || (e->retained && !s->retained))
		return false;
	if (s->type.len || s->type_prefix) {
		if (s->type_prefix ? !str_starts(e->type, s->type)
				   : !str_is(e->type, s->type))
			return false;
	}
	return !s->subject.len || str_is(e->subject, s->subject);
}

static enum match match_where(struct ctx *c, const struct selector *s)
{
	if (!s->where)
		return MATCH_YES;
	switch (ctx_test(c, s->where)) {
	case RESULT_TRUE:
		return MATCH_YES;
	case RESULT_ERROR:
		return MATCH_INVALID;
	default:
		return MATCH_NO;
	}
}

struct matched {			/* what a selector makes of an event */
	struct str	*keys;
	uint32_t	 n;
	int64_t		 t_ms;
};

/* Of a list: each element once, in its order.  False: some element is no key. */
static bool list_keys(struct ctx *c, struct value list, struct matched *out)
{
	struct arena *a = c->d->arena;
	GHashTable *seen;
	bool ok = list.list->n <= KEYS_PER_EVENT;

	out->keys = ARENA_ARRAY(a, struct str, ok ? list.list->n : 0);
	if (!ok)
		return false;
	seen = g_hash_table_new(str_hash, str_equal);
	for (uint32_t i = 0; ok && i < list.list->n; i++) {
		struct str *s = &out->keys[out->n];

		*s = value_key(list.list->v[i], a);
		ok = s->p && s->len;
		if (ok && g_hash_table_add(seen, s))
			out->n++;
	}
	g_hash_table_destroy(seen);
	return ok;
}

static int cmp_cell(const void *a, const void *b)
{
	const struct keyed *x = *(struct keyed *const *)a, *y = *(struct keyed *const *)b;

	return (x->cell > y->cell) - (x->cell < y->cell);
}

/* Every key that the rule has, by cell: the same order after a restart. */
static void live_keys(struct ctx *c, struct matched *out)
{
	const GPtrArray *keys = c->rs->keys;
	struct keyed **v = ARENA_ARRAY(c->d->arena, struct keyed *, keys->len);

	if (keys->len)
		memcpy(v, keys->pdata, keys->len * sizeof(*v));
	if (keys->len)
		qsort(v, keys->len, sizeof(*v), cmp_cell);
	out->keys = ARENA_ARRAY(c->d->arena, struct str, keys->len);
	for (out->n = 0; out->n < keys->len; out->n++)
		out->keys[out->n] = v[out->n]->key;
}

static bool match_keys(struct ctx *c, const struct selector *s, struct matched *out)
{
	struct value v;

	out->n = 0;
	if (s->key_all) {
		live_keys(c, out);
		return true;
	}
	out->keys = ARENA_NEW(c->d->arena, struct str);
	out->keys[0] = STR("");
	out->n = 1;
	if (!s->key)
		return true;
	v = ctx_eval(c, s->key);
	if (v.tag == VALUE_LIST) {
		out->n = 0;
		return list_keys(c, v, out);
	}
	out->keys[0] = value_key(v, c->d->arena);
	return out->keys[0].p && out->keys[0].len;
}

static bool match_time(struct ctx *c, const struct selector *s, int64_t *ret)
{
	struct value v;

	*ret = c->event->time_ms;
	if (!s->time)
		return true;
	v = ctx_eval(c, s->time);
	if (v.tag != VALUE_TIMESTAMP)
		return false;
	*ret = value_ms(v);
	return true;
}

/* The keys for which `where` holds, where it reads them. */
static enum match match_each(struct ctx *c, const struct selector *s, struct matched *out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < out->n; i++) {
		enum match m;

		c->key = out->keys[i];
		ctx_vars(c, NULL, 0, c->rs->where_needs);
		c->model = (struct str){ 0 };
		m = match_where(c, s);
		if (m == MATCH_INVALID)
			return m;
		if (m == MATCH_YES)
			out->keys[n++] = out->keys[i];
	}
	out->n = n;
	return n ? MATCH_YES : MATCH_NO;
}

/* `where` comes first unless it reads the key or what hangs on it: an event that the
 * rule does not want is no invalid one for want of a key. */
static enum match match(struct ctx *c, const struct selector *s, struct matched *out)
{
	bool first = !(c->rs->where_needs & ~(1u << RVAR_NOW | 1u << RVAR_VARS));
	enum match m = MATCH_YES;

	ctx_vars(c, NULL, 0, 0);
	if (first)
		m = match_where(c, s);
	if (m != MATCH_YES)
		return m;
	if (!match_keys(c, s, out))
		return MATCH_INVALID;
	if (!first)
		m = match_each(c, s, out);
	if (m == MATCH_YES && !match_time(c, s, &out->t_ms))
		m = MATCH_INVALID;
	return m;
}

static void count_disabled(struct decide *d, struct rule_state *rs)
{
	struct decision_row row = { .rule_id = rs->id, .outcome = OUTCOME_SUPPRESSED,
		.by = SUPP_DISABLED, .count = 1 };

	decision_write(d, &row);
}

/* The key's state, made if the rule may have one more. */
static struct keyed *key_for(struct decide *d, struct rule_state *rs, struct str key)
{
	uint8_t owner[OWNER_BYTES];
	struct keyed *k;

	owner_of_id(rs->id, owner);
	k = keyed_find(d, CELL_KEY, owner, key);
	if (k) {
		keyed_use(d, k);
		return k;
	}
	if (key.len > KEY_BYTES_MAX || rs->keys->len >= rs->rule->max_keys)
		return NULL;
	return key_new(d, rs, key);
}

/* What the selector says of the input's event, the rule being on. */
static enum match matches(struct decide *d, struct rule_state *rs, uint32_t sel,
    struct matched *out)
{
	struct ctx *c = &d->ctx;
	enum match m;

	if (!selector_takes(&rs->rule->selectors[sel], d->in->event))
		return MATCH_NO;
	ctx_init(d, c, rs, STR(""));
	ctx_event(c, d->in->event);
	m = match(c, &rs->rule->selectors[sel], out);
	if (m == MATCH_NO)
		return MATCH_NO;
	if (rule_off(d, rs)) {
		count_disabled(d, rs);
		return MATCH_INVALID;
	}
	if (m == MATCH_INVALID)
		rs->count.fate[FATE_INVALID]++;
	return m;
}

/* False: the key is refused. */
static bool deliver_to(struct decide *d, struct rule_state *rs, uint32_t sel,
    const struct matched *m, uint32_t i, struct delivery *out)
{
	*out = (struct delivery){ .key = m->keys[i], .selector = sel, .t_ms = m->t_ms,
		.several = m->n > 1 || rs->rule->selectors[sel].key_all,
		.k = key_for(d, rs, m->keys[i]) };
	if (!out->k) {
		rs->count.fate[FATE_REFUSED_KEY]++;
		return false;
	}
	out->key = out->k->key;
	return true;
}

enum match deliver(struct decide *d, struct rule_state *rs, uint32_t sel,
    struct delivery *out)
{
	struct matched m = { 0 };
	enum match r = matches(d, rs, sel, &m);

	if (r != MATCH_YES)
		return r;
	if (m.n != 1)
		return MATCH_SEVERAL;
	return deliver_to(d, rs, sel, &m, 0, out) ? MATCH_YES : MATCH_REFUSED;
}

/* The selector's clock moves once, whatever the number of keys. */
static void move_clock(struct decide *d, struct rule_state *rs, uint32_t sel, int64_t t)
{
	clock_event(d, rs->sel[sel], d->in->event, t);
	clock_stale_sel(d, rs->sel[sel]);
}

/* The deliveries of one selector's match. */
static void job_add(struct decide *d, struct job *j, uint32_t sel,
    const struct matched *m)
{
	bool clocked = rule_clocked(j->rs->rule);

	if (clocked)
		move_clock(d, j->rs, sel, m->t_ms);
	for (uint32_t i = 0; i < m->n; i++) {
		struct delivery *v;

		j->v = arena_grow(d->arena, j->v, j->n, &j->cap, sizeof(*j->v));
		v = &j->v[j->n];
		if (!deliver_to(d, j->rs, sel, m, i, v))
			continue;
		v->mark = clocked ? j->rs->sel[sel]->mark_before : 0;
		j->n++;
	}
}

bool event_job(struct decide *d, struct rule_state *rs, const struct dispatch_hit *h,
    uint32_t n)
{
	struct job *j = &d->job;
	bool any = false;

	*j = (struct job){ .rs = rs, .phase = PHASE_BODY, .kind = JOB_EVENT };
	for (uint32_t i = 0; i < n; i++) {
		struct matched m = { 0 };
		/* An event is not before itself: the end of a sequence comes first. */
		uint32_t at = rs->rule->join == JOIN_SEQUENCE && n == 2 &&
		    h[0].selector == rs->rule->join_of[0] ? n - 1 - i : i;

		if (matches(d, rs, h[at].selector, &m) != MATCH_YES)
			continue;
		job_add(d, j, h[at].selector, &m);
		any = true;
	}
	if (!any || !rule_clocked(rs->rule))
		return j->n > 0;
	/* A key too many has no state, but its event moves the clock like any other. */
	if (rs->rule->kind == RULE_SIGNAL)
		j->kind = j->n ? JOB_SAMPLES : JOB_CLOCK;
	j->phase = PHASE_BEFORE;
	j->has_clock = true;
	j->clock = clock_at(d, rs, d->now_tick);
	return true;
}

bool event_refused(struct decide *d, struct rule_state *rs, const struct delivery *v)
{
	if (!rule_clocked(rs->rule))
		return false;
	move_clock(d, rs, v->selector, v->t_ms);
	d->job = (struct job){ .rs = rs, .kind = JOB_CLOCK, .phase = PHASE_BEFORE,
		.has_clock = true, .clock = clock_at(d, rs, d->now_tick) };
	return true;
}

static bool shares_signal(const struct rule_state *rs)
{
	for (uint32_t i = 0; i < rs->rule->signals_n; i++)
		if (rs->sig[i]->rules->len > 1)
			return true;
	return false;
}

bool event_early(struct decide *d, struct rule_state *rs, const struct dispatch_hit *h,
    uint32_t n)
{
	const struct due *top = heap_top(&rs->clock);
	struct ctx *c = &d->ctx;
	struct matched v = { 0 };
	bool any = false;
	int64_t clock;

	for (uint32_t i = 0; top && i < n; i++) {
		const struct selector *s = &rs->rule->selectors[h[i].selector];

		if ((!s->time && top->at >= sel_reach(d, rs->sel[h[i].selector],
		        d->in->event->time_ms)) || !selector_takes(s, d->in->event))
			continue;
		ctx_init(d, c, rs, STR(""));
		ctx_event(c, d->in->event);
		if (match(c, s, &v) != MATCH_YES)
			continue;
		move_clock(d, rs, h[i].selector, v.t_ms);
		any = true;
	}
	clock = any ? clock_at(d, rs, d->now_tick) : 0;
	if (!any || top->at >= clock)
		return false;
	d->job = (struct job){ .rs = rs, .kind = JOB_CLOCK, .phase = PHASE_BEFORE,
		.has_clock = true, .clock = clock - 1 };
	return true;
}

/* The rule of the hits at *hit, which is advanced over them. */
static struct rule_state *next_rule(struct decide *d, uint32_t *hit, uint32_t *ret_n)
{
	const struct dispatch_hit *h = &d->hits[*hit];

	*ret_n = 0;
	while (*hit + *ret_n < d->hits_n && h[*ret_n].rule == h->rule)
		++*ret_n;
	*hit += *ret_n;
	return d->by_rule[h->rule];
}

bool event_early_begin(struct decide *d, uint32_t *hit)
{
	const struct dispatch_hit *h = &d->hits[*hit];
	uint32_t n, was = *hit;
	struct rule_state *rs = next_rule(d, hit, &n);

	if (rs->climbs) {
		if (!climb_early(d, rs))
			return false;
		*hit = was;		/* another of the ladder may be due as well */
		return true;
	}
	return rs->rule->kind == RULE_SIGNAL && shares_signal(rs) &&
	    event_early(d, rs, h, n);
}

/* The job of the next rule that takes the event; advances over its hits. */
bool event_job_begin(struct decide *d, uint32_t *hit)
{
	const struct dispatch_hit *h = &d->hits[*hit];
	uint32_t n;
	struct rule_state *rs = next_rule(d, hit, &n);

	if (rs->climbs)
		return climb_begin(d, rs);
	return event_job(d, rs, h, n);
}

/* Once per input, selector and key, whatever the number of rules. */
void delivery_keep(struct decide *d, const struct delivery *v)
{
	struct sel_state *s = v->k->rs->sel[v->selector];
	const struct keyed *last = v->several ? keyed_last(d, v->k, v->selector) : NULL;

	if (v->several ? last && last->seq == d->seq : s->kept_seq == d->seq)
		return;
	s->kept_seq = d->seq;
	last_keep(d, v->k, v->selector, d->in->event, v->t_ms);
}

static bool fires(const struct rule *r, enum result res)
{
	return res == RESULT_TRUE ||
	       (res == RESULT_UNKNOWN && r->on_nodata == POLICY_TRUE) ||
	       (res == RESULT_ERROR && r->on_error == POLICY_TRUE);
}

static void set_result(struct decide *d, struct keyed *k, enum result res)
{
	if (key_get(d, k)->result != res)
		key_touch(d, k)->result = (uint8_t)res;
}

bool event_body(struct decide *d, struct job *j, struct emission *em)
{
	while (j->i < j->n) {
		const struct delivery *v = &j->v[j->i++];
		struct rule_state *rs = j->rs;
		struct ctx *c = &d->ctx;
		enum result res;

		if (!d->backfill.now)
			delivery_keep(d, v);
		else if (backfill_skips(d, v))
			continue;
		rs->count.fate[FATE_EVALUATED]++;
		ctx_init(d, c, rs, v->key);
		ctx_event(c, d->in->event);
		c->selector = v->selector;
		if (rs->rule->join && !join_take(d, c, v))
			continue;
		ctx_vars(c, v->k, v->t_ms, rs->needs);
		res = ctx_test(c, rs->rule->when);
		if (!d->backfill.now)
			set_result(d, v->k, res);
		if (res == RESULT_ERROR && rs->rule->on_error != POLICY_TRUE)
			emit_error(c, v->k, JOB_EVENT, STR("when"));
		else if (fires(rs->rule, res) &&
		    emit(d, c, v->k, JOB_EVENT, NULL, em))
			return true;
	}
	return false;
}
