/* SPDX-License-Identifier: MIT */
/*
 * task_body.h: tests whose body runs as a task
 *
 *     ENGINE_TASK_TEST(a_child_says_hello)     on each engine, in a loop of its own
 *     WORLD_TEST(an_hour_passes)               once, in a simulated world
 */
#ifndef TEST_SUPPORT_TASK_BODY_H
#define TEST_SUPPORT_TASK_BODY_H

#include "test.h"

#include <weft/testing.h>
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
#define ENGINE_TASK_TEST(name)                                                                     \
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

/** A test in a world of its own, with a virtual clock. */
#define WORLD_TEST(name)                                                                           \
    static void name##_body(void);                                                                 \
    static int name##_program(void *arg)                                                           \
    {                                                                                              \
        (void)arg;                                                                                 \
        name##_body();                                                                             \
        return 0;                                                                                  \
    }                                                                                              \
    TEST(name)                                                                                     \
    {                                                                                              \
        CHECK_EQ(weft_testing_run(NULL, name##_program, NULL), 0);                                 \
    }                                                                                              \
    static void name##_body(void)

#endif
