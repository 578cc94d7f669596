/* The scanner against jansson, on what both accept and on what both refuse.
 *
 * Documents are generated from a seed, half of them are then damaged; every one is
 * put into a block of exactly its size, so that the sanitizer sees a read past the
 * end.  The oracle is jansson's parser with JSON_ALLOW_NUL | JSON_DECODE_ANY and a
 * look-up by path in its tree.  SCAN_DOCS and SCAN_SEED widen a run by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/arena.h"
#include "event/event.h"

#define PATHS 9

static const char *const paths[PATHS][5] = {
    {"data"},
    {"data", "a"},
    {"data", "a", "b"},
    {"data", "a", "b", "a"},
    {"data", "b"},
    {"data", "c", "a"},
    {"data", ""},
    {"data", "\xc3\xa9"},
    {"data", "a", "a"},
};
static const char *const keys[] = {
	"\"a\"", "\"a\"", "\"b\"", "\"b\"", "\"c\"", "\"\"", "\"\xc3\xa9\"",
	"\"\\u0061\"",
	"\"\\u00e9\"", "\"long key of more than sixteen bytes\"", "\"\\/\"",
};
static const char *const scalars[] = {
	"0", "-0", "1", "-1", "42", "9223372036854775807", "-9223372036854775808",
	"0.1", "-0.0", "3.141592653589793", "1e22", "1E-22", "123456789012345678e3",
	"1e23",
	"9007199254740993.0", "0.30000000000000004", "1e308", "1.7976931348623157e308",
	"5e-324", "2.2250738585072011e-308", "1e-400", "0e999999", "1.5e+3",
	"100000000000000000000.5",
	"0.00000000000000000000000000000000000000000001234567890123456789",
	"true", "false", "null", "\"\"", "\"plain\"", "\"sixteen bytes ok\"",
	"\"a longer text, over two sixteens of bytes\"",
	"\"\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80\"",
	"\"\\ud83d\\ude00\"", "\"tab\\tnew\\nline\"", "\"\\u0000in\\u0000side\"",
	"\"\\\"\\\\\"",
	"\"\x7f\"", "\"sixteen bytes ..\\u00e9\"",
};
static const char *const damage[] = {
	"{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud800", "\\udc00", "\\ud83dx",
	"\\ud83d\\u0041", "\\x", "\\u00g0", "9223372036854775808", "-9223372036854775809",
	"1e400", "-1e309", "01", "1.", ".5", "+1", "1e", "1e+", "--1", "nul", "nullx",
	"True",
	"NaN", "Infinity", "\xff", "\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80",
	"\xed\xa0\x80",
	"\xf4\x90\x80\x80", "\xf5", "\xe4\xb8", "\xef\xbb\xbf", "\t", "\n", "\x01", "\v",
	"\f",
	" ", "/**/", "'a'", "\"a\\u0000\":1", "{\"\\u0000\":1}", "\"\\",
	"1e99999999999999999999",
	"18446744073709551616", "1797693134862315700000000000000000000000000e268",
};

#define PICK(rng, v) ((v)[next(rng) % G_N_ELEMENTS(v)])

static uint32_t next(uint64_t *rng)
{
	*rng ^= *rng << 13;
	*rng ^= *rng >> 7;
	*rng ^= *rng << 17;
	return (uint32_t)(*rng >> 16);
}

static void space(uint64_t *rng, GString *out)
{
	static const char *const spaces[] = {"", "", "", "", " ", "\n\t", "\r\n"};

	g_string_append(out, PICK(rng, spaces));
}

static void generate(uint64_t *rng, GString *out, unsigned depth)
{
	unsigned kind = next(rng) % 8, n = next(rng) % 5;

	space(rng, out);
	if (depth == 0 || kind < 3) {
		g_string_append(out, PICK(rng, scalars));
	} else {
		bool object = kind < 7;

		g_string_append_c(out, object ? '{' : '[');
		space(rng, out);
		for (unsigned i = 0; i < n; i++) {
			g_string_append(out, i ? "," : "");
			space(rng, out);
			if (object) {
				g_string_append(out, PICK(rng, keys));
				space(rng, out);
				g_string_append_c(out, ':');
			}
			generate(rng, out, depth - 1);
		}
		g_string_append_c(out, object ? '}' : ']');
	}
	space(rng, out);
}

static void mutate(uint64_t *rng, GString *s)
{
	gssize at = s->len ? (gssize)(next(rng) % s->len) : 0;
	gssize n = (gssize)(1 + next(rng) % 6);

	n = MIN(n, (gssize)s->len - at);

	switch (next(rng) % 6) {
	case 0:
		g_string_insert(s, at, PICK(rng, damage));
		break;
	case 1:
		g_string_erase(s, at, n);
		break;
	case 2:
		g_string_truncate(s, (gsize)at);
		break;
	case 3:
		g_string_insert_c(s, at, (char)next(rng));
		break;
	case 4:
		g_string_erase(s, at, n);
		g_string_insert(s, at, PICK(rng, damage));
		break;
	default:
		g_string_append(s, PICK(rng, damage));
	}
}

static json_t *lookup(json_t *doc, const char *const *path)
{
	for (path++; doc && *path; path++)
		doc = json_object_get(doc, *path);
	return doc;
}

static bool same_text(struct value v, const json_t *j)
{
	size_t n = json_string_length(j);

	if (v.tag != VALUE_STRING || v.len != n ||
	    memcmp(v.s, json_string_value(j), n) != 0)
		return false;
	for (size_t i = 0; i < n && v.flags & VALUE_ASCII; i++)
		if ((unsigned char)v.s[i] >= 0x80)
			return false;
	return true;
}

static bool same(struct value v, const json_t *j)
{
	double d = json_real_value(j);
	json_t *raw;
	bool ok;

	switch (j ? (int)json_typeof(j) : -1) {
	case -1:
		return v.tag == VALUE_ABSENT;
	case JSON_NULL:
		return v.tag == VALUE_NULL;
	case JSON_TRUE:
	case JSON_FALSE:
		return v.tag == VALUE_BOOL && v.i == json_is_true(j);
	case JSON_INTEGER:
		return v.tag == VALUE_INT && v.i == json_integer_value(j);
	case JSON_REAL:
		return v.tag == VALUE_DOUBLE && memcmp(&v.d, &d, sizeof d) == 0;
	case JSON_STRING:
		return same_text(v, j);
	default:
		raw = v.tag == VALUE_RAW ? json_loadb(v.s, v.len, JSON_ALLOW_NUL, NULL)
					 : NULL;
		ok = raw && json_equal(raw, j);
		json_decref(raw);
		return ok;
	}
}

static void show(const char *what, unsigned i, struct str doc)
{
	char *copy = g_strndup(doc.p, doc.len);	/* up to a NUL, enough to look at */
	char *text = g_strescape(copy, NULL);

	print_error("document %u, %s: %s\n", i, what, text);
	g_free(text);
	g_free(copy);
	fail();
}

static void compare(
    unsigned i, struct str doc, const struct plan *plan, struct arena *arena)
{
	static const struct event_limits limits;
	json_t *tree = json_loadb(doc.p, doc.len, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
	struct event e = {.data = doc};
	uint32_t at;
	bool ok = event_fill(&e, plan, &limits, arena);

	if (ok != (json_check(doc, &limits, &at) == EVENT_OK))
		show("acceptance depends on the plan", i, doc);
	if (at > doc.len)
		show("offset past the end", i, doc);
	if (tree && memchr(doc.p, 0, doc.len)) { /* jansson swallows it after a number */
		json_decref(tree);
		tree = NULL;
	}
	if (ok != (tree != NULL))
		show(ok ? "only the scanner accepts" : "only jansson accepts", i, doc);
	for (unsigned k = 0; ok && k < PATHS; k++)
		if (!same(e.field[k], lookup(tree, paths[k])))
			show(paths[k][1] ? paths[k][1] : "data", i, doc);
	json_decref(tree);
}

static unsigned from_env(const char *name, unsigned fallback)
{
	const char *v = getenv(name);

	return v ? (unsigned)strtoul(v, NULL, 10) : fallback;
}

static void scanner_and_jansson_agree(void **state)
{
	struct arena *rules = arena_new(0), *arena = arena_new(0);
	uint64_t rng = 0x9e3779b97f4a7c15u ^ from_env("SCAN_SEED", 1);
	unsigned n = from_env("SCAN_DOCS", 200000);
	GString *s = g_string_new(NULL);
	struct plan plan;

	(void)state;
	plan_init(&plan, rules);
	for (unsigned i = 0; i < PATHS; i++) {
		struct str seg[4];
		uint32_t k = 0;

		for (; k < 4 && paths[i][k]; k++)
			seg[k] = str_of(paths[i][k]);
		assert_int_equal(plan_add(&plan, seg, k), i);
	}
	plan_finish(&plan);
	for (unsigned i = 0; i < n; i++) {
		char *exact;

		g_string_truncate(s, 0);
		generate(&rng, s, 4);
		for (unsigned k = next(&rng) % 4; k > 1; k--)
			mutate(&rng, s);
		if (!s->len)		/* no data is no document */
			continue;
		exact = malloc(s->len);
		memcpy(exact, s->str, s->len);
		compare(i, (struct str){exact, (uint32_t)s->len}, &plan, arena);
		free(exact);
		arena_reset(arena);
	}
	g_string_free(s, TRUE);
	arena_free(arena);
	arena_free(rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scanner_and_jansson_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
