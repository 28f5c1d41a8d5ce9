/* SPDX-License-Identifier: MIT */
/*
 * run.c: one program over one table
 *
 * weft_run with everything that a test wants to choose and nothing that touches the process: a
 * table of system calls, a seed for the schedule, and a loop that lives as long as the program and
 * is gone afterwards, so that whatever the table still counts as taken was leaked. The program is
 * the loop's first task; what it put into the root scope is cancelled and drained when the loop is
 * freed.
 */
#include "base/assert.h"
#include "loop/poller/sim/world.h"
#include "testing/internal.h"

#include <weft/run.h>

int weft__testing_run_on(const struct weft_sys *sys, uint64_t seed, int (*program)(void *arg),
                         void *arg, uint64_t *ret_trace)
{
    const struct weft_loop_options options = {.size = sizeof options, .sys = sys, .seed = seed};
    struct weft_loop_stats stats;
    struct weft_loop *loop;
    *ret_trace = 0;
    int rc = weft_loop_create(&options, &loop);
    if (rc < 0)
        return rc;
    rc = weft_loop_run_task(loop, program, arg);
    weft_loop_get_stats(loop, &stats);
    *ret_trace = stats.trace;
    int free_rc = weft_loop_free(loop);
    return free_rc < 0 ? free_rc : rc;
}

int weft_testing_run_on(const struct weft_sys *sys, uint64_t seed, int (*program)(void *arg),
                        void *arg)
{
    uint64_t trace;
    return weft__testing_run_on(sys, seed, program, arg, &trace);
}

int weft_testing_run(const struct weft_testing_options *options, int (*program)(void *arg),
                     void *arg)
{
    const struct weft_sys *world;
    struct weft_testing_faults faults;
    int rc = weft_testing_world_new(options, &world);
    if (rc < 0)
        return rc;
    weft_testing_faults_init(&faults, world);
    uint64_t seed = weft__sim_find(world)->seed;
    rc = weft_testing_run_on(&faults.sys, seed, program, arg);
    int leaks = weft_testing_faults_report(&faults);
    size_t open = weft_testing_world_open(world);
    if (open > 0)
        weft__report("leak: %zu descriptors", open);
    weft_testing_world_free(world);
    return rc >= 0 && (leaks > 0 || open > 0) ? -ENOTEMPTY : rc;
}
