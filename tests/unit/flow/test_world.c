/* The world as a whole: rules fire and runs start, in one input; what survives a
 * restart by cells alone; what must be asked again; our own events. */
#include "fixture.h"

static const char rules[] =
	"rules:\n"
	"  - name: new-data\n"
	"    on: {type: dataset.version.created}\n"
	"    key: event.subject\n"
	"    run: {pipeline: team_train, params: {rows: \"${data.rows}\"}}\n"
	"  - name: echo\n"
	"    on: {type: retraind.run.completed}\n"
	"    run: side\n"
	"  - name: watched\n"
	"    mode: observe\n"
	"    on: {type: dataset.version.created}\n"
	"    run: side\n"
	"  - name: nightly\n"
	"    schedule: {every: 1h}\n"
	"    run: side\n"
	"pipelines:\n"
	"  - name: team_train\n"
	"    model: m\n"
	"    params: {rows: {type: int, min: 10}}\n"
	"    concurrency: {limit: 1, on_limit: skip}\n"
	"    timeout: 1h\n"
	"    code: {repo: /srv/git, ref: main}\n"
	"    steps:\n"
	"      - {name: a, command: [a, \"${trigger.rule}\", \"${size(trigger.events) "
	    "> 0 ? trigger.events[0].id : 'none'}\", \"${key}\"], timeout: 10m}\n"
	"      - {name: b, needs: a, command: [b]}\n"
	"  - name: side\n"
	"    steps: [{name: a, command: [a]}]\n";

static struct fix *f;

static int setup(void **state)
{
	(void)state;
	f = fix_new(rules);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fix_free(f);
	return 0;
}

static void event(const char *type, const char *id, const char *subject, const char *data,
    uint8_t depth)
{
	struct event_limits limits = { 0 };
	struct arena *a = arena_new(0);
	struct event e = { .id = str_of(id), .source = STR("/t"), .type = str_of(type),
		.subject = str_of(subject), .has_id = true, .time_ms = f->wall,
		.data = str_of(data), .body = str_of(data), .depth = depth };
	struct input in = { .kind = INPUT_EVENT, .event = &e };

	assert_true(event_fill(&e, &f->rules->plan, &limits, a));
	fix_input(f, &in);
	arena_free(a);
}

static const struct decision_row *decision(const char *rule)
{
	for (uint32_t i = 0; i < f->fx.decided.decisions_n; i++)
		if (str_is(f->fx.decided.decisions[i].rule, str_of(rule)))
			return &f->fx.decided.decisions[i];
	fail_msg("no decision of %s", rule);
	return NULL;
}

static void an_event_becomes_a_running_step_in_one_input(void **state)
{
	const struct run_row *row;
	struct str trigger;

	(void)state;
	event("dataset.version.created", "e1", "fraud", "{\"rows\":50}", 2);
	assert_int_equal(decision("new-data")->outcome, OUTCOME_FIRED);
	assert_true(str_is(decision("new-data")->run_id, STR("team_train-1")));
	assert_string_equal(fix_ops(f), "START team_train-1/a#1");
	assert_true(
	    str_is(f->fx.ops[0].argv, STR("[\"a\",\"new-data\",\"e1\",\"fraud\"]")));
	assert_int_equal(f->fx.runs_n, 1);
	row = &f->fx.runs[0];
	assert_int_equal(row->state, RUN_RUNNING);
	assert_true(row->decision == decision("new-data")->id);
	assert_true(str_is(row->rule, STR("new-data")));
	assert_true(str_is(row->key, STR("fraud")));
	assert_true(str_is(row->model, STR("m")));
	assert_true(str_is(row->params, STR("{\"rows\":50}")));
	assert_true(str_is(row->code, STR("{\"repo\":\"/srv/git\",\"ref\":\"main\"}")));
	assert_memory_equal(row->ruleset_hash, f->rules->hash, 32);
	assert_true(row->created_ms == f->wall && row->started_ms == f->wall);
	trigger = row->trigger;
	assert_non_null(memmem(trigger.p, trigger.len, "\"id\":\"e1\"", 9));
	assert_int_equal(f->fx.pipelines_n, 1);
	assert_memory_equal(f->fx.pipelines[0].hash, row->pipeline_hash, 32);
}

static void the_second_firing_of_an_input_sees_the_first(void **state)
{
	const struct decision_row *d;

	(void)state;
	event("dataset.version.created", "e1", "fraud", "{\"rows\":50}", 0);
	event("dataset.version.created", "e2", "churn", "{\"rows\":50}", 0);
	d = decision("new-data");
	assert_int_equal(d->outcome, OUTCOME_SUPPRESSED);
	assert_int_equal(d->by, SUPP_CONCURRENCY);
	assert_non_null(memmem(d->trace.p, d->trace.len, "1/1 running", 11));
	assert_int_equal(decision("watched")->outcome, OUTCOME_OBSERVED);
	assert_int_equal(f->fx.runs_n, 0);
}

static void refused_parameters_are_an_error_and_no_run(void **state)
{
	(void)state;
	event("dataset.version.created", "e1", "fraud", "{\"rows\":5}", 0);
	assert_int_equal(decision("new-data")->outcome, OUTCOME_ERROR);
	assert_int_equal(f->fx.runs_n, 0);
	assert_true(fix_said(f, "retraind.decision.error"));
}

static void our_events_are_cloudevents_one_deeper_than_their_cause(void **state)
{
	const struct outbox_row *o;
	struct value v, data;

	(void)state;
	event("dataset.version.created", "e1", "fraud", "{\"rows\":50}", 2);
	for (uint32_t i = 0; i < f->fx.outbox_n; i++)
		assert_int_equal(f->fx.outbox[i].depth, 3);
	o = &f->fx.outbox[0];
	assert_true(str_is(o->type, STR("retraind.run.created")));
	assert_true(str_is(o->subject, STR("team_train-1")));
	v = value_from_json(o->json, f->arena);
	assert_int_equal(v.tag, VALUE_MAP);
#define IS(m, key, want) assert_true(str_is(value_as_str( \
	value_member(m, STR(key), f->arena)), STR(want)))
	IS(v, "specversion", "1.0");
	IS(v, "id", "inst-1");
	IS(v, "source", "/retraind/inst");
	IS(v, "type", "retraind.run.created");
	IS(v, "time", "2026-03-01T00:00:00.000Z");
	assert_int_equal(value_member(v, STR("retraindepth"), f->arena).i, 3);
	data = value_member(v, STR("data"), f->arena);
	IS(data, "run", "team_train-1");
	IS(data, "pipeline", "team_train");
	IS(data, "key", "fraud");
	assert_true(fix_said(f, "retraind.decision.fired"));
	assert_true(fix_said(f, "retraind.decision.observed"));
	fix_completed(f, "team_train-1", "a", 1, "{\"o\":1}", "{\"auc\":0.5}");
	fix_completed(f, "team_train-1", "b", 1, "", "");
	for (uint32_t i = 0; i < f->fx.outbox_n; i++) {
		if (!str_is(f->fx.outbox[i].type, STR("retraind.run.completed")))
			continue;
		v = value_from_json(f->fx.outbox[i].json, f->arena);
		data = value_member(v, STR("data"), f->arena);
		IS(data, "outcome", "none");
		v = value_member(value_member(data, STR("metrics"), f->arena), STR("a"),
		    f->arena);
		assert_true(value_equal(value_member(v, STR("auc"), f->arena),
		    value_double(0.5)));
		return;
	}
	fail_msg("no retraind.run.completed");
}

static void a_cascade_ends_without_a_word_of_its_end(void **state)
{
	uint64_t before;

	(void)state;
	event("retraind.run.completed", "inst-9", "x-1", "{}", 7);
	assert_int_equal(decision("echo")->outcome, OUTCOME_FIRED);
	before = f->outbox;
	event("retraind.run.completed", "inst-10", "x-2", "{}", 9);
	assert_int_equal(decision("echo")->by, SUPP_DEPTH);
	assert_true(f->outbox == before);
}

static void take(void *ctx, struct event *ev)
{
	struct input in = { .kind = INPUT_EVENT, .event = ev };

	(void)ctx;
	fix_input(f, &in);
}

/* The event as another system hands it on: as it is, or in binary mode. */
static void comes_back(const char *json, bool binary_mode)
{
	static const char *const names[] = { "specversion", "id", "source", "type",
		"subject", "time", "retraindepth" };
	struct event_limits limits = { 0 };
	struct arena *a = arena_new(0);
	struct value v = value_from_json(str_of(json), a);
	struct header h[G_N_ELEMENTS(names) + 1];
	struct message m = { .source = 1, .origin = STR("bus"), .part = STR("t/0"),
		.topic = STR("t"), .pos = -1, .time_ms = f->wall, .body = str_of(json),
		.content_type = STR("application/cloudevents+json") };
	uint32_t at;

	for (unsigned i = 0; binary_mode && i < G_N_ELEMENTS(names); i++) {
		struct value x = value_member(v, str_of(names[i]), a);

		h[i].name = arena_printf(a, "ce_%s", names[i]);
		h[i].value = x.tag == VALUE_INT ? arena_printf(a, "%d", (int)x.i) :
		    value_as_str(x);
	}
	if (binary_mode) {
		m.headers = h;
		m.headers_n = G_N_ELEMENTS(names);
		m.body = STR("{}");
		m.content_type = STR("application/json");
	}
	assert_int_equal(event_decode(&m, NULL, &f->rules->plan, &limits, a, take, NULL,
	    &at, NULL), EVENT_OK);
	arena_free(a);
}

static char *completed_event(void)
{
	for (uint32_t i = 0; i < f->fx.outbox_n; i++)
		if (str_is(f->fx.outbox[i].type, STR("retraind.run.completed")))
			return z(f->fx.outbox[i].json);
	fail_msg("no retraind.run.completed");
	return NULL;
}

static void a_cascade_through_another_system_ends(void **state)
{
	(void)state;
	fix_run(f, "side", "", "");
	for (int n = 1; n <= 9; n++) {	/* run n is of depth n */
		g_autofree char *run = g_strdup_printf("side-%d", n);
		g_autofree char *json = NULL;

		assert_int_equal(g_hash_table_size(f->runs), n);
		fix_completed(f, run, "a", 1, "", "");
		json = completed_event();
		comes_back(json, n % 2);
	}
	assert_int_equal(decision("echo")->by, SUPP_DEPTH);
	assert_int_equal(g_hash_table_size(f->runs), 9);
}

static void a_trigger_by_hand_is_answered_with_its_decision(void **state)
{
	const struct answer *a;

	(void)state;
	a = fix_command(f, (struct command){ .kind = COMMAND_TRIGGER,
	    .target = STR("new-data"), .key = STR("k"), .params = STR("{\"rows\":11}") });
	assert_true(a->ok);
	assert_true(answer_has(a, "\"run\":\"team_train-1\""));
	assert_true(answer_has(a, "\"outcome\":\"fired\""));
	assert_true(str_is(f->fx.runs[0].actor, STR("uid 0")));
	a = fix_command(f, (struct command){ .kind = COMMAND_TRIGGER,
	    .target = STR("new-data"), .key = STR("k"), .params = STR("{\"rows\":11}") });
	assert_int_equal(a->status, 409);
	a = fix_command(f, (struct command){ .kind = COMMAND_TRIGGER,
	    .target = STR("new-data"), .key = STR("k"), .params = STR("{\"rows\":11}"),
	    .force = true });
	assert_true(answer_has(a, "\"run\":\"team_train-2\""));
	ASSERT_RUN(f, "team_train-2", "pending");
	assert_int_equal(fix_command(f, (struct command){ .kind = COMMAND_TRIGGER,
	    .target = STR("new-dat") })->status, 404);
	assert_int_equal(fix_command(f, (struct command){ .kind = COMMAND_TRIGGER,
	    .target = STR("new-data"), .params = STR("7") })->status, 422);
	assert_int_equal(fix_command(f, (struct command){ .kind = COMMAND_TRIGGER,
	    .target = STR("new-data"), .key = STR("k"),
	    .params = STR("{\"rows\":1}"), .force = true })->status, 422);
}

static void a_schedule_fires_at_its_time_and_not_while_paused(void **state)
{
	int64_t wall, tick;
	struct input in;

	(void)state;
	world_next_due(f->w, &wall, &tick);
	assert_true(wall == f->wall + 3600000);
	f->wall = wall;
	f->tick += 3600000;
	assert_int_equal(fix_due(f), 1);
	ASSERT_RUN(f, "side-1", "running");
	assert_true(fix_command(f, (struct command){ .kind = COMMAND_PAUSE })->ok);
	assert_true(world_paused(f->w));
	f->wall += 3600000;
	f->tick += 3600000;
	assert_false(world_take_due(f->w, f->wall, f->tick, &in));
	fix_completed(f, "side-1", "a", 1, "", "");	/* runs go on */
	ASSERT_RUN(f, "side-1", "completed");
	fix_restart(f);
	assert_true(world_paused(f->w));
	assert_true(fix_command(f, (struct command){ .kind = COMMAND_RESUME })->ok);
	assert_true(fix_due(f) > 0);
	ASSERT_RUN(f, "side-2", "running");
}

static void pausing_a_rule_needs_a_rule(void **state)
{
	(void)state;
	ASSERT_REFUSED(fix_command(f, (struct command){ .kind = COMMAND_PAUSE,
	    .target = STR("nightl") }), 404, "nightl");
	assert_true(fix_command(f, (struct command){ .kind = COMMAND_PAUSE,
	    .target = STR("nightly") })->ok);
	assert_false(world_paused(f->w));
}

static void inputs_are_numbered_across_restarts(void **state)
{
	uint64_t seq = world_seq(f->w);

	(void)state;
	fix_run(f, "side", "", "");
	assert_true(world_seq(f->w) == seq + 1);
	fix_restart(f);
	assert_true(world_seq(f->w) == seq + 2);	/* the start is an input too */
	fix_run(f, "side", "", "");
	ASSERT_RUN(f, "side-2", "running");
}

static void after_a_restart_runs_are_unverified_until_their_executor_says_more(
    void **state)
{
	(void)state;
	fix_run(f, "team_train", "", "{\"rows\":10}");	/* a: START not answered */
	fix_run(f, "side", "", "");
	fix_started(f, "side-2", "a", 1);
	fix_run(f, "side", "", "");
	fix_started(f, "side-3", "a", 1);
	fix_abort(f, "side-3");
	fix_restart(f);
	assert_string_equal(fix_ops(f),
	    "START team_train-1/a#1, POLL side-2/a#1, ABORT side-3/a#1");
	assert_non_null(memmem(f->fx.ops[0].input.p, f->fx.ops[0].input.len,
	    "\"run\":\"team_train-1\"", 20));
	assert_int_equal(world_counts(f->w).unverified, 3);
	assert_true(fix_row(f, "side-2")->unverified);
	fix_report(f, "side-2", "a", 1, (struct report){ .op = EXEC_POLL,
	    .answer = REPORT_UNCERTAIN, .exit_code = -1 });
	assert_true(world_counts(f->w).unverified == 3);
	fix_started(f, "side-2", "a", 1);
	assert_false(fix_row(f, "side-2")->unverified);
	fix_started(f, "team_train-1", "a", 1);
	fix_aborted(f, "side-3", "a", 1);
	ASSERT_RUN(f, "side-3", "aborted");
	assert_int_equal(world_counts(f->w).unverified, 0);
}

static void operations_of_the_same_turn_are_not_given_twice(void **state)
{
	(void)state;
	fix_run(f, "side", "", "");
	fix_started(f, "side-1", "a", 1);
	fix_run(f, "side", "", "");
	world_ops(f->w, &f->fx);
	assert_string_equal(fix_ops(f), "START side-2/a#1, POLL side-1/a#1");
}

static void the_newest_run_is_the_last_run_and_any_success_counts(void **state)
{
	struct facts *facts = decide_facts(world_decide_mut(f->w));

	(void)state;
	fix_run(f, "side", "k", "");
	fix_run(f, "side", "k", "");
	assert_true(facts_last_run(facts, STR("side"), STR("k")).run == 2);
	fix_completed(f, "side-1", "a", 1, "", "");
	assert_true(facts_last_run(facts, STR("side"), STR("k")).run == 2);
	assert_true(str_is(facts_last_run(facts, STR("side"), STR("k")).state,
	    STR("running")));
	assert_true(facts_last_success(facts, STR("side"), STR("k")).run == 1);
	fix_failed(f, "side-2", "a", 1, 1);
	assert_true(str_is(facts_last_run(facts, STR("side"), STR("k")).state,
	    STR("failed")));
	assert_true(facts_last_run(facts, STR("side"), STR("k")).finished_ms == f->wall);
	assert_true(facts_last_success(facts, STR("side"), STR("k")).run == 1);
	assert_true(facts_last_run(facts, STR("side"), STR("")).run == 0);
}

static void an_unverified_step_is_not_timed_out(void **state)
{
	(void)state;
	fix_run(f, "team_train", "", "{\"rows\":10}");
	fix_started(f, "team_train-1", "a", 1);
	f->tick += 3 * 3600000;
	f->wall += 3 * 3600000;
	fix_restart(f);
	fix_due(f);
	ASSERT_STEP(f, "team_train-1", "a", "running");
	ASSERT_RUN(f, "team_train-1", "running");
	fix_completed(f, "team_train-1", "a", 1, "", "");
	ASSERT_STEP(f, "team_train-1", "a", "completed");
}

static void keys_of_a_run_stay_those_of_its_epoch(void **state)
{
	const struct start s = { .instance = INSTANCE, .epoch = STR("ep2") };
	struct input in = { .kind = INPUT_START, .start = &s };
	char key[24];

	(void)state;
	fix_run(f, "team_train", "", "{\"rows\":10}");
	fix_restart(f);
	fix_input(f, &in);
	fix_completed(f, "team_train-1", "a", 1, "", "");	/* key of ep1 */
	assert_string_equal(fix_ops(f), "START team_train-1/b#1");
	fix_command(f, (struct command){ .kind = COMMAND_RUN, .target = STR("side") });
	step_key(INSTANCE, STR("ep2"), STR("side-2"), STR("a"), 1, key);
	assert_true(str_is(f->fx.ops[0].key, str_of(key)));
}

static void texts_of_pipelines_are_kept_while_a_run_names_them(void **state)
{
	(void)state;
	fix_run(f, "side", "", "");
	assert_int_equal(f->fx.pipelines_n, 1);
	fix_run(f, "side", "", "");
	assert_int_equal(f->fx.pipelines_n, 0);
	fix_completed(f, "side-1", "a", 1, "", "");
	assert_int_equal(f->fx.pipelines_n, 0);
	fix_restart(f);
	fix_completed(f, "side-2", "a", 1, "", "");
	assert_int_equal(f->fx.pipelines_n, 1);
	assert_true(f->fx.pipelines[0].dropped);
	assert_int_equal(g_hash_table_size(f->texts), 0);
}

static void a_run_goes_on_with_the_pipeline_that_it_was_made_with(void **state)
{
	static const struct catalog catalog;
	const struct rule_text text = { .name = STR("t"), .dir = STR("/"), .bytes = STR(
	    "pipelines:\n  - name: team_train\n    steps: [{name: z, command: [z]}]\n") };
	const struct text diag_text = { text.name, text.bytes };
	struct diags *diags = diags_new(&diag_text, 1);
	struct input in = { .kind = INPUT_RULESET };
	struct ruleset *old = f->rules;

	(void)state;
	fix_run(f, "team_train", "", "{\"rows\":10}");
	in.ruleset = ruleset_build(&text, 1, &catalog, diags);
	assert_non_null(in.ruleset);
	diags_free(diags);
	fix_input(f, &in);
	f->rules = in.ruleset;
	ruleset_unref(old);
	fix_restart(f);
	fix_completed(f, "team_train-1", "a", 1, "", "");
	assert_string_equal(fix_ops(f), "START team_train-1/b#1");
	fix_run(f, "team_train", "", "");
	assert_string_equal(fix_ops(f), "START team_train-2/z#1");
}

static void a_run_whose_pipeline_no_longer_compiles_fails_and_says_so(void **state)
{
	struct world *w;

	(void)state;
	fix_run(f, "team_train", "", "{\"rows\":10}");
	fix_run(f, "side", "", "");
	fix_started(f, "side-2", "a", 1);
	w = fix_copy(f, false);
	world_free(f->w);
	f->w = w;
	g_hash_table_remove_all(f->texts);
	fix_start(f, false);
	assert_string_equal(fix_ops(f), "ABORT team_train-1/a#1, ABORT side-2/a#1");
	fix_aborted(f, "team_train-1", "a", 1);
	fix_completed(f, "side-2", "a", 1, "", "");
	ASSERT_RUN(f, "team_train-1", "failed");
	ASSERT_REASON(f, "team_train-1", "its pipeline no longer compiles");
	ASSERT_RUN(f, "side-2", "failed");
}

static void a_damaged_run_is_refused_at_load(void **state)
{
	struct cells *cells = world_cells(f->w);
	struct err err = { 0 };
	uint32_t damaged = 0;

	(void)state;
	fix_run(f, "side", "", "");
	for (uint32_t id = cells_next(cells, 0); id; id = cells_next(cells, id))
		if (cells_kind(cells, id) == 65)	/* its step */
			damaged = id;
	assert_true(damaged);
	cells_resize(cells, damaged, 8);
	assert_false(fix_try_copy(f, &err));
	assert_int_equal(err.code, ERR_CORRUPT);
	assert_non_null(strstr(err.msg, "a run in cell"));
}

static void ended_runs_leave_no_cells(void **state)
{
	char *big = g_strnfill(60000, 'y'),
	     *json = g_strdup_printf("{\"v\":\"%s\"}", big);
	uint64_t before;

	(void)state;
	fix_run(f, "side", "k", "");
	fix_completed(f, "side-1", "a", 1, "", "");
	before = cells_total_bytes(world_cells(f->w));
	for (int i = 2; i < 20; i++) {
		char *run = g_strdup_printf("side-%d", i);

		fix_run(f, "side", "k", "");
		fix_completed(f, run, "a", 1, json, json);
		g_free(run);
	}
	assert_true(cells_total_bytes(world_cells(f->w)) <= before + 64);
	g_free(json);
	g_free(big);
}

/* SHA-256 of "inst" NUL "ep1" NUL "r-1" NUL "a" NUL "1", its first 100 bits in base32
 * (RFC 4648), computed by python's hashlib and base64. */
static void step_keys_are_base32_of_a_hash(void **state)
{
	char key[24];

	(void)state;
	step_key(STR("inst"), STR("ep1"), STR("r-1"), STR("a"), 1, key);
	assert_string_equal(key, "rt-f3cqxr3texzlg2xwuzt7");
	step_key(STR("inst"), STR("ep1"), STR("r-1"), STR("a"), 12, key);
	assert_string_equal(key, "rt-7vpqvte3i2jawdbmvdox");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_event_becomes_a_running_step_in_one_input),
		T(the_second_firing_of_an_input_sees_the_first),
		T(refused_parameters_are_an_error_and_no_run),
		T(our_events_are_cloudevents_one_deeper_than_their_cause),
		T(a_cascade_ends_without_a_word_of_its_end),
		T(a_cascade_through_another_system_ends),
		T(a_trigger_by_hand_is_answered_with_its_decision),
		T(a_schedule_fires_at_its_time_and_not_while_paused),
		T(pausing_a_rule_needs_a_rule),
		T(inputs_are_numbered_across_restarts),
		T(after_a_restart_runs_are_unverified_until_their_executor_says_more),
		T(operations_of_the_same_turn_are_not_given_twice),
		T(the_newest_run_is_the_last_run_and_any_success_counts),
		T(an_unverified_step_is_not_timed_out),
		T(keys_of_a_run_stay_those_of_its_epoch),
		T(texts_of_pipelines_are_kept_while_a_run_names_them),
		T(a_run_goes_on_with_the_pipeline_that_it_was_made_with),
		T(a_run_whose_pipeline_no_longer_compiles_fails_and_says_so),
		T(a_damaged_run_is_refused_at_load),
		T(ended_runs_leave_no_cells),
		T(step_keys_are_base32_of_a_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
