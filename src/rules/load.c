/* Helpers of the loader: names, places, merging of defaults, canonical text.
 *
 * Merging builds new maps whose members are the old nodes, so that every
 * diagnostic still points at the line the user wrote. */
#include "rules/load.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/json.h"

#define NAME_BYTES 128

struct str load_keep(struct load *ld, struct str s)
{
	return s.len ? arena_str(ld->keep, s) : (struct str){NULL, 0};
}

const struct yaml *load_key(const struct yaml *map, const char *name)
{
	for (uint32_t i = 0; map->kind == YAML_MAP && i < map->n; i++)
		if (str_is(map->pairs[i].key->scalar, str_of(name)))
			return map->pairs[i].key;
	return map;
}

const struct yaml *load_get(const struct yaml *map, const char *name)
{
	const struct yaml *y = yaml_get(map, str_of(name));

	return y && !yaml_is_null(y) ? y : NULL;
}

bool load_later(const struct option *rows, const struct yaml *map)
{
	for (; rows->name; rows++)
		if ((rows->flags & OPT_LATER) && load_get(map, rows->name))
			return true;
	return false;
}

void load_near(struct load *ld, struct diag *d, struct str word, const struct str *words,
    uint32_t n)
{
	struct str near = nearest_word(word, words, n);

	if (d && near.len)
		diag_hint(ld->diags, d, "did you mean '%.*s'?", STR_ARG(near));
}

bool load_name(struct load *ld, const struct yaml *at, struct str name, const char *what)
{
	bool ok = name.len > 0 && name.len <= NAME_BYTES;

	for (uint32_t i = 0; ok && i < name.len; i++)
		ok = g_ascii_isalnum(name.p[i]) || name.p[i] == '_' ||
		    (i > 0 && (name.p[i] == '-' || name.p[i] == '.'));
	if (!ok)
		BAD(ld, at,
		    "bad %s name '%.*s': expected letters, digits, '_', '-' and '.',"
		    " not beginning with '-' or '.', at most %d bytes",
		    what, STR_ARG(name), NAME_BYTES);
	return ok;
}

bool load_ident(struct str name)
{
	for (uint32_t i = 0; i < name.len; i++)
		if (!g_ascii_isalpha(name.p[i]) && name.p[i] != '_' &&
		    !(i > 0 && g_ascii_isdigit(name.p[i])))
			return false;
	return name.len > 0 && name.len <= NAME_BYTES;
}

const struct yaml *load_merge(struct load *ld, const struct yaml *under,
    const struct yaml *over)
{
	struct yaml *m;

	if (!under || !over)
		return over ? over : under;
	if (under->kind != YAML_MAP || over->kind != YAML_MAP)
		return over;
	m = ARENA_NEW(ld->tree, struct yaml);
	*m = *over;
	m->pairs = ARENA_ARRAY(ld->tree, struct yaml_pair, over->n + under->n);
	for (uint32_t i = 0; i < over->n; i++) {
		const struct yaml *u = yaml_get(under, over->pairs[i].key->scalar);

		m->pairs[i] = over->pairs[i];
		if (u)	/* the tree is ours: const is only a promise to readers */
			m->pairs[i].value = (struct yaml *)(uintptr_t)
			    load_merge(ld, u, over->pairs[i].value);
	}
	for (uint32_t i = 0; i < under->n; i++)
		if (!yaml_get(over, under->pairs[i].key->scalar))
			m->pairs[m->n++] = under->pairs[i];
	return m;
}

struct value load_value(const struct yaml *y, struct arena *arena)
{
	GString *json = g_string_new(NULL);
	struct value v;

	yaml_to_json(y, json);
	v = value_from_json(arena_str(arena,
	    (struct str){json->str, (uint32_t)json->len}), arena);
	CHECK(v.tag != VALUE_ERROR);
	g_string_free(json, true);
	return v;
}

static int by_key(const void *a, const void *b)
{
	const struct yaml_pair *x = a, *y = b;

	return str_cmp(x->key->scalar, y->key->scalar);
}

void load_canonical(const struct yaml *y, GString *out)
{
	struct yaml_pair *sorted;

	if (y->kind == YAML_SCALAR) {
		yaml_to_json(y, out);
		return;
	}
	json_open(out, y->kind == YAML_MAP ? '{' : '[');
	if (y->kind == YAML_SEQ)
		for (uint32_t i = 0; i < y->n; i++)
			load_canonical(y->items[i], out);
	if (y->kind == YAML_MAP && y->n) {
		sorted = g_memdup2(y->pairs, y->n * sizeof *sorted);
		qsort(sorted, y->n, sizeof *sorted, by_key);
		for (uint32_t i = 0; i < y->n; i++) {
			json_key_str(out, sorted[i].key->scalar);
			load_canonical(sorted[i].value, out);
		}
		g_free(sorted);
	}
	json_close(out, y->kind == YAML_MAP ? '}' : ']');
}

static void scalar_text(const struct yaml *y, GString *out)
{
	int64_t i;
	double d;
	bool b;

	if (!y->quoted && y->scalar.len &&
	    (yaml_is_null(y) || yaml_bool(y, &b) || yaml_int(y, &i) ||
		yaml_double(y, &d)))
		json_raw(out, y->scalar);
	else
		yaml_to_json(y, out);
}

void load_text(const struct yaml *y, GString *out)
{
	if (y->kind == YAML_SCALAR) {
		scalar_text(y, out);
		return;
	}
	json_open(out, y->kind == YAML_MAP ? '{' : '[');
	for (uint32_t i = 0; i < y->n; i++) {
		if (y->kind == YAML_MAP)
			json_key_str(out, y->pairs[i].key->scalar);
		load_text(y->kind == YAML_MAP ? y->pairs[i].value : y->items[i], out);
	}
	json_close(out, y->kind == YAML_MAP ? '}' : ']');
}

void load_sha256(struct str s, uint8_t ret[32])
{
	GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
	gsize n = 32;

	g_checksum_update(sum, (const guchar *)s.p, (gssize)s.len);
	g_checksum_get_digest(sum, ret, &n);
	g_checksum_free(sum);
}

void load_hash16(const GString *s, uint8_t ret[16])
{
	uint8_t whole[32];

	load_sha256((struct str){s->str, (uint32_t)s->len}, whole);
	memcpy(ret, whole, 16);
}

guint load_str_hash(gconstpointer p)
{
	const struct str *s = p;
	guint h = 5381;

	for (uint32_t i = 0; i < s->len; i++)
		h = h * 33 + (guint8)s->p[i];
	return h;
}

gboolean load_str_equal(gconstpointer a, gconstpointer b)
{
	return str_is(*(const struct str *)a, *(const struct str *)b);
}
