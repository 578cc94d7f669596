/* Prometheus Alertmanager's webhook, version 4: one event per alert.
 *
 *	id       fingerprint/startsAt/status: one alert, one firing, one change of it
 *	source   the Alertmanager's externalURL, else the alert's generatorURL
 *	type     prometheus.alert      subject  labels.alertname
 *	time     startsAt while firing, endsAt once resolved
 *	data     the alert itself, as it was sent
 *
 * A notification repeats every alert of its group, so the same alert comes again
 * and again under the same id: that is what the id is for.
 */
#include "base/arena.h"
#include "event/decode.h"

enum { AM_URL, AM_ALERTS, AM_PATHS };
enum {
	ALERT_STATUS,
	ALERT_NAME,
	ALERT_STARTS,
	ALERT_ENDS,
	ALERT_GENERATOR,
	ALERT_FINGERPRINT,
	ALERT_PATHS
};

/* ORDER of the enums above */
static const char *const am_paths[AM_PATHS][3] = {{"externalURL"}, {"alerts"}};
static const char *const alert_paths[ALERT_PATHS][3] = {
	{"status"}, {"labels", "alertname"}, {"startsAt"}, {"endsAt"}, {"generatorURL"},
	{"fingerprint"},
};

static void make_plan(struct plan *plan, const char *const (*paths)[3], unsigned n,
    struct arena *arena)
{
	plan_init(plan, arena);
	for (unsigned i = 0; i < n; i++) {
		struct str seg[4] = {STR("data")};
		uint32_t k = 0;

		for (; paths[i][k]; k++)
			seg[k + 1] = str_of(paths[i][k]);
		plan_add(plan, seg, k + 1);
	}
	plan_finish(plan);
}

static struct str text(struct value v)
{
	return v.tag == VALUE_STRING ? (struct str){v.s, v.len} : (struct str){NULL, 0};
}

static bool need(struct decode *d, struct value v, const char *name)
{
	return text(v).len || decode_refuse(d, EVENT_NO_ATTRIBUTE, 0,
	    "alert without '%s', expected Alertmanager's webhook version 4", name);
}

static bool one(struct decode *d, const struct value *f, struct str body, struct str url)
{
	struct event *e = decode_add(d);
	bool resolved = str_is(text(f[ALERT_STATUS]), STR("resolved"));

	if (!e || !need(d, f[ALERT_STATUS], "status") ||
	    !need(d, f[ALERT_FINGERPRINT], "fingerprint") ||
	    !need(d, f[ALERT_STARTS], "startsAt") ||
	    (resolved && !need(d, f[ALERT_ENDS], "endsAt")))
		return false;
	e->id =
	    arena_printf(d->arena, "%.*s/%.*s/%.*s", STR_ARG(text(f[ALERT_FINGERPRINT])),
		STR_ARG(text(f[ALERT_STARTS])), STR_ARG(text(f[ALERT_STATUS])));
	e->has_id = true;
	e->source = url.len ? url : text(f[ALERT_GENERATOR]);
	if (!e->source.len)
		e->source =
		    arena_printf(d->arena, "/%.*s/alertmanager", STR_ARG(d->m->origin));
	e->type = STR("prometheus.alert");
	e->subject = text(f[ALERT_NAME]);
	e->data = e->body = body;
	return decode_time(d, e, text(f[resolved ? ALERT_ENDS : ALERT_STARTS])) &&
	    decode_fill(d, e);
}

static bool alerts(struct decode *d, struct str list, struct str url)
{
	uint32_t n = 0, max = d->limits->batch ? d->limits->batch : 500;
	struct plan plan;
	struct scan s;

	make_plan(&plan, alert_paths, ALERT_PATHS, d->arena);
	if (!scan_init(&s, list, d->limits, d->arena))
		return decode_scan_failed(d, &s);
	while (scan_item(&s, &n)) {
		const char *from;

		if (n > max)
			return decode_refuse(d, EVENT_BATCH_TOO_LARGE, 0,
			    "the notification has more than %" G_GUINT32_FORMAT " alerts",
			    max);
		s.keys = 0;		/* the limit is each alert's */
		if (!scan_slots(&s, &plan) || !scan_value(&s, plan_data(&plan)))
			return decode_scan_failed(d, &s);
		from = s.data.p;
		if (!one(d, s.field, (struct str){from, s.data.len}, url))
			return false;
	}
	return s.refusal == EVENT_OK || decode_scan_failed(d, &s);
}

bool alertmanager_decode(struct decode *d)
{
	struct plan plan;
	struct scan s;
	struct value list;

	make_plan(&plan, am_paths, AM_PATHS, d->arena);
	if (!scan_init(&s, d->m->body, d->limits, d->arena))
		return decode_scan_failed(d, &s);
	s.keys_max = UINT32_MAX;
	if (!scan_slots(&s, &plan) || !scan_value(&s, plan_data(&plan)) || !scan_end(&s))
		return decode_scan_failed(d, &s);
	list = s.field[AM_ALERTS];
	if (list.tag != VALUE_RAW || list.s[0] != '[')
		return decode_refuse(d, EVENT_NO_ATTRIBUTE, 0,
		    "no list 'alerts', expected Alertmanager's webhook version 4");
	return alerts(d, (struct str){list.s, list.len}, text(s.field[AM_URL]));
}
