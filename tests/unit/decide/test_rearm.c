/* Detectors in rules: drift as a level, what they are judged by, what disarms them.
 * (The ways of arming again, with real runs: tests/unit/flow/test_rearm.c.) */
#include "fixture.h"

/* Two errors in a row are 2 * (m - 1) of the lattice: p0 .1, p1 .3 gives m = 6 steps. */
#define ERRORS(rest) "rules:\n" \
	"  - name: errors\n" \
	"    on: {type: o, key: data.m}\n" \
	"    signals: {err: {value: data.e, detect: {bernoulli_cusum: {p0: 0.1," \
	" p1: 0.3, H: 9}}}}\n" \
	"    when: err.drift\n" rest \
	"    run: {pipeline: train, params: {model: '${key}'}}\n"

static void outcomes(struct fx *f, const char *bits)
{
	for (; *bits; bits++) {
		g_autofree char *data = g_strdup_printf("{\"m\":\"a\",\"e\":%c}", *bits);

		fx_event(f, "o", data);
	}
}

static char *keys_of(struct fx *f, const char *rule)
{
	GString *out = g_string_new(NULL);

	decide_keys_json(f->d, ruleset_rule(f->rules, str_of(rule)), 10, f->arena,
	    START + f->tick, f->tick, out);
	return g_string_free(out, FALSE);
}

static void has(struct fx *f, const char *rule, const char *want)
{
	g_autofree char *json = keys_of(f, rule);

	if (!strstr(json, want))
		fail_msg("expected %s in %s", want, json);
}

static void drift_is_a_level_and_samples_are_held(void **state)
{
	struct fx f = fx_new(ERRORS(""));

	(void)state;
	outcomes(&f, "0000");
	fx_expect(&f, "");
	has(&f, "errors", "\"drift\":false");
	outcomes(&f, "111");
	fx_expect(&f, "fired errors/a\n");
	has(&f, "errors", "\"drift\":true");
	outcomes(&f, "00000");
	fx_expect(&f, "");
	has(&f, "errors", "\"held\":");
	has(&f, "errors", "\"state\":\"firing\"");
	fx_restart(&f);
	outcomes(&f, "0");
	has(&f, "errors", "\"drift\":true");
	fx_free(&f);
}

/* Two rules with one definition: each follows its own runs, so each has its state. */
static void a_detector_belongs_to_its_rule(void **state)
{
	struct fx f = fx_new(ERRORS("")
	    "  - name: other\n"
	    "    on: {type: o, key: data.m}\n"
	    "    mode: observe\n"
	    "    rearm_after: 1h\n"
	    "    signals: {err: {value: data.e, detect: {bernoulli_cusum: {p0: 0.1,"
	    " p1: 0.3, H: 9}}}}\n"
	    "    when: err.drift\n"
	    "    run: train\n");

	(void)state;
	outcomes(&f, "111");
	fx_expect(&f, "fired errors/a\nobserved other/a\n");
	fx_advance(&f, HOUR);
	has(&f, "other", "\"state\":\"inactive\"");
	has(&f, "errors", "\"state\":\"firing\"");
	fx_free(&f);
}

static void an_inline_baseline_judges(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: score\n"
	    "    on: o\n"
	    "    signals: {s: {value: data.v, detect: {cusum: {h: 4}},"
	    " baseline: {n: 1000, mean: 10, sd: 2}}}\n"
	    "    when: s.drift && s.mean == 10.0 && s.sd == 2.0\n"
	    "    run: train\n");

	(void)state;
	fx_event(&f, "o", "{\"v\":10}");
	fx_event(&f, "o", "{\"v\":18}");	/* 4 sd: S = 3.5 */
	fx_expect(&f, "");
	fx_event(&f, "o", "{\"v\":13}");	/* 1.5 sd: S = 4.5 > 4 */
	fx_expect(&f, "fired score\n");
	has(&f, "score", "\"from\":\"rule\"");
	fx_free(&f);
}

#define CHAMPION(more) "rules:\n" \
	"  - name: score\n" \
	"    on: {type: o, key: data.m}\n" \
	"    model: '${key}'\n" \
	"    signals: {s: {value: data.v, detect: {cusum: {h: 4}}" more "}}\n" \
	"    when: s.drift\n" \
	"    run: train\n"

static void champion(struct fx *f, const char *baseline)
{
	const struct model_fact m = { .version = STR("v"), .baseline = str_of(baseline),
		.since_ms = f->tick };

	facts_set_champion(decide_facts(f->d), STR("a"), &m);
	decide_model_deployed(f->d, STR("a"));
	decide_model_changed(f->d, STR("a"));
}

static void value(struct fx *f, double v)
{
	g_autofree char *data = g_strdup_printf("{\"m\":\"a\",\"v\":%g}", v);

	fx_event(f, "o", data);
}

static void the_champion_brings_the_baseline(void **state)
{
	struct fx f = fx_new(CHAMPION(""));

	(void)state;
	value(&f, 1000);
	fx_expect(&f, "");			/* no entry: no data */
	has(&f, "score", "\"from\":\"none\"");
	champion(&f, "{\"s\":{\"n\":500,\"mean\":10,\"sd\":2}}");
	value(&f, 10);
	has(&f, "score", "\"from\":\"champion\",\"mean\":10.0,\"sd\":2.0");
	value(&f, 30);
	fx_expect(&f, "fired score/a\n");
	fx_free(&f);
}

static void a_named_entry_is_looked_up(void **state)
{
	struct fx f = fx_new(CHAMPION(", baseline: latency"));

	(void)state;
	champion(&f, "{\"s\":{\"n\":500,\"mean\":10,\"sd\":2},"
	    "\"latency\":{\"n\":500,\"mean\":100,\"sd\":1}}");
	value(&f, 100);
	fx_expect(&f, "");
	value(&f, 200);
	fx_expect(&f, "fired score/a\n");
	fx_free(&f);
}

/* With `by` the entry is NAME/SUBKEY; a sub-key without one is no member. */
static void sub_keys_have_entries_of_their_own(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: score\n"
	    "    on: {type: o, key: data.m}\n"
	    "    model: '${key}'\n"
	    "    signals: {s: {value: data.v, by: data.f, detect: {cusum: {h: 4}}}}\n"
	    "    when: s.exists(k, d, d.drift)\n"
	    "    run: train\n");

	(void)state;
	champion(&f, "{\"s/x\":{\"n\":500,\"mean\":10,\"sd\":2},"
	    "\"s/y\":{\"n\":500,\"mean\":100,\"sd\":2}}");
	fx_event(&f, "o", "{\"m\":\"a\",\"f\":\"z\",\"v\":1000}");
	fx_event(&f, "o", "{\"m\":\"a\",\"f\":\"x\",\"v\":10}");
	fx_event(&f, "o", "{\"m\":\"a\",\"f\":\"y\",\"v\":100}");
	fx_expect(&f, "");
	fx_event(&f, "o", "{\"m\":\"a\",\"f\":\"y\",\"v\":10}");
	fx_expect(&f, "fired score/a\n");
	fx_free(&f);
}

/* A deploy re-pins in the same step: samples are dropped, the episode ends. */
static void a_deploy_drops_what_was_seen(void **state)
{
	struct fx f = fx_new(CHAMPION(""));

	(void)state;
	champion(&f, "{\"s\":{\"n\":500,\"mean\":10,\"sd\":2}}");
	value(&f, 17);				/* 3.5 sd: S = 3 of 4 */
	has(&f, "score", "\"n\":1");
	champion(&f, "{\"s\":{\"n\":500,\"mean\":10,\"sd\":2}}");
	value(&f, 14);				/* 2 sd: S = 1.5, not 4.5 */
	fx_expect(&f, "");
	has(&f, "score", "\"n\":1");
	champion(&f, "");			/* a version without a baseline */
	value(&f, 1000);
	fx_expect(&f, "");
	has(&f, "score", "\"from\":\"none\"");
	fx_free(&f);
}

static void a_baseline_is_learned_then_frozen(void **state)
{
	struct fx f = fx_new(CHAMPION(", baseline: {learn: 200}"));

	(void)state;
	for (int i = 0; i < 200; i++) {
		value(&f, i % 2 ? 9 : 11);	/* mean 10, sd 200/199 */
		if (i == 100)
			fx_restart(&f);
	}
	fx_expect(&f, "");
	has(&f, "score", "\"from\":\"learned\",\"mean\":10.0");
	value(&f, 10);
	value(&f, 20);
	fx_expect(&f, "fired score/a\n");
	has(&f, "score", "\"from\":\"learned\",\"mean\":10.0");
	fx_free(&f);
}

/* inline > champion > learned */
static void the_champion_s_entry_comes_before_learning(void **state)
{
	struct fx f = fx_new(CHAMPION(", baseline: {learn: 200}"));

	(void)state;
	champion(&f, "{\"s\":{\"n\":500,\"mean\":10,\"sd\":2}}");
	value(&f, 10);
	has(&f, "score", "\"from\":\"champion\"");
	champion(&f, "");
	value(&f, 10);
	has(&f, "score", "\"from\":\"learned\"");
	fx_free(&f);
}

static void what_a_detector_does_not_take_is_counted(void **state)
{
	struct fx f = fx_new(ERRORS(""));
	struct rule_count n;

	(void)state;
	fx_event(&f, "o", "{\"m\":\"a\",\"e\":0}");
	fx_event(&f, "o", "{\"m\":\"a\",\"e\":0.5}");	/* no error, no success */
	fx_event(&f, "o", "{\"m\":\"a\",\"e\":\"x\"}");
	fx_event(&f, "o", "{\"m\":\"a\"}");
	fx_event_at(&f, "t/0", START + 10, "o", "s", "{\"m\":\"a\",\"e\":1}");
	fx_event_at(&f, "t/0", START + 5, "o", "s", "{\"m\":\"a\",\"e\":1}");
	n = fx_count(&f, "errors");
	assert_int_equal(n.sample[SIGNAL_TAKEN], 2);
	assert_int_equal(n.sample[SIGNAL_INVALID], 3);
	assert_int_equal(n.sample[SIGNAL_LATE], 1);
	assert_int_equal(n.fate[FATE_LATE], 1);
	fx_free(&f);
}

static struct run_end end_of(uint64_t run, uint32_t rule, uint64_t episode)
{
	return (struct run_end){ .run = run, .rule_id = rule, .pipeline = STR("train"),
		.key = STR("a"), .episode = episode };
}

/* While its run is at work a new episode of the same drift is stopped, and owed. */
static void a_new_episode_is_disarmed_while_the_run_lasts(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: both\n"
	    "    on: {type: o, key: data.m}\n"
	    "    signals:\n"
	    "      err: {value: data.e, detect: {bernoulli_cusum: {p0: 0.1, p1: 0.3,"
	    " H: 9}}}\n"
	    "      on: {value: data.on, last: 1}\n"
	    "    when: err.drift && on.last == 1.0\n"
	    "    run: train\n");
	struct run_end e;

	(void)state;
	for (int i = 0; i < 3; i++)
		fx_event(&f, "o", "{\"m\":\"a\",\"e\":1,\"on\":1}");
	fx_expect(&f, "fired both/a\n");
	fx_event(&f, "o", "{\"m\":\"a\",\"e\":1,\"on\":0}");
	has(&f, "both", "\"state\":\"inactive\"");
	fx_event(&f, "o", "{\"m\":\"a\",\"e\":1,\"on\":1}");
	fx_expect(&f, "suppressed both/a by disarmed\n");
	has(&f, "both", "\"owed\":true");
	/* an older run's end is not the one waited for */
	e = end_of(77, decide_rule_id(f.d, ruleset_rule(f.rules, STR("both"))), 1);
	e.completed = true;
	decide_run_ended(f.d, &e, f.tick);
	fx_advance(&f, 1);
	has(&f, "both", "\"drift\":true");
	e.run = 1;
	decide_run_ended(f.d, &e, f.tick);
	fx_advance(&f, 1);
	has(&f, "both", "\"owed\":false");
	has(&f, "both", "\"state\":\"inactive\"");
	fx_expect(&f, "");
	fx_free(&f);
}

/* The run that answered it ended while the rule was out of the set. */
static void a_run_that_ends_without_its_rule_arms_again(void **state)
{
	struct fx f = fx_new(ERRORS(""));
	struct run_end e;

	(void)state;
	outcomes(&f, "111");
	fx_expect(&f, "fired errors/a\n");
	e = end_of(1, decide_rule_id(f.d, ruleset_rule(f.rules, STR("errors"))), 1);
	e.completed = true;
	fx_use(&f, "rules: []\n");
	decide_run_ended(f.d, &e, f.tick);
	fx_use(&f, ERRORS(""));
	fx_advance(&f, MINUTE);
	has(&f, "errors", "\"armed\":\"armed\"");
	outcomes(&f, "111");
	fx_expect(&f, "fired errors/a\n");
	fx_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drift_is_a_level_and_samples_are_held),
		cmocka_unit_test(a_detector_belongs_to_its_rule),
		cmocka_unit_test(an_inline_baseline_judges),
		cmocka_unit_test(the_champion_brings_the_baseline),
		cmocka_unit_test(a_named_entry_is_looked_up),
		cmocka_unit_test(sub_keys_have_entries_of_their_own),
		cmocka_unit_test(a_deploy_drops_what_was_seen),
		cmocka_unit_test(a_baseline_is_learned_then_frozen),
		cmocka_unit_test(the_champion_s_entry_comes_before_learning),
		cmocka_unit_test(what_a_detector_does_not_take_is_counted),
		cmocka_unit_test(a_new_episode_is_disarmed_while_the_run_lasts),
		cmocka_unit_test(a_run_that_ends_without_its_rule_arms_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
