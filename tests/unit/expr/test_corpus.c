/* Runs tests/cel: text cases, separated by blank lines.
 *
 *	program            %%TEMPLATE           %%FAIL              %%TRACE
 *	{"data": ...}      text with ${ }       program             program
 *	result             {"data": ...}        the rendered        {"data": ...}
 *	                   result               diagnostics         depth text -> value
 *
 * `data.*` and `event.*` are slots, one per path, as the event scanner fills them
 * (objects and arrays as unparsed text); other names are variables.  A variable
 * {"$time": "..."}, {"$duration": "..."} or {"$host": {...}} is a timestamp, a
 * duration, a host object.  Results are printed as explain prints them; an error
 * is "error: TEXT at LINE:COL", and "unknown: ..." where it is NO_DATA.
 *
 * Every program also runs traced, with every cost limit below its cost, and with
 * an arena that is full at once: the first must agree, the others must not crash. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/zone.h"
#include "expr/expr.h"

#define SLOTS 64

struct world {
	struct arena	*arena;
	struct zones	*zones;
	json_t		*vars;
	struct value	 fields[SLOTS], values[SLOTS];
	struct str	 field_paths[SLOTS], value_names[SLOTS];
	uint32_t	 fields_n, values_n;
};

struct map_host {
	struct host	 host;
	struct value	 map;
};

static struct value host_select(const struct host *h, struct str name, struct arena *a)
{
	return value_member(((const struct map_host *)h)->map, name, a);
}

/* twice(x) and cold(): a value, and a window that is not warm. */
static struct value host_call(const struct host *h, struct str fn,
			      const struct value *arg, unsigned n, struct arena *a)
{
	(void)h;
	(void)a;
	if (str_is(fn, STR("twice")) && n == 1 && arg[0].tag == VALUE_INT)
		return value_int(2 * arg[0].i);
	if (str_is(fn, STR("cold")) && n == 0)
		return value_error(VALUE_NO_DATA, "window not warm");
	return (struct value){ .tag = VALUE_ABSENT };
}

static bool host_next(const struct host *h, uint32_t *it, struct value *k,
		      struct value *v, struct arena *a)
{
	const struct value_map *m = ((const struct map_host *)h)->map.map;

	(void)a;
	if (*it == m->n)
		return false;
	*k = m->keys[*it];
	*v = m->values[(*it)++];
	return true;
}

static const struct host_ops host_ops = { .type_name = "signal", .select = host_select,
	.call = host_call, .next = host_next };

static struct value json_value(struct arena *a, const json_t *j, bool raw)
{
	char *text = json_dumps(j, JSON_ENCODE_ANY);
	struct str s = arena_str(a, str_of(text));
	bool nested = json_is_object(j) || json_is_array(j);

	free(text);
	return raw && nested ?
	    (struct value){ .tag = VALUE_RAW, .len = s.len, .s = s.p } :
	    value_from_json(s, a);
}

static struct value convert(struct world *w, const char *fn, const json_t *text)
{
	struct arena *a = w->arena;
	struct str s = arena_printf(a, "%s(\"%s\")", fn, json_string_value(text));
	struct expr_env env = { 0 };
	struct expr_source src = { .text = s };
	struct prog *p = expr_compile(&env, &src, EXPR_DYN, a, NULL);
	struct value v = { 0 };

	assert_true(expr_constant(p, &v));
	return v;
}

static struct value variable(struct world *, const json_t *);

/* A host's members, which may be hosts. */
static struct value members(struct world *w, json_t *j)
{
	uint32_t n = 0, all = (uint32_t)json_object_size(j);
	struct value *k = ARENA_ARRAY(w->arena, struct value, all);
	struct value *v = ARENA_ARRAY(w->arena, struct value, all);
	const char *name;
	json_t *member;

	json_object_foreach(j, name, member) {
		k[n] = value_str(arena_str(w->arena, str_of(name)));
		v[n++] = variable(w, member);
	}
	return value_map_of(k, v, n, w->arena);
}

static struct value variable(struct world *w, const json_t *j)
{
	json_t *special = json_object_get(j, "$time");
	struct map_host *h;

	if (special)
		return convert(w, "timestamp", special);
	if ((special = json_object_get(j, "$duration")))
		return convert(w, "duration", special);
	special = json_object_get(j, "$host");
	if (!special)
		return json_value(w->arena, j, false);
	h = ARENA_NEW(w->arena, struct map_host);
	*h = (struct map_host){ .host.ops = &host_ops, .map = members(w, special) };
	return value_host(&h->host);
}

static struct str joined(struct arena *a, const struct str *path, uint32_t n)
{
	GString *s = g_string_new(NULL);
	struct str r;

	for (uint32_t i = 0; i < n; i++)
		g_string_append_printf(s, "/%.*s", STR_ARG(path[i]));
	r = arena_str(a, str_of(s->str));
	g_string_free(s, TRUE);
	return r;
}

static bool resolve_field(struct world *w, const struct str *path, uint32_t n,
    struct expr_ref *ret)
{
	struct str text = joined(w->arena, path, n);
	const json_t *j = w->vars;

	*ret = (struct expr_ref){ EXPR_FIELD, 0, n };
	for (; ret->input < w->fields_n; ret->input++)
		if (str_is(w->field_paths[ret->input], text))
			return true;
	assert_true(w->fields_n < SLOTS);
	for (uint32_t i = 0; i < n; i++) {
		char *name = g_strndup(path[i].p, path[i].len);

		j = json_object_get(j, name);
		g_free(name);
	}
	w->field_paths[w->fields_n] = text;
	if (j)
		w->fields[w->fields_n] = json_value(w->arena, j, true);
	w->fields_n++;
	return true;
}

static bool resolve(void *ctx, const struct str *path, uint32_t n, struct expr_ref *ret)
{
	struct world *w = ctx;
	char *name;
	json_t *j;

	if (str_is(path[0], STR("data")) || str_is(path[0], STR("event")))
		return resolve_field(w, path, n, ret);
	*ret = (struct expr_ref){ EXPR_VAR, 0, 1 };
	for (; ret->input < w->values_n; ret->input++)
		if (str_is(w->value_names[ret->input], path[0]))
			return true;
	name = g_strndup(path[0].p, path[0].len);
	j = json_object_get(w->vars, name);
	g_free(name);
	if (!j)
		return false;
	assert_true(w->values_n < SLOTS);
	w->value_names[w->values_n] = path[0];
	w->values[w->values_n++] = variable(w, j);
	return true;
}

static const struct str names[] = { { "data", 4 }, { "event", 5 }, { "params", 6 },
	{ "state", 5 }, { "now", 3 }, { "psi", 3 } };
static const struct str methods[] = { { "twice", 5 }, { "cold", 4 }, { "hot", 3 } };

struct scene {			/* one case, as lines */
	const char	*kind;		/* "", "%%FAIL", ... */
	char		**lines;
	unsigned	 n;
};

static struct prog *compile(struct world *w, const struct scene *s, GString *errors)
{
	struct expr_env env = { .resolve = resolve, .ctx = w, .names = names,
		.names_n = G_N_ELEMENTS(names), .methods = methods,
		.methods_n = G_N_ELEMENTS(methods), .zones = w->zones };
	struct expr_source src = { .text = str_of(s->lines[0]) };
	struct text text = { STR("t"), src.text };
	struct diags *diags = diags_new(&text, 1);
	struct prog *p = strcmp(s->kind, "%%TEMPLATE") == 0 ?
	    expr_compile_template(&env, &src, w->arena, diags) :
	    expr_compile(&env, &src, EXPR_DYN, w->arena, diags);

	diags_sort(diags);
	diags_render(diags, errors);
	assert_int_equal(p == NULL, diags_errors(diags) > 0);
	diags_free(diags);
	return p;
}

static void print_result(const struct prog *p, struct value v, GString *out)
{
	if (v.tag != VALUE_ERROR) {
		value_print(v, out);
		return;
	}
	g_string_append(out, value_is_no_data(v) ? "unknown: " : "error: ");
	expr_error_print(p, v, out);
}

static struct value evaluate(struct world *w, const struct prog *p, struct trace *trace,
    int64_t cost, struct arena *arena, int64_t *ret_cost)
{
	struct value fields[SLOTS];
	struct eval e = { .fields = fields, .vars = w->values, .arena = arena,
		.zones = w->zones, .limits.cost = cost, .trace = trace };
	struct value v;

	memcpy(fields, w->fields, sizeof(fields));
	v = expr_eval(p, &e);
	*ret_cost = e.cost;
	return v;
}

static void check_limits(struct world *w, const struct prog *p, int64_t cost)
{
	struct arena *full = arena_new(1);
	struct trace trace = { 0 };
	int64_t spent;
	struct value v;

	for (int64_t limit = 1; limit < cost && limit < 100; limit++) {
		v = evaluate(w, p, NULL, limit, w->arena, &spent);
		assert_int_equal(v.tag, VALUE_ERROR);
		assert_int_equal(v.aux, VALUE_COST);
		v = evaluate(w, p, &trace, limit, w->arena, &spent);
		assert_int_equal(v.aux, VALUE_COST);
	}
	evaluate(w, p, NULL, 0, full, &spent);
	evaluate(w, p, &trace, 0, full, &spent);
	arena_free(full);
}

static void check_value(struct world *w, const struct scene *s, GString *out)
{
	struct prog *p = compile(w, s, out);
	struct trace trace = { 0 };
	int64_t cost, traced_cost;
	GString *traced;

	if (!p)
		return;
	traced = g_string_new(NULL);
	print_result(p, evaluate(w, p, NULL, 0, w->arena, &cost), out);
	print_result(p, evaluate(w, p, &trace, 0, w->arena, &traced_cost), traced);
	assert_string_equal(out->str, traced->str);
	if (!expr_constant(p, &(struct value){ 0 }))
		assert_int_equal(cost, traced_cost);
	check_limits(w, p, cost);
	if (strcmp(s->kind, "%%TRACE") == 0)
		g_string_truncate(out, 0);
	for (uint32_t i = 0; out->len == 0 && i < trace.n; i++) {
		struct trace_row *r = &trace.v[i];

		g_string_append_printf(traced, "\n%u %.*s -> ", r->depth, (int)r->len,
		    s->lines[0] + r->off);
		if (r->skipped)
			g_string_append(traced, "skipped");
		else
			print_result(p, r->value, traced);
	}
	if (out->len == 0)
		g_string_assign(out, strchr(traced->str, '\n') + 1);
	g_string_free(traced, TRUE);
}

static void run_scene(const char *file, unsigned line, const struct scene *s)
{
	bool fail = strcmp(s->kind, "%%FAIL") == 0;
	struct world w = { .arena = arena_new(0), .zones = zones_new() };
	GString *got = g_string_new(NULL);
	char *wanted = g_strjoinv("\n", s->lines + (fail ? 1 : 2));

	if (!fail) {
		w.vars = json_loads(s->lines[1], 0, NULL);
		if (!w.vars)
			fail_msg("%s:%u: the second line is no JSON object", file, line);
	}
	check_value(&w, s, got);
	while (got->len && got->str[got->len - 1] == '\n')
		g_string_truncate(got, got->len - 1);
	if (strcmp(got->str, wanted) != 0)
		fail_msg("%s:%u: %s\nwanted: %s\n   got: %s", file, line, s->lines[0],
		    wanted, got->str);
	json_decref(w.vars);
	g_string_free(got, TRUE);
	g_free(wanted);
	zones_free(w.zones);
	arena_free(w.arena);
}

static void run_file(void **state)
{
	const char *path = *state;
	char *text, **lines, *line0[64];
	struct scene s = { .kind = "", .lines = line0 };
	unsigned done = 0;

	assert_true(g_file_get_contents(path, &text, NULL, NULL));
	lines = g_strsplit(text, "\n", -1);
	for (unsigned i = 0; lines[i]; i++) {
		if (s.n == 0 && lines[i][0] == '#')
			continue;
		if (s.n == 0 && g_str_has_prefix(lines[i], "%%")) {
			s.kind = lines[i];
			continue;
		}
		if (lines[i][0]) {
			assert_true(s.n < 63);
			line0[s.n++] = lines[i];
			line0[s.n] = NULL;
			continue;
		}
		if (s.n) {
			assert_true(s.n >= 2);
			run_scene(path, i - s.n + 1, &s);
			done++;
		}
		s = (struct scene){ .kind = "", .lines = line0 };
	}
	assert_int_equal(s.n, 0);		/* a file ends with a blank line */
	assert_true(done > 0);
	g_strfreev(lines);
	g_free(text);
}

static int by_name(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(void)
{
	char *here = g_path_get_dirname(__FILE__);
	char *dir = g_build_filename(here, "..", "..", "cel", NULL);
	GPtrArray *paths = g_ptr_array_new();
	GDir *d = g_dir_open(dir, 0, NULL);
	struct CMUnitTest tests[64] = { 0 };
	const char *name;
	int r;

	while (d && (name = g_dir_read_name(d)))
		if (g_str_has_suffix(name, ".test"))
			g_ptr_array_add(paths, g_build_filename(dir, name, NULL));
	g_ptr_array_sort(paths, by_name);
	for (unsigned i = 0; i < paths->len && i < G_N_ELEMENTS(tests); i++)
		tests[i] = (struct CMUnitTest){ .name = strrchr(paths->pdata[i], '/') + 1,
			.test_func = run_file, .initial_state = paths->pdata[i] };
	if (paths->len == 0)
		return 1;
	r = _cmocka_run_group_tests("corpus", tests, paths->len, NULL, NULL);
	g_dir_close(d);
	g_ptr_array_set_free_func(paths, g_free);
	g_ptr_array_free(paths, TRUE);
	g_free(dir);
	g_free(here);
	return r;
}
