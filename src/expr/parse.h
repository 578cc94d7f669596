/* Text to tree. */
#ifndef EXPR_PARSE_H
#define EXPR_PARSE_H

#include "expr/ast.h"

/* Bytes [from, to) of the source text; NULL after at least one error. */
struct node *parse_expr(struct front *, uint32_t from, uint32_t to);
/* A text with ${ } parts; "$${" stands for "${". */
struct node *parse_template(struct front *);

/* macro.c: the expansion of a call by its shape, or NULL if it is none.  A macro
 * that is used wrongly is reported, and gives a constant. */
struct node *macro_expand(struct front *, struct node *call);
#endif
