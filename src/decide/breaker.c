/* The breaker of one rule and key: after N rejected or failed runs in a row nothing more
 * is started for a while, then one run is let through to see.
 *
 *	closed ── N in a row ──► open ── wait (tick) ──► half-open ── probe fails ──► open
 *	   ▲                                                 │
 *	   └──────────── a run that completes otherwise ─────┘
 *
 * Half-open follows from the clock: breaker_until has passed.  While the probe runs
 * nothing else goes; one that is aborted says nothing, and the next firing is the probe.
 * A run that somebody forced, or that began before the breaker opened, is no probe: when
 * it fails it only counts, when it completes otherwise it closes the breaker.
 */
#include <inttypes.h>

#include "decide/priv.h"

bool breaker_ask(struct ctx *c, struct check *k, const struct key_cell *kc)
{
	struct arena *a = c->d->arena;
	uint32_t after = c->rule->breaker_after;
	int64_t left = kc->breaker_until - c->tick;

	if (!after)
		return suppress_say(k, SUPP_BREAKER, false, STR(""), 0);
	if (!kc->breaker_until)
		return suppress_say(k, SUPP_BREAKER, false,
		    arena_printf(a, "%u/%u", kc->fails, after), 0);
	if (left > 0)
		return suppress_say(k, SUPP_BREAKER, true,
		    arena_printf(a, "%u/%u, open, %.*s left", kc->fails, after,
			STR_ARG(span_str(left, a))),
		    kc->breaker_until);
	if (kc->probe)
		return suppress_say(k, SUPP_BREAKER, true,
		    arena_printf(a, "%u/%u, half-open, its probe (run %" PRIu64
			") has not ended", kc->fails, after, kc->probe),
		    INT64_MAX);
	return suppress_say(k, SUPP_BREAKER, false,
	    arena_printf(a, "%u/%u, half-open: one probe", kc->fails, after), 0);
}

void breaker_fired(struct decide *d, struct keyed *k, const struct rule *r, uint64_t run)
{
	const struct key_cell *c = key_get(d, k);

	if (run && r->breaker_after && c->breaker_until &&
	    c->breaker_until <= d->now_tick)
		key_touch(d, k)->probe = run;
}

static void failed(struct decide *d, struct key_cell *w, const struct rule *r,
    bool probe)
{
	if (w->fails < UINT32_MAX)
		w->fails++;
	if (probe || (!w->breaker_until && w->fails >= r->breaker_after))
		w->breaker_until = d->now_tick + r->breaker_wait_ms;
}

void breaker_ended(struct decide *d, struct rule_state *rs, struct keyed *k,
    const struct run_end *e)
{
	const struct key_cell *c = key_get(d, k);
	bool bad = e->failed || e->rejected, good = e->completed && !e->rejected;
	bool probe = c->probe && c->probe == e->run;
	struct key_cell *w;

	if (!rs->rule->breaker_after || (!bad && !probe && !(good && c->fails)))
		return;
	w = key_touch(d, k);
	if (probe)
		w->probe = 0;
	if (bad)
		failed(d, w, rs->rule, probe);
	else if (good)
		w->fails = 0, w->breaker_until = 0, w->probe = 0;
	if (w->m.owed && w->blocked == SUPP_BREAKER)
		key_wake(d, rs, k);
}

bool breaker_live(const struct decide *d, const struct keyed *k)
{
	const struct key_cell *c = key_get(d, k);

	return k->rs->rule->breaker_after &&
	    (c->probe || c->breaker_until > d->now_tick);
}
