/* SPDX-License-Identifier: MIT */
/*
 * weft.c: what the runner asks of the library itself
 *
 * Two things: whether an engine can be used on this machine, and which tasks a test left alive.
 * Before a test that asks for an engine we make a loop as the test will, by WEFT_BACKEND alone, and
 * look at the engine in force: a suite that silently ran on another engine would prove nothing.
 * Afterwards the library's own list of runtimes, which exists for debuggers, tells of loops that
 * were not freed and of tasks in them; the dump says what each of these waits for.
 */
#include "internal.h"
#include "task/internal.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

/* Weak, so that a program that tests an engine's refusal can answer for itself. */
__attribute__((weak)) const char *test_engine_skip(const char *engine)
{
    const struct weft_loop_options options = {.size = sizeof options, .backend = engine};
    struct weft_loop *loop;
    int rc = weft_loop_create(&options, &loop);

    if (rc == -ENOSYS || rc == -EPERM)
        return test_engine_refused(engine);
    CHECK_OK(rc);
    CHECK_OK(weft_loop_free(loop));
    CHECK_OK(weft_loop_create(NULL, &loop));
    if (strcmp(weft_loop_backend(loop), engine) != 0)
        FAIL("WEFT_BACKEND asks for %s, but %s is in force: %s", engine, weft_loop_backend(loop),
             weft_loop_backend_reason(loop));
    CHECK_OK(weft_loop_free(loop));
    return NULL;
}

int test_report_tasks(void)
{
    struct weft_link *link;
    int found = 0;

    for (link = weft__runtimes.next; link != &weft__runtimes; link = link->next) {
        struct weft__runtime *runtime = weft__container(link, struct weft__runtime, link);

        found++;
        dprintf(STDERR_FILENO, "leak: a loop with %zu living tasks is not freed\n", runtime->alive);
        if (runtime->alive > 0)
            weft_dump(runtime->loop, STDERR_FILENO);
    }
    return found;
}
