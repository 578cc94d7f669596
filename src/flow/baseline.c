/* A model version's baseline: checked where it comes in, so that what a champion has
 * can be read later without asking again.
 *
 *	a step's metrics    key `baseline`: an invalid one fails the step
 *	promote.baseline    else that key of promote.metrics: ... the run
 *	a person's promote  the same: ... the command */
#include "flow/engine.h"
#include "signal/baseline_read.h"

bool baseline_ok(struct world *w, struct value v, struct str *why)
{
	struct arena *tmp;
	struct baseline_set set;
	struct err err = { 0 };
	bool ok;

	if (v.tag == VALUE_ABSENT || v.tag == VALUE_NULL)
		return true;
	tmp = arena_new(0);
	ok = baseline_set_read(v, tmp, &set, &err);
	arena_free(tmp);
	if (!ok)
		*why = arena_printf(w->arena, "baseline: %s", err.msg);
	return ok;
}

bool baseline_default(struct world *w, struct model_new *m, struct str *why)
{
	struct value v = value_null();
	GString *s;

	if (!m->baseline.len && m->metrics.len)
		v = value_member(value_from_json(m->metrics, w->arena), STR("baseline"),
		    w->arena);
	else if (m->baseline.len)
		v = value_from_json(m->baseline, w->arena);
	if (!baseline_ok(w, v, why))
		return false;
	if (m->baseline.len || v.tag != VALUE_MAP)
		return true;
	s = g_string_new(NULL);
	value_to_json(v, w->arena, s);
	m->baseline = text_take(w, s);
	return true;
}
