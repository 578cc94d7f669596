/* Topics of Apache Kafka.
 *
 *	        survey ok, positions stored              survey found new partitions
 *	 ASKING ------------------------------> READING ----------------------------.
 *	  ^  \                                   ^                                  |
 *	  |   `--> STORING (first positions) ----' after the commit that has them   |
 *	  `------------------------------------ a new handle <----------------------'
 *
 * Invariants
 *   (1) Our positions are the only ones: assign() gets them as numbers, nothing is
 *       committed to or read from a group (lag_group is told afterwards, one way).
 *   (2) No message is fetched from a partition before its first position is stored,
 *       so that a kill in between cannot begin somewhere else.
 *   (3) Per partition offsets only grow: a lower one than expected is dropped and
 *       counted, a hole is counted.  A position that the broker no longer has stops
 *       the partition and says so; nothing jumps.
 *   (4) Nothing seeks or pauses: other positions mean another handle, and to stop is
 *       not to poll.
 */
#include "source/source.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/check.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/loop.h"
#include "source/kafka_parts.h"
#include "source/kafka_settings.h"

#define BACKOFF_MIN_MS	500
#define BACKOFF_MAX_MS	5000
#define IDLE_MS		60000	/* a partition without messages so long is idle */
#define SLOW_MS		5000	/* how often idleness and reports are looked at */
#define HEADERS_MAX	64

enum kafka_state { KAFKA_ASKING = 1, KAFKA_STORING, KAFKA_READING };

struct source_kafka {
	struct source	 base;		/* first */
	struct source_host host;
	const struct kafka_options *options;
	struct kafka	*handle;
	enum kafka_state state;
	struct io_watch	*timer;		/* next survey */
	struct io_watch	*slow_timer;
	int64_t		 backoff_ms;
	struct parts	 parts;
	bool		 started, up, caught_up, say_caught_up, paused, cut_done;
	bool		 unreported;	/* a commit since the last report */
	rd_kafka_message_t **held;	/* lent */
	uint32_t	 held_n, held_cap;
	struct arena	*arena;		/* headers of what is lent */
	int64_t		 now_ms;	/* boot time of the last read */
	uint64_t	 reconnects, gaps, repeats;
	char		 detail[200];
};

static struct source_kafka *kafka_of(void *p)
{
	struct source_kafka *s = p;

	CHECK(s->base.magic == SOURCE_MAGIC && s->base.impl == &source_kafka);
	return s;
}

static void say(struct source_kafka *s, enum source_state state)
{
	s->host.on_state(s->host.ctx, &s->base, (struct str){ 0 }, state);
}

static void down(struct source_kafka *s, const char *why)
{
	bool was_up = s->up;

	/* Each new reason once: it is tried again for as long as it takes. */
	if (strncmp(s->detail, why, sizeof(s->detail) - 1) != 0)
		log_warn("source %.*s: %s", STR_ARG(s->base.name), why);
	g_strlcpy(s->detail, why, sizeof(s->detail));
	s->up = s->caught_up = s->say_caught_up = false;
	if (was_up)
		say(s, SOURCE_DOWN);
}

/* The next survey: soon and ever later while it fails, else at discovery's pace. */
static void survey_later(struct source_kafka *s, bool failed)
{
	int64_t ms = s->options->discovery_ms;

	if (failed) {
		s->backoff_ms = CLAMP(s->backoff_ms * 2, BACKOFF_MIN_MS, BACKOFF_MAX_MS);
		ms = s->backoff_ms / 2 + g_random_int_range(0, (int)s->backoff_ms);
	} else {
		s->backoff_ms = 0;
	}
	io_watch_after(s->timer, ms);
}

static void survey(struct source_kafka *s)
{
	const struct option_strs *topics = &s->options->topics;
	char **names = g_new0(char *, topics->n + 1);

	for (uint32_t i = 0; i < topics->n; i++)
		names[i] = g_strndup(topics->v[i].p, topics->v[i].len);
	if (!kafka_survey(s->handle, (const char *const *)names, topics->n,
	    s->state == KAFKA_ASKING || !s->up))
		survey_later(s, true);
	g_strfreev(names);
}

/* The brokers answer.  Said again after a new handle, when it was up all the time: there
 * is more to catch up with, and positions to be committed. */
static void up(struct source_kafka *s)
{
	if (s->paused || (s->up && s->state != KAFKA_ASKING))
		return;
	if (!s->up) {
		s->reconnects += s->started;
		snprintf(s->detail, sizeof(s->detail), "connected to %.*s",
		    STR_ARG(s->options->brokers.v[0]));
		log_info("source %.*s: %s", STR_ARG(s->base.name), s->detail);
	}
	s->up = s->started = true;
	say(s, SOURCE_UP);
	parts_measure(&s->parts);
	s->caught_up = false;
	s->say_caught_up = s->parts.behind == 0;
	/* CAUGHT_UP is said at the end of a turn: let there be one. */
	if (s->say_caught_up)
		s->host.on_ready(s->host.ctx, &s->base);
}

static void on_readable(void *ctx)
{
	struct source_kafka *s = ctx;

	if (!s->paused)
		s->host.on_ready(s->host.ctx, &s->base);
}

static void on_survey(void *, const struct kafka_survey *);

static void on_down(void *ctx, const char *why)
{
	struct source_kafka *s = ctx;
	char text[sizeof(s->detail)];

	if (!s->up)
		return;
	snprintf(text, sizeof(text), "brokers down: %s", why);
	down(s, text);
	survey_later(s, true);
}

/* A new handle; the old one ends with whatever it had prefetched. */
static void reopen(struct source_kafka *s)
{
	char label[128];
	struct kafka_host host = {
		.loop = s->host.loop, .helper = s->host.helper, .label = label,
		.on_readable = on_readable, .on_survey = on_survey, .on_down = on_down,
		.ctx = s,
	};
	struct kafka_setting *v;
	struct err err = { 0 };
	uint32_t n;

	CHECK(s->held_n == 0);
	kafka_close(s->handle);
	s->handle = NULL;
	s->state = KAFKA_ASKING;
	parts_detach(&s->parts);
	if (!kafka_settings_build(s->options, s->base.name, &s->host, &v, &n, &err)) {
		down(s, err.msg);
		survey_later(s, true);
		return;
	}
	snprintf(label, sizeof(label), "source %.*s", STR_ARG(s->base.name));
	s->handle = kafka_new(&host, v, n);
	survey(s);
}

static void on_timer(void *ctx)
{
	struct source_kafka *s = ctx;

	if (s->handle)
		survey(s);
	else
		reopen(s);
}

/* For lag dashboards: what was stored since the last time. */
static void report(struct source_kafka *s)
{
	rd_kafka_topic_partition_list_t *list;

	if (!s->unreported || s->options->lag_group.len == 0 || !s->up ||
	    s->state != KAFKA_READING)
		return;
	s->unreported = false;
	list = parts_list(&s->parts, true);
	kafka_report(s->handle, list);
	rd_kafka_topic_partition_list_destroy(list);
}

/* Idleness counts while all that there is has been read. */
static void on_slow_timer(void *ctx)
{
	struct source_kafka *s = ctx;
	int64_t now = clock_read().boot_ms;

	for (uint32_t i = 0; s->caught_up && !s->paused && i < s->parts.v->len; i++) {
		struct part *p = parts_at(&s->parts, i);

		if (p->idle || p->last_ms == 0 || now - p->last_ms < IDLE_MS)
			continue;
		p->idle = true;
		s->host.on_state(
		    s->host.ctx, &s->base, str_of(p->name), SOURCE_PART_IDLE);
	}
	report(s);
	io_watch_after(s->slow_timer, SLOW_MS);
}

/* Gives positions to the partitions that have none; true if there was one. */
static bool topic_place(struct source_kafka *s, const struct kafka_topic *t)
{
	bool known = parts_know(&s->parts, t->name), added = false;
	bool whole = known || s->options->start == START_BEGIN;

	for (int32_t i = 0; i < t->n; i++) {
		struct part *p = parts_find(&s->parts, t->name, i);
		int64_t from;

		if (!p) {
			/* The first message that is still there: 0 in a new partition. */
			from = whole ? t->low[i] : t->high[i];
			p = parts_add(&s->parts, t->name, i, from);
			if (known && from > 0) {
				log_warn(
				    "source %.*s: %s is new here, but its first %" PRId64
				    " messages are gone",
				    STR_ARG(s->base.name), p->name, from);
				s->gaps++;
			}
			added = added || p->wanted;
		}
		p->end = t->high[i];
	}
	if (t->missing && !known) {
		parts_miss(&s->parts, t->name);
		added = true;
		log_warn("source %.*s: topic '%s' does not exist yet",
		    STR_ARG(s->base.name), t->name);
	}
	return added;
}

static bool topic_grew(struct source_kafka *s, const struct kafka_topic *t)
{
	for (int32_t i = 0; i < t->n; i++)
		if (kafka_partition_wanted(&s->options->partitions, i) &&
		    !parts_find(&s->parts, t->name, i))
			return true;
	return false;
}

static void assign(struct source_kafka *s)
{
	rd_kafka_topic_partition_list_t *list = parts_list(&s->parts, false);
	struct err err = { 0 };
	bool ok;

	ok = kafka_assign(s->handle, list, &err);
	rd_kafka_topic_partition_list_destroy(list);
	if (!ok) {
		down(s, err.msg);
		kafka_close(s->handle);
		s->handle = NULL;
		survey_later(s, true);
		return;
	}
	s->state = KAFKA_READING;
	s->host.on_ready(s->host.ctx, &s->base);
}

static void on_survey(void *ctx, const struct kafka_survey *found)
{
	struct source_kafka *s = ctx;
	bool added = false, grew = false;
	char why[300];

	survey_later(s, !found->ok);
	if (!found->ok) {
		snprintf(why, sizeof(why), "waiting for the brokers: %s", found->why);
		down(s, why);
		return;
	}
	if (s->state == KAFKA_ASKING) {
		if (parts_set_cluster(&s->parts, found->cluster)) {
			log_error(
			    "source %.*s: this is another cluster (%s): its topics begin "
			    "as if used for the first time",
			    STR_ARG(s->base.name), found->cluster);
			s->gaps++;
		}
		for (uint32_t i = 0; i < found->n; i++)
			added = topic_place(s, &found->topics[i]) || added;
		up(s);
		if (added || s->parts.cluster_dirty) {
			s->state = KAFKA_STORING;
			s->cut_done = false;
		} else {
			assign(s);
		}
		return;
	}
	for (uint32_t i = 0; i < found->n; i++) {
		const struct kafka_topic *t = &found->topics[i];

		grew = grew || topic_grew(s, t);
		for (int32_t j = 0; j < t->n && t->high; j++) {
			struct part *p = parts_find(&s->parts, t->name, j);

			if (p)
				p->end = t->high[j];
		}
	}
	up(s);
	if (grew && s->state == KAFKA_READING)
		reopen(s);
}

static struct source *kafka_source_open(const struct source_host *host, struct str name,
    const void *options, struct err *err)
{
	struct source_kafka *s;
	struct kafka_setting *v;
	uint32_t n;
	bool ok;

	if (!source_options_check(&source_kafka_kind, options, err) ||
	    !kafka_settings_build(options, name, host, &v, &n, err))
		return NULL;
	ok = kafka_settings_check(v, n, err);
	kafka_settings_free(v, n);
	if (!ok)
		return NULL;
	s = g_new0(struct source_kafka, 1);
	s->host = *host;
	s->options = options;
	s->base = (struct source){
		.magic = SOURCE_MAGIC, .impl = &source_kafka,
		.name = { g_strndup(name.p, name.len), name.len },
		.journal = (enum journal_mode)s->options->common.journal,
		.payload_max = (uint32_t)s->options->common.payload,
	};
	parts_init(&s->parts, options);
	s->arena = arena_new(0);
	s->timer = loop_timer(host->loop, on_timer, s);
	s->slow_timer = loop_timer(host->loop, on_slow_timer, s);
	snprintf(s->detail, sizeof(s->detail), "not connected yet");
	return &s->base;
}

static void kafka_source_resume(
    struct source *source, struct str part, struct str position)
{
	parts_resume(&kafka_of(source)->parts, part, position);
}

static void kafka_source_start(struct source *source)
{
	struct source_kafka *s = kafka_of(source);

	reopen(s);
	on_slow_timer(s);
}

static void part_stop(struct source_kafka *s, struct part *p)
{
	p->stopped = true;
	s->gaps++;
	s->say_caught_up |= parts_reached(&s->parts, p);
	snprintf(s->detail, sizeof(s->detail), "stopped at %s: offset %" PRId64
	    " is not in the log any more", p->name, p->next);
	log_error("source %.*s: %s: its messages are lost and it is not read; a source "
	    "of another name begins anew",
	    STR_ARG(s->base.name), s->detail);
}

static void take_error(struct source_kafka *s, const rd_kafka_message_t *m)
{
	struct part *p = parts_of(&s->parts, m);

	if (p && m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		p->eof = m->offset;
		s->say_caught_up |= parts_reached(&s->parts, p);
	} else if (p && (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
	    m->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)) {
		if (!p->stopped)
			part_stop(s, p);
	} else {
		log_warn("source %.*s: %s: %s", STR_ARG(s->base.name),
		    p ? p->name : "client", rd_kafka_message_errstr(m));
	}
}

/* False: this offset has been read before. */
static bool take_offset(struct source_kafka *s, struct part *p, int64_t offset)
{
	if (offset < p->next) {
		s->repeats++;
		return false;
	}
	if (offset > p->next) {
		s->gaps++;
		if (!p->hole_told)
			log_info(
			    "source %.*s: %s has no offsets from %" PRId64 " to %" PRId64
			    ": compaction or transaction markers; more are only counted",
			    STR_ARG(s->base.name), p->name, p->next, offset - 1);
		p->hole_told = true;
	}
	p->next = offset + 1;
	p->last_ms = s->now_ms;
	p->idle = false;
	s->say_caught_up |= parts_reached(&s->parts, p);
	return true;
}

static void take_headers(struct source_kafka *s, const rd_kafka_message_t *m,
    struct message *out)
{
	rd_kafka_headers_t *headers;
	struct header *v;
	const char *name;
	const void *value;
	size_t size, n;

	if (rd_kafka_message_headers(m, &headers))
		return;		/* most have none */
	n = MIN(rd_kafka_header_cnt(headers), HEADERS_MAX);
	v = ARENA_ARRAY(s->arena, struct header, n);
	for (size_t i = 0; i < n; i++) {
		if (rd_kafka_header_get_all(headers, i, &name, &value, &size))
			break;
		v[i].name = str_of(name);
		v[i].value = (struct str){ value, (uint32_t)size };
		if (g_ascii_strcasecmp(name, "content-type") == 0)
			out->content_type = v[i].value;
		out->headers_n++;
	}
	out->headers = v;
}

static bool take(struct source_kafka *s, rd_kafka_message_t *m, struct message *out)
{
	rd_kafka_timestamp_type_t type;
	struct part *p;

	if (m->err) {
		take_error(s, m);
		return false;
	}
	p = parts_of(&s->parts, m);
	if (!p || p->stopped || !take_offset(s, p, m->offset))
		return false;
	*out = (struct message){
		.source = s->base.id, .origin = s->base.name, .part = str_of(p->name),
		.topic = str_of(p->topic), .key = { m->key, (uint32_t)m->key_len },
		.pos = m->offset, .time_ms = rd_kafka_message_timestamp(m, &type),
		.body = { m->payload, (uint32_t)m->len },
	};
	if (type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE)
		out->time_ms = clock_read().wall_ms;
	take_headers(s, m, out);
	if (!s->up)
		io_watch_after(s->timer, 0);	/* who sends is there: ask, and say so */
	return true;
}

static bool kafka_source_read(struct source *source, struct batch *batch, uint32_t max)
{
	struct source_kafka *s = kafka_of(source);
	uint32_t want = MIN(max, batch->cap - batch->n), got, at;

	if (s->paused || !s->handle || want == 0)
		return false;
	if (s->held_n + want > s->held_cap) {
		s->held_cap = MAX(s->held_n + want, 4096);
		s->held = g_renew(rd_kafka_message_t *, s->held, s->held_cap);
	}
	at = s->held_n;
	s->now_ms = clock_read().boot_ms;
	got = kafka_read(s->handle, s->held + at, want);
	for (uint32_t i = 0; i < got; i++) {
		rd_kafka_message_t *m = s->held[at + i];

		if (take(s, m, &batch->v[batch->n])) {
			batch->n++;
			s->held[s->held_n++] = m;
		} else {
			rd_kafka_message_destroy(m);
		}
	}
	return got > 0;		/* the wake-up is an edge: ask until there is none */
}

static void kafka_source_release(struct source *source)
{
	struct source_kafka *s = kafka_of(source);

	for (uint32_t i = 0; i < s->held_n; i++)
		rd_kafka_message_destroy(s->held[i]);
	s->held_n = 0;
	arena_reset(s->arena);
	if (s->say_caught_up && s->up && !s->caught_up) {
		s->caught_up = true;
		say(s, SOURCE_CAUGHT_UP);
	}
	s->say_caught_up = false;
}

static void kafka_source_cut(struct source *source, source_cut_f f, void *ctx)
{
	struct source_kafka *s = kafka_of(source);

	parts_cut(&s->parts, f, ctx);
	s->cut_done = true;
}

static void kafka_source_ack(struct source *source, struct committed covered)
{
	struct source_kafka *s = kafka_of(source);

	(void)covered;
	if (s->state == KAFKA_STORING && s->cut_done)
		assign(s);
	s->unreported = true;
}

static void kafka_source_pause(struct source *source, bool on)
{
	struct source_kafka *s = kafka_of(source);

	if (s->paused == on)
		return;
	s->paused = on;
	if (on) {
		down(s, "paused");
	} else {
		io_watch_after(s->timer, 0);	/* a survey that says up */
		s->host.on_ready(s->host.ctx, &s->base);
	}
}

static void kafka_source_status(const struct source *source, struct source_status *out)
{
	const struct source_kafka *s = (const struct source_kafka *)source;

	*out = (struct source_status){
		.connected = s->up,
		.reconnects = s->reconnects,
		.gaps = s->gaps,
		.repeats = s->repeats,
		.lag = s->handle ? parts_lag(&s->parts, s->handle) : -1,
	};
	g_strlcpy(out->detail, s->detail, sizeof(out->detail));
}

static void kafka_source_close(struct source *source)
{
	struct source_kafka *s = kafka_of(source);

	kafka_source_release(source);
	kafka_close(s->handle);
	io_watch_free(s->timer);
	io_watch_free(s->slow_timer);
	parts_fini(&s->parts);
	arena_free(s->arena);
	g_free(s->held);
	g_free((char *)(uintptr_t)s->base.name.p);
	g_free(s);
}

static void ignore_refuse(struct source *s, uint64_t token, enum event_refusal why,
    struct str text)
{
	(void)s, (void)token, (void)why, (void)text;
}

static void ignore_accept(struct source *s, uint64_t token, uint64_t seq, bool repeat)
{
	(void)s, (void)token, (void)seq, (void)repeat;
}

/* Positions stay in the commit's buffer, which is tried again: nothing to take back. */
static void ignore_nack(struct source *s)
{
	(void)s;
}

const struct source_impl source_kafka = {
	.kind = &source_kafka_kind,
	.journal = JOURNAL_REF,
	.open = kafka_source_open,
	.resume = kafka_source_resume,
	.start = kafka_source_start,
	.read = kafka_source_read,
	.release = kafka_source_release,
	.cut = kafka_source_cut,
	.refuse = ignore_refuse,
	.accept = ignore_accept,
	.ack = kafka_source_ack,
	.nack = ignore_nack,
	.pause = kafka_source_pause,
	.status = kafka_source_status,
	.close = kafka_source_close,
};
