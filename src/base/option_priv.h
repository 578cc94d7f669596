/* Between option.c (maps, keys, fallbacks) and option_value.c (one value). */
#ifndef BASE_OPTION_PRIV_H
#define BASE_OPTION_PRIV_H

#include "base/option.h"

struct option_take {			/* one read of a table */
	struct arena	*arena;
	struct diags	*diags;
	bool		 known;		/* complain about unknown keys */
};

/* Any type but MAP. */
bool option_store(struct option_take *, const struct option *, const struct yaml *,
    void *at);
/* Adds "'name' expects <expected>, not <y>"; returns false. */
bool option_wrong(struct option_take *, const struct option *, const struct yaml *y,
    const char *expected);
/* "'abc'" for a scalar, else what it is. */
struct str option_shown(struct option_take *, const struct yaml *);
#endif
