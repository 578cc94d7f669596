/* What is shown out of the running state: rules, pipelines, sources.  Read between two
 * turns on the loop's thread; nothing is changed and nothing waits. */
#include <string.h>

#include "api/priv.h"
#include "base/arena.h"
#include "base/diag.h"
#include "base/json.h"

#define KEYS_SHOWN 100

static const char *const kinds[] = { "", "event", "signal", "schedule" };
static const char *const modes[] = { "", "active", "observe", "disabled" };

static void member_str(GString *s, const char *name, struct str v)
{
	json_key(s, name);
	if (v.len)
		json_str(s, v);
	else
		json_nil(s);
}

/* Members up to the closing brace; decide's own are put beside ours. */
static void rule_open(const struct decide *d, const struct rule *r, GString *s)
{
	GString *state = g_string_new(NULL);

	json_open(s, '{');
	member_str(s, "name", r->name);
	member_str(s, "uid", r->uid);
	json_key(s, "kind");
	json_cstr(s, kinds[r->kind]);
	json_key(s, "mode");
	json_cstr(s, modes[r->mode]);
	member_str(s, "pipeline", r->pipeline ? r->pipeline->name : STR(""));
	member_str(s, "description", r->description);
	member_str(s, "owner", r->owner);
	if (r->schedules_n) {
		GString *text = g_string_new(NULL);

		for (uint32_t i = 0; i < r->schedules_n; i++) {
			g_string_append(text, i ? "; " : "");
			schedule_print(r->schedules[i].at, text);
		}
		member_str(s, "schedule", (struct str){ text->str, (uint32_t)text->len });
		g_string_free(text, TRUE);
	}
	decide_rule_json(d, r, state);
	g_string_append_c(s, ',');
	g_string_append_len(s, state->str + 1, (gssize)state->len - 2);
	g_string_free(state, TRUE);
}

static void put_counts(const struct decide *d, const struct rule *r, GString *s)
{
	struct rule_count n = decide_rule_count(d, decide_rule_id(d, r));
	const struct { const char *name; uint64_t n; } rows[] = {
		{ "evaluated", n.fate[FATE_EVALUATED] }, { "late", n.fate[FATE_LATE] },
		{ "refused_key", n.fate[FATE_REFUSED_KEY] },
		{ "invalid", n.fate[FATE_INVALID] }, { "fired", n.fired },
		{ "samples", n.sample[SIGNAL_TAKEN] },
		{ "samples_late", n.sample[SIGNAL_LATE] },
		{ "samples_invalid", n.sample[SIGNAL_INVALID] },
		{ "samples_refused", n.sample[SIGNAL_FULL] },
		{ "suppressed", n.suppressed }, { "observed", n.observed },
		{ "error", n.error },
	};

	json_key(s, "counts");
	json_open(s, '{');
	for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
		json_key(s, rows[i].name);
		json_i64(s, (int64_t)rows[i].n);
	}
	json_close(s, '}');
}

void on_rules(struct call *c)
{
	const char *only = call_arg(c, "rule");
	struct turn *t = call_turn(c);
	const struct ruleset *rs;
	GString *s;

	if (!t)
		return;
	rs = world_ruleset(turn_world(t));
	s = g_string_new(NULL);
	json_open(s, '[');
	for (uint32_t i = 0; i < rs->rules_n; i++) {
		if (only && !str_is(rs->rules[i].name, str_of(only)))
			continue;
		rule_open(world_decide(turn_world(t)), &rs->rules[i], s);
		json_close(s, '}');
	}
	json_close(s, ']');
	call_take(c, 200, s);
}

static void no_rule(struct call *c, const struct ruleset *rs)
{
	struct str *words = g_new(struct str, rs->rules_n + 1), near;

	for (uint32_t i = 0; i < rs->rules_n; i++)
		words[i] = rs->rules[i].name;
	near = nearest_word(str_of(c->vars[0]), words, rs->rules_n);
	if (near.len)
		call_error(c, 404, "no rule '%.100s', did you mean '%.*s'?", c->vars[0],
		    STR_ARG(near));
	else
		call_error(c, 404, "no rule '%.100s'", c->vars[0]);
	g_free(words);
}

void on_rule(struct call *c)
{
	struct turn *t = call_turn(c);
	struct query q = { 0 };
	struct turn_status st;
	const struct decide *d;
	const struct rule *r;
	struct arena *a;
	GString *s;

	if (!t || !call_filters(c, &q))
		return;
	r = ruleset_rule(world_ruleset(turn_world(t)), str_of(c->vars[0]));
	if (!r) {
		no_rule(c, world_ruleset(turn_world(t)));
		return;
	}
	turn_status(t, &st);
	d = world_decide(turn_world(t));
	a = arena_new(0);
	s = g_string_new(NULL);
	rule_open(d, r, s);
	put_counts(d, r, s);
	json_key(s, "states");
	decide_keys_json(d, r, q.limit ? q.limit : KEYS_SHOWN, a, st.wall_ms, st.tick_ms,
	    s);
	json_close(s, '}');
	arena_free(a);
	call_take(c, 200, s);
}

static void put_pipeline(const struct pipeline *p, bool whole, GString *s)
{
	json_open(s, '{');
	member_str(s, "name", p->name);
	member_str(s, "description", p->description);
	member_str(s, "owner", p->owner);
	json_key(s, "steps");
	json_open(s, '[');
	for (uint32_t i = 0; i < p->steps_n; i++)
		json_str(s, p->steps[i].name);
	json_close(s, ']');
	json_key(s, "params");
	pipeline_params_json(p, s);
	if (whole) {
		json_key(s, "concurrency");
		json_open(s, '{');
		json_key(s, "limit"), json_i64(s, p->limit);
		json_key(s, "per_key"), json_i64(s, p->per_key);
		json_key(s, "queue"), json_i64(s, p->queue);
		json_close(s, '}');
		json_key(s, "dir"), json_str(s, p->dir);
		json_key(s, "promotes"), json_bool(s, p->promotes);
	}
	json_close(s, '}');
}

void on_pipelines(struct call *c)
{
	struct turn *t = call_turn(c);
	const struct ruleset *rs;
	GString *s;

	if (!t)
		return;
	rs = world_ruleset(turn_world(t));
	s = g_string_new(NULL);
	json_open(s, '[');
	for (uint32_t i = 0; i < rs->pipelines_n; i++)
		put_pipeline(rs->pipelines[i], false, s);
	json_close(s, ']');
	call_take(c, 200, s);
}

void on_pipeline(struct call *c)
{
	struct turn *t = call_turn(c);
	const struct pipeline *p;
	GString *s;

	if (!t)
		return;
	p = ruleset_pipeline(world_ruleset(turn_world(t)), str_of(c->vars[0]));
	if (!p) {
		call_error(c, 404, "no pipeline '%.100s'", c->vars[0]);
		return;
	}
	s = g_string_new(NULL);
	put_pipeline(p, true, s);
	call_take(c, 200, s);
}

static void put_source(struct source *src, GString *s)
{
	struct source_status st = { .lag = -1 };

	src->impl->status(src, &st);
	json_open(s, '{');
	member_str(s, "name", src->name);
	json_key(s, "kind"), json_cstr(s, src->impl->kind->name);
	json_key(s, "state"), json_cstr(s, st.connected ? "connected" : "down");
	json_key(s, "connected"), json_bool(s, st.connected);
	json_key(s, "lag");
	if (st.lag >= 0)
		json_i64(s, st.lag);
	else
		json_nil(s);
	json_key(s, "reconnects"), json_i64(s, (int64_t)st.reconnects);
	json_key(s, "gaps"), json_i64(s, (int64_t)st.gaps);
	json_key(s, "repeats"), json_i64(s, (int64_t)st.repeats);
	json_key(s, "detail"), json_cstr(s, st.detail);
	json_close(s, '}');
}

/* `run`, the daemon's own events, is a source like the others. */
void on_sources(struct call *c)
{
	struct turn *t = call_turn(c);
	struct source **v;
	uint32_t n;
	GString *s;

	if (!t)
		return;
	n = turn_sources(t, &v);
	s = g_string_new(NULL);
	json_open(s, '[');
	for (uint32_t i = 0; i < n; i++)
		put_source(v[i], s);
	json_close(s, ']');
	call_take(c, 200, s);
}

void on_silences(struct call *c)
{
	struct turn *t = call_turn(c);
	GString *s;

	if (!t)
		return;
	s = g_string_new(NULL);
	decide_silences_json(world_decide(turn_world(t)), s);
	call_take(c, 200, s);
}

void on_budgets(struct call *c)
{
	struct turn *t = call_turn(c);
	struct turn_status st;
	GString *s;

	if (!t)
		return;
	turn_status(t, &st);
	s = g_string_new(NULL);
	world_budgets_json(turn_world(t), st.wall_ms, s);
	call_take(c, 200, s);
}
