/* Names, overloads and types; constants. */
#ifndef EXPR_CHECK_H
#define EXPR_CHECK_H

#include "expr/ast.h"

/* Resolves every name and call, and narrows node.type; false after an error. */
bool check_tree(struct front *, struct node *);
/* Numbers given to local variables are below this. */
#define CHECK_LOCALS 64
/* Replaces what is constant by its value.  Constant arguments that a function
 * refuses, and arithmetic that fails whenever it is reached, are errors. */
bool fold_tree(struct front *, struct node **);
#endif
