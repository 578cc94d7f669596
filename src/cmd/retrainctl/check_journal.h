/* Warnings from recorded events, for `check --with-journal`. */
#ifndef CMD_RETRAINCTL_CHECK_JOURNAL_H
#define CMD_RETRAINCTL_CHECK_JOURNAL_H

#include "cmd/retrainctl/ctl.h"
#include "rules/ruleset.h"

/* The rule set tried on the journal in `state` (NULL: of the configuration); warnings
 * are added.  False: said, *ret_exit is set. */
bool check_journal(struct ctl *, const char *state, struct ruleset *, struct diags *,
    int *ret_exit);
#endif
