/* A Kafka topic from a place to its end: a plain consumer with assign, no group, nothing
 * committed.  The ends are asked for first, so that a topic which is written to meanwhile
 * comes to an end all the same. */
#include <stdio.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

#include "cmd/retrainctl/recorded.h"

#define ASK_MS 10000
#define IDLE_MS 30000

struct topic {
	rd_kafka_t	*rk;
	rd_kafka_topic_partition_list_t *from;	/* where each partition begins */
	int64_t		*end;		/* offset behind the last, by place in `from` */
	int64_t		*at;
	uint64_t	 all, read;
	rd_kafka_message_t *lent;
	struct event_format *format;
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

static bool at_end(const struct topic *t)
{
	for (int i = 0; i < t->from->cnt; i++)
		if (t->at[i] < t->end[i])
			return false;
	return true;
}

static void to_item(struct topic *t, const rd_kafka_message_t *m, struct sim_item *ret)
{
	rd_kafka_timestamp_type_t type;
	int64_t ms = rd_kafka_message_timestamp(m, &type);

	snprintf(t->part, sizeof(t->part), "%d", m->partition);
	*ret = (struct sim_item){ .time_ms = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ?
	    TIME_NONE : ms, .format = t->format, .message = {
		.origin = { "kafka", 5 }, .topic = str_of(t->name),
		.part = str_of(t->part), .pos = m->offset,
		.key = { m->key, (uint32_t)m->key_len },
		.body = { m->payload, (uint32_t)m->len } } };
}

static int next(void *ctx, struct sim_item *ret, struct err *err)
{
	struct topic *t = ctx;

	for (int idle = 0; !at_end(t); ) {
		if (t->lent)
			rd_kafka_message_destroy(t->lent);
		t->lent = rd_kafka_consumer_poll(t->rk, 1000);
		if (!t->lent && (idle += 1000) >= IDLE_MS) {
			failed(err, t->name, "nothing came for 30s");
			return -1;
		}
		if (!t->lent || t->lent->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			continue;
		if (t->lent->err) {
			failed(err, t->name, rd_kafka_message_errstr(t->lent));
			return -1;
		}
		idle = 0;
		t->at[t->lent->partition] = t->lent->offset + 1;
		if (t->lent->offset >= t->end[t->lent->partition])
			continue;
		t->read++;
		to_item(t, t->lent, ret);
		return 1;
	}
	return 0;
}

static bool assign(struct topic *t, struct err *err)
{
	rd_kafka_resp_err_t e = rd_kafka_assign(t->rk, t->from);

	for (int i = 0; i < t->from->cnt; i++)
		t->at[i] = t->from->elems[i].offset;
	t->read = 0;
	return !e || failed(err, t->name, rd_kafka_err2str(e));
}

static bool rewind_topic(void *ctx, struct err *err)
{
	struct topic *t = ctx;

	if (t->lent)
		rd_kafka_message_destroy(t->lent);
	t->lent = NULL;
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
	if (t->lent)
		rd_kafka_message_destroy(t->lent);
	if (t->rk) {
		rd_kafka_consumer_close(t->rk);
		rd_kafka_destroy(t->rk);
	}
	if (t->from)
		rd_kafka_topic_partition_list_destroy(t->from);
	g_free(t->end);
	g_free(t->at);
	g_free(t->name);
	g_free(t);
}

static void close_topic(struct recorded *r)
{
	free_topic(r->ctx);
}

bool recorded_kafka(struct recorded *r, const char *topic, const char *brokers,
    struct err *err)
{
	struct topic *t = g_new0(struct topic, 1);
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256] = "";
	bool ok = brokers != NULL;

	t->name = g_strdup(topic);
	if (!ok)
		err_set(err, ERR_USAGE, "--from-kafka needs --brokers HOST:PORT");
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
