/* JSON text to values; the only file of this floor that knows jansson.
 *
 * Strings are copied out of the parser's tree, so a value depends on its arena
 * alone.  Objects keep the order of their keys in the text. */
#include "expr/value.h"

#include <jansson.h>

#include "base/arena.h"
#include "expr/ops.h"

static struct value from_tree(const json_t *, struct arena *);

static struct value from_string(const char *p, size_t len, struct arena *arena)
{
	struct str s = arena_str(arena, (struct str){ p, (uint32_t)len });

	return s.p ? value_str(s) : value_fail_cost("memory limit of the evaluation");
}

static struct value from_array(const json_t *j, struct arena *arena)
{
	uint32_t n = (uint32_t)json_array_size(j);
	struct value *v = ARENA_ARRAY(arena, struct value, n);

	if (!v)
		return value_fail_cost("memory limit of the evaluation");
	for (uint32_t i = 0; i < n; i++)
		v[i] = from_tree(json_array_get(j, i), arena);
	return value_list_of(v, n, arena);
}

static struct value from_object(json_t *j, struct arena *arena)
{
	uint32_t n = (uint32_t)json_object_size(j), i = 0;
	struct value *keys = ARENA_ARRAY(arena, struct value, n);
	struct value *values = ARENA_ARRAY(arena, struct value, n);

	if (!keys || !values)
		return value_fail_cost("memory limit of the evaluation");
	for (void *it = json_object_iter(j); it; it = json_object_iter_next(j, it), i++) {
		keys[i] = from_string(json_object_iter_key(it),
		    json_object_iter_key_len(it), arena);
		values[i] = from_tree(json_object_iter_value(it), arena);
		if (keys[i].tag == VALUE_ERROR)
			return keys[i];
	}
	return value_map_of(keys, values, n, arena);
}

static struct value from_tree(const json_t *j, struct arena *arena)
{
	switch (json_typeof(j)) {
	case JSON_NULL:
		return value_null();
	case JSON_TRUE:
	case JSON_FALSE:
		return value_bool(json_is_true(j));
	case JSON_INTEGER:
		return value_int(json_integer_value(j));
	case JSON_REAL:
		return value_double(json_real_value(j));
	case JSON_STRING:
		return from_string(json_string_value(j), json_string_length(j), arena);
	case JSON_ARRAY:
		return from_array(j, arena);
	default:
		return from_object((json_t *)(uintptr_t)j, arena);
	}
}

struct value value_from_json(struct str json, struct arena *arena)
{
	json_error_t e;
	json_t *j = json_loadb(json.p ? json.p : "", json.len,
	    JSON_ALLOW_NUL | JSON_DECODE_ANY, &e);
	struct value v;

	if (!j)
		return value_fail(arena, VALUE_BAD_ARGUMENT, "not JSON: %s", e.text);
	v = from_tree(j, arena);
	json_decref(j);
	return v;
}
