/* JSON strings as they stand between their quotes (private to this floor). */
#ifndef EVENT_QUOTED_H
#define EVENT_QUOTED_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "event/scan.h"

struct quoted {
	struct str	 raw;
	bool		 escaped, nul, ascii;	/* nul: holds U+0000 */
};

/* Length of the UTF-8 sequence at p, 0 if it is none (overlong, surrogate, beyond
 * U+10FFFF or cut off included). */
unsigned utf8_sequence(const char *p, const char *end);
/* From scan.p, inside the quotes; afterwards behind the closing one. */
bool quoted_rest(struct scan *, struct quoted *);
/* The string's own bytes, into the arena. */
bool quoted_unescape(struct scan *, const struct quoted *, struct str *ret);

#ifdef __SSE2__
/* Bit i: byte i is a quote, a backslash, a control character or not ASCII. */
static inline unsigned special16(const char *p)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	/* signed: below ' ' are the controls and everything from 0x80 */
	__m128i hit = _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(' ')),
	    _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
		_mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));

	return (unsigned)_mm_movemask_epi8(hit);
}
#endif

/* scan.p stands on the opening quote.  Most strings are short and plain: one look. */
static inline bool quoted_scan(struct scan *s, struct quoted *ret)
{
	s->p++;
#ifdef __SSE2__
	if (s->end - s->p >= 16) {
		unsigned hit = special16(s->p), n;

		n = hit ? (unsigned)__builtin_ctz(hit) : 0;
		if (hit && s->p[n] == '"') {
			*ret = (struct quoted){{s->p, n}, false, false, true};
			s->p += n + 1;
			return true;
		}
	}
#endif
	return quoted_rest(s, ret);
}
#endif
