/* What a turn decides, one by one.  Borrowed for the call. */
#ifndef DECIDE_INPUT_H
#define DECIDE_INPUT_H

#include "event/event.h"
#include "rules/ruleset.h"

struct report;			/* flow/report.h: only flow reads it */
struct command;			/* flow/command.h */

enum input_kind { INPUT_START = 1, INPUT_COMMAND, INPUT_REPORT, INPUT_EVENT, INPUT_SOURCE,
	INPUT_RULESET, INPUT_DEADLINE };
enum source_state { SOURCE_DOWN = 1, SOURCE_UP, SOURCE_CAUGHT_UP, SOURCE_PART_IDLE };
enum due_clock { DUE_TICK = 1, DUE_WALL };
enum due_floor { DUE_FLOW = 1, DUE_DECIDE };

/* A moment at which the world has something to do by itself.  Order of two that are
 * both due: tick before wall, then `at`, then flow before decide, then `id`. */
struct deadline {
	enum due_clock	 clock;
	enum due_floor	 floor;
	int64_t		 at_ms;		/* on that clock */
	uint64_t	 id;		/* the floor's own: which key, run, schedule */
};
struct start {			/* the process began; sources are down, runs unverified */
	struct str	 instance, epoch, boot, fingerprint;
	bool		 fresh;		/* first start of this database */
};
struct source_change {
	uint32_t	 source;
	struct str	 part;		/* of SOURCE_PART_IDLE; else empty */
	enum source_state state;
};
struct input {
	enum input_kind	 kind;
	int64_t		 wall_ms, tick_ms;	/* of the turn */
	union {
		const struct start *start;
		struct event	*event;
		const struct report *report;
		const struct command *command;
		struct ruleset	*ruleset;	/* the world takes a reference */
		struct source_change source;
		struct deadline	 deadline;
	};
};
#endif
