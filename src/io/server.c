/* The HTTP server: libmicrohttpd's epoll descriptors on the loop.
 *
 * Invariants
 *   (1) libmicrohttpd runs only inside run(), on the loop's thread; there is one MHD
 *       daemon per listener.
 *   (2) A request is owned by its connection: made at the first call for it, freed in
 *       on_completed().  Until it is answered its connection is suspended.
 *   (3) It is answered exactly once; what comes after on_completed() can't happen,
 *       because on_gone told its holder.
 *   (4) Deadlines are ours: headers 10 s, body 30 s, taking the answer 60 s, from
 *       their start, whatever the client dribbles (MHD's timeout starts anew with every
 *       byte).  A stream has none while it goes on: its holder drops who is too slow.
 *   (5) Nothing that is served here may be cached, guessed at or framed: every answer
 *       says so. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/check.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/loop.h"
#include "io/server.h"

#define HEADER_MS 10000
#define BODY_MS 30000
#define ANSWER_MS 60000
#define HEADER_MEMORY (24 * 1024) /* MHD's pool: 16 KiB of headers and its own needs */
#define SWALLOW_MAX (16 << 20)	/* of a body that is refused */
#define REQUEST_MAGIC 0x52515354u

struct listener {
	struct server	*server;
	struct MHD_Daemon *mhd;
	struct io_watch	*epoll;
	bool		 local;
};
enum owes { OWES_HEADERS = 1, OWES_BODY, OWES_NOTHING, OWES_READING };
struct link {			/* one connection */
	struct MHD_Connection *conn;
	struct server_peer peer;
	int64_t		 since_ms;	/* when it began to owe us what `owes` says */
	enum owes	 owes;
	struct link	*prev, *next;
};
struct request {
	unsigned	 magic;
	struct server	*server;
	struct link	*link;
	struct MHD_Connection *conn;
	char		*method, *path, *raw;	/* raw: as sent, without the query */
	GByteArray	*body;
	uint64_t	 length, got;	/* of the body: said, received */
	bool		 begun, too_large, given, answered, suspended, stream, ended;
	struct MHD_Response *response;
	unsigned	 status;
	GByteArray	*out;		/* of a stream: not taken yet */
	void		(*on_gone)(void *, struct request *);
	void		*on_gone_ctx;
	void		(*on_drain)(void *, struct request *);
	void		*on_drain_ctx;
};
struct server {
	struct loop	*loop;
	struct listener	 listeners[2];
	unsigned	 listeners_n;
	char		*socket_path;
	int		 port;
	size_t		 body_max;
	server_handler_f handler;
	void		*ctx;
	struct link	*links;
	unsigned	 links_n;
	struct io_watch	*timer;
	bool		 closing;
	bool		 unseen;	/* MHD must be run: something changed */
};

static void run(struct listener *l)
{
	MHD_run(l->mhd);
}

static void on_epoll(void *arg, int events)
{
	(void)events;
	run(arg);
}

static void owe(struct link *l, enum owes what)
{
	if (!l)
		return;
	l->owes = what;
	l->since_ms = clock_read().boot_ms;
}

/* MHD then tells on_completed(). */
static void cut(struct link *l)
{
	const union MHD_ConnectionInfo *i =
	    MHD_get_connection_info(l->conn, MHD_CONNECTION_INFO_CONNECTION_FD);

	if (i)
		shutdown(i->connect_fd, SHUT_RDWR);
}

static void cut_slow(struct server *s)
{
	static const int64_t most[] = { [OWES_HEADERS] = HEADER_MS, [OWES_BODY] = BODY_MS,
		[OWES_NOTHING] = INT64_MAX, [OWES_READING] = ANSWER_MS };
	int64_t now = clock_read().boot_ms;

	for (struct link *l = s->links; l; l = l->next) {
		if (now - l->since_ms < most[l->owes])
			continue;
		cut(l);
		l->since_ms = now;
	}
}

/* Before each sleep: what MHD wants to do without an event on a descriptor. */
static void before_sleep(void *arg)
{
	struct server *s = arg;
	int64_t after = s->links ? 1000 : -1;
	bool unseen = s->unseen;

	s->unseen = false;
	cut_slow(s);
	for (unsigned i = 0; i < s->listeners_n; i++) {
		MHD_UNSIGNED_LONG_LONG ms;
		if (unseen)	/* MHD sees that only when it is run: no event tells it */
			run(&s->listeners[i]);
		if (MHD_get_timeout(s->listeners[i].mhd, &ms) != MHD_YES)
			continue;
		if (ms == 0) {
			run(&s->listeners[i]);
			loop_stay_awake(s->loop);
		} else if (after < 0 || (int64_t)ms < after)
			after = (int64_t)ms;
	}
	io_watch_after(s->timer, after);
}

static void on_timer(void *arg)
{
	(void)arg;		/* waking up runs before_sleep() */
}

static void fill_peer(struct link *l, bool local, int fd)
{
	struct ucred c;
	socklen_t n = sizeof(c);

	l->peer.local = false;
	if (!local || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n) < 0)
		return;
	l->peer = (struct server_peer){ .local = true, .uid = c.uid, .gid = c.gid };
	n = sizeof(l->peer.groups);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, l->peer.groups, &n) == 0)
		l->peer.groups_n = n / (socklen_t)sizeof(gid_t);
}

static void on_connection(void *cls, struct MHD_Connection *conn, void **ctx,
    enum MHD_ConnectionNotificationCode code)
{
	struct listener *ls = cls;
	struct server *s = ls->server;
	struct link *l = *ctx;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		l = g_new0(struct link, 1);
		l->conn = conn;
		owe(l, OWES_HEADERS);
		s->links_n++;
		fill_peer(l, ls->local, MHD_get_connection_info(conn,
		    MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
		l->next = s->links;
		if (l->next)
			l->next->prev = l;
		s->links = l;
		*ctx = l;
	} else if (l) {
		s->links_n--;
		s->unseen = true;	/* MHD at its limit listens again when run */
		if (l->prev)
			l->prev->next = l->next;
		else
			s->links = l->next;
		if (l->next)
			l->next->prev = l->prev;
		g_free(l);
		*ctx = NULL;
	}
}

static void request_free(struct request *r)
{
	if (r->response)
		MHD_destroy_response(r->response);
	g_byte_array_free(r->body, TRUE);
	if (r->out)
		g_byte_array_free(r->out, TRUE);
	g_free(r->method);
	g_free(r->path);
	g_free(r->raw);
	r->magic = 0;
	g_free(r);
}

static void on_completed(void *cls, struct MHD_Connection *conn, void **ctx,
    enum MHD_RequestTerminationCode code)
{
	struct request *r = *ctx;

	(void)cls;
	(void)conn;
	(void)code;
	if (!r)
		return;
	*ctx = NULL;
	owe(r->link, OWES_HEADERS);
	if (r->given && (!r->answered || (r->stream && !r->ended)) && r->on_gone)
		r->on_gone(r->on_gone_ctx, r);
	request_free(r);
}

static enum MHD_Result queue(struct request *r)
{
	enum MHD_Result ok = MHD_queue_response(r->conn, r->status, r->response);

	MHD_destroy_response(r->response);
	r->response = NULL;
	return ok;
}

/* The request line is read: the one place where MHD shows it undecoded. */
static void *on_uri(void *cls, const char *uri, struct MHD_Connection *conn)
{
	struct request *r = g_new0(struct request, 1);

	r->magic = REQUEST_MAGIC;
	r->server = cls;
	r->conn = conn;
	r->raw = g_strndup(uri, strcspn(uri, "?"));
	r->body = g_byte_array_new();
	return r;
}

static void begin(struct request *r, const char *url, const char *method)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(r->conn,
	    MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	const char *length = MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND,
	    MHD_HTTP_HEADER_CONTENT_LENGTH);

	r->begun = true;
	r->link = i ? i->socket_context : NULL;
	r->method = g_strdup(method);
	r->path = g_strdup(url);
	r->length = length ? g_ascii_strtoull(length, NULL, 10) : 0;
	r->too_large = r->length > r->server->body_max;
	owe(r->link, OWES_BODY);
}

/* A client that is in the middle of sending would see a reset, not the answer: what it
 * sends is thrown away first, unless it waits for "100 Continue" or sends too much. */
static bool refuse_now(const struct request *r)
{
	return r->too_large && (r->length > SWALLOW_MAX ||
	    MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, "Expect"));
}

/* On every answer: no cache, no guessing of types, no frame. */
static void set_headers(struct request *r, const char *type, const char *headers)
{
	char **lines = g_strsplit(headers ? headers : "", "\r\n", 32);

	if (type)
		MHD_add_response_header(r->response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(r->response, "Cache-Control", "no-store");
	MHD_add_response_header(r->response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(r->response, "Content-Security-Policy",
	    "default-src 'none'; frame-ancestors 'none'");
	for (char **l = lines; *l; l++) {
		char *colon = strstr(*l, ": ");
		if (colon) {
			*colon = '\0';
			MHD_add_response_header(r->response, *l, colon + 2);
		}
	}
	g_strfreev(lines);
}

/* The connection is closed after the answer. */
static enum MHD_Result refuse_large(struct request *r)
{
	static char text[] = "{\"error\":\"the body is larger than limits.payload\"}";

	r->answered = true;
	r->status = MHD_HTTP_CONTENT_TOO_LARGE;
	r->response =
	    MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_PERSISTENT);
	set_headers(r, "application/json", "Connection: close\r\n");
	owe(r->link, OWES_READING);
	return queue(r);
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *conn, const char *url,
				 const char *method, const char *version,
				 const char *upload, size_t *upload_n, void **ctx)
{
	struct server *s = ((struct listener *)cls)->server;
	struct request *r = *ctx;

	(void)version;
	if (!r->begun) {
		begin(r, url, method);
		return refuse_now(r) ? refuse_large(r) : MHD_YES;
	}
	if (*upload_n) {
		r->got += *upload_n;
		if (r->got > s->body_max)
			r->too_large = true;	/* chunked: the rest is thrown away */
		if (r->got > SWALLOW_MAX)
			return MHD_NO;
		if (!r->too_large)
			g_byte_array_append(r->body, (const guint8 *)upload,
					    (guint)*upload_n);
		*upload_n = 0;
		return MHD_YES;
	}
	if (r->too_large && !r->answered)
		return refuse_large(r);
	if (!r->given) {
		r->given = true;
		owe(r->link, OWES_NOTHING);
		s->handler(s->ctx, r);
	}
	if (r->response)
		return queue(r);
	if (s->closing)
		return MHD_NO;		/* nobody will answer any more */
	r->suspended = true;
	MHD_suspend_connection(conn);
	return MHD_YES;
}

static void on_log(void *cls, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
static void on_log(void *cls, const char *fmt, va_list ap)
{
	char *t = g_strdup_vprintf(fmt, ap);

	(void)cls;
	log_debug("http: %s", g_strchomp(t));
	g_free(t);
}

static bool listen_on(struct server *s, int fd, bool local,
		      const struct server_options *o, struct err *err)
{
	struct listener *l = &s->listeners[s->listeners_n];
	bool tls = !local && o->tls_cert;
	struct MHD_OptionItem opts[] = {
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, s },
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, l },
		{ MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_uri, s },
		{ MHD_OPTION_LISTEN_SOCKET, fd, NULL },
		{ MHD_OPTION_CONNECTION_LIMIT,
		  (intptr_t)(o->connections ? o->connections : 256), NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEADER_MEMORY, NULL },
		{ tls ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0,
		  (void *)(uintptr_t)o->tls_cert },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)o->tls_key },
		{ MHD_OPTION_END, 0, NULL },
	};

	l->server = s;
	l->local = local;
	l->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME |
				      MHD_USE_ERROR_LOG | (tls ? MHD_USE_TLS : 0),
				  0, NULL, NULL, on_access, l,
				  MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
				  MHD_OPTION_ARRAY, opts,
				  MHD_OPTION_END);
	if (!l->mhd) {
		close(fd);
		return err_set(err, ERR_IO, "the HTTP server does not start%s",
		    tls ? ": check the certificate and its key" : "");
	}
	l->epoll = loop_fd(
	    s->loop, MHD_get_daemon_info(l->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
	    IO_READ, on_epoll, l);
	s->listeners_n++;
	return true;
}

/* "127.0.0.1:8484", "[::1]:0", ":8484" */
static int tcp_socket(const char *listen_text, int *port, struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	const char *colon = strrchr(listen_text, ':');
	struct addrinfo *ai = NULL;
	struct sockaddr_storage got;
	socklen_t n = sizeof(got);
	int fd = -1, on = 1;
	char *host = colon ? g_strndup(listen_text, (gsize)(colon - listen_text)) : NULL;
	char *bare = host;

	if (host && host[0] == '[' && strchr(host, ']')) {
		*strchr(host, ']') = '\0';
		bare = host + 1;
	}
	if (!colon ||
	    getaddrinfo(bare && *bare ? bare : NULL, colon + 1, &hints, &ai) != 0)
		err_set(err, ERR_USAGE,
			"http.listen '%s': expected ADDRESS:PORT with a numeric address",
			listen_text);
	else if ((fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			      0)) < 0 ||
		 setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		 bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, 128) < 0 ||
		 getsockname(fd, (struct sockaddr *)&got, &n) < 0) {
		err_set(err, ERR_IO, "http.listen '%s': %s", listen_text,
			g_strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	} else
		*port = got.ss_family == AF_INET6 ?
		    ntohs(((struct sockaddr_in6 *)&got)->sin6_port) :
		    ntohs(((struct sockaddr_in *)&got)->sin_port);
	if (ai)
		freeaddrinfo(ai);
	g_free(host);
	return fd;
}

/* The caller holds the state directory's lock, so a socket that lies there is stale. */
static int unix_socket(const char *path, struct err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char *dir = g_path_get_dirname(path);
	int fd = -1;
	mode_t mask;

	if (strlen(path) >= sizeof(sa.sun_path))
		err_set(err, ERR_USAGE, "socket '%s': longer than 107 bytes", path);
	else if (g_mkdir_with_parents(dir, 0755) < 0)
		err_set(err, ERR_IO, "'%s': %s", dir, g_strerror(errno));
	else if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) >=
		 0) {
		g_strlcpy(sa.sun_path, path, sizeof(sa.sun_path));
		unlink(path);
		mask =
		    umask(0117); /* connecting needs write permission: owner and group */
		if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
		    listen(fd, 128) < 0) {
			err_set(err, ERR_IO, "socket '%s': %s", path, g_strerror(errno));
			close(fd);
			fd = -1;
		}
		umask(mask);
	} else
		err_set(err, ERR_IO, "socket: %s", g_strerror(errno));
	g_free(dir);
	return fd;
}

struct server *server_open(struct loop *loop, const struct server_options *o,
    server_handler_f handler, void *ctx, struct err *err)
{
	struct server *s = g_new0(struct server, 1);
	bool ok = true;
	int fd;

	s->loop = loop;
	s->handler = handler;
	s->ctx = ctx;
	s->body_max = o->body_max ? o->body_max : 1 << 20;
	s->timer = loop_timer(loop, on_timer, s);
	loop_before_sleep(loop, before_sleep, s);
	if (o->listen)
		ok = (fd = tcp_socket(o->listen, &s->port, err)) >= 0 &&
		     listen_on(s, fd, false, o, err);
	if (ok && o->socket) {
		ok = (fd = unix_socket(o->socket, err)) >= 0 &&
		     listen_on(s, fd, true, o, err);
		if (ok)
			s->socket_path = g_strdup(o->socket);
	}
	if (ok)
		return s;
	server_close(s);
	return NULL;
}

int server_port(const struct server *s)
{
	return s->port;
}

unsigned server_connections(const struct server *s)
{
	return s->links_n;
}

/* MHD will not end a suspended connection: they are resumed with an answer first. */
static void resume_all(struct server *s)
{
	s->closing = true;
	for (struct link *l = s->links; l; l = l->next) {
		const union MHD_ConnectionInfo *i = MHD_get_connection_info(l->conn,
		    MHD_CONNECTION_INFO_CONNECTION_SUSPENDED);
		if (i && i->suspended == MHD_YES)
			MHD_resume_connection(l->conn);
	}
}

void server_close(struct server *s)
{
	if (!s)
		return;
	loop_drop_hook(s->loop, s);
	io_watch_free(s->timer);
	resume_all(s);
	for (unsigned i = 0; i < s->listeners_n; i++) {
		io_watch_free(s->listeners[i].epoll);
		MHD_stop_daemon(s->listeners[i].mhd);
	}
	if (s->socket_path)
		unlink(s->socket_path);
	g_free(s->socket_path);
	g_free(s);
}

const char *request_method(const struct request *r)
{
	return r->method;
}

const char *request_path(const struct request *r)
{
	return r->path;
}

const char *request_raw_path(const struct request *r)
{
	return r->raw;
}

const char *request_query(const struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->conn, MHD_GET_ARGUMENT_KIND, name);
}

const char *request_header(const struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, name);
}

struct visit {
	const char *name;
	unsigned n;
	void (*f)(void *, const char *, const char *);
	void *ctx;
};

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *key,
    const char *value)
{
	struct visit *v = cls;

	(void)kind;
	if (v->f)
		v->f(v->ctx, key, value ? value : "");
	else if (g_ascii_strcasecmp(key, v->name) == 0)
		v->n++;
	return MHD_YES;
}

unsigned request_header_count(const struct request *r, const char *name)
{
	struct visit v = { .name = name };

	MHD_get_connection_values(r->conn, MHD_HEADER_KIND, on_header, &v);
	return v.n;
}

void request_each_header(const struct request *r,
    void (*f)(void *, const char *, const char *), void *ctx)
{
	struct visit v = { .f = f, .ctx = ctx };

	MHD_get_connection_values(r->conn, MHD_HEADER_KIND, on_header, &v);
}

void request_each_query(const struct request *r,
    void (*f)(void *, const char *, const char *), void *ctx)
{
	struct visit v = { .f = f, .ctx = ctx };

	MHD_get_connection_values(r->conn, MHD_GET_ARGUMENT_KIND, on_header, &v);
}

struct str request_body(const struct request *r)
{
	return (struct str){ (const char *)r->body->data, r->body->len };
}

const struct server_peer *request_peer(const struct request *r)
{
	static const struct server_peer nobody;

	return r->link ? &r->link->peer : &nobody;
}

void request_on_gone(struct request *r, void (*f)(void *, struct request *), void *ctx)
{
	r->on_gone = f;
	r->on_gone_ctx = ctx;
}

static void wake(struct request *r)
{
	if (!r->suspended || r->server->closing)
		return;
	r->suspended = false;
	MHD_resume_connection(r->conn);
	r->server->unseen = true;
	loop_stay_awake(r->server->loop);
}

void request_answer(struct request *r, int status, const char *type, struct str body,
    const char *headers)
{
	CHECK(r->magic == REQUEST_MAGIC && !r->answered);
	r->answered = true;
	r->status = (unsigned)status;
	r->response = MHD_create_response_from_buffer(
	    body.len, (void *)(uintptr_t)(body.len ? body.p : ""), MHD_RESPMEM_MUST_COPY);
	set_headers(r, type, headers);
	owe(r->link, OWES_READING);
	wake(r);
}

static ssize_t on_read(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct request *r = cls;
	size_t n;

	(void)pos;
	if (!r->out->len && !r->ended && r->on_drain && !r->server->closing)
		r->on_drain(r->on_drain_ctx, r);
	n = r->out->len < max ? r->out->len : max;
	if (n) {
		memcpy(buf, r->out->data, n);
		g_byte_array_remove_range(r->out, 0, (guint)n);
		return (ssize_t)n;
	}
	if (r->ended || r->server->closing)
		return MHD_CONTENT_READER_END_OF_STREAM;
	r->suspended = true;
	MHD_suspend_connection(r->conn);
	return 0;
}

void request_stream(struct request *r, int status, const char *type)
{
	CHECK(r->magic == REQUEST_MAGIC && !r->answered);
	r->answered = r->stream = true;
	r->status = (unsigned)status;
	r->out = g_byte_array_new();
	r->response =
	    MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, on_read, r, NULL);
	set_headers(r, type, NULL);
	wake(r);
}

void request_chunk(struct request *r, struct str bytes)
{
	CHECK(r->stream && !r->ended);
	g_byte_array_append(r->out, (const guint8 *)bytes.p, bytes.len);
	wake(r);
}

size_t request_backlog(const struct request *r)
{
	return r->out ? r->out->len : 0;
}

void request_on_drain(struct request *r, void (*f)(void *, struct request *), void *ctx)
{
	r->on_drain = f;
	r->on_drain_ctx = ctx;
}

void request_end(struct request *r)
{
	r->ended = true;
	owe(r->link, OWES_READING);
	wake(r);
}

void request_drop(struct request *r)
{
	if (r->link)
		cut(r->link);
	wake(r);
}
