/* SPDX-License-Identifier: MIT */
/*
 * barrier.c: where a number of tasks meet
 *
 * The last one to come wakes the others with their numbers and empties the barrier in the same
 * instant, so the next round may begin before any of them has run; there is no phase of draining.
 * A cancelled waiter must stop to count in the instant of its cancellation, not when its task runs,
 * or another one could complete the round with it; hence the abort function.
 */
#include "sync/internal.h"

#include <stdio.h>
#include <weft/error.h>

void weft_barrier_init(struct weft_barrier *barrier, size_t parties)
{
    weft_waitq_init(&barrier->waiters);
    barrier->parties = parties ? parties : 1;
    barrier->waiting = 0;
    barrier->broken = 0;
    barrier->spare = NULL;
}

static void describe(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct weft_barrier *barrier = wait->object;
    snprintf(buf, size, "at a barrier, where %zu of %zu have come", barrier->waiting,
             barrier->parties);
}

static enum weft_abort leave(struct weft_wait *wait)
{
    struct weft_barrier *barrier = wait->object;
    weft__list_remove(&wait->link);
    barrier->waiting--;
    return WEFT_ABORT_DONE;
}

/** Lets everyone go who has come, each with its number. */
static void release(struct weft_barrier *barrier)
{
    ssize_t place = 0;
    barrier->waiting = 0;
    while (weft_waitq_wake(&barrier->waiters, place))
        place++;
}

/** Sends everyone away who has come. */
static void send_away(struct weft_barrier *barrier)
{
    barrier->waiting = 0;
    (void)weft_waitq_wake_all(&barrier->waiters, -WEFT_EBROKEN);
}

int weft_barrier_wait(struct weft_barrier *barrier)
{
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    if (barrier->broken)
        return -WEFT_EBROKEN;
    size_t place = barrier->waiting++;
    if (barrier->waiting >= barrier->parties) {
        release(barrier);
        return (int)place;
    }
    struct weft_wait wait;
    weft_wait_init(&wait, describe, barrier);
    weft__sync_enlist(&barrier->waiters, &wait);
    return (int)weft_park(&wait, leave);
}

void weft_barrier_reset(struct weft_barrier *barrier)
{
    barrier->broken = 0;
    send_away(barrier);
}

void weft_barrier_abort(struct weft_barrier *barrier)
{
    barrier->broken = 1;
    send_away(barrier);
}

size_t weft_barrier_parties(const struct weft_barrier *barrier)
{
    return barrier->parties;
}

size_t weft_barrier_waiting(const struct weft_barrier *barrier)
{
    return barrier->waiting;
}

int weft_barrier_broken(const struct weft_barrier *barrier)
{
    return barrier->broken != 0;
}
