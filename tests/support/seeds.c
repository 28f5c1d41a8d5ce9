/* SPDX-License-Identifier: MIT */
/*
 * seeds.c: runs a scenario under many seeds and counts what it saw
 *
 *     seed ─▶ world ─▶ (storm) ─▶ loop ─▶ scenario ─▶ trace, failures, leaks ─▶ next seed
 *
 * All seeds of a scenario run in the test's one process: a seed that crashes or hangs ends the
 * test, and the signal's handler says how to run it alone. Failed expectations only mark their
 * seed; the first few are printed. Nothing here is random by itself: a seed is all that a run
 * depends on.
 */
#define _GNU_SOURCE
#include "seeds.h"
#include "fault.h"
#include "floors.h"
#include "loop/poller_backend.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/loop.h>
#include <weft/run.h>

enum {
    SEEDS_IN_A_TEST = 300, /* without WEFT_SEEDS */
    SEEDS_IN_CI = 10000,   /* from here on the higher floors hold */
    REPLAY_EVERY = 16,     /* of so many seeds one is run twice */
    STORM_EVERY = 4,       /* of so many seeds one has a storm */
    FAILURES_PRINTED = 3,
};

/** The seed in progress. */
static struct {
    /** The scenario. */
    const char *name;
    /** The seed. */
    uint64_t seed;
    /** State of seeds_dice. */
    uint64_t random;
    /** The table that its loop runs on. */
    const struct weft_sys *sys;
    /** Whether an expectation failed. */
    bool failed;
} now;

static int failures;

/* The command line of this program for the seed in progress. Signal-safe as far as dprintf is. */
static void print_replay(void)
{
    dprintf(STDERR_FILENO, "replay: WEFT_SEED=%" PRIu64 " %s --no-fork --only %s\n", now.seed,
            program_invocation_name, now.name);
}

static void on_last_signal(int number)
{
    signal(number, SIG_DFL);
    dprintf(STDERR_FILENO, "scenario %s, seed %" PRIu64 ": signal %d\n", now.name, now.seed,
            number);
    print_replay();
    raise(number);
}

uint64_t seeds_seed(void)
{
    return now.seed;
}

const struct weft_sys *seeds_sys(void)
{
    return now.sys;
}

unsigned seeds_dice(unsigned sides)
{
    uint64_t z = (now.random += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (unsigned)((z ^ (z >> 31)) % sides);
}

void seeds_note_failure(const char *file, int line, const char *format, ...)
{
    va_list args;

    if (!now.failed && ++failures <= FAILURES_PRINTED) {
        dprintf(STDERR_FILENO, "seed %" PRIu64 ": %s:%d: ", now.seed, file, line);
        va_start(args, format);
        vdprintf(STDERR_FILENO, format, args);
        va_end(args);
        dprintf(STDERR_FILENO, "\n");
        print_replay();
    }
    now.failed = true;
}

void seeds_expect_eq(const char *file, int line, const char *left_text, const char *right_text,
                     intmax_t left, intmax_t right)
{
    if (left != right)
        seeds_note_failure(file, line, "EXPECT_EQ(%s, %s): %jd is not %jd", left_text, right_text,
                           left, right);
}

/* --- One seed -------------------------------------------------------------------------------- */

static void expect_nothing_left(const struct weft_testing_faults *fault,
                                const struct weft_sys *world)
{
    if (weft_testing_faults_report(fault) > 0)
        seeds_note_failure(__FILE__, __LINE__, "memory is left");
    if (weft__sim_open(world) > 0)
        seeds_note_failure(__FILE__, __LINE__, "%zu descriptors are open", weft__sim_open(world));
}

/* Runs one seed from a new world to its end; returns the trace of its schedule. */
static uint64_t run_seed(uint64_t seed, int (*scenario)(void *arg))
{
    const struct weft_sys *world;
    struct weft_testing_faults fault;
    struct weft_loop *loop;
    struct weft_loop_stats stats;

    now.seed = seed;
    now.random = ~seed;
    now.failed = false;
    CHECK_OK(weft__sim_new(seed, &world));
    weft_testing_faults_init(&fault, world);
    if (seed % STORM_EVERY == 0)
        weft_testing_faults_storm(&fault,
                                  &(struct weft_testing_storm){.seed = seed,
                                                               .interrupt_percent = seeds_dice(60),
                                                               .again_percent = seeds_dice(60),
                                                               .short_percent = seeds_dice(100)});
    now.sys = &fault.sys;
    const struct weft_loop_options options = {.size = sizeof options, .sys = now.sys, .seed = seed};
    CHECK_OK(weft_loop_create(&options, &loop));
    int rc = weft_loop_run_task(loop, scenario, NULL);
    if (rc != 0)
        seeds_note_failure(__FILE__, __LINE__, "the scenario gives %d", rc);
    weft_loop_get_stats(loop, &stats);
    CHECK_OK(weft_loop_free(loop));
    expect_nothing_left(&fault, world);
    weft__sim_free(world);
    return stats.trace;
}

/* --- All of them ----------------------------------------------------------------------------- */

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);

    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static int by_value(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return a < b ? -1 : a > b;
}

static size_t count_distinct(uint64_t *traces, size_t count)
{
    size_t distinct = 0;

    qsort(traces, count, sizeof *traces, by_value);
    for (size_t i = 0; i < count; i++)
        distinct += i == 0 || traces[i] != traces[i - 1];
    return distinct;
}

static void check_floor(const char *name, uint64_t seeds, size_t distinct)
{
    char key[160];

    if (seeds < SEEDS_IN_A_TEST)
        return;
    snprintf(key, sizeof key, "%s/%d", name, seeds >= SEEDS_IN_CI ? SEEDS_IN_CI : SEEDS_IN_A_TEST);
    test_floor("tests/sim/floors.txt", key, distinct);
}

static void run_many(uint64_t first, uint64_t seeds, int (*scenario)(void *arg))
{
    uint64_t *traces = calloc(seeds, sizeof *traces);
    uint64_t failing = 0, replayed = 0;

    CHECK(traces);
    for (uint64_t i = 0; i < seeds; i++) {
        traces[i] = run_seed(first + i, scenario);
        if (i % REPLAY_EVERY == 0) {
            replayed++;
            if (run_seed(first + i, scenario) != traces[i])
                seeds_note_failure(__FILE__, __LINE__, "the same seed made another schedule");
        }
        failing += now.failed;
    }
    size_t distinct = count_distinct(traces, seeds);
    free(traces);
    test_figure("%s: %" PRIu64 " seeds, %zu distinct schedules, %" PRIu64 " replayed, %" PRIu64
                " failing",
                now.name, seeds, distinct, replayed, failing);
    if (failing)
        FAIL("%" PRIu64 " of %" PRIu64 " seeds fail", failing, seeds);
    check_floor(now.name, seeds, distinct);
}

void seeds_run(const char *name, int (*scenario)(void *arg))
{
    static const int last_signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGQUIT};
    uint64_t one = number_from("WEFT_SEED", 0);
    uint64_t seeds = number_from("WEFT_SEEDS", SEEDS_IN_A_TEST);

    now.name = name;
    for (size_t i = 0; i < sizeof last_signals / sizeof *last_signals; i++)
        signal(last_signals[i], on_last_signal);
    test_limit(30 + (unsigned)(seeds / 50));
    if (one) {
        uint64_t trace = run_seed(one, scenario);
        printf("seed %" PRIu64 ": trace %016" PRIx64 ", %s\n", one, trace,
               now.failed ? "fails" : "holds");
        CHECK(!now.failed);
    } else {
        run_many(number_from("WEFT_SEED_FIRST", 1), seeds, scenario);
    }
}
