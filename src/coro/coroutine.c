/* SPDX-License-Identifier: MIT */
/*
 * coroutine.c: binding contexts to stacks, and the drivers of plain threads
 *
 * A thread outside tasks drives generators too: a program without a loop, a callback, main before
 * weft_run. Its driver is thread-local and costs nothing until the first generator is made; then it
 * gets a pool of stacks over weft_sys_default, which lives exactly as long as generators made there
 * do. Nothing is left to be cleaned up when the thread ends.
 */
#include "coro/coroutine.h"

WEFT__TLS struct weft__driver *weft__driver_current;

/** What a thread drives generators with outside of tasks. */
struct thread_owner {
    /** The driver; driver.leaf is NULL until it is first asked for. */
    struct weft__driver driver;
    /** The thread's own stack. */
    struct weft__coro base;
    /** Generators made here and detached. */
    struct weft_link detached;
};

static WEFT__TLS struct thread_owner thread_owner;

void weft__coro_adopt(struct weft__coro *coro, enum weft_kind kind)
{
    *coro = (struct weft__coro){.kind = kind};
    weft__context_adopt(&coro->ctx);
}

void weft__coro_bind(struct weft__coro *coro, enum weft_kind kind, struct weft__stack *stack,
                     void (*entry)(void *arg), void *arg)
{
    *coro = (struct weft__coro){.stack = stack, .kind = kind};
    stack->owner = coro;
    weft__context_make(&coro->ctx, stack->low, stack, entry, arg);
}

void weft__coro_release(struct weft__coro *coro, struct weft__stack_pool *stacks)
{
    weft__context_free(&coro->ctx);
    weft__stack_put(stacks, coro->stack);
    coro->stack = NULL;
}

void weft__driver_init(struct weft__driver *driver, struct weft__coro *base,
                       struct weft__stack_pool *stacks, struct weft_link *detached, bool is_task)
{
    *driver = (struct weft__driver){
        .leaf = base,
        .is_task = is_task,
        .detached = detached,
        .stacks = stacks,
    };
    weft__list_init(&driver->generators);
}

struct weft__driver *weft__driver_thread(void)
{
    struct thread_owner *owner = &thread_owner;
    if (!owner->driver.leaf) {
        weft__coro_adopt(&owner->base, WEFT_KIND_PLAIN);
        weft__list_init(&owner->detached);
        weft__driver_init(&owner->driver, &owner->base, NULL, &owner->detached, false);
    }
    return &owner->driver;
}

struct weft__stack_pool *weft__driver_stacks(struct weft__driver *driver)
{
    if (!driver->stacks) {
        const struct weft_sys *sys = &weft_sys_default;
        weft__assert(driver == &thread_owner.driver);
        driver->stacks = sys->realloc(sys, NULL, sizeof *driver->stacks);
        if (driver->stacks)
            weft__stack_pool_init(driver->stacks, sys, WEFT__GUARD_AUTO);
    }
    return driver->stacks;
}

void weft__driver_settle(struct weft__stack_pool *stacks)
{
    struct thread_owner *owner = &thread_owner;
    if (stacks != owner->driver.stacks || !weft__list_empty(&owner->driver.generators) ||
        !weft__list_empty(&owner->detached))
        return;
    weft__stack_pool_fini(stacks);
    (void)weft_sys_default.realloc(&weft_sys_default, stacks, 0);
    owner->driver.stacks = NULL;
}
