/* What the two files that read iCalendar share; nobody else includes this. */
#ifndef RULES_ICS_READ_H
#define RULES_ICS_READ_H

#include "rules/ics.h"

#define ICS_DAY_MS INT64_C(86400000)
#define ICS_EXCEPT_MAX 1000

struct ics {			/* one file being read */
	struct load	*ld;
	uint32_t	 text, at;	/* offset of the next line */
	const struct zone *zone;	/* of times without one */
	GArray		*events;	/* struct calendar_event */
};
struct ics_line {
	struct span	 at;
	struct str	 text;		/* unfolded */
};
struct ics_prop {
	struct span	 at;
	struct str	 name, value, tzid, type;
};
struct ics_time {
	int64_t		 day, ms;	/* local */
	const struct zone *zone;
	bool		 date, utc;	/* a whole day; Z */
};
struct ics_draft {		/* what the properties of an event said */
	struct span	 begin_at, start_at, end_at, rule_at;
	struct ics_time	 start, end, until;
	int64_t		 days, ms, count;
	struct recur	 recur;
	struct ics_time	*except;
	uint32_t	 except_n, except_cap;
	bool		 has_start, has_end, has_duration, has_rule, has_until;
	bool		 cancelled, bad;
};
/* Adds an error; false. */
#define ICS_BAD(x, at, ...) \
	ics_told(diag_add((x)->ld->diags, SEV_ERROR, at, __VA_ARGS__))
static inline bool ics_told(const struct diag *d)
{
	(void)d;
	return false;
}

int64_t ics_instant(const struct ics_time *);
/* ics_value.c: what one property of an event says; false: an error was added. */
bool ics_property(struct ics *, const struct ics_prop *, struct ics_draft *);
#endif
