/* The same inputs give the same decisions, whatever compiled the code: this program
 * prints the decision log of a seeded stream (--log), and tests/scripts/
 * test_determinism.py compares what builds by several compilers print.
 *
 * Each rule reads one kind of signal or one way of deciding; what the log has of it are
 * all decisions with their traces, and every key's signals at each hour, by all digits.
 * To add a kind: a row in kinds[]. */
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

#define T0 1772323200000	/* 2026-03-01T00:00:00Z */
#define EVENTS 3000

/* name, kind of the selector's events, what follows `on` */
static const struct { const char *name, *type, *rest; } kinds[] = {
	{ "sliding", "num", "signals: {v: {value: data.v, over: 1h, min_count: 5}}\n"
	    "    when: v.avg > 0.55 && v.max - v.min > 1.5\n    recover: v.avg < 0.5\n" },
	{ "many", "num", "signals: {v: {value: data.v, over: 2h}}\n"
	    "    when: v.sum / 3.0 > v.count * 0.17 + v.last * 0.01\n    for: 5m\n" },
	{ "tumbling", "num", "signals: {v: {value: data.v, tumbling: 30m}}\n"
	    "    when: v.avg > 0.6\n    keep_firing_for: 10m\n" },
	{ "last", "num", "signals: {v: {value: data.v, last: 20}}\n"
	    "    when: v.avg > 0.7\n    cooldown: 20m\n" },
	{ "since", "num", "signals: {v: {value: data.v, since: last_success}}\n"
	    "    when: v.sum > 40.0\n" },
	{ "by", "num", "signals: {v: {value: data.v, by: data.f, over: 1h}}\n"
	    "    when: v.exists(f, s, s.avg > 1.2)\n" },
	{ "facts", "num", "when: data.v * 2.5 > 3.0 && now - last_run.created >"
	    " duration('25m')\n" },
	{ "dedupe", "num", "dedupe: {key: string(int(data.v * 10.0)), for: 3h}\n" },
	{ "math", "num", "when: data.v * 3.7 / 1.1 - 0.3 > 3.3\n    backoff: {initial:"
	    " 5m}\n" },
	{ "breaker", "num", "when: data.v > 1.0\n    breaker: {after: 2, wait: 1h}\n" },
};
static const char pipelines[] =
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
		g_string_append_printf(s, "  - name: %s\n    on: {type: %s, key: "
		    "event.subject}\n    %s    run: p\n", kinds[i].name, kinds[i].type,
		    kinds[i].rest);
	g_string_append(s, "  - {name: timed, schedule: {cron: '*/20 * * * *', timezone:"
	    " Europe/Berlin, jitter: 2m}, run: p}\n");
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
