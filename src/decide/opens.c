/* Firings that are owed and wait for a time on the wall clock: the end of a calendar's
 * block, of a silence, of a budget's period.
 *
 * The time is in the key (release_at); the rule has one deadline, the first of its keys,
 * that wakes whoever may go.  A woken key is an input of its own, due now on tick.
 *
 * Invariant
 *   The deadline is never later than the first time of the rule's keys.  It may be
 *   earlier (a key was settled meanwhile): then it only looks again.
 */
#include "decide/priv.h"

static bool waits(const struct key_cell *c)
{
	return c->m.owed && c->release_at && suppressor_on_wall(c->blocked);
}

void opens_by(struct decide *d, struct rule_state *rs, int64_t at)
{
	if (!rs->opens.pos || at < rs->opens.at)
		heap_set(&d->wall, &rs->opens, at);
}

void opens_arm(struct decide *d, struct rule_state *rs)
{
	int64_t first = INT64_MAX;

	for (guint i = 0; rs->rule && i < rs->keys->len; i++) {
		const struct key_cell *c = key_get(d, g_ptr_array_index(rs->keys, i));

		if (waits(c))
			first = MIN(first, c->release_at);
	}
	heap_set(&d->wall, &rs->opens, first);
}

void opens_due(struct decide *d, struct rule_state *rs)
{
	int64_t next = INT64_MAX;

	for (guint i = 0; i < rs->keys->len; i++) {
		struct keyed *k = g_ptr_array_index(rs->keys, i);
		const struct key_cell *c = key_get(d, k);

		if (waits(c) && c->release_at <= d->now_wall)
			key_wake(d, rs, k);
		else if (waits(c))
			next = MIN(next, c->release_at);
	}
	heap_set(&d->wall, &rs->opens, next);
}

void decide_budget_free(struct decide *d)
{
	opens_now(d, SUPP_BUDGET);
}

void opens_now(struct decide *d, enum suppressor by)
{
	for (uint32_t i = 0; d->rules && i < d->rules->rules_n; i++) {
		struct rule_state *rs = d->by_rule[i];

		for (guint n = 0; n < rs->keys->len; n++) {
			struct keyed *k = g_ptr_array_index(rs->keys, n);
			const struct key_cell *c = key_get(d, k);

			if (c->m.owed && c->blocked == by)
				key_wake(d, rs, k);
		}
	}
}
