/* Names in expressions: which exist where, and which input each becomes.
 *
 * A struct names is one place of a file (a rule's `when`, a step's `if`): what may
 * be read there, and what has been read.  Compiling goes through it, so that the
 * YAML traps around expressions are told the same way everywhere. */
#ifndef RULES_NAMES_H
#define RULES_NAMES_H

#include "event/plan.h"
#include "expr/expr.h"
#include "rules/load.h"
#include "rules/pipeline.h"
#include "rules/ruleset.h"

enum name_bit {
	NAME_EVENT = 1,		/* event and data */
	NAME_KEY = 2,
	NAME_NOW = 4,
	NAME_LAST = 8,		/* last_run and last_success */
	NAME_MODEL = 16,	/* champion and candidate */
	NAME_VARS = 32,
	NAME_EVENTS = 64,
	NAME_SIGNALS = 128,
	NAME_PARAMS = 256,
	NAME_TRIGGER = 512,
	NAME_STEPS = 1024,
	NAME_RUN = 2048,
	NAME_SELECTORS = 8192,	/* events by the name of their selector */
	NAME_ITEM = 4096,	/* item and item_key: of a signal with `each` */
};
#define NAMES_MAX (16 + RULE_SIGNALS_MAX)

struct names {
	struct load	*ld;
	unsigned	 allowed, seen;	/* NAME_ bits */
	const char	*where;		/* the key being compiled, for messages */
	const struct yaml *node;	/* the scalar being compiled */
	const char	*no_model;	/* why champion can't be known, or NULL */
	uint32_t	 told;		/* offset of the last complaint + 1 */
	/* in rules */
	struct plan	*plan;
	struct value	 vars;
	struct rule_signal *signals;
	uint32_t	 signals_n;
	const struct selector *selectors;	/* that can be read by name */
	uint32_t	 selectors_n;
	GArray		*kept;		/* of uint32_t: fields of events read so */
	bool		 several;	/* a signal rule with several selectors */
	bool		 keeps;		/* what `events` holds is kept events */
	/* in pipelines */
	struct param	*params;
	uint32_t	 params_n;
	bool		*params_read;	/* NULL: do not record */
	const struct str *steps;
	uint32_t	 steps_n;
	const uint8_t	*done;		/* by step: has ended here; NULL: all have */
	/* made by names_init() */
	struct expr_env	 env;
	struct str	 words[NAMES_MAX];
	enum expr_type	 types[NAMES_MAX];
};

/* Fills in env from `allowed` and the members above. */
void names_rule(struct names *);
void names_pipeline(struct names *);
/* NULL after an error; `node` NULL gives NULL and no error. */
const struct prog *names_expr(struct names *, const struct yaml *node,
    enum expr_type want);
const struct prog *names_template(struct names *, const struct yaml *node);
/* A tree of templates; with `text` every scalar becomes a string. */
bool names_tmpl(struct names *, const struct yaml *node, bool text, struct tmpl *ret);
/* Whether a signal of a rule may be called so. */
bool names_reserved(struct str);

#endif
