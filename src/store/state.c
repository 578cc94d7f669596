/* The world's cells on disk: one delta per commit, and a rolling rewrite of the base.
 *
 *	commit:  dirty cells ──► state_delta(turn)          (append only)
 *	         shard k, k+1 …  ──► state_base(shard, turn) (round-robin)
 *
 * Invariants
 *   (1) Each shard carries the turn at which it was written; loading applies a delta's
 *       cell only where the delta is later than the cell's shard.
 *   (2) A delta goes once every shard has been written at or after its turn: the shard
 *       that is next in the round was rolled longest ago, so its turn is the bound, and
 *       each commit drops the few deltas that it frees.
 *   (3) Where the dirty shards are smaller than twice the dirty bytes, those shards are
 *       written instead of a delta.
 *   (4) A commit rolls shards in proportion to its delta, at least one, so that a round
 *       ends before the deltas of that round are DELTAS_MAX or half the base: no commit
 *       ever pays for a whole round. */
#include <glib.h>

#include "store/store_priv.h"

#define DELTAS_MAX (64ull * 1024 * 1024)
#define HURRY 4		/* times the share, where the deltas are above their bound */

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

/* The turn up to which no shard needs a delta.  0: none is known; also of a shard that
 * came since the last round. */
static uint64_t bound(const struct store *s)
{
	const struct roll *r = &s->staged;

	if (r->rolled == r->shards)
		return r->turn;
	return r->next < s->rolled->len ?
	    g_array_index(s->rolled, uint64_t, r->next) : 0;
}

static int drop_deltas(struct store *s, uint64_t upto)
{
	sqlite3_stmt *st = s->st[ST_DELTA_DROP];
	struct roll *r = &s->staged;
	unsigned gone = r->gone;

	for (; r->gone < s->deltas->len; r->gone++) {
		struct delta_ref d = g_array_index(s->deltas, struct delta_ref, r->gone);
		if (d.turn > upto)
			break;
		r->bytes -= d.bytes;
	}
	if (r->added.turn && r->added.turn <= upto) {
		r->bytes -= r->added.bytes;
		r->added.turn = 0;
	} else if (r->gone == gone)
		return SQLITE_OK;
	sqlite3_bind_int64(st, 1, (int64_t)upto);
	return step_done(st);
}

/* Bytes of shards to roll beside this delta: see (4). */
static uint64_t share(const struct store *s, const struct cells *c)
{
	uint64_t total = cells_total_bytes(c), max = MAX(total / 2, DELTAS_MAX);
	double part = (double)s->staged.added.bytes * (double)total / (double)max;

	return (uint64_t)(s->staged.bytes > max ? part * HURRY : part);
}

static int roll(struct store *s, struct cells *c, uint64_t turn)
{
	struct roll *r = &s->staged;
	uint64_t todo = share(s, c), done = 0;
	int rc;

	do {
		if ((rc = write_shard(s, c, r->next, turn)) != SQLITE_OK)
			return rc;
		done += s->scratch->len;
		r->next = (r->next + 1) % r->shards;
		r->rolled++;
	} while (done < todo && r->rolled < r->shards);
	return drop_deltas(s, bound(s));
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
	s->staged.turn = turn;
	s->staged.shards = cells_shards(c);
	rc = write_delta(s, c, turn);
	return rc == SQLITE_OK ? roll(s, c, turn) : rc;
}

void state_written(struct store *s)
{
	struct roll *r = &s->staged;

	if (r->gone)
		g_array_remove_range(s->deltas, 0, r->gone);
	if (r->added.turn)
		g_array_append_val(s->deltas, r->added);
	if (s->rolled->len < r->shards)
		g_array_set_size(s->rolled, r->shards);
	for (uint32_t i = 0; i < r->rolled; i++)
		g_array_index(s->rolled, uint64_t, (s->roll.next + i) % r->shards) =
		    r->turn;
	s->roll = (struct roll){ .next = r->next, .bytes = r->bytes };
}

/* `rolled` holds the turn of every shard as loaded.  The round goes on with the oldest;
 * each place then holds the oldest of those that are still to come in the round. */
void state_loaded(struct store *s, const struct cells *c)
{
	uint32_t n = cells_shards(c), old = 0;
	uint64_t *turn, low;

	g_array_set_size(s->rolled, n);
	turn = (uint64_t *)(void *)s->rolled->data;
	for (uint32_t k = 1; k < n; k++)
		if (turn[k] < turn[old])
			old = k;
	s->roll.next = old;
	low = UINT64_MAX;
	for (uint32_t i = n; i-- > 0;) {
		uint64_t *at = &turn[(old + i) % n];
		low = *at = MIN(low, *at);
	}
}
