/* Templates: YAML trees whose strings may hold ${expressions}.
 *
 * A scalar without "${" is a constant, typed as YAML types it; a template that the
 * compiler folds ("$${" and the like) is a constant too. */
#include "rules/tmpl.h"

#include "rules/tmpl_build.h"

static bool build_scalar(const struct tmpl_build *b, const struct yaml *y,
    struct tmpl *ret)
{
	struct str s = arena_str(b->arena, y->scalar);
	struct expr_source src = {.text = s, .node = y, .at = y->at};

	ret->kind = TMPL_CONST;
	if (!memmem(s.p, s.len, "${", 2)) {
		ret->value = b->text || y->quoted ? value_str(s)
						  : load_value(y, b->arena);
		return true;
	}
	if (b->on_scalar)
		b->on_scalar(b->ctx, y);
	ret->prog = expr_compile_template(b->env, &src, b->arena, b->diags);
	if (!ret->prog)
		return false;
	if (!expr_constant(ret->prog, &ret->value))
		ret->kind = TMPL_PROG;
	return true;
}

bool tmpl_build(const struct tmpl_build *b, const struct yaml *y, struct tmpl *ret)
{
	bool ok = true;

	*ret = (struct tmpl){.at = y->at};
	if (y->kind == YAML_SCALAR)
		return build_scalar(b, y, ret);
	ret->kind = y->kind == YAML_MAP ? TMPL_MAP : TMPL_LIST;
	ret->n = y->n;
	ret->items = ARENA_ARRAY(b->arena, struct tmpl, y->n);
	if (y->kind == YAML_MAP)
		ret->keys = ARENA_ARRAY(b->arena, struct str, y->n);
	for (uint32_t i = 0; i < y->n; i++) {
		const struct yaml *item = y->kind == YAML_MAP ? y->pairs[i].value
							      : y->items[i];

		if (y->kind == YAML_MAP)
			ret->keys[i] = arena_str(b->arena, y->pairs[i].key->scalar);
		ok = tmpl_build(b, item, &ret->items[i]) && ok;
	}
	return ok;
}

bool tmpl_compile(const struct expr_env *env, const struct yaml *node, struct tmpl *ret,
    struct arena *arena, struct diags *diags)
{
	struct tmpl_build b = {.env = env, .arena = arena, .diags = diags};

	return tmpl_build(&b, node, ret);
}

struct value tmpl_eval(const struct tmpl *t, struct eval *ev)
{
	struct value *v, *keys = NULL;

	if (t->kind == TMPL_CONST)
		return t->value;
	if (t->kind == TMPL_PROG)
		return expr_eval(t->prog, ev);
	v = ARENA_ARRAY(ev->arena, struct value, t->n);
	if (t->kind == TMPL_MAP)
		keys = ARENA_ARRAY(ev->arena, struct value, t->n);
	if (!v || (t->kind == TMPL_MAP && !keys))
		return value_error(VALUE_COST, "out of memory for this turn");
	for (uint32_t i = 0; i < t->n; i++) {
		v[i] = tmpl_eval(&t->items[i], ev);
		if (v[i].tag == VALUE_ERROR)
			return v[i];
		if (keys)
			keys[i] = value_str(t->keys[i]);
	}
	return keys ? value_map_of(keys, v, t->n, ev->arena)
	    : value_list_of(v, t->n, ev->arena);
}

void tmpl_each_prog(const struct tmpl *t, void (*f)(void *, const struct prog *),
    void *ctx)
{
	if (t->kind == TMPL_PROG)
		f(ctx, t->prog);
	for (uint32_t i = 0; i < t->n; i++)
		tmpl_each_prog(&t->items[i], f, ctx);
}
