/* Deadlines in order.
 *
 * Invariants: v[i]->pos == i + 1; no member is before its parent; a due with pos 0 is
 * in no heap.
 */
#include "decide/heap.h"

#include <glib.h>

#include "base/check.h"

static bool before(const struct due *a, const struct due *b)
{
	return a->at < b->at || (a->at == b->at && a->id < b->id);
}

static void put(struct heap *h, struct due *d, uint32_t i)
{
	h->v[i] = d;
	d->pos = i + 1;
}

static void up(struct heap *h, struct due *d, uint32_t i)
{
	while (i > 0 && before(d, h->v[(i - 1) / 2])) {
		put(h, h->v[(i - 1) / 2], i);
		i = (i - 1) / 2;
	}
	put(h, d, i);
}

static void down(struct heap *h, struct due *d, uint32_t i)
{
	for (;;) {
		uint32_t c = 2 * i + 1;

		if (c >= h->n)
			break;
		if (c + 1 < h->n && before(h->v[c + 1], h->v[c]))
			c++;
		if (!before(h->v[c], d))
			break;
		put(h, h->v[c], i);
		i = c;
	}
	put(h, d, i);
}

static void settle(struct heap *h, struct due *d, uint32_t i)
{
	if (i > 0 && before(d, h->v[(i - 1) / 2]))
		up(h, d, i);
	else
		down(h, d, i);
}

static void take(struct heap *h, struct due *d)
{
	uint32_t i = d->pos - 1;
	struct due *last = h->v[--h->n];

	CHECK(h->v[i] == d || last == d);
	d->pos = 0;
	if (last != d)
		settle(h, last, i);
}

void heap_set(struct heap *h, struct due *d, int64_t at)
{
	if (d->pos != 0 && at == d->at)
		return;
	if (at == INT64_MAX) {
		if (d->pos != 0)
			take(h, d);
		d->at = at;
		return;
	}
	d->at = at;
	if (d->pos != 0) {
		settle(h, d, d->pos - 1);
		return;
	}
	if (h->n == h->cap) {
		h->cap = h->cap ? 2 * h->cap : 16;
		h->v = g_renew(struct due *, h->v, h->cap);
	}
	h->n++;
	up(h, d, h->n - 1);
}

struct due *heap_top(const struct heap *h)
{
	return h->n ? h->v[0] : NULL;
}

void heap_fini(struct heap *h)
{
	g_free(h->v);
	*h = (struct heap){ 0 };
}
