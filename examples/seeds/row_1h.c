/* SPDX-License-Identifier: MIT */
/*
 * row_1h.c: scopes, after the essay on structured concurrency that "asyncio" links
 *
 * A scope does not end before its tasks, also when its body has; the first failure cancels the
 * others and is reported with its sentence; a deadline holds for everything inside, and the
 * outcome says that it was the deadline. The essay has no program of its own; Python's TaskGroup
 * and timeout, which were made after it, are the measure.
 *
 *     row_1h [first [second [deadline]]]     (seconds)
 */
#include "seed.h"

#define LONG (100 * WEFT_SEC)

static int worker(const char *name, weft_ns delay, int fails)
{
    int rc = weft_sleep(delay);

    if (rc < 0) {
        printf("%s is cancelled\n", name);
        return rc;
    }
    if (fails) {
        printf("%s fails\n", name);
        return weft_fail(-EINVAL, "%s gave up", name);
    }
    printf("%s is done\n", name);
    return 0;
}
WEFT_TASK(worker, const char *, weft_ns, int);

static void report(const struct weft_scope *scope, int outcome, weft_ns start)
{
    const struct weft_failure *failure = weft_scope_failure(scope);

    if (outcome == -ETIMEDOUT)
        puts("scope: out of time");
    else
        printf("scope: %s\n", failure ? failure->text : "all done");
    print_seconds_since(start);
}

static int all_is_well(weft_ns first, weft_ns second)
{
    struct weft_scope scope;
    weft_ns start = weft_clock();

    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, worker, "a", first, 0);
    weft_go(&scope, worker, "b", second, 0);
    puts("the body has ended, the scope has not");
    int rc = weft_scope_exit(&scope, 0);
    report(&scope, rc, start);
    return rc;
}

static int one_fails(weft_ns first)
{
    struct weft_scope scope;
    weft_ns start = weft_clock();

    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, worker, "c", first, 1);
    weft_go(&scope, worker, "d", LONG, 0);
    int rc = weft_scope_exit(&scope, 0);
    report(&scope, rc, start);
    return rc == -EINVAL ? 0 : rc;
}

static int too_late(weft_ns first, weft_ns deadline)
{
    struct weft_scope scope;
    weft_ns start = weft_clock();

    weft_scope_enter(&scope, deadline);
    weft_go(&scope, worker, "e", first, 0);
    weft_go(&scope, worker, "f", LONG, 0);
    int rc = weft_scope_exit(&scope, 0);
    report(&scope, rc, start);
    return rc == -ETIMEDOUT ? 0 : rc;
}

static int program(void *arg)
{
    weft_ns first = argument_number(arg, 1, 1) * WEFT_SEC;
    int rc = all_is_well(first, argument_number(arg, 2, 2) * WEFT_SEC);

    rc = rc < 0 ? rc : one_fails(first);
    return rc < 0 ? rc : too_late(first, argument_number(arg, 3, 3) * WEFT_SEC);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};

    return weft_main(program, &arguments);
}
