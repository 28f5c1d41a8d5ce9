/* SPDX-License-Identifier: MIT */
/*
 * test_queue.c: a queue between tasks
 *
 * The three orders, the three capacities, hand-over without overtaking, closing, done and join, and
 * items that are neither lost nor doubled when a putter or getter is cancelled in the same turn.
 */
#include "sync_test.h"

#include <stdlib.h>

/** Items are small numbers. */
static void *item(intptr_t number)
{
    return (void *)number;
}

static struct weft_queue *new_queue(size_t capacity)
{
    struct weft_queue_options options = {.size = sizeof options, .capacity = capacity};
    struct weft_queue *queue = NULL;

    CHECK_EQ(weft_queue_new(weft_loop_current(), &options, &queue), 0);
    return queue;
}

/** Checks that a get which need not wait gives this item. */
static void expect_item(struct weft_queue *queue, intptr_t number)
{
    void *got = NULL;

    CHECK_EQ(weft_queue_get(queue, &got), 0);
    CHECK_EQ((intptr_t)got, number);
}

/** Puts waiter->other. */
static int put_one(void *arg)
{
    struct waiter *waiter = arg;

    return note(waiter, weft_queue_put(waiter->object, waiter->other));
}

/** Gets into waiter->other. */
static int get_one(void *arg)
{
    struct waiter *waiter = arg;

    return note(waiter, weft_queue_get(waiter->object, &waiter->other));
}

static void start_putter(struct weft_scope *scope, struct waiter *waiter, struct weft_queue *queue,
                         intptr_t number)
{
    waiter->other = item(number);
    start_waiter(scope, put_one, waiter, queue);
}

static void start_getter(struct weft_scope *scope, struct waiter *waiter, struct weft_queue *queue)
{
    waiter->other = item(-1);
    start_waiter(scope, get_one, waiter, queue);
}

/* Orders. */

SYNC_TEST(a_fifo_queue_gives_what_was_put_first)
{
    struct weft_queue *queue = new_queue(3);

    for (intptr_t round = 0; round < 5; round++) {
        for (intptr_t i = 1; i <= 3; i++)
            CHECK_EQ(weft_queue_put(queue, item(i)), 0);
        expect_item(queue, 1);
        CHECK_EQ(weft_queue_put(queue, item(4)), 0);
        for (intptr_t i = 2; i <= 4; i++)
            expect_item(queue, i);
    }
    weft_queue_free(queue);
}

SYNC_TEST(a_lifo_queue_gives_what_was_put_last)
{
    struct weft_queue_options options = {.capacity = 3, .kind = WEFT_QUEUE_LIFO};
    struct weft_queue *queue = NULL;

    CHECK_EQ(weft_queue_new(weft_loop_current(), &options, &queue), 0);
    for (intptr_t i = 1; i <= 3; i++)
        CHECK_EQ(weft_queue_put(queue, item(i)), 0);
    for (intptr_t i = 3; i >= 1; i--)
        expect_item(queue, i);
    weft_queue_free(queue);
}

static int by_tens(const void *a, const void *b)
{
    intptr_t tens_a = (intptr_t)a / 10, tens_b = (intptr_t)b / 10;

    return tens_a < tens_b ? -1 : tens_a > tens_b;
}

SYNC_TEST(a_priority_queue_gives_the_smallest_and_equals_as_they_came)
{
    struct weft_queue_options options = {
        .capacity = WEFT_QUEUE_UNBOUNDED, .kind = WEFT_QUEUE_PRIORITY, .compare = by_tens};
    struct weft_queue *queue = NULL;
    uint64_t random = 88172645463325252u;
    intptr_t last[10] = {0}, before = 0;
    void *got = NULL;

    CHECK_EQ(weft_queue_new(weft_loop_current(), &options, &queue), 0);
    /* The tens decide; the ones count up within each ten. */
    for (int i = 0; i < 60; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        intptr_t ten = (intptr_t)(random >> 33) % 10;
        if (last[ten] < 10)
            CHECK_EQ(weft_queue_put(queue, item(10 * ten + last[ten]++)), 0);
    }
    while (weft_queue_try_get(queue, &got) == 0) {
        CHECK((intptr_t)got >= before);
        before = (intptr_t)got;
    }
    CHECK(before > 0);
    weft_queue_free(queue);
}

SYNC_TEST(a_queue_of_an_unknown_kind_or_without_its_order_is_refused)
{
    struct weft_queue_options options = {.kind = WEFT_QUEUE_PRIORITY};
    struct weft_queue *queue = NULL;

    CHECK_ERR(weft_queue_new(weft_loop_current(), &options, &queue), -EINVAL);
    options.kind = (enum weft_queue_kind)3;
    CHECK_ERR(weft_queue_new(weft_loop_current(), &options, &queue), -EINVAL);
    CHECK(queue == NULL);
}

SYNC_TEST(a_queue_without_options_is_a_rendezvous)
{
    struct weft_queue *queue = NULL;

    CHECK_OK(weft_queue_new(weft_loop_current(), NULL, &queue));
    CHECK_EQ(weft_queue_capacity(queue), 0);
    CHECK_ERR(weft_queue_try_put(queue, NULL), -EAGAIN);
    weft_queue_free(queue);
}

/* Capacities. */

SYNC_TEST(a_full_queue_refuses_a_try_and_an_empty_one_too)
{
    struct weft_queue *queue = new_queue(1);
    void *got = NULL;

    CHECK_EQ(weft_queue_capacity(queue), 1);
    CHECK_ERR(weft_queue_try_get(queue, &got), -EAGAIN);
    CHECK_EQ(weft_queue_try_put(queue, item(1)), 0);
    CHECK_EQ(weft_queue_count(queue), 1);
    CHECK_ERR(weft_queue_try_put(queue, item(2)), -EAGAIN);
    CHECK_EQ(weft_queue_try_get(queue, &got), 0);
    CHECK_EQ((intptr_t)got, 1);
    CHECK_EQ(weft_queue_count(queue), 0);
    weft_queue_free(queue);
}

SYNC_TEST(an_unbounded_queue_grows_and_keeps_the_order)
{
    struct weft_queue *queue = new_queue(WEFT_QUEUE_UNBOUNDED);
    intptr_t next = 0;

    /* Two in, one out: the ring's start moves while it grows. */
    for (intptr_t i = 0; i < 1000; i++) {
        CHECK_EQ(weft_queue_put(queue, item(i)), 0);
        if (i % 2)
            expect_item(queue, next++);
    }
    CHECK_EQ(weft_queue_count(queue), 500);
    while (next < 1000)
        expect_item(queue, next++);
    weft_queue_free(queue);
}

SYNC_TEST(a_bounded_queue_too_large_for_memory_is_refused)
{
    struct weft_queue_options options = {.capacity = WEFT_QUEUE_UNBOUNDED - 1};
    struct weft_queue *queue = NULL;

    CHECK_ERR(weft_queue_new(weft_loop_current(), &options, &queue), -ENOMEM);
    CHECK(queue == NULL);
}

SYNC_TEST(a_rendezvous_put_returns_when_a_getter_has_the_item)
{
    struct weft_queue *queue = new_queue(0);
    struct waiter putter;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_ERR(weft_queue_try_put(queue, item(1)), -EAGAIN);
    start_putter(&scope, &putter, queue, 7);
    CHECK_EQ(putter.rc, NOT_RETURNED);
    CHECK_EQ(weft_queue_count(queue), 0);
    expect_item(queue, 7);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(putter.rc, 0);
    weft_queue_free(queue);
}

SYNC_TEST(a_rendezvous_put_goes_straight_to_a_getter_who_waits)
{
    struct weft_queue *queue = new_queue(0);
    struct waiter getter;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_getter(&scope, &getter, queue);
    CHECK_EQ(weft_queue_try_put(queue, item(7)), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(getter.rc, 0);
    CHECK_EQ((intptr_t)getter.other, 7);
    weft_queue_free(queue);
}

/* Who waits. */

SYNC_TEST(getters_are_served_in_the_order_in_which_they_came)
{
    struct weft_queue *queue = new_queue(5);
    struct waiter getters[3];
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 3; i++)
        start_getter(&scope, &getters[i], queue);
    for (intptr_t i = 0; i < 3; i++)
        CHECK_EQ(weft_queue_put(queue, item(10 + i)), 0);
    CHECK_EQ(weft_queue_count(queue), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(getters[i].place, i + 1);
        CHECK_EQ((intptr_t)getters[i].other, 10 + i);
    }
    weft_queue_free(queue);
}

SYNC_TEST(putters_are_served_in_the_order_in_which_they_came)
{
    struct weft_queue *queue = new_queue(1);
    struct waiter putters[3];
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_queue_put(queue, item(0)), 0);
    for (int i = 0; i < 3; i++)
        start_putter(&scope, &putters[i], queue, i + 1);
    for (intptr_t i = 0; i < 4; i++)
        expect_item(queue, i);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(putters[i].place, i + 1);
    weft_queue_free(queue);
}

SYNC_TEST(a_newcomer_takes_neither_the_item_of_a_woken_getter_nor_the_room_of_a_putter)
{
    struct weft_queue *queue = new_queue(1);
    struct waiter getter, putter;
    struct weft_scope scope;
    void *got = NULL;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_getter(&scope, &getter, queue);
    CHECK_EQ(weft_queue_try_put(queue, item(1)), 0);
    CHECK_ERR(weft_queue_try_get(queue, &got), -EAGAIN);
    CHECK_EQ(weft_queue_try_put(queue, item(2)), 0);
    start_putter(&scope, &putter, queue, 3);
    CHECK_EQ(weft_queue_try_get(queue, &got), 0);
    CHECK_EQ((intptr_t)got, 2);
    CHECK_ERR(weft_queue_try_put(queue, item(4)), -EAGAIN);
    expect_item(queue, 3);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ((intptr_t)getter.other, 1);
    CHECK_EQ(putter.rc, 0);
    weft_queue_free(queue);
}

/* Cancellation. */

SYNC_TEST(a_put_and_a_get_that_need_not_wait_look_for_cancellation)
{
    struct weft_queue *queue = new_queue(2);
    struct weft_scope scope;
    void *got = item(-1);

    CHECK_EQ(weft_queue_put(queue, item(1)), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    CHECK_ERR(weft_queue_put(queue, item(2)), -ECANCELED);
    CHECK_ERR(weft_queue_get(queue, &got), -ECANCELED);
    CHECK_EQ((intptr_t)got, -1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(weft_queue_count(queue), 1);
    expect_item(queue, 1);
    weft_queue_free(queue);
}

SYNC_TEST(a_getter_that_got_an_item_and_was_then_cancelled_has_it)
{
    struct weft_queue *queue = new_queue(1);
    struct waiter getter;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_getter(&scope, &getter, queue);
    CHECK_EQ(weft_queue_put(queue, item(7)), 0);
    weft_task_cancel(getter.task);
    finish(&getter);
    CHECK_EQ(getter.rc, 0);
    CHECK_ERR(getter.next, -ECANCELED);
    CHECK_EQ((intptr_t)getter.other, 7);
    CHECK_EQ(weft_queue_count(queue), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    weft_queue_free(queue);
}

SYNC_TEST(a_getter_that_was_cancelled_first_leaves_the_item_to_others)
{
    struct weft_queue *queue = new_queue(1);
    struct waiter first, second;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_getter(&scope, &first, queue);
    start_getter(&scope, &second, queue);
    weft_task_cancel(first.task);
    CHECK_EQ(weft_queue_put(queue, item(7)), 0);
    CHECK_EQ(weft_queue_put(queue, item(8)), 0);
    finish(&first);
    finish(&second);
    CHECK_ERR(first.rc, -ECANCELED);
    CHECK_EQ((intptr_t)first.other, -1);
    CHECK_EQ((intptr_t)second.other, 7);
    expect_item(queue, 8);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    weft_queue_free(queue);
}

SYNC_TEST(a_putter_whose_item_was_taken_in_and_was_then_cancelled_has_put)
{
    struct weft_queue *queue = new_queue(1);
    struct waiter putter;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_queue_put(queue, item(1)), 0);
    start_putter(&scope, &putter, queue, 2);
    expect_item(queue, 1);
    weft_task_cancel(putter.task);
    finish(&putter);
    CHECK_EQ(putter.rc, 0);
    CHECK_ERR(putter.next, -ECANCELED);
    CHECK_EQ(weft_queue_count(queue), 1);
    expect_item(queue, 2);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    weft_queue_free(queue);
}

SYNC_TEST(a_putter_that_was_cancelled_first_has_not_put_and_the_next_has)
{
    struct weft_queue *queue = new_queue(1);
    struct waiter first, second;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_queue_put(queue, item(1)), 0);
    start_putter(&scope, &first, queue, 2);
    start_putter(&scope, &second, queue, 3);
    weft_task_cancel(first.task);
    expect_item(queue, 1);
    expect_item(queue, 3);
    finish(&first);
    finish(&second);
    CHECK_ERR(first.rc, -ECANCELED);
    CHECK_EQ(second.rc, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    weft_queue_free(queue);
}

SYNC_TEST(a_rendezvous_loses_nothing_whichever_side_is_cancelled)
{
    struct weft_queue *queue = new_queue(0);
    struct waiter cancelled, woken;
    struct weft_scope scope;
    void *got = NULL;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_putter(&scope, &cancelled, queue, 1);
    start_putter(&scope, &woken, queue, 2);
    weft_task_cancel(cancelled.task);
    expect_item(queue, 2);
    weft_task_cancel(woken.task);
    finish(&cancelled);
    finish(&woken);
    CHECK_ERR(cancelled.rc, -ECANCELED);
    CHECK_EQ(woken.rc, 0);
    CHECK_ERR(weft_queue_try_get(queue, &got), -EAGAIN);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    weft_queue_free(queue);
}

/* The same in every kind: who waits stands in line, and only what is stored is ordered. */

static int by_number(const void *a, const void *b)
{
    return (intptr_t)a < (intptr_t)b ? -1 : (intptr_t)a > (intptr_t)b;
}

static struct weft_queue *new_queue_of_kind(int kind, size_t capacity)
{
    struct weft_queue_options options = {
        .capacity = capacity, .kind = (enum weft_queue_kind)kind, .compare = by_number};
    struct weft_queue *queue = NULL;

    CHECK_EQ(weft_queue_new(weft_loop_current(), &options, &queue), 0);
    return queue;
}

enum { KINDS = WEFT_QUEUE_PRIORITY + 1 };

/** Items come in the order 3, 2, 1, so that neither a stack nor a heap would give it back. */
static void serve_in_line(struct weft_queue *queue)
{
    struct waiter getters[3], putters[3];
    struct weft_scope scope;

    returned = 0;
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 3; i++)
        start_getter(&scope, &getters[i], queue);
    for (intptr_t i = 0; i < 3; i++)
        CHECK_EQ(weft_queue_put(queue, item(3 - i)), 0);
    settle();
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(getters[i].place, i + 1);
        CHECK_EQ((intptr_t)getters[i].other, 3 - i);
    }
    CHECK_EQ(weft_queue_put(queue, item(0)), 0);
    for (int i = 0; i < 3; i++)
        start_putter(&scope, &putters[i], queue, 3 - i);
    for (intptr_t i = 0; i < 4; i++)
        expect_item(queue, i == 0 ? 0 : 4 - i);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(putters[i].place, 4 + i);
}

SYNC_TEST(in_every_kind_of_queue_waiters_are_served_in_the_order_in_which_they_came)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct weft_queue *queue = new_queue_of_kind(kind, 1);

        serve_in_line(queue);
        weft_queue_free(queue);
    }
}

/** One getter gets its item and is cancelled, one is cancelled first; then two putters. */
static void cancel_in_the_same_turn(struct weft_queue *queue)
{
    struct waiter getters[2], putters[2];
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 2; i++)
        start_getter(&scope, &getters[i], queue);
    CHECK_EQ(weft_queue_put(queue, item(7)), 0);
    weft_task_cancel(getters[0].task);
    weft_task_cancel(getters[1].task);
    CHECK_EQ(weft_queue_put(queue, item(8)), 0);
    for (int i = 0; i < 2; i++)
        finish(&getters[i]);
    CHECK_EQ(getters[0].rc, 0);
    CHECK_EQ((intptr_t)getters[0].other, 7);
    CHECK_ERR(getters[0].next, -ECANCELED);
    CHECK_ERR(getters[1].rc, -ECANCELED);
    for (int i = 0; i < 2; i++)
        start_putter(&scope, &putters[i], queue, i);
    expect_item(queue, 8);
    weft_task_cancel(putters[0].task);
    weft_task_cancel(putters[1].task);
    expect_item(queue, 0);
    for (int i = 0; i < 2; i++)
        finish(&putters[i]);
    CHECK_EQ(putters[0].rc, 0);
    CHECK_ERR(putters[1].rc, -ECANCELED);
    CHECK_EQ(weft_queue_count(queue), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

SYNC_TEST(in_every_kind_of_queue_nothing_is_lost_with_one_cancelled_in_the_same_turn)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct weft_queue *queue = new_queue_of_kind(kind, 1);

        cancel_in_the_same_turn(queue);
        weft_queue_free(queue);
    }
}

/* Closing. */

SYNC_TEST(a_drained_queue_refuses_puts_and_gives_what_is_left)
{
    struct weft_queue *queue = new_queue(2);
    void *got = NULL;

    CHECK_EQ(weft_queue_put(queue, item(1)), 0);
    CHECK_EQ(weft_queue_put(queue, item(2)), 0);
    CHECK(!weft_queue_closed(queue));
    weft_queue_close(queue, WEFT_CLOSE_DRAIN);
    CHECK(weft_queue_closed(queue));
    CHECK_ERR(weft_queue_put(queue, item(3)), -WEFT_ECLOSED);
    CHECK_ERR(weft_queue_try_put(queue, item(3)), -WEFT_ECLOSED);
    expect_item(queue, 1);
    expect_item(queue, 2);
    CHECK_ERR(weft_queue_get(queue, &got), -WEFT_ECLOSED);
    CHECK_ERR(weft_queue_try_get(queue, &got), -WEFT_ECLOSED);
    weft_queue_close(queue, WEFT_CLOSE_DRAIN);
    weft_queue_free(queue);
}

SYNC_TEST(closing_sends_putters_away_with_their_items)
{
    struct weft_queue *queue = new_queue(1);
    struct waiter putter;
    struct weft_scope scope;
    void *got = NULL;

    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_queue_put(queue, item(1)), 0);
    start_putter(&scope, &putter, queue, 2);
    weft_queue_close(queue, WEFT_CLOSE_DRAIN);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_ERR(putter.rc, -WEFT_ECLOSED);
    expect_item(queue, 1);
    CHECK_ERR(weft_queue_get(queue, &got), -WEFT_ECLOSED);
    weft_queue_free(queue);
}

SYNC_TEST(closing_sends_getters_away)
{
    struct weft_queue *queue = new_queue(1);
    struct waiter getters[2];
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 2; i++)
        start_getter(&scope, &getters[i], queue);
    weft_queue_close(queue, WEFT_CLOSE_DRAIN);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_ERR(getters[0].rc, -WEFT_ECLOSED);
    CHECK_ERR(getters[1].rc, -WEFT_ECLOSED);
    CHECK_EQ((intptr_t)getters[0].other, -1);
    weft_queue_free(queue);
}

/** What was dropped, in order. */
static intptr_t dropped[8];
/** How many. */
static int dropped_count;

static void drop(void *what)
{
    dropped[dropped_count++] = (intptr_t)what;
}

SYNC_TEST(closing_at_once_drops_what_is_stored_in_order)
{
    struct weft_queue_options options = {.capacity = 3, .drop = drop};
    struct weft_queue *queue = NULL;
    struct waiter putter;
    struct weft_scope scope;
    void *got = NULL;

    CHECK_EQ(weft_queue_new(weft_loop_current(), &options, &queue), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (intptr_t i = 1; i <= 3; i++)
        CHECK_EQ(weft_queue_put(queue, item(i)), 0);
    start_putter(&scope, &putter, queue, 4);
    weft_queue_close(queue, WEFT_CLOSE_NOW);
    CHECK_EQ(dropped_count, 3);
    for (intptr_t i = 0; i < 3; i++)
        CHECK_EQ(dropped[i], i + 1);
    CHECK_ERR(weft_queue_get(queue, &got), -WEFT_ECLOSED);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_ERR(putter.rc, -WEFT_ECLOSED);
    weft_queue_free(queue);
    CHECK_EQ(dropped_count, 3);
}

SYNC_TEST(a_queue_that_is_draining_can_be_closed_at_once)
{
    struct weft_queue_options options = {.capacity = 2, .drop = drop};
    struct weft_queue *queue = NULL;

    CHECK_EQ(weft_queue_new(weft_loop_current(), &options, &queue), 0);
    CHECK_EQ(weft_queue_put(queue, item(1)), 0);
    CHECK_EQ(weft_queue_put(queue, item(2)), 0);
    weft_queue_close(queue, WEFT_CLOSE_DRAIN);
    CHECK_EQ(dropped_count, 0);
    expect_item(queue, 1);
    weft_queue_close(queue, WEFT_CLOSE_NOW);
    CHECK_EQ(dropped_count, 1);
    CHECK_EQ(dropped[0], 2);
    weft_queue_free(queue);
}

static int join_queue(void *arg)
{
    struct waiter *waiter = arg;

    return note(waiter, weft_queue_join(waiter->object));
}

SYNC_TEST(freeing_sends_everybody_away_and_drops_what_is_stored)
{
    struct weft_queue_options options = {.capacity = 1, .drop = drop};
    struct weft_queue *queue = NULL;
    struct waiter putter, joiner;
    struct weft_scope scope;
    void *got = NULL;

    CHECK_EQ(weft_queue_new(weft_loop_current(), &options, &queue), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_queue_put(queue, item(1)), 0);
    CHECK_EQ(weft_queue_get(queue, &got), 0);
    CHECK_EQ(weft_queue_put(queue, item(2)), 0);
    start_putter(&scope, &putter, queue, 3);
    start_waiter(&scope, join_queue, &joiner, queue);
    weft_queue_free(queue);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_ERR(putter.rc, -WEFT_ECLOSED);
    CHECK_ERR(joiner.rc, -WEFT_ECLOSED);
    CHECK_EQ(dropped_count, 1);
    weft_queue_free(NULL);
}

/* Done and join. */

SYNC_TEST(a_join_waits_until_every_item_that_was_put_is_done)
{
    struct weft_queue *queue = new_queue(1);
    struct waiter joiner, putter;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_queue_join(queue), 0);
    CHECK_EQ(weft_queue_put(queue, item(1)), 0);
    start_putter(&scope, &putter, queue, 2);
    start_waiter(&scope, join_queue, &joiner, queue);
    expect_item(queue, 1);
    CHECK_EQ(weft_queue_done(queue), 0);
    expect_item(queue, 2);
    settle();
    CHECK_EQ(joiner.rc, NOT_RETURNED);
    CHECK_EQ(weft_queue_done(queue), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(joiner.rc, 0);
    weft_queue_free(queue);
}

SYNC_TEST(items_handed_over_count_as_put)
{
    struct weft_queue *queue = new_queue(0);
    struct waiter getter, putter;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_getter(&scope, &getter, queue);
    CHECK_EQ(weft_queue_put(queue, item(1)), 0);
    CHECK_ERR(weft_within(WEFT_MS, weft_queue_join(queue)), -ETIMEDOUT);
    CHECK_EQ(weft_queue_done(queue), 0);
    CHECK_EQ(weft_queue_join(queue), 0);
    start_putter(&scope, &putter, queue, 2);
    CHECK_EQ(weft_queue_join(queue), 0);
    expect_item(queue, 2);
    CHECK_ERR(weft_within(WEFT_MS, weft_queue_join(queue)), -ETIMEDOUT);
    CHECK_EQ(weft_queue_done(queue), 0);
    CHECK_EQ(weft_queue_join(queue), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    weft_queue_free(queue);
}

SYNC_TEST(more_done_than_put_is_an_error)
{
    struct weft_queue *queue = new_queue(1);

    CHECK_ERR(weft_queue_done(queue), -EINVAL);
    CHECK_EQ(weft_queue_put(queue, item(1)), 0);
    CHECK_EQ(weft_queue_done(queue), 0);
    CHECK_ERR(weft_queue_done(queue), -EINVAL);
    weft_queue_free(queue);
}

SYNC_TEST(items_dropped_by_a_close_are_done)
{
    struct weft_queue *queue = new_queue(2);
    struct waiter joiner;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_queue_put(queue, item(1)), 0);
    CHECK_EQ(weft_queue_put(queue, item(2)), 0);
    start_waiter(&scope, join_queue, &joiner, queue);
    expect_item(queue, 1);
    weft_queue_close(queue, WEFT_CLOSE_NOW);
    settle();
    CHECK_EQ(joiner.rc, NOT_RETURNED);
    CHECK_EQ(weft_queue_done(queue), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(joiner.rc, 0);
    weft_queue_free(queue);
}

SYNC_TEST(a_join_that_is_cancelled_leaves_the_queue_as_it_was)
{
    struct weft_queue *queue = new_queue(1);
    struct waiter joiner;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_queue_put(queue, item(1)), 0);
    start_waiter(&scope, join_queue, &joiner, queue);
    weft_task_cancel(joiner.task);
    CHECK_EQ(weft_queue_done(queue), 0);
    finish(&joiner);
    CHECK_ERR(joiner.rc, -ECANCELED);
    CHECK_EQ(weft_queue_join(queue), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    weft_queue_free(queue);
}

/* Callbacks. */

static void put_from_callback(void *queue)
{
    CHECK_EQ(weft_queue_try_put(queue, item(5)), 0);
}

SYNC_TEST(a_callback_of_the_loop_may_put)
{
    struct weft_queue *queue = new_queue(0);

    CHECK_EQ(weft_loop_call_later(weft_loop_current(), WEFT_MS, put_from_callback, queue, NULL), 0);
    expect_item(queue, 5);
    weft_queue_free(queue);
}
