/* Rules as decide knows them: stable ids, what they read, what they share.
 *
 * Using another rule set keeps all state: firing state by the rule's uid, windows by
 * the signal's definition, clocks and last events by the selector's.  What changes is
 * which of it is looked at.
 *
 * Invariants
 *   (1) A uid has one rule_cell for ever, and with it one id; ids are never reused.
 *   (2) A rule that is off (disabled, paused or removed) has nothing in any heap but
 *       its counting row and its schedule.
 *   (3) A since: window belongs to (definition, pipeline), because its cuts do.
 */
#include "base/time.h"
#include "decide/priv.h"

#define ORPHAN_MS (30 * 86400000ll)	/* a selector's clock without a rule */

struct rule_state *rule_by_id(const struct decide *d, uint32_t id)
{
	return g_hash_table_lookup(d->by_id, GUINT_TO_POINTER(id));
}

struct rule_state *rule_by_name(const struct decide *d, struct str name)
{
	const struct rule *r = d->rules ? ruleset_rule(d->rules, name) : NULL;

	return r ? d->by_rule[r->index] : NULL;
}

bool rule_off(const struct decide *d, const struct rule_state *rs)
{
	return !rs->rule || rs->rule->mode == MODE_DISABLED || rule_get(d, rs)->paused;
}

bool rule_observes(const struct rule_state *rs)
{
	return rs->rule && rs->rule->mode == MODE_OBSERVE;
}

static struct str str_dup(const char *p, uint32_t n)
{
	return (struct str){ g_strndup(p, n), n };
}

static struct rule_state *state_new(struct decide *d, uint32_t cell)
{
	const struct rule_cell *c = cells_get(d->cells, cell);
	struct rule_state *rs = g_new0(struct rule_state, 1);
	const char *text = (const char *)(c + 1);

	rs->id = c->id;
	rs->cell = cell;
	rs->uid = str_dup(text, c->uid_len);
	rs->name = str_dup(text + c->uid_len, c->name_len);
	rs->keys = g_ptr_array_new();
	rs->clock_tick.id = 2ull << 56 | rs->id;
	rs->flush.id = 4ull << 56 | rs->id;
	rs->sched.id = 5ull << 56 | rs->id;
	g_ptr_array_add(d->all, rs);
	g_hash_table_insert(d->by_id, GUINT_TO_POINTER(rs->id), rs);
	g_hash_table_insert(d->by_uid, (gpointer)rs->uid.p, rs);
	return rs;
}

static void write_name(struct decide *d, struct rule_state *rs, const struct rule *r)
{
	struct rule_cell *c;
	uint32_t bytes = (uint32_t)sizeof(*c) + r->uid.len + r->name.len;

	cells_resize(d->cells, rs->cell, bytes);
	c = cells_touch(d->cells, rs->cell);
	c->uid_len = (uint16_t)r->uid.len;
	c->name_len = (uint16_t)r->name.len;
	memcpy(c + 1, r->uid.p, r->uid.len);
	memcpy((char *)(c + 1) + r->uid.len, r->name.p, r->name.len);
}

static struct rule_state *state_of(struct decide *d, const struct rule *r)
{
	char *uid = g_strndup(r->uid.p, r->uid.len);
	struct rule_state *rs = g_hash_table_lookup(d->by_uid, uid);
	struct meta_cell *m;
	struct rule_cell *c;
	uint32_t cell;

	g_free(uid);
	if (rs && str_is(rs->name, r->name))
		return rs;
	if (!rs) {
		uint32_t bytes = (uint32_t)sizeof(*c) + r->uid.len + r->name.len;

		m = cells_touch(d->cells, d->meta);
		cell = cells_add(d->cells, CELL_RULE, bytes);
		c = cells_touch(d->cells, cell);
		c->id = ++m->rule_id;
		c->uid_len = (uint16_t)r->uid.len;
		c->name_len = (uint16_t)r->name.len;
		memcpy(c + 1, r->uid.p, r->uid.len);
		memcpy((char *)(c + 1) + r->uid.len, r->name.p, r->name.len);
		rs = state_new(d, cell);
	} else {
		write_name(d, rs, r);
		g_free((char *)rs->name.p);
		rs->name = str_dup(r->name.p, r->name.len);
	}
	g_ptr_array_add(d->told, rs);
	return rs;
}

/* ---- what a rule's expressions read ---- */

struct reading {
	uint32_t	 needs;
	GArray		*fields;	/* NULL: not collected */
};

static void read_prog(void *ctx, const struct prog *p)
{
	struct reading *r = ctx;
	const struct expr_ref *v;
	uint32_t n = p ? expr_inputs(p, &v) : 0;

	for (uint32_t i = 0; i < n; i++) {
		if (v[i].space == EXPR_FIELD && r->fields)
			g_array_append_val(r->fields, v[i].input);
		else if (v[i].space == EXPR_VAR && v[i].input < RVAR_SIGNALS)
			r->needs |= 1u << v[i].input;
	}
}

static bool pipeline_reads_params(const struct rule *r)
{
	const struct expr_ref *v;
	struct value c;

	return !r->model && r->pipeline && r->pipeline->model &&
	    !expr_constant(r->pipeline->model, &c) &&
	    expr_inputs(r->pipeline->model, &v) > 0;
}

static int cmp_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint32_t unique(GArray *v)
{
	uint32_t n = 0;

	g_array_sort(v, cmp_u32);
	for (guint i = 0; i < v->len; i++)
		if (!n || g_array_index(v, uint32_t, n - 1) != g_array_index(v, uint32_t, i))
			g_array_index(v, uint32_t, n++) = g_array_index(v, uint32_t, i);
	g_array_set_size(v, n);
	return n;
}

static void find_reads(struct rule_state *rs)
{
	const struct rule *r = rs->rule;
	struct reading all = { .fields = g_array_new(FALSE, FALSE, sizeof(uint32_t)) };
	struct reading where = { 0 }, params = { 0 };

	read_prog(&all, r->when);
	read_prog(&all, r->recover);
	read_prog(&all, r->dedupe_key);
	read_prog(&all, r->model);
	if (r->params.kind)
		tmpl_each_prog(&r->params, read_prog, &all);
	for (uint32_t i = 0; i < r->reads_n; i++)
		g_array_append_val(all.fields, r->reads[i]);
	for (uint32_t i = 0; i < r->selectors_n; i++) {
		read_prog(&where, r->selectors[i].where);
		read_prog(&where, r->selectors[i].time);
	}
	rs->model_params = pipeline_reads_params(r);
	if (rs->model_params && r->params.kind)
		tmpl_each_prog(&r->params, read_prog, &params);
	if (where.needs & (1u << RVAR_CHAMPION | 1u << RVAR_CANDIDATE))
		where.needs |= params.needs;
	rs->needs = all.needs | where.needs;
	rs->where_needs = where.needs;
	g_free(rs->reads);
	rs->reads_n = unique(all.fields);
	rs->reads = (uint32_t *)(void *)g_array_free(all.fields, FALSE);
}

/* ---- what rules share ---- */

static struct sel_state *sel_of(struct decide *d, const uint8_t *hash)
{
	struct sel_state *s;

	for (guint i = 0; i < d->sels->len; i++) {
		s = g_ptr_array_index(d->sels, i);
		if (memcmp(s->hash, hash, OWNER_BYTES) == 0)
			return s;
	}
	s = g_new0(struct sel_state, 1);
	memcpy(s->hash, hash, OWNER_BYTES);
	s->rules = g_ptr_array_new();
	g_ptr_array_add(d->sels, s);
	return s;
}

static struct sig_share *sig_of(struct decide *d, const struct rule *r, uint32_t i)
{
	const struct signal_spec *spec = &r->signals[i].spec;
	uint8_t owner[OWNER_BYTES];
	struct sig_share *s;

	memcpy(owner, spec->hash, OWNER_BYTES);
	if (spec->window == WINDOW_SINCE && r->pipeline) {
		uint64_t h = hash64(HASH64, r->pipeline->name.p, r->pipeline->name.len);

		for (int b = 0; b < 8; b++)
			owner[b] ^= (uint8_t)(h >> 8 * b);
	}
	for (guint j = 0; j < d->sigs->len; j++) {
		s = g_ptr_array_index(d->sigs, j);
		if (memcmp(s->owner, owner, OWNER_BYTES) == 0)
			return s;
	}
	s = g_new0(struct sig_share, 1);
	memcpy(s->owner, owner, OWNER_BYTES);
	s->spec = spec;
	s->rules = g_ptr_array_new();
	g_ptr_array_add(d->sigs, s);
	return s;
}

static void link_rule(struct decide *d, struct rule_state *rs)
{
	const struct rule *r = rs->rule;

	rs->sel = g_renew(struct sel_state *, rs->sel, MAX(r->selectors_n, 1));
	rs->sig = g_renew(struct sig_share *, rs->sig, MAX(r->signals_n, 1));
	rs->has_since = false;
	for (uint32_t i = 0; i < r->selectors_n; i++) {
		rs->sel[i] = sel_of(d, r->selectors[i].hash);
		rs->sel[i]->lateness_ms = r->selectors[i].lateness_ms;
		g_ptr_array_add(rs->sel[i]->rules, rs);
	}
	for (uint32_t i = 0; i < r->signals_n; i++) {
		rs->sig[i] = sig_of(d, r, i);
		rs->has_since |= r->signals[i].spec.window == WINDOW_SINCE;
		g_ptr_array_add(rs->sig[i]->rules, rs);
	}
}

static void merge_reads(struct sel_state *s)
{
	GArray *v = g_array_new(FALSE, FALSE, sizeof(uint32_t));

	for (guint i = 0; i < s->rules->len; i++) {
		const struct rule_state *rs = g_ptr_array_index(s->rules, i);

		g_array_append_vals(v, rs->reads, rs->reads_n);
	}
	g_free(s->reads);
	s->reads_n = unique(v);
	s->reads = (uint32_t *)(void *)g_array_free(v, FALSE);
}

static void sig_free(gpointer p)
{
	struct sig_share *s = p;

	g_ptr_array_free(s->rules, TRUE);
	g_free(s);
}

static void unlink_all(struct decide *d)
{
	g_ptr_array_set_size(d->sigs, 0);
	for (guint i = d->sels->len; i-- > 0;) {
		struct sel_state *s = g_ptr_array_index(d->sels, i);
		const struct selector_cell *c;

		g_ptr_array_set_size(s->rules, 0);
		c = s->cell ? cells_get(d->cells, s->cell) : NULL;
		if (c && c->tick + ORPHAN_MS > d->now_tick)
			continue;
		if (c)
			cells_drop(d->cells, s->cell);
		g_ptr_array_remove_index(d->sels, i);
	}
}

/* ---- changing over ---- */

static void expire(struct decide *d, struct rule_state *rs, struct keyed *k)
{
	const struct key_cell *c = key_get(d, k);
	struct decision_row row = { .rule_id = rs->id, .rule = rs->name, .key = k->key,
		.outcome = OUTCOME_SUPPRESSED, .by = SUPP_EXPIRED,
		.reason = STR("the rule was switched off or removed while a firing was owed"),
		.count = 1 };
	struct key_cell *w;

	if (!c->m.owed)
		return;
	if (d->out)
		decision_write(d, &row);
	w = key_touch(d, k);
	w->m.owed = w->blocked = 0;
}

static int cmp_keyed(const void *a, const void *b)
{
	const struct keyed *x = *(struct keyed *const *)a, *y = *(struct keyed *const *)b;

	return (x->cell > y->cell) - (x->cell < y->cell);
}

/* By cell, so that rows come in the same order whatever happened before. */
static void each_key(struct decide *d, struct rule_state *rs,
    void (*f)(struct decide *, struct rule_state *, struct keyed *))
{
	g_ptr_array_sort(rs->keys, cmp_keyed);
	for (guint i = 0; i < rs->keys->len; i++)
		((struct keyed *)g_ptr_array_index(rs->keys, i))->pos = i;
	for (guint i = 0; i < rs->keys->len; i++)
		f(d, rs, g_ptr_array_index(rs->keys, i));
}

static void forget_observed(struct decide *d, struct rule_state *rs, struct keyed *k)
{
	(void)rs;
	if (key_get(d, k)->observed) {
		struct key_cell *w = key_touch(d, k);

		w->observed = w->m.emitted = 0;
	}
}

static void wake_now(struct decide *d, struct rule_state *rs, struct keyed *k)
{
	(void)rs;
	key_touch(d, k)->wake_at = d->now_tick;
}

/* What a change of mode does; also called when a rule is paused or resumed. */
void use_mode(struct decide *d, struct rule_state *rs)
{
	const struct rule_cell *c = rule_get(d, rs);
	bool off = rule_off(d, rs), observe = rule_observes(rs);
	struct rule_cell *w;

	if (off && !c->off)
		each_key(d, rs, expire);
	if (c->observe && rs->rule && !observe) {
		each_key(d, rs, forget_observed);
		dedupe_forget_observed(d, rs);
	}
	if (!off && c->off && rs->rule->kind == RULE_SCHEDULE)
		schedule_enable(d, rs);
	if (off != c->off || (rs->rule && observe != c->observe)) {
		w = cells_touch(d->cells, rs->cell);
		w->off = off;
		if (rs->rule)
			w->observe = observe;
	}
	each_key(d, rs, key_arm);
}

static void take_rule(struct decide *d, const struct rule *r, const struct rule *old)
{
	struct rule_state *rs = d->by_rule[r->index];
	struct rule_cell *c;

	if (rule_get(d, rs)->ttl_ms != r->key_ttl_ms) {
		c = cells_touch(d->cells, rs->cell);
		c->ttl_ms = r->key_ttl_ms;
	}
	schedule_use(d, rs, old);
	if (old && r->kind == RULE_SIGNAL && memcmp(old->hash, r->hash, 16) != 0 && d->out)
		each_key(d, rs, wake_now);
	use_mode(d, rs);
	rs->clock_stale = d->clocks_stale = true;
}

static const struct rule *old_rule(struct ruleset *old, struct str uid)
{
	for (uint32_t i = 0; old && i < old->rules_n; i++)
		if (str_is(old->rules[i].uid, uid))
			return &old->rules[i];
	return NULL;
}

static void resize_scratch(struct decide *d, uint32_t n)
{
	d->scratch = g_renew(struct value, d->scratch, MAX(n, 1));
	d->scratch_set = g_renew(uint32_t, d->scratch_set, MAX(n, 1));
	memset(d->scratch, 0, sizeof(*d->scratch) * MAX(n, 1));
	d->scratch_n = 0;
}

void use_ruleset(struct decide *d, struct ruleset *set)
{
	struct ruleset *old = d->rules;

	d->rules = ruleset_ref(set);
	d->by_rule = g_renew(struct rule_state *, d->by_rule, MAX(set->rules_n, 1));
	resize_scratch(d, set->plan.n);
	for (guint i = 0; i < d->all->len; i++)
		((struct rule_state *)g_ptr_array_index(d->all, i))->rule = NULL;
	unlink_all(d);
	for (uint32_t i = 0; i < set->rules_n; i++) {
		struct rule_state *rs = state_of(d, &set->rules[i]);

		rs->rule = &set->rules[i];
		d->by_rule[i] = rs;
		find_reads(rs);
		link_rule(d, rs);
	}
	for (guint i = 0; i < d->sels->len; i++)
		merge_reads(g_ptr_array_index(d->sels, i));
	for (guint i = 0; i < d->all->len; i++) {
		struct rule_state *rs = g_ptr_array_index(d->all, i);

		if (!rs->rule) {
			use_mode(d, rs);
			schedule_arm(d, rs);
			heap_set(&d->tick, &rs->clock_tick, INT64_MAX);
		}
	}
	for (uint32_t i = 0; i < set->rules_n; i++)
		take_rule(d, &set->rules[i], old_rule(old, set->rules[i].uid));
	d->unstarted = true;
	if (old)
		ruleset_unref(old);
}

/* A rule without a key that answers to the clock or to facts is there from the start. */
static void start_rule(struct decide *d, struct rule_state *rs)
{
	const struct rule *r = rs->rule;
	const struct rule_cell *c = rule_get(d, rs);
	uint8_t owner[OWNER_BYTES];
	struct rule_cell *w;

	if (r->kind != RULE_SIGNAL || !(r->every_ms || r->reads_facts))
		return;
	for (uint32_t i = 0; i < r->selectors_n; i++)
		if (r->selectors[i].key)
			return;
	if (!c->has_clock) {
		w = cells_touch(d->cells, rs->cell);
		w->has_clock = 1;
		w->base_wall = d->now_wall;
		w->base_tick = d->now_tick;
	}
	owner_of_id(rs->id, owner);
	if (!keyed_find(d, CELL_KEY, owner, STR(""))) {
		struct keyed *k = key_new(d, rs, STR(""));

		key_touch(d, k)->wake_at = d->now_tick;
		key_arm(d, rs, k);
	}
}

void use_begin(struct decide *d)
{
	for (guint i = 0; i < d->told->len; i++) {
		const struct rule_state *rs = g_ptr_array_index(d->told, i);
		struct decided *o = d->out;

		o->rules = arena_grow(d->arena, o->rules, o->rules_n, &o->rules_cap,
		    sizeof(*o->rules));
		o->rules[o->rules_n++] = (struct rule_row){ .id = rs->id,
			.uid = arena_str(d->arena, rs->uid),
			.name = arena_str(d->arena, rs->name) };
	}
	g_ptr_array_set_size(d->told, 0);
	for (uint32_t i = 0; d->rules && i < d->rules->rules_n; i++)
		start_rule(d, d->by_rule[i]);
	d->unstarted = false;
}

/* ---- loading ---- */

static void sel_load(struct decide *d, uint32_t cell)
{
	const struct selector_cell *c = cells_get(d->cells, cell);

	sel_of(d, c->hash)->cell = cell;
}

static void load_fixed(struct decide *d, uint32_t id)
{
	switch ((enum cell_kind)cells_kind(d->cells, id)) {
	case CELL_META:
		d->meta = id;
		break;
	case CELL_RULE:
		state_new(d, id);
		break;
	case CELL_SELECTOR:
		sel_load(d, id);
		break;
	case CELL_SOURCE:
		g_array_append_val(d->sources, id);
		break;
	default:
		break;
	}
}

static bool load_keyed(struct decide *d, uint32_t id, struct err *err)
{
	uint8_t kind = cells_kind(d->cells, id);
	const struct schedule_cell *s;
	struct rule_state *rs;

	if (kind == CELL_SCHEDULE) {
		s = cells_get(d->cells, id);
		rs = rule_by_id(d, s->rule_id);
		if (rs)
			rs->schedule = id;
		return true;
	}
	if (kind != CELL_KEY && kind != CELL_SIGNAL && kind != CELL_LAST &&
	    kind != CELL_DEDUPE)
		return true;
	if (!keyed_load(d, id))
		return err_set(err, ERR_CORRUPT, "cell %u of kind %u is too short", id, kind);
	return true;
}

bool use_load(struct decide *d, struct err *err)
{
	const struct meta_cell *m;

	for (uint32_t id = cells_next(d->cells, 0); id; id = cells_next(d->cells, id))
		load_fixed(d, id);
	if (!d->meta)
		d->meta = cells_add(d->cells, CELL_META, sizeof(struct meta_cell));
	for (uint32_t id = cells_next(d->cells, 0); id; id = cells_next(d->cells, id))
		if (!load_keyed(d, id, err))
			return false;
	for (guint i = 0; i < d->all->len; i++) {
		struct rule_state *rs = g_ptr_array_index(d->all, i);
		const struct rule_cell *c = rule_get(d, rs);

		if (c->counting)
			heap_set(&d->tick, &rs->flush, c->minute_at);
	}
	m = cells_get(d->cells, d->meta);
	if (m->sweep_at)
		heap_set(&d->tick, &d->sweep, m->sweep_at);
	if (!facts_load(d->facts))
		return err_set(err, ERR_CORRUPT, "a fact's record is malformed");
	return true;
}

void use_fini(struct decide *d)
{
	for (guint i = 0; i < d->all->len; i++) {
		struct rule_state *rs = g_ptr_array_index(d->all, i);

		g_free((char *)rs->uid.p);
		g_free((char *)rs->name.p);
		g_free(rs->reads);
		g_free(rs->sel);
		g_free(rs->sig);
		g_ptr_array_free(rs->keys, TRUE);
		heap_fini(&rs->clock);
		g_free(rs);
	}
	g_ptr_array_free(d->all, TRUE);
	g_ptr_array_free(d->sels, TRUE);
	g_ptr_array_free(d->sigs, TRUE);
	g_ptr_array_free(d->told, TRUE);
	g_hash_table_destroy(d->by_id);
	g_hash_table_destroy(d->by_uid);
}

static void sel_free(gpointer p)
{
	struct sel_state *s = p;

	g_ptr_array_free(s->rules, TRUE);
	g_free(s->reads);
	g_free(s);
}

void use_init(struct decide *d)
{
	d->all = g_ptr_array_new();
	d->sels = g_ptr_array_new_with_free_func(sel_free);
	d->sigs = g_ptr_array_new_with_free_func(sig_free);
	d->told = g_ptr_array_new();
	d->by_id = g_hash_table_new(g_direct_hash, g_direct_equal);
	d->by_uid = g_hash_table_new(g_str_hash, g_str_equal);
}
