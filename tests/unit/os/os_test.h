/* SPDX-License-Identifier: MIT */
/*
 * os_test.h: what the tests of os share
 *
 *     OS_TEST(a_child_says_hello)
 *     {
 *         ... runs as a task of a loop with the engine of this run
 *     }
 */
#ifndef OS_TEST_H
#define OS_TEST_H

#include "test.h"

#include <weft/weft.h>

/** Runs `program` as a task on the engine of this test. */
static inline void run_on_engine(int (*program)(void *arg))
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_loop *loop = NULL;

    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_STR(weft_loop_backend(loop), test_engine());
    CHECK_EQ(weft_loop_run_task(loop, program, NULL), 0);
    CHECK_EQ(weft_loop_free(loop), 0);
}

/** A test whose body runs as a task, once on each engine. */
#define OS_TEST(name)                                                                              \
    static void name##_body(void);                                                                 \
    static int name##_program(void *arg)                                                           \
    {                                                                                              \
        (void)arg;                                                                                 \
        name##_body();                                                                             \
        return 0;                                                                                  \
    }                                                                                              \
    TEST_EACH_ENGINE(name)                                                                         \
    {                                                                                              \
        run_on_engine(name##_program);                                                             \
    }                                                                                              \
    static void name##_body(void)

#endif
