/* The loader's side of pipelines, steps and parameters. */
#ifndef RULES_PIPELINE_READ_H
#define RULES_PIPELINE_READ_H

#include "rules/names.h"

#define STEPS_MAX 256
#define PARAMS_MAX 256
#define ARGV_MAX 4096

/* A pipeline of a rule file: `map` has its defaults merged, `name` is the name with
 * its bundle's prefix, `dir` the file's directory.  One reference; NULL after errors. */
struct pipeline *pipeline_load(struct load *, const struct yaml *map, struct str name,
    struct str dir);
/* Steps with the file's step defaults merged in; keys that gates lack are left out. */
const struct yaml *steps_merge(struct load *, const struct yaml *steps,
    const struct yaml *defaults);
/* Fills in p->steps; `nm` has params set. */
void steps_read(struct names *nm, const struct yaml *steps, struct pipeline *p);
struct resource_keys;
void resources_check(struct load *, const struct yaml *map,
    const struct resource_keys *);
void params_read(struct load *, const struct yaml *params, struct pipeline *p);
void env_read(struct names *nm, const struct yaml *env, struct tmpl *ret);
/* A value for a parameter: right type (converted where nothing is lost), in bounds. */
bool param_check(const struct param *, const struct zones *, struct value *v,
    struct arena *, struct err *);

/* Topological order, the lower index first where free.  False: `cycle` holds a cycle
 * of *cycle_n indexes, each needing the next and the last the first. */
struct dag_node {
	uint32_t	*needs;
	uint32_t	 needs_n;
};
bool dag_sort(const struct dag_node *, uint32_t n, uint32_t *order, uint32_t *cycle,
    uint32_t *cycle_n);

#endif
