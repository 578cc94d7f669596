/* Bump allocator.  Memory is zeroed, 16-byte aligned, and lives until
 * arena_reset() or arena_free().  Allocation of 0 bytes gives a valid pointer. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

struct arena;

/* cap_bytes 0: no cap (out of memory then ends the process). */
struct arena *arena_new(size_t cap_bytes);
void arena_free(struct arena *);			/* NULL is fine */
void arena_reset(struct arena *);			/* keeps the first block */
/* What was allocated since the mark is taken back.  The mark is good until a reset, or
 * a rewind to an earlier one. */
struct arena_mark {
	void		*block;
	size_t		 used, total;
};
struct arena_mark arena_mark(const struct arena *);
void arena_rewind(struct arena *, struct arena_mark);
void *arena_alloc(struct arena *, size_t bytes);	/* NULL past the cap */
size_t arena_used(const struct arena *);
/* Copies; the copy is followed by a NUL that is not counted.  {NULL,0} past the cap. */
struct str arena_str(struct arena *, struct str);
struct str arena_printf(struct arena *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (size_t)(n)))
/* Grow an arena array by doubling: returns v or a larger copy with room for
 * one more element after the n used; *cap is updated.  NULL past the cap. */
void *arena_grow(struct arena *, void *v, uint32_t n, uint32_t *cap, size_t elem);
#endif
