/* JSON writer: what is written is read back by jansson, which decides whether it
 * is JSON and what it says. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <jansson.h>
#include <math.h>

#include "base/json.h"
#include "base/time.h"

static void commas_come_by_themselves(void **state)
{
	GString *s = g_string_new(NULL);

	(void)state;
	json_open(s, '{');
	json_key(s, "a");
	json_i64(s, 1);
	json_key(s, "b");
	json_open(s, '[');
	json_bool(s, true);
	json_nil(s);
	json_open(s, '{');
	json_close(s, '}');
	json_raw(s, STR("{\"x\":1}"));
	json_raw(s, (struct str){ NULL, 0 });
	json_cstr(s, NULL);
	json_cstr(s, "z{");
	json_str(s, STR("y"));
	json_close(s, '[');
	json_key_str(s, STR("c"));
	json_time(s, 0);
	json_key(s, "d");
	json_time(s, TIME_NONE);
	json_close(s, '{');
	assert_string_equal(
	    s->str, "{\"a\":1,\"b\":[true,null,{},{\"x\":1},null,null,\"z{\",\"y\"],"
		    "\"c\":\"1970-01-01T00:00:00.000Z\",\"d\":null}");
	g_string_free(s, TRUE);
}

/* Reads `s` as one JSON value. */
static json_t *load(const GString *s)
{
	json_t *v = json_loadb(s->str, s->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	if (!v)
		fail_msg("no JSON: %s", s->str);
	return v;
}

static void every_byte_survives_in_a_text(void **state)
{
	char all[128 + 9];
	GString *s = g_string_new(NULL);
	json_t *v;

	(void)state;
	for (int i = 0; i < 128; i++)
		all[i] = (char)i;
	memcpy(all + 128, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9);
	json_str(s, (struct str){ all, sizeof(all) });
	v = load(s);
	assert_int_equal(json_string_length(v), sizeof(all));
	assert_memory_equal(json_string_value(v), all, sizeof(all));
	json_decref(v);
	g_string_free(s, TRUE);
}

static void invalid_utf8_becomes_the_replacement_character(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
	    {"a\xff"
	     "b",
	     "a\xef\xbf\xbd"
	     "b"},
	    {"\xc3", "\xef\xbf\xbd"},
	    {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
	    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* surrogate */
	    {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                 /* overlong */
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		GString *s = g_string_new(NULL);
		json_t *v;

		json_str(s, str_of(rows[i].in));
		v = load(s);
		assert_string_equal(json_string_value(v), rows[i].out);
		json_decref(v);
		g_string_free(s, TRUE);
	}
}

static void doubles_come_back_and_stay_doubles(void **state)
{
	static const double rows[] = {
	    0.0, -0.0, 1.0, -1.0, 0.1, 0.3, 1.0 / 3, 1e15, 1e16, 1e22, 1e300,
	    5e-324, DBL_MIN, DBL_MAX, 123456789012345678.0, 9007199254740993.0,
	    0.1 + 0.2, 2.5e-7,
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		GString *s = g_string_new(NULL);
		json_t *v;
		double d;

		json_double(s, rows[i]);
		v = load(s);
		assert_true(json_is_real(v));
		d = json_real_value(v);
		assert_memory_equal(&d, &rows[i], sizeof(d));
		json_decref(v);
		g_string_free(s, TRUE);
	}
}

static void doubles_are_short(void **state)
{
	static const struct { double v; const char *text; } rows[] = {
	    {0.1, "0.1"},
	    {1.0, "1.0"},
	    {-0.0, "-0.0"},
	    {1e22, "1e+22"},
	    {0.1 + 0.2, "0.30000000000000004"},
	    {NAN, "null"},
	    {-INFINITY, "null"},
	    {0.31, "0.31"},
	    {50000.0, "50000.0"},
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		GString *s = g_string_new(NULL);

		json_double(s, rows[i].v);
		assert_string_equal(s->str, rows[i].text);
		g_string_free(s, TRUE);
	}
}

static void integers_are_exact_at_the_ends(void **state)
{
	GString *s = g_string_new("[");

	(void)state;
	json_i64(s, INT64_MIN);
	json_i64(s, INT64_MAX);
	json_close(s, '[');
	assert_string_equal(s->str, "[-9223372036854775808,9223372036854775807]");
	g_string_free(s, TRUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_come_by_themselves),
		cmocka_unit_test(every_byte_survives_in_a_text),
		cmocka_unit_test(invalid_utf8_becomes_the_replacement_character),
		cmocka_unit_test(doubles_come_back_and_stay_doubles),
		cmocka_unit_test(doubles_are_short),
		cmocka_unit_test(integers_are_exact_at_the_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
