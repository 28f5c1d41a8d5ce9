/* SPDX-License-Identifier: MIT */
/*
 * test_semaphore.c: a number of units
 *
 * Counting, the bound, first come first served, and units that are handed over and never lost with
 * a waiter that is cancelled in the same turn.
 */
#include "sync_test.h"

static int acquire(void *arg)
{
    struct waiter *waiter = arg;

    return note(waiter, weft_semaphore_acquire(waiter->object));
}

SYNC_TEST(units_are_taken_without_waiting_until_none_is_left)
{
    struct weft_semaphore semaphore = WEFT_SEMAPHORE_INIT(semaphore, 2);

    CHECK_EQ(weft_semaphore_acquire(&semaphore), 0);
    CHECK_EQ(weft_semaphore_try_acquire(&semaphore), 0);
    CHECK_EQ(weft_semaphore_count(&semaphore), 0);
    CHECK_ERR(weft_semaphore_try_acquire(&semaphore), -EAGAIN);
    CHECK_ERR(weft_within(WEFT_MS, weft_semaphore_acquire(&semaphore)), -ETIMEDOUT);
    CHECK_EQ(weft_semaphore_release(&semaphore), 0);
    CHECK_EQ(weft_semaphore_count(&semaphore), 1);
}

SYNC_TEST(a_unit_goes_to_the_first_waiter_and_nobody_overtakes)
{
    struct weft_semaphore semaphore;
    struct waiter waiters[3];
    struct weft_scope scope;

    weft_semaphore_init(&semaphore, 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 3; i++)
        start_waiter(&scope, acquire, &waiters[i], &semaphore);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(weft_semaphore_release(&semaphore), 0);
        CHECK_ERR(weft_semaphore_try_acquire(&semaphore), -EAGAIN);
        settle();
        CHECK_EQ(returned, i + 1);
        CHECK_EQ(waiters[i].rc, 0);
    }
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(weft_semaphore_count(&semaphore), 0);
}

SYNC_TEST(several_units_released_at_once_wake_as_many_waiters)
{
    struct weft_semaphore semaphore = WEFT_SEMAPHORE_INIT(semaphore, 0);
    struct waiter waiters[2];
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 2; i++)
        start_waiter(&scope, acquire, &waiters[i], &semaphore);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_semaphore_release(&semaphore), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(returned, 2);
    CHECK_EQ(weft_semaphore_count(&semaphore), 1);
}

SYNC_TEST(a_bounded_semaphore_refuses_a_release_beyond_its_bound)
{
    struct weft_semaphore semaphore;
    struct weft_semaphore fixed = WEFT_SEMAPHORE_INIT_BOUNDED(fixed, 1, 2);

    weft_semaphore_init_bounded(&semaphore, 5, 2);
    CHECK_EQ(weft_semaphore_count(&semaphore), 2);
    CHECK_ERR(weft_semaphore_release(&semaphore), -EOVERFLOW);
    CHECK_EQ(weft_semaphore_count(&semaphore), 2);
    CHECK_EQ(weft_semaphore_acquire(&semaphore), 0);
    CHECK_EQ(weft_semaphore_release(&semaphore), 0);
    CHECK_EQ(weft_semaphore_release(&fixed), 0);
    CHECK_ERR(weft_semaphore_release(&fixed), -EOVERFLOW);
}

SYNC_TEST(taking_a_unit_that_is_there_looks_for_cancellation)
{
    struct weft_semaphore semaphore = WEFT_SEMAPHORE_INIT(semaphore, 1);
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    CHECK_ERR(weft_semaphore_acquire(&semaphore), -ECANCELED);
    CHECK_EQ(weft_semaphore_count(&semaphore), 1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

SYNC_TEST(a_waiter_that_got_a_unit_and_was_then_cancelled_has_it)
{
    struct weft_semaphore semaphore = WEFT_SEMAPHORE_INIT(semaphore, 0);
    struct waiter first, second;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_waiter(&scope, acquire, &first, &semaphore);
    start_waiter(&scope, acquire, &second, &semaphore);
    CHECK_EQ(weft_semaphore_release(&semaphore), 0);
    weft_task_cancel(first.task);
    finish(&first);
    CHECK_EQ(first.rc, 0);
    CHECK_ERR(first.next, -ECANCELED);
    CHECK_EQ(second.rc, NOT_RETURNED);
    CHECK_EQ(weft_semaphore_release(&semaphore), 0);
    finish(&second);
    CHECK_EQ(second.rc, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

SYNC_TEST(a_waiter_that_was_cancelled_first_leaves_the_unit_to_the_next)
{
    struct weft_semaphore semaphore = WEFT_SEMAPHORE_INIT(semaphore, 0);
    struct waiter first, second;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_waiter(&scope, acquire, &first, &semaphore);
    start_waiter(&scope, acquire, &second, &semaphore);
    weft_task_cancel(first.task);
    CHECK_EQ(weft_semaphore_release(&semaphore), 0);
    finish(&first);
    finish(&second);
    CHECK_ERR(first.rc, -ECANCELED);
    CHECK_EQ(second.rc, 0);
    CHECK_EQ(weft_semaphore_count(&semaphore), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

SYNC_TEST(the_only_waiter_cancelled_first_leaves_the_unit_in_the_semaphore)
{
    struct weft_semaphore semaphore = WEFT_SEMAPHORE_INIT(semaphore, 0);
    struct waiter waiter;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_waiter(&scope, acquire, &waiter, &semaphore);
    weft_task_cancel(waiter.task);
    CHECK_EQ(weft_semaphore_release(&semaphore), 0);
    finish(&waiter);
    CHECK_ERR(waiter.rc, -ECANCELED);
    CHECK_EQ(weft_semaphore_count(&semaphore), 1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

SYNC_TEST(a_bounded_semaphore_serves_in_order_and_loses_no_unit_in_the_same_turn)
{
    struct weft_semaphore semaphore = WEFT_SEMAPHORE_INIT_BOUNDED(semaphore, 0, 1);
    struct waiter waiters[4];
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 4; i++)
        start_waiter(&scope, acquire, &waiters[i], &semaphore);
    CHECK_EQ(weft_semaphore_release(&semaphore), 0);
    weft_task_cancel(waiters[0].task);
    weft_task_cancel(waiters[1].task);
    /* More than the bound in one turn, but none of them is ever in the semaphore. */
    CHECK_EQ(weft_semaphore_release(&semaphore), 0);
    CHECK_EQ(weft_semaphore_release(&semaphore), 0);
    for (int i = 0; i < 4; i++)
        finish(&waiters[i]);
    CHECK_EQ(waiters[0].rc, 0);
    CHECK_ERR(waiters[0].next, -ECANCELED);
    CHECK_ERR(waiters[1].rc, -ECANCELED);
    CHECK_EQ(waiters[2].rc, 0);
    CHECK_EQ(waiters[3].rc, 0);
    CHECK(waiters[2].place < waiters[3].place);
    CHECK_EQ(weft_semaphore_count(&semaphore), 0);
    CHECK_EQ(weft_semaphore_release(&semaphore), 0);
    CHECK_ERR(weft_semaphore_release(&semaphore), -EOVERFLOW);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}
