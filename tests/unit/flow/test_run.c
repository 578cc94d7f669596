/* The transition tables, over every state x event pair.  The expected edges are the
 * diagram of run.h written down a second time, as text. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "flow/run.h"

struct edge {
	int from, event, to;
};
static const struct edge run_edges[] = {
	{ RUN_PENDING, RUN_EV_START, RUN_RUNNING },
	{ RUN_PENDING, RUN_EV_FAIL, RUN_FAILED },
	{ RUN_PENDING, RUN_EV_ABORT, RUN_ABORTED },
	{ RUN_RUNNING, RUN_EV_SUCCEED, RUN_COMPLETED },
	{ RUN_RUNNING, RUN_EV_FAIL, RUN_FAILED },
	{ RUN_RUNNING, RUN_EV_ABORT, RUN_ABORTED },
	/* repeats of the event that ended it */
	{ RUN_COMPLETED, RUN_EV_SUCCEED, RUN_COMPLETED },
	{ RUN_FAILED, RUN_EV_FAIL, RUN_FAILED },
	{ RUN_ABORTED, RUN_EV_ABORT, RUN_ABORTED },
};
static const struct edge step_edges[] = {
	{ STEP_PENDING, STEP_EV_START, STEP_RUNNING },
	{ STEP_PENDING, STEP_EV_FAIL, STEP_FAILED },
	{ STEP_PENDING, STEP_EV_ABORT, STEP_ABORTED },
	{ STEP_PENDING, STEP_EV_SKIP, STEP_SKIPPED },
	{ STEP_RUNNING, STEP_EV_SUCCEED, STEP_COMPLETED },
	{ STEP_RUNNING, STEP_EV_FAIL, STEP_FAILED },
	{ STEP_RUNNING, STEP_EV_ABORT, STEP_ABORTED },
	{ STEP_COMPLETED, STEP_EV_SUCCEED, STEP_COMPLETED },
	{ STEP_FAILED, STEP_EV_FAIL, STEP_FAILED },
	{ STEP_ABORTED, STEP_EV_ABORT, STEP_ABORTED },
	{ STEP_SKIPPED, STEP_EV_SKIP, STEP_SKIPPED },
};

static int expected(const struct edge *v, size_t n, int from, int event)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].from == from && v[i].event == event)
			return v[i].to;
	return 0;
}

static void every_run_state_meets_every_event(void **state)
{
	(void)state;
	for (int s = 0; s < RUN_STATE_MAX + 2; s++) {
		for (int e = 0; e < RUN_EV_MAX + 2; e++) {
			int want = expected(run_edges, 9, s, e);
			enum run_state got = (enum run_state)s;
			struct err err = { 0 };

			assert_int_equal(
			    run_step(&got, (enum run_event)e, &err), want != 0);
			assert_int_equal(got, want ? want : s);
			assert_int_equal(err.code, want ? ERR_NONE : ERR_CONFLICT);
		}
	}
}

static void every_step_state_meets_every_event(void **state)
{
	(void)state;
	for (int s = 0; s < STEP_STATE_MAX + 2; s++) {
		for (int e = 0; e < STEP_EV_MAX + 2; e++) {
			int want = expected(step_edges, 11, s, e);
			enum step_state got = (enum step_state)s;
			struct err err = { 0 };

			assert_int_equal(
			    step_step(&got, (enum step_event)e, &err), want != 0);
			assert_int_equal(got, want ? want : s);
			assert_int_equal(err.code, want ? ERR_NONE : ERR_CONFLICT);
		}
	}
}

static void terminal_states_are_left_by_no_edge(void **state)
{
	(void)state;
	for (size_t i = 0; i < 9; i++)
		if (run_is_terminal((enum run_state)run_edges[i].from))
			assert_int_equal(run_edges[i].from, run_edges[i].to);
	assert_false(run_is_terminal(RUN_PENDING));
	assert_false(run_is_terminal(RUN_RUNNING));
	assert_true(run_is_terminal(RUN_COMPLETED));
	assert_true(run_is_terminal(RUN_ABORTED));
	assert_true(run_is_terminal(RUN_FAILED));
	assert_false(step_is_terminal(STEP_RUNNING));
	assert_true(step_is_terminal(STEP_SKIPPED));
	assert_false(step_is_terminal(0));
}

static void names_round_trip(void **state)
{
	(void)state;
	assert_string_equal(run_state_name(RUN_PENDING), "pending");
	assert_string_equal(run_state_name(RUN_ABORTED), "aborted");
	assert_string_equal(step_state_name(STEP_SKIPPED), "skipped");
	assert_string_equal(run_outcome_name(RUN_PROMOTED), "promoted");
	assert_string_equal(run_outcome_name(RUN_NO_OUTCOME), "");
	for (int s = RUN_PENDING; s < RUN_STATE_MAX; s++)
		assert_int_equal(
		    run_state_of(str_of(run_state_name((enum run_state)s))), s);
	assert_int_equal(run_state_of(STR("")), 0);
	assert_int_equal(run_state_of(STR("runnin")), 0);
}

static void a_refused_event_says_what_was_refused(void **state)
{
	enum run_state s = RUN_COMPLETED;
	struct err err = { 0 };

	(void)state;
	assert_false(run_step(&s, RUN_EV_ABORT, &err));
	assert_string_equal(err.msg, "a completed run cannot abort");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_run_state_meets_every_event),
		cmocka_unit_test(every_step_state_meets_every_event),
		cmocka_unit_test(terminal_states_are_left_by_no_edge),
		cmocka_unit_test(names_round_trip),
		cmocka_unit_test(a_refused_event_says_what_was_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
