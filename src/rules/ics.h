/* iCalendar files (RFC 5545) as windows of calendars: VEVENT with DTSTART, DTEND or
 * DURATION, RRULE (rules/recur.h, COUNT, UNTIL), EXDATE, whole days, TZID by IANA name.
 * Other components, and properties that say nothing about time, are passed over; what is
 * about time and not understood is an error at its place. */
#ifndef RULES_ICS_H
#define RULES_ICS_H

#include "rules/calendar.h"
#include "rules/load.h"

/* Text number `text` of the load's diags.  Times without a zone are of `zone`.  False:
 * errors were added. */
bool ics_read(struct load *, uint32_t text, const struct zone *zone,
    const struct calendar_event **ret, uint32_t *ret_n);
#endif
