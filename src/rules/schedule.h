/* Cron, interval and given times: arithmetic next/previous search, no enumeration.
 *
 * Cron: five fields with names, ranges, lists and steps, day-of-month OR
 * day-of-week when both are restricted (POSIX crontab(5)), L L-n LW nW weekday#n
 * weekdayL (cron_day.c), @hourly @daily @midnight @weekly @monthly @yearly @annually.
 * A line that names its hours: a local time that does not exist moves to the next
 * instant that does; one that occurs twice fires at the first only; several that come
 * to the same instant are one due time.  A line whose hour field has a `*` follows the
 * clock on the wall: a repeated hour repeats, a missing one is left out.
 * `every: D` counts from the epoch (k * D) in elapsed time. */
#ifndef RULES_SCHEDULE_H
#define RULES_SCHEDULE_H

#include "base/diag.h"
#include "base/err.h"

struct arena;
struct zone;
struct schedule;

enum catch_up { CATCH_UP_NONE = 1, CATCH_UP_LAST, CATCH_UP_ALL };

/* NULL: *err says what was expected (col: 1-based position in the text). */
struct schedule *schedule_cron(struct str text, const struct zone *, struct arena *,
    struct err *);
struct schedule *schedule_every(int64_t every_ms, struct arena *);
/* Given instants, ascending, no two alike; kept by the caller's arena.  The zone is for
 * printing. */
struct schedule *schedule_times(const int64_t *, uint32_t n, const struct zone *,
    struct arena *);
void schedule_times_json(const struct schedule *, GString *out);	/* elements */
/* The first due time > after_ms, resp. the last < before_ms; INT64_MAX / INT64_MIN:
 * there is none within 100 years. */
int64_t schedule_next(const struct schedule *, int64_t after_ms);
int64_t schedule_prev(const struct schedule *, int64_t before_ms);
/* Stable jitter in [0, jitter_ms): from the rule's uid and the due time. */
int64_t schedule_jitter(struct str uid, int64_t due_ms, int64_t jitter_ms);
/* "at 02:00 every day (Asia/Shanghai)" where simple, else the text itself. */
void schedule_print(const struct schedule *, GString *out);
/* Why this due time is not at the nominal local time, e.g. "02:30 does not exist on
 * 2026-03-29 in Europe/Berlin: moved to 03:00"; empty where nothing is special. */
void schedule_note(const struct schedule *, int64_t due_ms, GString *out);
#endif
