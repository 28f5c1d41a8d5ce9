/* SPDX-License-Identifier: MIT */
/*
 * internal.h: pools and jobs, as the files of this folder share them
 *
 * Files
 *   pool.c       making and ending a pool, its threads         worker.c    what a thread does
 *   offload.c    a job, from its task's side                   inline.c    jobs without threads
 *   remote.c     functions that are run on other loops         channel.c   items between threads
 *   loops.c      one program on several loops
 *
 * Two sides. The loop's thread makes jobs and pools, starts and joins threads. The threads take
 * jobs and run them. Between them stands pool->lock; what only one side touches says so. A thread
 * touches nothing of the loop but its post and its clock.
 *
 * Who owns a job: its waiter's stack frame, or, with WEFT_ABANDON, the heap of weft_sys_default,
 * which any thread may use. A pool is taken from there, too, because a thread that is left behind
 * outlives loop and pool.
 */
#ifndef WEFT_THREAD_INTERNAL_H
#define WEFT_THREAD_INTERNAL_H

#include "base/assert.h"
#include "base/list.h"
#include "base/options.h"
#include "loop/poller.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>
#include <weft/offload.h>
#include <weft/sys.h>
#include <weft/task.h>
#include <weft/wait.h>

struct weft__remote;

/** Where a job stands; changes under the pool's lock. */
enum weft__job_state {
    /** In pool->queue. Next: RUNNING, WITHDRAWN. */
    WEFT__JOB_QUEUED,
    /** On a thread, in pool->running. Next: ENDED. */
    WEFT__JOB_RUNNING,
    /** Its function has returned. The end. */
    WEFT__JOB_ENDED,
    /** Cancelled before it ran. The end. */
    WEFT__JOB_WITHDRAWN
};

/** One piece of work. */
struct weft__job {
    /** How its end comes to the loop. */
    struct weft__post post;
    /** Membership in pool->queue or pool->running. */
    struct weft_link link;
    /** The pool. */
    struct weft_pool *pool;
    /** The function. */
    int (*fn)(void *arg);
    /** Its argument. */
    void *arg;
    /** Lets go of the argument. */
    weft_drop_fn *drop;
    /** Name for dumps. */
    const char *name;
    /** The loop to be called back into; NULL with WEFT_ABANDON. */
    struct weft_loop *loop;
    /** What it has another loop do at the moment, and waits for; under the lock. */
    struct weft__remote *remote;
    /** The task that waits; of the loop's thread. */
    struct weft_wait *waiter;
    /** Since when it is queued, or runs. */
    weft_ns since;
    /** What the function returned. */
    int result;
    /** enum weft__job_state. */
    unsigned char state;
    /** Its waiter has gone; it frees itself. Under the lock. */
    bool abandoned;
    /** Its waiter may go. */
    bool owned;
    /** weft_offload_cancelled. */
    atomic_bool cancelled;
};

/** Where the place of a thread stands; changes under the pool's lock. */
enum weft__slot_state {
    /** No thread. Next: ALIVE. */
    WEFT__SLOT_FREE,
    /** A thread, or about to be. Next: ENDED, LEFT; FREE, when none could be made. */
    WEFT__SLOT_ALIVE,
    /** It is on its last lines and can be joined. Next: FREE. */
    WEFT__SLOT_ENDED,
    /** Left behind with its job. The end. */
    WEFT__SLOT_LEFT
};

/** The place of a thread in a pool. */
struct weft__slot {
    /** The pool. */
    struct weft_pool *pool;
    /** What thread_join takes; of the loop's thread. */
    uintptr_t thread;
    /** What it runs. */
    struct weft__job *job;
    /** enum weft__slot_state. */
    unsigned char state;
};

/** A pool. */
struct weft_pool {
    /** Its loop; not for threads that were left behind. */
    struct weft_loop *loop;
    /** The loop's table; as the loop. */
    const struct weft_sys *sys;
    /** Its limits. */
    struct weft_pool_options limits;
    /** Between the loop's thread and the others. */
    pthread_mutex_t lock;
    /** A job was queued, or the pool ends. Threads wait here. */
    pthread_cond_t work;
    /** An abandoned job has ended. The end of the pool waits here. */
    pthread_cond_t alone;
    /** Jobs in the order in which they came. */
    struct weft_link queue;
    /** Jobs that run. */
    struct weft_link running;
    /** How many are queued. */
    size_t queued;
    /** Threads, without those of abandoned jobs. */
    unsigned threads;
    /** Threads that wait for work. */
    unsigned idle;
    /** Jobs that run and have a waiter. */
    unsigned busy;
    /** Jobs that run and have none. */
    unsigned abandoned;
    /** Counts since the beginning, for statistics. */
    uint64_t ended, withdrawn, started;
    /** It is being freed. */
    bool closing;
    /** Who keeps it once it is freed: threads that were left behind, and who frees it. */
    unsigned holders;
    /** There are no threads in this world. Of the loop's thread. */
    bool threadless;
    /** Jobs of a world without threads that wait for their turn; of the loop's thread. */
    struct weft_waitq turns;
    /** Its lines in a dump. */
    struct weft__reporter reporter;
    /** Places for all threads that there may be. */
    struct weft__slot slots[];
};

/** The job of this thread. */
extern WEFT__TLS struct weft__job *weft__job_current;

/** The one way to change job->state. */
static inline void weft__job_set_state(struct weft__job *job, enum weft__job_state state)
{
    weft__assert(state == WEFT__JOB_ENDED ? job->state == WEFT__JOB_RUNNING
                                          : job->state == WEFT__JOB_QUEUED);
    job->state = (unsigned char)state;
}

/** The one way to change slot->state. */
static inline void weft__slot_set_state(struct weft__slot *slot, enum weft__slot_state state)
{
    weft__assert(state == WEFT__SLOT_FREE    ? slot->state != WEFT__SLOT_LEFT
                 : state == WEFT__SLOT_ALIVE ? slot->state == WEFT__SLOT_FREE
                                             : slot->state == WEFT__SLOT_ALIVE);
    slot->state = (unsigned char)state;
}

/* pool.c */

/** How many threads there may be, those of abandoned jobs included. */
static inline unsigned weft__pool_slots(const struct weft_pool *pool)
{
    return pool->limits.max_threads + pool->limits.max_abandoned;
}
/** Queues a job and sees to it that a thread takes it. 0, or an error with the job not queued;
 *  -ENOSYS there are no threads in this world. */
int weft__pool_submit(struct weft__job *job, bool wait_for_place);
/** Starts another thread if there is work for it, and one can be made. */
void weft__pool_grow(struct weft_pool *pool);
/** One of its holders lets go; the last one frees it. Under the lock, which is given back. */
void weft__pool_let_go(struct weft_pool *pool);
/** The instant `delay` from now, for waits on the pool's conditions. */
struct timespec weft__pool_deadline(weft_ns delay);

/* worker.c */

/** What a thread runs; `slot` is a struct weft__slot. */
void *weft__worker_run(void *slot);
/** Calls the function of a job. */
void weft__job_call(struct weft__job *job);

/* offload.c */

/** Lets go of what a job owns, and of the job. */
void weft__job_drop(struct weft__job *job);
/** The first lines of a job's run: out of the queue. Under the lock. */
void weft__job_begin(struct weft__job *job);
/** The last ones. Under the lock. */
void weft__job_end(struct weft__job *job);

/** Notes what a running job waits for, NULL at the end. False: it was cancelled before. */
bool weft__job_set_remote(struct weft__job *job, struct weft__remote *remote);

/* remote.c */

/** Holds a request once more; returns it. */
struct weft__remote *weft__remote_hold(struct weft__remote *remote);
/** Lets go of it; the last one frees it. */
void weft__remote_let_go(struct weft__remote *remote);
/** Forwards a cancellation. Any thread that holds the request. */
void weft__remote_cancel(struct weft__remote *remote);

/* inline.c */

/** Runs a job in the calling task, when its turn comes. 0, or as weft_offload. */
int weft__job_run_inline(struct weft__job *job, bool wait_for_place);

#endif
