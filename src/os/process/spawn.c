/* SPDX-License-Identifier: MIT */
/*
 * spawn.c: what a process is given, and its start
 *
 *     guard ─▶ descriptors: pipes, files, copies ─▶ program, environment ─▶ the table's spawn
 *
 * The guard is started first, so that there is no process that nobody looks after. It does not run
 * before the caller waits, and finds either a process or none.
 *
 * Files and pipes are opened here, close-on-exec, and closed again when the process has its copies.
 * Our end of a pipe is non-blocking and becomes a stream; the process's end blocks, as programs
 * expect.
 */
#define _GNU_SOURCE 1

#include "os/process/process.h"

#include "base/list.h"
#include "base/options.h"
#include "loop/poller.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/** The descriptors that are said for a process in any case. */
#define STANDARD 3

/** What is put together for a process. */
struct plan {
    /** The table. */
    const struct weft_sys *sys;
    /** The handle. */
    struct weft_process *process;
    /** What the caller asked for. */
    const struct weft_process_options *options;
    /** The descriptors that it gets. */
    struct weft_sys_spawn_fd *fds;
    /** How many. */
    size_t count;
    /** Descriptors to be closed in the end; as many as there is room for in fds. */
    int *opened;
    /** How many. */
    size_t opened_count;
};

/* Descriptors. */

static void give(struct plan *plan, int child_fd, int fd)
{
    plan->fds[plan->count++] = (struct weft_sys_spawn_fd){child_fd, fd};
}

static int give_file(struct plan *plan, int child_fd, const char *path, int flags)
{
    int fd = plan->sys->openat(plan->sys, AT_FDCWD, path, flags | O_CLOEXEC | O_NOCTTY, 0666);
    if (fd < 0)
        return weft_fail(fd, "cannot start %s: descriptor %d: %s: %s", plan->process->name,
                         child_fd, path, weft_strerror(fd));
    plan->opened[plan->opened_count++] = fd;
    give(plan, child_fd, fd);
    return 0;
}

/** Makes a stream of our end of a pipe. It is closed if that fails. */
static int add_stream(struct plan *plan, int child_fd, int fd)
{
    const struct weft_sys *sys = plan->sys;
    struct weft_process *process = plan->process;
    struct weft__process_pipe *pipe = &process->pipes[process->pipe_count];
    int flags = sys->fcntl(sys, fd, F_GETFL, 0);
    int rc = flags < 0 ? flags : sys->fcntl(sys, fd, F_SETFL, flags | O_NONBLOCK);
    if (rc >= 0)
        rc = weft_fd_own(fd);
    if (rc >= 0)
        rc = weft_stream_from_fd(fd, NULL, &pipe->stream);
    if (rc < 0) {
        (void)weft_close(fd);
        return rc;
    }
    pipe->child_fd = child_fd;
    process->pipe_count++;
    return 0;
}

static int give_pipe(struct plan *plan, int child_fd, bool reads)
{
    int fds[2];
    int rc = plan->sys->pipe2(plan->sys, fds, O_CLOEXEC);
    if (rc < 0)
        return weft_fail(rc, "cannot start %s: pipe for descriptor %d: %s", plan->process->name,
                         child_fd, weft_strerror(rc));
    int theirs = fds[reads ? 0 : 1], ours = fds[reads ? 1 : 0];
    plan->opened[plan->opened_count++] = theirs;
    give(plan, child_fd, theirs);
    return add_stream(plan, child_fd, ours);
}

static int give_same(struct plan *plan, int child_fd, int other)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->fds[i].child_fd == other) {
            give(plan, child_fd, plan->fds[i].fd);
            return 0;
        }
    return weft_fail(-EINVAL,
                     "cannot start %s: descriptor %d is to be the same as %d, which does "
                     "not stand before it",
                     plan->process->name, child_fd, other);
}

static int add(struct plan *plan, const struct weft_process_fd *asked)
{
    switch (asked->what) {
    case WEFT_PROCESS_INHERIT:
        give(plan, asked->child_fd, asked->child_fd);
        return 0;
    case WEFT_PROCESS_FD:
        give(plan, asked->child_fd, asked->fd);
        return 0;
    case WEFT_PROCESS_SAME_AS:
        return give_same(plan, asked->child_fd, asked->fd);
    case WEFT_PROCESS_NULL:
        return give_file(plan, asked->child_fd, "/dev/null", O_RDWR);
    case WEFT_PROCESS_PIPE_IN:
        return give_pipe(plan, asked->child_fd, true);
    case WEFT_PROCESS_PIPE_OUT:
        return give_pipe(plan, asked->child_fd, false);
    case WEFT_PROCESS_READ:
        return give_file(plan, asked->child_fd, asked->path, O_RDONLY);
    case WEFT_PROCESS_WRITE:
        return give_file(plan, asked->child_fd, asked->path, O_WRONLY | O_CREAT | O_TRUNC);
    case WEFT_PROCESS_APPEND:
        return give_file(plan, asked->child_fd, asked->path, O_WRONLY | O_CREAT | O_APPEND);
    case WEFT_PROCESS_CLOSED:
        return 0;
    }
    return -EINVAL;
}

static bool is_said(const struct weft_process_options *options, size_t before, int child_fd)
{
    for (size_t i = 0; i < before; i++)
        if (options->fds[i].child_fd == child_fd)
            return true;
    return false;
}

/** What a standard descriptor is without a word about it: nothing to read, and our outputs, as far
 *  as they are open. */
static int add_standard(struct plan *plan, int fd)
{
    struct weft_process_fd usual = {.child_fd = fd, .what = WEFT_PROCESS_INHERIT};
    if (fd == 0 || plan->sys->fcntl(plan->sys, fd, F_GETFD, 0) < 0)
        usual.what = WEFT_PROCESS_NULL;
    return add(plan, &usual);
}

static int add_all(struct plan *plan)
{
    const struct weft_process_options *options = plan->options;
    int rc = 0;
    for (size_t i = 0; i < options->fd_count && rc == 0; i++) {
        if (options->fds[i].child_fd < 0 || is_said(options, i, options->fds[i].child_fd))
            return weft_fail(-EINVAL, "cannot start %s: descriptor %d is asked for twice",
                             plan->process->name, options->fds[i].child_fd);
        rc = add(plan, &options->fds[i]);
    }
    for (int fd = 0; fd < STANDARD && rc == 0; fd++)
        if (!is_said(options, options->fd_count, fd))
            rc = add_standard(plan, fd);
    return rc;
}

/* The rest of it. */

static void fill_in(const struct weft_process_options *options, struct weft_sys_spawn *how)
{
    const struct weft_process_credentials *who = options->credentials;
    const unsigned session = WEFT_PROCESS_DETACHED | WEFT_PROCESS_TERMINAL;
    how->directory = options->directory;
    if (options->group == WEFT_PROCESS_GROUP_SESSION || options->flags & session)
        how->flags |= WEFT_SYS_SPAWN_SESSION;
    else if (options->group == WEFT_PROCESS_GROUP_OWN)
        how->flags |= WEFT_SYS_SPAWN_GROUP;
    if (options->flags & WEFT_PROCESS_TERMINAL)
        how->flags |= WEFT_SYS_SPAWN_TERMINAL;
    if (options->flags & WEFT_PROCESS_UMASK)
        how->flags |= WEFT_SYS_SPAWN_UMASK;
    how->umask = options->umask;
    if (options->nice)
        how->flags |= WEFT_SYS_SPAWN_NICE;
    how->nice = options->nice;
    if (!who)
        return;
    how->uid = who->uid;
    how->gid = who->gid;
    how->groups = who->groups;
    how->group_count = who->group_count;
    how->flags |= who->uid != WEFT_PROCESS_UNCHANGED ? WEFT_SYS_SPAWN_UID : 0;
    how->flags |= who->gid != WEFT_PROCESS_UNCHANGED ? WEFT_SYS_SPAWN_GID : 0;
    how->flags |= who->groups ? WEFT_SYS_SPAWN_GROUPS : 0;
}

static int tell_failure(const struct plan *plan, const char *program, int rc, int step)
{
    static const char *const steps[] = {
        [WEFT_SYS_SPAWN_AT_CLONE] = "making the process",
        [WEFT_SYS_SPAWN_AT_GROUP] = "its process group",
        [WEFT_SYS_SPAWN_AT_DESCRIPTORS] = "its descriptors",
        [WEFT_SYS_SPAWN_AT_TERMINAL] = "its terminal",
        [WEFT_SYS_SPAWN_AT_DIRECTORY] = "directory ",
        [WEFT_SYS_SPAWN_AT_NICE] = "its priority",
        [WEFT_SYS_SPAWN_AT_GROUPS] = "its supplementary groups",
        [WEFT_SYS_SPAWN_AT_GID] = "its group",
        [WEFT_SYS_SPAWN_AT_UID] = "its user",
        [WEFT_SYS_SPAWN_AT_EXEC] = "exec",
    };
    bool directory = step == WEFT_SYS_SPAWN_AT_DIRECTORY;
    return weft_fail(rc, "cannot start %s: %s%s: %s", program, steps[step],
                     directory ? plan->options->directory : "", weft_strerror(rc));
}

/** The kernel lets a pidfd stand for the group since 6.9; asking does nothing. */
static bool stands_for_group(const struct plan *plan, int pidfd)
{
    return pidfd >= 0 && plan->sys->pidfd_send_signal(plan->sys, pidfd, 0, 4u) == 0;
}

static int start(struct plan *plan, const char *program, const char *const *arguments)
{
    struct weft_process *process = plan->process;
    struct weft__program found;
    int rc = weft__program_prepare(process->loop, program, plan->options, &found);
    if (rc < 0)
        return rc;
    struct weft_sys_spawn how = {
        .paths = found.paths,
        .arguments = arguments,
        .environment = found.environment,
        .fds = plan->fds,
        .fd_count = plan->count,
    };
    int step;
    fill_in(plan->options, &how);
    rc = plan->sys->spawn(plan->sys, &how, &process->pid, &process->pidfd, &step);
    if (rc < 0)
        rc = tell_failure(plan, program, rc, step);
    process->leads = how.flags & (WEFT_SYS_SPAWN_SESSION | WEFT_SYS_SPAWN_GROUP);
    if (rc == 0 && process->leads)
        process->group_by_pidfd = stands_for_group(plan, process->pidfd);
    weft__program_free(process->loop, &found);
    return rc;
}

static void close_opened(struct plan *plan)
{
    for (size_t i = 0; i < plan->opened_count; i++)
        (void)weft__close_now(plan->sys, plan->opened[i]);
}

static int prepare_and_start(struct weft_process *process,
                             const struct weft_process_options *options,
                             const char *const *arguments)
{
    struct plan plan = {
        .sys = weft__sys_current(),
        .process = process,
        .options = options,
    };
    size_t room = options->fd_count + STANDARD;
    plan.fds =
        weft_loop_realloc(process->loop, NULL, room * (sizeof *plan.fds + sizeof *plan.opened));
    if (!plan.fds)
        return -ENOMEM;
    plan.opened = (int *)(plan.fds + room);
    int rc = add_all(&plan);
    if (rc == 0)
        rc = start(&plan, options->program ? options->program : arguments[0], arguments);
    close_opened(&plan);
    (void)weft_loop_realloc(process->loop, plan.fds, 0);
    return rc;
}

/* The handle. */

static size_t count_pipes(const struct weft_process_options *options)
{
    size_t count = 0;
    for (size_t i = 0; i < options->fd_count; i++)
        count += options->fds[i].what == WEFT_PROCESS_PIPE_IN ||
                 options->fds[i].what == WEFT_PROCESS_PIPE_OUT;
    return count;
}

static struct weft_process *make(struct weft_loop *loop, const struct weft_process_options *options,
                                 const char *name)
{
    size_t size =
        sizeof(struct weft_process) + count_pipes(options) * sizeof(struct weft__process_pipe);
    struct weft_process *process = weft_loop_realloc(loop, NULL, size);
    if (!process)
        return NULL;
    memset(process, 0, size);
    process->loop = loop;
    process->pidfd = -1;
    process->detached = options->flags & WEFT_PROCESS_DETACHED;
    process->grace = options->grace ? options->grace : WEFT_PROCESS_GRACE;
    weft_waitq_init(&process->waiters);
    weft__list_init(&process->deferred.link);
    const char *slash = strrchr(name, '/');
    snprintf(process->name, sizeof process->name, "%s", slash && slash[1] ? slash + 1 : name);
    return process;
}

static int check(struct weft_loop *loop, const char *const *arguments)
{
    if (!loop)
        return -EPERM;
    if (!arguments || !arguments[0])
        return weft_fail(-EINVAL, "a process needs its name as first argument");
    if (weft__sys_current()->flags & WEFT_SYS_VIRTUAL_CLOCK)
        return weft_fail(-ENOTSUP, "cannot start %s: a simulated world has no processes",
                         arguments[0]);
    return 0;
}

static void scope_ended(struct weft_deferred *deferred)
{
    weft__process_free(weft__container(deferred, struct weft_process, deferred));
}

int weft_process_spawn(struct weft_scope *scope, const char *const *arguments,
                       const struct weft_process_options *given, struct weft_process **ret)
{
    static const struct weft_task_options in_background = {.size = sizeof in_background,
                                                           .flags = WEFT_BACKGROUND};
    struct weft_process_options options;
    struct weft_loop *loop = weft_loop_current();
    int rc = weft_wait_begin();
    if (rc == 0)
        rc = check(loop, arguments);
    if (rc < 0)
        return rc;
    weft__options_read(&options, sizeof options, given);
    struct weft_process *process = make(loop, &options, arguments[0]);
    if (!process)
        return -ENOMEM;
    rc = weft_scope_defer(scope, &process->deferred, scope_ended);
    if (rc == 0)
        rc = weft_start(scope, &process->guard, &in_background, process->name, WEFT_SITE,
                        weft__process_guard, &process, sizeof process);
    if (rc < 0) {
        weft__process_free(process);
        return rc;
    }
    rc = prepare_and_start(process, &options, arguments);
    if (rc < 0) {
        process->pid = 0;
        weft_process_close(process);
        return rc;
    }
    weft_task_set_name(process->guard, process->name);
    *ret = process;
    return 0;
}
