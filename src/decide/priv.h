/* What decide's files share.  Nobody else includes this. */
#ifndef DECIDE_PRIV_H
#define DECIDE_PRIV_H

#include <glib.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/slab.h"
#include "decide/cell.h"
#include "decide/decide.h"
#include "decide/heap.h"

/* ---- keyed cells (keys.c): found by (kind, owner, key) ---- */
enum { KEYED_LINKS = 2 };
struct keyed {
	union {
		uint64_t seq;		/* CELL_SIGNAL: the input it has a sample of */
		struct rule_state *rs;	/* CELL_KEY, CELL_DEDUPE */
	};
	uint32_t	 cell : 25;	/* < CELLS_IDS */
	uint32_t	 fate : 3;	/* of CELL_SIGNAL: enum signal_fate at seq */
	uint32_t	 what : 4;	/* keyed_kind() */
	uint32_t	 hash;
	/* of CELL_KEY only; others end here: */
	struct str	 key;		/* in the cell; of any: keyed_key() */
	uint32_t	 pos;		/* in rs->keys */
	uint32_t	 links;		/* decide.links when these were found: */
	struct keyed	*last;		/* of its first selector */
	struct keyed	*sig[KEYED_LINKS]; /* of its first signals */
	struct due	 tick, clock;
};
static inline enum cell_kind keyed_kind(const struct keyed *k)
{
	return (enum cell_kind)(CELL_META + k->what);
}
struct keyed *keyed_find(const struct decide *, enum cell_kind, const uint8_t *owner,
    struct str key);
/* A new cell of `bytes` and the key behind it; `reserve` more bytes follow. */
struct keyed *keyed_add(struct decide *, enum cell_kind, const uint8_t *owner,
    struct str key, uint32_t bytes, uint32_t reserve, int64_t ttl_ms);
void keyed_drop(struct decide *, struct keyed *);	/* also what hangs on it */
/* What the key's rule shares of it: a signal's cell, a selector's last event; NULL: none
 * yet.  Remembered in the key, because every event asks several times. */
struct keyed *keyed_signal(const struct decide *, struct keyed *, uint32_t signal);
struct keyed *keyed_last(const struct decide *, struct keyed *, uint32_t selector);
void keyed_use(struct decide *, struct keyed *);	/* key_ttl counts from now */
/* The tick before which it does nothing. */
int64_t keyed_use_at(const struct decide *, const struct keyed *);
struct str keyed_key(const struct decide *, const struct keyed *);	/* in the cell */
bool keyed_load(struct decide *, uint32_t cell);	/* one cell into the index */
void keyed_resize(struct decide *, struct keyed *, uint32_t bytes);
void keys_init(struct decide *);
void keys_fini(struct decide *);
struct keyed *keyed_of_cell(const struct decide *, uint32_t cell);
void owner_of_id(uint32_t id, uint8_t ret[OWNER_BYTES]);
/* Drops what nobody used for its ttl; arms the next sweep. */
void keys_sweep(struct decide *);
void keys_sweep_by(struct decide *, int64_t tick);	/* not later than that */

static inline const struct key_cell *key_get(const struct decide *, const struct keyed *);
static inline struct key_cell *key_touch(struct decide *, const struct keyed *);

/* ---- rules and what is shared between them (use.c) ---- */
struct sel_state {		/* one selector definition */
	uint8_t		 hash[OWNER_BYTES];
	uint32_t	 cell;		/* selector_cell; 0: no event yet */
	uint64_t	 seq;		/* of the last event taken */
	uint64_t	 kept_seq;	/* of the last event kept */
	int64_t		 mark_before;	/* the watermark before that event */
	int64_t		 lateness_ms;
	bool		 idles;		/* it could become idle when last asked */
	bool		 stale;		/* clock_tick of its rules is to be computed */
	uint32_t	*reads;		/* fields that its rules read, ascending */
	uint32_t	 reads_n;
	GPtrArray	*rules;		/* struct rule_state: in the rule set */
};
struct sig_share {		/* one signal definition */
	uint8_t		 owner[OWNER_BYTES];
	const struct signal_spec *spec;
	GPtrArray	*rules;
};
struct sched {			/* one schedule of a rule */
	struct rule_state *rs;
	uint32_t	 index;		/* in rule->schedules */
	uint32_t	 cell;		/* schedule_cell */
	struct due	 due;
};
struct rule_state {
	uint32_t	 id, cell;
	struct str	 uid, name;	/* own copies */
	const struct rule *rule;	/* NULL: not in the rule set */
	const struct rule *was;		/* in the set before: in use_ruleset() */
	struct sel_state **sel;		/* by selector */
	struct sig_share **sig;		/* by signal */
	uint32_t	*reads;		/* fields kept of its last event, ascending */
	uint32_t	 reads_n;
	uint32_t	 needs;		/* bit per rule_var that its expressions read */
	uint32_t	 where_needs;	/* ... that key and where read */
	uint32_t	 sample_needs;	/* ... that value, each and by read */
	bool		 model_params;	/* the pipeline's model reads its parameters */
	bool		 has_since;	/* a since: window */
	bool		 detects;	/* a detector */
	bool		 pins;		/* a detector or test: of a model version */
	bool		 has_stale;	/* a selector with stale_after */
	GPtrArray	*keys;		/* struct keyed, in no particular order */
	uint32_t	 dedupes;
	struct sched	*sched;		/* by schedule of the rule; while it is in no set,
					 * whatever is left of them */
	uint32_t	 sched_n;
	int64_t		 moved;		/* where its clock was moved: see clock_of() */
	struct heap	 clock;		/* keyed.clock */
	struct due	 clock_tick;	/* when tick alone moves the clock far enough */
	struct due	 flush;
	struct due	 opens;		/* wall: the first end of what stops a key */
	bool		 clock_stale;	/* clock_tick is to be computed again */
	struct climbs	*climbs;	/* of its ladder; NULL: it is on none */
	uint32_t	 member;	/* its index there */
	struct due	 next;		/* its first clock deadline, in climbs.clock */
	struct rule_count count;
};
/* Another rule set: state stays by uid and by definition. */
void use_ruleset(struct decide *, struct ruleset *);
void use_begin(struct decide *);	/* what needs a time, at the next input */
void use_init(struct decide *);
void use_fini(struct decide *);
void use_mode(struct decide *, struct rule_state *);	/* off, on, observe changed */
void use_each_key(struct decide *, struct rule_state *,
    void (*)(struct decide *, struct rule_state *, struct keyed *));
struct rule_state *use_state(struct decide *, uint32_t cell);
struct sel_state *use_selector(struct decide *, const uint8_t *hash);
/* NULL: no rule of this set has it. */
struct sel_state *use_find_selector(const struct decide *, const uint8_t *hash);
struct sig_share *use_find_signal(const struct decide *, const uint8_t *owner);
/* Cells -> memory, before use_ruleset() (load.c). */
bool use_load(struct decide *, struct err *);
/* reads.c */
void reads_find(struct rule_state *);
void reads_merge(struct sel_state *);
struct rule_state *rule_by_id(const struct decide *, uint32_t id);
struct rule_state *rule_by_name(const struct decide *, struct str name_or_uid);
bool rule_off(const struct decide *, const struct rule_state *);
bool rule_observes(const struct rule_state *);

/* What it decides hangs on its own clock. */
static inline bool rule_clocked(const struct rule *r)
{
	return r->kind == RULE_SIGNAL || r->join != JOIN_NONE;
}

/* ---- clocks (clocks.c) ---- */
/* A matching event: moves its selector's watermark.  Once per input and selector. */
void clock_event(struct decide *, struct sel_state *, const struct event *, int64_t t_ms);
void clock_source(struct decide *, const struct source_change *);
void clock_sources_down(struct decide *);
/* The rule's clock at this tick, never before the stored one; TIME_NONE: it has none. */
int64_t clock_at(const struct decide *, const struct rule_state *, int64_t tick);
void clock_set(struct decide *, struct rule_state *, int64_t clock);
int64_t sel_mark(const struct decide *, const struct sel_state *);	/* has events */
/* No watermark of the selector is later after an event at t: its partitions' greatest. */
int64_t sel_reach(const struct decide *, const struct sel_state *, int64_t t);
/* Where it was moved last; the same after a restart. */
int64_t clock_of(const struct decide *, const struct rule_state *);
/* The tick at which the clock reaches `at` without an event; INT64_MAX: never. */
int64_t clock_reaches(const struct decide *, const struct rule_state *, int64_t at);
/* After another rule set: a clock that no longer follows from the selector is stored. */
void clock_keep(struct decide *, struct rule_state *);
/* When tick moves the rule's clock, or all rules' of the selector, is open again. */
void clock_stale(struct decide *, struct rule_state *);
void clock_stale_sel(struct decide *, struct sel_state *);
/* The tick at which a key whose last event came at `last` is stale; INT64_MAX: not while
 * a source of the selector is down or catching up. */
int64_t clock_stale_from(const struct decide *, const struct sel_state *, int64_t last,
    int64_t stale_ms);
/* Tick deadlines of the rule wait until then: its sources are catching up. */
int64_t clock_hold(const struct decide *, const struct rule_state *);

/* ---- one evaluation (eval.c) ---- */
#define NEEDS_SELECTORS (1u << RVAR_SIGNALS)	/* in needs: events by selector */
struct item {			/* a kept event in the arena */
	struct item_cell *c;
	uint32_t	 bytes;
};
enum result { RESULT_NONE = 0, RESULT_FALSE, RESULT_TRUE, RESULT_UNKNOWN, RESULT_ERROR };
struct sig_host {
	struct host	 host;
	const struct decide *d;
	const struct signal_spec *spec;
	uint32_t	 root;
	bool		 stale;		/* no event for its selector's stale_after */
	int64_t		 clock;
};
struct ctx {
	struct decide	*d;
	struct rule_state *rs;
	const struct rule *rule;
	struct keyed	*k;		/* NULL: no state yet */
	struct str	 key;
	const struct event *event;	/* NULL: the kept one, or none */
	const struct last_cell *last;	/* the kept event; NULL: none */
	struct item	**items;	/* of a batch or a match; n 0: none */
	uint32_t	 items_n;
	struct value	*fields;
	struct str	 model;		/* resolved; empty: none */
	int64_t		 clock, due_ms, wall, tick;
	uint32_t	 schedule;	/* of the rule: whose due_ms it is */
	uint8_t		 depth;
	uint32_t	 selector;	/* that took `event` */
	struct trace	*trace;
	struct value	 vars[RVAR_SIGNALS + RULE_SIGNALS_MAX];
	struct sig_host	 sig[RULE_SIGNALS_MAX];
};
/* ctx_init() with an event, a kept one (last) or neither; then vars by rs->needs. */
void ctx_init(struct decide *, struct ctx *, struct rule_state *, struct str key);
void ctx_event(struct ctx *, const struct event *);
void ctx_kept(struct ctx *, struct keyed *last);
void ctx_due(struct ctx *, int64_t due_ms);
/* Without a key there are no signals: selectors and samples cannot read them. */
void ctx_vars(struct ctx *, struct keyed *, int64_t clock, uint32_t needs);
struct value ctx_eval(struct ctx *, const struct prog *);
enum result ctx_test(struct ctx *, const struct prog *);	/* NULL: true */
struct value ctx_params(struct ctx *);			/* MAP or ERROR */
void ctx_find_model(struct ctx *);		/* ctx.model, by rule or pipeline */
struct str ctx_model(struct ctx *);			/* of the rule's own model: */
struct str ctx_model_name(struct ctx *);		/* ... or of its pipeline's */
void ctx_events_json(struct ctx *, GString *out);
struct str value_key(struct value, struct arena *);	/* {NULL,0}: no key */

/* ---- the last event of a key (last.c) ---- */
void last_keep(struct decide *, struct keyed *, uint32_t selector, const struct event *,
    int64_t t_ms);
/* An event's record into d->bytes; true: some value did not fit. */
bool kept_encode(struct decide *, const struct event *, const uint32_t *reads, uint32_t n,
    uint32_t room);
void kept_encode_due(struct decide *);
/* item.c */
struct item *item_of_event(struct decide *, const struct rule_state *,
    const struct event *, uint32_t selector, int64_t t_ms, struct str dedupe);
struct item *item_of_due(struct decide *, uint32_t schedule, int64_t due_ms);
struct item *item_with(struct decide *, const struct item *, struct str dedupe);
uint32_t item_store(struct decide *, const struct item *);
struct item *item_load(struct decide *, uint32_t cell);
struct str item_dedupe(const struct item_cell *);	/* p NULL: none */
void ctx_items(struct ctx *, struct item **, uint32_t n);	/* but for fields */
/* Fills fields from a kept event; the previous ones of the scratch are cleared. */
void last_fields(struct ctx *, const struct last_cell *);
void last_put(struct ctx *, uint32_t field, struct value);
struct last_view { struct str id, source, type, subject; int64_t time_ms; };
struct last_view last_view(const struct last_cell *);
struct value last_value(const struct last_cell *, struct arena *); /* MAP, data nested */

/* ---- suppressors and decision rows (suppress.c) ---- */
enum asked { ASKED_NOT = 0, ASKED_PASSED, ASKED_BLOCKED };
struct check {			/* what each suppressor said; by enum suppressor */
	uint8_t		 asked[SUPP_MAX];
	struct str	 numbers[SUPP_MAX];
	enum suppressor	 by;		/* 0: nothing blocks */
	int64_t		 end;		/* when that ends, by suppressor_on_wall();
					 * INT64_MAX: unknown */
	struct str	 dedupe;	/* the value of dedupe.key; p NULL: none */
	bool		 dedupe_error;
};
void suppress_ask(struct ctx *, struct check *, bool force);
/* Of a rule whose events wait: what each is asked, and what a batch of them is. */
void suppress_ask_event(struct ctx *, struct check *, bool windows);
void suppress_ask_batch(struct ctx *, struct check *);
/* What one suppressor says; true: it blocks. */
bool suppress_say(struct check *, enum suppressor, bool blocked, struct str numbers,
    int64_t end);
struct str span_str(int64_t ms, struct arena *);	/* span_print() */
/* breaker.c */
bool breaker_ask(struct ctx *, struct check *, const struct key_cell *);
void breaker_fired(struct decide *, struct keyed *, const struct rule *, uint64_t run);
void breaker_ended(struct decide *, struct rule_state *, struct keyed *,
    const struct run_end *);
bool breaker_live(const struct decide *, const struct keyed *);
/* silence.c */
bool silence_ask(struct ctx *, struct check *);
void silence_load(struct decide *, uint32_t cell);	/* in any order */
void silence_loaded(struct decide *);
void silence_due(struct decide *);
void silence_init(struct decide *);
void silence_fini(struct decide *);
/* What is owed and waits for a wall time: that time is a deadline of the rule (opens.c).
 * Not later than `at`: */
void opens_by(struct decide *, struct rule_state *, int64_t at);
void opens_arm(struct decide *, struct rule_state *);	/* out of all its keys */
void opens_due(struct decide *, struct rule_state *);
/* Every key with something owed that is stopped by it is asked again. */
void opens_now(struct decide *, enum suppressor);
/* One row, or one more in the minute's count: the row's id, or 0.  `id` 0: the next. */
uint64_t decision_write(struct decide *, const struct decision_row *);
uint64_t decision_next(struct decide *);
void decision_give_back(struct decide *, uint64_t id);	/* the last one: no row */
void decision_flush(struct decide *, struct rule_state *);
bool decision_counts_only(const struct decide *, const struct rule_state *,
    const struct decision_row *);
void dedupe_store(struct decide *, struct rule_state *, struct str value,
    uint64_t decision, bool observed);
void dedupe_forget_observed(struct decide *, struct rule_state *);

/* ---- what an input does (decide.c and rule_*.c) ---- */
enum job_kind { JOB_EVENT = 1, JOB_SAMPLES, JOB_KEYS, JOB_CLOCK, JOB_DUE,
	JOB_TRIGGER, JOB_WAIT };
enum phase { PHASE_BEFORE = 1, PHASE_BODY, PHASE_AT };
struct climbs;			/* climb.c */
struct climb;
struct delivery {		/* one event for one key */
	struct str	 key;
	uint32_t	 selector;
	int64_t		 t_ms;
	int64_t		 mark;		/* the selector's watermark before it */
	bool		 several;	/* the event may have other keys as well */
	struct keyed	*k;
};
struct backfill {		/* of this input; n 0: none, or it is begun */
	struct rule_state *rs;
	int64_t		*due;
	uint32_t	 n;
	const struct backfill_event *v;	/* of an event rule, in place of due times */
	const struct backfill_event *now;	/* being decided */
	uint32_t	 i;
	struct input	 in;		/* that event as an input */
	const struct input *asked;	/* the one of the turn */
};
struct trigger {
	struct rule_state *rs;
	struct str	 key, actor;
	struct value	 params;
	bool		 force;
};
struct job {			/* one rule's share of the input */
	enum job_kind	 kind;
	enum phase	 phase;
	struct rule_state *rs;
	bool		 has_clock;
	int64_t		 clock;		/* the rule's clock that the input moves to */
	struct delivery	*v;		/* EVENT, SAMPLES, KEYS */
	uint32_t	 n, cap, i;
	bool		 begun;		/* the body's samples were added */
	int64_t		*due;		/* DUE */
	struct sched	*sched;
	const struct trigger *trigger;
};
struct pending {		/* the emission that is out for admission */
	bool		 open;
	struct ctx	 ctx;
	struct check	 check;
	struct keyed	*k;
	enum job_kind	 kind;
};
struct decide {
	struct cells	*cells;
	struct facts	*facts;
	struct ruleset	*rules;
	uint32_t	 meta;
	struct slab	 keys, others;	/* struct keyed: of CELL_KEY, of other kinds */
	struct keyed	**index;	/* by hash, open addressing: keys.c */
	uint32_t	 index_n, index_cap;
	uint32_t	 links;		/* another number: what keys remember is void */
	GPtrArray	*all;		/* struct rule_state, by id ascending */
	struct rule_state **by_rule;	/* by rule->index */
	GPtrArray	*sels, *sigs;	/* struct sel_state, struct sig_share */
	GHashTable	*sel_by_hash, *sig_by_owner;	/* the same, to be found */
	GArray		*sources;	/* uint32_t: source_cell */
	struct heap	 tick, wall;
	struct due	 sweep;
	decide_active_f	 active;
	void		*active_ctx;
	GPtrArray	*silences;	/* struct silence, by number */
	struct due	 silence;	/* wall: the first end of one */
	int64_t		 cursor_max;	/* of any schedule that may open, or later */
	int64_t		 born_min;	/* wall: a cursor may go on to born; or earlier */
	GPtrArray	*stale;		/* struct rule_state with clock_stale */
	GPtrArray	*stale_sels;	/* struct sel_state with stale */
	GPtrArray	*climbing;	/* struct climbs: of the rule set's ladders */
	GHashTable	*baselines;	/* of champions, parsed: baseline.c */
	bool		 unstarted;	/* loaded or used, no time seen yet */
	GPtrArray	*told;		/* struct rule_state whose row is to be written */
	GHashTable	*by_uid, *by_id;	/* lookups only */
	/* the input being decided */
	struct ctx	 ctx;		/* one evaluation at a time */
	const struct input *in;
	uint64_t	 seq;
	int64_t		 now_tick, now_wall;
	struct arena	*arena;
	struct decided	*out;
	const struct dispatch_hit *hits;
	uint32_t	 hits_n, hits_i, early_i;
	struct climbing {		/* the hit that stands for a ladder */
		struct climbs	*of;	/* NULL: none */
		struct climb	*key;	/* NULL: its rules take the event one by one */
		struct delivery	 v;
		int64_t		 clock;
		bool		 added;	/* the sample is in; awake is known */
		uint32_t	*awake;	/* members to be evaluated, ascending */
		uint32_t	 awake_n, i;
	} climb;
	GArray		*cleared;	/* struct cleared: not told to flow yet */
	uint64_t	 deployed;	/* hash of the model that repin() is about */
	GArray		*triggers;	/* struct trigger */
	uint32_t	 triggers_i;
	struct backfill	 backfill;
	struct job	 job;
	bool		 working;
	struct pending	 pending;
	struct value	*scratch;	/* fields of kept events, by plan */
	uint32_t	*scratch_set;	/* which of them are set */
	uint32_t	 scratch_n, scratch_cap;
	GByteArray	*bytes;
	GString		*text;
};
static inline const struct key_cell *key_get(const struct decide *d,
    const struct keyed *k)
{
	return cells_get(d->cells, k->cell);
}
static inline struct key_cell *key_touch(struct decide *d, const struct keyed *k)
{
	return cells_touch(d->cells, k->cell);
}
static inline const struct rule_cell *rule_get(const struct decide *d,
    const struct rule_state *rs)
{
	return cells_get(d->cells, rs->cell);
}
/* backfill.c */
bool backfill_job_begin(struct decide *);
/* The event that is being decided did this before, for that key, or it waits. */
bool backfill_skips(struct decide *, const struct delivery *);
/* rule_event.c */
/* From d->hits, which it advances over one rule's; false: no job. */
bool event_job_begin(struct decide *, uint32_t *hit);
/* Of rules that share a signal, the first adds the sample for all: the deadlines before
 * the event's clock, of each of them, come first. */
bool event_early_begin(struct decide *, uint32_t *hit);
bool event_early(struct decide *, struct rule_state *, const struct dispatch_hit *,
    uint32_t n);
/* One event for one rule by one selector; MATCH_NO also where the rule is off. */
enum match { MATCH_NO = 1, MATCH_YES, MATCH_INVALID, MATCH_REFUSED,
	MATCH_SEVERAL };		/* it has not one key: nothing was made */
enum match deliver(struct decide *, struct rule_state *, uint32_t sel, struct delivery *);
/* climb.c */
void climb_use(struct decide *);		/* after another rule set */
void climb_leave(struct decide *);		/* before it */
/* event_early() of the rule whose deadline is the first; false: none is due. */
bool climb_early(struct decide *, struct rule_state *first);
/* The event of a ladder's first rule is taken for all of them; false: each rule takes it
 * on its own, as it also has to after an event that the first did not take. */
bool climb_begin(struct decide *, struct rule_state *first);
bool climb_next(struct decide *);		/* d->job; false: the ladder is done */
void climb_key(struct decide *, struct keyed *);	/* armed: is it quiet? */
void climb_drop(struct decide *, struct keyed *);	/* goes, or its rule is off */
uint64_t climb_fate(const struct rule_state *, enum rule_fate);
/* One rule takes the event by these hits of its selectors; false: no job. */
bool event_job(struct decide *, struct rule_state *, const struct dispatch_hit *,
    uint32_t n);
/* A key too many has no state, but its event moves the rule's clock like any other. */
bool event_refused(struct decide *, struct rule_state *, const struct delivery *);
bool event_body(struct decide *, struct job *, struct emission *);
void delivery_keep(struct decide *, const struct delivery *);
/* sample.c */
#define EACH_MAX 1000		/* elements of `each` */
enum rule_fate signal_sample(struct decide *, const struct delivery *, int64_t clock);
void signal_samples(struct decide *, struct job *);
uint32_t signal_root(const struct decide *, struct keyed *, uint32_t signal);
/* rule_signal.c */
void signal_ctx(struct decide *, struct ctx *, struct rule_state *, struct keyed *,
    int64_t clock);
bool signal_evaluate(struct decide *, struct rule_state *, struct keyed *, int64_t clock,
    struct emission *);
void signal_settled(struct decide *, struct rule_state *, struct keyed *);
/* The key's episode is over: its runs may have to end (on_clear). */
void signal_cleared(struct decide *, struct rule_state *, struct keyed *);
void key_arm(struct decide *, struct rule_state *, struct keyed *);
/* Asked again by a tick deadline that is due now (tell.c). */
void key_wake(struct decide *, struct rule_state *, struct keyed *);
/* A source moved: when the key becomes stale is another tick. */
void signal_stale_moved(struct decide *, struct rule_state *, struct keyed *);
int64_t signal_stale_from(const struct decide *, struct keyed *, uint32_t selector);
/* The hold alone moved. */
void key_arm_hold(struct decide *, struct keyed *, int64_t hold);
struct keyed *key_new(struct decide *, struct rule_state *, struct str key);
struct machine_config machine_config_of(const struct rule *);
/* rule_schedule.c */
void schedule_job_begin(struct decide *, struct sched *);
bool schedule_body(struct decide *, struct job *, struct emission *);
void schedule_use(struct decide *, struct rule_state *, const struct rule *old);
void schedule_enable(struct decide *, struct rule_state *);	/* no time it was off */
bool schedule_is_back(const struct decide *, int64_t wall_ms);	/* before a cursor */
void schedule_back(struct decide *);	/* ... and that is believed */
void schedule_clocks(struct decide *);	/* wall stepped; cursors without a time */
void schedule_row(struct decide *, const struct rule_state *, uint32_t schedule,
    int64_t due_ms, const char *outcome);
void schedule_arm(struct decide *, struct rule_state *);
/* A schedule's definition in four bytes, and the row of what waited by it. */
uint32_t schedule_mark(const struct rule *, uint32_t schedule);
void schedule_row_of(struct decide *, const struct rule_state *, uint32_t mark,
    int64_t due_ms, const char *outcome);
void schedule_load(struct rule_state *, uint32_t cell);
struct sched *schedule_of_due(struct rule_state *, uint64_t id);	/* NULL: gone */
/* The first that is due at this time; the rule has a schedule. */
struct sched *schedule_that_has(struct rule_state *, int64_t due_ms);
int64_t schedule_at(const struct rule_state *);	/* when the next starts; INT64_MAX */
/* baseline.c: what a sample is judged by; NULL: nothing is known */
void baseline_init(struct decide *);
void baseline_fini(struct decide *);
void baseline_forget(struct decide *, struct str model);	/* another champion */
const struct baseline *baseline_of(struct decide *, const struct rule_signal *,
    struct str model, struct str sub);
/* rearm.c: drift from detection until the detector is armed again */
void rearm_use(struct rule_state *);		/* detects and pins of its rule */
bool rearm_drifts(const struct decide *, struct keyed *);	/* any of its detectors */
void rearm_due(struct decide *, struct keyed *);	/* what is due by tick */
int64_t rearm_wake(const struct decide *, const struct keyed *);  /* INT64_MAX: never */
void rearm_fired(struct decide *, struct keyed *, uint64_t run);
void rearm_unanswered(struct decide *, struct keyed *);	/* observed, dropped, error */
void rearm_recovered(struct decide *, struct keyed *);	/* its episode ended */
/* Whether this run answers the key's drift; its end. */
bool rearm_owns(const struct decide *, const struct keyed *, uint64_t run);
void rearm_run_ended(struct decide *, struct keyed *, const struct run_end *);
/* The samples to come are of this model: another than before has other baselines. */
void rearm_model(struct decide *, struct keyed *, struct str model);
void rearm_repin(struct decide *, struct keyed *);	/* another version was deployed */
/* Members "armed" and "rearm_at" of an object; nothing without a detector. */
void rearm_json(const struct decide *, struct keyed *, int64_t wall, int64_t tick,
    GString *out);
bool rearm_blocks(const struct decide *, const struct keyed *, struct arena *,
    struct str *ret_numbers, int64_t *ret_end);
/* emit.c: from a true condition to an emission.  False: it was stopped here. */
bool emit(struct decide *, struct ctx *, struct keyed *, enum job_kind,
    const struct trigger *, struct emission *);
void emit_error(struct ctx *, struct keyed *, enum job_kind, struct str what);
/* ... after the suppressors were asked. */
bool emit_asked(struct decide *, struct ctx *, struct keyed *, enum job_kind,
    const struct trigger *, struct check *, struct emission *);
/* wait.c */
bool rule_waits(const struct rule *);
bool wait_event(struct decide *, struct ctx *, struct keyed *, enum job_kind,
    struct emission *);
bool wait_body(struct decide *, struct keyed *, bool woken, struct emission *);
void wait_stopped(struct ctx *, const struct check *, bool defers);
void wait_settled(struct ctx *, const struct emission *, bool fired);
void wait_arm(struct decide *, struct keyed *);
void wait_drop(struct decide *, struct keyed *);
bool wait_has(const struct decide *, const struct keyed *, const struct event *);
uint32_t wait_count(const struct decide *, const struct keyed *);
void wait_run_ended(struct decide *, struct str pipeline, struct str key);
/* join.c: true: a match, which is in the ctx. */
bool join_take(struct decide *, struct ctx *, const struct delivery *);
void join_expire(struct decide *, struct keyed *, int64_t clock);
int64_t join_due(const struct decide *, const struct keyed *);	/* rule's clock */
uint32_t join_count(const struct decide *, const struct keyed *);
void join_drop(struct decide *, struct keyed *);
/* After an edit: events of another definition are recorded as expired. */
void join_check(struct decide *, struct rule_state *, struct keyed *);
bool trigger_body(struct decide *, struct job *, struct emission *);
/* trace.c */
struct outcome_view {
	enum outcome	 outcome;	/* 0: nothing happened */
	uint64_t	 decision;
	struct str	 run_id, error, actor;
	bool		 again;		/* evaluated again, for explain */
};
struct str trace_json(struct ctx *, const struct check *, const struct outcome_view *,
    struct str *ret_why);
const struct trace_row *trace_left(const struct trace *, uint32_t row);
bool trace_is_leaf(const struct prog *, const struct trace *, uint32_t row);
/* why.c */
/* Leaves of the condition whose value is `want`, joined by "and"; how many. */
unsigned why_leaves(const struct prog *, const struct trace *, bool want, GString *);
void why_error(const struct prog *, const struct trace *, GString *);
void why_print(struct ctx *, const struct check *, const struct outcome_view *,
    const struct prog *, const struct trace *, GString *out);
void span_print(int64_t ms, GString *out);		/* "11h40m" */
#endif
