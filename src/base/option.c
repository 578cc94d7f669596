/* Option tables: from a YAML map to a filled struct.
 *
 * Invariants
 *   (1) `out` is whole after every read: fallbacks first, then only values that
 *       passed their checks.
 *   (2) One wrong key never hides another: every row is read, every complaint
 *       added.
 * To add a type: enum option_type, clear() below, option_store(), and the names
 * and the schema in option_doc.c.
 */
#include "base/option_priv.h"

#include "base/arena.h"
#include "base/check.h"

static bool read_map(struct option_take *, const struct option *, const struct yaml *,
    char *);

static bool store(struct option_take *t, const struct option *o, const struct yaml *y,
    char *base)
{
	struct option_take sub = { t->arena, t->diags, true };

	if (o->type != OPT_MAP)
		return option_store(t, o, y, base + o->offset);
	if (y->kind != YAML_MAP)
		return option_wrong(t, o, y, "a map");
	return read_map(&sub, o->sub, y, base + o->offset);
}

/* A fallback has no place in any text: an empty span says so. */
static void forget_place(struct yaml *y)
{
	y->at = (struct span){ 0 };
	for (uint32_t i = 0; i < y->n; i++)
		if (y->kind == YAML_SEQ) {
			forget_place(y->items[i]);
		} else {
			forget_place(y->pairs[i].key);
			forget_place(y->pairs[i].value);
		}
}

/* Fallbacks are read by the same code as what a user writes: one text for all
 * rows, exchanged from row to row. */
struct fallbacks {
	struct option_take take;
	struct text	 text;
};

/* Nearly every fallback is one plain word, which needs no parser. */
static struct yaml *fallback_node(struct fallbacks *f)
{
	struct yaml *y;

	if (strpbrk(f->text.bytes.p, "[{\"'")) {
		y = yaml_parse(0, f->take.arena, f->take.diags);
		CHECK(y);			/* the table itself is wrong */
		forget_place(y);
		return y;
	}
	y = ARENA_NEW(f->take.arena, struct yaml);
	y->kind = YAML_SCALAR;
	y->scalar = f->text.bytes;
	return y;
}

static void clear(const struct option *o, char *base)
{
	static const size_t size[] = {
		[OPT_STR] = sizeof(struct str), [OPT_INT] = sizeof(int64_t),
		[OPT_DOUBLE] = sizeof(double), [OPT_BOOL] = sizeof(bool),
		[OPT_DURATION] = sizeof(int64_t), [OPT_SIZE] = sizeof(int64_t),
		[OPT_ENUM] = sizeof(int64_t), [OPT_SECRET] = sizeof(struct option_secret),
		[OPT_STRS] = sizeof(struct option_strs), [OPT_NODE] = sizeof(void *),
		[OPT_MAP] = 0,
	};

	memset(base + o->offset, 0, size[o->type]);
}

static void default_rows(struct fallbacks *f, const struct option *o, char *base)
{
	for (; o->name; o++) {
		struct yaml *y;
		bool ok;

		clear(o, base);
		if (o->type == OPT_MAP)
			default_rows(f, o->sub, base + o->offset);
		if (!o->fallback)
			continue;
		f->text = (struct text){ str_of(o->name), str_of(o->fallback) };
		y = fallback_node(f);
		ok = yaml_is_null(y) || store(&f->take, o, y, base);
		CHECK(ok);			/* the table itself is wrong */
	}
}

void options_default(const struct option *o, void *out, struct arena *arena)
{
	struct fallbacks f = { .take = { .arena = arena } };

	f.take.diags = diags_new(&f.text, 1);
	default_rows(&f, o, out);
	diags_free(f.take.diags);
}

static const struct option *find(const struct option *o, struct str name)
{
	for (; o->name; o++)
		if (str_is(str_of(o->name), name))
			return o;
	return NULL;
}

/* Text that is no key at all comes from an unquoted expression in a flow map. */
static bool is_word(struct str s)
{
	for (uint32_t i = 0; i < s.len; i++)
		if (!g_ascii_isalnum(s.p[i]) && !strchr("_-./", s.p[i]))
			return false;
	return s.len > 0;
}

static void unknown_key(struct diags *diags, const struct yaml_pair *pair,
    const struct option *const *tables, uint32_t n)
{
	struct str words[128], near;
	uint32_t words_n = 0;
	struct diag *d;

	for (uint32_t i = 0; i < n; i++)
		for (const struct option *o = tables[i]; o->name; o++)
			if (words_n < G_N_ELEMENTS(words) && !(o->flags & OPT_LATER))
				words[words_n++] = str_of(o->name);
	d = diag_add(diags, SEV_ERROR, pair->key->at, "unknown key '%.*s'",
	    STR_ARG(pair->key->scalar));
	near = nearest_word(pair->key->scalar, words, words_n);
	if (near.len)
		diag_hint(diags, d, "did you mean '%.*s'?", STR_ARG(near));
	else if (!is_word(pair->key->scalar) && yaml_is_null(pair->value))
		diag_hint(diags, d, "quote this expression");
}

bool options_known(const struct option *const *tables, uint32_t n,
    const struct yaml *map, struct diags *diags)
{
	bool ok = true;

	for (uint32_t i = 0; map && map->kind == YAML_MAP && i < map->n; i++) {
		bool found = false;

		for (uint32_t j = 0; j < n && !found; j++)
			found = find(tables[j], map->pairs[i].key->scalar);
		if (!found)
			unknown_key(diags, &map->pairs[i], tables, n);
		ok = ok && found;
	}
	return ok;
}

static bool read_pair(struct option_take *t, const struct option *table,
    const struct yaml_pair *pair, char *out)
{
	const struct option *o = find(table, pair->key->scalar);

	if (!o) {
		if (t->known)
			unknown_key(t->diags, pair, &table, 1);
		return !t->known;
	}
	if (o->flags & OPT_LATER) {
		diag_add(t->diags, SEV_ERROR, pair->key->at,
		    "'%s' is not available in this version", o->name);
		return false;
	}
	return yaml_is_null(pair->value) || store(t, o, pair->value, out);
}

/* The fallbacks are there already. */
static bool read_map(struct option_take *t, const struct option *table,
    const struct yaml *map, char *out)
{
	bool ok = true;

	for (uint32_t i = 0; i < map->n; i++)
		ok &= read_pair(t, table, &map->pairs[i], out);
	for (const struct option *o = table; o->name; o++) {
		const struct yaml *value = yaml_get(map, str_of(o->name));

		if (!(o->flags & OPT_REQUIRED) || (value && !yaml_is_null(value)))
			continue;
		diag_add(t->diags, SEV_ERROR, map->at, "missing key '%s'", o->name);
		ok = false;
	}
	return ok;
}

static bool read_table(struct option_take *t, const struct option *table,
    const struct yaml *map, void *out)
{
	struct yaml empty = { .kind = YAML_MAP };

	options_default(table, out, t->arena);
	if (!map)
		return true;
	if (yaml_is_null(map)) {
		empty.at = map->at;
		map = &empty;
	}
	if (map->kind != YAML_MAP) {
		diag_add(t->diags, SEV_ERROR, map->at, "expected a map, not %.*s",
		    STR_ARG(option_shown(t, map)));
		return false;
	}
	return read_map(t, table, map, out);
}

bool options_read(const struct option *table, const struct yaml *map, void *out,
    struct arena *arena, struct diags *diags)
{
	struct option_take t = { arena, diags, true };

	return read_table(&t, table, map, out);
}

bool options_read_some(const struct option *table, const struct yaml *map, void *out,
    struct arena *arena, struct diags *diags)
{
	struct option_take t = { arena, diags, false };

	return read_table(&t, table, map, out);
}
