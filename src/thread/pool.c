/* SPDX-License-Identifier: MIT */
/*
 * pool.c: pools of threads
 *
 * A thread is made when a job comes and nobody is idle, up to the limit; threads end by themselves
 * (worker.c) and are joined when their place is needed or the pool is freed. Where none can be
 * made, the pool works with those that it has; only a pool with none at all refuses a job.
 *
 * Freeing a pool is freeing it from its threads. Idle ones go at once. Jobs that somebody waits for
 * cannot exist then; abandoned ones get some time, and what is still stuck is named and left
 * behind, with the pool's memory.
 *
 * In a forked child the threads of the parent do not exist, and its lock may be held by one of them
 * for ever: there, memory is given back and nothing else touched.
 */
#include "thread/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/error.h>
#include <weft/loop.h>
#include <weft/scope.h>

/** More threads than this in one pool are a mistake. */
#define MOST_THREADS 65536u
/** How long the end of a pool says nothing of what it waits for. */
#define PATIENCE (5 * WEFT_SEC)
/** How often a task that frees a pool looks whether the abandoned jobs have ended. */
#define LOOK_EACH (5 * WEFT_MS)

struct timespec weft__pool_deadline(weft_ns delay)
{
    weft_ns now = weft_sys_default.clock(&weft_sys_default);
    weft_ns at = delay < WEFT_FOREVER - now ? now + delay : WEFT_FOREVER;
    return (struct timespec){.tv_sec = (time_t)(at / WEFT_SEC), .tv_nsec = (long)(at % WEFT_SEC)};
}

/* Threads. */

/** A place for one more thread. Joins those that have ended. Under the lock. */
static struct weft__slot *find_slot(struct weft_pool *pool)
{
    struct weft__slot *found = NULL;
    for (unsigned i = 0; i < weft__pool_slots(pool); i++) {
        struct weft__slot *slot = &pool->slots[i];
        if (slot->state == WEFT__SLOT_ENDED) {
            (void)pool->sys->thread_join(pool->sys, slot->thread);
            weft__slot_set_state(slot, WEFT__SLOT_FREE);
        }
        if (slot->state == WEFT__SLOT_FREE && !found)
            found = slot;
    }
    return found;
}

/** Makes a thread, which was counted already; 0, or an error with the count put right again. */
static int start_thread(struct weft_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct weft__slot *slot = find_slot(pool);
    slot->pool = pool;
    slot->job = NULL;
    weft__slot_set_state(slot, WEFT__SLOT_ALIVE);
    pool->started++;
    pthread_mutex_unlock(&pool->lock);
    int rc = pool->sys->thread_create(pool->sys, pool->limits.stack_size, weft__worker_run, slot,
                                      &slot->thread);
    if (rc == 0)
        return 0;
    pthread_mutex_lock(&pool->lock);
    weft__slot_set_state(slot, WEFT__SLOT_FREE);
    pool->threads--;
    pool->started--;
    pthread_mutex_unlock(&pool->lock);
    return rc;
}

/** Whether another thread would have work; if so it is counted. Under the lock. */
static bool want_thread(struct weft_pool *pool)
{
    if (pool->idle >= pool->queued || pool->threads >= pool->limits.max_threads)
        return false;
    pool->threads++;
    return true;
}

void weft__pool_grow(struct weft_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    bool wanted = want_thread(pool);
    pthread_mutex_unlock(&pool->lock);
    if (wanted)
        (void)start_thread(pool);
}

/** No thread could be made for a job: 0 when others will take it, else it leaves the queue. */
static int withdraw_if_hopeless(struct weft__job *job, int rc)
{
    struct weft_pool *pool = job->pool;
    pthread_mutex_lock(&pool->lock);
    bool hopeless = pool->threads == 0 && job->state == WEFT__JOB_QUEUED;
    if (hopeless) {
        /* In a world without threads it will still run, in its task. */
        if (rc != -ENOSYS)
            weft__job_set_state(job, WEFT__JOB_WITHDRAWN);
        weft__list_remove(&job->link);
        pool->queued--;
    }
    pthread_mutex_unlock(&pool->lock);
    if (hopeless && rc == -ENOSYS)
        pool->threadless = true;
    if (hopeless && rc != -ENOSYS)
        return weft_fail(rc, "pool %s has no thread, and none could be made", pool->limits.name);
    return hopeless ? rc : 0;
}

int weft__pool_submit(struct weft__job *job, bool wait_for_place)
{
    struct weft_pool *pool = job->pool;
    if (pool->threadless)
        return -ENOSYS;
    int rc = 0;
    bool wanted = false;
    pthread_mutex_lock(&pool->lock);
    if (pool->closing)
        rc = -WEFT_ECLOSED;
    else if (!wait_for_place && pool->queued >= pool->limits.queue_limit)
        rc = -EAGAIN;
    if (rc == 0) {
        job->since = pool->sys->clock(pool->sys);
        weft__list_append(&pool->queue, &job->link);
        pool->queued++;
        wanted = want_thread(pool);
        (void)pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    if (wanted && (rc = start_thread(pool)) < 0)
        rc = withdraw_if_hopeless(job, rc);
    return rc;
}

/* What a dump says. */

static void describe_pool(struct weft_pool *pool, char *buf, size_t size)
{
    snprintf(buf, size, "pool %s: %u threads (%u idle), %u jobs running, %zu queued, %u abandoned",
             pool->limits.name, pool->threads + pool->abandoned, pool->idle, pool->busy,
             pool->queued, pool->abandoned);
}

static void describe_job(const struct weft_pool *pool, const struct weft__job *job, char *buf,
                         size_t size)
{
    double seconds = (double)(pool->sys->clock(pool->sys) - job->since) / 1e9;
    snprintf(buf, size, "  job %s running %.3f s%s", job->name, seconds,
             job->abandoned ? ", abandoned" : "");
}

/** Line 0 is the pool, if it does anything; the others are the jobs that run. */
static bool report_line(const struct weft__reporter *reporter, unsigned number, char *buf,
                        size_t size)
{
    struct weft_pool *pool = weft__container(reporter, struct weft_pool, reporter);
    bool found = false;
    if (weft__loop_inert(pool->loop) < 0)
        return false;
    pthread_mutex_lock(&pool->lock);
    if (number == 0) {
        found = pool->threads + pool->busy + pool->abandoned > 0 || pool->queued > 0;
        describe_pool(pool, buf, size);
    } else {
        weft__list_each(link, &pool->running)
        {
            if (--number > 0)
                continue;
            describe_job(pool, weft__container(link, struct weft__job, link), buf, size);
            found = true;
            break;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return found;
}

void weft_pool_get_stats(struct weft_pool *pool, struct weft_pool_stats *ret)
{
    pthread_mutex_lock(&pool->lock);
    size_t limit = pool->limits.queue_limit;
    *ret = (struct weft_pool_stats){
        .threads = pool->threads + pool->abandoned,
        .idle = pool->idle,
        .running = pool->busy,
        .abandoned = pool->abandoned,
        .queued = pool->queued < limit ? pool->queued : limit,
        .waiting = pool->queued < limit ? 0 : pool->queued - limit,
        .ended = pool->ended,
        .withdrawn = pool->withdrawn,
        .started = pool->started,
    };
    pthread_mutex_unlock(&pool->lock);
}

/* Making one. */

/** The limits that were asked for, and the defaults for the rest; 0 or -EINVAL. */
static int read_limits(struct weft_pool_options *limits, const struct weft_pool_options *asked)
{
    weft__options_read(limits, sizeof *limits, asked);
    if (limits->max_threads > MOST_THREADS || limits->max_abandoned > MOST_THREADS ||
        limits->idle < 0 || limits->linger < 0)
        return -EINVAL;
    if (!limits->name)
        limits->name = "pool";
    if (limits->max_threads == 0)
        limits->max_threads = WEFT_POOL_THREADS;
    if (limits->max_abandoned == 0)
        limits->max_abandoned = limits->max_threads;
    if (limits->queue_limit == 0)
        limits->queue_limit = WEFT_POOL_QUEUE;
    if (limits->idle == 0)
        limits->idle = WEFT_POOL_IDLE;
    if (limits->linger == 0)
        limits->linger = WEFT_POOL_LINGER;
    return 0;
}

static void init_locks(struct weft_pool *pool)
{
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&pool->lock, NULL);
    (void)pthread_cond_init(&pool->work, &monotonic);
    (void)pthread_cond_init(&pool->alone, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

int weft_pool_new(struct weft_loop *loop, const struct weft_pool_options *asked,
                  struct weft_pool **ret)
{
    struct weft_pool_options limits = {0};
    int rc = weft__loop_check_thread(loop);
    if (rc == 0)
        rc = read_limits(&limits, asked);
    if (rc < 0)
        return rc;
    size_t slots = limits.max_threads + limits.max_abandoned;
    struct weft_pool *pool = weft_sys_default.realloc(&weft_sys_default, NULL,
                                                      sizeof *pool + slots * sizeof *pool->slots);
    if (!pool)
        return -ENOMEM;
    memset(pool, 0, sizeof *pool + slots * sizeof *pool->slots);
    pool->loop = loop;
    pool->sys = weft__loop_sys(loop);
    pool->limits = limits;
    pool->threadless = pool->sys->flags & WEFT_SYS_VIRTUAL_CLOCK;
    pool->holders = 1;
    init_locks(pool);
    weft__list_init(&pool->queue);
    weft__list_init(&pool->running);
    weft_waitq_init(&pool->turns);
    pool->reporter.line = report_line;
    weft__reporter_add(loop, &pool->reporter);
    *ret = pool;
    return 0;
}

/* Freeing one. */

static void give_back(struct weft_pool *pool)
{
    (void)weft_sys_default.realloc(&weft_sys_default, pool, 0);
}

void weft__pool_let_go(struct weft_pool *pool)
{
    bool last = --pool->holders == 0;
    pthread_mutex_unlock(&pool->lock);
    if (!last)
        return;
    (void)pthread_cond_destroy(&pool->work);
    (void)pthread_cond_destroy(&pool->alone);
    (void)pthread_mutex_destroy(&pool->lock);
    give_back(pool);
}

static unsigned count_abandoned(struct weft_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    unsigned count = pool->abandoned;
    pthread_mutex_unlock(&pool->lock);
    return count;
}

/** The loop goes on meanwhile, and cancellation does not reach in here. */
static void linger_in_task(struct weft_pool *pool)
{
    struct weft_scope shield;
    weft_ns most = 366 * 24 * WEFT_HOUR; /* a shield always ends */
    weft_shield_enter(&shield, pool->limits.linger < most ? pool->limits.linger : most);
    int rc = 0;
    while (rc == 0 && count_abandoned(pool) > 0)
        rc = weft_sleep(LOOK_EACH);
    (void)!weft_scope_exit(&shield, 0);
}

static void report_stuck(const struct weft_pool *pool, const struct weft__job *job,
                         const char *fate)
{
    weft_ns ran = pool->sys->clock(pool->sys) - job->since;
    weft__report("job %s of pool %s was abandoned and still runs, after %.3f s: it is %s",
                 job->name, pool->limits.name, (double)ran / 1e9, fate);
}

/** Waits until no abandoned job is left; false: some are after `limit`. Under the lock. */
static bool wait_until_alone(struct weft_pool *pool, weft_ns limit)
{
    struct timespec deadline = weft__pool_deadline(limit);
    int rc = 0;
    while (rc == 0 && pool->abandoned > 0)
        rc = pthread_cond_timedwait(&pool->alone, &pool->lock, &deadline);
    return pool->abandoned == 0;
}

/** Blocks the thread. A pool with more patience than a run has names its stuck jobs meanwhile. */
static void linger_in_thread(struct weft_pool *pool)
{
    weft_ns linger = pool->limits.linger;
    pthread_mutex_lock(&pool->lock);
    if (linger <= PATIENCE) {
        (void)wait_until_alone(pool, linger);
    } else if (!wait_until_alone(pool, PATIENCE)) {
        weft__list_each(link, &pool->running)
            report_stuck(pool, weft__container(link, struct weft__job, link), "waited for");
        (void)wait_until_alone(pool, linger - PATIENCE);
    }
    pthread_mutex_unlock(&pool->lock);
}

/** Names the jobs that are stuck, and gives them up together with their threads. Under the lock. */
static void leave_behind(struct weft_pool *pool)
{
    for (unsigned i = 0; i < weft__pool_slots(pool); i++) {
        struct weft__slot *slot = &pool->slots[i];
        if (!slot->job)
            continue;
        report_stuck(pool, slot->job, "left behind");
        weft__slot_set_state(slot, WEFT__SLOT_LEFT);
        pool->holders++;
    }
}

static void join_threads(struct weft_pool *pool)
{
    for (unsigned i = 0; i < weft__pool_slots(pool); i++) {
        struct weft__slot *slot = &pool->slots[i];
        pthread_mutex_lock(&pool->lock);
        bool ours = slot->state == WEFT__SLOT_ALIVE || slot->state == WEFT__SLOT_ENDED;
        pthread_mutex_unlock(&pool->lock);
        if (ours)
            (void)pool->sys->thread_join(pool->sys, slot->thread);
    }
}

/** Begins the end: no job comes in any more. False: tasks wait for jobs. */
static bool begin_end(struct weft_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    bool in_use = pool->queued > 0 || pool->busy > 0;
    if (!in_use) {
        pool->closing = true;
        (void)pthread_cond_broadcast(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    return !in_use;
}

void weft_pool_free(struct weft_pool *pool)
{
    if (!pool)
        return;
    int rc = weft__loop_check_thread(pool->loop);
    if (rc == -EPERM)
        return;
    weft__list_remove(&pool->reporter.link);
    if (rc < 0) {
        give_back(pool);
        return;
    }
    if (!begin_end(pool)) {
        weft__reporter_add(pool->loop, &pool->reporter);
        (void)weft__misuse(-EBUSY, "pool %s was freed while tasks wait for jobs of it",
                           pool->limits.name);
        return;
    }
    if (weft_current())
        linger_in_task(pool);
    else if (!weft_loop_running(pool->loop))
        linger_in_thread(pool);
    pthread_mutex_lock(&pool->lock);
    leave_behind(pool);
    pthread_mutex_unlock(&pool->lock);
    join_threads(pool);
    pthread_mutex_lock(&pool->lock);
    weft__pool_let_go(pool);
}

/* The loop's own. */

static const char default_key;

static void free_default(void *pool)
{
    weft_pool_free(pool);
}

int weft_pool_set_default(struct weft_pool *pool)
{
    if (weft_loop_get_local(pool->loop, &default_key))
        return -EBUSY;
    return weft_loop_set_local(pool->loop, &default_key, pool, free_default);
}

int weft_pool_default(struct weft_loop *loop, struct weft_pool **ret)
{
    struct weft_pool *pool = weft_loop_get_local(loop, &default_key);
    if (!pool) {
        const struct weft_pool_options options = {.size = sizeof options, .name = "default"};
        int rc = weft_pool_new(loop, &options, &pool);
        if (rc < 0)
            return rc;
        rc = weft_pool_set_default(pool);
        if (rc < 0) {
            weft_pool_free(pool);
            return rc;
        }
    }
    *ret = pool;
    return 0;
}
