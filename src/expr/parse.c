/* CEL's grammar: binary levels by binding power, the rest by descent.
 *
 * Each function returns NULL after reporting an error; while `panic` is set
 * nothing more is reported.  A bracketed list recovers at its next comma or
 * closer, so that several mistakes are found in one pass.
 *
 * To add a construct: its production above the function that reads it, a node
 * kind in ast.h, and a case in check.c, fold.c and compile.c. */
#include "expr/parse.h"

#include "base/arena.h"
#include "expr/lex.h"

struct parser {
	struct front	*f;
	struct lexer	 lex;
	struct token	 tok;		/* not consumed yet */
	uint32_t	 last_end;	/* of the token before it */
	unsigned	 depth;
	bool		 panic;
};

static struct node *parse_ternary(struct parser *);

static void advance(struct parser *p)
{
	p->last_end = p->tok.off + p->tok.len;
	p->tok = lex_next(&p->lex);
}

static bool accept(struct parser *p, enum token_kind kind)
{
	if (p->tok.kind != kind)
		return false;
	advance(p);
	return true;
}

static struct node *stop(struct parser *p, const struct token *t, const char *hint,
    const char *msg)
{
	if (!p->panic && t->kind != TOK_BAD)
		front_error(p->f, t->off, t->len, hint, "%s", msg);
	p->panic = true;
	return NULL;
}

/* What people write from habit, and what CEL calls it. */
static const char *habit(const struct token *t)
{
	static const struct { const char *word, *hint; } habits[] = {
		{ "=", "write '==' to compare" }, { "&", "write '&&'" },
		{ "|", "write '||'" }, { "and", "write '&&'" }, { "AND", "write '&&'" },
		{ "or", "write '||'" }, { "OR", "write '||'" }, { "not", "write '!'" },
		{ "NOT", "write '!'" }, { "is", "write '=='" },
		{ "like", "write x.matches(\"regular expression\")" },
		{ "LIKE", "write x.matches(\"regular expression\")" },
		{ "IN", "write 'in'" },
		{ "~", "write x.matches(\"regular expression\")" },
		{ "contains", "write x.contains(\"text\")" },
		{ "if", "write condition ? a : b" },
		{ "$", "names stand without '$' here: ${ } belongs to texts" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(habits); i++)
		if (str_is(t->text, str_of(habits[i].word)))
			return habits[i].hint;
	return NULL;
}

static struct node *unexpected(struct parser *p, const char *wanted)
{
	char msg[200];

	if (p->tok.kind == TOK_END)
		g_snprintf(msg, sizeof(msg),
		    "unexpected end of the expression, expected %s",
		    wanted);
	else
		g_snprintf(msg, sizeof(msg), "unexpected '%.*s', expected %s",
		    MIN((int)p->tok.text.len, 40), p->tok.text.p, wanted);
	return stop(p, &p->tok, habit(&p->tok), msg);
}

/* Says which bracket it would close (after Lua's check_match). */
static bool expect_close(struct parser *p, enum token_kind kind, const struct token *open)
{
	static const struct { enum token_kind kind; char c; } closers[] = {
		{ TOK_RPAREN, ')' }, { TOK_RBRACKET, ']' }, { TOK_RBRACE, '}' },
	};
	char wanted[80];
	char c = '?';

	if (accept(p, kind))
		return true;
	for (size_t i = 0; i < G_N_ELEMENTS(closers); i++)
		if (closers[i].kind == kind)
			c = closers[i].c;
	g_snprintf(wanted, sizeof(wanted), "'%c' to close '%.*s'", c,
	    STR_ARG(open->text));
	unexpected(p, wanted);
	return false;
}

/* After an error inside brackets: to the next comma or closer of this level. */
static bool recover(struct parser *p, enum token_kind close)
{
	unsigned level = 0;

	for (;; advance(p)) {
		switch (p->tok.kind) {
		case TOK_END:
			return false;
		case TOK_LPAREN:
		case TOK_LBRACKET:
		case TOK_LBRACE:
			level++;
			break;
		case TOK_RPAREN:
		case TOK_RBRACKET:
		case TOK_RBRACE:
			if (level == 0) {
				p->panic = p->tok.kind != close;
				return !p->panic;
			}
			level--;
			break;
		case TOK_COMMA:
			if (level == 0) {
				p->panic = false;
				return true;
			}
			break;
		default:
			break;
		}
	}
}

struct list {
	struct node	**v;
	uint32_t	 n, cap;
	bool		 bad;		/* a member had an error */
};

static void push(struct parser *p, struct list *l, struct node *n)
{
	l->bad |= !n;
	l->v = arena_grow(p->f->arena, l->v, l->n, &l->cap, sizeof(*l->v));
	l->v[l->n++] = n;
}

/* Optional syntax belongs to a later version. */
static void no_optional(struct parser *p)
{
	if (p->tok.kind != TOK_QUESTION)
		return;
	stop(p, &p->tok, "write has(a.b) ? a.b : default",
	    "optional values are not available in this version");
}

/* [ Expr { "," Expr } [ "," ] ] close     -- the trailing comma only in literals */
static bool parse_list(struct parser *p, enum token_kind close, bool trailing,
    const struct token *open, struct list *ret)
{
	while (p->tok.kind != close) {
		struct node *n;

		no_optional(p);
		n = p->panic ? NULL : parse_ternary(p);
		push(p, ret, n);
		if (n && p->tok.kind != TOK_COMMA && p->tok.kind != close) {
			expect_close(p, close, open);
			ret->bad = true;
		}
		if (p->panic && !recover(p, close))
			return false;
		if (!accept(p, TOK_COMMA))
			break;
		if (p->tok.kind == close && !trailing) {
			unexpected(p, "another argument");
			return false;
		}
	}
	return expect_close(p, close, open) && !ret->bad;
}

/* "{" [ Expr ":" Expr { "," Expr ":" Expr } [ "," ] ] "}" */
static struct node *parse_map(struct parser *p)
{
	struct token open = p->tok;
	struct list l = { 0 };
	struct node *n;

	advance(p);
	while (p->tok.kind != TOK_RBRACE) {
		struct node *key, *value = NULL;

		no_optional(p);
		key = p->panic ? NULL : parse_ternary(p);
		if (key && !accept(p, TOK_COLON))
			unexpected(p, "':' after a map key");
		else if (key)
			value = parse_ternary(p);
		push(p, &l, key);
		push(p, &l, value);
		if (!value && !recover(p, TOK_RBRACE))
			return NULL;
		if (!accept(p, TOK_COMMA))
			break;
	}
	if (!expect_close(p, TOK_RBRACE, &open) || l.bad)
		return NULL;
	n = node_new(p->f, NODE_MAP, open.off, p->last_end - open.off);
	n->arg = l.v;
	n->n = l.n;
	return n;
}

static struct node *parse_list_literal(struct parser *p)
{
	struct token open = p->tok;
	struct list l = { 0 };
	struct node *n;

	advance(p);
	if (!parse_list(p, TOK_RBRACKET, true, &open, &l))
		return NULL;
	n = node_new(p->f, NODE_LIST, open.off, p->last_end - open.off);
	n->arg = l.v;
	n->n = l.n;
	return n;
}

static struct node *parse_paren(struct parser *p)
{
	struct token open = p->tok;
	struct node *n;

	advance(p);
	n = parse_ternary(p);
	if (n && expect_close(p, TOK_RPAREN, &open)) {
		n->off = open.off;
		n->len = p->last_end - open.off;
		return n;
	}
	if (recover(p, TOK_RPAREN))
		accept(p, TOK_RPAREN);
	p->panic = true;
	return NULL;
}

static struct node *parse_literal(struct parser *p, struct value v)
{
	struct node *n = node_new(p->f, NODE_CONST, p->tok.off, p->tok.len);

	n->value = v;
	advance(p);
	return n;
}

/* An INT token's digits; `minus` is the token of a sign directly before it. */
static struct node *parse_int_literal(struct parser *p, const struct token *minus)
{
	uint64_t u = p->tok.value.u;
	struct node *n;

	if (u > (uint64_t)INT64_MAX + (minus != NULL))
		return stop(p, &p->tok, NULL, "invalid int literal: out of range");
	n = parse_literal(p, value_int(minus ? (int64_t)(0 - u) : (int64_t)u));
	if (minus) {
		n->len += n->off - minus->off;
		n->off = n->at = minus->off;
		n->at_len = n->len;
	}
	return n;
}

/* "(" [Args] ")" after a name; `target` is the receiver or NULL. */
static struct node *parse_call(struct parser *p, struct node *target,
    const struct token *name)
{
	struct token open = p->tok;
	struct list l = { 0 };
	struct node *n, *macro;
	uint32_t off = target ? target->off : name->off;

	advance(p);
	if (target)
		push(p, &l, target);
	if (!parse_list(p, TOK_RPAREN, false, &open, &l))
		return NULL;
	n = node_new(p->f, NODE_CALL, off, p->last_end - off);
	n->at = name->off;
	n->at_len = name->len;
	n->name = name->text;
	n->member = target != NULL;
	n->arg = l.v;
	n->n = l.n;
	macro = macro_expand(p->f, n);
	return macro ? macro : n;
}

/* [ "." ] IDENT [ "(" [Args] ")" ] */
static struct node *parse_ident(struct parser *p)
{
	struct token name = p->tok;
	uint32_t off = p->tok.off;
	bool root = accept(p, TOK_DOT);
	struct node *n;

	name = p->tok;
	if (name.kind != TOK_IDENT)
		return unexpected(p, "a name");
	if (name.reserved)
		return stop(p, &name, habit(&name), "this word is reserved");
	advance(p);
	if (p->tok.kind == TOK_LPAREN)
		return parse_call(p, NULL, &name);
	n = node_new(p->f, NODE_IDENT, off, p->last_end - off);
	n->name = name.text;
	n->root = root;
	return n;
}

/* Primary = Literal | "(" Expr ")" | List | Map | ["."] IDENT [ "(" [Args] ")" ] */
static struct node *parse_primary(struct parser *p)
{
	switch (p->tok.kind) {
	case TOK_INT:
		return parse_int_literal(p, NULL);
	case TOK_UINT:
	case TOK_DOUBLE:
	case TOK_STRING:
	case TOK_BYTES:
		return parse_literal(p, p->tok.value);
	case TOK_TRUE:
	case TOK_FALSE:
		return parse_literal(p, value_bool(p->tok.kind == TOK_TRUE));
	case TOK_NULL:
		return parse_literal(p, value_null());
	case TOK_LPAREN:
		return parse_paren(p);
	case TOK_LBRACKET:
		return parse_list_literal(p);
	case TOK_LBRACE:
		return parse_map(p);
	case TOK_IDENT:
	case TOK_DOT:
		return parse_ident(p);
	default:
		return unexpected(p, "a value");
	}
}

/* "." Selector | "." IDENT "(" [Args] ")" */
static struct node *parse_select(struct parser *p, struct node *of)
{
	struct token name;
	struct node *n;

	advance(p);
	no_optional(p);
	name = p->tok;
	if (p->panic)
		return NULL;
	if (name.kind != TOK_IDENT && name.kind != TOK_QUOTED)
		return unexpected(p, "a field name after '.'");
	advance(p);
	if (p->tok.kind == TOK_LPAREN && name.kind == TOK_IDENT)
		return parse_call(p, of, &name);
	n = node_of1(p->f, NODE_SELECT, of);
	n->len = p->last_end - of->off;
	n->at = name.off;
	n->at_len = name.len;
	n->name = name.text;
	n->quoted = name.kind == TOK_QUOTED;
	return n;
}

/* "[" Expr "]" */
static struct node *parse_index(struct parser *p, struct node *of)
{
	struct token open = p->tok;
	struct node *n, *at;

	advance(p);
	no_optional(p);
	at = p->panic ? NULL : parse_ternary(p);
	if (!at || !expect_close(p, TOK_RBRACKET, &open))
		return NULL;
	n = node_of2(p->f, NODE_INDEX, of, at);
	n->len = p->last_end - of->off;
	n->at = open.off;
	n->at_len = p->last_end - open.off;
	return n;
}

static struct node *message_literal(struct parser *p, const struct node *name)
{
	char msg[120];

	g_snprintf(msg, sizeof(msg), "'%.*s' is not a message type",
	    MIN((int)name->len, 60), p->lex.text.p + name->off);
	return stop(p, &(struct token){ .kind = TOK_IDENT, .off = name->off,
	    .len = name->len }, NULL, msg);
}

/* Member = Primary { "." Selector | "." IDENT "(" [Args] ")" | "[" Expr "]" } */
static struct node *parse_member(struct parser *p)
{
	struct node *n = parse_primary(p);

	while (n) {
		if (p->tok.kind == TOK_DOT)
			n = parse_select(p, n);
		else if (p->tok.kind == TOK_LBRACKET)
			n = parse_index(p, n);
		else if (p->tok.kind == TOK_LBRACE &&
		    (n->kind == NODE_IDENT || n->kind == NODE_SELECT))
			n = message_literal(p, n);
		else
			break;
	}
	return n;
}

/* Unary = Member | "!" { "!" } Member | "-" { "-" } Member     -- not mixed; pairs
 * cancel, and the last minus belongs to a number directly behind it. */
static struct node *parse_unary(struct parser *p)
{
	enum token_kind sign = p->tok.kind;
	struct token first = p->tok, last = p->tok;
	struct node *n, *operand;
	unsigned count = 0;

	if (sign != TOK_NOT && sign != TOK_MINUS)
		return parse_member(p);
	for (; p->tok.kind == sign; advance(p), count++)
		last = p->tok;
	if (sign == TOK_MINUS && p->tok.kind == TOK_INT && p->tok.value.u == 1ull << 63) {
		operand = parse_int_literal(p, &last);
		count--;
	} else {
		operand = parse_member(p);
	}
	if (!operand || count % 2 == 0)
		return operand;
	n = node_of1(p->f, NODE_UNARY, operand);
	n->op = sign == TOK_NOT ? OPR_NOT : OPR_NEG;
	n->off = n->at = first.off;
	n->len = operand->off + operand->len - first.off;
	n->at_len = 1;
	return n;
}

struct level {
	int		 power;		/* 0: no binary operator */
	enum node_kind	 kind;
	enum operator	 op;
};

static struct level binary_level(enum token_kind kind)
{
	static const struct level levels[TOK_OTHER + 1] = {
		[TOK_OR] = { 1, NODE_OR, 0 }, [TOK_AND] = { 2, NODE_AND, 0 },
		[TOK_LT] = { 3, NODE_BINARY, OPR_LT },
		[TOK_LE] = { 3, NODE_BINARY, OPR_LE },
		[TOK_GT] = { 3, NODE_BINARY, OPR_GT },
		[TOK_GE] = { 3, NODE_BINARY, OPR_GE },
		[TOK_EQ] = { 3, NODE_BINARY, OPR_EQ },
		[TOK_NE] = { 3, NODE_BINARY, OPR_NE },
		[TOK_IN] = { 3, NODE_BINARY, OPR_IN },
		[TOK_PLUS] = { 4, NODE_BINARY, OPR_ADD },
		[TOK_MINUS] = { 4, NODE_BINARY, OPR_SUB },
		[TOK_STAR] = { 5, NODE_BINARY, OPR_MUL },
		[TOK_SLASH] = { 5, NODE_BINARY, OPR_DIV },
		[TOK_PERCENT] = { 5, NODE_BINARY, OPR_MOD },
	};

	return levels[kind];
}

/* Or = And { "||" And }   And = Rel { "&&" Rel }   Rel = Add { relop Add }
 * Add = Mul { ("+" | "-") Mul }   Mul = Unary { ("*" | "/" | "%") Unary } */
static struct node *parse_binary(struct parser *p, int power)
{
	struct node *left = parse_unary(p);

	while (left) {
		struct level l = binary_level(p->tok.kind);
		struct token op = p->tok;
		struct node *right, *n;

		if (l.power == 0 || l.power < power)
			break;
		advance(p);
		right = parse_binary(p, l.power + 1);
		if (!right)
			return NULL;
		n = node_of2(p->f, l.kind, left, right);
		n->op = l.op;
		n->at = op.off;
		n->at_len = op.len;
		left = n;
	}
	return left;
}

/* [ "?" Or ":" Expr ] behind a condition */
static struct node *parse_branches(struct parser *p, struct node *cond)
{
	struct node *n, *yes, *no;

	if (!accept(p, TOK_QUESTION))
		return cond;
	yes = parse_binary(p, 1);
	if (!yes)
		return NULL;
	if (!accept(p, TOK_COLON))
		return unexpected(p, "':' of 'condition ? a : b'");
	no = parse_ternary(p);
	if (!no)
		return NULL;
	n = node_args(p->f, node_new(p->f, NODE_COND, cond->off,
	    no->off + no->len - cond->off), 3);
	n->arg[0] = cond;
	n->arg[1] = yes;
	n->arg[2] = no;
	return n;
}

/* Expr = Or [ "?" Or ":" Expr ] */
static struct node *parse_ternary(struct parser *p)
{
	struct node *n;

	if (++p->depth > AST_DEPTH)
		return stop(p, &p->tok, NULL, "nested too deeply (over 64 levels)");
	n = parse_binary(p, 1);
	if (n)
		n = parse_branches(p, n);
	p->depth--;
	return n;
}

/* `not x`, `x and y`: the habit's word stands where an operator should. */
static void trailing(struct parser *p, const struct node *n)
{
	struct token before = { .kind = TOK_IDENT, .text = n->name, .off = n->off,
		.len = n->len };

	char msg[60];

	g_snprintf(msg, sizeof(msg), "unexpected '%.*s'", (int)MIN(n->name.len, 40),
	    n->name.p);
	if (n->kind == NODE_IDENT && habit(&before) && !habit(&p->tok))
		stop(p, &before, habit(&before), msg);
	else
		unexpected(p, "an operator or the end");
}

struct node *parse_expr(struct front *f, uint32_t from, uint32_t to)
{
	struct parser p = { .f = f, .lex = { .front = f, .text = f->src->text,
	    .pos = from,
		.end = to } };
	uint32_t errors = f->errors;
	struct node *n;

	advance(&p);
	n = parse_ternary(&p);
	if (n && p.tok.kind != TOK_END)
		trailing(&p, n);
	return f->errors == errors ? n : NULL;
}
