/* The order of steps.  At most STEPS_MAX nodes, so that quadratic is fine. */
#include "rules/pipeline_read.h"

#include <glib.h>

static bool ready(const struct dag_node *node, const bool *done)
{
	for (uint32_t i = 0; i < node->needs_n; i++)
		if (!done[node->needs[i]])
			return false;
	return true;
}

/* Every node left needs another one left, so walking along the first such need
 * must come back to a node it has seen. */
static uint32_t find_cycle(const struct dag_node *v, uint32_t n, const bool *done,
    uint32_t *cycle)
{
	bool *seen = g_new0(bool, n);
	uint32_t at = 0, len = 0, first = 0;

	while (done[at])
		at++;
	while (!seen[at]) {
		seen[at] = true;
		cycle[len++] = at;
		for (uint32_t i = 0; i < v[at].needs_n; i++) {
			if (!done[v[at].needs[i]]) {
				at = v[at].needs[i];
				break;
			}
		}
	}
	while (cycle[first] != at)
		first++;
	memmove(cycle, cycle + first, (len - first) * sizeof *cycle);
	g_free(seen);
	return len - first;
}

bool dag_sort(const struct dag_node *v, uint32_t n, uint32_t *order, uint32_t *cycle,
    uint32_t *cycle_n)
{
	bool *done = g_new0(bool, n ? n : 1);
	uint32_t m = 0, i = 0;

	*cycle_n = 0;
	while (i < n) {
		if (done[i] || !ready(&v[i], done)) {
			i++;
			continue;
		}
		done[i] = true;
		order[m++] = i;
		i = 0;
	}
	if (m < n)
		*cycle_n = find_cycle(v, n, done, cycle);
	g_free(done);
	return m == n;
}
