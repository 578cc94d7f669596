/* Which rules an input fires.  One emission at a time:
 *
 *	decide_begin(d, in)
 *	while (decide_next(d, &em)) { admit em; decide_settle(d, &em, &verdict); }
 *
 * so that the second emission sees the cooldown, dedupe keys and run counts that
 * the first one left.  All state is in cells (kinds 32..63); what is in memory
 * beside them (indexes, heaps) is rebuilt by decide_load() and decide_use().
 *
 * Deadlines: decide keeps three heaps (tick, wall, and each rule's own clock).
 * Those of a rule's clock never become inputs: an input that moves a rule's clock
 * to c first runs that rule's deadlines before c, then itself, then those at c. */
#ifndef DECIDE_DECIDE_H
#define DECIDE_DECIDE_H

#include "base/cells.h"
#include "decide/facts.h"
#include "decide/input.h"

struct arena;
struct decide;

/* ORDER suppressors: design 8; names by suppressor_name() */
enum suppressor { SUPP_NONE = 0, SUPP_DISABLED, SUPP_CALENDAR, SUPP_SILENCE, SUPP_DEDUPE,
	SUPP_COOLDOWN, SUPP_BACKOFF, SUPP_DISARMED, SUPP_BREAKER, SUPP_BUDGET,
	SUPP_CONCURRENCY, SUPP_DEPTH, SUPP_SKIPPED, SUPP_EXPIRED, SUPP_COALESCE_FULL,
	SUPP_MAX };
/* Its end is on the wall clock; of all others on tick. */
bool suppressor_on_wall(enum suppressor);
enum outcome { OUTCOME_FIRED = 1, OUTCOME_SUPPRESSED, OUTCOME_OBSERVED, OUTCOME_ERROR };
enum rule_fate { FATE_EVALUATED = 1, FATE_LATE, FATE_REFUSED_KEY, FATE_INVALID,
	FATE_MAX };

struct emission {		/* a firing that only flow can still stop */
	uint64_t	 decision;	/* its id, taken already */
	uint64_t	 seq;		/* of the input */
	const struct rule *rule;
	uint32_t	 rule_id;	/* stable, the world's own */
	struct str	 key;		/* "" where the rule has none */
	uint64_t	 cell;		/* decide's own handle */
	uint64_t	 episode;	/* signal rules; else 0 */
	const struct event *event;	/* NULL: a deadline or a schedule fired it */
	struct str	 events;	/* JSON array of the events that caused it */
	struct value	 params;	/* MAP, evaluated, in the turn's arena */
	struct str	 model;		/* of the rule's own model:, else empty */
	int64_t		 due_ms;	/* of a schedule; else 0 */
	uint8_t		 depth;		/* cascade depth of the cause */
	bool		 observe;	/* check admission only; create nothing */
	bool		 force;		/* a person asked: suppressors were not asked */
	struct str	 actor;		/* who; else empty */
};
struct verdict {		/* flow's answer */
	enum suppressor	 by;		/* 0: admitted */
	uint64_t	 run;		/* created; 0 when observed or stopped */
	struct str	 run_id;
	struct str	 numbers;	/* "4/4 running", for the trace; may be empty */
	struct str	 budget;	/* "2/3 runs per day"; empty: none was asked */
	int64_t		 end_ms;	/* BUDGET: wall; 0: unknown */
	bool		 defer;		/* BUDGET: owed whatever on_suppressed says */
	struct str	 error;		/* parameters refused: outcome error */
};

/* Rows for readers, appended in the effects' arena. */
struct decision_row {
	uint64_t	 id, seq, run;
	uint32_t	 rule_id;
	struct str	 rule, key, event_id, run_id;
	int64_t		 time_ms;	/* wall of the turn */
	enum outcome	 outcome;
	enum suppressor	 by;		/* SUPPRESSED */
	struct str	 reason;	/* the sentence: why or why not */
	struct str	 trace;		/* JSON; see docs/explain.md */
	int64_t		 due_ms;	/* schedules; else 0 */
	uint32_t	 count;		/* > 1: a counting row for that many */
};
struct rule_row { uint32_t id; struct str uid, name; };
struct due_row { uint32_t rule_id; struct str schedule; int64_t due_ms;
	struct str outcome; };	/* "fired", "suppressed", "skipped(deadline)" ... */
struct decided {
	struct decision_row *decisions;
	uint32_t	 decisions_n, decisions_cap;
	struct rule_row	*rules;
	uint32_t	 rules_n, rules_cap;
	struct due_row	*dues;
	uint32_t	 dues_n, dues_cap;
	uint64_t	 suppressed[SUPP_MAX];	/* counts, for metrics */
};
struct rule_count {		/* matched = sum of fates (promise G10); since start */
	uint64_t	 fate[FATE_MAX];
	uint64_t	 fired, suppressed, observed, error;
	/* Of its signals, by enum signal_fate: an event may bring many, or none. */
	uint64_t	 sample[SIGNAL_FULL + 1];
	uint32_t	 keys;
};

struct decide *decide_new(struct cells *);
void decide_free(struct decide *);
struct facts *decide_facts(struct decide *);
/* After cells were loaded: rebuilds everything from them and the rule set. */
bool decide_load(struct decide *, struct ruleset *, struct err *);
struct ruleset *decide_ruleset(const struct decide *);
uint32_t decide_rule_id(const struct decide *, const struct rule *);

void decide_begin(struct decide *, const struct input *, uint64_t seq, struct arena *,
    struct decided *);
bool decide_next(struct decide *, struct emission *);
void decide_settle(struct decide *, const struct emission *, const struct verdict *);
/* Episodes that ended since it was asked last, of rules with on_clear: abort; false: no
 * more.  Also between two emissions. */
struct cleared {
	uint32_t	 rule_id;
	struct str	 key;		/* in the turn's arena */
	uint64_t	 episode;
};
bool decide_next_cleared(struct decide *, struct cleared *);
/* Asks for an emission of a rule by hand (trigger): queued for the decide_next() of
 * this input.  force: no suppressor is asked. */
bool decide_trigger(struct decide *, struct str rule, struct str key, struct value params,
    bool force, struct str actor, struct err *);
/* Due times of the past are decided by the decide_next() of this input, as a schedule's
 * own.  as_of: the input up to which the caller knows what fired; a later backfill of
 * the rule is a conflict. */
bool decide_backfill(struct decide *, struct str rule, uint64_t as_of,
    const int64_t *due, uint32_t n, struct err *);
/* The same of an event rule: events of the past, in the turn's arena, with the keys that
 * they fired for already (skipped; so is what waits in a batch).  They are neither kept
 * as a key's last event nor do they move a clock. */
struct backfill_event {
	struct event	*event;
	const struct str *fired;
	uint32_t	 fired_n;
};
bool decide_backfill_events(struct decide *, struct str rule, uint64_t as_of,
    const struct backfill_event *, uint32_t n, struct err *);
/* A rule's own pause; true: as if mode were disabled. */
bool decide_pause(struct decide *, struct str rule, bool paused, struct err *);

/* Silences: what they match fires nothing until `until_ms` (wall).  Each term is
 * FIELD=GLOB or FIELD!=GLOB, FIELD one of rule, bundle, key, model, pipeline, owner and
 * label.NAME; a firing is silenced where all of them hold. */
struct silence_order {
	const struct str *terms;
	uint32_t	 terms_n;
	int64_t		 until_ms;
	struct str	 author, reason;
};
/* False: ERR_USAGE what is wrong, ERR_LIMIT there are too many. */
bool decide_silence(struct decide *, const struct silence_order *, uint64_t *ret_id,
    struct err *);
/* "s-12".  False: ERR_NOT_FOUND. */
bool decide_silence_end(struct decide *, struct str id, struct err *);
/* [{"id":"s-12","match":[..],"author":..,"reason":..,"created":..,"until":..}] */
void decide_silences_json(const struct decide *, GString *out);

/* Whether a run of (pipeline, key) is not at its end: batches of coalesced events wait
 * for that.  Asked during decide_next(); without it none is. */
typedef bool (*decide_active_f)(const void *ctx, struct str pipeline, struct str key);
void decide_active(struct decide *, decide_active_f, void *ctx);

/* What flow tells: rules that read the facts of (pipeline, key) or of model are
 * evaluated again by a tick deadline due now, never inside this call. */
void decide_run_created(struct decide *, struct str pipeline, struct str key,
    uint64_t run);
struct run_end {
	uint64_t	 run;
	uint32_t	 rule_id;	/* 0: not started by a rule */
	struct str	 pipeline, key;
	uint64_t	 episode;
	bool		 completed, promoted, rejected, failed, aborted;
};
void decide_run_ended(struct decide *, const struct run_end *, int64_t tick_ms);
void decide_model_changed(struct decide *, struct str model);
/* A budget has more left than before: emissions owed for one may go. */
void decide_budget_free(struct decide *);
/* Another version is the champion: samples and windows of the model's detectors and
 * tests go, and their rules' episodes end. */
void decide_model_deployed(struct decide *, struct str model);
/* A run slot of the pipeline became free: emissions owed for concurrency may go. */
void decide_slot_free(struct decide *, struct str pipeline);

/* The earliest deadline of each clock (floor DUE_DECIDE); false: none. */
bool decide_next_due(const struct decide *, enum due_clock, struct deadline *ret);
/* Wall went back behind due times that were skipped: they are open again as soon as an
 * input says so, and this one is due now. */
bool decide_wall_back(const struct decide *, int64_t wall_ms, struct deadline *ret);
struct rule_count decide_rule_count(const struct decide *, uint32_t rule_id);
/* State of a rule for `get rules`: {"state":..,"since":..,"keys":..,"suppressed_by":..}.
 * Reading only; the same for decide_keys_json(). */
void decide_rule_json(const struct decide *, const struct rule *, GString *out);
/* Per key: [{"key":..,"state":..,"since":..,"signals":{..}}], at most `limit`. */
void decide_keys_json(const struct decide *, const struct rule *, uint32_t limit,
    struct arena *, int64_t wall_ms, int64_t tick_ms, GString *out);
/* Evaluates the rule for this key again from the state as it is, changing nothing:
 * the same JSON as a decision's trace.  False: no such rule or key (what is known is
 * named in *err). */
bool decide_explain(struct decide *, struct str rule, struct str key, int64_t wall_ms,
    int64_t tick_ms, struct arena *, GString *json, struct err *);
/* One selector of one rule beside an event, before it is decided. */
struct considered {
	const struct rule *rule;
	struct str	 selector;	/* "" for the only one */
	bool		 matched;
	struct str	 key;		/* where it matches; several: joined */
	uint32_t	 keys;
	struct str	 why;		/* why it does not match; else empty */
};
/* Every selector of every rule, in the order of the rule set; changes nothing. */
uint32_t decide_consider(struct decide *, const struct event *, int64_t wall_ms,
    int64_t tick_ms, struct arena *, struct considered **ret);
const char *suppressor_name(enum suppressor);
const char *outcome_name(enum outcome);
#endif
