/* The journal: one row per commit, its frames compressed with zstd level 1.
 *
 * A frame is a kind byte and a length-prefixed body, in the order of inputs: 'm' a
 * message (whole, or its position where the source keeps payloads itself), 'r' several
 * in a row by position, 'i' an encoded input.  The turn headers beside it say which
 * inputs belong to which turn. */
#include <zstd.h>

#include "base/check.h"
#include "store/store_priv.h"

int journal_write(struct store *s)
{
	const struct buffer *b = &s->buf;
	sqlite3_stmt *st = s->st[ST_JOURNAL];
	size_t bound, n;
	int rc;

	s->block_bytes = 0;
	if (!b->frames->len)
		return SQLITE_OK;
	bound = ZSTD_compressBound(b->frames->len);
	g_byte_array_set_size(s->scratch, (guint)bound);
	n = ZSTD_compress(s->scratch->data, bound, b->frames->data, b->frames->len, 1);
	CHECK(!ZSTD_isError(n));
	sqlite3_bind_int64(st, 1, (int64_t)b->turns[0].id);
	sqlite3_bind_int64(st, 2, (int64_t)b->turns[b->turns_n - 1].id);
	sqlite3_bind_int64(st, 3, b->turns[0].wall_ms);
	sqlite3_bind_int64(st, 4, b->frames->len);
	bind_blob(st, 5, s->scratch->data, n);
	rc = step_done(st);
	if (rc == SQLITE_OK)
		s->journal_bytes += s->block_bytes = (int64_t)n;
	return rc;
}
