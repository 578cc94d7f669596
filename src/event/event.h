/* bytes -> event.
 *
 * Whether bytes are acceptable depends on the bytes and the limits alone, never
 * on the plan: a full structural walk, UTF-8 and escapes checked, last duplicate
 * key wins, as jansson with JSON_ALLOW_NUL.  Everything in an event points into
 * the lent bytes or the turn's arena: valid until the end of the turn.  The
 * scanner never reads past `len`.
 *
 * Data may be a scalar (JSON_DECODE_ANY).  As with jansson, an integer literal beyond
 * int64 or a real beyond double refuses the whole text: nothing is rounded silently. */
#ifndef EVENT_EVENT_H
#define EVENT_EVENT_H

#include "base/diag.h"
#include "event/plan.h"
#include "expr/value.h"

struct arena;
struct yaml;
struct zones;

struct header {
	struct str	 name, value;
};
struct message {		/* what a source lends */
	uint32_t	 source;	/* id of the source instance */
	struct str	 origin;	/* the instance, for the default of "source" */
	struct str	 part;		/* cluster/topic/partition, topic, route */
	struct str	 topic;
	struct str	 key;		/* kafka record key; may be empty */
	int64_t		 pos;		/* offset, mid; -1 */
	int64_t		 time_ms;	/* record or arrival time */
	struct str	 body, content_type;
	const struct header *headers;
	uint32_t	 headers_n;
	bool		 retained;
	uint64_t	 token;		/* the source's own, for the answer */
};
/* Their names are the reasons of quarantine: event_refusal_name(). */
enum event_refusal {
	EVENT_OK = 0, EVENT_NOT_UTF8, EVENT_NOT_JSON, EVENT_TOO_LARGE, EVENT_TOO_DEEP,
	EVENT_TOO_MANY_KEYS, EVENT_NO_ATTRIBUTE, EVENT_BAD_ATTRIBUTE, EVENT_BAD_TIME,
	EVENT_MAP_ERROR, EVENT_BATCH_TOO_LARGE,
};
struct event_limits {		/* zero members take these defaults */
	uint32_t	 bytes;		/* 1 MiB */
	uint32_t	 depth;		/* 64 */
	uint32_t	 keys;		/* 10,000 in one event */
	uint32_t	 batch;		/* 500 events */
	int64_t		 max_future_ms;	/* 5 min: later ones are clamped to it */
};
struct event {
	struct str	 id, source, type, subject;	/* unescaped */
	bool		 has_id;	/* given by the sender, else a default */
	int64_t		 time_ms;
	uint32_t	 via;		/* source instance */
	struct str	 part;		/* its part, for per-partition watermarks */
	bool		 retained;
	bool		 clamped;	/* time was beyond max_future */
	uint8_t		 depth;		/* of the cascade: extension retraindepth */
	struct str	 data;		/* JSON text of data; empty: none */
	struct str	 body;		/* whole text (structured), or data */
	const struct header *ext;	/* extension attributes of binary mode */
	uint32_t	 ext_n;
	struct value	*field;		/* by plan; VALUE_ABSENT if missing */
};

/* How one source's messages become events: CloudEvents, a preset, a map: */
struct event_format;
/* `map`: {id, source, type, subject, time, data}: CEL over `body` (parsed payload),
 * `topic`, `key`, `headers` (map), `time`; NULL: none.  preset: "cloudevents" (also
 * ""), "alertmanager", "json" (any JSON becomes data; type = topic).  A CloudEvent
 * is recognised by content type or by its attributes even where a map is given.
 * Of a map, null keeps the default; `time` may be a timestamp, RFC 3339 text or epoch
 * milliseconds.  NULL after an error in diags. */
struct event_format *event_format_build(struct str preset, const struct yaml *map,
    struct zones *, struct arena *, struct diags *);

/* Without a format as with preset "".  One message may hold many events (batch,
 * alerts): calls `each` once per event in order.  A batch is atomic: it is decoded
 * whole first, so `each` is called for all or none.  Otherwise returns the refusal and
 * the offset of the offending byte, and `why` (may be NULL) gets a sentence. */
enum event_refusal event_decode(const struct message *, const struct event_format *,
    const struct plan *, const struct event_limits *, struct arena *,
    void (*each)(void *, struct event *), void *ctx, uint32_t *at, GString *why);
const char *event_refusal_name(enum event_refusal);
/* An event out of its parts, as the run source and the API's "emit" build it:
 * fields filled by the plan.  False: data is not acceptable JSON. */
bool event_fill(struct event *, const struct plan *, const struct event_limits *,
    struct arena *);
/* Checks and measures JSON text alone (the same walk). */
enum event_refusal json_check(struct str json, const struct event_limits *, uint32_t *at);
/* The whole of data, by jansson; null if there is none. */
struct value event_document(const struct event *, struct arena *);
/* The event as CloudEvents JSON (structured), for files and explain. */
void event_to_json(const struct event *, GString *out);
#endif
