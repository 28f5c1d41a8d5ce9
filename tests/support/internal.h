/* SPDX-License-Identifier: MIT */
/*
 * internal.h: what the files of tests/support share among themselves
 *
 *     main.c     the list of tests, the command line, TAP
 *     run.c      one test in a child: watchdog, kept output, verdict
 *     check.c    the assertions
 *     engine.c   which engines there are and which can run here
 *     leaks.c    what is counted before and after a test
 *     weft.c     what the library itself is asked: engines
 */
#ifndef TEST_SUPPORT_INTERNAL_H
#define TEST_SUPPORT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include "test.h"

/** One test on one engine, as the runner takes it. */
struct test_run {
    /** The test's function. */
    void (*function)(void);
    /** The engine, or NULL for a test that does not depend on it. */
    const char *engine;
    /** Take back the handlers that sanitizers install for crashes: the signal itself is wanted. */
    bool default_signals;
};

/** How a run ended, as the runner reports it. */
struct test_verdict {
    /** TEST_PASSED and so on, as in struct test_outcome. */
    int result;
    /** What waitpid said. */
    int wait_status;
    /** Why it was skipped, or how it ended: "exit status 1", "hung: 30 s passed". */
    char reason[256];
    /** All that it wrote, in a file in memory; the caller closes it. */
    int output_fd;
};

/** Runs one test in a child and waits for it, for as long as the watchdog allows. */
void test_run_forked(const struct test_run *run, struct test_verdict *ret);

/** Runs one test in this process, for a debugger: no watchdog, output not kept. */
void test_run_here(const struct test_run *run);

/** Copies the beginning of a verdict's output, with a 0 at its end. */
void test_read_output(int fd, char *buf, size_t size);

/** The engines in order, ended by NULL. */
extern const char *const test_engines[];

/** Whether ENGINE in the environment lets this one run. */
bool test_engine_wanted(const char *engine);

/** Sets WEFT_BACKEND and what test_engine() returns. */
void test_engine_select(const char *engine);

/** Takes note of what is open, allocated and mapped now. */
void test_leaks_begin(void);

/** Prints what is left over since test_leaks_begin; returns how many kinds leaked. */
int test_leaks_end(void);

#endif
