/* Detectors as signals (private to signal.c and to who names their members). */
#ifndef SIGNAL_DRIFT_H
#define SIGNAL_DRIFT_H

#include "signal/signal.h"

/* What expressions read of one, separated by '|'. */
const char *detector_members(void);
/* As signal_begin(). */
void detector_begin(struct cells *, uint32_t cell, uint32_t before);
enum signal_fate detector_add(const struct signal_spec *, struct cells *, uint32_t root,
    int64_t t_ms, const struct sample *, int64_t watermark);
/* NO_DATA before it can tell; ABSENT for a name that it does not have. */
struct value detector_read(const struct signal_spec *, const struct cells *,
    uint32_t root, struct str what);
bool detector_known(const struct signal_spec *, const struct cells *, uint32_t root);
uint64_t detector_count(const struct signal_spec *, const struct cells *, uint32_t root);
bool detector_drifts(const struct signal_spec *, const struct cells *, uint32_t root);
/* Begins anew with the baseline that it learned. */
void detector_rearm(const struct signal_spec *, struct cells *, uint32_t root);
/* As `explain` shows it: "stat 4.5, limit 8.05, n 120, baseline 10 ± 2 (champion)". */
void detector_text(const struct signal_spec *, const struct cells *, uint32_t root,
    GString *out);
/* Members of an object. */
void detector_summary(const struct signal_spec *, const struct cells *, uint32_t root,
    GString *json);
#endif
