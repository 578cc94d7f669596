/* What a restart, a clock that is set and a full disk leave behind (promises G1, G2,
 * G7, G11), and events of our own as inputs of the next turn. */
#include <fcntl.h>
#include <sys/mount.h>

#include "fixture.h"
#include "store/store_priv.h"

#define TRAIN "pipelines:\n" \
	"  - {name: train, steps: [{name: g, gate: \"true\"}]}\n" \
	"  - {name: after, steps: [{name: g, gate: \"true\"}]}\n"

static const char chain[] =
	"rules:\n"
	"  - {name: first, on: x, run: train}\n"
	"  - name: second\n"
	"    on: {type: retraind.run.completed, where: data.pipeline == 'train'}\n"
	"    run: after\n" TRAIN;

static void what_was_not_committed_is_read_again(void **state)
{
	(void)state;
	start(chain);
	settle();
	give_event("k", "other", "1");
	give_event("k", "other", "2");
	turns(1);
	after(COMMIT_MS);
	expect_log("k+0 k+1 k=1 k=2 k.ack ");
	give_event("k", "other", "3");
	turns(1);
	expect_log("k+2 k=3 ");
	restart(chain);
	assert_non_null(strstr(tx.log->str, "k<2 "));
	turns(3);
	after(COMMIT_MS);
	assert_non_null(strstr(tx.log->str, "k+2 "));
	assert_null(strstr(tx.log->str, "k+1 "));
	EXPECT_SQL("SELECT CAST(position AS TEXT) FROM pos WHERE part='p'", "3");
}

/* Every turn's first seq is the one after the last turn's. */
static void seq_and_turns_have_no_gap_across_restarts(void **state)
{
	(void)state;
	start(chain);
	settle();
	for (int i = 0; i < 4; i++) {
		give_event("k", i % 2 ? "x" : "other", "1");
		turns(3);
		after(COMMIT_MS);
		restart(chain);
		settle();
	}
	EXPECT_SQL("SELECT count(*) FROM turn a JOIN turn b ON b.id=a.id+1"
	    " WHERE b.seq0<>a.seq0+a.n", "0");
	EXPECT_SQL("SELECT max(id)-count(*) FROM turn", "0");
	EXPECT_SQL("SELECT min(seq0) FROM turn", "1");
	EXPECT_SQL("SELECT count(*) FROM turn a JOIN turn b ON b.id=a.id+1"
	    " WHERE b.tick<a.tick", "0");
	EXPECT_SQL("SELECT count(*)=count(DISTINCT id) FROM decision", "1");
	EXPECT_SQL("SELECT name FROM run ORDER BY id", "train-1,after-2,train-3,after-4");
}

/* The second rule sees each completed run of the first once, whenever we are killed. */
static void our_own_events_are_inputs_once_across_kills(void **state)
{
	(void)state;
	start(chain);
	settle();
	give_event("k", "x", "1");
	turns(1);			/* the run is there, its events are not read */
	EXPECT_SQL("SELECT name FROM run", "train-1");
	restart(chain);
	turns(1);
	EXPECT_SQL("SELECT name FROM run", "train-1,after-2");
	restart(chain);
	turns(5);
	after(COMMIT_MS);
	restart(chain);
	settle();
	EXPECT_SQL("SELECT name FROM run", "train-1,after-2");
	EXPECT_SQL("SELECT count(*) FROM decision WHERE outcome='fired'", "2");
	assert_true(qn("SELECT CAST(position AS TEXT) FROM pos WHERE part='outbox'") ==
	    qn("SELECT max(id) FROM outbox"));
}

static void a_cascade_ends_after_eight(void **state)
{
	(void)state;
	start("rules:\n"
	    "  - {name: first, on: x, run: train}\n"
	    "  - {name: loop, on: {type: retraind.run.completed}, run: after}\n" TRAIN);
	settle();
	give_event("k", "x", "1");
	turns(30);
	/* depth 0 fires first, 1 to 8 fire loop, 9 is suppressed */
	EXPECT_SQL("SELECT count(*) FROM run", "9");
	EXPECT_SQL("SELECT suppressor FROM decision WHERE outcome='suppressed'", "depth");
}

static int64_t tick_now(void)
{
	struct turn_status s;

	turn_status(tx.turn, &s);
	return s.tick_ms;
}

static void tick_goes_on_when_wall_steps_back(void **state)
{
	int64_t tick;

	(void)state;
	start(chain);
	settle();
	tick = tick_now();
	tx.now.wall_ms -= 3600000;
	tx.now.boot_ms += 7;
	give_event("h", "other", "1");
	turns(1);
	assert_int_equal(qn("SELECT tick FROM turn ORDER BY id DESC LIMIT 1"),
	    tick + 7);
	restart(chain);			/* the same boot: the difference of its clock */
	assert_int_equal(qn("SELECT tick FROM turn ORDER BY id DESC LIMIT 1"),
	    tick + 7);
}

static void other_boot(void)
{
	char *path = g_build_filename(tx.dir, "retraind.db", NULL);
	sqlite3 *db;

	kill_turn();
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
	    "UPDATE meta SET value='other' WHERE name='boot'", NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	g_free(path);
}

static void across_boots_tick_follows_wall_and_never_back(void **state)
{
	int64_t tick;

	(void)state;
	start(chain);
	settle();
	tick = tick_now();
	other_boot();
	tx.now.boot_ms = 100;
	tx.now.wall_ms += 90000;
	start(chain);
	assert_int_equal(qn("SELECT max(tick) FROM turn"), tick + 90000);
	settle();
	tick = qn("SELECT max(tick) FROM turn");
	other_boot();
	tx.now.boot_ms = 5;
	tx.now.wall_ms -= 500000;	/* no battery behind the clock */
	start(chain);
	assert_int_equal(qn("SELECT tick FROM turn ORDER BY id DESC LIMIT 1"), tick);
}

/* Schedules wait for a wall clock that is behind, at most clock_wait_ms; what is
 * measured on tick does not. */
static void schedules_wait_for_a_clock_that_is_behind(void **state)
{
	static const char daily[] = "rules:\n"
	    "  - {name: d, schedule: {cron: \"0 0 * * *\"}, run: train, mode: observe}\n"
	    TRAIN;
	const char due[] = "SELECT count(*) FROM decision WHERE rule='d'";

	(void)state;
	start(daily);
	settle();
	other_boot();
	tx.now.wall_ms -= 90 * 60000;		/* 22:30 of the day before */
	start(daily);
	turns(2);
	tx.now.wall_ms = WALL + 1000;		/* set by NTP: midnight is over */
	tx.now.boot_ms += 2000;
	turns(2);
	EXPECT_SQL(due, "0");			/* that midnight was before the start */
	tx.now.wall_ms = WALL + 86400000;
	tx.now.boot_ms += 86400000;
	turns(2);
	EXPECT_SQL(due, "1");
}

/* Nothing else wakes the loop when the wait is over: its timer does, in real time.  The
 * clocks are ours and stand 5 ms before the end, so it wakes again and again. */
static unsigned sleeps;

static void stop_at_the_tenth(void *arg)
{
	(void)arg;
	if (++sleeps == 10)
		loop_stop(tx.loop);
}

static void give_up(void *arg)
{
	(void)arg;
	fail_msg("the end of clock.wait did not wake the loop");
}

static void the_end_of_the_wait_for_the_clock_wakes_the_loop(void **state)
{
	struct io_watch *late;

	(void)state;
	start(chain);
	settle();
	other_boot();
	tx.now.wall_ms -= 90 * 60000;
	start(chain);
	settle();
	late = loop_timer(tx.loop, give_up, NULL);
	io_watch_after(late, 20000);
	tx.now.boot_ms = tx.turn->clock_ok_boot - 5;
	sleeps = 0;
	loop_before_sleep(tx.loop, stop_at_the_tenth, &sleeps);
	loop_run(tx.loop);
	loop_drop_hook(tx.loop, &sleeps);
	io_watch_free(late);
	assert_int_equal(sleeps, 10);
}

/* A rule set that does not compile never gets here: reload.c keeps the old one.  One
 * that compiles is the last good one of a start without files. */
static void a_start_without_rule_files_runs_the_last_good_set(void **state)
{
	(void)state;
	start(chain);
	settle();
	restart(NULL);
	settle();
	give_event("k", "x", "1");
	turns(3);
	EXPECT_SQL("SELECT name FROM run", "train-1,after-2");
}

static void a_restart_with_other_rules_says_so_in_the_journal(void **state)
{
	(void)state;
	start(chain);
	settle();
	restart("rules:\n  - {name: only, on: y, run: train}\n" TRAIN);
	settle();
	assert_int_equal(world_ruleset(turn_world(tx.turn))->rules_n, 1);
	EXPECT_SQL("SELECT count(*) FROM ruleset", "2");
	restart(NULL);
	assert_int_equal(world_ruleset(turn_world(tx.turn))->rules_n, 1);
}

static void ready_is_said_once_after_the_first_commit(void **state)
{
	struct turn_status s;

	(void)state;
	start(chain);
	assert_int_equal(tx.ready, 1);
	settle();
	give_event("h", "other", "1");
	turns(2);
	assert_int_equal(tx.ready, 1);
	turn_status(tx.turn, &s);
	assert_true(s.ready);
}

/* Not even a last good one: it runs, and says that it decides nothing. */
static void without_a_rule_set_it_is_not_ready_until_a_reload(void **state)
{
	struct turn_status s;

	(void)state;
	start(NULL);
	settle();
	turn_status(tx.turn, &s);
	assert_false(s.ready);
	assert_int_equal(s.reasons_n, 1);
	assert_non_null(strstr(s.reasons[0], "no rule set"));
	turn_reload(tx.turn, rules_of(chain), NULL, NULL);
	turns(2);
	turn_status(tx.turn, &s);
	assert_true(s.ready);
}

/* What could not be read is not decided on: here the outbox, whose rows would be taken
 * for read. */
static void a_read_that_fails_ends_it_before_the_commit(void **state)
{
	sqlite3 *db;

	(void)state;
	start(chain);
	settle();
	give_event("k", "x", "1");
	assert_int_equal(sqlite3_open(store_path(tx.store), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "ALTER TABLE outbox RENAME COLUMN json TO j",
	    NULL, NULL, NULL), SQLITE_OK);
	turns(3);
	assert_true(tx.broken);
	assert_int_equal(sqlite3_exec(db, "ALTER TABLE outbox RENAME COLUMN j TO json",
	    NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	restart(chain);
	settle();
	EXPECT_SQL("SELECT name FROM run", "train-1,after-2");
}

/* ---- a full disk ---- */

static char *disk, *ballast;

static void fill(void)
{
	static const char page[4096];
	int fd = open(ballast, O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	while (write(fd, page, 4096) == 4096 || write(fd, page, 1) == 1)
		;
	close(fd);
}

static int disk_setup(void **state)
{
	tx_setup(state);
	disk = g_strdup(tx.dir);
	ballast = g_build_filename(disk, "ballast", NULL);
	if (geteuid() != 0 || mount("tmpfs", disk, "tmpfs", 0, "size=2m") < 0) {
		g_free(disk);
		disk = NULL;
	}
	return 0;
}

static int disk_teardown(void **state)
{
	if (tx.turn)
		kill_turn();
	if (disk)
		umount(disk);
	g_free(disk);
	g_free(ballast);
	disk = NULL;
	return tx_teardown(state);
}

/* More than fits: 300 KiB that do not compress, in events that are kept. */
static void give_much(const char *letter, const char *id)
{
	GRand *r = g_rand_new_with_seed(3);
	GString *s = g_string_new(NULL);
	char *body;

	for (int i = 0; i < 300 * 1024; i++)
		g_string_append_c(s, (char)g_rand_int_range(r, 'A', 'Z'));
	body = g_strdup_printf("{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/t\","
	    "\"type\":\"x\",\"data\":\"%s\"}", id, s->str);
	give(letter, body);
	g_free(body);
	g_string_free(s, TRUE);
	g_rand_free(r);
}

static void a_full_disk_acknowledges_nothing_and_goes_on_by_itself(void **state)
{
	struct turn_status s;
	uint64_t seq;

	(void)state;
	if (!disk)
		skip();
	start(chain);
	settle();
	fill();
	give_much("m", "a");
	turns(1);
	seq = world_seq(turn_world(tx.turn));
	turn_status(tx.turn, &s);
	assert_true(s.full);
	expect_log("m=1 h.pause m.pause k.pause j.pause ");
	give_event("k", "x", "1");
	command("run", COMMAND_RUN, "train", NULL);
	for (int i = 0; i < 10; i++)
		after(500);
	assert_int_equal(world_seq(turn_world(tx.turn)), seq);	/* no input is taken */
	expect_log("");
	expect_answers("");
	EXPECT_SQL("SELECT count(*) FROM decision", "0");
	unlink(ballast);
	turns(1);
	expect_log("");			/* not before its second is over */
	after(1000);
	assert_true(g_str_has_prefix(tx.log->str,
	    "m.ack h.resume m.resume k.resume j.resume k+0 k="));
	turns(3);
	expect_answers("run 200 {\"run\":\"train-2\"}\n");
	EXPECT_SQL("SELECT count(*) FROM decision WHERE rule='first'", "2");
	assert_int_equal(qn("SELECT seq FROM decision WHERE id=1"), tx.base + 1);
	assert_int_equal(tx.broken, 0);
}

/* The reserve is given up for what must be stored, and taken back before more is read. */
static void sources_wait_until_the_reserve_is_back(void **state)
{
	(void)state;
	if (!disk)
		skip();
	tx.reserve = 700 * 1024;
	start(chain);
	settle();
	fill();
	give_much("m", "a");
	turns(1);
	expect_log("m=1 h.pause m.pause k.pause j.pause ");
	give_event("k", "x", "1");
	after(1000);
	expect_log("m.ack ");		/* the reserve was room enough */
	after(5000);
	expect_log("");
	unlink(ballast);
	after(1000);
	assert_true(g_str_has_prefix(tx.log->str,
	    "h.resume m.resume k.resume j.resume k+0 k="));
}

/* A reserve that an earlier process left is given up by the first commit too. */
static void the_first_commit_may_use_the_reserve(void **state)
{
	struct turn_status s;

	(void)state;
	if (!disk)
		skip();
	tx.reserve = 700 * 1024;
	start(chain);
	settle();
	kill_turn();
	fill();
	start("rules:\n  - {name: only, on: y, run: train}\n" TRAIN);
	after(1000);
	turn_status(tx.turn, &s);
	assert_false(s.full);
}

/* Somebody's shell holds the write lock: the commit is tried again. */
static void a_locked_database_is_waited_for(void **state)
{
	char *path = g_build_filename(tx.dir, "retraind.db", NULL);
	sqlite3 *db;

	(void)state;
	start(chain);
	settle();
	sqlite3_busy_timeout(tx.store->db, 0);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL),
	    SQLITE_OK);
	give_event("m", "x", "a");
	turns(1);
	expect_log("m+0 m=1 h.pause m.pause k.pause j.pause ");
	after(1000);
	expect_log("");
	sqlite3_close(db);
	after(1000);
	assert_true(g_str_has_prefix(tx.log->str, "m.ack "));
	assert_int_equal(tx.broken, 0);
	g_free(path);
}

static void a_stop_does_not_wait_for_space(void **state)
{
	(void)state;
	if (!disk)
		skip();
	start(chain);
	settle();
	fill();
	give_much("m", "a");
	turns(1);
	turn_stop(tx.turn, on_idle, NULL);
	turns(1);
	assert_int_equal(tx.idle, 1);
	assert_non_null(strstr(tx.log->str, "m.nack"));
	assert_null(strstr(tx.log->str, "m.ack"));
	unlink(ballast);
	g_string_truncate(tx.log, 0);
	restart(chain);			/* the broker sends it again */
	turns(3);
	assert_non_null(strstr(tx.log->str, "m.ack"));
	EXPECT_SQL("SELECT count(*) FROM decision WHERE rule='first'", "1");
}

#define DISK(f) cmocka_unit_test_setup_teardown(f, disk_setup, disk_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_not_committed_is_read_again),
		TEST(seq_and_turns_have_no_gap_across_restarts),
		TEST(our_own_events_are_inputs_once_across_kills),
		TEST(a_cascade_ends_after_eight),
		TEST(tick_goes_on_when_wall_steps_back),
		TEST(across_boots_tick_follows_wall_and_never_back),
		TEST(schedules_wait_for_a_clock_that_is_behind),
		TEST(the_end_of_the_wait_for_the_clock_wakes_the_loop),
		TEST(a_start_without_rule_files_runs_the_last_good_set),
		TEST(a_restart_with_other_rules_says_so_in_the_journal),
		TEST(ready_is_said_once_after_the_first_commit),
		TEST(without_a_rule_set_it_is_not_ready_until_a_reload),
		TEST(a_read_that_fails_ends_it_before_the_commit),
		DISK(a_full_disk_acknowledges_nothing_and_goes_on_by_itself),
		DISK(sources_wait_until_the_reserve_is_back),
		DISK(the_first_commit_may_use_the_reserve),
		TEST(a_locked_database_is_waited_for),
		DISK(a_stop_does_not_wait_for_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
