/* The checker: gradual types over sets of value tags.
 *
 * A type is the set of tags that a sub-expression can have; "dynamic" is all of
 * them, and an overload applies when the sets meet.  So the checker never changes
 * a result, it only refuses what could not work with any value.
 *
 * It also turns names into inputs: the longest path of names and constant
 * selections is offered to the caller's resolver, which says how much of it one
 * input stands for; the rest stays selection. */
#include "expr/check.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/err.h"
#include "base/zone.h"
#include "expr/fn.h"

#define PATH_MAX_SEGMENTS 16

struct scope {
	const struct scope *up;
	struct str	 name;
	uint32_t	 local;
	unsigned	 type;
};
struct checker {
	struct front	*f;
	const struct scope *scope;
	uint32_t	 locals;	/* numbers in use */
	const struct node *dashed;	/* left side of `a.b-c` while c is checked */
};

static unsigned check(struct checker *, struct node *);

static const struct scope *find_local(const struct checker *c, struct str name)
{
	for (const struct scope *s = c->scope; s; s = s->up)
		if (str_is(s->name, name))
			return s;
	return NULL;
}

/* The path that ends in `n`: 0 if it is none, or too long. */
static uint32_t path_of(const struct node *n, struct str *seg)
{
	const struct node *nodes[PATH_MAX_SEGMENTS];
	uint32_t count = 0;

	for (;; n = n->arg[0]) {
		if (count == PATH_MAX_SEGMENTS)
			return 0;
		nodes[count++] = n;
		if (n->kind == NODE_IDENT)
			break;
		if (n->kind == NODE_SELECT)
			continue;
		if (n->kind != NODE_INDEX || !node_is_const(n->arg[1], VALUE_STRING))
			return 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct node *of = nodes[count - 1 - i];

		seg[i] = of->kind == NODE_INDEX ? value_as_str(of->arg[1]->value) :
		    of->name;
	}
	return count;
}

static const struct node *root_of(const struct node *n)
{
	while (n->kind == NODE_SELECT || n->kind == NODE_INDEX)
		n = n->arg[0];
	return n;
}

static struct str join_path(struct front *f, const struct str *seg, uint32_t n)
{
	GString *s = g_string_new(NULL);
	struct str r;

	for (uint32_t i = 0; i < n; i++) {
		if (i)
			g_string_append_c(s, '.');
		g_string_append_len(s, seg[i].p, seg[i].len);
	}
	r = arena_str(f->arena, (struct str){ s->str, (uint32_t)s->len });
	g_string_free(s, TRUE);
	return r;
}

static unsigned declared_type(struct front *f, struct str path)
{
	static const unsigned types[] = {	/* ORDER expr_type */
		TYPE_DYN, TYPE_BOOL, TYPE_INT, TYPE_DOUBLE, TYPE_STRING, TYPE_TIME,
		TYPE_DURATION, TYPE_LIST, TYPE_MAP | TYPE_HOST,
	};

	for (uint32_t i = 0; f->env->types && i < f->env->names_n; i++)
		if (str_is(f->env->names[i], path))
			return types[f->env->types[i]];
	return TYPE_DYN;
}

static bool resolve(struct checker *c, const struct str *seg, uint32_t n,
    struct expr_ref *ret)
{
	if (!c->f->env->resolve || !c->f->env->resolve(c->f->env->ctx, seg, n, ret))
		return false;
	CHECK(ret->used >= 1 && ret->used <= n);
	return true;
}

/* The node that stands for the first ref.used of n segments becomes the input. */
static void make_input(struct checker *c, struct node *n, const struct str *seg,
    uint32_t count, struct expr_ref ref)
{
	for (; count > ref.used; count--)
		n = n->arg[0];
	n->kind = NODE_INPUT;
	n->n = 0;
	n->ref = ref;
	n->name = seg[ref.used - 1];
	n->path = join_path(c->f, seg, ref.used);
	n->type = declared_type(c->f, n->path);
}

static const char *const type_idents[] = { "int", "uint", "double", "bool", "string",
	"bytes", "list", "map", "null_type", "type", "optional_type",
	"google.protobuf.Timestamp", "google.protobuf.Duration" };

static bool make_type(struct checker *c, struct node *n, const struct str *seg,
    uint32_t count)
{
	struct str path = join_path(c->f, seg, count);

	for (size_t i = 0; i < G_N_ELEMENTS(type_idents); i++)
		if (str_is(path, str_of(type_idents[i]))) {
			n->kind = NODE_CONST;
			n->n = 0;
			n->value = (struct value){ .tag = VALUE_TYPE, .len = path.len,
				.s = path.p };
			n->type = TYPE_TYPE;
			return true;
		}
	return false;
}

static void undeclared(struct checker *c, const struct node *ident)
{
	const struct expr_env *env = c->f->env;
	const char *hint = front_nearest(c->f, ident->name, env->names, env->names_n);
	const struct node *d = c->dashed;

	if (d && (d->kind == NODE_SELECT || d->path.len > d->name.len))
		hint = arena_printf(c->f->arena, "for a field named '%.*s-%.*s' write "
		    "`%.*s-%.*s` in backticks", STR_ARG(d->name), STR_ARG(ident->name),
		    STR_ARG(d->name), STR_ARG(ident->name)).p;
	else if (d)
		hint = arena_printf(c->f->arena, "a name cannot hold '-': "
		    "'%.*s-%.*s' is a subtraction", STR_ARG(d->name),
		    STR_ARG(ident->name)).p;
	front_error(c->f, ident->off, ident->len, hint, "undeclared name '%.*s'",
	    STR_ARG(ident->name));
}

/* True: n became an input, a constant or a local (or holds one), or was reported. */
static bool check_path(struct checker *c, struct node *n)
{
	const struct node *root = root_of(n);
	struct str seg[PATH_MAX_SEGMENTS];
	struct expr_ref ref;
	uint32_t count = path_of(n, seg);

	if (count == 0 || (!root->root && find_local(c, root->name)))
		return false;
	if (resolve(c, seg, count, &ref)) {
		make_input(c, n, seg, count, ref);
		return n->kind == NODE_INPUT;
	}
	return make_type(c, n, seg, count);
}

static unsigned check_ident(struct checker *c, struct node *n)
{
	const struct scope *s = n->root ? NULL : find_local(c, n->name);

	if (s) {
		n->kind = NODE_LOCAL;
		n->local = s->local;
		return n->type = s->type;
	}
	if (!check_path(c, n))
		undeclared(c, n);
	return n->type;
}

static unsigned select_from(struct checker *c, struct node *n)
{
	unsigned of = check(c, n->arg[0]);

	if (!(of & (TYPE_MAP | TYPE_HOST | TYPE_OPT)))
		front_error(c->f, n->at, n->at_len, NULL,
		    "type '%s' does not support field selection", type_text(c->f, of));
	return TYPE_DYN;
}

static unsigned check_select(struct checker *c, struct node *n)
{
	if (check_path(c, n))
		return n->type;
	return n->type = select_from(c, n);
}

/* has(a.b.c): one input where the resolver takes the whole path. */
static unsigned check_has(struct checker *c, struct node *n)
{
	const struct node *root = root_of(n->arg[0]);
	struct str seg[PATH_MAX_SEGMENTS + 1];
	struct expr_ref ref;
	uint32_t count = path_of(n->arg[0], seg);

	n->type = TYPE_BOOL;
	if (count && count < PATH_MAX_SEGMENTS &&
	    (root->root || !find_local(c, root->name))) {
		seg[count++] = n->name;
		if (resolve(c, seg, count, &ref) && ref.used == count) {
			n->kind = NODE_HAS_INPUT;
			n->n = 0;
			n->ref = ref;
			n->path = join_path(c->f, seg, count);
			return TYPE_BOOL;
		}
	}
	select_from(c, n);
	return TYPE_BOOL;
}

static unsigned check_index(struct checker *c, struct node *n)
{
	unsigned of, at;

	if (node_is_const(n->arg[1], VALUE_STRING) && check_path(c, n))
		return n->type;
	of = check(c, n->arg[0]);
	at = check(c, n->arg[1]);
	n->type = TYPE_DYN;
	if (!(of & (TYPE_LIST | TYPE_MAP | TYPE_HOST)))
		front_error(c->f, n->at, n->at_len, NULL, "type '%s' cannot be indexed",
		    type_text(c->f, of));
	else if (!(of & TYPE_MAP) && !(of & TYPE_HOST && at & TYPE_STRING) &&
	    !(at & TYPE_NUMBER))
		front_error(c->f, n->arg[1]->off, n->arg[1]->len, NULL,
		    "a list index must be a number, not '%s'", type_text(c->f, at));
	return n->type;
}

struct rule {
	enum operator	 op;
	unsigned	 a, b, ret;
};
static const struct rule rules[] = {
	{ OPR_ADD, TYPE_INT, TYPE_INT, TYPE_INT },
	{ OPR_ADD, TYPE_UINT, TYPE_UINT, TYPE_UINT },
	{ OPR_ADD, TYPE_DOUBLE, TYPE_DOUBLE, TYPE_DOUBLE },
	{ OPR_ADD, TYPE_STRING, TYPE_STRING, TYPE_STRING },
	{ OPR_ADD, TYPE_BYTES, TYPE_BYTES, TYPE_BYTES },
	{ OPR_ADD, TYPE_LIST, TYPE_LIST, TYPE_LIST },
	{ OPR_ADD, TYPE_TIME, TYPE_DURATION, TYPE_TIME },
	{ OPR_ADD, TYPE_DURATION, TYPE_TIME, TYPE_TIME },
	{ OPR_ADD, TYPE_DURATION, TYPE_DURATION, TYPE_DURATION },
	{ OPR_SUB, TYPE_INT, TYPE_INT, TYPE_INT },
	{ OPR_SUB, TYPE_UINT, TYPE_UINT, TYPE_UINT },
	{ OPR_SUB, TYPE_DOUBLE, TYPE_DOUBLE, TYPE_DOUBLE },
	{ OPR_SUB, TYPE_TIME, TYPE_DURATION, TYPE_TIME },
	{ OPR_SUB, TYPE_TIME, TYPE_TIME, TYPE_DURATION },
	{ OPR_SUB, TYPE_DURATION, TYPE_DURATION, TYPE_DURATION },
	{ OPR_MUL, TYPE_INT, TYPE_INT, TYPE_INT },
	{ OPR_MUL, TYPE_UINT, TYPE_UINT, TYPE_UINT },
	{ OPR_MUL, TYPE_DOUBLE, TYPE_DOUBLE, TYPE_DOUBLE },
	{ OPR_DIV, TYPE_INT, TYPE_INT, TYPE_INT },
	{ OPR_DIV, TYPE_UINT, TYPE_UINT, TYPE_UINT },
	{ OPR_DIV, TYPE_DOUBLE, TYPE_DOUBLE, TYPE_DOUBLE },
	{ OPR_MOD, TYPE_INT, TYPE_INT, TYPE_INT },
	{ OPR_MOD, TYPE_UINT, TYPE_UINT, TYPE_UINT },
	{ OPR_IN, TYPE_DYN, TYPE_LIST | TYPE_MAP, TYPE_BOOL },
	{ OPR_IN, TYPE_STRING, TYPE_HOST, TYPE_BOOL },
	{ OPR_NEG, TYPE_INT, TYPE_DYN, TYPE_INT },
	{ OPR_NEG, TYPE_DOUBLE, TYPE_DYN, TYPE_DOUBLE },
	{ OPR_NEG, TYPE_DURATION, TYPE_DYN, TYPE_DURATION },
	{ OPR_NOT, TYPE_BOOL, TYPE_DYN, TYPE_BOOL },
};
#define ORDERED (TYPE_BOOL | TYPE_STRING | TYPE_BYTES | TYPE_TIME | TYPE_DURATION)

static unsigned operator_type(enum operator op, unsigned a, unsigned b)
{
	unsigned ret = 0;

	if (op >= OPR_EQ && op <= OPR_GE) {
		unsigned same = op <= OPR_NE ? TYPE_DYN : ORDERED;

		return (a & b & same) || (a & TYPE_NUMBER && b & TYPE_NUMBER) ?
		    TYPE_BOOL : 0;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(rules); i++)
		if (rules[i].op == op && rules[i].a & a && rules[i].b & b)
			ret |= rules[i].ret;
	return ret;
}

static const char *operator_hint(struct front *f, enum operator op, unsigned a,
    unsigned b)
{
	if (op <= OPR_MOD && !(a & ~TYPE_NUMBER) && !(b & ~TYPE_NUMBER))
		return op == OPR_MOD ? "'%' is for int" : (a | b) & TYPE_DOUBLE ?
		    "convert one side with double()" : "convert one side with int()";
	if ((a == TYPE_STRING && !(b & ~TYPE_NUMBER)) ||
	    (b == TYPE_STRING && !(a & ~TYPE_NUMBER)))
		return op == OPR_ADD ? "convert the number with string()" :
		    "write the number without quotes";
	if (op == OPR_IN && b == TYPE_STRING)
		return "write text.contains(part)";
	(void)f;
	return NULL;
}

static unsigned check_binary(struct checker *c, struct node *n)
{
	const struct node *left = n->arg[0], *saved = c->dashed;
	unsigned a = check(c, n->arg[0]), b;
	bool dashed = n->op == OPR_SUB && n->arg[1]->kind == NODE_IDENT &&
	    left->off + left->len == n->at && n->arg[1]->off == n->at + 1;

	c->dashed = dashed && left->name.len ? left : NULL;
	b = check(c, n->arg[1]);
	c->dashed = saved;
	n->type = operator_type(n->op, a, b);
	if (n->type)
		return n->type;
	front_error(c->f, n->at, n->at_len, operator_hint(c->f, n->op, a, b),
	    "no such overload: %s %s %s", type_text(c->f, a), operator_text[n->op],
	    type_text(c->f, b));
	return n->type = TYPE_DYN;
}

static unsigned check_unary(struct checker *c, struct node *n)
{
	unsigned a = check(c, n->arg[0]);

	n->type = operator_type(n->op, a, TYPE_DYN);
	if (n->type)
		return n->type;
	front_error(c->f, n->at, n->at_len, NULL, "no such overload: %s%s",
	    operator_text[n->op], type_text(c->f, a));
	return n->type = TYPE_DYN;
}

static void want_bool(struct checker *c, const struct node *n, unsigned type,
    const char *what)
{
	if (!(type & TYPE_BOOL))
		front_error(c->f, n->off, n->len, NULL, "%s must be a bool, not '%s'",
		    what, type_text(c->f, type));
}

static unsigned check_logic(struct checker *c, struct node *n)
{
	const char *what = n->kind == NODE_AND ? "an operand of '&&'" :
	    "an operand of '||'";

	for (uint32_t i = 0; i < 2; i++)
		want_bool(c, n->arg[i], check(c, n->arg[i]), what);
	return n->type = TYPE_BOOL;
}

static unsigned check_cond(struct checker *c, struct node *n)
{
	want_bool(c, n->arg[0], check(c, n->arg[0]), "the condition of '?'");
	return n->type = check(c, n->arg[1]) | check(c, n->arg[2]);
}

static void check_zone(struct checker *c, const struct node *n)
{
	const struct node *zone = n->arg[n->n - 1];
	struct err err = { 0 };

	if (!(n->fn->flags & FN_ZONE) || !node_is_const(zone, VALUE_STRING) ||
	    !c->f->env->zones)
		return;
	if (!zones_get(c->f->env->zones, value_as_str(zone->value), &err))
		front_error(c->f, zone->off, zone->len, NULL, "%s", err.msg);
}

static void call_text(struct checker *c, const struct node *n, const unsigned *types,
    GString *out)
{
	if (n->member)
		g_string_append_printf(out, "%s.", type_text(c->f, types[0]));
	g_string_append_printf(out, "%.*s(", STR_ARG(n->name));
	for (uint32_t i = n->member; i < n->n; i++)
		g_string_append_printf(out, "%s%s", i > n->member ? ", " : "",
		    type_text(c->f, types[i]));
	g_string_append_c(out, ')');
}

static bool host_method(const struct expr_env *env, struct str name)
{
	for (uint32_t i = 0; i < env->methods_n; i++)
		if (str_is(env->methods[i], name))
			return true;
	return false;
}

static void no_overload(struct checker *c, const struct node *n, const unsigned *types,
    unsigned known_n)
{
	unsigned takes = known_n - n->member;
	const char *hint = NULL;
	GString *s;

	if (known_n != n->n) {
		front_error(c->f, n->at, n->at_len, NULL,
		    "%.*s() takes %u argument%s, found %u", STR_ARG(n->name), takes,
		    takes == 1 ? "" : "s", n->n - n->member);
		return;
	}
	if (n->member && types[0] == TYPE_LIST && str_is(n->name, STR("contains")))
		hint = "write: x in list";
	s = g_string_new(NULL);
	call_text(c, n, types, s);
	front_error(c->f, n->at, n->at_len, hint, "no such overload: %s", s->str);
	g_string_free(s, TRUE);
}

/* No row fits: why, in the order of what helps most. */
static void refuse_call(struct checker *c, const struct node *n, const unsigned *types)
{
	unsigned known_n;
	const struct str *names;
	uint32_t names_n;

	if (fn_known(n->name, n->member ? FN_MEMBER : FN_GLOBAL, n->n,
	    &known_n)) {
		no_overload(c, n, types, known_n);
	} else if (fn_known(n->name, n->member ? FN_GLOBAL : FN_MEMBER, n->n,
	    &known_n)) {
		front_error(c->f, n->at, n->at_len, arena_printf(c->f->arena, n->member ?
		    "write %.*s(x)" : "write x.%.*s()", STR_ARG(n->name)).p,
		    n->member ? "'%.*s' is a function, not a method" :
		    "'%.*s' is a method, not a function", STR_ARG(n->name));
	} else if (fn_later(n->name)) {
		front_error(c->f, n->at, n->at_len, NULL,
		    "function '%.*s' is not available in this version", STR_ARG(n->name));
	} else {
		names_n = fn_names(c->f->arena, &names);
		front_error(c->f, n->at, n->at_len,
		    front_nearest(c->f, n->name, names, names_n),
		    "undeclared function '%.*s'", STR_ARG(n->name));
	}
}

/* math.abs(x): the receiver is the name of a library, not a value. */
static bool library_call(struct checker *c, struct node *n)
{
	struct expr_ref ref;
	struct node *of = n->member ? n->arg[0] : NULL;
	struct str name;

	if (!of || of->kind != NODE_IDENT || find_local(c, of->name))
		return false;
	name = arena_printf(c->f->arena, "%.*s.%.*s", STR_ARG(of->name),
	    STR_ARG(n->name));
	if (!fn_later(name) || resolve(c, &of->name, 1, &ref))
		return false;
	n->name = name;
	n->at_len += n->at - of->off;
	n->at = of->off;
	n->member = false;
	n->arg++;
	n->n--;
	return true;
}

static unsigned check_call(struct checker *c, struct node *n)
{
	unsigned *types;

	library_call(c, n);
	types = ARENA_ARRAY(c->f->arena, unsigned, n->n + 1);
	CHECK(types);
	for (uint32_t i = 0; i < n->n; i++)
		types[i] = check(c, n->arg[i]);
	if (n->n <= 4)
		n->fn = fn_find(n->name, n->member ? FN_MEMBER : FN_GLOBAL, types, n->n,
		    &n->type);
	if (n->fn) {
		check_zone(c, n);
		return n->type;
	}
	n->type = TYPE_DYN;
	if (!(n->member && types[0] & TYPE_HOST && host_method(c->f->env, n->name)))
		refuse_call(c, n, types);
	return n->type;
}

static unsigned check_members(struct checker *c, struct node *n)
{
	for (uint32_t i = 0; i < n->n; i++) {
		unsigned type = check(c, n->arg[i]);

		if (n->kind == NODE_MAP && i % 2 == 0 &&
		    !(type & (TYPE_INT | TYPE_UINT | TYPE_BOOL | TYPE_STRING)))
			front_error(c->f, n->arg[i]->off, n->arg[i]->len, NULL,
			    "unsupported key type '%s'", type_text(c->f, type));
	}
	return n->type = n->kind == NODE_MAP ? TYPE_MAP :
	    n->kind == NODE_LIST ? TYPE_LIST : TYPE_STRING;
}

static uint32_t new_local(struct checker *c, const struct node *n)
{
	if (c->locals == CHECK_LOCALS - 1)
		front_error(c->f, n->off, n->len, NULL, "too many local variables");
	return c->locals < CHECK_LOCALS - 1 ? c->locals++ : c->locals;
}

static void loop_body(struct checker *c, struct node *n)
{
	unsigned type;

	if (n->arg[1]) {
		type = check(c, n->arg[1]);
		want_bool(c, n->arg[1], type, "the condition of a macro");
	}
	if (n->arg[2]) {
		type = check(c, n->arg[2]);
		if (n->loop == LOOP_TO_ENTRY && !(type & TYPE_MAP))
			front_error(c->f, n->arg[2]->off, n->arg[2]->len, NULL,
			    "transformMapEntry() needs a map such as {k: v}");
	}
}

static unsigned check_loop(struct checker *c, struct node *n)
{
	unsigned range = check(c, n->arg[0]);
	struct scope one = { .up = c->scope, .name = n->name, .type = TYPE_DYN };
	struct scope two = { .up = &one, .name = n->name2, .type = TYPE_DYN };
	uint32_t locals = c->locals;

	if (!(range & (TYPE_LIST | TYPE_MAP | TYPE_HOST)))
		front_error(c->f, n->arg[0]->off, n->arg[0]->len, NULL,
		    "expression of type '%s' cannot be range of a comprehension (must be "
		    "list, map, or dynamic)",
		    type_text(c->f, range));
	n->local = one.local = new_local(c, n);
	if (n->name2.len)
		two.local = new_local(c, n);
	if (n->name2.len && range == TYPE_LIST)
		one.type = TYPE_INT;
	c->scope = n->name2.len ? &two : &one;
	loop_body(c, n);
	c->scope = one.up;
	c->locals = locals;
	if (n->loop < LOOP_MAP)
		return n->type = TYPE_BOOL;
	return n->type = n->loop >= LOOP_TO_MAP ? TYPE_MAP : TYPE_LIST;
}

static unsigned check_bind(struct checker *c, struct node *n)
{
	struct scope s = { .up = c->scope, .name = n->name };
	uint32_t locals = c->locals;

	s.type = check(c, n->arg[0]);
	n->local = s.local = new_local(c, n);
	c->scope = &s;
	n->type = check(c, n->arg[1]);
	c->scope = s.up;
	c->locals = locals;
	return n->type;
}

static unsigned check(struct checker *c, struct node *n)
{
	switch (n->kind) {
	case NODE_CONST:
		return n->type = n->value.tag ? TYPE_OF(n->value.tag) : TYPE_DYN;
	case NODE_IDENT:
		return check_ident(c, n);
	case NODE_SELECT:
		return check_select(c, n);
	case NODE_HAS:
		return check_has(c, n);
	case NODE_INDEX:
		return check_index(c, n);
	case NODE_UNARY:
		return check_unary(c, n);
	case NODE_BINARY:
		return check_binary(c, n);
	case NODE_AND:
	case NODE_OR:
		return check_logic(c, n);
	case NODE_COND:
		return check_cond(c, n);
	case NODE_CALL:
		return check_call(c, n);
	case NODE_LIST:
	case NODE_MAP:
	case NODE_CONCAT:
		return check_members(c, n);
	case NODE_LOOP:
		return check_loop(c, n);
	case NODE_BIND:
		return check_bind(c, n);
	case NODE_INPUT:
	case NODE_HAS_INPUT:
	case NODE_LOCAL:
		return n->type;
	}
	return TYPE_DYN;
}

bool check_tree(struct front *f, struct node *n)
{
	struct checker c = { .f = f };
	uint32_t errors = f->errors;

	check(&c, n);
	return f->errors == errors;
}
