/* Inside the api floor: one request being served.
 *
 * A call lives while somebody holds it: its request (until answered, ended or gone), a
 * command that waits for its commit, a reader's job.  Each holder takes a reference. */
#ifndef API_PRIV_H
#define API_PRIV_H

#include <jansson.h>

#include "api/auth.h"
#include "store/query.h"

#define ROUTE_VARS 2

struct tail;
struct job;
struct call {
	int		 refs;
	struct api	*api;
	struct request	*req;		/* NULL: answered, or the client is gone */
	const struct route *route;
	char		*vars[ROUTE_VARS];	/* {..} of the path, decoded once */
	enum role	 role;
	char		*actor;		/* "uid 0", or the token's name */
	struct auth_token *token;	/* while the handler runs; NULL on the socket */
	json_t		*body;		/* after call_body() */
	struct job	*job;		/* of a reader, or NULL */
	struct source	*source;	/* that was pushed to */
	uint64_t	 push;
	const char	*allow;		/* of a 405 */
	void		*own;		/* a stream's own state */
	void		(*own_free)(void *);
	struct call	*prev, *next;
};
struct api {
	struct api_parts p;
	struct server	*server;
	struct auth	*auth;
	char		*version, *cert, *cert_pem, *key_pem;
	size_t		 key_len;
	struct call	*calls;
	GPtrArray	*dbs;		/* struct reader_db *, idle */
	struct tail	*tail;
	char		**past;		/* api_options.past; NULL: none */
	GPtrArray	*children;	/* struct asking */
};

/* route.c */
const struct route *route_find(const char *method, const char *raw_path, char **vars,
    const char **ret_allow);	/* ret_allow: of a path that has other methods */
const char *route_nearest(const char *raw_path);	/* NULL: nothing is near */
bool route_changes(const struct route *);
bool route_streams(const struct route *);
/* One word of a query or body list: name and type; false: the list is at its end. */
struct route_word { struct str name; char type; bool required; };
bool route_word(const char **list, struct route_word *ret);

/* call.c */
struct call *call_new(struct api *, struct request *);
struct call *call_ref(struct call *);
void call_unref(struct call *);
void call_drop_all(struct api *);	/* the server is closed: whoever is left */
/* Each answers; none may follow.  An answer to who is gone is dropped. */
void call_json(struct call *, int status, struct str json);
void call_take(struct call *, int status, GString *json);	/* frees it */
void call_text(struct call *, int status, const char *type, struct str text);
void call_error(struct call *, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void call_err(struct call *, const struct err *);
/* A stream begins; ends (also by a client that goes away, through own_free). */
void call_stream(struct call *, const char *type, void *own, void (*own_free)(void *));
void call_end(struct call *);
/* The query and the body hold what the route's lists say; false: answered. */
bool call_query_ok(struct call *);
bool call_body(struct call *);
struct str call_str(const struct call *, const char *member);	/* "": absent */
bool call_true(const struct call *, const char *member);
char *call_dump(const struct call *, const char *member);	/* JSON text; NULL */
const char *call_arg(const struct call *, const char *name);	/* query word; NULL */
/* The turn, if it takes requests now; NULL: answered with 503. */
struct turn *call_turn(struct call *);

/* read.c */
typedef bool (*job_f)(struct reader_db *, const struct query *, GString *out,
    struct err *);
typedef void (*job_done_f)(struct call *, const struct err *, struct str json);
/* Filters of the request's query; false: answered. */
bool call_filters(struct call *, struct query *);
void job_forget(struct job *);	/* its call is freed */
/* Runs on a reader; q moves.  `run` NULL: query_run(); `done` NULL: answers. */
void call_read(struct call *, struct query *, job_f run, job_done_f done);

/* Of a stream: nobody is told when the queue is full (false). */
bool call_read_quiet(struct call *, struct query *, job_done_f done);

/* command.c: becomes a command of the turn by this call's actor, and is answered. */
void call_command(struct call *, struct command *);

/* child.c */
/* A child answers: past[0] args[0] past[1…] args[1…]; `input` is copied. */
void call_child(struct call *, const char *const *args, struct str input);
/* ... and `then` gets what it printed, to answer the call; failures are answered. */
void call_child_then(struct call *, const char *const *args, struct str input,
    void (*then)(struct call *, struct str json));
void explain_past(struct call *);
void children_drop(struct api *);

/* tail.c */
struct tail *tail_new(struct api *);
void tail_free(struct tail *);

/* Handlers, by file: see the table in route.c. */
void on_healthz(struct call *), on_readyz(struct call *), on_metrics(struct call *);
void on_version(struct call *), on_openapi(struct call *);
void on_events(struct call *), on_hook(struct call *), on_tail(struct call *);
void on_list(struct call *), on_run(struct call *), on_decision(struct call *);
void on_logs(struct call *), on_explain(struct call *);
void on_explain_unsent(struct call *), on_backfill(struct call *);
void on_rules(struct call *), on_rule(struct call *), on_sources(struct call *);
void on_pipelines(struct call *), on_pipeline(struct call *);
void on_trigger(struct call *), on_start(struct call *), on_abort(struct call *);
void on_retry(struct call *), on_abort_all(struct call *), on_promote(struct call *);
void on_pause(struct call *), on_resume(struct call *);
void on_budgets(struct call *);
void on_silence(struct call *), on_unsilence(struct call *), on_silences(struct call *);
void on_reload(struct call *), on_reload_status(struct call *),
    on_bundles(struct call *);
#endif
