/* SPDX-License-Identifier: MIT */
/*
 * echo: weft's echo servers, "tcp_echo", "tcp_echo raw", "tcp_echo transport" or "udp_echo" (also
 * with "transport"); see bench/load/load.c
 *
 * What a program gets: weft_serve and a stream. `raw` is a task for each descriptor, `transport`
 * has no tasks but protocols. Datagrams go through one task.
 */
#include "../common/bench.h"

#include <netinet/tcp.h>
#include <weft/weft.h>

/** What the command line asks for. */
struct options {
    /** The bench. */
    const char *bench;
    /** "raw", "transport", or "". */
    const char *kind;
};

static void say_port(int fd)
{
    struct weft_address address;
    if (weft_local_address(fd, &address) == 0)
        printf("PORT %u\n", weft_address_port(&address));
    fflush(stdout);
}

/** As examples/echo.c. */
static int echo(struct weft_stream *stream, void *arg)
{
    (void)arg;
    int64_t bytes = weft_stream_copy(stream, stream, WEFT_STREAM_ALL);
    return bytes < 0 ? (int)bytes : 0;
}

static int serve_streams(void)
{
    struct weft_serve_options options = {.address = "127.0.0.1:0"};
    struct weft_server *server;
    struct weft_scope scope;
    int fd, rc;
    weft_scope_enter(&scope, WEFT_FOREVER);
    rc = weft_server_open(&scope, &options, echo, NULL, &server);
    if (rc == 0 && weft_server_fds(server, &fd, 1) == 1)
        say_port(fd);
    return weft_scope_exit(&scope, rc < 0 ? rc : weft_server_join(server));
}

static int echo_raw(int fd)
{
    char buf[16384];
    ssize_t n = weft_set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    while (n >= 0 && (n = weft_recv(fd, buf, sizeof buf, 0)) > 0)
        n = weft_write_all(fd, buf, (size_t)n);
    weft_close(fd);
    return 0;
}
WEFT_TASK(echo_raw, int);

static int serve_raw(const struct weft_address *address)
{
    struct weft_scope scope;
    int client, fd = weft_tcp_listen(address, 0);
    if (fd < 0)
        return fd;
    say_port(fd);
    weft_scope_enter(&scope, WEFT_FOREVER);
    while ((client = weft_accept(fd, NULL)) >= 0)
        weft_go(&scope, echo_raw, client);
    return weft_scope_exit(&scope, client);
}

static int serve_datagrams(const struct weft_address *address)
{
    static char buf[65536];
    struct weft_address from;
    int fd = weft_udp_bind(address);
    ssize_t n = fd;
    if (fd >= 0)
        say_port(fd);
    while (n >= 0 && (n = weft_recvfrom(fd, buf, sizeof buf, 0, &from)) >= 0)
        n = weft_sendto(fd, buf, (size_t)n, 0, &from);
    return (int)n;
}

static int echo_data(void *self, struct weft_transport *transport, const void *data, size_t len)
{
    (void)self;
    return weft_transport_write(transport, data, len);
}

static int echo_datagram(void *self, struct weft_transport *transport, const void *data, size_t len,
                         const struct weft_address *from)
{
    (void)self;
    return weft_transport_sendto(transport, data, len, from);
}

static int make_echo(void *arg, const struct weft_protocol **ret_protocol, void **ret_self)
{
    static const struct weft_protocol protocol = {.data_received = echo_data,
                                                  .datagram_received = echo_datagram};
    (void)arg;
    (void)ret_self;
    *ret_protocol = &protocol;
    return 0;
}

static int serve_transports(const struct weft_address *address, int datagrams)
{
    struct weft_loop *loop = weft_loop_current();
    struct weft_protocol_server *server;
    struct weft_transport *transport;
    struct weft_address bound;
    int rc = datagrams ? weft_loop_create_datagram_endpoint(loop, address, NULL, NULL, make_echo,
                                                            NULL, &transport)
                       : weft_loop_create_server(loop, address, NULL, make_echo, NULL, &server);
    if (rc == 0)
        rc = datagrams ? weft_transport_local_address(transport, &bound)
                       : weft_protocol_server_address(server, &bound);
    if (rc < 0)
        return rc;
    printf("PORT %u\n", weft_address_port(&bound));
    fflush(stdout);
    rc = weft_sleep(WEFT_FOREVER);
    if (!datagrams)
        weft_protocol_server_unref(server);
    return rc;
}

static int program(void *arg)
{
    const struct options *options = arg;
    struct weft_address address;
    int rc = weft_address_parse("127.0.0.1:0", &address);
    if (rc < 0)
        return rc;
    if (!strcmp(options->kind, "transport"))
        return serve_transports(&address, !strcmp(options->bench, "udp_echo"));
    if (!strcmp(options->bench, "udp_echo"))
        return serve_datagrams(&address);
    return strcmp(options->kind, "raw") ? serve_streams() : serve_raw(&address);
}

int main(int argc, char **argv)
{
    struct options options = {.bench = argc > 1 ? argv[1] : "", .kind = argc > 2 ? argv[2] : ""};
    return weft_main(program, &options);
}
