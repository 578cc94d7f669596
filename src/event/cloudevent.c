/* CloudEvents 1.0: structured, batch and binary mode.
 *
 * Structured mode is one walk over the body with the plan's root: attributes,
 * extensions and data fall into their slots on the way, and only then it is seen
 * whether the body is a CloudEvent at all.  Binary mode takes the attributes from
 * headers whose prefix tells the transport:
 *	Kafka "ce_id"   HTTP "ce-id" (percent-encoded)   MQTT v5 "id"
 * The one extension with a meaning here is retraindepth, the length of the cascade
 * of our own runs that led to the event.
 */
#include "event/decode.h"

#include "base/arena.h"
#include "base/json.h"
#include "base/time.h"

#define BATCH_MAX 500

/* ORDER scan_attr */
static const char *const required[] = {"id", "source", "type"};

bool media_is(struct str type, const char *want)
{
	const char *semi = type.len ? memchr(type.p, ';', type.len) : NULL;
	size_t n = semi ? (size_t)(semi - type.p) : type.len;

	while (n && type.p[n - 1] == ' ')
		n--;
	return n == strlen(want) && g_ascii_strncasecmp(type.p, want, n) == 0;
}

bool media_is_json(struct str type)
{
	const char *semi = type.len ? memchr(type.p, ';', type.len) : NULL;
	size_t n = semi ? (size_t)(semi - type.p) : type.len;

	while (n && type.p[n - 1] == ' ')
		n--;
	return n == 0 ||
	    (n >= 5 &&
		(g_ascii_strncasecmp(type.p + n - 5, "/json", 5) == 0 ||
		    g_ascii_strncasecmp(type.p + n - 5, "+json", 5) == 0));
}

static bool media_is_text(struct str type)
{
	return type.len > 5 && g_ascii_strncasecmp(type.p, "text/", 5) == 0;
}

static bool present(struct value v)
{
	return v.tag != VALUE_ABSENT && v.tag != VALUE_NULL;
}

static uint32_t offset_of(const struct decode *d, struct value v)
{
	const struct str *body = &d->m->body;

	if (v.tag != VALUE_STRING || !body->len || v.s < body->p ||
	    v.s > body->p + body->len)
		return 0;
	return (uint32_t)(v.s - body->p);
}

static bool take_string(struct decode *d, struct value v, const char *name, bool must,
    struct str *ret)
{
	if (!present(v))
		return !must || decode_refuse(d, EVENT_NO_ATTRIBUTE, 0,
		    "attribute '%s' is missing, expected a CloudEvent", name);
	if (v.tag != VALUE_STRING || (must && !v.len))
		return decode_refuse(d, EVENT_BAD_ATTRIBUTE, offset_of(d, v),
		    "attribute '%s' must be a string that is not empty", name);
	if (v.len)
		*ret = (struct str){v.s, v.len};
	return true;
}

static bool take_depth(struct decode *d, struct value v, uint8_t *ret)
{
	int64_t n = v.tag == VALUE_INT ? v.i : -1;

	if (!present(v))
		return true;
	if (v.tag == VALUE_STRING && v.len && v.len <= 3) {
		n = 0;
		for (uint32_t i = 0; i < v.len && n >= 0; i++)
			n = g_ascii_isdigit(v.s[i]) ? n * 10 + (v.s[i] - '0') : -1;
	}
	if (n < 0 || n > UINT8_MAX)
		return decode_refuse(d, EVENT_BAD_ATTRIBUTE, offset_of(d, v),
		    "attribute 'retraindepth' must be a number from 0 to 255");
	*ret = (uint8_t)n;
	return true;
}

static bool take_attributes(struct decode *d, const struct value *attr, struct event *e)
{
	struct str version = STR(""), time = {NULL, 0};
	struct str *to[] = {&e->id, &e->source, &e->type};

	if (!take_string(d, attr[ATTR_SPECVERSION], "specversion", true, &version))
		return false;
	if (!str_is(version, STR("1.0")))
		return decode_refuse(d, EVENT_BAD_ATTRIBUTE,
		    offset_of(d, attr[ATTR_SPECVERSION]),
		    "specversion '%.*s' is not known, expected '1.0'",
		    (int)MIN(version.len, 40), version.p);
	for (unsigned i = 0; i < G_N_ELEMENTS(required); i++)
		if (!take_string(d, attr[ATTR_ID + i], required[i], true, to[i]))
			return false;
	if (!take_string(d, attr[ATTR_SUBJECT], "subject", false, &e->subject) ||
	    !take_string(d, attr[ATTR_TIME], "time", false, &time))
		return false;
	e->has_id = true;
	if (!decode_time(d, e, time)) {
		d->at = offset_of(d, attr[ATTR_TIME]);
		return false;
	}
	return take_depth(d, attr[ATTR_DEPTH], &e->depth);
}

/* Text that is no JSON, as the JSON string that stands for it. */
static struct str quote(struct decode *d, struct str text)
{
	GString *s = g_string_sized_new(text.len + 2);
	struct str r;

	json_str(s, text);
	r = arena_str(d->arena, (struct str){s->str, (uint32_t)s->len});
	g_string_free(s, true);
	return r;
}

/* Bytes of a media type -> e->data as JSON text, not yet checked. */
static bool take_payload(
    struct decode *d, struct event *e, struct str bytes, struct str type)
{
	if (!bytes.len)
		return true;
	if (media_is_json(type)) {
		e->data = bytes;
		return true;
	}
	if (!media_is_text(type))
		return decode_refuse(d, EVENT_NOT_JSON, 0,
		    "content type '%.*s' is neither JSON nor text",
		    (int)MIN(type.len, 60), type.p);
	if (!g_utf8_validate_len(bytes.p, bytes.len, NULL))
		return decode_refuse(d, EVENT_NOT_UTF8, 0, "the text is not UTF-8");
	e->data = quote(d, bytes);
	return true;
}

/* Strict base64 with padding, as RFC 4648 has it. */
static bool base64(struct decode *d, struct str text, struct str *ret)
{
	gint state = 0;
	guint save = 0, pad = 0;
	guchar *out = arena_alloc(d->arena, text.len / 4 * 3 + 3);

	for (uint32_t i = 0; i < text.len; i++) {
		char c = text.p[i];

		pad += c == '=';
		if (pad ? c != '=' : !g_ascii_isalnum(c) && c != '+' && c != '/')
			return false;
	}
	if (!out || text.len % 4 || pad > 2)
		return false;
	*ret = (struct str){(char *)out,
	    (uint32_t)g_base64_decode_step(text.p, text.len, out, &state, &save)};
	return true;
}

static bool take_base64(struct decode *d, const struct scan *s, struct event *e)
{
	struct value v = s->attr[ATTR_BASE64], type = s->attr[ATTR_CONTENT];
	struct str text = {v.s, v.len}, bytes, media = {NULL, 0};

	if (e->data.len)
		return decode_refuse(d, EVENT_BAD_ATTRIBUTE, offset_of(d, v),
		    "both data and data_base64 are given, expected one of them");
	if (type.tag == VALUE_STRING)
		media = (struct str){type.s, type.len};
	if (v.tag != VALUE_STRING || !base64(d, text, &bytes))
		return decode_refuse(d, EVENT_BAD_ATTRIBUTE, offset_of(d, v),
		    "data_base64 is not base64");
	if (!take_payload(d, e, bytes, media))
		return false;
	if (e->data.len > (d->limits->bytes ? d->limits->bytes : 1 << 20))
		return decode_refuse(
		    d, EVENT_TOO_LARGE, 0, "data_base64 is larger than the limit");
	return true;
}

/* After a walk with the root: s->attr, s->data and the slots are filled. */
static bool finish(struct decode *d, struct scan *s, struct str body)
{
	struct event *e = decode_add(d);

	if (!e || !take_attributes(d, s->attr, e))
		return false;
	e->body = body;
	e->data = s->data;
	e->field = s->field;
	if (present(s->attr[ATTR_BASE64])) {
		struct scan inner;

		if (!take_base64(d, s, e))
			return false;
		if (!scan_init(&inner, e->data, d->limits, d->arena))
			return decode_scan_failed(d, &inner);
		inner.field = s->field;
		inner.attr = s->attr;
		inner.seen = s->seen;
		return decode_data(d, &inner, e);
	}
	event_slots(e, d->plan);
	return true;
}

static bool recognised(const struct value *attr)
{
	return attr[ATTR_SPECVERSION].tag && attr[ATTR_ID].tag && attr[ATTR_SOURCE].tag &&
	    attr[ATTR_TYPE].tag;
}

bool cloudevent_structured(struct decode *d, bool must, bool *is)
{
	struct scan s;

	if (!scan_init(&s, d->m->body, d->limits, d->arena) || !scan_slots(&s, d->plan) ||
	    !scan_value(&s, plan_root(d->plan)) || !scan_end(&s))
		return decode_scan_failed(d, &s);
	*is = recognised(s.attr);
	return *is || must ? finish(d, &s, d->m->body) : true;
}

bool cloudevent_batch(struct decode *d)
{
	uint32_t n = 0, max = d->limits->batch ? d->limits->batch : BATCH_MAX;
	struct scan s;

	if (!scan_init(&s, d->m->body, d->limits, d->arena))
		return decode_scan_failed(d, &s);
	while (scan_item(&s, &n)) {
		const char *from = s.p;

		if (n > max)
			return decode_refuse(d, EVENT_BATCH_TOO_LARGE,
			    (uint32_t)(from - s.start),
			    "the batch has more than %" G_GUINT32_FORMAT " events", max);
		s.keys = 0;		/* the limit is each event's */
		if (!scan_slots(&s, d->plan) || !scan_value(&s, plan_root(d->plan)))
			return decode_scan_failed(d, &s);
		if (!finish(d, &s, (struct str){from, (uint32_t)(s.p - from)}))
			return false;
	}
	return (s.refusal == EVENT_OK && scan_end(&s)) || decode_scan_failed(d, &s);
}

static bool named(struct str name, const char *prefix, const char *rest)
{
	size_t n = strlen(prefix);

	return name.len == n + strlen(rest) &&
	    g_ascii_strncasecmp(name.p, prefix, n) == 0 &&
	    g_ascii_strncasecmp(name.p + n, rest, name.len - n) == 0;
}

const char *cloudevent_prefix(const struct message *m)
{
	static const char *const prefixes[] = {"ce_", "ce-", ""};

	for (uint32_t i = 0; i < m->headers_n; i++)
		for (unsigned k = 0; k < G_N_ELEMENTS(prefixes); k++)
			if (named(m->headers[i].name, prefixes[k], "specversion"))
				return prefixes[k];
	return NULL;
}

/* Name of an attribute: lower case letters and digits, at most 20 by the standard,
 * at most 60 here.  False: this header is none. */
static bool attribute_name(struct str header, const char *prefix, char *out, uint32_t *n)
{
	size_t skip = strlen(prefix);

	if (header.len <= skip || header.len - skip > 60 ||
	    g_ascii_strncasecmp(header.p, prefix, skip) != 0)
		return false;
	*n = header.len - (uint32_t)skip;
	for (uint32_t i = 0; i < *n; i++) {
		out[i] = g_ascii_tolower(header.p[skip + i]);
		if (!g_ascii_isalnum(out[i]))
			return false;
	}
	return true;
}

/* HTTP header values carry everything but plain printable ASCII as %XX. */
static struct str percent(struct decode *d, struct str v)
{
	char *out;
	uint32_t n = 0;

	if (!v.len || !memchr(v.p, '%', v.len))
		return v;
	out = arena_alloc(d->arena, v.len);
	for (uint32_t i = 0; out && i < v.len; i++) {
		int hi = v.p[i] == '%' && v.len - i > 2 ? g_ascii_xdigit_value(v.p[i + 1])
							: -1;
		int lo = hi >= 0 ? g_ascii_xdigit_value(v.p[i + 2]) : -1;

		out[n++] = lo >= 0 ? (char)(hi << 4 | lo) : v.p[i];
		i += lo >= 0 ? 2 : 0;
	}
	return (struct str){out, out ? n : 0};
}

/* One header as an attribute: standard, wanted by a rule, or kept as extension. */
static bool take_header(struct decode *d, struct scan *s, struct event *e,
    const struct header *h, const char *prefix)
{
	char name[60];
	uint32_t n;
	const struct scan_node *node;
	struct header *ext;
	struct str v = h->value;

	if (!attribute_name(h->name, prefix, name, &n))
		return true;
	if (prefix[0] && prefix[2] == '-')
		v = percent(d, v);
	if (!g_utf8_validate_len(v.p ? v.p : "", v.len, NULL))
		return decode_refuse(d, EVENT_NOT_UTF8, 0, "header '%.*s' is not UTF-8",
		    (int)n, name);
	node = scan_child(plan_root(d->plan), (struct str){name, n});
	if (node && node->is_data)
		return true;
	if (node && node->slot != SLOT_NONE)
		s->field[node->slot] = value_str(v);
	if (node && node->attr) {
		s->attr[node->attr - 1] = value_str(v);
		return true;
	}
	ext = (struct header *)e->ext + e->ext_n++;
	*ext = (struct header){arena_str(d->arena, (struct str){name, n}), v};
	return true;
}

bool cloudevent_binary(struct decode *d, const char *prefix)
{
	const struct message *m = d->m;
	struct event *e = decode_add(d);
	struct str type = m->content_type;
	struct scan s;

	if (!e)
		return false;
	if (!scan_init(&s, m->body, d->limits, d->arena) || !scan_slots(&s, d->plan))
		return decode_scan_failed(d, &s);
	e->ext = ARENA_ARRAY(d->arena, struct header, m->headers_n);
	for (uint32_t i = 0; i < m->headers_n; i++) {
		if (named(m->headers[i].name, "", "content-type") && !type.len)
			type = m->headers[i].value;
		else if (!take_header(d, &s, e, &m->headers[i], prefix))
			return false;
	}
	if (!take_attributes(d, s.attr, e) || !take_payload(d, e, m->body, type))
		return false;
	if (d->plan->tree->slot[ATTR_CONTENT] != SLOT_NONE && type.len)
		s.field[d->plan->tree->slot[ATTR_CONTENT]] = value_str(type);
	e->body = e->data;
	s.start = s.p = e->data.p;
	s.end = s.p + e->data.len;
	return decode_data(d, &s, e);
}
