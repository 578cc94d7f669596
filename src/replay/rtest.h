/* Rule tests: a YAML file of steps in virtual time, and what must have been decided.
 *
 * Reading (rtest_read) and running (rtest_run) are pure: files come through callbacks.
 * One file holds one test (a map) or several (a list of maps). */
#ifndef REPLAY_RTEST_H
#define REPLAY_RTEST_H

#include "base/option.h"
#include "replay/sim.h"

enum rstep_kind { RSTEP_FEED = 1, RSTEP_EVENT, RSTEP_ADVANCE, RSTEP_RESTART, RSTEP_CLOCK,
	RSTEP_RUN, RSTEP_SOURCE, RSTEP_EXPECT };

struct rfeed {			/* ORDER feed_rows in rtest_read.c */
	struct str	 file, id, type, source, subject, time;
	int64_t		 every_ms, count, seed;
	const struct yaml *data, *attributes;
};
struct rrun {			/* ORDER run_rows */
	struct str	 pipeline, key, version, reason;
	int64_t		 after_ms, state, outcome;
	const struct yaml *metrics, *baseline, *steps;
	struct sim_plan	 plan;
};
struct rdecision_want {		/* ORDER want_rows */
	const struct yaml *at;	/* where it stands */
	struct str	 rule, key, by, event, time;
	int64_t		 outcome, count;
	struct option_strs between, contains;
	const struct yaml *params;
	bool		 has_key;
	int64_t		 from_ms, to_ms;	/* wall; TIME_NONE: any */
};
struct rexplain {		/* ORDER explain_rows */
	const struct yaml *at;
	struct str	 rule, key;
	struct option_strs contains;
};
struct rexpect {		/* ORDER expect_rows */
	struct str	 rule, key, state;
	const struct yaml *decisions, *explain, *champion;
	bool		 has_key;
	struct rdecision_want *want;
	uint32_t	 want_n;
	struct rexplain	*explains;
	uint32_t	 explains_n;
};
struct rstep {
	enum rstep_kind	 kind;
	const struct yaml *at;
	union {
		struct rfeed	 feed;
		struct rrun	 run;
		struct rexpect	 expect;
		int64_t		 ms;		/* ADVANCE, RESTART, CLOCK */
		enum source_state source;
	};
};
struct rmodel { struct str name, version, metrics, baseline; };
struct rtest {
	const struct yaml *at;
	struct str	 name;
	struct option_strs rules;	/* files or directories, from the test's own */
	int64_t		 start_ms;
	struct rmodel	*models;
	struct rrun	*runs;		/* by pipeline: how every run of it ends */
	struct rstep	*steps;
	uint32_t	 models_n, runs_n, steps_n;
};
/* The tests of text `i` of the diags; NULL after an error in them. */
struct rtest *rtest_read(uint32_t i, struct arena *, struct diags *, uint32_t *ret_n);

struct rtest_host {
	struct ruleset	*rules;
	const struct catalog *catalog;
	/* A feed's file, by its path as written; lent until the test ends. */
	bool (*read)(void *ctx, struct str path, struct str *ret, struct err *);
	void		*ctx;
	bool		 whole;		/* failures show what did match, too */
};
struct rtest_result {
	uint32_t	 failures, expects;
	uint64_t	 inputs, decisions;
	GString		*text;		/* FILE:LINE:COL: what .. for each failure */
};
void rtest_run(const struct rtest *, const struct diags *, const struct rtest_host *,
    struct rtest_result *);
/* The table of keys of a test file, for the reference page. */
void rtest_markdown(GString *out);
#endif
