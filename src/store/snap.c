/* State snapshots: where a replay of the journal can begin.
 *
 *	begin ─► each commit: its delta, and the next shards ─► last shard: the head row
 *
 * A snapshot is one round of all shards, each with its turn, and every delta of that
 * round, loaded as the state is (state.c): a delta's cell counts only where the delta
 * is later than the cell's shard.  It says what the state was after its last turn.
 *
 * Invariants
 *   (1) A snapshot without its head row in `snap` does not exist for readers; what an
 *       ended process left of one is trimmed.
 *   (2) Only whole journal blocks are removed; with a block go the snapshots that
 *       begin before its end, for nothing leads on from them.
 *   (3) Blocks and snapshots share one bound, store.keep_bytes; a state larger than
 *       half of it has no snapshots.
 *   (4) The empty state of a fresh database is a snapshot (of turn 0).
 *
 * Begun when the journal since the last one exceeds max(64 MiB, half the state), when
 * a day has passed, when there is none, and when it is asked for. */
#include <zstd.h>

#include "base/check.h"
#include "store/store_priv.h"

#define SNAP_AFTER (64ll * 1024 * 1024)
#define SNAP_AGE_MS (24ll * 3600 * 1000)
#define SNAP_SHARE (256 * 1024)	/* bytes of shards in one commit */
#define DELTA_ROW (-1)
#define TRIM_PIECES 64		/* rows of removed snapshots per commit */

static int put_piece(struct store *s, struct snap *p, int64_t shard, uint64_t turn)
{
	size_t bound = ZSTD_compressBound(s->scratch->len), n;
	sqlite3_stmt *st = s->st[ST_SNAP_PIECE];

	g_byte_array_set_size(s->packed, (guint)bound);
	n = ZSTD_compress(s->packed->data, bound, s->scratch->data, s->scratch->len, 1);
	CHECK(!ZSTD_isError(n));
	sqlite3_bind_int64(st, 1, (int64_t)p->id);
	sqlite3_bind_int64(st, 2, shard);
	sqlite3_bind_int64(st, 3, (int64_t)turn);
	bind_blob(st, 4, s->packed->data, n);
	p->pieces++;
	s->journal_bytes += (int64_t)n;
	return step_done(st);
}

static int put_head(struct store *s, struct snap *p, const struct turn_head *last,
    const uint8_t ruleset[32])
{
	sqlite3_stmt *st = s->st[ST_SNAP];

	sqlite3_bind_int64(st, 1, (int64_t)p->id);
	sqlite3_bind_int64(st, 2, (int64_t)last->id);
	sqlite3_bind_int64(st, 3, last->wall_ms);
	sqlite3_bind_int64(st, 4, last->tick_ms);
	bind_blob(st, 5, ruleset, 32);
	sqlite3_bind_int64(st, 6, p->pieces);
	*p = (struct snap){ .any = true, .last_wall = last->wall_ms };
	return step_done(st);
}

static bool wanted(const struct store *s, const struct snap *p, const struct cells *c,
    int64_t wall)
{
	int64_t total = (int64_t)cells_total_bytes(c), age = wall - p->last_wall;

	if (total > s->opt.keep_bytes / 2)
		return false;
	return !p->any || p->asked || p->since > MAX(SNAP_AFTER, total / 2) ||
	    age >= SNAP_AGE_MS || age <= -SNAP_AGE_MS;
}

static int put_shards(struct store *s, struct snap *p, const struct cells *c,
    uint64_t turn)
{
	uint64_t done = 0;
	int rc = SQLITE_OK;

	while (p->next < cells_shards(c) && done < SNAP_SHARE && rc == SQLITE_OK) {
		g_byte_array_set_size(s->scratch, 0);
		cells_encode_shard(c, p->next, s->scratch);
		done += s->scratch->len;
		rc = put_piece(s, p, p->next++, turn);
	}
	return rc;
}

/* What world_ruleset() is after this commit. */
static const uint8_t *ruleset_now(const struct store *s)
{
	const struct buffer *b = &s->buf;

	return b->rulesets_n ? b->rulesets[b->rulesets_n - 1].hash :
	    b->turns[b->turns_n - 1].ruleset;
}

static int first(struct store *s, struct snap *p)
{
	const struct turn_head *t = &s->buf.turns[0];
	const struct turn_head empty = { .wall_ms = t->wall_ms, .tick_ms = t->tick_ms };

	return put_head(s, p, &empty, t->ruleset);
}

int snap_write(struct store *s, struct cells *c)
{
	const struct turn_head *last = &s->buf.turns[s->buf.turns_n - 1];
	struct snap *p = &s->snap_staged;
	int rc = SQLITE_OK;

	*p = s->snap;
	p->since += s->block_bytes;
	if (s->meta.fresh && s->commit == 0)
		rc = first(s, p);
	if (rc != SQLITE_OK || (!p->id && !wanted(s, p, c, last->wall_ms)))
		return rc;
	if (!p->id) {
		p->id = last->id;
	} else if (cells_dirty_bytes(c)) {
		g_byte_array_set_size(s->scratch, 0);
		cells_encode_dirty(c, s->scratch);
		rc = put_piece(s, p, DELTA_ROW, last->id);
	}
	if (rc == SQLITE_OK)
		rc = put_shards(s, p, c, last->id);
	if (rc == SQLITE_OK && p->next >= cells_shards(c))
		rc = put_head(s, p, last, ruleset_now(s));
	return rc;
}

void snap_written(struct store *s)
{
	s->snap = s->snap_staged;
}

void store_ask_snapshot(struct store *s)
{
	s->snap.asked = true;
}

/* A journal block that ended with this turn is gone: so are the snapshots that it led
 * on from. */
int snap_cut(struct store *s, int64_t turn1)
{
	int rc;

	sqlite3_bind_int64(s->st[ST_SNAP_CUT], 1, turn1);
	rc = step_done(s->st[ST_SNAP_CUT]);
	if (rc != SQLITE_OK || !sqlite3_changes(s->db))
		return rc;
	s->snap_rest = true;
	return step_done(s->st[ST_PIPELINE_TRIM]);
}

/* Rows of snapshots that have no head and are not the open one. */
int snap_trim(struct store *s)
{
	sqlite3_stmt *st = s->st[ST_SNAP_TRIM];
	int rc, n = 0;

	if (!s->snap_rest)		/* finding none would read them all */
		return SQLITE_OK;
	sqlite3_bind_int64(st, 1, (int64_t)s->snap_staged.id);
	sqlite3_bind_int64(st, 2, TRIM_PIECES);
	for (; (rc = sqlite3_step(st)) == SQLITE_ROW; n++)
		s->journal_bytes -= sqlite3_column_int64(st, 0);
	s->snap_rest = n > 0;
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

void snap_open(struct store *s)
{
	sqlite3_stmt *st = NULL;

	s->snap_rest = true;	/* an ended process may have left a round */
	sqlite3_prepare_v2(s->db, "SELECT last,wall,(SELECT coalesce(sum(length(zblob)),"
	    "0) FROM journal WHERE turn0>last) FROM snap ORDER BY last DESC LIMIT 1", -1,
	    &st, NULL);
	if (next_row(s, st, "snapshots"))
		s->snap = (struct snap){ .any = true,
			.last_wall = sqlite3_column_int64(st, 1),
			.since = sqlite3_column_int64(st, 2) };
	sqlite3_finalize(st);
}
