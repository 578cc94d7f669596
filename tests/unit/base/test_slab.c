/* Slabs: pieces do not overlap, are aligned, and are taken again once given back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <string.h>

#include "base/slab.h"

enum { N = 3000 };

static void fill(char *p, uint32_t size, uint32_t i)
{
	memset(p, (int)(i % 251), size);
}

static void check(const char *p, uint32_t size, uint32_t i)
{
	for (uint32_t b = 0; b < size; b++)
		assert_int_equal((unsigned char)p[b], i % 251);
}

static void pieces_do_not_overlap(void **state)
{
	static const uint32_t sizes[] = { 8, 24, 120, 512, 4096 };

	(void)state;
	for (size_t s = 0; s < G_N_ELEMENTS(sizes); s++) {
		struct slab slab;
		g_autofree char **v = g_new(char *, N);

		slab_init(&slab, sizes[s]);
		for (uint32_t i = 0; i < N; i++) {
			v[i] = slab_take(&slab, sizes[s]);
			assert_int_equal((uintptr_t)v[i] % 8, 0);
			fill(v[i], sizes[s], i);
		}
		for (uint32_t i = 0; i < N; i += 3)
			slab_give(&slab, v[i]);
		for (uint32_t i = 0; i < N; i += 3) {
			v[i] = slab_take(&slab, sizes[s]);
			fill(v[i], sizes[s], i + 7);
		}
		for (uint32_t i = 0; i < N; i++)
			check(v[i], sizes[s], i % 3 ? i : i + 7);
		slab_fini(&slab);
	}
}

/* As many pieces as ever before need no further block. */
static void what_was_given_back_is_taken_first(void **state)
{
	struct slab slab;
	char *v[100];
	void *blocks;

	(void)state;
	slab_init(&slab, 40);
	for (int i = 0; i < 100; i++)
		v[i] = slab_take(&slab, 40);
	blocks = slab.blocks;
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 100; i++)
			slab_give(&slab, v[i]);
		slab_give(&slab, NULL);
		for (int i = 0; i < 100; i++)
			v[i] = slab_take(&slab, 33);
	}
	assert_ptr_equal(slab.blocks, blocks);
	slab_fini(&slab);
	assert_null(slab.blocks);
	assert_non_null(slab_take(&slab, 40));	/* as a new one */
	slab_fini(&slab);
}

static void a_piece_keeps_its_bytes_when_more_are_used(void **state)
{
	struct slab slab;
	char *p;

	(void)state;
	slab_init(&slab, 64);
	p = slab_take(&slab, 10);
	fill(p, 10, 5);
	slab_fit(&slab, p, 64);
	check(p, 10, 5);
	fill(p, 64, 6);
	slab_fit(&slab, p, 3);
	check(p, 3, 6);
	slab_fini(&slab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_do_not_overlap),
		cmocka_unit_test(what_was_given_back_is_taken_first),
		cmocka_unit_test(a_piece_keeps_its_bytes_when_more_are_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
