/* Power losses under the real store: nothing acknowledged is lost, nothing is torn.
 *
 *	power_loss --losses N [--seed S] [--sync honest|normal|never] [--minutes M]
 *
 * The store runs on a disk in memory (power/disk.h).  The power goes at a drawn
 * operation: in a commit, in a checkpoint of the helper, in a clean stop, in the
 * creation of the database, or in the recovery from the loss before.  Then the store is
 * opened anew and must hold, whole, what the oracle holds after the last acknowledged
 * commit, or after that and the one that was running.
 *
 * Prints one JSON object; exits 1 when a loss was not survived.  With a sync that does
 * not sync (normal, never) that is what must be found; each time a new database begins.
 *
 * Invariants
 *   (1) One thread: the helper is ours (pool_run below).  Its pass runs inside a
 *       commit, or a commit inside it, or between two; all by dice.
 *   (2) One seed makes one run: the store reads no clock. */
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/check.h"
#include "io/pool.h"
#include "power/oracle.h"

#define OPS_MAX 12		/* fuse: up to 2^OPS_MAX operations */
#define COMMITS_LIFE 400	/* commits after which the power goes at the latest */
#define LIVES 20		/* losses of one database, about; then a fresh one */

enum when { IN_COMMIT, IN_SYNC, IN_PASS, IN_CLOSE, WHENS };
enum job_state { JOB_NONE, JOB_WAITING, JOB_RUNNING, JOB_DONE };

struct pool { int unused; };
struct job {
	void		*(*run)(void *);
	void		(*on_done)(void *, void *);
	void		*owned, *ctx, *ret;
	enum job_state	 state;
	bool		 nested;	/* it runs inside a commit */
};
struct counts {
	uint64_t	 losses, commits, passes, passes_inside, commits_inside;
	uint64_t	 in_open, in_pass, in_close, in_fresh, restored_next, lost;
	uint64_t	 corrupt;
};
static struct test {
	struct disk	*disk;
	struct dice	 dice;
	struct oracle	*oracle;
	struct store	*store;
	struct cells	*cells;
	struct arena	*arena;
	char		*dir;
	struct job	 job;
	struct pool	 pool;
	uint64_t	 wait;		/* operations until what is inside begins */
	bool		 fuse_at_pass, commit_inside;
	struct counts	 n;
	uint64_t	 seed;
} t;

/* Instead of io/pool.c's. */
bool pool_run(struct pool *p, void *(*run)(void *), void (*on_done)(void *, void *),
    void *owned, void *ctx)
{
	(void)p;
	if (t.job.state != JOB_NONE)
		return false;
	t.job = (struct job){ run, on_done, owned, ctx, NULL, JOB_WAITING,
		dice_below(&t.dice, 2) };
	return true;
}

struct pool *pool_new(struct loop *l, const char *name, unsigned threads, unsigned queue)
{
	(void)l;
	(void)name;
	(void)threads;
	(void)queue;
	return &t.pool;
}

void pool_free(struct pool *p)
{
	(void)p;
}

static void run_job(void)
{
	t.job.state = JOB_RUNNING;
	if (t.fuse_at_pass) {
		t.fuse_at_pass = false;
		disk_fuse(t.disk, 1 + dice_below(&t.dice,
		    UINT64_C(1) << dice_below(&t.dice, 9)));
	}
	t.n.passes++;
	t.job.ret = t.job.run(t.job.owned);
	t.job.state = JOB_DONE;
	if (disk_dead(t.disk))
		t.n.in_pass++;
}

static void violated(const char *what)
{
	printf("# seed %llu, loss %llu: %s\n", (unsigned long long)t.seed,
	    (unsigned long long)t.n.losses, what);
}

static void commit(void)
{
	struct committed c;
	struct err err = { 0 };
	enum store_result rc;

	oracle_put(t.oracle, &t.dice, t.store, t.cells, t.arena);
	disk_in_commit(t.disk, true);
	rc = store_commit(t.store, t.cells, &c, &err);
	disk_in_commit(t.disk, false);
	arena_reset(t.arena);
	if (disk_dead(t.disk))
		return;			/* nobody was left to hear of it */
	if (rc == STORE_DONE) {
		oracle_acknowledged(t.oracle);
		t.n.commits++;
		return;
	}
	violated(err.msg);		/* there was power, and it failed */
	t.n.corrupt++;
	disk_fuse(t.disk, 1);
	CHECK(!disk_tick(t.disk));
}

/* Inside an operation of the one connection, the other one's turn. */
static void on_operation(void *ctx)
{
	(void)ctx;
	if (t.wait && --t.wait)
		return;
	if (t.job.state == JOB_WAITING && t.job.nested) {
		t.n.passes_inside++;
		run_job();
	} else if (t.commit_inside && t.job.state == JOB_RUNNING) {
		t.commit_inside = false;
		t.n.commits_inside++;
		commit();
	}
}

/* Between commits: the pass that is due, and its end on the loop. */
static void between(void)
{
	if (t.job.state == JOB_WAITING && !t.job.nested) {
		t.commit_inside = dice_below(&t.dice, 2);
		t.wait = 1 + dice_below(&t.dice, 200);
		run_job();
		t.commit_inside = false;
	} else if (t.job.state == JOB_WAITING)
		t.wait = 1 + dice_below(&t.dice, 80);
	if (t.job.state == JOB_DONE && !disk_dead(t.disk)) {
		t.job.state = JOB_NONE;
		t.job.on_done(t.job.ctx, t.job.ret);
	}
}

static uint64_t some_operations(void)
{
	return 1 + dice_below(&t.dice, UINT64_C(1) << dice_below(&t.dice, OPS_MAX + 1));
}

static void on_free(void *ctx)
{
	(void)ctx;		/* live() asks store_must_wait() again */
}

static void live(void)
{
	enum when when = (enum when)dice_below(&t.dice, WHENS);
	uint64_t last = when == IN_CLOSE ? dice_below(&t.dice, 60) : COMMITS_LIFE;

	t.fuse_at_pass = when == IN_PASS;
	if (when == IN_COMMIT)
		disk_fuse(t.disk, some_operations());
	if (when == IN_SYNC)
		disk_fuse_at_sync(t.disk, 1 + dice_below(&t.dice, 20));
	store_attach(t.store, NULL, &t.pool, on_free, NULL);
	disk_hook(t.disk, on_operation, NULL);
	for (uint64_t i = 0; i < last && !disk_dead(t.disk); i++) {
		between();
		if (store_must_wait(t.store)) {
			t.job.nested = false;	/* no commit comes to run it in */
			continue;
		}
		if (!disk_dead(t.disk))
			commit();
	}
	disk_hook(t.disk, NULL, NULL);
	if (when == IN_CLOSE && !disk_dead(t.disk)) {
		disk_fuse(t.disk, 1 + dice_below(&t.dice, 400));
		t.n.in_close++;
	}
}

/* As the daemon stops: the helper first, then the store.  What is not reached by then
 * is lost with the power. */
static void close_store(void)
{
	store_close(t.store);
	cells_free(t.cells);
	t.store = NULL;
	t.cells = NULL;
	t.job.state = JOB_NONE;
}

static void lose_power(void)
{
	char *mark = g_build_filename(t.dir, "damaged", NULL);

	close_store();
	disk_loss(t.disk);
	g_unlink(mark);		/* it would not have been written any more */
	g_free(mark);
	t.n.losses++;
}

static const struct store_options options = {
	.keep_ms = 300 * 1000, .keep_bytes = INT64_C(1) << 40,
	.keep_decisions_ms = 300 * 1000, .seen_rows = 400, .force = true,
};

static void wipe(void)
{
	disk_wipe(t.disk);
	oracle_clear(t.oracle);
}

/* False: the power went again, or what was found is wrong. */
static bool open_store(void)
{
	struct err err = { 0 };
	GString *why = g_string_new(NULL);
	bool lost = false, ok;

	if (!t.oracle->sure.commit && dice_below(&t.dice, 8))
		disk_fuse(t.disk, 1 + dice_below(&t.dice, 100));
	else if (dice_below(&t.dice, 3) == 0)
		disk_fuse_looks(t.disk, some_operations());
	t.store = store_open(t.dir, &options, &err);
	t.cells = cells_new();
	ok = t.store && store_load(t.store, t.cells, &err);
	if (disk_dead(t.disk)) {
		t.n.in_open++;
		t.n.in_fresh += !t.oracle->sure.commit;
	} else if (ok) {
		disk_fuse(t.disk, 0);
		uint64_t sure = t.oracle->sure.commit;
		ok = oracle_check(t.oracle, t.store, t.cells, why, &lost);
		t.n.restored_next += t.oracle->sure.commit > sure;
	} else
		g_string_append(why, err.msg);
	if (!ok && !disk_dead(t.disk)) {
		violated(why->str);
		*(lost ? &t.n.lost : &t.n.corrupt) += 1;
		close_store();
		wipe();
	}
	g_string_free(why, TRUE);
	return ok && !disk_dead(t.disk);
}

static void report(void)
{
	const struct { const char *name; uint64_t n; } v[] = {
		{ "losses", t.n.losses }, { "in_open", t.n.in_open },
		{ "in_first_open", t.n.in_fresh }, { "in_checkpoint", t.n.in_pass },
		{ "in_close", t.n.in_close }, { "commits", t.n.commits },
		{ "checkpoints", t.n.passes },
		{ "checkpoints_in_a_commit", t.n.passes_inside },
		{ "commits_in_a_checkpoint", t.n.commits_inside },
		{ "unanswered_commits_kept", t.n.restored_next },
		{ "operations", disk_ops(t.disk) }, { "lost", t.n.lost },
		{ "corrupt", t.n.corrupt },
	};

	printf("{\"seed\": %llu", (unsigned long long)t.seed);
	for (unsigned i = 0; i < G_N_ELEMENTS(v); i++)
		printf(", \"%s\": %llu", v[i].name, (unsigned long long)v[i].n);
	printf("}\n");
}

static void run(uint64_t losses, time_t end)
{
	while (t.n.losses < losses && time(NULL) < end) {
		if (dice_below(&t.dice, LIVES) == 0)
			wipe();
		bool dead_already = !open_store();

		if (dead_already && !disk_dead(t.disk))
			continue;		/* a violation; begun anew */
		if (!dead_already)
			live();
		lose_power();
	}
}

static enum honesty honesty_of(const char *name)
{
	return g_strcmp0(name, "normal") == 0 ? SYNC_NORMAL :
	    g_strcmp0(name, "never") == 0 ? SYNC_NEVER : SYNC_HONEST;
}

int main(int argc, char **argv)
{
	gint64 losses = 100, seed = 1, minutes = 24 * 60;
	char *sync = NULL;
	const GOptionEntry entries[] = {
		{ "losses", 0, 0, G_OPTION_ARG_INT64, &losses, NULL, NULL },
		{ "seed", 0, 0, G_OPTION_ARG_INT64, &seed, NULL, NULL },
		{ "minutes", 0, 0, G_OPTION_ARG_INT64, &minutes, NULL, NULL },
		{ "sync", 0, 0, G_OPTION_ARG_STRING, &sync, NULL, NULL },
		{ 0 },
	};
	GOptionContext *o = g_option_context_new(NULL);
	char *lock;

	g_option_context_add_main_entries(o, entries, NULL);
	if (!g_option_context_parse(o, &argc, &argv, NULL))
		return 2;
	g_option_context_free(o);
	t.seed = (uint64_t)seed;
	t.dice.s = t.seed;
	t.disk = disk_new(t.seed ^ UINT64_C(0x5eed), honesty_of(sync));
	t.oracle = g_new0(struct oracle, 1);
	t.arena = arena_new(0);
	t.dir = g_dir_make_tmp("retraind-power-XXXXXX", NULL);
	vfs_register(t.disk, t.seed);
	run((uint64_t)losses, time(NULL) + 60 * minutes);
	report();
	lock = g_build_filename(t.dir, "lock", NULL);
	g_unlink(lock);
	g_rmdir(t.dir);
	g_free(lock);
	g_free(t.dir);
	g_free(sync);
	arena_free(t.arena);
	g_free(t.oracle);
	disk_free(t.disk);
	return t.n.lost || t.n.corrupt;
}
