/* The days on which an event of a calendar file repeats: RFC 5545, 3.3.10 and 3.8.5.3,
 * as far as whole days go (FREQ DAILY to YEARLY; INTERVAL, BYMONTH, BYMONTHDAY, BYDAY,
 * WKST).  Days are numbers since 1970-01-01, local. */
#ifndef RULES_RECUR_H
#define RULES_RECUR_H

#include <stdbool.h>
#include <stdint.h>

enum recur_freq { RECUR_ONCE = 0, RECUR_DAILY, RECUR_WEEKLY, RECUR_MONTHLY,
	RECUR_YEARLY };
enum { RECUR_BY_MAX = 64 };
struct recur_weekday {
	int		 nth;		/* of the period, < 0 from its end; 0: each */
	int		 weekday;	/* 0 = Sunday */
};
struct recur {			/* a zeroed one: once, on `start` */
	enum recur_freq	 freq;
	int64_t		 interval;	/* from 1 */
	int64_t		 start, last;	/* days; last INT64_MAX: no end */
	uint32_t	 months;	/* bit per month 1..12; 0: any */
	uint32_t	 days, days_back;	/* bit per day of the month; backwards */
	struct recur_weekday by[RECUR_BY_MAX];
	uint32_t	 by_n;
	int		 week_start;	/* 0 = Sunday */
};

bool recur_on(const struct recur *, int64_t day);
/* The first day >= from on which it is; INT64_MAX: none up to `limit`. */
int64_t recur_next(const struct recur *, int64_t from, int64_t limit);
/* COUNT: `last` becomes the day of the n-th (unchanged where a century has fewer). */
void recur_count(struct recur *, int64_t n);
#endif
