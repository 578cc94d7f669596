/* A decision that was made again, beside the row that was stored. */
#ifndef REPLAY_VERIFY_H
#define REPLAY_VERIFY_H

#include "decide/decide.h"

/* Name of the first column that differs, with both as text (borrowed from the rows, or
 * from the arena); NULL: they are the same, byte for byte. */
const char *decision_difference(const struct decision_row *stored,
    const struct decision_row *again, struct arena *, struct str *ret_stored,
    struct str *ret_again);
#endif
