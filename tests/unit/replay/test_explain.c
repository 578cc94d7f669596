/* Traces as text, and explaining through the world. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "replay/replay.h"

static char *text_of(const char *json)
{
	GString *out = g_string_new(NULL);
	struct err err = { 0 };

	if (!replay_explain_text(str_of(json), out, &err))
		fail_msg("%s", err.msg);
	return g_string_free(out, FALSE);
}

static void a_fired_decision_reads_as_the_manual_shows(void **state)
{
	g_autofree char *text = text_of(
	    "{\"rule\":\"fraud-drift\",\"key\":\"fraud\","
	    "\"time\":\"2026-03-01T03:30:00.000Z\",\"outcome\":\"fired\",\"decision\":"
	    "1841,"
	    "\"run\":\"train-412\",\"why\":\"it held for 30m.\",\"when\":{\"text\":\"a "
	    "&& b\","
	    "\"value\":\"true\",\"rows\":["
	    "{\"text\":\"psi.avg > 0.2 && rows.sum >= "
	    "1000\",\"depth\":0,\"value\":\"true\","
	    "\"skipped\":false,\"leaf\":false,\"detail\":\"\"},"
	    "{\"text\":\"psi.avg > "
	    "0.2\",\"depth\":1,\"value\":\"true\",\"skipped\":false,"
	    "\"leaf\":true,\"left\":\"0.2333\",\"detail\":\"n 180, min 30, over 6h\"},"
	    "{\"text\":\"rows.sum >= "
	    "1000\",\"depth\":1,\"value\":\"true\",\"skipped\":false,"
	    "\"leaf\":true,\"left\":\"5000\",\"detail\":\"n 1, since last_success\"}]},"
	    "\"state\":{\"state\":\"firing\",\"episode\":1,"
	    "\"pending_since\":\"2026-03-01T03:00:00.000Z\",\"owed\":false},"
	    "\"suppressors\":[{\"name\":\"cooldown\",\"verdict\":\"passed\","
	    "\"numbers\":\"12h (never)\"},{\"name\":\"disarmed\",\"verdict\":\"passed\","
	    "\"numbers\":\"\"},{\"name\":\"concurrency\",\"verdict\":\"passed\","
	    "\"numbers\":\"0/50\"}]}");

	(void)state;
	assert_string_equal(
	    text, "fraud-drift key=fraud 2026-03-01T03:30:00.000Z FIRED decision 1841 "
		  "run train-412\n"
		  "why: it held for 30m.\n"
		  "  psi.avg > 0.2     true  0.2333  (n 180, min 30, over 6h)\n"
		  "  rows.sum >= 1000  true  5000    (n 1, since last_success)\n"
		  "state: firing, episode 1, pending since 2026-03-01T03:00:00.000Z\n"
		  "passed: cooldown 12h (never), concurrency 0/50\n");
}

static void a_suppressed_one_names_what_stopped_it(void **state)
{
	g_autofree char *text = text_of(
	    "{\"rule\":\"r\",\"key\":\"\",\"time\":\"T\","
	    "\"outcome\":\"suppressed\",\"decision\":2,\"why\":\"w\",\"suppressors\":["
	    "{\"name\":\"dedupe\",\"verdict\":\"passed\",\"numbers\":\"'a' is new\"},"
	    "{\"name\":\"cooldown\",\"verdict\":\"blocked\",\"numbers\":\"12h, 11h40m "
	    "left\"},"
	    "{\"name\":\"backoff\",\"verdict\":\"not asked\",\"numbers\":\"\"},"
	    "{\"name\":\"concurrency\",\"verdict\":\"not asked\",\"numbers\":\"\"}]}");

	(void)state;
	assert_string_equal(text, "r T NOT FIRED suppressed by cooldown decision 2\n"
	    "why not: w\n"
	    "passed: dedupe 'a' is new; blocked: cooldown 12h, 11h40m left; "
	    "not asked: backoff, concurrency\n");
}

static void what_is_no_trace_is_refused(void **state)
{
	GString *out = g_string_new(NULL);
	struct err err = { 0 };

	(void)state;
	assert_false(replay_explain_text(STR("[1]"), out, &err));
	assert_int_equal(err.code, ERR_SYNTAX);
	assert_false(replay_explain_text(STR("{\"rule\""), out, &err));
	assert_int_equal(out->len, 0);
	g_string_free(out, TRUE);
}

/* ---- through the world ---- */

static const struct catalog *catalog(void)
{
	static const struct option none[] = {{.name = NULL}};
	static const struct catalog_kind process = {
	    CATALOG_EXECUTOR, "process", "", none, 0, NULL};
	static const struct catalog_kind *kinds[] = {&process};
	static struct catalog_instance instances[] = {
		{CATALOG_EXECUTOR, 1, {"local", 5}, &process, {NULL, 0}, NULL},
	};
	static const struct catalog c = {kinds, 1, instances, 1, true};

	return &c;
}

static struct ruleset *build(const char *yaml)
{
	struct rule_text t = { .name = STR("r.yaml"), .dir = STR("/srv"),
		.bytes = str_of(yaml) };
	struct text one = { t.name, t.bytes };
	struct diags *diags = diags_new(&one, 1);
	struct ruleset *rs = ruleset_build(&t, 1, catalog(), diags);

	assert_non_null(rs);
	diags_free(diags);
	return rs;
}

static void feed(void *ctx, struct event *ev)
{
	struct world *w = ctx;
	struct arena *a = arena_new(0);
	struct input in = { .kind = INPUT_EVENT, .event = ev, .wall_ms = 1000 };
	struct effects fx;

	effects_init(&fx, a);
	world_input(w, &in, &fx);
	arena_free(a);
}

static void a_rule_that_did_nothing_is_evaluated_again(void **state)
{
	struct ruleset *rs = build("rules:\n"
	    "  - {name: r, on: x, key: data.k, when: data.n > 5, run: p}\n"
	    "pipelines:\n"
	    "  - {name: p, steps: [{name: s, command: [\"true\"]}]}\n");
	struct message m = { .source = 1, .origin = STR("s"), .part = STR("p"),
		.content_type = STR("application/cloudevents+json"), .body = STR(
		"{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"x\","
		"\"data\":{\"k\":\"a\",\"n\":3}}") };
	struct world *w = world_new();
	struct arena *a = arena_new(0);
	GString *json = g_string_new(NULL), *text = g_string_new(NULL);
	struct err err = { 0 };
	uint32_t at;

	(void)state;
	assert_true(world_load(w, rs, NULL, 0, &err));
	assert_int_equal(event_decode(&m, NULL, &rs->plan, &(struct event_limits){ 0 }, a,
	    feed, w, &at, NULL), EVENT_OK);
	assert_true(replay_explain(w, STR("r"), STR("a"), 2000, 0, json, &err));
	assert_true(replay_explain_text((struct str) { json->str, (uint32_t)json->len },
					text, &err));
	assert_string_equal(text->str,
			    "r key=a 1970-01-01T00:00:02.000Z evaluated again\n"
			    "why not: data.n 3 > 5 is not true.\n"
			    "  data.n > 5  false  3\n"
			    "not asked: concurrency\n");
	assert_false(replay_explain(w, STR("q"), STR("a"), 2000, 0, json, &err));
	g_string_free(json, TRUE);
	g_string_free(text, TRUE);
	arena_free(a);
	world_free(w);
	ruleset_unref(rs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fired_decision_reads_as_the_manual_shows),
		cmocka_unit_test(a_suppressed_one_names_what_stopped_it),
		cmocka_unit_test(what_is_no_trace_is_refused),
		cmocka_unit_test(a_rule_that_did_nothing_is_evaluated_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
