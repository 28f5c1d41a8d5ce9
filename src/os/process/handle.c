/* SPDX-License-Identifier: MIT */
/*
 * handle.c: the handle of a process
 *
 * What is done to a process that runs, or has run. Its status is looked at with WNOWAIT where only
 * its number stands for its group: as long as it is not taken, the number cannot be given to
 * another, so that a signal never meets a stranger. Since Linux 6.9 a pidfd stands for the group
 * as well, also when the process is gone; then the status is taken at once.
 *
 * Nobody but the guard (guard.c) ends a process. The handle outlives it, until a close or the end
 * of the scope.
 */
#define _GNU_SOURCE 1

#include "os/process/process.h"

#include "base/list.h"
#include "loop/poller.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

/** P_PIDFD and PIDFD_SIGNAL_PROCESS_GROUP, for older headers. */
#define ID_IS_PIDFD 3
#define SIGNAL_PROCESS_GROUP 4u

pid_t weft_process_pid(const struct weft_process *process)
{
    return process->pid;
}

/* Its end. */

/** One who waits for it: gets the status with the wake, because the handle may be gone when his
 *  task runs. */
struct watcher {
    /** The wait. */
    struct weft_wait wait;
    /** The process's number, for the note. */
    pid_t pid;
    /** As in the handle. */
    struct weft_exit exit;
    /** As in the handle. */
    int lost;
};

static void note_exit(struct weft_process *process, const siginfo_t *info)
{
    bool exited = info->si_code == CLD_EXITED;
    process->exit.status = exited ? info->si_status : -1;
    process->exit.signal = exited ? 0 : info->si_status;
    process->exit.core = info->si_code == CLD_DUMPED;
}

static int ask(struct weft_process *process, siginfo_t *info)
{
    const struct weft_sys *sys = weft__sys_current();
    int options = WEXITED | WNOHANG | (process->leads && !process->group_by_pidfd ? WNOWAIT : 0);
    int rc;
    memset(info, 0, sizeof *info);
    do
        rc = process->pidfd >= 0 ? sys->waitid(sys, ID_IS_PIDFD, process->pidfd, info, options)
                                 : -EINVAL;
    while (rc == -EINTR);
    if (rc != -EINVAL)
        return rc;
    do
        rc = sys->waitid(sys, P_PID, process->pid, info, options);
    while (rc == -EINTR);
    return rc;
}

void weft__process_look(struct weft_process *process)
{
    siginfo_t info;
    if (process->ended)
        return;
    int rc = ask(process, &info);
    if (rc == 0 && info.si_pid == 0)
        return;
    process->ended = true;
    process->lost = rc;
    process->reaped = rc < 0 || !process->leads || process->group_by_pidfd;
    if (rc == 0)
        note_exit(process, &info);
    struct weft_wait *wait;
    while ((wait = weft_waitq_first(&process->waiters)) != NULL) {
        struct watcher *watcher = weft__container(wait, struct watcher, wait);
        watcher->exit = process->exit;
        watcher->lost = process->lost;
        (void)weft_waitq_wake(&process->waiters, 0);
    }
}

static int give_status(pid_t pid, const struct weft_exit *how, int lost, struct weft_exit *ret)
{
    if (lost < 0)
        return weft_fail(lost,
                         "how process %d ended was told to somebody else: "
                         "a waitpid(-1), or SIGCHLD is ignored",
                         (int)pid);
    if (ret)
        *ret = *how;
    return 0;
}

/** How full the fullest pipe that we read from is: 1 when the process cannot write to it. */
static bool has_full_pipe(const struct weft_process *process, int *ret_child_fd)
{
    const struct weft_sys *sys = weft__sys_current();
    for (size_t i = 0; i < process->pipe_count; i++) {
        const struct weft__process_pipe *pipe = &process->pipes[i];
        int fd = pipe->stream ? weft_stream_fd(pipe->stream) : -1, unread = 0;
        if (fd < 0 || sys->ioctl(sys, fd, FIONREAD, &unread) < 0)
            continue;
        int size = sys->fcntl(sys, fd, F_GETPIPE_SZ, 0);
        *ret_child_fd = pipe->child_fd;
        if (size > 0 && unread > size - 4096)
            return true;
    }
    return false;
}

static void describe_wait(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct weft_process *process = wait->object;
    int fd,
        used = snprintf(buf, size, "for process %d (%s) to end", (int)process->pid, process->name);
    if (used > 0 && (size_t)used < size && has_full_pipe(process, &fd))
        snprintf(buf + used, size - (size_t)used, "; the pipe from its descriptor %d is full", fd);
}

int weft_process_wait(struct weft_process *process, struct weft_exit *ret)
{
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    weft__process_look(process);
    if (process->ended)
        return give_status(process->pid, &process->exit, process->lost, ret);
    struct watcher watcher = {.pid = process->pid};
    weft_wait_init(&watcher.wait, describe_wait, process);
    rc = (int)weft_waitq_park(&process->waiters, &watcher.wait);
    return rc < 0 ? rc : give_status(watcher.pid, &watcher.exit, watcher.lost, ret);
}

int weft_process_try_wait(struct weft_process *process, struct weft_exit *ret)
{
    weft__process_look(process);
    if (!process->ended)
        return -EAGAIN;
    return give_status(process->pid, &process->exit, process->lost, ret);
}

/* Signals. */

int weft_process_signal(struct weft_process *process, int signal)
{
    const struct weft_sys *sys = weft__sys_current();
    weft__process_look(process);
    if (process->ended)
        return -ESRCH;
    int rc = process->pidfd >= 0 ? sys->pidfd_send_signal(sys, process->pidfd, signal, 0) : -ENOSYS;
    /* Nobody else may have the number: its status was not taken. */
    return rc == -ENOSYS ? sys->kill(sys, process->pid, signal) : rc;
}

int weft__process_signal_all(struct weft_process *process, int signal)
{
    const struct weft_sys *sys = weft__sys_current();
    if (!process->leads)
        return weft_process_signal(process, signal);
    if (process->group_by_pidfd && process->pidfd < 0)
        return -ESRCH;
    if (process->group_by_pidfd) {
        int rc = sys->pidfd_send_signal(sys, process->pidfd, signal, SIGNAL_PROCESS_GROUP);
        /* A filter of calls came later. The number is nobody else's while the status is there. */
        if (rc != -ENOSYS || process->reaped)
            return rc;
    }
    return process->lost < 0 ? -ESRCH : sys->kill(sys, -process->pid, signal);
}

int weft_process_signal_group(struct weft_process *process, int signal)
{
    if (!process->leads)
        return -ENOTSUP;
    return process->reaped && !process->group_by_pidfd ? -ESRCH
                                                       : weft__process_signal_all(process, signal);
}

/* Its pipes, and the end of the handle. */

static struct weft__process_pipe *find_pipe(struct weft_process *process, int child_fd)
{
    for (size_t i = 0; i < process->pipe_count; i++)
        if (process->pipes[i].child_fd == child_fd && process->pipes[i].stream)
            return &process->pipes[i];
    return NULL;
}

struct weft_stream *weft_process_stream(struct weft_process *process, int child_fd)
{
    struct weft__process_pipe *pipe = find_pipe(process, child_fd);
    return pipe ? pipe->stream : NULL;
}

int weft_process_close_stream(struct weft_process *process, int child_fd)
{
    struct weft__process_pipe *pipe = find_pipe(process, child_fd);
    if (!pipe)
        return -EBADF;
    struct weft_stream *stream = pipe->stream;
    pipe->stream = NULL;
    return weft_stream_close(stream);
}

static void describe_close(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct weft_process *process = wait->object;
    snprintf(buf, size, "to close process %d (%s)", (int)process->pid, process->name);
}

void weft_process_close(struct weft_process *process)
{
    struct weft_wait wait;
    if (!process)
        return;
    struct weft_task *guard = process->guard;
    if (!weft_task_ended(guard)) {
        weft_task_cancel(guard);
        weft_wait_init(&wait, describe_close, process);
        weft__list_append(&weft_task_enders(guard)->waits, &wait.link);
        (void)!weft_park(&wait, NULL);
    }
    weft_task_release(guard);
    weft__process_free(process);
}

void weft__process_free(struct weft_process *process)
{
    weft_scope_undefer(&process->deferred);
    (void)weft_waitq_wake_all(&process->waiters, -WEFT_ECLOSED);
    /* The guard has aborted them, so that there is nothing to wait for. */
    for (size_t i = 0; i < process->pipe_count; i++)
        (void)weft_stream_close(process->pipes[i].stream);
    (void)weft_loop_realloc(process->loop, process, 0);
}

/* How it ended, in words. */

int weft_exit_ok(const struct weft_exit *how)
{
    return how->status == 0 && how->signal == 0;
}

const char *weft_exit_format(const struct weft_exit *how, char *buf, size_t size)
{
    if (how->signal)
        snprintf(buf, size, "ended by signal %d%s", how->signal, how->core ? " (core dumped)" : "");
    else
        snprintf(buf, size, "exited with status %d", how->status);
    return buf;
}
