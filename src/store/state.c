/* The world's cells on disk: one delta per commit, and a rolling rewrite of the base.
 *
 *	commit:  dirty cells ──► state_delta(turn)          (append only)
 *	         shard k, k+1 …  ──► state_base(shard, turn) (round-robin)
 *
 * Invariants
 *   (1) Each shard carries the turn at which it was written; loading applies a delta's
 *       cell only where the delta is later than the cell's shard.
 *   (2) A delta goes once every shard has been written at or after its turn: when a
 *       round ends, that is every delta up to the turn at which the round began.
 *   (3) Where the dirty shards are smaller than twice the dirty bytes, those shards are
 *       written instead of a delta. */
#include <glib.h>

#include "store/store_priv.h"

#define ROLL_US 1000			/* time for the rolling rewrite per commit */
#define DELTAS_MAX (64ull * 1024 * 1024)

static int write_shard(struct store *s, struct cells *c, uint32_t shard, uint64_t turn)
{
	sqlite3_stmt *st = s->st[ST_BASE];

	g_byte_array_set_size(s->scratch, 0);
	cells_encode_shard(c, shard, s->scratch);
	sqlite3_bind_int64(st, 1, shard);
	sqlite3_bind_int64(st, 2, (int64_t)turn);
	bind_blob(st, 3, s->scratch->data, s->scratch->len);
	return step_done(st);
}

static int write_dirty_shards(struct store *s, struct cells *c, uint64_t turn)
{
	uint32_t n = cells_shards(c);
	int rc = SQLITE_OK;

	for (uint32_t i = 0; i < n && rc == SQLITE_OK; i++)
		if (cells_shard_dirty(c, i))
			rc = write_shard(s, c, i, turn);
	return rc;
}

static int write_delta(struct store *s, struct cells *c, uint64_t turn)
{
	sqlite3_stmt *st = s->st[ST_DELTA];

	g_byte_array_set_size(s->scratch, 0);
	cells_encode_dirty(c, s->scratch);
	sqlite3_bind_int64(st, 1, (int64_t)turn);
	bind_blob(st, 2, s->scratch->data, s->scratch->len);
	s->staged.added = (struct delta_ref){ turn, s->scratch->len };
	s->staged.bytes += s->scratch->len;
	return step_done(st);
}

/* Deltas that a load would still need, this commit's included. */
static unsigned live(const struct store *s)
{
	return s->deltas->len - s->staged.gone + (s->staged.added.turn != 0);
}

/* A round of shards ended: what it covers is not needed any more. */
static int end_round(struct store *s, uint64_t turn)
{
	sqlite3_stmt *st = s->st[ST_DELTA_DROP];
	struct roll *r = &s->staged;

	sqlite3_bind_int64(st, 1, (int64_t)r->start);
	for (; r->gone < s->deltas->len; r->gone++) {
		struct delta_ref d = g_array_index(s->deltas, struct delta_ref, r->gone);
		if (d.turn > r->start)
			break;
		r->bytes -= d.bytes;
	}
	if (r->added.turn && r->added.turn <= r->start) {
		r->bytes -= r->added.bytes;
		r->added.turn = 0;
	}
	r->next = 0;
	r->start = turn;
	return step_done(st);
}

static int roll(struct store *s, struct cells *c, uint64_t turn)
{
	uint64_t half = cells_total_bytes(c) / 2,
		 max = half > DELTAS_MAX ? half : DELTAS_MAX;
	gint64 until = g_get_monotonic_time() + ROLL_US;
	int rc = SQLITE_OK;

	do {
		if (s->staged.next >= cells_shards(c))
			rc = end_round(s, turn);
		if (rc == SQLITE_OK && live(s) > 0)
			rc = write_shard(s, c, s->staged.next++, turn);
	} while (rc == SQLITE_OK && live(s) > 0 &&
	    (s->staged.bytes > max || g_get_monotonic_time() < until));
	return rc;
}

static uint64_t dirty_shard_bytes(const struct cells *c)
{
	uint64_t sum = 0;
	uint32_t n = cells_shards(c);

	for (uint32_t i = 0; i < n; i++)
		if (cells_shard_dirty(c, i))
			sum += cells_shard_bytes(c, i);
	return sum;
}

int state_write(struct store *s, struct cells *c, uint64_t turn)
{
	uint64_t dirty = cells_dirty_bytes(c);
	int rc;

	s->staged = s->roll;
	if (cells_dirty_shards(c) == 0)
		return SQLITE_OK;
	if (dirty_shard_bytes(c) < 2 * dirty)
		return write_dirty_shards(s, c, turn);
	rc = write_delta(s, c, turn);
	return rc == SQLITE_OK ? roll(s, c, turn) : rc;
}

void state_written(struct store *s)
{
	if (s->staged.gone)
		g_array_remove_range(s->deltas, 0, s->staged.gone);
	if (s->staged.added.turn)
		g_array_append_val(s->deltas, s->staged.added);
	s->roll = s->staged;
	s->roll.gone = 0;
	s->roll.added.turn = 0;
}
