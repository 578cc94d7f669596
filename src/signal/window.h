/* What the kinds of window share (private to this floor).
 *
 * A state lies in its root cell behind the bytes that its owner keeps there: the cell's
 * first two bytes say how many (0: none, the state is the whole cell).  Every state
 * begins with struct window_head. */
#ifndef SIGNAL_WINDOW_H
#define SIGNAL_WINDOW_H

#include <string.h>

#include "signal/row.h"
#include "signal/signal.h"

/* Kinds of cells. */
enum { CELL_STATE = 16, CELL_CHUNK, CELL_BINS, CELL_DISTINCT, CELL_LIST, CELL_TEXT,
	CELL_TEST = 24 };
enum form { FORM_PANES = 1, FORM_SAMPLES, FORM_SINCE, FORM_SESSION, FORM_MAP,
	FORM_DETECTOR, FORM_TESTER };

struct window_head {
	uint16_t before;	/* of the cell: only where the state is all of it */
	uint8_t	 form;
	uint8_t	 spare;
	uint16_t columns;	/* of its rows */
	uint16_t n;		/* rows */
	int64_t	 greatest;	/* greatest sample time; TIME_NONE before the first */
	int64_t	 clock;		/* up to here the window was closed or dropped */
};

static inline uint32_t state_before(const struct cells *c, uint32_t root)
{
	uint16_t before;

	memcpy(&before, cells_get(c, root), sizeof(before));
	return before;
}
static inline const void *state_get(const struct cells *c, uint32_t root)
{
	return (const char *)cells_get(c, root) + state_before(c, root);
}
static inline void *state_touch(struct cells *c, uint32_t root)
{
	return (char *)cells_touch(c, root) + state_before(c, root);
}
static inline uint32_t state_bytes(const struct cells *c, uint32_t root)
{
	return cells_bytes(c, root) - state_before(c, root);
}
static inline void *state_resize(struct cells *c, uint32_t root, uint32_t bytes)
{
	uint32_t before = state_before(c, root);

	return (char *)cells_resize(c, root, before + bytes) + before;
}
static inline int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}
static inline int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

struct window_ops {
	enum form form;
	uint32_t (*bytes)(const struct signal_spec *);	/* of a new state, zeroed */
	uint16_t (*columns)(const struct signal_spec *);	/* NULL: none */
	enum signal_fate (*add)(const struct signal_spec *, struct cells *, uint32_t root,
	    int64_t t, const struct sample *, int64_t watermark);
	/* NULL: nothing changes with the clock */
	void (*advance)(const struct signal_spec *, struct cells *, uint32_t root,
	    int64_t clock);
	int64_t (*next)(const struct signal_spec *, const struct cells *, uint32_t root,
	    int64_t clock);
	void (*tally)(const struct signal_spec *, const struct cells *, uint32_t root,
	    int64_t clock, struct tally *);
	void (*free)(struct cells *, uint32_t root);	/* what hangs on the root */
};
extern const struct window_ops panes_ops;	/* sliding, tumbling, hopping */
extern const struct window_ops samples_ops;	/* exact sliding, count */
extern const struct window_ops since_ops, session_ops;
const struct window_ops *ops_of(const struct signal_spec *);

/* signal_cut() and signal_settle() of one state. */
void since_cut(struct cells *, uint32_t root, uint64_t run);
void since_settle(struct cells *, uint32_t root, uint64_t run, bool merge_back);

/* Where windows and panes begin: align.c.  Numbers ascend with time. */
int64_t align_number(const struct signal_spec *, int64_t t);	/* of the pane at t */
int64_t align_start(const struct signal_spec *, int64_t number);
/* The newest tumbling or hopping window that has ended at `clock`: its first pane and
 * how many it has. */
int64_t align_held(const struct signal_spec *, int64_t clock);	/* window */
void align_window(const struct signal_spec *, int64_t window, int64_t *pane, int64_t *n);
int64_t align_end(const struct signal_spec *, int64_t window);
/* The first and the last window that holds the pane. */
int64_t align_first(const struct signal_spec *, int64_t pane);
int64_t align_last(const struct signal_spec *, int64_t pane);

/* A map of states by sub-key: map.c. */
uint32_t map_bytes(void);			/* of an empty one */
/* signal_begin(), whatever `by` says. */
void state_begin(const struct signal_spec *, struct cells *, uint32_t cell,
    uint32_t before);
uint32_t map_state(const struct cells *, uint32_t root, uint32_t i);	/* 0: no more */
struct str map_sub_key(const struct cells *, uint32_t state);	/* its sub-key */
void map_free(struct cells *, uint32_t root);	/* what hangs on it, not the root */
void map_summary(const struct signal_spec *, const struct cells *, uint32_t root,
    int64_t clock_ms, GString *json);		/* members of an object */
#endif
