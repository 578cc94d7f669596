/* May this run exist, and may it start: limits, queue, skip, replace.
 *
 * Limits count the running runs of a pipeline's name, so that an edit does not double
 * them.  A run that may not start yet is pending; whoever frees a slot puts the
 * pipeline's name into world.freed, and admit_waiting() starts what fits, by priority,
 * then age.
 *
 *	queue	 pending, at most `queue` of them, then turned away
 *	skip	 turned away (a person's force: pending all the same)
 *	replace	 the oldest blocking run is aborted, the new one is pending(replacing)
 *		 until it has ended; a newer one replaces that one.  A run at work
 *		 after a gate is never replaced: the new one waits for it.
 */
#include "flow/budget.h"
#include "flow/engine.h"

struct load {			/* of a pipeline, as one run of it finds it */
	uint32_t running, running_key, pending;
	struct run *oldest, *oldest_key;	/* running */
};

static struct load load_of(const struct world *w, struct str pipeline, struct str key)
{
	struct load l = { 0 };

	for (uint32_t i = 0; i < w->runs->len; i++) {
		struct run *r = w->runs->pdata[i];

		if (!str_is(r->b.pipeline, pipeline))
			continue;
		if (r->c->state == RUN_PENDING && !r->c->ending)
			l.pending++;
		if (r->c->state != RUN_RUNNING)
			continue;
		l.running++;
		if (!l.oldest)
			l.oldest = r;
		if (!str_is(r->b.key, key))
			continue;
		l.running_key++;
		if (!l.oldest_key)
			l.oldest_key = r;
	}
	return l;
}

static bool key_full(const struct pipeline *p, const struct load *l)
{
	return p->per_key && l->running_key >= p->per_key;
}

static bool is_full(const struct pipeline *p, const struct load *l)
{
	return (p->limit && l->running >= p->limit) || key_full(p, l);
}

static struct str load_text(
    struct world *w, const struct pipeline *p, const struct load *l, struct str key)
{
	if (key_full(p, l))
		return arena_printf(w->arena, "%u/%u running for key '%.*s'",
		    l->running_key, p->per_key, STR_ARG(key));
	return arena_printf(w->arena, "%u/%u running", l->running, p->limit);
}

/* ---- what a run needs to exist ---- */

static bool order_model(struct world *w, struct order *o, struct err *err)
{
	const struct prog *prog = o->pipeline->model;
	struct value vars[PVAR_MAX], v;
	struct eval ev;
	struct str why;

	if (o->model.len || !prog)
		return true;
	vars_order(w, o, vars);
	vars_eval(w, vars, &ev);
	v = expr_eval(prog, &ev);
	if (v.tag == VALUE_STRING && v.len) {
		o->model = value_as_str(v);
		return true;
	}
	why = v.tag == VALUE_ERROR ? vars_error(w, prog, v) : STR("expected a name");
	return err_set(err, ERR_USAGE, "pipeline '%.*s': model: %.*s",
	    STR_ARG(o->pipeline->name), STR_ARG(why));
}

bool order_check(struct world *w, struct order *o, struct value given, struct err *err)
{
	if (o->pipeline->steps_n > STEPS_MAX)
		return err_set(err, ERR_LIMIT,
		    "pipeline '%.*s' has %u steps, more than %d",
		    STR_ARG(o->pipeline->name), o->pipeline->steps_n, STEPS_MAX);
	if (!pipeline_params(o->pipeline, given, &o->params, w->arena, err))
		return false;
	return order_model(w, o, err);
}

/* ---- admission ---- */

static struct run *order_create(struct world *w, const struct order *o, struct verdict *v)
{
	struct run *r = run_create(w, o);

	v->run = r->c->id;
	v->run_id = r->b.name;
	budget_reserve(w, o, r);
	run_set_fact(w, r);
	event_run(w, r, "created");
	decide_run_created(w->decide, r->b.pipeline, r->b.key, r->c->id);
	return r;
}

static void wait_because(struct world *w, struct run *r, const char *what, struct str why)
{
	struct str text = arena_printf(w->arena, "%s%.*s", what, STR_ARG(why));

	run_reason(w, r, text);
}

/* The pending ones of the same place give way to `by`. */
static void drop_replacing(struct world *w, const struct run *by, bool same_key)
{
	for (uint32_t i = 0; i < w->runs->len; i++) {
		struct run *r = w->runs->pdata[i];

		if (r == by || r->c->state != RUN_PENDING || r->c->ending ||
		    !str_is(r->b.pipeline, by->b.pipeline) ||
		    (same_key && !str_is(r->b.key, by->b.key)))
			continue;
		run_stop(w, r, END_ABORT, "replaced by %.*s", STR_ARG(by->b.name));
		run_advance(w, r);
	}
}

/* A step that needs a gate, directly or not, is at work. */
static bool after_gate(struct world *w, const struct run *r)
{
	bool *after = ARENA_ARRAY(w->arena, bool, r->c->steps_n);

	for (uint32_t i = 0; r->pipeline && i < r->c->steps_n; i++) {
		const struct step_spec *spec = &r->pipeline->steps[i];

		for (uint32_t k = 0; k < spec->needs_n; k++)
			after[i] |= after[spec->needs[k]] ||
			    r->pipeline->steps[spec->needs[k]].kind == STEP_GATE;
		if (after[i] && r->steps[i].c->state == STEP_RUNNING)
			return true;
	}
	return false;
}

static void replace(struct world *w, struct run *r, const struct load *l)
{
	bool same_key = key_full(r->pipeline, l);
	struct run *old = same_key ? l->oldest_key : l->oldest;

	drop_replacing(w, r, same_key);
	run_touch(w, r)->replacing = 1;
	if (after_gate(w, old)) {
		wait_because(w, r, "waiting for the deploy of ", old->b.name);
		return;
	}
	wait_because(w, r, "replacing ", old->b.name);
	run_touch(w, old)->abort_requested = 1;
	run_stop(w, old, END_ABORT, "replaced by %.*s", STR_ARG(r->b.name));
	run_advance(w, old);
}

struct run *order_admit(struct world *w, const struct order *o, bool dry,
    struct verdict *ret)
{
	const struct pipeline *p = o->pipeline;
	struct load l = load_of(w, p->name, o->key);
	bool full = is_full(p, &l), replaces = p->on_limit == LIMIT_REPLACE;
	struct run *r;

	*ret = (struct verdict){ 0 };
	if (o->asks && !budget_admits(w, o, ret)) {
		ret->numbers = ret->budget;
		return NULL;
	}
	if (full)
		ret->numbers = load_text(w, p, &l, o->key);
	if (full && p->on_limit == LIMIT_SKIP && !o->force)
		ret->by = SUPP_CONCURRENCY;
	if (full && !replaces && l.pending >= p->queue && ret->by == SUPP_NONE) {
		ret->by = SUPP_CONCURRENCY;
		ret->numbers = arena_printf(w->arena, "%.*s, %u/%u pending",
		    STR_ARG(ret->numbers), l.pending, p->queue);
	}
	if (ret->by != SUPP_NONE || dry)
		return NULL;
	r = order_create(w, o, ret);
	if (!full)
		run_start(w, r);
	else if (replaces)
		replace(w, r, &l);
	else
		wait_because(w, r, "waiting: ", ret->numbers);
	admit_waiting(w);
	return r;
}

struct verdict admit_emission(struct world *w, const struct emission *em)
{
	struct order o = {
		.pipeline = em->rule->pipeline, .rule = em->rule->name, .key = em->key,
		.model = em->model, .events = em->events, .actor = em->actor,
		.decision = em->decision, .episode = em->episode, .rule_id = em->rule_id,
		.depth = em->depth, .force = em->force, .asks = !em->force,
	};
	struct verdict v = { 0 };
	struct err err = { 0 };

	if (!order_check(w, &o, em->params, &err))
		v.error = arena_str(w->arena, str_of(err.msg));
	else
		order_admit(w, &o, em->observe, &v);
	return v;
}

/* ---- a slot is free ---- */

static struct run *next_pending(const struct world *w, struct str pipeline)
{
	struct run *best = NULL;

	for (uint32_t i = 0; i < w->runs->len; i++) {
		struct run *r = w->runs->pdata[i];
		struct load l;

		if (r->c->state != RUN_PENDING || r->c->ending || !r->pipeline ||
		    !str_is(r->b.pipeline, pipeline) ||
		    (best && r->pipeline->priority <= best->pipeline->priority))
			continue;
		l = load_of(w, pipeline, r->b.key);
		if (!is_full(r->pipeline, &l))
			best = r;
	}
	return best;
}

void admit_waiting(struct world *w)
{
	while (w->freed->len || w->promote_again) {
		struct run *r;
		char *name;

		if (w->promote_again)
			finish_waiting(w);
		if (!w->freed->len)
			continue;
		name = g_ptr_array_steal_index(w->freed, 0);
		while ((r = next_pending(w, str_of(name))))
			run_start(w, r);
		decide_slot_free(w->decide, str_of(name));
		g_free(name);
	}
}
