/* Bundles at a load: what each one's files give, or its last good texts.
 *
 * The packed texts of the set that runs are the union of the last good sets, each with
 * the generation of `shared` that it was built against.  bundles_build() reads the files
 * and builds the whole; a bundle with an error gives way to its last good texts, and the
 * whole is built again, until it builds.  Runs on the helper; touches no global. */
#ifndef TURN_BUNDLES_H
#define TURN_BUNDLES_H

#include "base/err.h"
#include "turn/reload.h"

struct rules_bad { struct str bundle; struct err err; };
struct rules_found {		/* by bundle, then by name */
	struct rule_text *texts;	/* none of a bundle that is bad */
	uint32_t	 n;
	struct rules_bad *bad;
	uint32_t	 bad_n;
};
/* Reads the files of all bundles; false: the directory itself is unreadable. */
bool rules_find(const struct reload_options *, struct arena *, struct rules_found *ret,
    struct err *);
/* Paths of the directories in the rules directory, to be watched; may be none. */
GPtrArray *rules_dirs(const char *dir);
bool bundle_name_ok(struct str);

enum bundle_state { BUNDLE_OK = 1, BUNDLE_KEPT, BUNDLE_FAILED, BUNDLE_REMOVED };
struct bundle {
	char		*name;		/* "" for the files directly in rules/ */
	enum bundle_state state;	/* FAILED: there is no last good set, none runs */
	uint32_t	 rules, errors;
	GString		*text, *json;	/* diagnostics: rendered; items without [] */
	int64_t		 since_ms;	/* set by the owner */
};
struct bundles {
	struct bundle	*v;		/* in byte order of the names */
	uint32_t	 n;
	GString		*text, *json;	/* what is wrong with all of it; likewise */
};
/* `packed`: of the set that runs, or empty.  NULL: nothing at all can run.
 * The caller frees *ret in each case. */
struct ruleset *bundles_build(const struct reload_options *, const struct catalog *,
    struct str packed, struct bundles **ret);
void bundles_free(struct bundles *);	/* NULL is fine */
/* Each bundle is as its files say. */
bool bundles_ok(const struct bundles *);
const char *bundle_shown(const struct bundle *);	/* "." without a name */
const char *bundle_state_name(enum bundle_state);
/* All diagnostics: the text, and a JSON array. */
void bundles_text(const struct bundles *, GString *out);
void bundles_diagnostics(const struct bundles *, GString *json);
/* Array of {name,state,rules,errors,since,diagnostics}. */
void bundles_json(const struct bundles *, GString *json);
#endif
