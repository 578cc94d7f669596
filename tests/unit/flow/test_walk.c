/* Random walks: runs, answers of every kind, repeats, aborts, retries, lost operations
 * and restarts in any order.  What must hold at every turn is checked while walking,
 * and at the end of each walk everything must come to its end.
 *
 * The executor here is honest: it says what is so, or that it does not know.  So a job
 * of a run that has ended must have ended as well. */
#include "fixture.h"

#include <inttypes.h>

static const char rules[] =
	"rules:\n"
	"  - name: data\n"
	"    on: {type: data}\n"
	"    key: event.subject\n"
	"    cooldown: 30s\n"
	"    run: dag\n"
	"  - name: high\n"
	"    on: {type: metric}\n"
	"    key: event.subject\n"
	"    signals: {v: {value: data.v, last: 3}}\n"
	"    when: v.avg > 5\n"
	"    run: skip\n"
	"  - name: often\n"
	"    schedule: {every: 5m}\n"
	"    run: repl\n"
	"pipelines:\n"
	"  - name: dag\n"
	"    model: m\n"
	"    concurrency: {limit: 3, per_key: 2, queue: 5}\n"
	"    timeout: 2h\n"
	"    pending_timeout: 1h\n"
	"    steps:\n"
	"      - {name: a, command: [a], retry: {attempts: 3, backoff: 20s}, timeout: "
	    "10m}\n"
	"      - {name: b, needs: a, command: [b], on_failure: continue}\n"
	"      - {name: c, needs: a, command: [c], retry: {attempts: 2}}\n"
	"      - {name: g, needs: [b, c], gate: \"!has(champion.metrics.x) || "
	    "steps.c.metrics.x > champion.metrics.x - 4\"}\n"
	"      - {name: d, needs: g, command: [d], timeout: 5m}\n"
	"    on_success: {promote: {version: \"${run.id}\", metrics: "
	    "\"${steps.c.metrics}\"}}\n"
	"  - name: skip\n"
	"    concurrency: {limit: 2, on_limit: skip}\n"
	"    steps:\n"
	"      - {name: a, command: [a]}\n"
	"      - {name: b, command: [b], if: \"key == 'x'\"}\n"
	"  - name: repl\n"
	"    model: m\n"
	"    concurrency: {limit: 1, on_limit: replace}\n"
	"    steps:\n"
	"      - {name: a, command: [a], retry: {attempts: 2, backoff: 5s}}\n"
	"      - {name: g, needs: a, gate: \"steps.a.metrics.x > 2\"}\n"
	"      - {name: d, needs: g, command: [d]}\n";
static const char *const pipelines[] = { "dag", "skip", "repl" };

struct job {
	char		*run;
	bool		 started;
	enum report_state end;		/* 0: at work */
	bool		 abort;
};
struct op {
	enum exec_op_kind kind;
	char		*key;
};
struct walk {
	struct fix	*f;
	uint64_t	 x;
	GHashTable	*jobs;		/* key -> job */
	GPtrArray	*ops;		/* given, not yet carried out */
	GPtrArray	*names;		/* of runs */
	GPtrArray	*keys;		/* of jobs, in order of their first START */
	GHashTable	*checked;	/* run/step whose start was checked */
};

static uint32_t roll(struct walk *w, uint32_t n)
{
	w->x ^= w->x << 13;
	w->x ^= w->x >> 7;
	w->x ^= w->x << 17;
	return (uint32_t)(w->x >> 33) % n;
}

static void job_free(void *p)
{
	g_free(((struct job *)p)->run);
	g_free(p);
}

static void op_free(void *p)
{
	g_free(((struct op *)p)->key);
	g_free(p);
}

/* ---- what must hold ---- */

static const struct step_spec *spec_of(struct walk *w, const char *run, uint32_t i,
    const struct pipeline **ret)
{
	char *name = g_strndup(run, (gsize)(strrchr(run, '-') - run));
	const struct pipeline *p = ruleset_pipeline(w->f->rules, str_of(name));

	g_free(name);
	assert_non_null(p);
	*ret = p;
	return &p->steps[i];
}

/* A step that has started: what it needs has ended, well or allowed to fail. */
static void check_start(struct walk *w, const struct step_row *row)
{
	const char *run = g_hash_table_lookup(w->f->ids, GUINT_TO_POINTER(row->run));
	const struct pipeline *p;
	const struct step_spec *spec = spec_of(w, run, row->index, &p);
	char *name = g_strdup_printf("%s/%.*s", run, STR_ARG(row->name));

	if (!g_hash_table_add(w->checked, name))
		return;
	for (uint32_t i = 0; i < spec->needs_n; i++) {
		const struct step_spec *n = &p->steps[spec->needs[i]];
		char *z = g_strndup(n->name.p, n->name.len);
		const struct fix_step *s = fix_step(w->f, run, z);

		if (s->state != STEP_COMPLETED &&
		    !(s->state == STEP_FAILED && n->on_failure == FAILURE_CONTINUE))
			fail_msg("%s/%.*s started before %s", run, STR_ARG(row->name), z);
		if (n->kind == STEP_GATE)
			assert_string_equal(s->outputs, "{\"passed\":true}");
		g_free(z);
	}
}

static void check_ended(struct walk *w, const char *run)
{
	GHashTableIter it;
	gpointer key, job;

	g_hash_table_iter_init(&it, w->jobs);
	while (g_hash_table_iter_next(&it, &key, &job)) {
		const struct job *j = job;

		if (strcmp(j->run, run) == 0 && j->started && !j->end)
			fail_msg("run %s ended while %s is at work", run, (char *)key);
	}
}

static void check_counts(struct walk *w)
{
	struct world_counts n = world_counts(w->f->w);
	uint32_t pending = 0, running = 0, of[3] = { 0 };
	GHashTableIter it;
	gpointer name, row;

	g_hash_table_iter_init(&it, w->f->runs);
	while (g_hash_table_iter_next(&it, &name, &row)) {
		const struct fix_run *r = row;

		pending += r->state == RUN_PENDING;
		running += r->state == RUN_RUNNING;
		for (unsigned i = 0; i < 3; i++)
			of[i] += r->state == RUN_RUNNING &&
			    g_str_has_prefix(name, pipelines[i]);
	}
	assert_int_equal(n.pending, pending);
	assert_int_equal(n.running, running);
	assert_true(of[0] <= 3 && of[1] <= 2 && of[2] <= 1);
}

static void take_ops(struct walk *w)
{
	for (uint32_t i = 0; i < w->f->fx.ops_n; i++) {
		const struct exec_op *o = &w->f->fx.ops[i];
		struct op *op = g_new(struct op, 1);
		char *key = z(o->key);

		*op = (struct op){ o->kind, key };
		g_ptr_array_add(w->ops, op);
		if (!g_hash_table_lookup(w->jobs, key)) {
			struct job *j = g_new0(struct job, 1);

			assert_int_equal(o->kind, EXEC_START);
			j->run = z(o->run_id);
			g_hash_table_insert(w->jobs, g_strdup(key), j);
			g_ptr_array_add(w->keys, g_strdup(key));
		}
	}
}

static void after(struct walk *w)
{
	const struct effects *fx = &w->f->fx;

	for (uint32_t i = 0; i < fx->runs_n; i++) {
		char *name = z(fx->runs[i].name);

		if (fx->runs[i].state == RUN_PENDING &&
		    fx->runs[i].seq == world_seq(w->f->w))
			g_ptr_array_add(w->names, g_strdup(name));
		if (run_is_terminal(fx->runs[i].state))
			check_ended(w, name);
		g_free(name);
	}
	for (uint32_t i = 0; i < fx->steps_n; i++)
		if (fx->steps[i].started_ms && !(fx->steps[i].attempts == 0 &&
		    fx->steps[i].state == STEP_COMPLETED &&
		    !str_is(fx->steps[i].name, STR("g"))))
			check_start(w, &fx->steps[i]);
	take_ops(w);
	check_counts(w);
}

/* ---- the executor ---- */

static void report(struct walk *w, const char *key, struct report r)
{
	struct input in = { .kind = INPUT_REPORT, .report = &r };
	char metrics[40];

	g_snprintf(metrics, sizeof(metrics), "{\"x\":%u}", roll(w, 9));
	r.key = str_of(key);
	r.exit_code = r.state == REPORT_FAILED ? 1 : -1;
	if (r.state == REPORT_COMPLETED)
		r.metrics = str_of(metrics);
	fix_input(w->f, &in);
	after(w);
	if (roll(w, 4) == 0) {			/* at least once */
		fix_input(w->f, &in);
		after(w);
	}
}

static enum report_state state_of(const struct job *j)
{
	return !j->started ? REPORT_ABSENT : j->end ? j->end : REPORT_RUNNING;
}

static void carry_out(struct walk *w, struct op *op, bool honest)
{
	struct job *j = g_hash_table_lookup(w->jobs, op->key);
	struct report r = { .op = op->kind, .answer = REPORT_OK,
		.again_ms = roll(w, 2) ? 0 : 100 + roll(w, 5000) };
	uint32_t die = honest ? 9 : roll(w, 10);

	if (op->kind == EXEC_START && j->started) {
		r.answer = REPORT_EXISTED;
	} else if (op->kind == EXEC_START && die < 4) {
		r.answer = die == 0 ? REPORT_REFUSED :
		    die == 1        ? REPORT_BUSY :
				      REPORT_UNCERTAIN;
		j->started = die == 3;
		report(w, op->key, r);
		return;
	} else if (op->kind == EXEC_START) {
		j->started = true;
	} else if (die < 2) {
		r.answer = die ? REPORT_BUSY : REPORT_UNCERTAIN;
		report(w, op->key, r);
		return;
	} else if (op->kind == EXEC_ABORT) {
		j->abort = true;
		if (j->started && !j->end && roll(w, 2))
			j->end = REPORT_COMPLETED + roll(w, 3);
	}
	r.state = state_of(j);
	report(w, op->key, r);
}

static void one_op(struct walk *w, bool honest)
{
	struct op *op;

	if (w->ops->len == 0)
		return;
	op = g_ptr_array_steal_index(w->ops, 0);
	carry_out(w, op, honest);
	op_free(op);
}

static void one_end(struct walk *w, bool good)
{
	const char *key;
	struct job *j;

	if (w->keys->len == 0)
		return;
	key = w->keys->pdata[roll(w, w->keys->len)];
	j = g_hash_table_lookup(w->jobs, key);
	if (!j->started)
		return;
	if (!j->end)
		j->end = good || roll(w, 3) ? REPORT_COMPLETED :
		    roll(w, 4) ? REPORT_FAILED : REPORT_ABORTED;
	report(w, key, (struct report){ .op = EXEC_POLL, .answer = REPORT_OK,
	    .state = j->end });
}

/* ---- the walk ---- */

static void new_run(struct walk *w)
{
	static const char *const keys[] = { "", "x", "y" };

	fix_command(w->f, (struct command){ .kind = COMMAND_RUN, .force = roll(w, 6) == 0,
	    .target = str_of(pipelines[roll(w, 3)]), .key = str_of(keys[roll(w, 3)]) });
	after(w);
}

static void some_event(struct walk *w)
{
	static const char *const types[] = { "data", "metric", "metric" };
	static const char *const keys[] = { "x", "y" };
	struct event_limits limits = { 0 };
	struct arena *a = arena_new(0);
	struct event e = { .id = arena_printf(a, "e%" PRIu64, world_seq(w->f->w)),
		.source = STR("/t"), .type = str_of(types[roll(w, 3)]),
		.subject = str_of(keys[roll(w, 2)]), .time_ms = w->f->wall,
		.data = arena_printf(a, "{\"v\":%u}", roll(w, 12)) };
	struct input in = { .kind = INPUT_EVENT, .event = &e };

	e.body = e.data;
	assert_true(event_fill(&e, &w->f->rules->plan, &limits, a));
	fix_input(w->f, &in);
	after(w);
	arena_free(a);
}

static void some_command(struct walk *w)
{
	const char *run;
	char *pipeline, *params;

	if (w->names->len == 0)
		return;
	run = w->names->pdata[roll(w, w->names->len)];
	switch (roll(w, 4)) {
	case 0:
		pipeline = g_strndup(run, (gsize)(strrchr(run, '-') - run));
		params =
		    g_strdup_printf("{\"pipeline\":\"%s\",\"adopt\":[{\"step\":\"a\","
				    "\"metrics\":{\"x\":5}}]}",
			pipeline);
		fix_command(w->f, (struct command){ .kind = COMMAND_RETRY, .force = true,
		    .target = str_of(run), .params = str_of(params) });
		g_free(params);
		g_free(pipeline);
		break;
	case 1:
		params = g_strdup_printf("{\"version\":\"v%u\",\"metrics\":{\"x\":%u}}",
		    roll(w, 50), roll(w, 6));
		fix_command(w->f, (struct command){ .kind = COMMAND_PROMOTE,
		    .target = STR("m"), .params = str_of(params) });
		g_free(params);
		break;
	default:
		fix_abort(w->f, run);
	}
	after(w);
}

/* Commit, then act: operations that were given may or may not have been done. */
static void restart(struct walk *w)
{
	while (w->ops->len) {
		struct op *op = g_ptr_array_steal_index(w->ops, 0);
		struct job *j = g_hash_table_lookup(w->jobs, op->key);

		if (op->kind == EXEC_START && roll(w, 2))
			j->started = true;
		if (op->kind == EXEC_ABORT && j->started && !j->end && roll(w, 2))
			j->end = REPORT_ABORTED;
		op_free(op);
	}
	fix_restart(w->f);
	take_ops(w);
}

static void pass_time(struct walk *w, int64_t ms)
{
	struct input in;

	w->f->tick += ms;
	w->f->wall += ms;
	while (world_take_due(w->f->w, w->f->wall, w->f->tick, &in)) {
		fix_input(w->f, &in);
		after(w);
	}
}

static void drain(struct walk *w)
{
	fix_command(w->f, (struct command){ .kind = COMMAND_PAUSE });	/* rules */
	for (int i = 0; i < 20000; i++) {
		struct world_counts n = world_counts(w->f->w);

		if (n.pending + n.running == 0)
			return;
		if (w->ops->len)
			one_op(w, true);
		else if (roll(w, 3))
			one_end(w, true);
		else
			pass_time(w, 1000);
	}
	fail_msg("some runs never end");
}

static void walk(uint64_t seed)
{
	struct walk w = { .f = fix_new(rules), .x = seed * 0x9e3779b97f4a7c15u,
		.jobs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, job_free),
		.ops = g_ptr_array_new_with_free_func(op_free),
		.names = g_ptr_array_new_with_free_func(g_free),
		.keys = g_ptr_array_new_with_free_func(g_free),
		.checked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL) };

	for (int i = 0; i < 300; i++) {
		uint32_t die = roll(&w, 46);

		if (die >= 40)
			some_event(&w);
		else if (die < 6)
			new_run(&w);
		else if (die < 22)
			one_op(&w, false);
		else if (die < 31)
			one_end(&w, false);
		else if (die < 35)
			pass_time(&w, (int64_t)roll(&w, 120000));
		else if (die < 38)
			some_command(&w);
		else if (die == 38)
			restart(&w);
		else
			fix_twin(w.f);
	}
	drain(&w);
	assert_int_equal(g_hash_table_size(w.f->texts), 0);
	g_hash_table_destroy(w.jobs);
	g_hash_table_destroy(w.checked);
	g_ptr_array_free(w.ops, TRUE);
	g_ptr_array_free(w.names, TRUE);
	g_ptr_array_free(w.keys, TRUE);
	fix_free(w.f);
}

static void whatever_happens_every_run_ends_once_and_nothing_outlives_it(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		print_message("seed %u\n", (unsigned)seed);
		walk(seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		whatever_happens_every_run_ends_once_and_nothing_outlives_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
