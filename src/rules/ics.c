/* Reading an iCalendar file: lines, properties, events.
 *
 *	text ── unfold ──► line ── split ──► property ──► draft ── END:VEVENT ──► event
 *
 * A draft holds what the properties said, in any order; finish() makes one event of it.
 * Every error is told at the line of its property, and reading goes on.
 */
#include "rules/ics_read.h"

#include <string.h>

#include "base/time.h"
#include "base/zone.h"

#define EVENTS_MAX 10000
#define LENGTH_DAYS_MAX 366

static bool next_line(struct ics *x, struct ics_line *ret)
{
	struct str all = diags_text(x->ld->diags, x->text)->bytes;
	GString *s = g_string_new(NULL);
	uint32_t at = x->at;

	*ret = (struct ics_line){ .at = { x->text, at, 0 } };
	while (at < all.len) {
		const char *nl = memchr(all.p + at, '\n', all.len - at);
		uint32_t end = nl ? (uint32_t)(nl - all.p) : all.len, len = end - at;

		if (len && all.p[end - 1] == '\r')
			len--;
		if (!ret->at.len)
			ret->at.len = MAX(len, 1);
		g_string_append_len(s, all.p + at, len);
		at = MIN(end + 1, all.len);
		if (at >= all.len || (all.p[at] != ' ' && all.p[at] != '\t'))
			break;
		at++;			/* the next one goes on with this one */
	}
	ret->text = arena_str(x->ld->tree, (struct str){s->str, (uint32_t)s->len});
	g_string_free(s, TRUE);
	if (at == x->at)
		return false;
	x->at = at;
	return true;
}

/* NAME;PARAM=VALUE;PARAM="VALUE":VALUE */
static bool split(const struct ics_line *l, struct ics_prop *ret)
{
	struct str t = l->text;
	uint32_t i = 0, from;
	bool quoted = false;

	*ret = (struct ics_prop){ .at = l->at };
	while (i < t.len && t.p[i] != ';' && t.p[i] != ':')
		i++;
	ret->name = (struct str){t.p, i};
	while (i < t.len && t.p[i] == ';') {
		struct str param, value;
		const char *eq;

		for (from = ++i; i < t.len && (quoted || (t.p[i] != ';' &&
		    t.p[i] != ':')); i++)
			quoted ^= t.p[i] == '"';
		param = (struct str){t.p + from, i - from};
		eq = param.len ? memchr(param.p, '=', param.len) : NULL;
		if (!eq)
			return false;
		value = (struct str){eq + 1, param.len - (uint32_t)(eq + 1 - param.p)};
		param.len = (uint32_t)(eq - param.p);
		if (value.len >= 2 && value.p[0] == '"')
			value = (struct str){value.p + 1, value.len - 2};
		if (str_is(param, STR("TZID")))
			ret->tzid = value;
		else if (str_is(param, STR("VALUE")))
			ret->type = value;
	}
	if (i >= t.len)
		return false;
	ret->value = (struct str){t.p + i + 1, t.len - i - 1};
	return ret->name.len > 0;
}

/* ---- an event is complete ---- */

static int64_t local_ms(const struct ics_time *t)
{
	return t->day * ICS_DAY_MS + t->ms;
}

int64_t ics_instant(const struct ics_time *t)
{
	int64_t at[2];

	zone_instants(t->zone, local_ms(t), at);
	return at[0];
}

static bool length_of(struct ics *x, struct ics_draft *d, struct calendar_event *e)
{
	if (d->has_end && d->has_duration)
		return ICS_BAD(x, d->end_at, "an event has either DTEND or DURATION");
	if (d->has_end && d->end.date != d->start.date)
		return ICS_BAD(x, d->end_at,
		    "DTEND must be a date where DTSTART is one, and a time where it is"
		    " one");
	if (d->has_end && d->start.date)
		e->days = d->end.day - d->start.day;
	else if (d->has_end)
		e->ms = ics_instant(&d->end) - ics_instant(&d->start);
	else if (d->has_duration)
		e->days = d->days, e->ms = d->ms;
	else
		e->days = d->start.date;
	if (e->days < 0 || e->ms < 0)
		return ICS_BAD(x, d->has_end ? d->end_at : d->start_at,
		    "the event ends before it begins");
	if (e->days + e->ms / ICS_DAY_MS > LENGTH_DAYS_MAX)
		return ICS_BAD(x, d->start_at, "the event is longer than %d days",
		    LENGTH_DAYS_MAX);
	return true;
}

static bool recur_of(struct ics *x, struct ics_draft *d, struct calendar_event *e)
{
	e->recur = d->recur;
	e->recur.start = d->start.day;
	e->recur.last = d->has_rule ? INT64_MAX : d->start.day;
	e->until_ms = INT64_MAX;
	if (!d->has_rule)
		return true;
	if (!recur_on(&e->recur, d->start.day))
		return ICS_BAD(x, d->rule_at, "DTSTART is not one of the days of the"
		    " RRULE (RFC 5545 does not say what that means)");
	if (d->count)
		recur_count(&e->recur, d->count);
	if (d->has_until) {
		struct ics_time until = d->until;

		until.zone = until.utc ? until.zone : d->start.zone;
		if (until.date)
			until.day++;	/* the whole day is in */
		e->until_ms = ics_instant(&until) - until.date;
		/* offsets are shorter than a day */
		e->recur.last = until.day + 1;
	}
	return true;
}

static void finish(struct ics *x, struct ics_draft *d)
{
	struct calendar_event e = { 0 };
	int64_t *except;

	if (d->bad || d->cancelled)
		return;
	if (!d->has_start) {
		ICS_BAD(x, d->begin_at, "the event has no DTSTART");
		return;
	}
	if (!length_of(x, d, &e) || !recur_of(x, d, &e))
		return;
	if (x->events->len >= EVENTS_MAX) {
		ICS_BAD(x, d->begin_at, "more than %d events", EVENTS_MAX);
		return;
	}
	e.zone = d->start.zone;
	e.at_ms = d->start.ms;
	except = ARENA_ARRAY(x->ld->keep, int64_t, d->except_n);
	for (uint32_t i = 0; i < d->except_n; i++) {
		struct ics_time *t = &d->except[i];

		if (t->date && !d->start.date)	/* that day's */
			t->ms = d->start.ms;
		except[i] = ics_instant(t);
	}
	e.except = except;
	e.except_n = d->except_n;
	if (e.days || e.ms)		/* without a length it covers nothing */
		g_array_append_val(x->events, e);
}

/* ---- components ---- */

/* Up to the END of what has just begun. */
static void skip(struct ics *x, const struct ics_prop *begin)
{
	struct ics_line l;
	struct ics_prop p;
	unsigned depth = 1;

	while (depth && next_line(x, &l)) {
		if (!split(&l, &p))
			continue;
		if (depth == 1 && str_is(p.name, STR("END")) &&
		    !str_is(p.value, begin->value))
			break;
		depth += str_is(p.name, STR("BEGIN"));
		depth -= str_is(p.name, STR("END"));
	}
	if (depth)
		ICS_BAD(x, begin->at, "BEGIN:%.*s has no END", STR_ARG(begin->value));
}

static void read_event(struct ics *x, struct span begin)
{
	struct ics_draft d = { .begin_at = begin };
	struct ics_line l;
	struct ics_prop p;

	while (next_line(x, &l)) {
		if (!l.text.len)
			continue;
		if (!split(&l, &p))
			d.bad = !ICS_BAD(x, l.at, "expected NAME:VALUE");
		else if (str_is(p.name, STR("BEGIN")))
			skip(x, &p);
		else if (str_is(p.name, STR("END"))) {
			finish(x, &d);
			return;
		} else if (!ics_property(x, &p, &d)) {
			d.bad = true;
		}
	}
	ICS_BAD(x, begin, "BEGIN:VEVENT has no END");
}

static void read_all(struct ics *x)
{
	bool calendar = false;
	struct ics_line l;
	struct ics_prop p;

	while (next_line(x, &l)) {
		if (!l.text.len)
			continue;
		if (!split(&l, &p)) {
			ICS_BAD(x, l.at, "expected NAME:VALUE, as in an iCalendar file");
			return;
		}
		if (!calendar) {
			calendar = str_is(p.name, STR("BEGIN")) &&
			    str_is(p.value, STR("VCALENDAR"));
			if (!calendar) {
				ICS_BAD(x, l.at, "an iCalendar file begins with"
				    " BEGIN:VCALENDAR");
				return;
			}
		} else if (str_is(p.name, STR("BEGIN"))) {
			if (str_is(p.value, STR("VEVENT")))
				read_event(x, l.at);
			else if (!str_is(p.value, STR("VCALENDAR")))
				skip(x, &p);
		}
	}
	if (!calendar)
		ICS_BAD(x, ((struct span){x->text, 0, 0}),
		    "an iCalendar file begins with BEGIN:VCALENDAR");
}

bool ics_read(struct load *ld, uint32_t text, const struct zone *zone,
    const struct calendar_event **ret, uint32_t *ret_n)
{
	uint32_t before = diags_errors(ld->diags);
	struct ics x = { .ld = ld, .text = text, .zone = zone,
		.events = g_array_new(FALSE, FALSE, sizeof(struct calendar_event)) };
	struct calendar_event *v;

	read_all(&x);
	v = ARENA_ARRAY(ld->keep, struct calendar_event, x.events->len);
	if (x.events->len)
		memcpy(v, x.events->data, x.events->len * sizeof(*v));
	*ret = v;
	*ret_n = x.events->len;
	g_array_free(x.events, TRUE);
	return diags_errors(ld->diags) == before;
}
