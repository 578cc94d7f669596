/* Rows: what windows keep instead of samples, and the tally that reading makes of them.
 *
 * A row is a count and those columns that rules read.  A column that is not known (it
 * was not kept when the sample came, or the sample was a text) is NaN, and what is read
 * from it is unknown.
 *
 * The sums of squared deviations follow Youngs and Cramer (1971) sample by sample and
 * Chan, Golub and LeVeque (1983) where rows are put together. */
#ifndef SIGNAL_ROW_H
#define SIGNAL_ROW_H

#include "signal/signal.h"
#include "signal/sketch.h"

enum column { COL_SUM, COL_M2, COL_MIN, COL_MAX, COL_FIRST, COL_FIRST_T, COL_LAST,
	COL_LAST_T, COL_TRUES, COL_BINS, COL_DISTINCT, COL_LIST, COL_N };
#define COL(c) (1u << (c))

union column_value {
	double	 d;
	uint64_t id;		/* of BINS, DISTINCT, LIST: a cell; 0: none yet */
};
struct row {
	uint32_t rel;		/* number, by whoever keeps the row */
	uint32_t n : 31;
	uint32_t after : 1;	/* came after a window that holds it was closed */
	union column_value col[];	/* those in `columns`, in order */
};
uint16_t columns_of(uint32_t aggregates);	/* to be kept by each row */
size_t row_bytes(uint16_t columns);
void row_take(struct cells *, uint16_t columns, struct row *, int64_t t,
    const struct sample *);
/* Moves `from` into `to`; the cells that hang on it go. */
void row_merge(struct cells *, uint16_t columns, struct row *to, struct row *from);
void row_drop(struct cells *, uint16_t columns, const struct row *);	/* its cells */
/* The same row where more columns are kept. */
void row_widen(const struct row *from, uint16_t columns, struct row *to, uint16_t wider);
union column_value *row_column(uint16_t columns, const struct row *, enum column);

/* What is in the window at an instant. */
struct tally {
	uint16_t want;		/* columns */
	uint64_t n;
	double	 sum, m2, min, max, first, last, trues;
	double	 first_t, last_t;	/* ms: exact in a double */
	int64_t	 from, to;	/* bounds of the window; TIME_NONE where it has none */
	struct arena *arena;	/* of the rest, where wanted */
	struct bins bins;
	struct distinct distinct;
	struct picks picks;
};
void tally_begin(struct tally *, uint16_t want, struct arena *);
void tally_row(struct tally *, const struct cells *, uint16_t columns,
    const struct row *);
void tally_entry(struct tally *, const struct cells *, const struct entry *);
#endif
