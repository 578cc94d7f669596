/* Budgets at admission: accounts and the pace of pipelines, in cells.
 *
 * Invariants
 *   (1) An account holds its current period only.  A period begins anew when the wall
 *       clock passes its end, or when the budget counts something else; never because the
 *       clock went back.
 *   (2) What a run reserved is in its own cell, with the period: settling in a later
 *       period changes nothing there.
 *   (3) Nothing is decided in the order of a hash table.
 */
#include "flow/budget.h"

#include <math.h>

#include "base/json.h"
#include "decide/cell.h"
#include "flow/engine.h"

#define HOUR_MS 3600000.0
#define ACCOUNTS_MAX 10000
#define GIB 1073741824.0

/* ---- accounts ---- */

static uint64_t account_hash(const struct budget *b, struct str who)
{
	uint64_t h = hash64(HASH64, b->name.p, b->name.len);

	h = hash64(h, "", 1);
	h = hash64(h, who.p, who.len);
	return h ? h : 1;
}

static uint32_t account_cell(const struct world *w, uint64_t hash)
{
	return GPOINTER_TO_UINT(g_hash_table_lookup(w->accounts, &hash));
}

/* The index's key is the cell's own member. */
static void index_account(struct world *w, uint32_t cell)
{
	const struct account_cell *c = cells_get(w->cells, cell);

	g_hash_table_insert(w->accounts, (gpointer)(uintptr_t)&c->hash,
	    GUINT_TO_POINTER(cell));
	g_array_append_val(w->account_cells, cell);
}

void budget_load(struct world *w, uint32_t cell)
{
	uint32_t bytes = cells_bytes(w->cells, cell);
	const struct account_cell *a = cells_get(w->cells, cell);
	const struct pace_cell *p = cells_get(w->cells, cell);

	if (cells_kind(w->cells, cell) == CELL_PACE) {
		if (bytes >= sizeof(*p) && bytes == sizeof(*p) + p->name_len &&
		    p->n <= PACE_MAX && p->at < PACE_MAX)
			g_array_append_val(w->pace_cells, cell);
	} else if (bytes >= sizeof(*a) &&
	    bytes == sizeof(*a) + a->name_len + a->who_len) {
		index_account(w, cell);
	}
}

/* Those whose period is over; what they held is of no use any more. */
static void drop_old(struct world *w)
{
	guint kept = 0;

	for (guint i = 0; i < w->account_cells->len; i++) {
		uint32_t cell = g_array_index(w->account_cells, uint32_t, i);
		const struct account_cell *c = cells_get(w->cells, cell);

		if (c->to > w->wall) {
			g_array_index(w->account_cells, uint32_t, kept++) = cell;
			continue;
		}
		g_hash_table_remove(w->accounts, &c->hash);
		cells_drop(w->cells, cell);
	}
	g_array_set_size(w->account_cells, kept);
}

static uint32_t account_add(struct world *w, const struct budget *b, struct str who)
{
	struct account_cell *c;
	uint32_t cell;

	if (g_hash_table_size(w->accounts) >= ACCOUNTS_MAX)
		drop_old(w);
	cell = cells_add(w->cells, CELL_ACCOUNT,
	    (uint32_t)sizeof(*c) + b->name.len + who.len);
	c = cells_touch(w->cells, cell);
	c->hash = account_hash(b, who);
	c->name_len = (uint16_t)b->name.len;
	c->who_len = (uint16_t)who.len;
	memcpy(c + 1, b->name.p, b->name.len);
	if (who.len)
		memcpy((char *)(c + 1) + b->name.len, who.p, who.len);
	index_account(w, cell);
	return cell;
}

struct view { double used; int64_t from, to; };

/* The account at this time: what it holds, or an empty period. */
static struct view account_view(const struct budget *b, const struct account_cell *c,
    int64_t wall_ms)
{
	struct view v = { 0 };

	budget_period(b, wall_ms, &v.from, &v.to);
	if (c && c->resource == b->resource && c->per == b->per && c->from >= v.from)
		v = (struct view){ c->used, c->from, c->to };
	return v;
}

static struct str part_of_name(const struct world *w, const struct budget *b,
    const struct order *o)
{
	const struct rule *r = o->rule.len ? ruleset_rule(w->rules, o->rule) : NULL;

	switch (b->scope) {
	case BUDGET_OWNER:
		return r && r->owner.len ? r->owner : o->pipeline->owner;
	case BUDGET_MODEL:
		return o->model;
	case BUDGET_KEY:
		return o->key;
	case BUDGET_ALL:
		break;
	}
	return STR("");
}

/* Names are short; who is not is known by the beginning. */
static struct str who_of(const struct world *w, const struct budget *b,
    const struct order *o)
{
	struct str s = part_of_name(w, b, o);

	s.len = MIN(s.len, 1024);
	return s;
}

/* ---- how long a run takes ---- */

static uint32_t pace_cell(const struct world *w, struct str pipeline)
{
	for (guint i = 0; i < w->pace_cells->len; i++) {
		uint32_t cell = g_array_index(w->pace_cells, uint32_t, i);
		const struct pace_cell *c = cells_get(w->cells, cell);

		if (str_is(pipeline, (struct str){ (const char *)(c + 1), c->name_len }))
			return cell;
	}
	return 0;
}

static void pace_note(struct world *w, struct str pipeline, int64_t ms)
{
	uint32_t cell = pace_cell(w, pipeline);
	struct pace_cell *c;

	if (!cell) {
		cell = cells_add(w->cells, CELL_PACE,
		    (uint32_t)sizeof(*c) + pipeline.len);
		c = cells_touch(w->cells, cell);
		c->name_len = pipeline.len;
		memcpy(c + 1, pipeline.p, pipeline.len);
		g_array_append_val(w->pace_cells, cell);
	}
	c = cells_touch(w->cells, cell);
	c->ms[c->at] = ms;
	c->at = (c->at + 1) % PACE_MAX;
	c->n = MIN(c->n + 1, PACE_MAX);
}

static int by_ms(const void *pa, const void *pb)
{
	int64_t a = *(const int64_t *)pa, b = *(const int64_t *)pb;

	return (a > b) - (a < b);
}

static double hours_expected(const struct world *w, const struct pipeline *p)
{
	uint32_t cell = pace_cell(w, p->name);
	const struct pace_cell *c = cell ? cells_get(w->cells, cell) : NULL;
	int64_t v[PACE_MAX];

	if (!c || !c->n)
		return p->timeout_ms ? (double)p->timeout_ms / HOUR_MS : 1;
	memcpy(v, c->ms, sizeof(v));
	qsort(v, c->n, sizeof(v[0]), by_ms);
	return ((double)v[(c->n - 1) / 2] + (double)v[c->n / 2]) / 2 / HOUR_MS;
}

static double factor_of(const struct budget *b, const struct pipeline *p)
{
	switch (b->resource) {
	case BUDGET_RUNS:
		return 0;
	case BUDGET_WALL_HOURS:
		return 1;
	case BUDGET_CPU_HOURS:
		return p->resources.cpu;
	case BUDGET_GPU_HOURS:
		return p->resources.gpu;
	case BUDGET_MEMORY_HOURS:
		return (double)p->resources.memory / GIB;
	}
	return 0;
}

/* ---- admission ---- */

struct asked { const struct budget *b[CHARGES_MAX]; };

static struct asked budgets_of(const struct world *w, const struct order *o)
{
	const struct rule *r = o->rule.len ? ruleset_rule(w->rules, o->rule) : NULL;
	const struct budget *p = ruleset_budget(w->rules, o->pipeline->name);
	struct asked a = { { r ? r->budgets[0] : NULL, p } };

	if (a.b[0] == a.b[1])
		a.b[1] = NULL;
	return a;
}

static double amount_of(const struct world *w, const struct budget *b,
    const struct pipeline *p)
{
	return b->resource == BUDGET_RUNS ? 1 : hours_expected(w, p) * factor_of(b, p);
}

/* "2/3 runs per day", "37.5 + 8/40 cpu_hours per week" */
static void put_numbers(const struct budget *b, double used, double amount,
    struct str who, GString *out)
{
	char text[3][G_ASCII_DTOSTR_BUF_SIZE];

	g_ascii_formatd(text[0], sizeof(text[0]), "%.6g", used);
	g_ascii_formatd(text[1], sizeof(text[1]), "%.6g", amount);
	g_ascii_formatd(text[2], sizeof(text[2]), "%.6g", b->limit);
	if (out->len)
		g_string_append(out, "; ");
	g_string_append_printf(out, "%.*s", STR_ARG(b->name));
	if (who.len)
		g_string_append_printf(out, " of '%.*s'", STR_ARG(who));
	g_string_append_printf(out, " %s", text[0]);
	if (b->resource != BUDGET_RUNS)
		g_string_append_printf(out, " + %s", text[1]);
	g_string_append_printf(out, "/%s %s per %s", text[2],
	    budget_resource_name(b->resource), budget_per_name(b->per));
}

bool budget_admits(struct world *w, const struct order *o, struct verdict *v)
{
	struct asked a = budgets_of(w, o);
	GString *text = g_string_new(NULL);

	for (int i = 0; i < CHARGES_MAX && v->by == SUPP_NONE; i++) {
		const struct budget *b = a.b[i];
		struct str who;
		struct view now;
		uint32_t cell;
		double amount;

		if (!b)
			continue;
		who = who_of(w, b, o);
		cell = account_cell(w, account_hash(b, who));
		now = account_view(b, cell ? cells_get(w->cells, cell) : NULL, w->wall);
		amount = amount_of(w, b, o->pipeline);
		if (now.used + amount > b->limit + 1e-9 * b->limit) {
			g_string_truncate(text, 0);
			v->by = SUPP_BUDGET;
			v->end_ms = now.to;
			v->defer = b->defers;
		}
		put_numbers(b, now.used, amount, who, text);
	}
	v->budget = text_take(w, text);
	return v->by == SUPP_NONE;
}

void budget_reserve(struct world *w, const struct order *o, struct run *r)
{
	struct asked a = budgets_of(w, o);
	struct run_cell *rc = run_touch(w, r);

	for (int i = 0; i < CHARGES_MAX; i++) {
		const struct budget *b = a.b[i];
		struct account_cell *c;
		struct str who;
		struct view now;
		uint32_t cell;

		if (!b)
			continue;
		who = who_of(w, b, o);
		cell = account_cell(w, account_hash(b, who));
		now = account_view(b, cell ? cells_get(w->cells, cell) : NULL, w->wall);
		if (!cell)
			cell = account_add(w, b, who);
		c = cells_touch(w->cells, cell);
		rc->charge[i] = (struct charge){ .account = c->hash, .period = now.from,
			.amount = amount_of(w, b, o->pipeline),
			.factor = factor_of(b, o->pipeline) };
		c->from = now.from;
		c->to = now.to;
		c->resource = (uint8_t)b->resource;
		c->per = (uint8_t)b->per;
		c->used = now.used + rc->charge[i].amount;
		if (b->resource != BUDGET_RUNS && rc->charge[i].factor == 0)
			rc->charge[i].account = 0;	/* it takes up nothing */
	}
}

/* What it was in the end. */
static double actual(const struct run_cell *c, const struct charge *h)
{
	double hours = (double)MAX(c->finished_ms - c->started_ms, 0) / HOUR_MS;

	if (!c->started_ms)
		return 0;
	return h->factor == 0 ? 1 : hours * h->factor;
}

void budget_settle(struct world *w, struct run *r)
{
	bool freed = false;

	if (r->c->state == RUN_COMPLETED && r->c->started_ms)
		pace_note(w, r->b.pipeline, MAX(r->c->finished_ms - r->c->started_ms, 0));
	for (int i = 0; i < CHARGES_MAX; i++) {
		const struct charge *h = &r->c->charge[i];
		uint32_t cell = h->account ? account_cell(w, h->account) : 0;
		const struct account_cell *c = cell ? cells_get(w->cells, cell) : NULL;
		double by = c ? actual(r->c, h) - h->amount : 0;

		if (!c || c->from != h->period || by == 0)
			continue;
		freed |= by < 0;
		((struct account_cell *)cells_touch(w->cells, cell))->used =
		    MAX(c->used + by, 0);
	}
	if (freed)
		decide_budget_free(w->decide);
}

/* ---- reading ---- */

static struct str who_of_cell(const struct account_cell *c)
{
	return (struct str){ (const char *)(c + 1) + c->name_len, c->who_len };
}

static void put_account(const struct budget *b, const struct account_cell *c,
    int64_t wall_ms, GString *out)
{
	struct view now = account_view(b, c, wall_ms);

	json_open(out, '{');
	json_key(out, "budget"), json_str(out, b->name);
	json_key(out, "account");
	if (b->scope == BUDGET_ALL)
		json_nil(out);
	else
		json_str(out, who_of_cell(c));
	json_key(out, "resource"), json_cstr(out, budget_resource_name(b->resource));
	json_key(out, "per"), json_cstr(out, budget_per_name(b->per));
	json_key(out, "scope"), json_cstr(out, budget_scope_name(b->scope));
	json_key(out, "limit"), json_double(out, b->limit);
	json_key(out, "used"), json_double(out, now.used);
	json_key(out, "from"), json_time(out, now.from);
	json_key(out, "to"), json_time(out, now.to);
	json_key(out, "owner"), json_str(out, b->owner);
	json_key(out, "description"), json_str(out, b->description);
	json_close(out, '}');
}

static int by_who(const void *pa, const void *pb)
{
	const struct account_cell *const *a = pa, *const *b = pb;

	return str_cmp(who_of_cell(*a), who_of_cell(*b));
}

/* The accounts that there are of one budget, by whose they are. */
static void put_accounts(const struct world *w, const struct budget *b, int64_t wall_ms,
    GString *out)
{
	GPtrArray *v = g_ptr_array_new();

	for (guint i = 0; i < w->account_cells->len; i++) {
		const struct account_cell *c = cells_get(w->cells,
		    g_array_index(w->account_cells, uint32_t, i));

		if (str_is(b->name, (struct str){ (const char *)(c + 1), c->name_len }))
			g_ptr_array_add(v, (gpointer)(uintptr_t)c);
	}
	g_ptr_array_sort(v, by_who);
	for (guint i = 0; i < v->len; i++)
		put_account(b, v->pdata[i], wall_ms, out);
	g_ptr_array_free(v, TRUE);
}

void world_budgets_json(const struct world *w, int64_t wall_ms, GString *out)
{
	json_open(out, '[');
	for (uint32_t i = 0; w->rules && i < w->rules->budgets_n; i++) {
		const struct budget *b = w->rules->budgets[i];
		uint32_t cell = account_cell(w, account_hash(b, STR("")));

		if (b->scope == BUDGET_ALL)
			put_account(b, cell ? cells_get(w->cells, cell) : NULL,
			    wall_ms, out);
		else
			put_accounts(w, b, wall_ms, out);
	}
	json_close(out, ']');
}
