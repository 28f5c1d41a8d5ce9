/* SPDX-License-Identifier: MIT */
/*
 * flaky.h: tasks whose waits are cut at any moment
 *
 * The scenarios of sync let many workers use one object while a meddler cancels their calls, and
 * deadlines do. A call is made in a scope of its own, so that a cut ends this call and not the
 * worker:
 *
 *     flaky_enter(&worker);
 *     rc = weft_mutex_lock(&mutex);
 *     flaky_exit(&worker);
 *
 * The meddler cancels scopes of workers at random for as long as any works; it may hit a call
 * before it waits, while it waits, after it was woken and before it runs, or when it has returned.
 */
#ifndef SIM_FLAKY_H
#define SIM_FLAKY_H

#include "seeds.h"

#include <weft/weft.h>

/** How many workers a scenario has. */
enum { WORKERS = 6 };

/** A task whose calls are cut. */
struct worker {
    /** The scope around its call. */
    struct weft_scope scope;
    /** Nonzero while that is open. */
    int open;
    /** 0, 1, 2 ... */
    int number;
    /** Nonzero: its calls are never cut. */
    int steady;
};

/** The workers of a scenario. */
static struct worker workers[WORKERS];
/** How many have not ended. */
static int working;

/** Waits a little, in one of two ways. */
static inline int wait_a_little(void)
{
    return seeds_dice(2) ? weft_yield() : weft_sleep((weft_ns)seeds_dice(4) * WEFT_MS);
}

/** Begins a call that may be cut, by the meddler and perhaps by a deadline. */
static inline void flaky_enter(struct worker *worker)
{
    weft_ns timeout = seeds_dice(3) ? WEFT_FOREVER : (weft_ns)seeds_dice(5) * WEFT_MS;

    weft_scope_enter(&worker->scope, worker->steady ? WEFT_FOREVER : timeout);
    worker->open = 1;
}

/** Ends it. What cut it has been told by the call itself. */
static inline void flaky_exit(struct worker *worker)
{
    worker->open = 0;
    (void)!weft_scope_exit(&worker->scope, 0);
}

/** Cancels calls until no worker is left. */
static inline int meddle(void *arg)
{
    (void)arg;
    while (working > 0) {
        struct worker *worker = &workers[seeds_dice(WORKERS)];

        EXPECT_EQ(wait_a_little(), 0);
        if (worker->open && !worker->steady)
            weft_scope_cancel(&worker->scope, 0);
    }
    return 0;
}

/** Starts the workers and the meddler in a scope; `fn` must end with worker_ends. */
static inline void start_workers(struct weft_scope *scope, int (*fn)(void *worker))
{
    working = WORKERS;
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.number = i};
        EXPECT_EQ(weft_go_fn(scope, fn, &workers[i]), 0);
    }
    EXPECT_EQ(weft_go_fn(scope, meddle, NULL), 0);
}

/** The last line of a worker. */
static inline int worker_ends(void)
{
    working--;
    return 0;
}

#endif
