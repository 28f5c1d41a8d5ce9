/* SPDX-License-Identifier: MIT */
/*
 * test_wakeup.c: what other threads touch of a loop
 *
 * A table belongs to its loop's thread: of its entries other threads call the clock and write
 * alone (weft/sys.h, rule 3). The table here counts; the loop's thread waits meanwhile.
 */
#include "fault.h"
#include "test.h"

#include <pthread.h>
#include <weft/weft.h>

static struct weft_testing_faults fault;
static struct weft_loop *loop;
static int called;

static void count_call(void *arg)
{
    (void)arg;
    called++;
}

static void *call_and_wake(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        CHECK_OK(weft_loop_call_soon_threadsafe(loop, count_call, NULL));
        weft_loop_wake(loop);
    }
    return NULL;
}

TEST_EACH_ENGINE(other_threads_use_of_the_table_the_clock_and_write_alone)
{
    struct weft_loop_options options = {.size = sizeof options, .sys = &fault.sys};
    uint64_t before[WEFT_TESTING_CALLS];
    pthread_t thread;
    if (test_engine_is("sim"))
        SKIP("a simulated world has one thread");
    options.backend = test_engine();
    weft_testing_faults_init(&fault, &weft_sys_default);
    CHECK_OK(weft_loop_create(&options, &loop));
    for (int entry = 0; entry < WEFT_TESTING_CALLS; entry++)
        before[entry] = fault.calls[entry];
    CHECK_EQ(pthread_create(&thread, NULL, call_and_wake, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    for (int entry = 0; entry < WEFT_TESTING_CALLS; entry++)
        if (entry != WEFT_TESTING_CALL_CLOCK && entry != WEFT_TESTING_CALL_WRITE &&
            fault.calls[entry] != before[entry])
            FAIL("another thread called %s", weft_testing_call_name((enum weft_testing_call)entry));
    CHECK_EQ(called, 0);
    CHECK_OK(weft_loop_run(loop));
    CHECK_EQ(called, 100);
    CHECK_OK(weft_loop_free(loop));
}

static ssize_t refuse_to_write(const struct weft_sys *sys, int fd, const void *buf, size_t len)
{
    (void)sys, (void)fd, (void)buf, (void)len;
    errno = EAGAIN;
    return -EAGAIN;
}

TEST_EACH_ENGINE(a_signal_leaves_errno_alone_and_arrives_where_the_wake_is_refused)
{
    struct weft_sys sys = weft_sys_default;
    struct weft_loop_options options = {
        .size = sizeof options, .sys = &sys, .backend = test_engine()};
    if (test_engine_is("sim"))
        SKIP("a simulated world wakes nobody by a write");
    sys.write = refuse_to_write;
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_OK(weft_loop_add_signal(loop, SIGUSR1, count_call, NULL));
    errno = ENOTTY;
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(errno, ENOTTY);
    CHECK(weft_loop_step(loop, WEFT_FOREVER) >= 0);
    CHECK_EQ(called, 1);
    CHECK_OK(weft_loop_free(loop));
}

TEST_EACH_ENGINE(what_other_threads_scheduled_is_freed_with_the_loop)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    CHECK_OK(weft_loop_create(&options, &loop));
    (void)call_and_wake(NULL);
    CHECK_OK(weft_loop_free(loop));
    CHECK_EQ(called, 0);
}
