/* SPDX-License-Identifier: MIT */
/*
 * pipes.c: the pipes of a process by callback
 *
 * Our end of each is a transport, whose protocol passes on what it hears under the number that the
 * pipe has in the process. They are made before the process, which gets copies of its ends, and
 * become transports when it runs; until then our ends are plain descriptors, which whoever fails
 * closes. Of a pipe that is lost, connection_lost has one less to wait for.
 */
#include "transport/subprocess/subprocess.h"

#include <fcntl.h>

/* --- What is heard ----------------------------------------------------------------------- */

static int pipe_data(void *self, struct weft_transport *transport, const void *data, size_t len)
{
    const struct weft__subprocess_pipe *pipe = self;
    struct weft_subprocess *subprocess = pipe->owner;
    int (*received)(void *, struct weft_subprocess *, int, const void *, size_t) =
        weft__subprocess_callback(subprocess, pipe_data_received);
    (void)transport;
    weft__subprocess_tell_made(subprocess);
    int rc = received ? received(subprocess->self, subprocess, pipe->child_fd, data, len) : 0;
    if (rc < 0)
        weft__subprocess_fail(subprocess, rc);
    return 0;
}

static void pipe_lost(void *self, struct weft_transport *transport, int code)
{
    struct weft__subprocess_pipe *pipe = self;
    struct weft_subprocess *subprocess = pipe->owner;
    void (*lost)(void *, struct weft_subprocess *, int, int) =
        weft__subprocess_callback(subprocess, pipe_connection_lost);
    (void)transport;
    weft__subprocess_tell_made(subprocess);
    pipe->transport = NULL;
    if (lost)
        lost(subprocess->self, subprocess, pipe->child_fd, code);
    subprocess->open--;
    weft__subprocess_post(subprocess);
}

static void pipe_pause(void *self, struct weft_transport *transport)
{
    const struct weft__subprocess_pipe *pipe = self;
    void (*pause)(void *, struct weft_subprocess *, int) =
        weft__subprocess_callback(pipe->owner, pause_writing);
    (void)transport;
    if (pause)
        pause(pipe->owner->self, pipe->owner, pipe->child_fd);
}

static void pipe_resume(void *self, struct weft_transport *transport)
{
    const struct weft__subprocess_pipe *pipe = self;
    void (*resume)(void *, struct weft_subprocess *, int) =
        weft__subprocess_callback(pipe->owner, resume_writing);
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

/* --- Laying and connecting --------------------------------------------------------------- */

static const struct weft_process_fd three_pipes[] = {
    {.child_fd = 0, .what = WEFT_PROCESS_PIPE_IN},
    {.child_fd = 1, .what = WEFT_PROCESS_PIPE_OUT},
    {.child_fd = 2, .what = WEFT_PROCESS_PIPE_OUT},
};

/** Makes one pipe; the process gets its end as a copy of ours. */
static int lay_pipe(struct weft_subprocess *subprocess, struct weft__plumbing *plumbing,
                    struct weft_process_fd *fd)
{
    const struct weft_sys *sys = weft__loop_sys(subprocess->loop);
    bool reads = fd->what == WEFT_PROCESS_PIPE_IN;
    size_t number = subprocess->pipe_count;
    int ends[2];
    if (number == WEFT__SUBPROCESS_PIPES)
        return -EINVAL;
    int rc = sys->pipe2(sys, ends, O_CLOEXEC);
    if (rc < 0)
        return rc;
    plumbing->ours[number] = ends[reads];
    plumbing->theirs[number] = ends[!reads];
    plumbing->reads[number] = reads;
    subprocess->pipes[number] = (struct weft__subprocess_pipe){subprocess, fd->child_fd, NULL};
    subprocess->pipe_count++;
    fd->what = WEFT_PROCESS_FD;
    fd->fd = ends[!reads];
    return 0;
}

int weft__subprocess_lay_pipes(struct weft_subprocess *subprocess, struct weft__plumbing *plumbing,
                               struct weft_process_options *options)
{
    const struct weft_process_fd *fds = options->fds ? options->fds : three_pipes;
    size_t count = options->fds ? options->fd_count : 3;
    int rc = count <= WEFT__SUBPROCESS_DESCRIPTORS ? 0 : -EINVAL;
    for (size_t i = 0; i < count && rc == 0; i++) {
        plumbing->fds[i] = fds[i];
        if (fds[i].what == WEFT_PROCESS_PIPE_IN || fds[i].what == WEFT_PROCESS_PIPE_OUT)
            rc = lay_pipe(subprocess, plumbing, &plumbing->fds[i]);
    }
    options->fds = plumbing->fds;
    options->fd_count = count;
    return rc;
}

void weft__subprocess_close_ends(const struct weft_subprocess *subprocess, int *ends)
{
    const struct weft_sys *sys = weft__loop_sys(subprocess->loop);
    for (size_t i = 0; i < subprocess->pipe_count; i++)
        if (ends[i] >= 0)
            (void)weft__close_now(sys, ends[i]);
}

int weft__subprocess_connect_pipes(struct weft_subprocess *subprocess,
                                   struct weft__plumbing *plumbing)
{
    int rc = 0;
    for (size_t i = 0; i < subprocess->pipe_count && rc == 0; i++) {
        struct weft__subprocess_pipe *pipe = &subprocess->pipes[i];
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

void weft__subprocess_disconnect_pipes(struct weft_subprocess *subprocess)
{
    for (size_t i = 0; i < subprocess->pipe_count; i++)
        if (subprocess->pipes[i].transport)
            weft_transport_set_protocol(subprocess->pipes[i].transport, NULL, NULL);
    weft__subprocess_abort_pipes(subprocess);
}

void weft__subprocess_abort_pipes(struct weft_subprocess *subprocess)
{
    for (size_t i = 0; i < subprocess->pipe_count; i++)
        if (subprocess->pipes[i].transport)
            weft_transport_abort(subprocess->pipes[i].transport);
}
