/* One build of a rule set: what its files share, and the parts of reading a rule.
 *
 * Everything of all files is read before anything is refused, so that all errors are
 * seen in one pass. */
#ifndef RULES_BUILD_H
#define RULES_BUILD_H

#include "rules/keys.h"
#include "rules/names.h"

struct rule_file;
struct pipeline_entry {		/* also of a pipeline that did not compile */
	struct str	 name;
	const struct yaml *at;
	struct pipeline	*pipeline;	/* NULL: errors were told */
	uint32_t	 shared;	/* the file's generation */
	const struct yaml *budget_at;	/* what it says, defaults merged in; NULL: none */
	const struct budget *budget;	/* NULL: none */
	const struct rule_file *file;
};
struct rule_file {
	const struct rule_text *text;
	const struct yaml *root;	/* NULL: no YAML */
	struct file_keys keys;
	/* defaults, the directory's merged in */
	const struct yaml *rule, *pipeline, *step;
	struct value	 vars;
};
struct build {
	struct load	 ld;
	struct ruleset	*rs;
	struct rule_file *files;
	uint32_t	 files_n;
	struct pipeline_entry *pipelines;
	uint32_t	 pipelines_n;
	GHashTable	*by_name;	/* of pipelines: scope_key() -> index + 1 */
	GHashTable	*calendars;	/* scope_key() -> struct calendar */
	GHashTable	*budgets;	/* scope_key() -> struct budget */
	GPtrArray	*budget_names;	/* struct yaml, likewise */
	GPtrArray	*calendar_names;	/* struct yaml: to guess what was meant */
};

/* ---- who may refer to what (scope.c) ----
 *
 * A name means the entry of the own bundle, else the one of `shared`; no other.  Tables
 * of entries are g_str_hash tables keyed by scope_key(). */
#define SHARED_BUNDLE STR("shared")
/* The name with its bundle's prefix, kept. */
struct str scope_name(struct build *, const struct rule_file *, struct str name);
/* The key of an entry that this file defines; in the memory of the build. */
const char *scope_key(struct build *, const struct rule_file *, struct str name);
/* What `name` in this file refers to; NULL: nothing. */
gpointer scope_find(const struct build *, GHashTable *, const struct rule_file *,
    struct str name);
/* Another file of the directory that a rule file names (`file: x.ics`); NULL: none. */
const struct rule_text *scope_companion(const struct build *, const struct rule_file *,
    struct str name);
/* defaults.yaml of the directory, and of `shared`, under the file's own defaults. */
void scope_defaults(struct build *, struct rule_file *);

/* One rule being read. */
struct reading {
	struct build	*b;
	struct load	*ld;
	struct rule_file *file;
	const struct yaml *map;
	struct rule_keys k;
	struct rule	*r;
	struct names	 names;		/* of the rule's expressions; `allowed` varies */
	unsigned	 when_seen;	/* NAME_ bits of when and recover */
	unsigned	 seen;		/* ... of anything */
	GArray		*reads;		/* of uint32_t */
};

/* Reads one merged map into *r; `name` has its bundle's prefix. */
void rule_read(struct build *, struct rule_file *, const struct yaml *map,
    struct str name, struct rule *r);
/* The rule's defaults without the keys that its kind does not have. */
const struct yaml *rule_defaults(struct load *, const struct yaml *defaults,
    const struct yaml *rule);
uint32_t rule_selector_names(struct reading *);	/* how many; first of all */
void rule_selectors(struct reading *);
/* rule_join.c: sequence, at_least, within; coalesce */
void rule_join(struct reading *);
void rule_coalesce(struct reading *);
/* Names and windows first, values later: expressions need the names. */
void rule_signals(struct reading *);
void rule_signal_values(struct reading *);
/* value, each and by; the NAME_ bits that they read.  What identity they add. */
unsigned rule_sample(struct reading *, const struct yaml *map, struct rule_signal *);
void rule_sample_hash(const struct rule_signal *, GString *json);
/* run, params and what is known of the model. */
void rule_run(struct reading *);
void rule_schedules(struct reading *);
void rule_calendar(struct reading *);
/* calendar_read.c: before the rules */
#define CALENDARS_OF_RULE 16
void calendars_read(struct build *);
/* budget_read.c: before the rules, after the pipelines */
void budgets_read(struct build *);
const struct budget *budget_find(struct build *, const struct rule_file *,
    const struct yaml *name);
void rule_budget(struct reading *);	/* after its run: */
void calendar_use_hash(const struct calendar_use *, GString *json);
/* An expression of this rule; `allowed` says which names. */
unsigned rule_names(const struct reading *, unsigned also);
const struct prog *rule_expr(struct reading *, const char *where, const struct yaml *,
    unsigned allowed, enum expr_type want);
/* loops.c */
void loops_lint(const struct ruleset *, struct diags *);
void ruleset_pack(struct ruleset *, const struct rule_text *, uint32_t n);
void ruleset_hash(struct ruleset *, const struct catalog *);
/* JSON of what else a definition means: vars, pipeline and model, where read. */
void rule_context(struct reading *, unsigned seen, GString *json);
void rule_reads(struct reading *, const struct prog *);

#endif
