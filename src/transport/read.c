/* SPDX-License-Identifier: MIT */
/*
 * read.c: reading, pausing, and the peer's end
 *
 * One read each time the descriptor is ready, into the loop's own room for that or where the
 * protocol says: a connection that never pauses then takes its turns with the others, and memory to
 * read into is needed once a loop, not once a connection. A transport that is paused, closing, or
 * at the peer's end watches nothing, so that what the peer sends stays in the kernel and the peer
 * is slowed down.
 */
#include "transport/internal.h"

/** One read that does not block: bytes, 0 at the end, -EAGAIN, or an error. */
static ssize_t read_once(struct weft_transport *transport, void *buf, size_t len)
{
    const struct weft_sys *sys = weft__loop_sys(transport->loop);
    ssize_t n;
    if (transport->kind == WEFT__TRANSPORT_SOCKET) {
        do
            n = sys->recvfrom(sys, transport->fd, buf, len, MSG_DONTWAIT, NULL, NULL);
        while (n == -EINTR);
        return n;
    }
    struct weft__op op = {.code = WEFT__OP_READ, .fd = transport->fd, .buf = buf, .len = len};
    return weft__loop_try(transport->loop, &op) ? op.result : -EAGAIN;
}

static void meet_end(struct weft_transport *transport)
{
    int (*eof)(void *, struct weft_transport *) = weft__transport_callback(transport, eof_received);
    transport->ended = true;
    weft__transport_watch_in(transport);
    int rc = eof ? eof(transport->self, transport) : 0;
    weft__transport_check(transport, rc);
    if (rc == 0 || transport->kind == WEFT__TRANSPORT_READ_PIPE)
        weft_transport_close(transport);
}

/** Asks the protocol where to read to; NULL when it has no such wish or no room. */
static void *ask_for_room(struct weft_transport *transport, size_t *len)
{
    void *(*get_buffer)(void *, struct weft_transport *, size_t *) =
        weft__transport_callback(transport, get_buffer);
    if (!get_buffer)
        return weft__loop_scratch(transport->loop);
    void *buf = get_buffer(transport->self, transport, len);
    return *len > 0 ? buf : NULL;
}

static void tell_bytes(struct weft_transport *transport, bool theirs, const void *data, size_t len)
{
    int (*updated)(void *, struct weft_transport *, size_t) =
        weft__transport_callback(transport, buffer_updated);
    int (*received)(void *, struct weft_transport *, const void *, size_t) =
        weft__transport_callback(transport, data_received);
    int rc = 0;
    if (theirs)
        rc = updated ? updated(transport->self, transport, len) : 0;
    else if (received)
        rc = received(transport->self, transport, data, len);
    weft__transport_check(transport, rc);
}

/** The watch's callback. */
static void read_ready(void *arg)
{
    struct weft_transport *transport = arg;
    bool theirs = weft__transport_callback(transport, get_buffer) != NULL;
    size_t len = WEFT_TRANSPORT_READ_SIZE;
    void *buf = ask_for_room(transport, &len);
    if (!transport->watching_in)
        return;
    if (!buf) {
        weft__transport_fail(transport, theirs ? -ENOBUFS : -ENOMEM);
        return;
    }
    ssize_t n = read_once(transport, buf, len);
    if (n > 0)
        tell_bytes(transport, theirs, buf, (size_t)n);
    else if (n == 0)
        meet_end(transport);
    else if (n != -EAGAIN)
        weft__transport_fail(transport, (int)n);
}

int weft_transport_is_reading(const struct weft_transport *transport)
{
    return transport->state == WEFT__TRANSPORT_OPEN && !transport->paused && !transport->ended &&
           transport->kind != WEFT__TRANSPORT_WRITE_PIPE;
}

/** The watch's callback of a writing end: its reader is gone. */
static void peer_gone(void *arg)
{
    struct weft_transport *transport = arg;
    if (transport->buffer.count > 0)
        weft__transport_fail(transport, -EPIPE);
    else
        weft__transport_lose(transport, 0);
}

/** What is to be called when the descriptor is readable; NULL: it is not to be watched now. */
static weft_callback_fn *reader_of(const struct weft_transport *transport)
{
    if (transport->made_due || transport->state >= WEFT__TRANSPORT_LOST)
        return NULL;
    if (transport->kind == WEFT__TRANSPORT_WRITE_PIPE)
        return transport->hears_peer ? peer_gone : NULL;
    if (!weft_transport_is_reading(transport))
        return NULL;
    return transport->kind == WEFT__TRANSPORT_DATAGRAM ? weft__transport_receive : read_ready;
}

void weft__transport_watch_in(struct weft_transport *transport)
{
    weft_callback_fn *fn = reader_of(transport);
    if ((fn != NULL) == transport->watching_in)
        return;
    int rc = weft__loop_watch(transport->loop, transport->fd, WEFT__DIRECTION_IN, fn, transport);
    transport->watching_in = fn && rc == 0;
    if (fn && rc < 0)
        weft__transport_fail(transport, rc);
}

void weft_transport_pause_reading(struct weft_transport *transport)
{
    if (transport->state != WEFT__TRANSPORT_OPEN)
        return;
    transport->paused = true;
    weft__transport_watch_in(transport);
}

void weft_transport_resume_reading(struct weft_transport *transport)
{
    if (transport->state != WEFT__TRANSPORT_OPEN)
        return;
    transport->paused = false;
    weft__transport_watch_in(transport);
}
