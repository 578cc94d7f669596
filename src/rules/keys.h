/* Every key of a rule file, once: what the loader reads, what the JSON schema and
 * the reference page say, and what "did you mean" knows.
 *
 * To add a key: a row in keys.c and a member here; to make a later key available,
 * drop OPT_LATER from its row.  `later` takes what rows of later versions hold. */
#ifndef RULES_KEYS_H
#define RULES_KEYS_H

#include "base/option.h"

struct file_keys {
	const struct yaml *rules, *pipelines, *defaults, *vars, *calendars,
	    *budgets, *later;
};
struct defaults_keys {
	const struct yaml *rule, *pipeline, *step;
};
struct rule_keys {
	struct str	 name, uid, description, owner;
	const struct yaml *labels, *on, *key, *model, *signals, *when, *recover;
	const struct yaml *dedupe, *schedule, *run, *backoff, *breaker, *calendar,
	    *coalesce, *sequence, *at_least, *budget, *later;
	int64_t		 for_ms, keep_ms, refire_ms, cooldown_ms, every_ms, within_ms;
	int64_t		 mode, on_nodata, on_error;
	int64_t		 on_suppressed;	/* 0: unset */
	int64_t		 on_clear;
	int64_t		 max_keys, key_ttl_ms;
	int64_t		 rearm, rearm_after_ms;	/* 0: unset */
};
struct dedupe_keys {
	const struct yaml *key;
	int64_t		 for_ms;
};
struct coalesce_keys {
	int64_t		 quiet_ms, max_delay_ms, max_events;
};
struct at_least_keys {
	const struct yaml *of;
	int64_t		 n, within_ms;
};
struct backoff_keys {
	int64_t		 initial_ms, max_ms;
};
struct breaker_keys {
	int64_t		 after, wait_ms;
};
struct calendar_keys {
	struct str	 name, description, timezone, file;
	const struct yaml *weekdays, *times, *dates, *except;
};
struct calendar_use_keys {
	const struct yaml *only, *not;
};
struct budget_keys {
	struct str	 name, description, owner, timezone;
	int64_t		 resource, per, scope, on_over;	/* on_over 0: unset */
	double		 limit;
};
struct run_keys {
	struct str	 pipeline;
	const struct yaml *params;
};
struct selector_keys {
	struct str	 source, type, subject;
	const struct yaml *where, *key, *time, *later;
	int64_t		 lateness_ms, stale_ms;
	bool		 retained;
};
struct signal_keys {
	struct str	 from, timezone;
	const struct yaml *value, *each, *by, *detect, *baseline, *test, *later;
	int64_t		 max_by;
	int64_t		 over_ms, tumbling_ms, offset_ms, last, since, min_count;
	int64_t		 hop_ms, session_ms;
	int64_t		 resolution, max_samples;
};
struct schedule_keys {
	struct str	 cron, timezone;
	const struct yaml *times;
	int64_t		 every_ms, jitter_ms, catch_up, deadline_ms;
};
struct resource_keys {
	double		 cpu, gpu;	/* 0: unset */
	int64_t		 memory;
};
struct pipeline_keys {
	struct str	 name, description, owner, dir;
	const struct yaml *model, *params, *env, *steps, *on_success, *later;
	const struct yaml *budget;
	struct resource_keys resources;
	struct { struct str repo, ref; } code;
	struct { int64_t limit, per_key, on_limit, queue; } concurrency;
	int64_t		 timeout_ms, pending_ms, priority;
};
struct param_keys {
	int64_t		 type;
	const struct yaml *fallback, *words;
	const struct yaml *min, *max;
	struct str	 pattern, description;
};
struct step_keys {
	struct str	 name, executor;
	const struct yaml *needs, *cond, *command, *with, *env, *gate, *later;
	struct { int64_t attempts, backoff_ms, max_ms; } retry;
	struct resource_keys resources;
	int64_t		 timeout_ms, on_failure;
};
struct success_keys {
	const struct yaml *promote;
};
struct promote_keys {
	const struct yaml *version, *metrics, *baseline;
};

extern const struct option file_options[], defaults_options[], rule_options[],
    dedupe_options[], coalesce_options[], at_least_options[],
    backoff_options[], breaker_options[], calendar_options[],
    calendar_use_options[], budget_options[], run_options[],
    selector_options[],
    signal_options[], schedule_options[], pipeline_options[], param_options[],
    step_options[], success_options[], promote_options[];

#endif
