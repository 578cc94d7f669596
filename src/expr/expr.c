/* The face of the floor: text -> program -> value.
 *
 *	parse (lex, parse, macro, template) -> check -> fold -> compile -> machine
 *
 * Each pass runs only if the one before it reported nothing. */
#include "expr/expr.h"

#include <math.h>

#include "base/arena.h"
#include "base/check.h"
#include "expr/check.h"
#include "expr/code.h"
#include "expr/machine.h"
#include "expr/parse.h"
#include "expr/utf8.h"

#define SOURCE_MAX 16384
#define COST_DEFAULT 100000
#define ITERATIONS_DEFAULT 10000

static void check_want(struct front *f, const struct node *n, enum expr_type want)
{
	/* ORDER expr_type */
	static const struct { unsigned type; const char *word; } wants[] = {
		{ TYPE_DYN, "any" }, { TYPE_BOOL, "bool" }, { TYPE_INT, "int" },
		{ TYPE_DOUBLE | TYPE_INT, "number" }, { TYPE_STRING, "string" },
		{ TYPE_TIME, "timestamp" }, { TYPE_DURATION, "duration" },
		{ TYPE_LIST, "list" }, { TYPE_MAP | TYPE_HOST, "map" },
	};

	if (!(n->type & wants[want].type))
		front_error(f, n->off, n->len, NULL, "expected a %s, but this is a '%s'",
		    wants[want].word, type_text(f, n->type));
}

static bool input_less(struct expr_ref a, struct expr_ref b)
{
	return a.space != b.space ? a.space < b.space : a.input < b.input;
}

struct inputs {
	struct expr_ref	*v;
	uint32_t	 n, cap;
};

/* Sorted insertion: a program has few inputs. */
static void add_input(struct front *f, struct inputs *in, struct expr_ref ref)
{
	uint32_t at = in->n;

	for (uint32_t i = 0; i < in->n; i++)
		if (in->v[i].space == ref.space && in->v[i].input == ref.input)
			return;
	in->v = arena_grow(f->arena, in->v, in->n, &in->cap, sizeof(*in->v));
	CHECK(in->v);
	for (; at > 0 && input_less(ref, in->v[at - 1]); at--)
		in->v[at] = in->v[at - 1];
	in->v[at] = ref;
	in->n++;
}

static void collect_inputs(struct front *f, const struct node *n, struct inputs *in)
{
	if (n->kind == NODE_INPUT || n->kind == NODE_HAS_INPUT)
		add_input(f, in, n->ref);
	for (uint32_t i = 0; i < n->n; i++)
		if (n->arg[i])
			collect_inputs(f, n->arg[i], in);
}

struct equals {
	struct expr_equal *v;
	uint32_t	 n, cap;
};

static void collect_equals(struct front *f, const struct node *n, struct equals *e)
{
	const struct node *field, *text;

	if (n->kind == NODE_AND) {
		collect_equals(f, n->arg[0], e);
		collect_equals(f, n->arg[1], e);
		return;
	}
	if (n->kind != NODE_BINARY || n->op != OPR_EQ)
		return;
	field = n->arg[n->arg[0]->kind == NODE_CONST];
	text = n->arg[n->arg[0]->kind != NODE_CONST];
	if (field->kind != NODE_INPUT || field->ref.space != EXPR_FIELD ||
	    !node_is_const(text, VALUE_STRING))
		return;
	e->v = arena_grow(f->arena, e->v, e->n, &e->cap, sizeof(*e->v));
	CHECK(e->v);
	e->v[e->n++] = (struct expr_equal){ field->ref.input, value_as_str(text->value) };
}

static struct prog *finish(struct front *f, struct node *n, enum expr_type want)
{
	struct prog *p = ARENA_NEW(f->arena, struct prog);
	struct inputs inputs = { 0 };
	struct equals equals = { 0 };

	CHECK(p);
	if (!n || !check_tree(f, n) || !fold_tree(f, &n))
		return NULL;
	check_want(f, n, want);
	p->text = arena_str(f->arena, f->src->text);
	p->tree = n;
	p->is_const = n->kind == NODE_CONST;
	p->constant = n->value;
	collect_inputs(f, n, &inputs);
	collect_equals(f, n, &equals);
	p->inputs = inputs.v;
	p->inputs_n = inputs.n;
	p->equals = equals.v;
	p->equals_n = equals.n;
	return !compile_tree(f, n, p) || f->errors ? NULL : p;
}

static bool acceptable(struct front *f)
{
	struct str s = f->src->text;

	if (s.len > SOURCE_MAX)
		front_error(f, 0, 1, NULL, "expression too long: %u bytes (limit %d)",
		    s.len, SOURCE_MAX);
	else if (!utf8_valid(s))
		front_error(f, 0, s.len, NULL, "expression is not UTF-8");
	return f->errors == 0;
}

static struct front front_of(const struct expr_env *env, const struct expr_source *src,
    struct arena *arena, struct diags *diags)
{
	return (struct front){ .env = env, .src = src, .arena = arena, .diags = diags };
}

struct prog *expr_compile(const struct expr_env *env, const struct expr_source *src,
    enum expr_type want, struct arena *arena, struct diags *diags)
{
	struct front f = front_of(env, src, arena, diags);

	if (!acceptable(&f))
		return NULL;
	return finish(&f, parse_expr(&f, 0, src->text.len), want);
}

struct prog *expr_compile_template(const struct expr_env *env,
    const struct expr_source *src, struct arena *arena, struct diags *diags)
{
	struct front f = front_of(env, src, arena, diags);

	if (!acceptable(&f))
		return NULL;
	return finish(&f, parse_template(&f), EXPR_DYN);
}

/* One row per mark, all skipped until the machine says otherwise. */
static bool start_trace(const struct prog *p, struct eval *e)
{
	struct trace_row *v = ARENA_ARRAY(e->arena, struct trace_row, p->marks_n);

	e->trace->n = e->trace->cap = 0;
	if (!v)
		return false;
	for (uint32_t i = 0; i < p->marks_n; i++)
		v[i] = (struct trace_row){ .off = p->marks[i].off, .len = p->marks[i].len,
			.depth = p->marks[i].depth, .skipped = true };
	e->trace->v = v;
	e->trace->n = e->trace->cap = p->marks_n;
	return true;
}

struct value expr_eval(const struct prog *p, struct eval *e)
{
	struct machine m = { .eval = e, .zones = e->zones, .arena = e->arena,
		.cost_max = e->limits.cost ? e->limits.cost : COST_DEFAULT,
		.iterations = e->limits.iterations ? e->limits.iterations :
		    ITERATIONS_DEFAULT };
	struct value v;

	if (p->is_const && !e->trace)
		return p->constant;
	if (e->trace && start_trace(p, e))
		v = machine_run(p, &p->traced, &m, e->trace->v);
	else
		v = machine_run(p, &p->plain, &m, NULL);
	e->cost += m.cost;
	return v;
}

struct str expr_text(const struct prog *p)
{
	return p->text;
}

bool expr_constant(const struct prog *p, struct value *ret)
{
	if (p->is_const)
		*ret = p->constant;
	return p->is_const;
}

uint32_t expr_inputs(const struct prog *p, const struct expr_ref **ret)
{
	*ret = p->inputs;
	return p->inputs_n;
}

uint32_t expr_conjuncts(const struct prog *p, struct expr_equal *ret, uint32_t cap)
{
	uint32_t n = MIN(p->equals_n, cap);

	for (uint32_t i = 0; i < n; i++)
		ret[i] = p->equals[i];
	return n;
}

/* ORDER operator: LT LE GT GE, and each seen from its other side. */
static const enum expr_relation relations[] = { EXPR_BELOW, EXPR_AT_MOST, EXPR_ABOVE,
	EXPR_AT_LEAST };
static const enum expr_relation mirrored[] = { EXPR_ABOVE, EXPR_AT_LEAST, EXPR_BELOW,
	EXPR_AT_MOST };

static bool exact_double(struct value v, double *ret)
{
	const int64_t exact = INT64_C(1) << 53;

	if (v.tag == VALUE_INT && v.i >= -exact && v.i <= exact)
		*ret = (double)v.i;
	else if (v.tag == VALUE_DOUBLE && isfinite(v.d))
		*ret = v.d;
	else
		return false;
	return true;
}

bool expr_limit(const struct prog *p, struct expr_limit *ret)
{
	const struct node *n = p->tree, *member;
	bool left;

	if (n->kind != NODE_BINARY || n->op < OPR_LT || n->op > OPR_GE)
		return false;
	left = n->arg[0]->kind != NODE_CONST;
	member = n->arg[!left];
	if (n->arg[left]->kind != NODE_CONST || member->kind != NODE_SELECT ||
	    member->arg[0]->kind != NODE_INPUT ||
	    member->arg[0]->ref.space != EXPR_VAR ||
	    !exact_double(n->arg[left]->value, &ret->limit))
		return false;
	ret->var = member->arg[0]->ref.input;
	ret->member = member->name;
	ret->relation = (left ? relations : mirrored)[n->op - OPR_LT];
	return true;
}

void expr_error_print(const struct prog *p, struct value error, GString *out)
{
	struct text text = { .bytes = p->text };
	unsigned line, col;

	g_string_append(out, error.s ? error.s : "error");
	if (error.len == 0)
		return;
	text_locate(&text, error.len - 1, &line, &col);
	g_string_append_printf(out, " at %u:%u", line, col);
}

static void dump_code(const char *title, const struct code *code, GString *out)
{
	g_string_append_printf(out, "%s:\n", title);
	for (uint32_t i = 0; i < code->n; i++)
		g_string_append_printf(out, "%4u  %-9s r%u  %u  %u\n", i,
		    opcode_names[code->v[i].op], code->v[i].dst, code->v[i].a,
		    code->v[i].b);
}

void expr_dump(const struct prog *p, GString *out)
{
	node_dump(p->tree, 0, out);
	dump_code("plain", &p->plain, out);
	dump_code("traced", &p->traced, out);
	g_string_append(out, "constants:\n");
	for (uint32_t i = 0; i < p->k_n; i++) {
		g_string_append_printf(out, "%4u  ", i);
		value_print(p->k[i], out);
		g_string_append_c(out, '\n');
	}
}
