/* Rules on a ladder decide what each of them decides by itself.
 *
 * The same rules twice: once as they are, sharing one signal, so that they stand on a
 * ladder; once with a signal of its own for each, so that every event evaluates every
 * rule.  (A second rule keeps that signal fed while the first is paused, as the others
 * of a ladder do.)  Both get the same random inputs; after each the same decisions must
 * have come, in whatever order within one input, and the same counts stand.  The ladder's
 * side is also restarted, which the other is not. */
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"
#include "rules/ladder.h"

#define RULES 40
#define KEYS 3

static const char *const relations[] = { ">", ">=", "<", "<=" };
static const char *const extras[] = {
	"", ", for: 20s", ", keep_firing_for: 30s", ", cooldown: 1m",
	", for: 10s, keep_firing_for: 10s", ", on_nodata: \"false\"",
	", cooldown: 2m, on_suppressed: drop", ", mode: observe",
};

/* Limits stand on the grid of the values, several rules on one. */
static char *rules_of(bool shared, unsigned shift, const char *window, const char *what)
{
	GString *s = g_string_new("rules:\n");

	for (unsigned i = 0; i < RULES; i++) {
		const char *rel = relations[i % 4];
		int limit = (int)((i + shift) % 12);
		g_string_append_printf(s,
		    "  - {name: r%02u, on: {type: m, key: data.k}, run: train, signals: "
		    "{v: {value: \"%s%s%.0u\", last: %s}}, when: v.%s %s %d.0%s",
		    i, shared ? "" : "true ? ", shared ? "data.x" : "data.x : 1",
		    shared ? 0 : i + 1, window, what, rel, limit, extras[i % 8]);
		if (i % 5 == 0)		/* hysteresis: cleared on the other side */
			g_string_append_printf(s, ", recover: v.%s %s %d.5", what,
			    i % 4 < 2 ? "<" : ">", i % 4 < 2 ? limit - 2 : limit + 2);
		g_string_append(s, "}\n");
		if (!shared)
			g_string_append_printf(s, "  - {name: z%02u, on: {type: m, key: "
			    "data.k}, run: train, signals: {v: {value: \"true ? data.x : "
			    "1%u\", last: %s}}, when: v.count < 0}\n", i, i + 1, window);
	}
	return g_string_free(s, FALSE);
}

static int by_text(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *sorted(GString *log)
{
	char **v = g_strsplit(log->str, "\n", -1), *all;

	qsort(v, g_strv_length(v), sizeof(*v), by_text);
	all = g_strjoinv("\n", v);
	g_strfreev(v);
	g_string_truncate(log, 0);
	return all;
}

static void same(struct fx *a, struct fx *b, unsigned step)
{
	g_autofree char *x = sorted(a->log), *y = sorted(b->log);

	if (strcmp(x, y) != 0)
		fail_msg("step %u: on the ladder:\n%s\nalone:\n%s", step, x, y);
}

static void same_counts(struct fx *a, struct fx *b)
{
	for (unsigned i = 0; i < RULES; i++) {
		g_autofree char *name = g_strdup_printf("r%02u", i);
		struct rule_count x = fx_count(a, name), y = fx_count(b, name);

		for (enum rule_fate f = 0; f < FATE_MAX; f++)
			assert_int_equal(x.fate[f], y.fate[f]);
		assert_int_equal(x.keys, y.keys);
	}
}

static void pause_some(struct fx *f, unsigned rule, bool paused)
{
	g_autofree char *name = g_strdup_printf("r%02u", rule);
	struct input in = { .kind = INPUT_SOURCE, .source = { 1, { 0 }, SOURCE_UP } };
	struct err err = { 0 };

	fx_begin(f, &in);
	assert_true(decide_pause(f->d, str_of(name), paused, &err));
	fx_end(f);
}

static void one_event(struct fx *f, int64_t t, unsigned key, int value)
{
	g_autofree char *data = g_strdup_printf(value < 0 ?
	    "{\"k\":\"k%u\",\"x\":\"none\"}" : "{\"k\":\"k%u\",\"x\":%d.%s}", key,
	    value / 2, value % 2 ? "5" : "0");

	fx_event_at(f, "t/0", t, "m", "s", data);
}

struct story { const char *window, *what; unsigned seed, steps; };

/* One thing that happens, to both. */
static void happen(struct fx *a, struct fx *b, GRand *r, const struct story *st)
{
	unsigned dice = (unsigned)g_rand_int_range(r, 0, 100);
	struct fx *both[] = { a, b };
	unsigned key = (unsigned)g_rand_int_range(r, 0, KEYS);
	int value = g_rand_int_range(r, -1, 26), ms = g_rand_int_range(r, 0, 8000);
	unsigned rule = (unsigned)g_rand_int_range(r, 0, RULES);
	int back = g_rand_int_range(r, 0, 3) ? 0 : g_rand_int_range(r, 0, 20000);

	for (unsigned i = 0; i < 2; i++) {
		struct fx *f = both[i];
		if (dice < 70) {
			one_event(f, START + f->tick - back, key, value);
		} else if (dice < 90) {
			fx_advance(f, ms);
		} else if (dice < 92) {
			fx_source(f, dice % 2 ? SOURCE_CAUGHT_UP : SOURCE_DOWN);
		} else if (dice < 96) {
			pause_some(f, rule, dice < 94);
		} else if (dice < 97) {
			f->refuse = f->refuse ? SUPP_NONE : SUPP_CONCURRENCY;
		} else if (dice < 98) {
			g_autofree char *y = rules_of(i == 0, (unsigned)value + 1,
			    st->window, st->what);
			fx_use(f, y);
		} else if (i == 0) {
			fx_restart(f);
		}
	}
}

static void run_story(const struct story *st)
{
	g_autofree char *shared = rules_of(true, 0, st->window, st->what);
	g_autofree char *alone = rules_of(false, 0, st->window, st->what);
	struct fx a = fx_new(shared), b = fx_new(alone);
	GRand *r = g_rand_new_with_seed(st->seed);

	assert_non_null(a.rules->rules[0].ladder);
	assert_null(b.rules->rules[0].ladder);
	fx_source(&a, SOURCE_UP);
	fx_source(&b, SOURCE_UP);
	for (unsigned i = 0; i < st->steps; i++) {
		happen(&a, &b, r, st);
		same(&a, &b, i);
	}
	assert_true(a.runs > 20 && a.runs == b.runs);
	g_rand_free(r);
	fx_free(&a);
	fx_free(&b);
}

static void a_ladder_decides_as_its_rules_alone(void **state)
{
	static const struct story v[] = {
		{ "1", "last", 1, 3000 }, { "1", "last", 2, 3000 },
		{ "4", "avg", 3, 3000 }, { "3, min_count: 3", "max", 4, 3000 },
		{ "7", "min", 5, 3000 },
	};

	(void)state;
	for (unsigned i = 0; i < G_N_ELEMENTS(v); i++)
		run_story(&v[i]);
}

/* Without restarts and reloads, which begin the counts anew or in another place. */
static void counts_are_of_each_rule(void **state)
{
	g_autofree char *shared = rules_of(true, 0, "2", "avg");
	g_autofree char *alone = rules_of(false, 0, "2", "avg");
	struct fx a = fx_new(shared), b = fx_new(alone);
	GRand *r = g_rand_new_with_seed(11);

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		unsigned key = (unsigned)g_rand_int_range(r, 0, KEYS);
		int value = g_rand_int_range(r, -1, 26);
		one_event(&a, START + a.tick, key, value);
		one_event(&b, START + b.tick, key, value);
		if (i == 200) {
			pause_some(&a, 7, true);
			pause_some(&b, 7, true);
		}
		fx_advance(&a, 500);
		fx_advance(&b, 500);
	}
	assert_true(fx_count(&a, "r00").fate[FATE_INVALID] > 0);
	assert_true(fx_count(&a, "r07").fate[FATE_EVALUATED] < 210);
	same_counts(&a, &b);
	g_rand_free(r);
	fx_free(&a);
	fx_free(&b);
}

static void crossed(void *ctx, uint32_t member)
{
	g_string_append_printf(ctx, "%u ", member);
}

/* By the definition: the answers at both ends differ. */
static void rungs_between_are_those_that_flip(void **state)
{
	g_autofree char *yaml = rules_of(true, 0, "1", "last");
	struct ruleset *rs = fx_rules(yaml);
	const struct ladder *l = rs->rules[0].ladder;

	(void)state;
	assert_int_equal(l->n, RULES);
	for (int from = -2; from < 28; from++) {
		for (int to = -2; to < 28; to++) {
			bool found[RULES] = { false };
			double a = from / 2.0, b = to / 2.0;
			GString *s = g_string_new(NULL);
			char *end;
			ladder_crossed(l, a, b, crossed, s);
			for (char *p = s->str; *p; p = end + 1)
				found[strtoul(p, &end, 10)] = true;
			for (unsigned i = 0; i < RULES; i++) {
				double x = i % 12;
				bool was[] = { a > x, a >= x, a < x, a <= x };
				bool is[] = { b > x, b >= x, b < x, b <= x };
				if (was[i % 4] != is[i % 4])
					assert_true(found[i]);
				else if (i % 5)	/* one rung alone */
					assert_false(found[i]);
			}
			g_string_free(s, TRUE);
		}
	}
	ruleset_unref(rs);
}

static void few_or_other_rules_are_on_none(void **state)
{
	static const char *const others[] = {
		"signals: {v: {value: data.x, over: 1m}}, when: v.avg > 1",
		"signals: {v: {value: data.x, last: 2}}, when: v.avg > 1 && v.count > 1",
		"signals: {v: {value: data.x, last: 2}}, when: v.avg > 1 || v.avg < 0",
		"signals: {v: {value: data.x, last: 2}}, when: v.avg > 1, refire: 1h",
		"signals: {v: {value: data.x, last: 2}}, when: v.avg > 1, every: 1h",
		"signals: {v: {value: data.x, last: 2}}, when: v.avg != 1",
		"signals: {v: {value: data.x, last: 2}}, when: v.avg > 1, mode: disabled",
	};

	(void)state;
	for (unsigned k = 0; k <= G_N_ELEMENTS(others); k++) {
		GString *s = g_string_new("rules:\n");
		unsigned n = k ? RULES : LADDER_MIN - 1;
		struct ruleset *rs;
		for (unsigned i = 0; i < n; i++) {
			g_string_append_printf(s, "  - {name: r%u, on: {type: m}, run: "
			    "train, %s}\n", i, k ? others[k - 1] :
			    "signals: {v: {value: data.x, last: 2}}, when: v.avg > 1");
		}
		rs = fx_rules(s->str);
		for (unsigned i = 0; i < n; i++)
			assert_null(rs->rules[i].ladder);
		ruleset_unref(rs);
		g_string_free(s, TRUE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rungs_between_are_those_that_flip),
		cmocka_unit_test(few_or_other_rules_are_on_none),
		cmocka_unit_test(a_ladder_decides_as_its_rules_alone),
		cmocka_unit_test(counts_are_of_each_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
