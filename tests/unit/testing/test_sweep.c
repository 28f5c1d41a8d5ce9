/* SPDX-License-Identifier: MIT */
/*
 * test_sweep.c: faults by name, at random and in sweeps, as users see them
 *
 * Which call fails, and what a fault looks like, is tested in tests/fault/test_fault_table.c with
 * the sweeps of the library itself. Here is what only other users of the test kit need: names,
 * random failures, sweeps in worlds, and what is said when a run is stopped by a signal.
 */
#define _GNU_SOURCE
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <weft/testing.h>
#include <weft/weft.h>

TEST(calls_are_found_by_name)
{
    for (int call = 0; call < WEFT_TESTING_CALLS; call++)
        CHECK_EQ(weft_testing_call_find(weft_testing_call_name((enum weft_testing_call)call)),
                 call);
    CHECK_EQ(weft_testing_call_find("accept4"), WEFT_TESTING_CALL_ACCEPT4);
    CHECK_ERR(weft_testing_call_find("fork"), -ENOENT);
    CHECK_EQ(WEFT_TESTING_SET(READ), (weft_testing_set)1 << WEFT_TESTING_CALL_READ);
}

/* Makes a pipe a hundred times, and looks at descriptor 0 as often; how many pipes failed. */
static int make_pipes(const struct weft_sys *sys, int *results)
{
    int fds[2], failed = 0;
    struct stat status;

    for (int i = 0; i < 100; i++) {
        results[i] = sys->pipe2(sys, fds, O_CLOEXEC);
        CHECK_OK(sys->fstat(sys, 0, &status));
        failed += results[i] < 0;
        if (results[i] == 0) {
            CHECK_OK(sys->close(sys, fds[0]));
            CHECK_OK(sys->close(sys, fds[1]));
        }
    }
    return failed;
}

TEST(a_storm_fails_calls_of_its_set_at_random_and_the_same_again_for_the_same_seed)
{
    const struct weft_testing_storm storm = {
        .seed = 5, .fail_percent = 50, .fail_set = WEFT_TESTING_SET(PIPE2)};
    struct weft_testing_faults faults;
    int first[100], second[100];

    weft_testing_faults_init(&faults, NULL);
    weft_testing_faults_storm(&faults, &storm);
    int failed = make_pipes(&faults.sys, first);
    CHECK(failed > 20 && failed < 80);
    CHECK_EQ(faults.injected, (uint64_t)failed);
    for (int i = 0; i < 100; i++)
        CHECK(first[i] == 0 || first[i] == -EMFILE || first[i] == -ENFILE);
    weft_testing_faults_storm(&faults, &storm);
    make_pipes(&faults.sys, second);
    CHECK_MEM(first, second, sizeof first);
    weft_testing_faults_storm(&faults, NULL);
    CHECK_EQ(make_pipes(&faults.sys, second), 0);
}

/** How a planted scenario is wrong. */
struct planted {
    /** It forgets its pipe when it cannot have memory. */
    bool leaks_pipe;
    /** It stops at that. */
    bool aborts;
    /** How often it ran. */
    int runs;
};

static int use_pipe_and_memory(const struct weft_sys *sys, void *arg)
{
    struct planted *planted = arg;
    int fds[2];
    int rc = sys->pipe2(sys, fds, O_CLOEXEC);

    planted->runs++;
    if (rc < 0)
        return rc;
    void *p = sys->realloc(sys, NULL, 10);
    if (!p && planted->aborts)
        abort();
    if (!p && planted->leaks_pipe)
        return -ENOMEM;
    sys->realloc(sys, p, 0);
    (void)sys->close(sys, fds[0]);
    (void)sys->close(sys, fds[1]);
    return p ? 0 : -ENOMEM;
}

TEST(a_sweep_without_options_fails_every_call_with_every_code_in_worlds)
{
    struct weft_testing_sweep_result result;
    struct planted planted = {.runs = 0};

    CHECK_OK(weft_testing_sweep(NULL, use_pipe_and_memory, &planted, &result));
    /* One code of realloc, two of pipe2, four of each close. */
    CHECK_EQ(result.points, 1 + 2 + 2 * 4);
    CHECK_EQ(result.runs, (uint64_t)planted.runs);
}

TEST(a_sweep_over_the_kernel_counts_its_descriptors)
{
    const struct weft_testing_sweep_options options = {
        .name = "real", .set = WEFT_TESTING_MEMORY, .code = ENOMEM, .flags = WEFT_TESTING_REAL};
    struct planted planted = {.runs = 0};

    CHECK_OK(weft_testing_sweep(&options, use_pipe_and_memory, &planted, NULL));
    CHECK_EQ(planted.runs, 1 + 2 * 2);
}

static void sweep_leak_in_a_world(void)
{
    const struct weft_testing_sweep_options options = {.name = "world"};
    struct planted planted = {.leaks_pipe = true};
    struct weft_testing_sweep_result result = {7, 7};

    CHECK_ERR(weft_testing_sweep(&options, use_pipe_and_memory, &planted, &result), -EPROTO);
    CHECK_EQ(result.points, 7);
    FAIL("as planned");
}

TEST(a_sweep_in_worlds_finds_a_descriptor_that_is_left)
{
    struct test_outcome outcome;

    test_run_isolated(sweep_leak_in_a_world, &outcome);
    CHECK_CONTAINS(outcome.output, "leak: 2 descriptors");
    CHECK_CONTAINS(outcome.output, "world: call 1 of realloc gives -ENOMEM: the scenario gives "
                                   "-ENOMEM and leaks");
    CHECK_CONTAINS(outcome.output, "as planned");
}

static int never_documented(int rc, int code)
{
    return rc == 0 && code == 0;
}

TEST(what_is_documented_is_asked)
{
    const struct weft_testing_sweep_options options = {.documented = never_documented};
    struct planted planted = {.runs = 0};

    CHECK_ERR(weft_testing_sweep(&options, use_pipe_and_memory, &planted, NULL), -EPROTO);
}

static void sweep_abort(void)
{
    const struct weft_testing_sweep_options options = {.name = "last"};
    struct planted planted = {.aborts = true};

    (void)weft_testing_sweep(&options, use_pipe_and_memory, &planted, NULL);
}

TEST(a_run_that_a_signal_ends_is_named)
{
    test_fork_expect_signal(sweep_abort, SIGABRT,
                            "the signal came in last: call 1 of realloc gives -ENOMEM");
}

TEST(dispositions_are_put_back_after_a_sweep_and_foreign_handlers_left_alone)
{
    struct planted planted = {.runs = 0};
    struct sigaction action;

    signal(SIGALRM, SIG_IGN);
    signal(SIGQUIT, SIG_DFL);
    CHECK_OK(weft_testing_sweep(NULL, use_pipe_and_memory, &planted, NULL));
    CHECK_EQ(sigaction(SIGALRM, NULL, &action), 0);
    CHECK(action.sa_handler == SIG_IGN);
    CHECK_EQ(sigaction(SIGQUIT, NULL, &action), 0);
    CHECK(action.sa_handler == SIG_DFL);
}
