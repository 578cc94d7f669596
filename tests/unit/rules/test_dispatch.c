/* The dispatch index against a plain scan over all selectors, with many rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/arena.h"
#include "rules_fixture.h"

#define RULES 10000
#define EVENTS 400

static const char pipeline[] = "pipelines: [{name: p, steps: [{name: s, command: "
			       "[x]}]}]\n";

/* A small generator of its own: the same numbers everywhere. */
static uint32_t next_random(uint32_t *x)
{
	*x = *x * 1664525 + 1013904223;
	return *x >> 8;
}

static void add_rule(GString *s, uint32_t i, uint32_t *seed)
{
	uint32_t r = next_random(seed);

	g_string_append_printf(s, "  - {name: r%u, run: p, on: {", i);
	switch (r % 5) {
	case 0:
		g_string_append_printf(s, "type: t%u", r / 5 % 50);
		break;
	case 1:
		g_string_append_printf(s, "type: \"t%u*\"", r / 5 % 10);
		break;
	case 2:
		g_string_append(s, "type: \"*\"");
		break;
	default:
		g_string_append_printf(s, "type: shared");
	}
	r = next_random(seed);
	if (r % 4 == 0)
		g_string_append_printf(s, ", subject: s%u", r / 4 % 30);
	if (r % 7 == 0)
		g_string_append(s, ", source: plant");
	if (r % 11 == 0)
		g_string_append(s, ", retained: true");
	r = next_random(seed);
	if (r % 8)
		g_string_append_printf(s,
		    ", where: 'data.model == \"m%u\" && data.name == \"n%u\"'",
		    r / 8 % 1000, r / 8000 % 3);
	g_string_append(s, "}}\n");
}

static struct ruleset *many_rules(void)
{
	GString *s = g_string_new("rules:\n"), *msg = g_string_new(NULL);
	uint32_t seed = 7;
	struct ruleset *rs;

	for (uint32_t i = 0; i < RULES; i++)
		add_rule(s, i, &seed);
	g_string_append(s, pipeline);
	rs = fixture_build(s->str, msg);
	if (!rs)
		fail_msg("%s", msg->str);
	g_string_free(s, true);
	g_string_free(msg, true);
	return rs;
}

/* What the documentation says: type, source, retained, subject, then where. */
static bool matches(const struct ruleset *rs, const struct selector *s, struct event *e,
    struct arena *arena)
{
	struct eval ev = {.fields = e->field, .arena = arena, .zones = rs->zones};
	struct value v;

	if (s->type_prefix ? !str_starts(e->type, s->type) : !str_is(e->type, s->type))
		return false;
	if ((s->source && s->source != e->via) || (e->retained && !s->retained))
		return false;
	if (s->subject.len && !str_is(s->subject, e->subject))
		return false;
	v = s->where ? expr_eval(s->where, &ev) : value_bool(true);
	return v.tag == VALUE_BOOL && v.i;
}

static void compare(const struct ruleset *rs, struct event *e, uint64_t *candidates,
    uint64_t *real)
{
	struct arena *arena = arena_new(0);
	const struct dispatch_hit *hits;
	uint32_t n = ruleset_dispatch(rs, e, &hits, arena), at = 0;

	for (uint32_t i = 1; i < n; i++)
		assert_true(hits[i - 1].rule < hits[i].rule);
	for (uint32_t i = 0; i < rs->rules_n; i++) {
		bool in = at < n && hits[at].rule == i;

		if (matches(rs, &rs->rules[i].selectors[0], e, arena)) {
			if (!in)
				fail_msg("rule %u is missing", i);
			++*real;
		}
		at += in;
	}
	*candidates += n;
	assert_int_equal(at, n);
	arena_free(arena);
}

static void finds_what_a_scan_finds(void **state)
{
	struct ruleset *rs = many_rules();
	struct event_limits limits = {0};
	uint32_t seed = 99;
	uint64_t candidates = 0, real = 0;

	(void)state;
	for (int i = 0; i < EVENTS; i++) {
		struct arena *arena = arena_new(0);
		uint32_t r = next_random(&seed);
		struct event e = {.id = STR("1"), .source = STR("s"), .via = 1 + r % 2,
			.retained = r / 2 % 5 == 0};

		e.type = r % 3 ? STR("shared") : arena_printf(arena, "t%u", r / 3 % 120);
		e.subject = arena_printf(arena, "s%u", r / 7 % 40);
		e.data = arena_printf(arena, "{\"model\":\"m%u\",\"name\":\"n%u\"}",
		    next_random(&seed) % 1000, r / 11 % 3);
		e.body = e.data;
		assert_true(event_fill(&e, &rs->plan, &limits, arena));
		compare(rs, &e, &candidates, &real);
		arena_free(arena);
	}
	assert_in_range(real, 1000, EVENTS * RULES);
	/* model is the most selective field: what else comes is `name` being wrong */
	assert_true(candidates < 2 * real);
	ruleset_unref(rs);
}

static uint32_t count(struct ruleset *rs, const char *type, const char *data)
{
	struct arena *arena = arena_new(0);
	struct event_limits limits = {0};
	const struct dispatch_hit *hits;
	struct event e = {.id = STR("1"),
	    .source = STR("s"),
	    .type = str_of(type),
	    .via = 1,
	    .data = str_of(data),
	    .body = str_of(data)};
	uint32_t n;

	assert_true(event_fill(&e, &rs->plan, &limits, arena));
	n = ruleset_dispatch(rs, &e, &hits, arena);
	arena_free(arena);
	return n;
}

static void fields_of_another_type_or_absent_are_no_match(void **state)
{
	struct ruleset *rs = fixture_build("rules:\n"
	    "  - {name: a, run: p, on: {type: t, where: data.x == \"5\"}}\n"
	    "  - {name: b, run: p, on: {type: t, where: data.x == \"5\" || data.y}}\n"
	    "  - {name: c, run: p, on: {type: t, where: \"data.x == '\\\\u00e9'\"}}\n"
	    "pipelines: [{name: p, steps: [{name: s, command: [x]}]}]\n", NULL);

	(void)state;
	assert_non_null(rs);
	assert_int_equal(count(rs, "t", "{\"x\":\"5\"}"), 2);
	assert_int_equal(count(rs, "t", "{\"x\":5}"), 1);
	assert_int_equal(count(rs, "t", "{}"), 1);
	assert_int_equal(count(rs, "t", "{\"x\":\"\\u00e9\"}"), 2); /* escaped or not */
	assert_int_equal(count(rs, "t", "{\"x\":\"\xc3\xa9\"}"), 2);
	assert_int_equal(count(rs, "u", "{\"x\":\"5\"}"), 0);
	ruleset_unref(rs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_a_scan_finds),
		cmocka_unit_test(fields_of_another_type_or_absent_are_no_match),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
