/* Bundles over directories: each is as its files say or as it was, on its own (promise
 * G8). */
#include <sys/stat.h>

#include "base/arena.h"
#include "fixture.h"
#include "turn/bundles.h"

#define STEPS "steps: [{name: g, gate: \"true\"}]"
#define RULE(name, pipeline) "rules: [{name: " name ", on: x, mode: observe, run: " \
	pipeline "}]\n"
#define OWN(name) RULE(name, "p") "pipelines: [{name: p, " STEPS "}]\n"

static char *dir;
static struct reload_options options;
static struct ruleset *rs;	/* what runs */
static struct bundles *got;

static void put(const char *name, const char *text)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);
	g_autofree char *parent = g_path_get_dirname(path);

	assert_int_equal(g_mkdir_with_parents(parent, 0700), 0);
	assert_true(g_file_set_contents(path, text, -1, NULL));
	assert_int_equal(chmod(path, 0600), 0);
}

static int setup(void **state)
{
	(void)state;
	dir = g_dir_make_tmp("retraind-bundles-XXXXXX", NULL);
	options = (struct reload_options){ .dir = dir };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bundles_free(got);
	ruleset_unref(rs);
	got = NULL;
	rs = NULL;
	remove_tree(dir);
	g_free(dir);
	return 0;
}

/* A reload over what runs; "name=state/rules/errors ..." of its bundles. */
static void load(const char *expect)
{
	struct ruleset *next;
	GString *s = g_string_new(NULL);

	bundles_free(got);
	next = bundles_build(&options, tx_catalog(), rs ? rs->packed : STR(""), &got);
	for (uint32_t i = 0; i < got->n; i++)
		g_string_append_printf(s, "%s%s=%s/%u/%u", i ? " " : "",
		    bundle_shown(&got->v[i]), bundle_state_name(got->v[i].state),
		    got->v[i].rules, got->v[i].errors);
	assert_string_equal(s->str, expect);
	g_string_free(s, TRUE);
	if (next) {
		ruleset_unref(rs);
		rs = next;
	}
}

static void expect_text(const char *part)
{
	GString *s = g_string_new(NULL);

	bundles_text(got, s);
	if (!strstr(s->str, part))
		fail_msg("expected '%s' in\n%s", part, s->str);
	g_string_free(s, TRUE);
}

static const struct rule *rule(const char *name)
{
	return ruleset_rule(rs, str_of(name));
}

static void a_broken_bundle_keeps_its_own_alone(void **state)
{
	uint8_t hash[32];

	(void)state;
	put("a.yaml", OWN("top"));
	put("risk/a.yaml", OWN("old"));
	put("risk/a.test.yaml", "no: {rule, file");
	put("risk/.hidden.yaml", "no: {rule, file");
	put("team/a.yaml", OWN("old"));
	load(".=ok/1/0 risk=ok/1/0 team=ok/1/0");
	put("risk/a.yaml", RULE("new", "nowhere"));
	put("team/a.yaml", OWN("new"));
	load(".=ok/1/0 risk=kept/1/1 team=ok/1/0");
	expect_text("/risk/a.yaml:1:");
	assert_false(bundles_ok(got));
	assert_non_null(rule("top"));
	assert_non_null(rule("risk/old"));
	assert_null(rule("risk/new"));
	assert_non_null(rule("team/new"));
	assert_null(rule("team/old"));
	/* the same files over it are the same set: no input, no end */
	memcpy(hash, rs->hash, 32);
	load(".=ok/1/0 risk=kept/1/1 team=ok/1/0");
	assert_memory_equal(hash, rs->hash, 32);
	put("risk/a.yaml", OWN("new"));
	load(".=ok/1/0 risk=ok/1/0 team=ok/1/0");
	assert_non_null(rule("risk/new"));
}

static void without_a_last_good_set_the_others_run(void **state)
{
	(void)state;
	put("risk/a.yaml", "rules: {");
	load("risk=failed/0/1");
	assert_null(rs);
	put("team/a.yaml", OWN("r"));
	load("risk=failed/0/1 team=ok/1/0");
	assert_non_null(rule("team/r"));
}

static void a_directory_that_is_gone_takes_its_rules_along(void **state)
{
	g_autofree char *risk = g_build_filename(dir, "risk", NULL);

	(void)state;
	put("risk/a.yaml", OWN("r"));
	put("team/a.yaml", OWN("r"));
	load("risk=ok/1/0 team=ok/1/0");
	remove_tree(risk);
	load("risk=removed/0/0 team=ok/1/0");
	assert_true(bundles_ok(got));
	assert_null(rule("risk/r"));
	load("team=ok/1/0");
	/* but without the directory of all of them nothing changes */
	options.dir = "/nonexistent/rules";
	load("team=kept/1/0");
	expect_text("/nonexistent/rules");
	assert_false(bundles_ok(got));
	assert_non_null(rule("team/r"));
}

#define SHARED(name, timeout) "pipelines: [{name: " name ", timeout: " timeout ", " \
	STEPS "}]\n"

static int64_t timeout_of(const char *name)
{
	return rule(name)->pipeline->timeout_ms;
}

static void a_change_of_shared_breaks_only_who_needs_what_it_took(void **state)
{
	(void)state;
	put("shared/a.yaml", SHARED("p", "1h"));
	put("shared/q.yaml", SHARED("q", "1h"));
	put("needs_p/a.yaml", RULE("r", "p"));
	put("needs_q/a.yaml", RULE("r", "q"));
	load("needs_p=ok/1/0 needs_q=ok/1/0 shared=ok/0/0");
	put("shared/a.yaml", SHARED("p2", "2h"));
	put("shared/q.yaml", SHARED("q", "2h"));
	load("needs_p=kept/1/1 needs_q=ok/1/0 shared=ok/0/0");
	assert_int_equal(timeout_of("needs_p/r"), 3600000);
	assert_int_equal(timeout_of("needs_q/r"), 7200000);
	/* it stays with that generation while others come and go */
	put("shared/q.yaml", SHARED("q", "3h"));
	load("needs_p=kept/1/1 needs_q=ok/1/0 shared=ok/0/0");
	assert_int_equal(timeout_of("needs_p/r"), 3600000);
	assert_int_equal(timeout_of("needs_q/r"), 10800000);
	put("needs_p/a.yaml", RULE("r", "p2"));
	load("needs_p=ok/1/0 needs_q=ok/1/0 shared=ok/0/0");
	assert_int_equal(timeout_of("needs_p/r"), 7200000);
}

static void a_broken_shared_is_held_against_no_other(void **state)
{
	(void)state;
	put("shared/a.yaml", SHARED("p", "1h"));
	put("risk/a.yaml", RULE("old", "p"));
	load("risk=ok/1/0 shared=ok/0/0");
	put("shared/a.yaml", "pipelines: {");
	put("risk/a.yaml", RULE("new", "p"));
	load("risk=ok/1/0 shared=kept/0/1");
	assert_int_equal(timeout_of("risk/new"), 3600000);
}

static void what_can_not_be_read_is_one_bundles_fault(void **state)
{
	g_autofree char *file = g_build_filename(dir, "risk", "a.yaml", NULL);

	(void)state;
	put("risk/a.yaml", OWN("r"));
	put("team/a.yaml", OWN("r"));
	put("scripts/train.py", "pass");
	put("risk/scripts/train.py", "pass");
	load("risk=ok/1/0 team=ok/1/0");
	assert_int_equal(chmod(file, 0602), 0);
	load("risk=kept/1/1 team=ok/1/0");
	expect_text("chmod o-w");
	assert_int_equal(chmod(file, 0600), 0);
	put("risk/deep/b.yaml", OWN("s"));
	load("risk=kept/1/1 team=ok/1/0");
	expect_text("/risk/deep' has rule files");
	put("two words/a.yaml", OWN("s"));
	load("risk=kept/1/1 team=ok/1/0 two words=failed/0/1");
	expect_text("/two words' has rule files, but its name can't prefix");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_broken_bundle_keeps_its_own_alone),
		T(without_a_last_good_set_the_others_run),
		T(a_directory_that_is_gone_takes_its_rules_along),
		T(a_change_of_shared_breaks_only_who_needs_what_it_took),
		T(a_broken_shared_is_held_against_no_other),
		T(what_can_not_be_read_is_one_bundles_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
