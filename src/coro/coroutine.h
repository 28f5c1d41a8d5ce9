/* SPDX-License-Identifier: MIT */
/*
 * coroutine.h: a context with its stack, and who drives coroutines here
 *
 * A task is one coroutine, a generator is another. What holds them together is the *driver*: one
 * for each task, one for each thread outside tasks. A driver runs exactly one coroutine at a time,
 * its leaf; a generator that is driven becomes the leaf, and its driver's former leaf waits for it.
 *
 *     driver (task 7) ── leaf ──▶ generator "numbers" ── resumer ──▶ generator "squares" ──▶ base
 *                                 runs, or is parked                 both wait for a value
 *
 * The task layer parks and resumes a task by its leaf: it saves into driver->leaf->ctx and goes on
 * there. That is all it takes for the body of a generator to wait: the whole chain rests with its
 * task, and the other tasks run. At every switch of tasks that layer sets weft__driver_current, and
 * on a loop's own stack it restores what was there before.
 */
#ifndef WEFT_CORO_COROUTINE_H
#define WEFT_CORO_COROUTINE_H

#include "base/list.h"
#include "machine/context.h"
#include "machine/stack.h"

#include <weft/generator.h>

/** A context with its stack. It must stay in place from bind or adopt to its end. */
struct weft__coro {
    /** Where it stands while it does not run. */
    struct weft__context ctx;
    /** Its stack; NULL: a thread's own, or none (any more, or yet). stack->owner points back here.
     */
    struct weft__stack *stack;
    /** What runs on it. */
    enum weft_kind kind;
};

/** Who drives generators here: one for each task, and one for each plain thread. */
struct weft__driver {
    /** The coroutine that runs, or that the task is parked on. */
    struct weft__coro *leaf;
    /** Open scopes of the task, counted by the task layer: no yield may change it. */
    unsigned scope_depth;
    /** Whether a task's, and so allowed to wait. */
    bool is_task;
    /** Generators made by this owner and neither closed nor detached. */
    struct weft_link generators;
    /** Where detached ones are listed: with the owner of `stacks`, who must not go before them. */
    struct weft_link *detached;
    /** Where stacks of generators come from; NULL: a plain thread that has no generator yet. */
    struct weft__stack_pool *stacks;
};

/** The driver of the code that runs; NULL on a thread that never used one. */
extern WEFT__TLS struct weft__driver *weft__driver_current;

/** Makes `coro` stand for the stack that the caller is on. */
void weft__coro_adopt(struct weft__coro *coro, enum weft_kind kind);

/**
 * Makes `coro` a new coroutine on `stack`, which it owns from then on. entry(arg) runs at the first
 * switch to it, and ends by weft__context_switch_final.
 */
void weft__coro_bind(struct weft__coro *coro, enum weft_kind kind, struct weft__stack *stack,
                     void (*entry)(void *arg), void *arg);

/** Puts the stack of a coroutine back that has ended, or is given up as it stands. */
void weft__coro_release(struct weft__coro *coro, struct weft__stack_pool *stacks);

/** Sets up a driver whose own coroutine is `base`. `detached` is an initialized list. */
void weft__driver_init(struct weft__driver *driver, struct weft__coro *base,
                       struct weft__stack_pool *stacks, struct weft_link *detached, bool is_task);

/** The driver of this thread outside of tasks, made at the first call. */
struct weft__driver *weft__driver_thread(void);

/** The driver of whatever runs. */
static inline struct weft__driver *weft__driver_get(void)
{
    struct weft__driver *driver = weft__driver_current;
    if (weft__unlikely(!driver))
        driver = weft__driver_current = weft__driver_thread();
    return driver;
}

/** A driver's pool, made now where that is left to us; NULL when out of memory. */
struct weft__stack_pool *weft__driver_stacks(struct weft__driver *driver);

/** A generator over `stacks` has gone: gives a plain thread's pool back with the last of them. */
void weft__driver_settle(struct weft__stack_pool *stacks);

#endif
