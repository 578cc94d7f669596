/* Option tables as documentation: a JSON schema for editors, and the Markdown
 * table of the reference page. */
#include "base/option.h"

#include "base/arena.h"
#include "base/json.h"

#define NEST_MAX 8		/* tables may name each other */

static void put_type(const char *type, GString *out)
{
	json_key(out, "type");
	json_cstr(out, type);
}

static void schema_object(const struct option *, unsigned depth, GString *out);

static void text_or_number(GString *out)
{
	json_key(out, "type");
	json_raw(out, STR("[\"string\",\"integer\"]"));
}

static void put_words(const struct option *o, GString *out)
{
	g_auto(GStrv) words = g_strsplit(o->words, "|", -1);

	json_key(out, "enum");
	json_open(out, '[');
	for (char **w = words; *w; w++)
		json_cstr(out, *w);
	/* what YAML reads as a boolean is one to an editor */
	if (g_strv_contains((const char *const *)words, "true"))
		json_bool(out, true);
	if (g_strv_contains((const char *const *)words, "false"))
		json_bool(out, false);
	json_close(out, '[');
}

/* A fallback is YAML text: a number, true, "text", text or [list]. */
static void put_default(const struct option *o, GString *out)
{
	const char *v = o->fallback;

	if (!v || o->type == OPT_STRS || o->type == OPT_NODE)
		return;
	json_key(out, "default");
	if (o->type == OPT_INT || o->type == OPT_DOUBLE || o->type == OPT_BOOL ||
	    *v == '"')
		json_raw(out, str_of(v));
	else
		json_cstr(out, v);
}

static void put_bounds(const struct option *o, GString *out)
{
	put_type("integer", out);
	if (!o->min && !o->max)
		return;
	json_key(out, "minimum");
	json_i64(out, o->min);
	if (o->max == 0 && o->min > 0)
		return;
	json_key(out, "maximum");
	json_i64(out, o->max);
}

/* What is inside is not said by the type: a map, a list of maps, or short text. */
static void put_node(const struct option *o, unsigned depth, GString *out)
{
	if (!o->sub || depth >= NEST_MAX)
		return;
	json_key(out, "anyOf");
	json_open(out, '[');
	schema_object(o->sub, depth + 1, out);
	json_open(out, '{');
	put_type("array", out);
	json_close(out, '{');
	json_open(out, '{');
	put_type("object", out);
	json_close(out, '{');
	json_open(out, '{');
	put_type("string", out);
	json_close(out, '{');
	json_close(out, '[');
}

static void put_value(const struct option *o, unsigned depth, GString *out)
{
	switch (o->type) {
	case OPT_STR:
		json_key(out, "type");
		json_raw(out, STR("[\"string\",\"number\",\"boolean\"]"));
		break;
	case OPT_INT:
		put_bounds(o, out);
		break;
	case OPT_DOUBLE:
		put_type("number", out);
		break;
	case OPT_BOOL:
		put_type("boolean", out);
		break;
	case OPT_DURATION:
		text_or_number(out);
		json_key(out, "pattern");
		json_cstr(out, "^(0|([0-9]+(w|d|h|m|s|ms))+)$");
		break;
	case OPT_SIZE:
		text_or_number(out);
		json_key(out, "pattern");
		json_cstr(out, "^[0-9]+(Ki|Mi|Gi)?$");
		break;
	case OPT_ENUM:
		put_words(o, out);
		break;
	case OPT_SECRET:
		put_type("object", out);
		json_key(out, "minProperties");
		json_i64(out, 1);
		json_key(out, "maxProperties");
		json_i64(out, 1);
		json_key(out, "propertyNames");
		json_raw(out, STR("{\"enum\":[\"file\",\"env\",\"credential\"]}"));
		break;
	case OPT_STRS:
		json_key(out, "type");
		json_raw(out, STR("[\"string\",\"array\"]"));
		json_key(out, "items");
		json_raw(out, STR("{\"type\":[\"string\",\"number\",\"boolean\"]}"));
		break;
	case OPT_NODE:
		put_node(o, depth, out);
		break;
	case OPT_MAP:
		break;			/* schema_row()'s */
	}
}

static void schema_row(const struct option *o, unsigned depth, GString *out)
{
	json_key(out, o->name);
	if (o->type == OPT_MAP && depth < NEST_MAX) {
		schema_object(o->sub, depth + 1, out);
		return;
	}
	json_open(out, '{');
	put_value(o, depth, out);
	json_key(out, "description");
	json_cstr(out, o->doc);
	put_default(o, out);
	json_close(out, '{');
}

/* What is not available in this version is no part of the schema. */
static void schema_object(const struct option *table, unsigned depth, GString *out)
{
	json_open(out, '{');
	put_type("object", out);
	json_key(out, "additionalProperties");
	json_bool(out, false);
	json_key(out, "properties");
	json_open(out, '{');
	for (const struct option *o = table; o->name; o++)
		if (!(o->flags & OPT_LATER))
			schema_row(o, depth, out);
	json_close(out, '{');
	json_key(out, "required");
	json_open(out, '[');
	for (const struct option *o = table; o->name; o++)
		if (o->flags & OPT_REQUIRED)
			json_cstr(out, o->name);
	json_close(out, '[');
	json_close(out, '{');
}

void options_schema(const struct option *table, GString *out)
{
	schema_object(table, 0, out);
}

/* `|` separates cells, so it is escaped in them. */
static void cell(const char *s, GString *out)
{
	for (; *s; s++) {
		if (*s == '|')
			g_string_append_c(out, '\\');
		g_string_append_c(out, *s);
	}
}

static void type_cell(const struct option *o, GString *out)
{
	static const char *const names[] = {
		[OPT_STR] = "text", [OPT_INT] = "whole number",
		[OPT_DOUBLE] = "number", [OPT_BOOL] = "true or false",
		[OPT_DURATION] = "duration", [OPT_SIZE] = "size",
		[OPT_SECRET] = "secret", [OPT_STRS] = "list of texts",
		[OPT_MAP] = "map",
	};

	if (o->type == OPT_ENUM)
		cell(o->words, out);
	else if (o->type == OPT_NODE && (o->flags & OPT_EXPR))
		g_string_append(out, o->sub ? "map of expressions" : "expression");
	else if (o->type == OPT_NODE && !(o->flags & OPT_LATER))
		g_string_append(out, o->sub ? "map or list" : "value");
	else if (o->type == OPT_NODE)
		return;			/* nobody knows yet */
	else
		g_string_append(out, names[o->type]);
}

static void markdown_row(const struct option *o, const char *prefix, GString *out)
{
	g_string_append_printf(out, "| `%s%s` | ", prefix, o->name);
	type_cell(o, out);
	g_string_append(out, " | ");
	if (o->flags & OPT_REQUIRED) {
		g_string_append(out, "required");
	} else if (o->fallback) {
		g_string_append_c(out, '`');
		cell(o->fallback, out);
		g_string_append_c(out, '`');
	}
	g_string_append(out, " | ");
	cell(o->doc ? o->doc : "", out);
	if (o->flags & OPT_RESTART)
		g_string_append(out, " (takes effect at the next start)");
	if (o->flags & OPT_LATER)
		g_string_append(out, " (not available in this version)");
	g_string_append(out, " |\n");
}

static void markdown_rows(const struct option *table, const char *prefix, unsigned depth,
    GString *out)
{
	for (const struct option *o = table; o->name; o++) {
		g_autofree char *inner = NULL;

		markdown_row(o, prefix, out);
		if (o->type != OPT_MAP || depth >= NEST_MAX)
			continue;
		inner = g_strdup_printf("%s%s.", prefix, o->name);
		markdown_rows(o->sub, inner, depth + 1, out);
	}
}

/* The rows of a MAP follow it, with its name before theirs. */
void options_markdown(const struct option *table, const char *prefix, GString *out)
{
	g_string_append(out, "| key | type | default | meaning |\n|---|---|---|---|\n");
	markdown_rows(table, prefix ? prefix : "", 0, out);
}
