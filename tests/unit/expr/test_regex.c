/* Patterns: what is refused, what matches, what it costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/arena.h"
#include "expr/fn.h"
#include "expr/regex.h"

static void refused_constructs(void **state)
{
	static const char *const refused[] = { "(a)\\1",      "(?P<n>a)\\k<n>",
					       "\\g{1}",      "a(?=b)",
					       "a(?!b)",      "(?<=a)b",
					       "(?<!a)b",     "(?R)",
					       "(?1)",        "(?&n)",
					       "(?(1)a)",     "(?>a)",
					       "(?C)",        "(?#x)",
					       "(?P=n)",      "(?P>n)",
					       "(?'n'a)",     "(?|a|b)",
					       "(*UTF)a",     "(*LIMIT_MATCH=1)a",
					       "a(*COMMIT)b", "\\Ka",
					       "\\Ga",        "\\C",
					       "(a",          "a)",
					       "[a",          "*a",
					       "a{2,1}",      "\\p{Nonsense}",
					       "(?i",         "\\" };
	struct arena *arena = arena_new(0);
	char msg[200];
	uint32_t off;

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(refused); i++)
		if (regex_compile(str_of(refused[i]), arena, msg, sizeof(msg), &off))
			fail_msg("accepted: %s", refused[i]);
	arena_free(arena);
}

static void accepted_constructs(void **state)
{
	static const struct { const char *pattern, *text; bool matches;
	} cases[] = {
		{ "", "", true },
		{ "a", "cat", true },
		{ "^a", "cat", false },
		{ "t$", "cat", true },
		{ "t$", "cat\n", false },
		{ "^(?:a|b)+$", "abba", true },
		{ "(?P<x>a)(?<y>b)", "ab", true },
		{ "(?i)CAT", "cat", true },
		{ "(?i:C)at", "cat", true },
		{ "(?s).", "\n", true },
		{ ".", "\n", false },
		{ "[(?=]", "?", true },
		{ "[]a]", "]", true },
		{ "[^]a]", "]", false },
		{ "[[:digit:]]+x", "12x", true },
		{ "\\Q(?=\\E", "(?=", true },
		{ "\\(\\*", "(*", true },
		{ "\\d", "٣", false },
		{ "\\pL", "é", true },
		{ "^.$", "😀", true },
		{ "a{2,3}", "xaay", true },
		{ "\\bcat\\b", "a cat", true },
		{ "a*?b", "aab", true },
		{ "a++a", "aaa", false },
		{ "\\x{e9}", "é", true },
	};
	struct arena *arena = arena_new(0);
	struct machine m = { .arena = arena, .cost_max = 1000000 };
	char msg[200];
	uint32_t off;

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct regex *re = regex_compile(str_of(cases[i].pattern), arena, msg,
		    sizeof(msg), &off);
		struct value v;

		if (!re)
			fail_msg("refused: %s: %s", cases[i].pattern, msg);
		v = regex_match(re, str_of(cases[i].text), &m);
		if (v.tag != VALUE_BOOL || v.i != cases[i].matches)
			fail_msg("%s on %s: %d", cases[i].pattern, cases[i].text,
				 (int)v.i);
	}
	arena_free(arena);
}

static void sizes_are_bounded(void **state)
{
	struct arena *arena = arena_new(0);
	char *long_pattern = g_strnfill(REGEX_PATTERN_MAX + 1, 'a'), msg[200];
	uint32_t off;

	(void)state;
	assert_null(regex_compile(str_of(long_pattern), arena, msg, sizeof(msg), &off));
	assert_string_equal(msg, "pattern too long (over 1024 bytes)");
	assert_null(regex_compile(STR("((a{1,500}){1,500}){1,500}"), arena, msg,
				  sizeof(msg), &off));
	g_free(long_pattern);
	arena_free(arena);
}

/* From every start to the end: quadratic, so a long text is over the limit. */
static void long_texts_cost(void **state)
{
	struct arena *arena = arena_new(0);
	struct machine m = { .arena = arena, .cost_max = 100000 };
	char *text = g_strnfill(200000, 'a'), msg[200];
	struct regex *re;
	uint32_t off;

	(void)state;
	re = regex_compile(STR("a*b"), arena, msg, sizeof(msg), &off);
	assert_int_equal(regex_match(re, str_of(text), &m).aux, VALUE_COST);
	m.cost = 0;
	assert_int_equal(regex_match(re, (struct str){ text, 2000 }, &m).tag, VALUE_BOOL);
	re = regex_compile(STR("^a*b"), arena, msg, sizeof(msg), &off);
	m.cost = 0;
	assert_int_equal(regex_match(re, str_of(text), &m).tag, VALUE_BOOL);
	g_free(text);
	arena_free(arena);
}

static void bad_utf8_is_an_error(void **state)
{
	struct arena *arena = arena_new(0);
	struct machine m = { .arena = arena, .cost_max = 100000 };
	char msg[200];
	uint32_t off;
	struct regex *re = regex_compile(STR("a"), arena, msg, sizeof(msg), &off);

	(void)state;
	assert_int_equal(regex_match(re, STR("\xff" "a"), &m).aux, VALUE_BAD_ARGUMENT);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_constructs),
		cmocka_unit_test(accepted_constructs),
		cmocka_unit_test(sizes_are_bounded),
		cmocka_unit_test(long_texts_cost),
		cmocka_unit_test(bad_utf8_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
