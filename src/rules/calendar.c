/* Whether a calendar covers an instant, and until when.
 *
 * All questions go to one search: the window that begins first of those that end after t.
 * It walks local days, and each day asks whether windows begin on it; so nothing is
 * enumerated beforehand, and what is far in the past or future costs nothing.
 */
#include "rules/calendar.h"

#include "base/time.h"
#include "base/zone.h"

#define DAY_MS INT64_C(86400000)
#define HORIZON_DAYS 3653	/* ten years */
#define JOINS_MAX 4000		/* windows that touch: more than the horizon has days */

struct window {
	int64_t		 from, to;
};

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static int64_t min_i(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t max_i(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* The first, or last, instant of a local time. */
static int64_t instant(const struct zone *z, int64_t local_ms, bool last)
{
	int64_t at[2];
	int n = zone_instants(z, local_ms, at);

	return at[last && n == 2];
}

static bool has_date(const struct calendar_dates *v, uint32_t n, int64_t day,
    const struct civil *c)
{
	int64_t md = c->month * 32 + c->day;

	for (uint32_t i = 0; i < n; i++) {
		bool wraps = v[i].yearly && v[i].to < v[i].from;
		int64_t x = v[i].yearly ? md : day;

		if (wraps ? x >= v[i].from || x <= v[i].to :
		    x >= v[i].from && x <= v[i].to)
			return true;
	}
	return false;
}

static bool day_counts(const struct calendar *c, int64_t day)
{
	struct civil d;

	civil_of_ms(day * DAY_MS, &d);
	return c->weekdays >> d.weekday & 1 &&
	    (!c->dates_n || has_date(c->dates, c->dates_n, day, &d)) &&
	    !has_date(c->except, c->except_n, day, &d);
}

static bool excepted(const struct calendar *c, int64_t day)
{
	struct civil d;

	civil_of_ms(day * DAY_MS, &d);
	return has_date(c->except, c->except_n, day, &d);
}

/* The day's window that begins first of those that end after t. */
static bool day_window(const struct calendar *c, int64_t day, int64_t t,
    struct window *ret)
{
	bool found = false;

	for (uint32_t i = 0; i < c->times_n; i++) {
		int64_t midnight = day * DAY_MS;
		struct window w = {instant(c->zone, midnight + c->times[i].from, false),
			instant(c->zone, midnight + c->times[i].to, true)};

		if (w.to <= t || w.to <= w.from || (found && w.from >= ret->from))
			continue;
		*ret = w;
		found = true;
	}
	return found;
}

/* Windows of later days begin later, so the first day that has one has the first. */
static bool field_window(const struct calendar *c, int64_t t, int64_t limit,
    struct window *ret)
{
	int64_t from = floor_div(t + zone_offset_ms(c->zone, t), DAY_MS) - 2;
	int64_t to = floor_div(limit + zone_offset_ms(c->zone, limit), DAY_MS) + 1;

	to = min_i(to, c->last_day);
	for (int64_t day = max_i(from, c->first_day); day <= to; day++)
		if (day_counts(c, day) && day_window(c, day, t, ret))
			return true;
	return false;
}

static bool occurs(const struct calendar *c, const struct calendar_event *e, int64_t day,
    struct window *ret)
{
	int64_t local = day * DAY_MS + e->at_ms;

	ret->from = instant(e->zone, local, false);
	ret->to = e->ms + (e->days ? instant(e->zone, local + e->days * DAY_MS, true) :
	    ret->from);
	if (ret->from > e->until_ms || excepted(c, day))
		return false;
	for (uint32_t i = 0; i < e->except_n; i++)
		if (e->except[i] == ret->from)
			return false;
	return true;
}

static bool event_window(const struct calendar *c, const struct calendar_event *e,
    int64_t t, int64_t limit, struct window *ret)
{
	int64_t day = floor_div(t - e->days * DAY_MS - e->ms, DAY_MS) - 2;
	int64_t to = floor_div(limit, DAY_MS) + 2;

	while ((day = recur_next(&e->recur, day, to)) != INT64_MAX) {
		if (occurs(c, e, day, ret) && ret->to > t)
			return true;
		day++;
	}
	return false;
}

/* Begins first of those that end after t and begin by `limit`. */
static bool find(const struct calendar *c, int64_t t, int64_t limit, struct window *ret)
{
	struct window w;
	bool found = c->times_n && field_window(c, t, limit, ret);

	for (uint32_t i = 0; i < c->events_n; i++) {
		if (!event_window(c, &c->events[i], t, limit, &w) ||
		    (found && w.from >= ret->from))
			continue;
		*ret = w;
		found = true;
	}
	return found && ret->from <= limit;
}

bool calendar_in(const struct calendar *c, int64_t t)
{
	struct window w;

	return find(c, t, t, &w);
}

int64_t calendar_change(const struct calendar *c, int64_t t)
{
	int64_t until = t;
	struct window w;

	if (!find(c, t, t, &w))
		return find(c, t, t + HORIZON_DAYS * DAY_MS, &w) ? w.from : INT64_MAX;
	for (int i = 0; i < JOINS_MAX; i++) {
		if (!find(c, until, until, &w))
			return until;
		until = w.to;
	}
	return INT64_MAX;
}

/* What stops at t; NULL: nothing.  *ret_change: when that one ends. */
static const struct calendar *stops(const struct calendar_use *u, int64_t t,
    bool *ret_inside, int64_t *ret_change)
{
	*ret_inside = true;
	for (uint32_t i = 0; i < u->not_n; i++)
		if (calendar_in(u->not[i], t)) {
			*ret_change = calendar_change(u->not[i], t);
			return u->not[i];
		}
	*ret_inside = false;
	*ret_change = INT64_MAX;
	for (uint32_t i = 0; i < u->only_n; i++)
		if (calendar_in(u->only[i], t))
			return NULL;
	for (uint32_t i = 0; i < u->only_n; i++)
		*ret_change = min_i(*ret_change, calendar_change(u->only[i], t));
	return u->only_n ? u->only[0] : NULL;
}

bool calendar_allows(const struct calendar_use *u, int64_t t,
    const struct calendar **ret_by, bool *ret_inside, int64_t *ret_end)
{
	int64_t limit = t + HORIZON_DAYS * DAY_MS, change;
	bool inside;

	*ret_by = stops(u, t, ret_inside, ret_end);
	if (!*ret_by)
		return true;
	for (int i = 0; i < JOINS_MAX && *ret_end < limit; i++) {
		if (!stops(u, *ret_end, &inside, &change))
			return false;
		*ret_end = change;
	}
	*ret_end = INT64_MAX;
	return false;
}
