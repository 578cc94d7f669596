/* What each rule would do with an event, and why it would not take it; nothing changes.
 *
 * Asked before the event is decided (`where` may read facts that it changes), from the
 * same tests in the same order as rule_event.c:
 *
 *	source ─► retained ─► type ─► subject ─► key, where ─► time
 *
 * To add a test of selectors: here as well, with a sentence. */
#include "decide/priv.h"

static struct str sentence(struct ctx *c, GString *s)
{
	struct str r = arena_str(c->d->arena, (struct str){ s->str, (uint32_t)s->len });

	g_string_free(s, TRUE);
	return r;
}

static struct str name_differs(struct ctx *c, const char *what, struct str is,
    struct str want, bool prefix)
{
	return arena_printf(c->d->arena, "%s '%.*s' is not '%.*s%s'", what, STR_ARG(is),
	    STR_ARG(want), prefix ? "*" : "");
}

/* Why the selector's plain tests refuse it; empty: they don't. */
static struct str refuses(struct ctx *c, const struct selector *s, const struct event *e)
{
	bool type = s->type_prefix ? str_starts(e->type, s->type) :
	    !s->type.len || str_is(e->type, s->type);

	if (s->source && s->source != e->via)
		return STR("it came through another source");
	if (e->retained && !s->retained)
		return STR("it is a retained message, and the rule has no 'retained:"
		    " true'");
	if (!type)
		return name_differs(c, "type", e->type, s->type, s->type_prefix);
	if (s->subject.len && !str_is(e->subject, s->subject))
		return name_differs(c, "subject", e->subject, s->subject, false);
	return (struct str){ 0 };
}

/* `what` is false because ..., is unknown, or has an error; empty: it is true. */
static struct str tested(struct ctx *c, const char *what, const struct prog *p)
{
	struct trace t = { 0 };
	enum result r;
	GString *s;

	c->trace = &t;
	r = ctx_test(c, p);
	c->trace = NULL;
	if (r == RESULT_TRUE)
		return (struct str){ 0 };
	s = g_string_new(what);
	if (r == RESULT_FALSE) {
		g_string_append(s, " is false: ");
		why_leaves(p, &t, false, s);
	} else {
		g_string_append(s, r == RESULT_UNKNOWN ? " is unknown: " : " failed: ");
		why_error(p, &t, s);
	}
	return sentence(c, s);
}

static struct str bad_value(struct ctx *c, const char *what, const struct prog *p,
    struct value v)
{
	GString *s = g_string_new(what);

	g_string_append(s, " gives ");
	if (v.tag == VALUE_ERROR) {
		g_string_append(s, "an error: ");
		expr_error_print(p, v, s);
	} else
		value_print(v, s);
	return sentence(c, s);
}

/* The key, or the keys of a list, as text. */
static bool key_text(struct ctx *c, struct value v, struct considered *ret)
{
	GString *s;

	if (v.tag != VALUE_LIST) {
		ret->key = value_key(v, c->d->arena);
		return ret->key.p && ret->key.len;
	}
	s = g_string_new(NULL);
	for (uint32_t i = 0; i < v.list->n; i++) {
		struct str k = value_key(v.list->v[i], c->d->arena);

		g_string_append_printf(s, "%s%.*s", i ? ", " : "", STR_ARG(k));
	}
	ret->keys = v.list->n;
	ret->key = sentence(c, s);
	return v.list->n > 0;
}

/* Where is asked first unless it needs the key, as rule_event.c does. */
static struct str expressions(struct ctx *c, const struct selector *s,
    struct considered *ret)
{
	bool first = !(c->rs->where_needs & ~(1u << RVAR_NOW | 1u << RVAR_VARS));
	struct str why = { 0 };
	struct value v;

	ctx_vars(c, NULL, 0, 0);
	if (first && s->where)
		why = tested(c, "where", s->where);
	if (!why.len && s->key) {
		v = ctx_eval(c, s->key);
		if (!key_text(c, v, ret))
			return bad_value(c, "key", s->key, v);
	}
	if (!why.len && !first) {
		c->key = ret->key;
		ctx_vars(c, NULL, 0, c->rs->where_needs);
		why = tested(c, "where", s->where);
	}
	if (!why.len && s->time) {
		v = ctx_eval(c, s->time);
		if (v.tag != VALUE_TIMESTAMP)
			return bad_value(c, "time", s->time, v);
	}
	return why;
}

static void consider(struct decide *d, const struct rule *r, uint32_t sel,
    const struct event *e, struct considered *ret)
{
	const struct selector *s = &r->selectors[sel];
	struct rule_state *rs = d->by_rule[r->index];
	struct ctx *c = &d->ctx;

	*ret = (struct considered){ .rule = r, .selector = s->name, .keys = 1 };
	ctx_init(d, c, rs, STR(""));
	ctx_event(c, e);
	ret->why = refuses(c, s, e);
	if (!ret->why.len)
		ret->why = expressions(c, s, ret);
	ret->matched = !ret->why.len;
	if (ret->matched && rule_off(d, rs)) {
		ret->matched = false;
		ret->why = STR("it matches, and the rule is disabled");
	}
}

uint32_t decide_consider(struct decide *d, const struct event *e, int64_t wall_ms,
    int64_t tick_ms, struct arena *a, struct considered **ret)
{
	struct arena *arena = d->arena;
	int64_t wall = d->now_wall, tick = d->now_tick;
	uint32_t n = 0, cap = 0;

	CHECK(!d->pending.open);
	d->arena = a;
	d->now_wall = wall_ms;
	d->now_tick = tick_ms;
	*ret = NULL;
	for (uint32_t i = 0; i < d->rules->rules_n; i++) {
		const struct rule *r = &d->rules->rules[i];

		for (uint32_t k = 0; k < r->selectors_n; k++) {
			*ret = arena_grow(a, *ret, n, &cap, sizeof(**ret));
			consider(d, r, k, e, &(*ret)[n++]);
		}
	}
	d->arena = arena;
	d->now_wall = wall;
	d->now_tick = tick;
	return n;
}
