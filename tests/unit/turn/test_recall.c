/* The recorded past: from every snapshot the journal leads to the state of now, byte
 * for byte, and every decision of the way is the row that was stored. */
#include "fixture.h"
#include "store/recall.h"

static const char rules[] =
	"rules:\n"
	"  - {name: each, on: x, run: train}\n"
	"  - name: second\n"
	"    on: {type: retraind.run.completed, where: data.pipeline == 'train'}\n"
	"    run: after\n"
	"  - name: high\n"
	"    on: {type: m, key: event.subject}\n"
	"    signals: {v: {value: data.v, over: 10m, min_count: 2}}\n"
	"    when: v.avg > 2.0\n"
	"    for: 2m\n"
	"    cooldown: 30m\n"
	"    run: train\n"
	"  - name: nightly\n"
	"    schedule: {every: 7m}\n"
	"    run: slow\n"
	"pipelines:\n"
	"  - {name: train, steps: [{name: g, gate: \"true\"}]}\n"
	"  - {name: after, steps: [{name: g, gate: \"true\"}]}\n"
	"  - {name: slow, steps: [{name: a, executor: local, command: [x]}]}\n";
static const char other_rules[] =
	"rules:\n"
	"  - name: high\n"
	"    on: {type: m, key: event.subject}\n"
	"    signals: {v: {value: data.v, over: 10m, min_count: 2}}\n"
	"    when: v.avg > 3.0\n"
	"    run: after\n"
	"pipelines:\n"
	"  - {name: after, steps: [{name: g, gate: \"true\"}]}\n";

static void measure(const char *letter, const char *key, unsigned id, unsigned v)
{
	GDateTime *t = g_date_time_new_from_unix_utc(tx.now.wall_ms / 1000);
	char *time = g_date_time_format(t, "%Y-%m-%dT%H:%M:%SZ");
	char *body = g_strdup_printf("{\"specversion\":\"1.0\",\"id\":\"%s%u\","
	    "\"source\":\"/t\",\"type\":\"m\",\"subject\":\"%s\",\"time\":\"%s\","
	    "\"data\":{\"v\":%u}}", letter, id, key, time, v);

	give(letter, body);
	g_date_time_unref(t);
	g_free(time);
	g_free(body);
}

/* ---- comparing ---- */

struct check {
	struct past	*past;
	uint64_t	 decisions, inputs, last;
	bool		 from_log;	/* k's messages can be fetched */
};

#define SAME_STR(x) assert_true(str_is(a->x, b->x))

static void same_row(const struct decision_row *a, const struct decision_row *b)
{
	assert_int_equal(a->id, b->id);
	assert_int_equal(a->seq, b->seq);
	assert_int_equal(a->time_ms, b->time_ms);
	assert_int_equal(a->outcome, b->outcome);
	assert_int_equal(a->by, b->by);
	SAME_STR(rule), SAME_STR(key), SAME_STR(event_id), SAME_STR(reason);
	SAME_STR(trace);
}

static bool on_after(void *arg, struct journal *j, const struct journal_input *in,
    struct err *err)
{
	const struct decided *d = &in->fx->decided;
	struct check *c = arg;

	(void)j;
	c->inputs++;
	for (uint32_t i = in->decisions; i < d->decisions_n; i++) {
		struct arena *a;
		struct decision_row row;
		bool any;

		if (d->decisions[i].id <= c->last)	/* its run changed */
			continue;
		c->last = d->decisions[i].id;
		a = arena_new(0);
		assert_true(past_decision(c->past, c->last, a, &row, &any, err));
		assert_true(any);
		same_row(&d->decisions[i], &row);
		c->decisions++;
		arena_free(a);
	}
	return true;
}

static bool on_fetch(void *arg, struct message *m, struct arena *a, struct err *err)
{
	struct check *c = arg;
	struct fake *f = fake("k");

	(void)a;
	if (!c->from_log)
		return err_set(err, ERR_NOT_FOUND, "not there");
	m->topic = STR("topic");
	m->content_type = str_of(f->type);
	m->time_ms = tx.now.wall_ms;	/* no event is later than that */
	m->body = str_of(g_ptr_array_index(f->script, (unsigned)m->pos));
	return true;
}

static void same_cells(const struct cells *a, const struct cells *b)
{
	GByteArray *x = g_byte_array_new(), *y = g_byte_array_new();

	assert_int_equal(cells_shards(a), cells_shards(b));
	for (uint32_t i = 0; i < cells_shards(a); i++) {
		g_byte_array_set_size(x, 0);
		g_byte_array_set_size(y, 0);
		cells_encode_shard(a, i, x);
		cells_encode_shard(b, i, y);
		assert_int_equal(x->len, y->len);
		assert_memory_equal(x->data, y->data, x->len);
	}
	g_byte_array_free(x, TRUE);
	g_byte_array_free(y, TRUE);
}

/* From the snapshot of this turn; how many decisions were made again. */
static struct check replay(struct past *past, const struct past_snap *snap)
{
	struct check c = { .past = past, .from_log = true };
	const struct recall_options o = { .past = past, .catalog = tx_catalog(),
		.host = { .ctx = &c, .after = on_after, .fetch = on_fetch },
		.fetch_ctx = &c };
	struct recall *r = recall_new(&o);
	struct err err = { 0 };

	if (!recall_load(r, snap, &err) ||
	    recall_run(r, UINT64_MAX, &err) != JOURNAL_DONE)
		fail_msg("%s", err.msg);
	same_cells(world_cells(turn_world(tx.turn)), world_cells(recall_world(r)));
	assert_int_equal(world_seq(recall_world(r)), world_seq(turn_world(tx.turn)));
	recall_free(r);
	return c;
}

static struct past *open_past(void)
{
	char *path = g_build_filename(tx.dir, "retraind.db", NULL);
	struct err err = { 0 };
	struct past *p = past_open(path, &err);

	if (!p)
		fail_msg("%s", err.msg);
	g_free(path);
	return p;
}

/* From every snapshot; the first one's counts. */
static struct check replay_all(unsigned snapshots)
{
	struct past *past = open_past();
	struct check first = { 0 };
	struct past_span span;
	struct past_snap snap = { .turn = UINT64_MAX };
	struct err err = { 0 };
	uint64_t turn = UINT64_MAX;
	unsigned n = 0;

	assert_true(past_span(past, &span, &err));
	assert_true(span.any);
	assert_int_equal(span.snapshots, snapshots);
	for (; snap.turn && n < snapshots; n++) {
		assert_true(past_snap(past, turn, INT64_MAX, &snap, &err));
		first = replay(past, &snap);
		turn = snap.turn - 1;
	}
	assert_int_equal(n, snapshots);
	past_close(past);
	return first;
}

/* Half an hour of measures, some of which fire. */
static void half_an_hour(unsigned seed)
{
	for (unsigned i = 0; i < 30; i++) {
		unsigned id = seed * 1000 + i;

		measure("h", i % 3 ? "a" : "b", id, (i / 8) % 2 ? 4 : 1);
		if (i % 5 == 0)
			measure("m", "c", id, i);
		if (i % 4 == 0)
			measure("k", "a", id, 5);
		if (i % 9 == 0)
			give_event("h", "x", "again");	/* once; then a duplicate */
		after(60000);
	}
	turns(4);
	after(COMMIT_MS);
}

/* ---- tests ---- */

static void a_fresh_database_begins_with_the_empty_state(void **state)
{
	struct check c;

	(void)state;
	start(rules);
	settle();
	EXPECT_SQL("SELECT id||':'||last||':'||pieces FROM snap", "0:0:0");
	half_an_hour(1);
	c = replay_all(1);
	assert_int_equal(c.decisions, qn("SELECT count(*) FROM decision"));
	assert_true(c.decisions > 5);
	assert_int_equal(c.inputs, world_seq(turn_world(tx.turn)));
}

static void every_snapshot_leads_to_now(void **state)
{
	(void)state;
	start(rules);
	settle();
	for (unsigned i = 0; i < 3; i++) {
		half_an_hour(i);
		store_ask_snapshot(tx.store);
		half_an_hour(10 + i);
		if (i == 1) {
			turn_reload(tx.turn, rules_of(other_rules), on_answer,
			    (void *)"r");
			turns(2);
		}
		restart(i == 1 ? other_rules : rules);
		settle();
	}
	assert_true(replay_all(4).decisions > 20);
}

static void what_a_kill_lost_is_not_replayed(void **state)
{
	(void)state;
	start(rules);
	settle();
	for (unsigned i = 0; i < 20; i++) {
		measure("k", "a", i, 5);
		turns(1);		/* decided, and perhaps not committed */
		tx.now.wall_ms += 30000, tx.now.boot_ms += 30000;
		if (i % 3 == 2) {
			restart(NULL);
			turns(3);
		}
	}
	after(COMMIT_MS);
	turns(3);
	after(COMMIT_MS);
	replay_all(1);
}

/* A body that only the topic has: the replay says so, and where. */
static void a_position_without_its_topic_ends_the_replay(void **state)
{
	struct past *past;
	struct past_snap snap;
	struct check c = { 0 };
	struct err err = { 0 };
	struct recall_options o = { .catalog = tx_catalog(),
		.host = { .ctx = &c, .fetch = on_fetch },
		.fetch_ctx = &c };
	struct recall *r;

	(void)state;
	start(rules);
	settle();
	measure("k", "a", 1, 5);
	turns(2);
	after(COMMIT_MS);
	c.past = o.past = past = open_past();
	assert_true(past_snap(past, UINT64_MAX, INT64_MAX, &snap, &err));
	r = recall_new(&o);
	assert_true(recall_load(r, &snap, &err));
	assert_int_equal(recall_run(r, UINT64_MAX, &err), JOURNAL_FAILED);
	assert_string_equal(err.msg, "not there");
	recall_free(r);
	o.host.fetch = NULL;
	r = recall_new(&o);
	assert_true(recall_load(r, &snap, &err));
	assert_int_equal(recall_run(r, UINT64_MAX, &err), JOURNAL_FAILED);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_string_equal(err.msg, "the journal keeps the position of the message of p"
	    " at position 0, not its bytes");
	recall_free(r);
	past_close(past);
}

/* A run that a snapshot holds names a pipeline which no rule file has any more. */
static void pipelines_of_a_snapshot_are_kept(void **state)
{
	(void)state;
	start(rules);
	settle();
	after(7 * 60000);		/* slow runs, and nothing ends it */
	turns(2);
	store_ask_snapshot(tx.store);
	half_an_hour(1);
	EXPECT_SQL("SELECT count(*)>0 FROM run WHERE pipeline='slow'", "1");
	command("abort", COMMAND_ABORT, "slow-1", NULL);
	turns(2);
	turn_reload(tx.turn, rules_of(other_rules), on_answer, (void *)"r");
	turns(3);
	after(COMMIT_MS);
	replay_all(2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tx_setup, tx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_fresh_database_begins_with_the_empty_state),
		TEST(every_snapshot_leads_to_now),
		TEST(what_a_kill_lost_is_not_replayed),
		TEST(a_position_without_its_topic_ends_the_replay),
		TEST(pipelines_of_a_snapshot_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
