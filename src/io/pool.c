/* Threads beside the loop, on GThreadPool's queue discipline but with a bound and
 * with results delivered on the loop.
 *
 * Invariants
 *   (1) `lock` guards the two queues and the counters; jobs run without it.
 *   (2) A job is in exactly one place: waiting, running on one thread, or done.
 *   (3) on_done runs on the loop, in the order in which jobs ended. */
#include <glib.h>

#include "base/check.h"
#include "io/loop.h"
#include "io/pool.h"

struct job {
	void		*(*run)(void *);
	void		(*on_done)(void *, void *);
	void		*owned, *ctx, *ret;
};
struct pool {
	struct loop	*loop;
	GMutex		 lock;
	GCond		 more;
	GQueue		 waiting, done;
	GThread		**threads;
	unsigned	 threads_n, queue_max, pending;
	bool		 closing;
};

static void *worker(void *arg)
{
	struct pool *p = arg;

	g_mutex_lock(&p->lock);
	for (;;) {
		while (g_queue_is_empty(&p->waiting) && !p->closing)
			g_cond_wait(&p->more, &p->lock);
		if (p->closing)
			break;
		struct job *j = g_queue_pop_head(&p->waiting);
		g_mutex_unlock(&p->lock);
		j->ret = j->run(j->owned);
		g_mutex_lock(&p->lock);
		g_queue_push_tail(&p->done, j);
		loop_wake(p->loop);
	}
	g_mutex_unlock(&p->lock);
	return NULL;
}

/* The loop's hook: hand over what is done. */
static void deliver(void *arg)
{
	struct pool *p = arg;

	if (!p->pending)
		return;
	for (;;) {
		g_mutex_lock(&p->lock);
		struct job *j = g_queue_pop_head(&p->done);
		g_mutex_unlock(&p->lock);
		if (!j)
			return;
		p->pending--;
		if (j->on_done)
			j->on_done(j->ctx, j->ret);
		g_free(j);
		/* What on_done queued is seen by earlier hooks only in the next
		 * round: do not sleep over it. */
		loop_stay_awake(p->loop);
	}
}

struct pool *pool_new(struct loop *loop, const char *name, unsigned threads,
		      unsigned queue)
{
	struct pool *p = g_new0(struct pool, 1);

	p->loop = loop;
	p->threads_n = threads;
	p->queue_max = queue;
	g_mutex_init(&p->lock);
	g_cond_init(&p->more);
	g_queue_init(&p->waiting);
	g_queue_init(&p->done);
	loop_before_sleep(loop, deliver, p);
	p->threads = g_new0(GThread *, threads);
	for (unsigned i = 0; i < threads; i++)
		p->threads[i] = g_thread_new(name, worker, p);
	return p;
}

bool pool_run(struct pool *p, void *(*run)(void *), void (*on_done)(void *, void *),
    void *owned, void *ctx)
{
	if (p->closing || p->pending >= p->queue_max)
		return false;
	struct job *j = g_new0(struct job, 1);
	j->run = run;
	j->on_done = on_done;
	j->owned = owned;
	j->ctx = ctx;
	p->pending++;
	g_mutex_lock(&p->lock);
	g_queue_push_tail(&p->waiting, j);
	g_cond_signal(&p->more);
	g_mutex_unlock(&p->lock);
	return true;
}

void pool_free(struct pool *p)
{
	struct job *j;

	if (!p)
		return;
	g_mutex_lock(&p->lock);
	p->closing = true;
	g_cond_broadcast(&p->more);
	g_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->threads_n; i++)
		g_thread_join(p->threads[i]);
	/* No thread is left: the queues are ours. */
	while ((j = g_queue_pop_head(&p->done)) || (j = g_queue_pop_head(&p->waiting))) {
		if (j->on_done)
			j->on_done(j->ctx, j->ret);
		g_free(j);
	}
	loop_drop_hook(p->loop, p);
	g_free(p->threads);
	g_mutex_clear(&p->lock);
	g_cond_clear(&p->more);
	g_free(p);
}
