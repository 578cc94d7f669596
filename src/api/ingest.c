/* Events in: a request becomes one message of an http source and is answered by the
 * source, after the commit (or at once when its queue is full). */
#include <string.h>

#include "api/priv.h"
#include "io/clock.h"

#define KEY_MAX 255		/* bytes of an Idempotency-Key */

static void on_answer(void *ctx, int status, struct str json)
{
	struct call *c = ctx;

	c->source = NULL;	/* it has answered: nothing to tell it any more */
	call_json(c, status, json);
}

/* Headers become part of the journal: never those that let somebody in. */
static void add_header(void *ctx, const char *name, const char *value)
{
	static const char *const secret[] = { "authorization", "proxy-authorization",
		"cookie", "x-hub-signature", "x-hub-signature-256", "x-gitlab-token" };
	struct header h = { str_of(name), str_of(value) };

	for (unsigned i = 0; i < G_N_ELEMENTS(secret); i++)
		if (g_ascii_strcasecmp(name, secret[i]) == 0)
			return;
	g_array_append_val(ctx, h);
}

static void push(struct call *c, struct source *s, const char *route)
{
	const char *key = request_header(c->req, "Idempotency-Key");
	const char *type = request_header(c->req, "Content-Type");
	GArray *headers = g_array_new(FALSE, FALSE, sizeof(struct header));
	struct http_push p = {
		.route = str_of(route),
		.body = request_body(c->req),
		.content_type = type ? str_of(type) : STR(""),
		.idempotency_key = key ? str_of(key) : STR(""),
		.time_ms = clock_read().wall_ms,
	};
	uint64_t token;

	request_each_header(c->req, add_header, headers);
	p.headers = (const struct header *)(void *)headers->data;
	p.headers_n = headers->len;
	/* Answered inside the call only when it was not taken. */
	if (http_source_push(s, &p, on_answer, c, &token)) {
		c->source = s;
		c->push = token;
	}
	g_array_free(headers, TRUE);
}

static bool may_push(struct call *c, const struct source *s)
{
	const char *key = request_header(c->req, "Idempotency-Key");

	if (c->token && c->role == ROLE_INGEST && !auth_token_source(c->token, s->name))
		call_error(c, 403, "token '%s' may not post to source '%.*s'", c->actor,
		    STR_ARG(s->name));
	else if (key && strlen(key) > KEY_MAX)
		call_error(c, 400, "Idempotency-Key: longer than %d bytes", KEY_MAX);
	else
		return true;
	return false;
}

/* The named one, else "http", else the first; of those the token may post to. */
static struct source *http_source(const struct call *c, struct turn *t, const char *name)
{
	struct source **v, *first = NULL;
	uint32_t n = turn_sources(t, &v);

	for (uint32_t i = 0; i < n; i++) {
		if (v[i]->impl != &source_http)
			continue;
		if (!name && c->token && !auth_token_source(c->token, v[i]->name))
			continue;
		if (str_is(v[i]->name, str_of(name ? name : "http")))
			return v[i];
		if (!first)
			first = v[i];
	}
	return name ? NULL : first;
}

void on_events(struct call *c)
{
	const char *name = call_arg(c, "source");
	struct turn *t = call_turn(c);
	struct source *s = t ? http_source(c, t, name) : NULL;

	if (!t)
		return;
	if (!s && name)
		call_error(c, 404, "no http source '%s'", name);
	else if (!s)
		call_error(c, 404, "no http source is configured for '%s'", c->actor);
	else if (may_push(c, s))
		push(c, s, "/api/v1/events");
}

void on_hook(struct call *c)
{
	struct turn *t = call_turn(c);
	struct source **v, *found = NULL;
	uint32_t n = t ? turn_sources(t, &v) : 0;
	char *route;

	if (!t)
		return;
	for (uint32_t i = 0; i < n && !found; i++)
		if (v[i]->impl == &source_http &&
		    http_source_has_hook(v[i], str_of(c->vars[0])))
			found = v[i];
	if (!found) {
		call_error(c, 404, "no http source lists '%.100s' in its hooks",
		    c->vars[0]);
		return;
	}
	if (!may_push(c, found))
		return;
	route = g_strconcat("/hooks/", c->vars[0], NULL);
	push(c, found, route);
	g_free(route);
}
