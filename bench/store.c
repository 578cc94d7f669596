/* Commits of the store at the limit of dirty state, on a million keys.
 *
 *	store DIR CELL_BYTES [KEYS [COMMITS]]
 *
 * Fills KEYS cells, then touches random ones until 1 MiB is dirty, and commits as turn/
 * does: two turn headers, a position, a decision, the cells (a delta and rolled shards),
 * with the helper's checkpoints and the gate that holds the writer above the log's cap.
 * The writer never rests.  After every commit as many bytes as it wrote are written to a
 * plain file of the same directory, over what is there as in a log that is used again,
 * and synced with fdatasync: the floor.
 *
 * Prints one JSON object: percentiles of commits and floor in ms, what the gate held,
 * the largest log.  DIR must be empty, and on the disk that is to be measured. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/check.h"
#include "io/loop.h"
#include "io/pool.h"
#include "store/store.h"

#define KIND 200
#define DIRTY (1024 * 1024)		/* COMMIT_BYTES of turn/ */
#define FILL_DIRTY (4 * 1024 * 1024)	/* of one commit while filling */
#define FLOOR_FILE (64 * 1024 * 1024)
#define WARM 20				/* commits before the measured ones */

struct bench {
	struct loop	*loop;
	struct pool	*helper;
	struct store	*store;
	struct cells	*cells;
	struct arena	*arena;
	uint32_t	*ids;
	uint32_t	 keys, bytes, commits, filled, rounds;
	uint64_t	 turn, rng;
	char		*wal;
	int		 floor_fd;
	off_t		 floor_at;
	uint8_t		*zero;
	GArray		*commit_ms, *floor_ms, *hold_ms;
	int64_t		 wal_max, written;
	double		 held_from;	/* 0: not held */
};

static double now_ms(void)
{
	return (double)g_get_monotonic_time() / 1000.0;
}

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "store: %s: %s\n", what, why);
	exit(1);
}

static uint32_t below(struct bench *b, uint32_t n)
{
	b->rng ^= b->rng << 13;
	b->rng ^= b->rng >> 7;
	b->rng ^= b->rng << 17;
	return (uint32_t)((b->rng >> 32) * n >> 32);
}

static void on_free(void *ctx)
{
	loop_stay_awake(((struct bench *)ctx)->loop);
}

static void put_turn(struct bench *b)
{
	struct decision_row row = { .seq = b->turn, .rule = STR("rule"),
		.key = STR("key"), .outcome = OUTCOME_FIRED,
		.reason = STR("v.avg > 50.0: 50.4") };
	struct effects fx;

	effects_init(&fx, b->arena);
	for (unsigned i = 0; i < 2; i++)
		store_turn(b->store, &(struct turn_head){ .id = ++b->turn,
			.seq0 = b->turn * 1000, .n = 1000,
			.wall_ms = g_get_real_time() / 1000,
			.tick_ms = (int64_t)b->turn });
	row.id = b->turn;
	row.time_ms = g_get_real_time() / 1000;
	fx.decided.decisions = &row;
	fx.decided.decisions_n = 1;
	store_put(b->store, &fx);
	store_put_position(b->store, STR("kafka"), STR("t/0"),
	    arena_printf(b->arena, "%llu", (unsigned long long)b->turn));
}

static void commit(struct bench *b)
{
	struct committed c;
	struct err err = { 0 };

	put_turn(b);
	if (store_commit(b->store, b->cells, &c, &err) != STORE_DONE)
		fail("commit", err.msg);
	arena_reset(b->arena);
}

/* Adds and commits a part of the cells; false: all are there. */
static bool fill(struct bench *b)
{
	uint32_t id;

	if (b->filled == b->keys)
		return false;
	while (b->filled < b->keys &&
	    store_dirty_bytes(b->store, b->cells) < FILL_DIRTY) {
		id = b->ids[b->filled] = cells_add(b->cells, KIND, b->bytes);
		memset(cells_touch(b->cells, id), (int)b->filled++ & 255, b->bytes);
	}
	commit(b);
	return true;
}

static void touch(struct bench *b)
{
	while (store_dirty_bytes(b->store, b->cells) < DIRTY) {
		uint64_t *p = cells_touch(b->cells, b->ids[below(b, b->keys)]);
		*p = b->rng;
	}
}

/* The log is used again from its beginning, so its size says nothing about one commit.
 * What this thread wrote does; the helper's checkpoints are not in it. */
static int64_t written_by_us(void)
{
	char *text = NULL;
	int64_t n = 0;
	const char *at;

	if (g_file_get_contents("/proc/thread-self/io", &text, NULL, NULL) &&
	    (at = strstr(text, "wchar: ")))
		n = g_ascii_strtoll(at + 7, NULL, 10);
	g_free(text);
	return n;
}

static void floor_round(struct bench *b, int64_t bytes)
{
	double from = now_ms(), took;

	if (b->floor_at + bytes > FLOOR_FILE)
		b->floor_at = 0;
	for (int64_t done = 0; done < bytes; done += DIRTY) {
		size_t n = (size_t)MIN(bytes - done, DIRTY);
		if (pwrite(b->floor_fd, b->zero, n, b->floor_at) != (ssize_t)n)
			fail("floor", g_strerror(errno));
		b->floor_at += (off_t)n;
	}
	if (fdatasync(b->floor_fd) < 0)
		fail("floor", g_strerror(errno));
	took = now_ms() - from;
	g_array_append_val(b->floor_ms, took);
}

static void round_of(struct bench *b)
{
	int64_t before = written_by_us(), bytes;
	struct stat st;
	double from, took;

	touch(b);
	from = now_ms();
	commit(b);
	took = now_ms() - from;
	bytes = written_by_us() - before;
	b->written += bytes;
	g_array_append_val(b->commit_ms, took);
	if (stat(b->wal, &st) == 0)
		b->wal_max = MAX(b->wal_max, st.st_size);
	floor_round(b, bytes);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double at(GArray *v, double part)
{
	if (!v->len)
		return 0;
	g_array_sort(v, by_size);
	return g_array_index(v, double, (guint)((v->len - 1) * part));
}

static void report(struct bench *b)
{
	uint32_t commits = b->commits;
	double sum = 0;

	for (guint i = 0; i < b->hold_ms->len; i++)
		sum += g_array_index(b->hold_ms, double, i);
	printf("{\"keys\": %u, \"cell_bytes\": %u, \"commits\": %u, \"p50_ms\": %.2f, "
	    "\"p99_ms\": %.2f, \"max_ms\": %.2f, \"floor_p50_ms\": %.2f, "
	    "\"floor_p99_ms\": %.2f, \"ratio_p50\": %.2f, ", b->keys, b->bytes, commits,
	    at(b->commit_ms, 0.5), at(b->commit_ms, 0.99),
	    at(b->commit_ms, 1.0), at(b->floor_ms, 0.5),
	    at(b->floor_ms, 0.99), at(b->commit_ms, 0.5) / at(b->floor_ms, 0.5));
	printf("\"kb_per_commit\": %.0f, \"holds\": %u, \"hold_p50_ms\": %.1f, "
	    "\"hold_max_ms\": %.1f, \"hold_ms_per_commit\": %.2f, "
	    "\"wal_max_mib\": %.1f}\n", (double)b->written / 1024 / commits,
	    b->hold_ms->len, at(b->hold_ms, 0.5), at(b->hold_ms, 1.0), sum / commits,
	    (double)b->wal_max / 1048576);
}

static void start(struct bench *b, const char *dir)
{
	struct store_options opt = { .keep_ms = 86400000, .keep_bytes = 1 << 30,
		.keep_decisions_ms = 86400000 };
	struct err err = { 0 };
	char *path = g_build_filename(dir, "floor", NULL);

	b->loop = loop_new();
	b->helper = pool_new(b->loop, "helper", 1, 16);
	b->arena = arena_new(0);
	b->cells = cells_new();
	b->store = store_open(dir, &opt, &err);
	if (!b->store || !store_load(b->store, b->cells, &err))
		fail("open", err.msg);
	if (!store_meta(b->store)->fresh)
		fail(dir, "not an empty directory");
	store_attach(b->store, b->loop, b->helper, on_free, b);
	b->wal = g_strconcat(store_path(b->store), "-wal", NULL);
	b->floor_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	b->zero = g_malloc0(DIRTY);
	for (off_t i = 0; i < FLOOR_FILE; i += DIRTY)
		if (pwrite(b->floor_fd, b->zero, DIRTY, i) != DIRTY)
			fail(path, g_strerror(errno));
	g_free(path);
	b->commit_ms = g_array_new(FALSE, FALSE, sizeof(double));
	b->floor_ms = g_array_new(FALSE, FALSE, sizeof(double));
	b->hold_ms = g_array_new(FALSE, FALSE, sizeof(double));
}

static void measured_from_here(struct bench *b)
{
	g_array_set_size(b->commit_ms, 0);
	g_array_set_size(b->floor_ms, 0);
	g_array_set_size(b->hold_ms, 0);
	b->wal_max = b->written = 0;
}

/* Before each sleep of the loop, as turn_run(): held, or one more commit at once. */
static void step(void *ctx)
{
	struct bench *b = ctx;
	double held;

	if (store_must_wait(b->store)) {
		b->held_from = b->held_from > 0 ? b->held_from : now_ms();
		return;			/* on_free() wakes us */
	}
	if (b->held_from > 0) {
		held = now_ms() - b->held_from;
		g_array_append_val(b->hold_ms, held);
		b->held_from = 0;
	}
	if (!fill(b)) {
		if (b->rounds++ == WARM)
			measured_from_here(b);
		round_of(b);
	}
	if (b->rounds == WARM + b->commits)
		loop_stop(b->loop);
	loop_stay_awake(b->loop);
}

static void finish(struct bench *b)
{
	pool_free(b->helper);
	store_close(b->store);
	loop_free(b->loop);
	cells_free(b->cells);
	arena_free(b->arena);
	close(b->floor_fd);
	g_array_free(b->commit_ms, TRUE);
	g_array_free(b->floor_ms, TRUE);
	g_array_free(b->hold_ms, TRUE);
	g_free(b->zero);
	g_free(b->ids);
	g_free(b->wal);
}

int main(int argc, char **argv)
{
	struct bench b = { .rng = UINT64_C(88172645463325252) };

	b.bytes = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
	b.keys = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 1000000;
	b.commits = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 400;
	if (b.bytes < 8 || b.bytes > CELL_MAX || !b.keys || !b.commits) {
		fprintf(stderr, "usage: store DIR CELL_BYTES [KEYS [COMMITS]]\n");
		return 2;
	}
	b.ids = g_new(uint32_t, b.keys);
	start(&b, argv[1]);
	loop_before_sleep(b.loop, step, &b);
	loop_run(b.loop);
	report(&b);
	finish(&b);
	return 0;
}
