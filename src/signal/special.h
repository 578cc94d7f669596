/* Special functions of the tests and limits.  Relative errors about 1e-12 unless said
 * otherwise; the formulas are those of the NIST Digital Library of Mathematical
 * Functions (DLMF), numbers of which stand at each. */
#ifndef SIGNAL_SPECIAL_H
#define SIGNAL_SPECIAL_H

#include <stdint.h>

/* P(a, x) and Q(a, x), the regularised incomplete gamma functions; a > 0, x >= 0. */
double gamma_p(double a, double x);
double gamma_q(double a, double x);
double chi2_sf(double x, double df);		/* P(X > x) */
double chi2_ppf(double p, double df);		/* x with P(X <= x) = p; 0 < p < 1 */
double chi2_isf(double alpha, double df);	/* x with P(X > x) = alpha */
double norm_cdf(double x);
double norm_ppf(double p);			/* 0 < p < 1 */
/* P(K > x) of the limit distribution of sqrt(n) D; 1 for x <= 0. */
double kolmogorov_sf(double x);
/* Two samples of n and m with distance D; Stephens' correction of 1970. */
double ks_p_stephens(double d, double n, double m);
/* P(X >= k), X binomial(n, p). */
double binom_sf(uint32_t n, uint32_t k, double p);
#endif
