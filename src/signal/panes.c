/* Windows that keep sums, not samples: sliding in panes, tumbling and hopping.
 *
 * All are rows sorted by the number of their pane (align.c).  A sliding window W reads
 * the rows that end after t - W.  A tumbling or hopping window reads the rows of the
 * newest window that has ended; it is held until the next one ends, also where that one
 * is empty: a burst does not live on in the silence after it.  A row exists only where a
 * sample fell.
 *
 *	state:  struct panes | value at `greatest`, of sliding windows that read it |
 *		row | row | ...
 *
 * Invariants
 *   (1) Rows ascend; no row is readable again once it was dropped: what arrives for
 *       it is late.
 *   (2) Nothing is ever subtracted: a window's sum is the sum of its rows, so it
 *       cannot lose digits to samples that have left.
 *   (3) Columns are those that rules read (a key's state stays small).  A column that
 *       a later rule set wants is added to the cell; its old rows hold NaN, which
 *       makes the aggregate unknown until they are gone.
 *   (4) A window that has ended does not change: a sample that hopping windows yet to
 *       end can still take goes into a row of its own (`after`), which the ended one
 *       does not read.  head.clock says for which one the marks hold.
 */
#include <math.h>

#include "base/time.h"
#include "signal/window.h"

#define HEAD_LAST (1u << COL_N)		/* beside the columns of rows */
#define HOPPING_MAX 65536		/* bytes: `over` and `every` bound the panes */

struct panes {
	struct window_head head;
	int64_t		 base;		/* number of the row whose rel is 0 */
};

static uint16_t columns_for(const struct signal_spec *spec)
{
	uint32_t a = spec->aggregates;

	if (spec->window != WINDOW_SLIDING)
		return columns_of(a);
	/* Sliding: the newest sample is in the newest row, one place is enough. */
	return (uint16_t)(
	    (columns_of(a) & ~(unsigned)(COL(COL_LAST) | COL(COL_LAST_T))) |
	    (a & (AGG_LAST | AGG_DELTA | AGG_RATE) ? HEAD_LAST : 0));
}

static uint16_t row_columns(const struct panes *p)
{
	return (uint16_t)(p->head.columns & (HEAD_LAST - 1));
}

static size_t head_bytes(uint16_t columns)
{
	return sizeof(struct panes) + (columns & HEAD_LAST ? sizeof(double) : 0);
}

static double *head_last(const struct panes *p)
{
	return p->head.columns & HEAD_LAST ? (double *)(uintptr_t)(p + 1) : NULL;
}

static size_t bytes_for(uint16_t columns, uint32_t rows)
{
	return head_bytes(columns) + rows * row_bytes(columns & (HEAD_LAST - 1));
}

static struct row *row_at(const struct panes *p, uint32_t i)
{
	return (struct row *)(void *)((char *)(uintptr_t)p +
	    bytes_for(p->head.columns, i));
}

static int64_t number_at(const struct panes *p, uint32_t i)
{
	return p->base + row_at(p, i)->rel;
}

static int64_t end_of(const struct signal_spec *spec, const struct panes *p, uint32_t i)
{
	return align_start(spec, number_at(p, i) + 1);
}

static bool slides(const struct signal_spec *spec)
{
	return spec->window == WINDOW_SLIDING;
}

/* How many rows from the front are out of reach at the rule's clock. */
static uint32_t expired(
    const struct signal_spec *spec, const struct panes *p, int64_t clock)
{
	int64_t t = later(p->head.clock, clock), pane, n;
	uint32_t i = 0;

	if (p->head.n == 0)
		return 0;
	if (slides(spec)) {
		t = later(p->head.greatest, t);
		while (i < p->head.n && end_of(spec, p, i) <= t - spec->over_ms)
			i++;
		return i;
	}
	if (t == TIME_NONE)
		return 0;
	align_window(spec, align_held(spec, t), &pane, &n);
	while (i < p->head.n && number_at(p, i) < pane)
		i++;
	return i;
}

static uint32_t panes_bytes(const struct signal_spec *spec)
{
	return (uint32_t)bytes_for(columns_for(spec), 2);
}

/* Moves every row to the layout with more columns, from the last to the first. */
static struct panes *widen(struct cells *cells, uint32_t root, uint16_t need)
{
	struct panes *p = state_touch(cells, root);
	uint16_t old = p->head.columns, wide = old | need;
	uint32_t rows = p->head.n;

	if (wide == old)
		return p;
	p = state_resize(cells, root, (uint32_t)bytes_for(wide, MAX(rows, 2)));
	p->head.columns = wide;
	for (uint32_t i = rows; i-- > 0;) {
		struct row *from = (struct row *)(void *)((char *)p + bytes_for(old, i));

		row_widen(from, old & (HEAD_LAST - 1), row_at(p, i), row_columns(p));
	}
	memset(row_at(p, rows), 0,
	    state_bytes(cells, root) - bytes_for(wide, rows));
	if (head_last(p) && !(old & HEAD_LAST))
		*head_last(p) = (double)NAN;
	return p;
}

static void drop_front(struct cells *cells, uint32_t root, uint32_t n)
{
	struct panes *p = state_touch(cells, root);
	size_t size = row_bytes(row_columns(p));

	if (n == 0)
		return;
	for (uint32_t i = 0; i < n; i++)
		row_drop(cells, row_columns(p), row_at(p, i));
	memmove(row_at(p, 0), row_at(p, n), (p->head.n - n) * size);
	p->head.n = (uint16_t)(p->head.n - n);
	memset(row_at(p, p->head.n), 0, n * size);
}

/* Numbers are kept relative, in 32 bits: the base follows the first row. */
static void rebase(struct panes *p, int64_t base)
{
	int64_t shift = p->base - base;

	for (uint32_t i = 0; i < p->head.n; i++)
		row_at(p, i)->rel = (uint32_t)(row_at(p, i)->rel + shift);
	p->base = base;
}

/* Room for one more row before row i; NULL when the cell is full. */
static struct panes *open_row(const struct signal_spec *spec, struct cells *cells,
    uint32_t root, uint32_t i)
{
	struct panes *p = state_touch(cells, root);
	uint32_t n = p->head.n, max = spec->window == WINDOW_HOPPING ? HOPPING_MAX :
		CELL_MAX;
	size_t size = row_bytes(row_columns(p));

	if (bytes_for(p->head.columns, n + 1) > state_bytes(cells, root)) {
		size_t bytes = bytes_for(p->head.columns, n < 8 ? n + 2 : n + n / 4);

		if (bytes > max)
			bytes = bytes_for(p->head.columns, n + 1);
		if (bytes > max)
			return NULL;
		p = state_resize(cells, root, (uint32_t)bytes);
	}
	memmove(row_at(p, i + 1), row_at(p, i), (n - i) * size);
	memset(row_at(p, i), 0, size);
	p->head.n++;
	return p;
}

/* The row of `number`, made where it is missing. */
static struct row *row_for(const struct signal_spec *spec, struct cells *cells,
    uint32_t root, int64_t number, bool after)
{
	struct panes *p = state_touch(cells, root);
	int64_t lo = number, hi = number;
	uint32_t i = p->head.n;

	if (i) {
		lo = MIN(lo, number_at(p, 0));
		hi = MAX(hi, number_at(p, i - 1));
	}
	if (hi - lo > UINT32_MAX)
		return NULL;
	if (i == 0 || number < p->base || hi - p->base > UINT32_MAX)
		rebase(p, lo);
	while (i > 0 && number_at(p, i - 1) > number)
		i--;
	if (i > 0 && number_at(p, i - 1) == number && row_at(p, i - 1)->after == after)
		return row_at(p, i - 1);
	p = open_row(spec, cells, root, i);
	if (!p)
		return NULL;
	row_at(p, i)->rel = (uint32_t)(number - p->base);
	row_at(p, i)->after = after;
	return row_at(p, i);
}

static bool late(const struct signal_spec *spec, const struct panes *p, int64_t number,
    int64_t watermark)
{
	int64_t seen = later(p->head.clock, watermark);

	if (!slides(spec))
		return align_end(spec, align_last(spec, number)) <= seen;
	seen = later(p->head.greatest, p->head.clock);
	return seen != TIME_NONE &&
	    align_start(spec, number + 1) <= seen - spec->over_ms;
}

/* Another window has ended: what came after the one before it counts in it. */
static void end_window(const struct signal_spec *spec, struct panes *p, int64_t clock)
{
	if (clock <= p->head.clock)
		return;
	if (spec->window == WINDOW_HOPPING && p->head.clock != TIME_NONE &&
	    align_held(spec, clock) > align_held(spec, p->head.clock))
		for (uint32_t i = 0; i < p->head.n; i++)
			row_at(p, i)->after = 0;
	p->head.clock = clock;
}

/* Whether the window that is held at `clock` has read the pane. */
static bool was_read(const struct signal_spec *spec, int64_t number, int64_t clock)
{
	int64_t pane, n;

	if (spec->window != WINDOW_HOPPING || clock == TIME_NONE)
		return false;
	align_window(spec, align_held(spec, clock), &pane, &n);
	return number < pane + n;
}

static enum signal_fate panes_add(const struct signal_spec *spec, struct cells *cells,
    uint32_t root, int64_t t, const struct sample *s, int64_t watermark)
{
	int64_t number = align_number(spec, t);
	const struct panes *seen = state_get(cells, root);
	struct panes *p;
	struct row *r;
	bool after;

	if (late(spec, seen, number, watermark))
		return SIGNAL_LATE;
	p = widen(cells, root, columns_for(spec));
	if (slides(spec))
		drop_front(cells, root, expired(spec, p, t));
	after = was_read(spec, number, later(p->head.clock, watermark));
	if (after)
		end_window(spec, p, watermark);
	r = row_for(spec, cells, root, number, after);
	if (!r)
		return SIGNAL_FULL;
	p = state_touch(cells, root);
	row_take(cells, row_columns(p), r, t, s);
	if (t >= p->head.greatest) {
		p->head.greatest = t;
		if (head_last(p))
			*head_last(p) = s->text.p ? (double)NAN : s->x;
	}
	return SIGNAL_TAKEN;
}

static void panes_advance(const struct signal_spec *spec, struct cells *cells,
    uint32_t root, int64_t clock)
{
	const struct panes *seen = state_get(cells, root);
	uint32_t gone = expired(spec, seen, clock);
	bool ended = !slides(spec) && clock > seen->head.clock &&
	    (seen->head.clock == TIME_NONE ||
		align_held(spec, clock) > align_held(spec, seen->head.clock));
	struct panes *p;

	if (!gone && !ended)
		return;
	drop_front(cells, root, gone);
	p = state_touch(cells, root);
	end_window(spec, p, clock);
}

static void tally_sliding(const struct signal_spec *spec, const struct cells *cells,
    const struct panes *p, int64_t clock, struct tally *ret)
{
	int64_t t = later(later(p->head.greatest, p->head.clock), clock);

	ret->to = t;
	ret->from = t == TIME_NONE ? t : t - spec->over_ms;
	for (uint32_t i = expired(spec, p, clock); i < p->head.n; i++)
		tally_row(ret, cells, row_columns(p), row_at(p, i));
	ret->last = head_last(p) ? *head_last(p) : (double)NAN;
	ret->last_t = (double)p->head.greatest;
}

static void panes_tally(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock, struct tally *ret)
{
	const struct panes *p = state_get(cells, root);
	int64_t t = later(p->head.clock, clock), window, pane, n;
	bool marks;

	if (slides(spec)) {
		tally_sliding(spec, cells, p, clock, ret);
		return;
	}
	if (t == TIME_NONE || p->head.n == 0)
		return;
	window = align_held(spec, t);
	align_window(spec, window, &pane, &n);
	marks = p->head.clock != TIME_NONE && window == align_held(spec, p->head.clock);
	for (uint32_t i = expired(spec, p, t); i < p->head.n; i++)
		if (number_at(p, i) < pane + n && !(marks && row_at(p, i)->after))
			tally_row(ret, cells, row_columns(p), row_at(p, i));
	if (ret->n) {
		ret->from = align_start(spec, pane);
		ret->to = align_end(spec, window);
	}
}

static int64_t panes_next(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock)
{
	const struct panes *p = state_get(cells, root);
	uint32_t i = expired(spec, p, clock);
	int64_t t = later(p->head.clock, clock), window, pane, n, next;

	if (i == p->head.n)
		return INT64_MAX;
	if (slides(spec))
		return end_of(spec, p, i) + spec->over_ms;
	next = align_first(spec, number_at(p, i));
	if (t == TIME_NONE)
		return align_end(spec, next);
	window = align_held(spec, t);
	align_window(spec, window, &pane, &n);
	if (number_at(p, i) < pane + n)		/* the held one has samples */
		next = window;
	return align_end(spec, MAX(next, window + 1));
}

static void panes_free(struct cells *cells, uint32_t root)
{
	const struct panes *p = state_get(cells, root);

	for (uint32_t i = 0; i < p->head.n; i++)
		row_drop(cells, row_columns(p), row_at(p, i));
}

const struct window_ops panes_ops = {.form = FORM_PANES, .bytes = panes_bytes,
	.columns = columns_for, .add = panes_add, .advance = panes_advance,
	.next = panes_next, .tally = panes_tally, .free = panes_free};
