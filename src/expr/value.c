/* Values: constructors, equality, members, deep copies.
 *
 * Invariants
 *   (1) A list or map is never changed once a value points to it.
 *   (2) ERROR and ABSENT are equal to nothing, themselves included.
 *   (3) Running out of arena gives an ERROR of kind VALUE_COST, never NULL.
 *
 * To add a tag: the enum in value.h, type_names[] here, value_equal(),
 * value_copy(), the JSON and text writers, and TYPE_* in ast.h. */
#include "expr/value.h"

#include <math.h>

#include "base/arena.h"
#include "expr/map.h"
#include "expr/ops.h"
#include "expr/utf8.h"

static const char *const type_names[] = {	/* ORDER value_tag */
	"absent", "null_type", "bool", "int", "uint", "double", "string", "bytes", "list",
	"map", "google.protobuf.Timestamp", "google.protobuf.Duration", "type",
	"optional_type", "object", "raw", "error",
};

struct value value_null(void)
{
	return (struct value){ .tag = VALUE_NULL };
}

struct value value_bool(bool b)
{
	return (struct value){ .tag = VALUE_BOOL, .i = b };
}

struct value value_int(int64_t i)
{
	return (struct value){ .tag = VALUE_INT, .i = i };
}

struct value value_double(double d)
{
	return (struct value){ .tag = VALUE_DOUBLE, .d = d };
}

struct value value_str(struct str s)
{
	return (struct value){ .tag = VALUE_STRING, .len = s.len, .s = s.p ? s.p : "",
		.flags = utf8_ascii(s) ? VALUE_ASCII : 0 };
}

struct value value_time_ms(int64_t ms)
{
	int64_t sec = ms / 1000 - (ms % 1000 < 0);

	return (struct value){ .tag = VALUE_TIMESTAMP, .i = sec,
		.len = (uint32_t)(ms - sec * 1000) * 1000000 };
}

struct value value_duration_ms(int64_t ms)
{
	struct value v = { .tag = VALUE_DURATION };

	if (__builtin_mul_overflow(ms, (int64_t)1000000, &v.i))
		return value_error(VALUE_OVERFLOW, "duration out of range");
	return v;
}

struct value value_host(const struct host *h)
{
	return (struct value){ .tag = VALUE_HOST, .host = h };
}

struct value value_error(enum value_error kind, const char *text)
{
	return (struct value){ .tag = VALUE_ERROR, .aux = (uint16_t)kind, .s = text };
}

struct value value_list_of(const struct value *v, uint32_t n, struct arena *arena)
{
	struct value_list *list = ARENA_NEW(arena, struct value_list);

	if (!list)
		return value_error(VALUE_COST, "memory limit of the evaluation");
	*list = (struct value_list){ .n = n, .v = v };
	return (struct value){ .tag = VALUE_LIST, .list = list };
}

struct value value_map_of(const struct value *keys, const struct value *values,
    uint32_t n, struct arena *arena)
{
	struct value_map *map = ARENA_NEW(arena, struct value_map);
	const struct value *dup;

	if (!map)
		return value_error(VALUE_COST, "memory limit of the evaluation");
	*map = (struct value_map){ .n = n, .keys = keys, .values = values };
	if (!map_index(map, arena, &dup))
		return dup ? value_error(VALUE_BAD_ARGUMENT, "a map key occurs twice")
			   : value_error(VALUE_COST, "memory limit of the evaluation");
	return (struct value){ .tag = VALUE_MAP, .map = map };
}

bool value_is_no_data(struct value v)
{
	return v.tag == VALUE_ERROR && v.aux == VALUE_NO_DATA;
}

struct str value_as_str(struct value v)
{
	return (struct str){ v.s, v.len };
}

static bool list_equal(const struct value_list *a, const struct value_list *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++)
		if (!value_equal(a->v[i], b->v[i]))
			return false;
	return true;
}

static bool map_equal(const struct value_map *a, const struct value_map *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++) {
		const struct value *other = map_get(b, a->keys[i]);

		if (!other || !value_equal(a->values[i], *other))
			return false;
	}
	return true;
}

static bool same_tag_equal(struct value a, struct value b)
{
	switch (a.tag) {
	case VALUE_NULL:
		return true;
	case VALUE_BOOL:
	case VALUE_DURATION:
		return a.i == b.i;
	case VALUE_TIMESTAMP:
		return a.i == b.i && a.len == b.len;
	case VALUE_STRING:
	case VALUE_BYTES:
	case VALUE_TYPE:
		return str_is(value_as_str(a), value_as_str(b));
	case VALUE_LIST:
		return list_equal(a.list, b.list);
	case VALUE_MAP:
		return map_equal(a.map, b.map);
	case VALUE_OPTIONAL:
		return a.opt == b.opt || (a.opt && b.opt && value_equal(*a.opt, *b.opt));
	case VALUE_HOST:
		return a.host == b.host;
	default:
		return false;
	}
}

bool value_equal(struct value a, struct value b)
{
	if (num_is(a) && num_is(b))
		return num_compare(a, b) == 0;
	return a.tag == b.tag && same_tag_equal(a, b);
}

struct value value_member(struct value v, struct str name, struct arena *arena)
{
	const struct value *found;

	if (v.tag == VALUE_HOST)
		return v.host->ops->select(v.host, name, arena);
	if (v.tag != VALUE_MAP)
		return (struct value){ .tag = VALUE_ABSENT };
	found = map_get(v.map, (struct value){ .tag = VALUE_STRING, .len = name.len,
		.s = name.p });
	return found ? *found : (struct value){ .tag = VALUE_ABSENT };
}

bool value_number(struct value v, double *ret)
{
	double d;

	if (v.tag == VALUE_DOUBLE)
		d = v.d;
	else if (v.tag == VALUE_INT || v.tag == VALUE_BOOL)
		d = (double)v.i;
	else if (v.tag == VALUE_UINT)
		d = (double)v.u;
	else
		return false;
	if (!isfinite(d))
		return false;
	*ret = d;
	return true;
}

int64_t value_ms(struct value v)
{
	if (v.tag == VALUE_TIMESTAMP)
		return v.i * 1000 + v.len / 1000000;
	return v.tag == VALUE_DURATION ? v.i / 1000000 : 0;
}

const char *value_type_name(struct value v)
{
	if (v.tag == VALUE_HOST)
		return v.host->ops->type_name;
	return v.tag < sizeof(type_names) / sizeof(type_names[0]) ? type_names[v.tag] :
	    "?";
}

static struct value copy_list(struct value v, struct arena *to)
{
	struct value *items = ARENA_ARRAY(to, struct value, v.list->n);

	if (!items)
		return value_error(VALUE_COST, "memory limit of the evaluation");
	for (uint32_t i = 0; i < v.list->n; i++)
		items[i] = value_copy(v.list->v[i], to);
	return value_list_of(items, v.list->n, to);
}

static struct value copy_map(struct value v, struct arena *to)
{
	uint32_t n = v.map->n;
	struct value *keys = ARENA_ARRAY(to, struct value, n);
	struct value *values = ARENA_ARRAY(to, struct value, n);

	if (!keys || !values)
		return value_error(VALUE_COST, "memory limit of the evaluation");
	for (uint32_t i = 0; i < n; i++) {
		keys[i] = value_copy(v.map->keys[i], to);
		values[i] = value_copy(v.map->values[i], to);
	}
	return value_map_of(keys, values, n, to);
}

/* A host without `next` has nothing to copy: null. */
static struct value copy_host(struct value v, struct arena *to)
{
	struct value k, e, *keys = NULL, *values = NULL;
	uint32_t it = 0, n = 0, kcap = 0, vcap = 0;

	if (!v.host->ops->next)
		return value_null();
	while (v.host->ops->next(v.host, &it, &k, &e, to)) {
		keys = arena_grow(to, keys, n, &kcap, sizeof(*keys));
		values = arena_grow(to, values, n, &vcap, sizeof(*values));
		if (!keys || !values)
			return value_error(VALUE_COST, "memory limit of the evaluation");
		keys[n] = value_copy(k, to);
		values[n++] = value_copy(e, to);
	}
	return value_map_of(keys, values, n, to);
}

struct value value_copy(struct value v, struct arena *to)
{
	struct value *opt;
	struct str s;

	switch (v.tag) {
	case VALUE_ERROR:
		if (v.s)
			v.s = arena_str(to, str_of(v.s)).p;
		return v;
	case VALUE_STRING:
	case VALUE_BYTES:
	case VALUE_TYPE:
		s = arena_str(to, value_as_str(v));
		if (!s.p)
			return value_error(VALUE_COST, "memory limit of the evaluation");
		v.s = s.p;
		return v;
	case VALUE_LIST:
		return copy_list(v, to);
	case VALUE_MAP:
		return copy_map(v, to);
	case VALUE_RAW:
		return value_from_json(value_as_str(v), to);
	case VALUE_HOST:
		return copy_host(v, to);
	case VALUE_OPTIONAL:
		if (!v.opt)
			return v;
		opt = ARENA_NEW(to, struct value);
		if (!opt)
			return value_error(VALUE_COST, "memory limit of the evaluation");
		*opt = value_copy(*v.opt, to);
		v.opt = opt;
		return v;
	default:
		return v;
	}
}
