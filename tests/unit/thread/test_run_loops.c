/* SPDX-License-Identifier: MIT */
/*
 * test_run_loops.c: one program on several loops
 *
 * Each test states one sentence of weft_run_loops: who runs where, whose failure ends whom, and
 * what a signal does. The loops meet at a counter that all have to reach, never by time.
 */
#include "thread_test.h"

#include <signal.h>
#include <sys/wait.h>

enum { LOOPS = 4 };

static struct weft_run_options engine_options(void)
{
    struct weft_run_options options = {.size = sizeof options, .flags = WEFT_RUN_BARE};
    options.loop.size = sizeof options.loop;
    options.loop.backend = test_engine();
    return options;
}

static int run_loops(unsigned count, weft_loops_fn *program, void *arg)
{
    struct weft_run_options options = engine_options();
    test_uses_threads_where_there_are_any();
    return weft_run_loops(count, &options, program, arg);
}

/** What the programs saw. */
struct seen {
    /** Their loops. */
    struct weft_loop *loops[LOOPS];
    /** Their threads. */
    pthread_t threads[LOOPS];
    /** How many have come. */
    atomic_int come;
};

/** Comes, and waits until all have come, also when the first of them has called all off by then. */
static void meet(struct seen *seen)
{
    atomic_fetch_add(&seen->come, 1);
    while (seen->come < LOOPS)
        if (weft_sleep(WEFT_MS) < 0)
            usleep(1000);
}

static int look(unsigned index, void *arg)
{
    struct seen *seen = arg;
    seen->loops[index] = weft_loop_current();
    seen->threads[index] = pthread_self();
    /* All run at the same time: nobody leaves before everybody has come. */
    meet(seen);
    return (int)index + 10;
}

TEST_EACH_ENGINE(every_loop_has_a_thread_of_its_own)
{
    struct seen seen = {.come = 0};
    CHECK_EQ(run_loops(LOOPS, look, &seen), 10); /* the code of the first */
    CHECK_EQ(seen.come, LOOPS);
    CHECK(pthread_equal(seen.threads[0], pthread_self()));
    for (int i = 1; i < LOOPS; i++)
        for (int j = 0; j < i; j++) {
            CHECK(seen.loops[i] != seen.loops[j]);
            CHECK(!pthread_equal(seen.threads[i], seen.threads[j]));
        }
}

static int return_at_once(unsigned index, void *arg)
{
    (void)arg;
    return (int)index;
}

TEST_EACH_ENGINE(one_loop_needs_no_thread)
{
    CHECK_EQ(run_loops(1, return_at_once, NULL), 0);
    CHECK_ERR(run_loops(0, return_at_once, NULL), -EINVAL);
}

static atomic_int cancelled;

static int fail_third(unsigned index, void *arg)
{
    struct seen *seen = arg;
    meet(seen);
    if (index == 2)
        return -EPROTO;
    int rc = weft_sleep(WEFT_FOREVER);
    atomic_fetch_add(&cancelled, rc == -ECANCELED);
    return rc;
}

TEST_EACH_ENGINE(the_first_failure_cancels_all_others)
{
    struct seen seen = {.come = 0};
    test_needs_another_thread(); /* a sleeper there is a deadlock */
    CHECK_ERR(run_loops(LOOPS, fail_third, &seen), -EPROTO);
    CHECK_EQ(cancelled, LOOPS - 1);
}

static int end_one_by_one(unsigned index, void *arg)
{
    struct seen *seen = arg;
    WAIT_FOR(seen->come == (int)index);
    atomic_fetch_add(&seen->come, 1);
    return 0;
}

TEST_EACH_ENGINE(one_that_is_done_leaves_the_others_alone)
{
    struct seen seen = {.come = 0};
    CHECK_EQ(run_loops(LOOPS, end_one_by_one, &seen), 0);
    CHECK_EQ(seen.come, LOOPS);
}

static int interrupt_all(unsigned index, void *arg)
{
    struct seen *seen = arg;
    meet(seen);
    if (index == 0)
        weft_scope_cancel(weft_root(NULL), 0);
    int rc = weft_sleep(WEFT_FOREVER);
    atomic_fetch_add(&cancelled, rc == -ECANCELED);
    return index == 0 ? 0 : rc; /* a server that leaves in peace; the others need not */
}

TEST_EACH_ENGINE(a_cancellation_of_the_first_loop_reaches_all)
{
    struct seen seen = {.come = 0};
    test_needs_another_thread();
    CHECK_EQ(run_loops(LOOPS, interrupt_all, &seen), 0);
    CHECK_EQ(cancelled, LOOPS);
}

static int wait_for_signal(unsigned index, void *arg)
{
    struct seen *seen = arg;
    meet(seen);
    if (index == 1)
        kill(getpid(), SIGTERM);
    CHECK_ERR(weft_sleep(WEFT_FOREVER), -ECANCELED);
    return 0;
}

/** Does not wait until the first loop runs. */
static int send_signal(unsigned index, void *arg)
{
    (void)arg;
    if (index == 1)
        kill(getpid(), SIGTERM);
    CHECK_ERR(weft_sleep(WEFT_FOREVER), -ECANCELED);
    return 0;
}

static void run_until_signal(weft_loops_fn *program)
{
    struct seen seen = {.come = 0};
#ifdef __SANITIZE_THREAD__
    SKIP("ThreadSanitizer delivers no signal to a thread that sleeps in a system call it does not "
         "know");
#endif
    signal(SIGTERM, SIG_DFL);
    CHECK_EQ(weft_run_loops(LOOPS, NULL, program, &seen), 0);
}

TEST(sigterm_ends_all_loops)
{
    run_until_signal(wait_for_signal);
}

TEST(sigterm_ends_all_loops_from_the_first_moment_of_any_of_them)
{
    run_until_signal(send_signal);
}

static int allowed;

static int refuse_thread(const struct weft_sys *sys, size_t stack_size, void *(*fn)(void *arg),
                         void *arg, uintptr_t *ret)
{
    (void)sys;
    if (allowed-- <= 0)
        return -EAGAIN;
    return weft_sys_default.thread_create(&weft_sys_default, stack_size, fn, arg, ret);
}

static int sleep_for_ever(unsigned index, void *arg)
{
    (void)index, (void)arg;
    int rc = weft_sleep(WEFT_FOREVER);
    atomic_fetch_add(&cancelled, rc == -ECANCELED);
    return rc;
}

TEST(a_thread_that_cannot_be_made_calls_all_off)
{
    struct weft_sys sys = weft_sys_default;
    struct weft_run_options options = {.size = sizeof options, .flags = WEFT_RUN_BARE};
    sys.thread_create = refuse_thread;
    options.loop.size = sizeof options.loop;
    options.loop.sys = &sys;
    allowed = 2;
    CHECK_ERR(weft_run_loops(LOOPS, &options, sleep_for_ever, NULL), -EAGAIN);
    CHECK_EQ(cancelled, 2);
}

TEST(without_memory_no_loop_is_run)
{
    test_out_of_memory(true);
    int rc = weft_run_loops(LOOPS, NULL, return_at_once, NULL);
    test_out_of_memory(false);
    CHECK_ERR(rc, -ENOMEM);
}

static int nested(void *arg)
{
    (void)arg;
    return weft_run_loops(2, NULL, return_at_once, NULL);
}

TEST_EACH_ENGINE(loops_are_not_run_inside_a_task)
{
    CHECK_ERR(run_program(nested, NULL), -EDEADLK);
}
