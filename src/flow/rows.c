/* What an input leaves for others: rows for readers, operations for executors and
 * our own CloudEvents for the outbox.  Everything is copied into the effects' arena,
 * because a run may be gone before the effects are stored.
 *
 * A row is the whole row, written once at the end of an input that changed it.  An
 * event stands at the moment of its change, so events keep the order of what happened. */
#include <inttypes.h>

#include "base/codec.h"
#include "base/json.h"
#include "base/time.h"
#include "flow/engine.h"

#define GROW(fx, what) \
	((fx)->what = arena_grow((fx)->arena, (fx)->what, (fx)->what##_n, \
	    &(fx)->what##_cap, sizeof(*(fx)->what)), \
	    &(fx)->what[(fx)->what##_n++])

void effects_init(struct effects *fx, struct arena *arena)
{
	*fx = (struct effects){ .arena = arena };
}

struct str text_take(struct world *w, GString *s)
{
	struct str r = arena_str(w->arena, (struct str){ s->str, (uint32_t)s->len });

	g_string_free(s, TRUE);
	return r;
}

static struct str keep(struct world *w, struct str s)
{
	return s.len ? arena_str(w->fx->arena, s) : STR("");
}

static struct str blob(struct world *w, uint32_t id)
{
	return blob_get(w->cells, id, w->fx->arena);
}

void row_run(struct world *w, const struct run *r)
{
	const struct run_cell *c = r->c;
	struct run_row *row = GROW(w->fx, runs);

	*row = (struct run_row){
		.id = c->id, .decision = r->b.decision, .seq = c->seq,
		.name = keep(w, r->b.name), .pipeline = keep(w, r->b.pipeline),
		.rule = keep(w, r->b.rule), .key = keep(w, r->b.key),
		.model = keep(w, r->b.model), .state = c->state, .outcome = c->outcome,
		.reason = blob(w, c->reason), .params = keep(w, r->b.params),
		.events = keep(w, r->b.events), .trigger = vars_trigger_json(w, r),
		.code = c->code ? blob(w, c->code) : keep(w, r->b.code), .actor = keep(w,
		    r->b.actor),
		.environment = blob(w, c->environment),
		.abort_requested = c->abort_requested, .unverified = run_is_unverified(r),
		.created_ms = c->created_ms, .started_ms = c->started_ms,
		.finished_ms = c->finished_ms, .retry_of = r->b.retry_of,
	};
	memcpy(row->pipeline_hash, r->b.pipeline_hash.p, sizeof(row->pipeline_hash));
	memcpy(row->ruleset_hash, r->b.ruleset_hash.p, sizeof(row->ruleset_hash));
}

void row_step(struct world *w, const struct run *r, uint32_t i)
{
	const struct step_cell *s = r->steps[i].c;

	*GROW(w->fx, steps) = (struct step_row){
		.run = r->c->id, .index = i, .name = keep(w, r->b.steps[i]),
		.state = s->state, .reason = blob(w, s->reason),
		.outputs = blob(w, s->outputs), .metrics = blob(w, s->metrics),
		.artifacts = blob(w, s->artifacts), .attempts = s->attempt,
		.started_ms = s->started_ms, .finished_ms = s->finished_ms,
	};
}

void row_attempt(struct world *w, const struct run *r, uint32_t i, enum step_state state)
{
	const struct step_cell *s = r->steps[i].c;

	*GROW(w->fx, attempts) = (struct attempt_row){
	    .run = r->c->id,
	    .step = i,
	    .attempt = s->attempt,
	    .key = keep(w, str_of(s->key)),
	    .executor = keep(w, r->b.executors[i]),
	    .native_id = blob(w, s->native_id),
	    .native_state = blob(w, s->native_state),
	    .reason = blob(w, s->reason),
	    .state = state,
	    .exit_code = s->exit_code,
	    .started_ms = s->from_ms,
	    .finished_ms = s->to_ms,
	};
}

void row_model(
    struct world *w, struct str stage, const struct model_new *m, int64_t since)
{
	*GROW(w->fx, models) = (struct model_row){
		.model = keep(w, m->model), .version = keep(w, m->version),
		.run = keep(w, m->run), .stage = stage, .metrics = keep(w, m->metrics),
		.baseline = keep(w, m->baseline), .since_ms = since,
	};
}

void row_pipeline(struct world *w, const struct pipeline *p, bool dropped)
{
	struct pipeline_row *row = GROW(w->fx, pipelines);

	*row = (struct pipeline_row){ .dropped = dropped };
	memcpy(row->hash, p->hash, sizeof(row->hash));
	if (!dropped)
		row->text = keep(w, p->text);
}

void row_forget(struct world *w, const char *key)
{
	*GROW(w->fx, forget) = keep(w, str_of(key));
}

static struct str get_arg(struct world *w, struct reader *r)
{
	return keep(w, get_str(r));
}

/* START's texts were evaluated once; they wait in the step's cell. */
static void op_start_args(struct world *w, const struct step_cell *s, struct exec_op *op)
{
	struct reader r = reader_of(blob(w, s->start));

	op->argv = get_arg(w, &r);
	op->with = get_arg(w, &r);
	op->env = get_arg(w, &r);
	op->input = get_arg(w, &r);
	op->dir = get_arg(w, &r);
	op->timeout_ms = get_i64(&r);
	CHECK(reader_done(&r));
}

void row_op(struct world *w, const struct run *r, uint32_t i, enum exec_op_kind kind)
{
	const struct step_cell *s = r->steps[i].c;
	struct exec_op *op = GROW(w->fx, ops);

	*op = (struct exec_op){
	    .kind = kind,
	    .key = keep(w, str_of(s->key)),
	    .executor = keep(w, r->b.executors[i]),
	    .native_id = blob(w, s->native_id),
	    .run_id = keep(w, r->b.name),
	    .step = keep(w, r->b.steps[i]),
	    .pipeline = keep(w, r->b.pipeline),
	    .attempt = s->attempt,
	};
	if (kind == EXEC_START)
		op_start_args(w, s, op);
	if (kind == EXEC_ABORT)
		op->reason = blob(w, s->timed_out ? s->reason : r->c->reason);
}

/* ---- CloudEvents ---- */

static void member(GString *s, const char *key, struct str v)
{
	json_key(s, key);
	json_str(s, v);
}

static void member_json(GString *s, const char *key, struct str json)
{
	json_key(s, key);
	json_raw(s, json);
}

static void member_time(GString *s, const char *key, int64_t ms)
{
	json_key(s, key);
	json_time(s, ms ? ms : TIME_NONE);
}

static void event_add(
    struct world *w, const char *type, struct str subject, uint8_t depth, GString *data)
{
	struct world_cell *c = cells_touch(w->cells, w->cell);
	struct outbox_row *row = GROW(w->fx, outbox);
	GString *s = g_string_new(NULL), *t = g_string_new(NULL);

	row->id = ++c->last_outbox;
	row->type = keep(w, str_of(type));
	row->subject = keep(w, subject);
	row->depth = depth;
	json_open(s, '{');
	member(s, "specversion", STR("1.0"));
	g_string_printf(t, "%s-%" PRIu64, w->instance->str, row->id);
	member(s, "id", (struct str){ t->str, (uint32_t)t->len });
	g_string_printf(t, "/retraind/%s", w->instance->str);
	member(s, "source", (struct str){ t->str, (uint32_t)t->len });
	member(s, "type", row->type);
	member(s, "subject", row->subject);
	member_time(s, "time", w->wall);
	json_key(s, "retraindepth");
	json_i64(s, depth);
	member(s, "datacontenttype", STR("application/json"));
	member_json(s, "data", (struct str){ data->str, (uint32_t)data->len });
	json_close(s, '}');
	row->json = text_take(w, s);
	g_string_free(t, TRUE);
	g_string_free(data, TRUE);
}

/* {step: outputs} of the steps that have any. */
static void member_results(struct world *w, GString *s, const char *key,
    const struct run *r, bool metrics)
{
	json_key(s, key);
	json_open(s, '{');
	for (uint32_t i = 0; i < r->c->steps_n; i++) {
		const struct step_cell *c = r->steps[i].c;
		uint32_t id = metrics ? c->metrics : c->outputs;

		if (!id)
			continue;
		json_key_str(s, r->b.steps[i]);
		json_raw(s, blob(w, id));
	}
	json_close(s, '}');
}

static GString *data_run(const struct run *r)
{
	GString *s = g_string_new(NULL);

	json_open(s, '{');
	member(s, "run", r->b.name);
	member(s, "pipeline", r->b.pipeline);
	member(s, "rule", r->b.rule);
	member(s, "model", r->b.model);
	member(s, "key", r->b.key);
	return s;
}

void event_run(struct world *w, const struct run *r, const char *what)
{
	const struct run_cell *c = r->c;
	struct str type = arena_printf(w->fx->arena, "retraind.run.%s", what);
	GString *s = data_run(r);

	member(s, "state", str_of(run_state_name(c->state)));
	member(s, "outcome", str_of(run_outcome_name(c->outcome)));
	member(s, "reason", blob(w, c->reason));
	json_key(s, "decision");
	json_i64(s, (int64_t)r->b.decision);
	member_json(s, "params", r->b.params);
	member_time(s, "created", c->created_ms);
	member_time(s, "started", c->started_ms);
	member_time(s, "finished", c->finished_ms);
	if (run_is_terminal(c->state)) {
		member_results(w, s, "outputs", r, false);
		member_results(w, s, "metrics", r, true);
	}
	json_close(s, '}');
	event_add(w, type.p, r->b.name, r->b.depth, s);
}

void event_step(struct world *w, const struct run *r, uint32_t i, const char *what)
{
	const struct step_cell *c = r->steps[i].c;
	struct str type = arena_printf(w->fx->arena, "retraind.step.%s", what);
	GString *s = data_run(r);

	member(s, "step", r->b.steps[i]);
	member(s, "state", str_of(step_state_name(c->state)));
	member(s, "reason", blob(w, c->reason));
	json_key(s, "attempt");
	json_i64(s, c->attempt);
	if (step_is_terminal(c->state)) {
		member_json(s, "outputs", c->outputs ? blob(w, c->outputs) : STR("{}"));
		member_json(s, "metrics", c->metrics ? blob(w, c->metrics) : STR("{}"));
	}
	json_close(s, '}');
	event_add(w, type.p, r->b.name, r->b.depth, s);
}

void event_model(struct world *w, const struct model_new *m, const char *what)
{
	struct str type = arena_printf(w->fx->arena, "retraind.model.%s", what);
	GString *s = g_string_new(NULL);

	json_open(s, '{');
	member(s, "model", m->model);
	member(s, "version", m->version);
	member(s, "run", m->run);
	member_json(s, "metrics", m->metrics.len ? m->metrics : STR("{}"));
	json_close(s, '}');
	event_add(w, type.p, m->model, m->depth, s);
}

void event_decision(struct world *w, const struct decision_row *d, uint8_t depth)
{
	struct str type = arena_printf(w->fx->arena, "retraind.decision.%s",
	    outcome_name(d->outcome));
	GString *s = g_string_new(NULL);

	json_open(s, '{');
	json_key(s, "decision");
	json_i64(s, (int64_t)d->id);
	member(s, "rule", d->rule);
	member(s, "key", d->key);
	member(s, "outcome", str_of(outcome_name(d->outcome)));
	member(s, "suppressor", str_of(d->by ? suppressor_name(d->by) : ""));
	member(s, "reason", d->reason);
	member(s, "run", d->run_id);
	member(s, "event", d->event_id);
	json_close(s, '}');
	event_add(w, type.p, d->rule, depth, s);
}
