/* A kafka source against librdkafka's mock cluster (one broker, topic t with two
 * partitions): whose positions count, what is fetched when, gaps, outages. */
#include "fixture.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <string.h>

#include "source/kafka_settings.h"
#include "source/options.h"

struct cluster {
	rd_kafka_t	*rk;		/* producer and owner of the mock */
	rd_kafka_mock_cluster_t *mock;
	struct str	 broker, topics[2];
	struct kafka_options options;
	struct source_status status;
};

static void cluster_init(struct cluster *c)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[200];

	rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", why, sizeof(why));
	c->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	assert_non_null(c->rk);
	c->mock = rd_kafka_handle_mock_cluster(c->rk);
	assert_int_equal(rd_kafka_mock_topic_create(c->mock, "t", 2, 1), 0);
	c->broker = str_of(rd_kafka_mock_cluster_bootstraps(c->mock));
	c->topics[0] = STR("t");
	c->options = (struct kafka_options){
		.common = { .journal = JOURNAL_REF }, .brokers = { &c->broker, 1 },
		.topics = { c->topics, 1 }, .start = START_BEGIN, .security = 1,
		.discovery_ms = 1000,
	};
}

static void produce_to(struct cluster *c, const char *topic, int32_t partition,
    const char *value)
{
	assert_int_equal(
	    rd_kafka_producev(c->rk, RD_KAFKA_V_TOPIC(topic),
		RD_KAFKA_V_PARTITION(partition),
		RD_KAFKA_V_VALUE((void *)(uintptr_t)value, strlen(value)),
		RD_KAFKA_V_KEY("k", 1), RD_KAFKA_V_HEADER("content-type", "text/x", -1),
		RD_KAFKA_V_TIMESTAMP(1234567890123),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
	    0);
	assert_int_equal(rd_kafka_flush(c->rk, 10000), 0);
}

static void produce(struct cluster *c, int32_t partition, const char *value)
{
	produce_to(c, "t", partition, value);
}

static const struct source_status *status_of(struct fixture *fx)
{
	struct cluster *c = fx->own;

	fx->source->impl->status(fx->source, &c->status);
	return &c->status;
}

static void run(struct fixture *fx, struct cluster *c, void (*body)(struct fixture *),
    GHashTable *stored)
{
	fx_init(fx, body, c);
	fx_open(fx, &source_kafka, &c->options);
	fx_start(fx, stored);
	fx_run(fx);
	fx_fini(fx);
	rd_kafka_destroy(c->rk);
}

static GHashTable *stored_at(const char *part, const char *position)
{
	GHashTable *t = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
	    (GDestroyNotify)g_bytes_unref);

	g_hash_table_insert(t, (void *)(uintptr_t)part,
	    g_bytes_new(position, strlen(position)));
	return t;
}

static void begin_body(struct fixture *fx)
{
	BEGIN(fx)
	WAIT(fx, strstr(fx->states->str, "up "));
	SETTLE(fx);
	assert_int_equal(fx_turn(fx), 0);	/* nothing is asked for yet */
	assert_string_equal(fx_stored(fx, "t/0"), "");
	fx_commit(fx);
	assert_string_equal(fx_stored(fx, "t/0"), "0");
	assert_string_equal(fx_stored(fx, "t/1"), "0");
	WAIT(fx, (fx->ready ? fx_turn(fx) : 0, fx->bodies->len >= 8));
	assert_string_equal(fx->bodies->str, "one;two;");
	assert_string_equal(fx_stored(fx, "t/0"), "0");
	fx_commit(fx);
	assert_string_equal(fx_stored(fx, "t/0"), "2");
	WAIT(fx, (fx_step(fx), strstr(fx->states->str, "up caught_up ")));
	assert_int_equal(status_of(fx)->lag, 0);
	DONE(fx)
}

static void the_first_position_is_stored_before_the_first_fetch(void **state)
{
	struct fixture fx;
	struct cluster c;

	(void)state;
	cluster_init(&c);
	produce(&c, 0, "one");
	produce(&c, 0, "two");
	run(&fx, &c, begin_body, NULL);
}

static void message_body(struct fixture *fx)
{
	const struct message *m = &fx->messages[0];

	BEGIN(fx)
	WAIT(fx,
	    (fx_commit(fx), fx->ready) &&
		fx->source->impl->read(fx->source, &fx->batch, 1) && fx->batch.n == 1);
	assert_int_equal(m->source, 7);
	assert_true(str_is(m->part, STR("t/1")) && str_is(m->topic, STR("t")));
	assert_true(str_is(m->key, STR("k")) && str_is(m->body, STR("one")));
	assert_true(m->pos == 0 && m->time_ms == 1234567890123);
	assert_true(str_is(m->content_type, STR("text/x")) && m->headers_n == 1);
	fx->source->impl->release(fx->source);
	DONE(fx)
}

static void a_message_carries_its_record(void **state)
{
	struct fixture fx;
	struct cluster c;

	(void)state;
	cluster_init(&c);
	produce(&c, 1, "one");
	run(&fx, &c, message_body, NULL);
}

static void end_body(struct fixture *fx)
{
	struct cluster *c = fx->own;

	BEGIN(fx)
	WAIT(fx, (fx_step(fx), strcmp(fx_stored(fx, "t/0"), "2") == 0));
	produce(c, 0, "three");
	WAIT(fx, (fx_step(fx), fx->bodies->len > 0));
	assert_string_equal(fx->bodies->str, "three;");
	assert_string_equal(fx_stored(fx, "t/0"), "3");
	DONE(fx)
}

static void start_end_reads_what_comes_later(void **state)
{
	struct fixture fx;
	struct cluster c;

	(void)state;
	cluster_init(&c);
	produce(&c, 0, "one");
	produce(&c, 0, "two");
	c.options.start = START_END;
	run(&fx, &c, end_body, NULL);
}

static void resume_body(struct fixture *fx)
{
	BEGIN(fx)
	WAIT(fx, (fx_step(fx), fx->bodies->len >= 10));
	assert_non_null(strstr(fx->bodies->str, "two;"));
	assert_non_null(strstr(fx->bodies->str, "other;"));
	assert_null(strstr(fx->bodies->str, "one;"));
	DONE(fx)
}

/* Partition 1 has no position while 0 has one: it was added since, so all of it counts
 * although the option says end. */
static void stored_positions_go_on_and_new_partitions_begin_at_their_start(void **state)
{
	struct fixture fx;
	struct cluster c;
	GHashTable *stored = stored_at("t/0", "1");

	(void)state;
	cluster_init(&c);
	produce(&c, 0, "one");
	produce(&c, 0, "two");
	produce(&c, 1, "other");
	c.options.start = START_END;
	run(&fx, &c, resume_body, stored);
	g_hash_table_destroy(stored);
}

static void range_body(struct fixture *fx)
{
	BEGIN(fx)
	WAIT(fx, (fx_step(fx), status_of(fx)->gaps == 1));
	assert_non_null(strstr(status_of(fx)->detail, "stopped at t/0: offset 99"));
	WAIT(fx, (fx_step(fx), strcmp(fx->bodies->str, "other;") == 0));
	assert_string_equal(fx_stored(fx, "t/0"), "");	/* 99 as before: never moved */
	DONE(fx)
}

static void a_position_that_is_gone_stops_its_partition_alone(void **state)
{
	struct fixture fx;
	struct cluster c;
	GHashTable *stored = stored_at("t/0", "99");

	(void)state;
	cluster_init(&c);
	produce(&c, 0, "one");
	produce(&c, 1, "other");
	run(&fx, &c, range_body, stored);
	g_hash_table_destroy(stored);
}

static void outage_body(struct fixture *fx)
{
	struct cluster *c = fx->own;

	BEGIN(fx)
	SETTLE(fx);
	assert_string_equal(fx->states->str, "");	/* down at start: nothing fails */
	WAIT(fx, strncmp(status_of(fx)->detail, "not connected", 13) != 0);
	assert_false(status_of(fx)->connected);
	rd_kafka_mock_broker_set_up(c->mock, 1);
	WAIT(fx, (fx_step(fx), strstr(fx->states->str, "up caught_up ")));
	rd_kafka_mock_broker_set_down(c->mock, 1);
	WAIT(fx, (fx_step(fx), strstr(fx->states->str, "caught_up down ")));
	rd_kafka_mock_broker_set_up(c->mock, 1);
	produce(c, 0, "after");
	WAIT(fx, (fx_step(fx), strstr(fx->states->str, "down up caught_up ")));
	WAIT(fx, (fx_step(fx), strcmp(fx->bodies->str, "after;") == 0));
	assert_int_equal(status_of(fx)->reconnects, 1);
	DONE(fx)
}

static void an_outage_is_seen_and_got_over(void **state)
{
	struct fixture fx;
	struct cluster c;

	(void)state;
	cluster_init(&c);
	rd_kafka_mock_broker_set_down(c.mock, 1);
	run(&fx, &c, outage_body, NULL);
}

static void late_topic_body(struct fixture *fx)
{
	struct cluster *c = fx->own;

	BEGIN(fx)
	WAIT(fx, (fx_step(fx), strcmp(fx_stored(fx, "u"), "absent") == 0));
	WAIT(fx, (fx_step(fx), strstr(fx->states->str, "caught_up ")));
	produce(c, 0, "one");
	WAIT(fx, (fx_step(fx), strcmp(fx->bodies->str, "one;") == 0));
	rd_kafka_mock_topic_set_error(c->mock, "u", 0);
	produce_to(c, "u", 0, "first");
	/* Only what on_state() or messages ask for is committed. */
	g_string_truncate(fx->states, 0);
	WAIT(fx, (fx->ready ? fx_turn(fx) : 0, strcmp(fx->states->str, "up ") == 0));
	fx_commit(fx);
	assert_string_equal(fx_stored(fx, "u/0"), "0");
	WAIT(fx, (fx_step(fx), strcmp(fx->bodies->str, "one;first;") == 0));
	DONE(fx)
}

/* It appears while we run, so nothing of it may be skipped although the option says
 * end; the other topic goes on where it was. */
static void a_topic_that_appears_later_is_read_from_its_first_message(void **state)
{
	struct fixture fx;
	struct cluster c;

	(void)state;
	cluster_init(&c);
	assert_int_equal(rd_kafka_mock_topic_create(c.mock, "u", 1, 1), 0);
	rd_kafka_mock_topic_set_error(
	    c.mock, "u", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	c.topics[1] = STR("u");
	c.options.topics.n = 2;
	c.options.start = START_END;
	run(&fx, &c, late_topic_body, NULL);
}

static const char *setting(const struct kafka_setting *v, uint32_t n, const char *name)
{
	const char *last = "";

	for (uint32_t i = 0; i < n; i++)
		if (strcmp(v[i].name, name) == 0)
			last = v[i].value;
	return last;
}

/* The last of a name wins in librdkafka: ours before the user's, the fixed ones last. */
static void settings_are_layered_and_accepted(void **state)
{
	static struct yaml key = { .kind = YAML_SCALAR,
		.scalar = { "fetch.wait.max.ms", 17 } };
	static struct yaml value = { .kind = YAML_SCALAR, .scalar = { "77", 2 } };
	struct yaml_pair pair = { &key, &value };
	struct yaml map = { .kind = YAML_MAP, .pairs = &pair, .n = 1 };
	struct str broker = STR("h:1"), topic = STR("t");
	struct kafka_options o = {
		.brokers = { &broker, 1 }, .topics = { &topic, 1 }, .security = 4,
		.mechanism = STR("SCRAM-SHA-256"), .user = STR("joe"), .properties = &map,
		.password = { SECRET_ENV, STR("SOURCE_TEST_PASSWORD") },
	};
	struct source_host host = { .config_dir = "/", .instance = "i" };
	struct kafka_setting *v;
	struct err err = { 0 };
	uint32_t n;

	(void)state;
	g_setenv("SOURCE_TEST_PASSWORD", "secret", true);
	assert_true(kafka_settings_build(&o, STR("s"), &host, &v, &n, &err));
	assert_string_equal(setting(v, n, "fetch.wait.max.ms"), "77");
	assert_string_equal(setting(v, n, "security.protocol"), "sasl_ssl");
	assert_string_equal(setting(v, n, "sasl.password"), "secret");
	assert_string_equal(setting(v, n, "client.id"), "retraind-i-s");
	assert_string_equal(setting(v, n, "enable.auto.commit"), "false");
	assert_string_equal(setting(v, n, "enable.auto.offset.store"), "false");
	assert_string_equal(setting(v, n, "auto.offset.reset"), "error");
	assert_string_equal(setting(v, n, "check.crcs"), "true");
	assert_string_equal(setting(v, n, "allow.auto.create.topics"), "false");
	assert_true(kafka_settings_check(v, n, &err));
	kafka_settings_free(v, n);
	value.scalar = STR("soon");
	assert_true(kafka_settings_build(&o, STR("s"), &host, &v, &n, &err));
	assert_false(kafka_settings_check(v, n, &err));
	assert_non_null(strstr(err.msg, "fetch.wait.max.ms"));
	kafka_settings_free(v, n);
	o.ca = STR("no-such-file.pem");
	assert_false(kafka_settings_build(&o, STR("s"), &host, &v, &n, &err));
	assert_true(strncmp(err.msg, "ca: ", 4) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_are_layered_and_accepted),
		cmocka_unit_test(the_first_position_is_stored_before_the_first_fetch),
		cmocka_unit_test(a_message_carries_its_record),
		cmocka_unit_test(start_end_reads_what_comes_later),
		cmocka_unit_test(
		    stored_positions_go_on_and_new_partitions_begin_at_their_start),
		cmocka_unit_test(a_position_that_is_gone_stops_its_partition_alone),
		cmocka_unit_test(
		    a_topic_that_appears_later_is_read_from_its_first_message),
		cmocka_unit_test(an_outage_is_seen_and_got_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
