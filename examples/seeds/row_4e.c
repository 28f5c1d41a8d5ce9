/* SPDX-License-Identifier: MIT */
/*
 * row_4e.c: "Async IO from Ground Up", sum_of_squares over nested coroutines, interleaved
 *
 * square yields before it answers, and sum_of_squares calls it as any function: where the tutorial
 * needs `yield from` at every level between the two, a stack of its own needs none. Two sums take
 * turns, and each is printed one step after its last square was
 * known; nothing is kept between the steps but the two stacks.
 *
 *     row_4e [1,2,3,4,5 [10,20,30,40,50]]
 */
#include "interweave.h"

#define MOST 64

/** A list of numbers. */
struct list {
    /** The numbers. */
    long numbers[MOST];
    /** How many. */
    size_t count;
};

static int square(struct weft_gen *gen, long x, long *ret)
{
    int rc = weft_gen_yield(gen, NULL, NULL);

    if (rc < 0)
        return rc;
    printf("Computing square of  %ld\n", x);
    *ret = x * x;
    return 0;
}

static void print_sum(const struct list *list, long sum)
{
    printf("sum_of_squares [");
    for (size_t i = 0; i < list->count; i++)
        printf("%s%ld", i > 0 ? ", " : "", list->numbers[i]);
    printf("] %ld\n", sum);
}

static int sum_of_squares(struct weft_gen *gen, void *arg)
{
    const struct list *list = arg;
    long result = 0, squared;
    int rc = 0;

    for (size_t i = 0; i < list->count && rc == 0; i++) {
        rc = square(gen, list->numbers[i], &squared);
        if (rc == 0)
            result += squared;
    }
    rc = rc < 0 ? rc : weft_gen_yield(gen, NULL, NULL);
    if (rc == 0)
        print_sum(list, result);
    return rc;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};
    struct list first, second;

    first.count = argument_list(&arguments, 1, "1,2,3,4,5", first.numbers, MOST);
    second.count = argument_list(&arguments, 2, "10,20,30,40,50", second.numbers, MOST);
    return exit_status(interweave_new(sum_of_squares, &first, &second));
}
