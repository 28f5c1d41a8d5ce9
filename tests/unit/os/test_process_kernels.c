/* SPDX-License-Identifier: MIT */
/*
 * test_process_kernels.c: processes on kernels that lack something
 *
 * Before 6.9 a pidfd does not stand for its process's group; in some containers there are no pidfds
 * at all. Tables say so here, and what is promised of processes must hold all the same.
 */
#define _GNU_SOURCE 1

#include "os_test.h"

#include <stdio.h>
#include <unistd.h>

/** Groups cannot be signalled by a pidfd. */
static int only_processes(const struct weft_sys *sys, int pidfd, int signal, unsigned flags)
{
    (void)sys;
    return flags ? -EINVAL
                 : weft_sys_default.pidfd_send_signal(&weft_sys_default, pidfd, signal, 0);
}

static int no_signals(const struct weft_sys *sys, int pidfd, int signal, unsigned flags)
{
    (void)sys, (void)pidfd, (void)signal, (void)flags;
    return -ENOSYS;
}

static int spawn_without_pidfd(const struct weft_sys *sys, const struct weft_sys_spawn *how,
                               pid_t *ret_pid, int *ret_pidfd, int *ret_step)
{
    (void)sys;
    int rc = weft_sys_default.spawn(&weft_sys_default, how, ret_pid, ret_pidfd, ret_step);
    if (rc == 0 && *ret_pidfd >= 0) {
        CHECK_EQ(close(*ret_pidfd), 0);
        *ret_pidfd = -1;
    }
    return rc;
}

/** Runs `program` on a kernel before 6.9, and on one without pidfds. */
static void run_on_both(int (*program)(void *arg))
{
    struct weft_sys tables[2] = {weft_sys_default, weft_sys_default};
    if (test_engine_is("sim"))
        SKIP("a simulated world has no processes");
    tables[0].pidfd_send_signal = only_processes;
    tables[1].pidfd_send_signal = no_signals;
    tables[1].spawn = spawn_without_pidfd;
    for (int i = 0; i < 2; i++) {
        struct weft_loop_options options = {
            .size = sizeof options, .sys = &tables[i], .backend = test_engine()};
        struct weft_loop *loop = NULL;
        CHECK_OK(weft_loop_create(&options, &loop));
        CHECK_EQ(weft_loop_run_task(loop, program, NULL), 0);
        CHECK_OK(weft_loop_free(loop));
    }
}

static const struct weft_process_fd output[] = {{.child_fd = 1, .what = WEFT_PROCESS_PIPE_OUT}};

static struct weft_process *start(struct weft_scope *scope, const char *script, weft_ns grace)
{
    const char *const arguments[] = {"/bin/sh", "-c", script, NULL};
    const struct weft_process_options options = {.fds = output, .fd_count = 1, .grace = grace};
    struct weft_process *process = NULL;
    CHECK_OK(weft_process_spawn(scope, arguments, &options, &process));
    return process;
}

static void wait_for_word(struct weft_process *process)
{
    char *line;
    CHECK(weft_stream_read_line(weft_process_stream(process, 1), &line) > 0);
}

static int talk(void *arg)
{
    struct weft_scope scope;
    struct weft_exit how;
    (void)arg;
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_process *process = start(&scope, "exit 7", 0);
    CHECK_OK(weft_process_wait(process, &how));
    CHECK_EQ(how.status, 7);
    CHECK_ERR(weft_process_signal(process, SIGTERM), -ESRCH);
    process = start(&scope, "sleep 1000", 0);
    CHECK_ERR(weft_within(5 * WEFT_MS, weft_process_wait(process, &how)), -ETIMEDOUT);
    CHECK_OK(weft_process_signal(process, SIGKILL));
    CHECK_OK(weft_process_wait(process, &how));
    CHECK_EQ(how.signal, SIGKILL);
    return weft_scope_exit(&scope, 0);
}

TEST_EACH_ENGINE(ends_are_seen_and_signals_sent)
{
    run_on_both(talk);
}

static int end_groups(void *arg)
{
    struct weft_scope scope;
    (void)arg;
    weft_scope_enter(&scope, WEFT_FOREVER);
    /* One with a grandchild, one that has left a grandchild, one that ignores SIGTERM. */
    wait_for_word(start(&scope, "sleep 1000 & echo x; wait", 0));
    struct weft_process *left = start(&scope, "sleep 1000 >/dev/null & echo x", 0);
    wait_for_word(left);
    CHECK_OK(weft_process_wait(left, NULL));
    CHECK_OK(weft_process_signal_group(left, 0));
    wait_for_word(start(&scope, "trap '' TERM; (echo x; exec sleep 1000)", 20 * WEFT_MS));
    weft_ns before = weft_clock();
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK(weft_clock() - before < WEFT_PROCESS_GRACE);
    return 0;
}

TEST_EACH_ENGINE(groups_are_ended)
{
    run_on_both(end_groups);
}

static int run_it(void *arg)
{
    struct weft_process_run_options options = {.input = "abc", .input_len = 3};
    const char *const arguments[] = {"cat", NULL};
    struct weft_process_result result;
    (void)arg;
    CHECK_OK(weft_process_run(arguments, &options, &result));
    CHECK_STR(result.output, "abc");
    weft_process_result_free(&result);
    return 0;
}

TEST_EACH_ENGINE(programs_are_run_to_their_end)
{
    run_on_both(run_it);
}
