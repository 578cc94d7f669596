/* Threads beside the loop: the helper (one thread: blocking library calls, rule
 * compilation), the readers (two) and the checkpointer, alone because the writer may
 * wait for it and for nothing that takes longer.  A job gets what it owns by pointer
 * and gives back a result; nothing is shared meanwhile. */
#ifndef IO_POOL_H
#define IO_POOL_H

#include <stdbool.h>
#include <stdint.h>

struct pool;
struct loop;

struct pool *pool_new(struct loop *, const char *name, unsigned threads, unsigned queue);
/* False: the queue is full and the job was not taken.  `job` runs on a thread of the
 * pool, `on_done` on the loop with its result. */
bool pool_run(struct pool *, void *(*job)(void *owned),
	      void (*on_done)(void *ctx, void *ret), void *owned, void *ctx);
/* Finishes what is running, drops what is queued (on_done is called with NULL for
 * it), joins the threads. */
void pool_free(struct pool *);
#endif
