/* Counters, gauges and histograms in Prometheus text format 0.0.4.  Families are
 * rows of a table (operations.md's names); a family with more than 1,000 values of
 * its label adds the rest to "_other".  Loop thread only. */
#ifndef IO_METRICS_H
#define IO_METRICS_H

#include <glib.h>
#include <stdint.h>

enum metric_kind { METRIC_COUNTER = 1, METRIC_GAUGE, METRIC_HISTOGRAM };

/* name without prefix, e.g. "events_total"; labels as k1,v1,k2,v2,NULL. */
void metric_add(const char *name, double by, ...) __attribute__((sentinel));
void metric_set(const char *name, double value, ...) __attribute__((sentinel));
void metric_observe(const char *name, double seconds, ...) __attribute__((sentinel));
/* A counter's own cell, to be added to directly on hot paths; valid for ever. */
uint64_t *metric_counter(const char *name, ...) __attribute__((sentinel));
void metrics_print(GString *out);	/* includes the process_* family */
void metrics_reset(void);		/* for tests */
#endif
