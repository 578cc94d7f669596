/* Constant folding, by the same operators and functions as the machine.
 *
 * Invariant: a folded tree gives what the unfolded one gives.  A constant part
 * that fails stays as it is, so that it may still be absorbed or not reached;
 * only where it stands in no branch of && || ?: or a loop is it an error now,
 * and so is a constant that its function can never take (duration("7d")). */
#include "base/arena.h"
#include "expr/check.h"
#include "expr/fn.h"
#include "expr/map.h"
#include "expr/regex.h"

#define FOLDED_TEXT 4096	/* longer strings are left to the machine */

struct folder {
	struct front	*f;
	struct machine	 m;
	unsigned	 guarded;	/* inside this many branches */
};

static void fold(struct folder *, struct node **);

static bool constant(const struct node *n)
{
	return n->kind == NODE_CONST;
}

static bool all_constant(const struct node *n)
{
	for (uint32_t i = 0; i < n->n; i++)
		if (!n->arg[i] || !constant(n->arg[i]))
			return false;
	return true;
}

/* The value replaces the node, or is the error that it will always be. */
static void settle(struct folder *f, struct node *n, struct value v)
{
	if (v.tag == VALUE_ERROR) {
		if (!f->guarded)
			front_error(f->f, n->at, n->at_len, NULL, "this always fails: %s",
			    v.s);
		return;
	}
	if (v.tag == VALUE_STRING && v.len > FOLDED_TEXT)
		return;
	n->kind = NODE_CONST;
	n->value = v;
	n->n = 0;
	n->type = TYPE_OF(v.tag);
}

static void fold_list(struct folder *f, struct node *n)
{
	struct value *v = ARENA_ARRAY(f->f->arena, struct value, n->n);

	for (uint32_t i = 0; v && i < n->n; i++)
		v[i] = n->arg[i]->value;
	if (v)
		settle(f, n, value_list_of(v, n->n, f->f->arena));
}

static void fold_map(struct folder *f, struct node *n)
{
	uint32_t size = n->n / 2;
	struct value *k = ARENA_ARRAY(f->f->arena, struct value, size);
	struct value *v = ARENA_ARRAY(f->f->arena, struct value, size);

	for (uint32_t i = 0; k && v && i < size; i++) {
		k[i] = n->arg[2 * i]->value;
		v[i] = n->arg[2 * i + 1]->value;
		if (!map_key_ok(k[i]))
			return;
	}
	if (k && v)
		settle(f, n, value_map_of(k, v, size, f->f->arena));
}

static void check_pattern(struct folder *f, const struct node *n)
{
	const struct node *p;
	uint32_t off;
	char msg[200];

	if (!str_is(n->name, STR("matches")) || n->n != 2 ||
	    !node_is_const(n->arg[1], VALUE_STRING))
		return;
	p = n->arg[1];
	if (!regex_compile(value_as_str(p->value), f->f->arena, msg, sizeof(msg), &off))
		front_error(f->f, p->off, p->len, NULL,
		    "matches(): %s (at byte %u of it)", msg, off);
}

static void fold_call(struct folder *f, struct node *n)
{
	struct value arg[4], v;
	uint32_t errors = f->f->errors;

	check_pattern(f, n);
	if (!n->fn || !all_constant(n) || f->f->errors > errors || n->fn->flags & FN_ZONE)
		return;
	for (uint32_t i = 0; i < n->n; i++)
		arg[i] = n->arg[i]->value;
	v = n->fn->call(&f->m, arg, n->n);
	if (v.tag == VALUE_ERROR && n->fn->flags & FN_LITERAL)
		front_error(f->f, n->arg[0]->off, n->arg[0]->len, NULL, "%s", v.s);
	else
		settle(f, n, v);
}

static void fold_logic(struct folder *f, struct node *n)
{
	struct value (*op)(struct value, struct value) = n->kind == NODE_AND ? op_and :
	    op_or;
	bool decides = n->kind == NODE_OR;
	struct value v;

	for (uint32_t i = 0; i < 2; i++)
		if (node_is_const(n->arg[i], VALUE_BOOL) &&
		    n->arg[i]->value.i == decides) {
			settle(f, n, value_bool(decides));
			return;
		}
	if (!all_constant(n))
		return;
	v = op(n->arg[0]->value, n->arg[1]->value);
	if (v.tag == VALUE_BOOL)
		settle(f, n, v);
}

static void fold_cond(struct node **at)
{
	struct node *n = *at;

	if (node_is_const(n->arg[0], VALUE_BOOL))
		*at = n->arg[n->arg[0]->value.i ? 1 : 2];
}

static void fold_children(struct folder *f, struct node *n)
{
	bool branches = n->kind == NODE_AND || n->kind == NODE_OR ||
	    n->kind == NODE_COND || n->kind == NODE_LOOP || n->kind == NODE_BIND;

	f->guarded += branches;
	for (uint32_t i = 0; i < n->n; i++)
		if (n->arg[i])
			fold(f, &n->arg[i]);
	f->guarded -= branches;
}

static void fold(struct folder *f, struct node **at)
{
	struct node *n = *at;
	struct arena *arena = f->f->arena;

	fold_children(f, n);
	switch (n->kind) {
	case NODE_CALL:
		fold_call(f, n);
		return;
	case NODE_AND:
	case NODE_OR:
		fold_logic(f, n);
		return;
	case NODE_COND:
		fold_cond(at);
		return;
	default:
		break;
	}
	if (!all_constant(n) || n->kind == NODE_CONST)
		return;
	if (n->kind == NODE_BINARY)
		settle(f, n, op_binary(n->op, n->arg[0]->value, n->arg[1]->value, arena));
	else if (n->kind == NODE_UNARY)
		settle(f, n, op_unary(n->op, n->arg[0]->value, arena));
	else if (n->kind == NODE_INDEX)
		settle(f, n, op_index(n->arg[0]->value, n->arg[1]->value, arena));
	else if (n->kind == NODE_SELECT)
		settle(f, n, op_select(n->arg[0]->value, n->name, arena));
	else if (n->kind == NODE_HAS)
		settle(f, n, op_has(n->arg[0]->value, n->name, arena));
	else if (n->kind == NODE_LIST)
		fold_list(f, n);
	else if (n->kind == NODE_MAP)
		fold_map(f, n);
}

bool fold_tree(struct front *front, struct node **root)
{
	struct folder f = { .f = front, .m = { .arena = front->arena, .cost_max = 1000000,
		.zones = front->env->zones } };
	uint32_t errors = front->errors;

	fold(&f, root);
	return front->errors == errors;
}
