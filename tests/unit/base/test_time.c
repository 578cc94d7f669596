/* Time: dates known from elsewhere (the epoch, leap days, the end of 32-bit
 * time, RFC 3339's own examples), a walk over every day of 800 years against a
 * plain calendar, and what the grammar refuses. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/time.h"

static void known_moments(void **state)
{
	static const struct { const char *text; int64_t ms; } rows[] = {
		{ "1970-01-01T00:00:00.000Z", 0 },
		{ "1969-12-31T23:59:59.999Z", -1 },
		{ "2000-02-29T12:00:00.000Z", 951825600000 },
		{ "2001-09-09T01:46:40.000Z", 1000000000000 },
		{ "2038-01-19T03:14:07.000Z", 2147483647000 },
		{ "0001-01-01T00:00:00.000Z", -62135596800000 },
		{ "9999-12-31T23:59:59.999Z", 253402300799999 },
	};
	char buf[TIME_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t ms = 1;

		assert_string_equal(time_print(rows[i].ms, buf), rows[i].text);
		assert_true(time_parse(str_of(rows[i].text), &ms, NULL));
		assert_true(ms == rows[i].ms);
	}
}

static void every_day_follows_the_one_before(void **state)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	/* 1600-01-01 was a Saturday, 135140 days before the epoch. */
	int64_t day = -135140;
	int weekday = 6;

	(void)state;
	for (int64_t y = 1600; y < 2400; y++) {
		bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
		int yearday = 0;

		for (int m = 1; m <= 12; m++)
			for (int d = 1; d <= lengths[m - 1] + (m == 2 && leap); d++) {
				struct civil c;

				assert_true(days_from_civil(y, m, d) == day);
				civil_of_ms(day * 86400000 + 86399999, &c);
				assert_true(c.year == y && c.month == m && c.day == d);
				assert_true(c.hour == 23 && c.minute == 59);
				assert_true(c.second == 59 && c.milli == 999);
				assert_int_equal(c.weekday, weekday);
				assert_int_equal(c.yearday, yearday++);
				assert_true(civil_to_ms(&c) == day * 86400000 + 86399999);
				weekday = (weekday + 1) % 7;
				day++;
			}
	}
}

static void extremes_do_not_overflow(void **state)
{
	char buf[TIME_TEXT];
	struct civil c;

	(void)state;
	civil_of_ms(INT64_MAX, &c);
	assert_true(c.year == 292278994 && c.month == 8 && c.day == 17);
	civil_of_ms(INT64_MIN, &c);
	assert_true(c.year == -292275055 && c.month == 5 && c.day == 16);
	assert_true(strlen(time_print(INT64_MIN, buf)) < TIME_TEXT);
}

static void rfc_3339_is_accepted(void **state)
{
	static const struct { const char *text, *same; int32_t nanos; } rows[] = {
	    {"1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.520Z", 520000000},
	    {"1996-12-19T16:39:57-08:00", "1996-12-20T00:39:57.000Z", 0},
	    {"1937-01-01T12:00:27.87+00:20", "1937-01-01T11:40:27.870Z", 870000000},
	    {"2026-03-01t03:30:00z", "2026-03-01T03:30:00.000Z", 0},
	    {"2026-03-01T03:30:00.123456789Z", "2026-03-01T03:30:00.123Z", 123456789},
	    {"1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z", 999900000},
	    {"2026-03-01T00:00:00-00:00", "2026-03-01T00:00:00.000Z", 0},
	};
	char buf[TIME_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int32_t nanos = -1;
		int64_t ms = 0;

		assert_true(time_parse(str_of(rows[i].text), &ms, &nanos));
		assert_string_equal(time_print(ms, buf), rows[i].same);
		assert_int_equal(nanos, rows[i].nanos);
	}
}

static void all_else_is_refused(void **state)
{
	static const char *const rows[] = {
	    "",
	    "2026",
	    "2026-03-01",
	    "2026-03-01 03:30:00Z",
	    "2026-03-01T03:30Z",
	    "2026-03-01T03:30:00",
	    "2026-03-01T03:30:00.Z",
	    "2026-03-01T03:30:00.1234567890Z",
	    "2026-03-01T03:30:60Z",
	    "2026-03-01T24:00:00Z",
	    "2026-03-01T03:60:00Z",
	    "2026-02-29T00:00:00Z",
	    "1900-02-29T00:00:00Z",
	    "2026-13-01T00:00:00Z",
	    "2026-00-01T00:00:00Z",
	    "2026-04-31T00:00:00Z",
	    "2026-04-00T00:00:00Z",
	    "0000-01-01T00:00:00Z",
	    "2026-03-01T03:30:00+24:00",
	    "2026-03-01T03:30:00+0100",
	    "2026-03-01T03:30:00+01",
	    "2026-03-01T03:30:00Z ",
	    " 2026-03-01T03:30:00Z",
	    "+026-03-01T03:30:00Z",
	    "2026-3-01T03:30:00Z",
	    "2026-03-01T03:30:00,5Z",
	};
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (time_parse(str_of(rows[i]), &ms, NULL))
			fail_msg("accepted '%s'", rows[i]);
	assert_false(time_parse((struct str){ NULL, 0 }, &ms, NULL));
	assert_false(time_parse((struct str){ "2026-03-01T03:30:00\0Z", 21 }, &ms, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_moments),
		cmocka_unit_test(every_day_follows_the_one_before),
		cmocka_unit_test(extremes_do_not_overflow),
		cmocka_unit_test(rfc_3339_is_accepted),
		cmocka_unit_test(all_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
