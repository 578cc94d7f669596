/* retrainctl: one verb per file, one table row each (verbs[] in main.c). */
#ifndef CMD_RETRAINCTL_CTL_H
#define CMD_RETRAINCTL_CTL_H

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

enum { CTL_OK = 0, CTL_NO = 1, CTL_USAGE = 2, CTL_LINT = 3 }; /* exit codes, design 11 */

enum format { FORMAT_TABLE = 1, FORMAT_WIDE, FORMAT_JSON, FORMAT_YAML, FORMAT_NAME };

struct ctl {			/* what every verb gets */
	char		*address;	/* --address; NULL: searched */
	char		*config, *dir;
	enum format	 format;
	gboolean	 watch, no_color, strict;
	bool		 color;		/* a terminal, and not NO_COLOR */
	struct client	*client;	/* made at first use */
};
/* A verb parses its own options (GOption, `rows`, ended by a NULL long name) and then
 * runs with what is left in argv[0..argc). */
struct verb {
	const char	*name;
	const char	*args;		/* "RULE [--key KEY]" */
	const char	*summary;	/* one line */
	const char	*help;		/* further lines, or NULL */
	const GOptionEntry *rows;	/* its own options, or NULL */
	bool		 offline;	/* needs no daemon */
	int		 (*run)(struct ctl *, int argc, char **argv);
};
extern const struct verb *const verbs[];	/* ends with NULL; sorted by name */

/* client.c: requests to the daemon.  Each mutation carries an Idempotency-Key made
 * before its first send and sent again on retry.  A connection failure prints which
 * addresses were tried and whether each was absent, refused or not permitted. */
struct answer_text {
	long		 status;	/* HTTP; 0: not reached (already reported) */
	GString		*body;
};
/* `body` NULL: none.  path is already encoded. */
struct answer_text client_call(struct ctl *, const char *method, const char *path,
    const char *body);
/* GET, each piece as it comes, until the end or f returns false. */
bool client_stream(struct ctl *, const char *path, bool (*f)(void *, struct str), void *);
void client_free(struct ctl *);
/* Path from a pattern: each %s is percent-encoded. */
char *client_path(const char *pattern, ...);
/* Parsed JSON of a 2xx answer; else prints the daemon's error and sets *ret_exit. */
json_t *client_json(struct ctl *, const char *method, const char *path, json_t *body,
    int *ret_exit);

struct column;
/* client_json(), and the answer printed; the exit status. */
int client_show(struct ctl *, const char *method, const char *path, json_t *body,
    const struct column *);

/* output.c: one JSON answer in the asked format. */
struct column {
	const char	*title;		/* "RUN" */
	const char	*field;		/* "id", or "state.name" */
	bool		 wide;		/* only with -o wide */
	enum { COL_TEXT = 0, COL_TIME, COL_STATE } kind;
};
/* An array as a table (columns end with a NULL title), or one object / array as it is. */
void output(struct ctl *, const json_t *, const struct column *);
/* "3m ago", "in 2h"; local clock. */
void print_age(GString *, const char *rfc3339);
/* A string member, "" when absent or null. */
const char *member(const json_t *, const char *name);
/* -w: calls f again when something may have changed, until interrupted; else once. */
int watch_loop(struct ctl *, int (*f)(struct ctl *, void *), void *);
int usage_error(const char *verb, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
#endif
