/* One turn: what becomes an input in which order, when it is committed, and that
 * nothing is acknowledged, answered or done before (promises G1, G2, G10). */
#include <zstd.h>

#include "base/codec.h"
#include "fixture.h"
#include "io/metrics.h"

static const char rules[] =
	"rules:\n"
	"  - {name: r, on: x, mode: observe, run: train}\n"
	"pipelines:\n"
	"  - {name: train, steps: [{name: g, gate: \"true\"}]}\n";

static void kafka_waits_for_50_ms_and_the_others_do_not(void **state)
{
	(void)state;
	start(rules);
	settle();
	give_event("k", "other", "1");
	turns(2);
	expect_log("k+0 k=1 ");
	tx.now.boot_ms += 49;
	turns(1);
	expect_log("");
	tx.now.boot_ms += 1;
	turns(1);
	expect_log("k.ack ");
	give_event("m", "other", "1");
	turns(1);
	expect_log("m+0 m=2 m.ack ");
	give_event("h", "other", "1");
	turns(1);
	expect_log("h+0 h=3 h.ack ");
	after(1000);
	expect_log("");
}

static void a_decision_is_committed_at_once(void **state)
{
	(void)state;
	start(rules);
	settle();
	give_event("k", "x", "1");
	turns(1);
	expect_log("k+0 k=1 k.ack ");
	EXPECT_SQL("SELECT outcome FROM decision", "observed");
}

/* One mebibyte of journal is enough to commit. */
static void many_dirty_bytes_are_committed_at_once(void **state)
{
	char *body = g_strnfill(1100, 'y');
	char *event = g_strdup_printf("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":"
	    "\"/t\",\"type\":\"other\",\"data\":\"%s\"}", body);

	(void)state;
	start(rules);
	settle();
	fake("k")->base.journal = JOURNAL_FULL;
	for (unsigned i = 0; i < 400; i++)
		give("k", event);
	fake("k")->per_read = 1;
	for (unsigned i = 0; i < 40; i++)	/* however few fit into 10 ms */
		turns(1);
	while (fake("k")->base.ready)
		turns(1);
	assert_string_equal(tx.log->str, "");
	for (unsigned i = 0; i < 700; i++)
		give("k", event);
	while (fake("k")->base.ready)
		turns(1);
	expect_log("k.ack ");
	g_free(body);
	g_free(event);
}

static void inputs_come_in_the_order_of_the_design(void **state)
{
	const struct report r = { .key = STR("rt-nobody"), .op = EXEC_POLL,
		.answer = REPORT_OK, .state = REPORT_RUNNING, .exit_code = -1 };

	(void)state;
	start("rules:\n"
	    "  - {name: r, schedule: {every: 1m}, run: train, mode: observe}\n"
	    "pipelines:\n"
	    "  - {name: train, steps: [{name: g, gate: \"true\"}]}\n");
	settle();
	command("", COMMAND_RUN, "train", NULL);
	turns(1);	/* leaves events of ours for the next turn */
	g_string_truncate(tx.log, 0);
	tx.now.boot_ms += 60000;
	tx.now.wall_ms += 60000;
	give_event("j", "other", "1");
	give_event("k", "other", "1");
	give_event("k", "other", "2");
	give_event("m", "other", "1");
	give_event("h", "other", "1");
	turn_on_state(tx.turn, &fake("k")->base, (struct str){ 0 }, SOURCE_DOWN);
	turn_on_report(tx.turn, &r);
	command("", COMMAND_ABORT, "nothing", NULL);
	{
		uint64_t first = world_seq(turn_world(tx.turn)) - tx.base + 1, own;
		char *want;

		own = (uint64_t)qn("SELECT count(*) FROM outbox");
		assert_true(own > 0);
		while (fake("k")->next < 2 || fake("j")->next < 1)
			turns(1);
		first += 3 + own;	/* command, report, state, run events */
		want = g_strdup_printf("h+0 h=%llu m+0 m=%llu k+0 k+1 k=%llu k=%llu "
		    "j+0 j=%llu h.ack m.ack k.ack j.ack ", (unsigned long long)first,
		    (unsigned long long)first + 1, (unsigned long long)first + 2,
		    (unsigned long long)first + 3, (unsigned long long)first + 4);
		expect_log(want);
		/* the deadline came last */
		assert_int_equal(qn("SELECT max(seq) FROM decision WHERE "
		    "due_ms IS NOT NULL"), tx.base + first + 5);
		g_free(want);
	}
}

/* Two kafka sources with more than a turn can take: both move on. */
static void a_long_backlog_does_not_starve_the_next_source(void **state)
{
	(void)state;
	start(rules);
	settle();
	for (unsigned i = 0; i < 8000; i++)
		give_event("k", "other", "1");
	give_event("j", "other", "1");
	turns(1);
	assert_int_equal(fake("j")->next, 1);
	assert_in_range(fake("k")->next, 1, TURN_INPUTS);
}

static void a_bad_message_is_kept_with_its_reason_and_the_position_moves(void **state)
{
	(void)state;
	start(rules);
	settle();
	give("k", "{\"specversion\":");
	turns(1);
	expect_log("k+0 k!not_json ");
	EXPECT_SQL("SELECT count(*) FROM quarantine", "0");
	after(COMMIT_MS);
	expect_log("k.ack ");
	EXPECT_SQL("SELECT source || ' ' || position || ' ' || reason || ' ' || head"
	    " FROM quarantine", "k 0 not_json {\"specversion\":");
	EXPECT_SQL("SELECT CAST(position AS TEXT) FROM pos WHERE part='p'", "1");
	give("h", "[]");
	give_event("h", "other", "1");
	turns(1);
	expect_log("h+0 h+1 h!no_attribute h=1 h.ack ");
	restart(NULL);
	assert_non_null(strstr(tx.log->str, "k<1 "));
}

static void an_event_sent_again_is_one_input(void **state)
{
	(void)state;
	start(rules);
	settle();
	give_event("m", "x", "a");
	give_event("m", "x", "a");	/* in one turn */
	give_event("m", "x", "b");
	turns(1);
	expect_log("m+0 m+1 m+2 m=1 m=1r m=2 m.ack ");
	give_event("m", "x", "a");	/* in a later one */
	turns(1);
	expect_log("m+3 m=1r m.ack ");
	give_event("h", "x", "a");	/* the same id through another source */
	turns(2);
	g_string_truncate(tx.log, 0);
	restart(NULL);
	settle();
	give_event("m", "x", "b");	/* after a restart */
	turns(1);
	expect_log("m+4 m=2r m.ack ");
	EXPECT_SQL("SELECT count(*) FROM decision", "3");
}

/* Kafka knows messages by position alone: the same id twice is two inputs. */
static void kafka_is_known_by_position_alone(void **state)
{
	(void)state;
	start(rules);
	settle();
	give_event("k", "x", "a");
	give_event("k", "x", "a");
	turns(1);
	expect_log("k+0 k+1 k=1 k=2 k.ack ");
}

static void a_batch_is_accepted_event_by_event(void **state)
{
	static const char batch[] =
	    "[{\"specversion\":\"1.0\",\"id\":\"a\",\"source\":\"/t\",\"type\":\"y\"},"
	    "{\"specversion\":\"1.0\",\"id\":\"b\",\"source\":\"/t\",\"type\":\"y\"},"
	    "{\"specversion\":\"1.0\",\"id\":\"a\",\"source\":\"/t\",\"type\":\"y\"}]";

	(void)state;
	start(rules);
	settle();
	fake("h")->type = "application/cloudevents-batch+json";
	give("h", batch);
	turns(1);
	expect_log("h+0 h=1 h=2 h=1r h.ack ");
	give("h", batch);
	turns(1);
	expect_log("h+1 h=1r h=2r h=1r h.ack ");
}

static void a_command_with_the_same_key_gets_the_same_answer(void **state)
{
	(void)state;
	start(rules);
	settle();
	command("first", COMMAND_RUN, "train", "key-1");
	command("again", COMMAND_RUN, "train", "key-1");
	expect_answers("");
	turns(1);
	expect_answers("first 200 {\"run\":\"train-1\"}\n"
	    "again 200 {\"run\":\"train-1\"}\n");
	command("later", COMMAND_RUN, "train", "key-1");
	turns(1);
	expect_answers("later 200 {\"run\":\"train-1\"}\n");
	restart(NULL);
	settle();
	command("restarted", COMMAND_RUN, "train", "key-1");
	command("refused", COMMAND_RUN, "nothing", "key-2");
	turns(1);
	command("refused too", COMMAND_RUN, "nothing", "key-2");
	turns(1);
	assert_true(g_str_has_prefix(tx.answers->str,
	    "restarted 200 {\"run\":\"train-1\"}\nrefused 404 {\"error\":"));
	assert_non_null(strstr(tx.answers->str, "\nrefused too 404 {\"error\":"));
	EXPECT_SQL("SELECT name FROM run", "train-1");
	EXPECT_SQL("SELECT count(*) FROM audit", "2");
}

static void a_command_is_answered_after_its_commit(void **state)
{
	(void)state;
	start(rules);
	settle();
	command("run", COMMAND_RUN, "train", NULL);
	EXPECT_SQL("SELECT count(*) FROM run", "0");
	turns(1);
	EXPECT_SQL("SELECT state || ' ' || outcome FROM run", "completed none");
	expect_answers("run 200 {\"run\":\"train-1\"}\n");
}

static void a_reload_is_an_input_and_the_new_rules_decide_from_then_on(void **state)
{
	uint64_t seq;

	(void)state;
	start(rules);
	settle();
	seq = world_seq(turn_world(tx.turn));
	turn_reload(tx.turn, rules_of("rules:\n"
	    "  - {name: s, on: y, mode: observe, run: train}\n"
	    "  - {name: t, on: x, mode: observe, run: train}\n"
	    "pipelines:\n"
	    "  - {name: train, steps: [{name: g, gate: \"true\"}]}\n"), on_answer,
	    (void *)(uintptr_t)"reload");
	give_event("k", "x", "1");
	turns(1);
	expect_answers("reload 200 {\"ok\":true,\"rules\":2,\"pipelines\":1}\n");
	assert_int_equal(world_seq(turn_world(tx.turn)), seq + 2);
	EXPECT_SQL("SELECT rule FROM decision", "t");
	restart(NULL);		/* with no files: the last good set */
	settle();
	assert_int_equal(world_ruleset(turn_world(tx.turn))->rules_n, 2);
	give_event("k", "y", "1");
	turns(1);
	EXPECT_SQL("SELECT rule FROM decision ORDER BY id", "t,s");
}

static void a_stop_commits_what_is_open_and_reads_no_more(void **state)
{
	(void)state;
	start(rules);
	settle();
	give_event("k", "other", "1");
	turns(1);
	expect_log("k+0 k=1 ");
	give_event("k", "other", "2");
	turn_stop(tx.turn, on_idle, NULL);
	turns(1);
	expect_log("k.ack ");
	assert_int_equal(tx.idle, 1);
	turns(1);
	expect_log("");
	assert_int_equal(tx.idle, 1);
}

static void while_paused_nothing_is_read(void **state)
{
	(void)state;
	start(rules);
	settle();
	command("p", COMMAND_PAUSE, "", NULL);
	turns(2);
	assert_int_equal(world_paused(turn_world(tx.turn)), true);
	expect_log("h.pause m.pause k.pause j.pause ");
	give_event("k", "x", "1");
	turns(2);
	expect_log("");
	restart(NULL);
	turns(3);
	assert_int_equal(fake("k")->next, 0);
	g_string_truncate(tx.log, 0);
	command("r", COMMAND_RESUME, "", NULL);
	turns(3);
	assert_non_null(strstr(tx.log->str, "k.resume"));
	assert_non_null(strstr(tx.log->str, "k+0"));
}

static void an_idle_daemon_commits_nothing(void **state)
{
	uint64_t turn;

	(void)state;
	start(rules);
	settle();
	turn = (uint64_t)qn("SELECT max(id) FROM turn");
	for (int i = 0; i < 100; i++)
		after(1000);
	assert_int_equal((uint64_t)qn("SELECT max(id) FROM turn"), turn);
	expect_log("");
}

static uint64_t counted(const char *outcome)
{
	turn_metrics(tx.turn);
	return *metric_counter("events_total", "source", "m", "outcome", outcome, NULL);
}

/* Promise G10: in = accepted + quarantined + duplicate. */
static void every_message_is_counted_once(void **state)
{
	uint64_t accepted, quarantined, duplicate;

	(void)state;
	start(rules);
	settle();
	accepted = counted("accepted");
	quarantined = counted("quarantined");
	duplicate = counted("duplicate");
	give_event("m", "x", "a");
	give_event("m", "other", "b");
	give_event("m", "x", "a");
	give("m", "{");
	give_event("m", "other", "c");
	give_event("m", "x", "a");
	turns(1);
	assert_int_equal(counted("accepted") - accepted, 3);
	assert_int_equal(counted("quarantined") - quarantined, 1);
	assert_int_equal(counted("duplicate") - duplicate, 2);
}

static void on_shown(void *ctx, struct str json)
{
	(void)ctx;
	g_string_append_printf(tx.answers, "%.*s\n", STR_ARG(json));
}

static void listeners_see_events_after_their_commit(void **state)
{
	(void)state;
	start(rules);
	settle();
	turn_listen(tx.turn, on_shown, NULL);
	give_event("k", "other", "one");
	give_event("m", "other", "two");
	fake("m")->paused = true;
	turns(1);
	expect_answers("");
	after(COMMIT_MS);
	assert_non_null(strstr(tx.answers->str, "\"id\":\"one\""));
	assert_null(strstr(tx.answers->str, "\"id\":\"two\""));
	turn_listen(tx.turn, NULL, NULL);
	fake("m")->paused = false;
}

struct frames { unsigned inputs, messages, starts, rulesets; };

/* mode source part pos n: how many messages in a row. */
static unsigned run_length(struct str frame)
{
	struct reader r = reader_of(frame);
	uint64_t n;

	assert_int_equal(get_u8(&r), 'r');
	get_u64(&r);
	get_str(&r);
	get_i64(&r);
	n = get_u64(&r);
	assert_true(n > 0 && reader_done(&r));
	return (unsigned)n;
}

/* Each input that is no message carries the clocks of a turn. */
static void read_frame(struct frames *f, uint8_t kind, struct str frame)
{
	struct arena *a = arena_new(0);
	struct input in;
	struct str ruleset;
	struct err err = { 0 };
	char *sql;

	if (kind == 'm' || kind == 'r') {
		f->messages += kind == 'm' ? 1 : run_length(frame);
		arena_free(a);
		return;
	}
	assert_int_equal(kind, 'i');
	assert_true(input_decode(frame, a, &in, &ruleset, &err));
	sql = g_strdup_printf("SELECT count(*)>0 FROM turn WHERE wall=%lld AND tick=%lld",
	    (long long)in.wall_ms, (long long)in.tick_ms);
	EXPECT_SQL(sql, "1");
	f->inputs++;
	f->starts += in.kind == INPUT_START;
	f->rulesets += in.kind == INPUT_RULESET;
	g_free(sql);
	arena_free(a);
}

static void read_journal(struct frames *f)
{
	static char plain[1 << 20];
	sqlite3 *db;
	sqlite3_stmt *st;
	char *path = g_build_filename(tx.dir, "retraind.db", NULL);

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
	    "SELECT zblob FROM journal ORDER BY turn0", -1, &st, NULL), SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW) {
		size_t n = ZSTD_decompress(plain, sizeof(plain),
		    sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
		struct reader r;

		assert_false(ZSTD_isError(n));
		r = reader_of((struct str){ plain, (uint32_t)n });
		while (!reader_done(&r)) {
			uint8_t kind = get_u8(&r);

			read_frame(f, kind, get_str(&r));
		}
	}
	sqlite3_finalize(st);
	sqlite3_close(db);
	g_free(path);
}

static void the_journal_holds_every_input(void **state)
{
	struct frames f = { 0 };

	(void)state;
	start("rules:\n"
	    "  - {name: r, schedule: {every: 1m}, run: train, mode: observe}\n"
	    "pipelines:\n"
	    "  - {name: train, steps: [{name: g, gate: \"true\"}]}\n");
	settle();
	command("", COMMAND_RUN, "train", NULL);
	give_event("k", "other", "1");
	give_event("m", "other", "1");
	give_event("m", "other", "1");	/* no input */
	give("m", "{");			/* neither */
	turns(3);
	after(120000);
	turns(2);
	after(COMMIT_MS);
	read_journal(&f);
	assert_int_equal(f.starts, 1);
	assert_int_equal(f.rulesets, 1);
	assert_int_equal(f.messages, 2 + qn("SELECT count(*) FROM outbox"));
	assert_int_equal(f.inputs + f.messages, qn("SELECT sum(n) FROM turn"));
	assert_int_equal(f.inputs + f.messages, world_seq(turn_world(tx.turn)));
}

/* The real loop wakes by itself for the commit that is due; the clock is ours. */
static void stop_when_acked(void *arg)
{
	struct fake *f = arg;

	tx.now.boot_ms++;
	if (f->acked == 1)
		loop_stop(tx.loop);
	else
		loop_stay_awake(tx.loop);
}

static void the_loop_runs_turns(void **state)
{
	(void)state;
	start(rules);
	give_event("k", "other", "1");
	loop_before_sleep(tx.loop, stop_when_acked, fake("k"));
	loop_run(tx.loop);
	EXPECT_SQL("SELECT CAST(position AS TEXT) FROM pos WHERE part='p'", "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(kafka_waits_for_50_ms_and_the_others_do_not),
		TEST(a_decision_is_committed_at_once),
		TEST(many_dirty_bytes_are_committed_at_once),
		TEST(inputs_come_in_the_order_of_the_design),
		TEST(a_long_backlog_does_not_starve_the_next_source),
		TEST(a_bad_message_is_kept_with_its_reason_and_the_position_moves),
		TEST(an_event_sent_again_is_one_input),
		TEST(kafka_is_known_by_position_alone),
		TEST(a_batch_is_accepted_event_by_event),
		TEST(a_command_with_the_same_key_gets_the_same_answer),
		TEST(a_command_is_answered_after_its_commit),
		TEST(a_reload_is_an_input_and_the_new_rules_decide_from_then_on),
		TEST(a_stop_commits_what_is_open_and_reads_no_more),
		TEST(while_paused_nothing_is_read),
		TEST(an_idle_daemon_commits_nothing),
		TEST(every_message_is_counted_once),
		TEST(listeners_see_events_after_their_commit),
		TEST(the_journal_holds_every_input),
		TEST(the_loop_runs_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
