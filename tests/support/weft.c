/* SPDX-License-Identifier: MIT */
/*
 * weft.c: what the runner asks of the library itself
 *
 * Whether an engine can be used on this machine. Before a test that asks for an engine we make a
 * loop as the test will, by WEFT_BACKEND alone, and look at the engine in force: a suite that
 * silently ran on another engine would prove nothing.
 */
#include "internal.h"
#include <string.h>
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
