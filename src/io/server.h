/* HTTP server: libmicrohttpd on the loop (external epoll descriptor), TCP and unix
 * socket.  A request reaches the handler whole (headers and body, within limits) and
 * is answered at once or later; while it waits it is suspended.
 *
 * Own deadlines: headers 10 s, body 30 s, taking the answer 60 s.  Limits act before
 * any handler: 256 connections, 16 KiB headers, body_max bytes (413).  Every answer
 * carries no-store, nosniff and a policy that allows nothing. */
#ifndef IO_SERVER_H
#define IO_SERVER_H

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

struct loop;
struct server;
struct request;

struct server_peer {		/* who is at the other end */
	bool		 local;		/* unix socket: uid and groups are known */
	uid_t		 uid;
	gid_t		 gid;
	gid_t		 groups[64];	/* SO_PEERGROUPS */
	unsigned	 groups_n;
};
struct server_options {
	const char	*listen;	/* "127.0.0.1:8484", "[::1]:0"; NULL: no TCP */
	const char	*socket;	/* path of the unix socket; NULL: none */
	const char	*tls_cert, *tls_key;	/* PEM text; NULL: plain */
	size_t		 body_max;	/* 1 MiB */
	unsigned	 connections;	/* 256 */
};
typedef void (*server_handler_f)(void *ctx, struct request *);

struct server *server_open(struct loop *, const struct server_options *, server_handler_f,
    void *ctx, struct err *);
int server_port(const struct server *);		/* of the TCP listener */
unsigned server_connections(const struct server *);	/* open now */
void server_close(struct server *);

/* Valid until the request is answered. */
const char *request_method(const struct request *);
const char *request_path(const struct request *);	/* decoded once, no query */
const char *request_raw_path(const struct request *);	/* as sent, no query */
const char *request_query(const struct request *, const char *name);	/* NULL: absent */
const char *request_header(const struct request *, const char *name);	/* NULL: absent */
unsigned request_header_count(const struct request *, const char *name);
/* Calls f for every header. */
void request_each_header(const struct request *,
    void (*f)(void *, const char *name, const char *value), void *);
void request_each_query(const struct request *,
    void (*f)(void *, const char *name, const char *value), void *);
struct str request_body(const struct request *);
const struct server_peer *request_peer(const struct request *);
/* Called if the client goes away before the answer (the request is then dead). */
void request_on_gone(struct request *, void (*f)(void *, struct request *), void *);

/* Exactly one of these answers a request; extra headers as "Name: value\r\n" lines. */
void request_answer(struct request *, int status, const char *content_type,
		    struct str body, const char *headers);
/* A stream (server-sent events, logs): chunks until request_end(). */
void request_stream(struct request *, int status, const char *content_type);
void request_chunk(struct request *, struct str);
size_t request_backlog(const struct request *);	/* bytes not taken by the client yet */
/* Calls f whenever everything was taken: it may give the next chunk, or end. */
void request_on_drain(struct request *, void (*f)(void *, struct request *), void *);
void request_end(struct request *);
void request_drop(struct request *);	/* a stream: cut off; on_gone is called */
#endif
