/* What is normal: of a model's version, given in a rule, or learned.
 *
 * Parsed by the caller; everything is borrowed.  Edges ascend and the outer bins are
 * open: bin i takes edges[i-1] <= x < edges[i].  The last count of categories is that
 * of every other category.  `values` ascend. */
#ifndef SIGNAL_BASELINE_H
#define SIGNAL_BASELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define BASELINE_CELLS 256	/* counts at most */
#define BASELINE_VALUES 2000
#define BASELINE_LEARN_MIN 200	/* samples; fewer raise false alarms */

struct baseline {
	uint64_t	 n;
	double		 mean, sd;
	bool		 has_mean, has_sd;
	uint32_t	 edges_n, categories_n, counts_n, values_n;
	const double	*edges;
	const struct str *categories;
	const double	*counts;	/* edges_n + 1, or categories_n + 1 */
	const double	*values;
};

/* The deviation to divide by: never below 1e-9 * max(1, |mean|), so that a constant
 * warm-up does not make every later sample an alarm by rounding alone. */
double baseline_sd(double mean, double sd);
/* The cell of a number or of a category; counts_n of a baseline without such cells. */
uint32_t baseline_bin(const struct baseline *, double x);
uint32_t baseline_category(const struct baseline *, struct str);
#endif
