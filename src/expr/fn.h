/* The functions of CEL that are no operators.
 *
 * A row is one overload: the sets of types that it takes, for the checker.  Rows
 * of one name, style and number of arguments share one `call`, which looks at
 * the tags itself, because an argument may be dynamic.  Arguments are never
 * errors.  To add a function: a row in the table of an fn_*.c. */
#ifndef EXPR_FN_H
#define EXPR_FN_H

#include "expr/ast.h"

struct machine;

typedef struct value (*fn_call_f)(struct machine *, const struct value *arg, unsigned n);
enum fn_style { FN_GLOBAL = 1, FN_MEMBER };	/* f(x); x.f() */
enum fn_flag {
	FN_LITERAL = 1,		/* a constant that it refuses is a compile error */
	FN_ZONE = 2,		/* the last argument is a time zone */
	FN_INTERNAL = 4,	/* not to be written by users */
};
struct fn {
	const char	*name;
	enum fn_style	 style;
	unsigned	 flags;
	unsigned	 ret;		/* TYPE_* */
	unsigned	 n;
	unsigned	 arg[4];	/* TYPE_*; arg[0] is the receiver of a member */
	fn_call_f	 call;
};

/* What functions and the machine share during one evaluation. */
struct machine {
	struct eval	*eval;		/* NULL while folding */
	const struct zones *zones;
	struct arena	*arena;
	int64_t		 cost, cost_max;
	uint32_t	 iterations;	/* left */
};

extern const struct fn fn_std[], fn_string[], fn_time[];	/* end at a NULL name */

/* The row that takes these types, or NULL; *ret_type joins all rows that might. */
const struct fn *fn_find(struct str name, enum fn_style, const unsigned *types,
    unsigned n, unsigned *ret_type);
/* Whether a name exists at all in this style.  *ret_n, the receiver included, is n
 * if it takes that many arguments, else the nearest number that it takes. */
bool fn_known(struct str name, enum fn_style, unsigned n, unsigned *ret_n);
const struct fn *fn_internal(const char *name);
/* Every name that users may write, for did-you-mean. */
uint32_t fn_names(struct arena *, const struct str **ret);
/* Part of CEL and its usual extensions, but not in this version. */
bool fn_later(struct str name);

/* For functions: "no such overload: f(int, string)" or "...: int.f(string)". */
struct value fn_refuse(struct machine *, const char *name, enum fn_style,
    const struct value *arg, unsigned n);
/* Charges; false past the limit, when the function returns value_fail_cost(). */
bool machine_charge(struct machine *, int64_t cost);
#define LIMIT_COST "cost limit of the evaluation"
/* A new string of the evaluation from a GString, which is freed; an error if it is
 * longer than TEXT_MAX. */
struct value machine_string(struct machine *, GString *);
/* string(x); also for the parts of templates. */
struct value value_to_string(struct machine *, struct value);
#endif
