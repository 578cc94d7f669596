/* Building and printing the tree, and reporting errors in its text. */
#include "expr/ast.h"

#include <stdarg.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/yaml.h"
#include "expr/fn.h"

struct node *node_new(struct front *f, enum node_kind kind, uint32_t off, uint32_t len)
{
	struct node *n = ARENA_NEW(f->arena, struct node);

	CHECK(n);
	n->kind = kind;
	n->off = n->at = off;
	n->len = n->at_len = len;
	n->type = TYPE_DYN;
	if (f->nodes++ == AST_NODES)
		front_error(f, off, len, NULL, "expression too large (over %d parts)",
		    AST_NODES);
	return n;
}

struct node *node_args(struct front *f, struct node *node, uint32_t n)
{
	node->arg = ARENA_ARRAY(f->arena, struct node *, n);
	CHECK(node->arg);
	node->n = n;
	return node;
}

struct node *node_of1(struct front *f, enum node_kind kind, struct node *a)
{
	struct node *n = node_args(f, node_new(f, kind, a->off, a->len), 1);

	n->arg[0] = a;
	return n;
}

struct node *node_of2(struct front *f, enum node_kind kind, struct node *a,
    struct node *b)
{
	struct node *n = node_args(f, node_new(f, kind, a->off, b->off + b->len - a->off),
	    2);

	n->arg[0] = a;
	n->arg[1] = b;
	return n;
}

bool node_is_const(const struct node *n, enum value_tag tag)
{
	return n->kind == NODE_CONST && n->value.tag == tag;
}

static struct span front_span(struct front *f, uint32_t off, uint32_t len)
{
	const struct expr_source *s = f->src;

	if (s->node)
		return yaml_sub(s->node, f->diags, s->node_off + off, len);
	return (struct span){ s->at.text, s->at.off + off, len };
}

void front_error(struct front *f, uint32_t off, uint32_t len, const char *hint,
    const char *fmt, ...)
{
	struct diag *d;
	va_list ap;
	char *msg;

	if (f->errors++ >= FRONT_ERRORS)
		return;
	va_start(ap, fmt);
	msg = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	d = diag_add(f->diags, SEV_ERROR, front_span(f, off, len), "%s", msg);
	if (d && hint)
		diag_hint(f->diags, d, "%s", hint);
	g_free(msg);
}

const char *front_nearest(struct front *f, struct str word, const struct str *words,
    uint32_t n)
{
	struct str near = n ? nearest_word(word, words, n) : (struct str){ NULL, 0 };

	if (!near.p)
		return NULL;
	return arena_printf(f->arena, "did you mean '%.*s'?", STR_ARG(near)).p;
}

const char *type_text(struct front *f, unsigned type)
{
	GString *s = g_string_new(NULL);
	const char *text;

	if ((type & TYPE_DYN) == TYPE_DYN)
		g_string_append(s, "any");
	else
		for (unsigned tag = VALUE_NULL; tag <= VALUE_HOST; tag++)
			if (type & TYPE_OF(tag))
				g_string_append_printf(s, "%s%s", s->len ? " or " : "",
				    tag == VALUE_HOST ? "object" :
				    type_word((struct value){ .tag = (uint8_t)tag }));
	text = arena_str(f->arena, str_of(s->str)).p;
	g_string_free(s, TRUE);
	return text;
}

static const char *const kind_names[] = {	/* ORDER node_kind */
	"?", "const", "ident", "select", "has", "index", "unary", "binary", "and", "or",
	"cond", "call", "list", "map", "loop", "bind", "concat", "input", "has_input",
	"local",
};

void node_dump(const struct node *n, unsigned depth, GString *out)
{
	g_string_append_printf(out, "%*s", (int)depth * 2, "");
	if (!n) {
		g_string_append(out, "-\n");
		return;
	}
	g_string_append(out, kind_names[n->kind]);
	if (n->op)
		g_string_append_printf(out, " %s", operator_text[n->op]);
	if (n->kind == NODE_CONST) {
		g_string_append_c(out, ' ');
		value_print(n->value, out);
	}
	if (n->path.len)
		g_string_append_printf(out, " %.*s = %s %u", STR_ARG(n->path),
		    n->ref.space == EXPR_FIELD ? "field" : "var", n->ref.input);
	else if (n->name.len)
		g_string_append_printf(out, " %.*s", STR_ARG(n->name));
	g_string_append_c(out, '\n');
	for (uint32_t i = 0; i < n->n; i++)
		node_dump(n->arg[i], depth + 1, out);
}
