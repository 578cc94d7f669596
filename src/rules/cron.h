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
	bool		 any_day, any_weekday;	/* the field had a '*' */
	bool		 interval;	/* minute or hour field is a step or '*' */
};
#define CRON_NEVER_UP INT64_MAX
#define CRON_NEVER_DOWN INT64_MIN

bool cron_parse(struct str, struct cron *ret, struct err *);
/* The first matching local minute >= from, resp. the last <= from, within 100 years. */
int64_t cron_up(const struct cron *, int64_t from);
int64_t cron_down(const struct cron *, int64_t from);
bool cron_matches(const struct cron *, int64_t minute);

#endif
