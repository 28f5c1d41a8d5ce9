/* SPDX-License-Identifier: MIT */
/*
 * row_0c.c: "Build Your Own Async", countdown and countup rewritten as callbacks
 *
 * Neither a loop nor a sleep may stand in a callback, so each step schedules the next one: the
 * variables of the two loops move into structs. Row 0e has the same counts as plain loops. Where
 * both are due at one instant, the one that was scheduled first runs first.
 *
 *     row_0c [down [period in s [up [period in s]]]]
 */
#include "seed.h"

/** What was a local variable before it had to outlive a callback. */
struct count {
    /** Where the next step is scheduled. */
    struct weft_loop *loop;
    /** Where the count stands. */
    long n;
    /** Where it ends. */
    long stop;
    /** Between two steps. */
    weft_ns period;
};

static void countdown(void *arg)
{
    struct count *count = arg;

    if (count->n <= count->stop)
        return;
    printf("Down %ld\n", count->n--);
    check(weft_loop_call_later(count->loop, count->period, countdown, count, NULL));
}

static void countup(void *arg)
{
    struct count *count = arg;

    if (count->n >= count->stop)
        return;
    printf("Up %ld\n", count->n++);
    check(weft_loop_call_later(count->loop, count->period, countup, count, NULL));
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};
    struct weft_loop *loop;
    int rc = weft_loop_create(NULL, &loop);

    if (rc < 0)
        return exit_status(rc);
    struct count down = {loop, argument_number(&arguments, 1, 5), 0,
                         argument_number(&arguments, 2, 4) * WEFT_SEC};
    struct count up = {loop, 0, argument_number(&arguments, 3, 20),
                       argument_number(&arguments, 4, 1) * WEFT_SEC};
    rc = weft_loop_call_soon(loop, countdown, &down, NULL);
    if (rc == 0)
        rc = weft_loop_call_soon(loop, countup, &up, NULL);
    if (rc == 0)
        rc = weft_loop_run(loop);
    int free_rc = weft_loop_free(loop);
    return exit_status(rc < 0 ? rc : free_rc);
}
