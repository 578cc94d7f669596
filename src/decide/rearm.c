/* Drift is a level: true from detection until the detector is armed again.
 *
 *	           emission answered by            armed again
 *	 armed --> a run ---------------> RUN      its end: completed, nothing promoted
 *	                                  BACKOFF  ... failed, rejected, aborted: later
 *	                                  DEPLOY   ... completed, but rearm: on_deploy
 *	       --> no run --------------> IDLE     the episode's end, or rearm_after
 *	 any  ------------------------------------ a deploy of the rule's model
 *
 * No run means observed, dropped or error.  What is owed is answered later; a level
 * that no emission followed (`err.drift && more`) stays.  Arming again resets the
 * detectors that had drifted and ends the episode; a deploy drops the samples and
 * windows of all detectors and tests of the model, because the baseline is another.
 *
 * Invariants
 *   (1) The state is in the key's cell: `disarm`, `rearm_at`, `run`.
 *   (2) Only the run that answered the key's last emission counts: an older one that
 *       ends (replaced, or of an episode before) changes nothing.
 *   (3) While RUN, BACKOFF and DEPLOY last, a new episode's emission is stopped by
 *       `disarmed`: the drift that it speaks of had its run.
 */
#include "base/json.h"
#include "base/time.h"
#include "decide/priv.h"

static bool is_detector(const struct rule_signal *s)
{
	return s->spec.kind == SIGNAL_DETECT;
}

static bool is_pinned(const struct rule_signal *s)
{
	return s->spec.kind != SIGNAL_WINDOW;
}

void rearm_use(struct rule_state *rs)
{
	rs->detects = rs->pins = false;
	for (uint32_t i = 0; i < rs->rule->signals_n; i++) {
		rs->detects |= is_detector(&rs->rule->signals[i]);
		rs->pins |= is_pinned(&rs->rule->signals[i]);
	}
}

bool rearm_drifts(const struct decide *d, struct keyed *k)
{
	const struct rule_state *rs = k->rs;

	for (uint32_t i = 0; rs->detects && i < rs->rule->signals_n; i++) {
		const struct rule_signal *s = &rs->rule->signals[i];
		uint32_t root = is_detector(s) ? signal_root(d, k, i) : 0;

		if (root && signal_drifts(&s->spec, d->cells, root))
			return true;
	}
	return false;
}

static void set(struct decide *d, struct keyed *k, enum disarm why, uint32_t run,
    int64_t at)
{
	const struct key_cell *c = key_get(d, k);
	struct key_cell *w;

	if (c->disarm == why && c->run == run && c->rearm_at == at)
		return;
	w = key_touch(d, k);
	w->disarm = (uint8_t)why;
	w->run = run;
	w->rearm_at = at;
}

static void end_episode(struct decide *d, struct keyed *k)
{
	struct key_cell *w = key_touch(d, k);

	if (w->m.state != MACHINE_INACTIVE)
		w->since_ms = d->now_wall;
	if (machine_latched(&w->m))
		signal_cleared(d, k->rs, k);
	machine_end(&w->m);
	w->blocked = w->slot = 0;
	w->release_at = 0;
}

/* Detectors that have drifted begin anew, with the baseline that they had. */
static void reset(struct decide *d, struct keyed *k)
{
	const struct rule *r = k->rs->rule;

	for (uint32_t i = 0; i < r->signals_n; i++) {
		uint32_t root = is_detector(&r->signals[i]) ? signal_root(d, k, i) : 0;

		if (root)
			signal_rearm(&r->signals[i].spec, d->cells, root);
	}
}

static void rearm(struct decide *d, struct keyed *k)
{
	set(d, k, DISARM_NONE, 0, 0);
	reset(d, k);
	end_episode(d, k);
}

void rearm_due(struct decide *d, struct keyed *k)
{
	const struct key_cell *c = key_get(d, k);

	if (c->disarm && c->rearm_at && c->rearm_at <= d->now_tick)
		rearm(d, k);
}

int64_t rearm_wake(const struct decide *d, const struct keyed *k)
{
	const struct key_cell *c = key_get(d, k);

	return c->disarm && c->rearm_at ? c->rearm_at : INT64_MAX;
}

/* ---- the emission's answer ---- */

void rearm_fired(struct decide *d, struct keyed *k, uint64_t run)
{
	if (k->rs->detects && rearm_drifts(d, k))
		set(d, k, DISARM_RUN, (uint32_t)run, 0);
}

void rearm_unanswered(struct decide *d, struct keyed *k)
{
	const struct key_cell *c = key_get(d, k);

	if (!k->rs->detects || !k->rs->rule)
		return;
	if ((c->disarm == DISARM_NONE || c->disarm == DISARM_IDLE) && rearm_drifts(d, k))
		set(d, k, DISARM_IDLE, 0, d->now_tick + k->rs->rule->rearm_after_ms);
}

void rearm_recovered(struct decide *d, struct keyed *k)
{
	enum disarm why = (enum disarm)key_get(d, k)->disarm;

	if (k->rs->detects && (why == DISARM_NONE || why == DISARM_IDLE) &&
	    rearm_drifts(d, k)) {
		set(d, k, DISARM_NONE, 0, 0);
		reset(d, k);
	}
}

/* ---- the run's end, the deploy ---- */

bool rearm_owns(const struct decide *d, const struct keyed *k, uint64_t run)
{
	const struct key_cell *c = key_get(d, k);

	return k->rs->detects && c->disarm == DISARM_RUN && c->run == (uint32_t)run;
}

void rearm_run_ended(struct decide *d, struct keyed *k, const struct run_end *e)
{
	const struct rule *r = k->rs->rule;
	int64_t at = MAX(d->now_tick, key_get(d, k)->backoff_until);

	if (e->completed && !e->rejected) {
		if (r->rearm_on_deploy)
			set(d, k, DISARM_DEPLOY, (uint32_t)e->run, 0);
		else
			rearm(d, k);
		return;
	}
	/* An aborted run starts no backoff, but its detector waits for one. */
	if (e->aborted && r->backoff)
		at = MAX(at, d->now_tick + r->backoff_initial_ms);
	if (at > d->now_tick)
		set(d, k, DISARM_BACKOFF, (uint32_t)e->run, at);
	else
		rearm(d, k);
}

void rearm_model(struct decide *d, struct keyed *k, struct str model)
{
	uint64_t h = model.len ? hash64(HASH64, model.p, model.len) : 0;
	uint64_t was = key_get(d, k)->model;

	if (h == was)
		return;
	if (was)
		rearm_repin(d, k);
	key_touch(d, k)->model = h;
}

void rearm_repin(struct decide *d, struct keyed *k)
{
	const struct rule *r = k->rs->rule;

	for (uint32_t i = 0; i < r->signals_n; i++) {
		struct keyed *s = is_pinned(&r->signals[i]) ? keyed_signal(d, k, i) :
		    NULL;

		if (s)
			keyed_drop(d, s);
		if (s && d->pending.open && d->pending.ctx.k == k)
			d->pending.ctx.sig[i].root = 0;	/* its trace is still made */
	}
	set(d, k, DISARM_NONE, 0, 0);
	end_episode(d, k);
}

/* ---- disarmed, as a suppressor ---- */

bool rearm_blocks(const struct decide *d, const struct keyed *k, struct arena *a,
    struct str *ret_numbers, int64_t *ret_end)
{
	const struct key_cell *c = key_get(d, k);

	*ret_end = INT64_MAX;
	switch ((enum disarm)c->disarm) {
	case DISARM_RUN:
		*ret_numbers = arena_printf(a, "run %u of this drift has not ended",
		    c->run);
		return true;
	case DISARM_DEPLOY:
		*ret_numbers = arena_printf(a,
		    "run %u of this drift promoted nothing; armed again by a deploy",
		    c->run);
		return true;
	case DISARM_BACKOFF: {
		GString *s = g_string_new(NULL);

		span_print(c->rearm_at - d->now_tick, s);
		*ret_numbers = arena_printf(a,
		    "run %u of this drift failed; armed again in %s", c->run, s->str);
		*ret_end = c->rearm_at;
		g_string_free(s, TRUE);
		return c->rearm_at > d->now_tick;
	}
	case DISARM_NONE:
	case DISARM_IDLE:
		break;
	}
	*ret_numbers = STR("armed");
	return false;
}

void rearm_json(const struct decide *d, struct keyed *k, int64_t wall, int64_t tick,
    GString *out)
{
	/* ORDER disarm */
	static const char *const why[] = { "", "waits for its run", "waits for a backoff",
		"waits for a deploy", "waits for its episode's end" };
	const struct key_cell *c = key_get(d, k);
	bool drifts = k->rs->rule && rearm_drifts(d, k);

	if (!k->rs->detects)
		return;
	json_key(out, "armed");
	json_cstr(out, c->disarm ? why[c->disarm] : drifts ? "drifted" : "armed");
	json_key(out, "rearm_at");
	json_time(out, c->disarm && c->rearm_at ? wall + (c->rearm_at - tick) :
	    TIME_NONE);
}
