/* SPDX-License-Identifier: MIT */
/*
 * server.c: create_server, which makes a transport of each connection it accepts
 *
 * Up to backlog + 1 connections are accepted in a turn, so that neither a crowd at the door starves
 * the others nor a turn is spent on each. Where descriptors or memory lack, accepting pauses for a
 * second and is reported once: the listener stays readable, and to try again at once would spin.
 *
 * References: the user's, the loop's while it listens, and one of each connection.
 */
#include "transport/internal.h"

#include <netinet/in.h>
#include <string.h>

/** How long accepting rests. */
#define PAUSE WEFT_SEC
/** Connections that may wait to be accepted where the maker does not say. */
#define BACKLOG 100

/** A server. */
struct weft_protocol_server {
    /** Its loop. */
    struct weft_loop *loop;
    /** The listening socket; -1 when closed. */
    int fd;
    /** References; see above. */
    unsigned references;
    /** What the maker asked for. */
    struct weft_transport_options options;
    /** Who gives the protocols. */
    weft_protocol_factory *factory;
    /** Its argument. */
    void *arg;
    /** Open connections, in the order in which they were accepted. */
    struct weft_link transports;
    /** How many. */
    size_t count;
    /** Finishes when it is closed and the last connection is lost. */
    struct weft_future *closed;
    /** The end of a pause; NULL while it accepts. */
    struct weft_handle *pause;
    /** Goes with the loop. */
    struct weft__errand errand;
    /** The close of the listening socket. */
    struct weft__closing closing;
};

struct weft_protocol_server *weft_protocol_server_ref(struct weft_protocol_server *server)
{
    server->references++;
    return server;
}

void weft_protocol_server_unref(struct weft_protocol_server *server)
{
    if (!server)
        return;
    weft__assert(server->references > 0);
    if (--server->references > 0)
        return;
    weft_future_unref(server->closed);
    (void)weft_loop_realloc(server->loop, server, 0);
}

/** Tells those who wait, when there is nothing left to be waited for. */
static void tell_closed(struct weft_protocol_server *server)
{
    if (server->fd < 0 && server->count == 0)
        (void)weft_future_set(server->closed, 0, NULL);
}

/** The loop is freed. */
static void drop_server(struct weft__errand *errand)
{
    struct weft_protocol_server *server =
        weft__container(errand, struct weft_protocol_server, errand);
    weft__loop_leave(server->loop, errand);
    (void)weft__close_now(weft__loop_sys(server->loop), server->fd);
    server->fd = -1;
    weft_protocol_server_unref(server);
}

void weft__protocol_server_detach(struct weft_transport *transport, bool tell)
{
    struct weft_protocol_server *server = transport->server;
    transport->server = NULL;
    weft__list_remove(&transport->link);
    server->count--;
    if (tell)
        tell_closed(server);
    weft_protocol_server_unref(server);
}

/* --- Accepting ----------------------------------------------------------------------------- */

static void accept_ready(void *arg);
static void end_pause(void *arg);

/** Rests, unless not even that can be had: then it goes on. */
static void begin_pause(struct weft_protocol_server *server, int code)
{
    int rc = weft_loop_call_later(server->loop, PAUSE, end_pause, server, &server->pause);
    if (rc == 0)
        (void)weft__loop_watch(server->loop, server->fd, WEFT__DIRECTION_IN, NULL, NULL);
    if (server->options.accept_failed)
        server->options.accept_failed(server->options.accept_failed_arg, code);
    else
        weft__report("accepting connections pauses for a second: %s", weft_strerror(code));
}

static void end_pause(void *arg)
{
    struct weft_protocol_server *server = arg;
    server->pause = NULL;
    int rc = weft__loop_watch(server->loop, server->fd, WEFT__DIRECTION_IN, accept_ready, server);
    if (rc < 0)
        begin_pause(server, rc);
}

static bool lacks(int rc)
{
    return rc == -EMFILE || rc == -ENFILE || rc == -ENOBUFS || rc == -ENOMEM;
}

/** Makes a transport of a connection, or closes it. 0 or negative. */
static int welcome(struct weft_protocol_server *server, int fd, const struct weft_address *peer)
{
    struct weft_transport *transport;
    int rc = weft__loop_own(server->loop, fd, 1);
    if (rc == 0)
        rc = weft__transport_of_socket(server->loop, fd, peer, &server->options, server->factory,
                                       server->arg, &transport);
    if (rc < 0) {
        struct weft__closing closing = {0};
        (void)weft__loop_close_op(server->loop, fd, &closing);
        return rc;
    }
    transport->server = weft_protocol_server_ref(server);
    weft__list_append(&server->transports, &transport->link);
    server->count++;
    return 0;
}

/** Accepts one: 1, 0 there is none, or what it lacks. */
static int accept_one(struct weft_protocol_server *server)
{
    const struct weft_sys *sys = weft__loop_sys(server->loop);
    struct weft_address peer = {.len = sizeof peer.of};
    int fd = sys->accept4(sys, server->fd, &peer.of.any, &peer.len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    /* A connection that its peer gave up, and errors of the net below it, are nobody's. */
    if (fd < 0)
        return lacks(fd) ? fd : fd != -EAGAIN;
    int rc = welcome(server, fd, &peer);
    return lacks(rc) ? rc : 1;
}

/** The watch's callback. */
static void accept_ready(void *arg)
{
    struct weft_protocol_server *server = arg;
    int rc = 1;
    /* A factory may close the server, and the last reference with it. */
    weft_protocol_server_ref(server);
    for (int i = 0; i <= server->options.backlog && rc > 0 && server->fd >= 0; i++)
        rc = accept_one(server);
    if (rc < 0 && server->fd >= 0)
        begin_pause(server, rc);
    weft_protocol_server_unref(server);
}

/* --- Making -------------------------------------------------------------------------------- */

static int set_flag(const struct weft_sys *sys, int fd, int level, int option)
{
    int on = 1;
    return sys->setsockopt(sys, fd, level, option, &on, sizeof on);
}

/** Binds and listens. */
static int open_listener(struct weft_protocol_server *server, const struct weft_address *address)
{
    const struct weft_sys *sys = weft__loop_sys(server->loop);
    int fd = server->fd, family = address->of.any.sa_family;
    int rc = family == AF_UNIX ? 0 : set_flag(sys, fd, SOL_SOCKET, SO_REUSEADDR);
    if (rc == 0 && family == AF_INET6)
        rc = set_flag(sys, fd, IPPROTO_IPV6, IPV6_V6ONLY);
    if (rc == 0 && server->options.reuse_port)
        rc = set_flag(sys, fd, SOL_SOCKET, SO_REUSEPORT);
    if (rc == 0)
        rc = sys->bind(sys, fd, &address->of.any, address->len);
    if (rc == 0)
        rc = sys->listen(sys, fd, server->options.backlog);
    if (rc == 0)
        rc = weft__loop_own(server->loop, fd, 1);
    if (rc == 0)
        rc = weft__loop_hold(server->loop, fd);
    if (rc == 0)
        rc = weft__loop_watch(server->loop, fd, WEFT__DIRECTION_IN, accept_ready, server);
    return rc;
}

/** Everything but the server's memory. */
static int open_server(struct weft_protocol_server *server, const struct weft_address *address)
{
    const struct weft_sys *sys = weft__loop_sys(server->loop);
    struct weft__closing closing = {0};
    server->fd =
        sys->socket(sys, address->of.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->fd < 0)
        return server->fd;
    int rc = weft_future_new(server->loop, &server->closed);
    if (rc == 0) {
        rc = weft__loop_enter(server->loop, &server->errand, drop_server);
        if (rc < 0)
            weft_future_unref(server->closed);
    }
    if (rc == 0) {
        rc = open_listener(server, address);
        if (rc < 0) {
            weft__loop_leave(server->loop, &server->errand);
            weft_future_unref(server->closed);
        }
    }
    if (rc < 0)
        (void)weft__loop_close_op(server->loop, server->fd, &closing);
    return rc;
}

int weft_loop_create_server(struct weft_loop *loop, const struct weft_address *address,
                            const struct weft_transport_options *options,
                            weft_protocol_factory *factory, void *arg,
                            struct weft_protocol_server **ret)
{
    int rc = weft__loop_check_thread(loop);
    if (rc < 0)
        return rc;
    struct weft_protocol_server *server = weft_loop_realloc(loop, NULL, sizeof *server);
    if (!server)
        return -ENOMEM;
    memset(server, 0, sizeof *server);
    weft__options_read(&server->options, sizeof server->options, options);
    if (server->options.backlog <= 0)
        server->options.backlog = BACKLOG;
    server->loop = loop;
    server->factory = factory;
    server->arg = arg;
    server->references = 2;
    weft__list_init(&server->transports);
    rc = open_server(server, address);
    if (rc < 0) {
        (void)weft_loop_realloc(loop, server, 0);
        return rc;
    }
    *ret = server;
    return 0;
}

/* --- Closing and questions ----------------------------------------------------------------- */

static void listener_closed(struct weft__closing *closing, int rc)
{
    (void)rc;
    weft_protocol_server_unref(weft__container(closing, struct weft_protocol_server, closing));
}

void weft_protocol_server_close(struct weft_protocol_server *server)
{
    int fd = server->fd;
    if (fd < 0)
        return;
    server->fd = -1;
    weft_handle_cancel(server->pause);
    server->pause = NULL;
    weft__loop_leave(server->loop, &server->errand);
    tell_closed(server);
    server->closing.closed = listener_closed;
    if (weft__loop_close_op(server->loop, fd, &server->closing) != 0)
        weft_protocol_server_unref(server);
}

/** Calls fn for each open connection; fn tells nobody at once, so that the list stays as it is. */
static void each_client(struct weft_protocol_server *server, void (*fn)(struct weft_transport *))
{
    weft__list_each(link, &server->transports)
        fn(weft__container(link, struct weft_transport, link));
}

void weft_protocol_server_close_clients(struct weft_protocol_server *server)
{
    each_client(server, weft_transport_close);
}

void weft_protocol_server_abort_clients(struct weft_protocol_server *server)
{
    each_client(server, weft_transport_abort);
}

int weft_protocol_server_address(const struct weft_protocol_server *server,
                                 struct weft_address *ret)
{
    const struct weft_sys *sys = weft__loop_sys(server->loop);
    struct weft_address address;
    address.len = sizeof address.of;
    int rc =
        server->fd < 0 ? -EBADF : sys->getsockname(sys, server->fd, &address.of.any, &address.len);
    if (rc == 0)
        *ret = address;
    return rc;
}

int weft_protocol_server_is_serving(const struct weft_protocol_server *server)
{
    return server->fd >= 0;
}

size_t weft_protocol_server_connections(const struct weft_protocol_server *server)
{
    return server->count;
}

struct weft_future *weft_protocol_server_wait_closed(struct weft_protocol_server *server)
{
    return server->closed;
}
