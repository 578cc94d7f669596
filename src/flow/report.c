/* What executors say of attempts.
 *
 * Invariants
 *   (1) A report changes only the attempt that has its key now, and a repeated one
 *       changes nothing: ended attempts have no key, and an answer to START counts
 *       only while START is what we wait for.
 *   (2) ABSENT counts only when it comes ABSENT_MAX times in a row; then the attempt
 *       is failed(lost), or aborted where an abort was asked for.
 *   (3) An answer of the executor verifies its attempt; that it could not be asked
 *       (BUSY or UNCERTAIN to FIND, POLL, ABORT) does not.
 */
#include "flow/engine.h"

static int64_t again_at(const struct world *w, const struct report *rep)
{
	return w->tick + (rep->again_ms > 0 ? rep->again_ms : AGAIN_MS);
}

static void set_text(struct world *w, struct run *r, uint32_t i, bool native_id,
    struct str text)
{
	const struct step_cell *s = r->steps[i].c;
	uint32_t id = native_id ? s->native_id : s->native_state;
	struct step_cell *to;

	if (text.len == 0 || str_is(blob_get(w->cells, id, w->arena), text))
		return;
	to = step_touch(w, r, i);
	blob_set(w->cells, native_id ? &to->native_id : &to->native_state, text);
	r->steps[i].attempt_dirty = true;
}

/* The job exists: forget what START needed. */
static void started(struct world *w, struct run *r, uint32_t i, const struct report *rep)
{
	struct step_cell *s;

	if (r->steps[i].c->phase != PHASE_RUNNING) {
		s = step_touch(w, r, i);
		s->phase = PHASE_RUNNING;
		s->due_at = NEVER;
		blob_set(w->cells, &s->start, STR(""));
		if (rep->started_ms)
			s->from_ms = rep->started_ms;
		r->steps[i].attempt_dirty = true;
	}
	if (r->steps[i].c->absent)
		step_touch(w, r, i)->absent = 0;
	if (rep->again_ms > 0)
		step_touch(w, r, i)->due_at = w->tick + rep->again_ms;
}

static void absent(struct world *w, struct run *r, uint32_t i, const struct report *rep)
{
	struct step_cell *s = step_touch(w, r, i);
	const struct attempt_end lost = { .state = REPORT_FAILED, .report = rep,
		.reason = STR("lost: its executor does not know it any more") };

	if (++s->absent < ABSENT_MAX)
		s->due_at = again_at(w, rep);
	else
		attempt_end(w, r, i, &lost);
}

static void said_state(
    struct world *w, struct run *r, uint32_t i, const struct report *rep)
{
	const struct attempt_end end = { .state = rep->state, .report = rep };

	switch (rep->state) {
	case REPORT_COMPLETED:
	case REPORT_ABORTED:
	case REPORT_FAILED:
		attempt_end(w, r, i, &end);
		return;
	case REPORT_ABSENT:
		absent(w, r, i, rep);
		return;
	case REPORT_PENDING:
	case REPORT_RUNNING:
		started(w, r, i, rep);
		return;
	default:		/* an answer without a state: START's OK says it exists */
		if (rep->op == EXEC_START)
			started(w, r, i, rep);
		else if (rep->again_ms > 0)
			step_touch(w, r, i)->due_at = w->tick + rep->again_ms;
	}
}

/* START was not done, or perhaps was. */
static void start_refused(struct world *w, struct run *r, uint32_t i,
    const struct report *rep)
{
	struct attempt_end end = { .state = REPORT_FAILED, .last = true, .report = rep };
	struct step_cell *s;

	if (r->steps[i].c->phase != PHASE_STARTING)
		return;			/* a repeat, or overtaken by news */
	s = step_touch(w, r, i);
	if (rep->answer == REPORT_REFUSED) {
		end.reason = arena_printf(w->arena, "not started: %.*s",
		    STR_ARG(rep->reason.len ? rep->reason : STR("refused")));
		attempt_end(w, r, i, &end);
	} else if (rep->answer == REPORT_BUSY && s->abort_sent) {
		end.state = REPORT_ABORTED;
		attempt_end(w, r, i, &end);
	} else if (rep->answer == REPORT_BUSY) {
		s->phase = PHASE_BUSY;
		s->due_at = again_at(w, rep);
	} else {
		s->phase = PHASE_FINDING;
		s->due_at = NEVER;
		if (rep->again_ms > 0)
			s->due_at = w->tick + rep->again_ms;
		else if (!s->abort_sent)
			row_op(w, r, i, EXEC_FIND);
	}
	r->steps[i].attempt_dirty = true;
}

/* FIND, POLL or ABORT did not get through: ask again.  An abort that was refused has
 * most often come too late, so it is the state that is asked for. */
static void ask_again(
    struct world *w, struct run *r, uint32_t i, const struct report *rep)
{
	if (rep->op == EXEC_ABORT && rep->answer == REPORT_REFUSED)
		row_op(w, r, i, EXEC_POLL);
	else
		step_touch(w, r, i)->due_at = again_at(w, rep);
}

/* Invariant (3). */
static void verify(struct world *w, struct run *r, uint32_t i, const struct report *rep)
{
	bool asked = rep->op == EXEC_START ? rep->answer != REPORT_UNCERTAIN :
	    rep->answer != REPORT_BUSY && rep->answer != REPORT_UNCERTAIN;

	if (asked && r->steps[i].c->unverified)
		step_touch(w, r, i)->unverified = 0;
}

void report_apply(struct world *w, const struct report *rep)
{
	char *key = g_strndup(rep->key.p, rep->key.len);
	const struct step_ref *ref = g_hash_table_lookup(w->by_key, key);
	struct run *r;
	uint32_t i;

	g_free(key);
	if (!ref)
		return;			/* ended already, or never ours */
	r = ref->run;
	i = ref->step;
	verify(w, r, i, rep);
	set_text(w, r, i, true, rep->native_id);
	set_text(w, r, i, false, rep->native_state);
	if (rep->answer == REPORT_REFUSED || rep->answer == REPORT_BUSY ||
	    rep->answer == REPORT_UNCERTAIN) {
		if (rep->op == EXEC_START)
			start_refused(w, r, i, rep);
		else
			ask_again(w, r, i, rep);
	} else {
		said_state(w, r, i, rep);
	}
	run_advance(w, r);
}
