/* The one walk over JSON bytes (private to this floor).
 *
 * A walk checks every byte, whatever is wanted; a node of the plan's tree says
 * what to keep on the way.  It accepts exactly what jansson accepts with
 * JSON_ALLOW_NUL | JSON_DECODE_ANY, within the limits:
 *   - strict UTF-8, no control characters in strings, \u surrogates in pairs only;
 *   - a key that holds U+0000 is refused, a value may;
 *   - an integer literal beyond int64 and a real beyond double are refused (no
 *     silent rounding); a number with a fraction or exponent is a double.
 * One exception: a zero byte in the text is always refused, which jansson 2.14 lets
 * pass right behind a number or a literal. */
#ifndef EVENT_SCAN_H
#define EVENT_SCAN_H

#include "event/event.h"

#define SLOT_NONE UINT32_MAX

/* Attributes that every CloudEvent walk keeps, in slots behind the plan's own. */
enum scan_attr {
	ATTR_ID, ATTR_SOURCE, ATTR_TYPE, ATTR_SUBJECT, ATTR_TIME, ATTR_SPECVERSION,
	ATTR_CONTENT, ATTR_BASE64, ATTR_DEPTH, ATTR_N,
};

struct scan_node {
	struct str	 key;
	struct scan_node *child;	/* by (length, bytes) once finished */
	uint32_t	 n, cap;
	uint32_t	 slot;		/* of the plan, or SLOT_NONE */
	uint32_t	 inner;		/* number among nodes with children */
	uint64_t	 lens;		/* bit (length mod 64) of each child's key */
	uint8_t		 attr;		/* enum scan_attr + 1, or 0 */
	bool		 is_data;	/* keep its text in scan.data */
};

struct scan_tree {
	struct scan_node root;		/* members of a CloudEvent, "data" too */
	uint32_t	 inner;		/* how many nodes have children */
	uint32_t	 slot[ATTR_N];	/* of path "event.<attr>", or SLOT_NONE */
};

struct scan {
	const char	*start, *p, *end;
	struct arena	*arena;
	struct value	*field;		/* plan->n, then ATTR_N; NULL: keep nothing */
	struct value	*attr;		/* field + plan->n */
	uint64_t	*seen;		/* bit per inner node: met in this document */
	struct str	 data;		/* text of the node marked is_data */
	uint32_t	 depth, depth_max, keys, keys_max;
	enum event_refusal refusal;	/* p stands at the offending byte */
};

static inline bool scan_fail(struct scan *s, enum event_refusal why, const char *at)
{
	s->refusal = why;
	s->p = at;
	return false;
}
/* Starts over `text`.  False (EVENT_TOO_LARGE) when the limits or the arena say no. */
bool scan_init(struct scan *, struct str text, const struct event_limits *,
    struct arena *);
/* Fresh slots for one event. */
bool scan_slots(struct scan *, const struct plan *);
/* One value with the space before it; node NULL: check only. */
bool scan_value(struct scan *, const struct scan_node *);
/* Only space is left. */
bool scan_end(struct scan *);
/* Items of an array: call first with *n == 0; true with p on each item, false at
 * the end (refusal is EVENT_OK) or at an error. */
bool scan_item(struct scan *, uint32_t *n);
const struct scan_node *scan_child(const struct scan_node *, struct str key);
const struct scan_node *plan_root(const struct plan *);		/* a CloudEvent */
const struct scan_node *plan_data(const struct plan *);		/* its data */
#endif
