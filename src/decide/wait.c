/* Events that wait: a burst until it is quiet (coalesce), and what is stopped until
 * nothing stops it any more (on_suppressed: defer).
 *
 *	event, when is true --> per event: calendar, silence, dedupe --> a batch
 *	batch --> due, and no run of (pipeline, key) active --> cooldown, backoff,
 *		  disarmed, breaker --> one emission with all its events
 *
 * Per rule and key: a list of batches, oldest first, the last of them open.  A batch
 * closes at max_events or BATCH_BYTES, never by time: what could not go when it was due
 * goes on taking events.  With BATCHES_MAX closed ones the next event is suppressed as
 * coalesce_full.
 *
 * Invariants
 *   (1) An item is in one batch until its emission has its answer; only then it goes.
 *   (2) When the first batch is asked is a function of the cells (wait_arm()).
 *   (3) key_cell.m.owed says that the first batch was due and is held: by `blocked`, or
 *       with that 0 by an active run.
 */
#include "decide/priv.h"

#define BATCH_BYTES (1024u * 1024)

bool rule_waits(const struct rule *r)
{
	return r->kind != RULE_SIGNAL &&
	    (r->coalesce || r->on_suppressed == SUPPRESSED_DEFER ||
	    (r->budgets[0] && r->budgets[0]->defers) ||
	    (r->budgets[1] && r->budgets[1]->defers));
}

static const struct wait_cell *get(const struct decide *d, const struct keyed *k)
{
	uint32_t cell = key_get(d, k)->wait;

	return cell ? cells_get(d->cells, cell) : NULL;
}

static struct wait_cell *touch(struct decide *d, const struct keyed *k)
{
	return cells_touch(d->cells, key_get(d, k)->wait);
}

static uint32_t max_events(const struct rule *r)
{
	return r->coalesce ? r->max_events : BATCH_EVENTS;
}

static bool is_full(const struct rule *r, const struct batch *b)
{
	return b->n >= max_events(r) || b->bytes >= BATCH_BYTES;
}

static bool batch_has_room(const struct rule *r, const struct batch *b, uint32_t bytes)
{
	return b->n < max_events(r) && b->bytes + bytes <= BATCH_BYTES;
}

/* The open batch, a new one where there is none; NULL: too many are closed. */
static struct batch *open_batch(struct decide *d, struct keyed *k, uint32_t bytes)
{
	const struct wait_cell *c = get(d, k);
	struct wait_cell *w;

	if (c && batch_has_room(k->rs->rule, &c->v[c->n - 1], bytes))
		return &touch(d, k)->v[c->n - 1];
	if (c && c->n == BATCHES_MAX)
		return NULL;
	if (!c) {
		uint32_t cell = cells_add(d->cells, CELL_WAIT, sizeof(*c));

		key_touch(d, k)->wait = cell;
	}
	w = touch(d, k);
	w->v[w->n] = (struct batch){ .opened = d->now_tick };
	return &w->v[w->n++];
}

/* False: coalesce_full. */
static bool add(struct decide *d, struct keyed *k, const struct item *it)
{
	struct batch *b = open_batch(d, k, it->bytes);
	uint32_t cell;

	if (!b)
		return false;
	cell = item_store(d, it);
	if (b->last)
		((struct item_cell *)cells_touch(d->cells, b->last))->next = cell;
	else
		b->first = cell;
	b->last = cell;
	b->n++;
	b->bytes += it->bytes;
	b->newest = d->now_tick;
	return true;
}

/* The first batch goes, with its items. */
static void drop_first(struct decide *d, struct keyed *k)
{
	struct wait_cell *w = touch(d, k);
	uint32_t id = w->v[0].first;

	while (id) {
		uint32_t next = ((const struct item_cell *)cells_get(d->cells, id))->next;

		cells_drop(d->cells, id);
		id = next;
	}
	if (--w->n) {
		memmove(w->v, w->v + 1, w->n * sizeof(w->v[0]));
		return;
	}
	cells_drop(d->cells, key_get(d, k)->wait);
	key_touch(d, k)->wait = 0;
}

static void hold(struct decide *d, struct keyed *k, enum suppressor by, int64_t end)
{
	struct key_cell *w = key_touch(d, k);

	w->m.owed = 1;
	w->blocked = (uint8_t)by;
	w->slot = 0;
	w->release_at = end == INT64_MAX ? 0 : end;
	if (w->release_at && suppressor_on_wall(by))
		opens_by(d, k->rs, w->release_at);
}

static void unhold(struct decide *d, struct keyed *k)
{
	struct key_cell *w = key_touch(d, k);

	w->m.owed = w->blocked = w->slot = 0;
	w->release_at = 0;
}

bool wait_has(const struct decide *d, const struct keyed *k, const struct event *e)
{
	const struct wait_cell *c = get(d, k);

	for (uint32_t i = 0; c && i < c->n; i++)
		for (uint32_t id = c->v[i].first; id;) {
			const struct item_cell *it = cells_get(d->cells, id);
			struct last_view v = last_view(&it->ev);

			if (!it->due_ms && str_is(v.id, e->id) &&
			    str_is(v.source, e->source))
				return true;
			id = it->next;
		}
	return false;
}

uint32_t wait_count(const struct decide *d, const struct keyed *k)
{
	const struct wait_cell *c = get(d, k);
	uint32_t n = 0;

	for (uint32_t i = 0; c && i < c->n; i++)
		n += c->v[i].n;
	return n;
}

void wait_drop(struct decide *d, struct keyed *k)
{
	while (key_get(d, k)->wait)
		drop_first(d, k);
	if (key_get(d, k)->m.owed)
		unhold(d, k);
}

/* ---- when ---- */

/* The tick at which the first batch is due. */
static int64_t due_at(const struct rule *r, const struct wait_cell *c)
{
	const struct batch *b = &c->v[0];
	int64_t at;

	if (c->n > 1 || is_full(r, b) || !r->coalesce)
		return b->newest;
	at = b->newest + r->quiet_ms;
	return r->max_delay_ms ? MIN(at, b->opened + r->max_delay_ms) : at;
}

/* Held, and nothing says that it is not any more. */
static bool is_held(const struct decide *d, const struct key_cell *c)
{
	if (!c->m.owed)
		return false;
	if (!c->blocked || c->blocked == SUPP_CONCURRENCY)
		return !c->slot;
	return c->release_at > (suppressor_on_wall(c->blocked) ? d->now_wall :
	    d->now_tick);
}

/* Held without an end of its own: whoever wakes it says that it is over. */
static bool waits_for_run(const struct key_cell *c)
{
	return c->m.owed && (!c->blocked || c->blocked == SUPP_CONCURRENCY);
}

void wait_arm(struct decide *d, struct keyed *k)
{
	const struct wait_cell *c = get(d, k);
	const struct key_cell *key = key_get(d, k);
	int64_t at = INT64_MAX;

	if (c && !is_held(d, key)) {
		at = due_at(k->rs->rule, c);
		if (key->m.owed && key->blocked && at <= d->now_tick)
			at = INT64_MAX;		/* it was asked; somebody wakes it */
	} else if (c && key->blocked && !suppressor_on_wall(key->blocked) &&
	    key->release_at)
		at = key->release_at;
	if (key->wake_at != at)
		key_touch(d, k)->wake_at = at;
	key_arm(d, k->rs, k);
}

/* ---- asking ---- */

static bool is_active(const struct decide *d, const struct keyed *k)
{
	const struct rule *r = k->rs->rule;

	return r->coalesce && r->pipeline && d->active &&
	    d->active(d->active_ctx, r->pipeline->name, k->key);
}

static void batch_ctx(struct decide *d, struct ctx *c, struct keyed *k)
{
	const struct batch *b = &get(d, k)->v[0];
	struct rule_state *rs = k->rs;
	struct item **v = ARENA_ARRAY(d->arena, struct item *, b->n);
	uint32_t n = 0;

	for (uint32_t id = b->first; id; id = v[n - 1]->c->next)
		v[n++] = item_load(d, id);
	ctx_init(d, c, rs, k->key);
	ctx_items(c, v, n);
	if (rs->rule->kind == RULE_SCHEDULE)
		ctx_due(c, v[n - 1]->c->due_ms);
	else
		last_fields(c, c->last);
	ctx_vars(c, k, c->last->time_ms, rs->needs);
}

/* Asks for the first batch if it is due; woken: what holds it may be over.  True: an
 * emission. */
static bool ask(struct decide *d, struct keyed *k, bool woken, struct emission *em)
{
	const struct wait_cell *c = get(d, k);
	struct ctx *ctx = &d->ctx;
	struct check check;

	if (!c || (!woken && is_held(d, key_get(d, k))))
		return false;
	if (due_at(k->rs->rule, c) > d->now_tick) {	/* it grew meanwhile */
		if (woken && waits_for_run(key_get(d, k)))
			unhold(d, k);
		return false;
	}
	if (is_active(d, k)) {
		hold(d, k, SUPP_NONE, INT64_MAX);
		return false;
	}
	batch_ctx(d, ctx, k);
	suppress_ask_batch(ctx, &check);
	return emit_asked(d, ctx, k, JOB_WAIT, NULL, &check, em);
}

bool wait_body(struct decide *d, struct keyed *k, bool woken, struct emission *em)
{
	bool out = ask(d, k, woken, em);

	if (!out)
		wait_arm(d, k);
	return out;
}

void wait_stopped(struct ctx *c, const struct check *k, bool defers)
{
	if (defers)
		hold(c->d, c->k, k->by, k->end);
	else
		drop_first(c->d, c->k);
	if (!defers && key_get(c->d, c->k)->m.owed)
		unhold(c->d, c->k);
}

void wait_settled(struct ctx *c, const struct emission *em, bool fired)
{
	struct decide *d = c->d;

	for (uint32_t i = 0; fired && i < c->items_n; i++) {
		struct str v = item_dedupe(c->items[i]->c);

		if (v.p)
			dedupe_store(d, c->rs, v, em->decision, em->observe);
	}
	drop_first(d, c->k);
	unhold(d, c->k);
}

/* ---- one more event ---- */

static bool absorb(struct decide *d, struct ctx *c, struct keyed *k, struct str dedupe)
{
	if (c->due_ms)
		return add(d, k, item_of_due(d,
		    schedule_mark(c->rule, c->schedule), c->due_ms));
	for (uint32_t i = 0; i < c->items_n; i++)	/* of a join */
		if (!add(d, k, c->items[i]))
			return false;
	return c->items_n || add(d, k, item_of_event(d, c->rs, c->event, c->selector,
	    c->event->time_ms, dedupe));
}

bool wait_event(struct decide *d, struct ctx *c, struct keyed *k, enum job_kind kind,
    struct emission *em)
{
	bool defer = c->rule->on_suppressed == SUPPRESSED_DEFER;
	struct check check;

	suppress_ask_event(c, &check, !defer);
	if (check.by || check.dedupe_error)
		return emit_asked(d, c, k, kind, NULL, &check, em);
	if (c->items_n && check.dedupe.p)
		c->items[c->items_n - 1] = item_with(d, c->items[c->items_n - 1],
		    check.dedupe);
	if (!absorb(d, c, k, check.dedupe)) {
		suppress_say(&check, SUPP_COALESCE_FULL, true, arena_printf(d->arena,
		    "%d batches wait", BATCHES_MAX), INT64_MAX);
		return emit_asked(d, c, k, kind, NULL, &check, em);
	}
	if (kind == JOB_DUE)
		schedule_row(d, c->rs, c->schedule, c->due_ms, "waiting");
	return wait_body(d, k, false, em);
}

/* ---- what others say ---- */

void decide_active(struct decide *d, decide_active_f f, void *ctx)
{
	d->active = f;
	d->active_ctx = ctx;
}

/* What has no end of its own may be over with the run. */
void wait_run_ended(struct decide *d, struct str pipeline, struct str key)
{
	for (uint32_t i = 0; d->rules && i < d->rules->rules_n; i++) {
		struct rule_state *rs = d->by_rule[i];
		uint8_t owner[OWNER_BYTES];
		struct keyed *k;

		if (!rule_waits(rs->rule) || !rs->rule->pipeline ||
		    !str_is(rs->rule->pipeline->name, pipeline))
			continue;
		owner_of_id(rs->id, owner);
		k = keyed_find(d, CELL_KEY, owner, key);
		if (k && key_get(d, k)->wait && key_get(d, k)->m.owed &&
		    !key_get(d, k)->release_at)
			key_wake(d, rs, k);
	}
}
