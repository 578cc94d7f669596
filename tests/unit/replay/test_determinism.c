/* The same inputs give the same decisions, whatever compiled the code: this program
 * prints the decision log of a seeded stream (--log), and tests/scripts/
 * test_determinism.py compares what builds by several compilers print.
 *
 * Each rule reads one kind of signal or one way of deciding; what the log has of it are
 * all decisions with their traces, and every key's signals at each hour, by all digits;
 * then each test against a baseline.  To add a kind: a row in kinds[]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/time.h"
#include "replay/sim.h"
#include "signal/test.h"

#define T0 1772323200000	/* 2026-03-01T00:00:00Z */
#define EVENTS 3000

/* name, what follows it */
#define ON "on: {type: num, key: event.subject}\n    "
#define BITS "'data.v > 1.2 ? 1 : 0'"
#define GIVEN "baseline: {n: 9000, mean: 0.85, sd: 0.4}"
static const struct { const char *name, *rest; } kinds[] = {
	{ "sliding", ON "signals: {v: {value: data.v, over: 1h, min_count: 5}}\n"
	    "    when: v.avg > 0.55 && v.max - v.min > 1.5\n    recover: v.avg < 0.5\n" },
	{ "many", ON "signals: {v: {value: data.v, over: 2h}}\n"
	    "    when: v.sum / 3.0 > v.count * 0.17 + v.last * 0.01\n    for: 5m\n" },
	{ "exact", ON "signals: {v: {value: data.v, over: 1h, resolution: exact}}\n"
	    "    when: v.stddev > 0.3 && v.delta > 0.0 && v.rate > 0.001\n" },
	{ "hopping", ON "signals: {v: {value: data.v, over: 1h, every: 20m}}\n"
	    "    when: v.avg > 0.9 && v.first < v.last\n" },
	{ "tumbling", ON "signals: {v: {value: data.v, tumbling: 30m}}\n"
	    "    when: v.avg > 0.6\n    keep_firing_for: 10m\n" },
	{ "days", ON "signals: {v: {value: data.v, tumbling: 1d, timezone: Europe/Berlin,"
	    " offset: 6h}}\n    when: v.avg > 0.2 && v.stddev > 0.1\n" },
	{ "session", ON "signals: {v: {value: data.v, session: 3m}}\n"
	    "    when: v.count > 2 && v.rate * 7.0 > v.delta\n" },
	{ "last", ON "signals: {v: {value: data.v, last: 20}}\n"
	    "    when: v.avg > 0.7\n    cooldown: 20m\n" },
	{ "since", ON "signals: {v: {value: data.v, since: last_success}}\n"
	    "    when: v.sum > 40.0\n" },
	{ "sketch", ON "signals: {v: {value: data.v, over: 3h}, "
	    "u: {value: 'string(data.v)', since: last_success}}\n"
	    "    when: v.quantile(0.9) / v.quantile(0.5) > 1.7 && u.distinct > 3\n" },
	{ "by", ON "signals: {v: {value: data.v, by: data.f, over: 1h}}\n"
	    "    when: v.exists(f, s, s.avg > 1.2)\n" },
	{ "each", ON "signals: {v: {each: '[data.v, data.v * 0.7, 1.0 / (data.v + 0.1)]',"
	    " by: 'string(item_key)', value: item, "
	    "detect: {cusum: {expected_run: 1000}}, " GIVEN "}}\n"
	    "    when: v.exists(f, s, s.drift)\n" },
	{ "shift", ON "signals: {"
	    "a: {value: data.v, detect: {cusum: {expected_run: 1000}}, " GIVEN "}, "
	    "b: {value: data.v, detect: {ewma: {lambda: 0.2}}, baseline: {learn: 200}}, "
	    "c: {value: data.v, detect: page_hinkley, " GIVEN "}, "
	    "d: {value: data.v, detect: {change: {delta: 20, unit: percent}}, "
	    GIVEN "}, "
	    "e: {value: data.v, detect: {threshold: {fire: 1.9, clear: 1.5}}}, "
	    "f: {value: data.v, detect: shewhart, " GIVEN "}}\n"
	    "    when: a.drift || b.drift || c.drift || (d.drift && e.drift) ||"
	    " f.drift\n" },
	{ "window", ON "signals: {"
	    "a: {value: data.v, detect: {adwin: {standardize: false}}}, "
	    "k: {value: data.v, detect: {ks: {step: 7}}}, "
	    "h: {value: 'data.v / 3.0', detect: {hddm_a: {two_sided: true}}}, "
	    "w: {value: 'data.v / 3.0', detect: hddm_w}}\n"
	    "    when: a.drift || k.drift || h.drift || w.drift\n" },
	{ "bits", ON "signals: {a: {value: " BITS ", detect: ddm}, b: {value: " BITS
	    ", detect: eddm}, c: {value: " BITS ", detect: fhddm}, d: {value: " BITS
	    ", detect: {bernoulli_cusum: {p0: 0.2, expected_run: 10000}}}, "
	    "e: {value: " BITS ", detect: {binomial: {p0: 0.2}}}}\n"
	    "    when: a.warn || b.drift || c.drift || d.drift || e.drift\n" },
	{ "facts", ON "when: data.v * 2.5 > 3.0 && now - last_run.created >"
	    " duration('25m')\n" },
	{ "dedupe", ON "dedupe: {key: string(int(data.v * 10.0)), for: 3h}\n" },
	{ "math", ON "when: data.v * 3.7 / 1.1 - 0.3 > 3.3\n    backoff: {initial:"
	    " 5m}\n" },
	{ "breaker", ON "when: data.v > 1.0\n    breaker: {after: 2, wait: 1h}\n" },
	{ "burst", ON "when: data.v > 0.9\n    coalesce: {quiet: 4m, max_delay: 30m}\n" },
	{ "office", ON "when: data.v > 0.7\n    calendar: {only: night}\n"
	    "    on_suppressed: defer\n" },
	{ "spent", ON "signals: {v: {value: data.v, over: 20m}}\n    when: v.avg > 0.8\n"
	    "    budget: hours\n" },
	{ "pair", "on: {a: {type: num, where: data.f == 'f1', key: event.subject}, "
	    "b: {type: num, where: data.f == 'f2', key: event.subject}}\n"
	    "    sequence: [a, b]\n    within: 10m\n"
	    "    when: a.data.v < b.data.v * 0.9\n" },
	{ "some", "on: {a: {type: num, where: data.v > 1.1}, "
	    "b: {type: num, where: data.f == 'f3'}, "
	    "c: {type: num, where: data.v < 0.2}}\n"
	    "    at_least: {n: 2, of: [a, b, c], within: 5m}\n" },
	{ "list", "on: {type: num, key: '[data.f, event.subject]'}\n"
	    "    signals: {v: {value: data.v, last: 9}}\n    when: v.avg > 1.0\n" },
	{ "all", "on: {a: {type: num, key: event.subject}, "
	    "b: {type: num, where: data.v > 1.9, key: all}}\n"
	    "    signals: {n: {from: a, value: data.v, last: 5}, "
	    "b: {from: b, over: 10m}}\n"
	    "    when: b.count > 0 && n.avg > 0.8\n" },
	{ "twice", "schedule: [{cron: '5 */3 * * *', timezone: Asia/Kolkata}, "
	    "{every: 50m}]\n" },
	{ "timed", "schedule: {cron: '*/20 * * * *', timezone: Europe/Berlin, jitter:"
	    " 2m}\n" },
};
static const char pipelines[] =
	"calendars:\n"
	"  - {name: night, timezone: America/New_York, times: '20:00-05:30'}\n"
	"budgets:\n  - {name: hours, resource: wall_hours, limit: 1.5, per: day}\n"
	"pipelines:\n"
	"  - {name: p, concurrency: {limit: 3, on_limit: queue}, steps:"
	" [{name: t, command: [t]}]}\n";

static const struct catalog catalog;

struct log {
	GString		*text;
	uint64_t	 rng;
	uint32_t	 decisions;
};

/* Knuth's MMIX: integers alone, and fractions that a double holds exactly. */
static double fraction(struct log *l)
{
	l->rng = l->rng * 6364136223846793005u + 1442695040888963407u;
	return (double)(l->rng >> 33) / 2147483648.0;
}

static void on_turn(void *ctx, const struct input *in, const struct effects *fx)
{
	struct log *l = ctx;

	(void)in;
	for (uint32_t i = 0; i < fx->decided.decisions_n; i++) {
		const struct decision_row *d = &fx->decided.decisions[i];

		l->decisions++;
		g_string_append_printf(l->text, "%llu %llu %lld %.*s/%.*s %s %s %.*s\n",
		    (unsigned long long)d->id, (unsigned long long)d->seq,
		    (long long)d->time_ms, STR_ARG(d->rule), STR_ARG(d->key),
		    outcome_name(d->outcome), d->by ? suppressor_name(d->by) : "-",
		    STR_ARG(d->trace));
	}
}

/* Each third fails, each fourth of the rest is rejected. */
static bool plan(void *ctx, const struct run_row *r, struct sim_plan *ret)
{
	(void)ctx;
	*ret = (struct sim_plan){ .after_ms = 60000 * (int64_t)(1 + r->id % 17),
		.state = r->id % 3 ? RUN_COMPLETED : RUN_FAILED,
		.outcome = r->id % 4 ? RUN_NONE : RUN_REJECTED };
	return true;
}

static struct ruleset *rules(void)
{
	GString *s = g_string_new("rules:\n");
	struct rule_text t = { .name = STR("r.yaml"), .dir = STR("/srv") };
	struct text one;
	struct diags *d;
	struct ruleset *rs;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		g_string_append_printf(s, "  - name: %s\n    %s    run: p\n",
		    kinds[i].name, kinds[i].rest);
	g_string_append(s, pipelines);
	t.bytes = (struct str){ s->str, (uint32_t)s->len };
	one = (struct text){ t.name, t.bytes };
	d = diags_new(&one, 1);
	rs = ruleset_build(&t, 1, &catalog, d);
	if (!rs) {
		GString *why = g_string_new(NULL);

		diags_render(d, why);
		fail_msg("%s", why->str);
	}
	diags_free(d);
	g_string_free(s, TRUE);
	return rs;
}

/* One event in 30 s on average; some late, some out of order; values drift. */
static void feed(struct sim *s, struct log *l, uint32_t i, int64_t *at)
{
	double v = fraction(l) + ((i / 700) % 2 ? 0.35 : 0.0) + fraction(l) * fraction(l);
	char text[TIME_TEXT], number[G_ASCII_DTOSTR_BUF_SIZE];
	enum event_refusal refusal;
	struct err err = { 0 };
	struct message m = { .content_type = STR("application/cloudevents+json"),
		.pos = -1 };
	char *body;

	*at += (int64_t)(fraction(l) * 60000.0);
	body = g_strdup_printf("{\"specversion\":\"1.0\",\"id\":\"e%u\","
	    "\"source\":\"/t\",\"type\":\"num\",\"subject\":\"%c\",\"time\":\"%s\","
	    "\"data\":{\"v\":%s,\"f\":\"f%u\"}}", i, 'a' + (int)(fraction(l) * 3.0),
	    time_print(*at - (i % 13 ? 0 : 1800000 * (int64_t)(i % 5)), text),
	    g_ascii_dtostr(number, sizeof(number), v), i % 4);
	m.body = str_of(body);
	m.time_ms = *at;
	if (!sim_message(s, &m, NULL, &refusal, NULL, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(refusal, EVENT_OK);
	g_free(body);
}

static void put_keys(struct sim *s, struct log *l)
{
	struct world *w = sim_world(s);
	const struct ruleset *rs = world_ruleset(w);
	struct arena *a = arena_new(0);

	for (uint32_t i = 0; i < rs->rules_n; i++) {
		decide_keys_json(world_decide(w), &rs->rules[i], 10, a, sim_wall(s),
		    sim_tick(s), l->text);
		g_string_append_c(l->text, '\n');
	}
	arena_free(a);
}

/* Every test against a baseline, on windows of several sizes. */
static void put_tests(struct log *l)
{
	static double edges[9], counts[10], values[500];
	struct baseline base = { .n = 500, .mean = 0.5, .sd = 0.3, .has_mean = true,
		.has_sd = true, .edges_n = 9, .edges = edges, .counts_n = 10,
		.counts = counts, .values_n = 500, .values = values };
	static _Alignas(8) char state[TEST_STATE_MAX];
	const struct test_def *defs;
	uint32_t defs_n;

	for (int i = 0; i < 500; i++)
		values[i] = i / 499.0 * (0.9 + i / 5000.0);
	for (int i = 0; i < 10; i++)
		edges[MIN(i, 8)] = (i + 1) / 10.0, counts[i] = 40 + 2 * i;
	defs = test_defs(&defs_n);
	for (uint32_t t = 0; t < defs_n; t++) {
		struct test_spec spec;
		struct test_view v;

		test_spec_init(&spec, &defs[t]);
		memset(state, 0, sizeof(state));
		for (uint32_t window = 0; window < 20; window++) {
			for (uint32_t i = 0; i < 40 + 60 * window; i++)
				test_add_number(&spec, state, &base,
				    fraction(l) * (1 + window / 30.0));
			test_close(&spec, state, &base, window % 3);
			test_read(&spec, state, &v);
			g_string_append_printf(l->text, "%s %d %.17g %.17g %.17g\n",
			    defs[t].name, v.drift, v.stat, v.limit, v.p);
		}
	}
}

static struct log run(uint64_t seed, bool restarts)
{
	struct log l = { .text = g_string_new(NULL), .rng = seed };
	struct ruleset *rs = rules();
	struct sim *s = sim_new(&(struct sim_options){ .rules = rs, .catalog = &catalog,
		.wall_ms = T0, .tick_ms = 5, .on_turn = on_turn, .plan = plan,
		.ctx = &l });
	struct err err = { 0 };
	int64_t at = T0;

	ruleset_unref(rs);
	if (!sim_begin(s, NULL, 0, true, &err))
		fail_msg("%s", err.msg);
	for (uint32_t i = 0; i < EVENTS; i++) {
		feed(s, &l, i, &at);
		if (i % 120 == 0)
			put_keys(s, &l);
		if (restarts && i % 997 == 996 && !sim_restart(s, 0, &err))
			fail_msg("%s", err.msg);
	}
	sim_free(s);
	put_tests(&l);
	return l;
}

static void log_free(struct log *l)
{
	g_string_free(l->text, TRUE);
}

static void a_stream_gives_the_same_log_again(void **state)
{
	struct log a = run(42, false), b = run(42, false), c = run(43, false);

	(void)state;
	assert_true(a.decisions > 300);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		char *line = g_strdup_printf(" %s/", kinds[i].name);

		if (!strstr(a.text->str, line))
			fail_msg("no decision of %s", kinds[i].name);
		g_free(line);
	}
	assert_string_equal(a.text->str, b.text->str);
	assert_string_not_equal(a.text->str, c.text->str);
	log_free(&a), log_free(&b), log_free(&c);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_gives_the_same_log_again),
	};
	struct log l;

	if (argc < 2 || strcmp(argv[1], "--log") != 0)
		return cmocka_run_group_tests(tests, NULL, NULL);
	l = run(42, true);
	fputs(l.text->str, stdout);
	log_free(&l);
	return 0;
}
