/* SPDX-License-Identifier: MIT */
/*
 * guard.c: the task that looks after a process
 *
 *     wait for the end ──▶ tell ──▶ rest until cancelled (a close, the end of the scope)
 *          └─ cancelled: SIGTERM to the group ─▶ grace ─▶ SIGKILL ─▶ wait for the end of it,
 *                                                         and a while for that of the others
 *
 * It is a task in the background of the process's scope, so that the scope's end is its
 * cancellation. What comes after that runs shielded. A stopped process is continued after SIGTERM:
 * it could not take it otherwise.
 *
 * The end of the process itself comes by its pidfd; that of the last one in its group comes by
 * nothing, so that those who are left are asked for again and again, at growing distances.
 */
#include "os/process/process.h"

#include "loop/poller.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <weft/run.h>

/** How long a shield lasts that is entered again until its work is done. */
#define LONG WEFT_HOUR
/** The longest distance of looks at what tells nothing by itself. */
#define LOOK_EVERY (50 * WEFT_MS)

/** How long others of a group that was killed are waited for. */
#define LINGER (5 * WEFT_SEC)

/** Sleeps a little longer each time. Waiting. */
static int sleep_a_little(weft_ns *delay)
{
    int rc = weft_sleep(*delay);
    *delay = 2 * *delay < LOOK_EVERY ? 2 * *delay : LOOK_EVERY;
    return rc;
}

/** Waits until the process has ended. Waiting. */
static int wait_for_end(struct weft_process *process)
{
    weft_ns delay = WEFT_MS;
    int rc = 0;
    weft__process_look(process);
    while (rc >= 0 && !process->ended) {
        rc = process->pidfd >= 0 ? weft_poll(process->pidfd, POLLIN) : sleep_a_little(&delay);
        /* A pidfd that cannot be polled is no reason to lose the process. */
        if (rc < 0 && rc != -ECANCELED)
            rc = sleep_a_little(&delay);
        weft__process_look(process);
    }
    return process->ended ? 0 : rc;
}

static void reap(struct weft_process *process)
{
    const struct weft_sys *sys = weft__sys_current();
    siginfo_t info;
    while (!process->reaped && sys->waitid(sys, P_PID, process->pid, &info, WEXITED) == -EINTR) {
    }
    process->reaped = true;
}

/** Somebody is left in its group. Once the status was taken, the number could be another's as soon
 *  as nobody is: whoever has found it empty must not ask again. */
static bool others_are_left(struct weft_process *process)
{
    if (!process->leads || process->lost < 0)
        return false;
    if (!process->group_by_pidfd)
        reap(process);
    return weft__process_signal_all(process, 0) == 0 && weft__process_group_runs(process->pid);
}

/** Waits until the process and its group have ended: 1, 0 they have not. Waiting. */
static int wait_for_all(struct weft_process *process, bool *ret_empty)
{
    weft_ns delay = WEFT_MS;
    int rc = wait_for_end(process);
    while (rc == 0 && !(*ret_empty = !others_are_left(process)))
        rc = sleep_a_little(&delay);
    return rc;
}

/** Waits for all, for at most `timeout`, whatever is cancelled. */
static bool all_ended_within(struct weft_process *process, weft_ns timeout)
{
    struct weft_scope shield;
    bool empty = false, forever = timeout == WEFT_FOREVER;
    do {
        weft_shield_enter(&shield, forever ? LONG : timeout);
        int rc = wait_for_all(process, &empty);
        (void)!weft_scope_exit(&shield, rc);
    } while (forever && !empty);
    return empty;
}

/** Who still uses its pipes gets -WEFT_ECLOSED. */
static void abort_pipes(struct weft_process *process)
{
    for (size_t i = 0; i < process->pipe_count; i++)
        if (process->pipes[i].stream)
            weft_stream_abort(process->pipes[i].stream);
}

static void kill_all(struct weft_process *process)
{
    struct weft_scope shield;
    /* One that we may not kill may yet end when its pipes do. */
    if (weft__process_signal_all(process, SIGKILL) < 0)
        abort_pipes(process);
    while (!process->ended) {
        weft_shield_enter(&shield, LONG);
        int rc = wait_for_end(process);
        (void)!weft_scope_exit(&shield, rc);
    }
    /* The others end on their own time, and one that is stuck in the kernel never. */
    (void)all_ended_within(process, LINGER);
}

/** Ends the process and its group. */
static void end(struct weft_process *process)
{
    weft__process_look(process);
    if (process->ended && !others_are_left(process))
        return;
    if (process->grace > 0) {
        (void)weft__process_signal_all(process, SIGTERM);
        (void)weft__process_signal_all(process, SIGCONT);
        if (all_ended_within(process, process->grace))
            return;
    }
    kill_all(process);
}

static void close_pidfd(struct weft_process *process)
{
    if (process->pidfd >= 0)
        (void)weft_close(process->pidfd);
    process->pidfd = -1;
}

static void describe_rest(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct weft_process *process = wait->object;
    snprintf(buf, size, "for process %d (%s), which has ended, to be closed", (int)process->pid,
             process->name);
}

static enum weft_abort abort_rest(struct weft_wait *wait)
{
    (void)wait;
    return WEFT_ABORT_DONE;
}

/** Waits for the cancellation of the guard. */
static void rest(struct weft_process *process)
{
    struct weft_wait wait;
    if (weft_wait_begin() < 0)
        return;
    weft_wait_init(&wait, describe_rest, process);
    (void)!weft_park(&wait, abort_rest);
}

/** A process that nothing ends, with what is needed to take its status. */
struct detached {
    /** As in the handle. */
    pid_t pid;
    /** As in the handle. */
    int pidfd;
};

/** Looks after a detached process whose scope has ended, so that it leaves no zombie while the loop
 *  runs. */
static int guard_detached(void *arg)
{
    const struct detached *detached = arg;
    struct weft_process process = {.pid = detached->pid, .pidfd = detached->pidfd};
    weft_waitq_init(&process.waiters);
    (void)wait_for_end(&process);
    close_pidfd(&process);
    return 0;
}

/** Hands a detached process on to the root scope; if that cannot be, it is let go. */
static void hand_on(struct weft_process *process)
{
    static const struct weft_task_options options = {.size = sizeof options,
                                                     .flags = WEFT_BACKGROUND};
    const struct detached detached = {process->pid, process->pidfd};
    if (weft_start(weft_root(process->loop), NULL, &options, "guard_detached", WEFT_SITE,
                   guard_detached, &detached, sizeof detached) < 0)
        close_pidfd(process);
    process->pidfd = -1;
}

/** Lets go of all but the handle. */
static void let_go(struct weft_process *process)
{
    abort_pipes(process);
    if (process->ended && !process->reaped)
        reap(process);
    close_pidfd(process);
}

int weft__process_guard(void *arg)
{
    struct weft_process *process = *(struct weft_process **)arg;
    if (process->pid > 0) {
        if (wait_for_end(process) == 0)
            rest(process);
        if (process->detached && !process->ended)
            hand_on(process);
        else if (!process->detached)
            end(process);
    }
    let_go(process);
    return 0;
}
