/* SPDX-License-Identifier: MIT */
/*
 * test_scope.c: what a scope comes to
 *
 * Each test states one sentence of weft/scope.h. Where order matters, the causes come at different
 * instants of the clock: a few milliseconds apart on a real engine, none at all under `sim`.
 * Letters that tasks leave in `trail` say who ran when.
 */
#include "task_test.h"

static int sleep_then(weft_ns delay, int code)
{
    int rc = weft_sleep(delay);
    return rc < 0 ? rc : code;
}
WEFT_TASK(sleep_then, weft_ns, int);

static int ignore_cancellation(weft_ns delay, int code)
{
    struct weft_scope shield;
    weft_shield_enter(&shield, WEFT_MIN);
    int rc = weft_scope_exit(&shield, weft_sleep(delay));
    return rc < 0 ? rc : code;
}
WEFT_TASK(ignore_cancellation, weft_ns, int);

static int leave_letter(char letter)
{
    note(letter);
    return 0;
}
WEFT_TASK(leave_letter, char);

static int wait_for_ever(void)
{
    return weft_sleep(WEFT_FOREVER);
}
WEFT_TASK(wait_for_ever);

TASK_TEST(exit_waits_for_every_child)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, leave_letter, 'b');
    weft_go(&s, leave_letter, 'c');
    note('a');
    CHECK_EQ(weft_scope_children(&s), 2);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR(trail, "abc");
}

TASK_TEST(with_no_cause_exit_returns_the_result_of_the_body)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, sleep_then, WEFT_MS, 7);
    CHECK_EQ(weft_scope_exit(&s, 5), 5);
    CHECK_EQ(s.outcome, 5);
}

TASK_TEST(the_first_failure_cancels_the_rest_and_is_the_outcome)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, wait_for_ever);
    weft_go(&s, sleep_then, WEFT_MS, -EIO);
    weft_go(&s, sleep_then, 20 * WEFT_MS, -EPIPE);
    CHECK_ERR(weft_scope_exit(&s, 0), -EIO);
}

TASK_TEST(a_failure_of_the_body_cancels_the_children)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, wait_for_ever);
    CHECK_ERR(weft_scope_exit(&s, -EBADMSG), -EBADMSG);
}

TASK_TEST(a_failing_child_cancels_the_body)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, sleep_then, WEFT_MS, -EIO);
    int rc = weft_sleep(WEFT_HOUR);
    CHECK_ERR(rc, -ECANCELED);
    CHECK_ERR(weft_scope_exit(&s, rc), -EIO);
}

TASK_TEST(a_deadline_refuses_the_wait_and_becomes_the_outcome)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_MS);
    int rc = weft_sleep(WEFT_HOUR);
    CHECK_ERR(rc, -ECANCELED);
    CHECK_ERR(weft_yield(), -ECANCELED);
    CHECK_ERR(weft_scope_exit(&s, rc), -ETIMEDOUT);
    CHECK_EQ(weft_yield(), 0);
}

TASK_TEST(work_that_finished_in_spite_of_the_deadline_stays_finished)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_MS);
    weft_go(&s, ignore_cancellation, 10 * WEFT_MS, 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(a_deadline_that_has_passed_refuses_the_first_wait)
{
    struct weft_scope s;
    weft_scope_enter(&s, 0);
    CHECK_ERR(weft_yield(), -ECANCELED);
    CHECK_ERR(weft_scope_exit(&s, -ECANCELED), -ETIMEDOUT);
    weft_scope_enter(&s, -5);
    CHECK_ERR(weft_sleep(1), -ECANCELED);
    CHECK_ERR(weft_scope_exit(&s, 0), -ETIMEDOUT);
}

TASK_TEST(a_deadline_beyond_the_clock_is_none)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER - 1);
    CHECK_EQ(weft_scope_deadline(&s).ns, WEFT_FOREVER);
    CHECK_EQ(weft_scope_exit(&s, weft_yield()), 0);
}

TASK_TEST(a_deadline_can_be_moved)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_MS);
    CHECK_OK(weft_scope_set_deadline(&s, weft_after(WEFT_HOUR)));
    CHECK_EQ(weft_sleep(3 * WEFT_MS), 0);
    CHECK_OK(weft_scope_set_deadline(&s, weft_after(WEFT_MS)));
    int rc = weft_sleep(WEFT_HOUR);
    CHECK_ERR(weft_scope_exit(&s, rc), -ETIMEDOUT);
    CHECK_ERR(weft_scope_set_deadline(&s, weft_after(0)), -EINVAL);
}

TASK_TEST(cancelling_with_reason_zero_is_no_error)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, wait_for_ever);
    weft_scope_cancel(&s, 0);
    CHECK(weft_scope_cancelled(&s));
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(a_cancelled_scope_refuses_again_and_again)
{
    struct weft_scope outer, inner;
    weft_scope_enter(&outer, WEFT_FOREVER);
    CHECK(!weft_cancelled());
    weft_scope_cancel(&outer, 0);
    for (int i = 0; i < 100; i++) {
        CHECK(weft_cancelled());
        CHECK_ERR(weft_sleep(WEFT_HOUR), -ECANCELED);
        weft_scope_enter(&inner, WEFT_FOREVER);
        CHECK_ERR(weft_yield(), -ECANCELED);
        CHECK_ERR(weft_scope_exit(&inner, 0), -ECANCELED);
    }
    CHECK_EQ(weft_scope_exit(&outer, 0), 0);
    CHECK(!weft_cancelled());
    CHECK_EQ(weft_yield(), 0);
}

TASK_TEST(cancelling_with_a_reason_gives_that_reason)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, wait_for_ever);
    weft_scope_cancel(&s, -ESHUTDOWN);
    weft_scope_cancel(&s, -EIO);
    CHECK_ERR(weft_scope_exit(&s, 0), -ESHUTDOWN);
}

TASK_TEST(reason_zero_gives_way_to_a_later_failure)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, ignore_cancellation, WEFT_MS, -EIO);
    settle();
    weft_scope_cancel(&s, 0);
    CHECK_ERR(weft_scope_exit(&s, 0), -EIO);
}

TASK_TEST(a_real_reason_stays_before_a_later_failure)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, ignore_cancellation, WEFT_MS, -EIO);
    settle();
    weft_scope_cancel(&s, -ESHUTDOWN);
    CHECK_ERR(weft_scope_exit(&s, 0), -ESHUTDOWN);
}

TASK_TEST(cancellation_from_outside_passes_through_the_inner_scope)
{
    struct weft_scope outer, inner;
    weft_scope_enter(&outer, WEFT_MS);
    weft_scope_enter(&inner, WEFT_FOREVER);
    int rc = weft_sleep(WEFT_HOUR);
    CHECK_ERR(rc, -ECANCELED);
    rc = weft_scope_exit(&inner, rc);
    CHECK_ERR(rc, -ECANCELED);
    CHECK_ERR(weft_scope_exit(&outer, rc), -ETIMEDOUT);
}

TASK_TEST(of_two_deadlines_the_earlier_one_is_to_blame)
{
    struct weft_scope outer, inner;
    weft_scope_enter(&outer, WEFT_MIN);
    weft_scope_enter(&inner, WEFT_MS);
    int rc = weft_sleep(WEFT_HOUR);
    CHECK_ERR(weft_scope_exit(&inner, rc), -ETIMEDOUT);
    CHECK_EQ(weft_yield(), 0);
    CHECK_EQ(weft_scope_exit(&outer, 0), 0);
}

TASK_TEST(a_child_that_was_refused_is_no_failure)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, wait_for_ever);
    settle();
    weft_scope_cancel(&s, 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK(weft_scope_failure(&s) == NULL);
}

TASK_TEST(ecanceled_without_a_refusal_is_an_ordinary_failure)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, sleep_then, 0, -ECANCELED);
    CHECK_ERR(weft_scope_exit(&s, 0), -ECANCELED);
    CHECK(weft_scope_failure(&s) != NULL);
}

TASK_TEST(a_collecting_scope_lets_all_run_and_gives_the_first_failure)
{
    struct weft_scope s;
    weft_scope_enter_policy(&s, WEFT_FOREVER, WEFT_COLLECT);
    weft_go(&s, sleep_then, WEFT_MS, -EIO);
    weft_go(&s, sleep_then, 5 * WEFT_MS, -EPIPE);
    weft_go(&s, leave_letter, 'x');
    CHECK_ERR(weft_scope_exit(&s, 0), -EIO);
    CHECK_STR(trail, "x");
    CHECK_EQ(weft_scope_failure(&s)->more, 1);
}

static void count_failure(const struct weft_failure *failure, void *arg)
{
    CHECK_ERR(failure->code, -ECONNRESET);
    CHECK_STR(failure->task, "sleep_then");
    ++*(int *)arg;
}

TASK_TEST(a_supervising_scope_tells_of_failures_and_goes_on)
{
    int failures = 0;
    struct weft_scope s;
    weft_loop_set_failure_handler(weft_loop_current(), count_failure, &failures);
    weft_scope_enter_policy(&s, WEFT_FOREVER, WEFT_SUPERVISE);
    weft_go(&s, sleep_then, 0, -ECONNRESET);
    weft_go(&s, sleep_then, WEFT_MS, -ECONNRESET);
    weft_go(&s, leave_letter, 'x');
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(failures, 2);
}

static int fail_with_a_sentence(int number)
{
    return weft_fail(-EPROTO, "bad length %d in header", number);
}
WEFT_TASK(fail_with_a_sentence, int);

TASK_TEST(a_failure_says_who_where_and_why)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, fail_with_a_sentence, 12);
    CHECK_ERR(weft_scope_exit(&s, 0), -EPROTO);
    const struct weft_failure *failure = weft_scope_failure(&s);
    CHECK_ERR(failure->code, -EPROTO);
    CHECK_STR(failure->task, "fail_with_a_sentence");
    CHECK_STR(failure->text, "bad length 12 in header");
    CHECK_CONTAINS(failure->spawned_at, "test_scope.c:");
    CHECK_CONTAINS(failure->failed_at, "test_scope.c:");
    CHECK_STR(weft_note(), "bad length 12 in header");
}

TASK_TEST(a_note_grows_by_what_was_going_on)
{
    int rc = weft_fail(-EPROTO, "bad length");
    rc = weft_fail_while(rc, "reading header %d", 3);
    CHECK_ERR(rc, -EPROTO);
    CHECK_STR(weft_note(), "bad length; while reading header 3");
    rc = weft_fail_while(-EIO, "closing");
    CHECK_STR(weft_note(), "Input/output error; while closing");
}

TASK_TEST(a_shield_keeps_cancellation_out_but_not_its_own_deadline)
{
    struct weft_scope s, shield;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_scope_cancel(&s, 0);
    CHECK_ERR(weft_yield(), -ECANCELED);
    weft_shield_enter(&shield, WEFT_MIN);
    CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(weft_scope_exit(&shield, 0), 0);
    weft_shield_enter(&shield, WEFT_MS);
    int rc = weft_sleep(WEFT_HOUR);
    CHECK_ERR(weft_scope_exit(&shield, rc), -ETIMEDOUT);
    CHECK_ERR(weft_yield(), -ECANCELED);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(within_gives_the_value_or_the_timeout)
{
    CHECK_EQ(weft_within(WEFT_MIN, weft_sleep(WEFT_MS)), 0);
    CHECK_ERR(weft_within(WEFT_MS, weft_sleep(WEFT_HOUR)), -ETIMEDOUT);
    CHECK_ERR(weft_within(WEFT_MIN, weft_within(WEFT_MS, weft_sleep(WEFT_HOUR))), -ETIMEDOUT);
    CHECK_ERR(weft_within(WEFT_MS, weft_within(WEFT_MIN, weft_sleep(WEFT_HOUR))), -ETIMEDOUT);
    CHECK_EQ(weft_yield(), 0);
}

TASK_TEST(within_passes_a_cancellation_from_outside_on)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_MS);
    ssize_t rc = weft_within(WEFT_MIN, weft_sleep(WEFT_HOUR));
    CHECK_ERR(rc, -ECANCELED);
    CHECK_ERR(weft_scope_exit(&s, (int)rc), -ETIMEDOUT);
}

TASK_TEST(memory_of_a_scope_lives_until_its_exit)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    char *copy = weft_scope_strdup(&s, "weft");
    CHECK_STR(copy, "weft");
    CHECK(weft_scope_alloc(&s, 100000) != NULL);
    CHECK(weft_scope_alloc(&s, SIZE_MAX) == NULL);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK(weft_scope_alloc(&s, 1) == NULL);
}

static int spawn_into(struct weft_scope *s)
{
    settle();
    return weft_go(s, leave_letter, 'n');
}
WEFT_TASK(spawn_into, struct weft_scope *);

TASK_TEST(a_child_may_spawn_into_the_scope_while_it_exits)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, spawn_into, &s);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR(trail, "n");
}

static int deep(int levels)
{
    struct weft_scope s;
    if (levels == 0)
        return weft_sleep(WEFT_FOREVER);
    weft_scope_enter(&s, WEFT_FOREVER);
    return weft_scope_exit(&s, deep(levels - 1));
}
WEFT_TASK(deep, int);

TASK_TEST(cancellation_reaches_deeply_nested_scopes)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, deep, 200);
    settle();
    weft_scope_cancel(&s, 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

static int chain(int links);
WEFT_TASK(chain, int);

static int chain(int links)
{
    struct weft_scope s;
    if (links == 0)
        return weft_sleep(WEFT_FOREVER);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, chain, links - 1);
    return weft_scope_exit(&s, 0);
}

TASK_TEST(cancellation_reaches_grandchildren_of_any_degree)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, chain, 300);
    CHECK_EQ(weft_sleep(WEFT_MS), 0);
    weft_scope_cancel(&s, -EINTR);
    CHECK_ERR(weft_scope_exit(&s, 0), -EINTR);
}

TASK_TEST(the_nearest_deadline_can_be_asked_for)
{
    struct weft_scope far, near;
    CHECK_EQ(weft_deadline().ns, WEFT_FOREVER);
    weft_scope_enter(&far, WEFT_HOUR);
    weft_scope_enter(&near, WEFT_MIN);
    CHECK_EQ(weft_deadline().ns, weft_scope_deadline(&near).ns);
    CHECK_EQ(weft_scope_exit(&near, 0), 0);
    CHECK_EQ(weft_deadline().ns, weft_scope_deadline(&far).ns);
    CHECK_EQ(weft_scope_exit(&far, 0), 0);
}

/** Something of a scope, with a letter. */
struct belonging {
    /** What the scope calls. */
    struct weft_deferred deferred;
    /** What is left on the trail. */
    char letter;
};

static void let_belonging_go(struct weft_deferred *deferred)
{
    note(((struct belonging *)deferred)->letter);
}

static int note_late(char letter)
{
    int rc = weft_yield();
    note(letter);
    return rc;
}
WEFT_TASK(note_late, char);

TASK_TEST(what_is_deferred_to_the_end_of_a_scope_comes_after_its_children_last_first)
{
    struct weft_scope s;
    struct belonging one = {.letter = '1'}, two = {.letter = '2'}, three = {.letter = '3'};
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_OK(weft_scope_defer(&s, &one.deferred, let_belonging_go));
    CHECK_OK(weft_scope_defer(&s, &two.deferred, let_belonging_go));
    CHECK_OK(weft_scope_defer(&s, &three.deferred, let_belonging_go));
    weft_scope_undefer(&two.deferred);
    weft_scope_undefer(&two.deferred);
    weft_go(&s, note_late, 'c');
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR(trail, "c31");
    CHECK_ERR(weft_scope_defer(&s, &one.deferred, let_belonging_go), -EINVAL);
}

static int stay(char letter)
{
    int rc = weft_sleep(WEFT_FOREVER);
    note(letter);
    return rc;
}
WEFT_TASK(stay, char);

/** Starts stay(letter) in the background. */
static void stay_in_the_background(struct weft_scope *scope, char letter)
{
    struct weft_args_stay args = {letter};
    CHECK_OK(weft_start_flags(scope, NULL, WEFT_BACKGROUND, "stay", WEFT_SITE, weft_enter_stay,
                              &args, sizeof args));
}

TASK_TEST(a_task_in_the_background_is_cancelled_when_all_others_have_ended)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    stay_in_the_background(&s, 'b');
    weft_go(&s, note_late, 'c');
    stay_in_the_background(&s, 'B');
    note('a');
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR(trail, "acbB");
}

static int start_another(struct weft_scope *scope)
{
    int rc = weft_sleep(WEFT_FOREVER);
    weft_go(scope, note_late, 'l');
    stay_in_the_background(scope, 'b');
    note('s');
    return rc;
}
WEFT_TASK(start_another, struct weft_scope *);

TASK_TEST(what_a_task_in_the_background_starts_at_its_end_is_waited_for)
{
    struct weft_scope s;
    struct weft_args_start_another args = {&s};
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_OK(weft_start_flags(&s, NULL, WEFT_BACKGROUND, "start_another", WEFT_SITE,
                              weft_enter_start_another, &args, sizeof args));
    CHECK_EQ(weft_scope_exit(&s, 7), 7);
    CHECK_STR(trail, "slb");
}
