/* A binary heap of deadlines that know their own place, so that moving one is cheap.
 * Order: time, then id; both are functions of the state, so a heap that was rebuilt
 * gives the same order. */
#ifndef DECIDE_HEAP_H
#define DECIDE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

struct due {			/* embedded in what it belongs to; zeroed: in no heap */
	int64_t		 at;
	uint64_t	 id;
	uint32_t	 pos;		/* 1-based; 0: not in a heap */
};
struct heap {			/* a zeroed one is empty */
	struct due	**v;
	uint32_t	 n, cap;
};
void heap_fini(struct heap *);
/* Puts, moves, or (INT64_MAX) takes it out. */
void heap_set(struct heap *, struct due *, int64_t at);
struct due *heap_top(const struct heap *);	/* NULL: empty */
#endif
