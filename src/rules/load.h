/* What the loader's files share: the memories of one build and small helpers.
 *
 * `tree` holds the YAML trees and whatever is read from them, and goes when the
 * build ends; what a rule set or pipeline keeps is copied with load_keep(). */
#ifndef RULES_LOAD_H
#define RULES_LOAD_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/option.h"
#include "expr/value.h"
#include "rules/catalog.h"

struct zones;

struct load {
	struct arena	*keep, *tree;
	struct diags	*diags;
	struct zones	*zones;
	const struct catalog *catalog;
	GHashTable	*progs;		/* of rules' expressions, by text: names_expr() */
};

/* An error, or a warning, at a node. */
#define BAD(ld, node, ...) diag_add((ld)->diags, SEV_ERROR, (node)->at, __VA_ARGS__)
#define WARN(ld, node, ...) diag_add((ld)->diags, SEV_WARNING, (node)->at, __VA_ARGS__)

struct str load_keep(struct load *, struct str);
/* The key node `name` of a map, or the map itself: where to point at. */
const struct yaml *load_key(const struct yaml *map, const char *name);
/* The value of a key; NULL too where it is YAML's null, which stands for "not given". */
const struct yaml *load_get(const struct yaml *map, const char *name);
/* Whether the map has a key that later versions only know (told by options_read). */
bool load_later(const struct option *, const struct yaml *map);
/* Adds "did you mean" when a known word is near. */
void load_near(struct load *, struct diag *, struct str word, const struct str *words,
    uint32_t n);
/* [A-Za-z0-9_][A-Za-z0-9_.-]*, at most 128 bytes; says what is wrong otherwise. */
bool load_name(struct load *, const struct yaml *at, struct str name, const char *what);
/* A name that expressions can use: [A-Za-z_][A-Za-z0-9_]*. */
bool load_ident(struct str name);
/* The map with those keys of `under` added that it lacks; maps merge, the rest is
 * replaced whole.  Either may be NULL.  Nodes keep their places. */
const struct yaml *load_merge(struct load *, const struct yaml *under,
    const struct yaml *over);
/* A constant tree as a value. */
struct value load_value(const struct yaml *, struct arena *);
/* JSON with sorted keys: two definitions that differ in order alone are equal. */
void load_canonical(const struct yaml *, GString *out);
/* JSON in file order, except that plain numbers and words keep their spelling: read
 * back as YAML it means the same, where a text is wanted too (`1.10` as argument). */
void load_text(const struct yaml *, GString *out);
/* SHA-256, whole or its first 16 bytes. */
void load_sha256(struct str, uint8_t ret[32]);
void load_hash16(const GString *, uint8_t ret[16]);
/* For hash tables keyed by struct str *. */
guint load_str_hash(gconstpointer);
gboolean load_str_equal(gconstpointer, gconstpointer);

#endif
