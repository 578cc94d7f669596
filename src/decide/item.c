/* Kept events: what waits in a batch or for the rest of a join.
 *
 *	cell: item_cell, the event as last.c encodes it, the dedupe value
 *
 * The event's record is a last_cell without a key, so that whatever reads the last event
 * of a key reads these too.
 *
 * Invariant: an item is at most CELL_MAX bytes; values that do not fit are left out.
 */
#include "decide/priv.h"

static struct item *item_new(struct decide *d, int64_t t_ms, uint8_t depth, bool cut,
    struct str dedupe)
{
	uint32_t bytes = (uint32_t)sizeof(struct item_cell) + d->bytes->len + dedupe.len;
	struct item *it = ARENA_NEW(d->arena, struct item);
	struct item_cell *c = arena_alloc(d->arena, bytes);
	char *p = (char *)(c + 1);

	memset(c, 0, sizeof(*c));
	c->dedupe_len = (uint16_t)dedupe.len;
	c->has_dedupe = dedupe.p != NULL;
	c->seq = d->seq;
	c->ev.head.key_off = sizeof(c->ev);
	c->ev.time_ms = t_ms;
	c->ev.depth = depth;
	c->ev.cut = cut;
	c->ev.bytes = d->bytes->len;
	memcpy(p, d->bytes->data, d->bytes->len);
	if (dedupe.len)
		memcpy(p + d->bytes->len, dedupe.p, dedupe.len);
	*it = (struct item){ c, bytes };
	return it;
}

struct item *item_of_event(struct decide *d, const struct rule_state *rs,
    const struct event *ev, uint32_t selector, int64_t t_ms, struct str dedupe)
{
	struct item *it;
	bool cut = kept_encode(d, ev, rs->reads, rs->reads_n,
	    CELL_MAX - (uint32_t)sizeof(struct item_cell) - KEY_BYTES_MAX);

	it = item_new(d, t_ms, ev->depth, cut, dedupe);
	it->c->selector = (uint16_t)selector;
	return it;
}

struct item *item_of_due(struct decide *d, uint32_t schedule, int64_t due_ms)
{
	struct item *it;

	kept_encode_due(d);
	it = item_new(d, due_ms, 0, false, (struct str){ 0 });
	it->c->due_ms = due_ms;
	it->c->schedule = schedule;
	return it;
}

uint32_t item_store(struct decide *d, const struct item *it)
{
	uint32_t cell = cells_add(d->cells, CELL_ITEM, it->bytes);
	struct item_cell *c = cells_touch(d->cells, cell);

	memcpy(c, it->c, it->bytes);
	c->next = 0;
	return cell;
}

/* In the arena: the cell may go. */
struct item *item_load(struct decide *d, uint32_t cell)
{
	struct item *it = ARENA_NEW(d->arena, struct item);

	it->bytes = cells_bytes(d->cells, cell);
	it->c = arena_alloc(d->arena, it->bytes);
	memcpy(it->c, cells_get(d->cells, cell), it->bytes);
	return it;
}

/* The same event with the dedupe value of what it completed. */
struct item *item_with(struct decide *d, const struct item *of, struct str dedupe)
{
	struct item *it = ARENA_NEW(d->arena, struct item);
	uint32_t head = (uint32_t)sizeof(*of->c) + of->c->ev.bytes;

	it->bytes = head + dedupe.len;
	it->c = arena_alloc(d->arena, it->bytes);
	memcpy(it->c, of->c, head);
	it->c->has_dedupe = 1;
	it->c->dedupe_len = (uint16_t)dedupe.len;
	if (dedupe.len)
		memcpy((char *)it->c + head, dedupe.p, dedupe.len);
	return it;
}

struct str item_dedupe(const struct item_cell *c)
{
	const char *p = (const char *)(c + 1) + c->ev.bytes;

	return c->has_dedupe ? (struct str){ p, c->dedupe_len } : (struct str){ 0 };
}

void ctx_items(struct ctx *c, struct item **v, uint32_t n)
{
	c->items = v;
	c->items_n = n;
	c->last = &v[n - 1]->c->ev;
	for (uint32_t i = 0; i < n; i++)
		c->depth = MAX(c->depth, v[i]->c->ev.depth);
}
