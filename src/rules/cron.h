/* A cron line as sets of minutes, hours, days; and the search in local time.
 *
 * Local times are minutes since 1970-01-01 00:00 as if UTC. */
#ifndef RULES_CRON_H
#define RULES_CRON_H

#include "base/err.h"
#include "base/str.h"

struct cron {
	uint64_t	 minutes;	/* bits 0..59 */
	uint32_t	 hours;		/* 0..23 */
	uint32_t	 days;		/* 1..31 */
	uint32_t	 months;	/* 1..12 */
	uint32_t	 weekdays;	/* 0..6, 0 = Sunday */
	uint32_t	 last;		/* L-n: bit n, days before the month's last */
	uint32_t	 near;		/* nW: bits 1..31 */
	bool		 last_weekday;	/* LW */
	uint32_t	 nth[6];	/* weekdays: [n] of weekday#n, [0] of weekdayL */
	bool		 any_day, any_weekday;	/* the field had a '*' */
	bool		 interval;	/* the hour field has a '*': see schedule.h */
};
#define CRON_NEVER_UP INT64_MAX
#define CRON_NEVER_DOWN INT64_MIN

bool cron_parse(struct str, struct cron *ret, struct err *);
/* The first matching local minute >= from, resp. the last <= from, within 100 years. */
int64_t cron_up(const struct cron *, int64_t from);
int64_t cron_down(const struct cron *, int64_t from);
bool cron_matches(const struct cron *, int64_t minute);
struct civil;
/* Whether the line's days hold for this one; civil_of_ms() fills it (cron_day.c). */
bool cron_day(const struct cron *, const struct civil *);

#endif
