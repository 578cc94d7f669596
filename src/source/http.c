/* Requests to our own listener, answered after the commit.
 *
 *	 http_source_push()     read()       ack()               release()
 *	 ------------------> WAITING ----> LENT ----> ANSWERED ------------> freed
 *	      503 when full
 *
 * Invariants
 *   (1) A request is answered exactly once: at once when it cannot be queued, else
 *       when the commit that covers it is there (or will not come: 503).
 *   (2) The bytes are ours: a client that goes away leaves its request to be decided,
 *       only nobody is told.
 *   (3) An answer is a function of what was stored (how many, the first seq), so a
 *       repeat gets the same bytes.
 */
#include "source/source.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/json.h"
#include "source/options.h"

struct pending {
	uint64_t	 token;
	struct message	 message;	/* points into `bytes` */
	char		*bytes;
	struct header	*headers;
	size_t		 size;		/* of `bytes` */
	http_answer_f	 answer;	/* NULL: the client is gone */
	void		*ctx;
	uint64_t	 seq;		/* of its first event; 0: none yet */
	uint32_t	 accepted;
	int		 refused;	/* HTTP status, or 0 */
	char		*why;		/* JSON of the refusal */
};
struct source_http {
	struct source	 base;		/* first */
	struct source_host host;
	const struct http_options *options;
	GQueue		 waiting, lent, answered; /* of struct pending, oldest first */
	GHashTable	*by_token;
	size_t		 bytes;		/* of all queues */
	uint64_t	 next_token;
	bool		 paused;
};

static struct source_http *http_of(void *p)
{
	struct source_http *s = p;

	CHECK(s->base.magic == SOURCE_MAGIC && s->base.impl == &source_http);
	return s;
}

static void pending_free(struct source_http *s, struct pending *p)
{
	g_hash_table_remove(s->by_token, &p->token);
	s->bytes -= p->size;
	g_free(p->bytes);
	g_free(p->headers);
	g_free(p->why);
	g_free(p);
}

static char *error_json(const char *reason, struct str text)
{
	GString *out = g_string_new(NULL);

	json_open(out, '{');
	json_key(out, "error");
	json_str(out, text.len ? text : str_of(reason));
	if (reason) {
		json_key(out, "reason");
		json_cstr(out, reason);
	}
	json_close(out, '}');
	return g_string_free(out, false);
}

static void answer(struct pending *p, int status, const char *json)
{
	if (p->answer)
		p->answer(p->ctx, status, str_of(json));
	p->answer = NULL;
}

static struct source *http_source_open(const struct source_host *host, struct str name,
    const void *options, struct err *err)
{
	struct source_http *s;

	if (!source_options_check(&source_http_kind, options, err))
		return NULL;
	s = g_new0(struct source_http, 1);
	s->host = *host;
	s->options = options;
	s->base = (struct source){
		.magic = SOURCE_MAGIC, .impl = &source_http,
		.name = { g_strndup(name.p, name.len), name.len },
		.journal = (enum journal_mode)s->options->common.journal,
		.payload_max = (uint32_t)s->options->common.payload,
	};
	g_queue_init(&s->waiting);
	g_queue_init(&s->lent);
	g_queue_init(&s->answered);
	s->by_token = g_hash_table_new(g_int64_hash, g_int64_equal);
	return &s->base;
}

/* A push stands alone: nothing is resumed. */
static void http_source_resume(struct source *s, struct str part, struct str position)
{
	(void)s, (void)part, (void)position;
}

static void http_source_start(struct source *source)
{
	struct source_http *s = http_of(source);
	struct str whole = { 0 };

	s->host.on_state(s->host.ctx, source, whole, SOURCE_UP);
	s->host.on_state(s->host.ctx, source, whole, SOURCE_CAUGHT_UP);
}

static struct str put(char **at, struct str s)
{
	struct str copy = { *at, s.len };

	if (s.len > 0)
		memcpy(*at, s.p, s.len);
	*at += s.len;
	return copy;
}

static struct pending *pending_new(struct source_http *s, const struct http_push *push,
    size_t size)
{
	struct pending *p = g_new0(struct pending, 1);
	char *at = p->bytes = g_malloc(size + 1);

	p->token = ++s->next_token;
	p->size = size;
	p->headers = g_new0(struct header, push->headers_n);
	for (uint32_t i = 0; i < push->headers_n; i++) {
		p->headers[i].name = put(&at, push->headers[i].name);
		p->headers[i].value = put(&at, push->headers[i].value);
	}
	p->message = (struct message){
		.origin = s->base.name,
		.part = put(&at, push->route),
		.key = put(&at, push->idempotency_key),
		.pos = -1,
		.time_ms = push->time_ms,
		.body = put(&at, push->body),
		.content_type = put(&at, push->content_type),
		.headers = p->headers,
		.headers_n = push->headers_n,
		.token = p->token,
	};
	p->message.topic = p->message.part;
	return p;
}

bool http_source_push(struct source *source, const struct http_push *push,
    http_answer_f f, void *ctx, uint64_t *ret_token)
{
	struct source_http *s = http_of(source);
	size_t size = push->route.len + push->body.len + push->content_type.len +
	    push->idempotency_key.len;
	struct pending *p;

	for (uint32_t i = 0; i < push->headers_n; i++)
		size += push->headers[i].name.len + push->headers[i].value.len;
	*ret_token = 0;
	if (s->paused || s->waiting.length + s->lent.length >= s->options->queue ||
	    s->bytes + size > (size_t)s->options->queue_bytes) {
		char *json = error_json(NULL, s->paused ? STR("no events are read now")
		    : STR("the queue is full"));

		f(ctx, 503, str_of(json));
		g_free(json);
		return false;
	}
	p = pending_new(s, push, size);
	p->answer = f;
	p->ctx = ctx;
	s->bytes += size;
	g_hash_table_insert(s->by_token, &p->token, p);
	g_queue_push_tail(&s->waiting, p);
	*ret_token = p->token;
	s->host.on_ready(s->host.ctx, source);
	return true;
}

bool http_source_has_hook(const struct source *source, struct str name)
{
	const struct option_strs *hooks =
	    &((const struct source_http *)source)->options->hooks;

	CHECK(source->magic == SOURCE_MAGIC && source->impl == &source_http);
	for (uint32_t i = 0; i < hooks->n; i++)
		if (str_is(hooks->v[i], name))
			return true;
	return false;
}

void http_source_gone(struct source *source, uint64_t token)
{
	struct pending *p = g_hash_table_lookup(http_of(source)->by_token, &token);

	if (p)
		p->answer = NULL;
}

static bool http_source_read(struct source *source, struct batch *batch, uint32_t max)
{
	struct source_http *s = http_of(source);

	for (; !s->paused && max > 0 && batch->n < batch->cap && s->waiting.length > 0;
	     max--) {
		struct pending *p = g_queue_pop_head(&s->waiting);

		g_queue_push_tail(&s->lent, p);
		p->message.source = source->id;
		batch->v[batch->n++] = p->message;
	}
	return !s->paused && s->waiting.length > 0;
}

/* What is not answered yet keeps its bytes: a commit is a few milliseconds away. */
static void http_source_release(struct source *source)
{
	struct source_http *s = http_of(source);
	struct pending *p;

	while ((p = g_queue_pop_head(&s->answered)))
		pending_free(s, p);
}

static void http_source_cut(struct source *source, source_cut_f f, void *ctx)
{
	(void)source, (void)f, (void)ctx;
}

static int status_of(enum event_refusal why)
{
	switch (why) {
	case EVENT_NOT_UTF8:
	case EVENT_NOT_JSON:
		return 400;
	case EVENT_TOO_LARGE:
	case EVENT_BATCH_TOO_LARGE:
		return 413;
	default:
		return 422;
	}
}

static void http_source_refuse(
    struct source *source, uint64_t token, enum event_refusal why, struct str text)
{
	struct pending *p = g_hash_table_lookup(http_of(source)->by_token, &token);

	if (!p || p->refused)
		return;
	p->refused = status_of(why);
	p->why = error_json(event_refusal_name(why), text);
}

static void http_source_accept(struct source *source, uint64_t token, uint64_t seq,
    bool repeat)
{
	struct pending *p = g_hash_table_lookup(http_of(source)->by_token, &token);

	(void)repeat;		/* it gets the first answer, rebuilt from the first seq */
	if (!p)
		return;
	if (p->accepted++ == 0 || seq < p->seq)
		p->seq = seq;
}

static void http_source_ack(struct source *source, struct committed covered)
{
	struct source_http *s = http_of(source);
	struct pending *p;
	char json[96];

	(void)covered;
	while ((p = g_queue_pop_head(&s->lent))) {
		snprintf(json, sizeof(json), "{\"accepted\":%" PRIu32, p->accepted);
		if (p->accepted > 0)
			snprintf(json + strlen(json), sizeof(json) - strlen(json),
			    ",\"seq\":%" PRIu64, p->seq);
		g_strlcat(json, "}", sizeof(json));
		answer(p, p->refused ? p->refused : 202, p->refused ? p->why : json);
		g_queue_push_tail(&s->answered, p);
	}
}

/* Stored later perhaps, but nobody can be kept waiting for it: a repeat with the same
 * id is told how it ended. */
static void http_source_nack(struct source *source)
{
	struct source_http *s = http_of(source);
	char *json =
	    error_json(NULL, STR("not stored yet; send it again with the same id"));
	struct pending *p;

	while ((p = g_queue_pop_head(&s->lent))) {
		answer(p, 503, json);
		g_queue_push_tail(&s->answered, p);
	}
	g_free(json);
}

static void http_source_pause(struct source *source, bool on)
{
	struct source_http *s = http_of(source);

	s->paused = on;
	if (!on && s->waiting.length > 0)
		s->host.on_ready(s->host.ctx, source);
}

static void http_source_status(const struct source *source, struct source_status *out)
{
	const struct source_http *s = (const struct source_http *)source;

	*out = (struct source_status){ .connected = true, .lag = s->waiting.length };
	g_strlcpy(out->detail, s->paused ? "paused" : "listening", sizeof(out->detail));
}

/* Nobody is answered: the listener that holds the requests closes before us. */
static void http_source_close(struct source *source)
{
	struct source_http *s = http_of(source);
	struct pending *p;

	while ((p = g_queue_pop_head(&s->lent)) || (p = g_queue_pop_head(&s->waiting)))
		pending_free(s, p);
	http_source_release(source);
	g_hash_table_destroy(s->by_token);
	g_free((char *)(uintptr_t)s->base.name.p);
	g_free(s);
}

const struct source_impl source_http = {
	.kind = &source_http_kind,
	.journal = JOURNAL_FULL,
	.commit_at_once = true,
	.open = http_source_open,
	.resume = http_source_resume,
	.start = http_source_start,
	.read = http_source_read,
	.release = http_source_release,
	.cut = http_source_cut,
	.refuse = http_source_refuse,
	.accept = http_source_accept,
	.ack = http_source_ack,
	.nack = http_source_nack,
	.pause = http_source_pause,
	.status = http_source_status,
	.close = http_source_close,
};
