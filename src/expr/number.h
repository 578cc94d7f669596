/* Numbers and times as text, without the locale. */
#ifndef EXPR_NUMBER_H
#define EXPR_NUMBER_H

#include "expr/value.h"

/* Shortest digits that read back as the same double; exponent form below 1e-4
 * and from 1e21; "NaN", "Infinity", "-Infinity".  A whole number has no point. */
void print_double(double, GString *out);
/* RFC 3339 in UTC with as many fraction digits as needed. */
void print_timestamp(struct value, GString *out);
void print_duration(int64_t ns, GString *out);	/* "60.001s" */
bool parse_double(struct str, double *ret);	/* decimal, NaN, Infinity */
bool parse_int(struct str, int64_t *ret);
bool parse_uint(struct str, uint64_t *ret);
/* Go syntax: [+-](number unit)+, units h m s ms us ns, or "0". */
bool parse_duration(struct str, int64_t *ret_ns);
bool parse_timestamp(struct str, struct value *ret);
/* What to say instead for a text with a day or week unit, else NULL. */
bool duration_has_days(struct str, int64_t *ret_hours);
#endif
