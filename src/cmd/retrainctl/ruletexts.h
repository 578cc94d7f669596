/* Rule files for the verbs that try rules without a daemon: test, backtest, diff. */
#ifndef CMD_RETRAINCTL_RULETEXTS_H
#define CMD_RETRAINCTL_RULETEXTS_H

#include "base/err.h"
#include "rules/ruleset.h"

/* A file, with defaults.yaml and *.ics of its directory; of a directory the files that
 * a daemon would load.  Each once. */
bool ruletexts_read(const char *const *paths, uint32_t n, struct arena *,
    struct rule_text **ret, uint32_t *ret_n, struct err *);
/* NULL: the rendered diagnostics are in `why`. */
struct ruleset *ruletexts_build(const struct rule_text *, uint32_t n,
    const struct catalog *, struct arena *, GString *why);
#endif
