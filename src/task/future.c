/* SPDX-License-Identifier: MIT */
/*
 * future.c: results that come later
 *
 * Finishing a future wakes its waiting tasks and schedules its callbacks; it never calls anything
 * itself, so that whoever finishes one is not surprised by foreign code under its feet. Waiters
 * hold a reference while they wait, callbacks until they have run. A callback reserves its place in
 * the ready ring when it is added, so that finishing cannot fail.
 */
#include "task/internal.h"

#include <stdio.h>
#include <string.h>

/** Where a future stands. */
enum future_state {
    /** Not finished. Next: FUTURE_DONE, FUTURE_CANCELLED. */
    FUTURE_PENDING,
    /** Has a code and a value. The end. */
    FUTURE_DONE,
    /** Was cancelled. The end. */
    FUTURE_CANCELLED
};

struct weft_future {
    /** Its loop. */
    struct weft_loop *loop;
    /** References. */
    size_t references;
    /** Waiting tasks. */
    struct weft_waitq waiters;
    /** Callbacks not yet scheduled, and scheduled but not yet run. */
    struct weft_link callbacks;
    /** The value. */
    void *value;
    /** The code. */
    int code;
    /** enum future_state. */
    enum future_state state;
};

/** A done-callback. */
struct callback {
    /** Membership in its future. */
    struct weft_link link;
    /** What frees it with the loop. */
    struct weft__errand errand;
    /** The future, which it references. */
    struct weft_future *future;
    /** What to call; NULL: removed while it was scheduled. */
    weft_future_fn *fn;
    /** Its argument. */
    void *arg;
    /** It stands in the ready ring. */
    bool scheduled;
};

static void future_set_state(struct weft_future *future, enum future_state state)
{
    weft__assert(future->state == FUTURE_PENDING);
    future->state = state;
}

int weft_future_new(struct weft_loop *loop, struct weft_future **ret)
{
    struct weft_future *future = loop->sys->realloc(loop->sys, NULL, sizeof *future);
    if (!future)
        return -ENOMEM;
    memset(future, 0, sizeof *future);
    future->loop = loop;
    future->references = 1;
    weft_waitq_init(&future->waiters);
    weft__list_init(&future->callbacks);
    *ret = future;
    return 0;
}

struct weft_future *weft_future_ref(struct weft_future *future)
{
    future->references++;
    return future;
}

void weft_future_unref(struct weft_future *future)
{
    if (!future || --future->references > 0)
        return;
    weft__assert(weft_waitq_empty(&future->waiters));
    future->loop->sys->realloc(future->loop->sys, future, 0);
}

static void callback_free(struct callback *callback)
{
    struct weft_loop *loop = callback->future->loop;
    weft__list_remove(&callback->link);
    weft__list_remove(&callback->errand.link);
    weft__ready_unreserve(loop);
    weft_future_unref(callback->future);
    loop->sys->realloc(loop->sys, callback, 0);
}

static void callback_drop(struct weft__errand *errand)
{
    callback_free(weft__container(errand, struct callback, errand));
}

static void callback_run(void *arg)
{
    struct callback *callback = arg;
    struct weft_future *future = weft_future_ref(callback->future);
    weft_future_fn *fn = callback->fn;
    void *fn_arg = callback->arg;
    callback_free(callback);
    if (fn)
        fn(future, fn_arg);
    weft_future_unref(future);
}

static void schedule(struct callback *callback)
{
    callback->scheduled = true;
    weft__ready_push(callback->future->loop, callback_run, callback);
}

static int finish(struct weft_future *future, enum future_state state, int code, void *value)
{
    int rc = weft__loop_check(future->loop);
    if (rc < 0)
        return rc;
    if (future->state != FUTURE_PENDING)
        return -EALREADY;
    future_set_state(future, state);
    future->code = code;
    future->value = value;
    (void)weft_waitq_wake_all(&future->waiters, 0);
    weft__list_each(link, &future->callbacks)
        schedule(weft__container(link, struct callback, link));
    return 0;
}

int weft_future_set(struct weft_future *future, int code, void *value)
{
    return finish(future, FUTURE_DONE, code, value);
}

int weft_future_cancel(struct weft_future *future)
{
    return finish(future, FUTURE_CANCELLED, -ECANCELED, NULL);
}

int weft_future_done(const struct weft_future *future)
{
    return future->state != FUTURE_PENDING;
}

int weft_future_cancelled(const struct weft_future *future)
{
    return future->state == FUTURE_CANCELLED;
}

int weft_future_code(const struct weft_future *future)
{
    return future->state == FUTURE_PENDING ? -EAGAIN : future->code;
}

void *weft_future_value(const struct weft_future *future)
{
    return future->state == FUTURE_PENDING ? NULL : future->value;
}

struct weft_waitq *weft_future_waiters(struct weft_future *future)
{
    return &future->waiters;
}

static void describe_future(const struct weft_wait *wait, char *buf, size_t size)
{
    (void)wait;
    snprintf(buf, size, "for a future");
}

int weft_future_wait(struct weft_future *future, int *code, void **value)
{
    int rc = weft_wait_begin();
    if (rc == 0)
        rc = weft__loop_check(future->loop);
    if (rc < 0)
        return rc;
    if (future->state == FUTURE_PENDING) {
        struct weft_wait wait;
        weft_wait_init(&wait, describe_future, future);
        weft_future_ref(future);
        rc = (int)weft_waitq_park(&future->waiters, &wait);
    } else {
        weft_future_ref(future);
    }
    if (rc == 0 && code)
        *code = future->code;
    if (rc == 0 && value)
        *value = future->value;
    weft_future_unref(future);
    return rc;
}

int weft_future_add_callback(struct weft_future *future, weft_future_fn *fn, void *arg)
{
    struct weft_loop *loop = future->loop;
    int rc = weft__loop_check(loop);
    if (rc == 0)
        rc = weft__ready_reserve(loop);
    if (rc < 0)
        return rc;
    struct callback *callback = loop->sys->realloc(loop->sys, NULL, sizeof *callback);
    if (!callback) {
        weft__ready_unreserve(loop);
        return -ENOMEM;
    }
    *callback = (struct callback){.future = weft_future_ref(future), .fn = fn, .arg = arg};
    weft__list_append(&future->callbacks, &callback->link);
    weft__errand_add(loop, &callback->errand, callback_drop);
    if (future->state != FUTURE_PENDING)
        schedule(callback);
    return 0;
}

int weft_future_remove_callback(struct weft_future *future, weft_future_fn *fn, void *arg)
{
    int count = 0;
    if (weft__loop_check(future->loop) == -EPERM)
        return 0;
    weft_future_ref(future);
    weft__list_each(link, &future->callbacks)
    {
        struct callback *callback = weft__container(link, struct callback, link);
        if (callback->fn != fn || callback->arg != arg)
            continue;
        count++;
        if (callback->scheduled)
            callback->fn = NULL;
        else
            callback_free(callback);
    }
    weft_future_unref(future);
    return count;
}

int weft_loop_run_until(struct weft_loop *loop, struct weft_future *future)
{
    int rc = weft__loop_begin(loop);
    if (rc < 0)
        return rc;
    bool stopped = false;
    /* That nothing is left in the loop does not mean that nobody can finish the future: another
     * thread or a signal may. Only an engine that knows the whole world can say so, and does. */
    while (rc == 0 && !weft_future_done(future) && !stopped) {
        stopped = loop->stopping;
        rc = weft__loop_turn(loop, WEFT_FOREVER);
        stopped = stopped || loop->stopping;
    }
    weft__loop_end(loop);
    return rc < 0 || weft_future_done(future) ? rc : -ECANCELED;
}
