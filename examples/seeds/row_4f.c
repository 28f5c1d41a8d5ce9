/* SPDX-License-Identifier: MIT */
/*
 * row_4f.c: "Async IO from Ground Up", run, send, nested await
 *
 * A square alone, a sum of two squares, and two sums that take turns. The functions are the same
 * in all three: what waits inside them does not show in their callers, and whoever drives the
 * generator decides whether others run meanwhile. The results are what the bodies return, no
 * exception carries them.
 *
 *     row_4f [a [b [c [d]]]]
 */
#include "interweave.h"

/** Two numbers. */
struct pair {
    /** The first. */
    long x;
    /** The second. */
    long y;
};

static int square(struct weft_gen *gen, long x)
{
    int rc = weft_gen_yield(gen, NULL, NULL);

    if (rc < 0)
        return rc;
    printf("square %ld\n", x);
    return (int)(x * x);
}

static int square_alone(struct weft_gen *gen, void *arg)
{
    const struct pair *pair = arg;

    return square(gen, pair->x);
}

static int sum_of_squares(struct weft_gen *gen, void *arg)
{
    const struct pair *pair = arg;
    int first = square(gen, pair->x);
    int second = first < 0 ? first : square(gen, pair->y);

    return second < 0 ? second : first + second;
}

static int print_sum_of_squares(struct weft_gen *gen, void *arg)
{
    int sum = sum_of_squares(gen, arg);

    if (sum >= 0)
        printf("%d\n", sum);
    return sum;
}

static int print_result(weft_gen_fn *fn, struct pair *pair)
{
    struct weft_gen *gen;
    int rc = weft_gen_new(fn, pair, &gen);

    rc = rc < 0 ? rc : run(gen);
    if (rc >= 0)
        printf("%d\n", rc);
    return rc;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};
    struct pair small = {argument_number(&arguments, 1, 3), argument_number(&arguments, 2, 4)};
    struct pair large = {argument_number(&arguments, 3, 30), argument_number(&arguments, 4, 40)};
    int rc = print_result(square_alone, &small);

    rc = rc < 0 ? rc : print_result(sum_of_squares, &small);
    return exit_status(rc < 0 ? rc : interweave_new(print_sum_of_squares, &small, &large));
}
