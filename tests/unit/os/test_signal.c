/* SPDX-License-Identifier: MIT */
/*
 * test_signal.c: sets of signals that tasks wait on
 *
 * The signals are raised by the test itself, at a known point, so that nothing depends on time.
 * What a signal does that nobody took is seen in a child, or by a handler of the test's own.
 */
#include "os_test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/** How often the program's own handler ran, and for which signal last. */
static volatile sig_atomic_t handled, handled_signal;

static void own_handler(int signal)
{
    handled++;
    handled_signal = signal;
}

static void set_handler(int signal, void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    CHECK_EQ(sigaction(signal, &action, NULL), 0);
}

static void (*handler_of(int signal))(int)
{
    struct sigaction action;
    CHECK_EQ(sigaction(signal, NULL, &action), 0);
    return action.sa_handler;
}

static struct weft_signals *open_one(struct weft_scope *scope, int signal)
{
    struct weft_signals *signals = NULL;
    CHECK_OK(weft_signals_open(scope, &signal, 1, &signals));
    return signals;
}

OS_TEST(the_next_of_a_set_is_what_arrived)
{
    static const int wanted[] = {SIGUSR1, SIGUSR2, SIGUSR1};
    struct weft_scope scope;
    struct weft_signals *signals;
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_signals_open(&scope, wanted, 3, &signals));
    raise(SIGUSR2);
    CHECK_EQ(weft_signals_next(signals), SIGUSR2);
    raise(SIGUSR1);
    CHECK_EQ(weft_signals_next(signals), SIGUSR1);
    CHECK_ERR(weft_signals_try_next(signals), -EAGAIN);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

OS_TEST(the_end_of_the_scope_puts_the_dispositions_back)
{
    struct weft_scope scope;
    set_handler(SIGUSR1, own_handler);
    weft_scope_enter(&scope, WEFT_FOREVER);
    (void)open_one(&scope, SIGUSR1);
    (void)open_one(&scope, SIGUSR2);
    CHECK(handler_of(SIGUSR1) != own_handler);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK(handler_of(SIGUSR1) == own_handler);
    CHECK(handler_of(SIGUSR2) == SIG_DFL);
    raise(SIGUSR1);
    CHECK_EQ(handled, 1);
}

OS_TEST(a_set_that_is_closed_early_is_not_closed_again_by_its_scope)
{
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_signals *signals = open_one(&scope, SIGUSR1);
    weft_signals_close(signals);
    weft_signals_close(NULL);
    CHECK(handler_of(SIGUSR1) == SIG_DFL);
    (void)open_one(&scope, SIGUSR1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK(handler_of(SIGUSR1) == SIG_DFL);
}

OS_TEST(what_nobody_took_is_raised_again_at_the_close)
{
    struct weft_scope scope;
    set_handler(SIGUSR1, own_handler);
    weft_scope_enter(&scope, WEFT_FOREVER);
    (void)open_one(&scope, SIGUSR1);
    raise(SIGUSR1);
    CHECK_EQ(handled, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(handled, 1);
    /* And when a turn has brought it to the set already. */
    weft_scope_enter(&scope, WEFT_FOREVER);
    (void)open_one(&scope, SIGUSR1);
    raise(SIGUSR1);
    CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(handled, 1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(handled, 2);
}

OS_TEST(what_somebody_took_is_not_raised_again)
{
    struct weft_scope scope;
    set_handler(SIGUSR1, own_handler);
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_signals *first = open_one(&scope, SIGUSR1);
    (void)open_one(&scope, SIGUSR1);
    raise(SIGUSR1);
    CHECK_EQ(weft_signals_next(first), SIGUSR1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(handled, 0);
}

static int wait_for_one(void *arg)
{
    int signal = weft_signals_next(arg);
    return signal < 0 ? signal : 0;
}

static void settle(void)
{
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_yield(), 0);
}

OS_TEST(each_arrival_wakes_the_waiter_that_came_first)
{
    struct weft_scope scope;
    struct weft_task *first, *second;
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_signals *signals = open_one(&scope, SIGUSR1);
    CHECK_OK(weft_spawn_fn(&scope, &first, wait_for_one, signals));
    CHECK_OK(weft_spawn_fn(&scope, &second, wait_for_one, signals));
    settle();
    raise(SIGUSR1);
    CHECK_OK(weft_join(first, NULL));
    settle();
    CHECK(!weft_task_ended(second));
    raise(SIGUSR1);
    CHECK_OK(weft_join(second, NULL));
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

OS_TEST(several_sets_get_one_signal_and_so_does_a_callback)
{
    struct weft_scope scope;
    struct weft_event called;
    weft_event_init(&called);
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_signals *one = open_one(&scope, SIGUSR1);
    struct weft_signals *two = open_one(&scope, SIGUSR1);
    weft_callback_fn *set = (weft_callback_fn *)(uintptr_t)weft_event_set;
    CHECK_OK(weft_loop_add_signal(weft_loop_current(), SIGUSR1, set, &called));
    raise(SIGUSR1);
    CHECK_EQ(weft_signals_next(one), SIGUSR1);
    CHECK_EQ(weft_signals_next(two), SIGUSR1);
    CHECK_EQ(weft_event_wait(&called), 0);
    CHECK_EQ(weft_loop_remove_signal(weft_loop_current(), SIGUSR1), 1);
    raise(SIGUSR1);
    CHECK_EQ(weft_signals_next(one), SIGUSR1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

OS_TEST(a_wait_for_a_signal_is_cancelled_and_has_a_deadline)
{
    struct weft_scope scope;
    struct weft_task *task;
    int result;
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_signals *signals = open_one(&scope, SIGUSR1);
    CHECK_ERR(weft_within(WEFT_MS, weft_signals_next(signals)), -ETIMEDOUT);
    CHECK_OK(weft_spawn_fn(&scope, &task, wait_for_one, signals));
    settle();
    weft_task_cancel(task);
    CHECK_OK(weft_join(task, &result));
    CHECK_ERR(result, -ECANCELED);
    raise(SIGUSR1);
    CHECK_EQ(weft_signals_next(signals), SIGUSR1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

OS_TEST(who_waits_on_a_set_that_is_closed_is_told)
{
    struct weft_scope scope;
    struct weft_task *task;
    int result;
    weft_scope_enter_policy(&scope, WEFT_FOREVER, WEFT_COLLECT);
    struct weft_signals *signals = open_one(&scope, SIGUSR1);
    CHECK_OK(weft_spawn_fn(&scope, &task, wait_for_one, signals));
    settle();
    weft_signals_close(signals);
    CHECK_OK(weft_join(task, &result));
    CHECK_ERR(result, -WEFT_ECLOSED);
    CHECK_ERR(weft_scope_exit(&scope, 0), -WEFT_ECLOSED);
}

OS_TEST(a_signal_can_be_a_case_of_a_select)
{
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_signals *signals = open_one(&scope, SIGUSR1);
    struct weft_case cases[] = {weft_case_signal(signals), weft_case_at(weft_after(WEFT_MS))};
    CHECK_EQ(weft_select_ordered(cases, 2), 1);
    cases[1] = weft_case_never();
    raise(SIGUSR1);
    CHECK_EQ(weft_select_ordered(cases, 2), 0);
    CHECK_EQ(cases[0].result, SIGUSR1);
    raise(SIGUSR1);
    settle();
    CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(weft_try_select(cases, 2), 0);
    CHECK_EQ(cases[0].result, SIGUSR1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

OS_TEST(the_last_signal_there_is_can_be_waited_for)
{
#ifdef WEFT_VALGRIND
    SKIP("Valgrind keeps the last signal for itself");
#endif
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_signals *first = open_one(&scope, SIGRTMIN);
    struct weft_signals *last = open_one(&scope, SIGRTMAX);
    raise(SIGRTMAX);
    raise(SIGRTMIN);
    CHECK_EQ(weft_signals_next(last), SIGRTMAX);
    CHECK_EQ(weft_signals_next(first), SIGRTMIN);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

OS_TEST(a_set_that_cannot_be_opened_changes_nothing_and_says_why)
{
    static const int impossible[] = {SIGUSR1, SIGKILL};
    struct weft_scope scope;
    struct weft_signals *signals = NULL;
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_ERR(weft_signals_open(&scope, impossible, 2, &signals), -EINVAL);
    CHECK_CONTAINS(weft_note(), "signal 9 cannot be opened");
    CHECK_ERR(weft_signals_open(&scope, impossible, 0, &signals), -EINVAL);
    CHECK_ERR(weft_signals_open(&scope, impossible, SIZE_MAX, &signals), -EINVAL);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_ERR(weft_signals_open(&scope, impossible, 1, &signals), -EINVAL);
    CHECK(signals == NULL);
    CHECK(handler_of(SIGUSR1) == SIG_DFL);
}

static int wait_for_next(void *arg)
{
    return weft_signals_next(arg) > 0 ? 0 : -EPROTO;
}

OS_TEST(a_dump_says_which_signals_a_task_waits_for)
{
    static const int two[] = {SIGUSR1, SIGUSR2};
    struct weft_scope scope;
    struct weft_signals *signals;
    char text[4096] = "", expected[64];
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_signals_open(&scope, two, 2, &signals));
    CHECK_OK(weft_go_fn(&scope, wait_for_next, signals));
    CHECK_OK(weft_yield());
    weft_dump(weft_loop_current(), ends[1]);
    CHECK(read(ends[0], text, sizeof text - 1) > 0);
    snprintf(expected, sizeof expected, "for signal %d or %d", SIGUSR1, SIGUSR2);
    CHECK_CONTAINS(text, expected);
    raise(SIGUSR1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(close(ends[0]), 0);
    CHECK_EQ(close(ends[1]), 0);
}

OS_TEST(one_call_waits_for_one_signal)
{
    CHECK_ERR(weft_within(WEFT_MS, weft_signal_wait(SIGUSR1)), -ETIMEDOUT);
    CHECK(handler_of(SIGUSR1) == SIG_DFL);
    CHECK_ERR(weft_signal_wait(SIGSTOP), -EINVAL);
}

/* What weft_run does about a signal rests while a set has it. */

static int take_terminations(void *arg)
{
    struct weft_scope scope;
    (void)arg;
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_signals *signals = open_one(&scope, SIGTERM);
    /* Neither the first nor the second ends the program. */
    for (int i = 0; i < 3; i++) {
        raise(SIGTERM);
        CHECK_EQ(weft_signals_next(signals), SIGTERM);
    }
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    /* From here on it does again. */
    raise(SIGTERM);
    CHECK_ERR(weft_sleep(WEFT_HOUR), -ECANCELED);
    return 7;
}

TEST_EACH_ENGINE(a_set_takes_a_termination_over_from_the_run)
{
    struct weft_run_options options = {.size = sizeof options};
    CHECK_EQ(weft_run_with(&options, take_terminations, NULL), 7);
    CHECK(handler_of(SIGTERM) == SIG_DFL);
}

static int leave_one_behind(void *arg)
{
    struct weft_scope scope;
    (void)arg;
    weft_scope_enter(&scope, WEFT_FOREVER);
    (void)open_one(&scope, SIGTERM);
    raise(SIGTERM);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_ERR(weft_sleep(WEFT_HOUR), -ECANCELED);
    return 8;
}

TEST_EACH_ENGINE(a_termination_that_a_set_did_not_take_reaches_the_run)
{
    CHECK_EQ(weft_run(leave_one_behind, NULL), 8);
}

static int open_in_the_root(void *arg)
{
    (void)arg;
    (void)open_one(weft_root(NULL), SIGUSR2);
    return 0;
}

TEST_EACH_ENGINE(a_set_of_the_root_scope_lives_as_long_as_the_loop)
{
    CHECK_EQ(weft_run(open_in_the_root, NULL), 0);
    CHECK(handler_of(SIGUSR2) == SIG_DFL);
}
