/* SQLite's VFS on the disk that loses power: one process, one thread, several
 * connections, so locks and the log's index are plain counters and heap memory.
 *
 * Invariants
 *   (1) Every call that changes the disk ticks its fuse; with the power gone each call
 *       fails, but unlocking and closing work, so that SQLite can unwind.
 *   (2) Locks and index are those of the one file that is opened as a main database;
 *       the index goes when its last user goes, as on a restart of the process.
 *   (3) Time and randomness come from the seed; nobody sleeps. */
#include <sqlite3.h>
#include <string.h>

#include "base/check.h"
#include "power/disk.h"

#define SLOTS SQLITE_SHM_NLOCK

struct file {
	sqlite3_file	 base;
	struct inode	*inode;
	bool		 main_db, shm;
	int		 lock;
	unsigned	 shared, exclusive;	/* bits: slots of the index held */
};

static struct {
	struct disk	*disk;
	struct dice	 dice;
	uint64_t	 files;
	sqlite3_int64	 time;
	int		 sharers;	/* of the main database: SHARED or more */
	struct file	*reserved, *pending, *exclusive;
	GPtrArray	*regions;
	int		 shm_users, slot_shared[SLOTS];
	struct file	*slot_exclusive[SLOTS];
} v;

uint64_t vfs_open_files(void)
{
	return v.files;
}

static int f_unlock(sqlite3_file *, int);
static int f_shm_unmap(sqlite3_file *, int);

static int f_close(sqlite3_file *base)
{
	struct file *f = (struct file *)base;

	f_shm_unmap(base, 0);
	f_unlock(base, SQLITE_LOCK_NONE);
	f->base.pMethods = NULL;
	v.files--;
	return SQLITE_OK;
}

static int f_read(sqlite3_file *base, void *to, int n, sqlite3_int64 at)
{
	const GByteArray *b = disk_bytes(((struct file *)base)->inode);
	int have = at >= b->len ? 0 : (int)MIN((sqlite3_int64)n, b->len - at);

	if (!disk_look(v.disk))
		return SQLITE_IOERR_READ;
	if (have)
		memcpy(to, b->data + at, (size_t)have);
	memset((char *)to + have, 0, (size_t)(n - have));
	return have == n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int f_write(sqlite3_file *base, const void *from, int n, sqlite3_int64 at)
{
	return disk_write(v.disk, ((struct file *)base)->inode, (uint64_t)at, from,
	    (uint32_t)n) ? SQLITE_OK : SQLITE_IOERR_WRITE;
}

static int f_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	return disk_cut(v.disk, ((struct file *)base)->inode, (uint64_t)size) ?
	    SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

static int f_sync(sqlite3_file *base, int flags)
{
	(void)flags;
	return disk_sync(v.disk, ((struct file *)base)->inode) ? SQLITE_OK :
	    SQLITE_IOERR_FSYNC;
}

static int f_size(sqlite3_file *base, sqlite3_int64 *ret)
{
	*ret = disk_bytes(((struct file *)base)->inode)->len;
	return disk_dead(v.disk) ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

/* The five levels of a rollback journal's locks, as in os_unix.c. */
static int f_lock(sqlite3_file *base, int level)
{
	struct file *f = (struct file *)base;

	if (!disk_look(v.disk))
		return SQLITE_IOERR_LOCK;
	if (!f->main_db || f->lock >= level)
		return SQLITE_OK;
	if ((v.exclusive && v.exclusive != f) || (v.pending && v.pending != f))
		return SQLITE_BUSY;
	if (f->lock == SQLITE_LOCK_NONE) {
		v.sharers++;
		f->lock = SQLITE_LOCK_SHARED;
	}
	if (level == SQLITE_LOCK_SHARED)
		return SQLITE_OK;
	if (v.reserved && v.reserved != f)
		return SQLITE_BUSY;
	v.reserved = f;
	f->lock = MAX(f->lock, SQLITE_LOCK_RESERVED);
	if (level == SQLITE_LOCK_RESERVED)
		return SQLITE_OK;
	v.pending = f;
	f->lock = SQLITE_LOCK_PENDING;
	if (v.sharers > 1)
		return SQLITE_BUSY;
	v.exclusive = f;
	f->lock = SQLITE_LOCK_EXCLUSIVE;
	return SQLITE_OK;
}

static int f_unlock(sqlite3_file *base, int level)
{
	struct file *f = (struct file *)base;

	if (f->lock <= level)
		return SQLITE_OK;
	v.reserved = v.reserved == f ? NULL : v.reserved;
	v.pending = v.pending == f ? NULL : v.pending;
	v.exclusive = v.exclusive == f ? NULL : v.exclusive;
	if (level == SQLITE_LOCK_NONE)
		v.sharers--;
	f->lock = level;
	return SQLITE_OK;
}

static int f_reserved(sqlite3_file *base, int *ret)
{
	(void)base;
	*ret = v.reserved != NULL;
	return SQLITE_OK;
}

static int f_control(sqlite3_file *base, int op, void *arg)
{
	(void)base;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

static int f_sector(sqlite3_file *base)
{
	(void)base;
	return 4096;		/* what SQLite says of a disk whose overwrites are safe */
}

static int f_traits(sqlite3_file *base)
{
	(void)base;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int f_shm_map(sqlite3_file *base, int page, int size, int extend,
    void volatile **ret)
{
	struct file *f = (struct file *)base;

	if (disk_dead(v.disk))
		return SQLITE_IOERR_SHMMAP;
	if (!f->shm)
		v.shm_users++;
	f->shm = true;
	while (extend && v.regions->len <= (guint)page)
		g_ptr_array_add(v.regions, g_malloc0((gsize)size));
	*ret = (guint)page < v.regions->len ? v.regions->pdata[page] : NULL;
	return SQLITE_OK;
}

static void shm_unlock(struct file *f, int slot)
{
	unsigned bit = 1u << slot;

	if (f->shared & bit)
		v.slot_shared[slot]--;
	if (f->exclusive & bit)
		v.slot_exclusive[slot] = NULL;
	f->shared &= ~bit;
	f->exclusive &= ~bit;
}

static int f_shm_lock(sqlite3_file *base, int first, int n, int flags)
{
	struct file *f = (struct file *)base;

	for (int i = first; (flags & SQLITE_SHM_UNLOCK) && i < first + n; i++)
		shm_unlock(f, i);
	if (flags & SQLITE_SHM_UNLOCK)
		return SQLITE_OK;
	if (!disk_look(v.disk))
		return SQLITE_IOERR_SHMLOCK;
	for (int i = first; i < first + n; i++) {
		int others = v.slot_shared[i] - !!(f->shared & (1u << i));

		if ((v.slot_exclusive[i] && v.slot_exclusive[i] != f) ||
		    ((flags & SQLITE_SHM_EXCLUSIVE) && others))
			return SQLITE_BUSY;
	}
	for (int i = first; i < first + n; i++) {
		shm_unlock(f, i);
		if (flags & SQLITE_SHM_EXCLUSIVE) {
			v.slot_exclusive[i] = f;
			f->exclusive |= 1u << i;
		} else {
			v.slot_shared[i]++;
			f->shared |= 1u << i;
		}
	}
	return SQLITE_OK;
}

static void f_shm_barrier(sqlite3_file *base)
{
	(void)base;
}

static int f_shm_unmap(sqlite3_file *base, int delete)
{
	struct file *f = (struct file *)base;

	(void)delete;
	if (!f->shm)
		return SQLITE_OK;
	for (int i = 0; i < SLOTS; i++)
		shm_unlock(f, i);
	f->shm = false;
	if (--v.shm_users == 0)
		g_ptr_array_set_size(v.regions, 0);
	return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
	.iVersion = 2, .xClose = f_close, .xRead = f_read, .xWrite = f_write,
	.xTruncate = f_truncate, .xSync = f_sync, .xFileSize = f_size, .xLock = f_lock,
	.xUnlock = f_unlock, .xCheckReservedLock = f_reserved, .xFileControl = f_control,
	.xSectorSize = f_sector, .xDeviceCharacteristics = f_traits,
	.xShmMap = f_shm_map, .xShmLock = f_shm_lock, .xShmBarrier = f_shm_barrier,
	.xShmUnmap = f_shm_unmap,
};

static int v_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags,
    int *ret_flags)
{
	struct file *f = (struct file *)base;
	bool log = flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL |
	    SQLITE_OPEN_SUPER_JOURNAL);

	(void)vfs;
	memset(f, 0, sizeof(*f));
	if (disk_dead(v.disk))
		return SQLITE_CANTOPEN;
	f->inode = name ? disk_find(v.disk, name) : NULL;
	if (!f->inode && (!(flags & SQLITE_OPEN_CREATE) || !disk_tick(v.disk)))
		return SQLITE_CANTOPEN;
	if (!f->inode)
		f->inode = disk_create(v.disk, name, log);
	f->main_db = flags & SQLITE_OPEN_MAIN_DB;
	f->base.pMethods = &methods;
	v.files++;
	if (ret_flags)
		*ret_flags = flags;
	return SQLITE_OK;
}

static int v_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	(void)vfs;
	if (!disk_dead(v.disk) && !disk_find(v.disk, name))
		return SQLITE_IOERR_DELETE_NOENT;
	return disk_delete(v.disk, name, sync_dir) ? SQLITE_OK : SQLITE_IOERR_DELETE;
}

static int v_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
	(void)vfs;
	(void)flags;
	*ret = disk_find(v.disk, name) != NULL;
	return disk_dead(v.disk) ? SQLITE_IOERR_ACCESS : SQLITE_OK;
}

static int v_path(sqlite3_vfs *vfs, const char *name, int n, char *ret)
{
	(void)vfs;
	return g_strlcpy(ret, name, (gsize)n) < (gsize)n ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int v_random(sqlite3_vfs *vfs, int n, char *ret)
{
	(void)vfs;
	for (int i = 0; i < n; i++)
		ret[i] = (char)dice_next(&v.dice);
	return n;
}

static int v_sleep(sqlite3_vfs *vfs, int us)
{
	(void)vfs;
	v.time += us / 1000 + 1;
	return us;
}

static int v_time(sqlite3_vfs *vfs, sqlite3_int64 *ret)
{
	(void)vfs;
	*ret = INT64_C(212000000000000) + v.time++;	/* ms of a Julian day */
	return SQLITE_OK;
}

static int v_error(sqlite3_vfs *vfs, int n, char *ret)
{
	(void)vfs;
	(void)n;
	(void)ret;
	return 0;
}

void vfs_register(struct disk *disk, uint64_t seed)
{
	static sqlite3_vfs vfs = {
		.iVersion = 2, .szOsFile = sizeof(struct file), .mxPathname = 512,
		.zName = "power", .xOpen = v_open, .xDelete = v_delete,
		.xAccess = v_access, .xFullPathname = v_path, .xRandomness = v_random,
		.xSleep = v_sleep, .xCurrentTimeInt64 = v_time,
		.xGetLastError = v_error,
	};

	v.disk = disk;
	v.dice.s = seed;
	v.regions = g_ptr_array_new_with_free_func(g_free);
	CHECK(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
}
