/* The program: registers, 8-byte instructions, a pool of constants.
 *
 * dst, and a where it is a register, count from the frame's start.  An error is
 * a value like others; instructions that jump on one say so. */
#ifndef EXPR_CODE_H
#define EXPR_CODE_H

#include "expr/ast.h"

#define CODE_REGISTERS 250

/* ORDER: ADD..IN as in enum operator; the fused groups as EQ NE LT LE GT GE. */
#define OPCODES(X) \
	X(K)		/* dst = k[b] */ \
	X(FIELD)	/* dst = fields[a]; k[b] if absent */ \
	X(VAR)		/* dst = vars[a]; k[b] if absent */ \
	X(MOVE)		/* dst = r[a] */ \
	X(SELECT)	/* dst = r[a].k[b] */ \
	X(INDEX)	/* dst = r[a][r[b]] */ \
	X(HAS)		/* dst = has(r[a].k[b]) */ \
	X(HAS_FIELD)	/* dst = fields[a] is there */ \
	X(HAS_VAR) \
	X(ADD) X(SUB) X(MUL) X(DIV) X(MOD) \
	X(EQ) X(NE) X(LT) X(LE) X(GT) X(GE) X(IN)	/* dst = r[a] op r[b] */ \
	X(NEG) X(NOT)	/* dst = op r[a] */ \
	X(AND) X(OR)	/* dst = r[a] op r[b], errors absorbed */ \
	X(ANDJ) X(ORJ)	/* dst = dst op r[a]; to b if that decides */ \
	X(JUMP)		/* to b */ \
	X(JF) X(JT)	/* to b if r[a] is false, true; no bool: r[a] = error */ \
	X(BOOL)		/* if r[a] is no bool: dst = error, to b */ \
	X(LIST)		/* dst = a new list to append to */ \
	X(APPEND)	/* dst gets r[a]; if that is an error: dst = it, to b */ \
	X(MAP) \
	X(PUT)		/* dst gets r[a]: r[a+1]; if an error: dst = it, to b */ \
	X(PUT_ALL)	/* dst gets the entries of r[a]; errors as PUT */ \
	X(MAP_END)	/* dst = the map, or an error for a key twice */ \
	X(ITER)		/* r[dst] = r[a] to loop over, from r[dst+1] = 0; error: to b */ \
	X(NEXT)		/* dst = next of r[a], or to b */ \
	X(NEXT2)	/* dst, dst+1 = next index and member, or key and value */ \
	X(COUNT)	/* dst += r[a]; if r[a] is no bool: dst = error, to b */ \
	X(ONE)		/* dst = r[a] == 1 */ \
	X(CALL)		/* dst = fns[b >> 8](r[a]...), b & 255 of them */ \
	X(METHOD)	/* dst = host r[a], method k[b >> 8] */ \
	X(MATCH)	/* dst = r[a] matches regex b */ \
	X(IN_SET)	/* dst = r[a] in the keys of map k[b] */ \
	X(MARK)		/* trace row b = r[a] */ \
	X(RET)		/* r[a] is the result */ \
	X(F_EQ_D) X(F_NE_D) X(F_LT_D) X(F_LE_D) X(F_GT_D) X(F_GE_D) \
	X(F_EQ_I) X(F_NE_I) X(F_LT_I) X(F_LE_I) X(F_GT_I) X(F_GE_I) \
	X(F_EQ_S) X(F_NE_S)	/* dst = fields[a] op k[b]; k[b+1] if absent */

#define OPCODE(name) OP_##name,
enum opcode { OPCODES(OPCODE) OP_MAX };
#undef OPCODE
extern const char *const opcode_names[];

struct insn {
	uint8_t		 op, dst;
	uint16_t	 a;
	uint32_t	 b;
};
/* One stream of instructions; pos[i] is the source offset of v[i]. */
struct code {
	struct insn	*v;
	uint32_t	*pos;
	uint32_t	 n;
};
struct mark {
	uint32_t	 off, len;
	uint8_t		 depth;
};
struct prog {
	struct str	 text;
	struct code	 plain, traced;
	const struct value *k;
	uint32_t	 k_n;
	const struct fn	**fns;
	const struct regex **regexes;
	const struct mark *marks;
	uint32_t	 marks_n;
	const struct expr_ref *inputs;
	uint32_t	 inputs_n;
	const struct expr_equal *equals;
	uint32_t	 equals_n;
	bool		 is_const;
	struct value	 constant;
	const struct node *tree;
};

/* False after an error (too many registers, a bad pattern). */
bool compile_tree(struct front *, const struct node *, struct prog *);
#endif
