/* Key lookup of CEL maps, shared by values, the machine and constant sets. */
#ifndef EXPR_MAP_H
#define EXPR_MAP_H

#include "expr/value.h"

/* INT for every integral number that fits, else the value itself. */
struct value map_key(struct value);
bool map_key_ok(struct value);		/* of a type that may be a key */
/* The value under `key` by numeric-aware equality, or NULL. */
const struct value *map_get(const struct value_map *, struct value key);
/* The index of a key, or UINT32_MAX. */
uint32_t map_find(const struct value_map *, struct value key);
/* Builds the index of a map whose n, keys and values are set.  False: out of
 * memory, or *ret_dup is a key that occurs twice. */
bool map_index(struct value_map *, struct arena *, const struct value **ret_dup);
#endif
