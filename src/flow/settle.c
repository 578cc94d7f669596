/* A run that ends as it is told, without its steps: what a virtual run does in tests
 * and backtests, where nothing is executed.
 *
 * Invariants
 *   (1) Only the replay floor makes the command; no route and no verb does.
 *   (2) The steps that are at work end as the run does, those that wait are skipped;
 *       gates are not asked.  What follows for facts, models and rules is the same as
 *       for any other run.
 */
#include "flow/engine.h"

struct told {
	enum run_state	 state;
	enum run_outcome outcome;
	struct str	 reason;
};

static bool told_state(struct str s, enum run_state *ret)
{
	*ret = run_state_of(s);
	return run_is_terminal(*ret);
}

static bool told_outcome(struct str s, enum run_outcome *ret)
{
	for (int o = RUN_PROMOTED; o <= RUN_NONE; o++)
		if (str_is(s, str_of(run_outcome_name((enum run_outcome)o)))) {
			*ret = (enum run_outcome)o;
			return true;
		}
	return false;
}

static void settle_step(struct world *w, struct run *r, uint32_t i, const struct told *t)
{
	static const enum report_state ends[RUN_STATE_MAX] = {
		[RUN_COMPLETED] = REPORT_COMPLETED,
		[RUN_ABORTED] = REPORT_ABORTED,
		[RUN_FAILED] = REPORT_FAILED,
	};
	const struct step_cell *s = r->steps[i].c;
	const struct report rep = { .exit_code = -1, .reason = t->reason };
	const struct attempt_end end = { .state = ends[t->state], .last = true,
		.report = &rep, .reason = t->reason };

	if (s->state == STEP_PENDING)
		step_change(w, r, i, STEP_EV_SKIP, STR("not needed for a virtual run"));
	else if (s->state == STEP_RUNNING && s->phase == PHASE_BACKOFF)
		step_change(w, r, i, STEP_EV_ABORT, STR("stopped between attempts"));
	else if (s->state == STEP_RUNNING)
		attempt_end(w, r, i, &end);
}

void command_settle(struct world *w, const struct command *cmd)
{
	struct run *r = run_find(w, cmd->target);
	struct value given;
	struct model_new m = { 0 };
	struct told t = { .outcome = RUN_NO_OUTCOME, .reason = cmd->reason };

	if (!command_params(w, cmd, &given))
		return;
	if (!r || r->c->state != RUN_RUNNING || r->c->ending) {
		answer_error(w, cmd, 409, "run '%.*s' is not running",
		    STR_ARG(cmd->target));
		return;
	}
	if (!told_state(map_text(w, given, "state"), &t.state) ||
	    (t.state == RUN_COMPLETED &&
	    !told_outcome(map_text(w, given, "outcome"), &t.outcome))) {
		answer_error(w, cmd, 422, "expected a final state and an outcome");
		return;
	}
	m.version = map_text(w, given, "version");
	m.metrics = map_json(w, given, "metrics");
	m.baseline = map_json(w, given, "baseline");
	for (uint32_t i = 0; i < r->c->steps_n; i++)
		settle_step(w, r, i, &t);
	run_settle(w, r, t.state, t.outcome, &m, t.reason);
	answer_ok(w, cmd, answer_begin("run", cmd->target));
}
