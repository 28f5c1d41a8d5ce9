/* SPDX-License-Identifier: MIT */
/*
 * row_1d.c: "asyncio", the three examples of its own little library
 *
 * hello and world with a second between; two say_after in a row, which take the sum of their
 * delays; the same two as tasks, which take the longer one. Better here: whoever waits for a task
 * sleeps until it ends; the tutorial's Task.wait asks again and again. The scope's exit waits for
 * both, so that no task can be forgotten.
 *
 *     row_1d [delay [delay [hello [world [goodbye]]]]]
 */
#include "seed.h"

static int say_after(weft_ns delay, const char *what)
{
    int rc = weft_sleep(delay);

    if (rc < 0)
        return rc;
    puts(what);
    return 0;
}
WEFT_TASK(say_after, weft_ns, const char *);

static int in_a_row(weft_ns first, const char *hello, weft_ns second, const char *world)
{
    weft_ns start = weft_clock();
    int rc = say_after(first, hello);

    rc = rc < 0 ? rc : say_after(second, world);
    if (rc == 0)
        print_seconds_since(start);
    return rc;
}

static int as_tasks(weft_ns first, const char *hello, weft_ns second, const char *goodbye)
{
    struct weft_scope scope;
    weft_ns start = weft_clock();

    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, say_after, first, hello);
    weft_go(&scope, say_after, second, goodbye);
    int rc = weft_scope_exit(&scope, 0);
    if (rc == 0)
        print_seconds_since(start);
    return rc;
}

static int program(void *arg)
{
    const struct arguments *arguments = arg;
    weft_ns first = argument_number(arguments, 1, 1) * WEFT_SEC;
    weft_ns second = argument_number(arguments, 2, 2) * WEFT_SEC;
    const char *hello = argument_text(arguments, 3, "hello");
    const char *world = argument_text(arguments, 4, "world");
    const char *goodbye = argument_text(arguments, 5, "goodbye");

    puts(hello);
    int rc = say_after(first, world);
    rc = rc < 0 ? rc : in_a_row(first, hello, second, world);
    return rc < 0 ? rc : as_tasks(first, hello, second, goodbye);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};

    return weft_main(program, &arguments);
}
