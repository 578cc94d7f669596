/* UTF-8: decode, encode, count.
 *
 * Strict as RFC 3629: no overlong forms, no surrogates, nothing above 10FFFF.
 * utf8_count() and utf8_offset() expect text that is valid already. */
#include "expr/utf8.h"

uint32_t utf8_decode(const char *p, const char *end, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const uint8_t *s = (const uint8_t *)p;
	uint32_t n, cp;

	if (p >= end)
		return 0;
	if (s[0] < 0x80) {
		*ret = s[0];
		return 1;
	}
	n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4 || (size_t)(end - p) < n)
		return 0;
	cp = s[0] & (0xffu >> (n + 1));
	for (uint32_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s[i] & 0x3f);
	}
	if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	*ret = cp;
	return n;
}

uint32_t utf8_encode(uint32_t cp, char *buf)
{
	if (cp < 0x80) {
		buf[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		buf[0] = (char)(0xc0 | cp >> 6);
		buf[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		buf[0] = (char)(0xe0 | cp >> 12);
		buf[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		buf[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	buf[0] = (char)(0xf0 | cp >> 18);
	buf[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	buf[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	buf[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

bool utf8_valid(struct str s)
{
	const char *p = s.p, *end = s.p + s.len;
	uint32_t cp, n;

	for (; p < end; p += n)
		if ((n = utf8_decode(p, end, &cp)) == 0)
			return false;
	return true;
}

bool utf8_ascii(struct str s)
{
	for (uint32_t i = 0; i < s.len; i++)
		if ((uint8_t)s.p[i] >= 0x80)
			return false;
	return true;
}

uint32_t utf8_count(struct str s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s.len; i++)
		n += ((uint8_t)s.p[i] & 0xc0) != 0x80;
	return n;
}

uint32_t utf8_offset(struct str s, uint32_t n)
{
	for (uint32_t i = 0; i < s.len; i++)
		if (((uint8_t)s.p[i] & 0xc0) != 0x80 && n-- == 0)
			return i;
	return s.len;
}
