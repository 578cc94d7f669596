/* Codec: LEB128 and zigzag by their published examples, round trips, and every
 * way to be malformed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/codec.h"

static struct str bytes_of(const GByteArray *a)
{
	return (struct str){ (const char *)a->data, a->len };
}

static void varints_have_the_published_bytes(void **state)
{
	static const struct { uint64_t v; const char *bytes; uint32_t n; } rows[] = {
		{ 0, "\x00", 1 }, { 1, "\x01", 1 }, { 127, "\x7f", 1 },
		{ 128, "\x80\x01", 2 }, { 300, "\xac\x02", 2 },
		{ 624485, "\xe5\x8e\x26", 3 },
		{ UINT64_MAX, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10 },
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		GByteArray *a = g_byte_array_new();
		struct reader r;

		put_u64(a, rows[i].v);
		assert_int_equal(a->len, rows[i].n);
		assert_memory_equal(a->data, rows[i].bytes, rows[i].n);
		r = reader_of(bytes_of(a));
		assert_true(get_u64(&r) == rows[i].v);
		assert_true(reader_done(&r));
		g_byte_array_unref(a);
	}
}

static void zigzag_keeps_small_negatives_short(void **state)
{
	static const struct { int64_t v; uint64_t coded; } rows[] = {
		{ 0, 0 }, { -1, 1 }, { 1, 2 }, { -2, 3 },
		{ 2147483647, 4294967294 }, { -2147483648LL, 4294967295 },
		{ INT64_MAX, UINT64_MAX - 1 }, { INT64_MIN, UINT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		GByteArray *a = g_byte_array_new();
		struct reader r;

		put_i64(a, rows[i].v);
		r = reader_of(bytes_of(a));
		assert_true(get_u64(&r) == rows[i].coded);
		r = reader_of(bytes_of(a));
		assert_true(get_i64(&r) == rows[i].v);
		g_byte_array_unref(a);
	}
}

static void everything_comes_back_in_order(void **state)
{
	GByteArray *a = g_byte_array_new();
	struct reader r;
	struct str s;

	(void)state;
	put_u8(a, 200);
	put_double(a, -0.1);
	put_str(a, (struct str){ "a\0b", 3 });
	put_str(a, (struct str){ NULL, 0 });
	put_raw(a, "xyz", 3);
	/* -0.1 is 0xbfb999999999999a, least byte first. */
	assert_memory_equal(a->data + 1, "\x9a\x99\x99\x99\x99\x99\xb9\xbf", 8);
	r = reader_of(bytes_of(a));
	assert_int_equal(get_u8(&r), 200);
	assert_true(get_double(&r) == -0.1);
	s = get_str(&r);
	assert_int_equal(s.len, 3);
	assert_memory_equal(s.p, "a\0b", 3);
	assert_int_equal(get_str(&r).len, 0);
	assert_false(reader_done(&r));
	assert_memory_equal(get_raw(&r, 3), "xyz", 3);
	assert_true(reader_done(&r));
	g_byte_array_unref(a);
}

static void malformed_bytes_turn_the_reader_bad_for_good(void **state)
{
	static const struct { const char *why; const char *p; uint32_t n; } rows[] = {
	    {"empty", "", 0},
	    {"cut", "\x80", 1},
	    {"longer than needed", "\x80\x00", 2},
	    {"65 bits", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10},
	    {"11 bytes", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11},
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct reader r = reader_of((struct str){ rows[i].p, rows[i].n });

		assert_int_equal(get_u64(&r), 0);
		assert_true(r.bad);
		assert_int_equal(get_u8(&r), 0);
		assert_null(get_raw(&r, 0));
		assert_true(get_double(&r) == 0);
		assert_int_equal(get_str(&r).len, 0);
		assert_false(reader_done(&r));
	}
}

static void a_length_past_the_end_is_refused(void **state)
{
	struct reader r = reader_of((struct str){ "\x04" "abc", 4 });
	struct reader huge = reader_of((struct str){ "\x80\x80\x80\x80\x10", 5 });

	(void)state;
	assert_null(get_str(&r).p);
	assert_true(r.bad);
	assert_null(get_str(&huge).p);
	assert_true(huge.bad);
	r = reader_of((struct str){ "1234567", 7 });
	assert_true(get_double(&r) == 0);
	assert_true(r.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(varints_have_the_published_bytes),
		cmocka_unit_test(zigzag_keeps_small_negatives_short),
		cmocka_unit_test(everything_comes_back_in_order),
		cmocka_unit_test(malformed_bytes_turn_the_reader_bad_for_good),
		cmocka_unit_test(a_length_past_the_end_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
