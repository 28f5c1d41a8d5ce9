/* SPDX-License-Identifier: MIT */
/*
 * libev's echo servers: "tcp_echo" or "udp_echo"; see bench/load/load.c.
 *
 * libev has watchers and no buffers, so the calls on sockets are ours: what was read is sent back
 * at once, and what the socket does not take is sent by a write watcher, with reading stopped.
 */
#define _GNU_SOURCE
#include "../../common/bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum { BUFFER = 65536 };

/** One connection. */
struct connection {
    /** For what comes, and for what could not be sent. */
    ev_io in, out;
    /** What could not be sent; NULL when there is nothing. */
    char *rest;
    /** Where it begins, and its end. */
    size_t begin, end;
};

static void say_port(int fd)
{
    struct sockaddr_in name;
    socklen_t len = sizeof name;

    getsockname(fd, (struct sockaddr *)&name, &len);
    printf("PORT %d\n", ntohs(name.sin_port));
    fflush(stdout);
}

static void end(struct ev_loop *loop, struct connection *connection)
{
    ev_io_stop(loop, &connection->in);
    ev_io_stop(loop, &connection->out);
    close(connection->in.fd);
    free(connection->rest);
    free(connection);
}

static void go_on(struct ev_loop *loop, ev_io *watcher, int what)
{
    struct connection *connection = watcher->data;
    ssize_t n = send(watcher->fd, connection->rest + connection->begin,
                     connection->end - connection->begin, MSG_NOSIGNAL);

    (void)what;
    if (n > 0)
        connection->begin += (size_t)n;
    if (connection->begin < connection->end)
        return;
    free(connection->rest);
    connection->rest = NULL;
    ev_io_stop(loop, &connection->out);
    ev_io_start(loop, &connection->in);
}

static void echo(struct ev_loop *loop, ev_io *watcher, int what)
{
    static char buf[BUFFER];
    struct connection *connection = watcher->data;
    ssize_t n = recv(watcher->fd, buf, sizeof buf, 0), done;

    (void)what;
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        end(loop, connection);
        return;
    }
    done = send(watcher->fd, buf, (size_t)n, MSG_NOSIGNAL);
    if (done < 0)
        done = 0;
    if (done == n)
        return;
    connection->begin = 0;
    connection->end = (size_t)(n - done);
    connection->rest = malloc(connection->end);
    memcpy(connection->rest, buf + done, connection->end);
    ev_io_stop(loop, &connection->in);
    ev_io_start(loop, &connection->out);
}

static void connected(struct ev_loop *loop, ev_io *watcher, int what)
{
    int one = 1, fd = accept4(watcher->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct connection *connection = fd < 0 ? NULL : calloc(1, sizeof *connection);

    (void)what;
    if (!connection)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ev_io_init(&connection->in, echo, fd, EV_READ);
    ev_io_init(&connection->out, go_on, fd, EV_WRITE);
    connection->in.data = connection->out.data = connection;
    ev_io_start(loop, &connection->in);
}

static void answer(struct ev_loop *loop, ev_io *watcher, int what)
{
    static char buf[BUFFER];
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    ssize_t n = recvfrom(watcher->fd, buf, sizeof buf, 0, (struct sockaddr *)&from, &len);

    (void)loop, (void)what;
    if (n >= 0)
        (void)!sendto(watcher->fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
}

int main(int argc, char **argv)
{
    struct ev_loop *loop = ev_default_loop(0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int udp = argc > 1 && !strcmp(argv[1], "udp_echo");
    int fd = socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK, 0);
    ev_io watcher;

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) ||
        (!udp && listen(fd, 1024)))
        return 1;
    if (udp)
        ev_io_init(&watcher, answer, fd, EV_READ);
    else
        ev_io_init(&watcher, connected, fd, EV_READ);
    ev_io_start(loop, &watcher);
    say_port(fd);
    return !ev_run(loop, 0);
}
