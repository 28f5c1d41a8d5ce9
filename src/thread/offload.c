/* SPDX-License-Identifier: MIT */
/*
 * offload.c: a job, from the side of the task that waits for it
 *
 * The job is queued, the task parks, and the thread that has run the job posts its end to the loop,
 * which wakes the task. Cancellation finds the job in one of three places, and the lock says which:
 * still queued, it is taken out and never runs; running, it is told and waited for, or given up
 * with all that it owns; ended, its post is on the way and decides.
 *
 * A job lies on the stack of its waiter, which cannot go before the end has arrived. One that owns
 * its data lies on the heap, because it may have to stay alone.
 */
#include "thread/internal.h"

#include <stdio.h>
#include <weft/error.h>
#include <weft/scope.h>

/** A task that waits for a job. */
struct waiter {
    /** Its wait. */
    struct weft_wait wait;
    /** The job; NULL once it was abandoned. */
    struct weft__job *job;
};

/* What both sides do with a job. */

void weft__job_drop(struct weft__job *job)
{
    if (job->drop)
        job->drop(job->arg);
    (void)weft_sys_default.realloc(&weft_sys_default, job, 0);
}

void weft__job_begin(struct weft__job *job)
{
    struct weft_pool *pool = job->pool;
    weft__list_remove(&job->link);
    weft__list_append(&pool->running, &job->link);
    weft__job_set_state(job, WEFT__JOB_RUNNING);
    job->since = pool->sys->clock(pool->sys);
    pool->queued--;
    pool->busy++;
}

void weft__job_end(struct weft__job *job)
{
    struct weft_pool *pool = job->pool;
    weft__list_remove(&job->link);
    weft__job_set_state(job, WEFT__JOB_ENDED);
    pool->ended++;
    if (!job->abandoned)
        pool->busy--;
}

/* Waiting. */

/** In the loop: the job has ended. */
static int arrive(struct weft__post *post)
{
    struct weft__job *job = weft__container(post, struct weft__job, post);
    (void)weft_wake(job->waiter, 0);
    return 0;
}

/** A loop is not freed before its tasks have ended, so that no job with a waiter meets this. */
static void never_dropped(struct weft__post *post)
{
    (void)post;
}

static void describe(const struct weft_wait *wait, char *buf, size_t size)
{
    struct weft__job *job = weft__container(wait, struct waiter, wait)->job;
    struct weft_pool *pool = job->pool;
    pthread_mutex_lock(&pool->lock);
    bool queued = job->state == WEFT__JOB_QUEUED;
    pthread_mutex_unlock(&pool->lock);
    snprintf(buf, size, "for job %s, which %s pool %s", job->name,
             queued ? "is queued in" : "runs in", pool->limits.name);
}

/** Takes a job out of the queue. Under the lock. */
static void withdraw(struct weft__job *job)
{
    weft__list_remove(&job->link);
    weft__job_set_state(job, WEFT__JOB_WITHDRAWN);
    job->pool->queued--;
    job->pool->withdrawn++;
}

/** Lets a running job go on alone, if there may be one more. Under the lock. */
static bool abandon(struct weft__job *job)
{
    struct weft_pool *pool = job->pool;
    if (!job->owned || pool->abandoned >= pool->limits.max_abandoned)
        return false;
    job->abandoned = true;
    pool->busy--;
    pool->threads--;
    pool->abandoned++;
    return true;
}

static enum weft_abort give_up(struct weft_wait *wait)
{
    struct waiter *waiter = weft__container(wait, struct waiter, wait);
    struct weft__job *job = waiter->job;
    struct weft_pool *pool = job->pool;
    enum weft_abort answer = WEFT_ABORT_LATER;
    struct weft__remote *remote = NULL;
    bool abandoned = false;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&job->cancelled, true);
    if (job->state == WEFT__JOB_QUEUED) {
        withdraw(job);
        answer = WEFT_ABORT_DONE;
    } else if (job->state == WEFT__JOB_RUNNING && abandon(job)) {
        abandoned = true;
        answer = WEFT_ABORT_DONE;
    }
    if (job->remote)
        remote = weft__remote_hold(job->remote);
    pthread_mutex_unlock(&pool->lock);
    if (remote) {
        weft__remote_cancel(remote);
        weft__remote_let_go(remote);
    }
    if (abandoned) {
        waiter->job = NULL;
        weft__pool_grow(pool);
    }
    return answer;
}

/** Queues a job and waits for it. 0, or the job did not run; but `*ret_abandoned`: it may. */
static int run_on_thread(struct weft__job *job, bool wait_for_place, bool *ret_abandoned)
{
    struct waiter waiter = {.job = job};
    weft_wait_init(&waiter.wait, describe, NULL);
    job->waiter = &waiter.wait;
    job->post.run = arrive;
    job->post.drop = never_dropped;
    int rc = weft__pool_submit(job, wait_for_place);
    if (rc == 0)
        rc = (int)weft_park(&waiter.wait, give_up);
    *ret_abandoned = waiter.job == NULL;
    return rc;
}

/** Runs a job, wherever it lies. */
static int run_job(struct weft__job *job, unsigned flags, int *result, bool *ret_abandoned)
{
    int rc = run_on_thread(job, !(flags & WEFT_OFFLOAD_TRY), ret_abandoned);
    if (rc == -ENOSYS && job->pool->threadless)
        rc = weft__job_run_inline(job, !(flags & WEFT_OFFLOAD_TRY));
    if (rc == 0 && result)
        *result = job->result;
    return rc;
}

/** A job that owns its data lives on the heap, and takes both along if it is abandoned. */
static int run_owned(const struct weft__job *model, unsigned flags, int *result)
{
    struct weft__job *job = weft_sys_default.realloc(&weft_sys_default, NULL, sizeof *job);
    bool abandoned = false;
    if (!job) {
        if (model->drop)
            model->drop(model->arg);
        return -ENOMEM;
    }
    *job = *model;
    weft__list_init(&job->link);
    int rc = run_job(job, flags, result, &abandoned);
    if (rc == 0)
        job->drop = NULL;
    if (!abandoned)
        weft__job_drop(job);
    return rc;
}

static int run_lent(struct weft__job *job, unsigned flags, int *result)
{
    bool abandoned = false;
    weft__list_init(&job->link);
    return run_job(job, flags, result, &abandoned);
}

/** Fills in the loop's default pool where none is named; 0 or why the pool is not for us. */
static int find_pool(struct weft_loop *loop, struct weft_pool **pool)
{
    /* A task that has forked goes on in the child, where no loop runs. */
    int rc = loop ? weft__loop_check_thread(loop) : -EOWNERDEAD;
    if (rc < 0)
        return rc;
    if (!*pool)
        return weft_pool_default(loop, pool);
    if ((*pool)->loop != loop)
        return weft_fail(-EPERM, "pool %s belongs to another loop", (*pool)->limits.name);
    return 0;
}

int weft_offload_at(const struct weft_offload_options *asked, int (*fn)(void *arg), void *arg,
                    int *result, const char *name)
{
    struct weft_offload_options options;
    weft__options_read(&options, sizeof options, asked);
    bool owned = options.flags & WEFT_ABANDON;
    int rc =
        weft__job_current ? weft__misuse(-EPERM, "weft_offload inside a job") : weft_wait_begin();
    if (rc == 0)
        rc = find_pool(weft_loop_current(), &options.pool);
    if (rc < 0) {
        if (owned && options.drop)
            options.drop(arg);
        return rc;
    }
    struct weft__job job = {
        .pool = options.pool,
        .fn = fn,
        .arg = arg,
        .drop = owned ? options.drop : NULL,
        .name = options.name ? options.name : name,
        .loop = owned ? NULL : weft_loop_current(),
        .owned = owned,
    };
    return owned ? run_owned(&job, options.flags, result) : run_lent(&job, options.flags, result);
}

/* Inside a job. */

bool weft__job_set_remote(struct weft__job *job, struct weft__remote *remote)
{
    pthread_mutex_lock(&job->pool->lock);
    bool refused = remote && atomic_load(&job->cancelled);
    job->remote = refused ? NULL : remote;
    pthread_mutex_unlock(&job->pool->lock);
    return !refused;
}

int weft_offload_cancelled(void)
{
    const struct weft__job *job = weft__job_current;
    return job && (atomic_load(&job->cancelled) || weft_cancelled());
}

struct weft_loop *weft_offload_loop(void)
{
    const struct weft__job *job = weft__job_current;
    return job ? job->loop : NULL;
}
