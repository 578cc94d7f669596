/* Editing a value of a rule file in its text.
 *
 * Invariants
 *   (1) Only the bytes of the value change; comments and the rest stay.
 *   (2) A key that is not there is put before the first key of its map.
 */
#include <math.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/option.h"
#include "replay/sweep.h"

/* ---- values ---- */

static bool number_of(struct str s, double *ret)
{
	char buf[64], *end;

	if (!s.len || s.len >= sizeof(buf))
		return false;
	memcpy(buf, s.p, s.len);
	buf[s.len] = '\0';
	*ret = g_ascii_strtod(buf, &end);
	return !*end && isfinite(*ret);
}

static struct str print_number(struct arena *a, double v)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%.10g", v);
	return arena_str(a, str_of(buf));
}

static struct str print_duration(struct arena *a, int64_t ms)
{
	GString *s = g_string_new(NULL);
	struct str out;

	duration_print(ms, s);
	out = arena_str(a, (struct str){ s->str, (uint32_t)s->len });
	g_string_free(s, TRUE);
	return out;
}

/* lo..hi/step; numbers or durations. */
static bool range(struct str lo, struct str hi, struct str step, struct arena *a,
    struct sweep_axis *ret, struct err *err)
{
	double x = 0, y = 0, by = 0, n;
	int64_t dx = 0, dy = 0, dby = 0;
	bool numbers = number_of(lo, &x) && number_of(hi, &y) && number_of(step, &by);

	if (!numbers && !(duration_parse(lo, &dx) && duration_parse(hi, &dy) &&
	    duration_parse(step, &dby)))
		return err_set(err, ERR_USAGE, "'%.*s': expected lo..hi/step, all numbers"
		    " or all durations", STR_ARG(ret->path));
	if (!numbers)
		x = (double)dx, y = (double)dy, by = (double)dby;
	n = by > 0 && y >= x ? floor((y - x) / by + 1e-9) + 1 : 0;
	if (n < 1 || n > SWEEP_MAX)
		return err_set(err, ERR_USAGE, "'%.*s': the range has %s values, 1 to %d"
		    " are possible", STR_ARG(ret->path), n < 1 ? "no" : "too many",
		    SWEEP_MAX);
	ret->values = ARENA_ARRAY(a, struct str, n);
	for (uint32_t i = 0; i < (uint32_t)n; i++)
		ret->values[ret->n++] = numbers ? print_number(a, x + i * by) :
		    print_duration(a, dx + i * dby);
	return true;
}

static const char *find(struct str s, const char *what)
{
	return s.len ? memmem(s.p, s.len, what, strlen(what)) : NULL;
}

static struct str upto(const char *from, const char *to)
{
	return (struct str){ from, (uint32_t)(to - from) };
}

/* At commas outside of brackets and quotes. */
static bool list(struct str s, struct arena *a, struct sweep_axis *ret, struct err *err)
{
	uint32_t cap = 0, from = 0, depth = 0;
	char quote = 0;

	for (uint32_t i = 0; i <= s.len; i++) {
		char c = i < s.len ? s.p[i] : ',';

		if (quote && i < s.len) {
			quote = c == quote ? 0 : quote;
		} else if (c == '"' || c == '\'') {
			quote = c;
		} else if (c == '[' || c == '{' || c == '(') {
			depth++;
		} else if (depth && (c == ']' || c == '}' || c == ')')) {
			depth--;
		} else if (c == ',' && (!depth || i == s.len)) {
			ret->values = arena_grow(a, ret->values, ret->n, &cap,
			    sizeof(*ret->values));
			ret->values[ret->n++] = (struct str){ s.p + from, i - from };
			from = i + 1;
		}
	}
	return ret->n <= SWEEP_MAX || err_set(err, ERR_USAGE, "'%.*s': more than %d"
	    " values", STR_ARG(ret->path), SWEEP_MAX);
}

bool sweep_parse(struct str text, struct arena *a, struct sweep_axis *ret,
    struct err *err)
{
	const char *eq = text.len ? memchr(text.p, '=', text.len) : NULL, *end, *dots;
	const char *slash;
	struct str rest;

	*ret = (struct sweep_axis){ 0 };
	if (!eq || eq == text.p || eq + 1 == text.p + text.len)
		return err_set(err, ERR_USAGE, "'%.*s': expected PATH=VALUES",
		    STR_ARG(text));
	end = text.p + text.len;
	ret->path = arena_str(a, upto(text.p, eq));
	rest = arena_str(a, upto(eq + 1, end));
	dots = find(rest, "..");
	slash = dots ? memrchr(rest.p, '/', rest.len) : NULL;
	if (dots && slash && slash > dots)
		return range(upto(rest.p, dots), upto(dots + 2, slash),
		    upto(slash + 1, rest.p + rest.len), a, ret, err);
	return list(rest, a, ret, err);
}

/* ---- places ---- */

struct edit {			/* of one text */
	const struct rule_text *t;
	struct diags	*diags;
	struct arena	*a;
	struct str	 path, value;
	struct err	*err;
};

/* A value as it may stand in YAML: lists and maps as they are, the rest quoted where
 * YAML would read something else. */
static void put_value(struct str v, GString *out)
{
	bool plain = v.len && !strchr(" -?", v.p[0]) && v.p[v.len - 1] != ' ';

	for (uint32_t i = 0; i < v.len; i++)
		plain = plain && (g_ascii_isalnum(v.p[i]) ||
		    strchr("._+-/ ()<=", v.p[i]));
	if (v.len && v.p[0] == '-' && v.len > 1 && g_ascii_isdigit(v.p[1]))
		plain = true;
	if (plain || (v.len && strchr("[{\"'", v.p[0]))) {
		g_string_append_len(out, v.p, v.len);
		return;
	}
	g_string_append_c(out, '\'');
	for (uint32_t i = 0; i < v.len; i++)
		g_string_append_printf(out, v.p[i] == '\'' ? "''" : "%c", v.p[i]);
	g_string_append_c(out, '\'');
}

static bool splice(struct edit *e, uint32_t off, uint32_t len, const GString *with,
    struct str *ret)
{
	struct str old = e->t->bytes;
	GString *s = g_string_new_len(old.p, off);

	g_string_append_len(s, with->str, (gssize)with->len);
	g_string_append_len(s, old.p + off + len, (gssize)(old.len - off - len));
	*ret = arena_str(e->a, (struct str){ s->str, (uint32_t)s->len });
	g_string_free(s, TRUE);
	return true;
}

static bool replace(struct edit *e, struct span at, struct str *ret)
{
	GString *s = g_string_new(NULL);

	put_value(e->value, s);
	splice(e, at.off, at.len, s, ret);
	g_string_free(s, TRUE);
	return true;
}

/* Invariant (2). */
static bool insert(struct edit *e, const struct yaml *map, struct str key,
    struct str *ret)
{
	GString *s = g_string_new(NULL);
	const char *text = e->t->bytes.p;
	uint32_t off = map->at.off, first = map->n ? map->pairs[0].key->at.off : 0, col;
	bool flow = off < e->t->bytes.len && text[off] == '{';

	if (!map->n)
		return err_set(e->err, ERR_USAGE, "'%.*s': its map is empty",
		    STR_ARG(e->path));
	g_string_append_printf(s, "%.*s: ", STR_ARG(key));
	put_value(e->value, s);
	g_string_append(s, flow ? ", " : "\n");
	for (col = first; col > 0 && text[col - 1] != '\n'; col--)
		;
	for (; !flow && col < first; col++)
		g_string_append_c(s, ' ');
	splice(e, first, 0, s, ret);
	g_string_free(s, TRUE);
	return true;
}

/* The N-th number of an expression, from 1. */
static bool number_at(struct str s, uint32_t n, uint32_t *off, uint32_t *len)
{
	char quote = 0;

	for (uint32_t i = 0; i < s.len;) {
		uint32_t from = i;
		bool digit = g_ascii_isdigit(s.p[i]);

		if (quote || s.p[i] == '"' || s.p[i] == '\'') {
			quote = !quote ? s.p[i] : s.p[i] == quote ? 0 : quote;
			i++;
			continue;
		}
		if (!digit && !g_ascii_isalpha(s.p[i]) && s.p[i] != '_') {
			i++;
			continue;
		}
		while (i < s.len && (g_ascii_isalnum(s.p[i]) || s.p[i] == '_' ||
		    (digit && (s.p[i] == '.' || ((s.p[i] == '-' || s.p[i] == '+') &&
		    (s.p[i - 1] == 'e' || s.p[i - 1] == 'E'))))))
			i++;
		if (!digit || --n)
			continue;
		*off = from;
		*len = i - from;
		return true;
	}
	return false;
}

static bool replace_number(struct edit *e, const struct yaml *y, uint32_t n,
    struct str *ret)
{
	uint32_t off, len;

	if (y->kind != YAML_SCALAR || !number_at(y->scalar, n, &off, &len))
		return err_set(e->err, ERR_USAGE, "'%.*s': the expression has no number"
		    " %u", STR_ARG(e->path), n);
	struct span at = yaml_sub(y, e->diags, off, len);
	GString *s = g_string_new_len(e->value.p, e->value.len);
	splice(e, at.off, at.len, s, ret);
	g_string_free(s, TRUE);
	return true;
}

/* The next part of a path: a name up to '.', '[' or '#'; or [i]. */
static bool part(struct str *path, struct str *name, int64_t *index)
{
	uint32_t i = 0;
	bool in = path->len && path->p[0] == '[';

	while (i < path->len && (in ? path->p[i] != ']' : !strchr(".[#", path->p[i])))
		i++;
	*name = (struct str){ path->p + in, i - in };
	*index = in ? g_ascii_strtoll(path->p + 1, NULL, 10) : -1;
	i += in && i < path->len;
	i += i < path->len && path->p[i] == '.';
	path->p += i;
	path->len -= i;
	return name->len > 0;
}

static bool walk(struct edit *e, const struct yaml *y, struct str rest, struct str *ret)
{
	while (rest.len && rest.p[0] != '#') {
		const struct yaml *next = NULL;
		struct str name;
		int64_t i;

		if (!part(&rest, &name, &i))
			return err_set(e->err, ERR_USAGE, "'%.*s': no such path",
			    STR_ARG(e->path));
		if (i >= 0 && y->kind == YAML_SEQ && i < y->n)
			next = y->items[i];
		else if (i < 0)
			next = yaml_get(y, name);
		if (!next && i < 0 && y->kind == YAML_MAP && !rest.len)
			return insert(e, y, name, ret);
		if (!next)
			return err_set(e->err, ERR_USAGE, "'%.*s': there is no '%.*s'",
			    STR_ARG(e->path), STR_ARG(name));
		y = next;
	}
	if (rest.len)
		return replace_number(e, y, (uint32_t)MAX(0, g_ascii_strtoll(rest.p + 1,
		    NULL, 10)), ret);
	if (y->kind != YAML_SCALAR && !strchr("[{", e->t->bytes.p[y->at.off]))
		return err_set(e->err, ERR_USAGE, "'%.*s' is a map or list over several"
		    " lines: name a value in it", STR_ARG(e->path));
	return replace(e, y->at, ret);
}

/* The rule whose name begins the path, and the rest behind its dot. */
static const struct yaml *rule_at(const struct edit *e, const struct yaml *root,
    struct str *rest)
{
	const struct yaml *list = yaml_get(root, STR("rules")), *found = NULL;
	uint32_t best = 0;

	for (uint32_t i = 0; list && list->kind == YAML_SEQ && i < list->n; i++) {
		const struct yaml *y = yaml_get(list->items[i], STR("name"));
		struct str p = e->path;

		if (!y)
			continue;
		if (e->t->bundle.len && str_starts(p, e->t->bundle) &&
		    p.len > e->t->bundle.len && p.p[e->t->bundle.len] == '/') {
			p.p += e->t->bundle.len + 1;
			p.len -= e->t->bundle.len + 1;
		} else if (e->t->bundle.len)
			continue;
		if (!str_starts(p, y->scalar) || p.len <= y->scalar.len + 1 ||
		    p.p[y->scalar.len] != '.' || y->scalar.len < best)
			continue;
		best = y->scalar.len;
		found = list->items[i];
		*rest = (struct str){ p.p + best + 1, p.len - best - 1 };
	}
	return found;
}

/* 1: changed, 0: the path is not in this text, -1: *err. */
static int edit_text(struct edit *e, struct str *ret)
{
	const struct yaml *root = yaml_parse(0, e->a, e->diags), *y;
	struct str rest = e->path;

	if (!root)
		return 0;		/* the build says what is wrong */
	if (str_starts(e->path, STR("vars."))) {
		y = yaml_get(root, STR("vars"));
		rest = (struct str){ e->path.p + 5, e->path.len - 5 };
		if (!y || !yaml_get(y, (struct str){ rest.p,
		    (uint32_t)MIN(strcspn(rest.p, ".[#"), rest.len) }))
			return 0;
	} else {
		y = rule_at(e, root, &rest);
	}
	if (!y)
		return 0;
	return walk(e, y, rest, ret) ? 1 : -1;
}

bool sweep_apply(const struct rule_text *in, uint32_t n, struct str path,
    struct str value, struct arena *a, struct rule_text **ret, struct err *err)
{
	struct rule_text *v = ARENA_ARRAY(a, struct rule_text, n + 1);
	bool found = false;

	for (uint32_t i = 0; i < n; i++) {
		const struct text text = { in[i].name, in[i].bytes };
		struct edit e = { .t = &in[i], .diags = diags_new(&text, 1), .a = a,
			.path = path, .value = value, .err = err };
		int did;

		v[i] = in[i];
		did = edit_text(&e, &v[i].bytes);
		diags_free(e.diags);
		if (did < 0)
			return false;
		found |= did > 0;
	}
	*ret = v;
	return found || err_set(err, ERR_USAGE, "'%.*s': no rule or variable of that"
	    " name (expected RULE.KEY, vars.NAME or RULE.when#N)", STR_ARG(path));
}
