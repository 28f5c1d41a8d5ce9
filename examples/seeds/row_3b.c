/* SPDX-License-Identifier: MIT */
/*
 * row_3b.c: "An introduction to Asyncio", countdown by for, by next to its end and past it
 *
 * A step that gives a value answers 1, one that finds the end answers 0, a failure is negative.
 * Past its end a generator answers 0 again and again: that is no error, so a loop needs nothing
 * like StopIteration, and the word is printed here for the comparison only.
 *
 *     row_3b [count by for [count by next]]
 */
#include "seed.h"

static int countdown(struct weft_gen *gen, void *arg)
{
    int rc = 0;

    for (long n = as_number(arg); n > 0 && rc == 0; n--)
        rc = weft_gen_yield(gen, as_value(n), NULL);
    return rc;
}

static int by_for(long count)
{
    struct weft_gen *gen;
    int rc = weft_gen_new(countdown, as_value(count), &gen);

    if (rc < 0)
        return rc;
    weft_gen_each(gen, value) printf("%ld\n", as_number(value));
    return weft_gen_close(gen);
}

static int by_next(long count)
{
    struct weft_gen *gen;
    void *value;
    int rc = weft_gen_new(countdown, as_value(count), &gen);

    if (rc < 0)
        return rc;
    printf("<generator object countdown at %p>\n", (void *)gen);
    while ((rc = weft_gen_next(gen, &value)) > 0)
        printf("%ld\n", as_number(value));
    rc = rc < 0 ? rc : weft_gen_next(gen, &value); /* past the end */
    if (rc == 0)
        puts("StopIteration");
    int close_rc = weft_gen_close(gen);
    return rc < 0 ? rc : close_rc;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};
    int rc = by_for(argument_number(&arguments, 1, 5));

    return exit_status(rc < 0 ? rc : by_next(argument_number(&arguments, 2, 3)));
}
