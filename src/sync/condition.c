/* SPDX-License-Identifier: MIT */
/*
 * condition.c: waiting for a change of what a mutex guards
 *
 * One park from the unlock to the lock: a waiter stands first in the condition's queue, then in the
 * mutex's, and is woken only by getting the mutex. So the mutex is held whenever the call returns,
 * there is nothing to try again, and no moment in which a notified task is in neither queue.
 *
 * A cancellation moves a waiter on to the mutex, too, and marks that it will come back with
 * -ECANCELED. If it finds the waiter in the mutex's queue already, the notification that brought it
 * there goes to the next one.
 */
#include "sync/internal.h"

#include <stdio.h>
#include <weft/error.h>
#include <weft/task.h>

void weft_condition_init(struct weft_condition *condition)
{
    weft_waitq_init(&condition->waiters);
    condition->mutex = NULL;
    condition->spare = NULL;
}

static void describe(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct weft__locker *locker = weft__container(wait, const struct weft__locker, wait);
    if (locker->notified)
        weft__mutex_describe(wait, buf, size);
    else
        snprintf(buf, size, "for a condition to be notified");
}

/** Moves the first waiter to the mutex, which somebody owns. 1, or 0 when nobody waits. */
static int notify_first(struct weft_condition *condition, int passes_on)
{
    struct weft_wait *first = weft_waitq_first(&condition->waiters);
    if (!first)
        return 0;
    struct weft__locker *locker = weft__container(first, struct weft__locker, wait);
    locker->notified = 1;
    locker->passes_on = passes_on;
    return weft_waitq_repark(&condition->waiters, &condition->mutex->waiters);
}

/** The cancellation of one that was notified. The mutex has an owner: there is a queue before it.
 */
static enum weft_abort abort_notified(struct weft__locker *locker)
{
    struct weft_condition *condition = locker->condition;
#ifdef WEFT_MUTANT_wake_not_passed_on
    return WEFT_ABORT_LATER;
#endif
    /* With another mutex by now, nobody who waits there waited when the notification was made. */
    if (locker->passes_on && condition->mutex == locker->wait.object)
        (void)notify_first(condition, 1);
    return WEFT_ABORT_LATER;
}

static enum weft_abort abort_wait(struct weft_wait *wait)
{
    struct weft__locker *locker = weft__container(wait, struct weft__locker, wait);
    struct weft_mutex *mutex = wait->object;
    locker->result = -ECANCELED;
    if (locker->notified)
        return abort_notified(locker);
    weft__list_remove(&wait->link);
    locker->notified = 1;
    if (mutex->owner != 0) {
        weft__sync_enlist(&mutex->waiters, wait);
        return WEFT_ABORT_LATER;
    }
    mutex->owner = locker->task;
    return WEFT_ABORT_DONE;
}

int weft_condition_wait(struct weft_condition *condition, struct weft_mutex *mutex)
{
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    struct weft__locker locker = {.task = weft_task_id(NULL), .condition = condition};
    if (mutex->owner != locker.task)
        return weft_fail(-EPERM, "a condition is waited for without its mutex");
    if (condition->mutex != mutex && !weft_waitq_empty(&condition->waiters))
        return weft_fail(-EINVAL, "a condition is waited for with two mutexes");
    condition->mutex = mutex;
    weft_wait_init(&locker.wait, describe, mutex);
    weft__sync_enlist(&condition->waiters, &locker.wait);
    weft__mutex_pass(mutex);
    return (int)weft_park(&locker.wait, abort_wait);
}

/** 0 when the calling task may notify, 1 when there is nobody to be notified, or -EPERM. */
static int may_notify(const struct weft_condition *condition)
{
    if (weft_waitq_empty(&condition->waiters))
        return 1;
    if (condition->mutex->owner == 0 || condition->mutex->owner != weft_task_id(NULL))
        return weft_fail(-EPERM, "a condition is notified without its mutex");
    return 0;
}

int weft_condition_notify(struct weft_condition *condition)
{
    int rc = may_notify(condition);
    return rc ? (rc < 0 ? rc : 0) : notify_first(condition, 1);
}

int weft_condition_notify_all(struct weft_condition *condition)
{
    int rc = may_notify(condition), count = 0;
    if (rc < 0)
        return rc;
    while (notify_first(condition, 0))
        count++;
    return count;
}
