/* SPDX-License-Identifier: MIT */
/*
 * weft/testing/look.h: was that call a wait point?
 *
 * Part of the test kit; programs include weft/testing.h.
 *
 * A call that may wait looks for cancellation even when it could complete at once; a result does
 * not show that, this does.
 */
#ifndef WEFT_TESTING_LOOK_H
#define WEFT_TESTING_LOOK_H

#include <weft/types.h>

WEFT_BEGIN

/**
 * What the calling task has done since weft_testing_look_begin: for tests that a call is a wait
 * point, or is none. Its fields are private.
 *
 *     struct weft_testing_look look;
 *     weft_testing_look_begin(&look);
 *     rc = weft_event_wait(&event);
 *     assert(weft_testing_looked(&look));
 */
struct weft_testing_look {
    /** The task; NULL: none. */
    const struct weft_task *task;
    /** How much had run in the loop. */
    uint64_t runs;
    /** What was left of the task's share of the turn. */
    uint64_t share;
};

/** Begins to watch the calling task. Plain. */
WEFT_API void weft_testing_look_begin(struct weft_testing_look *look);

/** Nonzero when the task has since been at a wait point: it looked for cancellation, or let others
 *  run. The call's own result says nothing about that: one that could complete at once is a wait
 * point, too. Plain. */
WEFT_API int weft_testing_looked(const struct weft_testing_look *look);

WEFT_END

#endif
