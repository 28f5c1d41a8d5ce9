/* SPDX-License-Identifier: MIT */
/*
 * primes.h: prime numbers of a sequence, and a repeated message ("AsyncIO Study Note", 2e and 2f)
 *
 * A step of the search costs a millisecond, so that under a virtual clock time passes at all.
 * Better here: sleeping costs no steps, where the tutorial's async_sleep looks at the clock at
 * every turn. The search ends by an error, after a number of finds or at the first number beyond 64
 * bits.
 */
#ifndef PRIMES_H
#define PRIMES_H

#include "fib.h"

#define STEP WEFT_MS

/** 1, 0, or -ECANCELED. Waits. */
static inline int is_prime(int64_t number)
{
    for (int64_t i = 2; i <= number / i; i++) {
        if (number % i == 0)
            return 0;
        int rc = weft_sleep(STEP);
        if (rc < 0)
            return rc;
    }
    return number >= 2;
}

/** Prints the primes that the generator gives until there were `finds`: -ERANGE, or its failure. */
static inline int find_primes(struct weft_gen *numbers, long finds)
{
    long found = 0;
    void *value;
    int rc;

    while ((rc = weft_gen_next(numbers, &value)) > 0) {
        rc = is_prime(fib_number(value));
        if (rc < 0)
            return rc;
        if (rc == 0)
            continue;
        printf("Found: %" PRId64 "\n", fib_number(value));
        if (++found == finds)
            return weft_fail(-ERANGE, "enough: %ld found", found);
    }
    return rc;
}

/** find_primes in a new sequence. */
static inline int print_matches(struct fib *start, long finds)
{
    struct weft_gen *numbers;
    int rc = weft_gen_new(fib, start, &numbers);

    if (rc < 0)
        return rc;
    rc = find_primes(numbers, finds);
    int close_rc = weft_gen_close(numbers);
    return rc < 0 ? rc : close_rc;
}

/** Prints a message again and again, until it is cancelled. */
static inline int repetitive_message(const char *message, weft_ns interval)
{
    int rc;

    do {
        puts(message);
        rc = weft_sleep(interval);
    } while (rc == 0);
    puts("message cancelled");
    return rc;
}

#endif
