/* SPDX-License-Identifier: MIT */
/*
 * row_4g.c: "Async IO from Ground Up", display in a row and interleaved
 *
 * In a row the second begins when the first has ended, as two calls do; interleaved the two take
 * turns, letter by letter. The function that displays is the same in both: it does not know whether
 * anybody runs between two of its letters. Where the tutorial awaits twice, two plain calls stand
 * here.
 *
 *     row_4g [first word [second word]]
 */
#include "interweave.h"

static int display(struct weft_gen *gen, const char *values)
{
    int rc = 0;

    for (; *values && rc == 0; values++) {
        printf("%c\n", *values);
        rc = weft_gen_yield(gen, NULL, NULL);
    }
    return rc;
}

static int display_one(struct weft_gen *gen, void *arg)
{
    return display(gen, arg);
}

static int display_both(struct weft_gen *gen, void *arg)
{
    char **words = arg;
    int rc = display(gen, words[0]);

    return rc < 0 ? rc : display(gen, words[1]);
}

int main(int argc, char **argv)
{
    static char abc[] = "ABC", numbers[] = "123";
    char *words[2] = {argc > 1 ? argv[1] : abc, argc > 2 ? argv[2] : numbers};
    struct weft_gen *gen;
    int rc = weft_gen_new(display_both, words, &gen);

    rc = rc < 0 ? rc : run(gen);
    return exit_status(rc < 0 ? rc : interweave_new(display_one, words[0], words[1]));
}
