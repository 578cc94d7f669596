/* Which step is next.
 *
 * Invariants
 *   (1) A step starts when everything it needs is done: completed, or failed where it
 *       says on_failure: continue.  What needs a skipped step, or a gate that said no,
 *       is skipped.
 *   (2) Once run.ending is set no step starts: waiting ones are skipped, working ones
 *       aborted, and the run ends when the last of them has.
 *   (3) After a gate that read the champion no step starts once the champion is
 *       another one.
 *   (4) Steps are sorted topologically, so one pass forward starts all that can.
 *
 * run_change() and step_change() are the only callers of the transition tables.
 */
#include <stdarg.h>

#include "base/option.h"
#include "flow/engine.h"

void run_change(struct world *w, struct run *r, enum run_event ev)
{
	struct run_cell *c = run_touch(w, r);
	enum run_state state = c->state;
	struct err err;

	CHECK(run_step(&state, ev, &err));
	c->state = (uint8_t)state;
}

void run_reason(struct world *w, struct run *r, struct str reason)
{
	blob_set(w->cells, &run_touch(w, r)->reason, reason);
}

void step_change(struct world *w, struct run *r, uint32_t i, enum step_event ev,
    struct str reason)
{
	struct step_cell *s = step_touch(w, r, i);
	enum step_state state = s->state;
	struct err err;

	CHECK(step_step(&state, ev, &err));
	s->state = (uint8_t)state;
	blob_set(w->cells, &s->reason, reason);
	if (state == STEP_RUNNING) {
		s->started_ms = w->wall;
		event_step(w, r, i, "started");
		return;
	}
	s->finished_ms = w->wall;
	s->phase = PHASE_NONE;
	s->due_at = s->timeout_at = NEVER;
	s->unverified = 0;
	event_step(w, r, i, step_state_name(state));
}

void run_stop(struct world *w, struct run *r, enum ending ending, const char *fmt, ...)
{
	struct run_cell *c;
	char *z;
	va_list ap;

	if (r->c->ending || run_is_terminal(r->c->state))
		return;
	va_start(ap, fmt);
	z = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	c = run_touch(w, r);
	c->ending = (uint8_t)ending;
	run_reason(w, r, str_of(z));
	g_free(z);
}

enum needs { NEEDS_WAIT, NEEDS_MET, NEEDS_SKIP };

static enum needs step_needs(const struct run *r, uint32_t i, uint32_t *because)
{
	const struct step_spec *spec = &r->pipeline->steps[i];
	enum needs all = NEEDS_MET;

	for (uint32_t k = 0; k < spec->needs_n; k++) {
		uint32_t n = spec->needs[k];
		const struct step_cell *s = r->steps[n].c;
		bool done = s->state == STEP_COMPLETED || (s->state == STEP_FAILED &&
		    r->pipeline->steps[n].on_failure == FAILURE_CONTINUE);

		if (!step_is_terminal(s->state)) {
			all = NEEDS_WAIT;
		} else if (!done || s->said_no) {
			*because = n;
			return NEEDS_SKIP;
		}
	}
	return all;
}

bool run_champion_same(struct world *w, const struct run *r)
{
	struct str was = blob_get(w->cells, r->c->gate_version, w->arena);

	return !r->c->gated || str_is(was, model_stamp(w, r->b.model));
}

static bool reads_champion(const struct prog *prog)
{
	const struct expr_ref *refs;
	uint32_t n = expr_inputs(prog, &refs);

	for (uint32_t i = 0; i < n; i++)
		if (refs[i].space == EXPR_VAR && refs[i].input == PVAR_CHAMPION)
			return true;
	return false;
}

/* True, false, or an error text in *why. */
static bool ask(struct world *w, const struct run *r, const struct prog *prog,
    const char *what, struct str *why)
{
	struct value vars[PVAR_MAX], v;
	struct eval ev;
	struct str text;

	vars_run(w, r, vars);
	vars_eval(w, vars, &ev);
	v = expr_eval(prog, &ev);
	*why = STR("");
	if (v.tag == VALUE_BOOL)
		return v.i != 0;
	if (v.tag == VALUE_ERROR) {
		text = vars_error(w, prog, v);
		*why = arena_printf(w->arena, "%s: %.*s", what, STR_ARG(text));
	} else {
		*why = arena_printf(w->arena, "%s: expected true or false, got %s", what,
		    value_type_name(v));
	}
	return false;
}

static bool is_plain(const struct trace_row *row)
{
	uint8_t tag = row->value.tag;

	return !row->skipped && tag != VALUE_MAP && tag != VALUE_LIST &&
	    tag != VALUE_HOST;
}

/* A plain value with none inside it: `a.b` of `a.b + 1`, but not the map `a`. */
static bool is_leaf(const struct trace *t, uint32_t i)
{
	const struct trace_row *row = &t->v[i];

	for (uint32_t k = 0; k < t->n; k++)
		if (k != i && is_plain(&t->v[k]) && t->v[k].off >= row->off &&
		    t->v[k].off + t->v[k].len <= row->off + row->len)
			return false;
	return is_plain(row);
}

/* "said no: a >= b (a = 0.90, b = 0.91)": what a person asks first. */
static struct str gate_said_no(struct world *w, const struct run *r,
    const struct prog *gate)
{
	struct str text = expr_text(gate);
	GString *s = g_string_new(NULL);
	struct value vars[PVAR_MAX];
	struct trace trace = { 0 };
	const char *sep = " (";
	struct eval ev;

	vars_run(w, r, vars);
	vars_eval(w, vars, &ev);
	ev.trace = &trace;
	expr_eval(gate, &ev);
	g_string_append_printf(s, "said no: %.*s", STR_ARG(text));
	for (uint32_t i = 0; i < trace.n; i++) {
		const struct trace_row *row = &trace.v[i];

		if (row->depth == 0 || !is_leaf(&trace, i))
			continue;
		g_string_append_printf(s, "%s%.*s = ", sep, (int)row->len,
		    text.p + row->off);
		value_print(row->value, s);
		sep = ", ";
	}
	if (sep[0] == ',')
		g_string_append_c(s, ')');
	return text_take(w, s);
}

static void step_fail(struct world *w, struct run *r, uint32_t i, struct str why)
{
	step_change(w, r, i, STEP_EV_FAIL, why);
	run_stop(w, r, END_FAIL, "step %.*s: %.*s", STR_ARG(r->b.steps[i]), STR_ARG(why));
}

/* A gate is decided here and now.  One that cannot be evaluated fails the run, also
 * where it says on_failure: continue: nothing may pass it. */
static void gate_decide(struct world *w, struct run *r, uint32_t i)
{
	const struct prog *gate = r->pipeline->steps[i].gate;
	struct str why, stamp;
	bool yes = ask(w, r, gate, "gate", &why);

	step_change(w, r, i, STEP_EV_START, STR(""));
	if (why.len) {
		step_fail(w, r, i, why);
		return;
	}
	if (r->b.model.len && !r->c->gated && reads_champion(gate)) {
		stamp = model_stamp(w, r->b.model);
		run_touch(w, r)->gated = 1;
		blob_set(w->cells, &run_touch(w, r)->gate_version, stamp);
	}
	blob_set(w->cells, &step_touch(w, r, i)->outputs,
	    yes ? STR("{\"passed\":true}") : STR("{\"passed\":false}"));
	if (!yes) {
		step_touch(w, r, i)->said_no = 1;
		run_touch(w, r)->rejected = 1;
		why = gate_said_no(w, r, gate);
	}
	step_change(w, r, i, STEP_EV_SUCCEED, why);
}

/* Everything that it needs is done. */
static void step_begin(struct world *w, struct run *r, uint32_t i)
{
	const struct step_spec *spec = &r->pipeline->steps[i];
	struct str why = STR("");
	bool yes = true;

	if (spec->cond)
		yes = ask(w, r, spec->cond, "if", &why);
	if (why.len) {
		step_fail(w, r, i, why);
	} else if (!yes) {
		step_change(w, r, i, STEP_EV_SKIP, STR("its if: is false"));
	} else if (!run_champion_same(w, r)) {
		run_stop(w, r, END_FAIL, "champion changed since the gate: step %.*s "
		    "was not started", STR_ARG(spec->name));
	} else if (spec->kind == STEP_GATE) {
		gate_decide(w, r, i);
	} else {
		attempt_start(w, r, i);
	}
}

static void start_ready(struct world *w, struct run *r)
{
	for (uint32_t i = 0; i < r->c->steps_n && !r->c->ending; i++) {
		uint32_t because = 0;
		struct str why;

		if (r->steps[i].c->state != STEP_PENDING)
			continue;
		switch (step_needs(r, i, &because)) {
		case NEEDS_MET:
			step_begin(w, r, i);
			break;
		case NEEDS_SKIP:
			why = arena_printf(w->arena, r->steps[because].c->said_no ?
			    "gate %.*s said no" : "step %.*s was not done",
			    STR_ARG(r->b.steps[because]));
			step_change(w, r, i, STEP_EV_SKIP, why);
			break;
		case NEEDS_WAIT:
			break;
		}
	}
}

/* Invariant (2). */
static void stop_rest(struct world *w, struct run *r)
{
	static const struct attempt_end aborted = {.state = REPORT_ABORTED, .last = true};

	for (uint32_t i = 0; i < r->c->steps_n; i++) {
		const struct step_cell *s = r->steps[i].c;

		if (s->state == STEP_PENDING) {
			step_touch(w, r, i)->stopped = 1;
			step_change(w, r, i, STEP_EV_SKIP, STR("the run was stopped"));
		} else if (s->state == STEP_RUNNING && s->phase == PHASE_BACKOFF) {
			step_change(
			    w, r, i, STEP_EV_ABORT, STR("stopped between attempts"));
		} else if (s->state == STEP_RUNNING && s->phase == PHASE_BUSY) {
			attempt_end(w, r, i, &aborted);
		} else if (s->state == STEP_RUNNING) {
			attempt_abort(w, r, i);
		}
	}
}

static bool all_terminal(const struct run *r)
{
	for (uint32_t i = 0; i < r->c->steps_n; i++)
		if (!step_is_terminal(r->steps[i].c->state))
			return false;
	return true;
}

/* Whatever changed: start what can start, stop what must, end when all has ended. */
void run_advance(struct world *w, struct run *r)
{
	if (run_is_terminal(r->c->state))
		return;
	if (!r->c->ending && r->c->state == RUN_RUNNING && r->pipeline)
		start_ready(w, r);
	if (r->c->ending)
		stop_rest(w, r);
	if (all_terminal(r) && (r->c->state == RUN_RUNNING || r->c->ending))
		run_finish(w, r);
	run_due_update(w, r);
}

void run_start(struct world *w, struct run *r)
{
	struct run_cell *c;

	run_change(w, r, RUN_EV_START);
	c = run_touch(w, r);
	c->started_ms = w->wall;
	c->pending_until = NEVER;
	c->replacing = 0;
	if (r->pipeline->timeout_ms)
		c->timeout_at = w->tick + r->pipeline->timeout_ms;
	run_reason(w, r, STR(""));
	run_set_fact(w, r);
	event_run(w, r, "started");
	run_advance(w, r);
}

static void run_too_long(struct world *w, struct run *r, const char *what, int64_t ms)
{
	GString *d = g_string_new(NULL);

	duration_print(ms, d);
	run_stop(w, r, END_FAIL, "%s %s", what, d->str);
	g_string_free(d, TRUE);
}

void run_due(struct world *w, struct run *r)
{
	const struct run_cell *c = r->c;

	if (c->state == RUN_PENDING && c->pending_until <= w->tick) {
		run_touch(w, r)->pending_until = NEVER;
		run_too_long(w, r, "still pending after",
		    r->pipeline ? r->pipeline->pending_ms : 0);
	}
	if (c->state == RUN_RUNNING && c->timeout_at <= w->tick &&
	    !run_is_unverified(r)) {
		run_touch(w, r)->timeout_at = NEVER;
		run_too_long(w, r, "timeout after",
		    r->pipeline ? r->pipeline->timeout_ms : 0);
	}
	for (uint32_t i = 0; i < c->steps_n; i++)
		if (r->steps[i].c->state == STEP_RUNNING)
			attempt_due(w, r, i);
	run_advance(w, r);
}

bool run_holds_model(const struct run *r)
{
	for (uint32_t i = 0; i < r->c->steps_n; i++)
		if (r->steps[i].c->state == STEP_RUNNING && r->steps[i].c->after_gate)
			return true;
	return false;
}
