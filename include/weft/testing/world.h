/* SPDX-License-Identifier: MIT */
/*
 * weft/testing/world.h: simulated worlds, their clocks and names
 *
 * Part of the test kit; programs include weft/testing.h.
 *
 * A world is a simulated kernel with a clock of its own, as a table of system calls; a loop over
 * it runs an hour in a millisecond. Its clock jumps when nobody can go on, or moves by hand; and a
 * test can wait for just that, until all are blocked, here and over the kernel.
 */
#ifndef WEFT_TESTING_WORLD_H
#define WEFT_TESTING_WORLD_H

#include <weft/sys.h>
#include <weft/types.h>

WEFT_BEGIN

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
 * Gives the world below `sys` (NULL: of the calling thread's loop) one more address of a name, in
 * figures and without a port ("192.0.2.1", "2001:db8::1"): look-ups of the name give all that it
 * has, in the order of these calls and at once (they take no virtual time), and the address leads
 * back to the first name that has it. What
 * was not given here is not known there, except addresses in figures and "localhost". Plain. 0;
 * -EINVAL no address; -ENOMEM; -ENOTSUP there is no world.
 */
WEFT_API int weft_testing_name_add(const struct weft_sys *sys, const char *name,
                                   const char *address);

/** Look-ups of the name fail in the world below `sys` from now on, with `code`: -WEFT_EDNS_NONAME,
 *  -WEFT_EDNS_NODATA, -WEFT_EDNS_AGAIN, -WEFT_EDNS_FAIL, or a negative errno. Plain. 0; -EINVAL
 *  another code; else as weft_testing_name_add. */
WEFT_API int weft_testing_name_fail(const struct weft_sys *sys, const char *name, int code);

/** The world below `sys` knows no name any more. Plain. NULL and no world are fine. */
WEFT_API void weft_testing_names_clear(const struct weft_sys *sys);

/**
 * Runs program(arg) as a task of a new loop over `sys` (NULL: weft_sys_default), frees the loop,
 * and returns the program's code. Touches nothing of the process. `seed` as in struct
 * weft_loop_options. The errors of weft_loop_create and weft_loop_run_task.
 */
WEFT_API int weft_testing_run_on(const struct weft_sys *sys, uint64_t seed,
                                 int (*program)(void *arg), void *arg);

/**
 * weft_testing_run_on in a world of its own, which is freed afterwards. What the program left open
 * or allocated there is printed to stderr and gives -ENOTEMPTY where the code would be 0 or more.
 * Else the program's code, or -ENOMEM.
 */
WEFT_API int weft_testing_run(const struct weft_testing_options *options, int (*program)(void *arg),
                              void *arg);

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

WEFT_END

#endif
