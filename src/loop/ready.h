/* SPDX-License-Identifier: MIT */
/*
 * ready.h: the ready ring, and the task layer's private door to it
 *
 * What is ready to run stands in one ring of {function, argument}, first-in first-out. The loop
 * pops entries and calls them. The task layer may take the next entry itself, from a task's stack,
 * if that entry is a task too (same function) and the turn's batch is not used up: a direct
 * hand-over that saves the way over the loop's stack and changes nothing about the order. All
 * counting lives here.
 *
 *        head                tail
 *     ┌───┬───┬───┬───┬───┬───┬───┐
 *     │   │ f │ f │ g │ f │   │   │      each slot: fn, arg
 *     └───┴───┴───┴───┴───┴───┴───┘
 *
 * Whoever may ever stand in the ring reserves a place when it is made (`weft__ready_reserve`), so
 * that making something ready never fails.
 */
#ifndef WEFT_LOOP_READY_H
#define WEFT_LOOP_READY_H

#include "base/assert.h"
#include "loop/internal.h"

/** Reserves a place for one more thing that can be ready: 0 or -ENOMEM. */
int weft__ready_reserve(struct weft_loop *loop);

/** Gives the place back. */
static inline void weft__ready_unreserve(struct weft_loop *loop)
{
    weft__assert(loop->ready.reserved > 0);
    loop->ready.reserved--;
}

/** Swaps a random entry of the same kind to the front; for seeded loops. */
__attribute__((cold)) void weft__ready_shuffle(struct weft_loop *loop);

/** Puts an entry at the end. Its place was reserved. */
static inline void weft__ready_push(struct weft_loop *loop, weft_callback_fn *fn, void *arg)
{
    struct weft__ready *ready = &loop->ready;
    struct weft__ready_entry *entry = &ready->ring[ready->tail & ready->mask];
    weft__assert(ready->tail - ready->head <= ready->mask);
    entry->fn = fn;
    entry->arg = arg;
    ready->tail++;
}

static inline size_t weft__ready_count(const struct weft_loop *loop)
{
    return (size_t)(loop->ready.tail - loop->ready.head);
}

/** Ends the running batch: the loop turns before anything else runs. */
static inline void weft__ready_end_batch(struct weft_loop *loop)
{
    loop->ready.limit = loop->ready.head;
}

/**
 * Takes the next entry if it is `fn` and the batch allows it: *ret_arg gets its argument. False:
 * the caller must go back to the loop.
 */
static inline bool weft__ready_take(struct weft_loop *loop, weft_callback_fn *fn, void **ret_arg)
{
    struct weft__ready *ready = &loop->ready;
    if (ready->head == ready->tail || ready->head == ready->limit)
        return false;
    if (weft__unlikely(loop->seed != 0))
        weft__ready_shuffle(loop);
    struct weft__ready_entry *entry = &ready->ring[ready->head & ready->mask];
    if (entry->fn != fn)
        return false;
    *ret_arg = entry->arg;
    ready->head++;
    return true;
}

/**
 * The next entry's argument, if weft__ready_take would give that entry without further ado: it is
 * `fn`, the batch allows it, and no seed chooses. NULL otherwise. Nothing is taken.
 */
static inline void *weft__ready_first(const struct weft_loop *loop, weft_callback_fn *fn)
{
    const struct weft__ready *ready = &loop->ready;
    const struct weft__ready_entry *entry = &ready->ring[ready->head & ready->mask];
    if (ready->head == ready->tail || ready->head == ready->limit || loop->seed != 0)
        return NULL;
    return entry->fn == fn ? entry->arg : NULL;
}

#endif
