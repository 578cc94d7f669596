/* Calendars: weekdays, times and dates in a zone; iCalendar files; what rules say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/time.h"
#include "rules_fixture.h"

#define RULE "rules:\n" \
	"  - {name: r, on: x, run: p, calendar: {only: c}}\n" \
	"pipelines:\n" \
	"  - {name: p, steps: [{name: s, command: [x]}]}\n" \
	"calendars:\n"
#define EVENT(lines) "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\n" \
	lines "SUMMARY:x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)

static struct ruleset *build(const char *yaml, const char *ics, GString *msg)
{
	struct rule_text v[2] = {
		{ .name = STR("r.yaml"), .dir = STR("/srv"), .bytes = str_of(yaml) },
		{ .name = STR("x.ics"), .dir = STR("/srv"), .bytes = str_of(ics),
		    .companion = true },
	};
	struct text shown[2] = { { v[0].name, v[0].bytes }, { v[1].name, v[1].bytes } };
	uint32_t n = ics ? 2 : 1;
	struct diags *diags = diags_new(shown, n);
	struct ruleset *rs = ruleset_build(v, n, fixture_catalog(), diags);

	diags_render(diags, msg);
	diags_free(diags);
	return rs;
}

static struct ruleset *good(const char *calendar, const char *ics)
{
	g_autofree char *yaml = g_strconcat(RULE, calendar, NULL);
	GString *msg = g_string_new(NULL);
	struct ruleset *rs = build(yaml, ics, msg);

	if (!rs || msg->len)
		fail_msg("%s", msg->str);
	g_string_free(msg, TRUE);
	return rs;
}

static int64_t at(const char *text)
{
	int64_t ms;

	if (!time_parse(str_of(text), &ms, NULL))
		fail_msg("%s", text);
	return ms;
}

/* The windows from `from` on, "2026-03-01T00:00Z/2026-03-02T00:00Z ..."; both at their
 * edges and in between the calendar says the same. */
static void expect(const char *calendar, const char *ics, const char *from,
    const char *windows)
{
	struct ruleset *rs = good(calendar, ics);
	const struct calendar *c = rs->rules[0].calendar.only[0];
	GString *out = g_string_new(NULL);
	char **v = g_strsplit(windows, " ", -1);
	int64_t t = at(from), end;
	char a[TIME_TEXT], b[TIME_TEXT];

	for (char **w = v; *w && **w; w++) {
		if (!calendar_in(c, t))
			t = calendar_change(c, t);
		end = t == INT64_MAX ? t : calendar_change(c, t);
		if (end == INT64_MAX) {
			g_string_append(out, "never ");
			break;
		}
		assert_true(calendar_in(c, t) && calendar_in(c, end - 1));
		assert_false(calendar_in(c, end));
		assert_true(calendar_change(c, t + (end - t) / 2) == end);
		time_print(t, a);
		time_print(end, b);
		g_string_append_printf(out, "%.16sZ/%.16sZ ", a, b);
		t = end;
	}
	if (out->len)
		g_string_truncate(out, out->len - 1);
	if (strcmp(out->str, windows) != 0)
		fail_msg("%s: %s, expected %s", calendar, out->str, windows);
	g_string_free(out, TRUE);
	g_strfreev(v);
	ruleset_unref(rs);
}

static void office_hours_follow_their_zone(void **state)
{
	(void)state;		/* summer time begins on Sunday, the 8th of March */
	expect("  - {name: c, timezone: America/New_York, weekdays: mon-fri,"
	    " times: '09:00-17:00'}\n", NULL, "2026-03-06T00:00:00Z",
	    "2026-03-06T14:00Z/2026-03-06T22:00Z 2026-03-09T13:00Z/2026-03-09T21:00Z "
	    "2026-03-10T13:00Z/2026-03-10T21:00Z");
	expect("  - {name: c, weekdays: [fri-mon, Wednesday], times: [0:00-24:00]}\n",
	    NULL, "2026-03-02T00:00:00Z",	/* days that touch are one window */
	    "2026-03-02T00:00Z/2026-03-03T00:00Z 2026-03-04T00:00Z/2026-03-05T00:00Z "
	    "2026-03-06T00:00Z/2026-03-10T00:00Z");
}

static void nights_belong_to_the_day_they_begin_on(void **state)
{
	(void)state;
	expect("  - {name: c, weekdays: sat, times: 22:00-06:00}\n", NULL,
	    "2026-03-01T00:00:00Z",	/* a Sunday: inside Saturday's */
	    "2026-03-01T00:00Z/2026-03-01T06:00Z 2026-03-07T22:00Z/2026-03-08T06:00Z");
	expect("  - {name: c, times: [22:00-06:00, 05:00-07:00, 12:00-13:00],"
	    " except: 2026-03-02}\n", NULL, "2026-03-01T08:00:00Z",
	    "2026-03-01T12:00Z/2026-03-01T13:00Z 2026-03-01T22:00Z/2026-03-02T06:00Z "
	    "2026-03-03T05:00Z/2026-03-03T07:00Z");
}

static void a_missing_hour_is_none_and_a_repeated_one_two(void **state)
{
	(void)state;		/* 02:00 is missing on 2026-03-29, twice on 10-25 */
	expect("  - {name: c, timezone: Europe/Berlin, times: 02:00-03:00}\n", NULL,
	    "2026-03-28T12:00:00Z", "2026-03-30T00:00Z/2026-03-30T01:00Z");
	expect("  - {name: c, timezone: Europe/Berlin, times: 02:00-03:00}\n", NULL,
	    "2026-10-24T12:00:00Z", "2026-10-25T00:00Z/2026-10-25T02:00Z");
	expect("  - {name: c, timezone: Europe/Berlin, times: 02:30-04:00}\n", NULL,
	    "2026-03-28T12:00:00Z", "2026-03-29T01:00Z/2026-03-29T02:00Z");
}

static void dates_of_one_year_or_of_every(void **state)
{
	(void)state;
	expect("  - {name: c, dates: [2026-12-24..2026-12-26, 2027-01-01]}\n", NULL,
	    "2026-03-01T00:00:00Z",
	    "2026-12-24T00:00Z/2026-12-27T00:00Z 2027-01-01T00:00Z/2027-01-02T00:00Z"
	    " never");
	expect("  - {name: c, dates: 12-24..01-02, except: 2026-12-31}\n", NULL,
	    "2026-12-25T00:00:00Z",
	    "2026-12-25T00:00Z/2026-12-31T00:00Z 2027-01-01T00:00Z/2027-01-03T00:00Z "
	    "2027-12-24T00:00Z/2028-01-03T00:00Z");
	expect("  - {name: c, dates: 02-29, weekdays: thu}\n", NULL,
	    "2026-03-01T00:00:00Z", "never");	/* 2024 was one, 2052 will be */
	expect("  - {name: c, weekdays: mon-sun}\n", NULL, "2026-03-01T00:00:00Z",
	    "never");			/* ... it ends */
}

/* ---- iCalendar ---- */

static void events_of_a_file(void **state)
{
	(void)state;
	expect("  - {name: c, file: x.ics}\n",
	    EVENT("DTSTART;VALUE=DATE:20260401\r\n"), "2026-03-01T00:00:00Z",
	    "2026-04-01T00:00Z/2026-04-02T00:00Z never");
	expect("  - {name: c, file: x.ics, timezone: Asia/Tokyo}\n",
	    EVENT("DTSTART;VALUE=DATE:20260401\r\nDTEND;VALUE=DATE:20260404\r\n"),
	    "2026-03-01T00:00:00Z", "2026-03-31T15:00Z/2026-04-03T15:00Z never");
	expect("  - {name: c, file: x.ics}\n",
	    EVENT("DTSTART;TZID=\"America/New_York\":20260401T090000\r\n"
		"DTEND:20260401T140000Z\r\n"), "2026-03-01T00:00:00Z",
	    "2026-04-01T13:00Z/2026-04-01T14:00Z never");
	expect("  - {name: c, file: x.ics}\n",	/* folded, floating, days are nominal */
	    EVENT("DTSTART:2026032\r\n 8T120000\r\nDURA\r\n\tTION:P1DT2H\r\n"),
	    "2026-03-01T00:00:00Z", "2026-03-28T12:00Z/2026-03-29T14:00Z never");
	expect("  - {name: c, file: x.ics, timezone: Europe/Berlin}\n",
	    EVENT("DTSTART:20260328T120000\r\nDURATION:P1D\r\n"),
	    "2026-03-01T00:00:00Z", "2026-03-28T11:00Z/2026-03-29T10:00Z never");
}

static void what_a_file_leaves_out(void **state)
{
	(void)state;
	expect("  - {name: c, file: x.ics, except: 2026-04-03}\n",
	    EVENT("DTSTART:20260401T100000Z\r\nDURATION:PT1H\r\n"
		"EXDATE:20260402T100000Z,20260405T100001Z\r\n"
		"EXDATE;VALUE=DATE:20260406\r\n"
		"RRULE:FREQ=DAILY;COUNT=7\r\n"
		"BEGIN:VALARM\r\nTRIGGER:-PT1H\r\nEND:VALARM\r\n"),
	    "2026-03-01T00:00:00Z",
	    "2026-04-01T10:00Z/2026-04-01T11:00Z 2026-04-04T10:00Z/2026-04-04T11:00Z "
	    "2026-04-05T10:00Z/2026-04-05T11:00Z 2026-04-07T10:00Z/2026-04-07T11:00Z"
	    " never");
	expect("  - {name: c, file: x.ics}\n",
	    EVENT("DTSTART:20260401T100000Z\r\nDURATION:PT1H\r\nSTATUS:CANCELLED\r\n"),
	    "2026-03-01T00:00:00Z", "never");
	expect("  - {name: c, file: x.ics}\n", "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\n"
	    "TZID:x\nBEGIN:STANDARD\nDTSTART:16010101T000000\nRRULE:FREQ=SECONDLY\n"
	    "END:STANDARD\nEND:VTIMEZONE\nBEGIN:VEVENT\nDTSTART:20260401T100000Z\n"
	    "DTEND:20260401T100000Z\nEND:VEVENT\nBEGIN:VTODO\nDUE:x\nEND:VTODO\n"
	    "END:VCALENDAR\n", "2026-03-01T00:00:00Z", "never");
	/* the last at its very time, local and in UTC */
	expect("  - {name: c, file: x.ics}\n",
	    EVENT("DTSTART;TZID=America/New_York:20260401T210000\r\nDURATION:PT1H\r\n"
		"RRULE:FREQ=DAILY;UNTIL=20260403T010000Z\r\n"), "2026-03-01T00:00:00Z",
	    "2026-04-02T01:00Z/2026-04-02T02:00Z 2026-04-03T01:00Z/2026-04-03T02:00Z"
	    " never");
}

/* Days from another implementation: python-dateutil 2.9, rrulestr(). */
static const struct { const char *start, *rule, *days; } recurrences[] = {
	{ "20260301", "FREQ=DAILY;COUNT=4",
	    "20260301 20260302 20260303 20260304" },
	{ "20260301", "FREQ=DAILY;INTERVAL=10;UNTIL=20260405",
	    "20260301 20260311 20260321 20260331" },
	{ "20260302", "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR",
	    "20260302 20260303 20260304 20260305 20260306 20260309 20260310 20260311" },
	{ "20260303", "FREQ=DAILY;BYMONTH=3,5;BYMONTHDAY=3,-1",
	    "20260303 20260331 20260503 20260531 20270303 20270331 20270503 20270531" },
	{ "20260304", "FREQ=WEEKLY",
	    "20260304 20260311 20260318 20260325 20260401 20260408 20260415 20260422" },
	{ "20260304", "FREQ=WEEKLY;INTERVAL=2;BYDAY=WE,SU",
	    "20260304 20260308 20260318 20260322 20260401 20260405 20260415 20260419" },
	{ "20260304", "FREQ=WEEKLY;INTERVAL=2;BYDAY=WE,SU;WKST=SU",
	    "20260304 20260315 20260318 20260329 20260401 20260412 20260415 20260426" },
	{ "20260131", "FREQ=MONTHLY",
	    "20260131 20260331 20260531 20260731 20260831 20261031 20261231 20270131" },
	{ "20260115", "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=15,-1",
	    "20260115 20260131 20260415 20260430 20260715 20260731 20261015 20261031" },
	{ "20260102", "FREQ=MONTHLY;BYDAY=1FR",
	    "20260102 20260206 20260306 20260403 20260501 20260605 20260703 20260807" },
	{ "20260130", "FREQ=MONTHLY;BYDAY=-1FR;COUNT=7",
	    "20260130 20260227 20260327 20260424 20260529 20260626 20260731" },
	{ "20260213", "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
	    "20260213 20260313 20261113 20270813 20281013 20290413 20290713 20300913" },
	{ "20240229", "FREQ=YEARLY",
	    "20240229 20280229 20320229 20360229 20400229 20440229 20480229 20520229" },
	{ "20261126", "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
	    "20261126 20271125 20281123 20291122 20301128 20311127 20321125 20331124" },
	{ "20260525", "FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO",
	    "20260525 20270531 20280529 20290528 20300527 20310526 20320531 20330530" },
	{ "20260101", "FREQ=YEARLY;BYMONTH=1,7;BYMONTHDAY=1",
	    "20260101 20260701 20270101 20270701 20280101 20280701 20290101 20290701" },
	{ "20260518", "FREQ=YEARLY;BYDAY=20MO",
	    "20260518 20270517 20280515 20290514 20300520 20310519 20320517 20330516" },
	{ "20261227", "FREQ=YEARLY;BYDAY=-1SU",
	    "20261227 20271226 20281231 20291230 20301229 20311228 20321226 20331225" },
	{ "20260420", "FREQ=YEARLY;INTERVAL=4;BYMONTH=4",
	    "20260420 20300420 20340420 20380420 20420420 20460420 20500420 20540420" },
	{ "20260131", "FREQ=YEARLY;BYMONTHDAY=31",
	    "20260131 20260331 20260531 20260731 20260831 20261031 20261231 20270131" },
	{ "20260106", "FREQ=YEARLY;BYDAY=TU;BYMONTH=1",
	    "20260106 20260113 20260120 20260127 20270105 20270112 20270119 20270126" },
};

static void recurrence_is_as_elsewhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(recurrences); i++) {
		g_autofree char *ics = g_strdup_printf(EVENT("DTSTART:%sT120000Z\r\n"
		    "DURATION:PT1H\r\nRRULE:%s\r\n"), recurrences[i].start,
		    recurrences[i].rule);
		struct ruleset *rs = good("  - {name: c, file: x.ics}\n", ics);
		const struct calendar *c = rs->rules[0].calendar.only[0];
		GString *out = g_string_new(NULL);
		int64_t t = at("2020-01-01T00:00:00Z");

		for (int n = 0; n < 8 && (t = calendar_change(c, t)) != INT64_MAX; n++) {
			struct civil d;

			civil_of_ms(t, &d);
			assert_int_equal(d.hour, 12);
			g_string_append_printf(out, "%s%04d%02d%02d", n ? " " : "",
			    (int)d.year, d.month, d.day);
			t = calendar_change(c, t);
		}
		if (strcmp(out->str, recurrences[i].days) != 0)
			fail_msg("%s: %s", recurrences[i].rule, out->str);
		g_string_free(out, TRUE);
		ruleset_unref(rs);
	}
}

static void what_is_not_understood_has_its_place(void **state)
{
	static const struct { const char *lines, *says; } rows[] = {
		{ "DTSTART:20260230\r\n", "x.ics:5:1: error: DTSTART: '20260230'" },
		{ "DTSTART:20260401T250000Z\r\n", "x.ics:5:1: error: DTSTART:" },
		{ "DTSTART;TZID=Europe/Berlim:20260401T250000\r\n", "is not a time" },
		{ "DTSTART;TZID=Europe/Berlim:20260401T100000\r\n", "Europe/Berlin" },
		{ "LOCATION:x\r\n", "x.ics:3:1: error: the event has no DTSTART" },
		{ "DTSTART:20260401\r\nDTSTART:20260401\r\n",
		    "x.ics:6:1: error: the event has a second DTSTART" },
		{ "DTSTART:20260401\r\nDTEND:20260401T100000Z\r\n", "DTEND must be" },
		{ "DTSTART:20260401\r\nDTEND:20260331\r\n", "ends before it begins" },
		{ "DTSTART:20260401\r\nDURATION:-P1D\r\n", "'-P1D' is not a duration" },
		{ "DTSTART:20260401\r\nDURATION:P1DT\r\n", "'P1DT' is not a duration" },
		{ "DTSTART:20260401\r\nDURATION:P400D\r\n", "longer than 366 days" },
		{ "DTSTART:20260401\r\nDURATION:P1D\r\nDTEND:20260402\r\n", "either" },
		{ "DTSTART:20260401\r\nRRULE:FREQ=HOURLY\r\n", "FREQ=HOURLY is not" },
		{ "DTSTART:20260401\r\nRRULE:FREQ=DAILY;BYSETPOS=1\r\n",
		    "x.ics:6:1: error: RRULE: 'BYSETPOS' is not available" },
		{ "DTSTART:20260401\r\nRRULE:FREQ=DAILY;COUNT=0\r\n", "COUNT=0" },
		{ "DTSTART:20260401\r\nRRULE:COUNT=3\r\n", "there is no FREQ" },
		{ "DTSTART:20260401\r\nRRULE:FREQ=DAILY;COUNT=3;UNTIL=20260501\r\n",
		    "either COUNT or UNTIL" },
		{ "DTSTART:20260401\r\nRRULE:FREQ=WEEKLY;BYDAY=1MO\r\n",
		    "with a number" },
		{ "DTSTART:20260401\r\nRRULE:FREQ=WEEKLY;BYMONTHDAY=1\r\n", "WEEKLY" },
		{ "DTSTART:20260401\r\nRRULE:FREQ=WEEKLY;BYDAY=MO\r\n",
		    "x.ics:6:1: error: DTSTART is not one of the days" },
		{ "DTSTART:20260401\r\nRDATE:20260501\r\n", "RDATE is not available" },
		{ "DTSTART:20260401\r\nRECURRENCE-ID:20260501\r\n", "not available" },
		{ "DTSTART:20260401\r\nEXDATE:soon\r\n", "EXDATE: 'soon'" },
		{ "DTSTART\r\n", "x.ics:5:1: error: expected NAME:VALUE" },
		{ "BEGIN:VALARM\r\n", "has no END" },
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *ics = g_strdup_printf(EVENT("%s"), rows[i].lines);
		GString *msg = g_string_new(NULL);
		struct ruleset *rs = build(RULE "  - {name: c, file: x.ics}\n", ics, msg);

		if (rs || !strstr(msg->str, rows[i].says))
			fail_msg("%s: %s", rows[i].lines, msg->str);
		g_string_free(msg, TRUE);
	}
}

/* Any prefix, any lost byte: an error or a calendar, and nothing read beyond the text. */
static void no_file_is_read_past_its_end(void **state)
{
	static const char whole[] = EVENT("DTSTART;TZID=Europe/Berlin:20260401T100000\r\n"
	    "DURATION:P1DT2H\r\nRRULE:FREQ=MONTHLY;BYDAY=1WE,-1TH;COUNT=3\r\n"
	    "EXDATE:20260402T100000Z,20260405T\r\n 100001Z\r\n");
	static const char yaml[] = RULE "  - {name: c, file: x.ics}\n";
	GString *msg = g_string_new(NULL);

	(void)state;
	for (size_t n = 0; n < 2 * sizeof(whole); n += 23) {
		g_autofree char *part = g_strndup(whole, n < sizeof(whole) ? n :
		    sizeof(whole) - 1);

		if (n >= sizeof(whole))
			memmove(part + n - sizeof(whole), part + n - sizeof(whole) + 1,
			    2 * sizeof(whole) - n - 1);
		ruleset_unref(build(yaml, part, msg));
	}
	g_string_free(msg, TRUE);
}

/* ---- rules ---- */

static void a_rule_waits_for_the_first_instant_that_nothing_stops(void **state)
{
	struct ruleset *rs;
	GString *msg = g_string_new(NULL);
	const struct calendar *by;
	const struct calendar_use *u;
	bool inside;
	int64_t end;

	(void)state;
	rs = build("rules: [{name: r, on: x, run: p, calendar: {only: [night, noon],"
	    " not: freeze}}]\n"
	    "pipelines: [{name: p, steps: [{name: s, command: [x]}]}]\n"
	    "calendars:\n"
	    "  - {name: night, times: 22:00-06:00}\n"
	    "  - {name: noon, times: 12:00-13:00}\n"
	    "  - {name: freeze, dates: 2026-03-02..2026-03-04}\n", NULL, msg);
	assert_string_equal(msg->str, "");
	u = &rs->rules[0].calendar;
	assert_true(calendar_allows(u, at("2026-03-01T12:30:00Z"), &by, &inside, &end));
	assert_false(calendar_allows(u, at("2026-03-01T13:00:00Z"), &by, &inside, &end));
	assert_false(inside);
	assert_true(end == at("2026-03-01T22:00:00Z"));
	assert_false(calendar_allows(u, at("2026-03-02T00:00:00Z"), &by, &inside, &end));
	assert_true(inside && str_is(by->name, STR("freeze")));
	assert_true(end == at("2026-03-05T00:00:00Z"));	/* in the night before it */
	assert_false(calendar_allows(u, at("2026-03-02T07:00:00Z"), &by, &inside, &end));
	assert_true(end == at("2026-03-05T00:00:00Z"));
	ruleset_unref(rs);
	rs = build("rules: [{name: r, on: x, run: p, calendar: {only: a, not: a}}]\n"
	    "pipelines: [{name: p, steps: [{name: s, command: [x]}]}]\n"
	    "calendars: [{name: a, weekdays: mon}]\n", NULL, msg);
	assert_string_equal(msg->str, "");
	assert_false(calendar_allows(&rs->rules[0].calendar, 0, &by, &inside, &end));
	assert_true(end == INT64_MAX);
	ruleset_unref(rs);
	g_string_free(msg, TRUE);
}

/* The file is one of the rule set's texts: it counts in its hash, and comes back. */
static void the_file_belongs_to_the_rule_set(void **state)
{
	const char *yaml = RULE "  - {name: c, file: x.ics}\n";
	GString *msg = g_string_new(NULL);
	struct ruleset *a = build(yaml, EVENT("DTSTART:20260401\r\n"), msg);
	struct ruleset *b = build(yaml, EVENT("DTSTART:20260402\r\n"), msg), *c;
	struct arena *arena = arena_new(0);
	struct diags *diags;
	struct rule_text *v;
	struct text shown[2];
	uint32_t n;

	(void)state;
	assert_string_equal(msg->str, "");
	assert_memory_not_equal(a->hash, b->hash, 32);
	assert_memory_not_equal(a->rules[0].hash, b->rules[0].hash, 16);
	assert_true(ruleset_unpack(a->packed, &v, &n, arena));
	assert_int_equal(n, 2);
	for (uint32_t i = 0; i < n; i++)
		shown[i] = (struct text){ v[i].name, v[i].bytes };
	diags = diags_new(shown, n);
	c = ruleset_build(v, n, fixture_catalog(), diags);
	assert_memory_equal(a->hash, c->hash, 32);
	assert_memory_equal(a->rules[0].hash, c->rules[0].hash, 16);
	diags_free(diags);
	arena_free(arena);
	ruleset_unref(a);
	ruleset_unref(b);
	ruleset_unref(c);
	g_string_free(msg, TRUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(office_hours_follow_their_zone),
		cmocka_unit_test(nights_belong_to_the_day_they_begin_on),
		cmocka_unit_test(a_missing_hour_is_none_and_a_repeated_one_two),
		cmocka_unit_test(dates_of_one_year_or_of_every),
		cmocka_unit_test(events_of_a_file),
		cmocka_unit_test(what_a_file_leaves_out),
		cmocka_unit_test(recurrence_is_as_elsewhere),
		cmocka_unit_test(what_is_not_understood_has_its_place),
		cmocka_unit_test(no_file_is_read_past_its_end),
		cmocka_unit_test(a_rule_waits_for_the_first_instant_that_nothing_stops),
		cmocka_unit_test(the_file_belongs_to_the_rule_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
