/* The trace of a decision: what was seen, as JSON.  docs/explain.md describes it.
 *
 * A trace is made by evaluating again with recording on, from the very inputs that
 * decided: evaluating changes nothing, so the values are the same.
 *
 * To add a member: here, in docs/explain.md, and in replay/explain_text.c where people
 * should see it.
 */
#include <inttypes.h>

#include "base/json.h"
#include "base/option.h"
#include "base/time.h"
#include "decide/priv.h"
#include "signal/drift.h"
#include "signal/tester.h"

static void json_text(GString *out, GString *s)
{
	json_str(out, (struct str){ s->str, (uint32_t)s->len });
	g_string_free(s, TRUE);
}

static void put_value(struct value v, const struct prog *p, GString *out)
{
	GString *s = g_string_new(NULL);

	if (v.tag == VALUE_ERROR) {
		g_string_append(s, value_is_no_data(v) ? "unknown: " : "error: ");
		expr_error_print(p, v, s);
	} else {
		value_print(v, s);
	}
	json_text(out, s);
}

/* The left operand of a comparison: the row inside it that begins where it does. */
const struct trace_row *trace_left(const struct trace *t, uint32_t i)
{
	const struct trace_row *r = &t->v[i];

	for (uint32_t j = i + 1; j < t->n && t->v[j].depth > r->depth; j++)
		if (t->v[j].off == r->off && t->v[j].depth == r->depth + 1)
			return t->v[j].value.tag == VALUE_BOOL || t->v[j].skipped ? NULL :
			    &t->v[j];
	return NULL;
}

/* The next row inside row i at its first level, after row j; 0: there is none. */
static uint32_t child_after(const struct trace *t, uint32_t i, uint32_t j)
{
	while (++j < t->n && t->v[j].depth > t->v[i].depth)
		if (t->v[j].depth == t->v[i].depth + 1)
			return j;
	return 0;
}

/* `a && b`, `a || b`, `!a`: its parts say more than it does. */
static bool is_logical(const struct prog *p, const struct trace *t, uint32_t i)
{
	struct str all = expr_text(p);
	uint32_t a = child_after(t, i, i), b = a ? child_after(t, i, a) : 0;

	if (!a)
		return false;
	if (!b)
		return t->v[i].off < all.len && all.p[t->v[i].off] == '!';
	for (uint32_t n = t->v[a].off + t->v[a].len; n + 1 < all.len && n < t->v[b].off;
	     n++)
		if (all.p[n] == all.p[n + 1] && (all.p[n] == '&' || all.p[n] == '|'))
			return true;
	return false;
}

/* A row that says something by itself: a part of the condition's logic that has no
 * logic inside. */
bool trace_is_leaf(const struct prog *p, const struct trace *t, uint32_t i)
{
	uint32_t parent = i;

	if (is_logical(p, t, i))
		return false;
	while (t->v[i].depth > 0) {
		while (parent && t->v[parent].depth >= t->v[i].depth)
			parent--;
		if (!is_logical(p, t, parent))
			return false;
		i = parent;
	}
	return true;
}

static bool word_byte(char c)
{
	return g_ascii_isalnum(c) || c == '_';
}

static bool names_signal(struct str text, struct str name)
{
	for (uint32_t i = 0; i + name.len <= text.len; i++) {
		uint32_t end = i + name.len;

		if ((i && (word_byte(text.p[i - 1]) || text.p[i - 1] == '.')) ||
		    (end < text.len && word_byte(text.p[end])))
			continue;
		if (memcmp(text.p + i, name.p, name.len) == 0)
			return true;
	}
	return false;
}

static void print_window(const struct signal_spec *s, GString *out)
{
	switch (s->window) {
	case WINDOW_SLIDING:
		g_string_append(out, "over ");
		span_print(s->over_ms, out);
		break;
	case WINDOW_TUMBLING:
		g_string_append(out, "tumbling ");
		span_print(s->over_ms, out);
		break;
	case WINDOW_COUNT:
		g_string_append_printf(out, "last %u", s->last_n);
		break;
	case WINDOW_SINCE:
		g_string_append(out, "since last_success");
		break;
	case WINDOW_HOPPING:
		g_string_append(out, "over ");
		span_print(s->over_ms, out);
		g_string_append(out, " every ");
		span_print(s->every_ms, out);
		break;
	case WINDOW_SESSION:
		g_string_append(out, "session ");
		span_print(s->over_ms, out);
		break;
	}
}

/* Which sub-keys there are; their numbers are in the condition's own rows. */
static void put_map_detail(const struct sig_host *h, GString *s)
{
	uint32_t it = 0, root, n = 0;
	struct str sub;

	while (h->root && signal_sub_next(h->spec, h->d->cells, h->root, h->clock, &it,
	    &sub, &root))
		n++;
	g_string_append_printf(s, "%s%u of %u sub-keys with data", s->len ? "; " : "",
	    n, h->root ? signal_subs(h->d->cells, h->root) : 0);
	if (h->spec->kind == SIGNAL_DETECT)
		return;
	g_string_append(s, ", ");
	if (h->spec->min_count > 1)
		g_string_append_printf(s, "min %u, ", h->spec->min_count);
	print_window(h->spec, s);
}

static void put_detail(struct ctx *c, struct str text, GString *out)
{
	GString *s = g_string_new(NULL);

	for (uint32_t i = 0; i < c->rule->signals_n; i++) {
		const struct sig_host *h = &c->sig[i];
		uint64_t n;

		if (!names_signal(text, h->spec->name))
			continue;
		if (h->spec->by) {
			put_map_detail(h, s);
			continue;
		}
		if (h->spec->kind == SIGNAL_DETECT) {
			g_string_append(s, s->len ? "; " : "");
			if (h->root)
				detector_text(h->spec, c->d->cells, h->root, s);
			else
				g_string_append(s, "no sample yet");
			continue;
		}
		if (h->spec->kind == SIGNAL_TEST && h->root) {
			g_string_append(s, s->len ? "; " : "");
			tester_text(h->spec, c->d->cells, h->root, s);
			g_string_append(s, ", ");
			print_window(h->spec, s);
			continue;
		}
		n = h->root ? signal_count(h->spec, c->d->cells, h->root, h->clock) : 0;
		if (s->len)
			g_string_append(s, "; ");
		g_string_append_printf(s, "n %" PRIu64 ", ", n);
		if (h->spec->min_count > 1)
			g_string_append_printf(s, "min %u, ", h->spec->min_count);
		print_window(h->spec, s);
	}
	json_text(out, s);
}

static void put_row(struct ctx *c, const struct prog *p, const struct trace *t,
		    uint32_t i, GString *out)
{
	const struct trace_row *r = &t->v[i], *left = trace_left(t, i);
	struct str all = expr_text(p);
	struct str text = { all.p + MIN(r->off, all.len), 0 };
	bool leaf = trace_is_leaf(p, t, i);

	text.len = MIN(r->len, all.len - MIN(r->off, all.len));
	json_open(out, '{');
	json_key(out, "text");
	json_str(out, text);
	json_key(out, "depth");
	json_i64(out, r->depth);
	json_key(out, "value");
	if (r->skipped)
		json_nil(out);
	else
		put_value(r->value, p, out);
	json_key(out, "skipped");
	json_bool(out, r->skipped);
	json_key(out, "leaf");
	json_bool(out, leaf);
	if (leaf && left) {
		json_key(out, "left");
		put_value(left->value, p, out);
	}
	json_key(out, "detail");
	put_detail(c, text, out);
	json_close(out, '}');
}

static struct value record(struct ctx *c, const struct prog *p, struct trace *t)
{
	struct value v;

	*t = (struct trace){ 0 };
	c->trace = t;
	v = ctx_eval(c, p);
	c->trace = NULL;
	return v;
}

static void put_condition(struct ctx *c, const char *name, const struct prog *p,
    struct trace *t, GString *out)
{
	struct value v;

	if (!p)
		return;
	v = record(c, p, t);
	json_key(out, name);
	json_open(out, '{');
	json_key(out, "text");
	json_str(out, expr_text(p));
	json_key(out, "value");
	put_value(v, p, out);
	json_key(out, "rows");
	json_open(out, '[');
	for (uint32_t i = 0; i < t->n; i++)
		put_row(c, p, t, i, out);
	json_close(out, ']');
	json_close(out, '}');
}

static void put_signals(struct ctx *c, GString *out)
{
	json_key(out, "signals");
	json_open(out, '{');
	for (uint32_t i = 0; i < c->rule->signals_n; i++) {
		const struct sig_host *h = &c->sig[i];

		json_key_str(out, h->spec->name);
		if (h->root)
			signal_summary(h->spec, c->d->cells, h->root, h->clock, out);
		else
			json_nil(out);
	}
	json_close(out, '}');
}

static void put_state(struct ctx *c, GString *out)
{
	const struct key_cell *k = c->k ? key_get(c->d, c->k) : NULL;

	if (c->rule->kind != RULE_SIGNAL || !k)
		return;
	json_key(out, "state");
	json_open(out, '{');
	json_key(out, "state");
	json_cstr(out, machine_state_name((enum machine_state)k->m.state));
	json_key(out, "episode");
	json_i64(out, (int64_t)k->m.episode);
	json_key(out, "since");
	json_time(out, k->since_ms);
	if (k->m.state != MACHINE_INACTIVE) {
		json_key(out, "pending_since");
		json_time(out, k->m.active_at);
	}
	if (k->m.state == MACHINE_HOLDING) {
		json_key(out, "holding_since");
		json_time(out, k->m.keep_since);
	}
	json_key(out, "owed");
	json_bool(out, k->m.owed);
	rearm_json(c->d, c->k, c->wall, c->tick, out);
	json_key(out, "clock");
	json_time(out, c->clock);
	json_close(out, '}');
}

/* In the order of asking. */
static const enum suppressor order[] = { SUPP_DISABLED, SUPP_DEPTH,
	SUPP_CALENDAR, SUPP_SILENCE, SUPP_DEDUPE, SUPP_COOLDOWN, SUPP_BACKOFF,
	SUPP_DISARMED, SUPP_BREAKER, SUPP_BUDGET, SUPP_CONCURRENCY };

/* A suppressor that the rule does not have is left out. */
static bool has_suppressor(const struct ctx *c, const struct check *k, enum suppressor s)
{
	if (k->asked[s] == ASKED_BLOCKED)
		return true;
	switch (s) {
	case SUPP_CALENDAR:
		return c->rule->calendar.only_n || c->rule->calendar.not_n;
	case SUPP_SILENCE:
		return c->d->silences->len > 0;
	case SUPP_BUDGET:
		return c->rule->budgets[0] || c->rule->budgets[1];
	case SUPP_BREAKER:
		return c->rule->breaker_after > 0;
	case SUPP_DEDUPE:
		return c->rule->dedupe_key != NULL;
	case SUPP_COOLDOWN:
		return c->rule->cooldown_ms > 0;
	case SUPP_BACKOFF:
		return c->rule->backoff;
	case SUPP_DISARMED:
		return c->rs->detects;
	default:
		return true;
	}
}

static void put_suppressors(const struct ctx *c, const struct check *k, GString *out)
{
	/* ORDER asked */
	static const char *const verdicts[] = { "not asked", "passed", "blocked" };

	json_key(out, "suppressors");
	json_open(out, '[');
	for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
		if (!has_suppressor(c, k, order[i]))
			continue;
		json_open(out, '{');
		json_key(out, "name");
		json_cstr(out, suppressor_name(order[i]));
		json_key(out, "verdict");
		json_cstr(out, verdicts[k->asked[order[i]]]);
		json_key(out, "numbers");
		json_str(out, k->numbers[order[i]]);
		json_close(out, '}');
	}
	json_close(out, ']');
}

static void put_event(struct ctx *c, GString *out)
{
	struct last_view v;

	if (c->event)
		v = (struct last_view){ c->event->id, c->event->source, c->event->type,
			c->event->subject, c->event->time_ms };
	else if (c->last)
		v = last_view(c->last);
	else
		return;
	json_key(out, "event");
	json_open(out, '{');
	json_key(out, "id");
	json_str(out, v.id);
	json_key(out, "source");
	json_str(out, v.source);
	json_key(out, "type");
	json_str(out, v.type);
	json_key(out, "subject");
	json_str(out, v.subject);
	json_key(out, "time");
	json_time(out, v.time_ms);
	json_close(out, '}');
}

static void put_head(struct ctx *c, const struct outcome_view *view, GString *out)
{
	json_key(out, "rule");
	json_str(out, c->rs->name);
	json_key(out, "key");
	json_str(out, c->key);
	json_key(out, "time");
	json_time(out, c->wall);
	json_key(out, "outcome");
	json_cstr(out, view->outcome ? outcome_name(view->outcome) : "not fired");
	if (view->decision) {
		json_key(out, "decision");
		json_i64(out, (int64_t)view->decision);
	}
	if (view->run_id.len) {
		json_key(out, "run");
		json_str(out, view->run_id);
	}
	if (view->actor.len) {
		json_key(out, "actor");
		json_str(out, view->actor);
	}
	if (c->due_ms) {
		json_key(out, "due");
		json_time(out, c->due_ms);
	}
	if (view->again) {
		json_key(out, "evaluated_again");
		json_bool(out, true);
	}
}

struct str trace_json(struct ctx *c, const struct check *k,
		      const struct outcome_view *view, struct str *ret_why)
{
	GString *out = g_string_new(NULL), *cond = g_string_new(NULL);
	GString *why = g_string_new(NULL);
	const struct key_cell *kc = c->k ? key_get(c->d, c->k) : NULL;
	bool recover = c->rule->recover && kc && machine_latched(&kc->m);
	struct trace when = { 0 }, rec = { 0 };
	struct str r;

	json_open(cond, '{');
	put_condition(c, "when", c->rule->when, &when, cond);
	if (recover)
		put_condition(c, "recover", c->rule->recover, &rec, cond);
	why_print(c, k, view, c->rule->when, &when, why);
	*ret_why = arena_str(c->d->arena, (struct str){ why->str, (uint32_t)why->len });
	json_open(out, '{');
	put_head(c, view, out);
	json_key(out, "why");
	json_str(out, *ret_why);
	if (cond->len > 1) {
		g_string_append_c(out, ',');
		g_string_append(out, cond->str + 1);
	}
	if (c->rule->signals_n)
		put_signals(c, out);
	put_state(c, out);
	put_suppressors(c, k, out);
	put_event(c, out);
	json_close(out, '}');
	r = arena_str(c->d->arena, (struct str){ out->str, (uint32_t)out->len });
	g_string_free(out, TRUE);
	g_string_free(cond, TRUE);
	g_string_free(why, TRUE);
	return r;
}
