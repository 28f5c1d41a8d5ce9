/* SPDX-License-Identifier: MIT */
/*
 * test_process_run.c: a program's run to its end, in one call
 *
 * What comes back, what a limit and a deadline do, and that no pipe is waited for while another
 * fills up. The programs are those of any system: sh, tee, head, yes, sleep.
 */
#include "os_test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/** A test with processes: not on sim. */
#define RUN_TEST(name)                                                                             \
    static void name##_real(void);                                                                 \
    OS_TEST(name)                                                                                  \
    {                                                                                              \
        if (test_engine_is("sim"))                                                                 \
            SKIP("a simulated world has no processes");                                            \
        name##_real();                                                                             \
    }                                                                                              \
    static void name##_real(void)

static void run(const char *command, const struct weft_process_run_options *options,
                struct weft_process_result *ret)
{
    memset(ret, 0, sizeof *ret);
    int rc = weft_process_shell(command, options, ret);
    if (rc < 0)
        FAIL("%s: %s", weft_strerrorname(rc), weft_note());
}

RUN_TEST(output_errors_and_status_come_back)
{
    struct weft_process_result result;
    run("echo out; echo err >&2; exit 3", NULL, &result);
    CHECK_EQ(result.exit.status, 3);
    CHECK_STR(result.output, "out\n");
    CHECK_EQ(result.output_len, 4);
    CHECK_STR(result.errors, "err\n");
    weft_process_result_free(&result);
    weft_process_result_free(&result);
    run(":", NULL, &result);
    CHECK(weft_exit_ok(&result.exit));
    CHECK_STR(result.output, "");
    CHECK_STR(result.errors, "");
    weft_process_result_free(&result);
}

RUN_TEST(errors_can_be_merged_into_the_output)
{
    const struct weft_process_run_options options = {.flags = WEFT_PROCESS_MERGE};
    struct weft_process_result result;
    run("echo a; echo b >&2; echo c", &options, &result);
    CHECK_STR(result.output, "a\nb\nc\n");
    CHECK(result.errors == NULL);
    weft_process_result_free(&result);
}

/** Far more than pipes hold. */
static char much[1 << 20];

RUN_TEST(more_than_pipes_hold_goes_through_both_ways_at_once)
{
    const char *const tee[] = {"tee", "/dev/stderr", NULL};
    struct weft_process_run_options options = {.input = much, .input_len = sizeof much};
    struct weft_process_result result;
    memset(much, 'x', sizeof much);
    CHECK_OK(weft_process_run(tee, &options, &result));
    CHECK_EQ(result.output_len, sizeof much);
    CHECK_EQ(result.errors_len, sizeof much);
    CHECK_MEM(result.output, much, sizeof much);
    CHECK_MEM(result.errors, much, sizeof much);
    weft_process_result_free(&result);
}

RUN_TEST(input_that_is_not_read_is_no_failure)
{
    const struct weft_process_run_options options = {.input = much, .input_len = sizeof much};
    struct weft_process_result result;
    /* As weft_run has it; here no run does. */
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    run("head -c 3", &options, &result);
    CHECK_EQ(result.output_len, 3);
    weft_process_result_free(&result);
    run("exit 0", &options, &result);
    CHECK(weft_exit_ok(&result.exit));
    weft_process_result_free(&result);
}

RUN_TEST(output_beyond_the_limit_is_an_error_and_ends_the_program)
{
    struct weft_process_run_options options = {.limit = 10};
    struct weft_process_result result = {.output_len = 77};
    run("echo 123456789", &options, &result);
    CHECK_EQ(result.output_len, 10);
    weft_process_result_free(&result);
    CHECK_ERR(weft_process_shell("echo 1234567890", &options, &result), -EMSGSIZE);
    CHECK_CONTAINS(weft_note(), "more than 10 bytes came from descriptor 1");
    CHECK_ERR(weft_process_shell("echo 1234567890 >&2; sleep 1000", &options, &result), -EMSGSIZE);
    CHECK_ERR(weft_process_shell("yes", &options, &result), -EMSGSIZE);
    CHECK_EQ(result.output_len, 0);
}

RUN_TEST(a_deadline_ends_the_program_and_all_it_started)
{
    struct weft_process_result result;
    CHECK_ERR(
        weft_within(50 * WEFT_MS, weft_process_shell("sleep 1000 & sleep 1000", NULL, &result)),
        -ETIMEDOUT);
}

RUN_TEST(what_cannot_be_run_is_told)
{
    const char *const arguments[] = {"weft-no-such-program", NULL};
    struct weft_process_result result;
    CHECK_ERR(weft_process_run(arguments, NULL, &result), -ENOENT);
    CHECK_CONTAINS(weft_note(), "cannot start weft-no-such-program");
}

RUN_TEST(options_of_the_process_hold_and_its_own_outputs_do_not)
{
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    const struct weft_process_fd fds[] = {{.child_fd = 1, .what = WEFT_PROCESS_NULL},
                                          {.child_fd = 5, .what = WEFT_PROCESS_FD, .fd = ends[1]}};
    const struct weft_process_options process = {.directory = "/", .fds = fds, .fd_count = 2};
    const struct weft_process_run_options options = {.process = &process};
    struct weft_process_result result;
    char text[8] = "";
    run("pwd; echo five >&5", &options, &result);
    CHECK_STR(result.output, "/\n");
    CHECK_EQ(read(ends[0], text, sizeof text), 5);
    CHECK_STR(text, "five\n");
    weft_process_result_free(&result);
    CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
}

static int run_one(void *arg)
{
    struct weft_process_result result;
    char want[32];
    const char *const arguments[] = {"sh", "-c", "echo $0", arg, NULL};
    int rc = weft_process_run(arguments, NULL, &result);
    if (rc < 0)
        return rc;
    snprintf(want, sizeof want, "%s\n", (const char *)arg);
    CHECK_STR(result.output, want);
    weft_process_result_free(&result);
    return 0;
}

RUN_TEST(runs_beside_each_other_do_not_mix)
{
    struct weft_scope scope;
    char names[20][16];
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 20; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        CHECK_OK(weft_go_fn(&scope, run_one, names[i]));
    }
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}
