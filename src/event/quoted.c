/* JSON strings: UTF-8, escapes, and what is refused in them.
 *
 * Sixteen bytes are looked at together while sixteen are there; a quote, a backslash,
 * a control character and everything that is not ASCII stop that and are handled one
 * by one.  Escapes are checked whether or not the string is wanted, and undone only
 * where it is: the second pass may trust the first.
 */
#include "event/quoted.h"

#include "base/arena.h"

/* The first special byte from p, `end` if there is none. */
static const char *plain_end(const char *p, const char *end)
{
#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		unsigned hit = special16(p);

		if (hit)
			return p + __builtin_ctz(hit);
	}
#endif
	for (; p < end; p++)
		if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ' || *p & 0x80)
			break;
	return p;
}

unsigned utf8_sequence(const char *p, const char *end)
{
	const unsigned char *u = (const unsigned char *)p;
	ptrdiff_t left = end - p;

	if (u[0] < 0x80)
		return 1;
	if (u[0] < 0xc2 || u[0] > 0xf4 || left < 2 || (u[1] & 0xc0) != 0x80)
		return 0;
	if (u[0] < 0xe0)
		return 2;
	if (left < 3 || (u[2] & 0xc0) != 0x80)
		return 0;
	if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f))
		return 0;		/* overlong, surrogate */
	if (u[0] < 0xf0)
		return 3;
	if (left < 4 || (u[3] & 0xc0) != 0x80)
		return 0;
	return (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f) ? 0 : 4;
}

static int hex4(const char *p, const char *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int d = g_ascii_xdigit_value(p[i]);

		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

/* Length of the escape at p (a backslash) and its code point; 0: no valid escape. */
static unsigned escape(const char *p, const char *end, uint32_t *code)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	int hi, lo;

	if (end - p < 2)
		return 0;
	if (p[1] != 'u') {
		at = p[1] ? strchr(from, p[1]) : NULL;
		*code = at ? (uint32_t)to[at - from] : 0;
		return at ? 2 : 0;
	}
	hi = hex4(p + 2, end);
	if (hi < 0 || (hi >= 0xdc00 && hi <= 0xdfff))
		return 0;
	*code = (uint32_t)hi;
	if (hi < 0xd800 || hi > 0xdfff)
		return 6;
	if (end - p < 12 || p[6] != '\\' || p[7] != 'u')
		return 0;
	lo = hex4(p + 8, end);
	if (lo < 0xdc00 || lo > 0xdfff)
		return 0;
	*code = 0x10000 + (((uint32_t)hi & 0x3ff) << 10 | ((uint32_t)lo & 0x3ff));
	return 12;
}

bool quoted_rest(struct scan *s, struct quoted *ret)
{
	const char *from = s->p, *p = from;
	uint32_t code;
	unsigned n;

	*ret = (struct quoted){.ascii = true};
	for (;;) {
		p = plain_end(p, s->end);
		if (p == s->end)
			return scan_fail(s, EVENT_NOT_JSON, p);
		if (*p == '"')
			break;
		if (*p == '\\') {
			n = escape(p, s->end, &code);
			if (!n)
				return scan_fail(s, EVENT_NOT_JSON, p);
			ret->escaped = true;
			ret->ascii &= code < 0x80;
			ret->nul |= code == 0;
		} else if ((unsigned char)*p < 0x80) {
			return scan_fail(s, EVENT_NOT_JSON, p);
		} else {
			n = utf8_sequence(p, s->end);
			if (!n)
				return scan_fail(s, EVENT_NOT_UTF8, p);
			ret->ascii = false;
		}
		p += n;
	}
	ret->raw = (struct str){from, (uint32_t)(p - from)};
	s->p = p + 1;
	return true;
}

/* Unescaped text is never longer than the escaped. */
bool quoted_unescape(struct scan *s, const struct quoted *t, struct str *ret)
{
	const char *p = t->raw.p, *end = p + t->raw.len;
	char *out = arena_alloc(s->arena, t->raw.len);
	uint32_t n = 0, code = 0;

	if (!out)
		return scan_fail(s, EVENT_TOO_LARGE, p);
	while (p < end) {
		if (*p != '\\') {
			out[n++] = *p++;
			continue;
		}
		p += escape(p, end, &code);
		n += (uint32_t)g_unichar_to_utf8(code, out + n);
	}
	*ret = (struct str){out, n};
	return true;
}
