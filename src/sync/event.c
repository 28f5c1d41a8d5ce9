/* SPDX-License-Identifier: MIT */
/*
 * event.c: a flag to wait for
 *
 * The flag and a wait queue. A set wakes everyone there at once, by a result that they keep, so a
 * clear that follows before they run takes nothing back from them. Nothing can be lost with
 * a cancelled waiter: the flag stays.
 *
 * There is no pulse (set and clear at once): it would be missed by those who are about to wait.
 */
#include "sync/internal.h"

#include <stdio.h>

void weft_event_init(struct weft_event *event)
{
    weft_waitq_init(&event->waiters);
    event->set = 0;
    event->spare = NULL;
}

void weft_event_set(struct weft_event *event)
{
    if (event->set)
        return;
    event->set = 1;
    (void)weft_waitq_wake_all(&event->waiters, 0);
}

void weft_event_clear(struct weft_event *event)
{
    event->set = 0;
}

int weft_event_is_set(const struct weft_event *event)
{
    return event->set != 0;
}

static void describe(const struct weft_wait *wait, char *buf, size_t size)
{
    (void)wait;
    snprintf(buf, size, "for an event to be set");
}

int weft_event_wait(struct weft_event *event)
{
    int rc = weft_wait_begin();
    if (rc < 0 || event->set)
        return rc;
    struct weft_wait wait;
    weft_wait_init(&wait, describe, event);
    return (int)weft_waitq_park(&event->waiters, &wait);
}
