/* SPDX-License-Identifier: MIT */
/*
 * test_listener.c: what a server can listen on
 *
 * Addresses of both families and all of them, ports that others share, several at once, and
 * descriptors that were given. Whatever fails leaves nothing open: the runner counts.
 */
#define _GNU_SOURCE 1 /* struct tcp_info, with musl */
#include "serve_test.h"

#include <netinet/tcp.h>

/** The address of this host in a family, with a port. */
static struct weft_address loopback(int family, unsigned port)
{
    char text[WEFT_ADDRESS_TEXT_SIZE];
    snprintf(text, sizeof text, family == AF_INET6 ? "[::1]:%u" : "127.0.0.1:%u", port);
    return address_of(text);
}

static void need_ipv6(void)
{
    struct weft_address address = loopback(AF_INET6, 0);
    int fd = weft_tcp_listen(&address, 0);
    if (fd < 0)
        SKIP("no IPv6 here: %s", weft_strerror(fd));
    CHECK_EQ(weft_close(fd), 0);
}

static void check_served(const struct weft_address *address)
{
    int fd = client_of(address);
    check_echo(fd, "hello");
    CHECK_EQ(weft_close(fd), 0);
}

static void close_and_exit(struct weft_server *server, struct weft_scope *s)
{
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(s, 0), 0);
}

TASK_TEST(a_star_is_both_families_on_one_port)
{
    struct weft_scope s;
    struct weft_address addresses[3];
    need_ipv6();
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server =
        open_with(&s, (struct weft_serve_options){.address = "*:0"}, echo, NULL, NULL);
    CHECK_EQ(weft_server_addresses(server, addresses, 3), 2);
    CHECK_EQ(addresses[0].of.any.sa_family, AF_INET);
    CHECK_EQ(addresses[1].of.any.sa_family, AF_INET6);
    unsigned port = weft_address_port(&addresses[0]);
    CHECK_EQ(weft_address_port(&addresses[1]), port);
    struct weft_address four = loopback(AF_INET, port), six = loopback(AF_INET6, port);
    check_served(&four);
    check_served(&six);
    close_and_exit(server, &s);
}

TASK_TEST(a_star_with_a_port_that_is_taken_is_an_error)
{
    struct weft_scope s;
    struct weft_address address;
    char text[32];
    need_ipv6();
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server =
        open_with(&s, (struct weft_serve_options){.address = "*:0"}, echo, NULL, &address);
    snprintf(text, sizeof text, "*:%u", weft_address_port(&address));
    CHECK_ERR(weft_serve(text, echo, NULL), -EADDRINUSE);
    close_and_exit(server, &s);
}

TASK_TEST(an_ipv6_address_is_ipv6_alone)
{
    struct weft_scope s;
    struct weft_address address;
    need_ipv6();
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server =
        open_with(&s, (struct weft_serve_options){.address = "[::]:0"}, echo, NULL, &address);
    struct weft_address four = loopback(AF_INET, weft_address_port(&address));
    CHECK_ERR(weft_tcp_connect(&four), -ECONNREFUSED);
    close_and_exit(server, &s);
}

TASK_TEST(a_taken_address_is_an_error_and_says_which)
{
    struct weft_scope s;
    struct weft_address address;
    struct weft_server *server = NULL;
    char text[WEFT_ADDRESS_TEXT_SIZE];
    const char *texts[] = {"127.0.0.1:0", text};
    int listener = listen_anywhere(&address);
    weft_address_format(&address, text, sizeof text);
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_serve_options options = {.addresses = texts, .address_count = 2};
    CHECK_ERR(weft_server_open(&s, &options, echo, NULL, &server), -EADDRINUSE);
    CHECK(!server);
    CHECK_CONTAINS(weft_note(), text);
    CHECK_ERR(weft_serve(text, echo, NULL), -EADDRINUSE);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(weft_close(listener), 0);
}

TASK_TEST(bad_options_are_errors_with_a_note)
{
    CHECK_ERR(weft_serve("nonsense", echo, NULL), -EINVAL);
    CHECK_CONTAINS(weft_note(), "nonsense");
    struct weft_serve_options nowhere = {0};
    CHECK_ERR(weft_serve_with(&nowhere, echo, NULL), -EINVAL);
    CHECK_CONTAINS(weft_note(), "needs an address");
    CHECK_ERR(weft_serve_with(NULL, echo, NULL), -EINVAL);
}

TASK_TEST(a_host_name_is_no_address_to_listen_on_and_the_note_says_so)
{
    static const char *const texts[] = {"localhost:80", "localhost:0", "server.example.org:443"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        CHECK_ERR(weft_serve(texts[i], echo, NULL), -EINVAL);
        CHECK_CONTAINS(weft_note(), texts[i]);
        CHECK_CONTAINS(weft_note(), "a name, not a number; a resolver must look it up");
    }
}

TASK_TEST(servers_share_a_port_only_when_both_ask_for_it)
{
    struct weft_scope s;
    struct weft_address address;
    struct weft_server *other = NULL;
    char text[WEFT_ADDRESS_TEXT_SIZE];
    if (test_engine_is("sim"))
        SKIP("simulated ports are not shared");
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_serve_options options = {.flags = WEFT_SERVE_REUSE_PORT};
    struct weft_server *server = open_with(&s, options, echo, NULL, &address);
    options.address = weft_address_format(&address, text, sizeof text);
    CHECK_EQ(weft_server_open(&s, &options, echo, NULL, &other), 0);
    for (int i = 0; i < 100 && !stats_of(other).accepted; i++)
        check_served(&address);
    CHECK(stats_of(other).accepted > 0);
    options.flags = 0;
    CHECK_ERR(weft_serve_with(&options, echo, NULL), -EADDRINUSE);
    CHECK_EQ(weft_server_close(other), 0);
    close_and_exit(server, &s);
}

static int option_of(int fd, int level, int option)
{
    const struct weft_sys *sys = weft__sys_current();
    int value = -1;
    socklen_t len = sizeof value;
    CHECK_EQ(sys->getsockopt(sys, fd, level, option, &value, &len), 0);
    return value;
}

TASK_TEST(a_listener_reuses_its_address_and_has_the_backlog_that_was_asked_for)
{
    static const int asked[] = {0, 7};
    if (test_engine_is("sim"))
        SKIP("simulated listeners do not tell");
    for (int i = 0; i < 2; i++) {
        struct weft_scope s;
        struct tcp_info info;
        socklen_t len = sizeof info;
        int fd = -1;
        weft_scope_enter(&s, WEFT_FOREVER);
        struct weft_serve_options options = {.backlog = asked[i]};
        struct weft_server *server = open_with(&s, options, echo, NULL, NULL);
        CHECK_EQ(weft_server_fds(server, &fd, 1), 1);
        CHECK_EQ(option_of(fd, SOL_SOCKET, SO_REUSEADDR) != 0, 1);
        CHECK_EQ(option_of(fd, SOL_SOCKET, SO_REUSEPORT), 0);
        if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
            len < offsetof(struct tcp_info, tcpi_lost))
            SKIP("the state of a listener is not told here");
        /* Of a listener this field is its backlog, cut to net.core.somaxconn. */
        CHECK(asked[i] ? info.tcpi_sacked == (unsigned)asked[i]
                       : info.tcpi_sacked == WEFT_SERVE_BACKLOG || info.tcpi_sacked == 128);
        close_and_exit(server, &s);
    }
}

static int tell_nodelay(struct weft_stream *stream, void *arg)
{
    *(int *)arg = option_of(weft_stream_fd(stream), IPPROTO_TCP, TCP_NODELAY);
    return 0;
}

TASK_TEST(connections_have_the_options_of_the_streams)
{
    for (int delay = 0; delay < 2; delay++) {
        struct weft_scope s;
        struct weft_address address;
        int nodelay = -1;
        weft_scope_enter(&s, WEFT_FOREVER);
        struct weft_stream_options stream = {.flags = delay ? WEFT_STREAM_DELAY : 0};
        struct weft_serve_options options = {.stream = &stream};
        struct weft_server *server = open_with(&s, options, tell_nodelay, &nodelay, &address);
        int fd = client_of(&address);
        check_end(fd);
        CHECK_EQ(nodelay != 0, !delay);
        CHECK_EQ(weft_close(fd), 0);
        close_and_exit(server, &s);
    }
}

/* Descriptors that were given. */

TASK_TEST(a_listening_socket_can_be_given)
{
    struct weft_scope s;
    struct weft_address address, got;
    const struct weft_sys *sys = weft__sys_current();
    int given = sys->socket(sys, AF_INET, SOCK_STREAM, 0);
    struct weft_address any = address_of("127.0.0.1:0");
    CHECK_OK(given);
    CHECK_EQ(weft_bind(given, &any), 0);
    CHECK_EQ(weft_listen(given, 5), 0);
    address = local_address(given);
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_serve_options options = {.fds = &given, .fd_count = 1};
    struct weft_server *server = open_with(&s, options, echo, NULL, &got);
    CHECK(weft_address_equal(&got, &address));
    CHECK(flags_of(given, F_GETFL) & O_NONBLOCK);
    CHECK(flags_of(given, F_GETFD) & FD_CLOEXEC);
    int fd = -1;
    CHECK_EQ(weft_server_fds(server, &fd, 1), 1);
    CHECK_EQ(fd, given);
    check_served(&address);
    close_and_exit(server, &s);
    CHECK_ERR(weft_listen(given, 5), -EBADF);
}

TASK_TEST(what_is_given_must_listen_and_stays_the_callers_when_it_does_not)
{
    struct weft_address address;
    int listener = listen_anywhere(&address);
    int fds[3] = {listener, weft_socket(AF_INET, SOCK_STREAM, 0),
                  weft_socket(AF_INET, SOCK_DGRAM, 0)};
    for (int bad = 1; bad < 3; bad++) {
        int given[2] = {listener, fds[bad]};
        struct weft_serve_options options = {.fds = given, .fd_count = 2};
        CHECK_ERR(weft_serve_with(&options, echo, NULL), -EINVAL);
        CHECK_CONTAINS(weft_note(), "is no listening stream socket");
    }
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_close(fds[i]), 0);
}
