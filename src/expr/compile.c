/* Tree to instructions.
 *
 * Registers are a stack: emit(c, n, dst) leaves n's value in dst and may use the
 * registers from c->top upwards.  Each tree is compiled twice: `plain` with fused
 * comparisons, and `traced`, where every sub-expression of interest is followed
 * by a MARK.  Both charge the same costs and give the same value.
 *
 * To add an instruction: code.h, its label in machine.c, and here. */
#include <math.h>

#include "base/arena.h"
#include "base/check.h"
#include "expr/check.h"
#include "expr/code.h"
#include "expr/fn.h"
#include "expr/map.h"
#include "expr/regex.h"

struct compiler {
	struct front	*f;
	struct code	*code;
	uint32_t	 code_cap, pos_cap;
	struct value	*k;
	const struct fn	**fns;
	const struct regex **regexes;
	struct mark	*marks;
	uint32_t	 k_n, k_cap, fns_n, fns_cap, regexes_n, regexes_cap;
	uint32_t	 marks_n, marks_cap;
	uint32_t	 top;			/* first free register */
	uint8_t		 locals[CHECK_LOCALS + 1];	/* register of a local */
	bool		 tracing;
	unsigned	 loops, depth;		/* nesting, for traces */
};

static void emit(struct compiler *, const struct node *, uint32_t dst);

#define PUSH(c, array, item) \
	((c)->array = arena_grow((c)->f->arena, (void *)(c)->array, (c)->array##_n, \
	    &(c)->array##_cap, sizeof(*(c)->array)), CHECK((c)->array), \
	    (c)->array[(c)->array##_n] = (item), (c)->array##_n++)

static uint32_t put(struct compiler *c, enum opcode op, uint32_t dst, uint32_t a,
    uint32_t b, const struct node *n)
{
	struct code *code = c->code;

	code->v = arena_grow(c->f->arena, code->v, code->n, &c->code_cap,
	    sizeof(*code->v));
	code->pos = arena_grow(c->f->arena, code->pos, code->n, &c->pos_cap,
	    sizeof(*code->pos));
	CHECK(code->v && code->pos && dst <= UINT8_MAX && a <= UINT16_MAX);
	code->v[code->n] = (struct insn){ (uint8_t)op, (uint8_t)dst, (uint16_t)a, b };
	code->pos[code->n] = n->at;
	return code->n++;
}

static void land(struct compiler *c, uint32_t jump)
{
	c->code->v[jump].b = c->code->n;
}

/* Jumps that all go to the end of one construct. */
struct ends {
	uint32_t	*v;
	uint32_t	 n, cap;
};

static void end_later(struct compiler *c, struct ends *e, uint32_t jump)
{
	e->v = arena_grow(c->f->arena, e->v, e->n, &e->cap, sizeof(*e->v));
	CHECK(e->v);
	e->v[e->n++] = jump;
}

static void end_here(struct compiler *c, const struct ends *e)
{
	for (uint32_t i = 0; i < e->n; i++)
		land(c, e->v[i]);
}

static uint32_t reg(struct compiler *c, const struct node *n)
{
	if (c->top + 3 < CODE_REGISTERS)
		return c->top++;
	front_error(c->f, n->off, n->len, NULL, "expression too complex");
	return c->top;
}

static uint32_t constant(struct compiler *c, struct value v)
{
	return PUSH(c, k, v);
}

/* The value of an input that is absent, at the place where it is read. */
static struct value absent(struct compiler *c, const struct node *n)
{
	struct str text = arena_printf(c->f->arena, "no such key: '%.*s'",
	    STR_ARG(n->name));
	struct value v = value_error(VALUE_NO_DATA, text.p);

	v.len = n->at + 1;
	return v;
}

static void emit_input(struct compiler *c, const struct node *n, uint32_t dst)
{
	put(c, n->ref.space == EXPR_FIELD ? OP_FIELD : OP_VAR, dst, n->ref.input,
	    constant(c, absent(c, n)), n);
}

static bool fusible(const struct node *input, const struct node *k)
{
	if (input->kind != NODE_INPUT || input->ref.space != EXPR_FIELD ||
	    k->kind != NODE_CONST)
		return false;
	return k->value.tag == VALUE_STRING || k->value.tag == VALUE_INT ||
	       (k->value.tag == VALUE_DOUBLE && !isnan(k->value.d));
}

static bool emit_fused(struct compiler *c, const struct node *n, uint32_t dst)
{
	static const enum operator mirror[] = { [OPR_EQ] = OPR_EQ, [OPR_NE] = OPR_NE,
		[OPR_LT] = OPR_GT, [OPR_LE] = OPR_GE, [OPR_GT] = OPR_LT,
		[OPR_GE] = OPR_LE };
	const struct node *input = n->arg[0], *k = n->arg[1];
	enum operator op = n->op;
	uint32_t base, at;

	if (c->tracing || op < OPR_EQ || op > OPR_GE)
		return false;
	if (!fusible(input, k)) {
		if (!fusible(k, input))
			return false;
		input = n->arg[1];
		k = n->arg[0];
		op = mirror[op];
	}
	if (k->value.tag == VALUE_STRING && op > OPR_NE)
		return false;
	base = k->value.tag == VALUE_DOUBLE ? OP_F_EQ_D : k->value.tag == VALUE_INT ?
	    OP_F_EQ_I : OP_F_EQ_S;
	at = constant(c, k->value);
	constant(c, absent(c, input));
	put(c, base + (op - OPR_EQ), dst, input->ref.input, at, n);
	return true;
}

/* x in [constants]: as keys, where key equality is the same as equality. */
static bool emit_in_set(struct compiler *c, const struct node *n, uint32_t dst)
{
	const struct value_list *list;
	struct value set;

	if (n->op != OPR_IN || !node_is_const(n->arg[1], VALUE_LIST))
		return false;
	list = n->arg[1]->value.list;
	for (uint32_t i = 0; i < list->n; i++)
		if (list->v[i].tag != VALUE_STRING && (list->v[i].tag != VALUE_INT ||
		    llabs(list->v[i].i) > INT64_C(1) << 52))
			return false;
	set = value_map_of(list->v, list->v, list->n, c->f->arena);
	if (set.tag != VALUE_MAP)
		return false;
	emit(c, n->arg[0], dst);
	put(c, OP_IN_SET, dst, dst, constant(c, set), n);
	return true;
}

static void emit_binary(struct compiler *c, const struct node *n, uint32_t dst)
{
	uint32_t top = c->top, right;

	if (emit_fused(c, n, dst) || emit_in_set(c, n, dst))
		return;
	emit(c, n->arg[0], dst);
	right = reg(c, n);
	emit(c, n->arg[1], right);
	put(c, OP_ADD + (n->op - OPR_ADD), dst, dst, right, n);
	c->top = top;
}

/* `a && b && c` as one chain with one end.  A fused comparison directly before an
 * ANDJ or ORJ skips it where it changes nothing.  Traced, every && has a row of
 * its own, so each is a chain of two. */
static void emit_chain(struct compiler *c, const struct node *n, uint32_t dst,
    struct ends *ends)
{
	bool and = n->kind == NODE_AND;
	uint32_t top = c->top, right;

	if (n->arg[0]->kind == n->kind && !c->tracing) {
		emit_chain(c, n->arg[0], dst, ends);
	} else {
		emit(c, n->arg[0], dst);
		end_later(c, ends, put(c, and ? OP_JF : OP_JT, 0, dst, 0, n));
	}
	right = reg(c, n);
	emit(c, n->arg[1], right);
	end_later(c, ends, put(c, and ? OP_ANDJ : OP_ORJ, dst, right, 0, n));
	c->top = top;
}

static void emit_logic(struct compiler *c, const struct node *n, uint32_t dst)
{
	struct ends ends = { 0 };

	emit_chain(c, n, dst, &ends);
	end_here(c, &ends);
}

static void emit_cond(struct compiler *c, const struct node *n, uint32_t dst)
{
	uint32_t bad, no, end;

	emit(c, n->arg[0], dst);
	bad = put(c, OP_BOOL, dst, dst, 0, n->arg[0]);
	no = put(c, OP_JF, 0, dst, 0, n);
	emit(c, n->arg[1], dst);
	end = put(c, OP_JUMP, 0, 0, 0, n);
	land(c, no);
	emit(c, n->arg[2], dst);
	land(c, end);
	land(c, bad);
}

static uint32_t add_fn(struct compiler *c, const struct fn *fn)
{
	for (uint32_t i = 0; i < c->fns_n; i++)
		if (c->fns[i] == fn)
			return i;
	return PUSH(c, fns, fn);
}

static bool emit_match(struct compiler *c, const struct node *n, uint32_t dst)
{
	char msg[200];
	uint32_t off;
	const struct regex *re;

	if (!str_is(n->name, STR("matches")) || n->n != 2 ||
	    !node_is_const(n->arg[1], VALUE_STRING))
		return false;
	re = regex_compile(value_as_str(n->arg[1]->value), c->f->arena, msg, sizeof(msg),
	    &off);
	if (!re)
		return false;
	emit(c, n->arg[0], dst);
	put(c, OP_MATCH, dst, dst, PUSH(c, regexes, re), n);
	return true;
}

static void emit_call(struct compiler *c, const struct node *n, uint32_t dst)
{
	uint32_t top = c->top, first = c->top;

	if (emit_match(c, n, dst))
		return;
	for (uint32_t i = 0; i < n->n; i++)
		emit(c, n->arg[i], reg(c, n));
	if (n->fn)
		put(c, OP_CALL, dst, first, add_fn(c, n->fn) << 8 | n->n, n);
	else
		put(c, OP_METHOD, dst, first, constant(c, value_str(n->name)) << 8 | n->n,
		    n);
	c->top = top;
}

/* CONCAT is a list handed to the function that joins a template's parts. */
static void emit_list(struct compiler *c, const struct node *n, uint32_t dst)
{
	uint32_t top = c->top, item = reg(c, n);
	struct ends ends = { 0 };

	put(c, OP_LIST, dst, 0, 0, n);
	for (uint32_t i = 0; i < n->n; i++) {
		emit(c, n->arg[i], item);
		end_later(c, &ends, put(c, OP_APPEND, dst, item, 0, n));
	}
	if (n->kind == NODE_CONCAT)
		put(c, OP_CALL, dst, dst, add_fn(c, fn_internal("template")) << 8 | 1, n);
	end_here(c, &ends);
	c->top = top;
}

static void emit_map(struct compiler *c, const struct node *n, uint32_t dst)
{
	uint32_t top = c->top, key = reg(c, n), value = reg(c, n);
	struct ends ends = { 0 };

	put(c, OP_MAP, dst, 0, 0, n);
	for (uint32_t i = 0; i + 1 < n->n; i += 2) {
		emit(c, n->arg[i], key);
		emit(c, n->arg[i + 1], value);
		end_later(c, &ends, put(c, OP_PUT, dst, key, 0, n->arg[i]));
	}
	put(c, OP_MAP_END, dst, dst, 0, n);
	end_here(c, &ends);
	c->top = top;
}

static void emit_test(struct compiler *c, const struct node *n, uint32_t dst,
    uint32_t top, struct ends *done, struct ends *ends)
{
	const struct node *p = n->arg[1];
	uint32_t t = reg(c, n);

	emit(c, p, t);
	if (n->loop == LOOP_EXISTS_ONE) {
		end_later(c, ends, put(c, OP_COUNT, dst, t, 0, p));
	} else {
		put(c, n->loop == LOOP_ALL ? OP_AND : OP_OR, dst, dst, t, n);
		end_later(c, done, put(c, n->loop == LOOP_ALL ? OP_JF : OP_JT, 0, dst, 0,
		    n));
	}
	c->top = top;
}

static void emit_collect(struct compiler *c, const struct node *n, uint32_t dst,
    uint32_t var, uint32_t next, struct ends *ends)
{
	uint32_t t = reg(c, n), item = t;
	const struct node *p = n->arg[1], *r = n->arg[2];

	if (p) {
		emit(c, p, t);
		end_later(c, ends, put(c, OP_BOOL, dst, t, 0, p));
		put(c, OP_JF, 0, t, next, p);
	}
	if (n->loop == LOOP_TO_MAP) {
		put(c, OP_MOVE, t, var, 0, n);
		item = reg(c, n);
	}
	if (r)
		emit(c, r, item);
	else
		put(c, OP_MOVE, item, var, 0, n);
	end_later(c, ends, put(c, n->loop == LOOP_TO_MAP ? OP_PUT :
	    n->loop == LOOP_TO_ENTRY ? OP_PUT_ALL : OP_APPEND, dst, t, 0, n));
}

static void emit_start(struct compiler *c, const struct node *n, uint32_t dst)
{
	if (n->loop == LOOP_ALL || n->loop == LOOP_EXISTS)
		put(c, OP_K, dst, 0, constant(c, value_bool(n->loop == LOOP_ALL)), n);
	else if (n->loop == LOOP_EXISTS_ONE)
		put(c, OP_K, dst, 0, constant(c, value_int(0)), n);
	else
		put(c, n->loop >= LOOP_TO_MAP ? OP_MAP : OP_LIST, dst, 0, 0, n);
}

/* range; ITER; start; next: NEXT; body; JUMP next; done: finish; JUMP end;
 * bad: MOVE; end: */
static void emit_loop(struct compiler *c, const struct node *n, uint32_t dst)
{
	uint32_t top = c->top, it = reg(c, n), bad, next, var;
	struct ends done = { 0 }, ends = { 0 };

	reg(c, n);
	emit(c, n->arg[0], it);
	bad = put(c, OP_ITER, it, it, 0, n->arg[0]);
	emit_start(c, n, dst);
	var = reg(c, n);
	c->locals[n->local] = (uint8_t)var;
	if (n->name2.len)
		c->locals[n->local + 1] = (uint8_t)reg(c, n);
	c->loops++;
	next = c->code->n;
	end_later(c, &done, put(c, n->name2.len ? OP_NEXT2 : OP_NEXT, var, it, 0, n));
	if (n->loop < LOOP_MAP)
		emit_test(c, n, dst, c->top, &done, &ends);
	else
		emit_collect(c, n, dst, var, next, &ends);
	put(c, OP_JUMP, 0, 0, next, n);
	c->loops--;
	end_here(c, &done);
	if (n->loop == LOOP_EXISTS_ONE)
		put(c, OP_ONE, dst, dst, 0, n);
	else if (n->loop >= LOOP_TO_MAP)
		put(c, OP_MAP_END, dst, dst, 0, n);
	end_later(c, &ends, put(c, OP_JUMP, 0, 0, 0, n));
	land(c, bad);
	put(c, OP_MOVE, dst, it, 0, n);
	end_here(c, &ends);
	c->top = top;
}

static void emit_bind(struct compiler *c, const struct node *n, uint32_t dst)
{
	uint32_t top = c->top, var = reg(c, n);

	emit(c, n->arg[0], var);
	c->locals[n->local] = (uint8_t)var;
	emit(c, n->arg[1], dst);
	c->top = top;
}

static void emit_index(struct compiler *c, const struct node *n, uint32_t dst)
{
	uint32_t top = c->top, at = reg(c, n);

	emit(c, n->arg[0], dst);
	emit(c, n->arg[1], at);
	put(c, OP_INDEX, dst, dst, at, n);
	c->top = top;
}

static void emit_on_one(struct compiler *c, const struct node *n, uint32_t dst)
{
	emit(c, n->arg[0], dst);
	if (n->kind == NODE_UNARY)
		put(c, n->op == OPR_NOT ? OP_NOT : OP_NEG, dst, dst, 0, n);
	else
		put(c, n->kind == NODE_HAS ? OP_HAS : OP_SELECT, dst, dst,
		    constant(c, value_str(n->name)), n);
}

static bool interesting(const struct compiler *c, const struct node *n)
{
	return c->tracing && c->loops == 0 && n->kind != NODE_CONST &&
	       n->kind != NODE_LIST && n->kind != NODE_MAP && n->kind != NODE_LOCAL;
}

static void emit_node(struct compiler *c, const struct node *n, uint32_t dst)
{
	switch (n->kind) {
	case NODE_CONST:
		put(c, OP_K, dst, 0, constant(c, n->value), n);
		return;
	case NODE_INPUT:
		emit_input(c, n, dst);
		return;
	case NODE_HAS_INPUT:
		put(c, n->ref.space == EXPR_FIELD ? OP_HAS_FIELD : OP_HAS_VAR, dst,
		    n->ref.input, 0, n);
		return;
	case NODE_LOCAL:
		put(c, OP_MOVE, dst, c->locals[n->local], 0, n);
		return;
	case NODE_UNARY:
	case NODE_SELECT:
	case NODE_HAS:
		emit_on_one(c, n, dst);
		return;
	case NODE_BINARY:
		emit_binary(c, n, dst);
		return;
	case NODE_AND:
	case NODE_OR:
		emit_logic(c, n, dst);
		return;
	case NODE_COND:
		emit_cond(c, n, dst);
		return;
	case NODE_INDEX:
		emit_index(c, n, dst);
		return;
	case NODE_CALL:
		emit_call(c, n, dst);
		return;
	case NODE_LIST:
	case NODE_CONCAT:
		emit_list(c, n, dst);
		return;
	case NODE_MAP:
		emit_map(c, n, dst);
		return;
	case NODE_LOOP:
		emit_loop(c, n, dst);
		return;
	case NODE_BIND:
		emit_bind(c, n, dst);
		return;
	case NODE_IDENT:
		break;
	}
	CHECK(n->kind != NODE_IDENT);		/* the checker leaves none */
}

static void emit(struct compiler *c, const struct node *n, uint32_t dst)
{
	uint32_t row;

	if (!interesting(c, n)) {
		emit_node(c, n, dst);
		return;
	}
	row = PUSH(c, marks,
	    ((struct mark){ n->off, n->len, (uint8_t)MIN(c->depth, 255) }));
	c->depth++;
	emit_node(c, n, dst);
	c->depth--;
	put(c, OP_MARK, 0, dst, row, n);
}

static void stream(struct compiler *c, const struct node *n, struct code *code,
    bool tracing)
{
	uint32_t dst;

	c->code = code;
	c->code_cap = c->pos_cap = 0;
	c->tracing = tracing;
	c->top = 0;
	dst = reg(c, n);
	emit(c, n, dst);
	put(c, OP_RET, 0, dst, 0, n);
}

bool compile_tree(struct front *f, const struct node *n, struct prog *p)
{
	struct compiler c = { .f = f };
	uint32_t errors = f->errors;

	stream(&c, n, &p->plain, false);
	stream(&c, n, &p->traced, true);
	p->k = c.k;
	p->k_n = c.k_n;
	p->fns = c.fns;
	p->regexes = c.regexes;
	p->marks = c.marks;
	p->marks_n = c.marks_n;
	return f->errors == errors;
}
