/* eval: an expression on an event, without a daemon. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/zone.h"
#include "cmd/retrainctl/ctl.h"
#include "expr/expr.h"

static char *data_text, *event_text, *vars_text;
static gboolean trace, dump;

static const GOptionEntry rows[] = {
	{ "data", 0, 0, G_OPTION_ARG_STRING, &data_text, "value of data", "JSON" },
	{ "event", 0, 0, G_OPTION_ARG_STRING, &event_text, "value of event", "JSON" },
	{ "vars", 0, 0, G_OPTION_ARG_STRING, &vars_text, "further names", "JSON" },
	{ "trace", 0, 0, G_OPTION_ARG_NONE, &trace, "print every sub-expression", NULL },
	{ "dump", 0, 0, G_OPTION_ARG_NONE, &dump, "print the instructions", NULL },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};

struct names {
	struct str	 name[64];
	struct value	 value[64];
	uint32_t	 n;
};

static bool resolve(void *arg, const struct str *path, uint32_t n, struct expr_ref *ret)
{
	struct names *v = arg;

	(void)n;
	for (uint32_t i = 0; i < v->n; i++)
		if (str_is(v->name[i], path[0])) {
			*ret = (struct expr_ref){ EXPR_VAR, i, 1 };
			return true;
		}
	return false;
}

static bool add(struct names *v, const char *name, const char *json, struct arena *a)
{
	struct value x = value_from_json(str_of(json), a);

	if (x.tag == VALUE_ERROR || v->n == 64)
		return false;
	v->name[v->n] = str_of(name);
	v->value[v->n++] = x;
	return true;
}

/* Members of --vars are names of their own. */
static bool add_vars(struct names *v, struct arena *a)
{
	struct value m = value_from_json(str_of(vars_text), a);

	if (m.tag != VALUE_MAP)
		return false;
	for (uint32_t i = 0; i < m.map->n && v->n < 64; i++) {
		v->name[v->n] = value_as_str(m.map->keys[i]);
		v->value[v->n++] = m.map->values[i];
	}
	return true;
}

static void print_trace(const struct prog *p, const struct trace *t)
{
	GString *s = g_string_new(NULL);
	struct str text = expr_text(p);

	for (uint32_t i = 0; i < t->n; i++) {
		g_string_append_printf(s, "%*s%.*s  ", 2 * (t->v[i].depth + 1), "",
		    (int)t->v[i].len, text.p + t->v[i].off);
		if (t->v[i].skipped)
			g_string_append(s, "(not evaluated)");
		else
			value_print(t->v[i].value, s);
		g_string_append_c(s, '\n');
	}
	fputs(s->str, stdout);
	g_string_free(s, TRUE);
}

static int evaluate(struct ctl *c, const struct prog *p, struct names *v,
		    struct zones *zs, struct arena *a)
{
	struct trace t = { 0 };
	struct eval e = { .vars = v->value, .arena = a, .zones = zs,
		.trace = trace ? &t : NULL };
	struct value r = expr_eval(p, &e);
	GString *s = g_string_new(NULL);

	if (r.tag == VALUE_ERROR) {
		g_string_append(s, value_is_no_data(r) ? "unknown: " : "error: ");
		expr_error_print(p, r, s);
	} else if (c->format == FORMAT_JSON)
		value_to_json(r, a, s);
	else
		value_print(r, s);
	puts(s->str);
	if (trace)
		print_trace(p, &t);
	if (dump) {
		g_string_truncate(s, 0);
		expr_dump(p, s);
		fputs(s->str, stdout);
	}
	g_string_free(s, TRUE);
	return r.tag == VALUE_ERROR ? CTL_NO : CTL_OK;
}

static int run(struct ctl *c, int argc, char **argv)
{
	struct arena *a = arena_new(0);
	struct zones *zs = zones_new();
	struct names v = { .n = 0 };
	struct text text = { STR("expression"), { 0 } };
	struct expr_env env = { .resolve = resolve, .ctx = &v, .names = v.name,
		.zones = zs };
	struct expr_source src = { 0 };
	int status = CTL_USAGE;

	if (argc != 1)
		status = usage_error("eval", "expected one expression, quoted");
	else if ((data_text && !add(&v, "data", data_text, a)) ||
		 (event_text && !add(&v, "event", event_text, a)) ||
		 (vars_text && !add_vars(&v, a)))
		status =
		    usage_error("eval", "--data, --event and --vars take JSON, --vars an"
					" object");
	else {
		text.bytes = src.text = str_of(argv[0]);
		src.at.len = src.text.len;
		env.names_n = v.n;
		struct diags *d = diags_new(&text, 1);
		struct prog *p = strstr(argv[0], "${") ?
		    expr_compile_template(&env, &src, a, d) :
		    expr_compile(&env, &src, EXPR_DYN, a, d);
		GString *s = g_string_new(NULL);
		diags_render(d, s);
		fputs(s->str, stderr);
		g_string_free(s, TRUE);
		if (p)
			status = evaluate(c, p, &v, zs, a);
		diags_free(d);
	}
	zones_free(zs);
	arena_free(a);
	return status;
}

const struct verb verb_eval = {
	.name = "eval",
	.args = "'EXPR' [--data JSON] [--event JSON]",
	.summary = "evaluate an expression on given values",
	.help = "Exits 1 where the value is an error or unknown.",
	.rows = rows,
	.offline = true,
	.run = run,
};
