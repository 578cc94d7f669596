/* Opening, closing, and the way of a request to its handler.
 *
 *	host ─► route ─► who ─► role ─► origin ─► rate ─► query ─► handler
 *	400      404    401     403      403      429     400
 *
 * Invariants
 *   (1) No handler runs before all of these; a route without a role is refused.
 *   (2) /healthz and /readyz skip the host and who: they say nothing else. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "api/priv.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/metrics.h"
#include "io/secret.h"

static bool host_ok(struct call *c)
{
	const char *host = request_header(c->req, "Host");

	if (c->route && c->route->role == ROLE_OPEN)
		return true;
	if (request_header_count(c->req, "Host") != 1 || !host)
		call_error(c, 400, "expected exactly one Host header");
	else if (!auth_host(c->api->auth, host))
		call_error(c, 403,
		    "host '%.100s' is not served here: add it to http.hosts",
		    g_utf8_validate(host, -1, NULL) ? host : "?");
	else
		return true;
	return false;
}

static bool route_ok(struct call *c)
{
	const char *path = request_raw_path(c->req), *near, *allow;

	c->route = route_find(request_method(c->req), path, c->vars, &allow);
	if (!host_ok(c))
		return false;
	if (c->route)
		return true;
	near = route_nearest(path);
	c->allow = allow;
	if (allow)
		call_error(c, 405, "this route takes %s", allow);
	else if (!near)
		call_error(c, 404, "no such route: GET /api/v1/openapi.json lists them");
	else
		call_error(c, 404, "no such route, did you mean '%s'?", near);
	return false;
}

static bool who_ok(struct call *c)
{
	const struct server_peer *peer = request_peer(c->req);

	if (c->route->role == ROLE_OPEN)
		return true;
	if (peer->local) {
		c->role = auth_peer(c->api->auth, peer);
		c->actor = g_strdup_printf("uid %u", peer->uid);
		if (c->role != ROLE_DENY)
			return true;
		metric_add("auth_failures_total", 1, NULL);
		call_error(c, 403, "uid %u is not in access.group", peer->uid);
		return false;
	}
	if (request_header_count(c->req, "Authorization") == 1)
		c->token = auth_bearer(c->api->auth,
		    request_header(c->req, "Authorization"));
	if (!c->token) {
		metric_add("auth_failures_total", 1, NULL);
		call_error(c, 401,
		    "expected 'Authorization: Bearer TOKEN' with a known token");
		return false;
	}
	c->role = auth_token_role(c->token);
	c->actor = g_strdup(auth_token_name(c->token));
	return true;
}

static bool role_ok(struct call *c)
{
	if (role_allows(c->role, c->route->role))
		return true;
	call_error(c, 403, "'%s' has role %s, this route needs %s",
	    c->actor ? c->actor : "", role_name(c->role), role_name(c->route->role));
	return false;
}

/* A page of another site may make a browser send a request; it cannot lie here. */
static bool origin_ok(struct call *c)
{
	const char *origin = request_header(c->req, "Origin");
	const char *site = request_header(c->req, "Sec-Fetch-Site");

	if (!route_changes(c->route) && !route_streams(c->route))
		return true;
	if (origin && !auth_origin(c->api->auth, origin))
		call_error(c, 403, "the Origin is not served here");
	else if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
		call_error(c, 403, "requests from another site are refused");
	else
		return true;
	return false;
}

static bool rate_ok(struct call *c)
{
	if (!c->token || !route_changes(c->route) || c->route->role == ROLE_INGEST ||
	    auth_take(c->api->auth, c->token, clock_read().boot_ms))
		return true;
	call_error(c, 429, "too many changes a second (limits.mutations_per_second)");
	return false;
}

static void on_request(void *ctx, struct request *r)
{
	struct call *c = call_ref(call_new(ctx, r));

	if (route_ok(c) && who_ok(c) && role_ok(c) && origin_ok(c) && rate_ok(c) &&
	    call_query_ok(c))
		c->route->handle(c);
	c->token = NULL;	/* tokens may be read anew before the answer */
	call_unref(c);
}

/* Opening. */

static bool read_tls(struct api *a, const struct api_options *o, struct err *err)
{
	GError *e = NULL;
	char *path;
	bool ok;

	if (!o->tls_cert.len)
		return true;
	path = g_strndup(o->tls_cert.p, o->tls_cert.len);
	ok = g_file_get_contents(path, &a->cert_pem, NULL, &e);
	g_free(path);
	if (!ok) {
		err_set(err, ERR_IO, "http.tls.cert: %s", e->message);
		g_error_free(e);
		return false;
	}
	return secret_read(&o->tls_key, o->config_dir, &a->key_pem, &a->key_len, err) ||
	    err_in(err, "http.tls.key");
}

/* Members of the group may connect; the mode is the server's: owner and group. */
static void own_socket(struct api *a, const struct api_options *o)
{
	gid_t gid;

	if (o->socket && auth_group(a->auth, &gid) &&
	    chown(o->socket, (uid_t)-1, gid) < 0)
		log_warn("socket '%s': group %u: %s", o->socket, gid, g_strerror(errno));
}

struct api *api_open(const struct api_options *o, const struct api_parts *p,
    struct err *err)
{
	struct api *a = g_new0(struct api, 1);
	struct server_options so = { .listen = o->listen, .socket = o->socket,
		.body_max = (size_t)o->body_max,
		.connections = (unsigned)o->connections };

	a->p = *p;
	a->version = g_strdup(o->version);
	a->past = g_strdupv((char **)(uintptr_t)o->past);
	a->children = g_ptr_array_new();
	a->dbs = g_ptr_array_new();
	a->tail = tail_new(a);
	if (auth_listen_ok(o, err) && read_tls(a, o, err))
		a->auth = auth_new(o, err);
	if (a->auth) {
		so.tls_cert = a->cert_pem;
		so.tls_key = a->key_pem;
		a->server = server_open(p->loop, &so, on_request, a, err);
	}
	if (!a->server) {
		api_close(a);
		return NULL;
	}
	own_socket(a, o);
	if (o->insecure && !o->tls_cert.len)
		log_warn("http.insecure: tokens cross the network as plain text");
	return a;
}

void api_attach(struct api *a, const struct api_parts *p)
{
	a->p = *p;
}

bool api_reload(struct api *a, const struct api_options *o, struct err *err)
{
	struct auth *fresh = auth_new(o, err);

	if (!fresh)
		return false;
	auth_free(a->auth);
	a->auth = fresh;
	own_socket(a, o);
	return true;
}

int api_port(const struct api *a)
{
	return server_port(a->server);
}

void api_close(struct api *a)
{
	if (!a)
		return;
	server_close(a->server);
	children_drop(a);
	g_ptr_array_free(a->children, TRUE);
	g_strfreev(a->past);
	call_drop_all(a);
	tail_free(a->tail);
	auth_free(a->auth);
	for (unsigned i = 0; i < a->dbs->len; i++)
		reader_close(a->dbs->pdata[i]);
	g_ptr_array_free(a->dbs, TRUE);
	secret_free(a->key_pem, a->key_len);
	g_free(a->cert_pem);
	g_free(a->version);
	g_free(a);
}
