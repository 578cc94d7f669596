/* Dedupe values: which a rule has used, as cells.
 *
 * They survive restarts and edits.  A rule keeps at most DEDUPE_MAX; the oldest go
 * first.  A value that is over is dropped by the sweep, and counts as new before that.
 */
#include "decide/priv.h"

#define DEDUPE_MAX 100000

static int cmp_age(const void *pa, const void *pb)
{
	const int64_t *a = pa, *b = pb;

	if (a[0] != b[0])
		return a[0] > b[0] ? 1 : -1;
	return (a[1] > b[1]) - (a[1] < b[1]);
}

/* Calls f for each of the rule's dedupe cells, by cell. */
static void each_dedupe(struct decide *d, const struct rule_state *rs,
    void (*f)(GArray *, const struct dedupe_cell *, uint32_t cell), GArray *out)
{
	uint8_t owner[OWNER_BYTES];

	owner_of_id(rs->id, owner);
	for (uint32_t id = cells_next(d->cells, 0); id; id = cells_next(d->cells, id)) {
		const struct dedupe_cell *c;

		if (cells_kind(d->cells, id) != CELL_DEDUPE)
			continue;
		c = cells_get(d->cells, id);
		if (memcmp(c->head.owner, owner, OWNER_BYTES) == 0)
			f(out, c, id);
	}
}

static void collect(GArray *out, const struct dedupe_cell *c, uint32_t cell)
{
	int64_t v[2] = { head_used(&c->head), cell };

	g_array_append_vals(out, v, 2);
}

static void collect_observed(GArray *out, const struct dedupe_cell *c, uint32_t cell)
{
	if (c->observed)
		collect(out, c, cell);
}

static void drop_cells(struct decide *d, const GArray *v, guint n)
{
	for (guint i = 0; i < n; i++) {
		uint32_t id = (uint32_t)g_array_index(v, int64_t, 2 * i + 1);
		const struct keyed_cell *h = cells_get(d->cells, id);
		struct str key = { (const char *)h + h->key_off, h->key_len };

		keyed_drop(d, keyed_find(d, CELL_DEDUPE, h->owner, key));
	}
}

/* A tenth at once, so that a rule at its bound does not search at every event. */
static void dedupe_make_room(struct decide *d, struct rule_state *rs)
{
	GArray *v = g_array_new(FALSE, FALSE, sizeof(int64_t));

	each_dedupe(d, rs, collect, v);
	qsort(v->data, v->len / 2, 2 * sizeof(int64_t), cmp_age);
	drop_cells(d, v, v->len / 20 + 1);
	g_array_free(v, TRUE);
}

void dedupe_forget_observed(struct decide *d, struct rule_state *rs)
{
	GArray *v = g_array_new(FALSE, FALSE, sizeof(int64_t));

	each_dedupe(d, rs, collect_observed, v);
	drop_cells(d, v, v->len / 2);
	g_array_free(v, TRUE);
}

void dedupe_store(struct decide *d, struct rule_state *rs, struct str value,
    uint64_t decision, bool observed)
{
	uint8_t owner[OWNER_BYTES];
	struct dedupe_cell *c;
	struct keyed *k;

	owner_of_id(rs->id, owner);
	k = keyed_find(d, CELL_DEDUPE, owner, value);
	if (!k && rs->dedupes >= DEDUPE_MAX)
		dedupe_make_room(d, rs);
	if (!k)
		k = keyed_add(d, CELL_DEDUPE, owner, value, sizeof(*c), 0,
			      rs->rule->dedupe_ms);
	c = cells_touch(d->cells, k->cell);
	head_use(&c->head, d->now_tick);
	head_set_ttl(&c->head, rs->rule->dedupe_ms);
	c->decision = decision;
	c->observed = observed;
}
