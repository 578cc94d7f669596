/* Pieces of one size, without the 8 to 24 bytes that malloc adds to each.
 *
 * They are taken from blocks that grow up to SLAB_BLOCK bytes.  A piece that was given
 * back is the next one taken; blocks go with the slab only, so its memory is that of the
 * most pieces there ever were.  Under the address sanitizer pieces are apart, and
 * what is not taken is poisoned. */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stddef.h>
#include <stdint.h>

#define SLAB_BLOCK 65536

struct slab {
	uint32_t	 size;		/* of a piece: a multiple of 8, 8 .. 4096 */
	uint32_t	 block;		/* bytes of the newest block */
	char		*next;		/* of it, what was never taken */
	size_t		 left;
	void		*free;		/* given back: each holds the next one */
	void		*blocks;
};

void slab_init(struct slab *, uint32_t size);
void slab_fini(struct slab *);		/* every piece is gone */
/* Not zeroed, aligned to 8.  `bytes` <= size are going to be used. */
void *slab_take(struct slab *, uint32_t bytes);
void slab_give(struct slab *, void *);	/* NULL: nothing */
/* Another number of bytes of a piece is going to be used. */
void slab_fit(struct slab *, void *, uint32_t bytes);
#endif
