/* SPDX-License-Identifier: MIT */
/*
 * test_process.c: the calls that touch the process fail
 *
 * Dispositions of signals, alternate stacks and the hook of fork belong to the process and not to a
 * loop, but are reached through the table of the loop that asks. Each such call of a program fails
 * in turn. What is a convenience of weft_run is then missing, and the program runs all the same;
 * what a program asked for itself is an error; and afterwards everything is as it was before.
 */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <weft/weft.h>

/** The table under test: the real one, but for one call. */
static struct weft_sys table;
/** How many calls of the three kinds were made, and which one fails: 0 none. */
static int made, failing;
/** With which error. */
static int code;

static int strike(void)
{
    return ++made == failing ? -code : 0;
}

static int count_sigaction(const struct weft_sys *sys, int signal, const struct sigaction *action,
                           struct sigaction *ret_old)
{
    int rc = strike();
    (void)sys;
    return rc < 0 ? rc : weft_sys_default.sigaction(&weft_sys_default, signal, action, ret_old);
}

static int count_sigaltstack(const struct weft_sys *sys, const void *stack, void *ret_old)
{
    int rc = strike();
    (void)sys;
    return rc < 0 ? rc : weft_sys_default.sigaltstack(&weft_sys_default, stack, ret_old);
}

static int count_atfork(const struct weft_sys *sys, void (*prepare)(void), void (*parent)(void),
                        void (*child)(void))
{
    int rc = strike();
    (void)sys;
    return rc < 0 ? rc : weft_sys_default.atfork(&weft_sys_default, prepare, parent, child);
}

static void wrap(int nth, int error)
{
    table = weft_sys_default;
    table.sigaction = count_sigaction;
    table.sigaltstack = count_sigaltstack;
    table.atfork = count_atfork;
    made = 0;
    failing = nth;
    code = error;
}

static const int touched[] = {SIGINT, SIGTERM, SIGQUIT, SIGPIPE, SIGSEGV, SIGUSR1};
enum { TOUCHED_COUNT = sizeof touched / sizeof *touched };

static void set_all_to_default(void)
{
    for (int i = 0; i < TOUCHED_COUNT; i++)
        CHECK(signal(touched[i], SIG_DFL) != SIG_ERR);
}

/** How many of the dispositions are not the default. */
static int left_behind(void)
{
    int left = 0;
    for (int i = 0; i < TOUCHED_COUNT; i++) {
        struct sigaction now;
        CHECK_EQ(sigaction(touched[i], NULL, &now), 0);
        left += (now.sa_flags & SA_SIGINFO) || now.sa_handler != SIG_DFL;
    }
    return left;
}

/** Takes away an alternate stack that could not be taken away; `before` was there before. */
static void drop_alternate_stack(const stack_t *before)
{
    stack_t now;
    CHECK_EQ(sigaltstack(NULL, &now), 0);
    if (now.ss_flags & SS_DISABLE || now.ss_sp == before->ss_sp)
        return;
    CHECK_EQ(sigaltstack(before, NULL), 0);
    CHECK_EQ(munmap(now.ss_sp, now.ss_size), 0);
}

static int sleep_and_answer(void *arg)
{
    (void)arg;
    int rc = weft_sleep(WEFT_MS);
    return rc < 0 ? rc : 7;
}

static int run_program(void)
{
    struct weft_run_options options = {
        .size = sizeof options,
        .loop = {.size = sizeof options.loop, .sys = &table, .backend = test_engine()}};
    return weft_run_with(&options, sleep_and_answer, NULL);
}

TEST_EACH_ENGINE(a_run_without_one_of_its_conveniences_runs)
{
    static const int codes[] = {EINVAL, ENOMEM, EPERM};
    stack_t before;
    if (test_engine_is("sim"))
        SKIP("a simulated world has a table of its own");
    CHECK_EQ(sigaltstack(NULL, &before), 0);
    set_all_to_default();
    wrap(0, 0);
    CHECK_EQ(run_program(), 7);
    CHECK_EQ(left_behind(), 0);
    int calls = made;
    CHECK(calls > 15);
    for (int i = 0; i < 3 * calls; i++) {
        wrap(1 + i % calls, codes[i / calls]);
        CHECK_EQ(run_program(), 7);
        /* What could not be put back, or not be looked at to put it back, stays. */
        CHECK(left_behind() <= 1);
        set_all_to_default();
        drop_alternate_stack(&before);
    }
}

static void never(void *arg)
{
    (void)arg;
    FAIL("a signal came that nobody sent");
}

TEST_EACH_ENGINE(a_signal_that_cannot_be_caught_is_an_error_and_can_be_asked_for_again)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_loop *loop = NULL;
    if (test_engine_is("sim"))
        SKIP("a simulated world has a table of its own");
    set_all_to_default();
    wrap(0, 0);
    options.sys = &table;
    CHECK_OK(weft_loop_create(&options, &loop));
    wrap(1, EINVAL);
    CHECK_ERR(weft_loop_add_signal(loop, SIGUSR1, never, NULL), -EINVAL);
    CHECK_EQ(weft_loop_remove_signal(loop, SIGUSR1), 0);
    CHECK_EQ(left_behind(), 0);
    CHECK_OK(weft_loop_add_signal(loop, SIGUSR1, never, NULL));
    CHECK_EQ(left_behind(), 1);
    CHECK_OK(weft_loop_free(loop));
    CHECK_EQ(left_behind(), 0);
}

/* The hook is asked for once in a process; a test without an engine has made no loop yet. */
TEST(a_loop_without_its_hook_of_fork_is_not_made_and_the_next_one_asks_again)
{
    struct weft_loop_options options = {.size = sizeof options, .sys = &table};
    struct weft_loop *loop = NULL;
    wrap(1, ENOMEM);
    CHECK_ERR(weft_loop_create(&options, &loop), -ENOMEM);
    CHECK(!loop);
    CHECK_EQ(made, 1);
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_EQ(made, 2);
    CHECK_OK(weft_loop_free(loop));
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_EQ(made, 2);
    CHECK_OK(weft_loop_free(loop));
}
