/* SPDX-License-Identifier: MIT */
/*
 * echo_server.h: an echo server on callbacks (row 0f)
 *
 * Nothing of it is a task: the loop calls it when a descriptor is readable, and it answers without
 * waiting. It accepts until its last connection is gone; then its future is done.
 */
#ifndef ECHO_SERVER_H
#define ECHO_SERVER_H

#include "seed.h"
#include <string.h>

#define ECHO_SIZE 64
#define ECHO_CONNECTIONS 16

/** The server; must stay in place until `done`. */
struct echo_server {
    /** Where its callbacks run. */
    struct weft_loop *loop;
    /** Done when the last connection is gone. */
    struct weft_future *done;
    /** Where it listens. */
    struct weft_address address;
    /** Accepts. */
    int listener;
    /** How many connections are open. */
    int open;
    /** How many there were. */
    int accepted;
    /** One for each connection there was. */
    struct echo_connection {
        /** The server. */
        struct echo_server *server;
        /** The connection. */
        int fd;
    } connections[ECHO_CONNECTIONS];
};

static inline void echo_hang_up(struct echo_connection *connection)
{
    struct echo_server *server = connection->server;

    check(weft_loop_close_fd(server->loop, connection->fd, NULL, NULL));
    if (--server->open > 0)
        return;
    check(weft_loop_close_fd(server->loop, server->listener, NULL, NULL));
    check(weft_future_set(server->done, 0, NULL));
}

static inline void echo_answer(void *arg)
{
    struct echo_connection *connection = arg;
    char buf[ECHO_SIZE] = "echo of ";
    size_t prefix = strlen(buf);
    ssize_t n = recv(connection->fd, buf + prefix, sizeof buf - prefix, MSG_DONTWAIT);

    check(n < 0 ? -errno : 0);
    if (n == 0) {
        echo_hang_up(connection);
        return;
    }
    n = send(connection->fd, buf, prefix + (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
    check(n < 0 ? -errno : 0);
}

static inline void echo_accept(void *arg)
{
    struct echo_server *server = arg;
    struct echo_connection *connection = &server->connections[server->accepted];

    connection->server = server;
    connection->fd = accept(server->listener, NULL, NULL);
    check(connection->fd < 0 ? -errno : 0);
    check(weft_loop_add_reader(server->loop, connection->fd, echo_answer, connection));
    server->open++;
    server->accepted++;
}

/** Listens at a port that the kernel chooses. A failure leaves nothing to be closed but by exit. */
static inline int echo_server_start(struct weft_loop *loop, struct echo_server *server)
{
    *server = (struct echo_server){.loop = loop};
    int rc = weft_address_parse("127.0.0.1:0", &server->address);

    server->listener = rc < 0 ? rc : weft_tcp_listen(&server->address, 0);
    rc = server->listener < 0 ? server->listener : 0;
    rc = rc < 0 ? rc : weft_local_address(server->listener, &server->address);
    rc = rc < 0 ? rc : weft_future_new(loop, &server->done);
    return rc < 0 ? rc : weft_loop_add_reader(loop, server->listener, echo_accept, server);
}

#endif
