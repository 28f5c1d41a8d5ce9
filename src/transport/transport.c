/* SPDX-License-Identifier: MIT */
/*
 * transport.c: the life of a transport, and in which order its protocol is told
 *
 * connection_made and connection_lost come from the loop: a call that makes one of them due posts
 * the transport to the ready ring, in which it has a place from its making on, so that telling can
 * never fail. If both are due, made comes first. After connection_lost the descriptor is closed;
 * the kernel may take a while to let go of it (io_uring), and only then the loop's reference goes.
 */
#include "transport/internal.h"

#include <netinet/tcp.h>
#include <string.h>

static void transport_set_state(struct weft_transport *transport, enum weft__transport_state state)
{
    weft__assert(state > transport->state);
    transport->state = (unsigned char)state;
}

/** Frees the memory of one that has no descriptor and no user any more. */
static void free_transport(struct weft_transport *transport)
{
    (void)weft_loop_realloc(transport->loop, transport, 0);
}

struct weft_transport *weft_transport_ref(struct weft_transport *transport)
{
    transport->references++;
    return transport;
}

void weft_transport_unref(struct weft_transport *transport)
{
    if (!transport)
        return;
    weft__assert(transport->references > 0);
    if (--transport->references == 0)
        free_transport(transport);
}

/* --- The end ------------------------------------------------------------------------------- */

/** Lets go of all that a transport has but its descriptor. */
static void strip(struct weft_transport *transport)
{
    weft__write_buffer_clear(&transport->buffer, weft__loop_sys(transport->loop));
    transport->datagram_size = 0;
    transport->protocol = NULL;
    transport->self = NULL;
    weft_future_unref(transport->waiter);
    transport->waiter = NULL;
}

/** The loop is freed: nobody is told. */
static void drop_transport(struct weft__errand *errand)
{
    struct weft_transport *transport = weft__container(errand, struct weft_transport, errand);
    weft__loop_leave(transport->loop, errand);
    if (transport->dropped)
        transport->dropped(transport);
    strip(transport);
    if (transport->server)
        weft__protocol_server_detach(transport, false);
    if (transport->fd >= 0)
        (void)weft__close_now(weft__loop_sys(transport->loop), transport->fd);
    transport->fd = -1;
    if (transport->state != WEFT__TRANSPORT_GONE)
        transport_set_state(transport, WEFT__TRANSPORT_GONE);
    weft_transport_unref(transport);
}

static void transport_closed(struct weft__closing *closing, int rc)
{
    (void)rc;
    weft_transport_unref(weft__container(closing, struct weft_transport, closing));
}

/** Tells connection_lost, closes the descriptor, and lets the transport go. */
static void end_transport(struct weft_transport *transport)
{
    void (*lost)(void *, struct weft_transport *, int) =
        weft__transport_callback(transport, connection_lost);
    if (lost)
        lost(transport->self, transport, transport->lost_code);
    strip(transport);
    transport_set_state(transport, WEFT__TRANSPORT_GONE);
    int fd = transport->fd;
    transport->fd = -1;
    weft__loop_leave(transport->loop, &transport->errand);
    if (transport->server)
        weft__protocol_server_detach(transport, true);
    transport->closing.closed = transport_closed;
    if (weft__loop_close_op(transport->loop, fd, &transport->closing) != 0)
        weft_transport_unref(transport);
}

/* --- The beginning ------------------------------------------------------------------------- */

/** Tells the one who asked for the connection; one who has lost interest has it closed. */
static void answer(struct weft_transport *transport)
{
    struct weft_future *waiter = transport->waiter;
    transport->waiter = NULL;
    if (!waiter)
        return;
    if (weft_future_set(waiter, 0, transport) < 0)
        weft_transport_close(transport);
    weft_future_unref(waiter);
}

static void begin_transport(struct weft_transport *transport)
{
    int (*made)(void *, struct weft_transport *) =
        weft__transport_callback(transport, connection_made);
    transport->made_due = false;
    if (made)
        weft__transport_check(transport, made(transport->self, transport));
    weft__transport_watch_in(transport);
    answer(transport);
}

/** From the ready ring: tells what is due. */
static void deliver(void *arg)
{
    struct weft_transport *transport = arg;
    bool ends = !transport->made_due && transport->state == WEFT__TRANSPORT_LOST;
    transport->posted = false;
    if (ends) {
        end_transport(transport);
        return;
    }
    if (transport->made_due)
        begin_transport(transport);
    if (transport->state == WEFT__TRANSPORT_LOST && !transport->posted) {
        transport->posted = true;
        weft__loop_schedule(transport->loop, deliver, transport);
    }
}

static void post_transport(struct weft_transport *transport)
{
    if (transport->posted)
        return;
    transport->posted = true;
    weft__loop_schedule(transport->loop, deliver, transport);
}

int weft__transport_new(struct weft_loop *loop, int fd, enum weft__transport_kind kind,
                        struct weft_transport **ret)
{
    int rc = weft__loop_hold(loop, fd);
    if (rc < 0)
        return rc;
    struct weft_transport *transport = weft_loop_realloc(loop, NULL, sizeof *transport);
    if (transport) {
        memset(transport, 0, sizeof *transport);
        rc = weft__loop_enter(loop, &transport->errand, drop_transport);
    }
    if (!transport || rc < 0) {
        if (transport)
            (void)weft_loop_realloc(loop, transport, 0);
        weft__loop_unhold(loop, fd);
        return -ENOMEM;
    }
    transport->loop = loop;
    transport->fd = fd;
    transport->references = 1;
    transport->kind = (unsigned char)kind;
    transport->limits = (struct weft_transport_limits){WEFT_TRANSPORT_HIGH, WEFT_TRANSPORT_LOW,
                                                       WEFT_TRANSPORT_HARD};
    weft__list_init(&transport->link);
    *ret = transport;
    return 0;
}

int weft__transport_introduce(struct weft_transport *transport, weft_protocol_factory *factory,
                              void *arg)
{
    int rc = factory(arg, &transport->protocol, &transport->self);
    return rc < 0 ? rc : 0;
}

void weft__transport_begin(struct weft_transport *transport)
{
    transport->made_due = true;
    post_transport(transport);
}

void weft__transport_discard(struct weft_transport *transport)
{
    weft__loop_leave(transport->loop, &transport->errand);
    weft__loop_unhold(transport->loop, transport->fd);
    strip(transport);
    transport->fd = -1;
    transport_set_state(transport, WEFT__TRANSPORT_GONE);
    weft_transport_unref(transport);
}

/* --- Closing ------------------------------------------------------------------------------- */

void weft__transport_lose(struct weft_transport *transport, int code)
{
    if (transport->state >= WEFT__TRANSPORT_LOST)
        return;
    transport_set_state(transport, WEFT__TRANSPORT_LOST);
    transport->lost_code = code;
    weft__transport_watch_in(transport);
    weft__transport_watch_out(transport);
    post_transport(transport);
}

void weft__transport_fail(struct weft_transport *transport, int code)
{
    if (transport->state >= WEFT__TRANSPORT_LOST)
        return;
    weft__write_buffer_clear(&transport->buffer, weft__loop_sys(transport->loop));
    transport->datagram_size = 0;
    weft__transport_lose(transport, code);
}

void weft__transport_check(struct weft_transport *transport, int rc)
{
    if (rc < 0)
        weft__transport_fail(transport, rc);
}

void weft_transport_close(struct weft_transport *transport)
{
    if (transport->state != WEFT__TRANSPORT_OPEN)
        return;
    if (transport->buffer.count == 0) {
        weft__transport_lose(transport, 0);
        return;
    }
    transport_set_state(transport, WEFT__TRANSPORT_CLOSING);
    weft__transport_watch_in(transport);
}

void weft_transport_abort(struct weft_transport *transport)
{
    weft__transport_fail(transport, 0);
}

/* --- Questions ----------------------------------------------------------------------------- */

int weft_transport_is_closing(const struct weft_transport *transport)
{
    return transport->state != WEFT__TRANSPORT_OPEN;
}

void weft_transport_set_protocol(struct weft_transport *transport,
                                 const struct weft_protocol *protocol, void *self)
{
    if (transport->state == WEFT__TRANSPORT_GONE)
        return;
    transport->protocol = protocol;
    transport->self = self;
}

const struct weft_protocol *weft_transport_get_protocol(const struct weft_transport *transport,
                                                        void **ret_self)
{
    if (ret_self)
        *ret_self = transport->self;
    return transport->protocol;
}

struct weft_loop *weft_transport_loop(const struct weft_transport *transport)
{
    return transport->loop;
}

int weft_transport_fd(const struct weft_transport *transport)
{
    return transport->fd < 0 ? -EBADF : transport->fd;
}

int weft_transport_local_address(const struct weft_transport *transport, struct weft_address *ret)
{
    const struct weft_sys *sys = weft__loop_sys(transport->loop);
    struct weft_address address;
    address.len = sizeof address.of;
    int rc = transport->fd < 0
                 ? -EBADF
                 : sys->getsockname(sys, transport->fd, &address.of.any, &address.len);
    if (rc == 0)
        *ret = address;
    return rc;
}

int weft_transport_peer_address(const struct weft_transport *transport, struct weft_address *ret)
{
    if (transport->peer.len == 0)
        return -ENOTCONN;
    *ret = transport->peer;
    return 0;
}

/* --- Options ------------------------------------------------------------------------------- */

static void set_on(const struct weft_sys *sys, int fd, int level, int option)
{
    int on = 1;
    /* A connection without it is slower, not wrong. */
    (void)sys->setsockopt(sys, fd, level, option, &on, sizeof on);
}

void weft__transport_set_options(struct weft_loop *loop, int fd, int family,
                                 const struct weft_transport_options *options)
{
    const struct weft_sys *sys = weft__loop_sys(loop);
    if (family != AF_UNIX && !options->delay)
        set_on(sys, fd, IPPROTO_TCP, TCP_NODELAY);
    if (options->keepalive)
        set_on(sys, fd, SOL_SOCKET, SO_KEEPALIVE);
}
