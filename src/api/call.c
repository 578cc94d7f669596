/* One request being served: what it asks for, and its one answer.
 *
 * Invariants
 *   (1) call.req is NULL once it is answered, ended or gone; answers after that are
 *       dropped, so who answers late need not ask.
 *   (2) The request holds one reference until then; each callback that is owed (a
 *       commit, a reader) holds one more.
 *   (3) Every JSON member and query word is checked by its route's lists before a
 *       handler sees it. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "api/priv.h"
#include "base/check.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/option.h"
#include "base/time.h"
#include "io/metrics.h"

#define WORDS 16		/* at most, in a list of a route */

static void on_gone(void *ctx, struct request *r)
{
	struct call *c = ctx;

	CHECK(c->req == r);
	c->req = NULL;
	if (c->source)
		http_source_gone(c->source, c->push);
	if (c->own_free)
		c->own_free(c->own);
	c->own_free = NULL;
	call_unref(c);
}

struct call *call_new(struct api *a, struct request *r)
{
	struct call *c = g_new0(struct call, 1);

	c->refs = 1;
	c->api = a;
	c->req = r;
	c->next = a->calls;
	if (c->next)
		c->next->prev = c;
	a->calls = c;
	request_on_gone(r, on_gone, c);
	return c;
}

struct call *call_ref(struct call *c)
{
	c->refs++;
	return c;
}

static void call_free(struct call *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		c->api->calls = c->next;
	if (c->next)
		c->next->prev = c->prev;
	for (int i = 0; i < ROUTE_VARS; i++)
		g_free(c->vars[i]);
	g_free(c->actor);
	json_decref(c->body);
	g_free(c);
}

void call_unref(struct call *c)
{
	if (--c->refs == 0)
		call_free(c);
}

static void count(const struct call *c, int status)
{
	char code[12];

	g_snprintf(code, sizeof(code), "%d", status);
	metric_add("http_requests_total", 1, "route", c->route ? c->route->path : "_none",
	    "code", code, NULL);
}

void call_text(struct call *c, int status, const char *type, struct str text)
{
	struct request *r = c->req;
	char headers[200] = "";

	if (!r)
		return;
	if (status == 429 || status == 503)
		g_strlcat(headers, "Retry-After: 1\r\n", sizeof(headers));
	if (status == 401)
		g_strlcat(headers, "WWW-Authenticate: Bearer\r\n", sizeof(headers));
	if (c->allow)
		g_snprintf(headers, sizeof(headers), "Allow: %s\r\n", c->allow);
	c->req = NULL;
	count(c, status);
	request_answer(r, status, type, text, headers);
	call_unref(c);
}

void call_json(struct call *c, int status, struct str json)
{
	call_text(c, status, "application/json", json);
}

void call_take(struct call *c, int status, GString *json)
{
	call_json(c, status, (struct str){ json->str, (uint32_t)json->len });
	g_string_free(json, TRUE);
}

void call_error(struct call *c, int status, const char *fmt, ...)
{
	GString *s = g_string_new(NULL);
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	json_open(s, '{');
	json_key(s, "error");
	json_cstr(s, text);
	json_close(s, '}');
	g_free(text);
	call_take(c, status, s);
}

void call_err(struct call *c, const struct err *e)
{
	static const int status[] = { [ERR_SYNTAX] = 400, [ERR_USAGE] = 400,
		[ERR_LIMIT] = 422, [ERR_CONFLICT] = 409, [ERR_NOT_FOUND] = 404,
		[ERR_FULL] = 503, [ERR_UNAVAILABLE] = 503, [ERR_DENIED] = 403,
		[ERR_IO] = 500, [ERR_CORRUPT] = 500 };

	call_error(c, status[e->code] ? status[e->code] : 500, "%s", e->msg);
}

void call_stream(struct call *c, const char *type, void *own, void (*own_free)(void *))
{
	c->own = own;
	c->own_free = own_free;
	count(c, 200);
	request_stream(c->req, 200, type);
}

void call_end(struct call *c)
{
	struct request *r = c->req;

	if (!r)
		return;
	c->req = NULL;
	if (c->own_free)
		c->own_free(c->own);
	c->own_free = NULL;
	request_end(r);
	call_unref(c);
}

void call_drop_all(struct api *a)
{
	while (a->calls) {
		struct call *c = a->calls;

		if (c->own_free)
			c->own_free(c->own);
		if (c->job)
			job_forget(c->job);
		call_free(c);
	}
}

/* Query and body. */

static bool find_word(const char *list, struct str name, struct route_word *ret)
{
	while (route_word(&list, ret))
		if (str_is(ret->name, name))
			return true;
	return false;
}

/* "'ruel' is not known here; did you mean 'rule'?" */
static void unknown_word(struct call *c, const char *what, const char *name,
    const char *list)
{
	struct str words[WORDS], near;
	struct route_word w;
	uint32_t n = 0;

	while (n < WORDS && route_word(&list, &w))
		words[n++] = w.name;
	near = nearest_word((struct str){ name, (uint32_t)strnlen(name, 100) }, words, n);
	if (near.len)
		call_error(c, 400, "%s '%.100s' is not known here, did you mean '%.*s'?",
		    what, name, STR_ARG(near));
	else
		call_error(c, 400, "%s '%.100s' is not known here", what, name);
}

static bool number_ok(const char *v)
{
	size_t n = strlen(v);

	return n > 0 && n <= 18 && strspn(v, "0123456789") == n;
}

static const char *expected(char type, const char *v)
{
	int64_t ms;

	if (type == 'i' && !number_ok(v))
		return "a number";
	if (type == 'b' && strcmp(v, "0") != 0 && strcmp(v, "1") != 0 &&
	    strcmp(v, "true") != 0 && strcmp(v, "false") != 0)
		return "true or false";
	if (type == 't' && !time_parse(str_of(v), &ms, NULL) &&
	    !duration_parse(str_of(v), &ms))
		return "RFC 3339 or an age as 2h";
	if (!g_utf8_validate(v, -1, NULL))
		return "UTF-8";
	return NULL;
}

static void check_arg(void *ctx, const char *name, const char *value)
{
	struct call *c = ctx;
	const char *list = c->route->query ? c->route->query : "", *want;
	struct route_word w;

	if (!c->req)
		return;		/* answered: an earlier one was bad */
	if (!g_utf8_validate(name, -1, NULL))
		name = "?";
	if (!find_word(list, str_of(name), &w)) {
		unknown_word(c, "parameter", name, list);
		return;
	}
	want = expected(w.type, value);
	if (want)
		call_error(c, 400, "parameter '%s': expected %s", name, want);
}

bool call_query_ok(struct call *c)
{
	request_each_query(c->req, check_arg, c);
	return c->req != NULL;
}

const char *call_arg(const struct call *c, const char *name)
{
	const char *v = request_query(c->req, name);

	return v && *v ? v : NULL;
}

static bool has_type(const json_t *v, char type)
{
	return type == 's' ? json_is_string(v) && json_string_length(v) ==
	    strlen(json_string_value(v)) :
	    type == 'b' ? json_is_boolean(v) : type == 'l' ? json_is_array(v) :
	    type == 'i' ? json_is_integer(v) : json_is_object(v);
}

static bool check_members(struct call *c)
{
	const char *list = c->route->body, *name;
	struct route_word w;
	json_t *v;

	json_object_foreach(c->body, name, v) {
		if (!find_word(list, str_of(name), &w)) {
			unknown_word(c, "member", name, list);
			return false;
		}
		if (!has_type(v, w.type) && !json_is_null(v)) {
			call_error(c, 400, "'%s': expected %s", name, w.type == 's' ?
			    "text without NUL" : w.type == 'b' ? "true or false" :
			    w.type == 'l' ? "a list" : w.type == 'i' ?
			    "a whole number" : "an object");
			return false;
		}
	}
	while (route_word(&list, &w)) {
		char *z = g_strndup(w.name.p, w.name.len);
		bool there = json_object_get(c->body, z) && !json_is_null(
		    json_object_get(c->body, z));

		if (w.required && !there)
			call_error(c, 400, "'%s' is missing", z);
		g_free(z);
		if (w.required && !there)
			return false;
	}
	return true;
}

bool call_body(struct call *c)
{
	struct str text = request_body(c->req);
	json_error_t e;

	if (!text.len)
		c->body = json_object();
	else
		c->body = json_loadb(text.p, text.len,
		    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
	if (!c->body) {
		call_error(c, 400, "the body is no JSON: line %d, column %d: %s", e.line,
		    e.column, e.text);
		return false;
	}
	if (!json_is_object(c->body)) {
		call_error(c, 400, "the body: expected a JSON object");
		return false;
	}
	return check_members(c);
}

struct str call_str(const struct call *c, const char *member)
{
	const char *z = json_string_value(json_object_get(c->body, member));

	return z ? str_of(z) : STR("");
}

bool call_true(const struct call *c, const char *member)
{
	return json_is_true(json_object_get(c->body, member));
}

char *call_dump(const struct call *c, const char *member)
{
	json_t *v = json_object_get(c->body, member);

	return json_is_object(v) ? json_dumps(v, JSON_COMPACT) : NULL;
}

struct turn *call_turn(struct call *c)
{
	struct turn_status st;

	if (!c->api->p.turn) {
		call_error(c, 503, "the state is not loaded yet");
		return NULL;
	}
	turn_status(c->api->p.turn, &st);
	if (!st.recovered || st.stopping) {
		call_error(c, 503, st.stopping ? "the daemon is stopping" :
		    "the state is not loaded yet");
		return NULL;
	}
	return c->api->p.turn;
}
