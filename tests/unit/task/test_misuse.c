/* SPDX-License-Identifier: MIT */
/*
 * test_misuse.c: bad input and bad luck in tasks and scopes
 *
 * Misuse aborts in debug builds with a sentence that names both sides; release builds return a code
 * and go on. Both are stated here: where this build aborts, the test runs the misuse in a child of
 * its own and looks at what it said; elsewhere at what it returned.
 */
#include "task_test.h"

#include <sys/wait.h>
#include <unistd.h>

#ifndef WEFT_DEBUG
#define WEFT_DEBUG 0
#endif

static int wait_for_ever(void)
{
    return weft_sleep(WEFT_FOREVER);
}
WEFT_TASK(wait_for_ever);

static int nothing(void)
{
    return 0;
}
WEFT_TASK(nothing);

/** Runs a misuse: in a child where it aborts, else right here. */
static void misuse(int (*program)(void *arg), const char *sentence)
{
#if WEFT_DEBUG
    pid_t pid;
    int fds[2], status;
    char text[2048];
    CHECK_EQ(pipe(fds), 0);
    fflush(NULL);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], 2);
        (void)run_program(program);
        _exit(0);
    }
    close(fds[1]);
    size_t used = 0;
    ssize_t n;
    while ((n = read(fds[0], text + used, sizeof text - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = '\0';
    close(fds[0]);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK_CONTAINS(text, sentence);
#else
    (void)sentence;
    CHECK_EQ(run_program(program), 0);
#endif
}

static void leave_scope_open(void)
{
    struct weft_scope lost;
    weft_scope_enter(&lost, WEFT_FOREVER);
    weft_go(&lost, wait_for_ever);
}

static int return_past_an_exit(void *arg)
{
    struct weft_scope s;
    (void)arg;
    weft_scope_enter(&s, WEFT_FOREVER);
    leave_scope_open();
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(weft_yield(), 0);
    return 0;
}

TEST_EACH_ENGINE(a_scope_left_by_a_plain_return_is_drained_by_the_next_exit)
{
    misuse(return_past_an_exit, "was never exited");
}

static int end_with_an_open_scope(void)
{
    leave_scope_open();
    return 0;
}
WEFT_TASK(end_with_an_open_scope);

static int task_ends_with_an_open_scope(void *arg)
{
    struct weft_scope s;
    (void)arg;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, end_with_an_open_scope);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    return 0;
}

TEST_EACH_ENGINE(a_scope_left_open_is_drained_when_its_task_ends)
{
    misuse(task_ends_with_an_open_scope, "was never exited");
}

static int exit_twice(void *arg)
{
    struct weft_scope s;
    (void)arg;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_ERR(weft_scope_exit(&s, 0), -EINVAL);
    return 0;
}

TEST_EACH_ENGINE(a_scope_is_exited_once)
{
    misuse(exit_twice, "weft_scope_exit of a scope that is not open");
}

static int exit_for(struct weft_scope *scope)
{
    CHECK_ERR(weft_scope_exit(scope, 0), -EPERM);
    return 0;
}
WEFT_TASK(exit_for, struct weft_scope *);

static int exit_in_another_task(void *arg)
{
    struct weft_scope s;
    (void)arg;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, exit_for, &s);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    return 0;
}

TEST_EACH_ENGINE(a_scope_is_exited_by_the_task_that_entered_it)
{
    misuse(exit_in_another_task, "another task entered");
}

static int spawn_into_an_ended_scope(void *arg)
{
    struct weft_scope s;
    (void)arg;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_ERR(weft_go(&s, nothing), -EINVAL);
    return 0;
}

TEST_EACH_ENGINE(nothing_can_be_spawned_into_a_scope_that_has_ended)
{
    misuse(spawn_into_an_ended_scope, "not open");
}

static int shield_without_deadline(void *arg)
{
    struct weft_scope s;
    (void)arg;
    weft_shield_enter(&s, WEFT_FOREVER);
    CHECK_ERR(weft_yield(), -ECANCELED);
    CHECK_ERR(weft_scope_exit(&s, 0), -EINVAL);
    return 0;
}

TEST_EACH_ENGINE(a_shield_needs_a_deadline)
{
    misuse(shield_without_deadline, "a shield needs a deadline");
}

static void wait_in_a_callback(void *arg)
{
    CHECK_ERR(weft_sleep(WEFT_MS), -EPERM);
    *(int *)arg = 1;
}

static int schedule_a_waiting_callback(void *arg)
{
    int called = 0;
    (void)arg;
    CHECK_OK(weft_loop_call_soon(weft_loop_current(), wait_in_a_callback, &called, NULL));
    CHECK_EQ(weft_yield(), 0);
    CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(called, 1);
    return 0;
}

TEST_EACH_ENGINE(a_callback_may_not_wait)
{
    misuse(schedule_a_waiting_callback, "outside a task");
}

TASK_TEST(a_run_inside_a_task_is_refused)
{
    CHECK_ERR(weft_run(return_past_an_exit, NULL), -EDEADLK);
    CHECK_ERR(weft_loop_run_forever(weft_loop_current()), -EBUSY);
}

static int run_in_fork(struct weft_loop *loop)
{
    CHECK_ERR(weft_loop_call_soon(loop, wait_in_a_callback, NULL, NULL), -EOWNERDEAD);
    CHECK_ERR(weft_loop_run(loop), -EOWNERDEAD);
    CHECK_ERR(weft_loop_add_reader(loop, 0, wait_in_a_callback, NULL), -EOWNERDEAD);
    CHECK_ERR(weft_loop_call_soon_threadsafe(loop, wait_in_a_callback, NULL), -EOWNERDEAD);
    CHECK_ERR(weft_loop_call_later(loop, 0, wait_in_a_callback, NULL, NULL), -EOWNERDEAD);
    CHECK_ERR(weft_go(weft_root(loop), nothing), -EOWNERDEAD);
    CHECK(weft_loop_current() == NULL);
    CHECK(!weft_loop_running(loop));
    return 0;
}

TASK_TEST(after_fork_the_loop_is_inert_in_the_child)
{
    struct weft_loop *loop = weft_loop_current();
    int status, fds[2];
    CHECK_EQ(weft_pipe(fds), 0);
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(run_in_fork(loop));
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_EQ(weft_write(fds[1], "x", 1), 1);
    char byte;
    CHECK_EQ(weft_read(fds[0], &byte, 1), 1);
    CHECK_EQ(weft_close(fds[0]), 0);
    CHECK_EQ(weft_close(fds[1]), 0);
}

static void take_byte(void *fd)
{
    char byte;
    CHECK_EQ(weft_loop_remove_reader(weft_loop_current(), *(int *)fd), 1);
    CHECK_EQ(read(*(int *)fd, &byte, 1), 1);
    note('r');
}

TASK_TEST(after_fork_the_child_cannot_remove_what_its_parent_watches)
{
    struct weft_loop *loop = weft_loop_current();
    int status, fds[2];
    if (test_engine_is("sim"))
        SKIP("a simulated world is not shared with a child");
    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(weft_loop_add_reader(loop, fds[0], take_byte, &fds[0]), 0);
    CHECK_EQ(weft_sleep(WEFT_MS), 0);
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(weft_loop_remove_reader(loop, fds[0]) == -EOWNERDEAD ? 0 : 1);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    while (trail[0] == '\0')
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_EQ(close(fds[0]), 0);
    CHECK_EQ(close(fds[1]), 0);
}

TASK_TEST(a_million_children_in_one_scope_leave_nothing_behind)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    for (int i = 0; i < 1000000 / (int)(test_slowness() * test_slowness()); i++) {
        struct weft_task *task;
        CHECK_EQ(weft_spawn(&s, &task, nothing), 0);
        CHECK_EQ(weft_join(task, NULL), 0);
    }
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}
