/* What every rule did with one event: who considered it, who took it, what came of it.
 *
 *	consider_new() ─► world_input(the event) ─► consider_json() */
#ifndef REPLAY_CONSIDER_H
#define REPLAY_CONSIDER_H

#include "flow/world.h"

struct consider;

/* Before the event is decided.  It is borrowed until consider_free(). */
struct consider *consider_new(struct world *, const struct event *, int64_t wall_ms,
    int64_t tick_ms);
void consider_free(struct consider *);
/* After it; its decisions are fx's from `first` on.
 *	{"event":{..},"time":..,"rules":[{"rule":..,"selector":..,"matched":..,"key":..,
 *	"why":..,"outcome":..,"trace":{..}}]}
 * A rule that took it and decided nothing has its condition evaluated once more from
 * the state that the event left, as explain does.  `rule` not empty: that one alone. */
void consider_json(struct consider *, const struct effects *fx, uint32_t first,
    struct str rule, GString *);
/* That, as people read it. */
bool consider_text(struct str json, GString *, struct err *);
#endif
