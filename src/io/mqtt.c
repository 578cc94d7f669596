/* An MQTT subscriber.
 *
 *	        timer            job done             CONNACK
 *	 IDLE ---------> CONNECTING ----> HANDSHAKE ---------> UP
 *	  ^                  |                |                 |
 *	  `------------------`----- lost -----`-----------------'   (backoff, jitter)
 *
 * Invariants
 *   (1) Each attempt has a libmosquitto object of its own, made on the helper and then
 *       handed over: no state is shared, and acknowledgements that were queued for a
 *       lost connection go with its object.  The session lives at the broker.
 *   (2) `gated`: a message was handed over that mqtt_acknowledge() has not covered.
 *       While it is set nothing is written.  libmosquitto queues the PUBACK before the
 *       callback, and with mosquitto_threaded_set() it sends only what we call
 *       mosquitto_loop_write() for.  That is not documented as such: a test holds it.
 *   (3) While what may be written has not left, nothing is read: its PUBACK would be
 *       queued behind and leave with it.
 *   (4) The socket is watched for reading only until it is readable; who reads it
 *       dry arms it again.  So a daemon that does not read does not spin.
 */
#include "io/mqtt.h"

#include <errno.h>
#include <glib.h>
#include <mqtt_protocol.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/loop.h"
#include "io/pool.h"

#define BACKOFF_MIN_MS	500
#define BACKOFF_MAX_MS	30000
#define HANDSHAKE_MS	10000
#define STEADY_MS	5000	/* a connection that held so long clears the backoff */
#define MISC_MS		1000
#define SYSTEM_CERTS	"/etc/ssl/certs"	/* hashed, as ca-certificates leaves it */
#define FRUITLESS_MAX	4	/* reads without a packet and without EAGAIN, in a row */

enum mqtt_state { MQTT_IDLE = 1, MQTT_CONNECTING, MQTT_HANDSHAKE, MQTT_UP };

struct mqtt {
	struct mqtt_host host;
	struct mqtt_settings set;
	char		*texts[7];	/* what `set` and the label point to */
	enum mqtt_state	 state;
	struct mosquitto *client;	/* of the loop: HANDSHAKE and UP */
	struct io_watch	*watch, *timer;
	int		 events;	/* of `watch` */
	int		 version;	/* MQTT_PROTOCOL_V5 or _V311 */
	bool		 gated, stopped, closing;
	bool		 accepted;	/* CONNACK said yes */
	bool		 session;	/* and that the broker knows us */
	int		 reason;	/* of a CONNACK that said no; 0: none came */
	uint32_t	 messages;	/* handed over on this connection */
	char		 trouble[160];	/* what the library said about its last error */
	GHashTable	*asked;		/* packet id -> filter, SUBSCRIBEs under way */
	char		*refused;
	int64_t		 backoff_ms, up_ms;
};

struct connect_job {
	struct mqtt	*m;
	char		*password;
	int		 version;
	struct mosquitto *client;	/* the result, or NULL and `why` */
	char		 why[200];
};

static void on_connect(struct mosquitto *client, void *ctx, int reason, int flags,
    const mosquitto_property *properties)
{
	struct mqtt *m = ctx;

	(void)client, (void)properties;
	m->accepted = reason == 0;
	m->reason = reason;
	m->session = flags & 1;
}

static void on_message(struct mosquitto *client, void *ctx,
    const struct mosquitto_message *msg, const mosquitto_property *properties)
{
	struct mqtt *m = ctx;

	(void)client;
	m->messages++;
	m->gated = m->gated || msg->qos > 0;
	m->host.on_message(m->host.ctx, msg, properties);
}

static void on_suback(struct mosquitto *client, void *ctx, int mid, int n,
    const int *granted, const mosquitto_property *properties)
{
	struct mqtt *m = ctx;
	const char *filter = g_hash_table_lookup(m->asked, GINT_TO_POINTER(mid));

	(void)client, (void)properties;
	if (!filter)
		return;
	if (n > 0 && granted[0] == 0)
		log_warn("%s: the broker grants '%s' at QoS 0 only: it may lose messages",
		    m->host.label, filter);
	else if ((n < 1 || granted[0] > 2) && !m->refused)
		m->refused = g_strdup(filter);
	g_hash_table_remove(m->asked, GINT_TO_POINTER(mid));
	if (g_hash_table_size(m->asked) == 0)
		m->host.on_subscribed(m->host.ctx, m->refused);
}

/* The only place where OpenSSL's reason comes out. */
static void on_log(struct mosquitto *client, void *ctx, int level, const char *text)
{
	struct mqtt *m = ctx;

	(void)client;
	if (level == MOSQ_LOG_ERR)
		g_strlcpy(m->trouble, text, sizeof(m->trouble));
}

static int set_tls(struct mosquitto *client, const struct mqtt_settings *set)
{
	return mosquitto_tls_set(
	    client, set->ca, set->ca ? NULL : SYSTEM_CERTS, set->cert, set->key, NULL);
}

/* libmosquitto has no asynchronous connect with properties, but keeps those of the
 * last connect: one that fails at once (no address at all) leaves them there. */
static int set_properties(struct mosquitto *client, const struct mqtt_settings *set)
{
	mosquitto_property *list = NULL;
	int rc = mosquitto_property_add_int32(&list, MQTT_PROP_SESSION_EXPIRY_INTERVAL,
	    UINT32_MAX);

	if (!rc)
		rc = mosquitto_property_add_int32(&list, MQTT_PROP_MAXIMUM_PACKET_SIZE,
		    set->max_packet);
	if (!rc)
		mosquitto_connect_bind_v5(
		    client, "/dev/null", 0, set->keepalive_s, NULL, list);
	mosquitto_property_free_all(&list);
	return rc;
}

static int client_start(struct connect_job *job)
{
	const struct mqtt_settings *set = &job->m->set;
	struct mosquitto *client = job->client;
	int rc = mosquitto_threaded_set(client, true);

	if (!rc)
		rc = mosquitto_int_option(
		    client, MOSQ_OPT_PROTOCOL_VERSION, job->version);
	if (!rc && job->version == MQTT_PROTOCOL_V5)
		rc = mosquitto_int_option(client, MOSQ_OPT_RECEIVE_MAXIMUM,
		    set->receive_maximum);
	if (!rc && set->user)
		rc = mosquitto_username_pw_set(client, set->user, job->password);
	if (!rc && set->tls)
		rc = set_tls(client, set);
	if (!rc && job->version == MQTT_PROTOCOL_V5)
		rc = set_properties(client, set);
	if (!rc)
		rc = mosquitto_connect_async(
		    client, set->host, set->port, set->keepalive_s);
	return rc;
}

/* On the helper: names are resolved and files read here. */
static void *connect_run(void *arg)
{
	struct connect_job *job = arg;
	int rc;

	job->client = mosquitto_new(job->m->set.client_id, false, job->m);
	CHECK(job->client != NULL);
	errno = 0;
	rc = client_start(job);
	if (rc) {
		g_strlcpy(job->why, rc == MOSQ_ERR_ERRNO ? g_strerror(errno)
		    : rc == MOSQ_ERR_INVAL ? "the file of ca, cert or key cannot be read"
		    : mosquitto_strerror(rc), sizeof(job->why));
		mosquitto_destroy(job->client);
		job->client = NULL;
	}
	if (job->password)
		explicit_bzero(job->password, strlen(job->password));
	g_free(job->password);
	job->password = NULL;
	return job;
}

static void watch_set(struct mqtt *m, int events)
{
	if (m->watch && events != m->events)
		io_watch_events(m->watch, m->events = events);
}

static void disconnect(struct mqtt *m)
{
	io_watch_free(m->watch);
	m->watch = NULL;
	if (m->client) {
		shutdown(mosquitto_socket(m->client), SHUT_RDWR);
		mosquitto_destroy(m->client);
		m->client = NULL;
	}
	g_hash_table_remove_all(m->asked);
	m->gated = false;
	m->state = MQTT_IDLE;
	io_watch_after(m->timer, -1);
}

/* Tries again later; the first time at once after a connection that was steady. */
static void again(struct mqtt *m)
{
	if (m->stopped)
		return;
	m->backoff_ms = CLAMP(m->backoff_ms * 2, BACKOFF_MIN_MS, BACKOFF_MAX_MS);
	io_watch_after(m->timer, m->backoff_ms / 2 +
	    g_random_int_range(0, (int)m->backoff_ms));
}

static void lost(struct mqtt *m, const char *why)
{
	if (m->state == MQTT_UP && clock_read().boot_ms - m->up_ms >= STEADY_MS)
		m->backoff_ms = 0;
	disconnect(m);
	if (m->reason == MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION || m->reason == 1)
		m->version = MQTT_PROTOCOL_V311;
	again(m);
	m->host.on_down(m->host.ctx, why);
}

static void lost_rc(struct mqtt *m, int rc)
{
	const char *why =
	    rc == MOSQ_ERR_ERRNO ? g_strerror(errno) : mosquitto_strerror(rc);

	if (m->reason)
		why = m->version == MQTT_PROTOCOL_V5 ? mosquitto_reason_string(m->reason)
		    : mosquitto_connack_string(m->reason);
	else if (rc == MOSQ_ERR_TLS)
		why = m->trouble[0] ? m->trouble : "the TLS handshake failed: either the "
		    "certificate is signed by none of ca, or this is no TLS port";
	lost(m, why);
}

/* Writes what is queued; false: the connection is lost. */
static bool flush(struct mqtt *m)
{
	int rc = 0;

	if (!m->gated && mosquitto_want_write(m->client))
		rc = mosquitto_loop_write(m->client, 1);
	if (rc) {
		lost_rc(m, rc);
		return false;
	}
	watch_set(m, (m->events & IO_READ) |
	    (!m->gated && mosquitto_want_write(m->client) ? IO_WRITE : 0));
	return true;
}

static void became_up(struct mqtt *m)
{
	m->state = MQTT_UP;
	m->up_ms = clock_read().boot_ms;
	io_watch_after(m->timer, MISC_MS);
	m->host.on_up(m->host.ctx, m->session);
	if (m->state == MQTT_UP && flush(m))
		m->host.on_readable(m->host.ctx);
}

/* Until CONNACK the socket is ours alone. */
static void handshake(struct mqtt *m, int events)
{
	int rc = 0;

	if (events & IO_WRITE)
		rc = mosquitto_loop_write(m->client, 1);
	if (!rc && (events & IO_READ))
		rc = mosquitto_loop_read(m->client, 1);
	if (rc)
		lost_rc(m, rc);
	else if (m->accepted)
		became_up(m);
	else if (m->reason)
		lost_rc(m, MOSQ_ERR_CONN_REFUSED);
	else
		watch_set(m, IO_READ | (mosquitto_want_write(m->client) ? IO_WRITE : 0));
}

static void on_socket(void *ctx, int events)
{
	struct mqtt *m = ctx;

	if (m->state == MQTT_HANDSHAKE) {
		handshake(m, events);
		return;
	}
	if ((events & IO_WRITE) && !flush(m))
		return;
	if (events & IO_READ)
		watch_set(m, m->events & ~IO_READ);
	m->host.on_readable(m->host.ctx);
}

static void on_connected(void *ctx, void *ret)
{
	struct connect_job *job = ctx;
	struct mqtt *m = job->m;

	m->state = MQTT_IDLE;
	if (m->closing) {
		mosquitto_destroy(job->client);
		m->closing = false;
		mqtt_close(m);
	} else if (m->stopped || !ret || !job->client) {
		mosquitto_destroy(job->client);
		again(m);
		if (!m->stopped)
			m->host.on_down(m->host.ctx, ret ? job->why : "stopping");
	} else {
		m->client = job->client;
		m->state = MQTT_HANDSHAKE;
		m->accepted = m->session = m->gated = false;
		m->reason = 0;
		m->messages = 0;
		m->trouble[0] = '\0';
		mosquitto_log_callback_set(m->client, on_log);
		mosquitto_connect_v5_callback_set(m->client, on_connect);
		mosquitto_message_v5_callback_set(m->client, on_message);
		mosquitto_subscribe_v5_callback_set(m->client, on_suback);
		m->events = IO_READ | IO_WRITE;
		m->watch = loop_fd(m->host.loop, mosquitto_socket(m->client), m->events,
		    on_socket, m);
		io_watch_after(m->timer, HANDSHAKE_MS);
	}
	g_free(job);
}

void mqtt_connect(struct mqtt *m)
{
	struct connect_job *job;

	m->stopped = false;
	if (m->state != MQTT_IDLE)
		return;
	job = g_new0(struct connect_job, 1);
	job->m = m;
	job->version = m->version;
	job->password = m->set.user ? m->host.password(m->host.ctx) : NULL;
	m->state = MQTT_CONNECTING;
	if (!pool_run(m->host.helper, connect_run, on_connected, job, job)) {
		m->state = MQTT_IDLE;
		g_free(job->password);
		g_free(job);
		again(m);
	}
}

static void on_timer(void *ctx)
{
	struct mqtt *m = ctx;
	int rc;

	if (m->state == MQTT_IDLE) {
		mqtt_connect(m);
	} else if (m->state == MQTT_HANDSHAKE) {
		lost(m, "no answer to the connect within 10 s");
	} else if (m->state == MQTT_UP) {
		io_watch_after(m->timer, MISC_MS);
		/* A ping would be queued behind acknowledgements that must wait. */
		rc = m->gated ? 0 : mosquitto_loop_misc(m->client);
		if (rc)
			lost_rc(m, rc);
		else
			flush(m);
	}
}

static const char *copy(struct mqtt *m, unsigned i, const char *text)
{
	return m->texts[i] = g_strdup(text);
}

struct mqtt *mqtt_new(const struct mqtt_host *host, const struct mqtt_settings *set)
{
	struct mqtt *m = g_new0(struct mqtt, 1);

	mosquitto_lib_init();
	m->host = *host;
	m->set = *set;
	m->host.label = copy(m, 0, host->label);
	m->set.client_id = copy(m, 1, set->client_id);
	m->set.host = copy(m, 2, set->host);
	m->set.ca = copy(m, 3, set->ca);
	m->set.cert = copy(m, 4, set->cert);
	m->set.key = copy(m, 5, set->key);
	m->set.user = copy(m, 6, set->user);
	m->state = MQTT_IDLE;
	m->stopped = true;
	m->version = MQTT_PROTOCOL_V5;
	m->asked = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	m->timer = loop_timer(host->loop, on_timer, m);
	return m;
}

bool mqtt_read(struct mqtt *m, uint32_t max)
{
	uint32_t from = m->messages, before, fruitless = 0;
	int rc = 0;

	if (m->state != MQTT_UP || !flush(m) || (m->events & IO_WRITE))
		return false;
	/* errno alone does not tell that the socket is dry: libmosquitto also sets it
	 * when the pipe to its own, unused, thread is full. */
	while (!rc && m->messages - from < max && fruitless < FRUITLESS_MAX) {
		before = m->messages;
		errno = 0;
		rc = mosquitto_loop_read(m->client, 1);
		if (rc || m->messages != before)
			fruitless = 0;
		else
			fruitless = errno == EAGAIN ? FRUITLESS_MAX : fruitless + 1;
	}
	if (rc) {
		lost_rc(m, rc);
		return false;
	}
	if (fruitless < FRUITLESS_MAX)
		return true;
	watch_set(m, m->events | IO_READ);
	return false;
}

void mqtt_acknowledge(struct mqtt *m)
{
	if (m->state != MQTT_UP)
		return;
	m->gated = false;
	flush(m);
}

void mqtt_subscribe(struct mqtt *m, char *const *add, char *const *remove)
{
	int retain = m->version == MQTT_PROTOCOL_V5 ? MQTT_SUB_OPT_SEND_RETAIN_NEW : 0,
	    mid;

	if (m->state != MQTT_UP)
		return;
	g_clear_pointer(&m->refused, g_free);
	g_hash_table_remove_all(m->asked);
	for (; remove && *remove; remove++)
		mosquitto_unsubscribe(m->client, NULL, *remove);
	for (; *add; add++)
		if (mosquitto_subscribe_v5(m->client, &mid, *add, 1, retain, NULL) == 0)
			g_hash_table_insert(
			    m->asked, GINT_TO_POINTER(mid), g_strdup(*add));
	flush(m);
}

void mqtt_drop(struct mqtt *m, const char *why, bool reconnect)
{
	bool was_up = m->state == MQTT_UP;

	m->stopped = !reconnect;
	if (m->state == MQTT_CONNECTING)
		return;
	disconnect(m);
	again(m);
	if (was_up)
		m->host.on_down(m->host.ctx, why);
}

void mqtt_close(struct mqtt *m)
{
	if (!m || m->closing)
		return;
	if (m->state == MQTT_CONNECTING) {	/* on_connected() comes back here */
		m->closing = m->stopped = true;
		return;
	}
	disconnect(m);
	io_watch_free(m->timer);
	g_hash_table_destroy(m->asked);
	g_free(m->refused);
	for (unsigned i = 0; i < G_N_ELEMENTS(m->texts); i++)
		g_free(m->texts[i]);
	g_free(m);
}
