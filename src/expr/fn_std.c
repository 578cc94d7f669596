/* Standard functions: size, conversions, type, and the joining of templates.
 *
 * CEL's definition, section "Standard Definitions"; texts are read strictly and
 * independent of the locale. */
#include <math.h>

#include "base/arena.h"
#include "expr/fn.h"
#include "expr/number.h"
#include "expr/utf8.h"

static struct value refuse_text(struct machine *m, const char *fn, struct value text,
    const char *wanted)
{
	return value_fail(m->arena, VALUE_BAD_ARGUMENT, "%s(): '%.*s' is not %s", fn,
	    (int)MIN(text.len, 60), text.s, wanted);
}

/* Of a host that can be looped over; it is walked, because hosts keep no count. */
static struct value host_size(struct machine *m, struct value v)
{
	struct value key, member;
	uint32_t it = 0;
	int64_t n = 0;

	if (!v.host->ops->next)
		return (struct value){ .tag = VALUE_ABSENT };
	for (; v.host->ops->next(v.host, &it, &key, &member, m->arena); n++)
		if (!machine_charge(m, 1))
			return value_fail_cost(LIMIT_COST);
	return value_int(n);
}

static struct value size_of(struct machine *m, struct value v)
{
	switch (v.tag) {
	case VALUE_STRING:
		if (!(v.flags & VALUE_ASCII) && !machine_charge(m, v.len / 10))
			return value_fail_cost(LIMIT_COST);
		return value_int(v.flags & VALUE_ASCII ? v.len :
		    utf8_count(value_as_str(v)));
	case VALUE_BYTES:
		return value_int(v.len);
	case VALUE_LIST:
		return value_int(v.list->n);
	case VALUE_MAP:
		return value_int(v.map->n);
	case VALUE_HOST:
		return host_size(m, v);
	default:
		return (struct value){ .tag = VALUE_ABSENT };
	}
}

static struct value call_size(struct machine *m, const struct value *arg, unsigned n)
{
	struct value v = size_of(m, arg[0]);

	return v.tag == VALUE_ABSENT ? fn_refuse(m, "size", FN_GLOBAL, arg, n) : v;
}

static struct value out_of_range(struct machine *m, const char *fn)
{
	return value_fail(m->arena, VALUE_OVERFLOW, "%s(): out of range", fn);
}

static struct value call_int(struct machine *m, const struct value *arg, unsigned n)
{
	struct value v = arg[0];
	int64_t i;

	switch (v.tag) {
	case VALUE_INT:
		return v;
	case VALUE_UINT:
		return v.u <= INT64_MAX ? value_int((int64_t)v.u) :
		    out_of_range(m, "int");
	case VALUE_DOUBLE:
		return v.d > -0x1p63 && v.d < 0x1p63 ? value_int((int64_t)v.d) :
		    out_of_range(m, "int");
	case VALUE_STRING:
		return parse_int(value_as_str(v), &i) ? value_int(i) :
		    refuse_text(m, "int", v, "a whole number");
	case VALUE_TIMESTAMP:
	case VALUE_DURATION:
		return value_int(v.i);
	default:
		return fn_refuse(m, "int", FN_GLOBAL, arg, n);
	}
}

static struct value call_uint(struct machine *m, const struct value *arg, unsigned n)
{
	struct value v = arg[0], r = { .tag = VALUE_UINT };

	switch (v.tag) {
	case VALUE_UINT:
		return v;
	case VALUE_INT:
		r.u = (uint64_t)v.i;
		return v.i >= 0 ? r : out_of_range(m, "uint");
	case VALUE_DOUBLE:
		if (!(v.d > -1 && v.d < 0x1p64))
			return out_of_range(m, "uint");
		r.u = (uint64_t)v.d;
		return r;
	case VALUE_STRING:
		return parse_uint(value_as_str(v), &r.u) ? r :
		    refuse_text(m, "uint", v, "a whole number without sign");
	default:
		return fn_refuse(m, "uint", FN_GLOBAL, arg, n);
	}
}

static struct value call_double(struct machine *m, const struct value *arg, unsigned n)
{
	struct value v = arg[0];
	double d;

	switch (v.tag) {
	case VALUE_DOUBLE:
		return v;
	case VALUE_INT:
		return value_double((double)v.i);
	case VALUE_UINT:
		return value_double((double)v.u);
	case VALUE_STRING:
		return parse_double(value_as_str(v), &d) ? value_double(d) :
		    refuse_text(m, "double", v, "a number");
	default:
		return fn_refuse(m, "double", FN_GLOBAL, arg, n);
	}
}

static struct value call_bool(struct machine *m, const struct value *arg, unsigned n)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	if (arg[0].tag == VALUE_BOOL)
		return arg[0];
	if (arg[0].tag != VALUE_STRING)
		return fn_refuse(m, "bool", FN_GLOBAL, arg, n);
	for (size_t i = 0; i < G_N_ELEMENTS(yes); i++) {
		if (str_is(value_as_str(arg[0]), str_of(yes[i])))
			return value_bool(true);
		if (str_is(value_as_str(arg[0]), str_of(no[i])))
			return value_bool(false);
	}
	return refuse_text(m, "bool", arg[0], "true or false");
}

static bool print_scalar(struct value v, GString *out)
{
	switch (v.tag) {
	case VALUE_BOOL:
		g_string_append(out, v.i ? "true" : "false");
		return true;
	case VALUE_INT:
		g_string_append_printf(out, "%" G_GINT64_FORMAT, v.i);
		return true;
	case VALUE_UINT:
		g_string_append_printf(out, "%" G_GUINT64_FORMAT, v.u);
		return true;
	case VALUE_DOUBLE:
		print_double(v.d, out);
		return true;
	case VALUE_TIMESTAMP:
		print_timestamp(v, out);
		return true;
	case VALUE_DURATION:
		print_duration(v.i, out);
		return true;
	default:
		return false;
	}
}

struct value value_to_string(struct machine *m, struct value v)
{
	GString *s;

	if (v.tag == VALUE_STRING)
		return v;
	if (v.tag == VALUE_BYTES) {
		if (!machine_charge(m, v.len / 10))
			return value_fail_cost(LIMIT_COST);
		return utf8_valid(value_as_str(v)) ? value_str(value_as_str(v)) :
		    value_fail(m->arena, VALUE_BAD_ARGUMENT,
		    "string(): the bytes are not UTF-8");
	}
	s = g_string_new(NULL);
	if (print_scalar(v, s))
		return machine_string(m, s);
	g_string_free(s, TRUE);
	return fn_refuse(m, "string", FN_GLOBAL, &v, 1);
}

static struct value call_string(struct machine *m, const struct value *arg, unsigned n)
{
	(void)n;
	return value_to_string(m, arg[0]);
}

static struct value call_bytes(struct machine *m, const struct value *arg, unsigned n)
{
	struct value v = arg[0];

	if (v.tag != VALUE_STRING && v.tag != VALUE_BYTES)
		return fn_refuse(m, "bytes", FN_GLOBAL, arg, n);
	v.tag = VALUE_BYTES;
	v.flags = 0;
	return v;
}

static struct value call_type(struct machine *m, const struct value *arg, unsigned n)
{
	const char *name = value_type_name(arg[0]);

	(void)m;
	(void)n;
	return (struct value){ .tag = VALUE_TYPE, .len = (uint32_t)strlen(name),
	    .s = name };
}

static struct value call_dyn(struct machine *m, const struct value *arg, unsigned n)
{
	(void)m;
	(void)n;
	return arg[0];
}

/* One list of the parts of a template.  Lists, maps, objects and null become
 * their JSON text, everything else what string() makes of it. */
static struct value call_template(struct machine *m, const struct value *arg, unsigned n)
{
	GString *s = g_string_new(NULL), *json = g_string_new(NULL);
	bool full = false;

	(void)n;
	for (uint32_t i = 0; i < arg[0].list->n && !full; i++) {
		struct value v = arg[0].list->v[i];

		g_string_truncate(json, 0);
		if (v.tag == VALUE_STRING || v.tag == VALUE_TYPE)
			g_string_append_len(s, v.s, v.len);
		else if (!print_scalar(v, s))
			value_to_json(v, m->arena, json);
		g_string_append_len(s, json->str, (gssize)json->len);
		full = s->len > TEXT_MAX;
	}
	g_string_free(json, TRUE);
	return machine_string(m, s);
}

#define ANY TYPE_DYN
#define SIZED (TYPE_STRING | TYPE_BYTES | TYPE_LIST | TYPE_MAP | TYPE_HOST)
#define CONVERSION(name, type, from) \
	{ #name, FN_GLOBAL, 0, type, 1, { from }, call_##name }

const struct fn fn_std[] = {
	{ "size", FN_GLOBAL, 0, TYPE_INT, 1, { SIZED }, call_size },
	{ "size", FN_MEMBER, 0, TYPE_INT, 1, { SIZED }, call_size },
	CONVERSION(int, TYPE_INT, TYPE_NUMBER | TYPE_STRING | TYPE_TIME | TYPE_DURATION),
	CONVERSION(uint, TYPE_UINT, TYPE_NUMBER | TYPE_STRING),
	CONVERSION(double, TYPE_DOUBLE, TYPE_NUMBER | TYPE_STRING),
	CONVERSION(bool, TYPE_BOOL, TYPE_BOOL | TYPE_STRING),
	CONVERSION(string, TYPE_STRING, TYPE_STRING | TYPE_BYTES | TYPE_BOOL |
	    TYPE_NUMBER | TYPE_TIME | TYPE_DURATION),
	CONVERSION(bytes, TYPE_BYTES, TYPE_BYTES | TYPE_STRING),
	CONVERSION(type, TYPE_TYPE, ANY),
	CONVERSION(dyn, TYPE_DYN, ANY),
	{ "template", FN_GLOBAL, FN_INTERNAL, TYPE_STRING, 1, { TYPE_LIST },
	    call_template },
	{ NULL, 0, 0, 0, 0, { 0 }, NULL },
};
