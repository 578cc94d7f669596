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

struct rule_state *use_state(struct decide *d, uint32_t cell)
{
	const struct rule_cell *c = cells_get(d->cells, cell);
	struct rule_state *rs = g_new0(struct rule_state, 1);
	const char *text = (const char *)(c + 1);

	rs->id = c->id;
	rs->cell = cell;
	rs->uid = str_dup(text, c->uid_len);
	rs->name = str_dup(text + c->uid_len, c->name_len);
	rs->moved = c->clock;
	rs->keys = g_ptr_array_new();
	rs->clock_tick.id = 2ull << 56 | rs->id;
	rs->flush.id = 4ull << 56 | rs->id;
	rs->opens.id = 16ull << 56 | rs->id;
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
		rs = use_state(d, cell);
	} else {
		write_name(d, rs, r);
		g_free((char *)rs->name.p);
		rs->name = str_dup(r->name.p, r->name.len);
	}
	g_ptr_array_add(d->told, rs);
	return rs;
}

/* ---- what rules share ---- */

/* Owners and definitions are hashes already: any four bytes of one will do. */
static guint owner_hash(gconstpointer p)
{
	guint h;

	memcpy(&h, p, sizeof(h));
	return h;
}

static gboolean owner_equal(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, OWNER_BYTES) == 0;
}

struct sel_state *use_find_selector(const struct decide *d, const uint8_t *hash)
{
	return g_hash_table_lookup(d->sel_by_hash, hash);
}

struct sig_share *use_find_signal(const struct decide *d, const uint8_t *owner)
{
	return g_hash_table_lookup(d->sig_by_owner, owner);
}

struct sel_state *use_selector(struct decide *d, const uint8_t *hash)
{
	struct sel_state *s = use_find_selector(d, hash);

	if (s)
		return s;
	s = g_new0(struct sel_state, 1);
	memcpy(s->hash, hash, OWNER_BYTES);
	s->rules = g_ptr_array_new();
	g_ptr_array_add(d->sels, s);
	g_hash_table_insert(d->sel_by_hash, s->hash, s);
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
	s = use_find_signal(d, owner);
	if (s) {
		if (!s->rules->len)	/* the one it had is of the set before */
			s->spec = spec;
		return s;
	}
	s = g_new0(struct sig_share, 1);
	memcpy(s->owner, owner, OWNER_BYTES);
	s->spec = spec;
	s->rules = g_ptr_array_new();
	g_ptr_array_add(d->sigs, s);
	g_hash_table_insert(d->sig_by_owner, s->owner, s);
	return s;
}

static void link_rule(struct decide *d, struct rule_state *rs)
{
	const struct rule *r = rs->rule;

	rs->sel = g_renew(struct sel_state *, rs->sel, MAX(r->selectors_n, 1));
	rs->sig = g_renew(struct sig_share *, rs->sig, MAX(r->signals_n, 1));
	rs->has_since = rs->has_stale = false;
	for (uint32_t i = 0; i < r->selectors_n; i++) {
		rs->sel[i] = use_selector(d, r->selectors[i].hash);
		rs->sel[i]->lateness_ms = r->selectors[i].lateness_ms;
		rs->has_stale |= r->selectors[i].stale_ms != 0;
		g_ptr_array_add(rs->sel[i]->rules, rs);
	}
	for (uint32_t i = 0; i < r->signals_n; i++) {
		rs->sig[i] = sig_of(d, r, i);
		rs->has_since |= r->signals[i].spec.window == WINDOW_SINCE;
		g_ptr_array_add(rs->sig[i]->rules, rs);
	}
	rearm_use(rs);
}

static struct sig_share *share_at(const struct decide *d, guint i)
{
	return g_ptr_array_index(d->sigs, i);
}

static struct sel_state *selector_at(const struct decide *d, guint i)
{
	return g_ptr_array_index(d->sels, i);
}

static void sig_free(struct sig_share *s)
{
	g_ptr_array_free(s->rules, TRUE);
	g_free(s);
}

static void sel_free(struct sel_state *s)
{
	g_ptr_array_free(s->rules, TRUE);
	g_free(s->reads);
	g_free(s);
}

static void unlink_all(struct decide *d)
{
	for (guint i = 0; i < d->sigs->len; i++)
		g_ptr_array_set_size(share_at(d, i)->rules, 0);
	g_ptr_array_set_size(d->stale_sels, 0);	/* take_rule() says it of each rule */
	for (guint i = 0; i < d->sels->len; i++) {
		g_ptr_array_set_size(selector_at(d, i)->rules, 0);
		selector_at(d, i)->stale = false;
	}
}

/* True: nothing of it is needed any more, and its cell is gone. */
static bool sel_orphan(struct decide *d, struct sel_state *s)
{
	const struct selector_cell *c = s->cell ? cells_get(d->cells, s->cell) : NULL;

	if (s->rules->len || (c && c->tick + ORPHAN_MS > d->now_tick))
		return false;
	if (c)
		cells_drop(d->cells, s->cell);
	return true;
}

/* After linking, what no rule shares goes.  Most stay from set to set, and a reload is
 * as long as its slowest step: so nothing is freed to be made again. */
static void sweep_unlinked(struct decide *d)
{
	guint kept = 0;

	for (guint i = 0; i < d->sigs->len; i++) {
		struct sig_share *s = share_at(d, i);

		if (s->rules->len) {
			d->sigs->pdata[kept++] = s;
			continue;
		}
		g_hash_table_remove(d->sig_by_owner, s->owner);
		sig_free(s);
	}
	g_ptr_array_set_size(d->sigs, (gint)kept);
	kept = 0;
	for (guint i = 0; i < d->sels->len; i++) {
		struct sel_state *s = selector_at(d, i);

		if (!sel_orphan(d, s)) {
			d->sels->pdata[kept++] = s;
			continue;
		}
		g_hash_table_remove(d->sel_by_hash, s->hash);
		sel_free(s);
	}
	g_ptr_array_set_size(d->sels, (gint)kept);
}

/* ---- changing over ---- */

static void expire(struct decide *d, struct rule_state *rs, struct keyed *k)
{
	const struct key_cell *c = key_get(d, k);
	struct decision_row row = {
		.rule_id = rs->id,
		.rule = rs->name,
		.key = k->key,
		.outcome = OUTCOME_SUPPRESSED,
		.by = SUPP_EXPIRED,
		.reason =
		    STR("the rule was switched off or removed while a firing was owed"),
		.count = 1
	};
	uint32_t waiting = wait_count(d, k), half = join_count(d, k);
	struct key_cell *w;

	if (waiting || half) {
		row.count = waiting + half;
		row.reason = arena_printf(d->arena, "the rule was switched off or removed"
		    " while %u event%s waited", row.count, row.count == 1 ? "" : "s");
	} else if (!c->m.owed) {
		return;
	}
	if (d->out)
		decision_write(d, &row);
	wait_drop(d, k);
	join_drop(d, k);
	w = key_touch(d, k);
	w->m.owed = w->blocked = 0;
	if (rs->rule)
		rearm_unanswered(d, k);
}

static int cmp_keyed(const void *a, const void *b)
{
	const struct keyed *x = *(struct keyed *const *)a, *y = *(struct keyed *const *)b;

	return (x->cell > y->cell) - (x->cell < y->cell);
}

/* By cell, so that rows come in the same order whatever happened before. */
void use_each_key(struct decide *d, struct rule_state *rs,
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

/* What holds its events may have been edited away. */
static void wake_waiting(struct decide *d, struct rule_state *rs, struct keyed *k)
{
	if (!key_get(d, k)->wait)
		return;
	if (!rule_waits(rs->rule))
		expire(d, rs, k);
	else
		key_touch(d, k)->wake_at = d->now_tick;
}

/* What a change of mode does; also called when a rule is paused or resumed. */
void use_mode(struct decide *d, struct rule_state *rs)
{
	const struct rule_cell *c = rule_get(d, rs);
	bool off = rule_off(d, rs), observe = rule_observes(rs);
	struct rule_cell *w;

	if (off && !c->off)
		use_each_key(d, rs, expire);
	if (c->observe && rs->rule && !observe) {
		use_each_key(d, rs, forget_observed);
		dedupe_forget_observed(d, rs);
	}
	/* What was due while it was off is asked now. */
	if (!off && c->off && rs->rule->kind == RULE_SIGNAL && d->out)
		use_each_key(d, rs, wake_now);
	if (!off && c->off && rs->rule->kind == RULE_SCHEDULE)
		schedule_enable(d, rs);
	if (off != c->off || (rs->rule && observe != c->observe)) {
		w = cells_touch(d->cells, rs->cell);
		w->off = off;
		if (rs->rule)
			w->observe = observe;
	}
	use_each_key(d, rs, key_arm);
	opens_arm(d, rs);
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
	if (old && r->kind == RULE_SIGNAL && memcmp(old->hash, r->hash, 16) != 0 &&
	    d->out)
		use_each_key(d, rs, wake_now);
	if (d->out && r->kind == RULE_EVENT)
		use_each_key(d, rs, join_check);
	if (old && memcmp(old->hash, r->hash, 16) != 0 && d->out)
		use_each_key(d, rs, wake_waiting);
	use_mode(d, rs);
	clock_stale(d, rs);
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

	climb_leave(d);
	d->rules = ruleset_ref(set);
	d->links++;
	d->by_rule = g_renew(struct rule_state *, d->by_rule, MAX(set->rules_n, 1));
	resize_scratch(d, set->plan.n);
	for (guint i = 0; i < d->all->len; i++) {
		struct rule_state *rs = g_ptr_array_index(d->all, i);

		rs->was = rs->rule;
		if (rs->rule)
			rs->moved = clock_of(d, rs);
		rs->rule = NULL;
	}
	unlink_all(d);
	for (uint32_t i = 0; i < set->rules_n; i++) {
		struct rule_state *rs = state_of(d, &set->rules[i]);

		rs->rule = &set->rules[i];
		d->by_rule[i] = rs;
		reads_find(rs);
		link_rule(d, rs);
	}
	sweep_unlinked(d);
	for (guint i = 0; i < d->sels->len; i++)
		reads_merge(selector_at(d, i));
	for (guint i = 0; i < d->all->len; i++) {
		struct rule_state *rs = g_ptr_array_index(d->all, i);

		clock_keep(d, rs);
		if (!rs->rule) {
			use_mode(d, rs);
			schedule_arm(d, rs);
			heap_set(&d->tick, &rs->clock_tick, INT64_MAX);
		}
	}
	for (uint32_t i = 0; i < set->rules_n; i++)
		take_rule(d, &set->rules[i], d->by_rule[i]->was);
	climb_use(d);
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
		if (r->selectors[i].key || r->selectors[i].key_all)
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
	opens_now(d, SUPP_BUDGET);	/* another limit is no edit of its rules */
	d->unstarted = false;
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
		g_free(rs->sched);
		g_ptr_array_free(rs->keys, TRUE);
		heap_fini(&rs->clock);
		g_free(rs);
	}
	for (guint i = 0; i < d->sels->len; i++)
		sel_free(selector_at(d, i));
	for (guint i = 0; i < d->sigs->len; i++)
		sig_free(share_at(d, i));
	g_ptr_array_free(d->all, TRUE);
	g_hash_table_destroy(d->sel_by_hash);
	g_hash_table_destroy(d->sig_by_owner);
	g_ptr_array_free(d->sels, TRUE);
	g_ptr_array_free(d->sigs, TRUE);
	g_ptr_array_free(d->told, TRUE);
	g_ptr_array_free(d->stale, TRUE);
	g_ptr_array_free(d->stale_sels, TRUE);
	g_hash_table_destroy(d->by_id);
	g_hash_table_destroy(d->by_uid);
}

void use_init(struct decide *d)
{
	d->all = g_ptr_array_new();
	d->sels = g_ptr_array_new();
	d->sel_by_hash = g_hash_table_new(owner_hash, owner_equal);
	d->sig_by_owner = g_hash_table_new(owner_hash, owner_equal);
	d->sigs = g_ptr_array_new();
	d->told = g_ptr_array_new();
	d->stale = g_ptr_array_new();
	d->stale_sels = g_ptr_array_new();
	d->by_id = g_hash_table_new(g_direct_hash, g_direct_equal);
	d->by_uid = g_hash_table_new(g_str_hash, g_str_equal);
}
