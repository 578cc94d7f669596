/* Bump allocation in doubling blocks.
 *
 * Invariants
 *   (1) The bytes of a block at and after `used` are zero, so an allocation
 *       needs no clearing; arena_reset() and arena_rewind() clear what was handed
 *       out of the block they keep.
 *   (2) An allocation never moves: a full block is left as it is and a new one
 *       is put in front of it.
 *   (3) `used` of the arena counts rounded allocations, not block sizes, so a
 *       cap means the same whatever the blocks are.
 */
#include "base/arena.h"

#include <glib.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"

#define ALIGN 16
#define BLOCK_MIN 4096
#define BLOCK_MAX (1u << 20)

struct block {
	struct block	*next;		/* older */
	size_t		 size, used;	/* of data[] */
	size_t		 pad;		/* keeps data[] 16-byte aligned */
	char		 data[];
};
_Static_assert(sizeof(struct block) % ALIGN == 0, "data[] is aligned");

struct arena {
	struct block	*top;
	size_t		 cap, used;
};

struct arena *arena_new(size_t cap_bytes)
{
	struct arena *a = g_new0(struct arena, 1);

	a->cap = cap_bytes;
	return a;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	for (struct block *b = a->top, *next; b; b = next) {
		next = b->next;
		g_free(b);
	}
	g_free(a);
}

void arena_reset(struct arena *a)
{
	struct block *b = a->top;

	while (b && b->next) {
		struct block *next = b->next;

		g_free(b);
		b = next;
	}
	if (b) {
		memset(b->data, 0, b->used);
		b->used = 0;
	}
	a->top = b;
	a->used = 0;
}

struct arena_mark arena_mark(const struct arena *a)
{
	return (struct arena_mark){ a->top, a->top ? a->top->used : 0, a->used };
}

void arena_rewind(struct arena *a, struct arena_mark m)
{
	/* An arena that was empty at the mark keeps its first block. */
	while (a->top != m.block && a->top->next) {
		struct block *next = a->top->next;

		g_free(a->top);
		a->top = next;
	}
	CHECK(!m.block || a->top == m.block);
	if (a->top) {
		size_t used = m.block ? m.used : 0;

		memset(a->top->data + used, 0, a->top->used - used);
		a->top->used = used;
	}
	a->used = m.total;
}

static struct block *block_add(struct arena *a, size_t bytes)
{
	size_t size = a->top ? a->top->size * 2 : BLOCK_MIN;
	struct block *b;

	size = CLAMP(size, BLOCK_MIN, BLOCK_MAX);
	size = MAX(size, bytes);
	b = g_malloc0(sizeof(*b) + size);
	b->size = size;
	b->next = a->top;
	a->top = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
	struct block *b = a->top;
	void *p;

	CHECK(bytes <= SIZE_MAX / 4);
	bytes = bytes ? (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
	if (a->cap && (bytes > a->cap || a->used > a->cap - bytes))
		return NULL;
	if (!b || b->size - b->used < bytes)
		b = block_add(a, bytes);
	p = b->data + b->used;
	b->used += bytes;
	a->used += bytes;
	return p;
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}

struct str arena_str(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, (size_t)s.len + 1);

	if (!p)
		return (struct str){ NULL, 0 };
	if (s.len)
		memcpy(p, s.p, s.len);
	return (struct str){ p, s.len };
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *p;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	CHECK(n >= 0);
	p = arena_alloc(a, (size_t)n + 1);
	if (p)
		vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p ? (struct str){ p, (uint32_t)n } : (struct str){ NULL, 0 };
}

void *arena_grow(struct arena *a, void *v, uint32_t n, uint32_t *cap, size_t elem)
{
	uint32_t want;
	void *bigger;

	if (n < *cap)
		return v;
	CHECK(*cap <= UINT32_MAX / 2);
	want = *cap ? *cap * 2 : 8;
	bigger = arena_alloc(a, want * elem);
	if (!bigger)
		return NULL;
	if (n)
		memcpy(bigger, v, n * elem);
	*cap = want;
	return bigger;
}
