/* SPDX-License-Identifier: MIT */
/*
 * test_blocked.c: waiting until nobody can go on, and seeing wait points
 *
 * On every engine: what is ready goes first, and what the kernel has ready; sleepers count as
 * blocked, and under a virtual clock the wait ends before the clock jumps.
 */
#include "../task/task_test.h"

#include <unistd.h>
#include <weft/testing.h>

static int yield_ten_times(void *letter)
{
    for (int i = 0; i < 10; i++)
        CHECK_EQ(weft_yield(), 0);
    note(*(char *)letter);
    return 0;
}

static int sleep_an_hour(void *arg)
{
    (void)arg;
    return weft_sleep(WEFT_HOUR);
}

TASK_TEST(all_that_is_ready_runs_first_and_sleepers_are_blocked)
{
    struct weft_scope scope;
    char letters[] = "ab";

    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_go_fn(&scope, yield_ten_times, &letters[0]));
    CHECK_OK(weft_go_fn(&scope, yield_ten_times, &letters[1]));
    CHECK_OK(weft_go_fn(&scope, sleep_an_hour, NULL));
    CHECK_EQ(weft_testing_wait_all_blocked(0), 0);
    CHECK_STR(trail, "ab");
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

static int pass_on(void *arg)
{
    int *fds = arg;
    char byte;

    CHECK_EQ(weft_read(fds[0], &byte, 1), 1);
    CHECK_EQ(weft_write(fds[3], &byte, 1), 1);
    note(byte);
    return 0;
}

static int take(void *arg)
{
    int *fds = arg;
    char byte;

    CHECK_EQ(weft_read(fds[2], &byte, 1), 1);
    note((char)(byte + 1));
    return 0;
}

TASK_TEST(bytes_on_their_way_arrive_first)
{
    struct weft_scope scope;
    int fds[4];

    CHECK_OK(weft_pipe(&fds[0]));
    CHECK_OK(weft_pipe(&fds[2]));
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_go_fn(&scope, pass_on, fds));
    CHECK_OK(weft_go_fn(&scope, take, fds));
    CHECK_EQ(weft_testing_wait_all_blocked(0), 0);
    CHECK_STR(trail, "");
    CHECK_EQ(weft_write(fds[1], "x", 1), 1);
    CHECK_EQ(weft_testing_wait_all_blocked(20 * WEFT_MS), 0);
    CHECK_STR(trail, "xy");
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    for (int i = 0; i < 4; i++)
        CHECK_OK(weft_close(fds[i]));
}

static int wait_all_blocked(void *arg)
{
    (void)arg;
    return weft_testing_wait_all_blocked(WEFT_HOUR);
}

TEST(under_a_virtual_clock_no_time_passes)
{
    const struct weft_sys *world;
    struct weft_loop *loop;

    CHECK_OK(weft_testing_world_new(NULL, &world));
    const struct weft_loop_options options = {.size = sizeof options, .sys = world};
    CHECK_OK(weft_loop_create(&options, &loop));
    weft_ns start = world->clock(world);
    CHECK_OK(weft_go_fn(weft_root(loop), sleep_an_hour, NULL));
    CHECK_EQ(weft_loop_run_task(loop, wait_all_blocked, NULL), 0);
    CHECK_EQ(world->clock(world), start);
    CHECK_OK(weft_loop_free(loop));
    weft_testing_world_free(world);
}

/** One of several who wait until all are blocked. */
struct waiter {
    /** Its cushion. */
    weft_ns cushion;
    /** What it notes when it is told. */
    char letter;
};

static int wait_and_note(void *arg)
{
    struct waiter *waiter = arg;

    CHECK_EQ(weft_testing_wait_all_blocked(waiter->cushion), 0);
    note(waiter->letter);
    CHECK_EQ(weft_yield(), 0);
    note(waiter->letter);
    return 0;
}

TASK_TEST(equal_cushions_are_told_together_and_smaller_ones_first)
{
    struct waiter waiters[] = {{WEFT_MS, 'c'}, {0, 'a'}, {WEFT_MS, 'd'}, {-1, 'b'}};
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 4; i++)
        CHECK_OK(weft_go_fn(&scope, wait_and_note, &waiters[i]));
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_STR(trail, "ababcdcd");
}

TASK_TEST(the_cushion_is_waited_for_on_a_real_clock)
{
    weft_ns start = weft_clock();

    CHECK_EQ(weft_testing_wait_all_blocked(5 * WEFT_MS), 0);
    CHECK(weft_clock() - start >= (test_engine_is("sim") ? 0 : 5 * WEFT_MS));
}

TASK_TEST(the_wait_can_be_cut_and_is_refused)
{
    struct weft_scope scope;
    struct weft_task *task;
    int result;

    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_spawn_fn(&scope, &task, wait_all_blocked, NULL));
    CHECK_EQ(weft_yield(), 0);
    weft_task_cancel(task);
    CHECK_EQ(weft_join(task, &result), 0);
    CHECK_ERR(result, -ECANCELED);
    CHECK_EQ(weft_testing_wait_all_blocked(0), 0);
    weft_scope_cancel(&scope, 0);
    CHECK_ERR(weft_testing_wait_all_blocked(0), -ECANCELED);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

/* Wait points. */

TASK_TEST(a_waiting_call_is_seen_even_when_it_completes_at_once)
{
    struct weft_event event = WEFT_EVENT_INIT(event);
    struct weft_testing_look look;

    weft_event_set(&event);
    weft_testing_look_begin(&look);
    CHECK_EQ(weft_event_wait(&event), 0);
    CHECK(weft_testing_looked(&look));
    weft_testing_look_begin(&look);
    CHECK_EQ(weft_yield(), 0);
    CHECK(weft_testing_looked(&look));
}

TASK_TEST(a_refused_call_is_seen)
{
    struct weft_testing_look look;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    weft_testing_look_begin(&look);
    CHECK_ERR(weft_sleep(WEFT_SEC), -ECANCELED);
    CHECK(weft_testing_looked(&look));
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

TASK_TEST(a_plain_call_and_a_scope_without_children_are_no_wait_points)
{
    struct weft_event event = WEFT_EVENT_INIT(event);
    struct weft_testing_look look;
    struct weft_scope scope;

    weft_testing_look_begin(&look);
    weft_event_set(&event);
    weft_event_clear(&event);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK(!weft_testing_looked(&look));
}
