/* What people ask for: one function per command, each ending in one answer.
 *
 * A refusal says why in one sentence and changes nothing: 404 no such thing, 409 the
 * state does not allow it, 422 what was asked for makes no sense.
 * To add a command: its kind in command.h, its name and function in the table below,
 * and the codec's bound follows COMMAND_MAX.
 */
#include <inttypes.h>

#include "base/json.h"
#include "flow/engine.h"

static void answer(struct world *w, const struct command *cmd, bool ok, int status,
    GString *json)
{
	struct effects *fx = w->fx;

	fx->answers = arena_grow(fx->arena, fx->answers, fx->answers_n, &fx->answers_cap,
	    sizeof(*fx->answers));
	fx->answers[fx->answers_n++] = (struct answer){.token = cmd->token,
	    .seq = w->seq,
	    .ok = ok,
	    .status = status,
	    .json = text_take(w, json)};
}

void answer_ok(struct world *w, const struct command *cmd, GString *json)
{
	json_close(json, '}');
	answer(w, cmd, true, 200, json);
}

void answer_error(struct world *w, const struct command *cmd, int status, const char *fmt,
    ...)
{
	GString *json = g_string_new(NULL);
	char *z;
	va_list ap;

	va_start(ap, fmt);
	z = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	json_open(json, '{');
	json_key(json, "error");
	json_cstr(json, z);
	json_close(json, '}');
	g_free(z);
	answer(w, cmd, false, status, json);
}

GString *answer_begin(const char *key, struct str value)
{
	GString *s = g_string_new(NULL);

	json_open(s, '{');
	json_key(s, key);
	json_str(s, value);
	return s;
}

/* params as a MAP; an empty text is the empty map.  False: answered already. */
bool command_params(struct world *w, const struct command *cmd, struct value *ret)
{
	*ret = cmd->params.len ? value_from_json(cmd->params, w->arena) :
	    value_map_of(NULL, NULL, 0, w->arena);
	if (ret->tag == VALUE_MAP)
		return true;
	answer_error(w, cmd, 422, "params: expected a JSON object");
	return false;
}

struct str map_text(struct world *w, struct value map, const char *name)
{
	struct value v = value_member(map, str_of(name), w->arena);

	return v.tag == VALUE_STRING ? value_as_str(v) : STR("");
}

struct str map_json(struct world *w, struct value map, const char *name)
{
	struct value v = value_member(map, str_of(name), w->arena);
	GString *s;

	if (v.tag == VALUE_ABSENT || v.tag == VALUE_NULL)
		return STR("");
	s = g_string_new(NULL);
	value_to_json(v, w->arena, s);
	return text_take(w, s);
}

/* ---- run ---- */

void command_order(struct world *w, const struct command *cmd, struct order *o,
    struct value params)
{
	struct verdict v = { 0 };
	struct err err = { 0 };
	GString *json;

	if (!order_check(w, o, params, &err)) {
		answer_error(w, cmd, 422, "%s", err.msg);
		return;
	}
	if (!order_admit(w, o, false, &v)) {
		answer_error(w, cmd, 409, "pipeline '%.*s': %.*s (on_limit: %s)",
		    STR_ARG(o->pipeline->name), STR_ARG(v.numbers),
		    o->pipeline->on_limit == LIMIT_SKIP ? "skip" : "queue");
		return;
	}
	json = answer_begin("run", v.run_id);
	answer_ok(w, cmd, json);
}

void command_no_pipeline(struct world *w, const struct command *cmd, struct str name)
{
	struct str *names = ARENA_ARRAY(w->arena, struct str, w->rules->pipelines_n);
	struct str near;

	for (uint32_t i = 0; i < w->rules->pipelines_n; i++)
		names[i] = w->rules->pipelines[i]->name;
	near = nearest_word(name, names, w->rules->pipelines_n);
	answer_error(w, cmd, 404, near.len ? "no pipeline '%.*s', did you mean '%.*s'?" :
	    "no pipeline '%.*s'%.*s", STR_ARG(name), STR_ARG(near));
}

static void on_run(struct world *w, const struct command *cmd)
{
	struct order o = { .pipeline = ruleset_pipeline(w->rules, cmd->target),
		.key = cmd->key, .actor = cmd->actor, .force = cmd->force };
	struct value params;

	if (!o.pipeline)
		command_no_pipeline(w, cmd, cmd->target);
	else if (command_params(w, cmd, &params))
		command_order(w, cmd, &o, params);
}

/* ---- abort ---- */

static void abort_run(struct world *w, const struct command *cmd, struct run *r)
{
	struct str by = cmd->actor.len ? cmd->actor : STR("a person");

	if (!r->c->abort_requested)
		run_touch(w, r)->abort_requested = 1;
	if (cmd->reason.len)
		run_stop(w, r, END_ABORT, "aborted by %.*s: %.*s", STR_ARG(by),
		    STR_ARG(cmd->reason));
	else
		run_stop(w, r, END_ABORT, "aborted by %.*s", STR_ARG(by));
	run_advance(w, r);
}

static void on_abort(struct world *w, const struct command *cmd)
{
	struct run *r;
	GString *json;
	uint32_t n = 0;

	if (cmd->all) {
		for (uint32_t i = 0; i < w->runs->len; i++) {
			r = w->runs->pdata[i];
			if (run_is_terminal(r->c->state))
				continue;
			abort_run(w, cmd, r);
			n++;
		}
		json = g_string_new(NULL);
		json_open(json, '{');
		json_key(json, "aborted");
		json_i64(json, n);
		answer_ok(w, cmd, json);
		return;
	}
	r = run_find(w, cmd->target);
	if (!r && run_number(cmd->target) - 1 < w->c->last_run) {
		answer_error(w, cmd, 409, "run '%.*s' has ended", STR_ARG(cmd->target));
		return;
	}
	if (!r) {
		answer_error(w, cmd, 404, "no run '%.*s'", STR_ARG(cmd->target));
		return;
	}
	abort_run(w, cmd, r);
	json = answer_begin("run", r->b.name);
	json_key(json, "state");
	json_cstr(json, run_state_name(r->c->state));
	answer_ok(w, cmd, json);
}

/* ---- pause, promote, trigger ---- */

static void set_paused(struct world *w, const struct command *cmd, bool paused)
{
	struct err err = { 0 };
	GString *json;

	if (cmd->target.len == 0) {
		((struct world_cell *)cells_touch(w->cells, w->cell))->paused = paused;
	} else if (!decide_pause(w->decide, cmd->target, paused, &err)) {
		answer_error(
		    w, cmd, err.code == ERR_NOT_FOUND ? 404 : 409, "%s", err.msg);
		return;
	}
	json = g_string_new(NULL);
	json_open(json, '{');
	json_key(json, "paused");
	json_bool(json, paused);
	answer_ok(w, cmd, json);
}

static void on_pause(struct world *w, const struct command *cmd)
{
	set_paused(w, cmd, true);
}

static void on_resume(struct world *w, const struct command *cmd)
{
	set_paused(w, cmd, false);
}

/* False: answered already, why not. */
static bool may_promote(struct world *w, const struct command *cmd,
    const struct model_new *m, const struct model_fact *candidate)
{
	struct model_fact champion = facts_champion(decide_facts(w->decide), m->model);
	const struct run *holder = model_holder(w, m->model, NULL);
	bool known = m->run.len || m->metrics.len ||
	    str_is(candidate->version, m->version);

	if (m->model.len == 0 || m->version.len == 0)
		answer_error(w, cmd, 422, "promote needs a model and a version");
	else if (str_is(champion.version, m->version))
		answer_error(w, cmd, 409,
		    "version '%.*s' is the champion of '%.*s' already",
		    STR_ARG(m->version), STR_ARG(m->model));
	else if (holder)
		answer_error(w, cmd, 409,
		    "run '%.*s' is deploying '%.*s': wait for its end",
		    STR_ARG(holder->b.name), STR_ARG(m->model));
	else if (!known)
		answer_error(w, cmd, 404, "model '%.*s' has no candidate '%.*s'",
		    STR_ARG(m->model), STR_ARG(m->version));
	else
		return true;
	return false;
}

static void on_promote(struct world *w, const struct command *cmd)
{
	struct facts *facts = decide_facts(w->decide);
	struct model_fact candidate = facts_candidate(facts, cmd->target);
	struct model_new m = { .model = cmd->target, .depth = 1 };
	struct str why;
	struct value given;
	GString *json;

	if (!command_params(w, cmd, &given))
		return;
	m.version = map_text(w, given, "version");
	m.run = map_text(w, given, "run");
	m.metrics = map_json(w, given, "metrics");
	m.baseline = map_json(w, given, "baseline");
	if (!may_promote(w, cmd, &m, &candidate))
		return;
	if (str_is(candidate.version, m.version)) {
		m.run = m.run.len ? m.run : arena_str(w->arena, candidate.run);
		m.metrics = m.metrics.len ? m.metrics :
		    arena_str(w->arena, candidate.metrics);
		m.baseline = m.baseline.len ? m.baseline :
		    arena_str(w->arena, candidate.baseline);
	}
	if (!baseline_default(w, &m, &why)) {
		answer_error(w, cmd, 422, "%.*s", STR_ARG(why));
		return;
	}
	json = answer_begin("model", m.model);
	json_key(json, "version");
	json_str(json, m.version);
	model_promote(w, &m);
	answer_ok(w, cmd, json);
}

void command_trigger(struct world *w, const struct command *cmd, uint32_t from)
{
	const struct decided *d = &w->fx->decided;
	const struct decision_row *row;
	GString *json;

	if (d->decisions_n == from) {
		answer_error(
		    w, cmd, 409, "rule '%.*s' decided nothing", STR_ARG(cmd->target));
		return;
	}
	row = &d->decisions[d->decisions_n - 1];
	if (row->outcome == OUTCOME_SUPPRESSED || row->outcome == OUTCOME_ERROR) {
		answer_error(w, cmd, row->outcome == OUTCOME_ERROR ? 422 : 409, "%.*s",
		    STR_ARG(row->reason));
		return;
	}
	json = answer_begin("outcome", str_of(outcome_name(row->outcome)));
	json_key(json, "decision");
	json_i64(json, (int64_t)row->id);
	if (row->run_id.len) {
		json_key(json, "run");
		json_str(json, row->run_id);
	}
	answer_ok(w, cmd, json);
}

/* Decide answers a trigger (or a backfill) in its turn: world.c calls
 * command_trigger() then. */
static void on_trigger(struct world *w, const struct command *cmd)
{
	(void)w;
	(void)cmd;
}

static const struct {
	const char *name;
	void (*apply)(struct world *, const struct command *);
} commands[COMMAND_MAX] = {
	[COMMAND_TRIGGER] = { "trigger", on_trigger },
	[COMMAND_RUN]	  = { "run", on_run },
	[COMMAND_ABORT]	  = { "abort", on_abort },
	[COMMAND_RETRY]	  = { "retry", command_retry },
	[COMMAND_PAUSE]	  = { "pause", on_pause },
	[COMMAND_RESUME]  = { "resume", on_resume },
	[COMMAND_PROMOTE] = { "promote", on_promote },
	[COMMAND_SETTLE]  = { "settle", command_settle },
	[COMMAND_SILENCE] = { "silence", command_silence },
	[COMMAND_UNSILENCE] = { "unsilence", command_unsilence },
	[COMMAND_BACKFILL] = { "backfill", on_trigger },
};

void command_apply(struct world *w, const struct command *cmd)
{
	CHECK(cmd->kind > 0 && cmd->kind < COMMAND_MAX);
	commands[cmd->kind].apply(w, cmd);
}

const char *command_name(enum command_kind kind)
{
	return kind > 0 && kind < COMMAND_MAX ? commands[kind].name : "";
}
