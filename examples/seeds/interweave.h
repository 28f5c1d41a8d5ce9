/* SPDX-License-Identifier: MIT */
/*
 * interweave.h: run and interweave of "Async IO from Ground Up" (rows 4d to 4g)
 *
 * `interweave` lets generators of any length take turns: the first in the queue makes a step and,
 * if it has more to do, goes to the queue's end. Both close what they ran.
 */
#ifndef INTERWEAVE_H
#define INTERWEAVE_H

#include "seed.h"

/** Runs a generator to its end and closes it. Its result, or its failure. */
static inline int run(struct weft_gen *gen)
{
    int rc;

    do {
        rc = weft_gen_next(gen, NULL);
    } while (rc > 0);
    rc = rc < 0 ? rc : weft_gen_result(gen);
    int close_rc = weft_gen_close(gen);
    return close_rc < 0 ? close_rc : rc;
}

/** Lets two generators, either of them NULL, take turns and closes them. 0, or the last failure. */
static inline int interweave(struct weft_gen *first, struct weft_gen *second)
{
    struct weft_gen *queue[2] = {first, second};
    int rc = 0;

    while (queue[0] || queue[1]) {
        struct weft_gen *gen = queue[0];
        int step = gen ? weft_gen_next(gen, NULL) : 0;

        queue[0] = queue[1];
        queue[1] = step > 0 ? gen : NULL;
        if (step <= 0) {
            int close_rc = weft_gen_close(gen);
            rc = step < 0 ? step : close_rc < 0 ? close_rc : rc;
        }
    }
    return rc;
}

/** Makes a generator from each function and argument and interweaves the two. */
static inline int interweave_new(weft_gen_fn *fn, void *first_arg, void *second_arg)
{
    struct weft_gen *first = NULL, *second = NULL;
    int rc = weft_gen_new(fn, first_arg, &first);

    rc = rc < 0 ? rc : weft_gen_new(fn, second_arg, &second);
    int run_rc = rc < 0 ? weft_gen_close(first) : interweave(first, second);
    return rc < 0 ? rc : run_rc;
}

#endif
