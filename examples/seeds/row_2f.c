/* SPDX-License-Identifier: MIT */
/*
 * row_2f.c: "AsyncIO Study Note", the same with the library: gather, run until complete, close
 *
 * The loop is made, driven and freed by hand, as the tutorial does; weft_main would do the three in
 * one call. Better here: weft_gather cancels the message task when the search fails and waits until
 * it has ended, where asyncio's gather leaves it running.
 *
 *     row_2f [finds [interval in ms [first [second]]]]
 */
#include "primes.h"

/** The constants. */
struct constants {
    /** The sequence. */
    struct fib start;
    /** After how many finds the search ends. */
    long finds;
    /** Between two messages. */
    weft_ns interval;
    /** Why the search ended, in words. */
    char error[WEFT_NOTE_SIZE];
};

static int print_matches_task(void *arg)
{
    struct constants *constants = arg;

    int rc = print_matches(&constants->start, constants->finds);

    snprintf(constants->error, sizeof constants->error, "%s", weft_note());
    return rc;
}

static int repetitive_message_task(void *arg)
{
    const struct constants *constants = arg;

    return repetitive_message("This is an async message!", constants->interval);
}

/* The first prime of the sequence, as a plain call. */
static int search(struct fib *start, int64_t *ret)
{
    struct weft_gen *numbers;
    void *value;
    int prime = 0;
    int rc = weft_gen_new(fib, start, &numbers);

    if (rc < 0)
        return rc;
    puts("search");
    while (!prime && rc >= 0 && (rc = weft_gen_next(numbers, &value)) > 0) {
        *ret = fib_number(value);
        prime = is_prime(*ret);
        rc = prime < 0 ? prime : prime ? 0 : weft_sleep(STEP);
    }
    if (prime > 0)
        puts("predicate returned True");
    int close_rc = weft_gen_close(numbers);
    return rc < 0 ? rc : close_rc;
}

static int program(void *arg)
{
    struct constants *constants = arg;
    struct weft_call calls[] = {
        {.fn = print_matches_task, .arg = constants},
        {.fn = repetitive_message_task, .arg = constants},
    };
    int64_t first = 0;
    int rc = search(&constants->start, &first);

    if (rc < 0)
        return rc;
    printf("%" PRId64 "\n", first);
    rc = weft_gather(calls, 2);
    if (rc != -ERANGE && rc != -EOVERFLOW)
        return rc;
    printf("Failed with exception: %s\n", constants->error);
    return 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};
    struct constants constants = {
        .start = {argument_number(&arguments, 3, 2), argument_number(&arguments, 4, 1), 0},
        .finds = argument_number(&arguments, 1, 13),
        .interval = argument_number(&arguments, 2, 2000) * WEFT_MS,
    };
    struct weft_loop *loop;
    int rc = weft_loop_create(NULL, &loop);

    if (rc < 0)
        return exit_status(rc);
    rc = weft_loop_run_task(loop, program, &constants);
    int free_rc = weft_loop_free(loop);
    return exit_status(rc < 0 ? rc : free_rc);
}
