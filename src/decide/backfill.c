/* The past, decided now: what a person asked to be made up for.
 *
 * Due times of a schedule rule; events of an event rule, each as if it were the input,
 * but for what would turn the rule's memory back: the key's last event and its last
 * result stay.  A rule that joins several events has a clock and half-complete matches,
 * which the past would disturb: it is refused, and so is a signal rule.
 *
 * Who asks has read from the tables which of them fired already, and up to which input
 * those tables went; another backfill of the rule since then makes that wrong, so it is
 * refused.  With that a repeat does nothing.  Suppressors act as at any other time; the
 * decision keeps the due time or the event that it is for. */
#include "decide/priv.h"

static struct rule_state *asked(struct decide *d, struct str rule, uint64_t as_of,
    enum rule_kind kind, struct err *err)
{
	struct rule_state *rs = rule_by_name(d, rule);
	const struct rule_cell *c = rs ? rule_get(d, rs) : NULL;

	if (!rs || !rs->rule)
		err_set(err, ERR_NOT_FOUND, "no rule '%.*s'", STR_ARG(rule));
	else if (rs->rule->kind != kind)
		err_set(err, ERR_USAGE, kind == RULE_SCHEDULE ? "rule '%.*s' has no"
		    " schedule: it has no due times" : "rule '%.*s' is not of single"
		    " events: try it on recorded ones with backtest", STR_ARG(rule));
	else if (rs->rule->join)
		err_set(err, ERR_USAGE, "rule '%.*s' joins several events: try it on"
		    " recorded ones with backtest", STR_ARG(rule));
	else if (rule_off(d, rs))
		err_set(err, ERR_CONFLICT, "rule '%.*s' is disabled", STR_ARG(rule));
	else if (c->backfilled > as_of)
		err_set(err, ERR_CONFLICT, "another backfill of rule '%.*s' came"
		    " between: ask again", STR_ARG(rule));
	else {
		((struct rule_cell *)cells_touch(d->cells, rs->cell))->backfilled =
		    d->seq;
		return rs;
	}
	return NULL;
}

bool decide_backfill(struct decide *d, struct str rule, uint64_t as_of,
    const int64_t *due, uint32_t n, struct err *err)
{
	struct rule_state *rs = asked(d, rule, as_of, RULE_SCHEDULE, err);

	if (!rs)
		return false;
	d->backfill = (struct backfill){ .rs = rs, .n = n,
		.due = ARENA_ARRAY(d->arena, int64_t, n) };
	for (uint32_t i = 0; i < n; i++)
		d->backfill.due[i] = due[i];
	return true;
}

bool decide_backfill_events(struct decide *d, struct str rule, uint64_t as_of,
    const struct backfill_event *v, uint32_t n, struct err *err)
{
	struct rule_state *rs = asked(d, rule, as_of, RULE_EVENT, err);

	if (!rs)
		return false;
	d->backfill = (struct backfill){ .rs = rs, .n = n, .v = v, .in = *d->in,
		.asked = d->in };
	d->backfill.in.kind = INPUT_EVENT;
	return true;
}

/* By every selector of the rule that takes the event. */
static bool event_begin(struct decide *d, struct backfill *b)
{
	struct rule_state *rs = b->rs;
	struct dispatch_hit *hits = ARENA_ARRAY(d->arena, struct dispatch_hit,
	    rs->rule->selectors_n);

	for (uint32_t i = 0; i < rs->rule->selectors_n; i++)
		hits[i] = (struct dispatch_hit){ rs->rule->index, i };
	while (b->i < b->n) {
		b->now = &b->v[b->i++];
		b->in.event = b->now->event;
		d->in = &b->in;
		if (event_job(d, rs, hits, rs->rule->selectors_n))
			return true;
	}
	d->in = b->asked;
	*b = (struct backfill){ 0 };
	return false;
}

/* One job for each due time (the next may be another schedule's), or for each event. */
bool backfill_job_begin(struct decide *d)
{
	struct backfill *b = &d->backfill;
	int64_t *due = b->due;

	if (!b->n)
		return false;
	if (b->v)
		return event_begin(d, b);
	d->job = (struct job){ .rs = b->rs, .sched = schedule_that_has(b->rs, *due),
		.kind = JOB_DUE, .phase = PHASE_BODY, .due = due, .n = 1 };
	b->due++;
	b->n--;
	return true;
}

bool backfill_skips(struct decide *d, const struct delivery *v)
{
	const struct backfill_event *e = d->backfill.now;

	for (uint32_t i = 0; i < e->fired_n; i++)
		if (str_is(e->fired[i], v->key))
			return true;
	return wait_has(d, v->k, e->event);
}
