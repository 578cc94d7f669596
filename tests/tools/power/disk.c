/* The disk: contents, names, and what of them a loss leaves.
 *
 * Invariants
 *   (1) `kept` of an inode is what a completed sync covered; `changes` are all after
 *       it, in order; `now` is kept with all of them applied.
 *   (2) The same for a name: `kept`, `now`, and whether it was gone in between.
 *   (3) Only dice drawn from the seed decide: the same seed loses the same bytes. */
#include <string.h>

#include "base/check.h"
#include "power/disk.h"

#define SECTOR 512

struct change { uint64_t at; uint32_t n; uint8_t *data; };	/* no data: cut to `at` */
struct inode {
	GByteArray	*now, *kept;
	GArray		*changes;	/* struct change */
	bool		 log;		/* its first sync syncs the directory */
	bool		 fresh;
	bool		 head;		/* the log's head was written since its sync */
};
struct entry {
	char		*name;
	struct inode	*now, *kept;
	bool		 between;	/* was without an inode since the last sync */
};
struct disk {
	struct dice	 dice;
	enum honesty	 honesty;
	GPtrArray	*inodes, *entries;
	uint64_t	 fuse, sync_fuse, ops;
	bool		 dead, looks, in_commit, in_hook;
	void		(*hook)(void *);
	void		*hook_ctx;
};

uint64_t dice_next(struct dice *d)
{
	uint64_t z = (d->s += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t dice_below(struct dice *d, uint64_t n)
{
	return dice_next(d) % n;
}

static void drop_changes(struct inode *i)
{
	for (guint k = 0; k < i->changes->len; k++)
		g_free(g_array_index(i->changes, struct change, k).data);
	g_array_set_size(i->changes, 0);
}

static void inode_free(gpointer p)
{
	struct inode *i = p;

	drop_changes(i);
	g_array_free(i->changes, TRUE);
	g_byte_array_free(i->now, TRUE);
	g_byte_array_free(i->kept, TRUE);
	g_free(i);
}

static void entry_free(gpointer p)
{
	struct entry *e = p;

	g_free(e->name);
	g_free(e);
}

struct disk *disk_new(uint64_t seed, enum honesty honesty)
{
	struct disk *d = g_new0(struct disk, 1);

	d->dice.s = seed;
	d->honesty = honesty;
	d->inodes = g_ptr_array_new_with_free_func(inode_free);
	d->entries = g_ptr_array_new_with_free_func(entry_free);
	return d;
}

void disk_free(struct disk *d)
{
	g_ptr_array_free(d->inodes, TRUE);
	g_ptr_array_free(d->entries, TRUE);
	g_free(d);
}

void disk_wipe(struct disk *d)
{
	CHECK(vfs_open_files() == 0);
	g_ptr_array_set_size(d->inodes, 0);
	g_ptr_array_set_size(d->entries, 0);
	d->dead = false;
	d->fuse = d->sync_fuse = 0;
}

void disk_fuse(struct disk *d, uint64_t ops)
{
	d->fuse = ops;
	d->looks = false;
}

void disk_fuse_looks(struct disk *d, uint64_t ops)
{
	d->fuse = ops;
	d->looks = true;
}

void disk_fuse_at_sync(struct disk *d, uint64_t syncs)
{
	d->sync_fuse = syncs;
}

bool disk_dead(const struct disk *d)
{
	return d->dead;
}

uint64_t disk_ops(const struct disk *d)
{
	return d->ops;
}

void disk_hook(struct disk *d, void (*hook)(void *), void *ctx)
{
	d->hook = hook;
	d->hook_ctx = ctx;
}

void disk_in_commit(struct disk *d, bool in)
{
	d->in_commit = in;
}

bool disk_tick(struct disk *d)
{
	if (d->dead)
		return false;
	if (d->hook && !d->in_hook) {
		d->in_hook = true;
		d->hook(d->hook_ctx);
		d->in_hook = false;
		if (d->dead)
			return false;
	}
	d->ops++;
	if (d->fuse && --d->fuse == 0)
		d->dead = true;
	return !d->dead;
}

bool disk_look(struct disk *d)
{
	return d->looks ? disk_tick(d) : !d->dead;
}

static struct entry *entry_of(struct disk *d, const char *name)
{
	for (guint i = 0; i < d->entries->len; i++) {
		struct entry *e = d->entries->pdata[i];
		if (strcmp(e->name, name) == 0)
			return e;
	}
	return NULL;
}

struct inode *disk_find(struct disk *d, const char *name)
{
	struct entry *e = entry_of(d, name);

	return e ? e->now : NULL;
}

/* `name` NULL: a file without one, which no loss keeps. */
struct inode *disk_create(struct disk *d, const char *name, bool log)
{
	struct inode *i = g_new0(struct inode, 1);
	struct entry *e = name ? entry_of(d, name) : NULL;

	i->now = g_byte_array_new();
	i->kept = g_byte_array_new();
	i->changes = g_array_new(FALSE, FALSE, sizeof(struct change));
	i->log = log;
	i->fresh = true;
	g_ptr_array_add(d->inodes, i);
	if (name && !e) {
		e = g_new0(struct entry, 1);
		e->name = g_strdup(name);
		g_ptr_array_add(d->entries, e);
	}
	if (e)
		e->now = i;
	return i;
}

static void sync_names(struct disk *d)
{
	for (guint i = 0; i < d->entries->len; i++) {
		struct entry *e = d->entries->pdata[i];
		e->kept = e->now;
		e->between = false;
	}
}

bool disk_delete(struct disk *d, const char *name, bool sync_dir)
{
	struct entry *e = entry_of(d, name);
	bool alive = disk_tick(d);

	/* The power may also go after the name went and before the directory's sync. */
	if (e && (alive || dice_below(&d->dice, 2))) {
		e->now = NULL;
		e->between = true;
	}
	if (alive && sync_dir && d->honesty != SYNC_NEVER)
		sync_names(d);
	return alive;
}

static void put(GByteArray *to, uint64_t at, const void *data, uint32_t n)
{
	guint old = to->len, end = (guint)(at + n);

	CHECK(at + n < G_MAXUINT / 2);
	if (end > old) {
		g_byte_array_set_size(to, end);
		memset(to->data + old, 0, end - old);
	}
	if (n)
		memcpy(to->data + at, data, n);
}

static void apply(GByteArray *to, const struct change *c)
{
	if (c->data)
		put(to, c->at, c->data, c->n);
	else if (c->at < to->len)
		g_byte_array_set_size(to, (guint)c->at);
}

static void change(struct inode *i, uint64_t at, const void *data, uint32_t n)
{
	struct change c = { at, n, data ? g_memdup2(data, n) : NULL };

	g_array_append_val(i->changes, c);
	apply(i->now, &c);
}

/* Also the write at which the power goes may have reached the disk in part. */
bool disk_write(struct disk *d, struct inode *i, uint64_t at, const void *data,
    uint32_t n)
{
	bool was_dead = d->dead, alive = disk_tick(d);

	if (was_dead || !n)
		return alive;
	change(i, at, data, n);
	i->head = i->head || (i->log && at == 0);
	return alive;
}

bool disk_cut(struct disk *d, struct inode *i, uint64_t size)
{
	bool was_dead = d->dead, alive = disk_tick(d);

	if (!was_dead)
		change(i, size, NULL, 0);
	return alive;
}

/* What synchronous=NORMAL leaves out: the log's sync at a commit, where its head has
 * not just been written. */
static bool skipped(const struct disk *d, const struct inode *i)
{
	return d->honesty == SYNC_NEVER || (d->honesty == SYNC_NORMAL && i->log &&
	    d->in_commit && !d->in_hook && !i->head);
}

bool disk_sync(struct disk *d, struct inode *i)
{
	if (d->sync_fuse && --d->sync_fuse == 0)
		d->fuse = 1;
	if (!disk_tick(d))
		return false;
	if (skipped(d, i))
		return true;
	for (guint k = 0; k < i->changes->len; k++)
		apply(i->kept, &g_array_index(i->changes, struct change, k));
	drop_changes(i);
	if (i->log && i->fresh)
		sync_names(d);
	i->fresh = i->head = false;
	return true;
}

const GByteArray *disk_bytes(const struct inode *i)
{
	return i->now;
}

/* How one loss treats what was not synced. */
struct mood { uint64_t keep, torn; };	/* per cent of the sectors */

static struct mood mood_of(struct dice *dice)
{
	static const uint64_t keep[] = { 0, 10, 50, 90, 100 }, torn[] = { 0, 5, 30 };

	return (struct mood){ keep[dice_below(dice, G_N_ELEMENTS(keep))],
		torn[dice_below(dice, G_N_ELEMENTS(torn))] };
}

/* A part of the new bytes, then the old ones or nonsense. */
static void tear(struct dice *dice, GByteArray *to, uint64_t at, uint8_t *data,
    uint32_t n)
{
	uint32_t whole = (uint32_t)dice_below(dice, n);

	put(to, at, data, whole);
	if (!dice_below(dice, 2))
		return;
	for (uint32_t i = whole; i < n; i++)
		data[i] = (uint8_t)dice_next(dice);
	put(to, at, data, n);
}

static void lose_write(struct dice *dice, struct mood m, GByteArray *to,
    const struct change *c)
{
	for (uint32_t done = 0; done < c->n;) {
		uint64_t at = c->at + done;
		uint32_t n = MIN(c->n - done, (uint32_t)(SECTOR - at % SECTOR));

		if (dice_below(dice, 100) < m.torn)
			tear(dice, to, at, c->data + done, n);
		else if (dice_below(dice, 100) < m.keep)
			put(to, at, c->data + done, n);
		done += n;
	}
}

/* One time in four the disk wrote in order: all up to one change, that one torn; and
 * one time in four it wrote all. */
static void lose_content(struct dice *dice, struct inode *i)
{
	struct mood m = mood_of(dice);
	uint64_t way = dice_below(dice, 4);
	bool ordered = way == 0;
	guint upto = (guint)dice_below(dice, i->changes->len + UINT64_C(1));

	for (guint k = 0; k < i->changes->len; k++) {
		struct change *c = &g_array_index(i->changes, struct change, k);

		if (way == 1 || (ordered && k < upto))
			apply(i->kept, c);
		else if (ordered && k > upto)
			break;
		else if (c->data)
			lose_write(dice, m, i->kept, c);
		else if (dice_below(dice, 100) < m.keep)
			apply(i->kept, c);
	}
	drop_changes(i);
	g_byte_array_set_size(i->now, 0);
	put(i->now, 0, i->kept->data, i->kept->len);
	i->head = false;
}

static void lose_name(struct dice *dice, struct entry *e)
{
	if (e->now != e->kept || e->between)
		switch (dice_below(dice, 3)) {
		case 0:
			e->now = e->kept;
			break;
		case 1:
			e->now = e->between || !e->kept ? NULL : e->now;
			break;
		}
	e->kept = e->now;
	e->between = false;
}

void disk_loss(struct disk *d)
{
	CHECK(vfs_open_files() == 0);
	for (guint i = 0; i < d->entries->len; i++)
		lose_name(&d->dice, d->entries->pdata[i]);
	for (guint i = d->inodes->len; i-- > 0;) {
		bool named = false;

		for (guint k = 0; k < d->entries->len; k++)
			named = named ||
			    ((struct entry *)d->entries->pdata[k])->now ==
				d->inodes->pdata[i];
		if (named)
			lose_content(&d->dice, d->inodes->pdata[i]);
		else
			g_ptr_array_remove_index(d->inodes, i);
	}
	d->dead = false;
	d->fuse = d->sync_fuse = 0;
}
