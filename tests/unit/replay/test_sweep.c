/* Editing a value of a rule file in its text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "replay/sweep.h"

static struct arena *a;

static int setup(void **state)
{
	(void)state;
	a = arena_new(0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(a);
	return 0;
}

static const char *axis(const char *text)
{
	struct sweep_axis x;
	struct err err = { 0 };
	GString *s = g_string_new(NULL);
	struct str out;

	if (!sweep_parse(str_of(text), a, &x, &err))
		return arena_str(a, str_of(err.msg)).p;
	g_string_append_printf(s, "%.*s:", STR_ARG(x.path));
	for (uint32_t i = 0; i < x.n; i++)
		g_string_append_printf(s, " %.*s", STR_ARG(x.values[i]));
	out = arena_str(a, (struct str){ s->str, (uint32_t)s->len });
	g_string_free(s, TRUE);
	return out.p;
}

static void values_are_listed_or_counted(void **state)
{
	(void)state;
	assert_string_equal(axis("r.cooldown=1h,6h,0"), "r.cooldown: 1h 6h 0");
	assert_string_equal(axis("r.when#1=0.1..0.3/0.05"),
	    "r.when#1: 0.1 0.15 0.2 0.25 0.3");
	assert_string_equal(axis("r.for=10m..30m/10m"), "r.for: 10m 20m 30m");
	assert_string_equal(axis("r.x=[1,2],\"a,b\""), "r.x: [1,2] \"a,b\"");
	assert_non_null(strstr(axis("r.x"), "expected PATH=VALUES"));
	assert_non_null(strstr(axis("r.x=1..100000/1"), "too many values"));
	assert_non_null(strstr(axis("r.x=3..1/1"), "no values"));
	assert_non_null(strstr(axis("r.x=1..1h/1"), "all numbers or all durations"));
}

static const char *apply(const char *yaml, const char *path, const char *value)
{
	const struct rule_text in = { .name = STR("r.yaml"), .bytes = str_of(yaml) };
	struct rule_text *out;
	struct err err = { 0 };

	if (!sweep_apply(&in, 1, str_of(path), str_of(value), a, &out, &err))
		return arena_str(a, str_of(err.msg)).p;
	return arena_str(a, out[0].bytes).p;
}

static const char yaml[] =
    "# limits\n"
    "vars: {limit: 0.25}\n"
    "rules:\n"
    "  - name: a.b   # a dot in a name\n"
    "    when: 'x2.avg > 0.2 && x2.max < 1e3'\n"
    "    dedupe: {key: data.v, for: 1d}\n"
    "    on:\n"
    "      - {type: x}\n"
    "      - {type: y}\n";

static void only_the_bytes_of_the_value_change(void **state)
{
	(void)state;
	assert_string_equal(apply("vars: {x: 1}  # c\n", "vars.x", "2"),
	    "vars: {x: 2}  # c\n");
	assert_non_null(strstr(apply(yaml, "vars.limit", "0.5"), "{limit: 0.5}\n"));
	assert_non_null(strstr(apply(yaml, "a.b.dedupe.for", "7d"),
	    "dedupe: {key: data.v, for: 7d}\n"));
	assert_non_null(strstr(apply(yaml, "a.b.when#1", "0.3"),
	    "when: 'x2.avg > 0.3 && x2.max < 1e3'\n"));
	assert_non_null(strstr(apply(yaml, "a.b.when#2", "5"),
	    "when: 'x2.avg > 0.2 && x2.max < 5'\n"));
	assert_non_null(strstr(apply(yaml, "a.b.on[1].type", "z"),
	    "      - {type: x}\n      - {type: z}\n"));
	assert_non_null(strstr(apply(yaml, "a.b.when", "x: {y}"), "when: 'x: {y}'\n"));
}

static void a_key_that_is_not_there_is_put_first(void **state)
{
	(void)state;
	assert_non_null(strstr(apply(yaml, "a.b.cooldown", "6h"),
	    "  - cooldown: 6h\n    name: a.b   # a dot in a name\n"));
	assert_non_null(strstr(apply(yaml, "a.b.dedupe.scope", "1"),
	    "dedupe: {scope: 1, key: data.v, for: 1d}\n"));
}

static void what_is_not_there_is_said(void **state)
{
	(void)state;
	assert_non_null(strstr(apply(yaml, "c.when#1", "1"), "no rule or variable"));
	assert_non_null(strstr(apply(yaml, "vars.other", "1"), "no rule or variable"));
	assert_non_null(strstr(apply(yaml, "a.b.when#3", "1"), "has no number 3"));
	assert_non_null(strstr(apply(yaml, "a.b.none.x", "1"), "there is no 'none'"));
	assert_non_null(strstr(apply(yaml, "a.b.on", "1"), "name a value in it"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(values_are_listed_or_counted, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(only_the_bytes_of_the_value_change, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(a_key_that_is_not_there_is_put_first,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_there_is_said, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
