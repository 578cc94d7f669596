/* Building a rule set: files, defaults, pipelines, rules, index, hash.
 *
 * The steps go on after errors as far as they can, so that one pass tells everything;
 * what failed stays behind as an entry without contents, and names it defines are
 * known.  Only ruleset_build() decides whether there is a rule set at the end. */
#include "rules/ruleset.h"

#include "base/check.h"
#include "base/zone.h"
#include "rules/build.h"
#include "rules/dispatch.h"
#include "rules/ladder.h"
#include "rules/pipeline_read.h"

#define RULES_MAX 100000

struct ruleset_index {
	GHashTable	*rules, *uids, *pipelines;	/* struct str -> the thing */
	GHashTable	*budgets;	/* struct str of a pipeline -> its budget */
};

/* ---- files ---- */

static const struct yaml *want(struct load *ld, const struct yaml *y, enum yaml_kind kind,
    const char *name)
{
	if (!y || y->kind == kind)
		return y;
	BAD(ld, y, "'%s' must be a %s", name, kind == YAML_SEQ ? "list" : "map");
	return NULL;
}

static void read_defaults(struct load *ld, struct rule_file *f)
{
	const struct option *tables[3] = {rule_options, pipeline_options, step_options};
	struct defaults_keys k = {0};

	if (!want(ld, f->keys.defaults, YAML_MAP, "defaults"))
		return;
	options_read(defaults_options, f->keys.defaults, &k, ld->tree, ld->diags);
	f->rule = want(ld, k.rule, YAML_MAP, "rule");
	f->pipeline = want(ld, k.pipeline, YAML_MAP, "pipeline");
	f->step = want(ld, k.step, YAML_MAP, "step");
	options_known(&tables[0], 1, f->rule, ld->diags);
	options_known(&tables[1], 1, f->pipeline, ld->diags);
	options_known(&tables[2], 1, f->step, ld->diags);
}

static void read_file(struct build *b, const struct rule_text *text, uint32_t i)
{
	struct rule_file *f = &b->files[i];

	f->text = text;
	if (text->companion)
		return;
	f->root = yaml_parse(i, b->ld.tree, b->ld.diags);
	if (f->root && f->root->kind != YAML_MAP) {
		BAD(&b->ld, f->root, "a rule file is a map with 'rules' and 'pipelines'");
		f->root = NULL;
	}
	if (!f->root)
		return;
	options_read(file_options, f->root, &f->keys, b->ld.tree, b->ld.diags);
	f->keys.rules = want(&b->ld, f->keys.rules, YAML_SEQ, "rules");
	f->keys.pipelines = want(&b->ld, f->keys.pipelines, YAML_SEQ, "pipelines");
	f->keys.vars = want(&b->ld, f->keys.vars, YAML_MAP, "vars");
	f->vars = f->keys.vars ? load_value(f->keys.vars, b->ld.keep)
	    : value_map_of(NULL, NULL, 0, b->ld.keep);
	read_defaults(&b->ld, f);
}

/* The name of an entry with its bundle's prefix, kept; empty if it has none. */
static struct str full_name(struct build *b, const struct rule_file *f,
    const struct yaml *map, const char *what)
{
	const struct yaml *y = yaml_get(map, STR("name"));

	if (!y || y->kind != YAML_SCALAR || yaml_is_null(y) ||
	    !load_name(&b->ld, y, y->scalar, what))
		return (struct str){NULL, 0};
	return scope_name(b, f, y->scalar);
}

/* "FILE:LINE" of something defined before. */
static struct str place_of(struct build *b, struct span at)
{
	const struct text *t = diags_text(b->ld.diags, at.text);
	unsigned line, col;

	text_locate(t, at.off, &line, &col);
	return arena_printf(b->ld.tree, "%.*s:%u", STR_ARG(t->name), line);
}

/* ---- pipelines ---- */

static bool is_map(struct build *b, const struct yaml *y, const char *what)
{
	if (y->kind != YAML_MAP)
		BAD(&b->ld, y, "a %s must be a map with a name", what);
	return y->kind == YAML_MAP;
}

/* A map with the file's defaults under its keys. */
static const struct yaml *with_defaults(struct build *b, const struct rule_file *f,
    const struct yaml *map)
{
	const struct yaml *steps = yaml_get(map, STR("steps")), *all;
	struct yaml *m;

	all = load_merge(&b->ld, f->pipeline, map);
	if (!steps || !f->step)
		return all;
	m = ARENA_NEW(b->ld.tree, struct yaml);
	*m = *all;
	m->pairs = ARENA_ARRAY(b->ld.tree, struct yaml_pair, all->n);
	memcpy(m->pairs, all->pairs, all->n * sizeof *m->pairs);
	for (uint32_t i = 0; i < m->n; i++)
		if (m->pairs[i].value == steps)
			m->pairs[i].value = (struct yaml *)(uintptr_t)
			    steps_merge(&b->ld, steps, f->step);
	return m;
}

static void add_pipeline(struct build *b, const struct rule_file *f,
    const struct yaml *map)
{
	struct pipeline_entry *e = &b->pipelines[b->pipelines_n];
	const char *key = NULL;
	guint before = 0;

	if (!is_map(b, map, "pipeline"))
		return;
	*e = (struct pipeline_entry){.name = full_name(b, f, map, "pipeline"), .at = map};
	if (e->name.len) {
		key = scope_key(b, f, yaml_get(map, STR("name"))->scalar);
		before = GPOINTER_TO_UINT(g_hash_table_lookup(b->by_name, key));
	}
	if (before)
		BAD(&b->ld, yaml_get(map, STR("name")),
		    "there is a pipeline '%.*s' already, at %.*s", STR_ARG(e->name),
		    STR_ARG(place_of(b, b->pipelines[before - 1].at->at)));
	b->pipelines_n++;
	if (key && !before)
		g_hash_table_insert(b->by_name, (gpointer)(uintptr_t)key,
		    GUINT_TO_POINTER(b->pipelines_n));
	e->shared = f->text->shared;
	e->file = f;
	map = with_defaults(b, f, map);
	e->budget_at = load_get(map, "budget");
	e->pipeline = pipeline_load(&b->ld, map, e->name, f->text->dir);
}

static void read_pipelines(struct build *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->files_n; i++)
		n += b->files[i].keys.pipelines ? b->files[i].keys.pipelines->n : 0;
	b->pipelines = ARENA_ARRAY(b->ld.tree, struct pipeline_entry, n);
	for (uint32_t i = 0; i < b->files_n; i++) {
		const struct yaml *list = b->files[i].keys.pipelines;

		for (uint32_t j = 0; list && j < list->n; j++)
			add_pipeline(b, &b->files[i], list->items[j]);
	}
	b->rs->pipelines = ARENA_ARRAY(b->ld.keep, struct pipeline *, n);
	for (uint32_t i = 0; i < b->pipelines_n; i++)
		if (b->pipelines[i].pipeline)
			b->rs->pipelines[b->rs->pipelines_n++] = b->pipelines[i].pipeline;
}

/* Budgets are the rule set's, not the pipeline's: an edit of one is for all runs. */
static void pipeline_budgets(struct build *b)
{
	for (uint32_t i = 0; i < b->pipelines_n; i++) {
		struct pipeline_entry *e = &b->pipelines[i];

		e->budget = budget_find(b, e->file, e->budget_at);
	}
}

/* By name there is the newest one: an older generation's is for its own bundle. */
static void index_pipelines(struct build *b)
{
	GHashTable *table = b->rs->index->pipelines;

	for (uint32_t i = 0; i < b->pipelines_n; i++) {
		struct pipeline_entry *e = &b->pipelines[i];

		if (e->shared && g_hash_table_lookup(table, &e->pipeline->name))
			continue;
		g_hash_table_insert(table, &e->pipeline->name, e->pipeline);
		if (e->budget)
			g_hash_table_insert(b->rs->index->budgets, &e->pipeline->name,
			    (gpointer)(uintptr_t)e->budget);
	}
}

/* ---- rules ---- */

static void index_rule(struct build *b, struct rule *r, const struct yaml *map)
{
	struct ruleset_index *ix = b->rs->index;
	const struct yaml *uid = yaml_get(map, STR("uid"));
	const struct rule *old = g_hash_table_lookup(ix->rules, &r->name);

	if (!r->name.len)
		return;
	if (old) {
		BAD(&b->ld, yaml_get(map, STR("name")),
		    "there is a rule '%.*s' already, at %.*s", STR_ARG(r->name),
		    STR_ARG(place_of(b, old->at)));
		return;
	}
	g_hash_table_insert(ix->rules, &r->name, r);
	old = g_hash_table_lookup(ix->uids, &r->uid);
	if (old)
		BAD(&b->ld, uid ? uid : load_key(map, "name"),
		    "rule '%.*s' at %.*s has the uid '%.*s'"
		    " already",
		    STR_ARG(old->name), STR_ARG(place_of(b, old->at)), STR_ARG(r->uid));
	else
		g_hash_table_insert(ix->uids, &r->uid, r);
}

static void add_rule(struct build *b, struct rule_file *f, const struct yaml *map)
{
	struct rule *r = &b->rs->rules[b->rs->rules_n];
	const struct yaml *all;

	if (!is_map(b, map, "rule"))
		return;
	r->index = b->rs->rules_n++;
	all = load_merge(&b->ld, rule_defaults(&b->ld, f->rule, map), map);
	rule_read(b, f, all, full_name(b, f, map, "rule"), r);
	index_rule(b, r, map);
}

static void read_rules(struct build *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->files_n; i++) {
		struct rule_file *f = &b->files[i];

		if (f->keys.rules && f->keys.rules->n &&
		    str_is(f->text->bundle, SHARED_BUNDLE)) {
			BAD(&b->ld, load_key(f->root, "rules"), "'shared' holds no rules:"
			    " it is for what the rules of others refer to");
			f->keys.rules = NULL;
		}
		n += f->keys.rules ? f->keys.rules->n : 0;
	}
	if (n > RULES_MAX) {
		diag_add(b->ld.diags, SEV_ERROR, (struct span){0},
		    "%u rules: at most %d are possible", n, RULES_MAX)->whole = true;
		return;
	}
	b->rs->rules = ARENA_ARRAY(b->ld.keep, struct rule, n);
	for (uint32_t i = 0; i < b->files_n; i++) {
		const struct yaml *list = b->files[i].keys.rules;

		for (uint32_t j = 0; list && j < list->n; j++)
			add_rule(b, &b->files[i], list->items[j]);
	}
}

/* Equal definitions share one state, so it must keep what any of their rules reads. */
static void share_aggregates(struct ruleset *rs)
{
	GHashTable *all = g_hash_table_new(load_str_hash, load_str_equal);
	struct rule_signal *s, *first;

	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < rs->rules_n; i++) {
			for (uint32_t j = 0; j < rs->rules[i].signals_n; j++) {
				s = &rs->rules[i].signals[j];
				first = g_hash_table_lookup(all, &s->identity);
				if (!first)
					g_hash_table_insert(all, &s->identity, s);
				else if (pass == 0)
					first->spec.aggregates |= s->spec.aggregates;
				else
					s->spec.aggregates = first->spec.aggregates;
			}
		}
	}
	g_hash_table_unref(all);
}

/* ---- formats, the whole ---- */

/* The config has checked its maps with their places already. */
static void build_formats(struct build *b)
{
	const struct catalog *c = b->ld.catalog;
	struct ruleset *rs = b->rs;

	for (uint32_t i = 0; i < c->instances_n; i++)
		if (c->instances[i].what == CATALOG_SOURCE)
			rs->formats_n = MAX(rs->formats_n, c->instances[i].id + 1);
	rs->formats = ARENA_ARRAY(b->ld.keep, struct event_format *, rs->formats_n);
	for (uint32_t i = 0; i < c->instances_n; i++) {
		const struct catalog_instance *in = &c->instances[i];

		if (in->what == CATALOG_SOURCE)
			rs->formats[in->id] = event_format_build(in->preset, in->map,
			    rs->zones, b->ld.keep, b->ld.diags);
	}
}

static struct ruleset *ruleset_new(void)
{
	struct arena *arena = arena_new(0);
	struct ruleset *rs = ARENA_NEW(arena, struct ruleset);

	*rs = (struct ruleset){.refs = 1, .arena = arena, .zones = zones_new()};
	plan_init(&rs->plan, arena);
	rs->index = ARENA_NEW(arena, struct ruleset_index);
	rs->index->rules = g_hash_table_new(load_str_hash, load_str_equal);
	rs->index->uids = g_hash_table_new(load_str_hash, load_str_equal);
	rs->index->pipelines = g_hash_table_new(load_str_hash, load_str_equal);
	rs->index->budgets = g_hash_table_new(load_str_hash, load_str_equal);
	return rs;
}

struct ruleset *ruleset_build(const struct rule_text *texts, uint32_t n,
    const struct catalog *catalog, struct diags *diags)
{
	struct ruleset *rs = ruleset_new();
	uint32_t before = diags_errors(diags);
	struct build b = {
	    .ld = {.keep = rs->arena,
		.tree = arena_new(0),
		.diags = diags,
		.zones = rs->zones,
		.catalog = catalog,
		.progs = g_hash_table_new(load_str_hash, load_str_equal)},
	    .rs = rs,
	    .files_n = n,
	    .by_name = g_hash_table_new(g_str_hash, g_str_equal),
	    .calendars = g_hash_table_new(g_str_hash, g_str_equal),
	    .calendar_names = g_ptr_array_new(),
	    .budgets = g_hash_table_new(g_str_hash, g_str_equal),
	    .budget_names = g_ptr_array_new(),
	};

	b.files = ARENA_ARRAY(b.ld.tree, struct rule_file, n);
	for (uint32_t i = 0; i < n; i++)
		read_file(&b, &texts[i], i);
	for (uint32_t i = 0; i < n; i++)
		scope_defaults(&b, &b.files[i]);
	read_pipelines(&b);
	calendars_read(&b);
	budgets_read(&b);
	pipeline_budgets(&b);
	read_rules(&b);
	share_aggregates(rs);
	build_formats(&b);
	plan_finish(&rs->plan);
	g_hash_table_unref(b.by_name);
	g_hash_table_unref(b.calendars);
	g_ptr_array_unref(b.calendar_names);
	g_hash_table_unref(b.budgets);
	g_ptr_array_unref(b.budget_names);
	g_hash_table_unref(b.ld.progs);
	diags_sort(diags);
	if (diags_errors(diags) > before) {
		arena_free(b.ld.tree);
		ruleset_unref(rs);
		return NULL;
	}
	index_pipelines(&b);
	arena_free(b.ld.tree);
	ladders_build(rs);
	rs->dispatch = dispatch_build(rs->rules, rs->rules_n, rs->arena);
	ruleset_pack(rs, texts, n);
	ruleset_hash(rs, catalog);
	return rs;
}

struct ruleset *ruleset_empty(const struct catalog *catalog)
{
	struct diags *diags = diags_new(NULL, 0);
	struct ruleset *rs = ruleset_build(NULL, 0, catalog, diags);

	CHECK(rs);
	diags_free(diags);
	return rs;
}

struct ruleset *ruleset_ref(struct ruleset *rs)
{
	rs->refs++;
	return rs;
}

void ruleset_unref(struct ruleset *rs)
{
	if (!rs || --rs->refs > 0)
		return;
	for (uint32_t i = 0; i < rs->pipelines_n; i++)
		pipeline_unref(rs->pipelines[i]);
	dispatch_free(rs->dispatch);
	g_hash_table_unref(rs->index->rules);
	g_hash_table_unref(rs->index->uids);
	g_hash_table_unref(rs->index->pipelines);
	g_hash_table_unref(rs->index->budgets);
	zones_free(rs->zones);
	arena_free(rs->arena);
}

const struct rule *ruleset_rule(const struct ruleset *rs, struct str name_or_uid)
{
	const struct rule *r = g_hash_table_lookup(rs->index->rules, &name_or_uid);

	return r ? r : g_hash_table_lookup(rs->index->uids, &name_or_uid);
}

struct pipeline *ruleset_pipeline(const struct ruleset *rs, struct str name)
{
	return g_hash_table_lookup(rs->index->pipelines, &name);
}

const struct budget *ruleset_budget(const struct ruleset *rs, struct str pipeline)
{
	return g_hash_table_lookup(rs->index->budgets, &pipeline);
}

uint32_t ruleset_dispatch(const struct ruleset *rs, const struct event *e,
    const struct dispatch_hit **ret, struct arena *arena)
{
	return dispatch_find(rs->dispatch, rs->rules, e, ret, arena);
}
