/* JSON text, written in one pass; the commas come from the last byte written.
 *
 * Invariants
 *   (1) A double always carries a '.', an exponent, or is null, so that a reader
 *       that types numbers by their spelling gets a double back: 1.0 is "1.0".
 *   (2) What is written is valid UTF-8 whatever the input was.
 */
#include "base/json.h"

#include <math.h>

#include "base/check.h"
#include "base/time.h"

/* A value, item or key is about to be written. */
static void comma(GString *out)
{
	if (out->len && !strchr("{[:,", out->str[out->len - 1]))
		g_string_append_c(out, ',');
}

void json_open(GString *out, char brace)
{
	CHECK(brace == '{' || brace == '[');
	comma(out);
	g_string_append_c(out, brace);
}

/* Takes either bracket of the pair. */
void json_close(GString *out, char brace)
{
	g_string_append_c(out, brace == '{' || brace == '}' ? '}' : ']');
}

static void escape(GString *out, unsigned char c)
{
	static const char names[] = "btn\0fr";		/* from 0x08 on */

	g_string_append_c(out, '\\');
	if (c == '"' || c == '\\')
		g_string_append_c(out, (char)c);
	else if (c >= 0x08 && c <= 0x0d && c != 0x0b)
		g_string_append_c(out, names[c - 0x08]);
	else
		g_string_append_printf(out, "u%04x", c);
}

/* Bytes of one valid code point at p, or 0. */
static size_t utf8_one(const char *p, const char *end)
{
	gunichar c = g_utf8_get_char_validated(p, end - p);

	if (c == (gunichar)-1 || c == (gunichar)-2)
		return 0;
	return (size_t)g_unichar_to_utf8(c, NULL);
}

static void quoted(GString *out, struct str s)
{
	const char *p = s.p, *end = s.p ? s.p + s.len : s.p, *from = p;

	g_string_append_c(out, '"');
	while (p < end) {
		unsigned char c = (unsigned char)*p;
		size_t n = c < 0x80 ? 1 : utf8_one(p, end);

		if (n && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
			p += n;
			continue;
		}
		g_string_append_len(out, from, p - from);
		if (n)
			escape(out, c);
		else
			g_string_append(out, "\xef\xbf\xbd");
		from = ++p;
	}
	g_string_append_len(out, from, p - from);
	g_string_append_c(out, '"');
}

void json_key_str(GString *out, struct str key)
{
	comma(out);
	quoted(out, key);
	g_string_append_c(out, ':');
}

void json_key(GString *out, const char *key)
{
	json_key_str(out, str_of(key));
}

void json_str(GString *out, struct str s)
{
	comma(out);
	quoted(out, s);
}

void json_cstr(GString *out, const char *s)
{
	if (s)
		json_str(out, str_of(s));
	else
		json_nil(out);
}

void json_i64(GString *out, int64_t v)
{
	comma(out);
	g_string_append_printf(out, "%" G_GINT64_FORMAT, v);
}

void json_double(GString *out, double v)
{
	static const char *const formats[] = { "%.15g", "%.16g", "%.17g" };
	char buf[G_ASCII_DTOSTR_BUF_SIZE];

	if (!isfinite(v)) {
		json_nil(out);
		return;
	}
	comma(out);
	for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
		double back;

		g_ascii_formatd(buf, sizeof(buf), formats[i], v);
		back = g_ascii_strtod(buf, NULL);
		if (memcmp(&back, &v, sizeof(v)) == 0)
			break;
	}
	g_string_append(out, buf);
	if (!strpbrk(buf, ".e"))
		g_string_append(out, ".0");
}

void json_bool(GString *out, bool v)
{
	comma(out);
	g_string_append(out, v ? "true" : "false");
}

void json_nil(GString *out)
{
	comma(out);
	g_string_append(out, "null");
}

void json_raw(GString *out, struct str s)
{
	comma(out);
	if (s.len)
		g_string_append_len(out, s.p, s.len);
	else
		g_string_append(out, "null");
}

void json_time(GString *out, int64_t ms)
{
	char buf[TIME_TEXT];

	if (ms == TIME_NONE)
		json_nil(out);
	else
		json_str(out, str_of(time_print(ms, buf)));
}
