/* Zones: facts taken from published transition dates (EU directive 2000/84, US
 * Energy Policy Act 2005, tzdata's own comments), not from the code's output. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/time.h"
#include "base/zone.h"

#define HOUR INT64_C(3600000)
#define MINUTE INT64_C(60000)

static int64_t ms(const char *text)
{
	int64_t t;

	assert_true(time_parse(str_of(text), &t, NULL));
	return t;
}

static const struct zone *get(struct zones *zs, const char *name)
{
	struct err e = {0};
	const struct zone *z = zones_get(zs, str_of(name), &e);

	if (!z)
		fail_msg("%s: %s", name, e.msg);
	return z;
}

static int setup(void **state)
{
	*state = zones_new();
	return 0;
}

static int teardown(void **state)
{
	zones_free(*state);
	return 0;
}

static void spring_gap_has_no_instant_and_gives_the_transition(void **state)
{
	const struct zone *z = get(*state, "Europe/Berlin");
	int64_t r[2];

	assert_int_equal(zone_instants(z, ms("2026-03-29T02:30:00Z"), r), 0);
	assert_int_equal(r[0], ms("2026-03-29T01:00:00Z"));
	assert_int_equal(zone_instants(z, ms("2026-03-29T02:00:00Z"), r), 0);
	assert_int_equal(zone_instants(z, ms("2026-03-29T01:59:59.999Z"), r), 1);
	assert_int_equal(r[0], ms("2026-03-29T00:59:59.999Z"));
	assert_int_equal(zone_instants(z, ms("2026-03-29T03:00:00Z"), r), 1);
	assert_int_equal(r[0], ms("2026-03-29T01:00:00Z"));
}

static void autumn_hour_occurs_twice_ascending(void **state)
{
	const struct zone *z = get(*state, "Europe/Berlin");
	int64_t r[2];

	assert_int_equal(zone_instants(z, ms("2026-10-25T02:30:00Z"), r), 2);
	assert_int_equal(r[0], ms("2026-10-25T00:30:00Z"));
	assert_int_equal(r[1], ms("2026-10-25T01:30:00Z"));
	assert_int_equal(zone_instants(z, ms("2026-10-25T03:00:00Z"), r), 1);
	assert_int_equal(r[0], ms("2026-10-25T02:00:00Z"));
}

/* Lord Howe moves by half an hour; Samoa left out a whole day, 2011-12-30. */
static void odd_shifts(void **state)
{
	const struct zone *howe = get(*state, "Australia/Lord_Howe");
	const struct zone *apia = get(*state, "Pacific/Apia");
	int64_t r[2];

	assert_int_equal(zone_offset_ms(howe, ms("2026-01-15T00:00:00Z")), 11 * HOUR);
	assert_int_equal(zone_offset_ms(howe, ms("2026-07-15T00:00:00Z")),
	    10 * HOUR + 30 * MINUTE);
	assert_int_equal(zone_instants(apia, ms("2011-12-30T12:00:00Z"), r), 0);
	assert_int_equal(r[0], ms("2011-12-30T10:00:00Z"));
	assert_int_equal(zone_offset_ms(apia, r[0] - 1), -10 * HOUR);
	assert_int_equal(zone_offset_ms(apia, r[0]), 14 * HOUR);
}

static void transitions_in_order(void **state)
{
	const struct zone *ny = get(*state, "America/New_York");
	const struct zone *sh = get(*state, "Asia/Shanghai");
	int64_t t = zone_next_transition(ny, ms("2026-01-01T00:00:00Z"));

	assert_int_equal(t, ms("2026-03-08T07:00:00Z"));
	t = zone_next_transition(ny, t);
	assert_int_equal(t, ms("2026-11-01T06:00:00Z"));
	t = zone_next_transition(ny, ms("2036-12-31T00:00:00Z"));
	assert_int_equal(t, ms("2037-03-08T07:00:00Z"));
	assert_int_equal(zone_next_transition(sh, ms("2000-01-01T00:00:00Z")), INT64_MAX);
	assert_int_equal(zone_offset_ms(sh, 0), 8 * HOUR);
}

static void fixed_offsets_need_no_file(void **state)
{
	const struct zone *z = zones_find(*state, STR("-05:30"));
	int64_t r[2];

	assert_non_null(z);
	assert_int_equal(zone_offset_ms(z, 0), -(5 * HOUR + 30 * MINUTE));
	assert_int_equal(zone_instants(z, 0, r), 1);
	assert_int_equal(r[0], 5 * HOUR + 30 * MINUTE);
	assert_ptr_equal(zones_find(*state, STR("02:00")), get(*state, "+02:00"));
	assert_ptr_equal(zones_find(*state, STR("UTC")), get(*state, "UTC"));
	assert_true(str_is(zone_name(get(*state, "UTC")), STR("UTC")));
	assert_int_equal(zone_next_transition(z, 0), INT64_MAX);
	assert_null(zones_find(*state, STR("24:00")));
	assert_null(zones_find(*state, STR("+2:00")));
	assert_null(zones_find(*state, STR("12:60")));
}

static void find_never_loads_and_get_loads_once(void **state)
{
	const struct zone *z;

	assert_null(zones_find(*state, STR("Asia/Kolkata")));
	z = get(*state, "Asia/Kolkata");
	assert_ptr_equal(zones_find(*state, STR("Asia/Kolkata")), z);
	assert_ptr_equal(get(*state, "Asia/Kolkata"), z);
	assert_int_equal(
	    zone_offset_ms(z, ms("2026-01-01T00:00:00Z")), 5 * HOUR + 30 * MINUTE);
}

static void backward_names_are_known(void **state)
{
	const struct zone *old = get(*state, "Asia/Calcutta");

	assert_int_equal(zone_offset_ms(old, ms("2026-01-01T00:00:00Z")),
	    5 * HOUR + 30 * MINUTE);
	assert_int_equal(zone_offset_ms(get(*state, "Europe/Kyiv"), 0), 3 * HOUR);
}

static void paths_and_unknown_names_are_refused(void **state)
{
	static const char *const bad[] = {
		"", "../../../etc/passwd", "/etc/localtime", "posix/Europe/Berlin",
		"Europe/Berlin\n", "Europe", "localtime", ":Europe/Berlin", "EST5EDT4",
	};
	struct err e = {0};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_null(zones_get(*state, str_of(bad[i]), &e));
	assert_null(zones_get(*state, STR("Europe/Berlin\0x"), &e));
	assert_null(zones_get(*state, STR("Europe/Berln"), &e));
	assert_string_equal(e.msg,
	    "unknown time zone 'Europe/Berln', did you mean 'Europe/Berlin'");
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(spring_gap_has_no_instant_and_gives_the_transition),
		T(autumn_hour_occurs_twice_ascending),
		T(odd_shifts),
		T(transitions_in_order),
		T(fixed_offsets_need_no_file),
		T(find_never_loads_and_get_loads_once),
		T(backward_names_are_known),
		T(paths_and_unknown_names_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
