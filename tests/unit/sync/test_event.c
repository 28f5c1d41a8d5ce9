/* SPDX-License-Identifier: MIT */
/*
 * test_event.c: a flag to wait for
 *
 * What weft/sync.h promises of events: sticky, seen by everyone who waits at the set, still looking
 * for cancellation when it is set, and nothing lost with a waiter that is cancelled in the same
 * turn.
 */
#include "sync_test.h"

static int wait_for_event(void *arg)
{
    struct waiter *waiter = arg;

    return note(waiter, weft_event_wait(waiter->object));
}

SYNC_TEST(a_wait_that_begins_after_the_set_is_not_too_late)
{
    struct weft_event event = WEFT_EVENT_INIT(event);

    CHECK(!weft_event_is_set(&event));
    weft_event_set(&event);
    CHECK(weft_event_is_set(&event));
    CHECK_EQ(weft_event_wait(&event), 0);
    CHECK_EQ(weft_event_wait(&event), 0);
}

SYNC_TEST(a_set_wakes_all_in_order_even_when_cleared_before_they_run)
{
    struct weft_event event;
    struct waiter waiters[3];
    struct weft_scope scope;

    weft_event_init(&event);
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 3; i++)
        start_waiter(&scope, wait_for_event, &waiters[i], &event);
    CHECK_EQ(returned, 0);
    weft_event_set(&event);
    weft_event_clear(&event);
    settle();
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(waiters[i].rc, 0);
        CHECK_EQ(waiters[i].place, i + 1);
    }
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

SYNC_TEST(after_a_clear_a_wait_waits_again)
{
    struct weft_event event = WEFT_EVENT_INIT(event);
    struct waiter waiter;
    struct weft_scope scope;

    weft_event_set(&event);
    weft_event_clear(&event);
    weft_scope_enter(&scope, WEFT_FOREVER);
    start_waiter(&scope, wait_for_event, &waiter, &event);
    CHECK_EQ(waiter.rc, NOT_RETURNED);
    weft_event_set(&event);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(waiter.rc, 0);
}

SYNC_TEST(a_wait_for_a_set_event_looks_for_cancellation)
{
    struct weft_event event = WEFT_EVENT_INIT(event);
    struct weft_scope scope;

    weft_event_set(&event);
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    CHECK_ERR(weft_event_wait(&event), -ECANCELED);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

SYNC_TEST(a_waiter_that_was_woken_and_then_cancelled_has_its_wait)
{
    struct weft_event event = WEFT_EVENT_INIT(event);
    struct waiter waiter;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_waiter(&scope, wait_for_event, &waiter, &event);
    weft_event_set(&event);
    weft_task_cancel(waiter.task);
    finish(&waiter);
    CHECK_EQ(waiter.rc, 0);
    CHECK_ERR(waiter.next, -ECANCELED);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

SYNC_TEST(a_waiter_that_was_cancelled_first_has_left_and_others_are_woken)
{
    struct weft_event event = WEFT_EVENT_INIT(event);
    struct waiter first, second;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_waiter(&scope, wait_for_event, &first, &event);
    start_waiter(&scope, wait_for_event, &second, &event);
    weft_task_cancel(first.task);
    weft_event_set(&event);
    finish(&first);
    finish(&second);
    CHECK_ERR(first.rc, -ECANCELED);
    CHECK_EQ(second.rc, 0);
    CHECK_EQ(second.next, 0);
    CHECK(weft_event_is_set(&event));
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

static void set_event(void *arg)
{
    weft_event_set(arg);
}

SYNC_TEST(a_callback_of_the_loop_may_set_an_event)
{
    struct weft_event event = WEFT_EVENT_INIT(event);

    CHECK_EQ(weft_loop_call_later(weft_loop_current(), WEFT_MS, set_event, &event, NULL), 0);
    CHECK_EQ(weft_event_wait(&event), 0);
}

TEST(the_primitives_in_place_have_eight_words_at_most)
{
    CHECK_EQ(sizeof(struct weft_event), 4 * sizeof(void *));
    CHECK_EQ(sizeof(struct weft_mutex), 2 * sizeof(void *) + sizeof(uint64_t) + sizeof(void *));
    CHECK_EQ(sizeof(struct weft_condition), 4 * sizeof(void *));
    CHECK_EQ(sizeof(struct weft_semaphore), 5 * sizeof(void *));
    CHECK_EQ(sizeof(struct weft_barrier), 6 * sizeof(void *));
    CHECK(sizeof(struct weft_group) <= 9 * sizeof(void *));
}
