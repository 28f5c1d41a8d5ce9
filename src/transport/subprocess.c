/* SPDX-License-Identifier: MIT */
/*
 * subprocess.c: processes by callback
 *
 * A process of weft/process.h whose pipes are transports instead of streams: what it writes comes
 * by callback. One task in the background of the process's scope owns the whole: it waits for the
 * exit, and ends only when connection_lost has returned, so that no callback comes after the scope.
 * The callbacks themselves run on the loop: the owner posts what it knows to the ready ring.
 *
 *     made ─▶ pipe_data_received* ─▶ pipe_connection_lost (each) ─┐
 *                       process_exited (any time after made) ─────┴─▶ connection_lost
 */
#include "transport/internal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <weft/process.h>
#include <weft/task.h>

/** How many pipes a process may have. */
#define PIPES 16
/** How many descriptors it may be given. */
#define DESCRIPTORS 64

/** One of its pipes. */
struct subprocess_pipe {
    /** Whose. */
    struct weft_subprocess *owner;
    /** Its number in the process. */
    int child_fd;
    /** Our end; NULL when it is lost. */
    struct weft_transport *transport;
};

/** A process by callback. */
struct weft_subprocess {
    /** The loop. */
    struct weft_loop *loop;
    /** The callbacks. */
    const struct weft_subprocess_protocol *protocol;
    /** What they get. */
    void *self;
    /** The process; NULL when the owner has let go of it. */
    struct weft_process *process;
    /** Its number. */
    pid_t pid;
    /** How it ended. */
    struct weft_exit exit;
    /** It has ended, or is not looked after any more. */
    bool ended;
    /** connection_made is due. */
    bool made_due;
    /** process_exited is due. */
    bool exited_due;
    /** connection_lost has returned. */
    bool over;
    /** Stands in the ready ring. */
    bool posted;
    /** What connection_lost gets. */
    int code;
    /** Its pipes. */
    struct subprocess_pipe pipes[PIPES];
    /** How many there were. */
    size_t pipe_count;
    /** How many of them are not lost. */
    size_t open;
    /** The owner, who waits for the end. */
    struct weft_waitq owner;
    /** The owner when it cannot be cut any more; NULL before. */
    struct weft_wait *last;
    /** Goes with the loop; its place in the ready ring. */
    struct weft__errand errand;
};

/** A callback of its protocol, NULL when that has none. */
#define CALLBACK(subprocess, member)                                                               \
    ((subprocess)->protocol->size == 0 ||                                                          \
             (subprocess)->protocol->size >=                                                       \
                 offsetof(struct weft_subprocess_protocol, member) + sizeof(void (*)(void))        \
         ? (subprocess)->protocol->member                                                          \
         : NULL)

static void post_subprocess(struct weft_subprocess *subprocess);

static void abort_pipes(struct weft_subprocess *subprocess)
{
    for (size_t i = 0; i < subprocess->pipe_count; i++)
        if (subprocess->pipes[i].transport)
            weft_transport_abort(subprocess->pipes[i].transport);
}

/** A callback failed: all is ended with its code. */
static void fail_subprocess(struct weft_subprocess *subprocess, int code)
{
    if (subprocess->code == 0)
        subprocess->code = code;
    weft_subprocess_close(subprocess);
}

/* --- Telling ------------------------------------------------------------------------------- */

static void tell_made(struct weft_subprocess *subprocess)
{
    int (*made)(void *, struct weft_subprocess *) = CALLBACK(subprocess, connection_made);
    if (!subprocess->made_due)
        return;
    subprocess->made_due = false;
    int rc = made ? made(subprocess->self, subprocess) : 0;
    if (rc < 0)
        fail_subprocess(subprocess, rc);
}

static void tell_exited(struct weft_subprocess *subprocess)
{
    void (*exited)(void *, struct weft_subprocess *) = CALLBACK(subprocess, process_exited);
    if (!subprocess->exited_due)
        return;
    subprocess->exited_due = false;
    if (exited)
        exited(subprocess->self, subprocess);
}

/** The last callback; the owner frees everything when it runs next. */
static void tell_lost(struct weft_subprocess *subprocess)
{
    void (*lost)(void *, struct weft_subprocess *, int) = CALLBACK(subprocess, connection_lost);
    if (lost)
        lost(subprocess->self, subprocess, subprocess->code);
    subprocess->over = true;
    (void)weft_waitq_wake_all(&subprocess->owner, 0);
    if (subprocess->last)
        (void)weft_wake(subprocess->last, 0);
}

/** From the ready ring. */
static void deliver_subprocess(void *arg)
{
    struct weft_subprocess *subprocess = arg;
    subprocess->posted = false;
    tell_made(subprocess);
    tell_exited(subprocess);
    if (subprocess->ended && subprocess->open == 0 && !subprocess->over && !subprocess->posted)
        tell_lost(subprocess);
}

static void post_subprocess(struct weft_subprocess *subprocess)
{
    if (subprocess->posted)
        return;
    subprocess->posted = true;
    weft__loop_schedule(subprocess->loop, deliver_subprocess, subprocess);
}

/* --- Pipes --------------------------------------------------------------------------------- */

static int pipe_data(void *self, struct weft_transport *transport, const void *data, size_t len)
{
    const struct subprocess_pipe *pipe = self;
    struct weft_subprocess *subprocess = pipe->owner;
    int (*received)(void *, struct weft_subprocess *, int, const void *, size_t) =
        CALLBACK(subprocess, pipe_data_received);
    (void)transport;
    tell_made(subprocess);
    int rc = received ? received(subprocess->self, subprocess, pipe->child_fd, data, len) : 0;
    if (rc < 0)
        fail_subprocess(subprocess, rc);
    return 0;
}

static void pipe_lost(void *self, struct weft_transport *transport, int code)
{
    struct subprocess_pipe *pipe = self;
    struct weft_subprocess *subprocess = pipe->owner;
    void (*lost)(void *, struct weft_subprocess *, int, int) =
        CALLBACK(subprocess, pipe_connection_lost);
    (void)transport;
    tell_made(subprocess);
    pipe->transport = NULL;
    if (lost)
        lost(subprocess->self, subprocess, pipe->child_fd, code);
    subprocess->open--;
    post_subprocess(subprocess);
}

static void pipe_pause(void *self, struct weft_transport *transport)
{
    const struct subprocess_pipe *pipe = self;
    void (*pause)(void *, struct weft_subprocess *, int) = CALLBACK(pipe->owner, pause_writing);
    (void)transport;
    if (pause)
        pause(pipe->owner->self, pipe->owner, pipe->child_fd);
}

static void pipe_resume(void *self, struct weft_transport *transport)
{
    const struct subprocess_pipe *pipe = self;
    void (*resume)(void *, struct weft_subprocess *, int) = CALLBACK(pipe->owner, resume_writing);
    (void)transport;
    if (resume)
        resume(pipe->owner->self, pipe->owner, pipe->child_fd);
}

static const struct weft_protocol pipe_protocol = {
    .size = sizeof pipe_protocol,
    .data_received = pipe_data,
    .connection_lost = pipe_lost,
    .pause_writing = pipe_pause,
    .resume_writing = pipe_resume,
};

static int give_pipe_protocol(void *arg, const struct weft_protocol **ret_protocol, void **ret_self)
{
    *ret_protocol = &pipe_protocol;
    *ret_self = arg;
    return 0;
}

/* --- The owner ----------------------------------------------------------------------------- */

static void describe_owner(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct weft_subprocess *subprocess = wait->object;
    snprintf(buf, size, "for the pipes of process %d, %zu are open", (int)subprocess->pid,
             subprocess->open);
}

/** Waits until connection_lost has returned; cut, it sees to it that this comes soon. */
static void wait_until_over(struct weft_subprocess *subprocess)
{
    struct weft_wait wait;
    weft_wait_init(&wait, describe_owner, subprocess);
    if (!subprocess->over && weft_waitq_park(&subprocess->owner, &wait) < 0 && !subprocess->over) {
        abort_pipes(subprocess);
        weft_wait_init(&wait, describe_owner, subprocess);
        subprocess->last = &wait;
        ssize_t woken = weft_park(&wait, NULL);
        weft__assert(woken == 0);
        (void)woken;
    }
}

static int own_subprocess(void *arg)
{
    struct weft_subprocess *subprocess = arg;
    int rc = weft_process_wait(subprocess->process, &subprocess->exit);
    struct weft_process *process = subprocess->process;
    if (rc < 0) {
        subprocess->process = NULL;
        weft_process_close(process);
        abort_pipes(subprocess);
        if (subprocess->code == 0)
            subprocess->code = rc;
    }
    subprocess->ended = true;
    subprocess->exited_due = rc == 0;
    post_subprocess(subprocess);
    wait_until_over(subprocess);
    if (rc == 0)
        weft_process_close(process);
    weft__loop_leave(subprocess->loop, &subprocess->errand);
    (void)weft_loop_realloc(subprocess->loop, subprocess, 0);
    return 0;
}

/* --- Starting ------------------------------------------------------------------------------ */

/** Pipes while they are made. */
struct plumbing {
    /** What the process gets. */
    struct weft_process_fd fds[DESCRIPTORS];
    /** Ends of pipes: ours, and the process's; -1 closed. */
    int ours[PIPES];
    /** Which of them the process reads. */
    bool reads[PIPES];
    /** The process's ends. */
    int theirs[PIPES];
};

static const struct weft_process_fd three_pipes[] = {
    {.child_fd = 0, .what = WEFT_PROCESS_PIPE_IN},
    {.child_fd = 1, .what = WEFT_PROCESS_PIPE_OUT},
    {.child_fd = 2, .what = WEFT_PROCESS_PIPE_OUT},
};

/** Makes one pipe; the process gets its end as a copy of ours. */
static int lay_pipe(struct weft_subprocess *subprocess, struct plumbing *plumbing,
                    struct weft_process_fd *fd)
{
    const struct weft_sys *sys = weft__loop_sys(subprocess->loop);
    bool reads = fd->what == WEFT_PROCESS_PIPE_IN;
    size_t number = subprocess->pipe_count;
    int ends[2];
    if (number == PIPES)
        return -EINVAL;
    int rc = sys->pipe2(sys, ends, O_CLOEXEC);
    if (rc < 0)
        return rc;
    plumbing->ours[number] = ends[reads];
    plumbing->theirs[number] = ends[!reads];
    plumbing->reads[number] = reads;
    subprocess->pipes[number] = (struct subprocess_pipe){subprocess, fd->child_fd, NULL};
    subprocess->pipe_count++;
    fd->what = WEFT_PROCESS_FD;
    fd->fd = ends[!reads];
    return 0;
}

static int lay_pipes(struct weft_subprocess *subprocess, struct plumbing *plumbing,
                     struct weft_process_options *options)
{
    const struct weft_process_fd *fds = options->fds ? options->fds : three_pipes;
    size_t count = options->fds ? options->fd_count : 3;
    int rc = count <= DESCRIPTORS ? 0 : -EINVAL;
    for (size_t i = 0; i < count && rc == 0; i++) {
        plumbing->fds[i] = fds[i];
        if (fds[i].what == WEFT_PROCESS_PIPE_IN || fds[i].what == WEFT_PROCESS_PIPE_OUT)
            rc = lay_pipe(subprocess, plumbing, &plumbing->fds[i]);
    }
    options->fds = plumbing->fds;
    options->fd_count = count;
    return rc;
}

static void close_ends(const struct weft_subprocess *subprocess, int *ends)
{
    const struct weft_sys *sys = weft__loop_sys(subprocess->loop);
    for (size_t i = 0; i < subprocess->pipe_count; i++)
        if (ends[i] >= 0)
            (void)weft__close_now(sys, ends[i]);
}

/** Our ends become transports. What did not, stays in plumbing->ours. */
static int connect_pipes(struct weft_subprocess *subprocess, struct plumbing *plumbing)
{
    int rc = 0;
    for (size_t i = 0; i < subprocess->pipe_count && rc == 0; i++) {
        struct subprocess_pipe *pipe = &subprocess->pipes[i];
        rc = plumbing->reads[i]
                 ? weft_loop_connect_write_pipe(subprocess->loop, plumbing->ours[i],
                                                give_pipe_protocol, pipe, &pipe->transport)
                 : weft_loop_connect_read_pipe(subprocess->loop, plumbing->ours[i],
                                               give_pipe_protocol, pipe, &pipe->transport);
        if (rc < 0)
            break;
        plumbing->ours[i] = -1;
        subprocess->open++;
    }
    return rc;
}

/** Takes back transports that nobody was told of. */
static void disconnect_pipes(struct weft_subprocess *subprocess)
{
    for (size_t i = 0; i < subprocess->pipe_count; i++)
        if (subprocess->pipes[i].transport)
            weft_transport_set_protocol(subprocess->pipes[i].transport, NULL, NULL);
    abort_pipes(subprocess);
}

static int start_owner(struct weft_subprocess *subprocess, struct weft_scope *scope)
{
    struct weft_task_options options = {
        .size = sizeof options, .name = "subprocess", .flags = WEFT_BACKGROUND};
    return weft_spawn_with(scope, NULL, &options, own_subprocess, subprocess);
}

/** From here on the process runs: whatever fails ends it. */
static int look_after(struct weft_subprocess *subprocess, struct weft_scope *scope,
                      struct plumbing *plumbing)
{
    int rc = connect_pipes(subprocess, plumbing);
    if (rc == 0)
        rc = start_owner(subprocess, scope);
    if (rc < 0) {
        disconnect_pipes(subprocess);
        weft_process_close(subprocess->process);
        return rc;
    }
    subprocess->made_due = true;
    post_subprocess(subprocess);
    return 0;
}

static int start_subprocess(struct weft_subprocess *subprocess, struct weft_scope *scope,
                            const char *const *arguments, const struct weft_process_options *asked)
{
    struct weft_process_options options;
    struct plumbing plumbing;
    weft__options_read(&options, sizeof options, asked);
    options.size = sizeof options;
    int rc = lay_pipes(subprocess, &plumbing, &options);
    if (rc == 0)
        rc = weft_process_spawn(scope, arguments, &options, &subprocess->process);
    close_ends(subprocess, plumbing.theirs);
    if (rc == 0) {
        subprocess->pid = weft_process_pid(subprocess->process);
        rc = look_after(subprocess, scope, &plumbing);
    }
    if (rc < 0)
        close_ends(subprocess, plumbing.ours);
    return rc;
}

/** The owner has ended before the loop is freed; only a forked child comes here with one left. */
static void drop_subprocess(struct weft__errand *errand)
{
    struct weft_subprocess *subprocess = weft__container(errand, struct weft_subprocess, errand);
    weft__loop_leave(subprocess->loop, errand);
    (void)weft_loop_realloc(subprocess->loop, subprocess, 0);
}

int weft_subprocess_exec(struct weft_scope *scope, const char *const *arguments,
                         const struct weft_process_options *options,
                         const struct weft_subprocess_protocol *protocol, void *self,
                         struct weft_subprocess **ret)
{
    struct weft_loop *loop = weft_loop_current();
    if (!loop)
        return -EPERM;
    struct weft_subprocess *subprocess = weft_loop_realloc(loop, NULL, sizeof *subprocess);
    if (!subprocess)
        return -ENOMEM;
    memset(subprocess, 0, sizeof *subprocess);
    subprocess->loop = loop;
    subprocess->protocol = protocol;
    subprocess->self = self;
    weft_waitq_init(&subprocess->owner);
    int rc = weft__loop_enter(loop, &subprocess->errand, drop_subprocess);
    if (rc == 0) {
        rc = start_subprocess(subprocess, scope, arguments, options);
        if (rc < 0)
            weft__loop_leave(loop, &subprocess->errand);
    }
    if (rc < 0) {
        (void)weft_loop_realloc(loop, subprocess, 0);
        return rc;
    }
    if (ret)
        *ret = subprocess;
    return 0;
}

/* --- While it runs ------------------------------------------------------------------------- */

pid_t weft_subprocess_pid(const struct weft_subprocess *subprocess)
{
    return subprocess->pid;
}

int weft_subprocess_exit(const struct weft_subprocess *subprocess, struct weft_exit *ret)
{
    if (!subprocess->ended)
        return -EAGAIN;
    if (!subprocess->process)
        return -ECHILD;
    *ret = subprocess->exit;
    return 0;
}

struct weft_transport *weft_subprocess_pipe(const struct weft_subprocess *subprocess, int child_fd)
{
    for (size_t i = 0; i < subprocess->pipe_count; i++)
        if (subprocess->pipes[i].child_fd == child_fd)
            return subprocess->pipes[i].transport;
    return NULL;
}

int weft_subprocess_signal(struct weft_subprocess *subprocess, int signal)
{
    if (subprocess->ended || !subprocess->process)
        return -ESRCH;
    return weft_process_signal(subprocess->process, signal);
}

void weft_subprocess_close(struct weft_subprocess *subprocess)
{
    abort_pipes(subprocess);
    (void)weft_subprocess_signal(subprocess, SIGKILL);
}
