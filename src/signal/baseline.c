/* What a baseline's numbers mean: its deviation and its cells. */
#include "signal/baseline.h"

#include <math.h>
#include <string.h>

double baseline_sd(double mean, double sd)
{
	double least = 1e-9 * fmax(1, fabs(mean));

	return sd > least ? sd : least;
}

uint32_t baseline_bin(const struct baseline *b, double x)
{
	uint32_t lo = 0, hi = b->edges_n;

	while (lo < hi) {	/* edges <= x */
		uint32_t mid = (lo + hi) / 2;

		if (b->edges[mid] <= x)
			lo = mid + 1;
		else
			hi = mid;
	}
	return b->edges_n ? lo : b->counts_n;
}

uint32_t baseline_category(const struct baseline *b, struct str s)
{
	for (uint32_t i = 0; i < b->categories_n; i++)
		if (b->categories[i].len == s.len &&
		    memcmp(b->categories[i].p, s.p, s.len) == 0)
			return i;
	return b->categories_n ? b->categories_n : b->counts_n;
}
