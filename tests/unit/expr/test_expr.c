/* What callers rely on: inputs, conjuncts, constants, limits, RAW, positions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/yaml.h"
#include "expr/expr.h"

static struct arena *arena;
static const struct str fields[] = { { "a", 1 }, { "b", 1 }, { "c", 1 }, { "list", 4 } };

/* data.NAME is field i of fields[], x.y one variable, v another. */
static bool resolve(void *ctx, const struct str *path, uint32_t n, struct expr_ref *ret)
{
	(void)ctx;
	if (str_is(path[0], STR("v"))) {
		*ret = (struct expr_ref){ EXPR_VAR, 0, 1 };
		return true;
	}
	if (n >= 2 && str_is(path[0], STR("x")) && str_is(path[1], STR("y"))) {
		*ret = (struct expr_ref){ EXPR_VAR, 1, 2 };
		return true;
	}
	for (uint32_t i = 0; n >= 2 && i < G_N_ELEMENTS(fields); i++)
		if (str_is(path[0], STR("data")) && str_is(path[1], fields[i])) {
			*ret = (struct expr_ref){ EXPR_FIELD, i, 2 };
			return true;
		}
	return false;
}

static const struct str names[] = { { "v", 1 }, { "data.a", 6 }, { "data.b", 6 } };
static const enum expr_type types[] = { EXPR_STRING, EXPR_TIMESTAMP, EXPR_DYN };

static struct prog *compile_as(const char *text, enum expr_type want, GString *errors)
{
	struct expr_env env = { .resolve = resolve, .names = names, .types = types,
		.names_n = G_N_ELEMENTS(names) };
	struct expr_source src = { .text = str_of(text) };
	struct text t = { STR("t"), src.text };
	struct diags *diags = diags_new(&t, 1);
	struct prog *p = expr_compile(&env, &src, want, arena, diags);

	if (errors)
		diags_render(diags, errors);
	diags_free(diags);
	return p;
}

static struct prog *compile(const char *text)
{
	struct prog *p = compile_as(text, EXPR_DYN, NULL);

	assert_non_null(p);
	return p;
}

static void inputs_are_sorted_and_distinct(void **state)
{
	const struct expr_ref *in;

	(void)state;
	assert_int_equal(expr_inputs(compile(
	    "v == '' || has(data.c) || data.a == data.b || data.a == x.y.z"), &in), 5);
	assert_int_equal(in[0].input, 0);
	assert_int_equal(in[1].input, 1);
	assert_int_equal(in[2].input, 2);
	assert_int_equal(in[2].space, EXPR_FIELD);
	assert_int_equal(in[3].space, EXPR_VAR);
	assert_int_equal(in[3].input, 0);
	assert_int_equal(in[4].input, 1);
}

static void conjuncts_are_top_level_equalities(void **state)
{
	struct expr_equal e[4];
	struct prog *p = compile("data.b == 'x' && (data.c > 1 || data.b == 'no') && "
	    "'y' == data.c && v == 'z' && data.b == 3");

	(void)state;
	assert_int_equal(expr_conjuncts(p, e, 4), 2);
	assert_int_equal(e[0].field, 1);
	assert_true(str_is(e[0].text, STR("x")));
	assert_int_equal(e[1].field, 2);
	assert_true(str_is(e[1].text, STR("y")));
	assert_int_equal(expr_conjuncts(p, e, 1), 1);
	assert_int_equal(expr_conjuncts(compile("data.b == 'x' || data.c"), e, 4), 0);
}

static void constants_are_folded(void **state)
{
	struct value v;

	(void)state;
	assert_true(
	    expr_constant(compile("1 + 2 * 3 == 7 && size('abc') in [1, 3]"), &v));
	assert_int_equal(v.tag, VALUE_BOOL);
	assert_int_equal(v.i, 1);
	assert_true(expr_constant(compile("false && data.b"), &v));
	assert_false(expr_constant(compile("data.b"), &v));
}

static void wanted_types_are_checked(void **state)
{
	GString *e = g_string_new(NULL);

	(void)state;
	assert_null(compile_as("size(v)", EXPR_BOOL, e));
	assert_non_null(strstr(e->str, "expected a bool, but this is a 'int'"));
	assert_non_null(compile_as("data.b", EXPR_BOOL, e));
	assert_non_null(compile_as("data.b > 1", EXPR_BOOL, e));
	assert_null(compile_as("v", EXPR_DOUBLE, e));
	assert_non_null(compile_as("1", EXPR_DOUBLE, e));
	g_string_free(e, TRUE);
}

static void declared_types_are_checked(void **state)
{
	GString *e = g_string_new(NULL);

	(void)state;
	assert_null(compile_as("v > 1", EXPR_DYN, e));
	assert_non_null(strstr(e->str, "no such overload: string > int"));
	assert_null(compile_as("data.a + 1", EXPR_DYN, e));
	assert_non_null(strstr(e->str, "no such overload: timestamp + int"));
	assert_null(compile_as("v.field", EXPR_DYN, e));
	assert_non_null(compile_as("data.a.getHours() > 1", EXPR_DYN, e));
	g_string_free(e, TRUE);
}

static void raw_slots_are_parsed_once(void **state)
{
	struct value f[4] = { { 0 } };
	struct eval e = { .fields = f, .arena = arena };
	struct value v;

	(void)state;
	f[3] = (struct value){ .tag = VALUE_RAW, .len = 7, .s = "[1,\"2\"]" };
	v = expr_eval(compile("data.list[1] == '2' && data.list[0] == 1"), &e);
	assert_int_equal(v.i, 1);
	assert_int_equal(f[3].tag, VALUE_LIST);
	f[3] = (struct value){ .tag = VALUE_RAW, .len = 2, .s = "[1" };
	v = expr_eval(compile("data.list == 1"), &e);
	assert_int_equal(v.aux, VALUE_BAD_ARGUMENT);
	assert_int_equal(f[3].tag, VALUE_RAW);
}

static void limits_are_not_absorbed(void **state)
{
	struct value f[4] = { { 0 } };
	struct eval e = { .fields = f, .arena = arena, .limits.iterations = 5 };
	struct prog *p = compile("data.list.all(i, i > 0) || data.b");
	struct value v;

	(void)state;
	f[1] = value_bool(true);
	f[3] = value_from_json(STR("[1,2,3,4,5]"), arena);
	assert_int_equal(expr_eval(p, &e).i, 1);
	f[3] = value_from_json(STR("[1,2,3,4,5,6]"), arena);
	v = expr_eval(p, &e);
	assert_int_equal(v.tag, VALUE_ERROR);
	assert_int_equal(v.aux, VALUE_COST);
	e.limits = (struct expr_limits){ .cost = 10 };
	assert_int_equal(expr_eval(p, &e).aux, VALUE_COST);
}

static void costs_add_up(void **state)
{
	struct value f[4] = { { 0 } };
	struct eval e = { .fields = f, .arena = arena };
	struct prog *p = compile("data.b > 1");

	(void)state;
	f[1] = value_int(0);
	expr_eval(p, &e);
	assert_int_equal(e.cost, 2);		/* one field, one comparison */
	expr_eval(p, &e);
	assert_int_equal(e.cost, 4);
}

static void evaluation_of_a_plain_condition_allocates_nothing(void **state)
{
	struct value f[4] = { { 0 } };
	struct arena *own = arena_new(0);
	struct eval e = { .fields = f, .arena = own };
	size_t used = arena_used(own);

	(void)state;
	f[0] = value_double(0.5);
	f[1] = value_str(STR("prod"));
	assert_int_equal(
	    expr_eval(
		compile("data.b == 'prod' && data.b.startsWith('p') && "
			"data.b in ['dev', 'prod'] && (data.c > 3 || data.b != 'x')"),
		&e)
		.i,
	    1);
	assert_int_equal(arena_used(own), used);
	arena_free(own);
}

/* Big programs: 32 of everything, and what is too much is an error, not a crash. */
static void nesting_is_bounded(void **state)
{
	static const struct {
		const char *open, *middle, *close;
		unsigned n;
		bool ok;
	} t[] = {
		{ "(", "1", ")", 32, true },
		{ "[", "1", "]", 32, true },
		{ "!", "true", "", 32, true },
		{ "-", "1", "", 32, true },
		{ "true ? 1 : ", "2", "", 32, true },
		{ "data.b + ", "1", "", 200, true },
		{ "data.b || ", "true", "", 300, true },
		{ "data.b + ", "1", "", 1300, true }, { "", "data.b", ".b", 4000, true },
		{ "int(", "1", ")", 12, true },
		{ "(", "1", ")", 5000, false },
		{ "[", "1", "]", 5000, false },
		{ "{1:", "1", "}", 3000, false },
		{ "f(", "1", ")", 5000, false },
		{ "", "1", "", 1, true },
		{ "data.b[", "1", "]", 2000, false },
		{ "true ? 1 : ", "2", "", 1000, false },
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
		GString *s = g_string_new(NULL), *e = g_string_new(NULL);

		for (unsigned j = 0; j < t[i].n; j++)
			g_string_append(s, t[i].open);
		g_string_append(s, t[i].middle);
		for (unsigned j = 0; j < t[i].n; j++)
			g_string_append(s, t[i].close);
		if ((compile_as(s->str, EXPR_DYN, e) != NULL) != t[i].ok)
			fail_msg("case %zu (%s): %.300s", i, t[i].open, e->str);
		g_string_free(s, TRUE);
		g_string_free(e, TRUE);
	}
}

static void text_must_be_utf8_and_short(void **state)
{
	char *big = g_strnfill(20000, ' ');
	GString *e = g_string_new(NULL);

	(void)state;
	assert_null(compile_as("'\xff'", EXPR_DYN, e));
	assert_non_null(strstr(e->str, "not UTF-8"));
	assert_null(compile_as(big, EXPR_DYN, e));
	assert_non_null(strstr(e->str, "expression too long"));
	assert_null(compile_as("", EXPR_DYN, e));
	assert_non_null(strstr(e->str, "unexpected end of the expression"));
	g_string_free(e, TRUE);
	g_free(big);
}

static void nul_is_a_character(void **state)
{
	static const char text[] = "size('a\0b') == 3";
	struct expr_env env = { 0 };
	struct expr_source src = { .text = STR(text) };
	struct value v = { 0 };

	(void)state;
	src.text.len = sizeof(text) - 1;
	assert_true(expr_constant(expr_compile(&env, &src, EXPR_BOOL, arena, NULL), &v));
	assert_int_equal(v.i, 1);
}

static void positions_go_through_yaml(void **state)
{
	static const char yaml[] = "rules:\n  - when: data.b == wrong\n";
	struct text t = { STR("r.yaml"), STR(yaml) };
	struct expr_env env = { .resolve = resolve };
	struct diags *diags;
	const struct yaml *when;
	GString *s = g_string_new(NULL);

	(void)state;
	t.bytes.len = sizeof(yaml) - 1;
	diags = diags_new(&t, 1);
	when = yaml_get(yaml_get(yaml_parse(0, arena, diags), STR("rules"))->items[0],
	    STR("when"));
	assert_null(expr_compile(&env, &(struct expr_source){ .text = when->scalar,
	    .node = when }, EXPR_BOOL, arena, diags));
	diags_render(diags, s);
	assert_non_null(strstr(s->str, "r.yaml:2:21: error: undeclared name 'wrong'"));
	g_string_free(s, TRUE);
	diags_free(diags);
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
		cmocka_unit_test(inputs_are_sorted_and_distinct),
		cmocka_unit_test(conjuncts_are_top_level_equalities),
		cmocka_unit_test(constants_are_folded),
		cmocka_unit_test(wanted_types_are_checked),
		cmocka_unit_test(declared_types_are_checked),
		cmocka_unit_test(raw_slots_are_parsed_once),
		cmocka_unit_test(limits_are_not_absorbed),
		cmocka_unit_test(costs_add_up),
		cmocka_unit_test(evaluation_of_a_plain_condition_allocates_nothing),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(text_must_be_utf8_and_short),
		cmocka_unit_test(nul_is_a_character),
		cmocka_unit_test(positions_go_through_yaml),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
