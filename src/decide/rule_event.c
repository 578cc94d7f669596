/* Events: which rules take one, under which key, and what an event rule does with it.
 *
 * Every event that a selector matches has exactly one fate per rule (promise G10):
 * evaluated, late, refused key or invalid; a rule that is off counts it instead.
 *
 * The event path allocates from the turn's arena only; what it keeps goes to cells.
 */
#include "decide/priv.h"

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

static bool match_key(struct ctx *c, const struct selector *s, struct str *ret)
{
	*ret = STR("");
	if (s->key) {
		*ret = value_key(ctx_eval(c, s->key), c->d->arena);
		if (!ret->p || !ret->len)
			return false;
	}
	return true;
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

/* `where` comes first unless it reads the key or what hangs on it: an event that the
 * rule does not want is no invalid one for want of a key. */
static enum match match(struct ctx *c, const struct selector *s, struct delivery *out)
{
	bool first = !(c->rs->where_needs & ~(1u << RVAR_NOW | 1u << RVAR_VARS));
	enum match m = MATCH_YES;
	bool has_key;

	ctx_vars(c, NULL, 0, 0);
	if (first)
		m = match_where(c, s);
	if (m != MATCH_YES)
		return m;
	has_key = match_key(c, s, &out->key);
	if (!first) {
		c->key = out->key;
		ctx_vars(c, NULL, 0, c->rs->where_needs);
		m = has_key ? match_where(c, s) : MATCH_INVALID;
	}
	if (m == MATCH_YES && (!has_key || !match_time(c, s, &out->t_ms)))
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

enum match deliver(struct decide *d, struct rule_state *rs, uint32_t sel,
    struct delivery *out)
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
	if (m == MATCH_INVALID) {
		rs->count.fate[FATE_INVALID]++;
		return MATCH_INVALID;
	}
	out->selector = sel;
	out->k = key_for(d, rs, out->key);
	if (!out->k) {
		rs->count.fate[FATE_REFUSED_KEY]++;
		return MATCH_REFUSED;
	}
	out->key = out->k->key;
	return MATCH_YES;
}

/* The samples' clock: each selector that delivered moves on. */
static void job_clock(struct decide *d, struct job *j)
{
	j->kind = JOB_SAMPLES;
	j->phase = PHASE_BEFORE;
	j->has_clock = true;
	for (uint32_t i = 0; i < j->n; i++) {
		struct sel_state *s = j->rs->sel[j->v[i].selector];

		clock_event(d, s, d->in->event, j->v[i].t_ms);
		j->v[i].mark = s->mark_before;
		clock_stale_sel(d, s);
	}
	j->clock = clock_at(d, j->rs, d->now_tick);
}

bool event_job(struct decide *d, struct rule_state *rs, const struct dispatch_hit *h,
    uint32_t n)
{
	struct job *j = &d->job;

	*j = (struct job){ .rs = rs, .phase = PHASE_BODY, .kind = JOB_EVENT };
	j->v = ARENA_ARRAY(d->arena, struct delivery, n);
	for (uint32_t i = 0; i < n; i++) {
		struct delivery *v = &j->v[j->n];
		enum match m = deliver(d, rs, h[i].selector, v);

		j->n += m == MATCH_YES;
		if (m == MATCH_REFUSED && n == 1)
			return event_refused(d, rs, v);
	}
	if (j->n && rs->rule->kind == RULE_SIGNAL)
		job_clock(d, j);
	return j->n > 0;
}

bool event_refused(struct decide *d, struct rule_state *rs, const struct delivery *v)
{
	if (rs->rule->kind != RULE_SIGNAL)
		return false;
	clock_event(d, rs->sel[v->selector], d->in->event, v->t_ms);
	clock_stale_sel(d, rs->sel[v->selector]);
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
	struct delivery v;
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
		clock_event(d, rs->sel[h[i].selector], d->in->event, v.t_ms);
		clock_stale_sel(d, rs->sel[h[i].selector]);
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

/* Once per input and selector, whatever the number of rules. */
void delivery_keep(struct decide *d, const struct delivery *v)
{
	struct sel_state *s = v->k->rs->sel[v->selector];

	if (s->kept_seq == d->seq)
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

		delivery_keep(d, v);
		rs->count.fate[FATE_EVALUATED]++;
		ctx_init(d, c, rs, v->key);
		ctx_event(c, d->in->event);
		ctx_vars(c, v->k, v->t_ms, rs->needs);
		res = ctx_test(c, rs->rule->when);
		set_result(d, v->k, res);
		if (res == RESULT_ERROR && rs->rule->on_error != POLICY_TRUE)
			emit_error(c, v->k, JOB_EVENT, STR("when"));
		else if (fires(rs->rule, res) &&
		    emit(d, c, v->k, JOB_EVENT, NULL, em))
			return true;
	}
	return false;
}
