/* Tokens of CEL. */
#ifndef EXPR_LEX_H
#define EXPR_LEX_H

#include "expr/ast.h"

enum token_kind {
	TOK_END = 1, TOK_BAD,		/* BAD: reported already */
	TOK_INT, TOK_UINT, TOK_DOUBLE, TOK_STRING, TOK_BYTES,
	TOK_IDENT, TOK_QUOTED, TOK_TRUE, TOK_FALSE, TOK_NULL, TOK_IN,
	TOK_LPAREN, TOK_RPAREN, TOK_LBRACKET, TOK_RBRACKET, TOK_LBRACE, TOK_RBRACE,
	TOK_DOT, TOK_COMMA, TOK_QUESTION, TOK_COLON, TOK_PLUS, TOK_MINUS, TOK_STAR,
	TOK_SLASH, TOK_PERCENT, TOK_NOT, TOK_AND, TOK_OR, TOK_LT, TOK_LE, TOK_GT, TOK_GE,
	TOK_EQ, TOK_NE,
	TOK_OTHER,			/* a character CEL has no use for: = & | ; ... */
};

struct token {
	enum token_kind	 kind;
	uint32_t	 off, len;
	struct value	 value;		/* literals; an INT is held as u, without sign */
	struct str	 text;		/* IDENT, QUOTED: the name; else the source */
	bool		 reserved;	/* IDENT: only as a selector */
};

struct lexer {
	struct front	*front;
	struct str	 text;
	uint32_t	 pos, end;
};

struct token lex_next(struct lexer *);
#endif
