/* SPDX-License-Identifier: MIT */
/*
 * test_task.c: starting, joining, cancelling and naming tasks
 *
 * Each test states one sentence of weft/task.h. The order in which tasks run is promised only where
 * the header promises it: a child never runs before its creator next waits, ready tasks run
 * first-in first-out (without a seed), START_NOW runs the child first.
 */
#include "task_test.h"

static int leave_letter(char letter)
{
    note(letter);
    return letter;
}
WEFT_TASK(leave_letter, char);

static int sleep_then(weft_ns delay, int code)
{
    int rc = weft_sleep(delay);
    return rc < 0 ? rc : code;
}
WEFT_TASK(sleep_then, weft_ns, int);

static int wait_for_ever(void)
{
    return weft_sleep(WEFT_FOREVER);
}
WEFT_TASK(wait_for_ever);

TASK_TEST(a_child_never_runs_before_its_creator_waits)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, leave_letter, 'b');
    weft_go(&s, leave_letter, 'c');
    note('a');
    CHECK_EQ(weft_yield(), 0);
    note('d');
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR(trail, "abcd");
}

TASK_TEST(a_child_started_now_runs_first)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_go_now(&s, leave_letter, 'a'), 0);
    note('b');
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR(trail, "ab");
}

static int cancel_scope(struct weft_scope *scope)
{
    CHECK_EQ(weft_scope_children(scope), 1);
    CHECK_STR(weft_task_name(NULL), "cancel_scope");
    weft_scope_cancel(scope, 0);
    return weft_yield();
}
WEFT_TASK(cancel_scope, struct weft_scope *);

TASK_TEST(a_child_started_now_may_cancel_its_scope)
{
    struct weft_scope s;
    struct weft_task *creator = weft_current();
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_go_now(&s, cancel_scope, &s), 0);
    CHECK(weft_current() == creator);
    CHECK_EQ(weft_scope_children(&s), 0);
    CHECK_ERR(weft_yield(), -ECANCELED);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

static int become_ready(weft_ns delay, int code)
{
    int rc = weft_sleep(delay);
    note('r');
    if (code == 0)
        weft_ready();
    if (rc == 0)
        rc = weft_sleep(delay);
    note('e');
    return rc < 0 ? rc : code;
}
WEFT_TASK(become_ready, weft_ns, int);

TASK_TEST(a_ready_start_returns_when_the_child_says_so)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_go_ready(&s, become_ready, WEFT_MS, 0), 0);
    CHECK_STR(trail, "r");
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR(trail, "re");
}

TASK_TEST(a_ready_start_of_a_child_that_fails_first_gives_its_code)
{
    struct weft_scope s;
    weft_scope_enter_policy(&s, WEFT_FOREVER, WEFT_COLLECT);
    CHECK_ERR(weft_go_ready(&s, become_ready, WEFT_MS, -EADDRINUSE), -EADDRINUSE);
    CHECK_ERR(weft_scope_exit(&s, 0), -EADDRINUSE);
}

TASK_TEST(a_join_delivers_the_result_of_a_task_that_has_yet_to_end)
{
    struct weft_scope s;
    struct weft_task *task;
    int result = 0;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_spawn(&s, &task, sleep_then, WEFT_MS, 42), 0);
    CHECK(!weft_task_ended(task));
    CHECK_EQ(weft_join(task, &result), 0);
    CHECK_EQ(result, 42);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(a_join_delivers_the_result_of_a_task_that_has_ended)
{
    struct weft_scope s;
    struct weft_task *task;
    int result = 0;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_spawn(&s, &task, leave_letter, 'x'), 0);
    settle();
    CHECK(weft_task_ended(task));
    CHECK_EQ(weft_join(task, &result), 0);
    CHECK_EQ(result, 'x');
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(a_cancelled_join_leaves_the_task_alone)
{
    struct weft_scope s;
    struct weft_task *task;
    int result = 0;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_spawn(&s, &task, sleep_then, 5 * WEFT_MS, 42), 0);
    CHECK_ERR(weft_within(WEFT_MS, weft_join(task, &result)), -ETIMEDOUT);
    CHECK_EQ(weft_join(task, &result), 0);
    CHECK_EQ(result, 42);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

static int join_it(struct weft_task *task)
{
    return weft_join(task, NULL);
}
WEFT_TASK(join_it, struct weft_task *);

TASK_TEST(one_task_joins_a_second_one_is_refused)
{
    struct weft_scope s;
    struct weft_task *task;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_spawn(&s, &task, sleep_then, WEFT_MS, 0), 0);
    weft_go(&s, join_it, task);
    settle();
    CHECK_ERR(weft_join(task, NULL), -EBUSY);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

static int join_myself(struct weft_task **task)
{
    return weft_join(*task, NULL);
}
WEFT_TASK(join_myself, struct weft_task **);

TASK_TEST(a_task_cannot_join_itself)
{
    struct weft_scope s;
    struct weft_task *task;
    weft_scope_enter_policy(&s, WEFT_FOREVER, WEFT_COLLECT);
    CHECK_EQ(weft_spawn(&s, &task, join_myself, &task), 0);
    CHECK_ERR(weft_scope_exit(&s, 0), -EDEADLK);
}

TASK_TEST(a_task_cancelled_alone_is_no_failure)
{
    struct weft_scope s;
    struct weft_task *task;
    int result = 0;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_spawn(&s, &task, wait_for_ever), 0);
    settle();
    weft_task_cancel(task);
    CHECK_EQ(weft_join(task, &result), 0);
    CHECK_ERR(result, -ECANCELED);
    CHECK_EQ(weft_yield(), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(a_task_cancelled_before_it_ran_still_enters_its_function)
{
    struct weft_scope s;
    struct weft_task *task;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_spawn(&s, &task, leave_letter, 'x'), 0);
    weft_task_cancel(task);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR(trail, "x");
}

static int nested_wait(void)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, wait_for_ever);
    int rc = weft_scope_exit(&s, 0);
    note('n');
    return rc;
}
WEFT_TASK(nested_wait);

TASK_TEST(cancelling_a_task_reaches_its_scopes_and_children)
{
    struct weft_scope s;
    struct weft_task *task;
    int result = 0;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_spawn(&s, &task, nested_wait), 0);
    settle();
    weft_task_cancel(task);
    CHECK_EQ(weft_join(task, &result), 0);
    CHECK_ERR(result, -ECANCELED);
    CHECK_STR(trail, "n");
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

static int ignore_refusals(int *count)
{
    while (weft_sleep(WEFT_HOUR) == -ECANCELED && *count < 5000)
        ++*count;
    return 0;
}
WEFT_TASK(ignore_refusals, int *);

TASK_TEST(a_task_that_ignores_its_cancellation_cannot_hold_the_process)
{
    struct weft_scope s;
    int count = 0;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, ignore_refusals, &count);
    settle();
    weft_scope_cancel(&s, 0);
    struct weft_loop_stats before, after;
    weft_loop_get_stats(weft_loop_current(), &before);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    weft_loop_get_stats(weft_loop_current(), &after);
    CHECK_EQ(count, 5000);
    CHECK(after.turns >= before.turns + 5000 / 128);
}

static int ignore_in_a_scope(void *arg)
{
    struct weft_scope s;
    int count = 0;
    (void)arg;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, ignore_refusals, &count);
    settle();
    weft_scope_cancel(&s, 0);
    return weft_scope_exit(&s, 0);
}

static void run_one_that_ignores(void)
{
    CHECK_EQ(run_program(ignore_in_a_scope), 0);
}

TEST_EACH_ENGINE(a_task_that_ignores_its_cancellation_is_reported_once_with_its_spawn_site)
{
    static const char words[] = "ignore_refusals (spawned at tests/unit/task/test_task.c:";
    struct test_outcome outcome;
    test_run_isolated(run_one_that_ignores, &outcome);
    CHECK_EQ(outcome.result, TEST_PASSED);
    CHECK_CONTAINS(outcome.output, words);
    CHECK_CONTAINS(outcome.output, "1000 waits refused");
    CHECK(strstr(strstr(outcome.output, words) + 1, words) == NULL);
}

static int yield_many(int *count)
{
    int rc = 0;
    for (int i = 0; i < 1000 && rc == 0; i++, ++*count)
        rc = weft_yield();
    return rc;
}
WEFT_TASK(yield_many, int *);

TASK_TEST(yielding_tasks_take_turns)
{
    struct weft_scope s;
    int one = 0, two = 0;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, yield_many, &one);
    weft_go(&s, yield_many, &two);
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(weft_yield(), 0);
        CHECK(one == two);
    }
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

/** The order in which a seed runs eight tasks, three turns each. */
static void seeded_order(uint64_t seed, int (*program)(void *arg))
{
    struct weft_loop_options options = {
        .size = sizeof options, .backend = test_engine(), .seed = seed};
    struct weft_loop *loop = NULL;
    trail[0] = '\0';
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_EQ(weft_loop_run_task(loop, program, NULL), 0);
    CHECK_EQ(weft_loop_free(loop), 0);
}

static int three_turns(char letter)
{
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++) {
        note(letter);
        rc = weft_yield();
    }
    return rc;
}
WEFT_TASK(three_turns, char);

static int eight_tasks(void *arg)
{
    struct weft_scope s;
    (void)arg;
    weft_scope_enter(&s, WEFT_FOREVER);
    for (char letter = 'a'; letter <= 'h'; letter++)
        weft_go(&s, three_turns, letter);
    return weft_scope_exit(&s, 0);
}

TEST_EACH_ENGINE(equal_seeds_give_equal_schedules_and_other_seeds_others)
{
    char first[sizeof trail], other[sizeof trail];
    seeded_order(0, eight_tasks);
    CHECK_STR(trail, "abcdefghabcdefghabcdefgh");
    seeded_order(1, eight_tasks);
    memcpy(first, trail, sizeof first);
    seeded_order(2, eight_tasks);
    memcpy(other, trail, sizeof other);
    CHECK(strcmp(first, other) != 0);
    seeded_order(1, eight_tasks);
    CHECK_STR(trail, first);
    seeded_order(2, eight_tasks);
    CHECK_STR(trail, other);
}

TASK_TEST(a_sleep_is_never_early_and_equal_deadlines_keep_their_order)
{
    struct weft_scope s;
    weft_ns begun = weft_clock();
    CHECK_EQ(weft_sleep(3 * WEFT_MS), 0);
    CHECK(weft_clock() - begun >= 3 * WEFT_MS);
    struct weft_time instant = weft_after(WEFT_MS);
    CHECK_EQ(weft_sleep_until(instant), 0);
    CHECK(weft_clock() >= instant.ns);
    CHECK_EQ(weft_sleep_until(instant), 0);
    CHECK_EQ(weft_sleep(-1), 0);
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

static struct weft_local colour = {"colour"}, taste = {"taste"};

static int look_at_locals(const char *expected)
{
    CHECK_STR((const char *)weft_local_get(&colour), expected);
    CHECK_OK(weft_local_set(&colour, NULL));
    CHECK(weft_local_get(&colour) == NULL);
    return 0;
}
WEFT_TASK(look_at_locals, const char *);

TASK_TEST(task_locals_are_inherited_by_copy)
{
    struct weft_scope s;
    static char red[] = "red", blue[] = "blue", sour[] = "sour";
    CHECK(weft_local_get(&colour) == NULL);
    CHECK_OK(weft_local_set(&colour, red));
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, look_at_locals, "red");
    CHECK_OK(weft_local_set(&colour, blue));
    CHECK_OK(weft_local_set(&taste, sour));
    weft_go(&s, look_at_locals, "blue");
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR((const char *)weft_local_get(&colour), "blue");
    CHECK_STR((const char *)weft_local_get(&taste), "sour");
}

TASK_TEST(tasks_have_names_and_running_ids)
{
    struct weft_scope s;
    struct weft_task *one, *two;
    struct weft_task_options options = {.size = sizeof options, .name = "worker"};
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_spawn(&s, &one, wait_for_ever), 0);
    CHECK_EQ(weft_spawn_with(&s, &two, &options, weft_enter_wait_for_ever, NULL), 0);
    CHECK_STR(weft_task_name(one), "wait_for_ever");
    CHECK_STR(weft_task_name(two), "worker");
    weft_task_set_name(one, "a name that is far too long to be kept");
    CHECK_EQ(strlen(weft_task_name(one)), WEFT_NAME_SIZE - 1);
    CHECK_EQ(weft_task_id(two), weft_task_id(one) + 1);
    CHECK_EQ(weft_task_id(NULL), 1);
    weft_scope_cancel(&s, 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

struct large {
    char bytes[1000];
};

static int take_large(struct large large, int last)
{
    return large.bytes[0] == 'a' && large.bytes[999] == 'z' ? last : -EINVAL;
}
WEFT_TASK(take_large, struct large, int);

TASK_TEST(large_arguments_are_copied)
{
    struct weft_scope s;
    struct weft_task *task;
    struct large large = {{0}};
    int result = 0;
    large.bytes[0] = 'a';
    large.bytes[999] = 'z';
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_spawn(&s, &task, take_large, large, 9), 0);
    memset(&large, 0, sizeof large);
    CHECK_EQ(weft_join(task, &result), 0);
    CHECK_EQ(result, 9);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

static int count_up(int *count)
{
    ++*count;
    return 0;
}
WEFT_TASK(count_up, int *);

CROWD_TEST(a_hundred_thousand_children_in_one_scope)
{
    struct weft_scope s;
    int count = 0, total = 100000 / (int)test_slowness();
    weft_scope_enter(&s, WEFT_FOREVER);
    for (int i = 0; i < total; i++)
        CHECK_EQ(weft_go(&s, count_up, &count), 0);
    CHECK_EQ(weft_scope_children(&s), total);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(count, total);
}

TASK_TEST(handles_given_up_or_left_are_freed_by_the_scope)
{
    struct weft_scope s;
    struct weft_task *task;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_spawn(&s, &task, leave_letter, 'a'), 0);
    weft_task_release(task);
    CHECK_EQ(weft_spawn(&s, &task, leave_letter, 'b'), 0);
    settle();
    weft_task_release(task);
    CHECK_EQ(weft_spawn(&s, &task, leave_letter, 'c'), 0);
    weft_task_release(NULL);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR(trail, "abc");
}

TASK_TEST(a_small_stack_is_enough_for_a_small_task)
{
    struct weft_scope s;
    struct weft_task_options options = {.size = sizeof options, .flags = WEFT_SMALL_STACK};
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_spawn_with(&s, NULL, &options, weft_enter_wait_for_ever, NULL), 0);
    settle();
    weft_scope_cancel(&s, 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

TASK_TEST(without_options_a_task_is_started_as_by_default)
{
    static const struct weft_task_options zero;
    struct weft_scope s;
    struct weft_task *task;
    int result = -1;
    weft_scope_enter(&s, WEFT_FOREVER);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(weft_spawn_with(&s, &task, i ? &zero : NULL, do_nothing, NULL));
        CHECK_OK(weft_join(task, &result));
        CHECK_EQ(result, 0);
        CHECK_OK(weft_start(&s, NULL, i ? &zero : NULL, "name", WEFT_SITE, do_nothing, NULL, 0));
    }
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(a_stack_larger_than_any_is_refused)
{
    struct weft_scope s;
    struct weft_task_options options = {.size = sizeof options, .stack_size = SIZE_MAX / 2};
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_ERR(weft_spawn_with(&s, NULL, &options, weft_enter_wait_for_ever, NULL), -EINVAL);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(a_detached_task_lives_in_the_root_scope)
{
    CHECK_EQ(weft_go(weft_root(NULL), wait_for_ever), 0);
    settle();
}

TEST(outside_a_task_there_is_no_name_no_note_no_local_and_no_deadline)
{
    static char red[] = "red";
    CHECK_STR(weft_task_name(NULL), "");
    CHECK_EQ(weft_task_id(NULL), 0);
    weft_task_set_name(NULL, "nobody");
    CHECK_STR(weft_task_name(NULL), "");
    CHECK_EQ(weft_fail_while(-EIO, "nobody listens"), -EIO);
    CHECK_STR(weft_note(), "");
    CHECK_ERR(weft_local_set(&colour, red), -EPERM);
    CHECK(weft_local_get(&colour) == NULL);
    CHECK_EQ(weft_deadline().ns, WEFT_FOREVER);
    CHECK(!weft_cancelled());
    weft_ready();
}

static int five(void)
{
    return 5;
}

TEST(outside_a_task_within_sets_no_limit_and_gives_the_result)
{
    CHECK_EQ(weft_within(0, five()), 5);
}

TASK_TEST(a_task_may_name_itself)
{
    weft_task_set_name(NULL, "me");
    CHECK_STR(weft_task_name(NULL), "me");
}

static int ready_twice(void)
{
    weft_ready();
    weft_ready();
    return 3;
}
WEFT_TASK(ready_twice);

TASK_TEST(saying_ready_twice_or_to_nobody_changes_nothing)
{
    struct weft_scope s;
    struct weft_task *heard, *unheard;
    int result = 0;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_spawn_ready(&s, &heard, ready_twice), 0);
    CHECK_EQ(weft_spawn(&s, &unheard, ready_twice), 0);
    CHECK_EQ(weft_join(heard, &result), 0);
    CHECK_EQ(result, 3);
    CHECK_EQ(weft_join(unheard, &result), 0);
    CHECK_EQ(result, 3);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(a_shield_hides_the_deadlines_outside_it)
{
    struct weft_scope s, shield;
    weft_scope_enter(&s, WEFT_SEC);
    struct weft_time outer = weft_deadline();
    weft_shield_enter(&shield, 10 * WEFT_SEC);
    CHECK(weft_deadline().ns > outer.ns);
    CHECK_EQ(weft_deadline().ns, weft_scope_deadline(&shield).ns);
    CHECK_EQ(weft_scope_exit(&shield, 0), 0);
    CHECK_EQ(weft_deadline().ns, outer.ns);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}
