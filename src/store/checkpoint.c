/* Checkpoints on a thread of their own, and the cap on the write-ahead log.
 *
 * Invariants
 *   (1) The writer never checkpoints (wal_autocheckpoint=0); that thread does, PASSIVE,
 *       on a connection of its own that has read once: on a fresh one the call is a
 *       silent no-op.
 *   (2) Above WAL_CAP the writer holds its next turn until a pass that began after it
 *       stopped has ended: no mode of checkpoint caps the log under a nonstop writer.
 *       The log is then empty to the next writer, which starts it anew.
 *   (3) A pass waits behind nothing: the thread has no other work, or the compilation
 *       of ten thousand rules would hold the writer as long as it takes. */
#include "io/pool.h"
#include "store/store_priv.h"

struct ckpt {
	char		*path;
	sqlite3		*db;
	int		 rc, log, done;	/* of the last pass */
};

static int on_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct store *s = arg;

	(void)db;
	(void)name;
	s->wal_pages = pages;
	return SQLITE_OK;
}

void checkpoint_init(struct store *s)
{
	s->ckpt = g_new0(struct ckpt, 1);
	s->ckpt->path = g_strdup(s->path);
	sqlite3_wal_hook(s->db, on_wal, s);
}

static bool ckpt_open(struct ckpt *c)
{
	if (c->db)
		return true;
	if (sqlite3_open_v2(c->path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK ||
	    sqlite3_exec(c->db,
			 "PRAGMA synchronous=FULL;"
			 " SELECT count(*) FROM meta",
			 NULL, NULL, NULL) != SQLITE_OK) {
		sqlite3_close(c->db);
		c->db = NULL;
	}
	return c->db != NULL;
}

/* On that thread: owns the ckpt meanwhile. */
static void *pass(void *arg)
{
	struct ckpt *c = arg;

	c->rc = SQLITE_CANTOPEN;
	if (ckpt_open(c))
		c->rc = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_PASSIVE,
						  &c->log, &c->done);
	return c;
}

static void start(struct store *s);

static void on_pass(void *arg, void *ret)
{
	struct store *s = arg;

	(void)ret;
	s->ckpt_running = false;
	if (s->waiting && s->ckpt_again) {
		start(s);	/* that one began before the writer stopped */
		return;
	}
	if (s->waiting) {
		s->waiting = false;
		s->wal_pages = 0;
		if (s->on_free)
			s->on_free(s->on_free_ctx);
	}
}

static void start(struct store *s)
{
	s->ckpt_again = false;
	s->ckpt_running = pool_run(s->checkpointer, pass, on_pass, s->ckpt, s);
}

void store_attach(struct store *s, struct loop *loop, struct pool *checkpointer,
    void (*on_free)(void *), void *ctx)
{
	(void)loop;
	s->checkpointer = checkpointer;
	s->on_free = on_free;
	s->on_free_ctx = ctx;
}

void checkpoint_after_commit(struct store *s)
{
	int64_t bytes = (int64_t)s->wal_pages * s->page_size;

	if (s->checkpointer && bytes >= WAL_START && !s->ckpt_running)
		start(s);
}

bool store_must_wait(struct store *s)
{
	if (!s->checkpointer || (int64_t)s->wal_pages * s->page_size < WAL_CAP)
		return false;
	if (!s->waiting) {
		s->waiting = true;
		s->ckpt_again = s->ckpt_running;
		if (!s->ckpt_running)
			start(s);
	}
	return s->waiting && s->ckpt_running;
}

/* It was ended before the store: nothing runs any more. */
void checkpoint_close(struct store *s)
{
	if (!s->ckpt)
		return;
	sqlite3_close(s->ckpt->db);
	g_free(s->ckpt->path);
	g_free(s->ckpt);
}
