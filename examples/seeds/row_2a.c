/* SPDX-License-Identifier: MIT */
/*
 * row_2a.c: "AsyncIO Study Note", the fib generator
 *
 * Making a generator executes nothing; next gives the first value; a second generator gives as
 * many values as asked for and is closed half-way. The sequence itself has no end but that of 64
 * bits, which is an error here (fib.h) and not a number that takes more and more memory.
 *
 *     row_2a [count [first [second]]]
 */
#include "fib.h"

static int print_first(struct fib *start)
{
    struct weft_gen *gen;
    void *value;
    int rc = weft_gen_new(fib, start, &gen);

    if (rc < 0)
        return rc;
    printf("<generator object fib at %p>\n", (void *)gen);
    rc = weft_gen_next(gen, &value);
    if (rc > 0)
        printf("%" PRId64 "\n", fib_number(value));
    int close_rc = weft_gen_close(gen);
    return rc < 0 ? rc : close_rc;
}

static int print_many(struct fib *start, long count)
{
    struct weft_gen *gen;
    int rc = weft_gen_new(fib, start, &gen);

    if (rc < 0)
        return rc;
    weft_gen_each(gen, value)
    {
        printf("%" PRId64 "\n", fib_number(value));
        if (--count == 0)
            break;
    }
    rc = weft_gen_result(gen);
    int close_rc = weft_gen_close(gen);
    return rc < 0 && rc != -EAGAIN ? rc : close_rc; /* -EAGAIN: left by the break */
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};
    struct fib start = {argument_number(&arguments, 2, 2), argument_number(&arguments, 3, 1), 0};
    int rc = print_first(&start);

    return exit_status(rc < 0 ? rc : print_many(&start, argument_number(&arguments, 1, 20)));
}
