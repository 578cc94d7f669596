/* Explaining a rule and key from the state as it is: decide evaluates again and
 * changes nothing, so explaining may be asked for at any time between two inputs. */
#include "base/arena.h"
#include "replay/replay.h"

bool replay_explain(struct world *w, struct str rule, struct str key, int64_t wall_ms,
    int64_t tick_ms, GString *json, struct err *err)
{
	struct arena *a = arena_new(0);
	bool ok = decide_explain(world_decide_mut(w), rule, key, wall_ms, tick_ms, a,
				 json, err);

	arena_free(a);
	return ok;
}
