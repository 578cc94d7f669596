/* A tree of YAML with ${ } in its strings: params, with:, env, argv, promote. */
#ifndef RULES_TMPL_H
#define RULES_TMPL_H

#include "expr/expr.h"

enum tmpl_kind { TMPL_CONST = 1, TMPL_PROG, TMPL_LIST, TMPL_MAP };
struct tmpl {
	enum tmpl_kind	 kind;
	struct value	 value;		/* CONST */
	const struct prog *prog;	/* PROG */
	struct str	*keys;		/* MAP */
	struct tmpl	*items;		/* LIST, MAP */
	uint32_t	 n;
	struct span	 at;
};
/* Compiles every scalar under `node`; false when an error was added. */
bool tmpl_compile(const struct expr_env *, const struct yaml *node, struct tmpl *ret,
    struct arena *, struct diags *);
/* The value, or the first error met. */
struct value tmpl_eval(const struct tmpl *, struct eval *);
/* Calls f for every program in the tree. */
void tmpl_each_prog(const struct tmpl *, void (*f)(void *, const struct prog *), void *);
#endif
