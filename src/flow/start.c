/* What START carries: argv, with:, env and input.json, evaluated once.
 *
 * Argument rules (operations: what a step gets): no string holds NUL or more than
 * ARG_MAX_BYTES; a whole argument out of an expression may not begin with '-' unless it
 * follows "--" or is a parameter with a pattern.  A text that breaks them fails the
 * step before anything is started.
 */
#include "base/codec.h"
#include "base/json.h"
#include "flow/engine.h"

#define ARG_MAX_BYTES (64 * 1024)

/* Text of a scalar as it stands in an argument or a variable. */
static bool arg_text(struct world *w, struct value v, struct str *ret, struct str *why)
{
	GString *s;

	if (v.tag == VALUE_STRING) {
		*ret = value_as_str(v);
	} else if (v.tag == VALUE_LIST || v.tag == VALUE_MAP || v.tag == VALUE_NULL) {
		*why = arena_printf(w->arena, "expected text or a number, got %s",
		    value_type_name(v));
		return false;
	} else {
		s = g_string_new(NULL);
		value_to_json(v, w->arena, s);
		*ret = text_take(w, s);
		if (ret->len > 1 && ret->p[0] == '"')	/* a time or a duration */
			*ret = (struct str){ ret->p + 1, ret->len - 2 };
	}
	if (ret->len > ARG_MAX_BYTES)
		*why = STR("longer than 64 KiB");
	else if (memchr(ret->p ? ret->p : "", 0, ret->len))
		*why = STR("holds a NUL byte");
	else
		return true;
	return false;
}

/* `${params.NAME}` alone, where NAME has a pattern: its author has thought of it. */
static bool is_checked_param(const struct pipeline *p, struct str text)
{
	if (str_starts(text, STR("${")) && text.len > 3)
		text = (struct str){ text.p + 2, text.len - 3 };
	for (; text.len && text.p[0] == ' '; text.len--)
		text.p++;
	while (text.len && text.p[text.len - 1] == ' ')
		text.len--;
	for (uint32_t i = 0; i < p->params_n; i++) {
		struct str name = p->params[i].name;

		if (p->params[i].pattern && text.len == name.len + 7 &&
		    str_starts(text, STR("params.")) &&
		    memcmp(text.p + 7, name.p, name.len) == 0)
			return true;
	}
	return false;
}

static bool is_hidden_option(const struct pipeline *p, const struct tmpl *item,
    struct str arg)
{
	struct str text;

	if (item->kind != TMPL_PROG || arg.len == 0 || arg.p[0] != '-')
		return false;
	text = expr_text(item->prog);
	return !(text.len && text.p[0] == '-') && !is_checked_param(p, text);
}

static bool argv_json(struct world *w, const struct run *r, uint32_t step,
    struct eval *ev, struct str *ret, struct str *why)
{
	const struct tmpl *argv = &r->pipeline->steps[step].argv;
	struct value v = tmpl_eval(argv, ev);
	GString *s = g_string_new(NULL);
	bool free_text = false;		/* after "--" */

	if (v.tag != VALUE_LIST)
		*why = v.tag == VALUE_ERROR ? vars_error(w, NULL, v) :
					      STR("expected a list");
	json_open(s, '[');
	for (uint32_t i = 0; !why->len && i < v.list->n; i++) {
		struct str arg;

		if (!arg_text(w, v.list->v[i], &arg, why))
			continue;
		if (!free_text && argv->kind == TMPL_LIST && i < argv->n &&
		    is_hidden_option(r->pipeline, &argv->items[i], arg))
			*why = arena_printf(w->arena, "argument %u begins with '-': "
			    "put \"--\" before it or give the parameter a pattern", i);
		free_text |= str_is(arg, STR("--"));
		json_str(s, arg);
	}
	json_close(s, ']');
	*ret = text_take(w, s);
	if (why->len)
		*why = arena_printf(w->arena, "command: %.*s", STR_ARG(*why));
	return why->len == 0;
}

static bool env_add(struct world *w, const struct tmpl *t, struct eval *ev,
    GString *s, struct value over, struct str *why)
{
	struct value v;

	if (t->kind == 0)
		return true;
	v = tmpl_eval(t, ev);
	if (v.tag != VALUE_MAP) {
		*why =
		    v.tag == VALUE_ERROR ? vars_error(w, NULL, v) : STR("expected a map");
	}
	for (uint32_t i = 0; !why->len && i < v.map->n; i++) {
		struct str name = value_as_str(v.map->keys[i]), text;

		if (over.tag == VALUE_MAP &&
		    value_member(over, name, w->arena).tag != VALUE_ABSENT)
			continue;
		if (!arg_text(w, v.map->values[i], &text, why))
			break;
		json_key_str(s, name);
		json_str(s, text);
	}
	if (why->len)
		*why = arena_printf(w->arena, "env: %.*s", STR_ARG(*why));
	return why->len == 0;
}

/* The pipeline's variables, then the step's, which win. */
static bool env_json(struct world *w, const struct run *r, uint32_t step, struct eval *ev,
    struct str *ret, struct str *why)
{
	const struct tmpl *own = &r->pipeline->steps[step].env;
	struct value over = { 0 }, none = { 0 };
	GString *s = g_string_new(NULL);
	bool ok;

	if (own->kind)
		over = tmpl_eval(own, ev);
	json_open(s, '{');
	ok = env_add(w, &r->pipeline->env, ev, s, over, why) &&
	    env_add(w, own, ev, s, none, why);
	json_close(s, '}');
	*ret = text_take(w, s);
	return ok;
}

static bool with_json(struct world *w, const struct step_spec *spec, struct eval *ev,
    struct str *ret, struct str *why)
{
	struct value v;
	GString *s;

	if (spec->with.kind == 0)
		return true;
	v = tmpl_eval(&spec->with, ev);
	if (v.tag == VALUE_ERROR) {
		struct str text = vars_error(w, NULL, v);

		*why = arena_printf(w->arena, "with: %.*s", STR_ARG(text));
		return false;
	}
	s = g_string_new(NULL);
	value_to_json(v, w->arena, s);
	*ret = text_take(w, s);
	return true;
}

/* False: why it cannot be started. */
bool start_put(struct world *w, struct run *r, uint32_t i, struct str *why)
{
	const struct step_spec *spec = &r->pipeline->steps[i];
	struct str argv = STR(""), with = STR(""), env = STR(""), input;
	struct value vars[PVAR_MAX];
	GByteArray *out;
	struct eval ev;

	*why = STR("");
	vars_run(w, r, vars);
	vars_eval(w, vars, &ev);
	if (spec->kind == STEP_COMMAND && !argv_json(w, r, i, &ev, &argv, why))
		return false;
	if (!with_json(w, spec, &ev, &with, why) || !env_json(w, r, i, &ev, &env, why))
		return false;
	input = vars_input_json(w, r, i);
	out = g_byte_array_new();
	put_str(out, argv);
	put_str(out, with);
	put_str(out, env);
	put_str(out, input);
	put_str(out, r->pipeline->dir);
	put_i64(out, spec->timeout_ms);
	blob_set(w->cells, &step_touch(w, r, i)->start,
	    (struct str){ (const char *)out->data, out->len });
	g_byte_array_free(out, TRUE);
	return true;
}
