/* Messages of a kafka source read again by their positions.
 *
 * For who replays a journal that keeps positions only (`journal: ref`).  Blocking, with a
 * consumer of its own that has the source's settings, joins no group and commits
 * nothing.  Asked for in ascending order within a partition it reads ahead in batches;
 * any order is right. */
#ifndef SOURCE_KAFKA_FETCH_H
#define SOURCE_KAFKA_FETCH_H

#include "event/event.h"
#include "source/options.h"

struct kafka_fetch;

/* Options are borrowed; secrets and PEM files are read now, relative to config_dir. */
struct kafka_fetch *kafka_fetch_new(const struct kafka_options *, struct str name,
    const char *config_dir, struct err *);
void kafka_fetch_free(struct kafka_fetch *);
/* The message at m->part ("topic/partition") and m->pos, as the source lent it, copied
 * into the arena.  ERR_NOT_FOUND: it is no longer there; ERR_UNAVAILABLE: it did not
 * come within 30 s. */
bool kafka_fetch_message(struct kafka_fetch *, struct message *, struct arena *,
    struct err *);
#endif
