/* Inside the store floor: the connection, its statements, the open commit's buffer. */
#ifndef STORE_PRIV_H
#define STORE_PRIV_H

#include <sqlite3.h>

#include "base/arena.h"
#include "store/store.h"

#define WAL_CAP (16 * 1024 * 1024)	/* above: the writer holds its next turn */
#define START_BYTES (1024 * 1024)	/* what opening and the first commits need */
#define WAL_START (4 * 1024 * 1024)	/* above: a checkpoint pass begins */
#define SEEN_KEEP_MS (7ll * 86400 * 1000)
#define SEEN_ROWS_MAX 2000000
#define TRIM_ROWS 500	/* rows of one kind removed per commit, or as many as it adds */
#define QUARANTINE_ROWS_MAX 100000
#define OUTBOX_ROWS_MAX 1000000

/* One prepared statement each.  ORDER statements in statement.c */
enum stmt_id {
	ST_BEGIN, ST_COMMIT, ST_ROLLBACK, ST_TURN, ST_JOURNAL, ST_POS, ST_BASE, ST_DELTA,
	ST_DELTA_DROP, ST_SEEN, ST_SEEN_GET, ST_SEEN_TRIM, ST_RULE, ST_PIPELINE,
	ST_PIPELINE_DROP, ST_RULESET, ST_DUE, ST_DECISION, ST_RUN, ST_STEP, ST_ATTEMPT,
	ST_MODEL, ST_OUTBOX, ST_OUTBOX_GET, ST_OUTBOX_TRIM, ST_QUARANTINE, ST_AUDIT,
	ST_AUDIT_GET, ST_SOURCE, ST_JOURNAL_TRIM, ST_TURN_TRIM, ST_DECISION_TRIM,
	ST_QUARANTINE_TRIM, ST_META, ST_SNAP, ST_SNAP_PIECE, ST_SNAP_CUT, ST_SNAP_TRIM,
	ST_PIPELINE_TRIM, ST_RULESET_TRIM, ST_MAX,
};
struct put_pos { uint32_t source; struct str part, position; };
struct put_seen { uint32_t source; uint8_t h16[16]; int64_t tick; uint64_t seq; };
struct put_quarantine { struct str source, part, why, head; const char *reason;
	int64_t pos, wall; uint32_t bytes; };
struct put_ruleset { uint8_t hash[32]; struct str packed; int64_t wall; };
struct put_audit { int64_t wall; uint64_t seq;
	struct str actor, verb, target, detail, answer; };

struct put_meta { const char *name; struct str value; };

struct buffer {			/* the open commit; all in `arena` */
	struct arena	*arena;
	struct effects	 fx;
	struct turn_head *turns;
	struct put_pos	*pos;
	struct put_seen	*seen;
	struct put_quarantine *quarantine;
	struct put_ruleset *rulesets;	/* the last one is in force */
	struct put_audit *audit;
	struct put_meta	*metas;
	uint32_t	 turns_n, turns_cap, pos_n, pos_cap, seen_n, seen_cap;
	uint32_t	 quarantine_n, quarantine_cap, audit_n, audit_cap;
	uint32_t	 metas_n, metas_cap, rulesets_n, rulesets_cap;
	GByteArray	*frames;	/* the journal's, uncompressed */
	GHashTable	*seen_set;	/* h16 -> struct put_seen * (into the arena) */
};
struct seen_count { int64_t rows, staged; };	/* staged becomes rows, as roll does */
struct delta_ref { uint64_t turn; uint64_t bytes; };
struct roll {
	uint32_t	 next;		/* shard to be rewritten next */
	uint64_t	 bytes;		/* of the deltas that are still needed */
	/* of one commit */
	uint64_t	 turn;
	uint32_t	 shards;	/* there */
	uint32_t	 rolled;	/* of them, from the old next on */
	unsigned	 gone;		/* deltas dropped */
	struct delta_ref added;		/* turn 0: none */
};
struct snap {			/* snap.c; 0 and false: no round is open, none is known */
	uint64_t	 id;		/* turn in which the open round began */
	uint32_t	 next;		/* shard to be written next */
	uint32_t	 pieces;	/* rows written */
	bool		 any, asked;	/* there is one; another is asked for */
	int64_t		 last_wall;	/* of the newest one */
	int64_t		 since;		/* bytes of journal after it */
};
struct store {
	char		*dir, *path;
	struct store_options opt;
	struct store_meta meta;
	sqlite3		*db;
	sqlite3_stmt	*st[ST_MAX];
	struct err	 unread;	/* a read failed: nothing is committed any more */
	int		 lock_fd, reserve_fd;
	struct buffer	 buf;
	GHashTable	*sources;	/* name -> id */
	uint32_t	 sources_stored;	/* ids up to this one are in the table */
	GArray		*seen_counts;	/* struct seen_count, by source id */
	uint64_t	 commit;	/* number of the last one */
	uint64_t outbox_last, run_read; /* outbox: newest row; read by the run source */
	/* rolling rewrite of base shards */
	struct roll	 roll, staged;	/* staged becomes roll when the commit is done */
	GArray		*deltas;	/* struct delta_ref, in turn order */
	GArray		*rolled;	/* uint64_t by shard: turn of its rewriting */
	GByteArray	*scratch, *packed;
	/* journal retention */
	int64_t		 journal_bytes;	/* with the snapshots */
	int64_t		 block_bytes;	/* of the open commit, compressed */
	bool		 snap_rest;	/* rows of removed snapshots may be left */
	struct snap	 snap, snap_staged;	/* staged becomes snap, as roll does */
	/* space */
	bool		 low;
	int64_t		 low_tick;
	/* checkpoints */
	struct pool	*checkpointer;
	void		(*on_free)(void *);
	void		*on_free_ctx;
	struct ckpt	*ckpt;
	int		 wal_pages, page_size;
	bool		 ckpt_running, ckpt_again, waiting;
};

bool statements_prepare(struct store *, struct err *);
void statements_finish(struct store *);
void buffer_init(struct store *);
void buffer_clear(struct store *);
uint32_t source_id(struct store *, struct str name);
/* commit.c: the reserve file's space is given up; store_low() until it is back. */
void reserve_drop(struct store *);
/* state.c: inside the transaction; SQLite result codes. */
int state_write(struct store *, struct cells *, uint64_t turn);
void state_written(struct store *);	/* the commit is done */
void state_loaded(struct store *, const struct cells *);
/* rows.c: every projection of the buffer. */
int rows_write(struct store *);
int rows_trim(struct store *, const struct turn_head *last);
void rows_written(struct store *);	/* the commit is done */
/* journal.c */
int journal_write(struct store *);
/* snap.c: after state_write() */
int snap_write(struct store *, struct cells *);
void snap_written(struct store *);	/* the commit is done */
int snap_cut(struct store *, int64_t turn1);
int snap_trim(struct store *);
void snap_open(struct store *);
/* checkpoint.c */
void checkpoint_init(struct store *);
void checkpoint_after_commit(struct store *);
void checkpoint_close(struct store *);
/* past.c, for past_runs.c */
struct past;
sqlite3 *past_db(struct past *);
/* Binding helpers: text or NULL when empty. */
void bind_str(sqlite3_stmt *, int i, struct str);
void bind_blob(sqlite3_stmt *, int i, const void *, size_t);
void bind_ms(sqlite3_stmt *, int i, int64_t ms);	/* 0: NULL */
int step_done(sqlite3_stmt *);		/* step, reset, clear: SQLITE_OK or the error */
/* Is there a (further) row?  A read that fails is no answer: see store.h (4). */
bool next_row(struct store *, sqlite3_stmt *, const char *what);
#endif
