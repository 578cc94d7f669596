/* Named calendars: windows of wall time in which rules may fire, or never.
 *
 * A calendar's windows are half-open; those that touch are one.  They come from weekdays,
 * times of day and dates in a zone, or from an iCalendar file (RFC 5545; ics.h).  A local
 * time that begins a window means its first instant, one that ends a window its last; one
 * that does not exist, the next instant that does. */
#ifndef RULES_CALENDAR_H
#define RULES_CALENDAR_H

#include "base/str.h"
#include "rules/recur.h"

struct zone;

struct calendar_dates {		/* from..to, both in it */
	bool		 yearly;	/* month * 32 + day; else days since 1970-01-01 */
	int64_t		 from, to;
};
struct calendar_times {		/* ms of the local day; to may be of the next */
	int64_t		 from, to;
};
struct calendar_event {		/* of a file */
	struct recur	 recur;
	const struct zone *zone;
	int64_t		 at_ms;		/* of the local day: when it begins */
	int64_t		 days, ms;	/* length: local days, then elapsed time */
	int64_t		 until_ms;	/* no later beginning; INT64_MAX: no bound */
	const int64_t	*except;	/* beginnings that are left out */
	uint32_t	 except_n;
};
struct calendar {		/* immutable, in the rule set's arena */
	struct str	 name;		/* with its bundle's prefix */
	uint8_t		 hash[16];	/* of all that it means */
	const struct zone *zone;
	uint8_t		 weekdays;	/* bit per day, 0 = Sunday */
	const struct calendar_times *times;
	uint32_t	 times_n;
	const struct calendar_dates *dates, *except;
	uint32_t	 dates_n, except_n;	/* no dates: every day */
	int64_t		 first_day, last_day;	/* no window begins outside */
	const struct calendar_event *events;
	uint32_t	 events_n;
};
/* What a rule says: it fires in any of `only`, and in none of `not`. */
struct calendar_use {
	const struct calendar **only, **not;
	uint32_t	 only_n, not_n;
};

bool calendar_in(const struct calendar *, int64_t wall_ms);
/* The first later instant at which that is otherwise; INT64_MAX: none within ten
 * years. */
int64_t calendar_change(const struct calendar *, int64_t wall_ms);
/* False: *ret_by stops it (inside it where *ret_inside), and *ret_end is the first
 * instant at which nothing does; INT64_MAX: not within ten years. */
bool calendar_allows(const struct calendar_use *, int64_t wall_ms,
    const struct calendar **ret_by, bool *ret_inside, int64_t *ret_end);
#endif
