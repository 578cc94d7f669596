/* The machine: one loop over instructions, registers on the C stack.
 *
 * Invariants
 *   (1) A register never holds ABSENT or RAW: FIELD and VAR turn the first into
 *       an error and the second into its value.
 *   (2) Every error has a position: value.len is the source offset + 1.
 *   (3) Costs are the same in both streams: a fused instruction charges what its
 *       parts would.  The limit is tested where lengths or loops are charged and
 *       at the end, so both streams agree on whether it was exceeded.
 *   (4) A limit ends the evaluation; no operator absorbs it.
 *
 * To add an instruction: OPCODES in code.h and a label here. */
#include "expr/machine.h"

#include "base/arena.h"
#include "expr/map.h"
#include "expr/regex.h"

#define LIMIT_ITERATIONS "iteration limit of the evaluation"
#define OP_NAME(name) #name,
const char *const opcode_names[] = { OPCODES(OP_NAME) };
#undef OP_NAME

/* Registers need no clearing; the compiler option that clears them costs more
 * than a short program. */
#if defined(__has_attribute) && __has_attribute(uninitialized)
#define UNINITIALIZED __attribute__((uninitialized))
#else
#define UNINITIALIZED
#endif

static struct value at_pos(struct value v, uint32_t pos)
{
	if (v.tag == VALUE_ERROR && v.len == 0)
		v.len = pos + 1;
	return v;
}

static bool failed(struct value v)
{
	return v.tag == VALUE_ERROR;
}

static bool is_limit(struct value v)
{
	return v.tag == VALUE_ERROR && v.aux == VALUE_COST;
}

/* What a slot holds, as an operand.  RAW is parsed; the caller keeps the value. */
static struct value load(struct machine *m, struct value v, const struct value *absent)
{
	if (v.tag == VALUE_ABSENT)
		return *absent;
	if (v.tag == VALUE_RAW) {
		m->cost += v.len / 10;
		v = value_from_json(value_as_str(v), m->arena);
	}
	if (v.tag == VALUE_ERROR && v.len == 0)
		v.len = absent->len;
	return v;
}

static struct value load_field(struct machine *m, uint32_t i, const struct value *absent)
{
	struct value *slot = &m->eval->fields[i];
	struct value v = load(m, *slot, absent);

	if (slot->tag == VALUE_RAW && !failed(v))
		*slot = v;
	return v;
}

static struct value binary(struct machine *m, enum operator op, struct value a,
    struct value b, uint32_t pos)
{
	m->cost++;
	if (failed(a))
		return a;
	if (failed(b))
		return b;
	m->cost += op_cost(op, a, b);
	if (m->cost > m->cost_max)
		return value_fail_cost(LIMIT_COST);
	return at_pos(op_binary(op, a, b, m->arena), pos);
}

static struct value append(struct machine *m, struct value *list, struct value item)
{
	struct value_list *l = (struct value_list *)(uintptr_t)list->list;
	struct value *v = arena_grow(m->arena, (void *)(uintptr_t)l->v, l->n, &list->len,
	    sizeof(*v));

	if (!v)
		return value_fail_cost("memory limit of the evaluation");
	v[l->n++] = item;
	l->v = v;
	return item;
}

/* A map under construction: value.map points to its first member. */
struct builder {
	struct value_map map;
	uint32_t	 keys_cap, values_cap;
};

static struct value put(struct machine *m, struct value map, struct value k,
    struct value v)
{
	struct builder *b = (struct builder *)(uintptr_t)map.map;
	struct value *keys, *values;

	if (!map_key_ok(k))
		return value_fail(m->arena, VALUE_BAD_ARGUMENT,
		    "unsupported key type '%s'", type_word(k));
	keys = arena_grow(m->arena, (void *)(uintptr_t)b->map.keys, b->map.n,
	    &b->keys_cap, sizeof(*keys));
	values = arena_grow(m->arena, (void *)(uintptr_t)b->map.values, b->map.n,
	    &b->values_cap, sizeof(*values));
	if (!keys || !values)
		return value_fail_cost("memory limit of the evaluation");
	keys[b->map.n] = k;
	values[b->map.n++] = v;
	b->map.keys = keys;
	b->map.values = values;
	return v;
}

static struct value put_all(struct machine *m, struct value map, struct value from)
{
	struct value v = value_null();

	if (from.tag != VALUE_MAP)
		return value_fail(m->arena, VALUE_NO_OVERLOAD,
		    "transformMapEntry() needs a map, not type '%s'", type_word(from));
	for (uint32_t i = 0; i < from.map->n && !failed(v); i++)
		v = put(m, map, from.map->keys[i], from.map->values[i]);
	return v;
}

static struct value map_end(struct machine *m, struct value map)
{
	struct builder *b = (struct builder *)(uintptr_t)map.map;
	const struct value *dup;
	struct value v;
	GString *s;

	if (!machine_charge(m, b->map.n))
		return value_fail_cost(LIMIT_COST);
	if (map_index(&b->map, m->arena, &dup))
		return map;
	if (!dup)
		return value_fail_cost("memory limit of the evaluation");
	s = g_string_new("map key ");
	value_print(*dup, s);
	v = value_fail(m->arena, VALUE_BAD_ARGUMENT, "%s occurs twice", s->str);
	g_string_free(s, TRUE);
	return v;
}

static struct value new_list(struct machine *m)
{
	m->cost += 10;
	return value_list_of(NULL, 0, m->arena);
}

static struct value new_map(struct machine *m)
{
	struct builder *b = ARENA_NEW(m->arena, struct builder);

	m->cost += 30;
	if (!b)
		return value_fail_cost("memory limit of the evaluation");
	return (struct value){ .tag = VALUE_MAP, .map = &b->map };
}

static struct value loop_range(struct machine *m, struct value v)
{
	if (v.tag == VALUE_LIST || v.tag == VALUE_MAP || v.tag == VALUE_ERROR ||
	    (v.tag == VALUE_HOST && v.host->ops->next))
		return v;
	return value_fail(m->arena, VALUE_NO_OVERLOAD, "type '%s' cannot be looped over",
	    type_word(v));
}

enum step { STEP_ITEM, STEP_END, STEP_LIMIT };

/* One turn of a loop: *k is the index or key, *v the member or value. */
static enum step step(struct machine *m, struct value *it, struct value *k,
    struct value *v)
{
	uint32_t i = (uint32_t)it[1].i;

	if (it->tag == VALUE_HOST) {
		if (!it->host->ops->next(it->host, &i, k, v, m->arena))
			return STEP_END;
		it[1].i = i;
	} else if (i >= (it->tag == VALUE_LIST ? it->list->n : it->map->n)) {
		return STEP_END;
	} else {
		*k = it->tag == VALUE_LIST ? value_int(i) : it->map->keys[i];
		*v = it->tag == VALUE_LIST ? it->list->v[i] : it->map->values[i];
		it[1].i++;
	}
	m->cost++;
	return m->iterations-- == 0 || m->cost > m->cost_max ? STEP_LIMIT : STEP_ITEM;
}

static struct value host_call(struct machine *m, struct str name, const struct value *arg,
    unsigned n)
{
	struct value v = { .tag = VALUE_ABSENT };

	if (arg[0].tag == VALUE_HOST && arg[0].host->ops->call)
		v = arg[0].host->ops->call(arg[0].host, name, arg + 1, n - 1, m->arena);
	return v;
}

static const struct value *first_error(const struct value *arg, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (failed(arg[i]))
			return &arg[i];
	return NULL;
}

static struct value call(struct machine *m, const struct fn *fn, const struct value *arg,
    unsigned n, uint32_t pos)
{
	const struct value *error = first_error(arg, n);
	struct value v;

	if (error)
		return *error;
	if (!machine_charge(m, 1))
		return value_fail_cost(LIMIT_COST);
	if (arg[0].tag == VALUE_HOST && fn->style == FN_MEMBER) {
		v = host_call(m, str_of(fn->name), arg, n);
		if (v.tag != VALUE_ABSENT)
			return at_pos(v, pos);
	}
	return at_pos(fn->call(m, arg, n), pos);
}

static struct value method(struct machine *m, struct value name, const struct value *arg,
    unsigned n, uint32_t pos)
{
	const struct value *error = first_error(arg, n);
	struct value v;
	char *text;

	if (error)
		return *error;
	if (!machine_charge(m, 1))
		return value_fail_cost(LIMIT_COST);
	v = host_call(m, value_as_str(name), arg, n);
	if (v.tag == VALUE_ABSENT) {
		text = g_strndup(name.s, name.len);
		v = fn_refuse(m, text, FN_MEMBER, arg, n);
		g_free(text);
	}
	return at_pos(v, pos);
}

static struct value match(struct machine *m, const struct regex *re, struct value s)
{
	m->cost++;
	if (failed(s))
		return s;
	if (s.tag != VALUE_STRING)
		return value_fail(m->arena, VALUE_NO_OVERLOAD,
		    "no such overload: %s.matches(string)", type_word(s));
	return regex_match(re, value_as_str(s), m);
}

static struct value not_bool(struct machine *m, struct value v, uint32_t pos)
{
	return failed(v) ? v : at_pos(value_fail(m->arena, VALUE_NO_OVERLOAD,
	    "expected a bool, found type '%s'", type_word(v)), pos);
}

/* The slow way of a fused comparison: any tags. */
static struct value fused(struct machine *m, struct insn i, const struct value *k,
    uint32_t pos)
{
	enum operator op = OPR_EQ + (i.op - OP_F_EQ_D) % 6;

	m->cost++;
	return binary(m, op, load_field(m, i.a, &k[1]), k[0], pos);
}

#define SMALL(i) ((i) >= -(INT64_C(1) << 53) && (i) <= (INT64_C(1) << 53))
#define NEXT goto *labels[(++pc)->op]
#define JUMP(to) do { pc = code->v + (to); goto *labels[pc->op]; } while (0)
#define D (r[pc->dst])
#define A (r[pc->a])
#define B (r[pc->b])
#define POS (code->pos[pc - code->v])
#define YIELD_BOOL(e) \
	do { \
		D = (struct value){ .tag = VALUE_BOOL, .i = (e) }; \
		NEXT; \
	} while (0)
/* Also: true before ANDJ, false before ORJ changes nothing; skip both. */
#define YIELD_CLAUSE(e) \
	do { \
		bool yes = (e); \
		if (pc[1].op == (yes ? OP_ANDJ : OP_ORJ)) { \
			pc++; \
			NEXT; \
		} \
		D = (struct value){ .tag = VALUE_BOOL, .i = yes }; \
		NEXT; \
	} while (0)
/* A call that charges: `cost` is m->cost kept in a register. */
#define SLOW(e) (m->cost = cost, t = (e), cost = m->cost, t)
#define CHECKED(e) do { D = SLOW(e); if (is_limit(t)) return t; NEXT; } while (0)
#define IS(v, b) ((v).tag == VALUE_BOOL && (v).i == (b))

/* int op int and double op double at once; the rest through binary(). */
#define ARITH(name, builtin, op) \
	L_##name: \
		if (A.tag == VALUE_INT && B.tag == VALUE_INT) { \
			int64_t sum; \
			if (!builtin(A.i, B.i, &sum)) { \
				cost++; \
				D = value_int(sum); \
				NEXT; \
			} \
		} else if (A.tag == VALUE_DOUBLE && B.tag == VALUE_DOUBLE) { \
			cost++; \
			D = value_double(A.d op B.d); \
			NEXT; \
		} \
		goto slow;
#define RELATION(name, op) \
	L_##name: \
		if (A.tag == VALUE_INT && B.tag == VALUE_INT) { \
			cost++; \
			YIELD_BOOL(A.i op B.i); \
		} \
		if (A.tag == VALUE_DOUBLE && B.tag == VALUE_DOUBLE && A.d == A.d && \
		    B.d == B.d) { \
			cost++; \
			YIELD_BOOL(A.d op B.d); \
		} \
		goto slow;
#define FUSED_D(name, op) \
	L_F_##name##_D: { \
		const struct value *x = &fields[pc->a], *kk = &k[pc->b]; \
		if (x->tag == VALUE_DOUBLE && x->d == x->d) { \
			cost += 2; \
			YIELD_CLAUSE(x->d op kk->d); \
		} \
		if (x->tag == VALUE_INT && SMALL(x->i)) { \
			cost += 2; \
			YIELD_CLAUSE((double)x->i op kk->d); \
		} \
		goto slow_fused; \
	}
#define FUSED_I(name, op) \
	L_F_##name##_I: { \
		const struct value *x = &fields[pc->a]; \
		if (x->tag == VALUE_INT) { \
			cost += 2; \
			YIELD_CLAUSE(x->i op k[pc->b].i); \
		} \
		goto slow_fused; \
	}
#define FUSED_S(name, eq) \
	L_F_##name##_S: { \
		const struct value *x = &fields[pc->a], *kk = &k[pc->b]; \
		if (x->tag == VALUE_STRING) { \
			cost += 2 + MIN(x->len, kk->len) / 10; \
			YIELD_CLAUSE(str_is(value_as_str(*x), value_as_str(*kk)) == eq); \
		} \
		goto slow_fused; \
	}

#define LABEL(name) &&L_##name,

struct value machine_run(const struct prog *p, const struct code *code, struct machine *m,
    struct trace_row *marks)
{
	static const void *const labels[] = { OPCODES(LABEL) };
	struct value r[CODE_REGISTERS] UNINITIALIZED;
	const struct insn *pc = code->v;
	const struct value *k = p->k, *fields = m->eval->fields;
	int64_t cost = m->cost;
	struct value t;
	enum step s;

	goto *labels[pc->op];
	L_K:
		D = k[pc->b];
		NEXT;
	L_FIELD:
		cost++;
		t = fields[pc->a];
		if (t.tag == VALUE_ABSENT || t.tag >= VALUE_RAW)
			(void)SLOW(load_field(m, pc->a, &k[pc->b]));
		D = t;
		NEXT;
	L_VAR:
		cost++;
		D = SLOW(load(m, m->eval->vars[pc->a], &k[pc->b]));
		NEXT;
	L_MOVE:
		D = A;
		NEXT;
	L_SELECT:
		cost++;
		D = failed(A) ? A : at_pos(op_select(A, value_as_str(k[pc->b]), m->arena),
		    POS);
		NEXT;
	L_INDEX:
		cost++;
		if (failed(A) || failed(B))
			D = failed(A) ? A : B;
		else
			D = at_pos(op_index(A, B, m->arena), POS);
		NEXT;
	L_HAS:
		cost++;
		if (value_is_no_data(A))
			YIELD_BOOL(false);
		D = failed(A) ? A : at_pos(op_has(A, value_as_str(k[pc->b]), m->arena),
		    POS);
		NEXT;
	L_HAS_FIELD:
		cost++;
		YIELD_BOOL(fields[pc->a].tag != VALUE_ABSENT && !failed(fields[pc->a]));
	L_HAS_VAR:
		cost++;
		YIELD_BOOL(m->eval->vars[pc->a].tag != VALUE_ABSENT &&
		    !failed(m->eval->vars[pc->a]));
	ARITH(ADD, __builtin_add_overflow, +)
	ARITH(SUB, __builtin_sub_overflow, -)
	ARITH(MUL, __builtin_mul_overflow, *)
	RELATION(EQ, ==)
	RELATION(NE, !=)
	RELATION(LT, <)
	RELATION(LE, <=)
	RELATION(GT, >)
	RELATION(GE, >=)
	L_DIV:
	L_MOD:
	L_IN:
	slow:
		CHECKED(binary(m, OPR_ADD + (pc->op - OP_ADD), A, B, POS));
	L_NEG:
	L_NOT:
		cost++;
		if (!failed(A))
			D = at_pos(op_unary(OPR_NEG + (pc->op - OP_NEG), A, m->arena),
			    POS);
		else
			D = A;
		NEXT;
	L_AND:
		D = IS(A, 1) && B.tag == VALUE_BOOL ? B : at_pos(op_and(A, B), POS);
		NEXT;
	L_OR:
		D = IS(A, 0) && B.tag == VALUE_BOOL ? B : at_pos(op_or(A, B), POS);
		NEXT;
	L_ANDJ:
		D = IS(D, 1) && A.tag == VALUE_BOOL ? A : at_pos(op_and(D, A), POS);
		if (IS(D, 0))
			JUMP(pc->b);
		NEXT;
	L_ORJ:
		D = IS(D, 0) && A.tag == VALUE_BOOL ? A : at_pos(op_or(D, A), POS);
		if (IS(D, 1))
			JUMP(pc->b);
		NEXT;
	L_JUMP:
		JUMP(pc->b);
	L_JF:
		if (IS(A, 0))
			JUMP(pc->b);
		if (A.tag != VALUE_BOOL)
			A = at_pos(op_and(A, A), POS);
		NEXT;
	L_JT:
		if (IS(A, 1))
			JUMP(pc->b);
		if (A.tag != VALUE_BOOL)
			A = at_pos(op_or(A, A), POS);
		NEXT;
	L_BOOL:
		if (A.tag == VALUE_BOOL)
			NEXT;
		D = not_bool(m, A, POS);
		JUMP(pc->b);
	L_LIST:
		CHECKED(new_list(m));
	L_APPEND:
		t = failed(A) ? A : append(m, &D, A);
		goto appended;
	L_MAP:
		CHECKED(new_map(m));
	L_PUT:
		t = failed(A) ? A : failed((&A)[1]) ? (&A)[1] : put(m, D, A, (&A)[1]);
		goto appended;
	L_PUT_ALL:
		t = failed(A) ? A : put_all(m, D, A);
	appended:
		if (!failed(t))
			NEXT;
		D = at_pos(t, POS);
		if (is_limit(t))
			return D;
		JUMP(pc->b);
	L_MAP_END:
		CHECKED(at_pos(map_end(m, D), POS));
	L_ITER:
		t = at_pos(loop_range(m, A), POS);
		(&D)[1] = value_int(0);
		D = t;
		if (failed(t))
			JUMP(pc->b);
		NEXT;
	L_NEXT:
		m->cost = cost;
		s = step(m, &A, &D, &t);
		if (s == STEP_ITEM && A.tag == VALUE_LIST)
			D = t;
		goto stepped;
	L_NEXT2:
		m->cost = cost;
		s = step(m, &A, &D, &D + 1);
	stepped:
		cost = m->cost;
		if (s == STEP_LIMIT)
			return value_fail_cost(m->cost > m->cost_max ? LIMIT_COST :
			    LIMIT_ITERATIONS);
		if (s == STEP_END)
			JUMP(pc->b);
		NEXT;
	L_COUNT:
		if (A.tag == VALUE_BOOL) {
			D.i += A.i;
			NEXT;
		}
		D = not_bool(m, A, POS);
		JUMP(pc->b);
	L_ONE:
		YIELD_BOOL(A.i == 1);
	L_CALL:
		CHECKED(call(m, p->fns[pc->b >> 8], &A, pc->b & 255, POS));
	L_METHOD:
		CHECKED(method(m, k[pc->b >> 8], &A, pc->b & 255, POS));
	L_MATCH:
		CHECKED(at_pos(match(m, p->regexes[pc->b], A), POS));
	L_IN_SET:
		cost++;
		if (!failed(A))
			YIELD_BOOL(map_find(k[pc->b].map, A) != UINT32_MAX);
		D = A;
		NEXT;
	L_MARK:
		if (marks) {
			marks[pc->b].value = A;
			marks[pc->b].skipped = false;
		}
		NEXT;
	FUSED_D(EQ, ==)
	FUSED_D(NE, !=)
	FUSED_D(LT, <)
	FUSED_D(LE, <=)
	FUSED_D(GT, >)
	FUSED_D(GE, >=)
	FUSED_I(EQ, ==)
	FUSED_I(NE, !=)
	FUSED_I(LT, <)
	FUSED_I(LE, <=)
	FUSED_I(GT, >)
	FUSED_I(GE, >=)
	FUSED_S(EQ, true)
	FUSED_S(NE, false)
	slow_fused:
		CHECKED(fused(m, *pc, &k[pc->b], POS));
	L_RET:
		m->cost = cost;
		return cost > m->cost_max ? value_fail_cost(LIMIT_COST) : A;
}
