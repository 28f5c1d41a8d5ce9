/* SPDX-License-Identifier: MIT */
/*
 * test_seeds.c: the driver of seeded scenarios itself
 *
 * A driver that says "10,000 schedules, none failing" must be seen to say otherwise. The scenarios
 * here carry planted mistakes: one that fails in some orders only, one that depends on more than
 * its seed, one that leaks, one that crashes, one that never varies; each has to be found, and
 * named in a line that runs its seed alone.
 */
#define _GNU_SOURCE
#include "seeds.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

static int order[4];
static unsigned ran;

static int notes_itself(int number)
{
    order[ran++] = number;
    return weft_sleep((weft_ns)seeds_dice(3));
}
WEFT_TASK(notes_itself, int);

/* Four tasks that note the order in which they start, then three sleeps each at random. */
static int four_tasks(void *arg)
{
    struct weft_scope scope;

    (void)arg;
    ran = 0;
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 4; i++)
        EXPECT_EQ(weft_go(&scope, notes_itself, i), 0);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(weft_sleep((weft_ns)seeds_dice(5)), 0);
    return weft_scope_exit(&scope, 0);
}

SCENARIO(self_test_of_the_driver)
{
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(four_tasks(arg), 0);
    return 0;
}

/* The planted mistakes. */

static int fails_in_some_orders(void *arg)
{
    EXPECT_EQ(four_tasks(arg), 0);
    EXPECT(order[0] != 2 || order[1] != 0);
    return 0;
}

static int gives_a_code(void *arg)
{
    (void)arg;
    return weft_testing_seed() == 5 ? -1234 : 0;
}

static int depends_on_what_came_before(void *arg)
{
    static int runs;

    for (int i = 0; i < runs % 7; i++)
        EXPECT_EQ(weft_yield(), 0);
    runs++;
    return four_tasks(arg);
}

static int leaves_a_descriptor(void *arg)
{
    (void)arg;
    EXPECT(weft_testing_seed_sys()->eventfd(weft_testing_seed_sys(), 0, 0) >= 0);
    return 0;
}

static int leaves_memory(void *arg)
{
    (void)arg;
    EXPECT(weft_testing_seed_sys()->realloc(weft_testing_seed_sys(), NULL, 10) != NULL);
    return 0;
}

static int crashes(void *arg)
{
    (void)arg;
    if (weft_testing_seed() == 7)
        abort();
    return 0;
}

static int has_one_schedule(void *arg)
{
    (void)arg;
    return 0;
}

static const char *planted_name;
static int (*planted)(void *arg);

static void run_planted(void)
{
    seeds_run(planted_name, planted);
}

/* The scenario must fail with `part` in what is printed. */
static void check_planted(const char *name, int (*scenario)(void *arg), const char *part)
{
    struct test_outcome outcome;

    planted_name = name;
    planted = scenario;
    test_run_isolated(run_planted, &outcome);
    CHECK_EQ(outcome.result, TEST_FAILED);
    CHECK_CONTAINS(outcome.output, part);
}

/* The scenario must hold for the seeds that the environment names. */
static void check_holds(int (*scenario)(void *arg))
{
    struct test_outcome outcome;

    planted_name = "planted";
    planted = scenario;
    test_run_isolated(run_planted, &outcome);
    CHECK_EQ(outcome.result, TEST_PASSED);
}

/* These tests look at particular seeds, whatever the environment says. */
static void forget_the_environment(void)
{
    unsetenv("WEFT_SEEDS");
    unsetenv("WEFT_SEED_FIRST");
    unsetenv("WEFT_SEED");
}

TEST(a_scenario_that_fails_in_some_orders_is_found_and_its_seeds_are_counted)
{
    forget_the_environment();
    check_planted("planted", fails_in_some_orders, "EXPECT(order[0] != 2 || order[1] != 0)");
    check_planted("planted", fails_in_some_orders, "of 300 seeds fail");
    check_planted("planted", gives_a_code, "the program gives -1234");
    check_planted("planted", gives_a_code, "1 of 300 seeds fail");
}

TEST(a_seed_that_fails_is_named_in_a_line_that_runs_it_again)
{
    char line[512];

    forget_the_environment();
    snprintf(line, sizeof line, "replay: WEFT_SEED=5 %s --no-fork --only planted\n",
             program_invocation_name);
    check_planted("planted", gives_a_code, line);
    setenv("WEFT_SEED", "5", 1);
    check_planted("planted", gives_a_code, "seed 5: trace ");
    setenv("WEFT_SEED", "6", 1);
    check_holds(gives_a_code);
}

TEST(a_scenario_that_depends_on_more_than_its_seed_is_found)
{
    forget_the_environment();
    check_planted("planted", depends_on_what_came_before, "the same seed made another schedule");
}

TEST(what_a_scenario_leaves_behind_is_found)
{
    forget_the_environment();
    check_planted("planted", leaves_a_descriptor, "1 descriptors are open");
    check_planted("planted", leaves_memory, "memory is left");
}

TEST(a_seed_that_crashes_is_named)
{
    forget_the_environment();
    check_planted("planted", crashes, "replay: WEFT_SEED=7 ");
}

TEST(a_scenario_that_does_not_vary_is_found)
{
    forget_the_environment();
    check_planted("self_test_with_one_schedule", has_one_schedule,
                  "self_test_with_one_schedule/300 reached 1, less than its floor of 10");
    /* ThreadSanitizer ends at 8,128 fibers, counted over all loops. */
    if (test_slowness() > 1)
        return;
    setenv("WEFT_SEEDS", "10000", 1);
    check_planted("self_test_with_one_schedule", has_one_schedule,
                  "self_test_with_one_schedule/10000 reached 1, less than its floor of 10");
}

TEST(the_environment_chooses_the_seeds)
{
    forget_the_environment();
    setenv("WEFT_SEED_FIRST", "6", 1);
    setenv("WEFT_SEEDS", "100", 1);
    check_holds(gives_a_code);
    setenv("WEFT_SEED_FIRST", "5", 1);
    check_planted("planted", gives_a_code, "1 of 100 seeds fail");
}
