/* UTF-8 by hand where GLib will not do: our texts may hold NUL.  Everything
 * here takes a length, and counts in code points where it says so. */
#ifndef EXPR_UTF8_H
#define EXPR_UTF8_H

#include "base/str.h"

/* Length in bytes of the code point at p, which goes into *ret; 0 if malformed. */
uint32_t utf8_decode(const char *p, const char *end, uint32_t *ret);
/* Writes cp into buf[4]; returns the number of bytes. */
uint32_t utf8_encode(uint32_t cp, char *buf);
bool utf8_valid(struct str);
bool utf8_ascii(struct str);
uint32_t utf8_count(struct str);		/* code points of valid text */
/* Byte offset of code point `n` of valid text, at most s.len. */
uint32_t utf8_offset(struct str, uint32_t n);
#endif
