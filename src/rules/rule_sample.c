/* What a signal takes from an event: its samples' values, sub-keys and texts.
 *
 *	value	one sample, its number
 *	each	a list or map of the event: one sample per element, read as `item`,
 *		with its index or key as `item_key`
 *	by	the sub-key: the signal is then a map of signals
 *
 * To add a key that is evaluated per sample: here, in rule_signal, and in
 * decide/sample.c. */
#include "rules/build.h"

#include "base/json.h"

static const struct prog *sample_expr(struct reading *rd, const struct yaml *map,
    const char *key, unsigned allowed, unsigned *seen)
{
	const struct prog *p = rule_expr(rd, key, load_get(map, key), allowed, EXPR_DYN);

	*seen |= load_get(map, key) ? rd->names.seen : 0;
	return p;
}

unsigned rule_sample(struct reading *rd, const struct yaml *map, struct rule_signal *s)
{
	unsigned allowed = NAME_EVENT | NAME_KEY | NAME_VARS | NAME_MODEL, seen = 0;

	s->each = sample_expr(rd, map, "each", allowed, &seen);
	allowed |= load_get(map, "each") ? NAME_ITEM : 0;
	s->by = sample_expr(rd, map, "by", allowed, &seen);
	s->value = sample_expr(rd, map, "value", allowed, &seen);
	if (load_get(map, "max_by") && !load_get(map, "by"))
		BAD(rd->ld, load_key(map, "max_by"), "'max_by' needs 'by'");
	return seen;
}

void rule_sample_hash(const struct rule_signal *s, GString *json)
{
	if (s->each)
		json_key(json, "each"), json_str(json, expr_text(s->each));
	if (s->by)
		json_key(json, "by"), json_str(json, expr_text(s->by));
}
