/* Detectors of rules: reading them, and what they are called. */
#ifndef RULES_RULE_DETECT_H
#define RULES_RULE_DETECT_H

#include "rules/build.h"
#include "signal/detect.h"

/* `baseline` of a detector or a test. */
void rule_baseline(struct reading *, const struct yaml *, struct rule_signal *);
/* A parameter within its bounds, of a detector or a test. */
void rule_par(struct reading *, const struct yaml *key, const struct yaml *,
    const struct detect_par *, double *ret);
/* `detect` and `baseline` of a signal. */
void rule_detect(struct reading *, const struct yaml *map, struct rule_signal *);
/* Whether there can be a baseline; the model is known by then. */
void rule_detect_check(struct reading *, const struct yaml *map,
    const struct rule_signal *);
void rule_detect_hash(struct reading *, const struct yaml *map, GString *json);
/* The detectors and their parameters as a page of the reference. */
void rules_detectors(GString *markdown);
#endif
