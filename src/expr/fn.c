/* Finding functions by name and types. */
#include "expr/fn.h"

#include "base/arena.h"

static const struct fn *const tables[] = { fn_std, fn_string, fn_time };

#define EACH_FN(f) \
	for (size_t t_ = 0; t_ < G_N_ELEMENTS(tables); t_++) \
		for (const struct fn *f = tables[t_]; f->name; f++)

static bool takes(const struct fn *f, const unsigned *types, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!(f->arg[i] & types[i]))
			return false;
	return true;
}

const struct fn *fn_find(struct str name, enum fn_style style, const unsigned *types,
    unsigned n, unsigned *ret_type)
{
	const struct fn *found = NULL;

	*ret_type = 0;
	EACH_FN(f) {
		if (f->style != style || f->n != n || (f->flags & FN_INTERNAL) ||
		    !str_is(name, str_of(f->name)) || !takes(f, types, n))
			continue;
		found = found ? found : f;
		*ret_type |= f->ret;
	}
	return found;
}

bool fn_known(struct str name, enum fn_style style, unsigned n, unsigned *ret_n)
{
	unsigned best = UINT_MAX;

	EACH_FN(f) {
		unsigned far = f->n > n ? f->n - n : n - f->n;

		if (f->style != style || !str_is(name, str_of(f->name)) ||
		    (f->flags & FN_INTERNAL) || far >= best)
			continue;
		best = far;
		*ret_n = f->n;
	}
	return best != UINT_MAX;
}

const struct fn *fn_internal(const char *name)
{
	EACH_FN(f)
		if ((f->flags & FN_INTERNAL) && strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

uint32_t fn_names(struct arena *arena, const struct str **ret)
{
	static const char *const macros[] = { "has", "all", "exists", "exists_one",
		"filter", "map" };
	struct str *v = NULL;
	uint32_t n = 0, cap = 0;

	for (size_t i = 0; i < G_N_ELEMENTS(macros); i++) {
		v = arena_grow(arena, v, n, &cap, sizeof(*v));
		v[n++] = str_of(macros[i]);
	}
	EACH_FN(f) {
		if (f->flags & FN_INTERNAL)
			continue;
		v = arena_grow(arena, v, n, &cap, sizeof(*v));
		v[n++] = str_of(f->name);
	}
	*ret = v;
	return n;
}

bool fn_later(struct str name)
{
	static const char *const later[] = { "format", "distinct", "flatten", "slice",
		"sort", "sortBy", "first", "last", "optMap", "optFlatMap", "hasValue",
		"value", "or", "orValue", "unwrapOpt", "greatest", "least", "abs", "ceil",
		"floor", "round", "ip", "cidr", "isIP", "find", "findAll", "quote" };
	static const char *const spaces[] = { "math.", "sets.", "lists.", "base64.",
		"optional.", "strings.", "regex.", "cel.", "net.", "proto." };

	for (size_t i = 0; i < G_N_ELEMENTS(later); i++)
		if (str_is(name, str_of(later[i])))
			return true;
	for (size_t i = 0; i < G_N_ELEMENTS(spaces); i++)
		if (str_starts(name, str_of(spaces[i])))
			return true;
	return false;
}

struct value fn_refuse(struct machine *m, const char *name, enum fn_style style,
    const struct value *arg, unsigned n)
{
	GString *s = g_string_new(NULL);
	struct value v;

	if (style == FN_MEMBER)
		g_string_append_printf(s, "%s.", type_word(arg[0]));
	g_string_append_printf(s, "%s(", name);
	for (unsigned i = style == FN_MEMBER; i < n; i++)
		g_string_append_printf(s, "%s%s", i > (style == FN_MEMBER) ? ", " : "",
		    type_word(arg[i]));
	if (arg[0].tag == VALUE_LIST && strcmp(name, "contains") == 0)
		g_string_append(s, "); write: x in list");
	else
		g_string_append_c(s, ')');
	v = value_fail(m->arena, VALUE_NO_OVERLOAD, "no such overload: %s", s->str);
	g_string_free(s, TRUE);
	return v;
}

bool machine_charge(struct machine *m, int64_t cost)
{
	m->cost += cost;
	return m->cost <= m->cost_max;
}

struct value machine_string(struct machine *m, GString *text)
{
	struct str s = { NULL, 0 };

	if (text->len > TEXT_MAX) {
		g_string_free(text, TRUE);
		return value_fail_cost("text too long (over 64 KiB)");
	}
	if (machine_charge(m, (int64_t)text->len / 10))
		s = arena_str(m->arena, (struct str){ text->str, (uint32_t)text->len });
	g_string_free(text, TRUE);
	return s.p ? value_str(s) :
	    value_fail_cost("cost or memory limit of the evaluation");
}
