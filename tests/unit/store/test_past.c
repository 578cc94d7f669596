/* Snapshots of the state: a round over many commits is the state after its last one;
 * old ones go with the journal that they lead on to. */
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "store/past.h"
#include "store/store.h"

#define CELL_KIND 200
#define DAY 86400000ll

static struct fixture {
	char		*dir;
	struct store	*store;
	struct cells	*cells;
	struct past	*past;
	uint64_t	 turn;
	int64_t		 wall;
	struct store_options opt;
} f;

static void open_it(void)
{
	struct err err = { 0 };

	f.store = store_open(f.dir, &f.opt, &err);
	if (!f.store)
		fail_msg("%s", err.msg);
	f.cells = cells_new();
	assert_true(store_load(f.store, f.cells, &err));
	f.turn = store_meta(f.store)->last_turn;
}

static void close_it(void)
{
	store_close(f.store);
	cells_free(f.cells);
}

static int setup(void **state)
{
	(void)state;
	memset(&f, 0, sizeof(f));
	f.dir = g_dir_make_tmp("retraind-past-XXXXXX", NULL);
	f.wall = 1772323200000;
	f.opt = (struct store_options){ .keep_ms = 30 * DAY, .keep_bytes = 1 << 30,
		.keep_decisions_ms = DAY };
	open_it();
	return 0;
}

static int teardown(void **state)
{
	GDir *d;
	const char *name;

	(void)state;
	past_close(f.past);
	close_it();
	d = g_dir_open(f.dir, 0, NULL);
	while (d && (name = g_dir_read_name(d))) {
		char *p = g_build_filename(f.dir, name, NULL);
		unlink(p);
		g_free(p);
	}
	if (d)
		g_dir_close(d);
	rmdir(f.dir);
	g_free(f.dir);
	return 0;
}

/* A turn of one input with a frame of this many bytes, committed. */
static void commit(uint32_t bytes)
{
	struct turn_head h = { .id = ++f.turn, .seq0 = f.turn, .n = 1, .wall_ms = f.wall,
		.tick_ms = (int64_t)f.turn };
	char *body = g_malloc(bytes);
	GRand *r = g_rand_new_with_seed((guint32)f.turn);
	struct committed c;
	struct err err = { 0 };

	for (uint32_t i = 0; i < bytes; i++)
		body[i] = (char)g_rand_int(r);	/* nothing that zstd makes smaller */
	memset(h.ruleset, 7, 32);
	store_turn(f.store, &h);
	store_put_frame(f.store, JOURNAL_FULL, 'i', (struct str){ body, bytes });
	if (store_commit(f.store, f.cells, &c, &err) != STORE_DONE)
		fail_msg("%s", err.msg);
	g_rand_free(r);
	g_free(body);
}

static struct past *past(void)
{
	char *path = g_build_filename(f.dir, "retraind.db", NULL);
	struct err err = { 0 };

	if (!f.past && !(f.past = past_open(path, &err)))
		fail_msg("%s", err.msg);
	g_free(path);
	return f.past;
}

static struct past_span span(void)
{
	struct past_span s;
	struct err err = { 0 };

	assert_true(past_span(past(), &s, &err));
	return s;
}

/* Of all live cells: id, kind, bytes. */
static GByteArray *digest(const struct cells *c)
{
	GByteArray *out = g_byte_array_new();

	for (uint32_t i = 0; i < cells_shards(c); i++)
		cells_encode_shard(c, i, out);
	return out;
}

static void churn(GRand *r, uint32_t *ids, unsigned n)
{
	for (int k = 0; k < 40; k++) {
		unsigned i = (unsigned)g_rand_int_range(r, 0, (gint32)n);

		if (ids[i] && g_rand_int_range(r, 0, 6) == 0) {
			cells_drop(f.cells, ids[i]);
			ids[i] = 0;
		} else if (!ids[i]) {
			ids[i] = cells_add(f.cells, CELL_KIND, 300);
		} else {
			uint32_t v = g_rand_int(r);
			memcpy(cells_touch(f.cells, ids[i]), &v, sizeof(v));
		}
	}
}

/* 6,000 cells are seven commits' shares; meanwhile cells change, come and go. */
static void a_round_over_many_commits_is_the_state_after_it(void **state)
{
	static uint32_t ids[8000];
	GRand *r = g_rand_new_with_seed(11);
	struct past_snap snap = { 0 };
	struct err err = { 0 };
	struct cells *c;
	GByteArray *want, *got;
	unsigned rounds = 0;

	(void)state;
	commit(10);
	memset(ids, 0, sizeof(ids));
	for (unsigned i = 0; i < 6000; i++)
		ids[i] = cells_add(f.cells, CELL_KIND, 300);
	commit(10);
	for (unsigned round = 0; round < 3; round++) {
		unsigned before = span().snapshots, n = 0;

		store_ask_snapshot(f.store);
		while (span().snapshots == before) {
			churn(r, ids, 8000);
			commit(10);
			assert_true(n++ < 100);
		}
		assert_true(n >= 6);
		assert_true(past_snap(past(), UINT64_MAX, INT64_MAX, &snap, &err));
		assert_int_equal(snap.turn, f.turn);
		assert_int_equal(snap.ruleset[31], 7);
		want = digest(f.cells);
		c = cells_new();
		if (!past_load(past(), &snap, c, &err))
			fail_msg("%s", err.msg);
		got = digest(c);
		assert_int_equal(got->len, want->len);
		assert_memory_equal(got->data, want->data, want->len);
		g_byte_array_free(want, TRUE);
		g_byte_array_free(got, TRUE);
		cells_free(c);
		rounds++;
	}
	assert_int_equal(rounds, 3);
	g_rand_free(r);
}

/* What a kill leaves of a round is no snapshot, and is removed. */
static void half_a_round_does_not_exist(void **state)
{
	struct past_span s;

	(void)state;
	commit(10);
	for (unsigned i = 0; i < 6000; i++)
		cells_add(f.cells, CELL_KIND, 300);
	store_ask_snapshot(f.store);
	commit(10);
	commit(10);
	s = span();
	assert_int_equal(s.snapshots, 1);
	assert_int_equal(s.turn0, 0);
	close_it();			/* the round is lost */
	open_it();
	for (unsigned i = 0; i < 40; i++)
		commit(10);
	s = span();
	assert_int_equal(s.snapshots, 1);
	assert_int_equal(s.turn1, f.turn);
}

static void one_is_taken_each_day(void **state)
{
	(void)state;
	cells_add(f.cells, CELL_KIND, 100);
	for (unsigned h = 0; h < 24 * 3 + 1; h++) {
		commit(10);
		f.wall += DAY / 24;
	}
	assert_int_equal(span().snapshots, 4);	/* the empty one, and one a day */
}

static void old_ones_go_with_their_blocks(void **state)
{
	struct past_span s;
	struct past_snap snap;
	struct err err = { 0 };

	(void)state;
	cells_add(f.cells, CELL_KIND, 100);
	for (unsigned i = 0; i < 4 * 50; i++) {
		commit(10);
		f.wall += DAY / 4;
	}
	s = span();
	assert_true(s.snapshots >= 29 && s.snapshots <= 31);
	assert_true(s.to_ms - s.from_ms <= 30 * DAY);
	assert_true(s.to_ms - s.from_ms >= 28 * DAY);
	assert_false(past_snap(past(), s.turn0 - 1, INT64_MAX, &snap, &err));
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_true(past_snap(past(), UINT64_MAX, s.from_ms, &snap, &err));
	assert_int_equal(snap.turn, s.turn0);
}

/* Blocks and snapshots share one bound. */
static void size_bounds_both(void **state)
{
	struct past_span s;

	(void)state;
	close_it();
	f.opt.keep_bytes = 400000;
	open_it();
	for (unsigned i = 0; i < 400; i++)
		cells_add(f.cells, CELL_KIND, 300);
	for (unsigned i = 0; i < 600; i++) {
		if (i % 20 == 0)
			store_ask_snapshot(f.store);
		commit(2000);
	}
	s = span();
	assert_true(s.any);
	assert_true((s.turn1 - s.turn0) * 2000 <= 400000);
	assert_true((s.turn1 - s.turn0) * 2000 >= 200000);
	/* a state larger than half the bound has none */
	for (unsigned i = 0; i < 2000; i++)
		cells_add(f.cells, CELL_KIND, 300);
	store_ask_snapshot(f.store);
	for (unsigned i = 0; i < 300; i++)
		commit(2000);
	assert_false(span().any);
}

static void blocks_come_in_order_with_their_turns(void **state)
{
	struct arena *a = arena_new(0);
	struct past_block b;
	struct err err = { 0 };
	uint64_t at = 0, turn;
	bool any;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		commit(10 + i);
	for (unsigned i = 0; i < 5; i++) {
		assert_true(past_block(past(), at, a, &b, &any, &err));
		assert_true(any);
		assert_int_equal(b.turn0, i + 1);
		assert_int_equal(b.turns_n, 1);
		assert_int_equal(b.turns[0].seq0, i + 1);
		assert_int_equal(b.frames.len, 2 + 10 + i);	/* kind, length, body */
		at = b.turn1;
	}
	assert_true(past_block(past(), at, a, &b, &any, &err));
	assert_false(any);
	assert_true(past_turn_of(past(), 3, &turn, &err));
	assert_int_equal(turn, 3);
	assert_false(past_turn_of(past(), 6, &turn, &err));
	assert_int_equal(err.code, ERR_NOT_FOUND);
	arena_free(a);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_round_over_many_commits_is_the_state_after_it),
		TEST(half_a_round_does_not_exist),
		TEST(one_is_taken_each_day),
		TEST(old_ones_go_with_their_blocks),
		TEST(size_bounds_both),
		TEST(blocks_come_in_order_with_their_turns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
