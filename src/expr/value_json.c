/* Values to JSON text, by CEL's JSON mapping. */
#include "expr/value.h"

#include "base/json.h"
#include "expr/number.h"

#define SAFE_INT INT64_C(9007199254740991)	/* 2^53 - 1 */

static void string_item(GString *text, GString *out)
{
	json_str(out, (struct str){ text->str, (uint32_t)text->len });
	g_string_free(text, TRUE);
}

static void number_to_json(struct value v, GString *out)
{
	GString *text;
	double d;

	if (v.tag == VALUE_DOUBLE && value_number(v, &d)) {
		json_double(out, d);
		return;
	}
	if (v.tag == VALUE_INT && v.i >= -SAFE_INT && v.i <= SAFE_INT) {
		json_i64(out, v.i);
		return;
	}
	if (v.tag == VALUE_UINT && v.u <= (uint64_t)SAFE_INT) {
		json_i64(out, (int64_t)v.u);
		return;
	}
	text = g_string_new(NULL);
	if (v.tag == VALUE_DOUBLE)
		print_double(v.d, text);
	else if (v.tag == VALUE_INT)
		g_string_append_printf(text, "%" G_GINT64_FORMAT, v.i);
	else
		g_string_append_printf(text, "%" G_GUINT64_FORMAT, v.u);
	string_item(text, out);
}

static void key_to_json(struct value k, GString *out)
{
	GString *text;

	if (k.tag == VALUE_STRING) {
		json_key_str(out, value_as_str(k));
		return;
	}
	text = g_string_new(NULL);
	if (k.tag == VALUE_BOOL)
		g_string_append(text, k.i ? "true" : "false");
	else if (k.tag == VALUE_UINT)
		g_string_append_printf(text, "%" G_GUINT64_FORMAT, k.u);
	else
		g_string_append_printf(text, "%" G_GINT64_FORMAT, k.i);
	json_key_str(out, (struct str){ text->str, (uint32_t)text->len });
	g_string_free(text, TRUE);
}

static void map_to_json(struct value v, struct arena *arena, GString *out)
{
	json_open(out, '{');
	for (uint32_t i = 0; i < v.map->n; i++) {
		key_to_json(v.map->keys[i], out);
		value_to_json(v.map->values[i], arena, out);
	}
	json_close(out, '}');
}

static void host_to_json(struct value v, struct arena *arena, GString *out)
{
	struct value k, e;
	uint32_t it = 0;

	if (!v.host->ops->next) {
		json_nil(out);
		return;
	}
	json_open(out, '{');
	while (v.host->ops->next(v.host, &it, &k, &e, arena)) {
		key_to_json(k, out);
		value_to_json(e, arena, out);
	}
	json_close(out, '}');
}

static void bytes_to_json(struct value v, GString *out)
{
	char *text = g_base64_encode((const guchar *)v.s, v.len);

	json_str(out, str_of(text));
	g_free(text);
}

static void list_to_json(struct value v, struct arena *arena, GString *out)
{
	json_open(out, '[');
	for (uint32_t i = 0; i < v.list->n; i++)
		value_to_json(v.list->v[i], arena, out);
	json_close(out, ']');
}

void value_to_json(struct value v, struct arena *arena, GString *out)
{
	GString *text;

	switch (v.tag) {
	case VALUE_BOOL:
		json_bool(out, v.i);
		return;
	case VALUE_INT:
	case VALUE_UINT:
	case VALUE_DOUBLE:
		number_to_json(v, out);
		return;
	case VALUE_STRING:
	case VALUE_TYPE:
		json_str(out, value_as_str(v));
		return;
	case VALUE_BYTES:
		bytes_to_json(v, out);
		return;
	case VALUE_LIST:
		list_to_json(v, arena, out);
		return;
	case VALUE_MAP:
		map_to_json(v, arena, out);
		return;
	case VALUE_HOST:
		host_to_json(v, arena, out);
		return;
	case VALUE_RAW:
		json_raw(out, value_as_str(v));
		return;
	case VALUE_OPTIONAL:
		value_to_json(v.opt ? *v.opt : value_null(), arena, out);
		return;
	case VALUE_TIMESTAMP:
	case VALUE_DURATION:
		text = g_string_new(NULL);
		if (v.tag == VALUE_TIMESTAMP)
			print_timestamp(v, text);
		else
			print_duration(v.i, text);
		string_item(text, out);
		return;
	default:
		json_nil(out);
	}
}
