/* Accounts of budgets: what runs have reserved, and what they used in the end.
 *
 * Admission reserves one run, or the hours it is thought to take (the median of the
 * pipeline's last 20 completed runs, else its timeout, else one hour) times what it takes
 * up.  Its end settles that to what it was, in the period of its admission; a run that
 * never began gets all of it back.  A person's run is charged and never stopped. */
#ifndef FLOW_BUDGET_H
#define FLOW_BUDGET_H

#include "flow/live.h"

/* False: over a limit; *v says which, until when, and whether the firing waits. */
bool budget_admits(struct world *, const struct order *, struct verdict *v);
void budget_reserve(struct world *, const struct order *, struct run *);
void budget_settle(struct world *, struct run *);	/* it is terminal */
void budget_load(struct world *, uint32_t cell);
#endif
