/* A world with tables like the store's and executors that say what a test tells them.
 *
 * fix_*() that give the world something begin a new turn (its effects are f->fx) and
 * fold the rows into f->runs and f->steps, as a reader of the database would see them.
 * Every fold checks what must always hold: a terminal run or step never changes again,
 * and the outbox has no gap.  fix_restart() goes on with nothing but the cells, the
 * rule set and the texts of pipelines. */
#ifndef TESTS_FLOW_FIXTURE_H
#define TESTS_FLOW_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/arena.h"
#include "flow/world.h"

#define UNUSED __attribute__((unused))
#define INSTANCE STR("inst")
#define EPOCH STR("ep1")

struct fix_run {
	enum run_state	 state;
	enum run_outcome outcome;
	char		*reason, *params;
	bool		 abort_requested, unverified;
	uint64_t	 id, retry_of;
};
struct fix_step {
	enum step_state	 state;
	char		*reason, *outputs, *metrics;
	uint32_t	 attempts;
};
struct fix {
	struct arena	*arena;
	struct ruleset	*rules;
	struct world	*w;
	struct world	*twin;		/* made from w's cells: does the same; or NULL */
	struct effects	 fx;		/* of the last turn */
	int64_t		 wall, tick;
	GHashTable	*runs;		/* name -> fix_run */
	GHashTable	*steps;		/* run/step -> fix_step */
	GHashTable	*ids;		/* run id -> name */
	GHashTable	*texts;		/* hash in hex -> text of a pipeline */
	GHashTable	*models;	/* model/stage -> version */
	GString		*events;	/* types of our events, one per line */
	uint64_t	 outbox;
};

static void fix_run_free(void *p)
{
	struct fix_run *r = p;

	g_free(r->reason);
	g_free(r->params);
	g_free(r);
}

static void fix_step_free(void *p)
{
	struct fix_step *s = p;

	g_free(s->reason);
	g_free(s->outputs);
	g_free(s->metrics);
	g_free(s);
}

static char *z(struct str s)
{
	return g_strndup(s.p ? s.p : "", s.len);
}

static void fix_fold_runs(struct fix *f)
{
	for (uint32_t i = 0; i < f->fx.runs_n; i++) {
		const struct run_row *row = &f->fx.runs[i];
		char *name = z(row->name);
		const struct fix_run *was = g_hash_table_lookup(f->runs, name);
		struct fix_run *r = g_new0(struct fix_run, 1);

		if (was && run_is_terminal(was->state))
			fail_msg("run %s changed after its end", name);
		assert_int_equal(row->finished_ms != 0, run_is_terminal(row->state));
		if (row->state == RUN_COMPLETED)
			assert_int_not_equal(row->outcome, RUN_NO_OUTCOME);
		else
			assert_int_equal(row->outcome, RUN_NO_OUTCOME);
		*r = (struct fix_run){ row->state, row->outcome, z(row->reason),
			z(row->params), row->abort_requested, row->unverified, row->id,
			row->retry_of };
		g_hash_table_insert(f->ids, GUINT_TO_POINTER(row->id), g_strdup(name));
		g_hash_table_insert(f->runs, name, r);
	}
}

static void fix_fold_steps(struct fix *f)
{
	for (uint32_t i = 0; i < f->fx.steps_n; i++) {
		const struct step_row *row = &f->fx.steps[i];
		const char *run = g_hash_table_lookup(f->ids, GUINT_TO_POINTER(row->run));
		char *name = g_strdup_printf("%s/%.*s", run, STR_ARG(row->name));
		const struct fix_step *was = g_hash_table_lookup(f->steps, name);
		struct fix_step *s = g_new0(struct fix_step, 1);

		assert_non_null(run);
		if (was && step_is_terminal(was->state))
			fail_msg("step %s changed after its end", name);
		*s = (struct fix_step){ row->state, z(row->reason), z(row->outputs),
			z(row->metrics), row->attempts };
		g_hash_table_insert(f->steps, name, s);
	}
}

static char *fix_hex(const uint8_t hash[32])
{
	GString *s = g_string_new(NULL);

	for (unsigned i = 0; i < 32; i++)
		g_string_append_printf(s, "%02x", hash[i]);
	return g_string_free(s, FALSE);
}

static void fix_fold(struct fix *f)
{
	fix_fold_runs(f);
	fix_fold_steps(f);
	for (uint32_t i = 0; i < f->fx.pipelines_n; i++) {
		const struct pipeline_row *row = &f->fx.pipelines[i];

		if (row->dropped) {
			char *hex = fix_hex(row->hash);

			assert_true(g_hash_table_remove(f->texts, hex));
			g_free(hex);
		} else {
			g_hash_table_insert(f->texts, fix_hex(row->hash), z(row->text));
		}
	}
	for (uint32_t i = 0; i < f->fx.models_n; i++) {
		const struct model_row *row = &f->fx.models[i];

		g_hash_table_insert(f->models, g_strdup_printf("%.*s/%.*s",
		    STR_ARG(row->model), STR_ARG(row->stage)), z(row->version));
	}
	for (uint32_t i = 0; i < f->fx.outbox_n; i++) {
		assert_true(f->fx.outbox[i].id == ++f->outbox);
		g_string_append_printf(
		    f->events, "%.*s\n", STR_ARG(f->fx.outbox[i].type));
	}
}

/* What the world said, and what one loaded from its cells says to the same input. */
static void fix_compare(const struct effects *a, const struct effects *b)
{
	assert_int_equal(a->runs_n, b->runs_n);
	assert_int_equal(a->steps_n, b->steps_n);
	assert_int_equal(a->attempts_n, b->attempts_n);
	assert_int_equal(a->ops_n, b->ops_n);
	assert_int_equal(a->outbox_n, b->outbox_n);
	assert_int_equal(a->models_n, b->models_n);
	assert_int_equal(a->pipelines_n, b->pipelines_n);
	assert_int_equal(a->decided.decisions_n, b->decided.decisions_n);
	for (uint32_t i = 0; i < a->runs_n; i++) {
		assert_true(str_is(a->runs[i].name, b->runs[i].name));
		assert_true(str_is(a->runs[i].reason, b->runs[i].reason));
		assert_int_equal(a->runs[i].state, b->runs[i].state);
	}
	for (uint32_t i = 0; i < a->ops_n; i++) {
		assert_int_equal(a->ops[i].kind, b->ops[i].kind);
		assert_true(str_is(a->ops[i].key, b->ops[i].key));
		assert_true(str_is(a->ops[i].argv, b->ops[i].argv));
		assert_true(str_is(a->ops[i].input, b->ops[i].input));
	}
	for (uint32_t i = 0; i < a->outbox_n; i++)
		assert_true(str_is(a->outbox[i].json, b->outbox[i].json));
	for (uint32_t i = 0; i < a->answers_n; i++)
		assert_true(str_is(a->answers[i].json, b->answers[i].json));
}

/* One turn of one input. */
static void fix_input(struct fix *f, struct input *in)
{
	arena_reset(f->arena);
	effects_init(&f->fx, f->arena);
	in->wall_ms = f->wall;
	in->tick_ms = f->tick;
	world_input(f->w, in, &f->fx);
	if (f->twin) {
		struct effects fx;

		effects_init(&fx, f->arena);
		world_input(f->twin, in, &fx);
		fix_compare(&f->fx, &fx);
	}
	fix_fold(f);
}

/* Everything that is due now, each deadline a turn; how many there were. */
static UNUSED unsigned fix_due(struct fix *f)
{
	struct input in;
	unsigned n = 0;

	while (world_take_due(f->w, f->wall, f->tick, &in)) {
		fix_input(f, &in);
		assert_true(++n < 10000);
	}
	return n;
}

/* Time passes; deadlines come due one by one at their own time. */
static UNUSED unsigned fix_wait(struct fix *f, int64_t ms)
{
	int64_t end = f->tick + ms, wall, tick;
	unsigned n = fix_due(f);

	for (;;) {
		world_next_due(f->w, &wall, &tick);
		if (tick > end)
			break;
		if (tick > f->tick) {
			f->wall += tick - f->tick;
			f->tick = tick;
		}
		n += fix_due(f);
	}
	f->wall += end - f->tick;
	f->tick = end;
	return n;
}

static void fix_start(struct fix *f, bool fresh)
{
	const struct start s = { .instance = INSTANCE, .epoch = EPOCH, .boot = STR("b"),
		.fingerprint = STR("fp"), .fresh = fresh };
	struct input in = { .kind = INPUT_START, .start = &s };

	fix_input(f, &in);
}

static UNUSED struct fix *fix_new(const char *yaml)
{
	static const struct catalog catalog;
	const struct rule_text text = {
	    .name = STR("rules/t.yaml"), .dir = STR("/srv/rules"), .bytes = str_of(yaml)};
	const struct text diag_text = { text.name, text.bytes };
	struct diags *diags = diags_new(&diag_text, 1);
	struct fix *f = g_new0(struct fix, 1);
	GString *s = g_string_new(NULL);
	struct err err = { 0 };

	f->arena = arena_new(0);
	f->rules = ruleset_build(&text, 1, &catalog, diags);
	diags_render(diags, s);
	if (!f->rules)
		fail_msg("%s", s->str);
	diags_free(diags);
	g_string_free(s, TRUE);
	f->runs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, fix_run_free);
	f->steps = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, fix_step_free);
	f->ids = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	f->texts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	f->models = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	f->events = g_string_new(NULL);
	f->wall = INT64_C(1772323200000);	/* 2026-03-01T00:00:00Z */
	f->tick = 1000;
	f->w = world_new();
	if (!world_load(f->w, f->rules, NULL, 0, &err))
		fail_msg("%s", err.msg);
	fix_start(f, true);
	return f;
}

static UNUSED void fix_free(struct fix *f)
{
	world_free(f->w);
	world_free(f->twin);
	ruleset_unref(f->rules);
	g_hash_table_destroy(f->runs);
	g_hash_table_destroy(f->steps);
	g_hash_table_destroy(f->ids);
	g_hash_table_destroy(f->texts);
	g_hash_table_destroy(f->models);
	g_string_free(f->events, TRUE);
	arena_free(f->arena);
	g_free(f);
}

/* A second world out of the first one's cells; NULL: why in *err. */
static struct world *fix_load(struct fix *f, struct pipeline **v, uint32_t n,
    struct err *err)
{
	struct cells *from = world_cells(f->w);
	struct world *w = world_new();

	for (uint32_t i = 0; i < cells_shards(from); i++) {
		GByteArray *b = g_byte_array_new();

		cells_encode_shard(from, i, b);
		assert_true(cells_load_shard(world_cells(w), i, 1,
		    (struct str){ (char *)b->data, b->len }));
		g_byte_array_free(b, TRUE);
	}
	cells_loaded(world_cells(w));
	if (world_load(w, f->rules, v, n, err))
		return w;
	world_free(w);
	return NULL;
}

static UNUSED bool fix_try_copy(struct fix *f, struct err *err)
{
	struct world *w = fix_load(f, NULL, 0, err);

	world_free(w);
	return w != NULL;
}

static struct world *fix_copy(struct fix *f, bool with_pipelines)
{
	static const struct catalog catalog;
	GPtrArray *pipelines = g_ptr_array_new();
	struct err err = { 0 };
	struct world *w;
	GHashTableIter it;
	gpointer text;

	g_hash_table_iter_init(&it, f->texts);
	while (with_pipelines && g_hash_table_iter_next(&it, NULL, &text)) {
		struct pipeline *p = pipeline_restore(str_of(text), &catalog, &err);

		if (!p)
			fail_msg("%s", err.msg);
		g_ptr_array_add(pipelines, p);
	}
	w = fix_load(f, (struct pipeline **)pipelines->pdata, pipelines->len, &err);
	if (!w)
		fail_msg("%s", err.msg);
	g_ptr_array_free(pipelines, TRUE);
	return w;
}

/* The process ends and begins again; f->fx then holds the operations that world_ops()
 * gives, rows of the start were folded. */
static UNUSED void fix_restart(struct fix *f)
{
	struct world *w = fix_copy(f, true);

	world_free(f->w);
	world_free(f->twin);
	f->twin = NULL;
	f->w = w;
	fix_start(f, false);
	arena_reset(f->arena);
	effects_init(&f->fx, f->arena);
	world_ops(f->w, &f->fx);
}

/* From now on each input is given to a second world too, made from the cells of the
 * first, and must have the same effects. */
static UNUSED void fix_twin(struct fix *f)
{
	world_free(f->twin);
	f->twin = fix_copy(f, true);
}

/* ---- what tests say ---- */

static UNUSED const struct answer *fix_command(struct fix *f, struct command c)
{
	struct input in = { .kind = INPUT_COMMAND, .command = &c };

	c.token = 42;
	c.actor = c.actor.len ? c.actor : STR("uid 0");
	fix_input(f, &in);
	assert_int_equal(f->fx.answers_n, 1);
	assert_true(f->fx.answers[0].token == 42);
	assert_true(f->fx.answers[0].seq == world_seq(f->w));
	return &f->fx.answers[0];
}

static UNUSED const struct answer *fix_run(struct fix *f, const char *pipeline,
    const char *key, const char *params)
{
	return fix_command(f, (struct command){ .kind = COMMAND_RUN,
	    .target = str_of(pipeline), .key = str_of(key), .params = str_of(params) });
}

static UNUSED const struct answer *fix_abort(struct fix *f, const char *run)
{
	return fix_command(f, (struct command){ .kind = COMMAND_ABORT,
	    .target = str_of(run) });
}

static UNUSED void fix_key(const char *run, const char *step, uint32_t attempt,
    char ret[24])
{
	step_key(INSTANCE, EPOCH, str_of(run), str_of(step), attempt, ret);
}

static UNUSED void fix_report(struct fix *f, const char *run, const char *step,
    uint32_t attempt, struct report r)
{
	struct input in = { .kind = INPUT_REPORT, .report = &r };
	char key[24];

	fix_key(run, step, attempt, key);
	r.key = str_of(key);
	fix_input(f, &in);
}

/* The usual: START is answered, then the process runs, then it ends. */
static UNUSED void fix_started(
    struct fix *f, const char *run, const char *step, uint32_t n)
{
	fix_report(f, run, step, n,
	    (struct report){.op = EXEC_START,
		.answer = REPORT_OK,
		.state = REPORT_RUNNING,
		.exit_code = -1});
}

static UNUSED void fix_completed(struct fix *f, const char *run, const char *step,
    uint32_t n, const char *outputs, const char *metrics)
{
	fix_report(f, run, step, n, (struct report){ .op = EXEC_POLL, .answer = REPORT_OK,
	    .state = REPORT_COMPLETED, .outputs = str_of(outputs),
	    .metrics = str_of(metrics) });
}

static UNUSED void fix_failed(
    struct fix *f, const char *run, const char *step, uint32_t n, int code)
{
	fix_report(f, run, step, n, (struct report){ .op = EXEC_POLL, .answer = REPORT_OK,
	    .state = REPORT_FAILED, .exit_code = code });
}

static UNUSED void fix_aborted(
    struct fix *f, const char *run, const char *step, uint32_t n)
{
	fix_report(f, run, step, n, (struct report){ .op = EXEC_POLL, .answer = REPORT_OK,
	    .state = REPORT_ABORTED, .exit_code = -1 });
}

/* ---- what tests see ---- */

static UNUSED const struct fix_run *fix_row(struct fix *f, const char *run)
{
	const struct fix_run *r = g_hash_table_lookup(f->runs, run);

	if (!r)
		fail_msg("no run %s", run);
	return r;
}

static UNUSED const struct fix_step *fix_step(struct fix *f, const char *run,
    const char *step)
{
	char *name = g_strdup_printf("%s/%s", run, step);
	const struct fix_step *s = g_hash_table_lookup(f->steps, name);

	if (!s)
		fail_msg("no step %s", name);
	g_free(name);
	return s;
}

#define ASSERT_RUN(f, run, want) \
	assert_string_equal(run_state_name(fix_row(f, run)->state), want)
#define ASSERT_STEP(f, run, step, want) \
	assert_string_equal(step_state_name(fix_step(f, run, step)->state), want)
#define ASSERT_REASON(f, run, want) assert_string_equal(fix_row(f, run)->reason, want)

/* The operations of the last turn as "START fraud-1/train#1, ABORT ..." */
static UNUSED const char *fix_ops(struct fix *f)
{
	static const char *const names[] = { "", "START", "FIND", "POLL", "ABORT" };
	GString *s = g_string_new(NULL);
	const char *ret;

	for (uint32_t i = 0; i < f->fx.ops_n; i++) {
		const struct exec_op *op = &f->fx.ops[i];
		char key[24];

		g_string_append_printf(s, "%s%s %.*s/%.*s#%u", i ? ", " : "",
		    names[op->kind], STR_ARG(op->run_id), STR_ARG(op->step), op->attempt);
		step_key(INSTANCE, EPOCH, op->run_id, op->step, op->attempt, key);
		assert_true(str_is(op->key, str_of(key)));
	}
	ret = arena_str(f->arena, (struct str){ s->str, (uint32_t)s->len }).p;
	g_string_free(s, TRUE);
	return ret;
}

static UNUSED bool fix_said(struct fix *f, const char *type)
{
	char *line = g_strdup_printf("%s\n", type);
	bool yes = strstr(f->events->str, line) != NULL;

	g_free(line);
	return yes;
}

static UNUSED bool answer_has(const struct answer *a, const char *text)
{
	return memmem(a->json.p, a->json.len, text, strlen(text)) != NULL;
}
#define ASSERT_REFUSED(a, code, text) do { \
	const struct answer *a_ = (a); \
	assert_false(a_->ok); \
	assert_int_equal(a_->status, code); \
	if (!answer_has(a_, text)) \
		fail_msg("%.*s", STR_ARG(a_->json)); \
} while (0)
#endif
