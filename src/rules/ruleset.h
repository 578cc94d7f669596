/* One immutable rule set: one arena, counted references on one thread.
 *
 * Built from the texts of all bundles and the catalog; all diagnostics in one
 * pass; nothing is returned when there was an error.  The hash covers the texts,
 * the formats of the sources and the version of this code's layout. */
#ifndef RULES_RULESET_H
#define RULES_RULESET_H

#include "base/diag.h"
#include "event/event.h"
#include "expr/expr.h"
#include "rules/budget.h"
#include "rules/calendar.h"
#include "rules/catalog.h"
#include "rules/pipeline.h"
#include "rules/schedule.h"
#include "signal/signal.h"

struct zones;

/* eval.vars of rule expressions; signal i of the rule is RVAR_SIGNALS + i, and so is
 * named selector i of an event rule.
 * ORDER rule_vars in names.c */
enum rule_var { RVAR_KEY = 0, RVAR_NOW, RVAR_LAST_RUN, RVAR_LAST_SUCCESS, RVAR_CHAMPION,
	RVAR_CANDIDATE, RVAR_VARS, RVAR_EVENTS, RVAR_ITEM, RVAR_ITEM_KEY, RVAR_SIGNALS };
#define RULE_SIGNALS_MAX 32

enum rule_kind { RULE_EVENT = 1, RULE_SIGNAL, RULE_SCHEDULE };
enum rule_mode { MODE_ACTIVE = 1, MODE_OBSERVE, MODE_DISABLED };
enum policy { POLICY_KEEP = 1, POLICY_FALSE, POLICY_TRUE };
/* Several events make one match; of an event rule with named selectors. */
enum join { JOIN_NONE = 0, JOIN_SEQUENCE, JOIN_AT_LEAST };
enum on_clear { CLEAR_KEEP = 1, CLEAR_ABORT };
enum on_suppressed { SUPPRESSED_DROP = 1, SUPPRESSED_DEFER };
struct selector {
	struct str	 name;		/* "" for the only one */
	struct str	 type, subject;	/* empty: any */
	bool		 type_prefix;	/* type ended in '*' (cut off) */
	bool		 retained;	/* retained MQTT messages count too */
	uint32_t	 source;	/* instance id; 0: any */
	const struct prog *where, *key, *time;	/* NULL: none */
	bool		 key_all;	/* for every key that the rule has */
	int64_t		 lateness_ms;
	int64_t		 stale_ms;	/* 0: never */
	uint8_t		 hash[16];	/* of the definition */
};
struct rule_signal {
	struct signal_spec spec;	/* hash covers selector and value too; aggregates:
					 * what any rule reads of this definition */
	struct str	 identity;	/* spec.hash as bytes */
	bool		 read;		/* by this rule */
	uint32_t	 from;		/* selector */
	const struct prog *value;	/* NULL: counts events (value 1) */
	const struct prog *each;	/* list or map of samples; NULL: one per event */
	const struct prog *by;		/* the sub-key; NULL: no map (spec.by) */
	struct str	 baseline_name;	/* entry of the champion's; empty: its own name */
	uint32_t	 learn;		/* baseline: {learn: N}; 0: not */
};
#define RULE_SCHEDULES_MAX 16
struct rule_schedule {
	const struct schedule *at;
	struct str	 name;		/* names it in due rows: one per definition */
	uint8_t		 hash[16];	/* of the definition: the cursor belongs to it */
	enum catch_up	 catch_up;
	int64_t		 deadline_ms, jitter_ms;
};
struct rule {
	uint32_t	 index;		/* in ruleset.rules */
	struct str	 uid, description, owner;
	struct str	 name;		/* with its bundle's prefix */
	struct value	 labels;	/* MAP, or ABSENT */
	enum rule_kind	 kind;
	enum rule_mode	 mode;
	struct span	 at;
	uint8_t		 hash[16];	/* of the whole definition */
	struct selector	*selectors;
	uint32_t	 selectors_n;
	struct rule_signal *signals;
	uint32_t	 signals_n;
	enum join	 join;
	uint32_t	 join_n;	/* AT_LEAST: that many of them */
	uint32_t	*join_of;	/* selectors; SEQUENCE: in this order */
	uint32_t	 join_of_n;
	int64_t		 within_ms;
	bool		 coalesce;
	int64_t		 quiet_ms, max_delay_ms;	/* max_delay 0: any */
	uint32_t	 max_events;
	struct rule_schedule *schedules;
	uint32_t	 schedules_n;
	const struct prog *when, *recover, *dedupe_key;	/* NULL: none */
	const struct prog *model;	/* template; NULL: the pipeline's */
	int64_t		 for_ms, keep_ms, refire_ms, cooldown_ms, dedupe_ms;
	int64_t		 every_ms;	/* evaluate again that often; 0: no */
	bool		 backoff;
	int64_t		 backoff_initial_ms, backoff_max_ms;
	uint32_t	 breaker_after;	/* runs in a row; 0: no breaker */
	int64_t		 breaker_wait_ms;
	struct calendar_use calendar;	/* n 0: at any time */
	const struct budget *budgets[2];	/* its own, its pipeline's; NULL: none */
	enum policy	 on_nodata, on_error;
	enum on_suppressed on_suppressed;
	enum on_clear	 on_clear;
	uint32_t	 max_keys;
	int64_t		 key_ttl_ms;
	bool		 rearm_on_deploy;	/* not by a run that promoted nothing */
	int64_t		 rearm_after_ms;	/* a drift without a run; tick */
	bool		 reads_facts;	/* any of its expressions: last_run, last_success,
					 * champion, candidate */
	bool		 reads_now;	/* when or recover */
	uint32_t	*reads;		/* fields read by when, recover, dedupe, params */
	uint32_t	 reads_n;
	struct pipeline	*pipeline;	/* held by the rule set */
	struct tmpl	 params;	/* MAP (kind 0: none) */
	struct value	 vars;		/* this file's vars: MAP */
	const struct ladder *ladder;	/* NULL: it is evaluated on its own; ladder.h */
};
struct dispatch;
struct ladder;
struct ruleset_index;
struct dispatch_hit { uint32_t rule, selector; };	/* indexes */
struct ruleset {
	int		 refs;
	uint8_t		 hash[32];
	struct arena	*arena;
	struct zones	*zones;
	struct str	 packed;	/* the input, see ruleset_unpack() */
	struct rule	*rules;
	uint32_t	 rules_n;
	struct pipeline	**pipelines;
	uint32_t	 pipelines_n;
	const struct budget **budgets;
	uint32_t	 budgets_n;
	struct plan	 plan;
	struct dispatch	*dispatch;
	struct ruleset_index *index;	/* names to rules and pipelines */
	struct event_format **formats;	/* by source instance id; [0] is unused */
	uint32_t	 formats_n;
};
/* One rule file as read: once, into memory.
 * A bundle that keeps its last good texts also keeps the shared texts that they were
 * built against: `shared` numbers them.  A file of the bundle `shared` belongs to that
 * generation, any other refers to it; 0 is the newest. */
struct rule_text {
	struct str	 bundle;	/* "" for the files directly in rules/ */
	struct str	 name;		/* path as shown in diagnostics */
	struct str	 dir;		/* absolute directory of the file */
	struct str	 bytes;
	uint32_t	 shared;
	bool		 companion;	/* no rule file: one that a rule file names */
};
/* NULL when diags holds an error.  Pure and re-entrant: runs on the helper thread.
 * The diags' texts are those of the files, in order. */
struct ruleset *ruleset_build(const struct rule_text *, uint32_t n,
    const struct catalog *, struct diags *);
/* The inputs back out of `packed`; false: not such a blob. */
bool ruleset_unpack(struct str packed, struct rule_text **ret, uint32_t *ret_n,
    struct arena *);
struct ruleset *ruleset_empty(const struct catalog *);	/* no rules at all */
struct ruleset *ruleset_ref(struct ruleset *);
void ruleset_unref(struct ruleset *);
const struct rule *ruleset_rule(const struct ruleset *, struct str name_or_uid);
/* The first due time of any of its schedules > after_ms, resp. the last < before_ms;
 * INT64_MAX / INT64_MIN: there is none. */
int64_t rule_due_next(const struct rule *, int64_t after_ms);
int64_t rule_due_prev(const struct rule *, int64_t before_ms);
struct pipeline *ruleset_pipeline(const struct ruleset *, struct str name);
/* The budget that runs of a pipeline are charged to; NULL: none. */
const struct budget *ruleset_budget(const struct ruleset *, struct str pipeline);
/* Rules whose selector can match this event (type, source, subject and the equality
 * conjuncts of `where` are looked up; `where` itself is not evaluated), in rule then
 * selector order; of a ladder the first rule alone.  Returns how many were written to
 * the arena array *ret. */
uint32_t ruleset_dispatch(const struct ruleset *, const struct event *,
    const struct dispatch_hit **ret, struct arena *);
/* Reference page and schema out of the key tables. */
void rules_schema(GString *json);
void rules_reference(GString *markdown);
/* Advice that is no error: added as warnings. */
void ruleset_lint(const struct ruleset *, struct diags *);
#endif
