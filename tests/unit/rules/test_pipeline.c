/* Pipelines: restoring from text, order of steps, parameters, templates, references. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/arena.h"
#include "rules_fixture.h"
#include "rules/pipeline_read.h"

static const char text[] = "defaults: {step: {timeout: 5m}, pipeline: {env: {MODE: "
			   "batch}}}\n"
			   "pipelines:\n"
			   "  - name: spindle\n"
			   "    model: \"m-${params.name}\"\n"
			   "    dir: work/../models\n"
			   "    params:\n"
			   "      name: {type: string, max: 5, pattern: \"^[a-z]+$\"}\n"
			   "      epochs: {type: int, default: 5, min: 1, max: 10}\n"
			   "      rate: {type: double, default: 0.5}\n"
			   "      colour: {default: red, words: [red, green]}\n"
			   "      since: {default: null}\n"
			   "    env: {RUN: \"${run.id}\"}\n"
			   "    concurrency: {limit: 3, per_key: 1, on_limit: replace, "
			   "queue: 7}\n"
			   "    steps:\n"
			   "      - {name: last, needs: [gate, prepare], command: "
			   "[done]}\n"
			   "      - {name: gate, needs: train, gate: "
			   "steps.train.metrics.auc > 0.5}\n"
			   "      - {name: train, needs: prepare, command: [python3, "
			   "\"${params.name}\", \"$${x}\", 5,\n"
			   "          \"e=${params.epochs}\"], retry: {attempts: 3, "
			   "backoff: 1s, max: 4s}}\n"
			   "      - {name: prepare, command: [p], timeout: 1m}\n"
			   "    on_success: {promote: {metrics: "
			   "\"${steps.train.metrics}\"}}\n";

static struct arena *arena;

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

static struct pipeline *load(void)
{
	GString *msg = g_string_new(NULL);
	struct ruleset *rs = fixture_build(text, msg);
	struct pipeline *p;

	if (!rs)
		fail_msg("%s", msg->str);
	p = pipeline_ref(ruleset_pipeline(rs, STR("spindle")));
	ruleset_unref(rs);		/* a pipeline outlives its rule set */
	g_string_free(msg, true);
	return p;
}

static void assert_str(struct str s, const char *expect)
{
	char *z = g_strndup(s.p, s.len);

	assert_string_equal(z, expect);
	g_free(z);
}

static void steps_are_in_order_with_their_defaults(void **state)
{
	struct pipeline *p = load();

	(void)state;
	assert_int_equal(p->steps_n, 4);
	assert_str(p->steps[0].name, "prepare");
	assert_str(p->steps[1].name, "train");
	assert_str(p->steps[2].name, "gate");
	assert_str(p->steps[3].name, "last");
	assert_int_equal(p->steps[3].needs_n, 2);
	assert_int_equal(p->steps[3].needs[0], 2);
	assert_int_equal(p->steps[3].needs[1], 0);
	assert_int_equal(p->steps[0].timeout_ms, 60000);
	assert_int_equal(p->steps[1].timeout_ms, 300000);
	assert_int_equal(p->steps[2].kind, STEP_GATE);
	assert_int_equal(p->steps[2].timeout_ms, 0);	/* a gate has none */
	assert_int_equal(p->steps[1].attempts, 3);
	assert_int_equal(p->steps[1].backoff_max_ms, 4000);
	assert_str(p->steps[1].executor, "local");
	assert_str(p->dir, "/srv/rules/models");
	assert_int_equal(p->on_limit, LIMIT_REPLACE);
	assert_int_equal(p->queue, 7);
	assert_int_equal(p->env.n, 2);
	assert_true(p->promotes);
	assert_int_equal(p->promote.n, 2);	/* version is ${run.id} by default */
	assert_true(p->params[0].in_model);
	assert_false(p->params[1].in_model);
	pipeline_unref(p);
}

static void restoring_gives_the_same_pipeline(void **state)
{
	struct pipeline *p = load(), *q;
	struct err err = {0};

	(void)state;
	q = pipeline_restore(p->text, fixture_catalog(), &err);
	assert_non_null(q);
	assert_memory_equal(p->hash, q->hash, 32);
	assert_true(str_is(p->text, q->text));
	assert_int_equal(q->steps_n, p->steps_n);
	assert_str(q->dir, "/srv/rules/models");
	assert_str(expr_text(q->model), "m-${params.name}");
	pipeline_unref(p);
	pipeline_unref(q);
}

static void spelling_survives_the_canonical_text(void **state)
{
	struct ruleset *rs = fixture_build("pipelines:\n"
					   "  - name: 007\n"
					   "    params: {a: 0x10, b: 1.50, c: \"1.50\", "
					   "d: ~, e: True, f: 1e3}\n"
					   "    steps: [{name: 1.10, command: [run, "
					   "1.10, 007, 0x1F, True, 1e3, \"~\"]}]\n",
	    NULL);
	static const char *const argv[] = {
	    "run", "1.10", "007", "0x1F", "True", "1e3", "~"};
	const struct pipeline *p;

	(void)state;
	assert_non_null(rs);
	p = ruleset_pipeline(rs, STR("007"));
	assert_non_null(p);
	assert_str(p->steps[0].name, "1.10");
	for (uint32_t i = 0; i < 7; i++)
		assert_str(value_as_str(p->steps[0].argv.items[i].value), argv[i]);
	assert_int_equal(p->params[0].fallback.tag, VALUE_INT);
	assert_int_equal(p->params[0].fallback.i, 16);
	assert_int_equal(p->params[1].fallback.tag, VALUE_DOUBLE);
	assert_int_equal(p->params[2].fallback.tag, VALUE_STRING);
	assert_int_equal(p->params[3].fallback.tag, VALUE_NULL);
	assert_int_equal(p->params[4].fallback.tag, VALUE_BOOL);
	assert_true(p->params[5].fallback.d == 1000);
	ruleset_unref(rs);
}

static void what_no_longer_compiles_says_why(void **state)
{
	struct catalog none = {.configured = true};
	struct pipeline *p = load();
	struct err err = {0};

	(void)state;
	assert_null(pipeline_restore(p->text, &none, &err));
	assert_string_equal(err.msg, "no executor 'local' in the configuration");
	assert_null(pipeline_restore(STR("{\"name\":\"x\""), &none, &err));
	assert_null(pipeline_restore(STR("[]"), &none, &err));
	pipeline_unref(p);
}

static struct value map1(const char *key, struct value v)
{
	struct value *k = ARENA_NEW(arena, struct value),
		     *w = ARENA_NEW(arena, struct value);

	*k = value_str(str_of(key));
	*w = v;
	return value_map_of(k, w, 1, arena);
}

static void params_are_filled_in_and_checked(void **state)
{
	struct pipeline *p = load();
	struct value v, none = {0};
	struct err err = {0};

	(void)state;
	assert_true(pipeline_params(p, map1("name", value_str(STR("abc"))), &v, arena,
	    &err));
	assert_int_equal(v.map->n, 5);
	assert_int_equal(value_member(v, STR("epochs"), arena).i, 5);
	assert_int_equal(value_member(v, STR("since"), arena).tag, VALUE_NULL);
	assert_int_equal(value_member(v, STR("rate"), arena).tag, VALUE_DOUBLE);
	assert_false(pipeline_params(p, none, &v, arena, &err));
	assert_string_equal(err.msg, "pipeline 'spindle' needs parameter 'name'");
	assert_false(pipeline_params(p, map1("epoch", value_int(1)), &v, arena, &err));
	assert_string_equal(err.msg,
	    "pipeline 'spindle' has no parameter 'epoch', did you mean 'epochs'");
	assert_false(pipeline_params(p, map1("name", value_int(1)), &v, arena, &err));
	assert_string_equal(err.msg, "parameter 'name': expected string, found int");
	assert_false(pipeline_params(p, map1("name", value_str(STR("abcdef"))), &v, arena,
	    &err));
	assert_string_equal(err.msg,
	    "parameter 'name': length 6 is above the greatest, 5");
	assert_false(pipeline_params(p, map1("name", value_str(STR("A"))), &v, arena,
	    &err));
	assert_string_equal(err.msg, "parameter 'name': 'A' does not match '^[a-z]+$'");
	/* a length is in code points */
	assert_false(pipeline_params(p, map1("name", value_str(STR("äöüäö"))), &v, arena,
	    &err));
	assert_string_equal(err.msg,
	    "parameter 'name': 'äöüäö' does not match '^[a-z]+$'");
	assert_false(pipeline_params(p, value_int(3), &v, arena, &err));
	assert_string_equal(err.msg, "parameters must be a map, found int");
	pipeline_unref(p);
}

static bool fits(const struct pipeline *p, uint32_t i, struct value *v)
{
	struct err err = {0};

	return param_check(&p->params[i], p->zones, v, arena, &err);
}

static void numbers_convert_where_nothing_is_lost(void **state)
{
	struct pipeline *p = load();
	struct value v = value_double(3.0);

	(void)state;
	assert_true(fits(p, 1, &v));		/* epochs: int */
	assert_int_equal(v.tag, VALUE_INT);
	v = value_double(3.5);
	assert_false(fits(p, 1, &v));
	v = value_int(11);
	assert_false(fits(p, 1, &v));
	v = value_int(2);
	assert_true(fits(p, 2, &v));		/* rate: double */
	assert_int_equal(v.tag, VALUE_DOUBLE);
	v = value_str(STR("blue"));
	assert_false(fits(p, 3, &v));
	v = value_null();
	assert_true(fits(p, 4, &v));
	assert_false(fits(p, 1, &v));
	pipeline_unref(p);
}

static void templates_evaluate(void **state)
{
	struct pipeline *p = load();
	struct value vars[PVAR_MAX] = {0}, v;
	struct eval ev = {.vars = vars, .arena = arena, .zones = p->zones};
	struct err err = {0};

	(void)state;
	assert_true(pipeline_params(p, map1("name", value_str(STR("abc"))),
	    &vars[PVAR_PARAMS], arena, &err));
	v = tmpl_eval(&p->steps[1].argv, &ev);
	assert_int_equal(v.tag, VALUE_LIST);
	assert_int_equal(v.list->n, 5);
	assert_str(value_as_str(v.list->v[1]), "abc");
	assert_str(value_as_str(v.list->v[2]), "${x}");
	assert_str(value_as_str(v.list->v[3]), "5");	/* arguments are texts */
	assert_str(value_as_str(v.list->v[4]), "e=5");
	assert_str(value_as_str(expr_eval(p->model, &ev)), "m-abc");
	vars[PVAR_RUN] = map1("id", value_str(STR("spindle-1")));
	v = tmpl_eval(&p->env, &ev);
	assert_str(value_as_str(value_member(v, STR("RUN"), arena)), "spindle-1");
	vars[PVAR_RUN] = map1("x", value_int(1));
	assert_int_equal(tmpl_eval(&p->env, &ev).tag, VALUE_ERROR);
	pipeline_unref(p);
}

static void params_as_json(void **state)
{
	struct pipeline *p = load();
	GString *s = g_string_new(NULL);

	(void)state;
	pipeline_params_json(p, s);
	assert_string_equal(s->str,
	    "[{\"name\":\"name\",\"type\":\"string\",\"required\":true,\"max\":5.0,"
	    "\"pattern\":\"^[a-z]+$\",\"description\":\"\"},"
	    "{\"name\":\"epochs\",\"type\":\"int\",\"required\":false,\"default\":5,"
	    "\"min\":1.0,"
	    "\"max\":10.0,\"description\":\"\"},"
	    "{\"name\":\"rate\",\"type\":\"double\",\"required\":false,\"default\":0.5,"
	    "\"description\":\"\"},"
	    "{\"name\":\"colour\",\"type\":\"any\",\"required\":false,\"default\":"
	    "\"red\","
	    "\"words\":[\"red\",\"green\"],\"description\":\"\"},"
	    "{\"name\":\"since\",\"type\":\"any\",\"required\":false,\"default\":null,"
	    "\"description\":\"\"}]");
	g_string_free(s, true);
	pipeline_unref(p);
}

static void dag_order_and_cycles(void **state)
{
	uint32_t n0[] = {2}, n1[] = {0, 3}, n3[] = {2};
	struct dag_node v[4] = {{n0, 1}, {n1, 2}, {NULL, 0}, {n3, 1}};
	uint32_t order[4], cycle[4], n;
	uint32_t back[] = {1};

	(void)state;
	assert_true(dag_sort(v, 4, order, cycle, &n));
	assert_memory_equal(order, ((uint32_t[]){2, 0, 3, 1}), sizeof order);
	v[2] = (struct dag_node){back, 1};
	assert_false(dag_sort(v, 4, order, cycle, &n));
	assert_int_equal(n, 3);
	assert_memory_equal(cycle, ((uint32_t[]){0, 2, 1}), 3 * sizeof *cycle);
}

#define WITH_ARENA(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ARENA(steps_are_in_order_with_their_defaults),
		WITH_ARENA(restoring_gives_the_same_pipeline),
		cmocka_unit_test(spelling_survives_the_canonical_text),
		WITH_ARENA(what_no_longer_compiles_says_why),
		WITH_ARENA(params_are_filled_in_and_checked),
		WITH_ARENA(numbers_convert_where_nothing_is_lost),
		WITH_ARENA(templates_evaluate),
		WITH_ARENA(params_as_json),
		cmocka_unit_test(dag_order_and_cycles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
