/* YAML: the tree as JSON, spans on every node, what is refused and where, the
 * typing of YAML 1.2 core, and the way back from a scalar to its source. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <math.h>

#include "base/arena.h"
#include "base/yaml.h"

/* One parsed file. */
struct file {
	struct text	 text;
	struct arena	*arena;
	struct diags	*diags;
	struct yaml	*root;
};

static void open_bytes(struct file *f, const char *p, size_t n)
{
	f->text = (struct text){ STR("f.yaml"), { p, (uint32_t)n } };
	f->arena = arena_new(0);
	f->diags = diags_new(&f->text, 1);
	f->root = yaml_parse(0, f->arena, f->diags);
}

static void open_text(struct file *f, const char *z)
{
	open_bytes(f, z, strlen(z));
}

static void close_file(struct file *f)
{
	diags_free(f->diags);
	arena_free(f->arena);
}

static void check_json(const char *yaml, const char *json)
{
	GString *s = g_string_new(NULL);
	struct file f;

	open_text(&f, yaml);
	diags_render(f.diags, s);
	assert_string_equal(s->str, "");
	assert_non_null(f.root);
	yaml_to_json(f.root, s);
	assert_string_equal(s->str, json);
	g_string_free(s, TRUE);
	close_file(&f);
}

/* The first diagnostic of `yaml` is at line:col and says `msg` (and `hint`). */
static void check_error(const char *yaml, unsigned line, unsigned col, const char *msg,
    const char *hint)
{
	const struct diag *d;
	unsigned got_line, got_col;
	struct file f;

	open_text(&f, yaml);
	assert_true(diags_errors(f.diags) > 0);
	d = diags_at(f.diags, 0);
	text_locate(&f.text, d->at.off, &got_line, &got_col);
	assert_string_equal(d->msg.p, msg);
	assert_string_equal(d->hint.len ? d->hint.p : "", hint ? hint : "");
	assert_int_equal(got_line, line);
	assert_int_equal(got_col, col);
	close_file(&f);
}

static void a_tree_reads_as_the_same_json(void **state)
{
	(void)state;
	check_json("", "{}");
	check_json("# only a comment\n", "{}");
	check_json("---\n...\n", "{}");
	check_json("\xef\xbb\xbf" "a: 1\n", "{\"a\":1}");
	check_json("a: {b: [1, x, null, ~, true, 1.5], c: }\nd:\n- e\n- f: g\n",
		   "{\"a\":{\"b\":[1,\"x\",null,null,true,1.5],\"c\":null},\"d\":[\"e\",{"
		   "\"f\":\"g\"}]}");
	check_json("{\"a\":[1,2.0,\"x\\u00e4\\n\"],\"true\":false}",
	    "{\"a\":[1,2.0,\"x\xc3\xa4\\n\"],\"true\":false}");
	check_json("a: |\n  x\n  y\nb: >-\n  x\n  y\nc: 'it''s'\n",
	    "{\"a\":\"x\\ny\\n\",\"b\":\"x y\",\"c\":\"it's\"}");
	check_json("on: x\n'true': y\nno: yes\n",
		   "{\"on\":\"x\",\"true\":\"y\",\"no\":\"yes\"}");
}

static void plain_scalars_are_typed_as_yaml_1_2_core(void **state)
{
	(void)state;
	check_json("[0x1F, 0o17, 0b1, +7, -7, 007, '7', 1_000]",
	    "[31,15,\"0b1\",7,-7,7,\"7\",\"1_000\"]");
	check_json("[1., .5, 1e3, -1.5E-3, +1.0, e3, ., 1e, '1.5']",
	    "[1.0,0.5,1000.0,-0.0015,1.0,\"e3\",\".\",\"1e\",\"1.5\"]");
	check_json("[9223372036854775807, -9223372036854775808, 9223372036854775808]",
	    "[9223372036854775807,-9223372036854775808,9.223372036854776e+18]");
	check_json("[True, FALSE, tRue, Null, NULL, nUll, 0x, 0xg, '-0x1', 1 2]",
	    "[true,false,\"tRue\",null,null,\"nUll\",\"0x\",\"0xg\",\"-0x1\",\"1 2\"]");
	check_json("[.inf, -.INF, .nan, inf, nan, 0x1p3]",
	    "[\".inf\",\"-.INF\",\".nan\",\"inf\",\"nan\",\"0x1p3\"]");
}

static void numbers_are_read_by_type(void **state)
{
	struct file f;
	int64_t i = 0;
	double d = 0;
	bool b;

	(void)state;
	open_text(&f, "[3, 3.5, .inf, 0x10, '3', {}, true]");
	assert_true(yaml_int(f.root->items[0], &i) && i == 3);
	assert_true(yaml_double(f.root->items[0], &d) && d == 3);
	assert_false(yaml_int(f.root->items[1], &i));
	assert_true(yaml_double(f.root->items[1], &d) && d == 3.5);
	assert_true(yaml_double(f.root->items[2], &d) && isinf(d));
	assert_true(yaml_double(f.root->items[3], &d) && d == 16);
	assert_false(yaml_double(f.root->items[4], &d));
	assert_false(yaml_int(f.root->items[5], &i));
	assert_false(yaml_bool(f.root->items[0], &b));
	assert_true(yaml_bool(f.root->items[6], &b) && b);
	assert_null(yaml_get(f.root, STR("x")));
	assert_null(yaml_get(NULL, STR("x")));
	close_file(&f);
}

static void check_span(const struct file *f, const struct yaml *y, const char *source)
{
	assert_int_equal(y->at.len, strlen(source));
	assert_memory_equal(f->text.bytes.p + y->at.off, source, strlen(source));
}

static void spans_are_bytes_of_the_source(void **state)
{
	const struct yaml *m;
	struct file f;

	(void)state;
	/* Two-, three- and four-byte characters before what is looked at. */
	open_text(&f, "# \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\n"
	    "\xc3\xa4: \"\xe2\x82\xac\"\r\nlist: [x, {y: 'z'}]\nblock:\n  a: b\n  c: dd\n"
	    "text: |\n  one\n  two\n\nlast: x\n");
	m = f.root;
	assert_int_equal(m->n, 5);
	check_span(&f, m->pairs[0].key, "\xc3\xa4");
	check_span(&f, m->pairs[0].value, "\"\xe2\x82\xac\"");
	check_span(&f, m->pairs[1].value, "[x, {y: 'z'}]");
	check_span(&f, m->pairs[1].value->items[1], "{y: 'z'}");
	check_span(&f, m->pairs[1].value->items[1]->pairs[0].value, "'z'");
	check_span(&f, m->pairs[2].value, "a: b\n  c: dd");
	check_span(&f, m->pairs[3].value, "|\n  one\n  two");
	check_span(&f, m->pairs[4].value, "x");
	assert_true(m->pairs[3].value->block && m->pairs[3].value->quoted);
	close_file(&f);
	open_text(&f, "\xef\xbb\xbfname: v\n");
	check_span(&f, f.root->pairs[0].key, "name");
	check_span(&f, f.root->pairs[0].value, "v");
	close_file(&f);
}

static void what_is_refused_goes_on_to_the_next(void **state)
{
	struct file f;

	(void)state;
	check_error("a: 1\nb: 2\n\"a\": 3\n", 3, 1, "duplicate key 'a', first on line 1",
		    NULL);
	check_error("x: &n 1\n", 1, 4, "anchors are not supported",
		    "quote this expression");
	check_error("x: &n {a: 1}\n", 1, 4, "anchors are not supported",
		    "quote this expression");
	check_error("x: *n\n", 1, 4, "aliases are not supported",
		    "quote this expression");
	check_error("x: !!int 3\n", 1, 4, "tags are not supported",
		    "quote this expression");
	check_error("when: !has(x.y)\n", 1, 7, "tags are not supported",
	    "quote this expression");
	check_error("? [a]\n: b\n", 1, 3, "a key must be text", "quote this expression");
	check_error("rules:\n- true: {type: x}\n", 2, 3,
		    "this key is true: a YAML 1.1 tool "
		    "rewrote \"on:\"; write on: (or \"on\":)",
		    NULL);
	open_text(&f, "a: *x\na: &y 1\nb: !t 2\ntrue: 3\nc: 4\n");
	assert_int_equal(diags_errors(f.diags), 5);
	assert_non_null(yaml_get(f.root, STR("c")));
	assert_non_null(yaml_get(f.root, STR("on")));
	close_file(&f);
}

static void duplicates_are_found_in_large_maps(void **state)
{
	GString *s = g_string_new(NULL);
	struct file f;

	(void)state;
	for (int i = 0; i < 3000; i++)
		g_string_append_printf(s, "k%d: %d\n", i, i);
	g_string_append(s, "k0: x\nk2999: y\n");
	open_bytes(&f, s->str, s->len);
	assert_int_equal(diags_errors(f.diags), 2);
	assert_string_equal(diags_at(f.diags, 0)->msg.p,
			    "duplicate key 'k0', first on line 1");
	assert_string_equal(diags_at(f.diags, 1)->msg.p,
	    "duplicate key 'k2999', first on line 3000");
	assert_int_equal(f.root->n, 3000);
	close_file(&f);
	g_string_free(s, TRUE);
}

static void a_syntax_error_ends_the_file(void **state)
{
	static const struct { const char *yaml; unsigned line; bool hint; } rows[] = {
		{ "a: [1\nb: 2\n", 2, true },
		{ "a: \"x\" == y\n", 1, true },
		{ "a: [x].exists(y, z)\n", 1, true },
		{ "when: data.x == 'a: b': c\n", 1, true },
		{ "a: 'x\n", 2, true },
		{ "a:\n  b: 1\n c: 2\n", 3, false },
		{ "a: b\n\tc: d\n", 2, false },
		{ "a: !x && y\n", 1, true },
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		const struct diag *d;
		unsigned line, col;
		struct file f;

		open_text(&f, rows[i].yaml);
		assert_null(f.root);
		assert_int_equal(diags_errors(f.diags), 1);
		d = diags_at(f.diags, 0);
		assert_true(str_starts(d->msg, STR("invalid YAML: ")));
		text_locate(&f.text, d->at.off, &line, &col);
		assert_int_equal(line, rows[i].line);
		if (rows[i].hint)
			assert_string_equal(d->hint.p, "quote this expression");
		else
			assert_int_equal(d->hint.len, 0);
		close_file(&f);
	}
}

static void bytes_that_are_no_text_are_refused(void **state)
{
	static char big[(4u << 20) + 1];
	struct file f;

	(void)state;
	check_error("a: b\nc: \xff\n", 2, 4, "the file is not valid UTF-8", NULL);
	check_error("a: b\n--- \nc: d\n", 2, 1,
	    "a second document begins here, only one is read from a file", NULL);
	open_bytes(&f, NULL, 0);
	assert_true(f.root && f.root->kind == YAML_MAP && f.root->n == 0);
	close_file(&f);
	open_bytes(&f, "a: b\0c", 6);
	assert_null(f.root);
	assert_string_equal(diags_at(f.diags, 0)->msg.p, "the file holds a NUL byte");
	assert_int_equal(diags_at(f.diags, 0)->at.off, 4);
	close_file(&f);
	open_bytes(&f, "\xef\xbb\xbf" "a: \xc3\xa4\x01", 9);
	assert_null(f.root);
	assert_int_equal(diags_at(f.diags, 0)->at.off, 8);
	close_file(&f);
	memset(big, ' ', sizeof(big));
	open_bytes(&f, big, sizeof(big));
	assert_null(f.root);
	assert_string_equal(diags_at(f.diags, 0)->msg.p, "the file is larger than 4 MiB");
	close_file(&f);
}

static void nesting_is_bounded(void **state)
{
	for (unsigned depth = 63; depth <= 66; depth++) {
		g_autofree char *open = g_strnfill(depth, '['),
				*end = g_strnfill(depth, ']');
		g_autofree char *yaml = g_strconcat(open, end, NULL);
		struct file f;

		(void)state;
		open_text(&f, yaml);
		if (depth <= 64)
			assert_non_null(f.root);
		else
			assert_string_equal(diags_at(f.diags, 0)->msg.p,
			    "nested too deeply, at most 64 levels are accepted");
		close_file(&f);
	}
}

/* Every occurrence of `part` in the value must lead to `source` in the file. */
static void check_sub(const char *yaml, const char *part, const char *source)
{
	const struct yaml *y;
	const char *p;
	struct span s;
	struct file f;

	open_text(&f, yaml);
	assert_non_null(f.root);
	y = f.root->pairs[0].value;
	p = g_strstr_len(y->scalar.p, y->scalar.len, part);
	assert_non_null(p);
	s = yaml_sub(y, f.diags, (uint32_t)(p - y->scalar.p), (uint32_t)strlen(part));
	assert_int_equal(s.len, strlen(source));
	assert_memory_equal(yaml + s.off, source, s.len);
	close_file(&f);
}

static void a_part_of_a_scalar_leads_back_to_its_source(void **state)
{
	(void)state;
	check_sub("k: data.psii > 0.2\n", "psii", "psii");
	check_sub("k: 'a == ''x'' && psii'\n", "psii", "psii");
	check_sub("k: 'a == ''x'' && psii'\n", "'x'", "''x''");
	check_sub("k: \"a == \\\"\\u00e4\\x41\\U0001F600\\\" && psii\"\n", "psii",
		  "psii");
	check_sub("k: \"a == \\\"x\\\" && psii\"\n", "\"x\"", "\\\"x\\\"");
	check_sub("k: \"\xc3\xa4 psii\"\n", "psii", "psii");
	check_sub("k: |\n  a &&\n    b &&\n\n  psii\n", "psii", "psii");
	check_sub("k: |\n  a &&\n    b &&\n\n  psii\n", "b &&", "b &&");
	check_sub("k: >-\n  a &&\n  psii > 1\n", "psii", "psii");
	check_sub("k: a &&\n   psii > 1\n", "psii", "psii");
	check_sub("k: |2\n   a\n  psii\n", "psii", "psii");
	/* An empty line in a folded text is more than we follow: the whole scalar. */
	check_sub("k: >-\n  a\n\n  psii\n", "psii", ">-\n  a\n\n  psii");
}

static void a_part_outside_of_a_scalar_is_the_whole(void **state)
{
	struct file f;
	struct span s;

	(void)state;
	open_text(&f, "k: 'abc'\n");
	s = yaml_sub(f.root->pairs[0].value, f.diags, 2, 2);
	assert_true(s.off == 3 && s.len == 5);
	s = yaml_sub(f.root->pairs[0].value, f.diags, UINT32_MAX, 1);
	assert_true(s.off == 3 && s.len == 5);
	s = yaml_sub(f.root->pairs[0].value, f.diags, 3, 0);
	assert_true(s.off == 7 && s.len == 0);
	s = yaml_sub(f.root, f.diags, 0, 0);
	assert_true(s.off == 0 && s.len == 8);
	close_file(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tree_reads_as_the_same_json),
		cmocka_unit_test(plain_scalars_are_typed_as_yaml_1_2_core),
		cmocka_unit_test(numbers_are_read_by_type),
		cmocka_unit_test(spans_are_bytes_of_the_source),
		cmocka_unit_test(what_is_refused_goes_on_to_the_next),
		cmocka_unit_test(duplicates_are_found_in_large_maps),
		cmocka_unit_test(a_syntax_error_ends_the_file),
		cmocka_unit_test(bytes_that_are_no_text_are_refused),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(a_part_of_a_scalar_leads_back_to_its_source),
		cmocka_unit_test(a_part_outside_of_a_scalar_is_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
