/* SPDX-License-Identifier: MIT */
/*
 * row_0d.c: "Build Your Own Async", nothing runs until somebody asks
 *
 * A generator does nothing until next, a coroutine nothing until send. In weft both are one thing,
 * a function on a stack of its own, and every function can be one: there is no second kind of
 * function to mark with async.
 *
 *     row_0d [count [steps]]
 */
#include "seed.h"

static int countdown(struct weft_gen *gen, void *arg)
{
    for (long n = as_number(arg); n > 0; n--) {
        printf("Down %ld\n", n);
        int rc = weft_gen_yield(gen, NULL, NULL);
        if (rc < 0)
            return rc; /* closed half-way */
    }
    return 0;
}

/* Waits somewhere down its calls: a plain call, no await. */
static int take_turn(struct weft_gen *gen)
{
    return weft_gen_yield(gen, NULL, NULL);
}

static int foo(struct weft_gen *gen, void *arg)
{
    for (long step = 0; step < as_number(arg); step++) {
        printf("foo: step %ld\n", step);
        int rc = take_turn(gen);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int show_generator(long n, long steps)
{
    struct weft_gen *generator;
    int rc = weft_gen_new(countdown, as_value(n), &generator);

    if (rc < 0)
        return rc;
    printf("<generator object countdown at %p>\n", (void *)generator);
    for (rc = 1; steps > 0 && rc > 0; steps--)
        rc = weft_gen_next(generator, NULL);
    puts("the generator rests");
    int close_rc = weft_gen_close(generator);
    return rc < 0 ? rc : close_rc;
}

static int show_coroutine(long steps)
{
    struct weft_gen *coroutine;
    int rc = weft_gen_new(foo, as_value(steps), &coroutine);

    if (rc < 0)
        return rc;
    printf("<coroutine object foo at %p>\n", (void *)coroutine);
    for (rc = 1; steps > 0 && rc > 0; steps--)
        rc = weft_gen_send(coroutine, NULL, NULL);
    puts("the coroutine rests");
    rc = weft_gen_send(coroutine, NULL, NULL);
    if (rc == 0)
        puts("the coroutine has ended");
    int close_rc = weft_gen_close(coroutine);
    return rc < 0 ? rc : close_rc;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};
    long steps = argument_number(&arguments, 2, 2);
    int rc = show_generator(argument_number(&arguments, 1, 10), steps);

    return exit_status(rc < 0 ? rc : show_coroutine(steps));
}
