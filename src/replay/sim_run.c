/* The executor of virtual runs: what START and ABORT are answered, and when a run ends.
 *
 * A run that ends as told is answered "running" and settled later; one with steps gets a
 * report for each of them.  Everything goes through world_input() like the answers of a
 * real executor.
 */
#include "base/json.h"
#include "replay/sim_priv.h"

void sim_later_free(void *p)
{
	struct later *l = p;

	g_free(l->name);
	g_free(l);
}

void sim_virtual_free(void *p)
{
	struct virtual *v = p;

	g_free((char *)(uintptr_t)v->r.name.p);
	g_free((char *)(uintptr_t)v->r.pipeline.p);
	g_free((char *)(uintptr_t)v->r.key.p);
	g_free((char *)(uintptr_t)v->r.rule.p);
	g_ptr_array_free(v->open, TRUE);
	g_free(v);
}

void sim_kept_free(void *p)
{
	struct kept *k = p;

	g_free(k->text);
	g_free(k);
}

static struct str own(struct str s)
{
	return (struct str){ g_strndup(s.p ? s.p : "", s.len), s.len };
}

/* ---- what will be said ---- */

static gint by_time(gconstpointer a, gconstpointer b, gpointer ctx)
{
	const struct later *x = a, *y = b;

	(void)ctx;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->n < y->n ? -1 : x->n > y->n;
}

static struct later *later_add(struct sim *s, int64_t after_ms, struct str name)
{
	struct later *l = g_new0(struct later, 1);

	l->at = s->tick + after_ms;
	l->n = ++s->order;
	l->name = g_strndup(name.p, name.len);
	g_sequence_insert_sorted(s->later, l, by_time, NULL);
	return l;
}

int64_t sim_later_due(const struct sim *s)
{
	const struct later *l;

	if (g_sequence_is_empty(s->later))
		return INT64_MAX;
	l = g_sequence_get(g_sequence_get_begin_iter(s->later));
	return l->at;
}

static void say_report(struct sim *s, const struct later *l)
{
	struct report rep = { .key = str_of(l->name), .op = l->op, .answer = REPORT_OK,
		.state = l->state, .exit_code = -1, .native_id = STR("virtual") };
	struct input in = { .kind = INPUT_REPORT, .report = &rep };

	if (l->step) {
		rep.outputs = l->step->outputs;
		rep.metrics = l->step->metrics;
		rep.reason = l->step->reason;
	}
	sim_give(s, &in);
}

static struct str settle_params(const struct sim_plan *p, GString *j)
{
	json_open(j, '{');
	json_key(j, "state"), json_cstr(j, run_state_name(p->state));
	json_key(j, "outcome");
	json_cstr(j, run_outcome_name(p->outcome ? p->outcome : RUN_NONE));
	json_key(j, "version"), json_str(j, p->version);
	json_key(j, "metrics"), json_raw(j, p->metrics);
	json_key(j, "baseline"), json_raw(j, p->baseline);
	json_close(j, '}');
	return (struct str){ j->str, (uint32_t)j->len };
}

static void say_end(struct sim *s, const struct later *l)
{
	GString *j = g_string_new(NULL);
	struct command cmd = { .kind = COMMAND_SETTLE, .target = str_of(l->name),
		.reason = l->plan.reason, .params = settle_params(&l->plan, j) };
	struct input in = { .kind = INPUT_COMMAND, .command = &cmd };

	sim_give(s, &in);
	g_string_free(j, TRUE);
}

bool sim_later_do(struct sim *s)
{
	struct later *l;
	GSequenceIter *first = g_sequence_get_begin_iter(s->later);

	if (g_sequence_is_empty(s->later))
		return false;
	l = g_sequence_get(first);
	if (l->at > s->tick)
		return false;
	g_sequence_remove(first);
	if (l->report)
		say_report(s, l);
	else
		say_end(s, l);
	sim_later_free(l);
	return true;
}

/* ---- runs ---- */

static struct virtual *virtual_of(const struct sim *s, uint64_t id, guint *at)
{
	for (guint i = 0; i < s->runs->len; i++) {
		struct virtual *v = s->runs->pdata[i];

		if (v->r.id == id) {
			if (at)
				*at = i;
			return v;
		}
	}
	return NULL;
}

static struct virtual *virtual_named(const struct sim *s, struct str name)
{
	for (guint i = 0; i < s->runs->len; i++) {
		struct virtual *v = s->runs->pdata[i];

		if (str_is(v->r.name, name))
			return v;
	}
	return NULL;
}

static const struct sim_step *step_plan(const struct virtual *v, struct str step)
{
	static const struct sim_step fine = { .state = REPORT_COMPLETED };

	if (!v || !v->has_plan || !v->plan.steps)
		return NULL;
	for (uint32_t i = 0; i < v->plan.steps_n; i++)
		if (str_is(v->plan.steps[i].name, step))
			return &v->plan.steps[i];
	return &fine;
}

static void say_later(struct sim *s, const struct sim_step *step, struct str key)
{
	struct later *l = later_add(s, step->after_ms, key);

	l->report = true;
	l->op = EXEC_POLL;
	l->state = step->state;
	l->step = step;
}

static void plan_end(struct sim *s, struct virtual *v)
{
	struct later *l;

	v->r.planned = true;
	for (guint i = 0; v->plan.steps && i < v->open->len; i += 2)
		say_later(s, step_plan(v, str_of(v->open->pdata[i])),
		    str_of(v->open->pdata[i + 1]));
	if (v->plan.steps || v->plan.after_ms < 0)
		return;		/* its steps are answered as they start */
	l = later_add(s, v->plan.after_ms, v->r.name);
	l->plan = v->plan;
}

static void fold_run(struct sim *s, const struct run_row *row)
{
	guint at = 0;
	struct virtual *v = virtual_of(s, row->id, &at);

	if (run_is_terminal(row->state)) {
		if (v)
			g_ptr_array_remove_index(s->runs, at);
		return;
	}
	if (!v) {
		v = g_new0(struct virtual, 1);
		v->r = (struct sim_run){ .id = row->id, .name = own(row->name),
			.pipeline = own(row->pipeline), .key = own(row->key),
			.rule = own(row->rule), .created_ms = row->created_ms };
		v->open = g_ptr_array_new_with_free_func(g_free);
		g_ptr_array_add(s->runs, v);
	}
	v->r.running = row->state == RUN_RUNNING;
	if (!v->r.running || v->started)
		return;
	v->started = true;
	if (!v->has_plan && s->o.plan)
		v->has_plan = s->o.plan(s->o.ctx, row, &v->plan);
	if (v->has_plan)
		plan_end(s, v);
}

static void answer_start(struct sim *s, const struct exec_op *op)
{
	struct virtual *v = virtual_named(s, op->run_id);
	const struct sim_step *step = step_plan(v, op->step);
	struct later *l;

	if (!step || step->after_ms > 0) {
		l = later_add(s, 0, op->key);
		l->report = true;
		l->op = EXEC_START;
		l->state = REPORT_RUNNING;
	}
	if (step) {
		say_later(s, step, op->key);
	} else if (v) {
		g_ptr_array_add(v->open, g_strndup(op->step.p, op->step.len));
		g_ptr_array_add(v->open, g_strndup(op->key.p, op->key.len));
	}
}

void sim_fold_ops(struct sim *s, const struct effects *fx)
{
	for (uint32_t i = 0; i < fx->ops_n; i++) {
		struct later *l;

		if (fx->ops[i].kind == EXEC_START) {
			answer_start(s, &fx->ops[i]);
			continue;
		}
		l = later_add(s, 0, fx->ops[i].key);
		l->report = true;
		l->op = fx->ops[i].kind;
		l->state = l->op == EXEC_ABORT ? REPORT_ABORTED : REPORT_RUNNING;
	}
}

static void fold_pipeline(struct sim *s, const struct pipeline_row *row)
{
	struct kept *k;

	for (guint i = 0; i < s->kept->len; i++) {
		k = s->kept->pdata[i];
		if (memcmp(k->hash, row->hash, sizeof(k->hash)) != 0)
			continue;
		if (row->dropped)
			g_ptr_array_remove_index(s->kept, i);
		return;
	}
	if (row->dropped)
		return;
	k = g_new0(struct kept, 1);
	memcpy(k->hash, row->hash, sizeof(k->hash));
	k->text = g_strndup(row->text.p, row->text.len);
	k->len = row->text.len;
	g_ptr_array_add(s->kept, k);
}

void sim_fold(struct sim *s, const struct effects *fx)
{
	for (uint32_t i = 0; i < fx->runs_n; i++)
		fold_run(s, &fx->runs[i]);
	sim_fold_ops(s, fx);
	for (uint32_t i = 0; i < fx->outbox_n; i++)
		g_queue_push_tail(&s->events, g_strndup(fx->outbox[i].json.p,
		    fx->outbox[i].json.len));
	for (uint32_t i = 0; i < fx->pipelines_n; i++)
		fold_pipeline(s, &fx->pipelines[i]);
}

uint32_t sim_runs(const struct sim *s, const struct sim_run **ret)
{
	g_array_set_size(s->view, 0);
	for (guint i = 0; i < s->runs->len; i++)
		g_array_append_val(s->view, ((struct virtual *)s->runs->pdata[i])->r);
	*ret = (const struct sim_run *)(void *)s->view->data;
	return s->view->len;
}

bool sim_run_end(struct sim *s, uint64_t id, const struct sim_plan *plan)
{
	struct virtual *v = virtual_of(s, id, NULL);

	if (!v)
		return false;
	v->plan = *plan;
	v->has_plan = true;
	if (v->started)
		plan_end(s, v);
	return true;
}
