/* An mqtt source against a broker that this test plays itself, byte by byte: what
 * leaves our side, and when, is seen directly.  It pins the undocumented order of
 * libmosquitto that acknowledging after the commit rests on. */
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "source/options.h"

struct broker {
	struct fixture	*fx;
	struct io_watch	*listening, *watch;
	int		 listener, fd, port;
	int		 connections;
	bool		 hung_up;	/* the client went away */
	GByteArray	*in;		/* not yet looked at */
	uint8_t		 packet[512];	/* the last taken: header byte, then the body */
	uint32_t	 packet_n;
	char		 url[64];
	struct str	 filter;
	struct mqtt_options options;
	uint32_t	 n;
};

static void on_bytes(void *ctx, int events)
{
	struct broker *b = ctx;
	uint8_t buf[4096];
	ssize_t n;

	(void)events;
	while ((n = recv(b->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		g_byte_array_append(b->in, buf, (guint)n);
	if (n == 0 || errno != EAGAIN) {
		b->hung_up = true;
		io_watch_free(b->watch);
		b->watch = NULL;
	}
	loop_stay_awake(b->fx->loop);
}

static void hang_up(struct broker *b)
{
	io_watch_free(b->watch);
	b->watch = NULL;
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
}

static void on_client(void *ctx, int events)
{
	struct broker *b = ctx;

	(void)events;
	hang_up(b);
	b->fd = accept(b->listener, NULL, NULL);
	assert_true(b->fd >= 0);
	b->hung_up = false;
	b->connections++;
	g_byte_array_set_size(b->in, 0);
	b->watch = loop_fd(b->fx->loop, b->fd, IO_READ, on_bytes, b);
	loop_stay_awake(b->fx->loop);
}

static void broker_bind(struct broker *b)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t n = sizeof(a);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	b->fd = -1;
	b->in = g_byte_array_new();
	b->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(b->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(b->listener, (struct sockaddr *)&a, &n), 0);
	b->port = ntohs(a.sin_port);
	snprintf(b->url, sizeof(b->url), "mqtt://127.0.0.1:%d", b->port);
	b->filter = STR("a/#");
	b->options = (struct mqtt_options){
		.common = { .journal = JOURNAL_FULL },
		.url = str_of(b->url),
		.qos = 1,
		.topics = { &b->filter, 1 },
		.keepalive_ms = 60000,
		.receive_maximum = 500,
		.max_packet = 1 << 20,
	};
}

static void broker_listen(struct broker *b)
{
	assert_int_equal(listen(b->listener, 4), 0);
	b->listening = loop_fd(b->fx->loop, b->listener, IO_READ, on_client, b);
}

static void broker_fini(struct broker *b)
{
	hang_up(b);
	io_watch_free(b->listening);
	close(b->listener);
	g_byte_array_free(b->in, true);
}

/* Takes the next whole packet (all here are shorter than 128 bytes). */
static bool packet(struct broker *b)
{
	if (b->in->len < 2 || b->in->len < 2u + b->in->data[1])
		return false;
	b->packet_n = b->in->data[1];
	b->packet[0] = b->in->data[0];
	memcpy(b->packet + 1, b->in->data + 2, b->packet_n);
	g_byte_array_remove_range(b->in, 0, 2 + b->packet_n);
	return true;
}

static void send_bytes(struct broker *b, const void *bytes, size_t n)
{
	assert_int_equal(send(b->fd, bytes, n, MSG_NOSIGNAL), (ssize_t)n);
}

static void connack(struct broker *b, bool session)
{
	send_bytes(b, (uint8_t[]){ 0x20, 3, session, 0, 0 }, 5);
}

/* Topic "a/b", QoS 1, MQTT 5. */
static void publish(struct broker *b, uint8_t mid, const char *payload, bool dup)
{
	uint8_t p[128] = { dup ? 0x3a : 0x32, (uint8_t)(8 + strlen(payload)), 0, 3,
		'a', '/', 'b', 0, mid, 0 };

	memcpy(p + 10, payload, strlen(payload));
	send_bytes(b, p, 10 + strlen(payload));
}

static void assert_puback(struct broker *b, uint8_t mid)
{
	assert_int_equal(b->packet[0], 0x40);
	assert_int_equal(b->packet[1], 0);
	assert_int_equal(b->packet[2], mid);
}

/* A connection with a new session, subscribed to, its packets checked. */
#define NEW_SESSION(fx, b)                                                               \
	do {                                                                             \
		WAIT(fx, packet(b));                                                     \
		assert_int_equal((b)->packet[0], 0x10);                                  \
		connack(b, false);                                                       \
		WAIT(fx, strstr((fx)->states->str, "up "));                              \
		SETTLE(fx);                                                              \
		assert_int_equal((b)->in->len, 0); /* not before the commit */           \
		fx_commit(fx);                                                           \
		WAIT(fx, packet(b));                                                     \
		assert_int_equal((b)->packet[0], 0x82);                                  \
		assert_memory_equal(                                                     \
		    (b)->packet + 4, "\0\3a/#\x11", 6); /* QoS 1, new retained only */   \
		send_bytes(                                                              \
		    b, (uint8_t[]){ 0x90, 4, (b)->packet[1], (b)->packet[2], 0, 1 }, 6); \
	} while (0)

static void run(struct fixture *fx, struct broker *b, void (*body)(struct fixture *),
    GHashTable *stored, bool listening)
{
	fx_init(fx, body, b);
	b->fx = fx;
	if (listening)
		broker_listen(b);
	fx_open(fx, &source_mqtt, &b->options);
	fx_start(fx, stored);
	fx_run(fx);
}

static void ack_body(struct fixture *fx)
{
	struct broker *b = fx->own;

	BEGIN(fx)
	NEW_SESSION(fx, b);
	publish(b, 1, "one", false);
	publish(b, 2, "two", false);
	publish(b, 3, "two", false);
	WAIT(fx,
	    (fx->ready ? fx_turn(fx) : 0, strcmp(fx->bodies->str, "one;two;two;") == 0));
	assert_int_equal(fx->messages[0].source, 7);
	SETTLE(fx);
	assert_int_equal(b->in->len, 0);
	fx_commit(fx);
	WAIT(fx, packet(b));
	assert_puback(b, 1);
	WAIT(fx, packet(b));
	assert_puback(b, 2);
	WAIT(fx, packet(b));
	assert_puback(b, 3);
	SETTLE(fx);
	assert_int_equal(b->in->len, 0);
	DONE(fx)
}

static void puback_and_subscribe_wait_for_the_commit(void **state)
{
	struct fixture fx;
	struct broker b = { 0 };

	(void)state;
	broker_bind(&b);
	run(&fx, &b, ack_body, NULL, true);
	broker_fini(&b);
	fx_fini(&fx);
}

static void nack_body(struct fixture *fx)
{
	struct broker *b = fx->own;

	BEGIN(fx)
	NEW_SESSION(fx, b);
	publish(b, 1, "one", false);
	publish(b, 2, "two", false);
	WAIT(fx, (fx->ready ? fx_turn(fx) : 0, strcmp(fx->bodies->str, "one;two;") == 0));
	fx->source->impl->nack(fx->source);
	WAIT(fx, b->hung_up);
	assert_int_equal(b->in->len, 0);	/* nothing was acknowledged */
	assert_non_null(strstr(fx->states->str, "down"));

	WAIT(fx, b->connections == 2 && packet(b));
	assert_int_equal(b->packet[0], 0x10);
	connack(b, true);
	publish(b, 1, "one", true);
	publish(b, 2, "two", true);
	publish(b, 3, "three", false);
	/* The turn has seen the first two; its commit is only late. */
	WAIT(fx, (fx->ready ? fx_turn(fx) : 0,
	    strcmp(fx->bodies->str, "one;two;three;") == 0));
	SETTLE(fx);
	assert_int_equal(b->in->len, 0);
	fx_commit(fx);
	for (b->n = 1; b->n <= 3; b->n++) {
		WAIT(fx, packet(b));
		assert_puback(b, (uint8_t)b->n);
	}
	DONE(fx)
}

static void a_refused_commit_throws_its_pubacks_away(void **state)
{
	struct fixture fx;
	struct broker b = { 0 };
	struct source_status status;

	(void)state;
	broker_bind(&b);
	run(&fx, &b, nack_body, NULL, true);
	fx.source->impl->status(fx.source, &status);
	assert_int_equal(status.repeats, 2);
	assert_int_equal(status.reconnects, 1);
	broker_fini(&b);
	fx_fini(&fx);
}

static void kill_body(struct fixture *fx)
{
	struct broker *b = fx->own;

	BEGIN(fx)
	NEW_SESSION(fx, b);
	publish(b, 1, "one", false);
	publish(b, 2, "two", false);
	WAIT(fx, (fx->ready ? fx_turn(fx) : 0, strcmp(fx->bodies->str, "one;two;") == 0));
	WAIT(fx, b->in->len == 0);
	/* Stored, but not one PUBACK leaves: the process dies here. */
	fx->source->impl->cut(fx->source, fx_cut, fx);
	DONE(fx)
}

static void reborn_body(struct fixture *fx)
{
	struct broker *b = fx->own;

	BEGIN(fx)
	WAIT(fx, packet(b));
	connack(b, true);
	publish(b, 1, "one", true);
	publish(b, 2, "two", true);
	/* Only repeats of what is stored: acknowledged without a commit. */
	WAIT(fx, (fx->ready ? fx_turn(fx) : 0, packet(b)));
	assert_puback(b, 1);	/* and no SUBSCRIBE before it: the filters were stored */
	WAIT(fx, packet(b));
	assert_puback(b, 2);
	publish(b, 3, "three", false);
	publish(b, 1, "one", false);	/* the id is used again: a new message */
	WAIT(fx,
	    (fx->ready ? fx_turn(fx) : 0, strcmp(fx->bodies->str, "three;one;") == 0));
	DONE(fx)
}

static void a_kill_before_the_puback_decides_nothing_twice(void **state)
{
	struct fixture dead, fx;
	struct broker b = { 0 };

	(void)state;
	broker_bind(&b);
	run(&dead, &b, kill_body, NULL, true);
	io_watch_free(b.listening);
	hang_up(&b);
	run(&fx, &b, reborn_body, dead.stored, true);
	broker_fini(&b);
	fx_fini(&fx);
	fx_fini(&dead);
}

static void old_body(struct fixture *fx)
{
	struct broker *b = fx->own;

	BEGIN(fx)
	WAIT(fx, packet(b));
	assert_int_equal(b->packet[7], 5);
	send_bytes(b, (uint8_t[]){ 0x20, 2, 0, 1 }, 4);	/* unacceptable version */
	WAIT(fx, b->connections == 2 && packet(b));
	assert_int_equal(b->packet[7], 4);
	assert_int_equal(b->packet[8] & 2, 0);		/* no clean session */
	send_bytes(b, (uint8_t[]){ 0x20, 2, 0, 0 }, 4);
	WAIT(fx, strstr(fx->states->str, "up "));
	fx_commit(fx);
	WAIT(fx, packet(b));
	assert_int_equal(b->packet[0], 0x82);
	assert_int_equal(b->packet[b->packet_n], 1);	/* QoS 1 */
	DONE(fx)
}

static void a_broker_of_3_1_1_is_asked_again_in_its_version(void **state)
{
	struct fixture fx;
	struct broker b = { 0 };

	(void)state;
	broker_bind(&b);
	run(&fx, &b, old_body, NULL, true);
	broker_fini(&b);
	fx_fini(&fx);
}

static void late_body(struct fixture *fx)
{
	struct broker *b = fx->own;
	struct source_status status;

	BEGIN(fx)
	WAIT(fx, (fx->source->impl->status(fx->source, &status),
	    strncmp(status.detail, "broker down: ", 13) == 0));
	assert_string_equal(fx->states->str, "");	/* it was never up */
	broker_listen(b);
	NEW_SESSION(fx, b);
	WAIT(fx, strstr(fx->states->str, "caught_up"));
	DONE(fx)
}

static void a_broker_that_is_down_at_start_is_met_later(void **state)
{
	struct fixture fx;
	struct broker b = { 0 };

	(void)state;
	broker_bind(&b);
	run(&fx, &b, late_body, NULL, false);
	broker_fini(&b);
	fx_fini(&fx);
}

static void pause_body(struct fixture *fx)
{
	struct broker *b = fx->own;

	BEGIN(fx)
	NEW_SESSION(fx, b);
	fx->source->impl->pause(fx->source, true);
	WAIT(fx, b->hung_up);
	SETTLE(fx);
	assert_int_equal(b->connections, 1);
	fx->source->impl->pause(fx->source, false);
	WAIT(fx, b->connections == 2 && packet(b));
	connack(b, true);
	WAIT(fx, strstr(fx->states->str, "down up "));
	DONE(fx)
}

static void a_paused_source_leaves_messages_at_the_broker(void **state)
{
	struct fixture fx;
	struct broker b = { 0 };

	(void)state;
	broker_bind(&b);
	run(&fx, &b, pause_body, NULL, true);
	broker_fini(&b);
	fx_fini(&fx);
}

static void properties_body(struct fixture *fx)
{
	const struct message *m = &fx->messages[0];
	struct broker *b = fx->own;

	BEGIN(fx)
	NEW_SESSION(fx, b);
	send_bytes(b, "\x33\x16\0\3a/b\0\5\x0d\3\0\3x/y\x26\0\1n\0\1vp", 24);
	WAIT(fx, (source_mqtt.read(fx->source, &fx->batch, 1), fx->batch.n == 1));
	assert_true(str_is(m->topic, STR("a/b")) && str_is(m->body, STR("p")));
	assert_true(m->pos == 5 && m->retained);
	assert_true(str_is(m->content_type, STR("x/y")));
	assert_int_equal(m->headers_n, 1);
	assert_true(str_is(m->headers[0].name, STR("n")));
	assert_true(str_is(m->headers[0].value, STR("v")));
	DONE(fx)
}

static void user_properties_become_headers(void **state)
{
	struct fixture fx;
	struct broker b = { 0 };

	(void)state;
	broker_bind(&b);
	run(&fx, &b, properties_body, NULL, true);
	broker_fini(&b);
	fx_fini(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(puback_and_subscribe_wait_for_the_commit),
		cmocka_unit_test(a_refused_commit_throws_its_pubacks_away),
		cmocka_unit_test(a_kill_before_the_puback_decides_nothing_twice),
		cmocka_unit_test(a_broker_of_3_1_1_is_asked_again_in_its_version),
		cmocka_unit_test(a_broker_that_is_down_at_start_is_met_later),
		cmocka_unit_test(user_properties_become_headers),
		cmocka_unit_test(a_paused_source_leaves_messages_at_the_broker),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
