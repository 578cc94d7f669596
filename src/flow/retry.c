/* An ended run begun again: a new run that adopts the completed steps of the old one.
 *
 * Ended runs are no part of the world, so the command carries what the caller read of
 * the old one from the tables (command.h).  Gates are never adopted: the champion may
 * be another by now. */
#include "base/json.h"
#include "flow/engine.h"

/* The number at the end of a run's name; 0: there is none. */
uint64_t run_number(struct str name)
{
	uint64_t n = 0, unit = 1;
	uint32_t i = name.len;

	while (
	    i > 0 && name.p[i - 1] >= '0' && name.p[i - 1] <= '9' && name.len - i < 18) {
		n += (uint64_t)(name.p[--i] - '0') * unit;
		unit *= 10;
	}
	return i > 0 && name.p[i - 1] == '-' ? n : 0;
}

static bool hash_is(const uint8_t hash[32], struct str hex)
{
	static const char digits[] = "0123456789abcdef";

	if (hex.len != 64)
		return false;
	for (uint32_t i = 0; i < 64; i++)
		if (hex.p[i] != digits[i % 2 ? hash[i / 2] & 15 : hash[i / 2] >> 4])
			return false;
	return true;
}

/* The pipeline that the old run had: in the rule set, or held by an unfinished run. */
static struct pipeline *pipeline_of_hash(const struct world *w, struct str name,
    struct str hex)
{
	struct pipeline *p = ruleset_pipeline(w->rules, name);

	if (p && hash_is(p->hash, hex))
		return p;
	for (uint32_t i = 0; i < w->runs->len; i++) {
		const struct run *r = w->runs->pdata[i];

		if (r->pipeline && hash_is(r->pipeline->hash, hex))
			return r->pipeline;
	}
	return NULL;
}

static void read_adopt(struct world *w, struct value list, struct order *o)
{
	struct adopt *adopt;

	if (list.tag != VALUE_LIST)
		return;
	adopt = ARENA_ARRAY(w->arena, struct adopt, list.list->n);
	for (uint32_t i = 0; i < list.list->n; i++) {
		struct value v = list.list->v[i];

		if (v.tag != VALUE_MAP)
			continue;
		adopt[o->adopt_n++] = (struct adopt){ .step = map_text(w, v, "step"),
			.outputs = map_json(w, v, "outputs"),
			.metrics = map_json(w, v, "metrics") };
	}
	o->adopt = adopt;
}

/* NULL: answered already, why not. */
static struct pipeline *choose_pipeline(struct world *w, const struct command *cmd,
    struct value given)
{
	struct str name = map_text(w, given, "pipeline");
	struct str hex = map_text(w, given, "pipeline_hash");
	struct pipeline *now = ruleset_pipeline(w->rules, name);
	struct pipeline *p = pipeline_of_hash(w, name, hex);

	if (!p && cmd->force)
		p = now;
	if (!p && now)
		answer_error(w, cmd, 409, "pipeline '%.*s' has changed since run '%.*s': "
		    "force takes it as it is now", STR_ARG(name), STR_ARG(cmd->target));
	else if (!p)
		command_no_pipeline(w, cmd, name);
	return p;
}

/* The same cause as the old run had. */
static void read_cause(struct world *w, struct value given, struct order *o)
{
	struct value trigger = value_member(given, STR("trigger"), w->arena), decision;

	o->events = map_json(w, given, "events");
	o->model = map_text(w, given, "model");
	if (trigger.tag != VALUE_MAP)
		return;
	o->rule = map_text(w, trigger, "rule");
	decision = value_member(trigger, STR("decision"), w->arena);
	if (decision.tag == VALUE_INT)
		o->decision = (uint64_t)decision.i;
}

void command_retry(struct world *w, const struct command *cmd)
{
	struct order o = { .key = cmd->key, .actor = cmd->actor, .force = cmd->force,
		.retry_of = run_number(cmd->target) };
	struct value given, params;

	if (!command_params(w, cmd, &given))
		return;
	if (run_find(w, cmd->target)) {
		answer_error(w, cmd, 409, "run '%.*s' has not ended",
		    STR_ARG(cmd->target));
		return;
	}
	if (o.retry_of == 0 || o.retry_of > w->c->last_run) {
		answer_error(w, cmd, 404, "no run '%.*s'", STR_ARG(cmd->target));
		return;
	}
	o.pipeline = choose_pipeline(w, cmd, given);
	if (!o.pipeline)
		return;
	read_cause(w, given, &o);
	read_adopt(w, value_member(given, STR("adopt"), w->arena), &o);
	params = value_member(given, STR("params"), w->arena);
	command_order(w, cmd, &o, params.tag == VALUE_MAP ? params : value_null());
}
