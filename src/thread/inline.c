/* SPDX-License-Identifier: MIT */
/*
 * inline.c: jobs where there are no threads
 *
 * Under a virtual clock no thread is started, because nothing could say when its work is done. The
 * task that offloads a job runs it itself, on its own stack, after the others have had their turn:
 * at an instant of the virtual clock, and in the same order again for the same seed. The pool's
 * limits hold: so many jobs have begun and not ended as there are threads (a job is interrupted
 * where it has its loop do something), the others wait in a queue and can be withdrawn from it.
 */
#include "thread/internal.h"

#include <stdio.h>
#include <weft/error.h>

static void describe_turn(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct weft__job *job = wait->object;
    snprintf(buf, size, "for job %s, which is queued in pool %s", job->name,
             job->pool->limits.name);
}

/** Takes a place among those who run, or waits for one to be handed over. */
static int take_place(struct weft__job *job)
{
    struct weft_pool *pool = job->pool;
    if (pool->threads < pool->limits.max_threads) {
        pool->threads++;
        int rc = weft_yield();
        return rc < 0 ? rc : weft_wait_begin(); /* a task that is ready is not woken by a cancel */
    }
    struct weft_wait wait;
    weft_wait_init(&wait, describe_turn, job);
    return (int)weft_waitq_park(&pool->turns, &wait);
}

/** Gives the place to the first who waits. */
static void pass_place(struct weft_pool *pool)
{
    if (!weft_waitq_wake(&pool->turns, 0))
        pool->threads--;
}

/** Leaves the queue without having run. */
static void withdraw(struct weft__job *job)
{
    struct weft_pool *pool = job->pool;
    pthread_mutex_lock(&pool->lock);
    weft__list_remove(&job->link);
    weft__job_set_state(job, WEFT__JOB_WITHDRAWN);
    pool->queued--;
    pool->withdrawn++;
    pthread_mutex_unlock(&pool->lock);
}

/** Notes the job in the queue: 0, or why it may not come in. */
static int enter_queue(struct weft__job *job, bool wait_for_place)
{
    struct weft_pool *pool = job->pool;
    bool full =
        pool->threads >= pool->limits.max_threads && pool->queued >= pool->limits.queue_limit;
    if (pool->closing)
        return -WEFT_ECLOSED;
    if (full && !wait_for_place)
        return -EAGAIN;
    pthread_mutex_lock(&pool->lock);
    job->since = pool->sys->clock(pool->sys);
    weft__list_append(&pool->queue, &job->link);
    pool->queued++;
    pthread_mutex_unlock(&pool->lock);
    return 0;
}

int weft__job_run_inline(struct weft__job *job, bool wait_for_place)
{
    struct weft_pool *pool = job->pool;
    int rc = enter_queue(job, wait_for_place);
    if (rc < 0)
        return rc;
    bool counted = pool->threads < pool->limits.max_threads;
    rc = take_place(job);
    if (rc < 0) {
        withdraw(job);
        if (counted)
            pass_place(pool);
        return rc;
    }
    pthread_mutex_lock(&pool->lock);
    weft__job_begin(job);
    pthread_mutex_unlock(&pool->lock);
    weft__job_call(job);
    pthread_mutex_lock(&pool->lock);
    weft__job_end(job);
    pthread_mutex_unlock(&pool->lock);
    pass_place(pool);
    return 0;
}
