/* The world's memory that must survive: numbered byte records ("cells") with
 * dirty marks, grouped in shards.
 *
 * Invariants
 *   (1) Whoever owns a cell writes its bytes only between cells_touch() (or
 *       _add, _resize) and the next commit; the mark is what makes the commit
 *       store them.  Layout is native plain-old-data, versioned by CELLS_CODEC.
 *   (2) A cell never changes its shard while it lives.  New cells go to the
 *       open shard, which is closed when it holds SHARD_BYTES; growth may take
 *       a shard over that, so long data is chunked into cells of <= 16 KiB.
 *   (3) A freed cell is a tombstone in the next delta; its id may be used again,
 *       in the same shard: an id never changes its shard.
 *   (4) Loading: every base shard first, each with the turn at which it was
 *       written, then the deltas in turn order; a delta's record is applied only
 *       where the delta's turn is later than its shard's.
 * Pointers from _get and _touch are valid until that cell is resized or freed. */
#ifndef BASE_CELLS_H
#define BASE_CELLS_H

#include <glib.h>

#include "base/str.h"

#define CELLS_CODEC 2		/* version of every layout kept in cells */
#define SHARD_BYTES 16384
#define CELLS_IDS (1u << 25)	/* ids are below */
#define CELL_MAX 16384		/* larger data is chunked by its owner */

struct cells;

struct cells *cells_new(void);
void cells_free(struct cells *);
/* `kind` says whose record it is and what its layout is; 1..255.  Zeroed, dirty.
 * Ids start at 1. */
uint32_t cells_add(struct cells *, uint8_t kind, uint32_t bytes);
void cells_drop(struct cells *, uint32_t id);
uint8_t cells_kind(const struct cells *, uint32_t id);	/* 0: no such cell */
uint32_t cells_bytes(const struct cells *, uint32_t id);
const void *cells_get(const struct cells *, uint32_t id);
void *cells_touch(struct cells *, uint32_t id);		/* to write: marks dirty */
/* Keeps the head, zeroes the rest, marks. */
void *cells_resize(struct cells *, uint32_t id, uint32_t bytes);
/* Live ids in ascending order: the first greater than `after`; 0 at the end. */
uint32_t cells_next(const struct cells *, uint32_t after);
uint32_t cells_count(const struct cells *);
/* Bytes as stored, nearly: every record counts 8 more than its length. */
uint64_t cells_total_bytes(const struct cells *);
uint64_t cells_dirty_bytes(const struct cells *);
uint32_t cells_shards(const struct cells *);		/* shard numbers are 0 .. n-1 */
uint32_t cells_dirty_shards(const struct cells *);	/* how many hold a dirty cell */
bool cells_shard_dirty(const struct cells *, uint32_t shard);
uint64_t cells_shard_bytes(const struct cells *, uint32_t shard);
/* All dirty records and tombstones, with their shards.  Does not clear. */
void cells_encode_dirty(const struct cells *, GByteArray *out);
void cells_encode_shard(const struct cells *, uint32_t shard, GByteArray *out);
void cells_clean(struct cells *);		/* after the commit: clears every mark */
/* Load, see (4).  False: the blob is malformed (state is then unusable). */
bool cells_load_shard(struct cells *, uint32_t shard, uint64_t turn, struct str blob);
bool cells_load_delta(struct cells *, uint64_t turn, struct str blob);
void cells_loaded(struct cells *);		/* after the last: sums, free places */
#endif
