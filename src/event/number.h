/* One JSON number (private to this floor). */
#ifndef EVENT_NUMBER_H
#define EVENT_NUMBER_H

#include "expr/value.h"

/* Moves *p behind the number; fills *out (may be NULL) with an INT, or a DOUBLE
 * where there is a fraction or an exponent.  False: no JSON number here, an integer
 * beyond int64 or a real beyond double; *p is then at the offence. */
bool number_scan(const char **p, const char *end, struct value *out);
#endif
