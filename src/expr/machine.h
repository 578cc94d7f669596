/* Running a program's instructions. */
#ifndef EXPR_MACHINE_H
#define EXPR_MACHINE_H

#include "expr/code.h"
#include "expr/fn.h"

/* m->eval holds the inputs; marks[] takes what MARK records (NULL: none). */
struct value machine_run(const struct prog *, const struct code *, struct machine *m,
    struct trace_row *marks);
#endif
