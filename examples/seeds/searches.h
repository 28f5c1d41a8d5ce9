/* SPDX-License-Identifier: MIT */
/*
 * searches.h: searches in a group, after "AsyncIO Study Note" (rows 2c and 2d)
 *
 * The tutorial's Task and Scheduler are weft's calls and groups: add gives an id, results and
 * errors are taken by it, and a call that fails stops nobody else. Ids run on across groups. weft
 * counts tasks from 1 and the main program is one of them; what is printed counts from 0, as the
 * tutorial.
 */
#ifndef SEARCHES_H
#define SEARCHES_H

#include "fib.h"

/** The id of the first task after the main program. */
#define FIRST_ID 2

/** A search as a call of a group. */
struct search_call {
    /** The call; its arg is this struct. */
    struct weft_call call;
    /** What is looked for, and found. */
    struct search search;
    /** What went wrong, in words. */
    char error[WEFT_NOTE_SIZE];
};

/** The tutorial's number for an id of weft. */
static inline int task_number(uint64_t id)
{
    return (int)(id - FIRST_ID);
}

/** Drives a search, step after step, and lets the other searches run between two of them. */
static inline int drive(struct weft_gen *gen, int number)
{
    int rc;

    do {
        printf("Running task %d\n", number);
        rc = weft_gen_next(gen, NULL);
        if (rc > 0 && weft_yield() < 0)
            return -ECANCELED;
    } while (rc > 0);
    return rc;
}

/** The body of each call; arg is its struct search_call. */
static inline int run_search(void *arg)
{
    struct search_call *call = arg;
    int number = task_number(weft_task_id(NULL));
    struct weft_gen *gen;
    int rc = weft_gen_new(async_search, &call->search, &gen);

    if (rc < 0)
        return rc;
    rc = drive(gen, number);
    if (rc < 0) {
        snprintf(call->error, sizeof call->error, "%s", weft_note());
        printf("Failed with exception: %s\n", call->error);
    } else {
        printf("----------------------\nTask %d completed with result: %" PRId64 "\n", number,
               call->search.found);
    }
    int close_rc = weft_gen_close(gen);
    return rc < 0 ? rc : close_rc;
}

/** Makes a call for a search of `digits` digits among the first `limit` numbers (0: all). */
static inline void search_call_init(struct search_call *call, long digits, long limit)
{
    *call = (struct search_call){.call = {.fn = run_search, .arg = call, .name = "search"},
                                 .search = {.in = {2, 1, limit}, .digits = digits}};
}

#endif
