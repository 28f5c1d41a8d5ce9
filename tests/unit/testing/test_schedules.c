/* SPDX-License-Identifier: MIT */
/*
 * test_schedules.c: programs in worlds of their own, one or many, as users see them
 *
 * What a seed decides and what is found under it is tested in tests/sim/test_seeds.c, on top of our
 * own driver. Here is what only other users of the test kit need: that a call stops at the first
 * seed that fails, what it returns, and what it prints.
 */
#define _GNU_SOURCE
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/testing.h>
#include <weft/weft.h>

static void forget_the_environment(void)
{
    unsetenv("WEFT_SEEDS");
    unsetenv("WEFT_SEED_FIRST");
    unsetenv("WEFT_SEED");
}

static int fail_from_seven_on(void *runs)
{
    ++*(int *)runs;
    return weft_testing_seed() < 7 ? 0 : weft_fail(-EILSEQ, "page %d is missing", 3);
}

TEST(the_first_seed_that_fails_ends_it_and_is_told)
{
    const struct weft_testing_seeds_options options = {.count = 50};
    struct weft_testing_seeds_result seen;
    int runs = 0;

    forget_the_environment();
    CHECK_ERR(weft_testing_seeds(&options, fail_from_seven_on, &runs, &seen), -EILSEQ);
    CHECK_EQ(seen.seed, 7);
    CHECK_EQ(seen.seeds, 7);
    CHECK_EQ(seen.failing, 1);
    CHECK_EQ(seen.replayed, 1);
    CHECK_EQ(runs, 7 + 1);
}

TEST(all_seeds_are_run_when_asked_for)
{
    const struct weft_testing_seeds_options options = {
        .first = 5, .count = 10, .flags = WEFT_TESTING_ALL_SEEDS};
    struct weft_testing_seeds_result seen;
    int runs = 0;

    forget_the_environment();
    CHECK_ERR(weft_testing_seeds(&options, fail_from_seven_on, &runs, &seen), -EILSEQ);
    CHECK_EQ(seen.seed, 7);
    CHECK_EQ(seen.seeds, 10);
    CHECK_EQ(seen.failing, 8);
}

static void print_failure(void)
{
    const struct weft_testing_seeds_options options = {.name = "pages", .command = "./pages x"};
    int runs = 0;

    forget_the_environment();
    (void)weft_testing_seeds(&options, fail_from_seven_on, &runs, NULL);
    FAIL("as planned");
}

TEST(the_failure_is_printed_with_its_note_and_the_line_that_replays_it)
{
    struct test_outcome outcome;

    test_run_isolated(print_failure, &outcome);
    CHECK_CONTAINS(outcome.output,
                   "weft: pages: seed 7: the program gives -EILSEQ: page 3 is missing\n"
                   "replay: WEFT_SEED=7 ./pages x\n");
}

static int expect_small(void *arg)
{
    (void)arg;
    weft_testing_expect(weft_testing_seed() < 3);
    return 0;
}

TEST(an_expectation_fails_its_seed_and_lets_it_go_on)
{
    struct weft_testing_seeds_result seen;

    forget_the_environment();
    CHECK_ERR(weft_testing_seeds(NULL, expect_small, NULL, &seen), -EPROTO);
    CHECK_EQ(seen.seed, 3);
}

static void expect_outside(void)
{
    weft_testing_expect(1 + 1 == 2);
    weft_testing_expect(1 + 1 == 3);
}

TEST(an_expectation_outside_of_seeds_is_an_assertion)
{
    test_fork_expect_signal(expect_outside, SIGABRT, "expected: 1 + 1 == 3");
    CHECK_EQ(weft_testing_seed(), 0);
    CHECK_EQ(weft_testing_dice(6), 0);
    CHECK(!weft_testing_seed_sys());
}

/* Counts the seeds under which a byte was interrupted on its way through many reads. */
static int read_a_lot(void *stormy)
{
    const struct weft_testing_faults *faults = (const void *)weft_testing_seed_sys();
    int fds[2];
    char byte = 0;

    if (weft_pipe(fds) < 0)
        return -1;
    for (int i = 0; i < 50; i++) {
        weft_testing_expect(weft_write(fds[1], &byte, 1) == 1);
        weft_testing_expect(weft_read(fds[0], &byte, 1) == 1);
    }
    *(int *)stormy += faults->injected > 0;
    weft_close(fds[0]);
    weft_close(fds[1]);
    return 0;
}

TEST(every_fourth_seed_has_a_storm_unless_it_is_forbidden)
{
    struct weft_testing_seeds_options options = {.count = 20};
    int stormy = 0;

    forget_the_environment();
    CHECK_EQ(weft_testing_seeds(&options, read_a_lot, &stormy, NULL), 0);
    CHECK_EQ(stormy, 5);
    options.flags = WEFT_TESTING_NO_STORMS;
    stormy = 0;
    CHECK_EQ(weft_testing_seeds(&options, read_a_lot, &stormy, NULL), 0);
    CHECK_EQ(stormy, 0);
}

/* One program in a world of its own. */

static int leave_a_pipe(void *ret)
{
    return weft_pipe(ret);
}

static int note_seed(void *ret)
{
    *(uint64_t *)ret = weft_loop_random(weft_loop_current());
    return 5;
}

TEST(a_program_runs_in_a_world_and_what_it_leaves_is_told)
{
    struct weft_testing_options options = {.seed = 9};
    uint64_t first, second;
    int fds[2];

    CHECK_EQ(weft_testing_run(&options, note_seed, &first), 5);
    CHECK_EQ(weft_testing_run(&options, note_seed, &second), 5);
    CHECK(first == second);
    options.seed = 10;
    CHECK_EQ(weft_testing_run(&options, note_seed, &second), 5);
    CHECK(first != second);
    CHECK_ERR(weft_testing_run(NULL, leave_a_pipe, fds), -ENOTEMPTY);
}
