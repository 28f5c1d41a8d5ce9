/* SPDX-License-Identifier: MIT */
/*
 * fault_sweep.c: a sweep of the test kit inside one of our tests
 *
 * The test kit runs the scenario and says what it found; here that becomes a failed test. On the
 * engine `sim` each run has a world of its own, on the others the kernel. When a run hangs, the
 * watchdog's signal makes the kit say which one it was.
 */
#include "fault.h"
#include "floors.h"
#include "test.h"
#include <stdio.h>

static int run_scenario(const struct weft_sys *sys, void *arg)
{
    const struct fault_sweep *sweep = arg;

    return sweep->run(sys);
}

static uint64_t run_sweep(const struct fault_sweep *sweep, weft_testing_set set, int code)
{
    const struct weft_testing_sweep_options options = {
        .size = sizeof options,
        .name = sweep->name,
        .set = set,
        .code = code,
        .flags = test_engine_is("sim") ? 0 : WEFT_TESTING_REAL,
        .documented = sweep->documented,
    };
    struct weft_testing_sweep_result result;

    CHECK_OK(weft_testing_sweep(&options, run_scenario, (void *)(uintptr_t)sweep, &result));
    return result.points;
}

uint64_t fault_sweep(const struct fault_sweep *sweep, weft_testing_set set, int code)
{
    return run_sweep(sweep, set, code);
}

uint64_t fault_sweep_errors(const struct fault_sweep *sweep, weft_testing_set set)
{
    return run_sweep(sweep, set, 0);
}

void fault_floor(const char *kind, const struct fault_sweep *sweep, uint64_t points)
{
    char name[128];

    snprintf(name, sizeof name, "%s/%s%s%s", kind, sweep->name, test_engine() ? "/" : "",
             test_engine() ? test_engine() : "");
    test_figure("%s: %llu fault points", name, (unsigned long long)points);
    test_floor("tests/fault/floors.txt", name, points);
}
