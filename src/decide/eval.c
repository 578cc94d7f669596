/* One evaluation: what a rule's expressions see.
 *
 *	ctx_init()  rule and key
 *	ctx_event() | ctx_kept() | ctx_due()  where the fields come from
 *	ctx_vars()  key, now, signals; facts only where the rule reads them
 *	ctx_test(), ctx_eval(), ctx_params()
 *
 * Invariants
 *   (1) Evaluating changes no state: a trace is the same evaluation done again.
 *   (2) Signals are host objects that read their window when asked, at the clock of
 *       the evaluation.
 */
#include <inttypes.h>

#include "base/json.h"
#include "base/time.h"
#include "decide/priv.h"

#define EVENT_JSON_MAX 16384

static struct value sig_select(const struct host *h, struct str name, struct arena *a)
{
	const struct sig_host *s = (const struct sig_host *)(const void *)h;

	if (!s->root)
		return value_error(VALUE_NO_DATA, "no sample yet");
	if (s->stale && !str_is(name, STR("age")))
		return value_error(VALUE_NO_DATA, "stale: no event for stale_after");
	return signal_read(s->spec, s->d->cells, s->root, name, s->clock, a);
}

static struct value sig_call(const struct host *h, struct str fn, const struct value *arg,
    unsigned n, struct arena *a)
{
	const struct sig_host *s = (const struct sig_host *)(const void *)h;

	if (!s->root)
		return value_error(VALUE_NO_DATA, "no sample yet");
	if (s->stale)
		return value_error(VALUE_NO_DATA, "stale: no event for stale_after");
	return signal_call(s->spec, s->d->cells, s->root, fn, arg, n, s->clock, a);
}

static const struct host_ops sig_ops = { .type_name = "signal", .select = sig_select,
	.call = sig_call };

/* ---- a map of signals ---- */

static struct value sub_value(const struct sig_host *map, uint32_t root, struct arena *a)
{
	struct sig_host *s = ARENA_NEW(a, struct sig_host);

	if (!s)
		return value_error(VALUE_COST, "memory limit of the evaluation");
	*s = *map;
	s->host.ops = &sig_ops;
	s->root = root;
	return value_host(&s->host);
}

static struct value map_select(const struct host *h, struct str name, struct arena *a)
{
	const struct sig_host *s = (const struct sig_host *)(const void *)h;
	uint32_t root = signal_sub(s->spec, s->d->cells, s->root, name, false);

	if (!root || !signal_has_data(s->spec, s->d->cells, root, s->clock))
		return (struct value){ .tag = VALUE_ABSENT };
	return sub_value(s, root, a);
}

static bool map_next(const struct host *h, uint32_t *it, struct value *k, struct value *v,
    struct arena *a)
{
	const struct sig_host *s = (const struct sig_host *)(const void *)h;
	uint32_t root;
	struct str sub;

	if (!signal_sub_next(s->spec, s->d->cells, s->root, s->clock, it, &sub, &root))
		return false;
	*k = value_str(sub);
	*v = sub_value(s, root, a);
	return true;
}

static const struct host_ops map_ops = { .type_name = "map", .select = map_select,
	.next = map_next };

/* A map without a member is NO_DATA: `exists` over nothing would be false, and false
 * ends episodes. */
static struct value map_value(struct sig_host *s)
{
	uint32_t it = 0, root;
	struct str sub;

	if (!s->root || !signal_sub_next(s->spec, s->d->cells, s->root, s->clock, &it,
	    &sub, &root))
		return value_error(VALUE_NO_DATA, "no sub-key with data");
	s->host.ops = &map_ops;
	return value_host(&s->host);
}

void ctx_init(struct decide *d, struct ctx *c, struct rule_state *rs, struct str key)
{
	/* The rest goes with signals_n: ctx_vars(). */
	memset(c, 0, offsetof(struct ctx, vars) + RVAR_SIGNALS * sizeof(c->vars[0]));
	c->d = d;
	c->rs = rs;
	c->rule = rs->rule;
	c->key = key;
	c->wall = d->now_wall;
	c->tick = d->now_tick;
	for (uint32_t i = 0; i < d->scratch_n; i++)
		d->scratch[d->scratch_set[i]] = (struct value){ 0 };
	d->scratch_n = 0;
	c->fields = d->scratch;
}

static void scratch_put(struct decide *d, uint32_t field, struct value v)
{
	if (d->scratch[field].tag == VALUE_ABSENT)
		d->scratch_set[d->scratch_n++] = field;
	d->scratch[field] = v;
}

void ctx_event(struct ctx *c, const struct event *ev)
{
	c->event = ev;
	c->fields = ev->field;
	c->depth = ev->depth;
}

void ctx_kept(struct ctx *c, struct keyed *last)
{
	if (!last)
		return;
	c->last = cells_get(c->d->cells, last->cell);
	c->depth = c->last->depth;
	last_fields(c, c->last);
}

static bool path_is(const struct path *p, const char *a, const char *b)
{
	return p->n == (b ? 2 : 1) && str_is(p->seg[0], str_of(a)) &&
	    (!b || str_is(p->seg[1], str_of(b)));
}

/* A scheduled input is an event of which the due time is all there is. */
void ctx_due(struct ctx *c, int64_t due_ms)
{
	struct decide *d = c->d;
	int64_t prev = rule_due_prev(c->rule, due_ms);
	char text[TIME_TEXT];
	struct str s = { "", 0 };

	c->due_ms = due_ms;
	if (prev != INT64_MIN)
		s = arena_str(d->arena, str_of(time_print(prev, text)));
	for (uint32_t i = 0; i < c->rs->reads_n; i++) {
		uint32_t f = c->rs->reads[i];
		const struct path *p = &d->rules->plan.v[f];

		if (path_is(p, "event", "time"))
			scratch_put(d, f, value_time_ms(due_ms));
		else if (path_is(p, "event", "type"))
			scratch_put(d, f, value_str(STR("retraind.schedule")));
		else if (path_is(p, "data", "previous") && s.len)
			scratch_put(d, f, value_str(s));
		else if (path_is(p, "data", NULL) && s.len)
			scratch_put(d, f, value_from_json(arena_printf(d->arena,
			    "{\"previous\":\"%.*s\"}", STR_ARG(s)), d->arena));
	}
}

void last_put(struct ctx *c, uint32_t field, struct value v)
{
	scratch_put(c->d, field, v);
}

static struct eval eval_of(struct ctx *c)
{
	return (struct eval){ .fields = c->fields, .vars = c->vars, .arena = c->d->arena,
		.zones = c->d->rules->zones, .trace = c->trace };
}

struct value ctx_eval(struct ctx *c, const struct prog *p)
{
	struct eval e = eval_of(c);

	return expr_eval(p, &e);
}

enum result ctx_test(struct ctx *c, const struct prog *p)
{
	struct value v;

	if (!p)
		return RESULT_TRUE;
	v = ctx_eval(c, p);
	if (v.tag == VALUE_BOOL)
		return v.i ? RESULT_TRUE : RESULT_FALSE;
	return value_is_no_data(v) || v.tag == VALUE_ABSENT ? RESULT_UNKNOWN
							    : RESULT_ERROR;
}

struct value ctx_params(struct ctx *c)
{
	struct eval e = eval_of(c);

	if (!c->rule->params.kind)
		return value_map_of(NULL, NULL, 0, c->d->arena);
	e.trace = NULL;
	return tmpl_eval(&c->rule->params, &e);
}

struct str value_key(struct value v, struct arena *a)
{
	switch (v.tag) {
	case VALUE_STRING:
		return value_as_str(v);
	case VALUE_BOOL:
		return v.i ? STR("true") : STR("false");
	case VALUE_INT:
		return arena_printf(a, "%" PRId64, v.i);
	case VALUE_UINT:
		return arena_printf(a, "%" PRIu64, v.u);
	default:
		return (struct str){ 0 };
	}
}

static struct str text_of(struct value v)
{
	return v.tag == VALUE_STRING ? value_as_str(v) : (struct str){ 0 };
}

struct str ctx_model(struct ctx *c)
{
	return c->rule->model ? text_of(ctx_eval(c, c->rule->model)) : (struct str){ 0 };
}

static struct str model_of_pipeline(struct ctx *c)
{
	const struct prog *p = c->rule->pipeline ? c->rule->pipeline->model : NULL;
	struct value vars[PVAR_MAX] = { { 0 } }, v;
	struct eval e = eval_of(c);
	struct err err = { 0 };

	if (!p)
		return (struct str){ 0 };
	if (expr_constant(p, &v))
		return text_of(v);
	vars[PVAR_KEY] = c->vars[RVAR_KEY];
	vars[PVAR_NOW] = c->vars[RVAR_NOW];
	if (!pipeline_params(c->rule->pipeline, ctx_params(c), &vars[PVAR_PARAMS],
	    c->d->arena, &err))
		return (struct str){ 0 };
	e.vars = vars;
	e.trace = NULL;
	return text_of(expr_eval(p, &e));
}

struct str ctx_model_name(struct ctx *c)
{
	if (c->model.len)
		return c->model;
	return c->rule->model ? ctx_model(c) : model_of_pipeline(c);
}

void ctx_find_model(struct ctx *c)
{
	c->model = c->rule->model ? ctx_model(c) : model_of_pipeline(c);
}

static struct value event_value(struct ctx *c)
{
	struct arena *a = c->d->arena;
	const struct event *e = c->event;
	struct value *k, *v;

	if (!e)
		return c->last ? last_value(c->last, a) : value_null();
	k = ARENA_ARRAY(a, struct value, 6);
	v = ARENA_ARRAY(a, struct value, 6);
	k[0] = value_str(STR("id"));
	v[0] = value_str(e->id);
	k[1] = value_str(STR("source"));
	v[1] = value_str(e->source);
	k[2] = value_str(STR("type"));
	v[2] = value_str(e->type);
	k[3] = value_str(STR("subject"));
	v[3] = value_str(e->subject);
	k[4] = value_str(STR("time"));
	v[4] = value_time_ms(e->time_ms);
	k[5] = value_str(STR("data"));
	v[5] = e->data.len ? event_document(e, a) : value_null();
	return value_map_of(k, v, 6, a);
}

static struct value events_value(struct ctx *c)
{
	struct arena *a = c->d->arena;
	uint32_t n = c->items_n ? c->items_n : c->event || c->last;
	struct value *v = ARENA_ARRAY(a, struct value, n);

	for (uint32_t i = 0; i < c->items_n; i++)
		v[i] = last_value(&c->items[i]->c->ev, a);
	if (!c->items_n && n)
		v[0] = event_value(c);
	return value_list_of(v, n, a);
}

static void put_facts(struct ctx *c, uint32_t needs)
{
	struct facts *f = c->d->facts;
	struct str pipeline = c->rule->pipeline ? c->rule->pipeline->name : STR("");
	struct arena *a = c->d->arena;

	if (needs & 1u << RVAR_LAST_RUN) {
		struct run_fact r = facts_last_run(f, pipeline, c->key);

		c->vars[RVAR_LAST_RUN] = facts_run_value(&r, c->wall, a);
	}
	if (needs & 1u << RVAR_LAST_SUCCESS) {
		struct run_fact r = facts_last_success(f, pipeline, c->key);

		c->vars[RVAR_LAST_SUCCESS] = facts_run_value(&r, c->wall, a);
	}
	if (needs & 1u << RVAR_EVENTS)
		c->vars[RVAR_EVENTS] = events_value(c);
	if (needs & (1u << RVAR_CHAMPION | 1u << RVAR_CANDIDATE)) {
		struct model_fact m;

		ctx_find_model(c);
		m = facts_champion(f, c->model);
		c->vars[RVAR_CHAMPION] = facts_model_value(&m, a);
		m = facts_candidate(f, c->model);
		c->vars[RVAR_CANDIDATE] = facts_model_value(&m, a);
	}
}

/* Each named selector's event; one that has none reads as NO_DATA. */
static void put_selectors(struct ctx *c)
{
	for (uint32_t i = 0; i < c->rule->selectors_n; i++)
		c->vars[RVAR_SIGNALS + i] = (struct value){ .tag = VALUE_ABSENT };
	for (uint32_t i = 0; i < c->items_n; i++)
		if (c->items[i]->c->selector < c->rule->selectors_n)
			c->vars[RVAR_SIGNALS + c->items[i]->c->selector] =
			    last_value(&c->items[i]->c->ev, c->d->arena);
	if (!c->items_n && c->event)
		c->vars[RVAR_SIGNALS + c->selector] = event_value(c);
}

static bool is_stale(const struct ctx *c, struct keyed *k, uint32_t signal)
{
	return c->rs->has_stale && c->tick >=
	    signal_stale_from(c->d, k, c->rule->signals[signal].from);
}

void ctx_vars(struct ctx *c, struct keyed *k, int64_t clock, uint32_t needs)
{
	c->k = k;
	c->clock = clock;
	c->vars[RVAR_KEY] = value_str(c->key);
	c->vars[RVAR_NOW] = value_time_ms(c->wall);
	c->vars[RVAR_VARS] = c->rule->vars;
	for (uint32_t i = 0; k && i < c->rule->signals_n; i++) {
		c->sig[i] = (struct sig_host){ .host = { &sig_ops }, .d = c->d,
			.spec = &c->rule->signals[i].spec, .clock = clock,
			.root = signal_root(c->d, k, i),
			.stale = is_stale(c, k, i) };
		c->vars[RVAR_SIGNALS + i] = c->sig[i].spec->by ?
		    map_value(&c->sig[i]) : value_host(&c->sig[i].host);
	}
	if (needs & NEEDS_SELECTORS)
		put_selectors(c);
	if (needs & ~(1u << RVAR_KEY | 1u << RVAR_NOW | 1u << RVAR_VARS))
		put_facts(c, needs);
}

static void items_json(struct ctx *c, GString *out)
{
	GString *one = g_string_new(NULL);

	for (uint32_t i = 0; i < c->items_n; i++) {
		g_string_truncate(one, 0);
		value_to_json(last_value(&c->items[i]->c->ev, c->d->arena), c->d->arena,
		    one);
		json_raw(out, (struct str){ one->str, (uint32_t)one->len });
	}
	g_string_free(one, TRUE);
}

void ctx_events_json(struct ctx *c, GString *out)
{
	const struct event *e = c->event;

	json_open(out, '[');
	if (c->items_n) {
		items_json(c, out);
	} else if (e && e->data.len <= EVENT_JSON_MAX) {
		GString *one = g_string_new(NULL);

		event_to_json(e, one);
		json_raw(out, (struct str){ one->str, (uint32_t)one->len });
		g_string_free(one, TRUE);
	} else if (e) {			/* attributes only */
		struct event bare = *e;
		GString *one = g_string_new(NULL);

		bare.data = bare.body = (struct str){ 0 };
		event_to_json(&bare, one);
		json_raw(out, (struct str){ one->str, (uint32_t)one->len });
		g_string_free(one, TRUE);
	} else if (c->last) {
		GString *one = g_string_new(NULL);

		value_to_json(last_value(c->last, c->d->arena), c->d->arena, one);
		json_raw(out, (struct str){ one->str, (uint32_t)one->len });
		g_string_free(one, TRUE);
	}
	json_close(out, ']');
}
