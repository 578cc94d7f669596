/* Which JSON paths an event is scanned for.  Built by rules, read by the
 * scanner: path i of the plan fills event.field[i].  A path starts with "event"
 * (CloudEvents attributes and extensions: two segments) or "data" (the payload;
 * {"data"} alone is the whole document).  Paths are distinct. */
#ifndef EVENT_PLAN_H
#define EVENT_PLAN_H

#include "base/str.h"

struct arena;

#define PLAN_PATHS_MAX 65535
#define PLAN_SEGMENTS_MAX 16

struct path {
	struct str	*seg;
	uint32_t	 n;
};
struct plan {
	struct path	*v;
	uint32_t	 n, cap;
	struct scan_tree *tree;		/* finished by plan_finish() */
	struct arena	*arena;
};

void plan_init(struct plan *, struct arena *);
/* The number of this path, added if new; UINT32_MAX when the plan is full. */
uint32_t plan_add(struct plan *, const struct str *seg, uint32_t n);
void plan_finish(struct plan *);	/* compiles the tree that the scanner walks */
#endif
