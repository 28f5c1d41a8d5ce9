/* SPDX-License-Identifier: MIT */
/*
 * weft/testing/sequencer.h: steps of several tasks in a fixed order
 *
 * Part of the test kit; programs include weft/testing.h.
 *
 * For tests of races: a schedule is written down as numbers, and each task takes its steps at its
 * numbers.
 */
#ifndef WEFT_TESTING_SEQUENCER_H
#define WEFT_TESTING_SEQUENCER_H

#include <weft/error.h>
#include <weft/wait.h>

WEFT_BEGIN

/**
 * Steps 0, 1, 2 ... that tasks of one loop take in this order, whatever order they come in.
 *
 *     struct weft_testing_sequencer order = WEFT_TESTING_SEQUENCER_INIT(order);
 *
 *     rc = weft_testing_sequencer_begin(&order, 2);
 *     ... runs after step 1 has ended, and step 3 will not begin before ...
 *     weft_testing_sequencer_end(&order, 2);
 *
 * In place, needs no end. Its fields are private.
 */
struct weft_testing_sequencer {
    /** Who waits for a later step. */
    struct weft_waitq waiting;
    /** The step that runs, or may begin. */
    unsigned next;
    /** Nonzero: it runs. */
    unsigned running;
    /** Where that one was begun. */
    const char *site;
    /** Why it is broken; NULL: it is not. */
    const char *broken;
    /** The step that broke it. */
    unsigned broken_step;
    /** Zero; room to grow. */
    unsigned spare;
};

/** A sequencer whose first step is 0, also by assignment. */
#define WEFT_TESTING_SEQUENCER_INIT(sequencer)                                                     \
    {                                                                                              \
        WEFT_WAITQ_INIT((sequencer).waiting), 0, 0, NULL, NULL, 0, 0                               \
    }
/** Prepares a sequencer's memory before first use. Plain. */
WEFT_API void weft_testing_sequencer_init(struct weft_testing_sequencer *sequencer);

/**
 * Waits until all steps before `step` have ended, and begins it. 0: it is the caller's until
 * weft_testing_sequencer_end. -ECANCELED: refused or cut; since the step will never come, the
 * sequencer is broken. -WEFT_EBROKEN: it is broken: a step was taken twice (by this very call,
 * perhaps), or its task was cancelled while it waited; the task's note says which. A broken
 * sequencer stays so: those who wait, and all who come, get -WEFT_EBROKEN.
 */
#define weft_testing_sequencer_begin(sequencer, step)                                              \
    weft_testing_sequencer_begin_at((sequencer), (step), WEFT_SITE)
WEFT_API WEFT_MUST_CHECK int
weft_testing_sequencer_begin_at(struct weft_testing_sequencer *sequencer, unsigned step,
                                const char *site);

/** Ends a step that the caller has begun; the next one may begin. Releasing, and never waits.
 *  Ending another one than runs is misuse (abort in debug builds; else nothing happens). */
WEFT_API void weft_testing_sequencer_end(struct weft_testing_sequencer *sequencer, unsigned step);

WEFT_END

#endif
