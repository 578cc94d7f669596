/* Macros: calls that the parser turns into loops and tests.
 *
 * A call is a macro by its name, by whether it has a receiver, and by the number
 * of its arguments; anything else stays a call, and the checker says that there
 * is no such function.
 *
 * To add one: a row of macros[] and its function. */
#include "base/arena.h"
#include "expr/parse.h"

struct macro {
	const char	*name;
	bool		 member;
	uint32_t	 n;		/* arguments, the receiver not counted */
	enum loop_kind	 loop;
	struct node	*(*expand)(struct front *, struct node *call,
	    const struct macro *);
};

/* After an error the tree still has to be one. */
static struct node *broken(struct front *f, const struct node *call)
{
	return node_new(f, NODE_CONST, call->off, call->len);
}

static bool plain_name(struct front *f, const struct node *call, const struct node *n)
{
	if (n->kind == NODE_IDENT && !n->root)
		return true;
	front_error(f, n->off, n->len, NULL,
	    "the variable of %.*s() must be a plain name",
	    STR_ARG(call->name));
	return false;
}

/* has(e.f) */
static struct node *expand_has(struct front *f, struct node *call, const struct macro *m)
{
	struct node *of = call->arg[0], *n;

	(void)m;
	if (of->kind != NODE_SELECT) {
		front_error(f, of->off, of->len, NULL,
		    "has() takes a field, such as has(data.x)");
		return broken(f, call);
	}
	n = node_of1(f, NODE_HAS, of->arg[0]);
	n->off = call->off;
	n->len = call->len;
	n->at = of->at;
	n->at_len = of->at_len;
	n->name = of->name;
	return n;
}

static struct node *loop(struct front *f, struct node *call, enum loop_kind kind,
    struct node *filter, struct node *result)
{
	struct node *n = node_args(f, node_new(f, NODE_LOOP, call->off, call->len), 3);

	n->loop = kind;
	n->at = call->at;
	n->at_len = call->at_len;
	n->name = call->arg[1]->name;
	n->arg[0] = call->arg[0];
	n->arg[1] = filter;
	n->arg[2] = result;
	return n;
}

/* e.all(x, p)  e.exists(x, p)  e.exists_one(x, p)  e.filter(x, p)  e.map(x, t) */
static struct node *expand_loop(struct front *f, struct node *call, const struct macro *m)
{
	bool map = m->loop == LOOP_MAP;

	if (!plain_name(f, call, call->arg[1]))
		return broken(f, call);
	if (map && m->n == 3)
		return loop(f, call, m->loop, call->arg[2], call->arg[3]);
	return loop(f, call, m->loop, map ? NULL : call->arg[2], map ? call->arg[2] :
	    NULL);
}

/* e.all(i, v, p) and its like; transformList, transformMap, transformMapEntry. */
static struct node *expand_loop2(struct front *f, struct node *call,
    const struct macro *m)
{
	bool test = m->loop < LOOP_MAP;
	struct node *n, *filter = NULL, *result = NULL;

	if (!plain_name(f, call, call->arg[1]) || !plain_name(f, call, call->arg[2]))
		return broken(f, call);
	if (str_is(call->arg[1]->name, call->arg[2]->name)) {
		front_error(f, call->arg[2]->off, call->arg[2]->len, NULL,
		    "the variables of %.*s() must differ", STR_ARG(call->name));
		return broken(f, call);
	}
	if (test || m->n == 4)
		filter = call->arg[3];
	if (!test)
		result = call->arg[m->n];
	n = loop(f, call, m->loop, filter, result);
	n->name2 = call->arg[2]->name;
	return n;
}

/* cel.bind(x, init, body) */
static struct node *expand_bind(struct front *f, struct node *call, const struct macro *m)
{
	struct node *n;

	(void)m;
	if (call->arg[0]->kind != NODE_IDENT || !str_is(call->arg[0]->name, STR("cel")))
		return NULL;
	if (!plain_name(f, call, call->arg[1]))
		return broken(f, call);
	n = node_args(f, node_new(f, NODE_BIND, call->off, call->len), 2);
	n->name = call->arg[1]->name;
	n->arg[0] = call->arg[2];
	n->arg[1] = call->arg[3];
	return n;
}

static const struct macro macros[] = {
	{ "has", false, 1, 0, expand_has },
	{ "all", true, 2, LOOP_ALL, expand_loop },
	{ "exists", true, 2, LOOP_EXISTS, expand_loop },
	{ "exists_one", true, 2, LOOP_EXISTS_ONE, expand_loop },
	{ "existsOne", true, 2, LOOP_EXISTS_ONE, expand_loop },
	{ "filter", true, 2, LOOP_FILTER, expand_loop },
	{ "map", true, 2, LOOP_MAP, expand_loop },
	{ "map", true, 3, LOOP_MAP, expand_loop },
	{ "all", true, 3, LOOP_ALL, expand_loop2 },
	{ "exists", true, 3, LOOP_EXISTS, expand_loop2 },
	{ "exists_one", true, 3, LOOP_EXISTS_ONE, expand_loop2 },
	{ "existsOne", true, 3, LOOP_EXISTS_ONE, expand_loop2 },
	{ "transformList", true, 3, LOOP_MAP, expand_loop2 },
	{ "transformList", true, 4, LOOP_MAP, expand_loop2 },
	{ "transformMap", true, 3, LOOP_TO_MAP, expand_loop2 },
	{ "transformMap", true, 4, LOOP_TO_MAP, expand_loop2 },
	{ "transformMapEntry", true, 3, LOOP_TO_ENTRY, expand_loop2 },
	{ "transformMapEntry", true, 4, LOOP_TO_ENTRY, expand_loop2 },
	{ "bind", true, 3, 0, expand_bind },
};

struct node *macro_expand(struct front *f, struct node *call)
{
	uint32_t n = call->n - (call->member ? 1 : 0);

	for (size_t i = 0; i < G_N_ELEMENTS(macros); i++)
		if (macros[i].member == call->member && macros[i].n == n &&
		    str_is(call->name, str_of(macros[i].name)))
			return macros[i].expand(f, call, &macros[i]);
	return NULL;
}
