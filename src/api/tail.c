/* Accepted events, as they come, to every client that listens.
 *
 * The turn gives each event after its commit.  A client that does not take them is cut
 * off when a mebibyte waits for it: it comes again, nobody else waits for it.  A comment
 * every 15 s tells apart a quiet stream and a dead one, on both sides. */
#include <string.h>

#include "api/priv.h"
#include "io/loop.h"

#define CLIENTS_MAX 32
#define BACKLOG_MAX (1024 * 1024)
#define QUIET_MS 15000

struct tail {
	struct api	*api;
	GPtrArray	*clients;	/* struct call * */
	struct io_watch	*quiet;
};
struct client {
	struct tail	*tail;
	struct call	*call;
};

static void send(struct tail *t, struct str text)
{
	for (unsigned i = 0; i < t->clients->len; i++) {
		struct call *c = t->clients->pdata[i];

		if (request_backlog(c->req) + text.len > BACKLOG_MAX)
			request_drop(c->req);	/* on_gone follows later */
		else
			request_chunk(c->req, text);
	}
}

/* A line break in JSON is white space: the stream's frames are lines. */
static void on_event(void *ctx, struct str json)
{
	GString *s;

	if (!json.len)
		return;
	s = g_string_sized_new(json.len + 10);
	g_string_append(s, "data: ");
	g_string_append_len(s, json.p, json.len);
	g_strdelimit(s->str, "\r\n", ' ');
	g_string_append(s, "\n\n");
	send(ctx, (struct str){ s->str, (uint32_t)s->len });
	g_string_free(s, TRUE);
}

static void on_quiet(void *ctx)
{
	struct tail *t = ctx;

	send(t, STR(": nothing new\n\n"));
	if (t->clients->len)
		io_watch_after(t->quiet, QUIET_MS);
}

static void leave(void *own)
{
	struct client *l = own;
	struct tail *t = l->tail;

	g_ptr_array_remove_fast(t->clients, l->call);
	if (!t->clients->len && t->api->p.turn)
		turn_listen(t->api->p.turn, NULL, NULL);
	g_free(l);
}

struct tail *tail_new(struct api *a)
{
	struct tail *t = g_new0(struct tail, 1);

	t->api = a;
	t->clients = g_ptr_array_new();
	t->quiet = loop_timer(a->p.loop, on_quiet, t);
	return t;
}

void tail_free(struct tail *t)
{
	if (!t)
		return;
	io_watch_free(t->quiet);
	g_ptr_array_free(t->clients, TRUE);
	g_free(t);
}

void on_tail(struct call *c)
{
	struct tail *t = c->api->tail;
	struct turn *turn = call_turn(c);
	struct client *l;

	if (!turn)
		return;
	if (t->clients->len >= CLIENTS_MAX) {
		call_error(c, 503, "%d clients follow the events already", CLIENTS_MAX);
		return;
	}
	l = g_new0(struct client, 1);
	*l = (struct client){ t, c };
	g_ptr_array_add(t->clients, c);
	call_stream(c, "text/event-stream", l, leave);
	request_chunk(c->req, STR(": events as they are committed\n\n"));
	turn_listen(turn, on_event, t);
	io_watch_after(t->quiet, QUIET_MS);
}
