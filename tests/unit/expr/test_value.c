/* Values: equality, JSON both ways, copies, numbers as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>

#include "base/arena.h"
#include "expr/number.h"
#include "expr/value.h"

static struct arena *arena;

static struct value json(const char *text)
{
	return value_from_json(str_of(text), arena);
}

static void assert_json(struct value v, const char *wanted)
{
	GString *s = g_string_new(NULL);

	value_to_json(v, arena, s);
	assert_string_equal(s->str, wanted);
	g_string_free(s, TRUE);
}

static void assert_shown(struct value v, const char *wanted)
{
	GString *s = g_string_new(NULL);

	value_print(v, s);
	assert_string_equal(s->str, wanted);
	g_string_free(s, TRUE);
}

static struct value type_uint(uint64_t u)
{
	return (struct value){ .tag = VALUE_UINT, .u = u };
}

static void values_are_16_bytes(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct value), 16);
}

static void numbers_are_equal_across_types(void **state)
{
	(void)state;
	assert_true(value_equal(value_int(1), value_double(1)));
	assert_true(value_equal(type_uint(1), value_int(1)));
	assert_false(value_equal(value_int(-1), type_uint(UINT64_MAX)));
	assert_false(value_equal(value_double((double)NAN), value_double((double)NAN)));
	assert_false(value_equal(value_bool(true), value_int(1)));
	assert_false(value_equal(value_str(STR("1")), value_int(1)));
	/* As cel-go: the int becomes a double. */
	assert_true(value_equal(value_int(INT64_MAX), value_double(0x1p63)));
}

static void errors_and_absent_are_never_equal(void **state)
{
	struct value e = value_error(VALUE_RANGE, "x"), absent = { .tag = VALUE_ABSENT };

	(void)state;
	assert_false(value_equal(e, e));
	assert_false(value_equal(absent, absent));
}

static void nested_values_compare_by_content(void **state)
{
	(void)state;
	assert_true(value_equal(json("{\"a\":[1,{\"b\":2}],\"c\":null}"),
	    json("{\"c\":null,\"a\":[1.0,{\"b\":2.0}]}")));
	assert_false(value_equal(json("{\"a\":1}"), json("{\"a\":1,\"b\":1}")));
	assert_false(value_equal(json("[1,2]"), json("[2,1]")));
}

static void json_numbers_keep_their_kind(void **state)
{
	(void)state;
	assert_int_equal(json("9223372036854775807").tag, VALUE_INT);
	assert_int_equal(json("1.0").tag, VALUE_DOUBLE);
	assert_int_equal(json("1e3").tag, VALUE_DOUBLE);
	/* Refused where jansson refuses. */
	assert_int_equal(json("9223372036854775808").tag, VALUE_ERROR);
	assert_int_equal(json("1e999").tag, VALUE_ERROR);
	assert_int_equal(json("{\"a\":}").tag, VALUE_ERROR);
	assert_int_equal(json("").tag, VALUE_ERROR);
}

static void json_last_duplicate_wins_and_nul_is_kept(void **state)
{
	struct value v = json("{\"a\":1,\"a\":2}");
	struct value s = json("\"x\\u0000y\"");

	(void)state;
	assert_int_equal(v.map->n, 1);
	assert_int_equal(value_member(v, STR("a"), arena).i, 2);
	assert_int_equal(s.len, 3);
	assert_memory_equal(s.s, "x\0y", 3);
}

static void json_out_follows_cels_mapping(void **state)
{
	struct value bytes = { .tag = VALUE_BYTES, .len = 3, .s = "\xff\x00\x01" };

	(void)state;
	assert_json(json("{\"a\":[1,2.5,null,true,\"x\\\"\"]}"),
	    "{\"a\":[1,2.5,null,true,\"x\\\"\"]}");
	assert_json(value_int(INT64_C(9007199254740991)), "9007199254740991");
	assert_json(value_int(INT64_C(9007199254740992)), "\"9007199254740992\"");
	assert_json(value_int(INT64_C(-9007199254740992)), "\"-9007199254740992\"");
	assert_json(type_uint(UINT64_MAX), "\"18446744073709551615\"");
	assert_json(value_double((double)NAN), "\"NaN\"");
	assert_json(value_double(-(double)INFINITY), "\"-Infinity\"");
	assert_json(bytes, "\"/wAB\"");
	assert_json(value_time_ms(1500), "\"1970-01-01T00:00:01.5Z\"");
	assert_json(value_duration_ms(-1500), "\"-1.5s\"");
	assert_json(value_map_of((struct value[]){ value_int(1), value_bool(true) },
	    (struct value[]){ value_null(), value_int(2) }, 2, arena),
	    "{\"1\":null,\"true\":2}");
}

static void maps_find_many_keys(void **state)
{
	struct value keys[1000], values[1000], map;
	char text[16];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		g_snprintf(text, sizeof(text), "k%d", i);
		keys[i] = i % 2 ? value_int(i) :
		    value_str(arena_str(arena, str_of(text)));
		values[i] = value_int(i);
	}
	map = value_map_of(keys, values, 1000, arena);
	for (int i = 0; i < 1000; i += 2) {
		g_snprintf(text, sizeof(text), "k%d", i);
		assert_int_equal(value_member(map, str_of(text), arena).i, i);
	}
	assert_int_equal(value_member(map, STR("k1"), arena).tag, VALUE_ABSENT);
	keys[999] = value_double(1);
	assert_int_equal(value_map_of(keys, values, 1000, arena).tag, VALUE_ERROR);
}

static void times_keep_milliseconds(void **state)
{
	(void)state;
	assert_int_equal(value_ms(value_time_ms(-1)), -1);
	assert_int_equal(value_ms(value_time_ms(1700000000123)), 1700000000123);
	assert_int_equal(value_time_ms(-1).len, 999000000);
	assert_int_equal(value_ms(value_duration_ms(-1500)), -1500);
	assert_int_equal(value_duration_ms(INT64_MAX).tag, VALUE_ERROR);
}

static void numbers_for_windows(void **state)
{
	double d = 0;

	(void)state;
	assert_true(value_number(value_bool(true), &d) && d == 1);
	assert_true(value_number(value_int(-3), &d) && d == -3);
	assert_false(value_number(value_double((double)INFINITY), &d));
	assert_false(value_number(value_str(STR("1")), &d));
	assert_false(value_number(value_null(), &d));
}

static void copies_live_on_their_own(void **state)
{
	struct arena *from = arena_new(0);
	struct value v = value_from_json(STR("{\"a\":[\"xyz\",{\"b\":1.5}]}"), from),
		     copy;

	(void)state;
	copy = value_copy(v, arena);
	assert_true(value_equal(copy, v));
	arena_free(from);
	assert_json(copy, "{\"a\":[\"xyz\",{\"b\":1.5}]}");
	copy = value_copy((struct value){ .tag = VALUE_RAW, .len = 7, .s = "[1,\"2\"]" },
	    arena);
	assert_json(copy, "[1,\"2\"]");
}

static void printing_is_short(void **state)
{
	(void)state;
	assert_shown(value_double(3), "3.0");
	assert_shown(value_double(1e300), "1e+300");
	assert_shown(type_uint(3), "3u");
	assert_shown(json("[1,2,3,4,5,6,7]"), "[1, 2, 3, 4, 5, … 7 in all]");
	assert_shown(json("{\"a\":\"b\"}"), "{\"a\": \"b\"}");
	assert_shown(value_error(VALUE_RANGE, "out"), "error: out");
	assert_shown(value_time_ms(0), "1970-01-01T00:00:00Z");
}

static void doubles_read_back(void **state)
{
	static const double some[] = { 0.1,
				       1.0 / 3,
				       5e-324,
				       1.7976931348623157e308,
				       123456789.0,
				       1e21,
				       1e20,
				       9.999999999999999e22,
				       2.5e-5,
				       0.0001,
				       4503599627370497.5 };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(some); i++) {
		GString *s = g_string_new(NULL);
		double back = 0;

		print_double(some[i], s);
		assert_true(parse_double(str_of(s->str), &back));
		assert_true(back == some[i]);
		g_string_free(s, TRUE);
	}
}

static void durations_as_in_go(void **state)
{
	static const struct { const char *text; int64_t ns;
	} good[] = {
		{ "0", 0 },
		{ "1h", 3600000000000 },
		{ "-1.5h", -5400000000000 },
		{ "1m30s", 90000000000 },
		{ ".5s", 500000000 },
		{ "1.000000001s", 1000000001 },
		{ "3us", 3000 },
		{ "3µs", 3000 },
		{ "7ns", 7 },
		{ "+2ms", 2000000 },
		{ "9223372036854775807ns", INT64_MAX },
		{ "-9223372036854775808ns", INT64_MIN },
	};
	static const char *const bad[] = { "", "1", "h", "1d", "1h ", "1.h.", "-", "1e3s",
		"9223372036854775808ns", "3000000h", "1s1" };
	int64_t ns = 0;

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
		assert_true(parse_duration(str_of(good[i].text), &ns));
		assert_true(ns == good[i].ns);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
		assert_false(parse_duration(str_of(bad[i]), &ns));
}

static int setup(void **state)
{
	(void)state;
	arena = arena_new(0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_16_bytes),
		cmocka_unit_test(numbers_are_equal_across_types),
		cmocka_unit_test(errors_and_absent_are_never_equal),
		cmocka_unit_test(nested_values_compare_by_content),
		cmocka_unit_test(json_numbers_keep_their_kind),
		cmocka_unit_test(json_last_duplicate_wins_and_nul_is_kept),
		cmocka_unit_test(json_out_follows_cels_mapping),
		cmocka_unit_test(maps_find_many_keys),
		cmocka_unit_test(times_keep_milliseconds),
		cmocka_unit_test(numbers_for_windows),
		cmocka_unit_test(copies_live_on_their_own),
		cmocka_unit_test(printing_is_short),
		cmocka_unit_test(doubles_read_back),
		cmocka_unit_test(durations_as_in_go),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
