/* Option tables of the source kinds, and the checks that a table cannot express.
 *
 * This object links no client library, so that `retrainctl check` and the reference
 * page can use it.  To add an option: a row here, a member in options.h, its use in
 * the kind's own file.
 *
 * `properties:` of kafka is an allow list.  What is not in it is refused, because
 * some of librdkafka's settings load code (plugin.library.paths), read files
 * (*.location), or would move the positions behind our back (enable.auto.*).
 */
#include "source/source.h"

#include "source/options.h"

#define COMMON(type, journal_default) \
	{ "journal", OPT_ENUM, 0, journal_default, 0, 0, "full|ref|off", \
	  offsetof(struct type, common.journal), NULL, \
	  "What the journal keeps of each message: its bytes (full), " \
	  "its position (ref), or only that it came (off)" }, \
	{ "payload", OPT_SIZE, OPT_OMIT, NULL, 0, 16 << 20, NULL, \
	  offsetof(struct type, common.payload), NULL, \
	  "Largest message; a larger one is quarantined; without a value " \
	  "limits.payload holds" }, \
	{ "preset", OPT_STR, 0, "cloudevents", 0, 0, NULL, \
	  offsetof(struct type, common.preset), NULL, \
	  "How a message that is no CloudEvent becomes an event: cloudevents " \
	  "(not at all), json, alertmanager" }, \
	{ "map", OPT_NODE, OPT_EXPR, NULL, 0, 0, NULL, \
	  offsetof(struct type, common.map), map_rows, \
	  "Attributes of the event, each a CEL expression over body, topic, key, " \
	  "headers and time" }

static const struct option map_rows[] = {
	{ "id", OPT_STR, OPT_EXPR, NULL, 0, 0, NULL, 0, NULL,
	    "Identity within the source" },
	{ "source", OPT_STR, OPT_EXPR, NULL, 0, 0, NULL, 0, NULL, "CloudEvents source" },
	{ "type", OPT_STR, OPT_EXPR, NULL, 0, 0, NULL, 0, NULL, "CloudEvents type" },
	{ "subject", OPT_STR, OPT_EXPR, NULL, 0, 0, NULL, 0, NULL,
	    "CloudEvents subject" },
	{ "time", OPT_STR, OPT_EXPR, NULL, 0, 0, NULL, 0, NULL, "Time of the event" },
	{ "data", OPT_STR, OPT_EXPR, NULL, 0, 0, NULL, 0, NULL, "The event's data" },
	{ 0 },
};

#define ROW(name, type, flags, fallback, min, max, words, member, doc) \
	{ name, type, flags, fallback, min, max, words, \
	  offsetof(struct kafka_options, member), NULL, doc }
static const struct option kafka_rows[] = {
	ROW("brokers", OPT_STRS, OPT_REQUIRED, NULL, 0, 0, NULL, brokers,
	    "Addresses to start from, host:port"),
	ROW("topics", OPT_STRS, OPT_REQUIRED, NULL, 0, 0, NULL, topics,
	    "Topics to read, by name"),
	ROW("partitions", OPT_STRS, 0, NULL, 0, 0, NULL, partitions,
	    "Numbers and ranges of the partitions read here, to split a topic among "
	    "daemons (0-3, 7); without a value all"),
	ROW("start", OPT_ENUM, 0, "end", 0, 0, "begin|end", start,
	    "Where the first use of a topic begins; later starts go on where the last "
	    "commit ended"),
	ROW("discovery", OPT_DURATION, 0, "1m", 1000, 86400000, NULL, discovery_ms,
	    "How often new partitions are looked for; they are read from their first "
	    "message"),
	ROW("security_protocol", OPT_ENUM, 0, "plaintext", 0, 0,
	    "plaintext|ssl|sasl_plaintext|sasl_ssl", security,
	    "How to talk to the brokers"),
	ROW("sasl_mechanism", OPT_STR, 0, NULL, 0, 0, NULL, mechanism,
	    "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or GSSAPI"),
	ROW("user", OPT_STR, 0, NULL, 0, 0, NULL, user, "SASL user name"),
	ROW("password", OPT_SECRET, 0, NULL, 0, 0, NULL, password, "SASL password"),
	ROW("ca", OPT_STR, 0, NULL, 0, 0, NULL, ca,
	    "PEM file of the authorities that sign the brokers' certificates; without a "
	    "value the system's"),
	ROW("cert", OPT_STR, 0, NULL, 0, 0, NULL, cert,
	    "PEM file of our own certificate"),
	ROW("key", OPT_SECRET, 0, NULL, 0, 0, NULL, key, "Its private key, PEM"),
	ROW("lag_group", OPT_STR, 0, NULL, 0, 0, NULL, lag_group,
	    "Consumer group to which committed positions are also reported, for lag "
	    "dashboards; never read back"),
	ROW("properties", OPT_NODE, 0, NULL, 0, 0, NULL, properties,
	    "Further librdkafka settings; those that load code, read files or move "
	    "positions are refused"),
	COMMON(kafka_options, "ref"),
	{ 0 },
};
#undef ROW

#define ROW(name, type, flags, fallback, min, max, member, doc) \
	{ name, type, flags, fallback, min, max, NULL, \
	  offsetof(struct mqtt_options, member), NULL, doc }
static const struct option mqtt_rows[] = {
	ROW("url", OPT_STR, OPT_REQUIRED, NULL, 0, 0, url,
	    "mqtt://host[:1883], or mqtts://host[:8883] with TLS"),
	ROW("topics", OPT_STRS, OPT_REQUIRED, NULL, 0, 0, topics,
	    "Topic filters; + stands for one level, # at the end for the rest"),
	ROW("client_id", OPT_STR, 0, NULL, 0, 0, client_id,
	    "Name of the session at the broker; without a value "
	    "retraind-<instance>-<source>"),
	ROW("user", OPT_STR, 0, NULL, 0, 0, user, "User name"),
	ROW("password", OPT_SECRET, 0, NULL, 0, 0, password, "Password"),
	ROW("ca", OPT_STR, 0, NULL, 0, 0, ca,
	    "PEM file of the authorities that sign the broker's certificate; without a "
	    "value the system's"),
	ROW("cert", OPT_STR, 0, NULL, 0, 0, cert, "PEM file of our own certificate"),
	ROW("key", OPT_SECRET, 0, NULL, 0, 0, key,
	    "Its private key, PEM, as a file or a credential"),
	ROW("keepalive", OPT_DURATION, 0, "60s", 5000, 3600000, keepalive_ms,
	    "Longest silence; a commit must not take one and a half times as long"),
	ROW("receive_maximum", OPT_INT, 0, "500", 1, 65535, receive_maximum,
	    "Messages that the broker sends before one is acknowledged (MQTT 5)"),
	ROW("max_packet", OPT_SIZE, 0, "16Mi", 1024, 255 << 20, max_packet,
	    "Largest packet; an MQTT 5 broker drops larger ones"),
	ROW("qos", OPT_INT, OPT_OMIT, "1", 0, 2, qos,
	    "Always 1: neither 0 nor 2 survives a crash of the receiver"),
	COMMON(mqtt_options, "full"),
	{ 0 },
};
#undef ROW

static const struct option http_rows[] = {
	{ "hooks", OPT_STRS, 0, NULL, 0, 0, NULL, offsetof(struct http_options, hooks),
	    NULL, "Webhooks that are open below /hooks/: alertmanager" },
	{ "queue", OPT_INT, 0, "500", 1, 100000, NULL,
	    offsetof(struct http_options, queue), NULL,
	    "Requests that may wait to be decided; beyond that 503" },
	{ "queue_bytes", OPT_SIZE, 0, "64Mi", 1 << 20, 1 << 30, NULL,
	    offsetof(struct http_options, queue_bytes), NULL,
	    "Bytes of their bodies together; beyond that 503" },
	COMMON(http_options, "full"),
	{ 0 },
};

const struct catalog_kind source_kafka_kind = {
	CATALOG_SOURCE, "kafka", "Topics of Apache Kafka, read without a consumer group",
	kafka_rows, sizeof(struct kafka_options), NULL,
};
const struct catalog_kind source_mqtt_kind = {
	CATALOG_SOURCE, "mqtt", "Topics of an MQTT broker, acknowledged after the commit",
	mqtt_rows, sizeof(struct mqtt_options), NULL,
};
const struct catalog_kind source_http_kind = {
	CATALOG_SOURCE, "http", "Requests to our own listener, answered after the commit",
	http_rows, sizeof(struct http_options), NULL,
};

/* By name; the reason why a setting is not there is given below. */
static const char *const allowed[] = {
	"broker.address.family", "broker.address.ttl", "client.id", "client.rack",
	"connections.max.idle.ms", "debug", "fetch.error.backoff.ms",
	"fetch.max.bytes", "fetch.message.max.bytes", "fetch.min.bytes",
	"fetch.queue.backoff.ms", "fetch.wait.max.ms", "isolation.level", "log_level",
	"max.partition.fetch.bytes", "metadata.max.age.ms",
	"queued.max.messages.kbytes", "queued.min.messages",
	"receive.message.max.bytes", "reconnect.backoff.max.ms",
	"reconnect.backoff.ms", "sasl.kerberos.principal",
	"sasl.kerberos.service.name", "socket.connection.setup.timeout.ms",
	"socket.keepalive.enable", "socket.nagle.disable",
	"socket.receive.buffer.bytes", "socket.send.buffer.bytes", "socket.timeout.ms",
	"ssl.cipher.suites", "ssl.curves.list",
	"ssl.endpoint.identification.algorithm", "ssl.sigalgs.list",
	"topic.metadata.refresh.interval.ms",
};
#define ALLOWED_N (uint32_t)(sizeof(allowed) / sizeof(allowed[0]))

static const struct { const char *what; bool ends; const char *why; } refused[] = {
	{ "plugin.", false, "it loads code into the daemon" },
	{ ".location", true, "files are given as ca, cert and key" },
	{ "enable.auto.", false, "positions are stored with the state, never by "
	  "the client" },
	{ "auto.offset.reset", false, "a lost position must be seen, not jumped "
	  "over" },
	{ "group.", false, "no consumer group is used; lag_group names one to report "
	  "to" },
	{ "bootstrap.servers", false, "use brokers" },
	{ "metadata.broker.list", false, "use brokers" },
	{ "security.protocol", false, "use security_protocol" },
	{ "sasl.mechanism", false, "use sasl_mechanism" },
	{ "sasl.username", false, "use user" },
	{ "sasl.password", false, "use password" },
	{ "check.crcs", false, "checksums are always checked" },
};

static bool ends_with(struct str s, struct str tail)
{
	return s.len >= tail.len && memcmp(s.p + s.len - tail.len, tail.p, tail.len) == 0;
}

bool kafka_property_check(struct str name, struct err *err)
{
	struct str words[ALLOWED_N], near;

	for (uint32_t i = 0; i < ALLOWED_N; i++) {
		words[i] = str_of(allowed[i]);
		if (str_is(name, words[i]))
			return true;
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (refused[i].ends ? ends_with(name, str_of(refused[i].what))
		    : str_starts(name, str_of(refused[i].what)))
			return err_set(err, ERR_USAGE,
			    "property '%.*s' is not allowed: %s", STR_ARG(name),
			    refused[i].why);
	near = nearest_word(name, words, ALLOWED_N);
	if (near.len > 0)
		return err_set(err, ERR_USAGE,
		    "property '%.*s' is not allowed: did you mean "
		    "'%.*s'",
		    STR_ARG(name), STR_ARG(near));
	return err_set(err, ERR_USAGE, "property '%.*s' is not among those allowed",
	    STR_ARG(name));
}

/* A decimal number up to `max` at *p, moved over; -1: none. */
static int64_t number(const char **p, const char *end, int64_t max)
{
	int64_t n = 0;
	const char *q = *p;

	for (; q < end && *q >= '0' && *q <= '9'; q++)
		if ((n = n * 10 + (*q - '0')) > max)
			return -1;
	if (q == *p)
		return -1;
	*p = q;
	return n;
}

/* "3" or "0-7". */
static bool range_parse(struct str s, int64_t *ret_from, int64_t *ret_to)
{
	const char *p = s.p, *end = s.p + s.len;

	*ret_from = *ret_to = number(&p, end, INT32_MAX);
	if (*ret_from >= 0 && p < end && *p == '-') {
		p++;
		*ret_to = number(&p, end, INT32_MAX);
	}
	return p == end && *ret_from >= 0 && *ret_to >= *ret_from;
}

bool kafka_partition_wanted(const struct option_strs *list, int32_t partition)
{
	int64_t from, to;

	for (uint32_t i = 0; i < list->n; i++)
		if (range_parse(list->v[i], &from, &to) && partition >= from &&
		    partition <= to)
			return true;
	return list->n == 0;
}

bool mqtt_url_parse(struct str url, struct mqtt_url *ret, struct err *err)
{
	struct str rest = url;
	const char *p, *end, *host_end;
	int64_t port;

	*ret = (struct mqtt_url){ .tls = str_starts(url, STR("mqtts://")) };
	if (!ret->tls && !str_starts(url, STR("mqtt://")))
		return err_set(err, ERR_USAGE,
		    "url '%.*s': expected mqtt://host or mqtts://host", STR_ARG(url));
	rest.p += ret->tls ? 8 : 7;
	rest.len -= ret->tls ? 8 : 7;
	if (rest.len > 0 && memchr(rest.p, '@', rest.len))
		return err_set(err, ERR_USAGE,
		    "url: user and password belong to the options "
		    "of these names");
	end = rest.p + rest.len;
	if (rest.len > 0 && *rest.p == '[') {
		host_end = memchr(rest.p, ']', rest.len);
		ret->host.p = rest.p + 1;
		p = host_end ? host_end + 1 : end;
	} else {
		host_end = rest.len > 0 ? memchr(rest.p, ':', rest.len) : NULL;
		host_end = host_end ? host_end : end;
		ret->host.p = rest.p;
		p = host_end;
	}
	if (!host_end || host_end <= ret->host.p || host_end - ret->host.p > 253 ||
	    memchr(rest.p, '/', rest.len))
		return err_set(err, ERR_USAGE,
		    "url '%.*s': expected a host name and nothing "
		    "behind the port",
		    STR_ARG(url));
	ret->host.len = (uint32_t)(host_end - ret->host.p);
	ret->port = ret->tls ? 8883 : 1883;
	if (p == end)
		return true;
	if (*p++ != ':' || (port = number(&p, end, 65535)) <= 0 || p != end)
		return err_set(err, ERR_USAGE,
		    "url '%.*s': expected a port from 1 to 65535", STR_ARG(url));
	ret->port = (int)port;
	return true;
}

static bool kafka_check(const struct kafka_options *o, struct err *err)
{
	int64_t from, to;

	if (o->brokers.n == 0 || o->topics.n == 0)
		return err_set(err, ERR_USAGE, "%s: expected at least one",
		    o->brokers.n == 0 ? "brokers" : "topics");
	for (uint32_t i = 0; i < o->topics.n; i++)
		if (o->topics.v[i].len == 0 || o->topics.v[i].len > 249 ||
		    memchr(o->topics.v[i].p, '/', o->topics.v[i].len) ||
		    o->topics.v[i].p[0] == '^')
			return err_set(err, ERR_USAGE,
			    "topics: '%.*s' is not the name of a topic",
			    STR_ARG(o->topics.v[i]));
	for (uint32_t i = 0; i < o->partitions.n; i++)
		if (!range_parse(o->partitions.v[i], &from, &to))
			return err_set(err, ERR_USAGE,
			    "partitions: expected a number or a range "
			    "such as 0-7, not '%.*s'",
			    STR_ARG(o->partitions.v[i]));
	if (!o->properties)
		return true;
	if (o->properties->kind != YAML_MAP)
		return err_set(err, ERR_USAGE, "properties: expected a map of settings");
	for (uint32_t i = 0; i < o->properties->n; i++) {
		const struct yaml_pair *pair = &o->properties->pairs[i];

		if (!kafka_property_check(pair->key->scalar, err))
			return err_in(err, "properties");
		if (pair->value->kind != YAML_SCALAR)
			return err_set(err, ERR_USAGE,
			    "properties: '%.*s' has no single value",
			    STR_ARG(pair->key->scalar));
	}
	return true;
}

/* A wildcard fills its level, and # is the last one. */
static bool is_filter(struct str s)
{
	for (uint32_t i = 0; i < s.len; i++) {
		bool alone = (i == 0 || s.p[i - 1] == '/') &&
		    (i + 1 == s.len || s.p[i + 1] == '/');

		if (s.p[i] == '\0' || (s.p[i] == '+' && !alone) ||
		    (s.p[i] == '#' && !(alone && i + 1 == s.len)))
			return false;
	}
	return s.len > 0 && s.len <= UINT16_MAX;
}

static bool mqtt_check(const struct mqtt_options *o, struct err *err)
{
	struct mqtt_url url;

	if (o->qos == 2)
		return err_set(err, ERR_USAGE,
		    "qos: 2 is refused: its handshake is answered "
		    "before the message is stored, so a crash loses it; expected 1");
	if (o->qos != 1)
		return err_set(err, ERR_USAGE,
		    "qos: 0 is refused: the broker forgets the "
		    "message once it is sent; expected 1");
	if (o->topics.n == 0)
		return err_set(err, ERR_USAGE, "topics: expected at least one");
	for (uint32_t i = 0; i < o->topics.n; i++)
		if (!is_filter(o->topics.v[i]))
			return err_set(err, ERR_USAGE,
			    "topics: '%.*s' is not a topic filter: + and # stand for "
			    "whole levels, # only at the end",
			    STR_ARG(o->topics.v[i]));
	if (o->key.from == SECRET_ENV)
		return err_set(err, ERR_USAGE,
		    "key: the MQTT library reads it from a file; "
		    "expected {file: PATH} or {credential: NAME}");
	if ((o->cert.len > 0) != (o->key.from != SECRET_NONE))
		return err_set(err, ERR_USAGE, "cert and key belong together");
	if (!mqtt_url_parse(o->url, &url, err))
		return false;
	if (!url.tls && (o->ca.len > 0 || o->cert.len > 0))
		return err_set(err, ERR_USAGE, "ca, cert and key need an mqtts:// url");
	return true;
}

static bool http_check(const struct http_options *o, struct err *err)
{
	for (uint32_t i = 0; i < o->hooks.n; i++)
		if (!str_is(o->hooks.v[i], STR("alertmanager")))
			return err_set(err, ERR_USAGE,
			    "hooks: '%.*s' is not available in this "
			    "version; expected alertmanager",
			    STR_ARG(o->hooks.v[i]));
	return true;
}

bool source_options_check(const struct catalog_kind *kind, const void *options,
    struct err *err)
{
	if (kind == &source_kafka_kind)
		return kafka_check(options, err);
	if (kind == &source_mqtt_kind)
		return mqtt_check(options, err);
	return http_check(options, err);
}
