/* SPDX-License-Identifier: MIT */
/*
 * semaphore.c: a number of units
 *
 * A release with somebody waiting does not count up: the unit goes to the first waiter, whose call
 * has succeeded from then on. So units and waiters are never there at the same time, a newcomer
 * cannot take what was meant for another, and a waiter that is cancelled before has nothing to give
 * back.
 *
 * Units have no owners, so a release too many is noticed only by a bounded one.
 */
#include "sync/internal.h"

#include <stdio.h>
#include <weft/error.h>

void weft_semaphore_init(struct weft_semaphore *semaphore, size_t count)
{
    weft_semaphore_init_bounded(semaphore, count, SIZE_MAX);
}

void weft_semaphore_init_bounded(struct weft_semaphore *semaphore, size_t count, size_t max)
{
    weft_waitq_init(&semaphore->waiters);
    semaphore->count = count < max ? count : max;
    semaphore->max = max;
    semaphore->spare = NULL;
}

static void describe(const struct weft_wait *wait, char *buf, size_t size)
{
    (void)wait;
    snprintf(buf, size, "for a unit of a semaphore");
}

int weft_semaphore_acquire(struct weft_semaphore *semaphore)
{
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    if (semaphore->count > 0) {
        semaphore->count--;
        return 0;
    }
    struct weft_wait wait;
    weft_wait_init(&wait, describe, semaphore);
    return (int)weft_waitq_park(&semaphore->waiters, &wait);
}

int weft_semaphore_try_acquire(struct weft_semaphore *semaphore)
{
    if (semaphore->count == 0)
        return -EAGAIN;
    semaphore->count--;
    return 0;
}

int weft_semaphore_release(struct weft_semaphore *semaphore)
{
    if (weft_waitq_wake(&semaphore->waiters, 0))
        return 0;
    if (semaphore->count >= semaphore->max)
        return weft_fail(-EOVERFLOW, "a semaphore is released beyond its %zu units",
                         semaphore->max);
    semaphore->count++;
    return 0;
}

size_t weft_semaphore_count(const struct weft_semaphore *semaphore)
{
    return semaphore->count;
}
