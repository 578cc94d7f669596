/* Regular expressions for matches(): PCRE2's interpreter over UTF-8, limited to
 * what needs no backtracking into captures, and bounded in steps. */
#ifndef EXPR_REGEX_H
#define EXPR_REGEX_H

#include "expr/value.h"

struct machine;
struct regex;

#define REGEX_PATTERN_MAX 1024

/* In the arena.  NULL: msg says why, at byte *ret_off of the pattern. */
struct regex *regex_compile(struct str pattern, struct arena *, char *msg,
    size_t msg_size, uint32_t *ret_off);
/* Unanchored; bool, or an error VALUE_COST past a limit. */
struct value regex_match(const struct regex *, struct str subject, struct machine *);
#endif
