/* Signal rules: the evaluation of one key (its samples: sample.c).
 *
 * A key is evaluated at each of its events and at every instant at which its answer
 * can change without one.  Those instants are a function of the key's cells:
 *
 *	rule's clock	`for`, keep_firing_for, pane expiry, age
 *	tick		wake_at: refire, every, the end of a suppressor, a changed fact
 *
 * Invariants
 *   (1) After an evaluation at clock c and tick t, the key's deadlines are later than
 *       c and t; so running what is due always ends.
 *   (2) An evaluation of the same state at the same clocks changes nothing more.
 */
#include "decide/priv.h"

struct machine_config machine_config_of(const struct rule *r)
{
	return (struct machine_config){ .for_ms = r->for_ms, .keep_ms = r->keep_ms,
		.refire_ms = r->refire_ms, .cooldown_ms = r->cooldown_ms };
}

struct keyed *key_new(struct decide *d, struct rule_state *rs, struct str key)
{
	uint8_t owner[OWNER_BYTES];
	struct keyed *k;
	struct key_cell *c;

	owner_of_id(rs->id, owner);
	k = keyed_add(d, CELL_KEY, owner, key, sizeof(*c), 0, rs->rule->key_ttl_ms);
	c = key_touch(d, k);
	c->wake_at = INT64_MAX;
	c->since_ms = d->now_wall;
	if (rs->rule->kind == RULE_SIGNAL && rs->rule->every_ms)
		c->every_at = d->now_tick + rs->rule->every_ms;
	return k;
}

/* ---- deadlines of a key ---- */

static int64_t clock_due(const struct decide *d, const struct rule_state *rs,
    struct keyed *k)
{
	const struct key_cell *c = key_get(d, k);
	struct machine_config cfg = machine_config_of(rs->rule);
	int64_t clock = clock_of(d, rs), next = machine_clock_due(&c->m, &cfg);

	if (next <= clock)		/* asked already: no data, or kept */
		next = INT64_MAX;
	for (uint32_t i = 0; i < rs->rule->signals_n; i++) {
		uint32_t root = signal_root(d, k, i);
		int64_t t = root ? signal_next_change(&rs->rule->signals[i].spec,
						      d->cells, root, clock)
				 : INT64_MAX;

		next = MIN(next, MAX(t, clock + 1));
	}
	return next;
}

void key_arm(struct decide *d, struct rule_state *rs, struct keyed *k)
{
	int64_t clock = INT64_MAX, tick = INT64_MAX;

	if (rs->rule && !rule_off(d, rs)) {
		const struct key_cell *c = key_get(d, k);

		if (rs->rule->kind != RULE_SIGNAL)
			clock = join_due(d, k);
		else if (rule_get(d, rs)->anchored || rule_get(d, rs)->has_clock)
			clock = clock_due(d, rs, k);
		if (c->wake_at != INT64_MAX)
			tick = MAX(c->wake_at, clock_hold(d, rs));
	}
	if (!k->clock.pos || k->clock.at != clock) {
		const struct due *top = heap_top(&rs->clock);
		bool first = top == &k->clock || !top || clock < top->at;

		heap_set(&rs->clock, &k->clock, clock);
		if (first)
			clock_stale(d, rs);
	}
	heap_set(&d->tick, &k->tick, tick);
	if (rs->climbs)
		climb_key(d, k);
}

void key_arm_hold(struct decide *d, struct keyed *k, int64_t hold)
{
	if (k->tick.pos)	/* else it waits for no tick */
		heap_set(&d->tick, &k->tick, MAX(key_get(d, k)->wake_at, hold));
}

static int64_t next_every(int64_t at, int64_t every, int64_t now)
{
	return at > now ? at : at + ((now - at) / every + 1) * every;
}

int64_t signal_stale_from(const struct decide *d, struct keyed *k, uint32_t i)
{
	const struct selector *s = &k->rs->rule->selectors[i];
	const struct keyed *last = s->stale_ms ? keyed_last(d, k, i) : NULL;
	const struct last_cell *c = last ? cells_get(d->cells, last->cell) : NULL;

	return c ? clock_stale_from(d, k->rs->sel[i], c->tick, s->stale_ms) : INT64_MAX;
}

/* When tick alone asks for the next evaluation. */
static void set_wake(struct decide *d, struct rule_state *rs, struct keyed *k)
{
	const struct key_cell *c = key_get(d, k);
	struct machine_config cfg = machine_config_of(rs->rule);
	int64_t now = d->now_tick, wake = machine_tick_due(&c->m, &cfg), every = 0;

	if (wake <= now)
		wake = INT64_MAX;
	if (rs->rule->every_ms) {
		every =
		    next_every(c->every_at ? c->every_at : now, rs->rule->every_ms, now);
		wake = MIN(wake, every);
	}
	for (uint32_t i = 0; rs->has_stale && i < rs->rule->selectors_n; i++) {
		int64_t stale = signal_stale_from(d, k, i);

		if (stale > now)
			wake = MIN(wake, stale);
	}
	if (c->m.owed && c->release_at > now && !suppressor_on_wall(c->blocked))
		wake = MIN(wake, c->release_at);
	wake = MIN(wake, rearm_wake(d, k));
	if (c->wake_at != wake || c->every_at != every) {
		struct key_cell *w = key_touch(d, k);

		w->wake_at = wake;
		w->every_at = every;
	}
}

/* ---- evaluating ---- */

static enum machine_input by_policy(enum policy p)
{
	return p == POLICY_TRUE ? MACHINE_TRUE : p == POLICY_FALSE ? MACHINE_FALSE :
	    MACHINE_KEEP;
}

static enum machine_input input_of(struct ctx *c, bool latched, enum result *ret)
{
	const struct rule *r = c->rule;
	bool recover = latched && r->recover;
	enum result res = ctx_test(c, recover ? r->recover : r->when);

	*ret = res;
	if (res == RESULT_UNKNOWN)
		return by_policy(r->on_nodata);
	if (res == RESULT_ERROR)
		return by_policy(r->on_error);
	return (res == RESULT_TRUE) != recover ? MACHINE_TRUE : MACHINE_FALSE;
}

void signal_cleared(struct decide *d, struct rule_state *rs, struct keyed *k)
{
	struct cleared c = { .rule_id = rs->id, .episode = key_get(d, k)->m.episode };

	if (rs->rule->on_clear != CLEAR_ABORT)
		return;
	c.key = arena_str(d->arena, k->key);
	g_array_append_val(d->cleared, c);
}

static void store_machine(struct decide *d, struct keyed *k, const struct machine *m,
    enum result res)
{
	const struct key_cell *c = key_get(d, k);
	struct key_cell *w;

	if (memcmp(&c->m, m, sizeof(*m)) == 0 && c->result == res)
		return;
	w = key_touch(d, k);
	if (m->state != w->m.state)
		w->since_ms = d->now_wall;
	if (m->state == MACHINE_INACTIVE) {
		w->blocked = w->slot = 0;
		if (machine_latched(&w->m))
			signal_cleared(d, k->rs, k);
	}
	w->m = *m;
	w->result = (uint8_t)res;
}

/* What was stopped by a full pipeline is not asked again before a slot is free. */
static bool may_ask(const struct key_cell *c, struct ctx *ctx)
{
	if (!c->m.owed)
		return true;
	if (c->blocked == SUPP_CONCURRENCY && !c->slot)
		return false;
	return !ctx->rule->recover || ctx_test(ctx, ctx->rule->when) == RESULT_TRUE;
}

struct judging {
	struct ctx	*c;
	const struct rule_signal *s;
};

static const struct baseline *judged_by(void *arg, struct str sub)
{
	const struct judging *j = arg;

	return baseline_of(j->c->d, j->s, j->c->model, sub);
}

static void advance_windows(struct ctx *c)
{
	for (uint32_t i = 0; i < c->rule->signals_n; i++) {
		const struct sig_host *h = &c->sig[i];

		struct judging j = { c, &c->rule->signals[i] };

		if (h->root && h->spec->kind == SIGNAL_TEST)
			signal_judge(h->spec, c->d->cells, h->root, h->clock, judged_by,
			    &j);
		else if (h->root)
			signal_advance(h->spec, c->d->cells, h->root, h->clock);
	}
}

void signal_ctx(struct decide *d, struct ctx *c, struct rule_state *rs, struct keyed *k,
    int64_t clock)
{
	ctx_init(d, c, rs, k->key);
	if (rs->rule->selectors_n == 1)
		ctx_kept(c, keyed_last(d, k, 0));
	ctx_vars(c, k, clock, rs->needs);
	if (rs->pins && !c->model.len)
		ctx_find_model(c);
}

/* Which model's facts it read, so that a change of theirs finds it. */
static void keep_model(struct decide *d, struct keyed *k, const struct ctx *c)
{
	uint64_t h = hash64(HASH64, c->model.p, c->model.len);

	if (c->model.len && key_get(d, k)->model != h)
		key_touch(d, k)->model = h;
}

bool signal_evaluate(struct decide *d, struct rule_state *rs, struct keyed *k,
    int64_t clock, struct emission *em)
{
	struct machine_config cfg = machine_config_of(rs->rule);
	struct machine m;
	uint8_t before = key_get(d, k)->result;
	enum machine_input in;
	enum result res;
	struct ctx *c = &d->ctx;
	bool wants, latched, out = false;

	rearm_due(d, k);
	m = key_get(d, k)->m;
	latched = machine_latched(&m);
	signal_ctx(d, c, rs, k, clock);
	advance_windows(c);
	keep_model(d, k, c);
	in = input_of(c, latched, &res);
	wants = machine_step(&m, &cfg, in, clock, d->now_tick);
	store_machine(d, k, &m, res);
	if (latched && m.state == MACHINE_INACTIVE)
		rearm_recovered(d, k);
	if (res == RESULT_ERROR && before != RESULT_ERROR)
		emit_error(c, k, JOB_KEYS, STR("when"));
	if (wants && may_ask(key_get(d, k), c))
		out = emit(d, c, k, JOB_KEYS, NULL, em);
	set_wake(d, rs, k);
	key_arm(d, rs, k);
	return out;
}

/* After the answer to an emission: the deadlines that it moved. */
void signal_settled(struct decide *d, struct rule_state *rs, struct keyed *k)
{
	int64_t asked = key_get(d, k)->wake_at;	/* by the run that flow created */

	set_wake(d, rs, k);
	if (asked <= d->now_tick)
		key_touch(d, k)->wake_at = asked;
	key_arm(d, rs, k);
}

void signal_stale_moved(struct decide *d, struct rule_state *rs, struct keyed *k)
{
	int64_t asked = key_get(d, k)->wake_at;

	set_wake(d, rs, k);
	if (asked <= d->now_tick)	/* and waits for the hold */
		key_touch(d, k)->wake_at = asked;
	key_arm(d, rs, k);
}
