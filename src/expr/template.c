/* Text with ${ } parts.
 *
 *	text ${ expr } text      a string; what string() or JSON makes of each part
 *	${ expr }                alone: keeps its type
 *	$${                      a literal "${"
 *
 * The end of a part is found by the lexer, so braces in strings and maps are
 * what they are in CEL. */
#include "base/arena.h"
#include "base/check.h"
#include "expr/lex.h"
#include "expr/parse.h"

struct parts {
	struct front	*f;
	struct node	**v;
	uint32_t	 n, cap;
	GString		*text;		/* literal text since the last part */
	uint32_t	 text_off;
};

static void add_part(struct parts *p, struct node *n)
{
	p->v = arena_grow(p->f->arena, p->v, p->n, &p->cap, sizeof(*p->v));
	CHECK(p->v);
	p->v[p->n++] = n;
}

static void flush_text(struct parts *p, uint32_t end)
{
	struct str s;
	struct node *n;

	if (p->text->len == 0)
		return;
	s = arena_str(p->f->arena, (struct str){ p->text->str, (uint32_t)p->text->len });
	n = node_new(p->f, NODE_CONST, p->text_off, end - p->text_off);
	n->value = value_str(s);
	add_part(p, n);
	g_string_truncate(p->text, 0);
}

/* The offset of the '}' that ends an expression which starts at `from`. */
static uint32_t part_end(struct front *f, uint32_t from)
{
	struct lexer lex = { .front = f, .text = f->src->text, .pos = from,
		.end = f->src->text.len };
	unsigned level = 0;
	struct token t;

	do {
		t = lex_next(&lex);
		if (t.kind == TOK_LBRACE)
			level++;
		else if (t.kind == TOK_RBRACE && level-- == 0)
			return t.off;
	} while (t.kind != TOK_END);
	front_error(f, from - 2, 2, NULL, "'${' is not closed, expected '}'");
	return UINT32_MAX;
}

/* The part that starts at `at` (its "${"); returns the offset behind it. */
static uint32_t parse_part(struct parts *p, uint32_t at)
{
	uint32_t end, errors = p->f->errors;
	struct node *n;

	flush_text(p, at);
	end = part_end(p->f, at + 2);
	if (end == UINT32_MAX || p->f->errors > errors)
		return p->f->src->text.len;
	n = parse_expr(p->f, at + 2, end);
	if (n)
		add_part(p, n);
	p->text_off = end + 1;
	return end + 1;
}

static struct node *join_parts(struct parts *p)
{
	uint32_t len = p->f->src->text.len;
	struct node *n;

	if (p->n == 1)
		return p->v[0];
	if (p->n == 0) {
		n = node_new(p->f, NODE_CONST, 0, len);
		n->value = value_str(STR(""));
		return n;
	}
	n = node_new(p->f, NODE_CONCAT, 0, len);
	n->arg = p->v;
	n->n = p->n;
	return n;
}

struct node *parse_template(struct front *f)
{
	struct parts p = { .f = f, .text = g_string_new(NULL) };
	struct str s = f->src->text;
	uint32_t errors = f->errors;
	struct node *n;

	for (uint32_t i = 0; i < s.len; ) {
		struct str rest = { s.p + i, s.len - i };

		if (str_starts(rest, STR("$${"))) {
			g_string_append(p.text, "${");
			i += 3;
		} else if (str_starts(rest, STR("${"))) {
			i = parse_part(&p, i);
		} else {
			g_string_append_c(p.text, s.p[i++]);
		}
	}
	flush_text(&p, s.len);
	n = f->errors == errors ? join_parts(&p) : NULL;
	g_string_free(p.text, TRUE);
	return n;
}
