/* Options of a kafka source -> librdkafka settings, secrets and PEM files included.
 *
 * Three layers, each over the one before: our defaults, the user's `properties:`, and
 * what nobody may change because the exactness of positions rests on it.
 */
#include "source/kafka_settings.h"

#include <glib.h>

#include "io/secret.h"

#define PEM_MAX (1 << 20)

struct settings {
	struct kafka_setting *v;
	uint32_t	 n, cap;
};

static void set(struct settings *s, const char *name, struct str value)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 32;
		s->v = g_renew(struct kafka_setting, s->v, s->cap);
	}
	s->v[s->n++] = (struct kafka_setting){ g_strdup(name),
		g_strndup(value.p ? value.p : "", value.len) };
}

static void set_text(struct settings *s, const char *name, const char *value)
{
	set(s, name, str_of(value));
}

/* Before 2.2 a full local queue makes a partition wait for up to a second, so the
 * queue must hold more than a second's messages; later versions can be told to look
 * again soon, and a small queue does. */
static void set_queue(struct settings *s)
{
	if (rd_kafka_version() >= 0x02020000) {
		set_text(s, "fetch.queue.backoff.ms", "5");
		set_text(s, "queued.max.messages.kbytes", "32768");
	} else {
		set_text(s, "queued.max.messages.kbytes", "262144");
	}
	set_text(s, "queued.min.messages", "1000000");
}

static void set_defaults(struct settings *s)
{
	set_queue(s);
	set_text(s, "receive.message.max.bytes", "67108864");
	set_text(s, "reconnect.backoff.max.ms", "5000");
	set_text(s, "socket.keepalive.enable", "true");
}

static void set_fixed(struct settings *s)
{
	set_text(s, "enable.auto.commit", "false");
	set_text(s, "enable.auto.offset.store", "false");
	set_text(s, "auto.offset.reset", "error");
	set_text(s, "enable.partition.eof", "true");
	set_text(s, "check.crcs", "true");
	set_text(s, "allow.auto.create.topics", "false");
	set_text(s, "log.queue", "true");
}

static bool set_file(struct settings *s, const char *name, struct str path,
    const char *dir, struct err *err)
{
	char *rel = g_strndup(path.p, path.len);
	char *full =
	    g_path_is_absolute(rel) ? g_strdup(rel) : g_build_filename(dir, rel, NULL);
	GError *why = NULL;
	char *text = NULL;
	gsize len = 0;
	bool ok = g_file_get_contents(full, &text, &len, &why);

	if (!ok)
		err_set(err, ERR_NOT_FOUND, "%s", why->message);
	else if (len > PEM_MAX)
		ok = err_set(
		    err, ERR_LIMIT, "'%s': expected a PEM file of at most 1 MiB", full);
	else
		set(s, name, (struct str){ text, (uint32_t)len });
	g_clear_error(&why);
	g_free(text);
	g_free(full);
	g_free(rel);
	return ok;
}

static bool set_secret(struct settings *s, const char *name,
    const struct option_secret *secret, const char *dir, struct err *err)
{
	char *text;
	size_t len = 0;

	if (secret->from == SECRET_NONE)
		return true;
	if (!secret_read(secret, dir, &text, &len, err))
		return false;
	set(s, name, (struct str){ text, (uint32_t)len });
	secret_free(text, len);
	return true;
}

static bool set_security(struct settings *s, const struct kafka_options *o,
    const char *dir, struct err *err)
{
	static const char *const words[] = { "plaintext", "ssl", "sasl_plaintext",
		"sasl_ssl" };

	set_text(s, "security.protocol", words[CLAMP(o->security, 1, 4) - 1]);
	if (o->mechanism.len > 0)
		set(s, "sasl.mechanism", o->mechanism);
	if (o->user.len > 0)
		set(s, "sasl.username", o->user);
	if (!set_secret(s, "sasl.password", &o->password, dir, err))
		return err_in(err, "password");
	if (o->ca.len > 0 && !set_file(s, "ssl.ca.pem", o->ca, dir, err))
		return err_in(err, "ca");
	if (o->cert.len > 0 && !set_file(s, "ssl.certificate.pem", o->cert, dir, err))
		return err_in(err, "cert");
	if (!set_secret(s, "ssl.key.pem", &o->key, dir, err))
		return err_in(err, "key");
	return true;
}

/* librdkafka asks for a group before it takes an assignment; nothing joins it. */
static void set_names(struct settings *s, const struct kafka_options *o, struct str name,
    const char *instance)
{
	char *own = g_strdup_printf("retraind-%s-%.*s", instance, STR_ARG(name));
	GString *brokers = g_string_new(NULL);

	for (uint32_t i = 0; i < o->brokers.n; i++)
		g_string_append_printf(brokers, "%s%.*s", i ? "," : "",
		    STR_ARG(o->brokers.v[i]));
	set_text(s, "bootstrap.servers", brokers->str);
	set_text(s, "client.id", own);
	if (o->lag_group.len > 0)
		set(s, "group.id", o->lag_group);
	else
		set_text(s, "group.id", own);
	g_string_free(brokers, true);
	g_free(own);
}

bool kafka_topic_wanted(const struct kafka_options *o, const char *topic)
{
	for (uint32_t i = 0; i < o->topics.n; i++)
		if (str_is(o->topics.v[i], str_of(topic)))
			return true;
	return false;
}

bool kafka_settings_build(const struct kafka_options *o, struct str name,
    const struct source_host *host, struct kafka_setting **ret, uint32_t *ret_n,
    struct err *err)
{
	struct settings s = { 0 };

	set_defaults(&s);
	set_names(&s, o, name, host->instance ? host->instance : "");
	for (uint32_t i = 0; o->properties && i < o->properties->n; i++) {
		const struct yaml_pair *pair = &o->properties->pairs[i];
		char *key = g_strndup(pair->key->scalar.p, pair->key->scalar.len);

		set(&s, key, pair->value->scalar);
		g_free(key);
	}
	set_fixed(&s);
	if (!set_security(&s, o, host->config_dir ? host->config_dir : ".", err)) {
		kafka_settings_free(s.v, s.n);
		return false;
	}
	*ret = s.v;
	*ret_n = s.n;
	return true;
}
