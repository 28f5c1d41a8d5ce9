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
#include "testing/internal.h"

#include <weft/run.h>

int weft_testing_run_on(const struct weft_sys *sys, uint64_t seed, int (*program)(void *arg),
                        void *arg)
{
    const struct weft_loop_options options = {.size = sizeof options, .sys = sys, .seed = seed};
    struct weft_loop *loop;
    int rc = weft_loop_create(&options, &loop);
    if (rc < 0)
        return rc;
    rc = weft_loop_run_task(loop, program, arg);
    int free_rc = weft_loop_free(loop);
    return free_rc < 0 ? free_rc : rc;
}
