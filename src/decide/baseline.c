/* Which baseline a sample is judged by.
 *
 *	inline in the rule > the entry of the model's champion > learned by the signal
 *
 * The champion's document is parsed once and kept for as long as it is the champion's;
 * what is kept is bounded, made again from the fact when asked, and no state.
 *
 * Invariants
 *   (1) A parsed document belongs to the fact that was there when it was parsed;
 *       baseline_forget() is called whenever a model has another champion.
 *   (2) A document that cannot be read (it was checked before it became a fact) counts
 *       as none: NO_DATA, not a guess.
 */
#include "decide/priv.h"
#include "signal/baseline_read.h"

#define PARSED_MAX 256		/* models */

struct parsed {
	char		*model;
	struct arena	*arena;
	struct baseline_set set;
};

static void parsed_free(gpointer p)
{
	struct parsed *e = p;

	arena_free(e->arena);
	g_free(e->model);
	g_free(e);
}

void baseline_init(struct decide *d)
{
	d->baselines = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, parsed_free);
}

void baseline_fini(struct decide *d)
{
	g_hash_table_destroy(d->baselines);
}

void baseline_forget(struct decide *d, struct str model)
{
	g_autofree char *name = g_strndup(model.p, model.len);

	g_hash_table_remove(d->baselines, name);
}

static const struct parsed *parse(struct decide *d, struct str model, char *name)
{
	struct model_fact m = facts_champion(d->facts, model);
	struct parsed *e = g_new0(struct parsed, 1);
	struct err err = { 0 };
	struct value v;

	e->model = name;
	e->arena = arena_new(0);
	if (m.baseline.len) {
		v = value_from_json(m.baseline, e->arena);
		if (!baseline_set_read(v, e->arena, &e->set, &err))
			e->set.n = 0;
	}
	/* All are made again when asked: whose turn it is makes no difference. */
	if (g_hash_table_size(d->baselines) >= PARSED_MAX)
		g_hash_table_remove_all(d->baselines);
	g_hash_table_insert(d->baselines, e->model, e);
	return e;
}

static const struct baseline_set *champion_set(struct decide *d, struct str model)
{
	char *name = g_strndup(model.p, model.len);
	const struct parsed *e = g_hash_table_lookup(d->baselines, name);

	if (!e)
		e = parse(d, model, name);
	else
		g_free(name);
	return &e->set;
}

const struct baseline *baseline_of(struct decide *d, const struct rule_signal *s,
    struct str model, struct str sub)
{
	char text[2 * KEY_BYTES_MAX];
	struct str name = s->baseline_name.len ? s->baseline_name : s->spec.name;

	if (s->spec.baseline)
		return s->spec.baseline;
	if (!model.len)
		return NULL;
	if (s->by) {
		name.len = (uint32_t)g_snprintf(text, sizeof text, "%.*s/%.*s",
		    STR_ARG(name), STR_ARG(sub));
		name.p = text;
		if (name.len >= sizeof text)
			return NULL;
	}
	return baseline_set_find(champion_set(d, model), name);
}
