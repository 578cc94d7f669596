/* Our own lifecycle events, read back from the outbox.
 *
 * What a turn emits about runs is an input of the next one.  The position is the id
 * of the last row read; at most one batch of READ_MAX per turn, so that a rule which
 * answers its own events cannot keep a turn from ending.
 */
#include "source/source.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/check.h"
#include "io/clock.h"

#define READ_MAX	500
#define POSITION_PART	"outbox"

struct source_run {
	struct source	 base;		/* first */
	struct source_host host;
	struct arena	*arena;		/* what is lent */
	uint64_t	 read, stored;	/* ids: newest row read; as of the last cut */
	uint64_t	 last;		/* newest committed row */
	uint32_t	 lent;		/* since the last release */
	bool		 paused;
};

static struct source_run *run_of(void *p)
{
	struct source_run *s = p;

	CHECK(s->base.magic == SOURCE_MAGIC && s->base.impl == &source_run);
	return s;
}

static struct source *run_source_open(const struct source_host *host, struct str name,
    const void *options, struct err *err)
{
	struct source_run *s = g_new0(struct source_run, 1);

	(void)options, (void)err;	/* it has none, and cannot fail */
	s->host = *host;
	s->base = (struct source){
		.magic = SOURCE_MAGIC, .impl = &source_run, .journal = JOURNAL_FULL,
		.name = { g_strndup(name.p, name.len), name.len },
	};
	s->arena = arena_new(0);
	return &s->base;
}

static void run_source_resume(struct source *source, struct str part, struct str position)
{
	struct source_run *s = run_of(source);
	char number[24];

	if (!str_is(part, STR(POSITION_PART)))
		return;
	snprintf(number, sizeof(number), "%.*s", STR_ARG(position));
	s->read = s->stored = g_ascii_strtoull(number, NULL, 10);
}

static void run_source_start(struct source *source)
{
	struct source_run *s = run_of(source);
	struct str whole = { 0 };

	s->host.on_state(s->host.ctx, source, whole, SOURCE_UP);
	s->host.on_state(s->host.ctx, source, whole, SOURCE_CAUGHT_UP);
	run_source_committed(source, store_outbox_last(s->host.store));
}

void run_source_committed(struct source *source, uint64_t outbox_last)
{
	struct source_run *s = run_of(source);

	s->last = outbox_last;
	if (s->last > s->read && !s->paused)
		s->host.on_ready(s->host.ctx, source);
}

static bool run_source_read(struct source *source, struct batch *batch, uint32_t max)
{
	struct source_run *s = run_of(source);
	uint32_t want = MIN(MIN(max, batch->cap - batch->n), READ_MAX - s->lent), n;
	int64_t now = clock_read().wall_ms;
	struct outbox_item *rows;

	if (s->paused || want == 0 || s->last <= s->read)
		return false;
	n = store_outbox(s->host.store, s->read, want, s->arena, &rows);
	for (uint32_t i = 0; i < n; i++)
		batch->v[batch->n++] = (struct message){
			.source = source->id,
			.origin = source->name,
			.part = STR(POSITION_PART),
			.topic = rows[i].type,
			.key = rows[i].subject,
			.pos = (int64_t)rows[i].id,
			.time_ms = now,
			.body = rows[i].json,
			.content_type = STR("application/cloudevents+json"),
			.token = rows[i].id,
		};
	if (n > 0)
		s->read = rows[n - 1].id;
	else
		s->read = s->last;	/* they are gone: nothing to wait for */
	s->lent += n;
	return n > 0 && s->lent < READ_MAX && s->last > s->read;
}

static void run_source_release(struct source *source)
{
	struct source_run *s = run_of(source);

	s->lent = 0;
	arena_reset(s->arena);
	if (s->last > s->read && !s->paused)
		s->host.on_ready(s->host.ctx, source);
}

static void run_source_cut(struct source *source, source_cut_f f, void *ctx)
{
	struct source_run *s = run_of(source);
	char number[24];

	if (s->read == s->stored)
		return;
	snprintf(number, sizeof(number), "%" PRIu64, s->read);
	f(ctx, STR(POSITION_PART), str_of(number));
	s->stored = s->read;
}

static void run_source_pause(struct source *source, bool on)
{
	struct source_run *s = run_of(source);

	s->paused = on;
	if (!on && s->last > s->read)
		s->host.on_ready(s->host.ctx, source);
}

static void run_source_status(const struct source *source, struct source_status *out)
{
	const struct source_run *s = (const struct source_run *)source;

	*out = (struct source_status){
		.connected = true, .lag = (int64_t)(s->last - MIN(s->read, s->last)),
		.detail = "own events",
	};
}

static void run_source_close(struct source *source)
{
	struct source_run *s = run_of(source);

	arena_free(s->arena);
	g_free((char *)(uintptr_t)s->base.name.p);
	g_free(s);
}

static void run_source_refuse(struct source *s, uint64_t token, enum event_refusal why,
    struct str text)
{
	(void)s, (void)token, (void)why, (void)text;
}

static void run_source_accept(struct source *s, uint64_t token, uint64_t seq, bool repeat)
{
	(void)s, (void)token, (void)seq, (void)repeat;
}

static void run_source_ack(struct source *s, struct committed covered)
{
	(void)s, (void)covered;		/* the position was all */
}

static void run_source_nack(struct source *s)
{
	(void)s;
}

static const struct option no_rows[] = { { 0 } };
/* Not configured: there is always exactly one. */
static const struct catalog_kind kind = {
	CATALOG_SOURCE, "run", "The daemon's own lifecycle events", no_rows, 0, NULL,
};

const struct source_impl source_run = {
	.kind = &kind,
	.journal = JOURNAL_FULL,
	.open = run_source_open,
	.resume = run_source_resume,
	.start = run_source_start,
	.read = run_source_read,
	.release = run_source_release,
	.cut = run_source_cut,
	.refuse = run_source_refuse,
	.accept = run_source_accept,
	.ack = run_source_ack,
	.nack = run_source_nack,
	.pause = run_source_pause,
	.status = run_source_status,
	.close = run_source_close,
};
