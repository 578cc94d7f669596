/* Between the parts of the rule tests: reading, running, comparing. */
#ifndef REPLAY_RTEST_PRIV_H
#define REPLAY_RTEST_PRIV_H

#include "base/arena.h"
#include "replay/rtest.h"

struct rgot {			/* a decision, kept until the test ends */
	int64_t		 at_ms;
	struct str	 rule, key, event, run, reason, params;
	enum outcome	 outcome;
	enum suppressor	 by;
	uint32_t	 count;
	uint64_t	 id;
	bool		 taken;	/* an expectation has named it */
};
struct rtest_state {		/* a test on its way */
	const struct rtest *t;
	const struct diags *d;
	const struct rtest_host *h;
	struct rtest_result *out;
	struct sim	*s;
	struct arena	*a;
	GPtrArray	*got;	/* struct rgot *, in order */
	uint64_t	 events;	/* for default ids */
	bool		 stopped;	/* nothing further can be run */
};

/* "-1h", "+1h". */
bool rtest_signed(struct str, int64_t *ret);
/* FILE:LINE:COL: MESSAGE, counted as a failure. */
void rtest_fail(struct rtest_state *, const struct yaml *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void rtest_expect(struct rtest_state *, const struct rstep *);
#endif
