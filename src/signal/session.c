/* Session windows: samples no further apart than the gap, which counts as inside.
 *
 * A session closes when the clock has passed its last sample by more than the gap, and
 * is held until the next one closes.  Sessions that are not closed yet lie side by side
 * where samples come out of order; one that falls between joins them.
 *
 *	state:  struct sessions | session | session | ...
 *
 * Invariants
 *   (1) Sessions ascend and lie more than a gap apart, so they close in their order;
 *       only the first of them may be closed.
 *   (2) A closed one takes no more samples.  What could only have gone there is late;
 *       what is within a gap of it but still open itself begins a new one.
 */
#include "base/time.h"
#include "signal/window.h"

struct sessions {
	struct window_head head;
};
struct session {
	int64_t	 first, last;
	struct row row;
};

static size_t size_of(uint16_t columns)
{
	return 2 * sizeof(int64_t) + row_bytes(columns);
}

static struct session *at(const struct sessions *s, uint32_t i)
{
	return (struct session *)(void *)((char *)(uintptr_t)(s + 1) +
	    i * size_of(s->head.columns));
}

static uint16_t session_columns(const struct signal_spec *spec)
{
	return columns_of(spec->aggregates);
}

static uint32_t session_bytes(const struct signal_spec *spec)
{
	return (uint32_t)(sizeof(struct sessions) + size_of(session_columns(spec)));
}

static bool closed(const struct signal_spec *spec, int64_t last, int64_t clock)
{
	return clock != TIME_NONE && last + spec->over_ms < clock;
}

/* How many are closed at the clock. */
static uint32_t closed_n(const struct signal_spec *spec, const struct sessions *s,
    int64_t clock)
{
	int64_t t = later(s->head.clock, clock);
	uint32_t i = 0;

	while (i < s->head.n && closed(spec, at(s, i)->last, t))
		i++;
	return i;
}

static void widen(struct cells *cells, uint32_t root, uint16_t need)
{
	struct sessions *s = state_touch(cells, root);
	uint16_t old = s->head.columns, wide = old | need;
	uint32_t n = s->head.n;

	if (wide == old)
		return;
	s = state_resize(cells, root,
	    (uint32_t)(sizeof(*s) + MAX(n, 1) * size_of(wide)));
	s->head.columns = wide;
	for (uint32_t i = n; i-- > 0;) {
		struct session *from = (struct session *)(void *)((char *)(s + 1) +
		    i * size_of(old)), *to = at(s, i);
		int64_t first = from->first, last = from->last;

		row_widen(&from->row, old, &to->row, wide);
		to->first = first;
		to->last = last;
	}
	memset(at(s, n), 0, state_bytes(cells, root) - sizeof(*s) - n * size_of(wide));
}

static void remove_at(struct cells *cells, uint32_t root, uint32_t i, uint32_t n)
{
	struct sessions *s = state_touch(cells, root);
	size_t size = size_of(s->head.columns);

	memmove(at(s, i), at(s, i + n), (s->head.n - i - n) * size);
	s->head.n = (uint16_t)(s->head.n - n);
	memset(at(s, s->head.n), 0, n * size);
}

/* Only the newest closed one is kept. */
static void drop_closed(const struct signal_spec *spec, struct cells *cells,
    uint32_t root, int64_t clock)
{
	const struct sessions *s = state_get(cells, root);
	uint32_t n = closed_n(spec, s, clock);

	if (n < 2)
		return;
	for (uint32_t i = 0; i + 1 < n; i++)
		row_drop(cells, s->head.columns, &at(s, i)->row);
	remove_at(cells, root, 0, n - 1);
}

static struct session *insert(struct cells *cells, uint32_t root, uint32_t i, int64_t t)
{
	struct sessions *s = state_touch(cells, root);
	size_t size = size_of(s->head.columns), need;

	need = sizeof(*s) + (s->head.n + 1u) * size;
	if (need > CELL_MAX)
		return NULL;
	if (need > state_bytes(cells, root))
		s = state_resize(cells, root, (uint32_t)need);
	memmove(at(s, i + 1), at(s, i), (s->head.n - i) * size);
	memset(at(s, i), 0, size);
	at(s, i)->first = at(s, i)->last = t;
	s->head.n++;
	return at(s, i);
}

/* Those from `i` on that a sample at t is within a gap of: at most two. */
static uint32_t touching(const struct signal_spec *spec, const struct sessions *s,
    int64_t t, uint32_t *i)
{
	uint32_t n = 0;

	while (*i < s->head.n && at(s, *i)->last + spec->over_ms < t)
		(*i)++;
	while (*i + n < s->head.n && at(s, *i + n)->first - spec->over_ms <= t)
		n++;
	return n;
}

static struct session *join(struct cells *cells, uint32_t root, uint32_t i, uint32_t n)
{
	struct sessions *s = state_touch(cells, root);

	for (uint32_t k = 1; k < n; k++) {
		at(s, i)->last = at(s, i + k)->last;
		row_merge(cells, s->head.columns, &at(s, i)->row, &at(s, i + k)->row);
	}
	if (n > 1)
		remove_at(cells, root, i + 1, n - 1);
	return at(s, i);
}

static enum signal_fate session_add(const struct signal_spec *spec, struct cells *cells,
    uint32_t root, int64_t t, const struct sample *x, int64_t watermark)
{
	const struct sessions *old = state_get(cells, root);
	int64_t clock = later(old->head.clock, watermark);
	uint32_t i = closed_n(spec, old, clock);
	uint32_t n = touching(spec, old, t, &i);
	struct sessions *s;
	struct session *v;

	if (n == 0 && closed(spec, t, clock))
		return SIGNAL_LATE;
	widen(cells, root, session_columns(spec));
	v = n ? join(cells, root, i, n) : insert(cells, root, i, t);
	if (!v)
		return SIGNAL_FULL;
	v->first = MIN(v->first, t);
	v->last = MAX(v->last, t);
	s = state_touch(cells, root);
	row_take(cells, s->head.columns, &v->row, t, x);
	s->head.greatest = later(s->head.greatest, t);
	/* What this event's predecessors closed stays closed, whoever is asked next. */
	s->head.clock = clock;
	drop_closed(spec, cells, root, clock);
	return SIGNAL_TAKEN;
}

static void session_advance(const struct signal_spec *spec, struct cells *cells,
    uint32_t root, int64_t clock)
{
	const struct sessions *seen = state_get(cells, root);
	struct sessions *s;

	if (closed_n(spec, seen, clock) == closed_n(spec, seen, seen->head.clock))
		return;
	s = state_touch(cells, root);
	s->head.clock = later(s->head.clock, clock);
	drop_closed(spec, cells, root, clock);
}

static void session_tally(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock, struct tally *ret)
{
	const struct sessions *s = state_get(cells, root);
	uint32_t n = closed_n(spec, s, clock);

	if (n == 0)
		return;
	ret->from = at(s, n - 1)->first;
	ret->to = at(s, n - 1)->last;
	tally_row(ret, cells, s->head.columns, &at(s, n - 1)->row);
}

static int64_t session_next(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock)
{
	const struct sessions *s = state_get(cells, root);
	uint32_t n = closed_n(spec, s, clock);

	return n < s->head.n ? at(s, n)->last + spec->over_ms + 1 : INT64_MAX;
}

static void session_free(struct cells *cells, uint32_t root)
{
	const struct sessions *s = state_get(cells, root);

	for (uint32_t i = 0; i < s->head.n; i++)
		row_drop(cells, s->head.columns, &at(s, i)->row);
}

const struct window_ops session_ops = {.form = FORM_SESSION, .bytes = session_bytes,
	.columns = session_columns, .add = session_add, .advance = session_advance,
	.next = session_next, .tally = session_tally, .free = session_free};
