/* Autocorrelation and season of a stream, in one pass.
 *
 * Sums are of the distance from the first sample, so that a large level costs no
 * digits. */
#include "signal/correlation.h"

#include <glib.h>
#include <math.h>

#define HOUR_MS INT64_C(3600000)
#define WEEK_MS (CORRELATION_HOURS * HOUR_MS)

/* Which of a week's hours; the first is that of the epoch. */
static uint32_t hour_of(int64_t t_ms)
{
	return (uint32_t)((t_ms % WEEK_MS + WEEK_MS) % WEEK_MS / HOUR_MS);
}

void correlation_add(struct correlation *c, int64_t t_ms, double x)
{
	uint32_t hour = hour_of(t_ms);
	double y;

	if (!isfinite(x))
		return;
	if (c->n == 0) {
		c->shift = x;
		c->from = c->to = t_ms;
	}
	y = x - c->shift;
	if (c->n == 0)
		c->first = y;
	else
		c->products += c->last * y;
	c->last = y;
	c->n++;
	c->from = MIN(c->from, t_ms);
	c->to = MAX(c->to, t_ms);
	c->sum += y;
	c->squares += y * y;
	c->hour_n[hour]++;
	c->hour_sum[hour] += y;
}

/* Sum of squared distances from the mean; 0: constant, as far as doubles tell. */
static double spread(const struct correlation *c)
{
	double s = c->squares - c->sum * c->sum / (double)c->n;

	return s > 1e-12 * c->squares ? s : 0;
}

bool correlation_lag1(const struct correlation *c, double *ret)
{
	double n = (double)c->n, m, s;

	if (c->n < CORRELATION_MIN || (s = spread(c)) == 0)
		return false;
	m = c->sum / n;
	/* sum over pairs of (a - m)(b - m) */
	*ret = (c->products - m * (2 * c->sum - c->first - c->last) + (n - 1) * m * m) /
	    s;
	return true;
}

bool correlation_season(const struct correlation *c, double *ret)
{
	double n = (double)c->n, s, between = 0, bins = 0, eta;

	if (c->n == 0 || c->to - c->from < CORRELATION_SPAN_MS || (s = spread(c)) == 0)
		return false;
	for (unsigned i = 0; i < CORRELATION_HOURS; i++) {
		if (!c->hour_n[i])
			continue;
		bins++;
		between += c->hour_sum[i] * c->hour_sum[i] / c->hour_n[i];
	}
	if (n < 2 * bins)
		return false;
	eta = (between - c->sum * c->sum / n) / s;
	*ret = 1 - (1 - eta) * (n - 1) / (n - bins);
	return true;
}
