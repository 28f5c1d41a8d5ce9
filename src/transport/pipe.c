/* SPDX-License-Identifier: MIT */
/*
 * pipe.c: transports of pipes, terminals and other character devices
 *
 * Their descriptors come from somewhere else, often from the parent process, and so do their flags:
 * they are left as found, and the loop's way of trying without blocking does the rest. What cannot
 * be waited for, a regular file above all, is refused. The writing end of a pipe or socket is also
 * watched for reading: that is how it hears of a reader that is gone.
 */
#include "transport/internal.h"

/** Which kinds of file may be a pipe; *ret_tells: its writing end hears of a reader that goes. */
static int look_at_file(struct weft_loop *loop, int fd, bool *ret_tells)
{
    const struct weft_sys *sys = weft__loop_sys(loop);
    struct stat file;
    int rc = sys->fstat(sys, fd, &file);
    if (rc < 0)
        return rc;
    *ret_tells = S_ISFIFO(file.st_mode) || S_ISSOCK(file.st_mode);
    return *ret_tells || S_ISCHR(file.st_mode) ? 0 : -EINVAL;
}

static int connect_pipe(struct weft_loop *loop, int fd, enum weft__transport_kind kind,
                        weft_protocol_factory *factory, void *arg, struct weft_transport **ret)
{
    struct weft_transport *transport;
    bool tells = false;
    int rc = weft__loop_check_thread(loop);
    if (rc == 0)
        rc = look_at_file(loop, fd, &tells);
    if (rc == 0)
        rc = weft__transport_new(loop, fd, kind, &transport);
    if (rc < 0)
        return rc;
    rc = weft__transport_introduce(transport, factory, arg);
    if (rc < 0) {
        weft__transport_discard(transport);
        return rc;
    }
    transport->hears_peer = tells;
    weft__transport_begin(transport);
    if (ret)
        *ret = transport;
    return 0;
}

int weft_loop_connect_read_pipe(struct weft_loop *loop, int fd, weft_protocol_factory *factory,
                                void *arg, struct weft_transport **ret)
{
    return connect_pipe(loop, fd, WEFT__TRANSPORT_READ_PIPE, factory, arg, ret);
}

int weft_loop_connect_write_pipe(struct weft_loop *loop, int fd, weft_protocol_factory *factory,
                                 void *arg, struct weft_transport **ret)
{
    return connect_pipe(loop, fd, WEFT__TRANSPORT_WRITE_PIPE, factory, arg, ret);
}
