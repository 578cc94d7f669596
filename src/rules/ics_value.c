/* The values of an event's properties: times, durations, recurrence rules.
 *
 * To add a part of RRULE: a row in parts[], what it does in rules/recur.c.
 */
#include <string.h>

#include "base/time.h"
#include "base/zone.h"
#include "rules/ics_read.h"

/* `n` digits at *s, which is advanced; -1: there are not so many. */
static int64_t digits(struct str *s, uint32_t n)
{
	int64_t v = 0;

	if (s->len < n)
		return -1;
	for (uint32_t i = 0; i < n; i++) {
		if (!g_ascii_isdigit(s->p[i]))
			return -1;
		v = v * 10 + (s->p[i] - '0');
	}
	s->p += n;
	s->len -= n;
	return v;
}

static bool take(struct str *s, char c)
{
	if (!s->len || s->p[0] != c)
		return false;
	s->p++;
	s->len--;
	return true;
}

/* The part up to `sep`; *s goes on after it.  False: *s is at its end. */
static bool part(struct str *s, char sep, struct str *ret)
{
	const char *to = s->len ? memchr(s->p, sep, s->len) : NULL;

	if (!s->len)
		return false;
	*ret = (struct str){s->p, to ? (uint32_t)(to - s->p) : s->len};
	s->p += ret->len + (to != NULL);
	s->len -= ret->len + (to != NULL);
	return true;
}

/* A whole number with an optional sign, all of it. */
static bool number(struct str s, int64_t least, int64_t most, int64_t *ret)
{
	bool minus = take(&s, '-');
	int64_t v;

	if (!minus)
		take(&s, '+');
	if (!s.len || s.len > 9)
		return false;
	v = digits(&s, s.len);
	*ret = minus ? -v : v;
	return v >= 0 && *ret >= least && *ret <= most;
}

static bool read_date(struct str *s, int64_t *ret)
{
	int64_t y = digits(s, 4), m = digits(s, 2), d = digits(s, 2);
	struct civil c;

	if (y < 1 || m < 1 || m > 12 || d < 1 || d > 31)
		return false;
	*ret = days_from_civil(y, (int)m, (int)d);
	civil_of_ms(*ret * ICS_DAY_MS, &c);
	return c.day == d;
}

static bool read_clock(struct str *s, int64_t *ret)
{
	int64_t h, m, sec;

	if (!take(s, 'T'))
		return false;
	h = digits(s, 2);
	m = digits(s, 2);
	sec = digits(s, 2);
	*ret = ((h * 60 + m) * 60 + MIN(sec, 59)) * 1000;	/* a leap second */
	return h >= 0 && h < 24 && m >= 0 && m < 60 && sec >= 0 && sec <= 60;
}

/* 20260301, 20260301T120000, 20260301T120000Z */
static bool time_of(struct str s, struct ics_time *ret)
{
	if (!read_date(&s, &ret->day))
		return false;
	if (!s.len) {
		ret->date = true;
		return true;
	}
	if (!read_clock(&s, &ret->ms))
		return false;
	ret->utc = take(&s, 'Z');
	return !s.len;
}

static bool read_time(struct ics *x, const struct ics_prop *p, struct str s,
    struct ics_time *ret)
{
	struct err err = { 0 };

	*ret = (struct ics_time){ .zone = x->zone };
	if (!time_of(s, ret) || (ret->date && p->tzid.len) ||
	    (str_is(p->type, STR("DATE")) && !ret->date))
		return ICS_BAD(x, p->at, "%.*s: '%.*s' is not a time of RFC 5545, as"
		    " 20260301 or 20260301T120000Z", STR_ARG(p->name), STR_ARG(s));
	if (ret->utc)
		ret->zone = zones_get(x->ld->zones, STR("UTC"), &err);
	else if (p->tzid.len)
		ret->zone = zones_get(x->ld->zones, p->tzid, &err);
	if (!ret->zone)
		return ICS_BAD(x, p->at, "TZID: %s", err.msg);
	return true;
}

/* P2W, P1DT12H, PT30M; days and weeks are days of the calendar. */
static bool duration_of(struct str s, int64_t *ret_days, int64_t *ret_ms)
{
	static const struct { char unit; bool time; int64_t days, ms; } units[] = {
		{ 'W', false, 7, 0 }, { 'D', false, 1, 0 }, { 'H', true, 0, 3600000 },
		{ 'M', true, 0, 60000 }, { 'S', true, 0, 1000 },
	};
	bool time = false, any = false;

	take(&s, '+');
	if (!take(&s, 'P'))
		return false;
	for (unsigned i = 0; s.len && i < G_N_ELEMENTS(units);) {
		uint32_t n = 0;
		int64_t v;

		if (!time && take(&s, 'T'))
			time = true;
		while (n < s.len && n < 7 && g_ascii_isdigit(s.p[n]))
			n++;
		v = digits(&s, n);
		while (i < G_N_ELEMENTS(units) && (!s.len || units[i].unit != s.p[0] ||
		    units[i].time != time))
			i++;
		if (!n || i == G_N_ELEMENTS(units))
			return false;
		take(&s, units[i].unit);
		*ret_days += v * units[i].days;
		*ret_ms += v * units[i++].ms;
		any = true;
	}
	return any && !s.len;
}

/* ---- RRULE ---- */

static bool weekday_of(struct str s, int *ret)
{
	static const char names[] = "SUMOTUWETHFRSA";

	for (int i = 0; s.len == 2 && i < 7; i++)
		if (memcmp(names + 2 * i, s.p, 2) == 0) {
			*ret = i;
			return true;
		}
	return false;
}

static bool rule_freq(struct ics *x, const struct ics_prop *p, struct str v,
    struct ics_draft *d)
{
	/* ORDER recur_freq */
	static const char *const names[] = { "", "DAILY", "WEEKLY", "MONTHLY", "YEARLY" };

	for (unsigned i = 1; i < G_N_ELEMENTS(names); i++)
		if (str_is(v, str_of(names[i]))) {
			d->recur.freq = (enum recur_freq)i;
			return true;
		}
	return ICS_BAD(x, p->at, "RRULE: FREQ=%.*s is not available: expected DAILY,"
	    " WEEKLY, MONTHLY or YEARLY", STR_ARG(v));
}

static bool bad_part(struct ics *x, const struct ics_prop *p, const char *name,
    struct str v)
{
	return ICS_BAD(x, p->at, "RRULE: %s=%.*s is malformed", name, STR_ARG(v));
}

static bool rule_interval(struct ics *x, const struct ics_prop *p, struct str v,
    struct ics_draft *d)
{
	return number(v, 1, 100000, &d->recur.interval) || bad_part(x, p, "INTERVAL", v);
}

static bool rule_count(struct ics *x, const struct ics_prop *p, struct str v,
    struct ics_draft *d)
{
	return number(v, 1, 100000, &d->count) || bad_part(x, p, "COUNT", v);
}

static bool rule_until(struct ics *x, const struct ics_prop *p, struct str v,
    struct ics_draft *d)
{
	struct err err = { 0 };

	d->has_until = true;
	if (!time_of(v, &d->until))
		return bad_part(x, p, "UNTIL", v);
	d->until.zone = zones_get(x->ld->zones, STR("UTC"), &err);
	return d->until.zone || ICS_BAD(x, p->at, "%s", err.msg);
}

static bool rule_week(struct ics *x, const struct ics_prop *p, struct str v,
    struct ics_draft *d)
{
	return weekday_of(v, &d->recur.week_start) || bad_part(x, p, "WKST", v);
}

static bool rule_months(struct ics *x, const struct ics_prop *p, struct str v,
    struct ics_draft *d)
{
	struct str all = v, one;
	int64_t m;

	while (part(&v, ',', &one)) {
		if (!number(one, 1, 12, &m))
			return bad_part(x, p, "BYMONTH", all);
		d->recur.months |= 1u << m;
	}
	return d->recur.months || bad_part(x, p, "BYMONTH", all);
}

static bool rule_monthdays(struct ics *x, const struct ics_prop *p, struct str v,
    struct ics_draft *d)
{
	struct str all = v, one;
	int64_t n = 0;

	while (part(&v, ',', &one)) {
		if (!number(one, -31, 31, &n) || !n)
			return bad_part(x, p, "BYMONTHDAY", all);
		if (n > 0)
			d->recur.days |= 1u << n;
		else
			d->recur.days_back |= 1u << -n;
	}
	return n || bad_part(x, p, "BYMONTHDAY", all);
}

static bool rule_days(struct ics *x, const struct ics_prop *p, struct str v,
    struct ics_draft *d)
{
	struct str all = v, one;

	while (part(&v, ',', &one)) {
		struct recur_weekday *w = &d->recur.by[d->recur.by_n];
		struct str nth = { one.p, one.len - MIN(one.len, 2) };
		int64_t n = 0;

		if (d->recur.by_n == RECUR_BY_MAX || one.len < 2 ||
		    !weekday_of((struct str){one.p + nth.len, 2}, &w->weekday) ||
		    (nth.len && (!number(nth, -53, 53, &n) || !n)))
			return bad_part(x, p, "BYDAY", all);
		w->nth = (int)n;
		d->recur.by_n++;
	}
	return d->recur.by_n || bad_part(x, p, "BYDAY", all);
}

static const struct {
	const char *name;
	bool (*read)(struct ics *, const struct ics_prop *, struct str,
	    struct ics_draft *);
} parts[] = {
	{ "FREQ", rule_freq }, { "INTERVAL", rule_interval }, { "COUNT", rule_count },
	{ "UNTIL", rule_until }, { "BYDAY", rule_days }, { "BYMONTH", rule_months },
	{ "BYMONTHDAY", rule_monthdays }, { "WKST", rule_week },
};

static bool check_rule(struct ics *x, const struct ics_prop *p, const struct ics_draft *d)
{
	const struct recur *r = &d->recur;
	bool ordinal = false;

	for (uint32_t i = 0; i < r->by_n; i++)
		ordinal |= r->by[i].nth != 0;
	if (!r->freq)
		return ICS_BAD(x, p->at, "RRULE: there is no FREQ");
	if (d->count && d->has_until)
		return ICS_BAD(x, p->at, "RRULE has either COUNT or UNTIL");
	if (r->freq == RECUR_WEEKLY && (r->days || r->days_back))
		return ICS_BAD(x, p->at, "RRULE: BYMONTHDAY does not go with WEEKLY");
	if (ordinal && r->freq < RECUR_MONTHLY)
		return ICS_BAD(x, p->at,
		    "RRULE: BYDAY with a number goes with MONTHLY and YEARLY only");
	return true;
}

static bool read_rule(struct ics *x, const struct ics_prop *p, struct ics_draft *d)
{
	struct str rest = p->value, one;

	d->has_rule = true;
	d->rule_at = p->at;
	d->recur = (struct recur){ .interval = 1, .week_start = 1 };
	while (part(&rest, ';', &one)) {
		const char *eq = one.len ? memchr(one.p, '=', one.len) : NULL;
		struct str name = { one.p, eq ? (uint32_t)(eq - one.p) : one.len };
		unsigned i = 0;

		while (i < G_N_ELEMENTS(parts) && !str_is(name, str_of(parts[i].name)))
			i++;
		if (!eq || i == G_N_ELEMENTS(parts))
			return ICS_BAD(x, p->at, "RRULE: '%.*s' is not available in this"
			    " version", STR_ARG(name));
		if (!parts[i].read(x, p, (struct str){eq + 1,
		    one.len - name.len - 1}, d))
			return false;
	}
	return check_rule(x, p, d);
}

/* ---- properties ---- */

static bool read_except(struct ics *x, const struct ics_prop *p, struct ics_draft *d)
{
	struct str rest = p->value, one;

	while (part(&rest, ',', &one)) {
		d->except = arena_grow(x->ld->tree, d->except, d->except_n,
		    &d->except_cap, sizeof(*d->except));
		if (d->except_n == ICS_EXCEPT_MAX)
			return ICS_BAD(x, p->at, "more than %d EXDATEs", ICS_EXCEPT_MAX);
		if (!read_time(x, p, one, &d->except[d->except_n]))
			return false;
		d->except_n++;
	}
	return true;
}

/* One that may be there once only. */
static bool once(struct ics *x, const struct ics_prop *p, bool *has)
{
	if (*has)
		return ICS_BAD(x, p->at, "the event has a second %.*s", STR_ARG(p->name));
	*has = true;
	return true;
}

bool ics_property(struct ics *x, const struct ics_prop *p, struct ics_draft *d)
{
	if (str_is(p->name, STR("DTSTART"))) {
		d->start_at = p->at;
		return once(x, p, &d->has_start) && read_time(x, p, p->value, &d->start);
	}
	if (str_is(p->name, STR("DTEND"))) {
		d->end_at = p->at;
		return once(x, p, &d->has_end) && read_time(x, p, p->value, &d->end);
	}
	if (str_is(p->name, STR("DURATION")))
		return once(x, p, &d->has_duration) &&
		    (duration_of(p->value, &d->days, &d->ms) ||
			ICS_BAD(x, p->at, "'%.*s' is not a duration of RFC 5545, as"
			    " PT8H or P1D", STR_ARG(p->value)));
	if (str_is(p->name, STR("RRULE")))
		return once(x, p, &d->has_rule) && read_rule(x, p, d);
	if (str_is(p->name, STR("EXDATE")))
		return read_except(x, p, d);
	if (str_is(p->name, STR("STATUS")))
		d->cancelled = str_is(p->value, STR("CANCELLED"));
	if (str_is(p->name, STR("RDATE")) || str_is(p->name, STR("EXRULE")) ||
	    str_is(p->name, STR("RECURRENCE-ID")))
		return ICS_BAD(x, p->at, "%.*s is not available in this version",
		    STR_ARG(p->name));
	return true;
}
