/* A Kafka broker that costs next to nothing: endless, exact, without a disk.
 *
 *	topic `load`	batches encoded once; ids, times and CRC are patched when sent
 *	topic `trigger`	one message at a time, each at its own intended instant, which
 *			stands in it: {"sent": nanoseconds of CLOCK_MONOTONIC}
 *
 * Offset n of `load` is the same event however often it is fetched, so what a consumer
 * must have seen follows from its offsets.  Event time moves by a millisecond per event.
 * Answers ApiVersions 0, Metadata 0-2, ListOffsets 1, Fetch 4 and FindCoordinator 0;
 * Produce is advertised, because librdkafka reads no message of version 2 without it.
 * Fetch is held like a real long poll until something is due.  One thread a connection.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <math.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PER_BATCH 250
#define BATCHES 64		/* events repeat, but for id and time, after 16,000 */
#define T0_S INT64_C(1772323200) /* 2026-03-01T00:00:00Z */
#define T0_TEXT "2026-03-01T00:00:00.000Z"
#define SIZE 350		/* bytes of one event */
#define ENDLESS (INT64_C(1) << 40)

static int opt_types = 1, opt_keys = 64, opt_port;
static double opt_rate, opt_trigger_rate;	/* per second; 0: unlimited, none */
static int64_t opt_count = ENDLESS, opt_trigger_count;
static double opt_walk;		/* values: a closed walk with steps up to this */

struct template {
	uint8_t		*p;
	size_t		 len;
	uint32_t	 id_at[PER_BATCH], time_at[PER_BATCH];
};
static struct template templates[BATCHES];
static int64_t started_ns;	/* the first fetch of anything */
static pthread_mutex_t start_lock = PTHREAD_MUTEX_INITIALIZER;

static int64_t mono_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* CRC-32C (RFC 3720, B.4), as record batches have it. */
static uint32_t crc_table[256];

static void crc_init(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int k = 0; k < 8; k++)
			c = c & 1 ? (c >> 1) ^ 0x82f63b78u : c >> 1;
		crc_table[i] = c;
	}
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc_fast(const uint8_t *p, size_t n)
{
	uint64_t c = 0xffffffffu;

	for (; n >= 8; p += 8, n -= 8) {
		uint64_t w;
		memcpy(&w, p, 8);
		c = __builtin_ia32_crc32di(c, w);
	}
	for (; n; p++, n--)
		c = __builtin_ia32_crc32qi((uint32_t)c, *p);
	return ~(uint32_t)c;
}
#endif

static uint32_t crc32c(const uint8_t *p, size_t n)
{
	uint32_t c = 0xffffffffu;

#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return crc_fast(p, n);
#endif
	for (; n; p++, n--)
		c = crc_table[(c ^ *p) & 255] ^ (c >> 8);
	return ~c;
}

/* What the protocol is made of (Kafka protocol guide: big endian, zigzag varints). */
static void put8(GByteArray *b, int v)
{
	g_byte_array_append(b, &(guint8){ (guint8)v }, 1);
}
static void put16(GByteArray *b, int v)
{
	uint16_t w = htons((uint16_t)v);
	g_byte_array_append(b, (guint8 *)&w, 2);
}
static void put32(GByteArray *b, int64_t v)
{
	uint32_t w = htonl((uint32_t)v);
	g_byte_array_append(b, (guint8 *)&w, 4);
}
static void put64(GByteArray *b, int64_t v)
{
	put32(b, v >> 32);
	put32(b, v);
}
static void put_str(GByteArray *b, const char *s)
{
	put16(b, s ? (int)strlen(s) : -1);
	if (s)
		g_byte_array_append(b, (const guint8 *)s, (guint)strlen(s));
}
static void put_varint(GByteArray *b, int64_t v)
{
	uint64_t z = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);

	for (; z >= 128; z >>= 7)
		put8(b, (int)(z & 127) | 128);
	put8(b, (int)z);
}
static void set32(uint8_t *p, uint32_t v)
{
	v = htonl(v);
	memcpy(p, &v, 4);
}

/* A record batch is begun, gets its records, and is closed: lengths and CRC. */
static size_t batch_begin(GByteArray *b, int64_t base, int n)
{
	size_t at = b->len;

	put64(b, base), put32(b, 0), put32(b, 0), put8(b, 2), put32(b, 0);
	put16(b, 0), put32(b, n - 1);
	put64(b, T0_S * 1000), put64(b, T0_S * 1000);
	put64(b, -1), put16(b, -1), put32(b, -1), put32(b, n);
	return at;
}

static void batch_crc(uint8_t *batch, size_t len)
{
	set32(batch + 17, crc32c(batch + 21, len - 21));
}

static void batch_close(GByteArray *b, size_t at)
{
	set32(b->data + at + 8, (uint32_t)(b->len - at - 12));
	batch_crc(b->data + at, b->len - at);
}

/* Returns where in `b` the value begins. */
static size_t put_record(GByteArray *b, int delta, const char *value, size_t len)
{
	GByteArray *r = g_byte_array_new();
	size_t at;

	put8(r, 0), put_varint(r, 0), put_varint(r, delta), put_varint(r, -1);
	put_varint(r, (int64_t)len);
	put_varint(b, (int64_t)(r->len + len + 1));
	g_byte_array_append(b, r->data, r->len);
	at = b->len;
	g_byte_array_append(b, (const guint8 *)value, (guint)len);
	put8(b, 0);		/* no headers */
	g_byte_array_free(r, TRUE);
	return at;
}

/* The walk is a bridge: it ends where it began, so that the cycle has no jump. */
static double *values_make(int n)
{
	double *v = g_new0(double, n), drift;
	GRand *r = g_rand_new_with_seed(7);

	for (int i = 0; i < n; i++) {
		if (opt_walk > 0)
			v[i] = (i ? v[i - 1] : 0) +
			    g_rand_double_range(r, -0.9, 0.9) * opt_walk;
		else
			v[i] = g_rand_double(r);
	}
	drift = opt_walk > 0 ? (v[n - 1] - v[0]) / n : 0;
	for (int i = 0; i < n; i++)
		v[i] -= drift * i;
	g_rand_free(r);
	return v;
}

static int event_text(char *out, size_t size, int n, double value)
{
	int type = n % opt_types;
	/* 90 % of the events are of a tenth of the keys. */
	int hot = MAX(opt_keys / 10, 1);
	int key = n % 10 ? (n * 7) % hot : (n * 13) % opt_keys;
	int len = snprintf(out, size,
	    "{\"specversion\":\"1.0\",\"id\":\"e-000000000000\","
	    "\"source\":\"/plant/line-%d\",\"type\":\"ml.metric.%d\","
	    "\"subject\":\"model-%d\",\"time\":\"" T0_TEXT "\","
	    "\"datacontenttype\":\"application/json\",\"data\":{\"name\":\"psi\","
	    "\"model\":\"model-%d\",\"value\":%.6f,\"window\":\"5m\",\"n\":%d,\"labels\":"
	    "{\"region\":\"eu-west-1\",\"stage\":\"production\",\"host\":\"",
	    key % 8, type, key, key, value, 1000 + n % 500);

	for (; len < SIZE - 4; len++)
		out[len] = (char)('a' + len % 26);
	return len + snprintf(out + len, size - (size_t)len, "\"}}}");
}

static void templates_make(void)
{
	double *v = values_make(PER_BATCH * BATCHES);
	char text[SIZE * 3];

	for (int i = 0; i < BATCHES; i++) {
		struct template *t = &templates[i];
		GByteArray *b = g_byte_array_new();
		batch_begin(b, 0, PER_BATCH);
		for (int k = 0; k < PER_BATCH; k++) {
			int n = i * PER_BATCH + k;
			int len = event_text(text, sizeof(text), n, v[n]);
			uint32_t at = (uint32_t)put_record(b, k, text, (size_t)len);
			t->id_at[k] = at + (uint32_t)(strstr(text, "e-0000") + 2 - text);
			t->time_at[k] = at + (uint32_t)(strstr(text, T0_TEXT) - text);
		}
		batch_close(b, 0);
		t->len = b->len;
		t->p = g_byte_array_free(b, FALSE);
	}
	g_free(v);
}

static void digits(uint8_t *p, int n, int64_t v)
{
	while (n--) {
		p[n] = (uint8_t)('0' + v % 10);
		v /= 10;
	}
}

/* "2026-03-01T00:00:00.000Z" + ms; days of March carry into nothing else. */
static void patch_time(uint8_t *p, int64_t ms)
{
	int64_t s = ms / 1000;

	digits(p + 20, 3, ms % 1000);
	digits(p + 17, 2, s % 60);
	digits(p + 14, 2, s / 60 % 60);
	digits(p + 11, 2, s / 3600 % 24);
	digits(p + 8, 2, 1 + s / 86400 % 31);
}

static void append_load(GByteArray *out, int64_t base)
{
	struct template *t = &templates[base / PER_BATCH % BATCHES];
	size_t at = out->len;
	uint8_t *p;

	g_byte_array_append(out, t->p, (guint)t->len);
	p = out->data + at;
	set32(p, (uint32_t)(base >> 32));
	set32(p + 4, (uint32_t)base);
	for (int k = 0; k < PER_BATCH; k++) {
		digits(p + t->id_at[k], 12, base + k);
		patch_time(p + t->time_at[k], base + k);
	}
	batch_crc(p, t->len);
}

static int64_t trigger_ns(int64_t n)
{
	return started_ns + (int64_t)((double)(n + 1) * 1e9 / opt_trigger_rate);
}

static void append_trigger(GByteArray *out, int64_t n)
{
	char text[256];
	int len = snprintf(text, sizeof(text),
	    "{\"specversion\":\"1.0\",\"id\":\"t-%" G_GINT64_FORMAT "\","
	    "\"type\":\"trigger\",\"source\":\"/bench\",\"data\":{\"n\":%" G_GINT64_FORMAT
	    ",\"sent\":\"%" G_GINT64_FORMAT "\"}}",
	    n, n, trigger_ns(n));
	size_t at = batch_begin(out, n, 1);

	put_record(out, 0, text, (size_t)len);
	batch_close(out, at);
}

/* The end of a topic now. */
static int64_t end_of(bool trigger, int64_t now)
{
	double s = (double)(now - started_ns) / 1e9;
	int64_t n;

	if (trigger)
		return opt_trigger_rate > 0 ?
		    MIN((int64_t)(s * opt_trigger_rate), opt_trigger_count) : 0;
	n = opt_rate > 0 ? (int64_t)(s * opt_rate) : opt_rate < 0 ? 0 : ENDLESS;
	return MIN(n, opt_count);
}

/* When something more than `offset` is there: nanoseconds from now. */
static int64_t due_in(bool trigger, int64_t offset, int64_t now)
{
	if (end_of(trigger, now) > offset)
		return 0;
	if (trigger && opt_trigger_rate > 0 && offset < opt_trigger_count)
		return trigger_ns(offset) - now;
	if (!trigger && opt_rate > 0 && offset < opt_count)
		return started_ns +
		    (int64_t)((double)(offset + 1) * 1e9 / opt_rate) - now;
	return INT64_MAX;
}

/* A request. */
struct reader {
	const uint8_t	*p, *end;
};

static int64_t get(struct reader *r, int n)
{
	uint64_t v = 0;

	if (r->end - r->p < n)
		pthread_exit(NULL);
	for (int i = 0; i < n; i++)
		v = v << 8 | *r->p++;
	return n == 2 ? (int16_t)v : n == 4 ? (int32_t)v : (int64_t)v;
}

static void get_str(struct reader *r, char *out, size_t size)
{
	int64_t n = get(r, 2);

	out[0] = '\0';
	if (n <= 0)
		return;
	if (r->end - r->p < n)
		pthread_exit(NULL);
	g_strlcpy(out, (const char *)r->p, MIN(size, (size_t)n + 1));
	r->p += n;
}

static void answer_versions(GByteArray *out, int version)
{
	static const int apis[][3] = { { 0, 0, 3 }, { 1, 0, 4 }, { 2, 0, 1 },
		{ 3, 0, 2 }, { 10, 0, 0 }, { 18, 0, 0 } };

	put16(out, version > 0 ? 35 : 0);	/* UNSUPPORTED_VERSION: ask with 0 */
	put32(out, G_N_ELEMENTS(apis));
	for (unsigned i = 0; i < G_N_ELEMENTS(apis); i++)
		for (int k = 0; k < 3; k++)
			put16(out, apis[i][k]);
}

static void answer_metadata(GByteArray *out, struct reader *r, int version)
{
	const char *const all[] = { "load", "trigger" };
	char name[256] = "";
	int64_t n = get(r, 4);
	bool every = n < 0 || (n == 0 && version == 0);

	put32(out, 1);
	put32(out, 1), put_str(out, "127.0.0.1"), put32(out, opt_port);
	if (version >= 1)
		put_str(out, NULL);
	if (version >= 2)
		put_str(out, "nullbroker");
	if (version >= 1)
		put32(out, 1);
	n = every ? 2 : n;
	put32(out, n);
	for (int64_t i = 0; i < n; i++) {
		if (!every)
			get_str(r, name, sizeof(name));
		put16(out, 0), put_str(out, every ? all[i] : name);
		if (version >= 1)
			put8(out, 0);
		put32(out, 1);
		put16(out, 0), put32(out, 0), put32(out, 1);
		put32(out, 1), put32(out, 1), put32(out, 1), put32(out, 1);
	}
}

static void answer_offsets(GByteArray *out, struct reader *r)
{
	char name[256];
	int64_t n;

	get(r, 4);
	put32(out, n = get(r, 4));
	for (int64_t i = 0; i < n; i++) {
		int64_t parts;
		get_str(r, name, sizeof(name));
		put_str(out, name);
		put32(out, parts = get(r, 4));
		for (int64_t k = 0; k < parts; k++) {
			bool trigger = strcmp(name, "trigger") == 0;
			int64_t part = get(r, 4), when = get(r, 8);
			put32(out, part), put16(out, 0), put64(out, -1);
			put64(out, when == -2 || !started_ns ? 0 :
			    end_of(trigger, mono_ns()));
		}
	}
}

struct wanted {
	char		 name[64];
	int64_t		 part, offset, bytes;
	bool		 trigger;
};

static void append_records(GByteArray *out, const struct wanted *w, int64_t end)
{
	size_t at = out->len, begin;

	put32(out, 0);
	begin = out->len;
	if (w->trigger)
		for (int64_t n = w->offset; n < end && out->len - begin < 65536; n++)
			append_trigger(out, n);
	else		/* whole batches only: the last one may wait for its end */
		for (int64_t n = w->offset - w->offset % PER_BATCH; n < end;
		     n += PER_BATCH) {
			size_t more = templates[n / PER_BATCH % BATCHES].len;
			if (out->len > begin &&
			    out->len - begin + more > (size_t)w->bytes)
				break;
			append_load(out, n);
		}
	set32(out->data + at, (uint32_t)(out->len - begin));
}

/* Paced load is rounded down to whole batches, so that no offset is sent early. */
static int64_t visible_end(const struct wanted *w, int64_t now)
{
	int64_t end = end_of(w->trigger, now);

	return w->trigger ? end : end - end % PER_BATCH;
}

static int64_t fetch_due(const struct wanted *w, int64_t now)
{
	int64_t next = w->trigger ? w->offset :
	    w->offset - w->offset % PER_BATCH + PER_BATCH - 1;

	return due_in(w->trigger, next, now);
}

static void fetch_wait(const struct wanted *w, int n, int64_t until)
{
	for (;;) {
		int64_t now = mono_ns(), least = until - now;
		for (int i = 0; i < n; i++)
			least = MIN(least, fetch_due(&w[i], now));
		if (least <= 0)
			return;
		struct timespec t = { least / 1000000000, least % 1000000000 };
		nanosleep(&t, NULL);
	}
}

static int read_wanted(struct reader *r, struct wanted *w, int max)
{
	int64_t topics = get(r, 4);
	int n = 0;

	for (int64_t i = 0; i < topics; i++) {
		char name[64];
		get_str(r, name, sizeof(name));
		for (int64_t k = get(r, 4); k > 0 && n < max; k--, n++) {
			g_strlcpy(w[n].name, name, sizeof(w[n].name));
			w[n].trigger = strcmp(name, "trigger") == 0;
			w[n].part = get(r, 4);
			w[n].offset = get(r, 8);
			w[n].bytes = get(r, 4);
		}
	}
	return n;
}

static void answer_fetch(GByteArray *out, struct reader *r)
{
	struct wanted w[8];
	int64_t wait;
	int n;

	get(r, 4);
	wait = get(r, 4);
	get(r, 4), get(r, 4), get(r, 1);
	n = read_wanted(r, w, (int)G_N_ELEMENTS(w));
	pthread_mutex_lock(&start_lock);
	if (!started_ns)
		started_ns = mono_ns();
	pthread_mutex_unlock(&start_lock);
	fetch_wait(w, n, mono_ns() + wait * 1000000);
	put32(out, 0);
	put32(out, n);
	for (int i = 0; i < n; i++) {
		int64_t end = visible_end(&w[i], mono_ns());
		put_str(out, w[i].name);
		put32(out, 1);
		put32(out, w[i].part), put16(out, 0);
		put64(out, end), put64(out, end), put32(out, -1);
		append_records(out, &w[i], end);
	}
}

static void answer(GByteArray *out, struct reader *r, int api, int version)
{
	switch (api) {
	case 1:
		answer_fetch(out, r);
		break;
	case 2:
		answer_offsets(out, r);
		break;
	case 3:
		answer_metadata(out, r, version);
		break;
	case 10:
		put16(out, 0), put32(out, 1);
		put_str(out, "127.0.0.1"), put32(out, opt_port);
		break;
	case 18:
		answer_versions(out, version);
		break;
	default:
		fprintf(stderr, "nullbroker: request %d version %d is not known\n", api,
		    version);
		pthread_exit(NULL);
	}
}

static bool read_all(int fd, uint8_t *p, size_t n)
{
	while (n) {
		ssize_t got = read(fd, p, n);
		if (got <= 0)
			return false;
		p += got, n -= (size_t)got;
	}
	return true;
}

static bool write_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t put = send(fd, p, n, MSG_NOSIGNAL);
		if (put <= 0)
			return false;
		p += put, n -= (size_t)put;
	}
	return true;
}

static void *serve(void *arg)
{
	int fd = GPOINTER_TO_INT(arg);
	GByteArray *out = g_byte_array_new();
	uint8_t head[4], *body = NULL;

	while (read_all(fd, head, 4)) {
		uint32_t size = (uint32_t)get(&(struct reader){ head, head + 4 }, 4);
		char client[256];
		body = g_realloc(body, size);
		if (!read_all(fd, body, size))
			break;
		struct reader r = { body, body + size };
		int api = (int)get(&r, 2), version = (int)get(&r, 2);
		int64_t correlation = get(&r, 4);
		get_str(&r, client, sizeof(client));
		g_byte_array_set_size(out, 0);
		put32(out, 0), put32(out, correlation);
		answer(out, &r, api, version);
		set32(out->data, out->len - 4);
		if (!write_all(fd, out->data, out->len))
			break;
	}
	g_byte_array_free(out, TRUE);
	g_free(body);
	close(fd);
	return NULL;
}

static const GOptionEntry options[] = {
	{ "port", 0, 0, G_OPTION_ARG_INT, &opt_port, "listen there; 0: any", "N" },
	{ "types", 0, 0, G_OPTION_ARG_INT, &opt_types, "event types, in turn", "N" },
	{ "keys", 0, 0, G_OPTION_ARG_INT, &opt_keys, "models, a tenth hot", "N" },
	{ "walk", 0, 0, G_OPTION_ARG_DOUBLE, &opt_walk, "values walk, steps up to", "X" },
	{ "rate", 0, 0, G_OPTION_ARG_DOUBLE, &opt_rate,
	  "load per second; 0: unlimited, -1: none", "N" },
	{ "count", 0, 0, G_OPTION_ARG_INT64, &opt_count, "load ends there", "N" },
	{ "trigger-rate", 0, 0, G_OPTION_ARG_DOUBLE, &opt_trigger_rate, "per second",
	  "N" },
	{ "trigger-count", 0, 0, G_OPTION_ARG_INT64, &opt_trigger_count, "and no more",
	  "N" },
	{ 0 },
};

static int listen_any(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)opt_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(fd, (struct sockaddr *)&a, n) || listen(fd, 16) ||
	    getsockname(fd, (struct sockaddr *)&a, &n))
		g_error("nullbroker: %s", g_strerror(errno));
	opt_port = ntohs(a.sin_port);
	return fd;
}

/* Prints its port, and serves until its standard input ends. */
static void *stdin_ends(void *arg)
{
	char sink[64];

	(void)arg;
	while (read(0, sink, sizeof(sink)) > 0)
		;
	_exit(0);
}

int main(int argc, char **argv)
{
	GOptionContext *c = g_option_context_new("- a Kafka broker for benchmarks");
	GError *error = NULL;
	pthread_t thread;
	int fd, peer;

	g_option_context_add_main_entries(c, options, NULL);
	if (!g_option_context_parse(c, &argc, &argv, &error) || opt_types < 1 ||
	    opt_keys < 1) {
		fprintf(stderr, "nullbroker: %s\n",
		    error ? error->message : "bad number");
		return 2;
	}
	g_option_context_free(c);
	crc_init();
	templates_make();
	fd = listen_any();
	printf("%d\n", opt_port);
	fflush(stdout);
	pthread_create(&thread, NULL, stdin_ends, NULL);
	while ((peer = accept(fd, NULL, NULL)) >= 0) {
		setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
		pthread_create(&thread, NULL, serve, GINT_TO_POINTER(peer));
		pthread_detach(thread);
	}
	return 1;
}
