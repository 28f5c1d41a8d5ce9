/* SPDX-License-Identifier: MIT */
/*
 * test_mutex.c: one owner at a time
 *
 * Owner checks, first come first served, and the hand-over: an unlocked mutex is the first waiter's
 * in that instant, whether a newcomer, its former owner or a cancellation comes by before it runs.
 */
#include "sync_test.h"

/** Locks, notes what that gave and whether it owns the mutex, and unlocks. */
static int lock_and_unlock(void *arg)
{
    struct waiter *waiter = arg;
    struct weft_mutex *mutex = waiter->object;
    int rc = weft_mutex_lock(mutex);

    CHECK_EQ(rc == 0, weft_mutex_owner(mutex) == weft_task_id(NULL));
    note(waiter, rc);
    if (rc == 0)
        CHECK_EQ(weft_mutex_unlock(mutex), 0);
    return 0;
}

SYNC_TEST(a_free_mutex_is_locked_at_once_and_has_an_owner)
{
    struct weft_mutex mutex = WEFT_MUTEX_INIT(mutex);

    CHECK_EQ(weft_mutex_owner(&mutex), 0);
    CHECK_EQ(weft_mutex_lock(&mutex), 0);
    CHECK_EQ(weft_mutex_owner(&mutex), weft_task_id(NULL));
    CHECK_EQ(weft_mutex_unlock(&mutex), 0);
    CHECK_EQ(weft_mutex_owner(&mutex), 0);
}

SYNC_TEST(waiters_get_the_mutex_in_the_order_in_which_they_came)
{
    struct weft_mutex mutex;
    struct waiter waiters[4];
    struct weft_scope scope;

    weft_mutex_init(&mutex);
    CHECK_EQ(weft_mutex_lock(&mutex), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 4; i++)
        start_waiter(&scope, lock_and_unlock, &waiters[i], &mutex);
    CHECK_EQ(returned, 0);
    CHECK_EQ(weft_mutex_unlock(&mutex), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(waiters[i].rc, 0);
        CHECK_EQ(waiters[i].place, i + 1);
    }
    CHECK_EQ(weft_mutex_owner(&mutex), 0);
}

SYNC_TEST(unlocking_hands_over_so_that_nobody_overtakes_the_waiter)
{
    struct weft_mutex mutex = WEFT_MUTEX_INIT(mutex);
    struct waiter waiter;
    struct weft_scope scope;

    CHECK_EQ(weft_mutex_lock(&mutex), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    start_waiter(&scope, lock_and_unlock, &waiter, &mutex);
    uint64_t waiters_id = weft_task_id(waiter.task);
    CHECK_EQ(weft_mutex_unlock(&mutex), 0);
    CHECK_EQ(weft_mutex_owner(&mutex), waiters_id);
    CHECK_ERR(weft_mutex_try_lock(&mutex), -EBUSY);
    CHECK_EQ(weft_mutex_lock(&mutex), 0);
    CHECK_EQ(waiter.place, 1);
    CHECK_EQ(weft_mutex_unlock(&mutex), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

SYNC_TEST(locking_twice_is_an_error_and_the_mutex_stays_locked_once)
{
    struct weft_mutex mutex = WEFT_MUTEX_INIT(mutex);

    CHECK_EQ(weft_mutex_lock(&mutex), 0);
    CHECK_ERR(weft_mutex_lock(&mutex), -EDEADLK);
    CHECK_ERR(weft_mutex_try_lock(&mutex), -EBUSY);
    CHECK_EQ(weft_mutex_unlock(&mutex), 0);
    CHECK_EQ(weft_mutex_owner(&mutex), 0);
}

SYNC_TEST(unlocking_a_free_mutex_is_an_error)
{
    struct weft_mutex mutex = WEFT_MUTEX_INIT(mutex);

    CHECK_ERR(weft_mutex_unlock(&mutex), -EPERM);
    CHECK_EQ(weft_mutex_owner(&mutex), 0);
}

static int unlock_foreign(void *arg)
{
    struct waiter *waiter = arg;

    waiter->rc = weft_mutex_unlock(waiter->object);
    CHECK_CONTAINS(weft_note(), "owns");
    return 0;
}

SYNC_TEST(unlocking_anothers_mutex_is_an_error_and_leaves_it_locked)
{
    struct weft_mutex mutex = WEFT_MUTEX_INIT(mutex);
    struct waiter waiter;
    struct weft_scope scope;

    CHECK_EQ(weft_mutex_lock(&mutex), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    start_waiter(&scope, unlock_foreign, &waiter, &mutex);
    CHECK_ERR(waiter.rc, -EPERM);
    CHECK_EQ(weft_mutex_owner(&mutex), weft_task_id(NULL));
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(weft_mutex_unlock(&mutex), 0);
}

TEST(try_lock_and_unlock_outside_a_task_are_refused)
{
    struct weft_mutex mutex = WEFT_MUTEX_INIT(mutex);

    CHECK_ERR(weft_mutex_try_lock(&mutex), -EPERM);
    CHECK_ERR(weft_mutex_unlock(&mutex), -EPERM);
    CHECK_EQ(weft_mutex_owner(&mutex), 0);
}

SYNC_TEST(locking_a_free_mutex_looks_for_cancellation)
{
    struct weft_mutex mutex = WEFT_MUTEX_INIT(mutex);
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    CHECK_ERR(weft_mutex_lock(&mutex), -ECANCELED);
    CHECK_EQ(weft_mutex_owner(&mutex), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

SYNC_TEST(unlocking_is_never_refused)
{
    struct weft_mutex mutex = WEFT_MUTEX_INIT(mutex);
    struct weft_scope scope;

    CHECK_EQ(weft_mutex_lock(&mutex), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(weft_mutex_unlock(&mutex), 0);
    CHECK_EQ(weft_mutex_owner(&mutex), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

SYNC_TEST(a_waiter_that_got_the_mutex_and_was_then_cancelled_owns_it)
{
    struct weft_mutex mutex = WEFT_MUTEX_INIT(mutex);
    struct waiter first, second;
    struct weft_scope scope;

    CHECK_EQ(weft_mutex_lock(&mutex), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    start_waiter(&scope, lock_and_unlock, &first, &mutex);
    start_waiter(&scope, lock_and_unlock, &second, &mutex);
    CHECK_EQ(weft_mutex_unlock(&mutex), 0);
    weft_task_cancel(first.task);
    finish(&first);
    finish(&second);
    CHECK_EQ(first.rc, 0);
    CHECK_ERR(first.next, -ECANCELED);
    CHECK_EQ(second.rc, 0);
    CHECK_EQ(weft_mutex_owner(&mutex), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

SYNC_TEST(a_waiter_that_was_cancelled_first_is_passed_over)
{
    struct weft_mutex mutex = WEFT_MUTEX_INIT(mutex);
    struct waiter first, second;
    struct weft_scope scope;

    CHECK_EQ(weft_mutex_lock(&mutex), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    start_waiter(&scope, lock_and_unlock, &first, &mutex);
    start_waiter(&scope, lock_and_unlock, &second, &mutex);
    weft_task_cancel(first.task);
    CHECK_EQ(weft_mutex_unlock(&mutex), 0);
    CHECK_EQ(weft_mutex_owner(&mutex), weft_task_id(second.task));
    finish(&first);
    finish(&second);
    CHECK_ERR(first.rc, -ECANCELED);
    CHECK_EQ(second.rc, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

static int lock_and_end(void *arg)
{
    struct waiter *waiter = arg;

    waiter->rc = weft_mutex_lock(waiter->object);
    return 0;
}

SYNC_TEST(a_task_that_ends_as_the_owner_leaves_the_mutex_locked)
{
    struct weft_mutex mutex = WEFT_MUTEX_INIT(mutex);
    struct waiter waiter;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_waiter(&scope, lock_and_end, &waiter, &mutex);
    finish(&waiter);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_ERR(weft_within(WEFT_MS, weft_mutex_lock(&mutex)), -ETIMEDOUT);
}
