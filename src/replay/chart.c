/* Series and their SVG.  Numbers come out of the same trace as `explain` shows: the
 * first side of each comparison, and the number or variable that stands on the other;
 * of a detector's `drift` its statistic and its limit.
 */
#include <math.h>

#include "base/arena.h"
#include "base/time.h"
#include "replay/chart.h"

#define WIDTH 960
#define HEIGHT 190		/* of a panel */
#define LEFT 72
#define RIGHT 20
#define TOP 40
#define BOTTOM 30

struct point {
	int64_t		 ms;
	double		 value, limit;	/* NAN: not known */
};
struct panel {
	struct str	 rule, key, text;	/* text empty: marks alone */
	GArray		*points;
};
struct chart {
	struct arena	*arena;
	const struct backtest *b;
	const struct ruleset *rules;
	GPtrArray	*panels;
};
struct tally { struct str rule, key; uint32_t fired, all; };

/* ---- which ---- */

static int cmp_tally(const void *a, const void *b)
{
	const struct tally *x = a, *y = b;
	int c;

	if (x->fired != y->fired)
		return x->fired > y->fired ? -1 : 1;
	if (x->all != y->all)
		return x->all > y->all ? -1 : 1;
	c = str_cmp(x->rule, y->rule);
	return c ? c : str_cmp(x->key, y->key);
}

static guint hash_tally(gconstpointer p)
{
	const struct tally *t = p;
	guint h = 5381;

	for (uint32_t i = 0; i < t->rule.len; i++)
		h = h * 33 + (guchar)t->rule.p[i];
	for (uint32_t i = 0; i < t->key.len; i++)
		h = h * 33 + (guchar)t->key.p[i];
	return h;
}

static gboolean equal_tally(gconstpointer a, gconstpointer b)
{
	const struct tally *x = a, *y = b;

	return str_is(x->rule, y->rule) && str_is(x->key, y->key);
}

static struct panel *panel_add(struct chart *c, struct str rule, struct str key,
    struct str text)
{
	struct panel *p = g_new0(struct panel, 1);

	*p = (struct panel){ .rule = arena_str(c->arena, rule),
		.key = arena_str(c->arena, key), .text = arena_str(c->arena, text),
		.points = g_array_new(FALSE, FALSE, sizeof(struct point)) };
	g_ptr_array_add(c->panels, p);
	return p;
}

static void panel_free(void *p)
{
	struct panel *panel = p;

	g_array_free(panel->points, TRUE);
	g_free(panel);
}

struct chart *chart_new(const struct backtest *b, const struct ruleset *rules)
{
	struct chart *c = g_new0(struct chart, 1);
	GHashTable *seen = g_hash_table_new(hash_tally, equal_tally);
	GPtrArray *v = g_ptr_array_new();

	c->arena = arena_new(0);
	c->b = b;
	c->rules = rules;
	c->panels = g_ptr_array_new_with_free_func(panel_free);
	for (uint32_t i = 0; i < b->rows_n; i++) {
		const struct backtest_row *r = &b->rows[i];
		struct tally want = { r->rule, r->key, 0, 0 }, *t;

		t = g_hash_table_lookup(seen, &want);
		if (!t) {
			t = ARENA_NEW(c->arena, struct tally);
			*t = want;
			g_hash_table_add(seen, t);
			g_ptr_array_add(v, t);
		}
		t->all++;
		t->fired += r->outcome == OUTCOME_FIRED || r->outcome == OUTCOME_OBSERVED;
	}
	struct tally *flat = ARENA_ARRAY(c->arena, struct tally, v->len + 1);
	for (guint i = 0; i < v->len; i++)
		flat[i] = *(struct tally *)v->pdata[i];
	if (v->len)
		qsort(flat, v->len, sizeof(*flat), cmp_tally);
	for (guint i = 0; i < v->len && i < CHART_PANELS / 2; i++)
		panel_add(c, flat[i].rule, flat[i].key, STR(""));
	g_ptr_array_free(v, TRUE);
	g_hash_table_destroy(seen);
	return c;
}

void chart_free(struct chart *c)
{
	if (!c)
		return;
	g_ptr_array_free(c->panels, TRUE);
	arena_free(c->arena);
	g_free(c);
}

/* ---- series ---- */

static bool number_of(struct str s, double *ret)
{
	char buf[64], *end;

	while (s.len && s.p[0] == ' ')
		s.p++, s.len--;
	if (!s.len || s.len >= sizeof(buf))
		return false;
	memcpy(buf, s.p, s.len);
	buf[s.len] = '\0';
	*ret = g_ascii_strtod(buf, &end);
	return !*end && isfinite(*ret);
}

/* What stands right of the comparison: a number, or vars.NAME. */
static double limit_of(const struct chart *c, const struct panel *p, struct arena *a)
{
	const struct rule *r = ruleset_rule(c->rules, p->rule);
	struct str text = p->text;
	uint32_t i = 0;
	double v;

	while (i < text.len && !strchr("<>=", text.p[i]))
		i++;
	while (i < text.len && strchr("<>= ", text.p[i]))
		i++;
	text = (struct str){ text.p + i, text.len - i };
	if (number_of(text, &v))
		return v;
	if (r && str_starts(text, STR("vars.")) && value_number(value_member(r->vars,
	    (struct str){ text.p + 5, text.len - 5 }, a), &v))
		return v;
	return NAN;
}

static bool compares(struct str text)
{
	for (uint32_t i = 0; i < text.len; i++)
		if (text.p[i] == '<' || text.p[i] == '>')
			return true;
	return false;
}

static struct panel *panel_of(struct chart *c, struct panel *head, struct str text)
{
	for (guint i = 0; i < c->panels->len; i++) {
		struct panel *p = c->panels->pdata[i];

		if (str_is(p->rule, head->rule) && str_is(p->key, head->key) &&
		    str_is(p->text, text))
			return p;
	}
	if (!head->text.len) {
		head->text = arena_str(c->arena, text);
		return head;
	}
	return c->panels->len < CHART_PANELS ?
	    panel_add(c, head->rule, head->key, text) : NULL;
}

/* NAME.drift of one detector: its statistic, against the limit that it has now. */
static bool drift_point(struct str text, struct value signals, struct point *ret,
    struct arena *a)
{
	static const struct str suffix = { ".drift", 6 };
	uint32_t n = text.len > suffix.len ? text.len - suffix.len : 0;
	struct value v;

	if (!n || !str_is((struct str){ text.p + n, suffix.len }, suffix))
		return false;
	v = value_member(signals, (struct str){ text.p, n }, a);
	if (v.tag != VALUE_MAP ||
	    value_member(v, STR("detector"), a).tag != VALUE_STRING)
		return false;
	if (!value_number(value_member(v, STR("stat"), a), &ret->value))
		ret->value = NAN;
	if (!value_number(value_member(v, STR("limit"), a), &ret->limit))
		ret->limit = NAN;
	return true;
}

static void take_row(struct chart *c, struct panel *head, struct value row,
    struct value signals, int64_t wall_ms, struct arena *a)
{
	struct value text = value_member(row, STR("text"), a);
	struct value left = value_member(row, STR("left"), a);
	struct point at = { .ms = wall_ms, .value = NAN, .limit = NAN };
	struct panel *p;

	if (text.tag != VALUE_STRING)
		return;
	if (drift_point(value_as_str(text), signals, &at, a)) {
		p = panel_of(c, head, value_as_str(text));
		if (p)
			g_array_append_val(p->points, at);
		return;
	}
	if (left.tag != VALUE_STRING || !compares(value_as_str(text)))
		return;
	p = panel_of(c, head, value_as_str(text));
	if (!p)
		return;
	if (!number_of(value_as_str(left), &at.value))
		at.value = NAN;
	at.limit = limit_of(c, p, a);
	g_array_append_val(p->points, at);
}

static void sample_panel(struct chart *c, struct panel *head, struct sim *s, int64_t wall)
{
	GString *json = g_string_new(NULL);
	struct arena *a = arena_new(0);
	struct err err = { 0 };
	struct value v, rows, signals;

	if (sim_explain(s, head->rule, head->key, json, &err)) {
		v = value_from_json((struct str){ json->str, (uint32_t)json->len }, a);
		signals = value_member(v, STR("signals"), a);
		v = value_member(v, STR("when"), a);
		rows = v.tag == VALUE_MAP ? value_member(v, STR("rows"), a) : v;
		for (uint32_t i = 0; rows.tag == VALUE_LIST && i < rows.list->n; i++)
			take_row(c, head, rows.list->v[i], signals, wall, a);
	}
	arena_free(a);
	g_string_free(json, TRUE);
}

void chart_sample(void *ctx, struct sim *s, int64_t wall_ms)
{
	struct chart *c = ctx;
	guint n = MIN(c->panels->len, CHART_PANELS / 2);

	for (guint i = 0; i < n; i++) {
		struct panel *p = c->panels->pdata[i];
		bool first = true;

		for (guint k = 0; k < i; k++) {
			const struct panel *q = c->panels->pdata[k];

			first = first && !(str_is(p->rule, q->rule) &&
			    str_is(p->key, q->key));
		}
		if (first)
			sample_panel(c, p, s, wall_ms);
	}
}

/* ---- SVG ---- */

struct frame {			/* where a panel stands, and its scales */
	double		 top, min, max, step;
	int64_t		 from, to;
};

static void put_text(GString *out, struct str s)
{
	for (uint32_t i = 0; i < s.len; i++) {
		unsigned char ch = (unsigned char)s.p[i];

		if (ch == '<')
			g_string_append(out, "&lt;");
		else if (ch == '>')
			g_string_append(out, "&gt;");
		else if (ch == '&')
			g_string_append(out, "&amp;");
		else if (ch == '"')
			g_string_append(out, "&quot;");
		else if (ch >= 0x20)
			g_string_append_c(out, s.p[i]);
	}
}

static double x_of(const struct frame *f, int64_t ms)
{
	double part = f->to > f->from ?
	    (double)(ms - f->from) / (double)(f->to - f->from) : 0;

	return LEFT + part * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct frame *f, double v)
{
	double part = f->max > f->min ? (v - f->min) / (f->max - f->min) : 0.5;

	return f->top + HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM);
}

static void stretch(struct frame *f, double v)
{
	if (!isfinite(v))
		return;
	f->min = fmin(f->min, v);
	f->max = fmax(f->max, v);
}

/* Limits and steps that a person would choose: 1, 2 or 5 times a power of ten. */
static void round_scale(struct frame *f)
{
	double span = f->max > f->min ? f->max - f->min : fmax(fabs(f->max), 1);
	double p = pow(10, floor(log10(span / 4))), m = span / 4 / p;

	f->step = p * (m <= 1 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10);
	f->min = floor(f->min / f->step) * f->step;
	f->max = fmax(ceil(f->max / f->step) * f->step, f->min + f->step);
}

static double coordinate(const GArray *points, guint i, bool limit)
{
	const struct point *p = &g_array_index(points, struct point, i);

	if (i >= points->len)
		return NAN;
	return limit ? p->limit : p->value;
}

/* A line that breaks where the value is not known; level stretches have two points. */
static void put_line(const struct frame *f, const GArray *points, bool limit,
    GString *out)
{
	bool pen = false;

	g_string_append_printf(out, "<path class=\"%s\" d=\"", limit ? "limit" : "value");
	for (guint i = 0; i < points->len; i++) {
		const struct point *p = &g_array_index(points, struct point, i);
		double v = coordinate(points, i, limit);
		bool level = i > 0 && coordinate(points, i - 1, limit) == v &&
		    coordinate(points, i + 1, limit) == v;

		if (isfinite(v) && !level)
			g_string_append_printf(out, "%s%.1f %.1f", pen ? "L" : "M",
			    x_of(f, p->ms), y_of(f, v));
		pen = isfinite(v);
	}
	g_string_append(out, "\"/>\n");
}

static void put_marks(const struct chart *c, const struct panel *p,
    const struct frame *f, GString *out)
{
	char text[TIME_TEXT];

	for (int fired = 0; fired < 2; fired++)		/* firings on top */
		for (uint32_t i = 0; i < c->b->rows_n; i++) {
			const struct backtest_row *r = &c->b->rows[i];
			bool is = r->outcome == OUTCOME_FIRED ||
			    r->outcome == OUTCOME_OBSERVED;

			if (is != (fired == 1) || !str_is(r->rule, p->rule) ||
			    !str_is(r->key, p->key))
				continue;
			g_string_append_printf(out, "<line class=\"%s\" x1=\"%.1f\" "
			    "y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"><title>%s %s%s%s"
			    "</title></line>\n", is ? "fired" : "dim",
			    x_of(f, r->at_ms), f->top + TOP, x_of(f, r->at_ms),
			    f->top + HEIGHT - BOTTOM, time_print(r->at_ms, text),
			    outcome_name(r->outcome), r->by ? " by " : "",
			    r->by ? suppressor_name(r->by) : "");
		}
}

static void put_axes(const struct frame *f, bool scale, GString *out)
{
	char text[TIME_TEXT];

	g_string_append_printf(out, "<rect class=\"box\" x=\"%d\" y=\"%.1f\" "
	    "width=\"%d\" height=\"%d\"/>\n", LEFT, f->top + TOP, WIDTH - LEFT - RIGHT,
	    HEIGHT - TOP - BOTTOM);
	for (int i = 0; scale && f->min + i * f->step < f->max + f->step / 2; i++) {
		double v = f->min + i * f->step;

		v = fabs(v) < f->step / 1e6 ? 0 : v;
		g_string_append_printf(out, "<text class=\"y\" x=\"%d\" y=\"%.1f\">%.4g"
		    "</text>\n", LEFT - 6, y_of(f, v) + 4, v);
	}
	for (int i = 0; i <= 4; i++) {
		int64_t ms = f->from + (f->to - f->from) * i / 4;

		g_string_append_printf(out, "<text class=\"x\" x=\"%.1f\" y=\"%.1f\" "
		    "text-anchor=\"%s\">%.10s %.5s</text>\n", x_of(f, ms),
		    f->top + HEIGHT - BOTTOM + 16,
		    i == 0 ? "start" : i == 4 ? "end" : "middle",
		    time_print(ms, text), text + 11);
	}
}

static void put_panel(const struct chart *c, const struct panel *p, guint i,
    GString *out)
{
	struct frame f = { .top = 30.0 + i * HEIGHT, .min = INFINITY, .max = -INFINITY,
		.from = c->b->from_ms, .to = c->b->to_ms };
	bool scale;

	for (guint k = 0; k < p->points->len; k++) {
		const struct point *pt = &g_array_index(p->points, struct point, k);

		stretch(&f, pt->value);
		stretch(&f, pt->limit);
	}
	scale = f.max >= f.min;
	if (scale)
		round_scale(&f);
	g_string_append_printf(out, "<text class=\"title\" x=\"%d\" y=\"%.1f\">", LEFT,
	    f.top + TOP - 10);
	put_text(out, p->rule);
	if (p->key.len)
		g_string_append(out, " key="), put_text(out, p->key);
	if (p->text.len)
		g_string_append(out, ": "), put_text(out, p->text);
	g_string_append(out, "</text>\n");
	put_axes(&f, scale, out);
	put_marks(c, p, &f, out);
	if (!scale)
		return;
	put_line(&f, p->points, true, out);
	put_line(&f, p->points, false, out);
}

void chart_svg(const struct chart *c, GString *out)
{
	static const char style[] =
	    "text{font:12px system-ui,sans-serif;fill:#374151}"
	    ".title{font-weight:600;fill:#111827}.y{text-anchor:end}"
	    ".box{fill:none;stroke:#d1d5db}"
	    ".value{fill:none;stroke:#2563eb;stroke-width:1.5}"
	    ".limit{fill:none;stroke:#b45309;stroke-dasharray:6 4}"
	    ".fired{stroke:#dc2626;stroke-width:2}"
	    ".dim{stroke:#9ca3af;opacity:.5}";
	guint n = MAX(c->panels->len, 1u);

	g_string_append_printf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" "
	    "viewBox=\"0 0 %d %u\" width=\"%d\" height=\"%u\">\n<style>%s</style>\n"
	    "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
	    "<text x=\"%d\" y=\"20\">value (blue), limit (dashed), fired (red), "
	    "suppressed (grey); UTC</text>\n", WIDTH, 40 + n * HEIGHT, WIDTH,
	    40 + n * HEIGHT, style, LEFT);
	for (guint i = 0; i < c->panels->len; i++)
		put_panel(c, c->panels->pdata[i], i, out);
	if (!c->panels->len)
		g_string_append_printf(out, "<text x=\"%d\" y=\"60\">no decisions"
		    "</text>\n", LEFT);
	g_string_append(out, "</svg>\n");
}

static void put_table(const struct chart *c, GString *out)
{
	char text[TIME_TEXT];
	uint32_t max = MIN(c->b->rows_n, 1000u);

	g_string_append(out, "<table><tr><th>time<th>rule<th>key<th>outcome<th>by"
	    "<th>why</tr>\n");
	for (uint32_t i = 0; i < max; i++) {
		const struct backtest_row *r = &c->b->rows[i];

		g_string_append_printf(out, "<tr%s><td>%s<td>", r->by ?
		    " class=\"dim\"" : "", time_print(r->at_ms, text));
		put_text(out, r->rule);
		g_string_append(out, "<td>");
		put_text(out, r->key);
		g_string_append_printf(out, "<td>%s<td>%s<td>", outcome_name(r->outcome),
		    r->by ? suppressor_name(r->by) : "");
		put_text(out, r->reason);
		g_string_append(out, "</tr>\n");
	}
	g_string_append(out, "</table>\n");
	if (c->b->rows_n > max)
		g_string_append_printf(out, "<p>and %u more\n", c->b->rows_n - max);
}

void chart_html(const struct chart *c, const char *title, GString *out)
{
	g_string_append(out, "<!doctype html><meta charset=\"utf-8\"><title>");
	put_text(out, str_of(title));
	g_string_append(out, "</title><style>body{font:14px system-ui,sans-serif;"
	    "margin:2em;color:#111827}table{border-collapse:collapse}td,th{padding:2px "
	    "10px;text-align:left;border-bottom:1px solid #e5e7eb}.dim{color:#9ca3af}"
	    "</style><h1>");
	put_text(out, str_of(title));
	g_string_append(out, "</h1>\n");
	chart_svg(c, out);
	put_table(c, out);
}
