/* Many limits on one measure: an event wakes only the rules whose answer it can change.
 *
 *	event --> taken once --> deadlines before its clock --> one sample --> the measure
 *	moved from a to b --> rules with a limit between, and those that are not quiet
 *
 * A climb is what is known of one ladder and key: the measure at the last event, and
 * which members are busy.  A member is quiet when an evaluation with the same answer
 * would change nothing before its next deadline, which the heap of its rule has.
 *
 * Invariants
 *   (1) A climb exists only while every rule of its ladder is on and has the key; else
 *       each rule takes the event by itself.  It begins with an evaluation of all.
 *   (2) What is decided is what each rule would have decided by itself; the rules that
 *       are not evaluated would have written nothing, but for their clock: that of a
 *       rule with one selector follows from the selector's watermark.
 *   (3) Nothing here is state: it is made again from the cells when it is needed.
 */
#include "decide/priv.h"
#include "rules/ladder.h"

struct climb {			/* one key of a ladder */
	char		*text;
	struct str	 key;		/* of text */
	struct keyed	**k;		/* by member */
	uint32_t	*busy, busy_n;	/* members */
	uint32_t	*place;		/* by member: in busy, from 1; 0: quiet */
	double		 value;		/* the measure after the last event */
	bool		 known;		/* it has a value */
	int64_t		 use_at;	/* tick before which keyed_use() does nothing */
};
struct climbs {			/* one ladder */
	const struct ladder *ladder;
	struct rule_state **rs;		/* by member */
	GHashTable	*all;		/* struct climb by key */
	struct heap	 clock;		/* rule_state.next */
	uint64_t	 fate[FATE_MAX];	/* of each member, beside its own count */
};

static guint key_hash(gconstpointer p)
{
	const struct str *s = p;

	return (guint)hash64(HASH64, s->p, s->len);
}

static gboolean key_equal(gconstpointer a, gconstpointer b)
{
	return str_is(*(const struct str *)a, *(const struct str *)b);
}

static void climb_free(gpointer p)
{
	struct climb *c = p;

	g_free(c->text);
	g_free(c->k);
	g_free(c->busy);
	g_free(c->place);
	g_free(c);
}

/* ---- the rule set ---- */

static void next_set(struct climbs *cs, struct rule_state *rs)
{
	const struct due *top = heap_top(&rs->clock);

	heap_set(&cs->clock, &rs->next, top ? top->at : INT64_MAX);
}

static struct climbs *climbs_new(struct decide *d, const struct ladder *l)
{
	struct climbs *cs = g_new0(struct climbs, 1);

	cs->ladder = l;
	cs->all = g_hash_table_new_full(key_hash, key_equal, NULL, climb_free);
	cs->rs = g_new(struct rule_state *, l->n);
	for (uint32_t i = 0; i < l->n; i++) {
		struct rule_state *rs = cs->rs[i] = d->by_rule[l->rules[i]];

		rs->climbs = cs;
		rs->member = i;
		rs->next = (struct due){ .id = i };
		next_set(cs, rs);
	}
	return cs;
}

void climb_use(struct decide *d)
{
	for (uint32_t i = 0; i < d->rules->rules_n; i++) {
		const struct ladder *l = d->rules->rules[i].ladder;

		if (l && l->rules[0] == i)
			g_ptr_array_add(d->climbing, climbs_new(d, l));
	}
}

void climb_leave(struct decide *d)
{
	for (guint n = 0; n < d->climbing->len; n++) {
		struct climbs *cs = g_ptr_array_index(d->climbing, n);

		for (uint32_t i = 0; i < cs->ladder->n; i++) {
			for (enum rule_fate f = 0; f < FATE_MAX; f++)
				cs->rs[i]->count.fate[f] += cs->fate[f];
			cs->rs[i]->climbs = NULL;
		}
		g_hash_table_destroy(cs->all);
		heap_fini(&cs->clock);
		g_free(cs->rs);
		g_free(cs);
	}
	g_ptr_array_set_size(d->climbing, 0);
	d->climb.of = NULL;
}

uint64_t climb_fate(const struct rule_state *rs, enum rule_fate f)
{
	return rs->climbs ? rs->climbs->fate[f] : 0;
}

/* ---- one key ---- */

static bool quiet(const struct decide *d, const struct keyed *k)
{
	const struct machine *m = &key_get(d, k)->m;

	return !k->tick.pos && !m->owed && (m->state != MACHINE_FIRING || m->asked);
}

static void busy_set(struct climb *c, uint32_t member, bool busy)
{
	uint32_t place = c->place[member];

	if (busy == (place != 0))
		return;
	if (busy) {
		c->busy[c->busy_n] = member;
		c->place[member] = ++c->busy_n;
		return;
	}
	c->busy[place - 1] = c->busy[--c->busy_n];	/* the last fills the gap */
	c->place[c->busy[place - 1]] = place;
	c->place[member] = 0;
}

void climb_key(struct decide *d, struct keyed *k)
{
	struct climbs *cs = k->rs->climbs;
	struct climb *c;

	next_set(cs, k->rs);
	c = g_hash_table_lookup(cs->all, &k->key);
	if (!c)
		return;
	if (rule_off(d, k->rs))
		climb_drop(d, k);
	else
		busy_set(c, k->rs->member, !quiet(d, k));
}

void climb_drop(struct decide *d, struct keyed *k)
{
	struct climbs *cs = k->rs->climbs;

	CHECK(d->climb.of != cs);	/* nothing goes in the middle of an event */
	next_set(cs, k->rs);
	g_hash_table_remove(cs->all, &k->key);
}

static void use_keys(struct decide *d, struct climb *c, uint32_t n)
{
	if (d->now_tick < c->use_at)
		return;
	c->use_at = INT64_MAX;
	for (uint32_t i = 0; i < n; i++) {
		keyed_use(d, c->k[i]);
		c->use_at = MIN(c->use_at, keyed_use_at(d, c->k[i]));
	}
}

/* NULL: some rule of the ladder is off or has not this key. */
static struct climb *climb_new(struct decide *d, struct climbs *cs, struct str key)
{
	uint32_t n = cs->ladder->n;
	struct climb *c = g_new0(struct climb, 1);
	uint8_t owner[OWNER_BYTES];

	c->k = g_new0(struct keyed *, n);
	c->busy = g_new(uint32_t, n);
	c->place = g_new0(uint32_t, n);
	c->text = g_strndup(key.p, key.len);
	c->key = (struct str){ c->text, key.len };
	c->use_at = INT64_MIN;
	for (uint32_t i = 0; i < n; i++) {
		owner_of_id(cs->rs[i]->id, owner);
		c->k[i] = keyed_find(d, CELL_KEY, owner, key);
		if (!c->k[i] || rule_off(d, cs->rs[i])) {
			climb_free(c);
			return NULL;
		}
		busy_set(c, i, true);
	}
	g_hash_table_insert(cs->all, &c->key, c);
	return c;
}

/* ---- one event ---- */

bool climb_early(struct decide *d, struct rule_state *first)
{
	const struct due *top = heap_top(&first->climbs->clock);
	struct rule_state *rs = top ? first->climbs->rs[top->id] : NULL;
	const struct dispatch_hit h = { rs ? rs->rule->index : 0, 0 };

	return rs && event_early(d, rs, &h, 1);
}

bool climb_begin(struct decide *d, struct rule_state *first)
{
	struct climbs *cs = first->climbs;
	struct climbing *now = &d->climb;
	struct sel_state *s = first->sel[0];
	struct delivery v = { 0 };
	enum match m = deliver(d, first, 0, &v);

	if (m == MATCH_NO)
		return false;
	*now = (struct climbing){ .of = cs };
	if (m == MATCH_YES) {
		now->key = g_hash_table_lookup(cs->all, &v.key);
		if (!now->key)
			now->key = climb_new(d, cs, v.key);
	}
	/* Else the first has refused it already. */
	now->i = m != MATCH_YES && m != MATCH_SEVERAL;
	if (m == MATCH_REFUSED && event_refused(d, first, &v))
		return true;
	if (now->key) {
		use_keys(d, now->key, cs->ladder->n);
		clock_event(d, s, d->in->event, v.t_ms);
		clock_stale_sel(d, s);
		v.mark = s->mark_before;
		now->clock = sel_mark(d, s);
		now->v = v;
	}
	return climb_next(d);
}

struct collecting {
	struct decide	*d;
	uint32_t	 cap;
};

static void wake(void *ctx, uint32_t member)
{
	struct collecting *a = ctx;
	struct climbing *now = &a->d->climb;

	now->awake = arena_grow(a->d->arena, now->awake, now->awake_n, &a->cap,
	    sizeof(*now->awake));
	now->awake[now->awake_n++] = member;
}

static int by_member(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	return (a > b) - (a < b);
}

static void sort_awake(struct climbing *now)
{
	uint32_t n = 0;

	if (now->awake_n)
		qsort(now->awake, now->awake_n, sizeof(*now->awake), by_member);
	for (uint32_t i = 0; i < now->awake_n; i++)
		if (!n || now->awake[n - 1] != now->awake[i])
			now->awake[n++] = now->awake[i];
	now->awake_n = n;
}

/* The sample goes in; whom it wakes. */
static void add_sample(struct decide *d)
{
	struct climbing *now = &d->climb;
	struct climbs *cs = now->of;
	struct climb *c = now->key;
	struct rule_state *first = cs->rs[0];
	struct collecting a = { d, 0 };
	struct value v;
	double value = 0;
	bool known, all;

	cs->fate[signal_sample(d, &now->v, now->clock)]++;
	v = signal_read(&first->rule->signals[0].spec, d->cells,
	    signal_root(d, now->v.k, 0), cs->ladder->what, now->clock,
	    d->arena);
	known = value_number(v, &value);
	all = known != c->known || c->busy_n == cs->ladder->n;
	for (uint32_t i = 0; all && i < cs->ladder->n; i++)
		wake(&a, i);
	for (uint32_t i = 0; !all && i < c->busy_n; i++)
		wake(&a, c->busy[i]);
	if (!all && known)
		ladder_crossed(cs->ladder, c->value, value, wake, &a);
	c->known = known;
	c->value = value;
	sort_awake(now);
	now->added = true;
}

static bool clock_job(struct decide *d, struct rule_state *rs, int64_t clock)
{
	d->job = (struct job){ .rs = rs, .kind = JOB_CLOCK, .phase = PHASE_BEFORE,
		.has_clock = true, .clock = clock };
	return true;
}

static bool key_job(struct decide *d, struct keyed *k, int64_t clock)
{
	d->job = (struct job){ .rs = k->rs, .kind = JOB_KEYS, .phase = PHASE_BEFORE,
		.has_clock = true, .n = 1,
		/* idle tick may have moved this rule's further */
		.clock = MAX(clock, clock_at(d, k->rs, d->now_tick)) };
	d->job.v = ARENA_NEW(d->arena, struct delivery);
	d->job.v[0] = (struct delivery){ .k = k, .key = k->key };
	return true;
}

static bool one_by_one(struct decide *d, struct climbing *now)
{
	const struct due *top = heap_top(&now->of->clock);

	if (!now->added && top) {	/* the earliest is not due: none is */
		struct rule_state *rs = now->of->rs[top->id];
		const struct dispatch_hit h = { rs->rule->index, 0 };

		if (event_early(d, rs, &h, 1))
			return true;
	}
	now->added = true;
	while (now->i < now->of->ladder->n) {
		struct rule_state *rs = now->of->rs[now->i++];
		const struct dispatch_hit h = { rs->rule->index, 0 };

		if (event_job(d, rs, &h, 1))
			return true;
	}
	now->of = NULL;
	return false;
}

bool climb_next(struct decide *d)
{
	struct climbing *now = &d->climb;
	const struct due *top;

	if (!now->key)
		return one_by_one(d, now);
	top = heap_top(&now->of->clock);
	if (!now->added && top && top->at < now->clock)
		return clock_job(d, now->of->rs[top->id], now->clock - 1);
	if (!now->added)
		add_sample(d);
	if (now->i < now->awake_n)
		return key_job(d, now->key->k[now->awake[now->i++]], now->clock);
	top = heap_top(&now->of->clock);
	if (top && top->at <= now->clock)
		return clock_job(d, now->of->rs[top->id], now->clock);
	now->of = NULL;
	return false;
}
