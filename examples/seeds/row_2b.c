/* SPDX-License-Identifier: MIT */
/*
 * row_2b.c: "AsyncIO Study Note", a linear search, and the cooperative one driven by hand
 *
 * Between the steps of the search other stuff is done; its result comes with its end, in the
 * struct that the search was given. "Not found" is an error that reaches the caller, from the
 * plain call and from the generator alike: nobody has to look at a result to notice it.
 *
 *     row_2b [digits [steps,steps,... [length of a sequence that ends too early]]]
 */
#include "fib.h"

/* The plain search: a call that takes all the time it needs. */
static int search(struct search *search)
{
    struct weft_gen *numbers;
    int found = 0;
    int rc = weft_gen_new(fib, &search->in, &numbers);

    if (rc < 0)
        return rc;
    weft_gen_each(numbers, value)
    {
        search->found = fib_number(value);
        found = has_digits(search->found, search->digits);
        if (found)
            break;
    }
    rc = weft_gen_close(numbers);
    if (rc < 0)
        return rc;
    return found ? 0 : -ENOENT;
}

static int by_hand(struct search *what, const long *batches, size_t count)
{
    struct weft_gen *gen;
    int rc = weft_gen_new(async_search, what, &gen);

    if (rc < 0)
        return rc;
    puts("made");
    rc = 1;
    for (size_t i = 0; i < count; i++) {
        for (long step = 0; step < batches[i] && rc > 0; step++)
            rc = weft_gen_next(gen, NULL);
        printf("Do other stuff %zu\n", i + 1);
    }
    while (rc > 0)
        rc = weft_gen_next(gen, NULL);
    if (rc == 0)
        printf("StopIteration: %" PRId64 "\n", what->found);
    int close_rc = weft_gen_close(gen);
    return rc < 0 ? rc : close_rc;
}

static int in_vain(struct search *what)
{
    struct weft_gen *gen;

    if (search(what) == -ENOENT)
        puts("search: Not found");
    int rc = weft_gen_new(async_search, what, &gen);
    if (rc < 0)
        return rc;
    while ((rc = weft_gen_next(gen, NULL)) > 0)
        ;
    if (rc == -ENOENT)
        puts("async_search: Not found");
    rc = weft_gen_close(gen); /* says once more how the body ended */
    return rc == -ENOENT ? 0 : rc;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};
    struct search what = {{2, 1, 0}, argument_number(&arguments, 1, 3), 0};
    struct search too_short = {{2, 1, argument_number(&arguments, 3, 5)}, what.digits, 0};
    long batches[16];
    size_t count = argument_list(&arguments, 2, "3,4,2", batches, 16);
    int rc = search(&what);

    if (rc == 0)
        printf("%" PRId64 "\n", what.found);
    rc = rc < 0 ? rc : by_hand(&what, batches, count);
    return exit_status(rc < 0 ? rc : in_vain(&too_short));
}
