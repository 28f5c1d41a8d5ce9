/* SPDX-License-Identifier: MIT */
/*
 * connection.c: transports of sockets, connected by us or given
 *
 * An attempt to connect is a descriptor that is watched for writing and a future. Three things can
 * end it: the kernel's answer, a cancellation of the future, and the end of the loop. A socket that
 * is connected gets its protocol from the factory, and the future goes with the transport, which
 * finishes it when connection_made has been called.
 *
 * By name a task connects, with the calls that tasks have, and waits for such a future at the end.
 */
#include "transport/internal.h"

#include <string.h>
#include <weft/resolve.h>

/** An attempt. */
struct attempt {
    /** Its loop. */
    struct weft_loop *loop;
    /** The socket. */
    int fd;
    /** What the maker asked for. */
    struct weft_transport_options options;
    /** Where to. */
    struct weft_address address;
    /** Who gives the protocol. */
    weft_protocol_factory *factory;
    /** Its argument. */
    void *arg;
    /** Told the outcome. */
    struct weft_future *future;
    /** Goes with the loop. */
    struct weft__errand errand;
    /** The close of a socket that did not become a transport. */
    struct weft__closing closing;
};

int weft__transport_of_socket(struct weft_loop *loop, int fd, const struct weft_address *peer,
                              const struct weft_transport_options *options,
                              weft_protocol_factory *factory, void *arg,
                              struct weft_transport **ret)
{
    struct weft_transport *transport;
    int rc = weft__transport_new(loop, fd, WEFT__TRANSPORT_SOCKET, &transport);
    if (rc < 0)
        return rc;
    transport->peer = *peer;
    rc = weft__transport_introduce(transport, factory, arg);
    if (rc < 0) {
        weft__transport_discard(transport);
        return rc;
    }
    weft__transport_set_options(loop, fd, peer->of.any.sa_family, options);
    weft__transport_begin(transport);
    *ret = transport;
    return 0;
}

int weft_loop_connect_accepted_socket(struct weft_loop *loop, int fd,
                                      const struct weft_transport_options *asked,
                                      weft_protocol_factory *factory, void *arg,
                                      struct weft_transport **ret)
{
    const struct weft_sys *sys = weft__loop_sys(loop);
    struct weft_transport_options options;
    struct weft_transport *transport;
    struct weft_address peer = {.len = sizeof peer.of};
    int type = 0;
    socklen_t size = sizeof type;
    weft__options_read(&options, sizeof options, asked);
    int rc = weft__loop_check_thread(loop);
    if (rc == 0)
        rc = sys->getsockopt(sys, fd, SOL_SOCKET, SO_TYPE, &type, &size);
    if (rc == 0 && type != SOCK_STREAM)
        rc = -EPROTOTYPE;
    if (rc == 0)
        rc = sys->getpeername(sys, fd, &peer.of.any, &peer.len);
    if (rc == 0)
        rc = weft__transport_of_socket(loop, fd, &peer, &options, factory, arg, &transport);
    if (rc == 0 && ret)
        *ret = transport;
    return rc;
}

/* --- An attempt ---------------------------------------------------------------------------- */

static void future_over(struct weft_future *future, void *arg);

static void free_attempt(struct attempt *attempt)
{
    (void)weft_loop_realloc(attempt->loop, attempt, 0);
}

static void attempt_closed(struct weft__closing *closing, int rc)
{
    (void)rc;
    free_attempt(weft__container(closing, struct attempt, closing));
}

/** Lets go of all that an attempt has but its socket. */
static void strip_attempt(struct attempt *attempt)
{
    (void)weft_future_remove_callback(attempt->future, future_over, attempt);
    weft_future_unref(attempt->future);
    weft__loop_leave(attempt->loop, &attempt->errand);
}

static void drop_attempt(struct weft__errand *errand)
{
    struct attempt *attempt = weft__container(errand, struct attempt, errand);
    (void)weft__close_now(weft__loop_sys(attempt->loop), attempt->fd);
    strip_attempt(attempt);
    free_attempt(attempt);
}

/** The attempt failed, or nobody wants it any more. */
static void give_attempt_up(struct attempt *attempt, int rc)
{
    (void)weft_future_remove_callback(attempt->future, future_over, attempt);
    (void)weft_future_set(attempt->future, rc, NULL);
    strip_attempt(attempt);
    attempt->closing.closed = attempt_closed;
    if (weft__loop_close_op(attempt->loop, attempt->fd, &attempt->closing) != 0)
        free_attempt(attempt);
}

/** The future is finished, and not by us: it was cancelled. */
static void future_over(struct weft_future *future, void *arg)
{
    (void)future;
    give_attempt_up(arg, -ECANCELED);
}

/** The socket is connected: it becomes a transport. */
static void make_of_attempt(struct attempt *attempt)
{
    struct weft_transport *transport;
    int rc =
        weft__transport_of_socket(attempt->loop, attempt->fd, &attempt->address, &attempt->options,
                                  attempt->factory, attempt->arg, &transport);
    if (rc < 0) {
        give_attempt_up(attempt, rc);
        return;
    }
    transport->waiter = weft_future_ref(attempt->future);
    strip_attempt(attempt);
    free_attempt(attempt);
}

/** The kernel has an answer. */
static void connect_ready(void *arg)
{
    struct attempt *attempt = arg;
    const struct weft_sys *sys = weft__loop_sys(attempt->loop);
    int error = 0;
    socklen_t size = sizeof error;
    (void)weft__loop_watch(attempt->loop, attempt->fd, WEFT__DIRECTION_OUT, NULL, NULL);
    weft__loop_unhold(attempt->loop, attempt->fd);
    int rc = sys->getsockopt(sys, attempt->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (rc == 0)
        rc = -error;
    if (rc < 0)
        give_attempt_up(attempt, rc);
    else
        make_of_attempt(attempt);
}

/** Binds and connects. 0: there is or will be an answer, also when that is an error. */
static int start_attempt(struct attempt *attempt)
{
    const struct weft_sys *sys = weft__loop_sys(attempt->loop);
    const struct weft_address *local = attempt->options.local;
    int rc = local ? sys->bind(sys, attempt->fd, &local->of.any, local->len) : 0;
    if (rc < 0)
        return rc;
    rc = sys->connect(sys, attempt->fd, &attempt->address.of.any, attempt->address.len);
    /* One that is connected can be written to at once; an interrupted connect goes on by itself. */
    if (rc == 0 || rc == -EINPROGRESS || rc == -EINTR)
        return weft__loop_watch(attempt->loop, attempt->fd, WEFT__DIRECTION_OUT, connect_ready,
                                attempt);
    /* The future's callback, future_over, lets go of the rest. */
    return weft_future_set(attempt->future, rc, NULL);
}

/** A socket of ours for an address's family, registered with the loop. */
static int make_socket(struct weft_loop *loop, int family)
{
    const struct weft_sys *sys = weft__loop_sys(loop);
    int fd = sys->socket(sys, family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc = fd < 0 ? fd : weft__loop_own(loop, fd, 1);
    if (rc == 0)
        rc = weft__loop_hold(loop, fd);
    if (fd >= 0 && rc < 0)
        (void)weft__close_now(sys, fd);
    return rc < 0 ? rc : fd;
}

/** Gives an attempt its future and its place in the loop. 0, or -ENOMEM with nothing left. */
static int enter_attempt(struct attempt *attempt)
{
    int rc = weft_future_new(attempt->loop, &attempt->future);
    if (rc < 0)
        return rc;
    rc = weft__loop_enter(attempt->loop, &attempt->errand, drop_attempt);
    if (rc == 0) {
        rc = weft_future_add_callback(attempt->future, future_over, attempt);
        if (rc < 0)
            weft__loop_leave(attempt->loop, &attempt->errand);
    }
    if (rc < 0)
        weft_future_unref(attempt->future);
    return rc;
}

static int begin_attempt(struct attempt *attempt, struct weft_future **ret)
{
    int rc = enter_attempt(attempt);
    if (rc < 0)
        return rc;
    *ret = weft_future_ref(attempt->future);
    rc = start_attempt(attempt);
    if (rc < 0) {
        weft_future_unref(*ret);
        strip_attempt(attempt);
    }
    return rc;
}

/** Closes the socket of one that could not begin: the engine has nothing of it that is in flight,
 *  so that its close needs no room to wait in. */
static void fail_attempt(struct weft_loop *loop, struct attempt *attempt, int fd)
{
    struct weft__closing closing = {0};
    (void)weft__loop_close_op(loop, fd, &closing);
    if (attempt)
        free_attempt(attempt);
}

int weft_loop_create_connection(struct weft_loop *loop, const struct weft_address *address,
                                const struct weft_transport_options *options,
                                weft_protocol_factory *factory, void *arg, struct weft_future **ret)
{
    int rc = weft__loop_check_thread(loop);
    if (rc < 0)
        return rc;
    int fd = make_socket(loop, address->of.any.sa_family);
    if (fd < 0)
        return fd;
    struct weft_future *future;
    struct attempt *attempt = weft_loop_realloc(loop, NULL, sizeof *attempt);
    rc = attempt ? 0 : -ENOMEM;
    if (attempt) {
        memset(attempt, 0, sizeof *attempt);
        weft__options_read(&attempt->options, sizeof attempt->options, options);
        attempt->loop = loop;
        attempt->fd = fd;
        attempt->address = *address;
        attempt->factory = factory;
        attempt->arg = arg;
        rc = begin_attempt(attempt, &future);
    }
    if (rc < 0) {
        fail_attempt(loop, attempt, fd);
        return rc;
    }
    *ret = future;
    return 0;
}

/* --- By name ------------------------------------------------------------------------------- */

/** Waits until connection_made has been called, which finishes `made`. The caller has a reference
 *  to both. */
static int await_made(struct weft_transport *transport, struct weft_future *made)
{
    transport->waiter = weft_future_ref(made);
    int rc = weft_future_wait(made, NULL, NULL);
    if (rc < 0)
        weft_transport_close(transport);
    else if (transport->state == WEFT__TRANSPORT_LOST || transport->state == WEFT__TRANSPORT_GONE)
        rc = transport->lost_code < 0 ? transport->lost_code : -WEFT_ECLOSED;
    return rc;
}

/** Makes a transport of a socket that is connected, which is closed if that fails. */
static int connect_made(struct weft_loop *loop, int fd,
                        const struct weft_transport_options *options,
                        weft_protocol_factory *factory, void *arg, struct weft_transport **ret)
{
    struct weft_transport *transport;
    struct weft_future *made;
    int rc = weft_future_new(loop, &made);
    if (rc == 0) {
        rc = weft_loop_connect_accepted_socket(loop, fd, options, factory, arg, &transport);
        if (rc < 0)
            weft_future_unref(made);
    }
    if (rc < 0) {
        (void)weft_close(fd);
        return rc;
    }
    weft_transport_ref(transport);
    rc = await_made(transport, made);
    weft_future_unref(made);
    weft_transport_unref(transport);
    if (rc == 0 && ret)
        *ret = transport;
    return rc;
}

int weft_transport_connect_host(const char *host, const char *port,
                                const struct weft_connect_options *how,
                                const struct weft_transport_options *options,
                                weft_protocol_factory *factory, void *arg,
                                struct weft_transport **ret)
{
    int fd = weft_tcp_connect_host(host, port, how);
    return fd < 0 ? fd : connect_made(weft_loop_current(), fd, options, factory, arg, ret);
}
