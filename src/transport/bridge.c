/* SPDX-License-Identifier: MIT */
/*
 * bridge.c: streams over transports, and transports of streams
 *
 * The way from callbacks to calls that wait: a protocol that keeps what comes until a task reads
 * it, and a kind of stream that reads there and writes to the transport. Back-pressure works both
 * ways: when nobody reads, the transport pauses reading; while the transport's protocol is paused,
 * writers wait. The other way needs no bridge: a stream gives its descriptor up, and that becomes a
 * transport's.
 *
 *     peer ─▶ transport ─▶ data_received ─▶ bytes ─▶ read      a task
 *     peer ◀─ transport ◀───────── write ◀────────── writev    a task
 *
 * A bridge is freed when both sides have let go of it.
 */
#include "transport/internal.h"

#include <stdio.h>
#include <string.h>
#include <weft/stream.h>
#include <weft/task.h>

/** Above so many unread bytes the transport pauses; at half of them it goes on. */
#define UNREAD (128u * 1024)
/** A write of the stream takes at most so many bytes. */
#define PIECE (64u * 1024)

/** Between a transport and a stream. */
struct bridge {
    /** The loop. */
    struct weft_loop *loop;
    /** The transport; NULL when it is lost. */
    struct weft_transport *transport;
    /** What came and was not read. */
    struct weft__write_buffer unread;
    /** Who waits to read: one task at most. */
    struct weft_waitq reader;
    /** Who waits to write: one task at most. */
    struct weft_waitq writer;
    /** Who waits for the end. */
    struct weft_waitq closer;
    /** Who waits for an end that is certain, and cannot be cut any more; NULL for nobody. */
    struct weft_wait *last;
    /** The peer will send no more. */
    bool ended;
    /** The transport asks not to be written to. */
    bool paused;
    /** The stream was closed. */
    bool closed;
    /** Its close is to be a reset. */
    bool aborted;
    /** The stream was freed. */
    bool freed;
    /** What the transport was lost with. */
    int code;
};

static void free_bridge(struct bridge *bridge)
{
    weft__write_buffer_clear(&bridge->unread, weft__loop_sys(bridge->loop));
    (void)weft_loop_realloc(bridge->loop, bridge, 0);
}

/* --- The protocol -------------------------------------------------------------------------- */

static int bridge_data(void *self, struct weft_transport *transport, const void *data, size_t len)
{
    struct bridge *bridge = self;
    int rc = weft__write_buffer_append(&bridge->unread, weft__loop_sys(bridge->loop), data, len);
    if (rc == 0 && bridge->unread.count > UNREAD)
        weft_transport_pause_reading(transport);
    (void)weft_waitq_wake_all(&bridge->reader, 0);
    return rc;
}

/** The stream decides when our side ends. */
static int bridge_eof(void *self, struct weft_transport *transport)
{
    struct bridge *bridge = self;
    (void)transport;
    bridge->ended = true;
    (void)weft_waitq_wake_all(&bridge->reader, 0);
    return 1;
}

/** The transport lets go: nobody will be told anything more. */
static void lose_bridge(struct bridge *bridge, int code)
{
    bridge->transport = NULL;
    bridge->ended = true;
    bridge->code = code;
    (void)weft_waitq_wake_all(&bridge->reader, 0);
    (void)weft_waitq_wake_all(&bridge->writer, 0);
    (void)weft_waitq_wake_all(&bridge->closer, 0);
    if (bridge->last)
        (void)weft_wake(bridge->last, 0);
    if (bridge->freed)
        free_bridge(bridge);
}

static void bridge_lost(void *self, struct weft_transport *transport, int code)
{
    (void)transport;
    lose_bridge(self, code);
}

static void bridge_pause(void *self, struct weft_transport *transport)
{
    struct bridge *bridge = self;
    (void)transport;
    bridge->paused = true;
}

static void bridge_resume(void *self, struct weft_transport *transport)
{
    struct bridge *bridge = self;
    (void)transport;
    bridge->paused = false;
    (void)weft_waitq_wake_all(&bridge->writer, 0);
}

static const struct weft_protocol bridge_protocol = {
    .size = sizeof bridge_protocol,
    .data_received = bridge_data,
    .eof_received = bridge_eof,
    .connection_lost = bridge_lost,
    .pause_writing = bridge_pause,
    .resume_writing = bridge_resume,
};

/* --- The kind of stream -------------------------------------------------------------------- */

static void describe_bridge(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct bridge *bridge = wait->object;
    snprintf(buf, size, "for the transport of a stream, %zu bytes are unread",
             bridge->unread.count);
}

/** Waits in a queue of the bridge. 0 or -ECANCELED. */
static int wait_on(struct bridge *bridge, struct weft_waitq *queue)
{
    struct weft_wait wait;
    weft_wait_init(&wait, describe_bridge, bridge);
    return (int)weft_waitq_park(queue, &wait);
}

static ssize_t take_unread(struct bridge *bridge, void *buf, size_t len)
{
    struct weft__write_buffer *unread = &bridge->unread;
    size_t n = len < unread->count ? len : unread->count;
    memcpy(buf, unread->bytes + unread->start, n);
    weft__write_buffer_take(unread, weft__loop_sys(bridge->loop), n);
    if (unread->count <= UNREAD / 2 && bridge->transport)
        weft_transport_resume_reading(bridge->transport);
    return (ssize_t)n;
}

static ssize_t bridge_read(void *self, void *buf, size_t len)
{
    struct bridge *bridge = self;
    int rc = weft_wait_begin();
    while (rc == 0) {
        if (bridge->closed)
            return -EBADF;
        if (bridge->unread.count > 0)
            return take_unread(bridge, buf, len);
        if (bridge->ended)
            return bridge->code;
        rc = wait_on(bridge, &bridge->reader);
    }
    return rc;
}

/** What one write takes: all vectors if they are small, else a piece of the first. */
static ssize_t write_some(struct bridge *bridge, const struct iovec *vectors, int count)
{
    size_t total = 0;
    while (vectors->iov_len == 0) {
        vectors++;
        count--;
    }
    for (int i = 0; i < count && total <= PIECE; i++)
        total += vectors[i].iov_len;
    struct iovec piece = *vectors;
    if (total > PIECE) {
        piece.iov_len = piece.iov_len < PIECE ? piece.iov_len : PIECE;
        total = piece.iov_len;
        vectors = &piece;
        count = 1;
    }
    int rc = weft_transport_writelines(bridge->transport, vectors, count);
    return rc < 0 ? rc : (ssize_t)total;
}

static ssize_t bridge_writev(void *self, const struct iovec *vectors, int count)
{
    struct bridge *bridge = self;
    int rc = weft_wait_begin();
    while (rc == 0) {
        if (bridge->closed)
            return -EBADF;
        if (!bridge->transport || weft_transport_is_closing(bridge->transport))
            return bridge->code < 0 ? bridge->code : -EPIPE;
        if (!bridge->paused)
            return write_some(bridge, vectors, count);
        rc = wait_on(bridge, &bridge->writer);
    }
    return rc;
}

static int bridge_shutdown(void *self)
{
    struct bridge *bridge = self;
    return bridge->transport ? weft_transport_write_eof(bridge->transport) : 0;
}

/** Resets the connection, where its kind knows that, instead of ending it. */
static void reset_transport(struct weft_transport *transport)
{
    const struct weft_sys *sys = weft__loop_sys(transport->loop);
    struct linger now = {.l_onoff = 1};
    if (transport->kind == WEFT__TRANSPORT_SOCKET && transport->fd >= 0)
        (void)sys->setsockopt(sys, transport->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    weft_transport_abort(transport);
}

/** Closes the transport, and in a task waits until what it keeps is sent and it is lost. */
static int bridge_close(void *self)
{
    struct bridge *bridge = self;
    struct weft_wait wait;
    bridge->closed = true;
    (void)weft_waitq_wake_all(&bridge->reader, 0);
    (void)weft_waitq_wake_all(&bridge->writer, 0);
    if (!bridge->transport)
        return 0;
    if (bridge->aborted)
        reset_transport(bridge->transport);
    else
        weft_transport_close(bridge->transport);
    if (!weft_current())
        return 0;
    if (wait_on(bridge, &bridge->closer) == 0 || !bridge->transport)
        return bridge->code;
    /* Cut: what is kept is dropped. The end is certain now, and near. */
    reset_transport(bridge->transport);
    weft_wait_init(&wait, describe_bridge, bridge);
    bridge->last = &wait;
    ssize_t woken = weft_park(&wait, NULL);
    return woken < 0 ? (int)woken : -ECANCELED;
}

static void bridge_free(void *self)
{
    struct bridge *bridge = self;
    bridge->freed = true;
    if (!bridge->transport)
        free_bridge(bridge);
}

static void bridge_abort(void *self)
{
    struct bridge *bridge = self;
    bridge->aborted = true;
}

static int bridge_fd(const void *self)
{
    const struct bridge *bridge = self;
    return bridge->transport ? weft_transport_fd(bridge->transport) : -EBADF;
}

static int bridge_address(const void *self, int peer, struct weft_address *ret)
{
    const struct bridge *bridge = self;
    if (!bridge->transport)
        return -ENOTCONN;
    return peer ? weft_transport_peer_address(bridge->transport, ret)
                : weft_transport_local_address(bridge->transport, ret);
}

static const struct weft_stream_ops bridge_ops = {
    .size = sizeof bridge_ops,
    .kind = "transport",
    .read = bridge_read,
    .writev = bridge_writev,
    .shutdown = bridge_shutdown,
    .close = bridge_close,
    .free = bridge_free,
    .abort = bridge_abort,
    .fd = bridge_fd,
    .address = bridge_address,
};

/* --- Making -------------------------------------------------------------------------------- */

/** The loop is freed before the transport was lost. */
static void drop_bridge(struct weft_transport *transport)
{
    lose_bridge(transport->self, -WEFT_ECLOSED);
}

int weft_stream_from_transport(struct weft_transport *transport,
                               const struct weft_stream_options *options, struct weft_stream **ret)
{
    if (transport->kind != WEFT__TRANSPORT_SOCKET)
        return -ENOTSUP;
    if (transport->state != WEFT__TRANSPORT_OPEN)
        return -WEFT_ECLOSED;
    struct bridge *bridge = weft_loop_realloc(transport->loop, NULL, sizeof *bridge);
    if (!bridge)
        return -ENOMEM;
    memset(bridge, 0, sizeof *bridge);
    bridge->loop = transport->loop;
    bridge->transport = transport;
    bridge->ended = transport->ended;
    bridge->paused = transport->writing_paused;
    weft_waitq_init(&bridge->reader);
    weft_waitq_init(&bridge->writer);
    weft_waitq_init(&bridge->closer);
    int rc = weft_stream_new(&bridge_ops, bridge, options, ret);
    if (rc < 0) {
        (void)weft_loop_realloc(transport->loop, bridge, 0);
        return rc;
    }
    weft_transport_set_protocol(transport, &bridge_protocol, bridge);
    transport->dropped = drop_bridge;
    weft_transport_resume_reading(transport);
    return 0;
}

/** Takes the descriptor out of the stream and begins. */
static int take_over(struct weft_stream *stream, struct weft_transport *transport,
                     const struct weft_transport_options *options)
{
    int fd = weft_stream_detach(stream);
    if (fd < 0)
        return fd;
    weft__transport_set_options(transport->loop, fd, transport->peer.of.any.sa_family, options);
    weft__transport_begin(transport);
    return 0;
}

/** The name of the peer of a stream socket. */
static int look_at_socket(struct weft_loop *loop, int fd, struct weft_address *ret)
{
    const struct weft_sys *sys = weft__loop_sys(loop);
    int type = 0;
    socklen_t size = sizeof type;
    ret->len = sizeof ret->of;
    if (sys->getsockopt(sys, fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM)
        return -ENOTSUP;
    return sys->getpeername(sys, fd, &ret->of.any, &ret->len);
}

int weft_transport_from_stream(struct weft_stream *stream,
                               const struct weft_transport_options *asked,
                               weft_protocol_factory *factory, void *arg,
                               struct weft_transport **ret)
{
    struct weft_loop *loop = weft_loop_current();
    struct weft_transport_options options;
    struct weft_transport *transport;
    struct weft_address peer;
    int fd = loop ? weft_stream_fd(stream) : -EPERM;
    weft__options_read(&options, sizeof options, asked);
    int rc = fd < 0 ? fd : look_at_socket(loop, fd, &peer);
    if (rc == 0)
        rc = weft__transport_new(loop, fd, WEFT__TRANSPORT_SOCKET, &transport);
    if (rc < 0)
        return rc;
    transport->peer = peer;
    rc = weft__transport_introduce(transport, factory, arg);
    if (rc == 0)
        rc = take_over(stream, transport, &options);
    if (rc < 0) {
        weft__transport_discard(transport);
        return rc;
    }
    if (ret)
        *ret = transport;
    return 0;
}
