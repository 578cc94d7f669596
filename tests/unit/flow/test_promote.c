/* Champion and candidate: who becomes what, in the step that ends the run. */
#include "fixture.h"

static const char rules[] =
	"pipelines:\n"
	"  - name: p\n"
	"    model: \"${params.m}\"\n"
	"    params: {m: {type: string, default: fraud}}\n"
	"    steps:\n"
	"      - {name: t, command: [t]}\n"
	"      - {name: g, needs: t, gate: \"!has(champion.metrics.auc) || "
	    "steps.t.metrics.auc - 0.002 >= champion.metrics.auc\"}\n"
	"      - {name: deploy, needs: g, command: [d]}\n"
	"    on_success: {promote: {version: \"${run.id}\", metrics: "
	    "\"${steps.t.metrics}\"}}\n"
	"  - name: plain\n"
	"    model: fraud\n"
	"    steps:\n"
	"      - {name: t, command: [t]}\n"
	"    on_success: {promote: {version: \"${steps.t.outputs.v}\", metrics: "
	    "\"${steps.t.metrics}\", baseline: \"${"
	    "has(steps.t.outputs.b) ? steps.t.outputs.b : null}\"}}\n"
	"  - name: cand\n"
	"    model: fraud\n"
	"    steps:\n"
	"      - {name: t, command: [t]}\n";

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

static struct model_fact champion(const char *model)
{
	return facts_champion(decide_facts(world_decide_mut(f->w)), str_of(model));
}

static struct model_fact candidate(const char *model)
{
	return facts_candidate(decide_facts(world_decide_mut(f->w)), str_of(model));
}

static const char *row(const char *key)
{
	const char *v = g_hash_table_lookup(f->models, key);

	return v ? v : "";
}

static const struct answer *promote(const char *model, const char *params)
{
	return fix_command(f, (struct command){ .kind = COMMAND_PROMOTE,
	    .target = str_of(model), .params = str_of(params) });
}

static void first(void)
{
	fix_run(f, "p", "", "");
	fix_completed(f, "p-1", "t", 1, "", "{\"auc\":0.9}");
	fix_completed(f, "p-1", "deploy", 1, "", "");
}

static void a_better_run_becomes_champion_in_the_step_that_ends_it(void **state)
{
	(void)state;
	fix_run(f, "p", "", "");
	fix_completed(f, "p-1", "t", 1, "", "{\"auc\":0.9}");
	assert_int_equal(champion("fraud").version.len, 0);
	fix_completed(f, "p-1", "deploy", 1, "", "");
	ASSERT_RUN(f, "p-1", "completed");	/* one input: all of what follows */
	assert_int_equal(fix_row(f, "p-1")->outcome, RUN_PROMOTED);
	assert_true(str_is(champion("fraud").version, STR("p-1")));
	assert_true(str_is(champion("fraud").run, STR("p-1")));
	assert_true(str_is(champion("fraud").metrics, STR("{\"auc\":0.9}")));
	assert_true(champion("fraud").since_ms == f->wall);
	assert_string_equal(row("fraud/champion"), "p-1");
	assert_true(fix_said(f, "retraind.model.promoted"));
	assert_false(fix_said(f, "retraind.model.candidate"));
}

static void the_gate_compares_with_the_champion(void **state)
{
	(void)state;
	first();
	fix_run(f, "p", "", "");
	fix_completed(f, "p-2", "t", 1, "", "{\"auc\":0.901}");
	assert_int_equal(fix_row(f, "p-2")->outcome, RUN_REJECTED);
	assert_non_null(strstr(fix_step(f, "p-2", "g")->reason,
	    "steps.t.metrics.auc = 0.901, champion.metrics.auc = 0.9"));
	assert_true(str_is(champion("fraud").version, STR("p-1")));
	assert_true(str_is(candidate("fraud").version, STR("p-2")));
	assert_string_equal(row("fraud/candidate"), "p-2");
	f->wall += 10;
	fix_run(f, "p", "", "");
	fix_completed(f, "p-3", "t", 1, "", "{\"auc\":0.903}");
	fix_completed(f, "p-3", "deploy", 1, "", "");
	assert_int_equal(fix_row(f, "p-3")->outcome, RUN_PROMOTED);
	assert_string_equal(row("fraud/champion"), "p-3");
	assert_string_equal(row("fraud/archived"), "p-1");
	assert_true(str_is(candidate("fraud").version, STR("p-2")));
}

static void an_integer_metric_compares_as_a_number(void **state)
{
	(void)state;
	first();
	fix_run(f, "p", "", "");
	fix_completed(f, "p-2", "t", 1, "", "{\"auc\":1}");
	ASSERT_STEP(f, "p-2", "deploy", "running");
}

static void models_are_kept_apart_by_the_template(void **state)
{
	(void)state;
	first();
	fix_run(f, "p", "", "{\"m\":\"churn\"}");
	fix_completed(f, "p-2", "t", 1, "", "{\"auc\":0.1}");
	fix_completed(f, "p-2", "deploy", 1, "", "");
	assert_true(str_is(champion("churn").version, STR("p-2")));
	assert_true(str_is(champion("fraud").version, STR("p-1")));
}

static void a_persons_promote_waits_for_a_deploy(void **state)
{
	(void)state;
	first();
	fix_run(f, "p", "", "");
	fix_completed(f, "p-2", "t", 1, "", "{\"auc\":0.95}");
	fix_started(f, "p-2", "deploy", 1);
	ASSERT_REFUSED(promote("fraud", "{\"version\":\"x\",\"metrics\":{}}"), 409,
	    "run 'p-2' is deploying 'fraud'");
	fix_completed(f, "p-2", "deploy", 1, "", "");
	assert_int_equal(fix_row(f, "p-2")->outcome, RUN_PROMOTED);
}

static void no_step_starts_after_the_gate_once_the_champion_is_another(void **state)
{
	(void)state;
	fix_free(f);
	f = fix_new("pipelines:\n"
	    "  - name: p\n"
	    "    model: fraud\n"
	    "    steps:\n"
	    "      - {name: t, command: [t]}\n"
	    "      - {name: g, needs: t, gate: \"!has(champion.metrics.auc)\"}\n"
	    "      - {name: d, needs: g, command: [d], retry: {attempts: 1}}\n"
	    "      - {name: e, needs: [d, s], command: [e]}\n"
	    "      - {name: s, command: [s]}\n"
	    "    on_success: {promote: {version: \"${run.id}\", metrics: "
	    "\"${steps.t.metrics}\"}}\n");
	fix_run(f, "p", "", "");
	fix_completed(f, "p-1", "s", 1, "", "");
	fix_run(f, "p", "", "");
	fix_completed(f, "p-2", "s", 1, "", "");
	fix_completed(f, "p-1", "t", 1, "", "{\"auc\":1}");
	fix_completed(f, "p-2", "t", 1, "", "{\"auc\":1}");
	fix_completed(f, "p-1", "d", 1, "", "");
	fix_completed(f, "p-1", "e", 1, "", "");
	ASSERT_RUN(f, "p-1", "running");	/* its promote waits for p-2's deploy */
	assert_non_null(strstr(fix_row(f, "p-1")->reason, "waiting to promote: p-2"));
	assert_int_equal(champion("fraud").version.len, 0);
	fix_failed(f, "p-2", "d", 1, 1);
	ASSERT_RUN(f, "p-2", "failed");
	ASSERT_RUN(f, "p-1", "completed");
	assert_true(str_is(champion("fraud").version, STR("p-1")));
	assert_string_equal(row("fraud/champion"), "p-1");
}

static void of_two_deploys_at_once_the_last_to_end_wins(void **state)
{
	(void)state;
	first();
	fix_run(f, "p", "", "");
	fix_run(f, "p", "", "");
	fix_completed(f, "p-2", "t", 1, "", "{\"auc\":0.95}");
	fix_completed(f, "p-3", "t", 1, "", "{\"auc\":0.96}");
	fix_completed(f, "p-2", "deploy", 1, "", "");
	ASSERT_RUN(f, "p-2", "running");	/* p-3 is at work */
	fix_wait(f, 5);
	fix_completed(f, "p-3", "deploy", 1, "", "");
	assert_int_equal(fix_row(f, "p-3")->outcome, RUN_PROMOTED);
	ASSERT_RUN(f, "p-2", "failed");
	ASSERT_REASON(f, "p-2", "champion changed since the gate");
	assert_true(str_is(champion("fraud").version, STR("p-3")));
}

static void a_deploy_does_not_start_once_the_champion_is_another(void **state)
{
	(void)state;
	fix_free(f);
	f = fix_new("pipelines:\n"
	    "  - name: p\n"
	    "    model: fraud\n"
	    "    steps:\n"
	    "      - {name: g, gate: \"!has(champion.metrics.auc)\"}\n"
	    "      - {name: slow, command: [s]}\n"
	    "      - {name: d, needs: [g, slow], command: [d]}\n");
	fix_run(f, "p", "", "");		/* slow began after the gate: it holds */
	ASSERT_REFUSED(promote("fraud", "{\"version\":\"x\",\"metrics\":{}}"), 409,
	    "p-1");
	fix_free(f);
	f = fix_new("pipelines:\n"
	    "  - name: p\n"
	    "    model: fraud\n"
	    "    steps:\n"
	    "      - {name: slow, command: [s]}\n"
	    "      - {name: g, gate: \"!has(champion.metrics.auc)\"}\n"
	    "      - {name: d, needs: [g, slow], command: [d]}\n");
	fix_run(f, "p", "", "");		/* slow began before it */
	ASSERT_STEP(f, "p-1", "g", "completed");
	assert_true(promote("fraud", "{\"version\":\"x\",\"metrics\":{}}")->ok);
	fix_completed(f, "p-1", "slow", 1, "", "");
	assert_string_equal(fix_ops(f), "");
	ASSERT_RUN(f, "p-1", "failed");
	ASSERT_REASON(f, "p-1",
	    "champion changed since the gate: step d was not started");
}

static void a_run_that_promotes_without_a_gate_overtakes(void **state)
{
	(void)state;
	first();
	fix_run(f, "p", "", "");
	fix_run(f, "plain", "", "");
	fix_completed(f, "p-2", "t", 1, "", "{\"auc\":0.95}");
	fix_completed(f, "plain-3", "t", 1, "{\"v\":\"v9\",\"b\":{\"x\":{\"n\":9}}}",
	    "{\"auc\":0.5,\"baseline\":{\"x\":{\"n\":8}}}");
	ASSERT_RUN(f, "plain-3", "running");
	fix_completed(f, "p-2", "deploy", 1, "", "");
	assert_int_equal(fix_row(f, "p-2")->outcome, RUN_PROMOTED);
	assert_int_equal(fix_row(f, "plain-3")->outcome, RUN_PROMOTED);
	assert_true(str_is(champion("fraud").version, STR("v9")));
	assert_true(str_is(champion("fraud").baseline, STR("{\"x\":{\"n\":9}}")));
}

/* promote.baseline defaults to the key of promote.metrics. */
static void metrics_bring_the_baseline(void **state)
{
	(void)state;
	fix_run(f, "p", "", "");
	fix_completed(f, "p-1", "t", 1, "",
	    "{\"auc\":0.9,\"baseline\":{\"err\":{\"n\":1000,\"mean\":0.05}}}");
	fix_completed(f, "p-1", "deploy", 1, "", "");
	ASSERT_RUN(f, "p-1", "completed");
	assert_true(str_is(champion("fraud").baseline,
	    STR("{\"err\":{\"n\":1000.0,\"mean\":0.05}}")));	/* as all metrics */
	fix_run(f, "cand", "", "");
	fix_completed(f, "cand-2", "t", 1, "", "{\"baseline\":{\"err\":{\"n\":7}}}");
	assert_true(str_is(candidate("fraud").baseline, STR("{\"err\":{\"n\":7}}")));
	assert_true(promote("fraud", "{\"version\":\"cand-2\"}")->ok);
	assert_true(str_is(champion("fraud").baseline, STR("{\"err\":{\"n\":7}}")));
}

static void an_invalid_baseline_fails_its_step(void **state)
{
	(void)state;
	fix_run(f, "p", "", "");
	fix_completed(f, "p-1", "t", 1, "", "{\"auc\":0.9,\"baseline\":{\"err\":"
	    "{\"n\":1000,\"edges\":[1,2],\"counts\":[5,5]}}}");
	ASSERT_STEP(f, "p-1", "t", "failed");
	assert_string_equal(fix_step(f, "p-1", "t")->reason,
	    "its metrics: baseline: err: "
	    "counts: expected 3 numbers, one more than edges, found 2");
	ASSERT_RUN(f, "p-1", "failed");
}

static void an_invalid_baseline_of_promote_fails_the_run(void **state)
{
	(void)state;
	fix_run(f, "plain", "", "");
	fix_completed(f, "plain-1", "t", 1,
	    "{\"v\":\"v1\",\"b\":{\"err\":{\"n\":0}}}", "{\"auc\":0.5}");
	ASSERT_RUN(f, "plain-1", "failed");
	ASSERT_REASON(f, "plain-1",
	    "promote: baseline: err: n: expected a whole number of samples, at least 1");
	assert_int_equal(champion("fraud").version.len, 0);
	ASSERT_REFUSED(promote("fraud", "{\"version\":\"v2\",\"metrics\":{\"baseline\":"
	    "{\"err\":{\"n\":5,\"size\":1}}}}"), 422, "unknown member 'size'");
}

static void a_promote_that_cannot_be_evaluated_fails_the_run(void **state)
{
	(void)state;
	fix_run(f, "plain", "", "");
	fix_completed(f, "plain-1", "t", 1, "{}", "{\"auc\":0.5}");
	ASSERT_RUN(f, "plain-1", "failed");
	assert_non_null(strstr(fix_row(f, "plain-1")->reason, "promote: "));
	assert_int_equal(champion("fraud").version.len, 0);
}

static void a_waiting_promote_can_be_aborted(void **state)
{
	(void)state;
	first();
	fix_run(f, "p", "", "");
	fix_run(f, "plain", "", "");
	fix_completed(f, "p-2", "t", 1, "", "{\"auc\":0.95}");
	fix_completed(f, "plain-3", "t", 1, "{\"v\":\"v9\"}", "");
	fix_abort(f, "plain-3");
	ASSERT_RUN(f, "plain-3", "aborted");
	assert_true(str_is(champion("fraud").version, STR("p-1")));
}

static void a_person_promotes_the_candidate_and_goes_back(void **state)
{
	const struct answer *a;

	(void)state;
	first();
	fix_run(f, "cand", "", "");
	fix_completed(f, "cand-2", "t", 1, "", "{\"auc\":0.4}");
	assert_true(str_is(candidate("fraud").version, STR("cand-2")));
	assert_true(fix_said(f, "retraind.model.candidate"));
	ASSERT_REFUSED(promote("fraud", "{\"version\":\"nope\"}"), 404,
	    "model 'fraud' has no candidate 'nope'");
	ASSERT_REFUSED(promote("fraud", "{\"version\":\"p-1\"}"), 409, "is the champion");
	ASSERT_REFUSED(promote("fraud", ""), 422, "a model and a version");
	a = promote("fraud", "{\"version\":\"cand-2\"}");
	assert_true(a->ok);
	assert_true(str_is(a->json, STR("{\"model\":\"fraud\",\"version\":\"cand-2\"}")));
	assert_true(str_is(champion("fraud").metrics, STR("{\"auc\":0.4}")));
	assert_true(str_is(champion("fraud").run, STR("cand-2")));
	assert_int_equal(candidate("fraud").version.len, 0);
	a = promote(
	    "fraud", "{\"version\":\"p-1\",\"run\":\"p-1\",\"metrics\":{\"auc\":0.9}}");
	assert_true(a->ok);
	assert_string_equal(row("fraud/champion"), "p-1");
	assert_string_equal(row("fraud/archived"), "cand-2");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_better_run_becomes_champion_in_the_step_that_ends_it),
		T(the_gate_compares_with_the_champion),
		T(an_integer_metric_compares_as_a_number),
		T(models_are_kept_apart_by_the_template),
		T(a_persons_promote_waits_for_a_deploy),
		T(of_two_deploys_at_once_the_last_to_end_wins),
		T(a_deploy_does_not_start_once_the_champion_is_another),
		T(no_step_starts_after_the_gate_once_the_champion_is_another),
		T(a_run_that_promotes_without_a_gate_overtakes),
		T(metrics_bring_the_baseline),
		T(an_invalid_baseline_fails_its_step),
		T(an_invalid_baseline_of_promote_fails_the_run),
		T(a_promote_that_cannot_be_evaluated_fails_the_run),
		T(a_waiting_promote_can_be_aborted),
		T(a_person_promotes_the_candidate_and_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
