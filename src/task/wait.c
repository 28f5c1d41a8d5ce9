/* SPDX-License-Identifier: MIT */
/*
 * wait.c: parking and waking
 *
 * The contract is weft/wait.h. Three things decide here, in this order: a wake that came first
 * wins; a cancellation asks the wait's abort function once; everything else waits for the wake. A
 * wake only puts the task at the end of the ring, so nothing runs under the waker's feet. The
 * result travels with the switch (schedule.c), so that weft_park has nothing left to do when it
 * comes back.
 */
#include "task/internal.h"

#include <stdio.h>

#if WEFT_DEBUG
WEFT__TLS uint64_t weft__wait_transitions_seen;
#endif

/* X(from, to); as WEFT__OP_TRANSITIONS, of the model too. */
#define WAIT_TRANSITIONS(X)                                                                        \
    X(INIT, PARKED)                                                                                \
    X(INIT, WOKEN) /* before its task parked; listeners always */                                  \
    X(PARKED, WOKEN)                                                                               \
    X(PARKED, ABORTING) /* cancelled: its abort function is asked, and it or a wake decides */     \
    X(ABORTING, WOKEN)
#define WAIT_TRANSITION(from, to) | WEFT__TRANSITION(WEFT_WAIT_##from, WEFT_WAIT_##to)

static void wait_set_state(struct weft_wait *wait, enum weft_wait_state state)
{
    weft__assert_transition(0 WAIT_TRANSITIONS(WAIT_TRANSITION), weft__wait_transitions_seen,
                            wait->state, state);
    wait->state = (unsigned char)state;
}

/** The task has used up its share of this go. */
static void share_used_up(struct weft_task *task)
{
#ifdef WEFT_MUTANT_greedy_task
    return;
#endif
    (void)weft__task_yield(task, true);
}

int weft_wait_begin(void)
{
    struct weft_task *task = weft__task_current;
    if (weft__unlikely(!task))
        return weft__misuse(-EPERM, "a waiting call was made outside a task (in a callback of the "
                                    "loop, or in a thread that runs none)");
    if (weft__unlikely(--task->runtime->share == 0))
        share_used_up(task);
    if (weft__unlikely(task->scope->unarmed))
        weft__scope_arm(task->scope);
    if (weft__unlikely(task->refuse))
        return weft__refuse(task);
    return 0;
}

void weft_wait_init(struct weft_wait *wait, weft_describe_fn *describe, void *object)
{
    weft__list_init(&wait->link);
    wait->object = object;
    wait->task = weft__task_current;
    wait->describe = describe;
    wait->abort = NULL;
    wait->listen = NULL;
    wait->result = 0;
    wait->state = WEFT_WAIT_INIT;
}

void weft_wait_init_listener(struct weft_wait *wait, weft_listen_fn *fn, void *object)
{
    weft_wait_init(wait, NULL, object);
    wait->task = NULL;
    wait->listen = fn;
}

/** Cancellation meets a parked wait: asks its abort function, once. */
void weft__wait_cancel(struct weft_wait *wait)
{
    weft_abort_fn *abort = wait->abort;
    if (wait->state != WEFT_WAIT_PARKED || !abort)
        return;
    wait->abort = NULL;
    wait_set_state(wait, WEFT_WAIT_ABORTING);
    if (abort(wait) == WEFT_ABORT_DONE)
        (void)weft_wake(wait, -ECANCELED);
}

/** The wait is over before the task was parked. */
static ssize_t over(const struct weft_wait *wait)
{
    if (wait->result == -ECANCELED && wait->task->refuse)
        return weft__refuse(wait->task);
    return wait->result;
}

ssize_t weft_park(struct weft_wait *wait, weft_abort_fn *abort)
{
    struct weft_task *task = wait->task;
    weft__assert(task == weft__task_current);
    if (weft__unlikely(wait->state == WEFT_WAIT_WOKEN))
        return over(wait);
    wait_set_state(wait, WEFT_WAIT_PARKED);
    wait->abort = abort;
    task->wait = wait;
    task->since = task->runtime->loop->now;
    weft__task_set_state(task, WEFT__TASK_PARKED);
    if (weft__unlikely(task->refuse))
        weft__wait_cancel(wait);
    return weft__task_switch_away(task);
}

int weft_wake(struct weft_wait *wait, ssize_t result)
{
    struct weft_task *task = wait->task;
    if (weft__unlikely(wait->state == WEFT_WAIT_WOKEN))
        return 0;
#if WEFT_DEBUG
    /* What has no loop of its own is found out here. Release builds do not pay for it. */
    if (task)
        (void)weft__loop_check(task->runtime->loop);
#endif
    bool parked = wait->state != WEFT_WAIT_INIT;
    wait->result = result;
    wait_set_state(wait, WEFT_WAIT_WOKEN);
    if (wait->listen)
        return wait->listen(wait, result);
    if (!parked)
        return 1;
    if (weft__unlikely(result == -ECANCELED && task->refuse))
        (void)weft__refuse(task);
    task->wait = NULL;
    weft__task_make_ready(task, result);
    return 1;
}

void weft__wait_describe(const struct weft_wait *wait, char *buf, size_t size)
{
    if (wait && wait->describe)
        wait->describe(wait, buf, size);
    else
        snprintf(buf, size, "something without a description");
}

/* The wait queue. */

void weft_waitq_init(struct weft_waitq *queue)
{
    weft__list_init(&queue->waits);
}

int weft_waitq_empty(const struct weft_waitq *queue)
{
    return weft__list_empty(&queue->waits);
}

static enum weft_abort leave_queue(struct weft_wait *wait)
{
    weft__list_remove(&wait->link);
    return WEFT_ABORT_DONE;
}

ssize_t weft_waitq_park(struct weft_waitq *queue, struct weft_wait *wait)
{
    weft__list_append(&queue->waits, &wait->link);
    return weft_park(wait, leave_queue);
}

struct weft_wait *weft_waitq_first(struct weft_waitq *queue)
{
    struct weft_link *link = weft__list_first(&queue->waits);
    return link ? weft__container(link, struct weft_wait, link) : NULL;
}

struct weft_wait *weft_waitq_wake(struct weft_waitq *queue, ssize_t result)
{
    struct weft_wait *wait = weft_waitq_first(queue);
    if (!wait)
        return NULL;
    weft__list_remove(&wait->link);
    (void)weft_wake(wait, result);
    return wait;
}

size_t weft_waitq_wake_all(struct weft_waitq *queue, ssize_t result)
{
    size_t count = 0;
#ifdef WEFT_MUTANT_lost_wake
    return weft_waitq_wake(queue, result) != NULL;
#endif
    while (weft_waitq_wake(queue, result))
        count++;
    return count;
}

int weft_waitq_repark(struct weft_waitq *queue, struct weft_waitq *target)
{
    struct weft_link *link = weft__list_take(&queue->waits);
    if (!link)
        return 0;
    weft__list_append(&target->waits, link);
    return 1;
}
