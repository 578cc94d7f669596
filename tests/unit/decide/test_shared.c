/* What rules share must not show: each story is told to a rule by itself and to the same
 * rule beside others of its selector or signal, on a ladder, after a reload or a restart.
 * The decisions must be the same. */
#include <stdlib.h>

#include "fixture.h"

#define SIG "on: {type: m, key: data.k}, run: train, " \
	"signals: {v: {value: data.x, last: 1}}, "
#define LADDER 20

/* Rules that never fire, enough of them for a ladder. */
static void fill(GString *s, const char *what)
{
	for (unsigned i = 0; i < LADDER; i++)
		g_string_append_printf(s, "  - {name: %s%02u, " SIG "when: v.%s > %u}\n",
		    what, i, what, 1000 + i);
}

/* `before`: rules that come first.  `fills`: aggregates of ladders around it. */
static struct fx with(const char *before, const char *rule, const char *fills)
{
	GString *s = g_string_new("rules:\n");
	struct fx f;

	g_string_append(s, before);
	if (strstr(fills, "avg"))
		fill(s, "avg");
	g_string_append_printf(s, "  - {name: r, " SIG "%s}\n", rule);
	if (strstr(fills, "last"))
		fill(s, "last");
	f = fx_new(s->str);
	g_string_free(s, TRUE);
	fx_source(&f, SOURCE_UP);
	return f;
}

static void event_in(struct fx *f, const char *part, int64_t t, const char *k, double x)
{
	g_autofree char *data = g_strdup_printf("{\"k\":\"%s\",\"x\":%g}", k, x);

	fx_event_at(f, part, START + t, "m", "s", data);
}

static void event(struct fx *f, int64_t t, const char *k, double x)
{
	event_in(f, "t/0", t, k, x);
}

/* Of another source, which never says that it has caught up. */
static void event_behind(struct fx *f, int64_t t, const char *k, double x)
{
	char when[TIME_TEXT];
	g_autofree char *body = g_strdup_printf("{\"specversion\":\"1.0\",\"id\":\"o%d\","
	    "\"source\":\"/t\",\"type\":\"m\",\"time\":\"%s\",\"data\":{\"k\":\"%s\","
	    "\"x\":%g}}", (int)f->seq, time_print(START + t, when), k, x);
	struct message m = { .source = 2, .origin = STR("other"), .part = STR("o/0"),
		.topic = STR("t"), .pos = (int64_t)f->seq, .body = str_of(body),
		.time_ms = START + MAX(t, f->tick),
		.content_type = STR("application/cloudevents+json") };
	struct arena *a = arena_new(0);
	uint32_t at;

	assert_int_equal(event_decode(&m, NULL, &f->rules->plan,
	    &(struct event_limits){ 0 }, a, fx_take, f, &at, NULL), EVENT_OK);
	arena_free(a);
}

static void pause_rule(struct fx *f, bool paused)
{
	struct input in = { .kind = INPUT_SOURCE,
		.source = { 1, { 0 }, SOURCE_CAUGHT_UP } };
	struct err err = { 0 };

	fx_begin(f, &in);
	assert_true(decide_pause(f->d, STR("r"), paused, &err));
	fx_end(f);
}

static void ends_as(struct fx *f, const char *want)
{
	fx_expect(f, want);
	fx_free(f);
}

static void a_deadline_before_anybody_s_sample(struct fx f)
{
	event(&f, 0, "k", 10);
	fx_advance(&f, 5 * MINUTE);
	event(&f, 5 * MINUTE, "k", 0);
	ends_as(&f, "fired r/k\n");
}

static void deadlines_come_before_samples(void **state)
{
	const char *rule = "when: v.last > 5, for: 2m";

	(void)state;
	a_deadline_before_anybody_s_sample(with("", rule, ""));
	a_deadline_before_anybody_s_sample(with("", rule, "last"));
	a_deadline_before_anybody_s_sample(with("", rule, "avg last"));
	a_deadline_before_anybody_s_sample(with("  - {name: a, " SIG
	    "when: v.last > 5000 && v.count > 0}\n", rule, ""));
	a_deadline_before_anybody_s_sample(with("  - {name: a, " SIG
	    "when: v.last > 5000 && v.count > 0}\n", rule, "last"));
}

/* The idle clock had gone on for one rule; it does not go back for want of the others. */
static void no_clock_goes_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct fx f = with("", "when: v.last > 5, for: 5m",
		    i == 0 ? "" : i == 1 ? "last" : "avg last");

		fx_source(&f, SOURCE_CAUGHT_UP);
		event(&f, 0, "k", 10);
		fx_advance(&f, 6 * MINUTE);
		fx_expect(&f, "fired r/k\n");
		event(&f, 0, "k", 0);
		event(&f, 0, "k", 10);
		fx_advance(&f, 5 * MINUTE);
		fx_expect(&f, "");
		fx_advance(&f, 7 * MINUTE);
		ends_as(&f, "fired r/k\n");
	}
}

/* Both are true of one value: each end of an episode begins another. */
static void when_and_recover_may_overlap(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct fx f = with("", "when: v.last >= 5, recover: v.last <= 5",
		    i ? "last" : "");

		for (int n = 0; n < 6; n++) {
			event(&f, n * SECOND, "k", 5);
			fx_advance(&f, SECOND);
		}
		ends_as(&f, "fired r/k\nfired r/k\nfired r/k\n");
	}
}

/* Others move the selector's watermark past its deadline while the rule is off. */
static void what_was_due_while_paused_is_asked_after_it(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct fx f = with(i ? "  - {name: a, " SIG "when: v.last > 5000}\n" : "",
		    "when: v.last > 5, for: 10m", "");

		fx_source(&f, SOURCE_CAUGHT_UP);
		event(&f, 0, "k1", 10);
		pause_rule(&f, true);
		fx_advance(&f, 15 * MINUTE);
		event(&f, 15 * MINUTE, "k2", 0);
		g_string_truncate(f.log, 0);	/* suppressed: disabled */
		pause_rule(&f, false);
		fx_advance(&f, 5 * MINUTE);
		event(&f, 20 * MINUTE, "k2", 0);
		fx_advance(&f, 5 * HOUR);
		assert_non_null(strstr(f.log->str, "fired r/k1\n"));
		fx_free(&f);
	}
}

static void a_refused_key_moves_the_clock(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		const char *others = "  - {name: a, on: {type: m, key: data.k}, "
		    "run: train, signals: {v: {value: data.x, last: 2}}, "
		    "when: v.last > 5000}\n";
		const char *rule = "when: v.last > 5, for: 10m, max_keys: 1";
		struct fx f = with(others, rule, "");

		fx_source(&f, SOURCE_CAUGHT_UP);
		event(&f, 0, "k1", 10);
		event(&f, 15 * MINUTE, "k2", 0);
		if (i == 1)
			fx_restart(&f);
		if (i == 2) {
			g_autofree char *y = g_strdup_printf("rules:\n%s  - {name: r, "
			    SIG "%s}\n", others, rule);
			fx_use(&f, y);
		}
		fx_advance(&f, 5 * HOUR);
		ends_as(&f, "fired r/k1\n");
	}
}

static void a_restart_arms_no_deadline_anew(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct fx f = with("", "when: v.age > duration('700500ms')", "");

		event(&f, 0, "k1", 10);
		for (unsigned n = 0; n < 4; n++) {
			static const int64_t at[] = { 1, 300, 705, 706 };
			if (i && n == 3)
				fx_restart(&f);
			f.tick = at[n] * SECOND;
			event(&f, at[n] * SECOND, "k2", 0);
		}
		ends_as(&f, "");	/* k1 is asked at round ages, 705 s is none */
	}
}

/* One partition idles; the other belongs to a source that is behind. */
static void a_source_that_is_behind_holds_no_clock_of_idle_parts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct fx f = with("", "when: v.last > 5, for: 5m", "");

		fx_source(&f, SOURCE_CAUGHT_UP);
		event(&f, 0, "k1", 10);
		if (i) {
			event_behind(&f, MINUTE, "k2", 0);
			fx_due(&f, f.tick);
		}
		event_behind(&f, 10 * MINUTE, "k2", 0);
		fx_advance(&f, 2 * HOUR);
		ends_as(&f, "fired r/k1\n");
	}
}

/* A partition that idles lets the clock pass the time of the very event. */
static void the_clock_may_pass_an_event_s_own_time(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		const char *first = "  - {name: a, " SIG "when: v.last > 5000}\n";
		struct fx f = with(i == 1 ? first : "", "when: v.last > 5, for: 5m",
		    i == 2 ? "last" : "");

		fx_source(&f, SOURCE_CAUGHT_UP);
		event(&f, 0, "k1", 10);
		event_in(&f, "t/1", 10 * MINUTE, "k2", 0);
		f.tick = 30 * SECOND;
		event_in(&f, "t/1", 10 * MINUTE, "k2", 0);
		f.tick = 60 * SECOND;
		event_in(&f, "t/1", 4 * MINUTE, "k1", 0);
		fx_advance(&f, 2 * HOUR);
		ends_as(&f, "fired r/k1\n");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deadlines_come_before_samples),
		cmocka_unit_test(no_clock_goes_back),
		cmocka_unit_test(when_and_recover_may_overlap),
		cmocka_unit_test(what_was_due_while_paused_is_asked_after_it),
		cmocka_unit_test(a_refused_key_moves_the_clock),
		cmocka_unit_test(a_restart_arms_no_deadline_anew),
		cmocka_unit_test(a_source_that_is_behind_holds_no_clock_of_idle_parts),
		cmocka_unit_test(the_clock_may_pass_an_event_s_own_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
