/* Reading again by position: librdkafka's simple consumer, one started partition each.
 *
 * Invariant: `next` is the offset that the started partition gives next or skips to; a
 * position behind it, or far ahead, starts the partition anew. */
#include "source/kafka_fetch.h"

#include <glib.h>
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "source/kafka_settings.h"

#define WAIT_MS 30000
#define ASK_MS 10000
#define HEADERS_MAX 1000
#define AHEAD_MAX 100000	/* so many are read over rather than sought */

struct place {
	char		*part;		/* "topic/partition" */
	rd_kafka_topic_t *topic;
	int32_t		 partition;
	int64_t		 next;
	bool		 on;
};
struct kafka_fetch {
	rd_kafka_t	*rk;
	GPtrArray	*places;
	struct place	*last;
};

static void place_free(void *arg)
{
	struct place *p = arg;

	if (p->on)
		rd_kafka_consume_stop(p->topic, p->partition);
	rd_kafka_topic_destroy(p->topic);
	g_free(p->part);
	g_free(p);
}

static bool set_all(rd_kafka_conf_t *conf, const struct kafka_setting *v, uint32_t n,
    struct err *err)
{
	static const struct { const char *name, *value; } own[] = {
		{ "auto.commit.enable", "false" }, { "log.queue", "false" },
		{ "log_level", "0" }, { "queued.max.messages.kbytes", "16384" },
		{ "queued.min.messages", "10000" },
	};
	char why[256] = "";
	bool ok = true;

	for (uint32_t i = 0; ok && i < n; i++)
		ok = rd_kafka_conf_set(conf, v[i].name, v[i].value, why, sizeof(why)) ==
		    RD_KAFKA_CONF_OK;
	for (unsigned i = 0; ok && i < G_N_ELEMENTS(own); i++)
		ok = rd_kafka_conf_set(conf, own[i].name, own[i].value, why,
		    sizeof(why)) == RD_KAFKA_CONF_OK;
	return ok || err_set(err, ERR_USAGE, "kafka: %s", why);
}

struct kafka_fetch *kafka_fetch_new(const struct kafka_options *o, struct str name,
    const char *config_dir, struct err *err)
{
	const struct source_host host = { .config_dir = config_dir,
		.instance = "replay" };
	struct kafka_setting *v;
	rd_kafka_conf_t *conf;
	rd_kafka_t *rk = NULL;
	struct kafka_fetch *f;
	char why[256] = "";
	uint32_t n;

	if (!kafka_settings_build(o, name, &host, &v, &n, err))
		return NULL;
	conf = rd_kafka_conf_new();
	if (set_all(conf, v, n, err) &&
	    !(rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why))))
		err_set(err, ERR_UNAVAILABLE, "kafka: %s", why);
	kafka_settings_free(v, n);
	if (!rk) {
		rd_kafka_conf_destroy(conf);
		return NULL;
	}
	f = g_new0(struct kafka_fetch, 1);
	f->rk = rk;
	f->places = g_ptr_array_new_with_free_func(place_free);
	return f;
}

void kafka_fetch_free(struct kafka_fetch *f)
{
	if (!f)
		return;
	g_ptr_array_free(f->places, TRUE);
	rd_kafka_destroy(f->rk);
	g_free(f);
}

static struct place *place_of(struct kafka_fetch *f, struct str part, struct err *err)
{
	struct place *p;
	char *slash;

	if (f->last && str_is(part, str_of(f->last->part)))
		return f->last;
	for (guint i = 0; i < f->places->len; i++) {
		p = f->places->pdata[i];
		if (str_is(part, str_of(p->part)))
			return f->last = p;
	}
	p = g_new0(struct place, 1);
	p->part = g_strndup(part.p, part.len);
	slash = strrchr(p->part, '/');
	if (slash) {
		*slash = '\0';
		p->topic = rd_kafka_topic_new(f->rk, p->part, NULL);
		*slash = '/';
		p->partition = (int32_t)strtol(slash + 1, NULL, 10);
	}
	if (!p->topic) {
		err_set(err, ERR_CORRUPT, "kafka: '%s' is no partition", p->part);
		g_free(p->part);
		g_free(p);
		return NULL;
	}
	g_ptr_array_add(f->places, p);
	return f->last = p;
}

static bool begin_at(struct place *p, int64_t pos, struct err *err)
{
	if (p->on)
		rd_kafka_consume_stop(p->topic, p->partition);
	p->on = rd_kafka_consume_start(p->topic, p->partition, pos) == 0;
	p->next = pos;
	return p->on || err_set(err, ERR_UNAVAILABLE, "kafka: %s: %s", p->part,
	    rd_kafka_err2str(rd_kafka_last_error()));
}

/* It is not where it was. */
static bool gone(struct kafka_fetch *f, struct place *p, int64_t pos, struct err *err)
{
	int64_t low = 0, high = 0;
	rd_kafka_resp_err_t e = rd_kafka_query_watermark_offsets(f->rk,
	    rd_kafka_topic_name(p->topic), p->partition, &low, &high, ASK_MS);

	rd_kafka_consume_stop(p->topic, p->partition);
	p->on = false;
	if (e)
		return err_set(err, ERR_UNAVAILABLE, "kafka: %s at offset %lld: %s",
		    p->part, (long long)pos, rd_kafka_err2str(e));
	if (pos < low)
		return err_set(err, ERR_NOT_FOUND, "kafka: %s at offset %lld is no longer"
		    " in the topic: retention (it begins at %lld)", p->part,
		    (long long)pos, (long long)low);
	if (pos >= high)
		return err_set(err, ERR_NOT_FOUND, "kafka: %s at offset %lld is not in"
		    " the topic, which ends at %lld: it was made anew", p->part,
		    (long long)pos, (long long)high);
	return err_set(err, ERR_NOT_FOUND, "kafka: %s at offset %lld is no longer in the"
	    " topic: compaction", p->part, (long long)pos);
}

static struct str copy(struct arena *a, const void *p, size_t n)
{
	return arena_str(a, (struct str){ p, (uint32_t)n });
}

static void take_headers(const rd_kafka_message_t *m, struct arena *a,
    struct message *out)
{
	rd_kafka_headers_t *headers;
	struct header *v;
	const char *name;
	const void *value;
	size_t size, n;

	if (rd_kafka_message_headers(m, &headers))
		return;
	n = MIN(rd_kafka_header_cnt(headers), HEADERS_MAX);
	v = ARENA_ARRAY(a, struct header, n);
	for (size_t i = 0; i < n; i++) {
		if (rd_kafka_header_get_all(headers, i, &name, &value, &size))
			break;
		v[i].name = copy(a, name, strlen(name));
		v[i].value = copy(a, value, size);
		if (g_ascii_strcasecmp(name, "content-type") == 0)
			out->content_type = v[i].value;
		out->headers_n++;
	}
	out->headers = v;
}

static void take(const rd_kafka_message_t *m, struct place *p, struct arena *a,
    struct message *out)
{
	const char *topic = rd_kafka_topic_name(p->topic);
	rd_kafka_timestamp_type_t type;
	int64_t ms = rd_kafka_message_timestamp(m, &type);

	out->topic = copy(a, topic, strlen(topic));
	out->key = copy(a, m->key, m->key_len);
	out->body = copy(a, m->payload, m->len);
	if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE)
		out->time_ms = ms;
	take_headers(m, a, out);
	p->next = m->offset + 1;
}

/* 1: taken; 0: one before it; -1: *err. */
static int one(struct kafka_fetch *f, struct place *p, const rd_kafka_message_t *m,
    struct message *out, struct arena *a, struct err *err)
{
	if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF ||
	    m->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE ||
	    m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
	    (!m->err && m->offset > out->pos)) {
		gone(f, p, out->pos, err);
		return -1;
	}
	if (m->err) {
		err_set(err, ERR_UNAVAILABLE, "kafka: %s at offset %lld: %s", p->part,
		    (long long)out->pos, rd_kafka_message_errstr(m));
		return -1;
	}
	if (m->offset < out->pos)
		return 0;
	take(m, p, a, out);
	return 1;
}

bool kafka_fetch_message(struct kafka_fetch *f, struct message *out, struct arena *a,
    struct err *err)
{
	int64_t until = g_get_monotonic_time() + (int64_t)WAIT_MS * 1000;
	struct place *p = place_of(f, out->part, err);
	int rc = 0;

	if (!p || ((!p->on || out->pos < p->next || out->pos > p->next + AHEAD_MAX) &&
	    !begin_at(p, out->pos, err)))
		return false;
	while (rc == 0) {
		rd_kafka_message_t *m = rd_kafka_consume(p->topic, p->partition, 500);

		rd_kafka_poll(f->rk, 0);
		if (m)
			rc = one(f, p, m, out, a, err);
		else if (g_get_monotonic_time() > until)
			return err_set(err, ERR_UNAVAILABLE, "kafka: %s at offset %lld"
			    " did not come within %d s", p->part, (long long)out->pos,
			    WAIT_MS / 1000);
		if (m)
			rd_kafka_message_destroy(m);
	}
	return rc > 0;
}
