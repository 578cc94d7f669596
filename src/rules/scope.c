/* Bundles while a rule set is built: prefixes, who may refer to what, defaults.
 *
 * The files directly in rules/ are the bundle without a prefix.  Several generations of
 * `shared` may be in one rule set: each file sees the one that its number says. */
#include "rules/build.h"

#define DEFAULTS STR("defaults.yaml")

static bool is_shared(const struct rule_text *t)
{
	return str_is(t->bundle, SHARED_BUNDLE);
}

/* "GENERATION FULLNAME"; only what is in `shared` exists in several. */
static char *key_of(struct str bundle, uint32_t shared, struct str name)
{
	if (!str_is(bundle, SHARED_BUNDLE))
		shared = 0;
	if (!bundle.len)
		return g_strdup_printf("%u %.*s", shared, STR_ARG(name));
	return g_strdup_printf("%u %.*s/%.*s", shared, STR_ARG(bundle), STR_ARG(name));
}

struct str scope_name(struct build *b, const struct rule_file *f, struct str name)
{
	if (!f->text->bundle.len)
		return load_keep(&b->ld, name);
	return arena_printf(b->ld.keep, "%.*s/%.*s", STR_ARG(f->text->bundle),
	    STR_ARG(name));
}

const char *scope_key(struct build *b, const struct rule_file *f, struct str name)
{
	g_autofree char *key = key_of(f->text->bundle, f->text->shared, name);

	return arena_str(b->ld.tree, str_of(key)).p;
}

gpointer scope_find(const struct build *b, GHashTable *table, const struct rule_file *f,
    struct str name)
{
	const struct rule_text *t = f->text;
	g_autofree char *own = key_of(t->bundle, t->shared, name);
	g_autofree char *shared = key_of(SHARED_BUNDLE, t->shared, name);
	gpointer p = g_hash_table_lookup(table, own);

	(void)b;
	return p ? p : g_hash_table_lookup(table, shared);
}

static struct str base_name(struct str path)
{
	const char *slash = path.len ? memrchr(path.p, '/', path.len) : NULL;
	uint32_t skip = slash ? (uint32_t)(slash - path.p) + 1 : 0;

	return (struct str){path.p + skip, path.len - skip};
}

/* Of the same directory, or (by the command line) of the same bundle's. */
static bool beside(const struct rule_text *a, const struct rule_text *b)
{
	return str_is(a->bundle, b->bundle) && str_is(a->dir, b->dir) &&
	    (!is_shared(a) || a->shared == b->shared);
}

const struct rule_text *scope_companion(const struct build *b, const struct rule_file *f,
    struct str name)
{
	for (uint32_t i = 0; i < b->files_n; i++) {
		const struct rule_text *t = b->files[i].text;

		if (t->companion && beside(t, f->text) &&
		    str_is(base_name(t->name), name))
			return t;
	}
	return NULL;
}

static void lay_under(struct build *b, const struct rule_file *d, struct rule_file *f)
{
	f->rule = load_merge(&b->ld, d->rule, f->rule);
	f->pipeline = load_merge(&b->ld, d->pipeline, f->pipeline);
	f->step = load_merge(&b->ld, d->step, f->step);
}

static bool is_defaults(const struct rule_file *d)
{
	return !d->text->companion && str_is(base_name(d->text->name), DEFAULTS);
}

void scope_defaults(struct build *b, struct rule_file *f)
{
	for (uint32_t i = 0; i < b->files_n; i++) {
		const struct rule_file *d = &b->files[i];

		if (d != f && is_defaults(d) && beside(d->text, f->text))
			lay_under(b, d, f);
	}
	for (uint32_t i = 0; i < b->files_n; i++) {
		const struct rule_file *d = &b->files[i];

		if (d != f && is_defaults(d) && is_shared(d->text) &&
		    !is_shared(f->text) && d->text->shared == f->text->shared)
			lay_under(b, d, f);
	}
}
