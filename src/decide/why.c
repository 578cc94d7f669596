/* The sentence that answers why, or why not.
 *
 *	psi.avg 0.2333 > 0.2 and rows.sum 5000 >= 1000 held for 30m.
 *	the condition is true; last fired 20m ago, cooldown 12h ends ...; owed until then.
 *
 * It is made of the leaves of the condition's trace that agree with the outcome.
 */
#include <inttypes.h>

#include "base/option.h"
#include "base/time.h"
#include "decide/priv.h"

/* A duration as people say it: two units are enough, and no fractions of seconds. */
void span_print(int64_t ms, GString *out)
{
	int64_t unit = ms >= 86400000 ? 3600000 : ms >= 3600000 ? 60000 :
	    ms >= 1000 ? 1000 : 1;

	duration_print(MAX(ms, 0) / unit * unit, out);
}

static void put_time(int64_t ms, GString *out)
{
	char text[TIME_TEXT];

	g_string_append(out, time_print(ms, text));
}

static struct str text_of(const struct prog *p, const struct trace_row *r)
{
	struct str all = expr_text(p);
	uint32_t off = MIN(r->off, all.len);

	return (struct str){ all.p + off, MIN(r->len, all.len - off) };
}

/* "psi.avg 0.2333 > 0.2": the value after the operand that it belongs to. */
static void put_leaf(const struct prog *p, const struct trace *t, uint32_t i,
		     GString *out)
{
	const struct trace_row *left = trace_left(t, i);
	struct str text = text_of(p, &t->v[i]);
	uint32_t cut;

	if (!left || left->value.tag == VALUE_ERROR || left->len >= text.len) {
		g_string_append_len(out, text.p, text.len);
		return;
	}
	cut = left->len;
	g_string_append_len(out, text.p, cut);
	g_string_append_c(out, ' ');
	value_print(left->value, out);
	g_string_append_len(out, text.p + cut, text.len - cut);
}

/* The leaves whose value is `want`, joined; how many there were. */
unsigned why_leaves(const struct prog *p, const struct trace *t, bool want,
    GString *out)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		const struct trace_row *r = &t->v[i];

		if (r->skipped || r->value.tag != VALUE_BOOL ||
		    (r->value.i != 0) != want || !trace_is_leaf(p, t, i))
			continue;
		if (n++)
			g_string_append(out, " and ");
		put_leaf(p, t, i, out);
	}
	if (!n)
		g_string_append_len(out, expr_text(p).p, expr_text(p).len);
	return n;
}

void why_error(const struct prog *p, const struct trace *t, GString *out)
{
	for (uint32_t i = 0; i < t->n; i++) {
		if (t->v[i].skipped || t->v[i].value.tag != VALUE_ERROR ||
		    !trace_is_leaf(p, t, i))
			continue;
		g_string_append_len(out, text_of(p, &t->v[i]).p,
				    text_of(p, &t->v[i]).len);
		g_string_append(out, ": ");
		expr_error_print(p, t->v[i].value, out);
		return;
	}
	g_string_append(out, "no value");
}

static void why_fired(struct ctx *c, const struct outcome_view *v, const struct prog *p,
    const struct trace *t, GString *out)
{
	if (v->actor.len) {
		g_string_append_printf(out, "%.*s asked for it.", STR_ARG(v->actor));
		return;
	}
	if (c->due_ms) {
		g_string_append(out, "due at ");
		put_time(c->due_ms, out);
		g_string_append(out, p ? "; " : ".");
	}
	if (p) {
		why_leaves(p, t, true, out);
	} else if (!c->due_ms) {
		g_string_append(out, "the event matches, and there is no condition.");
		return;
	}
	if (p && c->rule->for_ms) {
		g_string_append(out, " held for ");
		span_print(c->rule->for_ms, out);
	}
	if (p)
		g_string_append_c(out, '.');
}

static void why_suppressed(struct ctx *c, const struct check *k, GString *out)
{
	const struct key_cell *kc = c->k ? key_get(c->d, c->k) : NULL;
	bool owed = kc && kc->m.owed;

	g_string_append(out, c->rule->when ? "the condition is true; " : "");
	if (k->by == SUPP_COOLDOWN && kc) {
		g_string_append(out, "last fired ");
		span_print(c->tick - kc->m.last_emit, out);
		g_string_append(out, " ago, cooldown ");
		span_print(c->rule->cooldown_ms, out);
		g_string_append(out, " ends ");
		put_time(c->wall + (k->end - c->tick), out);
	} else {
		g_string_append_printf(out, "stopped by %s", suppressor_name(k->by));
		if (k->numbers[k->by].len)
			g_string_append_printf(out, ": %.*s", STR_ARG(k->numbers[k->by]));
	}
	g_string_append(out, owed ? "; owed until then." : ".");
}

static void why_true(struct ctx *c, GString *out)
{
	const struct key_cell *kc = c->k ? key_get(c->d, c->k) : NULL;

	if (!kc || c->rule->kind != RULE_SIGNAL) {
		g_string_append(out, "the condition is true.");
	} else if (kc->m.state == MACHINE_PENDING) {
		g_string_append(out, "the condition is true since ");
		put_time(kc->m.active_at, out);
		g_string_append(out, ", which is less than ");
		span_print(c->rule->for_ms, out);
		g_string_append_c(out, '.');
	} else if (kc->m.owed) {
		g_string_append(out, "the condition is true and a firing is owed");
		if (kc->blocked)
			g_string_append_printf(out, ", stopped by %s",
			    suppressor_name(kc->blocked));
		g_string_append_c(out, '.');
	} else {
		g_string_append_printf(out, "the condition is true; episode %" PRIu64
		    " has had its decision (%" PRIu64 ").", kc->m.episode, kc->decision);
	}
}

static void why_not(struct ctx *c, const struct prog *p, const struct trace *t,
    GString *out)
{
	struct value v = t->n ? t->v[0].value : value_bool(true);

	if (rule_off(c->d, c->rs)) {
		g_string_append(out, "the rule is disabled or paused.");
	} else if (!p || (v.tag == VALUE_BOOL && v.i)) {
		why_true(c, out);
	} else if (v.tag == VALUE_BOOL) {
		if (why_leaves(p, t, false, out))
			g_string_append(out, " is not true.");
		else
			g_string_append(out, " is false.");
	} else {
		g_string_append(out, value_is_no_data(v) ? "no data: " : "error: ");
		why_error(p, t, out);
		g_string_append_c(out, '.');
	}
}

void why_print(struct ctx *c, const struct check *k, const struct outcome_view *v,
    const struct prog *p, const struct trace *t, GString *out)
{
	switch (v->outcome) {
	case OUTCOME_FIRED:
		why_fired(c, v, p, t, out);
		return;
	case OUTCOME_OBSERVED:
		g_string_append(out, "would have fired: ");
		why_fired(c, v, p, t, out);
		return;
	case OUTCOME_SUPPRESSED:
		why_suppressed(c, k, out);
		return;
	case OUTCOME_ERROR:
		g_string_append_printf(out, "%.*s", STR_ARG(v->error));
		if (p && str_is(v->error, STR("when"))) {
			g_string_append(out, ": ");
			why_error(p, t, out);
		}
		g_string_append_c(out, '.');
		return;
	}
	why_not(c, p, t, out);
}
