/* SPDX-License-Identifier: MIT */
/*
 * row_2d.c: "AsyncIO Study Note", one search, then two searches, under the scheduler
 *
 * The tutorial's stored output breaks off in the middle; run to its end it gives 123 after 11 calls
 * and 1364 after 16. The searches take turns step by step, because each lets the others run after
 * every number, and weft runs what is ready first-in first-out.
 *
 *     row_2d [digits of the one [digits of each of the others]...]
 */
#include "searches.h"

#define MOST 16

static int run_together(struct search_call *calls, int count)
{
    struct weft_scope scope;
    struct weft_group group;
    int rc = 0;

    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_group_init(&group, &scope);
    for (int i = 0; i < count && rc == 0; i++)
        rc = weft_group_add(&group, &calls[i].call);
    return weft_scope_exit(&scope, rc);
}

static int program(void *arg)
{
    const struct arguments *arguments = arg;
    static const long tutorial[] = {3, 3, 4};
    int given = arguments->count - 1;
    int count = given > MOST ? MOST : given > 0 ? given : 3;
    struct search_call calls[MOST];

    for (int i = 0; i < count; i++)
        search_call_init(&calls[i], given > 0 ? argument_number(arguments, i + 1, 0) : tutorial[i],
                         0);
    int rc = run_together(calls, 1);
    return rc < 0 ? rc : run_together(calls + 1, count - 1);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};

    return weft_main(program, &arguments);
}
