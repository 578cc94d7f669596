/* Requests to the daemon: libcurl, over the unix socket by default.
 *
 * Addresses, in order: --address, $RETRAIND_ADDRESS, --dir or $RETRAIND_DIR's
 * retraind.sock, /run/retraind/retraind.sock.  The first that is given is the one. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "cmd/retrainctl/ctl.h"

#define RETRIES 3		/* of a mutation whose answer did not come */

struct client {
	CURL		*curl;
	char		*socket;	/* NULL: http */
	char		*base;		/* "http://localhost" or the given url */
	GString		*tried;		/* what was looked at, for the error */
};

static bool is_url(const char *a)
{
	return g_str_has_prefix(a, "http://") || g_str_has_prefix(a, "https://");
}

/* Why a socket can't be used: absent, refused and no permission are told apart. */
static void note(struct client *c, const char *path)
{
	struct stat st;

	if (c->tried->len)
		g_string_append(c->tried, ", ");
	if (stat(path, &st) < 0)
		g_string_append_printf(c->tried, "%s (%s)", path,
		    errno == ENOENT ? "absent" : g_strerror(errno));
	else if (access(path, W_OK) < 0)
		g_string_append_printf(c->tried, "%s (no permission)", path);
	else
		g_string_append_printf(c->tried, "%s (there, but nobody answers)", path);
}

static struct client *client_of(struct ctl *ctl)
{
	const char *env = getenv("RETRAIND_ADDRESS");
	const char *a = ctl->address ? ctl->address : env && *env ? env : NULL;
	const char *dir = ctl->dir ? ctl->dir : getenv("RETRAIND_DIR");
	struct client *c;

	if (ctl->client)
		return ctl->client;
	c = ctl->client = g_new0(struct client, 1);
	c->curl = curl_easy_init();
	c->tried = g_string_new(NULL);
	c->base = g_strdup(a && is_url(a) ? a : "http://localhost");
	if (a && is_url(a))
		return c;
	if (a)
		c->socket = g_strdup(g_str_has_prefix(a, "unix:") ? a + 5 : a);
	else if (dir)
		c->socket = g_build_filename(dir, "retraind.sock", NULL);
	else
		c->socket = g_strdup("/run/retraind/retraind.sock");
	return c;
}

void client_free(struct ctl *ctl)
{
	if (!ctl->client)
		return;
	curl_easy_cleanup(ctl->client->curl);
	g_free(ctl->client->socket);
	g_free(ctl->client->base);
	g_string_free(ctl->client->tried, TRUE);
	g_free(ctl->client);
	ctl->client = NULL;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	g_string_append_len(arg, p, (gssize)(size * n));
	return size * n;
}

static struct curl_slist *headers(bool mutation, const char *key)
{
	struct curl_slist *h = curl_slist_append(NULL, "Expect:");
	const char *token = getenv("RETRAIND_TOKEN");

	if (token) {
		char *t = g_strdup_printf("Authorization: Bearer %s", token);
		h = curl_slist_append(h, t);
		g_free(t);
	}
	if (mutation) {
		char *k = g_strdup_printf("Idempotency-Key: %s", key);
		h = curl_slist_append(h, k);
		h = curl_slist_append(h, "Content-Type: application/json");
		g_free(k);
	}
	return h;
}

static void prepare(struct client *c, const char *method, const char *path,
		    const char *body, struct curl_slist *h)
{
	char *url = g_strconcat(c->base, path, NULL);

	curl_easy_reset(c->curl);
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, h);
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, 5L);
	curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
	if (c->socket)
		curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, c->socket);
	if (body)
		curl_easy_setopt(c->curl, CURLOPT_COPYPOSTFIELDS, body);
	g_free(url);
}

static void random_key(char ret[33])
{
	uint8_t r[16];

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		abort();
	for (unsigned i = 0; i < sizeof(r); i++)
		g_snprintf(ret + 2 * i, 3, "%02x", r[i]);
}

static void not_reached(struct client *c, CURLcode rc)
{
	if (c->socket)
		note(c, c->socket);
	else
		g_string_append_printf(c->tried, "%s (%s)", c->base,
				       curl_easy_strerror(rc));
	fprintf(stderr,
		"retrainctl: can't reach retraind: %s; is it running? --address or"
		" --dir names another\n",
		c->tried->str);
}

struct answer_text client_call(struct ctl *ctl, const char *method, const char *path,
    const char *body)
{
	struct client *c = client_of(ctl);
	struct answer_text a = { 0, g_string_new(NULL) };
	bool mutation = strcmp(method, "GET") != 0;
	char key[33] = "";
	struct curl_slist *h;
	CURLcode rc = CURLE_OK;

	if (mutation)
		random_key(key);
	h = headers(mutation, key);
	for (int i = 0; i < RETRIES; i++) {
		prepare(c, method, path, mutation && !body ? "" : body, h);
		curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, 60L);
		curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_body);
		curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, a.body);
		g_string_truncate(a.body, 0);
		rc = curl_easy_perform(c->curl);
		if (rc == CURLE_OK || rc == CURLE_COULDNT_CONNECT)
			break;	/* the key makes a repeat harmless */
	}
	curl_slist_free_all(h);
	if (rc != CURLE_OK)
		not_reached(c, rc);
	else
		curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &a.status);
	return a;
}

struct stream {
	bool		 (*f)(void *, struct str);
	void		*ctx;
	CURL		*curl;
	GString		*refusal;	/* the body of an answer that is no 2xx */
	bool		 ended;
};

static size_t on_piece(char *p, size_t size, size_t n, void *arg)
{
	struct stream *s = arg;
	long status = 0;

	curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status / 100 != 2)
		return on_body(p, size, n, s->refusal);
	if (s->f(s->ctx, (struct str){ p, (uint32_t)(size * n) }))
		return size * n;
	s->ended = true;
	return 0;
}

/* After a reload: who runs as the files say, and who does not. */
static void print_bundles(const json_t *list)
{
	static const char *const rows[][2] = { { "ok", "loaded" },
		{ "kept", "not loaded, its last good set goes on" },
		{ "failed", "not loaded, and it has no last good set" },
		{ "removed", "removed, it has no rule files any more" } };
	const json_t *b;
	size_t i;

	json_array_foreach(list, i, b)
		for (unsigned k = 0; k < G_N_ELEMENTS(rows); k++)
			if (strcmp(member(b, "state"), rows[k][0]) == 0)
				fprintf(stderr, "bundle %s: %s\n", member(b, "name"),
				    rows[k][1]);
}

/* The daemon's words: `diagnostics` as a compiler prints them, else `error`. */
static void print_refusal(const json_t *j, const GString *body)
{
	const json_t *list = json_object_get(j, "diagnostics"), *d;
	const char *why = json_string_value(json_object_get(j, "error"));
	size_t i;

	if (!why && !json_array_size(list))
		why = body->str;
	if (why)
		fprintf(stderr, "retrainctl: %s\n", why);
	json_array_foreach(list, i, d) {
		if (*member(d, "file"))
			fprintf(stderr, "%s:%lld:%lld: ", member(d, "file"),
			    (long long)json_integer_value(json_object_get(d, "line")),
			    (long long)json_integer_value(json_object_get(d, "column")));
		fprintf(stderr, "%s: %s", member(d, "severity"), member(d, "message"));
		if (*member(d, "hint"))
			fprintf(stderr, " (%s)", member(d, "hint"));
		fputc('\n', stderr);
	}
	print_bundles(json_object_get(j, "bundles"));
}

static json_t *parse_body(const GString *body)
{
	return json_loadb(body->str, body->len, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
}

bool client_stream(struct ctl *ctl, const char *path, bool (*f)(void *, struct str),
    void *ctx)
{
	struct client *c = client_of(ctl);
	struct curl_slist *h = headers(false, NULL);
	struct stream s = { f, ctx, c->curl, g_string_new(NULL), false };
	CURLcode rc;
	long status = 0;

	prepare(c, "GET", path, NULL, h);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_piece);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &s);
	rc = curl_easy_perform(c->curl);
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(h);
	if (rc != CURLE_OK && !s.ended && status == 0)
		not_reached(c, rc);
	if (s.refusal->len) {
		json_t *j = parse_body(s.refusal);
		print_refusal(j, s.refusal);
		json_decref(j);
	}
	g_string_free(s.refusal, TRUE);
	return (rc == CURLE_OK || s.ended) && status / 100 == 2;
}

char *client_path(const char *pattern, ...)
{
	GString *s = g_string_new(NULL);
	va_list ap;

	va_start(ap, pattern);
	for (const char *p = pattern; *p; p++)
		if (p[0] == '%' && p[1] == 's') {
			char *e =
			    g_uri_escape_string(va_arg(ap, const char *), NULL, FALSE);
			g_string_append(s, e);
			g_free(e);
			p++;
		} else
			g_string_append_c(s, *p);
	va_end(ap);
	return g_string_free(s, FALSE);
}

/* 4xx that mean "no" exit 1, usage and the rest 2. */
static int exit_of(long status)
{
	return status == 404 || status == 409 || status == 422 ? CTL_NO : CTL_USAGE;
}

json_t *client_json(struct ctl *ctl, const char *method, const char *path, json_t *body,
    int *ret_exit)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct answer_text a = client_call(ctl, method, path, text);
	json_t *j = a.status ? parse_body(a.body) : NULL;

	*ret_exit = CTL_OK;
	if (!a.status)
		*ret_exit = CTL_USAGE;
	else if (a.status / 100 != 2) {
		if (ctl->format == FORMAT_JSON && json_object_get(j, "diagnostics"))
			output(ctl, j, NULL);
		else
			print_refusal(j, a.body);
		*ret_exit = exit_of(a.status);
		json_decref(j);
		j = NULL;
	} else if (!j) {
		fprintf(stderr, "retrainctl: the answer is not JSON\n");
		*ret_exit = CTL_USAGE;
	}
	free(text);
	json_decref(body);
	g_string_free(a.body, TRUE);
	return j;
}

int client_show(struct ctl *ctl, const char *method, const char *path, json_t *body,
    const struct column *columns)
{
	int status;
	json_t *j = client_json(ctl, method, path, body, &status);

	if (j)
		output(ctl, j, columns);
	json_decref(j);
	return status;
}
