/* The JSON path scanner: one structural pass that checks everything and keeps what
 * the plan names.
 *
 * Invariants
 *   (1) No byte at or after `end` is read: sixteen at a time while sixteen are
 *       there, then one by one (librdkafka's messages lie side by side, unpadded).
 *   (2) Accepting depends on the bytes and the limits, never on the node: whatever
 *       is checked for a wanted value is checked for an unwanted one.
 *   (3) The last duplicate key wins, its whole subtree included: an inner node that
 *       is met again in a document first forgets what it had filled.
 *   (4) Numbers, strings without escapes, objects and arrays are kept without a
 *       copy; only a wanted string with escapes takes memory, from the arena.
 *
 * jansson's lexer (load.c) is what the grammar was read from; the differential
 * test tests/unit/event/test_scan_diff.c holds the two together.
 */
#include "event/scan.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/arena.h"
#include "event/number.h"

#define DEPTH_MAX 512			/* bounds the recursion whatever a config says */

struct quoted {				/* a string as it stands between its quotes */
	struct str	 raw;
	bool		 escaped, nul, ascii;
};

static bool fail(struct scan *s, enum event_refusal why, const char *at)
{
	s->refusal = why;
	s->p = at;
	return false;
}

bool scan_init(struct scan *s, struct str text, const struct event_limits *lim,
    struct arena *arena)
{
	uint32_t bytes = lim->bytes ? lim->bytes : 1 << 20;
	uint32_t depth = lim->depth ? lim->depth : 64;

	*s = (struct scan){.start = text.p, .p = text.p, .end = text.p + text.len,
		.arena = arena, .keys_max = lim->keys ? lim->keys : 10000,
		.depth_max = depth < DEPTH_MAX ? depth : DEPTH_MAX};
	if (!text.p)
		s->start = s->p = s->end = "";
	return text.len <= bytes || fail(s, EVENT_TOO_LARGE, s->start + bytes);
}

bool scan_slots(struct scan *s, const struct plan *plan)
{
	uint32_t words = plan->tree->inner / 64 + 1;
	size_t slots = sizeof(struct value) * (plan->n + ATTR_N);
	char *block = arena_alloc(s->arena, slots + words * sizeof(uint64_t));

	if (!block)
		return fail(s, EVENT_TOO_LARGE, s->p);
	s->field = (struct value *)(void *)block;
	s->attr = s->field + plan->n;
	s->seen = (uint64_t *)(void *)(block + slots);
	s->data = (struct str){NULL, 0};
	return true;
}

static inline const char *skip_space(const char *p, const char *end)
{
	/* one comparison where there is none, as writers of events do it */
	while (p < end && (unsigned char)*p <= ' ' &&
	    (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

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
	while (
	    p < end && *p != '"' && *p != '\\' && *p >= ' ' && (unsigned char)*p < 0x80)
		p++;
	return p;
}

/* Length of the UTF-8 sequence at p, 0 if it is none (overlong, surrogate, beyond
 * U+10FFFF or cut off included). */
static unsigned utf8_length(const char *p, const char *end)
{
	const unsigned char *u = (const unsigned char *)p;
	ptrdiff_t left = end - p;

	if (u[0] < 0x80)
		return 1;
	if (u[0] < 0xc2 || u[0] > 0xf4)
		return 0;
	if (left < 2 || (u[1] & 0xc0) != 0x80)
		return 0;
	if (u[0] < 0xe0)
		return 2;
	if (left < 3 || (u[2] & 0xc0) != 0x80)
		return 0;
	if (u[0] < 0xf0)
		return (u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) ? 0
										      : 3;
	if (left < 4 || (u[3] & 0xc0) != 0x80)
		return 0;
	return (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f) ? 0 : 4;
}

static bool unexpected(struct scan *s, const char *at)
{
	bool bad = at < s->end && (unsigned char)*at >= 0x80 && !utf8_length(at, s->end);

	return fail(s, bad ? EVENT_NOT_UTF8 : EVENT_NOT_JSON, at);
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

/* From s->p, inside the quotes; afterwards behind the closing one.  Out of line, so
 * that the common case below needs no frame. */
__attribute__((noinline)) static bool string_rest(struct scan *s, struct quoted *ret)
{
	const char *from = s->p, *p = from;
	uint32_t code;
	unsigned n;

	*ret = (struct quoted){.ascii = true};
	for (;;) {
		p = plain_end(p, s->end);
		if (p == s->end)
			return fail(s, EVENT_NOT_JSON, p);
		if (*p == '"')
			break;
		if (*p == '\\') {
			n = escape(p, s->end, &code);
			if (!n)
				return fail(s, EVENT_NOT_JSON, p);
			ret->escaped = true;
			ret->ascii &= code < 0x80;
			ret->nul |= code == 0;
		} else if ((unsigned char)*p < 0x80) {
			return fail(s, EVENT_NOT_JSON, p);
		} else {
			n = utf8_length(p, s->end);
			if (!n)
				return fail(s, EVENT_NOT_UTF8, p);
			ret->ascii = false;
		}
		p += n;
	}
	ret->raw = (struct str){from, (uint32_t)(p - from)};
	s->p = p + 1;
	return true;
}

/* s->p stands on the opening quote.  Most strings are short and plain: one look. */
static inline bool string(struct scan *s, struct quoted *ret)
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
	return string_rest(s, ret);
}

/* The string's own bytes: unescaped text is never longer than the escaped. */
static bool unescape(struct scan *s, const struct quoted *t, struct str *ret)
{
	const char *p = t->raw.p, *end = p + t->raw.len;
	char *out = arena_alloc(s->arena, t->raw.len);
	uint32_t n = 0, code = 0;

	if (!out)
		return fail(s, EVENT_TOO_LARGE, p);
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

static bool literal(struct scan *s, struct str word)
{
	if (s->end - s->p < (ptrdiff_t)word.len || memcmp(s->p, word.p, word.len) != 0)
		return unexpected(s, s->p);
	s->p += word.len;
	return true;
}

static void forget(struct scan *s, const struct scan_node *node)
{
	for (uint32_t i = 0; i < node->n; i++) {
		const struct scan_node *c = &node->child[i];

		if (c->slot != SLOT_NONE)
			s->field[c->slot] = (struct value){.tag = VALUE_ABSENT};
		forget(s, c);
	}
}

/* Before a node is filled: what an earlier duplicate left below it goes. */
static void enter(struct scan *s, const struct scan_node *node)
{
	uint64_t *word = &s->seen[node->inner / 64],
		 bit = UINT64_C(1) << (node->inner & 63);

	if (*word & bit)
		forget(s, node);
	*word |= bit;
}

static bool any_value(struct scan *, const struct scan_node *, struct value *out);

static inline bool member(struct scan *s, const struct scan_node *node)
{
	const struct scan_node *child = NULL;
	const char *at = s->p;
	struct quoted key;

	if (s->p == s->end || *s->p != '"')
		return unexpected(s, s->p);
	if (!string(s, &key))
		return false;
	if (key.nul)
		return fail(s, EVENT_NOT_JSON, at);
	if (++s->keys > s->keys_max)
		return fail(s, EVENT_TOO_MANY_KEYS, at);
	if (node && node->n) {
		if (key.escaped && !unescape(s, &key, &key.raw))
			return false;
		if (node->lens >> (key.raw.len & 63) & 1)
			child = scan_child(node, key.raw);
	}
	s->p = skip_space(s->p, s->end);
	if (s->p == s->end || *s->p != ':')
		return unexpected(s, s->p);
	s->p++;
	if (child)
		return scan_value(s, child);
	s->p = skip_space(s->p, s->end);
	if (s->p < s->end && *s->p == '"')	/* most unwanted values */
		return string(s, &key);
	return any_value(s, NULL, NULL);
}

/* s->p stands on the brace. */
static bool object(struct scan *s, const struct scan_node *node)
{
	s->p = skip_space(s->p + 1, s->end);
	if (s->p < s->end && *s->p == '}') {
		s->p++;
		return true;
	}
	for (;;) {
		if (!member(s, node))
			return false;
		s->p = skip_space(s->p, s->end);
		if (s->p == s->end || (*s->p != ',' && *s->p != '}'))
			return unexpected(s, s->p);
		if (*s->p++ == '}')
			return true;
		s->p = skip_space(s->p, s->end);
	}
}

bool scan_item(struct scan *s, uint32_t *n)
{
	s->p = skip_space(s->p, s->end);
	if (*n == 0) {
		if (s->p == s->end || *s->p != '[')
			return unexpected(s, s->p);
		if (++s->depth > s->depth_max)
			return fail(s, EVENT_TOO_DEEP, s->p);
		s->p = skip_space(s->p + 1, s->end);
	}
	if (s->p < s->end && *s->p == ']') {
		s->p++;
		s->depth--;
		return false;
	}
	if (*n && (s->p == s->end || *s->p++ != ','))
		return unexpected(s, s->p - (s->p != s->end));
	s->p = skip_space(s->p, s->end);
	(*n)++;
	return true;
}

static bool array(struct scan *s)
{
	uint32_t n = 0;

	while (scan_item(s, &n))
		if (!scan_value(s, NULL))
			return false;
	return s->refusal == EVENT_OK;
}

static bool text_value(struct scan *s, struct value *out)
{
	struct quoted t;

	if (!string(s, &t))
		return false;
	if (!out)
		return true;
	if (t.escaped && !unescape(s, &t, &t.raw))
		return false;
	*out = (struct value){.tag = VALUE_STRING, .flags = t.ascii ? VALUE_ASCII : 0,
		.len = t.raw.len, .s = t.raw.p};
	return true;
}

static bool number_value(struct scan *s, struct value *out)
{
	return number_scan(&s->p, s->end, out) || unexpected(s, s->p);
}

static bool composite(struct scan *s, const struct scan_node *node, struct value *out)
{
	const char *from = s->p;

	if (*from == '{' && ++s->depth > s->depth_max)
		return fail(s, EVENT_TOO_DEEP, from);
	if (*from == '{' ? !object(s, node) : !array(s))
		return false;
	if (*from == '{')
		s->depth--;
	if (out)
		*out = (struct value){.tag = VALUE_RAW, .len = (uint32_t)(s->p - from),
			.s = from};
	return true;
}

static bool any_value(struct scan *s, const struct scan_node *node, struct value *out)
{
	bool yes;

	if (s->p == s->end)
		return fail(s, EVENT_NOT_JSON, s->p);
	switch (*s->p) {
	case '{':
	case '[':
		return composite(s, node, out);
	case '"':
		return text_value(s, out);
	case 't':
	case 'f':
		yes = *s->p == 't';
		if (!literal(s, yes ? STR("true") : STR("false")))
			return false;
		if (out)
			*out = value_bool(yes);
		return true;
	case 'n':
		if (!literal(s, STR("null")))
			return false;
		if (out)
			*out = value_null();
		return true;
	default:
		return number_value(s, out);
	}
}

bool scan_value(struct scan *s, const struct scan_node *node)
{
	struct value *out = NULL, attr = {.tag = VALUE_ABSENT};
	const char *from;

	s->p = from = skip_space(s->p, s->end);
	if (!node)
		return any_value(s, NULL, NULL);
	if (node->n)
		enter(s, node);
	if (node->slot != SLOT_NONE)
		out = &s->field[node->slot];
	else if (node->attr)
		out = &attr;
	if (!any_value(s, node, out))
		return false;
	if (node->attr)
		s->attr[node->attr - 1] = *out;
	if (node->is_data)
		s->data = (struct str){from, (uint32_t)(s->p - from)};
	return true;
}

bool scan_end(struct scan *s)
{
	s->p = skip_space(s->p, s->end);
	return s->p == s->end || unexpected(s, s->p);
}
