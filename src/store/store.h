/* The database.  One writer, on the loop's thread.
 *
 * store_put_*() only copies into the commit's own buffer; all SQL of the write side
 * runs inside store_commit(), so that a commit refused with "full" can be run again
 * unchanged.  Invariants
 *   (1) a commit is a consistent cut: state, the position of every source, decisions,
 *       runs, outbox; one SQLite transaction, synchronous=FULL, then returned;
 *   (2) `struct committed` is made by store_commit() alone: who holds one may
 *       acknowledge what it covers;
 *   (3) RAM state is never rolled back; after STORE_BROKEN the process ends;
 *   (4) a question that could not be read (seen? answered?) is answered with no, and
 *       what was decided on that is never committed: the next commit is STORE_BROKEN. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/err.h"
#include "event/frame.h"
#include "flow/world.h"

struct loop;
struct pool;
struct store;

struct committed {		/* never made by hand */
	uint64_t	 commit;
};
struct store_options {
	int64_t		 keep_ms, keep_bytes;	/* journal */
	int64_t		 keep_decisions_ms;
	int64_t		 reserve_bytes;		/* the reserve file */
	int64_t		 seen_rows;		/* of one source; 0: 2,000,000 */
	bool		 force;			/* unsafe file systems are let through */
};
struct turn_head {
	uint64_t	 id, seq0;
	uint32_t	 n;			/* inputs */
	int64_t		 wall_ms, tick_ms;
	uint8_t		 ruleset[32];
};
struct store_meta {
	char		 instance[33], epoch[33];	/* hex */
	bool		 fresh;			/* created by this open */
	bool		 restored;		/* start paused */
	uint64_t	 last_turn;
	int64_t		 last_wall_ms, last_tick_ms;
};
enum store_result { STORE_DONE = 1, STORE_FULL, STORE_BROKEN };

/* `dir`: the state directory (created 0700): lock, retraind.db, reserve, runs/.  Takes
 * the OFD lock (retried 10 s), refuses NFS SMB 9p virtiofs FUSE without force, checks
 * schema and cell codec (ERR_CORRUPT / ERR_USAGE name both versions). */
struct store *store_open(const char *dir, const struct store_options *, struct err *);
void store_close(struct store *);
const struct store_meta *store_meta(const struct store *);
const char *store_path(const struct store *);		/* of the database file */
/* Base shards and deltas into the cells; false: corrupt. */
bool store_load(struct store *, struct cells *, struct err *);
/* The last good rule set (packed), and the texts of pipelines that unfinished runs
 * name; copies in the arena; {NULL,0} where there is none. */
struct str store_ruleset(struct store *, struct arena *);
bool store_pipelines(struct store *, struct arena *, struct str **ret, uint32_t *ret_n,
    struct err *);
/* Stored positions of one source, before its first read. */
bool store_positions(struct store *, struct str source,
    void (*each)(void *, struct str part, struct str position), void *, struct err *);

/* The open commit. */
void store_turn(struct store *, const struct turn_head *);	/* a turn's header */
void store_put(struct store *, const struct effects *);		/* its rows */
/* A journal frame, in input order: kind 'm' a message (body kept by the source's
 * mode), 'r' messages in a row, 'i' an encoded input. */
void store_put_frame(struct store *, enum journal_mode, char kind, struct str frame);
void store_put_position(struct store *, struct str source, struct str part,
    struct str position);
void store_put_quarantine(struct store *, const struct message *, struct str source,
    const char *reason, struct str why, int64_t wall_ms);
void store_put_seen(struct store *, struct str source, const uint8_t h16[16],
		    int64_t tick_ms, uint64_t seq);
void store_put_ruleset(struct store *, const uint8_t hash[32], struct str packed,
    int64_t wall_ms);
/* Audit of a person's mutation; `answer` is what a repeat of the same key gets. */
void store_put_audit(struct store *, int64_t wall_ms, uint64_t seq, struct str actor,
    struct str verb, struct str target, struct str detail, struct str answer);
/* The next commit begins a state snapshot, though none is due (snap.c). */
void store_ask_snapshot(struct store *);
/* In the committed table or in the open commit: the seq of the first. */
bool store_has_seen(struct store *, struct str source, const uint8_t h16[16],
    uint64_t *ret_seq);
/* The answer recorded for that seq (audit); false: none. */
bool store_answer(struct store *, uint64_t seq, struct arena *, struct str *ret);
bool store_unread(const struct store *);	/* a read has failed: invariant (4) */

/* A fact about the process for the next start ("boot", "tick_offset"). */
void store_put_meta(struct store *, const char *name, struct str value);
bool store_get_meta(struct store *, const char *name, char *ret, size_t n);

bool store_open_commit(const struct store *);	/* anything not committed, or unread */
uint64_t store_dirty_bytes(const struct store *, const struct cells *);
/* One transaction; on STORE_DONE the cells are clean.  STORE_FULL (no space, or another
 * program holds the lock): nothing was written, the buffer is kept, call again later.
 * STORE_BROKEN: end the process. */
enum store_result store_commit(struct store *, struct cells *, struct committed *,
    struct err *) __attribute__((warn_unused_result));
/* Space is short (a commit failed with "full" and the reserve file is not back yet):
 * read nothing from sources.  Looks at the disk at most once a second. */
bool store_low(struct store *, int64_t tick_ms);
/* The WAL is above its cap: hold the next turn until a checkpoint begun now has ended
 * (on_free is called on the loop). */
bool store_must_wait(struct store *);
/* Checkpoints: on a pool of one thread. */
void store_attach(struct store *, struct loop *, struct pool *checkpointer,
    void (*on_free)(void *), void *ctx);

/* The outbox, for the run source and sinks: rows after `after`, in id order. */
struct outbox_item { uint64_t id; struct str type, subject, json; uint8_t depth; };
uint32_t store_outbox(struct store *, uint64_t after, uint32_t limit, struct arena *,
    struct outbox_item **ret);
uint64_t store_outbox_last(const struct store *);	/* committed */
#endif
