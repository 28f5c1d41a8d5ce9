/* SPDX-License-Identifier: MIT */
/*
 * accept.c: a task for each listener
 *
 * Accepting fails in three ways. The client is gone already, or its network: the next one. There is
 * no room for one more connection, in descriptors or memory: the queue would still be ready, and
 * asking again at once would spin, so accepting pauses until a connection of ours gives some back,
 * and not longer than the options say, as others may have given some back too. All else is for good
 * and ends the server: the listener is not what it was.
 *
 * At the limit of connections nobody accepts, so clients wait in the backlog. Each of several
 * listeners may already be accepting when the last place goes; such a connection waits here, not
 * served yet, for its turn.
 */
#include "serve/internal.h"

/** How long a report of a shortage holds. */
#define REPORT_INTERVAL WEFT_MIN
/** How many clients that are gone are passed over without a rest. */
#define PASSED_OVER_AT_ONCE 64

/** Waits until there is room for one more connection, or nobody listens any more. */
static int wait_for_room(struct weft__listener *listener, bool accepted)
{
    struct weft_server *server = listener->server;
    int rc = 0;
    if (server->stats.active >= server->options.max_connections)
        server->stats.full++;
    while (rc == 0 && server->stats.active >= server->options.max_connections &&
           (accepted || listener->fd >= 0)) {
        weft_event_clear(&server->changed);
        rc = weft_event_wait(&server->changed);
    }
    return rc;
}

/** What a shortage is reported with. */
struct shortage {
    /** The listener. */
    struct weft__listener *listener;
    /** Why. */
    int rc;
};

/** A task that fails: so the report comes to who hears of failing connections. */
static int report(void *arg)
{
    const struct shortage *shortage = arg;
    const struct weft__listener *listener = shortage->listener;
    char text[WEFT_ADDRESS_TEXT_SIZE];
    return weft_fail_at(shortage->rc, "", "accepting on %s pauses for up to %lld ms",
                        weft_address_format(&listener->address, text, sizeof text),
                        (long long)(listener->server->options.pause / WEFT_MS));
}

static int pause_accepting(struct weft__listener *listener, int why)
{
    struct weft_server *server = listener->server;
    struct weft_time now = weft_after(0);
    server->stats.pauses++;
    if (now.ns >= server->quiet_until.ns) {
        struct shortage shortage = {.listener = listener, .rc = why};
        server->quiet_until.ns = now.ns + REPORT_INTERVAL;
        (void)weft_start_flags(&server->connections, NULL, 0, "acceptor", server->site, report,
                               &shortage, sizeof shortage);
    }
    weft_event_clear(&server->changed);
    int rc = (int)weft_within(server->options.pause, weft_event_wait(&server->changed));
    return rc == -ETIMEDOUT ? 0 : rc;
}

/** The client is gone. So may be the network, or the error one that does not pass: now and then a
 *  rest, or this would spin. */
static int pass_over(struct weft__listener *listener)
{
    listener->server->stats.vanished++;
    return ++listener->passed_over % PASSED_OVER_AT_ONCE == 0 ? weft_sleep(WEFT_MS) : 0;
}

static int accept_failed(struct weft__listener *listener, int rc)
{
    switch (rc) {
    case -EMFILE:
    case -ENFILE:
    case -ENOBUFS:
    case -ENOMEM:
    case -ENOSPC: /* watches of epoll */
    case -EPERM:  /* a firewall's rules, which may change */
        return pause_accepting(listener, rc);
    case -ECONNABORTED:
    case -ECONNRESET:
    case -ETIMEDOUT:
    case -EPROTO:
    case -ENOPROTOOPT:
    case -ENETDOWN:
    case -ENETUNREACH:
    case -EHOSTDOWN:
    case -EHOSTUNREACH:
    case -ENONET:
        return pass_over(listener);
    default:
        return rc;
    }
}

/** Starts serving what was accepted, as soon as there is room. */
static int serve(struct weft__listener *listener, int fd, const struct weft_address *peer)
{
    struct weft_server *server = listener->server;
    server->stats.accepted++;
    listener->passed_over = 0;
    int rc = wait_for_room(listener, true);
    if (rc == 0) {
        rc = weft__connection_start(server, fd, peer);
        if (rc == 0)
            return 0;
        server->stats.dropped++;
    }
    (void)weft_close(fd);
    return rc == -ENOMEM ? pause_accepting(listener, rc) : rc;
}

int weft__accept_run(void *arg)
{
    struct weft__listener *listener = arg;
    int rc = 0;
    while (rc == 0 && listener->fd >= 0) {
        struct weft_address peer;
        rc = wait_for_room(listener, false);
        if (rc < 0 || listener->fd < 0)
            break;
        int fd = weft_accept(listener->fd, &peer);
        rc = fd >= 0            ? serve(listener, fd, &peer)
             : listener->fd < 0 ? 0
                                : accept_failed(listener, fd);
    }
    return rc;
}
