/* From an event to the selectors that may match it. */
#ifndef RULES_DISPATCH_H
#define RULES_DISPATCH_H

#include "rules/ruleset.h"

/* Over finished rules; memory partly in the arena, partly in hash tables of its own. */
struct dispatch *dispatch_build(const struct rule *, uint32_t n, struct arena *);
void dispatch_free(struct dispatch *);		/* NULL is fine */
uint32_t dispatch_find(const struct dispatch *, const struct rule *, const struct event *,
    const struct dispatch_hit **ret, struct arena *);

#endif
