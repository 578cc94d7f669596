/* What the parts of event_decode() share (private to this floor). */
#ifndef EVENT_DECODE_H
#define EVENT_DECODE_H

#include "event/scan.h"

/* One message on its way to events; they are given out when all of it is decoded. */
struct decode {
	const struct message *m;
	const struct event_format *format;
	const struct plan *plan;
	const struct event_limits *limits;
	struct arena	*arena;
	struct event	*v;		/* what is decoded so far */
	uint32_t	 n, cap;
	enum event_refusal refusal;
	uint32_t	 at;
	GString		*why;		/* may be NULL */
};

enum event_preset { PRESET_CLOUDEVENTS = 1, PRESET_JSON, PRESET_ALERTMANAGER };

/* All return false after setting d->refusal. */
bool decode_refuse(struct decode *, enum event_refusal, uint32_t at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* `s` stopped: its refusal and position become the message's. */
bool decode_scan_failed(struct decode *, const struct scan *);
/* A new event: via, part, retained and time are its message's.  NULL: refused. */
struct event *decode_add(struct decode *);
/* id, source and type of what is no CloudEvent. */
void decode_defaults(struct decode *, struct event *);
/* Parses `text` (p NULL: keep the message's time), clamps to max_future. */
bool decode_time(struct decode *, struct event *, struct str text);
/* Walks data with the plan and sets the attributes' slots.  `s` may bring slots. */
bool decode_data(struct decode *, struct scan *, struct event *);
bool decode_fill(struct decode *, struct event *);
/* The slots of id, source, type, subject and time, out of the event, where the walk
 * did not fill them. */
void event_slots(struct event *, const struct plan *);

/* cloudevent.c */
bool cloudevent_structured(struct decode *, bool must, bool *is);
bool cloudevent_batch(struct decode *);
bool cloudevent_binary(struct decode *, const char *prefix);
/* "ce_", "ce-", "" by where the headers name a specversion; NULL: not binary mode. */
const char *cloudevent_prefix(const struct message *);
bool media_is(struct str content_type, const char *type);	/* parameters ignored */
bool media_is_json(struct str content_type);			/* also when empty */

/* format.c */
/* NULL: the preset of sources that name none, without a map. */
enum event_preset format_preset(const struct event_format *);
bool format_has_map(const struct event_format *);
bool format_map(struct decode *);

/* alertmanager.c */
bool alertmanager_decode(struct decode *);
#endif
