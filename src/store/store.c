/* Opening the database: lock, file system, schema, identity, load.
 *
 * Invariants
 *   (1) The OFD lock on `lock` is taken before the database file is opened and held
 *       until the process ends: one daemon per state directory.
 *   (2) Only SQLite opens the database file (closing another descriptor of it would
 *       drop SQLite's POSIX locks).
 *   (3) After an I/O error a file `damaged` stays behind; the next open runs
 *       quick_check before anything else. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "store/schema.h"
#include "store/store_priv.h"

static const struct { long magic; const char *name; } unsafe_fs[] = {
	{ 0x6969, "NFS" }, { 0x517b, "SMB" }, { (long)0xff534d42, "CIFS" },
	{ (long)0xfe534d42, "SMB2" }, { 0x01021997, "9p" }, { 0x6a656a63, "virtiofs" },
	{ 0x65735546, "FUSE" },
};

static bool check_fs(const char *dir, bool force, struct err *err)
{
	struct statfs fs;

	if (statfs(dir, &fs) < 0)
		return err_set(err, ERR_IO, "state directory '%s': %s", dir,
			       g_strerror(errno));
	for (unsigned i = 0; !force && i < G_N_ELEMENTS(unsafe_fs); i++)
		if (((long)fs.f_type & 0xffffffff) == (unsafe_fs[i].magic & 0xffffffff))
			return err_set(err, ERR_USAGE,
				       "state directory '%s' is on %s, where SQLite's"
				       " locks and syncs can't be trusted: use a local "
				       "disk (or --force)",
				       dir, unsafe_fs[i].name);
	return true;
}

static bool take_lock(struct store *s, struct err *err)
{
	char *path = g_build_filename(s->dir, "lock", NULL);
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	const struct timespec pause = { 0, 100 * 1000 * 1000 };

	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0) {
		err_set(err, errno == ENOSPC ? ERR_FULL : ERR_IO, "'%s': %s", path,
			g_strerror(errno));
		g_free(path);
		return false;
	}
	for (int i = 0; fcntl(s->lock_fd, F_OFD_SETLK, &fl) < 0; i++) {
		if (i == 100) {
			err_set(err, ERR_CONFLICT,
				"another retraind holds '%s': one daemon per state"
				" directory",
				path);
			g_free(path);
			return false;
		}
		nanosleep(&pause, NULL); /* a predecessor may be finishing its turn */
	}
	g_free(path);
	return true;
}

/* A start with the disk full needs what the reserve file is kept for. */
static bool make_room(struct store *s)
{
	struct statvfs fs;

	if (statvfs(s->dir, &fs) == 0 && fs.f_bavail < START_BYTES / fs.f_frsize)
		reserve_drop(s);
	return true;		/* if that was not enough, opening says so */
}

static bool exec_sql(struct store *s, const char *sql, struct err *err)
{
	if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return err_set(err,
			       sqlite3_errcode(s->db) == SQLITE_FULL ? ERR_FULL : ERR_IO,
			       "'%s': %s", s->path, sqlite3_errmsg(s->db));
	return true;
}

static bool check_wal(struct store *s, struct err *err)
{
	sqlite3_stmt *st = NULL;
	bool ok = sqlite3_prepare_v2(s->db, "PRAGMA journal_mode=WAL", -1, &st, NULL) ==
		      SQLITE_OK &&
		  sqlite3_step(st) == SQLITE_ROW &&
		  strcmp((const char *)sqlite3_column_text(st, 0), "wal") == 0;

	if (!ok)
		err_set(err, sqlite3_errcode(s->db) == SQLITE_FULL ? ERR_FULL : ERR_IO,
			"'%s': write-ahead log mode was refused: %s", s->path,
			sqlite3_errmsg(s->db));
	sqlite3_finalize(st);
	return ok;
}

static bool quick_check(struct store *s, struct err *err)
{
	char *mark = g_build_filename(s->dir, "damaged", NULL);
	sqlite3_stmt *st = NULL;
	bool ok = true;

	if (access(mark, F_OK) == 0) {
		ok = sqlite3_prepare_v2(s->db, "PRAGMA quick_check", -1, &st, NULL) ==
			 SQLITE_OK &&
		     sqlite3_step(st) == SQLITE_ROW &&
		     strcmp((const char *)sqlite3_column_text(st, 0), "ok") == 0;
		if (ok)
			unlink(mark);
		else
			err_set(err, ERR_CORRUPT, "'%s' is damaged: %s; restore a backup",
				s->path,
				st ? (const char *)sqlite3_column_text(st, 0)
				   : sqlite3_errmsg(s->db));
		sqlite3_finalize(st);
	}
	g_free(mark);
	return ok;
}

static bool open_db(struct store *s, struct err *err)
{
	if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
	    SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return err_set(err, ERR_IO, "'%s': %s", s->path, sqlite3_errmsg(s->db));
	if (sqlite3_db_readonly(s->db, "main") == 1)
		return err_set(err, ERR_IO,
			       "'%s' is read-only: the daemon must be able to write it",
			       s->path);
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, 5000);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	/* A new database takes the page size: deltas are long blobs, and half as many
	 * pages are half as many system calls; larger ones cost `seen` more. */
	return exec_sql(s, "PRAGMA page_size=8192;"
	    " PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
	    " PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY;", err) &&
	    check_wal(s, err) &&
	    exec_sql(s, "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;", err) &&
	    quick_check(s, err);
}

static void random_hex(char *out, size_t bytes)
{
	uint8_t r[32];

	CHECK(bytes <= sizeof(r) && getrandom(r, bytes, 0) == (ssize_t)bytes);
	for (size_t i = 0; i < bytes; i++)
		snprintf(out + 2 * i, 3, "%02x", r[i]);
}

bool store_get_meta(struct store *s, const char *name, char *ret, size_t n)
{
	sqlite3_stmt *st = NULL;
	bool ok = false;

	sqlite3_prepare_v2(s->db, "SELECT value FROM meta WHERE name=?1", -1, &st, NULL);
	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	if (next_row(s, st, "meta") && sqlite3_column_text(st, 0)) {
		g_strlcpy(ret, (const char *)sqlite3_column_text(st, 0), n);
		ok = true;
	}
	sqlite3_finalize(st);
	return ok;
}

static bool meta_put(struct store *s, const char *name, const char *value,
		     struct err *err)
{
	sqlite3_bind_text(s->st[ST_META], 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_text(s->st[ST_META], 2, value, -1, SQLITE_STATIC);
	int rc = step_done(s->st[ST_META]);

	if (rc != SQLITE_OK)
		return err_set(err, rc == SQLITE_FULL ? ERR_FULL : ERR_IO,
			       "table meta: %s", sqlite3_errmsg(s->db));
	return true;
}

/* False where something could not be read. */
static bool all_read(const struct store *s, struct err *err)
{
	if (s->unread.code)
		*err = s->unread;
	return !s->unread.code;
}

static bool open_id(struct store *s, const char *name, char *ret, size_t n,
		    struct err *err)
{
	if (store_get_meta(s, name, ret, n))
		return true;
	if (!all_read(s, err))		/* what can't be read is not made anew */
		return false;
	random_hex(ret, 8);
	return meta_put(s, name, ret, err);
}

static bool open_identity(struct store *s, struct err *err)
{
	return open_id(s, "instance", s->meta.instance, sizeof(s->meta.instance), err) &&
	    open_id(s, "epoch", s->meta.epoch, sizeof(s->meta.epoch), err);
}

static int64_t number(struct store *s, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int64_t v = 0;

	sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
	if (next_row(s, st, sql))
		v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return v;
}

static void read_marks(struct store *s)
{
	sqlite3_stmt *st = NULL;

	sqlite3_prepare_v2(s->db,
			   "SELECT id,wall,tick FROM turn ORDER BY id DESC LIMIT 1", -1,
			   &st, NULL);
	if (next_row(s, st, "the last turn")) {
		s->meta.last_turn = (uint64_t)sqlite3_column_int64(st, 0);
		s->meta.last_wall_ms = sqlite3_column_int64(st, 1);
		s->meta.last_tick_ms = sqlite3_column_int64(st, 2);
	}
	sqlite3_finalize(st);
	s->outbox_last = (uint64_t)number(s, "SELECT coalesce(max(id),0) FROM outbox");
	s->journal_bytes =
	    number(s, "SELECT coalesce(sum(length(zblob)),0) FROM journal") +
	    number(s, "SELECT coalesce(sum(length(blob)),0) FROM state_snap");
	snap_open(s);
	s->page_size = (int)number(s, "PRAGMA page_size");
	sqlite3_prepare_v2(s->db, "SELECT id,name FROM source", -1, &st, NULL);
	while (next_row(s, st, "sources"))
		g_hash_table_insert(s->sources,
				    g_strdup((const char *)sqlite3_column_text(st, 1)),
				    GINT_TO_POINTER(sqlite3_column_int(st, 0)));
	sqlite3_finalize(st);
	s->sources_stored = g_hash_table_size(s->sources);
	g_array_set_size(s->seen_counts, s->sources_stored + 1);
	sqlite3_prepare_v2(s->db, "SELECT source,count(*) FROM seen GROUP BY source", -1,
			   &st, NULL);
	while (next_row(s, st, "seen")) {
		uint32_t id = (uint32_t)sqlite3_column_int(st, 0);
		if (id < s->seen_counts->len)
			g_array_index(s->seen_counts, struct seen_count, id).rows =
			    sqlite3_column_int64(st, 1);
	}
	sqlite3_finalize(st);
}

struct store *store_open(const char *dir, const struct store_options *opt,
			 struct err *err)
{
	struct store *s = g_new0(struct store, 1);

	s->dir = g_strdup(dir);
	s->path = g_build_filename(dir, "retraind.db", NULL);
	s->opt = *opt;
	s->lock_fd = s->reserve_fd = -1;
	s->sources = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	s->deltas = g_array_new(FALSE, TRUE, sizeof(struct delta_ref));
	s->rolled = g_array_new(FALSE, TRUE, sizeof(uint64_t));
	s->seen_counts = g_array_new(FALSE, TRUE, sizeof(struct seen_count));
	s->scratch = g_byte_array_new();
	s->packed = g_byte_array_new();
	buffer_init(s);
	if (g_mkdir_with_parents(dir, 0700) < 0)
		err_set(err, errno == ENOSPC ? ERR_FULL : ERR_IO,
			"state directory '%s': %s", dir, g_strerror(errno));
	else if (check_fs(dir, opt->force, err) && take_lock(s, err) && make_room(s) &&
	    open_db(s, err) && schema_open(s->db, &s->meta.fresh, err) &&
	    statements_prepare(s, err) && open_identity(s, err)) {
		read_marks(s);
		checkpoint_init(s);
		if (all_read(s, err))
			return s;
	}
	store_close(s);
	return NULL;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	checkpoint_close(s);
	statements_finish(s);
	sqlite3_close(s->db);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	if (s->reserve_fd >= 0)
		close(s->reserve_fd);
	buffer_clear(s);
	arena_free(s->buf.arena);
	g_hash_table_destroy(s->sources);
	g_array_free(s->deltas, TRUE);
	g_array_free(s->rolled, TRUE);
	g_array_free(s->seen_counts, TRUE);
	g_byte_array_free(s->scratch, TRUE);
	g_byte_array_free(s->packed, TRUE);
	g_free(s->dir);
	g_free(s->path);
	g_free(s);
}

const struct store_meta *store_meta(const struct store *s)
{
	return &s->meta;
}

const char *store_path(const struct store *s)
{
	return s->path;
}

uint32_t source_id(struct store *s, struct str name)
{
	char *z = g_strndup(name.p, name.len);
	uint32_t id = (uint32_t)GPOINTER_TO_INT(g_hash_table_lookup(s->sources, z));

	if (!id) {
		id = g_hash_table_size(s->sources) + 1;
		g_hash_table_insert(s->sources, g_strdup(z), GINT_TO_POINTER((int)id));
	}
	g_free(z);
	return id;
}
