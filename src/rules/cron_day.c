/* Which days a cron line means: day of month, day of week, and the letters.
 *
 * Day of month and day of week: both must match, except that where both are
 * restricted (neither field holds a '*') one of them is enough, as POSIX crontab(5)
 * has it.
 *
 * The letters are Quartz's (CronExpression):
 *	L	the last day of the month; L-n the n-th day before it
 *	nW	the weekday (Monday to Friday) nearest to day n, never in another month:
 *		Saturday the 1st is met on the 3rd, Sunday the last on the Friday before
 *	LW	the last weekday of the month
 *	w#n	the n-th weekday w of the month;  wL  the last one
 * A month without the day (31W, L-29, w#5) is passed over, as cron does with a 31. */
#include "base/time.h"
#include "rules/cron.h"

enum { SUNDAY = 0, MONDAY = 1, FRIDAY = 5, SATURDAY = 6 };

static int month_days(const struct civil *d)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (d->year % 4 == 0 && d->year % 100 != 0) || d->year % 400 == 0;

	return d->month == 2 && leap ? 29 : days[d->month - 1];
}

static bool has(uint32_t bits, int i)
{
	return bits >> i & 1;
}

/* Is this the weekday nearest to one of c->near? */
static bool is_near(const struct cron *c, const struct civil *d, int len)
{
	if (d->weekday == SUNDAY || d->weekday == SATURDAY)
		return false;
	if (has(c->near, d->day))
		return true;
	if (d->weekday == FRIDAY)
		return (d->day < len && has(c->near, d->day + 1)) ||
		    (d->day == len - 2 && has(c->near, len));
	return d->weekday == MONDAY && d->day > 1 &&
	    (has(c->near, d->day - 1) || (d->day == 3 && has(c->near, 1)));
}

static bool is_last_weekday(const struct civil *d, int len)
{
	if (d->weekday == SUNDAY || d->weekday == SATURDAY)
		return false;
	return d->day == len || (d->weekday == FRIDAY && d->day >= len - 2);
}

bool cron_day(const struct cron *c, const struct civil *d)
{
	int len = month_days(d);
	bool day, weekday;

	if (!has(c->months, d->month))
		return false;
	day = has(c->days, d->day) || has(c->last, len - d->day) ||
	    (c->near && is_near(c, d, len)) ||
	    (c->last_weekday && is_last_weekday(d, len));
	weekday = has(c->weekdays, d->weekday) ||
	    has(c->nth[(d->day - 1) / 7 + 1], d->weekday) ||
	    (d->day > len - 7 && has(c->nth[0], d->weekday));
	return c->any_day || c->any_weekday ? day && weekday : day || weekday;
}
