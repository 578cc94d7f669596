/* Inputs to emissions, one at a time.
 *
 * An input becomes jobs, one per rule that it concerns, taken in rule order:
 *
 *	event       one job per rule that matches: EVENT, or SAMPLES of a signal rule;
 *	            of a ladder (climb.c) one per rule that can change its answer,
 *	            in the place of the first
 *	deadline    the one with this id: KEYS, CLOCK, DUE, a sweep, a counting row
 *	trigger     one job each
 *
 * A job of a signal rule moves the rule's clock from where it is to c, in phases:
 *
 *	BEFORE	deadlines earlier than c, each at its own time
 *	BODY	the samples, then the keys that they touched
 *	AT	deadlines at c
 *
 * (of rules that share a signal BEFORE is done for all before the first one's BODY)
 * so that it does not matter how inputs are cut into turns.  Each step may bring one
 * emission; the state that its answer leaves is what the next step sees.
 *
 * Invariants
 *   (1) Between an emission and its decide_settle() nothing else is decided.
 *   (2) Everything in memory beside the cells is rebuilt by decide_load().
 *   (3) Nothing is decided in hash table order: jobs go by rule, deadlines by time and
 *       id, rows of many keys by cell.
 */
#include "base/time.h"
#include "decide/priv.h"

enum due_class { DUE_KEY = 1, DUE_CLOCK, DUE_SWEEP, DUE_FLUSH, DUE_SCHEDULE,
	DUE_BACK,
	DUE_OPENS = 16, DUE_SILENCE };

struct decide *decide_new(struct cells *cells)
{
	struct decide *d = g_new0(struct decide, 1);

	d->cells = cells;
	d->facts = facts_new(cells);
	d->sources = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	d->cleared = g_array_new(FALSE, FALSE, sizeof(struct cleared));
	d->triggers = g_array_new(FALSE, FALSE, sizeof(struct trigger));
	d->bytes = g_byte_array_new();
	d->text = g_string_new(NULL);
	d->climbing = g_ptr_array_new();
	d->sweep.id = (uint64_t)DUE_SWEEP << 56;
	d->silence.id = (uint64_t)DUE_SILENCE << 56;
	d->cursor_max = INT64_MIN;
	d->born_min = INT64_MAX;
	use_init(d);
	keys_init(d);
	baseline_init(d);
	silence_init(d);
	return d;
}

void decide_free(struct decide *d)
{
	if (!d)
		return;
	climb_leave(d);
	keys_fini(d);
	use_fini(d);
	baseline_fini(d);
	silence_fini(d);
	if (d->rules)
		ruleset_unref(d->rules);
	heap_fini(&d->tick);
	heap_fini(&d->wall);
	facts_free(d->facts);
	g_ptr_array_free(d->climbing, TRUE);
	g_array_free(d->sources, TRUE);
	g_array_free(d->cleared, TRUE);
	g_array_free(d->triggers, TRUE);
	g_byte_array_free(d->bytes, TRUE);
	g_string_free(d->text, TRUE);
	g_free(d->by_rule);
	g_free(d->scratch);
	g_free(d->scratch_set);
	g_free(d);
}

struct facts *decide_facts(struct decide *d)
{
	return d->facts;
}

struct ruleset *decide_ruleset(const struct decide *d)
{
	return d->rules;
}

uint32_t decide_rule_id(const struct decide *d, const struct rule *r)
{
	return d->by_rule[r->index]->id;
}

bool decide_load(struct decide *d, struct ruleset *set, struct err *err)
{
	CHECK(!d->rules && !d->all->len);	/* once, on a new one */
	if (!use_load(d, err))
		return false;
	use_ruleset(d, set);
	return true;
}

/* ---- inputs ---- */

static void job_of_key(struct decide *d, struct keyed *k)
{
	struct job *j = &d->job;
	struct rule_state *rs = k->rs;

	*j = (struct job){ .rs = rs, .kind = JOB_KEYS, .phase = PHASE_BEFORE,
		.has_clock = true, .n = 1 };
	j->v = ARENA_NEW(d->arena, struct delivery);
	j->v[0] = (struct delivery){ .k = k, .key = k->key };
	j->clock = clock_at(d, rs, d->now_tick);
	d->working = true;
}

static void key_due(struct decide *d, uint32_t cell)
{
	struct keyed *k = keyed_of_cell(d, cell);

	if (!k || keyed_kind(k) != CELL_KEY || !k->tick.pos || k->tick.at > d->now_tick)
		return;
	key_touch(d, k)->wake_at = INT64_MAX;
	key_arm(d, k->rs, k);
	if (k->rs->rule->kind == RULE_SIGNAL) {
		job_of_key(d, k);
		return;
	}
	d->job = (struct job){ .rs = k->rs, .kind = JOB_WAIT, .phase = PHASE_BODY,
		.n = 1 };
	d->job.v = ARENA_NEW(d->arena, struct delivery);
	d->job.v[0] = (struct delivery){ .k = k, .key = k->key };
	d->working = true;
}

static void begin_due(struct decide *d, uint64_t id)
{
	struct rule_state *rs = rule_by_id(d, (uint32_t)id);
	struct sched *sched;

	switch ((enum due_class)(id >> 56)) {
	case DUE_KEY:
		key_due(d, (uint32_t)id);
		break;
	case DUE_CLOCK:
		if (!rs || !rs->rule || rule_off(d, rs))
			break;
		clock_stale(d, rs);
		d->job = (struct job){ .rs = rs, .kind = JOB_CLOCK, .has_clock = true,
			.phase = PHASE_BEFORE, .clock = clock_at(d, rs, d->now_tick) };
		d->working = true;
		break;
	case DUE_SWEEP:
		if (d->sweep.pos && d->sweep.at <= d->now_tick)
			keys_sweep(d);
		break;
	case DUE_FLUSH:
		if (rs && rs->flush.pos && rs->flush.at <= d->now_tick)
			decision_flush(d, rs);
		break;
	case DUE_SCHEDULE:
		sched = rs && rs->rule ? schedule_of_due(rs, id) : NULL;
		if (!sched || !sched->due.pos || sched->due.at > d->now_wall)
			break;
		schedule_job_begin(d, sched);
		d->working = true;
		break;
	case DUE_BACK:
		schedule_back(d);
		break;
	case DUE_OPENS:
		if (rs && rs->opens.pos && rs->opens.at <= d->now_wall)
			opens_due(d, rs);
		break;
	case DUE_SILENCE:
		silence_due(d);
		break;
	}
}

void decide_begin(struct decide *d, const struct input *in, uint64_t seq, struct arena *a,
    struct decided *out)
{
	CHECK(!d->pending.open);
	d->in = in;
	d->seq = seq;
	d->now_tick = in->tick_ms;
	d->now_wall = in->wall_ms;
	d->arena = a;
	d->out = out;
	d->hits_n = d->hits_i = d->early_i = 0;
	d->climb.of = NULL;
	d->working = false;
	g_array_set_size(d->triggers, 0);
	g_array_set_size(d->cleared, 0);
	d->triggers_i = 0;
	d->backfill = (struct backfill){ 0 };
	if (!d->meta)
		d->meta = cells_add(d->cells, CELL_META, sizeof(struct meta_cell));
	if (in->kind == INPUT_RULESET)
		use_ruleset(d, in->ruleset);
	if (!d->rules)
		return;
	schedule_clocks(d);
	if (d->unstarted)
		use_begin(d);
	if (in->kind == INPUT_EVENT)
		d->hits_n = ruleset_dispatch(d->rules, in->event, &d->hits, a);
	else if (in->kind == INPUT_DEADLINE)
		begin_due(d, in->deadline.id);
	else if (in->kind == INPUT_SOURCE)
		clock_source(d, &in->source);
	else if (in->kind == INPUT_START)
		clock_sources_down(d);
}

/* ---- jobs ---- */

static bool next_job(struct decide *d)
{
	for (;;) {
		if (d->climb.of && climb_next(d))
			return true;
		if (d->early_i < d->hits_n) {
			if (event_early_begin(d, &d->early_i))
				return true;
			continue;
		}
		if (d->hits_i == d->hits_n)
			break;
		if (event_job_begin(d, &d->hits_i))
			return true;
	}
	if (d->triggers_i < d->triggers->len) {
		const struct trigger *t = &g_array_index(d->triggers, struct trigger,
		    d->triggers_i++);

		d->job = (struct job){ .rs = t->rs, .kind = JOB_TRIGGER,
			.phase = PHASE_BODY, .trigger = t, .n = 1 };
		return true;
	}
	return backfill_job_begin(d);
}

/* The rule's deadlines up to `limit`; true: one of them brought an emission. */
static bool run_clock(struct decide *d, struct job *j, int64_t limit, struct emission *em)
{
	struct rule_state *rs = j->rs;

	for (;;) {
		struct due *top = heap_top(&rs->clock);
		struct keyed *k;
		int64_t at;

		if (!top || top->at > limit)
			return false;
		k = (struct keyed *)((char *)top - offsetof(struct keyed, clock));
		at = MAX(top->at, clock_of(d, rs));
		clock_set(d, rs, MIN(at, limit));
		heap_set(&rs->clock, &k->clock, INT64_MAX);
		if (rs->rule->kind == RULE_EVENT)
			join_expire(d, k, MIN(at, limit));
		else if (signal_evaluate(d, rs, k, MIN(at, limit), em))
			return true;
	}
}

static bool body(struct decide *d, struct job *j, struct emission *em)
{
	if (j->kind == JOB_EVENT)
		return event_body(d, j, em);
	if (j->kind == JOB_DUE)
		return schedule_body(d, j, em);
	if (j->kind == JOB_WAIT)
		return j->i++ < j->n && wait_body(d, j->v[0].k, true, em);
	if (j->kind == JOB_TRIGGER)
		return j->i++ < j->n && trigger_body(d, j, em);
	if (!j->begun && j->kind == JOB_SAMPLES)
		signal_samples(d, j);
	j->begun = true;
	while (j->i < j->n)
		if (signal_evaluate(d, j->rs, j->v[j->i++].k, j->clock, em))
			return true;
	return false;
}

static bool job_run(struct decide *d, struct job *j, struct emission *em)
{
	if (!j->has_clock)
		return body(d, j, em);
	if (j->clock == TIME_NONE)	/* a signal rule that never had an event */
		return false;
	if (j->phase == PHASE_BEFORE) {
		if (run_clock(d, j, j->clock - 1, em))
			return true;
		clock_set(d, j->rs, j->clock);
		j->phase = PHASE_BODY;
	}
	if (j->phase == PHASE_BODY) {
		if (body(d, j, em))
			return true;
		j->phase = PHASE_AT;
	}
	return run_clock(d, j, j->clock, em);
}

bool decide_next(struct decide *d, struct emission *em)
{
	CHECK(!d->pending.open);
	for (;;) {
		if (!d->working && !next_job(d))
			return false;
		d->working = true;
		if (job_run(d, &d->job, em))
			return true;
		d->working = false;
	}
}

bool decide_next_cleared(struct decide *d, struct cleared *ret)
{
	if (!d->cleared->len)
		return false;
	*ret = g_array_index(d->cleared, struct cleared, 0);
	g_array_remove_index(d->cleared, 0);
	return true;
}

/* ---- deadlines ---- */

static void refresh_clock(struct decide *d, struct rule_state *rs)
{
	const struct due *top = heap_top(&rs->clock);

	rs->clock_stale = false;
	if (top || rs->clock_tick.pos)
		heap_set(&d->tick, &rs->clock_tick,
		    rs->rule && rule_clocked(rs->rule) && top ?
		    clock_reaches(d, rs, top->at) : INT64_MAX);
}

static void refresh_clocks(struct decide *d)
{
	for (guint i = 0; i < d->stale->len; i++)
		refresh_clock(d, g_ptr_array_index(d->stale, i));
	g_ptr_array_set_size(d->stale, 0);
	for (guint i = 0; i < d->stale_sels->len; i++) {
		struct sel_state *s = g_ptr_array_index(d->stale_sels, i);

		s->stale = false;
		for (guint n = 0; n < s->rules->len; n++)
			refresh_clock(d, g_ptr_array_index(s->rules, n));
	}
	g_ptr_array_set_size(d->stale_sels, 0);
}

bool decide_next_due(const struct decide *cd, enum due_clock clock, struct deadline *ret)
{
	struct decide *d = (struct decide *)(uintptr_t)cd;
	const struct due *top;

	refresh_clocks(d);	/* of what earlier inputs left; it is no state */
	top = heap_top(clock == DUE_TICK ? &d->tick : &d->wall);
	if (!top)
		return false;
	*ret = (struct deadline){ .clock = clock, .floor = DUE_DECIDE, .at_ms = top->at,
		.id = top->id };
	return true;
}

bool decide_wall_back(const struct decide *d, int64_t wall_ms, struct deadline *ret)
{
	if (!schedule_is_back(d, wall_ms))
		return false;
	*ret = (struct deadline){ .clock = DUE_WALL, .floor = DUE_DECIDE,
		.at_ms = wall_ms, .id = (uint64_t)DUE_BACK << 56 };
	return true;
}

struct rule_count decide_rule_count(const struct decide *d, uint32_t rule_id)
{
	const struct rule_state *rs = rule_by_id(d, rule_id);
	struct rule_count c = rs ? rs->count : (struct rule_count){ 0 };

	for (enum rule_fate f = 0; rs && f < FATE_MAX; f++)
		c.fate[f] += climb_fate(rs, f);
	return c;
}
