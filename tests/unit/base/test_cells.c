/* Cells: the marks and sums, first fit, and recovery: after any history of
 * changes and commits, the shards at their turns plus the deltas that are still
 * needed give the live state.  The model beside the cells is a plain array. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>

#include "base/cells.h"

static struct str bytes_of(const GByteArray *a)
{
	return (struct str){ (const char *)a->data, a->len };
}

static void a_new_cell_is_zeroed_and_dirty(void **state)
{
	struct cells *c = cells_new();
	uint32_t id = cells_add(c, 7, 40);
	const char *p = cells_get(c, id);

	(void)state;
	assert_int_equal(id, 1);
	for (int i = 0; i < 40; i++)
		assert_int_equal(p[i], 0);
	assert_int_equal(cells_kind(c, id), 7);
	assert_int_equal(cells_bytes(c, id), 40);
	assert_int_equal(cells_count(c), 1);
	assert_int_equal(cells_dirty_bytes(c), 48);
	assert_int_equal(cells_dirty_shards(c), 1);
	assert_true(cells_shard_dirty(c, 0));
	cells_clean(c);
	assert_int_equal(cells_dirty_bytes(c), 0);
	assert_int_equal(cells_dirty_shards(c), 0);
	assert_int_equal(cells_total_bytes(c), 48);
	assert_int_equal(cells_kind(c, 2), 0);
	cells_free(c);
	cells_free(NULL);
}

/* Through every size at which its memory lies elsewhere, up and down. */
static void a_resized_cell_keeps_its_head(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 8, 9, 16, 17, 511, 512, 513, 9000, 16384,
		700, 512, 505, 504, 3, 0, 513, 0, 40 };
	struct cells *c = cells_new();
	uint32_t id[50], was = 40;

	(void)state;
	for (uint32_t i = 0; i < 50; i++) {
		id[i] = cells_add(c, 1, 40);
		memset(cells_touch(c, id[i]), (int)i + 1, 40);
	}
	for (size_t s = 0; s < G_N_ELEMENTS(sizes); s++) {
		for (uint32_t i = 0; i < 50; i++) {
			uint8_t *p = cells_resize(c, id[i], sizes[s]);

			for (uint32_t b = 0; b < sizes[s]; b++)
				assert_int_equal(p[b], b < was ? i + 1 : 0);
			memset(p, (int)i + 1, sizes[s]);
		}
		was = sizes[s];
	}
	assert_int_equal(cells_total_bytes(c), 50 * 48);
	cells_free(c);
}

static void touching_twice_stores_once(void **state)
{
	struct cells *c = cells_new();
	GByteArray *once = g_byte_array_new(), *twice = g_byte_array_new();
	uint32_t id = cells_add(c, 1, 100);

	(void)state;
	cells_clean(c);
	memset(cells_touch(c, id), 'x', 100);
	cells_encode_dirty(c, once);
	cells_touch(c, id);
	cells_encode_dirty(c, twice);
	assert_int_equal(once->len, twice->len);
	assert_int_equal(cells_dirty_bytes(c), 108);
	g_byte_array_unref(once);
	g_byte_array_unref(twice);
	cells_free(c);
}

static void resize_keeps_the_head_and_zeroes_the_rest(void **state)
{
	struct cells *c = cells_new();
	uint32_t id = cells_add(c, 1, 4);
	char *p = cells_touch(c, id);

	(void)state;
	memcpy(p, "abcd", 4);
	cells_clean(c);
	p = cells_resize(c, id, 8);
	assert_memory_equal(p, "abcd\0\0\0\0", 8);
	assert_int_equal(cells_dirty_bytes(c), 16);
	p = cells_resize(c, id, 2);
	p = cells_resize(c, id, 4);
	assert_memory_equal(p, "ab\0\0", 4);
	assert_int_equal(cells_total_bytes(c), 12);
	assert_int_equal(cells_shard_bytes(c, 0), 12);
	assert_non_null(cells_resize(c, id, 0));
	cells_free(c);
}

/* 24 bytes count 32: 512 cells fill a shard of 16 KiB. */
static void a_full_shard_closes_and_a_freed_place_is_used_first(void **state)
{
	struct cells *c = cells_new();

	(void)state;
	for (int i = 0; i < 1500; i++)
		cells_add(c, 1, 24);
	assert_int_equal(cells_shards(c), 3);
	assert_int_equal(cells_shard_bytes(c, 0), SHARD_BYTES);
	assert_int_equal(cells_shard_bytes(c, 1), SHARD_BYTES);
	cells_clean(c);
	cells_drop(c, 900);
	cells_drop(c, 100);
	cells_drop(c, 50);
	assert_int_equal(cells_dirty_shards(c), 2);
	assert_int_equal(cells_add(c, 2, 24), 50);
	assert_int_equal(cells_add(c, 2, 24), 100);
	assert_int_equal(cells_add(c, 2, 24), 900);
	assert_int_equal(cells_add(c, 2, 24), 1501);
	assert_int_equal(cells_next(c, 0), 1);
	cells_drop(c, 1);
	cells_drop(c, 2);
	assert_int_equal(cells_next(c, 0), 3);
	assert_int_equal(cells_next(c, 1501), 0);
	cells_free(c);
}

static void damaged_blobs_are_refused(void **state)
{
	struct cells *c = cells_new();
	GByteArray *shard = g_byte_array_new(), *delta = g_byte_array_new();

	(void)state;
	for (int i = 0; i < 4; i++)
		memset(cells_touch(c, cells_add(c, 1, 30)), 'a' + i, 30);
	cells_drop(c, 2);
	cells_encode_dirty(c, delta);
	cells_encode_shard(c, 0, shard);
	for (uint32_t n = 0; n < shard->len; n++) {
		struct cells *d = cells_new();
		/* Cut behind a whole record is a shorter shard: 1, 34, 36, 69. */
		bool whole = n == 1 || n == 34 || n == 36 || n == 69;

		assert_int_equal(cells_load_shard(d, 0, 1,
		    (struct str){ (const char *)shard->data, n }), whole);
		cells_free(d);
	}
	delta->data[0] = CELLS_CODEC + 1;
	assert_false(cells_load_delta(c, 1, bytes_of(delta)));
	assert_false(cells_load_delta(c, 1, STR("\x01\x00\x00\x00")));	/* id 0 */
	assert_false(cells_load_delta(c, 1, STR("\x01\xff\xff\xff\xff\x0f\x01\x00")));
	assert_false(cells_load_delta(c, 1, STR("\x01\x00\xff\xff\xff\xff\x0f\x00")));
	assert_false(cells_load_delta(c, 1, STR("\x01\x05\x01\x00")));	/* 1 lives in 0 */
	cells_free(c);
	g_byte_array_unref(shard);
	g_byte_array_unref(delta);
}

/* The simulation: a database of one row per shard and one per delta. */
#define KEYS 400

struct row {
	uint64_t	 turn;
	GByteArray	*bytes;		/* NULL: none yet */
};

struct sim {
	struct cells	*cells;
	struct { uint32_t id; char fill; uint32_t bytes; uint8_t kind; } model[KEYS];
	GPtrArray	*shards;	/* struct row */
	GPtrArray	*deltas;
	uint64_t	 turn;
	uint32_t	 next_shard;
	GRand		*rand;
};

static struct row *row_new(uint64_t turn)
{
	struct row *r = g_new0(struct row, 1);

	r->turn = turn;
	r->bytes = g_byte_array_new();
	return r;
}

static void row_free(void *p)
{
	struct row *r = p;

	g_byte_array_unref(r->bytes);
	g_free(r);
}

static void fill(struct sim *s, int k)
{
	s->model[k].fill = (char)g_rand_int_range(s->rand, 0, 256);
	memset(cells_touch(s->cells, s->model[k].id), s->model[k].fill,
	       s->model[k].bytes);
}

static void change(struct sim *s)
{
	int k = g_rand_int_range(s->rand, 0, KEYS);
	uint32_t size = (uint32_t)g_rand_int_range(s->rand, 0, 600);

	if (!s->model[k].id) {
		s->model[k].kind = (uint8_t)g_rand_int_range(s->rand, 1, 256);
		s->model[k].bytes = size;
		s->model[k].id = cells_add(s->cells, s->model[k].kind, size);
		fill(s, k);
	} else if (g_rand_int_range(s->rand, 0, 3) == 0) {
		cells_drop(s->cells, s->model[k].id);
		s->model[k].id = 0;
	} else {
		if (g_rand_int_range(s->rand, 0, 4) == 0) {
			s->model[k].bytes = size;
			cells_resize(s->cells, s->model[k].id, size);
		}
		fill(s, k);
	}
}

static void write_shard(struct sim *s, uint32_t shard)
{
	struct row *r = row_new(s->turn);

	cells_encode_shard(s->cells, shard, r->bytes);
	while (s->shards->len <= shard)
		g_ptr_array_add(s->shards, row_new(0));
	row_free(s->shards->pdata[shard]);
	s->shards->pdata[shard] = r;
}

/* Deltas at or before the turn of the oldest shard are folded in everywhere. */
static void trim(struct sim *s)
{
	uint64_t least = UINT64_MAX;

	if (s->shards->len < cells_shards(s->cells))
		return;
	for (uint32_t i = 0; i < s->shards->len; i++)
		least = MIN(least, ((struct row *)s->shards->pdata[i])->turn);
	while (s->deltas->len && ((struct row *)s->deltas->pdata[0])->turn <= least)
		g_ptr_array_remove_index(s->deltas, 0);
}

static void commit(struct sim *s)
{
	uint32_t n = cells_shards(s->cells),
		 roll = (uint32_t)g_rand_int_range(s->rand, 1, 3);

	s->turn++;
	if (g_rand_int_range(s->rand, 0, 5) == 0) {	/* the dirty shards alone */
		for (uint32_t i = 0; i < n; i++)
			if (cells_shard_dirty(s->cells, i))
				write_shard(s, i);
	} else {
		struct row *r = row_new(s->turn);

		cells_encode_dirty(s->cells, r->bytes);
		g_ptr_array_add(s->deltas, r);
		while (n && roll--)
			write_shard(s, s->next_shard++ % n);
	}
	cells_clean(s->cells);
	trim(s);
}

static struct cells *recover(const struct sim *s, bool with_turns)
{
	struct cells *c = cells_new();

	for (uint32_t i = 0; i < s->shards->len; i++) {
		struct row *r = s->shards->pdata[i];

		if (r->turn)
			assert_true(cells_load_shard(c, i, with_turns ? r->turn : 0,
			    bytes_of(r->bytes)));
	}
	for (uint32_t i = 0; i < s->deltas->len; i++) {
		struct row *r = s->deltas->pdata[i];

		assert_true(cells_load_delta(c, r->turn, bytes_of(r->bytes)));
	}
	cells_loaded(c);
	return c;
}

static bool agrees(const struct sim *s, const struct cells *c)
{
	uint32_t live = 0;
	uint64_t bytes = 0;

	for (int k = 0; k < KEYS; k++) {
		const char *p;

		if (!s->model[k].id)
			continue;
		live++;
		bytes += s->model[k].bytes + 8;
		if (cells_kind(c, s->model[k].id) != s->model[k].kind ||
		    cells_bytes(c, s->model[k].id) != s->model[k].bytes)
			return false;
		p = cells_get(c, s->model[k].id);
		for (uint32_t i = 0; i < s->model[k].bytes; i++)
			if (p[i] != s->model[k].fill)
				return false;
	}
	return live == cells_count(c) && bytes == cells_total_bytes(c);
}

static void sim_open(struct sim *s, uint32_t seed)
{
	memset(s, 0, sizeof(*s));
	s->rand = g_rand_new_with_seed(seed);
	s->cells = cells_new();
	s->shards = g_ptr_array_new_with_free_func(row_free);
	s->deltas = g_ptr_array_new_with_free_func(row_free);
}

static void sim_close(struct sim *s)
{
	g_rand_free(s->rand);
	cells_free(s->cells);
	g_ptr_array_unref(s->shards);
	g_ptr_array_unref(s->deltas);
}

static void recovery_gives_the_live_state(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 12; seed++) {
		struct sim s;

		sim_open(&s, seed);
		for (int turn = 0; turn < 150; turn++) {
			int n = g_rand_int_range(s.rand, 0, 40);
			struct cells *back;

			while (n--)
				change(&s);
			assert_true(agrees(&s, s.cells));
			commit(&s);
			back = recover(&s, true);
			assert_true(agrees(&s, back));
			assert_int_equal(cells_dirty_bytes(back), 0);
			/* Now and then the process dies and goes on from what it read. */
			if (g_rand_int_range(s.rand, 0, 4) == 0) {
				cells_free(s.cells);
				s.cells = back;
			} else {
				cells_free(back);
			}
		}
		sim_close(&s);
	}
}

/* A commit of dirty shards alone leaves older deltas of the same cells behind. */
static void recovery_without_the_turns_of_shards_would_be_wrong(void **state)
{
	struct sim s;
	bool wrong = false;

	(void)state;
	sim_open(&s, 5);
	for (int turn = 0; turn < 200 && !wrong; turn++) {
		struct cells *back;

		for (int n = 0; n < 30; n++)
			change(&s);
		commit(&s);
		back = recover(&s, true);
		assert_true(agrees(&s, back));
		cells_free(back);
		back = recover(&s, false);
		wrong = !agrees(&s, back);
		cells_free(back);
	}
	assert_true(wrong);
	sim_close(&s);
}

static void a_restart_changes_nothing_about_what_follows(void **state)
{
	struct sim s;
	struct cells *back;
	GByteArray *a = g_byte_array_new(), *b = g_byte_array_new();

	(void)state;
	sim_open(&s, 77);
	for (int turn = 0; turn < 40; turn++) {
		for (int n = 0; n < 50; n++)
			change(&s);
		commit(&s);
	}
	back = recover(&s, true);
	for (int i = 0; i < 300; i++)
		assert_int_equal(cells_add(s.cells, 1, 50), cells_add(back, 1, 50));
	cells_encode_dirty(s.cells, a);
	cells_encode_dirty(back, b);
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->data, b->data, a->len);
	g_byte_array_unref(a);
	g_byte_array_unref(b);
	cells_free(back);
	sim_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_cell_is_zeroed_and_dirty),
		cmocka_unit_test(touching_twice_stores_once),
		cmocka_unit_test(a_resized_cell_keeps_its_head),
		cmocka_unit_test(resize_keeps_the_head_and_zeroes_the_rest),
		cmocka_unit_test(a_full_shard_closes_and_a_freed_place_is_used_first),
		cmocka_unit_test(damaged_blobs_are_refused),
		cmocka_unit_test(recovery_gives_the_live_state),
		cmocka_unit_test(recovery_without_the_turns_of_shards_would_be_wrong),
		cmocka_unit_test(a_restart_changes_nothing_about_what_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
