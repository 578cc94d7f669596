/* What a person asked for; answered after the commit that covers it. */
#ifndef FLOW_COMMAND_H
#define FLOW_COMMAND_H

#include "base/str.h"

enum command_kind { COMMAND_TRIGGER = 1, COMMAND_RUN, COMMAND_ABORT, COMMAND_RETRY,
	COMMAND_PAUSE, COMMAND_RESUME, COMMAND_PROMOTE, COMMAND_MAX };
struct command {
	enum command_kind kind;
	uint64_t	 token;		/* the caller's own, comes back in the answer */
	struct str	 actor;		/* "uid 0", token name */
	struct str	 target;	/* rule, pipeline, run id, model; PAUSE/RESUME: rule or "" */
	struct str	 key;		/* rule or run key */
	struct str	 params;	/* JSON object or empty; PROMOTE: {"version":..} */
	struct str	 reason;
	bool		 force, all;
};
const char *command_name(enum command_kind);
#endif
