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
 * Strings are in quoted.c, numbers in number.c.
 * jansson's lexer (load.c) is what the grammar was read from; the differential
 * test tests/unit/event/test_scan_diff.c holds the two together.
 */
#include "event/scan.h"

#include "base/arena.h"
#include "event/number.h"
#include "event/quoted.h"

#define DEPTH_MAX 512			/* bounds the recursion whatever a config says */

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
	return text.len <= bytes || scan_fail(s, EVENT_TOO_LARGE, s->start + bytes);
}

bool scan_slots(struct scan *s, const struct plan *plan)
{
	uint32_t words = plan->tree->inner / 64 + 1;
	size_t slots = sizeof(struct value) * (plan->n + ATTR_N);
	char *block = arena_alloc(s->arena, slots + words * sizeof(uint64_t));

	if (!block)
		return scan_fail(s, EVENT_TOO_LARGE, s->p);
	s->field = (struct value *)(void *)block;
	s->attr = s->field + plan->n;
	s->seen = (uint64_t *)(void *)(block + slots);
	s->data = (struct str){NULL, 0};
	return true;
}

static const char *skip_more(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

/* Writers of events put no space, or one: one comparison where there is none. */
static inline const char *skip_space(const char *p, const char *end)
{
	return p < end && (unsigned char)*p <= ' ' ? skip_more(p, end) : p;
}

static bool unexpected(struct scan *s, const char *at)
{
	bool foreign = at < s->end && *at & 0x80 && !utf8_sequence(at, s->end);

	return scan_fail(s, foreign ? EVENT_NOT_UTF8 : EVENT_NOT_JSON, at);
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
	if (!quoted_scan(s, &key))
		return false;
	if (key.nul)
		return scan_fail(s, EVENT_NOT_JSON, at);
	if (++s->keys > s->keys_max)
		return scan_fail(s, EVENT_TOO_MANY_KEYS, at);
	if (node && node->n) {
		if (key.escaped && !quoted_unescape(s, &key, &key.raw))
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
		return quoted_scan(s, &key);
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
			return scan_fail(s, EVENT_TOO_DEEP, s->p);
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

	if (!quoted_scan(s, &t))
		return false;
	if (!out)
		return true;
	if (t.escaped && !quoted_unescape(s, &t, &t.raw))
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
		return scan_fail(s, EVENT_TOO_DEEP, from);
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
		return scan_fail(s, EVENT_NOT_JSON, s->p);
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
