/* What brings messages.  All calls on the loop thread.
 *
 * Life: open -> resume(each stored position) -> started -> read ... close.  The turn
 * calls read() until it answers false, decodes, decides, commits, and then ack() with
 * the token that only store_commit() makes.  Lent bytes end at release().
 *
 * Every commit calls cut() of every source before it and ack() of every source after
 * it, whether it lent anything or not: a source may wait for its own positions to be
 * stored (kafka's first offsets, mqtt's emptied memory).  on_state() makes an input,
 * so a commit follows it. */
#ifndef SOURCE_SOURCE_H
#define SOURCE_SOURCE_H

#include "decide/input.h"
#include "rules/catalog.h"
#include "store/store.h"

struct source;
struct loop;
struct pool;

struct batch {			/* of one turn */
	struct message	*v;
	uint32_t	 n, cap;
};
struct source_status {		/* for /api/v1/sources and metrics */
	bool		 connected;
	int64_t		 lag;		/* messages behind; -1: unknown */
	uint64_t	 reconnects, gaps;
	uint64_t	 repeats;	/* dropped here as already read: duplicates that
					 * the turn never sees */
	char		 detail[200];	/* "connected to 127.0.0.1:9092" */
};
struct source_host {
	struct loop	*loop;
	struct pool	*helper;
	struct store	*store;
	const char	*config_dir, *state_dir, *instance;
	/* The source has something to read. */
	void		(*on_ready)(void *, struct source *);
	/* Up, down, caught up, part idle: becomes an input. */
	void		(*on_state)(void *, struct source *, struct str part,
			    enum source_state);
	void		*ctx;
};
typedef void (*source_cut_f)(void *, struct str part, struct str position);
struct source_impl {
	const struct catalog_kind *kind;
	enum journal_mode journal;	/* default */
	bool		 commit_at_once; /* its inputs ask for a commit */
	/* The options must outlive the source; `host` is copied. */
	struct source	*(*open)(const struct source_host *, struct str name,
			    const void *options, struct err *);
	void		(*resume)(struct source *, struct str part, struct str position);
	void		(*start)(struct source *);	/* after the last resume */
	/* Appends up to `max` and no more than fit; true: more is readable now. */
	bool		(*read)(struct source *, struct batch *, uint32_t max);
	void		(*release)(struct source *);
	/* Positions that cover everything read so far and changed since the last cut. */
	void		(*cut)(struct source *, source_cut_f, void *);
	/* One message is answered negatively after the commit (quarantined: http 4xx). */
	void		(*refuse)(struct source *, uint64_t token, enum event_refusal,
			    struct str why);
	/* Once per event of a message: it was taken as input `seq`, or repeats that one.
	 * http counts these and answers with the first seq; others ignore it. */
	void		(*accept)(struct source *, uint64_t token, uint64_t seq,
			    bool repeat);
	void		(*ack)(struct source *, struct committed);
	void		(*nack)(struct source *);	/* this commit will not come */
	void		(*pause)(struct source *, bool);	/* disk full, operator */
	void		(*status)(const struct source *, struct source_status *);
	void		(*close)(struct source *);
};
struct source {			/* embedded first in each kind's own struct */
	unsigned	 magic;
	const struct source_impl *impl;
	uint32_t	 id;		/* catalog instance id: set by the opener */
	struct str	 name;		/* copied by open() */
	enum journal_mode journal;	/* of its options, else of its kind */
	uint32_t	 payload_max;	/* bytes; 0: the daemon's limit */
	bool		 ready;		/* kept by turn */
};
#define SOURCE_MAGIC 0x50524345u

extern const struct source_impl source_kafka, source_mqtt, source_http, source_run;
/* Kinds for the catalog: source/options.c links no client library. */
extern const struct catalog_kind source_kafka_kind, source_mqtt_kind, source_http_kind;
/* What the tables cannot say: urls, qos, allowed properties. */
bool source_options_check(const struct catalog_kind *, const void *options, struct err *);

/* The push side of an http source, called by api: one request's body and headers.
 * `answer` is called once, after the commit (202 with {"accepted":n,...}), or at once
 * when the queue is full (503).  `ctx` is the caller's. */
typedef void (*http_answer_f)(void *ctx, int status, struct str json);
struct http_push {
	struct str	 route;		/* "/api/v1/events", "/hooks/alertmanager" */
	struct str	 body, content_type;
	const struct header *headers;
	uint32_t	 headers_n;
	struct str	 idempotency_key;	/* or empty */
	int64_t		 time_ms;
};
bool http_source_push(struct source *, const struct http_push *, http_answer_f, void *ctx,
    uint64_t *ret_token);
/* Is /hooks/NAME open on this http source? */
bool http_source_has_hook(const struct source *, struct str name);
void http_source_gone(struct source *, uint64_t token);	/* the client went away */
/* The run source reads the outbox; turn tells it after each commit. */
void run_source_committed(struct source *, uint64_t outbox_last);
#endif
