/* Several events that make one match: sequence and at_least.
 *
 *	sequence [a, b]	a waits, a newer one replaces it; b completes it when
 *			0 <= t_b - t_a <= within
 *	at_least n of	the newest event of each selector waits; n of them within
 *			`within` of the latest are a match
 *
 * A match consumes its events.  What waits when the rule's clock has passed its time +
 * within is recorded as expired, the oldest event first.
 *
 * Invariant: the deadline of a key is a function of its waiting events (join_due()).
 */
#include "base/json.h"
#include "decide/priv.h"

static uint64_t def_of(const struct rule *r)
{
	uint64_t h = hash64(HASH64, &r->join, sizeof(r->join));

	h = hash64(h, &r->join_n, sizeof(r->join_n));
	h = hash64(h, &r->within_ms, sizeof(r->within_ms));
	for (uint32_t i = 0; i < r->join_of_n; i++) {
		h = hash64(h, &r->join_of[i], sizeof(r->join_of[i]));
		h = hash64(h, r->selectors[r->join_of[i]].hash, 16);
	}
	return h;
}

static const struct join_cell *get(const struct decide *d, const struct keyed *k)
{
	uint32_t cell = key_get(d, k)->join;

	return cell ? cells_get(d->cells, cell) : NULL;
}

static const struct item_cell *waiting(const struct decide *d, const struct join_cell *c,
    uint32_t sel)
{
	return c && c->slot[sel] ? cells_get(d->cells, c->slot[sel]) : NULL;
}

static void take(struct decide *d, struct keyed *k, uint32_t sel)
{
	struct join_cell *w = cells_touch(d->cells, key_get(d, k)->join);

	cells_drop(d->cells, w->slot[sel]);
	w->slot[sel] = 0;
	for (uint32_t i = 0; i < w->n; i++)
		if (w->slot[i])
			return;
	cells_drop(d->cells, key_get(d, k)->join);
	key_touch(d, k)->join = 0;
}

static void put(struct decide *d, struct keyed *k, uint32_t sel, const struct item *it)
{
	const struct rule *r = k->rs->rule;
	struct join_cell *w;
	uint32_t cell;

	if (!key_get(d, k)->join) {
		cell = cells_add(d->cells, CELL_JOIN, (uint32_t)(sizeof(*w) +
		    r->selectors_n * sizeof(w->slot[0])));
		key_touch(d, k)->join = cell;
		w = cells_touch(d->cells, cell);
		w->def = def_of(r);
		w->n = r->selectors_n;
	}
	cell = item_store(d, it);
	w = cells_touch(d->cells, key_get(d, k)->join);
	if (w->slot[sel])
		cells_drop(d->cells, w->slot[sel]);
	w->slot[sel] = cell;
}

uint32_t join_count(const struct decide *d, const struct keyed *k)
{
	const struct join_cell *c = get(d, k);
	uint32_t n = 0;

	for (uint32_t i = 0; c && i < c->n; i++)
		n += c->slot[i] != 0;
	return n;
}

void join_drop(struct decide *d, struct keyed *k)
{
	const struct join_cell *c;

	for (uint32_t i = 0; (c = get(d, k)) && i < c->n; i++)
		if (c->slot[i])
			take(d, k, i);
}

/* ---- matches ---- */

static bool sequence(struct decide *d, struct ctx *c, const struct delivery *v,
    struct item *it)
{
	const struct rule *r = c->rule;
	uint32_t a = r->join_of[0];
	const struct item_cell *first = waiting(d, get(d, v->k), a);
	struct item **m;

	if (v->selector == a) {
		put(d, v->k, a, it);
		return false;
	}
	if (!first || v->t_ms < first->ev.time_ms ||
	    v->t_ms - first->ev.time_ms > r->within_ms)
		return false;
	m = ARENA_ARRAY(d->arena, struct item *, 2);
	m[0] = item_load(d, get(d, v->k)->slot[a]);
	m[1] = it;
	take(d, v->k, a);
	ctx_items(c, m, 2);
	return true;
}

/* As they came; of one input, by selector. */
static void by_arrival(struct item **m, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++)
		for (uint32_t j = i; j > 0 && m[j - 1]->c->seq > m[j]->c->seq; j--) {
			struct item *x = m[j];

			m[j] = m[j - 1];
			m[j - 1] = x;
		}
}

static bool at_least(struct decide *d, struct ctx *c, const struct delivery *v,
    struct item *it)
{
	const struct rule *r = c->rule;
	const struct join_cell *w;
	int64_t latest = INT64_MIN;
	struct item **m;
	uint32_t n = 0;

	put(d, v->k, v->selector, it);
	w = get(d, v->k);
	for (uint32_t i = 0; i < w->n; i++)
		if (w->slot[i])
			latest = MAX(latest, waiting(d, w, i)->ev.time_ms);
	m = ARENA_ARRAY(d->arena, struct item *, w->n);
	for (uint32_t i = 0; i < w->n; i++)
		if (w->slot[i] && latest - waiting(d, w, i)->ev.time_ms <= r->within_ms)
			m[n++] = item_load(d, w->slot[i]);
	if (n < r->join_n)
		return false;
	for (uint32_t i = 0; i < n; i++)
		take(d, v->k, m[i]->c->selector);
	by_arrival(m, n);
	ctx_items(c, m, n);
	return true;
}

bool join_take(struct decide *d, struct ctx *c, const struct delivery *v)
{
	struct item *it = item_of_event(d, c->rs, d->in->event, v->selector, v->t_ms,
	    (struct str){ 0 });
	bool match = c->rule->join == JOIN_SEQUENCE ? sequence(d, c, v, it) :
	    at_least(d, c, v, it);

	key_arm(d, c->rs, v->k);
	return match;
}

/* ---- expiry ---- */

static uint32_t oldest(const struct decide *d, const struct join_cell *c)
{
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < c->n; i++)
		if (c->slot[i] && (best == UINT32_MAX ||
		    waiting(d, c, i)->ev.time_ms < waiting(d, c, best)->ev.time_ms))
			best = i;
	return best;
}

int64_t join_due(const struct decide *d, const struct keyed *k)
{
	const struct join_cell *c = get(d, k);

	return !c || !k->rs->rule->join ? INT64_MAX :
	    waiting(d, c, oldest(d, c))->ev.time_ms + k->rs->rule->within_ms + 1;
}

/* Names of the selectors that have an event, or have none. */
static void names(const struct rule *r, const struct join_cell *c, bool have,
    const char *between, GString *text, GString *json)
{
	bool any = false;

	json_open(json, '[');
	for (uint32_t i = 0; i < r->join_of_n; i++) {
		uint32_t s = r->join_of[i];

		if ((c->slot[s] != 0) != have)
			continue;
		g_string_append_printf(text, "%s%.*s", any ? between : "",
		    STR_ARG(r->selectors[s].name));
		json_str(json, r->selectors[s].name);
		any = true;
	}
	json_close(json, ']');
}

static void expired_row(struct decide *d, struct keyed *k, const struct join_cell *c,
    const struct item_cell *it)
{
	const struct rule *r = k->rs->rule;
	struct decision_row row = { .rule_id = k->rs->id, .key = k->key, .count = 1,
		.outcome = OUTCOME_SUPPRESSED, .by = SUPP_EXPIRED,
		.event_id = last_view(&it->ev).id };
	GString *text = g_string_new("have "), *json = g_string_new(NULL);

	json_open(json, '{');
	json_key(json, "expired");
	json_open(json, '{');
	json_key(json, "have");
	names(r, c, true, ", ", text, json);
	g_string_append(text, "; missing ");
	json_key(json, "missing");
	names(r, c, false, r->join == JOIN_AT_LEAST ? " or " : ", ", text, json);
	g_string_append(text, ": within ");
	span_print(r->within_ms, text);
	g_string_append(text, " is over");
	json_close(json, '}');
	json_close(json, '}');
	row.reason = arena_str(d->arena, (struct str){ text->str, (uint32_t)text->len });
	row.trace = arena_str(d->arena, (struct str){ json->str, (uint32_t)json->len });
	decision_write(d, &row);
	g_string_free(text, TRUE);
	g_string_free(json, TRUE);
}

void join_expire(struct decide *d, struct keyed *k, int64_t clock)
{
	const struct join_cell *c;

	while ((c = get(d, k)) && join_due(d, k) <= clock) {
		uint32_t i = oldest(d, c);

		expired_row(d, k, c, waiting(d, c, i));
		take(d, k, i);
	}
	key_arm(d, k->rs, k);
}

void join_check(struct decide *d, struct rule_state *rs, struct keyed *k)
{
	struct decision_row row = { .rule_id = rs->id, .key = k->key,
		.outcome = OUTCOME_SUPPRESSED, .by = SUPP_EXPIRED,
		.count = join_count(d, k),
		.reason = STR("the rule's join was edited while its events waited") };

	if (!row.count || (rs->rule->join && get(d, k)->def == def_of(rs->rule)))
		return;
	decision_write(d, &row);
	join_drop(d, k);
}
