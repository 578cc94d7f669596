/* Cron lines around every change of the clock, beside a walk over minutes:
 *
 *	build/tests/zones ZONE...
 *
 * The oracle is the C library's localtime_r(), which shares no code with base/zone.c
 * (GLib reads the files there), and lines that are written here as C.  Around each
 * transition of 1970-2037 it walks 38 h either way, from local minute to local minute,
 * and says which instants are due by the policy of docs/rules.md:
 *	an hour field with `*`	every instant whose local time matches
 *	else			of each matching local time the first instant, and the
 *				transition itself where that time is left out
 * Within 36 h schedule_next() and schedule_prev() must give those and no other.  Prints
 * `ZONE transitions due` for each; exit 1 if anything differs. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/zone.h"
#include "rules/schedule.h"

#define BEGIN INT64_C(0)
#define END INT64_C(2145916800)		/* 2038 */
#define STRIDE (6 * 3600)
#define COMPARED (36 * 3600)
#define WALKED (38 * 3600)
#define SECONDS_MAX (10 * 60)		/* walked by seconds */
#define INSTANTS_MAX (2 * WALKED / 60 + SECONDS_MAX)
#define MINUTES_MAX (INSTANTS_MAX + 2 * 1440)	/* a day may be left out */
#define FAILURES_MAX 20

/* ---- the lines ---- */

struct moment {
	int		 minute, hour, day, weekday, month_days;
};

static bool half_hourly(const struct moment *m)
{
	return m->minute % 30 == 0;
}

static bool half_past_two(const struct moment *m)
{
	return m->hour == 2 && m->minute == 30;
}

static bool midnight(const struct moment *m)
{
	return m->hour == 0 && m->minute == 0;
}

static bool twice_in_hour_two(const struct moment *m)
{
	return m->hour == 2 && m->minute % 30 == 0;
}

static bool early_on_weekdays(const struct moment *m)
{
	return m->minute == 15 && m->hour >= 1 && m->hour <= 3 && m->weekday >= 1 &&
	    m->weekday <= 5;
}

static bool last_of_month(const struct moment *m)
{
	return m->minute == 0 && m->hour == 3 && m->day == m->month_days;
}

static bool first_sunday(const struct moment *m)
{
	return m->minute == 0 && m->hour == 2 && m->weekday == 0 && m->day <= 7;
}

/* The weekday nearest to the 15th. */
static bool near_the_15th(const struct moment *m)
{
	bool day = (m->day == 15 && m->weekday % 6 != 0) ||
	    (m->day == 14 && m->weekday == 5) || (m->day == 16 && m->weekday == 1);

	return m->minute == 30 && m->hour == 1 && day;
}

static const struct line {
	const char	*text;
	bool		 every_hour;
	bool		 (*holds)(const struct moment *);
} lines[] = {
	{ "*/30 * * * *", true, half_hourly },
	{ "30 2 * * *", false, half_past_two },
	{ "0 0 * * *", false, midnight },
	{ "*/30 2 * * *", false, twice_in_hour_two },
	{ "15 1-3 * * 1-5", false, early_on_weekdays },
	{ "0 3 L * *", false, last_of_month },
	{ "0 2 * * 0#1", false, first_sunday },
	{ "30 1 15W * *", false, near_the_15th },
};
#define LINES (sizeof(lines) / sizeof(*lines))

static int month_days(const struct tm *tm)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int y = tm->tm_year + 1900;
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

	return tm->tm_mon == 1 && leap ? 29 : days[tm->tm_mon];
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* A local time, in minutes as if UTC. */
static struct moment moment_of(int64_t minute)
{
	static int64_t day_is = INT64_MIN;
	static struct moment m;
	int64_t day = floor_div(minute, 1440);
	time_t t = (time_t)(day * 86400);
	struct tm tm;

	if (day != day_is) {
		gmtime_r(&t, &tm);
		m.day = tm.tm_mday;
		m.weekday = tm.tm_wday;
		m.month_days = month_days(&tm);
		day_is = day;
	}
	m.hour = (int)(minute - day * 1440) / 60;
	m.minute = (int)(minute - day * 1440) % 60;
	return m;
}

/* ---- the walk ---- */

struct walk {
	int64_t		 at[INSTANTS_MAX], local[INSTANTS_MAX];	/* seconds */
	int		 n;
	int64_t		 first[MINUTES_MAX];	/* by local minute from `base` on */
	int64_t		 base;
	int		 minutes;
};
static struct walk walk;
static int64_t expected[INSTANTS_MAX];
static int failures;

static int64_t local_of(int64_t t)
{
	time_t at = (time_t)t;
	struct tm tm;

	localtime_r(&at, &tm);
	return t + tm.tm_gmtoff;
}

/* From local minute to local minute; by seconds where the clock changes between two. */
static void walk_from(struct walk *w, int64_t t, int64_t end)
{
	int64_t local = local_of(t), slow_until = t;

	for (w->n = 0; t < end && w->n < INSTANTS_MAX; w->n++) {
		int64_t step = local % 60 == 0 && t >= slow_until ? 60 : 1;
		int64_t next = local_of(t + step);

		w->at[w->n] = t;
		w->local[w->n] = local;
		if (step == 60 && next - local != 60) {
			slow_until = t + 60;
			step = 1;
			next = local_of(t + 1);
		}
		t += step;
		local = next;
	}
	if (t < end) {
		fprintf(stderr, "zones: the walk is too short\n");
		exit(2);
	}
}

/* When each local minute comes: the first time, or when the clock jumps over it. */
static void settle(struct walk *w)
{
	int64_t lo = w->local[0], hi = lo;

	for (int i = 1; i < w->n; i++) {
		lo = w->local[i] < lo ? w->local[i] : lo;
		hi = w->local[i] > hi ? w->local[i] : hi;
	}
	w->base = floor_div(lo, 60);
	w->minutes = (int)(floor_div(hi, 60) - w->base + 1);
	if (w->minutes > MINUTES_MAX)
		exit(2);
	for (int k = 0; k < w->minutes; k++)
		w->first[k] = INT64_MAX;
	for (int i = w->n - 1; i >= 0; i--)
		if (w->local[i] % 60 == 0)
			w->first[w->local[i] / 60 - w->base] = w->at[i];
	for (int i = 1; i < w->n; i++)
		for (int64_t m = floor_div(w->local[i - 1], 60) + 1;
		    m * 60 < w->local[i]; m++)
			if (w->first[m - w->base] == INT64_MAX)
				w->first[m - w->base] = w->at[i];
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* What is due in (from, to), ascending and each once. */
static int expect(const struct walk *w, const struct line *l, int64_t from, int64_t to)
{
	int n = 0, k = 0;

	for (int i = 0; l->every_hour && i < w->n; i++) {
		struct moment m = moment_of(floor_div(w->local[i], 60));

		if (w->local[i] % 60 == 0 && w->at[i] > from && w->at[i] < to &&
		    l->holds(&m))
			expected[n++] = w->at[i];
	}
	for (int i = 0; !l->every_hour && i < w->minutes; i++) {
		struct moment m = moment_of(w->base + i);

		if (w->first[i] > from && w->first[i] < to && l->holds(&m))
			expected[n++] = w->first[i];
	}
	qsort(expected, (size_t)n, sizeof(*expected), ascending);
	for (int i = 0; i < n; i++)
		if (!k || expected[k - 1] != expected[i])
			expected[k++] = expected[i];
	return k;
}

/* ---- beside the schedule ---- */

static void differ(const char *zone, const struct line *l, const char *which,
    int64_t wanted, int64_t got)
{
	if (failures++ < FAILURES_MAX)
		printf("FAIL %s '%s' %s: expected %lld, got %lld\n", zone, l->text, which,
		    (long long)wanted, (long long)got);
}

static void compare(const char *zone, const struct line *l, const struct schedule *s,
    int64_t from, int64_t to, int n)
{
	int64_t t = from * 1000;

	for (int i = 0; i <= n; i++) {
		t = schedule_next(s, t);
		if (i < n ? t != expected[i] * 1000 : t < to * 1000) {
			differ(zone, l, "next", i < n ? expected[i] : to, t / 1000);
			return;
		}
	}
	t = to * 1000;
	for (int i = n - 1; i >= -1; i--) {
		t = schedule_prev(s, t);
		if (i >= 0 ? t != expected[i] * 1000 : t > from * 1000) {
			differ(zone, l, "prev", i >= 0 ? expected[i] : from, t / 1000);
			return;
		}
	}
}

static int64_t around(const char *zone, struct schedule **s, int64_t t)
{
	int64_t due = 0;

	walk_from(&walk, t - WALKED, t + WALKED);
	settle(&walk);
	for (size_t i = 0; i < LINES; i++) {
		int n = expect(&walk, &lines[i], t - COMPARED, t + COMPARED);

		compare(zone, &lines[i], s[i], t - COMPARED, t + COMPARED, n);
		due += n;
	}
	return due;
}

/* The instant in (lo, hi] from which hi's offset holds. */
static int64_t bisect(int64_t lo, int64_t hi)
{
	int64_t off = local_of(hi) - hi;

	while (hi - lo > 1) {
		int64_t mid = lo + (hi - lo) / 2;

		if (local_of(mid) - mid == off)
			hi = mid;
		else
			lo = mid;
	}
	return hi;
}

static void check_zone(const char *name, struct zones *zones, struct arena *a)
{
	struct err err = { 0 };
	const struct zone *z = zones_get(zones, str_of(name), &err);
	struct schedule *s[LINES];
	int64_t transitions = 0, due = 0;

	for (size_t i = 0; z && i < LINES; i++) {
		s[i] = schedule_cron(str_of(lines[i].text), z, a, &err);
		z = s[i] ? z : NULL;
	}
	if (!z) {
		printf("FAIL %s: %s\n", name, err.msg);
		failures++;
		return;
	}
	setenv("TZ", name, 1);
	tzset();
	for (int64_t t = BEGIN; t < END; t += STRIDE) {
		if (local_of(t) - t == local_of(t + STRIDE) - t - STRIDE)
			continue;
		transitions++;
		due += around(name, s, bisect(t, t + STRIDE));
	}
	printf("%s %lld %lld\n", name, (long long)transitions, (long long)due);
}

int main(int argc, char **argv)
{
	struct zones *zones = zones_new();
	struct arena *a = arena_new(0);

	for (int i = 1; i < argc; i++)
		check_zone(argv[i], zones, a);
	arena_free(a);
	zones_free(zones);
	return failures != 0;
}
