/* Due times: cron lines in a zone, intervals, and given times.
 *
 * A cron line that names its hours ("fixed": `30 2 * * *`) maps each local time to
 * one instant: the first where it occurs twice, the next one that exists where it
 * does not.  That map, instant(), never goes backwards, which is why next and previous
 * can search local times alone:
 *	(1) for every local minute l <= local(t): instant(l) <= t
 *	(2) a later minute whose instant is still before t stands less than one
 *	    transition (25 h covers them all) ahead of local(t).
 * A line whose hour field has a `*` ("interval": hourly, every six hours) follows the
 * clock on the wall: it is due at each instant whose local time matches, so a repeated
 * hour repeats and a missing one is left out.  Vixie cron draws the same line at a `*`
 * in the minutes as well; by the hours alone, a line that is due all through hour 2 of
 * each night loses none of them.
 *
 * Floor division throughout: times before 1970 are negative. */
#include "rules/schedule.h"

#include "base/arena.h"
#include "base/json.h"
#include "base/option.h"
#include "base/time.h"
#include "base/zone.h"
#include "rules/cron.h"

#define MINUTE INT64_C(60000)
#define DAY (1440 * MINUTE)
#define AHEAD_MINUTES (25 * 60)
#define WALK (32 * DAY)
#define CENTURY (36525 * DAY)

struct schedule {
	struct str	 text;
	int64_t		 every_ms;	/* 0: cron or times */
	const int64_t	*times;		/* NULL: cron or every */
	uint32_t	 times_n;
	struct cron	 cron;
	const struct zone *zone;
};

struct schedule *schedule_cron(struct str text, const struct zone *zone,
    struct arena *arena, struct err *err)
{
	struct cron cron;
	struct schedule *s;

	if (!cron_parse(text, &cron, err))
		return NULL;
	s = ARENA_NEW(arena, struct schedule);
	*s = (struct schedule){
	    .text = arena_str(arena, text), .cron = cron, .zone = zone};
	return s;
}

struct schedule *schedule_every(int64_t every_ms, struct arena *arena)
{
	struct schedule *s = ARENA_NEW(arena, struct schedule);
	GString *text = g_string_new("every ");

	duration_print(every_ms, text);
	*s = (struct schedule){.every_ms = every_ms,
		.text = arena_str(arena, (struct str){text->str, (uint32_t)text->len})};
	g_string_free(text, true);
	return s;
}

struct schedule *schedule_times(const int64_t *v, uint32_t n, const struct zone *zone,
    struct arena *arena)
{
	struct schedule *s = ARENA_NEW(arena, struct schedule);
	char first[TIME_TEXT];

	time_print(v[0], first);
	*s = (struct schedule){.times = v, .times_n = n, .zone = zone,
		.text = n == 1 ? arena_printf(arena, "at %s", first)
			       : arena_printf(arena, "at %s and %u other times", first,
				     n - 1)};
	return s;
}

void schedule_times_json(const struct schedule *s, GString *out)
{
	for (uint32_t i = 0; s && i < s->times_n; i++)
		json_time(out, s->times[i]);
}

/* How many of the given times are <= t. */
static uint32_t times_upto(const struct schedule *s, int64_t t)
{
	uint32_t lo = 0, hi = s->times_n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (s->times[mid] <= t)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* When a local minute is due under a fixed line. */
static int64_t instant(const struct schedule *s, int64_t minute)
{
	int64_t at[2];

	zone_instants(s->zone, minute * MINUTE, at);
	return at[0];
}

static int64_t local_minute(const struct schedule *s, int64_t ms)
{
	return floor_div(ms + zone_offset_ms(s->zone, ms), MINUTE);
}

static int64_t fixed_next(const struct schedule *s, int64_t after)
{
	int64_t m = local_minute(s, after);

	while ((m = cron_up(&s->cron, m + 1)) != CRON_NEVER_UP)
		if (instant(s, m) > after)
			return instant(s, m);
	return INT64_MAX;
}

static int64_t fixed_prev(const struct schedule *s, int64_t before)
{
	int64_t m = local_minute(s, before - 1) + AHEAD_MINUTES + 1;

	while ((m = cron_down(&s->cron, m - 1)) != CRON_NEVER_DOWN)
		if (instant(s, m) < before)
			return instant(s, m);
	return INT64_MIN;
}

/* One stretch of constant offset at a time. */
static int64_t interval_next(const struct schedule *s, int64_t after)
{
	int64_t limit = after + CENTURY;

	while (after < limit) {
		int64_t off = zone_offset_ms(s->zone, after + 1);
		int64_t end = zone_next_transition(s->zone, after + 1);
		int64_t m = cron_up(&s->cron, floor_div(after + off, MINUTE) + 1);

		if (m == CRON_NEVER_UP && end == INT64_MAX)
			break;
		if (m != CRON_NEVER_UP && m * MINUTE - off < end)
			return m * MINUTE - off;
		after = end - 1;
	}
	return INT64_MAX;
}

/* The start of the stretch that holds t, or t - WALK if it began earlier. */
static int64_t stretch_start(const struct zone *z, int64_t t)
{
	int64_t start = t - WALK, next;

	while ((next = zone_next_transition(z, start)) <= t)
		start = next;
	return start;
}

static int64_t interval_prev(const struct schedule *s, int64_t before)
{
	int64_t limit = before - CENTURY;

	for (int64_t t = before - 1; t > limit;) {
		int64_t off = zone_offset_ms(s->zone, t);
		int64_t start = stretch_start(s->zone, t);
		int64_t m = cron_down(&s->cron, floor_div(t + off, MINUTE));

		if (m == CRON_NEVER_DOWN)
			break;
		if (m * MINUTE - off >= start)
			return m * MINUTE - off;
		t = start - 1;
	}
	return INT64_MIN;
}

int64_t schedule_next(const struct schedule *s, int64_t after_ms)
{
	uint32_t i;

	if (s->times) {
		i = times_upto(s, after_ms);
		return i < s->times_n ? s->times[i] : INT64_MAX;
	}
	if (s->every_ms)
		return (floor_div(after_ms, s->every_ms) + 1) * s->every_ms;
	return s->cron.interval ? interval_next(s, after_ms) : fixed_next(s, after_ms);
}

int64_t schedule_prev(const struct schedule *s, int64_t before_ms)
{
	uint32_t i;

	if (s->times) {
		i = times_upto(s, before_ms - 1);
		return i ? s->times[i - 1] : INT64_MIN;
	}
	if (s->every_ms)
		return floor_div(before_ms - 1, s->every_ms) * s->every_ms;
	return s->cron.interval ? interval_prev(s, before_ms) : fixed_prev(s, before_ms);
}

int64_t schedule_jitter(struct str uid, int64_t due_ms, int64_t jitter_ms)
{
	GChecksum *sum;
	guint8 digest[32], due[8];
	gsize n = sizeof digest;
	uint64_t h = 0;

	if (jitter_ms <= 0)
		return 0;
	for (int i = 0; i < 8; i++)
		due[i] = (guint8)((uint64_t)due_ms >> (8 * i));
	sum = g_checksum_new(G_CHECKSUM_SHA256);
	g_checksum_update(sum, due, sizeof due);
	g_checksum_update(sum, (const guchar *)uid.p, (gssize)uid.len);
	g_checksum_get_digest(sum, digest, &n);
	g_checksum_free(sum);
	for (int i = 0; i < 8; i++)
		h = h << 8 | digest[i];
	return (int64_t)(h % (uint64_t)jitter_ms);
}

static bool single(uint64_t bits)
{
	return bits && (bits & (bits - 1)) == 0;
}

static bool has_nth(const struct cron *c)
{
	for (int i = 0; i < 6; i++)
		if (c->nth[i])
			return true;
	return false;
}

void schedule_print(const struct schedule *s, GString *out)
{
	const struct cron *c = &s->cron;
	static const char *const days[] = {
	    "Sunday",
	    "Monday",
	    "Tuesday",
	    "Wednesday",
	    "Thursday",
	    "Friday",
	    "Saturday",
	};

	if (s->every_ms || s->times) {
		g_string_append_len(out, s->text.p, s->text.len);
		return;
	}
	if (single(c->minutes) && single(c->hours) && c->any_day &&
	    c->days == 0xfffffffe && c->months == 0x1ffe &&
	    (c->weekdays == 0x7f || (single(c->weekdays) && !has_nth(c))))
		g_string_append_printf(out, "at %02d:%02d every %s",
		    __builtin_ctz(c->hours), __builtin_ctzll(c->minutes),
		    c->weekdays == 0x7f ? "day" : days[__builtin_ctz(c->weekdays)]);
	else
		g_string_append_len(out, s->text.p, s->text.len);
	g_string_append_printf(out, " (%.*s)", STR_ARG(zone_name(s->zone)));
}

static void print_note(const struct schedule *s, int64_t minute, int64_t due,
    bool missing, GString *out)
{
	int64_t then = local_minute(s, due);
	struct civil d, t;

	civil_of_ms(minute * MINUTE, &d);
	civil_of_ms(then * MINUTE, &t);
	g_string_append_printf(out, "%02d:%02d %s on %04d-%02d-%02d in %.*s: ", d.hour,
	    d.minute, missing ? "does not exist" : "occurs twice", (int)d.year, d.month,
	    d.day, STR_ARG(zone_name(s->zone)));
	if (missing)
		g_string_append_printf(out, "moved to %02d:%02d", t.hour, t.minute);
	else
		g_string_append(out, "the first is taken");
}

void schedule_note(const struct schedule *s, int64_t due_ms, GString *out)
{
	int64_t at[2], m;

	if (s->every_ms || s->times || s->cron.interval)
		return;
	m = local_minute(s, due_ms);
	if (cron_matches(&s->cron, m) && instant(s, m) == due_ms) {
		if (zone_instants(s->zone, m * MINUTE, at) == 2)
			print_note(s, m, due_ms, false, out);
		return;
	}
	m = cron_down(&s->cron, m - 1);
	if (m != CRON_NEVER_DOWN && instant(s, m) == due_ms)
		print_note(s, m, due_ms, true, out);
}
