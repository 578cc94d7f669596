/* The bare consumer: librdkafka's batch call on a libev-like wait, and nothing done.
 *
 *	consume PORT WARM_S SECONDS [PROPERTY=VALUE ...]
 *
 * The properties are the daemon's own (kafka_settings.c), so that the difference is the
 * daemon's work alone.  Prints {"events", "cpu_ns", "wall_ns"} of the measured time.
 */
#include <fcntl.h>
#include <librdkafka/rdkafka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define BATCH 256

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static rd_kafka_t *client(const char *port, int n, char **properties)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256], brokers[64];
	rd_kafka_t *rk;

	snprintf(brokers, sizeof(brokers), "127.0.0.1:%s", port);
	rd_kafka_conf_set(conf, "bootstrap.servers", brokers, NULL, 0);
	rd_kafka_conf_set(conf, "group.id", "bench", NULL, 0);
	for (int i = 0; i < n; i++) {
		char *eq = strchr(properties[i], '=');
		*eq = '\0';
		if (rd_kafka_conf_set(conf, properties[i], eq + 1, why, sizeof(why))) {
			fprintf(stderr, "consume: %s\n", why);
			exit(2);
		}
	}
	rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
	if (!rk) {
		fprintf(stderr, "consume: %s\n", why);
		exit(1);
	}
	rd_kafka_poll_set_consumer(rk);
	return rk;
}

/* Reads until `end`; how many messages there were.  Each is touched once. */
static int64_t consume(rd_kafka_queue_t *q, int wake, int64_t end)
{
	rd_kafka_message_t *v[BATCH];
	volatile char touched;
	int64_t n = 0;

	while (now_ns() < end) {
		ssize_t got = rd_kafka_consume_batch_queue(q, 0, v, BATCH);
		if (got <= 0) {
			struct pollfd p = { wake, POLLIN, 0 };
			char sink[64];
			poll(&p, 1, 100);
			while (read(wake, sink, sizeof(sink)) == (ssize_t)sizeof(sink))
				;
			continue;
		}
		for (ssize_t i = 0; i < got; i++) {
			if (!v[i]->err)
				touched = *(char *)v[i]->payload, n++;
			rd_kafka_message_destroy(v[i]);
		}
	}
	(void)touched;
	return n;
}

int main(int argc, char **argv)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_queue_t *q;
	rd_kafka_t *rk;
	int64_t cpu, wall, n, seconds;
	int wake[2];

	if (argc < 4 || pipe2(wake, O_NONBLOCK | O_CLOEXEC))
		return 2;
	rk = client(argv[1], argc - 4, argv + 4);
	q = rd_kafka_queue_get_consumer(rk);
	rd_kafka_queue_io_event_enable(q, wake[1], "1", 1);
	rd_kafka_topic_partition_list_add(list, "load", 0)->offset = 0;
	rd_kafka_assign(rk, list);
	consume(q, wake[0], now_ns() + (int64_t)(strtod(argv[2], NULL) * 1e9));
	cpu = cpu_ns();
	wall = now_ns();
	seconds = (int64_t)(strtod(argv[3], NULL) * 1e9);
	n = consume(q, wake[0], wall + seconds);
	printf("{\"events\": %lld, \"cpu_ns\": %lld, \"wall_ns\": %lld}\n", (long long)n,
	    (long long)(cpu_ns() - cpu), (long long)(now_ns() - wall));
	fflush(stdout);
	_exit(0);	/* nothing here needs a clean end */
}
