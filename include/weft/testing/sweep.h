/* SPDX-License-Identifier: MIT */
/*
 * weft/testing/sweep.h: every call of a piece of work fails in turn
 *
 * Part of the test kit; programs include weft/testing.h.
 *
 * A scenario is run once for each of its fault points. What it must keep is always the same: its
 * outcome is a documented one, nothing is left, and the next run works.
 */
#ifndef WEFT_TESTING_SWEEP_H
#define WEFT_TESTING_SWEEP_H

#include <weft/sys.h>
#include <weft/testing/faults.h>
#include <weft/types.h>

WEFT_BEGIN

/** A piece of work over a table: 0, or a negative code. It must give back all it takes. */
typedef int weft_testing_scenario_fn(const struct weft_sys *sys, void *arg);

/** The runs of a sweep are over the kernel, not each in a world of its own. */
#define WEFT_TESTING_REAL 2u

/** What to sweep; zero everywhere is the default. */
struct weft_testing_sweep_options {
    /** sizeof(struct weft_testing_sweep_options), also when 0. */
    size_t size;
    /** Its name in what is printed; NULL: "sweep". */
    const char *name;
    /** Which calls fail; 0: WEFT_TESTING_ANY. */
    weft_testing_set set;
    /** With which positive errno value; 0: each call with every one that it can give. */
    int code;
    /** WEFT_TESTING_REAL. */
    unsigned flags;
    /** Nonzero when `rc` is a documented outcome of the scenario if a call gave -code. NULL: 0 and
     *  -code are. */
    int (*documented)(int rc, int code);
};

/** What a sweep did. */
struct weft_testing_sweep_result {
    /** Fault points, each of which has failed. */
    uint64_t points;
    /** Runs of the scenario. */
    uint64_t runs;
};

/**
 * Runs scenario(sys, arg) calmly and counts its N fault points; then N times with the k-th failing
 * alone, and N times with all from the k-th on (but for codes after which a call is repeated, which
 * for ever would hang). After each run the outcome must be a documented one, everything given back,
 * and a calm run must work.
 *
 * 0 with *ret filled (NULL is fine); -EPROTO with a sentence on stderr at the first run that is not
 * so; the code of a calm run that fails; the errors of weft_testing_world_new. Plain: outside
 * tasks. A run that is stopped by SIGABRT, SIGSEGV, SIGBUS, SIGALRM or SIGQUIT is named on stderr
 * first, where that signal has its default action; so alarm(2) shows which run hangs.
 */
WEFT_API int weft_testing_sweep(const struct weft_testing_sweep_options *options,
                                weft_testing_scenario_fn *scenario, void *arg,
                                struct weft_testing_sweep_result *ret);

WEFT_END

#endif
