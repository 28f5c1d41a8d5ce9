/* SPDX-License-Identifier: MIT */
/*
 * row_3g.c: "An introduction to Asyncio", the ways to run a coroutine
 *
 * weft_main runs the program, a plain call waits, weft_go starts beside us. say_after in a row
 * takes the sum of the delays, as tasks the longer one. The time of day is the real one, also
 * where the loop's clock is virtual, so the time that passed on the loop's clock is printed beside
 * it.
 *
 *     row_3g [delay in s [delay in s [hello [world]]]]
 */
#include "seed.h"
#include <time.h>

static void print_time_of_day(const char *what)
{
    char text[16];
    struct tm parts;
    time_t now = time(NULL);

    strftime(text, sizeof text, "%H:%M:%S", localtime_r(&now, &parts));
    printf("%s at %s\n", what, text);
}

static int say_after(weft_ns delay, const char *what)
{
    int rc = weft_sleep(delay);

    if (rc < 0)
        return rc;
    puts(what);
    return 0;
}
WEFT_TASK(say_after, weft_ns, const char *);

static int in_a_row(const struct arguments *arguments)
{
    int rc = say_after(argument_number(arguments, 1, 1) * WEFT_SEC,
                       argument_text(arguments, 3, "hello"));

    return rc < 0 ? rc
                  : say_after(argument_number(arguments, 2, 2) * WEFT_SEC,
                              argument_text(arguments, 4, "world"));
}

static int as_tasks(const struct arguments *arguments)
{
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, say_after, argument_number(arguments, 1, 1) * WEFT_SEC,
            argument_text(arguments, 3, "hello"));
    weft_go(&scope, say_after, argument_number(arguments, 2, 2) * WEFT_SEC,
            argument_text(arguments, 4, "world"));
    return weft_scope_exit(&scope, 0);
}

static int timed(int (*way)(const struct arguments *), const struct arguments *arguments)
{
    weft_ns start = weft_clock();

    print_time_of_day("started");
    int rc = way(arguments);
    print_time_of_day("finished");
    print_seconds_since(start);
    return rc;
}

static int program(void *arg)
{
    int rc = timed(in_a_row, arg);

    return rc < 0 ? rc : timed(as_tasks, arg);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};

    return weft_main(program, &arguments);
}
