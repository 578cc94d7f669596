/* A Kafka topic from a place to its end: a plain consumer with assign, no group, nothing
 * committed.  The ends are asked for first, so that a topic which is written to meanwhile
 * comes to an end all the same. */
#include <stdio.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

#include "base/arena.h"
#include "cmd/retrainctl/recorded.h"
#include "source/options.h"

#define ASK_MS 10000
#define IDLE_MS 30000

struct topic {
	rd_kafka_t	*rk;
	rd_kafka_topic_partition_list_t *from;	/* where each partition begins */
	int64_t		*end;		/* offset behind the last, by place in `from` */
	int64_t		*at;
	uint64_t	 all, read;
	rd_kafka_message_t *lent, **head;	/* head: of each partition */
	rd_kafka_queue_t **queue;
	struct arena	*arena;
	struct event_format *format;	/* where no source is configured */
	uint32_t	 source;	/* of the configuration, with its `map:`; or 0 */
	char		*name, part[32];
};

static bool failed(struct err *err, const char *what, const char *why)
{
	return err_set(err, ERR_UNAVAILABLE, "kafka: %s: %s", what, why);
}

static bool find_ends(struct topic *t, const char *topic, int64_t from_ms,
    struct err *err)
{
	const struct rd_kafka_metadata *md = NULL;
	rd_kafka_topic_t *handle = rd_kafka_topic_new(t->rk, topic, NULL);
	rd_kafka_resp_err_t e = rd_kafka_metadata(t->rk, 0, handle, &md, ASK_MS);
	int n = !e && md->topic_cnt ? md->topics[0].partition_cnt : 0;

	if (!e && md->topic_cnt)
		e = md->topics[0].err;
	if (!e && n) {
		t->from = rd_kafka_topic_partition_list_new(n);
		t->end = g_new0(int64_t, n);
		t->at = g_new0(int64_t, n);
		t->head = g_new0(rd_kafka_message_t *, n);
		t->queue = g_new0(rd_kafka_queue_t *, n);
	}
	for (int i = 0; !e && i < n; i++) {
		int64_t low = 0, high = 0;

		e = rd_kafka_query_watermark_offsets(t->rk, topic, i, &low, &high,
		    ASK_MS);
		rd_kafka_topic_partition_list_add(t->from, topic, i)->offset =
		    from_ms == TIME_NONE ? low : from_ms;
		t->end[i] = high;
		t->at[i] = low;
	}
	if (!e && n && from_ms != TIME_NONE)
		e = rd_kafka_offsets_for_times(t->rk, t->from, ASK_MS);
	for (int i = 0; !e && i < n; i++) {
		int64_t *offset = &t->from->elems[i].offset;

		if (*offset < 0)	/* no record that late */
			*offset = t->end[i];
		t->at[i] = *offset;
		t->all += (uint64_t)MAX(t->end[i] - *offset, 0);
	}
	if (md)
		rd_kafka_metadata_destroy(md);
	rd_kafka_topic_destroy(handle);
	if (!e && !n)
		return failed(err, topic, "no such topic");
	return !e || failed(err, topic, rd_kafka_err2str(e));
}

static void to_item(struct topic *t, const rd_kafka_message_t *m, struct sim_item *ret)
{
	rd_kafka_timestamp_type_t type;
	int64_t ms = rd_kafka_message_timestamp(m, &type);

	snprintf(t->part, sizeof(t->part), "%d", m->partition);
	*ret = (struct sim_item){ .format = t->source ? NULL : t->format, .message = {
		.time_ms = MAX(ms, 0),
		.source = t->source, .origin = { "kafka", 5 }, .topic = str_of(t->name),
		.part = str_of(t->part), .pos = m->offset,
		.key = { m->key, (uint32_t)m->key_len },
		.body = { m->payload, (uint32_t)m->len } } };
}

static int64_t time_of(const rd_kafka_message_t *m)
{
	rd_kafka_timestamp_type_t type;

	return rd_kafka_message_timestamp(m, &type);
}

/* The partition's next message into head[i]; false: *err. */
static bool fill(struct topic *t, int i, struct err *err)
{
	for (int waited = 0; !t->head[i] && t->at[i] < t->end[i];) {
		rd_kafka_message_t *m = rd_kafka_consume_queue(t->queue[i], 500);

		rd_kafka_poll(t->rk, 0);
		if (!m && (waited += 500) >= IDLE_MS)
			return failed(err, t->name, "nothing came for 30s");
		if (!m)
			continue;
		if (m->err && m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
			failed(err, t->name, rd_kafka_message_errstr(m));
			rd_kafka_message_destroy(m);
			return false;
		}
		/* the end may lie behind what a transaction leaves unreadable */
		t->at[i] = m->err ? t->end[i] : m->offset + 1;
		if (m->err || m->offset >= t->end[i])
			rd_kafka_message_destroy(m);
		else
			t->head[i] = m;
	}
	return true;
}

/* The oldest of the partitions' next messages: in the order of time, as they came. */
static int next(void *ctx, struct sim_item *ret, struct err *err)
{
	struct topic *t = ctx;
	int best = -1;

	if (t->lent)
		rd_kafka_message_destroy(t->lent);
	t->lent = NULL;
	for (int i = 0; i < t->from->cnt; i++) {
		if (!fill(t, i, err))
			return -1;
		if (t->head[i] && (best < 0 ||
		    time_of(t->head[i]) < time_of(t->head[best])))
			best = i;
	}
	if (best < 0)
		return 0;
	t->lent = t->head[best];
	t->head[best] = NULL;
	t->read++;
	to_item(t, t->lent, ret);
	return 1;
}

static bool assign(struct topic *t, struct err *err)
{
	rd_kafka_resp_err_t e = rd_kafka_assign(t->rk, t->from);

	for (int i = 0; !e && i < t->from->cnt; i++) {
		t->at[i] = t->from->elems[i].offset;
		t->queue[i] = rd_kafka_queue_get_partition(t->rk, t->name, i);
		rd_kafka_queue_forward(t->queue[i], NULL);
	}
	t->read = 0;
	return !e || failed(err, t->name, rd_kafka_err2str(e));
}

static void let_go(struct topic *t)
{
	if (t->lent)
		rd_kafka_message_destroy(t->lent);
	t->lent = NULL;
	for (int i = 0; t->from && i < t->from->cnt; i++) {
		if (t->head[i])
			rd_kafka_message_destroy(t->head[i]);
		if (t->queue[i])
			rd_kafka_queue_destroy(t->queue[i]);
		t->head[i] = NULL;
		t->queue[i] = NULL;
	}
}

static bool rewind_topic(void *ctx, struct err *err)
{
	struct topic *t = ctx;

	let_go(t);
	rd_kafka_assign(t->rk, NULL);
	return assign(t, err);
}

static double done(void *ctx)
{
	const struct topic *t = ctx;

	return t->all ? (double)t->read / (double)t->all : 1;
}

static void free_topic(struct topic *t)
{
	let_go(t);
	if (t->rk) {
		rd_kafka_consumer_close(t->rk);
		rd_kafka_destroy(t->rk);
	}
	if (t->from)
		rd_kafka_topic_partition_list_destroy(t->from);
	arena_free(t->arena);
	g_free(t->end);
	g_free(t->head);
	g_free(t->queue);
	g_free(t->at);
	g_free(t->name);
	g_free(t);
}

static void close_topic(struct recorded *r)
{
	free_topic(r->ctx);
}

/* The kafka source of the configuration that has the topic: its brokers, its map. */
static const struct config_instance *configured(const struct config *c, const char *topic)
{
	for (uint32_t i = 0; i < c->instances_n; i++) {
		const struct config_instance *in = &c->instances[i];
		const struct kafka_options *o = in->options;

		if (strcmp(in->kind->name, "kafka") != 0)
			continue;
		for (uint32_t k = 0; k < o->topics.n; k++)
			if (str_is(o->topics.v[k], str_of(topic)))
				return in;
	}
	return NULL;
}

static char *broker_list(const struct config_instance *in)
{
	const struct kafka_options *o = in->options;
	GString *s = g_string_new(NULL);

	for (uint32_t i = 0; i < o->brokers.n; i++)
		g_string_append_printf(s, "%s%.*s", i ? "," : "",
		    STR_ARG(o->brokers.v[i]));
	return g_string_free(s, FALSE);
}

/* CloudEvents, and JSON that is none: type = topic. */
static struct event_format *plain_format(struct arena *a)
{
	const struct text none = { STR(""), STR("") };
	struct diags *d = diags_new(&none, 1);
	struct event_format *f = event_format_build(STR(""), NULL, NULL, a, d);

	diags_free(d);
	return f;
}

bool recorded_kafka(struct recorded *r, const char *topic, const char *given,
    struct err *err)
{
	const struct config_instance *in = configured(r->config, topic);
	g_autofree char *brokers = given ? g_strdup(given) : in ? broker_list(in) : NULL;
	struct topic *t = g_new0(struct topic, 1);
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256] = "";
	bool ok = brokers != NULL;

	t->arena = arena_new(0);
	t->format = plain_format(t->arena);
	t->name = g_strdup(topic);
	if (in) {
		t->source = in->id;
		r->catalog = &r->config->catalog;
	}
	if (!ok)
		err_set(err, ERR_USAGE, "no kafka source of the configuration has the"
		    " topic '%s': --brokers HOST:PORT says where it is", topic);
	ok = ok && rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why,
	    sizeof(why)) == RD_KAFKA_CONF_OK;
	ok = ok && rd_kafka_conf_set(conf, "group.id", "retrainctl-backtest", why,
	    sizeof(why)) == RD_KAFKA_CONF_OK;
	ok = ok && rd_kafka_conf_set(conf, "enable.auto.commit", "false", why,
	    sizeof(why)) == RD_KAFKA_CONF_OK;
	ok = ok && rd_kafka_conf_set(conf, "check.crcs", "true", why,
	    sizeof(why)) == RD_KAFKA_CONF_OK;
	if (ok && !(t->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why))))
		ok = failed(err, brokers, why);
	if (!t->rk)
		rd_kafka_conf_destroy(conf);
	ok = ok && find_ends(t, topic, r->from_ms, err) && assign(t, err);
	if (!ok) {
		free_topic(t);
		return false;
	}
	r->ctx = t;
	r->close = close_topic;
	r->iter = (struct sim_iter){ .next = next, .rewind = rewind_topic, .done = done,
		.ctx = t };
	return true;
}
