/* Tests against a baseline as signals (private to signal.c and to who names their
 * members). */
#ifndef SIGNAL_TESTER_H
#define SIGNAL_TESTER_H

#include "signal/signal.h"

/* What expressions read of one, separated by '|'. */
const char *tester_members(void);
/* As signal_begin(). */
void tester_begin(struct cells *, uint32_t cell, uint32_t before);
void tester_free(struct cells *, uint32_t root);	/* what hangs on the root */
enum signal_fate tester_add(const struct signal_spec *, struct cells *, uint32_t root,
    int64_t t_ms, const struct sample *, int64_t watermark);
/* Whether a window has ended at that clock; then tester_close() judges it. */
bool tester_due(const struct signal_spec *, const struct cells *, uint32_t root,
    int64_t clock_ms);
void tester_close(const struct signal_spec *, struct cells *, uint32_t root,
    int64_t clock_ms, const struct baseline *);
/* The end of the oldest open window; INT64_MAX: none. */
int64_t tester_next(const struct signal_spec *, const struct cells *, uint32_t root);
/* NO_DATA before a window could be judged; ABSENT for a name that it does not have. */
struct value tester_read(const struct signal_spec *, const struct cells *,
    uint32_t root, struct str what);
bool tester_known(const struct signal_spec *, const struct cells *, uint32_t root);
uint64_t tester_count(const struct signal_spec *, const struct cells *, uint32_t root);
/* As `explain` shows it: "psi 0.31 (limit 0.1), n 500 of 20000 (champion)". */
void tester_text(const struct signal_spec *, const struct cells *, uint32_t root,
    GString *out);
/* Members of an object. */
void tester_summary(const struct signal_spec *, const struct cells *, uint32_t root,
    GString *json);
#endif
