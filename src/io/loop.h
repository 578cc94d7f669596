/* The one loop (libev, ev_loop_new: never the default loop, which reaps others'
 * children).  Everything here is called on the loop's thread except loop_wake(). */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct io_watch;

#define IO_READ 1
#define IO_WRITE 2

struct loop *loop_new(void);
void loop_free(struct loop *);
void loop_run(struct loop *);			/* until loop_stop() */
void loop_stop(struct loop *);
/* A descriptor (level triggered).  events may be changed; 0 pauses. */
struct io_watch *loop_fd(struct loop *, int fd, int events,
    void (*on_ready)(void *, int events), void *);
void io_watch_events(struct io_watch *, int events);
/* A timer, unarmed.  io_watch_after: in that many ms from now, once; < 0 disarms. */
struct io_watch *loop_timer(struct loop *, void (*on_due)(void *), void *);
void io_watch_after(struct io_watch *, int64_t after_ms);
/* A signal, by signalfd-like hand-over on the loop. */
struct io_watch *loop_signal(struct loop *, int signo, void (*on_signal)(void *), void *);
/* A file or directory (inotify): any change below `path`, not recursive. */
struct io_watch *loop_path(struct loop *, const char *path, void (*on_change)(void *),
			   void *);
/* One more path for the watch of loop_path(); a repeat is none. */
bool io_watch_also(struct io_watch *, const char *path);
/* The wall clock was set, or the machine was suspended: timers know of neither.  NULL:
 * the kernel does not tell. */
struct io_watch *loop_clock_set(struct loop *, void (*on_set)(void *), void *);
void io_watch_free(struct io_watch *); /* NULL is fine; safe in its own callback */
/* Called before each sleep; the loop does not sleep while loop_stay_awake() was called
 * since.  Several hooks run in the order of registration. */
void loop_before_sleep(struct loop *, void (*hook)(void *), void *);
void loop_drop_hook(struct loop *, void *ctx);	/* every hook with this ctx */
void loop_stay_awake(struct loop *);
void loop_wake(struct loop *);			/* from any thread */
#endif
