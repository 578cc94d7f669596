/* Rows and the tally of them: see the header.
 *
 * To add a column: enum column, columns_of(), row_take(), row_merge(), tally_row(),
 * tally_number().
 */
#include "signal/row.h"

#include <math.h>

#include "base/time.h"
#include "signal/window.h"

#define CELL_COLUMNS (COL(COL_BINS) | COL(COL_DISTINCT) | COL(COL_LIST))
#define N_MAX 0x7fffffffu
#define UNKNOWN UINT64_MAX	/* of a column that is a cell */

uint16_t columns_of(uint32_t a)
{
	unsigned c = 0;

	c |= a & (AGG_SUM | AGG_AVG | AGG_STDDEV) ? COL(COL_SUM) : 0;
	c |= a & AGG_STDDEV ? COL(COL_M2) : 0;
	c |= a & AGG_MIN ? COL(COL_MIN) : 0;
	c |= a & AGG_MAX ? COL(COL_MAX) : 0;
	c |= a & (AGG_FIRST | AGG_DELTA | AGG_RATE) ?
	    COL(COL_FIRST) | COL(COL_FIRST_T) : 0;
	c |= a & (AGG_LAST | AGG_DELTA | AGG_RATE) ? COL(COL_LAST) | COL(COL_LAST_T) : 0;
	c |= a & AGG_RATIO ? COL(COL_TRUES) : 0;
	c |= a & AGG_QUANTILE ? COL(COL_BINS) : 0;
	c |= a & AGG_DISTINCT ? COL(COL_DISTINCT) : 0;
	c |= a & AGG_LIST ? COL(COL_LIST) : 0;
	return (uint16_t)c;
}

static unsigned bits(unsigned set)	/* of 16 */
{
	set -= set >> 1 & 0x5555;
	set = (set & 0x3333) + (set >> 2 & 0x3333);
	set = (set + (set >> 4)) & 0x0f0f;
	return (set + (set >> 8)) & 31;
}

size_t row_bytes(uint16_t columns)
{
	return sizeof(struct row) +
	    sizeof(union column_value) * bits(columns);
}

union column_value *row_column(uint16_t columns, const struct row *r, enum column c)
{
	unsigned bit = COL(c);

	if (!(columns & bit))
		return NULL;
	return (union column_value *)(uintptr_t)
	    &r->col[bits(columns & (bit - 1))];
}

static double *number(uint16_t columns, const struct row *r, enum column c)
{
	union column_value *v = row_column(columns, r, c);

	return v ? &v->d : NULL;
}

static uint64_t *cell(uint16_t columns, const struct row *r, enum column c)
{
	union column_value *v = row_column(columns, r, c);

	return v && v->id != UNKNOWN ? &v->id : NULL;
}

/* A text has no number: what needs one is unknown as long as the row is there. */
static void forget_numbers(uint16_t columns, struct row *r)
{
	for (enum column c = 0; c < COL_BINS; c++) {
		double *d = number(columns, r, c);

		if (d && c != COL_FIRST_T && c != COL_LAST_T)
			*d = (double)NAN;
	}
}

static void take_sums(uint16_t columns, struct row *r, double x)
{
	double *sum = number(columns, r, COL_SUM), *m2 = number(columns, r, COL_M2);
	double *min = number(columns, r, COL_MIN), *max = number(columns, r, COL_MAX);
	double *trues = number(columns, r, COL_TRUES), n = r->n;
	bool first = r->n == 1;

	if (sum)
		*sum += x;
	if (m2 && !first)
		*m2 += (n * x - *sum) * (n * x - *sum) / (n * (n - 1));
	if (min && (first || x < *min))
		*min = x;
	if (max && (first || x > *max))
		*max = x;
	if (trues)
		*trues += x != 0;
}

static void take_ends(uint16_t columns, struct row *r, double t, double x)
{
	double *v = number(columns, r, COL_FIRST), *at = number(columns, r, COL_FIRST_T);

	if (v && (r->n == 1 || t < *at)) {
		*v = x;
		*at = t;
	}
	v = number(columns, r, COL_LAST);
	at = number(columns, r, COL_LAST_T);
	if (v && (r->n == 1 || t >= *at)) {
		*v = x;
		*at = t;
	}
}

void row_take(struct cells *cells, uint16_t columns, struct row *r, int64_t t,
    const struct sample *s)
{
	uint64_t *id;

	r->n = MIN(r->n + 1u, N_MAX) & N_MAX;
	take_sums(columns, r, s->x);
	take_ends(columns, r, (double)t, s->x);
	if (s->text.p)
		forget_numbers(columns, r);
	if ((id = cell(columns, r, COL_BINS))) {
		if (s->text.p && *id)
			cells_drop(cells, (uint32_t)*id);
		*id = s->text.p ? UNKNOWN : bins_take(cells, *id, s->x);
	}
	if ((id = cell(columns, r, COL_DISTINCT)))
		*id = distinct_take(cells, *id,
		    s->text.p ? hash_text(s->text) : hash_number(s->x));
	if ((id = cell(columns, r, COL_LIST)))
		*id = list_take(cells, *id, t, s->x, s->text);
}

/* NaN, "not known", stays whatever comes later. */
static double least(double a, double b)
{
	return !isnan(a) && !(b >= a) ? b : a;
}

/* Squared deviations of two parts with these sums (Chan and others). */
static double joined(double na, double sa, double m2a, double nb, double sb, double m2b)
{
	double d = sb / nb - sa / na;

	return m2a + m2b + d * d * na * nb / (na + nb);
}

static void merge_numbers(uint16_t columns, struct row *to, const struct row *from)
{
	double *a, *b, *sa = number(columns, to, COL_SUM);

	if ((a = number(columns, to, COL_M2)))
		*a = joined(to->n, *sa, *a, from->n, *number(columns, from, COL_SUM),
		    *number(columns, from, COL_M2));
	if (sa)
		*sa += *number(columns, from, COL_SUM);
	if ((a = number(columns, to, COL_MIN)))
		*a = least(*a, *number(columns, from, COL_MIN));
	if ((a = number(columns, to, COL_MAX)))
		*a = -least(-*a, -*number(columns, from, COL_MAX));
	if ((a = number(columns, to, COL_TRUES)))
		*a += *number(columns, from, COL_TRUES);
	a = number(columns, to, COL_FIRST_T);
	b = number(columns, from, COL_FIRST_T);
	if (a && (isnan(*b) || *b < *a)) {
		*a = *b;
		*number(columns, to, COL_FIRST) = *number(columns, from, COL_FIRST);
	}
	a = number(columns, to, COL_LAST_T);
	b = number(columns, from, COL_LAST_T);
	if (a && (isnan(*b) || *b > *a)) {
		*a = *b;
		*number(columns, to, COL_LAST) = *number(columns, from, COL_LAST);
	}
}

static void drop_cell(struct cells *cells, enum column c, uint64_t id)
{
	if (id && c == COL_LIST)
		list_drop(cells, id);
	else if (id)
		cells_drop(cells, (uint32_t)id);
}

static void merge_cell(struct cells *cells, uint16_t columns, enum column c,
    struct row *to, struct row *from)
{
	union column_value *a = row_column(columns, to, c);
	union column_value *b = row_column(columns, from, c);

	if (!a)
		return;
	if (a->id == UNKNOWN || b->id == UNKNOWN) {
		drop_cell(cells, c, a->id == UNKNOWN ? 0 : a->id);
		drop_cell(cells, c, b->id == UNKNOWN ? 0 : b->id);
		a->id = UNKNOWN;
		return;
	}
	if (!a->id || !b->id) {
		a->id = a->id ? a->id : b->id;
		return;
	}
	if (c == COL_BINS)
		bins_merge(cells, a->id, b->id);
	else if (c == COL_DISTINCT)
		distinct_merge(cells, a->id, b->id);
	else
		list_merge(cells, a->id, b->id);
	drop_cell(cells, c, b->id);
}

void row_merge(struct cells *cells, uint16_t columns, struct row *to, struct row *from)
{
	uint32_t rel = to->rel;

	if (from->n == 0)
		return;
	if (to->n == 0) {
		row_drop(cells, columns, to);
		memcpy(to, from, row_bytes(columns));
		to->rel = rel;
		return;
	}
	merge_numbers(columns, to, from);
	for (enum column c = COL_BINS; c < COL_N; c++)
		merge_cell(cells, columns, c, to, from);
	to->n = MIN((uint32_t)to->n + from->n, N_MAX) & N_MAX;
}

void row_drop(struct cells *cells, uint16_t columns, const struct row *r)
{
	if (!(columns & CELL_COLUMNS))
		return;
	for (enum column c = COL_BINS; c < COL_N; c++) {
		const uint64_t *id = cell(columns, r, c);

		if (id)
			drop_cell(cells, c, *id);
	}
}

void row_widen(const struct row *from, uint16_t columns, struct row *to, uint16_t wider)
{
	union column_value v[COL_N];
	uint32_t rel = from->rel, n = from->n, after = from->after;

	for (enum column c = 0; c < COL_N; c++) {
		const union column_value *had = row_column(columns, from, c);

		if (had)
			v[c] = *had;
		else if (n == 0)
			v[c].id = 0;
		else if (COL(c) & CELL_COLUMNS)
			v[c].id = UNKNOWN;
		else
			v[c].d = (double)NAN;
	}
	to->rel = rel;
	to->n = n & N_MAX;
	to->after = after & 1;
	for (enum column c = 0; c < COL_N; c++)
		if (row_column(wider, to, c))
			*row_column(wider, to, c) = v[c];
}

/* ---- reading ---- */

void tally_begin(struct tally *t, uint16_t want, struct arena *arena)
{
	*t = (struct tally){.want = want, .arena = arena, .from = TIME_NONE,
	    .to = TIME_NONE};
}

static double known(uint16_t columns, const struct row *r, enum column c)
{
	const double *d = number(columns, r, c);

	return d ? *d : (double)NAN;
}

static void tally_cell(struct tally *t, const struct cells *cells, uint16_t columns,
    const struct row *r, enum column c)
{
	const uint64_t *id = cell(columns, r, c);

	if (c == COL_BINS) {
		t->bins.unknown |= !id;
		if (id && *id)
			bins_read(&t->bins, cells, *id, t->arena);
	} else if (c == COL_DISTINCT) {
		t->distinct.unknown |= !id;
		if (id && *id)
			distinct_read(&t->distinct, cells, *id, t->arena);
	} else {
		t->picks.unknown |= !id;
		if (id && *id)
			list_read(&t->picks, cells, *id, t->arena);
	}
}

/* An end that is not known makes it unknown for the whole window. */
static void tally_ends(struct tally *t, double first_t, double first, double last_t,
    double last)
{
	if (t->n == 0 || isnan(first_t) || first_t < t->first_t) {
		t->first_t = first_t;
		t->first = first;
	}
	if (t->n == 0 || isnan(last_t) || last_t >= t->last_t) {
		t->last_t = last_t;
		t->last = last;
	}
}

void tally_row(struct tally *t, const struct cells *cells, uint16_t columns,
    const struct row *r)
{
	uint16_t want = t->want;
	double sum = known(columns, r, COL_SUM), n = (double)t->n;

	if (r->n == 0)
		return;
	if (want & COL(COL_M2))
		t->m2 = t->n ? joined(n, t->sum, t->m2, r->n, sum,
				   known(columns, r, COL_M2))
			     : known(columns, r, COL_M2);
	if (want & COL(COL_SUM))
		t->sum += sum;
	if (want & COL(COL_MIN))
		t->min = t->n ? least(t->min, known(columns, r, COL_MIN))
			      : known(columns, r, COL_MIN);
	if (want & COL(COL_MAX))
		t->max = t->n ? -least(-t->max, -known(columns, r, COL_MAX))
			      : known(columns, r, COL_MAX);
	if (want & COL(COL_TRUES))
		t->trues += known(columns, r, COL_TRUES);
	if (want & (COL(COL_FIRST) | COL(COL_LAST)))
		tally_ends(t, known(columns, r, COL_FIRST_T),
		    known(columns, r, COL_FIRST), known(columns, r, COL_LAST_T),
		    known(columns, r, COL_LAST));
	for (enum column c = COL_BINS; want & CELL_COLUMNS && c < COL_N; c++)
		if (want & COL(c))
			tally_cell(t, cells, columns, r, c);
	t->n += r->n;
}

static void tally_number(struct tally *t, int64_t at, double x)
{
	double n = (double)t->n + 1;

	if (t->want & COL(COL_SUM))
		t->sum += x;
	if (t->want & COL(COL_M2) && t->n)
		t->m2 += (n * x - t->sum) * (n * x - t->sum) / (n * (n - 1));
	t->min = t->n ? least(t->min, x) : x;
	t->max = t->n ? -least(-t->max, -x) : x;
	t->trues += x != 0;
	tally_ends(t, (double)at, x, (double)at, x);
	if (t->want & COL(COL_BINS))
		bins_number(&t->bins, x, t->arena);
	if (t->want & COL(COL_DISTINCT))
		distinct_hash(&t->distinct, hash_number(x), t->arena);
	if (t->want & COL(COL_LIST))
		picks_add(&t->picks, at, x, 0, t->arena);
}

static void tally_text(struct tally *t, const struct cells *cells, int64_t at,
    uint32_t text)
{
	double none = (double)NAN;

	t->sum = t->m2 = t->min = t->max = t->trues = none;
	tally_ends(t, (double)at, none, (double)at, none);
	t->bins.unknown = true;
	if (t->want & COL(COL_DISTINCT))
		distinct_hash(&t->distinct, hash_text(text_of(cells, text)), t->arena);
	if (t->want & COL(COL_LIST))
		picks_add(&t->picks, at, 0, text, t->arena);
}

void tally_entry(struct tally *t, const struct cells *cells, const struct entry *e)
{
	if (entry_is_text(e))
		tally_text(t, cells, e->t, e->text);
	else
		tally_number(t, e->t, e->x);
	t->n++;
}
