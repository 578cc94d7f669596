/* Compiling expressions and templates at one place of a file. */
#include "rules/names_check.h"
#include "rules/tmpl_build.h"

struct known {			/* a program that other rules may use as well */
	struct str	 id;		/* its text, and what type was asked for */
	const struct prog *prog;
};

/* Rules repeat each other: `data.model` is compiled once, and in the cache once. */
static const struct prog *compile(struct names *nm, const struct expr_source *src,
    enum expr_type want)
{
	struct load *ld = nm->ld;
	struct str id = arena_printf(ld->tree, "%d %.*s", (int)want, STR_ARG(src->text));
	bool sharing = nm->plan && nm->allowed & NAME_EVENT;
	struct known *k = sharing ? g_hash_table_lookup(ld->progs, &id) : NULL;
	uint32_t told = diags_errors(ld->diags) + diags_warnings(ld->diags);
	const struct expr_ref *inputs;
	const struct prog *p;

	if (k) {
		nm->seen |= expr_inputs(k->prog, &inputs) ? NAME_EVENT : 0;
		return k->prog;
	}
	p = expr_compile(&nm->env, src, want, ld->keep, ld->diags);
	if (!p || !sharing || !expr_fields_only(p) ||
	    diags_errors(ld->diags) + diags_warnings(ld->diags) != told)
		return p;
	k = ARENA_NEW(ld->tree, struct known);
	*k = (struct known){ id, p };
	g_hash_table_insert(ld->progs, &k->id, k);
	return p;
}

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
	return compile(nm, &src, want);
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
