/* Attempts of a step (backoff, uncertain starts, busy and lost jobs) and the retry of a
 * run by a person. */
#include "fixture.h"

static const char rules[] =
	"pipelines:\n"
	"  - name: r\n"
	"    params: {n: {type: int, default: 1}}\n"
	"    steps:\n"
	"      - {name: a, command: [a], retry: {attempts: 3, backoff: 30s}}\n"
	"      - {name: g, needs: a, gate: \"steps.a.metrics.x > 0\"}\n"
	"      - {name: b, needs: g, command: [b, \"${steps.a.outputs.m}\"]}\n"
	"  - name: one\n"
	"    steps:\n"
	"      - {name: a, command: [a], timeout: 5m}\n"
	"  - name: par\n"
	"    steps:\n"
	"      - {name: a, command: [a], timeout: 5m, retry: {attempts: 2}}\n"
	"      - {name: b, command: [b]}\n"
	"  - name: q\n"
	"    concurrency: {limit: 1, on_limit: skip}\n"
	"    steps:\n"
	"      - {name: a, command: [a]}\n";

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

static void start_said(const char *run, uint32_t n, enum report_answer a, int64_t again)
{
	fix_report(f, run, "a", n, (struct report){ .op = EXEC_START, .answer = a,
	    .exit_code = -1, .again_ms = again, .reason = STR("no such file") });
}

static void state_said(const char *run, enum exec_op_kind op, enum report_state st)
{
	fix_report(f, run, "a", 1, (struct report){ .op = op, .answer = REPORT_OK,
	    .state = st, .exit_code = -1 });
}

static void a_failed_attempt_is_followed_by_another_with_doubling_waits(void **state)
{
	(void)state;
	fix_run(f, "r", "", "");
	fix_failed(f, "r-1", "a", 1, 1);
	ASSERT_STEP(f, "r-1", "a", "running");
	assert_int_equal(f->fx.attempts_n, 1);
	assert_int_equal(f->fx.attempts[0].state, STEP_FAILED);
	assert_int_equal(f->fx.attempts[0].exit_code, 1);
	assert_int_equal(fix_wait(f, 29999), 0);
	assert_int_equal(fix_wait(f, 1), 1);
	assert_string_equal(fix_ops(f), "START r-1/a#2");
	fix_failed(f, "r-1", "a", 2, 1);
	assert_int_equal(fix_wait(f, 59999), 0);
	assert_int_equal(fix_wait(f, 1), 1);
	assert_string_equal(fix_ops(f), "START r-1/a#3");
	fix_failed(f, "r-1", "a", 3, 7);
	ASSERT_STEP(f, "r-1", "a", "failed");
	ASSERT_RUN(f, "r-1", "failed");
	ASSERT_REASON(f, "r-1", "step a: exit 7");
	assert_int_equal(fix_step(f, "r-1", "a")->attempts, 3);
}

static void a_late_report_of_an_older_attempt_changes_nothing(void **state)
{
	(void)state;
	fix_run(f, "r", "", "");
	fix_failed(f, "r-1", "a", 1, 1);
	fix_wait(f, 30000);
	fix_completed(f, "r-1", "a", 1, "{\"m\":1}", "{\"x\":1}");
	assert_int_equal(
	    f->fx.runs_n + f->fx.steps_n + f->fx.attempts_n + f->fx.ops_n, 0);
	ASSERT_STEP(f, "r-1", "a", "running");
}

static void repeated_reports_change_nothing(void **state)
{
	(void)state;
	fix_run(f, "one", "", "");
	fix_started(f, "one-1", "a", 1);
	assert_int_equal(f->fx.attempts_n, 1);
	fix_started(f, "one-1", "a", 1);
	assert_int_equal(f->fx.runs_n + f->fx.steps_n + f->fx.attempts_n, 0);
	fix_completed(f, "one-1", "a", 1, "", "");
	ASSERT_RUN(f, "one-1", "completed");
	fix_failed(f, "one-1", "a", 1, 1);
	fix_completed(f, "one-1", "a", 1, "", "");
	assert_int_equal(f->fx.runs_n + f->fx.steps_n + f->fx.outbox_n, 0);
	ASSERT_RUN(f, "one-1", "completed");
}

static void a_refused_start_fails_without_a_retry(void **state)
{
	(void)state;
	fix_run(f, "r", "", "");
	start_said("r-1", 1, REPORT_REFUSED, 0);
	ASSERT_RUN(f, "r-1", "failed");
	ASSERT_REASON(f, "r-1", "step a: not started: no such file");
}

static void a_busy_executor_is_asked_again_under_the_same_key(void **state)
{
	(void)state;
	fix_run(f, "one", "", "");
	start_said("one-1", 1, REPORT_BUSY, 2500);
	assert_string_equal(fix_ops(f), "");
	assert_int_equal(fix_wait(f, 2499), 0);
	fix_wait(f, 1);
	assert_string_equal(fix_ops(f), "START one-1/a#1");
	start_said("one-1", 1, REPORT_BUSY, 0);
	assert_int_equal(fix_wait(f, 999), 0);
	fix_wait(f, 1);
	assert_string_equal(fix_ops(f), "START one-1/a#1");
	fix_started(f, "one-1", "a", 1);
	start_said("one-1", 1, REPORT_BUSY, 10);
	assert_int_equal(f->fx.runs_n, 0);
}

static void a_busy_executor_does_not_hold_a_step_beyond_its_timeout(void **state)
{
	(void)state;
	fix_run(f, "one", "", "");
	start_said("one-1", 1, REPORT_BUSY, 3600000);
	fix_wait(f, 300000);
	assert_string_equal(fix_ops(f), "");	/* surely not started: nothing to abort */
	ASSERT_RUN(f, "one-1", "failed");
	ASSERT_REASON(f, "one-1", "step a: timeout after 5m");
}

static void a_start_that_is_busy_after_its_timeout_is_not_repeated(void **state)
{
	(void)state;
	fix_run(f, "one", "", "");
	fix_wait(f, 300000);
	assert_string_equal(fix_ops(f), "ABORT one-1/a#1");
	start_said("one-1", 1, REPORT_BUSY, 10);
	ASSERT_RUN(f, "one-1", "failed");
	ASSERT_REASON(f, "one-1", "step a: timeout after 5m");
}

static void a_timed_out_step_has_no_next_attempt_in_a_failing_run(void **state)
{
	(void)state;
	fix_run(f, "par", "", "");
	fix_started(f, "par-1", "a", 1);
	fix_wait(f, 300000);
	fix_failed(f, "par-1", "b", 1, 2);
	fix_aborted(f, "par-1", "a", 1);
	ASSERT_STEP(f, "par-1", "a", "failed");
	assert_string_equal(fix_step(f, "par-1", "a")->reason, "timeout after 5m");
	ASSERT_REASON(f, "par-1", "step b: exit 2");
}

static void an_uncertain_start_is_looked_for(void **state)
{
	(void)state;
	fix_run(f, "one", "", "");
	start_said("one-1", 1, REPORT_UNCERTAIN, 0);
	assert_string_equal(fix_ops(f), "FIND one-1/a#1");
	state_said("one-1", EXEC_FIND, REPORT_ABSENT);
	fix_wait(f, 1000);
	assert_string_equal(fix_ops(f), "FIND one-1/a#1");
	state_said("one-1", EXEC_FIND, REPORT_RUNNING);
	assert_int_equal(f->fx.attempts[0].state, STEP_RUNNING);
	assert_int_equal(fix_wait(f, 100000), 0);
}

static void a_job_absent_three_times_in_a_row_is_lost(void **state)
{
	(void)state;
	fix_run(f, "one", "", "");
	fix_started(f, "one-1", "a", 1);
	state_said("one-1", EXEC_POLL, REPORT_ABSENT);
	state_said("one-1", EXEC_POLL, REPORT_ABSENT);
	state_said("one-1", EXEC_POLL, REPORT_RUNNING);	/* counts from the start again */
	state_said("one-1", EXEC_POLL, REPORT_ABSENT);
	fix_wait(f, 1000);
	assert_string_equal(fix_ops(f), "POLL one-1/a#1");
	state_said("one-1", EXEC_POLL, REPORT_ABSENT);
	ASSERT_RUN(f, "one-1", "running");
	state_said("one-1", EXEC_POLL, REPORT_ABSENT);
	ASSERT_RUN(f, "one-1", "failed");
	assert_non_null(strstr(fix_row(f, "one-1")->reason, "lost"));
}

static void a_remote_job_is_polled_when_its_executor_says(void **state)
{
	(void)state;
	fix_run(f, "one", "", "");
	fix_report(f, "one-1", "a", 1, (struct report){ .op = EXEC_START,
	    .answer = REPORT_EXISTED, .state = REPORT_PENDING, .native_id = STR("job 9"),
	    .native_state = STR("queued"), .exit_code = -1, .again_ms = 5000 });
	assert_true(str_is(f->fx.attempts[0].native_id, STR("job 9")));
	fix_wait(f, 5000);
	assert_string_equal(fix_ops(f), "POLL one-1/a#1");
	assert_true(str_is(f->fx.ops[0].native_id, STR("job 9")));
	fix_report(f, "one-1", "a", 1, (struct report){ .op = EXEC_POLL,
	    .answer = REPORT_UNCERTAIN, .exit_code = -1, .again_ms = 700 });
	fix_wait(f, 700);
	assert_string_equal(fix_ops(f), "POLL one-1/a#1");
}

/* ---- a person's retry of a run that ended ---- */

static const struct answer *retry(const char *run, const char *adopt, bool force)
{
	char *hex = NULL, *params;
	const struct answer *a;
	struct pipeline *p = ruleset_pipeline(f->rules, STR("r"));

	hex = fix_hex(p->hash);
	params = g_strdup_printf("{\"pipeline\":\"r\",\"pipeline_hash\":\"%s\","
	    "\"params\":{\"n\":4},\"events\":[{\"id\":\"e1\"}],"
	    "\"trigger\":{\"rule\":\"nightly\",\"decision\":17},\"adopt\":%s}",
	    force ? "00" : hex, adopt);
	a = fix_command(f, (struct command){ .kind = COMMAND_RETRY, .target = str_of(run),
	    .key = STR("k"), .params = str_of(params), .force = force });
	g_free(hex);
	g_free(params);
	return a;
}

static void end_at_b(void)
{
	fix_run(f, "r", "k", "{\"n\":4}");
	fix_completed(f, "r-1", "a", 1, "{\"m\":\"z\"}", "{\"x\":2}");
	fix_failed(f, "r-1", "b", 1, 9);
	ASSERT_RUN(f, "r-1", "failed");
}

static void retry_adopts_completed_steps_and_decides_gates_again(void **state)
{
	const struct answer *a;

	(void)state;
	end_at_b();
	a = retry("r-1",
	    "[{\"step\":\"a\",\"outputs\":{\"m\":\"z\"},\"metrics\":{\"x\":2}},"
	    "{\"step\":\"g\",\"outputs\":{\"passed\":true}}]",
	    false);
	assert_true(a->ok);
	assert_true(str_is(a->json, STR("{\"run\":\"r-2\"}")));
	assert_string_equal(fix_ops(f), "START r-2/b#1");
	assert_true(str_is(f->fx.ops[0].argv, STR("[\"b\",\"z\"]")));
	ASSERT_STEP(f, "r-2", "a", "completed");
	assert_int_equal(fix_step(f, "r-2", "a")->attempts, 0);
	ASSERT_STEP(f, "r-2", "g", "completed");
	assert_int_equal(fix_row(f, "r-2")->retry_of, 1);
	assert_string_equal(fix_row(f, "r-2")->params, "{\"n\":4}");
	for (uint32_t i = 0; i < f->fx.runs_n; i++) {
		assert_true(f->fx.runs[i].decision == 17);
		assert_true(str_is(f->fx.runs[i].rule, STR("nightly")));
		assert_true(str_is(f->fx.runs[i].events, STR("[{\"id\":\"e1\"}]")));
	}
	fix_completed(f, "r-2", "b", 1, "", "");
	ASSERT_RUN(f, "r-2", "completed");
}

static void retry_of_what_cannot_be_retried_says_why(void **state)
{
	(void)state;
	fix_run(f, "r", "k", "");
	ASSERT_REFUSED(retry("r-1", "[]", false), 409, "run 'r-1' has not ended");
	ASSERT_REFUSED(retry("r-9", "[]", false), 404, "no run 'r-9'");
	ASSERT_REFUSED(retry("nonsense", "[]", false), 404, "no run 'nonsense'");
	fix_abort(f, "r-1");
	fix_aborted(f, "r-1", "a", 1);
	ASSERT_REFUSED(fix_command(f, (struct command){ .kind = COMMAND_RETRY,
	    .target = STR("r-1"), .params = STR("{\"pipeline\":\"r\","
	    "\"pipeline_hash\":\"00\"}") }), 409, "has changed");
	ASSERT_REFUSED(fix_command(f, (struct command){ .kind = COMMAND_RETRY,
	    .target = STR("r-1"), .params = STR("[]") }), 422, "expected a JSON object");
	ASSERT_REFUSED(fix_command(f, (struct command){ .kind = COMMAND_RETRY,
	    .target = STR("r-1"), .params = STR("{\"pipeline\":\"rr\"}") }), 404,
	    "no pipeline 'rr', did you mean 'r'?");
	assert_true(retry("r-1", "[]", true)->ok);	/* as it is now */
	assert_string_equal(fix_ops(f), "START r-2/a#1");
}

static void run_command_says_what_is_wrong(void **state)
{
	(void)state;
	ASSERT_REFUSED(fix_run(f, "onee", "", ""), 404, "did you mean 'one'?");
	ASSERT_REFUSED(fix_run(f, "r", "", "{\"n\":\"x\"}"), 422, "n");
	ASSERT_REFUSED(fix_run(f, "r", "", "{\"zz\":1}"), 422, "zz");
	ASSERT_REFUSED(fix_run(f, "r", "", "{"), 422, "expected a JSON object");
	assert_int_equal(f->fx.runs_n, 0);
	assert_true(fix_run(f, "q", "", "")->ok);
	ASSERT_REFUSED(fix_run(f, "q", "", ""), 409, "1/1 running");
	assert_true(fix_command(f, (struct command){ .kind = COMMAND_RUN,
	    .target = STR("q"), .force = true })->ok);
	ASSERT_RUN(f, "q-2", "pending");	/* refused runs take no number */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_failed_attempt_is_followed_by_another_with_doubling_waits),
		T(a_late_report_of_an_older_attempt_changes_nothing),
		T(repeated_reports_change_nothing),
		T(a_refused_start_fails_without_a_retry),
		T(a_busy_executor_is_asked_again_under_the_same_key),
		T(a_busy_executor_does_not_hold_a_step_beyond_its_timeout),
		T(a_start_that_is_busy_after_its_timeout_is_not_repeated),
		T(a_timed_out_step_has_no_next_attempt_in_a_failing_run),
		T(an_uncertain_start_is_looked_for),
		T(a_job_absent_three_times_in_a_row_is_lost),
		T(a_remote_job_is_polled_when_its_executor_says),
		T(retry_adopts_completed_steps_and_decides_gates_again),
		T(retry_of_what_cannot_be_retried_says_why),
		T(run_command_says_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
