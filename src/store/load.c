/* Reading back what the daemon needs to go on: state, positions, rule set, pipelines. */
#include <string.h>

#include "store/store_priv.h"

static struct str column(sqlite3_stmt *st, int i)
{
	const void *p = sqlite3_column_blob(st, i);

	return (struct str){ p, (uint32_t)sqlite3_column_bytes(st, i) };
}

bool next_row(struct store *s, sqlite3_stmt *st, const char *what)
{
	int rc = sqlite3_step(st);

	if (rc != SQLITE_ROW && rc != SQLITE_DONE && !s->unread.code)
		err_set(&s->unread, ERR_IO, "reading %s: %s", what,
			sqlite3_errmsg(s->db));
	return rc == SQLITE_ROW;
}

bool store_unread(const struct store *s)
{
	return s->unread.code != ERR_NONE;
}

static bool ended(struct store *s, sqlite3_stmt *st, int rc, const char *what,
		  struct err *err)
{
	sqlite3_finalize(st);
	if (rc == SQLITE_DONE)
		return true;
	return err_set(err, ERR_IO, "reading %s: %s", what, sqlite3_errmsg(s->db));
}

static bool load_base(struct store *s, struct cells *c, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int rc;

	sqlite3_prepare_v2(s->db, "SELECT shard,turn,blob FROM state_base ORDER BY shard",
			   -1, &st, NULL);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		uint32_t shard = (uint32_t)sqlite3_column_int64(st, 0);
		uint64_t turn = (uint64_t)sqlite3_column_int64(st, 1);

		if (!cells_load_shard(c, shard, turn, column(st, 2))) {
			err_set(err, ERR_CORRUPT, "state shard %u is malformed", shard);
			sqlite3_finalize(st);
			return false;
		}
		if (s->rolled->len <= shard)
			g_array_set_size(s->rolled, shard + 1);
		g_array_index(s->rolled, uint64_t, shard) = turn;
	}
	return ended(s, st, rc, "state_base", err);
}

bool store_load(struct store *s, struct cells *c, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int rc;

	if (!load_base(s, c, err))
		return false;
	sqlite3_prepare_v2(s->db, "SELECT turn,blob FROM state_delta ORDER BY turn", -1,
			   &st, NULL);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct delta_ref d = { (uint64_t)sqlite3_column_int64(st, 0),
			(uint64_t)sqlite3_column_bytes(st, 1) };
		if (!cells_load_delta(c, d.turn, column(st, 1))) {
			err_set(err, ERR_CORRUPT, "state delta of turn %llu is malformed",
			    (unsigned long long)d.turn);
			sqlite3_finalize(st);
			return false;
		}
		g_array_append_val(s->deltas, d);
		s->roll.bytes += d.bytes;
	}
	cells_loaded(c);
	state_loaded(s, c);
	return ended(s, st, rc, "state_delta", err);
}

struct str store_ruleset(struct store *s, struct arena *a)
{
	sqlite3_stmt *st = NULL;
	struct str r = { NULL, 0 };

	sqlite3_prepare_v2(s->db,
			   "SELECT text FROM ruleset WHERE hash=(SELECT value FROM meta"
			   " WHERE name='ruleset')",
			   -1, &st, NULL);
	if (next_row(s, st, "the rule set"))
		r = arena_str(a, column(st, 0));
	sqlite3_finalize(st);
	return r;
}

bool store_pipelines(struct store *s, struct arena *a, struct str **ret, uint32_t *ret_n,
    struct err *err)
{
	sqlite3_stmt *st = NULL;
	struct str *v = NULL;
	uint32_t n = 0, cap = 0;
	int rc;

	sqlite3_prepare_v2(s->db, "SELECT text FROM pipeline WHERE dropped IS NULL"
	    " ORDER BY hash", -1, &st,
			   NULL);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		v = arena_grow(a, v, n, &cap, sizeof(*v));
		v[n++] = arena_str(a, column(st, 0));
	}
	*ret = v;
	*ret_n = n;
	return ended(s, st, rc, "pipelines", err);
}

bool store_positions(struct store *s, struct str source,
    void (*each)(void *, struct str, struct str), void *ctx, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int rc;

	sqlite3_prepare_v2(s->db, "SELECT part,position FROM pos WHERE source="
	    "(SELECT id FROM source WHERE name=?1) ORDER BY part", -1, &st, NULL);
	sqlite3_bind_text(st, 1, source.p, (int)source.len, SQLITE_STATIC);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		each(ctx, column(st, 0), column(st, 1));
	return ended(s, st, rc, "positions", err);
}

bool store_has_seen(struct store *s, struct str source, const uint8_t h16[16],
		    uint64_t *seq)
{
	const struct put_seen *p = g_hash_table_lookup(s->buf.seen_set, h16);
	sqlite3_stmt *st = s->st[ST_SEEN_GET];
	bool found;

	(void)source;		/* the hash covers it */
	if (p) {
		*seq = p->seq;
		return true;
	}
	bind_blob(st, 1, h16, 16);
	found = next_row(s, st, "seen");
	if (found)
		*seq = (uint64_t)sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return found;
}

bool store_answer(struct store *s, uint64_t seq, struct arena *a, struct str *ret)
{
	sqlite3_stmt *st = s->st[ST_AUDIT_GET];
	bool found;

	for (uint32_t i = 0; i < s->buf.audit_n; i++)
		if (s->buf.audit[i].seq == seq) {
			*ret = arena_str(a, s->buf.audit[i].answer);
			return true;
		}
	sqlite3_bind_int64(st, 1, (int64_t)seq);
	found = next_row(s, st, "audit");
	if (found)
		*ret = arena_str(a, column(st, 0));
	sqlite3_reset(st);
	return found;
}

uint32_t store_outbox(struct store *s, uint64_t after, uint32_t limit, struct arena *a,
    struct outbox_item **ret)
{
	sqlite3_stmt *st = s->st[ST_OUTBOX_GET];
	struct outbox_item *v = ARENA_ARRAY(a, struct outbox_item, limit);
	uint32_t n = 0;

	sqlite3_bind_int64(st, 1, (int64_t)after);
	sqlite3_bind_int64(st, 2, limit);
	while (n < limit && next_row(s, st, "the outbox")) {
		v[n].id = (uint64_t)sqlite3_column_int64(st, 0);
		v[n].type = arena_str(a, column(st, 1));
		v[n].subject = arena_str(a, column(st, 2));
		v[n].json = arena_str(a, column(st, 3));
		v[n++].depth = (uint8_t)sqlite3_column_int(st, 4);
	}
	sqlite3_reset(st);
	if (after > s->run_read)
		s->run_read = after;
	*ret = v;
	return n;
}

uint64_t store_outbox_last(const struct store *s)
{
	return s->outbox_last;
}
