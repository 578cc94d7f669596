/* Fills a session at an MQTT broker: QoS 1, as fast as the broker acknowledges.
 *
 *	mqtt_fill PORT TOPIC COUNT
 *
 * Prints {"published", "wall_ns"} when the broker has acknowledged all of them, so that
 * the one who subscribes next finds every message waiting.  Messages are CloudEvents of
 * about 350 bytes with an id each. */
#include <mosquitto.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WINDOW 100		/* messages without an acknowledgement at a time */

static long acknowledged, sent, wanted;
static const char *topic;

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void fail(const char *what, int rc)
{
	fprintf(stderr, "mqtt_fill: %s: %s\n", what, mosquitto_strerror(rc));
	exit(1);
}

static void publish(struct mosquitto *m)
{
	char text[512];
	int len, rc;

	len = snprintf(text, sizeof(text),
	    "{\"specversion\":\"1.0\",\"id\":\"m-%lld-%ld\",\"source\":\"/plant/line-3\","
	    "\"type\":\"ml.metric\",\"subject\":\"model-%ld\",\"data\":{\"name\":\"psi\","
	    "\"model\":\"model-%ld\",\"value\":%.6f,\"window\":\"5m\","
	    "\"labels\":{"
	    "\"region\":\"eu-west-1\",\"stage\":\"production\",\"host\":\"%0100ld\"}}}",
	    (long long)now_ns(), sent, sent % 64, sent % 64,
	    (double)(sent % 997) / 997, sent);
	rc = mosquitto_publish(m, NULL, topic, len, text, 1, false);
	if (rc)
		fail("publish", rc);
	sent++;
}

static void on_publish(struct mosquitto *m, void *arg, int mid)
{
	(void)arg, (void)mid;
	acknowledged++;
	if (sent < wanted)
		publish(m);
}

static void on_connect(struct mosquitto *m, void *arg, int rc)
{
	(void)arg;
	if (rc)
		fail("connect", rc);
	for (int i = 0; i < WINDOW && sent < wanted; i++)
		publish(m);
}

int main(int argc, char **argv)
{
	struct mosquitto *m;
	int64_t began;
	int rc;

	if (argc != 4)
		return 2;
	topic = argv[2];
	wanted = strtol(argv[3], NULL, 10);
	mosquitto_lib_init();
	m = mosquitto_new(NULL, true, NULL);
	mosquitto_max_inflight_messages_set(m, WINDOW);
	mosquitto_connect_callback_set(m, on_connect);
	mosquitto_publish_callback_set(m, on_publish);
	began = now_ns();
	rc = mosquitto_connect(m, "127.0.0.1", (int)strtol(argv[1], NULL, 10), 60);
	if (rc)
		fail("connect", rc);
	while (acknowledged < wanted)
		if ((rc = mosquitto_loop(m, 1000, 1)))
			fail("loop", rc);
	printf("{\"published\": %ld, \"wall_ns\": %lld}\n", acknowledged,
	    (long long)(now_ns() - began));
	return 0;
}
