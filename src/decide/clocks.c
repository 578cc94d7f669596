/* Watermarks and rules' clocks.
 *
 * A selector's watermark is the least, over its active partitions, of (greatest
 * matching event time - lateness), and never goes back.  A partition is idle when its
 * source is connected and caught up and no matching event came for IDLE_MS of tick, or
 * when the source says so; idle partitions leave the minimum.  With all of them idle
 * the selector is idle, and its clock is the watermark plus the tick elapsed since its
 * last matching event.
 *
 * A rule's clock is the least watermark of its selectors that are not idle; while all
 * are idle, the least of their idle clocks.  It never goes back: rule_cell.clock, which
 * is written only where it is more than the watermark of the rule's one selector.
 *
 * Invariants
 *   (1) Idleness is computed from (cells, tick), never stored, so that nothing has to
 *       happen at the moment at which it begins.
 *   (2) What a source says is an input; a source that never said anything is not
 *       caught up, and its partitions are never idle.
 */
#include "base/time.h"
#include "decide/priv.h"

#define IDLE_MS 60000		/* idle_after */
#define HOLD_MS 60000		/* tick deadlines wait that long for a source at most */
#define PARTS_MAX 256

static const struct source_cell *source_find(const struct decide *d, uint32_t source)
{
	for (guint i = 0; i < d->sources->len; i++) {
		uint32_t cell = g_array_index(d->sources, uint32_t, i);
		const struct source_cell *s = cells_get(d->cells, cell);

		if (s->source == source)
			return s;
	}
	return NULL;
}

/* The tick from which the partition is idle; INT64_MAX: it is not going to be. */
static int64_t idle_from(const struct decide *d, const struct part_clock *p)
{
	const struct source_cell *s = source_find(d, p->source);

	if (!s || s->state != SOURCE_CAUGHT_UP)
		return INT64_MAX;
	if (p->idle)
		return p->tick;
	return MAX(p->tick, s->tick) + IDLE_MS;
}

static const struct selector_cell *sel_cell(const struct decide *d,
    const struct sel_state *s)
{
	return s->cell ? cells_get(d->cells, s->cell) : NULL;
}

/* The watermark at this tick, and whether the selector is idle. */
static int64_t mark_at(const struct decide *d, const struct sel_state *s, int64_t tick,
    bool *ret_idle)
{
	const struct selector_cell *c = sel_cell(d, s);
	int64_t least = INT64_MAX, newest = INT64_MIN, last = INT64_MIN;

	for (uint32_t i = 0; i < c->parts; i++) {
		const struct part_clock *p = &c->part[i];
		int64_t from = idle_from(d, p);

		if (tick < from)
			least = MIN(least, p->max_ms);
		if (from > newest || (from == newest && p->max_ms < last)) {
			newest = from;
			last = p->max_ms;
		}
	}
	*ret_idle = least == INT64_MAX;
	if (!c->parts)
		return c->mark;
	/* Idle: as it was when the last partition was still active. */
	return MAX(c->mark, (*ret_idle ? last : least) - s->lateness_ms);
}

int64_t clock_at(const struct decide *d, const struct rule_state *rs, int64_t tick)
{
	const struct rule_cell *rc = rule_get(d, rs);
	int64_t active = INT64_MAX, idle = INT64_MAX, clock;

	for (uint32_t i = 0; i < rs->rule->selectors_n; i++) {
		const struct selector_cell *c = sel_cell(d, rs->sel[i]);
		bool is_idle;
		int64_t mark;

		if (!c)
			continue;
		mark = mark_at(d, rs->sel[i], tick, &is_idle);
		if (is_idle)
			idle = MIN(idle, mark + (tick - c->tick));
		else
			active = MIN(active, mark);
	}
	clock = active != INT64_MAX ? active : idle;
	if (clock == INT64_MAX)
		return rc->has_clock ? rc->base_wall + (tick - rc->base_tick) : TIME_NONE;
	return rc->anchored ? MAX(clock, rs->moved) : clock;
}

int64_t sel_mark(const struct decide *d, const struct sel_state *s)
{
	return sel_cell(d, s)->mark;
}

int64_t sel_reach(const struct decide *d, const struct sel_state *s, int64_t t)
{
	const struct selector_cell *c = sel_cell(d, s);

	for (uint32_t i = 0; c && i < c->parts; i++)
		t = MAX(t, c->part[i].max_ms);
	return t;
}

int64_t clock_of(const struct decide *d, const struct rule_state *rs)
{
	const struct sel_state *s = rs->rule->selectors_n == 1 ? rs->sel[0] : NULL;

	if (!s || !s->cell || !rule_get(d, rs)->anchored)
		return rs->moved;
	/* While an event is decided, what it moved is not yet the rule's. */
	return MAX(rs->moved, d->seq && s->seq == d->seq ? s->mark_before :
	    sel_mark(d, s));
}

void clock_set(struct decide *d, struct rule_state *rs, int64_t clock)
{
	const struct rule_cell *rc = rule_get(d, rs);
	const struct selector_cell *only =
	    rs->rule->selectors_n == 1 ? sel_cell(d, rs->sel[0]) : NULL;
	bool anchored = false;

	for (uint32_t i = 0; i < rs->rule->selectors_n; i++)
		anchored |= rs->sel[i]->cell != 0;
	rs->moved = clock;
	if ((rc->clock == clock || (only && only->mark >= clock)) &&
	    rc->anchored == anchored)
		return;
	((struct rule_cell *)cells_touch(d->cells, rs->cell))->clock = clock;
	((struct rule_cell *)cells_touch(d->cells, rs->cell))->anchored = anchored;
}

void clock_keep(struct decide *d, struct rule_state *rs)
{
	const struct selector_cell *only = rs->rule && rs->rule->selectors_n == 1 ?
	    sel_cell(d, rs->sel[0]) : NULL;

	if (rule_get(d, rs)->clock < rs->moved && !(only && only->mark >= rs->moved))
		((struct rule_cell *)cells_touch(d->cells, rs->cell))->clock = rs->moved;
}

static int cmp_i64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* With every selector idle, clocks go with tick: when the least of them gets there. */
static int64_t idle_reaches(const struct decide *d, const struct rule_state *rs,
    int64_t from, int64_t at)
{
	int64_t t = from;

	for (uint32_t i = 0; i < rs->rule->selectors_n; i++) {
		const struct selector_cell *c = sel_cell(d, rs->sel[i]);
		bool idle;

		if (c)
			t = MAX(t, at - mark_at(d, rs->sel[i], from, &idle) + c->tick);
	}
	return t;
}

int64_t clock_reaches(const struct decide *d, const struct rule_state *rs, int64_t at)
{
	const struct rule_cell *rc = rule_get(d, rs);
	int64_t best = INT64_MAX, last = INT64_MIN;
	GArray *from;

	if (at == INT64_MAX)
		return INT64_MAX;
	from = g_array_new(FALSE, FALSE, sizeof(int64_t));
	for (uint32_t i = 0; i < rs->rule->selectors_n; i++) {
		const struct selector_cell *c = sel_cell(d, rs->sel[i]);

		for (uint32_t p = 0; c && p < c->parts; p++) {
			int64_t t = idle_from(d, &c->part[p]);

			last = MAX(last, t);
			g_array_append_val(from, t);
		}
	}
	g_array_sort(from, cmp_i64);
	for (guint i = 0; i < from->len && best == INT64_MAX; i++) {
		int64_t t = g_array_index(from, int64_t, i);

		if (t != INT64_MAX && clock_at(d, rs, t) >= at)
			best = t;
	}
	if (!from->len && rc->has_clock)
		best = rc->base_tick + (at - rc->base_wall);
	else if (best == INT64_MAX && last != INT64_MIN && last != INT64_MAX)
		best = idle_reaches(d, rs, last, at);
	g_array_free(from, TRUE);
	return best;
}

static struct part_clock *part_of(struct decide *d, struct sel_state *s, uint32_t source,
    uint64_t part)
{
	struct selector_cell *c = cells_touch(d->cells, s->cell);
	uint32_t oldest = 0;

	for (uint32_t i = 0; i < c->parts; i++) {
		if (c->part[i].source == source && c->part[i].part == part)
			return &c->part[i];
		if (c->part[i].tick < c->part[oldest].tick)
			oldest = i;
	}
	if (c->parts == PARTS_MAX) {	/* the one silent for longest gives way */
		c->part[oldest] = (struct part_clock){ .part = part, .source = source,
			.max_ms = INT64_MIN };
		return &c->part[oldest];
	}
	cells_resize(d->cells, s->cell, (uint32_t)(sizeof(*c) +
	    (c->parts + 1) * sizeof(c->part[0])));
	c = cells_touch(d->cells, s->cell);
	c->part[c->parts] = (struct part_clock){ .part = part, .source = source,
		.max_ms = INT64_MIN };
	return &c->part[c->parts++];
}

void clock_event(struct decide *d, struct sel_state *s, const struct event *ev, int64_t t)
{
	struct selector_cell *c;
	struct part_clock *p;
	bool idle;

	if (s->seq == d->seq)		/* another rule with the same selector */
		return;
	s->seq = d->seq;
	if (!s->cell) {
		s->cell = cells_add(d->cells, CELL_SELECTOR, sizeof(*c));
		c = cells_touch(d->cells, s->cell);
		memcpy(c->hash, s->hash, OWNER_BYTES);
		c->mark = INT64_MIN;
	}
	s->mark_before = mark_at(d, s, d->now_tick, &idle);
	p = part_of(d, s, ev->via, hash64(HASH64, ev->part.p, ev->part.len));
	p->max_ms = MAX(p->max_ms, t);
	p->tick = d->now_tick;
	p->idle = 0;
	c = cells_touch(d->cells, s->cell);
	c->tick = d->now_tick;
	c->mark = MAX(c->mark, s->mark_before);
	c->mark = mark_at(d, s, d->now_tick, &idle);
}

void clock_stale(struct decide *d, struct rule_state *rs)
{
	if (rs->clock_stale)
		return;
	rs->clock_stale = true;
	g_ptr_array_add(d->stale, rs);
}

/* While no partition can become idle, no clock of the selector's rules goes on with
 * tick: as while a backlog is read, when it is asked most often. */
static bool can_idle(const struct decide *d, const struct sel_state *s)
{
	const struct selector_cell *c = sel_cell(d, s);

	for (uint32_t i = 0; i < c->parts; i++)
		if (idle_from(d, &c->part[i]) != INT64_MAX)
			return true;
	return false;
}

void clock_stale_sel(struct decide *d, struct sel_state *s)
{
	bool could = s->idles;

	if (s->stale)
		return;
	s->idles = can_idle(d, s);
	if (!s->idles && !could)
		return;
	s->stale = true;
	g_ptr_array_add(d->stale_sels, s);
}

/* What depends on a source is looked at again: idle times, and the hold of keys that
 * wait for a tick.  When a key's own clock is due does not: at a start that would look
 * at every window of every key, several times. */
static void source_moved(struct decide *d)
{
	for (uint32_t i = 0; i < d->rules->rules_n; i++) {
		struct rule_state *rs = d->by_rule[i];
		int64_t hold;

		if (rs->rule->kind == RULE_SCHEDULE)
			continue;
		clock_stale(d, rs);
		if (rule_off(d, rs))	/* nothing of it waits */
			continue;
		hold = clock_hold(d, rs);
		for (guint j = 0; j < rs->keys->len; j++) {
			struct keyed *k = g_ptr_array_index(rs->keys, j);

			if (rs->has_stale)
				signal_stale_moved(d, rs, k);
			else
				key_arm_hold(d, k, hold);
		}
	}
}

static void part_idle(struct decide *d, const struct source_change *ch)
{
	uint64_t part = hash64(HASH64, ch->part.p, ch->part.len);

	for (guint i = 0; i < d->sels->len; i++) {
		struct sel_state *s = g_ptr_array_index(d->sels, i);
		const struct selector_cell *c = sel_cell(d, s);

		for (uint32_t p = 0; c && p < c->parts; p++) {
			struct selector_cell *w;

			if (c->part[p].source != ch->source || c->part[p].part != part ||
			    c->part[p].idle)
				continue;
			w = cells_touch(d->cells, s->cell);
			w->part[p].idle = 1;
		}
	}
}

static void set_state(struct decide *d, uint32_t source, enum source_state state)
{
	const struct source_cell *s = source_find(d, source);
	struct source_cell *w;
	uint32_t cell = 0;

	if (s && s->state == state)
		return;
	for (guint i = 0; i < d->sources->len && s; i++) {
		cell = g_array_index(d->sources, uint32_t, i);
		if (cells_get(d->cells, cell) == s)
			break;
	}
	if (!s) {
		cell = cells_add(d->cells, CELL_SOURCE, sizeof(*s));
		g_array_append_val(d->sources, cell);
	}
	w = cells_touch(d->cells, cell);
	*w = (struct source_cell) { .source = source,
				    .state = state,
				    .tick = d->now_tick };
}

void clock_source(struct decide *d, const struct source_change *ch)
{
	if (ch->state == SOURCE_PART_IDLE)
		part_idle(d, ch);
	else
		set_state(d, ch->source, ch->state);
	source_moved(d);
}

void clock_sources_down(struct decide *d)
{
	for (guint i = 0; i < d->sources->len; i++) {
		uint32_t cell = g_array_index(d->sources, uint32_t, i);
		const struct source_cell *s = cells_get(d->cells, cell);

		set_state(d, s->source, SOURCE_DOWN);
	}
	source_moved(d);
}

int64_t clock_stale_from(const struct decide *d, const struct sel_state *s, int64_t last,
    int64_t stale_ms)
{
	const struct selector_cell *c = sel_cell(d, s);

	for (uint32_t i = 0; c && i < c->parts; i++) {
		const struct source_cell *src = source_find(d, c->part[i].source);

		if (!src || src->state != SOURCE_CAUGHT_UP)
			return INT64_MAX;
		last = MAX(last, src->tick);
	}
	return last + stale_ms;
}

int64_t clock_hold(const struct decide *d, const struct rule_state *rs)
{
	int64_t until = INT64_MIN;

	for (uint32_t i = 0; i < rs->rule->selectors_n; i++) {
		uint32_t want = rs->rule->selectors[i].source;

		for (guint j = 0; j < d->sources->len; j++) {
			const struct source_cell *s = cells_get(d->cells,
			    g_array_index(d->sources, uint32_t, j));

			if ((want && s->source != want) || s->state == SOURCE_CAUGHT_UP)
				continue;
			until = MAX(until, s->tick + HOLD_MS);
		}
	}
	return until;
}
