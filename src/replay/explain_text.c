/* A trace as people read it.
 *
 *	RULE key=KEY TIME FIRED decision 1841 run train-412
 *	why: ...
 *	  psi.avg > 0.2     true  0.2333  (n 180, min 30, over 6h)
 *	state: firing, episode 1, pending since ...
 *	passed: ...; blocked: ...; not asked: ...
 *
 * Members that a trace does not have leave their line out.
 */
#include "base/arena.h"
#include "replay/replay.h"

struct view {			/* one trace */
	struct value	 root;
	struct arena	*a;
	GString		*out;
};

static struct value member(const struct view *v, struct value of, const char *name)
{
	if (of.tag != VALUE_MAP)
		return (struct value){ 0 };
	return value_member(of, str_of(name), v->a);
}

static struct str text(const struct view *v, struct value of, const char *name)
{
	struct value m = member(v, of, name);

	return m.tag == VALUE_STRING ? value_as_str(m) : (struct str){ 0 };
}

static bool truth(const struct view *v, struct value of, const char *name)
{
	struct value m = member(v, of, name);

	return m.tag == VALUE_BOOL && m.i;
}

static void upper(GString *out, struct str s)
{
	for (uint32_t i = 0; i < s.len; i++)
		g_string_append_c(out, g_ascii_toupper(s.p[i]));
}

static struct str blocker(const struct view *v)
{
	struct value list = member(v, v->root, "suppressors");

	for (uint32_t i = 0; list.tag == VALUE_LIST && i < list.list->n; i++)
		if (str_is(text(v, list.list->v[i], "verdict"), STR("blocked")))
			return text(v, list.list->v[i], "name");
	return (struct str){ 0 };
}

static void put_head(const struct view *v)
{
	struct str outcome = text(v, v->root, "outcome"), key = text(v, v->root, "key");
	struct str run = text(v, v->root, "run"), by = blocker(v);
	struct value decision = member(v, v->root, "decision");
	bool again = truth(v, v->root, "evaluated_again");
	struct str rule = text(v, v->root, "rule"), time = text(v, v->root, "time");

	g_string_append_len(v->out, rule.p, rule.len);
	if (key.len)
		g_string_append_printf(v->out, " key=%.*s", STR_ARG(key));
	g_string_append_printf(v->out, " %.*s ", STR_ARG(time));
	if (again)
		g_string_append(v->out, "evaluated again");
	else if (str_is(outcome, STR("suppressed")))
		g_string_append_printf(v->out, "NOT FIRED suppressed by %.*s",
				       STR_ARG(by));
	else
		upper(v->out, outcome);
	if (decision.tag == VALUE_INT)
		g_string_append_printf(v->out, "%s %" G_GINT64_FORMAT,
		    again ? "; the last decision was" : " decision", decision.i);
	if (run.len)
		g_string_append_printf(v->out, " run %.*s", STR_ARG(run));
	g_string_append_c(v->out, '\n');
}

static void put_why(const struct view *v)
{
	struct str why = text(v, v->root, "why"), o = text(v, v->root, "outcome");
	bool yes = str_is(o, STR("fired")) || str_is(o, STR("observed"));

	g_string_append_printf(v->out, "%s: %.*s\n", yes ? "why" : "why not",
			       STR_ARG(why));
}

/* Columns are counted in code points, as terminals do for most text. */
static uint32_t width(struct str s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s.len; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static void pad(GString *out, struct str s, uint32_t to)
{
	g_string_append_len(out, s.p, s.len);
	for (uint32_t w = width(s); w < to; w++)
		g_string_append_c(out, ' ');
}

static struct str value_text(const struct view *v, struct value row)
{
	return truth(v, row, "skipped") ? STR("not asked") : text(v, row, "value");
}

static bool shown(const struct view *v, struct value row)
{
	return truth(v, row, "leaf") || truth(v, row, "skipped");
}

static void put_row(const struct view *v, struct value row, const uint32_t w[3])
{
	struct str detail = text(v, row, "detail");

	g_string_append(v->out, "  ");
	pad(v->out, text(v, row, "text"), w[0]);
	g_string_append(v->out, "  ");
	pad(v->out, value_text(v, row), w[1]);
	g_string_append(v->out, "  ");
	pad(v->out, text(v, row, "left"), w[2]);
	if (detail.len)
		g_string_append_printf(v->out, "  (%.*s)", STR_ARG(detail));
	while (v->out->str[v->out->len - 1] == ' ')
		g_string_truncate(v->out, v->out->len - 1);
	g_string_append_c(v->out, '\n');
}

/* The parts of a condition that say something by themselves, in columns. */
static void put_condition(const struct view *v, const char *name)
{
	struct value rows = member(v, member(v, v->root, name), "rows");
	uint32_t w[3] = { 0 };

	if (rows.tag != VALUE_LIST)
		return;
	if (strcmp(name, "when") != 0)
		g_string_append_printf(v->out, "%s:\n", name);
	for (uint32_t i = 0; i < rows.list->n; i++) {
		struct value r = rows.list->v[i];

		if (!shown(v, r))
			continue;
		w[0] = MAX(w[0], width(text(v, r, "text")));
		w[1] = MAX(w[1], width(value_text(v, r)));
		w[2] = MAX(w[2], width(text(v, r, "left")));
	}
	for (uint32_t i = 0; i < rows.list->n; i++)
		if (shown(v, rows.list->v[i]))
			put_row(v, rows.list->v[i], w);
}

static void put_state(const struct view *v)
{
	struct value s = member(v, v->root, "state"), n = member(v, s, "episode");
	struct str state = text(v, s, "state"), since = text(v, s, "pending_since");

	if (s.tag != VALUE_MAP)
		return;
	g_string_append_printf(v->out, "state: %.*s", STR_ARG(state));
	if (n.tag == VALUE_INT && n.i)
		g_string_append_printf(v->out, ", episode %" G_GINT64_FORMAT, n.i);
	if (since.len)
		g_string_append_printf(v->out, ", pending since %.*s", STR_ARG(since));
	if (truth(v, s, "owed"))
		g_string_append(v->out, ", a firing is owed");
	g_string_append_c(v->out, '\n');
}

static bool put_verdict(const struct view *v, const char *verdict, const char *title,
    bool any)
{
	struct value list = member(v, v->root, "suppressors");
	bool quiet = strcmp(verdict, "passed") == 0, first = true;

	for (uint32_t i = 0; list.tag == VALUE_LIST && i < list.list->n; i++) {
		struct value s = list.list->v[i];
		struct str name = text(v, s, "name"), numbers = text(v, s, "numbers");

		if (!str_is(text(v, s, "verdict"), str_of(verdict)) ||
		    (quiet && !numbers.len))	/* it has nothing to do here */
			continue;
		if (first)
			g_string_append_printf(v->out, "%s%s:", any ? "; " : "", title);
		g_string_append_printf(v->out, "%s %.*s", first ? "" : ",",
				       STR_ARG(name));
		if (numbers.len)
			g_string_append_printf(v->out, " %.*s", STR_ARG(numbers));
		first = false;
	}
	return any || !first;
}

bool replay_explain_text(struct str json, GString *out, struct err *err)
{
	struct view v = { .a = arena_new(0), .out = out };
	bool any;

	v.root = value_from_json(json, v.a);
	if (v.root.tag != VALUE_MAP || !text(&v, v.root, "rule").len) {
		arena_free(v.a);
		return err_set(err, ERR_SYNTAX,
			       "this is no trace: expected an object with "
			       "'rule' and 'why'");
	}
	put_head(&v);
	put_why(&v);
	put_condition(&v, "when");
	put_condition(&v, "recover");
	put_state(&v);
	any = put_verdict(&v, "passed", "passed", false);
	any = put_verdict(&v, "blocked", "blocked", any);
	any = put_verdict(&v, "not asked", "not asked", any);
	if (any)
		g_string_append_c(out, '\n');
	arena_free(v.a);
	return true;
}
