/* Rule files: read whole or not at all, compiled on the helper, swapped in by a turn;
 * a bad edit changes nothing (promise G8). */
#include <sys/stat.h>

#include "fixture.h"
#include "io/pool.h"
#include "turn/reload.h"

#define GOOD "rules:\n  - {name: r, on: x, mode: observe, run: train}\n" \
	"pipelines:\n  - {name: train, steps: [{name: g, gate: \"true\"}]}\n"

static struct reload_options options;
static struct reload *rl;
static struct pool *helper;
static char *rules_dir, *file;
static int phase;
static uint64_t seq;

static void put(const char *text)
{
	assert_true(g_file_set_contents(file, text, -1, NULL));
	assert_int_equal(chmod(file, 0600), 0);
}

static int setup(void **state)
{
	tx_setup(state);
	phase = 0;
	rules_dir = g_dir_make_tmp("retraind-rules-XXXXXX", NULL);
	file = g_build_filename(rules_dir, "r.yaml", NULL);
	options = (struct reload_options){ .dir = rules_dir };
	put(GOOD);
	return 0;
}

static int teardown(void **state)
{
	tx_teardown(state);
	remove_tree(rules_dir);
	g_free(rules_dir);
	g_free(file);
	return 0;
}

static void fail_late(void *arg)
{
	(void)arg;
	fail_msg("the test did not end within 30 s");
}

/* Opens everything over the files; `body` is entered before each sleep of the loop. */
static void run(void (*body)(void *))
{
	GString *text = g_string_new(NULL);
	struct err err = { 0 };
	struct io_watch *alarm;
	struct ruleset *rs;

	open_turn();
	helper = pool_new(tx.loop, "helper", 1, 16);
	alarm = loop_timer(tx.loop, fail_late, NULL);
	io_watch_after(alarm, 30000);
	rl = reload_new(tx.turn, tx.loop, helper, tx_catalog(), &options);
	rs = reload_now(rl, STR(""), text);
	assert_non_null(rs);
	assert_true(turn_recover(tx.turn, rs, &err));
	settle();
	seq = world_seq(turn_world(tx.turn));
	loop_before_sleep(tx.loop, body, &phase);
	loop_run(tx.loop);
	reload_free(rl);
	pool_free(helper);
	io_watch_free(alarm);
	g_string_free(text, TRUE);
}

static void ask(const char *name)
{
	g_string_truncate(tx.answers, 0);
	reload_ask(rl, on_answer, (void *)(uintptr_t)name);
	phase++;
}

static void edit(void *arg)
{
	const uint32_t rules_n = world_ruleset(turn_world(tx.turn))->rules_n;
	const uint64_t now = world_seq(turn_world(tx.turn));

	(void)arg;
	if (phase > 0 && !tx.answers->len)
		return;
	switch (phase) {
	case 0:
		put("rules:\n  - {name: r, on: x, run: nowhere}\n");
		ask("bad");
		break;
	case 1:
		assert_true(g_str_has_prefix(tx.answers->str, "bad 422 {\"ok\":false"));
		assert_non_null(strstr(tx.answers->str, "nowhere"));
		assert_int_equal(now, seq);
		assert_int_equal(rules_n, 1);
		put("rules:\n  - {name: s, on: y, mode: observe, run: train}\n"
		    "  - {name: r, on: x, mode: observe, run: train}\n"
		    "pipelines:\n"
		    "  - {name: train, steps: [{name: g, gate: \"true\"}]}\n");
		ask("good");
		break;
	case 2:
		assert_true(g_str_has_prefix(tx.answers->str, "good 200 {\"ok\":true"));
		assert_int_equal(now, seq + 1);
		assert_int_equal(rules_n, 2);
		EXPECT_SQL("SELECT count(*) FROM ruleset", "2");
		ask("same");
		break;
	default:
		assert_true(g_str_has_prefix(tx.answers->str, "same 200 {\"ok\":true"));
		assert_int_equal(now, seq + 1);		/* nothing changed: no input */
		loop_stop(tx.loop);
	}
}

static void a_bad_edit_changes_nothing_and_a_good_one_is_an_input(void **state)
{
	(void)state;
	run(edit);
}

static void leave(void *arg)
{
	(void)arg;
	if (phase++)
		return;
	put("rules: []\n");
	reload_ask(rl, on_answer, (void *)(uintptr_t)"never");
	reload_ask(rl, on_answer, (void *)(uintptr_t)"never");
	loop_stop(tx.loop);
}

/* A build that runs while all is closed is dropped, with nobody answered. */
static void a_build_may_outlive_its_owner(void **state)
{
	(void)state;
	run(leave);
	expect_answers("");
}

static void files_that_may_not_be_trusted_are_refused(void **state)
{
	struct arena *a = arena_new(0);
	struct rule_text *v;
	struct err err = { 0 };
	uint32_t n;

	(void)state;
	assert_true(rules_read(&options, a, &v, &n, &err));
	assert_int_equal(n, 1);
	assert_true(str_is(v[0].bytes, STR(GOOD)));
	assert_int_equal(chmod(file, 0602), 0);
	assert_false(rules_read(&options, a, &v, &n, &err));
	assert_int_equal(err.code, ERR_DENIED);
	assert_non_null(strstr(err.msg, "chmod o-w"));
	assert_int_equal(chmod(file, 0600), 0);
	options.dir = "/nonexistent/rules";
	assert_false(rules_read(&options, a, &v, &n, &err));
	assert_int_equal(err.code, ERR_IO);
	arena_free(a);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_bad_edit_changes_nothing_and_a_good_one_is_an_input),
		T(a_build_may_outlive_its_owner),
		T(files_that_may_not_be_trusted_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
