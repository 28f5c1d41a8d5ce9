/* SPDX-License-Identifier: MIT */
/*
 * test_group.c: all of several calls, the first of them, and each as it ends
 *
 * Results in order, who cancels whom, what is returned when, and that nothing is returned while
 * a call still runs. Which call ends before which is a matter of turns, not of time.
 */
#include "sync_test.h"

#include <string.h>

/** What a call does. */
struct job {
    /** How often it lets others run before it returns; NEVER: it sleeps until it is cancelled. */
    int turns;
    /** What it returns when nothing refused its waits. */
    int result;
    /** What its last wait gave; NOT_RETURNED while it has not begun. */
    int waited;
};

#define NEVER (-1)

static int run_job(void *arg)
{
    struct job *job = arg;

    job->waited = job->turns == NEVER ? weft_sleep(WEFT_HOUR) : 0;
    for (int i = 0; i < job->turns && job->waited == 0; i++)
        job->waited = weft_yield();
    return job->waited < 0 ? job->waited : job->result;
}

/** Makes calls of jobs. */
static void prepare(struct weft_call *calls, struct job *jobs, size_t count)
{
    memset(calls, 0, count * sizeof *calls);
    for (size_t i = 0; i < count; i++) {
        calls[i].fn = run_job;
        calls[i].arg = &jobs[i];
    }
}

/* All. */

SYNC_TEST(gather_gives_results_in_the_order_of_the_calls)
{
    struct job jobs[3] = {{9, 30, 0}, {3, 10, 0}, {6, 20, 0}};
    struct weft_call calls[3];

    prepare(calls, jobs, 3);
    CHECK_EQ(weft_gather(calls, 3), 0);
    CHECK_EQ(calls[0].result, 30);
    CHECK_EQ(calls[1].result, 10);
    CHECK_EQ(calls[2].result, 20);
    CHECK_EQ(weft_gather(NULL, 0), 0);
}

SYNC_TEST(a_failure_in_a_gather_cancels_the_rest_and_is_returned)
{
    struct job jobs[3] = {{NEVER, 0, 0}, {3, -EPROTO, 0}, {0, 5, 0}};
    struct weft_call calls[3];

    prepare(calls, jobs, 3);
    CHECK_ERR(weft_gather(calls, 3), -EPROTO);
    CHECK_ERR(calls[0].result, -ECANCELED);
    CHECK_ERR(jobs[0].waited, -ECANCELED);
    CHECK_ERR(calls[1].result, -EPROTO);
    CHECK_EQ(calls[2].result, 5);
}

SYNC_TEST(a_gather_in_a_cancelled_scope_makes_no_call)
{
    struct job jobs[1] = {{0, 1, 77}};
    struct weft_call calls[1];
    struct weft_scope scope;

    prepare(calls, jobs, 1);
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    CHECK_ERR(weft_gather(calls, 1), -ECANCELED);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_ERR(calls[0].result, -ECANCELED);
    CHECK_EQ(jobs[0].waited, 77);
}

/** Cancels the scope when everybody waits. */
static int cancel_soon(void *scope)
{
    settle();
    weft_scope_cancel(scope, -EPROTO);
    return 0;
}

SYNC_TEST(a_gather_that_is_cut_has_ended_all_its_calls)
{
    struct job jobs[2] = {{NEVER, 1, 0}, {0, 2, 0}};
    struct weft_scope scope;
    struct weft_call calls[2];

    prepare(calls, jobs, 2);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_go_fn(&scope, cancel_soon, &scope), 0);
    CHECK_ERR(weft_gather(calls, 2), -ECANCELED);
    CHECK_ERR(weft_scope_exit(&scope, 0), -EPROTO);
    CHECK_ERR(jobs[0].waited, -ECANCELED);
    CHECK_ERR(calls[0].result, -ECANCELED);
    CHECK_EQ(calls[1].result, 2);
}

/* The first. */

SYNC_TEST(the_first_success_cancels_the_others_and_waits_for_them)
{
    struct job jobs[3] = {{NEVER, 1, 0}, {3, -EPROTO, 0}, {6, 7, 0}};
    struct weft_call calls[3];
    size_t winner = 99;

    prepare(calls, jobs, 3);
    CHECK_EQ(weft_first_of(calls, 3, &winner), 0);
    CHECK_EQ(winner, 2);
    CHECK_EQ(calls[2].result, 7);
    CHECK_ERR(calls[1].result, -EPROTO);
    CHECK_ERR(calls[0].result, -ECANCELED);
    CHECK_ERR(jobs[0].waited, -ECANCELED);
}

SYNC_TEST(when_all_fail_the_first_failure_in_time_is_returned)
{
    struct job jobs[3] = {{9, -EPROTO, 0}, {3, -EBADMSG, 0}, {6, -ENOENT, 0}};
    struct weft_call calls[3];
    size_t winner = 99;

    prepare(calls, jobs, 3);
    CHECK_ERR(weft_first_of(calls, 3, &winner), -EBADMSG);
    CHECK_EQ(winner, 99);
    CHECK_ERR(calls[0].result, -EPROTO);
    CHECK_ERR(calls[2].result, -ENOENT);
}

SYNC_TEST(two_successes_in_one_turn_have_one_winner_the_first)
{
    struct job jobs[2] = {{0, 1, 0}, {0, 2, 0}};
    struct weft_call calls[2];
    size_t winner = 99;

    prepare(calls, jobs, 2);
    CHECK_EQ(weft_first_of(calls, 2, &winner), 0);
    CHECK_EQ(winner, 0);
}

SYNC_TEST(the_first_of_none_is_an_error)
{
    size_t winner = 99;

    CHECK_ERR(weft_first_of(NULL, 0, &winner), -EINVAL);
    CHECK_EQ(winner, 99);
}

SYNC_TEST(a_race_that_is_cut_has_ended_all_its_calls)
{
    struct job jobs[2] = {{NEVER, 1, 0}, {NEVER, 2, 0}};
    struct weft_scope scope;
    struct weft_call calls[2];
    size_t winner = 99;

    prepare(calls, jobs, 2);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_go_fn(&scope, cancel_soon, &scope), 0);
    CHECK_ERR(weft_first_of(calls, 2, &winner), -ECANCELED);
    CHECK_ERR(weft_scope_exit(&scope, 0), -EPROTO);
    CHECK_EQ(winner, 99);
    CHECK_ERR(jobs[0].waited, -ECANCELED);
    CHECK_ERR(jobs[1].waited, -ECANCELED);
}

/* Groups. */

SYNC_TEST(calls_are_taken_in_the_order_in_which_they_end)
{
    struct job jobs[3] = {{12, 1, 0}, {3, -EPROTO, 0}, {6, 3, 0}};
    const int order[3] = {1, 2, 0};
    struct weft_call calls[3], *call = NULL;
    struct weft_group group;
    struct weft_scope scope;

    prepare(calls, jobs, 3);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_as_completed(&group, &scope, calls, 3), 0);
    CHECK_EQ(weft_group_running(&group), 3);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(weft_group_next(&group, &call), 0);
        CHECK(call == &calls[order[i]]);
        CHECK_EQ(call->result, jobs[order[i]].result);
    }
    CHECK_ERR(weft_group_next(&group, &call), -WEFT_EDONE);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

SYNC_TEST(calls_that_ended_before_are_taken_in_their_order)
{
    struct job jobs[3] = {{4, 1, 0}, {0, 2, 0}, {2, 3, 0}};
    const int order[3] = {1, 2, 0};
    struct weft_call calls[3], *call = NULL;
    struct weft_group group;
    struct weft_scope scope;

    prepare(calls, jobs, 3);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_as_completed(&group, &scope, calls, 3), 0);
    CHECK_EQ(weft_group_wait(&group), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(weft_group_next(&group, &call), 0);
        CHECK(call == &calls[order[i]]);
    }
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

SYNC_TEST(a_failing_call_in_a_group_stops_nobody_else)
{
    struct job jobs[2] = {{0, -EPROTO, 0}, {6, 3, 0}};
    struct weft_call calls[2];
    struct weft_group group;
    struct weft_scope scope;

    prepare(calls, jobs, 2);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_as_completed(&group, &scope, calls, 2), 0);
    CHECK_EQ(weft_group_wait(&group), 0);
    CHECK_EQ(weft_group_running(&group), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_ERR(calls[0].result, -EPROTO);
    CHECK_EQ(calls[1].result, 3);
}

SYNC_TEST(results_are_taken_out_by_id_also_after_the_exit_of_the_scope)
{
    struct job jobs[3] = {{3, 1, 0}, {0, -EPROTO, 0}, {NEVER, 3, 0}};
    struct weft_call calls[3], *call = NULL;
    struct weft_group group;
    struct weft_scope scope;

    prepare(calls, jobs, 3);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_as_completed(&group, &scope, calls, 3), 0);
    CHECK_EQ(calls[1].id, calls[0].id + 1);
    CHECK_EQ(calls[2].id, calls[0].id + 2);
    CHECK_ERR(weft_group_take(&group, calls[0].id, &call), -ENOENT);
    settle();
    CHECK_EQ(weft_group_take(&group, calls[1].id, &call), 0);
    CHECK(call == &calls[1]);
    CHECK_ERR(weft_group_take(&group, calls[1].id, &call), -ENOENT);
    weft_task_cancel(calls[2].task);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(weft_group_take(&group, calls[2].id, &call), 0);
    CHECK_ERR(call->result, -ECANCELED);
    CHECK(call->task == NULL);
    CHECK_EQ(weft_group_next(&group, &call), 0);
    CHECK(call == &calls[0]);
    CHECK_ERR(weft_group_next(&group, &call), -WEFT_EDONE);
}

SYNC_TEST(ids_run_on_from_group_to_group)
{
    struct job jobs[2] = {{0, 1, 0}, {0, 2, 0}};
    struct weft_call calls[2];
    struct weft_group first, second;
    struct weft_scope scope;

    prepare(calls, jobs, 2);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_as_completed(&first, &scope, &calls[0], 1), 0);
    CHECK_EQ(weft_group_wait(&first), 0);
    CHECK_EQ(weft_as_completed(&second, &scope, &calls[1], 1), 0);
    CHECK_EQ(calls[1].id, calls[0].id + 1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

/** Takes the next call of a group into waiter->other. */
static int take_next(void *arg)
{
    struct waiter *waiter = arg;
    struct weft_call *call = NULL;
    int rc = weft_group_next(waiter->object, &call);

    waiter->other = call;
    return note(waiter, rc);
}

SYNC_TEST(takers_are_served_in_order_and_sent_away_when_none_is_left)
{
    struct job jobs[2] = {{3, 1, 0}, {6, 2, 0}};
    struct weft_call calls[2];
    struct weft_group group;
    struct waiter takers[3];
    struct weft_scope scope;

    prepare(calls, jobs, 2);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_as_completed(&group, &scope, calls, 2), 0);
    for (int i = 0; i < 3; i++)
        start_waiter(&scope, take_next, &takers[i], &group);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(takers[i].rc, 0);
        CHECK(takers[i].other == &calls[i]);
    }
    CHECK_ERR(takers[2].rc, -WEFT_EDONE);
}

static int wait_then_return(void *event)
{
    return weft_event_wait(event);
}

/** A group of one call that ends when an event is set, and a taker who waits for it. */
struct taking {
    /** Ends the call. */
    struct weft_event event;
    /** The call. */
    struct weft_call call;
    /** The group. */
    struct weft_group group;
    /** Who waits for the call. */
    struct waiter taker;
};

static void start_taking(struct weft_scope *scope, struct taking *taking)
{
    memset(taking, 0, sizeof *taking);
    weft_event_init(&taking->event);
    taking->call.fn = wait_then_return;
    taking->call.arg = &taking->event;
    CHECK_EQ(weft_as_completed(&taking->group, scope, &taking->call, 1), 0);
    start_waiter(scope, take_next, &taking->taker, &taking->group);
    CHECK_EQ(taking->taker.rc, NOT_RETURNED);
}

/** Cancels the taker when the call has been handed to it, before it runs. */
static int set_then_cancel(void *arg)
{
    struct taking *taking = arg;

    weft_event_set(&taking->event);
    while (weft_group_running(&taking->group) > 0)
        CHECK_EQ(weft_yield(), 0);
    weft_task_cancel(taking->taker.task);
    return 0;
}

SYNC_TEST(a_taker_that_got_a_call_and_was_then_cancelled_has_it)
{
    struct taking taking;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_taking(&scope, &taking);
    weft_event_set(&taking.event);
    CHECK_EQ(weft_go_fn(&scope, set_then_cancel, &taking), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(taking.taker.rc, 0);
    CHECK(taking.taker.other == &taking.call);
    CHECK_ERR(taking.taker.next, -ECANCELED);
}

SYNC_TEST(a_taker_that_was_cancelled_first_leaves_the_call_to_others)
{
    struct taking taking;
    struct weft_call *call = NULL;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_taking(&scope, &taking);
    /* The call ends after the cancellation and before the taker runs. */
    weft_event_set(&taking.event);
    weft_task_cancel(taking.taker.task);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_ERR(taking.taker.rc, -ECANCELED);
    CHECK(taking.taker.other == NULL);
    CHECK_EQ(weft_group_next(&taking.group, &call), 0);
    CHECK(call == &taking.call);
}
