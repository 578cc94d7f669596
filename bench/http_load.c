/* Events over HTTP, as fast as they are answered: many clients, one thread.
 *
 *	http_load --port N --token-file F [--clients N] [--batch N]
 *	    [--count N | --seconds X]
 *
 * Every client keeps one connection and one request on it; the next is sent when the
 * answer is there, so each answer stands for a commit that covers it.  Prints JSON:
 * events and requests answered with 202, the others, latencies, and every silence between
 * two answers of at least --gap milliseconds: [begin, length] in nanoseconds of
 * CLOCK_MONOTONIC.  Event n has the key n % keys and, with --step, the time
 * T0 + n * step.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 256		/* limits.connections */
#define T0_S INT64_C(1772323200) /* 2026-03-01T00:00:00Z */

static int opt_port, opt_clients = 1, opt_batch = 1, opt_keys = 64, opt_step;
static int64_t opt_count = INT64_MAX, opt_from;
static double opt_seconds, opt_gap = 1e9;
static char *opt_token, *opt_type = "load";

struct client {
	int		 fd;
	int64_t		 sent_ns;
	GString		*in;
};
static struct client clients[CLIENTS_MAX];
static char *token;
static char run_id[32];		/* ids of another run are others */
static int64_t next_event, requests, refused;
static int last_refusal;
static GArray *latencies;	/* int64_t ns */
static GString *gaps;
static int64_t last_answer_ns, first_ns;

static int64_t mono_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void append_event(GString *b, int64_t n)
{
	g_string_append_printf(b, "{\"specversion\":\"1.0\",\"id\":\"%s-%" G_GINT64_FORMAT
	    "\",\"source\":\"/bench\",\"type\":\"%s\",", run_id, n, opt_type);
	if (opt_step) {
		int64_t ms = n * opt_step;
		time_t s = (time_t)(T0_S + ms / 1000);
		struct tm tm;
		char text[32];
		gmtime_r(&s, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
		g_string_append_printf(b, "\"time\":\"%s.%03dZ\",", text,
		    (int)(ms % 1000));
	}
	g_string_append_printf(b, "\"data\":{\"key\":\"k%" G_GINT64_FORMAT
	    "\",\"value\":%.3f}}", n % opt_keys, (double)(n % 997) / 997);
}

static void request(struct client *c)
{
	GString *body = g_string_new(NULL), *out = g_string_new(NULL);
	size_t at = 0;

	if (opt_batch > 1)
		g_string_append_c(body, '[');
	for (int i = 0; i < opt_batch; i++) {
		if (i)
			g_string_append_c(body, ',');
		append_event(body, next_event++);
	}
	if (opt_batch > 1)
		g_string_append_c(body, ']');
	g_string_printf(out, "POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\n"
	    "Authorization: Bearer %s\r\nContent-Type: application/cloudevents%s+json\r\n"
	    "Content-Length: %zu\r\n\r\n", token, opt_batch > 1 ? "-batch" : "",
	    body->len);
	g_string_append_len(out, body->str, (gssize)body->len);
	c->sent_ns = mono_ns();
	while (at < out->len) {	/* blocking: the peer reads while it has no answer due */
		ssize_t put = send(c->fd, out->str + at, out->len - at, MSG_NOSIGNAL);
		if (put < 0)
			g_error("http_load: send: %s", g_strerror(errno));
		at += (size_t)put;
	}
	g_string_free(body, TRUE);
	g_string_free(out, TRUE);
}

/* The bytes of one whole answer at the head of `in`, or 0. */
static size_t answer_len(const GString *in, int *ret_status)
{
	const char *end = strstr(in->str, "\r\n\r\n"), *length;
	size_t head, body;

	if (!end || sscanf(in->str, "HTTP/1.1 %d", ret_status) != 1)
		return 0;
	length = strcasestr(in->str, "\r\nContent-Length:");
	if (!length || length > end)
		g_error("http_load: an answer without a length");
	head = (size_t)(end - in->str) + 4;
	body = strtoul(length + 17, NULL, 10);
	return in->len >= head + body ? head + body : 0;
}

static void note_answer(const struct client *c, int status)
{
	int64_t now = mono_ns(), ns = now - c->sent_ns, gap = now - last_answer_ns;

	if ((double)gap >= opt_gap * 1e6)
		g_string_append_printf(gaps, "%s[%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT
		    "]", gaps->len ? ", " : "", last_answer_ns, gap);
	last_answer_ns = now;
	if (status == 202) {
		requests++;
		g_array_append_val(latencies, ns);
	} else {
		refused++;
		last_refusal = status;
	}
}

static bool more(void)
{
	return next_event - opt_from < opt_count &&
	    (opt_seconds <= 0 || (double)(mono_ns() - first_ns) < opt_seconds * 1e9);
}

/* Returns whether the client has asked again. */
static bool readable(struct client *c)
{
	char buf[16384];
	ssize_t got = read(c->fd, buf, sizeof(buf));
	int status = 0;
	size_t len;

	if (got <= 0)
		g_error("http_load: the daemon closed: %s",
		    got ? g_strerror(errno) : "end");
	g_string_append_len(c->in, buf, got);
	if (!(len = answer_len(c->in, &status)))
		return true;
	g_string_erase(c->in, 0, (gssize)len);
	note_answer(c, status);
	if (!more())
		return false;
	request(c);
	return true;
}

static int dial(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)opt_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		g_error("http_load: connect: %s", g_strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	return fd;
}

static void run(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), busy = 0;
	struct epoll_event v[CLIENTS_MAX];

	for (int i = 0; i < opt_clients; i++) {
		clients[i] = (struct client){ .fd = dial(), .in = g_string_new(NULL) };
		epoll_ctl(ep, EPOLL_CTL_ADD, clients[i].fd, &(struct epoll_event){
		    .events = EPOLLIN, .data.ptr = &clients[i] });
	}
	first_ns = last_answer_ns = mono_ns();
	for (int i = 0; i < opt_clients && more(); i++, busy++)
		request(&clients[i]);
	while (busy) {
		int n = epoll_wait(ep, v, CLIENTS_MAX, -1);
		for (int i = 0; i < n; i++)
			if (!readable(v[i].data.ptr))
				busy--;
	}
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double latency_us(double p)
{
	guint at = (guint)((double)latencies->len * p);

	if (!latencies->len)
		return 0;
	at = MIN(at, latencies->len - 1);
	return (double)g_array_index(latencies, int64_t, at) / 1e3;
}

static const GOptionEntry options[] = {
	{ "port", 0, 0, G_OPTION_ARG_INT, &opt_port, "of the daemon's API", "N" },
	{ "token-file", 0, 0, G_OPTION_ARG_FILENAME, &opt_token, "its admin.token", "F" },
	{ "clients", 0, 0, G_OPTION_ARG_INT, &opt_clients, "connections", "N" },
	{ "batch", 0, 0, G_OPTION_ARG_INT, &opt_batch, "events in a request", "N" },
	{ "count", 0, 0, G_OPTION_ARG_INT64, &opt_count, "events in all", "N" },
	{ "from", 0, 0, G_OPTION_ARG_INT64, &opt_from, "number of the first event", "N" },
	{ "seconds", 0, 0, G_OPTION_ARG_DOUBLE, &opt_seconds, "then no more", "X" },
	{ "keys", 0, 0, G_OPTION_ARG_INT, &opt_keys, "values of data.key", "N" },
	{ "step", 0, 0, G_OPTION_ARG_INT, &opt_step, "ms of event time per event", "N" },
	{ "type", 0, 0, G_OPTION_ARG_STRING, &opt_type, "of the events", "T" },
	{ "gap", 0, 0, G_OPTION_ARG_DOUBLE, &opt_gap, "print silences from there", "MS" },
	{ 0 },
};

int main(int argc, char **argv)
{
	GOptionContext *c = g_option_context_new("- events over HTTP");
	GError *error = NULL;

	g_option_context_add_main_entries(c, options, NULL);
	if (!g_option_context_parse(c, &argc, &argv, &error) || !opt_token ||
	    !g_file_get_contents(opt_token, &token, NULL, &error) || opt_keys < 1 ||
	    opt_batch < 1 || opt_clients < 1 || opt_clients > CLIENTS_MAX) {
		fprintf(stderr, "http_load: %s\n", error ? error->message : "bad number");
		return 2;
	}
	g_option_context_free(c);
	g_strstrip(token);
	snprintf(run_id, sizeof(run_id), "%llx", (unsigned long long)mono_ns());
	next_event = opt_from;
	latencies = g_array_new(FALSE, FALSE, sizeof(int64_t));
	gaps = g_string_new(NULL);
	run();
	qsort(latencies->data, latencies->len, sizeof(int64_t), by_value);
	printf("{\"requests\": %lld, \"events\": %lld, \"refused\": %lld, "
	    "\"status\": %d, "
	    "\"wall_ns\": %lld, \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, "
	    "\"gaps\": [%s]}\n", (long long)requests, (long long)requests * opt_batch,
	    (long long)refused, last_refusal, (long long)(last_answer_ns - first_ns),
	    latency_us(0.5), latency_us(0.99), latency_us(1), gaps->str);
	return 0;
}
