/* Rule files under tests/rules: every good one loads without a word, every bad one
 * says exactly what its .err file holds.  RULES_UPDATE=1 writes the .err files anew;
 * read the difference before you believe it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rules/ruleset.h"
#include "rules_fixture.h"

static void render(const char *dir, const char *name, GString *out, bool *loaded)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);
	struct rule_text text = {.name = str_of(name), .dir = STR("/etc/retraind/rules")};
	struct text one;
	struct diags *diags;
	struct ruleset *rs;
	char *bytes = NULL;
	gsize len = 0;

	if (!g_file_get_contents(path, &bytes, &len, NULL))
		fail_msg("can't read %s", path);
	text.bytes = (struct str){bytes, (uint32_t)len};
	one = (struct text){text.name, text.bytes};
	diags = diags_new(&one, 1);
	rs = ruleset_build(&text, 1, fixture_catalog(), diags);
	*loaded = rs != NULL;
	if (rs)
		ruleset_lint(rs, diags);
	diags_sort(diags);
	diags_render(diags, out);
	ruleset_unref(rs);
	diags_free(diags);
	g_free(bytes);
}

static int by_name(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static GPtrArray *yaml_files(const char *dir)
{
	GPtrArray *v = g_ptr_array_new_with_free_func(g_free);
	GDir *d = g_dir_open(dir, 0, NULL);
	const char *name;

	if (!d)
		fail_msg("can't open %s: run from the top of the tree", dir);
	while ((name = g_dir_read_name(d)))
		if (g_str_has_suffix(name, ".yaml") &&
		    !g_str_has_suffix(name, ".test.yaml"))
			g_ptr_array_add(v, g_strdup(name));
	g_dir_close(d);
	g_ptr_array_sort(v, by_name);
	return v;
}

static void good_files_load_without_a_word(void **state)
{
	GPtrArray *v = yaml_files("tests/rules/good");

	(void)state;
	assert_in_range(v->len, 12, 1000);
	for (guint i = 0; i < v->len; i++) {
		GString *out = g_string_new(NULL);
		bool loaded;

		render("tests/rules/good", v->pdata[i], out, &loaded);
		if (!loaded || out->len)
			fail_msg("%s: %s", (char *)v->pdata[i], out->str);
		g_string_free(out, true);
	}
	g_ptr_array_unref(v);
}

static void bad_files_say_what_is_wrong(void **state)
{
	GPtrArray *v = yaml_files("tests/rules/bad");
	bool update = getenv("RULES_UPDATE") != NULL, bad = false;

	(void)state;
	assert_in_range(v->len, 45, 1000);
	for (guint i = 0; i < v->len; i++) {
		g_autofree char *stem = g_strndup(v->pdata[i], strlen(v->pdata[i]) - 5);
		g_autofree char *path = g_strdup_printf("tests/rules/bad/%s.err", stem);
		g_autofree char *expect = NULL;
		GString *out = g_string_new(NULL);
		bool loaded;

		render("tests/rules/bad", v->pdata[i], out, &loaded);
		if (update)
			g_file_set_contents(path, out->str, (gssize)out->len, NULL);
		if (!g_file_get_contents(path, &expect, NULL, NULL) ||
		    strcmp(expect, out->str) != 0 || loaded) {
			fprintf(stderr, "%s: expected\n%s\ngot\n%s\n",
			    (char *)v->pdata[i], expect ? expect : "(no .err file)",
			    out->str);
			bad = true;
		}
		g_string_free(out, true);
	}
	g_ptr_array_unref(v);
	assert_false(bad);
}

/* The files of rules/ are one bundle: they share pipelines. */
static void shipped_rules_load_without_a_word(void **state)
{
	GPtrArray *v = yaml_files("rules");
	struct rule_text *texts = g_new0(struct rule_text, v->len);
	struct text *shown = g_new0(struct text, v->len);
	GString *out = g_string_new(NULL);
	struct diags *diags;
	struct ruleset *rs;

	(void)state;
	assert_in_range(v->len, 4, 1000);
	for (guint i = 0; i < v->len; i++) {
		g_autofree char *path = g_build_filename("rules", v->pdata[i], NULL);
		char *bytes;
		gsize len;

		assert_true(g_file_get_contents(path, &bytes, &len, NULL));
		texts[i] = (struct rule_text){.name = str_of(v->pdata[i]),
		    .dir = STR("/srv/rules"),
		    .bytes = {bytes, (uint32_t)len}};
		shown[i] = (struct text){texts[i].name, texts[i].bytes};
	}
	diags = diags_new(shown, v->len);
	rs = ruleset_build(texts, v->len, fixture_catalog(), diags);
	if (rs)
		ruleset_lint(rs, diags);
	diags_render(diags, out);
	assert_string_equal(out->str, "");
	assert_int_equal(rs->rules_n, 5);
	ruleset_unref(rs);
	diags_free(diags);
	for (guint i = 0; i < v->len; i++)
		g_free((char *)texts[i].bytes.p);
	g_free(texts);
	g_free(shown);
	g_string_free(out, true);
	g_ptr_array_unref(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_files_load_without_a_word),
		cmocka_unit_test(bad_files_say_what_is_wrong),
		cmocka_unit_test(shipped_rules_load_without_a_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
