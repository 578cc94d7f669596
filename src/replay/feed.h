/* Events made of a template, for rule tests.
 *
 * `data` is any YAML; a map of one key that names a generator stands for a value that
 * changes from event to event:
 *	normal: [mean, sd]	uniform: [low, high]	poisson: mean
 *	bernoulli: p		(0 or 1)
 *	ramp: [from, to]	evenly, over `count` events
 *	step: [before, after, n]	from the n-th event on (0-based) the second
 *	sequence: [a, b, ..]	one after the other, again from the start
 *	choice: [a, b, ..]	each equally likely
 * Numbers come from xoshiro256** (Blackman, Vigna 2018) seeded through SplitMix64, so
 * that a seed means the same events everywhere; normal is Box and Muller's (1958),
 * poisson is Knuth's product of uniforms, in pieces of mean 30. */
#ifndef REPLAY_FEED_H
#define REPLAY_FEED_H

#include "base/diag.h"
#include "base/yaml.h"

struct feed_rng {
	uint64_t	 s[4];
};
struct feed_at {		/* which event of the feed */
	struct feed_rng	*rng;
	uint32_t	 i, n;
};
void feed_seed(struct feed_rng *, uint64_t seed);
/* Says what is wrong with generators in the template.  False after an error. */
bool feed_check(const struct yaml *data, struct diags *);
/* The template as JSON, generators evaluated. */
void feed_json(const struct yaml *data, const struct feed_at *, GString *out);
#endif
