/* Whether a stream is what detectors assume: samples that do not depend on one another.
 *
 * Autocorrelation and season break every detector (docs/conditions.md): an AR(1) stream
 * with phi 0.9, or one with a daily wave, gives hundreds of times the false alarms that
 * expected_run promises.  Both are measured on the in-control samples, in the order of
 * arrival.
 *
 *	lag1	sum (x_t - m)(x_t+1 - m) / sum (x_t - m)^2   (Box & Jenkins 1970, r_1)
 *	season	share of the variance between the 168 hours of the week, adjusted for
 *		their number: 1 - (1 - eta^2)(n - 1)/(n - B)   (Ezekiel 1930), so that
 *		few samples per hour do not look like a season; hours in UTC
 *
 * A zeroed struct has no sample.  No memory beside it. */
#ifndef SIGNAL_CORRELATION_H
#define SIGNAL_CORRELATION_H

#include <stdbool.h>
#include <stdint.h>

#define CORRELATION_HOURS 168
#define CORRELATION_MIN 200		/* samples for lag1 */
#define CORRELATION_LAG1 0.3		/* more is told */
#define CORRELATION_SEASON 0.3
#define CORRELATION_SPAN_MS (INT64_C(7) * 86400000)	/* for the season */

struct correlation {
	uint64_t	 n;
	int64_t		 from, to;	/* least and greatest time, ms */
	double		 shift, first, last;
	double		 sum, squares, products;	/* of x - shift */
	uint32_t	 hour_n[CORRELATION_HOURS];
	double		 hour_sum[CORRELATION_HOURS];
};
/* One sample; a non-finite one is passed over. */
void correlation_add(struct correlation *, int64_t t_ms, double x);
/* False: too few samples, too short a time, or a constant stream. */
bool correlation_lag1(const struct correlation *, double *ret);
bool correlation_season(const struct correlation *, double *ret);
#endif
