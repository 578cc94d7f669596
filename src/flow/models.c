/* Champion and candidate of a model: facts that rules read, rows for people.
 *
 *	a completed run --> candidate --promote--> champion --next promote--> archived
 *
 * Both facts belong to decide (facts.h); only flow sets them, in the step that causes
 * the change. */
#include <inttypes.h>

#include "flow/engine.h"

struct str model_stamp(struct world *w, struct str model)
{
	struct model_fact f = facts_champion(decide_facts(w->decide), model);

	return arena_printf(w->arena, "%" PRId64 " %.*s", f.since_ms, STR_ARG(f.version));
}

/* The run, not `except`, that is at work between its gate and its end. */
const struct run *model_holder(const struct world *w, struct str model,
    const struct run *except)
{
	for (uint32_t i = 0; i < w->runs->len; i++) {
		const struct run *r = w->runs->pdata[i];

		if (r != except && str_is(r->b.model, model) && run_holds_model(r))
			return r;
	}
	return NULL;
}

static struct model_fact fact_of(const struct world *w, const struct model_new *m)
{
	return (struct model_fact){ .version = m->version, .run = m->run,
		.metrics = m->metrics, .baseline = m->baseline, .since_ms = w->wall };
}

/* The fact's texts are borrowed until it changes: a copy in the arena. */
static void archive(struct world *w, struct str model, const struct model_fact *f)
{
	const struct model_new old = { .model = model, .version = f->version,
		.run = f->run, .metrics = f->metrics, .baseline = f->baseline };

	row_model(w, STR("archived"), &old, w->wall);
}

void model_register(struct world *w, const struct model_new *m)
{
	struct facts *facts = decide_facts(w->decide);
	struct model_fact was = facts_candidate(facts, m->model), now = fact_of(w, m);

	if (was.version.len && !str_is(was.version, m->version))
		archive(w, m->model, &was);
	row_model(w, STR("candidate"), m, w->wall);
	facts_set_candidate(facts, m->model, &now);
	decide_model_changed(w->decide, m->model);
	event_model(w, m, "candidate");
}

void model_promote(struct world *w, const struct model_new *m)
{
	static const struct model_fact none;
	struct facts *facts = decide_facts(w->decide);
	struct model_fact was = facts_champion(facts, m->model), now = fact_of(w, m);
	struct model_fact candidate = facts_candidate(facts, m->model);

	if (was.version.len && !str_is(was.version, m->version))
		archive(w, m->model, &was);
	row_model(w, STR("champion"), m, w->wall);
	event_model(w, m, "promoted");
	facts_set_champion(facts, m->model, &now);
	if (str_is(candidate.version, m->version))
		facts_set_candidate(facts, m->model, &none);
	decide_model_deployed(w->decide, m->model);
	decide_model_changed(w->decide, m->model);
}
