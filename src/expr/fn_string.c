/* Functions on strings.  Offsets are code points, as in cel-go's strings
 * extension; an offset out of range is an error. */
#include "base/arena.h"
#include "expr/fn.h"
#include "expr/regex.h"
#include "expr/utf8.h"

#define TEXT(v) value_as_str(v)

static bool all_text(const struct value *arg, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (arg[i].tag != VALUE_STRING)
			return false;
	return true;
}

/* Byte offset of `needle` in s from byte `from`, or UINT32_MAX. */
static uint32_t find(struct str s, struct str needle, uint32_t from)
{
	const char *p;

	if (needle.len == 0)
		return from;
	if (from > s.len || s.len - from < needle.len)
		return UINT32_MAX;
	p = memmem(s.p + from, s.len - from, needle.p, needle.len);
	return p ? (uint32_t)(p - s.p) : UINT32_MAX;
}

/* A part of a string stays borrowed. */
static struct value part(struct value of, uint32_t from, uint32_t to)
{
	of.s += from;
	of.len = to - from;
	return of;
}

static struct value call_contains(struct machine *m, const struct value *arg, unsigned n)
{
	if (!all_text(arg, n))
		return fn_refuse(m, "contains", FN_MEMBER, arg, n);
	if (!machine_charge(m, ((int64_t)arg[0].len / 10) * (arg[1].len / 10 + 1)))
		return value_fail_cost(LIMIT_COST);
	return value_bool(find(TEXT(arg[0]), TEXT(arg[1]), 0) != UINT32_MAX);
}

static struct value call_starts(struct machine *m, const struct value *arg, unsigned n)
{
	if (!all_text(arg, n))
		return fn_refuse(m, "startsWith", FN_MEMBER, arg, n);
	if (!machine_charge(m, arg[1].len / 10))
		return value_fail_cost(LIMIT_COST);
	return value_bool(str_starts(TEXT(arg[0]), TEXT(arg[1])));
}

static struct value call_ends(struct machine *m, const struct value *arg, unsigned n)
{
	struct value tail = arg[0];

	if (!all_text(arg, n))
		return fn_refuse(m, "endsWith", FN_MEMBER, arg, n);
	if (!machine_charge(m, arg[1].len / 10))
		return value_fail_cost(LIMIT_COST);
	if (tail.len < arg[1].len)
		return value_bool(false);
	tail = part(tail, tail.len - arg[1].len, tail.len);
	return value_bool(str_is(TEXT(tail), TEXT(arg[1])));
}

/* With a pattern that is not constant: those are compiled with the program. */
static struct value call_matches(struct machine *m, const struct value *arg, unsigned n)
{
	struct regex *re;
	char msg[200];
	uint32_t off;

	if (!all_text(arg, n))
		return fn_refuse(m, "matches", FN_MEMBER, arg, n);
	if (!machine_charge(m, 10 + (int64_t)arg[1].len))
		return value_fail_cost(LIMIT_COST);
	re = regex_compile(TEXT(arg[1]), m->arena, msg, sizeof(msg), &off);
	if (!re)
		return value_fail(m->arena, VALUE_BAD_ARGUMENT, "matches(): %s", msg);
	return regex_match(re, TEXT(arg[0]), m);
}

static struct value map_ascii(struct machine *m, struct value v, char lo, char hi,
    int shift)
{
	char *p;

	if (!machine_charge(m, v.len / 10))
		return value_fail_cost(LIMIT_COST);
	p = arena_alloc(m->arena, v.len);
	if (!p)
		return value_fail_cost("memory limit of the evaluation");
	for (uint32_t i = 0; i < v.len; i++)
		p[i] = v.s[i] >= lo && v.s[i] <= hi ? (char)(v.s[i] + shift) : v.s[i];
	v.s = p;
	return v;
}

static struct value call_lower(struct machine *m, const struct value *arg, unsigned n)
{
	return all_text(arg, n) ? map_ascii(m, arg[0], 'A', 'Z', 'a' - 'A') :
	    fn_refuse(m, "lowerAscii", FN_MEMBER, arg, n);
}

static struct value call_upper(struct machine *m, const struct value *arg, unsigned n)
{
	return all_text(arg, n) ? map_ascii(m, arg[0], 'a', 'z', 'A' - 'a') :
	    fn_refuse(m, "upperAscii", FN_MEMBER, arg, n);
}

/* Unicode's White_Space property. */
static bool is_space(uint32_t cp)
{
	return (cp >= 9 && cp <= 13) || cp == 0x20 || cp == 0x85 || cp == 0xa0 ||
	       cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 ||
	       cp == 0x2029 || cp == 0x202f || cp == 0x205f || cp == 0x3000;
}

static struct value call_trim(struct machine *m, const struct value *arg, unsigned n)
{
	uint32_t from, to = 0, first = UINT32_MAX, cp, len;
	struct str s = TEXT(arg[0]);

	if (!all_text(arg, n))
		return fn_refuse(m, "trim", FN_MEMBER, arg, n);
	if (!machine_charge(m, s.len / 10))
		return value_fail_cost(LIMIT_COST);
	for (from = 0; from < s.len; from += len) {
		len = utf8_decode(s.p + from, s.p + s.len, &cp);
		if (len == 0) {
			len = 1;
			cp = 0xfffd;
		}
		if (is_space(cp))
			continue;
		first = MIN(first, from);
		to = from + len;
	}
	return part(arg[0], MIN(first, to), to);
}

static bool take_int(struct value v, int64_t *ret)
{
	*ret = v.i;
	return v.tag == VALUE_INT;
}

static struct value bad_offset(struct machine *m, const char *fn, int64_t at)
{
	return value_fail(m->arena, VALUE_RANGE,
	    "%s(): index out of range: %" G_GINT64_FORMAT, fn, at);
}

static struct value call_char_at(struct machine *m, const struct value *arg, unsigned n)
{
	struct str s = TEXT(arg[0]);
	uint32_t from, cp;
	int64_t at;

	if (arg[0].tag != VALUE_STRING || !take_int(arg[1], &at))
		return fn_refuse(m, "charAt", FN_MEMBER, arg, n);
	if (!machine_charge(m, s.len / 10))
		return value_fail_cost(LIMIT_COST);
	if (at < 0 || at > utf8_count(s))
		return bad_offset(m, "charAt", at);
	from = utf8_offset(s, (uint32_t)at);
	return part(arg[0], from, from + utf8_decode(s.p + from, s.p + s.len, &cp));
}

static struct value call_index_of(struct machine *m, const struct value *arg, unsigned n)
{
	struct str s = TEXT(arg[0]);
	int64_t from = 0;
	uint32_t at;

	if (!all_text(arg, 2) || (n == 3 && !take_int(arg[2], &from)))
		return fn_refuse(m, "indexOf", FN_MEMBER, arg, n);
	if (!machine_charge(m, s.len / 5 + arg[1].len / 10))
		return value_fail_cost(LIMIT_COST);
	if (from < 0 || from > utf8_count(s))
		return bad_offset(m, "indexOf", from);
	at = find(s, TEXT(arg[1]), utf8_offset(s, (uint32_t)from));
	if (at == UINT32_MAX)
		return value_int(-1);
	return value_int(utf8_count((struct str){ s.p, at }));
}

static struct value call_last_index_of(struct machine *m, const struct value *arg,
    unsigned n)
{
	struct str s = TEXT(arg[0]), needle = TEXT(arg[1]);
	int64_t last = 0;
	uint32_t at;

	if (!all_text(arg, 2) || (n == 3 && !take_int(arg[2], &last)))
		return fn_refuse(m, "lastIndexOf", FN_MEMBER, arg, n);
	if (!machine_charge(m, (int64_t)s.len / 5 * (needle.len / 10 + 1)))
		return value_fail_cost(LIMIT_COST);
	if (n == 3 && (last < 0 || last > utf8_count(s)))
		return bad_offset(m, "lastIndexOf", last);
	at = n == 3 ? utf8_offset(s, (uint32_t)last) : s.len;
	if (needle.len > s.len)
		return value_int(-1);
	for (at = MIN(at, s.len - needle.len) + 1; at-- > 0; )
		if (needle.len == 0 || memcmp(s.p + at, needle.p, needle.len) == 0)
			return value_int(utf8_count((struct str){ s.p, at }));
	return value_int(-1);
}

static struct value call_substring(struct machine *m, const struct value *arg, unsigned n)
{
	struct str s = TEXT(arg[0]);
	int64_t from, to, count;

	if (arg[0].tag != VALUE_STRING || !take_int(arg[1], &from) ||
	    (n == 3 && !take_int(arg[2], &to)))
		return fn_refuse(m, "substring", FN_MEMBER, arg, n);
	if (!machine_charge(m, s.len / 10))
		return value_fail_cost(LIMIT_COST);
	count = utf8_count(s);
	to = n == 3 ? arg[2].i : count;
	if (from < 0 || from > count)
		return bad_offset(m, "substring", from);
	if (to < from || to > count)
		return bad_offset(m, "substring", to);
	return part(arg[0], utf8_offset(s, (uint32_t)from), utf8_offset(s, (uint32_t)to));
}

static struct value call_replace(struct machine *m, const struct value *arg, unsigned n)
{
	struct str s = TEXT(arg[0]), old = TEXT(arg[1]), new = TEXT(arg[2]);
	int64_t left = -1;
	uint32_t pos = 0;
	GString *out;

	if (!all_text(arg, 3) || (n == 4 && !take_int(arg[3], &left)))
		return fn_refuse(m, "replace", FN_MEMBER, arg, n);
	if (!machine_charge(m, (s.len / 10 + 1) * ((int64_t)new.len / 10 + 1)))
		return value_fail_cost(LIMIT_COST);
	out = g_string_new(NULL);
	for (; left != 0 && out->len <= TEXT_MAX; left--) {
		uint32_t at = find(s, old, pos), cp, step;

		if (at == UINT32_MAX)
			break;
		g_string_append_len(out, s.p + pos, at - pos);
		g_string_append_len(out, new.p, new.len);
		pos = at + old.len;
		if (old.len)
			continue;
		step = pos < s.len ? utf8_decode(s.p + pos, s.p + s.len, &cp) : 0;
		if (step == 0)
			break;
		g_string_append_len(out, s.p + pos, step);
		pos += step;
	}
	g_string_append_len(out, s.p + pos, s.len - pos);
	return machine_string(m, out);
}

struct pieces {
	struct value	*v;
	uint32_t	 n, cap;
	bool		 full;		/* out of memory */
};

static void add_piece(struct machine *m, struct pieces *p, struct value of, uint32_t from,
    uint32_t to)
{
	struct value *v = arena_grow(m->arena, p->v, p->n, &p->cap, sizeof(*v));

	p->full |= !v;
	if (!v)
		return;
	p->v = v;
	v[p->n++] = part(of, from, to);
}

static struct value call_split(struct machine *m, const struct value *arg, unsigned n)
{
	struct str s = TEXT(arg[0]), sep = TEXT(arg[1]);
	struct pieces p = { 0 };
	uint32_t pos = 0, at, cp;
	int64_t left = -1;

	if (!all_text(arg, 2) || (n == 3 && !take_int(arg[2], &left)))
		return fn_refuse(m, "split", FN_MEMBER, arg, n);
	if (!machine_charge(m, (int64_t)s.len))
		return value_fail_cost(LIMIT_COST);
	for (; left != 0 && left != 1 && !p.full; left--) {
		if (sep.len)
			at = find(s, sep, pos);
		else
			at = pos + utf8_decode(s.p + pos, s.p + s.len, &cp);
		if (at == UINT32_MAX || (sep.len == 0 && at >= s.len))
			break;
		add_piece(m, &p, arg[0], pos, at);
		pos = at + sep.len;
	}
	if (left != 0 && (sep.len || pos < s.len))
		add_piece(m, &p, arg[0], pos, s.len);
	if (p.full)
		return value_fail_cost("memory limit of the evaluation");
	return value_list_of(p.v, p.n, m->arena);
}

static struct value call_join(struct machine *m, const struct value *arg, unsigned n)
{
	const struct value_list *list = arg[0].list;
	GString *out;

	if (arg[0].tag != VALUE_LIST || (n == 2 && arg[1].tag != VALUE_STRING))
		return fn_refuse(m, "join", FN_MEMBER, arg, n);
	if (!machine_charge(m, list->n))
		return value_fail_cost(LIMIT_COST);
	for (uint32_t i = 0; i < list->n; i++)
		if (list->v[i].tag != VALUE_STRING)
			return value_fail(m->arena, VALUE_NO_OVERLOAD,
			    "join(): member %u is of type '%s', not a string", i,
			    type_word(list->v[i]));
	out = g_string_new(NULL);
	for (uint32_t i = 0; i < list->n && out->len <= TEXT_MAX; i++) {
		if (i && n == 2)
			g_string_append_len(out, arg[1].s, arg[1].len);
		g_string_append_len(out, list->v[i].s, list->v[i].len);
	}
	return machine_string(m, out);
}

static struct value call_reverse(struct machine *m, const struct value *arg, unsigned n)
{
	struct value v = arg[0];
	uint32_t cp, len;
	char *p;

	if (!all_text(arg, n))
		return fn_refuse(m, "reverse", FN_MEMBER, arg, n);
	if (!machine_charge(m, v.len / 10))
		return value_fail_cost(LIMIT_COST);
	p = arena_alloc(m->arena, v.len);
	if (!p)
		return value_fail_cost("memory limit of the evaluation");
	for (uint32_t i = 0; i < v.len; i += len) {
		len = MAX(utf8_decode(v.s + i, v.s + v.len, &cp), 1);
		memcpy(p + v.len - i - len, v.s + i, len);
	}
	v.s = p;
	return v;
}

#define S TYPE_STRING
#define I TYPE_INT
#define ROW(name, ret, n, ...) { name, FN_MEMBER, 0, ret, n, { __VA_ARGS__ }

const struct fn fn_string[] = {
	ROW("contains", TYPE_BOOL, 2, S, S), call_contains },
	ROW("startsWith", TYPE_BOOL, 2, S, S), call_starts },
	ROW("endsWith", TYPE_BOOL, 2, S, S), call_ends },
	ROW("matches", TYPE_BOOL, 2, S, S), call_matches },
	{ "matches", FN_GLOBAL, 0, TYPE_BOOL, 2, { S, S }, call_matches },
	ROW("lowerAscii", S, 1, S), call_lower },
	ROW("upperAscii", S, 1, S), call_upper },
	ROW("trim", S, 1, S), call_trim },
	ROW("charAt", S, 2, S, I), call_char_at },
	ROW("indexOf", I, 2, S, S), call_index_of },
	ROW("indexOf", I, 3, S, S, I), call_index_of },
	ROW("lastIndexOf", I, 2, S, S), call_last_index_of },
	ROW("lastIndexOf", I, 3, S, S, I), call_last_index_of },
	ROW("substring", S, 2, S, I), call_substring },
	ROW("substring", S, 3, S, I, I), call_substring },
	ROW("replace", S, 3, S, S, S), call_replace },
	ROW("replace", S, 4, S, S, S, I), call_replace },
	ROW("split", TYPE_LIST, 2, S, S), call_split },
	ROW("split", TYPE_LIST, 3, S, S, I), call_split },
	ROW("join", S, 1, TYPE_LIST), call_join },
	ROW("join", S, 2, TYPE_LIST, S), call_join },
	ROW("reverse", S, 1, S), call_reverse },
	{ NULL, 0, 0, 0, 0, { 0 }, NULL },
};
