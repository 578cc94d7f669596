/* Abort: a request only; `aborted` is written when nothing of the run is at work. */
#include "fixture.h"

static const char rules[] =
	"pipelines:\n"
	"  - name: d\n"
	"    concurrency: {limit: 2}\n"
	"    steps:\n"
	"      - {name: a, command: [a], retry: {attempts: 2, backoff: 1m}}\n"
	"      - {name: b, command: [b]}\n"
	"      - {name: c, needs: [a, b], command: [c]}\n"
	"  - name: one\n"
	"    steps:\n"
	"      - {name: a, command: [a], timeout: 1m, retry: {attempts: 3}}\n";

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

static void a_run_is_aborted_when_its_last_step_has_ended(void **state)
{
	const struct answer *a;

	(void)state;
	fix_run(f, "d", "", "");
	fix_started(f, "d-1", "a", 1);
	fix_started(f, "d-1", "b", 1);
	a = fix_command(f, (struct command){ .kind = COMMAND_ABORT, .target = STR("d-1"),
	    .actor = STR("token ops"), .reason = STR("wrong data") });
	assert_true(a->ok);
	assert_true(answer_has(a, "\"state\":\"running\""));
	assert_string_equal(fix_ops(f), "ABORT d-1/a#1, ABORT d-1/b#1");
	assert_true(str_is(f->fx.ops[0].reason, STR("aborted by token ops: wrong data")));
	assert_true(fix_row(f, "d-1")->abort_requested);
	ASSERT_STEP(f, "d-1", "c", "skipped");
	fix_aborted(f, "d-1", "a", 1);
	ASSERT_RUN(f, "d-1", "running");
	fix_failed(f, "d-1", "b", 1, 143);	/* failed after an abort is aborted */
	ASSERT_STEP(f, "d-1", "b", "aborted");
	ASSERT_RUN(f, "d-1", "aborted");
	ASSERT_REASON(f, "d-1", "aborted by token ops: wrong data");
	assert_true(fix_said(f, "retraind.run.aborted"));
}

static void a_second_abort_is_no_error_and_asks_nothing_twice(void **state)
{
	(void)state;
	fix_run(f, "one", "", "");
	fix_abort(f, "one-1");
	assert_true(fix_abort(f, "one-1")->ok);
	assert_string_equal(fix_ops(f), "");
}

static void an_ended_or_unknown_run_cannot_be_aborted(void **state)
{
	(void)state;
	fix_run(f, "one", "", "");
	fix_completed(f, "one-1", "a", 1, "", "");
	ASSERT_REFUSED(fix_abort(f, "one-1"), 409, "run 'one-1' has ended");
	ASSERT_REFUSED(fix_abort(f, "one-2"), 404, "no run 'one-2'");
	ASSERT_REFUSED(fix_abort(f, "what"), 404, "no run 'what'");
	ASSERT_REFUSED(fix_abort(f, "one-0"), 404, "no run 'one-0'");
}

static void a_run_that_did_all_its_work_despite_the_abort_is_completed(void **state)
{
	(void)state;
	fix_run(f, "one", "", "");
	fix_abort(f, "one-1");
	fix_completed(f, "one-1", "a", 1, "", "");
	ASSERT_RUN(f, "one-1", "completed");
	fix_run(f, "d", "", "");
	fix_abort(f, "d-2");
	fix_completed(f, "d-2", "a", 1, "", "");
	fix_completed(f, "d-2", "b", 1, "", "");
	ASSERT_RUN(f, "d-2", "aborted");	/* c was never begun */
}

static void a_step_between_two_attempts_ends_at_once(void **state)
{
	(void)state;
	fix_run(f, "d", "", "");
	fix_completed(f, "d-1", "b", 1, "", "");
	fix_failed(f, "d-1", "a", 1, 1);
	fix_abort(f, "d-1");
	assert_string_equal(fix_ops(f), "");
	ASSERT_STEP(f, "d-1", "a", "aborted");
	ASSERT_RUN(f, "d-1", "aborted");
	assert_int_equal(fix_wait(f, 3600000), 0);
}

static void an_abort_before_the_start_was_answered_waits_for_the_answer(void **state)
{
	(void)state;
	fix_run(f, "one", "", "");
	fix_abort(f, "one-1");
	assert_string_equal(fix_ops(f), "ABORT one-1/a#1");
	fix_report(f, "one-1", "a", 1, (struct report){ .op = EXEC_START,
	    .answer = REPORT_BUSY, .exit_code = -1, .again_ms = 10 });
	ASSERT_RUN(f, "one-1", "aborted");	/* surely not started */
	fix_run(f, "one", "", "");
	fix_abort(f, "one-2");
	fix_started(f, "one-2", "a", 1);
	ASSERT_RUN(f, "one-2", "running");
	fix_report(f, "one-2", "a", 1, (struct report){ .op = EXEC_ABORT,
	    .answer = REPORT_UNCERTAIN, .exit_code = -1, .again_ms = 10 });
	fix_wait(f, 10);
	assert_string_equal(fix_ops(f), "ABORT one-2/a#1");
	fix_report(f, "one-2", "a", 1, (struct report){ .op = EXEC_ABORT,
	    .answer = REPORT_REFUSED, .exit_code = -1 });
	assert_string_equal(fix_ops(f), "POLL one-2/a#1");	/* too late: how is it? */
	fix_aborted(f, "one-2", "a", 1);
	ASSERT_RUN(f, "one-2", "aborted");
}

static void an_aborted_job_that_is_gone_is_aborted(void **state)
{
	(void)state;
	fix_run(f, "one", "", "");
	fix_started(f, "one-1", "a", 1);
	fix_abort(f, "one-1");
	for (int i = 0; i < 3; i++) {
		ASSERT_RUN(f, "one-1", "running");
		fix_report(f, "one-1", "a", 1, (struct report){ .op = EXEC_ABORT,
		    .answer = REPORT_OK, .state = REPORT_ABSENT, .exit_code = -1 });
	}
	ASSERT_RUN(f, "one-1", "aborted");
}

static void abort_wins_over_a_timeout_and_there_is_no_retry(void **state)
{
	(void)state;
	fix_run(f, "one", "", "");
	fix_started(f, "one-1", "a", 1);
	fix_wait(f, 60000);
	assert_string_equal(fix_ops(f), "ABORT one-1/a#1");
	fix_abort(f, "one-1");
	assert_string_equal(fix_ops(f), "");
	fix_aborted(f, "one-1", "a", 1);
	ASSERT_STEP(f, "one-1", "a", "aborted");
	ASSERT_RUN(f, "one-1", "aborted");
}

static void an_executor_that_aborts_by_itself_aborts_the_run(void **state)
{
	(void)state;
	fix_run(f, "one", "", "");
	fix_started(f, "one-1", "a", 1);
	fix_report(f, "one-1", "a", 1, (struct report){ .op = EXEC_POLL,
	    .answer = REPORT_OK, .state = REPORT_ABORTED, .exit_code = -1,
	    .reason = STR("cancelled by root") });
	ASSERT_RUN(f, "one-1", "aborted");
	ASSERT_REASON(
	    f, "one-1", "step a was aborted by its executor: cancelled by root");
	assert_false(fix_row(f, "one-1")->abort_requested);
}

static void a_pending_run_is_aborted_at_once(void **state)
{
	(void)state;
	fix_run(f, "d", "", "");
	fix_run(f, "d", "", "");
	fix_run(f, "d", "", "");
	ASSERT_RUN(f, "d-3", "pending");
	assert_true(answer_has(fix_abort(f, "d-3"), "\"state\":\"aborted\""));
	ASSERT_RUN(f, "d-3", "aborted");
	ASSERT_STEP(f, "d-3", "a", "skipped");
	assert_string_equal(fix_ops(f), "");
}

static void all_unfinished_runs_can_be_aborted_together(void **state)
{
	const struct answer *a;

	(void)state;
	for (int i = 0; i < 3; i++)
		fix_run(f, "d", "", "");
	a = fix_command(f, (struct command){ .kind = COMMAND_ABORT, .all = true });
	assert_true(str_is(a->json, STR("{\"aborted\":3}")));
	ASSERT_RUN(f, "d-3", "aborted");
	for (int i = 1; i <= 2; i++) {
		char *run = g_strdup_printf("d-%d", i);

		fix_aborted(f, run, "a", 1);
		fix_aborted(f, run, "b", 1);
		ASSERT_RUN(f, run, "aborted");
		g_free(run);
	}
	assert_int_equal(world_counts(f->w).running + world_counts(f->w).pending, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_run_is_aborted_when_its_last_step_has_ended),
		T(a_second_abort_is_no_error_and_asks_nothing_twice),
		T(an_ended_or_unknown_run_cannot_be_aborted),
		T(a_run_that_did_all_its_work_despite_the_abort_is_completed),
		T(a_step_between_two_attempts_ends_at_once),
		T(an_abort_before_the_start_was_answered_waits_for_the_answer),
		T(an_aborted_job_that_is_gone_is_aborted),
		T(abort_wins_over_a_timeout_and_there_is_no_retry),
		T(an_executor_that_aborts_by_itself_aborts_the_run),
		T(a_pending_run_is_aborted_at_once),
		T(all_unfinished_runs_can_be_aborted_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
