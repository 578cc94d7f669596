/* Rules that wait: several events that make one match, bursts that make one run. */
#include "rules/build.h"

static bool find_selector(struct reading *rd, const struct yaml *y, uint32_t *ret)
{
	const struct rule *r = rd->r;
	struct str *known = ARENA_ARRAY(rd->ld->tree, struct str, r->selectors_n);
	struct diag *d;

	for (uint32_t i = 0; i < r->selectors_n; i++) {
		known[i] = r->selectors[i].name;
		if (y->kind != YAML_SCALAR || !str_is(known[i], y->scalar))
			continue;
		*ret = i;
		return true;
	}
	if (y->kind != YAML_SCALAR) {
		BAD(rd->ld, y, "expected the name of a selector of 'on'");
		return false;
	}
	d = BAD(rd->ld, y, "'on' has no selector named '%.*s'", STR_ARG(y->scalar));
	load_near(rd->ld, d, y->scalar, known, r->selectors_n);
	return false;
}

/* The selectors that `list` names, each once. */
static bool read_list(struct reading *rd, const struct yaml *list, const char *key)
{
	struct rule *r = rd->r;
	bool ok = true;

	if (list->kind != YAML_SEQ) {
		BAD(rd->ld, list, "'%s' is a list of selectors of 'on'", key);
		return false;
	}
	r->join_of = ARENA_ARRAY(rd->ld->keep, uint32_t, list->n);
	for (uint32_t i = 0; i < list->n; i++) {
		uint32_t s;

		if (!find_selector(rd, list->items[i], &s)) {
			ok = false;
			continue;
		}
		for (uint32_t j = 0; j < r->join_of_n; j++)
			if (r->join_of[j] == s) {
				BAD(rd->ld, list->items[i],
				    "selector '%.*s' is named already",
				    STR_ARG(list->items[i]->scalar));
				return false;
			}
		r->join_of[r->join_of_n++] = s;
	}
	return ok;
}

static void check_unused(struct reading *rd, const char *key)
{
	const struct rule *r = rd->r;

	for (uint32_t i = 0; i < r->selectors_n; i++) {
		uint32_t j = 0;

		while (j < r->join_of_n && r->join_of[j] != i)
			j++;
		if (j == r->join_of_n)
			BAD(rd->ld, rd->k.on->pairs[i].key,
			    "selector '%.*s' is not in '%s': expected all of them there",
			    STR_ARG(r->selectors[i].name), key);
	}
}

static void read_sequence(struct reading *rd)
{
	const struct yaml *y = rd->k.sequence;

	rd->r->join = JOIN_SEQUENCE;
	if (!read_list(rd, y, "sequence"))
		return;
	if (y->n != 2)
		BAD(rd->ld, y, "'sequence' takes two selectors, the earlier first");
	else
		check_unused(rd, "sequence");
}

static void read_at_least(struct reading *rd)
{
	const struct yaml *y = rd->k.at_least;
	struct at_least_keys k;

	rd->r->join = JOIN_AT_LEAST;
	if (y->kind != YAML_MAP) {
		BAD(rd->ld, y,
		    "'at_least' must be a map, as {n: 2, of: [a, b, c], within: 1h}");
		return;
	}
	if (!options_read(at_least_options, y, &k, rd->ld->tree, rd->ld->diags))
		return;
	if (k.within_ms && rd->k.within_ms)
		BAD(rd->ld, load_key(y, "within"), "the rule has a 'within' already");
	else if (k.within_ms)
		rd->r->within_ms = k.within_ms;
	if (!read_list(rd, k.of, "of"))
		return;
	rd->r->join_n = (uint32_t)k.n;
	if (k.n > rd->r->join_of_n)
		BAD(rd->ld, yaml_get(y, STR("n")),
		    "'n' is more than the %u selectors of 'of'", rd->r->join_of_n);
	else
		check_unused(rd, "of");
}

void rule_join(struct reading *rd)
{
	const struct rule_keys *k = &rd->k;
	struct rule *r = rd->r;

	if (r->kind != RULE_EVENT)
		return;			/* told by check_kind() */
	if (!k->sequence && !k->at_least) {
		if (k->within_ms)
			BAD(rd->ld, load_key(rd->map, "within"),
			    "'within' belongs to 'sequence' and 'at_least'");
		return;
	}
	r->within_ms = k->within_ms;
	if (!r->selectors_n || !r->selectors[0].name.len)
		BAD(rd->ld, k->sequence ? k->sequence : k->at_least,
		    "'%s' needs selectors under names, as on: {a: {type: x},"
		    " b: {type: y}}",
		    k->sequence ? "sequence" : "at_least");
	else if (k->sequence && k->at_least)
		BAD(rd->ld, load_key(rd->map, "at_least"),
		    "a rule has either 'sequence' or 'at_least'");
	else if (k->sequence)
		read_sequence(rd);
	else
		read_at_least(rd);
	if (r->join != JOIN_NONE && !r->within_ms && !load_get(rd->map, "within"))
		BAD(rd->ld, k->sequence ? load_key(rd->map, "sequence") :
		    load_key(rd->map, "at_least"), "expected 'within': how long to wait");
}

void rule_coalesce(struct reading *rd)
{
	const struct yaml *y = rd->k.coalesce;
	struct coalesce_keys k;

	if (!y || rd->r->kind == RULE_SIGNAL)
		return;
	if (y->kind != YAML_MAP) {
		BAD(rd->ld, y,
		    "'coalesce' must be a map, as {quiet: 10m, max_delay: 2h}");
		return;
	}
	if (!options_read(coalesce_options, y, &k, rd->ld->tree, rd->ld->diags))
		return;
	if (k.max_delay_ms && k.max_delay_ms < k.quiet_ms)
		BAD(rd->ld, yaml_get(y, STR("max_delay")),
		    "'max_delay' is shorter than 'quiet'");
	rd->r->coalesce = true;
	rd->r->quiet_ms = k.quiet_ms;
	rd->r->max_delay_ms = k.max_delay_ms;
	rd->r->max_events = (uint32_t)k.max_events;
}
