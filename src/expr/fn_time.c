/* Timestamps and durations: making them, and taking them apart in a zone.
 *
 * A zone is found among those loaded when the program was compiled; one that
 * only comes up at run time may be a fixed offset, never a file. */
#include "base/time.h"
#include "base/zone.h"
#include "expr/fn.h"
#include "expr/number.h"

#define NS INT64_C(1000000000)

static struct value call_duration(struct machine *m, const struct value *arg, unsigned n)
{
	int64_t ns, hours;

	if (arg[0].tag == VALUE_DURATION)
		return arg[0];
	if (arg[0].tag != VALUE_STRING)
		return fn_refuse(m, "duration", FN_GLOBAL, arg, n);
	if (parse_duration(value_as_str(arg[0]), &ns))
		return duration_ns(ns);
	if (duration_has_days(value_as_str(arg[0]), &hours))
		return value_fail(m->arena, VALUE_BAD_ARGUMENT,
		    "CEL has no %s unit: write %" G_GINT64_FORMAT "h",
		    arg[0].s[arg[0].len - 1] == 'w' ? "week" : "day", hours);
	return value_fail(m->arena, VALUE_BAD_ARGUMENT,
	    "duration(): '%.*s' is not a duration such as 90s, 15m or 1h30m",
	    (int)MIN(arg[0].len, 60), arg[0].s);
}

static struct value call_timestamp(struct machine *m, const struct value *arg, unsigned n)
{
	struct value t = arg[0];

	switch (t.tag) {
	case VALUE_TIMESTAMP:
		return t;
	case VALUE_INT:
		if (!time_in_range(t.i))
			return value_fail(m->arena, VALUE_OVERFLOW,
			    "timestamp out of range");
		return (struct value){ .tag = VALUE_TIMESTAMP, .i = t.i };
	case VALUE_STRING:
		if (parse_timestamp(value_as_str(arg[0]), &t))
			return t;
		return value_fail(m->arena, VALUE_BAD_ARGUMENT,
		    "timestamp(): '%.*s' is not a time such as 2026-03-01T12:00:00Z",
		    (int)MIN(arg[0].len, 60), arg[0].s);
	default:
		return fn_refuse(m, "timestamp", FN_GLOBAL, arg, n);
	}
}

enum part { YEAR, MONTH, DATE, DAY_OF_MONTH, DAY_OF_WEEK, DAY_OF_YEAR, HOURS, MINUTES,
	SECONDS, MILLISECONDS };

static const char *const part_names[] = {	/* ORDER part */
	"getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek",
	"getDayOfYear", "getHours", "getMinutes", "getSeconds", "getMilliseconds",
};

static int64_t civil_part(const struct civil *c, enum part part)
{
	switch (part) {
	case YEAR:
		return c->year;
	case MONTH:
		return c->month - 1;
	case DATE:
		return c->day;
	case DAY_OF_MONTH:
		return c->day - 1;
	case DAY_OF_WEEK:
		return c->weekday;
	case DAY_OF_YEAR:
		return c->yearday;
	case HOURS:
		return c->hour;
	case MINUTES:
		return c->minute;
	case SECONDS:
		return c->second;
	default:
		return c->milli;
	}
}

static int64_t duration_part(int64_t ns, enum part part)
{
	switch (part) {
	case HOURS:
		return ns / (3600 * NS);
	case MINUTES:
		return ns / (60 * NS);
	case SECONDS:
		return ns / NS;
	default:
		return ns % NS / 1000000;
	}
}

static struct value get(struct machine *m, const struct value *arg, unsigned n,
    enum part part)
{
	const struct zone *zone;
	struct civil c;
	int64_t ms = value_ms(arg[0]);

	if (arg[0].tag == VALUE_DURATION && n == 1 && part >= HOURS)
		return value_int(duration_part(arg[0].i, part));
	if (arg[0].tag != VALUE_TIMESTAMP || (n == 2 && arg[1].tag != VALUE_STRING))
		return fn_refuse(m, part_names[part], FN_MEMBER, arg, n);
	if (n == 2) {
		zone = m->zones ? zones_find(m->zones, value_as_str(arg[1])) : NULL;
		if (!zone)
			return value_fail(m->arena, VALUE_BAD_ARGUMENT,
			    "%s(): unknown time zone '%.*s'", part_names[part],
			    (int)MIN(arg[1].len, 60), arg[1].s);
		ms += zone_offset_ms(zone, ms);
	}
	civil_of_ms(ms, &c);
	return value_int(civil_part(&c, part));
}

#define GETTER(name, part) \
	static struct value name(struct machine *m, const struct value *arg, unsigned n) \
	{ \
		return get(m, arg, n, part); \
	}
GETTER(call_year, YEAR)
GETTER(call_month, MONTH)
GETTER(call_date, DATE)
GETTER(call_day_of_month, DAY_OF_MONTH)
GETTER(call_day_of_week, DAY_OF_WEEK)
GETTER(call_day_of_year, DAY_OF_YEAR)
GETTER(call_hours, HOURS)
GETTER(call_minutes, MINUTES)
GETTER(call_seconds, SECONDS)
GETTER(call_milliseconds, MILLISECONDS)
#undef GETTER

#define ROW(name, of, call) \
	{ name, FN_MEMBER, 0, TYPE_INT, 1, { of }, call }, \
	{ name, FN_MEMBER, FN_ZONE, TYPE_INT, 2, { TYPE_TIME, TYPE_STRING }, call }

const struct fn fn_time[] = {
	{ "duration", FN_GLOBAL, FN_LITERAL, TYPE_DURATION, 1,
	    { TYPE_DURATION | TYPE_STRING }, call_duration },
	{ "timestamp", FN_GLOBAL, FN_LITERAL, TYPE_TIME, 1,
	    { TYPE_TIME | TYPE_STRING | TYPE_INT }, call_timestamp },
	ROW("getFullYear", TYPE_TIME, call_year),
	ROW("getMonth", TYPE_TIME, call_month),
	ROW("getDate", TYPE_TIME, call_date),
	ROW("getDayOfMonth", TYPE_TIME, call_day_of_month),
	ROW("getDayOfWeek", TYPE_TIME, call_day_of_week),
	ROW("getDayOfYear", TYPE_TIME, call_day_of_year),
	ROW("getHours", TYPE_TIME | TYPE_DURATION, call_hours),
	ROW("getMinutes", TYPE_TIME | TYPE_DURATION, call_minutes),
	ROW("getSeconds", TYPE_TIME | TYPE_DURATION, call_seconds),
	ROW("getMilliseconds", TYPE_TIME | TYPE_DURATION, call_milliseconds),
	{ NULL, 0, 0, 0, 0, { 0 }, NULL },
};
