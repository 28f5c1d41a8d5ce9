/* SPDX-License-Identifier: MIT */
/*
 * try.c: each operation's system call, made so that it cannot block
 *
 * The file may be in blocking mode, and its flags are not ours to change. What there is instead:
 *
 *     sockets          MSG_DONTWAIT; sends also MSG_NOSIGNAL, so that a gone peer is -EPIPE alone
 *                      (writes to a socket are sends)
 *     pipes and more   RWF_NOWAIT, where the file knows it
 *     terminals ...    poll(2) first, then read(2), or write(2) of at most PIPE_BUF bytes
 *     regular files    read(2), write(2): they do not wait in the sense meant here
 *     accept           poll(2) first unless the listener is non-blocking
 *     connect          a send timeout of one microsecond for the length of the call unless the
 *                      socket is non-blocking; then POLLOUT, and SO_ERROR tells
 *
 * Two of these have a limit. Between poll(2) and the call another process may take what was there:
 * on a terminal or a blocking listener that is shared with other readers the call then waits. And
 * the kernel rounds the send timeout up to one tick of its clock, so that a connect over a slow net
 * on a blocking socket holds the loop for that long, once. Sockets that weft makes are
 * non-blocking.
 *
 * What a try found out about the file it leaves in op->engine_flags for the next one, and for owned
 * descriptors, whose file cannot change, in the entry.
 */
#include "loop/poller_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/time.h>

/* glibc 2.31 has it; other libcs of that age may not. */
#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

/* Bits of op->engine_flags; io_uring has those from 32 on. */

/** Not a socket. */
#define NOT_SOCKET 1u
/** Does not know RWF_NOWAIT. */
#define NO_NOWAIT 2u
/** In non-blocking mode. */
#define NONBLOCKING 4u
/** What holds for the file, not for the one operation. */
#define KIND (NOT_SOCKET | NO_NOWAIT | NONBLOCKING)
/** A connect is under way in the kernel. */
#define CONNECTING 8u
/** -EAGAIN is the result, not a reason to wait. */
#define FINAL 16u

/** Marks an op and gives the value that follows. */
static ssize_t marked(struct weft__op *op, unsigned mark, ssize_t value)
{
    op->engine_flags |= (unsigned char)mark;
    return value;
}

/** Whether one of `events` holds now: 1, 0, or an error. */
static int ready(const struct weft_sys *sys, int fd, unsigned events, unsigned *ret)
{
    struct pollfd now = {.fd = fd, .events = (short)events};
    int rc = weft__sys_call(sys, poll, &now, 1, 0);
    if (rc > 0 && now.revents & POLLNVAL)
        return -EBADF;
    if (rc > 0 && ret)
        *ret = (unsigned)now.revents;
    return rc;
}

/** Files that are always ready answer RWF_NOWAIT with -EAGAIN when a block is not in memory. */
static int always_ready(const struct weft_sys *sys, int fd)
{
    struct stat file;
    if (weft__sys_call(sys, fstat, fd, &file) < 0)
        return 0;
    return S_ISREG(file.st_mode) || S_ISBLK(file.st_mode) || S_ISDIR(file.st_mode);
}

static int nonblocking(const struct weft_sys *sys, struct weft__op *op)
{
    if (op->engine_flags & NONBLOCKING)
        return 1;
    int flags = weft__sys_call(sys, fcntl, op->fd, F_GETFL, 0);
    if (flags < 0 || !(flags & O_NONBLOCK))
        return 0;
    return (int)marked(op, NONBLOCKING, 1);
}

/* --- Reading and writing ------------------------------------------------------------------- */

/** Whether RWF_NOWAIT settled it; else the file needs the next way. */
static int nowait_settled(const struct weft_sys *sys, struct weft__op *op, ssize_t rc)
{
    if (rc == -EOPNOTSUPP || rc == -ENOSYS || (rc == -EAGAIN && always_ready(sys, op->fd)))
        return (int)marked(op, NO_NOWAIT, 0);
    return 1;
}

/** 1, -EAGAIN or an error. A file that was opened for the other direction alone never is ready: it
 *  gives the -EBADF of the system call that is not made. */
static int ready_or_wrong(const struct weft_sys *sys, int fd, unsigned events, int wrong_mode)
{
    int rc = ready(sys, fd, events, NULL);
    if (rc != 0)
        return rc;
    int flags = weft__sys_call(sys, fcntl, fd, F_GETFL, 0);
    return flags >= 0 && (flags & O_ACCMODE) == wrong_mode ? -EBADF : -EAGAIN;
}

static ssize_t try_read(const struct weft_sys *sys, struct weft__op *op)
{
    ssize_t rc;
    if (op->len == 0)
        return weft__sys_call(sys, read, op->fd, op->buf, 0);
    if (!(op->engine_flags & NOT_SOCKET)) {
        rc = weft__sys_call(sys, recvfrom, op->fd, op->buf, op->len, MSG_DONTWAIT, NULL, NULL);
        if (rc != -ENOTSOCK)
            return rc;
        marked(op, NOT_SOCKET, 0);
    }
    if (!(op->engine_flags & NO_NOWAIT)) {
        rc = weft__sys_call(sys, read_flags, op->fd, op->buf, op->len, RWF_NOWAIT);
        if (nowait_settled(sys, op, rc))
            return rc;
    }
    rc = ready_or_wrong(sys, op->fd, POLLIN, O_WRONLY);
    return rc > 0 ? weft__sys_call(sys, read, op->fd, op->buf, op->len) : rc;
}

/** write(2) to a file that may be in blocking mode, after POLLOUT. A pipe that is ready for writing
 *  takes PIPE_BUF bytes without waiting; more could block. */
static ssize_t write_ready(const struct weft_sys *sys, struct weft__op *op)
{
    ssize_t rc = ready_or_wrong(sys, op->fd, POLLOUT, O_RDONLY);
    if (rc <= 0)
        return rc;
    size_t len = op->len;
    if (len > PIPE_BUF && !always_ready(sys, op->fd))
        len = PIPE_BUF;
    return weft__sys_call(sys, write, op->fd, op->buf, len);
}

static ssize_t try_write(const struct weft_sys *sys, struct weft__op *op)
{
    ssize_t rc;
    if (!(op->engine_flags & NOT_SOCKET)) {
        rc = weft__sys_call(sys, sendto, op->fd, op->buf, op->len, MSG_DONTWAIT | MSG_NOSIGNAL,
                            NULL, 0);
        if (rc != -ENOTSOCK)
            return rc;
        marked(op, NOT_SOCKET, 0);
    }
    if (!(op->engine_flags & NO_NOWAIT)) {
        rc = weft__sys_call(sys, write_flags, op->fd, op->buf, op->len, RWF_NOWAIT);
        if (nowait_settled(sys, op, rc))
            return rc;
    }
    return write_ready(sys, op);
}

/** As write_ready, for vectors: whole where they may be, else what one write may take. */
static ssize_t writev_ready(const struct weft_sys *sys, struct weft__op *op)
{
    const struct iovec *vectors = op->buf;
    ssize_t rc = ready_or_wrong(sys, op->fd, POLLOUT, O_RDONLY);
    if (rc <= 0)
        return rc;
    size_t total = 0;
    for (size_t i = 0; i < op->len && total <= PIPE_BUF; i++)
        total += vectors[i].iov_len;
    if (total <= PIPE_BUF || always_ready(sys, op->fd))
        return weft__sys_call(sys, writev, op->fd, vectors, (int)op->len);
    while (vectors->iov_len == 0)
        vectors++;
    size_t len = vectors->iov_len < PIPE_BUF ? vectors->iov_len : PIPE_BUF;
    return weft__sys_call(sys, write, op->fd, vectors->iov_base, len);
}

static ssize_t try_writev(const struct weft_sys *sys, struct weft__op *op)
{
    ssize_t rc;
    if (!(op->engine_flags & NOT_SOCKET)) {
        struct msghdr message = {.msg_iov = op->buf, .msg_iovlen = op->len};
        rc = weft__sys_call(sys, sendmsg, op->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (rc != -ENOTSOCK)
            return rc;
        marked(op, NOT_SOCKET, 0);
    }
    if (!(op->engine_flags & NO_NOWAIT)) {
        rc = weft__sys_call(sys, writev_flags, op->fd, op->buf, (int)op->len, RWF_NOWAIT);
        if (nowait_settled(sys, op, rc))
            return rc;
    }
    return writev_ready(sys, op);
}

/* --- Sockets ------------------------------------------------------------------------------- */

/** The caller's own MSG_DONTWAIT means that it does not want to wait at all. */
static ssize_t unless_asked_not_to_wait(struct weft__op *op, ssize_t rc)
{
    return rc == -EAGAIN && op->flags & MSG_DONTWAIT ? marked(op, FINAL, rc) : rc;
}

static ssize_t try_recv(const struct weft_sys *sys, struct weft__op *op)
{
    ssize_t rc = weft__sys_call(sys, recvfrom, op->fd, op->buf, op->len, op->flags | MSG_DONTWAIT,
                                op->address, op->address_len);
    return unless_asked_not_to_wait(op, rc);
}

static ssize_t try_send(const struct weft_sys *sys, struct weft__op *op)
{
    socklen_t address_len = op->address_len ? *op->address_len : 0;
    ssize_t rc = weft__sys_call(sys, sendto, op->fd, op->buf, op->len,
                                op->flags | MSG_DONTWAIT | MSG_NOSIGNAL, op->address, address_len);
    return unless_asked_not_to_wait(op, rc);
}

static ssize_t try_recvmsg(const struct weft_sys *sys, struct weft__op *op)
{
    ssize_t rc = weft__sys_call(sys, recvmsg, op->fd, op->buf, op->flags | MSG_DONTWAIT);
    return unless_asked_not_to_wait(op, rc);
}

static ssize_t try_sendmsg(const struct weft_sys *sys, struct weft__op *op)
{
    ssize_t rc =
        weft__sys_call(sys, sendmsg, op->fd, op->buf, op->flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    return unless_asked_not_to_wait(op, rc);
}

static ssize_t try_recvmmsg(const struct weft_sys *sys, struct weft__op *op)
{
    ssize_t rc =
        weft__sys_call(sys, recvmmsg, op->fd, op->buf, (unsigned)op->len, op->flags | MSG_DONTWAIT);
    return unless_asked_not_to_wait(op, rc);
}

static ssize_t try_sendmmsg(const struct weft_sys *sys, struct weft__op *op)
{
    ssize_t rc = weft__sys_call(sys, sendmmsg, op->fd, op->buf, (unsigned)op->len,
                                op->flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    return unless_asked_not_to_wait(op, rc);
}

static ssize_t try_accept(const struct weft_sys *sys, struct weft__op *op)
{
    if (!nonblocking(sys, op)) {
        int rc = ready(sys, op->fd, POLLIN, NULL);
        if (rc <= 0)
            return rc < 0 ? rc : -EAGAIN;
    }
    ssize_t rc = weft__sys_call(sys, accept4, op->fd, op->address, op->address_len, op->flags);
    /* A connection that its peer gave up before it was accepted is nobody's: the next one counts.
     * The caller's loop comes back here, as after -EINTR. */
    return rc == -ECONNABORTED ? -EINTR : rc;
}

/** connect(2) on a blocking socket, cut off at once by a send timeout: it then goes on by itself.
 */
static ssize_t connect_briefly(const struct weft_sys *sys, struct weft__op *op, socklen_t len)
{
    struct timeval before = {0}, brief = {.tv_usec = 1};
    socklen_t size = sizeof before;
    ssize_t rc = weft__sys_call(sys, getsockopt, op->fd, SOL_SOCKET, SO_SNDTIMEO, &before, &size);
    if (rc == 0)
        rc = weft__sys_call(sys, setsockopt, op->fd, SOL_SOCKET, SO_SNDTIMEO, &brief, sizeof brief);
    if (rc < 0)
        return rc;
    rc = weft__sys_call(sys, connect, op->fd, op->address, len);
    (void)weft__sys_call(sys, setsockopt, op->fd, SOL_SOCKET, SO_SNDTIMEO, &before, sizeof before);
    return rc;
}

static ssize_t connect_first(const struct weft_sys *sys, struct weft__op *op)
{
    socklen_t len = op->address_len ? *op->address_len : 0;
    ssize_t rc = nonblocking(sys, op) ? weft__sys_call(sys, connect, op->fd, op->address, len)
                                      : connect_briefly(sys, op, len);
    /* An interrupted connect goes on by itself, and another call for it is -EALREADY. */
    if (rc == -EINPROGRESS || rc == -EINTR || rc == -EALREADY)
        return marked(op, CONNECTING, -EAGAIN);
    /* A Unix socket whose listener's queue is full: nothing tells when there is room again. */
    return rc == -EAGAIN ? marked(op, FINAL, rc) : rc;
}

static ssize_t connect_outcome(const struct weft_sys *sys, struct weft__op *op)
{
    int error = 0;
    socklen_t size = sizeof error;
    int rc = ready(sys, op->fd, POLLOUT, NULL);
    if (rc <= 0)
        return rc < 0 ? rc : -EAGAIN;
    rc = weft__sys_call(sys, getsockopt, op->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return rc < 0 ? rc : -error;
}

static ssize_t try_connect(const struct weft_sys *sys, struct weft__op *op)
{
    return op->engine_flags & CONNECTING ? connect_outcome(sys, op) : connect_first(sys, op);
}

/* --- What need not be tried ------------------------------------------------------------------ */

/** The protocol of a socket; 0 where it is none, and where headers know POSIX alone: no engine that
 *  such a system has would use it. */
static int protocol_of(const struct weft_sys *sys, int fd)
{
    int protocol = 0;
#ifdef SO_PROTOCOL
    socklen_t size = sizeof protocol;
    (void)weft__sys_call(sys, getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size);
#else
    (void)sys, (void)fd;
#endif
    return protocol;
}

/** Whether the descriptor is a TCP socket; asked once for each that weft owns. */
static int is_tcp(const struct weft_sys *sys, struct weft__descriptor *descriptor)
{
    const unsigned known = WEFT__DESCRIPTOR_TCP | WEFT__DESCRIPTOR_NOT_TCP;
    if (!(descriptor->flags & known))
        descriptor->flags |= protocol_of(sys, descriptor->fd) == IPPROTO_TCP
                                 ? WEFT__DESCRIPTOR_TCP
                                 : WEFT__DESCRIPTOR_NOT_TCP;
    return (descriptor->flags & WEFT__DESCRIPTOR_TCP) != 0;
}

/**
 * A read that got less than it had room for has emptied a TCP socket, and where the engine tells of
 * each arrival the next read need not be tried before it does (epoll(7), questions and answers).
 * But for three cases: an end that came together with the bytes is told of once, with them, as are
 * errors; a read stops before urgent data; and a Unix socket stops between messages that carry
 * descriptors.
 */
static void note_dry(const struct weft_sys *sys, struct weft__descriptor *descriptor,
                     const struct weft__op *op, ssize_t rc)
{
    unsigned told = descriptor->flags & (WEFT__DESCRIPTOR_TOLD | WEFT__DESCRIPTOR_ALARMED);
    if (rc > 0 && (size_t)rc < op->len && op->flags == 0 && told == WEFT__DESCRIPTOR_TOLD &&
        (op->code == WEFT__OP_READ || op->code == WEFT__OP_RECV) &&
        !(op->engine_flags & NOT_SOCKET) && is_tcp(sys, descriptor))
        descriptor->flags |= WEFT__DESCRIPTOR_DRY;
}

int weft__readiness_dry(const struct weft__descriptor *descriptor, const struct weft__op *op)
{
    return descriptor && descriptor->flags & WEFT__DESCRIPTOR_DRY && op->flags == 0 &&
           op->len > 0 && (op->code == WEFT__OP_READ || op->code == WEFT__OP_RECV);
}

/* --- All ----------------------------------------------------------------------------------- */

static ssize_t try_poll(const struct weft_sys *sys, struct weft__op *op)
{
    unsigned got = 0;
    int rc = ready(sys, op->fd, op->events, &got);
    return rc < 0 ? rc : rc == 0 ? -EAGAIN : (ssize_t)got;
}

static ssize_t call_once(const struct weft_sys *sys, struct weft__op *op)
{
    switch ((enum weft__op_code)op->code) {
    case WEFT__OP_POLL:
        return try_poll(sys, op);
    case WEFT__OP_READ:
        return try_read(sys, op);
    case WEFT__OP_WRITE:
        return try_write(sys, op);
    case WEFT__OP_RECV:
        return try_recv(sys, op);
    case WEFT__OP_SEND:
        return try_send(sys, op);
    case WEFT__OP_ACCEPT:
        return try_accept(sys, op);
    case WEFT__OP_CONNECT:
        return try_connect(sys, op);
    case WEFT__OP_RECVMSG:
        return try_recvmsg(sys, op);
    case WEFT__OP_SENDMSG:
        return try_sendmsg(sys, op);
    case WEFT__OP_WRITEV:
        return try_writev(sys, op);
    case WEFT__OP_RECVMMSG:
        return try_recvmmsg(sys, op);
    case WEFT__OP_SENDMMSG:
        return try_sendmmsg(sys, op);
    }
    return -EINVAL;
}

int weft__readiness_try(struct weft__poller *poller, struct weft__op *op)
{
    struct weft__descriptor *descriptor = weft__descriptor_find(poller, op->fd);
    int owned = descriptor && descriptor->flags & WEFT__DESCRIPTOR_OWNED;
    if (owned)
        op->engine_flags |= (unsigned char)(descriptor->flags >> WEFT__DESCRIPTOR_KIND_SHIFT);
    ssize_t rc;
    do
        rc = call_once(poller->sys, op);
    while (rc == -EINTR);
    /* Of others nothing is remembered: the number may be another file's by the next time. */
    if (descriptor)
        descriptor->flags &= (1u << WEFT__DESCRIPTOR_KIND_SHIFT) - 1;
    if (owned)
        descriptor->flags |= (op->engine_flags & KIND) << WEFT__DESCRIPTOR_KIND_SHIFT;
    if (owned)
        note_dry(poller->sys, descriptor, op, rc);
    if (rc == -EAGAIN && !(op->engine_flags & FINAL))
        return 0;
    op->result = rc;
    return 1;
}
