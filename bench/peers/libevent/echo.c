/* SPDX-License-Identifier: MIT */
/*
 * libevent's echo servers: "tcp_echo" or "udp_echo"; see bench/load/load.c.
 *
 * TCP with its listener and bufferevents, moving the whole input to the output, as its manual does;
 * a datagram socket is an event of its own.
 */
#include "../../common/bench.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/tcp.h>

static void say_port(evutil_socket_t fd)
{
    struct sockaddr_in name;
    socklen_t len = sizeof name;

    getsockname(fd, (struct sockaddr *)&name, &len);
    printf("PORT %d\n", ntohs(name.sin_port));
    fflush(stdout);
}

static void echo(struct bufferevent *connection, void *arg)
{
    (void)arg;
    evbuffer_add_buffer(bufferevent_get_output(connection), bufferevent_get_input(connection));
}

static void ended(struct bufferevent *connection, short what, void *arg)
{
    (void)arg;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        bufferevent_free(connection);
}

static void connected(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int len, void *arg)
{
    int one = 1;
    struct bufferevent *connection =
        bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);

    (void)address, (void)len, (void)arg;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    bufferevent_setcb(connection, echo, NULL, ended, NULL);
    bufferevent_enable(connection, EV_READ | EV_WRITE);
}

static void answer(evutil_socket_t fd, short what, void *arg)
{
    char buf[65536];
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    ssize_t n = recvfrom(fd, buf, sizeof buf, MSG_DONTWAIT, (struct sockaddr *)&from, &len);

    (void)what, (void)arg;
    if (n >= 0)
        (void)!sendto(fd, buf, (size_t)n, MSG_DONTWAIT, (struct sockaddr *)&from, len);
}

int main(int argc, char **argv)
{
    struct event_base *base = event_base_new();
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};

    if (argc > 1 && !strcmp(argv[1], "udp_echo")) {
        int fd = socket(AF_INET, SOCK_DGRAM, 0);
        bind(fd, (struct sockaddr *)&address, sizeof address);
        event_add(event_new(base, fd, EV_READ | EV_PERSIST, answer, NULL), NULL);
        say_port(fd);
    } else {
        struct evconnlistener *listener =
            evconnlistener_new_bind(base, connected, NULL, LEV_OPT_CLOSE_ON_FREE, 1024,
                                    (struct sockaddr *)&address, sizeof address);
        if (!listener)
            return 1;
        say_port(evconnlistener_get_fd(listener));
    }
    return event_base_dispatch(base);
}
