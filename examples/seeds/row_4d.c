/* SPDX-License-Identifier: MIT */
/*
 * row_4d.c: "Async IO from Ground Up", interweave, twice
 *
 * The tutorial's first version expects generators of one length: it ends with the first of them,
 * and what the others still had to say is lost. Ours (interweave.h) is right for any lengths, so
 * the first pair, which has one length, runs on it too and gives the first version's output. Which
 * generator is next is the queue's matter: an ended one does not come back to it.
 *
 *     row_4d [1,2,3,4 [10,20,30,40 [1,2,3,4,5,6 [10,20,30,40]]]]
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

static int squares(struct weft_gen *gen, void *arg)
{
    const struct list *list = arg;
    int rc = 0;

    for (size_t i = 0; i < list->count && rc == 0; i++) {
        long n = list->numbers[i];

        printf("Computing square of %ld\n", n);
        rc = weft_gen_yield(gen, as_value(n * n), NULL);
    }
    return rc;
}

static void read_list(const struct arguments *arguments, int index, const char *otherwise,
                      struct list *ret)
{
    ret->count = argument_list(arguments, index, otherwise, ret->numbers, MOST);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};
    struct list lists[4];

    read_list(&arguments, 1, "1,2,3,4", &lists[0]);
    read_list(&arguments, 2, "10,20,30,40", &lists[1]);
    read_list(&arguments, 3, "1,2,3,4,5,6", &lists[2]);
    read_list(&arguments, 4, "10,20,30,40", &lists[3]);
    int rc = interweave_new(squares, &lists[0], &lists[1]);
    puts("of any length");
    return exit_status(rc < 0 ? rc : interweave_new(squares, &lists[2], &lists[3]));
}
