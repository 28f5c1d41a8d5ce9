/* SPDX-License-Identifier: MIT */
/*
 * weft/future.h: a result that comes later
 *
 * A future belongs to one loop. Somebody sets it once, any number of tasks wait for it, and
 * callbacks are told. It is where the callback tier and the task tier meet.
 *
 *       PENDING ──set──▶ DONE        (a code, and a pointer)
 *          └────cancel─▶ CANCELLED   (reads as -ECANCELED)
 *
 * Done-callbacks are scheduled, never called inside the call that finishes the future.
 *
 * A future takes its memory from its loop: every reference goes back before the loop is freed. The
 * references of waiting tasks and of callbacks are the loop's own care.
 */
#ifndef WEFT_FUTURE_H
#define WEFT_FUTURE_H

#include <weft/loop.h>
#include <weft/types.h>
#include <weft/wait.h>

WEFT_BEGIN

/** Makes a pending future with one reference in *ret. Plain. -ENOMEM. */
WEFT_API int weft_future_new(struct weft_loop *loop, struct weft_future **ret);

/** One more reference; returns `future`. Plain. */
WEFT_API struct weft_future *weft_future_ref(struct weft_future *future);

/** One reference less; the last one frees it. A future freed while pending counts as cancelled for
 *  nobody: there is no one left. NULL is fine. Plain. */
WEFT_API void weft_future_unref(struct weft_future *future);

/** Finishes it with a code (0 or more success, negative failure) and a value, not owned. Wakes all
 *  waiters, schedules the callbacks in the order they were added. Plain. -EALREADY it was finished.
 */
WEFT_API int weft_future_set(struct weft_future *future, int code, void *value);

/** Finishes it as cancelled: code -ECANCELED. Plain. -EALREADY it was finished. */
WEFT_API int weft_future_cancel(struct weft_future *future);

/** Nonzero when finished. Plain. */
WEFT_API int weft_future_done(const struct weft_future *future);

/** Nonzero when finished by weft_future_cancel. Plain. */
WEFT_API int weft_future_cancelled(const struct weft_future *future);

/** The code; -EAGAIN while pending. Plain. */
WEFT_API int weft_future_code(const struct weft_future *future);

/** The value; NULL while pending. Plain. */
WEFT_API void *weft_future_value(const struct weft_future *future);

/**
 * Waits until it is finished; `code` and `value` may be NULL and get what it was finished with. The
 * return speaks only of the wait. Any number of waiters. Waiting: 0, or -ECANCELED (the future goes
 * on).
 */
WEFT_API WEFT_MUST_CHECK int weft_future_wait(struct weft_future *future, int *code, void **value);

/** The queue of those who wait for it, for primitives that wait for several things; woken with 0.
 *  Plain. Valid as long as a reference is held. */
WEFT_API struct weft_waitq *weft_future_waiters(struct weft_future *future);

/** What a done-callback gets. */
typedef void weft_future_fn(struct weft_future *future, void *arg);

/** Schedules fn(future, arg) when it is finished, at once if it is. Holds a reference until then.
 *  Plain. -ENOMEM. */
WEFT_API int weft_future_add_callback(struct weft_future *future, weft_future_fn *fn, void *arg);

/** Removes all equal callbacks that have not run; returns how many. Plain. */
WEFT_API int weft_future_remove_callback(struct weft_future *future, weft_future_fn *fn, void *arg);

WEFT_END

#endif
