/* Signal rules: windows, `for`, holding, hysteresis, what is owed, restarts. */
#include "decide/cell.h"
#include "fixture.h"

#include "decide/machine.h"

#define PSI(rest) "rules:\n" \
	"  - name: drift\n" \
	"    on: {type: m, key: data.model}\n" \
	"    signals: {psi: {value: data.v, over: 1h}}\n" \
	"    when: psi.avg > 10\n" rest \
	"    run: {pipeline: train, params: {model: \"${key}\"}}\n"

static void sample(struct fx *f, const char *model, double v)
{
	g_autofree char *data = g_strdup_printf("{\"model\":\"%s\",\"v\":%g}", model, v);

	fx_event(f, "m", data);
}

static char *state_of(struct fx *f, const char *rule)
{
	GString *out = g_string_new(NULL);

	decide_keys_json(f->d, ruleset_rule(f->rules, str_of(rule)), 10, f->arena,
	    START + f->tick, f->tick, out);
	return g_string_free(out, FALSE);
}

static void expect_state(struct fx *f, const char *rule, const char *state)
{
	g_autofree char *json = state_of(f, rule);
	g_autofree char *want = g_strdup_printf("\"state\":\"%s\"", state);

	if (!strstr(json, want))
		fail_msg("expected %s in %s", want, json);
}

static void it_fires_once_on_the_rising_edge(void **state)
{
	struct fx f = fx_new(PSI(""));

	(void)state;
	sample(&f, "a", 5);
	fx_expect(&f, "");
	fx_advance(&f, MINUTE);
	sample(&f, "a", 16);		/* (5 + 16) / 2 = 10.5 */
	fx_expect(&f, "fired drift/a\n");
	assert_string_equal(f.params, "{\"model\":\"a\"}");
	fx_advance(&f, MINUTE);
	sample(&f, "a", 16);
	sample(&f, "b", 16);
	fx_expect(&f, "fired drift/b\n");
	for (int i = 0; i < 10; i++)
		sample(&f, "a", 0);
	expect_state(&f, "drift", "inactive");
	for (int i = 0; i < 40; i++)
		sample(&f, "a", 16);
	fx_expect(&f, "fired drift/a\n");
	fx_free(&f);
}

static void for_counts_time_of_the_rule_s_clock(void **state)
{
	struct fx f = fx_new(PSI("    for: 10m\n"));

	(void)state;
	sample(&f, "a", 16);
	fx_advance(&f, 9 * MINUTE);
	sample(&f, "a", 16);
	fx_expect(&f, "");
	expect_state(&f, "drift", "pending");
	fx_advance(&f, MINUTE);
	sample(&f, "b", 0);		/* another key's event moves the clock */
	fx_expect(&f, "fired drift/a\n");
	fx_free(&f);
}

/* The deadline lies before the event that shows it: it is decided at its own time. */
static void a_deadline_before_an_event_comes_first(void **state)
{
	struct fx f = fx_new(PSI("    for: 10m\n"));

	(void)state;
	sample(&f, "a", 16);
	fx_advance(&f, 20 * MINUTE);
	sample(&f, "a", -100);		/* would end the pending state */
	fx_expect(&f, "fired drift/a\n");
	expect_state(&f, "drift", "inactive");
	fx_free(&f);
}

static void an_idle_rule_s_clock_goes_on_with_tick(void **state)
{
	struct fx f = fx_new(PSI("    for: 10m\n"));

	(void)state;
	sample(&f, "a", 16);
	fx_advance(&f, HOUR / 2);
	fx_expect(&f, "");		/* the source was never caught up */
	fx_source(&f, SOURCE_UP);
	fx_source(&f, SOURCE_CAUGHT_UP);
	fx_advance(&f, 59 * SECOND);
	fx_expect(&f, "");
	fx_advance(&f, SECOND);		/* idle now: its clock is 31 minutes on */
	fx_expect(&f, "fired drift/a\n");
	fx_free(&f);
}

static void a_window_that_empties_is_no_data_and_keeps(void **state)
{
	struct fx f = fx_new(PSI(""));

	(void)state;
	fx_source(&f, SOURCE_CAUGHT_UP);
	sample(&f, "a", 16);
	fx_expect(&f, "fired drift/a\n");
	fx_advance(&f, 3 * HOUR);
	expect_state(&f, "drift", "firing");
	sample(&f, "a", 1);
	expect_state(&f, "drift", "inactive");
	fx_expect(&f, "");
	fx_free(&f);
}

/* count falls as panes leave, with no event. */
static void pane_expiry_evaluates_without_an_event(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: quiet\n"
	    "    on: {type: m}\n"
	    "    signals: {n: {over: 1h}}\n"
	    "    when: n.count < 2\n"
	    "    run: train\n");

	(void)state;
	fx_source(&f, SOURCE_CAUGHT_UP);
	fx_event(&f, "m", "{}");
	fx_expect(&f, "fired quiet\n");
	fx_advance(&f, 30 * MINUTE);
	fx_event(&f, "m", "{}");
	expect_state(&f, "quiet", "inactive");
	fx_advance(&f, 29 * MINUTE);
	fx_expect(&f, "");
	fx_advance(&f, 3 * MINUTE);	/* the first sample's pane is out */
	fx_expect(&f, "fired quiet\n");
	fx_free(&f);
}

static void holding_bridges_a_gap(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: r\n"
	    "    on: m\n"
	    "    signals: {x: {value: data.v, last: 1}}\n"
	    "    when: x.last > 10\n"
	    "    keep_firing_for: 5m\n"
	    "    run: train\n");

	(void)state;
	fx_source(&f, SOURCE_CAUGHT_UP);
	sample(&f, "", 11);
	fx_expect(&f, "fired r\n");
	fx_advance(&f, MINUTE);
	sample(&f, "", 9);
	expect_state(&f, "r", "holding");
	fx_advance(&f, 4 * MINUTE);
	sample(&f, "", 11);
	fx_expect(&f, "");
	expect_state(&f, "r", "firing");
	sample(&f, "", 9);
	fx_advance(&f, 6 * MINUTE);	/* idle: the clock gets there by itself */
	expect_state(&f, "r", "inactive");
	fx_free(&f);
}

static void recover_is_the_clear_level(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: r\n"
	    "    on: m\n"
	    "    signals: {x: {value: data.v, last: 1}}\n"
	    "    when: x.last > 10\n"
	    "    recover: x.last < 5\n"
	    "    run: train\n");

	(void)state;
	sample(&f, "", 11);
	sample(&f, "", 6);
	sample(&f, "", 11);
	fx_expect(&f, "fired r\n");
	sample(&f, "", 4);
	sample(&f, "", 6);
	expect_state(&f, "r", "inactive");
	sample(&f, "", 11);
	fx_expect(&f, "fired r\n");
	fx_free(&f);
}

static void a_suppressed_emission_is_owed_until_the_cooldown_ends(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: r\n"
	    "    on: m\n"
	    "    signals: {x: {value: data.v, last: 1}}\n"
	    "    when: x.last > 10\n"
	    "    cooldown: 1h\n"
	    "    run: train\n");

	(void)state;
	sample(&f, "", 11);
	sample(&f, "", 1);
	fx_advance(&f, 10 * MINUTE);
	sample(&f, "", 11);
	sample(&f, "", 12);
	fx_expect(&f, "fired r\nsuppressed r by cooldown\n");
	fx_advance(&f, 50 * MINUTE - 1);
	fx_expect(&f, "");
	fx_advance(&f, 1);
	fx_expect(&f, "fired r\n");
	fx_free(&f);
}

static void a_full_pipeline_is_asked_again_when_a_slot_is_free(void **state)
{
	struct fx f = fx_new(PSI(""));

	(void)state;
	f.refuse = SUPP_CONCURRENCY;
	sample(&f, "a", 16);
	sample(&f, "a", 17);
	fx_expect(&f, "suppressed drift/a by concurrency\n");
	f.refuse = SUPP_NONE;
	sample(&f, "a", 18);		/* nobody said that there is room */
	fx_expect(&f, "");
	decide_slot_free(f.d, STR("train"));
	fx_expect(&f, "");		/* never inside the call */
	fx_advance(&f, 0);
	fx_expect(&f, "fired drift/a\n");
	fx_free(&f);
}

static void an_episode_whose_run_failed_owes_one_more(void **state)
{
	struct fx f = fx_new(PSI("    backoff: {initial: 5m, max: 20m}\n"));
	struct run_end e = { .run = 1, .pipeline = STR("train"), .key = STR("a"),
		.episode = 1, .failed = true };

	(void)state;
	sample(&f, "a", 16);
	fx_expect(&f, "fired drift/a\n");
	e.rule_id = decide_rule_id(f.d, ruleset_rule(f.rules, STR("drift")));
	decide_run_ended(f.d, &e, f.tick);
	fx_advance(&f, 5 * MINUTE - 1);
	fx_expect(&f, "");
	fx_advance(&f, 1);
	fx_expect(&f, "fired drift/a\n");
	e.run = 2;
	decide_run_ended(f.d, &e, f.tick);	/* doubled */
	fx_advance(&f, 10 * MINUTE - 1);
	fx_expect(&f, "");
	fx_advance(&f, 1);
	fx_expect(&f, "fired drift/a\n");
	e.run = 3;
	e.failed = false;
	e.completed = true;
	decide_run_ended(f.d, &e, f.tick);
	fx_advance(&f, HOUR);
	fx_expect(&f, "");
	fx_free(&f);
}

static void refire_repeats_while_it_lasts(void **state)
{
	struct fx f = fx_new(PSI("    refire: 10m\n"));

	(void)state;
	sample(&f, "a", 16);
	fx_advance(&f, 25 * MINUTE);
	fx_expect(&f, "fired drift/a\nfired drift/a\nfired drift/a\n");
	sample(&f, "a", -100);
	fx_advance(&f, HOUR);
	fx_expect(&f, "");
	fx_free(&f);
}

static void every_evaluates_without_events(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: stale\n"
	    "    on: m\n"
	    "    signals: {n: {over: 1h}}\n"
	    "    when: now - last_success.created > duration(\"10m\")\n"
	    "    every: 1m\n"
	    "    run: train\n");
	struct run_fact r = { .run = 1, .id = STR("train-1"), .state = STR("completed"),
		.created_ms = START };

	(void)state;
	facts_set_run(decide_facts(f.d), STR("train"), STR(""), &r);
	fx_advance(&f, 10 * MINUTE);
	fx_expect(&f, "");
	fx_advance(&f, MINUTE);
	fx_expect(&f, "fired stale\n");
	fx_free(&f);
}

/* A run takes the samples so far as its share; a failed one gives them back. */
static void since_last_success_counts_what_no_run_has_seen(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: rows\n"
	    "    on: m\n"
	    "    signals: {rows: {value: data.v, since: last_success}}\n"
	    "    when: rows.sum >= 100\n"
	    "    backoff: \"off\"\n"
	    "    run: train\n");
	struct run_end e = { .run = 1, .pipeline = STR("train"), .key = STR(""),
		.failed = true };

	(void)state;
	f.cuts = true;
	sample(&f, "", 60);
	fx_expect(&f, "");
	sample(&f, "", 60);
	fx_expect(&f, "fired rows\n");
	expect_state(&f, "rows", "firing");
	fx_advance(&f, 0);		/* the cut asks for a look at what is left */
	sample(&f, "", 60);		/* 60 of the new share */
	expect_state(&f, "rows", "inactive");
	decide_run_ended(f.d, &e, f.tick);	/* 180 again */
	fx_advance(&f, 0);
	fx_expect(&f, "fired rows\n");
	e = (struct run_end){ .run = 2, .pipeline = STR("train"), .key = STR(""),
		.completed = true };
	decide_run_ended(f.d, &e, f.tick);
	sample(&f, "", 99);
	expect_state(&f, "rows", "inactive");
	sample(&f, "", 1);
	fx_expect(&f, "fired rows\n");
	fx_free(&f);
}

/* Runs slower than the amount: while one is running the next amount starts another, and
 * each takes its own share; those that fail give theirs back, in whatever order. */
static void since_last_success_with_slow_and_failing_runs(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: rows\n"
	    "    on: m\n"
	    "    signals: {rows: {value: data.v, since: last_success}}\n"
	    "    when: rows.sum >= 100\n"
	    "    on_nodata: \"false\"\n"
	    "    backoff: \"off\"\n"
	    "    run: train\n");
	struct run_end e = { .pipeline = STR("train"), .key = STR("") };

	(void)state;
	f.cuts = true;
	for (int i = 0; i < 3; i++) {	/* none of the three has ended */
		sample(&f, "", 60);
		fx_advance(&f, 0);
		fx_expect(&f, "");
		sample(&f, "", 50);
		fx_expect(&f, "fired rows\n");
		fx_advance(&f, 0);
		expect_state(&f, "rows", "inactive");
	}
	e.run = 2;
	e.completed = true;
	decide_run_ended(f.d, &e, f.tick);	/* its 110 are used */
	fx_advance(&f, 0);
	fx_expect(&f, "");
	e.run = 1;
	e.completed = false;
	e.failed = true;
	decide_run_ended(f.d, &e, f.tick);	/* 110 wait again: one more */
	fx_advance(&f, 0);
	fx_expect(&f, "fired rows\n");
	fx_advance(&f, 0);
	sample(&f, "", 99);
	fx_expect(&f, "");
	fx_free(&f);
}

/* What a window held when the samples stopped counts as long as the window itself. */
static void a_burst_then_silence_does_not_keep_a_window_alive_under_for(void **state)
{
	static const char *const windows[] = {"over: 1h", "over: 1h, resolution: exact",
		"over: 1h, every: 10m", "tumbling: 1h"};

	(void)state;
	for (unsigned i = 0; i < G_N_ELEMENTS(windows); i++) {
		g_autofree char *yaml = g_strdup_printf("rules:\n"
		    "  - name: r\n"
		    "    on: m\n"
		    "    signals: {s: {value: data.v, %s}}\n"
		    "    when: s.avg > 10\n"
		    "    for: 3h\n"
		    "    on_nodata: \"false\"\n"
		    "    run: train\n", windows[i]);
		struct fx f = fx_new(yaml);

		fx_source(&f, SOURCE_CAUGHT_UP);
		for (int n = 0; n < 100; n++)
			sample(&f, "", 20);
		fx_advance(&f, 24 * HOUR);
		fx_expect(&f, "");
		expect_state(&f, "r", "inactive");
		for (int n = 0; n < 36; n++) {	/* where they go on it does fire */
			sample(&f, "", 20);
			fx_advance(&f, 10 * MINUTE);
		}
		fx_expect(&f, "fired r\n");
		fx_free(&f);
	}
}

/* What flow tells while an emission is out is not lost when it is settled. */
static void a_cut_by_the_rule_s_own_run_is_looked_at(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: rows\n"
	    "    on: m\n"
	    "    signals: {rows: {value: data.v, since: last_success}}\n"
	    "    when: rows.sum >= 100\n"
	    "    on_nodata: \"false\"\n"
	    "    run: train\n");

	(void)state;
	f.cuts = true;
	sample(&f, "", 120);
	fx_expect(&f, "fired rows\n");
	expect_state(&f, "rows", "firing");
	fx_advance(&f, 0);
	expect_state(&f, "rows", "inactive");
	fx_free(&f);
}

static void equal_definitions_share_one_window(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: a\n"
	    "    on: {type: m, key: data.model}\n"
	    "    signals: {s: {value: data.v, over: 1h}}\n"
	    "    when: s.sum >= 10\n"
	    "    run: train\n"
	    "  - name: b\n"
	    "    on: {type: m, key: data.model}\n"
	    "    signals: {s: {value: data.v, over: 1h}}\n"
	    "    when: s.count >= 3\n"
	    "    run: train\n");
	uint32_t roots = 0;

	(void)state;
	sample(&f, "k", 5);
	sample(&f, "k", 5);
	fx_expect(&f, "fired a/k\n");
	sample(&f, "k", 5);
	fx_expect(&f, "fired b/k\n");
	for (uint32_t id = cells_next(f.cells, 0); id; id = cells_next(f.cells, id))
		roots += cells_kind(f.cells, id) == CELL_SIGNAL;
	assert_int_equal(roots, 1);
	fx_free(&f);
}

static void late_and_invalid_samples_are_counted(void **state)
{
	struct fx f = fx_new(PSI(""));
	struct rule_count c;

	(void)state;
	fx_advance(&f, 5 * HOUR);
	sample(&f, "a", 1);
	fx_event_at(&f, "t/0", START, "m", "s", "{\"model\":\"a\",\"v\":99}");
	fx_event(&f, "m", "{\"model\":\"a\",\"v\":\"x\"}");
	c = fx_count(&f, "drift");
	assert_int_equal(c.fate[FATE_EVALUATED], 1);
	assert_int_equal(c.fate[FATE_LATE], 1);
	assert_int_equal(c.fate[FATE_INVALID], 1);
	fx_expect(&f, "");
	fx_free(&f);
}

static void an_edit_keeps_the_episode(void **state)
{
	struct fx f = fx_new(PSI(""));

	(void)state;
	sample(&f, "a", 16);
	fx_expect(&f, "fired drift/a\n");
	fx_use(&f, PSI("    for: 30m\n"));
	fx_advance(&f, MINUTE);
	sample(&f, "a", 16);
	expect_state(&f, "drift", "firing");
	fx_use(&f, "rules: []\n");
	fx_use(&f, PSI(""));
	sample(&f, "a", 16);
	fx_expect(&f, "");
	expect_state(&f, "drift", "firing");
	fx_free(&f);
}

static void an_idle_key_goes_after_its_ttl(void **state)
{
	struct fx f = fx_new(PSI("    key_ttl: 1h\n"));

	(void)state;
	sample(&f, "a", 1);
	sample(&f, "b", 16);
	fx_expect(&f, "fired drift/b\n");
	assert_int_equal(fx_count(&f, "drift").keys, 2);
	fx_advance(&f, 2 * HOUR);
	assert_int_equal(fx_count(&f, "drift").keys, 1);	/* b is firing */
	expect_state(&f, "drift", "firing");
	fx_free(&f);
}

/* ---- restarts and cuts ---- */

#define MANY "rules:\n" \
	"  - name: avg\n" \
	"    on: {type: m, key: data.model, lateness: 30s}\n" \
	"    signals: {s: {value: data.v, over: 10m}}\n" \
	"    when: s.avg > 8\n" \
	"    for: 1m\n" \
	"    keep_firing_for: 2m\n" \
	"    cooldown: 7m\n" \
	"    run: train\n" \
	"  - name: tumble\n" \
	"    on: {type: m, key: data.model}\n" \
	"    signals: {s: {value: data.v, tumbling: 5m}}\n" \
	"    when: s.max > 14\n" \
	"    refire: 11m\n" \
	"    run: train\n" \
	"  - name: last\n" \
	"    on: {type: m, key: data.model}\n" \
	"    signals: {s: {value: data.v, last: 5}, n: {over: 3m, resolution: exact}}\n" \
	"    when: s.sum > 60 || n.count < 1\n" \
	"    run: train\n" \
	"  - name: once\n" \
	"    on: {type: m, key: data.model}\n" \
	"    when: data.v > 10\n" \
	"    dedupe: {key: data.v, for: 5m}\n" \
	"    cooldown: 90s\n" \
	"    run: train\n" \
	"  - name: tick\n" \
	"    schedule: {every: 7m}\n" \
	"    run: train\n"

#define EDITED "rules:\n" \
	"  - name: avg\n" \
	"    on: {type: m, key: data.model, lateness: 30s}\n" \
	"    signals: {s: {value: data.v, over: 10m}}\n" \
	"    when: s.avg > 7\n" \
	"    for: 2m\n" \
	"    mode: observe\n" \
	"    run: train\n" \
	"  - name: once\n" \
	"    on: {type: m, key: data.model}\n" \
	"    mode: disabled\n" \
	"    run: train\n" \
	"  - name: tick\n" \
	"    schedule: {every: 9m}\n" \
	"    run: train\n"

struct random { uint64_t s; };

static uint32_t draw(struct random *r, uint32_t n)
{
	r->s = r->s * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(r->s >> 33) % n;
}

/* The same sequence, restarted before every `restart`-th step (0: never). */
static char *play(uint64_t seed, unsigned restart, unsigned steps)
{
	struct fx f = fx_new(MANY);
	struct random r = { seed };
	char *log;

	fx_source(&f, SOURCE_CAUGHT_UP);
	for (unsigned i = 0; i < steps; i++) {
		const char *model = draw(&r, 3) ? "a" : "b";
		int64_t back = (int64_t)draw(&r, 40) * SECOND;
		g_autofree char *data =
		    g_strdup_printf("{\"model\":\"%s\",\"v\":%u}", model, draw(&r, 18));

		if (restart && i % restart == restart - 1)
			fx_restart(&f);
		fx_event_at(&f, draw(&r, 2) ? "t/0" : "t/1", START + f.tick - back, "m",
			    "s", data);
		fx_advance(&f, (int64_t)draw(&r, 45) * SECOND);
		if (draw(&r, 40) == 0)
			fx_advance(&f, 10 * MINUTE);
		if (draw(&r, 30) == 0)
			fx_use(&f, draw(&r, 2) ? MANY : EDITED);
		if (draw(&r, 30) == 0)
			fx_source(&f, draw(&r, 2) ? SOURCE_DOWN : SOURCE_CAUGHT_UP);
		g_string_append_printf(f.log, "@%d\n", (int)(f.tick / SECOND));
	}
	g_string_append(f.log, f.why->str);
	log = g_strdup(f.log->str);
	fx_free(&f);
	return log;
}

static void a_restart_changes_no_later_decision(void **state)
{
	GString *all = g_string_new(NULL);

	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		g_autofree char *whole = play(seed, 0, 120);
		g_autofree char *often = play(seed, 1, 120);
		g_autofree char *some = play(seed, 17, 120);

		assert_string_equal(whole, often);
		assert_string_equal(whole, some);
		g_string_append(all, whole);
	}
	assert_non_null(strstr(all->str, "fired avg"));
	assert_non_null(strstr(all->str, "observed avg"));
	assert_non_null(strstr(all->str, "suppressed avg/"));
	assert_non_null(strstr(all->str, "fired tumble"));
	assert_non_null(strstr(all->str, "suppressed once/a by dedupe"));
	assert_non_null(strstr(all->str, "fired tick"));
	g_string_free(all, TRUE);
}

/* Deadlines of a rule's clock belong to the input that moves it: whether tick
 * deadlines are looked for between two inputs of the same instant changes nothing. */
static char *cut(uint64_t seed, unsigned batch)
{
	struct fx f = fx_new(PSI("    for: 5m\n    keep_firing_for: 3m\n"));
	struct random r = { seed };
	char *log;
	int64_t t = START;

	for (unsigned i = 0; i < 300; i++) {
		g_autofree char *data = g_strdup_printf("{\"model\":\"%c\",\"v\":%u}",
		    'a' + draw(&r, 4), draw(&r, 22));

		t += (int64_t)draw(&r, 90) * SECOND;
		f.wall_off = t - START;
		fx_event_at(&f, "t/0", t, "m", "s", data);
		if (i % batch == batch - 1)
			fx_advance(&f, 0);
	}
	log = g_strdup(f.log->str);
	fx_free(&f);
	return log;
}

static void where_a_batch_is_cut_does_not_matter(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		g_autofree char *one = cut(seed, 1), *many = cut(seed, 1000);
		g_autofree char *seven = cut(seed, 7);

		assert_non_null(strstr(one, "fired"));
		assert_string_equal(one, many);
		assert_string_equal(one, seven);
	}
}

/* The first rule's event is also the sample of the second's window: what the second had
 * to decide before that event's time sees the window as it was then. */
static void deadlines_come_before_a_sample_that_another_rule_adds(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - {name: first, on: m, run: train, mode: observe,\n"
	    "     signals: {v: {value: data.x, last: 1}}, when: v.last > 9}\n"
	    "  - {name: second, on: m, run: train, for: 10s,\n"
	    "     signals: {v: {value: data.x, last: 1}}, when: v.last > 1}\n");

	(void)state;
	fx_source(&f, SOURCE_UP);
	fx_event(&f, "m", "{\"x\": 5.0}");
	fx_expect(&f, "");
	f.tick += 30 * SECOND;
	fx_event(&f, "m", "{\"x\": 0.0}");
	fx_expect(&f, "fired second\n");
	fx_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deadlines_come_before_a_sample_that_another_rule_adds),
		cmocka_unit_test(it_fires_once_on_the_rising_edge),
		cmocka_unit_test(for_counts_time_of_the_rule_s_clock),
		cmocka_unit_test(a_deadline_before_an_event_comes_first),
		cmocka_unit_test(an_idle_rule_s_clock_goes_on_with_tick),
		cmocka_unit_test(a_window_that_empties_is_no_data_and_keeps),
		cmocka_unit_test(pane_expiry_evaluates_without_an_event),
		cmocka_unit_test(holding_bridges_a_gap),
		cmocka_unit_test(recover_is_the_clear_level),
		cmocka_unit_test(a_suppressed_emission_is_owed_until_the_cooldown_ends),
		cmocka_unit_test(a_full_pipeline_is_asked_again_when_a_slot_is_free),
		cmocka_unit_test(an_episode_whose_run_failed_owes_one_more),
		cmocka_unit_test(refire_repeats_while_it_lasts),
		cmocka_unit_test(every_evaluates_without_events),
		cmocka_unit_test(since_last_success_counts_what_no_run_has_seen),
		cmocka_unit_test(since_last_success_with_slow_and_failing_runs),
		cmocka_unit_test(
		    a_burst_then_silence_does_not_keep_a_window_alive_under_for),
		cmocka_unit_test(a_cut_by_the_rule_s_own_run_is_looked_at),
		cmocka_unit_test(equal_definitions_share_one_window),
		cmocka_unit_test(late_and_invalid_samples_are_counted),
		cmocka_unit_test(an_edit_keeps_the_episode),
		cmocka_unit_test(an_idle_key_goes_after_its_ttl),
		cmocka_unit_test(a_restart_changes_no_later_decision),
		cmocka_unit_test(where_a_batch_is_cut_does_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
