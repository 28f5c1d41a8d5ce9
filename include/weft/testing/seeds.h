/* SPDX-License-Identifier: MIT */
/*
 * weft/testing/seeds.h: a program under many schedules
 *
 * Part of the test kit; programs include weft/testing.h.
 *
 * A seed chooses what the rules of scheduling leave open. One that fails is printed with the line
 * that replays it.
 */
#ifndef WEFT_TESTING_SEEDS_H
#define WEFT_TESTING_SEEDS_H

#include <weft/error.h>
#include <weft/sys.h>
#include <weft/types.h>

WEFT_BEGIN

/** Seeds are run to the last, whether some fail or not. */
#define WEFT_TESTING_ALL_SEEDS 4u
/** No seed has a storm. */
#define WEFT_TESTING_NO_STORMS 8u

/** Which seeds to run; zero everywhere is the default. */
struct weft_testing_seeds_options {
    /** sizeof(struct weft_testing_seeds_options), also when 0. */
    size_t size;
    /** The program's name in what is printed; NULL: "program". */
    const char *name;
    /** The first seed; 0: 1. */
    uint64_t first;
    /** How many; 0: 1,000. */
    uint64_t count;
    /** WEFT_TESTING_... */
    unsigned flags;
    /** The command that makes this call again, for the line that replays a seed; NULL: the name
     *  that the process was started by. */
    const char *command;
};

/** What was seen. */
struct weft_testing_seeds_result {
    /** Seeds that were run. */
    uint64_t seeds;
    /** Different schedules among them, by the loop's trace. */
    uint64_t distinct;
    /** Seeds that were run a second time to see that they make the same schedule. */
    uint64_t replayed;
    /** Seeds that failed. */
    uint64_t failing;
    /** The first one that failed; 0: none. */
    uint64_t seed;
    /** The trace of the last schedule. */
    uint64_t trace;
};

/**
 * Runs program(arg) as a task of a new loop in a new world, once for each seed, and stops at the
 * first that fails. The seed chooses the order among ready tasks and ready descriptors, which
 * connections take their time, what weft_testing_dice gives, and for every fourth seed a storm of
 * interrupted, delayed and short calls. The program must make its whole state anew; what else it
 * depends on, the seed cannot replay. One seed in sixteen is run twice to see that it does.
 *
 * A seed fails when the program gives another code than 0, when an expectation did not hold, when
 * something was left in its world, or when its schedule differs the second time. What went wrong is
 * printed to stderr, with a line that runs this one seed again; also when the seed is stopped by a
 * signal (see weft_testing_sweep):
 *
 *     weft: transfer: seed 17: bank.c:40: expected: total == 100
 *     replay: WEFT_SEED=17 ./bank_test
 *
 * The environment chooses other seeds than `options` (NULL: defaults): WEFT_SEED one alone,
 * WEFT_SEED_FIRST and WEFT_SEEDS the first and how many.
 *
 * 0; the negative code of the program under the first seed that failed, -EPROTO where there was
 * none; -ENOMEM. *ret is filled in every case but the last; NULL is fine. Plain: outside tasks.
 */
WEFT_API int weft_testing_seeds(const struct weft_testing_seeds_options *options,
                                int (*program)(void *arg), void *arg,
                                struct weft_testing_seeds_result *ret);

/** The seed that runs in this thread; 0 outside weft_testing_seeds. Plain. Any thread. */
WEFT_API uint64_t weft_testing_seed(void);

/** The table of the seed that runs in this thread, storm included; NULL outside. Plain. Any thread.
 */
WEFT_API const struct weft_sys *weft_testing_seed_sys(void);

/** A number from 0 to sides - 1, chosen by the seed that runs; 0 outside. Plain. Any thread. */
WEFT_API unsigned weft_testing_dice(unsigned sides);

/** Notes that the seed that runs has failed unless the expression is true, and goes on. Outside
 *  weft_testing_seeds a false one ends the process, as assert(3) does. Plain. */
#define weft_testing_expect(expression)                                                            \
    ((expression) ? (void)0 : weft_testing_fail_at(WEFT_SITE, "expected: %s", #expression))

/** Notes a failure at a place with a sentence, as weft_testing_expect; `format` is printf's. Plain.
 */
WEFT_API void weft_testing_fail_at(const char *site, const char *format, ...) WEFT_PRINTF(2, 3);

WEFT_END

#endif
