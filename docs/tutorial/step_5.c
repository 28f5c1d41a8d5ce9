/* SPDX-License-Identifier: MIT */
/*
 * step_5.c: when something fails
 *
 * Three tasks work together; after a second one of them fails. That cancels the other two: their
 * waits return -ECANCELED, now and for as long as the scope lives, so they leave. One of them has
 * something to put away and needs to wait for it; a shield lets it, for a limited time. The scope's
 * exit returns the failure, and who failed, where and why is kept with it.
 */
#include <stdio.h>
#include <weft/weft.h>

static int put_away(const char *what)
{
    struct weft_scope shield;

    weft_shield_enter(&shield, 1 * WEFT_SEC);
    int rc = weft_sleep(100 * WEFT_MS);
    if (rc == 0)
        printf("%s is put away\n", what);
    return weft_scope_exit(&shield, rc);
}

static int work(const char *tool)
{
    int rc = weft_sleep(1 * WEFT_MIN);

    printf("work with the %s: %s\n", tool, weft_strerrorname(rc));
    int put_rc = put_away(tool);
    return rc < 0 ? rc : put_rc;
}
WEFT_TASK(work, const char *);

static int stumble(int step)
{
    int rc = weft_sleep(step * WEFT_SEC);

    return rc < 0 ? rc : weft_fail(-EPROTO, "step %d is missing", step);
}
WEFT_TASK(stumble, int);

static int program(void *unused)
{
    struct weft_scope scope;

    (void)unused;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, work, "saw");
    weft_go(&scope, stumble, 1);
    int rc = weft_sleep(1 * WEFT_MIN);
    printf("the body: %s\n", weft_strerrorname(rc));
    rc = weft_scope_exit(&scope, rc);

    const struct weft_failure *failure = weft_scope_failure(&scope);
    if (failure)
        printf("%s failed with %s: %s\n", failure->task, weft_strerrorname(failure->code),
               failure->text);
    return rc == -EPROTO ? 0 : rc;
}

int main(void)
{
    return weft_main(program, NULL);
}
