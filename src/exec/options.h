/* What the option table of the process kind fills. */
#ifndef EXEC_OPTIONS_H
#define EXEC_OPTIONS_H

#include "base/option.h"

struct process_options {
	struct str	 user, path;
	struct option_strs env;
	struct str	 umask, cgroup;
	int64_t		 running, starts_per_second, grace_ms, log_bytes;
};
#endif
