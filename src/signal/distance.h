/* Distances of two histograms, or of two samples.  Counts are >= 0, `b` cells, sums
 * above 0; samples ascend and are not empty.  Sources: conditions of the names. */
#ifndef SIGNAL_DISTANCE_H
#define SIGNAL_DISTANCE_H

#include <stdint.h>

/* Population stability index with half a count more in every cell, so that an empty
 * one has a finite weight: sum (p - q) ln(p / q), p = (n_i + 1/2) / (n + b/2). */
double psi(const double *ref, const double *cur, uint32_t b);
/* Jensen-Shannon (Lin 1991): the divergence in nats, and the distance sqrt of bits. */
double js_divergence(const double *ref, const double *cur, uint32_t b);
double js_distance(const double *ref, const double *cur, uint32_t b);
double hellinger(const double *ref, const double *cur, uint32_t b);
double linf(const double *ref, const double *cur, uint32_t b);
/* Pearson's statistic of the 2 x b table; cells empty in both count for nothing. */
double chi2_two_sample(const double *ref, const double *cur, uint32_t b, uint32_t *df);
/* Greatest distance of the two empirical distributions. */
double ks_distance(const double *ref, uint32_t m, const double *cur, uint32_t n);
double ks_binned(const double *ref, const double *cur, uint32_t b);
/* Integral of |F - G|; of bins between `edges` (b - 1 of them), mass being spread
 * evenly within a bin, nothing being known of the two open bins. */
double wasserstein(const double *ref, uint32_t m, const double *cur, uint32_t n);
double wasserstein_binned(const double *ref, const double *cur, uint32_t b,
    const double *edges);
double counts_sum(const double *, uint32_t b);
#endif
