/* SPDX-License-Identifier: MIT */
/*
 * test_stagger.c: calls that are started one after another until one succeeds
 *
 * Times are those of a virtual clock: what is said of 250 ms holds to the nanosecond. What needs no
 * time (failures bring on the next, who never started, who is cancelled) is looked at on each
 * engine.
 */
#include "sync_test.h"

#define STEP (250 * WEFT_MS)
#define CALLS 12

/** A call that notes when it was started. */
struct attempt {
    /** How long it lasts. */
    weft_ns duration;
    /** What it returns then. */
    int result;
    /** When it began, counted from the race's start; -1: never. */
    weft_ns began;
    /** What its wait gave. */
    int waited;
};

static weft_ns race_began;
static struct attempt attempts[CALLS];
static struct weft_call calls[CALLS];

static int attempt_it(void *arg)
{
    struct attempt *attempt = arg;
    attempt->began = weft_clock() - race_began;
    attempt->waited = weft_sleep(attempt->duration);
    return attempt->waited < 0 ? attempt->waited : attempt->result;
}

/** All calls alike. */
static void prepare(weft_ns duration, int result)
{
    for (int i = 0; i < CALLS; i++) {
        attempts[i] = (struct attempt){duration, result, -1, 1};
        calls[i] = (struct weft_call){.fn = attempt_it, .arg = &attempts[i], .name = "attempt"};
    }
    race_began = weft_clock();
}

WORLD_TEST(each_call_is_started_a_step_after_the_one_before_it)
{
    size_t winner = 99;
    prepare(10 * WEFT_SEC, 0);
    CHECK_EQ(weft_stagger(calls, CALLS, STEP, &winner), 0);
    CHECK_EQ(winner, 0);
    CHECK_EQ(weft_clock() - race_began, 10 * WEFT_SEC);
    for (int i = 0; i < CALLS; i++) {
        CHECK_EQ(attempts[i].began, i * STEP);
        CHECK_ERR(calls[i].result, i ? -ECANCELED : 0);
    }
}

WORLD_TEST(who_succeeds_within_a_step_leaves_the_others_unstarted)
{
    size_t winner = 99;
    prepare(STEP - 1, 0);
    CHECK_EQ(weft_stagger(calls, CALLS, STEP, &winner), 0);
    CHECK_EQ(winner, 0);
    for (int i = 1; i < CALLS; i++) {
        CHECK_EQ(attempts[i].began, -1);
        CHECK_ERR(calls[i].result, -ECANCELED);
    }
}

WORLD_TEST(a_failure_brings_on_the_next_at_once_and_the_steps_count_from_there)
{
    size_t winner = 99;
    prepare(10 * WEFT_SEC, 0);
    attempts[0] = (struct attempt){10 * WEFT_MS, -EPROTO, -1, 1};
    CHECK_EQ(weft_stagger(calls, CALLS, STEP, &winner), 0);
    CHECK_EQ(winner, 1);
    CHECK_ERR(calls[0].result, -EPROTO);
    for (int i = 1; i < CALLS; i++)
        CHECK_EQ(attempts[i].began, 10 * WEFT_MS + (i - 1) * STEP);
}

WORLD_TEST(a_failure_of_an_earlier_one_counts_as_well)
{
    size_t winner = 99;
    prepare(10 * WEFT_SEC, 0);
    /* It ends a little after the second was started. */
    attempts[0] = (struct attempt){STEP + 1, -EPROTO, -1, 1};
    CHECK_EQ(weft_stagger(calls, CALLS, STEP, &winner), 0);
    CHECK_EQ(attempts[1].began, STEP);
    CHECK_EQ(attempts[2].began, STEP + 1);
    CHECK_EQ(attempts[3].began, 2 * STEP + 1);
}

WORLD_TEST(the_winner_is_the_first_in_time)
{
    size_t winner = 99;
    prepare(10 * WEFT_SEC, 0);
    attempts[3].duration = WEFT_MS;
    attempts[3].result = 7;
    CHECK_EQ(weft_stagger(calls, CALLS, STEP, &winner), 0);
    CHECK_EQ(winner, 3);
    CHECK_EQ(calls[3].result, 7);
    CHECK_EQ(weft_clock() - race_began, 3 * STEP + WEFT_MS);
    CHECK_ERR(attempts[0].waited, -ECANCELED);
    CHECK_EQ(attempts[4].began, -1);
}

WORLD_TEST(all_that_fail_at_once_take_no_time_at_all)
{
    size_t winner = 99;
    prepare(0, -ECONNREFUSED);
    attempts[5].result = -EPROTO;
    CHECK_ERR(weft_stagger(calls, CALLS, STEP, &winner), -ECONNREFUSED);
    CHECK_EQ(winner, 99);
    CHECK_EQ(weft_clock(), race_began);
    CHECK_ERR(calls[5].result, -EPROTO);
}

WORLD_TEST(a_deadline_ends_the_race_and_all_that_run)
{
    size_t winner = 99;
    prepare(10 * WEFT_SEC, 0);
    CHECK_ERR(weft_within(2 * STEP + 1, weft_stagger(calls, CALLS, STEP, &winner)), -ETIMEDOUT);
    CHECK_EQ(winner, 99);
    CHECK_EQ(weft_clock() - race_began, 2 * STEP + 1);
    for (int i = 0; i < 3; i++)
        CHECK_ERR(attempts[i].waited, -ECANCELED);
    CHECK_EQ(attempts[3].began, -1);
}

WORLD_TEST(without_a_step_all_start_at_once)
{
    size_t winner = 99;
    prepare(WEFT_SEC, 0);
    CHECK_EQ(weft_stagger(calls, CALLS, 0, &winner), 0);
    for (int i = 0; i < CALLS; i++)
        CHECK_EQ(attempts[i].began, 0);
}

SYNC_TEST(with_a_step_without_end_each_starts_when_the_one_before_it_has_failed)
{
    size_t winner = 99;
    prepare(0, -EPROTO);
    attempts[3].result = 5;
    CHECK_EQ(weft_stagger(calls, CALLS, WEFT_FOREVER, &winner), 0);
    CHECK_EQ(winner, 3);
    for (int i = 0; i < CALLS; i++)
        CHECK_EQ(attempts[i].began >= 0, i <= 3);
    CHECK_ERR(calls[2].result, -EPROTO);
    CHECK_ERR(calls[4].result, -ECANCELED);
}

static int cancel_soon(void *arg)
{
    settle();
    weft_scope_cancel(arg, -EPROTO);
    return 0;
}

SYNC_TEST(a_race_that_is_cut_between_two_starts_has_ended_all_its_calls)
{
    struct weft_scope scope;
    size_t winner = 99;
    prepare(WEFT_HOUR, 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_go_fn(&scope, cancel_soon, &scope), 0);
    CHECK_ERR(weft_stagger(calls, CALLS, WEFT_HOUR, &winner), -ECANCELED);
    CHECK_ERR(weft_scope_exit(&scope, 0), -EPROTO);
    CHECK_EQ(winner, 99);
    CHECK_ERR(attempts[0].waited, -ECANCELED);
    CHECK_EQ(attempts[1].began, -1);
}

SYNC_TEST(a_race_that_is_refused_starts_nothing)
{
    struct weft_scope scope;
    size_t winner = 99;
    prepare(0, 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, -EPROTO);
    CHECK_ERR(weft_stagger(calls, CALLS, STEP, &winner), -ECANCELED);
    CHECK_ERR(weft_scope_exit(&scope, 0), -EPROTO);
    CHECK_EQ(attempts[0].began, -1);
    CHECK_ERR(calls[0].result, -ECANCELED);
}

SYNC_TEST(a_stagger_of_none_is_an_error)
{
    size_t winner = 99;
    CHECK_ERR(weft_stagger(NULL, 0, STEP, &winner), -EINVAL);
    CHECK_EQ(winner, 99);
}
