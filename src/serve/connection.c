/* SPDX-License-Identifier: MIT */
/*
 * connection.c: a task for each connection
 *
 * It owns the descriptor from its start, makes a stream of it, calls the handler in a scope of its
 * own, and closes the stream. That scope is how an idle connection is cancelled alone, and what it
 * was cancelled for counts as "done". Closing sends what the handler put, so it has a limit of its
 * own: a client that does not read must not keep a place for ever.
 *
 * The record lies on the task's stack. Handlers find it by a task-local.
 */
#include "serve/internal.h"

/** A connection that is served. */
struct weft__connection {
    /** Membership in server->served. */
    struct weft_link link;
    /** Its server. */
    struct weft_server *server;
    /** Its stream. */
    struct weft_stream *stream;
    /** Around the handler. */
    struct weft_scope scope;
    /** The handler said that nothing is lost with it. */
    bool idle;
    /** It was cut short by a drain. */
    bool cancelled;
    /** It ends with a reset, by its own task: whoever asked must not wait for it. */
    bool reset;
};

/** What the task of a connection is started with. */
struct start {
    /** The server. */
    struct weft_server *server;
    /** The descriptor. */
    int fd;
};

/** The connection that a task serves. */
static const struct weft_local current_connection = {"connection"};

/** Calls the handler; whether it was cut short is noted in the record. */
static int run_handler(struct weft__connection *connection)
{
    struct weft_server *server = connection->server;
    weft__list_append(&server->served, &connection->link);
    weft_scope_enter_at(&connection->scope, WEFT_FOREVER, WEFT_FAIL_FAST, server->site);
    int rc = weft_local_set(&current_connection, connection);
    if (rc == 0)
        rc = server->fn(connection->stream, server->arg);
    if (rc == -ECANCELED && weft_cancelled())
        connection->cancelled = true;
    rc = weft_scope_exit(&connection->scope, rc);
    weft__list_remove(&connection->link);
    return rc;
}

static int serve(struct weft__connection *connection, int fd)
{
    struct weft_server *server = connection->server;
    int rc = weft_stream_from_fd(fd, &server->stream, &connection->stream);
    if (rc < 0) {
        (void)weft_close(fd);
        return rc;
    }
    rc = run_handler(connection);
    if (connection->reset)
        weft_stream_abort(connection->stream);
    int closed = (int)weft_within(server->options.close, weft_stream_close(connection->stream));
    if (closed == -ECANCELED)
        connection->cancelled = true;
    return rc < 0 ? rc : closed;
}

static int run(void *arg)
{
    const struct start *start = arg;
    struct weft_server_stats *stats = &start->server->stats;
    struct weft__connection connection = {.server = start->server};
    int rc = serve(&connection, start->fd);
    stats->active--;
    weft_event_set(&start->server->changed);
    if (connection.cancelled) {
        stats->cancelled++;
        return 0;
    }
    if (rc < 0)
        stats->failed++;
    else
        stats->succeeded++;
    return rc;
}

int weft__connection_start(struct weft_server *server, int fd, const struct weft_address *peer)
{
    char name[WEFT_ADDRESS_TEXT_SIZE];
    struct start start = {.server = server, .fd = fd};
    bool named = peer->of.any.sa_family != AF_UNIX;
    struct weft_task_options options = {.stack_size = server->options.stack_size,
                                        .name = named ? weft_address_format(peer, name, sizeof name)
                                                      : "connection"};
    int rc = weft_start(&server->connections, NULL, &options, "connection", server->site, run,
                        &start, sizeof start);
    if (rc < 0)
        return rc;
    struct weft_server_stats *stats = &server->stats;
    stats->active++;
    stats->peak = stats->active > stats->peak ? stats->active : stats->peak;
    return 0;
}

/* Ending them. */

void weft__connections_cancel(struct weft_server *server, bool all)
{
    weft__list_each(link, &server->served)
    {
        struct weft__connection *connection = weft__container(link, struct weft__connection, link);
        if (all || connection->idle)
            weft_scope_cancel(&connection->scope, 0);
    }
}

void weft__connections_abort(struct weft_server *server)
{
    weft__list_each(link, &server->served) weft__container(link, struct weft__connection, link)
        ->reset = true;
}

/* For handlers. */

struct weft_server *weft_serve_server(void)
{
    const struct weft__connection *connection = weft_local_get(&current_connection);
    return connection ? connection->server : NULL;
}

int weft_serve_draining(void)
{
    const struct weft_server *server = weft_serve_server();
    return server && server->state != WEFT_SERVER_LISTENING;
}

void weft_serve_idle(int idle)
{
    struct weft__connection *connection = weft_local_get(&current_connection);
    if (!connection)
        return;
    connection->idle = idle != 0;
    if (idle && connection->server->state == WEFT_SERVER_DRAINING)
        weft_scope_cancel(&connection->scope, 0);
}
