/* The database: a commit is all or nothing, and what it wrote comes back. */
#include <fcntl.h>
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/arena.h"
#include "store/query.h"
#include "store/store.h"

#define CELL_KIND 200

struct fixture {
	char		*dir;
	struct store	*store;
	struct cells	*cells;
	struct arena	*arena;
	struct effects	 fx;
	uint64_t	 turn;
};

static struct store_options options = { .keep_ms = 86400000, .keep_bytes = 1 << 30,
	.keep_decisions_ms = 86400000 };

static void open_it(struct fixture *f)
{
	struct err err = { 0 };

	f->store = store_open(f->dir, &options, &err);
	if (!f->store)
		fail_msg("%s", err.msg);
	f->cells = cells_new();
	assert_true(store_load(f->store, f->cells, &err));
	f->turn = store_meta(f->store)->last_turn;
}

static void close_it(struct fixture *f)
{
	store_close(f->store);
	cells_free(f->cells);
}

static int setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->dir = g_dir_make_tmp("retraind-store-XXXXXX", NULL);
	f->arena = arena_new(0);
	effects_init(&f->fx, f->arena);
	open_it(f);
	*state = f;
	return 0;
}

static void remove_tree(const char *dir)
{
	GDir *d = g_dir_open(dir, 0, NULL);
	const char *name;

	while (d && (name = g_dir_read_name(d))) {
		char *p = g_build_filename(dir, name, NULL);
		unlink(p);
		g_free(p);
	}
	if (d)
		g_dir_close(d);
	rmdir(dir);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close_it(f);
	remove_tree(f->dir);
	arena_free(f->arena);
	g_free(f->dir);
	g_free(f);
	return 0;
}

/* A turn with nothing but its header. */
static void turn(struct fixture *f)
{
	struct turn_head h = { .id = ++f->turn, .seq0 = f->turn, .n = 1,
		.wall_ms = 1000000 + (int64_t)f->turn, .tick_ms = (int64_t)f->turn };

	store_turn(f->store, &h);
}

static void commit(struct fixture *f)
{
	struct committed c;
	struct err err = { 0 };

	if (store_commit(f->store, f->cells, &c, &err) != STORE_DONE)
		fail_msg("%s", err.msg);
}

static void again(struct fixture *f)
{
	close_it(f);
	open_it(f);
}

static void state_comes_back_after_many_commits(void **state)
{
	struct fixture *f = *state;
	uint32_t ids[300];
	uint64_t want[300];
	GRand *r = g_rand_new_with_seed(7);

	for (int i = 0; i < 300; i++) {
		ids[i] = cells_add(f->cells, CELL_KIND, 200);
		want[i] = 0;
	}
	for (int round = 0; round < 400; round++) {
		for (int k = 0; k < 5; k++) {
			int i = g_rand_int_range(r, 0, 300);
			want[i] = g_rand_int(r);
			memcpy(cells_touch(f->cells, ids[i]), &want[i], sizeof(want[i]));
		}
		turn(f);
		commit(f);
		if (round % 97 == 0) {
			again(f);
			for (int i = 0; i < 300; i++)
				assert_memory_equal(cells_get(f->cells, ids[i]), &want[i],
						    8);
		}
	}
	g_rand_free(r);
}

static void one_of(void *ctx, struct str part, struct str position)
{
	GString *s = ctx;

	g_string_append_printf(s, "%.*s=%.*s;", STR_ARG(part), STR_ARG(position));
}

static void newest_position_of_each_part_is_kept(void **state)
{
	struct fixture *f = *state;
	GString *s = g_string_new(NULL);
	struct err err = { 0 };

	turn(f);
	store_put_position(f->store, STR("k"), STR("t/0"), STR("1"));
	store_put_position(f->store, STR("k"), STR("t/0"), STR("12"));
	store_put_position(f->store, STR("k"), STR("t/1"), STR("7"));
	store_put_position(f->store, STR("m"), STR(""), STR("x"));
	commit(f);
	again(f);
	assert_true(store_positions(f->store, STR("k"), one_of, s, &err));
	assert_string_equal(s->str, "t/0=12;t/1=7;");
	g_string_free(s, TRUE);
}

static void seen_is_found_before_and_after_its_commit(void **state)
{
	struct fixture *f = *state;
	const uint8_t a[16] = "0123456789abcde", b[16] = "0123456789abcdX";
	uint64_t seq = 0;

	turn(f);
	assert_false(store_has_seen(f->store, STR("m"), a, &seq));
	store_put_seen(f->store, STR("m"), a, 5, 42);
	assert_true(store_has_seen(f->store, STR("m"), a, &seq));
	assert_int_equal(seq, 42);
	commit(f);
	again(f);
	seq = 0;
	assert_true(store_has_seen(f->store, STR("m"), a, &seq));
	assert_int_equal(seq, 42);
	assert_false(store_has_seen(f->store, STR("m"), b, &seq));
}

static int64_t number(struct fixture *f, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *st = NULL;
	int64_t n;

	assert_int_equal(sqlite3_open(store_path(f->store), &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return n;
}

/* Folding deltas is paid for by every commit alike: none rewrites a large part of the
 * base, none drops more deltas than a few, and together they keep the 64 MiB.  With
 * S MiB of base and D of delta a commit must roll D * S / 64 to end its round in time. */
static void no_commit_pays_for_a_round(void **state)
{
	enum { CELLS = 41 * 1024, BYTES = 400, EVERY = 20, COMMITS = 110 };
	struct fixture *f = *state;
	uint32_t *ids = g_new(uint32_t, CELLS);
	int64_t had = 0, base, rolled, kept, deltas = 0;

	for (uint32_t i = 0; i < CELLS; i++)
		ids[i] = cells_add(f->cells, CELL_KIND, BYTES);
	turn(f);
	commit(f);
	base = number(f, "SELECT sum(length(blob)) FROM state_base");
	for (int n = 0; n < COMMITS; n++) {
		for (uint32_t i = 0; i < CELLS; i += EVERY)
			memcpy(cells_touch(f->cells, ids[i]), &n, sizeof(n));
		turn(f);
		commit(f);
		rolled = number(f, "SELECT sum(length(blob)) FROM state_base"
				   " WHERE turn=(SELECT max(id) FROM turn)");
		assert_in_range(rolled, 1, base * (CELLS / EVERY) * (BYTES + 8) /
		    (64 << 20) + 2 * SHARD_BYTES);
		deltas = number(f, "SELECT count(*) FROM state_delta");
		assert_in_range(had + 1 - deltas, 0, 2);
		had = deltas;
		kept = number(f, "SELECT sum(length(blob)) FROM state_delta");
		assert_in_range(kept, 1, 65 << 20);
	}
	assert_in_range(deltas, 1, COMMITS - 5);	/* some did go */
	again(f);
	for (uint32_t i = 0; i < CELLS; i++) {
		int n = i % EVERY ? 0 : COMMITS - 1;
		assert_memory_equal(cells_get(f->cells, ids[i]), &n, sizeof(n));
	}
	g_free(ids);
}

/* Bounded by rows for each source by itself, oldest first, also after a restart. */
static void seen_keeps_the_newest_rows_of_each_source(void **state)
{
	struct fixture *f = *state;
	uint8_t h[16] = { 0 };
	uint64_t seq;

	store_close(f->store);
	f->store = NULL;
	options.seen_rows = 10;
	cells_free(f->cells);
	open_it(f);
	for (uint8_t i = 0; i < 30; i++) {
		turn(f);
		h[0] = i, h[1] = 1;
		store_put_seen(f->store, STR("m"), h, i, i);
		h[1] = 2;
		if (i < 5)
			store_put_seen(f->store, STR("h"), h, i, i);
		commit(f);
		if (i == 15)
			again(f);
	}
	options.seen_rows = 0;
	assert_int_equal(number(f, "SELECT count(*) FROM seen"), 15);
	h[0] = 19, h[1] = 1;
	assert_false(store_has_seen(f->store, STR("m"), h, &seq));
	h[0] = 20;
	assert_true(store_has_seen(f->store, STR("m"), h, &seq));
	h[0] = 0, h[1] = 2;
	assert_true(store_has_seen(f->store, STR("h"), h, &seq));
}

/* A turn's header goes with the journal row that speaks of it; the newest stays. */
static void turns_go_with_their_journal(void **state)
{
	struct fixture *f = *state;

	options.keep_ms = 5;		/* each turn is a millisecond */
	again(f);
	for (int i = 0; i < 40; i++) {
		turn(f);
		store_put_frame(f->store, JOURNAL_FULL, 'i', STR("frame"));
		commit(f);
	}
	options.keep_ms = 86400000;
	assert_int_equal(number(f, "SELECT max(id) FROM turn"), f->turn);
	assert_in_range(number(f, "SELECT count(*) FROM journal"), 5, 7);
	assert_int_equal(number(f, "SELECT count(*) FROM turn"),
	    number(f, "SELECT count(*) FROM journal"));
}

static void quarantine_is_bounded_by_age(void **state)
{
	struct fixture *f = *state;
	const struct message m = { .body = STR("{"), .part = STR("p"), .pos = 1 };

	options.keep_ms = 5;
	again(f);
	for (int i = 0; i < 40; i++) {
		turn(f);
		store_put_quarantine(f->store, &m, STR("k"), "not_json", STR("why"),
		    1000000 + (int64_t)f->turn);
		commit(f);
	}
	options.keep_ms = 86400000;
	assert_int_equal(number(f, "SELECT max(time) FROM quarantine"),
	    1000000 + (int64_t)f->turn);
	assert_in_range(number(f, "SELECT count(*) FROM quarantine"), 5, 7);
}

static struct run_row run_row(enum run_state state)
{
	return (struct run_row){ .id = 1, .name = STR("p-1"), .pipeline = STR("p"),
		.state = state, .created_ms = 1, .params = STR("{\"a\":1}"),
		.finished_ms = run_is_terminal(state) ? 3 : 0 };
}

static enum store_result put_run(struct fixture *f, enum run_state s)
{
	struct run_row r = run_row(s);
	struct committed c;
	struct err err = { 0 };

	f->fx.runs = &r;
	f->fx.runs_n = 1;
	turn(f);
	store_put(f->store, &f->fx);
	effects_init(&f->fx, f->arena);
	return store_commit(f->store, f->cells, &c, &err);
}

static void a_terminal_run_is_final_in_sql_too(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(put_run(f, RUN_PENDING), STORE_DONE);
	assert_int_equal(put_run(f, RUN_RUNNING), STORE_DONE);
	assert_int_equal(put_run(f, RUN_COMPLETED), STORE_DONE);
	assert_int_equal(put_run(f, RUN_RUNNING), STORE_BROKEN);
}

/* As unseen as it looks, nobody may act on that. */
static void what_cannot_be_read_is_not_committed(void **state)
{
	struct fixture *f = *state;
	const uint8_t h[16] = { 1 };
	struct err err = { 0 };
	struct committed c;
	uint64_t seq;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(store_path(f->store), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DROP TABLE seen", NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	assert_false(store_has_seen(f->store, STR("s"), h, &seq));
	assert_true(store_unread(f->store));
	assert_true(store_open_commit(f->store));
	turn(f);
	assert_int_equal(store_commit(f->store, f->cells, &c, &err), STORE_BROKEN);
	assert_non_null(strstr(err.msg, "reading seen"));
}

static void a_run_is_asked_by_name_and_by_number(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct reader_db *r;
	struct query q = { .kind = QUERY_RUN };
	GString *s = g_string_new(NULL);

	assert_int_equal(put_run(f, RUN_PENDING), STORE_DONE);
	r = reader_open(store_path(f->store), &err);
	assert_non_null(r);
	for (int i = 0; i < 2; i++) {
		q.id = (char *)(uintptr_t)(i ? "1" : "p-1");
		g_string_truncate(s, 0);
		assert_true(query_run(r, &q, s, &err));
		assert_non_null(strstr(s->str, "\"id\":\"p-1\""));
		assert_non_null(strstr(s->str, "\"params\":{\"a\":1}"));
		assert_non_null(
		    strstr(s->str, "\"created\":\"1970-01-01T00:00:00.001Z\""));
	}
	q.id = (char *)(uintptr_t)"other-1";
	assert_false(query_run(r, &q, s, &err));
	assert_int_equal(err.code, ERR_NOT_FOUND);
	reader_close(r);
	g_string_free(s, TRUE);
}

static void a_second_daemon_is_kept_out(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };

	assert_null(store_open(f->dir, &options, &err));
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "another retraind holds"));
}

static void a_newer_schema_is_refused_by_both_versions(void **state)
{
	struct fixture *f = *state;
	char *path = g_build_filename(f->dir, "retraind.db", NULL);
	struct err err = { 0 };
	sqlite3 *db;

	close_it(f);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	(void)sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL);
	sqlite3_close(db);
	assert_null(store_open(f->dir, &options, &err));
	assert_int_equal(err.code, ERR_USAGE);
	assert_non_null(strstr(err.msg, "schema 99"));
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	(void)sqlite3_exec(db, "PRAGMA user_version=1", NULL, NULL, NULL);
	sqlite3_close(db);
	assert_null(store_open(f->dir, &options, &err));
	assert_int_equal(err.code, ERR_USAGE);
	assert_non_null(strstr(err.msg, "schema 1"));
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	(void)sqlite3_exec(db, "PRAGMA user_version=2", NULL, NULL, NULL);
	sqlite3_close(db);
	g_free(path);
	open_it(f);
}

static void an_older_database_is_refused_with_the_way_on(void **state)
{
	struct fixture *f = *state;
	char *path = g_build_filename(f->dir, "retraind.db", NULL);
	struct err err = { 0 };
	sqlite3 *db;

	close_it(f);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	(void)sqlite3_exec(db, "UPDATE meta SET value=1 WHERE name='cells'", NULL, NULL,
	    NULL);
	sqlite3_close(db);
	assert_null(store_open(f->dir, &options, &err));
	assert_int_equal(err.code, ERR_USAGE);
	assert_non_null(strstr(err.msg, "older retraind (schema 2, cells 1;"));
	assert_non_null(strstr(err.msg, "begin anew"));		/* not cut off */
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	(void)sqlite3_exec(db, "UPDATE meta SET value=2 WHERE name='cells'", NULL, NULL,
	    NULL);
	sqlite3_close(db);
	g_free(path);
	open_it(f);
}

/* A disk of 1 MiB: the commit that does not fit changes nothing, and goes through once
 * there is space. */
static void a_full_disk_keeps_the_commit(void **state)
{
	struct fixture *f = *state;
	char *disk = g_dir_make_tmp("retraind-disk-XXXXXX", NULL), *old = f->dir;
	char *ballast = g_build_filename(disk, "ballast", NULL);
	static const char page[4096];
	struct committed c;
	struct err err = { 0 };
	uint32_t id;
	int fd;

	if (geteuid() != 0 || mount("tmpfs", disk, "tmpfs", 0, "size=1m") < 0)
		skip();
	close_it(f);
	f->dir = disk;
	open_it(f);
	id = cells_add(f->cells, CELL_KIND, 8);
	turn(f);
	commit(f);
	fd = open(ballast, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	while (write(fd, page, 4096) == 4096 || write(fd, page, 1) == 1)
		;
	close(fd);
	memcpy(cells_touch(f->cells, id), "changed", 8);
	for (int i = 0; i < 100; i++)
		cells_add(f->cells, CELL_KIND, 4000);
	turn(f);
	assert_int_equal(store_commit(f->store, f->cells, &c, &err), STORE_FULL);
	assert_true(store_open_commit(f->store));
	unlink(ballast);
	commit(f);
	again(f);
	assert_memory_equal(cells_get(f->cells, id), "changed", 8);
	close_it(f);
	umount(disk);
	f->dir = old;
	open_it(f);
	rmdir(disk);
	g_free(ballast);
	g_free(disk);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(state_comes_back_after_many_commits),
		TEST(no_commit_pays_for_a_round),
		TEST(newest_position_of_each_part_is_kept),
		TEST(seen_is_found_before_and_after_its_commit),
		TEST(seen_keeps_the_newest_rows_of_each_source),
		TEST(turns_go_with_their_journal),
		TEST(quarantine_is_bounded_by_age),
		TEST(a_terminal_run_is_final_in_sql_too),
		TEST(what_cannot_be_read_is_not_committed),
		TEST(a_run_is_asked_by_name_and_by_number),
		TEST(a_second_daemon_is_kept_out),
		TEST(a_newer_schema_is_refused_by_both_versions),
		TEST(an_older_database_is_refused_with_the_way_on),
		TEST(a_full_disk_keeps_the_commit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
