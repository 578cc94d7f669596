/* The end of a run: last success, promote and the terminal state are one step.
 *
 * Invariants
 *   (1) run_finish() is called when every step is terminal, and nothing of the run is
 *       at work then.
 *   (2) A run that was asked to abort but did all its work is completed.
 *   (3) A promote waits while another run of the model is at work after its gate; the
 *       run stays running with waits_promote set until finish_waiting().
 */
#include "base/json.h"
#include "flow/budget.h"
#include "flow/engine.h"

/* The newest run is the last one, whatever older ones do; but an older one that now
 * completes is a success. */
void run_set_fact(struct world *w, struct run *r)
{
	struct facts *facts = decide_facts(w->decide);
	struct run_fact last = facts_last_run(facts, r->b.pipeline, r->b.key);
	bool older = last.run > r->c->id;
	const struct run_fact f = {
		.run = r->c->id, .id = r->b.name,
		.state = str_of(run_state_name(r->c->state)),
		.outcome = str_of(run_outcome_name(r->c->outcome)), .params = r->b.params,
		.created_ms = r->c->created_ms, .finished_ms = r->c->finished_ms,
	};

	if (older && r->c->state != RUN_COMPLETED)
		return;
	last.id = arena_str(w->arena, last.id);	/* borrowed until the fact changes */
	last.state = arena_str(w->arena, last.state);
	last.outcome = arena_str(w->arena, last.outcome);
	last.params = arena_str(w->arena, last.params);
	facts_set_run(facts, r->b.pipeline, r->b.key, &f);
	if (older)
		facts_set_run(facts, r->b.pipeline, r->b.key, &last);
}

static void tell_decide(struct world *w, const struct run *r)
{
	const struct run_end e = {
	    .run = r->c->id,
	    .rule_id = r->b.rule_id,
	    .pipeline = r->b.pipeline,
	    .key = r->b.key,
	    .episode = r->b.episode,
	    .completed = r->c->state == RUN_COMPLETED,
	    .promoted = r->c->outcome == RUN_PROMOTED,
	    .rejected = r->c->outcome == RUN_REJECTED,
	    .failed = r->c->state == RUN_FAILED,
	    .aborted = r->c->state == RUN_ABORTED,
	};

	decide_run_ended(w->decide, &e, w->tick);
}

static void run_end(struct world *w, struct run *r, enum run_event ev,
    enum run_outcome outcome)
{
	struct run_cell *c;

	run_change(w, r, ev);
	c = run_touch(w, r);
	c->outcome = (uint8_t)outcome;
	c->finished_ms = w->wall;
	c->waits_promote = 0;
	c->pending_until = c->timeout_at = NEVER;
	run_set_fact(w, r);
	event_run(w, r, run_state_name(c->state));
	tell_decide(w, r);
	budget_settle(w, r);
	w->promote_again = true;
	g_ptr_array_add(w->freed, g_strndup(r->b.pipeline.p, r->b.pipeline.len));
	run_due_update(w, r);
}

static void run_end_failed(struct world *w, struct run *r, struct str why)
{
	run_reason(w, r, why);
	run_end(w, r, RUN_EV_FAIL, RUN_NO_OUTCOME);
}

/* Nothing was left undone: no step aborted, stopped, or failed where it must not. */
static bool all_done(const struct run *r)
{
	for (uint32_t i = 0; i < r->c->steps_n; i++) {
		const struct step_cell *s = r->steps[i].c;

		if (s->state == STEP_ABORTED || s->stopped)
			return false;
		if (s->state == STEP_FAILED && (!r->pipeline ||
		    r->pipeline->steps[i].on_failure != FAILURE_CONTINUE))
			return false;
	}
	return true;
}

static struct str as_json(struct world *w, struct value v)
{
	GString *s;

	if (v.tag == VALUE_ABSENT || v.tag == VALUE_NULL)
		return STR("");
	s = g_string_new(NULL);
	value_to_json(v, w->arena, s);
	return text_take(w, s);
}

/* Metrics of the last step that has any: for pipelines that say nothing else. */
static struct str last_metrics(struct world *w, const struct run *r)
{
	for (uint32_t i = r->c->steps_n; i-- > 0;)
		if (r->steps[i].c->metrics)
			return blob_get(w->cells, r->steps[i].c->metrics, w->arena);
	return STR("");
}

static struct model_new model_plain(struct world *w, const struct run *r)
{
	return (struct model_new){ .model = r->b.model, .version = r->b.name,
		.run = r->b.name, .metrics = last_metrics(w, r), .depth = r->b.depth };
}

/* promote: {version, metrics, baseline} of the run's pipeline. */
static bool model_eval(struct world *w, const struct run *r, struct model_new *m,
    struct str *why)
{
	struct value vars[PVAR_MAX], v, version;
	struct eval ev;

	*m = model_plain(w, r);
	if (!r->pipeline->promotes)
		return baseline_default(w, m, why);
	vars_run(w, r, vars);
	vars_eval(w, vars, &ev);
	v = tmpl_eval(&r->pipeline->promote, &ev);
	if (v.tag != VALUE_MAP) {
		struct str text = v.tag == VALUE_ERROR ? vars_error(w, NULL, v) :
		    STR("expected a map");

		*why = arena_printf(w->arena, "promote: %.*s", STR_ARG(text));
		return false;
	}
	version = value_member(v, STR("version"), w->arena);
	if (version.tag == VALUE_STRING && version.len)
		m->version = arena_str(w->arena, value_as_str(version));
	else if (version.tag != VALUE_ABSENT)
		m->version = as_json(w, version);
	m->baseline = as_json(w, value_member(v, STR("baseline"), w->arena));
	v = value_member(v, STR("metrics"), w->arena);
	if (v.tag != VALUE_ABSENT)
		m->metrics = as_json(w, v);
	if (baseline_default(w, m, why))
		return true;
	*why = arena_printf(w->arena, "promote: %.*s", STR_ARG(*why));
	return false;
}

/* A version is what a pipeline of the model made; a rule's own model: only says whose
 * champion its condition looks at. */
static bool registers(const struct run *r)
{
	return r->b.model.len && r->pipeline->model;
}

static void finish_rejected(struct world *w, struct run *r)
{
	struct model_new m = model_plain(w, r);
	struct str why = STR("a gate said no");

	for (uint32_t i = 0; i < r->c->steps_n; i++)
		if (r->steps[i].c->said_no)
			why = arena_printf(w->arena, "gate %.*s said no",
			    STR_ARG(r->b.steps[i]));
	run_reason(w, r, why);
	run_end(w, r, RUN_EV_SUCCEED, RUN_REJECTED);
	baseline_default(w, &m, &why);	/* its own steps' metrics: checked already */
	if (registers(r))
		model_register(w, &m);
}

static void finish_promoted(struct world *w, struct run *r)
{
	const struct run *holder = model_holder(w, r->b.model, r);
	struct model_new m;
	struct str why;

	if (holder) {
		why = arena_printf(w->arena,
		    "waiting to promote: %.*s is between its gate "
		    "and its end",
		    STR_ARG(holder->b.name));
		run_touch(w, r)->waits_promote = 1;
		run_reason(w, r, why);
		return;
	}
	if (!run_champion_same(w, r)) {
		run_end_failed(w, r, STR("champion changed since the gate"));
		return;
	}
	if (!model_eval(w, r, &m, &why)) {
		run_end_failed(w, r, why);
		return;
	}
	run_reason(w, r, STR(""));
	model_promote(w, &m);
	run_end(w, r, RUN_EV_SUCCEED, RUN_PROMOTED);
}

static void finish_done(struct world *w, struct run *r)
{
	struct model_new m;
	struct str why;

	if (r->c->rejected) {
		finish_rejected(w, r);
	} else if (r->pipeline->promotes && r->b.model.len) {
		finish_promoted(w, r);
	} else {
		run_reason(w, r, STR(""));
		m = model_plain(w, r);
		baseline_default(w, &m, &why);
		run_end(w, r, RUN_EV_SUCCEED, RUN_NONE);
		if (registers(r))
			model_register(w, &m);
	}
}

void run_settle(struct world *w, struct run *r, enum run_state state,
    enum run_outcome outcome, const struct model_new *given, struct str reason)
{
	static const enum run_event ends[RUN_STATE_MAX] = {
		[RUN_COMPLETED] = RUN_EV_SUCCEED,
		[RUN_ABORTED] = RUN_EV_ABORT,
		[RUN_FAILED] = RUN_EV_FAIL,
	};
	struct model_new m = model_plain(w, r);

	if (given->version.len)
		m.version = given->version;
	if (given->metrics.len)
		m.metrics = given->metrics;
	m.baseline = given->baseline;
	run_touch(w, r)->ending = END_NONE;
	run_reason(w, r, reason);
	if (outcome == RUN_PROMOTED && m.model.len)
		model_promote(w, &m);
	run_end(w, r, ends[state], outcome);
	if (outcome == RUN_REJECTED && registers(r))
		model_register(w, &m);
}

void run_finish(struct world *w, struct run *r)
{
	bool started = r->c->state == RUN_RUNNING;

	if (r->c->ending == END_FAIL)
		run_end(w, r, RUN_EV_FAIL, RUN_NO_OUTCOME);
	else if (r->c->ending == END_NONE ||
	    (started && !r->c->waits_promote && r->pipeline && all_done(r)))
		finish_done(w, r);
	else
		run_end(w, r, RUN_EV_ABORT, RUN_NO_OUTCOME);
}

void finish_waiting(struct world *w)
{
	w->promote_again = false;
	for (uint32_t i = 0; i < w->runs->len; i++) {
		struct run *r = w->runs->pdata[i];

		if (r->c->waits_promote && r->c->state == RUN_RUNNING)
			run_advance(w, r);
	}
}
