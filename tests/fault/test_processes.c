/* SPDX-License-Identifier: MIT */
/*
 * test_processes.c: processes and signals while calls fail
 *
 * A program is run to its end, and one is ended with its scope, while each call fails in turn with
 * each of its errors, and each allocation. No process, descriptor or block may be left, whichever
 * it was. Signals and the taking of a status fail as well, with a program that ends when its input
 * does: where a status seems to have been taken by somebody else, the test takes it itself.
 */
#define _GNU_SOURCE 1

#include "programs.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

/** The error itself, or it was dealt with. A pipe that cannot be closed in time may show as an end
 *  of the other side. */
static int documented(int rc, int code)
{
    return rc == 0 || rc == -code || rc == -EPIPE;
}

/** What fails: the calls of a start and of its pipes. Calls of the engine have their own sweeps.
 *  What must not be signalled is waited for, here for ever, so that signals do not fail. */
static const weft_testing_set calls = WEFT_TESTING_SET(SPAWN) | WEFT_TESTING_SET(PIPE2) |
                                      WEFT_TESTING_SET(FCNTL) | WEFT_TESTING_SET(OPENAT);

static void sweep_all(const struct fault_sweep *sweep)
{
    if (test_engine_is("sim"))
        SKIP("a simulated world has no processes");
    test_limit(120);
    fault_floor("calls", sweep, fault_sweep_errors(sweep, calls));
    fault_floor("allocations", sweep, fault_sweep(sweep, WEFT_TESTING_SET(REALLOC), ENOMEM));
}

FAULT_PROGRAM(run_a_program)
{
    static const char *const arguments[] = {"/bin/cat", NULL};
    const struct weft_process_run_options options = {.input = "abc", .input_len = 3};
    struct weft_process_result result;
    int rc = weft_process_run(arguments, &options, &result);
    if (rc < 0)
        return rc;
    CHECK_STR(result.output, "abc");
    weft_process_result_free(&result);
    return 0;
}

TEST_EACH_ENGINE(a_program_that_is_run_to_its_end)
{
    static const struct fault_sweep sweep = {"process_run", run_run_a_program, documented};
    sweep_all(&sweep);
}

FAULT_PROGRAM(leave_a_program)
{
    static const char *const arguments[] = {"/bin/sleep", "1000", NULL};
    static const struct weft_process_fd fds[] = {
        {.child_fd = 0, .what = WEFT_PROCESS_PIPE_IN},
        {.child_fd = 2, .what = WEFT_PROCESS_SAME_AS, .fd = 1},
        {.child_fd = 5, .what = WEFT_PROCESS_READ, .path = "/dev/null"},
    };
    static const char *const environment[] = {"A=B", NULL};
    const struct weft_process_options options = {
        .fds = fds, .fd_count = 1, .environment = environment, .grace = WEFT_SEC};
    struct weft_process *process;
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    int rc = weft_process_spawn(&scope, arguments, &options, &process);
    return weft_scope_exit(&scope, rc);
}

TEST_EACH_ENGINE(a_program_that_is_ended_with_its_scope)
{
    static const struct fault_sweep sweep = {"process_left", run_leave_a_program, documented};
    sweep_all(&sweep);
}

static const char *const copies[] = {"/bin/cat", NULL};
static const struct weft_process_fd from_pipe[] = {{.child_fd = 0, .what = WEFT_PROCESS_PIPE_IN}};
/** It cannot be signalled, it seems, and ends by the end of its input when its pipe is closed. */
static const struct weft_process_options reads = {
    .fds = from_pipe, .fd_count = 1, .grace = 10 * WEFT_MS};

/** What a program left behind whose status somebody else had taken, it seemed. */
static int take_statuses(int rc)
{
    while (waitpid(-1, NULL, 0) > 0) {
    }
    return rc;
}

/** What tells that a process goes on, and that its status is lost. */
static int documented_of_ends(int rc, int code)
{
    return documented(rc, code) && rc != -EINTR && rc != -ENOSYS;
}

static void sweep_ends(const struct fault_sweep *sweep)
{
    if (test_engine_is("sim"))
        SKIP("a simulated world has no processes");
    test_limit(120);
    fault_floor("ends", sweep,
                fault_sweep_errors(sweep, WEFT_TESTING_SET(WAITID) | WEFT_TESTING_SET(KILL) |
                                              WEFT_TESTING_SET(PIDFD_SEND_SIGNAL)));
}

FAULT_PROGRAM(wait_and_signal)
{
    struct weft_process *process;
    struct weft_scope scope;
    struct weft_exit how;
    weft_scope_enter(&scope, WEFT_FOREVER);
    int rc = weft_process_spawn(&scope, copies, &reads, &process);
    if (rc < 0)
        return weft_scope_exit(&scope, rc);
    rc = weft_process_signal(process, SIGCONT);
    if (rc == 0)
        rc = weft_process_signal_group(process, SIGCONT);
    int closed = weft_process_close_stream(process, 0);
    int waited = weft_process_wait(process, &how);
    CHECK(waited < 0 || weft_exit_ok(&how));
    /* That of a process whose status was lost before it had ended. */
    if (rc == -ESRCH)
        rc = waited;
    return weft_scope_exit(&scope, first_of(first_of(rc, closed), waited));
}

static int run_and_take(const struct weft_sys *sys)
{
    return take_statuses(run_wait_and_signal(sys));
}

TEST_EACH_ENGINE(a_program_that_is_signalled_and_waited_for)
{
    static const struct fault_sweep sweep = {"process_wait", run_and_take, documented_of_ends};
    sweep_ends(&sweep);
}

FAULT_PROGRAM(end_what_reads)
{
    struct weft_process *process;
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    return weft_scope_exit(&scope, weft_process_spawn(&scope, copies, &reads, &process));
}

static int run_end_and_take(const struct weft_sys *sys)
{
    return take_statuses(run_end_what_reads(sys));
}

TEST_EACH_ENGINE(a_program_that_cannot_be_signalled_and_reads_to_its_end)
{
    static const struct fault_sweep sweep = {"process_end", run_end_and_take, documented_of_ends};
    sweep_ends(&sweep);
}

static int wait_for_it(void *arg)
{
    return weft_process_wait(arg, NULL);
}

FAULT_PROGRAM(dump_a_wait)
{
    static const char *const arguments[] = {"/bin/sleep", "1000", NULL};
    static const struct weft_process_fd fds[] = {{.child_fd = 1, .what = WEFT_PROCESS_PIPE_OUT}};
    const struct weft_process_options options = {.fds = fds, .fd_count = 1};
    struct weft_process *process;
    struct weft_scope scope;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    weft_scope_enter(&scope, WEFT_FOREVER);
    int rc = weft_process_spawn(&scope, arguments, &options, &process);
    if (rc == 0)
        rc = weft_go_fn(&scope, wait_for_it, process);
    if (rc == 0)
        rc = weft_yield();
    weft_dump(weft_loop_current(), null);
    weft_scope_cancel(&scope, 0);
    rc = weft_scope_exit(&scope, rc);
    CHECK_OK(close(null));
    return rc;
}

TEST_EACH_ENGINE(a_dump_of_who_waits_for_a_program)
{
    static const struct fault_sweep sweep = {"process_dump", run_dump_a_wait, documented};
    if (test_engine_is("sim"))
        SKIP("a simulated world has no processes");
    test_limit(120);
    (void)fault_sweep_errors(&sweep, WEFT_TESTING_SET(FCNTL) | WEFT_TESTING_SET(IOCTL));
}

FAULT_PROGRAM(take_a_signal)
{
    static const int wanted[] = {SIGUSR1, SIGUSR2};
    struct weft_scope scope;
    struct weft_signals *signals;
    weft_scope_enter(&scope, WEFT_FOREVER);
    int rc = weft_signals_open(&scope, wanted, 2, &signals);
    if (rc == 0) {
        raise(SIGUSR2);
        rc = weft_signals_next(signals) == SIGUSR2 ? 0 : -EPROTO;
    }
    return weft_scope_exit(&scope, rc);
}

TEST_EACH_ENGINE(a_set_of_signals)
{
    static const struct fault_sweep sweep = {"signals", run_take_a_signal, documented};
    fault_floor("allocations", &sweep, fault_sweep(&sweep, WEFT_TESTING_SET(REALLOC), ENOMEM));
}
