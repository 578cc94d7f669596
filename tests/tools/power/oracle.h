/* What the database must hold after commit N, kept apart from the store: each row is a
 * function of the commit that wrote it and of that commit's salt, and each cell of the
 * value last given to it.  A commit that was lost and is made again has another salt,
 * so that nothing of the lost one can pass for it. */
#ifndef TESTS_POWER_ORACLE_H
#define TESTS_POWER_ORACLE_H

#include "power/disk.h"
#include "store/store.h"

#define KEYS 1200		/* most cells that live at once */
#define COMMITS_MAX 100000	/* on one database */

struct key { uint32_t id, bytes; uint64_t value; };	/* id 0: not there */
struct model {			/* after one commit */
	uint64_t	 commit;
	struct key	 keys[KEYS];
};
struct oracle {
	struct model	 sure, next;	/* acknowledged; put and not acknowledged yet */
	bool		 open;		/* `next` counts */
	uint64_t	 salt[COMMITS_MAX];
};

void oracle_clear(struct oracle *);		/* an empty database */
/* Fills the open commit of the store: `next` is `sure` and one commit. */
void oracle_put(struct oracle *, struct dice *, struct store *, struct cells *,
    struct arena *);
void oracle_acknowledged(struct oracle *);
/* A store that was opened anew: sound, and all of it of one commit, `sure` or `next`,
 * which becomes `sure`.  False: `why` says what is wrong, `lost` whether it is sound
 * but older than what was acknowledged. */
bool oracle_check(struct oracle *, struct store *, const struct cells *, GString *why,
    bool *lost);
#endif
