/* SPDX-License-Identifier: MIT */
/*
 * run.c: weft_run and weft_main
 *
 * The program is the first task of a fresh loop. When it returns, the root scope is cancelled and
 * drained, and the loop freed. What a run touches of the process, it touches here: signal
 * dispositions that were the default, and the alternate stack for reporting overflows; all of it is
 * put back.
 *
 * The first SIGINT or SIGTERM cancels the root scope. The handler is installed to reset itself
 * (SA_RESETHAND), so that the second one takes the default action even when a task holds the loop.
 * SIGQUIT works the same way and is armed again two seconds after each dump.
 */
#include "coro/overflow.h"
#include "task/internal.h"

#include <signal.h>
#include <stdio.h>

/** How long a run waits before it names those who do not leave. */
#define PATIENCE (5 * WEFT_SEC)

/* One program on a loop. */

/** The main task's arguments and result. */
struct main_task {
    /** The program. */
    int (*program)(void *arg);
    /** Its argument. */
    void *arg;
    /** What it returned. */
    int result;
    /** It has returned. */
    bool done;
    /** Its error note if it failed. */
    char note[3 * WEFT_NOTE_SIZE];
};

static int run_program(void *arg)
{
    struct main_task *main_task = *(struct main_task **)arg;
    int result = main_task->program(main_task->arg);
    struct weft_task *task = weft__task_current;
    if (task->note && task->note->code == result)
        snprintf(main_task->note, sizeof main_task->note, "%s", task->note->text);
    main_task->result = result;
    main_task->done = true;
    return 0;
}

/** Nothing can wake the program any more: says so and cancels everything. */
static void break_deadlock(struct weft__runtime *runtime)
{
    weft__report("deadlock: tasks wait, and nothing is left that could wake them");
    weft_dump(runtime->loop, 2);
    weft__scope_cancel(runtime->root, WEFT__CAUSE_CANCEL, -WEFT_EDEADLOCK);
}

/**
 * All were cancelled, and those who are left cannot be woken by anything. What they were given may
 * lie on the stack of our caller, who would take it away, so that there is no way to return.
 */
WEFT_NORETURN static void give_up(const struct weft__runtime *runtime)
{
    weft__report("deadlock for good: all were cancelled, but these tasks wait for what cannot be "
                 "cut short, and nothing is left that could wake them");
    weft_dump(runtime->loop, 2);
    weft__abort();
}

/** The engine failed, or knows that nothing can come: cancels everything the first time. What the
 *  program was given lies on our caller's stack, so that it ends before we return. */
static void break_off(struct weft__runtime *runtime, int error, bool first, bool stuck)
{
    if (first && error == -WEFT_EDEADLOCK)
        break_deadlock(runtime);
    else if (first)
        weft__scope_cancel(runtime->root, WEFT__CAUSE_CANCEL, error);
    else if (stuck && error == -WEFT_EDEADLOCK)
        give_up(runtime);
}

static int run_turns(struct weft_loop *loop, struct main_task *main_task)
{
    int broken = 0;
    while (!main_task->done) {
        uint64_t head = loop->ready.head;
        int rc = weft__loop_go_on(loop);
        if (rc < 0)
            break_off(loop->runtime, rc, broken == 0, loop->ready.head == head);
        if (rc < 0 && broken == 0)
            broken = rc;
    }
    return broken < 0 ? broken : main_task->result;
}

/** A root scope that was cancelled in an earlier run is new again once all its tasks have ended. */
static void renew_root(struct weft__runtime *runtime)
{
    struct weft__scope *root = runtime->root;
    if (runtime->alive > 0 || !root->own_order)
        return;
    weft__failure_free(runtime, root->failure);
    root->failure = NULL;
    root->cause = WEFT__CAUSE_NONE;
    root->code = 0;
    root->own_order = 0;
    root->effective = false;
    root->refused = false;
}

static int run_main_task(struct weft_loop *loop, struct main_task *main_task)
{
    static const struct weft_task_options options = {.size = sizeof options, .name = "program"};
    struct weft__runtime *runtime = weft__runtime_get(loop);
    if (!runtime)
        return -ENOMEM;
    int rc = weft__loop_begin(loop);
    if (rc < 0)
        return rc;
    renew_root(runtime);
    rc = weft__task_start(runtime->root, NULL, &options, "program", "weft_run", run_program,
                          &main_task, sizeof main_task);
    if (rc == 0)
        rc = run_turns(loop, main_task);
    weft__loop_end(loop);
    return rc;
}

int weft_loop_run_task(struct weft_loop *loop, int (*program)(void *arg), void *arg)
{
    struct main_task main_task = {.program = program, .arg = arg};
    if (weft__task_current)
        return -EDEADLK;
    return run_main_task(loop, &main_task);
}

/* The process. */

/** What a run changed of the process, and the program that it runs. */
struct run {
    /** The loop. */
    struct weft_loop *loop;
    /** The table that the loop was made with; in use when the loop is gone. */
    const struct weft_sys *sys;
    /** The signal that interrupted the run; 0: none. */
    int interrupted_by;
    /** Names those who have not left in time; NULL: it has, or need not. */
    struct weft_handle *patience;
    /** WEFT_RUN_... */
    unsigned flags;
    /** SIGPIPE was set to be ignored. */
    bool pipe_ignored;
    /** The overflow report is installed. */
    bool overflow;
    /** The thread's part of it. */
    struct weft__overflow_thread overflow_thread;
    /** The program. */
    struct main_task main_task;
};

static void interrupted(struct run *run, int signal)
{
    struct weft__runtime *runtime = run->loop->runtime;
    /* The second of either kind. Its own handler has reset itself. */
    if (run->interrupted_by)
        (void)weft_sys_default.raise(&weft_sys_default, signal);
    run->interrupted_by = signal;
    weft__scope_cancel(runtime->root, WEFT__CAUSE_CANCEL, 0);
}

static void on_interrupt(void *arg)
{
    interrupted(arg, SIGINT);
}

static void on_terminate(void *arg)
{
    interrupted(arg, SIGTERM);
}

static bool has_default_action(const struct run *run, int signal)
{
    return weft__signal_meets(run->sys, signal, SIG_DFL);
}

static void on_quit(void *arg);

static void arm_quit(void *arg)
{
    struct run *run = arg;
    if (has_default_action(run, SIGQUIT))
        (void)weft__signal_add_once(run->loop, SIGQUIT, on_quit, run);
}

static void on_quit(void *arg)
{
    struct run *run = arg;
    weft_dump(run->loop, 2);
    (void)weft_loop_call_later(run->loop, 2 * WEFT_SEC, arm_quit, run, NULL);
}

/** SIGPIPE is ignored by a handler that does nothing, because SIG_IGN would be inherited by the
 *  programs that this one starts. */
static void on_pipe(int signal)
{
    (void)signal;
}

static void name_task(const struct weft__coro *coro, const char **ret_name, const char **ret_site)
{
    const struct weft_task *task = weft__container(coro, struct weft_task, coro);
    *ret_name = weft__task_name(task);
    *ret_site = task->site;
}

static void touch_process(struct run *run)
{
    const struct weft_sys *sys = run->sys = run->loop->creator;
    if (!(run->flags & WEFT_RUN_NO_INTERRUPT)) {
        if (has_default_action(run, SIGINT))
            (void)weft__signal_add_once(run->loop, SIGINT, on_interrupt, run);
        if (has_default_action(run, SIGTERM))
            (void)weft__signal_add_once(run->loop, SIGTERM, on_terminate, run);
    }
    if (!(run->flags & WEFT_RUN_NO_DUMP))
        arm_quit(run);
    if (!(run->flags & WEFT_RUN_NO_SIGPIPE) && has_default_action(run, SIGPIPE))
        run->pipe_ignored = weft__signal_handle(sys, SIGPIPE, on_pipe, 0) == 0;
    if (!(run->flags & WEFT_RUN_NO_OVERFLOW) && has_default_action(run, SIGSEGV))
        run->overflow = weft__overflow_begin(sys, name_task, &run->overflow_thread) == 0;
}

/** Signals of the loop are put back when it is freed. */
static void restore_process(struct run *run)
{
    const struct weft_sys *sys = run->sys;
    if (run->pipe_ignored && weft__signal_meets(sys, SIGPIPE, on_pipe))
        (void)weft__signal_handle(sys, SIGPIPE, SIG_DFL, 0);
    if (run->overflow)
        weft__overflow_end(&run->overflow_thread);
}

/* A run. */

static void name_stragglers(void *arg)
{
    struct run *run = arg;
    run->patience = NULL;
    weft__report("the program has ended, %d seconds ago, but these tasks have not:",
                 (int)(PATIENCE / WEFT_SEC));
    weft_dump(run->loop, 2);
}

/** Cancels and drains the root scope, and takes its outcome over if the program has none. */
static int settle(struct run *run, int rc)
{
    struct weft__runtime *runtime = run->loop->runtime;
    struct weft__scope *root = runtime->root;
    weft__scope_cancel(root, WEFT__CAUSE_CANCEL, 0);
    if (runtime->alive > 0 && weft__loop_begin(run->loop) == 0) {
        (void)weft_loop_call_later(run->loop, PATIENCE, name_stragglers, run, &run->patience);
        int turned = 0;
        while (runtime->alive > 0 && turned == 0)
            turned = weft__loop_go_on(run->loop);
        weft_handle_cancel(run->patience);
        weft__loop_end(run->loop);
    }
    bool detached_failed = root->cause == WEFT__CAUSE_FAILURE;
    if (!detached_failed || (rc < 0 && rc != -ECANCELED))
        return rc;
    if (root->failure)
        snprintf(run->main_task.note, sizeof run->main_task.note, "task %s (spawned at %s) %s",
                 root->failure->public.task, root->failure->public.spawned_at, root->failure->text);
    return root->code;
}

static int run_all(struct run *run, const struct weft_run_options *asked)
{
    struct weft_run_options options;
    weft__options_read(&options, sizeof options, asked);
    if (weft__task_current)
        return -EDEADLK;
    if (weft__loop_current)
        return -EBUSY;
    int rc = weft_loop_create(&options.loop, &run->loop);
    if (rc < 0)
        return rc;
    if (!weft__runtime_get(run->loop)) {
        (void)weft_loop_free(run->loop);
        return -ENOMEM;
    }
    run->flags = options.flags;
    touch_process(run);
    rc = run_main_task(run->loop, &run->main_task);
    rc = settle(run, rc);
    /* An engine that fails may recover; signal handlers of the loop refer to `run` until then. */
    int freed;
    while ((freed = weft_loop_free(run->loop)) < 0)
        if (freed == -WEFT_EDEADLOCK)
            give_up(run->loop->runtime);
    restore_process(run);
    return rc;
}

int weft_run_with(const struct weft_run_options *options, int (*program)(void *arg), void *arg)
{
    struct run run = {.main_task = {.program = program, .arg = arg}};
    return run_all(&run, options);
}

int weft_run(int (*program)(void *arg), void *arg)
{
    return weft_run_with(NULL, program, arg);
}

int weft_main(int (*program)(void *arg), void *arg)
{
    struct run run = {.main_task = {.program = program, .arg = arg}};
    int rc = run_all(&run, NULL);
    if (run.interrupted_by) {
        (void)weft_sys_default.raise(&weft_sys_default, run.interrupted_by);
        return 1;
    }
    if (rc >= 0)
        return 0;
    weft__report("%s%s%s", run.main_task.note, run.main_task.note[0] ? ": " : "",
                 weft_strerror(rc));
    return 1;
}
