/* SPDX-License-Identifier: MIT */
/*
 * case.c: the kinds of cases that a select can wait for, but for queues (queue.c)
 *
 * Event, future and task have a wait queue, in which the listener stands beside waiting tasks. An
 * instant is a callback of the loop that wakes the listener; readiness is an operation of net that
 * does. Each kind is three functions that never wait: one attempt, one that enlists, one that
 * withdraws (struct weft_case_ops).
 */
#include "sync/internal.h"

#include <weft/error.h>
#include <weft/future.h>
#include <weft/loop.h>
#include <weft/net.h>
#include <weft/select.h>
#include <weft/task.h>

static int enlist_in(struct weft_waitq *queue, struct weft_case *c)
{
    weft__sync_enlist(queue, &c->wait);
    return 0;
}

static void leave_queue(struct weft_case *c)
{
    weft__list_remove(&c->wait.link);
}

/** The result of an attempt at something that just is so, or not. */
static int holds(struct weft_case *c, int it_holds)
{
    c->result = 0;
    return it_holds != 0;
}

/* An event. */

static int attempt_event(struct weft_case *c)
{
    return holds(c, weft_event_is_set(c->object));
}

static int enlist_event(struct weft_case *c)
{
    struct weft_event *event = c->object;
    return enlist_in(&event->waiters, c);
}

static const struct weft_case_ops event_ops = {"for an event", attempt_event, enlist_event,
                                               leave_queue};

struct weft_case weft_case_event(struct weft_event *event)
{
    return (struct weft_case){.ops = &event_ops, .object = event};
}

/* A future. */

static int attempt_future(struct weft_case *c)
{
    return holds(c, weft_future_done(c->object));
}

static int enlist_future(struct weft_case *c)
{
    return enlist_in(weft_future_waiters(c->object), c);
}

static const struct weft_case_ops future_ops = {"for a future", attempt_future, enlist_future,
                                                leave_queue};

struct weft_case weft_case_future(struct weft_future *future)
{
    return (struct weft_case){.ops = &future_ops, .object = future};
}

/* The end of a task. */

static int attempt_task(struct weft_case *c)
{
    return holds(c, weft_task_ended(c->object));
}

static int enlist_task(struct weft_case *c)
{
    return enlist_in(weft_task_enders(c->object), c);
}

static const struct weft_case_ops task_ops = {"for a task to end", attempt_task, enlist_task,
                                              leave_queue};

struct weft_case weft_case_task(struct weft_task *task)
{
    return (struct weft_case){.ops = &task_ops, .object = task};
}

/* An instant. */

static int attempt_at(struct weft_case *c)
{
    return holds(c, c->instant.ns != WEFT_FOREVER &&
                        weft_loop_now_fresh(weft_loop_current()).ns >= c->instant.ns);
}

static void instant_has_come(void *arg)
{
    struct weft_case *c = arg;
    c->resource = NULL;
    (void)weft_wake(&c->wait, 0);
}

static int enlist_at(struct weft_case *c)
{
    struct weft_handle *timer;
    if (c->instant.ns == WEFT_FOREVER)
        return 0;
    int rc = weft_loop_call_at(weft_loop_current(), c->instant, instant_has_come, c, &timer);
    if (rc == 0)
        c->resource = timer;
    return rc;
}

static void withdraw_at(struct weft_case *c)
{
    weft_handle_cancel(c->resource);
}

static const struct weft_case_ops at_ops = {"for an instant", attempt_at, enlist_at, withdraw_at};

struct weft_case weft_case_at(struct weft_time instant)
{
    return (struct weft_case){.ops = &at_ops, .instant = instant};
}

/* The readiness of a descriptor. */

static int attempt_ready(struct weft_case *c)
{
    c->result = weft_poll_now(c->fd, c->events);
    return c->result != 0;
}

static int enlist_ready(struct weft_case *c)
{
    struct weft_poll *poll;
    int rc = weft_poll_start(c->fd, c->events, &c->wait, &poll);
    if (rc == 0)
        c->resource = poll;
    return rc;
}

static void withdraw_ready(struct weft_case *c)
{
    weft_poll_stop(c->resource);
}

static const struct weft_case_ops ready_ops = {"for a descriptor to be ready", attempt_ready,
                                               enlist_ready, withdraw_ready};

struct weft_case weft_case_ready(int fd, int events)
{
    return (struct weft_case){.ops = &ready_ops, .fd = fd, .events = events};
}

/* Nothing. */

struct weft_case weft_case_never(void)
{
    return (struct weft_case){.ops = NULL};
}
