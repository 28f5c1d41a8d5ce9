/* SPDX-License-Identifier: MIT */
/*
 * row_1e.c: "asyncio", tasks return results to whoever awaits them
 *
 * Once the joining side comes before the task is done and waits, once long after and finds the
 * result in the handle. Joining consumes the handle. Better here: the waiting side sleeps, where
 * the tutorial's asks again and again; and a task that failed would cancel the other one and be
 * reported by the scope's exit.
 *
 *     row_1e [delay of a [its result [delay of b [its result [pause]]]]]     (seconds)
 */
#include "seed.h"

static int compute(const char *name, weft_ns delay, int result)
{
    int rc = weft_sleep(delay);

    if (rc < 0)
        return rc;
    printf("task %s is done\n", name);
    return result;
}
WEFT_TASK(compute, const char *, weft_ns, int);

static int await_both(struct weft_task *a, struct weft_task *b, weft_ns pause)
{
    int result;

    puts("awaiting a, which still works");
    int rc = weft_join(a, &result);
    if (rc < 0)
        return rc;
    printf("a gave %d\n", result);
    rc = weft_sleep(pause);
    if (rc < 0)
        return rc;
    puts("awaiting b, which is done by now");
    rc = weft_join(b, &result);
    if (rc == 0)
        printf("b gave %d\n", result);
    return rc;
}

static int program(void *arg)
{
    const struct arguments *arguments = arg;
    weft_ns delay_a = argument_number(arguments, 1, 2) * WEFT_SEC;
    weft_ns delay_b = argument_number(arguments, 3, 1) * WEFT_SEC;
    weft_ns start = weft_clock();
    struct weft_scope scope;
    struct weft_task *a, *b;

    weft_scope_enter(&scope, WEFT_FOREVER);
    int rc = weft_spawn(&scope, &a, compute, "a", delay_a, (int)argument_number(arguments, 2, 42));
    if (rc == 0)
        rc = weft_spawn(&scope, &b, compute, "b", delay_b, (int)argument_number(arguments, 4, 7));
    if (rc == 0)
        rc = await_both(a, b, argument_number(arguments, 5, 3) * WEFT_SEC);
    rc = weft_scope_exit(&scope, rc);
    print_seconds_since(start);
    return rc;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};

    return weft_main(program, &arguments);
}
