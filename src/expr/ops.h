/* The operators of CEL on values: what the machine's generic instructions and
 * the constant folder both call, so that folded and evaluated never differ.
 * Operands are no errors, except for op_and() and op_or(). */
#ifndef EXPR_OPS_H
#define EXPR_OPS_H

#include "expr/value.h"

#define TEXT_MAX 65536	/* bytes of a string that an evaluation makes */

enum operator {
	OPR_NONE = 0, OPR_ADD, OPR_SUB, OPR_MUL, OPR_DIV, OPR_MOD, OPR_EQ, OPR_NE, OPR_LT,
	OPR_LE, OPR_GT, OPR_GE, OPR_IN, OPR_NEG, OPR_NOT,
};
extern const char *const operator_text[];

static inline bool num_is(struct value v)
{
	return v.tag == VALUE_INT || v.tag == VALUE_UINT || v.tag == VALUE_DOUBLE;
}
/* <0, 0, >0 on one number line, as cel-go does it; 2 if one is NaN. */
int num_compare(struct value, struct value);

struct value op_binary(enum operator, struct value, struct value, struct arena *);
struct value op_unary(enum operator, struct value, struct arena *);
/* Error absorption; NO_DATA wins over other errors. */
struct value op_and(struct value, struct value);
struct value op_or(struct value, struct value);
struct value op_index(struct value of, struct value at, struct arena *);
struct value op_select(struct value of, struct str name, struct arena *);
/* What has() and `in` look at: bool or error. */
struct value op_has(struct value of, struct str name, struct arena *);
/* What an operation costs beyond 1: lengths that it walks over. */
int64_t op_cost(enum operator, struct value, struct value);

/* Errors; the text is made in the arena, or is static where that is full. */
struct value value_fail(struct arena *, enum value_error, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
struct value value_fail_cost(const char *what);
const char *type_word(struct value);	/* for messages: "null", "timestamp" */
bool time_in_range(int64_t sec);
struct value duration_ns(int64_t);
#endif
