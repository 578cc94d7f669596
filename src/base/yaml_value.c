/* Reading a YAML tree: lookup, the types of plain scalars, JSON text, and the
 * way back from a byte of a scalar to the bytes of the file. */
#include "base/yaml.h"

#include <errno.h>
#include <math.h>

#include "base/json.h"

const struct yaml *yaml_get(const struct yaml *map, struct str key)
{
	if (!map || map->kind != YAML_MAP)
		return NULL;
	for (uint32_t i = 0; i < map->n; i++)
		if (str_is(map->pairs[i].key->scalar, key))
			return map->pairs[i].value;
	return NULL;
}

static bool plain_is(const struct yaml *y, const char *const *words)
{
	if (!y || y->kind != YAML_SCALAR || y->quoted)
		return false;
	for (; *words; words++)
		if (str_is(y->scalar, str_of(*words)))
			return true;
	return false;
}

bool yaml_is_null(const struct yaml *y)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL", NULL };

	return plain_is(y, words);
}

bool yaml_bool(const struct yaml *y, bool *ret)
{
	static const char *const yes[] = { "true", "True", "TRUE", NULL };
	static const char *const no[] = { "false", "False", "FALSE", NULL };

	*ret = plain_is(y, yes);
	return *ret || plain_is(y, no);
}

/* Plain text as a C string in buf[], or false; numbers are short. */
static bool plain(const struct yaml *y, char *buf, size_t size)
{
	if (!y || y->kind != YAML_SCALAR || y->quoted || !y->scalar.len ||
	    y->scalar.len >= size)
		return false;
	memcpy(buf, y->scalar.p, y->scalar.len);
	buf[y->scalar.len] = '\0';
	return true;
}

/* [-+]? digits, or 0o / 0x digits. */
bool yaml_int(const struct yaml *y, int64_t *ret)
{
	char buf[64], *p = buf, *end;
	unsigned base = 10;

	if (!plain(y, buf, sizeof(buf)))
		return false;
	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'o')) {
		base = p[1] == 'x' ? 16 : 8;
		p += 2;
	}
	/* GLib's function also takes spaces, and a sign after the prefix. */
	if (base != 10 ? !g_ascii_isxdigit(*p) :
	    !g_ascii_isdigit(p[*p == '-' || *p == '+']))
		return false;
	errno = 0;
	*ret = g_ascii_strtoll(p, &end, base);
	return errno == 0 && !*end;
}

/* The grammar of a finite YAML 1.2 core number; strtod takes more than that. */
static bool is_float(const char *p)
{
	size_t before, after = 0;

	p += *p == '-' || *p == '+';
	before = strspn(p, "0123456789");
	p += before;
	if (*p == '.') {
		after = strspn(++p, "0123456789");
		p += after;
	}
	if (before + after == 0)
		return false;
	if (*p == 'e' || *p == 'E') {
		p++;
		p += *p == '-' || *p == '+';
		after = strspn(p, "0123456789");
		if (after == 0)
			return false;
		p += after;
	}
	return !*p;
}

bool yaml_double(const struct yaml *y, double *ret)
{
	static const char *const nan_words[] = { ".nan", ".NaN", ".NAN", NULL };
	static const char *const inf_words[] = { ".inf", ".Inf", ".INF", "+.inf", "+.Inf",
		"+.INF", NULL };
	static const char *const minus_words[] = { "-.inf", "-.Inf", "-.INF", NULL };
	char buf[512];
	int64_t i;

	if (plain_is(y, nan_words)) {
		*ret = NAN;
	} else if (plain_is(y, inf_words)) {
		*ret = INFINITY;
	} else if (plain_is(y, minus_words)) {
		*ret = -INFINITY;
	} else if (plain(y, buf, sizeof(buf)) && is_float(buf)) {
		*ret = g_ascii_strtod(buf, NULL);
	} else if (yaml_int(y, &i)) {		/* 0x and 0o */
		*ret = (double)i;
	} else {
		return false;
	}
	return true;
}

static void scalar_json(const struct yaml *y, GString *out)
{
	int64_t i;
	double d;
	bool b;

	if (yaml_is_null(y))
		json_nil(out);
	else if (yaml_bool(y, &b))
		json_bool(out, b);
	else if (yaml_int(y, &i))
		json_i64(out, i);
	else if (yaml_double(y, &d) && isfinite(d))
		json_double(out, d);
	else
		json_str(out, y->scalar);
}

/* JSON has no infinity and no NaN: those stay text.  Depth is bounded by the
 * parser. */
void yaml_to_json(const struct yaml *y, GString *out)
{
	if (y->kind == YAML_SCALAR) {
		scalar_json(y, out);
	} else if (y->kind == YAML_SEQ) {
		json_open(out, '[');
		for (uint32_t i = 0; i < y->n; i++)
			yaml_to_json(y->items[i], out);
		json_close(out, '[');
	} else {
		json_open(out, '{');
		for (uint32_t i = 0; i < y->n; i++) {
			json_key_str(out, y->pairs[i].key->scalar);
			yaml_to_json(y->pairs[i].value, out);
		}
		json_close(out, '{');
	}
}

/* Walks the source of a scalar beside its value. */
struct walk {
	const char	*p, *end;	/* source */
	const char	*v, *v_end;	/* value */
	char		 quote;		/* ' or ", else 0 */
	uint32_t	 indent;	/* blanks to skip at the start of a line */
};

static uint32_t blanks(const char *p, const char *end)
{
	uint32_t n = 0;

	while (p + n < end && (p[n] == ' ' || p[n] == '\t'))
		n++;
	return n;
}

/* A line end in the source gave a space or a line end in the value. */
static bool step_line(struct walk *w)
{
	if (*w->v != ' ' && *w->v != '\n')
		return false;
	w->p += w->p[0] == '\r' && w->p + 1 < w->end && w->p[1] == '\n' ? 2 : 1;
	w->p += MIN(blanks(w->p, w->end), w->indent);
	w->v++;
	return true;
}

/* A backslash in double quotes gives one code point. */
static bool step_escape(struct walk *w)
{
	char c = w->p + 1 < w->end ? w->p[1] : '\n';
	uint32_t n = c == 'x' ? 4 : c == 'u' ? 6 : c == 'U' ? 10 : 2;
	uint32_t made = (uint32_t)g_utf8_skip[(unsigned char)*w->v];

	if (c == '\n' || c == '\r' || w->end - w->p < n || w->v_end - w->v < made)
		return false;
	w->p += n;
	w->v += made;
	return true;
}

/* One unit of the source.  False: this is more than we can follow. */
static bool step(struct walk *w)
{
	if (w->p == w->end || w->v == w->v_end)
		return false;
	if (*w->p == '\n' || *w->p == '\r')
		return step_line(w);
	if (w->quote == '"' && *w->p == '\\')
		return step_escape(w);
	if (*w->p != *w->v)
		return false;
	w->p += w->quote == '\'' && *w->p == '\'' ? 2 : 1;
	w->v++;
	return true;
}

/* Puts the walk at the first byte that can be part of the value. */
static bool walk_start(struct walk *w, const struct yaml *y)
{
	const char *p;

	if (!y->quoted)
		return true;
	if (!y->block) {
		w->quote = *w->p++;
		w->end--;
		return true;
	}
	p = memchr(w->p, '\n', (size_t)(w->end - w->p));
	if (!p)
		return false;
	w->p = p + 1;
	w->indent = blanks(w->p, w->end);
	if (w->indent < blanks(w->v, w->v_end))
		return false;
	w->indent -= blanks(w->v, w->v_end);
	w->p += w->indent;
	return true;
}

struct span yaml_sub(const struct yaml *y, const struct diags *d, uint32_t off,
    uint32_t len)
{
	struct str src = diags_text(d, y->at.text)->bytes;
	struct walk w = { .p = src.p + y->at.off, .indent = UINT32_MAX };
	const char *from, *to;

	if (y->kind != YAML_SCALAR || !y->at.len || off > y->scalar.len ||
	    len > y->scalar.len - off)
		return y->at;
	w.end = w.p + y->at.len;
	w.v = y->scalar.p;
	w.v_end = y->scalar.p + y->scalar.len;
	from = y->scalar.p + off;
	to = from + len;
	if (!walk_start(&w, y))
		return y->at;
	while (w.v < from)
		if (!step(&w))
			return y->at;
	off = (uint32_t)(w.p - src.p);
	while (w.v < to)
		if (!step(&w))
			return y->at;
	return (struct span){ y->at.text, off, (uint32_t)(w.p - src.p) - off };
}
