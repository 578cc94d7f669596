/* What the floors to the right offer, as plain data, so that checking a rule file
 * links none of them.  Kinds come from those floors' options.c, instances from the
 * config.  Without a config an unknown instance is a warning, with one an error. */
#ifndef RULES_CATALOG_H
#define RULES_CATALOG_H

#include "base/option.h"

enum catalog_what { CATALOG_SOURCE = 1, CATALOG_EXECUTOR, CATALOG_SINK };

struct catalog_kind {
	enum catalog_what what;
	const char	*name, *doc;
	const struct option *options;	/* of an instance, in the config */
	size_t		 options_size;	/* of the struct they fill */
	const struct option *with;	/* of a step's `with:`; NULL: none */
};
/* Our own lifecycle events: a source that every daemon has, and no config names. */
#define CATALOG_RUN "run"
#define CATALOG_RUN_ID UINT32_MAX

struct catalog_instance {
	enum catalog_what what;
	uint32_t	 id;		/* 1.. within `what`; sources are known by it */
	struct str	 name;
	const struct catalog_kind *kind;
	struct str	 preset;	/* sources: format preset */
	const struct yaml *map;		/* sources: map:, or NULL */
};
struct catalog {
	const struct catalog_kind **kinds;
	uint32_t	 kinds_n;
	struct catalog_instance *instances;
	uint32_t	 instances_n;
	bool		 configured;	/* unknown names of instances are errors */
};
const struct catalog_instance *catalog_find(const struct catalog *, enum catalog_what,
    struct str name);
const struct catalog_kind *catalog_kind(const struct catalog *, enum catalog_what,
    struct str name);
#endif
