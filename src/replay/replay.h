/* The other caller of world_input(): explain, test, backtest, diff, verify, fed by an
 * iterator.  In this version: explaining from the state as it is. */
#ifndef REPLAY_REPLAY_H
#define REPLAY_REPLAY_H

#include "flow/world.h"

/* Why the rule did or did not fire for this key: decide's trace JSON, evaluated again
 * from the state as it is (nothing changes), with "evaluated_again": true. */
bool replay_explain(struct world *, struct str rule, struct str key, int64_t wall_ms,
    int64_t tick_ms, GString *json, struct err *);
/* A trace (of a decision or of replay_explain) as the text that people read:
 *	RULE key=KEY TIME FIRED decision 1841 run train-412
 *	why: ...
 *	  psi.avg > 0.2     true  0.2333  (n 180, min 30, over 6h)
 *	state: ...
 *	passed: ... / blocked: ... / not asked: ... */
bool replay_explain_text(struct str json, GString *text, struct err *);
#endif
