/* Rules that hold different limits against one and the same measure.
 *
 * A ladder has a rung per limit, sorted; when the measure moves, only the rules whose
 * rungs it crossed can change their answer.  Ten thousand limits on one series are then
 * looked up, not evaluated.  On one are signal rules that share selector, signal and
 * aggregate, whose `when` (and `recover`) is one comparison with a number, and whose
 * measure changes with samples alone: a count window.  The first rule, in rule order,
 * stands for all of them in the dispatch index. */
#ifndef RULES_LADDER_H
#define RULES_LADDER_H

#include "rules/ruleset.h"

#define LADDER_MIN 16		/* fewer rules are evaluated as fast one by one */

struct rung {
	double		 limit;
	uint32_t	 member;	/* index into ladder.rules */
};
struct ladder {
	struct str	 what;		/* the aggregate */
	uint32_t	*rules;		/* indexes of rules, ascending */
	uint32_t	 n, cap;
	/* Both ascend.  `open` are > and <=: crossed when from <= limit < to;
	 * `closed` are >= and <: when from < limit <= to (from the lesser of the two). */
	struct rung	*open, *closed;
	uint32_t	 open_n, open_cap, closed_n, closed_cap;
};
/* Sets rule.ladder where there is one; before the dispatch index is built. */
void ladders_build(struct ruleset *);
/* Calls f for each rung between the two values, a member perhaps twice. */
void ladder_crossed(const struct ladder *, double from, double to,
    void (*f)(void *, uint32_t member), void *ctx);
#endif
