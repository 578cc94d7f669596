/* One event beside every rule: decide's answers, joined with the decisions on it. */
#include "replay/consider.h"

#include "base/arena.h"
#include "base/json.h"
#include "replay/replay.h"

struct consider {
	struct world	*world;
	const struct event *event;
	int64_t		 wall, tick;
	struct arena	*arena;
	struct considered *v;
	uint32_t	 n;
};

struct consider *consider_new(struct world *w, const struct event *e, int64_t wall_ms,
    int64_t tick_ms)
{
	struct consider *c = g_new0(struct consider, 1);

	*c = (struct consider){ .world = w, .event = e, .wall = wall_ms, .tick = tick_ms,
		.arena = arena_new(0) };
	c->n = decide_consider(world_decide_mut(w), e, wall_ms, tick_ms, c->arena, &c->v);
	return c;
}

void consider_free(struct consider *c)
{
	if (!c)
		return;
	arena_free(c->arena);
	g_free(c);
}

static const struct decision_row *decision_on(const struct considered *v,
    const struct effects *fx, uint32_t first)
{
	const struct decided *d = &fx->decided;

	for (uint32_t i = first; i < d->decisions_n; i++)
		if (str_is(d->decisions[i].rule, v->rule->name) &&
		    (v->keys > 1 || str_is(d->decisions[i].key, v->key)))
			return &d->decisions[i];
	return NULL;
}

static void put_trace(struct str trace, GString *out)
{
	json_key(out, "trace"), json_raw(out, trace);
}

/* It took the event and no decision came of it. */
static void put_state(struct consider *c, const struct considered *v, GString *out)
{
	GString *trace = g_string_new(NULL);
	struct err err = { 0 };

	json_key(out, "outcome"), json_cstr(out, "none");
	if (v->keys == 1)
		replay_explain(c->world, v->rule->name, v->key, c->wall, c->tick, trace,
		    &err);
	if (err.code)			/* a key too many has no state */
		json_key(out, "why"), json_cstr(out, err.msg);
	put_trace((struct str){ trace->str, (uint32_t)trace->len }, out);
	g_string_free(trace, TRUE);
}

static void put_rule(struct consider *c, const struct considered *v,
    const struct effects *fx, uint32_t first, GString *out)
{
	const struct decision_row *r;

	json_open(out, '{');
	json_key(out, "rule"), json_str(out, v->rule->name);
	json_key(out, "selector"), json_str(out, v->selector);
	json_key(out, "matched"), json_bool(out, v->matched);
	json_key(out, "key");
	if (v->matched)
		json_str(out, v->key);
	else
		json_nil(out);
	if (!v->matched) {
		json_key(out, "why"), json_str(out, v->why);
	} else if ((r = decision_on(v, fx, first))) {
		json_key(out, "outcome"), json_cstr(out, outcome_name(r->outcome));
		json_key(out, "decision"), json_i64(out, (int64_t)r->id);
		json_key(out, "why"), json_str(out, r->reason);
		put_trace(r->trace, out);
	} else
		put_state(c, v, out);
	json_close(out, '}');
}

void consider_json(struct consider *c, const struct effects *fx, uint32_t first,
    struct str rule, GString *out)
{
	const struct event *e = c->event;

	json_open(out, '{');
	json_key(out, "event");
	json_open(out, '{');
	json_key(out, "id"), json_str(out, e->id);
	json_key(out, "source"), json_str(out, e->source);
	json_key(out, "type"), json_str(out, e->type);
	json_key(out, "subject"), json_str(out, e->subject);
	json_key(out, "time"), json_time(out, e->time_ms);
	json_close(out, '}');
	json_key(out, "time"), json_time(out, c->wall);
	json_key(out, "rules");
	json_open(out, '[');
	for (uint32_t i = 0; i < c->n; i++)
		if (!rule.len || str_is(c->v[i].rule->name, rule) ||
		    str_is(c->v[i].rule->uid, rule))
			put_rule(c, &c->v[i], fx, first, out);
	json_close(out, ']');
	json_close(out, '}');
}

/* ---- as text ---- */

struct view {
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

/* The trace's own text, below its rule. */
static void put_trace_text(const struct view *v, struct value rule)
{
	struct value trace = member(v, rule, "trace");
	GString *json = g_string_new(NULL), *s = g_string_new(NULL);
	struct err err = { 0 };
	char **lines;

	if (trace.tag == VALUE_MAP) {
		value_to_json(trace, v->a, json);
		if (!replay_explain_text((struct str){ json->str, (uint32_t)json->len },
		    s, &err))
			g_string_append(s, err.msg);
		lines = g_strsplit(s->str, "\n", -1);
		for (char **l = lines; *l; l++)
			if (**l)
				g_string_append_printf(v->out, "    %s\n", *l);
		g_strfreev(lines);
	}
	g_string_free(json, TRUE);
	g_string_free(s, TRUE);
}

static void put_rule_text(const struct view *v, struct value rule)
{
	struct value matched = member(v, rule, "matched");
	struct str name = text(v, rule, "rule"), sel = text(v, rule, "selector");
	struct str key = text(v, rule, "key"), why = text(v, rule, "why");

	g_string_append_printf(v->out, "%.*s%s%.*s: ", STR_ARG(name), sel.len ? "/" : "",
	    STR_ARG(sel));
	if (matched.tag == VALUE_BOOL && matched.i) {
		struct str outcome = text(v, rule, "outcome");

		g_string_append_printf(v->out, "takes it%s%.*s: %.*s\n", key.len ?
		    ", key " : "", STR_ARG(key), STR_ARG(outcome));
		if (why.len && member(v, rule, "trace").tag != VALUE_MAP)
			g_string_append_printf(v->out, "    %.*s\n", STR_ARG(why));
		put_trace_text(v, rule);
	} else
		g_string_append_printf(v->out, "not taken: %.*s\n", STR_ARG(why));
}

bool consider_text(struct str json, GString *out, struct err *err)
{
	struct view v = { .a = arena_new(0), .out = out };
	struct value root = value_from_json(json, v.a);
	struct value e = member(&v, root, "event"), rules = member(&v, root, "rules");
	bool ok = rules.tag == VALUE_LIST;

	if (ok) {
		g_string_append_printf(out, "event %.*s type %.*s subject %.*s at %.*s\n",
		    STR_ARG(text(&v, e, "id")), STR_ARG(text(&v, e, "type")),
		    STR_ARG(text(&v, e, "subject")), STR_ARG(text(&v, e, "time")));
		for (uint32_t i = 0; i < rules.list->n; i++)
			put_rule_text(&v, rules.list->v[i]);
		if (!rules.list->n)
			g_string_append(out, "no rule listens to events\n");
	} else
		err_set(err, ERR_SYNTAX, "this is no list of rules beside an event");
	arena_free(v.a);
	return ok;
}
