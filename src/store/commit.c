/* One transaction: everything that was put, and the dirty state, or nothing.
 *
 *	BEGIN · turns · journal · positions · rows · delta (+ rolling shards) · COMMIT
 *
 * Results
 *   DONE    the only place where a `struct committed` is made
 *   FULL    SQLite has dropped the transaction; the buffer is as before; the reserve
 *           file is given up, so that what must be written soon still can be.  Also
 *           when another program holds the write lock: that passes too
 *   BROKEN  an I/O error or corruption: the process must end, the restart re-reads */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "store/store_priv.h"

bool store_open_commit(const struct store *s)
{
	return s->buf.turns_n > 0 || store_unread(s);
}

uint64_t store_dirty_bytes(const struct store *s, const struct cells *c)
{
	return cells_dirty_bytes(c) + s->buf.frames->len;
}

static bool reserve_open(struct store *s)
{
	char *path;

	if (s->reserve_fd < 0) {
		path = g_build_filename(s->dir, "reserve", NULL);
		s->reserve_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		g_free(path);
	}
	return s->reserve_fd >= 0;
}

void reserve_drop(struct store *s)
{
	if (reserve_open(s) && ftruncate(s->reserve_fd, 0) < 0)
		(void)0;	/* what is left of it does no harm */
	s->low = true;
}

static bool reserve_take(struct store *s)
{
	bool ok = reserve_open(s) && (s->opt.reserve_bytes <= 0 ||
	    posix_fallocate(s->reserve_fd, 0, s->opt.reserve_bytes) == 0);

	if (!ok)
		reserve_drop(s);
	return ok;
}

bool store_low(struct store *s, int64_t tick_ms)
{
	if (s->reserve_fd < 0 && !s->low)	/* first use */
		s->low = !reserve_take(s);
	if (s->low && tick_ms - s->low_tick >= 1000) {
		s->low_tick = tick_ms;
		s->low = !reserve_take(s);
	}
	return s->low;
}

static void mark_damaged(struct store *s)
{
	char *path = g_build_filename(s->dir, "damaged", NULL);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	g_free(path);
}

static int write_all(struct store *s, struct cells *c)
{
	const struct turn_head *last = &s->buf.turns[s->buf.turns_n - 1];
	int rc;

	if ((rc = step_done(s->st[ST_BEGIN])) != SQLITE_OK ||
	    (rc = journal_write(s)) != SQLITE_OK ||
	    (rc = rows_write(s)) != SQLITE_OK ||
	    (rc = state_write(s, c, last->id)) != SQLITE_OK ||
	    (rc = snap_write(s, c)) != SQLITE_OK ||
	    (rc = rows_trim(s, last)) != SQLITE_OK)
		return rc;
	return step_done(s->st[ST_COMMIT]);
}

/* No space, or no quota: SQLite says FULL for the first only, and for neither where it
 * is the log's index that can't grow.  A failed fsync is never taken for that. */
static bool is_full(struct store *s, int rc)
{
	int sys = sqlite3_system_errno(s->db);

	if ((rc & 0xff) == SQLITE_FULL)
		return true;
	return (rc == SQLITE_IOERR_WRITE || rc == SQLITE_IOERR_SHMSIZE ||
	    rc == SQLITE_IOERR_TRUNCATE) && (sys == ENOSPC || sys == EDQUOT);
}

static enum store_result failed(struct store *s, int rc, int64_t journal_bytes,
				struct err *err)
{
	bool full = is_full(s, rc);

	err_set(err, full ? ERR_FULL : ERR_IO, "commit: %s (%s)", sqlite3_errmsg(s->db),
	    sqlite3_errstr(rc));
	if (!sqlite3_get_autocommit(s->db))
		step_done(s->st[ST_ROLLBACK]);
	s->journal_bytes = journal_bytes;
	if ((rc & 0xff) == SQLITE_BUSY)
		return STORE_FULL;
	if (full) {
		reserve_drop(s);
		return STORE_FULL;
	}
	mark_damaged(s);
	return STORE_BROKEN;
}

enum store_result store_commit(struct store *s, struct cells *c, struct committed *ret,
    struct err *err)
{
	int64_t journal_bytes = s->journal_bytes;
	int rc;

	if (store_unread(s)) {
		*err = s->unread;
		mark_damaged(s);
		return STORE_BROKEN;
	}
	CHECK(s->buf.turns_n > 0);
	rc = write_all(s, c);
	if (rc != SQLITE_OK)
		return failed(s, rc, journal_bytes, err);
	state_written(s);
	snap_written(s);
	rows_written(s);
	cells_clean(c);
	if (s->buf.fx.outbox_n)
		s->outbox_last = s->buf.fx.outbox[s->buf.fx.outbox_n - 1].id;
	s->meta.last_turn = s->buf.turns[s->buf.turns_n - 1].id;
	buffer_clear(s);
	ret->commit = ++s->commit;
	checkpoint_after_commit(s);
	return STORE_DONE;
}
