/* SPDX-License-Identifier: MIT */
/*
 * row_3e.c: "An introduction to Asyncio", a generator that takes and gives
 *
 * The countdown goes on from what is sent, once, when it has given its first number. The value
 * that answers the send itself is dropped, as in the tutorial, so the next one printed is one
 * less. What is yielded and sent are pointers; those to local variables are good as long as the
 * side that owns them rests.
 *
 *     row_3e [start [sent]]
 */
#include "seed.h"

static int countdown(struct weft_gen *gen, void *arg)
{
    long n = as_number(arg);
    int rc = 0;

    while (n >= 0 && rc == 0) {
        void *sent;

        rc = weft_gen_yield(gen, &n, &sent);
        if (rc == 0)
            n = sent ? *(const long *)sent : n - 1;
    }
    return rc;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};
    long start = argument_number(&arguments, 1, 5);
    long sent = argument_number(&arguments, 2, 3);
    struct weft_gen *gen;
    int rc = weft_gen_new(countdown, as_value(start), &gen);

    if (rc < 0)
        return exit_status(rc);
    weft_gen_each(gen, value)
    {
        long n = *(long *)value;

        printf("%ld\n", n);
        if (n == start && (rc = weft_gen_send(gen, &sent, NULL)) < 0)
            break;
    }
    int close_rc = weft_gen_close(gen);
    return exit_status(rc < 0 ? rc : close_rc);
}
