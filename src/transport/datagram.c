/* SPDX-License-Identifier: MIT */
/*
 * datagram.c: datagram endpoints
 *
 * What cannot be sent at once is kept as records in the transport's buffer, so that an empty
 * datagram is a record as any other: it is sent, in its turn, and counts for the limits. Errors of
 * one datagram do not end the endpoint.
 *
 *     │ struct record │ address │ bytes │ struct record │ address │ bytes │ ...
 */
#include "transport/internal.h"

#include <string.h>

/** What stands before each datagram that is kept. */
struct record {
    /** Bytes of the datagram. */
    size_t len;
    /** Bytes of the address before them; 0: the peer. */
    socklen_t address_len;
};

/** What a datagram counts for. */
static size_t cost(size_t len)
{
    return len + WEFT_TRANSPORT_DATAGRAM_COST;
}

static void tell_error(struct weft_transport *transport, int code)
{
    void (*error)(void *, struct weft_transport *, int) =
        weft__transport_callback(transport, error_received);
    if (error)
        error(transport->self, transport, code);
}

/* --- Receiving ----------------------------------------------------------------------------- */

void weft__transport_receive(void *arg)
{
    struct weft_transport *transport = arg;
    const struct weft_sys *sys = weft__loop_sys(transport->loop);
    int (*received)(void *, struct weft_transport *, const void *, size_t,
                    const struct weft_address *) =
        weft__transport_callback(transport, datagram_received);
    void *buf = weft__loop_scratch(transport->loop);
    struct weft_address from = {.len = sizeof from.of};
    ssize_t n;
    if (!buf) {
        weft__transport_fail(transport, -ENOMEM);
        return;
    }
    do
        n = sys->recvfrom(sys, transport->fd, buf, WEFT__SCRATCH_SIZE, MSG_DONTWAIT, &from.of.any,
                          &from.len);
    while (n == -EINTR);
    if (n >= 0 && received)
        weft__transport_check(transport,
                              received(transport->self, transport, buf, (size_t)n, &from));
    else if (n < 0 && n != -EAGAIN)
        tell_error(transport, (int)n);
}

/* --- Sending ------------------------------------------------------------------------------- */

/** One datagram: 0, -EAGAIN there is no room now, or its error. */
static int send_one(struct weft_transport *transport, const void *data, size_t len,
                    const void *address, socklen_t address_len)
{
    const struct weft_sys *sys = weft__loop_sys(transport->loop);
    ssize_t n;
    do
        n = sys->sendto(sys, transport->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL, address,
                        address_len);
    while (n == -EINTR);
    return n < 0 ? (int)n : 0;
}

static int keep_datagram(struct weft_transport *transport, const void *data, size_t len,
                         const struct weft_address *to)
{
    const struct weft_sys *sys = weft__loop_sys(transport->loop);
    struct record record = {len, to ? to->len : 0};
    struct weft__write_buffer *buffer = &transport->buffer;
    size_t before = buffer->count;
    int rc = weft__write_buffer_append(buffer, sys, &record, sizeof record);
    if (rc == 0 && to)
        rc = weft__write_buffer_append(buffer, sys, &to->of, to->len);
    if (rc == 0)
        rc = weft__write_buffer_append(buffer, sys, data, len);
    if (rc < 0) {
        buffer->count = before;
        if (before == 0)
            weft__write_buffer_clear(buffer, sys);
        return rc;
    }
    transport->datagram_size += cost(len);
    weft__transport_watch_out(transport);
    weft__transport_flow(transport);
    return 0;
}

/** Sends the first one that is kept: 0 sent, -EAGAIN it is still kept, or its error. */
static int send_first(struct weft_transport *transport)
{
    struct weft__write_buffer *buffer = &transport->buffer;
    const char *bytes = buffer->bytes + buffer->start;
    struct record record;
    memcpy(&record, bytes, sizeof record);
    struct weft_address to;
    bytes += sizeof record;
    memcpy(&to.of, bytes, record.address_len);
    bytes += record.address_len;
    int rc = send_one(transport, bytes, record.len, record.address_len ? &to.of : NULL,
                      record.address_len);
    if (rc == -EAGAIN)
        return rc;
    weft__write_buffer_take(buffer, weft__loop_sys(transport->loop),
                            sizeof record + record.address_len + record.len);
    transport->datagram_size -= cost(record.len);
    return rc;
}

void weft__transport_send_datagrams(void *arg)
{
    struct weft_transport *transport = arg;
    int rc = 0;
    while (rc == 0 && transport->buffer.count > 0)
        rc = send_first(transport);
    if (rc < 0 && rc != -EAGAIN)
        tell_error(transport, rc);
    weft__transport_flow(transport);
    weft__transport_watch_out(transport);
    if (transport->buffer.count == 0 && transport->state == WEFT__TRANSPORT_CLOSING)
        weft__transport_lose(transport, 0);
}

/** The address to give the kernel, in *ret, for the one that was asked for. */
static int resolve_target(const struct weft_transport *transport, const struct weft_address *to,
                          const struct weft_address **ret)
{
    bool connected = transport->peer.len > 0;
    if (!connected && !to)
        return -EDESTADDRREQ;
    if (connected && to && !weft_address_equal(to, &transport->peer))
        return -EINVAL;
    *ret = connected ? NULL : to;
    return 0;
}

int weft_transport_sendto(struct weft_transport *transport, const void *data, size_t len,
                          const struct weft_address *to)
{
    if (transport->kind != WEFT__TRANSPORT_DATAGRAM)
        return -ENOTSUP;
    size_t size = transport->datagram_size, hard = transport->limits.hard;
    int rc = weft__transport_writable(transport);
    if (rc == 0)
        rc = resolve_target(transport, to, &to);
    if (rc < 0)
        return rc;
    if (size > hard || len > hard || cost(len) > hard - size)
        return -ENOBUFS;
    if (transport->buffer.count == 0) {
        rc = send_one(transport, data, len, to ? &to->of : NULL, to ? to->len : 0);
        if (rc != -EAGAIN)
            return rc;
    }
    return keep_datagram(transport, data, len, to);
}

/* --- Making -------------------------------------------------------------------------------- */

static int turn_on(const struct weft_sys *sys, int fd, int option)
{
    int on = 1;
    return sys->setsockopt(sys, fd, SOL_SOCKET, option, &on, sizeof on);
}

/** Sets up the socket. 0 or negative; it is the caller's to close. */
static int prepare_socket(struct weft_loop *loop, int fd, const struct weft_address *local,
                          const struct weft_address *remote,
                          const struct weft_transport_options *options)
{
    const struct weft_sys *sys = weft__loop_sys(loop);
    int rc = options->reuse_port ? turn_on(sys, fd, SO_REUSEPORT) : 0;
    if (rc == 0 && options->broadcast)
        rc = turn_on(sys, fd, SO_BROADCAST);
    if (rc == 0 && local)
        rc = sys->bind(sys, fd, &local->of.any, local->len);
    if (rc == 0 && remote && !options->broadcast)
        rc = sys->connect(sys, fd, &remote->of.any, remote->len);
    return rc == 0 ? weft__loop_own(loop, fd, 1) : rc;
}

/** Makes a transport of a socket that is ready for it. */
static int make_endpoint(struct weft_loop *loop, int fd, const struct weft_address *peer,
                         weft_protocol_factory *factory, void *arg, struct weft_transport **ret)
{
    struct weft_transport *transport;
    int rc = weft__transport_new(loop, fd, WEFT__TRANSPORT_DATAGRAM, &transport);
    if (rc < 0)
        return rc;
    rc = weft__transport_introduce(transport, factory, arg);
    if (rc < 0) {
        weft__transport_discard(transport);
        return rc;
    }
    if (peer)
        transport->peer = *peer;
    weft__transport_begin(transport);
    if (ret)
        *ret = transport;
    return 0;
}

int weft_loop_create_datagram_endpoint(struct weft_loop *loop, const struct weft_address *local,
                                       const struct weft_address *remote,
                                       const struct weft_transport_options *asked,
                                       weft_protocol_factory *factory, void *arg,
                                       struct weft_transport **ret)
{
    const struct weft_sys *sys = weft__loop_sys(loop);
    const struct weft_address *one = local ? local : remote;
    struct weft_transport_options options;
    struct weft__closing closing = {0};
    weft__options_read(&options, sizeof options, asked);
    int rc = one ? weft__loop_check_thread(loop) : -EINVAL;
    if (rc < 0)
        return rc;
    int fd = sys->socket(sys, one->of.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fd;
    rc = prepare_socket(loop, fd, local, remote, &options);
    if (rc == 0)
        rc = make_endpoint(loop, fd, options.broadcast ? NULL : remote, factory, arg, ret);
    if (rc < 0)
        (void)weft__loop_close_op(loop, fd, &closing);
    return rc;
}
