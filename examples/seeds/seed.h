/* SPDX-License-Identifier: MIT */
/*
 * seed.h: what the seed programs share beside weft
 *
 * Each program takes its constants from the command line, in the order of its Python twin in
 * python/row_XX.py, and has the tutorial's values as defaults. Nothing in here belongs to weft.
 */
#ifndef SEED_H
#define SEED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <weft/weft.h>

/** The command line, as main got it. */
struct arguments {
    /** How many texts, the program's name included. */
    int count;
    /** The program's name and the arguments. */
    char **texts;
};

/** The argument at `index` (1 is the first), or `otherwise`. */
static inline const char *argument_text(const struct arguments *arguments, int index,
                                        const char *otherwise)
{
    return index < arguments->count ? arguments->texts[index] : otherwise;
}

/** The same as a whole number. */
static inline long argument_number(const struct arguments *arguments, int index, long otherwise)
{
    return index < arguments->count ? strtol(arguments->texts[index], NULL, 10) : otherwise;
}

/** Reads "1,2,3" into at most `room` numbers; returns how many. */
static inline size_t argument_list(const struct arguments *arguments, int index,
                                   const char *otherwise, long *ret, size_t room)
{
    const char *text = argument_text(arguments, index, otherwise);
    size_t count = 0;

    while (*text && count < room) {
        char *end;

        ret[count++] = strtol(text, &end, 10);
        text = *end ? end + 1 : end;
    }
    return count;
}

/** For main: prints what went wrong, if something did, and returns the exit status. */
static inline int exit_status(int rc)
{
    if (rc < 0)
        fprintf(stderr, "failed: %s\n", weft_strerror(rc));
    return rc < 0;
}

/** For callbacks, which have nobody to return an error to: ends the program if there is one. */
static inline void check(int rc)
{
    if (rc < 0)
        exit(exit_status(rc));
}

/** A number as the void * that generators pass. */
static inline void *as_value(long number)
{
    return (void *)(intptr_t)number;
}

/** The number in such a pointer. */
static inline long as_number(const void *value)
{
    return (long)(intptr_t)value;
}

/** Prints the seconds since `start` (weft_clock), as Python prints a duration. */
static inline void print_seconds_since(weft_ns start)
{
    printf("%.6f\n", (double)(weft_clock() - start) / 1e9);
}

#endif
