/* SPDX-License-Identifier: MIT */
/*
 * test_several.c: waiting for tasks or futures that exist already
 *
 * The three conditions for tasks and for futures, the timeout, that nothing is cancelled or
 * consumed, and that a wait which is cut leaves nothing behind.
 */
#include "sync_test.h"

/** A task that waits for its gate to open, and returns. */
struct walker {
    /** Where it waits. */
    struct weft_event gate;
    /** What it returns. */
    int result;
};

static int walk(void *arg)
{
    struct walker *walker = arg;
    int rc = weft_event_wait(&walker->gate);

    return rc < 0 ? rc : walker->result;
}

enum { TASKS = 4 };

/** Three that succeed, and the second, which fails. */
static struct walker walkers[TASKS] = {
    {.result = 1}, {.result = -EPROTO}, {.result = 3}, {.result = 4}};

/** Starts them where a failure cancels nobody; the first gate is open. */
static void start_tasks(struct weft_scope *scope, struct weft_task **tasks)
{
    weft_scope_enter_policy(scope, WEFT_FOREVER, WEFT_COLLECT);
    for (int i = 0; i < TASKS; i++) {
        weft_event_init(&walkers[i].gate);
        CHECK_EQ(weft_spawn_fn(scope, &tasks[i], walk, &walkers[i]), 0);
    }
    weft_event_set(&walkers[0].gate);
}

static void open_gate(void *walker)
{
    weft_event_set(&((struct walker *)walker)->gate);
}

/** Opens a gate soon, when the calling task waits. */
static void open_soon(int number)
{
    CHECK_EQ(weft_loop_call_later(weft_loop_current(), WEFT_MS, open_gate, &walkers[number], NULL),
             0);
}

static void end_tasks(struct weft_scope *scope)
{
    weft_scope_cancel(scope, 0);
    (void)!weft_scope_exit(scope, 0);
}

SYNC_TEST(first_completed_returns_when_one_task_has_ended)
{
    struct weft_task *tasks[TASKS];
    struct weft_scope scope;

    start_tasks(&scope, tasks);
    open_soon(1);
    CHECK_EQ(weft_wait_tasks(&tasks[1], 3, WEFT_FIRST_COMPLETED, WEFT_FOREVER), 1);
    CHECK(weft_task_ended(tasks[1]));
    CHECK(!weft_task_ended(tasks[2]));
    CHECK_EQ(weft_wait_tasks(tasks, 4, WEFT_FIRST_COMPLETED, WEFT_FOREVER), 2);
    end_tasks(&scope);
}

SYNC_TEST(first_failure_passes_over_successes)
{
    struct weft_task *tasks[TASKS];
    struct weft_scope scope;

    start_tasks(&scope, tasks);
    open_soon(2);
    open_soon(1);
    CHECK_EQ(weft_wait_tasks(tasks, 4, WEFT_FIRST_FAILURE, WEFT_FOREVER), 3);
    CHECK(weft_task_ended(tasks[1]));
    CHECK_EQ(weft_wait_tasks(tasks, 4, WEFT_FIRST_FAILURE, WEFT_FOREVER), 3);
    end_tasks(&scope);
}

SYNC_TEST(first_failure_without_a_failure_waits_for_all)
{
    struct weft_task *tasks[TASKS], *two[2];
    struct weft_scope scope;

    start_tasks(&scope, tasks);
    two[0] = tasks[0];
    two[1] = tasks[2];
    open_soon(2);
    CHECK_EQ(weft_wait_tasks(two, 2, WEFT_FIRST_FAILURE, WEFT_FOREVER), 2);
    end_tasks(&scope);
}

SYNC_TEST(a_cancelled_task_is_no_failure)
{
    struct weft_task *tasks[TASKS];
    struct weft_scope scope;

    start_tasks(&scope, tasks);
    weft_task_cancel(tasks[3]);
    open_soon(2);
    CHECK_EQ(weft_wait_tasks(&tasks[2], 2, WEFT_FIRST_FAILURE, WEFT_FOREVER), 2);
    CHECK(weft_task_ended(tasks[2]));
    end_tasks(&scope);
}

SYNC_TEST(all_completed_waits_for_the_last_and_consumes_nothing)
{
    struct weft_task *tasks[TASKS];
    struct weft_scope scope;
    int result = NOT_RETURNED;

    start_tasks(&scope, tasks);
    open_soon(1);
    open_soon(2);
    CHECK_EQ(weft_wait_tasks(tasks, 3, WEFT_ALL_COMPLETED, WEFT_FOREVER), 3);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(weft_join(tasks[i], &result), 0);
        CHECK_EQ(result, walkers[i].result);
    }
    CHECK(!weft_task_ended(tasks[3]));
    end_tasks(&scope);
}

SYNC_TEST(when_the_time_is_up_the_number_of_ended_tasks_is_returned)
{
    struct weft_task *tasks[TASKS];
    struct weft_scope scope;

    start_tasks(&scope, tasks);
    settle();
    CHECK_EQ(weft_wait_tasks(&tasks[2], 2, WEFT_ALL_COMPLETED, 2 * WEFT_MS), 0);
    CHECK_EQ(weft_wait_tasks(tasks, 4, WEFT_ALL_COMPLETED, 2 * WEFT_MS), 1);
    open_gate(&walkers[2]);
    settle();
    CHECK_EQ(weft_wait_tasks(tasks, 4, WEFT_ALL_COMPLETED, 0), 2);
    CHECK(!weft_task_ended(tasks[3]));
    CHECK(!weft_cancelled());
    end_tasks(&scope);
}

SYNC_TEST(one_task_may_be_waited_for_twice)
{
    struct weft_task *tasks[TASKS], *twice[2];
    struct weft_scope scope;

    start_tasks(&scope, tasks);
    twice[0] = twice[1] = tasks[2];
    open_soon(2);
    CHECK_EQ(weft_wait_tasks(twice, 2, WEFT_ALL_COMPLETED, WEFT_FOREVER), 2);
    end_tasks(&scope);
}

SYNC_TEST(waiting_for_no_tasks_is_an_error)
{
    CHECK_ERR(weft_wait_tasks(NULL, 0, WEFT_ALL_COMPLETED, WEFT_FOREVER), -EINVAL);
    CHECK_ERR(weft_wait_futures(NULL, 0, WEFT_ALL_COMPLETED, WEFT_FOREVER), -EINVAL);
}

SYNC_TEST(a_wait_for_tasks_that_have_ended_looks_for_cancellation)
{
    struct weft_task *tasks[TASKS];
    struct weft_scope scope, cancelled;

    start_tasks(&scope, tasks);
    settle();
    weft_scope_enter(&cancelled, WEFT_FOREVER);
    weft_scope_cancel(&cancelled, 0);
    CHECK_ERR(weft_wait_tasks(tasks, 1, WEFT_ALL_COMPLETED, WEFT_FOREVER), -ECANCELED);
    CHECK_EQ(weft_scope_exit(&cancelled, 0), 0);
    end_tasks(&scope);
}

/** Futures, and a task that waits for one of them to be finished. */
struct futures {
    /** The futures. */
    struct weft_future *all[3];
    /** The waiter. */
    struct waiter waiter;
    /** Where it runs. */
    struct weft_scope scope;
    /** What it waits for. */
    enum weft_until until;
};

static int wait_for_futures(void *arg)
{
    struct waiter *waiter = arg;
    struct futures *futures = waiter->object;

    return note(waiter, weft_wait_futures(futures->all, 3, futures->until, WEFT_FOREVER));
}

static void start_futures(struct futures *futures, enum weft_until until)
{
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_future_new(weft_loop_current(), &futures->all[i]), 0);
    futures->until = until;
    weft_scope_enter(&futures->scope, WEFT_FOREVER);
    start_waiter(&futures->scope, wait_for_futures, &futures->waiter, futures);
    CHECK_EQ(futures->waiter.rc, NOT_RETURNED);
}

static void end_futures(struct futures *futures)
{
    CHECK_EQ(weft_scope_exit(&futures->scope, 0), 0);
    for (int i = 0; i < 3; i++)
        weft_future_unref(futures->all[i]);
}

SYNC_TEST(futures_are_waited_for_in_the_same_ways)
{
    struct futures first, failure, all;

    start_futures(&first, WEFT_FIRST_COMPLETED);
    CHECK_EQ(weft_future_set(first.all[2], 7, NULL), 0);
    settle();
    CHECK_EQ(first.waiter.rc, 1);
    end_futures(&first);

    start_futures(&failure, WEFT_FIRST_FAILURE);
    CHECK_EQ(weft_future_cancel(failure.all[0]), 0);
    settle();
    CHECK_EQ(failure.waiter.rc, NOT_RETURNED);
    CHECK_EQ(weft_future_set(failure.all[1], -EPROTO, NULL), 0);
    settle();
    CHECK_EQ(failure.waiter.rc, 2);
    end_futures(&failure);

    start_futures(&all, WEFT_ALL_COMPLETED);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(all.waiter.rc, NOT_RETURNED);
        CHECK_EQ(weft_future_set(all.all[i], -EPROTO, NULL), 0);
        settle();
    }
    CHECK_EQ(all.waiter.rc, 3);
    end_futures(&all);
}

SYNC_TEST(a_wait_that_was_satisfied_and_then_cancelled_has_happened)
{
    struct futures futures;

    start_futures(&futures, WEFT_FIRST_COMPLETED);
    CHECK_EQ(weft_future_set(futures.all[1], 0, NULL), 0);
    weft_task_cancel(futures.waiter.task);
    end_futures(&futures);
    CHECK_EQ(futures.waiter.rc, 1);
    CHECK_ERR(futures.waiter.next, -ECANCELED);
}

SYNC_TEST(a_wait_that_was_cancelled_first_leaves_nothing_behind)
{
    struct futures futures;

    start_futures(&futures, WEFT_FIRST_COMPLETED);
    weft_task_cancel(futures.waiter.task);
    CHECK_EQ(weft_future_set(futures.all[1], 0, NULL), 0);
    settle();
    CHECK_EQ(weft_future_set(futures.all[0], 0, NULL), 0);
    end_futures(&futures);
    CHECK_ERR(futures.waiter.rc, -ECANCELED);
}
