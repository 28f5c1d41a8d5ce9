/* SPDX-License-Identifier: MIT */
/*
 * seeds.c: a program under many seeds
 *
 *     seed ─▶ world ─▶ (storm) ─▶ loop ─▶ program ─▶ trace, failures, leaks ─▶ next seed
 *
 * All seeds run in one process and one thread; a seed that crashes or hangs ends both, and the last
 * words say how to run it alone. Failed expectations only mark their seed; the first few are
 * printed. Nothing here is random by itself: a seed is all that a run depends on.
 */
#define _GNU_SOURCE
#include "base/random.h"
#include "task/internal.h"
#include "testing/internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEEDS = 1000,         /* when nobody says how many */
    REPLAY_EVERY = 16,    /* of so many seeds one is run twice */
    STORM_EVERY = 4,      /* of so many seeds one has a storm */
    FAILURES_PRINTED = 3, /* in one call */
};

/** A call of weft_testing_seeds. */
struct seeding {
    /** What was asked for, the environment included. */
    struct weft_testing_seeds_options options;
    /** The program. */
    int (*program)(void *arg);
    /** Its argument. */
    void *arg;
    /** The seed that runs. */
    uint64_t seed;
    /** State of weft_testing_dice. */
    uint64_t random;
    /** The table of its loop. */
    const struct weft_sys *sys;
    /** It has failed. */
    bool failed;
    /** How many failures were printed. */
    unsigned printed;
    /** The program's code under the first seed that failed. */
    int code;
    /** One trace for each seed. */
    uint64_t *traces;
    /** What was seen so far. */
    struct weft_testing_seeds_result seen;
};

static WEFT__TLS struct seeding *now;

uint64_t weft_testing_seed(void)
{
    return now ? now->seed : 0;
}

const struct weft_sys *weft_testing_seed_sys(void)
{
    return now ? now->sys : NULL;
}

unsigned weft_testing_dice(unsigned sides)
{
    if (!now || sides == 0)
        return 0;
    return (unsigned)(weft__random_next(&now->random) % sides);
}

/* --- Failures -------------------------------------------------------------------------------- */

/** "replay: WEFT_SEED=17 ./bank_test", a line of its own, without our name before it. */
static void print_replay(const struct seeding *seeding)
{
    char line[512];
    int len = snprintf(line, sizeof line, "replay: WEFT_SEED=%" PRIu64 " %s\n", seeding->seed,
                       seeding->options.command);
    if (len >= (int)sizeof line)
        len = (int)sizeof line - 1;
    (void)weft_sys_default.write(&weft_sys_default, 2, line, (size_t)len);
}

static void note_failure(struct seeding *seeding, const char *site, const char *sentence)
{
    if (!seeding->failed && seeding->printed++ < FAILURES_PRINTED) {
        weft__report("%s: seed %" PRIu64 ": %s%s%s", seeding->options.name, seeding->seed, site,
                     *site ? ": " : "", sentence);
        print_replay(seeding);
    }
    seeding->failed = true;
}

void weft_testing_fail_at(const char *site, const char *format, ...)
{
    char sentence[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (now)
        note_failure(now, site, sentence);
    else
        weft__assert_failed(sentence, site);
}

/* --- One seed -------------------------------------------------------------------------------- */

/** "the program gives -EIO: no such page", with its task's note if that is about the code. */
static void note_code(struct seeding *seeding, int rc)
{
    const struct weft__note *note = weft__task_current->note;
    bool noted = note && note->code == rc;
    char sentence[64 + WEFT_NOTE_SIZE], number[16];
    const char *name = weft_strerrorname(rc);
    snprintf(number, sizeof number, "%d", rc);
    bool known = rc < 0 && strcmp(name, "E?") != 0;
    snprintf(sentence, sizeof sentence, "the program gives %s%s%s%s", known ? "-" : "",
             known ? name : number, noted ? ": " : "", noted ? note->text : "");
    note_failure(seeding, "", sentence);
}

static int run_program(void *arg)
{
    struct seeding *seeding = arg;
    int rc = seeding->program(seeding->arg);
    if (rc != 0)
        note_code(seeding, rc);
    return rc;
}

static void expect_nothing_left(struct seeding *seeding, const struct weft_testing_faults *faults)
{
    char sentence[64];
    size_t open = weft_testing_world_open(&faults->sys);
    if (weft_testing_faults_report(faults) > 0)
        note_failure(seeding, "", "memory is left");
    snprintf(sentence, sizeof sentence, "%zu descriptors are open", open);
    if (open > 0)
        note_failure(seeding, "", sentence);
}

static void begin_seed(struct seeding *seeding, uint64_t seed, struct weft_testing_faults *faults)
{
    seeding->seed = seed;
    seeding->random = ~seed;
    seeding->failed = false;
    seeding->sys = &faults->sys;
    weft__last_words_set("weft: %s: seed %" PRIu64
                         ": the signal came in it\nreplay: WEFT_SEED=%" PRIu64 " %s\n",
                         seeding->options.name, seed, seed, seeding->options.command);
    if (seed % STORM_EVERY != 0 || seeding->options.flags & WEFT_TESTING_NO_STORMS)
        return;
    struct weft_testing_storm storm = {.seed = seed};
    storm.interrupt_percent = weft_testing_dice(60);
    storm.again_percent = weft_testing_dice(60);
    storm.short_percent = weft_testing_dice(100);
    weft_testing_faults_storm(faults, &storm);
}

/** Runs one seed from a new world to its end. 0 with the trace of its schedule, or -ENOMEM. */
static int run_seed(struct seeding *seeding, uint64_t seed, uint64_t *ret_trace)
{
    const struct weft_testing_options options = {.seed = seed};
    const struct weft_sys *world;
    struct weft_testing_faults faults;
    int rc = weft_testing_world_new(&options, &world);
    if (rc < 0)
        return rc;
    weft_testing_faults_init(&faults, world);
    begin_seed(seeding, seed, &faults);
    rc = weft__testing_run_on(&faults.sys, seed, run_program, seeding, ret_trace);
    if (rc < 0 && !seeding->failed)
        note_failure(seeding, "", weft_strerror(rc));
    if (seeding->failed && seeding->seen.seed == 0) {
        seeding->seen.seed = seed;
        seeding->code = rc;
    }
    expect_nothing_left(seeding, &faults);
    weft_testing_world_free(world);
    return 0;
}

/** As run_seed; a sample of the seeds is run twice. */
static int run_and_replay(struct seeding *seeding, uint64_t seed, bool twice, uint64_t *ret_trace)
{
    uint64_t again;
    int rc = run_seed(seeding, seed, ret_trace);
    bool failed = seeding->failed;
    if (rc == 0 && twice) {
        rc = run_seed(seeding, seed, &again);
        seeding->seen.replayed++;
        if (rc == 0 && again != *ret_trace)
            note_failure(seeding, "", "the same seed made another schedule");
    }
    seeding->failed |= failed;
    seeding->seen.failing += seeding->failed;
    if (seeding->failed && seeding->seen.seed == 0)
        seeding->seen.seed = seed;
    return rc;
}

/* --- All of them ----------------------------------------------------------------------------- */

static int by_value(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

static uint64_t count_distinct(uint64_t *traces, size_t count)
{
    uint64_t distinct = 0;
    qsort(traces, count, sizeof *traces, by_value);
    for (size_t i = 0; i < count; i++)
        distinct += i == 0 || traces[i] != traces[i - 1];
    return distinct;
}

static int run_many(struct seeding *seeding)
{
    struct weft_testing_seeds_result *seen = &seeding->seen;
    bool all = seeding->options.flags & WEFT_TESTING_ALL_SEEDS;
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < seeding->options.count; i++) {
        rc = run_and_replay(seeding, seeding->options.first + i, i % REPLAY_EVERY == 0,
                            &seeding->traces[i]);
        seen->trace = seeding->traces[i];
        seen->seeds += rc == 0;
        if (seen->failing > 0 && !all)
            break;
    }
    seen->distinct = count_distinct(seeding->traces, (size_t)seen->seeds);
    return rc;
}

/** One seed alone, as the line that replays it asks; it is told what came of it. */
static int run_alone(struct seeding *seeding)
{
    struct weft_testing_seeds_result *seen = &seeding->seen;
    int rc = run_and_replay(seeding, seeding->options.first, false, &seen->trace);
    if (rc < 0)
        return rc;
    seen->seeds = seen->distinct = 1;
    weft__report("%s: seed %" PRIu64 ": trace %016" PRIx64 ", %s", seeding->options.name,
                 seeding->seed, seen->trace, seen->failing ? "fails" : "holds");
    return 0;
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = weft_sys_default.getenv(&weft_sys_default, variable);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

/** What was asked for, by the caller and by the environment; whether it is one seed alone. */
static bool choose(struct weft_testing_seeds_options *options)
{
    uint64_t one = number_from("WEFT_SEED", 0);
    if (!options->name)
        options->name = "program";
    if (!options->command)
        options->command = program_invocation_name;
    options->first = number_from("WEFT_SEED_FIRST", options->first ? options->first : 1);
    options->count = number_from("WEFT_SEEDS", options->count ? options->count : SEEDS);
    if (one)
        options->first = one;
    return one != 0;
}

static int run_chosen(struct seeding *seeding, bool alone)
{
    const struct weft_sys *real = &weft_sys_default;
    if (alone)
        return run_alone(seeding);
    size_t size = (size_t)seeding->options.count * sizeof *seeding->traces;
    seeding->traces = real->realloc(real, NULL, size + 1);
    if (!seeding->traces)
        return -ENOMEM;
    int rc = run_many(seeding);
    real->realloc(real, seeding->traces, 0);
    return rc;
}

int weft_testing_seeds(const struct weft_testing_seeds_options *options, int (*program)(void *arg),
                       void *arg, struct weft_testing_seeds_result *ret)
{
    struct seeding seeding = {.program = program, .arg = arg}, *outer = now;
    struct weft__last_words last;
    weft__options_read(&seeding.options, sizeof seeding.options, options);
    bool alone = choose(&seeding.options);
    now = &seeding;
    weft__last_words_begin(&last);
    int rc = run_chosen(&seeding, alone);
    weft__last_words_end(&last);
    now = outer;
    if (rc < 0)
        return rc;
    if (ret)
        *ret = seeding.seen;
    if (seeding.seen.failing == 0)
        return 0;
    return seeding.code < 0 ? seeding.code : -EPROTO;
}
