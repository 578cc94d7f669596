/* tmpl_compile() with what the loader needs besides. */
#ifndef RULES_TMPL_BUILD_H
#define RULES_TMPL_BUILD_H

#include "rules/load.h"
#include "rules/tmpl.h"

struct tmpl_build {
	const struct expr_env *env;
	bool		 text;		/* constant scalars become strings: argv, env */
	/* before each scalar with an expression; or NULL */
	void		(*on_scalar)(void *, const struct yaml *);
	void		*ctx;
	struct arena	*arena;
	struct diags	*diags;
};

bool tmpl_build(const struct tmpl_build *, const struct yaml *, struct tmpl *ret);
/* The YAML traps around one expression; false when one was complained about. */
bool trap_check(struct load *, const struct yaml *, const char *where);

#endif
