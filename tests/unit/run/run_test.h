/* SPDX-License-Identifier: MIT */
/*
 * run_test.h: programs in processes of their own
 *
 *     static int body(void) { return weft_main(program, NULL); }
 *     ...
 *     struct child child;
 *     run_child(body, &child);
 *     CHECK_EXIT(child, 1);
 *     CHECK_STR(child.said, "weft: ...\n");
 *
 * What a run does to its process can only be seen from outside: exit status, signals, what it said.
 * The child has the default disposition of every signal that a run touches, even where a sanitizer
 * has a handler of its own, and takes the engine of the test from the environment.
 */
#ifndef RUN_TEST_H
#define RUN_TEST_H

#include "test.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#define MAYBE_UNUSED __attribute__((unused))

/** The signals that a run touches. */
MAYBE_UNUSED static const int touched[] = {SIGINT, SIGTERM, SIGQUIT, SIGPIPE, SIGSEGV};

enum { TOUCHED_COUNT = sizeof touched / sizeof *touched };

/** How a child ended. */
struct child {
    /** What waitpid said. */
    int status;
    /** What it wrote to standard error. */
    char said[16384];
};

/** Runs `body` in a child, whose exit status is what it returns, and waits for its end. */
MAYBE_UNUSED static void run_child(int (*body)(void), struct child *ret)
{
    int fds[2];
    size_t used = 0;
    ssize_t n;
    CHECK_EQ(pipe(fds), 0);
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        for (int i = 0; i < TOUCHED_COUNT; i++)
            signal(touched[i], SIG_DFL);
        dup2(fds[1], 2);
        close(fds[0]);
        close(fds[1]);
        _exit(body());
    }
    close(fds[1]);
    while ((n = read(fds[0], ret->said + used, sizeof ret->said - 1 - used)) > 0)
        used += (size_t)n;
    ret->said[used] = '\0';
    close(fds[0]);
    CHECK_EQ(waitpid(pid, &ret->status, 0), pid);
}

/** It ended by itself, with this status. */
#define CHECK_EXIT(child, expected)                                                                \
    (WIFEXITED((child).status) && WEXITSTATUS((child).status) == (expected)                        \
         ? (void)0                                                                                 \
         : FAIL("the child ended with %#x instead of exit status %d; it said: %s", (child).status, \
                (expected), (child).said))

/** A signal ended it. */
#define CHECK_SIGNAL(child, expected)                                                              \
    (WIFSIGNALED((child).status) && WTERMSIG((child).status) == (expected)                         \
         ? (void)0                                                                                 \
         : FAIL("the child ended with %#x instead of signal %d; it said: %s", (child).status,      \
                (expected), (child).said))

/** Writes a line to standard error. */
MAYBE_UNUSED static void say(const char *text)
{
    dprintf(2, "%s\n", text);
}

#endif
