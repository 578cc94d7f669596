/* Tests against a baseline in rules: what fires, what is held, what is no data. */
#include "fixture.h"

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

/* Four bins with one in four samples each. */
#define BINS "{n: 4000, mean: 2, sd: 1.2, edges: [1, 2, 3]," \
	" counts: [1000, 1000, 1000, 1000]}"
#define TEST(test, window, base) "rules:\n" \
	"  - name: t\n" \
	"    on: {type: o}\n" \
	"    signals: {s: {value: data.v, test: " test ", " window ", baseline: " base \
	"}}\n" \
	"    when: s.drift\n" \
	"    run: train\n"

static void number(struct fx *f, double v)
{
	g_autofree char *data = g_strdup_printf("{\"v\":%g}", v);

	fx_event(f, "o", data);
}

/* Evenly over the four bins. */
static void same(struct fx *f, int n)
{
	for (int i = 0; i < n; i++)
		number(f, i % 4 + .5);
}

static void shifted(struct fx *f, int n)
{
	for (int i = 0; i < n; i++)
		number(f, i % 4 < 3 ? 3.5 : 2.5);
}

static void every_test_tells_a_shift_from_the_same(void **state)
{
	static const char *const kinds[] = { "psi", "js", "chi2", "linf", "hellinger",
		"ks", "wasserstein" };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		g_autofree char *rules = g_strdup_printf(TEST("%s", "last: 200", BINS),
		    kinds[i]);
		struct fx f = fx_new(rules);

		same(&f, 200);
		fx_expect(&f, "");
		has(&f, "t", "\"drift\":false");
		shifted(&f, 199);
		fx_expect(&f, "");		/* the window is not full */
		shifted(&f, 1);
		fx_expect(&f, "fired t\n");
		has(&f, "t", "\"drift\":true");
		has(&f, "t", "\"n\":200,\"m\":4000");
		has(&f, "t", "\"from\":\"rule\"");
		fx_free(&f);
	}
}

static void values_are_compared_as_they_are(void **state)
{
	static const char *const kinds[] = { "ks", "wasserstein" };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		g_autofree char *rules = g_strdup_printf(TEST("%s", "last: 100",
		    "{n: 8, values: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,"
		    " 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29]}"),
		    kinds[i]);
		struct fx f = fx_new(rules);

		for (int k = 0; k < 100; k++)
			number(&f, k % 30);
		fx_expect(&f, "");
		has(&f, "t", "\"drift\":false");
		for (int k = 0; k < 50; k++)
			number(&f, 60 + k % 30);
		fx_restart(&f);
		for (int k = 0; k < 50; k++)
			number(&f, 60 + k % 30);
		fx_expect(&f, "fired t\n");
		fx_free(&f);
	}
}

static void words_and_histograms_are_samples(void **state)
{
	struct fx f = fx_new(TEST("psi", "last: 100",
	    "{n: 1000, categories: [red, blue], counts: [400, 400, 200]}"));
	struct rule_count n;

	(void)state;
	for (int i = 0; i < 100; i++)
		fx_event(&f, "o", i % 5 < 2 ? "{\"v\":\"red\"}" :
		    i % 5 < 4 ? "{\"v\":\"blue\"}" : "{\"v\":\"grey\"}");
	has(&f, "t", "\"drift\":false");
	fx_event(&f, "o", "{\"v\":[160,160,80]}");
	has(&f, "t", "\"drift\":false");
	has(&f, "t", "\"n\":400,");
	fx_expect(&f, "");
	fx_event(&f, "o", "{\"v\":{\"blue\":10,\"red\":380,\"grey\":4,\"black\":6}}");
	has(&f, "t", "\"n\":400,");
	fx_expect(&f, "fired t\n");
	n = fx_count(&f, "t");
	assert_int_equal(n.sample[SIGNAL_TAKEN], 102);
	fx_event(&f, "o", "{\"v\":[1,2]}");		/* other cells */
	fx_event(&f, "o", "{\"v\":[1,2,-3]}");
	fx_event(&f, "o", "{\"v\":[1,\"x\",3]}");
	fx_event(&f, "o", "{\"v\":[]}");
	fx_event(&f, "o", "{\"v\":{\"red\":true}}");
	fx_event(&f, "o", "{\"v\":3}");			/* no number's cells */
	fx_event(&f, "o", "{}");
	n = fx_count(&f, "t");
	assert_int_equal(n.sample[SIGNAL_TAKEN], 102);
	assert_int_equal(n.sample[SIGNAL_INVALID], 7);
	fx_free(&f);
}

/* An event per second, so that the clock passes. */
static void hour(struct fx *f, int n, bool shift)
{
	int64_t end = (f->tick / HOUR + 1) * HOUR + 5 * MINUTE;

	for (int i = 0; i < n; i++) {
		fx_advance(f, SECOND);
		number(f, shift ? 3.5 : i % 4 + .5);
	}
	fx_advance(f, end - f->tick);
}

static void a_window_is_judged_at_its_end_and_held(void **state)
{
	static const char *const windows[] = { "tumbling: 1h", "over: 1h",
		"over: 1h, every: 1h" };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(windows); i++) {
		g_autofree char *rules = g_strdup_printf(TEST("psi", "%s", BINS),
		    windows[i]);
		struct fx f = fx_new(rules);

		fx_source(&f, SOURCE_CAUGHT_UP);
		hour(&f, 100, false);
		has(&f, "t", "\"drift\":false");
		hour(&f, 100, true);
		fx_expect(&f, "fired t\n");
		hour(&f, 0, false);			/* nothing in it: held */
		has(&f, "t", "\"drift\":true");
		fx_advance(&f, MINUTE);
		same(&f, 100);
		has(&f, "t", "\"drift\":true");
		fx_restart(&f);
		fx_source(&f, SOURCE_CAUGHT_UP);
		has(&f, "t", "\"drift\":true");
		has(&f, "t", "\"waiting\":100");
		hour(&f, 0, false);			/* no latch */
		has(&f, "t", "\"drift\":false");
		has(&f, "t", "\"state\":\"inactive\"");
		hour(&f, 29, true);			/* too few to tell */
		has(&f, "t", "\"drift\":null");
		has(&f, "t", "\"n\":0,");
		fx_expect(&f, "");
		fx_free(&f);
	}
}

static void what_is_late_is_counted(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: t\n"
	    "    on: {type: o, lateness: 1h}\n"
	    "    signals: {s: {value: data.v, test: psi, tumbling: 1h,"
	    " baseline: " BINS "}}\n"
	    "    when: s.drift\n"
	    "    run: train\n");
	struct rule_count n;

	(void)state;
	for (int i = 0; i < 50; i++)
		fx_event_at(&f, "t/0", START, "o", "s", "{\"v\":0.5}");
	fx_event_at(&f, "t/0", START + HOUR + 1, "o", "s", "{\"v\":3.5}");
	fx_event_at(&f, "t/0", START + 5, "o", "s", "{\"v\":0.5}");	/* still open */
	has(&f, "t", "\"waiting\":52");
	fx_event_at(&f, "t/0", START + 2 * HOUR, "o", "s", "{\"v\":3.5}");
	has(&f, "t", "\"n\":51,");
	fx_expect(&f, "fired t\n");
	fx_event_at(&f, "t/0", START + 5, "o", "s", "{\"v\":0.5}");
	n = fx_count(&f, "t");
	assert_int_equal(n.sample[SIGNAL_LATE], 1);
	fx_free(&f);
}

#define FEATURES "rules:\n" \
	"  - name: t\n" \
	"    on: {type: o, key: data.m}\n" \
	"    model: '${key}'\n" \
	"    signals: {score: {each: data.f, by: item_key, value: item, test: psi," \
	" last: 100}}\n" \
	"    when: score.exists(f, s, s.drift)\n" \
	"    run: train\n"
#define ENTRY "{\"n\":400,\"edges\":[1,2,3],\"counts\":[100,100,100,100]}"

static void champion(struct fx *f, const char *baseline)
{
	const struct model_fact m = { .version = STR("v"), .baseline = str_of(baseline),
		.since_ms = f->tick };

	facts_set_champion(decide_facts(f->d), STR("a"), &m);
	decide_model_deployed(f->d, STR("a"));
	decide_model_changed(f->d, STR("a"));
}

static void features(struct fx *f, int n, bool y_shifts)
{
	for (int i = 0; i < n; i++) {
		g_autofree char *data = g_strdup_printf("{\"m\":\"a\",\"f\":{\"x\":%g,"
		    "\"y\":%g,\"z\":9}}", i % 4 + .5, y_shifts ? 3.5 : i % 4 + .5);

		fx_event(f, "o", data);
	}
}

/* One run, however many features drift; one without an entry is no member. */
static void each_feature_has_its_entry(void **state)
{
	struct fx f = fx_new(FEATURES);

	(void)state;
	features(&f, 10, true);
	has(&f, "t", "\"with_data\":0");
	champion(&f, "{\"score/x\":" ENTRY ",\"score/y\":" ENTRY "}");
	features(&f, 100, false);
	fx_expect(&f, "");
	has(&f, "t", "\"keys\":3,\"with_data\":2");
	features(&f, 50, true);
	fx_restart(&f);
	champion(&f, "{\"score/x\":" ENTRY ",\"score/y\":" ENTRY "}");
	has(&f, "t", "\"signals\"");
	features(&f, 99, true);				/* the deploy dropped 50 */
	fx_expect(&f, "");
	features(&f, 1, true);
	fx_expect(&f, "fired t/a\n");
	features(&f, 100, true);
	fx_expect(&f, "");				/* one episode */
	champion(&f, "");
	features(&f, 200, true);
	has(&f, "t", "\"with_data\":0");
	has(&f, "t", "\"state\":\"inactive\"");
	fx_expect(&f, "");
	fx_free(&f);
}

/* chi-square at .999 and 3 degrees of freedom is 16.266: times 1/200 + 1/4000 below the
 * floor of .1, and without a floor itself. */
static void the_limit_follows_from_the_parameters(void **state)
{
	struct fx f = fx_new(TEST("{psi: {alpha: 0.001, floor: 0}}", "last: 200", BINS));

	(void)state;
	same(&f, 200);
	has(&f, "t", "\"limit\":0.0853");
	fx_free(&f);
	f = fx_new(TEST("psi", "last: 200", BINS));
	same(&f, 200);
	has(&f, "t", "\"limit\":0.1,");
	fx_free(&f);
	/* one in 200,000 samples: alpha .001 of windows of 200 */
	f = fx_new(TEST("{psi: {expected_run: 200000, floor: 0}}", "last: 200", BINS));
	same(&f, 200);
	has(&f, "t", "\"limit\":0.0853");
	fx_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_test_tells_a_shift_from_the_same),
		cmocka_unit_test(values_are_compared_as_they_are),
		cmocka_unit_test(words_and_histograms_are_samples),
		cmocka_unit_test(a_window_is_judged_at_its_end_and_held),
		cmocka_unit_test(what_is_late_is_counted),
		cmocka_unit_test(each_feature_has_its_entry),
		cmocka_unit_test(the_limit_follows_from_the_parameters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
