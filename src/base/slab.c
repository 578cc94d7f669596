/* Pieces of one size: blocks in a list, free pieces in a list.
 *
 * Invariants: every piece is in exactly one of: taken, the free list, the rest of the
 * newest block.  A block begins with the pointer to the one before. */
#include "base/slab.h"

#include <glib.h>
#include <string.h>

#include "base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define SLAB_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLAB_ASAN 1
#endif
#endif

#ifdef SLAB_ASAN
#include <sanitizer/asan_interface.h>
#define APART 16
#define HIDE(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define SHOW(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define APART 0
#define HIDE(p, n) ((void)(p), (void)(n))
#define SHOW(p, n) ((void)(p), (void)(n))
#endif

#define HEAD 16			/* of a block: the link, and alignment */
#define FIRST 1024

void slab_init(struct slab *p, uint32_t size)
{
	CHECK(size >= 8 && size <= 4096 && size % 8 == 0);
	*p = (struct slab){ .size = size };
}

void slab_fini(struct slab *p)
{
	void *b, *before;

	for (b = p->blocks; b; b = before) {
		memcpy(&before, b, sizeof(before));
		SHOW(b, HEAD);
		g_free(b);
	}
	*p = (struct slab){ .size = p->size };
}

static void more(struct slab *p)
{
	char *b;

	p->block = CLAMP(2 * p->block, FIRST, SLAB_BLOCK);
	p->block = MAX(p->block, HEAD + p->size + APART);
	b = g_malloc(p->block);
	memcpy(b, &p->blocks, sizeof(p->blocks));
	p->blocks = b;
	p->next = b + HEAD;
	p->left = p->block - HEAD;
	HIDE(p->next, p->left);
}

void *slab_take(struct slab *p, uint32_t bytes)
{
	void *piece = p->free;

	CHECK(bytes <= p->size);
	if (piece) {
		SHOW(piece, sizeof(void *));
		memcpy(&p->free, piece, sizeof(p->free));
	} else {
		if (p->left < p->size + APART)
			more(p);
		piece = p->next;
		p->next += p->size + APART;
		p->left -= p->size + APART;
	}
	slab_fit(p, piece, bytes);
	return piece;
}

void slab_give(struct slab *p, void *piece)
{
	if (!piece)
		return;
	SHOW(piece, sizeof(void *));
	memcpy(piece, &p->free, sizeof(p->free));
	p->free = piece;
	HIDE(piece, p->size);
}

void slab_fit(struct slab *p, void *piece, uint32_t bytes)
{
	HIDE(piece, p->size);
	SHOW(piece, bytes);
}
