/* Directories of ended runs: kept for runs.keep and within runs.keep_bytes. */
#ifndef TURN_SWEEP_H
#define TURN_SWEEP_H

#include <stdint.h>

struct sweep;
struct loop;
struct pool;

struct sweep_options {
	const char	*database, *runs_dir;
	int64_t		 keep_ms, keep_bytes;
};
/* Looks soon, then every ten minutes.  The helper must be freed before the sweep. */
struct sweep *sweep_new(struct loop *, struct pool *helper, const struct sweep_options *);
void sweep_free(struct sweep *);
#endif
