/* The loop: libev behind a few verbs.
 *
 * Invariants
 *   (1) Watchers may be freed inside their own callback: freeing stops them at once,
 *       the memory goes after the callback (the `firing` mark).
 *   (2) Hooks run in ev_prepare, before each sleep.  loop_stay_awake() arms an idle
 *       watcher for one iteration, so that the loop polls instead of sleeping.
 *   (3) Signals are taken through a pipe of libev's own; no handler of ours runs in
 *       signal context. */
#include <errno.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <ev.h>
#include <glib.h>

#include "base/check.h"
#include "io/loop.h"

enum watch_kind { WATCH_FD = 1, WATCH_TIMER, WATCH_SIGNAL, WATCH_PATH,
	WATCH_CLOCK };

struct io_watch {
	union {
		ev_io		 io;
		ev_timer	 timer;
		ev_signal	 signal;
	};
	enum watch_kind	 kind;
	bool		 firing, dead;
	struct loop	*loop;
	void		(*on_fd)(void *, int);
	void		(*on_plain)(void *);
	void		*ctx;
};
struct hook {
	void		(*f)(void *);
	void		*ctx;
};
struct loop {
	struct ev_loop	*ev;
	ev_prepare	 prepare;
	ev_idle		 idle;
	ev_async	 async;
	GArray		*hooks;
	bool		 stopped;
};

static void on_prepare(struct ev_loop *ev, ev_prepare *w, int revents)
{
	struct loop *l = w->data;

	(void)ev;
	(void)revents;
	for (unsigned i = 0; i < l->hooks->len && !l->stopped; i++) {
		struct hook h = g_array_index(l->hooks, struct hook, i);
		if (h.f)
			h.f(h.ctx);
	}
	if (l->stopped)
		ev_break(l->ev, EVBREAK_ALL);
}

static void on_idle(struct ev_loop *ev, ev_idle *w, int revents)
{
	(void)revents;
	ev_idle_stop(ev, w);
}

static void on_async(struct ev_loop *ev, ev_async *w, int revents)
{
	(void)ev;
	(void)w;
	(void)revents;		/* waking up is all it is for */
}

struct loop *loop_new(void)
{
	struct loop *l = g_new0(struct loop, 1);

	l->ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	CHECK(l->ev != NULL);
	l->hooks = g_array_new(FALSE, TRUE, sizeof(struct hook));
	ev_prepare_init(&l->prepare, on_prepare);
	l->prepare.data = l;
	ev_prepare_start(l->ev, &l->prepare);
	ev_idle_init(&l->idle, on_idle);
	ev_async_init(&l->async, on_async);
	ev_async_start(l->ev, &l->async);
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	ev_prepare_stop(l->ev, &l->prepare);
	ev_idle_stop(l->ev, &l->idle);
	ev_async_stop(l->ev, &l->async);
	ev_loop_destroy(l->ev);
	g_array_free(l->hooks, TRUE);
	g_free(l);
}

void loop_run(struct loop *l)
{
	while (!l->stopped)
		ev_run(l->ev, 0);
}

void loop_stop(struct loop *l)
{
	l->stopped = true;
	ev_break(l->ev, EVBREAK_ALL);
}

static void done(struct io_watch *w)
{
	w->firing = false;
	if (w->dead)
		g_free(w);
}

static void on_io(struct ev_loop *ev, ev_io *io, int revents)
{
	struct io_watch *w = (struct io_watch *)io;

	(void)ev;
	w->firing = true;
	w->on_fd(w->ctx,
		 (revents & EV_READ ? IO_READ : 0) | (revents & EV_WRITE ? IO_WRITE : 0));
	done(w);
}

static void on_timer(struct ev_loop *ev, ev_timer *t, int revents)
{
	struct io_watch *w = (struct io_watch *)t;

	(void)ev;
	(void)revents;
	w->firing = true;
	w->on_plain(w->ctx);
	done(w);
}

static void on_signal(struct ev_loop *ev, ev_signal *s, int revents)
{
	struct io_watch *w = (struct io_watch *)s;

	(void)ev;
	(void)revents;
	w->firing = true;
	w->on_plain(w->ctx);
	done(w);
}

/* One callback for any number of queued events: who watches a path looks again. */
static void on_inotify(struct ev_loop *ev, ev_io *io, int revents)
{
	struct io_watch *w = (struct io_watch *)io;
	char buf[4096];

	(void)ev;
	(void)revents;
	while (read(io->fd, buf, sizeof(buf)) > 0)
		;
	w->firing = true;
	w->on_plain(w->ctx);
	done(w);
}

/* Ends with ECANCELED when the clock is set or the machine resumes; the time itself is
 * never reached.  Arming says ECANCELED when the clock was set since the last time; it
 * is armed all the same (timerfd_create(2), NOTES). */
static bool arm_clock(int fd)
{
	const struct itimerspec never = { .it_value.tv_sec = G_MAXINT64 };

	return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never,
	    NULL) == 0 || errno == ECANCELED;
}

/* Armed first, told then: a step that comes now is told again. */
static void on_clock_set(struct ev_loop *ev, ev_io *io, int revents)
{
	struct io_watch *w = (struct io_watch *)io;
	uint64_t expired;

	(void)revents;
	while (read(io->fd, &expired, sizeof(expired)) < 0 && errno == EINTR)
		;
	if (!arm_clock(io->fd))
		ev_io_stop(ev, io);
	w->firing = true;
	w->on_plain(w->ctx);
	done(w);
}

static struct io_watch *watch_new(struct loop *l, enum watch_kind kind, void *ctx)
{
	struct io_watch *w = g_new0(struct io_watch, 1);

	w->kind = kind;
	w->loop = l;
	w->ctx = ctx;
	return w;
}

static int ev_events(int events)
{
	return (events & IO_READ ? EV_READ : 0) | (events & IO_WRITE ? EV_WRITE : 0);
}

struct io_watch *loop_fd(struct loop *l, int fd, int events,
			 void (*on_ready)(void *, int), void *ctx)
{
	struct io_watch *w = watch_new(l, WATCH_FD, ctx);

	w->on_fd = on_ready;
	ev_io_init(&w->io, on_io, fd, ev_events(events));
	if (events)
		ev_io_start(l->ev, &w->io);
	return w;
}

void io_watch_events(struct io_watch *w, int events)
{
	int fd = w->io.fd;

	CHECK(w->kind == WATCH_FD);
	if (ev_is_active(&w->io) &&
	    (w->io.events & (EV_READ | EV_WRITE)) == ev_events(events))
		return;
	ev_io_stop(w->loop->ev, &w->io);
	ev_io_set(&w->io, fd, ev_events(events));
	if (events)
		ev_io_start(w->loop->ev, &w->io);
}

struct io_watch *loop_timer(struct loop *l, void (*on_due)(void *), void *ctx)
{
	struct io_watch *w = watch_new(l, WATCH_TIMER, ctx);

	w->on_plain = on_due;
	ev_timer_init(&w->timer, on_timer, 0., 0.);
	return w;
}

void io_watch_after(struct io_watch *w, int64_t after_ms)
{
	CHECK(w->kind == WATCH_TIMER);
	ev_timer_stop(w->loop->ev, &w->timer);
	if (after_ms < 0)
		return;
	/* ev_now() is the time of the last poll: without the update a long turn would
	 * make every timer early. */
	ev_now_update(w->loop->ev);
	ev_timer_set(&w->timer, (double)after_ms / 1e3, 0.);
	ev_timer_start(w->loop->ev, &w->timer);
}

struct io_watch *loop_signal(struct loop *l, int signo, void (*f)(void *), void *ctx)
{
	struct io_watch *w = watch_new(l, WATCH_SIGNAL, ctx);

	w->on_plain = f;
	ev_signal_init(&w->signal, on_signal, signo);
	ev_signal_start(l->ev, &w->signal);
	return w;
}

static bool watch_path(int fd, const char *path)
{
	return inotify_add_watch(fd, path,
				 IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
				     IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF |
				     IN_MOVE_SELF) >= 0;
}

struct io_watch *loop_path(struct loop *l, const char *path, void (*on_change)(void *),
    void *ctx)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (fd < 0)
		return NULL;
	if (!watch_path(fd, path)) {
		close(fd);
		return NULL;
	}
	struct io_watch *w = watch_new(l, WATCH_PATH, ctx);
	w->on_plain = on_change;
	ev_io_init(&w->io, on_inotify, fd, EV_READ);
	ev_io_start(l->ev, &w->io);
	return w;
}

bool io_watch_also(struct io_watch *w, const char *path)
{
	return watch_path(w->io.fd, path);
}

struct io_watch *loop_clock_set(struct loop *l, void (*on_set)(void *), void *ctx)
{
	int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	struct io_watch *w;

	if (fd < 0)
		return NULL;
	if (!arm_clock(fd)) {
		close(fd);
		return NULL;
	}
	w = watch_new(l, WATCH_CLOCK, ctx);
	w->on_plain = on_set;
	ev_io_init(&w->io, on_clock_set, fd, EV_READ);
	ev_io_start(l->ev, &w->io);
	return w;
}

void io_watch_free(struct io_watch *w)
{
	if (!w || w->dead)
		return;
	switch (w->kind) {
	case WATCH_FD:
		ev_io_stop(w->loop->ev, &w->io);
		break;
	case WATCH_PATH:
	case WATCH_CLOCK:
		ev_io_stop(w->loop->ev, &w->io);
		close(w->io.fd);
		break;
	case WATCH_TIMER:
		ev_timer_stop(w->loop->ev, &w->timer);
		break;
	case WATCH_SIGNAL:
		ev_signal_stop(w->loop->ev, &w->signal);
		break;
	}
	w->dead = true;
	if (!w->firing)
		g_free(w);
}

void loop_before_sleep(struct loop *l, void (*f)(void *), void *ctx)
{
	struct hook h = { f, ctx };

	g_array_append_val(l->hooks, h);
}

/* Slots stay in place (a hook may drop another one while they run). */
void loop_drop_hook(struct loop *l, void *ctx)
{
	for (unsigned i = 0; i < l->hooks->len; i++)
		if (g_array_index(l->hooks, struct hook, i).ctx == ctx)
			g_array_index(l->hooks, struct hook, i).f = NULL;
}

void loop_stay_awake(struct loop *l)
{
	ev_idle_start(l->ev, &l->idle);
}

void loop_wake(struct loop *l)
{
	ev_async_send(l->ev, &l->async);
}
