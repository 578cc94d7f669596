/* Due times of the past, decided now: what a person asked to be made up for.
 *
 * Who asks has read from the tables which of them fired already, and up to which input
 * those tables went; another backfill of the rule since then makes that wrong, so it is
 * refused.  With that a repeat does nothing.  Suppressors act as at any other time; the
 * decision keeps the due time that it is for. */
#include "decide/priv.h"

bool decide_backfill(struct decide *d, struct str rule, uint64_t as_of,
    const int64_t *due, uint32_t n, struct err *err)
{
	struct rule_state *rs = rule_by_name(d, rule);
	const struct rule_cell *c = rs ? rule_get(d, rs) : NULL;

	if (!rs)
		return err_set(err, ERR_NOT_FOUND, "no rule '%.*s'", STR_ARG(rule));
	if (rs->rule->kind != RULE_SCHEDULE)
		return err_set(err, ERR_USAGE, "rule '%.*s' has no schedule: only due"
		    " times can be backfilled", STR_ARG(rule));
	if (rule_off(d, rs))
		return err_set(err, ERR_CONFLICT, "rule '%.*s' is disabled",
		    STR_ARG(rule));
	if (c->backfilled > as_of)
		return err_set(err, ERR_CONFLICT, "another backfill of rule '%.*s' came"
		    " between: ask again", STR_ARG(rule));
	((struct rule_cell *)cells_touch(d->cells, rs->cell))->backfilled = d->seq;
	d->backfill = (struct backfill){ .rs = rs, .n = n,
		.due = ARENA_ARRAY(d->arena, int64_t, n) };
	for (uint32_t i = 0; i < n; i++)
		d->backfill.due[i] = due[i];
	return true;
}

/* One job for each due time: the next may be another schedule's. */
bool backfill_job_begin(struct decide *d)
{
	struct backfill *b = &d->backfill;
	int64_t *due = b->due;

	if (!b->n)
		return false;
	d->job = (struct job){ .rs = b->rs, .sched = schedule_that_has(b->rs, *due),
		.kind = JOB_DUE, .phase = PHASE_BODY, .due = due, .n = 1 };
	b->due++;
	b->n--;
	return true;
}
