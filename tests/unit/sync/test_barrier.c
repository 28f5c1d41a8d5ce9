/* SPDX-License-Identifier: MIT */
/*
 * test_barrier.c: where a number of tasks meet
 *
 * Rounds, the numbers that the parties get, cancelled waiters that leave the count in the instant
 * of their cancellation, reset and abort.
 */
#include "sync_test.h"

static int come(void *arg)
{
    struct waiter *waiter = arg;

    return note(waiter, weft_barrier_wait(waiter->object));
}

SYNC_TEST(the_last_to_come_releases_all_each_with_its_number)
{
    struct weft_barrier barrier = WEFT_BARRIER_INIT(barrier, 3);
    struct waiter waiters[2];
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 2; i++)
        start_waiter(&scope, come, &waiters[i], &barrier);
    CHECK_EQ(returned, 0);
    CHECK_EQ(weft_barrier_waiting(&barrier), 2);
    CHECK_EQ(weft_barrier_parties(&barrier), 3);
    CHECK_EQ(weft_barrier_wait(&barrier), 2);
    CHECK_EQ(weft_barrier_waiting(&barrier), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(waiters[0].rc, 0);
    CHECK_EQ(waiters[1].rc, 1);
}

SYNC_TEST(a_new_round_may_begin_before_the_last_one_has_left)
{
    struct weft_barrier barrier = WEFT_BARRIER_INIT(barrier, 2);
    struct waiter first, second;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_waiter(&scope, come, &first, &barrier);
    CHECK_EQ(weft_barrier_wait(&barrier), 1);
    CHECK_EQ(first.rc, NOT_RETURNED);
    CHECK_ERR(weft_within(WEFT_MS, weft_barrier_wait(&barrier)), -ETIMEDOUT);
    settle();
    CHECK_EQ(first.rc, 0);
    start_waiter(&scope, come, &second, &barrier);
    CHECK_EQ(weft_barrier_wait(&barrier), 1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(second.rc, 0);
}

SYNC_TEST(a_barrier_for_one_never_waits)
{
    struct weft_barrier barrier;

    weft_barrier_init(&barrier, 0);
    CHECK_EQ(weft_barrier_parties(&barrier), 1);
    CHECK_EQ(weft_barrier_wait(&barrier), 0);
    CHECK_EQ(weft_barrier_wait(&barrier), 0);
}

SYNC_TEST(the_last_to_come_looks_for_cancellation_and_then_does_not_count)
{
    struct weft_barrier barrier = WEFT_BARRIER_INIT(barrier, 2);
    struct waiter waiter;
    struct weft_scope outer, scope;

    weft_scope_enter(&outer, WEFT_FOREVER);
    start_waiter(&outer, come, &waiter, &barrier);
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    CHECK_ERR(weft_barrier_wait(&barrier), -ECANCELED);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(weft_barrier_waiting(&barrier), 1);
    CHECK_EQ(weft_barrier_wait(&barrier), 1);
    CHECK_EQ(weft_scope_exit(&outer, 0), 0);
}

SYNC_TEST(a_waiter_that_was_released_and_then_cancelled_has_its_number)
{
    struct weft_barrier barrier = WEFT_BARRIER_INIT(barrier, 2);
    struct waiter waiter;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_waiter(&scope, come, &waiter, &barrier);
    CHECK_EQ(weft_barrier_wait(&barrier), 1);
    weft_task_cancel(waiter.task);
    finish(&waiter);
    CHECK_EQ(waiter.rc, 0);
    CHECK_ERR(waiter.next, -ECANCELED);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

SYNC_TEST(a_cancelled_waiter_stops_to_count_before_it_runs)
{
    struct weft_barrier barrier = WEFT_BARRIER_INIT(barrier, 2);
    struct waiter first, second;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_waiter(&scope, come, &first, &barrier);
    weft_task_cancel(first.task);
    CHECK_EQ(weft_barrier_waiting(&barrier), 0);
    start_waiter(&scope, come, &second, &barrier);
    CHECK_ERR(first.rc, -ECANCELED);
    CHECK_EQ(second.rc, NOT_RETURNED);
    CHECK_EQ(weft_barrier_wait(&barrier), 1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(second.rc, 0);
}

SYNC_TEST(a_reset_sends_waiters_away_and_begins_anew)
{
    struct weft_barrier barrier = WEFT_BARRIER_INIT(barrier, 2);
    struct waiter first, second;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_waiter(&scope, come, &first, &barrier);
    weft_barrier_reset(&barrier);
    CHECK_EQ(weft_barrier_waiting(&barrier), 0);
    start_waiter(&scope, come, &second, &barrier);
    CHECK_ERR(first.rc, -WEFT_EBROKEN);
    CHECK_EQ(weft_barrier_wait(&barrier), 1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(second.rc, 0);
}

SYNC_TEST(an_aborted_barrier_is_broken_until_it_is_reset)
{
    struct weft_barrier barrier = WEFT_BARRIER_INIT(barrier, 2);
    struct waiter waiter;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_waiter(&scope, come, &waiter, &barrier);
    weft_barrier_abort(&barrier);
    CHECK(weft_barrier_broken(&barrier));
    CHECK_ERR(weft_barrier_wait(&barrier), -WEFT_EBROKEN);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_ERR(waiter.rc, -WEFT_EBROKEN);
    weft_barrier_reset(&barrier);
    CHECK(!weft_barrier_broken(&barrier));
    CHECK_ERR(weft_within(WEFT_MS, weft_barrier_wait(&barrier)), -ETIMEDOUT);
    CHECK_EQ(weft_barrier_waiting(&barrier), 0);
}
