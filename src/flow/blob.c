/* Text of any length in cells: a chain of cells of at most CELL_MAX bytes, named by
 * the id of the first; 0 is the empty text.  A chain is written once: blob_set() puts
 * a new one and drops the old. */
#include <glib.h>

#include "base/arena.h"
#include "base/check.h"
#include "flow/engine.h"

struct blob_cell {
	uint32_t next;		/* 0: the last */
	char	 bytes[];
};
#define BLOB_BYTES (CELL_MAX - (uint32_t)sizeof(struct blob_cell))

uint32_t blob_put(struct cells *cells, struct str s)
{
	uint32_t next = 0, at = s.len;

	while (at > 0) {	/* from the end, so that each link is known */
		uint32_t n = at % BLOB_BYTES ? at % BLOB_BYTES : BLOB_BYTES;
		uint32_t id;
		struct blob_cell *c;

		id = cells_add(cells, CELL_BLOB, (uint32_t)sizeof(*c) + n);
		c = cells_touch(cells, id);
		c->next = next;
		at -= n;
		memcpy(c->bytes, s.p + at, n);
		next = id;
	}
	return next;
}

void blob_drop(struct cells *cells, uint32_t id)
{
	while (id) {
		uint32_t next = ((const struct blob_cell *)cells_get(cells, id))->next;

		cells_drop(cells, id);
		id = next;
	}
}

void blob_set(struct cells *cells, uint32_t *id, struct str s)
{
	uint32_t old = *id;

	*id = blob_put(cells, s);	/* first: s may point into the old one */
	blob_drop(cells, old);
}

uint32_t blob_len(const struct cells *cells, uint32_t id)
{
	uint32_t n = 0;

	for (; id; id = ((const struct blob_cell *)cells_get(cells, id))->next) {
		CHECK(cells_kind(cells, id) == CELL_BLOB);
		n += cells_bytes(cells, id) - (uint32_t)sizeof(struct blob_cell);
	}
	return n;
}

void blob_copy(const struct cells *cells, uint32_t id, char *to)
{
	while (id) {
		const struct blob_cell *c = cells_get(cells, id);
		uint32_t n = cells_bytes(cells, id) - (uint32_t)sizeof(*c);

		memcpy(to, c->bytes, n);
		to += n;
		id = c->next;
	}
}

struct str blob_get(const struct cells *cells, uint32_t id, struct arena *arena)
{
	uint32_t n = blob_len(cells, id);
	char *p;

	if (n == 0)
		return STR("");
	p = arena_alloc(arena, (size_t)n + 1);
	CHECK(p);
	blob_copy(cells, id, p);
	p[n] = '\0';
	return (struct str){ p, n };
}
