/* A Kafka cluster that is a process: librdkafka's mock brokers on loopback.
 *
 *	kafka_mock [--brokers N] [--topic NAME:PARTITIONS]...
 *
 * It prints `bootstrap=HOST:PORT[,...]` and serves until SIGTERM or SIGINT.
 * Nothing is kept on disk: what stands in for a broker's restart with its data
 * is SIGSTOP and SIGCONT.  A topic that is not named is created with one
 * partition when a client first asks for it.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "kafka_mock: %s: %s\n", what, why);
	return 1;
}

/* A decimal number from 1 to max, or 0. */
static int number(const char *text, long max)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < 1 || n > max)
		return 0;
	return (int)n;
}

/* --topic NAME:PARTITIONS */
static int create(rd_kafka_mock_cluster_t *cluster, char *arg)
{
	char *colon = strrchr(arg, ':');
	int partitions = colon ? number(colon + 1, 1000) : 0;
	rd_kafka_resp_err_t e;

	if (partitions == 0)
		return fail(arg, "expected NAME:PARTITIONS");
	*colon = '\0';
	e = rd_kafka_mock_topic_create(cluster, arg, partitions, 1);
	return e ? fail(arg, rd_kafka_err2str(e)) : 0;
}

static int topics(rd_kafka_mock_cluster_t *cluster, int argc, char **argv)
{
	for (int i = 1; i < argc; i += 2)
		if (strcmp(argv[i], "--topic") == 0 && create(cluster, argv[i + 1]))
			return 1;
	return 0;
}

/* The count given by the last --brokers; 0 after a complaint. */
static int brokers_of(int argc, char **argv)
{
	int n = 1;

	for (int i = 1; i < argc; i += 2) {
		bool known = !strcmp(argv[i], "--brokers") || !strcmp(argv[i], "--topic");

		if (!known || i + 1 == argc) {
			fail(argv[i], known ? "expected a value" : "unknown option");
			return 0;
		}
		if (strcmp(argv[i], "--topic") == 0)
			continue;
		n = number(argv[i + 1], 9);
		if (n == 0) {
			fail(argv[i + 1], "expected 1 to 9 brokers");
			return 0;
		}
	}
	return n;
}

int main(int argc, char **argv)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_mock_cluster_t *cluster;
	int brokers = brokers_of(argc, argv), rc, sig;
	char why[256], count[16];
	rd_kafka_t *rk;
	sigset_t stop;

	if (brokers == 0)
		return 2;
	/* Blocked before librdkafka starts its threads, so that they inherit it. */
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigprocmask(SIG_BLOCK, &stop, NULL);

	snprintf(count, sizeof(count), "%d", brokers);
	if (rd_kafka_conf_set(conf, "log_level", "4", why, sizeof(why)) ||
	    rd_kafka_conf_set(conf, "test.mock.num.brokers", count, why, sizeof(why)))
		return fail("configuration", why);
	/* The mock hangs on a client instance that itself does nothing. */
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	if (!rk)
		return fail("client", why);
	cluster = rd_kafka_handle_mock_cluster(rk);
	rc = topics(cluster, argc, argv);
	if (rc == 0) {
		printf("bootstrap=%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
		fflush(stdout);
		sigwait(&stop, &sig);
	}
	rd_kafka_destroy(rk);
	return rc;
}
