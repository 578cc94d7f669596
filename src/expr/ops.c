/* Operators on values.
 *
 * Invariants
 *   (1) Arithmetic is within one numeric type and checked: leaving the range is
 *       an error, never a wrapped number.
 *   (2) Comparison is across the numeric types, by cel-go's rule: an integer
 *       within the double's range is converted to double, not compared exactly.
 *   (3) A timestamp stays within the years 1 to 9999, a duration within int64 ns.
 *
 * To add an operator: enum operator, operator_text[], its rows in check.c, and
 * the dispatch in op_binary(). */
#include "expr/ops.h"

#include <math.h>
#include <stdarg.h>

#include "base/arena.h"
#include "expr/map.h"

#define NS 1000000000

const char *const operator_text[] = {		/* ORDER operator */
	"", "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "in", "-", "!",
};

struct value value_fail(struct arena *arena, enum value_error kind, const char *fmt, ...)
{
	char buf[256];
	struct str s = { NULL, 0 };
	va_list ap;

	va_start(ap, fmt);
	g_vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (arena)
		s = arena_str(arena, str_of(buf));
	return value_error(kind, s.p ? s.p : "error (no memory left for its text)");
}

struct value value_fail_cost(const char *what)
{
	return value_error(VALUE_COST, what);
}

const char *type_word(struct value v)
{
	switch (v.tag) {
	case VALUE_NULL:
		return "null";
	case VALUE_TIMESTAMP:
		return "timestamp";
	case VALUE_DURATION:
		return "duration";
	case VALUE_OPTIONAL:
		return "optional";
	default:
		return value_type_name(v);
	}
}

bool time_in_range(int64_t sec)
{
	return sec >= INT64_C(-62135596800) && sec <= INT64_C(253402300799);
}

struct value duration_ns(int64_t ns)
{
	return (struct value){ .tag = VALUE_DURATION, .i = ns };
}

static struct value no_overload(enum operator op, struct value a, struct value b,
    struct arena *arena)
{
	const char *hint = "";

	if (num_is(a) && num_is(b))
		hint = a.tag == VALUE_DOUBLE || b.tag == VALUE_DOUBLE ?
		    " (convert one side: double(x))" : " (convert one side: int(x))";
	else if (op != OPR_IN && ((num_is(a) && b.tag == VALUE_STRING) ||
	    (a.tag == VALUE_STRING && num_is(b))))
		hint = " (a number and a text)";
	return value_fail(arena, VALUE_NO_OVERLOAD, "no such overload: %s %s %s%s",
	    type_word(a), operator_text[op], type_word(b), hint);
}

static int order(double a, double b)
{
	return isnan(a) || isnan(b) ? 2 : (a > b) - (a < b);
}

static int double_int(double d, int64_t i)
{
	if (d < -0x1p63)
		return -1;
	if (d > 0x1p63)
		return 1;
	return order(d, (double)i);
}

static int double_uint(double d, uint64_t u)
{
	if (d < 0)
		return -1;
	if (d > 0x1p64)
		return 1;
	return order(d, (double)u);
}

static int int_uint(int64_t i, uint64_t u)
{
	if (i < 0 || u > INT64_MAX)
		return -1;
	return (i > (int64_t)u) - (i < (int64_t)u);
}

static int flip(int r)
{
	return r == 2 ? 2 : -r;
}

int num_compare(struct value a, struct value b)
{
	if (a.tag == b.tag) {
		if (a.tag == VALUE_DOUBLE)
			return order(a.d, b.d);
		if (a.tag == VALUE_INT)
			return (a.i > b.i) - (a.i < b.i);
		return (a.u > b.u) - (a.u < b.u);
	}
	if (a.tag == VALUE_DOUBLE)
		return b.tag == VALUE_INT ? double_int(a.d, b.i) : double_uint(a.d, b.u);
	if (b.tag == VALUE_DOUBLE)
		return flip(num_compare(b, a));
	return a.tag == VALUE_INT ? int_uint(a.i, b.u) : flip(int_uint(b.i, a.u));
}

static bool compare(struct value a, struct value b, int *ret)
{
	if (num_is(a) && num_is(b)) {
		*ret = num_compare(a, b);
		return true;
	}
	if (a.tag != b.tag)
		return false;
	switch (a.tag) {
	case VALUE_BOOL:
	case VALUE_DURATION:
		*ret = (a.i > b.i) - (a.i < b.i);
		return true;
	case VALUE_STRING:
	case VALUE_BYTES:
		*ret = str_cmp(value_as_str(a), value_as_str(b));
		return true;
	case VALUE_TIMESTAMP:
		*ret = a.i != b.i ? (a.i > b.i) - (a.i < b.i) :
		    (a.len > b.len) - (a.len < b.len);
		return true;
	default:
		return false;
	}
}

static struct value relation(enum operator op, struct value a, struct value b,
    struct arena *arena)
{
	int r;

	if (op == OPR_EQ)
		return value_bool(value_equal(a, b));
	if (op == OPR_NE)
		return value_bool(!value_equal(a, b));
	if (!compare(a, b, &r))
		return no_overload(op, a, b, arena);
	if (r == 2)
		return value_fail(arena, VALUE_NO_OVERLOAD,
		    "NaN values cannot be ordered");
	switch (op) {
	case OPR_LT:
		return value_bool(r < 0);
	case OPR_LE:
		return value_bool(r <= 0);
	case OPR_GT:
		return value_bool(r > 0);
	default:
		return value_bool(r >= 0);
	}
}

static struct value overflow(struct arena *arena, enum operator op, const char *type)
{
	return value_fail(arena, VALUE_OVERFLOW, "%s overflow in %s", type,
	    operator_text[op]);
}

static struct value int_arith(enum operator op, int64_t a, int64_t b, struct arena *arena)
{
	int64_t r = 0;
	bool bad = false;

	if ((op == OPR_DIV || op == OPR_MOD) && b == 0)
		return value_fail(arena, VALUE_DIVIDE, op == OPR_DIV ? "divide by zero" :
		    "modulus by zero");
	switch (op) {
	case OPR_ADD:
		bad = __builtin_add_overflow(a, b, &r);
		break;
	case OPR_SUB:
		bad = __builtin_sub_overflow(a, b, &r);
		break;
	case OPR_MUL:
		bad = __builtin_mul_overflow(a, b, &r);
		break;
	default:
		bad = a == INT64_MIN && b == -1;
		if (!bad)
			r = op == OPR_DIV ? a / b : a % b;
	}
	return bad ? overflow(arena, op, "int") : value_int(r);
}

static struct value uint_arith(enum operator op, uint64_t a, uint64_t b,
    struct arena *arena)
{
	struct value r = { .tag = VALUE_UINT };
	bool bad = false;

	if ((op == OPR_DIV || op == OPR_MOD) && b == 0)
		return value_fail(arena, VALUE_DIVIDE, op == OPR_DIV ? "divide by zero" :
		    "modulus by zero");
	switch (op) {
	case OPR_ADD:
		bad = __builtin_add_overflow(a, b, &r.u);
		break;
	case OPR_SUB:
		bad = __builtin_sub_overflow(a, b, &r.u);
		break;
	case OPR_MUL:
		bad = __builtin_mul_overflow(a, b, &r.u);
		break;
	default:
		r.u = op == OPR_DIV ? a / b : a % b;
	}
	return bad ? overflow(arena, op, "uint") : r;
}

static struct value double_arith(enum operator op, double a, double b)
{
	switch (op) {
	case OPR_ADD:
		return value_double(a + b);
	case OPR_SUB:
		return value_double(a - b);
	case OPR_MUL:
		return value_double(a * b);
	default:
		return value_double(a / b);
	}
}

static struct value time_shift(enum operator op, struct value t, int64_t ns,
    struct arena *arena)
{
	int64_t sec = ns / NS, nanos = ns % NS;

	if (op == OPR_SUB) {
		sec = -sec;
		nanos = -nanos;
	}
	sec += t.i;
	nanos += t.len;
	if (nanos < 0) {
		nanos += NS;
		sec--;
	} else if (nanos >= NS) {
		nanos -= NS;
		sec++;
	}
	if (!time_in_range(sec))
		return value_fail(arena, VALUE_OVERFLOW, "timestamp out of range");
	t.i = sec;
	t.len = (uint32_t)nanos;
	return t;
}

static struct value time_difference(struct value a, struct value b, struct arena *arena)
{
	int64_t ns;

	if (__builtin_mul_overflow(a.i - b.i, (int64_t)NS, &ns) ||
	    __builtin_add_overflow(ns, (int64_t)a.len - (int64_t)b.len, &ns))
		return value_fail(arena, VALUE_OVERFLOW, "duration out of range");
	return duration_ns(ns);
}

/* + and - where a timestamp or a duration takes part. */
static struct value time_arith(enum operator op, struct value a, struct value b,
    struct arena *arena)
{
	int64_t ns;

	if (a.tag == VALUE_TIMESTAMP && b.tag == VALUE_DURATION)
		return time_shift(op, a, b.i, arena);
	if (op == OPR_ADD && a.tag == VALUE_DURATION && b.tag == VALUE_TIMESTAMP)
		return time_shift(op, b, a.i, arena);
	if (op == OPR_SUB && a.tag == VALUE_TIMESTAMP && b.tag == VALUE_TIMESTAMP)
		return time_difference(a, b, arena);
	if (a.tag != VALUE_DURATION || b.tag != VALUE_DURATION)
		return no_overload(op, a, b, arena);
	if (op == OPR_ADD ? __builtin_add_overflow(a.i, b.i, &ns) :
	    __builtin_sub_overflow(a.i, b.i, &ns))
		return value_fail(arena, VALUE_OVERFLOW, "duration out of range");
	return duration_ns(ns);
}

static struct value concat_text(struct value a, struct value b, struct arena *arena)
{
	char *p;

	if ((uint64_t)a.len + b.len > TEXT_MAX)
		return value_fail_cost("text too long (over 64 KiB)");
	p = arena_alloc(arena, (size_t)a.len + b.len);
	if (!p)
		return value_fail_cost("memory limit of the evaluation");
	if (a.len)
		memcpy(p, a.s, a.len);
	if (b.len)
		memcpy(p + a.len, b.s, b.len);
	a.s = p;
	a.len += b.len;
	a.flags &= b.flags;
	return a;
}

static struct value concat_list(struct value a, struct value b, struct arena *arena)
{
	uint32_t n = a.list->n, m = b.list->n;
	struct value *v = ARENA_ARRAY(arena, struct value, (size_t)n + m);

	if (!v)
		return value_fail_cost("memory limit of the evaluation");
	if (n)
		memcpy(v, a.list->v, n * sizeof(*v));
	if (m)
		memcpy(v + n, b.list->v, m * sizeof(*v));
	return value_list_of(v, n + m, arena);
}

static struct value arith(enum operator op, struct value a, struct value b,
    struct arena *arena)
{
	bool sum = op == OPR_ADD || op == OPR_SUB;

	if (sum && (a.tag == VALUE_TIMESTAMP || a.tag == VALUE_DURATION))
		return time_arith(op, a, b, arena);
	if (a.tag != b.tag)
		return no_overload(op, a, b, arena);
	if (a.tag == VALUE_INT)
		return int_arith(op, a.i, b.i, arena);
	if (a.tag == VALUE_DOUBLE && op != OPR_MOD)
		return double_arith(op, a.d, b.d);
	if (a.tag == VALUE_UINT)
		return uint_arith(op, a.u, b.u, arena);
	if (op == OPR_ADD && (a.tag == VALUE_STRING || a.tag == VALUE_BYTES))
		return concat_text(a, b, arena);
	if (op == OPR_ADD && a.tag == VALUE_LIST)
		return concat_list(a, b, arena);
	return no_overload(op, a, b, arena);
}

static struct value contained(struct value a, struct value b, struct arena *arena)
{
	if (b.tag == VALUE_LIST) {
		for (uint32_t i = 0; i < b.list->n; i++)
			if (value_equal(a, b.list->v[i]))
				return value_bool(true);
		return value_bool(false);
	}
	if (b.tag == VALUE_MAP)
		return value_bool(map_find(b.map, a) != UINT32_MAX);
	if (b.tag == VALUE_HOST && a.tag == VALUE_STRING)
		return op_has(b, value_as_str(a), arena);
	return no_overload(OPR_IN, a, b, arena);
}

struct value op_binary(enum operator op, struct value a, struct value b,
    struct arena *arena)
{
	if (op >= OPR_ADD && op <= OPR_MOD)
		return arith(op, a, b, arena);
	if (op >= OPR_EQ && op <= OPR_GE)
		return relation(op, a, b, arena);
	return contained(a, b, arena);
}

struct value op_unary(enum operator op, struct value a, struct arena *arena)
{
	if (op == OPR_NOT && a.tag == VALUE_BOOL)
		return value_bool(!a.i);
	if (op == OPR_NEG && a.tag == VALUE_DOUBLE)
		return value_double(-a.d);
	if (op == OPR_NEG && (a.tag == VALUE_INT || a.tag == VALUE_DURATION)) {
		if (a.i == INT64_MIN)
			return overflow(arena, op, type_word(a));
		a.i = -a.i;
		return a;
	}
	return value_fail(arena, VALUE_NO_OVERLOAD, "no such overload: %s%s",
	    operator_text[op], type_word(a));
}

/* `decides` is the value that decides alone: false for &&, true for ||. */
static struct value absorb(struct value a, struct value b, bool decides, const char *op)
{
	bool ab = a.tag == VALUE_BOOL, bb = b.tag == VALUE_BOOL;

	if ((ab && a.i == decides) || (bb && b.i == decides))
		return value_bool(decides);
	if (ab && bb)
		return value_bool(!decides);
	if (value_is_no_data(a))
		return a;
	if (value_is_no_data(b))
		return b;
	if (a.tag == VALUE_ERROR || (!ab && b.tag != VALUE_ERROR))
		return a.tag == VALUE_ERROR ? a : value_error(VALUE_NO_OVERLOAD, op);
	return b.tag == VALUE_ERROR ? b : value_error(VALUE_NO_OVERLOAD, op);
}

struct value op_and(struct value a, struct value b)
{
	return absorb(a, b, false, "no such overload: '&&' needs bool operands");
}

struct value op_or(struct value a, struct value b)
{
	return absorb(a, b, true, "no such overload: '||' needs bool operands");
}

static struct value no_key(struct value key, struct arena *arena)
{
	GString *s;
	struct value v;

	if (key.tag == VALUE_STRING)
		return value_fail(arena, VALUE_NO_KEY, "no such key: '%.*s'",
		    (int)MIN(key.len, 100), key.s);
	s = g_string_new(NULL);
	value_print(key, s);
	v = value_fail(arena, VALUE_NO_KEY, "no such key: %s", s->str);
	g_string_free(s, TRUE);
	return v;
}

static struct value index_list(const struct value_list *list, struct value at,
    struct arena *arena)
{
	struct value key = map_key(at);

	if (!num_is(at))
		return value_fail(arena, VALUE_NO_OVERLOAD, "no such overload: list[%s]",
		    type_word(at));
	if (key.tag == VALUE_DOUBLE)
		return value_fail(arena, VALUE_BAD_ARGUMENT,
		    "a list index must be a whole number");
	if (key.tag != VALUE_INT || key.i < 0 || key.i >= list->n)
		return value_fail(arena, VALUE_RANGE,
		    "index out of range: %" G_GINT64_FORMAT
		    " of a list of %u",
		    key.i, list->n);
	return list->v[key.i];
}

struct value op_index(struct value of, struct value at, struct arena *arena)
{
	const struct value *found;

	switch (of.tag) {
	case VALUE_LIST:
		return index_list(of.list, at, arena);
	case VALUE_MAP:
		found = map_get(of.map, at);
		return found ? *found : no_key(at, arena);
	case VALUE_HOST:
		if (at.tag == VALUE_STRING)
			return op_select(of, value_as_str(at), arena);
		break;
	default:
		break;
	}
	return value_fail(arena, VALUE_NO_OVERLOAD, "no such overload: %s[%s]",
	    type_word(of), type_word(at));
}

struct value op_select(struct value of, struct str name, struct arena *arena)
{
	struct value v;

	if (of.tag != VALUE_MAP && of.tag != VALUE_HOST)
		return value_fail(arena, VALUE_NO_OVERLOAD,
		    "type '%s' has no field '%.*s'", type_word(of), STR_ARG(name));
	v = value_member(of, name, arena);
	return v.tag == VALUE_ABSENT ? no_key(value_str(name), arena) : v;
}

struct value op_has(struct value of, struct str name, struct arena *arena)
{
	struct value v;

	if (of.tag != VALUE_MAP && of.tag != VALUE_HOST)
		return value_fail(arena, VALUE_NO_OVERLOAD,
		    "type '%s' has no field '%.*s'", type_word(of), STR_ARG(name));
	v = value_member(of, name, arena);
	if (v.tag == VALUE_ERROR && !value_is_no_data(v))
		return v;
	return value_bool(v.tag != VALUE_ABSENT && v.tag != VALUE_ERROR);
}

int64_t op_cost(enum operator op, struct value a, struct value b)
{
	bool text = a.tag == VALUE_STRING || a.tag == VALUE_BYTES;

	if (op == OPR_IN && b.tag == VALUE_LIST)
		return b.list->n;
	if (a.tag != b.tag)
		return 0;
	if (op == OPR_ADD && text)
		return ((int64_t)a.len + b.len) / 10;
	if (op == OPR_ADD && a.tag == VALUE_LIST)
		return ((int64_t)a.list->n + b.list->n) / 10;
	if (op < OPR_EQ || op > OPR_GE)
		return 0;
	if (text)
		return MIN(a.len, b.len) / 10;
	if (a.tag == VALUE_LIST)
		return MIN(a.list->n, b.list->n);
	return a.tag == VALUE_MAP ? MIN(a.map->n, b.map->n) : 0;
}
