/* One input after the other: world_input().
 *
 * Invariants
 *   (1) Inputs are numbered: each takes the next seq, which is kept in a cell.
 *   (2) Reports, run commands and flow's deadlines go to flow first.  What they change
 *       for rules becomes a deadline of decide that is due now.
 *   (3) Between two emissions all that the first one caused has happened: queued runs
 *       started, promotes that waited done.  So the second sees the counts it left.
 *   (4) At the end of an input each changed run has left its rows, and an ended one
 *       its cells.
 *   (5) What is beside the cells is rebuilt by world_load(); nothing else is kept.
 */
#include "flow/budget.h"
#include "flow/engine.h"

static guint hash32(gconstpointer p)
{
	guint h;

	memcpy(&h, p, sizeof(h));
	return h;
}

static gboolean equal32(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, 32) == 0;
}

static void pipe_use_free(void *p)
{
	struct pipe_use *use = p;

	pipeline_unref(use->pipeline);
	g_free(use);
}

static bool is_active(const void *ctx, struct str pipeline, struct str key)
{
	const struct world *w = ctx;

	for (uint32_t i = 0; i < w->runs->len; i++) {
		const struct run *r = w->runs->pdata[i];

		if (!run_is_terminal(r->c->state) && str_is(r->b.pipeline, pipeline) &&
		    str_is(r->b.key, key))
			return true;
	}
	return false;
}

struct world *world_new(void)
{
	struct world *w = g_new0(struct world, 1);

	w->cells = cells_new();
	w->decide = decide_new(w->cells);
	decide_active(w->decide, is_active, w);
	w->instance = g_string_new(NULL);
	w->epoch = g_string_new(NULL);
	w->runs = g_ptr_array_new_with_free_func(run_free);
	w->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	w->by_key = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	w->pipes = g_hash_table_new_full(hash32, equal32, NULL, pipe_use_free);
	w->due = g_sequence_new(NULL);
	w->dirty = g_ptr_array_new();
	w->freed = g_ptr_array_new_with_free_func(g_free);
	w->accounts = g_hash_table_new(g_int64_hash, g_int64_equal);
	w->account_cells = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	w->pace_cells = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	return w;
}

void world_free(struct world *w)
{
	if (!w)
		return;
	g_sequence_free(w->due);
	g_hash_table_destroy(w->by_key);
	g_hash_table_destroy(w->by_name);
	g_ptr_array_free(w->runs, TRUE);
	g_ptr_array_free(w->dirty, TRUE);
	g_ptr_array_free(w->freed, TRUE);
	g_hash_table_destroy(w->accounts);
	g_array_free(w->account_cells, TRUE);
	g_array_free(w->pace_cells, TRUE);
	g_hash_table_destroy(w->pipes);
	g_string_free(w->instance, TRUE);
	g_string_free(w->epoch, TRUE);
	decide_free(w->decide);
	ruleset_unref(w->rules);
	cells_free(w->cells);
	g_free(w);
}

/* ---- load ---- */

static void read_text(const struct cells *cells, uint32_t id, GString *to)
{
	g_string_set_size(to, blob_len(cells, id));
	blob_copy(cells, id, to->str);
}

static void set_rules(struct world *w, struct ruleset *rules)
{
	struct ruleset *old = w->rules;

	w->rules = ruleset_ref(rules);
	ruleset_unref(old);
}

static int by_id(const void *a, const void *b)
{
	const struct run *x = *(struct run *const *)a, *y = *(struct run *const *)b;

	return (x->c->id > y->c->id) - (x->c->id < y->c->id);
}

static bool load_cells(struct world *w, struct err *err)
{
	for (uint32_t id = cells_next(w->cells, 0); id; id = cells_next(w->cells, id)) {
		uint8_t kind = cells_kind(w->cells, id);

		if (kind == CELL_WORLD)
			w->cell = id;
		else if (kind == CELL_ACCOUNT || kind == CELL_PACE)
			budget_load(w, id);
		else if (kind == CELL_RUN && !run_load(w, id, err))
			return false;
	}
	g_ptr_array_sort(w->runs, by_id);
	if (!w->cell)
		w->cell = cells_add(w->cells, CELL_WORLD, (uint32_t)sizeof(*w->c));
	w->c = cells_get(w->cells, w->cell);
	read_text(w->cells, w->c->instance, w->instance);
	read_text(w->cells, w->c->epoch, w->epoch);
	return true;
}

bool world_load(struct world *w, struct ruleset *rules, struct pipeline **pipelines,
    uint32_t n, struct err *err)
{
	GHashTableIter it;
	gpointer use;

	set_rules(w, rules);
	for (uint32_t i = 0; i < n; i++) {
		struct pipe_use *u = g_new0(struct pipe_use, 1);

		u->pipeline = pipelines[i];	/* the reference is ours now */
		if (g_hash_table_lookup(w->pipes, u->pipeline->hash))
			pipe_use_free(u);
		else
			g_hash_table_insert(w->pipes, u->pipeline->hash, u);
	}
	if (!load_cells(w, err))
		return err_in(err, "world");
	g_hash_table_iter_init(&it, w->pipes);	/* order does not matter: only removes */
	while (g_hash_table_iter_next(&it, NULL, &use))
		if (((struct pipe_use *)use)->runs == 0)
			g_hash_table_iter_remove(&it);
	return decide_load(w->decide, rules, err);
}

/* ---- one input ---- */

/* The process began: what ran before is unverified until its executor says more. */
static void on_start(struct world *w, const struct start *start)
{
	struct world_cell *c = cells_touch(w->cells, w->cell);

	blob_set(w->cells, &c->instance, start->instance);
	blob_set(w->cells, &c->epoch, start->epoch);
	read_text(w->cells, c->instance, w->instance);
	read_text(w->cells, c->epoch, w->epoch);
	for (uint32_t i = 0; i < w->runs->len; i++) {
		struct run *r = w->runs->pdata[i];

		for (uint32_t k = 0; k < r->c->steps_n; k++) {
			uint8_t phase = r->steps[k].c->phase;

			if (phase > PHASE_BACKOFF && phase != PHASE_BUSY)
				step_touch(w, r, k)->unverified = 1;
		}
		if (!r->pipeline)
			run_stop(w, r, END_FAIL, "its pipeline no longer compiles");
		run_advance(w, r);
	}
}

static void on_deadline(struct world *w, const struct deadline *d)
{
	struct run *r = d->floor == DUE_FLOW ? run_by_id(w, d->id) : NULL;

	if (r)
		run_due(w, r);
}

static void flow_first(struct world *w, const struct input *in)
{
	switch (in->kind) {
	case INPUT_START:
		on_start(w, in->start);
		break;
	case INPUT_REPORT:
		report_apply(w, in->report);
		break;
	case INPUT_COMMAND:
		command_apply(w, in->command);
		break;
	case INPUT_DEADLINE:
		on_deadline(w, &in->deadline);
		break;
	case INPUT_RULESET:
		set_rules(w, in->ruleset);
		break;
	case INPUT_EVENT:
	case INPUT_SOURCE:
		break;
	}
	admit_waiting(w);
}

/* Decisions that an event of ours may speak of.  One suppressed as too deep leaves
 * none: it would go on forever.  A counting row stands for many and is none itself. */
static void decision_events(struct world *w, uint32_t from, uint8_t cause)
{
	const struct decided *d = &w->fx->decided;
	uint8_t depth = cause < UINT8_MAX ? (uint8_t)(cause + 1) : UINT8_MAX;

	for (uint32_t i = from; i < d->decisions_n; i++)
		if (d->decisions[i].by != SUPP_DEPTH && d->decisions[i].count <= 1)
			event_decision(w, &d->decisions[i], depth);
}

/* False: answered already. */
static bool trigger(struct world *w, const struct command *cmd)
{
	struct err err = { 0 };
	struct value params = value_null();

	if (cmd->params.len)
		params = value_from_json(cmd->params, w->arena);
	if (cmd->params.len && params.tag != VALUE_MAP) {
		answer_error(w, cmd, 422, "params: expected a JSON object");
		return false;
	}
	if (decide_trigger(
		w->decide, cmd->target, cmd->key, params, cmd->force, cmd->actor, &err))
		return true;
	answer_error(w, cmd, err.code == ERR_NOT_FOUND ? 404 : 422, "%s", err.msg);
	return false;
}

/* on_clear: abort.  A run that has begun ends as after any other abort. */
static void abort_cleared(struct world *w)
{
	struct cleared c;

	while (decide_next_cleared(w->decide, &c)) {
		for (uint32_t i = 0; i < w->runs->len; i++) {
			struct run *r = w->runs->pdata[i];

			if (r->b.rule_id != c.rule_id || r->b.episode != c.episode ||
			    !str_is(r->b.key, c.key) || run_is_terminal(r->c->state) ||
			    r->c->ending)
				continue;
			run_touch(w, r)->abort_requested = 1;
			run_stop(w, r, END_ABORT,
			    "the episode that it was for has ended (on_clear: abort)");
			run_advance(w, r);
		}
	}
}

/* decisions[first..] are of this input. */
static void decide_all(struct world *w, const struct input *in, uint32_t first)
{
	struct decided *d = &w->fx->decided;
	uint32_t from = first;
	uint8_t depth = in->kind == INPUT_EVENT ? in->event->depth : 0;
	bool asked = in->kind == INPUT_COMMAND && in->command->kind == COMMAND_TRIGGER;
	bool fill = in->kind == INPUT_COMMAND && in->command->kind == COMMAND_BACKFILL;
	uint64_t stopped[SUPP_MAX];
	struct emission em;

	memcpy(stopped, d->suppressed, sizeof(stopped));
	if (asked)
		asked = trigger(w, in->command);
	if (fill)
		fill = command_backfill(w, in->command);
	while (decide_next(w->decide, &em)) {
		struct verdict v;

		decision_events(w, from, depth);
		from = d->decisions_n;
		abort_cleared(w);
		v = admit_emission(w, &em);
		decide_settle(w->decide, &em, &v);
		decision_events(w, from, em.depth);
		from = d->decisions_n;
	}
	decision_events(w, from, depth);
	abort_cleared(w);
	if (asked)
		command_trigger(w, in->command, first);
	if (fill)
		command_backfilled(w, in->command, first, stopped);
}

static enum step_state attempt_state(const struct step_cell *s)
{
	return s->phase == PHASE_RUNNING ? STEP_RUNNING : STEP_PENDING;
}

static void flush_run(struct world *w, struct run *r)
{
	run_due_update(w, r);
	row_run(w, r);
	for (uint32_t i = 0; i < r->c->steps_n; i++) {
		if (r->steps[i].dirty)
			row_step(w, r, i);
		if (r->steps[i].attempt_dirty)
			row_attempt(w, r, i, attempt_state(r->steps[i].c));
		r->steps[i].dirty = r->steps[i].attempt_dirty = false;
	}
	r->dirty = false;
	if (run_is_terminal(r->c->state))
		run_remove(w, r);
}

/* Invariant (4). */
static void flush(struct world *w)
{
	g_ptr_array_sort(w->dirty, by_id);
	for (uint32_t i = 0; i < w->dirty->len; i++)
		flush_run(w, w->dirty->pdata[i]);
	g_ptr_array_set_size(w->dirty, 0);
}

void world_input(struct world *w, const struct input *in, struct effects *fx)
{
	uint32_t first = fx->decided.decisions_n;

	CHECK(w->cell && w->rules);		/* world_load() comes first */
	w->fx = fx;
	w->arena = fx->arena;
	w->wall = in->wall_ms;
	w->tick = in->tick_ms;
	w->seq = ++((struct world_cell *)cells_touch(w->cells, w->cell))->seq;
	/* First of all: what flow tells decide needs this input's time. */
	decide_begin(w->decide, in, w->seq, w->arena, &fx->decided);
	flow_first(w, in);
	decide_all(w, in, first);
	admit_waiting(w);
	flush(w);
	w->fx = NULL;
	w->arena = NULL;
}

static bool has_op(const struct effects *fx, uint32_t n, struct str key)
{
	for (uint32_t i = 0; i < n; i++)
		if (str_is(fx->ops[i].key, key))
			return true;
	return false;
}

void world_ops(struct world *w, struct effects *fx)
{
	uint32_t n = fx->ops_n;		/* inputs of this turn gave them: not twice */

	w->fx = fx;
	w->arena = fx->arena;
	for (uint32_t i = 0; i < w->runs->len; i++) {
		struct run *r = w->runs->pdata[i];

		for (uint32_t k = 0; k < r->c->steps_n; k++)
			if (!has_op(fx, n, str_of(r->steps[k].c->key)))
				attempt_ops(w, r, k);
	}
	w->fx = NULL;
	w->arena = NULL;
}

/* ---- deadlines ---- */

static bool flow_next_due(const struct world *w, struct deadline *ret)
{
	const struct run *r;

	if (g_sequence_is_empty(w->due))
		return false;
	r = g_sequence_get(g_sequence_get_begin_iter(w->due));
	*ret = (struct deadline){ .clock = DUE_TICK, .floor = DUE_FLOW, .at_ms = r->due,
		.id = r->c->id };
	return true;
}

/* While the daemon is paused, runs go on but no rule decides. */
static bool decide_due(const struct world *w, enum due_clock clock, struct deadline *ret)
{
	return !w->c->paused && decide_next_due(w->decide, clock, ret);
}

bool world_take_due(const struct world *w, int64_t wall_ms, int64_t tick_ms,
    struct input *ret)
{
	struct deadline flow, rules, first;
	bool has_flow = flow_next_due(w, &flow) && flow.at_ms <= tick_ms;
	bool has_rules = decide_due(w, DUE_TICK, &rules) && rules.at_ms <= tick_ms;

	if (has_flow && (!has_rules || flow.at_ms <= rules.at_ms))
		first = flow;
	else if (has_rules)
		first = rules;
	else if (wall_ms == INT64_MIN || w->c->paused)
		return false;
	else if (!decide_wall_back(w->decide, wall_ms, &first) &&
	    (!decide_due(w, DUE_WALL, &first) || first.at_ms > wall_ms))
		return false;
	*ret = (struct input){ .kind = INPUT_DEADLINE, .wall_ms = wall_ms,
		.tick_ms = tick_ms, .deadline = first };
	return true;
}

void world_next_due(const struct world *w, int64_t *wall_ms, int64_t *tick_ms)
{
	struct deadline d;

	*wall_ms = decide_due(w, DUE_WALL, &d) ? d.at_ms : INT64_MAX;
	*tick_ms = decide_due(w, DUE_TICK, &d) ? d.at_ms : INT64_MAX;
	if (flow_next_due(w, &d))
		*tick_ms = MIN(*tick_ms, d.at_ms);
}

/* ---- reading ---- */

struct cells *world_cells(struct world *w)
{
	return w->cells;
}

struct ruleset *world_ruleset(const struct world *w)
{
	return w->rules;
}

const struct decide *world_decide(const struct world *w)
{
	return w->decide;
}

struct decide *world_decide_mut(struct world *w)
{
	return w->decide;
}

uint64_t world_seq(const struct world *w)
{
	return w->c ? w->c->seq : 0;
}

bool world_paused(const struct world *w)
{
	return w->c && w->c->paused;
}

struct world_counts world_counts(const struct world *w)
{
	struct world_counts n = { 0 };

	for (uint32_t i = 0; i < w->runs->len; i++) {
		const struct run *r = w->runs->pdata[i];

		n.pending += r->c->state == RUN_PENDING;
		n.running += r->c->state == RUN_RUNNING;
		n.unverified += run_is_unverified(r);
	}
	return n;
}
