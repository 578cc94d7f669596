/* State per key: cells that are found by (kind, owner, key).
 *
 *	kind		owner			holds
 *	CELL_KEY	rule id			firing state of one rule and key
 *	CELL_SIGNAL	signal definition	one window, shared by rules
 *	CELL_LAST	selector definition	the last event of that key
 *	CELL_DEDUPE	rule id			a dedupe value that was used
 *
 * Invariants
 *   (1) The index holds one entry per cell of these kinds and is never iterated where
 *       order could be seen.
 *   (2) A rule's key goes only when it is inactive, owes nothing, and no cooldown,
 *       backoff or breaker of it is running; what it shares goes with the last rule that
 *       has the key, or with its own ttl when no rule of the set uses the definition.
 *   (3) The next sweep is state: a restart sweeps at the same tick.
 */
#include "decide/priv.h"

#define SWEEP_MIN_MS 1000
#define INDEX_MIN 64
#define INDEX_DOUBLE 65536	/* a longer one grows by a quarter */
#define MIX 0x9e3779b97f4a7c15ull

/* Word by word: it is computed several times per event.  Of this process only. */
static uint32_t hash_of(enum cell_kind kind, const uint8_t *owner, struct str key)
{
	uint64_t h = HASH64 + kind, w[1];
	uint32_t i = 0;

	memcpy(w, owner, OWNER_BYTES);
	h = (h ^ w[0]) * MIX;
	for (; i + 8 <= key.len; i += 8) {
		memcpy(w, key.p + i, 8);
		h = (h ^ h >> 32 ^ w[0]) * MIX;
	}
	w[0] = key.len;
	if (i < key.len)
		memcpy(w, key.p + i, key.len - i);
	h = (h ^ h >> 32 ^ w[0]) * MIX;
	return (uint32_t)(h ^ h >> 32);
}

void owner_of_id(uint32_t id, uint8_t ret[OWNER_BYTES])
{
	memset(ret, 0, OWNER_BYTES);
	memcpy(ret, &id, sizeof(id));
}

static uint32_t id_of_owner(const uint8_t *owner)
{
	uint32_t id;

	memcpy(&id, owner, sizeof(id));
	return id;
}

/* ---- the index ---- */

void keys_init(struct decide *d)
{
	slab_init(&d->keys, sizeof(struct keyed));
	slab_init(&d->others, offsetof(struct keyed, key));
	d->index_cap = INDEX_MIN;
	d->index = g_new0(struct keyed *, d->index_cap);
}

void keys_fini(struct decide *d)
{
	slab_fini(&d->keys);
	slab_fini(&d->others);
	g_free(d->index);
}

/* Where the search for a hash begins: the index need be no power of two. */
static uint32_t home(const struct decide *d, uint32_t hash)
{
	return (uint32_t)((uint64_t)hash * d->index_cap >> 32);
}

static uint32_t after(const struct decide *d, uint32_t i)
{
	return i + 1 == d->index_cap ? 0 : i + 1;
}

static uint32_t distance(const struct decide *d, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + d->index_cap - from;
}

static const struct keyed_cell *head_of(const struct decide *d, const struct keyed *k)
{
	return cells_get(d->cells, k->cell);
}

struct str keyed_key(const struct decide *d, const struct keyed *k)
{
	const struct keyed_cell *h = head_of(d, k);

	return (struct str){ (const char *)h + h->key_off, h->key_len };
}

static bool is(const struct decide *d, const struct keyed *k, enum cell_kind kind,
    const uint8_t *owner, struct str key)
{
	return keyed_kind(k) == kind && str_is(keyed_key(d, k), key) &&
	    memcmp(head_of(d, k)->owner, owner, OWNER_BYTES) == 0;
}

struct keyed *keyed_find(const struct decide *d, enum cell_kind kind,
    const uint8_t *owner, struct str key)
{
	uint32_t hash = hash_of(kind, owner, key);
	struct keyed *k;

	for (uint32_t i = home(d, hash); (k = d->index[i]); i = after(d, i))
		if (k->hash == hash && is(d, k, kind, owner, key))
			return k;
	return NULL;
}

static void index_put(struct decide *d, struct keyed *k)
{
	uint32_t i = home(d, k->hash);

	while (d->index[i])
		i = after(d, i);
	d->index[i] = k;
}

static void index_add(struct decide *d, struct keyed *k)
{
	if ((uint64_t)(d->index_n + 1) * 4 > (uint64_t)d->index_cap * 3) {
		struct keyed **old = d->index;
		uint32_t n = d->index_cap;

		d->index_cap += n < INDEX_DOUBLE ? n : n / 4;
		d->index = g_new0(struct keyed *, d->index_cap);
		for (uint32_t i = 0; i < n; i++)
			if (old[i])
				index_put(d, old[i]);
		g_free(old);
	}
	index_put(d, k);
	d->index_n++;
}

/* What follows it without a gap moves up, so that no mark of deletion is needed. */
static void index_remove(struct decide *d, const struct keyed *k)
{
	uint32_t i = home(d, k->hash), j;

	while (d->index[i] != k)
		i = after(d, i);
	for (j = after(d, i); d->index[j]; j = after(d, j)) {
		if (distance(d, home(d, d->index[j]->hash), j) < distance(d, i, j))
			continue;	/* it may not go before its home */
		d->index[i] = d->index[j];
		i = j;
	}
	d->index[i] = NULL;
	d->index_n--;
}

/* Links of another time are forgotten. */
static void links_check(const struct decide *d, struct keyed *k)
{
	if (k->links == d->links)
		return;
	k->links = d->links;
	k->last = NULL;
	memset(k->sig, 0, sizeof(k->sig));
}

struct keyed *keyed_signal(const struct decide *d, struct keyed *k, uint32_t i)
{
	const uint8_t *owner = k->rs->sig[i]->owner;

	links_check(d, k);
	if (i >= KEYED_LINKS)
		return keyed_find(d, CELL_SIGNAL, owner, k->key);
	if (!k->sig[i])
		k->sig[i] = keyed_find(d, CELL_SIGNAL, owner, k->key);
	return k->sig[i];
}

struct keyed *keyed_last(const struct decide *d, struct keyed *k, uint32_t selector)
{
	const uint8_t *owner = k->rs->sel[selector]->hash;

	links_check(d, k);
	if (selector)
		return keyed_find(d, CELL_LAST, owner, k->key);
	if (!k->last)
		k->last = keyed_find(d, CELL_LAST, owner, k->key);
	return k->last;
}

static void enter(struct decide *d, struct keyed *k)
{
	enum cell_kind kind = keyed_kind(k);
	struct rule_state *rs = kind == CELL_KEY || kind == CELL_DEDUPE ?
	    rule_by_id(d, id_of_owner(head_of(d, k)->owner)) : NULL;

	k->hash = hash_of(keyed_kind(k), head_of(d, k)->owner, keyed_key(d, k));
	index_add(d, k);
	if (keyed_kind(k) == CELL_KEY) {
		k->key = keyed_key(d, k);
		k->tick.id = 1ull << 56 | k->cell;
		k->clock.id = k->cell;
	}
	if (rs)
		k->rs = rs;
	if (rs && keyed_kind(k) == CELL_KEY) {
		k->pos = rs->keys->len;
		g_ptr_array_add(rs->keys, k);
		rs->count.keys = rs->keys->len;
	} else if (rs) {
		rs->dedupes++;
	}
}

static struct keyed *keyed_new(struct decide *d, unsigned kind, uint32_t cell)
{
	struct slab *p = kind == CELL_KEY ? &d->keys : &d->others;
	struct keyed *k = slab_take(p, p->size);

	memset(k, 0, p->size);
	k->what = (kind - CELL_META) & 0xf;
	k->cell = cell & (CELLS_IDS - 1);
	return k;
}

/* The rule that a key belongs to; NULL: it is shared, or the rule is gone. */
static struct rule_state *rule_of(const struct keyed *k)
{
	return keyed_kind(k) == CELL_KEY || keyed_kind(k) == CELL_DEDUPE ? k->rs : NULL;
}

struct keyed *keyed_add(struct decide *d, enum cell_kind kind, const uint8_t *owner,
    struct str key, uint32_t bytes, uint32_t reserve, int64_t ttl_ms)
{
	uint32_t cell = cells_add(d->cells, (uint8_t)kind, bytes + key.len + reserve);
	struct keyed *k = keyed_new(d, kind, cell);
	struct keyed_cell *h;

	CHECK(key.len <= KEY_BYTES_MAX);
	h = cells_touch(d->cells, k->cell);
	memcpy(h->owner, owner, OWNER_BYTES);
	head_use(h, d->now_tick);
	head_set_ttl(h, ttl_ms);
	h->key_off = bytes & 0xfff;
	h->key_len = key.len & 0x3ff;
	if (key.len)
		memcpy((char *)h + bytes, key.p, key.len);
	enter(d, k);
	keys_sweep_by(d, d->now_tick + ttl_ms);
	return k;
}

bool keyed_load(struct decide *d, uint32_t cell)
{
	const struct keyed_cell *h = cells_get(d->cells, cell);
	struct keyed *k;

	if (cells_bytes(d->cells, cell) < sizeof(*h) ||
	    cells_bytes(d->cells, cell) < (uint32_t)h->key_off + h->key_len)
		return false;
	k = keyed_new(d, cells_kind(d->cells, cell), cell);
	enter(d, k);
	return true;
}

void keyed_resize(struct decide *d, struct keyed *k, uint32_t bytes)
{
	cells_resize(d->cells, k->cell, bytes);
	if (keyed_kind(k) == CELL_KEY)
		k->key = keyed_key(d, k);
}

/* A key in use is not written at every event: its ttl is longer by that much. */
static int64_t slack(const struct keyed_cell *h)
{
	return head_ttl(h) / 16;
}

static int64_t expires(const struct keyed_cell *h)
{
	return head_used(h) + head_ttl(h) + slack(h);
}

void keyed_use(struct decide *d, struct keyed *k)
{
	const struct keyed_cell *h = cells_get(d->cells, k->cell);
	struct keyed_cell *w;

	if (d->now_tick - head_used(h) <= slack(h))
		return;
	w = cells_touch(d->cells, k->cell);
	head_use(w, d->now_tick);
}

int64_t keyed_use_at(const struct decide *d, const struct keyed *k)
{
	const struct keyed_cell *h = cells_get(d->cells, k->cell);

	return head_used(h) + slack(h) + 1;
}

static void leave_rule(struct decide *d, struct keyed *k)
{
	struct rule_state *rs = k->rs;
	struct keyed *last;

	if (keyed_kind(k) == CELL_DEDUPE) {
		rs->dedupes--;
		return;
	}
	heap_set(&d->tick, &k->tick, INT64_MAX);
	heap_set(&rs->clock, &k->clock, INT64_MAX);
	if (rs->climbs)
		climb_drop(d, k);
	last = g_ptr_array_index(rs->keys, rs->keys->len - 1);
	last->pos = k->pos;
	g_ptr_array_index(rs->keys, k->pos) = last;
	g_ptr_array_set_size(rs->keys, (gint)rs->keys->len - 1);
	rs->count.keys = rs->keys->len;
}

void keyed_drop(struct decide *d, struct keyed *k)
{
	if (keyed_kind(k) == CELL_KEY) {
		wait_drop(d, k);
		join_drop(d, k);
	}
	if (rule_of(k))
		leave_rule(d, k);
	d->links++;
	index_remove(d, k);
	if (keyed_kind(k) == CELL_SIGNAL)
		signal_free(d->cells, k->cell);
	else
		cells_drop(d->cells, k->cell);
	slab_give(keyed_kind(k) == CELL_KEY ? &d->keys : &d->others, k);
}

void keys_sweep_by(struct decide *d, int64_t tick)
{
	const struct meta_cell *m = cells_get(d->cells, d->meta);
	struct meta_cell *w;

	if (m->sweep_at && m->sweep_at <= tick)
		return;
	w = cells_touch(d->cells, d->meta);
	w->sweep_at = tick;
	heap_set(&d->tick, &d->sweep, tick);
}

static bool key_is_idle(const struct decide *d, const struct keyed *k)
{
	const struct key_cell *c = key_get(d, k);
	struct machine_config cfg = machine_config_of(k->rs->rule);

	return c->m.state == MACHINE_INACTIVE && !c->wait && !c->join &&
	    machine_cooldown_left(&c->m, &cfg, d->now_tick) == 0 &&
	    d->now_tick >= c->backoff_until && !breaker_live(d, k);
}

static bool any_has_key(const struct decide *d, const GPtrArray *rules, struct str key)
{
	uint8_t owner[OWNER_BYTES];

	for (guint i = 0; i < rules->len; i++) {
		const struct rule_state *rs = g_ptr_array_index(rules, i);

		owner_of_id(rs->id, owner);
		if (keyed_find(d, CELL_KEY, owner, key))
			return true;
	}
	return false;
}

/* Whether a shared cell is still in use by a rule that has its key. */
static bool shared_in_use(const struct decide *d, const struct keyed *k)
{
	const struct sig_share *g;
	const struct sel_state *s;

	if (keyed_kind(k) == CELL_SIGNAL)
		return (g = use_find_signal(d, head_of(d, k)->owner)) &&
		    any_has_key(d, g->rules, keyed_key(d, k));
	return (s = use_find_selector(d, head_of(d, k)->owner)) &&
	    any_has_key(d, s->rules, keyed_key(d, k));
}

static bool may_go(const struct decide *d, const struct keyed *k)
{
	if (keyed_kind(k) == CELL_KEY)	/* a removed rule keeps its state that long */
		return !k->rs || !k->rs->rule || key_is_idle(d, k);
	if (keyed_kind(k) == CELL_DEDUPE)
		return true;
	return !shared_in_use(d, k);
}

static bool is_keyed(uint8_t kind)
{
	return kind == CELL_KEY || kind == CELL_SIGNAL || kind == CELL_LAST ||
	    kind == CELL_DEDUPE;
}

struct keyed *keyed_of_cell(const struct decide *d, uint32_t cell)
{
	const struct keyed_cell *h;

	if (!is_keyed(cells_kind(d->cells, cell)))
		return NULL;
	h = cells_get(d->cells, cell);
	return keyed_find(d, cells_kind(d->cells, cell), h->owner,
	    (struct str){ (const char *)h + h->key_off, h->key_len });
}

/* Rules' keys first, so that what they share is seen as unused in the same sweep. */
static int64_t sweep_kind(struct decide *d, bool keys)
{
	int64_t next = INT64_MAX;

	for (uint32_t id = cells_next(d->cells, 0); id; id = cells_next(d->cells, id)) {
		uint8_t kind = cells_kind(d->cells, id);
		const struct keyed_cell *h;
		struct keyed *k;

		if (!is_keyed(kind) || (kind == CELL_KEY) != keys)
			continue;
		h = cells_get(d->cells, id);
		if (expires(h) > d->now_tick) {
			next = MIN(next, expires(h));
			continue;
		}
		k = keyed_of_cell(d, id);
		if (k && may_go(d, k))
			keyed_drop(d, k);
		else
			next = MIN(next, d->now_tick + head_ttl(h));
	}
	return next;
}

void keys_sweep(struct decide *d)
{
	struct meta_cell *m = cells_touch(d->cells, d->meta);
	int64_t a = sweep_kind(d, true), b = sweep_kind(d, false);
	int64_t next = MIN(a, b);

	if (next != INT64_MAX)
		next = MAX(next, d->now_tick + SWEEP_MIN_MS);
	m->sweep_at = next == INT64_MAX ? 0 : next;
	heap_set(&d->tick, &d->sweep, next);
}
