/* JSON writer into a GString.  Commas are put by the caller-visible pair
 * json_open/json_close and json_key/json_item, which look at the last byte:
 * a comma is added unless it is one of "{[:," or the string is empty. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <glib.h>

#include "base/str.h"

void json_open(GString *, char brace);		/* '{' or '[' as a value or item */
void json_close(GString *, char brace);
void json_key(GString *, const char *);		/* ,"key": */
void json_key_str(GString *, struct str);
void json_str(GString *, struct str);		/* invalid UTF-8 becomes U+FFFD */
void json_cstr(GString *, const char *);	/* NULL: null */
void json_i64(GString *, int64_t);
/* Shortest round trip, always with '.' or exponent ("1.0"); non-finite: null. */
void json_double(GString *, double);
void json_bool(GString *, bool);
void json_nil(GString *);	/* null; jansson has the name json_null */
void json_raw(GString *, struct str);		/* already JSON; empty: null */
/* RFC 3339 with milliseconds; TIME_NONE: null. */
void json_time(GString *, int64_t ms);
#endif
