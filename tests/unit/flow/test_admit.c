/* Concurrency: queue, skip, replace, per key, priority and age. */
#include "fixture.h"

static const char rules[] =
	"pipelines:\n"
	"  - name: q\n"
	"    concurrency: {limit: 1, queue: 2}\n"
	"    pending_timeout: 10m\n"
	"    steps: [{name: a, command: [a]}]\n"
	"  - name: k\n"
	"    concurrency: {limit: 3, per_key: 1}\n"
	"    steps: [{name: a, command: [a]}]\n"
	"  - name: s\n"
	"    concurrency: {limit: 2, on_limit: skip}\n"
	"    steps: [{name: a, command: [a]}]\n"
	"  - name: r\n"
	"    concurrency: {limit: 1, on_limit: replace}\n"
	"    steps:\n"
	"      - {name: a, command: [a]}\n"
	"      - {name: g, needs: a, gate: \"true\"}\n"
	"      - {name: d, needs: g, command: [d]}\n"
	"      - {name: e, needs: d, command: [e]}\n"
	"  - name: rk\n"
	"    concurrency: {limit: 5, per_key: 1, on_limit: replace}\n"
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

static void over_the_limit_runs_wait_in_order_of_age(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(fix_run(f, "q", "", "")->ok);
	ASSERT_RUN(f, "q-1", "running");
	ASSERT_RUN(f, "q-2", "pending");
	ASSERT_REASON(f, "q-2", "waiting: 1/1 running");
	ASSERT_REFUSED(fix_run(f, "q", "", ""), 409, "1/1 running, 2/2 pending");
	assert_int_equal(world_counts(f->w).pending, 2);
	fix_completed(f, "q-1", "a", 1, "", "");
	ASSERT_RUN(f, "q-2", "running");	/* in the same input */
	assert_string_equal(fix_ops(f), "START q-2/a#1");
	ASSERT_REASON(f, "q-2", "");
	ASSERT_RUN(f, "q-3", "pending");
	fix_failed(f, "q-2", "a", 1, 1);
	ASSERT_RUN(f, "q-3", "running");
}

static void a_run_pending_for_too_long_fails(void **state)
{
	(void)state;
	fix_run(f, "q", "", "");
	fix_run(f, "q", "", "");
	fix_wait(f, 599999);
	ASSERT_RUN(f, "q-2", "pending");
	fix_wait(f, 1);
	ASSERT_RUN(f, "q-2", "failed");
	ASSERT_REASON(f, "q-2", "still pending after 10m");
	ASSERT_STEP(f, "q-2", "a", "skipped");
	ASSERT_RUN(f, "q-1", "running");
}

static void a_key_waits_for_itself_only(void **state)
{
	(void)state;
	fix_run(f, "k", "x", "");
	fix_run(f, "k", "x", "");
	fix_run(f, "k", "y", "");
	ASSERT_RUN(f, "k-2", "pending");
	ASSERT_REASON(f, "k-2", "waiting: 1/1 running for key 'x'");
	ASSERT_RUN(f, "k-3", "running");
	fix_completed(f, "k-3", "a", 1, "", "");
	ASSERT_RUN(f, "k-2", "pending");
	fix_completed(f, "k-1", "a", 1, "", "");
	ASSERT_RUN(f, "k-2", "running");
}

static void skip_turns_away_and_force_waits(void **state)
{
	(void)state;
	fix_run(f, "s", "", "");
	fix_run(f, "s", "", "");
	ASSERT_REFUSED(fix_run(f, "s", "", ""), 409, "2/2 running (on_limit: skip)");
	fix_command(f, (struct command){ .kind = COMMAND_RUN, .target = STR("s"),
	    .force = true });
	ASSERT_RUN(f, "s-3", "pending");
	fix_aborted(f, "s-1", "a", 1);
	ASSERT_RUN(f, "s-3", "running");
}

static void replace_aborts_the_old_and_waits_for_its_end(void **state)
{
	(void)state;
	fix_run(f, "r", "", "");
	fix_run(f, "r", "", "");
	assert_string_equal(fix_ops(f), "ABORT r-1/a#1");
	ASSERT_RUN(f, "r-2", "pending");
	ASSERT_REASON(f, "r-2", "replacing r-1");
	fix_run(f, "r", "", "");		/* a newer one replaces that one */
	ASSERT_RUN(f, "r-2", "aborted");
	ASSERT_REASON(f, "r-2", "replaced by r-3");
	ASSERT_RUN(f, "r-3", "pending");
	assert_string_equal(fix_ops(f), "");
	fix_aborted(f, "r-1", "a", 1);
	ASSERT_RUN(f, "r-1", "aborted");
	ASSERT_REASON(f, "r-1", "replaced by r-2");
	ASSERT_RUN(f, "r-3", "running");
	assert_string_equal(fix_ops(f), "START r-3/a#1");
}

static void a_started_deploy_is_not_replaced(void **state)
{
	(void)state;
	fix_run(f, "r", "", "");
	fix_completed(f, "r-1", "a", 1, "", "");
	ASSERT_STEP(f, "r-1", "d", "running");
	fix_run(f, "r", "", "");
	assert_string_equal(fix_ops(f), "");
	ASSERT_REASON(f, "r-2", "waiting for the deploy of r-1");
	fix_completed(f, "r-1", "d", 1, "", "");
	ASSERT_STEP(f, "r-1", "e", "running");
	fix_run(f, "r", "", "");		/* e needs the gate through d */
	ASSERT_RUN(f, "r-2", "aborted");
	assert_string_equal(fix_ops(f), "");
	fix_completed(f, "r-1", "e", 1, "", "");
	ASSERT_RUN(f, "r-1", "completed");
	ASSERT_RUN(f, "r-3", "running");
}

static void replace_by_key_leaves_other_keys_alone(void **state)
{
	(void)state;
	fix_run(f, "rk", "x", "");
	fix_run(f, "rk", "y", "");
	fix_run(f, "rk", "x", "");
	assert_string_equal(fix_ops(f), "ABORT rk-1/a#1");
	fix_aborted(f, "rk-1", "a", 1);
	ASSERT_RUN(f, "rk-3", "running");
	ASSERT_RUN(f, "rk-2", "running");
}

static void a_queue_outlives_a_restart(void **state)
{
	(void)state;
	fix_run(f, "q", "", "");
	fix_run(f, "q", "", "");
	fix_run(f, "q", "", "");
	fix_restart(f);
	fix_completed(f, "q-1", "a", 1, "", "");
	ASSERT_RUN(f, "q-2", "running");
	ASSERT_RUN(f, "q-3", "pending");
	fix_wait(f, 600000);
	ASSERT_RUN(f, "q-3", "failed");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(over_the_limit_runs_wait_in_order_of_age),
		T(a_run_pending_for_too_long_fails),
		T(a_key_waits_for_itself_only),
		T(skip_turns_away_and_force_waits),
		T(replace_aborts_the_old_and_waits_for_its_end),
		T(a_started_deploy_is_not_replaced),
		T(replace_by_key_leaves_other_keys_alone),
		T(a_queue_outlives_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
