/* SPDX-License-Identifier: MIT */
/*
 * fault.h: sweeps of the test kit, as our tests use them
 *
 *     static const struct fault_sweep sweep = {"spawn", run_spawn, NULL};
 *
 *     fault_floor("allocations", &sweep, fault_sweep(&sweep, WEFT_TESTING_MEMORY, ENOMEM));
 *
 * The table that fails calls and the sweep itself are public, weft/testing.h. Here a sweep that
 * finds something fails the test, runs on the test's engine, and must reach as many fault points as
 * its floor says.
 */
#ifndef TEST_SUPPORT_FAULT_H
#define TEST_SUPPORT_FAULT_H

#include <stdbool.h>
#include <stdint.h>
#include <weft/testing.h>

/** A piece of work over a table: 0 or a negative code. It must give back all it takes, and must not
 *  check what a fault may change. */
typedef int fault_scenario_fn(const struct weft_sys *sys);

/** A scenario and what may become of it. */
struct fault_sweep {
    /** Its name in floors.txt and in what is printed. */
    const char *name;
    /** The work. */
    fault_scenario_fn *run;
    /** Whether a code is a documented outcome of it when a call gave -code; NULL: 0 and -code. */
    int (*documented)(int rc, int code);
};

/** weft_testing_sweep with one code, on the engine of the test. Returns the fault points. */
uint64_t fault_sweep(const struct fault_sweep *sweep, weft_testing_set set, int code);

/** fault_sweep for every call that the scenario makes and every errno value of it, in `set`. */
uint64_t fault_sweep_errors(const struct fault_sweep *sweep, weft_testing_set set);

/** Both sweeps, of `set` without what takes memory and of that, each with its floor. */
void fault_sweep_both(const struct fault_sweep *sweep, weft_testing_set set);

/** fault_sweep_both of the calls that are the same on every machine: guards are asked of madvise,
 *  whether it knows them or not, and mprotect, which must help out where it does not, is left
 *  alone. */
void fault_sweep_calls(const struct fault_sweep *sweep);

/** Whether an error only says "again", or that a call is missing: no program ever sees it. */
bool fault_must_be_dealt_with(int code);

/** Runs a scenario in storms of three strengths, with the seeds from 1 on, in which calls are
 *  interrupted and transfers cut short: it must give 0 in each, as in calm weather. */
void fault_storms(fault_scenario_fn *run, uint64_t seeds);

/** Prints how many fault points a sweep reached and compares it with tests/fault/floors.txt, under
 *  the name "kind/name", or "kind/name/engine" in tests that run on each. */
void fault_floor(const char *kind, const struct fault_sweep *sweep, uint64_t points);

#endif
