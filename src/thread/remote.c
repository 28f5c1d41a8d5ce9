/* SPDX-License-Identifier: MIT */
/*
 * remote.c: functions that are run on other loops
 *
 * A request goes to the other loop as a post, whose arrival starts a task in its root scope; the
 * answer comes back as another post, or through a condition for a thread that blocks. A third post
 * forwards a cancellation. All three lie in the request, which is held by everybody who may still
 * touch it, and freed by the last.
 *
 * The lock of a request orders two things: that it was answered, and that it was cancelled. Until
 * it is answered, the other loop cannot end, and may be posted to.
 */
#include "thread/internal.h"

#include <stdio.h>
#include <string.h>
#include <weft/error.h>
#include <weft/loop.h>
#include <weft/run.h>
#include <weft/thread.h>

/** A function that somebody wants run on another loop. */
struct weft__remote {
    /** The request on its way there. */
    struct weft__post call;
    /** The answer on its way back. */
    struct weft__post reply;
    /** A cancellation on its way there. */
    struct weft__post cancel;
    /** The other loop. */
    struct weft_loop *loop;
    /** The caller's loop; NULL: a thread blocks. */
    struct weft_loop *home;
    /** The function. */
    int (*fn)(void *arg);
    /** Its argument. */
    void *arg;
    /** Its name, for dumps. */
    const char *name;
    /** Where the call was made. */
    const char *site;
    /** The task that runs it; of the other loop's thread. */
    struct weft_task *task;
    /** The task that waits; of the caller's thread. */
    struct weft_wait *waiter;
    /** Guards the rest. */
    pthread_mutex_t lock;
    /** It was answered; a thread that blocks waits here. */
    pthread_cond_t answered;
    /** How many hold the request. */
    unsigned holders;
    /** What the call returns. */
    int rc;
    /** What the function returned. */
    int result;
    /** It has its answer. */
    bool done;
    /** It was cancelled. */
    bool cancelled;
};

void weft__remote_let_go(struct weft__remote *remote)
{
    pthread_mutex_lock(&remote->lock);
    bool last = --remote->holders == 0;
    pthread_mutex_unlock(&remote->lock);
    if (!last)
        return;
    (void)pthread_cond_destroy(&remote->answered);
    (void)pthread_mutex_destroy(&remote->lock);
    (void)weft_sys_default.realloc(&weft_sys_default, remote, 0);
}

struct weft__remote *weft__remote_hold(struct weft__remote *remote)
{
    pthread_mutex_lock(&remote->lock);
    remote->holders++;
    pthread_mutex_unlock(&remote->lock);
    return remote;
}

/* Over there. */

/** Gives the answer, and lets go of the request. */
static void answer(struct weft__remote *remote, int rc)
{
    pthread_mutex_lock(&remote->lock);
    remote->rc = rc;
    remote->done = true;
    (void)pthread_cond_signal(&remote->answered);
    pthread_mutex_unlock(&remote->lock);
    if (remote->home)
        weft__loop_post(remote->home, &remote->reply);
    weft__remote_let_go(remote);
}

static bool was_cancelled(struct weft__remote *remote)
{
    pthread_mutex_lock(&remote->lock);
    bool cancelled = remote->cancelled;
    pthread_mutex_unlock(&remote->lock);
    return cancelled;
}

/** The task. Its own failure belongs to the caller and not to this loop. */
static int run_remote(void *arg)
{
    struct weft__remote *remote = arg;
    int result = remote->fn(remote->arg);
    remote->result = result;
    weft_task_release(remote->task);
    remote->task = NULL;
    answer(remote, result == -ECANCELED && was_cancelled(remote) ? -ECANCELED : 0);
    return 0;
}

static int take_call(struct weft__post *post)
{
    struct weft__remote *remote = weft__container(post, struct weft__remote, call);
    int rc = was_cancelled(remote) ? -ECANCELED : 0;
    if (rc == 0)
        rc = weft_spawn_fn_at(weft_root(remote->loop), &remote->task, run_remote, remote,
                              remote->name, remote->site);
    if (rc < 0)
        answer(remote, rc);
    return 0;
}

static void drop_call(struct weft__post *post)
{
    answer(weft__container(post, struct weft__remote, call), -WEFT_ECLOSED);
}

static int take_cancel(struct weft__post *post)
{
    struct weft__remote *remote = weft__container(post, struct weft__remote, cancel);
    if (remote->task)
        weft_task_cancel(remote->task);
    weft__remote_let_go(remote);
    return 0;
}

static void drop_cancel(struct weft__post *post)
{
    weft__remote_let_go(weft__container(post, struct weft__remote, cancel));
}

/* Over here. */

void weft__remote_cancel(struct weft__remote *remote)
{
    pthread_mutex_lock(&remote->lock);
    bool first = !remote->cancelled && !remote->done;
    remote->cancelled = true;
    if (first) {
        remote->holders++;
        weft__loop_post(remote->loop, &remote->cancel);
    }
    pthread_mutex_unlock(&remote->lock);
}

static int take_reply(struct weft__post *post)
{
    struct weft__remote *remote = weft__container(post, struct weft__remote, reply);
    (void)weft_wake(remote->waiter, remote->rc);
    return 0;
}

/** A loop is not freed before its tasks have ended, so that none of those meets this. */
static void drop_reply(struct weft__post *post)
{
    (void)post;
}

static enum weft_abort forward_cancel(struct weft_wait *wait)
{
    weft__remote_cancel(wait->object);
    return WEFT_ABORT_LATER;
}

static void describe_remote(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct weft__remote *remote = wait->object;
    snprintf(buf, size, "for %s, which runs on another loop", remote->name);
}

/** Waits for the answer in a task. A job that has no thread is interrupted meanwhile. */
static int wait_in_task(struct weft__remote *remote)
{
    struct weft__job *job = weft__job_current;
    struct weft_wait wait;
    weft_wait_init(&wait, describe_remote, remote);
    remote->waiter = &wait;
    weft__job_current = NULL;
    weft__loop_post(remote->loop, &remote->call);
    int rc = (int)weft_park(&wait, forward_cancel);
    weft__job_current = job;
    return rc;
}

/** Waits for the answer in a thread, whose job, if any, hears of cancellations. */
static int wait_in_thread(struct weft__remote *remote)
{
    struct weft__job *job = weft__job_current;
    if (job && !weft__job_set_remote(job, remote)) {
        weft__remote_let_go(remote); /* what the call would have held */
        return -ECANCELED;
    }
    weft__loop_post(remote->loop, &remote->call);
    pthread_mutex_lock(&remote->lock);
    while (!remote->done)
        (void)pthread_cond_wait(&remote->answered, &remote->lock);
    pthread_mutex_unlock(&remote->lock);
    if (job)
        (void)weft__job_set_remote(job, NULL);
    return remote->rc;
}

/** A request that its caller and its call hold; NULL out of memory. */
static struct weft__remote *remote_new(struct weft_loop *loop)
{
    struct weft__remote *remote = weft_sys_default.realloc(&weft_sys_default, NULL, sizeof *remote);
    if (!remote)
        return NULL;
    *remote = (struct weft__remote){
        .call = {.run = take_call, .drop = drop_call},
        .reply = {.run = take_reply, .drop = drop_reply},
        .cancel = {.run = take_cancel, .drop = drop_cancel},
        .loop = loop,
        .home = weft_loop_current(),
        .holders = 2,
    };
    (void)pthread_mutex_init(&remote->lock, NULL);
    (void)pthread_cond_init(&remote->answered, NULL);
    return remote;
}

int weft_run_on_at(struct weft_loop *loop, int (*fn)(void *arg), void *arg, int *result,
                   const char *name, const char *site)
{
    /* Where a loop runs, this must be a task of it. */
    int rc = weft_loop_current() ? weft_wait_begin() : 0;
    if (rc == 0)
        rc = weft__loop_inert(loop);
    if (rc < 0)
        return rc;
    struct weft__remote *remote = remote_new(loop);
    if (!remote)
        return -ENOMEM;
    remote->fn = fn;
    remote->arg = arg;
    remote->name = name;
    remote->site = site;
    rc = remote->home ? wait_in_task(remote) : wait_in_thread(remote);
    if (rc == 0 && result)
        *result = remote->result;
    weft__remote_let_go(remote);
    return rc;
}

/* Without waiting. */

/** A task that is to be started on another loop. */
struct spawn {
    /** Its way there. */
    struct weft__post post;
    /** The loop. */
    struct weft_loop *loop;
    /** The function. */
    int (*fn)(void *arg);
    /** Its argument. */
    void *arg;
    /** Its name. */
    const char *name;
    /** Where the call was made. */
    const char *site;
};

static void drop_spawn(struct weft__post *post)
{
    struct spawn *spawn = weft__container(post, struct spawn, post);
    (void)weft_sys_default.realloc(&weft_sys_default, spawn, 0);
}

/** What cannot be started is a failure of the root scope, as any other start. */
static int take_spawn(struct weft__post *post)
{
    struct spawn *spawn = weft__container(post, struct spawn, post);
    (void)weft_go_fn_at(weft_root(spawn->loop), spawn->fn, spawn->arg, spawn->name, spawn->site);
    drop_spawn(post);
    return 0;
}

int weft_spawn_on_at(struct weft_loop *loop, int (*fn)(void *arg), void *arg, const char *name,
                     const char *site)
{
    int rc = weft__loop_inert(loop);
    if (rc < 0)
        return rc;
    struct spawn *spawn = weft_sys_default.realloc(&weft_sys_default, NULL, sizeof *spawn);
    if (!spawn)
        return -ENOMEM;
    *spawn = (struct spawn){{.run = take_spawn, .drop = drop_spawn}, loop, fn, arg, name, site};
    weft__loop_post(loop, &spawn->post);
    return 0;
}
