/* Every route with every role, over a real listener: what is not given is refused.
 *
 * The daemon behind it is not loaded (no store, no turn), so whoever is let through
 * gets 200 or 503, never 401 or 403. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/priv.h"
#include "io/loop.h"

/* The contract, by hand: least role of each route ("viewer" excludes ingest). */
static const struct { const char *method, *path; enum role need; } contract[] = {
	{ "GET", "/healthz", ROLE_OPEN },
	{ "GET", "/readyz", ROLE_OPEN },
	{ "GET", "/metrics", ROLE_VIEWER },
	{ "GET", "/api/v1/version", ROLE_VIEWER },
	{ "GET", "/api/v1/openapi.json", ROLE_VIEWER },
	{ "POST", "/api/v1/events", ROLE_INGEST },
	{ "GET", "/api/v1/events", ROLE_VIEWER },
	{ "GET", "/api/v1/events/tail", ROLE_VIEWER },
	{ "POST", "/hooks/{name}", ROLE_INGEST },
	{ "GET", "/api/v1/rules", ROLE_VIEWER },
	{ "GET", "/api/v1/rules/{name}", ROLE_VIEWER },
	{ "POST", "/api/v1/rules/{name}/trigger", ROLE_OPERATOR },
	{ "GET", "/api/v1/pipelines", ROLE_VIEWER },
	{ "GET", "/api/v1/pipelines/{name}", ROLE_VIEWER },
	{ "POST", "/api/v1/pipelines/{name}/run", ROLE_OPERATOR },
	{ "GET", "/api/v1/runs", ROLE_VIEWER },
	{ "GET", "/api/v1/runs/{id}", ROLE_VIEWER },
	{ "GET", "/api/v1/runs/{id}/logs", ROLE_VIEWER },
	{ "POST", "/api/v1/runs/{id}/abort", ROLE_OPERATOR },
	{ "POST", "/api/v1/runs/{id}/retry", ROLE_OPERATOR },
	{ "POST", "/api/v1/abort-all", ROLE_OPERATOR },
	{ "GET", "/api/v1/decisions", ROLE_VIEWER },
	{ "GET", "/api/v1/decisions/{id}", ROLE_VIEWER },
	{ "GET", "/api/v1/explain", ROLE_VIEWER },
	{ "POST", "/api/v1/explain", ROLE_VIEWER },
	{ "POST", "/api/v1/rules/{name}/backfill", ROLE_OPERATOR },
	{ "GET", "/api/v1/sources", ROLE_VIEWER },
	{ "GET", "/api/v1/models", ROLE_VIEWER },
	{ "POST", "/api/v1/models/{name}/promote", ROLE_OPERATOR },
	{ "GET", "/api/v1/dues", ROLE_VIEWER },
	{ "GET", "/api/v1/quarantine", ROLE_VIEWER },
	{ "GET", "/api/v1/audit", ROLE_VIEWER },
	{ "POST", "/api/v1/pause", ROLE_OPERATOR },
	{ "GET", "/api/v1/budgets", ROLE_VIEWER },
	{ "GET", "/api/v1/silences", ROLE_VIEWER },
	{ "POST", "/api/v1/silences", ROLE_OPERATOR },
	{ "POST", "/api/v1/silences/{id}/end", ROLE_OPERATOR },
	{ "POST", "/api/v1/resume", ROLE_OPERATOR },
	{ "POST", "/api/v1/reload", ROLE_EDITOR },
	{ "GET", "/api/v1/reload", ROLE_VIEWER },
	{ "GET", "/api/v1/bundles", ROLE_VIEWER },
};
static const char *const letters = ".VIOEA";	/* order of enum role */
#define TOKEN "0123456789abcdef"		/* "V0123456789abcdef" is the viewer's */

struct world {
	char		*dir;
	struct api_token tokens[5];
	struct loop	*loop;
	struct api	*api;
	void		(*client)(struct world *);
	gint		 done;
};

static void put_file(const char *path, const char *text)
{
	assert_true(g_file_set_contents_full(path, text, -1,
	    G_FILE_SET_CONTENTS_CONSISTENT, 0600,
	    NULL));
}

static int setup(void **state)
{
	struct world *w = g_new0(struct world, 1);
	struct err err = { 0 };

	w->dir = g_dir_make_tmp("routes-XXXXXX", NULL);
	for (unsigned i = 0; i < 5; i++) {
		char *path = g_strdup_printf("%s/%c", w->dir, letters[i + 1]);
		char *text = g_strdup_printf("%c" TOKEN "\n", letters[i + 1]);
		put_file(path, text);
		w->tokens[i] = (struct api_token){ .name = str_of(role_name(i + 1)),
			.role = i + 1, .secret = { SECRET_FILE, str_of(path) } };
		g_free(text);
	}
	w->loop = loop_new();
	struct api_options o = { .listen = "127.0.0.1:0", .state_dir = w->dir,
		.config_dir = w->dir, .tokens = w->tokens, .tokens_n = 5,
		.version = "1.2.3", .body_max = 1000, .mutations_per_second = 10000 };
	w->api = api_open(&o, &(struct api_parts){ .loop = w->loop }, &err);
	if (!w->api)
		fail_msg("%s", err.msg);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char *admin = g_build_filename(w->dir, "admin.token", NULL);

	api_close(w->api);
	loop_free(w->loop);
	for (unsigned i = 0; i < 5; i++) {
		g_unlink(w->tokens[i].secret.name.p);
		g_free((char *)(uintptr_t)w->tokens[i].secret.name.p);
	}
	g_unlink(admin);
	g_rmdir(w->dir);
	g_free(admin);
	g_free(w->dir);
	g_free(w);
	return 0;
}

/* The client is a thread: the loop is ours. */
static gpointer client_thread(gpointer arg)
{
	struct world *w = arg;

	w->client(w);
	g_atomic_int_set(&w->done, 1);
	loop_wake(w->loop);
	return NULL;
}

static void end_when_done(void *arg)
{
	struct world *w = arg;

	if (g_atomic_int_get(&w->done))
		loop_stop(w->loop);
}

static char failure[300];	/* cmocka fails on its own thread only */

static void with_client(struct world *w, void (*client)(struct world *))
{
	GThread *t;

	failure[0] = '\0';
	w->client = client;
	loop_before_sleep(w->loop, end_when_done, w);
	t = g_thread_new("client", client_thread, w);
	loop_run(w->loop);
	g_thread_join(t);
	loop_drop_hook(w->loop, w);
	if (failure[0])
		fail_msg("%s", failure);
}

/* One request on a connection of its own; the answer's text, status in *ret. */
static char *ask(struct world *w, const char *method, const char *path,
    const char *headers,
    const char *body, int *ret)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)api_port(w->api)),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	GString *s = g_string_new(NULL);
	char buf[4096];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	ssize_t n = connect(fd, (struct sockaddr *)&sa, sizeof(sa));

	g_string_printf(s,
	    "%s %s HTTP/1.1\r\nConnection: close\r\nContent-Length: %zu\r\n"
	    "%s\r\n%s", method, path, strlen(body), headers, body);
	if (n == 0)
		n = write(fd, s->str, s->len);
	g_string_truncate(s, 0);
	while (n > 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		g_string_append_len(s, buf, n);
	close(fd);
	*ret = s->len > 12 ? (int)strtol(s->str + 9, NULL, 10) : 0;
	return g_string_free(s, FALSE);
}

static int status_of(struct world *w, const char *method, const char *path,
    const char *headers, const char *body)
{
	int status;

	g_free(ask(w, method, path, headers, body, &status));
	return status;
}

static char *as(char letter, const char *more)
{
	if (letter == '.')
		return g_strdup_printf("Host: localhost\r\n%s", more);
	return g_strdup_printf(
	    "Host: localhost\r\nAuthorization: Bearer %c" TOKEN "\r\n%s",
	    letter, more);
}

static void expect(struct world *w, int want, const char *method, const char *path,
    const char *headers, const char *body)
{
	int got = status_of(w, method, path, headers, body);

	if (got != want && !failure[0])
		g_snprintf(failure, sizeof(failure), "%s %s [%s]: %d, expected %d",
		    method,
		    path, headers, got, want);
}

static char *concrete(const char *path)
{
	char **parts = g_strsplit(path, "{", 2), *r;

	if (parts[1])
		r = g_strconcat(parts[0], "x", strchr(parts[1], '}') + 1, NULL);
	else
		r = g_strdup(path);
	g_strfreev(parts);
	return r;
}

static bool may(char letter, enum role need)
{
	static const char *const who[] = { [ROLE_DENY] = "", [ROLE_VIEWER] = "VOEA",
		[ROLE_INGEST] = "IOEA", [ROLE_OPERATOR] = "OEA", [ROLE_EDITOR] = "EA",
		[ROLE_ADMIN] = "A", [ROLE_OPEN] = ".VIOEA" };

	return strchr(who[need], letter) != NULL;
}

static void every_route_as(struct world *w, char letter)
{
	char *headers = as(letter, "");

	for (const struct route *r = api_routes; r->method; r++) {
		char *path = concrete(r->path);
		int got = status_of(w, r->method, path, headers,
		    r->body && *r->body != '*' ? "{}" : "");
		enum role need = ROLE_DENY;
		bool in, wrong;

		for (unsigned i = 0; i < G_N_ELEMENTS(contract); i++)
			if (strcmp(contract[i].method, r->method) == 0 &&
			    strcmp(contract[i].path, r->path) == 0)
				need = contract[i].need;
		in = may(letter, need);
		wrong = in ? got == 0 || got == 401 || got == 403 :
		    got != (letter == '.' ? 401 : 403);
		if (wrong && !failure[0])
			g_snprintf(failure, sizeof(failure), "%s %s as '%c': %d",
			    r->method,
			    r->path, letter, got);
		g_free(path);
	}
	g_free(headers);
}

static void all_roles(struct world *w)
{
	for (const char *l = letters; *l; l++)
		every_route_as(w, *l);
}

static void every_route_with_every_role(void **state)
{
	with_client(*state, all_roles);
}

static void the_table_is_the_contract(void **state)
{
	unsigned n = 0;

	(void)state;
	for (const struct route *r = api_routes; r->method; r++, n++) {
		bool found = false;
		for (unsigned i = 0; i < G_N_ELEMENTS(contract); i++)
			found = found || (strcmp(contract[i].method, r->method) == 0 &&
			    strcmp(contract[i].path, r->path) == 0 &&
			    contract[i].need == r->role);
		if (!found)
			fail_msg("%s %s", r->method, r->path);
		assert_non_null(r->doc);
		assert_non_null(r->handle);
	}
	assert_int_equal(n, G_N_ELEMENTS(contract));
}

static void hosts(struct world *w)
{
#define AUTH "Authorization: Bearer A" TOKEN "\r\n"
	expect(w, 400, "GET", "/api/v1/version", AUTH, "");
	expect(w, 400, "GET", "/api/v1/version", "Host: a\r\nHost: localhost\r\n" AUTH,
	    "");
	expect(w, 403, "GET", "/api/v1/version", "Host: evil.example\r\n" AUTH, "");
	expect(w, 403, "GET", "/none", "Host: evil.example\r\n" AUTH, "");
	expect(w, 200, "GET", "/api/v1/version", "Host: localhost:99\r\n" AUTH, "");
	expect(w, 200, "GET", "/healthz", "Host: evil.example\r\n", "");
	expect(w, 503, "GET", "/readyz", "Host: a\r\nHost: b\r\n", "");
}

static void one_host_of_ours(void **state)
{
	with_client(*state, hosts);
}

static void origins(struct world *w)
{
	static const struct { const char *header; int status; } rows[] = {
		{ "Origin: https://evil.example\r\n", 403 }, { "Origin: null\r\n", 403 },
		{ "Origin: http://localhost:8484\r\n", 503 },
		{ "Sec-Fetch-Site: cross-site\r\n", 403 },
		{ "Sec-Fetch-Site: same-site\r\n", 403 },
		{ "Sec-Fetch-Site: same-origin\r\n", 503 },
		{ "Sec-Fetch-Site: none\r\n", 503 }, { "", 503 },
	};

	for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
		char *h = as('A', rows[i].header);
		expect(w, rows[i].status, "POST", "/api/v1/pause", h, "{}");
		expect(w, rows[i].status, "POST", "/api/v1/events", h, "{}");
		expect(w, rows[i].status, "GET", "/api/v1/events/tail", h, "");
		expect(w, rows[i].status, "GET", "/api/v1/runs/x-1/logs", h, "");
		expect(w, 200, "GET", "/api/v1/version", h, "");
		g_free(h);
	}
}

static void another_site_changes_nothing(void **state)
{
	with_client(*state, origins);
}

static void requests(struct world *w)
{
	static const struct { const char *method, *path, *body; int status; } rows[] = {
		{ "GET", "/api/v1/run", "", 404 }, { "GET", "/", "", 404 },
		{ "GET", "/api/v1/runs/", "", 404 }, { "GET", "//api/v1/runs", "", 404 },
		{ "GET", "/api/v1/runs/a%00", "", 404 },
		{ "GET", "/api/v1/runs/a%zz", "", 404 },
		{ "GET", "/api/v1/runs/%ff", "", 404 },
		{ "GET", "/api/v1/%72uns", "", 503 },
		{ "DELETE", "/api/v1/runs", "", 405 }, { "PUT", "/healthz", "", 405 },
		{ "HEAD", "/api/v1/version", "", 200 },
		{ "GET", "/api/v1/runs?ruel=x", "", 400 },
		{ "GET", "/api/v1/runs?rule=%ff", "", 400 },
		{ "GET", "/api/v1/runs?limit=x", "", 400 },
		{ "GET", "/api/v1/runs?limit=0", "", 400 },
		{ "GET", "/api/v1/runs?limit=1001", "", 400 },
		{ "GET", "/api/v1/runs?before=-1", "", 400 },
		{ "GET", "/api/v1/runs?before=99999999999999999999", "", 400 },
		{ "GET", "/api/v1/runs?since=yesterday", "", 400 },
		{ "GET", "/api/v1/runs?since=2h", "", 503 },
		{ "GET", "/api/v1/runs?since=2026-03-01T00:00:00Z", "", 503 },
		{ "GET", "/api/v1/runs/x/logs?follow=maybe", "", 400 },
		{ "GET", "/api/v1/explain", "", 400 },
		{ "GET", "/api/v1/explain?decision=x", "", 400 },
		{ "POST", "/api/v1/pause", "{", 400 }, { "POST", "/api/v1/pause", "[]",
		    400 },
		{ "POST", "/api/v1/pause", "{\"rule\":1}", 400 },
		{ "POST", "/api/v1/pause", "{\"rule\":\"a\\u0000b\"}", 400 },
		{ "POST", "/api/v1/pause", "{\"rule\":\"a\",\"rule\":\"b\"}", 400 },
		{ "POST", "/api/v1/pause", "{\"rul\":\"a\"}", 400 },
		{ "POST", "/api/v1/pause", "{\"rule\":null}", 503 },
		{ "POST", "/api/v1/pipelines/p/run", "{\"params\":[]}", 400 },
		{ "POST", "/api/v1/pipelines/p/run", "{\"force\":\"yes\"}", 400 },
		{ "POST", "/api/v1/models/m/promote", "{}", 400 },
		{ "POST", "/api/v1/models/m/promote", "{\"version\":\"1\"}", 503 },
	};
	char *h = as('A', ""), *big = g_strnfill(1001, ' ');

	for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
		expect(w, rows[i].status, rows[i].method, rows[i].path, h, rows[i].body);
	expect(w, 413, "POST", "/api/v1/pause", h, big);
	g_free(big);
	g_free(h);
}

static void what_is_asked_is_checked(void **state)
{
	with_client(*state, requests);
}

static char *page, *refusal, *text_404;

static void get_pages(struct world *w)
{
	char *h = as('A', "");
	int status;

	page = ask(w, "GET", "/api/v1/openapi.json", h, "", &status);
	refusal = ask(w, "GET", "/api/v1/runs", "Host: localhost\r\n", "", &status);
	text_404 = ask(w, "GET", "/api/v1/decision", h, "", &status);
	g_free(h);
}

static void the_document_names_every_route(void **state)
{
	json_t *doc, *paths;

	with_client(*state, get_pages);
	doc = json_loads(strstr(page, "\r\n\r\n") + 4, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(doc);
	paths = json_object_get(doc, "paths");
	for (const struct route *r = api_routes; r->method; r++) {
		char *method = g_ascii_strdown(r->method, -1);
		json_t *op = json_object_get(json_object_get(paths, r->path), method);
		assert_string_equal(json_string_value(json_object_get(op, "summary")),
		    r->doc);
		assert_string_equal(json_string_value(json_object_get(op, "x-role")),
		    role_name(r->role));
		g_free(method);
	}
	json_decref(doc);
	assert_non_null(strstr(page, "\r\nCache-Control: no-store\r\n"));
	assert_non_null(strstr(page, "\r\nX-Content-Type-Options: nosniff\r\n"));
	assert_non_null(strstr(refusal, "\r\nX-Content-Type-Options: nosniff\r\n"));
	assert_non_null(strstr(refusal, "\r\nWWW-Authenticate: Bearer\r\n"));
	assert_non_null(strstr(text_404,
	    "{\"error\":\"no such route, did you mean '/api/v1/decisions'?\"}"));
	g_free(page), g_free(refusal), g_free(text_404);
}

static void after_new_tokens(struct world *w)
{
	char *v = as('V', ""), *new = g_strdup("Host: localhost\r\n"
	    "Authorization: Bearer another-secret-text\r\n");

	expect(w, 401, "GET", "/api/v1/version", v, "");
	expect(w, 200, "GET", "/api/v1/version", new, "");
	g_free(v);
	g_free(new);
}

static void a_reload_reads_tokens_anew(void **state)
{
	struct world *w = *state;
	struct api_options o = { .listen = "127.0.0.1:0", .state_dir = w->dir,
		.config_dir = w->dir, .tokens = w->tokens, .tokens_n = 1 };
	struct err err = { 0 };

	put_file(w->tokens[0].secret.name.p, "another-secret-text\n");
	if (!api_reload(w->api, &o, &err))
		fail_msg("%s", err.msg);
	put_file(w->tokens[0].secret.name.p,
	    "short\n");	/* the last good ones go on */
	assert_false(api_reload(w->api, &o, &err));
	with_client(w, after_new_tokens);
}

static void beyond_loopback_does_not_open(void **state)
{
	struct world *w = *state;
	struct api_options o = { .listen = "0.0.0.0:0", .state_dir = w->dir,
		.config_dir = w->dir };
	struct err err = { 0 };

	assert_null(api_open(&o, &(struct api_parts){ .loop = w->loop }, &err));
	assert_int_equal(err.code, ERR_USAGE);
	assert_string_equal(err.msg,
	    "http.listen '0.0.0.0:0' is beyond loopback: expected "
	    "http.tls with cert and key, or insecure: true");
}

static void a_name_may_hold_a_slash(void **state)
{
	char *vars[ROUTE_VARS] = { NULL };
	const char *allow;
	const struct route *r = route_find("GET", "/api/v1/rules/team%2Fdrift%20x", vars,
	    &allow);

	(void)state;
	assert_non_null(r);
	assert_string_equal(r->path, "/api/v1/rules/{name}");
	assert_string_equal(vars[0], "team/drift x");
	assert_null(route_find("GET", "/api/v1/rules/team/drift", vars, &allow));
	assert_null(allow);
	assert_ptr_equal(route_find("GET", "/api/v1/rules/a%252Fb", vars, &allow), r);
	assert_string_equal(vars[0], "a%2Fb");	/* decoded once */
	assert_null(route_find("POST", "/api/v1/rules/a", vars, &allow));
	assert_string_equal(allow, "GET");
	assert_null(route_find("PUT", "/api/v1/events", vars, &allow));
	assert_string_equal(allow, "GET, POST");
	for (int i = 0; i < ROUTE_VARS; i++)
		g_free(vars[i]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_the_contract),
		T(every_route_with_every_role),
		T(one_host_of_ours),
		T(another_site_changes_nothing),
		T(what_is_asked_is_checked),
		T(the_document_names_every_route),
		T(a_reload_reads_tokens_anew),
		T(beyond_loopback_does_not_open),
		cmocka_unit_test(a_name_may_hold_a_slash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
