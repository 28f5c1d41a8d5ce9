/* SPDX-License-Identifier: MIT */
/*
 * row_2c.c: "AsyncIO Study Note", Task and Scheduler, results and errors by id
 *
 * Each scheduler of the tutorial is a scope with a group of calls here (searches.h). Better here:
 * errors are kept by id, where the tutorial declares a dictionary for them and leaves it empty; and
 * a group cannot be left with calls still running in it, since they belong to the scope.
 *
 *     row_2c [digits [digits of the other [length of the sequence that ends too early]]]
 */
#include "searches.h"

static int add(struct weft_group *group, struct search_call *call)
{
    int rc = weft_group_add(group, &call->call);

    if (rc == 0)
        printf("added %d\n", task_number(call->call.id));
    return rc;
}

static void print_taken(struct weft_group *group, const struct search_call *wanted)
{
    struct weft_call *call;
    int number = task_number(wanted->call.id);

    if (weft_group_take(group, wanted->call.id, &call) < 0)
        printf("nothing of %d\n", number);
    else if (call->result < 0)
        printf("error of %d: %s\n", number, wanted->error);
    else
        printf("result of %d: %" PRId64 "\n", number, wanted->search.found);
}

static int one_search(struct search_call *call)
{
    struct weft_scope scope;
    struct weft_group group;
    struct weft_call *again;

    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_group_init(&group, &scope);
    int rc = weft_scope_exit(&scope, add(&group, call));
    print_taken(&group, call);
    printf("results left: %d\n", weft_group_take(&group, call->call.id, &again) == 0);
    return rc;
}

static int two_searches(struct search_call *failing, struct search_call *other)
{
    struct weft_scope scope;
    struct weft_group group;

    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_group_init(&group, &scope);
    int rc = add(&group, failing);
    rc = weft_scope_exit(&scope, rc < 0 ? rc : add(&group, other));
    print_taken(&group, failing);
    print_taken(&group, other);
    return rc;
}

static int program(void *arg)
{
    long digits = argument_number(arg, 1, 3);
    struct search_call calls[3];

    search_call_init(&calls[0], digits, 0);
    search_call_init(&calls[1], digits, argument_number(arg, 3, 4));
    search_call_init(&calls[2], argument_number(arg, 2, 2), 0);
    int rc = one_search(&calls[0]);
    return rc < 0 ? rc : two_searches(&calls[1], &calls[2]);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};

    return weft_main(program, &arguments);
}
