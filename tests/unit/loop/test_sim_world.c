/* SPDX-License-Identifier: MIT */
/*
 * test_sim_world.c: the simulated world as a table of system calls
 *
 * The calls are made directly on the table, without an engine: numbers, names, datagrams,
 * connections, the clock, and what passes through to the real world. What the world has in common
 * with Linux is compared call by call in test_sim_kernel.c; here stands what is the world's own,
 * and what a kernel would make slow, rare or nondeterministic.
 */
#define _GNU_SOURCE
#include "loop/poller/sim/world.h"
#include "test.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define CALL(entry, ...) sys->entry(sys, __VA_ARGS__)

static const struct weft_sys *sys;

static void open_world(uint64_t seed)
{
    CHECK_OK(weft__sim_new(seed, &sys));
}

/* Frees the world after checking that the test closed all it opened. */
static void close_world(void)
{
    CHECK_EQ(weft__sim_open(sys), 0);
    weft__sim_free(sys);
}

static struct sockaddr_in ipv4(const char *address, unsigned port)
{
    unsigned a, b, c, d;

    CHECK_EQ(sscanf(address, "%u.%u.%u.%u", &a, &b, &c, &d), 4);
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((in_port_t)port),
                                .sin_addr.s_addr = htonl(a << 24 | b << 16 | c << 8 | d)};
}

static const struct sockaddr *any(const struct sockaddr_in *address)
{
    return (const struct sockaddr *)address;
}

static int bind_to(int fd, const char *address, unsigned port)
{
    struct sockaddr_in name = ipv4(address, port);

    return CALL(bind, fd, any(&name), sizeof name);
}

static int connect_to(int fd, const char *address, unsigned port)
{
    struct sockaddr_in name = ipv4(address, port);

    return CALL(connect, fd, any(&name), sizeof name);
}

static unsigned local_port(int fd)
{
    struct sockaddr_in name;
    socklen_t len = sizeof name;

    CHECK_OK(CALL(getsockname, fd, (struct sockaddr *)&name, &len));
    return ntohs(name.sin_port);
}

static unsigned poll_now(int fd, int events)
{
    struct pollfd entry = {.fd = fd, .events = (short)events};

    CHECK_OK(CALL(poll, &entry, 1, 0));
    return (unsigned)entry.revents;
}

static int error_of(int fd)
{
    int error = -1;
    socklen_t len = sizeof error;

    CHECK_OK(CALL(getsockopt, fd, SOL_SOCKET, SO_ERROR, &error, &len));
    return error;
}

/* A listener on a port, and a client connected to it; both are in order to be accepted. */
static int listen_on(unsigned port, int backlog)
{
    int fd = CALL(socket, AF_INET, SOCK_STREAM, 0);

    CHECK_OK(bind_to(fd, "127.0.0.1", port));
    CHECK_OK(CALL(listen, fd, backlog));
    return fd;
}

static int client_of(unsigned port)
{
    int fd = CALL(socket, AF_INET, SOCK_STREAM, 0);

    CHECK_OK(connect_to(fd, "127.0.0.1", port));
    return fd;
}

static void connected_pair(int fds[2])
{
    int listener = listen_on(7000, 8);

    fds[0] = client_of(7000);
    fds[1] = CALL(accept4, listener, NULL, NULL, 0);
    CHECK_OK(fds[1]);
    CHECK_OK(CALL(close, listener));
}

/* --- Clock and randomness -------------------------------------------------------------------- */

TEST(the_clock_starts_at_one_fixed_instant_and_stands_still)
{
    open_world(0);
    weft_ns first = sys->clock(sys);
    CHECK(first > 0);
    CHECK_EQ(sys->clock(sys), first);
    close_world();
    open_world(99);
    CHECK_EQ(sys->clock(sys), first);
    close_world();
}

TEST(equal_seeds_give_equal_bytes_and_other_seeds_others)
{
    unsigned char bytes[3][37];
    static const uint64_t seeds[3] = {5, 5, 6};

    for (int i = 0; i < 3; i++) {
        open_world(seeds[i]);
        CHECK_OK(CALL(random, bytes[i], sizeof bytes[i]));
        close_world();
    }
    CHECK_MEM(bytes[0], bytes[1], sizeof bytes[0]);
    CHECK(memcmp(bytes[0], bytes[2], sizeof bytes[0]) != 0);
}

TEST(a_programs_use_of_randomness_does_not_change_which_connections_take_time)
{
    int outcomes[2][16];

    for (int run = 0; run < 2; run++) {
        char bytes[8];
        open_world(3);
        int listener = listen_on(80, 100);
        for (int i = 0; i < 16; i++) {
            int fd = CALL(socket, AF_INET, SOCK_STREAM, 0);
            if (run == 1)
                CHECK_OK(CALL(random, bytes, sizeof bytes));
            outcomes[run][i] = connect_to(fd, "127.0.0.1", 80);
            CHECK_OK(CALL(close, fd));
        }
        CHECK_OK(CALL(close, listener));
        close_world();
    }
    CHECK_MEM(outcomes[0], outcomes[1], sizeof outcomes[0]);
}

TEST(memory_is_real)
{
    void *p = NULL;

    open_world(0);
    char *block = sys->realloc(sys, NULL, 10);
    memcpy(block, "some text", 10);
    block = sys->realloc(sys, block, 100000);
    CHECK_STR(block, "some text");
    CHECK(!sys->realloc(sys, block, 0));
    CHECK_OK(CALL(mmap, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &p));
    *(char *)p = 1;
    CHECK_OK(CALL(munmap, p, 4096));
    close_world();
}

/* --- Numbers --------------------------------------------------------------------------------- */

TEST(there_is_no_epoll_and_no_io_uring)
{
    struct epoll_event event;
    char params[128];
    open_world(0);
    CHECK_ERR(sys->epoll_create1(sys, 0), -ENOSYS);
    CHECK_ERR(sys->epoll_ctl(sys, 3, EPOLL_CTL_ADD, 4, &event), -ENOSYS);
    CHECK_ERR(sys->epoll_wait(sys, 3, &event, 1, 0), -ENOSYS);
    CHECK_ERR(sys->io_uring_setup(sys, 8, params), -ENOSYS);
    CHECK_ERR(sys->io_uring_enter(sys, 3, 1, 1, 0, NULL, 0), -ENOSYS);
    CHECK_ERR(sys->io_uring_register(sys, 3, 0, NULL, 0), -ENOSYS);
    close_world();
}

TEST(numbers_start_at_the_base_and_the_lowest_free_one_is_used_again)
{
    int fds[4];

    open_world(0);
    for (int i = 0; i < 4; i++) {
        fds[i] = CALL(eventfd, 0, 0);
        CHECK_EQ(fds[i], WEFT__SIM_FD_BASE + i);
    }
    CHECK_OK(CALL(close, fds[2]));
    CHECK_OK(CALL(close, fds[1]));
    CHECK_EQ(CALL(eventfd, 0, 0), fds[1]);
    CHECK_EQ(CALL(eventfd, 0, 0), fds[2]);
    CHECK_EQ(CALL(eventfd, 0, 0), WEFT__SIM_FD_BASE + 4);
    CHECK_EQ(weft__sim_open(sys), 5);
    for (int i = 0; i < 5; i++)
        CHECK_OK(CALL(close, WEFT__SIM_FD_BASE + i));
    close_world();
}

TEST(a_closed_number_is_no_descriptor)
{
    char byte;
    int fd;

    open_world(0);
    fd = CALL(eventfd, 0, 0);
    CHECK_OK(CALL(close, fd));
    CHECK_ERR(CALL(close, fd), -EBADF);
    CHECK_ERR(CALL(read, fd, &byte, 1), -EBADF);
    CHECK_ERR(CALL(recvfrom, fd, &byte, 1, 0, NULL, NULL), -EBADF);
    CHECK_ERR(CALL(fcntl, fd, F_GETFL, 0), -EBADF);
    CHECK_EQ(poll_now(fd, POLLIN), POLLNVAL);
    CHECK_ERR(CALL(read, WEFT__SIM_FD_BASE + (1 << 20), &byte, 1), -EBADF);
    close_world();
}

TEST(descriptors_run_out_and_a_connection_waits_until_there_is_one)
{
    int listener, client, count = 0, fd;

    open_world(0);
    listener = listen_on(80, 4);
    client = client_of(80);
    while ((fd = CALL(eventfd, 0, 0)) >= 0)
        count++;
    CHECK_ERR(fd, -EMFILE);
    CHECK_EQ(count, WEFT__SIM_CHUNKS * WEFT__SIM_CHUNK - 2);
    CHECK_ERR(CALL(accept4, listener, NULL, NULL, 0), -EMFILE);
    CHECK_ERR(CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, (int[2]){0, 0}), -EMFILE);
    CHECK_OK(CALL(close, client + 1));
    CHECK_EQ(CALL(accept4, listener, NULL, NULL, 0), client + 1);
    for (int i = 0; i < WEFT__SIM_CHUNKS * WEFT__SIM_CHUNK; i++)
        CHECK_OK(CALL(close, WEFT__SIM_FD_BASE + i));
    close_world();
}

TEST(two_files_of_one_number_have_different_inodes)
{
    struct stat before, after;
    int fd;

    open_world(0);
    fd = CALL(socket, AF_INET, SOCK_STREAM, 0);
    CHECK_OK(CALL(fstat, fd, &before));
    CHECK(S_ISSOCK(before.st_mode));
    CHECK_OK(CALL(close, fd));
    CHECK_EQ(CALL(socket, AF_INET, SOCK_STREAM, 0), fd);
    CHECK_OK(CALL(fstat, fd, &after));
    CHECK(before.st_ino != after.st_ino);
    CHECK_OK(CALL(close, fd));
    close_world();
}

TEST(flags_are_those_that_the_maker_gave)
{
    int fds[2], fd;

    open_world(0);
    CHECK_OK(CALL(pipe2, fds, O_CLOEXEC));
    CHECK_EQ(CALL(fcntl, fds[0], F_GETFL, 0), O_RDONLY);
    CHECK_EQ(CALL(fcntl, fds[1], F_GETFL, 0), O_WRONLY);
    CHECK_EQ(CALL(fcntl, fds[0], F_GETFD, 0), FD_CLOEXEC);
    fd = CALL(socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK_EQ(CALL(fcntl, fd, F_GETFL, 0), O_RDWR | O_NONBLOCK);
    CHECK_EQ(CALL(fcntl, fd, F_GETFD, 0), 0);
    CHECK_OK(CALL(fcntl, fd, F_SETFL, 0));
    CHECK_EQ(CALL(fcntl, fd, F_GETFL, 0), O_RDWR);
    CHECK_OK(CALL(close, fd));
    CHECK_OK(CALL(close, fds[0]));
    CHECK_OK(CALL(close, fds[1]));
    close_world();
}

TEST(real_descriptors_pass_through)
{
    int fds[2];
    char text[8] = "";
    struct stat file;

    open_world(0);
    CHECK_OK(pipe(fds));
    CHECK_EQ(CALL(write, fds[1], "hello", 6), 6);
    CHECK_EQ(poll_now(fds[0], POLLIN), POLLIN);
    CHECK_EQ(CALL(read, fds[0], text, sizeof text), 6);
    CHECK_STR(text, "hello");
    CHECK_OK(CALL(fstat, fds[0], &file));
    CHECK(S_ISFIFO(file.st_mode));
    CHECK_EQ(poll_now(fds[0], POLLIN), 0);
    CHECK_EQ(weft__sim_open(sys), 0);
    CHECK_OK(CALL(close, fds[0]));
    CHECK_OK(CALL(close, fds[1]));
    CHECK_ERR(CALL(read, -1, text, 1), -EBADF);
    close_world();
}

TEST(polling_cannot_wait)
{
    int fd;

    open_world(0);
    fd = CALL(eventfd, 0, 0);
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    CHECK_ERR(CALL(poll, &entry, 1, WEFT_SEC), -EINVAL);
    CHECK_OK(CALL(close, fd));
    close_world();
}

/* --- Streams --------------------------------------------------------------------------------- */

TEST(a_stream_keeps_every_byte_in_order_through_short_writes)
{
    int fds[2];
    size_t sent = 0, got = 0;
    unsigned char out[7777], in[5001];
    int cut_short = 0;

    open_world(0);
    connected_pair(fds);
    while (got < 1000000) {
        for (size_t i = 0; i < sizeof out; i++)
            out[i] = (unsigned char)((sent + i) % 251);
        ssize_t n = CALL(sendto, fds[0], out, sizeof out, 0, NULL, 0);
        cut_short += n >= 0 && n < (ssize_t)sizeof out;
        sent += n > 0 ? (size_t)n : 0;
        n = CALL(recvfrom, fds[1], in, sizeof in, 0, NULL, NULL);
        CHECK_OK(n);
        for (size_t i = 0; i < (size_t)n; i++, got++)
            CHECK_EQ(in[i], (unsigned char)(got % 251));
    }
    CHECK(cut_short > 10);
    CHECK(sent - got <= WEFT__SIM_BUFFER);
    CHECK_OK(CALL(close, fds[0]));
    CHECK_OK(CALL(close, fds[1]));
    close_world();
}

TEST(a_full_stream_is_writable_again_when_a_third_is_free)
{
    int fds[2];
    static char bytes[WEFT__SIM_BUFFER];

    open_world(0);
    connected_pair(fds);
    CHECK_EQ(CALL(write, fds[0], bytes, sizeof bytes), sizeof bytes);
    CHECK_ERR(CALL(write, fds[0], bytes, 1), -EAGAIN);
    CHECK_EQ(poll_now(fds[0], POLLOUT), 0);
    CHECK_EQ(CALL(read, fds[1], bytes, sizeof bytes / 3), sizeof bytes / 3);
    CHECK_EQ(poll_now(fds[0], POLLOUT), 0);
    CHECK_EQ(CALL(read, fds[1], bytes, 2), 2);
    CHECK_EQ(poll_now(fds[0], POLLOUT), POLLOUT);
    CHECK_OK(CALL(close, fds[0]));
    CHECK_OK(CALL(close, fds[1]));
    close_world();
}

TEST(what_was_sent_before_a_close_arrives_and_then_the_end)
{
    int fds[2];
    char text[16];

    open_world(0);
    connected_pair(fds);
    CHECK_EQ(CALL(write, fds[0], "bye", 3), 3);
    CHECK_OK(CALL(close, fds[0]));
    CHECK_EQ(poll_now(fds[1], POLLIN | POLLRDHUP), POLLIN | POLLRDHUP);
    CHECK_EQ(CALL(read, fds[1], text, sizeof text), 3);
    CHECK_EQ(CALL(read, fds[1], text, sizeof text), 0);
    CHECK_EQ(CALL(read, fds[1], text, sizeof text), 0);
    CHECK_OK(CALL(close, fds[1]));
    close_world();
}

TEST(a_close_with_unread_bytes_resets_the_peer)
{
    int fds[2];
    char byte;

    open_world(0);
    connected_pair(fds);
    CHECK_EQ(CALL(write, fds[0], "x", 1), 1);
    CHECK_OK(CALL(close, fds[1]));
    CHECK_EQ(poll_now(fds[0], 0), POLLERR | POLLHUP);
    CHECK_ERR(CALL(read, fds[0], &byte, 1), -ECONNRESET);
    CHECK_EQ(CALL(read, fds[0], &byte, 1), 0);
    CHECK_ERR(CALL(write, fds[0], "x", 1), -EPIPE);
    CHECK_OK(CALL(close, fds[0]));
    close_world();
}

TEST(a_close_with_linger_zero_resets_the_peer)
{
    int fds[2];
    char byte;
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    open_world(0);
    connected_pair(fds);
    CHECK_OK(CALL(setsockopt, fds[1], SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    CHECK_OK(CALL(close, fds[1]));
    CHECK_ERR(CALL(read, fds[0], &byte, 1), -ECONNRESET);
    CHECK_OK(CALL(close, fds[0]));
    close_world();
}

TEST(the_first_write_to_a_tcp_peer_that_closed_is_lost_and_the_next_fails)
{
    int fds[2];

    open_world(0);
    connected_pair(fds);
    CHECK_OK(CALL(close, fds[1]));
    CHECK_EQ(CALL(write, fds[0], "x", 1), 1);
    CHECK_ERR(CALL(write, fds[0], "x", 1), -EPIPE);
    CHECK_OK(CALL(close, fds[0]));
    close_world();
}

/* --- Listening and connecting ---------------------------------------------------------------- */

TEST(a_port_nobody_listens_on_refuses)
{
    open_world(0);
    int fd = CALL(socket, AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(connect_to(fd, "127.0.0.1", 9), -ECONNREFUSED);
    CHECK_ERR(connect_to(fd, "127.0.0.1", 9), -ECONNREFUSED);
    CHECK_OK(CALL(close, fd));
    close_world();
}

TEST(connections_are_accepted_in_the_order_in_which_they_were_made)
{
    int listener, clients[3];

    open_world(0);
    listener = listen_on(80, 8);
    CHECK_ERR(CALL(accept4, listener, NULL, NULL, 0), -EAGAIN);
    CHECK_EQ(poll_now(listener, POLLIN), 0);
    for (int i = 0; i < 3; i++)
        clients[i] = client_of(80);
    CHECK_EQ(poll_now(listener, POLLIN), POLLIN);
    for (int i = 0; i < 3; i++) {
        struct sockaddr_in peer;
        socklen_t len = sizeof peer;
        int fd = CALL(accept4, listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
        CHECK_EQ(len, sizeof peer);
        CHECK_EQ(ntohs(peer.sin_port), local_port(clients[i]));
        CHECK_EQ(local_port(fd), 80);
        CHECK_OK(CALL(close, fd));
        CHECK_OK(CALL(close, clients[i]));
    }
    CHECK_OK(CALL(close, listener));
    close_world();
}

TEST(a_full_backlog_makes_connections_wait_their_turn)
{
    int listener, first, second, fd;

    open_world(0);
    listener = listen_on(80, 0);
    first = client_of(80);
    second = CALL(socket, AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(connect_to(second, "127.0.0.1", 80), -EINPROGRESS);
    CHECK_ERR(connect_to(second, "127.0.0.1", 80), -EALREADY);
    CHECK_EQ(poll_now(second, POLLOUT), 0);
    CHECK_ERR(CALL(write, second, "x", 1), -EAGAIN);
    fd = CALL(accept4, listener, NULL, NULL, 0);
    CHECK_EQ(poll_now(second, POLLOUT), POLLOUT);
    CHECK_EQ(error_of(second), 0);
    CHECK_OK(connect_to(second, "127.0.0.1", 80));
    CHECK_ERR(connect_to(second, "127.0.0.1", 80), -EISCONN);
    CHECK_OK(CALL(close, fd));
    CHECK_OK(CALL(close, first));
    CHECK_OK(CALL(close, second));
    CHECK_OK(CALL(close, listener));
    close_world();
}

TEST(a_connection_in_progress_is_tried_again_by_another_connect)
{
    int listener, first, second, fd;

    open_world(0);
    listener = listen_on(80, 0);
    first = client_of(80);
    second = CALL(socket, AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(connect_to(second, "127.0.0.1", 80), -EINPROGRESS);
    fd = CALL(accept4, listener, NULL, NULL, 0);
    CHECK_OK(connect_to(second, "127.0.0.1", 80));
    CHECK_OK(CALL(close, fd));
    CHECK_OK(CALL(close, first));
    CHECK_OK(CALL(close, second));
    CHECK_OK(CALL(close, listener));
    close_world();
}

TEST(a_listener_that_closes_resets_who_waits_in_its_backlog)
{
    int listener, client;
    char byte;

    open_world(0);
    listener = listen_on(80, 4);
    client = client_of(80);
    CHECK_OK(CALL(close, listener));
    CHECK_ERR(CALL(read, client, &byte, 1), -ECONNRESET);
    CHECK_OK(CALL(close, client));
    close_world();
}

TEST(a_listener_that_is_shut_down_accepts_no_more)
{
    int listener, client;
    char byte;

    open_world(0);
    listener = listen_on(80, 4);
    client = client_of(80);
    CHECK_OK(CALL(shutdown, listener, SHUT_RD));
    CHECK_ERR(CALL(accept4, listener, NULL, NULL, 0), -EINVAL);
    CHECK_ERR(CALL(read, client, &byte, 1), -ECONNRESET);
    CHECK_OK(CALL(close, client));
    CHECK_OK(CALL(close, listener));
    close_world();
}

TEST(some_seeds_let_connections_take_their_time)
{
    int outcomes[2] = {0, 0};

    for (uint64_t seed = 1; seed <= 40; seed++) {
        open_world(seed);
        int listener = listen_on(80, 4);
        int fd = CALL(socket, AF_INET, SOCK_STREAM, 0);
        int rc = connect_to(fd, "127.0.0.1", 80);
        CHECK(rc == 0 || rc == -EINPROGRESS);
        outcomes[rc == 0]++;
        CHECK_EQ(poll_now(fd, POLLOUT), POLLOUT);
        CHECK_EQ(error_of(fd), 0);
        CHECK_OK(CALL(close, fd));
        CHECK_OK(CALL(close, listener));
        close_world();
    }
    CHECK(outcomes[0] >= 8 && outcomes[1] >= 8);
}

TEST(a_slow_connection_that_is_refused_says_so_in_so_error)
{
    uint64_t seed = 0;
    int fd, rc;

    do {
        open_world(++seed);
        fd = CALL(socket, AF_INET, SOCK_STREAM, 0);
        rc = connect_to(fd, "127.0.0.1", 80);
        if (rc == -EINPROGRESS)
            break;
        CHECK_ERR(rc, -ECONNREFUSED);
        CHECK_OK(CALL(close, fd));
        close_world();
    } while (seed < 100);
    CHECK(poll_now(fd, POLLOUT) & POLLERR);
    CHECK_EQ(error_of(fd), ECONNREFUSED);
    CHECK_EQ(error_of(fd), 0);
    CHECK_OK(CALL(close, fd));
    close_world();
}

/* --- Names ----------------------------------------------------------------------------------- */

TEST(a_bound_port_is_taken_until_its_socket_closes)
{
    int first, second, datagrams;

    open_world(0);
    first = listen_on(80, 4);
    second = CALL(socket, AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(bind_to(second, "127.0.0.1", 80), -EADDRINUSE);
    CHECK_ERR(bind_to(second, "0.0.0.0", 80), -EADDRINUSE);
    datagrams = CALL(socket, AF_INET, SOCK_DGRAM, 0);
    CHECK_OK(bind_to(datagrams, "127.0.0.1", 80));
    CHECK_OK(CALL(close, first));
    CHECK_OK(bind_to(second, "127.0.0.1", 80));
    CHECK_ERR(bind_to(second, "127.0.0.1", 81), -EINVAL);
    CHECK_OK(CALL(close, second));
    CHECK_OK(CALL(close, datagrams));
    close_world();
}

TEST(ephemeral_ports_are_counted_up_and_skip_those_in_use)
{
    int fds[3];

    open_world(0);
    fds[0] = CALL(socket, AF_INET, SOCK_DGRAM, 0);
    CHECK_OK(bind_to(fds[0], "127.0.0.1", 49153));
    for (int i = 1; i < 3; i++) {
        fds[i] = CALL(socket, AF_INET, SOCK_DGRAM, 0);
        CHECK_OK(bind_to(fds[i], "127.0.0.1", 0));
    }
    CHECK_EQ(local_port(fds[1]), 49152);
    CHECK_EQ(local_port(fds[2]), 49154);
    for (int i = 0; i < 3; i++)
        CHECK_OK(CALL(close, fds[i]));
    close_world();
}

TEST(a_listener_on_any_address_is_reached_at_every_address)
{
    int listener, client, fd;
    struct sockaddr_in name;
    socklen_t len = sizeof name;

    open_world(0);
    listener = CALL(socket, AF_INET, SOCK_STREAM, 0);
    CHECK_OK(bind_to(listener, "0.0.0.0", 80));
    CHECK_OK(CALL(listen, listener, 4));
    client = CALL(socket, AF_INET, SOCK_STREAM, 0);
    CHECK_OK(connect_to(client, "10.1.2.3", 80));
    fd = CALL(accept4, listener, NULL, NULL, 0);
    CHECK_OK(CALL(getsockname, fd, (struct sockaddr *)&name, &len));
    CHECK_EQ(ntohl(name.sin_addr.s_addr), 0x0a010203);
    CHECK_OK(CALL(getpeername, client, (struct sockaddr *)&name, &len));
    CHECK_EQ(ntohl(name.sin_addr.s_addr), 0x0a010203);
    CHECK_OK(CALL(close, fd));
    CHECK_OK(CALL(close, client));
    CHECK_OK(CALL(close, listener));
    close_world();
}

TEST(ipv6_and_ipv4_are_separate)
{
    struct sockaddr_in6 six = {
        .sin6_family = AF_INET6, .sin6_port = htons(80), .sin6_addr = in6addr_loopback};
    int listener, client;

    open_world(0);
    listener = CALL(socket, AF_INET6, SOCK_STREAM, 0);
    six.sin6_addr = in6addr_any;
    CHECK_OK(CALL(bind, listener, (struct sockaddr *)&six, sizeof six));
    CHECK_OK(CALL(listen, listener, 4));
    six.sin6_addr = in6addr_loopback;
    client = CALL(socket, AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(connect_to(client, "127.0.0.1", 80), -ECONNREFUSED);
    CHECK_ERR(CALL(connect, client, (struct sockaddr *)&six, sizeof six), -EAFNOSUPPORT);
    CHECK_OK(CALL(close, client));
    client = CALL(socket, AF_INET6, SOCK_STREAM, 0);
    CHECK_OK(CALL(connect, client, (struct sockaddr *)&six, sizeof six));
    CHECK_OK(CALL(close, client));
    CHECK_OK(CALL(close, listener));
    close_world();
}

TEST(a_unix_path_leads_to_its_listener_and_to_nobody_after_it_closed)
{
    struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "/no/such/folder/socket"};
    int listener, client, fd;
    struct sockaddr_un peer;
    socklen_t len = sizeof peer;

    open_world(0);
    client = CALL(socket, AF_UNIX, SOCK_STREAM, 0);
    CHECK_ERR(CALL(connect, client, (struct sockaddr *)&path, sizeof path), -ENOENT);
    listener = CALL(socket, AF_UNIX, SOCK_STREAM, 0);
    CHECK_OK(CALL(bind, listener, (struct sockaddr *)&path, sizeof path));
    CHECK_OK(CALL(listen, listener, 4));
    CHECK_OK(CALL(connect, client, (struct sockaddr *)&path, sizeof path));
    fd = CALL(accept4, listener, (struct sockaddr *)&peer, &len, 0);
    CHECK_EQ(len, sizeof(sa_family_t));
    len = sizeof peer;
    CHECK_OK(CALL(getsockname, fd, (struct sockaddr *)&peer, &len));
    CHECK_STR(peer.sun_path, path.sun_path);
    CHECK_EQ(len, offsetof(struct sockaddr_un, sun_path) + strlen(path.sun_path) + 1);
    CHECK_OK(CALL(close, listener));
    CHECK_OK(CALL(close, fd));
    CHECK_OK(CALL(close, client));
    close_world();
}

TEST(abstract_names_may_hold_zeros_and_count_by_their_length)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0a\0b"};
    socklen_t four = offsetof(struct sockaddr_un, sun_path) + 4;
    int listener, client;

    open_world(0);
    listener = CALL(socket, AF_UNIX, SOCK_STREAM, 0);
    CHECK_OK(CALL(bind, listener, (struct sockaddr *)&name, four));
    CHECK_OK(CALL(listen, listener, 4));
    client = CALL(socket, AF_UNIX, SOCK_STREAM, 0);
    CHECK_ERR(CALL(connect, client, (struct sockaddr *)&name, four + 1), -ECONNREFUSED);
    CHECK_ERR(CALL(connect, client, (struct sockaddr *)&name, four - 1), -ECONNREFUSED);
    CHECK_OK(CALL(connect, client, (struct sockaddr *)&name, four));
    CHECK_OK(CALL(close, listener));
    CHECK_OK(CALL(close, client));
    close_world();
}

TEST(names_are_cut_at_the_callers_room_and_their_length_is_told)
{
    int fd;
    struct sockaddr_in name;
    socklen_t len = 3;

    open_world(0);
    fd = CALL(socket, AF_INET, SOCK_DGRAM, 0);
    CHECK_OK(bind_to(fd, "127.0.0.1", 300));
    memset(&name, 0xee, sizeof name);
    CHECK_OK(CALL(getsockname, fd, (struct sockaddr *)&name, &len));
    CHECK_EQ(len, sizeof name);
    CHECK_EQ(((unsigned char *)&name)[2], 300 >> 8);
    CHECK_EQ(((unsigned char *)&name)[3], 0xee);
    CHECK_OK(CALL(close, fd));
    close_world();
}

/* --- Datagrams ------------------------------------------------------------------------------- */

static int datagram_socket(unsigned port)
{
    int fd = CALL(socket, AF_INET, SOCK_DGRAM, 0);

    CHECK_OK(bind_to(fd, "127.0.0.1", port));
    return fd;
}

TEST(datagrams_keep_their_bounds_their_order_and_their_sender)
{
    int to, from;
    char text[16];
    struct sockaddr_in name = ipv4("127.0.0.1", 53), sender;
    socklen_t len = sizeof sender;

    open_world(0);
    to = datagram_socket(53);
    from = CALL(socket, AF_INET, SOCK_DGRAM, 0);
    CHECK_EQ(CALL(sendto, from, "first", 5, 0, any(&name), sizeof name), 5);
    CHECK_EQ(CALL(sendto, from, "", 0, 0, any(&name), sizeof name), 0);
    CHECK_EQ(CALL(sendto, from, "third one", 9, 0, any(&name), sizeof name), 9);
    CHECK_EQ(CALL(recvfrom, to, text, sizeof text, 0, (struct sockaddr *)&sender, &len), 5);
    CHECK_MEM(text, "first", 5);
    CHECK_EQ(ntohs(sender.sin_port), local_port(from));
    CHECK_EQ(CALL(recvfrom, to, text, sizeof text, 0, NULL, NULL), 0);
    CHECK_EQ(CALL(recvfrom, to, text, 5, MSG_PEEK, NULL, NULL), 5);
    CHECK_EQ(CALL(recvfrom, to, text, 5, MSG_PEEK | MSG_TRUNC, NULL, NULL), 9);
    CHECK_EQ(CALL(recvfrom, to, text, 5, 0, NULL, NULL), 5);
    CHECK_MEM(text, "third", 5);
    CHECK_ERR(CALL(recvfrom, to, text, 5, 0, NULL, NULL), -EAGAIN);
    CHECK_OK(CALL(close, to));
    CHECK_OK(CALL(close, from));
    close_world();
}

TEST(a_connected_datagram_socket_hears_its_peer_alone)
{
    int one, two, other;
    struct sockaddr_in name = ipv4("127.0.0.1", 1);
    char byte;

    open_world(0);
    one = datagram_socket(1);
    two = datagram_socket(2);
    other = datagram_socket(3);
    CHECK_OK(connect_to(one, "127.0.0.1", 2));
    CHECK_EQ(CALL(sendto, other, "x", 1, 0, any(&name), sizeof name), 1);
    CHECK_ERR(CALL(read, one, &byte, 1), -EAGAIN);
    CHECK_EQ(CALL(sendto, two, "y", 1, 0, any(&name), sizeof name), 1);
    CHECK_EQ(CALL(read, one, &byte, 1), 1);
    CHECK_EQ(byte, 'y');
    CHECK_OK(CALL(close, one));
    CHECK_OK(CALL(close, two));
    CHECK_OK(CALL(close, other));
    close_world();
}

TEST(a_datagram_for_nobody_is_told_to_a_connected_sender_at_its_next_call)
{
    int fd;
    char byte;
    struct sockaddr_in name = ipv4("127.0.0.1", 9);

    open_world(0);
    fd = CALL(socket, AF_INET, SOCK_DGRAM, 0);
    CHECK_EQ(CALL(sendto, fd, "x", 1, 0, any(&name), sizeof name), 1);
    CHECK_ERR(CALL(read, fd, &byte, 1), -EAGAIN);
    CHECK_OK(connect_to(fd, "127.0.0.1", 9));
    CHECK_EQ(CALL(write, fd, "x", 1), 1);
    CHECK_EQ(poll_now(fd, POLLIN), POLLIN | POLLERR);
    CHECK_ERR(CALL(read, fd, &byte, 1), -ECONNREFUSED);
    CHECK_ERR(CALL(read, fd, &byte, 1), -EAGAIN);
    CHECK_OK(CALL(close, fd));
    close_world();
}

TEST(a_datagram_that_is_too_long_is_refused)
{
    int fd;
    static char bytes[65508];
    struct sockaddr_in name = ipv4("127.0.0.1", 9);

    open_world(0);
    fd = datagram_socket(9);
    CHECK_ERR(CALL(sendto, fd, bytes, 65508, 0, any(&name), sizeof name), -EMSGSIZE);
    CHECK_EQ(CALL(sendto, fd, bytes, 65507, 0, any(&name), sizeof name), 65507);
    CHECK_EQ(CALL(read, fd, bytes, sizeof bytes), 65507);
    CHECK_OK(CALL(close, fd));
    close_world();
}

TEST(connected_unix_datagrams_wait_for_room_and_none_is_lost)
{
    int fds[2], sent = 0, got = 0;
    char bytes[1000];

    open_world(0);
    CHECK_OK(CALL(socketpair, AF_UNIX, SOCK_DGRAM, 0, fds));
    while (CALL(write, fds[0], bytes, sizeof bytes) == sizeof bytes)
        sent++;
    CHECK(sent > 10);
    CHECK_EQ(poll_now(fds[0], POLLOUT), 0);
    CHECK_ERR(CALL(write, fds[0], bytes, 1), -EAGAIN);
    while (CALL(read, fds[1], bytes, sizeof bytes) == sizeof bytes)
        got++;
    CHECK_EQ(got, sent);
    CHECK_EQ(poll_now(fds[0], POLLOUT), POLLOUT);
    CHECK_OK(CALL(close, fds[0]));
    CHECK_OK(CALL(close, fds[1]));
    close_world();
}

/* --- Event counters, the real world, the end ------------------------------------------------- */

static void *add_one_often(void *arg)
{
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(CALL(write, *(int *)arg, &(uint64_t){1}, 8), 8);
    return NULL;
}

TEST(an_event_counter_may_be_written_by_other_threads)
{
    int fd;
    pthread_t thread;
    uint64_t count, total = 0;

    open_world(0);
    fd = CALL(eventfd, 0, 0);
    CHECK_EQ(pthread_create(&thread, NULL, add_one_often, &fd), 0);
    while (total < 1000) {
        if (CALL(read, fd, &count, sizeof count) == sizeof count)
            total += count;
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(total, 1000);
    CHECK_OK(CALL(close, fd));
    close_world();
}

/** A socket whose connection to a port without a listener takes its time. */
static int slowly_refused(void)
{
    for (;;) {
        int fd = CALL(socket, AF_INET, SOCK_STREAM, 0);
        if (connect_to(fd, "127.0.0.1", 81) == -EINPROGRESS)
            return fd;
        CHECK_OK(CALL(close, fd));
    }
}

TEST(a_slow_connection_that_is_refused_says_so_to_whoever_asks_first)
{
    char byte;
    int fd;

    open_world(1);
    fd = slowly_refused();
    CHECK_ERR(connect_to(fd, "127.0.0.1", 81), -ECONNREFUSED);
    CHECK_EQ(error_of(fd), 0);
    CHECK_OK(CALL(close, fd));
    fd = slowly_refused();
    CHECK_EQ(poll_now(fd, POLLERR) & POLLERR, POLLERR);
    CHECK_ERR(CALL(read, fd, &byte, 1), -ECONNREFUSED);
    CHECK_ERR(connect_to(fd, "127.0.0.1", 81), -ECONNABORTED);
    CHECK_OK(CALL(close, fd));
    close_world();
}

TEST(an_ipv6_socket_without_an_address_has_zeros_and_is_reached_at_loopback)
{
    struct sockaddr_in6 name, zeros = {.sin6_family = AF_INET6};
    socklen_t len = sizeof name;

    open_world(0);
    int listener = CALL(socket, AF_INET6, SOCK_STREAM, 0);
    int client = CALL(socket, AF_INET6, SOCK_STREAM, 0);
    CHECK_OK(CALL(getsockname, listener, (struct sockaddr *)&name, &len));
    CHECK_EQ(len, sizeof name);
    CHECK_MEM(&name, &zeros, sizeof name);
    CHECK_OK(CALL(listen, listener, 1));
    CHECK_OK(CALL(getsockname, listener, (struct sockaddr *)&name, &len));
    CHECK(name.sin6_port != 0);
    CHECK(IN6_IS_ADDR_UNSPECIFIED(&name.sin6_addr));
    CHECK_OK(CALL(bind, client, (struct sockaddr *)&zeros, sizeof zeros));
    CHECK_OK(CALL(connect, client, (struct sockaddr *)&name, sizeof name));
    CHECK_OK(CALL(getpeername, client, (struct sockaddr *)&name, &len));
    CHECK(IN6_IS_ADDR_LOOPBACK(&name.sin6_addr));
    CHECK_OK(CALL(getsockname, client, (struct sockaddr *)&name, &len));
    CHECK(IN6_IS_ADDR_LOOPBACK(&name.sin6_addr));
    CHECK_OK(CALL(close, client));
    CHECK_OK(CALL(close, listener));
    close_world();
}

TEST(calls_on_sockets_of_the_real_world_pass_through)
{
    struct sockaddr_in name = ipv4("127.0.0.1", 0);
    socklen_t len = sizeof name;
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);

    open_world(0);
    CHECK_OK(CALL(bind, listener, any(&name), sizeof name));
    CHECK_OK(CALL(listen, listener, 1));
    CHECK_OK(CALL(getsockname, listener, (struct sockaddr *)&name, &len));
    CHECK_OK(CALL(connect, fd, any(&name), sizeof name));
    int accepted = CALL(accept4, listener, NULL, NULL, SOCK_NONBLOCK);
    CHECK(accepted >= 0 && accepted < WEFT__SIM_FD_BASE);
    CHECK_EQ(CALL(fcntl, accepted, F_GETFL, 0) & O_NONBLOCK, O_NONBLOCK);
    CHECK_EQ(error_of(accepted), 0);
    CHECK_EQ(weft__sim_open(sys), 0);
    CHECK_OK(CALL(close, accepted));
    CHECK_OK(CALL(close, fd));
    CHECK_OK(CALL(close, listener));
    close_world();
}

TEST(only_streams_and_datagrams_can_be_made)
{
    open_world(0);
    CHECK_ERR(CALL(socket, AF_INET, SOCK_SEQPACKET, 0), -ESOCKTNOSUPPORT);
    CHECK_ERR(CALL(socketpair, AF_UNIX, SOCK_SEQPACKET, 0, (int[2]){0, 0}), -ESOCKTNOSUPPORT);
    close_world();
}

TEST(a_world_counts_what_is_left_open_and_frees_it)
{
    int fds[2];

    open_world(0);
    int listener = listen_on(80, 4);
    int client = client_of(80);
    CHECK_OK(CALL(write, client, "unread", 6));
    CHECK_OK(CALL(pipe2, fds, 0));
    CHECK_OK(CALL(write, fds[1], "unread", 6));
    int datagrams = datagram_socket(5);
    struct sockaddr_in name = ipv4("127.0.0.1", 5);
    CHECK_OK(CALL(sendto, datagrams, "unread", 6, 0, any(&name), sizeof name));
    CHECK_EQ(weft__sim_open(sys), 5);
    CHECK(listener > 0);
    /* The runner counts the memory that is left. */
    weft__sim_free(sys);
}
