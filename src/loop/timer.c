/* SPDX-License-Identifier: MIT */
/*
 * timer.c: timers
 *
 * Timers lie in place in their owners and stand in one heap ordered by (deadline, sequence), so
 * that equal deadlines fire as they were set. They are removed eagerly: a server cancels nearly
 * every timeout it sets. A timer is never early: deadlines count from a fresh look at the clock,
 * and one is due only when the clock has reached it.
 *
 * Functions of timers run on the loop's stack, between the engine and the ready entries; they only
 * wake tasks, schedule callbacks and cancel scopes.
 */
#include "loop/internal.h"

weft_ns weft__deadline_after(weft_ns now, weft_ns delay)
{
    if (delay <= 0)
        return now;
    return delay >= WEFT_FOREVER - now ? WEFT_FOREVER : now + delay;
}

weft_ns weft__loop_clock(struct weft_loop *loop)
{
    loop->now = loop->sys->clock(loop->sys);
    return loop->now;
}

void weft__timer_init(struct weft__timer *timer, weft_callback_fn *fn, void *arg)
{
    weft__timer_node_init(&timer->node);
    timer->fn = fn;
    timer->arg = arg;
}

bool weft__timer_armed(const struct weft__timer *timer)
{
    return weft__timer_node_armed(&timer->node);
}

int weft__timer_set(struct weft_loop *loop, struct weft__timer *timer, weft_ns deadline)
{
    weft__timer_clear(loop, timer);
    if (deadline == WEFT_FOREVER)
        return 0;
#ifdef WEFT_MUTANT_timer_tie_swapped
    return weft__heap_push(&loop->timers, &timer->node, deadline, ~loop->timer_sequence++);
#endif
    return weft__heap_push(&loop->timers, &timer->node, deadline, loop->timer_sequence++);
}

void weft__timer_clear(struct weft_loop *loop, struct weft__timer *timer)
{
    if (weft__timer_armed(timer))
        weft__heap_remove(&loop->timers, &timer->node);
}

weft_ns weft__timers_first(const struct weft_loop *loop)
{
    const struct weft__heap_entry *first = weft__heap_first(&loop->timers);
    return first ? first->deadline : WEFT_FOREVER;
}

void weft__timers_expire(struct weft_loop *loop)
{
    while (weft__heap_count(&loop->timers) > 0 && weft__timers_first(loop) <= loop->now) {
        struct weft__timer_node *node = weft__heap_pop(&loop->timers);
        struct weft__timer *timer = weft__container(node, struct weft__timer, node);
        timer->fn(timer->arg);
    }
}
