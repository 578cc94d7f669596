/* A world in virtual time: deadlines at their own time, virtual runs, restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/time.h"
#include "replay/sim.h"

#define T0 1772323200000	/* 2026-03-01T00:00:00Z */
#define MINUTE 60000
#define HOUR (60 * MINUTE)

static const struct catalog catalog;

struct seen {			/* what the world said, one line per row */
	GString		*text;
	bool		 planned;
	struct sim_plan	 plan;
};

static void put_time(GString *out, int64_t ms)
{
	char buf[TIME_TEXT];

	g_string_append_printf(out, "%.8s ", time_print(ms, buf) + 11);
}

static void on_turn(void *ctx, const struct input *in, const struct effects *fx)
{
	struct seen *seen = ctx;

	for (uint32_t i = 0; i < fx->decided.decisions_n; i++) {
		const struct decision_row *d = &fx->decided.decisions[i];

		put_time(seen->text, in->wall_ms);
		g_string_append_printf(seen->text, "%.*s %s%s%s\n", STR_ARG(d->rule),
		    outcome_name(d->outcome), d->by ? " " : "",
		    d->by ? suppressor_name(d->by) : "");
	}
	for (uint32_t i = 0; i < fx->runs_n; i++) {
		const struct run_row *r = &fx->runs[i];

		if (!run_is_terminal(r->state))
			continue;
		put_time(seen->text, in->wall_ms);
		g_string_append_printf(seen->text, "%.*s %s %s\n", STR_ARG(r->name),
		    run_state_name(r->state), run_outcome_name(r->outcome));
	}
	for (uint32_t i = 0; i < fx->models_n; i++)
		g_string_append_printf(seen->text, "%.*s %.*s %.*s\n",
		    STR_ARG(fx->models[i].model), STR_ARG(fx->models[i].stage),
		    STR_ARG(fx->models[i].version));
}

static bool plan(void *ctx, const struct run_row *row, struct sim_plan *ret)
{
	struct seen *seen = ctx;

	(void)row;
	*ret = seen->plan;
	return seen->planned;
}

static struct seen seen;
static struct sim *s;

static void begin(const char *yaml)
{
	const struct rule_text t = { .name = STR("r.yaml"), .dir = STR("/srv"),
		.bytes = str_of(yaml) };
	struct text one = { t.name, t.bytes };
	struct diags *d = diags_new(&one, 1);
	struct ruleset *rs = ruleset_build(&t, 1, &catalog, d);
	struct err err = { 0 };

	assert_non_null(rs);
	diags_free(d);
	seen = (struct seen){ .text = g_string_new(NULL) };
	s = sim_new(&(struct sim_options){ .rules = rs, .catalog = &catalog,
		.wall_ms = T0, .tick_ms = 5, .on_turn = on_turn, .plan = plan,
		.ctx = &seen });
	ruleset_unref(rs);
	if (!sim_begin(s, NULL, 0, true, &err))
		fail_msg("%s", err.msg);
}

static void end(void)
{
	sim_free(s);
	g_string_free(seen.text, TRUE);
}

static void feed(int64_t at, const char *type, const char *data)
{
	char text[TIME_TEXT];
	g_autofree char *body = g_strdup_printf("{\"specversion\":\"1.0\",\"id\":\"e%d\","
	    "\"source\":\"/t\",\"type\":\"%s\",\"time\":\"%s\",\"data\":%s}",
	    (int)sim_inputs(s), type, time_print(at, text), data);
	const struct sim_item item = { .message = { .body = str_of(body), .pos = -1,
		.content_type = STR("application/cloudevents+json") } };
	enum event_refusal refusal;
	struct err err = { 0 };

	assert_true(sim_give_item(s, &item, &refusal, NULL, &err));
	assert_int_equal(refusal, EVENT_OK);
}

static void wait_ms(int64_t ms)
{
	struct err err = { 0 };

	if (!sim_advance(s, ms, &err))
		fail_msg("%s", err.msg);
}

static void said(const char *want)
{
	assert_string_equal(seen.text->str, want);
	g_string_truncate(seen.text, 0);
}

#define PIPELINE "pipelines:\n" \
	"  - name: p\n" \
	"    model: m\n" \
	"    steps:\n" \
	"      - {name: t, command: [t]}\n" \
	"      - {name: g, needs: t, gate: steps.t.metrics.auc > 0.9}\n" \
	"      - {name: d, needs: g, command: [d]}\n" \
	"    on_success: {promote: {version: \"${run.id}\"}}\n"
#define LEVEL "rules:\n" \
	"  - name: r\n" \
	"    on: {type: x}\n" \
	"    signals: {v: {value: data.v, over: 1h}}\n" \
	"    when: v.last > 5\n" \
	"    for: 10m\n" \
	"    cooldown: 1h\n" \
	"    backoff: off\n" \
	"    run: p\n"

static void what_is_due_before_an_event_comes_at_its_own_time(void **state)
{
	(void)state;
	begin(LEVEL PIPELINE);
	feed(T0, "x", "{\"v\":9}");
	feed(T0 + 5 * MINUTE, "x", "{\"v\":9}");
	said("");
	feed(T0 + 30 * MINUTE, "y", "{}");	/* matches nothing: only time passes */
	/* idle a minute after the last one, then the clock goes with tick: at 00:10 the
	 * condition has held for 10 minutes */
	said("00:10:00 r fired\n");
	assert_int_equal(sim_wall(s), T0 + 30 * MINUTE);
	end();
}

static void a_virtual_run_ends_as_told(void **state)
{
	static const struct { enum run_state s; enum run_outcome o; const char *want; }
	rows[] = {
		{ RUN_COMPLETED, RUN_NONE, "00:20:00 p-1 completed none\n" },
		{ RUN_COMPLETED, RUN_PROMOTED,
		  "00:20:00 p-1 completed promoted\nm champion v7\n" },
		{ RUN_COMPLETED, RUN_REJECTED,
		  "00:20:00 p-1 completed rejected\nm candidate v7\n" },
		{ RUN_FAILED, RUN_NO_OUTCOME, "00:20:00 p-1 failed \n" },
		{ RUN_ABORTED, RUN_NO_OUTCOME, "00:20:00 p-1 aborted \n" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		begin("rules:\n  - {name: r, on: x, run: p}\n" PIPELINE);
		seen.planned = true;
		seen.plan = (struct sim_plan){ .after_ms = 20 * MINUTE,
			.state = rows[i].s, .outcome = rows[i].o, .version = STR("v7") };
		feed(T0, "x", "{}");
		said("00:00:00 r fired\n");
		wait_ms(HOUR);
		said(rows[i].want);
		end();
	}
}

static void steps_answered_by_reports_ask_the_gate(void **state)
{
	static const struct sim_step good[] = {
		{ .name = STR("t"), .after_ms = 10 * MINUTE, .state = REPORT_COMPLETED,
		  .metrics = STR("{\"auc\":0.95}") },
		{ .name = STR("d"), .after_ms = MINUTE, .state = REPORT_COMPLETED } };
	static const struct sim_step bad[] = {
		{ .name = STR("t"), .after_ms = 10 * MINUTE, .state = REPORT_COMPLETED,
		  .metrics = STR("{\"auc\":0.5}") } };

	(void)state;
	begin("rules:\n  - {name: r, on: x, run: p}\n" PIPELINE);
	seen.planned = true;
	seen.plan = (struct sim_plan){ .steps = good, .steps_n = 2 };
	feed(T0, "x", "{}");
	wait_ms(HOUR);
	said("00:00:00 r fired\n00:11:00 p-1 completed promoted\nm champion p-1\n");
	seen.plan = (struct sim_plan){ .steps = bad, .steps_n = 1 };
	feed(T0 + HOUR, "x", "{}");
	wait_ms(HOUR);
	said("01:00:00 r fired\n01:10:00 p-2 completed rejected\nm candidate p-2\n");
	end();
}

static void a_run_without_a_plan_is_open_until_told(void **state)
{
	const struct sim_plan end_it = { .after_ms = MINUTE, .state = RUN_FAILED,
		.reason = STR("out of memory") };
	const struct sim_run *runs;

	(void)state;
	begin("rules:\n  - {name: r, on: x, run: p}\n" PIPELINE);
	feed(T0, "x", "{}");
	wait_ms(HOUR);
	said("00:00:00 r fired\n");
	assert_int_equal(sim_runs(s, &runs), 1);
	assert_true(runs[0].running && !runs[0].planned);
	assert_true(sim_run_end(s, runs[0].id, &end_it));
	wait_ms(HOUR);
	said("01:01:00 p-1 failed \n");
	assert_int_equal(sim_runs(s, &runs), 0);
	end();
}

static void a_rule_hears_what_runs_say(void **state)
{
	(void)state;
	begin("rules:\n"
	    "  - {name: r, on: x, run: p}\n"
	    "  - {name: after, on: {source: run, type: retraind.run.completed, "
	    "where: data.pipeline == \"p\"}, run: q}\n"
	    PIPELINE "  - {name: q, steps: [{name: s, command: [s]}]}\n");
	seen.planned = true;
	seen.plan = (struct sim_plan){ .after_ms = MINUTE, .state = RUN_COMPLETED,
		.outcome = RUN_NONE };
	feed(T0, "x", "{}");
	wait_ms(10 * MINUTE);
	said("00:00:00 r fired\n00:01:00 p-1 completed none\n00:01:00 after fired\n"
	    "00:02:00 q-2 completed none\n");
	end();
}

static void a_restart_changes_nothing(void **state)
{
	struct err err = { 0 };

	(void)state;
	for (int restart = 0; restart < 2; restart++) {
		begin(LEVEL PIPELINE);
		seen.planned = true;
		seen.plan = (struct sim_plan){ .after_ms = 2 * HOUR,
			.state = RUN_COMPLETED, .outcome = RUN_NONE };
		for (int i = 0; i < 8; i++)
			feed(T0 + i * MINUTE, "x", "{\"v\":9}");
		if (restart && !sim_restart(s, 0, &err))
			fail_msg("%s", err.msg);
		wait_ms(HOUR);
		if (restart && !sim_restart(s, 5 * MINUTE, &err))
			fail_msg("%s", err.msg);
		wait_ms(3 * HOUR);
		said("00:10:00 r fired\n02:10:00 p-1 completed none\n");
		end();
	}
}

static void a_deadline_of_the_time_it_was_down_comes_after(void **state)
{
	struct err err = { 0 };

	(void)state;
	begin("rules:\n  - {name: n, schedule: {cron: \"30 0 * * *\"}, run: p}\n"
	    PIPELINE);
	wait_ms(20 * MINUTE);
	assert_true(sim_restart(s, 20 * MINUTE, &err));
	said("00:40:00 n fired\n");
	end();
}

static void the_wall_clock_steps_and_tick_goes_on(void **state)
{
	struct err err = { 0 };
	int64_t tick;

	(void)state;
	begin("rules:\n  - {name: n, schedule: {cron: \"30 0 * * *\"}, run: p}\n"
	    PIPELINE);
	wait_ms(20 * MINUTE);
	tick = sim_tick(s);
	assert_true(sim_wall_step(s, -15 * MINUTE, &err));
	assert_int_equal(sim_tick(s), tick);
	assert_int_equal(sim_wall(s), T0 + 5 * MINUTE);
	wait_ms(24 * MINUTE);
	said("");
	wait_ms(MINUTE);
	said("00:30:00 n fired\n");
	end();
}

static void an_event_of_the_past_comes_now(void **state)
{
	(void)state;
	begin("rules:\n  - {name: r, on: x, run: p}\n" PIPELINE);
	wait_ms(HOUR);
	feed(T0, "x", "{}");
	said("01:00:00 r fired\n");
	end();
}

static void why_not_is_answered_between_two_inputs(void **state)
{
	GString *json = g_string_new(NULL);
	struct err err = { 0 };

	(void)state;
	begin(LEVEL PIPELINE);
	feed(T0, "x", "{\"v\":1}");
	assert_true(sim_explain(s, STR("r"), STR(""), json, &err));
	assert_non_null(strstr(json->str, "v.last > 5"));
	assert_false(sim_explain(s, STR("nope"), STR(""), json, &err));
	g_string_free(json, TRUE);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_due_before_an_event_comes_at_its_own_time),
		cmocka_unit_test(a_virtual_run_ends_as_told),
		cmocka_unit_test(steps_answered_by_reports_ask_the_gate),
		cmocka_unit_test(a_run_without_a_plan_is_open_until_told),
		cmocka_unit_test(a_rule_hears_what_runs_say),
		cmocka_unit_test(a_restart_changes_nothing),
		cmocka_unit_test(a_deadline_of_the_time_it_was_down_comes_after),
		cmocka_unit_test(the_wall_clock_steps_and_tick_goes_on),
		cmocka_unit_test(an_event_of_the_past_comes_now),
		cmocka_unit_test(why_not_is_answered_between_two_inputs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
