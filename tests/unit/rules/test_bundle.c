/* Bundles: prefixes, references, defaults, generations of shared texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rules/build.h"
#include "rules_fixture.h"

#define STEPS "steps: [{name: s, command: [x]}]"

static struct rule_text text_of(const char *bundle, const char *name, const char *bytes,
    uint32_t shared)
{
	return (struct rule_text){
	    .bundle = str_of(bundle), .name = str_of(name), .dir = str_of(bundle),
	    .bytes = str_of(bytes), .shared = shared,
	    .companion = g_str_has_suffix(name, ".ics"),
	};
}

static struct ruleset *build(const struct rule_text *v, uint32_t n, GString *msg)
{
	struct text *shown = g_new0(struct text, n);
	struct diags *diags;
	struct ruleset *rs;

	for (uint32_t i = 0; i < n; i++)
		shown[i] = (struct text){v[i].name, v[i].bytes};
	diags = diags_new(shown, n);
	rs = ruleset_build(v, n, fixture_catalog(), diags);
	diags_render(diags, msg);
	diags_free(diags);
	g_free(shown);
	return rs;
}

static void a_bare_name_is_the_own_bundles_then_shared(void **state)
{
	const struct rule_text v[] = {
		text_of("", "a.yaml", "rules: [{name: r, on: t, run: p}]\n", 0),
		text_of("risk", "risk/a.yaml", "rules: [{name: r, uid: u, on: t, run: p},"
		    " {name: s, on: t, run: q}]\n"
		    "pipelines: [{name: p, " STEPS "}]\n", 0),
		text_of("shared", "shared/a.yaml", "pipelines: [{name: p, " STEPS "},"
		    " {name: q, " STEPS "}]\n", 0),
		text_of("team", "team/a.yaml", "rules: [{name: r, uid: u, on: t, run: p}]"
		    "\n", 0),
	};
	GString *msg = g_string_new(NULL);
	struct ruleset *rs = build(v, 4, msg);

	(void)state;
	assert_string_equal(msg->str, "");
	assert_true(str_is(ruleset_rule(rs, STR("r"))->pipeline->name, STR("shared/p")));
	assert_true(str_is(ruleset_rule(rs, STR("risk/r"))->pipeline->name,
	    STR("risk/p")));
	assert_true(str_is(ruleset_rule(rs, STR("risk/s"))->pipeline->name,
	    STR("shared/q")));
	/* a uid is the bundle's too: no other team's choice can make it a double */
	assert_true(str_is(ruleset_rule(rs, STR("risk/r"))->uid, STR("risk/u")));
	assert_true(str_is(ruleset_rule(rs, STR("team/r"))->uid, STR("team/u")));
	ruleset_unref(rs);
	g_string_free(msg, true);
}

static void check_error(const struct rule_text *v, uint32_t n, const char *expect)
{
	GString *msg = g_string_new(NULL);

	assert_null(build(v, n, msg));
	if (!strstr(msg->str, expect))
		fail_msg("expected '%s' in\n%s", expect, msg->str);
	g_string_free(msg, true);
}

static void no_other_bundle_can_be_named(void **state)
{
	const struct rule_text slash[] = {
		text_of("a", "a/a.yaml", "pipelines: [{name: p, " STEPS "}]\n", 0),
		text_of("b", "b/b.yaml", "rules: [{name: r, on: t, run: a/p}]\n", 0),
	};
	const struct rule_text bare[] = {
		text_of("", "a.yaml", "pipelines: [{name: p, " STEPS "}]\n", 0),
		text_of("b", "b/b.yaml", "rules: [{name: r, on: t, run: p}]\n", 0),
	};
	const struct rule_text near[] = {
		text_of("b", "b/b.yaml", "rules: [{name: r, on: t, run: trian}]\n", 0),
		text_of("shared", "shared/s.yaml", "pipelines: [{name: train, " STEPS
		    "}]\n", 0),
	};
	const struct rule_text rules[] = {
		text_of("shared", "shared/s.yaml",
		    "rules: [{name: r, on: t, run: p}]\n", 0),
	};

	(void)state;
	check_error(slash, 2, "b/b.yaml:1:31: error: there is no pipeline 'a/p': a name"
	    " without '/' means one of the own directory, or of shared/; no other can be"
	    " named");
	check_error(bare, 2, "b/b.yaml:1:31: error: there is no pipeline 'p'");
	check_error(near, 2, "did you mean 'train'?");
	check_error(rules, 1, "shared/s.yaml:1:1: error: 'shared' holds no rules");
}

/* built-in < shared/defaults.yaml < the bundle's < the file's < the entry; maps merge,
 * lists and scalars replace. */
static void defaults_lie_under_each_other(void **state)
{
	const struct rule_text v[] = {
		text_of("risk", "risk/a.yaml", "defaults: {rule: {cooldown: 3h}}\n"
		    "rules:\n"
		    "  - {name: own, cooldown: 4h, labels: {d: own}, on: t, run: p}\n"
		    "  - {name: file, on: t, run: p}\n", 0),
		text_of("risk", "risk/b.yaml", "rules: [{name: bundle, on: t, run: p}]\n",
		    0),
		text_of("risk", "risk/defaults.yaml", "defaults: {rule: {cooldown: 2h,"
		    " owner: risk, labels: {a: risk, b: risk}}}\n", 0),
		text_of("shared", "shared/defaults.yaml", "defaults: {rule: {cooldown:"
		    " 1h, owner: all, description: all, labels: {a: all, c: all}},"
		    " pipeline: {timeout: 1h}}\n", 0),
		text_of("shared", "shared/p.yaml", "pipelines: [{name: p, " STEPS "}]\n",
		    0),
		text_of("team", "team/a.yaml", "rules: [{name: r, on: t, run: p}]\n", 0),
		text_of("team", "team/defaults.yaml", "defaults: {rule: {owner: team}}\n",
		    0),
	};
	GString *msg = g_string_new(NULL), *labels = g_string_new(NULL);
	struct ruleset *rs = build(v, 7, msg);
	struct arena *arena = arena_new(0);
	const struct rule *r;

	(void)state;
	assert_string_equal(msg->str, "");
	r = ruleset_rule(rs, STR("risk/own"));
	assert_int_equal(r->cooldown_ms, 4 * 3600000);
	assert_true(str_is(r->owner, STR("risk")));
	assert_true(str_is(r->description, STR("all")));
	value_to_json(r->labels, arena, labels);
	assert_non_null(strstr(labels->str, "\"a\":\"risk\""));
	assert_non_null(strstr(labels->str, "\"b\":\"risk\""));
	assert_non_null(strstr(labels->str, "\"c\":\"all\""));
	assert_non_null(strstr(labels->str, "\"d\":\"own\""));
	assert_int_equal(ruleset_rule(rs, STR("risk/file"))->cooldown_ms, 3 * 3600000);
	assert_int_equal(ruleset_rule(rs, STR("risk/bundle"))->cooldown_ms, 2 * 3600000);
	r = ruleset_rule(rs, STR("team/r"));
	assert_int_equal(r->cooldown_ms, 3600000);
	assert_true(str_is(r->owner, STR("team")));
	ruleset_unref(rs);
	arena_free(arena);
	g_string_free(msg, true);
	g_string_free(labels, true);
}

/* `old` refers to the first generation of shared, `new` to the newest. */
static void generations_of_shared_live_side_by_side(void **state)
{
	const struct rule_text v[] = {
		text_of("new", "new/a.yaml", "rules: [{name: r, on: t, run: p}]\n", 0),
		text_of("old", "old/a.yaml", "rules: [{name: r, on: t, run: p},"
		    " {name: s, on: t, run: gone}]\n", 1),
		text_of("shared", "shared/a.yaml", "pipelines: [{name: p, timeout: 1h, "
		    STEPS "}, {name: gone, " STEPS "}]\n", 1),
		text_of("shared", "shared/a.yaml", "pipelines: [{name: p, timeout: 2h, "
		    STEPS "}]\n", 0),
		text_of("shared", "shared/defaults.yaml", "defaults: {rule: {cooldown:"
		    " 1h}}\n", 1),
	};
	const struct rule_text *wrong;
	GString *msg = g_string_new(NULL);
	struct ruleset *rs = build(v, 5, msg);
	struct rule_text *back;
	struct arena *arena = arena_new(0);
	uint32_t n;

	(void)state;
	assert_string_equal(msg->str, "");
	assert_int_equal(ruleset_rule(rs, STR("new/r"))->pipeline->timeout_ms, 7200000);
	assert_int_equal(ruleset_rule(rs, STR("old/r"))->pipeline->timeout_ms, 3600000);
	assert_int_equal(ruleset_rule(rs, STR("new/r"))->cooldown_ms, 0);
	assert_int_equal(ruleset_rule(rs, STR("old/r"))->cooldown_ms, 3600000);
	assert_int_equal(ruleset_pipeline(rs, STR("shared/p"))->timeout_ms, 7200000);
	assert_non_null(ruleset_pipeline(rs, STR("shared/gone")));
	assert_true(ruleset_unpack(rs->packed, &back, &n, arena));
	assert_int_equal(n, 5);
	assert_int_equal(back[1].shared, 1);
	assert_int_equal(back[3].shared, 0);
	ruleset_unref(rs);
	arena_free(arena);
	g_string_free(msg, true);
	wrong = &v[0];
	check_error(wrong, 1, "there is no pipeline 'p'");
}

/* Text that is no YAML is kept with the bundle and found by the file that names it. */
static void a_companion_is_not_read_as_rules(void **state)
{
	const struct rule_text v[] = {
		text_of("risk", "/r/risk/a.yaml", "rules: []\n", 0),
		text_of("risk", "/r/risk/days.ics", "BEGIN:VCALENDAR\n\t: {[\n", 0),
		text_of("team", "/r/team/a.yaml", "rules: []\n", 0),
	};
	struct rule_file files[3] = {{.text = &v[0]}, {.text = &v[1]}, {.text = &v[2]}};
	const struct build b = {.files = files, .files_n = 3};
	GString *msg = g_string_new(NULL);
	struct ruleset *rs = build(v, 3, msg);
	struct rule_text *back;
	struct arena *arena = arena_new(0);
	uint32_t n;

	(void)state;
	assert_string_equal(msg->str, "");
	assert_ptr_equal(scope_companion(&b, &files[0], STR("days.ics")), &v[1]);
	assert_null(scope_companion(&b, &files[0], STR("a.yaml")));
	assert_null(scope_companion(&b, &files[2], STR("days.ics")));
	assert_true(ruleset_unpack(rs->packed, &back, &n, arena));
	assert_true(back[1].companion && !back[0].companion);
	assert_true(str_is(back[1].bytes, v[1].bytes));
	ruleset_unref(rs);
	arena_free(arena);
	g_string_free(msg, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bare_name_is_the_own_bundles_then_shared),
		cmocka_unit_test(no_other_bundle_can_be_named),
		cmocka_unit_test(defaults_lie_under_each_other),
		cmocka_unit_test(generations_of_shared_live_side_by_side),
		cmocka_unit_test(a_companion_is_not_read_as_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
