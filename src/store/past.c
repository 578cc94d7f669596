/* Reading what was recorded, on a connection of its own.
 *
 * Invariants
 *   (1) One statement per call, reset before it returns: no read transaction outlives
 *       a call, and checkpoints go on.
 *   (2) A snapshot whose pieces are not all there any more is not loaded. */
#include <string.h>
#include <zstd.h>

#include "store/past.h"
#include "store/schema.h"

#define BLOCK_MAX (1u << 30)	/* of a damaged row: nothing larger is allocated */

struct past {
	sqlite3		*db;
	GByteArray	*scratch;
};

sqlite3 *past_db(struct past *p)
{
	return p->db;
}

static bool bad(struct past *p, const char *what, struct err *err)
{
	return err_set(err, ERR_IO, "reading %s: %s", what, sqlite3_errmsg(p->db));
}

static sqlite3_stmt *prepare(struct past *p, const char *sql)
{
	sqlite3_stmt *st = NULL;

	(void)sqlite3_prepare_v2(p->db, sql, -1, &st, NULL);
	return st;		/* NULL: stepping it fails, and says so */
}

/* One row: SQLITE_ROW, SQLITE_DONE, or an error in *err. */
static int one(struct past *p, sqlite3_stmt *st, const char *what, struct err *err)
{
	int rc = st ? sqlite3_step(st) : SQLITE_ERROR;

	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		bad(p, what, err);
	return rc;
}

static struct str column(sqlite3_stmt *st, int i)
{
	const void *v = sqlite3_column_blob(st, i);

	return (struct str){ v, (uint32_t)sqlite3_column_bytes(st, i) };
}

static uint64_t column_u64(sqlite3_stmt *st, int i)
{
	return (uint64_t)sqlite3_column_int64(st, i);
}

static bool column_hash(sqlite3_stmt *st, int i, uint8_t ret[32])
{
	struct str v = column(st, i);

	if (v.len != 32)
		return false;
	memcpy(ret, v.p, 32);
	return true;
}

static bool check_version(struct past *p, struct err *err)
{
	sqlite3_stmt *st = prepare(p, "SELECT (SELECT value FROM meta WHERE name="
	    "'schema'),(SELECT value FROM meta WHERE name='cells')");
	bool ok = one(p, st, "meta", err) == SQLITE_ROW;

	if (ok && (sqlite3_column_int(st, 0) != STORE_SCHEMA ||
	    sqlite3_column_int(st, 1) != CELLS_CODEC))
		ok = err_set(err, ERR_USAGE, "the database has schema %d, cells %d; this"
		    " program knows schema %d, cells %d", sqlite3_column_int(st, 0),
		    sqlite3_column_int(st, 1), STORE_SCHEMA, CELLS_CODEC);
	sqlite3_finalize(st);
	return ok;
}

struct past *past_open(const char *path, struct err *err)
{
	struct past *p = g_new0(struct past, 1);

	p->scratch = g_byte_array_new();
	if (sqlite3_open_v2(path, &p->db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
		err_set(err, ERR_IO, "'%s': %s", path, sqlite3_errmsg(p->db));
	} else {
		sqlite3_busy_timeout(p->db, 5000);
		if (check_version(p, err))
			return p;
		err_in(err, "'%s'", path);
	}
	past_close(p);
	return NULL;
}

void past_close(struct past *p)
{
	if (!p)
		return;
	sqlite3_close(p->db);
	g_byte_array_free(p->scratch, TRUE);
	g_free(p);
}

bool past_span(struct past *p, struct past_span *ret, struct err *err)
{
	sqlite3_stmt *st = prepare(p,
	    "SELECT a.last,a.wall,b.id,b.wall,(SELECT count(*) FROM snap) FROM"
	    " (SELECT last,wall FROM snap ORDER BY last LIMIT 1) a,"
	    " (SELECT id,wall FROM turn ORDER BY id DESC LIMIT 1) b");
	int rc = one(p, st, "snapshots", err);

	*ret = (struct past_span){ 0 };
	if (rc == SQLITE_ROW)
		*ret = (struct past_span){ .any = true, .turn0 = column_u64(st, 0),
			.from_ms = sqlite3_column_int64(st, 1),
			.turn1 = column_u64(st, 2),
			.to_ms = sqlite3_column_int64(st, 3),
			.snapshots = (uint32_t)sqlite3_column_int64(st, 4) };
	sqlite3_finalize(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

bool past_snap(struct past *p, uint64_t turn, int64_t ms, struct past_snap *ret,
    struct err *err)
{
	sqlite3_stmt *st = prepare(p, "SELECT id,last,wall,tick,ruleset,pieces,"
	    "coalesce(fingerprint,'') FROM snap WHERE last<=?1 AND wall<=?2"
	    " ORDER BY last DESC LIMIT 1");
	bool ok;
	int rc;

	sqlite3_bind_int64(st, 1, (int64_t)MIN(turn, INT64_MAX));
	sqlite3_bind_int64(st, 2, ms);
	rc = one(p, st, "snapshots", err);
	ok = rc == SQLITE_ROW;
	if (ok) {
		*ret = (struct past_snap){ .id = column_u64(st, 0),
			.turn = column_u64(st, 1), .wall_ms = sqlite3_column_int64(st, 2),
			.tick_ms = sqlite3_column_int64(st, 3),
			.pieces = (uint32_t)sqlite3_column_int64(st, 5) };
		g_strlcpy(ret->fingerprint, (const char *)sqlite3_column_text(st, 6),
		    sizeof(ret->fingerprint));
		ok = column_hash(st, 4, ret->ruleset) ||
		    err_set(err, ERR_CORRUPT, "a snapshot's rule set is malformed");
	} else if (rc == SQLITE_DONE)
		err_set(err, ERR_NOT_FOUND, "no state snapshot is that old");
	sqlite3_finalize(st);
	return ok;
}

bool past_turn_of(struct past *p, uint64_t seq, uint64_t *ret, struct err *err)
{
	/* seq0 ascends with id: walking back ends at the first that is not later */
	sqlite3_stmt *st = prepare(p, "SELECT id,seq0+n FROM turn WHERE seq0<=?1 AND n>0"
	    " ORDER BY id DESC LIMIT 1");
	bool ok;
	int rc;

	sqlite3_bind_int64(st, 1, (int64_t)seq);
	rc = one(p, st, "turns", err);
	ok = rc == SQLITE_ROW && column_u64(st, 1) > seq;
	if (ok)
		*ret = column_u64(st, 0);
	else if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		err_set(err, ERR_NOT_FOUND, "input %llu is not in the journal",
		    (unsigned long long)seq);
	sqlite3_finalize(st);
	return ok;
}

/* The bytes of a zstd blob, in p->scratch. */
static bool unpack(struct past *p, struct str z, struct str *ret)
{
	unsigned long long n = ZSTD_getFrameContentSize(z.p, z.len);
	size_t got;

	if (n == ZSTD_CONTENTSIZE_ERROR || n == ZSTD_CONTENTSIZE_UNKNOWN || n > BLOCK_MAX)
		return false;
	g_byte_array_set_size(p->scratch, (guint)MAX(n, 1));
	got = ZSTD_decompress(p->scratch->data, n, z.p, z.len);
	*ret = (struct str){ (const char *)p->scratch->data, (uint32_t)n };
	return !ZSTD_isError(got) && got == n;
}

static bool load_piece(struct past *p, sqlite3_stmt *st, struct cells *c)
{
	int64_t shard = sqlite3_column_int64(st, 0);
	uint64_t turn = column_u64(st, 1);
	struct str bytes;

	if (!unpack(p, column(st, 2), &bytes))
		return false;
	return shard < 0 ? cells_load_delta(c, turn, bytes) :
	    cells_load_shard(c, (uint32_t)shard, turn, bytes);
}

bool past_load(struct past *p, const struct past_snap *s, struct cells *c,
    struct err *err)
{
	sqlite3_stmt *st = prepare(p, "SELECT shard,turn,blob FROM state_snap WHERE"
	    " snap=?1 ORDER BY shard<0, turn, shard");
	uint32_t n = 0;
	bool ok = true;
	int rc = SQLITE_DONE;

	sqlite3_bind_int64(st, 1, (int64_t)s->id);
	while (ok && (rc = one(p, st, "a snapshot", err)) == SQLITE_ROW) {
		n++;
		ok = load_piece(p, st, c) || err_set(err, ERR_CORRUPT,
		    "state snapshot of turn %llu is malformed",
		    (unsigned long long)s->turn);
	}
	sqlite3_finalize(st);
	if (!ok || rc != SQLITE_DONE)
		return false;
	if (n != s->pieces)
		return err_set(err, ERR_NOT_FOUND, "the state snapshot was removed"
		    " meanwhile");
	cells_loaded(c);
	return true;
}

static bool read_turns(struct past *p, struct arena *a, struct past_block *b,
    struct err *err)
{
	sqlite3_stmt *st = prepare(p, "SELECT id,seq0,n,wall,tick,ruleset FROM turn"
	    " WHERE id BETWEEN ?1 AND ?2 ORDER BY id");
	uint32_t cap = 0;
	bool ok = true;
	int rc = SQLITE_DONE;

	sqlite3_bind_int64(st, 1, (int64_t)b->turn0);
	sqlite3_bind_int64(st, 2, (int64_t)b->turn1);
	while (ok && (rc = one(p, st, "turns", err)) == SQLITE_ROW) {
		struct journal_turn *t;

		b->turns = arena_grow(a, b->turns, b->turns_n, &cap, sizeof(*b->turns));
		t = &b->turns[b->turns_n++];
		*t = (struct journal_turn){ .id = column_u64(st, 0),
			.seq0 = column_u64(st, 1), .n = (uint32_t)column_u64(st, 2),
			.wall_ms = sqlite3_column_int64(st, 3),
			.tick_ms = sqlite3_column_int64(st, 4) };
		ok = column_hash(st, 5, t->ruleset) ||
		    err_set(err, ERR_CORRUPT, "the header of turn %llu is malformed",
		    (unsigned long long)t->id);
	}
	sqlite3_finalize(st);
	return ok && rc == SQLITE_DONE;
}

bool past_block(struct past *p, uint64_t turn, struct arena *a, struct past_block *b,
    bool *any, struct err *err)
{
	sqlite3_stmt *st;
	struct str bytes;
	bool ok;
	int rc;

	*b = (struct past_block){ 0 };
	/* one transaction for the block and its headers */
	if (sqlite3_exec(p->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
		return bad(p, "the journal", err);
	/* Blocks follow each other: the first that begins after `turn`, or holds it. */
	st = prepare(p, "SELECT turn0,turn1,wall,zblob FROM journal WHERE turn0>?1"
	    " ORDER BY turn0 LIMIT 1");
	sqlite3_bind_int64(st, 1, (int64_t)turn);
	rc = one(p, st, "the journal", err);
	*any = rc == SQLITE_ROW;
	ok = *any || rc == SQLITE_DONE;
	if (*any) {
		b->turn0 = column_u64(st, 0);
		b->turn1 = column_u64(st, 1);
		b->wall_ms = sqlite3_column_int64(st, 2);
		ok = unpack(p, column(st, 3), &bytes) || err_set(err, ERR_CORRUPT,
		    "the journal block of turn %llu is malformed",
		    (unsigned long long)b->turn0);
		if (ok)
			b->frames = arena_str(a, bytes);
	}
	sqlite3_finalize(st);
	ok = ok && (!*any || read_turns(p, a, b, err));
	(void)sqlite3_exec(p->db, "COMMIT", NULL, NULL, NULL);	/* it wrote nothing */
	return ok;
}

/* One row of a backward walk; *at: where it stands, 0 at the end. */
static bool step_back(struct past *p, uint64_t after, uint64_t *at, struct str *bytes,
    struct err *err)
{
	sqlite3_stmt *st = prepare(p, "SELECT turn0,zblob FROM journal WHERE turn0>?1"
	    " AND turn0<?2 ORDER BY turn0 DESC LIMIT 1");
	bool ok;
	int rc;

	sqlite3_bind_int64(st, 1, (int64_t)after);
	sqlite3_bind_int64(st, 2, (int64_t)MIN(*at, INT64_MAX));
	rc = one(p, st, "the journal", err);
	ok = rc == SQLITE_ROW || rc == SQLITE_DONE;
	*at = rc == SQLITE_ROW ? column_u64(st, 0) : 0;
	if (*at)
		ok = unpack(p, column(st, 1), bytes) || err_set(err, ERR_CORRUPT,
		    "the journal block of turn %llu is malformed",
		    (unsigned long long)*at);
	sqlite3_finalize(st);
	return ok;
}

bool past_find(struct past *p, struct str bytes, uint64_t after, uint64_t before,
    uint64_t *ret, struct err *err)
{
	struct str frames = { 0 };

	for (*ret = before;;) {
		if (!step_back(p, after, ret, &frames, err))
			return false;
		if (!*ret || memmem(frames.p, frames.len, bytes.p, bytes.len))
			return true;
	}
}

bool past_ruleset(struct past *p, const uint8_t hash[32], struct arena *a,
    struct str *ret, struct err *err)
{
	sqlite3_stmt *st = prepare(p, "SELECT text FROM ruleset WHERE hash=?1");
	int rc;

	sqlite3_bind_blob(st, 1, hash, 32, SQLITE_STATIC);
	rc = one(p, st, "rule sets", err);
	if (rc == SQLITE_ROW)
		*ret = arena_str(a, column(st, 0));
	else if (rc == SQLITE_DONE)
		err_set(err, ERR_NOT_FOUND, "the rule set of that time is not stored");
	sqlite3_finalize(st);
	return rc == SQLITE_ROW;
}

bool past_pipelines(struct past *p, struct arena *a, struct str **ret, uint32_t *ret_n,
    struct err *err)
{
	sqlite3_stmt *st = prepare(p, "SELECT text FROM pipeline ORDER BY hash");
	uint32_t cap = 0;
	int rc;

	*ret = NULL;
	*ret_n = 0;
	while ((rc = one(p, st, "pipelines", err)) == SQLITE_ROW) {
		*ret = arena_grow(a, *ret, *ret_n, &cap, sizeof(**ret));
		(*ret)[(*ret_n)++] = arena_str(a, column(st, 0));
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE;
}

bool past_decision_after(struct past *p, uint64_t seq, uint64_t *ret, struct err *err)
{
	sqlite3_stmt *st = prepare(p, "SELECT coalesce(min(id),0) FROM decision WHERE"
	    " seq>?1");
	bool ok;

	sqlite3_bind_int64(st, 1, (int64_t)seq);
	ok = one(p, st, "decisions", err) == SQLITE_ROW;
	if (ok)
		*ret = column_u64(st, 0);
	sqlite3_finalize(st);
	return ok;
}

static unsigned by_name(const char *name, const char *(*f)(unsigned), unsigned max)
{
	for (unsigned i = 1; name && i < max; i++)
		if (f(i) && strcmp(f(i), name) == 0)
			return i;
	return 0;
}

static const char *outcome_of(unsigned i)
{
	return outcome_name((enum outcome)i);
}

static const char *suppressor_of(unsigned i)
{
	return suppressor_name((enum suppressor)i);
}

bool past_decision(struct past *p, uint64_t from, struct arena *a,
    struct decision_row *ret, bool *any, struct err *err)
{
	sqlite3_stmt *st = prepare(p, "SELECT id,seq,time,rule_id,rule,key,outcome,"
	    "suppressor,event,run,run_name,reason,due_ms,count,trace FROM decision"
	    " WHERE id>=?1 ORDER BY id LIMIT 1");
	int rc;

	sqlite3_bind_int64(st, 1, (int64_t)MIN(from, INT64_MAX));
	rc = one(p, st, "decisions", err);
	*any = rc == SQLITE_ROW;
	if (*any)
		*ret = (struct decision_row){ .id = column_u64(st, 0),
			.seq = column_u64(st, 1), .time_ms = sqlite3_column_int64(st, 2),
			.rule_id = (uint32_t)sqlite3_column_int64(st, 3),
			.rule = arena_str(a, column(st, 4)),
			.key = arena_str(a, column(st, 5)),
			.outcome = (enum outcome)by_name((const char *)
			    sqlite3_column_text(st, 6), outcome_of, OUTCOME_ERROR + 1),
			.by = (enum suppressor)by_name((const char *)
			    sqlite3_column_text(st, 7), suppressor_of, SUPP_MAX),
			.event_id = arena_str(a, column(st, 8)),
			.run = column_u64(st, 9), .run_id = arena_str(a, column(st, 10)),
			.reason = arena_str(a, column(st, 11)),
			.due_ms = sqlite3_column_int64(st, 12),
			.count = (uint32_t)sqlite3_column_int64(st, 13),
			.trace = arena_str(a, column(st, 14)) };
	sqlite3_finalize(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE;
}
