/* Compiling expressions and templates at one place of a file. */
#include "rules/names_check.h"
#include "rules/tmpl_build.h"

const struct prog *names_expr(struct names *nm, const struct yaml *node,
    enum expr_type want)
{
	struct expr_source src = {0};

	if (!node || !trap_check(nm->ld, node, nm->where))
		return NULL;
	nm->node = node;
	nm->told = 0;
	if (!check_later(nm))
		return NULL;
	src = (struct expr_source){
		.text = load_keep(nm->ld, node->scalar), .node = node, .at = node->at,
	};
	return expr_compile(&nm->env, &src, want, nm->ld->keep, nm->ld->diags);
}

const struct prog *names_template(struct names *nm, const struct yaml *node)
{
	struct expr_source src;

	if (!node)
		return NULL;
	if (node->kind != YAML_SCALAR || node->scalar.len == 0) {
		BAD(nm->ld, node, "'%s' is a text that may hold ${expressions}",
		    nm->where);
		return NULL;
	}
	nm->node = node;
	nm->told = 0;
	src = (struct expr_source){
		.text = load_keep(nm->ld, node->scalar), .node = node, .at = node->at,
	};
	return expr_compile_template(&nm->env, &src, nm->ld->keep, nm->ld->diags);
}

static void on_scalar(void *ctx, const struct yaml *node)
{
	struct names *nm = ctx;

	nm->node = node;
	nm->told = 0;
}

bool names_tmpl(struct names *nm, const struct yaml *node, bool text, struct tmpl *ret)
{
	struct tmpl_build b = {
		.env = &nm->env, .text = text, .on_scalar = on_scalar, .ctx = nm,
		.arena = nm->ld->keep, .diags = nm->ld->diags,
	};

	return tmpl_build(&b, node, ret);
}
