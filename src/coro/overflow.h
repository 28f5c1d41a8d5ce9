/* SPDX-License-Identifier: MIT */
/*
 * overflow.h: stack overflows of coroutines, reported by name
 *
 * The machine tells on which stack a fault lies (machine/overflow.h); here that becomes a sentence
 * with the name of the task or generator, for the run that installs it.
 */
#ifndef WEFT_CORO_OVERFLOW_H
#define WEFT_CORO_OVERFLOW_H

#include "coro/coroutine.h"
#include "machine/overflow.h"

/** Says what a coroutine of the layer above is called and where it was started. Signal-safe. */
typedef void weft__coro_name_fn(const struct weft__coro *coro, const char **ret_name,
                                const char **ret_site);

/**
 * Reports overflows from now on, in this thread. `name` is asked about coroutines of
 * WEFT_KIND_TASK. 0, or an error with nothing changed.
 */
int weft__overflow_begin(const struct weft_sys *sys, weft__coro_name_fn *name,
                         struct weft__overflow_thread *ret);

/** Puts everything back; by the same thread. */
void weft__overflow_end(struct weft__overflow_thread *thread);

#endif
