/* Maps: insertion order, and open addressing above MAP_LINEAR keys.
 *
 * Invariants
 *   (1) Two keys are equal iff map_key() of both are: 1, 1u and 1.0 are one key.
 *   (2) index[] holds position + 1, 0 is free; its size is a power of two and at
 *       least twice the number of keys, so that a probe always ends.
 *   (3) The hash never decides an order: iteration goes over the arrays. */
#include "expr/map.h"

#include "base/arena.h"

#define MAP_LINEAR 8

struct value map_key(struct value v)
{
	if (v.tag == VALUE_UINT && v.u <= INT64_MAX)
		return value_int((int64_t)v.u);
	if (v.tag == VALUE_DOUBLE && v.d >= -0x1p63 && v.d < 0x1p63 &&
	    v.d == (double)(int64_t)v.d)
		return value_int((int64_t)v.d);
	if (v.tag == VALUE_DOUBLE && v.d >= 0x1p63 && v.d < 0x1p64)
		return (struct value){ .tag = VALUE_UINT, .u = (uint64_t)v.d };
	return v;
}

bool map_key_ok(struct value v)
{
	return v.tag == VALUE_STRING || v.tag == VALUE_INT || v.tag == VALUE_UINT ||
	       v.tag == VALUE_BOOL;
}

static bool key_equal(struct value a, struct value b)
{
	if (a.tag != b.tag)
		return false;
	if (a.tag == VALUE_STRING)
		return str_is(value_as_str(a), value_as_str(b));
	return (a.tag == VALUE_INT || a.tag == VALUE_UINT || a.tag == VALUE_BOOL) &&
	       a.u == b.u;
}

/* FNV-1a over strings, a multiplicative mix over numbers. */
static uint32_t key_hash(struct value v)
{
	uint64_t h = 14695981039346656037u;

	if (v.tag == VALUE_STRING) {
		for (uint32_t i = 0; i < v.len; i++)
			h = (h ^ (uint8_t)v.s[i]) * 1099511628211u;
	} else {
		h = (v.u ^ v.tag) * 0x9e3779b97f4a7c15u;
	}
	return (uint32_t)(h ^ h >> 32);
}

static uint32_t find_text(const struct value_map *m, struct str key)
{
	for (uint32_t i = 0; i < m->n; i++) {
		struct value k = m->keys[i];

		if (k.tag == VALUE_STRING && str_is(value_as_str(k), key))
			return i;
	}
	return UINT32_MAX;
}

uint32_t map_find(const struct value_map *m, struct value key)
{
	if (key.tag == VALUE_STRING && !m->index)
		return find_text(m, value_as_str(key));
	key = map_key(key);
	if (!m->index) {
		for (uint32_t i = 0; i < m->n; i++)
			if (key_equal(map_key(m->keys[i]), key))
				return i;
		return UINT32_MAX;
	}
	for (uint32_t h = key_hash(key);; h++) {
		uint32_t at = m->index[h & m->mask];

		if (at == 0)
			return UINT32_MAX;
		if (key_equal(map_key(m->keys[at - 1]), key))
			return at - 1;
	}
}

const struct value *map_get(const struct value_map *m, struct value key)
{
	uint32_t i = map_find(m, key);

	return i == UINT32_MAX ? NULL : &m->values[i];
}

static bool small_index(struct value_map *m, const struct value **ret_dup)
{
	for (uint32_t i = 1; i < m->n; i++)
		for (uint32_t j = 0; j < i; j++)
			if (key_equal(map_key(m->keys[i]), map_key(m->keys[j]))) {
				*ret_dup = &m->keys[i];
				return false;
			}
	return true;
}

bool map_index(struct value_map *m, struct arena *arena, const struct value **ret_dup)
{
	uint32_t size = 32, *index;

	*ret_dup = NULL;
	m->index = NULL;
	if (m->n <= MAP_LINEAR)
		return small_index(m, ret_dup);
	while (size < 2 * m->n)
		size *= 2;
	index = ARENA_ARRAY(arena, uint32_t, size);
	if (!index)
		return false;
	for (uint32_t i = 0; i < m->n; i++) {
		struct value key = map_key(m->keys[i]);
		uint32_t h = key_hash(key);

		for (; index[h & (size - 1)]; h++)
			if (key_equal(map_key(m->keys[index[h & (size - 1)] - 1]), key)) {
				*ret_dup = &m->keys[i];
				return false;
			}
		index[h & (size - 1)] = i + 1;
	}
	m->index = index;
	m->mask = size - 1;
	return true;
}
