/* Baselines out of documents: the key `baseline` of a step's metrics, a model version's
 * baseline, an inline one of a rule.  docs/baselines.schema.json says the same as
 * JSON schema (conditions: edges ascend, |counts| = |edges| + 1 or |categories| + 1). */
#ifndef SIGNAL_BASELINE_READ_H
#define SIGNAL_BASELINE_READ_H

#include "base/err.h"
#include "expr/value.h"
#include "signal/baseline.h"

struct arena;

struct baseline_entry {
	struct str	 name;
	struct baseline	 b;
};
struct baseline_set {		/* ascending by name */
	struct baseline_entry *v;
	uint32_t	 n;
};
#define BASELINE_ENTRIES_MAX 1000

/* One entry; arrays and texts are the arena's.  False: what is wrong in *err, and in
 * *ret_member (may be NULL) the member that it is about, or NULL. */
bool baseline_read(struct value, struct arena *, struct baseline *ret,
    const char **ret_member, struct err *);
/* A map of entries.  False: *err names the entry and the member. */
bool baseline_set_read(struct value, struct arena *, struct baseline_set *ret,
    struct err *);
const struct baseline *baseline_set_find(const struct baseline_set *, struct str name);
#endif
