/* Time zones: IANA names checked against tzdata's own list, then loaded through
 * GLib.  THE ONE EXCEPTION to rule zero (design: zone files, opened when a rule
 * set is built): zones_get() reads files; everything else here is arithmetic on
 * what it loaded.  A set belongs to whoever built it and is immutable afterwards. */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include "base/err.h"
#include "base/str.h"

struct zones;
struct zone;

struct zones *zones_new(void);
void zones_free(struct zones *);
/* "UTC", an IANA name in tzdata's list, or [+-]HH:MM (sign optional).  Loads on
 * first use; the same name gives the same pointer.  NULL: *err names the nearest
 * known zone. */
const struct zone *zones_get(struct zones *, struct str name, struct err *);
/* Only what is loaded already, or a fixed offset; never a file. */
const struct zone *zones_find(const struct zones *, struct str name);
struct str zone_name(const struct zone *);
int64_t zone_offset_ms(const struct zone *, int64_t utc_ms);
/* Instants whose local time is local_ms (ms of the civil time as if UTC): 1, or
 * 2 (ascending) where the hour occurs twice, or 0 where it does not exist; then
 * ret[0] is the next instant that exists (the transition itself). */
int zone_instants(const struct zone *, int64_t local_ms, int64_t ret[2]);
/* The first transition after utc_ms, or INT64_MAX. */
int64_t zone_next_transition(const struct zone *, int64_t utc_ms);
#endif
