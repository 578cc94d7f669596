/* Civil dates and RFC 3339 by arithmetic, for every int64_t of milliseconds.
 * Days are counted in eras of 400 years that begin on March 1, so that the
 * leap day is the last of its year (Hinnant). */
#include "base/time.h"

#include <glib.h>

#define DAY_MS 86400000

int64_t days_from_civil(int64_t year, int month, int day)
{
	int64_t y = year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

int64_t civil_to_ms(const struct civil *c)
{
	int64_t days = days_from_civil(c->year, c->month, c->day);
	int64_t secs = (c->hour * 60 + c->minute) * 60 + c->second;

	return days * DAY_MS + secs * 1000 + c->milli;
}

static bool is_leap(int64_t y)
{
	return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

void civil_of_ms(int64_t ms, struct civil *ret)
{
	static const int before[] = {
		0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334
	};
	int64_t rest = ms % DAY_MS, days = ms / DAY_MS, era, doe, yoe, doy, mp;

	if (rest < 0) {
		rest += DAY_MS;
		days--;
	}
	ret->weekday = (int)(((days + 4) % 7 + 7) % 7);
	days += 719468;
	era = (days >= 0 ? days : days - 146096) / 146097;
	doe = days - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	ret->day = (int)(doy - (153 * mp + 2) / 5 + 1);
	ret->month = (int)(mp < 10 ? mp + 3 : mp - 9);
	ret->year = yoe + era * 400 + (ret->month <= 2);
	ret->yearday = before[ret->month - 1] + ret->day - 1 +
	    (ret->month > 2 && is_leap(ret->year));
	ret->milli = (int)(rest % 1000);
	rest /= 1000;
	ret->second = (int)(rest % 60);
	ret->minute = (int)(rest / 60 % 60);
	ret->hour = (int)(rest / 3600);
}

/* Years outside 0000..9999 are printed in full: diagnostics only. */
char *time_print(int64_t ms, char *buf)
{
	struct civil c;

	civil_of_ms(ms, &c);
	g_snprintf(buf, TIME_TEXT,
	    "%04" G_GINT64_FORMAT "-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year,
	    c.month, c.day, c.hour, c.minute, c.second, c.milli);
	return buf;
}

struct cursor {
	const char	*p, *end;
};

static bool digits(struct cursor *c, int n, int min, int max, int *ret)
{
	int v = 0;

	if (c->end - c->p < n)
		return false;
	for (int i = 0; i < n; i++, c->p++) {
		if (!g_ascii_isdigit(*c->p))
			return false;
		v = v * 10 + (*c->p - '0');
	}
	*ret = v;
	return v >= min && v <= max;
}

/* One of the characters of `set`. */
static bool one_of(struct cursor *c, const char *set)
{
	return c->p < c->end && *c->p && strchr(set, *c->p++);
}

static bool date(struct cursor *c, struct civil *t)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year, days;

	if (!digits(c, 4, 1, 9999, &year) || !one_of(c, "-") ||
	    !digits(c, 2, 1, 12, &t->month) || !one_of(c, "-"))
		return false;
	days = lengths[t->month - 1] + (t->month == 2 && is_leap(year));
	t->year = year;
	return digits(c, 2, 1, days, &t->day);
}

/* The digits after the seconds' point; at most nine. */
static bool fraction(struct cursor *c, int32_t *nanos)
{
	int n = 0;

	*nanos = 0;
	if (c->p == c->end || *c->p != '.')
		return true;
	for (c->p++; c->p < c->end && g_ascii_isdigit(*c->p); c->p++) {
		if (++n > 9)
			return false;
		*nanos = *nanos * 10 + (*c->p - '0');
	}
	for (int i = n; i < 9; i++)
		*nanos *= 10;
	return n > 0;
}

static bool offset(struct cursor *c, int *ret_minutes)
{
	bool west;
	int h, m;

	*ret_minutes = 0;
	if (c->p == c->end)
		return false;
	if (*c->p == 'Z' || *c->p == 'z') {
		c->p++;
		return true;
	}
	west = *c->p == '-';
	if (!one_of(c, "+-") || !digits(c, 2, 0, 23, &h) || !one_of(c, ":") ||
	    !digits(c, 2, 0, 59, &m))
		return false;
	*ret_minutes = west ? -(h * 60 + m) : h * 60 + m;
	return true;
}

bool time_parse(struct str s, int64_t *ret_ms, int32_t *ret_nanos)
{
	struct cursor c = { s.p, s.p ? s.p + s.len : s.p };
	struct civil t = { 0 };
	int32_t nanos;
	int minutes;

	if (!date(&c, &t) || !one_of(&c, "Tt") || !digits(&c, 2, 0, 23, &t.hour) ||
	    !one_of(&c, ":") || !digits(&c, 2, 0, 59, &t.minute) || !one_of(&c, ":") ||
	    !digits(&c, 2, 0, 59, &t.second) || !fraction(&c, &nanos) ||
	    !offset(&c, &minutes) || c.p != c.end)
		return false;
	t.milli = nanos / 1000000;
	*ret_ms = civil_to_ms(&t) - (int64_t)minutes * 60000;
	if (ret_nanos)
		*ret_nanos = nanos;
	return true;
}
