/* One message -> its events, all or none.
 *
 *	content type or headers say CloudEvents --> cloudevent.c
 *	preset or hook alertmanager --------------> alertmanager.c
 *	the body has a CloudEvent's attributes ---> cloudevent.c
 *	else: a map ------------------------------> format.c
 *	      preset json: the body is data
 *	      else refused
 *
 * Nothing is given to the caller before the last event of the message is decoded:
 * a batch is taken whole or refused whole.
 *
 * To add a refusal: enum event_refusal and refusal_names[] below.
 */
#include "event/event.h"

#include "base/arena.h"
#include "base/json.h"
#include "base/time.h"
#include "event/decode.h"

#define MAX_FUTURE_MS INT64_C(300000)

/* ORDER event_refusal */
static const char *const refusal_names[] = {
	"ok", "not_utf8", "not_json", "too_large", "too_deep", "too_many_keys",
	"no_attribute", "bad_attribute", "bad_time", "map_error", "batch_too_large",
};

const char *event_refusal_name(enum event_refusal r)
{
	return refusal_names[r];
}

bool decode_refuse(
    struct decode *d, enum event_refusal r, uint32_t at, const char *fmt, ...)
{
	va_list ap;

	d->refusal = r;
	d->at = at;
	if (d->why) {
		va_start(ap, fmt);
		g_string_append_vprintf(d->why, fmt, ap);
		va_end(ap);
	}
	return false;
}

static const char *scan_sentence(enum event_refusal r)
{
	switch (r) {
	case EVENT_NOT_UTF8:
		return "the text is not UTF-8";
	case EVENT_TOO_LARGE:
		return "the text is larger than the limit";
	case EVENT_TOO_DEEP:
		return "objects and arrays are nested too deeply";
	case EVENT_TOO_MANY_KEYS:
		return "there are too many keys in one document";
	default:
		return "the text is not JSON";
	}
}

bool decode_scan_failed(struct decode *d, const struct scan *s)
{
	const struct str *body = &d->m->body;
	bool lent = body->len && s->p >= body->p && s->p <= body->p + body->len;
	uint32_t at = lent ? (uint32_t)(s->p - body->p) : 0;

	return decode_refuse(d, s->refusal, at, "%s at byte %" G_GUINT32_FORMAT,
	    scan_sentence(s->refusal), at);
}

/* id: part/position; a message without a position has its time instead, and whoever
 * needs identity asks has_id. */
void decode_defaults(struct decode *d, struct event *e)
{
	const struct message *m = d->m;

	e->id = arena_printf(d->arena, "%.*s/%" G_GINT64_FORMAT, STR_ARG(m->part),
	    m->pos >= 0 ? m->pos : m->time_ms);
	e->source = arena_printf(d->arena, "/%.*s/%.*s", STR_ARG(m->origin),
	    STR_ARG(m->topic));
	e->type = m->topic;
}

struct event *decode_add(struct decode *d)
{
	const struct message *m = d->m;
	struct event *e;

	if (d->cap == 0) {	/* mostly there is one */
		d->v = ARENA_NEW(d->arena, struct event);
		d->cap = 1;
	} else {
		d->v = arena_grow(d->arena, d->v, d->n, &d->cap, sizeof *d->v);
	}
	if (!d->v) {
		decode_refuse(d, EVENT_TOO_LARGE, 0, "the turn's memory is full");
		return NULL;
	}
	e = &d->v[d->n++];
	*e = (struct event){.time_ms = m->time_ms, .via = m->source, .part = m->part,
		.retained = m->retained};
	return e;
}

bool decode_time(struct decode *d, struct event *e, struct str text)
{
	int64_t latest = d->m->time_ms +
	    (d->limits->max_future_ms ? d->limits->max_future_ms : MAX_FUTURE_MS);

	if (text.p && !time_parse(text, &e->time_ms, NULL))
		return decode_refuse(d, EVENT_BAD_TIME, 0,
		    "time '%.*s' is not RFC 3339 with a zone", (int)MIN(text.len, 60),
		    text.p);
	e->clamped = e->time_ms > latest;
	e->time_ms = MIN(e->time_ms, latest);
	return true;
}

static void set_slot(struct event *e, uint32_t slot, struct str v)
{
	if (slot != SLOT_NONE && v.p && e->field[slot].tag != VALUE_STRING)
		e->field[slot] = value_str(v);
}

void event_slots(struct event *e, const struct plan *plan)
{
	const uint32_t *slot = plan->tree->slot;

	set_slot(e, slot[ATTR_ID], e->id);
	set_slot(e, slot[ATTR_SOURCE], e->source);
	set_slot(e, slot[ATTR_TYPE], e->type);
	set_slot(e, slot[ATTR_SUBJECT], e->subject);
	if (slot[ATTR_TIME] != SLOT_NONE)
		e->field[slot[ATTR_TIME]] = value_time_ms(e->time_ms);
}

static bool scan_data(struct scan *s, struct event *e, const struct plan *plan)
{
	if (!s->field && !scan_slots(s, plan))
		return false;
	if (e->data.len && (!scan_value(s, plan_data(plan)) || !scan_end(s)))
		return false;
	e->field = s->field;
	event_slots(e, plan);
	return true;
}

bool decode_data(struct decode *d, struct scan *s, struct event *e)
{
	return scan_data(s, e, d->plan) || decode_scan_failed(d, s);
}

bool decode_fill(struct decode *d, struct event *e)
{
	struct scan s;

	if (!scan_init(&s, e->data, d->limits, d->arena))
		return decode_scan_failed(d, &s);
	return decode_data(d, &s, e);
}

bool event_fill(struct event *e, const struct plan *plan, const struct event_limits *lim,
    struct arena *arena)
{
	struct scan s;

	if (!e->body.p)
		e->body = e->data;
	return scan_init(&s, e->data, lim, arena) && scan_data(&s, e, plan);
}

enum event_refusal json_check(
    struct str json, const struct event_limits *lim, uint32_t *at)
{
	struct scan s;
	bool ok = scan_init(&s, json, lim, NULL) && scan_value(&s, NULL) && scan_end(&s);

	if (at)
		*at = (uint32_t)(s.p - s.start);
	return ok ? EVENT_OK : s.refusal;
}

static bool whole_body(struct decode *d)
{
	struct event *e = decode_add(d);

	if (!e)
		return false;
	decode_defaults(d, e);
	e->data = e->body = d->m->body;
	if (!e->data.len)
		return decode_refuse(d, EVENT_NOT_JSON, 0, "the message is empty");
	return decode_time(d, e, (struct str){NULL, 0}) && decode_fill(d, e);
}

static bool dispatch(struct decode *d)
{
	const char *prefix = cloudevent_prefix(d->m);
	bool is = false;

	if (media_is(d->m->content_type, "application/cloudevents-batch+json"))
		return cloudevent_batch(d);
	if (media_is(d->m->content_type, "application/cloudevents+json"))
		return cloudevent_structured(d, true, &is);
	if (prefix)
		return cloudevent_binary(d, prefix);
	if (format_preset(d->format) == PRESET_ALERTMANAGER ||
	    str_is(d->m->part, STR("/hooks/alertmanager")))	/* the route says so */
		return alertmanager_decode(d);
	if (!cloudevent_structured(d, format_preset(d->format) == PRESET_CLOUDEVENTS &&
	        !format_has_map(d->format), &is))
		return false;
	if (is)
		return true;
	return format_has_map(d->format) ? format_map(d) : whole_body(d);
}

enum event_refusal event_decode(const struct message *m,
    const struct event_format *format, const struct plan *plan,
    const struct event_limits *lim, struct arena *arena,
    void (*each)(void *, struct event *), void *ctx, uint32_t *at, GString *why)
{
	struct decode d = {.m = m, .format = format, .plan = plan, .limits = lim,
		.arena = arena, .why = why};

	if (!dispatch(&d)) {
		if (at)
			*at = d.at;
		return d.refusal;
	}
	for (uint32_t i = 0; i < d.n; i++)
		each(ctx, &d.v[i]);
	return EVENT_OK;
}

struct value event_document(const struct event *e, struct arena *arena)
{
	return e->data.len ? value_from_json(e->data, arena) : value_null();
}

static bool standard(struct str key)
{
	static const char *const names[] = {"specversion", "id", "source", "type",
	    "subject", "time", "data", "data_base64", "datacontenttype", "retraindepth"};

	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
		if (str_is(key, str_of(names[i])))
			return true;
	return false;
}

/* Extensions of a structured event stand in its body only. */
static void structured_extensions(struct str body, GString *out)
{
	struct arena *arena = arena_new(0);
	struct value doc = value_from_json(body, arena);

	for (uint32_t i = 0; doc.tag == VALUE_MAP && i < doc.map->n; i++) {
		if (standard(value_as_str(doc.map->keys[i])))
			continue;
		json_key_str(out, value_as_str(doc.map->keys[i]));
		value_to_json(doc.map->values[i], arena, out);
	}
	arena_free(arena);
}

void event_to_json(const struct event *e, GString *out)
{
	json_open(out, '{');
	json_key(out, "specversion");
	json_cstr(out, "1.0");
	json_key(out, "id");
	json_str(out, e->id);
	json_key(out, "source");
	json_str(out, e->source);
	json_key(out, "type");
	json_str(out, e->type);
	if (e->subject.p) {
		json_key(out, "subject");
		json_str(out, e->subject);
	}
	json_key(out, "time");
	json_time(out, e->time_ms);
	if (e->depth) {
		json_key(out, "retraindepth");
		json_i64(out, e->depth);
	}
	for (uint32_t i = 0; i < e->ext_n; i++) {
		json_key_str(out, e->ext[i].name);
		json_str(out, e->ext[i].value);
	}
	if (e->body.p && e->body.p != e->data.p)
		structured_extensions(e->body, out);
	if (e->data.len) {
		json_key(out, "datacontenttype");
		json_cstr(out, "application/json");
		json_key(out, "data");
		json_raw(out, e->data);
	}
	json_close(out, '}');
}
