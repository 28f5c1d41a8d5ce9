/* SPDX-License-Identifier: MIT */
/*
 * seeds.h: scenarios that are run under many seeds
 *
 *     SCENARIO(what_must_hold_in_every_order)
 *     {
 *         ... a task on a loop of its own, in a simulated world: spawn, wait, talk ...
 *         EXPECT(got == sent);
 *         return 0;
 *     }
 *
 * A scenario is a test. Each of its seeds gets a new world and a new loop; the seed chooses the
 * order among ready tasks and ready descriptors, which connections take their time, what seeds_dice
 * answers, and for every fourth seed a storm of interrupted, delayed and short calls. What is
 * counted is the number of distinct schedules, by the loop's trace; fewer than the floor in
 * tests/sim/floors.txt fails. A sample of the seeds is run twice and must make the same schedule
 * again.
 *
 *     WEFT_SEEDS=10000 build/dev/tests/sim/test_scope     seeds 1 to 10,000 of each scenario
 *     WEFT_SEED_FIRST=5000 WEFT_SEEDS=100 ...             seeds 5,000 to 5,099
 *     WEFT_SEED=17 build/dev/tests/sim/test_scope --no-fork --only what_must_hold     one of them
 *
 * The last line is printed for a seed that fails, crashes or hangs. Inside a scenario use EXPECT,
 * not CHECK: it lets the other seeds run and be counted.
 */
#ifndef TEST_SUPPORT_SEEDS_H
#define TEST_SUPPORT_SEEDS_H

#include "test.h"
#include <weft/testing.h>

/** Defines a scenario; its body returns 0, or a code that fails the seed. */
#define SCENARIO(name)                                                                             \
    static int scenario_##name(void *arg);                                                         \
    TEST(name)                                                                                     \
    {                                                                                              \
        seeds_run(#name, scenario_##name);                                                         \
    }                                                                                              \
    static int scenario_##name(void *arg __attribute__((unused)))

/** Notes a failure of this seed when the expression is false, and goes on. */
#define EXPECT(expression)                                                                         \
    ((expression) ? (void)0 : weft_testing_fail_at(WEFT_SITE, "EXPECT(%s)", #expression))

/** As EXPECT, for two integers; both are printed. */
#define EXPECT_EQ(left, right)                                                                     \
    seeds_expect_eq(WEFT_SITE, #left, #right, (intmax_t)(left), (intmax_t)(right))

/** A number from 0 to sides - 1, chosen by the seed. */
#define seeds_dice weft_testing_dice

/** What SCENARIO calls. */
void seeds_run(const char *name, int (*scenario)(void *arg));

/** What EXPECT_EQ calls. */
void seeds_expect_eq(const char *site, const char *left_text, const char *right_text, intmax_t left,
                     intmax_t right);

#endif
