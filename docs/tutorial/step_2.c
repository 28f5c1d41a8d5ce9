/* SPDX-License-Identifier: MIT */
/*
 * step_2.c: functions beside each other
 *
 * weft_go starts a function as a task and comes back at once; weft_spawn gives a handle besides,
 * to join the task and get its result. Both put the task into a scope, and weft_scope_exit does not
 * return before every task in it has ended. The three tasks wait together, so all is done after
 * two seconds.
 */
#include <stdio.h>
#include <weft/weft.h>

static int say_after(weft_ns delay, const char *what)
{
    int rc = weft_sleep(delay);

    if (rc < 0)
        return rc;
    puts(what);
    return 0;
}
WEFT_TASK(say_after, weft_ns, const char *);

static int add_slowly(int a, int b)
{
    int rc = weft_sleep(1500 * WEFT_MS);

    return rc < 0 ? rc : a + b;
}
WEFT_TASK(add_slowly, int, int);

static int talk(struct weft_scope *scope)
{
    struct weft_task *adding;
    int sum, rc;

    weft_go(scope, say_after, 2 * WEFT_SEC, "world");
    weft_go(scope, say_after, 1 * WEFT_SEC, "hello");
    rc = weft_spawn(scope, &adding, add_slowly, 2, 3);
    if (rc == 0)
        rc = weft_join(adding, &sum);
    if (rc == 0)
        printf("2 + 3 = %d\n", sum);
    return rc;
}

static int program(void *unused)
{
    struct weft_scope scope;
    weft_ns start = weft_clock();

    (void)unused;
    weft_scope_enter(&scope, WEFT_FOREVER);
    int rc = weft_scope_exit(&scope, talk(&scope));
    printf("%.0f s\n", (double)(weft_clock() - start) / 1e9);
    return rc;
}

int main(void)
{
    return weft_main(program, NULL);
}
