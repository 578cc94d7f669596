/* CEL: compile once, evaluate often.
 *
 * A program is immutable and lives in the arena it was compiled into.  Names
 * become input numbers at compile time through the caller's resolver; event
 * fields (slots that the scanner fills) and variables are separate arrays, so
 * that a slot is shared by all rules.  Evaluation allocates only from the arena
 * given, costs are counted, and nothing reads a clock: `now` is a variable.
 *
 * Outcome classes: a value; VALUE_ERROR with aux VALUE_NO_DATA ("unknown"); any
 * other VALUE_ERROR.  In && and || NO_DATA wins over other errors. */
#ifndef EXPR_EXPR_H
#define EXPR_EXPR_H

#include "base/diag.h"
#include "expr/value.h"

struct prog;
struct yaml;
struct zones;

/* Where a name is found at run time. */
enum expr_space { EXPR_FIELD = 1, EXPR_VAR };
struct expr_ref {
	enum expr_space	 space;
	uint32_t	 input;		/* index into eval.fields or eval.vars */
	uint32_t	 used;		/* leading segments that it stands for, >= 1 */
};
/* path[0] is an identifier, the rest constant selections (`a.b`, `a["b"]`); what
 * is not used stays selection.  An input that is ABSENT reads as NO_DATA; has() of
 * a whole path is "the slot is not ABSENT", so an absent parent is false as well.
 * False: the name is not declared. */
typedef bool (*expr_resolve_f)(void *ctx, const struct str *path, uint32_t n,
    struct expr_ref *ret);
enum expr_type { EXPR_DYN = 0, EXPR_BOOL, EXPR_INT, EXPR_DOUBLE, EXPR_STRING,
	EXPR_TIMESTAMP, EXPR_DURATION, EXPR_LIST, EXPR_MAP };
struct expr_env {
	expr_resolve_f	 resolve;
	void		*ctx;
	const struct str *names;	/* declared; a path such as "event.time" too */
	const enum expr_type *types;	/* of names[i]; NULL: all dyn */
	uint32_t	 names_n;
	const struct str *methods;	/* what host objects' `call` takes; may be NULL */
	uint32_t	 methods_n;
	struct zones	*zones;		/* constant zone names are loaded into it */
};
/* Where the text stands, for positions in diagnostics. */
struct expr_source {
	struct str	 text;
	const struct yaml *node;	/* the scalar that holds it, or NULL: */
	uint32_t	 node_off;	/* offset of text within the scalar */
	struct span	 at;		/* ... then text starts at at.off of at.text */
};
/* An expression; `want` is checked where the type is known statically (EXPR_DYN:
 * any).  NULL after at least one error was added to diags. */
struct prog *expr_compile(const struct expr_env *, const struct expr_source *,
    enum expr_type want, struct arena *, struct diags *);
/* Text with ${ } parts: one whole ${ } keeps its type, else a string, into which
 * lists, maps and null go as JSON and the rest as string() has it.  "$${" is a
 * literal "${".  A text without ${ } compiles to the constant string. */
struct prog *expr_compile_template(const struct expr_env *, const struct expr_source *,
    struct arena *, struct diags *);

struct expr_limits {
	int64_t		 cost;		/* 0: 100,000 */
	uint32_t	 iterations;	/* 0: 10,000 */
};
struct trace_row {
	uint32_t	 off, len;	/* of prog's text */
	uint8_t		 depth;		/* 0: the whole expression */
	bool		 skipped;	/* short-circuited: not evaluated */
	struct value	 value;
};
struct trace {			/* rows in source order, outermost first; in eval.arena */
	struct trace_row *v;
	uint32_t	 n, cap;
};
struct eval {			/* borrowed during the call */
	struct value	*fields;	/* RAW members are replaced by their values */
	const struct value *vars;
	struct arena	*arena;		/* results, temporaries; the caller resets it */
	const struct zones *zones;
	struct expr_limits limits;
	int64_t		 cost;		/* added to */
	struct trace	*trace;		/* NULL: do not record */
};
struct value expr_eval(const struct prog *, struct eval *);

struct str expr_text(const struct prog *);	/* the source text */
bool expr_constant(const struct prog *, struct value *ret);	/* folded to a constant */
/* Inputs the program reads, each once, ascending by (space, input). */
uint32_t expr_inputs(const struct prog *, const struct expr_ref **ret);
/* Top-level conjuncts of the form `field == "constant"`; up to `cap`, for the
 * dispatch index.  A false conjunct makes the whole program false or an error. */
struct expr_equal { uint32_t field; struct str text; };
uint32_t expr_conjuncts(const struct prog *, struct expr_equal *ret, uint32_t cap);
/* A program that is one comparison of a member of a variable with a finite number, as
 * "v.avg > 0.2" or "0.2 < v.avg".  False: it is something else. */
enum expr_relation { EXPR_BELOW = 1, EXPR_AT_MOST, EXPR_ABOVE, EXPR_AT_LEAST };
struct expr_limit {
	uint32_t	 var;		/* index into eval.vars */
	struct str	 member;
	enum expr_relation relation;	/* of the member to the limit */
	double		 limit;
};
bool expr_limit(const struct prog *, struct expr_limit *ret);
/* "no such key: 'psi' at 1:6", for logs and traces. */
void expr_error_print(const struct prog *, struct value error, GString *out);
/* AST and instructions, for debugging */
void expr_dump(const struct prog *, GString *out);
#endif
