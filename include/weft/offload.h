/* SPDX-License-Identifier: MIT */
/*
 * weft/offload.h: work that blocks or computes, on threads
 *
 * A task that computes for long, or calls what blocks, holds up all others of its loop. Offloaded,
 * the work is a *job* that runs on a thread of a pool while the task waits:
 *
 *     static int digest(void *arg) { ... return 0; }       runs on a thread, not in a task
 *
 *     rc = weft_offload(digest, &work, &result);            returns when the job has ended
 *
 *       QUEUED ──a thread is free──▶ RUNNING ──fn returns──▶ ENDED, the task goes on
 *          └─cancelled─▶ WITHDRAWN      └─cancelled, WEFT_ABANDON─▶ ABANDONED, ends alone
 *
 * Cancellation. A thread cannot be cut short. A job that is still queued is withdrawn and never
 * runs. A running one is told (weft_offload_cancelled) and waited for: its data may lie on the
 * waiting task's stack. Only a job started with WEFT_ABANDON, which owns its data, lets its waiter
 * go at once; it then ends alone.
 *
 * Limits of a pool, each settable (struct weft_pool_options), with these defaults:
 *     16 threads, made when they are needed and ended after 10 s without work
 *     1,024 jobs in the queue; more tasks than that wait for a place, first come, first served
 *     16 abandoned jobs: as long as so many run, a cancelled waiter stays with its job
 * An abandoned job does not count as one of the threads: another thread takes its place.
 *
 * Each loop makes its default pool at the first weft_offload. Work of one kind that may block for
 * long (looking up names, a slow disk) belongs into a pool of its own.
 *
 * In a job: no call of weft that waits, and none that is for the loop's thread. A job may call
 * weft_run_on(weft_offload_loop(), ...) to have something done in its loop and get the result, and
 * everything that is for any thread. Its thread has signals blocked, all but those of its own
 * faults.
 *
 * Threads are named in a dump with what they run, and for how long. Where a loop ends, what runs is
 * waited for: tasks wait for their jobs anyway, and abandoned jobs get `linger` (5 s). One that is
 * still stuck then is reported by name and left behind, so that it cannot keep a program from
 * ending. (With a longer `linger` it is also reported after five seconds.) After fork the pools of
 * the parent are inert in the child.
 *
 * Under sim, and where threads do not exist, a job runs in the task that offloads it, on its stack:
 * at an instant of the virtual clock, in order, as many at once as the pool has threads.
 */
#ifndef WEFT_OFFLOAD_H
#define WEFT_OFFLOAD_H

#include <weft/error.h>
#include <weft/types.h>

WEFT_BEGIN

struct weft_pool;

/** The limits of a pool that says nothing else. */
#define WEFT_POOL_THREADS 16u
#define WEFT_POOL_QUEUE 1024u
#define WEFT_POOL_IDLE (10 * WEFT_SEC)
#define WEFT_POOL_LINGER (5 * WEFT_SEC)

/** How to make a pool; NULL, or zero everywhere, is the default. */
struct weft_pool_options {
    /** sizeof(struct weft_pool_options), also when 0. */
    size_t size;
    /** Name for dumps; not copied. NULL: "pool". */
    const char *name;
    /** How many threads at most; 0: WEFT_POOL_THREADS. */
    unsigned max_threads;
    /** How many jobs may be queued; 0: WEFT_POOL_QUEUE. */
    unsigned queue_limit;
    /** How many abandoned jobs may run; 0: as many as threads. */
    unsigned max_abandoned;
    /** After how long without work a thread ends; 0: WEFT_POOL_IDLE. */
    weft_ns idle;
    /** How long the end of the pool waits for abandoned jobs; 0: WEFT_POOL_LINGER. */
    weft_ns linger;
    /** Bytes of stack of each thread; 0: what the system gives. */
    size_t stack_size;
};

/** Makes a pool for the tasks of `loop` in *ret. `options` NULL: defaults. No thread is started.
 *  Plain. -ENOMEM, -EOWNERDEAD. */
WEFT_API int weft_pool_new(struct weft_loop *loop, const struct weft_pool_options *options,
                           struct weft_pool **ret);

/**
 * Ends a pool: its idle threads, and with what it has left as `linger` says (see above). Releasing:
 * in a task it lets others run while it waits; outside the running loop it blocks; in a callback it
 * does not wait. Not while a task waits for a job of it (misuse: nothing happens). Before the loop
 * is freed. NULL is fine.
 */
WEFT_API void weft_pool_free(struct weft_pool *pool);

/** The default pool of the loop in *ret, made now if there is none. Plain. -ENOMEM, -EOWNERDEAD. */
WEFT_API int weft_pool_default(struct weft_loop *loop, struct weft_pool **ret);

/** Makes `pool` the default one of its loop, which owns it from now on. Plain. -EBUSY the loop has
 *  one already; -ENOMEM; -EOWNERDEAD. */
WEFT_API int weft_pool_set_default(struct weft_pool *pool);

/** Counts of a pool. */
struct weft_pool_stats {
    /** Threads, those of abandoned jobs included. */
    unsigned threads;
    /** Of these, the ones without work. */
    unsigned idle;
    /** Jobs that run and have a waiter. */
    unsigned running;
    /** Jobs that run although nobody waits for them any more. */
    unsigned abandoned;
    /** Jobs in the queue. */
    size_t queued;
    /** Tasks that wait for a place in the queue. */
    size_t waiting;
    /** Jobs that have ended, in all. */
    uint64_t ended;
    /** Jobs that were withdrawn, in all. */
    uint64_t withdrawn;
    /** Threads that were started, in all. */
    uint64_t started;
};

/** Fills *ret. Plain. Any thread. */
WEFT_API void weft_pool_get_stats(struct weft_pool *pool, struct weft_pool_stats *ret);

/** The job owns its argument: its waiter goes at once when it is cancelled. */
#define WEFT_ABANDON 1u
/** -EAGAIN instead of waiting for a place when the queue is full. */
#define WEFT_OFFLOAD_TRY 2u

/** How to offload; NULL, or zero everywhere, is the default. */
struct weft_offload_options {
    /** sizeof(struct weft_offload_options), also when 0. */
    size_t size;
    /** The pool; NULL: the loop's default pool. */
    struct weft_pool *pool;
    /** WEFT_ABANDON, WEFT_OFFLOAD_TRY. */
    unsigned flags;
    /** With WEFT_ABANDON: lets go of the argument, and of any result that the job put there. Runs
     *  once, in the job's thread or the loop's, unless the call returns 0. NULL: nothing to do. */
    weft_drop_fn *drop;
    /** Name for dumps, not copied; an abandoned job keeps it. NULL: the function's name. */
    const char *name;
};

/**
 * Runs fn(arg) on a thread of the loop's default pool, and waits for it. What it returns goes to
 * *result (may be NULL). Waiting. The return speaks only of the wait:
 *
 *     0             the job has ended; a cancellation that came while it ran was told to the job,
 *                   and meets the task at its next wait
 *     -ECANCELED    the job did not run and never will; with WEFT_ABANDON it may also run alone
 *     -EAGAIN       no thread could be made, and the pool has none; or WEFT_OFFLOAD_TRY: the queue
 *                   is full
 *     -ENOMEM, -WEFT_ECLOSED (the pool is being freed), -EINVAL, -EPERM (a pool of another loop),
 *     -EOWNERDEAD (a forked child): the job did not run
 *
 * With WEFT_ABANDON the argument is the caller's again only when the call returned 0; else `drop`
 * has it, or will.
 */
#define weft_offload(fn, arg, result) weft_offload_at(NULL, (fn), (arg), (result), #fn)
/** As weft_offload, with options; NULL: defaults. Waiting. */
#define weft_offload_with(options, fn, arg, result)                                                \
    weft_offload_at((options), (fn), (arg), (result), #fn)
WEFT_API WEFT_MUST_CHECK int weft_offload_at(const struct weft_offload_options *options,
                                             int (*fn)(void *arg), void *arg, int *result,
                                             const char *name);

/** Nonzero in a job whose waiter was cancelled: a long one looks now and then, and returns early.
 *  Plain. Any thread; 0 outside a job. */
WEFT_API int weft_offload_cancelled(void);

/** The loop of the calling thread's job, NULL outside a job and in one started with WEFT_ABANDON,
 *  which may outlive it. Plain. Any thread. */
WEFT_API struct weft_loop *weft_offload_loop(void);

WEFT_END

#endif
