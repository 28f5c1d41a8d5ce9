/* SPDX-License-Identifier: MIT */
/*
 * row_0a.c: "Build Your Own Async", countdown and countup with threads, for comparison
 *
 * Two lanes on two real threads, in real time. Where the tutorial's lanes block in sleep, each of
 * ours runs a loop of its own: a loop belongs to one thread, and a process may have many. Row 0e
 * has the same two lanes on one thread. As the kernel decides which lane prints first, the lines of
 * the output have no certain order.
 *
 *     row_0a [down [up [period in ms]]]
 */
#include "seed.h"
#include <pthread.h>

/** What one thread runs. */
struct lane {
    /** Counts from here towards zero, or from zero to here. */
    long count;
    /** Between two lines. */
    weft_ns period;
    /** The lane's program. */
    int (*program)(void *arg);
    /** How it ended. */
    int rc;
};

static int countdown(void *arg)
{
    struct lane *lane = arg;

    for (long n = lane->count; n > 0; n--) {
        printf("Down %ld\n", n);
        int rc = weft_sleep(lane->period);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int countup(void *arg)
{
    struct lane *lane = arg;

    for (long x = 0; x < lane->count; x++) {
        printf("Up %ld\n", x);
        int rc = weft_sleep(lane->period);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void *run_lane(void *arg)
{
    struct weft_run_options options = {.size = sizeof options, .flags = WEFT_RUN_BARE};
    struct lane *lane = arg;

    lane->rc = weft_run_with(&options, lane->program, lane);
    return NULL;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};
    weft_ns period = argument_number(&arguments, 3, 1000) * WEFT_MS;
    struct lane down = {argument_number(&arguments, 1, 5), period, countdown, 0};
    struct lane up = {argument_number(&arguments, 2, 5), period, countup, 0};
    weft_ns start = weft_sys_default.clock(&weft_sys_default);
    pthread_t threads[2];

    check(-pthread_create(&threads[0], NULL, run_lane, &down));
    check(-pthread_create(&threads[1], NULL, run_lane, &up));
    check(-pthread_join(threads[0], NULL));
    check(-pthread_join(threads[1], NULL));
    weft_ns took = weft_sys_default.clock(&weft_sys_default) - start;
    printf("both lanes: %.6f\n", (double)took / 1e9);
    return exit_status(down.rc < 0 ? down.rc : up.rc);
}
