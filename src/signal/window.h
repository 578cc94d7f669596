/* What the kinds of window share (private to this floor). */
#ifndef SIGNAL_WINDOW_H
#define SIGNAL_WINDOW_H

#include "signal/signal.h"

/* Kinds of cells; a root's says what hangs on it. */
enum { CELL_PANES = 16, CELL_SAMPLES, CELL_CHUNK, CELL_SINCE, CELL_MAP, CELL_SUB };

/* Every root cell begins so. */
struct window_head {
	int64_t	 greatest;	/* greatest sample time; TIME_NONE before the first */
	int64_t	 clock;		/* up to here the window was closed or dropped */
	double	 last;		/* value at `greatest`, the newest arrival among equals */
};
/* What is in the window at an instant.  An aggregate that is not known is NaN. */
struct totals {
	uint64_t n;
	double	 sum, min, max, last;
	int64_t	 from, to;	/* bounds of the window; TIME_NONE where it has none */
};

static inline int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}
static inline int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Sliding windows in panes, and tumbling windows: panes.c. */
uint32_t panes_new(const struct signal_spec *, struct cells *);
enum signal_fate panes_add(const struct signal_spec *, struct cells *, uint32_t root,
    int64_t t, double v, int64_t watermark);
void panes_advance(const struct signal_spec *, struct cells *, uint32_t root,
    int64_t clock);
void panes_totals(const struct signal_spec *, const struct cells *, uint32_t root,
    int64_t clock, struct totals *);
int64_t panes_next(const struct signal_spec *, const struct cells *, uint32_t root,
    int64_t clock);

/* Exact sliding windows and count windows: samples.c. */
uint32_t samples_new(struct cells *);
void samples_free(struct cells *, uint32_t root);	/* the chunks, not the root */
enum signal_fate samples_add(const struct signal_spec *, struct cells *, uint32_t root,
    int64_t t, double v);
void samples_advance(const struct signal_spec *, struct cells *, uint32_t root,
    int64_t clock);
void samples_totals(const struct signal_spec *, const struct cells *, uint32_t root,
    int64_t clock, struct totals *);
int64_t samples_next(const struct signal_spec *, const struct cells *, uint32_t root,
    int64_t clock);

/* Windows that count from a run on: since.c. */
uint32_t since_new(struct cells *);
enum signal_fate since_add(struct cells *, uint32_t root, int64_t t, double v);
void since_totals(const struct cells *, uint32_t root, struct totals *);

/* A map of states by sub-key: map.c. */
uint32_t state_new(const struct signal_spec *, struct cells *);	/* whatever `by` says */
uint32_t map_new(struct cells *);
uint32_t map_state(const struct cells *, uint32_t root, uint32_t i);	/* 0: no more */
void map_free(struct cells *, uint32_t root);	/* what hangs on it, not the root */
void map_summary(const struct signal_spec *, const struct cells *, uint32_t root,
    int64_t clock_ms, GString *json);		/* members of an object */
void since_cut(struct cells *, uint32_t root, uint64_t run);
void since_settle(struct cells *, uint32_t root, uint64_t run, bool merge_back);
#endif
