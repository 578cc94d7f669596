/* The syntax tree, from parser to compiler.  Nodes live in the arena of the
 * program; every one knows the bytes it came from. */
#ifndef EXPR_AST_H
#define EXPR_AST_H

#include "expr/expr.h"
#include "expr/ops.h"

struct fn;
struct regex;

#define AST_NODES 4096		/* per expression */
#define AST_DEPTH 64		/* of nested brackets, calls and ternaries */

enum node_kind {
	NODE_CONST = 1, NODE_IDENT, NODE_SELECT, NODE_HAS, NODE_INDEX, NODE_UNARY,
	NODE_BINARY, NODE_AND, NODE_OR, NODE_COND, NODE_CALL, NODE_LIST, NODE_MAP,
	NODE_LOOP, NODE_BIND, NODE_CONCAT,
	/* made by the checker */
	NODE_INPUT, NODE_HAS_INPUT, NODE_LOCAL,
};

enum loop_kind {
	LOOP_ALL = 1, LOOP_EXISTS, LOOP_EXISTS_ONE, LOOP_MAP, LOOP_FILTER,
	LOOP_TO_MAP, LOOP_TO_ENTRY,
};

/* Sets of value tags: what a sub-expression can evaluate to.  Dynamic is "all". */
#define TYPE_OF(tag) (1u << (tag))
#define TYPE_NULL TYPE_OF(VALUE_NULL)
#define TYPE_BOOL TYPE_OF(VALUE_BOOL)
#define TYPE_INT TYPE_OF(VALUE_INT)
#define TYPE_UINT TYPE_OF(VALUE_UINT)
#define TYPE_DOUBLE TYPE_OF(VALUE_DOUBLE)
#define TYPE_STRING TYPE_OF(VALUE_STRING)
#define TYPE_BYTES TYPE_OF(VALUE_BYTES)
#define TYPE_LIST TYPE_OF(VALUE_LIST)
#define TYPE_MAP TYPE_OF(VALUE_MAP)
#define TYPE_TIME TYPE_OF(VALUE_TIMESTAMP)
#define TYPE_DURATION TYPE_OF(VALUE_DURATION)
#define TYPE_TYPE TYPE_OF(VALUE_TYPE)
#define TYPE_OPT TYPE_OF(VALUE_OPTIONAL)
#define TYPE_HOST TYPE_OF(VALUE_HOST)
#define TYPE_NUMBER (TYPE_INT | TYPE_UINT | TYPE_DOUBLE)
#define TYPE_DYN 0xffffu

struct node {
	enum node_kind	 kind;
	enum operator	 op;		/* UNARY, BINARY */
	enum loop_kind	 loop;
	unsigned	 type;		/* TYPE_* set; by the checker */
	bool		 member;	/* CALL: arg[0] is the receiver */
	bool		 root;		/* IDENT: written with a leading dot */
	bool		 quoted;	/* SELECT: the name stood in backticks */
	bool		 template;	/* CONCAT */
	uint32_t	 off, len;	/* of the whole sub-expression */
	uint32_t	 at, at_len;	/* where an error of this node is shown */
	struct str	 name;		/* of IDENT ... CALL; LOOP: first variable */
	struct str	 name2;		/* LOOP: second variable, or empty */
	struct value	 value;		/* CONST */
	/* UNARY, SELECT, HAS: operand.  BINARY, AND, OR, INDEX: two.  COND: three.
	 * CALL: receiver, arguments.  LIST: members.  MAP: key, value, key, value ...
	 * LOOP: range, filter or NULL, result or NULL.  BIND: init, body. */
	struct node	**arg;
	uint32_t	 n;
	struct expr_ref	 ref;		/* INPUT, HAS_INPUT */
	struct str	 path;		/* INPUT, HAS_INPUT: as written, for messages */
	uint32_t	 local;		/* LOCAL, LOOP, BIND: number of the variable */
	const struct fn	*fn;		/* CALL; NULL: a method of a host object */
};

/* What the passes of one compilation share. */
struct front {
	const struct expr_env *env;
	const struct expr_source *src;
	struct arena	*arena;
	struct diags	*diags;
	uint32_t	 errors;
	uint32_t	 nodes;
};

struct node *node_new(struct front *, enum node_kind, uint32_t off, uint32_t len);
/* Room for n arguments; returns the node. */
struct node *node_args(struct front *, struct node *, uint32_t n);
struct node *node_of1(struct front *, enum node_kind, struct node *);
struct node *node_of2(struct front *, enum node_kind, struct node *, struct node *);
bool node_is_const(const struct node *, enum value_tag);
/* An error at bytes of the source text, with an optional hint (NULL: none).  At
 * most FRONT_ERRORS are reported per expression. */
#define FRONT_ERRORS 20
void front_error(struct front *, uint32_t off, uint32_t len, const char *hint,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* "did you mean 'x'?", in the arena, or NULL. */
const char *front_nearest(struct front *, struct str word, const struct str *words,
    uint32_t n);
void node_dump(const struct node *, unsigned depth, GString *out);
/* "int", "int or string", "any"; in the arena. */
const char *type_text(struct front *, unsigned type);
#endif
