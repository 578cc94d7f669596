/* The HTTP face: routes with their roles, tokens, Prometheus text, server-sent events.
 * Deny by default: a route row without a role answers 403. */
#ifndef API_API_H
#define API_API_H

#include "io/server.h"
#include "turn/reload.h"
#include "turn/turn.h"

enum role { ROLE_DENY = 0, ROLE_VIEWER, ROLE_INGEST, ROLE_OPERATOR, ROLE_EDITOR,
	ROLE_ADMIN, ROLE_OPEN };		/* OPEN: /healthz and /readyz alone */

struct api;
struct call;			/* one request being served */
struct route {
	const char	*method;
	const char	*path;		/* "/api/v1/runs/{id}/abort" */
	enum role	 role;
	void		(*handle)(struct call *);
	/* "name:type ...", words of the query and members of the JSON body: s text,
	 * b true or false, i number, t RFC 3339 or an age ("2h"), o object; a '!' says
	 * that it must be there.  NULL: none; a body that is no such object: "*". */
	const char	*query, *body;
	const char	*doc;		/* one line, for the reference page */
};
extern const struct route api_routes[];	/* ends with method NULL */

struct api_token {		/* a config row */
	struct str	 name;
	enum role	 role;
	struct option_strs sources;	/* of ingest */
	struct option_secret secret;
};
struct api_options {
	const char	*listen, *socket;	/* as struct server_options */
	bool		 insecure;
	struct str	 tls_cert;
	struct option_secret tls_key;
	struct option_strs hosts;
	const struct api_token *tokens;
	uint32_t	 tokens_n;
	struct str	 group;			/* access.group */
	enum role	 group_role;
	const char	*config_dir, *state_dir;
	int64_t		 body_max, connections, mutations_per_second;
	const char	*version;
	/* Program that reads the recorded past, and its last arguments; ends with NULL.
	 * NULL: there is none. */
	const char *const *past;
};
struct api_parts {
	struct loop	*loop;
	struct pool	*readers;
	struct store	*store;
	struct turn	*turn;		/* NULL until recovery began: /readyz says so */
	struct exec	*exec;
	struct reload	*reload;
};
struct api *api_open(const struct api_options *, const struct api_parts *, struct err *);
void api_attach(struct api *, const struct api_parts *);	/* after recovery */
/* Tokens, hosts, group, rate.  Options are copied here and at open. */
bool api_reload(struct api *, const struct api_options *, struct err *);
int api_port(const struct api *);
void api_close(struct api *);
#endif
