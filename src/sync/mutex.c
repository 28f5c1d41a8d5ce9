/* SPDX-License-Identifier: MIT */
/*
 * mutex.c: one owner at a time
 *
 * The owner is the id of a task, not its address, which another task may have later. Unlocking with
 * somebody waiting never frees the mutex: the first waiter is made the owner in that instant, so
 * nobody who comes by before it runs can take it away, and a cancellation that comes then finds
 * a lock call that has succeeded. Therefore a free mutex has an empty queue.
 */
#include "sync/internal.h"

#include <stdio.h>
#include <weft/error.h>
#include <weft/task.h>

void weft_mutex_init(struct weft_mutex *mutex)
{
    weft_waitq_init(&mutex->waiters);
    mutex->owner = 0;
    mutex->spare = NULL;
}

void weft__mutex_describe(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct weft_mutex *mutex = wait->object;
    snprintf(buf, size, "to lock a mutex that task %llu holds", (unsigned long long)mutex->owner);
}

int weft_mutex_lock(struct weft_mutex *mutex)
{
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    struct weft__locker locker = {.task = weft_task_id(NULL)};
    if (mutex->owner == 0) {
        mutex->owner = locker.task;
        return 0;
    }
    if (mutex->owner == locker.task)
        return weft_fail(-EDEADLK, "this task locks a mutex that it owns already");
    weft_wait_init(&locker.wait, weft__mutex_describe, mutex);
    return (int)weft_waitq_park(&mutex->waiters, &locker.wait);
}

int weft_mutex_try_lock(struct weft_mutex *mutex)
{
    uint64_t self = weft_task_id(NULL);
    if (self == 0)
        return -EPERM;
    if (mutex->owner != 0)
        return -EBUSY;
    mutex->owner = self;
    return 0;
}

void weft__mutex_pass(struct weft_mutex *mutex)
{
    struct weft_wait *first = weft_waitq_first(&mutex->waiters);
    if (!first) {
        mutex->owner = 0;
        return;
    }
    struct weft__locker *locker = weft__container(first, struct weft__locker, wait);
    weft__list_remove(&first->link);
    mutex->owner = locker->task;
    (void)weft_wake(first, locker->result);
}

int weft_mutex_unlock(struct weft_mutex *mutex)
{
    uint64_t self = weft_task_id(NULL);
    if (mutex->owner == 0)
        return weft_fail(-EPERM, "a mutex is unlocked that is not locked");
    if (mutex->owner != self)
        return weft_fail(-EPERM, "task %llu unlocks a mutex that task %llu owns",
                         (unsigned long long)self, (unsigned long long)mutex->owner);
    weft__mutex_pass(mutex);
    return 0;
}

uint64_t weft_mutex_owner(const struct weft_mutex *mutex)
{
    return mutex->owner;
}
