/* Diagnostics: where they point, how they look, how many are kept.  Also the
 * error object, whose cuts must not split a character. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <jansson.h>

#include "base/diag.h"
#include "base/err.h"

static char *rendered(struct diags *d)
{
	GString *s = g_string_new(NULL);

	diags_render(d, s);
	return g_string_free(s, FALSE);
}

static void a_diagnostic_points_at_its_place(void **state)
{
	struct text t = { STR("rules/churn.yaml"), STR("rules:\n  - nam: x\n") };
	struct diags *d = diags_new(&t, 1);
	char *s;

	(void)state;
	diag_hint(
	    d, diag_add(d, SEV_ERROR, (struct span){0, 11, 3}, "unknown key '%s'", "nam"),
	    "did you mean '%s'?", "name");
	s = rendered(d);
	assert_string_equal(s,
	    "rules/churn.yaml:2:5: error: unknown key 'nam' (did you mean 'name'?)\n"
	    " |   - nam: x\n"
	    " | ....^\n");
	assert_int_equal(diags_errors(d), 1);
	assert_int_equal(diags_warnings(d), 0);
	g_free(s);
	diags_free(d);
	diags_free(NULL);
}

static void columns_count_characters_and_tabs_are_one(void **state)
{
	struct text t = { STR("f"), STR("\xc3\xa4\t\xe6\xbc\xa2x\r\n") };
	struct diags *d = diags_new(&t, 1);
	unsigned line, col;
	char *s;

	(void)state;
	diag_add(d, SEV_WARNING, (struct span){ 0, 6, 1 }, "x");
	diag_add(d, SEV_WARNING, (struct span){ 0, 3, 3 }, "wide");
	diag_add(d, SEV_WARNING, (struct span){ 0, 4, 1 }, "inside");
	s = rendered(d);
	assert_string_equal(s,
	    "f:1:4: warning: x\n | \xc3\xa4 \xe6\xbc\xa2x\n | ..\xef\xbc\x8e^\n"
	    "f:1:3: warning: wide\n | \xc3\xa4 \xe6\xbc\xa2x\n | ..\xef\xbc\xbe\n"
	    "f:1:3: warning: inside\n | \xc3\xa4 \xe6\xbc\xa2x\n | ..\xef\xbc\xbe\n");
	text_locate(&t, 9, &line, &col);
	assert_int_equal(line, 2);
	assert_int_equal(col, 1);
	text_locate(&t, 1000, &line, &col);
	assert_int_equal(line, 2);
	assert_int_equal(col, 1);
	g_free(s);
	diags_free(d);
}

static void the_end_of_a_text_without_line_end_has_a_place(void **state)
{
	struct text t[] = { { STR("f"), STR("ab") }, { STR("empty"), { NULL, 0 } } };
	struct diags *d = diags_new(t, 2);
	char *s;

	(void)state;
	diag_add(d, SEV_ERROR, (struct span){ 0, 2, 0 }, "end");
	diag_add(d, SEV_ERROR, (struct span){ 1, 77, 5 }, "nothing");
	s = rendered(d);
	assert_string_equal(s, "f:1:3: error: end\n | ab\n | ..^\n"
	    "empty:1:1: error: nothing\n | \n | ^\n");
	g_free(s);
	diags_free(d);
}

static void a_very_long_line_is_not_shown(void **state)
{
	g_autofree char *line = g_strnfill(16385, 'a');
	struct text t = { STR("f"), str_of(line) };
	struct diags *d = diags_new(&t, 1);
	char *s;

	(void)state;
	diag_add(d, SEV_ERROR, (struct span){ 0, 16000, 1 }, "here");
	s = rendered(d);
	assert_string_equal(s, "f:1:16001: error: here\n");
	g_free(s);
	diags_free(d);
}

static void sorted_by_text_and_place(void **state)
{
	struct text t[] = { { STR("a"), STR("abcdef") }, { STR("b"), STR("abcdef") } };
	struct diags *d = diags_new(t, 2);

	(void)state;
	diag_add(d, SEV_ERROR, (struct span){ 1, 0, 1 }, "4");
	diag_add(d, SEV_WARNING, (struct span){ 0, 3, 1 }, "3");
	diag_add(d, SEV_ERROR, (struct span){ 0, 3, 1 }, "2");
	diag_add(d, SEV_ERROR, (struct span){ 0, 1, 1 }, "1");
	diags_sort(d);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(diags_at(d, i)->msg.p[0], '1' + (char)i);
	diags_free(d);
}

static void more_than_the_bound_is_counted(void **state)
{
	struct text t = { STR("f"), STR("x") };
	struct diags *d = diags_new(&t, 1);
	char *s;

	(void)state;
	for (int i = 0; i < DIAGS_MAX + 7; i++)
		diag_hint(d, diag_add(d, SEV_ERROR, (struct span){0, 0, 1}, "%d", i),
			  "h");
	assert_int_equal(diags_errors(d), DIAGS_MAX + 7);
	assert_int_equal(diags_kept(d), DIAGS_MAX);
	s = rendered(d);
	assert_true(g_str_has_suffix(s, "\nand 7 more\n"));
	g_free(s);
	diags_free(d);
}

static void json_says_the_same(void **state)
{
	struct text t = { STR("f"), STR("a\n  b\"c") };
	struct diags *d = diags_new(&t, 1);
	GString *s = g_string_new(NULL);
	const char *file, *severity, *msg, *hint;
	int line, column, length;
	json_t *v;

	(void)state;
	diag_hint(d, diag_add(d, SEV_ERROR, (struct span){0, 4, 3}, "bad '%s'", "b\"c"),
		  "why");
	diags_json(d, s);
	v = json_loadb(s->str, s->len, 0, NULL);
	assert_non_null(v);
	assert_int_equal(json_unpack(v, "[{s:s,s:i,s:i,s:i,s:s,s:s,s:s}]", "file", &file,
				     "line", &line, "column", &column, "length", &length,
				     "severity", &severity, "message", &msg, "hint",
				     &hint),
			 0);
	assert_string_equal(file, "f");
	assert_int_equal(line, 2);
	assert_int_equal(column, 3);
	assert_int_equal(length, 3);
	assert_string_equal(severity, "error");
	assert_string_equal(msg, "bad 'b\"c'");
	assert_string_equal(hint, "why");
	json_decref(v);
	g_string_free(s, TRUE);
	diags_free(d);
}

static void the_nearest_word_is_near(void **state)
{
	static const struct str words[] = {
	    {"for", 3}, {"from", 4}, {"cooldown", 8}, {"on", 2}, {"pipeline", 8}};
	static const struct { const char *word, *near; } rows[] = {
	    {"foo", "for"},           /* one edit */
	    {"cooldwon", "cooldown"}, /* neighbours exchanged: one edit */
	    {"coldwn", "cooldown"},
	    {"pipelines", "pipeline"},
	    {"Pipeline", "pipeline"},
	    {"no", "on"},
	    {"xyz", NULL},
	    {"", NULL},
	    {"completely", NULL},
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct str near =
		    nearest_word(str_of(rows[i].word), words, G_N_ELEMENTS(words));

		if (!rows[i].near)
			assert_null(near.p);
		else
			assert_string_equal(near.p, rows[i].near);
	}
}

static void errors_take_context_and_are_cut_at_characters(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_false(err_set(&e, ERR_NOT_FOUND, "unknown unit '%s'", "minuts"));
	assert_false(err_in(&e, "window"));
	assert_false(err_in(&e, "rule '%s'", "nightly"));
	assert_string_equal(e.msg, "rule 'nightly': window: unknown unit 'minuts'");
	assert_int_equal(e.code, ERR_NOT_FOUND);
	for (int pad = 0; pad < 4; pad++) {
		GString *s = g_string_new(NULL);

		for (int i = 0; i < pad; i++)
			g_string_append_c(s, 'x');
		for (int i = 0; i < 300; i++)
			g_string_append(s, "\xe2\x82\xac");
		err_set(&e, ERR_IO, "%s", s->str);
		assert_true(g_utf8_validate(e.msg, -1, NULL));
		assert_true(strlen(e.msg) > sizeof(e.msg) - 4);
		err_in(&e, "ctx");
		assert_true(g_utf8_validate(e.msg, -1, NULL));
		assert_true(g_str_has_prefix(e.msg, "ctx: "));
		g_string_free(s, TRUE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_diagnostic_points_at_its_place),
		cmocka_unit_test(columns_count_characters_and_tabs_are_one),
		cmocka_unit_test(the_end_of_a_text_without_line_end_has_a_place),
		cmocka_unit_test(a_very_long_line_is_not_shown),
		cmocka_unit_test(sorted_by_text_and_place),
		cmocka_unit_test(more_than_the_bound_is_counted),
		cmocka_unit_test(json_says_the_same),
		cmocka_unit_test(the_nearest_word_is_near),
		cmocka_unit_test(errors_take_context_and_are_cut_at_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
