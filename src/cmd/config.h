/* The configuration: option tables of all floors joined, read from one YAML file.
 * Used by both programs, so it links tables only (the kinds' options.c). */
#ifndef CMD_CONFIG_H
#define CMD_CONFIG_H

#include "api/api.h"
#include "base/option.h"
#include "rules/catalog.h"
#include "store/store.h"
#include "turn/reload.h"

struct config_instance {
	struct str	 name;
	const struct catalog_kind *kind;
	uint32_t	 id;
	const void	*options;	/* kind->options_size bytes */
	struct span	 at;
};
struct config {			/* ORDER config_rows in config.c fills the first part */
	struct str	 state_dir, socket;
	struct {
		struct str	 dir, group;
		struct option_strs owners;
		bool		 watch;
		int64_t		 settle_ms;
	} rules;
	struct { int64_t level, format; } log;
	struct { struct str group; int64_t group_role; } access;
	struct {
		struct str	 listen;
		bool		 insecure;
		struct { struct str cert; struct option_secret key; } tls;
		struct option_strs hosts;
		const struct yaml *tokens;
	} http;
	const struct yaml *sources, *executors;
	struct { int64_t payload, depth, connections, mutations_per_second; } limits;
	struct { int64_t keep_ms, keep_bytes, keep_decisions_ms, reserve; } store;
	struct { int64_t keep_ms, keep_bytes, min_free; } runs;
	struct { int64_t wait_ms; } clock;
	struct { int64_t timeout_ms; } stop;
	/* derived */
	struct arena	*arena;
	struct text	 text;		/* the file */
	char		*path, *dir;	/* of the file; "" and "." where there is none */
	struct config_instance *instances;	/* sources, then executors */
	uint32_t	 instances_n;
	struct api_token *tokens;
	uint32_t	 tokens_n;
	struct catalog	 catalog;
};
extern const struct option config_rows[];
extern const struct option config_token_rows[];

/* Every kind of this build, without instances: for `check` without a config. */
extern const struct catalog catalog_kinds;

/* path NULL: dir's retraind.yaml if there is one, else the fallbacks.  `dir` (may be
 * NULL) puts rules, state and socket into it, over the file's own paths.  NULL: the
 * rendered diagnostics are in `why`. */
struct config *config_read(const char *path, const char *dir, GString *why);
void config_free(struct config *);
/* Paths of the file, made absolute. */
void config_reload_options(const struct config *, struct reload_options *ret);
void config_api_options(const struct config *, struct api_options *ret);
/* The shipped file: every option with its default and doc, commented. */
void config_print(GString *out);
void config_reference(GString *markdown);
#endif
