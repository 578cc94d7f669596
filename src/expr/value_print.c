/* Values as explain, traces and dumps show them: short, on one line.
 *
 * Not JSON and not read back: strings are quoted with JSON's escapes and cut
 * after PRINT_TEXT bytes, lists and maps after PRINT_ITEMS members. */
#include <math.h>

#include "base/json.h"
#include "expr/number.h"
#include "expr/utf8.h"
#include "expr/value.h"

#define PRINT_TEXT 80
#define PRINT_DIGITS 9		/* longer numbers are rounded to six */
#define PRINT_ITEMS 5

static void print_string(struct str s, GString *out)
{
	GString *quoted = g_string_new(NULL);
	bool cut = s.len > PRINT_TEXT;

	if (cut)
		for (s.len = PRINT_TEXT; s.len && ((uint8_t)s.p[s.len] & 0xc0) == 0x80; )
			s.len--;
	json_str(quoted, s);
	if (cut)
		g_string_insert(quoted, (gssize)quoted->len - 1, "…");
	g_string_append_len(out, quoted->str, (gssize)quoted->len);
	g_string_free(quoted, TRUE);
}

static void print_list(const struct value_list *list, GString *out)
{
	g_string_append_c(out, '[');
	for (uint32_t i = 0; i < list->n; i++) {
		if (i)
			g_string_append(out, ", ");
		if (i == PRINT_ITEMS) {
			g_string_append_printf(out, "… %u in all", list->n);
			break;
		}
		value_print(list->v[i], out);
	}
	g_string_append_c(out, ']');
}

static void print_map(const struct value_map *map, GString *out)
{
	g_string_append_c(out, '{');
	for (uint32_t i = 0; i < map->n; i++) {
		if (i)
			g_string_append(out, ", ");
		if (i == PRINT_ITEMS) {
			g_string_append_printf(out, "… %u in all", map->n);
			break;
		}
		value_print(map->keys[i], out);
		g_string_append(out, ": ");
		value_print(map->values[i], out);
	}
	g_string_append_c(out, '}');
}

static void print_bytes(struct value v, GString *out)
{
	g_string_append(out, "b\"");
	for (uint32_t i = 0; i < v.len && i < PRINT_TEXT / 4; i++)
		g_string_append_printf(out, "\\x%02x", (uint8_t)v.s[i]);
	g_string_append(out, v.len > PRINT_TEXT / 4 ? "…\"" : "\"");
}

/* A double always shows that it is one: 3.0, not 3. */
static void print_number(struct value v, GString *out)
{
	gsize from = out->len;

	if (v.tag == VALUE_INT) {
		g_string_append_printf(out, "%" G_GINT64_FORMAT, v.i);
		return;
	}
	if (v.tag == VALUE_UINT) {
		g_string_append_printf(out, "%" G_GUINT64_FORMAT "u", v.u);
		return;
	}
	print_double(v.d, out);
	/* 0.28166666666666657 says no more to a person than 0.281667 */
	if (out->len - from > PRINT_DIGITS && fabs(v.d) >= 1e-4 && fabs(v.d) < 1e6) {
		char text[G_ASCII_DTOSTR_BUF_SIZE];

		g_string_truncate(out, from);
		g_string_append(out, g_ascii_formatd(text, sizeof(text), "%.6g", v.d));
	}
	if (!strpbrk(out->str + from, ".eNI"))
		g_string_append(out, ".0");
}

void value_print(struct value v, GString *out)
{
	switch (v.tag) {
	case VALUE_NULL:
		g_string_append(out, "null");
		return;
	case VALUE_BOOL:
		g_string_append(out, v.i ? "true" : "false");
		return;
	case VALUE_INT:
	case VALUE_UINT:
	case VALUE_DOUBLE:
		print_number(v, out);
		return;
	case VALUE_STRING:
		print_string(value_as_str(v), out);
		return;
	case VALUE_BYTES:
		print_bytes(v, out);
		return;
	case VALUE_LIST:
		print_list(v.list, out);
		return;
	case VALUE_MAP:
		print_map(v.map, out);
		return;
	case VALUE_TIMESTAMP:
		print_timestamp(v, out);
		return;
	case VALUE_DURATION:
		print_duration(v.i, out);
		return;
	case VALUE_TYPE:
		g_string_append_len(out, v.s, v.len);
		return;
	case VALUE_OPTIONAL:
		g_string_append(out, v.opt ? "optional(" : "optional.none()");
		if (v.opt) {
			value_print(*v.opt, out);
			g_string_append_c(out, ')');
		}
		return;
	case VALUE_ERROR:
		g_string_append_printf(out, "error: %s", v.s ? v.s : "?");
		return;
	default:
		g_string_append(out, value_type_name(v));
	}
}
