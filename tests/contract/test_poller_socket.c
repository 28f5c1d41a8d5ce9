/* SPDX-License-Identifier: MIT */
/*
 * test_poller_socket.c: accepting, connecting, datagrams
 *
 * Over real loopback sockets on the real engines, in blocking and non-blocking mode; the same in
 * the simulated world.
 *
 * What is Linux's own, such as the length of a listener's queue, is left to the real engines; there
 * a test says why it skips the simulated one.
 */
#define _GNU_SOURCE
#include "poller_world.h"
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/time.h>

/** A TCP socket of a mode, not connected. */
static int make_client(struct world *w, const struct mode *mode)
{
    return as_mode(w, mode, w->sys->socket(w->sys, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static bool same_address(const struct sockaddr_in *a, const struct sockaddr_storage *b)
{
    return memcmp(a, b, offsetof(struct sockaddr_in, sin_zero)) == 0;
}

/* --- Accepting and connecting ---------------------------------------------------------------- */

TEST_EACH_ENGINE(accept_waits_for_a_connection_and_tells_whose_it_is)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct sockaddr_in address, own;
        socklen_t len = sizeof own;
        int listener = make_listener(&w, mode, 8, &address), before = status_flags(&w, listener);
        struct call accept = call_accept(listener);
        CHECK_EQ(call_submit(&w, &accept), 0);
        world_settle(&w);
        CHECK_EQ(accept.over, 0);
        int client = make_client(&w, mode);
        struct call connect = call_connect(client, &address);
        CHECK_EQ(call_run(&w, &connect), 0);
        int fd = (int)call_result(&w, &accept);
        CHECK_OK(fd);
        CHECK_OK(w.sys->getsockname(w.sys, client, (struct sockaddr *)&own, &len));
        CHECK_EQ(accept.address_len, sizeof own);
        CHECK(same_address(&own, &accept.address));
        CHECK(status_flags(&w, fd) & O_NONBLOCK);
        CHECK(w.sys->fcntl(w.sys, fd, F_GETFD, 0) & FD_CLOEXEC);
        CHECK_EQ(status_flags(&w, listener), before);
        close_fd(&w, fd);
        close_fd(&w, client);
        close_fd(&w, listener);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(accept_takes_a_connection_that_is_there)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct sockaddr_in address;
        int listener = make_listener(&w, mode, 8, &address);
        int client = make_client(&w, mode);
        struct call connect = call_connect(client, &address);
        CHECK_EQ(call_run(&w, &connect), 0);
        struct call accept = call_accept(listener);
        accept.op.flags = 0;
        int fd = (int)call_run(&w, &accept);
        CHECK_OK(fd);
        CHECK_EQ(status_flags(&w, fd) & O_NONBLOCK, 0);
        close_fd(&w, fd);
        close_fd(&w, client);
        close_fd(&w, listener);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(acceptors_of_one_listener_are_served_in_the_order_they_came)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct sockaddr_in address;
        struct call accepts[3];
        int clients[3], listener = make_listener(&w, mode, 8, &address);
        for (int i = 0; i < 3; i++) {
            accepts[i] = call_accept(listener);
            CHECK_EQ(call_submit(&w, &accepts[i]), 0);
        }
        world_settle(&w);
        for (int i = 0; i < 3; i++) {
            clients[i] = make_client(&w, mode);
            struct call connect = call_connect(clients[i], &address);
            CHECK_EQ(call_run(&w, &connect), 0);
        }
        for (int i = 0; i < 3; i++) {
            int fd = (int)call_result(&w, &accepts[i]);
            CHECK(i == 0 || accepts[i].turn > accepts[i - 1].turn);
            close_fd(&w, fd);
            close_fd(&w, clients[i]);
        }
        close_fd(&w, listener);
        world_close(&w);
    }
}

/* A connection is either delivered or still in the queue: none is lost, and no descriptor leaks. */
TEST_EACH_ENGINE(a_cancelled_accept_loses_no_connection)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct sockaddr_in address;
        int listener = make_listener(&w, mode, 8, &address);
        struct call accept = call_accept(listener);
        CHECK_EQ(call_submit(&w, &accept), 0);
        world_settle(&w);
        int client = make_client(&w, &owned_nonblocking);
        int rc = w.sys->connect(w.sys, client, (struct sockaddr *)&address, sizeof address);
        CHECK(rc == 0 || rc == -EINPROGRESS);
        int fd = (int)call_cancel(&w, &accept);
        if (fd < 0) {
            CHECK_ERR(fd, -ECANCELED);
            struct call again = call_accept(listener);
            fd = (int)call_run(&w, &again);
        }
        CHECK_OK(fd);
        close_fd(&w, fd);
        close_fd(&w, client);
        close_fd(&w, listener);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(connecting_leaves_flags_and_timeouts_of_the_socket_as_found)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct sockaddr_in address;
        int listener = make_listener(&w, &owned_nonblocking, 8, &address);
        int client = make_client(&w, mode), before = status_flags(&w, client);
        struct timeval timeout = {.tv_sec = 7};
        socklen_t len = sizeof timeout;
        int rc = w.sys->setsockopt(w.sys, client, SOL_SOCKET, SO_SNDTIMEO, &timeout, len);
        struct call connect = call_connect(client, &address);
        CHECK_EQ(call_run(&w, &connect), 0);
        CHECK_EQ(status_flags(&w, client), before);
        if (rc == 0)
            CHECK_OK(w.sys->getsockopt(w.sys, client, SOL_SOCKET, SO_SNDTIMEO, &timeout, &len));
        CHECK_EQ(timeout.tv_sec, 7);
        CHECK_EQ(timeout.tv_usec, 0);
        close_fd(&w, client);
        close_fd(&w, listener);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(connecting_where_nobody_listens_is_ECONNREFUSED)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct sockaddr_in address;
        /* Bound and not listening: the port is taken, and nobody answers. */
        int bound = make_bound(&w, &owned_nonblocking, SOCK_STREAM, &address);
        int client = make_client(&w, mode);
        struct call connect = call_connect(client, &address);
        CHECK_ERR(call_run(&w, &connect), -ECONNREFUSED);
        close_fd(&w, client);
        close_fd(&w, bound);
        world_close(&w);
    }
}

/** A listener whose queue is full, so that one more connection stays in progress. */
static int make_full_listener(struct world *w, struct sockaddr_in *ret, int clients[2])
{
    int listener = make_listener(w, &owned_nonblocking, 0, ret);
    for (int i = 0; i < 2; i++) {
        clients[i] = make_client(w, &owned_nonblocking);
        (void)w->sys->connect(w->sys, clients[i], (struct sockaddr *)ret, sizeof *ret);
    }
    return listener;
}

TEST_EACH_ENGINE(a_connect_in_progress_waits_and_can_be_cancelled_or_closed)
{
    if (test_engine_is("sim"))
        SKIP("a simulated connection is never in progress for long");
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct sockaddr_in address;
        int clients[2], listener = make_full_listener(&w, &address, clients);
        int first = make_client(&w, mode), second = make_client(&w, mode);
        struct call cancelled = call_connect(first, &address);
        struct call closed = call_connect(second, &address);
        CHECK_EQ(call_submit(&w, &cancelled), 0);
        CHECK_EQ(call_submit(&w, &closed), 0);
        world_settle(&w);
        CHECK_EQ(cancelled.over + closed.over, 0);
        CHECK_ERR(call_cancel(&w, &cancelled), -ECANCELED);
        close_fd(&w, first);
        close_fd(&w, second);
        CHECK_ERR(closed.op.result, -EBADF);
        close_both(&w, clients);
        close_fd(&w, listener);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(a_full_unix_listener_is_EAGAIN_to_who_connects)
{
    if (test_engine_is("sim"))
        SKIP("the limit is Linux's own");
    struct world w = world_open();
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len = offsetof(struct sockaddr_un, sun_path) + 1 +
                    (socklen_t)snprintf(address.sun_path + 1, sizeof address.sun_path - 1,
                                        "weft-contract-%d-%s", (int)getpid(), test_engine());
    int clients[2], listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(bind(listener, (struct sockaddr *)&address, len));
    CHECK_OK(listen(listener, 0));
    ssize_t rc = 0;
    for (int i = 0; i < 2; i++) {
        clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct call connect = call_connect(clients[i], &(struct sockaddr_in){0});
        memcpy(&connect.address, &address, sizeof address);
        connect.address_len = len;
        rc = call_run(&w, &connect);
    }
    CHECK_ERR(rc, -EAGAIN);
    close_both(&w, clients);
    close_fd(&w, listener);
    world_close(&w);
}

TEST_EACH_ENGINE(closing_a_listener_ends_its_acceptors_and_takes_no_more_connections)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct sockaddr_in address;
        int listener = make_listener(&w, mode, 8, &address);
        struct call accept = call_accept(listener);
        CHECK_EQ(call_submit(&w, &accept), 0);
        world_settle(&w);
        close_fd(&w, listener);
        CHECK_ERR(accept.op.result, -EBADF);
        int client = make_client(&w, mode);
        struct call connect = call_connect(client, &address);
        CHECK_ERR(call_run(&w, &connect), -ECONNREFUSED);
        close_fd(&w, client);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(bytes_go_both_ways_through_a_connection)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct sockaddr_in address;
        char buf[8];
        int listener = make_listener(&w, mode, 8, &address), client = make_client(&w, mode);
        struct call connect = call_connect(client, &address), accept = call_accept(listener);
        CHECK_EQ(call_run(&w, &connect), 0);
        int server = as_mode(&w, mode, (int)call_run(&w, &accept));
        struct call recv = call_recv(server, buf, sizeof buf, 0);
        CHECK_EQ(call_submit(&w, &recv), 0);
        struct call send = call_send(client, "ping", 4, 0);
        CHECK_EQ(call_run(&w, &send), 4);
        CHECK_EQ(call_result(&w, &recv), 4);
        struct call read = call_read(client, buf, sizeof buf);
        CHECK_EQ(call_submit(&w, &read), 0);
        struct call write = call_write(server, "pong!", 5);
        CHECK_EQ(call_run(&w, &write), 5);
        CHECK_EQ(call_result(&w, &read), 5);
        CHECK_MEM(buf, "pong!", 5);
        close_fd(&w, server);
        close_fd(&w, client);
        close_fd(&w, listener);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(a_reset_by_the_peer_is_ECONNRESET)
{
    if (test_engine_is("sim"))
        SKIP("SO_LINGER is not simulated");
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct sockaddr_in address;
        char buf[8];
        int listener = make_listener(&w, mode, 8, &address), client = make_client(&w, mode);
        struct call connect = call_connect(client, &address), accept = call_accept(listener);
        CHECK_EQ(call_run(&w, &connect), 0);
        int server = (int)call_run(&w, &accept);
        struct call recv = call_recv(client, buf, sizeof buf, 0);
        CHECK_EQ(call_submit(&w, &recv), 0);
        world_settle(&w);
        struct linger linger = {.l_onoff = 1};
        CHECK_OK(setsockopt(server, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
        close_fd(&w, server);
        CHECK_ERR(call_result(&w, &recv), -ECONNRESET);
        close_fd(&w, client);
        close_fd(&w, listener);
        world_close(&w);
    }
}

/* --- Datagrams ------------------------------------------------------------------------------- */

/** Two bound UDP sockets of a mode. */
static void make_datagram_pair(struct world *w, const struct mode *mode, int fds[2],
                               struct sockaddr_in addresses[2])
{
    for (int i = 0; i < 2; i++)
        fds[i] = make_bound(w, mode, SOCK_DGRAM, &addresses[i]);
}

TEST_EACH_ENGINE(a_datagram_of_no_bytes_is_a_result_of_0_with_its_sender)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct sockaddr_in addresses[2];
        char buf[8];
        int fds[2];
        make_datagram_pair(&w, mode, fds, addresses);
        struct call receive = call_recvfrom(fds[0], buf, sizeof buf);
        CHECK_EQ(call_submit(&w, &receive), 0);
        world_settle(&w);
        struct call empty = call_to(call_send(fds[1], "", 0, 0), &addresses[0]);
        CHECK_EQ(call_run(&w, &empty), 0);
        CHECK_EQ(call_result(&w, &receive), 0);
        CHECK(same_address(&addresses[1], &receive.address));
        struct call full = call_to(call_send(fds[1], "data", 4, 0), &addresses[0]);
        CHECK_EQ(call_run(&w, &full), 4);
        struct call next = call_recvfrom(fds[0], buf, sizeof buf);
        CHECK_EQ(call_run(&w, &next), 4);
        CHECK_EQ(next.address_len, sizeof addresses[1]);
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(a_datagram_larger_than_the_buffer_is_cut)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct sockaddr_in addresses[2];
        char buf[3];
        int fds[2];
        make_datagram_pair(&w, mode, fds, addresses);
        for (int i = 0; i < 2; i++) {
            struct call send = call_to(call_send(fds[1], "abcdef", 6, 0), &addresses[0]);
            CHECK_EQ(call_run(&w, &send), 6);
            struct call receive = i ? call_recv(fds[0], buf, 3, 0) : call_recvfrom(fds[0], buf, 3);
            CHECK_EQ(call_run(&w, &receive), 3);
            CHECK_MEM(buf, "abc", 3);
        }
        CHECK(!is_ready(&w, fds[0], POLLIN));
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(looking_at_a_datagram_leaves_it_there)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct sockaddr_in addresses[2];
        char buf[8];
        int fds[2];
        make_datagram_pair(&w, mode, fds, addresses);
        struct call send = call_to(call_send(fds[1], "peek", 4, 0), &addresses[0]);
        CHECK_EQ(call_run(&w, &send), 4);
        for (int i = 0; i < 2; i++) {
            struct call look = call_recv(fds[0], buf, sizeof buf, MSG_PEEK);
            CHECK_EQ(call_run(&w, &look), 4);
        }
        struct call take = call_recv(fds[0], buf, sizeof buf, 0);
        CHECK_EQ(call_run(&w, &take), 4);
        CHECK(!is_ready(&w, fds[0], POLLIN));
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(a_datagram_to_a_port_where_nobody_is_comes_back_as_ECONNREFUSED)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct sockaddr_in addresses[2];
        char buf[8];
        int fds[2];
        make_datagram_pair(&w, mode, fds, addresses);
        struct call connect = call_connect(fds[0], &addresses[1]);
        CHECK_EQ(call_run(&w, &connect), 0);
        close_fd(&w, fds[1]);
        struct call receive = call_recv(fds[0], buf, sizeof buf, 0);
        CHECK_EQ(call_submit(&w, &receive), 0);
        world_settle(&w);
        struct call send = call_send(fds[0], "x", 1, 0);
        CHECK_EQ(call_run(&w, &send), 1);
        CHECK_ERR(call_result(&w, &receive), -ECONNREFUSED);
        close_fd(&w, fds[0]);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(an_unused_address_buffer_is_untouched_on_failure)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct sockaddr_in address;
        char buf[4];
        int fd = make_bound(&w, mode, SOCK_DGRAM, &address);
        struct call receive = call_recvfrom(fd, buf, sizeof buf);
        CHECK_EQ(call_submit(&w, &receive), 0);
        world_settle(&w);
        CHECK_ERR(call_cancel(&w, &receive), -ECANCELED);
        CHECK_EQ(receive.address_len, sizeof receive.address);
        CHECK_EQ(receive.address.ss_family, 0);
        close_fd(&w, fd);
        world_close(&w);
    }
}
