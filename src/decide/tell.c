/* What the world tells decide beside inputs: people's triggers and pauses, and what
 * became of runs and models.
 *
 * Nothing is decided here: rules that are concerned get a tick deadline due now, so
 * that each evaluation is an input of its own.
 */
#include "decide/priv.h"

static bool no_rule(struct str rule, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "no rule '%.*s'", STR_ARG(rule));
}

static bool check_key(const struct decide *d, struct rule_state *rs, struct str key,
    struct err *err)
{
	const struct rule *r = rs->rule;
	uint8_t owner[OWNER_BYTES];
	bool keyed = false;

	for (uint32_t i = 0; i < r->selectors_n; i++)
		keyed |= r->selectors[i].key || r->selectors[i].key_all;

	if (keyed && !key.len)
		return err_set(err, ERR_USAGE, "rule '%.*s' has a key: expected one",
		    STR_ARG(r->name));
	if (!keyed && key.len)
		return err_set(err, ERR_USAGE, "rule '%.*s' has no key",
			       STR_ARG(r->name));
	if (key.len > KEY_BYTES_MAX)
		return err_set(err, ERR_LIMIT, "the key is longer than %d bytes",
		    KEY_BYTES_MAX);
	owner_of_id(rs->id, owner);
	if (rs->keys->len >= r->max_keys && !keyed_find(d, CELL_KEY, owner, key))
		return err_set(err, ERR_LIMIT,
			       "rule '%.*s' has %u keys, which is its max_keys",
			       STR_ARG(r->name), r->max_keys);
	return true;
}

bool decide_trigger(struct decide *d, struct str rule, struct str key,
		    struct value params, bool force, struct str actor, struct err *err)
{
	struct rule_state *rs = rule_by_name(d, rule);
	struct trigger t = { .rs = rs, .key = key, .actor = actor, .params = params,
		.force = force };

	if (!rs)
		return no_rule(rule, err);
	if (!check_key(d, rs, key, err))
		return false;
	g_array_append_val(d->triggers, t);
	return true;
}

bool decide_pause(struct decide *d, struct str rule, bool paused, struct err *err)
{
	struct rule_state *rs = rule_by_name(d, rule);

	if (!rs)
		return no_rule(rule, err);
	if (rule_get(d, rs)->paused != paused) {
		((struct rule_cell *)cells_touch(d->cells, rs->cell))->paused = paused;
		use_mode(d, rs);
	}
	return true;
}

void key_wake(struct decide *d, struct rule_state *rs, struct keyed *k)
{
	if (key_get(d, k)->wake_at > d->now_tick)
		key_touch(d, k)->wake_at = d->now_tick;
	key_arm(d, rs, k);
}

static struct keyed *key_of(const struct decide *d, const struct rule_state *rs,
    struct str key)
{
	uint8_t owner[OWNER_BYTES];

	owner_of_id(rs->id, owner);
	return keyed_find(d, CELL_KEY, owner, key);
}

/* Calls f for each signal rule of the pipeline that has this key. */
static void each_of(struct decide *d, struct str pipeline, struct str key,
    void (*f)(struct decide *, struct rule_state *, struct keyed *, const void *),
    const void *arg)
{
	for (uint32_t i = 0; d->rules && i < d->rules->rules_n; i++) {
		struct rule_state *rs = d->by_rule[i];
		struct keyed *k;

		if (rs->rule->kind != RULE_SIGNAL || !rs->rule->pipeline ||
		    !str_is(rs->rule->pipeline->name, pipeline))
			continue;
		k = key_of(d, rs, key);
		if (k)
			f(d, rs, k, arg);
	}
}

static void cut(struct decide *d, struct rule_state *rs, struct keyed *k, const void *arg)
{
	const uint64_t *run = arg;

	for (uint32_t i = 0; i < rs->rule->signals_n; i++) {
		const struct signal_spec *spec = &rs->rule->signals[i].spec;
		uint32_t root = signal_root(d, k, i);

		/* Through another rule it may be cut already: then nothing is left. */
		if (root)
			signal_cut(spec, d->cells, root, *run);
	}
	if (rs->has_since || rs->rule->reads_facts)
		key_wake(d, rs, k);
}

void decide_run_created(struct decide *d, struct str pipeline, struct str key,
			uint64_t run)
{
	each_of(d, pipeline, key, cut, &run);
}

static void settle(struct decide *d, struct rule_state *rs, struct keyed *k,
    const void *arg)
{
	const struct run_end *e = arg;

	for (uint32_t i = 0; i < rs->rule->signals_n; i++) {
		const struct signal_spec *spec = &rs->rule->signals[i].spec;
		uint32_t root = signal_root(d, k, i);

		if (root && spec->window == WINDOW_SINCE)
			signal_settle(spec, d->cells, root, e->run, !e->completed);
	}
	if (rs->has_since || rs->rule->reads_facts)
		key_wake(d, rs, k);
}

static int64_t doubled(const struct rule *r, int64_t ms)
{
	return MIN(ms ? 2 * ms : r->backoff_initial_ms, r->backoff_max_ms);
}

/* A failed or rejected run: backoff, and one more emission owed by its episode. */
static void run_failed(struct decide *d, struct rule_state *rs, struct keyed *k,
    const struct run_end *e)
{
	struct key_cell *w = key_touch(d, k);

	if (rs->rule->backoff) {
		w->backoff_ms = doubled(rs->rule, w->backoff_ms);
		w->backoff_until = d->now_tick + w->backoff_ms;
	}
	if (rs->rule->kind != RULE_SIGNAL || !e->episode || w->m.episode != e->episode ||
	    !machine_latched(&w->m) || rearm_owns(d, k, e->run))
		return;
	w->m.owed = 1;
	w->blocked = 0;
	w->release_at = rs->rule->backoff ? w->backoff_until : 0;
	if (w->release_at && w->wake_at > w->release_at)
		w->wake_at = w->release_at;
	if (w->release_at)
		key_arm(d, rs, k);
	else
		key_wake(d, rs, k);
}

/* Of a rule that is in no set now: what waited for the run does not wait when the rule
 * is back.  The next firing is the probe; its detectors are armed at once. */
static void ended_without_rule(struct decide *d, struct rule_state *rs,
    const struct run_end *e)
{
	struct keyed *k = key_of(d, rs, e->key);
	const struct key_cell *c = k ? key_get(d, k) : NULL;
	bool probe = c && c->probe && c->probe == e->run;
	bool drift = c && c->disarm == DISARM_RUN && c->run == (uint32_t)e->run;
	struct key_cell *w;

	if (!probe && !drift)
		return;
	w = key_touch(d, k);
	if (probe)
		w->probe = 0;
	if (drift) {
		w->disarm = DISARM_BACKOFF;
		w->rearm_at = MAX(d->now_tick, 1);	/* 0: no time */
	}
}

void decide_run_ended(struct decide *d, const struct run_end *e, int64_t tick_ms)
{
	struct rule_state *rs = e->rule_id ? rule_by_id(d, e->rule_id) : NULL;
	struct keyed *k = rs && rs->rule ? key_of(d, rs, e->key) : NULL;

	d->now_tick = MAX(d->now_tick, tick_ms);
	each_of(d, e->pipeline, e->key, settle, e);
	wait_run_ended(d, e->pipeline, e->key);
	if (rs && !rs->rule)
		ended_without_rule(d, rs, e);
	if (!k)
		return;
	breaker_ended(d, rs, k, e);
	if (e->failed || e->rejected) {
		run_failed(d, rs, k, e);
	} else if (e->completed && key_get(d, k)->backoff_ms) {
		struct key_cell *w = key_touch(d, k);

		w->backoff_ms = w->backoff_until = 0;
	}
	if (rearm_owns(d, k, e->run)) {
		rearm_run_ended(d, k, e);
		key_wake(d, rs, k);
	}
}

void decide_model_changed(struct decide *d, struct str model)
{
	uint64_t h = hash64(HASH64, model.p, model.len);

	for (uint32_t i = 0; d->rules && i < d->rules->rules_n; i++) {
		struct rule_state *rs = d->by_rule[i];

		if (rs->rule->kind != RULE_SIGNAL ||
		    !(rs->needs & (1u << RVAR_CHAMPION | 1u << RVAR_CANDIDATE)))
			continue;
		for (guint n = 0; n < rs->keys->len; n++) {
			struct keyed *k = g_ptr_array_index(rs->keys, n);

			if (key_get(d, k)->model == h)
				key_wake(d, rs, k);
		}
	}
}

static void repin(struct decide *d, struct rule_state *rs, struct keyed *k)
{
	if (key_get(d, k)->model != d->deployed)
		return;
	rearm_repin(d, k);
	key_wake(d, rs, k);
}

void decide_model_deployed(struct decide *d, struct str model)
{
	d->deployed = hash64(HASH64, model.p, model.len);
	baseline_forget(d, model);
	for (uint32_t i = 0; d->rules && i < d->rules->rules_n; i++)
		if (d->by_rule[i]->pins)
			use_each_key(d, d->by_rule[i], repin);
}

void decide_slot_free(struct decide *d, struct str pipeline)
{
	for (uint32_t i = 0; d->rules && i < d->rules->rules_n; i++) {
		struct rule_state *rs = d->by_rule[i];

		if (!rs->rule->pipeline ||
		    !str_is(rs->rule->pipeline->name, pipeline))
			continue;
		for (guint n = 0; n < rs->keys->len; n++) {
			struct keyed *k = g_ptr_array_index(rs->keys, n);
			const struct key_cell *c = key_get(d, k);

			if (!c->m.owed || c->blocked != SUPP_CONCURRENCY || c->slot)
				continue;
			key_touch(d, k)->slot = 1;
			key_wake(d, rs, k);
		}
	}
}
