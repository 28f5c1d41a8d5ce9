/* SPDX-License-Identifier: MIT */
/*
 * thread_test.h: what the tests of threads share
 *
 *     THREAD_TEST(a_job_runs_on_another_thread)
 *     {
 *         ... runs as a task, once on each engine
 *     }
 *
 * A gate holds jobs up until the test opens it, so that no test depends on how fast a thread is.
 * Where another thread cannot run, a test that needs one begins with test_needs_another_thread().
 */
#ifndef THREAD_TEST_H
#define THREAD_TEST_H

#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/testing.h>
#include <weft/weft.h>

#define MAYBE_UNUSED __attribute__((unused))
#define NOT_RETURNED 1234

/** Runs `program` as a task on the engine of this test and gives its code. */
MAYBE_UNUSED static int run_program(int (*program)(void *arg), void *arg)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_loop *loop = NULL;

    test_uses_threads_where_there_are_any();
    CHECK_OK(weft_loop_create(&options, &loop));
    int rc = weft_loop_run_task(loop, program, arg);
    CHECK_EQ(weft_loop_free(loop), 0);
    return rc;
}

/** A test whose body runs as a task, once on each engine. */
#define THREAD_TEST(name)                                                                          \
    static void name##_body(void);                                                                 \
    static int name##_program(void *arg)                                                           \
    {                                                                                              \
        (void)arg;                                                                                 \
        name##_body();                                                                             \
        return 0;                                                                                  \
    }                                                                                              \
    TEST_EACH_ENGINE(name)                                                                         \
    {                                                                                              \
        CHECK_EQ(run_program(name##_program, NULL), 0);                                            \
    }                                                                                              \
    static void name##_body(void)

/** Something that jobs wait for, and that counts who has come. */
struct gate {
    /** Guards the rest. */
    pthread_mutex_t lock;
    /** It was opened. */
    pthread_cond_t opened;
    /** It is open. */
    bool open;
    /** How many have come to it. */
    atomic_int come;
};

#define GATE_INIT                                                                                  \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0                              \
    }

/** A job: waits until the gate is open. Returns 7. */
MAYBE_UNUSED static int wait_at_gate(void *arg)
{
    struct gate *gate = arg;
    atomic_fetch_add(&gate->come, 1);
    pthread_mutex_lock(&gate->lock);
    while (!gate->open)
        pthread_cond_wait(&gate->opened, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
    return 7;
}

MAYBE_UNUSED static void open_gate(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_broadcast(&gate->opened);
    pthread_mutex_unlock(&gate->lock);
}

/** Waits until something that another thread does has been done. */
#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        while (!(condition))                                                                       \
            CHECK_EQ(weft_sleep(WEFT_MS), 0);                                                      \
    } while (0)

/** Waits until so many jobs have come to the gate. */
#define WAIT_UNTIL_COME(gate, count) WAIT_FOR(atomic_load(&(gate)->come) >= (count))

MAYBE_UNUSED static struct weft_pool_stats stats_of(struct weft_pool *pool)
{
    struct weft_pool_stats stats;
    weft_pool_get_stats(pool, &stats);
    return stats;
}

/** The loop's default pool. */
MAYBE_UNUSED static struct weft_pool *default_pool(void)
{
    struct weft_pool *pool = NULL;
    CHECK_OK(weft_pool_default(weft_loop_current(), &pool));
    return pool;
}

#endif
