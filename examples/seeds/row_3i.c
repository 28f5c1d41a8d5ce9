/* SPDX-License-Identifier: MIT */
/*
 * row_3i.c: "An introduction to Asyncio", transports
 *
 * A transport over TCP, UDP and pipes each: write, close, pause and resume reading; there is no
 * read call, data comes by callback. The other end of each is a plain descriptor, which a task
 * reads and writes with plain calls: both styles meet in one program. TLS is not among them yet.
 *
 *     row_3i [pause in ms [message]]
 */
#include "seed.h"
#include <string.h>

/** A protocol that prints what it is told. */
struct listener {
    /** "TCP", ... */
    const char *name;
    /** Set by the connection's making, by data, and by its loss. */
    struct weft_event heard;
};

static int connection_made(void *self, struct weft_transport *transport)
{
    struct listener *listener = self;

    (void)transport;
    printf("%s: connection made\n", listener->name);
    weft_event_set(&listener->heard);
    return 0;
}

static int data_received(void *self, struct weft_transport *transport, const void *data, size_t len)
{
    struct listener *listener = self;

    (void)transport;
    printf("%s: received %.*s\n", listener->name, (int)len, (const char *)data);
    weft_event_set(&listener->heard);
    return 0;
}

static int datagram_received(void *self, struct weft_transport *transport, const void *data,
                             size_t len, const struct weft_address *from)
{
    (void)from;
    return data_received(self, transport, data, len);
}

static void connection_lost(void *self, struct weft_transport *transport, int code)
{
    struct listener *listener = self;

    (void)transport;
    check(code);
    printf("%s: connection lost\n", listener->name);
    weft_event_set(&listener->heard);
}

static const struct weft_protocol listening = {
    .connection_made = connection_made,
    .data_received = data_received,
    .datagram_received = datagram_received,
    .connection_lost = connection_lost,
};

static int make_listener(void *arg, const struct weft_protocol **ret_protocol, void **ret_self)
{
    *ret_protocol = &listening;
    *ret_self = arg;
    return 0;
}

static int hear(struct listener *listener)
{
    int rc = weft_event_wait(&listener->heard);

    weft_event_clear(&listener->heard);
    return rc;
}

/** Prints what the other end reads next. */
static int other_end(const char *name, int fd)
{
    char buf[1024];
    ssize_t n = weft_read(fd, buf, sizeof buf);

    if (n > 0)
        printf("%s: the other end got %.*s\n", name, (int)n, buf);
    if (n == 0)
        printf("%s: the other end got 0 bytes\n", name);
    return n < 0 ? (int)n : 0;
}

static int read_what_comes(struct weft_transport *transport, struct listener *listener, int peer,
                           const struct arguments *arguments)
{
    const char *message = argument_text(arguments, 2, "hello");
    char again[1024];

    int rc = weft_write_all(peer, message, strlen(message));
    rc = rc < 0 ? rc : hear(listener);
    weft_transport_pause_reading(transport);
    snprintf(again, sizeof again, "%s again", message);
    rc = rc < 0 ? rc : weft_write_all(peer, again, strlen(again));
    rc = rc < 0 ? rc : weft_sleep(argument_number(arguments, 1, 50) * WEFT_MS);
    printf("%s: %s came in a pause\n", listener->name,
           weft_event_is_set(&listener->heard) ? "something" : "nothing");
    weft_transport_resume_reading(transport);
    return rc < 0 ? rc : hear(listener);
}

static int hang_up(struct weft_transport *transport, struct listener *listener)
{
    weft_transport_close(transport);
    printf("%s: closing\n", listener->name);
    return hear(listener);
}

static int talk_tcp(struct weft_future *connecting, struct listener *listener, int server,
                    const struct arguments *arguments)
{
    const char *message = argument_text(arguments, 2, "hello");
    void *transport = NULL;
    int code;

    int rc = weft_future_wait(connecting, &code, &transport);
    int peer = rc < 0 ? rc : code < 0 ? code : weft_accept(server, NULL);
    if (peer < 0)
        return peer;
    rc = hear(listener);
    rc = rc < 0 ? rc : read_what_comes(transport, listener, peer, arguments);
    rc = rc < 0 ? rc : weft_transport_write(transport, message, strlen(message));
    rc = rc < 0 ? rc : other_end("TCP", peer);
    rc = rc < 0 ? rc : hang_up(transport, listener);
    rc = rc < 0 ? rc : other_end("TCP", peer);
    int close_rc = weft_close(peer);
    return rc < 0 ? rc : close_rc;
}

static int use_tcp(const struct arguments *arguments)
{
    struct listener listener = {.name = "TCP", .heard = WEFT_EVENT_INIT(listener.heard)};
    struct weft_address address;
    struct weft_future *connecting;

    int rc = weft_address_parse("127.0.0.1:0", &address);
    int server = rc < 0 ? rc : weft_tcp_listen(&address, 0);
    rc = server < 0 ? server : weft_local_address(server, &address);
    rc = rc < 0 ? rc
                : weft_loop_create_connection(weft_loop_current(), &address, NULL, make_listener,
                                              &listener, &connecting);
    if (rc == 0) {
        rc = talk_tcp(connecting, &listener, server, arguments);
        weft_future_unref(connecting);
    }
    int close_rc = server < 0 ? 0 : weft_close(server);
    return rc < 0 ? rc : close_rc;
}

static int talk_udp(struct weft_transport *transport, struct listener *listener, int peer,
                    const struct arguments *arguments)
{
    const char *message = argument_text(arguments, 2, "hello");
    struct weft_address sender;
    char buf[1024];

    int rc = weft_transport_sendto(transport, message, strlen(message), NULL);
    ssize_t n = rc < 0 ? rc : weft_recvfrom(peer, buf, sizeof buf - 5, 0, &sender);
    if (n < 0)
        return (int)n;
    printf("UDP: the other end got %.*s\n", (int)n, buf);
    memcpy(buf + n, " back", 5);
    n = weft_sendto(peer, buf, (size_t)n + 5, 0, &sender);
    rc = n < 0 ? (int)n : hear(listener);
    return rc < 0 ? rc : hang_up(transport, listener);
}

static int use_udp(const struct arguments *arguments)
{
    struct listener listener = {.name = "UDP", .heard = WEFT_EVENT_INIT(listener.heard)};
    struct weft_transport *transport;
    struct weft_address address;

    int rc = weft_address_parse("127.0.0.1:0", &address);
    int peer = rc < 0 ? rc : weft_udp_bind(&address);
    rc = peer < 0 ? peer : weft_local_address(peer, &address);
    rc = rc < 0 ? rc
                : weft_loop_create_datagram_endpoint(weft_loop_current(), NULL, &address, NULL,
                                                     make_listener, &listener, &transport);
    rc = rc < 0 ? rc : hear(&listener);
    rc = rc < 0 ? rc : talk_udp(transport, &listener, peer, arguments);
    int close_rc = peer < 0 ? 0 : weft_close(peer);
    return rc < 0 ? rc : close_rc;
}

static int use_read_pipe(const struct arguments *arguments)
{
    struct listener listener = {.name = "pipe", .heard = WEFT_EVENT_INIT(listener.heard)};
    struct weft_transport *transport;
    int fds[2];

    int rc = weft_pipe(fds);
    rc = rc < 0 ? rc
                : weft_loop_connect_read_pipe(weft_loop_current(), fds[0], make_listener, &listener,
                                              &transport);
    rc = rc < 0 ? rc : hear(&listener);
    rc = rc < 0 ? rc : read_what_comes(transport, &listener, fds[1], arguments);
    rc = rc < 0 ? rc : weft_close(fds[1]);
    return rc < 0 ? rc : hear(&listener);
}

static int use_write_pipe(const struct arguments *arguments)
{
    const char *message = argument_text(arguments, 2, "hello");
    struct listener listener = {.name = "pipe", .heard = WEFT_EVENT_INIT(listener.heard)};
    struct weft_transport *transport;
    char *text = strdup(message), more[] = " to the pipe";
    struct iovec lines[] = {{text, strlen(message)}, {more, strlen(more)}};
    int fds[2];

    int rc = text ? weft_pipe(fds) : -ENOMEM;
    rc = rc < 0 ? rc
                : weft_loop_connect_write_pipe(weft_loop_current(), fds[1], make_listener,
                                               &listener, &transport);
    rc = rc < 0 ? rc : hear(&listener);
    rc = rc < 0 ? rc : weft_transport_writelines(transport, lines, 2);
    free(text);
    rc = rc < 0 ? rc : other_end("pipe", fds[0]);
    rc = rc < 0 ? rc : hang_up(transport, &listener);
    return rc < 0 ? rc : weft_close(fds[0]);
}

static int program(void *arg)
{
    int rc = use_tcp(arg);

    rc = rc < 0 ? rc : use_udp(arg);
    rc = rc < 0 ? rc : use_read_pipe(arg);
    return rc < 0 ? rc : use_write_pipe(arg);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};

    return weft_main(program, &arguments);
}
