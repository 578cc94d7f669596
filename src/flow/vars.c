/* The names that expressions of a pipeline see: PVAR_*.
 *
 *	params		as checked when the run was made
 *	trigger		{rule, decision, events, time, actor}
 *	steps.NAME	{state, outputs, metrics}; every number under metrics is double
 *	run		{id, pipeline, key, created}
 *	champion, candidate	of the run's model; empty without one
 *	key, now	the run's key, the turn's wall clock
 *
 * Built from the cells for each use: nothing here is kept. */
#include "base/json.h"
#include "flow/engine.h"

static struct value map_of(struct world *w, const char *const *names,
    const struct value *values, uint32_t n)
{
	struct value *k = ARENA_ARRAY(w->arena, struct value, n);
	struct value *v = ARENA_ARRAY(w->arena, struct value, n);

	for (uint32_t i = 0; i < n; i++) {
		k[i] = value_str(str_of(names[i]));
		v[i] = values[i];
	}
	return value_map_of(k, v, n, w->arena);
}

static struct value empty_map(struct world *w)
{
	return value_map_of(NULL, NULL, 0, w->arena);
}

/* JSON that was accepted when it came in; empty: an empty map. */
static struct value json_or_empty(struct world *w, struct str json)
{
	struct value v;

	if (json.len == 0)
		return empty_map(w);
	v = value_from_json(json, w->arena);
	return v.tag == VALUE_ERROR ? empty_map(w) : v;
}

/* The same value with every number a double: 1 and 1.0 must compare alike. */
static struct value doubles(struct world *w, struct value v)
{
	double d;

	if (v.tag == VALUE_MAP) {
		struct value *to = ARENA_ARRAY(w->arena, struct value, v.map->n);

		for (uint32_t i = 0; i < v.map->n; i++)
			to[i] = doubles(w, v.map->values[i]);
		return value_map_of(v.map->keys, to, v.map->n, w->arena);
	}
	if (v.tag == VALUE_LIST) {
		struct value *to = ARENA_ARRAY(w->arena, struct value, v.list->n);

		for (uint32_t i = 0; i < v.list->n; i++)
			to[i] = doubles(w, v.list->v[i]);
		return value_list_of(to, v.list->n, w->arena);
	}
	if ((v.tag == VALUE_INT || v.tag == VALUE_UINT) && value_number(v, &d))
		return value_double(d);
	return v;
}

static struct value step_value(struct world *w, const struct step_cell *s)
{
	static const char *const names[] = { "state", "outputs", "metrics" };
	struct value v[] = {
		value_str(str_of(step_state_name(s->state))),
		json_or_empty(w, blob_get(w->cells, s->outputs, w->arena)),
		doubles(w, json_or_empty(w, blob_get(w->cells, s->metrics, w->arena))),
	};

	return map_of(w, names, v, 3);
}

static struct value steps_value(struct world *w, const struct run *r)
{
	uint32_t n = r->c->steps_n;
	struct value *k = ARENA_ARRAY(w->arena, struct value, n);
	struct value *v = ARENA_ARRAY(w->arena, struct value, n);

	for (uint32_t i = 0; i < n; i++) {
		k[i] = value_str(r->b.steps[i]);
		v[i] = step_value(w, r->steps[i].c);
	}
	return value_map_of(k, v, n, w->arena);
}

static struct value trigger_value(struct world *w, struct str rule, uint64_t decision,
    struct str events, int64_t time_ms, struct str actor)
{
	static const char *const names[] = {
	    "rule", "decision", "events", "time", "actor"};
	struct value v[] = {
		value_str(rule), value_int((int64_t)decision),
		value_from_json(events.len ? events : STR("[]"), w->arena),
		value_time_ms(time_ms), value_str(actor),
	};

	if (v[2].tag == VALUE_ERROR)
		v[2] = value_list_of(NULL, 0, w->arena);
	return map_of(w, names, v, 5);
}

static struct value run_value(struct world *w, struct str id, struct str pipeline,
    struct str key, int64_t created_ms)
{
	static const char *const names[] = { "id", "pipeline", "key", "created" };
	struct value v[] = { value_str(id), value_str(pipeline), value_str(key),
		value_time_ms(created_ms) };

	return map_of(w, names, v, 4);
}

static void vars_model(struct world *w, struct str model, struct value vars[PVAR_MAX])
{
	struct facts *facts = decide_facts(w->decide);
	struct model_fact champion = facts_champion(facts, model);
	struct model_fact candidate = facts_candidate(facts, model);

	vars[PVAR_CHAMPION] = facts_model_value(&champion, w->arena);
	vars[PVAR_CANDIDATE] = facts_model_value(&candidate, w->arena);
}

void vars_run(struct world *w, const struct run *r, struct value vars[PVAR_MAX])
{
	const struct birth *b = &r->b;

	vars[PVAR_PARAMS] = json_or_empty(w, b->params);
	vars[PVAR_TRIGGER] = trigger_value(w, b->rule, b->decision, b->events,
	    r->c->created_ms, b->actor);
	vars[PVAR_STEPS] = steps_value(w, r);
	vars[PVAR_RUN] = run_value(w, b->name, b->pipeline, b->key, r->c->created_ms);
	vars_model(w, b->model, vars);
	vars[PVAR_KEY] = value_str(b->key);
	vars[PVAR_NOW] = value_time_ms(w->wall);
}

/* Before the run exists: for the model's template. */
void vars_order(struct world *w, const struct order *o, struct value vars[PVAR_MAX])
{
	vars[PVAR_PARAMS] = o->params;
	vars[PVAR_TRIGGER] = trigger_value(w, o->rule, o->decision, o->events, w->wall,
	    o->actor);
	vars[PVAR_STEPS] = empty_map(w);
	vars[PVAR_RUN] = run_value(w, STR(""), o->pipeline->name, o->key, w->wall);
	vars_model(w, STR(""), vars);
	vars[PVAR_KEY] = value_str(o->key);
	vars[PVAR_NOW] = value_time_ms(w->wall);
}

void vars_eval(struct world *w, const struct value vars[PVAR_MAX], struct eval *ret)
{
	*ret = (struct eval){ .vars = vars, .arena = w->arena, .zones = w->rules->zones };
}

struct str vars_error(struct world *w, const struct prog *prog, struct value error)
{
	GString *s = g_string_new(NULL);

	if (prog)
		expr_error_print(prog, error, s);
	else
		g_string_append(s, error.s ? error.s : "no value");
	return text_take(w, s);
}

struct str vars_trigger_json(struct world *w, const struct run *r)
{
	const struct birth *b = &r->b;
	GString *s = g_string_new(NULL);

	json_open(s, '{');
	json_key(s, "rule");
	json_str(s, b->rule);
	json_key(s, "decision");
	json_i64(s, (int64_t)b->decision);
	json_key(s, "events");
	json_raw(s, b->events);
	json_key(s, "time");
	json_time(s, r->c->created_ms);
	json_key(s, "actor");
	json_str(s, b->actor);
	json_close(s, '}');
	return text_take(w, s);
}

static void input_steps(struct world *w, GString *s, const struct run *r)
{
	json_key(s, "steps");
	json_open(s, '{');
	for (uint32_t i = 0; i < r->c->steps_n; i++) {
		const struct step_cell *c = r->steps[i].c;
		struct str outputs = blob_get(w->cells, c->outputs, w->arena);
		struct str metrics = blob_get(w->cells, c->metrics, w->arena);

		if (!step_is_terminal(c->state))
			continue;
		json_key_str(s, r->b.steps[i]);
		json_open(s, '{');
		json_key(s, "outputs");
		json_raw(s, outputs.len ? outputs : STR("{}"));
		json_key(s, "metrics");
		json_raw(s, metrics.len ? metrics : STR("{}"));
		json_close(s, '}');
	}
	json_close(s, '}');
}

struct str vars_input_json(struct world *w, const struct run *r, uint32_t step)
{
	struct model_fact champion = facts_champion(decide_facts(w->decide), r->b.model);
	GString *s = g_string_new(NULL);

	json_open(s, '{');
	json_key(s, "run");
	json_str(s, r->b.name);
	json_key(s, "pipeline");
	json_str(s, r->b.pipeline);
	json_key(s, "step");
	json_str(s, r->b.steps[step]);
	json_key(s, "attempt");
	json_i64(s, r->steps[step].c->attempt);
	json_key(s, "key");
	json_str(s, r->b.key);
	json_key(s, "params");
	json_raw(s, r->b.params);
	json_key(s, "trigger");
	json_raw(s, vars_trigger_json(w, r));
	input_steps(w, s, r);
	json_key(s, "champion");
	value_to_json(facts_model_value(&champion, w->arena), w->arena, s);
	json_key(s, "model");
	json_str(s, r->b.model);
	json_key(s, "code");
	json_raw(s, r->b.code);
	json_close(s, '}');
	return text_take(w, s);
}
