/* The recorded past, for other programs and threads: state snapshots, journal blocks,
 * the rule sets they speak of, and the decisions that were stored.
 *
 * A read-only connection; every call is a read transaction of its own, so that no
 * reader holds up checkpoints.  What is read may be trimmed between two calls: that is
 * told as ERR_NOT_FOUND, never by missing rows.
 *
 * What can be replayed: from the first snapshot on, and from there every block, up to
 * the last commit. */
#ifndef STORE_PAST_H
#define STORE_PAST_H

#include "base/arena.h"
#include "base/cells.h"
#include "replay/journal.h"

struct past;

struct past_span {		/* of journal blocks that a snapshot leads on to */
	bool		 any;
	uint64_t	 turn0, turn1;	/* state after turn0 is known; last turn */
	int64_t		 from_ms, to_ms;	/* their wall clocks */
	uint32_t	 snapshots;
};
struct past_snap {
	uint64_t	 id, turn;	/* the state after that turn */
	int64_t		 wall_ms, tick_ms;
	uint8_t		 ruleset[32];
	uint32_t	 pieces;
	char		 fingerprint[256];	/* of the process that wrote it */
};
struct past_block {		/* in the arena */
	uint64_t	 turn0, turn1;
	int64_t		 wall_ms;
	struct journal_turn *turns;
	uint32_t	 turns_n;
	struct str	 frames;
};
/* `path`: of the database file.  ERR_USAGE: another schema or cell codec. */
struct past *past_open(const char *path, struct err *);
void past_close(struct past *);
bool past_span(struct past *, struct past_span *, struct err *);
/* The last snapshot whose turn is at or before `turn`, and (ms other than INT64_MAX)
 * whose wall is at or before `ms`.  ERR_NOT_FOUND: none. */
bool past_snap(struct past *, uint64_t turn, int64_t ms, struct past_snap *,
    struct err *);
/* The turn that decided the input with this seq; ERR_NOT_FOUND: not in the journal. */
bool past_turn_of(struct past *, uint64_t seq, uint64_t *ret_turn, struct err *);
bool past_load(struct past *, const struct past_snap *, struct cells *, struct err *);
/* The first block that begins after `turn`; *ret_any false: there is none. */
bool past_block(struct past *, uint64_t turn, struct arena *, struct past_block *,
    bool *ret_any, struct err *);
/* The last block that begins after turn `after` and before `before` and whose frames
 * hold these bytes somewhere; *ret_turn0 0: there is none. */
bool past_find(struct past *, struct str bytes, uint64_t after, uint64_t before,
    uint64_t *ret_turn0, struct err *);
/* Packed; ERR_NOT_FOUND. */
bool past_ruleset(struct past *, const uint8_t hash[32], struct arena *,
    struct str *ret, struct err *);
/* Texts of all pipelines that a run of a kept snapshot, or of now, may name. */
bool past_pipelines(struct past *, struct arena *, struct str **ret, uint32_t *ret_n,
    struct err *);
/* Id of the first stored decision of an input later than `seq`; 0: none. */
bool past_decision_after(struct past *, uint64_t seq, uint64_t *ret, struct err *);
/* The first stored decision with id >= `from`; *ret_any false: there is none. */
bool past_decision(struct past *, uint64_t from, struct arena *, struct decision_row *,
    bool *ret_any, struct err *);

/* past_runs.c.  Median of the last 20 completed runs, creation to end; -1: none. */
bool past_run_time(struct past *, struct str pipeline, int64_t *ret_ms, struct err *);
struct past_champion {
	struct str	 model, version, metrics, baseline;
};
/* Of every model, at that wall time. */
bool past_champions(struct past *, int64_t ms, struct arena *,
    struct past_champion **ret, uint32_t *ret_n, struct err *);
/* A rule's firings, as the tables have them now: each with its key, the events that
 * caused it (JSON array; of a run that is gone empty, and then the last one's id) and
 * its run's state.  *ret_as_of: the input up to which that is all. */
struct past_firing { struct str key, events, event, state; };
bool past_firings(struct past *, struct str rule, uint64_t *ret_as_of,
    void (*each)(void *, const struct past_firing *), void *ctx, struct err *);
/* "live": of the last turn; else the beginning of a hash, in hex digits. */
bool past_ruleset_named(struct past *, struct str name, uint8_t hash[32], struct err *);
#endif
