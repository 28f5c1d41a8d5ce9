/* SPDX-License-Identifier: MIT */
/*
 * test_select.c: waiting for the first of several things
 *
 * Each kind of case, at once and after waiting; exactly one case happens; losers are withdrawn in
 * the instant of the decision; nothing is lost when a select is cancelled in the same turn.
 */
#include "sync_test.h"

#include <poll.h>
#include <unistd.h>

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

/** A task that selects. */
struct chooser {
    /** What its select gave, in .rc, and so on. */
    struct waiter waiter;
    /** Its cases. */
    struct weft_case cases[3];
    /** How many. */
    size_t count;
    /** What a get case got. */
    void *got;
};

static int choose(void *arg)
{
    struct waiter *waiter = arg;
    struct chooser *chooser = waiter->other;

    return note(waiter, weft_select(chooser->cases, chooser->count));
}

static void start_chooser(struct weft_scope *scope, struct chooser *chooser, size_t count)
{
    chooser->count = count;
    chooser->waiter.other = chooser;
    start_waiter(scope, choose, &chooser->waiter, NULL);
    CHECK_EQ(chooser->waiter.rc, NOT_RETURNED);
}

/* Each kind, at once and after waiting. */

SYNC_TEST(a_get_case_takes_an_item_that_is_there)
{
    struct weft_queue *queue = new_queue(1);
    void *got = NULL;
    struct weft_case cases[] = {weft_case_get(queue, &got)};

    CHECK_ERR(weft_try_select(cases, 1), -EAGAIN);
    CHECK_EQ(weft_queue_put(queue, item(3)), 0);
    CHECK_EQ(weft_select(cases, 1), 0);
    CHECK_EQ(cases[0].result, 0);
    CHECK_EQ((intptr_t)got, 3);
    CHECK_EQ(weft_queue_count(queue), 0);
    weft_queue_free(queue);
}

SYNC_TEST(a_put_case_puts_where_there_is_room)
{
    struct weft_queue *queue = new_queue(1);
    struct weft_case cases[] = {weft_case_put(queue, item(4))};

    CHECK_EQ(weft_select(cases, 1), 0);
    CHECK_EQ(cases[0].result, 0);
    CHECK_EQ(weft_queue_count(queue), 1);
    CHECK_ERR(weft_try_select(cases, 1), -EAGAIN);
    CHECK_EQ(weft_queue_count(queue), 1);
    weft_queue_free(queue);
}

SYNC_TEST(a_waiting_get_case_is_handed_an_item)
{
    struct weft_queue *queue = new_queue(1);
    struct chooser chooser = {.got = item(-1)};
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    chooser.cases[0] = weft_case_never();
    chooser.cases[1] = weft_case_get(queue, &chooser.got);
    start_chooser(&scope, &chooser, 2);
    CHECK_EQ(weft_queue_put(queue, item(5)), 0);
    CHECK_EQ(weft_queue_count(queue), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(chooser.waiter.rc, 1);
    CHECK_EQ(chooser.cases[1].result, 0);
    CHECK_EQ((intptr_t)chooser.got, 5);
    weft_queue_free(queue);
}

SYNC_TEST(a_waiting_put_case_is_taken_in_when_there_is_room)
{
    struct weft_queue *queue = new_queue(1);
    struct chooser chooser;
    struct weft_scope scope;
    void *got = NULL;

    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_queue_put(queue, item(1)), 0);
    chooser.cases[0] = weft_case_put(queue, item(2));
    start_chooser(&scope, &chooser, 1);
    CHECK_EQ(weft_queue_get(queue, &got), 0);
    CHECK_EQ((intptr_t)got, 1);
    CHECK_EQ(weft_queue_count(queue), 1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(chooser.waiter.rc, 0);
    CHECK_EQ(weft_queue_get(queue, &got), 0);
    CHECK_EQ((intptr_t)got, 2);
    weft_queue_free(queue);
}

SYNC_TEST(queue_cases_tell_that_the_queue_is_closed)
{
    struct weft_queue *queue = new_queue(1);
    struct chooser chooser = {.got = item(-1)};
    struct weft_scope scope;
    void *got = NULL;
    struct weft_case cases[] = {weft_case_put(queue, item(1)), weft_case_get(queue, &got)};

    weft_scope_enter(&scope, WEFT_FOREVER);
    chooser.cases[0] = weft_case_get(queue, &chooser.got);
    start_chooser(&scope, &chooser, 1);
    weft_queue_close(queue, WEFT_CLOSE_DRAIN);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(chooser.waiter.rc, 0);
    CHECK_ERR(chooser.cases[0].result, -WEFT_ECLOSED);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(weft_select(&cases[i], 1), 0);
        CHECK_ERR(cases[i].result, -WEFT_ECLOSED);
    }
    weft_queue_free(queue);
}

SYNC_TEST(an_event_case_sees_a_set_event_and_waits_for_one_that_is_not)
{
    struct weft_event event = WEFT_EVENT_INIT(event);
    struct chooser chooser;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    chooser.cases[0] = weft_case_event(&event);
    start_chooser(&scope, &chooser, 1);
    weft_event_set(&event);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(chooser.waiter.rc, 0);
    CHECK_EQ(weft_try_select(chooser.cases, 1), 0);
}

SYNC_TEST(a_future_case_waits_for_a_future)
{
    struct weft_future *future = NULL;
    struct chooser chooser;
    struct weft_scope scope;

    CHECK_EQ(weft_future_new(weft_loop_current(), &future), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    chooser.cases[0] = weft_case_future(future);
    start_chooser(&scope, &chooser, 1);
    CHECK_EQ(weft_future_set(future, -EPROTO, NULL), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(chooser.waiter.rc, 0);
    CHECK_EQ(chooser.cases[0].result, 0);
    CHECK_EQ(weft_try_select(chooser.cases, 1), 0);
    weft_future_unref(future);
}

static int wait_for_event(void *event)
{
    return weft_event_wait(event);
}

SYNC_TEST(a_task_case_waits_for_the_end_and_leaves_the_join)
{
    struct weft_event event = WEFT_EVENT_INIT(event);
    struct weft_task *task = NULL;
    struct chooser chooser;
    struct weft_scope scope;
    int result = NOT_RETURNED;

    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_spawn_fn(&scope, &task, wait_for_event, &event), 0);
    chooser.cases[0] = weft_case_task(task);
    start_chooser(&scope, &chooser, 1);
    weft_event_set(&event);
    settle();
    CHECK_EQ(chooser.waiter.rc, 0);
    CHECK_EQ(weft_try_select(chooser.cases, 1), 0);
    CHECK_EQ(weft_join(task, &result), 0);
    CHECK_EQ(result, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

SYNC_TEST(an_instant_case_is_never_early)
{
    weft_ns begun = weft_clock();
    struct weft_case cases[] = {weft_case_at(weft_after(WEFT_HOUR)),
                                weft_case_at(weft_after(3 * WEFT_MS)),
                                weft_case_at((struct weft_time){WEFT_FOREVER})};

    CHECK_EQ(weft_select(cases, 3), 1);
    CHECK(weft_clock() - begun >= 3 * WEFT_MS);
    CHECK_EQ(cases[1].result, 0);
    CHECK_EQ(weft_try_select(cases, 3), 1);
    CHECK_ERR(weft_within(WEFT_MS, weft_select(&cases[2], 1)), -ETIMEDOUT);
}

SYNC_TEST(a_readiness_case_waits_for_a_descriptor)
{
    struct chooser chooser;
    struct weft_scope scope;
    int fds[2];

    CHECK_EQ(weft_pipe(fds), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    chooser.cases[0] = weft_case_ready(fds[0], POLLIN);
    CHECK_ERR(weft_try_select(chooser.cases, 1), -EAGAIN);
    start_chooser(&scope, &chooser, 1);
    CHECK_EQ(weft_write(fds[1], "x", 1), 1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(chooser.waiter.rc, 0);
    CHECK_EQ(chooser.cases[0].result, POLLIN);
    CHECK_EQ(weft_try_select(chooser.cases, 1), 0);
    CHECK_EQ(chooser.cases[0].result, POLLIN);
    CHECK_EQ(weft_close(fds[0]), 0);
    CHECK_EQ(weft_close(fds[1]), 0);
}

SYNC_TEST(a_readiness_case_hears_of_the_close_of_its_descriptor)
{
    struct chooser chooser;
    struct weft_scope scope;
    int fds[2];

    CHECK_EQ(weft_pipe(fds), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    chooser.cases[0] = weft_case_ready(fds[0], POLLIN);
    start_chooser(&scope, &chooser, 1);
    CHECK_EQ(weft_close(fds[0]), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(chooser.waiter.rc, 0);
    CHECK_ERR(chooser.cases[0].result, -EBADF);
    CHECK_EQ(weft_close(fds[1]), 0);
}

SYNC_TEST(a_readiness_case_that_loses_leaves_the_descriptor_to_others)
{
    struct weft_event event = WEFT_EVENT_INIT(event);
    struct chooser chooser;
    struct weft_scope scope;
    char byte = 0;
    int fds[2];

    CHECK_EQ(weft_pipe(fds), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    chooser.cases[0] = weft_case_ready(fds[0], POLLIN);
    chooser.cases[1] = weft_case_event(&event);
    start_chooser(&scope, &chooser, 2);
    weft_event_set(&event);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(chooser.waiter.rc, 1);
    CHECK_EQ(weft_write(fds[1], "x", 1), 1);
    CHECK_EQ(weft_read(fds[0], &byte, 1), 1);
    CHECK_EQ(weft_close(fds[0]), 0);
    CHECK_EQ(weft_close(fds[1]), 0);
}

/* Which one. */

SYNC_TEST(an_ordered_select_takes_the_first_that_can_happen)
{
    struct weft_queue *queue = new_queue(2);
    struct weft_event event = WEFT_EVENT_INIT(event);
    void *got = NULL;
    struct weft_case cases[] = {weft_case_never(), weft_case_get(queue, &got),
                                weft_case_event(&event)};

    CHECK_EQ(weft_queue_put(queue, item(1)), 0);
    weft_event_set(&event);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(weft_queue_put(queue, item(1)), 0);
        CHECK_EQ(weft_select_ordered(cases, 3), 1);
    }
    weft_queue_free(queue);
}

SYNC_TEST(a_select_takes_each_of_those_that_can_happen_in_its_time)
{
    struct weft_event event = WEFT_EVENT_INIT(event);
    struct weft_case cases[] = {weft_case_event(&event), weft_case_never(),
                                weft_case_event(&event)};
    int counts[3] = {0};

    weft_event_set(&event);
    for (int i = 0; i < 400; i++) {
        int index = weft_select(cases, 3);

        CHECK_OK(index);
        counts[index]++;
    }
    CHECK(counts[0] > 40);
    CHECK_EQ(counts[1], 0);
    CHECK(counts[2] > 40);
}

SYNC_TEST(exactly_one_case_happens_when_several_could)
{
    struct weft_queue *first = new_queue(1), *second = new_queue(1);
    struct chooser chooser = {.got = item(-1)};
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    chooser.cases[0] = weft_case_get(first, &chooser.got);
    chooser.cases[1] = weft_case_get(second, &chooser.got);
    start_chooser(&scope, &chooser, 2);
    CHECK_EQ(weft_queue_put(second, item(2)), 0);
    CHECK_EQ(weft_queue_put(first, item(1)), 0);
    CHECK_EQ(weft_queue_count(first), 1);
    CHECK_EQ(weft_queue_count(second), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(chooser.waiter.rc, 1);
    CHECK_EQ((intptr_t)chooser.got, 2);
    weft_queue_free(first);
    weft_queue_free(second);
}

SYNC_TEST(losers_are_withdrawn_so_that_later_waiters_are_not_passed_over)
{
    struct weft_queue *queue = new_queue(0);
    struct weft_event event = WEFT_EVENT_INIT(event);
    struct chooser early, late;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    early.cases[0] = weft_case_event(&event);
    early.cases[1] = weft_case_get(queue, &early.got);
    start_chooser(&scope, &early, 2);
    late.cases[0] = weft_case_get(queue, &late.got);
    start_chooser(&scope, &late, 1);
    weft_event_set(&event);
    CHECK_EQ(weft_queue_try_put(queue, item(6)), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(early.waiter.rc, 0);
    CHECK_EQ(late.waiter.rc, 0);
    CHECK_EQ((intptr_t)late.got, 6);
    weft_queue_free(queue);
}

static int get_one(void *arg)
{
    struct waiter *waiter = arg;

    return note(waiter, weft_queue_get(waiter->object, &waiter->other));
}

SYNC_TEST(selects_and_plain_getters_stand_in_one_line)
{
    struct weft_queue *queue = new_queue(1);
    struct chooser first, third;
    struct waiter second;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    first.cases[0] = weft_case_get(queue, &first.got);
    start_chooser(&scope, &first, 1);
    start_waiter(&scope, get_one, &second, queue);
    third.cases[0] = weft_case_get(queue, &third.got);
    start_chooser(&scope, &third, 1);
    for (intptr_t i = 1; i <= 3; i++)
        CHECK_EQ(weft_queue_put(queue, item(i)), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ((intptr_t)first.got, 1);
    CHECK_EQ((intptr_t)second.other, 2);
    CHECK_EQ((intptr_t)third.got, 3);
    weft_queue_free(queue);
}

SYNC_TEST(a_select_does_not_meet_itself_in_a_rendezvous)
{
    struct weft_queue *queue = new_queue(0);
    struct chooser chooser = {.got = item(-1)};
    struct weft_scope scope;
    void *got = NULL;

    weft_scope_enter(&scope, WEFT_FOREVER);
    chooser.cases[0] = weft_case_put(queue, item(1));
    chooser.cases[1] = weft_case_get(queue, &chooser.got);
    start_chooser(&scope, &chooser, 2);
    CHECK_EQ(weft_queue_try_get(queue, &got), 0);
    CHECK_EQ((intptr_t)got, 1);
    CHECK_ERR(weft_queue_try_put(queue, item(2)), -EAGAIN);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(chooser.waiter.rc, 0);
    CHECK_EQ((intptr_t)chooser.got, -1);
    weft_queue_free(queue);
}

SYNC_TEST(two_selects_meet_in_a_rendezvous)
{
    struct weft_queue *queue = new_queue(0);
    struct chooser putter, getter = {.got = item(-1)};
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    putter.cases[0] = weft_case_put(queue, item(8));
    start_chooser(&scope, &putter, 1);
    getter.cases[0] = weft_case_get(queue, &getter.got);
    CHECK_EQ(weft_select(getter.cases, 1), 0);
    CHECK_EQ((intptr_t)getter.got, 8);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(putter.waiter.rc, 0);
    weft_queue_free(queue);
}

SYNC_TEST(one_queue_twice_in_a_select_gives_one_item)
{
    struct weft_queue *queue = new_queue(1);
    struct chooser chooser;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 3; i++)
        chooser.cases[i] = weft_case_get(queue, &chooser.got);
    start_chooser(&scope, &chooser, 3);
    CHECK_EQ(weft_queue_put(queue, item(1)), 0);
    CHECK_EQ(weft_queue_put(queue, item(2)), 0);
    CHECK_EQ(weft_queue_count(queue), 1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(chooser.waiter.rc, 0);
    CHECK_EQ((intptr_t)chooser.got, 1);
    weft_queue_free(queue);
}

SYNC_TEST(one_event_twice_in_a_select_wakes_it_once_and_others_too)
{
    struct weft_event event = WEFT_EVENT_INIT(event);
    struct chooser chooser, other;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    chooser.cases[0] = weft_case_event(&event);
    chooser.cases[1] = weft_case_event(&event);
    start_chooser(&scope, &chooser, 2);
    other.cases[0] = weft_case_event(&event);
    start_chooser(&scope, &other, 1);
    weft_event_set(&event);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(chooser.waiter.rc, 0);
    CHECK_EQ(other.waiter.rc, 0);
}

/* Cancellation. */

SYNC_TEST(a_select_that_need_not_wait_looks_for_cancellation)
{
    struct weft_queue *queue = new_queue(1);
    void *got = item(-1);
    struct weft_case cases[] = {weft_case_get(queue, &got)};
    struct weft_scope scope;

    CHECK_EQ(weft_queue_put(queue, item(1)), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    CHECK_ERR(weft_select(cases, 1), -ECANCELED);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ((intptr_t)got, -1);
    CHECK_EQ(weft_queue_count(queue), 1);
    weft_queue_free(queue);
}

SYNC_TEST(a_select_that_was_decided_and_then_cancelled_has_its_case)
{
    struct weft_queue *queue = new_queue(0);
    struct weft_event event = WEFT_EVENT_INIT(event);
    struct chooser chooser = {.got = item(-1)};
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    chooser.cases[0] = weft_case_event(&event);
    chooser.cases[1] = weft_case_get(queue, &chooser.got);
    start_chooser(&scope, &chooser, 2);
    CHECK_EQ(weft_queue_try_put(queue, item(6)), 0);
    weft_task_cancel(chooser.waiter.task);
    finish(&chooser.waiter);
    CHECK_EQ(chooser.waiter.rc, 1);
    CHECK_ERR(chooser.waiter.next, -ECANCELED);
    CHECK_EQ((intptr_t)chooser.got, 6);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    weft_queue_free(queue);
}

SYNC_TEST(a_select_that_was_cancelled_first_has_left_all_queues)
{
    struct weft_queue *first = new_queue(0), *second = new_queue(1);
    struct chooser chooser = {.got = item(-1)};
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    chooser.cases[0] = weft_case_get(first, &chooser.got);
    chooser.cases[1] = weft_case_get(second, &chooser.got);
    chooser.cases[2] = weft_case_at(weft_after(WEFT_HOUR));
    start_chooser(&scope, &chooser, 3);
    weft_task_cancel(chooser.waiter.task);
    CHECK_ERR(weft_queue_try_put(first, item(1)), -EAGAIN);
    CHECK_EQ(weft_queue_try_put(second, item(2)), 0);
    CHECK_EQ(weft_queue_count(second), 1);
    finish(&chooser.waiter);
    CHECK_ERR(chooser.waiter.rc, -ECANCELED);
    CHECK_EQ((intptr_t)chooser.got, -1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    weft_queue_free(first);
    weft_queue_free(second);
}

SYNC_TEST(a_select_of_nothing_waits_for_its_cancellation)
{
    struct weft_case never[] = {weft_case_never()};

    CHECK_ERR(weft_within(WEFT_MS, weft_select(NULL, 0)), -ETIMEDOUT);
    CHECK_ERR(weft_within(WEFT_MS, weft_select(never, 1)), -ETIMEDOUT);
    CHECK_ERR(weft_try_select(NULL, 0), -EAGAIN);
}

/* A kind of case that fails to enlist. */

static int cannot_attempt(struct weft_case *c)
{
    (void)c;
    return 0;
}

static int cannot_enlist(struct weft_case *c)
{
    (void)c;
    return -ENOMEM;
}

static const struct weft_case_ops failing_ops = {"to fail", cannot_attempt, cannot_enlist, NULL};

SYNC_TEST(a_case_that_cannot_be_enlisted_ends_the_select_and_withdraws_the_others)
{
    struct weft_queue *queue = new_queue(0);
    void *got = item(-1);
    struct weft_case cases[] = {
        weft_case_get(queue, &got), {.ops = &failing_ops}, weft_case_get(queue, &got)};

    CHECK_ERR(weft_select(cases, 3), -ENOMEM);
    CHECK_ERR(weft_queue_try_put(queue, item(1)), -EAGAIN);
    weft_queue_free(queue);
}

SYNC_TEST(a_dump_names_the_cases_of_a_select)
{
    struct weft_event event = WEFT_EVENT_INIT(event);
    struct chooser chooser;
    struct weft_scope scope;
    char text[2000] = "";
    int fds[2];

    /* A real pipe on each engine: the dump leaves the simulated world. */
    CHECK_EQ(pipe(fds), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    chooser.cases[0] = weft_case_event(&event);
    chooser.cases[1] = weft_case_never();
    start_chooser(&scope, &chooser, 2);
    weft_dump(weft_loop_current(), fds[1]);
    CHECK_EQ(close(fds[1]), 0);
    for (size_t len = 0; len < sizeof text - 1;) {
        ssize_t n = read(fds[0], text + len, sizeof text - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    CHECK_EQ(close(fds[0]), 0);
    CHECK_CONTAINS(text, "for one of 2 cases: for an event, never");
    weft_event_set(&event);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}
