/* SPDX-License-Identifier: MIT */
/*
 * write.c: writing and flow control
 *
 * A write is tried at once; what the kernel does not take is kept and sent when the descriptor is
 * ready. pause_writing is called inside the write that passes the high-water mark, as asyncio does:
 * it is the one callback that may come from inside a call. Errors never do: they are told by
 * connection_lost, from the loop.
 */
#include "transport/internal.h"

/** Vectors that one system call gets; the kernel takes 1,024. */
#define VECTORS_AT_ONCE 1024

size_t weft_transport_get_write_buffer_size(const struct weft_transport *transport)
{
    return transport->kind == WEFT__TRANSPORT_DATAGRAM ? transport->datagram_size
                                                       : transport->buffer.count;
}

void weft__transport_flow(struct weft_transport *transport)
{
    size_t size = weft_transport_get_write_buffer_size(transport);
    if (transport->state >= WEFT__TRANSPORT_LOST)
        return;
    if (!transport->writing_paused && size > transport->limits.high) {
        void (*pause)(void *, struct weft_transport *) =
            weft__transport_callback(transport, pause_writing);
        transport->writing_paused = true;
        if (pause)
            pause(transport->self, transport);
    } else if (transport->writing_paused && size <= transport->limits.low) {
        void (*resume)(void *, struct weft_transport *) =
            weft__transport_callback(transport, resume_writing);
        transport->writing_paused = false;
        if (resume)
            resume(transport->self, transport);
    }
}

int weft__transport_writable(const struct weft_transport *transport)
{
    if (transport->state != WEFT__TRANSPORT_OPEN)
        return -WEFT_ECLOSED;
    return transport->finished ? -EPIPE : 0;
}

/** The first vectors in one system call, as far as a socket or a pipe takes several at once. */
static ssize_t write_vectors(struct weft_transport *transport, const struct iovec *vectors,
                             int count)
{
    const struct weft_sys *sys = weft__loop_sys(transport->loop);
    struct msghdr message = {.msg_iov = weft__transport_bytes(vectors),
                             .msg_iovlen = (size_t)count};
    ssize_t n;
    do
        n = sys->sendmsg(sys, transport->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n == -EINTR);
    return n;
}

/** One write that does not block: bytes, -EAGAIN or an error. */
static ssize_t write_once(struct weft_transport *transport, const struct iovec *vectors, int count)
{
    const struct weft_sys *sys = weft__loop_sys(transport->loop);
    const void *data = vectors[0].iov_base;
    size_t len = vectors[0].iov_len;
    ssize_t n;
    if (transport->kind == WEFT__TRANSPORT_SOCKET) {
        if (count > 1)
            return write_vectors(transport, vectors, count);
        do
            n = sys->sendto(sys, transport->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
        while (n == -EINTR);
        return n;
    }
    struct weft__op op = {
        .code = WEFT__OP_WRITE, .fd = transport->fd, .buf = vectors[0].iov_base, .len = len};
    return weft__loop_try(transport->loop, &op) ? op.result : -EAGAIN;
}

static void send_end(struct weft_transport *transport)
{
    const struct weft_sys *sys = weft__loop_sys(transport->loop);
    int rc = sys->shutdown(sys, transport->fd, SHUT_WR);
    /* Reading tells what became of a peer that is gone. */
    if (rc < 0 && rc != -ENOTCONN)
        weft__transport_fail(transport, rc);
}

/** What is kept became less: tells, and does what waited for the last byte. */
static void after_sending(struct weft_transport *transport)
{
    weft__transport_flow(transport);
    if (transport->state >= WEFT__TRANSPORT_LOST)
        return;
    weft__transport_watch_out(transport);
    if (transport->buffer.count > 0)
        return;
    if (transport->state == WEFT__TRANSPORT_CLOSING)
        weft__transport_lose(transport, 0);
    else if (transport->finished && transport->kind == WEFT__TRANSPORT_SOCKET)
        send_end(transport);
}

void weft__transport_send(void *arg)
{
    struct weft_transport *transport = arg;
    struct weft__write_buffer *buffer = &transport->buffer;
    struct iovec all = {buffer->bytes + buffer->start, buffer->count};
    ssize_t n = write_once(transport, &all, 1);
    if (n >= 0) {
        weft__write_buffer_take(buffer, weft__loop_sys(transport->loop), (size_t)n);
        after_sending(transport);
    } else if (n != -EAGAIN)
        weft__transport_fail(transport, (int)n);
}

void weft__transport_watch_out(struct weft_transport *transport)
{
    bool wanted = transport->state < WEFT__TRANSPORT_LOST && transport->buffer.count > 0;
    if (wanted == transport->watching_out)
        return;
    weft_callback_fn *fn = transport->kind == WEFT__TRANSPORT_DATAGRAM
                               ? weft__transport_send_datagrams
                               : weft__transport_send;
    int rc = weft__loop_watch(transport->loop, transport->fd, WEFT__DIRECTION_OUT,
                              wanted ? fn : NULL, transport);
    transport->watching_out = wanted && rc == 0;
    if (wanted && rc < 0)
        weft__transport_fail(transport, rc);
}

/** Keeps what the kernel did not take: all but the first `sent` bytes. */
static void keep_rest(struct weft_transport *transport, const struct iovec *vectors, int count,
                      size_t sent)
{
    const struct weft_sys *sys = weft__loop_sys(transport->loop);
    int rc = 0;
    for (int i = 0; i < count && rc == 0; i++) {
        const char *bytes = vectors[i].iov_base;
        size_t skipped = sent < vectors[i].iov_len ? sent : vectors[i].iov_len;
        sent -= skipped;
        rc = weft__write_buffer_append(&transport->buffer, sys, bytes + skipped,
                                       vectors[i].iov_len - skipped);
    }
    if (rc < 0)
        weft__transport_fail(transport, rc);
}

/** Bytes of all vectors; SIZE_MAX when they are more. */
static size_t total_of(const struct iovec *vectors, int count)
{
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total = vectors[i].iov_len > SIZE_MAX - total ? SIZE_MAX : total + vectors[i].iov_len;
    return total;
}

/** Writes what goes at once: how much, or an error. */
static ssize_t write_now(struct weft_transport *transport, const struct iovec *vectors, int count)
{
    int step = transport->kind == WEFT__TRANSPORT_SOCKET ? VECTORS_AT_ONCE : 1;
    ssize_t sent = 0;
    for (int i = 0; i < count; i += step) {
        int some = count - i < step ? count - i : step;
        size_t whole = total_of(vectors + i, some);
        ssize_t n = whole > 0 ? write_once(transport, vectors + i, some) : 0;
        if (n < 0)
            return n == -EAGAIN ? sent : n;
        sent += n;
        if ((size_t)n < whole)
            break;
    }
    return sent;
}

int weft_transport_writelines(struct weft_transport *transport, const struct iovec *vectors,
                              int count)
{
    size_t total = total_of(vectors, count), size = transport->buffer.count;
    int rc =
        weft_transport_can_write_eof(transport) ? weft__transport_writable(transport) : -ENOTSUP;
    if (rc < 0 || total == 0)
        return rc;
    if (size > transport->limits.hard || total > transport->limits.hard - size)
        return -ENOBUFS;
    ssize_t n = size > 0 ? 0 : write_now(transport, vectors, count);
    if (n < 0)
        weft__transport_fail(transport, (int)n);
    else if ((size_t)n < total)
        keep_rest(transport, vectors, count, (size_t)n);
    weft__transport_watch_out(transport);
    weft__transport_flow(transport);
    return 0;
}

int weft_transport_write(struct weft_transport *transport, const void *data, size_t len)
{
    struct iovec vector = {.iov_base = weft__transport_bytes(data), .iov_len = len};
    return weft_transport_writelines(transport, &vector, 1);
}

int weft_transport_can_write_eof(const struct weft_transport *transport)
{
    return transport->kind == WEFT__TRANSPORT_SOCKET ||
           transport->kind == WEFT__TRANSPORT_WRITE_PIPE;
}

int weft_transport_write_eof(struct weft_transport *transport)
{
    if (!weft_transport_can_write_eof(transport))
        return -ENOTSUP;
    if (transport->state != WEFT__TRANSPORT_OPEN || transport->finished)
        return 0;
    /* The end of a pipe is its close. */
    if (transport->kind == WEFT__TRANSPORT_WRITE_PIPE) {
        weft_transport_close(transport);
        return 0;
    }
    transport->finished = true;
    if (transport->buffer.count == 0)
        send_end(transport);
    return 0;
}

int weft_transport_set_write_buffer_limits(struct weft_transport *transport,
                                           const struct weft_transport_limits *limits)
{
    if (limits->low > limits->high || limits->high > limits->hard)
        return -EINVAL;
    transport->limits = *limits;
    weft__transport_flow(transport);
    return 0;
}

void weft_transport_get_write_buffer_limits(const struct weft_transport *transport,
                                            struct weft_transport_limits *ret)
{
    *ret = transport->limits;
}
