/* SPDX-License-Identifier: MIT */
/*
 * sync_test.h: what the tests of sync share
 *
 *     SYNC_TEST(an_unlocked_mutex_goes_to_the_first_waiter)
 *     {
 *         ... runs as a task of a loop with the engine of this run
 *     }
 *
 * Most tests start waiters, let them come to rest with settle(), do something, and look at what the
 * waiters' calls returned. Each waiter notes what its one call gave, and what its next waiting call
 * gave after it: that is how "handed over, then cancelled" differs from "cancelled, then handed
 * over".
 */
#ifndef SYNC_TEST_H
#define SYNC_TEST_H

#include "task_body.h"

#define SYNC_TEST(name) ENGINE_TASK_TEST(name)

/** Lets all other tasks run until they wait; long enough for chains of a few hand-overs. */
static inline void settle(void)
{
    for (int i = 0; i < 10; i++)
        CHECK_EQ(weft_yield(), 0);
}

/** A task that makes one waiting call. */
struct waiter {
    /** What it waits for. */
    void *object;
    /** A second object, for calls that take two. */
    void *other;
    /** What the call gave; 1234 while it has not returned. */
    int rc;
    /** What the next waiting call gave. */
    int next;
    /** The how many-th it was to return, from 1; 0 while it has not. */
    int place;
    /** Its task, as long as it was not joined. */
    struct weft_task *task;
};

#define NOT_RETURNED 1234

/** How many waiters have returned. */
static int returned;

/** Notes what a waiter's call gave, then makes another waiting call. Returns 0. */
static inline int note(struct waiter *waiter, int rc)
{
    waiter->rc = rc;
    waiter->place = ++returned;
    waiter->next = weft_yield();
    return 0;
}

/** Starts a waiter in the scope with a handle, and lets it come to rest. */
static inline void start_waiter(struct weft_scope *scope, int (*fn)(void *arg),
                                struct waiter *waiter, void *object)
{
    waiter->object = object;
    waiter->rc = waiter->next = NOT_RETURNED;
    waiter->place = 0;
    waiter->task = NULL;
    CHECK_EQ(weft_spawn_fn(scope, &waiter->task, fn, waiter), 0);
    settle();
}

/** Waits until the waiter has ended. */
static inline void finish(struct waiter *waiter)
{
    int result = NOT_RETURNED;

    CHECK_EQ(weft_join(waiter->task, &result), 0);
    CHECK_EQ(result, 0);
}

#endif
