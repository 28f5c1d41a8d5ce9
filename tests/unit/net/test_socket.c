/* SPDX-License-Identifier: MIT */
/*
 * test_socket.c: making descriptors
 *
 * Each test states one sentence of weft/net.h about calls that make, name and change descriptors.
 * The runner counts descriptors after each test, so that "nothing stays open" is part of every one.
 */
#include "net_test.h"

#include <netinet/tcp.h>
#include <sys/resource.h>

static int option_of(int fd, int level, int option)
{
    const struct weft_sys *sys = weft__sys_current();
    int value = -1;
    socklen_t len = sizeof value;
    CHECK_EQ(sys->getsockopt(sys, fd, level, option, &value, &len), 0);
    return value;
}

static bool is_owned(int fd)
{
    return (flags_of(fd, F_GETFD) & FD_CLOEXEC) && (flags_of(fd, F_GETFL) & O_NONBLOCK);
}

TASK_TEST(what_weft_makes_is_close_on_exec_and_non_blocking)
{
    struct weft_address address;
    int listener = listen_anywhere(&address), udp = bind_anywhere(&address), fds[2];
    CHECK(is_owned(listener));
    CHECK(is_owned(udp));
    CHECK_EQ(weft_close(listener), 0);
    CHECK_EQ(weft_close(udp), 0);
    void (*const makers[])(int *, int) = {owned_pipe, owned_sockets, owned_tcp};
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        makers[i](fds, 0);
        CHECK(is_owned(fds[0]));
        CHECK(is_owned(fds[1]));
        close_ends(fds);
    }
}

TASK_TEST(the_first_end_of_a_pipe_reads_and_the_second_writes)
{
    int fds[2];
    char byte;
    CHECK_EQ(weft_pipe(fds), 0);
    put(fds[1], "x");
    CHECK_EQ(weft_read(fds[0], &byte, 1), 1);
    CHECK_ERR(weft_read(fds[1], &byte, 1), -EBADF);
    CHECK_ERR(weft_write(fds[0], "x", 1), -EBADF);
    close_ends(fds);
}

TASK_TEST(errors_are_those_of_the_system_calls)
{
    int fds[2] = {-7, -8};
    struct weft_address address = address_of("127.0.0.1:0"), untouched;
    memset(&untouched, 0x5a, sizeof untouched);
    CHECK_ERR(weft_socket(12345, SOCK_STREAM, 0), -EAFNOSUPPORT);
    CHECK_ERR(weft_socketpair(12345, SOCK_STREAM, 0, fds), -EAFNOSUPPORT);
    CHECK_EQ(fds[0], -7);
    CHECK_EQ(fds[1], -8);
    CHECK_ERR(weft_bind(-1, &address), -EBADF);
    CHECK_ERR(weft_listen(-1, 1), -EBADF);
    CHECK_ERR(weft_shutdown(-1, SHUT_WR), -EBADF);
    CHECK_ERR(weft_set_option(-1, SOL_SOCKET, SO_REUSEADDR, 1), -EBADF);
    memset(&address, 0x5a, sizeof address);
    CHECK_ERR(weft_local_address(-1, &address), -EBADF);
    CHECK_ERR(weft_peer_address(-1, &address), -EBADF);
    CHECK_MEM(&address, &untouched, sizeof address);
}

TASK_TEST(both_ends_tell_both_addresses)
{
    int fds[2];
    struct weft_address peer;
    tcp_pair(fds);
    for (int i = 0; i < 2; i++) {
        struct weft_address local = local_address(fds[!i]);
        CHECK_EQ(weft_peer_address(fds[i], &peer), 0);
        CHECK(weft_address_equal(&peer, &local));
        CHECK(weft_address_port(&peer) > 0);
    }
    close_ends(fds);
}

TASK_TEST(a_socket_without_a_peer_leaves_the_address_untouched)
{
    struct weft_address address, untouched;
    int fd = bind_anywhere(&address);
    memset(&address, 0x5a, sizeof address);
    memset(&untouched, 0x5a, sizeof untouched);
    CHECK_ERR(weft_peer_address(fd, &address), -ENOTCONN);
    CHECK_MEM(&address, &untouched, sizeof address);
    CHECK_EQ(weft_close(fd), 0);
}

TASK_TEST(a_shutdown_is_the_end_for_the_other_side)
{
    int fds[2];
    char byte;
    tcp_pair(fds);
    put(fds[1], "x");
    CHECK_EQ(weft_shutdown(fds[1], SHUT_WR), 0);
    CHECK_EQ(weft_read(fds[0], &byte, 1), 1);
    CHECK_EQ(weft_read(fds[0], &byte, 1), 0);
    put(fds[0], "y");
    CHECK_EQ(weft_read(fds[1], &byte, 1), 1);
    close_ends(fds);
}

TASK_TEST(options_are_set)
{
    struct weft_address address;
    int fd = listen_anywhere(&address);
    CHECK_EQ(option_of(fd, SOL_SOCKET, SO_REUSEADDR) != 0, 1);
    CHECK_EQ(weft_set_option(fd, SOL_SOCKET, SO_REUSEADDR, 0), 0);
    CHECK_EQ(option_of(fd, SOL_SOCKET, SO_REUSEADDR), 0);
    CHECK_EQ(weft_close(fd), 0);
}

TASK_TEST(a_connected_tcp_stream_does_not_delay)
{
    int fds[2];
    tcp_pair(fds);
    CHECK_EQ(option_of(fds[1], IPPROTO_TCP, TCP_NODELAY) != 0, 1);
    close_ends(fds);
}

TASK_TEST(an_address_in_use_is_refused_with_the_step_and_the_address)
{
    char expected[200], text[WEFT_ADDRESS_TEXT_SIZE];
    struct weft_address tcp, udp;
    int listener = listen_anywhere(&tcp), bound = bind_anywhere(&udp);
    CHECK_ERR(weft_tcp_listen(&tcp, 0), -EADDRINUSE);
    snprintf(expected, sizeof expected, "listen on %s: Address already in use",
             weft_address_format(&tcp, text, sizeof text));
    CHECK_STR(weft_note(), expected);
    CHECK_ERR(weft_udp_bind(&udp), -EADDRINUSE);
    snprintf(expected, sizeof expected, "bind %s: Address already in use",
             weft_address_format(&udp, text, sizeof text));
    CHECK_STR(weft_note(), expected);
    CHECK_EQ(weft_close(listener), 0);
    CHECK_EQ(weft_close(bound), 0);
}

TASK_TEST(a_refused_connection_leaves_nothing_open_and_says_whose_it_was)
{
    char expected[200], text[WEFT_ADDRESS_TEXT_SIZE];
    struct weft_address address;
    int listener = listen_anywhere(&address);
    CHECK_EQ(weft_close(listener), 0);
    CHECK_ERR(weft_tcp_connect(&address), -ECONNREFUSED);
    snprintf(expected, sizeof expected, "connect to %s: Connection refused",
             weft_address_format(&address, text, sizeof text));
    CHECK_STR(weft_note(), expected);
}

TASK_TEST(a_refused_wait_leaves_nothing_open_and_connects_nobody)
{
    struct weft_scope s;
    struct weft_address address;
    int listener = listen_anywhere(&address);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_scope_cancel(&s, 0);
    CHECK_ERR(weft_tcp_connect(&address), -ECANCELED);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(weft_poll_now(listener, POLLIN), 0);
    CHECK_EQ(weft_close(listener), 0);
}

/** A listener with a short queue, and connections that fill it: the next one hangs. */
static int full_listener(struct weft_address *ret, int clients[2])
{
    const struct weft_sys *sys = weft__sys_current();
    struct weft_address any = address_of("127.0.0.1:0");
    int listener = weft_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(weft_bind(listener, &any), 0);
    CHECK_EQ(weft_listen(listener, 0), 0);
    *ret = local_address(listener);
    for (int i = 0; i < 2; i++) {
        clients[i] = weft_socket(AF_INET, SOCK_STREAM, 0);
        (void)sys->connect(sys, clients[i], &ret->of.any, ret->len);
    }
    return listener;
}

TASK_TEST(a_connection_cut_short_by_a_deadline_leaves_nothing_open)
{
    struct weft_address address;
    int clients[2], listener = full_listener(&address, clients);
    CHECK_ERR(weft_within(20 * WEFT_MS, weft_tcp_connect(&address)), -ETIMEDOUT);
    close_ends(clients);
    CHECK_EQ(weft_close(listener), 0);
}

TASK_TEST(after_a_cancelled_connect_the_socket_can_be_closed)
{
    struct weft_address address;
    int clients[2], listener = full_listener(&address, clients);
    int fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(weft_within(20 * WEFT_MS, weft_connect(fd, &address)), -ETIMEDOUT);
    CHECK_EQ(weft_close(fd), 0);
    close_ends(clients);
    CHECK_EQ(weft_close(listener), 0);
}

TASK_TEST(a_udp_socket_that_is_connected_sends_to_its_peer)
{
    char bytes[8];
    struct weft_address address, from;
    int receiver = bind_anywhere(&address), sender = weft_udp_connect(&address);
    CHECK_OK(sender);
    CHECK(is_owned(sender));
    CHECK_EQ(weft_send(sender, "abc", 3, 0), 3);
    CHECK_EQ(weft_recvfrom(receiver, bytes, sizeof bytes, 0, &from), 3);
    struct weft_address local = local_address(sender);
    CHECK(weft_address_equal(&from, &local));
    CHECK_EQ(weft_close(receiver), 0);
    CHECK_EQ(weft_close(sender), 0);
}

static int accept_one(int listener)
{
    int fd = weft_accept(listener, NULL);
    CHECK_OK(fd);
    put(fd, "welcome");
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}
WEFT_TASK(accept_one, int);

TASK_TEST(unix_streams_listen_and_connect_by_name)
{
    char name[64], bytes[16];
    struct weft_scope s;
    snprintf(name, sizeof name, "unix:@weft-test-%d-%s", (int)getpid(), test_engine());
    struct weft_address address = address_of(name);
    int listener = weft_tcp_listen(&address, 0);
    CHECK_OK(listener);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, accept_one, listener);
    int fd = weft_tcp_connect(&address);
    CHECK_OK(fd);
    CHECK_EQ(weft_read(fd, bytes, sizeof bytes), 7);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(listener), 0);
}

TASK_TEST(ipv6_works_like_ipv4)
{
    struct weft_scope s;
    struct weft_address address = address_of("[::1]:0");
    char bytes[16];
    int listener = weft_tcp_listen(&address, 0);
    if (listener == -EADDRNOTAVAIL || listener == -EAFNOSUPPORT)
        SKIP("no IPv6 here");
    CHECK_OK(listener);
    address = local_address(listener);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, accept_one, listener);
    int fd = weft_tcp_connect(&address);
    CHECK_OK(fd);
    CHECK_EQ(weft_read(fd, bytes, sizeof bytes), 7);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(listener), 0);
}

/* Giving a descriptor away. */

TASK_TEST(an_owned_descriptor_keeps_its_flags)
{
    int fds[2];
    foreign_pipe(fds, 0);
    int before = flags_of(fds[0], F_GETFL), of_fd = flags_of(fds[0], F_GETFD);
    CHECK_EQ(weft_fd_own(fds[0]), 0);
    CHECK_ERR(weft_within(WEFT_MS, weft_read(fds[0], fds, 1)), -ETIMEDOUT);
    CHECK_EQ(flags_of(fds[0], F_GETFL), before);
    CHECK_EQ(flags_of(fds[0], F_GETFD), of_fd);
    close_ends(fds);
}

TASK_TEST(what_is_no_descriptor_cannot_be_owned)
{
    int fds[2];
    CHECK_ERR(weft_fd_own(-1), -EBADF);
    CHECK_EQ(weft_pipe(fds), 0);
    close_ends(fds);
    CHECK_ERR(weft_fd_own(fds[0]), -EBADF);
}

TASK_TEST(a_regular_file_cannot_be_owned)
{
    FILE *file = tmpfile();
    CHECK(file != NULL);
    CHECK_ERR(weft_fd_own(fileno(file)), -EPERM);
    fclose(file);
}

/* No more descriptors. */

/** Lets the process have no descriptor beyond those that it has; returns the former limit. */
static rlim_t no_more_descriptors(void)
{
    struct rlimit limit;
    int next = dup(0);
    CHECK(next >= 0);
    close(next);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = (rlim_t)next;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

static void allow_descriptors(rlim_t count)
{
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = count;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

TASK_TEST(no_more_descriptors_is_an_ordinary_error)
{
#ifdef WEFT_VALGRIND
    SKIP("Valgrind keeps descriptors of its own, and the limit is its own, too");
#endif
    int fds[2] = {-7, -8};
    struct weft_address any = address_of("127.0.0.1:0");
    if (test_engine_is("sim"))
        SKIP("simulated descriptors are no business of the kernel's limit");
    rlim_t before = no_more_descriptors();
    CHECK_ERR(weft_socket(AF_INET, SOCK_STREAM, 0), -EMFILE);
    CHECK_ERR(weft_pipe(fds), -EMFILE);
    CHECK_ERR(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), -EMFILE);
    CHECK_EQ(fds[0], -7);
    CHECK_EQ(fds[1], -8);
    CHECK_ERR(weft_udp_bind(&any), -EMFILE);
    CHECK_ERR(weft_tcp_listen(&any, 0), -EMFILE);
    CHECK_ERR(weft_tcp_connect(&any), -EMFILE);
    allow_descriptors(before);
}

TASK_TEST(an_accept_without_room_fails_and_the_connection_stays)
{
#ifdef WEFT_VALGRIND
    SKIP("Valgrind keeps descriptors of its own, and the limit is its own, too");
#endif
    struct weft_address address, peer, untouched;
    if (test_engine_is("sim"))
        SKIP("simulated descriptors are no business of the kernel's limit");
    int listener = listen_anywhere(&address), fd = weft_tcp_connect(&address);
    CHECK_OK(fd);
    memset(&peer, 0x5a, sizeof peer);
    memset(&untouched, 0x5a, sizeof untouched);
    rlim_t before = no_more_descriptors();
    CHECK_ERR(weft_accept(listener, &peer), -EMFILE);
    CHECK_MEM(&peer, &untouched, sizeof peer);
    allow_descriptors(before);
    int accepted = weft_accept(listener, &peer);
    CHECK_OK(accepted);
    struct weft_address local = local_address(fd);
    CHECK(weft_address_equal(&peer, &local));
    CHECK_EQ(weft_close(accepted), 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(listener), 0);
}

/* Outside a loop. */

TEST(descriptors_are_made_and_closed_where_no_loop_runs)
{
    int fds[2];
    char byte;
    CHECK_EQ(weft_pipe(fds), 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(read(fds[0], &byte, 1), 1);
    CHECK_EQ(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
    CHECK_ERR(weft_fd_own(fds[0]), -EPERM);
    CHECK_EQ(weft_close(fds[0]), 0);
    CHECK_EQ(weft_close(fds[1]), 0);
    CHECK_ERR(weft_close(fds[1]), -EBADF);
}
