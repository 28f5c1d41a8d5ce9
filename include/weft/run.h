/* SPDX-License-Identifier: MIT */
/*
 * weft/run.h: running a program
 *
 *     int main(void) { return weft_main(program, NULL); }
 *
 * weft_run makes a loop, runs the program as its first task inside the loop's root scope, and
 * drains everything. Only weft_run and weft_main touch the process, only where the disposition was
 * the default, and put everything back at the end:
 *
 *   SIGINT, SIGTERM   the first cancels the root scope; the second leaves at once by the default
 *                     action
 *   SIGQUIT           dumps all tasks to stderr; twice within two seconds: the default action
 *   SIGPIPE           ignored
 *   SIGSEGV           a stack overflow is reported with the task's name, then the default action
 *
 * weft_loop_stop does not end a program: weft_run, weft_main and weft_loop_run_task run until the
 * program has returned, whoever stops the loop meanwhile. To end one early, cancel its root scope.
 *
 * Deadlock. Under sim it is certain when nothing can happen any more: it is reported with a dump,
 * the root scope is cancelled, and the run gives -WEFT_EDEADLOCK. A task that even then waits, for
 * what cannot be cut short (weft_park without an abort function) and nobody brings, keeps what it
 * was given, which may lie on the caller's stack: that is reported with a second dump, and the
 * process aborts, in release builds too. On real engines another thread or a signal may always
 * come, so that nothing is concluded: the program waits, and a dump (SIGQUIT) says that nothing
 * else can wake it.
 */
#ifndef WEFT_RUN_H
#define WEFT_RUN_H

#include <weft/error.h>
#include <weft/loop.h>
#include <weft/scope.h>
#include <weft/types.h>

WEFT_BEGIN

/** What weft_run may leave alone. */
#define WEFT_RUN_NO_INTERRUPT 1u
#define WEFT_RUN_NO_DUMP 2u
#define WEFT_RUN_NO_SIGPIPE 4u
#define WEFT_RUN_NO_OVERFLOW 8u
/** Touches nothing of the process. */
#define WEFT_RUN_BARE 15u

/** How to run; NULL, or zero everywhere, is the default. */
struct weft_run_options {
    /** sizeof(struct weft_run_options). */
    size_t size;
    /** WEFT_RUN_... */
    unsigned flags;
    /** How the loop is made. */
    struct weft_loop_options loop;
};

/**
 * Runs program(arg) as a task until it and everything it started has ended; returns its code. When
 * it returns, the root scope is cancelled and drained; what is left after five seconds is dumped to
 * stderr once and still waited for. A failing detached task (one in the root scope) cancels the
 * rest, and its code is returned if the program itself did not fail. -ECANCELED after SIGINT or
 * SIGTERM if the program gave it back. -EDEADLK inside a task; -EBUSY a loop runs in this thread;
 * the errors of weft_loop_create.
 */
WEFT_API int weft_run(int (*program)(void *arg), void *arg);

/** weft_run with options; NULL: defaults. */
WEFT_API int weft_run_with(const struct weft_run_options *options, int (*program)(void *arg),
                           void *arg);

/**
 * For main: weft_run, then prints the failure note to stderr ("weft: client: connection refused
 * ...") and returns an exit status: 0 for a code of 0 or more, else 1. After SIGINT or SIGTERM
 * raises that signal again with its default action.
 */
WEFT_API int weft_main(int (*program)(void *arg), void *arg);

/** Runs program(arg) as a task of a loop made by weft_loop_create, until it has ended; touches
 * nothing of the process, so that SIGPIPE is the program's own to ignore (weft/net.h). Tasks that
 * it put into the root scope go on at the next run. Returns its code; -EBUSY as
 * weft_loop_run_forever; -WEFT_EDEADLOCK nothing is left that could wake it (sim): it was cancelled
 * and drained; see above for one that cannot be. */
WEFT_API int weft_loop_run_task(struct weft_loop *loop, int (*program)(void *arg), void *arg);

/** The root scope of a loop: for tasks that nobody waits for. Fail-fast: a failing one ends the
 * run. NULL: the calling thread's loop. Plain. */
WEFT_API struct weft_scope *weft_root(struct weft_loop *loop);

/** What a failure handler gets. */
typedef void weft_failure_fn(const struct weft_failure *failure, void *arg);

/** Sets who hears of failures in WEFT_SUPERVISE scopes. NULL: one line on stderr each, the default.
 *  Runs on the failing task's stack; must not wait. Plain. */
WEFT_API void weft_loop_set_failure_handler(struct weft_loop *loop, weft_failure_fn *fn, void *arg);

/**
 * Writes the tree of scopes and tasks to descriptor `fd`, each with name, state, what it waits for
 * in words, since when, and the line that spawned it. Plain. From inside and outside tasks, on the
 * loop's thread.
 *
 *     weft: 2 tasks, 0 ready, 1 timers, 1 operations, engine epoll (default), turn 1203
 *     scope (root), 1 child
 *       task 1 program  parked 0.800 s: for 1 child to leave the scope entered at demo.c:18
 *         (spawned at weft_run)                                      -- on the same line
 *         scope (demo.c:18), deadline in 4.200 s, 1 child
 *           task 2 client  parked 0.800 s: to read on descriptor 7  (spawned at demo.c:20)
 *
 * Then come the pools of threads that do something, each with the jobs that it runs
 * (weft/offload.h). When no task is ready and there is no timer, operation, reader or writer, a
 * last line says that only another thread or a signal can wake them.
 */
WEFT_API void weft_dump(struct weft_loop *loop, int fd);

WEFT_END

#endif
