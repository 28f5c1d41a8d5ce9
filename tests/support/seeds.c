/* SPDX-License-Identifier: MIT */
/*
 * seeds.c: seeded schedules of the test kit inside one of our tests
 *
 * The test kit runs the seeds and prints what went wrong, with the line that replays it. Here all
 * seeds are run, failing ones or not, so that a figure tells how many there are; a test has 300
 * unless the environment says otherwise, and must see as many schedules as its floor says.
 */
#define _GNU_SOURCE
#include "seeds.h"
#include "floors.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SEEDS_IN_A_TEST = 300, /* without WEFT_SEEDS */
    SEEDS_IN_CI = 10000,   /* from here on the higher floors hold */
};

void seeds_expect_eq(const char *site, const char *left_text, const char *right_text, intmax_t left,
                     intmax_t right)
{
    if (left != right)
        weft_testing_fail_at(site, "EXPECT_EQ(%s, %s): %jd is not %jd", left_text, right_text, left,
                             right);
}

static void check_floor(const char *name, uint64_t seeds, uint64_t distinct)
{
    char key[160];

    if (seeds < SEEDS_IN_A_TEST)
        return;
    snprintf(key, sizeof key, "%s/%d", name, seeds >= SEEDS_IN_CI ? SEEDS_IN_CI : SEEDS_IN_A_TEST);
    test_floor("tests/sim/floors.txt", key, distinct);
}

static unsigned limit(void)
{
    const char *seeds = getenv("WEFT_SEEDS");

    return 30 + (seeds ? (unsigned)(strtoull(seeds, NULL, 10) / 50) : 0);
}

void seeds_run(const char *name, int (*scenario)(void *arg))
{
    char command[512];
    const struct weft_testing_seeds_options options = {
        .size = sizeof options,
        .name = name,
        .count = SEEDS_IN_A_TEST,
        .flags = WEFT_TESTING_ALL_SEEDS,
        .command = command,
    };
    struct weft_testing_seeds_result seen;

    snprintf(command, sizeof command, "%s --no-fork --only %s", program_invocation_name, name);
    test_limit(limit());
    int rc = weft_testing_seeds(&options, scenario, NULL, &seen);
    test_figure("%s: %" PRIu64 " seeds, %" PRIu64 " distinct schedules, %" PRIu64
                " replayed, %" PRIu64 " failing",
                name, seen.seeds, seen.distinct, seen.replayed, seen.failing);
    if (rc < 0)
        FAIL("%" PRIu64 " of %" PRIu64 " seeds fail", seen.failing, seen.seeds);
    check_floor(name, seen.seeds, seen.distinct);
}
