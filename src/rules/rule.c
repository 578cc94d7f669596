/* Reading one rule: which kind it is, which keys that kind has, its expressions.
 *
 * Order: signals' names, then run and params (they settle what is known of the
 * model), then selectors, then the conditions. */
#include "rules/build.h"

#include <stdlib.h>

#include "base/json.h"

#define REARM_AFTER_MS (24 * INT64_C(3600000))
#define EVENT (1u << RULE_EVENT)
#define SIGNAL (1u << RULE_SIGNAL)
#define SCHEDULE (1u << RULE_SCHEDULE)

/* Keys that not every kind of rule has. */
static const struct {
	const char	*key;
	unsigned	 kinds;
} key_kinds[] = {
	{"on", EVENT | SIGNAL}, {"key", EVENT | SIGNAL},
	{"dedupe", EVENT}, {"schedule", SCHEDULE},
	{"coalesce", EVENT | SCHEDULE}, {"sequence", EVENT}, {"at_least", EVENT},
	{"within", EVENT},
	{"signals", SIGNAL}, {"for", SIGNAL}, {"keep_firing_for", SIGNAL},
	{"recover", SIGNAL}, {"on_clear", SIGNAL}, {"refire", SIGNAL}, {"every", SIGNAL},
	{"rearm", SIGNAL}, {"rearm_after", SIGNAL},
};
static const char *const kind_names[] = {
	[RULE_EVENT] = "an event rule", [RULE_SIGNAL] = "a signal rule",
	[RULE_SCHEDULE] = "a schedule rule",
};
static const char *const kind_why[] = {
	[RULE_EVENT] = "it has no 'signals'", [RULE_SIGNAL] = "it has 'signals'",
	[RULE_SCHEDULE] = "it has a 'schedule'",
};

static enum rule_kind kind_of(const struct yaml *map)
{
	if (load_get(map, "schedule"))
		return RULE_SCHEDULE;
	return load_get(map, "signals") ? RULE_SIGNAL : RULE_EVENT;
}

static unsigned kinds_with(struct str key)
{
	for (size_t i = 0; i < G_N_ELEMENTS(key_kinds); i++)
		if (str_is(key, str_of(key_kinds[i].key)))
			return key_kinds[i].kinds;
	return EVENT | SIGNAL | SCHEDULE;
}

const struct yaml *rule_defaults(struct load *ld, const struct yaml *defaults,
    const struct yaml *rule)
{
	struct yaml *m;

	if (!defaults || defaults->kind != YAML_MAP)
		return NULL;
	m = ARENA_NEW(ld->tree, struct yaml);
	*m = *defaults;
	m->n = 0;
	m->pairs = ARENA_ARRAY(ld->tree, struct yaml_pair, defaults->n);
	for (uint32_t i = 0; i < defaults->n; i++)
		if (kinds_with(defaults->pairs[i].key->scalar) & (1u << kind_of(rule)))
			m->pairs[m->n++] = defaults->pairs[i];
	return m;
}

static const char *kinds_name(unsigned kinds)
{
	if (kinds == SIGNAL)
		return "signal rules";
	if (kinds == (EVENT | SCHEDULE))
		return "event and schedule rules";
	return kinds == EVENT ? "event rules" : "event and signal rules";
}

static void check_kind(struct reading *rd)
{
	enum rule_kind kind = rd->r->kind;

	if (kind == RULE_SCHEDULE && load_get(rd->map, "on"))
		BAD(rd->ld, load_key(rd->map, "on"),
		    "a rule has either 'on' or 'schedule'");
	else if (kind != RULE_SCHEDULE && !load_get(rd->map, "on"))
		BAD(rd->ld, rd->map,
		    "the rule listens to nothing: expected 'on' or 'schedule'");
	for (uint32_t i = 0; i < rd->map->n; i++) {
		const struct yaml *key = rd->map->pairs[i].key;
		unsigned kinds = kinds_with(key->scalar);

		if ((kinds & (1u << kind)) || str_is(key->scalar, STR("on")) ||
		    yaml_is_null(rd->map->pairs[i].value))
			continue;
		BAD(rd->ld, key, "'%.*s' belongs to %s: this is %s (%s)",
		    STR_ARG(key->scalar), kinds_name(kinds), kind_names[kind],
		    kind_why[kind]);
	}
	if (kind == RULE_SIGNAL && !rd->k.when)
		BAD(rd->ld, rd->map,
		    "a signal rule needs 'when': the condition over its signals");
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

void rule_reads(struct reading *rd, const struct prog *p)
{
	const struct expr_ref *in;
	uint32_t n = p ? expr_inputs(p, &in) : 0;

	for (uint32_t i = 0; i < n; i++)
		if (in[i].space == EXPR_FIELD)
			g_array_append_val(rd->reads, in[i].input);
}

/* The reads so far, each once, ascending. */
static void keep_reads(struct reading *rd)
{
	uint32_t *v = (uint32_t *)(void *)rd->reads->data, n = 0;

	if (rd->reads->len)
		qsort(v, rd->reads->len, sizeof *v, by_number);
	rd->r->reads = ARENA_ARRAY(rd->ld->keep, uint32_t, rd->reads->len);
	for (uint32_t i = 0; i < rd->reads->len; i++)
		if (n == 0 || rd->r->reads[n - 1] != v[i])
			rd->r->reads[n++] = v[i];
	rd->r->reads_n = n;
}

const struct prog *rule_expr(struct reading *rd, const char *where, const struct yaml *y,
    unsigned allowed, enum expr_type want)
{
	const struct prog *p;

	rd->names.where = where;
	rd->names.allowed = allowed;
	rd->names.seen = 0;
	names_rule(&rd->names);
	p = names_expr(&rd->names, y, want);
	rd->seen |= rd->names.seen;
	return p;
}

void rule_context(struct reading *rd, unsigned seen, GString *json)
{
	const struct rule *r = rd->r;
	struct arena *tmp;

	if (seen & NAME_VARS) {
		tmp = arena_new(0);
		json_key(json, "vars"), value_to_json(r->vars, tmp, json);
		arena_free(tmp);
	}
	if ((seen & (NAME_LAST | NAME_MODEL)) && r->pipeline)
		json_key(json, "pipeline"), json_str(json, r->pipeline->name);
	if ((seen & NAME_MODEL) && r->model)
		json_key(json, "model"), json_str(json, expr_text(r->model));
}

/* With these also the events, as the rule can name them. */
unsigned rule_names(const struct reading *rd, unsigned also)
{
	if (rd->r->kind == RULE_EVENT && rd->names.selectors)
		also |= NAME_SELECTORS;
	return rd->names.several ? also : also | NAME_EVENT;
}

static void read_dedupe(struct reading *rd)
{
	struct dedupe_keys k;

	if (!rd->k.dedupe || rd->r->kind != RULE_EVENT)
		return;
	if (rd->k.dedupe->kind != YAML_MAP) {
		BAD(rd->ld, rd->k.dedupe,
		    "'dedupe' must be a map, as {key: data.version, for: 30d}");
		return;
	}
	options_read(dedupe_options, rd->k.dedupe, &k, rd->ld->tree, rd->ld->diags);
	rd->r->dedupe_ms = k.for_ms;
	rd->r->dedupe_key = rule_expr(rd, "dedupe.key", k.key,
	    rule_names(rd, NAME_KEY | NAME_VARS), EXPR_DYN);
	rule_reads(rd, rd->r->dedupe_key);
}

static void read_backoff(struct reading *rd)
{
	const struct yaml *y = rd->k.backoff;
	struct backoff_keys k;

	rd->r->backoff = y != NULL || rd->r->kind == RULE_SIGNAL;
	options_default(backoff_options, &k, rd->ld->tree);
	if (y && y->kind == YAML_SCALAR && str_is(y->scalar, STR("off")))
		rd->r->backoff = false;
	else if (y && y->kind != YAML_MAP)
		BAD(rd->ld, y,
		    "'backoff' must be off or a map, as {initial: 5m, max: 24h}");
	else if (y && options_read(backoff_options, y, &k, rd->ld->tree, rd->ld->diags) &&
	    k.initial_ms > k.max_ms)
		BAD(rd->ld, y, "'initial' is longer than 'max'");
	rd->r->backoff_initial_ms = k.initial_ms;
	rd->r->backoff_max_ms = k.max_ms;
}

static void read_breaker(struct reading *rd)
{
	const struct yaml *y = rd->k.breaker;
	struct breaker_keys k;

	if (!y)
		return;
	if (y->kind != YAML_MAP) {
		BAD(rd->ld, y, "'breaker' must be a map, as {after: 3, wait: 3d}");
		return;
	}
	if (!options_read(breaker_options, y, &k, rd->ld->tree, rd->ld->diags))
		return;
	rd->r->breaker_after = (uint32_t)k.after;
	rd->r->breaker_wait_ms = k.wait_ms;
}

static void read_labels(struct reading *rd)
{
	const struct yaml *y = rd->k.labels;

	if (!y)
		return;
	for (uint32_t i = 0; y->kind == YAML_MAP && i < y->n; i++)
		if (y->pairs[i].value->kind != YAML_SCALAR)
			BAD(rd->ld, y->pairs[i].value,
			    "the value of a label must be a text");
	if (y->kind == YAML_MAP)
		rd->r->labels = load_value(y, rd->ld->keep);
	else
		BAD(rd->ld, y, "'labels' must be a map");
}

static void read_plain(struct reading *rd)
{
	const struct rule_keys *k = &rd->k;
	struct rule *r = rd->r;

	r->description = load_keep(rd->ld, k->description);
	r->owner = load_keep(rd->ld, k->owner);
	r->mode = (enum rule_mode)k->mode;
	r->on_nodata = (enum policy)k->on_nodata;
	r->on_error = (enum policy)k->on_error;
	r->for_ms = k->for_ms;
	r->keep_ms = k->keep_ms;
	r->refire_ms = k->refire_ms;
	r->cooldown_ms = k->cooldown_ms;
	r->every_ms = k->every_ms;
	r->on_clear = (enum on_clear)k->on_clear;
	r->max_keys = (uint32_t)k->max_keys;
	r->key_ttl_ms = k->key_ttl_ms;
	r->rearm_on_deploy = k->rearm != 0;
	r->rearm_after_ms = k->rearm_after_ms ? k->rearm_after_ms : REARM_AFTER_MS;
	r->on_suppressed = r->kind == RULE_SIGNAL ? SUPPRESSED_DEFER : SUPPRESSED_DROP;
	if (k->on_suppressed)
		r->on_suppressed = (enum on_suppressed)k->on_suppressed;
}

static void read_conditions(struct reading *rd)
{
	struct rule *r = rd->r;
	unsigned all = rule_names(rd, NAME_KEY | NAME_NOW | NAME_LAST | NAME_MODEL |
	    NAME_VARS | NAME_SIGNALS);

	r->when = rule_expr(rd, "when", rd->k.when, all, EXPR_BOOL);
	rd->when_seen |= rd->names.seen;
	rule_reads(rd, r->when);
	if (r->kind == RULE_SIGNAL && rd->k.recover) {
		r->recover = rule_expr(rd, "recover", rd->k.recover, all, EXPR_BOOL);
		rd->when_seen |= rd->names.seen;
		rule_reads(rd, r->recover);
	}
	read_dedupe(rd);
}

/* An episode whose run was rejected owes one more: with nothing between the two, run
 * follows run for as long as the condition holds. */
static void check_pace(struct reading *rd)
{
	const struct rule *r = rd->r;
	const struct yaml *y = rd->k.backoff;

	if (r->kind != RULE_SIGNAL || !y || r->backoff || r->cooldown_ms ||
	    rd->seen & NAME_LAST)
		return;
	for (uint32_t i = 0; i < r->signals_n; i++)
		if (r->signals[i].spec.window == WINDOW_SINCE)
			return;
	WARN(rd->ld, y, "without backoff a failed or rejected run is followed by the next"
	    " at once, for as long as the condition holds: set a 'cooldown', or read"
	    " 'last_run' or a signal 'since: last_success'");
}

static void check_rearm(struct reading *rd)
{
	static const char *const keys[] = { "rearm", "rearm_after" };

	for (uint32_t i = 0; i < rd->r->signals_n; i++)
		if (rd->r->signals[i].spec.kind == SIGNAL_DETECT)
			return;
	for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
		if (rd->r->kind == RULE_SIGNAL && yaml_get(rd->map, str_of(keys[i])))
			BAD(rd->ld, load_key(rd->map, keys[i]),
			    "'%s' needs a signal with 'detect'", keys[i]);
}

static void hash_rule(struct reading *rd)
{
	GString *json = g_string_new(NULL);

	json_open(json, '{');
	json_key(json, "rule"), load_canonical(rd->map, json);
	rule_context(rd, rd->seen, json);
	calendar_use_hash(&rd->r->calendar, json);
	json_close(json, '}');
	load_hash16(json, rd->r->hash);
	g_string_free(json, true);
}

void rule_read(struct build *b, struct rule_file *file, const struct yaml *map,
    struct str name, struct rule *r)
{
	struct reading rd = {
		.b = b, .ld = &b->ld, .file = file, .map = map, .r = r,
		.reads = g_array_new(false, false, sizeof(uint32_t)),
	};

	options_read(rule_options, map, &rd.k, b->ld.tree, b->ld.diags);
	r->kind = kind_of(map);
	r->name = name;
	r->uid = rd.k.uid.len ? scope_name(b, file, rd.k.uid) : name;
	r->at = map->at;
	r->vars = file->vars;
	rd.names = (struct names){.ld = &b->ld, .plan = &b->rs->plan, .vars = file->vars};
	check_kind(&rd);
	rd.names.kept = rd.reads;
	rd.names.selectors_n = rule_selector_names(&rd);
	if (r->kind == RULE_EVENT && r->selectors_n && r->selectors[0].name.len)
		rd.names.selectors = r->selectors;
	else
		rd.names.several = r->kind == RULE_SIGNAL && rd.names.selectors_n > 1;
	if (!rd.names.selectors)
		rd.names.selectors_n = 0;
	read_plain(&rd);
	read_labels(&rd);
	read_backoff(&rd);
	read_breaker(&rd);
	rule_calendar(&rd);
	rule_join(&rd);
	rule_coalesce(&rd);
	rd.names.keeps = r->kind == RULE_EVENT && (r->join || r->coalesce ||
	    r->on_suppressed == SUPPRESSED_DEFER);
	rule_signals(&rd);
	rule_run(&rd);
	rule_budget(&rd);
	rule_selectors(&rd);
	rule_signal_values(&rd);
	rule_schedules(&rd);
	read_conditions(&rd);
	check_pace(&rd);
	check_rearm(&rd);
	r->reads_now = (rd.when_seen & NAME_NOW) != 0;
	r->reads_facts = (rd.seen & (NAME_LAST | NAME_MODEL)) != 0;
	keep_reads(&rd);
	hash_rule(&rd);
	g_array_unref(rd.reads);
}
