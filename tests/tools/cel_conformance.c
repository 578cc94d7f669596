/* Runs the conformance cases of cel-spec, given as JSON lines (one case each:
 * file, section, name, expr, container, disable_check, bindings, value or error;
 * values are one-key objects such as {"int": "1"}).
 *
 *	build/tests/cel_conformance FILE [TEXT]
 *
 * With TEXT only cases whose file/section/name or expression holds it.  A case is
 * skipped where it needs what this version does not have (protobuf messages,
 * extension libraries), or values that only evaluate unchecked.  Each case runs
 * plain and traced; both must agree. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/zone.h"
#include "expr/expr.h"

#define BINDINGS 32

struct scene {
	struct arena	*arena;
	struct str	 container;
	struct str	 names[BINDINGS];
	struct value	 vars[BINDINGS];
	uint32_t	 n;
};
enum outcome { PASSED, FAILED, SKIPPED };

static const char *only_key(const json_t *j, json_t **ret)
{
	void *it = json_object_iter((json_t *)(uintptr_t)j);

	*ret = json_object_iter_value(it);
	return json_object_iter_key(it);
}

static struct value case_value(const json_t *, struct arena *);

static struct value case_text(const json_t *v, struct arena *a)
{
	return value_str(arena_str(a, (struct str){ json_string_value(v),
		(uint32_t)json_string_length(v) }));
}

static struct value case_list(const json_t *v, struct arena *a)
{
	uint32_t n = (uint32_t)json_array_size(v);
	struct value *items = ARENA_ARRAY(a, struct value, n);

	for (uint32_t i = 0; i < n; i++)
		items[i] = case_value(json_array_get(v, i), a);
	return value_list_of(items, n, a);
}

static struct value case_map(const json_t *v, struct arena *a)
{
	uint32_t n = (uint32_t)json_array_size(v);
	struct value *k = ARENA_ARRAY(a, struct value, n),
	    *e = ARENA_ARRAY(a, struct value, n);

	for (uint32_t i = 0; i < n; i++) {
		k[i] = case_value(json_array_get(json_array_get(v, i), 0), a);
		e[i] = case_value(json_array_get(json_array_get(v, i), 1), a);
	}
	return value_map_of(k, e, n, a);
}

static struct value case_bytes(const json_t *v, struct arena *a)
{
	const char *hex = json_string_value(v);
	uint32_t n = (uint32_t)strlen(hex) / 2;
	char *p = arena_alloc(a, n);

	for (uint32_t i = 0; i < n; i++)
		p[i] = (char)(g_ascii_xdigit_value(hex[2 * i]) * 16 +
		    g_ascii_xdigit_value(hex[2 * i + 1]));
	return (struct value){ .tag = VALUE_BYTES, .len = n, .s = p };
}

static struct value case_value(const json_t *j, struct arena *a)
{
	json_t *v;
	const char *kind = only_key(j, &v);
	struct value r = { .tag = VALUE_NULL };

	if (!strcmp(kind, "bool"))
		return value_bool(json_is_true(v));
	if (!strcmp(kind, "int"))
		return value_int(g_ascii_strtoll(json_string_value(v), NULL, 10));
	if (!strcmp(kind, "uint"))
		return (struct value){ .tag = VALUE_UINT,
			.u = g_ascii_strtoull(json_string_value(v), NULL, 10) };
	if (!strcmp(kind, "double"))
		return value_double(g_ascii_strtod(json_string_value(v), NULL));
	if (!strcmp(kind, "string"))
		return case_text(v, a);
	if (!strcmp(kind, "bytes"))
		return case_bytes(v, a);
	if (!strcmp(kind, "list"))
		return case_list(v, a);
	if (!strcmp(kind, "map"))
		return case_map(v, a);
	if (!strcmp(kind, "type")) {
		r = case_text(v, a);
		r.tag = VALUE_TYPE;
	} else if (strcmp(kind, "null") != 0) {		/* timestamp, duration */
		r.i = g_ascii_strtoll(json_string_value(json_array_get(v, 0)), NULL, 10);
		r.len = (uint32_t)json_integer_value(json_array_get(v, 1));
		r.tag = VALUE_TIMESTAMP;
		if (!strcmp(kind, "duration"))
			r = (struct value){ .tag = VALUE_DURATION, .i = r.i * 1000000000 +
				json_integer_value(json_array_get(v, 1)) };
	}
	return r;
}

/* Is `name` the first *ret_used segments of the path? */
static bool path_is(struct str name, const struct str *path, uint32_t n,
    uint32_t *ret_used)
{
	GString *s = g_string_new(NULL);
	bool found = false;

	for (uint32_t i = 0; i < n && !found; i++) {
		g_string_append_printf(s, "%s%.*s", i ? "." : "", STR_ARG(path[i]));
		found = str_is(name, (struct str){ s->str, (uint32_t)s->len });
		*ret_used = i + 1;
	}
	g_string_free(s, TRUE);
	return found;
}

/* The longest match, first within the container and its parents. */
static bool resolve(void *ctx, const struct str *path, uint32_t n, struct expr_ref *ret)
{
	struct scene *s = ctx;
	struct str prefix = s->container;
	bool found = false;

	for (;;) {
		ret->used = 0;
		for (uint32_t i = 0; i < s->n; i++) {
			struct str name = s->names[i];
			uint32_t used;

			if (prefix.len && !(str_starts(name, prefix) &&
			    name.len > prefix.len && name.p[prefix.len] == '.'))
				continue;
			if (prefix.len)
				name = (struct str){ name.p + prefix.len + 1,
					name.len - prefix.len - 1 };
			if (path_is(name, path, n, &used) && used > ret->used) {
				*ret = (struct expr_ref){ EXPR_VAR, i, used };
				found = true;
			}
		}
		if (found || prefix.len == 0)
			return found;
		while (prefix.len && prefix.p[prefix.len - 1] != '.')
			prefix.len--;
		prefix.len -= prefix.len > 0;
	}
}

static bool same(struct value a, struct value b)
{
	if (a.tag == VALUE_DOUBLE && b.tag == VALUE_DOUBLE && a.d != a.d && b.d != b.d)
		return true;
	return a.tag == b.tag && value_equal(a, b);
}

static bool missing_feature(const char *text, bool unchecked)
{
	static const char *const marks[] = { "not available in this version",
		"is not a message type", "undeclared name 'google'",
		"undeclared name 'cel'", "undeclared name 'proto'",
		"undeclared name 'TestAllTypes'", "undeclared name 'GlobalEnum'",
		"undeclared name 'NestedTestAllTypes'", "undeclared name 'msg'",
		"cel.iterVar", "undeclared function 'fn'", "undeclared function 'tuple'",
		"undeclared function 'sort'" };

	if (unchecked)
		return true;
	for (size_t i = 0; i < G_N_ELEMENTS(marks); i++)
		if (strstr(text, marks[i]))
			return true;
	return false;
}

static enum outcome judge(const json_t *c, const struct prog *p, struct scene *s,
    struct zones *zones, GString *why)
{
	struct trace trace = { 0 };
	struct eval e = { .vars = s->vars, .arena = s->arena, .zones = zones };
	struct value plain = expr_eval(p, &e), traced, wanted;

	e.trace = &trace;
	traced = expr_eval(p, &e);
	if (!same(plain, traced) && (plain.tag != VALUE_ERROR ||
	    traced.tag != VALUE_ERROR || plain.aux != traced.aux ||
	    plain.len != traced.len)) {
		g_string_append(why, "the traced run differs");
		return FAILED;
	}
	if (json_object_get(c, "error")) {
		if (plain.tag == VALUE_ERROR)
			return PASSED;
		g_string_append(why, "expected an error, got ");
		value_print(plain, why);
		return FAILED;
	}
	if (!json_object_get(c, "value"))
		return PASSED;
	wanted = case_value(json_object_get(c, "value"), s->arena);
	if (same(plain, wanted))
		return PASSED;
	g_string_append(why, "expected ");
	value_print(wanted, why);
	g_string_append(why, ", got ");
	value_print(plain, why);
	return FAILED;
}

static enum outcome run(const json_t *c, struct arena *arena, struct zones *zones,
    GString *why)
{
	struct scene s = { .arena = arena, .container =
	    str_of(json_string_value(json_object_get(c, "container"))) };
	struct value expr = case_text(json_object_get(c, "expr"), arena);
	struct text text = { STR("expr"), value_as_str(expr) };
	struct expr_env env = { .resolve = resolve, .ctx = &s, .zones = zones };
	struct expr_source src = { .text = value_as_str(expr) };
	bool unchecked = json_is_true(json_object_get(c, "disable_check"));
	struct diags *diags = diags_new(&text, 1);
	enum outcome r = PASSED;
	struct prog *p;
	const char *name;
	json_t *v;

	json_object_foreach(json_object_get(c, "bindings"), name, v) {
		s.names[s.n] = str_of(name);
		s.vars[s.n++] = case_value(v, arena);
	}
	p = expr_compile(&env, &src, EXPR_DYN, arena, diags);
	if (p) {
		r = json_is_true(json_object_get(c, "check_only")) ? PASSED :
		    judge(c, p, &s, zones, why);
	} else {
		diags_render(diags, why);
		if (missing_feature(why->str, unchecked && json_object_get(c, "value")))
			r = SKIPPED;
		else if (!json_object_get(c, "error"))
			r = FAILED;
	}
	diags_free(diags);
	return r;
}

static void report(const json_t *c, const char *verdict, const char *why)
{
	printf("%s %s/%s/%s: %s\n  %s\n", verdict,
	    json_string_value(json_object_get(c, "file")),
	    json_string_value(json_object_get(c, "section")),
	    json_string_value(json_object_get(c, "name")),
	    json_string_value(json_object_get(c, "expr")), why);
}

static bool wanted(const json_t *c, const char *text)
{
	char *path = g_strdup_printf("%s/%s/%s", json_string_value(json_object_get(c,
	    "file")), json_string_value(json_object_get(c, "section")),
	    json_string_value(json_object_get(c, "name")));
	bool r = !text || strstr(path, text) ||
	    strstr(json_string_value(json_object_get(c, "expr")), text);

	g_free(path);
	return r;
}

int main(int argc, char **argv)
{
	FILE *f = argc > 1 ? fopen(argv[1], "r") : NULL;
	struct zones *zones = zones_new();
	struct arena *arena = arena_new(0);
	unsigned count[3] = { 0 };
	char *line = NULL;
	size_t cap = 0;

	if (!f) {
		fprintf(stderr, "usage: cel_conformance FILE [TEXT]\n");
		return 2;
	}
	while (getline(&line, &cap, f) > 0) {
		json_t *c = json_loads(line, JSON_ALLOW_NUL, NULL);
		GString *why = g_string_new(NULL);
		enum outcome r;

		if (!c || !wanted(c, argv[2])) {
			json_decref(c);
			g_string_free(why, TRUE);
			continue;
		}
		r = run(c, arena, zones, why);
		count[r]++;
		if (r == FAILED || (r == SKIPPED && argc > 2))
			report(c, r == FAILED ? "FAILED" : "skipped", why->str);
		json_decref(c);
		g_string_free(why, TRUE);
		arena_reset(arena);
	}
	printf("%u passed, %u failed, %u skipped\n", count[PASSED], count[FAILED],
	    count[SKIPPED]);
	free(line);
	fclose(f);
	arena_free(arena);
	zones_free(zones);
	return count[FAILED] ? 1 : 0;
}
