/* Text to tokens.
 *
 * Positions are bytes of the expression's text.  A malformed token is reported
 * once, here, and handed on as TOK_BAD, on which the parser stays silent.
 *
 * To add an operator: the enum in lex.h, two_chars() or one_char(), and the
 * parser's binary levels. */
#include "expr/lex.h"

#include "base/arena.h"
#include "base/check.h"
#include "expr/number.h"
#include "expr/utf8.h"

static int peek(const struct lexer *l, uint32_t ahead)
{
	return l->pos + ahead < l->end ? (uint8_t)l->text.p[l->pos + ahead] : -1;
}

static bool is_ident(int c)
{
	return c == '_' || (c >= 0 && c < 128 && g_ascii_isalnum((char)c));
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static void skip_space(struct lexer *l)
{
	for (int c; (c = peek(l, 0)) >= 0; l->pos++) {
		if (c == '/' && peek(l, 1) == '/') {
			while (peek(l, 0) >= 0 && peek(l, 0) != '\n')
				l->pos++;
			l->pos--;
		} else if (c != ' ' && (c < '\t' || c > '\r' || c == '\v')) {
			return;
		}
	}
}

static struct token token(const struct lexer *l, enum token_kind kind, uint32_t from)
{
	return (struct token){ .kind = kind, .off = from, .len = l->pos - from,
		.text = { l->text.p + from, l->pos - from } };
}

static struct token bad(struct lexer *l, uint32_t from, uint32_t off, const char *msg)
{
	front_error(l->front, off, l->pos > off ? l->pos - off : 1, NULL, "%s", msg);
	return token(l, TOK_BAD, from);
}

static bool hex_digits(struct str s, uint64_t *ret)
{
	uint64_t u = 0;

	if (s.len == 0)
		return false;
	for (uint32_t i = 0; i < s.len; i++) {
		if (u >> 60)
			return false;
		u = u << 4 | (uint64_t)g_ascii_xdigit_value(s.p[i]);
	}
	*ret = u;
	return true;
}

static bool skip_exponent(struct lexer *l)
{
	uint32_t n = peek(l, 1) == '+' || peek(l, 1) == '-' ? 2 : 1;

	if ((peek(l, 0) != 'e' && peek(l, 0) != 'E') || !is_digit(peek(l, n)))
		return false;
	for (l->pos += n; is_digit(peek(l, 0)); )
		l->pos++;
	return true;
}

static struct token lex_hex(struct lexer *l, uint32_t from)
{
	struct token t;
	uint64_t u = 0;
	bool ok;

	l->pos += 2;
	while (peek(l, 0) >= 0 && g_ascii_isxdigit((char)peek(l, 0)))
		l->pos++;
	ok = hex_digits((struct str){ l->text.p + from + 2, l->pos - from - 2 }, &u);
	t = token(l, TOK_INT, from);
	if (peek(l, 0) == 'u' || peek(l, 0) == 'U') {
		l->pos++;
		t = token(l, TOK_UINT, from);
	}
	t.value = (struct value){ .tag = VALUE_UINT, .u = u };
	return ok ? t : bad(l, from, from, "invalid hexadecimal number");
}

static struct token lex_number(struct lexer *l)
{
	uint32_t from = l->pos;
	bool fraction = false;
	struct token t;
	double d = 0;
	uint64_t u = 0;

	if (peek(l, 0) == '0' && peek(l, 1) == 'x')
		return lex_hex(l, from);
	while (is_digit(peek(l, 0)))
		l->pos++;
	if (peek(l, 0) == '.' && is_digit(peek(l, 1))) {
		fraction = true;
		for (l->pos++; is_digit(peek(l, 0)); )
			l->pos++;
	}
	fraction |= skip_exponent(l);
	t = token(l, TOK_INT, from);
	if (fraction) {
		t.kind = TOK_DOUBLE;
		if (!parse_double(t.text, &d))
			return bad(l, from, from, "invalid double literal: out of range");
		t.value = value_double(d);
		return t;
	}
	if (!parse_uint(t.text, &u))
		return bad(l, from, from, "invalid int literal: out of range");
	if (peek(l, 0) == 'u' || peek(l, 0) == 'U') {
		l->pos++;
		t = token(l, TOK_UINT, from);
	}
	t.value = (struct value){ .tag = VALUE_UINT, .u = u };
	return t;
}

/* `n` hexadecimal or octal digits at l->pos as a number; UINT32_MAX if short. */
static uint32_t escape_digits(struct lexer *l, uint32_t n, unsigned base)
{
	uint32_t u = 0;

	for (uint32_t i = 0; i < n; i++, l->pos++) {
		int c = peek(l, 0);
		int d = c < 0 || c > 127 ? -1 : g_ascii_xdigit_value((char)c);

		if (d < 0 || (unsigned)d >= base)
			return UINT32_MAX;
		u = u * base + (unsigned)d;
	}
	return u;
}

static bool simple_escape(int c, char *ret)
{
	static const char names[] = "abfnrtv\\?\"'`", values[] = "\a\b\f\n\r\t\v\\?\"'`";
	const char *p = c > 0 ? strchr(names, c) : NULL;

	if (p)
		*ret = values[p - names];
	return p != NULL;
}

/* The escape at l->pos (after the backslash) into out[4].  Its length, or 0. */
static uint32_t lex_escape(struct lexer *l, bool bytes, char *out)
{
	int c = peek(l, 0);
	uint32_t u;

	if (simple_escape(c, out)) {
		l->pos++;
		return 1;
	}
	if (c >= '0' && c <= '3') {
		u = escape_digits(l, 3, 8);
	} else if (c == 'x' || c == 'X') {
		l->pos++;
		u = escape_digits(l, 2, 16);
	} else if ((c == 'u' || c == 'U') && !bytes) {
		l->pos++;
		u = escape_digits(l, c == 'u' ? 4 : 8, 16);
	} else {
		return 0;
	}
	if (u > 0x10ffff || (u >= 0xd800 && u <= 0xdfff))
		return 0;
	if (bytes) {
		*out = (char)u;
		return 1;
	}
	return utf8_encode(u, out);
}

static bool at_quote(const struct lexer *l, int quote, bool triple)
{
	return peek(l, 0) == quote && (!triple ||
	    (peek(l, 1) == quote && peek(l, 2) == quote));
}

/* A string whose prefix letters (b, r) end at l->pos. */
static struct token lex_string(struct lexer *l, uint32_t from, bool bytes, bool raw)
{
	int quote = peek(l, 0);
	bool triple = peek(l, 1) == quote && peek(l, 2) == quote;
	uint32_t start = l->pos, n = 0, esc;
	struct token t;
	char *buf;

	l->pos += triple ? 3 : 1;
	buf = arena_alloc(l->front->arena, (size_t)(l->end - l->pos) + 4);
	CHECK(buf);
	while (!at_quote(l, quote, triple)) {
		int c = peek(l, 0);

		if (c < 0 || (!triple && (c == '\n' || c == '\r'))) {
			t = bad(l, from, start, "this quote is not closed");
			l->pos = c < 0 ? l->end : l->pos;
			return t;
		}
		l->pos++;
		if (c != '\\' || raw) {
			buf[n++] = (char)c;
			continue;
		}
		esc = l->pos - 1;
		c = (int)lex_escape(l, bytes, buf + n);
		if (c == 0) {
			l->pos += peek(l, 0) >= 0;
			bad(l, from, esc, "invalid escape sequence in a string");
		}
		n += (uint32_t)c;
	}
	l->pos += triple ? 3 : 1;
	t = token(l, bytes ? TOK_BYTES : TOK_STRING, from);
	t.value = value_str((struct str){ buf, n });
	if (bytes)
		t.value.tag = VALUE_BYTES;
	return t;
}

static enum token_kind keyword(struct str s, bool *reserved)
{
	static const char *const words[] = { "as", "break", "const", "continue", "else",
		"for", "function", "if", "import", "let", "loop", "package", "namespace",
		"return", "var", "void", "while" };

	if (str_is(s, STR("true")))
		return TOK_TRUE;
	if (str_is(s, STR("false")))
		return TOK_FALSE;
	if (str_is(s, STR("null")))
		return TOK_NULL;
	if (str_is(s, STR("in")))
		return TOK_IN;
	for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
		*reserved |= str_is(s, str_of(words[i]));
	return TOK_IDENT;
}

static struct token lex_word(struct lexer *l)
{
	uint32_t from = l->pos, n = 0;
	bool bytes, raw;
	struct token t;

	bytes = peek(l, 0) == 'b' || peek(l, 0) == 'B';
	n += bytes;
	raw = peek(l, n) == 'r' || peek(l, n) == 'R';
	n += raw;
	if (n && (peek(l, n) == '"' || peek(l, n) == '\'')) {
		l->pos += n;
		return lex_string(l, from, bytes, raw);
	}
	while (is_ident(peek(l, 0)))
		l->pos++;
	t = token(l, TOK_IDENT, from);
	t.kind = keyword(t.text, &t.reserved);
	return t;
}

static struct token lex_quoted(struct lexer *l)
{
	uint32_t from = l->pos++;
	struct token t;

	while (is_ident(peek(l, 0)) || (peek(l, 0) > 0 && strchr("_.-/ ", peek(l, 0))))
		l->pos++;
	if (peek(l, 0) != '`' || l->pos == from + 1)
		return bad(l, from, from, "a name in backticks holds letters, digits and "
		    "_ . - / or space");
	l->pos++;
	t = token(l, TOK_QUOTED, from);
	t.text = (struct str){ t.text.p + 1, t.text.len - 2 };
	return t;
}

static enum token_kind two_chars(int a, int b)
{
	if (a == '&' && b == '&')
		return TOK_AND;
	if (a == '|' && b == '|')
		return TOK_OR;
	if (b != '=')
		return 0;
	if (a == '=' || a == '!')
		return a == '=' ? TOK_EQ : TOK_NE;
	return a == '<' ? TOK_LE : a == '>' ? TOK_GE : 0;
}

static enum token_kind one_char(int c)
{
	static const struct { char c; enum token_kind kind; } map[] = {
		{ '(', TOK_LPAREN }, { ')', TOK_RPAREN }, { '[', TOK_LBRACKET },
		{ ']', TOK_RBRACKET }, { '{', TOK_LBRACE }, { '}', TOK_RBRACE },
		{ '.', TOK_DOT }, { ',', TOK_COMMA }, { '?', TOK_QUESTION },
		{ ':', TOK_COLON }, { '+', TOK_PLUS }, { '-', TOK_MINUS },
		{ '*', TOK_STAR }, { '/', TOK_SLASH }, { '%', TOK_PERCENT },
		{ '!', TOK_NOT }, { '<', TOK_LT }, { '>', TOK_GT },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(map); i++)
		if (map[i].c == c)
			return map[i].kind;
	return TOK_OTHER;
}

static struct token lex_other(struct lexer *l)
{
	uint32_t from = l->pos, cp;
	enum token_kind kind = two_chars(peek(l, 0), peek(l, 1));

	if (kind) {
		l->pos += 2;
		return token(l, kind, from);
	}
	l->pos += utf8_decode(l->text.p + from, l->text.p + l->end, &cp);
	if (l->pos == from) {
		l->pos++;
		return bad(l, from, from, "not UTF-8");
	}
	return token(l, one_char((uint8_t)l->text.p[from]), from);
}

struct token lex_next(struct lexer *l)
{
	int c, d;

	skip_space(l);
	c = peek(l, 0);
	d = peek(l, 1);
	if (c < 0)
		return token(l, TOK_END, l->pos);
	if (is_digit(c) || (c == '.' && is_digit(d)))
		return lex_number(l);
	if (is_ident(c))
		return lex_word(l);
	if (c == '"' || c == '\'')
		return lex_string(l, l->pos, false, false);
	if (c == '`')
		return lex_quoted(l);
	return lex_other(l);
}
