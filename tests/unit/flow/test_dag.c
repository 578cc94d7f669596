/* Steps in their order: needs, parallel starts, if:, gates, on_failure, timeouts, and
 * what a step is given. */
#include "fixture.h"

static const char dag[] =
	"pipelines:\n"
	"  - name: line\n"
	"    model: m\n"
	"    params: {epochs: {type: int, default: 5, min: 1, max: 50}, who: {type: "
	    "string, default: me}}\n"
	"    env: {A: pipeline, B: \"${params.who}\"}\n"
	"    steps:\n"
	"      - {name: train, command: [train, --epochs, \"${params.epochs}\"], env: "
	    "{A: step}}\n"
	"      - {name: evaluate, needs: train, command: [eval, --model, "
	    "\"${steps.train.outputs.model}\"]}\n"
	"      - {name: gate, needs: evaluate, gate: \"steps.evaluate.metrics.auc >= "
	    "1\"}\n"
	"      - {name: deploy, needs: gate, command: [deploy]}\n"
	"  - name: diamond\n"
	"    steps:\n"
	"      - {name: a, command: [a]}\n"
	"      - {name: b, needs: a, command: [b]}\n"
	"      - {name: c, needs: a, command: [c]}\n"
	"      - {name: d, needs: [b, c], command: [d]}\n"
	"  - name: cond\n"
	"    params: {go: {type: bool, default: false}}\n"
	"    steps:\n"
	"      - {name: a, if: params.go, command: [a]}\n"
	"      - {name: b, needs: a, command: [b]}\n"
	"      - {name: c, command: [c]}\n"
	"  - name: soft\n"
	"    steps:\n"
	"      - {name: a, command: [a], on_failure: continue}\n"
	"      - {name: b, needs: a, command: [b, \"${steps.a.state}\"]}\n"
	"  - name: slow\n"
	"    timeout: 1h\n"
	"    steps:\n"
	"      - {name: a, command: [a], timeout: 10m}\n"
	"      - {name: b, needs: a, command: [b]}\n"
	"  - name: text\n"
	"    params: {x: {type: string, default: v}, p: {type: string, default: v, "
	    "pattern: \"^-?[a-z]+$\"}}\n"
	"    steps:\n"
	"      - {name: a, command: [a, \"${params.x}\", \"${params.p}\", "
	    "\"--x=${params.x}\"]}\n"
	"  - name: after\n"
	"    params: {x: {type: string, default: v}}\n"
	"    steps:\n"
	"      - {name: a, command: [a, \"--\", \"${params.x}\"]}\n";

static struct fix *f;

static int setup(void **state)
{
	(void)state;
	f = fix_new(dag);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fix_free(f);
	return 0;
}

static void steps_run_one_after_the_other(void **state)
{
	(void)state;
	assert_true(fix_run(f, "line", "", "")->ok);
	assert_string_equal(fix_ops(f), "START line-1/train#1");
	ASSERT_RUN(f, "line-1", "running");
	ASSERT_STEP(f, "line-1", "train", "running");
	ASSERT_STEP(f, "line-1", "evaluate", "pending");
	fix_started(f, "line-1", "train", 1);
	assert_int_equal(f->fx.attempts_n, 1);
	assert_int_equal(f->fx.attempts[0].state, STEP_RUNNING);
	fix_completed(f, "line-1", "train", 1, "{\"model\":\"m.bin\"}", "");
	assert_string_equal(fix_ops(f), "START line-1/evaluate#1");
	assert_true(str_is(f->fx.ops[0].argv, STR("[\"eval\",\"--model\",\"m.bin\"]")));
	assert_int_equal(f->fx.forget_n, 1);
	fix_completed(f, "line-1", "evaluate", 1, "", "{\"auc\":1}");
	ASSERT_STEP(f, "line-1", "gate", "completed");
	assert_string_equal(fix_ops(f), "START line-1/deploy#1");
	fix_completed(f, "line-1", "deploy", 1, "", "");
	ASSERT_RUN(f, "line-1", "completed");
	assert_int_equal(fix_row(f, "line-1")->outcome, RUN_NONE);
	assert_int_equal(world_counts(f->w).running, 0);
	assert_string_equal(f->events->str,
	    "retraind.run.created\nretraind.run.started\nretraind.step.started\n"
	    "retraind.step.completed\nretraind.step.started\nretraind.step.completed\n"
	    "retraind.step.started\nretraind.step.completed\nretraind.step.started\n"
	    "retraind.step.compl"
	    "eted\nretraind.run.completed\nretraind.model.candidate\n");
}

static void a_start_carries_what_the_step_gets(void **state)
{
	const struct exec_op *op;
	struct value in, v;

	(void)state;
	fix_run(f, "line", "k1", "{\"epochs\":7}");
	op = &f->fx.ops[0];
	assert_true(str_is(op->executor, STR("local")));
	assert_true(str_is(op->argv, STR("[\"train\",\"--epochs\",\"7\"]")));
	assert_true(str_is(op->dir, STR("/srv/rules")));
	assert_true(str_is(op->pipeline, STR("line")));
	v = value_from_json(op->env, f->arena);
	assert_int_equal(v.map->n, 2);
	assert_true(
	    str_is(value_as_str(value_member(v, STR("A"), f->arena)), STR("step")));
	assert_true(str_is(value_as_str(value_member(v, STR("B"), f->arena)), STR("me")));
	in = value_from_json(op->input, f->arena);
	assert_true(str_is(value_as_str(value_member(in, STR("run"), f->arena)),
	    STR("line-1")));
	assert_true(
	    str_is(value_as_str(value_member(in, STR("key"), f->arena)), STR("k1")));
	assert_true(
	    str_is(value_as_str(value_member(in, STR("model"), f->arena)), STR("m")));
	assert_int_equal(value_member(in, STR("attempt"), f->arena).i, 1);
	v = value_member(in, STR("params"), f->arena);
	assert_int_equal(value_member(v, STR("epochs"), f->arena).i, 7);
	assert_int_equal(value_member(in, STR("trigger"), f->arena).tag, VALUE_MAP);
	assert_int_equal(value_member(in, STR("champion"), f->arena).tag, VALUE_MAP);
	fix_completed(f, "line-1", "train", 1, "{\"model\":\"m\"}", "{\"loss\":2}");
	in = value_from_json(f->fx.ops[0].input, f->arena);
	v = value_member(
	    value_member(in, STR("steps"), f->arena), STR("train"), f->arena);
	v = value_member(
	    value_member(v, STR("metrics"), f->arena), STR("loss"), f->arena);
	assert_true(value_equal(v, value_int(2)));
}

static void independent_steps_run_at_once(void **state)
{
	(void)state;
	fix_run(f, "diamond", "", "");
	fix_completed(f, "diamond-1", "a", 1, "", "");
	assert_string_equal(fix_ops(f), "START diamond-1/b#1, START diamond-1/c#1");
	fix_completed(f, "diamond-1", "c", 1, "", "");
	assert_string_equal(fix_ops(f), "");
	fix_completed(f, "diamond-1", "b", 1, "", "");
	assert_string_equal(fix_ops(f), "START diamond-1/d#1");
}

static void a_false_if_skips_the_step_and_what_needs_it(void **state)
{
	(void)state;
	fix_run(f, "cond", "", "");
	ASSERT_STEP(f, "cond-1", "a", "skipped");
	ASSERT_STEP(f, "cond-1", "b", "skipped");
	assert_string_equal(fix_ops(f), "START cond-1/c#1");
	fix_completed(f, "cond-1", "c", 1, "", "");
	ASSERT_RUN(f, "cond-1", "completed");
	fix_run(f, "cond", "", "{\"go\":true}");
	assert_string_equal(fix_ops(f), "START cond-2/a#1, START cond-2/c#1");
}

static void a_gate_that_says_no_completes_the_run_as_rejected(void **state)
{
	(void)state;
	fix_run(f, "line", "", "");
	fix_completed(f, "line-1", "train", 1, "{\"model\":\"m\"}", "");
	fix_completed(f, "line-1", "evaluate", 1, "", "{\"auc\":0.99}");
	ASSERT_STEP(f, "line-1", "gate", "completed");
	ASSERT_STEP(f, "line-1", "deploy", "skipped");
	ASSERT_RUN(f, "line-1", "completed");
	assert_int_equal(fix_row(f, "line-1")->outcome, RUN_REJECTED);
	ASSERT_REASON(f, "line-1", "gate gate said no");
	assert_string_equal(fix_step(f, "line-1", "gate")->outputs, "{\"passed\":false}");
}

static void a_gate_over_missing_metrics_fails_the_run(void **state)
{
	(void)state;
	fix_run(f, "line", "", "");
	fix_completed(f, "line-1", "train", 1, "{\"model\":\"m\"}", "");
	fix_completed(f, "line-1", "evaluate", 1, "", "{\"f1\":0.99}");
	ASSERT_STEP(f, "line-1", "gate", "failed");
	ASSERT_STEP(f, "line-1", "deploy", "skipped");
	ASSERT_RUN(f, "line-1", "failed");
	assert_non_null(strstr(fix_row(f, "line-1")->reason, "step gate: gate: "));
	assert_non_null(strstr(fix_row(f, "line-1")->reason, "auc"));
}

static void a_missing_output_fails_the_step_that_reads_it(void **state)
{
	(void)state;
	fix_run(f, "line", "", "");
	fix_completed(f, "line-1", "train", 1, "{}", "");
	assert_string_equal(fix_ops(f), "");
	ASSERT_STEP(f, "line-1", "evaluate", "failed");
	ASSERT_RUN(f, "line-1", "failed");
}

static void a_failed_step_fails_the_run_and_aborts_its_siblings(void **state)
{
	(void)state;
	fix_run(f, "diamond", "", "");
	fix_completed(f, "diamond-1", "a", 1, "", "");
	fix_started(f, "diamond-1", "b", 1);
	fix_started(f, "diamond-1", "c", 1);
	fix_failed(f, "diamond-1", "b", 1, 3);
	assert_string_equal(fix_ops(f), "ABORT diamond-1/c#1");
	ASSERT_RUN(f, "diamond-1", "running");
	ASSERT_STEP(f, "diamond-1", "d", "skipped");
	fix_failed(f, "diamond-1", "c", 1, 143);
	ASSERT_STEP(f, "diamond-1", "c", "aborted");
	ASSERT_RUN(f, "diamond-1", "failed");
	ASSERT_REASON(f, "diamond-1", "step b: exit 3");
}

static void on_failure_continue_goes_on(void **state)
{
	(void)state;
	fix_run(f, "soft", "", "");
	fix_failed(f, "soft-1", "a", 1, 1);
	ASSERT_STEP(f, "soft-1", "a", "failed");
	assert_true(str_is(f->fx.ops[0].argv, STR("[\"b\",\"failed\"]")));
	fix_completed(f, "soft-1", "b", 1, "", "");
	ASSERT_RUN(f, "soft-1", "completed");
}

static void a_step_that_takes_too_long_is_aborted_and_failed(void **state)
{
	(void)state;
	fix_run(f, "slow", "", "");
	fix_started(f, "slow-1", "a", 1);
	fix_wait(f, 10 * 60000 - 1);
	ASSERT_STEP(f, "slow-1", "a", "running");
	fix_wait(f, 1);
	assert_string_equal(fix_ops(f), "ABORT slow-1/a#1");
	ASSERT_RUN(f, "slow-1", "running");
	fix_aborted(f, "slow-1", "a", 1);
	ASSERT_STEP(f, "slow-1", "a", "failed");
	assert_string_equal(fix_step(f, "slow-1", "a")->reason, "timeout after 10m");
	ASSERT_RUN(f, "slow-1", "failed");
	ASSERT_REASON(f, "slow-1", "step a: timeout after 10m");
}

static void a_step_that_completes_despite_its_timeout_is_completed(void **state)
{
	(void)state;
	fix_run(f, "slow", "", "");
	fix_started(f, "slow-1", "a", 1);
	fix_wait(f, 10 * 60000 + 1);
	fix_completed(f, "slow-1", "a", 1, "", "");
	ASSERT_STEP(f, "slow-1", "a", "completed");
	assert_string_equal(fix_ops(f), "START slow-1/b#1");
}

static void a_run_that_takes_too_long_is_stopped_and_failed(void **state)
{
	(void)state;
	fix_run(f, "slow", "", "");
	fix_completed(f, "slow-1", "a", 1, "", "");
	fix_started(f, "slow-1", "b", 1);
	fix_wait(f, 3600000 + 1);
	assert_string_equal(fix_ops(f), "ABORT slow-1/b#1");
	fix_aborted(f, "slow-1", "b", 1);
	ASSERT_RUN(f, "slow-1", "failed");
	ASSERT_REASON(f, "slow-1", "timeout after 1h");
}

static void a_parameter_cannot_pass_as_an_option(void **state)
{
	(void)state;
	fix_run(f, "text", "", "{\"x\":\"-rf\"}");
	assert_string_equal(fix_ops(f), "");
	ASSERT_RUN(f, "text-1", "failed");
	assert_non_null(
	    strstr(fix_row(f, "text-1")->reason, "argument 1 begins with '-'"));
	fix_run(f, "text", "", "{\"p\":\"-abc\"}");
	assert_true(str_is(f->fx.ops[0].argv, STR("[\"a\",\"v\",\"-abc\",\"--x=v\"]")));
	fix_run(f, "after", "", "{\"x\":\"-rf\"}");
	assert_true(str_is(f->fx.ops[0].argv, STR("[\"a\",\"--\",\"-rf\"]")));
}

static void bad_results_fail_the_step(void **state)
{
	(void)state;
	fix_run(f, "line", "", "");
	fix_completed(f, "line-1", "train", 1, "[1]", "");
	ASSERT_RUN(f, "line-1", "failed");
	ASSERT_REASON(f, "line-1", "step train: its outputs are not a JSON object");
}

static void long_outputs_come_back_whole(void **state)
{
	char *big = g_strnfill(100000, 'x'),
	     *json = g_strdup_printf("{\"model\":\"%s\"}", big);

	(void)state;
	fix_run(f, "line", "", "");
	fix_completed(f, "line-1", "train", 1, json, "");
	assert_string_equal(fix_step(f, "line-1", "train")->outputs, json);
	ASSERT_STEP(f, "line-1", "evaluate", "failed");
	assert_non_null(strstr(fix_step(f, "line-1", "evaluate")->reason, "64 KiB"));
	g_free(json);
	g_free(big);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(steps_run_one_after_the_other),
		T(a_start_carries_what_the_step_gets),
		T(independent_steps_run_at_once),
		T(a_false_if_skips_the_step_and_what_needs_it),
		T(a_gate_that_says_no_completes_the_run_as_rejected),
		T(a_gate_over_missing_metrics_fails_the_run),
		T(a_missing_output_fails_the_step_that_reads_it),
		T(a_failed_step_fails_the_run_and_aborts_its_siblings),
		T(on_failure_continue_goes_on),
		T(a_step_that_takes_too_long_is_aborted_and_failed),
		T(a_step_that_completes_despite_its_timeout_is_completed),
		T(a_run_that_takes_too_long_is_stopped_and_failed),
		T(a_parameter_cannot_pass_as_an_option),
		T(bad_results_fail_the_step),
		T(long_outputs_come_back_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
