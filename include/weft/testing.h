/* SPDX-License-Identifier: MIT */
/*
 * weft/testing.h: the test kit
 *
 * What weft's own tests are written with, for programs built on weft. It is part of the library and
 * costs nothing where it is not used; weft.h does not include it.
 *
 *     world        a simulated kernel with a clock of its own, as a table of system calls
 *     clock        jumps when all are blocked, or moves by hand
 *     blocked      wait until nobody can go on
 *     sequencer    steps of several tasks in a fixed order
 *     look         was that call a wait point?
 *
 *     ┌ program ──── loop ──── faults ──── world ┐     every layer is a struct weft_sys, and each
 *     │  tasks      schedule   n-th call   clock │     can be left out: a fault table may stand
 *     └──────────── by seed ── fails ───── pipes ┘     over the real kernel, too
 *
 * The kit needs no framework: its calls return codes, and what it finds it prints to stderr in one
 * sentence. All calls are for the thread of the loop in question, unless they say otherwise.
 */
#ifndef WEFT_TESTING_H
#define WEFT_TESTING_H

#include <weft/error.h>
#include <weft/sys.h>
#include <weft/types.h>
#include <weft/wait.h>

WEFT_BEGIN

/* Worlds and their clocks. */

/** The clock of this world moves only by weft_testing_clock_advance. */
#define WEFT_TESTING_MANUAL_CLOCK 1u

/** How to make a world; zero everywhere is the default. */
struct weft_testing_options {
    /** sizeof(struct weft_testing_options), also when 0. */
    size_t size;
    /** 0: first come, first served, nothing late. Else: chooses among ready tasks and ready
     *  descriptors, and which connections take their time. */
    uint64_t seed;
    /** WEFT_TESTING_... */
    unsigned flags;
};

/**
 * Makes a world: a table of system calls with pipes, sockets and a clock in memory, to be the `sys`
 * of one loop; the engine is then `sim`. Plain. `options` NULL: defaults. The world goes to *ret
 * and is the caller's; real descriptors pass through it. -ENOMEM. Any thread.
 *
 * The clock starts at an instant that is not zero, and jumps to the next timer when nobody can go
 * on. When there is no timer either, the run ends with -WEFT_EDEADLOCK.
 */
WEFT_API int weft_testing_world_new(const struct weft_testing_options *options,
                                    const struct weft_sys **ret);

/** Frees a world after its loop; closes what is open in it. NULL is fine. Plain. */
WEFT_API void weft_testing_world_free(const struct weft_sys *world);

/** How many simulated descriptors are open in the world below `sys`; 0 without one. Plain. */
WEFT_API size_t weft_testing_world_open(const struct weft_sys *sys);

/**
 * Moves the virtual clock below `sys` (NULL: of the calling thread's loop) on by `duration`. Plain:
 * nothing runs inside; timers that it passed fire in the next turn, all at the new instant, in the
 * order of their deadlines. 0; -EINVAL a negative duration; -ENOTSUP the clock is not virtual. Any
 * thread, as long as the world lives.
 */
WEFT_API int weft_testing_clock_advance(const struct weft_sys *sys, weft_ns duration);

/**
 * Chooses who moves the virtual clock below `sys` (NULL: of the calling thread's loop): 1 the
 * program alone, 0 the engine when nobody can go on. Plain. Where the clock may not jump and nobody
 * waits in weft_testing_wait_all_blocked to move it, a run ends with -WEFT_EDEADLOCK instead of
 * waiting for a timer; a later run goes on. 0; -ENOTSUP the clock is not virtual.
 */
WEFT_API int weft_testing_clock_set_manual(const struct weft_sys *sys, int manual);

/**
 * Runs program(arg) as a task of a new loop over `sys` (NULL: weft_sys_default), frees the loop,
 * and returns the program's code. Touches nothing of the process. `seed` as in struct
 * weft_loop_options. The errors of weft_loop_create and weft_loop_run_task.
 */
WEFT_API int weft_testing_run_on(const struct weft_sys *sys, uint64_t seed,
                                 int (*program)(void *arg), void *arg);

/**
 * Waits until nobody can go on: no task and no callback of this loop is ready, and the engine has
 * nothing to report. Sleepers and readers count as blocked, and so do others who wait here. Of
 * those, the ones with the smallest cushion are woken first, all together, before the clock jumps.
 *
 * `cushion` is how long the engine must have had nothing to report, for what is on its way through
 * the kernel; on a virtual clock, where nothing is, it only orders those who wait here. Negative
 * counts as 0. 0, or -ECANCELED. The loop must run, not be driven by weft_loop_step.
 */
WEFT_API WEFT_MUST_CHECK int weft_testing_wait_all_blocked(weft_ns cushion);

/* Sequencer. */

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

/* Wait points. */

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
