/* A disk in memory that can lose its power, and the SQLite VFS upon it.
 *
 * What a completed sync of a file covered survives a loss.  Of everything after it each
 * 512-byte sector of each write is kept, lost or torn by itself, and so is each
 * truncation.  Names live apart from contents: a created, deleted or made-anew name is
 * only sure after the directory was synced (xDelete with its flag; the first sync of a
 * journal or log, as SQLite's own unix VFS does it); before, the old content may be
 * back.  Bytes beside a write are not touched (SQLITE_IOCAP_POWERSAFE_OVERWRITE, which
 * is what SQLite assumes of real disks too).
 *
 * When the fuse burns out the power is gone: every call fails and changes nothing until
 * disk_loss(), which wants all files closed. */
#ifndef TESTS_POWER_DISK_H
#define TESTS_POWER_DISK_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct disk;
struct inode;

struct dice { uint64_t s; };	/* splitmix64 */
uint64_t dice_next(struct dice *);
uint64_t dice_below(struct dice *, uint64_t n);

enum honesty {
	SYNC_HONEST,
	SYNC_NORMAL,		/* the log is not synced by commits: synchronous=NORMAL */
	SYNC_NEVER,		/* no sync does anything */
};

struct disk *disk_new(uint64_t seed, enum honesty);
void disk_free(struct disk *);
void disk_wipe(struct disk *);			/* no files; wants all closed */
void disk_fuse(struct disk *, uint64_t ops);	/* power goes at that one; 0: never */
/* The same, and what only looks (reads, locks) counts too. */
void disk_fuse_looks(struct disk *, uint64_t ops);
void disk_fuse_at_sync(struct disk *, uint64_t syncs);	/* at that sync */
bool disk_dead(const struct disk *);
void disk_loss(struct disk *);			/* what survived is what is there */
uint64_t disk_ops(const struct disk *);
/* Called before each operation that changes something, never from within itself. */
void disk_hook(struct disk *, void (*)(void *), void *);
/* A commit runs; its log syncs are what SYNC_NORMAL leaves out. */
void disk_in_commit(struct disk *, bool);

/* Below: for the VFS.  False: the power is gone. */
bool disk_tick(struct disk *);
bool disk_look(struct disk *);			/* of what changes nothing */
struct inode *disk_find(struct disk *, const char *name);
struct inode *disk_create(struct disk *, const char *name, bool log);
bool disk_delete(struct disk *, const char *name, bool sync_dir);
bool disk_write(struct disk *, struct inode *, uint64_t at, const void *, uint32_t n);
bool disk_cut(struct disk *, struct inode *, uint64_t size);
bool disk_sync(struct disk *, struct inode *);
const GByteArray *disk_bytes(const struct inode *);

void vfs_register(struct disk *, uint64_t seed);	/* as this process's default */
uint64_t vfs_open_files(void);
#endif
