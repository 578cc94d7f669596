/* Arena: alignment, zeroing, the cap, growth. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"

static void memory_is_zeroed_and_aligned_also_after_a_reset(void **state)
{
	struct arena *a = arena_new(0);

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t n = 0; n < 300; n++) {
			unsigned char *p = arena_alloc(a, n);

			assert_non_null(p);
			assert_int_equal((uintptr_t)p % 16, 0);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(p[i], 0);
			memset(p, 0xa5, n);
		}
		arena_reset(a);
		assert_int_equal(arena_used(a), 0);
	}
	arena_free(a);
	arena_free(NULL);
}

static void allocations_do_not_overlap_across_blocks(void **state)
{
	struct arena *a = arena_new(0);
	uint32_t *v[200];

	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		v[i] = ARENA_ARRAY(a, uint32_t, 500);
		for (uint32_t j = 0; j < 500; j++)
			v[i][j] = i;
	}
	for (uint32_t i = 0; i < 200; i++)
		for (uint32_t j = 0; j < 500; j++)
			assert_int_equal(v[i][j], i);
	arena_free(a);
}

static void past_the_cap_is_null_until_reset(void **state)
{
	struct arena *a = arena_new(1000);

	(void)state;
	assert_non_null(arena_alloc(a, 900));
	assert_null(arena_alloc(a, 200));
	assert_null(arena_str(a, STR("a text that does not fit into what is left of the "
	    "thousand bytes, because it is longer than eighty")).p);
	assert_non_null(arena_alloc(a, 16));
	assert_null(arena_alloc(a, SIZE_MAX / 8));
	arena_reset(a);
	assert_non_null(arena_alloc(a, 900));
	arena_free(a);
}

static void texts_end_in_nul(void **state)
{
	struct arena *a = arena_new(0);
	struct str s = arena_str(a, (struct str){ "a\0bXX", 3 }), t;

	(void)state;
	assert_int_equal(s.len, 3);
	assert_memory_equal(s.p, "a\0b", 4);
	t = arena_printf(a, "%s-%d", "run", 412);
	assert_string_equal(t.p, "run-412");
	assert_int_equal(t.len, 7);
	s = arena_str(a, (struct str){ NULL, 0 });
	assert_non_null(s.p);
	arena_free(a);
}

static void grow_keeps_what_is_there(void **state)
{
	struct arena *a = arena_new(0), *small = arena_new(200);
	uint32_t *v = NULL, cap = 0, *w = NULL;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		v = arena_grow(a, v, i, &cap, sizeof(*v));
		assert_true(cap > i);
		v[i] = i * i;
	}
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(v[i], i * i);
	cap = 0;
	w = arena_grow(small, w, 0, &cap, 8);
	assert_non_null(w);
	assert_int_equal(cap, 8);
	assert_non_null(arena_grow(small, w, 8, &cap, 8));
	assert_null(arena_grow(small, w, 16, &cap, 8));
	assert_int_equal(cap, 16);
	arena_free(a);
	arena_free(small);
}

/* What is taken back is zeroed again, also across blocks; what was before it stays. */
static void rewind_takes_back_what_came_since(void **state)
{
	struct arena *a = arena_new(0);
	struct arena_mark empty = arena_mark(a), m;
	unsigned char *kept, *again;

	(void)state;
	memset(arena_alloc(a, 100), 0xa5, 100);
	arena_rewind(a, empty);
	assert_int_equal(arena_used(a), 0);
	for (size_t n = 10; n < 100000; n *= 10) {
		kept = memset(arena_alloc(a, 64), 0x5a, 64);
		m = arena_mark(a);
		memset(arena_alloc(a, n), 0xa5, n);
		memset(arena_alloc(a, n), 0xa5, n);
		arena_rewind(a, m);
		assert_int_equal(arena_used(a), m.total);
		again = arena_alloc(a, n);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(again[i], 0);
		for (size_t i = 0; i < 64; i++)
			assert_int_equal(kept[i], 0x5a);
	}
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed_and_aligned_also_after_a_reset),
		cmocka_unit_test(allocations_do_not_overlap_across_blocks),
		cmocka_unit_test(past_the_cap_is_null_until_reset),
		cmocka_unit_test(texts_end_in_nul),
		cmocka_unit_test(rewind_takes_back_what_came_since),
		cmocka_unit_test(grow_keeps_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
