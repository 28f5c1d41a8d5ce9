/* SPDX-License-Identifier: MIT */
/*
 * worker.c: what a thread of a pool does
 *
 * It takes the first job of the queue, runs it, says so, and takes the next, until there has been
 * no work for a while or the pool ends. A job that was abandoned meanwhile has nobody to tell: the
 * thread lets go of what it owned, and stays only if the pool has room for it again.
 *
 * Where the pool was freed during an abandoned job, thread and pool were left behind with each
 * other: the thread is detached, and the last one of them frees the pool. It must not touch the
 * loop then, nor the loop's table.
 */
#include "thread/internal.h"

#include <errno.h>

WEFT__TLS struct weft__job *weft__job_current;

void weft__job_call(struct weft__job *job)
{
    weft__job_current = job;
    job->result = job->fn(job->arg);
    weft__job_current = NULL;
}

/** Sleeps until there is a job; false: none came in time, or the pool ends. Under the lock. */
static bool wait_for_work(struct weft_pool *pool)
{
    bool patient = pool->limits.idle == WEFT_FOREVER;
    struct timespec deadline = weft__pool_deadline(pool->limits.idle);
    int rc = 0;
    while (pool->queued == 0 && !pool->closing && rc != ETIMEDOUT) {
        pool->idle++;
        if (patient)
            (void)pthread_cond_wait(&pool->work, &pool->lock);
        else
            rc = pthread_cond_timedwait(&pool->work, &pool->lock, &deadline);
        pool->idle--;
    }
    return pool->queued > 0;
}

/** The end of a job whose waiter has gone. Whether the pool takes the thread back. */
static bool end_alone(struct weft_pool *pool, struct weft__job *job)
{
    pthread_mutex_unlock(&pool->lock);
    weft__job_drop(job);
    pthread_mutex_lock(&pool->lock);
    pool->abandoned--;
    (void)pthread_cond_signal(&pool->alone);
    if (pool->closing || pool->threads >= pool->limits.max_threads)
        return false;
    pool->threads++;
    return true;
}

/** Runs the first job of the queue. Whether the thread still belongs to the pool. */
static bool run_next(struct weft__slot *slot)
{
    struct weft_pool *pool = slot->pool;
    struct weft__job *job = weft__container(pool->queue.next, struct weft__job, link);
    weft__job_begin(job);
    slot->job = job;
    pthread_mutex_unlock(&pool->lock);
    weft__job_call(job);
    pthread_mutex_lock(&pool->lock);
    slot->job = NULL;
    weft__job_end(job);
    if (job->abandoned)
        return end_alone(pool, job);
    struct weft_loop *loop = pool->loop;
    pthread_mutex_unlock(&pool->lock);
    weft__loop_post(loop, &job->post);
    pthread_mutex_lock(&pool->lock);
    return true;
}

void *weft__worker_run(void *arg)
{
    struct weft__slot *slot = arg;
    struct weft_pool *pool = slot->pool;
    bool belongs = true;
    pthread_mutex_lock(&pool->lock);
    while (belongs && wait_for_work(pool))
        belongs = run_next(slot);
    if (belongs)
        pool->threads--;
    if (slot->state == WEFT__SLOT_LEFT) {
        (void)pthread_detach(pthread_self());
        weft__pool_let_go(pool);
        return NULL;
    }
    weft__slot_set_state(slot, WEFT__SLOT_ENDED);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}
