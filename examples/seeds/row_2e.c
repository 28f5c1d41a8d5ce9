/* SPDX-License-Identifier: MIT */
/*
 * row_2e.c: "AsyncIO Study Note", prime numbers of the sequence beside a repeated message
 *
 * Two tasks in one scope (primes.h has their bodies). The search ends by an error, which cancels
 * the message task and is the outcome of the scope. Better here: the error ends the program, where
 * the tutorial's scheduler prints it and goes on with the message for ever.
 *
 *     row_2e [finds [interval in ms [first [second]]]]
 */
#include "primes.h"

static int search(struct fib *start, long finds)
{
    int rc = print_matches(start, finds);

    printf("Failed with exception: %s\n", weft_note());
    return rc;
}
WEFT_TASK(search, struct fib *, long);
WEFT_TASK(repetitive_message, const char *, weft_ns);

static int program(void *arg)
{
    struct fib start = {argument_number(arg, 3, 2), argument_number(arg, 4, 1), 0};
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, repetitive_message, "This is an async message",
            argument_number(arg, 2, 2000) * WEFT_MS);
    weft_go(&scope, search, &start, argument_number(arg, 1, 13));
    int rc = weft_scope_exit(&scope, 0);
    return rc == -ERANGE || rc == -EOVERFLOW ? 0 : rc;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};

    return weft_main(program, &arguments);
}
