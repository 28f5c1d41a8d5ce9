/* SPDX-License-Identifier: MIT */
/*
 * passing.c: descriptors that travel over Unix sockets
 *
 * They come in the control part of a message and belong to the bytes that they were sent with, but
 * a buffered stream reads ahead, so they are kept in a queue of their own until they are asked for.
 * The queue is bounded: a sender could otherwise use up the receiver's descriptors without ever
 * being read. The calls are rare; they poll and then make the system call themselves, on every
 * engine, where plain reads and writes are operations of the engine.
 */
#include "loop/poller.h"
#include "stream/internal.h"

#include <string.h>
#include <weft/net.h>

/** The most that Linux sends with one message. */
#define MOST 253

/** The control part of a message. */
union control {
    /** Its header, for the alignment. */
    struct cmsghdr header;
    /** Room. */
    char bytes[CMSG_SPACE(MOST * sizeof(int))];
};

int weft__passed_take(struct weft__passed *passed)
{
    if (passed->count == 0)
        return -EAGAIN;
    int fd = passed->fds[0];
    passed->count--;
    memmove(passed->fds, passed->fds + 1, passed->count * sizeof *passed->fds);
    return fd;
}

void weft__passed_close(struct weft__passed *passed)
{
    const struct weft_sys *sys = weft__sys_current();
    while (passed->count > 0)
        (void)sys->close(sys, passed->fds[--passed->count]);
}

/** Keeps one; there is no room: it is closed, and 0. */
static int keep(struct weft__passed *passed, int fd)
{
    const struct weft_sys *sys = weft__sys_current();
    if (passed->count < WEFT__STREAM_PASSED) {
        passed->fds[passed->count++] = fd;
        return 1;
    }
    (void)sys->close(sys, fd);
    return 0;
}

/** Keeps those of a message: 0, or -EMSGSIZE and none is kept. */
static int keep_all(struct weft__passed *passed, struct msghdr *message)
{
    bool fits = !(message->msg_flags & MSG_CTRUNC);
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            fits = keep(passed, fd) && fits;
        }
    }
    if (fits)
        return 0;
    weft__passed_close(passed);
    return weft_fail_at(-EMSGSIZE, "", "more than %d descriptors came and were not taken",
                        WEFT__STREAM_PASSED);
}

ssize_t weft__passing_read(const int *fd, struct weft__passed *passed, void *buf, size_t len)
{
    const struct weft_sys *sys = weft__sys_current();
    for (;;) {
        union control control;
        struct iovec vector = {buf, len};
        struct msghdr message = {.msg_iov = &vector,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof control};
        int ready = weft__stream_poll(fd, POLLIN);
        if (ready < 0)
            return ready;
        ssize_t n = sys->recvmsg(sys, *fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        int rc = n >= 0 ? keep_all(passed, &message) : 0;
        if (n != -EAGAIN && n != -EINTR)
            return rc < 0 ? rc : n;
    }
}

ssize_t weft__passing_send(const int *fd, const int *fds, size_t count, const void *buf, size_t len)
{
    const struct weft_sys *sys = weft__sys_current();
    union control control;
    union {
        const void *in;
        void *out;
    } bytes = {buf};
    struct iovec vector = {bytes.out, len};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control};
    memset(&control, 0, sizeof control);
    message.msg_controllen = CMSG_SPACE(count * sizeof *fds);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(count * sizeof *fds);
    memcpy(CMSG_DATA(&control.header), fds, count * sizeof *fds);
    for (;;) {
        int ready = weft__stream_poll(fd, POLLOUT);
        if (ready < 0)
            return ready;
        ssize_t n = sys->sendmsg(sys, *fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n != -EAGAIN && n != -EINTR)
            return n;
    }
}

/* The calls of a stream. */

/** Sends the rest of the bytes after those that the descriptors went with. */
static int send_rest(struct weft_stream *stream, const char *rest, size_t len)
{
    while (len > 0) {
        ssize_t n = weft__stream_send(stream, rest, len);
        if (n < 0) {
            stream->writing_state = WEFT__STREAM_BROKEN;
            return (int)n;
        }
        rest += n;
        len -= (size_t)n;
    }
    return 0;
}

static int send_fds(struct weft_stream *stream, const int *fds, size_t count, const void *buf,
                    size_t len)
{
    if (!weft__stream_has(stream, send_fds))
        return -ENOTSUP;
    if (count == 0 || count > MOST || len == 0)
        return -EINVAL;
    int rc = weft__stream_drain(stream, 0);
    if (rc < 0)
        return rc;
    ssize_t n = stream->ops->send_fds(stream->self, fds, count, buf, len);
    n = weft__stream_result(stream, n);
    return n < 0 ? (int)n : send_rest(stream, (const char *)buf + n, len - (size_t)n);
}

int weft_stream_send_fds(struct weft_stream *stream, const int *fds, size_t count, const void *buf,
                         size_t len)
{
    int rc = weft__stream_enter_write(stream);
    if (rc < 0)
        return rc;
    rc = send_fds(stream, fds, count, buf, len);
    weft__stream_leave_write(stream);
    return rc;
}

static int recv_fd(struct weft_stream *stream)
{
    for (;;) {
        int fd = weft__stream_has(stream, take_fd) ? stream->ops->take_fd(stream->self) : -ENOTSUP;
        if (fd != -EAGAIN)
            return fd;
        if (weft__bytes_count(&stream->in) >= stream->limit)
            return -EMSGSIZE;
        ssize_t n = weft__stream_fill(stream);
        if (n <= 0)
            return n < 0 ? (int)n : -WEFT_EINCOMPLETE;
    }
}

int weft_stream_recv_fd(struct weft_stream *stream)
{
    int fd = weft__stream_enter_read(stream);
    if (fd < 0)
        return fd;
    fd = recv_fd(stream);
    weft__stream_leave_read(stream);
    return fd;
}
