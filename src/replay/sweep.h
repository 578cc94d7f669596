/* Variants of rule files: --set PATH=v1,v2 | lo..hi/step.
 *
 * PATH is RULE.key[.key|[i]], vars.NAME, or RULE.key#N: the N-th number (from 1) of an
 * expression.  The text is edited at the place of the value, so that a variant goes the
 * same way as a file: parsed, checked, with positions. */
#ifndef REPLAY_SWEEP_H
#define REPLAY_SWEEP_H

#include "base/err.h"
#include "rules/ruleset.h"

#define SWEEP_MAX 64		/* variants: the product of all axes */

struct sweep_axis {
	struct str	 path;
	struct str	*values;
	uint32_t	 n;
};
/* "path=1,2,3", "path=0.1..0.3/0.05", "path=1h..6h/1h". */
bool sweep_parse(struct str text, struct arena *, struct sweep_axis *ret, struct err *);
/* The texts with `value` at `path`; those that are not changed are shared. */
bool sweep_apply(const struct rule_text *, uint32_t n, struct str path, struct str value,
    struct arena *, struct rule_text **ret, struct err *);
#endif
