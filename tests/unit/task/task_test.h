/* SPDX-License-Identifier: MIT */
/*
 * task_test.h: what the tests of tasks and scopes share
 *
 *     TASK_TEST(a_child_ends_before_its_scope)
 *     {
 *         ... runs as a task, once on each engine
 *     }
 *
 * The body is the program of weft_loop_run_task on a fresh loop, so that nothing of the process is
 * touched; a loop that cannot be freed afterwards fails the test.
 */
#ifndef TASK_TEST_H
#define TASK_TEST_H

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "machine/stack_slab.h"

/** Runs `program` as a task on the engine of this test and gives its code. */
static inline int run_program(int (*program)(void *arg))
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_loop *loop = NULL;

    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_STR(weft_loop_backend(loop), test_engine());
    int rc = weft_loop_run_task(loop, program, NULL);
    CHECK_EQ(weft_loop_free(loop), 0);
    return rc;
}

/** Where guards are mappings, of which a process may have some 65,000, a crowd goes without. */
static inline void let_crowds_in(void)
{
    if (weft__guard_of_process() == WEFT__GUARD_MPROTECT)
        CHECK_EQ(setenv("WEFT_GUARD", "none", 1), 0);
}

/** A test whose body runs as a task, once on each engine. */
#define TASK_TEST(name) TASK_TEST_AFTER((void)0, name)

/** The same with more tasks at once than there may be mappings. */
#define CROWD_TEST(name) TASK_TEST_AFTER(let_crowds_in(), name)

#define TASK_TEST_AFTER(preparation, name)                                                         \
    static void name##_body(void);                                                                 \
    static int name##_program(void *arg)                                                           \
    {                                                                                              \
        (void)arg;                                                                                 \
        name##_body();                                                                             \
        return 0;                                                                                  \
    }                                                                                              \
    TEST_EACH_ENGINE(name)                                                                         \
    {                                                                                              \
        preparation;                                                                               \
        CHECK_EQ(run_program(name##_program), 0);                                                  \
    }                                                                                              \
    static void name##_body(void)

/** Lets all other tasks run until they wait. */
static inline void settle(void)
{
    for (int i = 0; i < 10; i++)
        CHECK_EQ(weft_yield(), 0);
}

/** What happened, in order, as letters. */
static char trail[256];

/** Notes a letter. */
static inline void note(char letter)
{
    size_t len = strlen(trail);
    CHECK(len + 1 < sizeof trail);
    trail[len] = letter;
    trail[len + 1] = '\0';
}

#endif
