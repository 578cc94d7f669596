/* Topics of an MQTT broker: persistent session, QoS 1, acknowledged after the commit.
 *
 * Invariants
 *   (1) mqtt_acknowledge() is called only when everything that the library handed over
 *       was lent to a turn and committed: from ack(), or where only repeats of
 *       committed messages came.
 *   (2) A new session is subscribed to only after the commit that emptied the memory
 *       of the old one: its packet ids begin again, and must not meet old members.
 *   (3) The stored list of filters is what the broker has granted.  It is subscribed
 *       to again only where the session is new or the configured list differs: each
 *       SUBSCRIBE at 3.1.1 brings every retained message once more.
 */
#include "source/source.h"

#include <mqtt_protocol.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/codec.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/loop.h"
#include "io/mqtt.h"
#include "io/secret.h"
#include "source/memory.h"
#include "source/options.h"

#define HEADERS_MAX	64
#define QUIET_MS	500	/* the broker begins to send what it kept within this */
#define MEMORY_PART	"memory"
#define FILTERS_PART	"filters"

struct source_mqtt {
	struct source	 base;		/* first */
	struct source_host host;
	const struct mqtt_options *options;
	struct mqtt	*handle;
	struct memory	 memory;
	char		**wanted;	/* filters of the config */
	char		**granted;	/* filters of the session, as stored */
	bool		 memory_dirty, filters_dirty, cut_done;
	bool		 up, caught_up, paused, started;
	bool		 settled;	/* QUIET_MS after up */
	bool		 dry;		/* the last read was the last */
	bool		 subscribe_after_commit;
	GArray		*queue;		/* of struct message: handed over, not released */
	uint32_t	 lent;		/* the first ones of `queue` */
	uint32_t	 uncommitted;	/* lent since the last ack */
	struct arena	*arena;		/* copies of what is in `queue` */
	struct io_watch	*quiet;
	uint64_t	 reconnects, repeats;
	char		 detail[200];
};

static struct source_mqtt *mqtt_of(void *p)
{
	struct source_mqtt *s = p;

	CHECK(s->base.magic == SOURCE_MAGIC && s->base.impl == &source_mqtt);
	return s;
}

static void say(struct source_mqtt *s, enum source_state state)
{
	s->host.on_state(s->host.ctx, &s->base, (struct str){ 0 }, state);
}

static char **filters_of(const struct option_strs *list)
{
	char **v = g_new0(char *, list->n + 1);

	for (uint32_t i = 0; i < list->n; i++)
		v[i] = g_strndup(list->v[i].p, list->v[i].len);
	return v;
}

/* Those of `a` that are not in `b`. */
static char **filters_without(char **a, char **b)
{
	GPtrArray *v = g_ptr_array_new();

	for (; *a; a++)
		if (!g_strv_contains((const char *const *)b, *a))
			g_ptr_array_add(v, g_strdup(*a));
	g_ptr_array_add(v, NULL);
	return (char **)g_ptr_array_free(v, false);
}

static void subscribe(struct source_mqtt *s)
{
	char **add = filters_without(s->wanted, s->granted);
	char **remove = filters_without(s->granted, s->wanted);

	if (*add || *remove)
		mqtt_subscribe(s->handle, add, remove);
	if (!*add && *remove) {		/* nothing will be answered */
		g_strfreev(s->granted);
		s->granted = g_strdupv(s->wanted);
		s->filters_dirty = true;
	}
	g_strfreev(add);
	g_strfreev(remove);
}

static void on_subscribed(void *ctx, const char *refused)
{
	struct source_mqtt *s = ctx;

	if (refused) {
		snprintf(s->detail, sizeof(s->detail),
		    "the broker refuses to subscribe us to '%s'", refused);
		log_error("source %.*s: %s", STR_ARG(s->base.name), s->detail);
		return;		/* asked again at the next connect */
	}
	g_strfreev(s->granted);
	s->granted = g_strdupv(s->wanted);
	s->filters_dirty = true;
}

static void on_up(void *ctx, bool session_present)
{
	struct source_mqtt *s = ctx;

	s->up = true;
	s->reconnects += s->started;
	s->started = true;
	snprintf(
	    s->detail, sizeof(s->detail), "connected to %.*s", STR_ARG(s->options->url));
	log_info("source %.*s: %s, session %s", STR_ARG(s->base.name), s->detail,
	    session_present ? "resumed" : "new");
	say(s, SOURCE_UP);
	s->settled = false;
	s->dry = true;
	io_watch_after(s->quiet, QUIET_MS);
	if (session_present) {
		memory_resumed(&s->memory);
		if (!s->subscribe_after_commit)
			subscribe(s);
		return;
	}
	memory_clear(&s->memory);
	g_strfreev(s->granted);
	s->granted = g_new0(char *, 1);
	s->memory_dirty = s->filters_dirty = true;
	s->subscribe_after_commit = true;
	s->cut_done = false;
}

static void on_down(void *ctx, const char *why)
{
	struct source_mqtt *s = ctx;

	snprintf(s->detail, sizeof(s->detail), "%s: %s",
	    s->paused ? "paused" : "broker down", why);
	io_watch_after(s->quiet, -1);
	/* What no turn has seen is not in the memory and will be sent again. */
	g_array_set_size(s->queue, s->lent);
	if (s->up || !s->started)
		log_warn("source %.*s: %s", STR_ARG(s->base.name), s->detail);
	else
		log_debug("source %.*s: %s", STR_ARG(s->base.name), s->detail);
	s->started = true;
	if (s->up) {
		s->up = s->caught_up = false;
		say(s, SOURCE_DOWN);
	}
}

static void on_readable(void *ctx)
{
	struct source_mqtt *s = ctx;

	if (!s->paused)
		s->host.on_ready(s->host.ctx, &s->base);
}

static void catch_up(struct source_mqtt *s)
{
	if (!s->up || s->caught_up || !s->settled || !s->dry)
		return;
	s->caught_up = true;
	say(s, SOURCE_CAUGHT_UP);
}

static void on_quiet(void *ctx)
{
	struct source_mqtt *s = ctx;

	s->settled = true;
	catch_up(s);
}

/* User properties become headers, the content type stands by itself. */
static void copy_properties(struct source_mqtt *s, const mosquitto_property *list,
    struct message *out)
{
	struct header *v = NULL;
	uint32_t cap = 0;
	char *name, *value;

	if (mosquitto_property_read_string(list, MQTT_PROP_CONTENT_TYPE, &value, false)) {
		out->content_type = arena_str(s->arena, str_of(value));
		free(value);
	}
	list = mosquitto_property_read_string_pair(
	    list, MQTT_PROP_USER_PROPERTY, &name, &value, false);
	while (list) {
		if (out->headers_n < HEADERS_MAX) {
			v = arena_grow(s->arena, v, out->headers_n, &cap, sizeof(*v));
			v[out->headers_n].name = arena_str(s->arena, str_of(name));
			v[out->headers_n++].value = arena_str(s->arena, str_of(value));
		}
		free(name);
		free(value);
		list = mosquitto_property_read_string_pair(
		    list, MQTT_PROP_USER_PROPERTY, &name, &value, true);
	}
	out->headers = v;
}

static void on_message(void *ctx, const struct mosquitto_message *m,
    const mosquitto_property *properties)
{
	struct source_mqtt *s = ctx;
	struct str topic = str_of(m->topic);
	struct str payload = { m->payload, (uint32_t)m->payloadlen };
	uint16_t mid = m->qos > 0 ? (uint16_t)m->mid : 0;
	uint64_t hash = memory_hash(topic, payload);
	struct message out;

	if (memory_is_repeat(&s->memory, mid, hash)) {
		s->memory_dirty = true;
		s->repeats++;
		return;
	}
	out = (struct message){
		.source = s->base.id, .origin = s->base.name,
		.topic = arena_str(s->arena, topic), .body = arena_str(s->arena, payload),
		.pos = mid, .time_ms = clock_read().wall_ms, .retained = m->retain,
		.token = hash,
	};
	out.part = out.topic;
	if (properties)
		copy_properties(s, properties, &out);
	g_array_append_val(s->queue, out);
}

static char *password(void *ctx)
{
	struct source_mqtt *s = ctx;
	struct err err = { 0 };
	char *text;
	size_t len;

	if (s->options->password.from == SECRET_NONE)
		return NULL;
	if (secret_read(&s->options->password, s->host.config_dir, &text, &len, &err)) {
		char *z = g_strndup(text, len);

		secret_free(text, len);
		return z;
	}
	log_error("source %.*s: password: %s", STR_ARG(s->base.name), err.msg);
	return NULL;
}

/* A configured path as libmosquitto wants it; NULL: none. */
static char *path_of(struct str path, const char *dir)
{
	char *rel = path.len ? g_strndup(path.p, path.len) : NULL;
	char *full;

	if (!rel || g_path_is_absolute(rel))
		return rel;
	full = g_build_filename(dir, rel, NULL);
	g_free(rel);
	return full;
}

static struct mqtt *handle_new(struct source_mqtt *s, const struct mqtt_url *url)
{
	const struct mqtt_options *o = s->options;
	const char *dir = s->host.config_dir ? s->host.config_dir : ".";
	const char *key_dir = dir;
	char *texts[7], *label = g_strdup_printf("source %.*s", STR_ARG(s->base.name));
	struct mqtt_host host = {
		.loop = s->host.loop, .helper = s->host.helper, .label = label,
		.password = password, .on_up = on_up, .on_down = on_down,
		.on_readable = on_readable, .on_message = on_message,
		.on_subscribed = on_subscribed, .ctx = s,
	};
	struct mqtt_settings set;
	struct mqtt *handle;

	if (o->key.from == SECRET_CREDENTIAL && g_getenv("CREDENTIALS_DIRECTORY"))
		key_dir = g_getenv("CREDENTIALS_DIRECTORY");
	if (o->client_id.len > 0)
		texts[0] = g_strndup(o->client_id.p, o->client_id.len);
	else
		texts[0] = g_strdup_printf("retraind-%s-%.*s", s->host.instance,
		    STR_ARG(s->base.name));
	texts[1] = g_strndup(url->host.p, url->host.len);
	texts[2] = path_of(o->ca, dir);
	texts[3] = path_of(o->cert, dir);
	texts[4] = o->key.from ? path_of(o->key.name, key_dir) : NULL;
	texts[5] = o->user.len ? g_strndup(o->user.p, o->user.len) : NULL;
	set = (struct mqtt_settings){
		.client_id = texts[0], .host = texts[1], .port = url->port,
		.tls = url->tls, .ca = texts[2], .cert = texts[3], .key = texts[4],
		.user = texts[5], .keepalive_s = (int)(o->keepalive_ms / 1000),
		.receive_maximum = (uint16_t)o->receive_maximum,
		.max_packet = (uint32_t)o->max_packet,
	};
	handle = mqtt_new(&host, &set);
	for (unsigned i = 0; i < 6; i++)
		g_free(texts[i]);
	g_free(label);
	return handle;
}

static struct source *mqtt_source_open(const struct source_host *host, struct str name,
    const void *options, struct err *err)
{
	const struct mqtt_options *o = options;
	struct source_mqtt *s;
	struct mqtt_url url;

	if (!source_options_check(&source_mqtt_kind, o, err) ||
	    !mqtt_url_parse(o->url, &url, err))
		return NULL;
	s = g_new0(struct source_mqtt, 1);
	s->host = *host;
	s->options = o;
	s->base = (struct source){
		.magic = SOURCE_MAGIC, .impl = &source_mqtt,
		.name = { g_strndup(name.p, name.len), name.len },
		.journal = (enum journal_mode)o->common.journal,
		.payload_max = (uint32_t)o->common.payload,
	};
	s->wanted = filters_of(&o->topics);
	s->granted = g_new0(char *, 1);
	s->queue = g_array_new(false, false, sizeof(struct message));
	s->arena = arena_new(0);
	s->quiet = loop_timer(host->loop, on_quiet, s);
	s->handle = handle_new(s, &url);
	snprintf(s->detail, sizeof(s->detail), "not connected yet");
	return &s->base;
}

static void mqtt_source_resume(
    struct source *source, struct str part, struct str position)
{
	struct source_mqtt *s = mqtt_of(source);
	struct reader r = reader_of(position);
	GPtrArray *v;

	if (str_is(part, STR(MEMORY_PART))) {
		if (!memory_get(&s->memory, position))
			log_error(
			    "source %.*s: the stored memory of the session is damaged: "
			    "messages that the broker sends again may be decided twice",
			    STR_ARG(s->base.name));
	} else if (str_is(part, STR(FILTERS_PART))) {
		v = g_ptr_array_new();
		for (uint64_t n = get_u64(&r); n > 0 && !r.bad; n--) {
			struct str filter = get_str(&r);

			g_ptr_array_add(
			    v, g_strndup(filter.p ? filter.p : "", filter.len));
		}
		g_ptr_array_add(v, NULL);
		g_strfreev(s->granted);
		s->granted = (char **)g_ptr_array_free(v, false);
	}
}

static void mqtt_source_start(struct source *source)
{
	mqtt_connect(mqtt_of(source)->handle);
}

static uint32_t unlent(const struct source_mqtt *s)
{
	return s->queue->len - s->lent;
}

static bool mqtt_source_read(struct source *source, struct batch *batch, uint32_t max)
{
	struct source_mqtt *s = mqtt_of(source);
	uint32_t want = MIN(max, batch->cap - batch->n), n;
	bool more = false;

	if (s->paused || want == 0)
		return false;
	if (unlent(s) < want)
		more = mqtt_read(s->handle, want - unlent(s));
	n = MIN(want, unlent(s));
	for (uint32_t i = 0; i < n; i++) {
		const struct message *m =
		    &g_array_index(s->queue, struct message, s->lent++);

		memory_add(&s->memory, (uint16_t)m->pos, m->token);
		batch->v[batch->n++] = *m;
	}
	s->memory_dirty = s->memory_dirty || n > 0;
	s->uncommitted += n;
	s->dry = !more && unlent(s) == 0;
	/* Repeats of what is committed need no commit of their own. */
	if (s->uncommitted == 0)
		mqtt_acknowledge(s->handle);
	return !s->dry;
}

static void mqtt_source_release(struct source *source)
{
	struct source_mqtt *s = mqtt_of(source);

	if (s->lent > 0)
		g_array_remove_range(s->queue, 0, s->lent);
	s->lent = 0;
	if (s->queue->len == 0)
		arena_reset(s->arena);
	catch_up(s);
}

static void mqtt_source_cut(struct source *source, source_cut_f f, void *ctx)
{
	struct source_mqtt *s = mqtt_of(source);
	GByteArray *bytes = g_byte_array_new();

	if (s->memory_dirty) {
		memory_put(&s->memory, bytes);
		f(ctx, STR(MEMORY_PART),
		    (struct str){ (const char *)bytes->data, bytes->len });
		s->memory_dirty = false;
	}
	if (s->filters_dirty) {
		g_byte_array_set_size(bytes, 0);
		put_u64(bytes, g_strv_length(s->granted));
		for (char **p = s->granted; *p; p++)
			put_str(bytes, str_of(*p));
		f(ctx, STR(FILTERS_PART),
		    (struct str){ (const char *)bytes->data, bytes->len });
		s->filters_dirty = false;
	}
	s->cut_done = true;
	g_byte_array_free(bytes, true);
}

static void mqtt_source_ack(struct source *source, struct committed covered)
{
	struct source_mqtt *s = mqtt_of(source);

	(void)covered;
	if (unlent(s) > 0) {	/* their acknowledgements are in the same queue */
		s->host.on_ready(s->host.ctx, source);
		return;
	}
	s->uncommitted = 0;
	mqtt_acknowledge(s->handle);
	if (s->subscribe_after_commit && s->cut_done) {
		s->subscribe_after_commit = false;
		subscribe(s);
	}
}

static void mqtt_source_nack(struct source *source)
{
	mqtt_drop(mqtt_of(source)->handle, "the commit was refused", true);
}

static void mqtt_source_pause(struct source *source, bool on)
{
	struct source_mqtt *s = mqtt_of(source);

	if (s->paused == on)
		return;
	s->paused = on;
	if (on)		/* the broker keeps what comes meanwhile */
		mqtt_drop(s->handle, "nothing is read", false);
	else
		mqtt_connect(s->handle);
}

/* Connected means that what is published from now on reaches us. */
static bool subscribed(const struct source_mqtt *s)
{
	for (char **p = s->wanted; *p; p++)
		if (!g_strv_contains((const char *const *)s->granted, *p))
			return false;
	return true;
}

static void mqtt_source_status(const struct source *source, struct source_status *out)
{
	const struct source_mqtt *s = (const struct source_mqtt *)source;

	*out = (struct source_status){
		.connected = s->up && subscribed(s), .lag = -1,
		.reconnects = s->reconnects, .repeats = s->repeats,
	};
	g_strlcpy(out->detail, s->detail, sizeof(out->detail));
}

static void mqtt_source_close(struct source *source)
{
	struct source_mqtt *s = mqtt_of(source);

	mqtt_close(s->handle);
	io_watch_free(s->quiet);
	g_array_free(s->queue, true);
	arena_free(s->arena);
	g_strfreev(s->wanted);
	g_strfreev(s->granted);
	g_free((char *)(uintptr_t)s->base.name.p);
	g_free(s);
}

static void mqtt_source_refuse(struct source *s, uint64_t token, enum event_refusal why,
    struct str text)
{
	(void)s, (void)token, (void)why, (void)text;	/* a publisher gets no answer */
}

static void mqtt_source_accept(
    struct source *s, uint64_t token, uint64_t seq, bool repeat)
{
	(void)s, (void)token, (void)seq, (void)repeat;
}

const struct source_impl source_mqtt = {
	.kind = &source_mqtt_kind,
	.journal = JOURNAL_FULL,
	.commit_at_once = true,
	.open = mqtt_source_open,
	.resume = mqtt_source_resume,
	.start = mqtt_source_start,
	.read = mqtt_source_read,
	.release = mqtt_source_release,
	.cut = mqtt_source_cut,
	.refuse = mqtt_source_refuse,
	.accept = mqtt_source_accept,
	.ack = mqtt_source_ack,
	.nack = mqtt_source_nack,
	.pause = mqtt_source_pause,
	.status = mqtt_source_status,
	.close = mqtt_source_close,
};
