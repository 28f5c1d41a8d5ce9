/* SPDX-License-Identifier: MIT */
/*
 * test_condition.c: waiting for a change of what a mutex guards
 *
 * Whatever a wait returns, the mutex is held; a notification is never lost with a waiter that is
 * cancelled, neither before it, nor between it and the mutex, nor after both.
 */
#include "sync_test.h"

/** Locks, waits for the condition, notes what that gave, checks that it owns the mutex, unlocks. */
static int wait_for_change(void *arg)
{
    struct waiter *waiter = arg;
    struct weft_mutex *mutex = waiter->other;

    CHECK_EQ(weft_mutex_lock(mutex), 0);
    int rc = weft_condition_wait(waiter->object, mutex);
    CHECK_EQ(weft_mutex_owner(mutex), weft_task_id(NULL));
    note(waiter, rc);
    CHECK_EQ(weft_mutex_owner(mutex), weft_task_id(NULL));
    CHECK_EQ(weft_mutex_unlock(mutex), 0);
    return 0;
}

/** A mutex, a condition, and tasks that wait in it. */
struct stage {
    /** Guards whatever changes. */
    struct weft_mutex mutex;
    /** Says that it changed. */
    struct weft_condition changed;
    /** Where the waiters run. */
    struct weft_scope scope;
    /** The waiters. */
    struct waiter waiters[3];
};

/** Starts `count` waiters, one after the other. */
static void set_up(struct stage *stage, int count)
{
    weft_mutex_init(&stage->mutex);
    weft_condition_init(&stage->changed);
    weft_scope_enter(&stage->scope, WEFT_FOREVER);
    for (int i = 0; i < count; i++) {
        stage->waiters[i].other = &stage->mutex;
        start_waiter(&stage->scope, wait_for_change, &stage->waiters[i], &stage->changed);
        CHECK_EQ(stage->waiters[i].rc, NOT_RETURNED);
        CHECK_EQ(weft_mutex_owner(&stage->mutex), 0);
    }
}

static void tear_down(struct stage *stage)
{
    CHECK_EQ(weft_scope_exit(&stage->scope, 0), 0);
    CHECK_EQ(weft_mutex_owner(&stage->mutex), 0);
}

SYNC_TEST(a_notified_task_returns_with_the_mutex_after_the_unlock)
{
    struct stage stage;

    set_up(&stage, 1);
    CHECK_EQ(weft_mutex_lock(&stage.mutex), 0);
    CHECK_EQ(weft_condition_notify(&stage.changed), 1);
    settle();
    CHECK_EQ(stage.waiters[0].rc, NOT_RETURNED);
    CHECK_EQ(weft_mutex_unlock(&stage.mutex), 0);
    CHECK_EQ(weft_mutex_owner(&stage.mutex), weft_task_id(stage.waiters[0].task));
    tear_down(&stage);
    CHECK_EQ(stage.waiters[0].rc, 0);
    CHECK_EQ(stage.waiters[0].next, 0);
}

SYNC_TEST(a_notify_is_for_the_one_that_waits_longest)
{
    struct stage stage;

    set_up(&stage, 3);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(weft_mutex_lock(&stage.mutex), 0);
        CHECK_EQ(weft_condition_notify(&stage.changed), 1);
        CHECK_EQ(weft_mutex_unlock(&stage.mutex), 0);
        settle();
        CHECK_EQ(returned, i + 1);
        CHECK_EQ(stage.waiters[i].place, i + 1);
    }
    CHECK_EQ(weft_condition_notify(&stage.changed), 0);
    tear_down(&stage);
}

SYNC_TEST(a_notify_of_all_is_for_all_who_wait_in_their_order)
{
    struct stage stage;

    set_up(&stage, 3);
    CHECK_EQ(weft_mutex_lock(&stage.mutex), 0);
    CHECK_EQ(weft_condition_notify_all(&stage.changed), 3);
    CHECK_EQ(weft_condition_notify_all(&stage.changed), 0);
    CHECK_EQ(weft_mutex_unlock(&stage.mutex), 0);
    tear_down(&stage);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(stage.waiters[i].rc, 0);
        CHECK_EQ(stage.waiters[i].place, i + 1);
    }
}

SYNC_TEST(waiting_without_the_mutex_is_an_error)
{
    struct weft_mutex mutex = WEFT_MUTEX_INIT(mutex);
    struct weft_condition changed = WEFT_CONDITION_INIT(changed);

    CHECK_ERR(weft_condition_wait(&changed, &mutex), -EPERM);
    CHECK_EQ(weft_mutex_owner(&mutex), 0);
}

static int notify_as_a_stranger(void *arg)
{
    struct stage *stage = arg;

    CHECK_ERR(weft_condition_notify(&stage->changed), -EPERM);
    CHECK_ERR(weft_condition_notify_all(&stage->changed), -EPERM);
    return 0;
}

static void notify_from_callback(void *arg)
{
    CHECK_EQ(notify_as_a_stranger(arg), 0);
}

SYNC_TEST(notifying_without_the_mutex_is_an_error)
{
    struct stage stage;

    set_up(&stage, 1);
    CHECK_EQ(notify_as_a_stranger(&stage), 0);
    CHECK_EQ(weft_loop_call_soon(weft_loop_current(), notify_from_callback, &stage, NULL), 0);
    settle();
    CHECK_EQ(weft_mutex_lock(&stage.mutex), 0);
    CHECK_EQ(weft_go_fn(&stage.scope, notify_as_a_stranger, &stage), 0);
    settle();
    CHECK_EQ(weft_mutex_unlock(&stage.mutex), 0);
    settle();
    CHECK_EQ(stage.waiters[0].rc, NOT_RETURNED);
    weft_task_cancel(stage.waiters[0].task);
    tear_down(&stage);
}

SYNC_TEST(one_condition_with_two_mutexes_is_an_error)
{
    struct stage stage;
    struct weft_mutex other = WEFT_MUTEX_INIT(other);

    set_up(&stage, 1);
    CHECK_EQ(weft_mutex_lock(&other), 0);
    CHECK_ERR(weft_condition_wait(&stage.changed, &other), -EINVAL);
    CHECK_EQ(weft_mutex_unlock(&other), 0);
    weft_task_cancel(stage.waiters[0].task);
    tear_down(&stage);
}

SYNC_TEST(a_refused_wait_keeps_the_mutex_all_the_time)
{
    struct weft_mutex mutex = WEFT_MUTEX_INIT(mutex);
    struct weft_condition changed = WEFT_CONDITION_INIT(changed);
    struct weft_scope scope;

    CHECK_EQ(weft_mutex_lock(&mutex), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    CHECK_ERR(weft_condition_wait(&changed, &mutex), -ECANCELED);
    CHECK_EQ(weft_mutex_owner(&mutex), weft_task_id(NULL));
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(weft_mutex_unlock(&mutex), 0);
}

SYNC_TEST(a_cancelled_waiter_comes_back_with_the_mutex_when_it_is_free)
{
    struct stage stage;

    set_up(&stage, 1);
    weft_task_cancel(stage.waiters[0].task);
    tear_down(&stage);
    CHECK_ERR(stage.waiters[0].rc, -ECANCELED);
    CHECK_ERR(stage.waiters[0].next, -ECANCELED);
}

SYNC_TEST(a_cancelled_waiter_waits_for_the_mutex_when_it_is_not_free)
{
    struct stage stage;

    set_up(&stage, 1);
    CHECK_EQ(weft_mutex_lock(&stage.mutex), 0);
    weft_task_cancel(stage.waiters[0].task);
    settle();
    CHECK_EQ(stage.waiters[0].rc, NOT_RETURNED);
    CHECK_EQ(weft_mutex_unlock(&stage.mutex), 0);
    tear_down(&stage);
    CHECK_ERR(stage.waiters[0].rc, -ECANCELED);
}

SYNC_TEST(a_notify_after_the_cancellation_is_for_the_next)
{
    struct stage stage;

    set_up(&stage, 2);
    CHECK_EQ(weft_mutex_lock(&stage.mutex), 0);
    weft_task_cancel(stage.waiters[0].task);
    CHECK_EQ(weft_condition_notify(&stage.changed), 1);
    CHECK_EQ(weft_mutex_unlock(&stage.mutex), 0);
    tear_down(&stage);
    CHECK_ERR(stage.waiters[0].rc, -ECANCELED);
    CHECK_EQ(stage.waiters[1].rc, 0);
}

SYNC_TEST(a_notification_of_one_cancelled_before_the_mutex_goes_to_the_next)
{
    struct stage stage;

    set_up(&stage, 2);
    CHECK_EQ(weft_mutex_lock(&stage.mutex), 0);
    CHECK_EQ(weft_condition_notify(&stage.changed), 1);
    weft_task_cancel(stage.waiters[0].task);
    CHECK_EQ(weft_mutex_unlock(&stage.mutex), 0);
    tear_down(&stage);
    CHECK_ERR(stage.waiters[0].rc, -ECANCELED);
    CHECK_EQ(stage.waiters[1].rc, 0);
}

SYNC_TEST(a_notification_goes_past_all_that_are_cancelled)
{
    struct stage stage;

    set_up(&stage, 3);
    CHECK_EQ(weft_mutex_lock(&stage.mutex), 0);
    CHECK_EQ(weft_condition_notify(&stage.changed), 1);
    weft_task_cancel(stage.waiters[0].task);
    weft_task_cancel(stage.waiters[1].task);
    CHECK_EQ(weft_mutex_unlock(&stage.mutex), 0);
    tear_down(&stage);
    CHECK_ERR(stage.waiters[0].rc, -ECANCELED);
    CHECK_ERR(stage.waiters[1].rc, -ECANCELED);
    CHECK_EQ(stage.waiters[2].rc, 0);
}

SYNC_TEST(a_waiter_that_got_the_mutex_and_was_then_cancelled_was_notified)
{
    struct stage stage;

    set_up(&stage, 2);
    CHECK_EQ(weft_mutex_lock(&stage.mutex), 0);
    CHECK_EQ(weft_condition_notify(&stage.changed), 1);
    CHECK_EQ(weft_mutex_unlock(&stage.mutex), 0);
    weft_task_cancel(stage.waiters[0].task);
    settle();
    CHECK_EQ(stage.waiters[0].rc, 0);
    CHECK_ERR(stage.waiters[0].next, -ECANCELED);
    CHECK_EQ(stage.waiters[1].rc, NOT_RETURNED);
    weft_task_cancel(stage.waiters[1].task);
    tear_down(&stage);
}

/** Gets the mutex before the first waiter does, and cancels that waiter meanwhile. */
static int cancel_the_first(void *arg)
{
    struct stage *stage = arg;

    CHECK_EQ(weft_mutex_lock(&stage->mutex), 0);
    weft_task_cancel(stage->waiters[0].task);
    CHECK_EQ(weft_mutex_unlock(&stage->mutex), 0);
    return 0;
}

SYNC_TEST(a_notify_of_all_passes_nothing_on_to_one_who_comes_later)
{
    struct stage stage;

    set_up(&stage, 1);
    CHECK_EQ(weft_mutex_lock(&stage.mutex), 0);
    CHECK_EQ(weft_go_fn(&stage.scope, cancel_the_first, &stage), 0);
    settle();
    CHECK_EQ(weft_condition_notify_all(&stage.changed), 1);
    /* Now we come later, and wait here while the first is cancelled before the mutex. */
    CHECK_ERR(weft_within(WEFT_MS, weft_condition_wait(&stage.changed, &stage.mutex)), -ETIMEDOUT);
    CHECK_EQ(weft_mutex_unlock(&stage.mutex), 0);
    tear_down(&stage);
    CHECK_ERR(stage.waiters[0].rc, -ECANCELED);
}

SYNC_TEST(a_deadline_that_ends_a_wait_counts_also_when_the_mutex_came_later)
{
    struct stage stage;

    set_up(&stage, 1);
    CHECK_EQ(weft_mutex_lock(&stage.mutex), 0);
    CHECK_EQ(weft_condition_notify(&stage.changed), 1);
    CHECK_ERR(weft_within(WEFT_MS, weft_condition_wait(&stage.changed, &stage.mutex)), -ETIMEDOUT);
    CHECK_EQ(weft_mutex_owner(&stage.mutex), weft_task_id(NULL));
    CHECK_EQ(weft_mutex_unlock(&stage.mutex), 0);
    tear_down(&stage);
    CHECK_EQ(stage.waiters[0].rc, 0);
}
