/* A Kafka consumer handle.
 *
 * Invariants
 *   (1) A job makes the client in its own memory and hands it over at its end; from
 *       then on both threads call librdkafka, which allows it.  A close waits for the
 *       job that is out, and destroys on the helper.
 *   (2) Consuming happens on the loop alone, with timeout 0.  Log lines and errors
 *       come through the same queue (log.queue), so callbacks run on the loop too.
 *   (3) The wake descriptor is a non-blocking pipe: librdkafka writes to it from its
 *       threads and must never wait (librdkafka issue 2932).
 */
#include "io/kafka.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "io/log.h"
#include "io/loop.h"
#include "io/pool.h"

#define ASK_MS 2000	/* longest hold of the helper per question */

struct client {
	rd_kafka_t	*rk;
	rd_kafka_queue_t *queue;
};

struct kafka {
	struct kafka_host host;
	char		*label;
	struct kafka_setting *settings;
	uint32_t	 settings_n;
	struct client	 client;	/* empty until the first survey made it */
	struct io_watch	*watch;
	int		 wake[2];
	bool		 job_out, closing;
	char		 trouble[256];	/* the last error told: why brokers are down */
};

struct survey_job {
	struct kafka	*k;
	struct client	 client;
	char		**topics;	/* NULL-terminated */
	bool		 ends;
	struct kafka_survey out;
};

void kafka_settings_free(struct kafka_setting *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (v[i].value)
			explicit_bzero(v[i].value, strlen(v[i].value));
		g_free(v[i].value);
		g_free(v[i].name);
	}
	g_free(v);
}

static rd_kafka_conf_t *conf_of(const struct kafka_setting *v, uint32_t n, char *why,
    size_t why_size)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	for (uint32_t i = 0; i < n; i++)
		if (rd_kafka_conf_set(conf, v[i].name, v[i].value, why, why_size)) {
			rd_kafka_conf_destroy(conf);
			return NULL;
		}
	return conf;
}

bool kafka_settings_check(const struct kafka_setting *v, uint32_t n, struct err *err)
{
	char why[256] = "";
	rd_kafka_conf_t *conf = conf_of(v, n, why, sizeof(why));

	if (!conf)
		return err_set(err, ERR_USAGE, "%s", why);
	rd_kafka_conf_destroy(conf);
	return true;
}

static void on_log(
    const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	const struct kafka *k = rd_kafka_opaque(rk);

	/* What matters comes through on_error() and the survey, once and not per try. */
	log_debug("%s: kafka client (%d): %s: %s", k->label, level, facility, text);
}

static void on_error(rd_kafka_t *rk, int code, const char *text, void *opaque)
{
	struct kafka *k = opaque;

	(void)rk;
	log_debug("%s: kafka client: %s: %s", k->label, rd_kafka_err2name(code), text);
	if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		g_strlcpy(k->trouble, text, sizeof(k->trouble));
	else if (!k->closing)
		k->host.on_down(k->host.ctx, k->trouble[0] ? k->trouble : text);
}

/* Makes the client; on the helper, because TLS files and names are read here. */
static bool client_make(struct kafka *k, struct client *c, char *why, size_t why_size)
{
	rd_kafka_conf_t *conf = conf_of(k->settings, k->settings_n, why, why_size);

	if (!conf)
		return false;
	rd_kafka_conf_set_opaque(conf, k);
	rd_kafka_conf_set_log_cb(conf, on_log);
	rd_kafka_conf_set_error_cb(conf, on_error);
	c->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, why_size);
	if (!c->rk) {
		rd_kafka_conf_destroy(conf);
		return false;
	}
	rd_kafka_set_log_queue(c->rk, NULL);
	rd_kafka_poll_set_consumer(c->rk);
	c->queue = rd_kafka_queue_get_consumer(c->rk);
	rd_kafka_queue_io_event_enable(c->queue, k->wake[1], "1", 1);
	return true;
}

static bool survey_fail(
    struct kafka_survey *s, const char *what, rd_kafka_resp_err_t code)
{
	g_snprintf(s->why, sizeof(s->why), "%s: %s", what, rd_kafka_err2str(code));
	return false;
}

static bool survey_topic(struct survey_job *job, const char *name, struct kafka_topic *t)
{
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(job->client.rk, name, NULL);
	const struct rd_kafka_metadata *meta = NULL;
	rd_kafka_resp_err_t code =
	    rd_kafka_metadata(job->client.rk, 0, rkt, &meta, ASK_MS);

	t->name = g_strdup(name);
	if (code == 0 && meta->topic_cnt == 1) {
		code = meta->topics[0].err;
		t->n = meta->topics[0].partition_cnt;
	}
	if (meta)
		rd_kafka_metadata_destroy(meta);
	rd_kafka_topic_destroy(rkt);
	if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || (code == 0 && t->n == 0)) {
		t->missing = true;
		t->n = 0;
		return true;
	}
	if (code)
		return survey_fail(&job->out, name, code);
	if (!job->ends)
		return true;
	t->low = g_new0(int64_t, t->n);
	t->high = g_new0(int64_t, t->n);
	for (int32_t i = 0; i < t->n; i++) {
		code = rd_kafka_query_watermark_offsets(
		    job->client.rk, name, i, &t->low[i], &t->high[i], ASK_MS);
		if (code)
			return survey_fail(&job->out, name, code);
	}
	return true;
}

/* On the helper. */
static void *survey_run(void *arg)
{
	struct survey_job *job = arg;
	struct kafka_survey *out = &job->out;
	char *cluster;

	if (!job->client.rk &&
	    !client_make(job->k, &job->client, out->why, sizeof(out->why)))
		return job;
	out->n = g_strv_length(job->topics);
	out->topics = g_new0(struct kafka_topic, out->n);
	for (uint32_t i = 0; i < out->n; i++)
		if (!survey_topic(job, job->topics[i], &out->topics[i]))
			return job;
	cluster = rd_kafka_clusterid(job->client.rk, ASK_MS);
	out->cluster = g_strdup(cluster);
	if (cluster)
		rd_kafka_mem_free(job->client.rk, cluster);
	out->ok = true;
	return job;
}

static void survey_free(struct survey_job *job)
{
	for (uint32_t i = 0; i < job->out.n; i++) {
		g_free(job->out.topics[i].name);
		g_free(job->out.topics[i].low);
		g_free(job->out.topics[i].high);
	}
	g_free(job->out.topics);
	g_free(job->out.cluster);
	g_strfreev(job->topics);
	g_free(job);
}

/* On the helper, or on the loop when the daemon ends. */
static void *client_end(void *arg)
{
	struct kafka *k = arg;

	if (k->client.rk) {
		rd_kafka_queue_io_event_enable(k->client.queue, -1, NULL, 0);
		rd_kafka_queue_destroy(k->client.queue);
		rd_kafka_destroy_flags(
		    k->client.rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
		k->client.rk = NULL;
	}
	return k;
}

static void on_ended(void *ctx, void *ret)
{
	struct kafka *k = ctx;

	if (!ret)	/* the helper is gone and has not run it */
		client_end(k);
	close(k->wake[0]);
	close(k->wake[1]);
	kafka_settings_free(k->settings, k->settings_n);
	g_free(k->label);
	g_free(k);
}

static void end(struct kafka *k)
{
	if (!pool_run(k->host.helper, client_end, on_ended, k, k))
		on_ended(k, NULL);
}

static void on_surveyed(void *ctx, void *ret)
{
	struct survey_job *job = ctx;
	struct kafka *k = job->k;

	k->job_out = false;
	k->client = job->client;
	if (!ret)
		g_strlcpy(job->out.why, "stopping", sizeof(job->out.why));
	if (k->closing) {
		end(k);
	} else {
		/* A wake-up from before the hand-over had nobody to read for. */
		k->host.on_readable(k->host.ctx);
		if (!job->out.ok && k->trouble[0])
			g_strlcpy(job->out.why, k->trouble, sizeof(job->out.why));
		k->host.on_survey(k->host.ctx, &job->out);
	}
	survey_free(job);
}

bool kafka_survey(struct kafka *k, const char *const *topics, uint32_t n, bool ends)
{
	struct survey_job *job;

	if (k->job_out || k->closing)
		return false;
	job = g_new0(struct survey_job, 1);
	job->k = k;
	job->client = k->client;
	job->ends = ends;
	job->topics = g_new0(char *, n + 1);
	for (uint32_t i = 0; i < n; i++)
		job->topics[i] = g_strdup(topics[i]);
	k->job_out = pool_run(k->host.helper, survey_run, on_surveyed, job, job);
	if (!k->job_out)
		survey_free(job);
	return k->job_out;
}

static void on_wake(void *ctx, int events)
{
	struct kafka *k = ctx;
	char sink[64];

	(void)events;
	while (read(k->wake[0], sink, sizeof(sink)) == (ssize_t)sizeof(sink))
		;
	k->host.on_readable(k->host.ctx);
}

struct kafka *kafka_new(const struct kafka_host *host, struct kafka_setting *settings,
    uint32_t n)
{
	struct kafka *k = g_new0(struct kafka, 1);

	k->host = *host;
	k->label = g_strdup(host->label);
	k->host.label = k->label;
	k->settings = settings;
	k->settings_n = n;
	if (pipe2(k->wake, O_CLOEXEC | O_NONBLOCK) != 0)
		g_error("no descriptors left: pipe: %s", g_strerror(errno));
	k->watch = loop_fd(host->loop, k->wake[0], IO_READ, on_wake, k);
	return k;
}

bool kafka_assign(struct kafka *k, const rd_kafka_topic_partition_list_t *list,
    struct err *err)
{
	rd_kafka_resp_err_t code = rd_kafka_assign(k->client.rk, list);

	return code == 0 || err_set(err, ERR_UNAVAILABLE, "%s", rd_kafka_err2str(code));
}

uint32_t kafka_read(struct kafka *k, rd_kafka_message_t **v, uint32_t n)
{
	ssize_t got;

	if (!k->client.queue || n == 0)
		return 0;
	got = rd_kafka_consume_batch_queue(k->client.queue, 0, v, n);
	return got > 0 ? (uint32_t)got : 0;
}

int64_t kafka_high(struct kafka *k, const char *topic, int32_t partition)
{
	int64_t low = -1, high = -1;

	if (!k->client.queue ||
	    rd_kafka_get_watermark_offsets(k->client.rk, topic, partition, &low, &high))
		return -1;
	return high;
}

void kafka_report(struct kafka *k, const rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_resp_err_t code = rd_kafka_commit(k->client.rk, list, 1);

	if (code)
		log_debug("%s: positions not reported: %s", k->label,
		    rd_kafka_err2str(code));
}

void kafka_close(struct kafka *k)
{
	if (!k)
		return;
	k->closing = true;
	io_watch_free(k->watch);
	k->watch = NULL;
	if (!k->job_out)
		end(k);
}
