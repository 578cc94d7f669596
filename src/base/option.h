/* One typed table per floor or kind: validates YAML, fills a struct, and is
 * what the reference page, the JSON schema, --help and did-you-mean come from.
 *
 * A table ends with a row whose name is NULL.  The type says what is stored at
 * `offset` of the target:
 *	STR struct str   INT int64_t   DOUBLE double   BOOL bool
 *	DURATION int64_t ms ("30s", "6h", "1h30m", "500ms", "7d"; 0 is "0")
 *	SIZE int64_t bytes ("64Mi", "1Gi", plain bytes)
 *	ENUM int64_t (1-based index into `words`, separated by '|')
 *	SECRET struct option_secret   STRS struct option_strs
 *	NODE const struct yaml * (kept for the reader: maps, expressions, lists)
 *	MAP: `sub` is read into the same target at offset + the sub rows' offsets
 * STRS also takes one text for a list of one.
 * A YAML null takes the fallback.  Text in the target points into the arena. */
#ifndef BASE_OPTION_H
#define BASE_OPTION_H

#include "base/yaml.h"

enum option_type {
	OPT_STR = 1, OPT_INT, OPT_DOUBLE, OPT_BOOL, OPT_DURATION, OPT_SIZE, OPT_ENUM,
	OPT_SECRET, OPT_STRS, OPT_NODE, OPT_MAP,
};
enum option_flag {
	OPT_REQUIRED	= 1,
	OPT_LATER	= 2,	/* known, but "not available in this version" */
	OPT_RESTART	= 4,	/* a change takes effect at the next start only */
	OPT_OMIT	= 8,	/* not printed into the shipped config file */
	OPT_EXPR	= 16,	/* NODE or STR that holds CEL or a ${} template */
};
struct option_secret {		/* where a secret is; never the secret itself */
	enum { SECRET_NONE = 0, SECRET_FILE, SECRET_ENV, SECRET_CREDENTIAL } from;
	struct str	 name;	/* path, variable or credential */
};
struct option_strs {
	struct str	*v;
	uint32_t	 n;
};
struct option {
	const char	*name;
	enum option_type type;
	unsigned	 flags;
	const char	*fallback;	/* as YAML text; NULL: none (0, empty, NULL) */
	int64_t		 min, max;	/* INT, DURATION, SIZE; both 0: no bound;
					 * min > 0 and max 0: no upper bound */
	const char	*words;		/* ENUM */
	size_t		 offset;
	const struct option *sub;	/* MAP: rows; NODE: for docs only */
	const char	*doc;		/* one sentence, no full stop */
};

/* Reads a map: unknown keys, wrong types, bounds and missing required keys are
 * diagnosed (all of them).  `out` gets fallbacks first, so it is always whole.
 * False when an error was added. */
bool options_read(const struct option *, const struct yaml *map, void *out,
    struct arena *, struct diags *);
/* The same, but a key that no row names is left to another table. */
bool options_read_some(const struct option *, const struct yaml *map, void *out,
    struct arena *, struct diags *);
/* Only the fallbacks. */
void options_default(const struct option *, void *out, struct arena *);
/* Complains about a key of `map` that no table row names (for unions of tables). */
bool options_known(const struct option *const *tables, uint32_t n, const struct yaml *map,
    struct diags *);
bool duration_parse(struct str, int64_t *ret_ms);
bool size_parse(struct str, int64_t *ret_bytes);
/* Shortest of "0", "500ms", "90s" -> "1m30s", "6h", "7d". */
void duration_print(int64_t ms, GString *out);
void size_print(int64_t bytes, GString *out);
/* JSON schema (an object schema), and a Markdown table of the rows. */
void options_schema(const struct option *, GString *out);
void options_markdown(const struct option *, const char *prefix, GString *out);
#endif
