/* SPDX-License-Identifier: MIT */
/*
 * test_sequencer.c: steps of several tasks in a fixed order
 *
 * The order holds whatever order the tasks come in; a step taken twice and a step whose task was
 * cancelled break the sequencer for everybody, with a sentence.
 */
#include "../task/task_test.h"

#include <weft/testing.h>

#ifndef WEFT_DEBUG
#define WEFT_DEBUG 0
#endif

static struct weft_testing_sequencer order;

static int take_step(void *arg)
{
    unsigned step = (unsigned)(uintptr_t)arg;
    int rc = weft_testing_sequencer_begin(&order, step);

    if (rc < 0)
        return rc;
    note((char)('0' + step));
    CHECK_EQ(weft_yield(), 0);
    note((char)('0' + step));
    weft_testing_sequencer_end(&order, step);
    return 0;
}

static void go_step(struct weft_scope *scope, unsigned step)
{
    CHECK_OK(weft_go_fn(scope, take_step, (void *)(uintptr_t)step));
}

TASK_TEST(steps_run_in_order_one_after_the_other)
{
    struct weft_scope scope;

    weft_testing_sequencer_init(&order);
    weft_scope_enter(&scope, WEFT_FOREVER);
    go_step(&scope, 3);
    go_step(&scope, 1);
    go_step(&scope, 0);
    go_step(&scope, 2);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_STR(trail, "00112233");
}

TASK_TEST(a_task_may_take_several_steps)
{
    struct weft_scope scope;

    weft_testing_sequencer_init(&order);
    weft_scope_enter(&scope, WEFT_FOREVER);
    go_step(&scope, 1);
    CHECK_EQ(take_step((void *)0), 0);
    CHECK_EQ(take_step((void *)2), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_STR(trail, "001122");
}

static void check_broken(unsigned step, const char *part)
{
    CHECK_ERR(weft_testing_sequencer_begin(&order, step), -WEFT_EBROKEN);
    CHECK_CONTAINS(weft_note(), part);
}

TASK_TEST(a_step_taken_twice_breaks_it_for_all)
{
    struct weft_scope scope;

    weft_testing_sequencer_init(&order);
    weft_scope_enter_policy(&scope, WEFT_FOREVER, WEFT_COLLECT);
    go_step(&scope, 4);
    CHECK_EQ(take_step((void *)0), 0);
    check_broken(0, "step 0 was taken twice");
    CHECK_ERR(weft_scope_exit(&scope, 0), -WEFT_EBROKEN);
    CHECK_CONTAINS(weft_scope_failure(&scope)->text, "step 4");
    check_broken(1, "step 0 was taken twice");
}

TASK_TEST(a_step_that_runs_or_is_waited_for_is_taken)
{
    struct weft_scope scope;

    weft_testing_sequencer_init(&order);
    CHECK_EQ(weft_testing_sequencer_begin(&order, 0), 0);
    check_broken(0, "step 0 was taken twice");
    weft_testing_sequencer_end(&order, 0);
    weft_testing_sequencer_init(&order);
    weft_scope_enter_policy(&scope, WEFT_FOREVER, WEFT_COLLECT);
    go_step(&scope, 5);
    CHECK_EQ(weft_yield(), 0);
    check_broken(5, "step 5 was taken twice");
    CHECK_ERR(weft_scope_exit(&scope, 0), -WEFT_EBROKEN);
}

TASK_TEST(a_step_cut_while_it_waits_breaks_it)
{
    struct weft_scope outer, inner;

    weft_testing_sequencer_init(&order);
    weft_scope_enter_policy(&outer, WEFT_FOREVER, WEFT_COLLECT);
    go_step(&outer, 3);
    weft_scope_enter(&inner, WEFT_FOREVER);
    go_step(&inner, 2);
    CHECK_EQ(weft_yield(), 0);
    weft_scope_cancel(&inner, 0);
    CHECK_EQ(weft_scope_exit(&inner, 0), 0);
    CHECK_ERR(weft_scope_exit(&outer, 0), -WEFT_EBROKEN);
    check_broken(0, "step 2 was cancelled");
}

TASK_TEST(a_refused_step_breaks_it)
{
    struct weft_scope scope;

    weft_testing_sequencer_init(&order);
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    CHECK_ERR(weft_testing_sequencer_begin(&order, 0), -ECANCELED);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    check_broken(0, "step 0 was cancelled");
}

static void end_what_never_began(void)
{
    weft_testing_sequencer_init(&order);
    weft_testing_sequencer_end(&order, 0);
}

TEST(ending_a_step_that_does_not_run_is_misuse)
{
#if WEFT_DEBUG
    test_fork_expect_signal(end_what_never_began, SIGABRT, "step 0 has not begun");
#else
    end_what_never_began();
    CHECK_EQ(order.next, 0);
#endif
}
