/* One option: from a YAML node to the typed value at its place.
 *
 * Every function returns false after it added a complaint, and then has not
 * written to its place.
 */
#include "base/option_priv.h"

#include <math.h>

#include "base/arena.h"
#include "base/check.h"

/* "'abc'" for a scalar, else what it is. */
struct str option_shown(struct option_take *t, const struct yaml *y)
{
	if (y->kind == YAML_MAP)
		return STR("a map");
	if (y->kind == YAML_SEQ)
		return STR("a list");
	return arena_printf(t->arena, "'%.*s'", STR_ARG(y->scalar));
}

/* Returns false, so that a failing path is one line. */
bool option_wrong(struct option_take *t, const struct option *o,
    const struct yaml *y, const char *expected)
{
	diag_add(t->diags, SEV_ERROR, y->at, "'%s' expects %s, not %.*s", o->name,
	    expected, STR_ARG(option_shown(t, y)));
	return false;
}

/* A bound in the spelling of its type. */
static void print_bound(const struct option *o, int64_t v, GString *out)
{
	if (o->type == OPT_DURATION)
		duration_print(v, out);
	else if (o->type == OPT_SIZE)
		size_print(v, out);
	else
		g_string_append_printf(out, "%" G_GINT64_FORMAT, v);
}

static bool in_bounds(struct option_take *t, const struct option *o,
    const struct yaml *y, int64_t v)
{
	bool open = o->max == 0 && o->min > 0, none = !o->min && !o->max;
	g_autoptr(GString) text = NULL;

	if (none || (v >= o->min && (open || v <= o->max)))
		return true;
	text = g_string_new(open ? "at least " : "between ");
	print_bound(o, o->min, text);
	if (!open) {
		g_string_append(text, " and ");
		print_bound(o, o->max, text);
	}
	diag_add(t->diags, SEV_ERROR, y->at, "'%s' must be %s, not %.*s", o->name,
	    text->str, STR_ARG(y->scalar));
	return false;
}

static bool store_number(struct option_take *t, const struct option *o,
    const struct yaml *y, int64_t *out)
{
	static const char *const expected[] = {
		[OPT_INT] = "a whole number",
		[OPT_DURATION] = "a duration such as 500ms, 30s, 1h30m or 7d",
		[OPT_SIZE] = "a size such as 512, 64Ki, 10Mi or 1Gi",
	};
	bool ok;
	int64_t v;

	if (o->type == OPT_INT)
		ok = yaml_int(y, &v);
	else if (o->type == OPT_DURATION)
		ok = y->kind == YAML_SCALAR && duration_parse(y->scalar, &v);
	else
		ok = y->kind == YAML_SCALAR && size_parse(y->scalar, &v);
	if (!ok)
		return option_wrong(t, o, y, expected[o->type]);
	if (!in_bounds(t, o, y, v))
		return false;
	*out = v;
	return true;
}

/* The word that begins at *p; moves *p behind its separator.  False at the end. */
static bool next_word(const char **p, struct str *ret)
{
	const char *end;

	if (!**p)
		return false;
	end = strchrnul(*p, '|');
	*ret = (struct str){ *p, (uint32_t)(end - *p) };
	*p = *end ? end + 1 : end;
	return true;
}

static bool store_enum(struct option_take *t, const struct option *o,
    const struct yaml *y, int64_t *out)
{
	g_autoptr(GString) list = NULL;
	struct str words[64], near;
	const char *p = o->words;
	uint32_t n = 0;
	struct diag *d;

	while (n < G_N_ELEMENTS(words) && next_word(&p, &words[n])) {
		if (y->kind == YAML_SCALAR && str_is(y->scalar, words[n])) {
			*out = n + 1;
			return true;
		}
		n++;
	}
	list = g_string_new(NULL);
	for (uint32_t i = 0; i < n; i++)
		g_string_append_printf(list, "%s%.*s", i ? i + 1 < n ? ", " : " or " : "",
		    STR_ARG(words[i]));
	d = diag_add(t->diags, SEV_ERROR, y->at, "'%s' expects %s%s, not %.*s", o->name,
	    n > 1 ? "one of " : "", list->str, STR_ARG(option_shown(t, y)));
	near = nearest_word(y->scalar, words, y->kind == YAML_SCALAR ? n : 0);
	if (near.len)
		diag_hint(t->diags, d, "did you mean '%.*s'?", STR_ARG(near));
	return false;
}

static bool store_double(struct option_take *t, const struct option *o,
    const struct yaml *y, double *out)
{
	double v;

	if (!yaml_double(y, &v) || !isfinite(v))
		return option_wrong(t, o, y, "a number");
	*out = v;
	return true;
}

static bool store_bool(struct option_take *t, const struct option *o,
    const struct yaml *y, bool *out)
{
	bool v;

	if (!yaml_bool(y, &v))
		return option_wrong(t, o, y, "true or false");
	*out = v;
	return true;
}

static bool store_secret(struct option_take *t, const struct option *o,
    const struct yaml *y, struct option_secret *out)
{
	static const struct str names[] = {	/* ORDER: as SECRET_x */
		{ "file", 4 }, { "env", 3 }, { "credential", 10 },
	};
	const struct yaml_pair *pair = y->pairs;
	struct diag *d;

	if (y->kind == YAML_SCALAR) {		/* never shown: it may be the secret */
		d = diag_add(t->diags, SEV_ERROR, y->at,
		    "'%s' expects {file: path}, {env: name} or {credential: name}, "
		    "never the secret itself", o->name);
		d->hide_source = true;
		return false;
	}
	if (y->kind != YAML_MAP || y->n != 1)
		return option_wrong(t, o, y,
		    "one of {file: path}, {env: name}, {credential: name}");
	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
		if (!str_is(pair->key->scalar, names[i]))
			continue;
		if (pair->value->kind != YAML_SCALAR || !pair->value->scalar.len) {
			diag_add(t->diags, SEV_ERROR, pair->value->at,
			    "'%s' expects text", names[i].p);
			return false;
		}
		out->from = SECRET_FILE + i;
		out->name = pair->value->scalar;
		return true;
	}
	diag_add(t->diags, SEV_ERROR, pair->key->at,
	    "unknown key '%.*s', expected file, env or credential",
	    STR_ARG(pair->key->scalar));
	return false;
}

static bool store_strs(struct option_take *t, const struct option *o,
    const struct yaml *y, struct option_strs *out)
{
	uint32_t n = y->kind == YAML_SEQ ? y->n : 1;
	struct str *v = ARENA_ARRAY(t->arena, struct str, n);
	bool ok = true;

	for (uint32_t i = 0; i < n; i++) {
		const struct yaml *item = y->kind == YAML_SEQ ? y->items[i] : y;

		if (item->kind != YAML_SCALAR || yaml_is_null(item))
			ok = option_wrong(t, o, item, "a list of texts");
		else
			v[i] = item->scalar;
	}
	if (ok)
		*out = (struct option_strs){ v, n };
	return ok;
}

bool option_store(struct option_take *t, const struct option *o,
    const struct yaml *y, void *at)
{
	switch (o->type) {
	case OPT_STR:
		if (y->kind != YAML_SCALAR)
			return option_wrong(t, o, y, "text");
		*(struct str *)at = y->scalar;
		return true;
	case OPT_INT:
	case OPT_DURATION:
	case OPT_SIZE:
		return store_number(t, o, y, at);
	case OPT_DOUBLE:
		return store_double(t, o, y, at);
	case OPT_BOOL:
		return store_bool(t, o, y, at);
	case OPT_ENUM:
		return store_enum(t, o, y, at);
	case OPT_SECRET:
		return store_secret(t, o, y, at);
	case OPT_STRS:
		return store_strs(t, o, y, at);
	case OPT_NODE:
		*(const struct yaml **)at = y;
		return true;
	case OPT_MAP:			/* option.c's */
		break;
	}
	CHECK(o->type == 0);		/* every other type has returned */
	return false;
}
