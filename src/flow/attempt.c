/* One try of one step: its key, what START carries, its deadlines, its end.
 *
 *	BACKOFF --due--> STARTING --OK, EXISTED--> RUNNING --> (end)
 *	                  |    ^  `--UNCERTAIN--> FINDING --'
 *	                  v    | due
 *	                  BUSY-'
 *
 * Invariants
 *   (1) Everything START needs is evaluated once and kept in the step's cell until
 *       the start is known: a repeat after a restart says the same.
 *   (2) An attempt's key is in world.by_key from attempt_start() to attempt_end();
 *       a report under any other key changes nothing.
 *   (3) Whether an attempt that did not succeed was aborted or failed is decided once,
 *       in ending_event().
 */
#include "base/option.h"
#include "flow/engine.h"

static void attempt_reset(struct world *w, struct run *r, uint32_t i)
{
	int64_t timeout = r->pipeline->steps[i].timeout_ms;
	struct step_cell *s = step_touch(w, r, i);

	s->attempt++;
	s->phase = PHASE_STARTING;
	s->after_gate = r->c->gated;
	s->exit_code = -1;
	s->from_ms = w->wall;
	s->to_ms = 0;
	s->abort_sent = s->timed_out = s->absent = s->unverified = 0;
	s->due_at = NEVER;
	s->timeout_at = timeout ? w->tick + timeout : NEVER;
	blob_set(w->cells, &s->native_id, STR(""));
	blob_set(w->cells, &s->native_state, STR(""));
	blob_set(w->cells, &s->reason, STR(""));
	step_key(r->b.instance, r->b.epoch, r->b.name, r->b.steps[i], s->attempt, s->key);
	r->steps[i].attempt_dirty = true;
}

/* It may end before it began, when its arguments cannot be made. */
void attempt_start(struct world *w, struct run *r, uint32_t i)
{
	struct attempt_end end = { .state = REPORT_FAILED, .last = true };

	if (r->steps[i].c->state == STEP_PENDING)
		step_change(w, r, i, STEP_EV_START, STR(""));
	attempt_reset(w, r, i);
	run_key_add(w, r, i);
	if (start_put(w, r, i, &end.reason))
		row_op(w, r, i, EXEC_START);
	else
		attempt_end(w, r, i, &end);
}

void attempt_abort(struct world *w, struct run *r, uint32_t i)
{
	struct step_cell *s;

	if (r->steps[i].c->abort_sent)
		return;
	s = step_touch(w, r, i);
	s->abort_sent = 1;
	s->due_at = NEVER;
	row_op(w, r, i, EXEC_ABORT);
}

static struct str timeout_reason(struct world *w, const struct run *r, uint32_t i)
{
	GString *s = g_string_new("timeout after ");

	duration_print(r->pipeline ? r->pipeline->steps[i].timeout_ms : 0, s);
	return text_take(w, s);
}

static void attempt_timeout(struct world *w, struct run *r, uint32_t i)
{
	struct step_cell *s = step_touch(w, r, i);
	struct attempt_end end = { .state = REPORT_FAILED };

	s->timeout_at = NEVER;
	s->timed_out = 1;
	end.reason = timeout_reason(w, r, i);
	if (s->phase == PHASE_BUSY) {		/* surely not started: nothing to abort */
		attempt_end(w, r, i, &end);
		return;
	}
	blob_set(w->cells, &s->reason, end.reason);
	attempt_abort(w, r, i);
}

/* What the phase wants at its due time. */
static void attempt_ask(struct world *w, struct run *r, uint32_t i)
{
	struct step_cell *s = step_touch(w, r, i);

	s->due_at = NEVER;
	if (s->phase == PHASE_BACKOFF) {
		attempt_start(w, r, i);
	} else if (s->phase == PHASE_BUSY) {
		s->phase = PHASE_STARTING;
		row_op(w, r, i, EXEC_START);
	} else if (s->abort_sent) {
		row_op(w, r, i, EXEC_ABORT);
	} else {
		row_op(w, r, i, s->phase == PHASE_RUNNING ? EXEC_POLL : EXEC_FIND);
	}
}

void attempt_due(struct world *w, struct run *r, uint32_t i)
{
	const struct step_cell *s = r->steps[i].c;

	if (s->timeout_at <= w->tick && !s->unverified)
		attempt_timeout(w, r, i);
	if (s->state == STEP_RUNNING && s->due_at <= w->tick)
		attempt_ask(w, r, i);
}

/* After a restart nobody knows which operations were carried out: those that the
 * state asks for are given again, each harmless when repeated under its key. */
void attempt_ops(struct world *w, struct run *r, uint32_t i)
{
	const struct step_cell *s = r->steps[i].c;

	if (s->state != STEP_RUNNING || s->phase <= PHASE_BACKOFF ||
	    s->phase == PHASE_BUSY)
		return;
	if (s->abort_sent)
		row_op(w, r, i, EXEC_ABORT);
	else if (s->phase == PHASE_STARTING)
		row_op(w, r, i, EXEC_START);
	else
		row_op(w, r, i, s->phase == PHASE_RUNNING ? EXEC_POLL : EXEC_FIND);
}

/* ---- the end ---- */

/* `what` is "outputs" or "metrics"; these may hold a baseline. */
static bool result_ok(struct world *w, struct str json, const char *what, struct str *why)
{
	struct value v;

	if (json.len == 0)
		return true;
	if (json.len > RESULT_MAX) {
		*why = arena_printf(w->arena, "its %s are larger than 1 MiB", what);
		return false;
	}
	v = value_from_json(json, w->arena);
	if (v.tag != VALUE_MAP) {
		*why = arena_printf(w->arena, "its %s are not a JSON object", what);
		return false;
	}
	if (*what != 'm' ||
	    baseline_ok(w, value_member(v, STR("baseline"), w->arena), why))
		return true;
	*why = arena_printf(w->arena, "its %s: %.*s", what, STR_ARG(*why));
	return false;
}

static struct str end_reason(struct world *w, const struct attempt_end *e)
{
	const struct report *rep = e->report;

	if (e->reason.len || !rep)
		return e->reason;
	if (rep->reason.len)
		return rep->reason;
	if (e->state == REPORT_FAILED && rep->exit_code >= 0)
		return arena_printf(w->arena, "exit %d", rep->exit_code);
	return e->state == REPORT_COMPLETED ? STR("") : rep->native_state;
}

/* Invariant (3). */
static enum step_event ending_event(const struct run *r, const struct step_cell *s,
    enum report_state state)
{
	if (state == REPORT_COMPLETED)
		return STEP_EV_SUCCEED;
	if (r->c->ending && s->abort_sent && !s->timed_out)
		return STEP_EV_ABORT;
	if (r->c->abort_requested)
		return STEP_EV_ABORT;
	if (s->timed_out)
		return STEP_EV_FAIL;
	return state == REPORT_ABORTED ? STEP_EV_ABORT : STEP_EV_FAIL;
}

static enum step_state state_after(enum step_event ev)
{
	return ev == STEP_EV_SUCCEED ? STEP_COMPLETED :
	    ev == STEP_EV_ABORT ? STEP_ABORTED : STEP_FAILED;
}

static void attempt_close(struct world *w, struct run *r, uint32_t i,
    const struct attempt_end *e, struct str reason, enum step_state state)
{
	const struct report *rep = e->report;
	struct step_cell *s = step_touch(w, r, i);

	s->to_ms = rep && rep->finished_ms ? rep->finished_ms : w->wall;
	if (rep && rep->started_ms)
		s->from_ms = rep->started_ms;
	if (rep && e->state != REPORT_ABORTED)
		s->exit_code = rep->exit_code;
	s->unverified = 0;
	blob_set(w->cells, &s->reason, reason);
	blob_set(w->cells, &s->start, STR(""));
	row_attempt(w, r, i, state);
	r->steps[i].attempt_dirty = false;
	row_forget(w, s->key);
	g_hash_table_remove(w->by_key, s->key);
}

static bool attempt_again(struct world *w, struct run *r, uint32_t i)
{
	struct step_cell *s = step_touch(w, r, i);
	const struct step_spec *spec;
	int64_t wait;

	if (r->c->ending || !r->pipeline)
		return false;
	spec = &r->pipeline->steps[i];
	if (s->attempt >= spec->attempts)
		return false;
	wait = spec->backoff_ms;
	for (uint32_t n = 1; n < s->attempt && wait < INT64_MAX / 4; n++)
		wait *= 2;
	if (spec->backoff_max_ms)
		wait = MIN(wait, spec->backoff_max_ms);
	s->phase = PHASE_BACKOFF;
	s->due_at = w->tick + wait;
	s->timeout_at = NEVER;
	return true;
}

static void keep_results(struct world *w, struct run *r, uint32_t i,
    const struct report *rep)
{
	struct step_cell *s = step_touch(w, r, i);
	struct str why;

	if (result_ok(w, rep->outputs, "outputs", &why))
		blob_set(w->cells, &s->outputs, rep->outputs);
	if (result_ok(w, rep->metrics, "metrics", &why))
		blob_set(w->cells, &s->metrics, rep->metrics);
	if (rep->code.len && rep->code.len <= CODE_MAX && !r->c->code)
		blob_set(w->cells, &run_touch(w, r)->code, rep->code);
	if (rep->environment.len && rep->environment.len <= ENVIRONMENT_MAX &&
	    !r->c->environment)
		blob_set(w->cells, &run_touch(w, r)->environment, rep->environment);
	if (rep->artifacts.len <= RESULT_MAX)
		blob_set(w->cells, &s->artifacts, rep->artifacts);
}

/* The step goes with its last attempt, and the run with a step that must not fail. */
static void step_end(struct world *w, struct run *r, uint32_t i, enum step_event ev,
    struct str reason)
{
	bool goes_on = r->pipeline &&
	    r->pipeline->steps[i].on_failure == FAILURE_CONTINUE;

	step_change(w, r, i, ev, reason);
	if (ev == STEP_EV_FAIL && !goes_on)
		run_stop(w, r, END_FAIL, "step %.*s: %.*s", STR_ARG(r->b.steps[i]),
		    STR_ARG(reason));
	if (ev == STEP_EV_ABORT)
		run_stop(w, r, END_ABORT, "step %.*s was aborted by its executor: %.*s",
		    STR_ARG(r->b.steps[i]), STR_ARG(reason));
}

void attempt_end(struct world *w, struct run *r, uint32_t i, const struct attempt_end *e)
{
	struct attempt_end end = *e;
	const struct step_cell *s = r->steps[i].c;
	struct str reason = end_reason(w, e);
	enum step_event ev;

	if (e->state == REPORT_COMPLETED &&
	    !(result_ok(w, e->report->outputs, "outputs", &reason) &&
	    result_ok(w, e->report->metrics, "metrics", &reason)))
		end.state = REPORT_FAILED;
	ev = ending_event(r, s, end.state);
	if (ev == STEP_EV_FAIL && s->timed_out)
		reason = timeout_reason(w, r, i);
	if (ev == STEP_EV_FAIL && reason.len == 0)
		reason = STR("failed without a reason");
	attempt_close(w, r, i, &end, reason, state_after(ev));
	if (e->report)
		keep_results(w, r, i, e->report);
	if (ev == STEP_EV_FAIL && !end.last && attempt_again(w, r, i))
		return;
	step_end(w, r, i, ev, reason);
}
