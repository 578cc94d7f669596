/* Windows that keep sums, not samples: sliding in panes, and tumbling.
 *
 * Both are rows sorted by number: row k covers [k*P + offset, (k+1)*P + offset).
 * A sliding window W has P = W/60 and reads the rows that end after t - W; a
 * tumbling one has P = W and reads the newest row that has ended, which is held
 * until the next one ends.  A row exists only where a sample fell: a stretch without
 * samples closes nothing.
 *
 *	cell:  struct panes | row | row | ...	row:  number, count, columns
 *
 * Invariants
 *   (1) Rows ascend; no row is readable again once it was dropped: what arrives for
 *       it is late.
 *   (2) Nothing is ever subtracted: a window's sum is the sum of its rows, so it
 *       cannot lose digits to samples that have left.
 *   (3) Columns are those that rules read (a key's state stays small).  A column that
 *       a later rule set wants is added to the cell; its old rows hold NaN, which
 *       makes the aggregate unknown until they are gone.
 *
 * To add a column: enum column, columns_of(), row_start(), row_take().
 */
#include <math.h>

#include "base/time.h"
#include "signal/window.h"

#define PANES_PER_WINDOW 60

enum column { COL_SUM, COL_MIN, COL_MAX, COL_LAST, COL_LAST_T, COL_N };

struct panes {
	struct window_head head;
	int64_t		 base;		/* number of the row whose rel is 0 */
	uint16_t	 n, cap;
	uint8_t		 columns;	/* bits of enum column */
	uint8_t		 spare[3];
};
struct row {
	uint32_t	 rel, n;
	double		 col[];		/* those in panes.columns, in order */
};

static uint8_t columns_of(const struct signal_spec *spec)
{
	unsigned c = 0;

	c |= spec->aggregates & (AGG_SUM | AGG_AVG) ? 1u << COL_SUM : 0;
	c |= spec->aggregates & AGG_MIN ? 1u << COL_MIN : 0;
	c |= spec->aggregates & AGG_MAX ? 1u << COL_MAX : 0;
	if (spec->window == WINDOW_TUMBLING && spec->aggregates & AGG_LAST)
		c |= 1u << COL_LAST | 1u << COL_LAST_T;
	return (uint8_t)c;
}

static unsigned bits(unsigned set)
{
	unsigned n = 0;

	for (; set; set &= set - 1)
		n++;
	return n;
}

static size_t row_bytes(uint8_t columns)
{
	return sizeof(struct row) + sizeof(double) * bits(columns);
}

static struct row *row_at(const struct panes *p, uint32_t i)
{
	return (
	    struct row *)(void *)((char *)(uintptr_t)(p + 1) + i * row_bytes(p->columns));
}

static double *column(const struct panes *p, struct row *r, enum column c)
{
	unsigned bit = 1u << c;

	if (!(p->columns & bit))
		return NULL;
	return &r->col[bits(p->columns & (bit - 1))];
}

static int64_t width(const struct signal_spec *spec)
{
	int64_t w = spec->over_ms;

	if (spec->window == WINDOW_TUMBLING)
		return w;
	return w < PANES_PER_WINDOW ? 1 : w / PANES_PER_WINDOW;
}

static int64_t number_of(const struct signal_spec *spec, int64_t t)
{
	int64_t offset = spec->window == WINDOW_TUMBLING ? spec->offset_ms : 0;

	return floor_div(t - offset, width(spec));
}

static int64_t start_of(const struct signal_spec *spec, int64_t number)
{
	int64_t offset = spec->window == WINDOW_TUMBLING ? spec->offset_ms : 0;

	return number * width(spec) + offset;
}

static int64_t end_of(const struct signal_spec *spec, const struct panes *p, uint32_t i)
{
	return start_of(spec, p->base + row_at(p, i)->rel + 1);
}

/* How many rows from the front are out of reach at the rule's clock. */
static uint32_t expired(
    const struct signal_spec *spec, const struct panes *p, int64_t clock)
{
	int64_t t = later(later(p->head.greatest, p->head.clock), clock);
	uint32_t i = 0;

	if (spec->window == WINDOW_SLIDING) {
		while (i < p->n && end_of(spec, p, i) <= t - spec->over_ms)
			i++;
		return i;
	}
	t = later(p->head.clock, clock);
	while (i + 1 < p->n && end_of(spec, p, i + 1) <= t)
		i++;
	return i;
}

uint32_t panes_new(const struct signal_spec *spec, struct cells *cells)
{
	uint8_t columns = columns_of(spec);
	uint32_t id = cells_add(cells, CELL_PANES,
	    (uint32_t)(sizeof(struct panes) + 2 * row_bytes(columns)));
	struct panes *p = cells_touch(cells, id);

	p->head.greatest = p->head.clock = TIME_NONE;
	p->cap = 2;
	p->columns = columns;
	return id;
}

/* Moves every row to the layout with more columns, from the last to the first. */
static struct panes *widen(struct cells *cells, uint32_t root, uint8_t need)
{
	struct panes *p = cells_touch(cells, root), old = *p;
	double v[COL_N];

	if (!(need & ~p->columns))
		return p;
	p->columns |= need;
	p = cells_resize(cells, root,
	    (uint32_t)(sizeof *p + p->cap * row_bytes(p->columns)));
	for (uint32_t i = p->n; i-- > 0;) {
		struct row *from = (struct row *)(void *)((char *)(p + 1) +
		    i * row_bytes(old.columns)), *to = row_at(p, i);
		uint32_t rel = from->rel, n = from->n;

		for (enum column c = 0; c < COL_N; c++) {
			const double *d = column(&old, from, c);

			v[c] = d ? *d : (double)NAN;
		}
		to->rel = rel;
		to->n = n;
		for (enum column c = 0; c < COL_N; c++)
			if (column(p, to, c))
				*column(p, to, c) = v[c];
	}
	return p;
}

static void drop_front(struct panes *p, uint32_t n)
{
	size_t size = row_bytes(p->columns);

	if (n == 0)
		return;
	memmove(row_at(p, 0), row_at(p, n), (p->n - n) * size);
	p->n = (uint16_t)(p->n - n);
	memset(row_at(p, p->n), 0, n * size);
}

/* Numbers are kept relative, in 32 bits: the base follows the first row. */
static void rebase(struct panes *p, int64_t base)
{
	int64_t shift = p->base - base;

	for (uint32_t i = 0; i < p->n; i++)
		row_at(p, i)->rel = (uint32_t)(row_at(p, i)->rel + shift);
	p->base = base;
}

/* Room for one more row before row i; NULL when the cell is full. */
static struct panes *open_row(struct cells *cells, uint32_t root, uint32_t i)
{
	struct panes *p = cells_touch(cells, root);
	size_t size = row_bytes(p->columns);

	if (p->n == p->cap) {
		uint32_t cap = p->cap < 4 ? p->cap + 1u : p->cap + 4u;

		if (sizeof *p + cap * size > CELL_MAX)
			return NULL;
		p->cap = (uint16_t)cap;
		p = cells_resize(cells, root, (uint32_t)(sizeof *p + cap * size));
	}
	memmove(row_at(p, i + 1), row_at(p, i), (p->n - i) * size);
	memset(row_at(p, i), 0, size);
	p->n++;
	return p;
}

static void row_take(struct panes *p, struct row *r, int64_t t, double v)
{
	double *sum = column(p, r, COL_SUM), *min = column(p, r, COL_MIN);
	double *max = column(p, r, COL_MAX), *last = column(p, r, COL_LAST);
	bool first = r->n == 0;

	r->n += r->n < UINT32_MAX;
	if (sum)
		*sum += v;
	if (min && (first || v < *min))
		*min = v;
	if (max && (first || v > *max))
		*max = v;
	if (last) {
		double *at = column(p, r, COL_LAST_T);

		if (first || (double)t >= *at) {	/* ms are exact in a double */
			*last = v;
			*at = (double)t;
		}
	}
}

/* The row of `number`, made where it is missing. */
static struct row *row_for(struct cells *cells, uint32_t root, int64_t number)
{
	struct panes *p = cells_touch(cells, root);
	int64_t lo = number, hi = number;
	uint32_t i = p->n;

	if (i) {
		lo = MIN(lo, p->base + row_at(p, 0)->rel);
		hi = MAX(hi, p->base + row_at(p, i - 1)->rel);
	}
	if (hi - lo > UINT32_MAX)
		return NULL;
	if (i == 0 || number < p->base || hi - p->base > UINT32_MAX)
		rebase(p, lo);
	while (i > 0 && p->base + row_at(p, i - 1)->rel > number)
		i--;
	if (i > 0 && p->base + row_at(p, i - 1)->rel == number)
		return row_at(p, i - 1);
	p = open_row(cells, root, i);
	if (!p)
		return NULL;
	row_at(p, i)->rel = (uint32_t)(number - p->base);
	return row_at(p, i);
}

static bool late(const struct signal_spec *spec, const struct panes *p, int64_t t,
    int64_t watermark)
{
	int64_t end = start_of(spec, number_of(spec, t) + 1);
	int64_t seen = later(p->head.greatest, p->head.clock);

	if (spec->window == WINDOW_TUMBLING)
		return end <= later(p->head.clock, watermark);
	return seen != TIME_NONE && end <= seen - spec->over_ms;
}

enum signal_fate panes_add(const struct signal_spec *spec, struct cells *cells,
    uint32_t root, int64_t t, double v, int64_t watermark)
{
	const struct panes *seen = cells_get(cells, root);
	struct panes *p;
	struct row *r;

	if (late(spec, seen, t, watermark))
		return SIGNAL_LATE;
	p = widen(cells, root, columns_of(spec));
	if (spec->window == WINDOW_SLIDING)
		drop_front(p, expired(spec, p, t));
	r = row_for(cells, root, number_of(spec, t));
	if (!r)
		return SIGNAL_FULL;
	p = cells_touch(cells, root);
	row_take(p, r, t, v);
	if (t >= p->head.greatest) {
		p->head.greatest = t;
		p->head.last = v;
	}
	return SIGNAL_TAKEN;
}

void panes_advance(const struct signal_spec *spec, struct cells *cells, uint32_t root,
    int64_t clock)
{
	const struct panes *seen = cells_get(cells, root);
	uint32_t gone = expired(spec, seen, clock);
	bool ended = spec->window == WINDOW_TUMBLING && clock > seen->head.clock &&
	    (seen->head.clock == TIME_NONE ||
	        number_of(spec, clock) > number_of(spec, seen->head.clock));
	struct panes *p;

	if (!gone && !ended)
		return;
	p = cells_touch(cells, root);
	drop_front(p, gone);
	p->head.clock = later(p->head.clock, clock);
}

/* NaN, "not known", stays whatever comes later. */
static double least(bool first, double a, double b)
{
	return first || (!isnan(a) && !(b >= a)) ? b : a;
}

static void add_row(const struct panes *p, uint32_t i, struct totals *ret)
{
	struct row *r = row_at(p, i);
	const double *sum = column(p, r, COL_SUM), *min = column(p, r, COL_MIN);
	const double *max = column(p, r, COL_MAX);
	bool first = ret->n == 0;

	ret->sum += sum ? *sum : (double)NAN;
	ret->min = least(first, ret->min, min ? *min : (double)NAN);
	ret->max = -least(first, -ret->max, max ? -*max : (double)NAN);
	ret->n += r->n;
}

void panes_totals(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock, struct totals *ret)
{
	const struct panes *p = cells_get(cells, root);
	uint32_t i = expired(spec, p, clock);
	int64_t t = later(later(p->head.greatest, p->head.clock), clock);

	if (spec->window == WINDOW_SLIDING) {
		ret->last = p->head.last;
		ret->to = t;
		ret->from = t == TIME_NONE ? t : t - spec->over_ms;
		for (; i < p->n; i++)
			add_row(p, i, ret);
		return;
	}
	t = later(p->head.clock, clock);
	if (p->n && t != TIME_NONE && end_of(spec, p, i) <= t) {
		const double *last = column(p, row_at(p, i), COL_LAST);

		add_row(p, i, ret);
		ret->last = last ? *last : (double)NAN;
		ret->to = end_of(spec, p, i);
		ret->from = ret->to - spec->over_ms;
	}
}

int64_t panes_next(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock)
{
	const struct panes *p = cells_get(cells, root);
	uint32_t i = expired(spec, p, clock);

	if (i == p->n)
		return INT64_MAX;
	if (spec->window == WINDOW_SLIDING)
		return end_of(spec, p, i) + spec->over_ms;
	if (end_of(spec, p, i) <= later(p->head.clock, clock) && ++i == p->n)
		return INT64_MAX;	/* only the held one is there */
	return end_of(spec, p, i);
}
