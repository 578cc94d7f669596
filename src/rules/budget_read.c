/* Reading `budgets:`, who refers to them, and the periods they count in. */
#include "base/time.h"
#include "base/zone.h"
#include "rules/build.h"

#define DAY_MS INT64_C(86400000)
#define LIMIT_MAX 1e12

/* ORDER on_over in keys.c */
enum on_over { OVER_DEFER = 1, OVER_APPROVE };

static const char *name_of(const char *const *v, unsigned n, unsigned i)
{
	return i < n ? v[i] : "";
}

const char *budget_resource_name(enum budget_resource r)
{
	static const char *const v[] = { "", "runs", "wall_hours", "cpu_hours",
		"gpu_hours", "memory_hours" };

	return name_of(v, G_N_ELEMENTS(v), r);
}

const char *budget_per_name(enum budget_per p)
{
	static const char *const v[] = { "", "day", "week", "month" };

	return name_of(v, G_N_ELEMENTS(v), p);
}

const char *budget_scope_name(enum budget_scope s)
{
	static const char *const v[] = { "", "all", "owner", "model", "key" };

	return name_of(v, G_N_ELEMENTS(v), s);
}

/* Local days; the first instant of one begins the period. */
static int64_t midnight(const struct budget *b, int64_t day)
{
	int64_t at[2];

	zone_instants(b->zone, day * DAY_MS, at);
	return at[0];
}

void budget_period(const struct budget *b, int64_t wall_ms, int64_t *ret_from,
    int64_t *ret_to)
{
	int64_t local = wall_ms + zone_offset_ms(b->zone, wall_ms), from, to;
	struct civil c;

	civil_of_ms(local, &c);
	from = days_from_civil(c.year, c.month, c.day);
	to = from + 1;
	if (b->per == BUDGET_WEEK) {
		from -= (c.weekday + 6) % 7;
		to = from + 7;
	} else if (b->per == BUDGET_MONTH) {
		from -= c.day - 1;
		to = c.month == 12 ? days_from_civil(c.year + 1, 1, 1) :
		    days_from_civil(c.year, c.month + 1, 1);
	}
	*ret_from = midnight(b, from);
	*ret_to = midnight(b, to);
}

static void read_budget(struct build *b, const struct yaml *map, struct budget *ret)
{
	struct load *ld = &b->ld;
	struct budget_keys k;
	struct err err = { 0 };

	if (!options_read(budget_options, map, &k, ld->tree, ld->diags))
		return;
	ret->owner = load_keep(ld, k.owner);
	ret->description = load_keep(ld, k.description);
	ret->resource = (enum budget_resource)k.resource;
	ret->per = (enum budget_per)k.per;
	ret->scope = (enum budget_scope)k.scope;
	ret->limit = k.limit;
	ret->defers = k.on_over == OVER_DEFER;
	if (!(k.limit > 0 && k.limit <= LIMIT_MAX))
		BAD(ld, yaml_get(map, STR("limit")), "'limit' must be more than 0");
	if (k.on_over == OVER_APPROVE)
		BAD(ld, yaml_get(map, STR("on_over")),
		    "'on_over: approve' is not available in this version");
	ret->zone = zones_get(ld->zones, k.timezone.len ? k.timezone : STR("UTC"), &err);
	if (!ret->zone)
		BAD(ld, yaml_get(map, STR("timezone")), "%s", err.msg);
}

static void add(struct build *b, const struct rule_file *f, const struct yaml *map)
{
	const struct yaml *y = yaml_get(map, STR("name"));
	struct budget *one = ARENA_NEW(b->ld.keep, struct budget);
	const char *key;

	if (map->kind != YAML_MAP) {
		BAD(&b->ld, map, "a budget must be a map with a name");
		return;
	}
	read_budget(b, map, one);
	if (!y || y->kind != YAML_SCALAR || !load_name(&b->ld, y, y->scalar, "budget"))
		return;
	one->name = scope_name(b, f, y->scalar);
	key = scope_key(b, f, y->scalar);
	if (g_hash_table_lookup(b->budgets, key)) {
		BAD(&b->ld, y, "there is a budget '%.*s' already", STR_ARG(one->name));
		return;
	}
	g_hash_table_insert(b->budgets, (gpointer)(uintptr_t)key, one);
	g_ptr_array_add(b->budget_names, (gpointer)(uintptr_t)y);
	b->rs->budgets[b->rs->budgets_n++] = one;
}

void budgets_read(struct build *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->files_n; i++) {
		struct file_keys *k = &b->files[i].keys;

		if (k->budgets && k->budgets->kind != YAML_SEQ) {
			BAD(&b->ld, k->budgets, "'budgets' must be a list");
			k->budgets = NULL;
		}
		n += k->budgets ? k->budgets->n : 0;
	}
	b->rs->budgets = ARENA_ARRAY(b->ld.keep, const struct budget *, n);
	for (uint32_t i = 0; i < b->files_n; i++) {
		const struct yaml *list = b->files[i].keys.budgets;

		for (uint32_t j = 0; list && j < list->n; j++)
			add(b, &b->files[i], list->items[j]);
	}
}

const struct budget *budget_find(struct build *b, const struct rule_file *f,
    const struct yaml *y)
{
	const struct budget *one;
	struct str *known;
	struct diag *d;

	if (!y)
		return NULL;
	if (y->kind != YAML_SCALAR) {
		BAD(&b->ld, y, "'budget' must be the name of a budget");
		return NULL;
	}
	one = scope_find(b, b->budgets, f, y->scalar);
	if (one)
		return one;
	known = ARENA_ARRAY(b->ld.tree, struct str, b->budget_names->len);
	for (guint i = 0; i < b->budget_names->len; i++)
		known[i] = ((const struct yaml *)b->budget_names->pdata[i])->scalar;
	d = BAD(&b->ld, y, "there is no budget '%.*s'", STR_ARG(y->scalar));
	load_near(&b->ld, d, y->scalar, known, b->budget_names->len);
	return NULL;
}

/* Which budgets a rule's runs are charged to; one that is in both counts once. */
void rule_budget(struct reading *rd)
{
	struct rule *r = rd->r;
	const struct budget *of_pipeline = NULL;

	for (uint32_t i = 0; i < rd->b->pipelines_n && r->pipeline; i++)
		if (rd->b->pipelines[i].pipeline == r->pipeline)
			of_pipeline = rd->b->pipelines[i].budget;
	r->budgets[0] = budget_find(rd->b, rd->file, rd->k.budget);
	r->budgets[1] = of_pipeline != r->budgets[0] ? of_pipeline : NULL;
}
