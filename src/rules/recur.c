/* Whether an event repeats on a day: a predicate over the day alone, so that nothing is
 * enumerated and a rule without an end costs nothing.
 *
 * A part of the rule that is not given is taken from the first day (start), as RFC 5545
 * has it: WEEKLY its weekday, MONTHLY its day, YEARLY its month and day.
 */
#include "rules/recur.h"

#include "base/time.h"

#define DAY_MS INT64_C(86400000)
#define CENTURY_DAYS 36525

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static struct civil civil_of(int64_t day)
{
	struct civil c;

	civil_of_ms(day * DAY_MS, &c);
	return c;
}

/* Number of the week that begins on week_start; 1970-01-01 was a Thursday. */
static int64_t week_of(const struct recur *r, int64_t day)
{
	return floor_div(day + 4 - r->week_start, 7);
}

static bool in_period(const struct recur *r, int64_t day, const struct civil *c,
    const struct civil *s)
{
	switch (r->freq) {
	case RECUR_ONCE:
		return day == r->start;
	case RECUR_DAILY:
		return (day - r->start) % r->interval == 0;
	case RECUR_WEEKLY:
		return (week_of(r, day) - week_of(r, r->start)) % r->interval == 0;
	case RECUR_MONTHLY:
		return ((c->year - s->year) * 12 + c->month - s->month) % r->interval ==
		    0;
	case RECUR_YEARLY:
		return (c->year - s->year) % r->interval == 0;
	}
	return false;
}

static int64_t month_start(int64_t year, int month)
{
	return month > 12 ? days_from_civil(year + 1, 1, 1) :
	    days_from_civil(year, month, 1);
}

/* Ordinals count in the month, in a YEARLY rule without BYMONTH in the year. */
static bool weekday_in(const struct recur *r, int64_t day, const struct civil *c)
{
	bool year = r->freq == RECUR_YEARLY && !r->months;
	int64_t from = year ? days_from_civil(c->year, 1, 1) :
	    month_start(c->year, c->month);
	int64_t to = year ? days_from_civil(c->year + 1, 1, 1) :
	    month_start(c->year, c->month + 1);

	for (uint32_t i = 0; i < r->by_n; i++) {
		int nth = r->by[i].nth;

		if (r->by[i].weekday != c->weekday)
			continue;
		if (nth == 0 || (nth > 0 && (day - from) / 7 + 1 == nth) ||
		    (nth < 0 && (to - 1 - day) / 7 + 1 == -nth))
			return true;
	}
	return false;
}

static bool monthday_in(const struct recur *r, const struct civil *c)
{
	int64_t len = month_start(c->year, c->month + 1) - month_start(c->year, c->month);

	return r->days >> c->day & 1 || r->days_back >> (len - c->day + 1) & 1;
}

/* What the first day stands for, where no part says it. */
static bool by_start(const struct recur *r, const struct civil *c, const struct civil *s)
{
	switch (r->freq) {
	case RECUR_WEEKLY:
		return c->weekday == s->weekday;
	case RECUR_MONTHLY:
		return c->day == s->day;
	case RECUR_YEARLY:
		return c->day == s->day && (r->months || c->month == s->month);
	default:
		return true;
	}
}

bool recur_on(const struct recur *r, int64_t day)
{
	struct civil c, s;

	if (day < r->start || day > r->last)
		return false;
	c = civil_of(day);
	s = civil_of(r->start);
	if (!in_period(r, day, &c, &s) || (r->months && !(r->months >> c.month & 1)))
		return false;
	if ((r->days || r->days_back) && !monthday_in(r, &c))
		return false;
	if (r->by_n)
		return weekday_in(r, day, &c);
	return r->days || r->days_back || by_start(r, &c, &s);
}

int64_t recur_next(const struct recur *r, int64_t from, int64_t limit)
{
	int64_t day = from > r->start ? from : r->start;

	if (limit > r->last)
		limit = r->last;
	for (; day <= limit; day++)
		if (recur_on(r, day))
			return day;
	return INT64_MAX;
}

void recur_count(struct recur *r, int64_t n)
{
	int64_t day = r->start - 1, limit = r->start + CENTURY_DAYS;

	while (n > 0 && (day = recur_next(r, day + 1, limit)) != INT64_MAX)
		if (--n == 0)
			r->last = day;
}
