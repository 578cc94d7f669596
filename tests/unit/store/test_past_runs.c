/* What the tables say of runs and models of the past. */
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/cells.h"
#include "store/past.h"
#include "store/store.h"

static char *dir;
static struct store *store;
static struct cells *cells;
static struct past *past;
static struct arena *a;
static uint64_t turn;
static int64_t wall;

static void commit(const struct effects *fx)
{
	uint64_t id = ++turn;
	struct turn_head h = { .id = id, .seq0 = id, .n = 1, .wall_ms = wall,
		.tick_ms = (int64_t)id };
	struct committed c;
	struct err err = { 0 };

	memset(h.ruleset, (int)turn, 32);
	store_turn(store, &h);
	store_put(store, fx);
	if (store_commit(store, cells, &c, &err) != STORE_DONE)
		fail_msg("%s", err.msg);
}

/* A completed run of so many milliseconds that promotes its name, and the model's row
 * before it archived, as flow leaves them. */
static void promoted(uint64_t id, int64_t ms, const char *before)
{
	struct str name = arena_printf(a, "p-%d", (int)id);
	struct run_row run = { .id = id, .name = name, .pipeline = STR("p"),
		.state = RUN_COMPLETED, .outcome = RUN_PROMOTED, .created_ms = wall - ms,
		.started_ms = wall - ms, .finished_ms = wall };
	struct model_row rows[] = {
		{ .model = STR("m"), .version = str_of(before), .stage = STR("archived"),
		  .run = str_of(before), .since_ms = wall },
		{ .model = STR("m"), .version = name, .stage = STR("champion"),
		  .run = name, .metrics = STR("{\"auc\":0.9}"), .since_ms = wall },
	};
	struct effects fx;

	effects_init(&fx, a);
	fx.runs = &run;
	fx.runs_n = 1;
	fx.models = before ? rows : rows + 1;
	fx.models_n = before ? 2 : 1;
	commit(&fx);
}

static int setup(void **state)
{
	const struct store_options opt = { .keep_ms = 1ll << 40, .keep_bytes = 1 << 30,
		.keep_decisions_ms = 1ll << 40 };
	struct err err = { 0 };

	(void)state;
	dir = g_dir_make_tmp("retraind-past-XXXXXX", NULL);
	a = arena_new(0);
	turn = 0;
	wall = 1772323200000;
	store = store_open(dir, &opt, &err);
	if (!store)
		fail_msg("%s", err.msg);
	cells = cells_new();
	assert_true(store_load(store, cells, &err));
	g_autofree char *path = g_build_filename(dir, "retraind.db", NULL);
	past = past_open(path, &err);
	if (!past)
		fail_msg("%s", err.msg);
	return 0;
}

static int teardown(void **state)
{
	GDir *d = g_dir_open(dir, 0, NULL);
	const char *name;

	(void)state;
	past_close(past);
	store_close(store);
	cells_free(cells);
	arena_free(a);
	while (d && (name = g_dir_read_name(d))) {
		g_autofree char *p = g_build_filename(dir, name, NULL);
		unlink(p);
	}
	if (d)
		g_dir_close(d);
	rmdir(dir);
	g_free(dir);
	return 0;
}

static void the_run_time_is_the_median_of_the_last_twenty(void **state)
{
	struct err err = { 0 };
	int64_t ms = 0;

	(void)state;
	assert_true(past_run_time(past, STR("p"), &ms, &err));
	assert_int_equal(ms, -1);
	promoted(1, 1000000, NULL);	/* too long ago to count, below */
	promoted(2, 1000, "p-1");
	promoted(3, 2000, "p-2");
	assert_true(past_run_time(past, STR("p"), &ms, &err));
	assert_int_equal(ms, 2000);
	for (uint64_t i = 4; i <= 22; i++) {
		g_autofree char *before = g_strdup_printf("p-%d", (int)i - 1);
		promoted(i, 5000, before);
	}
	assert_true(past_run_time(past, STR("p"), &ms, &err));
	assert_int_equal(ms, 5000);
	assert_true(past_run_time(past, STR("q"), &ms, &err));
	assert_int_equal(ms, -1);
}

static const char *champion_at(int64_t ms)
{
	struct past_champion *v;
	struct err err = { 0 };
	uint32_t n;

	assert_true(past_champions(past, ms, a, &v, &n, &err));
	return n ? arena_str(a, v[0].version).p : "";
}

static void a_champion_is_one_from_its_runs_end_to_the_next(void **state)
{
	int64_t t1 = wall, t2 = wall + 1000;

	(void)state;
	promoted(1, 10, NULL);
	wall = t2;
	promoted(2, 10, "p-1");
	assert_string_equal(champion_at(t1 - 1), "");
	assert_string_equal(champion_at(t1), "p-1");
	assert_string_equal(champion_at(t2 - 1), "p-1");
	assert_string_equal(champion_at(t2), "p-2");
}

static void the_live_rule_set_is_the_last_turns(void **state)
{
	struct effects fx;
	struct err err = { 0 };
	uint8_t hash[32] = { 0 };

	(void)state;
	assert_false(past_ruleset_named(past, STR("live"), hash, &err));
	effects_init(&fx, a);
	commit(&fx);
	commit(&fx);
	assert_true(past_ruleset_named(past, STR("live"), hash, &err));
	assert_int_equal(hash[0], 2);
	assert_int_equal(hash[31], 2);
	assert_false(past_ruleset_named(past, STR("abcd"), hash, &err));
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    the_run_time_is_the_median_of_the_last_twenty, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_champion_is_one_from_its_runs_end_to_the_next, setup, teardown),
		cmocka_unit_test_setup_teardown(the_live_rule_set_is_the_last_turns,
		    setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
