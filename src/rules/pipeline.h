/* A pipeline: a DAG of steps, its parameters and what follows its end.
 *
 * It is an arena of its own, counted by reference and named by the hash of its
 * canonical text (load_text(), defaults merged, dir absolute), so that a run keeps the
 * pipeline it was created with: the text is stored while a run names it and
 * compiled again by pipeline_restore() before the world loads.  References are
 * counted on the loop thread only; the builder hands over with one reference. */
#ifndef RULES_PIPELINE_H
#define RULES_PIPELINE_H

#include "base/err.h"
#include "rules/catalog.h"
#include "rules/tmpl.h"

/* eval.vars of every expression in a pipeline.  ORDER pipeline_vars in names.c */
enum pipeline_var { PVAR_PARAMS = 0, PVAR_TRIGGER, PVAR_STEPS, PVAR_RUN, PVAR_CHAMPION,
	PVAR_CANDIDATE, PVAR_KEY, PVAR_NOW, PVAR_MAX };

enum param_type { PARAM_ANY = 1, PARAM_STRING, PARAM_INT, PARAM_DOUBLE, PARAM_BOOL,
	PARAM_LIST, PARAM_MAP };
struct param {
	struct str	 name, description;
	enum param_type	 type;
	bool		 required;	/* no default */
	struct value	 fallback;
	bool		 has_min, has_max;
	double		 min, max;	/* numbers; lengths of strings and lists */
	struct value	 words;		/* LIST of allowed values; ABSENT: any */
	struct str	 pattern_text;
	const struct prog *pattern;	/* `matches` over the value (vars[0]), or NULL */
	bool		 in_model;	/* the model's name depends on it */
};
struct resources {		/* 0: not said */
	double		 cpu, gpu;
	int64_t		 memory;	/* bytes */
};
enum step_kind { STEP_COMMAND = 1, STEP_EXECUTOR, STEP_GATE };
enum on_failure { FAILURE_STOP = 1, FAILURE_CONTINUE };
struct step_spec {
	struct str	 name;
	enum step_kind	 kind;
	uint32_t	*needs;		/* indexes of steps before this one */
	uint32_t	 needs_n;
	const struct prog *cond;	/* if:, or NULL */
	const struct prog *gate;
	struct tmpl	 argv;		/* COMMAND: LIST; argv[0] is constant */
	struct str	 executor;	/* instance name; COMMAND: "local" unless named */
	struct tmpl	 with;		/* EXECUTOR: MAP (kind 0: none) */
	struct tmpl	 env;		/* MAP of strings (kind 0: none) */
	uint32_t	 attempts;	/* >= 1 */
	int64_t		 backoff_ms, backoff_max_ms;	/* doubling */
	int64_t		 timeout_ms;	/* 0: none */
	enum on_failure	 on_failure;
	struct resources resources;
};
enum on_limit { LIMIT_QUEUE = 1, LIMIT_SKIP, LIMIT_REPLACE };
struct pipeline {
	int		 refs;
	struct arena	*arena;
	struct zones	*zones;		/* eval.zones of its expressions */
	uint8_t		 hash[32];
	struct str	 text;		/* canonical */
	struct str	 name, description, owner;
	struct str	 dir;		/* absolute: working directory of its steps */
	struct str	 repo, ref;	/* code:, empty: none */
	const struct prog *model;	/* template; NULL: no model */
	struct param	*params;
	uint32_t	 params_n;
	uint32_t	 limit, per_key;	/* concurrency; 0: none */
	enum on_limit	 on_limit;
	uint32_t	 queue;		/* at most that many pending; default 100 */
	int64_t		 timeout_ms;	/* 0: none */
	int64_t		 pending_ms;	/* deadline of a pending run; 0: none */
	int64_t		 priority;
	struct resources resources;	/* of a run: its own, or the most of its steps */
	struct tmpl	 env;
	struct step_spec *steps;	/* topologically sorted, file order where free */
	uint32_t	 steps_n;
	bool		 promotes;
	struct tmpl	 promote;	/* MAP: version, metrics, baseline */
};
/* From canonical text; false: it no longer compiles (why in *err). */
struct pipeline *pipeline_restore(struct str text, const struct catalog *, struct err *);
struct pipeline *pipeline_ref(struct pipeline *);
void pipeline_unref(struct pipeline *);
/* Given parameters (a MAP, or NULL value) -> all parameters with defaults, types and
 * bounds checked; unknown names refused.  The result lives in the arena. */
bool pipeline_params(const struct pipeline *, struct value given, struct value *ret,
    struct arena *, struct err *);
/* params schema as JSON, for forms and `describe`. */
void pipeline_params_json(const struct pipeline *, GString *out);
#endif
