/* Named budgets: how much of a resource the runs of some rules or pipelines may use
 * in a day, week (from Monday) or month of a zone.  The accounts are flow's
 * (flow/budget.h). */
#ifndef RULES_BUDGET_H
#define RULES_BUDGET_H

#include "base/str.h"

struct zone;

/* ORDER resource, per, scope: words in keys.c, names in budget_read.c */
enum budget_resource { BUDGET_RUNS = 1, BUDGET_WALL_HOURS, BUDGET_CPU_HOURS,
	BUDGET_GPU_HOURS, BUDGET_MEMORY_HOURS };
enum budget_per { BUDGET_DAY = 1, BUDGET_WEEK, BUDGET_MONTH };
enum budget_scope { BUDGET_ALL = 1, BUDGET_OWNER, BUDGET_MODEL, BUDGET_KEY };
struct budget {			/* immutable, in the rule set's arena */
	struct str	 name;		/* with its bundle's prefix */
	struct str	 owner, description;
	enum budget_resource resource;
	double		 limit;		/* > 0: runs, or hours */
	enum budget_per	 per;
	enum budget_scope scope;	/* one account for each */
	const struct zone *zone;
	bool		 defers;	/* on_over: defer; else as on_suppressed */
};

/* The period that holds an instant: [from, to). */
void budget_period(const struct budget *, int64_t wall_ms, int64_t *ret_from,
    int64_t *ret_to);
const char *budget_resource_name(enum budget_resource);
const char *budget_per_name(enum budget_per);
const char *budget_scope_name(enum budget_scope);
#endif
