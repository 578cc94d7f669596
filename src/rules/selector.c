/* Selectors: which events a rule listens to, and under which key.
 *
 * `on` is a type, one selector, or selectors under names.  Names come first, because
 * parameters may read events by them.  The rule's `key` is that of every selector
 * without one. */
#include "rules/build.h"

#include "base/json.h"

static bool is_selector_key(struct str key)
{
	for (const struct option *o = selector_options; o->name; o++)
		if (str_is(key, str_of(o->name)))
			return true;
	return false;
}

/* A map of maps none of whose keys a selector has. */
static bool is_named(const struct yaml *on)
{
	for (uint32_t i = 0; i < on->n; i++)
		if (on->pairs[i].value->kind != YAML_MAP ||
		    is_selector_key(on->pairs[i].key->scalar))
			return false;
	return on->n > 0;
}

static void read_type(struct reading *rd, const struct yaml *y, struct str type,
    struct selector *s)
{
	const char *star = type.len ? memchr(type.p, '*', type.len) : NULL;

	if (star && star != type.p + type.len - 1)
		BAD(rd->ld, y, "'*' may stand at the end of a type only");
	s->type_prefix = star != NULL;
	type.len -= star ? 1 : 0;
	s->type = load_keep(rd->ld, type);
}

static void read_source(struct reading *rd, const struct yaml *y, struct str name,
    struct selector *s)
{
	const struct catalog *c = rd->ld->catalog;
	const struct catalog_instance *in = catalog_find(c, CATALOG_SOURCE, name);
	struct str *known = ARENA_ARRAY(rd->ld->tree, struct str, c->instances_n);
	uint32_t n = 0;

	if (in || str_is(name, STR(CATALOG_RUN))) {
		s->source = in ? in->id : CATALOG_RUN_ID;
		return;
	}
	for (uint32_t i = 0; i < c->instances_n; i++)
		if (c->instances[i].what == CATALOG_SOURCE)
			known[n++] = c->instances[i].name;
	if (c->configured)
		load_near(rd->ld, BAD(rd->ld, y, "no source '%.*s' in the configuration",
		    STR_ARG(name)), name, known, n);
	else
		WARN(rd->ld, y,
		    "source '%.*s' is not checked: no configuration was given",
		    STR_ARG(name));
}

/* `key`: an expression, or `all`. */
static const struct prog *read_key(struct reading *rd, const struct yaml *y,
    bool *ret_all)
{
	*ret_all = y && y->kind == YAML_SCALAR && str_is(y->scalar, STR("all"));
	if (!y || *ret_all)
		return NULL;
	return rule_expr(rd, "key", y, NAME_EVENT | NAME_VARS, EXPR_DYN);
}

static void hash_selector(struct reading *rd, const struct selector_keys *k,
    struct selector *s, unsigned seen)
{
	GString *j = g_string_new(NULL);

	json_open(j, '{');
	json_key(j, "source"), json_str(j, k->source);
	json_key(j, "type"), json_str(j, k->type);
	json_key(j, "subject"), json_str(j, k->subject);
	json_key(j, "where"), json_str(j, s->where ? expr_text(s->where) : STR(""));
	json_key(j, "key"), json_str(j, s->key ? expr_text(s->key) : STR(""));
	if (s->key_all)
		json_key(j, "all"), json_bool(j, true);
	json_key(j, "time"), json_str(j, s->time ? expr_text(s->time) : STR(""));
	json_key(j, "lateness"), json_i64(j, s->lateness_ms);
	json_key(j, "retained"), json_bool(j, s->retained);
	rule_context(rd, seen, j);
	json_close(j, '}');
	load_hash16(j, s->hash);
	g_string_free(j, true);
}

static void read_selector(struct reading *rd, const struct yaml *map, struct selector *s)
{
	struct selector_keys k;
	unsigned seen = 0;

	options_read(selector_options, map, &k, rd->ld->tree, rd->ld->diags);
	read_type(rd, yaml_get(map, STR("type")), k.type, s);
	s->subject = load_keep(rd->ld, k.subject);
	s->lateness_ms = k.lateness_ms;
	s->stale_ms = k.stale_ms;
	if (k.stale_ms && rd->r->kind != RULE_SIGNAL)
		BAD(rd->ld, load_key(map, "stale_after"),
		    "'stale_after' belongs to signal rules: this is an event rule (it"
		    " has no 'signals')");
	s->retained = k.retained;
	if (k.source.len)
		read_source(rd, yaml_get(map, STR("source")), k.source, s);
	if (k.key && rd->k.key)
		BAD(rd->ld, load_key(map, "key"), "the rule has a 'key' already");
	s->key = read_key(rd, k.key ? k.key : rd->k.key, &s->key_all);
	seen |= s->key ? rd->names.seen : 0;
	s->time = rule_expr(rd, "time", k.time, NAME_EVENT | NAME_VARS, EXPR_TIMESTAMP);
	seen |= rd->names.seen;
	s->where = rule_expr(rd, "where", k.where,
	    NAME_EVENT | NAME_KEY | NAME_VARS | NAME_LAST | NAME_MODEL | NAME_NOW,
	    EXPR_BOOL);
	seen |= rd->names.seen;
	if (!k.type.len && !k.source.len && !k.subject.len && !k.where)
		BAD(rd->ld, map,
		    "the selector is empty: expected at least one of type, source,"
		    " subject and where");
	hash_selector(rd, &k, s, seen);
}

/* `on: TYPE` as the map it stands for. */
static const struct yaml *type_map(struct reading *rd, const struct yaml *on)
{
	struct yaml *m = ARENA_NEW(rd->ld->tree, struct yaml), *key;

	key = ARENA_NEW(rd->ld->tree, struct yaml);
	*key = (struct yaml){.kind = YAML_SCALAR, .at = on->at, .scalar = STR("type")};
	*m = (struct yaml){.kind = YAML_MAP, .at = on->at, .n = 1};
	m->pairs = ARENA_NEW(rd->ld->tree, struct yaml_pair);
	m->pairs[0] = (struct yaml_pair){key, (struct yaml *)(uintptr_t)on};
	return m;
}

uint32_t rule_selector_names(struct reading *rd)
{
	const struct yaml *on = rd->k.on;
	struct rule *r = rd->r;

	if (!on || r->kind == RULE_SCHEDULE)
		return 0;
	r->selectors_n = 1;
	if (on->kind != YAML_MAP || !is_named(on)) {
		r->selectors = ARENA_ARRAY(rd->ld->keep, struct selector, 1);
		return 1;
	}
	if (on->n > RULE_SIGNALS_MAX)
		BAD(rd->ld, on, "a rule has at most %d selectors", RULE_SIGNALS_MAX);
	r->selectors_n = MIN(on->n, RULE_SIGNALS_MAX);
	r->selectors = ARENA_ARRAY(rd->ld->keep, struct selector, r->selectors_n);
	for (uint32_t i = 0; i < r->selectors_n; i++) {
		struct str name = on->pairs[i].key->scalar;

		r->selectors[i].name = load_keep(rd->ld, name);
		if (!load_ident(name))
			BAD(rd->ld, on->pairs[i].key,
			    "bad selector name '%.*s': expected letters, digits"
			    " and '_'",
			    STR_ARG(name));
		else if (r->kind == RULE_EVENT && names_reserved(name))
			BAD(rd->ld, on->pairs[i].key,
			    "a selector can't be called '%.*s': expressions know that"
			    " name already",
			    STR_ARG(name));
	}
	return r->selectors_n;
}

/* A key of some selectors only would never meet the others' events. */
static void check_keys(struct reading *rd)
{
	const struct rule *r = rd->r;
	uint32_t keyed = 0, all = 0;

	for (uint32_t i = 0; i < r->selectors_n; i++) {
		keyed += r->selectors[i].key != NULL;
		all += r->selectors[i].key_all;
	}
	if (all == r->selectors_n)
		BAD(rd->ld, rd->k.key ? rd->k.key : rd->k.on,
		    "with 'key: all' alone the rule never has a key: another selector"
		    " must bring them");
	for (uint32_t i = 0; keyed && i < r->selectors_n; i++)
		if (!r->selectors[i].key && !r->selectors[i].key_all)
			BAD(rd->ld, rd->k.on->pairs[i].key,
			    "selector '%.*s' has no key, and others have: expected the"
			    " same keys under all names, or 'key: all'",
			    STR_ARG(r->selectors[i].name));
}

void rule_selectors(struct reading *rd)
{
	const struct yaml *on = rd->k.on;
	struct rule *r = rd->r;
	uint32_t errors = diags_errors(rd->ld->diags);

	if (!on || r->kind == RULE_SCHEDULE)
		return;
	if (on->kind == YAML_SEQ) {
		BAD(rd->ld, on,
		    "'on' must be a type, a selector or selectors under names");
		return;
	}
	if (on->kind == YAML_MAP && is_named(on)) {
		for (uint32_t i = 0; i < r->selectors_n; i++)
			read_selector(rd, on->pairs[i].value, &r->selectors[i]);
	} else {
		if (on->kind == YAML_SCALAR)
			on = type_map(rd, on);
		read_selector(rd, on, &r->selectors[0]);
	}
	if (errors == diags_errors(rd->ld->diags))
		check_keys(rd);
}
