/* SPDX-License-Identifier: MIT */
/*
 * generator.h: what the layers above must do about generators (users: weft/generator.h)
 *
 * A generator belongs to the driver that made it. When a task ends, its generators are closed for
 * it; when a loop goes, those that its tasks detached are. Both are reported, because somebody
 * forgot something.
 */
#ifndef WEFT_CORO_GENERATOR_H
#define WEFT_CORO_GENERATOR_H

#include "coro/coroutine.h"

/**
 * Closes all generators of a driver that ends, with a line on stderr for each. Call it on the
 * driver's own stack while it is current: their bodies clean up, and may wait. One inside which
 * another task is parked stays, and becomes nobody's.
 */
void weft__generators_end(struct weft__driver *driver);

/** The same for detached generators, before the pool goes that their stacks come from. */
void weft__generators_end_detached(struct weft_link *detached);

/** The function's name and the place where it was made, of a coroutine of WEFT_KIND_GENERATOR. */
const char *weft__generator_name(const struct weft__coro *coro);
const char *weft__generator_site(const struct weft__coro *coro);

#endif
