/* Recorded events through rules, in virtual time.
 *
 * Invariants
 *   (1) Rows stand in the order of the decisions; those of the warm-up are not kept.
 *   (2) A run's end changes the row of the decision that caused it, found through
 *       `open`, which holds only unfinished runs.
 */
#include "base/time.h"
#include "replay/sim_priv.h"
#include "replay/backtest.h"

#define ITEMS_STEP 65536	/* between two calls of progress */

struct bt {
	const struct backtest_options *o;
	struct backtest	*r;
	struct sim	*s;
	GHashTable	*open;		/* run id -> index of its row + 1 */
	GHashTable	*fired;		/* "rule\0key" -> itself */
	int64_t		 from;		/* rows before it are warm-up */
	int64_t		 next_sample;
	bool		 unknown_time;	/* of a run */
};

static bool shown(const struct bt *b, struct str rule)
{
	if (!b->o->only_n)
		return true;
	for (uint32_t i = 0; i < b->o->only_n; i++)
		if (str_is(b->o->only[i]->name, rule))
			return true;
	return false;
}

static int64_t run_time(const struct bt *b, struct str pipeline)
{
	return b->o->run_time ? b->o->run_time(b->o->ctx, pipeline) : -1;
}

static bool plan(void *ctx, const struct run_row *row, struct sim_plan *ret)
{
	const struct bt *b = ctx;

	*ret = (struct sim_plan){ .after_ms = MAX(run_time(b, row->pipeline), 0),
		.state = b->o->run_state ? b->o->run_state : RUN_COMPLETED,
		.outcome = b->o->run_outcome ? b->o->run_outcome : RUN_NONE,
		.reason = STR("a virtual run") };
	if (ret->state != RUN_COMPLETED)
		ret->outcome = RUN_NO_OUTCOME;
	return true;
}

/* ---- rows ---- */

static void count_key(struct bt *b, const struct backtest_row *row)
{
	char *id = g_strdup_printf("%.*s\n%.*s", STR_ARG(row->rule), STR_ARG(row->key));

	if (g_hash_table_add(b->fired, id))
		b->r->keys++;
}

static void count_row(struct bt *b, const struct backtest_row *row)
{
	struct backtest *r = b->r;

	switch (row->outcome) {
	case OUTCOME_FIRED:
	case OUTCOME_OBSERVED:
		r->fired += row->outcome == OUTCOME_FIRED;
		r->observed += row->outcome == OUTCOME_OBSERVED;
		r->first_ms = r->first_ms == TIME_NONE ? row->at_ms : r->first_ms;
		r->last_ms = row->at_ms;
		count_key(b, row);
		break;
	case OUTCOME_SUPPRESSED:
		r->suppressed += MAX(row->count, 1u);
		break;
	case OUTCOME_ERROR:
		r->errors += MAX(row->count, 1u);
		break;
	}
}

static void add_row(struct bt *b, const struct decision_row *d, int64_t wall)
{
	struct backtest *r = b->r;
	const struct rule *rule = ruleset_rule(b->o->rules, d->rule);
	struct backtest_row row = { .at_ms = wall, .end_ms = TIME_NONE,
		.due_ms = d->due_ms, .decision = d->id, .run = d->run,
		.outcome = d->outcome, .by = d->by, .count = d->count };

	if (wall < b->from || !shown(b, d->rule))
		return;
	row.rule = rule ? rule->name : arena_str(r->arena, d->rule);
	row.uid = rule ? rule->uid : row.rule;
	row.key = arena_str(r->arena, d->key);
	count_row(b, &row);
	if (r->rows_n >= BACKTEST_ROWS_MAX) {
		r->unseen++;
		return;
	}
	row.run_id = arena_str(r->arena, d->run_id);
	row.reason = arena_str(r->arena, d->reason);
	row.event = arena_str(r->arena, d->event_id);
	r->rows = arena_grow(r->arena, r->rows, r->rows_n, &r->rows_cap,
	    sizeof(*r->rows));
	r->rows[r->rows_n++] = row;
	if (d->run)
		g_hash_table_insert(b->open, GSIZE_TO_POINTER(d->run),
		    GUINT_TO_POINTER(r->rows_n));
}

/* How many objects stand in a JSON array. */
static uint32_t length(struct str json, struct arena *a)
{
	struct value v = json.len ? value_from_json(json, a) : value_null();

	return v.tag == VALUE_LIST ? v.list->n : 0;
}

static void take_run(struct bt *b, const struct run_row *run, struct arena *a)
{
	guint at = GPOINTER_TO_UINT(g_hash_table_lookup(b->open,
	    GSIZE_TO_POINTER(run->id)));
	struct backtest_row *row = at ? &b->r->rows[at - 1] : NULL;
	int64_t ms = run_time(b, run->pipeline);

	if (!row)
		return;
	if (!row->params.p) {		/* its first row */
		row->params = arena_str(b->r->arena, run->params);
		row->events = length(run->events, a);
		b->r->coalesced += row->events > 1 ? row->events - 1 : 0;
		b->unknown_time |= ms < 0;
		b->r->hours += (double)MAX(ms, 0) / 3600e3;
	}
	if (run->state == RUN_RUNNING && ms >= 0)
		row->end_ms = run->started_ms + ms;
	if (run_is_terminal(run->state)) {
		row->end_ms = ms >= 0 ? run->finished_ms : TIME_NONE;
		g_hash_table_remove(b->open, GSIZE_TO_POINTER(run->id));
	}
}

static void on_turn(void *ctx, const struct input *in, const struct effects *fx)
{
	struct bt *b = ctx;

	for (uint32_t i = 0; i < fx->decided.decisions_n; i++)
		add_row(b, &fx->decided.decisions[i], in->wall_ms);
	for (uint32_t i = 0; i < fx->runs_n; i++)
		take_run(b, &fx->runs[i], fx->arena);
}

/* ---- one pass ---- */

static int64_t window_of(const struct rule *r)
{
	int64_t ms = r->for_ms;

	for (uint32_t i = 0; i < r->signals_n; i++)
		ms = MAX(ms, r->signals[i].spec.over_ms);
	return ms;
}

int64_t backtest_window(const struct ruleset *rs, const struct rule *const *only,
    uint32_t n)
{
	int64_t ms = 0;

	for (uint32_t i = 0; i < n; i++)
		ms = MAX(ms, window_of(only[i]));
	for (uint32_t i = 0; n == 0 && i < rs->rules_n; i++)
		ms = MAX(ms, window_of(&rs->rules[i]));
	return ms;
}

/* The rules that were named act; the others are not even listened to.  The rule set is
 * the caller's own, made for this, so its modes may be changed. */
static void set_modes(const struct backtest_options *o)
{
	for (uint32_t i = 0; o->only_n && i < o->rules->rules_n; i++) {
		struct rule *r = &o->rules->rules[i];
		bool named = false;

		for (uint32_t k = 0; k < o->only_n; k++)
			named |= o->only[k] == r;
		r->mode = named ? MODE_ACTIVE : MODE_DISABLED;
	}
}

static bool begin(struct bt *b, struct err *err)
{
	const struct backtest_options *o = b->o;
	int64_t warm = o->warm_ms < 0 ?
	    backtest_window(o->rules, o->only, o->only_n) : o->warm_ms;
	int64_t at = o->from_ms == TIME_NONE ? TIME_NONE : o->from_ms - warm;
	const struct sim_options so = { .rules = o->rules, .catalog = o->catalog,
		.wall_ms = at, .tick_ms = at == TIME_NONE ? 0 : at,
		.skip_before_ms = at == TIME_NONE ? 0 : at,
		.stop_after_ms = o->to_ms == TIME_NONE ? 0 : o->to_ms,
		.on_turn = on_turn, .plan = plan, .ctx = b };

	set_modes(o);
	b->from = o->from_ms == TIME_NONE ? INT64_MIN : o->from_ms;
	b->s = sim_new(&so);
	if (!sim_begin(b->s, NULL, 0, true, err))
		return false;
	for (uint32_t i = 0; i < o->champions_n; i++) {
		const struct backtest_champion *c = &o->champions[i];

		if (!sim_champion(b->s, c->model, c->version, c->metrics, c->baseline,
		    err))
			return false;
	}
	return true;
}

static void samples(struct bt *b)
{
	int64_t now = sim_wall(b->s);

	if (!b->o->sample || sim_inputs(b->s) == 0 || now < b->next_sample)
		return;
	b->o->sample(b->o->sample_ctx, b->s, now);
	b->next_sample = now - now % b->o->sample_ms + b->o->sample_ms;
}

static bool told(struct bt *b, struct sim_iter *it, struct err *err)
{
	double done = it->done ? it->done(it->ctx) : -1;

	if (!b->o->progress || !b->r->items || b->r->items % ITEMS_STEP ||
	    b->o->progress(b->o->ctx, done))
		return true;
	return err_set(err, ERR_USAGE, "interrupted");
}

static bool pass(struct bt *b, struct sim_iter *it, struct err *err)
{
	GString *why = g_string_new(NULL);
	struct sim_item item;
	int got = 0;

	while (told(b, it, err) && (got = it->next(it->ctx, &item, err)) > 0) {
		enum event_refusal refusal;

		b->r->items++;
		got = -1;
		if (!sim_give_item(b->s, &item, &refusal, why, err))
			break;
		got = 0;
		if (refusal != EVENT_OK) {
			b->r->refused++;
			if (b->o->refused)
				b->o->refused(b->o->ctx, b->r->items,
				    event_refusal_name(refusal), (struct str){
				    why->str, (uint32_t)why->len });
			g_string_truncate(why, 0);
		}
		samples(b);
		if (sim_over(b->s))
			break;
	}
	g_string_free(why, TRUE);
	return got >= 0 && err->code == ERR_NONE;
}

static bool finish(struct bt *b, struct err *err)
{
	struct backtest *r = b->r;
	const struct backtest_options *o = b->o;
	bool begun = sim_began(b->s) != TIME_NONE;

	if (o->to_ms != TIME_NONE && begun && sim_wall(b->s) < o->to_ms &&
	    !sim_until(b->s, o->to_ms, err))
		return false;
	r->events = sim_events(b->s);
	r->from_ms = o->from_ms != TIME_NONE ? o->from_ms : sim_began(b->s);
	r->to_ms = o->to_ms != TIME_NONE ? o->to_ms : begun ? sim_wall(b->s) : TIME_NONE;
	if (b->unknown_time)
		r->hours = -1;
	return true;
}

struct backtest *backtest_run(const struct backtest_options *o, struct sim_iter *it,
    struct err *err)
{
	struct bt b = { .o = o, .next_sample = INT64_MIN };
	struct backtest *r = g_new0(struct backtest, 1);

	r->arena = arena_new(0);
	r->first_ms = r->last_ms = TIME_NONE;
	b.r = r;
	b.open = g_hash_table_new(NULL, NULL);
	b.fired = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	if (!begin(&b, err) || !pass(&b, it, err) || !finish(&b, err)) {
		backtest_free(r);
		r = NULL;
	}
	sim_free(b.s);
	g_hash_table_destroy(b.open);
	g_hash_table_destroy(b.fired);
	return r;
}

void backtest_free(struct backtest *r)
{
	if (!r)
		return;
	arena_free(r->arena);
	g_free(r);
}
