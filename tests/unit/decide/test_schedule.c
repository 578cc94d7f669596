/* Schedules: each due time once, or skipped with its reason. */
#include "fixture.h"

#define SCHED(more) "rules:\n" \
	"  - name: s\n" \
	"    schedule: {" more "}\n" \
	"    run: train\n"

static void expect_dues(struct fx *f, const char *lines)
{
	assert_string_equal(f->dues->str, lines);
	g_string_truncate(f->dues, 0);
}

/* The process is away: inputs come again only after `ms`. */
static void outage(struct fx *f, int64_t ms)
{
	f->tick += ms;
	fx_restart(f);
	fx_start(f);
	fx_advance(f, 0);
}

static void each_due_time_fires_once(void **state)
{
	struct fx f = fx_new(SCHED("every: 6h"));

	(void)state;
	fx_advance(&f, 0);
	fx_expect(&f, ""); /* midnight is a due time, but it is not after now */
	fx_advance(&f, 13 * HOUR);
	fx_expect(&f, "fired s\nfired s\n");
	expect_dues(&f, "21600 fired\n43200 fired\n");
	fx_free(&f);
}

static void when_sees_the_due_time_and_the_one_before(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: s\n"
	    "    schedule: {every: 6h, jitter: 5m}\n"
	    "    when: event.time - timestamp(data.previous) == duration(\"6h\") &&\n"
	    "      event.time.getHours() == 12\n"
	    "    run: {pipeline: train, params: {model: \"${data.previous}\"}}\n");

	(void)state;
	fx_advance(&f, 18 * HOUR);
	fx_expect(&f, "fired s\n");
	expect_dues(&f, "21600 false\n43200 fired\n");
	assert_string_equal(f.params, "{\"model\":\"2026-03-01T06:00:00.000Z\"}");
	fx_free(&f);
}

static void catch_up_last_makes_up_for_one(void **state)
{
	struct fx f = fx_new(SCHED("every: 1h, catch_up: last"));

	(void)state;
	outage(&f, 3 * HOUR + 30 * MINUTE);
	fx_expect(&f, "suppressed s by skipped x2\nfired s\n");
	expect_dues(&f, "3600 skipped(missed)\n7200 skipped(missed)\n10800 fired\n");
	fx_advance(&f, 30 * MINUTE);
	fx_expect(&f, "fired s\n");
	fx_free(&f);
}

static void catch_up_none_skips_all(void **state)
{
	struct fx f = fx_new(SCHED("every: 1h, catch_up: none"));

	(void)state;
	outage(&f, 2 * HOUR + 30 * MINUTE);
	fx_expect(&f, "suppressed s by skipped x2\n");
	expect_dues(&f, "3600 skipped(missed)\n7200 skipped(missed)\n");
	fx_advance(&f, 30 * MINUTE);
	fx_expect(&f, "fired s\n");
	fx_free(&f);
}

static void catch_up_all_makes_up_for_each_within_the_deadline(void **state)
{
	struct fx f = fx_new(SCHED("every: 1h, catch_up: all, deadline: 150m"));

	(void)state;
	outage(&f, 4 * HOUR + 10 * MINUTE);
	fx_expect(&f, "suppressed s by skipped\nfired s\nfired s\nfired s\n");
	expect_dues(&f, "3600 skipped(deadline)\n7200 fired\n10800 fired\n14400 fired\n");
	fx_free(&f);
}

/* A hundred rows per input, then only the count; nothing is lost. */
static void a_long_outage_has_bounded_rows(void **state)
{
	struct fx f = fx_new(SCHED("every: 1m, catch_up: last"));
	unsigned rows = 0;

	(void)state;
	outage(&f, DAY + 30 * SECOND);
	fx_expect(&f, "suppressed s by skipped x1439\nfired s\n");
	for (const char *p = f.dues->str; *p; p++)
		rows += *p == '\n';
	assert_int_equal(rows, 101);
	fx_free(&f);
}

static void catching_up_on_many_takes_several_inputs(void **state)
{
	struct fx f = fx_new(SCHED("every: 1m, catch_up: all"));

	(void)state;
	outage(&f, 4 * HOUR + 30 * SECOND);
	assert_int_equal(f.runs, 240);
	fx_free(&f);
}

static void an_edit_never_fires_at_once(void **state)
{
	struct fx f = fx_new(SCHED("every: 6h"));

	(void)state;
	fx_advance(&f, HOUR);
	f.tick += 6 * HOUR;		/* a due time passed that nobody looked at */
	fx_use(&f, SCHED("every: 1h"));
	fx_expect(&f, "suppressed s by skipped\n");
	expect_dues(&f, "21600 skipped(edited)\n");
	fx_advance(&f, HOUR - 1);
	fx_expect(&f, "");
	fx_advance(&f, 1);
	fx_expect(&f, "fired s\n");
	fx_use(&f, "rules:\n"		/* another edit: the cursor stays */
	    "  - {name: s, schedule: {every: 1h}, cooldown: 1m, run: train}\n");
	fx_advance(&f, HOUR);
	fx_expect(&f, "fired s\n");
	fx_free(&f);
}

static void enabling_never_replays_the_time_it_was_off(void **state)
{
	struct fx f = fx_new("rules:\n"
			     "  - {name: s, mode: disabled, schedule: {every: 1h, "
			     "catch_up: all}, run: train}\n");

	(void)state;
	fx_advance(&f, 3 * HOUR + MINUTE);
	f.tick += 2 * HOUR;
	fx_use(&f, SCHED("every: 1h, catch_up: all"));
	fx_advance(&f, 0);
	assert_int_equal(f.runs, 0);
	fx_advance(&f, HOUR);
	assert_int_equal(f.runs, 1);
	assert_null(strstr(f.log->str, "skipped"));
	fx_free(&f);
}

/* Wall goes back: what fired stays, what was skipped is open again. */
static void a_wall_that_steps_back_fires_nothing_twice(void **state)
{
	struct fx f = fx_new(SCHED("every: 1h, catch_up: last"));

	(void)state;
	f.wall_off = 3 * HOUR + MINUTE;	/* someone set the clock wrong */
	fx_advance(&f, 0);
	expect_dues(&f, "3600 skipped(missed)\n7200 skipped(missed)\n10800 fired\n");
	f.wall_off = 0;
	fx_start(&f);
	fx_advance(&f, 4 * HOUR);
	expect_dues(&f, "3600 fired\n7200 fired\n14400 fired\n");
	fx_free(&f);
}

static void go_back(struct fx *f, int64_t off)
{
	struct deadline d;

	f->wall_off = off;
	assert_true(decide_wall_back(f->d, START + f->tick + off, &d));
	fx_input(f, (struct input){ .kind = INPUT_DEADLINE, .deadline = d });
	assert_false(decide_wall_back(f->d, START + f->tick + off, &d));
}

/* Nobody else may bring an input for hours: going back is one by itself, once. */
static void going_back_is_an_input_of_its_own(void **state)
{
	struct fx f = fx_new(SCHED("every: 1h, catch_up: none"));
	struct deadline d;

	(void)state;
	f.wall_off = 2 * HOUR + 5 * MINUTE;
	fx_advance(&f, 0);
	expect_dues(&f, "3600 skipped(missed)\n7200 skipped(missed)\n");
	assert_false(decide_wall_back(f.d, START + f.wall_off, &d));
	go_back(&f, 0);
	fx_advance(&f, HOUR);
	expect_dues(&f, "3600 fired\n");
	fx_free(&f);
}

/* The clock was ahead when the rule came: what was never decided is still due. */
static void a_rule_that_began_on_a_clock_ahead_fires_after_the_correction(void **state)
{
	struct fx f = fx_new(SCHED("every: 1h"));

	(void)state;
	fx_advance(&f, HOUR);
	f.wall_off = 20 * 365 * DAY;
	fx_use(&f, SCHED("every: 30m"));
	fx_start(&f);
	f.wall_off = 0;
	fx_start(&f);		/* whether that is right is not known yet: a boot, say */
	go_back(&f, 0);
	g_string_truncate(f.dues, 0);
	fx_advance(&f, HOUR);
	expect_dues(&f, "5400 fired\n7200 fired\n");
	fx_free(&f);
}

/* What an earlier definition fired is settled for the next one too. */
static void an_edit_and_a_step_back_fire_nothing_twice(void **state)
{
	struct fx f = fx_new(SCHED("every: 1h"));

	(void)state;
	fx_advance(&f, HOUR + MINUTE);
	fx_expect(&f, "fired s\n");
	fx_use(&f, SCHED("every: 30m"));
	go_back(&f, -2 * MINUTE);
	fx_advance(&f, 2 * MINUTE);
	fx_expect(&f, "");
	fx_advance(&f, 30 * MINUTE);
	fx_expect(&f, "fired s\n");
	fx_free(&f);
}

/* A later due time was decided: an older one that is open again is not the newest. */
static void catch_up_last_is_not_for_what_is_older_than_a_decided_one(void **state)
{
	struct fx f = fx_new(SCHED("every: 1h, catch_up: last"));

	(void)state;
	f.wall_off = 3 * HOUR + MINUTE;
	fx_advance(&f, 0);
	expect_dues(&f, "3600 skipped(missed)\n7200 skipped(missed)\n10800 fired\n");
	go_back(&f, 0);
	f.wall_off = 3 * HOUR + MINUTE;
	fx_advance(&f, 0);
	expect_dues(&f, "3600 skipped(missed)\n7200 skipped(missed)\n");
	fx_free(&f);
}

/* Back and forth again: what is older than the rule is skipped, whatever catch_up. */
static void a_glitch_fires_nothing_from_before_the_beginning(void **state)
{
	struct fx f = fx_new(SCHED("every: 1h, catch_up: all"));

	(void)state;
	for (int again = 0; again < 2; again++) {
		go_back(&f, -3 * HOUR - MINUTE * 30);
		f.wall_off = 0;
		f.tick += 5 * MINUTE;
		fx_advance(&f, 0);
		fx_expect(&f, "suppressed s by skipped x4\n");
		expect_dues(&f, "-10800 skipped(clock)\n-7200 skipped(clock)\n"
		    "-3600 skipped(clock)\n0 skipped(clock)\n");
	}
	fx_advance(&f, HOUR);
	expect_dues(&f, "3600 fired\n");
	fx_free(&f);
}

/* A board without a battery: a restart in 1970 that was believed, then the network. */
static void decades_back_and_forth_are_bounded(void **state)
{
	struct fx f = fx_new(SCHED("every: 1m, catch_up: all"));
	unsigned rows = 0;

	(void)state;
	fx_restart(&f);
	f.wall_off = 10 * SECOND - START;
	fx_start(&f);
	go_back(&f, f.wall_off);
	f.wall_off = 0;
	f.tick += 5 * MINUTE;
	fx_advance(&f, 0);
	assert_int_equal(f.runs, 5);	/* since the beginning */
	for (const char *p = f.dues->str; (p = strstr(p, "skipped(clock)")); p++)
		rows++;
	assert_int_equal(rows, 100);
	fx_free(&f);
}

static void a_glitch_fires_nothing_from_before_an_enabling(void **state)
{
	struct fx f = fx_new("rules:\n"
			     "  - {name: s, mode: disabled, schedule: {every: 1h, "
			     "catch_up: all}, run: train}\n");

	(void)state;
	fx_advance(&f, 3 * HOUR + MINUTE);
	fx_use(&f, SCHED("every: 1h, catch_up: all"));
	go_back(&f, -2 * HOUR);
	f.wall_off = 0;
	f.tick += 4 * MINUTE;
	fx_advance(&f, 0);
	expect_dues(&f, "7200 skipped(clock)\n10800 skipped(clock)\n");
	assert_int_equal(f.runs, 0);
	fx_free(&f);
}

/* Of those before the beginning, what comes in its time fires; jitter may end later. */
static void a_clock_ahead_at_the_beginning_loses_no_due_time(void **state)
{
	struct fx f = fx_new(SCHED("every: 1h"));

	(void)state;
	f.wall_off = 90 * MINUTE + SECOND / 2;
	fx_use(&f, SCHED("every: 30m, jitter: 20m"));
	assert_true(schedule_jitter(STR("s"), START + 90 * MINUTE, 20 * MINUTE) > SECOND);
	go_back(&f, 0);
	g_string_truncate(f.dues, 0);
	fx_advance(&f, 110 * MINUTE);
	expect_dues(&f, "1800 fired\n3600 fired\n5400 fired\n");
	fx_advance(&f, 30 * MINUTE);
	expect_dues(&f, "7200 fired\n");
	fx_free(&f);
}

/* ... nor an outage around it the one that is still in time. */
static void what_is_in_time_before_the_beginning_fires(void **state)
{
	struct fx f = fx_new(SCHED("every: 1h"));

	(void)state;
	f.wall_off = 90 * MINUTE + 5 * SECOND;
	fx_use(&f, SCHED("every: 30m, catch_up: all"));
	go_back(&f, 0);
	g_string_truncate(f.dues, 0);
	outage(&f, 90 * MINUTE + 30 * SECOND);
	expect_dues(&f, "1800 skipped(clock)\n3600 skipped(clock)\n5400 fired\n");
	fx_free(&f);
}

/* More due times fired than are kept: the oldest are settled. */
static struct fx settled(void)
{
	struct fx f = fx_new(SCHED("every: 1m"));

	fx_advance(&f, 130 * MINUTE);
	assert_int_equal(f.runs, 130);
	g_string_truncate(f.dues, 0);
	return f;
}

static void an_edit_on_a_clock_ahead_settles_nothing(void **state)
{
	struct fx f = settled();

	(void)state;
	f.wall_off = 20 * 365 * DAY;
	fx_use(&f, SCHED("every: 450s"));
	g_string_truncate(f.dues, 0);
	f.wall_off = 0;
	fx_start(&f);
	fx_advance(&f, 15 * MINUTE);
	expect_dues(&f, "8100 fired\n8550 fired\n");
	f.wall_off = -30 * MINUTE;	/* and what fired stays settled */
	fx_start(&f);
	fx_advance(&f, 30 * MINUTE);
	expect_dues(&f, "7650 fired\n");
	fx_free(&f);
}

static void a_glitch_fires_nothing_from_before_an_edit(void **state)
{
	struct fx f = settled();

	(void)state;
	fx_use(&f, SCHED("every: 450s, catch_up: all"));
	f.wall_off = -30 * MINUTE;
	fx_start(&f);
	f.wall_off = 0;
	f.tick += 2 * MINUTE;
	fx_advance(&f, 0);
	expect_dues(&f, "6750 skipped(clock)\n7650 skipped(clock)\n");
	assert_int_equal(f.runs, 130);
	fx_free(&f);
}

/* decided[] is full of what a clock ahead fired: none of it is given up for an older
 * due time. */
static void older_due_times_push_out_none_that_fired(void **state)
{
	struct fx f = fx_new(SCHED("every: 1h"));

	(void)state;
	f.wall_off = 3 * HOUR;
	fx_use(&f, SCHED("every: 1m"));
	fx_advance(&f, 128 * MINUTE);
	assert_int_equal(f.runs, 128);
	go_back(&f, -128 * MINUTE);
	fx_advance(&f, 180 * MINUTE);
	assert_int_equal(f.runs, 128 + 180);
	fx_advance(&f, 128 * MINUTE);
	assert_int_equal(f.runs, 128 + 180);
	fx_advance(&f, MINUTE);
	assert_int_equal(f.runs, 128 + 181);
	fx_free(&f);
}

static void the_deadline_of_a_due_time_carries_its_jitter(void **state)
{
	struct fx f = fx_new(SCHED("every: 1h, jitter: 10m"));
	int64_t j = schedule_jitter(STR("s"), START + HOUR, 10 * MINUTE);
	struct deadline d;

	(void)state;
	assert_in_range(j, 0, 10 * MINUTE - 1);
	assert_true(decide_next_due(f.d, DUE_WALL, &d));
	assert_int_equal(d.at_ms, START + HOUR + j);
	assert_int_equal(d.floor, DUE_DECIDE);
	fx_advance(&f, HOUR + j - 1);
	fx_expect(&f, "");
	fx_advance(&f, 1);
	expect_dues(&f, "3600 fired\n");
	fx_free(&f);
}

static void a_suppressed_due_time_says_so(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - {name: s, schedule: {every: 1h}, cooldown: 90m, run: train}\n");

	(void)state;
	fx_advance(&f, 3 * HOUR);
	expect_dues(&f, "3600 fired\n7200 suppressed\n10800 fired\n");
	fx_free(&f);
}

/* ---- several ---- */

#define MANY(list) "rules:\n" \
	"  - name: s\n" \
	"    schedule: [" list "]\n" \
	"    run: {pipeline: train, params: {model: \"${data.previous}\"}}\n"

static void each_schedule_has_its_own_due_times(void **state)
{
	struct fx f = fx_new(MANY("\"30 * * * *\", {every: 2h},"
	    " {times: [2026-03-01T01:15:00Z, \"2026-03-01 11:45\"],"
	    " timezone: Asia/Shanghai}"));

	(void)state;
	f.due_names = true;
	fx_advance(&f, 4 * HOUR);
	fx_expect(&f, "fired s\nfired s\nfired s\nfired s\nfired s\nfired s\nfired s\n"
	    "fired s\n");
	/* 11:45 in Shanghai is 03:45 UTC; hash: sha256 of the definition's JSON */
	if (!strstr(f.dues->str, "[30 * * * * UTC] 1800 fired\n") ||
	    !strstr(f.dues->str, "[every 2h] 7200 fired\n") ||
	    !strstr(f.dues->str, "[every 2h] 14400 fired\n") ||
	    !strstr(f.dues->str, "] 4500 fired\n[30 * * * * UTC] 5400 fired\n") ||
	    !strstr(f.dues->str, "] 13500 fired\n"))
		fail_msg("%s", f.dues->str);
	/* what came before, of whichever schedule */
	assert_string_equal(f.params, "{\"model\":\"2026-03-01T03:45:00.000Z\"}");
	fx_free(&f);
}

static void an_instant_of_two_schedules_fires_once(void **state)
{
	struct fx f = fx_new(MANY("{every: 2h}, \"0 */3 * * *\""));

	(void)state;
	f.due_names = true;
	fx_advance(&f, 6 * HOUR);
	expect_dues(&f, "[every 2h] 7200 fired\n[0 */3 * * * UTC] 10800 fired\n"
	    "[every 2h] 14400 fired\n[every 2h] 21600 fired\n"
	    "[0 */3 * * * UTC] 21600 skipped(twice)\n");
	assert_int_equal(f.runs, 4);
	fx_free(&f);
}

static void each_schedule_catches_up_by_its_own_rule(void **state)
{
	struct fx f = fx_new(MANY("{every: 2h, catch_up: all, deadline: 3h},"
	    " {cron: \"30 * * * *\", catch_up: none}, {cron: \"15 * * * *\"}"));

	(void)state;
	f.due_names = true;
	outage(&f, 4 * HOUR + 10 * MINUTE);
	/* each is an input of its own, in the order of the first that was due */
	expect_dues(&f, "[15 * * * * UTC] 900 skipped(missed)\n"
	    "[15 * * * * UTC] 4500 skipped(missed)\n"
	    "[15 * * * * UTC] 8100 skipped(missed)\n"
	    "[15 * * * * UTC] 11700 fired\n"
	    "[30 * * * * UTC] 1800 skipped(missed)\n"
	    "[30 * * * * UTC] 5400 skipped(missed)\n"
	    "[30 * * * * UTC] 9000 skipped(missed)\n"
	    "[30 * * * * UTC] 12600 skipped(missed)\n"
	    "[every 2h] 7200 fired\n[every 2h] 14400 fired\n");
	fx_free(&f);
}

static void an_edit_of_one_schedule_leaves_the_others(void **state)
{
	struct fx f = fx_new(MANY("{every: 2h, catch_up: all}, \"30 * * * *\""));

	(void)state;
	f.due_names = true;
	fx_advance(&f, HOUR);
	g_string_truncate(f.dues, 0);
	f.tick += 90 * MINUTE;		/* nobody looked */
	fx_use(&f, MANY("\"15 * * * *\", {every: 2h, catch_up: all}"));
	expect_dues(&f, "[30 * * * * UTC] 5400 skipped(edited)\n"
	    "[30 * * * * UTC] 9000 skipped(edited)\n");
	fx_advance(&f, 50 * MINUTE);
	expect_dues(&f, "[every 2h] 7200 fired\n[15 * * * * UTC] 11700 fired\n");
	fx_use(&f, MANY("{every: 2h, catch_up: all}"));
	fx_restart(&f);
	fx_start(&f);
	fx_advance(&f, HOUR);
	expect_dues(&f, "[every 2h] 14400 fired\n");
	fx_free(&f);
}

static void what_goes_with_a_schedule_is_recorded(void **state)
{
	struct fx f = fx_new(MANY("{every: 1h}, \"30 * * * *\""));

	(void)state;
	f.due_names = true;
	f.tick += 100 * MINUTE;
	fx_use(&f, MANY("{every: 1h}"));
	expect_dues(&f, "[30 * * * * UTC] 1800 skipped(edited)\n"
	    "[30 * * * * UTC] 5400 skipped(edited)\n");
	f.tick += HOUR;
	fx_use(&f, "rules: [{name: s, on: t, run: train}]\n");
	expect_dues(&f, "[every 1h] 3600 skipped(edited)\n"
	    "[every 1h] 7200 skipped(edited)\n");
	fx_free(&f);
}

static void several_schedules_survive_a_restart(void **state)
{
	struct fx f = fx_new(MANY("{every: 2h, catch_up: all},"
	    " {cron: \"30 * * * *\", catch_up: all}"));

	(void)state;
	f.due_names = true;
	fx_advance(&f, 3 * HOUR);
	g_string_truncate(f.dues, 0);
	for (int i = 0; i < 3; i++)
		outage(&f, 20 * MINUTE);
	expect_dues(&f, "[30 * * * * UTC] 12600 fired\n[every 2h] 14400 fired\n");
	fx_free(&f);
}

/* Of every night exactly one firing; the one that a clock ahead made stays. */
static void check_year(const char *rule, int64_t ahead_for)
{
	struct fx f = fx_new(rule);
	enum { NIGHTS = 400 };
	int fired[NIGHTS] = { 0 };

	fx_advance(&f, 12 * HOUR);
	f.wall_off = 365 * DAY;
	fx_advance(&f, ahead_for);
	f.wall_off = 0;
	go_back(&f, 0);
	for (int i = 0; i < NIGHTS - 1; i++)
		fx_advance(&f, DAY);
	for (const char *p = f.dues->str; *p; p = strchr(p, '\n') + 1) {
		char *end;
		int64_t night = (strtoll(p, &end, 10) * SECOND) / DAY;

		if (g_str_has_prefix(end, " fired\n") && night < NIGHTS)
			fired[night]++;
	}
	for (int i = 0; i < NIGHTS - 1; i++)
		if (fired[i] != 1)
			fail_msg("night %d fired %d times", i, fired[i]);
	fx_free(&f);
}

static void a_wall_clock_jump_of_a_year_forth_and_back_loses_no_night(void **state)
{
	(void)state;
	check_year(SCHED("cron: \"0 2 * * *\", catch_up: last"), 10 * MINUTE);
	check_year(SCHED("cron: \"0 2 * * *\", catch_up: none"), 10 * MINUTE);
	check_year(SCHED("cron: \"0 2 * * *\", catch_up: last, deadline: 6h"),
	    10 * MINUTE);
	check_year(SCHED("cron: \"0 2 * * *\", jitter: 1h"), 9 * HOUR);
	check_year(MANY("{cron: \"0 2 * * *\"}, {cron: \"0 2 1 * *\"}"), 10 * MINUTE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_due_time_fires_once),
		cmocka_unit_test(when_sees_the_due_time_and_the_one_before),
		cmocka_unit_test(catch_up_last_makes_up_for_one),
		cmocka_unit_test(catch_up_none_skips_all),
		cmocka_unit_test(catch_up_all_makes_up_for_each_within_the_deadline),
		cmocka_unit_test(a_long_outage_has_bounded_rows),
		cmocka_unit_test(catching_up_on_many_takes_several_inputs),
		cmocka_unit_test(an_edit_never_fires_at_once),
		cmocka_unit_test(enabling_never_replays_the_time_it_was_off),
		cmocka_unit_test(a_wall_that_steps_back_fires_nothing_twice),
		cmocka_unit_test(going_back_is_an_input_of_its_own),
		cmocka_unit_test(
		    a_rule_that_began_on_a_clock_ahead_fires_after_the_correction),
		cmocka_unit_test(an_edit_and_a_step_back_fire_nothing_twice),
		cmocka_unit_test(
		    catch_up_last_is_not_for_what_is_older_than_a_decided_one),
		cmocka_unit_test(a_glitch_fires_nothing_from_before_the_beginning),
		cmocka_unit_test(decades_back_and_forth_are_bounded),
		cmocka_unit_test(a_glitch_fires_nothing_from_before_an_enabling),
		cmocka_unit_test(a_clock_ahead_at_the_beginning_loses_no_due_time),
		cmocka_unit_test(what_is_in_time_before_the_beginning_fires),
		cmocka_unit_test(an_edit_on_a_clock_ahead_settles_nothing),
		cmocka_unit_test(a_glitch_fires_nothing_from_before_an_edit),
		cmocka_unit_test(older_due_times_push_out_none_that_fired),
		cmocka_unit_test(the_deadline_of_a_due_time_carries_its_jitter),
		cmocka_unit_test(a_suppressed_due_time_says_so),
		cmocka_unit_test(each_schedule_has_its_own_due_times),
		cmocka_unit_test(an_instant_of_two_schedules_fires_once),
		cmocka_unit_test(each_schedule_catches_up_by_its_own_rule),
		cmocka_unit_test(an_edit_of_one_schedule_leaves_the_others),
		cmocka_unit_test(what_goes_with_a_schedule_is_recorded),
		cmocka_unit_test(several_schedules_survive_a_restart),
		cmocka_unit_test(
		    a_wall_clock_jump_of_a_year_forth_and_back_loses_no_night),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
