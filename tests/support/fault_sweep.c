/* SPDX-License-Identifier: MIT */
/*
 * fault_sweep.c: a sweep of the test kit inside one of our tests
 *
 * The test kit runs the scenario and says what it found; here that becomes a failed test. On the
 * engine `sim` each run has a world of its own, on the others the kernel. When a run hangs, the
 * watchdog's signal makes the kit say which one it was. Storms are here, too.
 */
#include "fault.h"
#include "floors.h"
#include "test.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

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

void fault_sweep_both(const struct fault_sweep *sweep, weft_testing_set set)
{
    test_limit(120);
    fault_floor("calls", sweep, fault_sweep_errors(sweep, set & ~WEFT_TESTING_MEMORY));
    fault_floor("allocations", sweep, fault_sweep(sweep, WEFT_TESTING_MEMORY, ENOMEM));
}

void fault_sweep_calls(const struct fault_sweep *sweep)
{
    CHECK_EQ(setenv("WEFT_GUARD", "madvise", 1), 0);
    fault_sweep_both(sweep, WEFT_TESTING_ANY & ~WEFT_TESTING_SET(MPROTECT));
}

bool fault_must_be_dealt_with(int code)
{
    return code == EINTR || code == EAGAIN || code == EBUSY || code == ECONNABORTED ||
           code == ENOSYS || code == EOPNOTSUPP;
}

/** On a simulated world transfers are also told to come again, which an engine that reports edges
 *  cannot be told: a kernel would not say so of what is ready. */
static void run_in_storm(fault_scenario_fn *run, uint64_t seed, unsigned percent)
{
    const struct weft_testing_options world = {.size = sizeof world, .seed = seed};
    const struct weft_sys *inner = &weft_sys_default;
    bool simulated = test_engine_is("sim");
    const struct weft_testing_storm storm = {.size = sizeof storm,
                                             .seed = seed,
                                             .interrupt_percent = percent,
                                             .again_percent = simulated ? percent : 0,
                                             .short_percent = percent};
    struct weft_testing_faults fault;

    if (simulated)
        CHECK_OK(weft_testing_world_new(&world, &inner));
    weft_testing_faults_init(&fault, inner);
    weft_testing_faults_storm(&fault, &storm);
    int rc = run(&fault.sys);
    if (rc != 0)
        FAIL("seed %llu, %u percent: %d", (unsigned long long)seed, percent, rc);
    CHECK_EQ(weft_testing_faults_report(&fault), 0);
    if (simulated)
        weft_testing_world_free(inner);
}

void fault_storms(fault_scenario_fn *run, uint64_t seeds)
{
    static const unsigned percents[] = {10, 30, 90};

    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++)
        for (uint64_t seed = 1; seed <= seeds; seed++)
            run_in_storm(run, seed, percents[i]);
}

void fault_floor(const char *kind, const struct fault_sweep *sweep, uint64_t points)
{
    char name[128];

    snprintf(name, sizeof name, "%s/%s%s%s", kind, sweep->name, test_engine() ? "/" : "",
             test_engine() ? test_engine() : "");
    test_figure("%s: %llu fault points", name, (unsigned long long)points);
    test_floor("tests/fault/floors.txt", name, points);
}
