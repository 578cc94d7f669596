/* From a true condition to a decision.
 *
 *	emit()           asks the suppressors, evaluates the parameters; stopped: a row
 *	 flow admits
 *	decide_settle()  writes the decision, cooldown and dedupe
 *
 * Invariants
 *   (1) An emission has its decision id before flow sees it; an id that leads to no
 *       row is given back, because nothing else can have taken one meanwhile.
 *   (2) Only fired and observed set the cooldown and store dedupe values.
 */
#include "decide/priv.h"

static bool is_signal(const struct ctx *c)
{
	return c->rule->kind == RULE_SIGNAL;
}

static bool defers(const struct ctx *c, enum suppressor by)
{
	return c->rule->on_suppressed == SUPPRESSED_DEFER && by != SUPP_DEDUPE &&
	    by != SUPP_DISABLED && by != SUPP_DEPTH;
}

static struct str event_id(const struct ctx *c)
{
	if (c->event)
		return c->event->id;
	return c->last ? last_view(c->last).id : (struct str){ 0 };
}

static struct decision_row row_of(const struct ctx *c, enum outcome o)
{
	return (struct decision_row){ .rule_id = c->rs->id, .key = c->key, .outcome = o,
		.event_id = event_id(c), .due_ms = c->due_ms, .count = 1 };
}

/* What a person asked for always has a row; the rest may be counted only. */
static void write_row(struct ctx *c, const struct check *k, struct decision_row *row,
    struct outcome_view *view)
{
	const struct meta_cell *m = cells_get(c->d->cells, c->d->meta);
	uint64_t id;

	if (!view->decision)
		view->decision = m->decision + 1;
	if (view->actor.len || !decision_counts_only(c->d, c->rs, row))
		row->trace = trace_json(c, k, view, &row->reason);
	id = decision_write(c->d, row);
	if (id && c->k)
		key_touch(c->d, c->k)->decision = id;
}

void emit_error(struct ctx *c, struct keyed *k, enum job_kind kind, struct str what)
{
	struct decision_row row = row_of(c, OUTCOME_ERROR);
	struct outcome_view view = { .outcome = OUTCOME_ERROR, .error = what };
	struct check none = { .end = INT64_MAX };

	c->k = k;
	if (kind == JOB_DUE)
		schedule_row(c->d, c->rs, c->schedule, c->due_ms, "error");
	write_row(c, &none, &row, &view);
}

static void machine_answer(struct ctx *c, enum machine_answer a)
{
	if (!is_signal(c) || !c->k)
		return;
	machine_settle(&key_touch(c->d, c->k)->m, a, c->tick);
	if (a == MACHINE_DROPPED)
		rearm_unanswered(c->d, c->k);
}

/* The due times that a batch carries. */
static void due_rows(struct ctx *c, const char *outcome, bool end)
{
	for (uint32_t i = 0; end && c->rule->kind == RULE_SCHEDULE && i < c->items_n; i++)
		schedule_row_of(c->d, c->rs, c->items[i]->c->schedule,
		    c->items[i]->c->due_ms, outcome);
}

/* Stopped before flow: one row per episode and suppressor. */
static void stopped(struct ctx *c, struct check *k, enum job_kind kind,
    const struct trigger *t)
{
	struct decision_row row = row_of(c, OUTCOME_SUPPRESSED);
	struct outcome_view view = { .outcome = OUTCOME_SUPPRESSED };
	bool again = false;

	row.by = k->by;
	if (kind == JOB_DUE)
		schedule_row(c->d, c->rs, c->schedule, c->due_ms, "suppressed");
	if (t) {
		view.actor = t->actor;
	} else if (kind == JOB_WAIT) {
		const struct key_cell *w = key_get(c->d, c->k);

		again = w->m.owed && w->blocked == k->by;
		due_rows(c, "suppressed", !defers(c, k->by));
		wait_stopped(c, k, defers(c, k->by));
	} else if (is_signal(c)) {
		struct key_cell *w = key_touch(c->d, c->k);

		again = w->m.owed && w->blocked == k->by;
		w->blocked = (uint8_t)k->by;
		w->slot = 0;
		w->release_at = k->end == INT64_MAX ? 0 : k->end;
		if (w->release_at && suppressor_on_wall(k->by) && defers(c, k->by))
			opens_by(c->d, c->rs, w->release_at);
		machine_answer(c, defers(c, k->by) ? MACHINE_DEFERRED : MACHINE_DROPPED);
	}
	if (!again)
		write_row(c, k, &row, &view);
}

static struct value merge_maps(struct value under, struct value over, struct arena *a)
{
	uint32_t n = 0;
	struct value *k = ARENA_ARRAY(a, struct value, under.map->n + over.map->n);
	struct value *v = ARENA_ARRAY(a, struct value, under.map->n + over.map->n);

	for (uint32_t i = 0; i < under.map->n; i++) {
		struct str name = value_as_str(under.map->keys[i]);

		if (value_member(over, name, a).tag != VALUE_ABSENT)
			continue;
		k[n] = under.map->keys[i];
		v[n++] = under.map->values[i];
	}
	for (uint32_t i = 0; i < over.map->n; i++) {
		k[n] = over.map->keys[i];
		v[n++] = over.map->values[i];
	}
	return value_map_of(k, v, n, a);
}

/* Given parameters win; where the rule's own can't be evaluated, they must do. */
static struct value params_of(struct ctx *c, const struct trigger *t)
{
	struct value own = ctx_params(c);
	bool given = t && t->params.tag == VALUE_MAP && t->params.map->n;

	if (!given)
		return own;
	return own.tag == VALUE_MAP ? merge_maps(own, t->params, c->d->arena) : t->params;
}

/* The copy's signals must point into the copy. */
static void ctx_move(struct ctx *to, const struct ctx *from)
{
	*to = *from;
	for (uint32_t i = 0; i < to->rule->signals_n; i++)
		if (to->vars[RVAR_SIGNALS + i].tag == VALUE_HOST)
			to->vars[RVAR_SIGNALS + i] = value_host(&to->sig[i].host);
}

static void fill(struct ctx *c, const struct trigger *t, struct value params,
    struct emission *em)
{
	struct decide *d = c->d;
	struct str events;

	g_string_truncate(d->text, 0);
	ctx_events_json(c, d->text);
	events = (struct str){ d->text->str, (uint32_t)d->text->len };
	*em = (struct emission){ .decision = decision_next(d), .seq = d->seq,
		.rule = c->rule, .rule_id = c->rs->id, .key = arena_str(d->arena, c->key),
		.cell = c->k ? c->k->cell : 0, .event = c->event, .params = params,
		.events = arena_str(d->arena, events), .due_ms = c->due_ms,
		.depth = c->depth, .observe = rule_observes(c->rs) };
	if (c->rule->model)
		em->model = c->model.len ? c->model : ctx_model(c);
	if (is_signal(c) && c->k)
		em->episode = key_get(d, c->k)->m.episode;
	if (t) {
		em->force = t->force;
		em->actor = arena_str(d->arena, t->actor);
		em->observe = em->observe && !t->force;
	}
}

static struct str failure(struct ctx *c, struct value error)
{
	GString *s = g_string_new("params: ");
	struct str r;

	g_string_append(s, error.s ? error.s : "no map");
	r = arena_str(c->d->arena, (struct str){ s->str, (uint32_t)s->len });
	g_string_free(s, TRUE);
	return r;
}

bool emit(struct decide *d, struct ctx *c, struct keyed *k, enum job_kind kind,
    const struct trigger *t, struct emission *em)
{
	struct check check;

	c->k = k;
	if (!t && rule_waits(c->rule))
		return wait_event(d, c, k, kind, em);
	suppress_ask(c, &check, t && t->force);
	return emit_asked(d, c, k, kind, t, &check, em);
}

bool emit_asked(struct decide *d, struct ctx *c, struct keyed *k, enum job_kind kind,
    const struct trigger *t, struct check *given, struct emission *em)
{
	struct check check = *given;
	struct value params;

	if (check.by) {
		stopped(c, &check, kind, t);
		return false;
	}
	params = check.dedupe_error ? value_null() : params_of(c, t);
	if (params.tag != VALUE_MAP) {
		if (!t)
			machine_answer(c, MACHINE_DROPPED);
		emit_error(c, k, kind, check.dedupe_error ? STR("dedupe.key: no value") :
		    failure(c, params));
		due_rows(c, "error", kind == JOB_WAIT);
		if (kind == JOB_WAIT)
			wait_settled(c, NULL, false);
		return false;
	}
	fill(c, t, params, em);
	ctx_move(&d->pending.ctx, c);
	d->pending.check = check;
	d->pending.k = k;
	d->pending.kind = kind;
	d->pending.open = true;
	return true;
}

bool trigger_body(struct decide *d, struct job *j, struct emission *em)
{
	const struct trigger *t = j->trigger;
	struct rule_state *rs = j->rs;
	uint8_t owner[OWNER_BYTES];
	struct keyed *k;
	struct ctx c;

	owner_of_id(rs->id, owner);
	k = keyed_find(d, CELL_KEY, owner, t->key);
	if (!k)
		k = key_new(d, rs, t->key);
	ctx_init(d, &c, rs, k->key);
	if (rs->rule->kind == RULE_SCHEDULE)
		ctx_due(&c, d->now_wall);
	else
		ctx_kept(&c, keyed_last(d, k, 0));
	c.due_ms = 0;
	ctx_vars(&c, k, clock_of(d, rs), rs->needs);
	return emit(d, &c, k, JOB_TRIGGER, t, em);
}

/* ---- the answer ---- */

static void settle_fired(struct decide *d, const struct emission *em, struct ctx *c,
    uint64_t run)
{
	struct pending *p = &d->pending;
	struct key_cell *w;

	if (p->check.dedupe.p)
		dedupe_store(d, c->rs, p->check.dedupe, em->decision, em->observe);
	if (!c->k)
		return;
	w = key_touch(d, c->k);
	machine_settle(&w->m, MACHINE_EMITTED, c->tick);
	w->observed = em->observe;
	if (is_signal(c)) {		/* else it says what holds a batch: wait.c */
		w->blocked = w->slot = 0;
		w->release_at = 0;
	}
	if (!em->force)
		breaker_fired(d, c->k, c->rule, run);
	if (em->observe)
		rearm_unanswered(d, c->k);
	else
		rearm_fired(d, c->k, run);
}

static void settle_stopped(struct ctx *c, const struct verdict *v)
{
	bool owed = defers(c, v->by) || v->defer;
	struct key_cell *w = key_touch(c->d, c->k);

	w->blocked = (uint8_t)v->by;
	w->slot = 0;
	w->release_at = v->end_ms;
	if (owed && v->end_ms)
		opens_by(c->d, c->rs, v->end_ms);
	machine_answer(c, owed ? MACHINE_DEFERRED : MACHINE_DROPPED);
}

static enum outcome outcome_of(const struct emission *em, const struct verdict *v)
{
	if (v->error.p)
		return OUTCOME_ERROR;
	if (v->by)
		return OUTCOME_SUPPRESSED;
	return em->observe ? OUTCOME_OBSERVED : OUTCOME_FIRED;
}

/* The batch goes, or is held. */
static void settle_wait(struct decide *d, const struct emission *em, struct ctx *c,
    const struct verdict *v)
{
	struct check *k = &d->pending.check;
	bool held = v->by && !v->error.p && (defers(c, v->by) || v->defer);

	k->end = v->end_ms ? v->end_ms : INT64_MAX;
	if (!held)
		due_rows(c, outcome_name(outcome_of(em, v)), true);
	if (v->by && !v->error.p)
		wait_stopped(c, k, held);
	else
		wait_settled(c, em, !v->error.p);
	wait_arm(d, c->k);
}

/* A deferred emission that is stopped again by the same thing is no news. */
static bool is_news(const struct decide *d, const struct ctx *c, const struct verdict *v)
{
	const struct key_cell *k;

	if (!v->by || v->error.p || d->pending.kind == JOB_TRIGGER ||
	    (!is_signal(c) && d->pending.kind != JOB_WAIT))
		return true;
	k = key_get(d, c->k);
	return !(k->m.owed && k->blocked == v->by);
}

void decide_settle(struct decide *d, const struct emission *em, const struct verdict *v)
{
	struct pending *p = &d->pending;
	struct ctx *c = &p->ctx;
	enum outcome o = outcome_of(em, v);
	struct decision_row row = row_of(c, o);
	struct outcome_view view = { .outcome = o, .decision = em->decision,
		.run_id = v->run_id, .error = v->error, .actor = em->actor };
	bool news = is_news(d, c, v);

	CHECK(p->open);
	p->open = false;
	row.id = em->decision;
	row.run = v->run;
	row.run_id = arena_str(d->arena, v->run_id);
	row.by = o == OUTCOME_SUPPRESSED ? v->by : SUPP_NONE;
	if (!em->force && o != OUTCOME_ERROR) {
		enum suppressor at = v->by ? v->by : SUPP_CONCURRENCY;

		if (v->budget.len) {
			p->check.asked[SUPP_BUDGET] = ASKED_PASSED;
			p->check.numbers[SUPP_BUDGET] = v->budget;
		}
		p->check.asked[at] = v->by ? ASKED_BLOCKED : ASKED_PASSED;
		p->check.numbers[at] = v->numbers;
		p->check.by = v->by;
	}
	if (o == OUTCOME_FIRED || o == OUTCOME_OBSERVED)
		settle_fired(d, em, c, v->run);
	else if (o == OUTCOME_SUPPRESSED && p->kind != JOB_TRIGGER && is_signal(c))
		settle_stopped(c, v);
	else if (o == OUTCOME_ERROR && p->kind != JOB_TRIGGER)
		machine_answer(c, MACHINE_DROPPED);
	if (p->kind == JOB_DUE)
		schedule_row(d, c->rs, c->schedule, c->due_ms, outcome_name(o));
	if (news)
		write_row(c, &p->check, &row, &view);
	else
		decision_give_back(d, em->decision);
	if (p->kind == JOB_WAIT)
		settle_wait(d, em, c, v);
	if (is_signal(c) && c->k)
		signal_settled(d, c->rs, c->k);
}
