/* The memory of an MQTT session: design.md 5, identity of an input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/memory.h"

static struct memory m;

static void take(uint16_t mid, uint64_t hash)
{
	assert_false(memory_is_repeat(&m, mid, hash));
	memory_add(&m, mid, hash);
}

static void members_are_repeats_only_after_a_resume(void **state)
{
	(void)state;
	memory_clear(&m);
	take(1, 100);
	take(1, 100);		/* the same id again in one connection: a new message */
	memory_resumed(&m);
	assert_true(memory_is_repeat(&m, 1, 100));
}

static void the_first_stranger_ends_the_test(void **state)
{
	(void)state;
	memory_clear(&m);
	take(1, 100);
	take(2, 200);
	memory_resumed(&m);
	assert_true(memory_is_repeat(&m, 1, 100));
	take(3, 300);
	assert_false(memory_is_repeat(&m, 2, 200));
}

static void both_id_and_bytes_must_be_the_same(void **state)
{
	(void)state;
	memory_clear(&m);
	take(1, 100);
	memory_resumed(&m);
	assert_false(memory_is_repeat(&m, 1, 101));
	memory_resumed(&m);
	assert_false(memory_is_repeat(&m, 2, 100));
	assert_int_not_equal(
	    memory_hash(STR("a"), STR("bc")), memory_hash(STR("ab"), STR("c")));
}

static void qos_0_is_no_member_and_ends_no_test(void **state)
{
	(void)state;
	memory_clear(&m);
	take(1, 100);
	memory_resumed(&m);
	take(0, 100);
	assert_int_equal(m.n, 1);
	assert_true(memory_is_repeat(&m, 1, 100));
}

static void a_repeat_outlives_what_was_not_sent_again(void **state)
{
	(void)state;
	memory_clear(&m);
	for (uint16_t i = 1; i <= MEMORY_MAX; i++)
		take(i, i);
	memory_resumed(&m);
	assert_true(memory_is_repeat(&m, 1, 1));	/* now the newest */
	for (uint16_t i = 1; i < MEMORY_MAX; i++)
		take((uint16_t)(MEMORY_MAX + i), i);
	memory_resumed(&m);
	assert_true(memory_is_repeat(&m, 1, 1));
	memory_resumed(&m);
	assert_false(memory_is_repeat(&m, 2, 2));	/* 1,024 others came since */
}

static void it_is_kept_over_connections_and_kills(void **state)
{
	GByteArray *bytes = g_byte_array_new();
	struct str text;

	(void)state;
	memory_clear(&m);
	for (uint16_t i = 1; i <= 1500; i++)
		take(i, UINT64_C(0xfedcba9876543210) + i);
	memory_put(&m, bytes);
	text = (struct str){ (const char *)bytes->data, bytes->len };
	memory_clear(&m);
	assert_true(memory_get(&m, text));
	assert_int_equal(m.n, MEMORY_MAX);
	memory_resumed(&m);
	for (uint16_t i = 477; i <= 1500; i++)	/* 1500 - 1024 + 1 */
		assert_true(memory_is_repeat(&m, i, UINT64_C(0xfedcba9876543210) + i));
	text.len--;
	assert_false(memory_get(&m, text));
	assert_int_equal(m.n, 0);
	g_byte_array_free(bytes, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_repeats_only_after_a_resume),
		cmocka_unit_test(the_first_stranger_ends_the_test),
		cmocka_unit_test(both_id_and_bytes_must_be_the_same),
		cmocka_unit_test(qos_0_is_no_member_and_ends_no_test),
		cmocka_unit_test(a_repeat_outlives_what_was_not_sent_again),
		cmocka_unit_test(it_is_kept_over_connections_and_kills),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
