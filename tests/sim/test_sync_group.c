/* SPDX-License-Identifier: MIT */
/*
 * test_sync_group.c: groups, gather and first of under many schedules
 *
 * Calls succeed, fail or are cancelled at any moment, and takers of their results are cut at any
 * moment (flaky.h). Each call of a group is taken once; a gather gives the first failure in time; a
 * race has the first success in time for its winner; none returns while a call runs.
 */
#include "flaky.h"

#include <string.h>

enum { CALLS = 8 };

/** The calls of the scenario. */
static struct weft_call calls[CALLS];
/** Calls that are in their functions. */
static int running;
/** What the first call to succeed, and the first to fail by itself, returned; 0 when none did. */
static int first_success, first_failure;

/** Waits a few times; then succeeds with its own number, or fails with it. */
static int try_something(void *arg)
{
    struct weft_call *call = arg;
    int number = (int)(call - calls) + 1, rc = 0;

    running++;
    for (unsigned i = seeds_dice(4); i > 0 && rc == 0; i--)
        rc = wait_a_little();
    running--;
    if (rc < 0)
        return rc;
    rc = seeds_dice(3) ? number : -1000 - number;
    if (rc > 0 && first_success == 0)
        first_success = rc;
    if (rc < 0 && first_failure == 0)
        first_failure = rc;
    return rc;
}

static void prepare_calls(void)
{
    memset(calls, 0, sizeof calls);
    running = first_success = first_failure = 0;
    for (int i = 0; i < CALLS; i++) {
        calls[i].fn = try_something;
        calls[i].arg = &calls[i];
    }
}

/** The result is the call's own, or it was cancelled. */
static void expect_own_result(const struct weft_call *call)
{
    int number = (int)(call - calls) + 1;

    EXPECT(call->result == number || call->result == -1000 - number || call->result == -ECANCELED);
}

/* Gather. */

SCENARIO(a_gather_gives_the_first_failure_in_time)
{
    prepare_calls();
    int rc = weft_gather(calls, CALLS);
    EXPECT_EQ(rc, first_failure);
    EXPECT_EQ(running, 0);
    for (int i = 0; i < CALLS; i++) {
        expect_own_result(&calls[i]);
        EXPECT(rc < 0 || calls[i].result == i + 1);
    }
    return 0;
}

SCENARIO(a_gather_that_is_cut_has_ended_its_calls)
{
    prepare_calls();
    int rc = (int)weft_within((weft_ns)seeds_dice(6) * WEFT_MS, weft_gather(calls, CALLS));
    EXPECT(rc == 0 || rc == first_failure || rc == -ETIMEDOUT);
    EXPECT_EQ(running, 0);
    for (int i = 0; i < CALLS; i++)
        expect_own_result(&calls[i]);
    return 0;
}

/* First of. */

SCENARIO(a_race_is_won_by_the_first_success_in_time)
{
    size_t winner = CALLS;

    prepare_calls();
    int rc = weft_first_of(calls, CALLS, &winner);
    EXPECT_EQ(running, 0);
    EXPECT_EQ(rc, first_success ? 0 : first_failure);
    EXPECT_EQ(winner, first_success ? (size_t)first_success - 1 : CALLS);
    for (int i = 0; i < CALLS; i++)
        expect_own_result(&calls[i]);
    return 0;
}

/* Groups. */

static struct weft_group group;
/** How often each call was taken. */
static int taken[CALLS];

static int take_often(void *arg)
{
    struct worker *worker = arg;
    int rc;

    do {
        struct weft_call *call = NULL;

        flaky_enter(worker);
        rc = weft_group_next(&group, &call);
        flaky_exit(worker);
        EXPECT(rc == 0 || rc == -ECANCELED || rc == -WEFT_EDONE);
        EXPECT_EQ(rc == 0, call != NULL);
        if (rc == 0) {
            EXPECT_EQ(taken[call - calls]++, 0);
            EXPECT(call->task == NULL);
            expect_own_result(call);
        }
        EXPECT_EQ(seeds_dice(2) ? wait_a_little() : 0, 0);
    } while (rc != -WEFT_EDONE);
    return worker_ends();
}

SCENARIO(each_call_of_a_group_is_taken_once)
{
    struct weft_scope scope;
    int left = 0;

    prepare_calls();
    memset(taken, 0, sizeof taken);
    weft_scope_enter(&scope, WEFT_FOREVER);
    EXPECT_EQ(weft_as_completed(&group, &scope, calls, CALLS), 0);
    start_workers(&scope, take_often);
    for (int i = 0; i < CALLS; i++) {
        EXPECT_EQ(wait_a_little(), 0);
        if (calls[i].task && seeds_dice(3) == 0)
            weft_task_cancel(calls[i].task);
    }
    EXPECT_EQ(weft_group_wait(&group), 0);
    EXPECT_EQ(running, 0);
    int rc = weft_scope_exit(&scope, 0);
    for (int i = 0; i < CALLS; i++)
        left += taken[i] == 0;
    EXPECT_EQ(left, 0);
    return rc;
}
