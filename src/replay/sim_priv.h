/* Inside the simulator: sim.c moves time and feeds, sim_run.c is the executor of
 * virtual runs.  Not for others. */
#ifndef REPLAY_SIM_PRIV_H
#define REPLAY_SIM_PRIV_H

#include "base/arena.h"
#include "base/check.h"
#include "replay/sim.h"

struct later {			/* what an executor will say */
	int64_t		 at;	/* tick */
	uint64_t	 n;	/* order of two at the same time */
	char		*name;	/* run; or key of the attempt where `report` is set */
	bool		 report;
	enum exec_op_kind op;
	enum report_state state;
	const struct sim_step *step;	/* NULL: nothing but the state */
	struct sim_plan	 plan;	/* of a run's end */
};
struct virtual {		/* an unfinished run; the strings are its own */
	struct sim_run	 r;
	bool		 started;
	bool		 has_plan;
	struct sim_plan	 plan;
	GPtrArray	*open;	/* char *: step, key, step, key ..: answered "running" */
};
struct kept {			/* text of a pipeline that an unfinished run names */
	uint8_t		 hash[32];
	char		*text;
	uint32_t	 len;
};
struct sim {
	struct sim_options o;
	struct world	*w;
	struct arena	*arena;	/* of an input: its effects */
	struct arena	*msg;	/* of a message: its events */
	struct effects	 fx;
	int64_t		 tick, offset;	/* wall = tick + offset */
	uint64_t	 inputs, events_n, order;
	int64_t		 began;	/* wall */
	bool		 over;
	GSequence	*later;	/* struct later, by (at, n) */
	GQueue		 events;	/* char *: our own, not yet read back */
	GPtrArray	*runs;	/* struct virtual, by id */
	GArray		*view;	/* struct sim_run, for sim_runs() */
	GPtrArray	*kept;
	GArray		*sources;	/* uint32_t: those that are caught up */
};

/* One input at the present time: everything that it leaves is taken in. */
void sim_give(struct sim *, struct input *);
/* sim_run.c */
void sim_fold(struct sim *, const struct effects *);
void sim_fold_ops(struct sim *, const struct effects *);
bool sim_later_do(struct sim *);	/* what is due first; false: nothing is, now */
int64_t sim_later_due(const struct sim *);	/* tick; INT64_MAX: none */
void sim_virtual_free(void *);
void sim_kept_free(void *);
void sim_later_free(void *);
#endif
