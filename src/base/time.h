/* Times as int64_t milliseconds since the epoch (UTC), RFC 3339 text, and
 * civil dates by arithmetic (Howard Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms").  Nothing here reads a clock. */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include "base/str.h"

#define TIME_TEXT 32
#define TIME_NONE INT64_MIN	/* "no time" wherever one may be missing */

struct civil {
	int64_t	 year;
	int	 month, day;		/* 1..12, 1..31 */
	int	 hour, minute, second, milli;
	int	 weekday;		/* 0 = Sunday */
	int	 yearday;		/* 0..365 */
};

int64_t days_from_civil(int64_t year, int month, int day);
int64_t civil_to_ms(const struct civil *);	/* weekday and yearday are ignored */
void civil_of_ms(int64_t ms, struct civil *ret);
/* "2026-03-01T03:30:00.000Z" into buf[TIME_TEXT]; returns buf. */
char *time_print(int64_t ms, char *buf);
/* Strict RFC 3339: T or t, Z, z or an offset, 0..9 fraction digits (kept to ns
 * in *ret_nanos if given), seconds 00..59, years 0001..9999. */
bool time_parse(struct str, int64_t *ret_ms, int32_t *ret_nanos);
#endif
