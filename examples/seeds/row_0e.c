/* SPDX-License-Identifier: MIT */
/*
 * row_0e.c: "Build Your Own Async", the same countdown and countup as plain loops
 *
 * Two tasks on one thread: new_task is weft_go, sleep is weft_sleep, run is the scope's exit.
 * Better here: the tasks belong to a scope, so that the first one that fails ends the other and is
 * seen; the tutorial's scheduler stops at an exception with all other tasks left where they are.
 *
 *     row_0e [down [period in s [up [period in s]]]]
 */
#include "seed.h"

static int countdown(long n, weft_ns period)
{
    for (; n > 0; n--) {
        printf("Down %ld\n", n);
        int rc = weft_sleep(period);
        if (rc < 0)
            return rc;
    }
    return 0;
}
WEFT_TASK(countdown, long, weft_ns);

static int countup(long stop, weft_ns period)
{
    for (long x = 0; x < stop; x++) {
        printf("Up %ld\n", x);
        int rc = weft_sleep(period);
        if (rc < 0)
            return rc;
    }
    return 0;
}
WEFT_TASK(countup, long, weft_ns);

static int program(void *arg)
{
    const struct arguments *arguments = arg;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, countdown, argument_number(arguments, 1, 5),
            argument_number(arguments, 2, 4) * WEFT_SEC);
    weft_go(&scope, countup, argument_number(arguments, 3, 20),
            argument_number(arguments, 4, 1) * WEFT_SEC);
    return weft_scope_exit(&scope, 0);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};

    return weft_main(program, &arguments);
}
