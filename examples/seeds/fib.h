/* SPDX-License-Identifier: MIT */
/*
 * fib.h: the sequence of "AsyncIO Study Note" (rows 2a to 2f) and its searches
 *
 * Two numbers are given, each further one is the sum of the two before. Better here: where the sum
 * passes 64 bits the generator fails with -EOVERFLOW, which reaches whoever drives it; Python's
 * numbers grow without end and make every step slower.
 */
#ifndef FIB_H
#define FIB_H

#include "seed.h"
#include <inttypes.h>

/** Where the sequence begins and how long it is; must stay in place while the generator lives. */
struct fib {
    /** The first number. */
    int64_t a;
    /** The second number. */
    int64_t b;
    /** How many numbers at most; 0: no end but that of 64 bits. */
    long limit;
};

/** The generator; arg is a struct fib. Each value is an int64_t on its stack. */
static inline int fib(struct weft_gen *gen, void *arg)
{
    struct fib start = *(struct fib *)arg;
    int64_t a = start.a, b = start.b, next;
    int rc = weft_gen_yield(gen, &a, NULL);

    for (long made = 1; rc == 0 && made != start.limit; made++) {
        int64_t value = b;

        rc = weft_gen_yield(gen, &value, NULL);
        if (rc == 0 && __builtin_add_overflow(a, b, &next))
            return weft_fail(-EOVERFLOW, "number beyond 64 bits");
        a = b;
        b = next;
    }
    return rc;
}

/** The number behind a value of fib. */
static inline int64_t fib_number(const void *value)
{
    return *(const int64_t *)value;
}

/** Nonzero when the number has at least so many digits. */
static inline int has_digits(int64_t number, long digits)
{
    char text[24];

    return snprintf(text, sizeof text, "%" PRId64, number) >= digits;
}

/** What a search looks for and, at its end, what it found. */
struct search {
    /** The sequence. */
    struct fib in;
    /** How many digits the number must have. */
    long digits;
    /** The number. */
    int64_t found;
};

/** A cooperative search, a generator; arg is a struct search. -ENOENT: not found. */
static inline int async_search(struct weft_gen *gen, void *arg)
{
    struct search *search = arg;
    struct weft_gen *numbers;
    int rc = weft_gen_new(fib, &search->in, &numbers);
    void *value;
    int calls = 0, found = 0;

    if (rc < 0)
        return rc;
    puts("initializing generator");
    while (!found && rc == 0 && (rc = weft_gen_next(numbers, &value)) > 0) {
        search->found = fib_number(value);
        printf("async_search - called %d times\n", ++calls);
        found = has_digits(search->found, search->digits);
        rc = found ? 0 : weft_gen_yield(gen, NULL, NULL);
    }
    if (found)
        puts("async_search - predicate returned True");
    int close_rc = weft_gen_close(numbers);
    if (rc < 0 || close_rc < 0)
        return rc < 0 ? rc : close_rc;
    return found ? 0 : weft_fail(-ENOENT, "Not found");
}

#endif
