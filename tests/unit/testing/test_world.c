/* SPDX-License-Identifier: MIT */
/*
 * test_world.c: worlds of the test kit, and who moves their clocks
 *
 * The world itself is tested below loop; here are its public face and the clock: that it jumps when
 * nobody can go on, does not when it may not, and moves by hand. Virtual time is compared exactly.
 */
#include "../task/task_test.h"

#include <unistd.h>
#include <weft/testing.h>

static const struct weft_sys *world;

static void make_world(unsigned flags)
{
    const struct weft_testing_options options = {.size = sizeof options, .flags = flags};

    CHECK_OK(weft_testing_world_new(&options, &world));
}

static int sleep_a_day(void *arg)
{
    weft_ns start = weft_clock();

    (void)arg;
    int rc = weft_sleep(24 * WEFT_HOUR);
    if (rc < 0)
        return rc;
    CHECK_EQ(weft_clock() - start, 24 * WEFT_HOUR);
    return 7;
}

TEST(the_clock_jumps_to_the_next_timer_when_nobody_can_go_on)
{
    make_world(0);
    CHECK_EQ(weft_testing_run_on(world, 0, sleep_a_day, NULL), 7);
    weft_testing_world_free(world);
}

TEST(a_manual_clock_does_not_jump_and_the_run_says_so)
{
    make_world(WEFT_TESTING_MANUAL_CLOCK);
    weft_ns start = world->clock(world);
    CHECK_ERR(weft_testing_run_on(world, 0, sleep_a_day, NULL), -WEFT_EDEADLOCK);
    CHECK_EQ(world->clock(world), start);
    weft_testing_world_free(world);
}

static int nap(void *arg)
{
    CHECK_EQ(weft_sleep((weft_ns)(intptr_t)arg * WEFT_SEC), 0);
    note((char)('0' + (intptr_t)arg));
    return 0;
}

static int advance_by_hand(void *arg)
{
    struct weft_scope scope;

    (void)arg;
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (intptr_t seconds = 5; seconds > 0; seconds--)
        CHECK_OK(weft_go_fn(&scope, nap, (void *)seconds));
    CHECK_OK(weft_testing_wait_all_blocked(0));
    CHECK_OK(weft_testing_clock_advance(NULL, 2 * WEFT_SEC - 1));
    CHECK_OK(weft_testing_wait_all_blocked(0));
    CHECK_STR(trail, "1");
    CHECK_OK(weft_testing_clock_advance(NULL, 1));
    CHECK_OK(weft_testing_wait_all_blocked(0));
    CHECK_STR(trail, "12");
    CHECK_OK(weft_testing_clock_advance(NULL, 10 * WEFT_SEC));
    return weft_scope_exit(&scope, 0);
}

TEST(a_clock_moved_by_hand_fires_exactly_what_it_passed_in_the_order_of_deadlines)
{
    make_world(WEFT_TESTING_MANUAL_CLOCK);
    CHECK_EQ(weft_testing_run_on(world, 0, advance_by_hand, NULL), 0);
    CHECK_STR(trail, "12345");
    weft_testing_world_free(world);
}

static int hand_over_the_clock(void *arg)
{
    weft_ns start = weft_clock();

    (void)arg;
    CHECK_OK(weft_testing_clock_set_manual(NULL, 0));
    CHECK_EQ(weft_sleep(WEFT_SEC), 0);
    CHECK_EQ(weft_clock() - start, WEFT_SEC);
    return weft_testing_clock_set_manual(NULL, 1);
}

TEST(who_moves_the_clock_can_change_while_it_runs)
{
    make_world(WEFT_TESTING_MANUAL_CLOCK);
    CHECK_EQ(weft_testing_run_on(world, 0, hand_over_the_clock, NULL), 0);
    weft_testing_world_free(world);
}

static void count(void *arg)
{
    ++*(int *)arg;
}

TEST(callbacks_under_a_manual_clock_run_between_two_advances)
{
    struct weft_loop *loop;
    int called = 0;

    make_world(WEFT_TESTING_MANUAL_CLOCK);
    const struct weft_loop_options options = {.size = sizeof options, .sys = world};
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_OK(weft_loop_call_later(loop, WEFT_SEC, count, &called, NULL));
    CHECK_ERR(weft_loop_run(loop), -WEFT_EDEADLOCK);
    CHECK_EQ(called, 0);
    CHECK_OK(weft_testing_clock_advance(world, WEFT_SEC));
    CHECK_OK(weft_loop_run(loop));
    CHECK_EQ(called, 1);
    CHECK_OK(weft_loop_free(loop));
    weft_testing_world_free(world);
}

TEST(a_real_clock_cannot_be_moved_and_a_virtual_one_not_back)
{
    CHECK_ERR(weft_testing_clock_advance(NULL, 1), -ENOTSUP);
    CHECK_ERR(weft_testing_clock_advance(&weft_sys_default, 1), -ENOTSUP);
    CHECK_ERR(weft_testing_clock_set_manual(&weft_sys_default, 1), -ENOTSUP);
    make_world(0);
    CHECK_ERR(weft_testing_clock_advance(world, -1), -EINVAL);
    CHECK_OK(weft_testing_clock_advance(world, WEFT_FOREVER));
    CHECK_EQ(world->clock(world), WEFT_FOREVER - 1);
    weft_testing_world_free(world);
}

static int leave_a_pipe_open(void *arg)
{
    return world->pipe2(world, arg, 0);
}

TEST(open_descriptors_of_a_world_are_counted_and_closed_with_it)
{
    int fds[2];

    CHECK_EQ(weft_testing_world_open(&weft_sys_default), 0);
    make_world(0);
    CHECK_OK(weft_testing_run_on(world, 0, leave_a_pipe_open, fds));
    CHECK_EQ(weft_testing_world_open(world), 2);
    weft_testing_world_free(world);
    weft_testing_world_free(NULL);
}

TEST(a_program_runs_over_the_real_kernel_too)
{
    int fds[2];

    world = &weft_sys_default;
    CHECK_OK(weft_testing_run_on(NULL, 0, leave_a_pipe_open, fds));
    close(fds[0]);
    close(fds[1]);
}
