/* The firing state machine of signal rules.
 *
 *	           true                 held for `for`
 *	 inactive ------> pending ----------------------> firing <---. true
 *	    ^                |                             |  |      |
 *	    |      false     |                       false |  | false|
 *	    |`---------------'                   keep == 0 |  v      |
 *	    |                                              | holding-'
 *	    `----------------------------------------------'--' `keep` has passed
 *
 * Invariants
 *   (1) An episode begins when inactive is left and ends when it is entered; its
 *       number is never used again, so an edit that returns a firing key to
 *       pending cannot emit twice for one episode.
 *   (2) `for` and `keep` count elapsed time, not evaluations.
 *   (3) MACHINE_KEEP changes nothing at all.
 *   (4) What is owed is forgotten with the episode.
 *   (5) keep never applies to pending: a condition that lapses before `for` was over
 *       has not been true for long enough.
 *
 * To add a state: enum machine_state, names[], machine_step() and machine_clock_due().
 */
#include "decide/machine.h"

#include "base/check.h"

/* ORDER machine_state */
static const char *const names[MACHINE_STATE_MAX] = {
	"inactive", "pending", "firing", "holding",
};

const char *machine_state_name(enum machine_state s)
{
	CHECK(s < MACHINE_STATE_MAX);
	return names[s];
}

bool machine_latched(const struct machine *m)
{
	return m->state == MACHINE_FIRING || m->state == MACHINE_HOLDING;
}

int64_t machine_cooldown_left(const struct machine *m, const struct machine_config *c,
    int64_t tick)
{
	int64_t gone = tick - m->last_emit;

	if (!m->emitted || gone >= c->cooldown_ms)
		return 0;
	return c->cooldown_ms - gone;
}

void machine_end(struct machine *m)
{
	m->state = MACHINE_INACTIVE;
	m->asked = m->owed = m->keeping = 0;
}

static void on_true(struct machine *m, const struct machine_config *c, int64_t clock)
{
	if (m->state == MACHINE_INACTIVE) {
		m->episode++;
		m->active_at = clock;
		m->asked = m->owed = 0;
		m->state = MACHINE_PENDING;
	}
	if (m->state == MACHINE_PENDING && clock - m->active_at >= c->for_ms)
		m->state = MACHINE_FIRING;
	else if (m->state == MACHINE_HOLDING)
		m->state = MACHINE_FIRING;
	m->keeping = 0;
}

static void on_false(struct machine *m, const struct machine_config *c, int64_t clock)
{
	if (m->state == MACHINE_INACTIVE)
		return;
	if (m->state == MACHINE_PENDING) {
		machine_end(m);
		return;
	}
	if (!m->keeping) {
		m->keeping = 1;
		m->keep_since = clock;
	}
	if (clock - m->keep_since < c->keep_ms)
		m->state = MACHINE_HOLDING;
	else
		machine_end(m);
}

static bool refires(const struct machine *m, const struct machine_config *c, int64_t tick)
{
	return c->refire_ms > 0 && m->asked && tick - m->asked_at >= c->refire_ms;
}

bool machine_step(struct machine *m, const struct machine_config *c,
    enum machine_input in, int64_t clock, int64_t tick)
{
	if (in == MACHINE_KEEP)
		return false;
	if (in == MACHINE_FALSE) {
		on_false(m, c, clock);
		return false;
	}
	on_true(m, c, clock);
	if (m->state != MACHINE_FIRING)
		return false;
	return !m->asked || m->owed || refires(m, c, tick);
}

void machine_settle(struct machine *m, enum machine_answer a, int64_t tick)
{
	if (machine_latched(m)) {	/* else a person asked, outside any episode */
		m->asked = 1;
		m->owed = a == MACHINE_DEFERRED;
	}
	if (a != MACHINE_DEFERRED)
		m->asked_at = tick;
	if (a == MACHINE_EMITTED) {
		m->emitted = 1;
		m->last_emit = tick;
	}
}

static int64_t later(int64_t t, int64_t ms)
{
	return t > INT64_MAX - ms ? INT64_MAX : t + ms;
}

int64_t machine_clock_due(const struct machine *m, const struct machine_config *c)
{
	if (m->state == MACHINE_PENDING)
		return later(m->active_at, c->for_ms);
	if (m->state == MACHINE_HOLDING)
		return later(m->keep_since, c->keep_ms);
	return INT64_MAX;
}

int64_t machine_tick_due(const struct machine *m, const struct machine_config *c)
{
	if (m->state != MACHINE_FIRING || !m->asked || m->owed || c->refire_ms <= 0)
		return INT64_MAX;
	return later(m->asked_at, c->refire_ms);
}
