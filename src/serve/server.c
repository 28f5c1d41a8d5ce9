/* SPDX-License-Identifier: MIT */
/*
 * server.c: the life of a server
 *
 * One way leads from LISTENING to OVER, and every call only moves the server along it: closing
 * twice, draining after closing, joining before or after either are the same. What comes to an end
 * is observed in one place, the task `connections`: it leaves its scopes when the server was closed
 * and the last connection has ended, in whichever order, and then says so.
 *
 * The drain is the deadline of that task's shield. Nothing here waits for a client.
 */
#include "serve/internal.h"

#include "base/assert.h"
#include "base/options.h"

#include <string.h>

static void set_state(struct weft_server *server, enum weft_server_state state)
{
    weft__assert(state > server->state);
    server->state = state;
}

/** The task `connections`. */
static int keep_connections(void *arg)
{
    struct weft_server *server = arg;
    /* A shield is entered with a deadline; this one's is set by the drain. */
    weft_shield_enter_at(&server->shield, WEFT_HOUR, server->site);
    (void)weft_scope_set_deadline(&server->shield, server->deadline);
    weft_scope_enter_at(&server->connections, WEFT_FOREVER, WEFT_SUPERVISE, server->site);
    weft_ready();
    int rc = weft_event_wait(&server->closed);
    rc = weft_scope_exit(&server->connections, rc);
    rc = weft_scope_exit(&server->shield, rc);
    if (server->state == WEFT_SERVER_LISTENING) /* only without memory for a scope */
        (void)weft_server_close(server);
    set_state(server, WEFT_SERVER_OVER);
    weft_event_set(&server->over);
    /* Connections that outlived the drain were cancelled, which is no failure of the server. */
    return rc == -ETIMEDOUT ? 0 : rc;
}

/** The acceptors, until they end: closed, cancelled, or one has failed. */
static int accept_connections(struct weft_server *server)
{
    struct weft_scope scope;
    weft_scope_enter_at(&scope, WEFT_FOREVER, WEFT_FAIL_FAST, server->site);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < server->listener_count; i++)
        rc = weft_go_fn_at(&scope, weft__accept_run, &server->listeners[i], "acceptor",
                           server->site);
    return weft_scope_exit(&scope, rc);
}

/** The task `server`. */
static int run(void *arg)
{
    struct weft_server *server = arg;
    int rc = accept_connections(server);
    (void)weft_server_close(server);
    if (rc == 0)
        rc = weft_event_wait(&server->over);
    if (rc < 0)
        (void)weft_server_drain(server, server->options.grace);
    return rc;
}

/* Opening. */

static void fill_in(struct weft_server *server, const struct weft_serve_options *options)
{
    struct weft_serve_options *own = &server->options;
    *own = *options;
    own->address = NULL;
    own->addresses = NULL;
    own->fds = NULL;
    own->stream = NULL;
    weft__options_read(&server->stream, sizeof server->stream, options->stream);
    own->backlog = own->backlog > 0 ? own->backlog : WEFT_SERVE_BACKLOG;
    own->max_connections = own->max_connections ? own->max_connections : WEFT_SERVE_CONNECTIONS;
    own->grace = own->grace == 0 ? WEFT_SERVE_GRACE : own->grace;
    own->pause = own->pause > 0 ? own->pause : WEFT_SERVE_PAUSE;
    own->close = own->close > 0 ? own->close : WEFT_SERVE_CLOSE;
}

size_t weft__server_size(size_t listeners)
{
    return sizeof(struct weft_server) + listeners * sizeof(struct weft__listener);
}

void weft__server_init(struct weft_server *server, size_t size,
                       const struct weft_serve_options *options)
{
    memset(server, 0, size);
    fill_in(server, options);
    server->deadline.ns = WEFT_FOREVER;
    weft_event_init(&server->closed);
    weft_event_init(&server->over);
    weft_event_init(&server->changed);
    weft__list_init(&server->served);
}

/** Starts both tasks: 0, or the server is closed and whichever runs comes to its end. */
static int start_tasks(struct weft_scope *scope, struct weft_server *server)
{
    const struct weft_task_options options = {.flags = WEFT_START_READY};
    int rc = weft_spawn_with_at(scope, NULL, &options, keep_connections, server, "connections",
                                server->site);
    return rc < 0 ? rc : weft_go_fn_at(scope, run, server, "server", server->site);
}

int weft_server_open_at(struct weft_scope *scope, const struct weft_serve_options *given,
                        weft_serve_fn *fn, void *arg, struct weft_server **ret, const char *site)
{
    struct weft_serve_options options;
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    weft__options_read(&options, sizeof options, given);
    ssize_t count = weft__listeners_count(&options);
    if (count <= 0)
        return count < 0 ? (int)count : weft_fail_at(-EINVAL, "", "a server needs an address");
    size_t size = weft__server_size((size_t)count);
    struct weft_server *server = weft_scope_alloc(scope, size);
    if (!server)
        return -ENOMEM;
    weft__server_init(server, size, &options);
    server->fn = fn;
    server->arg = arg;
    server->site = site;
    rc = weft__listeners_open(server, &options);
    if (rc < 0)
        return rc;
    rc = start_tasks(scope, server);
    if (rc < 0) {
        weft__listeners_give_back(server);
        weft_event_set(&server->closed);
        return rc;
    }
    *ret = server;
    return 0;
}

/* Ending. */

int weft_server_close(struct weft_server *server)
{
    int rc = 0;
    if (server->state != WEFT_SERVER_LISTENING)
        return 0;
    set_state(server, WEFT_SERVER_CLOSED);
    for (size_t i = 0; i < server->listener_count; i++) {
        int closed = weft__listener_close(&server->listeners[i]);
        rc = rc < 0 ? rc : closed;
    }
    weft_event_set(&server->changed);
    weft_event_set(&server->closed);
    return rc;
}

int weft_server_drain(struct weft_server *server, weft_ns grace)
{
    int rc = weft_server_close(server);
    if (server->state == WEFT_SERVER_OVER)
        return rc;
    if (server->state == WEFT_SERVER_CLOSED)
        set_state(server, WEFT_SERVER_DRAINING);
    struct weft_time deadline = weft_after(grace);
    if (deadline.ns < server->deadline.ns) {
        server->deadline = deadline;
        (void)weft_scope_set_deadline(&server->shield, deadline);
    }
    weft__connections_cancel(server, grace <= 0);
    return rc;
}

int weft_server_abort(struct weft_server *server)
{
    int rc = weft_server_drain(server, 0);
    weft__connections_abort(server);
    return rc;
}

int weft_server_join(struct weft_server *server)
{
    if (weft_serve_server() == server)
        return weft_fail_at(-EDEADLK, "", "a handler joins its own server");
    return weft_event_wait(&server->over);
}

/* Looking. */

enum weft_server_state weft_server_state(const struct weft_server *server)
{
    return server->state;
}

void weft_server_get_stats(const struct weft_server *server, struct weft_server_stats *ret)
{
    *ret = server->stats;
}

size_t weft_server_addresses(const struct weft_server *server, struct weft_address *addresses,
                             size_t count)
{
    if (server->state != WEFT_SERVER_LISTENING)
        return 0;
    for (size_t i = 0; i < server->listener_count && i < count; i++)
        addresses[i] = server->listeners[i].address;
    return server->listener_count;
}

size_t weft_server_fds(const struct weft_server *server, int *fds, size_t count)
{
    if (server->state != WEFT_SERVER_LISTENING)
        return 0;
    for (size_t i = 0; i < server->listener_count && i < count; i++)
        fds[i] = server->listeners[i].fd;
    return server->listener_count;
}

void weft_server_keep_paths(struct weft_server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        server->listeners[i].path = (struct weft__path_id){0, 0};
}

void weft_server_take_paths(struct weft_server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        if (server->listeners[i].fd >= 0)
            weft__path_know(&server->listeners[i].address, &server->listeners[i].path);
}
