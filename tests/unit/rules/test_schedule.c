/* Due times: against an independent walk over minutes around zone transitions, and by
 * examples from crontab(5) and the calendar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/time.h"
#include "base/zone.h"
#include "rules/schedule.h"

#define MINUTE INT64_C(60000)
#define WINDOW (8 * 1440)	/* minutes walked around a transition */

static struct arena *arena;
static struct zones *zones;

static int setup(void **state)
{
	(void)state;
	arena = arena_new(0);
	zones = zones_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(arena);
	zones_free(zones);
	return 0;
}

static int64_t at(const char *text)
{
	int64_t ms;

	assert_true(time_parse(str_of(text), &ms, NULL));
	return ms;
}

static struct schedule *cron(const char *text, const char *zone)
{
	struct err err = {0};
	const struct zone *z = zones_get(zones, str_of(zone), &err);
	struct schedule *s = z ? schedule_cron(str_of(text), z, arena, &err) : NULL;

	if (!s)
		fail_msg("%s: %s", text, err.msg);
	return s;
}

/* ---- the oracle: one field of a line holds for a number ---- */

static bool field_holds(const char *field, int n)
{
	char *copy = strdup(field), *save = NULL;
	bool holds = false;

	for (char *p = strtok_r(copy, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
		int a = 0, b = 99, step = 1;
		char *slash = strchr(p, '/');

		if (slash)
			step = (int)strtol(slash + 1, NULL, 10);
		if (*p != '*') {
			char *dash = strchr(p, '-');

			a = (int)strtol(p, NULL, 10);
			b = dash ? (int)strtol(dash + 1, NULL, 10) : a;
		}
		if (n >= a && n <= b && (n - a) % step == 0)
			holds = true;
	}
	free(copy);
	return holds;
}

struct line {
	const char	*text;
	const char *f[5]; /* days of month with steps count from 0: not used here */
	bool		 interval;
};
static const struct line lines[] = {
	{"30 2 * * *", {"30", "2", "*", "*", "*"}, false},
	{"0 2,3 * * *", {"0", "2,3", "*", "*", "*"}, false},
	{"0,15,30,45 1-3 * * *", {"0,15,30,45", "1-3", "*", "*", "*"}, false},
	{"59 23 * * 0", {"59", "23", "*", "*", "0"}, false},
	{"0 0 * * *", {"0", "0", "*", "*", "*"}, false},
	{"*/20 * * * *", {"*/20", "*", "*", "*", "*"}, true},
	{"10 */2 * * *", {"10", "*/2", "*", "*", "*"}, true},
	{"5 * * * *", {"5", "*", "*", "*", "*"}, true},
	{"*/30 2 * * *", {"*/30", "2", "*", "*", "*"}, false},
	{"0-59/7 0-23 * * *", {"0-59/7", "0-23", "*", "*", "*"}, false},
};

/* Matches a local minute (as if UTC) against a line. */
static bool line_holds(const struct line *l, int64_t minute)
{
	struct civil c;

	civil_of_ms(minute * MINUTE, &c);
	return field_holds(l->f[0], c.minute) && field_holds(l->f[1], c.hour) &&
	    field_holds(l->f[2], c.day) && field_holds(l->f[3], c.month) &&
	    field_holds(l->f[4], c.weekday);
}

/* Local minutes of WINDOW consecutive minutes from `start`, by GLib alone. */
static void walk_zone(const char *zone, int64_t start, int64_t *local)
{
	GTimeZone *tz = g_time_zone_new_identifier(zone);

	assert_non_null(tz);
	for (int i = 0; i < WINDOW; i++) {
		int64_t s = (start + i * MINUTE) / 1000;
		int k = g_time_zone_find_interval(tz, G_TIME_TYPE_UNIVERSAL, s);

		local[i] = (s + g_time_zone_get_offset(tz, k)) / 60;
	}
	g_time_zone_unref(tz);
}

/* Which minutes of the window are due. */
static void walk_line(const struct line *l, const int64_t *local, bool *due)
{
	memset(due, 0, WINDOW * sizeof *due);
	for (int i = 0; l->interval && i < WINDOW; i++)
		due[i] = line_holds(l, local[i]);
	if (l->interval)
		return;
	for (int64_t m = local[0] + 1; m < local[WINDOW - 1]; m++) {
		int i = 0;

		if (!line_holds(l, m))
			continue;
		while (i < WINDOW && local[i] != m)
			i++;			/* the first occurrence */
		for (int k = 0; i == WINDOW && k < WINDOW; k++)
			if (local[k] > m)
				i = k;		/* none: the next that exists */
		due[i] = true;
	}
}

static void compare(const struct line *l, const char *zone, int64_t start,
    const int64_t *local)
{
	static bool due[WINDOW];
	struct schedule *s = cron(l->text, zone);
	int64_t last = INT64_MIN;
	char a[TIME_TEXT], b[TIME_TEXT];

	walk_line(l, local, due);
	for (int i = 1500; i < WINDOW - 1500; i++) { /* the rims lack their neighbours */
		int64_t t = start + i * MINUTE;

		if (!due[i])
			continue;
		if (schedule_next(s, t - 1) != t)
			fail_msg("%s in %s: next before %s is %s", l->text, zone,
			    time_print(t, a), time_print(schedule_next(s, t - 1), b));
		if (schedule_prev(s, t + 1) != t)
			fail_msg("%s in %s: prev after %s is %s", l->text, zone,
			    time_print(t, a), time_print(schedule_prev(s, t + 1), b));
		if (last != INT64_MIN &&
		    (schedule_next(s, last) != t || schedule_prev(s, t) != last))
			fail_msg("%s in %s: neighbours of %s", l->text, zone,
			    time_print(t, a));
		last = t;
	}
}

static void agrees_with_a_walk_over_minutes(void **state)
{
	static const struct { const char *zone, *around;
	} cases[] = {
	    {"Europe/Berlin", "2026-03-29T01:00:00Z"},
	    {"Europe/Berlin", "2026-10-25T01:00:00Z"},
	    {"America/New_York", "2026-03-08T07:00:00Z"},
	    {"America/New_York", "2026-11-01T06:00:00Z"},
	    {"Australia/Lord_Howe", "2026-04-04T15:00:00Z"}, /* half an hour */
	    {"Australia/Lord_Howe", "2026-10-03T15:30:00Z"},
	    {"America/Sao_Paulo", "2018-11-04T03:00:00Z"}, /* midnight is missing */
	    {"Pacific/Apia", "2011-12-30T10:00:00Z"}, /* a day is missing */
	    {"Africa/Casablanca", "2026-02-15T02:00:00Z"},
	    {"Asia/Shanghai", "2026-06-01T00:00:00Z"},
	    {"UTC", "2024-02-29T12:00:00Z"},
	};
	static int64_t local[WINDOW];

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		int64_t start = at(cases[i].around) - WINDOW / 2 * MINUTE;

		walk_zone(cases[i].zone, start, local);
		for (size_t k = 0; k < G_N_ELEMENTS(lines); k++)
			compare(&lines[k], cases[i].zone, start, local);
	}
}

static void check_next(const char *line, const char *zone, const char *after,
    const char *expect)
{
	char got[TIME_TEXT];

	time_print(schedule_next(cron(line, zone), at(after)), got);
	assert_string_equal(got, expect);
}

static void fixed_times_in_a_missing_or_repeated_hour(void **state)
{
	(void)state;
	check_next("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
	    "2026-03-29T01:00:00.000Z");
	check_next("30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z",
	    "2026-03-30T00:30:00.000Z");
	check_next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
	    "2026-10-25T00:30:00.000Z");
	check_next("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z",
	    "2026-10-26T01:30:00.000Z");
}

static void intervals_follow_elapsed_time(void **state)
{
	(void)state;
	check_next("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:30:00Z",
	    "2026-10-25T01:00:00.000Z");
	check_next("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z",
	    "2026-03-29T01:00:00.000Z");
	check_next("0 */6 * * *", "Asia/Shanghai", "2026-01-01T00:00:00Z",
	    "2026-01-01T04:00:00.000Z");
}

static void restricted_days_are_either_or(void **state)
{
	(void)state;
	/* the 13th or a Friday: crontab(5); 2026-02-06 is a Friday */
	check_next("0 0 13 * 5", "UTC", "2026-02-01T00:00:00Z",
	    "2026-02-06T00:00:00.000Z");
	check_next("0 0 13 * 5", "UTC", "2026-03-06T00:00:00Z",
	    "2026-03-13T00:00:00.000Z");
	check_next("0 0 14 * 5", "UTC", "2026-03-13T00:00:00Z",
	    "2026-03-14T00:00:00.000Z");
	/* one field with '*': both must hold; 2026-03-02 is the first Monday on an even
	 * day */
	check_next("0 0 */2 * 1", "UTC", "2026-03-02T00:00:00Z",
	    "2026-03-09T00:00:00.000Z");
	check_next("0 0 * * 7", "UTC", "2026-03-02T00:00:00Z",
	    "2026-03-08T00:00:00.000Z");
}

static void names_macros_and_rare_dates(void **state)
{
	(void)state;
	check_next("0 9 * jan,JUL mon-fri", "UTC", "2026-02-01T00:00:00Z",
	    "2026-07-01T09:00:00.000Z");
	check_next("0 0 29 2 *", "UTC", "2026-03-01T00:00:00Z",
	    "2028-02-29T00:00:00.000Z");
	check_next("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z",
	    "2104-02-29T00:00:00.000Z");
	check_next("@weekly", "UTC", "2026-03-02T00:00:00Z", "2026-03-08T00:00:00.000Z");
	check_next("@yearly", "UTC", "2026-03-02T00:00:00Z", "2027-01-01T00:00:00.000Z");
	check_next("  5   4 *  * *", "UTC", "2026-03-02T05:00:00Z",
	    "2026-03-03T04:05:00.000Z");
	assert_int_equal(schedule_prev(cron("0 0 29 2 *", "UTC"),
	    at("2104-02-29T00:00:00Z")),
	    at("2096-02-29T00:00:00Z"));
}

/* Calendars: 2026-02 ends on Saturday 28, 2026-05 on Sunday 31 and 2026-01 on Saturday;
 * 2026-08-01 is a Saturday, 2026-11-01 and 2026-03-01 are Sundays. */
static void letters_of_the_month(void **state)
{
	(void)state;
	check_next("0 3 L * *", "UTC", "2026-02-01T00:00:00Z",
	    "2026-02-28T03:00:00.000Z");
	check_next("0 3 l * *", "UTC", "2028-02-01T00:00:00Z",
	    "2028-02-29T03:00:00.000Z");
	check_next("0 3 L-2 * *", "UTC", "2026-04-01T00:00:00Z",
	    "2026-04-28T03:00:00.000Z");
	check_next("0 3 L-29 * *", "UTC", "2026-02-01T00:00:00Z",
	    "2026-03-02T03:00:00.000Z");	/* February has no such day */
	check_next("0 3 LW * *", "UTC", "2026-05-01T00:00:00Z",
	    "2026-05-29T03:00:00.000Z");
	check_next("0 3 LW * *", "UTC", "2026-02-01T00:00:00Z",
	    "2026-02-27T03:00:00.000Z");
	check_next("0 3 15W * *", "UTC", "2026-08-01T00:00:00Z",
	    "2026-08-14T03:00:00.000Z");	/* the 15th is a Saturday */
	check_next("0 3 15W * *", "UTC", "2026-03-01T00:00:00Z",
	    "2026-03-16T03:00:00.000Z");	/* ... a Sunday */
	check_next("0 3 15W * *", "UTC", "2026-04-01T00:00:00Z",
	    "2026-04-15T03:00:00.000Z");	/* ... a Wednesday */
	check_next("0 3 1W * *", "UTC", "2026-07-31T00:00:00Z",
	    "2026-08-03T03:00:00.000Z");	/* not in July */
	check_next("0 3 31W * *", "UTC", "2026-05-02T00:00:00Z",
	    "2026-05-29T03:00:00.000Z");	/* not in June */
	check_next("0 3 31W * *", "UTC", "2026-06-01T00:00:00Z",
	    "2026-07-31T03:00:00.000Z");	/* June has no 31st */
	check_next("0 3 10,20W,L * *", "UTC", "2026-06-11T00:00:00Z",
	    "2026-06-19T03:00:00.000Z");
	check_next("0 3 10,20W,L * *", "UTC", "2026-06-20T00:00:00Z",
	    "2026-06-30T03:00:00.000Z");
}

static void letters_of_the_week(void **state)
{
	(void)state;
	check_next("0 3 * * fri#2", "UTC", "2026-02-01T00:00:00Z",
	    "2026-02-13T03:00:00.000Z");
	check_next("0 3 * * 5#2", "UTC", "2026-02-13T04:00:00Z",
	    "2026-03-13T03:00:00.000Z");
	check_next("0 3 * * 7#1", "UTC", "2026-02-02T00:00:00Z",
	    "2026-03-01T03:00:00.000Z");
	check_next("0 3 * * sun#5", "UTC", "2026-02-01T00:00:00Z",
	    "2026-03-29T03:00:00.000Z");	/* February has four */
	check_next("0 3 * * friL", "UTC", "2026-05-01T00:00:00Z",
	    "2026-05-29T03:00:00.000Z");
	check_next("0 3 * * 0L", "UTC", "2026-05-01T00:00:00Z",
	    "2026-05-31T03:00:00.000Z");
	check_next("0 3 * * mon,friL", "UTC", "2026-05-26T00:00:00Z",
	    "2026-05-29T03:00:00.000Z");
	check_next("0 3 L * fri#1", "UTC", "2026-05-02T00:00:00Z",
	    "2026-05-31T03:00:00.000Z");	/* either or */
	check_next("0 3 L * fri#1", "UTC", "2026-05-31T04:00:00Z",
	    "2026-06-05T03:00:00.000Z");
}

static void every_counts_from_the_epoch(void **state)
{
	struct schedule *s = schedule_every(6 * 3600000, arena);

	(void)state;
	assert_int_equal(schedule_next(s, at("2026-03-01T05:59:59.999Z")),
	    at("2026-03-01T06:00:00Z"));
	assert_int_equal(schedule_next(s, at("2026-03-01T06:00:00Z")),
	    at("2026-03-01T12:00:00Z"));
	assert_int_equal(schedule_prev(s, at("2026-03-01T06:00:00Z")),
	    at("2026-03-01T00:00:00Z"));
	assert_int_equal(schedule_next(s, -1), 0);
	assert_int_equal(schedule_prev(s, 0), -6 * 3600000);
}

static void check_error(const char *line, unsigned col, const char *msg)
{
	struct err err = {0};

	assert_null(schedule_cron(str_of(line), zones_get(zones, STR("UTC"), NULL), arena,
	    &err));
	assert_string_equal(err.msg, msg);
	assert_int_equal(err.col, col);
}

static void bad_lines_say_what_was_expected(void **state)
{
	(void)state;
	check_error("0 25 * * *", 3, "hour 25 is out of range: expected 0-23");
	check_error("0 2 * *", 8,
	    "the day of week is missing: expected five fields, minute hour"
	    " day-of-month month day-of-week");
	check_error("0 0 2 * * *", 11,
	    "expected five fields, found more: there are no seconds and"
	    " no years");
	check_error("0 0 * * mou", 9, "'mou' is no day of week: expected 0-7 or sun-sat");
	check_error("0 0 1-5W * *", 8,
	    "'W' does not belong here: expected a day as 15W, or L, L-3, LW");
	check_error("0 0 L-31 * *", 7,
	    "L-n counts days before the last: a number from 0 to 30");
	check_error("0 0 * * mon-fri#2", 16,
	    "'#' does not belong here: expected one weekday before it, as fri#2 or friL");
	check_error("0 0 * * fri#6", 13, "which one of the month: a number from 1 to 5");
	check_error("0 0 * * L", 9,
	    "'L' stands after a day of the week, as in friL; Saturday is sat");
	check_error("0 L * * *", 3, "'L' is no hour: expected a number");
	check_error("0 0 1# * *", 6,
	    "'#' does not belong here: expected a day as 15W, or L, L-3, LW");
	check_error("5/10 * * * *", 1, "a step needs a range: write 5-59/...");
	check_error("30-10 * * * *", 1, "the range of the minute goes backwards");
	check_error("*/0 * * * *", 3, "a step of the minute is a number from 1 to 59");
	check_error("0 0 30 2 *", 1, "this date never comes");
	check_error("0 0 30W 2 *", 1, "this date never comes");
	check_error("@dayly", 1, "unknown '@dayly', did you mean '@daily'");
	check_error("@reboot", 1,
	    "unknown '@reboot': expected @hourly, @daily, @midnight, @weekly,"
	    " @monthly, @yearly or @annually");
	check_error("TZ=UTC 0 0 * * *", 1,
	    "a zone does not belong into the line: use 'timezone'");
	check_error("0 0 ? * *", 5,
	    "'?' does not belong into a day of month: write '*'");
	check_error("0 0 ! * *", 5,
	    "'!' does not belong into a day of month: expected numbers, '*',"
	    " '-', ',' and '/'");
	check_error("", 1,
	    "the minute is missing: expected five fields, minute hour day-of-month"
	    " month day-of-week");
}

static void jitter_is_stable_and_spread(void **state)
{
	bool seen[10] = {false};
	int n = 0;

	(void)state;
	assert_int_equal(schedule_jitter(STR("a"), 0, 0), 0);
	for (int64_t due = 0; due < 100 * 86400000LL; due += 86400000) {
		int64_t j = schedule_jitter(STR("nightly"), due, 10000);

		assert_int_equal(j, schedule_jitter(STR("nightly"), due, 10000));
		assert_in_range(j, 0, 9999);
		n += !seen[j / 1000];
		seen[j / 1000] = true;
	}
	assert_int_equal(n, 10);
	assert_int_not_equal(schedule_jitter(STR("nightly"), 86400000, 600000),
	    schedule_jitter(STR("weekly"), 86400000, 600000));
}

static void check_text(void (*f)(const struct schedule *, GString *), const char *line,
    const char *zone, const char *expect)
{
	GString *s = g_string_new(NULL);

	f(cron(line, zone), s);
	assert_string_equal(s->str, expect);
	g_string_free(s, true);
}

static void check_note(const char *line, const char *due, const char *expect)
{
	GString *s = g_string_new(NULL);

	schedule_note(cron(line, "Europe/Berlin"), at(due), s);
	assert_string_equal(s->str, expect);
	g_string_free(s, true);
}

static void texts_for_people(void **state)
{
	(void)state;
	check_text(schedule_print, "0 2 * * *", "Asia/Shanghai",
	    "at 02:00 every day (Asia/Shanghai)");
	check_text(schedule_print, "30 6 * * mon", "UTC", "at 06:30 every Monday (UTC)");
	check_text(schedule_print, "0 2 * * mon,fri#2", "UTC", "0 2 * * mon,fri#2 (UTC)");
	check_text(schedule_print, "*/5 2 1 * *", "UTC", "*/5 2 1 * * (UTC)");
	check_note("30 2 * * *", "2026-03-29T01:00:00Z",
	    "02:30 does not exist on 2026-03-29 in Europe/Berlin: moved to 03:00");
	check_note("30 2 * * *", "2026-10-25T00:30:00Z",
	    "02:30 occurs twice on 2026-10-25 in Europe/Berlin: the first is taken");
	check_note("30 2 * * *", "2026-03-30T00:30:00Z", "");
	check_note("30 2 L * *", "2024-03-31T01:00:00Z",
	    "02:30 does not exist on 2024-03-31 in Europe/Berlin: moved to 03:00");
	check_note("30 2 15W 10 sun#4", "2026-10-25T00:30:00Z",
	    "02:30 occurs twice on 2026-10-25 in Europe/Berlin: the first is taken");
	check_note("30 2 15W 10 sun#4", "2026-10-15T00:30:00Z", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_walk_over_minutes),
		cmocka_unit_test(fixed_times_in_a_missing_or_repeated_hour),
		cmocka_unit_test(intervals_follow_elapsed_time),
		cmocka_unit_test(restricted_days_are_either_or),
		cmocka_unit_test(names_macros_and_rare_dates),
		cmocka_unit_test(letters_of_the_month),
		cmocka_unit_test(letters_of_the_week),
		cmocka_unit_test(every_counts_from_the_epoch),
		cmocka_unit_test(bad_lines_say_what_was_expected),
		cmocka_unit_test(jitter_is_stable_and_spread),
		cmocka_unit_test(texts_for_people),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
