/* YAML traps around expressions: what a plain scalar loses, and what was meant.
 *
 * A plain scalar ends at " #" and, between braces, at `,` `[` `]` `{` `}`; a value
 * that begins with `[` or `{` is no scalar at all.  What the expression compiler
 * would say about the rest is true but of no help, so these are looked for first. */
#include "rules/tmpl_build.h"

/* Whether brackets and quotes of an expression pair up. */
static bool balanced(struct str s)
{
	int depth = 0;
	char quote = 0;

	for (uint32_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (quote) {
			if (c == '\\')
				i++;
			else if (c == quote)
				quote = 0;
		} else if (c == '"' || c == '\'') {
			quote = c;
		} else if (strchr("([{", c)) {
			depth++;
		} else if (strchr(")]}", c)) {
			depth--;
		}
	}
	return !quote && depth == 0;
}

/* What cut a plain scalar off: '#', ',' and the like, or 0. */
static char cut_by(struct load *ld, const struct yaml *y)
{
	const struct text *t = diags_text(ld->diags, y->at.text);
	uint32_t i = y->at.off + y->at.len;
	bool blank = false;

	if (y->quoted || !t || balanced(y->scalar))
		return 0;
	for (; i < t->bytes.len && (t->bytes.p[i] == ' ' || t->bytes.p[i] == '\t'); i++)
		blank = true;
	if (i >= t->bytes.len)
		return 0;
	if (t->bytes.p[i] == '#')
		return blank ? '#' : 0;
	return strchr(",[]{}", t->bytes.p[i]) ? t->bytes.p[i] : 0;
}

/* duration("7d"): the text between the quotes, empty if there is none such. */
static struct str day_unit(struct str s, uint32_t *ret_off)
{
	static const char call[] = "duration(";
	uint32_t n = sizeof call - 1;

	for (uint32_t i = 0; i + n < s.len; i++) {
		uint32_t a = i + n + 1, b = a;

		if (memcmp(s.p + i, call, n) != 0 ||
		    (s.p[a - 1] != '"' && s.p[a - 1] != '\''))
			continue;
		while (b < s.len && g_ascii_isdigit(s.p[b]))
			b++;
		if (b > a && b < s.len && (s.p[b] == 'd' || s.p[b] == 'w')) {
			*ret_off = a;
			return (struct str){s.p + a, b - a + 1};
		}
	}
	return (struct str){NULL, 0};
}

static bool tell_days(struct load *ld, const struct yaml *y)
{
	uint32_t off = 0;
	struct str bad = day_unit(y->scalar, &off);
	int64_t ms = 0;

	if (!bad.len)
		return true;
	for (uint32_t i = 0; i + 1 < bad.len && ms < 1000000; i++)
		ms = ms * 10 + (bad.p[i] - '0');
	ms *= bad.p[bad.len - 1] == 'w' ? 7 * 24 : 24;
	diag_add(ld->diags, SEV_ERROR, yaml_sub(y, ld->diags, off, bad.len),
	    "CEL has no %s unit: write %" G_GINT64_FORMAT "h",
	    bad.p[bad.len - 1] == 'w' ? "week" : "day", ms);
	return false;
}

bool trap_check(struct load *ld, const struct yaml *y, const char *where)
{
	struct diag *d;
	char c;

	if (y->kind != YAML_SCALAR) {
		d = BAD(ld, y, "'%s' is an expression, but YAML reads a %s here", where,
		    y->kind == YAML_SEQ ? "list" : "map");
		diag_hint(ld->diags, d, "quote this expression");
		return false;
	}
	if (y->scalar.len == 0) {
		BAD(ld, y, "'%s' is empty: expected an expression", where);
		return false;
	}
	c = cut_by(ld, y);
	if (c) {
		d = BAD(ld, y, "YAML ends this expression at '%c'", c);
		diag_hint(ld->diags, d, "quote this expression");
		return false;
	}
	return tell_days(ld, y);
}
